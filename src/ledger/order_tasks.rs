//! What staff are to do in the till about orders that changed after it took them.
//!
//! Promises: a task stays until somebody says that it is done, for it may have been done the moment it was shown; then
//! it is known that the till has booked what the store wants, and who said so.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::compare::{By, Step, compare_in, is_to_compare};
use super::corrections::{Booking, book_by_hand, booking_in, from_json, keep_compared, particulars_of};
use super::items::sku_column;
use super::orders::{json, note};
use super::{Doing, Ledger, LedgerError, Result, at_column, item_map, micros, outbox};
use crate::domain::corrections::{Asked, Difference, Units, add, of, refunded};
use crate::domain::{OrderId, Sku};

/// What is wrong about one order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Task {
    /// Units that the till is believed to have booked; below zero where it took back what it does not have.
    pub booked: Units,
    /// Units that it should have booked.
    pub wanted: Units,
    /// From the one to the other.
    pub difference: Difference,
    /// The most units whose return was asked for since somebody last said that all is done.
    pub asked_back: Units,
    /// The most units that were to be booked on top.
    pub asked_more: Units,
    /// What else changed, in words.
    pub particulars: Vec<String>,
    /// Units refunded that are not known to be back on the shelf.
    pub refunded: Units,
    /// Is it unproved that the till booked the order at all?
    pub is_unproved: bool,
    /// Is nothing left of the order?
    pub is_void: bool,
    /// Does another shop fulfil it now?
    pub is_elsewhere: bool,
    /// Cancellation files that have gone without proof that the till booked them.
    pub left: Vec<String>,
    /// Why no cancellation file is written, where the till reads them.
    pub why: Option<String>,
}

impl Task {
    /// The items that it is about.
    pub fn skus(&self) -> BTreeSet<&Sku> {
        let units = [&self.booked, &self.wanted, &self.difference.back, &self.difference.more, &self.asked_back];
        units.into_iter().chain([&self.asked_more, &self.refunded]).flat_map(BTreeMap::keys).collect()
    }

    /// Does it concern units?
    pub fn is_of_units(&self) -> bool {
        !(self.difference.is_empty() && self.asked_back.is_empty() && self.asked_more.is_empty())
    }
}

/// An order with something to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderTask {
    /// The order's key.
    pub order: OrderId,
    /// Its number.
    pub number: String,
    /// Since when.
    pub since: Timestamp,
    /// What is wrong.
    pub task: Task,
    /// What the till calls its items, where it does not call them as the web store does.
    pub codes: BTreeMap<Sku, TillCodes>,
}

/// What the till calls an item of an order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TillCodes {
    /// On this order, where it booked it.
    pub booked_as: Option<Sku>,
    /// Today; none: it means another item by the web SKU.
    pub now: Option<Sku>,
}

/// The tables stand in this order (CROSS JOIN): SQLite, knowing no numbers of rows, would read all orders.
pub(super) const TASKS: &str = "SELECT t.order_id, o.number, t.since, t.task FROM order_task t
     CROSS JOIN web_order o ON o.id = t.order_id ORDER BY t.since, t.order_id LIMIT ?1";
const NOTE: &str = "note what staff are to do";

impl Ledger {
    /// What staff are to do, oldest first.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn order_tasks(&self, limit: u32) -> Result<Vec<OrderTask>> {
        self.read("list what staff are to do", |tx| {
            let mut found = tx.prepare_cached(TASKS).doing("list what staff are to do")?;
            let tasks = found.query_map([limit], |row| {
                Ok(OrderTask {
                    order: OrderId(row.get(0)?),
                    number: row.get(1)?,
                    since: at_column(row.get(2)?),
                    task: from_json(&row.get::<_, String>(3)?)?,
                    codes: BTreeMap::new(),
                })
            });
            let mut tasks: Vec<OrderTask> = tasks.and_then(Iterator::collect).doing("list what staff are to do")?;
            if item_map::ever_in(tx)? {
                for task in &mut tasks {
                    task.codes = codes_in(tx, &task.order, &task.task)?;
                }
            }
            Ok(tasks)
        })
    }

    /// A person says that the till has booked of this order what the store wants, no more and no less. Returns the
    /// order's number. `by_file`: does the till read cancellation files?
    ///
    /// # Errors
    /// [`LedgerError::NoSuchOrder`]; [`LedgerError::NotPossible`] with the reason, when nothing was asked, when a
    /// cancellation file is under way, or when the store wants something else by now.
    pub fn order_done(&self, id_or_number: &str, by_file: bool, by: &str, now: Timestamp) -> Result<String> {
        let Some(found) = self.order(id_or_number)? else {
            return Err(LedgerError::NoSuchOrder(id_or_number.to_owned()));
        };
        self.transact("note what staff did", |tx| {
            let id = &found.order.id;
            refuse_news(tx, id, &found.order.number, if by_file { By::File } else { By::Staff }, now)?;
            let Some(booking) = booking_in(tx, id)? else {
                return Err(LedgerError::NoSuchOrder(id_or_number.to_owned()));
            };
            let Some(task) = task_in(tx, id)? else {
                let why = format!("there is nothing to do about order {}", found.order.number);
                return Err(LedgerError::NotPossible(why));
            };
            refuse_open_file(&booking)?;
            done_in(tx, &booking, &task, by, now)?;
            Ok(booking.order.order.number.clone())
        })
    }
}

/// The store may have changed the order since the task was shown: what was done is then something else.
fn refuse_news(tx: &Transaction<'_>, id: &OrderId, number: &str, by: By, now: Timestamp) -> Result<()> {
    if !is_to_compare(tx, id)? {
        return Ok(());
    }
    let before = task_in(tx, id)?;
    let step = compare_in(tx, id, &by, now)?;
    match (before, step) {
        (None, Step::Nothing) => Ok(()),
        (Some(before), Step::Nothing) if task_in(tx, id)?.as_ref() == Some(&before) => Ok(()),
        (_, Step::Nothing | Step::Write(_) | Step::Reveal(_) | Step::TakeAway(_)) => {
            Err(LedgerError::NotPossible(format!(
                "the web store changed order {number} just now; see what is to be done as soon as the agent has looked: tillbridge orders tasks"
            )))
        }
    }
}

fn refuse_open_file(booking: &Booking) -> Result<()> {
    let Some(file) = booking.open.first() else { return Ok(()) };
    Err(LedgerError::NotPossible(format!(
        "the till has not taken the cancellation file {} of order {} yet; start its import first",
        file.names.name, booking.order.order.number
    )))
}

fn done_in(tx: &Transaction<'_>, booking: &Booking, task: &Task, by: &str, now: Timestamp) -> Result<()> {
    let (order, id) = (&booking.order.order, &booking.order.order.id);
    let (back, again) = booking.asked.done(&task.difference);
    // What was taken back and booked again leaves one row of each only where both may have happened.
    book_by_hand(tx, booking, "taken back", &back, by, now)?;
    let again: Units = again.into_iter().map(|(sku, units)| (sku, -units)).collect();
    book_by_hand(tx, booking, "booked", &again, by, now)?;
    tx.execute(
        "UPDATE order_file SET state = 'taken', ended_at = ?2, evidence = ?3
         WHERE order_id = ?1 AND kind = 'cancellation' AND state = 'left'",
        params![id.0, micros(now), format!("said by {by}")],
    )
    .doing("note what staff did")?;
    tx.execute("DELETE FROM order_asked WHERE order_id = ?1", [&id.0]).doing("note what staff did")?;
    tx.execute("DELETE FROM order_task WHERE order_id = ?1", [&id.0]).doing("note what staff did")?;
    keep_compared(tx, id, Some(&particulars_of(order)), &refunded(order))?;
    let booked = if task.wanted.is_empty() { "nothing".to_owned() } else { in_words(&task.wanted) };
    let detail = format!("the till has booked {booked} for it now");
    note(tx, id, "dealt with in the till", Some(&detail), by, now)?;
    outbox::mark_order_due(tx, id, now)
}

/// What the till calls the items of this task.
fn codes_in(tx: &Transaction<'_>, order: &OrderId, task: &Task) -> Result<BTreeMap<Sku, TillCodes>> {
    const DOING: &str = "see what the till calls the items of an order";
    let skus: Vec<Sku> = task.skus().into_iter().cloned().collect();
    let map = item_map::map_of(tx, &skus)?;
    let mut codes: BTreeMap<Sku, TillCodes> =
        skus.iter().map(|sku| (sku.clone(), TillCodes { booked_as: None, now: map.till_of(sku).cloned() })).collect();
    let mut found = tx
        .prepare_cached(
            "SELECT u.sku, u.booked_as FROM order_file f
             JOIN order_file_units u ON u.name = f.name AND u.order_id = f.order_id
             WHERE f.order_id = ?1 AND f.kind IN ('order', 'by-hand') AND f.state IN ('left', 'taken')
             ORDER BY f.planned_at, f.copy",
        )
        .doing(DOING)?;
    let booked = found.query_map([&order.0], |row| Ok((sku_column(row.get(0)?)?, sku_column(row.get(1)?)?)));
    for (sku, booked_as) in booked.and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>).doing(DOING)? {
        if let Some(known) = codes.get_mut(&sku) {
            known.booked_as = Some(booked_as);
        }
    }
    codes.retain(|sku, known| {
        known.now.as_ref() != Some(sku) || known.booked_as.as_ref().is_some_and(|code| code != sku)
    });
    Ok(codes)
}

/// `2 × 1001, 1 × 1002`
pub fn in_words(units: &Units) -> String {
    units.iter().map(|(sku, units)| format!("{units} × {sku}")).collect::<Vec<_>>().join(", ")
}

pub(super) fn task_in(tx: &Transaction<'_>, id: &OrderId) -> Result<Option<Task>> {
    tx.prepare_cached("SELECT task FROM order_task WHERE order_id = ?1")
        .and_then(|mut found| found.query_row([&id.0], |row| from_json(&row.get::<_, String>(0)?)).optional())
        .doing("read what staff are to do")
}

pub(super) fn forget(tx: &Transaction<'_>, id: &OrderId) -> Result<()> {
    tx.prepare_cached("DELETE FROM order_task WHERE order_id = ?1")
        .and_then(|mut delete| delete.execute([&id.0]))
        .map(|_| ())
        .doing(NOTE)
}

/// Asks staff; from now on they may have done it.
pub(super) fn ask(tx: &Transaction<'_>, id: &OrderId, task: &Task, asked: &Asked, now: Timestamp) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO order_task (order_id, since, task) VALUES (?1, ?2, ?3)
         ON CONFLICT (order_id) DO UPDATE SET task = excluded.task",
    )
    .and_then(|mut keep| keep.execute(params![id.0, micros(now), json(task)]))
    .doing(NOTE)?;
    let mut all: Units = asked.back.clone();
    asked.more.iter().for_each(|(sku, units)| add(&mut all, sku, *units));
    for sku in all.keys() {
        tx.prepare_cached(
            "INSERT INTO order_asked (sku, order_id, back, more) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (sku, order_id) DO UPDATE SET back = excluded.back, more = excluded.more",
        )
        .and_then(|mut keep| {
            let (back, more) = (of(&asked.back, sku), of(&asked.more, sku));
            keep.execute(params![sku.as_str(), id.0, back.to_string(), more.to_string()])
        })
        .doing(NOTE)?;
    }
    outbox::mark_order_due(tx, id, now)
}
