//! Orders: from the journal into the till's import folder, and the evidence that the till took them.
//!
//! Promises: a file is journalled before it is staged and staged before it is revealed, so that no crash can make the
//! till see an order twice or half; what was revealed is never written again; a look that failed concludes nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;

use super::evidence::{EvidenceTracker, Finding, Outcome};
use super::{Next, Reconciler, Shop, chain};
use crate::domain::retry::FailureClass;
use crate::domain::{OrderId, OrderState};
use crate::ledger::conditions::{Severity, Trouble};
use crate::ledger::files::{FileState, OpenFile};
use crate::ledger::orders::{JournalledOrder, OrderFilter};
use crate::ledger::{LedgerError, Result};
use crate::ports::{EposError, Revealed, Withdrawal};

/// Condition: an order that the till has not taken for long.
pub const ORDER_NOT_TAKEN: &str = "order_not_taken";
/// Condition: an order that the till refused.
pub const ORDER_REJECTED: &str = "order_rejected";
/// Condition: an order that cannot be written.
pub const ORDER_FAILED: &str = "order_failed";
/// Condition: the till's folders cannot be used.
pub const IMPORT_FOLDER: &str = "import_folder";
/// Condition: an order has an item that the till's export does not mention.
pub const ITEM_UNKNOWN_TO_TILL: &str = "item_unknown_to_till";
/// Its name where the ledger fails it.
const WHAT: &str = "writing of orders";
/// Orders written in one activation.
const MOST_PER_ACTIVATION: u32 = 500;

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
        self.report(trouble)?;
        if figures != Figures::default() {
            self.shop.run("orders", started, "done", &figures, Some("orders moved between agent and till"));
            self.shop.wakes.delivery.notify_one();
            self.shop.wakes.stock.notify_one();
        }
        Ok(figures)
    }

    /// Brings files that a crash left half-way to where they can be seen.
    fn resume(&self, figures: &mut Figures) -> Result<std::result::Result<(), EposError>> {
        for file in self.shop.ledger.open_files()? {
            match file.state {
                FileState::Staged => match self.reveal(&file)? {
                    Ok(()) => figures.published += 1,
                    Err(error) if error.class == FailureClass::Permanent => {
                        self.give_up(&file.order, &error, figures)?
                    }
                    Err(error) => return Ok(Err(error)),
                },
                // A planned file is planned anew by `publish`: its order is still received.
                FileState::Planned | FileState::Visible => {}
            }
        }
        Ok(Ok(()))
    }

    /// This order cannot be written. Nothing of it is visible; a person has to look.
    fn give_up(&self, order: &OrderId, error: &EposError, figures: &mut Figures) -> Result<()> {
        self.shop.ledger.order_unwritable(order, &chain(error), self.shop.clock.now())?;
        figures.failed += 1;
        Ok(())
    }

    /// Takes back what the store cancelled, unless the till was faster.
    fn withdraw(&self, figures: &mut Figures) -> Result<std::result::Result<(), EposError>> {
        let cancelled = self.shop.ledger.orders_to_withdraw()?;
        if cancelled.is_empty() {
            return Ok(Ok(()));
        }
        let open = self.shop.ledger.open_files()?;
        for order in cancelled {
            let file = open.iter().find(|file| file.order == order.order.id && file.state == FileState::Visible);
            match file {
                None => self.shop.ledger.order_withdrawn(&order.order.id, self.shop.clock.now())?,
                Some(file) => match self.shop.epos.withdraw(&file.name) {
                    Ok(Withdrawal::Withdrawn) => self.shop.ledger.file_withdrawn(file, self.shop.clock.now())?,
                    // The till may have it: the evidence decides.
                    Ok(Withdrawal::Gone) => continue,
                    Err(error) => return Ok(Err(error)),
                },
            }
            figures.withdrawn += 1;
        }
        Ok(Ok(()))
    }

    fn publish(&self, figures: &mut Figures) -> Result<std::result::Result<(), EposError>> {
        for order in self.shop.ledger.orders_to_publish(MOST_PER_ACTIVATION)? {
            match self.publish_one(&order)? {
                Ok(()) => figures.published += 1,
                Err(error) if error.class == FailureClass::Permanent => {
                    self.give_up(&order.order.id, &error, figures)?
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(()))
    }

    fn publish_one(&self, order: &JournalledOrder) -> Result<std::result::Result<(), EposError>> {
        let copy = order.copies + 1;
        if let Err(error) = self.take_back_older(order)? {
            return Ok(Err(error));
        }
        let file = match self.shop.epos.render(&order.order, copy) {
            Ok(file) => file,
            Err(error) => return Ok(Err(error)),
        };
        for warning in &file.warnings {
            tracing::warn!(order.number = order.order.number, "{warning}");
        }
        self.shop.ledger.file_planned(&order.order.id, copy, &file, self.shop.clock.now())?;
        if let Err(error) = self.shop.epos.stage(&file) {
            return Ok(Err(error));
        }
        self.shop.ledger.file_staged(&file.name)?;
        let open = self.shop.ledger.open_files()?.into_iter().find(|open| open.name == file.name);
        match open {
            Some(open) => self.reveal(&open),
            None => {
                Err(LedgerError::NotPossible(format!("the order file {} was journalled and is not there", file.name)))
            }
        }
    }

    /// Before an order is written again on a person's word, its older file must not be there any more.
    fn take_back_older(&self, order: &JournalledOrder) -> Result<std::result::Result<(), EposError>> {
        for old in self.shop.ledger.files_of(&order.order.id)?.iter().filter(|old| old.state == "visible") {
            let ended = match self.shop.epos.withdraw(&old.name) {
                Ok(Withdrawal::Withdrawn) => "withdrawn",
                Ok(Withdrawal::Gone) => "lost",
                Err(error) => return Ok(Err(error)),
            };
            self.shop.ledger.file_superseded(&old.name, ended, self.shop.clock.now())?;
        }
        Ok(Ok(()))
    }

    /// From staging to where the till looks; the ledger follows.
    fn reveal(&self, file: &OpenFile) -> Result<std::result::Result<(), EposError>> {
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

    fn observe(
        &self,
        tracker: &mut EvidenceTracker,
        figures: &mut Figures,
    ) -> Result<std::result::Result<(), EposError>> {
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
                    self.shop.ledger.file_taken(file, at, evidence, now)?;
                    figures.taken += 1;
                }
                Outcome::Rejected { at } => {
                    self.shop.ledger.file_rejected(file, at, evidence, now)?;
                    figures.rejected += 1;
                }
            }
        }
        Ok(Ok(()))
    }

    fn report(&self, trouble: Option<EposError>) -> Result<()> {
        let folder: Vec<Trouble> = trouble.iter().map(folder_trouble).collect();
        if let Some(error) = &trouble {
            tracing::warn!(error = chain(error), "the till's order folders cannot be used");
        }
        self.shop.conditions(&[IMPORT_FOLDER], &folder);
        let mut troubles = self.overdue()?;
        for (state, code) in [(OrderState::Failed, ORDER_FAILED), (OrderState::Rejected, ORDER_REJECTED)] {
            let filter = OrderFilter { states: vec![state], since: None, limit: 50 };
            troubles.extend(self.shop.ledger.orders(&filter)?.iter().map(|order| stuck_trouble(order, code)));
        }
        for (sku, number) in self.shop.ledger.items_unknown_to_till(20)? {
            troubles.push(Trouble {
                code: ITEM_UNKNOWN_TO_TILL,
                subject: format!("{number} {sku}"),
                severity: Severity::Warning,
                text: format!("order {number} has the item {sku}, which the till's last export does not mention"),
                remedy: format!("See whether the till knows {sku}; if it does not, the till may refuse the order or book it without that item."),
            });
        }
        self.shop.conditions(&[ORDER_NOT_TAKEN, ORDER_FAILED, ORDER_REJECTED, ITEM_UNKNOWN_TO_TILL], &troubles);
        Ok(())
    }

    fn overdue(&self) -> Result<Vec<Trouble>> {
        let now = self.shop.clock.now();
        let settings = &self.shop.settings;
        let waits = |since: Timestamp| now.duration_since(since);
        let mut troubles = Vec::new();
        for order in self.shop.ledger.waiting_for_till()? {
            let waited = waits(order.published_at);
            if waited < settings.warn_untaken_after.signed() {
                continue;
            }
            let alarm = waited >= settings.alarm_untaken_after.signed();
            troubles.push(Trouble {
                code: ORDER_NOT_TAKEN,
                subject: order.number.clone(),
                severity: if alarm { Severity::Error } else { Severity::Warning },
                text: format!("the till has not taken order {} since {}", order.number, order.published_at),
                remedy: "Start the web-order import in the till, or see why it does not run. Until then stock counts as if the till had not booked the order.".into(),
            });
        }
        Ok(troubles)
    }
}

fn folder_trouble(error: &EposError) -> Trouble {
    Trouble {
        code: IMPORT_FOLDER,
        subject: String::new(),
        severity: Severity::Error,
        text: chain(error),
        remedy: "Orders wait in the agent and nothing is lost. Make the folder reachable and writable for the agent's user; tillbridge check shows what is missing.".into(),
    }
}

fn stuck_trouble(order: &JournalledOrder, code: &'static str) -> Trouble {
    let number = &order.order.number;
    let reason = order.reason.clone().unwrap_or_default();
    let (text, remedy) = if code == ORDER_FAILED {
        (
            format!("order {number} cannot be written for the till: {reason}"),
            format!("Mend the cause, then: tillbridge orders export {number}. Or book the order in the till by hand."),
        )
    } else {
        (
            format!("the till refused order {number}: {reason}"),
            format!(
                "See in the till why; then: tillbridge orders export {number} --again. Or book the order in the till by hand."
            ),
        )
    };
    Trouble { code, subject: number.clone(), severity: Severity::Error, text, remedy }
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
