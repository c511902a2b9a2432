//! Runs and attempts: the tracking tables that an operator looks at.
//!
//! Promises: one row per activation that found something to do, one per request that carried something; both tables are
//! bounded, so that an agent left alone for years does not fill the disk.

use jiff::Timestamp;
use rusqlite::params;
use serde::Serialize;
use serde_json::Value;

use super::{Doing, Ledger, Result, at_column, micros};

/// Rows kept in each table.
const KEPT: i64 = 5000;

/// An activation of a reconciler.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// Its number.
    pub id: i64,
    /// Which reconciler.
    pub kind: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// `done`, `held` or `failed`.
    pub outcome: String,
    /// Its figures.
    pub figures: Value,
    /// What to tell a person.
    pub message: Option<String>,
}

/// A request to the store.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    /// When.
    pub at: Timestamp,
    /// `stock`, `acknowledgement` or `orders`.
    pub kind: String,
    /// How many items it carried.
    pub items: u64,
    /// `done` or the failure's class.
    pub outcome: String,
    /// The failure.
    pub detail: Option<String>,
    /// How long it took.
    pub millis: u64,
}

impl Ledger {
    /// Notes a run.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn record_run(
        &self,
        kind: &str,
        started: Timestamp,
        ended: Timestamp,
        outcome: &str,
        figures: &Value,
        message: Option<&str>,
    ) -> Result<()> {
        self.write("note a run", |tx| {
            tx.execute(
                "INSERT INTO run (kind, started_at, ended_at, outcome, figures, message) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![kind, micros(started), micros(ended), outcome, figures.to_string(), message],
            )?;
            tx.execute("DELETE FROM run WHERE id <= ?1", [tx.last_insert_rowid() - KEPT]).map(|_| ())
        })
    }

    /// Notes a request to the store.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn record_attempt(&self, attempt: &Attempt) -> Result<()> {
        self.write("note an attempt", |tx| {
            tx.execute(
                "INSERT INTO attempt (at, kind, items, outcome, detail, millis) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    micros(attempt.at),
                    attempt.kind,
                    attempt.items as i64,
                    attempt.outcome,
                    attempt.detail,
                    attempt.millis as i64
                ],
            )?;
            tx.execute("DELETE FROM attempt WHERE id <= ?1", [tx.last_insert_rowid() - KEPT]).map(|_| ())
        })
    }

    /// Runs, newest first.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn runs(&self, limit: u32) -> Result<Vec<Run>> {
        self.read("list runs", |tx| {
            let mut found = tx
                .prepare_cached(
                    "SELECT id, kind, started_at, ended_at, outcome, figures, message FROM run ORDER BY id DESC LIMIT ?1",
                )
                .doing("list runs")?;
            let rows = found.query_map([limit], |row| {
                Ok(Run {
                    id: row.get(0)?,
                    kind: row.get(1)?,
                    started_at: at_column(row.get(2)?),
                    ended_at: at_column(row.get(3)?),
                    outcome: row.get(4)?,
                    figures: serde_json::from_str(&row.get::<_, String>(5)?).unwrap_or_default(),
                    message: row.get(6)?,
                })
            });
            rows.and_then(Iterator::collect).doing("list runs")
        })
    }

    /// Attempts, newest first.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn attempts(&self, limit: u32) -> Result<Vec<Attempt>> {
        self.read("list attempts", |tx| {
            let mut found = tx
                .prepare_cached(
                    "SELECT at, kind, items, outcome, detail, millis FROM attempt ORDER BY id DESC LIMIT ?1",
                )
                .doing("list attempts")?;
            let rows = found.query_map([limit], |row| {
                Ok(Attempt {
                    at: at_column(row.get(0)?),
                    kind: row.get(1)?,
                    items: row.get::<_, i64>(2)?.unsigned_abs(),
                    outcome: row.get(3)?,
                    detail: row.get(4)?,
                    millis: row.get::<_, i64>(5)?.unsigned_abs(),
                })
            });
            rows.and_then(Iterator::collect).doing("list attempts")
        })
    }
}
