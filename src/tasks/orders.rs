//! Orders: from the journal into the till's import folder, and the evidence that the till took them.
//!
//! Promises: a file is journalled before it is staged and staged before it is revealed, so that no crash can make the
//! till see an order twice or half; what was revealed is never written again; a look that failed concludes nothing; a file that
//! another program holds keeps no other file waiting.

mod changes;
mod compare;
mod declared;
mod held;
mod observe;
mod publish;
mod report;
mod returned;
pub mod task_words;
pub mod till_codes;
mod unproved;
mod withdraw;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use changes::{ORDER_CANCELLED_AFTER_TAKEN, ORDER_CHANGED_AFTER_TAKEN, ORDER_REFUNDED};
pub use compare::{ORDER_FILE_CHANGED, STAGING_LEFTOVERS};
pub use report::{
    IMPORT_FOLDER, ITEM_UNKNOWN_TO_TILL, ORDER_FAILED, ORDER_NOT_TAKEN, ORDER_REJECTED, ORDERS_BEFORE_START,
};
pub use unproved::{DECLARATION_REFUSED, ORDER_CAME_BACK, ORDER_PARTLY_BOOKED, ORDER_TAKEN_UNPROVED};

use async_trait::async_trait;
use serde::Serialize;

use super::{Next, Reconciler, Shop};
use crate::domain::evidence::EvidenceTracker;
use crate::ledger::{LedgerError, Result};
use crate::ports::EposError;

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
    /// Orders whose files have gone, without proof that the till booked them.
    pub unproved: u64,
    /// Order files that lay in the import folder once more.
    pub came_back: u64,
    /// Orders that a person said to be lost.
    pub lost: u64,
    /// Orders refused by the till.
    pub rejected: u64,
    /// Orders taken back before the till took them.
    pub withdrawn: u64,
    /// Cancellation files made visible to the till.
    pub cancellations: u64,
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

/// What the looks at the till's folders showed so far.
#[derive(Debug, Default)]
struct Looks {
    tracker: EvidenceTracker,
    /// What a person should know of order files, by name.
    remarks: HashMap<String, String>,
}

/// The reconciler.
pub struct Orders {
    shop: Arc<Shop>,
    /// One activation at a time: delivery asks for one as well.
    looks: Mutex<Looks>,
    compared: Mutex<compare::Compared>,
    held: Mutex<held::HeldFiles>,
}

impl Orders {
    /// For this shop.
    pub fn new(shop: Arc<Shop>) -> Arc<Self> {
        Arc::new(Self { shop, looks: Mutex::default(), compared: Mutex::default(), held: Mutex::default() })
    }

    /// One activation. Blocks on the disk.
    ///
    /// # Errors
    /// A failure of the ledger.
    pub fn reconcile(&self) -> Result<Figures> {
        let mut looks: MutexGuard<'_, _> = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let started = self.shop.clock.now();
        let mut figures = Figures::default();
        self.held().begin_activation();
        // While a withdrawal is cut off, nothing is written and nothing concluded.
        let trouble = match self.compare()? {
            Ok(()) => self.act(&mut looks, &mut figures)?.err(),
            Err(error) => Some(error),
        };
        self.report_held(trouble.is_none());
        self.report(trouble, &looks.remarks)?;
        if figures != Figures::default() {
            self.shop.run("orders", started, "done", &figures, Some("orders moved between agent and till"));
            self.shop.wakes.delivery.notify_one();
            self.shop.wakes.stock.notify_one();
        }
        Ok(figures)
    }

    fn act(&self, looks: &mut Looks, figures: &mut Figures) -> Attempt {
        // First of all, so that what a person calls booked is neither taken back nor written anew. A file that cannot be
        // taken away now (the till may be reading it) holds up no other.
        let held = self.carry_out_booked(&self.declarations(self.shop.clock.now())?, figures)?;
        let mut trouble = self.resume(figures)?.err();
        trouble = trouble.or(self.withdraw(figures)?.err());
        // While a staged file waits to be revealed, nothing else is written: the folder cannot be used.
        if trouble.is_none() {
            trouble = self.publish(figures)?.err();
        }
        trouble = trouble.or(self.correct(figures)?.err());
        trouble = trouble.or(self.observe(looks, figures)?.err()).or(held);
        Ok(trouble.map_or(Ok(()), Err))
    }
}

#[async_trait]
impl Reconciler for Orders {
    fn name(&self) -> &'static str {
        "orders"
    }

    async fn activate(&self) -> Next {
        if self.shop.is_paused() {
            return Next(self.shop.epos.pace().sweep_idle);
        }
        let reconciled = tokio::task::block_in_place(|| self.reconcile().and_then(|_| self.shop.ledger.open_files()));
        if reconciled.is_ok() {
            self.shop.ledger_served(WHAT);
        }
        let pace = self.shop.epos.pace();
        match reconciled {
            Ok(open) if open.is_empty() => Next(pace.sweep_idle),
            Ok(_) => Next(pace.sweep_awaiting.min(pace.order_gone_every)),
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
