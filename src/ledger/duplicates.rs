//! Several rows of one SKU within an export: which of them counts, if any.
//!
//! Promises: settled exactly as the profile says, and by the changes' own order where they have one; where that leaves a
//! doubt, every row of the SKU is an error, never a guess. Memory does not grow with the number of repeated rows, nor
//! with the number of rows of one SKU.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, Transaction, params};
use rust_decimal::Decimal;

use super::stock::DELETED;
use super::{Doing, Ledger, LedgerError, Result};
use crate::domain::{ExportId, Quantity};
use crate::ports::{Duplicates, ReadSummary, Rejection, RowError};

/// Row errors that are listed one by one; more of them reject the export, whatever their share.
pub const MOST_ROW_ERRORS: usize = 200;
const DOING: &str = "settle duplicate rows";

impl Ledger {
    /// Settles SKUs with several rows, by the profile's rule; conflicts are added to the summary's row errors. An export
    /// that has too many errors with them is rejected.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn settle_duplicates(
        &self,
        export: ExportId,
        summary: &mut ReadSummary,
    ) -> Result<std::result::Result<(), Rejection>> {
        let found = self.transact(DOING, |tx| {
            let mut settling = Settling::new(tx, export, summary);
            settling.repeated()?;
            settling.doubtful()?;
            tx.execute("DELETE FROM stock_row_again WHERE export_id = ?1", [export.0]).doing(DOING)?;
            Ok(settling.found)
        })?;
        let errors = summary.row_errors.len() as u64 + summary.more_row_errors + found.count;
        let is_too_many = errors > MOST_ROW_ERRORS as u64
            || u128::from(errors) * 100 > u128::from(summary.row_error_limit_percent) * u128::from(summary.rows);
        if found.count > 0 && is_too_many {
            let first = summary.row_errors.iter().chain(found.first.iter()).min_by_key(|error| error.line);
            return Ok(Err(too_many(errors, summary.rows, first)));
        }
        summary.row_errors.extend(found.listed);
        summary.row_errors.sort_by_key(|error| error.line);
        Ok(Ok(()))
    }
}

fn too_many(errors: u64, rows: u64, first: Option<&RowError>) -> Rejection {
    let text = first.map_or("", |error| error.text.as_str());
    Rejection {
        reason: "too_many_row_errors".into(),
        line: first.map(|error| error.line),
        text: format!(
            "{errors} of {rows} rows are in error, the first: {text}; correct the profile, or these items in the till"
        ),
    }
}

/// A row of a SKU.
#[derive(Debug, Clone)]
struct Place {
    quantity: String,
    line: i64,
    row: i64,
    ordinal: Option<i64>,
}

/// The columns after the SKU, in this order.
const PLACE: &str = "quantity, line, row, ordinal";

fn place(row: &Row<'_>, from: usize) -> rusqlite::Result<Place> {
    Ok(Place {
        quantity: row.get(from)?,
        line: row.get(from + 1)?,
        row: row.get(from + 2)?,
        ordinal: row.get(from + 3)?,
    })
}

/// All rows of one SKU, as far as the rules need to know them.
struct Group {
    sku: String,
    /// The first rows, to be listed.
    listed: Vec<Place>,
    rows: u64,
    /// The row that counts, if one does.
    winner: Place,
    are_alike: bool,
    has_ordinals: bool,
    /// Does another row claim the winner's place and say something else?
    is_tied: bool,
    deletions: u64,
    sum: Quantity,
}

impl Group {
    fn new(sku: String, first: Place, rule: Duplicates) -> Result<Self> {
        let mut group = Self {
            sku,
            listed: Vec::new(),
            rows: 0,
            winner: first.clone(),
            are_alike: true,
            has_ordinals: false,
            is_tied: false,
            deletions: 0,
            sum: Quantity::ZERO,
        };
        group.add(first, rule)?;
        Ok(group)
    }

    fn add(&mut self, place: Place, rule: Duplicates) -> Result<()> {
        self.rows += 1;
        self.are_alike &= place.quantity == self.winner.quantity;
        self.has_ordinals |= place.ordinal.is_some();
        if place.quantity == DELETED {
            self.deletions += 1;
        } else if rule == Duplicates::Sum {
            self.sum = self.sum + counted(&self.sku, &place.quantity)?;
        }
        if self.listed.len() < MOST_ROW_ERRORS {
            self.listed.push(place.clone());
        }
        if self.has_ordinals {
            self.rank(place);
        } else if rule == Duplicates::LastInFile {
            self.winner = place;
        }
        Ok(())
    }

    /// The highest place among the changes counts; a row without one is below all.
    fn rank(&mut self, place: Place) {
        if place.ordinal > self.winner.ordinal {
            (self.winner, self.is_tied) = (place, false);
        } else if place.ordinal == self.winner.ordinal {
            self.is_tied |= place.quantity != self.winner.quantity;
        }
    }

    /// Why no row counts; `unreadable` is the line of another row of this SKU, which could not be read.
    fn conflict(&self, rule: Duplicates, unreadable: Option<u64>) -> Option<String> {
        let sku = &self.sku;
        if let Some(line) = unreadable {
            let comes_later = i64::try_from(line).unwrap_or(i64::MAX) > self.winner.line;
            if self.has_ordinals || rule != Duplicates::LastInFile || comes_later {
                return Some(format!("{sku} has another row, on line {line}, that cannot be used"));
            }
        }
        if self.has_ordinals {
            let why = || format!("{sku} has several rows with the same place among the changes and different contents");
            return self.is_tied.then(why);
        }
        let differ = match rule {
            Duplicates::IdenticalCollapseConflictRowError => !self.are_alike,
            Duplicates::LastInFile => false,
            Duplicates::Sum => self.deletions > 0 && self.deletions < self.rows,
        };
        differ.then(|| format!("{sku} stands in several rows with different quantities"))
    }

    /// Is the sum of its rows no believable count?
    fn is_beyond(&self, rule: Duplicates, range: Option<[Decimal; 2]>) -> bool {
        let is_sum = rule == Duplicates::Sum && !self.has_ordinals && self.deletions == 0;
        is_sum && range.is_some_and(|[least, most]| !(least..=most).contains(&self.sum.decimal()))
    }
}

fn counted(sku: &str, text: &str) -> Result<Quantity> {
    Quantity::parse(text).map_err(|error| LedgerError::Damaged {
        table: "stock_row",
        row: sku.to_owned(),
        why: error.to_string(),
    })
}

/// Conflicts: the first ones listed, all counted.
#[derive(Default)]
struct Found {
    listed: Vec<RowError>,
    count: u64,
    /// The one that comes first in the file.
    first: Option<RowError>,
}

impl Found {
    fn add(&mut self, group: &Group, reason: &str, why: &str) {
        self.count += group.rows;
        let is_full = |found: &Self| found.listed.len() >= MOST_ROW_ERRORS;
        for place in &group.listed {
            let is_first = self.first.as_ref().is_none_or(|first| place.line.unsigned_abs() < first.line);
            if is_full(self) && !is_first {
                continue;
            }
            let says = if place.quantity == DELETED { "that it is deleted" } else { &place.quantity };
            let error = RowError {
                row: place.row.unsigned_abs(),
                line: place.line.unsigned_abs(),
                sku: Some(group.sku.clone()),
                reason: reason.to_owned(),
                text: format!("{why}; this one says {says}"),
            };
            if is_first {
                self.first = Some(error.clone());
            }
            if !is_full(self) {
                self.listed.push(error);
            }
        }
    }
}

struct Settling<'t> {
    tx: &'t Transaction<'t>,
    export: ExportId,
    rule: Duplicates,
    range: Option<[Decimal; 2]>,
    /// SKUs with a row that could not be read, and the last line of such a row.
    unreadable: BTreeMap<String, u64>,
    found: Found,
}

impl<'t> Settling<'t> {
    fn new(tx: &'t Transaction<'t>, export: ExportId, summary: &ReadSummary) -> Self {
        let mut unreadable = BTreeMap::new();
        for error in &summary.row_errors {
            if let Some(sku) = &error.sku {
                let last: &mut u64 = unreadable.entry(sku.clone()).or_default();
                *last = error.line.max(*last);
            }
        }
        let (rule, range) = (summary.duplicates, summary.quantity_range);
        Self { tx, export, rule, range, unreadable, found: Found::default() }
    }

    /// SKUs with several rows, one SKU at a time.
    fn repeated(&mut self) -> Result<()> {
        let sql = format!("SELECT sku, {PLACE} FROM stock_row_again WHERE export_id = ?1 ORDER BY sku, id");
        let mut found = self.tx.prepare(&sql).doing(DOING)?;
        let mut rows = found.query([self.export.0]).doing(DOING)?;
        let mut open: Option<Group> = None;
        while let Some(row) = rows.next().doing(DOING)? {
            let (sku, next): (String, Place) = (row.get(0).doing(DOING)?, place(row, 1).doing(DOING)?);
            let mut group = match open.take() {
                Some(group) if group.sku == sku => group,
                other => {
                    other.map_or(Ok(()), |group| self.settle(&group))?;
                    self.group(&sku)?.ok_or_else(|| LedgerError::Damaged {
                        table: "stock_row_again",
                        row: sku.clone(),
                        why: "its first row is missing".into(),
                    })?
                }
            };
            group.add(next, self.rule)?;
            open = Some(group);
        }
        open.map_or(Ok(()), |group| self.settle(&group))
    }

    /// SKUs with one readable row, and another that could not be read.
    fn doubtful(&mut self) -> Result<()> {
        for sku in self.unreadable.keys().cloned().collect::<Vec<_>>() {
            if let Some(group) = self.group(&sku)? {
                self.settle(&group)?;
            }
        }
        Ok(())
    }

    /// A SKU with its first row.
    fn group(&self, sku: &str) -> Result<Option<Group>> {
        let sql = format!("SELECT {PLACE} FROM stock_row WHERE export_id = ?1 AND sku = ?2");
        let mut found = self.tx.prepare_cached(&sql).doing(DOING)?;
        let first = found.query_row(params![self.export.0, sku], |row| place(row, 0)).optional().doing(DOING)?;
        first.map(|first| Group::new(sku.to_owned(), first, self.rule)).transpose()
    }

    fn settle(&mut self, group: &Group) -> Result<()> {
        // Asked once only: what was settled here is not looked at again as a doubtful SKU.
        let unreadable = self.unreadable.remove(&group.sku);
        let conflict = group.conflict(self.rule, unreadable).map(|why| ("duplicate_conflict", why));
        let beyond = || {
            let why = format!("the rows of {} add up to {}, which no stock count can be", group.sku, group.sum);
            group.is_beyond(self.rule, self.range).then_some(("quantity_out_of_range", why))
        };
        if let Some((reason, why)) = conflict.or_else(beyond) {
            self.found.add(group, reason, &why);
            if self.found.count > MOST_ROW_ERRORS as u64 {
                // The export will be rejected, and all of its rows go.
                return Ok(());
            }
            let mut delete =
                self.tx.prepare_cached("DELETE FROM stock_row WHERE export_id = ?1 AND sku = ?2").doing(DOING)?;
            return delete.execute(params![self.export.0, group.sku]).map(|_| ()).doing(DOING);
        }
        let is_sum = self.rule == Duplicates::Sum && !group.has_ordinals && group.deletions == 0;
        let quantity = if is_sum { &group.sum.to_string() } else { &group.winner.quantity };
        let Place { line, row, .. } = group.winner;
        self.tx
            .prepare_cached(
                "UPDATE stock_row SET quantity = ?3, line = ?4, row = ?5
                 WHERE export_id = ?1 AND sku = ?2 AND (quantity <> ?3 OR line <> ?4)",
            )
            .and_then(|mut keep| keep.execute(params![self.export.0, group.sku, quantity, line, row]))
            .map(|_| ())
            .doing(DOING)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::stock::Timing;
    use crate::ledger::stock::RowWriter;
    use crate::ports::{ExportRow, Says, SettledExport, SpooledExport};

    struct Kept {
        ledger: Ledger,
        id: ExportId,
        _folder: tempfile::TempDir,
    }

    type Rows<'a> = &'a [(&'a str, Option<i64>, Option<u64>)];

    /// Rows of SKU, count (none: deleted) and place; they stand from line 2 on.
    fn stored(rows: impl IntoIterator<Item = (String, Option<i64>, Option<u64>)>) -> Kept {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::scratch(folder.path()).unwrap();
        let first_seen = Timestamp::UNIX_EPOCH;
        let timing = Timing { declared: None, first_seen, last_absent: None, modified: None };
        let source = SettledExport { name: "stock.csv".into(), bytes: 1, timing, companion: None };
        let spooled = SpooledExport { source, spooled: "spool".into(), fingerprint: "f".into() };
        let id = ledger.export_begun(&spooled, first_seen).unwrap();
        let mut writer = RowWriter::new(&ledger, id);
        for (row, (sku, count, ordinal)) in (1..).zip(rows) {
            let says = count.map_or(Says::Deleted, |count| Says::Count(count.into()));
            writer.take(&ExportRow { sku: &sku, says, row, line: row + 1, ordinal }).unwrap();
        }
        writer.flush().unwrap();
        Kept { ledger, id, _folder: folder }
    }

    fn settled(rows: Rows<'_>, summary: ReadSummary) -> (Vec<String>, Vec<(u64, u64)>) {
        let kept = stored(rows.iter().map(|(sku, count, ordinal)| ((*sku).to_owned(), *count, *ordinal)));
        let mut summary = ReadSummary { rows: 100, row_error_limit_percent: 100, ..summary };
        kept.ledger.settle_duplicates(kept.id, &mut summary).unwrap().unwrap();
        let mut left = Vec::new();
        kept.ledger
            .for_each_stock_row(kept.id, |sku, quantity, line| left.push(format!("{sku}={quantity}@{line}")))
            .unwrap();
        (left, summary.row_errors.iter().map(|error| (error.row, error.line)).collect())
    }

    fn by(duplicates: Duplicates) -> ReadSummary {
        ReadSummary { duplicates, ..ReadSummary::default() }
    }

    fn unreadable(sku: &str, line: u64, duplicates: Duplicates) -> ReadSummary {
        let reason = "quantity_not_numeric".to_owned();
        let error = RowError { row: line - 1, line, sku: Some(sku.into()), reason, text: String::new() };
        ReadSummary { row_errors: vec![error], ..by(duplicates) }
    }

    #[test]
    fn a_conflict_names_the_record_and_the_line_of_every_row() {
        let rows = [("A", Some(1), None), ("B", Some(5), None), ("A", Some(1), None), ("B", Some(7), None)];
        let (left, errors) = settled(&rows, ReadSummary::default());
        assert_eq!((left, errors), (vec!["A=1@2".into()], vec![(2, 3), (4, 5)]));
    }

    #[test]
    fn the_highest_place_among_the_changes_counts_wherever_it_stands() {
        let rows = [
            ("A", Some(1), Some(3)),
            ("A", Some(9), Some(10)),
            ("A", Some(2), Some(4)),
            ("B", None, Some(2)),
            ("B", Some(1), Some(1)),
        ];
        for rule in [Duplicates::IdenticalCollapseConflictRowError, Duplicates::LastInFile, Duplicates::Sum] {
            assert_eq!(settled(&rows, by(rule)), (vec!["A=9@3".into(), "B=DELETE@5".into()], vec![]), "{rule:?}");
        }
    }

    #[test]
    fn two_rows_that_claim_the_same_place_and_differ_are_nobodys_count() {
        let rows = [("A", Some(1), Some(3)), ("A", None, Some(3)), ("B", Some(1), Some(3)), ("B", Some(1), Some(3))];
        let (left, errors) = settled(&rows, by(Duplicates::LastInFile));
        assert_eq!((left, errors), (vec!["B=1@4".into()], vec![(1, 2), (2, 3)]));
        // Unless a later change makes it irrelevant.
        let rows = [("A", Some(1), Some(3)), ("A", None, Some(3)), ("A", Some(7), Some(4))];
        assert_eq!(settled(&rows, ReadSummary::default()), (vec!["A=7@4".into()], vec![]));
    }

    #[test]
    fn an_item_with_a_row_that_cannot_be_read_is_in_doubt_as_a_whole() {
        let (all, last, sum) = (Duplicates::IdenticalCollapseConflictRowError, Duplicates::LastInFile, Duplicates::Sum);
        let rows = [("A", Some(12), None), ("B", Some(5), None)];
        for rule in [all, sum] {
            let (left, errors) = settled(&rows, unreadable("A", 9, rule));
            assert_eq!((left, errors), (vec!["B=5@3".into()], vec![(1, 2), (8, 9)]), "{rule:?}");
        }
        // The last row counts: it is in doubt only if the unreadable one comes after it.
        assert_eq!(settled(&rows, unreadable("A", 9, last)).0, ["B=5@3"]);
        let rows = [("B", Some(5), None), ("A", Some(12), None), ("A", Some(13), None)];
        assert_eq!(settled(&rows, unreadable("A", 2, last)).0, ["A=13@4", "B=5@2"]);
        // Where changes are numbered, the unreadable one may be the last of them wherever it stands.
        let rows = [("B", Some(5), None), ("A", Some(12), Some(1)), ("A", Some(13), Some(2))];
        assert_eq!(settled(&rows, unreadable("A", 2, last)).0, ["B=5@2"]);
    }

    #[test]
    fn sums_are_exact_and_a_deletion_cannot_be_added() {
        let rows = [("A", Some(1), None), ("A", Some(-3), None), ("B", Some(1), None), ("B", None, None)];
        let (left, errors) = settled(&rows, by(Duplicates::Sum));
        assert_eq!((left, errors), (vec!["A=-2@2".into()], vec![(3, 4), (4, 5)]));
    }

    #[test]
    fn conflicts_count_towards_the_limits_and_the_rejection_names_the_first() {
        let rows: Vec<_> = (0..20).map(|n| (format!("{:02}", 19 - n), Some(n), None)).collect();
        let twice = rows.clone().into_iter().chain([("05".to_owned(), Some(99), None)]);
        let kept = stored(twice);
        let summary = ReadSummary { rows: 21, row_error_limit_percent: 9, ..ReadSummary::default() };
        let why = kept.ledger.settle_duplicates(kept.id, &mut summary.clone()).unwrap().unwrap_err();
        assert_eq!((why.reason.as_str(), why.line), ("too_many_row_errors", Some(16)));
        assert!(why.text.starts_with("2 of 21 rows are in error, the first: 05 stands in several rows"), "{why}");
        let kept = stored(rows.into_iter().chain([("05".to_owned(), Some(99), None)]));
        let mut summary = ReadSummary { row_error_limit_percent: 10, ..summary };
        kept.ledger.settle_duplicates(kept.id, &mut summary).unwrap().unwrap();
        assert_eq!(summary.row_errors.len(), 2);
    }

    #[test]
    fn many_thousand_rows_of_one_item_are_one_conflict_and_only_the_first_are_listed() {
        let kept = stored((0..30_000).map(|n| ("A".to_owned(), Some(i64::from(n == 29_999)), None)));
        let mut summary = ReadSummary { rows: 10_000_000, row_error_limit_percent: 100, ..ReadSummary::default() };
        let why = kept.ledger.settle_duplicates(kept.id, &mut summary).unwrap().unwrap_err();
        assert!(why.text.starts_with("30000 of 10000000 rows"), "{why}");
        assert_eq!(why.line, Some(2));
        assert!(summary.row_errors.is_empty());
    }
}
