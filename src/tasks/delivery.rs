//! Delivery: what is due goes to the store, computed at the moment of sending.
//!
//! Promises: before every batch the order feed is read to its end, so that no quantity is computed from old orders; what
//! the store already holds is not sent; before a request goes out the ledger forgets what it believed of those SKUs, so
//! that a lost answer or a crash leads to reading, never to guessing; after a write the store is read back between two
//! readings of the orders, and only a quantity that stood still and is right counts as delivered.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::sync::Mutex;

use super::intake::{Intake, PullError};
use super::orders::Orders;
use super::{Next, Reconciler, Shop, chain};
use crate::domain::reconcile::{self, StockModel, Target};
use crate::domain::retry;
use crate::domain::{AdmittedSnapshot, Quantity, Sku};
use crate::ledger::conditions::{Severity, Trouble};
use crate::ledger::outbox::{Delivered, DueSku, ItemFacts, StoreItemKind};
use crate::ledger::runs::Attempt;
use crate::ledger::{LedgerError, facts};
use crate::ports::{HoldingKind, StockBatch, StockItem, StockVersion, StoreError, StoreFacts, WriteOutcome, Written};

/// Condition: the store does not take some of the till's items.
pub const ITEMS_NOT_TAKEN: &str = "items_not_taken";
/// Condition: the store held other quantities than those we had written.
pub const DRIFT: &str = "drift";
/// How long leased rows belong to the sender: longer than the slowest request.
const LEASE: SignedDuration = SignedDuration::from_mins(10);
/// An item that the store did not take is asked about again after this long, or with a new count.
const ASK_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(24);
/// Acknowledgements in one go.
const MOST_ACKNOWLEDGEMENTS: u32 = 100;

/// What an activation did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Quantities that the store took and that were read back.
    pub delivered: u64,
    /// SKUs that turned out to need nothing.
    pub unchanged: u64,
    /// Write requests.
    pub requests: u64,
    /// SKUs that the store does not take.
    pub not_taken: u64,
    /// SKUs that have to be computed again because something moved meanwhile.
    pub moved_meanwhile: u64,
    /// SKUs of which the store held something else than we believed.
    pub drifted: u64,
    /// Orders whose fate the store was told.
    pub acknowledged: u64,
}

/// Why delivery stopped.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl From<PullError> for Stopped {
    fn from(error: PullError) -> Self {
        match error {
            PullError::Store(error) => Self::Store(error),
            PullError::Ledger(error) => Self::Ledger(error),
        }
    }
}

/// The reconciler.
pub struct Delivery {
    shop: Arc<Shop>,
    intake: Arc<Intake>,
    orders: Arc<Orders>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    facts: Option<StoreFacts>,
    failures: u32,
}

/// A SKU with everything that the arithmetic says about it.
struct Item {
    due: DueSku,
    facts: ItemFacts,
    target: Target,
    /// What the store holds as far as the ledger knows, moved by the store's own doings.
    believed: Option<Quantity>,
    version: Option<StockVersion>,
}

impl Delivery {
    /// For this shop.
    pub fn new(shop: Arc<Shop>, intake: Arc<Intake>, orders: Arc<Orders>) -> Arc<Self> {
        Arc::new(Self { shop, intake, orders, state: Mutex::default() })
    }

    async fn deliver(&self, state: &mut State, figures: &mut Figures) -> Result<(), Stopped> {
        self.acknowledge(figures).await?;
        loop {
            let now = self.shop.clock.now();
            if self.shop.ledger.next_due()?.is_none_or(|due| due > now) {
                return Ok(());
            }
            let model = self.model(state).await?;
            self.intake.pull().await?;
            // After days offline the till gets its orders before the store gets our stock.
            tokio::task::block_in_place(|| self.orders.reconcile())?;
            let now = self.shop.clock.now();
            let lease_until = now.saturating_add(LEASE).unwrap_or(Timestamp::MAX);
            let due = self.shop.ledger.lease_stock(self.shop.store.batch_size(), lease_until, now)?;
            if due.is_empty() {
                return Ok(());
            }
            if let Err(stopped) = self.batch(&due, model, figures).await {
                self.postpone(&due, &stopped)?;
                return Err(stopped);
            }
        }
    }

    async fn model(&self, state: &mut State) -> Result<StockModel, StoreError> {
        if let Some(known) = &state.facts {
            return Ok(known.model);
        }
        let found = self.shop.store.probe().await.inspect_err(|error| self.shop.store_failed(error))?;
        let shown = found.shown.clone();
        if let Err(error) = self.shop.ledger.set_fact(facts::STORE_SHOWN, Some(&shown)) {
            tracing::warn!(error = chain(&error), "what the store is could not be noted");
        }
        self.shop.set_live(|live| live.store = Some(shown));
        let model = found.model;
        state.facts = Some(found);
        Ok(model)
    }

    /// One batch: facts → targets → what differs is written → what was written is read back.
    async fn batch(&self, due: &[DueSku], model: StockModel, figures: &mut Figures) -> Result<(), Stopped> {
        let (snapshot, mut facts) = self.facts_of(due)?;
        let now = self.shop.clock.now();
        let Some(snapshot) = snapshot else {
            let results: Vec<_> = due.iter().map(|item| (item.clone(), Delivered::NothingToSend)).collect();
            figures.unchanged += results.len() as u64;
            return Ok(self.shop.ledger.finish_stock(&results, now)?);
        };
        let (mut results, mut items) = (Vec::new(), Vec::new());
        for due in due {
            let facts = facts.remove(&due.sku).unwrap_or_default();
            match self.item(due, facts, &snapshot, model, now) {
                Some(item) => items.push(item),
                None => results.push((due.clone(), Delivered::NothingToSend)),
            }
        }
        self.ask_about_strangers(&mut items, &mut results).await?;
        let (to_write, stands): (Vec<Item>, Vec<Item>) =
            items.into_iter().partition(|item| item.believed != Some(item.target.write));
        let mut to_verify = Vec::new();
        for item in stands {
            // Known to be right from an earlier read-back: nothing to do. Read just now: verify with the rest.
            if known(&item.facts).is_some() {
                results.push((item.due, Delivered::NothingToSend))
            } else {
                to_verify.push(item)
            }
        }
        figures.unchanged += results.len() as u64;
        to_verify.extend(self.write(to_write, &snapshot, &mut results, figures).await?);
        self.verify(&to_verify, model, &mut results, figures).await?;
        Ok(self.shop.ledger.finish_stock(&results, self.shop.clock.now())?)
    }

    fn facts_of(&self, due: &[DueSku]) -> Result<(Option<AdmittedSnapshot>, HashMap<Sku, ItemFacts>), LedgerError> {
        let skus: Vec<Sku> = due.iter().map(|item| item.sku.clone()).collect();
        self.shop.ledger.item_facts(&skus)
    }

    /// What the arithmetic says; `None` when there is nothing to say about this SKU.
    fn item(
        &self,
        due: &DueSku,
        facts: ItemFacts,
        snapshot: &AdmittedSnapshot,
        model: StockModel,
        now: Timestamp,
    ) -> Option<Item> {
        let shown = self.shop.settings.shown_of(due.sku.as_str());
        let counted = facts.counted.as_ref().filter(|_| !shown.ignore)?;
        if let Some(store) = &facts.store
            && store.kind != StoreItemKind::Kept
            && now.duration_since(store.checked_at) < ASK_AGAIN_AFTER
        {
            return None;
        }
        let target = reconcile::reconcile(snapshot, counted, &facts.claims, &shown, model);
        let believed =
            known(&facts).map(|last| reconcile::expected(last, reconcile::moved_by_store(&facts.claims, model)));
        Some(Item { due: due.clone(), facts, target, believed, version: None })
    }

    /// Of SKUs of which the ledger does not know what the store holds, ask the store.
    async fn ask_about_strangers(
        &self,
        items: &mut Vec<Item>,
        results: &mut Vec<(DueSku, Delivered)>,
    ) -> Result<(), Stopped> {
        let strangers: Vec<Sku> =
            items.iter().filter(|item| item.believed.is_none()).map(|item| item.due.sku.clone()).collect();
        if strangers.is_empty() {
            return Ok(());
        }
        let holdings = self.shop.store.holdings(&strangers).await?;
        let mut by_sku: HashMap<Sku, HoldingKind> = holdings.into_iter().map(|found| (found.sku, found.kind)).collect();
        for mut item in std::mem::take(items) {
            if item.believed.is_some() {
                items.push(item);
                continue;
            }
            match by_sku.remove(&item.due.sku) {
                Some(HoldingKind::Kept(quantity, version)) => {
                    (item.believed, item.version) = (quantity, version);
                    items.push(item);
                }
                Some(HoldingKind::NotKept(why)) => {
                    results.push((item.due, Delivered::NotTaken { kind: StoreItemKind::NotKept, why }));
                }
                Some(HoldingKind::Unknown) => {
                    let why = "the web store has no product with this SKU".to_owned();
                    results.push((item.due, Delivered::NotTaken { kind: StoreItemKind::Unknown, why }));
                }
                None => {
                    let not_before =
                        self.shop.clock.now().saturating_add(retry::LAST_CEILING).unwrap_or(Timestamp::MAX);
                    let why = "the web store did not answer about this SKU".to_owned();
                    results.push((item.due, Delivered::Again { not_before, why }));
                }
            }
        }
        Ok(())
    }

    /// Writes; returns the items that are to be read back.
    async fn write(
        &self,
        items: Vec<Item>,
        snapshot: &AdmittedSnapshot,
        results: &mut Vec<(DueSku, Delivered)>,
        figures: &mut Figures,
    ) -> Result<Vec<Item>, Stopped> {
        if items.is_empty() {
            return Ok(items);
        }
        let skus: Vec<Sku> = items.iter().map(|item| item.due.sku.clone()).collect();
        self.shop.ledger.about_to_write(&skus)?;
        let (started, clock) = (self.shop.clock.now(), Instant::now());
        let written = self.shop.store.write_stock(&self.request(&items, snapshot)).await;
        figures.requests += 1;
        self.note_attempt("stock", started, clock, items.len(), written.as_ref().err())?;
        let written = written?;
        let mut outcomes: HashMap<Sku, WriteOutcome> =
            written.into_iter().map(|Written { sku, outcome }| (sku, outcome)).collect();
        let mut to_verify = Vec::new();
        for item in items {
            match outcomes.remove(&item.due.sku) {
                Some(WriteOutcome::Stored(_) | WriteOutcome::Conflict) | None => to_verify.push(item),
                Some(WriteOutcome::Unknown) => {
                    let why = "the web store has no product with this SKU".to_owned();
                    results.push((item.due, Delivered::NotTaken { kind: StoreItemKind::Unknown, why }));
                }
                Some(WriteOutcome::Refused(why)) => {
                    results.push((item.due, Delivered::NotTaken { kind: StoreItemKind::Refused, why }));
                }
            }
        }
        Ok(to_verify)
    }

    fn request(&self, items: &[Item], snapshot: &AdmittedSnapshot) -> StockBatch {
        let as_of = self.shop.ledger.admitted_export().ok().flatten().map(|export| export.timing.shown());
        let mut orders: Vec<_> =
            items.iter().flat_map(|item| item.facts.claims.iter().map(|claim| claim.order.clone())).collect();
        orders.sort();
        orders.dedup();
        let item = |item: &Item| StockItem {
            sku: item.due.sku.clone(),
            quantity: item.target.write,
            if_version: item.version.clone(),
        };
        StockBatch {
            items: items.iter().map(item).collect(),
            snapshot: snapshot.export().to_string(),
            as_of: as_of.unwrap_or_else(|| self.shop.clock.now()),
            orders_included: orders,
        }
    }

    /// Reads the store back between two readings of the orders: only what stood still and is right is done.
    async fn verify(
        &self,
        items: &[Item],
        model: StockModel,
        results: &mut Vec<(DueSku, Delivered)>,
        figures: &mut Figures,
    ) -> Result<(), Stopped> {
        if items.is_empty() {
            return Ok(());
        }
        let due: Vec<DueSku> = items.iter().map(|item| item.due.clone()).collect();
        let skus: Vec<Sku> = due.iter().map(|item| item.sku.clone()).collect();
        self.intake.pull().await?;
        let (before, facts_before) = self.facts_of(&due)?;
        let held: HashMap<Sku, HoldingKind> =
            self.shop.store.holdings(&skus).await?.into_iter().map(|found| (found.sku, found.kind)).collect();
        self.intake.pull().await?;
        let (after, mut facts_after) = self.facts_of(&due)?;
        let now = self.shop.clock.now();
        for item in items {
            let was = facts_before.get(&item.due.sku);
            let is = facts_after.remove(&item.due.sku).unwrap_or_default();
            let still = before == after && was.is_some_and(|was| was.claims == is.claims && was.counted == is.counted);
            let wanted = after.and_then(|snapshot| self.item(&item.due, is, &snapshot, model, now));
            let result = match (wanted, after, held.get(&item.due.sku)) {
                (Some(wanted), Some(snapshot), Some(HoldingKind::Kept(Some(quantity), _)))
                    if still && *quantity == wanted.target.write =>
                {
                    figures.delivered += 1;
                    let moved = reconcile::moved_by_store(&wanted.facts.claims, model);
                    Delivered::Stored { written: *quantity, moved, export: snapshot.export() }
                }
                _ => self.again(item, still, held.get(&item.due.sku), figures, now),
            };
            results.push((item.due.clone(), result));
        }
        Ok(())
    }

    fn again(
        &self,
        item: &Item,
        still: bool,
        held: Option<&HoldingKind>,
        figures: &mut Figures,
        now: Timestamp,
    ) -> Delivered {
        let why = if still {
            figures.drifted += 1;
            let found = match held {
                Some(HoldingKind::Kept(Some(quantity), _)) => quantity.to_string(),
                Some(HoldingKind::Kept(None, _)) => "nothing".to_owned(),
                Some(HoldingKind::Unknown | HoldingKind::NotKept(_)) | None => "no such item".to_owned(),
            };
            format!("{} was written and {found} was read back", item.target.write)
        } else {
            figures.moved_meanwhile += 1;
            "an order moved while the quantity was sent".to_owned()
        };
        let pause = if still {
            retry::pause(item.due.attempts + 1, retry::FailureClass::Transient, None, fastrand::f64())
        } else {
            SignedDuration::ZERO
        };
        Delivered::Again { not_before: now.saturating_add(pause).unwrap_or(Timestamp::MAX), why }
    }

    async fn acknowledge(&self, figures: &mut Figures) -> Result<(), Stopped> {
        let now = self.shop.clock.now();
        let lease_until = now.saturating_add(LEASE).unwrap_or(Timestamp::MAX);
        let due = self.shop.ledger.lease_acknowledgements(MOST_ACKNOWLEDGEMENTS, lease_until, now)?;
        let mut failed = None;
        for (news, attempts) in due {
            let (started, clock) = (self.shop.clock.now(), Instant::now());
            let told = match &failed {
                None => self.shop.store.acknowledge(&news).await,
                // The line is down: the rest waits as well.
                Some(_) => {
                    self.shop.ledger.acknowledge_again(&news, started, "waits for the line")?;
                    continue;
                }
            };
            self.note_attempt("acknowledgement", started, clock, 1, told.as_ref().err())?;
            match told {
                Ok(()) => {
                    self.shop.ledger.acknowledged(&news, self.shop.clock.now())?;
                    figures.acknowledged += 1;
                }
                Err(error) => {
                    let pause = retry::pause(attempts + 1, error.class, error.retry_after, fastrand::f64());
                    let not_before = self.shop.clock.now().saturating_add(pause).unwrap_or(Timestamp::MAX);
                    self.shop.ledger.acknowledge_again(&news, not_before, &chain(&error))?;
                    if error.class == retry::FailureClass::Transient {
                        failed = Some(error);
                    } else {
                        tracing::warn!(
                            order.number = news.number,
                            error = chain(&error),
                            "the web store did not take note of an order"
                        );
                    }
                }
            }
        }
        failed.map_or(Ok(()), |error| Err(Stopped::Store(error)))
    }

    fn note_attempt(
        &self,
        kind: &str,
        at: Timestamp,
        clock: Instant,
        items: usize,
        error: Option<&StoreError>,
    ) -> Result<(), LedgerError> {
        self.shop.ledger.record_attempt(&Attempt {
            at,
            kind: kind.to_owned(),
            items: items as u64,
            outcome: error.map_or_else(|| "done".to_owned(), |error| format!("{:?}", error.class).to_lowercase()),
            detail: error.map(|error| chain(error)),
            millis: clock.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
        })
    }

    /// What was leased stays due; the pause is the same for the whole batch.
    fn postpone(&self, due: &[DueSku], stopped: &Stopped) -> Result<(), LedgerError> {
        let Stopped::Store(error) = stopped else { return self.shop.ledger.return_lease(due) };
        let now = self.shop.clock.now();
        let attempts = due.iter().map(|item| item.attempts).max().unwrap_or_default();
        let pause = retry::pause(attempts + 1, error.class, error.retry_after, fastrand::f64());
        let not_before = now.saturating_add(pause).unwrap_or(Timestamp::MAX);
        let why = chain(error);
        let results: Vec<_> =
            due.iter().map(|item| (item.clone(), Delivered::Again { not_before, why: why.clone() })).collect();
        self.shop.ledger.finish_stock(&results, now)
    }

    fn report(&self, figures: &Figures) -> Result<(), LedgerError> {
        let (count, first) = self.shop.ledger.unusual_items(5)?;
        let named: Vec<String> = first.iter().map(|item| format!("{} ({})", item.sku, item.why)).collect();
        let troubles: Vec<Trouble> = (count > 0)
            .then(|| Trouble {
                code: ITEMS_NOT_TAKEN,
                subject: String::new(),
                severity: Severity::Notice,
                text: format!("the web store does not take {count} of the till's items, for example {}", named.join(", ")),
                remedy: "Nothing to do if they are not sold on the web. Else create them in the web store; they are tried again every day and with every new count.".into(),
            })
            .into_iter()
            .collect();
        self.shop.conditions(&[ITEMS_NOT_TAKEN], &troubles);
        if figures.drifted > 0 || figures.delivered > 0 {
            let drift = Trouble {
                code: DRIFT,
                subject: String::new(),
                severity: Severity::Warning,
                text: format!(
                    "{} item(s) held another quantity in the web store than was written; they are corrected",
                    figures.drifted
                ),
                remedy: "See whether someone or something else writes stock to the web store: only one may.".into(),
            };
            let troubles = if figures.drifted > 0 { vec![drift] } else { Vec::new() };
            self.shop.conditions(&[DRIFT], &troubles);
        }
        Ok(())
    }

    fn next(&self) -> Next {
        const LONGEST: SignedDuration = SignedDuration::from_secs(60);
        let now = self.shop.clock.now();
        let pause = match self.shop.ledger.next_due() {
            Ok(Some(due)) => due.duration_since(now).clamp(SignedDuration::from_millis(20), LONGEST),
            Ok(None) => LONGEST,
            Err(error) => return super::ledger_failed("delivery", &error),
        };
        Next(pause.unsigned_abs())
    }
}

fn known(facts: &ItemFacts) -> Option<reconcile::Acknowledged> {
    facts.store.as_ref().and_then(|store| store.acknowledged)
}

#[async_trait]
impl Reconciler for Delivery {
    fn name(&self) -> &'static str {
        "delivery"
    }

    async fn activate(&self) -> Next {
        if self.shop.is_paused() {
            return Next(self.shop.settings.sweep_idle.duration());
        }
        let mut state = self.state.lock().await;
        let started = self.shop.clock.now();
        let mut figures = Figures::default();
        let delivered = self.deliver(&mut state, &mut figures).await;
        if figures != Figures::default() {
            let outcome = if delivered.is_ok() { "done" } else { "failed" };
            self.shop.run("delivery", started, outcome, &figures, None);
        }
        let reported = self.report(&figures);
        match (delivered, reported) {
            (Err(Stopped::Ledger(error)), _) | (Ok(()), Err(error)) => super::ledger_failed("delivery", &error),
            (Err(Stopped::Store(error)), _) => {
                tracing::warn!(error = chain(&error), "delivery to the web store stopped; what is due stays due");
                self.shop.store_failed(&error);
                // After a failure the store may have become another one (an upgrade, MSI switched): ask again.
                state.facts = None;
                state.failures = state.failures.saturating_add(1);
                let pause = retry::pause(state.failures, error.class, error.retry_after, fastrand::f64());
                Next(pause.unsigned_abs())
            }
            (Ok(()), Ok(())) => {
                state.failures = 0;
                self.next()
            }
        }
    }
}
