//! Orders that changed after the till took them: cancellation files where the till reads them, tasks for staff where not.
//!
//! Promises: a cancellation file goes the way of every order file (journalled, staged, revealed, proved), for the very
//! difference that is there when it is journalled; one that is no longer right is taken away again, if the till was not
//! faster. What no file can do, staff are asked to do, until somebody says that it is done.

use super::report::MOST_SHOWN;
use super::{Attempt, Figures, MOST_PER_ACTIVATION, ORDER_NOT_TAKEN, Orders, go_on};
use super::{task_words, till_codes};
use crate::domain::OrderId;
use crate::domain::retry::FailureClass;
use crate::domain::stock::in_words;
use crate::ledger::compare::{By, Step, ToTakeBack};
use crate::ledger::conditions::{Severity, Trouble};
use crate::ledger::files::{FileState, OpenFile};
use crate::ledger::order_tasks::OrderTask;
use crate::ledger::plans::Plan;
use crate::ledger::{LedgerError, Result};
use crate::ports::{Earlier, EposError, Purpose, Withdrawal};
use crate::tasks::chain;

/// Condition: an order was cancelled in the web store after the till had taken it.
pub const ORDER_CANCELLED_AFTER_TAKEN: &str = "order_cancelled_after_taken";
/// Condition: an order was changed in the web store after the till had taken it.
pub const ORDER_CHANGED_AFTER_TAKEN: &str = "order_changed_after_taken";
/// Condition: units of an order were refunded and are not known to be back on the shelf.
pub const ORDER_REFUNDED: &str = "order_refunded";

/// Steps with one order in one sweep: one taken away, one written, staff asked; then it can wait for the next.
const MOST_STEPS: u32 = 4;

impl Orders {
    /// Compares orders that changed with what the till has of them, and does what follows.
    pub(super) fn correct(&self, figures: &mut Figures) -> Attempt {
        let by = if self.shop.epos.takes_cancellations() { By::File } else { By::Staff };
        for id in self.shop.ledger.orders_to_compare(MOST_PER_ACTIVATION)? {
            if let Some(Err(error)) = go_on(self.correct_one(&id, &by, figures))? {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    fn correct_one(&self, id: &OrderId, by: &By, figures: &mut Figures) -> Attempt {
        let mut by = by.clone();
        // A file that was taken away or written may leave more to do.
        for _ in 0..MOST_STEPS {
            let done = match self.shop.ledger.compare_order(id, &by, self.shop.clock.now())? {
                Step::Nothing => return Ok(Ok(())),
                Step::Reveal(file) | Step::TakeAway(file) if self.rests(&file.names.name) => return Ok(Ok(())),
                Step::Write(wanted) => self.write_cancellation(&wanted, figures)?,
                Step::Reveal(file) => {
                    let done = self.reveal_unspoilt(&file, figures)?;
                    self.unless_held(&file.names.name, done).map(|_| ())
                }
                Step::TakeAway(file) => {
                    let done = self.take_away(&file)?;
                    match self.unless_held(&file.names.name, done) {
                        // The till was faster, and what it did with it shows later; or the file is held.
                        Ok(Some(false) | None) => return Ok(Ok(())),
                        other => other.map(|_| ()),
                    }
                }
            };
            match done {
                Ok(()) => {}
                Err(error) if error.class == FailureClass::Permanent => {
                    by = By::StaffBecause(format!("no cancellation file can be written: {}", chain(&error)));
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(()))
    }

    fn write_cancellation(&self, wanted: &ToTakeBack, figures: &mut Figures) -> Attempt {
        let ledger = &self.shop.ledger;
        let rendered = till_codes::render_cancellation(ledger, &*self.shop.epos, wanted)?;
        let (file, codes, marks) = match rendered.and_then(|(file, codes)| Ok((file, codes, self.shop.epos.marks()?))) {
            Ok(all) => all,
            Err(error) => return Ok(Err(error)),
        };
        for warning in &file.warnings {
            tracing::warn!(order.number = wanted.order.number, "cancellation: {warning}");
        }
        if self.rests(&file.name) {
            return Ok(Ok(()));
        }
        let orders = &[&wanted.order];
        let plan = Plan { purpose: Purpose::Cancellation, file: &file, orders, marks: &marks, codes: &codes };
        let written = self.compare_and_write_cancellation(&plan, wanted, figures)?;
        Ok(self.unless_held(&file.name, written).map(|_| ()))
    }

    fn compare_and_write_cancellation(&self, plan: &Plan<'_>, wanted: &ToTakeBack, figures: &mut Figures) -> Attempt {
        let (ledger, file) = (&self.shop.ledger, plan.file);
        let earlier = match self.shop.epos.compare(file) {
            Ok(earlier) => earlier,
            Err(error) => {
                if error.class == FailureClass::Permanent {
                    ledger.number_spent(file)?;
                }
                return Ok(Err(error));
            }
        };
        if !ledger.cancellation_planned(plan, wanted, self.shop.clock.now())? {
            return Ok(Ok(()));
        }
        match earlier {
            Earlier::Nothing => {
                if let Err(error) = self.shop.epos.stage(file) {
                    return Ok(Err(error));
                }
            }
            // The till has it or had it: it must not be staged, and `reveal` finds it gone from there.
            Earlier::Same => {}
        }
        ledger.file_staged(&file.name)?;
        let Some(staged) = ledger.staged_file(&file.name)? else {
            let why = format!("the cancellation file {} was journalled and is not there", file.name);
            return Err(LedgerError::NotPossible(why));
        };
        self.reveal_cancellation(&staged, figures)
    }

    fn reveal_unspoilt(&self, file: &OpenFile, figures: &mut Figures) -> Attempt {
        match self.shop.epos.is_spoilt(&file.names.name, &file.sha256) {
            Ok(false) => self.reveal_cancellation(file, figures),
            Ok(true) => Ok(self.take_away(file)?.map(|_| ())),
            Err(error) => Ok(Err(error)),
        }
    }

    fn reveal_cancellation(&self, file: &OpenFile, figures: &mut Figures) -> Attempt {
        let revealed = self.reveal(file)?;
        figures.cancellations += u64::from(revealed.is_ok());
        Ok(revealed)
    }

    /// `false`: the till may have it.
    fn take_away(&self, file: &OpenFile) -> Result<std::result::Result<bool, EposError>> {
        let now = self.shop.clock.now();
        match file.state {
            // It was never revealed, whether it lies in staging or not.
            FileState::Planned => match self.shop.epos.discard(&file.names) {
                Ok(()) => self.shop.ledger.file_unstaged(file, now)?,
                Err(error) => return Ok(Err(error)),
            },
            FileState::Staged => match self.shop.epos.unstage(&file.names) {
                Ok(true) => self.shop.ledger.file_unstaged(file, now)?,
                // Revealed by an agent that died before it could say so: it is taken back, or the evidence decides.
                Ok(false) => self.shop.ledger.file_visible(file, file.planned_at, now)?,
                Err(error) => return Ok(Err(error)),
            },
            FileState::Visible if self.is_strange(&file.names.name) => return Ok(Ok(false)),
            FileState::Visible => match self.shop.epos.withdraw(&file.names) {
                Ok(Withdrawal::Withdrawn) => {
                    let noted = self.shop.ledger.file_withdrawn(file, now);
                    if noted.is_err() {
                        // Whatever the store says next: the agent took it away, not the till.
                        self.compare_again();
                    }
                    noted?;
                }
                Ok(Withdrawal::Gone) => return Ok(Ok(false)),
                Err(error) => {
                    self.compare_again();
                    return Ok(Err(error));
                }
            },
            FileState::Left | FileState::Taken => return Ok(Ok(false)),
        }
        Ok(Ok(true))
    }

    /// What a person should know of changed orders.
    pub(super) fn changes_troubles(&self) -> Result<Vec<Trouble>> {
        let mut troubles: Vec<Trouble> = self.shop.ledger.order_tasks(MOST_SHOWN)?.iter().map(task_trouble).collect();
        let (now, settings) = (self.shop.clock.now(), &self.shop.settings);
        for file in self.shop.ledger.open_files()? {
            let Some(since) = file.visible_at.filter(|_| file.state == FileState::Visible) else { continue };
            let waited = now.duration_since(since);
            if file.purpose != Purpose::Cancellation || waited < settings.warn_untaken_after.signed() {
                continue;
            }
            let alarm = waited >= settings.alarm_untaken_after.signed();
            let number = file.orders.first().map(|order| order.number.as_str()).unwrap_or_default();
            troubles.push(Trouble {
                code: ORDER_NOT_TAKEN,
                subject: file.names.name.clone(),
                severity: if alarm { Severity::Error } else { Severity::Warning },
                text: format!(
                    "the till has not taken the cancellation file {} of order {number} since {}",
                    file.names.name,
                    in_words(since)
                ),
                remedy: "Start the web-order import in the till, or see why it does not run.".into(),
            });
        }
        Ok(troubles)
    }
}

fn task_trouble(found: &OrderTask) -> Trouble {
    let task = &found.task;
    let (code, severity) = match (task.is_of_units(), task.is_void, task.particulars.is_empty()) {
        (true, true, _) => (ORDER_CANCELLED_AFTER_TAKEN, Severity::Warning),
        (true, false, _) => (ORDER_CHANGED_AFTER_TAKEN, Severity::Warning),
        (false, _, false) => (ORDER_CHANGED_AFTER_TAKEN, Severity::Notice),
        (false, _, true) => (ORDER_REFUNDED, Severity::Notice),
    };
    let (text, remedy) = (task_words::what(found), task_words::remedy(found));
    Trouble { code, subject: found.number.clone(), severity, text, remedy }
}
