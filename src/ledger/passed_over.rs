//! Exports that were passed over: older than the full export that counts, and therefore never read.
//!
//! Promises: nothing is noted as passed over that the gate would not refuse for its age as long as that full export
//! counts; a file that was passed over is known again, and is not looked at a second time.
//! Does not promise that such a file could be read.

use jiff::Timestamp;
use rusqlite::params;
use serde::Serialize;

use super::admission::{last_of, newest_in};
use super::exports::{ExportState, to_json};
use super::{Doing, Ledger, Result, micros};
use crate::domain::ExportId;
use crate::domain::stock::{Scope, Timing};
use crate::ports::SettledExport;

/// Files noted per transaction: others wait only milliseconds.
const NOTED_AT_ONCE: usize = 2_000;

/// The full export that was admitted last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastFull {
    /// Its number.
    pub id: ExportId,
    /// The file's name.
    pub name: String,
    /// When it was made.
    pub timing: Timing,
    /// Has no export of changes been admitted since?
    pub is_last_of_all: bool,
}

impl Ledger {
    /// The full export that was admitted last; `None` where there was none yet.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn last_full_export(&self) -> Result<Option<LastFull>> {
        self.read("read the last full export", |tx| {
            let Some(full) = last_of(tx, Scope::Full)? else { return Ok(None) };
            let name = tx
                .query_row("SELECT name FROM export WHERE id = ?1", [full.id.0], |row| row.get(0))
                .doing("read the last full export")?;
            let is_last_of_all = newest_in(tx)?.is_none_or(|newest| newest.id == full.id);
            Ok(Some(LastFull { id: full.id, name, timing: full.timing, is_last_of_all }))
        })
    }

    /// Notes that these files are older than what counts, and were not read for that.
    ///
    /// # Errors
    /// A failure of SQLite. Doing it again is harmless.
    pub fn pass_over(&self, exports: &[(SettledExport, Scope)], now: Timestamp) -> Result<()> {
        for some in exports.chunks(NOTED_AT_ONCE) {
            let timings: Vec<String> = some.iter().map(|(export, _)| to_json(&export.timing)).collect::<Result<_>>()?;
            self.write("note exports that were passed over", |tx| {
                // What an interrupted reading left of one is removed with the other rows that no longer count.
                let mut note = tx.prepare_cached(
                    "INSERT INTO export (name, identity, fingerprint, bytes, timing, state, seen_at, decided_at, scope, rows_kept)
                     VALUES (?1, ?2, '', ?3, ?4, ?5, ?6, ?7, ?8, 0)
                     ON CONFLICT (identity) DO UPDATE SET state = excluded.state, decided_at = excluded.decided_at
                     WHERE state = 'reading'",
                )?;
                for ((export, scope), timing) in some.iter().zip(&timings) {
                    let seen = micros(export.timing.first_seen.min(now));
                    let (state, bytes) = (ExportState::PassedOver.word(), export.bytes as i64);
                    note.execute(params![export.name, export.identity(), bytes, timing, state, seen, micros(now), scope.word()])?;
                }
                let left = "SELECT id FROM export WHERE state = 'passed-over' AND rows_kept = 1";
                tx.execute(&format!("DELETE FROM stock_row_again WHERE export_id IN ({left})"), []).map(|_| ())
            })?;
        }
        Ok(())
    }

    /// How many exports were passed over so far.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn passed_over_exports(&self) -> Result<u64> {
        self.read("count exports that were passed over", |tx| {
            tx.query_row("SELECT count(*) FROM export WHERE state = 'passed-over'", [], |row| row.get::<_, i64>(0))
                .map(i64::unsigned_abs)
                .doing("count exports that were passed over")
        })
    }
}
