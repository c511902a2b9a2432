//! Orders: from the journal into the till's import folder, and the evidence that the till took them.
//!
//! Promises: a file is journalled before it is staged and staged before it is revealed, so that no crash can make the
//! till see an order twice or half; what was revealed is never written again; a look that failed concludes nothing.

mod report;
pub mod till_codes;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use report::{
    IMPORT_FOLDER, ITEM_UNKNOWN_TO_TILL, ORDER_CANCELLED_AFTER_TAKEN, ORDER_FAILED, ORDER_NOT_TAKEN, ORDER_REJECTED,
    ORDERS_BEFORE_START,
};

use async_trait::async_trait;
use jiff::SignedDuration;
use serde::Serialize;

use super::evidence::{self, EvidenceTracker, Finding, Outcome};
use super::{Next, Reconciler, Shop, chain};
use crate::domain::OrderId;
use crate::domain::retry::FailureClass;
use crate::ledger::files::{FileState, OpenFile};
use crate::ledger::orders::JournalledOrder;
use crate::ledger::{LedgerError, Result};
use crate::ports::{EposError, Revealed, Withdrawal};

/// Its name where the ledger fails it.
const WHAT: &str = "writing of orders";
/// Orders written in one activation.
const MOST_PER_ACTIVATION: u32 = 500;
/// How long a till may take to refuse a file that it has taken away.
const LATE_REFUSAL: SignedDuration = SignedDuration::from_hours(24);

/// What an activation did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Orders made visible to the till.
    pub published: u64,
    /// Orders seen to be taken.
    pub taken: u64,
    /// Orders refused by the till.
    pub rejected: u64,
    /// Orders taken back before the till took them.
    pub withdrawn: u64,
    /// Orders that cannot be written.
    pub failed: u64,
}

/// Outside, what the ledger says, which ends the activation; inside, what the till's folders say.
type Attempt = Result<std::result::Result<(), EposError>>;

/// One order in a state that does not fit must not stop the others: it is logged and left as it is (`None`).
fn go_on<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(LedgerError::NotPossible(why)) => {
            tracing::error!(
                why,
                "an order is in a state that does not fit; it is left as it is, and the others go on. Please report this line"
            );
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The reconciler.
pub struct Orders {
    shop: Arc<Shop>,
    /// One activation at a time: delivery asks for one as well.
    tracker: Mutex<EvidenceTracker>,
}

impl Orders {
    /// For this shop.
    pub fn new(shop: Arc<Shop>) -> Arc<Self> {
        let tracker = EvidenceTracker::new(shop.settings.order_gone_looks, shop.settings.order_gone_every);
        Arc::new(Self { shop, tracker: Mutex::new(tracker) })
    }

    /// One activation. Blocks on the disk.
    ///
    /// # Errors
    /// A failure of the ledger.
    pub fn reconcile(&self) -> Result<Figures> {
        let mut tracker: MutexGuard<'_, _> = self.tracker.lock().unwrap_or_else(PoisonError::into_inner);
        let started = self.shop.clock.now();
        let mut figures = Figures::default();
        let mut trouble = self.resume(&mut figures)?.err();
        trouble = trouble.or(self.withdraw(&mut figures)?.err());
        // While a staged file waits to be revealed, nothing else is written: the folder cannot be used.
        if trouble.is_none() {
            trouble = self.publish(&mut figures)?.err();
        }
        trouble = trouble.or(self.observe(&mut tracker, &mut figures)?.err());
        trouble = trouble.or(self.look_for_late_refusals(&mut figures)?.err());
        self.report(trouble)?;
        if figures != Figures::default() {
            self.shop.run("orders", started, "done", &figures, Some("orders moved between agent and till"));
            self.shop.wakes.delivery.notify_one();
            self.shop.wakes.stock.notify_one();
        }
        Ok(figures)
    }

    /// Brings files that a crash left half-way to where they can be seen, or away where they were cancelled since.
    fn resume(&self, figures: &mut Figures) -> Attempt {
        for file in self.shop.ledger.open_files()? {
            match file.state {
                FileState::Staged if file.void => {
                    if let Some(Err(error)) = go_on(self.call_off(&file, figures))? {
                        return Ok(Err(error));
                    }
                }
                FileState::Staged => match go_on(self.reveal(&file))? {
                    None => {}
                    Some(Ok(())) => figures.published += 1,
                    Some(Err(error)) if error.class == FailureClass::Permanent => {
                        go_on(self.give_up(&file.order, &error, figures))?;
                    }
                    Some(Err(error)) => return Ok(Err(error)),
                },
                // A planned file is planned anew by `publish`: its order is still received.
                FileState::Planned | FileState::Visible => {}
            }
        }
        Ok(Ok(()))
    }

    /// A staged file of an order that was cancelled: the till is not to see it.
    fn call_off(&self, file: &OpenFile, figures: &mut Figures) -> Attempt {
        match self.shop.epos.unstage(&file.name) {
            Ok(true) => {
                self.shop.ledger.file_unstaged(file, self.shop.clock.now())?;
                figures.withdrawn += 1;
                Ok(Ok(()))
            }
            // Revealed by an agent that died before it could say so: it is taken back, or the evidence decides.
            Ok(false) => self.shop.ledger.file_visible(file, file.planned_at, self.shop.clock.now()).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    /// This order cannot be written. Nothing of it is visible; a person has to look.
    fn give_up(&self, order: &OrderId, error: &EposError, figures: &mut Figures) -> Result<()> {
        self.shop.ledger.order_unwritable(order, &chain(error), self.shop.clock.now())?;
        figures.failed += 1;
        Ok(())
    }

    /// Takes back what the store cancelled, unless the till was faster.
    fn withdraw(&self, figures: &mut Figures) -> Attempt {
        let cancelled = self.shop.ledger.orders_to_withdraw()?;
        if cancelled.is_empty() {
            return Ok(Ok(()));
        }
        let open = self.shop.ledger.open_files()?;
        for order in cancelled {
            let file = open.iter().find(|file| file.order == order.order.id);
            if let Some(Err(error)) = go_on(self.withdraw_one(&order, file, figures))? {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    fn withdraw_one(&self, order: &JournalledOrder, file: Option<&OpenFile>, figures: &mut Figures) -> Attempt {
        let now = self.shop.clock.now();
        match file.map(|file| (file, file.state)) {
            None => self.shop.ledger.order_withdrawn(&order.order.id, now)?,
            // What a crash left of it in staging goes as well; it was never revealed, there or not.
            Some((file, FileState::Planned)) => match self.shop.epos.unstage(&file.name) {
                Ok(_) => self.shop.ledger.file_unstaged(file, now)?,
                Err(error) => return Ok(Err(error)),
            },
            // `resume` could not get at the folder; it calls it off when it can.
            Some((_, FileState::Staged)) => return Ok(Ok(())),
            Some((file, FileState::Visible)) => match self.shop.epos.withdraw(&file.name) {
                Ok(Withdrawal::Withdrawn) => self.shop.ledger.file_withdrawn(file, now)?,
                // The till may have it: the evidence decides.
                Ok(Withdrawal::Gone) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            },
        }
        figures.withdrawn += 1;
        Ok(Ok(()))
    }

    fn publish(&self, figures: &mut Figures) -> Attempt {
        for order in self.shop.ledger.orders_to_publish(MOST_PER_ACTIVATION)? {
            match go_on(self.publish_one(&order, figures))? {
                None | Some(Ok(())) => {}
                Some(Err(error)) if error.class == FailureClass::Permanent => {
                    go_on(self.give_up(&order.order.id, &error, figures))?;
                }
                Some(Err(error)) => return Ok(Err(error)),
            }
        }
        Ok(Ok(()))
    }

    fn publish_one(&self, order: &JournalledOrder, figures: &mut Figures) -> Attempt {
        let copy = order.copies + 1;
        match self.take_back_older(order)? {
            Ok(true) => {}
            Ok(false) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        }
        let sequence = self.shop.ledger.file_sequence(&order.order.id, copy)?;
        let (file, codes) = match till_codes::render(&self.shop.ledger, &*self.shop.epos, &order.order, copy, sequence)?
        {
            Ok(coded) => coded,
            Err(error) => return Ok(Err(error)),
        };
        for warning in &file.warnings {
            tracing::warn!(order.number = order.order.number, "{warning}");
        }
        if !self.shop.ledger.file_planned_under(&order.order.id, copy, &file, &codes, self.shop.clock.now())? {
            // A person has just given an item another code: the next activation writes that one.
            return Ok(Ok(()));
        }
        if let Err(error) = self.shop.epos.stage(&file) {
            return Ok(Err(error));
        }
        self.shop.ledger.file_staged(&file.name)?;
        let Some(staged) = self.shop.ledger.staged_file(&file.name)? else {
            let why = format!("the order file {} was journalled and is not there", file.name);
            return Err(LedgerError::NotPossible(why));
        };
        let revealed = self.reveal(&staged)?;
        figures.published += u64::from(revealed.is_ok());
        Ok(revealed)
    }

    /// Before an order is written again on a person's word, its older file must not be there any more. `false`: the
    /// till took it or lost it meanwhile, so that nothing may be written; the evidence decides.
    fn take_back_older(&self, order: &JournalledOrder) -> Result<std::result::Result<bool, EposError>> {
        let now = self.shop.clock.now();
        for old in self.shop.ledger.files_of(&order.order.id)?.iter().filter(|old| old.state == "visible") {
            match self.shop.epos.withdraw(&old.name) {
                Ok(Withdrawal::Withdrawn) => self.shop.ledger.file_superseded(&old.name, now)?,
                Ok(Withdrawal::Gone) => {
                    self.shop.ledger.order_may_be_taken(&order.order.id, &old.name, now)?;
                    return Ok(Ok(false));
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(true))
    }

    /// From staging to where the till looks; the ledger follows.
    fn reveal(&self, file: &OpenFile) -> Attempt {
        let before = self.shop.clock.now();
        let since = match self.shop.epos.reveal(&file.name) {
            Ok(Revealed::Now | Revealed::Already) => before,
            // Revealed by an agent that died before it could say so: the till may have had it since then.
            Ok(Revealed::Before) => file.planned_at,
            Err(error) => return Ok(Err(error)),
        };
        self.shop.ledger.file_visible(file, since, self.shop.clock.now())?;
        Ok(Ok(()))
    }

    fn observe(&self, tracker: &mut EvidenceTracker, figures: &mut Figures) -> Attempt {
        let mut visible = self.shop.ledger.open_files()?;
        visible.retain(|file| file.state == FileState::Visible);
        let names: Vec<String> = visible.iter().map(|file| file.name.clone()).collect();
        if names.is_empty() {
            tracker.forget_all();
            return Ok(Ok(()));
        }
        let sightings = match self.shop.epos.look_at_orders(&names) {
            Ok(sightings) => sightings,
            Err(error) => return Ok(Err(error)),
        };
        let now = self.shop.clock.now();
        for Finding { name, outcome, evidence } in tracker.observe(&sightings, now) {
            let Some(file) = visible.iter().find(|file| file.name == name) else { continue };
            match outcome {
                Outcome::Taken { at } => {
                    let noted = go_on(self.shop.ledger.file_taken(file, at, evidence, now))?;
                    figures.taken += u64::from(noted.is_some());
                }
                Outcome::Rejected { at } => {
                    let noted = go_on(self.shop.ledger.file_rejected(file, at, evidence, now))?;
                    figures.rejected += u64::from(noted.is_some());
                }
            }
        }
        Ok(Ok(()))
    }

    /// Some tills take a file away first and refuse it later: the rejects folder is looked at for a while longer.
    fn look_for_late_refusals(&self, figures: &mut Figures) -> Attempt {
        let now = self.shop.clock.now();
        let taken = self.shop.ledger.taken_since(now - LATE_REFUSAL, evidence::GONE)?;
        let names: Vec<String> = taken.iter().map(|file| file.name.clone()).collect();
        let refused = match self.shop.epos.look_for_refused(&names) {
            Ok(refused) => refused,
            Err(error) => return Ok(Err(error)),
        };
        for file in taken.iter().filter(|file| refused.contains(&file.name)) {
            let noted = go_on(self.shop.ledger.file_rejected(file, now, evidence::REFUSED, now))?;
            figures.rejected += u64::from(noted.is_some());
        }
        Ok(Ok(()))
    }
}

#[async_trait]
impl Reconciler for Orders {
    fn name(&self) -> &'static str {
        "orders"
    }

    async fn activate(&self) -> Next {
        let settings = &self.shop.settings;
        if self.shop.is_paused() {
            return Next(settings.sweep_idle.duration());
        }
        let reconciled = tokio::task::block_in_place(|| self.reconcile().and_then(|_| self.shop.ledger.open_files()));
        if reconciled.is_ok() {
            self.shop.ledger_served(WHAT);
        }
        match reconciled {
            Ok(open) if open.is_empty() => Next(settings.sweep_idle.duration()),
            Ok(_) => Next(settings.sweep_awaiting.duration().min(settings.order_gone_every.duration())),
            Err(error) => self.shop.ledger_failed(WHAT, &error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_does_not_fit_is_left_and_a_ledger_that_fails_is_not_passed_over() {
        assert_eq!(go_on::<u8>(Err(LedgerError::NotPossible("order 1".into()))).unwrap(), None);
        assert_eq!(go_on(Ok(7)).unwrap(), Some(7));
        assert!(go_on::<u8>(Err(LedgerError::NoSuchOrder("1".into()))).is_err());
    }
}
