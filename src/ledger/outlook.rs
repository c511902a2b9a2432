//! What would become of an order's cancellation now, for a person who asks. Reads only.
//!
//! Promises: it is decided as the agent decides; where no file would be written, the reason is said in one sentence.

use rusqlite::Transaction;

use super::compare::{By, Decided, Step, ToTakeBack, decided};
use super::corrections::{Booking, booking_in};
use super::{Ledger, LedgerError, Result};
use crate::domain::OrderId;
use crate::domain::OrderState;
use crate::domain::corrections::Difference;

impl Ledger {
    /// The cancellation file that would be written of this order now, where the till reads them; else why none would be.
    ///
    /// # Errors
    /// Outside, [`LedgerError::NoSuchOrder`], a failure of SQLite or a damaged row; inside, the reason.
    pub fn would_take_back(&self, id: &OrderId) -> Result<std::result::Result<Box<ToTakeBack>, String>> {
        self.read("see what the till is to take back", |tx| outlook(tx, id))
    }
}

fn outlook(tx: &Transaction<'_>, id: &OrderId) -> Result<std::result::Result<Box<ToTakeBack>, String>> {
    let Some(booking) = booking_in(tx, id)? else { return Err(LedgerError::NoSuchOrder(id.0.clone())) };
    Ok(match decided(tx, &booking, &By::File)? {
        Decided::Step(Step::Write(wanted)) => Ok(wanted),
        Decided::Step(Step::Reveal(file)) => Err(format!(
            "the cancellation file {} is ready, and is given to the till at the next look",
            file.names.name
        )),
        Decided::Step(Step::TakeAway(file)) => Err(format!(
            "the cancellation file {} is no longer right, and is taken away from the till first",
            file.names.name
        )),
        Decided::Step(Step::Nothing) => Err(nothing_more(&booking)),
        Decided::Staff { difference, why } => Err(why_none(&booking, &difference, why)),
    })
}

fn nothing_more(booking: &Booking) -> String {
    format!("the till has booked no more of order {} than the web store wants", booking.order.order.number)
}

fn why_none(booking: &Booking, difference: &Difference, why: Option<String>) -> String {
    let number = &booking.order.order.number;
    let staff = "see what staff are to do: tillbridge orders tasks";
    if !booking.is_taken() {
        return format!("the till has not taken order {number}, so that it has nothing to take back");
    }
    if let Some(file) = booking.open.first() {
        return format!("the till has the cancellation file {} of order {number} already", file.names.name);
    }
    if let Some((name, _)) = booking.left.first() {
        return format!("its cancellation file {name} has gone, and nothing proves that the till booked it; {staff}");
    }
    if difference.back.is_empty() {
        return nothing_more(booking);
    }
    if booking.order.state == OrderState::TakenUnproved {
        return format!("the file of order {number} has gone, and nothing proves that the till booked it; {staff}");
    }
    match why {
        Some(why) => format!("{why}; {staff}"),
        None => format!("staff were asked to correct order {number}, and may have done it; {staff}"),
    }
}
