//! After push: tells whoever listens which quantities were stored.
//!
//! Promises: told at the end of a delivery, and within one that lasts, but at most so often; what could not be told is told
//! again with growing pauses, over restarts, and lasts as a trouble meanwhile. Never hinders the delivery: it runs beside
//! it, and a listener that is slow or fails delays nothing but its own news.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::sync::Mutex;

use super::{Next, Reconciler, Shop, chain};
use crate::domain::retry;
use crate::ledger::LedgerError;
use crate::ledger::after_push::Untold;
use crate::ledger::conditions::{Severity, Trouble};
use crate::ports::{NotTold, PushListener, Pushed};
use crate::units::Span;

/// Condition: whoever listens could not be told what was stored.
pub const AFTER_PUSH: &str = "after_push";
/// Its name where the ledger fails it.
const WHAT: &str = "telling what was pushed";
/// Looked at this often without being woken.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What an activation did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Quantities of which the listener was told.
    pub told: u64,
}

/// The reconciler.
pub struct AfterPush {
    shop: Arc<Shop>,
    listener: Arc<dyn PushListener>,
    account: String,
    at_most_every: SignedDuration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last_tried: Option<Timestamp>,
    /// Failures in a row.
    failures: u32,
    not_before: Option<Timestamp>,
}

impl AfterPush {
    /// For this shop. From now on it is noted what is stored.
    ///
    /// # Errors
    /// A failure of the ledger.
    pub fn new(
        shop: Arc<Shop>,
        listener: Arc<dyn PushListener>,
        account: &str,
        at_most_every: Span,
    ) -> Result<Arc<Self>, LedgerError> {
        shop.ledger.listen_for_pushes(true)?;
        let (account, at_most_every, state) = (account.to_owned(), at_most_every.signed(), Mutex::default());
        Ok(Arc::new(Self { shop, listener, account, at_most_every, state }))
    }

    /// How long it has to wait still.
    fn left(&self, state: &State, untold: &Untold, now: Timestamp) -> Result<SignedDuration, LedgerError> {
        let mut due = now;
        // A delivery under way is told at its end, or when it lasts.
        if self.shop.ledger.stock_is_due(now)? {
            due = later(untold.since, self.at_most_every);
        }
        let next = state.last_tried.map(|last| later(last, self.at_most_every));
        let due = [next, state.not_before].into_iter().flatten().fold(due, Timestamp::max);
        // No pause is longer, unless the clock was wrong.
        Ok(due.duration_since(now).min(self.at_most_every.max(retry::LONGEST_PAUSE)))
    }

    async fn tell(&self, state: &mut State) -> Result<Duration, LedgerError> {
        let now = self.shop.clock.now();
        let Some(untold) = self.shop.ledger.untold()? else {
            self.shop.conditions(&[AFTER_PUSH], &[]);
            return Ok(LOOK_EVERY);
        };
        let left = self.left(state, &untold, now)?;
        if left.is_positive() {
            return Ok(left.unsigned_abs().min(LOOK_EVERY));
        }
        let pushed = Pushed { account: self.account.clone(), skus: untold.skus.clone(), count: untold.count, at: now };
        let heard = self.listener.tell(&pushed).await;
        state.last_tried = Some(self.shop.clock.now());
        match heard {
            Ok(()) => {
                self.shop.ledger.told(&untold)?;
                (state.failures, state.not_before) = (0, None);
                self.shop.conditions(&[AFTER_PUSH], &[]);
                let figures = Figures { told: untold.count };
                self.shop.run("after-push", now, "done", &figures, Some("the listener was told what was stored"));
            }
            Err(why) => self.was_not_told(state, &untold, &why),
        }
        Ok(LOOK_EVERY.min(self.at_most_every.unsigned_abs()))
    }

    fn was_not_told(&self, state: &mut State, untold: &Untold, why: &NotTold) {
        tracing::warn!(error = chain(why), "the listener could not be told what was stored");
        state.failures = state.failures.saturating_add(1);
        let pause = retry::pause(state.failures, why.class, why.retry_after, fastrand::f64());
        state.not_before = Some(later(self.shop.clock.now(), pause));
        let trouble = Trouble {
            code: AFTER_PUSH,
            subject: String::new(),
            severity: Severity::Warning,
            text: format!(
                "{} quantities were stored in the web store, and what was to be told of it was not: {why}",
                untold.count
            ),
            remedy:
                "The quantities themselves are right. Mend what [store.after_push] names; it is told by itself then, \
                     of all items since."
                    .into(),
        };
        self.shop.conditions(&[AFTER_PUSH], &[trouble]);
    }
}

fn later(from: Timestamp, by: SignedDuration) -> Timestamp {
    from.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[async_trait]
impl Reconciler for AfterPush {
    fn name(&self) -> &'static str {
        "after-push"
    }

    async fn activate(&self) -> Next {
        let mut state = self.state.lock().await;
        match self.tell(&mut state).await {
            Ok(next) => {
                self.shop.ledger_served(WHAT);
                Next(next)
            }
            Err(error) => self.shop.ledger_failed(WHAT, &error),
        }
    }
}
