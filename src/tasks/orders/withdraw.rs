//! Out of the till's import folder again, where the store cancelled or changed an order in time.
//!
//! Promises: a file is taken back whole, in one atomic step, and the orders in it that are still wanted are written anew;
//! losing the race for it counts as taken. What the store itself does with an order (payment, shipment) changes nothing.

use std::collections::BTreeSet;

use super::{Attempt, Figures, Orders, go_on};
use crate::domain::OrderState;
use crate::ledger::Result;
use crate::ledger::files::{FileState, OpenFile};
use crate::ledger::orders::JournalledOrder;
use crate::ledger::plans::version_of;
use crate::ports::{Purpose, Withdrawal};

impl Orders {
    /// A staged file of an order that was cancelled or changed: the till is not to see it.
    pub(super) fn call_off(&self, file: &OpenFile, figures: &mut Figures) -> Attempt {
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

    /// Takes back what the store cancelled or changed, unless the till was faster.
    pub(super) fn withdraw(&self, figures: &mut Figures) -> Attempt {
        let cancelled = self.shop.ledger.orders_to_withdraw()?;
        let mut open = self.shop.ledger.open_files()?;
        open.retain(|file| file.purpose == Purpose::Order);
        let mut dealt_with = BTreeSet::new();
        for order in &cancelled {
            let file = open.iter().find(|file| file.orders.iter().any(|one| one.id == order.order.id));
            if file.is_some_and(|file| !dealt_with.insert(&file.names.name)) {
                continue;
            }
            if let Some(Err(error)) = go_on(self.withdraw_one(order, file, figures))? {
                return Ok(Err(error));
            }
        }
        for file in open.iter().filter(|file| (file.state, file.purpose) == (FileState::Visible, Purpose::Order)) {
            if !dealt_with.contains(&file.names.name)
                && self.is_outdated(file)?
                && let Some(Err(error)) = go_on(self.take_back(file, figures))?
            {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    /// Is an order in it cancelled, or another one than when the file was planned?
    pub(super) fn is_outdated(&self, file: &OpenFile) -> Result<bool> {
        for planned in file.orders.iter().filter(|_| file.purpose == Purpose::Order) {
            if planned.void {
                return Ok(true);
            }
            // Files from before versions were noted, and orders that are not waiting for the till, stay as they are.
            let is_waiting = |order: &JournalledOrder| {
                !planned.version.is_empty() && matches!(order.state, OrderState::Published | OrderState::Received)
            };
            let order = self.shop.ledger.order_of_key(&planned.id)?.filter(is_waiting);
            if order.is_some_and(|order| version_of(&order.order) != planned.version) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Has the till begun with it, or does a person say so? Then what is still to be said of its orders is awaited: a till
    /// that reads a file before it takes it away may have booked all of them.
    fn is_the_tills(&self, file: &OpenFile) -> Result<bool> {
        let booked = self.declared_booked()?;
        Ok(file.orders.iter().any(|order| booked.contains(&order.id)) || self.shop.ledger.is_begun(&file.names.name)?)
    }

    fn withdraw_one(&self, order: &JournalledOrder, file: Option<&OpenFile>, figures: &mut Figures) -> Attempt {
        let now = self.shop.clock.now();
        match file.map(|file| (file, file.state)) {
            None => self.shop.ledger.order_withdrawn(&order.order.id, now)?,
            Some((file, FileState::Planned)) if self.rests(&file.names.name) => return Ok(Ok(())),
            // What a crash left of it in staging goes as well; it was never revealed, there or not.
            Some((file, FileState::Planned)) => match self.discarded(file) {
                Ok(Some(())) => self.shop.ledger.file_unstaged(file, now)?,
                Ok(None) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            },
            // `resume` could not get at the folder; it calls it off when it can.
            Some((_, FileState::Staged)) => return Ok(Ok(())),
            Some((_, FileState::Left | FileState::Taken)) => return Ok(Ok(())),
            Some((file, FileState::Visible)) => return self.take_back(file, figures),
        }
        figures.withdrawn += 1;
        Ok(Ok(()))
    }

    /// Takes a visible file back.
    fn take_back(&self, file: &OpenFile, figures: &mut Figures) -> Attempt {
        let name = &file.names.name;
        if self.is_strange(name) || self.rests(name) || self.is_the_tills(file)? {
            return Ok(Ok(()));
        }
        match self.unless_held(name, self.shop.epos.withdraw(&file.names)) {
            Ok(Some(Withdrawal::Withdrawn)) => {
                let noted = self.shop.ledger.file_withdrawn(file, self.shop.clock.now());
                if noted.is_err() {
                    // Whatever the store says next: the agent took it away, not the till.
                    self.compare_again();
                }
                figures.withdrawn += 1;
                noted.map(Ok)
            }
            // The till may have it: the evidence decides.
            Ok(Some(Withdrawal::Gone)) => Ok(Ok(())),
            Ok(None) => {
                self.compare_again();
                Ok(Ok(()))
            }
            Err(error) => {
                self.compare_again();
                Ok(Err(error))
            }
        }
    }
}
