//! The gate's decision, and what follows from it, in one transaction.
//!
//! Promises: the facts are read in the transaction that commits the outcome; an admitted export, the SKUs that it makes
//! due and the end of the one before it are one step. What follows for the rows stands in `merge`.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::exports::{ExportState, KeptVerdict, Missing, to_json};
use super::{Doing, Ledger, LedgerError, Result, at_column, files, held, merge, micros};
use crate::domain::gate::{self, Candidate, Facts, LastAdmitted, Rules, Verdict};
use crate::domain::stock::{Scope, Sequence, Timing};
use crate::domain::{AdmittedSnapshot, ExportId};
use crate::ports::ReadSummary;

impl Ledger {
    /// Asks the gate about a held export, with the facts as they are now, and commits what follows.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row. The export then stays held.
    pub fn decide(&self, id: ExportId, rules: &Rules, missing: Missing, now: Timestamp) -> Result<Verdict> {
        self.transact("decide about an export", |tx| {
            let (candidate, fingerprint) = candidate_in(tx, id)?;
            let verdict = gate::admit(&candidate, &facts_in(tx, &candidate, &fingerprint)?, rules, now);
            match &verdict {
                Verdict::Admit { snapshot, unproved, gap } => {
                    let gone = merge::admit_rows(tx, snapshot, candidate.scope, missing, now)?;
                    let kept = KeptVerdict::Admitted { unproved: unproved.clone(), missing: gone, gap: *gap };
                    note_admission(tx, id, &kept, now)?;
                }
                Verdict::Hold { reasons, until } => {
                    let kept = KeptVerdict::Held { reasons: reasons.clone(), until: *until };
                    close(tx, id, &kept, Some(ExportState::Held), None)?;
                }
                Verdict::Refuse(why) => {
                    let kept = KeptVerdict::Refused { why: why.clone() };
                    close(tx, id, &kept, Some(ExportState::Refused), Some(now))?;
                }
            }
            Ok(verdict)
        })
    }

    /// What the gate would say of an export that is not in this ledger, without committing anything. `skus` are in it;
    /// `zeroed` items in stock would fall to zero.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn would_decide(
        &self,
        timing: Timing,
        summary: &ReadSummary,
        (skus, zeroed): (u64, u64),
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Verdict> {
        self.read("ask the gate", |tx| {
            let (scope, sequence) = (summary.scope, summary.sequence);
            let candidate = Candidate { export: ExportId(0), timing, scope, sequence, skus, zeroed, approved: false };
            Ok(gate::admit(&candidate, &facts_in(tx, &candidate, "")?, rules, now))
        })
    }
}

/// An export as it was admitted: its number and the end of its evidence, from these columns on.
pub(crate) fn recorded(row: &Row<'_>, from: usize) -> rusqlite::Result<AdmittedSnapshot> {
    let until: Option<i64> = row.get(from + 1)?;
    Ok(AdmittedSnapshot::recorded(ExportId(row.get(from)?), until.map(at_column)))
}

/// The export that counts, into which changes are merged.
pub(crate) fn base_in(tx: &Transaction<'_>) -> Result<Option<ExportId>> {
    tx.query_row("SELECT id FROM export WHERE state = 'admitted' ORDER BY id DESC LIMIT 1", [], |row| row.get(0))
        .optional()
        .map(|id| id.map(ExportId))
        .doing("read the export that counts")
}

fn candidate_in(tx: &Transaction<'_>, id: ExportId) -> Result<(Candidate, String)> {
    const SQL: &str = "SELECT timing, skus, zeroed, approved_by IS NOT NULL, scope, sequence, fingerprint FROM export
                       WHERE id = ?1 AND state = 'held'";
    type Columns = (String, i64, i64, bool, String, Option<String>, String);
    let columns = |row: &Row<'_>| -> rusqlite::Result<Columns> {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
    };
    let (timing, skus, zeroed, approved, scope, sequence, fingerprint) =
        tx.query_row(SQL, [id.0], columns).doing("read a held export")?;
    let candidate = Candidate {
        export: id,
        timing: parse_timing(id, &timing)?,
        scope: parse_scope(id, &scope)?,
        sequence: sequence.as_deref().and_then(Sequence::parse),
        skus: skus.unsigned_abs(),
        zeroed: zeroed.unsigned_abs(),
        approved,
    };
    Ok((candidate, fingerprint))
}

/// Whether the quantity in this column is something to sell.
pub(crate) fn in_stock(column: &str) -> String {
    format!("({column} <> '0' AND {column} <> 'DELETE' AND {column} NOT LIKE '-%')")
}

/// SKUs in stock by what counts, and at zero or below or missing in this export: one pass over both.
pub(crate) fn zeroed_in(tx: &Transaction<'_>, id: ExportId) -> rusqlite::Result<i64> {
    let (was, now) = (in_stock("was.quantity"), in_stock("now.quantity"));
    let sql = format!(
        "SELECT count(*) FROM export e CROSS JOIN stock_row was ON was.export_id = e.id
         LEFT JOIN stock_row now ON now.export_id = ?1 AND now.sku = was.sku
         WHERE e.state = 'admitted' AND {was} AND (now.quantity IS NULL OR NOT {now})"
    );
    tx.query_row(&sql, [id.0], |row| row.get(0))
}

pub(crate) fn parse_timing(id: ExportId, text: &str) -> Result<Timing> {
    serde_json::from_str(text).map_err(|error| LedgerError::Damaged {
        table: "export",
        row: id.to_string(),
        why: error.to_string(),
    })
}

fn parse_scope(id: ExportId, word: &str) -> Result<Scope> {
    Scope::from_word(word).ok_or_else(|| LedgerError::Damaged {
        table: "export",
        row: id.to_string(),
        why: format!("scope {word:?}"),
    })
}

/// The export of a scope that was admitted last.
#[derive(Debug, Clone)]
pub(crate) struct LastOf {
    pub(crate) id: ExportId,
    pub(crate) scope: Scope,
    pub(crate) timing: Timing,
    pub(crate) sequence: Option<Sequence>,
    admission: i64,
    fingerprint: String,
}

pub(crate) fn last_of(tx: &Transaction<'_>, scope: Scope) -> Result<Option<LastOf>> {
    const SQL: &str = "SELECT id, timing, sequence, admission, fingerprint FROM export
                       WHERE scope = ?1 AND admission IS NOT NULL ORDER BY admission DESC LIMIT 1";
    type Columns = (i64, String, Option<String>, i64, String);
    let columns = |row: &Row<'_>| -> rusqlite::Result<Columns> {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
    };
    let found = tx.query_row(SQL, [scope.word()], columns).optional().doing("read the last export")?;
    let Some((id, timing, sequence, admission, fingerprint)) = found else { return Ok(None) };
    let (id, sequence) = (ExportId(id), sequence.as_deref().and_then(Sequence::parse));
    Ok(Some(LastOf { id, scope, timing: parse_timing(id, &timing)?, sequence, admission, fingerprint }))
}

/// The export that was admitted last, whatever its scope.
pub(crate) fn newest_in(tx: &Transaction<'_>) -> Result<Option<LastOf>> {
    let both = [last_of(tx, Scope::Full)?, last_of(tx, Scope::Delta)?];
    Ok(both.into_iter().flatten().max_by_key(|last| last.admission))
}

fn last_in(tx: &Transaction<'_>, newest: Option<&LastOf>) -> Result<Option<LastAdmitted>> {
    const COUNTS: &str = "SELECT skus, in_stock FROM export WHERE state = 'admitted' ORDER BY id DESC LIMIT 1";
    let counts: Option<(i64, i64)> = tx
        .query_row(COUNTS, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .doing("read the export that counts")?;
    Ok(counts.zip(newest).map(|((skus, in_stock), newest)| LastAdmitted {
        timing: newest.timing,
        scope: newest.scope,
        sequence: newest.sequence,
        skus: skus.unsigned_abs(),
        in_stock: in_stock.unsigned_abs(),
    }))
}

fn facts_in(tx: &Transaction<'_>, candidate: &Candidate, fingerprint: &str) -> Result<Facts> {
    let (newest, of_scope) = (newest_in(tx)?, last_of(tx, candidate.scope)?);
    // Since the last admission, when was the first export held that is still waiting or was overtaken while held?
    let holding_since: Option<i64> = tx
        .query_row(
            "SELECT min(seen_at) FROM export WHERE verdict LIKE '%\"held\"%' AND id <> ?1
             AND id > coalesce((SELECT max(id) FROM export WHERE verdict LIKE '%\"admitted\"%'), 0)",
            [candidate.export.0],
            |row| row.get(0),
        )
        .doing("see since when exports are held")?;
    let earlier_held = match candidate.scope {
        Scope::Full => None,
        Scope::Delta => held::earlier_in(tx, candidate.export)?,
    };
    Ok(Facts {
        last: last_in(tx, newest.as_ref())?,
        last_full: last_of(tx, Scope::Full)?.map(|last| last.timing),
        last_of_scope: of_scope.as_ref().and_then(|last| last.sequence),
        last_of_any: newest.and_then(|last| last.sequence),
        is_repeat: of_scope.is_some_and(|last| last.fingerprint == fingerprint),
        earlier_held,
        unproved: files::unproved_in(tx)?,
        holding_since: holding_since.map(at_column),
    })
}

/// Notes a verdict; `state` and time only where they change with it.
fn close(
    tx: &Transaction<'_>,
    id: ExportId,
    kept: &KeptVerdict,
    state: Option<ExportState>,
    at: Option<Timestamp>,
) -> Result<()> {
    let kept = to_json(kept)?;
    // A verdict that has not changed is not written again: a held export is asked about at every sweep.
    tx.execute(
        "UPDATE export SET state = coalesce(?2, state), verdict = ?3, decided_at = coalesce(?4, decided_at)
         WHERE id = ?1 AND (state <> coalesce(?2, state) OR verdict IS NOT ?3)",
        params![id.0, state.map(ExportState::word), kept, at.map(micros)],
    )
    .map(|_| ())
    .doing("note the gate's decision")
}

/// The export has become the one that counts, or part of it.
fn note_admission(tx: &Transaction<'_>, id: ExportId, kept: &KeptVerdict, now: Timestamp) -> Result<()> {
    close(tx, id, kept, None, Some(now))?;
    let before = newest_in(tx)?.map_or(0, |last| last.admission);
    tx.execute("UPDATE export SET admission = ?2 WHERE id = ?1", params![id.0, before + 1])
        .map(|_| ())
        .doing("admit an export")
}
