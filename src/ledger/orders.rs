//! The journal of web orders: what the store said of each, and how far it has come.
//!
//! Promises: an order's state moves only along [`OrderState::after`]; every move is in the history with who and when.
//! How orders get in is in [`super::pages`].

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use super::acknowledgements::News;
use super::{Doing, Ledger, LedgerError, Result, acknowledgements, at_column, declarations, micros, outbox};
use crate::domain::order::OrderEvent;
use crate::domain::{OrderId, OrderState, WebOrder};
use crate::ports::Stage;

/// The name under which the agent itself stands in the history.
pub const AGENT: &str = "agent";

/// An order as the journal has it.
#[derive(Debug, Clone)]
pub struct JournalledOrder {
    /// What the store last said.
    pub order: WebOrder,
    /// How far it has come.
    pub state: OrderState,
    /// Why it is failed, rejected or withdrawn.
    pub reason: Option<String>,
    /// How many order files were written for it.
    pub copies: u32,
    /// Placed before the agent took over; exported only when asked for.
    pub before_our_time: bool,
    /// Another shop fulfils it now; nothing of it is this shop's any more.
    pub elsewhere: bool,
    /// When the agent first heard of it.
    pub received_at: Timestamp,
    /// When the journal's row last changed.
    pub changed_at: Timestamp,
}

/// One entry of an order's history.
#[derive(Debug, Clone, Serialize)]
pub struct HistoryEntry {
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub what: String,
    /// Particulars.
    pub detail: Option<String>,
    /// Who did it: the agent, or a person's name.
    pub by: String,
}

/// What a page of the feed brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Recorded {
    /// Orders never seen before.
    pub new: u64,
    /// Orders that the store describes otherwise than before.
    pub changed: u64,
}

/// Which orders to list.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// Only these states; empty: all.
    pub states: Vec<OrderState>,
    /// Only orders placed since then.
    pub since: Option<Timestamp>,
    /// At most so many, newest first.
    pub limit: u32,
}

impl Ledger {
    /// One order by its store key or its number.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn order(&self, id_or_number: &str) -> Result<Option<JournalledOrder>> {
        self.read("read an order", |tx| {
            let sql = format!("{SELECT} WHERE id = ?1 OR number = ?1 ORDER BY number = ?1 DESC LIMIT 1");
            tx.query_row(&sql, [id_or_number], order_row).optional().doing("read an order")?.transpose()
        })
    }

    /// One order by its store key.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn order_of_key(&self, id: &OrderId) -> Result<Option<JournalledOrder>> {
        self.read("read an order", |tx| {
            let sql = format!("{SELECT} WHERE id = ?1");
            tx.query_row(&sql, [&id.0], order_row).optional().doing("read an order")?.transpose()
        })
    }

    /// An order's history, oldest first.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn order_history(&self, id: &OrderId) -> Result<Vec<HistoryEntry>> {
        self.read("read an order's history", |tx| {
            let mut found = tx
                .prepare_cached("SELECT at, what, detail, by_whom FROM order_history WHERE order_id = ?1 ORDER BY id")
                .doing("read an order's history")?;
            let entries = found.query_map([&id.0], |row| {
                Ok(HistoryEntry { at: at_column(row.get(0)?), what: row.get(1)?, detail: row.get(2)?, by: row.get(3)? })
            });
            entries.and_then(Iterator::collect).doing("read an order's history")
        })
    }

    /// Notes that an order cannot be written, and why. A file of it that was staged was never visible.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in another state.
    pub fn order_unwritable(&self, id: &OrderId, why: &str, now: Timestamp) -> Result<()> {
        self.transact("note an order that cannot be written", |tx| {
            tx.execute(
                "UPDATE order_file SET state = 'planned' WHERE order_id = ?1 AND kind = 'order' AND state = 'staged'",
                [&id.0],
            )
            .doing("note an order that cannot be written")?;
            move_order(tx, id, OrderEvent::Unwritable, Some(why), AGENT, now)?;
            let copies = "SELECT copies FROM web_order WHERE id = ?1";
            let copies: u32 = tx.query_row(copies, [&id.0], |row| row.get(0)).doing("count an order's files")?;
            let news = News { order: id, copy: copies + 1, stage: Stage::Failed, reference: why, at: now };
            acknowledgements::enqueue(tx, &news, now)
        })
    }

    /// Notes that an order was cancelled, or given to another shop, before any file of it was visible.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in another state.
    pub fn order_withdrawn(&self, id: &OrderId, now: Timestamp) -> Result<()> {
        self.transact("note a cancelled order", |tx| {
            let why = withdrawn_because(tx, id)?;
            move_order(tx, id, OrderEvent::Withdrawn, Some(why), AGENT, now)
        })
    }

    /// A person asks for an order to be written for the till, `again` if it has been before.
    ///
    /// # Errors
    /// [`LedgerError::NoSuchOrder`]; [`LedgerError::NotPossible`] with the reason, when it would be doubled without the
    /// person saying so.
    pub fn ask_for_order(&self, id_or_number: &str, again: bool, by: &str, now: Timestamp) -> Result<JournalledOrder> {
        let Some(found) = self.order(id_or_number)? else {
            return Err(LedgerError::NoSuchOrder(id_or_number.to_owned()));
        };
        refuse_doubling(&found, again)?;
        self.transact("note that an order is wanted", |tx| {
            move_order(tx, &found.order.id, OrderEvent::AskedFor, Some("asked for by a person"), by, now)?;
            declarations::forget(tx, &found.order.id)?;
            // From now on it is ours, whenever it was placed: the till is to book it from our file.
            tx.execute("UPDATE web_order SET before_our_time = 0 WHERE id = ?1", [&found.order.id.0])
                .doing("note that an order is wanted")?;
            outbox::mark_order_due(tx, &found.order.id, now)
        })?;
        Ok(found)
    }
}

fn refuse_doubling(found: &JournalledOrder, again: bool) -> Result<()> {
    let number = &found.order.number;
    let not_possible = |why: String| Err(LedgerError::NotPossible(why));
    match found.state {
        OrderState::Published if !again => not_possible(format!(
            "order {number} lies in the till's import folder already; with --again the agent takes that file back first and writes a new one"
        )),
        OrderState::TakenUnproved if !again => not_possible(format!(
            "the file of order {number} has left the till's import folder, so that the till may have booked it; see in the till. If it has not: tillbridge orders declare {number} lost, or --again"
        )),
        OrderState::Consumed | OrderState::Acknowledged if !again => not_possible(format!(
            "order {number} was taken by the till ({}); writing it once more may book it twice. If the till really lost it: --again",
            found.state
        )),
        _ if found.elsewhere => not_possible(format!(
            "order {number} has nothing left to book here: it went to another shop, or was deleted in the web store"
        )),
        _ if found.order.is_void() => {
            not_possible(format!("order {number} has nothing left to book: it was cancelled in the web store"))
        }
        OrderState::Received if !found.before_our_time => {
            not_possible(format!("order {number} is waiting to be written anyway ({})", found.order.store_status))
        }
        _ => Ok(()),
    }
}

pub(super) const SELECT: &str =
    "SELECT id, body, state, reason, copies, before_our_time, elsewhere, received_at, changed_at FROM web_order";

fn order_row(row: &Row<'_>) -> rusqlite::Result<Result<JournalledOrder>> {
    let (id, body, state): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let damaged = |why: String| LedgerError::Damaged { table: "web_order", row: id.clone(), why };
    let order = serde_json::from_str(&body).map_err(|error| damaged(error.to_string()));
    let state = OrderState::from_word(&state).ok_or_else(|| damaged(format!("state {state:?}")));
    let (reason, copies, before_our_time, elsewhere) = (row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?);
    let (received_at, changed_at) = (at_column(row.get(7)?), at_column(row.get(8)?));
    Ok(order.and_then(|order| {
        Ok(JournalledOrder {
            order,
            state: state?,
            reason,
            copies,
            before_our_time,
            elsewhere,
            received_at,
            changed_at,
        })
    }))
}

pub(super) fn rows(tx: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Vec<JournalledOrder>> {
    let mut found = tx.prepare_cached(sql).doing("list orders")?;
    let found: Vec<_> = found.query_map(params, order_row).and_then(Iterator::collect).doing("list orders")?;
    found.into_iter().collect()
}

pub(super) fn json<T: Serialize>(value: &T) -> String {
    // Lists of plain words cannot fail to serialise; an empty list matches nothing, which is the safe reading.
    serde_json::to_string(value).unwrap_or_else(|_| "[]".to_owned())
}

/// Why an order of which nothing is wanted any more was taken back before the till took it.
pub(super) fn withdrawn_because(tx: &Transaction<'_>, id: &OrderId) -> Result<&'static str> {
    let elsewhere = tx
        .prepare_cached("SELECT elsewhere FROM web_order WHERE id = ?1")
        .and_then(|mut found| found.query_row([&id.0], |row| row.get::<_, bool>(0)))
        .doing("read an order")?;
    Ok(if elsewhere {
        "it went to another shop or was deleted, and the till had not taken it"
    } else {
        "cancelled in the web store before the till took it"
    })
}

/// Moves an order along its life cycle, with its history.
pub(crate) fn move_order(
    tx: &Transaction<'_>,
    id: &OrderId,
    event: OrderEvent,
    detail: Option<&str>,
    by: &str,
    now: Timestamp,
) -> Result<()> {
    let word: String = tx
        .query_row("SELECT state FROM web_order WHERE id = ?1", [&id.0], |row| row.get(0))
        .doing("read an order's state")?;
    let damaged = || LedgerError::Damaged { table: "web_order", row: id.0.clone(), why: format!("state {word:?}") };
    let state = OrderState::from_word(&word).ok_or_else(damaged)?;
    let next = state.after(event).map_err(|why| LedgerError::NotPossible(format!("order {id}: {why}")))?;
    if next == state && event == OrderEvent::Changed {
        return Ok(());
    }
    tx.execute(
        "UPDATE web_order SET state = ?2, reason = ?3, changed_at = ?4 WHERE id = ?1",
        params![id.0, next.word(), detail, micros(now)],
    )
    .doing("change an order's state")?;
    note(tx, id, next.word(), detail, by, now)
}

pub(crate) fn note(
    tx: &Transaction<'_>,
    id: &OrderId,
    what: &str,
    detail: Option<&str>,
    by: &str,
    now: Timestamp,
) -> Result<()> {
    tx.prepare_cached("INSERT INTO order_history (order_id, at, what, detail, by_whom) VALUES (?1, ?2, ?3, ?4, ?5)")
        .and_then(|mut insert| insert.execute(params![id.0, micros(now), what, detail, by]))
        .map(|_| ())
        .doing("note an order's history")
}
