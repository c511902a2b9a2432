//! What the till is believed to have booked of an order: by its file, less what was taken back since.
//!
//! Promises: a cancellation file counts from the moment at which the till might have seen it, and a return that staff were
//! asked to book counts from the moment at which they were asked. Only what was refused or taken away again in time does not.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::de::DeserializeOwned;

use super::files::{FileState, OpenFile, fingerprint, open_cancellations};
use super::items::sku_column;
use super::orders::{JournalledOrder, SELECT, json, note, rows};
use super::{Doing, Result, at_column, item_map, micros, outbox, typed};
use crate::domain::corrections::{Asked, Booked, Particulars, Taken, Units, add};
use crate::domain::{OrderId, OrderState, Quantity, Sku, WebOrder};

const READ: &str = "read what the till has booked of an order";

/// What is known besides the orders' own files of these SKUs (a JSON list), by order and SKU.
pub(super) fn booked_besides(tx: &Connection, wanted: &str) -> rusqlite::Result<HashMap<(OrderId, Sku), Booked>> {
    let mut found = tx.prepare_cached(
        "SELECT c.order_id, c.sku, f.kind, f.ended_at, u.units FROM json_each(?1) w CROSS JOIN order_claim c ON c.sku = w.value
         CROSS JOIN order_file f INDEXED BY order_file_corrections ON f.order_id = c.order_id AND f.kind <> 'order'
           AND f.state IN ('staged', 'visible', 'left', 'taken')
         CROSS JOIN order_file_units u ON u.name = f.name AND u.order_id = f.order_id AND u.sku = c.sku
         UNION ALL
         SELECT a.order_id, a.sku, 'asked', NULL, a.back FROM json_each(?1) w CROSS JOIN order_asked a ON a.sku = w.value",
    )?;
    let mut rows = found.query([wanted])?;
    let mut besides: HashMap<(OrderId, Sku), Booked> = HashMap::new();
    while let Some(row) = rows.next()? {
        let booked = besides.entry((OrderId(row.get(0)?), sku_column(row.get(1)?)?)).or_default();
        let units: Quantity = typed(row, "units")?;
        match row.get::<_, Option<i64>>(3)? {
            Some(at) if units < Quantity::ZERO => booked.out.push(Taken { units: -units, at: at_column(at) }),
            Some(_) | None => booked.back = booked.back + units,
        }
    }
    Ok(besides)
}

/// The newest file of an order that went to the till and was neither refused nor taken back.
#[derive(Debug, Clone)]
pub(super) struct BookedFile {
    /// What the order was ([`super::plans::version_of`]); empty where an older program wrote the file.
    pub version: String,
    /// Units of each SKU in it.
    pub units: Units,
}

/// All that is known of what the till booked of one order.
#[derive(Debug)]
pub(super) struct Booking {
    pub order: JournalledOrder,
    /// `None` while the till is not believed to have it.
    pub file: Option<BookedFile>,
    /// What was taken back since, by files and by hand, less what staff booked on top.
    pub back: Units,
    /// Cancellation files that are staged or visible.
    pub open: Vec<OpenFile>,
    /// The one that was journalled and can only lie in staging.
    pub planned: Option<OpenFile>,
    /// Cancellation files that have gone without proof, with their units.
    pub left: Vec<(String, Units)>,
    /// The newest cancellation file, if the till refused it and nobody has dealt with that.
    pub refused: Option<String>,
    /// The number of the next cancellation file.
    pub next_copy: u32,
    pub asked: Asked,
    /// Was it ever compared, and with what?
    pub compared: Option<(Option<Particulars>, Units)>,
}

impl Booking {
    /// Does the till have the order, as far as is known?
    pub(super) fn is_taken(&self) -> bool {
        match self.order.state {
            OrderState::TakenUnproved | OrderState::Consumed | OrderState::Acknowledged => true,
            OrderState::Received
            | OrderState::Published
            | OrderState::Rejected
            | OrderState::Withdrawn
            | OrderState::Failed => false,
        }
    }

    /// Units that the till is believed to have booked; below zero where it took back what it does not have.
    pub(super) fn booked(&self) -> Units {
        let mut booked = self.file.as_ref().map(|file| file.units.clone()).unwrap_or_default();
        for (sku, units) in &self.back {
            add(&mut booked, sku, -*units);
        }
        booked
    }
}

/// Reads it. `None`: there is no such order.
pub(super) fn booking_in(tx: &Transaction<'_>, id: &OrderId) -> Result<Option<Booking>> {
    let Some(order) = rows(tx, &format!("{SELECT} WHERE id = ?1"), [&id.0])?.into_iter().next() else {
        return Ok(None);
    };
    let refused = refused_in(tx, id).doing(READ)?;
    let (planned, open): (Vec<_>, Vec<_>) =
        open_cancellations(tx, id)?.into_iter().partition(|file| file.state == FileState::Planned);
    let mut booking = Booking {
        order,
        file: None,
        back: Units::new(),
        open,
        planned: planned.into_iter().next(),
        left: left_in(tx, id)?,
        refused,
        next_copy: next_copy_in(tx, id).doing(READ)?,
        asked: asked_in(tx, id).doing(READ)?,
        compared: compared_in(tx, id).doing(READ)?,
    };
    if booking.is_taken() {
        booking.file = file_in(tx, id)?;
    }
    let corrections =
        "SELECT u.sku, u.units FROM order_file f JOIN order_file_units u ON u.name = f.name AND u.order_id = f.order_id
         WHERE f.order_id = ?1 AND f.kind <> 'order' AND f.state IN ('staged', 'visible', 'left', 'taken')";
    booking.back = units_in(tx, corrections, params![id.0])?;
    Ok(Some(booking))
}

fn file_in(tx: &Transaction<'_>, id: &OrderId) -> Result<Option<BookedFile>> {
    let sql =
        "SELECT name, version FROM order_file WHERE order_id = ?1 AND kind = 'order' AND state IN ('taken', 'left')
               ORDER BY copy DESC LIMIT 1";
    let found = tx
        .prepare_cached(sql)
        .and_then(|mut found| found.query_row([&id.0], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .doing(READ)?;
    let Some((name, version)): Option<(String, String)> = found else { return Ok(None) };
    Ok(Some(BookedFile { version, units: units_of(tx, &name, id)? }))
}

/// Units of each SKU in this file of the order.
pub(super) fn units_of(tx: &Transaction<'_>, name: &str, id: &OrderId) -> Result<Units> {
    units_in(tx, "SELECT sku, units FROM order_file_units WHERE name = ?1 AND order_id = ?2", params![name, id.0])
}

fn units_in(tx: &Transaction<'_>, sql: &str, params: impl rusqlite::Params) -> Result<Units> {
    let mut found = tx.prepare_cached(sql).doing(READ)?;
    let read = |row: &Row<'_>| Ok((sku_column(row.get(0)?)?, typed::<Quantity>(row, "units")?));
    let all: Vec<_> = found.query_map(params, read).and_then(Iterator::collect).doing(READ)?;
    let mut units = Units::new();
    for (sku, more) in all {
        add(&mut units, &sku, more);
    }
    Ok(units)
}

fn left_in(tx: &Transaction<'_>, id: &OrderId) -> Result<Vec<(String, Units)>> {
    let names: Vec<String> = tx
        .prepare_cached(
            "SELECT name FROM order_file WHERE order_id = ?1 AND kind = 'cancellation' AND state = 'left' ORDER BY copy",
        )
        .and_then(|mut found| found.query_map([&id.0], |row| row.get(0)).and_then(Iterator::collect))
        .doing(READ)?;
    names.into_iter().map(|name| units_of(tx, &name, id).map(|units| (name, units))).collect()
}

fn refused_in(tx: &Transaction<'_>, id: &OrderId) -> rusqlite::Result<Option<String>> {
    tx.prepare_cached(
        "SELECT f.name FROM order_file f WHERE f.order_id = ?1 AND f.kind = 'cancellation' AND f.state = 'rejected'
           AND NOT EXISTS (SELECT 1 FROM order_file g WHERE g.order_id = f.order_id
             AND ((g.kind = 'cancellation' AND g.copy > f.copy AND g.state <> 'planned')
               OR (g.kind = 'by-hand' AND g.ended_at >= f.ended_at)))",
    )?
    .query_row([&id.0], |row| row.get(0))
    .optional()
}

/// A file that no till can have seen is planned anew under its name.
fn next_copy_in(tx: &Transaction<'_>, id: &OrderId) -> rusqlite::Result<u32> {
    tx.prepare_cached(
        "SELECT coalesce(max(copy), 0) + 1 FROM order_file WHERE order_id = ?1 AND kind = 'cancellation'
           AND state <> 'planned' AND NOT (state = 'withdrawn' AND visible_at IS NULL)",
    )?
    .query_row([&id.0], |row| row.get(0))
}

fn asked_in(tx: &Transaction<'_>, id: &OrderId) -> rusqlite::Result<Asked> {
    let mut found = tx.prepare_cached("SELECT sku, back, more FROM order_asked WHERE order_id = ?1")?;
    let mut rows = found.query([&id.0])?;
    let mut asked = Asked::default();
    while let Some(row) = rows.next()? {
        let sku = sku_column(row.get(0)?)?;
        add(&mut asked.back, &sku, typed(row, "back")?);
        add(&mut asked.more, &sku, typed(row, "more")?);
    }
    Ok(asked)
}

fn compared_in(tx: &Transaction<'_>, id: &OrderId) -> rusqlite::Result<Option<(Option<Particulars>, Units)>> {
    tx.prepare_cached("SELECT particulars, refunded FROM order_compared WHERE order_id = ?1")?
        .query_row([&id.0], |row| {
            let particulars: Option<String> = row.get(0)?;
            Ok((particulars.map(|text| from_json(&text)).transpose()?, from_json(&row.get::<_, String>(1)?)?))
        })
        .optional()
}

/// A JSON column.
pub(super) fn from_json<T: DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error)))
}

/// Keeps what the till has of the order besides units, and which refunds staff know of.
pub(super) fn keep_compared(
    tx: &Transaction<'_>,
    id: &OrderId,
    particulars: Option<&Particulars>,
    refunded: &Units,
) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO order_compared (order_id, particulars, refunded) VALUES (?1, ?2, ?3)
         ON CONFLICT (order_id) DO UPDATE SET particulars = excluded.particulars, refunded = excluded.refunded",
    )
    .and_then(|mut keep| keep.execute(params![id.0, particulars.map(json), json(refunded)]))
    .map(|_| ())
    .doing("keep what the till has of an order")
}

/// What a till has of the order besides units.
pub(super) fn particulars_of(order: &WebOrder) -> Particulars {
    const LENGTH: usize = 16;
    let hash = |text: String| fingerprint(text.as_bytes()).chars().take(LENGTH).collect::<String>();
    let lines: BTreeMap<String, String> = order
        .lines
        .iter()
        .map(|line| {
            let amounts =
                [line.price, line.price_incl_tax, line.tax_percent].map(|amount| amount.normalize().to_string());
            (line.id.clone(), hash(json(&(&line.sku, &line.name, amounts))))
        })
        .collect();
    Particulars {
        customer: hash(json(&order.customer)),
        shipping: hash(json(&order.shipping)),
        payment: hash(json(&order.payment)),
        lines,
    }
}

/// Something became of a cancellation file; the order's own state does not move.
pub(super) fn cancellation_moved(
    tx: &Transaction<'_>,
    order: &OrderId,
    what: &str,
    detail: &str,
    now: Timestamp,
) -> Result<()> {
    note(tx, order, what, Some(detail), super::orders::AGENT, now)?;
    outbox::mark_order_due(tx, order, now)
}

/// Writes down what staff booked themselves: returns are positive, sales negative.
pub(super) fn book_by_hand(
    tx: &Transaction<'_>,
    booking: &Booking,
    what: &str,
    units: &Units,
    by: &str,
    now: Timestamp,
) -> Result<()> {
    const NOTE: &str = "note what staff booked";
    if units.is_empty() {
        return Ok(());
    }
    let id = &booking.order.order.id;
    let sql = "SELECT coalesce(max(copy), 0) + 1 FROM order_file WHERE order_id = ?1 AND kind = 'by-hand'";
    let copy: u32 = tx.query_row(sql, [&id.0], |row| row.get(0)).doing(NOTE)?;
    let name = format!("{what} by hand, {copy}");
    let version = super::plans::version_of(&booking.order.order);
    tx.execute(
        "INSERT INTO order_file (name, order_id, kind, copy, version, sha256, bytes, state, planned_at, ended_at, evidence)
         VALUES (?1, ?2, 'by-hand', ?3, ?4, '', 0, 'taken', ?5, ?5, ?6)",
        params![name, id.0, copy, version, micros(now), format!("said by {by}")],
    )
    .doing(NOTE)?;
    // Staff book it under the code that the till has for the item now.
    let codes = item_map::map_of(tx, &units.keys().cloned().collect::<Vec<_>>())?;
    for (sku, units) in units {
        let code = codes.till_of(sku).unwrap_or(sku);
        tx.execute(
            "INSERT INTO order_file_units (name, order_id, sku, units, booked_as) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![name, id.0, sku.as_str(), units.to_string(), code.as_str()],
        )
        .doing(NOTE)?;
    }
    Ok(())
}
