//! The four reconcilers and their driver.
//!
//! A reconciler compares what is with what should be, and acts. It takes no input: a restart, a missed event and the
//! normal case are one code path. Events only wake it; deleting the file watcher costs latency and nothing else.
//!
//! Promises of the driver: one activation at a time per reconciler; a wake during an activation is not lost (the permit
//! is kept); on stop the activation under way ends by itself, and no new one begins.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::{Notify, watch};

use crate::domain::evidence::EvidenceRules;
use crate::domain::gate::Rules;
use crate::domain::reconcile::ShownRules;
use crate::domain::retry::FailureClass;
use crate::ledger::conditions::{Severity, Trouble};
use crate::ledger::exports::Missing;
use crate::ledger::{Ledger, LedgerError, facts};
use crate::ports::{CentralStore, Clock, Epos, StoreError};
use crate::units::Span;

use self::guard::{Gates, Guarded, Kind};

pub mod after_push;
pub mod delivery;
mod guard;
pub mod heartbeat;
pub mod intake;
pub mod orders;
pub mod stock;

/// What an activation says about the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next(pub Duration);

/// Compares what is with what should be, and acts.
#[async_trait]
pub trait Reconciler: Send + Sync {
    /// Its name in logs and runs.
    fn name(&self) -> &'static str;

    /// One activation. Says when the next one is due at the latest.
    async fn activate(&self) -> Next;
}

/// Wakes for the reconcilers. A wake is a hint; each also runs by period.
#[derive(Debug, Default)]
pub struct Wakes {
    /// The order feed.
    pub intake: Notify,
    /// Order files.
    pub orders: Notify,
    /// Exports.
    pub stock: Notify,
    /// The outbox.
    pub delivery: Notify,
    /// What was stored and is to be told.
    pub after_push: Notify,
    /// The heartbeat.
    pub heartbeat: Notify,
}

impl Wakes {
    /// Wakes all four.
    pub fn all(&self) {
        for wake in [&self.intake, &self.orders, &self.stock, &self.delivery] {
            wake.notify_one();
        }
    }
}

/// The settings that the reconcilers need.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Between two looks at the order feed.
    pub poll_every: Span,
    /// Orders placed earlier are not exported on their own.
    pub ours_since: Timestamp,
    /// What the whereabouts of order files prove.
    pub evidence: EvidenceRules,
    /// When an order that the till has not taken becomes a warning.
    pub warn_untaken_after: Span,
    /// When it becomes an alarm.
    pub alarm_untaken_after: Span,
    /// The gate.
    pub gate: Rules,
    /// SKUs that a full export lacks.
    pub missing: Missing,
    /// What the shop wants shown.
    pub shown: ShownRules,
    /// The same for single SKUs.
    pub shown_by_sku: std::collections::BTreeMap<String, ShownRules>,
    /// After a long outage stock waits a random part of this.
    pub spread_after_outage: Span,
}

impl Settings {
    /// What the shop wants shown of this SKU.
    pub fn shown_of(&self, sku: &str) -> ShownRules {
        self.shown_by_sku.get(sku).copied().unwrap_or(self.shown)
    }
}

/// What the store is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Tell of orders and of what it holds.
    Read,
    /// Take quantities.
    Write,
    /// Take note of what became of orders.
    TakeNote,
    /// Take note of how the agent is.
    Beat,
}

impl Work {
    /// What a trouble with it is about.
    fn subject(self) -> &'static str {
        match self {
            Self::Read => "reading orders",
            Self::Write => "writing stock",
            Self::TakeNote => "noting orders",
            Self::Beat => "working with this agent",
        }
    }

    /// Which kind of request it is.
    fn kind(self) -> Kind {
        match self {
            Self::Read => Kind::Read,
            Self::Write => Kind::Write,
            Self::TakeNote | Self::Beat => Kind::Note,
        }
    }
}

/// What is known only while the agent runs.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Live {
    /// Since when the store has answered without a failure.
    pub store_reachable_since: Option<Timestamp>,
    /// When the order feed was last read to its end.
    pub orders_pulled_at: Option<Timestamp>,
    /// What the store is.
    pub store: Option<String>,
    /// When the last activation of each reconciler that has ended began.
    pub activations: std::collections::BTreeMap<&'static str, Timestamp>,
    /// Since when it has failed in a row, when it does.
    pub store_fails_since: Option<Timestamp>,
    /// It is left alone until then.
    pub store_rests_until: Option<Timestamp>,
    /// What the ledger refuses to which reconciler, and since when. It cannot be noted in the ledger itself.
    pub ledger_fails: std::collections::BTreeMap<&'static str, (Timestamp, String)>,
}

/// What all reconcilers share.
pub struct Shop {
    /// The ledger.
    pub ledger: Arc<Ledger>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The till.
    pub epos: Arc<dyn Epos>,
    /// The web store.
    pub store: Arc<dyn CentralStore>,
    /// Wakes.
    pub wakes: Wakes,
    /// Settings.
    pub settings: Settings,
    live: Mutex<Live>,
    gates: Arc<Gates>,
    held: Mutex<std::collections::BTreeMap<Attention, Vec<Trouble>>>,
}

/// Whose files another program may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Attention {
    /// Exports.
    Stock,
    /// Order and cancellation files.
    Orders,
}

impl Shop {
    /// Puts the parts together.
    pub fn new(
        ledger: Arc<Ledger>,
        clock: Arc<dyn Clock>,
        epos: Arc<dyn Epos>,
        store: Arc<dyn CentralStore>,
        settings: Settings,
    ) -> Arc<Self> {
        let (wakes, live, held) = (Wakes::default(), Mutex::default(), Mutex::default());
        let gates = Arc::new(Gates::new(settings.spread_after_outage.signed()));
        let store = Arc::new(Guarded::new(store, gates.clone(), ledger.clone(), clock.clone()));
        Arc::new(Self { ledger, clock, epos, store, wakes, settings, live, gates, held })
    }

    /// What is known only while the agent runs.
    pub fn live(&self) -> Live {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (store_fails_since, store_rests_until) = self.gates.shown();
        Live { store_fails_since, store_rests_until, ..live }
    }

    /// Changes it.
    pub(crate) fn set_live<T>(&self, change: impl FnOnce(&mut Live) -> T) -> T {
        change(&mut self.live.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has someone paused the agent?
    pub(crate) fn is_paused(&self) -> bool {
        // A ledger that cannot be read holds: nothing is done rather than something wrong.
        self.ledger.fact(facts::PAUSED).map_or(true, |paused| paused.is_some())
    }

    /// Notes that the store did what was asked. Only the same kind of work ends a trouble: a store that lets us read and
    /// refuses what we write is not well.
    pub(crate) fn store_served(&self, work: Work) {
        let now = self.clock.now();
        self.set_live(|live| {
            live.store_reachable_since.get_or_insert(now);
        });
        if self.gates.came_back() {
            self.wakes.intake.notify_one();
            self.wakes.delivery.notify_one();
        }
        self.conditions_about(&STORE_CODES, work.subject(), &[]);
    }

    /// Nothing waits to be written any more, so no trouble with writing lasts.
    pub(crate) fn writing_is_done(&self) {
        self.conditions_about(&STORE_CODES, Work::Write.subject(), &[]);
    }

    /// Notes that the store failed, as a condition that a person understands.
    pub(crate) fn store_failed(&self, work: Work, error: &StoreError) {
        // That it was not asked is no news of it.
        if guard::was_left_alone(error) {
            return;
        }
        self.set_live(|live| live.store_reachable_since = None);
        let (code, severity, remedy) = match error.class {
            FailureClass::Transient => (
                STORE_UNREACHABLE,
                Severity::Warning,
                "Nothing is lost: orders and stock wait here and go on by themselves. If it lasts, check the shop's internet line and whether the web store is up.",
            ),
            FailureClass::Permanent => (
                STORE_REFUSES,
                Severity::Error,
                "Run tillbridge check; it names what the web store refuses and how to mend it.",
            ),
            FailureClass::Bug => (
                STORE_NOT_UNDERSTOOD,
                Severity::Error,
                "Run tillbridge check, and report its output; until then nothing is written to the web store.",
            ),
        };
        // The heartbeat goes past the breakers.
        let more = if work == Work::Beat { String::new() } else { self.gates.in_words(work.kind()) };
        let text = format!("{}{more}", chain(error));
        let (subject, remedy) = (work.subject().to_owned(), remedy.to_owned());
        let trouble = Trouble { code, subject, severity, text, remedy };
        self.conditions_about(&STORE_CODES, work.subject(), &[trouble]);
    }

    /// It is known that the store as such fails at this work: it is left alone.
    pub(crate) fn leave_store_alone(&self, work: Work, error: &StoreError) {
        self.gates.open(work.kind(), error, self.clock.now());
    }

    /// For how long the store is still to be left alone. Whatever wakes the agent, it is not asked.
    pub(crate) fn store_rests(&self, work: Work) -> Option<Duration> {
        self.gates.wait(work.kind(), self.clock.now()).map(|wait| wait.unsigned_abs())
    }

    /// For how long stock waits after a long outage, so that not all shops arrive at once.
    pub(crate) fn stock_spreads(&self) -> Option<Duration> {
        self.gates.spread(self.clock.now()).map(|wait| wait.unsigned_abs())
    }

    /// A person says that the store may be asked again.
    pub(crate) fn wake_store(&self) {
        self.gates.ask_now();
    }

    /// Notes that the ledger failed one of the reconcilers, and says when to try again.
    pub(crate) fn ledger_failed(&self, what: &'static str, error: &LedgerError) -> Next {
        tracing::error!(error = chain(error), "{what} could not go on; it is tried again by itself");
        let (now, text) = (self.clock.now(), chain(error));
        self.set_live(|live| live.ledger_fails.entry(what).or_insert((now, String::new())).1 = text);
        Next(PAUSE_AFTER_LEDGER_FAILURE)
    }

    /// Notes that the ledger served this reconciler.
    pub(crate) fn ledger_served(&self, what: &'static str) {
        self.set_live(|live| live.ledger_fails.remove(what));
    }

    /// Makes the lasting troubles of these codes be exactly `troubles`.
    pub(crate) fn conditions(&self, codes: &[&str], troubles: &[Trouble]) {
        if let Err(error) = self.ledger.set_conditions(codes, troubles, self.clock.now()) {
            tracing::error!(error = chain(&error), "a health condition could not be noted");
        }
    }

    /// Makes the lasting troubles about files that are held be exactly `troubles`, as far as these files are concerned.
    pub(crate) fn files_held(&self, whose: Attention, troubles: Vec<Trouble>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(whose, troubles);
        let all: Vec<Trouble> = held.values().flatten().cloned().collect();
        self.conditions(&[stock::FILE_HELD], &all);
    }

    /// Makes the lasting troubles of these codes about this subject be exactly `troubles`.
    pub(crate) fn conditions_about(&self, codes: &[&str], subject: &str, troubles: &[Trouble]) {
        if let Err(error) = self.ledger.set_conditions_about(codes, subject, troubles, self.clock.now()) {
            tracing::error!(error = chain(&error), "a health condition could not be noted");
        }
    }

    /// Notes a run in the tracking table.
    pub(crate) fn run<F: Serialize>(
        &self,
        kind: &str,
        started: Timestamp,
        outcome: &str,
        figures: &F,
        message: Option<&str>,
    ) {
        let figures = serde_json::to_value(figures).unwrap_or_default();
        tracing::info!(run.kind = kind, run.outcome = outcome, run.figures = %figures, "{}", message.unwrap_or("run"));
        if let Err(error) = self.ledger.record_run(kind, started, self.clock.now(), outcome, &figures, message) {
            tracing::error!(error = chain(&error), "a run could not be noted");
        }
    }
}

/// Condition: the store does not answer.
pub const STORE_UNREACHABLE: &str = "store_unreachable";
/// Condition: the store refuses us.
pub const STORE_REFUSES: &str = "store_refuses";
/// Condition: the store answers what we do not understand.
pub const STORE_NOT_UNDERSTOOD: &str = "store_not_understood";
const STORE_CODES: [&str; 3] = [STORE_UNREACHABLE, STORE_REFUSES, STORE_NOT_UNDERSTOOD];
/// Condition: the ledger cannot be written.
pub const LEDGER_FAILS: &str = "ledger_fails";

/// An error with all its causes, for logs and conditions. Each level says only what the next does not.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(if text.ends_with(['?', '.']) { " " } else { ": " });
            text.push_str(&more);
        }
        cause = inner.source();
    }
    text
}

const PAUSE_AFTER_LEDGER_FAILURE: Duration = Duration::from_secs(5);

/// Runs one reconciler until stop: by period, by wake, one activation at a time.
pub async fn drive(
    reconciler: Arc<dyn Reconciler>,
    shop: Arc<Shop>,
    wake: fn(&Wakes) -> &Notify,
    mut stop: watch::Receiver<bool>,
) {
    while !*stop.borrow() {
        let began = shop.clock.now();
        let next = reconciler.activate().await;
        shop.set_live(|live| {
            live.activations.insert(reconciler.name(), began);
        });
        tokio::select! {
            () = tokio::time::sleep(next.0) => {}
            () = wake(&shop.wakes).notified() => {}
            // An error means that the sender is gone: then it is time to stop as well.
            changed = stop.changed() => if changed.is_err() { return },
        }
    }
}
