//! Which character separates the fields, found out from the first records.
//!
//! Promises: one clear answer or none; never the likeliest of several.

use csv::ByteRecord;

use super::profile::{Column, Header};
use super::profile_check::CheckedProfile;
use super::profile_words::DELIMITERS;
use super::row::{field, is_blank};

/// Records looked at.
const RECORDS: usize = 50;

impl CheckedProfile {
    /// The one delimiter that makes sense of the sample; `None` when none or several do.
    pub(super) fn found_delimiter(&self, sample: &str) -> Option<u8> {
        let mut fitting = DELIMITERS.into_iter().filter(|delimiter| self.makes_sense(sample, *delimiter));
        let found = fitting.next()?;
        fitting.next().is_none().then_some(found)
    }

    fn makes_sense(&self, sample: &str, delimiter: u8) -> bool {
        let records = self.records(sample, delimiter);
        // Two names, found whole by one delimiter only, leave no doubt; numbers alone need rows that are alike.
        let is_named = matches!((&self.sku, &self.quantity), (Column::Name(_), Column::Name(_)));
        match self.profile.header {
            Header::Auto | Header::FirstRow => {
                records.first().is_some_and(|row| self.has_names(row)) && (is_named || self.is_regular(&records))
            }
            Header::FindByNames => records.iter().any(|row| self.has_names(row)),
            Header::None => self.is_regular(&records),
        }
    }

    fn records(&self, sample: &str, delimiter: u8) -> Vec<ByteRecord> {
        let mut reader = csv_reader(delimiter, self.profile.quote.0).from_reader(sample.as_bytes());
        let keep = |record: &ByteRecord| !is_blank(record) && !self.is_ignored(record, 0, None);
        reader.byte_records().filter_map(Result::ok).filter(keep).take(RECORDS).collect()
    }

    /// Does the row have every column that the profile names?
    pub(super) fn has_names(&self, row: &ByteRecord) -> bool {
        let has = |column: &Column| match column {
            Column::Name(name) => (0..row.len()).any(|at| is_name(field(row, at), name)),
            Column::Number(number) => *number <= row.len(),
            Column::List(_) => false,
        };
        has(&self.sku) && has(&self.quantity)
    }

    /// Have nearly all rows the same number of fields, two at least and enough for the profile's columns?
    fn is_regular(&self, records: &[ByteRecord]) -> bool {
        let Some(fields) = records.first().map(ByteRecord::len) else { return false };
        let needed = [&self.sku, &self.quantity].into_iter().filter_map(|column| match column {
            Column::Number(number) => Some(*number),
            Column::Name(_) | Column::List(_) => None,
        });
        let odd = records.iter().filter(|record| record.len() != fields).count();
        fields >= 2 && needed.max().is_none_or(|number| number <= fields) && odd * 10 <= records.len()
    }
}

/// Is this header field the column of that name? Case does not count, blanks around it neither.
pub(super) fn is_name(header: &str, name: &str) -> bool {
    header.trim().to_lowercase() == name.trim().to_lowercase()
}

/// A reader that gives every record as it is.
pub(super) fn csv_reader(delimiter: u8, quote: Option<u8>) -> csv::ReaderBuilder {
    let mut builder = csv::ReaderBuilder::new();
    builder.has_headers(false).flexible(true).delimiter(delimiter).terminator(csv::Terminator::Any(b'\n'));
    match quote {
        Some(quote) => builder.quote(quote).double_quote(true),
        None => builder.quoting(false),
    };
    builder
}
