//! Notes about orders: the store is told what became of them.
//!
//! Promises: a note that fails by itself (its order was deleted in the store) holds up no other, and is given up after some
//! tries; when the store fails at notes as such, none is blamed, and it is left alone with them.

use std::collections::VecDeque;
use std::time::Instant;

use jiff::Timestamp;

use super::{Delivery, Figures, LEASE, Stopped, Work};
use crate::domain::retry::{self, FailureClass};
use crate::ledger::LedgerError;
use crate::ports::{Acknowledgement, StoreError};
use crate::tasks::guard::may_be_for_the_content;
use crate::tasks::{chain, guard};

/// Notes in one go.
const MOST_NOTES: u32 = 100;
/// After so many notes failed and none was taken, it is the store.
const FAILED_ALONE: usize = 2;

/// A note that failed.
struct Failed {
    news: Acknowledgement,
    attempts: u32,
    error: StoreError,
}

impl Delivery {
    /// Tells the store what became of orders. A failure postpones notes and nothing else.
    pub(super) async fn acknowledge(&self, figures: &mut Figures) -> Result<(), Stopped> {
        let now = self.shop.clock.now();
        self.shop.ledger.revive_old_news(now)?;
        if self.shop.store_rests(Work::TakeNote).is_some() {
            return Ok(());
        }
        let lease_until = now.saturating_add(LEASE).unwrap_or(Timestamp::MAX);
        let leased = self.shop.ledger.lease_acknowledgements(MOST_NOTES, lease_until, now)?;
        let (mut left, mut failed, mut told): (VecDeque<_>, Vec<Failed>, u64) = (leased.into(), Vec::new(), 0);
        while let Some((news, attempts)) = left.pop_front() {
            if !self.shop.store.wants(news.stage) {
                self.shop.ledger.acknowledged(&news, self.shop.clock.now())?;
                continue;
            }
            let (started, clock) = (self.shop.clock.now(), Instant::now());
            let answer = self.shop.store.acknowledge(&news).await;
            self.note_attempt("acknowledgement", started, clock, 1, answer.as_ref().err())?;
            let Err(error) = answer else {
                self.was_noted(&news)?;
                (told, figures.acknowledged) = (told + 1, figures.acknowledged + 1);
                continue;
            };
            tracing::warn!(
                order.number = news.number,
                error = chain(&error),
                "the web store did not take note of an order"
            );
            let of_the_store = !may_be_for_the_content(&error) || self.intake.pull().await.is_err();
            let is_plain = !of_the_store && speaks_of_the_order(&error);
            failed.push(Failed { news, attempts, error });
            let undecided = failed.iter().filter(|failed| !speaks_of_the_order(&failed.error)).count();
            if of_the_store || (!is_plain && told == 0 && undecided >= FAILED_ALONE) {
                return self.stop_noting(failed, left);
            }
        }
        for failed in failed {
            self.set_note_apart(&failed, told > 0, figures)?;
        }
        Ok(())
    }

    fn was_noted(&self, news: &Acknowledgement) -> Result<(), LedgerError> {
        self.shop.ledger.acknowledged(news, self.shop.clock.now())?;
        self.shop.ledger.news_was_told(news)?;
        self.shop.store_served(Work::TakeNote);
        Ok(())
    }

    /// It is the store: all that is left waits for it, and none of it is blamed.
    fn stop_noting(&self, failed: Vec<Failed>, left: VecDeque<(Acknowledgement, u32)>) -> Result<(), Stopped> {
        let now = self.shop.clock.now();
        if failed.last().is_some_and(|last| guard::was_left_alone(&last.error)) {
            let all: Vec<_> =
                failed.into_iter().map(|failed| failed.news).chain(left.into_iter().map(|(news, _)| news)).collect();
            return Ok(self.shop.ledger.return_news(&all, Timestamp::UNIX_EPOCH)?);
        }
        let attempts = failed.iter().map(|failed| failed.attempts).max().unwrap_or_default();
        if let Some(last) = failed.last() {
            self.shop.leave_store_alone(Work::TakeNote, &last.error);
            self.shop.store_failed(Work::TakeNote, &last.error);
        }
        let pause = failed
            .last()
            .map(|last| retry::pause(attempts + 1, last.error.class, last.error.retry_after, fastrand::f64()));
        let not_before = now.saturating_add(pause.unwrap_or_default()).unwrap_or(Timestamp::MAX);
        for one in &failed {
            self.shop.ledger.acknowledge_again(&one.news, not_before, &chain(&one.error))?;
        }
        let left: Vec<Acknowledgement> = left.into_iter().map(|(news, _)| news).collect();
        Ok(self.shop.ledger.return_news(&left, not_before)?)
    }

    fn set_note_apart(&self, failed: &Failed, proved: bool, figures: &mut Figures) -> Result<(), LedgerError> {
        let Failed { news, attempts, error } = failed;
        figures.set_apart += 1;
        let now = self.shop.clock.now();
        let pause = retry::pause(attempts + 1, error.class, error.retry_after, fastrand::f64());
        let not_before = now.saturating_add(pause).unwrap_or(Timestamp::MAX);
        self.shop.ledger.news_failed(news, not_before, &chain(error), proved, now).map(drop)
    }
}

/// Does the store say that it is this order which it cannot do it for?
fn speaks_of_the_order(error: &StoreError) -> bool {
    let status = error.exchange.as_ref().and_then(|exchange| exchange.status);
    // Without an answer that failed, the adapter itself says that this order cannot be done now (it is on hold).
    let of_the_adapter = error.exchange.is_none() && error.class == FailureClass::Permanent;
    of_the_adapter || matches!(status, Some(400 | 404 | 409 | 410 | 413 | 422))
}
