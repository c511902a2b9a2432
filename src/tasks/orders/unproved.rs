//! What of orders a person should judge, because neither the till's folders nor its words prove it.
//!
//! Promises: as `report`: worked out anew each time, so that each condition ends when its cause does.

use std::collections::HashMap;

use jiff::SignedDuration;

use super::Orders;
use super::observe::LOOKED_FOR;
use super::report::remark_of;
use crate::domain::evidence::{CAME_BACK, is_in_part};
use crate::domain::stock::in_words;
use crate::ledger::Result;
use crate::ledger::conditions::{Severity, Trouble};
use crate::ledger::declarations::{Declaration, Word};
use crate::ledger::watched::{CameBackOrder, UnprovedOrder};

/// Condition: an order whose file has gone, without proof that the till booked it.
pub const ORDER_TAKEN_UNPROVED: &str = "order_taken_unproved";
/// Condition: an order of which the till says that it booked a part.
pub const ORDER_PARTLY_BOOKED: &str = "order_partly_booked";
/// Condition: an order file that lay in the import folder again after it had gone.
pub const ORDER_CAME_BACK: &str = "order_file_came_back";
/// Condition: what a person said of an order cannot be.
pub const DECLARATION_REFUSED: &str = "declaration_refused";
/// For how long a file that came back is shown.
const CAME_BACK_SHOWN: SignedDuration = SignedDuration::from_hours(7 * 24);

impl Orders {
    /// Orders that nothing proves: at once where a part was booked, else when that lasts.
    pub(super) fn unproved(&self, remarks: &HashMap<String, String>) -> Result<Vec<Trouble>> {
        let now = self.shop.clock.now();
        let settings = &self.shop.settings;
        let mut troubles = Vec::new();
        for order in self.shop.ledger.unproved_orders()? {
            if is_in_part(&order.evidence) {
                troubles.push(partly_trouble(&order));
                continue;
            }
            let waited = now.duration_since(order.left_at.unwrap_or(order.published_at));
            if waited >= settings.warn_untaken_after.signed() {
                let is_alarm = waited >= settings.alarm_untaken_after.signed();
                troubles.push(unproved_trouble(&order, &remark_of(remarks, &order.file), is_alarm));
            }
        }
        Ok(troubles)
    }

    /// Files that came back.
    pub(super) fn came_back(&self) -> Result<Vec<Trouble>> {
        let since = self.shop.clock.now() - CAME_BACK_SHOWN;
        // What came back within that time had ended no longer before that than it is looked for.
        let mut orders = self.shop.ledger.came_back_orders(CAME_BACK, since, since - LOOKED_FOR)?;
        orders.dedup_by(|later, one| later.number == one.number);
        Ok(orders.iter().map(came_back_trouble).collect())
    }

    /// What persons said of orders and cannot be.
    pub(super) fn refused_declarations(&self) -> Result<Vec<Trouble>> {
        Ok(self.shop.ledger.declarations()?.iter().filter_map(declaration_trouble).collect())
    }
}

fn partly_trouble(order: &UnprovedOrder) -> Trouble {
    let number = &order.number;
    Trouble {
        code: ORDER_PARTLY_BOOKED,
        subject: number.clone(),
        severity: Severity::Error,
        text: format!("the till booked only a part of order {number}: {}", order.evidence),
        remedy: format!(
            "See in the till what is missing and book it by hand; then: tillbridge orders declare {number} consumed. Until then stock counts as if the till had booked nothing of it."
        ),
    }
}

fn unproved_trouble(order: &UnprovedOrder, remark: &str, is_alarm: bool) -> Trouble {
    let number = &order.number;
    let since = in_words(order.left_at.unwrap_or(order.published_at));
    Trouble {
        code: ORDER_TAKEN_UNPROVED,
        subject: number.clone(),
        severity: if is_alarm { Severity::Error } else { Severity::Warning },
        text: format!(
            "nothing proves that the till booked order {number}, whose file it took at {since}: {}{remark}",
            order.evidence
        ),
        remedy: format!(
            "Look for order {number} in the till. If it is there: tillbridge orders declare {number} consumed. If it is not: tillbridge orders declare {number} lost, and it is written again. Until then stock counts as if the till had not booked it."
        ),
    }
}

fn came_back_trouble(order: &CameBackOrder) -> Trouble {
    let (number, file) = (&order.number, &order.file);
    let remedy = if order.waits {
        format!(
            "If the till has order {number} already: tillbridge orders declare {number} consumed, and the file is taken away. Else leave it: the till will take it. Until then stock counts as if the till had not booked it."
        )
    } else {
        format!("See in the till whether order {number} is there twice. This is shown for 7 days.")
    };
    Trouble {
        code: ORDER_CAME_BACK,
        subject: number.clone(),
        severity: Severity::Warning,
        text: format!("{file}, the file of order {number}, lay in the import folder again: {}", order.evidence),
        remedy,
    }
}

fn declaration_trouble(declared: &Declaration) -> Option<Trouble> {
    let (number, by) = (&declared.number, &declared.by);
    let (why, remedy) = match declared.word {
        Word::Consumed | Word::Lost => return None,
        Word::LostButWaits => (
            "its file still waits in the till's import folder",
            format!(
                "Let the till take it; or, if it must not: tillbridge orders declare {number} consumed. To have it written anew: tillbridge orders export {number} --again."
            ),
        ),
        Word::LostButBooked => (
            "the till itself says that it booked it",
            format!("See in the till. If it really lost the order since: tillbridge orders export {number} --again."),
        ),
    };
    Some(Trouble {
        code: DECLARATION_REFUSED,
        subject: number.clone(),
        severity: Severity::Warning,
        text: format!("{by} declared order {number} lost, but {why}; nothing was done"),
        remedy,
    })
}
