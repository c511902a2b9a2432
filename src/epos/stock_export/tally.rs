//! What a read comes to: rows to the sink, row errors, count and sum for the proof of completeness.
//!
//! Promises: a row is either given to the sink or a row error; a last record that breaks off rejects the file; too many
//! errors reject it; whoever proves completeness gets the count of all data records and the sum of their quantities,
//! other branches' included.

use rust_decimal::Decimal;

use super::{Stop, rejection};
use crate::epos::profile::ROW_ERROR_LIMIT;
use crate::epos::profile_check::CheckedProfile;
use crate::epos::roles::Roles;
use crate::epos::row::{Fields, Meaning, RowFault};
use crate::ports::{ExportRow, ReadSummary, RowError, RowSink, Says};

/// A record's place in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    /// Physical line on which it starts.
    pub(super) line: u64,
    /// It is the last one, and has no line end.
    pub(super) is_cut: bool,
}

/// The read so far.
pub(super) struct Tally<'p, 's, 'k> {
    profile: &'p CheckedProfile,
    sink: &'s mut RowSink<'k>,
    pub(super) summary: ReadSummary,
    errors: u64,
    /// `None` where no proof asks for it, and once a quantity could not be read: then no sum can be told.
    sum: Option<Decimal>,
    of_this_branch: u64,
}

impl<'p, 's, 'k> Tally<'p, 's, 'k> {
    pub(super) fn new(profile: &'p CheckedProfile, sink: &'s mut RowSink<'k>) -> Self {
        let rules = &profile.profile;
        let summary = ReadSummary {
            duplicates: rules.duplicates,
            quantity_range: Some(rules.quantity_range.0),
            row_error_limit_percent: rules.row_error_limit_percent.0,
            scope: rules.export,
            ..ReadSummary::default()
        };
        Self {
            profile,
            sink,
            summary,
            errors: 0,
            sum: profile.asks_for_sum().then_some(Decimal::ZERO),
            of_this_branch: 0,
        }
    }

    /// Data records so far.
    pub(super) fn rows(&self) -> u64 {
        self.summary.rows
    }

    /// The sum of their quantities, if all could be read.
    pub(super) fn sum(&self) -> Option<Decimal> {
        self.sum
    }

    /// Takes a data record.
    pub(super) fn take<F: Fields>(&mut self, fields: &F, roles: &Roles<F::Place>, at: At) -> Result<(), Stop> {
        self.summary.rows += 1;
        match self.profile.meaning(fields, roles) {
            Ok(Meaning { sku, says, ordinal }) => {
                self.add(says);
                self.of_this_branch += 1;
                let row = ExportRow { sku, says, row: self.summary.rows, line: at.line, ordinal };
                (self.sink)(&row).map_err(Stop::Sink)
            }
            Err(RowFault::OtherBranch(quantity)) => {
                match quantity {
                    Some(quantity) => self.add(Says::Count(quantity)),
                    None => self.sum = None,
                }
                Ok(())
            }
            Err(RowFault::Error { sku, reason, text, may_go_on }) => {
                self.fault(At { is_cut: at.is_cut && may_go_on, ..at }, sku, reason, text)
            }
        }
    }

    fn add(&mut self, says: Says) {
        if let (Some(sum), Says::Count(quantity)) = (self.sum, says) {
            self.sum = sum.checked_add(quantity.decimal());
        }
    }

    fn fault(&mut self, at: At, sku: Option<String>, reason: &'static str, text: String) -> Result<(), Stop> {
        if at.is_cut && is_mark_of_a_cut(reason) {
            let text = format!("the last line breaks off ({text}); the till had not written all of it");
            return Err(rejection("truncated_last_record", Some(at.line), text));
        }
        // An empty quantity adds nothing; any other row in error has one that is not known.
        if reason != "quantity_missing" {
            self.sum = None;
        }
        let row = self.summary.rows;
        self.summary.row_errors.push(RowError { row, line: at.line, sku, reason: reason.to_owned(), text });
        self.errors += 1;
        if self.errors > ROW_ERROR_LIMIT { Err(self.too_many_errors()) } else { Ok(()) }
    }

    fn too_many_errors(&self) -> Stop {
        let example = self.summary.row_errors.first();
        let (line, first) = example.map_or((None, ""), |error| (Some(error.line), error.text.as_str()));
        let (errors, rows) = (self.errors, self.summary.rows);
        rejection(
            "too_many_row_errors",
            line,
            format!(
                "{errors} of {rows} rows are in error, the first: {first}; correct the profile, or these items in the till"
            ),
        )
    }

    /// Ends the read. `may_be_empty`: the file is well made and says that nothing changed.
    pub(super) fn close(self, may_be_empty: bool) -> Result<ReadSummary, Stop> {
        let rejected = |text: &str| Err(rejection("no_rows", None, text));
        if self.summary.rows == 0 && !may_be_empty {
            return rejected("the file has no data rows; let the till write the export again");
        }
        let limit = u64::from(self.summary.row_error_limit_percent);
        if self.errors * 100 > limit * self.summary.rows {
            return Err(self.too_many_errors());
        }
        if self.summary.rows > 0 && self.of_this_branch == 0 && self.errors == 0 {
            return rejected("the file has rows, but none of this shop's branch; compare branch.codes with the file");
        }
        Ok(self.summary)
    }
}

fn is_mark_of_a_cut(reason: &str) -> bool {
    matches!(reason, "wrong_field_count" | "quantity_missing" | "quantity_not_numeric" | "action_unknown")
}
