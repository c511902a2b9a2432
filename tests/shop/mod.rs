//! The harness: the agent's own parts between a simulated till and a simulated store (Magento, or one that speaks our
//! store API) over real HTTPS, with a clock moved by hand. Nothing in it waits for time to pass.

#![allow(dead_code, reason = "each test binary uses its own part of the harness")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

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
use tillbridge::demo::magento::{self, Magento, Mode};
use tillbridge::demo::server::StoreServer;
use tillbridge::demo::store_api::{self, Store, StoreBooks};
use tillbridge::demo::till::{Habits, SimulatedTill};
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

/// A step of publishing, before or after which the agent can die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    BeforeStage,
    AfterStage,
    BeforeReveal,
    AfterReveal,
}

/// The real folders; dies once at a chosen step, and has no room while the disk is said to be full.
pub(crate) struct MortalEpos {
    inner: FolderEpos,
    dies: Mutex<Option<Step>>,
    full: AtomicBool,
}

impl MortalEpos {
    pub(crate) fn die_at(&self, step: Step) {
        *self.dies.lock().unwrap() = Some(step);
    }

    /// From now on whatever writes a file finds no room, with the system's own error for it.
    pub(crate) fn fill_disk(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
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
        let mut dies = self.dies.lock().unwrap();
        if *dies != Some(step) {
            return Ok(());
        }
        *dies = None;
        let class = tillbridge::domain::retry::FailureClass::Transient;
        Err(EposError { what: format!("the agent dies at {step:?}"), class, source: None })
    }
}

impl Epos for MortalEpos {
    fn look_for_exports(&self, now: jiff::Timestamp) -> Result<ExportLook, EposError> {
        self.inner.look_for_exports(now)
    }
    fn last_look(&self) -> Option<jiff::Timestamp> {
        self.inner.last_look()
    }
    fn set_aside(&self, export: &SettledExport) {
        self.inner.set_aside(export);
    }
    fn take(&self, export: &SettledExport) -> Result<SpooledExport, EposError> {
        self.room_for(&export.name)?;
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
    fn takes_cancellations(&self) -> bool {
        self.inner.takes_cancellations()
    }
    fn marks(&self) -> Result<Marks, EposError> {
        self.inner.marks()
    }
    fn compare(&self, file: &OrderFile) -> Result<Earlier, EposError> {
        self.inner.compare(file)
    }
    fn stage(&self, file: &OrderFile) -> Result<(), EposError> {
        self.pass(Step::BeforeStage)?;
        self.room_for(&file.name)?;
        self.inner.stage(file)?;
        self.pass(Step::AfterStage)
    }
    fn reveal(&self, names: &FileNames) -> Result<Revealed, EposError> {
        self.pass(Step::BeforeReveal)?;
        let revealed = self.inner.reveal(names)?;
        self.pass(Step::AfterReveal)?;
        Ok(revealed)
    }
    fn unstage(&self, names: &FileNames) -> Result<bool, EposError> {
        self.inner.unstage(names)
    }
    fn withdraw(&self, names: &FileNames) -> Result<Withdrawal, EposError> {
        self.inner.withdraw(names)
    }
    fn look_at_orders(&self, awaited: &[Awaited], now: jiff::Timestamp) -> Result<Vec<Sighting>, EposError> {
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
    pub(crate) server: StoreServer,
    pub(crate) till: SimulatedTill,
    pub(crate) config: Config,
    pub(crate) folder: TempDir,
    alive: Option<Alive>,
}

/// The lines of the configuration that differ from store to store.
const MAGENTO: &str = "kind = \"magento\"\nmagento.source = \"shop1\"";
const STORE_API: &str = "kind = \"store_api\"\nstore_api.location = \"shop1\"";

fn config(folder: &Path, server: &StoreServer, kind: &str) -> Config {
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
        token = "{}"
        ca_file = "ca.pem"
        [orders]
        since = "2000-01-01T00:00:00Z"
        "#,
        server.url, server.token
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

    fn open_on(clock: HandClock, magento: Magento, store: Option<Store>, router: Router, kind: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = StoreServer::start(router, TOKEN).unwrap();
        let till = SimulatedTill::new(folder.path(), Habits::default()).unwrap().stocked();
        let config = config(folder.path(), &server, kind);
        let mut shop = Self { clock, magento, store, server, till, config, folder, alive: None };
        shop.start();
        shop
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
        let epos = Arc::new(MortalEpos { inner, dies: Mutex::new(None), full: AtomicBool::new(false) });
        let store = central::connect(&self.config.store).unwrap();
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
        match &self.store {
            Some(store) => store.with(|books| books.available(sku)).unwrap_or_default(),
            None => self.magento.with(|books| books.salable(sku)),
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
