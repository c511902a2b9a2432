//! From the journal into the till's import folder, and back where the store cancelled in time.
//!
//! Promises: a file is journalled before it is staged and staged before it is revealed; what was revealed is never written
//! again on the agent's own account; losing the race for a file that is to be taken back counts as taken.

use super::{Attempt, Figures, MOST_PER_ACTIVATION, Orders, go_on};
use crate::domain::OrderId;
use crate::domain::retry::FailureClass;
use crate::ledger::files::{FileState, OpenFile};
use crate::ledger::orders::JournalledOrder;
use crate::ledger::plans::Plan;
use crate::ledger::{LedgerError, Result};
use crate::ports::{EposError, Purpose, Revealed, ToWrite, Withdrawal};
use crate::tasks::chain;

impl Orders {
    /// Brings files that a crash left half-way to where they can be seen, or away where they were cancelled since.
    pub(super) fn resume(&self, figures: &mut Figures) -> Attempt {
        for file in self.shop.ledger.open_files()?.into_iter().filter(|file| file.purpose == Purpose::Order) {
            match file.state {
                FileState::Staged if file.orders.iter().any(|order| order.void) => {
                    if let Some(Err(error)) = go_on(self.call_off(&file, figures))? {
                        return Ok(Err(error));
                    }
                }
                FileState::Staged => match go_on(self.reveal(&file))? {
                    None => {}
                    Some(Ok(())) => figures.published += 1,
                    Some(Err(error)) if error.class == FailureClass::Permanent => {
                        for order in &file.orders {
                            go_on(self.give_up(&order.id, &error, figures))?;
                        }
                    }
                    Some(Err(error)) => return Ok(Err(error)),
                },
                // A planned file is planned anew by `publish`: its order is still received.
                FileState::Planned | FileState::Visible | FileState::Left | FileState::Taken => {}
            }
        }
        Ok(Ok(()))
    }

    /// A staged file of an order that was cancelled: the till is not to see it.
    fn call_off(&self, file: &OpenFile, figures: &mut Figures) -> Attempt {
        match self.shop.epos.unstage(&file.names) {
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
    pub(super) fn withdraw(&self, figures: &mut Figures) -> Attempt {
        let cancelled = self.shop.ledger.orders_to_withdraw()?;
        if cancelled.is_empty() {
            return Ok(Ok(()));
        }
        let mut open = self.shop.ledger.open_files()?;
        open.retain(|file| file.purpose == Purpose::Order);
        for order in cancelled {
            let file = open.iter().find(|file| file.orders.iter().any(|one| one.id == order.order.id));
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
            Some((file, FileState::Planned)) => match self.shop.epos.unstage(&file.names) {
                Ok(_) => self.shop.ledger.file_unstaged(file, now)?,
                Err(error) => return Ok(Err(error)),
            },
            // `resume` could not get at the folder; it calls it off when it can.
            Some((_, FileState::Staged)) => return Ok(Ok(())),
            Some((_, FileState::Left | FileState::Taken)) => return Ok(Ok(())),
            Some((file, FileState::Visible)) => match self.shop.epos.withdraw(&file.names) {
                Ok(Withdrawal::Withdrawn) => self.shop.ledger.file_withdrawn(file, now)?,
                // The till may have it: the evidence decides.
                Ok(Withdrawal::Gone) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            },
        }
        figures.withdrawn += 1;
        Ok(Ok(()))
    }

    pub(super) fn publish(&self, figures: &mut Figures) -> Attempt {
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
        let sequence = self.shop.ledger.file_sequence(Purpose::Order, &order.order.id, copy)?;
        let file = match self.shop.epos.render(Purpose::Order, &[ToWrite { order: &order.order, copy }], sequence) {
            Ok(file) => file,
            Err(error) => return Ok(Err(error)),
        };
        for warning in &file.warnings {
            tracing::warn!(order.number = order.order.number, "{warning}");
        }
        let marks = match self.shop.epos.marks() {
            Ok(marks) => marks,
            Err(error) => return Ok(Err(error)),
        };
        let plan = Plan { purpose: Purpose::Order, file: &file, orders: &[&order.order], marks: &marks };
        self.shop.ledger.file_planned(&plan, self.shop.clock.now())?;
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
        for old in self
            .shop
            .ledger
            .files_of(&order.order.id)?
            .iter()
            .filter(|old| old.kind == "order" && old.state == "visible")
        {
            match self.shop.epos.withdraw(&old.name.as_str().into()) {
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
    pub(super) fn reveal(&self, file: &OpenFile) -> Attempt {
        let before = self.shop.clock.now();
        let since = match self.shop.epos.reveal(&file.names) {
            Ok(Revealed::Now | Revealed::Already) => before,
            // Revealed by an agent that died before it could say so: the till may have had it since then.
            Ok(Revealed::Before) => file.planned_at,
            Err(error) => return Ok(Err(error)),
        };
        self.shop.ledger.file_visible(file, since, self.shop.clock.now())?;
        Ok(Ok(()))
    }
}
