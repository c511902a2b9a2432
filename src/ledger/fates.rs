//! What became of order files: gone, taken, refused, lost, taken back, come back.
//!
//! Promises: an order, its file, the news for the store and the SKUs that are due move in one transaction. An order
//! counts as deducted only by its newest file, and only while that is *taken*.

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::corrections::cancellation_moved;
use super::files::{FileOrder, FileState, OpenFile, move_if_it_fits, taken_back_in};
use super::older::{has_begun, unproved_in};
use super::orders::{AGENT, move_order, note, withdrawn_because};
use super::plans::give_number_back;
use super::{Doing, Ledger, Result, acknowledgements, item_map, micros, outbox};
use crate::domain::OrderId;
use crate::domain::order::OrderEvent;
use crate::ports::{Purpose, Stage};

/// What proves the fate of an order's file.
#[derive(Debug, Clone, Copy)]
pub struct Proof<'a> {
    /// When that was first seen.
    pub at: Timestamp,
    /// What was seen.
    pub evidence: &'a str,
    /// Does the file still lie where the till looks?
    pub in_place: bool,
    /// Who says so.
    pub by: &'a str,
}

impl<'a> Proof<'a> {
    /// The agent saw it, and the file has gone.
    pub fn seen(at: Timestamp, evidence: &'a str) -> Self {
        Self { at, evidence, in_place: false, by: AGENT }
    }
}

impl Ledger {
    /// Notes that the till took an order: it is consumed, the store is to be told, its SKUs are due.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in a state that forbids it.
    pub fn order_proved(&self, file: &OpenFile, order: &FileOrder, proof: &Proof<'_>, now: Timestamp) -> Result<()> {
        self.transact("note a taken order", |tx| taken_in(tx, file, order, proof, now))
    }

    /// Notes that a person says that the till booked an order. The file was taken away from the till if it still waited;
    /// then the other orders in it (`others`) were not booked, and are written anew, unless the till is known to have
    /// begun with the file.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in a state that forbids it.
    pub fn order_declared_booked(
        &self,
        file: &OpenFile,
        order: &FileOrder,
        others: &[FileOrder],
        proof: &Proof<'_>,
        now: Timestamp,
    ) -> Result<()> {
        self.transact("note a declared order", |tx| {
            let has_begun = has_begun(tx, &file.names.name)?;
            taken_in(tx, file, order, proof, now)?;
            if has_begun {
                return others.iter().try_for_each(|other| unproved_in(tx, file, other, now));
            }
            all_taken_back_in(tx, file, others, now)
        })
    }

    /// Notes that the till refused an order; the file may lie where it lay.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in a state that forbids it.
    pub fn order_refused(&self, file: &OpenFile, order: &FileOrder, proof: &Proof<'_>, now: Timestamp) -> Result<()> {
        self.transact("note a rejected order", |tx| {
            end_file(tx, file, order, "rejected", proof)?;
            unless_cancellation(tx, file, order, ("cancellation refused by the till", proof.evidence), now, || {
                move_order(tx, &order.id, OrderEvent::Refused, Some(proof.evidence), AGENT, now)?;
                withhold_news(tx, order, Stage::Consumed)?;
                acknowledgements::enqueue(tx, file, order, Stage::Rejected, proof.at, now)
            })?;
            outbox::mark_order_due(tx, &order.id, now)
        })
    }

    /// Notes that an order's file is no longer where the till looks, or that the till booked only a part of it: in either
    /// case nothing proves that it booked the order, which counts as not deducted.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in a state that forbids it.
    pub fn order_left(&self, file: &OpenFile, order: &FileOrder, proof: &Proof<'_>, now: Timestamp) -> Result<()> {
        self.transact("note an order that is taken and unproved", |tx| left_in(tx, file, order, proof, now))
    }

    /// Notes that an order's file lies where the till looks once more: it is published, and counts as not deducted.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in a state that forbids it.
    pub fn order_came_back(&self, file: &OpenFile, order: &FileOrder, evidence: &str, now: Timestamp) -> Result<()> {
        self.transact("note an order file that came back", |tx| {
            tx.execute(
                "UPDATE order_file SET state = 'visible', left_at = NULL, ended_at = NULL, evidence = ?3
                 WHERE name = ?1 AND order_id = ?2",
                params![file.names.name, order.id.0, evidence],
            )
            .doing("note an order file that came back")?;
            item_map::mark_others_due(tx, &file.names.name, now)?;
            unless_cancellation(tx, file, order, ("cancellation file came back", evidence), now, || {
                move_order(tx, &order.id, OrderEvent::CameBack, Some(evidence), AGENT, now)?;
                withhold_news(tx, order, Stage::Consumed)?;
                withhold_news(tx, order, Stage::Rejected)
            })?;
            outbox::mark_order_due(tx, &order.id, now)
        })
    }

    /// Notes that the file of an order that is done with came back, and what was done about it. The order stays as it is.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn order_came_back_late(&self, name: &str, order: &OrderId, evidence: &str, now: Timestamp) -> Result<()> {
        self.transact("note an order file that came back", |tx| {
            let sql = "UPDATE order_file SET left_at = ?3, evidence = ?4 WHERE name = ?1 AND order_id = ?2";
            tx.execute(sql, params![name, order.0, micros(now), evidence])
                .doing("note an order file that came back")?;
            note(tx, order, "its file came back", Some(evidence), AGENT, now)
        })
    }

    /// Notes that a file that stayed where the till looks, though its orders are done with, has gone from there.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn file_left(&self, name: &str, now: Timestamp) -> Result<()> {
        self.write("note that an order file has gone", |tx| {
            let sql = "UPDATE order_file SET left_at = ?2 WHERE name = ?1 AND left_at IS NULL";
            tx.execute(sql, params![name, micros(now)]).map(|_| ())
        })
    }

    /// Notes that a person says that the till never booked an order: it is written anew.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in a state that forbids it.
    pub fn order_lost(&self, file: &OpenFile, order: &FileOrder, proof: &Proof<'_>, now: Timestamp) -> Result<()> {
        self.transact("note a lost order", |tx| {
            end_file(tx, file, order, "lost", proof)?;
            move_order(tx, &order.id, OrderEvent::Lost, Some(proof.evidence), proof.by, now)?;
            withhold_news(tx, order, Stage::Consumed)?;
            outbox::mark_order_due(tx, &order.id, now)
        })
    }

    /// Notes that a file was taken back before the till took it. Orders in it that were not cancelled are written anew.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in a state that forbids it.
    pub fn file_withdrawn(&self, file: &OpenFile, now: Timestamp) -> Result<()> {
        self.transact("note a withdrawn order", |tx| all_taken_back_in(tx, file, &file.orders, now))
    }

    /// Notes that a file was removed from staging before the till could see it, because an order in it was cancelled.
    /// Orders in it that were not cancelled are planned anew.
    ///
    /// # Errors
    /// A failure of SQLite, or an order in a state that forbids it.
    pub fn file_unstaged(&self, file: &OpenFile, now: Timestamp) -> Result<()> {
        self.transact("note an order that was never shown", |tx| {
            for order in &file.orders {
                end_file(tx, file, order, "withdrawn", &Proof::seen(now, "removed before the till could see it"))?;
                give_number_back(tx, &order.id, order.copy, file.purpose).doing("free an order file's number")?;
                if file.purpose == Purpose::Cancellation {
                    cancellation_moved(tx, &order.id, "cancellation taken back", &file.names.name, now)?;
                } else if order.void {
                    let why = withdrawn_because(tx, &order.id)?;
                    move_if_it_fits(tx, &order.id, OrderEvent::Withdrawn, why, now)?;
                }
            }
            Ok(())
        })
    }
}

fn taken_in(tx: &Transaction<'_>, file: &OpenFile, order: &FileOrder, proof: &Proof<'_>, now: Timestamp) -> Result<()> {
    // What was believed is known better now, from the same time on: no news.
    if file.state == FileState::Taken {
        let sql = "UPDATE order_file SET evidence = ?3 WHERE name = ?1 AND order_id = ?2";
        tx.execute(sql, params![file.names.name, order.id.0, proof.evidence]).doing("note better evidence")?;
        return note(tx, &order.id, "consumed", Some(proof.evidence), proof.by, now);
    }
    end_file(tx, file, order, "taken", proof)?;
    unless_cancellation(tx, file, order, ("cancellation taken by the till", proof.evidence), now, || {
        move_order(tx, &order.id, OrderEvent::Taken, Some(proof.evidence), proof.by, now)?;
        withhold_news(tx, order, Stage::Rejected)?;
        acknowledgements::enqueue(tx, file, order, Stage::Consumed, proof.at, now)
    })?;
    outbox::mark_order_due(tx, &order.id, now)
}

pub(super) fn left_in(
    tx: &Transaction<'_>,
    file: &OpenFile,
    order: &FileOrder,
    proof: &Proof<'_>,
    now: Timestamp,
) -> Result<()> {
    let left_at = (!proof.in_place).then(|| micros(proof.at));
    tx.execute(
        "UPDATE order_file SET state = 'left', left_at = coalesce(left_at, ?3), evidence = ?4
         WHERE name = ?1 AND order_id = ?2",
        params![file.names.name, order.id.0, left_at, proof.evidence],
    )
    .doing("note what became of an order file")?;
    item_map::mark_others_due(tx, &file.names.name, now)?;
    unless_cancellation(tx, file, order, ("cancellation taken, unproved", proof.evidence), now, || {
        if file.state != FileState::Left {
            move_order(tx, &order.id, OrderEvent::Left, Some(proof.evidence), proof.by, now)?;
            // It may have counted as deducted, or refused, until now.
            withhold_news(tx, order, Stage::Consumed)?;
            withhold_news(tx, order, Stage::Rejected)?;
            return outbox::mark_order_due(tx, &order.id, now);
        }
        let sql = "UPDATE web_order SET reason = ?2, changed_at = ?3 WHERE id = ?1";
        tx.execute(sql, params![order.id.0, proof.evidence, micros(now)]).doing("note an order's evidence")?;
        note(tx, &order.id, "taken-unproved", Some(proof.evidence), proof.by, now)
    })
}

fn all_taken_back_in(tx: &Transaction<'_>, file: &OpenFile, orders: &[FileOrder], now: Timestamp) -> Result<()> {
    for order in orders {
        end_file(tx, file, order, "withdrawn", &Proof::seen(now, "taken back from the import folder"))?;
        match file.purpose {
            Purpose::Order => taken_back_in(tx, order, now)?,
            Purpose::Cancellation => {
                cancellation_moved(tx, &order.id, "cancellation taken back", &file.names.name, now)?;
            }
        }
    }
    Ok(())
}

/// What becomes of a cancellation file moves no order: it stands in the order's history, and its SKUs are due.
fn unless_cancellation(
    tx: &Transaction<'_>,
    file: &OpenFile,
    order: &FileOrder,
    (what, evidence): (&str, &str),
    now: Timestamp,
    moves: impl FnOnce() -> Result<()>,
) -> Result<()> {
    match file.purpose {
        Purpose::Order => moves(),
        Purpose::Cancellation => cancellation_moved(tx, &order.id, what, evidence, now),
    }
}

/// News that is not true any more and has not been told yet is not told.
fn withhold_news(tx: &Transaction<'_>, order: &FileOrder, stage: Stage) -> Result<()> {
    let key = acknowledgements::key_of(order, stage);
    tx.execute("DELETE FROM outbox_acknowledgement WHERE idempotency_key = ?1 AND leased = 0", [key])
        .map(|_| ())
        .doing("withhold an acknowledgement")
}

pub(super) fn end_file(
    tx: &Transaction<'_>,
    file: &OpenFile,
    order: &FileOrder,
    state: &str,
    proof: &Proof<'_>,
) -> Result<()> {
    let left_at = (!proof.in_place).then(|| micros(proof.at));
    tx.execute(
        "UPDATE order_file SET state = ?3, ended_at = ?4, evidence = ?5, left_at = coalesce(left_at, ?6)
         WHERE name = ?1 AND order_id = ?2",
        params![file.names.name, order.id.0, state, micros(proof.at), proof.evidence, left_at],
    )
    .doing("note what became of an order file")?;
    item_map::mark_others_due(tx, &file.names.name, proof.at)
}
