//! What an admission does to the rows: a full export takes the place of all before it; changes are merged into it.
//!
//! Promises: every row knows the export that says so, and is reconciled with that export's evidence, never with a younger
//! one's; an item that the till has no more counts as zero; what changed, and what can be proved now and could not
//! before, becomes due in the same transaction.

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::admission::{base_in, in_stock, newest_in, parse_timing};
use super::exports::{ExportState, Missing};
use super::item_map::{Names, due};
use super::{Doing, Ledger, Result, at_column, facts, held, micros};
use crate::domain::stock::Scope;
use crate::domain::{AdmittedSnapshot, ExportId};
use crate::ports::FeedCursor;

/// SKUs that the export which counts has and `?1` lacks.
const LACKING: &str = "FROM export e JOIN stock_row was ON was.export_id = e.id
    WHERE e.state = 'admitted' AND NOT EXISTS (SELECT 1 FROM stock_row now WHERE now.export_id = ?1 AND now.sku = was.sku)";
/// SKUs of which a row of `?1` could not be used. What it says is unknown: neither missing nor zero.
const UNREADABLE: &str = "was.sku IN (SELECT json_extract(error.value, '$.sku') FROM export this,
    json_each(this.report, '$.row_errors') error WHERE this.id = ?1)";
/// The time before all evidence.
const NEVER: &str = "-9223372036854775808";

/// What counts now, as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counting {
    /// The export that was admitted last.
    pub newest: ExportId,
    /// When the youngest export that is in it was made.
    pub made_at: Timestamp,
    /// How far the order feed had been read: what is known of orders at this moment reaches up to there.
    pub orders_read: Option<FeedCursor>,
}

/// Items that the export which counts lacks, although an earlier one had them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingItems {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: Vec<String>,
}

impl Ledger {
    /// Items that are missing from the export which counts, while the shop wants that reported.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn missing_items(&self, limit: u32) -> Result<MissingItems> {
        self.read("list missing items", |tx| {
            let doing = "list missing items";
            let count: i64 = tx.query_row("SELECT count(*) FROM missing_item", [], |row| row.get(0)).doing(doing)?;
            let mut found = tx.prepare_cached("SELECT sku FROM missing_item ORDER BY sku LIMIT ?1").doing(doing)?;
            let first = found.query_map([limit], |row| row.get(0)).and_then(Iterator::collect).doing(doing)?;
            Ok(MissingItems { count: count.unsigned_abs(), first })
        })
    }
}

/// What counts now, as a whole; `None` before the first export was admitted.
pub(crate) fn counting_in(tx: &Transaction<'_>) -> Result<Option<Counting>> {
    let (Some(base), Some(newest)) = (base_in(tx)?, newest_in(tx)?) else { return Ok(None) };
    let orders_read = super::fact_in(tx, facts::FEED_CURSOR)?.map(FeedCursor);
    Ok(Some(Counting { newest: newest.id, made_at: made_at(tx, base)?, orders_read }))
}

fn made_at(tx: &Transaction<'_>, base: ExportId) -> Result<Timestamp> {
    let (timing, merged): (String, Option<i64>) = tx
        .query_row("SELECT timing, merged_as_of FROM export WHERE id = ?1", [base.0], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .doing("read when an export was made")?;
    let own = parse_timing(base, &timing)?.shown();
    Ok(merged.map_or(own, |merged| at_column(merged).max(own)))
}

/// Lets the rows of an admitted export count. Returns how many SKUs it lacks that counted before.
pub(crate) fn admit_rows(
    tx: &Transaction<'_>,
    snapshot: &AdmittedSnapshot,
    scope: Scope,
    missing: Missing,
    now: Timestamp,
) -> Result<u64> {
    let id = snapshot.export();
    tx.execute(
        "UPDATE export SET evidence_until = ?2, evidence_from = ?2 WHERE id = ?1",
        params![id.0, snapshot.evidence_until().map(micros)],
    )
    .doing("admit an export")?;
    match (scope, base_in(tx)?) {
        (Scope::Delta, Some(base)) => merge(tx, id, base, now).map(|()| 0),
        (Scope::Full, base) => {
            let younger = base.map(|base| younger_changes(tx, id, base)).transpose()?.unwrap_or_default();
            if let Some(base) = base.filter(|_| !younger.is_empty()) {
                lay_over(tx, id, base, &younger)?;
            }
            let gone = settle_missing(tx, id, missing, now).doing("settle items that the export lacks")?;
            replace(tx, id, now)?;
            for merged in &younger {
                set_state(tx, *merged, ExportState::Merged)?;
            }
            Ok(gone.unsigned_abs())
        }
        (Scope::Delta, None) => {
            let deleted = "UPDATE stock_row SET quantity = '0' WHERE export_id = ?1 AND quantity = 'DELETE'";
            tx.execute(deleted, [id.0]).doing("settle deletions")?;
            replace(tx, id, now).map(|()| 0)
        }
    }
}

/// The exports of changes that count and were made after this full one, which had to wait.
fn younger_changes(tx: &Transaction<'_>, id: ExportId, base: ExportId) -> Result<Vec<ExportId>> {
    let doing = "find the changes since";
    let own: String = tx.query_row("SELECT timing FROM export WHERE id = ?1", [id.0], |row| row.get(0)).doing(doing)?;
    let own = parse_timing(id, &own)?;
    let mut found = tx
        .prepare_cached("SELECT id, timing FROM export WHERE scope = 'delta' AND (state = 'merged' OR id = ?1)")
        .doing(doing)?;
    let all = found.query_map([base.0], |row| Ok((ExportId(row.get(0)?), row.get::<_, String>(1)?)));
    let all: Vec<(ExportId, String)> = all.and_then(Iterator::collect).doing(doing)?;
    let mut younger = Vec::new();
    for (changes, timing) in all {
        if own.is_older_than(&parse_timing(changes, &timing)?) {
            younger.push(changes);
        }
    }
    Ok(younger)
}

/// Rows of younger changes go on counting over those of a full export, with the evidence of their own time.
fn lay_over(tx: &Transaction<'_>, id: ExportId, base: ExportId, younger: &[ExportId]) -> Result<()> {
    let doing = "lay the changes since over a full export";
    let mut lay = tx
        .prepare_cached(
            "INSERT INTO stock_row (export_id, sku, quantity, line, row, origin)
             SELECT ?1, sku, quantity, line, row, ?3 FROM stock_row
             WHERE export_id = ?2 AND coalesce(origin, export_id) = ?3
             ON CONFLICT (export_id, sku) DO UPDATE SET quantity = excluded.quantity, line = excluded.line,
               row = excluded.row, origin = excluded.origin",
        )
        .doing(doing)?;
    let mut made = made_at(tx, id)?;
    for changes in younger {
        lay.execute([id.0, base.0, changes.0]).doing(doing)?;
        made = made.max(made_at(tx, *changes)?);
    }
    let in_stock = in_stock("quantity");
    tx.execute(
        &format!(
            "UPDATE export SET merged_as_of = ?2,
               skus = (SELECT count(*) FROM stock_row WHERE export_id = ?1),
               in_stock = (SELECT count(*) FROM stock_row WHERE export_id = ?1 AND {in_stock}) WHERE id = ?1"
        ),
        params![id.0, micros(made)],
    )
    .doing(doing)?;
    evidence_from_kept_rows(tx, id).doing(doing)
}

/// The export takes the place of all before it.
fn replace(tx: &Transaction<'_>, id: ExportId, now: Timestamp) -> Result<()> {
    mark_changed_due(tx, id, Names::of(tx)?, now).doing("mark the items that changed")?;
    held::supersede_older(tx, id)?;
    tx.execute("UPDATE export SET state = 'superseded' WHERE state IN ('admitted', 'merged')", [])
        .doing("set the older export aside")?;
    set_state(tx, id, ExportState::Admitted)
}

/// The export's rows take the place of those of the same SKUs, and nothing else.
fn merge(tx: &Transaction<'_>, id: ExportId, base: ExportId, now: Timestamp) -> Result<()> {
    mark_changed_due(tx, id, Names::of(tx)?, now).doing("mark the items that changed")?;
    count_anew(tx, id, base).doing("count the items that changed")?;
    tx.execute(
        "INSERT INTO stock_row (export_id, sku, quantity, line, row, origin)
         SELECT ?2, sku, iif(quantity = 'DELETE', '0', quantity), line, row, ?1 FROM stock_row WHERE export_id = ?1
         ON CONFLICT (export_id, sku) DO UPDATE SET quantity = excluded.quantity, line = excluded.line,
           row = excluded.row, origin = excluded.origin",
        params![id.0, base.0],
    )
    .doing("merge changes")?;
    tx.execute("DELETE FROM missing_item WHERE sku IN (SELECT sku FROM stock_row WHERE export_id = ?1)", [id.0])
        .doing("merge changes")?;
    let made = made_at(tx, base)?.max(made_at(tx, id)?);
    tx.execute(
        &format!(
            "UPDATE export SET merged_as_of = ?3, evidence_from = min(coalesce(evidence_from, {NEVER}),
               coalesce((SELECT evidence_until FROM export WHERE id = ?1), {NEVER})) WHERE id = ?2"
        ),
        params![id.0, base.0, micros(made)],
    )
    .doing("merge changes")?;
    set_state(tx, id, ExportState::Merged)
}

fn set_state(tx: &Transaction<'_>, id: ExportId, state: ExportState) -> Result<()> {
    tx.execute("UPDATE export SET state = ?2 WHERE id = ?1", params![id.0, state.word()])
        .map(|_| ())
        .doing("admit an export")
}

/// How many SKUs count, and are in stock, once these changes are merged.
fn count_anew(tx: &Transaction<'_>, id: ExportId, base: ExportId) -> rusqlite::Result<usize> {
    let (now, was) = (in_stock("now.quantity"), in_stock("was.quantity"));
    let (new, more): (i64, i64) = tx.query_row(
        &format!(
            "SELECT coalesce(sum(was.sku IS NULL), 0), coalesce(sum({now} - coalesce({was}, 0)), 0) FROM stock_row now
             LEFT JOIN stock_row was ON was.export_id = ?2 AND was.sku = now.sku WHERE now.export_id = ?1"
        ),
        [id.0, base.0],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    tx.execute("UPDATE export SET skus = skus + ?2, in_stock = in_stock + ?3 WHERE id = ?1", params![base.0, new, more])
}

/// Counts the SKUs that counted before and that this full export lacks; fills them in, or notes them, as the shop wants.
fn settle_missing(tx: &Transaction<'_>, id: ExportId, missing: Missing, now: Timestamp) -> rusqlite::Result<i64> {
    let gone = tx.query_row(&format!("SELECT count(*) {LACKING}"), [id.0], |row| row.get(0))?;
    // What is kept goes on saying what it said, with the evidence of its own time.
    let keep = "INSERT INTO stock_row (export_id, sku, quantity, line, row, origin)
        SELECT ?1, was.sku, was.quantity, was.line, was.row, coalesce(was.origin, was.export_id)";
    let found_again = "DELETE FROM missing_item WHERE sku IN (SELECT sku FROM stock_row WHERE export_id = ?1)";
    match missing {
        Missing::Report => {
            tx.execute(found_again, [id.0])?;
            let lacking = format!(
                "INSERT INTO missing_item (sku, since) SELECT was.sku, ?2 {LACKING} AND NOT {UNREADABLE}
                 ON CONFLICT DO NOTHING"
            );
            tx.execute(&lacking, params![id.0, micros(now)])?;
            return Ok(gone);
        }
        Missing::Zero => {
            tx.execute(&format!("{keep} {LACKING} AND {UNREADABLE}"), [id.0])?;
            let zero = "INSERT INTO stock_row (export_id, sku, quantity, line) SELECT ?1, was.sku, '0', 0";
            tx.execute(&format!("{zero} {LACKING}"), [id.0])?;
        }
        Missing::Keep => {
            tx.execute(&format!("{keep} {LACKING}"), [id.0])?;
        }
    }
    tx.execute("DELETE FROM missing_item", [])?;
    if gone > 0 {
        evidence_from_kept_rows(tx, id)?;
    }
    Ok(gone)
}

fn evidence_from_kept_rows(tx: &Transaction<'_>, id: ExportId) -> rusqlite::Result<()> {
    let least = format!(
        "SELECT min(coalesce(o.evidence_until, {NEVER})) FROM
           (SELECT DISTINCT origin FROM stock_row WHERE export_id = ?1 AND origin IS NOT NULL) kept
         JOIN export o ON o.id = kept.origin"
    );
    tx.execute(
        &format!(
            "UPDATE export SET evidence_from = min(evidence_from, coalesce(({least}), evidence_from)) WHERE id = ?1"
        ),
        [id.0],
    )
    .map(|_| ())
}

/// Due are the web SKUs of this export's items whose count changed, and of those in orders that it may prove and what
/// counted before could not.
fn mark_changed_due(tx: &Transaction<'_>, id: ExportId, names: Names, now: Timestamp) -> rusqlite::Result<()> {
    let web = names.web_of("now.sku");
    tx.execute(
        &due(&format!(
            "SELECT {web}, ?2 FROM stock_row now
             LEFT JOIN export e ON e.state = 'admitted'
             LEFT JOIN stock_row was ON was.export_id = e.id AND was.sku = now.sku
             WHERE now.export_id = ?1 AND was.quantity IS NOT iif(now.quantity = 'DELETE', '0', now.quantity)
               AND {web} IS NOT NULL"
        )),
        params![id.0, micros(now)],
    )?;
    let files = "order_file f INDEXED BY order_file_taken CROSS JOIN order_file_units u ON u.name = f.name AND u.order_id = f.order_id";
    tx.execute(&due(&proved(names, files, "f.ended_at")), params![id.0, micros(now)])?;
    // A person's word about the code under which units are booked is as old as it is.
    let by_word = "order_file_units u INDEXED BY order_file_units_booked CROSS JOIN order_file f ON f.name = u.name AND f.order_id = u.order_id";
    tx.execute(&due(&proved(names, by_word, "u.booked_at")), params![id.0, micros(now)])?;
    Ok(())
}

/// Items of files in `from` that were taken `at` a time which this export proves and what counted before did not. The
/// first condition on the time holds for the whole export and is answered by the index; the second is the row's own.
/// Indexes and the order of the joins are named: SQLite, knowing no numbers of rows, would begin with all rows.
fn proved(names: Names, from: &str, at: &str) -> String {
    let web = names.web_of("u.booked_as");
    format!(
        "SELECT DISTINCT {web}, ?2 FROM {from}
         CROSS JOIN stock_row r ON r.export_id = ?1 AND r.sku = u.booked_as
         LEFT JOIN export e ON e.state = 'admitted'
         LEFT JOIN stock_row was ON was.export_id = e.id AND was.sku = u.booked_as
         LEFT JOIN export o ON o.id = coalesce(was.origin, was.export_id)
         WHERE f.state = 'taken' AND {at} > coalesce(
             (SELECT evidence_from FROM export WHERE state = 'admitted' ORDER BY id DESC LIMIT 1), {NEVER})
           AND {at} > coalesce(o.evidence_until, {NEVER}) AND {web} IS NOT NULL"
    )
}
