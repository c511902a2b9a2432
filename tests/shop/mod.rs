//! The harness: the agent's own parts between a simulated till and a simulated store (Magento, or one that speaks our
//! store API) over real HTTPS, with a clock moved by hand. Nothing in it waits for time to pass.

#![allow(dead_code, reason = "each test binary uses its own part of the harness")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]
#![allow(clippy::disallowed_methods, reason = "an agent that dies in the middle of a step is played by hand")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use jiff::SignedDuration;
use tempfile::TempDir;
use tillbridge::central;
use tillbridge::clock::SystemClock;
use tillbridge::config::Config;
use tillbridge::demo::clock::HandClock;
use tillbridge::demo::magento::{self, Integration, Magento, Mode};
use tillbridge::demo::server::StoreServer;
use tillbridge::demo::shopify::{self, Shopify, ShopifyBooks};
use tillbridge::demo::store_api::{self, Store, StoreBooks};
use tillbridge::demo::till::{Habits, SimulatedTill};
use tillbridge::demo::woocommerce::{self, Woo, WooBooks};
use tillbridge::demo::{TOKEN, seed};
use tillbridge::domain::{OrderState, Quantity};
use tillbridge::epos::FolderEpos;
use tillbridge::ledger::Ledger;
use tillbridge::ledger::exports::ExportState;
use tillbridge::ledger::orders::OrderFilter;
use tillbridge::ports::*;
use tillbridge::tasks::delivery::Delivery;
use tillbridge::tasks::intake::Intake;
use tillbridge::tasks::orders::Orders;
use tillbridge::tasks::stock::Stock;
use tillbridge::tasks::{Reconciler, Shop};

/// A file's modification time.
pub(crate) fn modified(at: jiff::Timestamp) -> std::time::SystemTime {
    std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_micros(at.as_microsecond().try_into().unwrap())
}

/// A step of publishing or withdrawing at which the agent can die. The number counts the files that were dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    BeforeCompare,
    BeforeStage,
    Staged(usize),
    AfterStage,
    BeforeReveal,
    Revealed(usize),
    AfterReveal,
    BeforeUnstage,
    Unstaged(usize),
    AfterUnstage,
    BeforeWithdraw,
    Withdrawn(usize),
    AfterWithdraw,
    BeforeLook,
}

/// The real folders; dies once at a chosen step, and has no room while the disk is said to be full.
pub(crate) struct MortalEpos {
    inner: FolderEpos,
    dies: Mutex<Option<Step>>,
    is_dead: AtomicBool,
    full: AtomicBool,
    held: Mutex<Option<String>>,
    held_later: Mutex<Option<String>>,
    held_files: Mutex<std::collections::BTreeSet<String>>,
    tries: std::sync::atomic::AtomicUsize,
    marked: std::sync::atomic::AtomicUsize,
}

impl MortalEpos {
    /// After this step nothing can be done with the till until the agent is started again.
    pub(crate) fn die_at(&self, step: Step) {
        *self.dies.lock().unwrap() = Some(step);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::Relaxed)
    }

    /// From now on whatever writes a file finds no room, with the system's own error for it.
    pub(crate) fn fill_disk(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// From now on another program has this export open, and shares it with nobody; `None`: it is free again.
    pub(crate) fn hold_export(&self, name: Option<&str>) {
        *self.held.lock().unwrap() = name.map(str::to_owned);
    }

    /// The same, but it can still be looked at, and not be copied.
    pub(crate) fn hold_export_when_copied(&self, name: Option<&str>) {
        *self.held_later.lock().unwrap() = name.map(str::to_owned);
    }

    /// From now on another program has this order file open: it can be listed, and neither read nor moved.
    pub(crate) fn hold_order_file(&self, name: &str) {
        self.held_files.lock().unwrap().insert(name.to_owned());
    }

    /// All order files are free again.
    pub(crate) fn free_order_files(&self) {
        self.held_files.lock().unwrap().clear();
    }

    /// How often something was tried with a held order file.
    pub(crate) fn tries_of_held(&self) -> usize {
        self.tries.load(Ordering::Relaxed)
    }

    /// How often it was asked how far the till's reports are.
    pub(crate) fn times_marked(&self) -> usize {
        self.marked.load(Ordering::Relaxed)
    }

    fn free(&self, name: &str) -> Result<(), EposError> {
        // What has gone is held by nobody.
        let is_there = self.seen_path(name).exists() || self.staged_path(name, ".staged").exists();
        if is_there { self.free_to_write(name) } else { Ok(()) }
    }

    fn free_to_write(&self, name: &str) -> Result<(), EposError> {
        if !self.held_files.lock().unwrap().contains(name) {
            return Ok(());
        }
        self.tries.fetch_add(1, Ordering::Relaxed);
        let class = tillbridge::domain::retry::FailureClass::Transient;
        let source = std::io::Error::from(std::io::ErrorKind::ResourceBusy);
        Err(EposError { what: format!("cannot take {name} away"), class, source: Some(source) })
    }

    fn room_for(&self, what: &str) -> Result<(), EposError> {
        if !self.full.load(Ordering::Relaxed) {
            return Ok(());
        }
        let class = tillbridge::domain::retry::FailureClass::Transient;
        let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
        Err(EposError { what: format!("cannot write {what}; is the disk full?"), class, source: Some(source) })
    }

    fn pass(&self, step: Step) -> Result<(), EposError> {
        if *self.dies.lock().unwrap() == Some(step) {
            self.is_dead.store(true, Ordering::Relaxed);
        }
        self.alive()
    }

    fn alive(&self) -> Result<(), EposError> {
        if !self.is_dead() {
            return Ok(());
        }
        let class = tillbridge::domain::retry::FailureClass::Transient;
        Err(EposError { what: "the agent is dead".to_owned(), class, source: None })
    }

    /// How many files are dealt with before it dies in this step.
    fn dies_after(&self, of: fn(Step) -> Option<usize>) -> Option<usize> {
        self.dies.lock().unwrap().and_then(of).filter(|_| !self.is_dead())
    }

    /// The first of these moves, as the agent makes them; then it dies.
    fn move_some(&self, moves: &[(std::path::PathBuf, Option<std::path::PathBuf>)], most: usize) -> EposError {
        for (from, to) in moves.iter().take(most) {
            match to {
                Some(to) => std::fs::rename(from, to).unwrap(),
                None => std::fs::remove_file(from).unwrap(),
            }
        }
        self.is_dead.store(true, Ordering::Relaxed);
        self.alive().unwrap_err()
    }

    fn staged_path(&self, name: &str, ending: &str) -> std::path::PathBuf {
        self.inner.settings().staging().join(format!("{name}{ending}"))
    }

    fn seen_path(&self, name: &str) -> std::path::PathBuf {
        self.inner.settings().import_folder.join(name)
    }
}

fn names_of(names: &FileNames, role: Role) -> impl Iterator<Item = &String> {
    names.beside.iter().filter(move |beside| beside.role == role).map(|beside| &beside.name)
}

impl Epos for MortalEpos {
    fn look_for_exports(&self, now: jiff::Timestamp) -> Result<ExportLook, EposError> {
        let mut look = self.inner.look_for_exports(now)?;
        if let Some(name) = self.held.lock().unwrap().clone() {
            look.settled.retain(|export| export.name != name);
            look.unsettled.retain(|unsettled| unsettled.name != name);
            let reason = "another program has it open".to_owned();
            look.unsettled.push(Unsettled { name, reason, cause: Cause::Held });
        }
        Ok(look)
    }
    fn last_look(&self) -> Option<jiff::Timestamp> {
        self.inner.last_look()
    }
    fn pace(&self) -> Pace {
        self.inner.pace()
    }
    fn kind_of_export(&self, name: &str) -> ExportKind {
        self.inner.kind_of_export(name)
    }
    fn set_aside(&self, export: &SettledExport) {
        self.inner.set_aside(export);
    }
    fn take(&self, export: &SettledExport) -> Result<SpooledExport, EposError> {
        self.room_for(&export.name)?;
        if self.held_later.lock().unwrap().as_ref() == Some(&export.name) {
            let class = tillbridge::domain::retry::FailureClass::Transient;
            let source = std::io::Error::from(std::io::ErrorKind::ResourceBusy);
            return Err(EposError { what: format!("cannot open {}", export.name), class, source: Some(source) });
        }
        self.inner.take(export)
    }
    fn read(&self, spooled: &Path, name: &str, sink: &mut RowSink<'_>) -> Result<ReadSummary, ReadError> {
        self.inner.read(spooled, name, sink)
    }
    fn finish(&self, export: &SpooledExport, fate: ExportFate<'_>, now: jiff::Timestamp) -> Result<(), EposError> {
        self.inner.finish(export, fate, now)
    }
    fn render(&self, purpose: Purpose, orders: &[ToWrite<'_>], sequence: u64) -> Result<OrderFile, EposError> {
        self.inner.render(purpose, orders, sequence)
    }
    fn batch_of(&self) -> usize {
        self.inner.batch_of()
    }
    fn batch_wait(&self) -> std::time::Duration {
        self.inner.batch_wait()
    }
    fn takes_cancellations(&self) -> bool {
        self.inner.takes_cancellations()
    }
    fn marks(&self) -> Result<Marks, EposError> {
        self.marked.fetch_add(1, Ordering::Relaxed);
        self.inner.marks()
    }
    fn compare(&self, file: &OrderFile) -> Result<Earlier, EposError> {
        self.pass(Step::BeforeCompare)?;
        self.inner.compare(file)
    }
    fn staged(&self) -> Result<Vec<String>, EposError> {
        self.alive()?;
        self.inner.staged()
    }
    fn discard(&self, names: &FileNames) -> Result<(), EposError> {
        self.alive()?;
        self.free(&names.name)?;
        self.inner.discard(names)
    }
    fn has_other(&self, name: &str, sha256: &str) -> Result<bool, EposError> {
        self.alive()?;
        self.free(name)?;
        self.inner.has_other(name, sha256)
    }
    fn is_spoilt(&self, name: &str, sha256: &str) -> Result<bool, EposError> {
        self.alive()?;
        self.free(name)?;
        self.inner.is_spoilt(name, sha256)
    }
    fn finish_withdrawal(&self, names: &FileNames) -> Result<Option<Withdrawal>, EposError> {
        self.alive()?;
        self.inner.finish_withdrawal(names)
    }
    fn stage(&self, file: &OrderFile) -> Result<(), EposError> {
        self.pass(Step::BeforeStage)?;
        self.room_for(&file.name)?;
        self.free_to_write(&file.name)?;
        let dies = self.dies_after(|step| if let Step::Staged(files) = step { Some(files) } else { None });
        self.inner.stage(file)?;
        if let Some(whole) = dies {
            // What it was about to write is half there, and the rest is not.
            let parts = file.beside.iter().map(|beside| &beside.name).chain([&file.name]);
            for (at, name) in parts.enumerate().skip(whole) {
                let path = self.staged_path(name, ".staged");
                let half = std::fs::read(&path).unwrap().len() / 2;
                std::fs::File::options().write(true).open(&path).unwrap().set_len(half as u64).unwrap();
                if at > whole {
                    std::fs::remove_file(&path).unwrap();
                }
            }
            return Err(self.move_some(&[], 0));
        }
        self.pass(Step::AfterStage)
    }
    fn reveal(&self, names: &FileNames) -> Result<Revealed, EposError> {
        self.pass(Step::BeforeReveal)?;
        self.free(&names.name)?;
        if let Some(most) = self.dies_after(|step| if let Step::Revealed(files) = step { Some(files) } else { None }) {
            let parts = names_of(names, Role::Lines).chain([&names.name]).chain(names_of(names, Role::Trigger));
            let moves: Vec<_> =
                parts.map(|name| (self.staged_path(name, ".staged"), Some(self.seen_path(name)))).collect();
            return Err(self.move_some(&moves, most));
        }
        let revealed = self.inner.reveal(names)?;
        self.pass(Step::AfterReveal)?;
        Ok(revealed)
    }
    fn unstage(&self, names: &FileNames) -> Result<bool, EposError> {
        self.pass(Step::BeforeUnstage)?;
        self.free(&names.name)?;
        if let Some(most) = self.dies_after(|step| if let Step::Unstaged(files) = step { Some(files) } else { None })
            && self.staged_path(&names.name, ".staged").exists()
        {
            let main = (self.staged_path(&names.name, ".staged"), Some(self.staged_path(&names.name, ".withdrawn")));
            let beside = names.beside.iter().map(|beside| (self.staged_path(&beside.name, ".staged"), None));
            let moves: Vec<_> = std::iter::once(main).chain(beside.filter(|(path, _)| path.exists())).collect();
            return Err(self.move_some(&moves, most));
        }
        let unstaged = self.inner.unstage(names)?;
        self.pass(Step::AfterUnstage)?;
        Ok(unstaged)
    }
    fn withdraw(&self, names: &FileNames) -> Result<Withdrawal, EposError> {
        self.pass(Step::BeforeWithdraw)?;
        self.free(&names.name)?;
        if let Some(most) = self.dies_after(|step| if let Step::Withdrawn(files) = step { Some(files) } else { None }) {
            let away = |name: &String, ending| (self.seen_path(name), Some(self.staged_path(name, ending)));
            let triggers = names_of(names, Role::Trigger).map(|name| away(name, ".held"));
            let parts = [&names.name].into_iter().chain(names_of(names, Role::Lines));
            let moves: Vec<_> = triggers.chain(parts.map(|name| away(name, ".withdrawn"))).collect();
            return Err(self.move_some(&moves, most));
        }
        let withdrawn = self.inner.withdraw(names)?;
        self.pass(Step::AfterWithdraw)?;
        Ok(withdrawn)
    }
    fn look_at_orders(&self, awaited: &[Awaited], now: jiff::Timestamp) -> Result<Vec<Sighting>, EposError> {
        self.pass(Step::BeforeLook)?;
        self.inner.look_at_orders(awaited, now)
    }
}

/// The agent's parts, alive on one ledger.
pub(crate) struct Alive {
    pub(crate) shop: Arc<Shop>,
    pub(crate) epos: Arc<MortalEpos>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) orders: Arc<Orders>,
    pub(crate) stock: Arc<Stock>,
    pub(crate) delivery: Arc<Delivery>,
}

/// A shop under test.
pub(crate) struct TestShop {
    pub(crate) clock: HandClock,
    /// The books of a Magento; empty of orders where the other store is served.
    pub(crate) magento: Magento,
    /// The books of a store that speaks our store API, when that is the one that is served.
    pub(crate) store: Option<Store>,
    /// The books of a WooCommerce, when that is the one that is served.
    pub(crate) woo: Option<Woo>,
    /// The books of a Shopify, when that is the one that is served.
    pub(crate) shopify: Option<Shopify>,
    pub(crate) server: StoreServer,
    pub(crate) till: SimulatedTill,
    pub(crate) config: Config,
    pub(crate) folder: TempDir,
    alive: Option<Alive>,
}

/// The lines of the configuration that differ from store to store.
const MAGENTO: &str = "kind = \"magento\"\nmagento.source = \"shop1\"";
const STORE_API: &str = "kind = \"store_api\"\nstore_api.location = \"shop1\"";
const WOOCOMMERCE: &str = "kind = \"woocommerce\"";
const SHOPIFY: &str =
    "kind = \"shopify\"\nshopify.location = \"Shop 1, High Street\"\nshopify.quantity = \"available\"";

fn config(folder: &Path, server: &StoreServer, kind: &str) -> Config {
    let sign_in = if kind == WOOCOMMERCE {
        let (key, secret) = (woocommerce::CONSUMER_KEY, woocommerce::CONSUMER_SECRET);
        format!("woocommerce = {{ consumer_key = {key:?}, consumer_secret = {secret:?} }}")
    } else {
        format!("token = {:?}", server.token)
    };
    let text = format!(
        r#"
        [agent]
        data_folder = "agent"
        [epos]
        export_folder = "export"
        import_folder = "import"
        rejects_folder = "rejects"
        watch = "off"
        # A file `changes_0005.csv` holds what changed, and is number 0005.
        delta_files = ["changes_*.csv"]
        [epos.stock_profile]
        kind = "csv"
        delimiter = ","
        columns = {{ sku = "SKU", quantity = "Qty" }}
        [epos.delta_profile]
        export = "delta"
        columns = {{ sku = "SKU", quantity = "Qty" }}
        sequence = {{ from = "name", pattern = "changes_#.csv" }}
        [epos.order_profile]
        columns = [ {{ name = "OrderNo", value = "order.number" }}, {{ name = "SKU", value = "line.sku" }},
                    {{ name = "Qty", value = "line.quantity" }} ]
        [store]
        {kind}
        url = "{}"
        {sign_in}
        ca_file = "ca.pem"
        [orders]
        since = "2000-01-01T00:00:00Z"
        [stock]
        spread_after_outage = "0s"
        "#,
        server.url
    );
    std::fs::write(folder.join("ca.pem"), &server.ca_pem).unwrap();
    Config::parse(&text, &folder.join("config.toml")).unwrap()
}

impl TestShop {
    /// Opens a shop whose store keeps its books in this way. Ten teapots (`1001`) stand on the shelf.
    pub(crate) async fn open(mode: Mode) -> Self {
        Self::open_behind(mode, |router| router).await
    }

    /// The same, with something of the test's own between the line and the store.
    pub(crate) async fn open_behind(mode: Mode, layer: impl FnOnce(Router) -> Router) -> Self {
        let clock = HandClock::at(SystemClock.now());
        let magento = Magento::new(seed::magento(mode, Arc::new(clock.clone())));
        let router = layer(magento::rest::router(magento.clone(), TOKEN));
        Self::open_on(clock, magento, None, router, MAGENTO)
    }

    /// Opens the same shop at a store that speaks our store API, with something of the test's own before it.
    pub(crate) async fn open_on_store_api(layer: impl FnOnce(Router, &Store) -> Router) -> Self {
        let clock = HandClock::at(SystemClock.now());
        let magento = Magento::new(seed::magento(Mode::Msi, Arc::new(clock.clone())));
        let store = Store::new(StoreBooks::seeded(Arc::new(clock.clone())));
        let router = layer(store_api::router(store.clone(), TOKEN), &store);
        Self::open_on(clock, magento, Some(store), router, STORE_API)
    }

    /// Opens the same shop at a WooCommerce, with something of the test's own before it.
    pub(crate) async fn open_on_woocommerce(layer: impl FnOnce(Router, &Woo) -> Router) -> Self {
        let clock = HandClock::at(SystemClock.now());
        let magento = Magento::new(seed::magento(Mode::Msi, Arc::new(clock.clone())));
        let woo = Woo::new(WooBooks::seeded(Arc::new(clock.clone())));
        let router = layer(woocommerce::router(woo.clone()), &woo);
        let mut shop = Self::open_on(clock, magento, None, router, WOOCOMMERCE);
        shop.woo = Some(woo);
        shop
    }

    /// Another shop at the same Magento, on the same clock: with an agent, a till and a source of its own, in which ten
    /// teapots are counted as well.
    pub(crate) fn open_beside(other: &Self, source: &str) -> Self {
        let (clock, magento) = (other.clock.clone(), other.magento.clone());
        magento.with(|books| books.add_source(source, source));
        let router = magento::rest::router(magento.clone(), TOKEN);
        let kind = format!("kind = \"magento\"\nmagento.source = \"{source}\"");
        Self::open_on(clock, magento, None, router, &kind)
    }

    /// Opens the same shop at a Shopify, of which it is one of two locations.
    pub(crate) async fn open_on_shopify() -> Self {
        Self::open_on_shopify_as(SHOPIFY).await
    }

    /// The same with lines of its own in the configuration.
    pub(crate) async fn open_on_shopify_as(kind: &str) -> Self {
        let clock = HandClock::at(SystemClock.now());
        let magento = Magento::new(seed::magento(Mode::Msi, Arc::new(clock.clone())));
        let books = Shopify::new(ShopifyBooks::seeded(Arc::new(clock.clone())));
        let router = shopify::router(books.clone(), TOKEN);
        let mut shop = Self::open_on(clock, magento, None, router, kind);
        shop.shopify = Some(books);
        shop
    }

    fn open_on(clock: HandClock, magento: Magento, store: Option<Store>, router: Router, kind: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = StoreServer::start(router, TOKEN).unwrap();
        let till = SimulatedTill::new(folder.path(), Habits::default()).unwrap().stocked();
        let config = config(folder.path(), &server, kind);
        let mut shop =
            Self { clock, magento, store, woo: None, shopify: None, server, till, config, folder, alive: None };
        shop.start();
        // Every promise can be tried signed as well; tests/run does.
        if shop.store.is_none() && kind != WOOCOMMERCE && std::env::var_os("TILLBRIDGE_TESTS_SIGN").is_some() {
            shop.sign();
        }
        shop
    }

    /// From now on the store refuses tokens, and the agent signs its requests.
    pub(crate) fn sign(&mut self) {
        let own = Integration::of_the_demo();
        let given = |text: &str| central::Secret::new(text).into();
        let oauth = central::OAuthSettings {
            consumer_key: own.consumer_key.clone(),
            consumer_secret: given(&own.consumer_secret),
            access_token: given(&own.access_token),
            access_token_secret: given(&own.access_token_secret),
        };
        self.magento.with(|books| {
            books.sign_in.refuses_bearer = true;
            books.sign_in.integration = Some(own);
        });
        self.configure(|config| {
            config.store.token = None;
            config.store.magento.get_or_insert_default().oauth = Some(oauth);
        });
    }

    /// A shop whose first export has been admitted and sent.
    pub(crate) async fn in_business(mode: Mode) -> Self {
        let mut shop = Self::open(mode).await;
        shop.go_into_business().await;
        shop
    }

    /// The first export is admitted and sent.
    pub(crate) async fn go_into_business(&mut self) {
        self.export_and_look("first.csv");
        assert_eq!(self.last_export(), ExportState::Admitted);
        self.deliver().await;
        self.server.faults.forget_counts();
    }

    fn start(&mut self) {
        let ledger = Arc::new(Ledger::open(&self.config.agent.data_folder).unwrap());
        tillbridge::agent::notice_other_settings(&ledger, &self.config, self.clock.now()).unwrap();
        let inner = FolderEpos::new(self.config.epos.clone(), self.config.agent.data_folder.clone()).unwrap();
        if let Some(last) = ledger.fact(tillbridge::ledger::facts::LAST_LOOK).unwrap() {
            inner.seed_last_look(last.parse().unwrap());
        }
        let epos = Arc::new(MortalEpos {
            inner,
            dies: Mutex::new(None),
            is_dead: AtomicBool::new(false),
            full: AtomicBool::new(false),
            held: Mutex::default(),
            held_later: Mutex::default(),
            held_files: Mutex::default(),
            tries: Default::default(),
            marked: Default::default(),
        });
        let store = central::connect(&self.config.store).unwrap();
        tillbridge::agent::recall_learned(&ledger, &self.config, store.as_ref()).unwrap();
        let settings = self.config.tasks(self.clock.now());
        let shop = Shop::new(ledger, Arc::new(self.clock.clone()), epos.clone(), store, settings);
        let (intake, orders) = (Intake::new(shop.clone()), Orders::new(shop.clone()));
        let delivery = Delivery::new(shop.clone(), intake.clone(), orders.clone());
        self.alive = Some(Alive { stock: Stock::new(shop.clone()), shop, epos, intake, orders, delivery });
    }

    /// The agent stops; its ledger can be had by someone else until it is started again.
    pub(crate) fn stop(&mut self) {
        self.alive = None;
    }

    /// Starts the agent again on the same ledger and folders.
    pub(crate) fn restart(&mut self) {
        self.start();
    }

    /// The agent dies (nothing is tidied up) and is started again on the same ledger and folders.
    pub(crate) fn die_and_restart(&mut self) {
        self.alive = None;
        self.start();
    }

    /// Changes the configuration; it counts from the next start.
    pub(crate) fn configure(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
        self.die_and_restart();
    }

    pub(crate) fn set_missing_zero(&mut self) {
        self.configure(|config| config.stock.missing = tillbridge::ledger::exports::Missing::Zero);
    }

    pub(crate) fn agent(&self) -> &Alive {
        self.alive.as_ref().unwrap()
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.agent().shop.ledger
    }

    pub(crate) fn pass_time(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    /// What shoppers can buy.
    pub(crate) fn sellable(&self, sku: &str) -> Quantity {
        if let Some(books) = &self.shopify {
            return books.with(|books| books.available(sku));
        }
        match (&self.store, &self.woo) {
            (Some(store), _) => store.with(|books| books.available(sku)).unwrap_or_default(),
            (None, Some(woo)) => woo.with(|books| books.sellable(sku)),
            (None, None) => self.magento.with(|books| books.salable(sku)),
        }
    }

    pub(crate) fn place(&self, sku: &str, units: i64) -> tillbridge::demo::magento::Placed {
        self.pass_time(1);
        self.magento.place(&[(sku, units)]).unwrap()
    }

    pub(crate) fn ship(&self, order: &tillbridge::demo::magento::Placed) {
        self.pass_time(1);
        // Without MSI there are no sources, and naming one is refused (observed).
        let ship = |books: &mut tillbridge::demo::magento::MagentoBooks| {
            let source = (books.mode() == Mode::Msi).then_some(seed::SOURCE);
            books.ship(order.entity_id, None, source)
        };
        self.magento.with(ship).unwrap();
    }

    pub(crate) fn cancel(&self, order: &tillbridge::demo::magento::Placed) {
        self.pass_time(1);
        assert!(self.magento.with(|books| books.cancel(order.entity_id)).unwrap());
    }

    pub(crate) async fn pull(&self) {
        self.agent().intake.pull().await.unwrap();
    }

    /// The profile of order files, as TOML, counts from the next start; it is started again.
    pub(crate) fn write_orders_as(&mut self, profile: &str) {
        let profile = toml::from_str(profile).unwrap();
        self.configure(|config| config.epos.order_profile = profile);
    }

    /// The store describes the order otherwise from now on.
    pub(crate) fn edit(&self, number: &str, change: impl FnOnce(&mut tillbridge::domain::WebOrder)) {
        self.pass_time(1);
        let mut order = self.ledger().order(number).unwrap().unwrap().order;
        change(&mut order);
        let cursor = self.ledger().fact(tillbridge::ledger::facts::FEED_CURSOR).unwrap().unwrap_or_default();
        self.ledger().record_orders(&[order], &FeedCursor(cursor), jiff::Timestamp::MIN, self.clock.now()).unwrap();
    }

    pub(crate) fn state_of(&self, number: &str) -> OrderState {
        self.ledger().order(number).unwrap().unwrap().state
    }

    /// One activation of the orders reconciler.
    pub(crate) fn write_orders(&self) {
        self.agent().orders.reconcile().unwrap();
    }

    /// The till takes what it sees, and the agent looks until that is proved.
    pub(crate) fn till_takes_all(&mut self) -> usize {
        let booked = self.till.import_all().unwrap().len();
        self.look_at_orders();
        booked
    }

    /// Enough looks, far enough apart, for "gone" to be believed.
    pub(crate) fn look_at_orders(&self) {
        for _ in 0..3 {
            self.pass_time(5);
            self.write_orders();
        }
    }

    /// The till exports now (by the hand-moved clock), and the agent looks until the file has settled.
    pub(crate) fn export_and_look(&mut self, name: &str) {
        self.look();
        self.pass_time(2);
        let path = self.till.export(name).unwrap();
        std::fs::File::options().write(true).open(path).unwrap().set_modified(modified(self.clock.now())).unwrap();
        self.look();
    }

    /// A file appears in the export folder.
    pub(crate) fn put_export(&mut self, name: &str, bytes: &[u8]) {
        self.look();
        self.pass_time(2);
        let path = self.till.export.join(name);
        std::fs::write(&path, bytes).unwrap();
        std::fs::File::options().write(true).open(path).unwrap().set_modified(modified(self.clock.now())).unwrap();
        self.look();
    }

    /// Enough looks for a file to settle.
    pub(crate) fn look(&self) {
        for _ in 0..4 {
            self.agent().stock.reconcile().unwrap();
            self.pass_time(3);
        }
        self.agent().stock.reconcile().unwrap();
    }

    pub(crate) async fn deliver(&self) {
        self.agent().delivery.activate().await;
    }

    pub(crate) fn last_export(&self) -> ExportState {
        self.ledger().last_export().unwrap().expect("an export was seen").state
    }

    pub(crate) fn states(&self) -> Vec<OrderState> {
        let mut orders = self.ledger().orders(&OrderFilter::default()).unwrap();
        orders.reverse();
        orders.into_iter().map(|order| order.state).collect()
    }

    pub(crate) fn conditions(&self) -> Vec<String> {
        self.ledger().conditions().unwrap().into_iter().map(|condition| condition.code).collect()
    }

    pub(crate) fn condition_text(&self, code: &str) -> String {
        let all = self.ledger().conditions().unwrap();
        let found = all.iter().find(|condition| condition.code == code);
        let found = found.unwrap_or_else(|| panic!("no condition {code} among {all:?}"));
        format!("{} → {}", found.text, found.remedy)
    }

    pub(crate) fn clock_now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    pub(crate) fn due(&self) -> u64 {
        self.ledger().outbox_depth().unwrap().stock
    }
}
