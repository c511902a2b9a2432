//! What became of order files: taken, refused, taken back.
//!
//! Promises: an order, its file, the news for the store and the SKUs that are due move in one transaction.

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::corrections::cancellation_moved;
use super::files::{FileOrder, OpenFile, move_if_it_fits, taken_back_in};
use super::orders::{AGENT, move_order};
use super::plans::give_number_back;
use super::{Doing, Ledger, Result, acknowledgements, item_map, micros, outbox};
use crate::domain::order::OrderEvent;
use crate::ports::{Purpose, Stage};

impl Ledger {
    /// Notes that the till took an order: it is consumed, the store is to be told, its SKUs are due.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in a state that forbids it.
    pub fn order_taken(
        &self,
        file: &OpenFile,
        order: &FileOrder,
        at: Timestamp,
        evidence: &str,
        now: Timestamp,
    ) -> Result<()> {
        self.transact("note a taken order", |tx| {
            end_file(tx, file, order, "taken", at, evidence)?;
            if file.purpose == Purpose::Cancellation {
                return cancellation_moved(tx, &order.id, "cancellation taken", evidence, now);
            }
            move_order(tx, &order.id, OrderEvent::Taken, Some(evidence), AGENT, now)?;
            acknowledgements::enqueue(tx, file, order, Stage::Consumed, at, now)?;
            outbox::mark_order_due(tx, &order.id, now)
        })
    }

    /// Notes that the till refused an order.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in a state that forbids it.
    pub fn order_rejected(
        &self,
        file: &OpenFile,
        order: &FileOrder,
        at: Timestamp,
        evidence: &str,
        now: Timestamp,
    ) -> Result<()> {
        self.transact("note a rejected order", |tx| {
            end_file(tx, file, order, "rejected", at, evidence)?;
            if file.purpose == Purpose::Cancellation {
                return cancellation_moved(tx, &order.id, "cancellation refused", evidence, now);
            }
            move_order(tx, &order.id, OrderEvent::Refused, Some(evidence), AGENT, now)?;
            acknowledgements::enqueue(tx, file, order, Stage::Rejected, at, now)?;
            outbox::mark_order_due(tx, &order.id, now)
        })
    }

    /// Notes that a file was taken back before the till took it. Orders in it that were not cancelled are written anew.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in a state that forbids it.
    pub fn file_withdrawn(&self, file: &OpenFile, now: Timestamp) -> Result<()> {
        self.transact("note a withdrawn order", |tx| {
            for order in &file.orders {
                end_file(tx, file, order, "withdrawn", now, "taken back from the import folder")?;
                if file.purpose == Purpose::Cancellation {
                    cancellation_moved(tx, &order.id, "cancellation taken back", &file.names.name, now)?;
                    continue;
                }
                taken_back_in(tx, order, now)?;
            }
            Ok(())
        })
    }

    /// Notes that a file was removed from staging before the till could see it, because an order in it was cancelled.
    /// Orders in it that were not cancelled are planned anew.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in a state that forbids it.
    pub fn file_unstaged(&self, file: &OpenFile, now: Timestamp) -> Result<()> {
        self.transact("note an order that was never shown", |tx| {
            for order in &file.orders {
                end_file(tx, file, order, "withdrawn", now, "removed before the till could see it")?;
                give_number_back(tx, &order.id, order.copy, file.purpose).doing("free an order file's number")?;
                if file.purpose == Purpose::Cancellation {
                    cancellation_moved(tx, &order.id, "cancellation taken back", &file.names.name, now)?;
                } else if order.void {
                    let why = "cancelled in the web store before the till could see it";
                    move_if_it_fits(tx, &order.id, OrderEvent::Withdrawn, why, now)?;
                }
            }
            Ok(())
        })
    }
}

pub(super) fn end_file(
    tx: &Transaction<'_>,
    file: &OpenFile,
    order: &FileOrder,
    state: &str,
    at: Timestamp,
    evidence: &str,
) -> Result<()> {
    tx.execute(
        "UPDATE order_file SET state = ?3, ended_at = ?4, evidence = ?5 WHERE name = ?1 AND order_id = ?2",
        params![file.names.name, order.id.0, state, micros(at), evidence],
    )
    .doing("note what became of an order file")?;
    item_map::mark_others_due(tx, &file.names.name, at)
}
