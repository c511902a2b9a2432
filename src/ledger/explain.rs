//! Figures and lists that people and the health report ask for. Reads only.

use jiff::Timestamp;
use rusqlite::OptionalExtension;
use serde::Serialize;

use super::item_map::Names;
use super::items::sku_column;
use super::{Doing, Ledger, Result, at_column};
use crate::domain::order::ORDER_STATES;
use crate::domain::{OrderState, Sku};

/// How many orders are in each state.
#[derive(Debug, Clone, Serialize)]
pub struct OrderCount {
    /// The state.
    pub state: OrderState,
    /// How many orders.
    pub orders: u64,
}

/// A SKU that the store does not take, with its reason.
#[derive(Debug, Clone, Serialize)]
pub struct UnusualItem {
    /// Which: its web SKU.
    pub sku: String,
    /// The till's code for it, where it has one.
    pub till_code: Option<String>,
    /// `unknown`, `not-kept` or `refused`.
    pub kind: String,
    /// The store's reason.
    pub why: String,
}

/// An item on an open order that the export which counts does not mention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownToTill {
    /// The web SKU.
    pub sku: Sku,
    /// The till's code for it, where it has one.
    pub till_code: Option<Sku>,
    /// The order's number.
    pub number: String,
}

impl Ledger {
    /// How many orders are in each state.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn order_counts(&self) -> Result<Vec<OrderCount>> {
        self.read("count orders", |tx| {
            let mut found =
                tx.prepare_cached("SELECT count(*) FROM web_order WHERE state = ?1").doing("count orders")?;
            let count = |state: OrderState| {
                let orders: i64 = found.query_row([state.word()], |row| row.get(0)).doing("count orders")?;
                Ok(OrderCount { state, orders: orders.unsigned_abs() })
            };
            ORDER_STATES.into_iter().map(count).collect()
        })
    }

    /// SKUs of the till that the store does not take: how many, and the first of them.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn unusual_items(&self, limit: u32) -> Result<(u64, Vec<UnusualItem>)> {
        self.read("list items that the store does not take", |tx| {
            // A name by which the till means another item is no item of the till.
            let code = Names::of(tx)?.till_of("s.sku");
            // What was given up, or dropped by a person, is told of as such.
            let unusual = format!(
                "FROM store_item s WHERE s.kind <> 'kept' AND {code} IS NOT NULL AND NOT EXISTS
                 (SELECT 1 FROM outbox_trouble t WHERE t.kind = 'stock' AND t.key = s.sku AND t.state <> 'tried')"
            );
            let all: i64 = tx
                .query_row(&format!("SELECT count(*) {unusual}"), [], |row| row.get(0))
                .doing("count items that the store does not take")?;
            let mut found = tx
                .prepare_cached(&format!("SELECT s.sku, s.kind, s.answer, {code} {unusual} ORDER BY s.sku LIMIT ?1"))
                .doing("list items that the store does not take")?;
            let item = |row: &rusqlite::Row<'_>| {
                Ok(UnusualItem { sku: row.get(0)?, kind: row.get(1)?, why: row.get(2)?, till_code: row.get(3)? })
            };
            let rows = found.query_map([limit], item);
            Ok((all.unsigned_abs(), rows.and_then(Iterator::collect).doing("list items that the store does not take")?))
        })
    }

    /// When a quantity was last acknowledged by the store.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn last_sent(&self) -> Result<Option<Timestamp>> {
        self.read("see when stock was last sent", |tx| {
            tx.query_row(
                "SELECT at FROM attempt WHERE kind = 'stock' AND outcome = 'done' ORDER BY id DESC LIMIT 1",
                [],
                |row| row.get(0),
            )
            .optional()
            .map(|at| at.map(at_column))
            .doing("see when stock was last sent")
        })
    }

    /// SKUs on open orders that the export which counts does not mention, with the orders' numbers.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn items_unknown_to_till(&self, limit: u32) -> Result<Vec<UnknownToTill>> {
        self.read("list items unknown to the till", |tx| {
            let code = Names::of(tx)?.till_of("c.sku");
            let mut found = tx
                .prepare_cached(&format!(
                    "SELECT DISTINCT c.sku, o.number, {code} FROM web_order o JOIN order_claim c ON c.order_id = o.id
                     JOIN export e ON e.state = 'admitted'
                     WHERE o.state IN ('received', 'published', 'rejected') AND o.before_our_time = 0 AND c.to_take <> '0'
                       AND NOT EXISTS (SELECT 1 FROM stock_row r WHERE r.export_id = e.id AND r.sku = {code})
                     ORDER BY o.number, c.sku LIMIT ?1"
                ))
                .doing("list items unknown to the till")?;
            found
                .query_map([limit], |row| {
                    let till_code = row.get::<_, Option<String>>(2)?.map(sku_column).transpose()?;
                    Ok(UnknownToTill { sku: sku_column(row.get(0)?)?, till_code, number: row.get(1)? })
                })
                .and_then(Iterator::collect)
                .doing("list items unknown to the till")
        })
    }
}
