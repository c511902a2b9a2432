//! What stands between the reconcilers and the web store: one circuit breaker for all of them, and a record of failures.
//!
//! Promises: a store that fails again and again, or asks for a pause, is left alone by intake, delivery and notes alike,
//! but for one request after each pause; a store that reads well and fails at writing, or at notes, is left alone with
//! those only. After a long outage stock waits a random while, orders do not. A failed request is kept with its answer.
//! Does not judge whether a request failed for what was in it: delivery does, and says so ([`Gates::open`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::chain;
use crate::domain::breaker::Breaker;
use crate::domain::retry::{FailureClass, LONGEST_PAUSE};
use crate::domain::{Quantity, Sku};
use crate::ledger::Ledger;
use crate::ports::{
    Acknowledgement, CentralStore, CheckLine, Clock, FeedCursor, Holding, OrderPage, Pulse, Shortcoming, Stage,
    StockBatch, StoreError, StoreFacts, Written,
};

/// After an outage of this length other shops wait as well.
const LONG_OUTAGE: SignedDuration = SignedDuration::from_mins(5);

/// Kinds of requests to the store, each with a breaker of its own besides the one for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
    Note,
}

/// The store was not asked, because it is left alone.
#[derive(Debug, thiserror::Error)]
#[error("it is asked again in {} s", .0.as_secs().max(1))]
struct LeftAlone(SignedDuration);

/// Was the store not asked at all?
pub(super) fn was_left_alone(error: &StoreError) -> bool {
    error.source.as_ref().is_some_and(|source| source.is::<LeftAlone>())
}

/// Can a request fail like this for what is in it? Not if it was never sent, or the store speaks of who we are or of itself.
pub(super) fn may_be_for_the_content(error: &StoreError) -> bool {
    let status = error.exchange.as_ref().and_then(|exchange| exchange.status);
    let never_sent = error.class == FailureClass::Transient && status.is_none() && !error.maybe_done;
    error.retry_after.is_none() && !never_sent && !matches!(status, Some(300..=399 | 401 | 402 | 407 | 429 | 503))
}

fn left_alone(wait: SignedDuration) -> StoreError {
    let source: Box<dyn std::error::Error + Send + Sync> = Box::new(LeftAlone(wait));
    let what = "the web store is left alone after its last failures";
    StoreError { retry_after: Some(wait), source: Some(source), ..StoreError::new(FailureClass::Transient, what) }
}

/// The breakers.
#[derive(Debug)]
pub(super) struct Gates {
    inside: Mutex<Inside>,
    spread: SignedDuration,
}

#[derive(Debug, Default)]
struct Inside {
    /// For every request: the line, and the store as such.
    line: Breaker,
    write: Breaker,
    note: Breaker,
    spread_until: Option<Timestamp>,
    /// Nobody has been told yet that it is back.
    came_back: bool,
}

impl Inside {
    /// The breaker of this kind alone; reading has none, because every request needs the line.
    fn own(&mut self, kind: Kind) -> Option<&mut Breaker> {
        match kind {
            Kind::Read => None,
            Kind::Write => Some(&mut self.write),
            Kind::Note => Some(&mut self.note),
        }
    }

    fn wait(&mut self, kind: Kind, now: Timestamp) -> Option<SignedDuration> {
        let own = self.own(kind).and_then(|own| own.wait(now));
        own.max(self.line.wait(now))
    }
}

impl Gates {
    pub(super) fn new(spread: SignedDuration) -> Self {
        Self { inside: Mutex::default(), spread }
    }

    fn hold(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For how long requests of this kind are not made. Asks for nobody.
    pub(super) fn wait(&self, kind: Kind, now: Timestamp) -> Option<SignedDuration> {
        self.hold().wait(kind, now)
    }

    fn may_ask(&self, kind: Kind, now: Timestamp) -> Result<(), StoreError> {
        let mut inside = self.hold();
        if let Some(wait) = inside.wait(kind, now) {
            return Err(left_alone(wait));
        }
        let line = inside.line.may_ask(now);
        line.and_then(|()| inside.own(kind).map_or(Ok(()), |own| own.may_ask(now))).map_err(left_alone)
    }

    /// The store did what was asked. Is it back after having been left alone?
    fn served(&self, kind: Kind, now: Timestamp) -> bool {
        let mut inside = self.hold();
        let outage = inside.line.served(now);
        let own = inside.own(kind).and_then(|own| own.served(now));
        if outage.is_some_and(|outage| outage >= LONG_OUTAGE) {
            let wait = self.spread.mul_f64(fastrand::f64());
            inside.spread_until = Some(now.saturating_add(wait).unwrap_or(now));
        }
        let came_back = outage.or(own).is_some();
        inside.came_back |= came_back;
        came_back
    }

    /// Has the store come back since this was last asked?
    pub(super) fn came_back(&self) -> bool {
        std::mem::take(&mut self.hold().came_back)
    }

    /// How a request failed. `tells`: nothing in it can be at fault, so that its failure says that the store is not well.
    fn failed(&self, kind: Kind, error: &StoreError, tells: bool, now: Timestamp) {
        let mut inside = self.hold();
        if error.class != FailureClass::Transient && error.retry_after.is_none() {
            // An answer came: the store is there, whatever it thinks of us.
            if inside.line.is_asking() {
                inside.line.served(now);
            }
        } else if tells || error.retry_after.is_some() || inside.line.is_asking() {
            inside.line.failed(FailureClass::Transient, error.retry_after, now, fastrand::f64());
        }
        if let Some(own) = inside.own(kind)
            && own.is_asking()
        {
            // What was in it may be at fault: then only another request can tell, and whoever made it says so (`open`).
            if !tells && may_be_for_the_content(error) {
                own.undecided();
            } else {
                own.failed(error.class, error.retry_after, now, fastrand::f64());
            }
        }
    }

    /// It is known that the store as such fails at this.
    pub(super) fn open(&self, kind: Kind, error: &StoreError, now: Timestamp) {
        let mut inside = self.hold();
        let breaker = match kind {
            Kind::Read => &mut inside.line,
            Kind::Write => &mut inside.write,
            Kind::Note => &mut inside.note,
        };
        breaker.open(error.class, error.retry_after, now, fastrand::f64());
    }

    /// For how long stock still waits after a long outage.
    pub(super) fn spread(&self, now: Timestamp) -> Option<SignedDuration> {
        let left = self.hold().spread_until?.duration_since(now);
        (left.is_positive() && left <= LONGEST_PAUSE).then_some(left)
    }

    /// A person says that the store may be asked, and told, at once.
    pub(super) fn ask_now(&self) {
        let mut inside = self.hold();
        inside.line.ask_now();
        inside.write.ask_now();
        inside.note.ask_now();
        inside.spread_until = None;
    }

    /// Since when the store fails, and when it is asked next.
    pub(super) fn shown(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let inside = self.hold();
        (inside.line.failing().map(|(_, since)| since), inside.line.next_try())
    }

    /// The same for a person, behind a sentence.
    pub(super) fn in_words(&self, kind: Kind) -> String {
        let mut inside = self.hold();
        let line = inside.line.clone();
        let own = inside.own(kind).map(|own| own.clone()).filter(|own| own.next_try() > line.next_try());
        let worse = own.unwrap_or(line);
        let (Some((failures, since)), Some(next)) = (worse.failing(), worse.next_try()) else { return String::new() };
        let local = |at: Timestamp| at.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string();
        format!(" ({failures} failures in a row since {}; next try at {})", local(since), local(next))
    }
}

/// The store, behind the gates.
pub(super) struct Guarded {
    store: Arc<dyn CentralStore>,
    gates: Arc<Gates>,
    ledger: Arc<Ledger>,
    clock: Arc<dyn Clock>,
}

/// Can what is in the request be at fault when it fails?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carries {
    Nothing,
    Items,
}

impl Guarded {
    pub(super) fn new(
        store: Arc<dyn CentralStore>,
        gates: Arc<Gates>,
        ledger: Arc<Ledger>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store, gates, ledger, clock }
    }

    async fn ask<T>(
        &self,
        kind: Kind,
        carries: Carries,
        request: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.gates.may_ask(kind, self.clock.now())?;
        let answer = request.await;
        let now = self.clock.now();
        match &answer {
            Ok(_) => {
                if self.gates.served(kind, now)
                    && let Err(error) = self.ledger.retry_all_now()
                {
                    tracing::warn!(error = chain(&error), "what waits could not be hurried; it goes by its own pauses");
                }
            }
            Err(error) => {
                self.gates.failed(kind, error, carries == Carries::Nothing, now);
                if let Err(error) = self.ledger.record_exchange(error, now) {
                    tracing::warn!(error = chain(&error), "a failed request could not be kept");
                }
            }
        }
        answer
    }
}

#[async_trait]
impl CentralStore for Guarded {
    async fn probe(&self) -> Result<StoreFacts, StoreError> {
        self.ask(Kind::Read, Carries::Nothing, self.store.probe()).await
    }

    async fn orders(&self, cursor: Option<&FeedCursor>) -> Result<OrderPage, StoreError> {
        self.ask(Kind::Read, Carries::Nothing, self.store.orders(cursor)).await
    }

    async fn holdings(&self, skus: &[Sku]) -> Result<Vec<Holding>, StoreError> {
        self.ask(Kind::Read, Carries::Items, self.store.holdings(skus)).await
    }

    async fn write_stock(&self, batch: &StockBatch) -> Result<Vec<Written>, StoreError> {
        self.ask(Kind::Write, Carries::Items, self.store.write_stock(batch)).await
    }

    async fn acknowledge(&self, acknowledgement: &Acknowledgement) -> Result<(), StoreError> {
        self.ask(Kind::Note, Carries::Items, self.store.acknowledge(acknowledgement)).await
    }

    async fn heartbeat(&self, pulse: &Pulse) -> Result<bool, StoreError> {
        // One that was not wanted says nothing about the store, and one that failed is no reason to leave it alone.
        let beat = self.store.heartbeat(pulse).await;
        if let Err(error) = &beat
            && let Err(error) = self.ledger.record_exchange(error, self.clock.now())
        {
            tracing::warn!(error = chain(&error), "a failed request could not be kept");
        }
        beat
    }

    fn wants(&self, stage: Stage) -> bool {
        self.store.wants(stage)
    }

    fn batch_size(&self) -> usize {
        self.store.batch_size()
    }

    fn shortcomings(&self) -> Vec<Shortcoming> {
        self.store.shortcomings()
    }

    fn learned(&self) -> Option<String> {
        self.store.learned()
    }

    fn recall(&self, learned: &str) {
        self.store.recall(learned);
    }

    async fn sellable(&self, skus: &[Sku]) -> Result<Vec<(Sku, Quantity)>, StoreError> {
        // No figures may mean that nobody was asked: that closes no breaker.
        self.gates.may_ask(Kind::Read, self.clock.now())?;
        let told = self.store.sellable(skus).await;
        match &told {
            Ok(figures) if figures.is_empty() => Ok(Vec::new()),
            Ok(_) | Err(_) => self.ask(Kind::Read, Carries::Items, std::future::ready(told)).await,
        }
    }

    async fn check(&self) -> Vec<CheckLine> {
        self.store.check().await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const SHOPS: u64 = 500;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    /// When a shop first reaches a store that was away until `back`, and when its stock follows. All shops lost it at once.
    fn arrives(shop: u64, back: i64) -> (i64, i64) {
        fastrand::seed(shop);
        let gates = Gates::new(SignedDuration::from_secs(60));
        let away = StoreError::new(FailureClass::Transient, "away");
        let mut second = 0;
        loop {
            if gates.may_ask(Kind::Read, at(second)).is_ok() {
                if second >= back {
                    break;
                }
                gates.failed(Kind::Read, &away, true, at(second));
            }
            second += 1;
        }
        assert!(gates.served(Kind::Read, at(second)));
        let spread = gates.spread(at(second)).unwrap_or_default();
        (second - back, second - back + spread.as_secs())
    }

    #[test]
    fn five_hundred_shops_that_lost_the_store_together_do_not_come_back_together() {
        let (mut first, mut stock) = (BTreeMap::new(), BTreeMap::new());
        for shop in 0..SHOPS {
            let (asked, sent) = arrives(shop, 3600);
            *first.entry(asked).or_insert(0) += 1;
            *stock.entry(sent).or_insert(0) += 1;
        }
        let most = |arrivals: &BTreeMap<i64, u32>| arrivals.values().copied().max().unwrap_or_default();
        assert!(most(&first) <= 15, "{} ask in one second", most(&first));
        assert!(most(&stock) <= 12, "{} send stock in one second", most(&stock));
        let last = first.keys().last().copied().unwrap_or_default();
        assert!((200..=301).contains(&last), "the last one is back after {last} s");
    }

    #[test]
    fn a_short_outage_makes_nobody_wait() {
        let (asked, sent) = arrives(1, 30);
        assert_eq!(asked, sent);
    }
}
