//! The last failed requests to the store, with their answers.
//!
//! Promises: bounded; the same failure again is counted, not kept twice. What is handed over holds no secret already
//! ([`crate::ports::Exchange`]).

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};
use serde::Serialize;

use super::{Doing, Ledger, Result, at_column, micros};
use crate::ports::{Exchange, StoreError};

/// Failures kept.
const KEPT: u32 = 50;

/// A failed request.
#[derive(Debug, Clone, Serialize)]
pub struct FailedExchange {
    /// When it first failed like this.
    pub first_at: Timestamp,
    /// When it last did.
    pub last_at: Timestamp,
    /// How often in a row.
    pub times: u64,
    /// `transient`, `permanent` or `bug`.
    pub class: String,
    /// What was attempted and what was concluded.
    pub what: String,
    /// What went over the line.
    #[serde(flatten)]
    pub exchange: Exchange,
}

impl Ledger {
    /// Keeps a failed request.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn record_exchange(&self, error: &StoreError, now: Timestamp) -> Result<()> {
        let Some(exchange) = &error.exchange else { return Ok(()) };
        let same = "SELECT id FROM exchange WHERE request = ?1 AND status IS ?2 AND what = ?3 ORDER BY id DESC LIMIT 1";
        self.write("keep a failed request", |tx| {
            let same: Option<i64> = tx
                .prepare_cached(same)?
                .query_row(params![exchange.request, exchange.status, error.what], |row| row.get(0))
                .optional()?;
            let sql = match same {
                Some(_) => {
                    "UPDATE exchange SET last_at = ?1, times = times + 1, class = ?2, what = ?3, request = ?4, sent = ?5,
                       status = ?6, answered = ?7 WHERE id = ?8"
                }
                None => {
                    "INSERT INTO exchange (first_at, last_at, class, what, request, sent, status, answered)
                     VALUES (?1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)"
                }
            };
            let class = error.class.word();
            let Exchange { request, sent, status, answered } = exchange.as_ref();
            let at = micros(now);
            match same {
                Some(id) => tx.execute(sql, params![at, class, error.what, request, sent, status, answered, id])?,
                None => tx.execute(sql, params![at, class, error.what, request, sent, status, answered])?,
            };
            let last = "DELETE FROM exchange WHERE id NOT IN (SELECT id FROM exchange ORDER BY last_at DESC, id DESC LIMIT ?1)";
            tx.prepare_cached(last)?.execute([KEPT]).map(|_| ())
        })
    }

    /// The last failed requests, newest first.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn failed_exchanges(&self, limit: u32) -> Result<Vec<FailedExchange>> {
        self.read("list failed requests", |tx| {
            let mut found = tx
                .prepare_cached(
                    "SELECT first_at, last_at, times, class, what, request, sent, status, answered FROM exchange
                     ORDER BY last_at DESC, id DESC LIMIT ?1",
                )
                .doing("list failed requests")?;
            let rows = found.query_map([limit], |row| {
                let exchange =
                    Exchange { request: row.get(5)?, sent: row.get(6)?, status: row.get(7)?, answered: row.get(8)? };
                Ok(FailedExchange {
                    first_at: at_column(row.get(0)?),
                    last_at: at_column(row.get(1)?),
                    times: row.get::<_, i64>(2)?.unsigned_abs(),
                    class: row.get(3)?,
                    what: row.get(4)?,
                    exchange,
                })
            });
            rows.and_then(Iterator::collect).doing("list failed requests")
        })
    }
}
