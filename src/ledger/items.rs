//! All that is known about single SKUs: the till's count, what orders claim, what the store holds.
//!
//! Promises: the facts about a batch are read at one moment, with a handful of statements however large the batch is.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;

use super::merge::{self, Counting};
use super::{Doing, Ledger, Result, admission, at_column, corrections, typed};
use crate::domain::corrections::{Booked, Taken};
use crate::domain::reconcile::{Acknowledged, Claim};
use crate::domain::stock::Counted;
use crate::domain::{AdmittedSnapshot, ExportId, OrderId, Sku};

/// All that the arithmetic needs about one SKU, read at one moment.
#[derive(Debug, Clone, Default)]
pub struct ItemFacts {
    /// The till's count, if it counts the item.
    pub counted: Option<CountedIn>,
    /// What the web orders claim of it.
    pub claims: Vec<Claim>,
    /// What the store is known to hold.
    pub store: Option<StoreItem>,
}

/// A count, and the admitted export that says so: the one whose evidence goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedIn {
    /// The count.
    pub counted: Counted,
    /// The export.
    pub snapshot: AdmittedSnapshot,
}

/// What is known of a SKU at the store.
#[derive(Debug, Clone)]
pub struct StoreItem {
    /// What it is to the store.
    pub kind: StoreItemKind,
    /// The last acknowledged write.
    pub acknowledged: Option<Acknowledged>,
    /// When that was.
    pub written_at: Option<Timestamp>,
    /// What the store answered last.
    pub answer: String,
    /// When it was last asked or told.
    pub checked_at: Timestamp,
}

/// What a SKU is to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreItemKind {
    /// It keeps a quantity.
    Kept,
    /// It has no such SKU.
    Unknown,
    /// It has it, but keeps no quantity of it.
    NotKept,
    /// It refused our quantity.
    Refused,
}

impl StoreItemKind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Unknown => "unknown",
            Self::NotKept => "not-kept",
            Self::Refused => "refused",
        }
    }

    pub(crate) fn from_word(word: &str) -> Self {
        match word {
            "kept" => Self::Kept,
            "unknown" => Self::Unknown,
            "not-kept" => Self::NotKept,
            _ => Self::Refused,
        }
    }
}

impl Ledger {
    /// What counts, and all facts about these SKUs: one consistent read.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn item_facts(&self, skus: &[Sku]) -> Result<(Option<Counting>, HashMap<Sku, ItemFacts>)> {
        self.read("read facts about items", |tx| {
            let counting = merge::counting_in(tx)?;
            let mut facts: HashMap<Sku, ItemFacts> =
                skus.iter().map(|sku| (sku.clone(), ItemFacts::default())).collect();
            let wanted: Vec<&str> = skus.iter().map(Sku::as_str).collect();
            let wanted = serde_json::to_string(&wanted).unwrap_or_default();
            if let Some(base) = admission::base_in(tx)? {
                read_counts(tx, base, &wanted, &mut facts).doing("read counts")?;
            }
            read_claims(tx, &wanted, &mut facts).doing("read what orders claim")?;
            read_store_items(tx, &wanted, &mut facts).doing("read what the store holds")?;
            Ok((counting, facts))
        })
    }
}

pub(crate) fn sku_column(text: String) -> rusqlite::Result<Sku> {
    Sku::try_from(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error)))
}

fn read_counts(
    tx: &Connection,
    base: ExportId,
    wanted: &str,
    facts: &mut HashMap<Sku, ItemFacts>,
) -> rusqlite::Result<()> {
    let mut found = tx.prepare_cached(
        "SELECT r.sku, r.quantity, r.line, e.id, e.evidence_until FROM json_each(?2) w
         CROSS JOIN stock_row r ON r.export_id = ?1 AND r.sku = w.value JOIN export e ON e.id = coalesce(r.origin, r.export_id)",
    )?;
    let mut rows = found.query(params![base.0, wanted])?;
    while let Some(row) = rows.next()? {
        let counted = Counted { quantity: typed(row, "quantity")?, line: row.get::<_, i64>(2)?.unsigned_abs() };
        let snapshot = admission::recorded(row, 3)?;
        facts.entry(sku_column(row.get(0)?)?).or_default().counted = Some(CountedIn { counted, snapshot });
    }
    Ok(())
}

fn read_claims(tx: &Connection, wanted: &str, facts: &mut HashMap<Sku, ItemFacts>) -> rusqlite::Result<()> {
    let mut corrected = corrections::booked_besides(tx, wanted)?;
    // The newest file of an order is the one that tells whether the till has it.
    let mut found = tx.prepare_cached(
        "SELECT c.sku, c.order_id, o.number, c.to_take, c.reserved, c.shipped, o.before_our_time AS early, f.ended_at, u.units
         FROM json_each(?1) w CROSS JOIN order_claim c ON c.sku = w.value JOIN web_order o ON o.id = c.order_id
         LEFT JOIN order_file f ON f.order_id = c.order_id AND f.kind = 'order' AND f.state = 'taken'
           AND f.copy = (SELECT max(copy) FROM order_file g WHERE g.order_id = c.order_id AND g.kind = 'order')
         LEFT JOIN order_file_units u ON u.name = f.name AND u.order_id = f.order_id AND u.sku = c.sku
         ORDER BY c.sku, o.placed_at, c.order_id",
    )?;
    let mut rows = found.query([wanted])?;
    while let Some(row) = rows.next()? {
        let taken = match (row.get::<_, Option<i64>>("ended_at")?, row.get::<_, Option<String>>("units")?) {
            (Some(at), Some(_)) => Some(Taken { units: typed(row, "units")?, at: at_column(at) }),
            _ => None,
        };
        let (order, sku) = (OrderId(row.get("order_id")?), sku_column(row.get(0)?)?);
        let mut booked = Booked::by_file(taken);
        if let Some(besides) = corrected.remove(&(order.clone(), sku.clone())) {
            booked.out.extend(besides.out);
            booked.back = besides.back;
        }
        let claim = Claim {
            order,
            number: row.get("number")?,
            to_take: typed(row, "to_take")?,
            reserved: typed(row, "reserved")?,
            shipped: typed(row, "shipped")?,
            booked,
            before_our_time: row.get("early")?,
        };
        facts.entry(sku).or_default().claims.push(claim);
    }
    Ok(())
}

fn read_store_items(tx: &Connection, wanted: &str, facts: &mut HashMap<Sku, ItemFacts>) -> rusqlite::Result<()> {
    let mut found = tx.prepare_cached(
        "SELECT s.sku, s.kind, s.written, s.moved, s.written_at, s.answer, s.checked_at
         FROM json_each(?1) w CROSS JOIN store_item s ON s.sku = w.value",
    )?;
    let mut rows = found.query([wanted])?;
    while let Some(row) = rows.next()? {
        let acknowledged = match row.get::<_, Option<String>>("written")? {
            Some(_) => Some(Acknowledged { written: typed(row, "written")?, moved: typed(row, "moved")? }),
            None => None,
        };
        let item = StoreItem {
            kind: StoreItemKind::from_word(&row.get::<_, String>("kind")?),
            acknowledged,
            written_at: row.get::<_, Option<i64>>("written_at")?.map(at_column),
            answer: row.get("answer")?,
            checked_at: at_column(row.get("checked_at")?),
        };
        facts.entry(sku_column(row.get(0)?)?).or_default().store = Some(item);
    }
    Ok(())
}
