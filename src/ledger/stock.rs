//! The rows of an export on their way into the ledger.
//!
//! Promises: memory does not grow with the number of rows; rows of one SKU are settled exactly as the profile says, and
//! a conflict makes every row of that SKU an error, never a guess.

use rusqlite::{Transaction, params};

use super::{Doing, Ledger, LedgerError, Result};
use crate::domain::{ExportId, Quantity};
use crate::ports::{Duplicates, ExportRow, ReadSummary, RowError, Says};

/// Rows per transaction: large enough that the commit costs little, small enough that others wait only milliseconds.
const ROWS_PER_COMMIT: usize = 5000;
/// Row errors that are listed one by one; the rest is counted.
pub const LISTED_ROW_ERRORS: usize = 200;

/// Stores rows as they come.
#[derive(Debug)]
pub struct RowWriter<'a> {
    ledger: &'a Ledger,
    export: ExportId,
    pending: Vec<(Box<str>, Quantity, u64)>,
}

impl<'a> RowWriter<'a> {
    /// For the rows of `export`.
    pub fn new(ledger: &'a Ledger, export: ExportId) -> Self {
        Self { ledger, export, pending: Vec::with_capacity(ROWS_PER_COMMIT) }
    }

    /// Takes one row.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn take(&mut self, row: &ExportRow<'_>) -> Result<()> {
        let quantity = match row.says {
            Says::Count(quantity) => quantity,
            Says::Deleted => Quantity::ZERO,
        };
        self.pending.push((row.sku.into(), quantity, row.line));
        if self.pending.len() < ROWS_PER_COMMIT { Ok(()) } else { self.flush() }
    }

    /// Stores what is pending.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn flush(&mut self) -> Result<()> {
        let (export, pending) = (self.export, &self.pending);
        self.ledger.write("store stock rows", |tx| {
            let mut insert = tx.prepare_cached(
                "INSERT INTO stock_row (export_id, sku, quantity, line) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
            )?;
            let mut again = tx.prepare_cached(
                "INSERT INTO stock_row_again (export_id, sku, quantity, line) VALUES (?1, ?2, ?3, ?4)",
            )?;
            for (sku, quantity, line) in pending {
                let row = params![export.0, sku, quantity.to_string(), *line as i64];
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

/// A SKU's first row, and one of its further rows.
struct Again {
    sku: String,
    quantity: String,
    line: i64,
    first: String,
    first_line: i64,
}

impl Ledger {
    /// Settles SKUs with several rows, by the profile's rule; conflicts are added to the summary's row errors.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn settle_duplicates(&self, export: ExportId, summary: &mut ReadSummary) -> Result<()> {
        let rule = summary.duplicates;
        let errors = self.transact("settle duplicate rows", |tx| {
            let again = rows_again(tx, export).doing("list duplicate rows")?;
            let errors = match rule {
                Duplicates::IdenticalCollapseConflictRowError => {
                    conflicts(tx, export, &again).doing("settle conflicts")?
                }
                Duplicates::LastInFile => last_wins(tx, export, &again).doing("settle duplicate rows")?,
                Duplicates::Sum => add_up(tx, export, &again)?,
            };
            tx.execute("DELETE FROM stock_row_again WHERE export_id = ?1", [export.0])
                .doing("settle duplicate rows")?;
            Ok(errors)
        })?;
        for error in errors {
            if summary.row_errors.len() < LISTED_ROW_ERRORS {
                summary.row_errors.push(error);
            } else {
                summary.more_row_errors += 1;
            }
        }
        summary.row_errors.sort_by_key(|error| error.line);
        Ok(())
    }

    /// Calls `each` with every SKU, quantity and line of an export, in the order of the SKUs.
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

fn rows_again(tx: &Transaction<'_>, export: ExportId) -> rusqlite::Result<Vec<Again>> {
    let mut found = tx.prepare(
        "SELECT a.sku, a.quantity, a.line, r.quantity, r.line FROM stock_row_again a
         JOIN stock_row r ON r.export_id = a.export_id AND r.sku = a.sku WHERE a.export_id = ?1 ORDER BY a.id",
    )?;
    let rows = found.query_map([export.0], |row| {
        Ok(Again {
            sku: row.get(0)?,
            quantity: row.get(1)?,
            line: row.get(2)?,
            first: row.get(3)?,
            first_line: row.get(4)?,
        })
    })?;
    rows.collect()
}

fn conflicts(tx: &Transaction<'_>, export: ExportId, again: &[Again]) -> rusqlite::Result<Vec<RowError>> {
    let mut errors = Vec::new();
    let mut spoilt = std::collections::BTreeSet::new();
    let in_conflict: std::collections::BTreeSet<&str> =
        again.iter().filter(|row| row.quantity != row.first).map(|row| row.sku.as_str()).collect();
    for row in again.iter().filter(|row| in_conflict.contains(row.sku.as_str())) {
        let error = |line: i64, quantity: &str| RowError {
            row: 0,
            line: line.unsigned_abs(),
            sku: Some(row.sku.clone()),
            reason: "duplicate_conflict".into(),
            text: format!("{} stands in several rows with different quantities; this one says {quantity}", row.sku),
        };
        if spoilt.insert(row.sku.as_str()) {
            errors.push(error(row.first_line, &row.first));
            tx.execute("DELETE FROM stock_row WHERE export_id = ?1 AND sku = ?2", params![export.0, row.sku])?;
        }
        errors.push(error(row.line, &row.quantity));
    }
    Ok(errors)
}

fn last_wins(tx: &Transaction<'_>, export: ExportId, again: &[Again]) -> rusqlite::Result<Vec<RowError>> {
    for row in again {
        tx.execute(
            "UPDATE stock_row SET quantity = ?3, line = ?4 WHERE export_id = ?1 AND sku = ?2",
            params![export.0, row.sku, row.quantity, row.line],
        )?;
    }
    Ok(Vec::new())
}

fn add_up(tx: &Transaction<'_>, export: ExportId, again: &[Again]) -> Result<Vec<RowError>> {
    let mut sums = std::collections::BTreeMap::<&str, Quantity>::new();
    let read = |sku: &str, text: &str| {
        Quantity::parse(text).map_err(|error| LedgerError::Damaged {
            table: "stock_row",
            row: sku.to_owned(),
            why: error.to_string(),
        })
    };
    for row in again {
        let first = read(&row.sku, &row.first)?;
        let sum = sums.entry(&row.sku).or_insert(first);
        *sum = *sum + read(&row.sku, &row.quantity)?;
    }
    for (sku, sum) in sums {
        tx.execute(
            "UPDATE stock_row SET quantity = ?3 WHERE export_id = ?1 AND sku = ?2",
            params![export.0, sku, sum.to_string()],
        )
        .doing("add up duplicate rows")?;
    }
    Ok(Vec::new())
}
