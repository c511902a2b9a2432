//! What of orders a person should know: the health conditions that the reconciler of orders raises.
//!
//! Promises: each condition is worked out anew from the ledger, so that it ends by itself when its cause does.

use std::collections::HashMap;

use jiff::Timestamp;

use super::Orders;
use super::changes::{ORDER_CANCELLED_AFTER_TAKEN, ORDER_CHANGED_AFTER_TAKEN, ORDER_REFUNDED};
use super::unproved::{DECLARATION_REFUSED, ORDER_CAME_BACK, ORDER_PARTLY_BOOKED, ORDER_TAKEN_UNPROVED};
use crate::domain::OrderState;
use crate::domain::stock::in_words;
use crate::ledger::Result;
use crate::ledger::conditions::{Severity, Trouble};
use crate::ledger::explain::UnknownToTill;
use crate::ledger::orders::{JournalledOrder, OrderFilter};
use crate::ports::EposError;
use crate::tasks::chain;

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
/// Condition: open orders from before the agent's time, which are not written for the till on their own.
pub const ORDERS_BEFORE_START: &str = "orders_before_start";
/// Conditions of one kind at most.
pub(super) const MOST_SHOWN: u32 = 50;
/// Numbers of orders in one text.
const NUMBERS_SHOWN: u32 = 5;

/// What `report` works out anew each time, the folder apart.
const CODES: [&str; 12] = [
    ORDER_NOT_TAKEN,
    ORDER_TAKEN_UNPROVED,
    ORDER_PARTLY_BOOKED,
    ORDER_CAME_BACK,
    DECLARATION_REFUSED,
    ORDER_FAILED,
    ORDER_REJECTED,
    ITEM_UNKNOWN_TO_TILL,
    ORDER_CANCELLED_AFTER_TAKEN,
    ORDER_CHANGED_AFTER_TAKEN,
    ORDER_REFUNDED,
    ORDERS_BEFORE_START,
];

impl Orders {
    pub(super) fn report(&self, trouble: Option<EposError>, remarks: &HashMap<String, String>) -> Result<()> {
        let folder: Vec<Trouble> = trouble.iter().map(folder_trouble).collect();
        if let Some(error) = &trouble {
            tracing::warn!(error = chain(error), "the till's order folders cannot be used");
        }
        self.shop.conditions(&[IMPORT_FOLDER], &folder);
        let mut troubles = self.overdue(remarks)?;
        troubles.extend(self.unproved(remarks)?);
        troubles.extend(self.came_back()?);
        troubles.extend(self.refused_declarations()?);
        for (state, code) in [(OrderState::Failed, ORDER_FAILED), (OrderState::Rejected, ORDER_REJECTED)] {
            let filter = OrderFilter { states: vec![state], since: None, limit: MOST_SHOWN };
            troubles.extend(self.shop.ledger.orders(&filter)?.iter().map(|order| stuck_trouble(order, code)));
        }
        troubles.extend(self.shop.ledger.items_unknown_to_till(20)?.iter().map(unknown_trouble));
        troubles.extend(self.changes_troubles()?);
        troubles.extend(self.before_start()?);
        self.shop.conditions(&CODES, &troubles);
        Ok(())
    }

    fn before_start(&self) -> Result<Option<Trouble>> {
        let (count, numbers) = self.shop.ledger.orders_before_start(NUMBERS_SHOWN)?;
        let more = if count > u64::from(NUMBERS_SHOWN) { " …" } else { "" };
        Ok(numbers.first().map(|first| Trouble {
            code: ORDERS_BEFORE_START,
            subject: String::new(),
            severity: Severity::Notice,
            text: format!(
                "open orders from before the agent's time, which it does not write for the till on its own: {count} ({}{more})",
                numbers.join(", ")
            ),
            remedy: format!(
                "Book them in the till by hand, as before; or have the agent write one: tillbridge orders export {first}. The notice ends when they are shipped, cancelled or written."
            ),
        }))
    }

    fn overdue(&self, remarks: &HashMap<String, String>) -> Result<Vec<Trouble>> {
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
                text: format!(
                    "the till has not taken order {} since {}{}",
                    order.number,
                    in_words(order.published_at),
                    remark_of(remarks, &order.file)
                ),
                remedy: "Start the web-order import in the till, or see why it does not run. Until then stock counts as if the till had not booked the order.".into(),
            });
        }
        Ok(troubles)
    }
}

fn unknown_trouble(item: &UnknownToTill) -> Trouble {
    let UnknownToTill { sku, till_code, number } = item;
    let named = till_code.as_ref().filter(|code| *code != sku);
    let named = named.map_or_else(String::new, |code| format!(" (the till's {code})"));
    let (text, remedy) = match till_code {
        Some(code) => (
            format!("order {number} has the item {sku}{named}, which the till's last export does not mention"),
            format!(
                "See whether the till knows {code}; if it does not, the till may refuse the order or book it without that item. If the till calls it otherwise: tillbridge items add {sku} TILL_CODE."
            ),
        ),
        None => (
            format!("order {number} has the item {sku}, and the till means another item by that name"),
            format!(
                "Say what the till calls it: tillbridge items add {sku} TILL_CODE. Until then the order cannot be written."
            ),
        ),
    };
    Trouble {
        code: ITEM_UNKNOWN_TO_TILL,
        subject: format!("{number} {sku}"),
        severity: Severity::Warning,
        text,
        remedy,
    }
}

/// What is known of an order's file besides, to stand behind a sentence.
pub(super) fn remark_of(remarks: &HashMap<String, String>, file: &str) -> String {
    remarks.get(file).map_or_else(String::new, |remark| format!("; {remark}"))
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
