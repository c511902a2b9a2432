//! The outbox as a person looks at it: what waits, what is paused and why, what was given up, and who decided what.
//! Reads only.

use jiff::Timestamp;
use rusqlite::Row;
use serde::Serialize;

use super::outbox::Depth;
use super::outbox_trouble::{Meant, dead_in};
use super::{Doing, Ledger, Result, at_column};
use crate::domain::{OrderId, Sku};

/// A row of the outbox.
#[derive(Debug, Clone, Serialize)]
pub struct OutboxRow {
    /// `stock`: a quantity; `acknowledgement`: a note about an order.
    pub kind: String,
    /// The item's SKU, or the order's number.
    pub shown: String,
    /// `waiting`, `sending`, `paused`, `dead` or `dropped`.
    pub state: &'static str,
    /// Since when it is due, or was first tried.
    pub since: Timestamp,
    /// Failed tries.
    pub tries: u32,
    /// When it is tried next, while it is paused.
    pub next_try: Option<Timestamp>,
    /// Why it is paused, dead or dropped.
    pub reason: Option<String>,
    /// Who dropped it.
    pub by: Option<String>,
}

/// What a person decided about a row of the outbox.
#[derive(Debug, Clone, Serialize)]
pub struct Decision {
    /// When.
    pub at: Timestamp,
    /// `stock`, `acknowledgement`, or `all`.
    pub kind: String,
    /// The item's SKU, or the order's number.
    pub shown: String,
    /// `retry` or `drop`.
    pub what: String,
    /// The person's reason.
    pub reason: Option<String>,
    /// Who.
    pub by: String,
}

const GIVEN_UP: &str = "SELECT t.kind, coalesce(o.number, t.key), t.state, t.since, t.tries, t.reason, t.by_whom
    FROM outbox_trouble t LEFT JOIN web_order o ON o.id = t.order_id
    WHERE t.state <> 'tried' AND (t.state = 'dead' OR ?2 = 0) ORDER BY t.state, t.kind DESC, t.since, t.key LIMIT ?1";

const WAITING: &str = "SELECT kind, shown, ready_at, leased, due_since, tries, last_error FROM (
      SELECT 'stock' AS kind, o.sku AS shown, o.ready_at, o.leased, o.due_since, coalesce(nullif(t.tries, 0), o.attempts) AS tries, o.last_error
      FROM outbox_stock o LEFT JOIN outbox_trouble t ON t.kind = 'stock' AND t.key = o.sku
    UNION ALL
      SELECT 'acknowledgement', w.number, a.ready_at, a.leased, a.due_since, a.attempts, a.last_error
      FROM outbox_acknowledgement a JOIN web_order w ON w.id = a.order_id
    ) ORDER BY tries DESC, due_since, shown LIMIT ?1";

impl Ledger {
    /// How much waits.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn outbox_depth(&self) -> Result<Depth> {
        self.read("measure the outbox", |tx| {
            let one = |table: &str| {
                tx.query_row(&format!("SELECT count(*), min(due_since) FROM {table}"), [], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
                })
                .doing("measure the outbox")
            };
            let ((stock, old_stock), (acknowledgements, old_news)) =
                (one("outbox_stock")?, one("outbox_acknowledgement")?);
            let oldest = [old_stock, old_news].into_iter().flatten().min().map(at_column);
            let (stock, acknowledgements) = (stock.unsigned_abs(), acknowledgements.unsigned_abs());
            Ok(Depth { stock, acknowledgements, dead: dead_in(tx)?, oldest })
        })
    }

    /// The outbox: what was given up first, then what waits, the most troubled first.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn outbox_rows(&self, only_dead: bool, limit: u32, now: Timestamp) -> Result<Vec<OutboxRow>> {
        let limit = if limit == 0 { i64::MAX } else { i64::from(limit) };
        self.read("list the outbox", |tx| {
            let mut given_up = tx.prepare_cached(GIVEN_UP).doing("list the outbox")?;
            let rows = given_up.query_map([limit, i64::from(only_dead)], given_up_row);
            let mut rows: Vec<OutboxRow> = rows.and_then(Iterator::collect).doing("list the outbox")?;
            let left = limit.saturating_sub(i64::try_from(rows.len()).unwrap_or(limit));
            if !only_dead && left > 0 {
                let mut waiting = tx.prepare_cached(WAITING).doing("list the outbox")?;
                let more = waiting.query_map([left], |row| waiting_row(row, now));
                rows.extend(more.and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>).doing("list the outbox")?);
            }
            Ok(rows)
        })
    }

    /// What persons decided, newest first.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn outbox_decisions(&self, limit: u32) -> Result<Vec<Decision>> {
        self.read("list decisions", |tx| {
            let mut found = tx
                .prepare_cached(
                    "SELECT at, kind, shown, what, reason, by_whom FROM outbox_decision ORDER BY id DESC LIMIT ?1",
                )
                .doing("list decisions")?;
            let rows = found.query_map([limit], |row| {
                Ok(Decision {
                    at: at_column(row.get(0)?),
                    kind: row.get(1)?,
                    shown: row.get(2)?,
                    what: row.get(3)?,
                    reason: row.get(4)?,
                    by: row.get(5)?,
                })
            });
            rows.and_then(Iterator::collect).doing("list decisions")
        })
    }

    /// Which rows of the outbox are meant by an item's SKU, or by an order's number or key.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn outbox_meant(&self, named: &str) -> Result<Vec<Meant>> {
        self.read("look up what is meant", |tx| {
            let sku = "SELECT 1 FROM outbox_stock WHERE sku = ?1 UNION ALL
                       SELECT 1 FROM outbox_trouble WHERE kind = 'stock' AND key = ?1";
            let is_sku = tx.prepare_cached(sku).and_then(|mut found| found.exists([named]));
            let mut meant = Vec::new();
            if is_sku.doing("look up what is meant")?
                && let Ok(sku) = Sku::new(named)
            {
                meant.push(Meant::Stock(sku));
            }
            let orders = "SELECT DISTINCT w.id, w.number FROM web_order w WHERE (w.number = ?1 OR w.id = ?1) AND (
                EXISTS (SELECT 1 FROM outbox_acknowledgement a WHERE a.order_id = w.id) OR
                EXISTS (SELECT 1 FROM outbox_trouble t WHERE t.order_id = w.id))";
            let mut found = tx.prepare_cached(orders).doing("look up what is meant")?;
            let rows = found.query_map([named], |row| Ok(Meant::Order(OrderId(row.get(0)?), row.get(1)?)));
            meant.extend(rows.and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>).doing("look up what is meant")?);
            Ok(meant)
        })
    }
}

fn given_up_row(row: &Row<'_>) -> rusqlite::Result<OutboxRow> {
    Ok(OutboxRow {
        kind: row.get(0)?,
        shown: row.get(1)?,
        state: if row.get::<_, String>(2)? == "dropped" { "dropped" } else { "dead" },
        since: at_column(row.get(3)?),
        tries: row.get(4)?,
        next_try: None,
        reason: row.get(5)?,
        by: row.get(6)?,
    })
}

fn waiting_row(row: &Row<'_>, now: Timestamp) -> rusqlite::Result<OutboxRow> {
    let (ready, leased) = (at_column(row.get(2)?), row.get::<_, bool>(3)?);
    let paused = !leased && ready > now;
    Ok(OutboxRow {
        kind: row.get(0)?,
        shown: row.get(1)?,
        state: match (leased, paused) {
            (true, _) => "sending",
            (false, true) => "paused",
            (false, false) => "waiting",
        },
        since: at_column(row.get(4)?),
        tries: row.get(5)?,
        next_try: paused.then_some(ready),
        reason: row.get(6)?,
        by: None,
    })
}
