//! Order files: journalled before they are written, so that after a crash it is known what the till may have seen.
//!
//! States that a crash can leave, and what they mean to the next start:
//! *planned*: nothing is visible, the file may lie half-written in staging; it is written anew.
//! *staged*: the whole file was durable in staging. Still there: not revealed yet, go on. Gone: it was revealed, and the
//! till may have taken it since; it counts as visible from the moment of staging. It is never written a second time.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use sha2::{Digest, Sha256};

use super::orders::{AGENT, move_order};
use super::{Doing, Ledger, Result, acknowledgements, at_column, item_map, micros, outbox};
use crate::domain::gate::PublishedOrder;
use crate::domain::order::OrderEvent;
use crate::domain::{ItemMap, OrderId, Sku};
use crate::ports::{OrderFile, Stage, hex};

/// How far an order file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// Journalled; not yet durable.
    Planned,
    /// Durable, invisible.
    Staged,
    /// Where the till looks.
    Visible,
}

/// An order file that has not come to its end.
#[derive(Debug, Clone)]
pub struct OpenFile {
    /// Its name.
    pub name: String,
    /// The order's key.
    pub order: OrderId,
    /// The order's number.
    pub number: String,
    /// First, second … file of this order.
    pub copy: u32,
    /// How far it is.
    pub state: FileState,
    /// Has its order nothing left to book?
    pub void: bool,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// When it was planned.
    pub planned_at: Timestamp,
    /// When it became visible.
    pub visible_at: Option<Timestamp>,
}

/// An order file, for `orders show`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct FileShown {
    /// Its name.
    pub name: String,
    /// Its state's word.
    pub state: String,
    /// When it became visible to the till.
    pub visible_at: Option<Timestamp>,
    /// When it was taken, rejected or withdrawn.
    pub ended_at: Option<Timestamp>,
    /// What proves it.
    pub evidence: Option<String>,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

/// SHA-256 as 64 hex digits.
pub fn fingerprint(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

impl Ledger {
    /// The running number of this order's file, for its name: the one that it was planned with, else the next one.
    /// It is used up only by [`Ledger::file_planned`].
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn file_sequence(&self, order: &OrderId, copy: u32) -> Result<u64> {
        let sql = "SELECT coalesce((SELECT sequence FROM order_file_sequence WHERE order_id = ?1 AND copy = ?2),
                     (SELECT coalesce(max(sequence), 0) + 1 FROM order_file_sequence))";
        self.read("number an order file", |tx| {
            let number: i64 =
                tx.query_row(sql, params![order.0, copy], |row| row.get(0)).doing("number an order file")?;
            Ok(number.unsigned_abs())
        })
    }

    /// [`Ledger::file_planned_under`] for a till that calls every item as the store does.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn file_planned(&self, order: &OrderId, copy: u32, file: &OrderFile, now: Timestamp) -> Result<()> {
        self.file_planned_under(order, copy, file, &ItemMap::default(), now).map(|_| ())
    }

    /// Journals a file that is about to be written, with its units by web SKU and the codes that stand in it. Doing so
    /// again for the same name and bytes changes nothing. False, and nothing noted: a code is another one since the file
    /// was rendered, so that it has to be rendered anew.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn file_planned_under(
        &self,
        order: &OrderId,
        copy: u32,
        file: &OrderFile,
        codes: &ItemMap,
        now: Timestamp,
    ) -> Result<bool> {
        let skus: Vec<Sku> = file.units.iter().map(|(sku, _)| sku.clone()).collect();
        self.transact("plan an order file", |tx| {
            let codes_now = item_map::map_of(tx, &skus)?;
            if skus.iter().any(|sku| codes.till_of(sku) != codes_now.till_of(sku)) {
                return Ok(false);
            }
            plan(tx, order, copy, file, codes, now).doing("plan an order file")?;
            Ok(true)
        })
    }

    /// Notes that a planned file is durable in staging.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn file_staged(&self, name: &str) -> Result<()> {
        self.write("note a staged file", |tx| {
            tx.execute("UPDATE order_file SET state = 'staged' WHERE name = ?1 AND state = 'planned'", [name])
                .map(|_| ())
        })
    }

    /// Notes that a file is visible to the till: the order is published.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in a state that forbids it.
    pub fn file_visible(&self, file: &OpenFile, since: Timestamp, now: Timestamp) -> Result<()> {
        self.transact("note a published order", |tx| {
            tx.execute(
                "UPDATE order_file SET state = 'visible', visible_at = ?2 WHERE name = ?1",
                params![file.name, micros(since)],
            )
            .doing("note a published file")?;
            tx.execute("UPDATE web_order SET copies = max(copies, ?2) WHERE id = ?1", params![file.order.0, file.copy])
                .doing("count an order's files")?;
            move_order(tx, &file.order, OrderEvent::Published, Some(&file.name), AGENT, now)
        })
    }

    /// Notes that the till took a file: the order is consumed, the store is to be told, its SKUs are due.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in a state that forbids it.
    pub fn file_taken(&self, file: &OpenFile, at: Timestamp, evidence: &str, now: Timestamp) -> Result<()> {
        self.transact("note a taken order", |tx| {
            end_file(tx, &file.name, "taken", at, evidence)?;
            move_order(tx, &file.order, OrderEvent::Taken, Some(evidence), AGENT, now)?;
            acknowledgements::enqueue(tx, file, Stage::Consumed, at, now)?;
            outbox::mark_order_due(tx, &file.order, now)
        })
    }

    /// Notes that the till refused a file.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in a state that forbids it.
    pub fn file_rejected(&self, file: &OpenFile, at: Timestamp, evidence: &str, now: Timestamp) -> Result<()> {
        self.transact("note a rejected order", |tx| {
            end_file(tx, &file.name, "rejected", at, evidence)?;
            move_order(tx, &file.order, OrderEvent::Refused, Some(evidence), AGENT, now)?;
            acknowledgements::enqueue(tx, file, Stage::Rejected, at, now)?;
            outbox::mark_order_due(tx, &file.order, now)
        })
    }

    /// Notes that a file was taken back before the till took it.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in a state that forbids it.
    pub fn file_withdrawn(&self, file: &OpenFile, now: Timestamp) -> Result<()> {
        self.transact("note a withdrawn order", |tx| {
            end_file(tx, &file.name, "withdrawn", now, "taken back from the import folder")?;
            let why = "cancelled in the web store before the till took it";
            move_order(tx, &file.order, OrderEvent::Withdrawn, Some(why), AGENT, now)
        })
    }

    /// Notes that a file was removed from staging before the till could see it, because its order was cancelled.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in a state that forbids it.
    pub fn file_unstaged(&self, file: &OpenFile, now: Timestamp) -> Result<()> {
        self.transact("note an order that was never shown", |tx| {
            end_file(tx, &file.name, "withdrawn", now, "removed before the till could see it")?;
            let why = "cancelled in the web store before the till could see it";
            move_order(tx, &file.order, OrderEvent::Withdrawn, Some(why), AGENT, now)
        })
    }

    /// An order was asked for again, and its older file had left the import folder by then: the till may have booked
    /// it. The order stays published until there is evidence.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in a state that forbids it.
    pub fn order_may_be_taken(&self, order: &OrderId, name: &str, now: Timestamp) -> Result<()> {
        let why = format!(
            "not written again: {name} left the import folder meanwhile, so the till took it or it was lost; if the till does not show the order, ask for it with --again once more"
        );
        self.transact("put an order back", |tx| move_order(tx, order, OrderEvent::Published, Some(&why), AGENT, now))
    }

    /// Ends an older file of an order that a person asked for again; it was taken back from the import folder.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn file_superseded(&self, name: &str, now: Timestamp) -> Result<()> {
        self.transact("end an older order file", |tx| {
            end_file(tx, name, "withdrawn", now, "taken back, and written again on a person's word")
        })
    }

    /// Files that have not come to their end, oldest first. At most one per order: the newest copy.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn open_files(&self) -> Result<Vec<OpenFile>> {
        self.read("list open order files", |tx| {
            let sql = format!(
                "{OPEN} WHERE f.state IN ('planned', 'staged', 'visible') AND {NEWEST} ORDER BY f.planned_at, f.name"
            );
            let mut found = tx.prepare_cached(&sql).doing("list open order files")?;
            found.query_map([], open_file).and_then(Iterator::collect).doing("list open order files")
        })
    }

    /// The newest files of orders that count as taken on this evidence since then.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn taken_since(&self, since: Timestamp, evidence: &str) -> Result<Vec<OpenFile>> {
        self.read("list taken order files", |tx| {
            let sql = format!(
                "{OPEN} WHERE f.state = 'taken' AND f.ended_at >= ?1 AND f.evidence = ?2
                   AND o.state IN ('consumed', 'acknowledged') AND {NEWEST} ORDER BY f.ended_at, f.name"
            );
            let mut found = tx.prepare_cached(&sql).doing("list taken order files")?;
            found
                .query_map(params![micros(since), evidence], open_file)
                .and_then(Iterator::collect)
                .doing("list taken order files")
        })
    }

    /// A staged file by its name.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn staged_file(&self, name: &str) -> Result<Option<OpenFile>> {
        self.read("read an order file", |tx| {
            let sql = format!("{OPEN} WHERE f.name = ?1 AND f.state = 'staged'");
            tx.prepare_cached(&sql)
                .and_then(|mut found| found.query_row([name], open_file).optional())
                .doing("read an order file")
        })
    }

    /// The files of an order, oldest first.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn files_of(&self, order: &OrderId) -> Result<Vec<FileShown>> {
        self.read("list an order's files", |tx| {
            let mut found = tx
                .prepare_cached(
                    "SELECT name, state, visible_at, ended_at, evidence, sha256 FROM order_file WHERE order_id = ?1 ORDER BY copy",
                )
                .doing("list an order's files")?;
            let shown = found.query_map([&order.0], |row| {
                Ok(FileShown {
                    name: row.get(0)?,
                    state: row.get(1)?,
                    visible_at: row.get::<_, Option<i64>>(2)?.map(at_column),
                    ended_at: row.get::<_, Option<i64>>(3)?.map(at_column),
                    evidence: row.get(4)?,
                    sha256: row.get(5)?,
                })
            });
            shown.and_then(Iterator::collect).doing("list an order's files")
        })
    }
}

impl Ledger {
    /// Orders whose files are with the till, without evidence that it took them.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn waiting_for_till(&self) -> Result<Vec<PublishedOrder>> {
        self.read("list orders that wait for the till", unproved_in)
    }
}

/// Files with the till and without evidence: what the gate asks about.
pub(crate) fn unproved_in(tx: &Transaction<'_>) -> Result<Vec<PublishedOrder>> {
    let mut found = tx
        .prepare_cached(
            "SELECT o.number, coalesce(f.visible_at, f.planned_at) FROM order_file f JOIN web_order o ON o.id = f.order_id
             WHERE f.state IN ('staged', 'visible') ORDER BY 2",
        )
        .doing("list unproved orders")?;
    let orders = found.query_map([], |row| {
        Ok(PublishedOrder { number: row.get(0)?, published_at: at_column(row.get(1)?), taken_at: None })
    });
    orders.and_then(Iterator::collect).doing("list unproved orders")
}

/// Journals a file with its running number, its units and their codes.
fn plan(
    tx: &Transaction<'_>,
    order: &OrderId,
    copy: u32,
    file: &OrderFile,
    codes: &ItemMap,
    now: Timestamp,
) -> rusqlite::Result<()> {
    // What no till can have seen is planned anew under the same name.
    let unseen = "name = ?1 AND (state = 'planned' OR (state = 'withdrawn' AND visible_at IS NULL))";
    let of_unseen = format!("name IN (SELECT name FROM order_file WHERE {unseen})");
    tx.execute(&format!("DELETE FROM order_file_units WHERE {of_unseen}"), [&file.name])?;
    tx.execute(&format!("DELETE FROM order_file WHERE {unseen}"), [&file.name])?;
    tx.execute(
        "INSERT INTO order_file (name, order_id, copy, sha256, bytes, state, planned_at) VALUES (?1, ?2, ?3, ?4, ?5, 'planned', ?6)",
        params![file.name, order.0, copy, fingerprint(&file.bytes), file.bytes.len() as i64, micros(now)],
    )?;
    if let Some(sequence) = file.sequence.and_then(|sequence| i64::try_from(sequence).ok()) {
        let sql = "INSERT INTO order_file_sequence (sequence, order_id, copy) VALUES (?1, ?2, ?3)
                   ON CONFLICT (order_id, copy) DO NOTHING";
        tx.execute(sql, params![sequence, order.0, copy])?;
    }
    let mut insert =
        tx.prepare_cached("INSERT INTO order_file_units (name, sku, units, booked_as) VALUES (?1, ?2, ?3, ?4)")?;
    for (sku, units) in &file.units {
        let code = codes.till_of(sku).unwrap_or(sku);
        insert.execute(params![file.name, sku.as_str(), units.to_string(), code.as_str()])?;
    }
    Ok(())
}

const OPEN: &str = "SELECT f.name, f.order_id, o.number, f.copy, f.state, f.sha256, f.planned_at, f.visible_at, o.void
     FROM order_file f JOIN web_order o ON o.id = f.order_id";

/// No later file of the same order was planned.
const NEWEST: &str = "NOT EXISTS (SELECT 1 FROM order_file g WHERE g.order_id = f.order_id AND g.copy > f.copy)";

fn open_file(row: &Row<'_>) -> rusqlite::Result<OpenFile> {
    let state = match row.get::<_, String>(4)?.as_str() {
        // A till that takes a file away first may refuse it later; until then it counts as taken.
        "visible" | "taken" => FileState::Visible,
        "staged" => FileState::Staged,
        _ => FileState::Planned,
    };
    Ok(OpenFile {
        name: row.get(0)?,
        order: OrderId(row.get(1)?),
        number: row.get(2)?,
        copy: row.get(3)?,
        state,
        sha256: row.get(5)?,
        planned_at: at_column(row.get(6)?),
        visible_at: row.get::<_, Option<i64>>(7)?.map(at_column),
        void: row.get(8)?,
    })
}

fn end_file(tx: &Transaction<'_>, name: &str, state: &str, at: Timestamp, evidence: &str) -> Result<()> {
    tx.execute(
        "UPDATE order_file SET state = ?2, ended_at = ?3, evidence = ?4 WHERE name = ?1",
        params![name, state, micros(at), evidence],
    )
    .doing("note what became of an order file")?;
    item_map::mark_others_due(tx, name, at)
}
