//! Order files: journalled before they are written, so that after a crash it is known what the till may have seen.
//!
//! States that a crash can leave, and what they mean to the next start:
//! *planned*: nothing is visible, the file may lie half-written in staging; it is written anew.
//! *staged*: the whole file was durable in staging. Still there: not revealed yet, go on. Gone: it was revealed, and the
//! till may have taken it since; it counts as visible from the moment of staging. It is never written a second time.

use jiff::Timestamp;
use rusqlite::{Row, Transaction, params};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::orders::{AGENT, move_order, withdrawn_because};
use super::{Doing, Ledger, LedgerError, Result, at_column, corrections, declarations, micros, older};
use crate::domain::OrderId;
use crate::domain::gate::PublishedOrder;
use crate::domain::order::OrderEvent;
use crate::ports::{Awaited, AwaitedOrder, FileNames, Marks, Purpose, hex};

/// How far an order file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// Journalled; not yet durable.
    Planned,
    /// Durable, invisible.
    Staged,
    /// Where the till looks.
    Visible,
    /// Gone from there, without proof that the till booked it.
    Left,
    /// The till took it.
    Taken,
}

/// An order file, with the orders in it that are equally far.
#[derive(Debug, Clone)]
pub struct OpenFile {
    /// Its names.
    pub names: FileNames,
    /// What it is for.
    pub purpose: Purpose,
    /// How far it is.
    pub state: FileState,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// When it was planned.
    pub planned_at: Timestamp,
    /// When it became visible.
    pub visible_at: Option<Timestamp>,
    /// When it was first seen to be gone.
    pub left_at: Option<Timestamp>,
    /// The till's reports as they were before it was written.
    pub marks: Marks,
    /// The orders, at least one.
    pub orders: Vec<FileOrder>,
}

/// An order in an order file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOrder {
    /// Its key.
    pub id: OrderId,
    /// Its number.
    pub number: String,
    /// First, second … file of this order.
    pub copy: u32,
    /// What it was when the file was planned ([`super::plans::version_of`]).
    pub version: String,
    /// Has it nothing left to book?
    pub void: bool,
    /// What was seen of it in this file last; empty: nothing yet.
    pub evidence: String,
}

impl OpenFile {
    /// Is it a cancellation file that lies where the till looks?
    pub fn is_waiting_cancellation(&self) -> bool {
        (self.purpose, self.state) == (Purpose::Cancellation, FileState::Visible)
    }

    /// What is to be looked for.
    pub fn awaited(&self) -> Awaited {
        let order = |order: &FileOrder| AwaitedOrder { id: order.id.clone(), number: order.number.clone() };
        let orders = self.orders.iter().map(order).collect();
        let is_expected = self.state == FileState::Visible;
        Awaited { names: self.names.clone(), is_expected, orders, marks: self.marks.clone() }
    }
}

/// An order file, for `orders show`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct FileShown {
    /// Its name.
    pub name: String,
    /// What it is for: `order`, `cancellation`, or `by-hand` for what staff booked in the till themselves.
    pub kind: String,
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

    /// Notes that a file is visible to the till: its orders are published. One that is further already stays as it is.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn file_visible(&self, file: &OpenFile, since: Timestamp, now: Timestamp) -> Result<()> {
        self.transact("note a published order", |tx| {
            for order in &file.orders {
                visible_in(tx, &file.names.name, file.purpose, (&order.id, order.copy), since, now)?;
            }
            Ok(())
        })
    }

    /// Has there been a file of this name, alone or beside an order file?
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn knows_file(&self, name: &str) -> Result<bool> {
        self.read("look for an order file", |tx| {
            let sql = "SELECT EXISTS (SELECT 1 FROM order_file WHERE name = ?1) OR EXISTS (SELECT 1 FROM order_file f,
                       json_each(f.beside) b WHERE json_extract(b.value, '$.name') = ?1)";
            tx.query_row(sql, [name], |row| row.get(0)).doing("look for an order file")
        })
    }

    /// Is it known of an order in this file what the till did with it? Then the till has begun with the file.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn is_begun(&self, name: &str) -> Result<bool> {
        self.read("look whether the till has begun with a file", |tx| older::has_begun(tx, name))
    }

    /// Files that have not come to their end, oldest first. Of an order only the newest copy, and every cancellation.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn open_files(&self) -> Result<Vec<OpenFile>> {
        self.read("list open order files", |tx| {
            let sql = format!(
                "{OPEN} WHERE f.state IN ('planned', 'staged', 'visible', 'left') AND {NEWEST}
                 ORDER BY f.planned_at, f.name, f.state, f.order_id"
            );
            grouped(tx, &sql, params![])
        })
    }

    /// A staged file by its name.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn staged_file(&self, name: &str) -> Result<Option<OpenFile>> {
        self.read("read an order file", |tx| {
            let sql = format!("{OPEN} WHERE f.name = ?1 AND f.state = 'staged' ORDER BY f.order_id");
            Ok(grouped(tx, &sql, params![name])?.into_iter().next())
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
                    "SELECT name, state, visible_at, coalesce(ended_at, left_at), evidence, sha256, kind FROM order_file
                     WHERE order_id = ?1 ORDER BY planned_at, copy",
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
                    kind: row.get(6)?,
                })
            });
            shown.and_then(Iterator::collect).doing("list an order's files")
        })
    }
}

/// Notes that an order's file is visible. An order that is further already (a person declared it booked) stays as it is.
pub(super) fn visible_in(
    tx: &Transaction<'_>,
    name: &str,
    purpose: Purpose,
    (order, copy): (&OrderId, u32),
    since: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let sql = "UPDATE order_file SET state = 'visible', visible_at = ?3 WHERE name = ?1 AND order_id = ?2";
    tx.execute(sql, params![name, order.0, micros(since)]).doing("note a published file")?;
    match purpose {
        Purpose::Cancellation => corrections::cancellation_moved(tx, order, "cancellation written", name, now),
        Purpose::Order => {
            let sql = "UPDATE web_order SET copies = max(copies, ?2) WHERE id = ?1";
            tx.execute(sql, params![order.0, copy]).doing("count an order's files")?;
            move_if_it_fits(tx, order, OrderEvent::Published, name, now)
        }
    }
}

/// Moves an order of a file that was taken back before the till took it.
pub(super) fn taken_back_in(tx: &Transaction<'_>, order: &FileOrder, now: Timestamp) -> Result<()> {
    let (event, why) = if order.void {
        (OrderEvent::Withdrawn, withdrawn_because(tx, &order.id)?)
    } else {
        (OrderEvent::TakenBack, "taken back before the till took it, to be written anew")
    };
    declarations::forget_lost(tx, &order.id)?;
    move_if_it_fits(tx, &order.id, event, why, now)
}

/// One order of a file may be further than the others, or have been asked for again: it stays as it is.
pub(super) fn move_if_it_fits(
    tx: &Transaction<'_>,
    id: &OrderId,
    event: OrderEvent,
    why: &str,
    now: Timestamp,
) -> Result<()> {
    match move_order(tx, id, event, Some(why), AGENT, now) {
        Err(LedgerError::NotPossible(_)) => Ok(()),
        other => other,
    }
}

/// Files with the till and without evidence: what the gate asks about. Of an order that was written again only the newest
/// file counts: whatever became of the older one, the order is not deducted before that one is taken.
pub(crate) fn unproved_in(tx: &Transaction<'_>) -> Result<Vec<PublishedOrder>> {
    const LIST: &str = "list unproved orders";
    let sql = format!(
        "SELECT o.number, coalesce(f.visible_at, f.planned_at) FROM order_file f JOIN web_order o ON o.id = f.order_id
         WHERE f.state IN ('staged', 'visible', 'left') AND f.kind = 'order' AND {NEWEST} ORDER BY 2"
    );
    let mut found = tx.prepare_cached(&sql).doing(LIST)?;
    let orders = found.query_map([], |row| {
        Ok(PublishedOrder { number: row.get(0)?, published_at: at_column(row.get(1)?), taken_at: None })
    });
    orders.and_then(Iterator::collect).doing(LIST)
}

pub(super) const OPEN: &str = "SELECT f.name, f.beside, f.kind, f.state, f.sha256, f.planned_at, f.visible_at, f.left_at, f.marks,
       f.order_id, o.number, f.copy, f.version, o.void, coalesce(f.evidence, '') FROM order_file f JOIN web_order o ON o.id = f.order_id";

/// No later file of the same order was planned. A cancellation takes back its own units, whatever follows it.
pub(super) const NEWEST: &str = "(f.kind = 'cancellation'
       OR NOT EXISTS (SELECT 1 FROM order_file g WHERE g.order_id = f.order_id AND g.kind = f.kind AND g.copy > f.copy))";

/// Cancellation files of an order that have not come to their end, oldest first.
pub(super) fn open_cancellations(tx: &Transaction<'_>, order: &OrderId) -> Result<Vec<OpenFile>> {
    let sql = format!(
        "{OPEN} WHERE f.order_id = ?1 AND f.kind = '{CANCELLATION}'
         AND f.state IN ('planned', 'staged', 'visible') ORDER BY f.copy"
    );
    grouped(tx, &sql, params![order.0])
}

/// Rows of one file that are equally far are one [`OpenFile`]; they must follow each other.
pub(super) fn grouped(tx: &Transaction<'_>, sql: &str, params: impl rusqlite::Params) -> Result<Vec<OpenFile>> {
    const READ: &str = "read order files";
    let mut found = tx.prepare_cached(sql).doing(READ)?;
    let mut rows = found.query(params).doing(READ)?;
    let mut files: Vec<OpenFile> = Vec::new();
    while let Some(row) = rows.next().doing(READ)? {
        let file = open_file(row).doing(READ)?;
        match files.last_mut() {
            Some(last) if (&last.names.name, last.state) == (&file.names.name, file.state) => {
                last.orders.extend(file.orders);
            }
            _ => files.push(file),
        }
    }
    Ok(files)
}

pub(super) fn open_file(row: &Row<'_>) -> rusqlite::Result<OpenFile> {
    let state = match row.get::<_, String>(3)?.as_str() {
        "taken" => FileState::Taken,
        "left" => FileState::Left,
        "visible" => FileState::Visible,
        "staged" => FileState::Staged,
        _ => FileState::Planned,
    };
    let purpose = if row.get::<_, String>(2)? == CANCELLATION { Purpose::Cancellation } else { Purpose::Order };
    let order = FileOrder {
        id: OrderId(row.get(9)?),
        number: row.get(10)?,
        copy: row.get(11)?,
        version: row.get(12)?,
        void: row.get(13)?,
        evidence: row.get(14)?,
    };
    Ok(OpenFile {
        names: FileNames { name: row.get(0)?, beside: json_column(row, 1)? },
        purpose,
        state,
        sha256: row.get(4)?,
        planned_at: at_column(row.get(5)?),
        visible_at: row.get::<_, Option<i64>>(6)?.map(at_column),
        left_at: row.get::<_, Option<i64>>(7)?.map(at_column),
        marks: json_column(row, 8)?,
        orders: vec![order],
    })
}

pub(super) fn json_column<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

const CANCELLATION: &str = "cancellation";

pub(super) fn kind_word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Order => "order",
        Purpose::Cancellation => CANCELLATION,
    }
}
