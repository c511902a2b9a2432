//! Delivery: what is due goes to the store, computed at the moment of sending.
//!
//! Promises: before every batch the order feed is read to its end, so that no quantity is computed from old orders; what
//! the store already holds is not sent; before a request goes out the ledger forgets what it believed of those SKUs, so
//! that a lost answer or a crash leads to reading, never to guessing; after a write the store is read back between two
//! readings of the orders, and only a quantity that stood still and is right counts as delivered. What makes a request fail
//! is searched for and set apart (`parts`), and holds up nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::sync::Mutex;

use super::intake::{Intake, PullError};
use super::orders::Orders;
use super::{Next, Reconciler, Shop, Work, chain, guard};
use crate::domain::reconcile::StockModel;
use crate::domain::retry::{self, FailureClass};
use crate::ledger::orders::Recorded;
use crate::ledger::outbox::{Delivered, DueSku};
use crate::ledger::runs::Attempt;
use crate::ledger::{LedgerError, facts};
use crate::ports::{StoreError, StoreFacts};

mod audit;
mod batch;
mod notes;
mod parts;
mod report;

pub use audit::{SALABLE_DIFFERS, STORE_FALLS_SHORT};
pub use report::{DEAD_LETTERS, DRIFT, ITEMS_NOT_TAKEN};

/// Its name where the ledger fails it.
const WHAT: &str = "delivery";
/// How long leased rows belong to the sender: longer than the slowest request.
const LEASE: SignedDuration = SignedDuration::from_mins(10);
/// An item that the store did not take is asked about again after this long, or with a new count.
const ASK_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(24);
/// What the store is is asked again after this long: a module may be installed while nothing fails.
const PROBED_FOR: SignedDuration = SignedDuration::from_mins(15);
/// Between two activations: the rest of a pause may be shorter, and then nobody would rest.
const SHORTEST: Duration = Duration::from_millis(20);
/// Activations of the orders reconciler in a row, before stock is sent: each writes some hundreds of orders.
const MOST_ORDER_ROUNDS: usize = 200;

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
    /// SKUs and notes that made requests fail, and are tried apart from the others.
    pub set_apart: u64,
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
    /// A request with these items in it failed: it may be for what was in it.
    Items(Work, StoreError),
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
    /// When the store was asked for them.
    probed_at: Option<Timestamp>,
    /// Activations in a row that the store stopped.
    failures: u32,
    /// How often the size of batches was halved, because whole ones failed and their parts did not.
    halvings: u32,
    /// What was last kept of what the store taught.
    learned: Option<String>,
    audit: audit::Audit,
}

impl Delivery {
    /// For this shop.
    pub fn new(shop: Arc<Shop>, intake: Arc<Intake>, orders: Arc<Orders>) -> Arc<Self> {
        Arc::new(Self { shop, intake, orders, state: Mutex::default() })
    }

    async fn deliver(&self, state: &mut State, figures: &mut Figures) -> Result<(), Stopped> {
        let delivered = self.deliver_stock(state, figures).await;
        let line_is_down = matches!(&delivered,
            Err(Stopped::Store(Work::Read, error) | Stopped::Items(_, error)) if error.class == FailureClass::Transient);
        // Notes of orders come after stock and never hinder it.
        if !line_is_down && self.shop.stock_spreads().is_none() {
            self.acknowledge(figures).await?;
        }
        delivered
    }

    async fn deliver_stock(&self, state: &mut State, figures: &mut Figures) -> Result<(), Stopped> {
        let now = self.shop.clock.now();
        self.shop.ledger.distrust_far_times(now)?;
        self.shop.ledger.revive_unproved(now)?;
        self.shop.ledger.mark_unusual_due(now.saturating_sub(ASK_AGAIN_AFTER).unwrap_or(Timestamp::MIN), now)?;
        let mut first = true;
        while self.may_deliver()? {
            let model = self.model(state).await?;
            if first {
                // After days offline the till gets its orders before the store gets our stock.
                self.pull_and_publish(first).await?;
                if self.shop.stock_spreads().is_some() {
                    return Ok(());
                }
            }
            let due = self.lease(state)?;
            if due.is_empty() {
                break;
            }
            self.deliver_parts(due, model, state, figures, first).await?;
            first = false;
            self.shop.wakes.after_push.notify_one();
        }
        if !self.shop.ledger.stock_is_due(Timestamp::MAX)? {
            state.halvings = 0;
            self.shop.writing_is_done();
        }
        Ok(())
    }

    fn may_deliver(&self) -> Result<bool, LedgerError> {
        let may = self.shop.store_rests(Work::Write).is_none() && !self.shop.is_paused();
        Ok(may && self.shop.ledger.stock_is_due(self.shop.clock.now())?)
    }

    /// Reads the orders to their end, and has what is new written for the till.
    async fn pull_and_publish(&self, in_any_case: bool) -> Result<(), Stopped> {
        let pulled = self.intake.pull().await?;
        if !in_any_case && pulled == Recorded::default() {
            return Ok(());
        }
        tokio::task::block_in_place(|| {
            for _ in 0..MOST_ORDER_ROUNDS {
                if self.orders.reconcile()?.published == 0 {
                    break;
                }
            }
            Ok(())
        })
    }

    fn lease(&self, state: &State) -> Result<Vec<DueSku>, LedgerError> {
        let now = self.shop.clock.now();
        // Two at the least, where the store takes so many: a single item cannot be told from a store that fails.
        let whole = self.shop.store.batch_size();
        let limit = (whole >> state.halvings.min(usize::BITS - 1)).max(whole.min(2));
        self.shop.ledger.lease_stock(limit, now.saturating_add(LEASE).unwrap_or(Timestamp::MAX), now)
    }

    async fn model(&self, state: &mut State) -> Result<StockModel, Stopped> {
        let now = self.shop.clock.now();
        let is_fresh = |at: &Timestamp| now.duration_since(*at).abs() < PROBED_FOR;
        if let (Some(known), true) = (&state.facts, state.probed_at.as_ref().is_some_and(is_fresh)) {
            return Ok(known.model);
        }
        let found = self.shop.store.probe().await.map_err(|error| Stopped::Store(Work::Read, error))?;
        let shown = found.shown.clone();
        self.note_store(&shown, found.model)?;
        self.shop.set_live(|live| live.store = Some(shown));
        let model = found.model;
        (state.facts, state.probed_at) = (Some(found), Some(now));
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
            outcome: error.map_or("done", |error| error.class.word()).to_owned(),
            detail: error.map(|error| chain(error)),
            millis: clock.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
        })
    }

    /// What was leased stays due; the pause is the same for the whole batch.
    fn postpone(&self, due: &[DueSku], stopped: &Stopped) -> Result<(), LedgerError> {
        let error = match stopped {
            Stopped::Store(_, error) | Stopped::Items(_, error) if !guard::was_left_alone(error) => error,
            Stopped::Store(..) | Stopped::Items(..) | Stopped::Ledger(_) => return self.shop.ledger.return_lease(due),
        };
        let now = self.shop.clock.now();
        let attempts = due.iter().map(|item| item.attempts).max().unwrap_or_default();
        let pause = retry::pause(attempts + 1, error.class, error.retry_after, fastrand::f64());
        let not_before = now.saturating_add(pause).unwrap_or(Timestamp::MAX);
        let why = chain(error);
        let results: Vec<_> =
            due.iter().map(|item| (item.clone(), Delivered::Again { not_before, why: why.clone() })).collect();
        self.shop.ledger.finish_stock(&results, now)
    }

    /// Keeps what the store taught of its limits, for the next start.
    fn keep_learned(&self, state: &mut State) -> Result<(), LedgerError> {
        let learned = self.shop.store.learned();
        if learned.is_some() && learned != state.learned {
            self.shop.ledger.set_fact(facts::STORE_LEARNED, learned.as_deref())?;
            state.learned = learned;
        }
        Ok(())
    }

    fn next(&self) -> Next {
        const LONGEST: Duration = Duration::from_secs(60);
        let now = self.shop.clock.now();
        let (stock, news) = match self.shop.ledger.next_due_each(now) {
            Ok(due) => due,
            Err(error) => return self.shop.ledger_failed(WHAT, &error),
        };
        let spread = self.shop.stock_spreads();
        let pause = |due: Option<Timestamp>, work| {
            let due = due?.duration_since(now).max(SignedDuration::ZERO).unsigned_abs();
            Some(due.max(self.shop.store_rests(work).max(spread).unwrap_or_default()))
        };
        let next = [pause(stock, Work::Write), pause(news, Work::TakeNote)].into_iter().flatten().min();
        Next(next.unwrap_or(LONGEST).clamp(SHORTEST, LONGEST))
    }

    /// The store stopped it: when to go on.
    fn stopped(&self, state: &mut State, work: Work, error: &StoreError) -> Duration {
        if let (true, Some(wait)) = (guard::was_left_alone(error), error.retry_after) {
            return wait.unsigned_abs();
        }
        tracing::warn!(error = chain(error), "delivery to the web store stopped; what is due stays due");
        self.shop.store_failed(work, error);
        // After a failure the store may have become another one (an upgrade, MSI switched): ask again.
        state.facts = None;
        state.failures = state.failures.saturating_add(1);
        let pause = retry::pause(state.failures, error.class, error.retry_after, fastrand::f64());
        self.shop.store_rests(work).unwrap_or(pause.unsigned_abs())
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
        if let Some(wait) = self.shop.store_rests(Work::Read) {
            return Next(wait.max(SHORTEST));
        }
        let mut state = self.state.lock().await;
        let started = self.shop.clock.now();
        let mut figures = Figures::default();
        let delivered = self.deliver(&mut state, &mut figures).await;
        if figures != Figures::default() {
            let outcome = if delivered.is_ok() { "done" } else { "failed" };
            self.shop.run("delivery", started, outcome, &figures, Some("the web store was told"));
        }
        let mut reported = self.keep_learned(&mut state).and_then(|()| self.report(&figures));
        if delivered.is_ok() && reported.is_ok() {
            let model = state.facts.as_ref().map(|facts| facts.model);
            reported = audit::look(&self.shop, &mut state.audit, model).await;
        }
        match (delivered, reported) {
            (Err(Stopped::Ledger(error)), _) | (Ok(()), Err(error)) => self.shop.ledger_failed(WHAT, &error),
            (Err(Stopped::Store(work, error) | Stopped::Items(work, error)), _) => {
                Next(self.stopped(&mut state, work, &error).max(SHORTEST))
            }
            (Ok(()), Ok(())) => {
                self.shop.ledger_served(WHAT);
                state.failures = 0;
                self.next()
            }
        }
    }
}
