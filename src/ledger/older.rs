//! Older files of orders that a person asked for again.
//!
//! Promises: the older file is ended for the order that was asked for only; of the other orders in it each stays what it
//! is. One that still waited is written anew only where the till had not begun with the file: else the till may have
//! booked it, and a person is asked.

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::fates::{Proof, end_file, left_in};
use super::files::{FileOrder, OPEN, OpenFile, grouped, json_column, taken_back_in};
use super::orders::{AGENT, move_order};
use super::{Doing, Ledger, LedgerError, Result, micros};
use crate::domain::OrderId;
use crate::domain::evidence::TAKEN_AWAY;
use crate::domain::order::OrderEvent;
use crate::ports::FileNames;

/// An older file of an order, which may lie where the till looks.
#[derive(Debug, Clone)]
pub struct OlderFile {
    /// Its names.
    pub names: FileNames,
    /// Does the order wait in it? Else the till has spoken of the order, and the file lay where it was.
    pub waits: bool,
}

/// Files that were not seen to be gone, and of which the till has spoken.
const SPOKEN_OF: &str = "state IN ('taken', 'rejected', 'left')";

impl Ledger {
    /// The files of an order that may lie where the till looks, oldest first.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn older_files_of(&self, order: &OrderId) -> Result<Vec<OlderFile>> {
        const LIST: &str = "list an order's files";
        self.read(LIST, |tx| {
            let sql = format!(
                "SELECT name, beside, state = 'visible' FROM order_file WHERE order_id = ?1 AND kind = 'order'
                 AND (state = 'visible' OR ({SPOKEN_OF} AND left_at IS NULL)) ORDER BY planned_at, name"
            );
            let mut found = tx.prepare_cached(&sql).doing(LIST)?;
            let files = found.query_map([&order.0], |row| {
                let names = FileNames { name: row.get(0)?, beside: json_column(row, 1)? };
                Ok(OlderFile { names, waits: row.get(2)? })
            });
            files.and_then(Iterator::collect).doing(LIST)
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

    /// Notes that an older file of an order that a person asked for again was taken away from the till.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn file_superseded(&self, name: &str, asked: &OrderId, now: Timestamp) -> Result<()> {
        self.transact("end an older order file", |tx| {
            let has_begun = has_begun(tx, name)?;
            let sql =
                format!("{OPEN} WHERE f.name = ?1 AND f.kind = 'order' AND f.state = 'visible' ORDER BY f.order_id");
            for file in &grouped(tx, &sql, params![name])? {
                superseded_in(tx, file, asked, has_begun, now)?;
            }
            let sql = format!("UPDATE order_file SET left_at = ?2 WHERE name = ?1 AND {SPOKEN_OF} AND left_at IS NULL");
            tx.execute(&sql, params![name, micros(now)]).doing("note that an order file has gone")?;
            Ok(())
        })
    }
}

/// Has the till spoken of an order in the file?
pub(super) fn has_begun(tx: &Transaction<'_>, name: &str) -> Result<bool> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM order_file WHERE name = ?1 AND {SPOKEN_OF})");
    tx.query_row(&sql, [name], |row| row.get(0)).doing("look whether the till has begun with a file")
}

fn superseded_in(
    tx: &Transaction<'_>,
    file: &OpenFile,
    asked: &OrderId,
    has_begun: bool,
    now: Timestamp,
) -> Result<()> {
    for order in &file.orders {
        if order.id != *asked && has_begun {
            unproved_in(tx, file, order, now)?;
            continue;
        }
        let evidence = "taken back, and written again on a person's word";
        end_file(tx, file, order, "withdrawn", &Proof::seen(now, evidence))?;
        if order.id != *asked {
            taken_back_in(tx, order, now)?;
        }
    }
    Ok(())
}

/// The file was taken away after the till had begun with it: nothing proves what it did with this order, which waited.
pub(super) fn unproved_in(tx: &Transaction<'_>, file: &OpenFile, order: &FileOrder, now: Timestamp) -> Result<()> {
    let evidence = format!("{TAKEN_AWAY}; nothing proves yet that the till booked it");
    match left_in(tx, file, order, &Proof::seen(now, &evidence), now) {
        // It is further, or was asked for again as well.
        Ok(()) | Err(LedgerError::NotPossible(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
