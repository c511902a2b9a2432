//! The rows of an export on their way into the ledger.
//!
//! Promises: memory does not grow with the number of rows; of several rows of one SKU the first is stored in `stock_row`,
//! the others beside it, until `duplicates` settles them.

use rusqlite::params;

use super::{Doing, Ledger, Result};
use crate::domain::ExportId;
use crate::ports::{ExportRow, Says};

/// Rows per transaction: large enough that the commit costs little, small enough that others wait only milliseconds.
const ROWS_PER_COMMIT: usize = 5000;
/// The same where nobody waits.
const ROWS_PER_SCRATCH_COMMIT: usize = 20_000;
/// What stands for the quantity of an item that the till has no more.
pub const DELETED: &str = "DELETE";

/// Stores rows as they come.
#[derive(Debug)]
pub struct RowWriter<'a> {
    ledger: &'a Ledger,
    export: ExportId,
    pending: Vec<Pending>,
    most: usize,
}

#[derive(Debug)]
struct Pending {
    sku: Box<str>,
    says: Says,
    line: u64,
    row: u64,
    ordinal: Option<u64>,
}

impl<'a> RowWriter<'a> {
    /// For the rows of `export`.
    pub fn new(ledger: &'a Ledger, export: ExportId) -> Self {
        let most = if ledger.is_scratch() { ROWS_PER_SCRATCH_COMMIT } else { ROWS_PER_COMMIT };
        Self { ledger, export, pending: Vec::new(), most }
    }

    /// Takes one row.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn take(&mut self, row: &ExportRow<'_>) -> Result<()> {
        let ExportRow { sku, says, row, line, ordinal } = *row;
        self.pending.push(Pending { sku: sku.into(), says, line, row, ordinal });
        if self.pending.len() < self.most { Ok(()) } else { self.flush() }
    }

    /// Stores what is pending.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn flush(&mut self) -> Result<()> {
        // Neighbours in the table are written together; the rows of one SKU stay in the file's order.
        self.pending.sort_by(|a, b| a.sku.cmp(&b.sku));
        let (export, pending) = (self.export, &self.pending);
        self.ledger.write("store stock rows", |tx| {
            let mut insert = tx.prepare_cached(
                "INSERT INTO stock_row (export_id, sku, quantity, line, row, ordinal) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO NOTHING",
            )?;
            let mut again = tx.prepare_cached(
                "INSERT INTO stock_row_again (export_id, sku, quantity, line, row, ordinal) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            for Pending { sku, says, line, row, ordinal } in pending {
                let quantity = match says {
                    Says::Count(quantity) => quantity.to_string(),
                    Says::Deleted => DELETED.to_owned(),
                };
                // Places beyond the column's range are all the last one, so that they are in conflict, not in order.
                let ordinal = ordinal.map(|ordinal| i64::try_from(ordinal).unwrap_or(i64::MAX));
                let row = params![export.0, sku, quantity, *line as i64, *row as i64, ordinal];
                if insert.execute(row)? == 0 {
                    again.execute(row)?;
                }
            }
            Ok(())
        })?;
        self.pending.clear();
        Ok(())
    }
}

impl Ledger {
    /// Calls `each` with every SKU, quantity ([`DELETED`] for a deletion) and line of an export, in the order of the SKUs.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn for_each_stock_row(&self, export: ExportId, mut each: impl FnMut(&str, &str, u64)) -> Result<()> {
        self.read("read stock rows", |tx| {
            let mut found = tx
                .prepare("SELECT sku, quantity, line FROM stock_row WHERE export_id = ?1 ORDER BY sku")
                .doing("read stock rows")?;
            let mut rows = found.query([export.0]).doing("read stock rows")?;
            while let Some(row) = rows.next().doing("read stock rows")? {
                let (sku, quantity) = (row.get_ref(0), row.get_ref(1));
                let (sku, quantity) = (sku.doing("read stock rows")?, quantity.doing("read stock rows")?);
                let line: i64 = row.get(2).doing("read stock rows")?;
                each(sku.as_str().unwrap_or_default(), quantity.as_str().unwrap_or_default(), line.unsigned_abs());
            }
            Ok(())
        })
    }
}
