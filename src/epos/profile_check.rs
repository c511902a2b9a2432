//! From a profile as written to one that can be followed.
//!
//! Promises: a [`CheckedProfile`] holds nothing contradictory and nothing that its kind of file cannot have; every
//! refusal names the key and a remedy.

use super::layout::Layout;
use super::number::{NumberStyle, whole_numbers};
use super::profile::{DecimalMark, Header, IgnoreRow, Kind, Negative, StockProfile};
use super::profile_words::{Column, Delimiter};
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
    pub(super) layout: Layout,
    pub(super) numbers: NumberStyle,
}

pub(super) fn wrong<T>(key: &'static str, what: impl Into<String>) -> Result<T, ProfileError> {
    Err(ProfileError { key, what: what.into() })
}

impl StockProfile {
    /// Makes sure that the profile can be followed.
    ///
    /// # Errors
    /// The first thing that is contradictory or left undecided.
    pub fn check(&self) -> Result<CheckedProfile, ProfileError> {
        if !self.undecided.is_empty() {
            let keys = self.undecided.join(", ");
            return wrong(
                "undecided",
                format!("names {keys}: set each of them, then take this line out of the profile"),
            );
        }
        let delimiter = match (self.delimiter, self.kind) {
            (Delimiter::Is(byte), _) => Some(byte),
            (Delimiter::None, Kind::Csv) => {
                return wrong("delimiter", "is empty; write \"auto\" or the character between the fields");
            }
            (Delimiter::Auto | Delimiter::None, _) => None,
        };
        self.check_as_of()?;
        self.check_sequence()?;
        self.check_completeness()?;
        self.check_foreign_keys()?;
        self.check_texts()?;
        self.check_branch_column()?;
        Ok(CheckedProfile { layout: self.layout()?, numbers: self.number_style()?, delimiter, profile: self.clone() })
    }

    /// Keys that another kind of file has.
    fn check_foreign_keys(&self) -> Result<(), ProfileError> {
        let (is_csv, is_xml) = (self.kind == Kind::Csv, self.kind == Kind::Xml);
        let by_names = self.header == Header::FindByNames;
        let is_for_csv = |rule: &IgnoreRow| matches!(rule, IgnoreRow::RepeatedHeader | IgnoreRow::SingleFieldLine);
        let for_csv_only = self.ignore_rows.iter().any(is_for_csv);
        let foreign = [
            ("record_path", !is_xml && self.record_path.is_some(), "is for XML"),
            ("record_types", is_xml && self.record_types.is_some(), "are not for XML"),
            ("header", !is_csv && by_names, "looks for names of columns, which only csv has; leave it out"),
            ("expected_fields", !is_csv && self.expected_fields.is_some(), "is for csv"),
            ("end_marker", is_xml && self.end_marker.is_some(), "is not for XML, which ends with its root element"),
            ("ignore_rows", is_xml && !self.ignore_rows.is_empty(), "are not for XML"),
            (
                "ignore_rows",
                !is_csv && for_csv_only,
                "has a rule for csv only; in fixed width use \"starts-with:TEXT\"",
            ),
            ("comment", is_xml && self.comment.is_some(), "is not for XML"),
            ("skip_lines", is_xml && self.skip_lines > 0, "is not for XML"),
        ];
        match foreign.into_iter().find(|(_, is_there, _)| *is_there) {
            Some((key, _, what)) => wrong(key, what),
            None => Ok(()),
        }
    }

    /// A branch column without a rule: several branches would show as duplicates, and only the default rule for those
    /// is safe.
    fn check_branch_column(&self) -> Result<(), ProfileError> {
        match self.duplicates {
            Duplicates::IdenticalCollapseConflictRowError => Ok(()),
            Duplicates::LastInFile | Duplicates::Sum if self.columns.branch.is_some() && self.branch.is_none() => {
                wrong(
                    "duplicates",
                    "would mix the branches; name this shop's with branch = { mode = \"only\", codes = [\"…\"] }, or leave it out",
                )
            }
            Duplicates::LastInFile | Duplicates::Sum => Ok(()),
        }
    }

    fn check_completeness(&self) -> Result<(), ProfileError> {
        let Some(proof) = &self.completeness else { return Ok(()) };
        let keys = [&proof.md5_key, &proof.sum_key, &proof.count_key];
        let has_keys = keys.into_iter().any(Option::is_some);
        match (&proof.control_file, &proof.marker_file) {
            (Some(_), None) if !has_keys => {
                wrong("completeness", "has a control_file, but no md5_key, sum_key or count_key to look for in it")
            }
            (Some(_), Some(_)) => {
                wrong("completeness", "has both control_file and marker_file; write the one that comes last")
            }
            (None, _) if has_keys => {
                wrong("completeness.control_file", "is missing, but keys are to be looked for in it")
            }
            (None, None) => wrong("completeness", "names neither control_file nor marker_file"),
            (Some(name), None) | (None, Some(name)) => {
                let is_plain = !name.trim().is_empty() && !name.contains(['/', '\\', ':', '*', '?']) && name != "..";
                let what = "must be a file name without folder; {name} stands for the export's, {stem} for it without its ending";
                if is_plain { Ok(()) } else { wrong("completeness", what) }
            }
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
            plain_range: whole_numbers(least, most),
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
        if self.columns.sku.is_some() && self.columns.sku == self.columns.quantity {
            return wrong("columns.quantity", "is the same column as columns.sku");
        }
        let numbers = [&self.columns.sku, &self.columns.quantity, &self.columns.branch, &self.columns.action];
        for column in numbers.into_iter().flatten() {
            if let (Column::Number(number), Some(fields)) = (column, self.expected_fields)
                && *number > fields
            {
                return wrong("expected_fields", format!("is {fields}, but columns asks for column {number}"));
            }
        }
        Ok(())
    }
}

impl CheckedProfile {
    /// The profile as written.
    pub fn profile(&self) -> &StockProfile {
        &self.profile
    }
}
