//! The journal of web orders: what the store said of each, and how far it has come.
//!
//! Promises: an order is known by its store key and the hash of its content, so reading it twice changes nothing; its
//! state moves only along [`OrderState::after`]; every move is in the history with who and when.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::acknowledgements::News;
use super::{
    Doing, Ledger, LedgerError, Result, acknowledgements, at_column, declarations, facts, micros, outbox, set_fact_in,
};
use crate::domain::order::{OrderEvent, Standing};
use crate::domain::{OrderId, OrderState, Quantity, WebOrder};
use crate::ports::{FeedCursor, Stage, hex};

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
    /// Notes a page of the order feed, the SKUs that it makes due, and where the feed continues: one transaction.
    ///
    /// `ours_since`: orders placed earlier are not exported on their own.
    ///
    /// # Errors
    /// A failure of SQLite. Nothing of the page is then noted.
    pub fn record_orders(
        &self,
        orders: &[WebOrder],
        next: &FeedCursor,
        ours_since: Timestamp,
        now: Timestamp,
    ) -> Result<Recorded> {
        self.transact("note new orders", |tx| {
            let mut recorded = Recorded::default();
            for order in orders {
                record_one(tx, order, ours_since, now, &mut recorded)?;
            }
            let known = super::fact_in(tx, facts::FEED_CURSOR)?;
            if known.as_deref() != Some(next.0.as_str()) {
                set_fact_in(tx, facts::FEED_CURSOR, Some(&next.0))?;
            }
            Ok(recorded)
        })
    }

    /// Would noting this page change anything? Spares the idle agent a write.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn knows_orders(&self, orders: &[WebOrder], next: &FeedCursor, ours_since: Timestamp) -> Result<bool> {
        self.read("compare orders", |tx| {
            for order in orders {
                let known = content_hash_in(tx, &order.id)?;
                if known != Some(content_hash(order)) && (known.is_some() || !is_history(order, ours_since)) {
                    return Ok(false);
                }
            }
            Ok(super::fact_in(tx, facts::FEED_CURSOR)?.as_deref() == Some(next.0.as_str()))
        })
    }

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

    /// Notes that an order was cancelled before any file of it was visible.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in another state.
    pub fn order_withdrawn(&self, id: &OrderId, now: Timestamp) -> Result<()> {
        self.transact("note a cancelled order", |tx| {
            move_order(
                tx,
                id,
                OrderEvent::Withdrawn,
                Some("cancelled in the web store before the till took it"),
                AGENT,
                now,
            )
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
    "SELECT id, body, state, reason, copies, before_our_time, received_at, changed_at FROM web_order";

fn order_row(row: &Row<'_>) -> rusqlite::Result<Result<JournalledOrder>> {
    let (id, body, state): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let damaged = |why: String| LedgerError::Damaged { table: "web_order", row: id.clone(), why };
    let order = serde_json::from_str(&body).map_err(|error| damaged(error.to_string()));
    let state = OrderState::from_word(&state).ok_or_else(|| damaged(format!("state {state:?}")));
    let (reason, copies, before_our_time) = (row.get(3)?, row.get(4)?, row.get(5)?);
    let (received_at, changed_at) = (at_column(row.get(6)?), at_column(row.get(7)?));
    Ok(order.and_then(|order| {
        Ok(JournalledOrder { order, state: state?, reason, copies, before_our_time, received_at, changed_at })
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

fn content_hash(order: &WebOrder) -> String {
    hex(&Sha256::digest(json(order).as_bytes()))
}

fn content_hash_in(tx: &Connection, id: &OrderId) -> Result<Option<String>> {
    tx.prepare_cached("SELECT content_hash FROM web_order WHERE id = ?1")
        .and_then(|mut found| found.query_row([&id.0], |row| row.get(0)).optional())
        .doing("compare an order")
}

fn record_one(
    tx: &Transaction<'_>,
    order: &WebOrder,
    ours_since: Timestamp,
    now: Timestamp,
    recorded: &mut Recorded,
) -> Result<()> {
    let hash = content_hash(order);
    let known = content_hash_in(tx, &order.id)?;
    if known.as_ref() == Some(&hash) || (known.is_none() && is_history(order, ours_since)) {
        return Ok(());
    }
    // SKUs of the old description are due as well: a line may have gone.
    outbox::mark_order_due(tx, &order.id, now)?;
    upsert(tx, order, &hash, order.placed_at < ours_since, now).doing("note an order")?;
    write_claims(tx, order).doing("note an order's lines")?;
    outbox::mark_order_due(tx, &order.id, now)?;
    if known.is_none() {
        recorded.new += 1;
        note(tx, &order.id, "received", Some(&order.store_status), AGENT, now)
    } else {
        recorded.changed += 1;
        note(tx, &order.id, "changed in the web store", Some(&order.store_status), AGENT, now)?;
        if order.is_void() { Ok(()) } else { move_order(tx, &order.id, OrderEvent::Changed, None, AGENT, now) }
    }
}

/// Was it over before the agent took over? Then it claims nothing, and a shop may have a hundred thousand of them.
fn is_history(order: &WebOrder, ours_since: Timestamp) -> bool {
    order.placed_at < ours_since && order.lines.iter().all(|line| line.reserved().is_zero())
}

fn upsert(tx: &Transaction<'_>, order: &WebOrder, hash: &str, early: bool, now: Timestamp) -> rusqlite::Result<()> {
    let ready = order.standing == Standing::Ready;
    tx.prepare_cached(
        "INSERT INTO web_order (id, number, placed_at, received_at, changed_at, ready, void, store_status, content_hash, body, state, before_our_time)
         VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8, ?9, 'received', ?10)
         ON CONFLICT (id) DO UPDATE SET number = excluded.number, changed_at = excluded.changed_at, ready = excluded.ready,
           void = excluded.void, store_status = excluded.store_status, content_hash = excluded.content_hash, body = excluded.body",
    )?
    .execute(params![
        order.id.0, order.number, micros(order.placed_at), micros(now), ready, order.is_void(), order.store_status, hash,
        json(order), early
    ])?;
    Ok(())
}

fn write_claims(tx: &Transaction<'_>, order: &WebOrder) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM order_claim WHERE order_id = ?1")?.execute([&order.id.0])?;
    let mut claims = std::collections::BTreeMap::<&str, [Quantity; 3]>::new();
    for line in order.lines.iter().filter(|line| line.takes_stock) {
        let [to_take, reserved, shipped] = claims.entry(line.sku.as_str()).or_default();
        *to_take = *to_take + line.to_take();
        *reserved = *reserved + line.reserved();
        *shipped = *shipped + line.left_by_shipment();
    }
    let mut insert = tx.prepare_cached(
        "INSERT INTO order_claim (sku, order_id, to_take, reserved, shipped) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (sku, [to_take, reserved, shipped]) in claims {
        insert.execute(params![sku, order.id.0, to_take.to_string(), reserved.to_string(), shipped.to_string()])?;
    }
    // What the till has of it stays in view, also where the store no longer lists it.
    tx.prepare_cached(
        "INSERT INTO order_claim (sku, order_id, to_take, reserved, shipped)
         SELECT DISTINCT u.sku, ?1, '0', '0', '0' FROM order_file f JOIN order_file_units u ON u.name = f.name AND u.order_id = ?1
         WHERE f.order_id = ?1 AND u.sku NOT IN (SELECT value FROM json_each(?2)) ON CONFLICT DO NOTHING",
    )?
    .execute(params![order.id.0, json(&order.lines.iter().map(|line| line.sku.as_str()).collect::<Vec<_>>())])?;
    Ok(())
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
