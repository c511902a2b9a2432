//! From a profile as written to one that can be followed.
//!
//! Promises: a [`CheckedProfile`] holds nothing contradictory and nothing that this version cannot do; every refusal
//! names the key.

use jiff::Timestamp;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;

use super::number::NumberStyle;
use super::profile::{
    AsOf, AsOfFrom, Branch, Column, DecimalMark, Encoding, Header, Kind, Negative, SkuScientific, StockProfile,
};
use super::profile_words::Delimiter;
use crate::domain::stock::Scope;
use crate::ports::Duplicates;

/// What is wrong with a stock profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {what}")]
pub struct ProfileError {
    /// The key.
    pub key: &'static str,
    /// What is wrong and what to do.
    pub what: String,
}

/// A profile that can be followed.
#[derive(Debug, Clone)]
pub struct CheckedProfile {
    pub(super) profile: StockProfile,
    /// `None`: to be found out from the file.
    pub(super) delimiter: Option<u8>,
    pub(super) sku: Column,
    pub(super) quantity: Column,
    pub(super) numbers: NumberStyle,
}

fn wrong<T>(key: &'static str, what: impl Into<String>) -> Result<T, ProfileError> {
    Err(ProfileError { key, what: what.into() })
}

impl StockProfile {
    /// Makes sure that the profile can be followed.
    ///
    /// # Errors
    /// The first thing that is contradictory, or that this version cannot do.
    pub fn check(&self) -> Result<CheckedProfile, ProfileError> {
        if !self.undecided.is_empty() {
            let keys = self.undecided.join(", ");
            return wrong(
                "undecided",
                format!("names {keys}: set each of them, then take this line out of the profile"),
            );
        }
        self.refuse_what_is_not_read_yet()?;
        let delimiter = match self.delimiter {
            Delimiter::Auto => None,
            Delimiter::Is(byte) => Some(byte),
            Delimiter::None => {
                return wrong("delimiter", "is empty; write \"auto\" or the character between the fields");
            }
        };
        self.check_as_of()?;
        self.check_texts()?;
        Ok(CheckedProfile {
            sku: self.column("columns.sku", self.columns.sku.as_ref())?,
            quantity: self.column("columns.quantity", self.columns.quantity.as_ref())?,
            numbers: self.number_style()?,
            delimiter,
            profile: self.clone(),
        })
    }

    fn refuse_what_is_not_read_yet(&self) -> Result<(), ProfileError> {
        let not_yet = |key, what: &str| wrong(key, format!("{what} cannot be read by this version yet"));
        match self.kind {
            Kind::Csv => {}
            Kind::Fixed => return not_yet("kind", "fixed width"),
            Kind::Xml => return not_yet("kind", "XML"),
        }
        if matches!(self.encoding, Encoding::Cp850 | Encoding::Cp437) {
            return not_yet("encoding", "a DOS code page");
        }
        if matches!(self.export, Scope::Delta) || !self.actions.is_empty() || self.columns.action.is_some() {
            return not_yet("export", "an export of changes only");
        }
        match &self.branch {
            None => {}
            Some(Branch::Only { .. }) => return not_yet("branch", "an export of several branches"),
            Some(Branch::SumOfColumns {}) => return not_yet("branch", "a sum of columns"),
        }
        let later = [
            ("record_types", self.record_types.is_some()),
            ("trailer", self.trailer.is_some()),
            ("completeness", self.completeness.is_some()),
            ("record_path", self.record_path.is_some()),
            ("columns.sequence", self.columns.sequence.is_some()),
            ("columns.as_of", self.columns.as_of.is_some()),
            ("sequence", self.sequence.is_some()),
        ];
        match later.into_iter().find(|(_, present)| *present) {
            Some((key, _)) => not_yet(key, "this"),
            None if matches!(self.sku_scientific, SkuScientific::AcceptIfQuoted) => {
                not_yet("sku_scientific", "accept-if-quoted")
            }
            None => self.check_branch_column(),
        }
    }

    /// A branch column without a rule: several branches would show as duplicates, and only the default rule for those
    /// is safe.
    fn check_branch_column(&self) -> Result<(), ProfileError> {
        match self.duplicates {
            Duplicates::IdenticalCollapseConflictRowError => Ok(()),
            Duplicates::LastInFile | Duplicates::Sum if self.columns.branch.is_some() => {
                wrong("duplicates", "would mix the branches; leave it out")
            }
            Duplicates::LastInFile | Duplicates::Sum => Ok(()),
        }
    }

    fn column(&self, key: &'static str, column: Option<&Column>) -> Result<Column, ProfileError> {
        match (column, self.header) {
            (None, _) => wrong(key, "is missing; name the column or give its number, from 1"),
            (Some(Column::List(_)), _) => wrong(key, "a list of columns cannot be read by this version yet"),
            (Some(Column::Number(0)), _) => wrong(key, "is 0; column numbers count from 1"),
            (Some(Column::Name(name)), _) if name.trim().is_empty() => wrong(key, "is empty"),
            (Some(Column::Name(name)), Header::None) => {
                wrong(key, format!("is the name {name:?}, but header is \"none\"; give the column's number"))
            }
            (Some(Column::Number(_)), Header::FindByNames) => {
                wrong(key, "is a number, but header is \"find-by-names\"; give the column's name")
            }
            (Some(column), _) => Ok(column.clone()),
        }
    }

    fn number_style(&self) -> Result<NumberStyle, ProfileError> {
        let decimal = match self.decimal {
            DecimalMark::Point => '.',
            DecimalMark::Comma => ',',
        };
        let thousands = match self.thousands.as_str() {
            "" => None,
            "," => Some(','),
            "." => Some('.'),
            " " => Some(' '),
            other => return wrong("thousands", format!("{other:?} is none of \"\" , . or a space")),
        };
        if thousands == Some(decimal) {
            return wrong("thousands", "is the same mark as decimal; one of them must differ");
        }
        let [least, most] = self.quantity_range.0;
        if least > most {
            return wrong("quantity_range", "its first number is above its second; swap them");
        }
        let implied = self.implied_decimals.unwrap_or(0);
        if implied > crate::domain::quantity::PLACES {
            return wrong(
                "implied_decimals",
                format!("is {implied}; at most {} can be kept", crate::domain::quantity::PLACES),
            );
        }
        let has = |style| self.negative.0.contains(&style);
        Ok(NumberStyle {
            decimal,
            thousands,
            implied,
            leading_minus: has(Negative::LeadingMinus),
            trailing_minus: has(Negative::TrailingMinus),
            parentheses: has(Negative::Parentheses),
            cr_dr: has(Negative::CrDr),
            least,
            most,
        })
    }

    fn check_texts(&self) -> Result<(), ProfileError> {
        if self.row_error_limit_percent.0 > 100 {
            return wrong("row_error_limit_percent", "is above 100");
        }
        if self.comment.as_deref() == Some("") {
            return wrong("comment", "is empty: every line would be a comment; leave it out");
        }
        if self.end_marker.as_ref().is_some_and(|marker| marker.trim().is_empty()) {
            return wrong("end_marker", "is blank; leave it out");
        }
        let numbers = [self.columns.sku.as_ref(), self.columns.quantity.as_ref()];
        if self.columns.sku.is_some() && self.columns.sku == self.columns.quantity {
            return wrong("columns.quantity", "is the same column as columns.sku");
        }
        for column in numbers.into_iter().flatten() {
            if let (Column::Number(number), Some(fields)) = (column, self.expected_fields)
                && *number > fields
            {
                return wrong("expected_fields", format!("is {fields}, but columns asks for column {number}"));
            }
        }
        Ok(())
    }

    fn check_as_of(&self) -> Result<(), ProfileError> {
        let Some(AsOf { from, pattern }) = &self.as_of else { return Ok(()) };
        match (from, pattern) {
            (AsOfFrom::FirstSeen, _) => Ok(()),
            (AsOfFrom::Header, _) => wrong("as_of", "from \"header\" cannot be read by this version yet"),
            (AsOfFrom::Name, None) => wrong("as_of", "needs a pattern, such as \"stock_%Y%m%d_%H%M%S.csv\""),
            (AsOfFrom::Name, Some(pattern)) => {
                let noon = jiff::civil::datetime(2026, 3, 14, 12, 0, 0, 0);
                let core = pattern.trim_matches('*');
                let written = jiff::fmt::strtime::format(core, noon);
                let read = written.ok().and_then(|name| read_time(pattern, &name));
                match read {
                    Some(read) if read.date() == noon.date() => Ok(()),
                    _ => wrong("as_of", format!("the pattern {pattern:?} does not tell year, month and day")),
                }
            }
        }
    }

    /// When the file's name says that the export began; `None` when it does not say, or is not asked.
    ///
    /// In the hour that a clock change repeats it is the earlier of the two: an export is never believed to be
    /// younger than it is.
    pub fn as_of_from_name(&self, name: &str, zone: &TimeZone) -> Option<Timestamp> {
        let AsOf { from: AsOfFrom::Name, pattern: Some(pattern) } = self.as_of.as_ref()? else { return None };
        zone.to_ambiguous_timestamp(read_time(pattern, name)?).earlier().ok()
    }
}

/// Reads a local time by a pattern that may begin and end with `*`.
fn read_time(pattern: &str, name: &str) -> Option<jiff::civil::DateTime> {
    let (core, open_start, open_end) = (pattern.trim_matches('*'), pattern.starts_with('*'), pattern.ends_with('*'));
    let starts = name.char_indices().map(|(at, _)| at).take_while(|at| open_start || *at == 0);
    starts.filter_map(|at| read_time_at(core, &name[at..], open_end)).next()
}

fn read_time_at(core: &str, text: &str, open_end: bool) -> Option<jiff::civil::DateTime> {
    let (told, read) = BrokenDownTime::parse_prefix(core, text).ok()?;
    if !open_end && read < text.len() {
        return None;
    }
    let date = told.to_date().ok()?;
    // A name with the date only: the export began at some time of that day, so not before its first moment.
    let time = if told.hour().is_some() { told.to_time().ok()? } else { jiff::civil::Time::midnight() };
    Some(date.to_datetime(time))
}

impl CheckedProfile {
    /// The profile as written.
    pub fn profile(&self) -> &StockProfile {
        &self.profile
    }
}
