//! From the journal into the till's import folder.
//!
//! Promises: a file is journalled before it is staged and staged before it is revealed; what was revealed is never written
//! again on the agent's own account, and neither is what an earlier life of the agent wrote; an order that cannot be
//! written fails alone; a running number that no till can have seen is used for the next file.

use std::collections::HashSet;

use super::{Attempt, Figures, MOST_PER_ACTIVATION, Orders, go_on, till_codes};
use crate::domain::OrderId;
use crate::domain::retry::FailureClass;
use crate::ledger::files::{FileState, OpenFile};
use crate::ledger::orders::JournalledOrder;
use crate::ledger::plans::Plan;
use crate::ledger::{LedgerError, Result};
use crate::ports::{Earlier, EposError, Marks, OrderFile, Purpose, Revealed, ToWrite, Withdrawal};
use crate::tasks::chain;

impl Orders {
    /// Brings files that a crash left half-way to where they can be seen, or away where their orders changed since.
    pub(super) fn resume(&self, figures: &mut Figures) -> Attempt {
        for file in self.shop.ledger.open_files()?.into_iter().filter(|file| file.purpose == Purpose::Order) {
            match file.state {
                FileState::Staged if self.rests(&file.names.name) => {}
                FileState::Staged => match self.resumed(&file, figures)? {
                    None | Some(Ok(())) => {}
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

    /// `None`: its state does not fit. A file that another program holds waits by itself.
    fn resumed(&self, file: &OpenFile, figures: &mut Figures) -> Result<Option<std::result::Result<(), EposError>>> {
        let done = go_on(self.resume_one(file, figures))?;
        Ok(done.map(|done| self.unless_held(&file.names.name, done).map(|_| ())))
    }

    fn resume_one(&self, file: &OpenFile, figures: &mut Figures) -> Attempt {
        match self.shop.epos.is_spoilt(&file.names.name, &file.sha256) {
            Ok(is_spoilt) if is_spoilt || self.is_outdated(file)? => return self.call_off(file, figures),
            Ok(_) => {}
            Err(error) => return Ok(Err(error)),
        }
        let revealed = self.reveal(file)?;
        if revealed.is_ok() {
            figures.published += file.orders.len() as u64;
        }
        Ok(revealed)
    }

    /// This order cannot be written. Nothing of it is visible; a person has to look.
    pub(super) fn give_up(&self, order: &OrderId, error: &EposError, figures: &mut Figures) -> Result<()> {
        self.shop.ledger.order_unwritable(order, &chain(error), self.shop.clock.now())?;
        figures.failed += 1;
        Ok(())
    }

    /// Writes what waits, in files of as many orders as the till takes in one.
    pub(super) fn publish(&self, figures: &mut Figures) -> Attempt {
        let waiting = self.shop.ledger.orders_to_publish(MOST_PER_ACTIVATION)?;
        if waiting.is_empty() {
            return Ok(Ok(()));
        }
        let held = match self.forget_plans()? {
            Ok(held) => held,
            Err(error) => return Ok(Err(error)),
        };
        let most = self.shop.epos.batch_of().max(1);
        let mut batch = Vec::with_capacity(most.min(waiting.len()));
        let mut marks = None;
        for order in waiting.into_iter().filter(|order| !held.contains(&order.order.id)) {
            match self.is_ready(&order, most, figures)? {
                Ok(true) => batch.push(order),
                Ok(false) => {}
                Err(error) => return Ok(Err(error)),
            }
            if batch.len() >= most {
                if let Err(error) = self.publish_batch(&batch, &mut marks, figures)? {
                    return Ok(Err(error));
                }
                batch.clear();
            }
        }
        if batch.is_empty() || !self.has_waited(&batch) {
            Ok(Ok(()))
        } else {
            self.publish_batch(&batch, &mut marks, figures)
        }
    }

    /// Files that a crash or a full disk left planned are planned anew, perhaps with other orders. Orders are told whose
    /// half-written file another program holds: they wait for it.
    fn forget_plans(&self) -> Result<std::result::Result<HashSet<OrderId>, EposError>> {
        let mut held = HashSet::new();
        for file in self.shop.ledger.open_files()? {
            if (file.state, file.purpose) != (FileState::Planned, Purpose::Order) {
                continue;
            }
            let name = &file.names.name;
            let discarded = if self.rests(name) { Ok(None) } else { self.discarded(&file) };
            match discarded {
                Ok(Some(())) => self.shop.ledger.file_unplanned(&file)?,
                Ok(None) => held.extend(file.orders.into_iter().map(|order| order.id)),
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(held))
    }

    pub(super) fn discarded(&self, file: &OpenFile) -> std::result::Result<Option<()>, EposError> {
        // What could be discarded could perhaps not be written: that shows at the next try.
        self.noted_if_held(&file.names.name, self.shop.epos.discard(&file.names))
    }

    /// Have the orders waited for others as long as they are to?
    fn has_waited(&self, batch: &[JournalledOrder]) -> bool {
        let (now, wait) = (self.shop.clock.now(), self.shop.epos.batch_wait());
        let oldest = batch.iter().map(|order| order.received_at).min();
        // By a clock that was set back nobody waits.
        oldest.is_none_or(|since| since > now || now.duration_since(since).unsigned_abs() >= wait)
    }

    /// May the order go into a file? One that cannot be written by itself fails alone.
    fn is_ready(
        &self,
        order: &JournalledOrder,
        most: usize,
        figures: &mut Figures,
    ) -> Result<std::result::Result<bool, EposError>> {
        match go_on(self.take_back_older(order))? {
            Some(Ok(true)) => {}
            Some(Ok(false)) | None => return Ok(Ok(false)),
            Some(Err(error)) => return Ok(Err(error)),
        }
        if most == 1 {
            return Ok(Ok(true));
        }
        let (ledger, epos) = (&self.shop.ledger, &*self.shop.epos);
        match till_codes::render(ledger, epos, Purpose::Order, &[to_write(order)], 1)? {
            Ok(_) => Ok(Ok(true)),
            Err(error) if error.class == FailureClass::Permanent => {
                go_on(self.give_up(&order.order.id, &error, figures))?;
                Ok(Ok(false))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    fn publish_batch(&self, batch: &[JournalledOrder], marks: &mut Option<Marks>, figures: &mut Figures) -> Attempt {
        match go_on(self.publish_file(batch, marks))? {
            None => Ok(Ok(())),
            Some(Ok(is_written)) => {
                figures.published += if is_written { batch.len() as u64 } else { 0 };
                Ok(Ok(()))
            }
            Some(Err(error)) if error.class == FailureClass::Permanent => {
                for order in batch {
                    go_on(self.give_up(&order.order.id, &error, figures))?;
                }
                Ok(Ok(()))
            }
            Some(Err(error)) => Ok(Err(error)),
        }
    }

    /// False: a person has just given an item another code, or another program holds the file.
    fn publish_file(
        &self,
        batch: &[JournalledOrder],
        marks: &mut Option<Marks>,
    ) -> Result<std::result::Result<bool, EposError>> {
        let Some(first) = batch.first() else { return Ok(Ok(false)) };
        let sequence = self.shop.ledger.file_sequence(Purpose::Order, &first.order.id, first.copies + 1)?;
        let to_write: Vec<ToWrite<'_>> = batch.iter().map(to_write).collect();
        let (ledger, epos) = (&self.shop.ledger, &*self.shop.epos);
        let (file, codes) = match till_codes::render(ledger, epos, Purpose::Order, &to_write, sequence)? {
            Ok(coded) => coded,
            Err(error) => return Ok(Err(error)),
        };
        if self.rests(&file.name) {
            return Ok(Ok(false));
        }
        for warning in &file.warnings {
            tracing::warn!(order.number = first.order.number, file = file.name, "{warning}");
        }
        let marks = match self.marks_for(batch, marks) {
            Ok(marks) => marks,
            Err(error) => return Ok(Err(error)),
        };
        let orders: Vec<_> = batch.iter().map(|order| &order.order).collect();
        let plan = Plan { purpose: Purpose::Order, file: &file, orders: &orders, marks, codes: &codes };
        let written = self.compare_and_write(&plan)?;
        Ok(self.unless_held(&file.name, written).map(|is_written| is_written.unwrap_or(false)))
    }

    /// How far the till's reports are: asked once in an activation, because nothing in them is about orders that were
    /// never written. What they said of an older file up to now is not about the next one of that order.
    fn marks_for<'m>(
        &self,
        batch: &[JournalledOrder],
        marks: &'m mut Option<Marks>,
    ) -> std::result::Result<&'m Marks, EposError> {
        let known = marks.take().filter(|_| batch.iter().all(|order| order.copies == 0));
        let known = match known {
            Some(known) => known,
            None => self.shop.epos.marks()?,
        };
        Ok(marks.insert(known))
    }

    fn compare_and_write(&self, plan: &Plan<'_>) -> Result<std::result::Result<bool, EposError>> {
        match self.shop.epos.compare(plan.file) {
            Ok(Earlier::Nothing) => self.write(plan),
            Ok(Earlier::Same) => self.shop.ledger.file_found(plan, self.shop.clock.now()).map(Ok),
            Err(error) => {
                if error.class == FailureClass::Permanent {
                    self.shop.ledger.number_spent(plan.file)?;
                }
                Ok(Err(error))
            }
        }
    }

    /// Journalled, staged, revealed: each step is noted before the next.
    fn write(&self, plan: &Plan<'_>) -> Result<std::result::Result<bool, EposError>> {
        let file: &OrderFile = plan.file;
        if !self.shop.ledger.file_planned(plan, self.shop.clock.now())? {
            // The next activation writes the other code.
            return Ok(Ok(false));
        }
        if let Err(error) = self.shop.epos.stage(file) {
            return Ok(Err(error));
        }
        self.shop.ledger.file_staged(&file.name)?;
        let Some(staged) = self.shop.ledger.staged_file(&file.name)? else {
            let why = format!("the order file {} was journalled and is not there", file.name);
            return Err(LedgerError::NotPossible(why));
        };
        Ok(self.reveal(&staged)?.map(|()| true))
    }

    /// Before an order is written again on a person's word, its older files must not be there any more: no till is to
    /// read both. `false`: the till took one or lost it meanwhile, so that nothing may be written and the evidence
    /// decides; or another program holds one.
    fn take_back_older(&self, order: &JournalledOrder) -> Result<std::result::Result<bool, EposError>> {
        let (id, now) = (&order.order.id, self.shop.clock.now());
        for old in self.shop.ledger.older_files_of(id)? {
            let name = &old.names.name;
            if self.is_strange(name) || self.rests(name) {
                return Ok(Ok(false));
            }
            match self.unless_held(name, self.shop.epos.withdraw(&old.names)) {
                Ok(Some(Withdrawal::Withdrawn)) => {
                    let noted = self.shop.ledger.file_superseded(name, id, now);
                    if noted.is_err() {
                        self.compare_again();
                    }
                    noted?;
                }
                Ok(Some(Withdrawal::Gone)) if old.waits => {
                    self.shop.ledger.order_may_be_taken(id, name, now)?;
                    return Ok(Ok(false));
                }
                // What the till said of the order stands; the file is out of its sight.
                Ok(Some(Withdrawal::Gone)) => self.shop.ledger.file_left(name, now)?,
                Ok(None) => {
                    self.compare_again();
                    return Ok(Ok(false));
                }
                Err(error) => {
                    self.compare_again();
                    return Ok(Err(error));
                }
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

fn to_write(order: &JournalledOrder) -> ToWrite<'_> {
    ToWrite { order: &order.order, copy: order.copies + 1 }
}
