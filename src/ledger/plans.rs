//! Plans of order files: what is journalled before anything is written.
//!
//! Promises: a name and a running number belong to one file for ever, unless no till can have seen it; planning the same
//! file again changes nothing; a number that something else has is passed over.

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::files::{OpenFile, fingerprint, kind_word, visible_in};
use super::orders::{AGENT, json, note};
use super::{Doing, Ledger, LedgerError, Result, item_map, micros};
use crate::domain::{ItemMap, OrderId, OrderLine, Sku, WebOrder};
use crate::ports::{Marks, OrderFile, Purpose, WrittenOrder};

/// A file that is about to be written.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// What it is for.
    pub purpose: Purpose,
    /// The file.
    pub file: &'a OrderFile,
    /// The orders as they were rendered.
    pub orders: &'a [&'a WebOrder],
    /// The till's reports as they are now.
    pub marks: &'a Marks,
    /// The till's codes that stand in it.
    pub codes: &'a ItemMap,
}

/// What an order asks the till to book, as a hash: its lines with prices, its customer, how it is sent and what it costs.
/// What the store itself does with it (payment, shipment) changes nothing here.
pub fn version_of(order: &WebOrder) -> String {
    let line = |line: &OrderLine| {
        let left = (line.ordered - line.cancelled - line.returned).or_zero().to_string();
        let amounts = [line.price, line.price_incl_tax, line.tax_percent, line.discount];
        (left, line.sku.clone(), line.name.clone(), amounts.map(|amount| amount.normalize().to_string()))
    };
    let mut lines: Vec<_> = order.lines.iter().map(line).filter(|(left, ..)| left != "0").collect();
    lines.sort();
    fingerprint(json(&(&order.number, &order.customer, &order.shipping, &order.payment, lines)).as_bytes())
}

impl Ledger {
    /// The running number of this order's file, for its name: the one that it was planned with, else the next one.
    /// It is used up only by [`Ledger::file_planned`].
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn file_sequence(&self, purpose: Purpose, order: &OrderId, copy: u32) -> Result<u64> {
        let sql = "SELECT coalesce(
                     (SELECT sequence FROM order_file_sequence WHERE order_id = ?1 AND copy = ?2 AND kind = ?3),
                     (SELECT coalesce(max(sequence), 0) + 1 FROM order_file_sequence))";
        self.read("number an order file", |tx| {
            let number: i64 = tx
                .query_row(sql, params![order.0, copy, kind_word(purpose)], |row| row.get(0))
                .doing("number an order file")?;
            Ok(number.unsigned_abs())
        })
    }

    /// Journals a file that is about to be written, with its units by web SKU and the codes that stand in it. Doing so
    /// again for the same name and bytes changes nothing. False, and nothing noted: a code is another one since the file
    /// was rendered, so that it has to be rendered anew.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn file_planned(&self, plan: &Plan<'_>, now: Timestamp) -> Result<bool> {
        self.transact("plan an order file", |tx| file_planned_in(tx, plan, now))
    }
}

/// [`Ledger::file_planned`] within a transaction.
pub(super) fn file_planned_in(tx: &Transaction<'_>, plan: &Plan<'_>, now: Timestamp) -> Result<bool> {
    if !has_present_codes(tx, plan)? {
        return Ok(false);
    }
    refuse_foreign_number(tx, plan.file, plan.purpose)?;
    plan_in(tx, plan, now).doing("plan an order file")?;
    Ok(true)
}

impl Ledger {
    /// Journals a file that an earlier life of the agent wrote: the till has it or had it, and what becomes of it is to be
    /// looked for. False, and nothing noted: as [`Ledger::file_planned`].
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn file_found(&self, plan: &Plan<'_>, now: Timestamp) -> Result<bool> {
        let Plan { purpose, file, .. } = *plan;
        self.transact("note an order file that was found", |tx| {
            if !has_present_codes(tx, plan)? {
                return Ok(false);
            }
            refuse_foreign_number(tx, file, purpose)?;
            plan_in(tx, plan, now).doing("note an order file that was found")?;
            for written in &file.orders {
                let (id, copy) = (&written.order, written.copy);
                visible_in(tx, &file.name, purpose, (id, copy), now, now)?;
                note(tx, id, "found in the till's folders", Some(&file.name), AGENT, now)?;
            }
            Ok(true)
        })
    }

    /// Forgets a planned file, which no till can have seen: its name and number are free again.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn file_unplanned(&self, file: &OpenFile) -> Result<()> {
        self.write("forget a planned order file", |tx| {
            for order in &file.orders {
                give_number_back(tx, &order.id, order.copy, file.purpose)?;
                let planned = "name = ?1 AND order_id = ?2 AND state = 'planned'";
                let units = "DELETE FROM order_file_units WHERE name = ?1 AND order_id = ?2";
                let exists = format!("EXISTS (SELECT 1 FROM order_file WHERE {planned})");
                tx.execute(&format!("{units} AND {exists}"), params![file.names.name, order.id.0])?;
                tx.execute(&format!("DELETE FROM order_file WHERE {planned}"), params![file.names.name, order.id.0])?;
            }
            Ok(())
        })
    }

    /// Notes that something else has the name with this file's running number: it is never used.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn number_spent(&self, file: &OrderFile) -> Result<()> {
        let Some(sequence) = file.sequence.and_then(|sequence| i64::try_from(sequence).ok()) else { return Ok(()) };
        self.write("pass over a running number", |tx| {
            tx.execute("DELETE FROM order_file_sequence WHERE sequence = ?1", [sequence])?;
            let sql = "INSERT INTO order_file_sequence (sequence, order_id, copy) VALUES (?1, '', ?1)";
            tx.execute(sql, [sequence]).map(|_| ())
        })
    }
}

/// The number of a file that no till can have seen is free again.
pub(super) fn give_number_back(
    tx: &Transaction<'_>,
    order: &OrderId,
    copy: u32,
    purpose: Purpose,
) -> rusqlite::Result<()> {
    let sql = "DELETE FROM order_file_sequence WHERE order_id = ?1 AND copy = ?2 AND kind = ?3";
    tx.execute(sql, params![order.0, copy, kind_word(purpose)]).map(|_| ())
}

fn plan_in(tx: &Transaction<'_>, plan: &Plan<'_>, now: Timestamp) -> rusqlite::Result<()> {
    let Plan { purpose, file, orders, marks, codes } = *plan;
    // What no till can have seen is planned anew under the same name.
    let unseen = "name = ?1 AND (state = 'planned' OR (state = 'withdrawn' AND visible_at IS NULL))";
    let of_unseen = format!("name IN (SELECT name FROM order_file WHERE {unseen})");
    tx.execute(&format!("DELETE FROM order_file_units WHERE {of_unseen}"), [&file.name])?;
    tx.execute(&format!("DELETE FROM order_file WHERE {unseen}"), [&file.name])?;
    let (beside, marks) = (json(&file.names().beside), json(marks));
    let sha256 = fingerprint(&file.bytes);
    for written in &file.orders {
        let version = orders.iter().find(|order| order.id == written.order).map(|order| version_of(order));
        tx.execute(
            "INSERT INTO order_file (name, order_id, kind, copy, version, beside, marks, sha256, bytes, state, planned_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'planned', ?10)",
            params![
                file.name, written.order.0, kind_word(purpose), written.copy, version.unwrap_or_default(), beside,
                marks, sha256, file.bytes.len() as i64, micros(now)
            ],
        )?;
        end_older(tx, written, purpose, now)?;
        note_sequence(tx, file.sequence, written, purpose)?;
        note_units(tx, &file.name, written, codes)?;
    }
    Ok(())
}

/// Are the till's codes still those that stand in the file?
fn has_present_codes(tx: &Transaction<'_>, plan: &Plan<'_>) -> Result<bool> {
    let units = plan.file.orders.iter().flat_map(|written| &written.units);
    let skus: Vec<Sku> = units.map(|(sku, _)| sku.clone()).collect();
    let now = item_map::map_of(tx, &skus)?;
    Ok(skus.iter().all(|sku| plan.codes.till_of(sku) == now.till_of(sku)))
}

/// What became of an older file of this order that nothing proved does not matter any more, unless it comes back.
fn end_older(tx: &Transaction<'_>, written: &WrittenOrder, purpose: Purpose, now: Timestamp) -> rusqlite::Result<()> {
    // A cancellation takes back its own units, whatever follows it.
    if purpose == Purpose::Cancellation {
        return Ok(());
    }
    tx.execute(
        "UPDATE order_file SET state = 'lost', ended_at = ?4, evidence = coalesce(evidence, '') || '; written again'
         WHERE order_id = ?1 AND kind = ?2 AND copy < ?3 AND state = 'left'",
        params![written.order.0, kind_word(purpose), written.copy, micros(now)],
    )
    .map(|_| ())
}

/// The orders of a batch share its running number; no other file may have it.
fn refuse_foreign_number(tx: &Transaction<'_>, file: &OrderFile, purpose: Purpose) -> Result<()> {
    let Some(sequence) = file.sequence.and_then(|sequence| i64::try_from(sequence).ok()) else { return Ok(()) };
    let ours: Vec<&str> = file.orders.iter().map(|written| written.order.0.as_str()).collect();
    let sql = "SELECT 1 FROM order_file_sequence
               WHERE sequence = ?1 AND (kind <> ?2 OR order_id NOT IN (SELECT value FROM json_each(?3)))";
    let is_foreign =
        tx.prepare_cached(sql).and_then(|mut found| found.exists(params![sequence, kind_word(purpose), json(&ours)]));
    if is_foreign.doing("number an order file")? {
        return Err(LedgerError::NotPossible(format!(
            "the running number {sequence} of {} is another file's",
            file.name
        )));
    }
    Ok(())
}

fn note_sequence(
    tx: &Transaction<'_>,
    sequence: Option<u64>,
    written: &WrittenOrder,
    purpose: Purpose,
) -> rusqlite::Result<()> {
    let Some(sequence) = sequence.and_then(|sequence| i64::try_from(sequence).ok()) else { return Ok(()) };
    tx.execute(
        "INSERT INTO order_file_sequence (sequence, order_id, kind, copy) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        params![sequence, written.order.0, kind_word(purpose), written.copy],
    )
    .map(|_| ())
}

fn note_units(tx: &Transaction<'_>, name: &str, written: &WrittenOrder, codes: &ItemMap) -> rusqlite::Result<()> {
    let sql = "INSERT INTO order_file_units (name, order_id, sku, units, booked_as) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut insert = tx.prepare_cached(sql)?;
    for (sku, units) in &written.units {
        let code = codes.till_of(sku).unwrap_or(sku);
        insert.execute(params![name, written.order.0, sku.as_str(), units.to_string(), code.as_str()])?;
    }
    Ok(())
}
