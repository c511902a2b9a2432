//! Taken orders beside what the store wants of them now, and what follows: a cancellation file, a task, or nothing.
//!
//! Promises: one transaction compares, decides and writes the task; a cancellation file is journalled only for the very
//! difference that is still there; while staff are asked about an order, no file is written for it, so that nothing is
//! taken back twice. An order that nobody touches is not looked at.

use jiff::Timestamp;
use rusqlite::Transaction;

use super::corrections::{Booking, booking_in, keep_compared, particulars_of, units_of};
use super::files::{FileState, OpenFile};
use super::order_tasks::{self, Task};
use super::plans::{self, Plan, version_of};
use super::{Doing, Ledger, Result};
use crate::domain::corrections::{
    Difference, NotInOrder, Units, add, as_booked, of, refunded, to_take_back, wanted, wanted_stock,
};
use crate::domain::{OrderId, OrderState, WebOrder};

/// What is to be done about an order that was compared.
#[derive(Debug, Clone)]
pub enum Step {
    /// Nothing, or staff were asked.
    Nothing,
    /// A cancellation file is to be written.
    Write(Box<ToTakeBack>),
    /// A staged cancellation file is still right.
    Reveal(OpenFile),
    /// A cancellation file is no longer right: the till is not to have it.
    TakeAway(OpenFile),
}

/// A cancellation that is to be written.
#[derive(Debug, Clone)]
pub struct ToTakeBack {
    /// The order as the store has it.
    pub order: WebOrder,
    /// The order with only what is to be taken back.
    pub lines: WebOrder,
    /// Its units.
    pub back: Units,
    /// 1 for the order's first cancellation file.
    pub copy: u32,
}

/// May cancellation files be written?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// Yes, the till reads them.
    File,
    /// No, staff book returns themselves.
    Staff,
    /// Not of this order, for this reason.
    StaffBecause(String),
}

const TO_COMPARE: &str = "SELECT order_id FROM order_to_compare ORDER BY order_id LIMIT ?1";

impl Ledger {
    /// Orders that are to be compared.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn orders_to_compare(&self, limit: u32) -> Result<Vec<OrderId>> {
        self.read("list changed orders", |tx| {
            tx.prepare_cached(TO_COMPARE)
                .and_then(|mut found| {
                    found.query_map([limit], |row| row.get(0).map(OrderId)).and_then(Iterator::collect)
                })
                .doing("list changed orders")
        })
    }

    /// Compares an order with what the till has of it, and asks staff where no file can be written.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn compare_order(&self, id: &OrderId, by: &By, now: Timestamp) -> Result<Step> {
        self.transact("compare an order with what the till has", |tx| compare_in(tx, id, by, now))
    }

    /// Journals a cancellation file, if the order still lacks exactly what is in it. `false`: it does not.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn cancellation_planned(&self, plan: &Plan<'_>, wanted: &ToTakeBack, now: Timestamp) -> Result<bool> {
        self.transact("plan a cancellation file", |tx| match compare_in(tx, &wanted.order.id, &By::File, now)? {
            Step::Write(again) if again.back == wanted.back && again.copy == wanted.copy => {
                plans::file_planned_in(tx, plan, now)
            }
            Step::Write(_) | Step::Nothing | Step::Reveal(_) | Step::TakeAway(_) => Ok(false),
        })
    }
}

/// Is there work for the sweep?
pub(super) fn is_to_compare(tx: &Transaction<'_>, id: &OrderId) -> Result<bool> {
    tx.prepare_cached("SELECT 1 FROM order_to_compare WHERE order_id = ?1")
        .and_then(|mut found| found.exists([&id.0]))
        .doing("list changed orders")
}

pub(super) fn compare_in(tx: &Transaction<'_>, id: &OrderId, by: &By, now: Timestamp) -> Result<Step> {
    let Some(booking) = booking_in(tx, id)? else { return compared(tx, id) };
    match decided(tx, &booking, by)? {
        Decided::Step(step) => Ok(step),
        Decided::Staff { difference, why } => {
            ask_staff(tx, &booking, difference, why, now)?;
            compared(tx, id)
        }
    }
}

/// What is to be done, before anything of it is.
pub(super) enum Decided {
    Step(Step),
    /// What is still wrong is for staff; nothing may be.
    Staff {
        difference: Difference,
        why: Option<String>,
    },
}

pub(super) fn decided(tx: &Transaction<'_>, booking: &Booking, by: &By) -> Result<Decided> {
    if let Some(step) = open_file(tx, booking, by)? {
        return Ok(Decided::Step(step));
    }
    let difference = difference(booking);
    let why = match by {
        By::StaffBecause(why) => Some(why.clone()),
        By::File | By::Staff => {
            booking.refused.as_ref().map(|name| format!("the till refused the cancellation file {name}"))
        }
    };
    let is_proved = booking.is_taken() && booking.order.state != OrderState::TakenUnproved;
    let takes_file =
        *by == By::File && is_proved && booking.asked.is_empty() && why.is_none() && booking.left.is_empty();
    if takes_file && !difference.back.is_empty() {
        let order = &booking.order.order;
        return match to_take_back(order, &difference.back) {
            Ok(lines) => Ok(Decided::Step(Step::Write(Box::new(ToTakeBack {
                order: order.clone(),
                lines,
                back: difference.back,
                copy: booking.next_copy,
            })))),
            Err(NotInOrder(_)) => {
                let why = "a cancellation file cannot be written: the web store no longer lists an item of the order";
                decided(tx, booking, &By::StaffBecause(why.to_owned()))
            }
        };
    }
    if let Some(file) = &booking.planned {
        return Ok(Decided::Step(Step::TakeAway(file.clone())));
    }
    Ok(Decided::Staff { difference, why })
}

fn compared(tx: &Transaction<'_>, id: &OrderId) -> Result<Step> {
    tx.prepare_cached("DELETE FROM order_to_compare WHERE order_id = ?1")
        .and_then(|mut delete| delete.execute([&id.0]))
        .doing("note a compared order")?;
    Ok(Step::Nothing)
}

/// What is still wrong, all files counted that the till might see.
fn difference(booking: &Booking) -> Difference {
    let booked = booking.booked();
    let wanted = match &booking.file {
        // Nothing is booked, and nothing should be: the order's next file has all of it.
        None => Units::new(),
        // A file from before tells nothing of what takes no stock.
        Some(file) if file.version.is_empty() => wanted_stock(&booking.order.order),
        Some(_) => wanted(&booking.order.order),
    };
    Difference::between(&booked, &wanted)
}

/// A cancellation file that is staged or visible: it goes on, or it is taken away.
fn open_file(tx: &Transaction<'_>, booking: &Booking, by: &By) -> Result<Option<Step>> {
    let difference = difference(booking);
    let goes_on = *by == By::File && booking.asked.is_empty();
    for file in &booking.open {
        let units = units_of(tx, &file.names.name, &booking.order.order.id)?;
        let too_many = units.keys().any(|sku| of(&difference.more, sku).is_positive());
        let is_wrong = too_many || !booking.is_taken() || (file.state == FileState::Staged && !goes_on);
        match (is_wrong, file.state) {
            (true, _) => return Ok(Some(Step::TakeAway(file.clone()))),
            (false, FileState::Staged) => return Ok(Some(Step::Reveal(file.clone()))),
            (false, FileState::Planned | FileState::Visible | FileState::Left | FileState::Taken) => {}
        }
    }
    Ok(None)
}

fn ask_staff(
    tx: &Transaction<'_>,
    booking: &Booking,
    difference: Difference,
    why: Option<String>,
    now: Timestamp,
) -> Result<()> {
    let order = &booking.order.order;
    let (particulars, refunded) = unsettled(tx, booking)?;
    let mut asked = booking.asked.clone();
    let before = asked.clone();
    let mut may_do = difference.clone();
    // Whether a file that has gone was booked, they are to find out: they may book it themselves.
    for (sku, units) in booking.left.iter().flat_map(|(_, units)| units) {
        add(&mut may_do.back, sku, *units);
    }
    asked.also(&may_do);
    let known = order_tasks::task_in(tx, &order.id)?;
    if difference.is_empty() && asked.is_empty() && particulars.is_empty() && refunded.is_empty() {
        return order_tasks::forget(tx, &order.id);
    }
    let why = why.or_else(|| known.as_ref().and_then(|task| task.why.clone()));
    let task = Task {
        booked: booking.booked(),
        wanted: booking.file.as_ref().map(|_| wanted(order)).unwrap_or_default(),
        difference,
        asked_back: asked.back.clone(),
        asked_more: asked.more.clone(),
        particulars,
        refunded,
        is_unproved: booking.order.state == OrderState::TakenUnproved,
        is_void: booking.file.is_some() && order.is_void(),
        is_elsewhere: booking.order.elsewhere,
        left: booking.left.iter().map(|(name, _)| name.clone()).collect(),
        why,
    };
    if known.as_ref() != Some(&task) || before != asked {
        order_tasks::ask(tx, &order.id, &task, &asked, now)?;
    }
    Ok(())
}

/// Particulars that the till has otherwise, and refunds that staff do not know of. What the order is now counts as known
/// when it is compared for the first time, unless its file was another one.
fn unsettled(tx: &Transaction<'_>, booking: &Booking) -> Result<(Vec<String>, Units)> {
    let order = &booking.order.order;
    let Some(file) = &booking.file else { return Ok((Vec::new(), Units::new())) };
    let now = particulars_of(order);
    let (known, settled) = match &booking.compared {
        Some(known) => known.clone(),
        None => {
            let is_same = file.version.is_empty()
                || version_of(order) == file.version
                || version_of(&as_booked(order, &file.units)) == file.version;
            let known = is_same.then(|| now.clone());
            keep_compared(tx, &order.id, known.as_ref(), &Units::new())?;
            (known, Units::new())
        }
    };
    let changes = match known {
        _ if order.is_void() => Vec::new(),
        Some(known) => known.changes(&now),
        None => {
            vec!["address, names, prices or the way of shipping or payment (while the till took the order)".to_owned()]
        }
    };
    let mut unknown = Units::new();
    for (sku, units) in refunded(order) {
        add(&mut unknown, &sku, (units - of(&settled, &sku)).or_zero());
    }
    Ok((changes, unknown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sweep_reads_orders_that_nobody_touched() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let plan = |sql: &str| {
            let plan = ledger.read("explain", |tx| {
                let mut plan = tx.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).doing("explain")?;
                let lines = plan.query_map([0], |row| row.get::<_, String>(3));
                lines.and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>).doing("explain")
            });
            plan.unwrap()
        };
        assert_eq!(plan(TO_COMPARE), ["SCAN order_to_compare"]);
        let tasks = plan(order_tasks::TASKS);
        assert!(tasks[0] == "SCAN t" && tasks[1].starts_with("SEARCH o"), "{tasks:?}");
    }

    /// They were shown for a week and no longer, by versions before this one.
    #[test]
    fn orders_that_were_cancelled_late_in_the_week_before_the_update_become_tasks() {
        let folder = tempfile::tempdir().unwrap();
        let old = rusqlite::Connection::open(folder.path().join(super::super::FILE_NAME)).unwrap();
        for migration in super::super::schema::MIGRATIONS.iter().take(5) {
            old.execute_batch(migration).unwrap();
        }
        old.pragma_update(None, "user_version", 5).unwrap();
        for (id, days) in [("late", 6), ("long-ago", 8)] {
            old.execute(
                "INSERT INTO web_order (id, number, placed_at, received_at, changed_at, ready, void, store_status, content_hash, body, state)
                 VALUES (?1, ?1, 0, 0, (unixepoch() - ?2 * 86400) * 1000000, 1, 1, '', '', '', 'consumed')",
                rusqlite::params![id, days],
            )
            .unwrap();
        }
        drop(old);
        let ledger = Ledger::open(folder.path()).unwrap();
        assert_eq!(ledger.orders_to_compare(10).unwrap(), [OrderId("late".into())]);
    }
}
