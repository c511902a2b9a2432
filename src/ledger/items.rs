//! All that is known about single SKUs: the till's count, what orders claim, what the store holds.
//!
//! Promises: the facts about a batch are read at one moment, with a handful of statements however large the batch is. They
//! are asked for by web SKU; a count is the till's of the code that this web SKU has, and of what the till took only what
//! it took under this code is proof.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;

use super::merge::{self, Counting};
use super::{Doing, Ledger, Result, admission, at_column, corrections, item_map, typed};
use crate::domain::corrections::{Booked, Taken};
use crate::domain::reconcile::{Acknowledged, Apart, Claim};
use crate::domain::stock::Counted;
use crate::domain::{AdmittedSnapshot, ExportId, ItemMap, OrderId, Quantity, Sku};
use crate::ports::StockVersion;

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
    /// The store's version mark of what it then held, where it has such marks.
    pub version: Option<StockVersion>,
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
            let codes = item_map::map_of(tx, skus)?;
            if let Some(base) = admission::base_in(tx)? {
                read_counts(tx, base, &codes, &mut facts).doing("read counts")?;
            }
            read_claims(tx, &wanted, &codes, &mut facts).doing("read what orders claim")?;
            if item_map::ever_in(tx)? {
                read_claims_of_others(tx, &codes, &mut facts).doing("read what orders of other items claim")?;
            }
            read_store_items(tx, &wanted, &mut facts).doing("read what the store holds")?;
            Ok((counting, facts))
        })
    }
}

pub(crate) fn sku_column(text: String) -> rusqlite::Result<Sku> {
    Sku::try_from(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error)))
}

/// Pairs of till code and web SKU, for the web SKUs that the till has.
fn coded(codes: &ItemMap, facts: &HashMap<Sku, ItemFacts>) -> String {
    let pairs: Vec<[&Sku; 2]> = facts.keys().filter_map(|web| Some([codes.till_of(web)?, web])).collect();
    serde_json::to_string(&pairs).unwrap_or_default()
}

fn read_counts(
    tx: &Connection,
    base: ExportId,
    codes: &ItemMap,
    facts: &mut HashMap<Sku, ItemFacts>,
) -> rusqlite::Result<()> {
    let mut found = tx.prepare_cached(
        "SELECT w.value ->> 1, r.quantity, r.line, e.id, e.evidence_until FROM json_each(?2) w
         CROSS JOIN stock_row r ON r.export_id = ?1 AND r.sku = w.value ->> 0
         JOIN export e ON e.id = coalesce(r.origin, r.export_id)",
    )?;
    let mut rows = found.query(params![base.0, coded(codes, facts)])?;
    while let Some(row) = rows.next()? {
        let counted = Counted { quantity: typed(row, "quantity")?, line: row.get::<_, i64>(2)?.unsigned_abs() };
        let snapshot = admission::recorded(row, 3)?;
        facts.entry(sku_column(row.get(0)?)?).or_default().counted = Some(CountedIn { counted, snapshot });
    }
    // What the store sells under a name by which the till means another item is nothing that the shop has: were it left
    // as it is, one piece would be offered twice.
    for (_, item) in facts.iter_mut().filter(|(web, _)| codes.till_of(web).is_none()) {
        let snapshot = tx.query_row("SELECT id, evidence_until FROM export WHERE id = ?1", [base.0], |row| {
            admission::recorded(row, 0)
        })?;
        item.counted = Some(CountedIn { counted: Counted { quantity: Quantity::ZERO, line: 0 }, snapshot });
    }
    Ok(())
}

fn read_claims(
    tx: &Connection,
    wanted: &str,
    codes: &ItemMap,
    facts: &mut HashMap<Sku, ItemFacts>,
) -> rusqlite::Result<()> {
    let mut corrected = corrections::booked_besides(tx, wanted)?;
    // The newest file of an order is the one that tells whether the till has it.
    let mut found = tx.prepare_cached(
        "SELECT c.sku, c.order_id, o.number, c.to_take, c.reserved, c.shipped, o.before_our_time AS early, max(f.ended_at, coalesce(u.booked_at, f.ended_at)) AS ended_at, u.units, u.booked_as
         FROM json_each(?1) w CROSS JOIN order_claim c ON c.sku = w.value JOIN web_order o ON o.id = c.order_id
         LEFT JOIN order_file f ON f.order_id = c.order_id AND f.kind = 'order' AND f.state = 'taken'
           AND f.copy = (SELECT max(copy) FROM order_file g WHERE g.order_id = c.order_id AND g.kind = 'order')
         LEFT JOIN order_file_units u ON u.name = f.name AND u.order_id = f.order_id AND u.sku = c.sku
         ORDER BY c.sku, o.placed_at, c.order_id",
    )?;
    let mut rows = found.query([wanted])?;
    while let Some(row) = rows.next()? {
        let web = sku_column(row.get(0)?)?;
        let booked_as = row.get::<_, Option<String>>("booked_as")?.map(sku_column).transpose()?;
        let apart = booked_as.filter(|code| codes.till_of(&web) != Some(code)).map(Apart::BookedAs);
        let taken = match row.get::<_, Option<i64>>("ended_at")? {
            Some(at) if apart.is_none() && row.get::<_, Option<String>>("units")?.is_some() => {
                Some(Taken { units: typed(row, "units")?, at: at_column(at) })
            }
            Some(_) | None => None,
        };
        let order = OrderId(row.get("order_id")?);
        let mut booked = Booked::by_file(taken);
        if let Some(besides) = corrected.remove(&(order.clone(), web.clone())) {
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
            apart,
        };
        facts.entry(web).or_default().claims.push(claim);
    }
    Ok(())
}

/// Orders of other web SKUs whose files name an item by the code that one of these has now: the till takes them from it.
fn read_claims_of_others(
    tx: &Connection,
    codes: &ItemMap,
    facts: &mut HashMap<Sku, ItemFacts>,
) -> rusqlite::Result<()> {
    // Two ranges of the index instead of all files of the item.
    let others = |range: &str| {
        format!(
            "SELECT w.value ->> 1 AS web, o.id AS id, o.number AS number, u.sku AS sold_as, u.units AS units,
               max(f.ended_at, coalesce(u.booked_at, f.ended_at)) AS ended_at, o.placed_at AS placed_at, f.copy AS copy
             FROM json_each(?1) w CROSS JOIN order_file_units u ON u.booked_as = w.value ->> 0 AND u.sku {range} w.value ->> 1
             JOIN order_file f ON f.name = u.name AND f.order_id = u.order_id AND f.kind = 'order'
               AND f.state IN ('staged', 'visible', 'left', 'taken')
             JOIN web_order o ON o.id = f.order_id"
        )
    };
    let sql = format!("{} UNION ALL {} ORDER BY web, placed_at, id, copy", others("<"), others(">"));
    let mut found = tx.prepare_cached(&sql)?;
    let mut rows = found.query([coded(codes, facts)])?;
    while let Some(row) = rows.next()? {
        let units = typed(row, "units")?;
        let ended_at = row.get::<_, Option<i64>>("ended_at")?;
        let claim = Claim {
            order: OrderId(row.get("id")?),
            number: row.get("number")?,
            to_take: units,
            reserved: Quantity::ZERO,
            shipped: Quantity::ZERO,
            booked: Booked::by_file(ended_at.map(|at| Taken { units, at: at_column(at) })),
            before_our_time: false,
            apart: Some(Apart::SoldAs(sku_column(row.get("sold_as")?)?)),
        };
        facts.entry(sku_column(row.get("web")?)?).or_default().claims.push(claim);
    }
    Ok(())
}

fn read_store_items(tx: &Connection, wanted: &str, facts: &mut HashMap<Sku, ItemFacts>) -> rusqlite::Result<()> {
    let mut found = tx.prepare_cached(
        "SELECT s.sku, s.kind, s.written, s.moved, s.written_at, s.answer, s.checked_at, s.version
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
            version: row.get::<_, Option<String>>("version")?.map(StockVersion),
            written_at: row.get::<_, Option<i64>>("written_at")?.map(at_column),
            answer: row.get("answer")?,
            checked_at: at_column(row.get("checked_at")?),
        };
        facts.entry(sku_column(row.get(0)?)?).or_default().store = Some(item);
    }
    Ok(())
}
