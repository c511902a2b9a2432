//! Delivery: what is due goes to the store, computed at the moment of sending.
//!
//! Promises: before every batch the order feed is read to its end, so that no quantity is computed from old orders; what
//! the store already holds is not sent; before a request goes out the ledger forgets what it believed of those SKUs, so
//! that a lost answer or a crash leads to reading, never to guessing; after a write the store is read back between two
//! readings of the orders, and only a quantity that stood still and is right counts as delivered.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::sync::Mutex;

use super::intake::{Intake, PullError};
use super::orders::Orders;
use super::{Next, Reconciler, Shop, Work, chain};
use crate::domain::reconcile::StockModel;
use crate::domain::retry::{self, FailureClass};
use crate::ledger::conditions::{Severity, Trouble};
use crate::ledger::explain::UnusualItem;
use crate::ledger::orders::Recorded;
use crate::ledger::outbox::{Delivered, DueSku};
use crate::ledger::runs::Attempt;
use crate::ledger::{LedgerError, facts};
use crate::ports::{Acknowledgement, StoreError, StoreFacts};

mod batch;

/// Condition: the store does not take some of the till's items.
pub const ITEMS_NOT_TAKEN: &str = "items_not_taken";
/// Condition: the store held other quantities than those we had written.
pub const DRIFT: &str = "drift";
/// Its name where the ledger fails it.
const WHAT: &str = "delivery";
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
#[derive(Debug)]
enum Stopped {
    /// The store failed at this work.
    Store(Work, StoreError),
    /// The ledger failed.
    Ledger(LedgerError),
}

impl From<LedgerError> for Stopped {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl From<PullError> for Stopped {
    fn from(error: PullError) -> Self {
        match error {
            PullError::Store(error) => Self::Store(Work::Read, error),
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
    /// Activations in a row that the store stopped.
    failures: u32,
    /// Batches in a row that failed.
    failed_batches: u32,
}

impl Delivery {
    /// For this shop.
    pub fn new(shop: Arc<Shop>, intake: Arc<Intake>, orders: Arc<Orders>) -> Arc<Self> {
        Arc::new(Self { shop, intake, orders, state: Mutex::default() })
    }

    async fn deliver(&self, state: &mut State, figures: &mut Figures) -> Result<(), Stopped> {
        let delivered = self.deliver_stock(state, figures).await;
        let line_is_down =
            matches!(&delivered, Err(Stopped::Store(_, error)) if error.class == FailureClass::Transient);
        // Notes of orders come after stock and never hinder it.
        if !line_is_down {
            self.acknowledge(figures).await?;
        }
        delivered
    }

    async fn deliver_stock(&self, state: &mut State, figures: &mut Figures) -> Result<(), Stopped> {
        let now = self.shop.clock.now();
        self.shop.ledger.distrust_far_times(now)?;
        self.shop.ledger.mark_unusual_due(now.saturating_sub(ASK_AGAIN_AFTER).unwrap_or(Timestamp::MIN), now)?;
        let mut first = true;
        while self.shop.ledger.stock_is_due(self.shop.clock.now())? && !self.shop.is_paused() {
            let model = self.model(state).await?;
            let pulled = self.intake.pull().await?;
            // After days offline the till gets its orders before the store gets our stock.
            if first || pulled != Recorded::default() {
                tokio::task::block_in_place(|| self.orders.reconcile())?;
            }
            first = false;
            let due = self.lease(state)?;
            if due.is_empty() {
                break;
            }
            if let Err(stopped) = self.batch(&due, model, figures).await {
                state.failed_batches = state.failed_batches.saturating_add(1);
                self.postpone(&due, &stopped)?;
                return Err(stopped);
            }
            state.failed_batches = 0;
            self.shop.wakes.after_push.notify_one();
        }
        if !self.shop.ledger.stock_is_due(Timestamp::MAX)? {
            self.shop.writing_is_done();
        }
        Ok(())
    }

    /// After a failure the next batch is half as large, so that one bad item cannot keep the others for ever.
    fn lease(&self, state: &State) -> Result<Vec<DueSku>, LedgerError> {
        let now = self.shop.clock.now();
        let limit = (self.shop.store.batch_size() >> state.failed_batches.min(usize::BITS - 1)).max(1);
        self.shop.ledger.lease_stock(limit, now.saturating_add(LEASE).unwrap_or(Timestamp::MAX), now)
    }

    async fn model(&self, state: &mut State) -> Result<StockModel, Stopped> {
        if let Some(known) = &state.facts {
            return Ok(known.model);
        }
        let found = self.shop.store.probe().await.map_err(|error| Stopped::Store(Work::Read, error))?;
        let shown = found.shown.clone();
        self.note_store(&shown, found.model)?;
        self.shop.set_live(|live| live.store = Some(shown));
        let model = found.model;
        state.facts = Some(found);
        Ok(model)
    }

    /// For commands beside the agent. A store that keeps its books otherwise than before (its inventory modules were
    /// switched) holds nothing that was believed of it.
    fn note_store(&self, shown: &str, model: StockModel) -> Result<(), LedgerError> {
        let ledger = &self.shop.ledger;
        let before = ledger.fact(facts::STORE_MODEL)?;
        if before.is_some_and(|before| before != model.word()) {
            tracing::warn!("the web store keeps its stock otherwise than before: every item is looked at anew");
            ledger.settings_changed(self.shop.clock.now())?;
        }
        ledger.set_fact(facts::STORE_SHOWN, Some(shown))?;
        ledger.set_fact(facts::STORE_MODEL, Some(model.word()))
    }

    /// Tells the store what became of orders. A failure postpones these notes and nothing else.
    async fn acknowledge(&self, figures: &mut Figures) -> Result<(), LedgerError> {
        let now = self.shop.clock.now();
        let lease_until = now.saturating_add(LEASE).unwrap_or(Timestamp::MAX);
        let mut not_before = None;
        for (news, attempts) in self.shop.ledger.lease_acknowledgements(MOST_ACKNOWLEDGEMENTS, lease_until, now)? {
            if let Some(later) = not_before {
                self.shop.ledger.acknowledge_again(&news, later, "waits for the one before it")?;
                continue;
            }
            let (started, clock) = (self.shop.clock.now(), Instant::now());
            let told = self.shop.store.acknowledge(&news).await;
            self.note_attempt("acknowledgement", started, clock, 1, told.as_ref().err())?;
            match told {
                Ok(()) => {
                    self.shop.ledger.acknowledged(&news, self.shop.clock.now())?;
                    self.shop.store_served(Work::TakeNote);
                    figures.acknowledged += 1;
                }
                Err(error) => {
                    let later = self.was_not_noted(&news, attempts, &error)?;
                    not_before = (error.class == FailureClass::Transient).then_some(later);
                }
            }
        }
        Ok(())
    }

    fn was_not_noted(
        &self,
        news: &Acknowledgement,
        attempts: u32,
        error: &StoreError,
    ) -> Result<Timestamp, LedgerError> {
        tracing::warn!(order.number = news.number, error = chain(error), "the web store did not take note of an order");
        self.shop.store_failed(Work::TakeNote, error);
        let pause = retry::pause(attempts + 1, error.class, error.retry_after, fastrand::f64());
        let later = self.shop.clock.now().saturating_add(pause).unwrap_or(Timestamp::MAX);
        self.shop.ledger.acknowledge_again(news, later, &chain(error))?;
        Ok(later)
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
        let Stopped::Store(_, error) = stopped else { return self.shop.ledger.return_lease(due) };
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
        let code = |item: &UnusualItem| match &item.till_code {
            Some(code) if *code != item.sku => format!(", the till's {code}"),
            Some(_) | None => String::new(),
        };
        let named: Vec<String> =
            first.iter().map(|item| format!("{}{} ({})", item.sku, code(item), item.why)).collect();
        let troubles: Vec<Trouble> = (count > 0)
            .then(|| Trouble {
                code: ITEMS_NOT_TAKEN,
                subject: String::new(),
                severity: if first.iter().any(|item| item.kind == "refused") { Severity::Warning } else { Severity::Notice },
                text: format!("the web store does not take {count} of the till's items, for example {}", named.join(", ")),
                remedy: "Nothing to do if they are not sold on the web. Else create them in the web store, or, where it calls them otherwise, say so (tillbridge items list --unmapped); they are tried again every day and with every new count.".into(),
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
        let pause = match self.shop.ledger.next_due(now) {
            Ok(Some(due)) => due.duration_since(now).clamp(SignedDuration::from_millis(20), LONGEST),
            Ok(None) => LONGEST,
            Err(error) => return self.shop.ledger_failed(WHAT, &error),
        };
        Next(pause.unsigned_abs())
    }
}

#[async_trait]
impl Reconciler for Delivery {
    fn name(&self) -> &'static str {
        "delivery"
    }

    async fn activate(&self) -> Next {
        if self.shop.is_paused() {
            return Next(self.shop.epos.pace().sweep_idle);
        }
        if let Some(wait) = self.shop.store_rests() {
            return Next(wait);
        }
        let mut state = self.state.lock().await;
        let started = self.shop.clock.now();
        let mut figures = Figures::default();
        let delivered = self.deliver(&mut state, &mut figures).await;
        if figures != Figures::default() {
            let outcome = if delivered.is_ok() { "done" } else { "failed" };
            self.shop.run("delivery", started, outcome, &figures, Some("the web store was told"));
        }
        let reported = self.report(&figures);
        match (delivered, reported) {
            (Err(Stopped::Ledger(error)), _) | (Ok(()), Err(error)) => self.shop.ledger_failed(WHAT, &error),
            (Err(Stopped::Store(work, error)), _) => {
                tracing::warn!(error = chain(&error), "delivery to the web store stopped; what is due stays due");
                self.shop.store_failed(work, &error);
                // After a failure the store may have become another one (an upgrade, MSI switched): ask again.
                state.facts = None;
                state.failures = state.failures.saturating_add(1);
                let pause = retry::pause(state.failures, error.class, error.retry_after, fastrand::f64());
                Next(pause.unsigned_abs())
            }
            (Ok(()), Ok(())) => {
                self.shop.ledger_served(WHAT);
                state.failures = 0;
                self.next()
            }
        }
    }
}
