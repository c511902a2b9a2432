//! Which character separates the fields, found out from the first records.
//!
//! Promises: one clear answer or none; never the likeliest of several.

use csv::StringRecord;

use super::profile::{Column, Header};
use super::profile_check::CheckedProfile;
use super::profile_words::DELIMITERS;
use super::roles::Roles;
use super::row::{field, is_blank};

/// Records looked at.
const RECORDS: usize = 50;

impl CheckedProfile {
    /// The one delimiter that makes sense of the sample; `None` when none or several do.
    pub(super) fn found_delimiter(&self, roles: &Roles<Column>, sample: &str) -> Option<u8> {
        if let Some(declared) = declared_delimiter(sample) {
            return Some(declared);
        }
        // Quotation marks in comments quote nothing.
        let comment = self.profile.comment.as_deref();
        let is_comment = |line: &str| comment.is_some_and(|comment| line.trim_start().starts_with(comment));
        let sample: String = sample.split_inclusive('\n').filter(|line| !is_comment(line)).collect();
        let mut fitting = DELIMITERS.into_iter().filter(|delimiter| self.makes_sense(roles, &sample, *delimiter));
        let found = fitting.next()?;
        fitting.next().is_none().then_some(found)
    }

    fn makes_sense(&self, roles: &Roles<Column>, sample: &str, delimiter: u8) -> bool {
        let records = self.records(sample, delimiter);
        // Two names, found whole by one delimiter only, leave no doubt; numbers alone need rows that are alike.
        let is_named = roles.all().all(|column| matches!(column, Column::Name(_)));
        let has_names = |row: &StringRecord| self.has_names(roles, row);
        match self.profile.header {
            Header::FirstRow => {
                records.first().is_some_and(has_names) && (is_named || self.is_regular(roles, &records))
            }
            Header::FindByNames => records.iter().any(has_names),
            Header::Auto if is_named => records.iter().any(has_names),
            Header::Auto | Header::None => self.is_regular(roles, &records),
        }
    }

    fn records(&self, sample: &str, delimiter: u8) -> Vec<StringRecord> {
        let mut reader = csv_reader(delimiter, self.profile.quote.0).from_reader(sample.as_bytes());
        let keep = |record: &StringRecord| !is_blank(record) && !self.is_ignored(record, 0, None, false);
        reader.records().filter_map(Result::ok).filter(keep).take(RECORDS).collect()
    }

    /// Does the row have every column that the profile names?
    pub(super) fn has_names(&self, roles: &Roles<Column>, row: &StringRecord) -> bool {
        roles.all().all(|column| match column {
            Column::Name(name) => (0..row.len()).any(|at| is_name(field(row, at), name)),
            Column::Number(number) => *number <= row.len(),
            Column::List(_) => false,
        })
    }

    /// Have nearly all items the same number of fields, two at least and enough for the profile's columns?
    fn is_regular(&self, roles: &Roles<Column>, records: &[StringRecord]) -> bool {
        let items: Vec<&StringRecord> = records.iter().filter(|record| self.may_be_item(record)).collect();
        let Some(fields) = items.first().map(|record| record.len()) else { return false };
        let needed = roles.all().filter_map(|column| match column {
            Column::Number(number) => Some(*number),
            Column::Name(_) | Column::List(_) => None,
        });
        let odd = items.iter().filter(|record| record.len() != fields).count();
        fields >= 2 && needed.max().is_none_or(|number| number <= fields) && odd * 10 <= items.len()
    }

    /// Is the record not marked as another kind?
    fn may_be_item(&self, record: &StringRecord) -> bool {
        let Some(types) = &self.profile.record_types else { return true };
        let first = field(record, 0).trim();
        let is = |mark: &Option<String>| mark.as_deref().is_some_and(|mark| mark.trim() == first);
        !is(&types.header) && !is(&types.trailer) && (types.detail.is_none() || is(&types.detail))
    }
}

/// What a line `sep=;` at the top says.
fn declared_delimiter(sample: &str) -> Option<u8> {
    let line = sample.lines().next()?.trim();
    let (key, mark) = line.split_at_checked(4)?;
    let [mark] = mark.as_bytes() else { return None };
    (key.eq_ignore_ascii_case("sep=") && DELIMITERS.contains(mark)).then_some(*mark)
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
