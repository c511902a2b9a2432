//! What an audit of the store looks at: items that stood still, and items that were found otherwise than written.
//!
//! Promises: reads a bounded number of rows, however many items there are.

use jiff::Timestamp;
use rusqlite::params;

use super::items::sku_column;
use super::{Doing, Ledger, Result, micros};
use crate::domain::Sku;

impl Ledger {
    /// Items after this one, by SKU, that the store holds as written since this time or longer, and that are not due.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn still_items(&self, after: &str, since: Timestamp, limit: u32) -> Result<Vec<Sku>> {
        const LIST: &str = "list items that stood still";
        self.read(LIST, |tx| {
            let mut found = tx
                .prepare_cached(
                    "SELECT s.sku FROM store_item s WHERE s.sku > ?1 AND s.kind = 'kept' AND s.written IS NOT NULL
                       AND s.written_at <= ?2 AND NOT EXISTS (SELECT 1 FROM outbox_stock o WHERE o.sku = s.sku)
                     ORDER BY s.sku LIMIT ?3",
                )
                .doing(LIST)?;
            let skus = found.query_map(params![after, micros(since), limit], |row| sku_column(row.get(0)?));
            skus.and_then(Iterator::collect).doing(LIST)
        })
    }

    /// Items of which the store held something else than was written, with both numbers, until they are right.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn drifted_items(&self, limit: u32) -> Result<Vec<(Sku, String)>> {
        const LIST: &str = "list items that the store held otherwise";
        self.read(LIST, |tx| {
            let sql = "SELECT sku, last_error FROM outbox_stock WHERE last_error LIKE '% was read back' ORDER BY sku LIMIT ?1";
            let mut found = tx.prepare_cached(sql).doing(LIST)?;
            let items = found.query_map([limit], |row| Ok((sku_column(row.get(0)?)?, row.get(1)?)));
            items.and_then(Iterator::collect).doing(LIST)
        })
    }
}
