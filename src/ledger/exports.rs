//! Exports: every stock file that was seen, what it came to, and the one that counts now.
//!
//! Promises: rows go in as they stream, and nothing is believed before [`Ledger::decide`] (in `admission`) has asked
//! the gate.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::admission::{in_stock, zeroed_in};
use super::{Doing, Ledger, LedgerError, Result, at_column, micros};
use crate::domain::ExportId;
use crate::domain::gate::{Gap, HoldReason, RefuseReason};
use crate::domain::stock::{Scope, Sequence, Timing};
use crate::ports::{ReadSummary, Rejection, SpooledExport};

/// What to do with a SKU that a full export does not mention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// Leave the store as it is and say so.
    #[default]
    Report,
    /// Count it as zero.
    Zero,
    /// Keep its last count.
    Keep,
}

/// How far an export has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExportState {
    /// Its rows are being stored.
    Reading,
    /// Read; the gate holds it.
    Held,
    /// It counts now: the base, into which exports of changes are merged.
    Admitted,
    /// An export of changes that has been merged into the one that counts.
    Merged,
    /// It counted, or was held, until a newer one came.
    Superseded,
    /// Older than the one that counts.
    Refused,
    /// It could not be believed as a file.
    Rejected,
    /// Older than the full export that counts; it was never read.
    PassedOver,
}

impl ExportState {
    fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "reading" => Self::Reading,
            "held" => Self::Held,
            "admitted" => Self::Admitted,
            "merged" => Self::Merged,
            "superseded" => Self::Superseded,
            "refused" => Self::Refused,
            "rejected" => Self::Rejected,
            "passed-over" => Self::PassedOver,
            _ => return None,
        })
    }

    /// Its word in the ledger and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Held => "held",
            Self::Admitted => "admitted",
            Self::Merged => "merged",
            Self::Superseded => "superseded",
            Self::Refused => "refused",
            Self::Rejected => "rejected",
            Self::PassedOver => "passed-over",
        }
    }
}

/// An export as the ledger has it.
#[derive(Debug, Clone, Serialize)]
pub struct ExportRecord {
    /// Its number.
    pub id: ExportId,
    /// The file's name.
    pub name: String,
    /// SHA-256 of the whole file.
    pub fingerprint: String,
    /// When it was made.
    pub timing: Timing,
    /// How much of the stock it speaks of.
    pub scope: Scope,
    /// The till's own number of it.
    pub sequence: Option<Sequence>,
    /// How far it has come.
    pub state: ExportState,
    /// When it was first seen.
    pub seen_at: Timestamp,
    /// When the gate decided.
    pub decided_at: Option<Timestamp>,
    /// Orders taken by then were deducted in it.
    pub evidence_until: Option<Timestamp>,
    /// Data rows.
    pub rows: u64,
    /// Distinct SKUs.
    pub skus: u64,
    /// Row errors.
    pub row_errors: u64,
    /// The read's report or the rejection.
    pub report: serde_json::Value,
    /// Why it is held or refused, or which orders were subtracted for want of evidence.
    pub verdict: Option<serde_json::Value>,
    /// Who approved it in spite of the gate's doubts.
    pub approved_by: Option<String>,
    /// When that was.
    pub approved_at: Option<Timestamp>,
}

/// The verdict as it is kept beside the export.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum KeptVerdict {
    /// Admitted; these orders count as not deducted for want of evidence.
    Admitted {
        /// Order numbers.
        unproved: Vec<String>,
        /// SKUs that the export before had and this one does not.
        missing: u64,
        /// Exports that are missing before this one.
        gap: Option<Gap>,
    },
    /// Held.
    Held {
        /// Why.
        reasons: Vec<HoldReason>,
        /// Until when at most.
        until: Option<Timestamp>,
    },
    /// Refused.
    Refused {
        /// Why.
        why: RefuseReason,
    },
}

impl Ledger {
    /// Has a file with this identity been dealt with?
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn knows_export(&self, identity: &str) -> Result<bool> {
        self.read("look up an export", |tx| {
            tx.prepare_cached("SELECT 1 FROM export WHERE identity = ?1 AND state <> 'reading'")
                .and_then(|mut found| found.exists([identity]))
                .doing("look up an export")
        })
    }

    /// Begins an export's row. What an interrupted earlier reading of the same file left is removed.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn export_begun(&self, export: &SpooledExport, now: Timestamp) -> Result<ExportId> {
        let identity = export.source.identity();
        let timing = to_json(&export.source.timing)?;
        self.write("note an export", |tx| {
            let left = "SELECT id FROM export WHERE identity = ?1 AND state = 'reading'";
            tx.execute(&format!("DELETE FROM stock_row WHERE export_id IN ({left})"), [&identity])?;
            tx.execute(&format!("DELETE FROM stock_row_again WHERE export_id IN ({left})"), [&identity])?;
            tx.execute("DELETE FROM export WHERE identity = ?1 AND state = 'reading'", [&identity])?;
            tx.execute(
                "INSERT INTO export (name, identity, fingerprint, bytes, timing, state, seen_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, 'reading', ?6)",
                params![
                    export.source.name,
                    identity,
                    export.fingerprint,
                    export.source.bytes as i64,
                    timing,
                    micros(export.source.timing.first_seen.min(now))
                ],
            )?;
            Ok(ExportId(tx.last_insert_rowid()))
        })
    }

    /// Notes that an export was read whole; it waits for the gate.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn export_read(&self, id: ExportId, timing: &Timing, summary: &ReadSummary) -> Result<()> {
        let (timing, report) = (to_json(timing)?, to_json(summary)?);
        let errors = summary.row_errors.len() as u64 + summary.more_row_errors;
        self.write("note an export that was read", |tx| {
            let sum = in_stock("quantity");
            let (skus, in_stock): (i64, i64) = tx.query_row(
                &format!("SELECT count(*), coalesce(sum({sum}), 0) FROM stock_row WHERE export_id = ?1"),
                [id.0],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let zeroed = match summary.scope {
                Scope::Full => zeroed_in(tx, id)?,
                Scope::Delta => 0,
            };
            let (scope, sequence) = (summary.scope.word(), summary.sequence.map(|sequence| sequence.to_string()));
            tx.execute(
                "UPDATE export SET state = 'held', timing = ?2, report = ?3, rows = ?4, row_errors = ?5, skus = ?6, in_stock = ?7,
                   zeroed = ?8, scope = ?9, sequence = ?10 WHERE id = ?1",
                params![id.0, timing, report, summary.rows as i64, errors as i64, skus, in_stock, zeroed, scope, sequence],
            )
            .map(|_| ())
        })
    }

    /// Notes that an export cannot be believed as a file.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn export_rejected(&self, id: ExportId, why: &Rejection, now: Timestamp) -> Result<()> {
        let report = to_json(why)?;
        self.write("note a rejected export", |tx| {
            tx.execute("DELETE FROM stock_row WHERE export_id = ?1", [id.0])?;
            tx.execute("DELETE FROM stock_row_again WHERE export_id = ?1", [id.0])?;
            tx.execute(
                "UPDATE export SET state = 'rejected', report = ?2, decided_at = ?3 WHERE id = ?1",
                params![id.0, report, micros(now)],
            )
            .map(|_| ())
        })
    }

    /// The newest export that waits for the gate.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn held_export(&self) -> Result<Option<ExportRecord>> {
        self.one_export("WHERE state = 'held' ORDER BY id DESC LIMIT 1")
    }

    /// The export that counts now.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn admitted_export(&self) -> Result<Option<ExportRecord>> {
        self.one_export("WHERE state = 'admitted' ORDER BY id DESC LIMIT 1")
    }

    /// An export by its number.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn export(&self, id: ExportId) -> Result<Option<ExportRecord>> {
        self.one_export(&format!("WHERE id = {}", id.0))
    }

    /// Exports of changes that are merged into the one that counts: how many, and the last of them.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn merged_exports(&self) -> Result<(u64, Option<ExportRecord>)> {
        let count: i64 = self.read("count merged exports", |tx| {
            tx.query_row("SELECT count(*) FROM export WHERE state = 'merged'", [], |row| row.get(0))
                .doing("count merged exports")
        })?;
        Ok((count.unsigned_abs(), self.one_export("WHERE state = 'merged' ORDER BY admission DESC LIMIT 1")?))
    }

    /// The export read last, whatever became of it.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn last_export(&self) -> Result<Option<ExportRecord>> {
        self.one_export("WHERE state <> 'passed-over' ORDER BY id DESC LIMIT 1")
    }

    /// The export that was last found not to be believed as a file.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn rejected_export(&self) -> Result<Option<ExportRecord>> {
        self.one_export("WHERE state = 'rejected' ORDER BY id DESC LIMIT 1")
    }

    fn one_export(&self, which: &str) -> Result<Option<ExportRecord>> {
        self.read("read an export", |tx| {
            tx.query_row(&format!("{SELECT} {which}"), [], export_row).optional().doing("read an export")?.transpose()
        })
    }

    /// Removes rows that no longer count, a bounded number at a time. Returns 0 when nothing is left to remove.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn prune_stock_rows(&self, at_most: u32) -> Result<usize> {
        self.write("remove old stock rows", |tx| {
            const DEAD: &str =
                "SELECT id FROM export WHERE state IN ('merged', 'superseded', 'refused', 'rejected', 'passed-over') AND rows_kept = 1 LIMIT 1";
            let Some(dead): Option<i64> = tx.prepare_cached(DEAD)?.query_row([], |row| row.get(0)).optional()? else {
                return Ok(0);
            };
            let which = "SELECT sku FROM stock_row WHERE export_id = ?1 LIMIT ?2";
            let removed = tx.execute(
                &format!("DELETE FROM stock_row WHERE export_id = ?1 AND sku IN ({which})"),
                params![dead, at_most],
            )?;
            if removed < at_most as usize {
                tx.execute("UPDATE export SET rows_kept = 0 WHERE id = ?1", [dead])?;
            }
            Ok(removed.max(1))
        })
    }
}

pub(crate) const SELECT: &str = "SELECT id, name, fingerprint, timing, state, seen_at, decided_at, evidence_until, rows, \
                                 skus, row_errors, report, verdict, approved_by, approved_at, scope, sequence FROM export";

pub(crate) fn export_row(row: &Row<'_>) -> rusqlite::Result<Result<ExportRecord>> {
    let id: i64 = row.get(0)?;
    let damaged = |why: String| LedgerError::Damaged { table: "export", row: id.to_string(), why };
    let (timing, state): (String, String) = (row.get(3)?, row.get(4)?);
    let timing = serde_json::from_str(&timing).map_err(|error| damaged(error.to_string()));
    let state = ExportState::from_word(&state).ok_or_else(|| damaged(format!("state {state:?}")));
    let report: String = row.get(11)?;
    let verdict: Option<String> = row.get(12)?;
    let (scope, sequence): (String, Option<String>) = (row.get(15)?, row.get(16)?);
    let scope = Scope::from_word(&scope).ok_or_else(|| damaged(format!("scope {scope:?}")));
    let record = |timing, state, scope| ExportRecord {
        id: ExportId(id),
        name: row.get(1).unwrap_or_default(),
        fingerprint: row.get(2).unwrap_or_default(),
        timing,
        scope,
        sequence: sequence.as_deref().and_then(Sequence::parse),
        state,
        seen_at: row.get(5).map_or(Timestamp::MIN, at_column),
        decided_at: row.get::<_, Option<i64>>(6).ok().flatten().map(at_column),
        evidence_until: row.get::<_, Option<i64>>(7).ok().flatten().map(at_column),
        rows: row.get::<_, i64>(8).unwrap_or_default().unsigned_abs(),
        skus: row.get::<_, i64>(9).unwrap_or_default().unsigned_abs(),
        row_errors: row.get::<_, i64>(10).unwrap_or_default().unsigned_abs(),
        report: serde_json::from_str(&report).unwrap_or_default(),
        verdict: verdict.and_then(|text| serde_json::from_str(&text).ok()),
        approved_by: row.get(13).ok().flatten(),
        approved_at: row.get::<_, Option<i64>>(14).ok().flatten().map(at_column),
    };
    Ok(timing.and_then(|timing| Ok(record(timing, state?, scope?))))
}

pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| LedgerError::NotPossible(format!("a report cannot be written down: {error}")))
}
