//! Items that have no counterpart on the other side: what a person would pair, or create. Reads only.
//!
//! Promises: judged by the export that counts, what the store has answered, and the orders that are open; counted whole,
//! listed as far as asked.

use rusqlite::{Transaction, params};
use serde::Serialize;

use super::item_map::{self, Names};
use super::items::sku_column;
use super::{Doing, Ledger, Result, admission};
use crate::domain::{ExportId, Sku};

/// A web SKU that the export which counts lacks.
#[derive(Debug, Clone, Serialize)]
pub struct WebOnly {
    /// The web SKU.
    pub web_sku: Sku,
    /// What the till should call it; none: the till means another item by that name.
    pub till_code: Option<Sku>,
    /// Open orders that have it.
    pub open_orders: u64,
}

/// A till code in the export that counts, which the web store lacks.
#[derive(Debug, Clone, Serialize)]
pub struct TillOnly {
    /// The till code.
    pub till_code: Sku,
    /// What the store should call it, and does not know; none: the store means another item by that name.
    pub web_sku: Option<Sku>,
    /// The till's count, as text.
    pub counted: String,
}

/// Items without a counterpart.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Unmapped {
    /// How many web SKUs.
    pub web_count: u64,
    /// The first of them.
    pub web: Vec<WebOnly>,
    /// How many till codes.
    pub till_count: u64,
    /// The first of them.
    pub till: Vec<TillOnly>,
}

const DOING: &str = "list items without a counterpart";

impl Ledger {
    /// Items without a counterpart, `limit` of each side at most; none before the first export counts.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn unmapped_items(&self, limit: u32) -> Result<Option<Unmapped>> {
        self.read(DOING, |tx| {
            let Some(base) = admission::base_in(tx)? else { return Ok(None) };
            let names = Names::of(tx)?;
            let (web_count, web) = web_only(tx, base, names, limit).doing(DOING)?;
            let (till_count, till) = till_only(tx, base, names, limit).doing(DOING)?;
            Ok(Some(Unmapped { web_count, web, till_count, till }))
        })
    }

    /// Till codes in this export that are not used, because the store means other items by them: how many, and the first.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn unused_codes(&self, export: ExportId, limit: u32) -> Result<(u64, Vec<Sku>)> {
        self.read("list codes that are not used", |tx| {
            let doing = "list codes that are not used";
            if !item_map::any_in(tx)? {
                return Ok((0, Vec::new()));
            }
            let unused = unused_in(tx, export).doing(doing)?;
            let count: i64 =
                tx.query_row(&format!("SELECT count(*) {unused}"), [export.0], |row| row.get(0)).doing(doing)?;
            let mut found =
                tx.prepare_cached(&format!("SELECT r.sku {unused} ORDER BY r.sku LIMIT ?2")).doing(doing)?;
            let codes = found.query_map(params![export.0, limit], |row| sku_column(row.get(0)?));
            Ok((count.unsigned_abs(), codes.and_then(Iterator::collect).doing(doing)?))
        })
    }
}

/// Begins with whichever is fewer, the pairs or the rows: an export of changes has a handful.
fn unused_in(tx: &Transaction<'_>, export: ExportId) -> rusqlite::Result<String> {
    let pairs: i64 = tx.query_row("SELECT count(*) FROM item_pair", [], |row| row.get(0))?;
    let is_long = "SELECT count(*) >= ?2 FROM (SELECT 1 FROM stock_row WHERE export_id = ?1 LIMIT ?2)";
    let is_long: bool = tx.query_row(is_long, [export.0, pairs], |row| row.get(0))?;
    let both =
        if is_long { "item_pair other CROSS JOIN stock_row r" } else { "stock_row r CROSS JOIN item_pair other" };
    Ok(format!(
        "FROM {both} WHERE r.export_id = ?1 AND r.sku = other.web_sku
           AND NOT EXISTS (SELECT 1 FROM item_pair own WHERE own.till_code = r.sku)"
    ))
}

fn web_only(tx: &Transaction<'_>, base: ExportId, names: Names, limit: u32) -> rusqlite::Result<(u64, Vec<WebOnly>)> {
    let lacks = |web: &str| {
        let code = names.till_of(web);
        format!("NOT EXISTS (SELECT 1 FROM stock_row r WHERE r.export_id = ?1 AND r.sku = {code})")
    };
    let lacking = format!(
        "(SELECT c.sku AS sku, 1 AS orders FROM web_order o JOIN order_claim c ON c.order_id = o.id
          WHERE o.state IN ('received', 'published', 'rejected', 'failed') AND o.before_our_time = 0
            AND c.to_take <> '0' AND {}
          UNION ALL SELECT s.sku, 0 FROM store_item s WHERE s.kind = 'kept' AND {})",
        lacks("c.sku"),
        lacks("s.sku")
    );
    let count: i64 = tx.query_row(&format!("SELECT count(DISTINCT sku) FROM {lacking}"), [base.0], |row| row.get(0))?;
    let code = names.till_of("l.sku");
    let mut found = tx.prepare(&format!(
        "SELECT l.sku, {code}, sum(l.orders) FROM {lacking} l GROUP BY l.sku ORDER BY sum(l.orders) = 0, l.sku LIMIT ?2"
    ))?;
    let rows = found.query_map(params![base.0, limit], |row| {
        Ok(WebOnly {
            web_sku: sku_column(row.get(0)?)?,
            till_code: row.get::<_, Option<String>>(1)?.map(sku_column).transpose()?,
            open_orders: row.get::<_, i64>(2)?.unsigned_abs(),
        })
    })?;
    Ok((count.unsigned_abs(), rows.collect::<rusqlite::Result<_>>()?))
}

fn till_only(tx: &Transaction<'_>, base: ExportId, names: Names, limit: u32) -> rusqlite::Result<(u64, Vec<TillOnly>)> {
    let (web, code) = (names.web_of("r.sku"), names.till_of("s.sku"));
    // What the store does not know is found from its side; what has no web SKU from that of the pairs.
    let only = format!(
        "(SELECT r.sku AS code, s.sku AS web, r.quantity AS quantity FROM store_item s
          CROSS JOIN stock_row r ON r.export_id = ?1 AND r.sku = {code} WHERE s.kind = 'unknown'
          UNION ALL SELECT r.sku, NULL, r.quantity FROM item_pair other
          CROSS JOIN stock_row r ON r.export_id = ?1 AND r.sku = other.web_sku WHERE {web} IS NULL)"
    );
    let count: i64 = tx.query_row(&format!("SELECT count(*) FROM {only}"), [base.0], |row| row.get(0))?;
    let mut found = tx.prepare(&format!("SELECT code, web, quantity FROM {only} ORDER BY code LIMIT ?2"))?;
    let rows = found.query_map(params![base.0, limit], |row| {
        Ok(TillOnly {
            till_code: sku_column(row.get(0)?)?,
            web_sku: row.get::<_, Option<String>>(1)?.map(sku_column).transpose()?,
            counted: row.get(2)?,
        })
    })?;
    Ok((count.unsigned_abs(), rows.collect::<rusqlite::Result<_>>()?))
}
