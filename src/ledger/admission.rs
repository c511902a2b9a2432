//! The gate's decision, and what follows from it, in one transaction.
//!
//! Promises: the facts are read in the transaction that commits the outcome; an admitted export, the SKUs that it makes
//! due and the end of the one before it are one step.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};

use super::exports::{ExportState, KeptVerdict, Missing, to_json};
use super::{Doing, Ledger, LedgerError, Result, at_column, files, micros};
use crate::domain::gate::{self, Candidate, Facts, LastAdmitted, Rules, Verdict};
use crate::domain::stock::Timing;
use crate::domain::{AdmittedSnapshot, ExportId};

impl Ledger {
    /// Asks the gate about a held export, with the facts as they are now, and commits what follows.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row. The export then stays held.
    pub fn decide(&self, id: ExportId, rules: &Rules, missing: Missing, now: Timestamp) -> Result<Verdict> {
        self.transact("decide about an export", |tx| {
            let candidate = candidate_in(tx, id)?;
            let verdict = gate::admit(&candidate, &facts_in(tx, id)?, rules, now);
            match &verdict {
                Verdict::Admit { snapshot, unproved } => admit_in(tx, snapshot, unproved, missing, now)?,
                Verdict::Hold { reasons, until } => {
                    let kept = KeptVerdict::Held { reasons: reasons.clone(), until: *until };
                    close(tx, id, ExportState::Held, &kept, None)?;
                }
                Verdict::Refuse(why) => {
                    close(tx, id, ExportState::Refused, &KeptVerdict::Refused { why: why.clone() }, Some(now))?;
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
        (skus, zeroed): (u64, u64),
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Verdict> {
        self.read("ask the gate", |tx| {
            let candidate = Candidate { export: ExportId(0), timing, skus, zeroed, approved: false };
            Ok(gate::admit(&candidate, &facts_in(tx, ExportId(0))?, rules, now))
        })
    }
}

/// The snapshot that counts now, as it was admitted.
pub(crate) fn admitted_in(tx: &Transaction<'_>) -> Result<Option<AdmittedSnapshot>> {
    let row = tx
        .query_row(
            "SELECT id, evidence_until FROM export WHERE state = 'admitted' ORDER BY id DESC LIMIT 1",
            [],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?)),
        )
        .optional()
        .doing("read the export that counts")?;
    Ok(row.map(|(id, until)| AdmittedSnapshot::recorded(ExportId(id), until.map(at_column))))
}

fn candidate_in(tx: &Transaction<'_>, id: ExportId) -> Result<Candidate> {
    let (timing, skus, zeroed, approved): (String, i64, i64, bool) = tx
        .query_row(
            "SELECT timing, skus, zeroed, approved_by IS NOT NULL FROM export WHERE id = ?1 AND state = 'held'",
            [id.0],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .doing("read a held export")?;
    let timing = parse_timing(id, &timing)?;
    let (skus, zeroed) = (skus.unsigned_abs(), zeroed.unsigned_abs());
    Ok(Candidate { export: id, timing, skus, zeroed, approved })
}

/// SKUs in stock in the export that counts, and at zero or below or missing in this one: one pass over both.
pub(crate) fn zeroed_in(tx: &Transaction<'_>, id: ExportId) -> rusqlite::Result<i64> {
    tx.query_row(
        "SELECT count(*) FROM export e CROSS JOIN stock_row was ON was.export_id = e.id
         LEFT JOIN stock_row now ON now.export_id = ?1 AND now.sku = was.sku
         WHERE e.state = 'admitted' AND was.quantity <> '0' AND was.quantity NOT LIKE '-%'
           AND (now.quantity IS NULL OR now.quantity = '0' OR now.quantity LIKE '-%')",
        [id.0],
        |row| row.get(0),
    )
}

fn parse_timing(id: ExportId, text: &str) -> Result<Timing> {
    serde_json::from_str(text).map_err(|error| LedgerError::Damaged {
        table: "export",
        row: id.to_string(),
        why: error.to_string(),
    })
}

fn last_in(tx: &Transaction<'_>) -> Result<Option<LastAdmitted>> {
    const LAST: &str = "SELECT id, timing, skus, in_stock FROM export
                        WHERE state = 'admitted' ORDER BY id DESC LIMIT 1";
    type Columns = (i64, String, i64, i64);
    let last: Option<Columns> = tx
        .query_row(LAST, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()
        .doing("read the export that counts")?;
    let Some((id, timing, skus, in_stock)) = last else { return Ok(None) };
    Ok(Some(LastAdmitted {
        timing: parse_timing(ExportId(id), &timing)?,
        skus: skus.unsigned_abs(),
        in_stock: in_stock.unsigned_abs(),
    }))
}

fn facts_in(tx: &Transaction<'_>, id: ExportId) -> Result<Facts> {
    let last = last_in(tx)?;
    // Since the last admission, when was the first export held that is still waiting or was overtaken while held?
    let holding_since: Option<i64> = tx
        .query_row(
            "SELECT min(seen_at) FROM export WHERE verdict LIKE '%\"held\"%' AND id <> ?1
             AND id > coalesce((SELECT max(id) FROM export WHERE verdict LIKE '%\"admitted\"%'), 0)",
            [id.0],
            |row| row.get(0),
        )
        .doing("see since when exports are held")?;
    Ok(Facts { last, unproved: files::unproved_in(tx)?, holding_since: holding_since.map(at_column) })
}

fn close(
    tx: &Transaction<'_>,
    id: ExportId,
    state: ExportState,
    kept: &KeptVerdict,
    at: Option<Timestamp>,
) -> Result<()> {
    let kept = to_json(kept)?;
    // A verdict that has not changed is not written again: a held export is asked about at every sweep.
    tx.execute(
        "UPDATE export SET state = ?2, verdict = ?3, decided_at = coalesce(?4, decided_at)
         WHERE id = ?1 AND (state <> ?2 OR verdict IS NOT ?3)",
        params![id.0, state.word(), kept, at.map(micros)],
    )
    .map(|_| ())
    .doing("note the gate's decision")
}

fn admit_in(
    tx: &Transaction<'_>,
    snapshot: &AdmittedSnapshot,
    unproved: &[String],
    missing: Missing,
    now: Timestamp,
) -> Result<()> {
    let id = snapshot.export();
    let gone = settle_missing(tx, id, missing).doing("settle items that the export lacks")?;
    mark_changed_due(tx, id, now).doing("mark the items that changed")?;
    tx.execute(
        "UPDATE export SET state = 'superseded' WHERE state = 'admitted' OR (state = 'held' AND id < ?1)",
        [id.0],
    )
    .doing("set the older export aside")?;
    let kept = KeptVerdict::Admitted { unproved: unproved.to_vec(), missing: gone.unsigned_abs() };
    close(tx, id, ExportState::Admitted, &kept, Some(now))?;
    tx.execute(
        "UPDATE export SET evidence_until = ?2 WHERE id = ?1",
        params![id.0, snapshot.evidence_until().map(micros)],
    )
    .map(|_| ())
    .doing("admit an export")
}

/// Counts the SKUs that the export before had and this one lacks, and fills them in where the shop wants that.
fn settle_missing(tx: &Transaction<'_>, id: ExportId, missing: Missing) -> rusqlite::Result<i64> {
    const LACKING: &str = "FROM export e JOIN stock_row was ON was.export_id = e.id
        WHERE e.state = 'admitted' AND NOT EXISTS (SELECT 1 FROM stock_row now WHERE now.export_id = ?1 AND now.sku = was.sku)";
    let gone = tx.query_row(&format!("SELECT count(*) {LACKING}"), [id.0], |row| row.get(0))?;
    let insert = "INSERT INTO stock_row (export_id, sku, quantity, line) SELECT ?1, was.sku,";
    const UNREADABLE: &str = "was.sku IN (SELECT json_extract(error.value, '$.sku') FROM export this,
        json_each(this.report, '$.row_errors') error WHERE this.id = ?1)";
    match missing {
        Missing::Report => {}
        Missing::Zero => {
            // A row that could not be read is not missing: what it says is unknown, and never zero.
            let kept = format!("{insert} was.quantity, was.line {LACKING} AND {UNREADABLE}");
            tx.execute(&kept, [id.0])?;
            tx.execute(&format!("{insert} '0', 0 {LACKING}"), [id.0])?;
        }
        Missing::Keep => {
            tx.execute(&format!("{insert} was.quantity, was.line {LACKING}"), [id.0])?;
        }
    }
    Ok(gone)
}

/// Due are the SKUs whose count changed, and those of orders that this snapshot may prove and the last could not.
fn mark_changed_due(tx: &Transaction<'_>, id: ExportId, now: Timestamp) -> rusqlite::Result<()> {
    let due = |from: &str| {
        format!(
            "INSERT INTO outbox_stock (sku, due_since) {from}
             ON CONFLICT (sku) DO UPDATE SET mark = mark + 1, ready_at = iif(leased, ready_at, 0)"
        )
    };
    tx.execute(
        &due("SELECT now.sku, ?2 FROM stock_row now
              LEFT JOIN export e ON e.state = 'admitted'
              LEFT JOIN stock_row was ON was.export_id = e.id AND was.sku = now.sku
              WHERE now.export_id = ?1 AND was.quantity IS NOT now.quantity"),
        params![id.0, micros(now)],
    )?;
    tx.execute(
        &due("SELECT DISTINCT u.sku, ?2 FROM order_file f JOIN order_file_units u ON u.name = f.name
              JOIN stock_row r ON r.export_id = ?1 AND r.sku = u.sku
              WHERE f.state = 'taken' AND f.ended_at > coalesce(
                (SELECT evidence_until FROM export WHERE state = 'admitted' ORDER BY id DESC LIMIT 1), -9223372036854775808)"),
        params![id.0, micros(now)],
    )?;
    Ok(())
}
