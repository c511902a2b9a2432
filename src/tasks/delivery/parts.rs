//! A batch in parts: when a request fails that may have failed for what was in it, the culprit is searched for.
//!
//! Promises: one bad item never holds up the others, whatever it makes the store answer: it is found with about log₂(n)
//! failing requests, sent alone from then on, and given up after some tries ([`crate::ledger::outbox_trouble`]). Each part is
//! a batch of its own, with orders read anew before it. When a plain read fails as well, or two single items in a row with
//! none taken, then it is the store: nothing is blamed, and the store is left alone.

use jiff::Timestamp;

use super::{Delivery, Figures, State, Stopped, Work};
use crate::domain::isolate::{Search, Step};
use crate::domain::reconcile::StockModel;
use crate::domain::retry;
use crate::ledger::LedgerError;
use crate::ledger::outbox::{Delivered, DueSku};
use crate::ports::StoreError;
use crate::tasks::{chain, guard::may_be_for_the_content};

impl Delivery {
    /// Delivers these, all at once or in parts.
    pub(super) async fn deliver_parts(
        &self,
        due: Vec<DueSku>,
        model: StockModel,
        state: &mut State,
        figures: &mut Figures,
        mut is_fresh: bool,
    ) -> Result<(), Stopped> {
        let (mut search, mut failed, mut culprits) = (Search::new(due), false, 0);
        let delivered_before = figures.delivered > 0;
        while let Some((part, vouches)) = search.next_part() {
            let answer = self.batch(&part, model, is_fresh, figures).await;
            is_fresh = false;
            if let Err(Stopped::Store(Work::Write, error) | Stopped::Items(Work::Write, error)) = &answer
                && error.maybe_done
            {
                state.audit.doubt(part.iter().map(|item| item.sku.clone()), self.shop.clock.now());
            }
            let error = match answer {
                Ok(()) => {
                    for (item, why) in search.taken(vouches) {
                        culprits += 1;
                        self.set_apart(item, &why, true, figures)?;
                    }
                    continue;
                }
                Err(Stopped::Items(_, error)) if may_be_for_the_content(&error) => error,
                Err(stopped) => return self.give_back(part, &mut search, stopped),
            };
            // Does the store answer at all, and is it still what it was?
            if let Err(why) = self.intake.pull().await {
                return self.give_back(part, &mut search, why.into());
            }
            if !std::mem::replace(&mut failed, true) && self.has_changed(model, state).await? {
                let mut left = part;
                left.extend(search.rest());
                return Ok(self.shop.ledger.return_lease(&left)?);
            }
            match search.failed(part, error) {
                Step::GoOn => {}
                Step::Culprit(item, why) => {
                    culprits += 1;
                    self.set_apart(item, &why, true, figures)?;
                }
                Step::Store(left, why) => return self.blame_the_store(&left, why, state),
            }
        }
        for (item, why) in search.unproved() {
            culprits += 1;
            self.set_apart(item, &why, delivered_before, figures)?;
            if !delivered_before {
                // There is nothing to tell it from a store that fails.
                self.shop.store_failed(Work::Write, &why);
            }
        }
        state.halvings = match (failed, culprits) {
            // Too much at once for this store.
            (true, 0) => state.halvings.saturating_add(1),
            (true, _) => state.halvings,
            (false, _) => state.halvings.saturating_sub(1),
        };
        Ok(())
    }

    /// A store that keeps its books otherwise since a moment ago (its inventory modules were switched) fails, too; nothing
    /// of what was computed for the one before may be sent in parts.
    async fn has_changed(&self, model: StockModel, state: &mut State) -> Result<bool, Stopped> {
        state.facts = None;
        Ok(self.model(state).await? != model)
    }

    fn give_back(
        &self,
        mut part: Vec<DueSku>,
        search: &mut Search<DueSku, StoreError>,
        stopped: Stopped,
    ) -> Result<(), Stopped> {
        part.extend(search.rest());
        self.postpone(&part, &stopped)?;
        Err(stopped)
    }

    fn blame_the_store(&self, left: &[DueSku], error: StoreError, state: &mut State) -> Result<(), Stopped> {
        // Should it be the first and the last item of all, after all: other ones are tried next time.
        state.halvings = state.halvings.saturating_add(1);
        self.shop.leave_store_alone(Work::Write, &error);
        let stopped = Stopped::Store(Work::Write, error);
        self.postpone(left, &stopped)?;
        Err(stopped)
    }

    /// This one makes requests fail.
    fn set_apart(
        &self,
        item: DueSku,
        error: &StoreError,
        proved: bool,
        figures: &mut Figures,
    ) -> Result<(), LedgerError> {
        tracing::warn!(
            item.sku = item.sku.as_str(),
            error = chain(error),
            "one item makes requests fail; it is sent alone"
        );
        figures.set_apart += 1;
        let now = self.shop.clock.now();
        let pause = retry::pause(item.attempts + 1, error.class, error.retry_after, fastrand::f64());
        let not_before = now.saturating_add(pause).unwrap_or(Timestamp::MAX);
        self.shop.ledger.finish_stock(&[(item, Delivered::Alone { not_before, why: chain(error), proved })], now)
    }
}
