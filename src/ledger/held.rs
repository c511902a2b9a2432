//! Exports that wait for the gate: in which order they are asked about, and a person's approval.
//!
//! Promises: of full exports the newest is asked about first (it replaces the others), of exports of changes the oldest
//! (each builds on the one before); an approval is recorded with who and when, and means exactly one export.

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::admission::last_of;
use super::exports::{ExportRecord, SELECT, export_row};
use super::{Doing, Ledger, LedgerError, Result, micros};
use crate::domain::ExportId;
use crate::domain::stock::{Scope, Step};

/// Least characters of a fingerprint that name an export.
const LEAST_OF_FINGERPRINT: usize = 6;

impl Ledger {
    /// The exports of this scope that wait for the gate, in the order in which it is to be asked.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn held_exports(&self, scope: Scope) -> Result<Vec<ExportRecord>> {
        self.read("list held exports", |tx| held_in(tx, scope))
    }

    /// Notes a person's approval of a held export: of the one that `which` names (its name, its number, or the start of
    /// its fingerprint), else of the only one.
    ///
    /// # Errors
    /// [`LedgerError::NotPossible`] when no export is held or several could be meant, [`LedgerError::NoSuchExport`].
    pub fn approve_held(&self, which: Option<&str>, by: &str, now: Timestamp) -> Result<ExportRecord> {
        let mut held = self.held_exports(Scope::Full)?;
        held.extend(self.held_exports(Scope::Delta)?);
        let chosen = chosen(held, which)?;
        self.write("note an approval", |tx| {
            tx.execute(
                "UPDATE export SET approved_by = ?2, approved_at = ?3 WHERE id = ?1 AND state = 'held'",
                params![chosen.id.0, by, micros(now)],
            )
        })?;
        Ok(ExportRecord { approved_by: Some(by.to_owned()), approved_at: Some(now), ..chosen })
    }
}

fn chosen(held: Vec<ExportRecord>, which: Option<&str>) -> Result<ExportRecord> {
    if held.is_empty() {
        return Err(LedgerError::NotPossible("no export is held; there is nothing to approve".to_owned()));
    }
    let all = listed(&held);
    let mut meant: Vec<ExportRecord> =
        held.into_iter().filter(|export| which.is_none_or(|which| is_meant(export, which))).collect();
    match (meant.pop(), which) {
        (Some(one), _) if meant.is_empty() => Ok(one),
        (None, which) => Err(LedgerError::NoSuchExport { which: which.unwrap_or_default().to_owned(), held: all }),
        (Some(_), Some(which)) => Err(LedgerError::NotPossible(format!(
            "several held exports could be meant by {which}; say which by its number or its fingerprint: {all}"
        ))),
        (Some(_), None) => {
            Err(LedgerError::NotPossible(format!("several exports are held; say which one to approve: {all}")))
        }
    }
}

fn is_meant(export: &ExportRecord, which: &str) -> bool {
    let is_start = which.len() >= LEAST_OF_FINGERPRINT
        && export.fingerprint.get(..which.len()).is_some_and(|start| start.eq_ignore_ascii_case(which));
    export.name == which || export.id.to_string() == which || is_start
}

fn listed(held: &[ExportRecord]) -> String {
    let one = |export: &ExportRecord| {
        let fingerprint = export.fingerprint.get(..12).unwrap_or(&export.fingerprint);
        format!("{} (number {}, fingerprint {fingerprint}, {} item(s))", export.name, export.id, export.skus)
    };
    held.iter().map(one).collect::<Vec<_>>().join("; ")
}

pub(crate) fn held_in(tx: &Transaction<'_>, scope: Scope) -> Result<Vec<ExportRecord>> {
    let sql = format!("{SELECT} WHERE state = 'held' AND scope = ?1 ORDER BY id");
    let mut found = tx.prepare_cached(&sql).doing("list held exports")?;
    let rows: Vec<_> =
        found.query_map([scope.word()], export_row).and_then(Iterator::collect).doing("list held exports")?;
    let mut held = rows.into_iter().collect::<Result<Vec<_>>>()?;
    match scope {
        Scope::Full => {
            // Of many that were seen at once the newest was read first; their numbers say nothing about time.
            held.sort_by(|a, b| in_time(b).cmp(&in_time(a)));
        }
        Scope::Delta => {
            let last = last_of(tx, Scope::Delta)?.and_then(|last| last.sequence).map_or(0, |last| last.number);
            sort_changes(&mut held, last);
        }
    }
    Ok(held)
}

/// Oldest first: by their numbers, else by the times that they tell, else as they were seen. What goes beyond the
/// counter's end comes after it.
fn sort_changes(held: &mut [ExportRecord], last: u64) {
    if held.iter().all(|export| export.sequence.is_some()) {
        held.sort_by_key(|export| export.sequence.map(|sequence| sequence.ahead_of(last)));
    } else if held.iter().all(|export| export.timing.declared.is_some()) {
        held.sort_by_key(|export| export.timing.declared);
    }
}

/// The held export of changes that has to be settled before this one.
pub(crate) fn earlier_in(tx: &Transaction<'_>, id: ExportId) -> Result<Option<String>> {
    let held = held_in(tx, Scope::Delta)?;
    Ok(held.into_iter().take_while(|export| export.id != id).map(|export| export.name).next())
}

/// Sets aside the held exports that were made before this one, which is a full one and about to count.
pub(crate) fn supersede_older(tx: &Transaction<'_>, id: ExportId) -> Result<()> {
    let sql = format!("{SELECT} WHERE id = ?1");
    let full = tx.query_row(&sql, [id.0], export_row).doing("read an export")??;
    let mut held = held_in(tx, Scope::Full)?;
    held.extend(held_in(tx, Scope::Delta)?);
    for older in held.iter().filter(|other| other.id != id && was_made_before(other, &full)) {
        tx.execute("UPDATE export SET state = 'superseded' WHERE id = ?1", [older.id.0])
            .doing("set the older export aside")?;
    }
    Ok(())
}

/// An export's place among others, as they were seen in the folder.
fn in_time(export: &ExportRecord) -> ((Timestamp, Timestamp), &str) {
    (export.timing.place(), &export.name)
}

fn was_made_before(export: &ExportRecord, full: &ExportRecord) -> bool {
    if let (Scope::Full, Some(before), Some(now)) = (export.scope, export.sequence, full.sequence) {
        return match now.after(&before) {
            Step::Next | Step::Gap(_) | Step::Same => true,
            Step::Back => false,
        };
    }
    match (export.timing.declared, full.timing.declared) {
        (Some(before), Some(now)) => before <= now,
        (Some(_) | None, _) => export.timing.is_older_than(&full.timing) || in_time(export) < in_time(full),
    }
}
