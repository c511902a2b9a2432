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

use super::orders::{AGENT, move_order};
use super::{Doing, Ledger, Result, at_column, micros};
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

    /// Notes that a file is visible to the till: its orders are published.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in a state that forbids it.
    pub fn file_visible(&self, file: &OpenFile, since: Timestamp, now: Timestamp) -> Result<()> {
        self.transact("note a published order", |tx| {
            tx.execute(
                "UPDATE order_file SET state = 'visible', visible_at = ?2 WHERE name = ?1",
                params![file.names.name, micros(since)],
            )
            .doing("note a published file")?;
            for order in file.orders.iter().filter(|_| file.purpose == Purpose::Order) {
                let sql = "UPDATE web_order SET copies = max(copies, ?2) WHERE id = ?1";
                tx.execute(sql, params![order.id.0, order.copy]).doing("count an order's files")?;
                move_order(tx, &order.id, OrderEvent::Published, Some(&file.names.name), AGENT, now)?;
            }
            Ok(())
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
        self.write("end an older order file", |tx| {
            let evidence = "taken back, and written again on a person's word";
            let sql = "UPDATE order_file SET state = 'withdrawn', ended_at = ?2, evidence = ?3 WHERE name = ?1";
            tx.execute(sql, params![name, micros(now), evidence]).map(|_| ())
        })
    }

    /// Files that have not come to their end, oldest first. Of an order only the newest copy.
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
                    "SELECT name, state, visible_at, coalesce(ended_at, left_at), evidence, sha256 FROM order_file
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
                })
            });
            shown.and_then(Iterator::collect).doing("list an order's files")
        })
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

/// No later file of the same order was planned.
pub(super) const NEWEST: &str =
    "NOT EXISTS (SELECT 1 FROM order_file g WHERE g.order_id = f.order_id AND g.kind = f.kind AND g.copy > f.copy)";

/// Rows of one file that are equally far are one [`OpenFile`]; they must follow each other.
fn grouped(tx: &Transaction<'_>, sql: &str, params: impl rusqlite::Params) -> Result<Vec<OpenFile>> {
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

fn json_column<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
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
