//! One record of an export: SKU and quantity, or what is wrong with it.
//!
//! Promises: an SKU is passed on exactly as written but for the trim and text guard that the profile names; texts in
//! errors are short whatever the file holds; a row of another branch is neither counted nor in error.

use csv::StringRecord;

use super::number::NotANumber;
use super::profile::{Action, BlankQuantity, Branch, IgnoreRow, Kind, SkuScientific, SpreadsheetTextGuard};
use super::profile_check::CheckedProfile;
use super::roles::Roles;
use crate::domain::Quantity;
use crate::domain::stock::LONGEST_SKU;
use crate::ports::Says;

/// Longest piece of a field that is shown, in characters.
const SHOWN: usize = 40;

/// A record, whatever kind of file it comes from.
pub(super) trait Fields {
    /// Where a value stands.
    type Place: Copy;

    /// The value there; empty when there is none.
    fn text(&self, place: Self::Place) -> &str;

    /// Was the value quoted? Only asked where it makes a difference.
    fn is_quoted(&self, place: Self::Place) -> bool;

    /// What is wrong with the record as a whole, as a reason and a text.
    fn damage(&self, roles: &Roles<Self::Place>) -> Option<(&'static str, String)>;
}

/// What a good row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meaning<'r> {
    pub(super) sku: &'r str,
    pub(super) says: Says,
    pub(super) ordinal: Option<u64>,
}

/// Why a row is not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RowFault {
    /// It is another branch's, with this quantity, if it can be read.
    OtherBranch(Option<Quantity>),
    /// It is in error. `may_go_on`: more bytes could put it right, if the file breaks off here.
    Error { sku: Option<String>, reason: &'static str, text: String, may_go_on: bool },
}

impl RowFault {
    fn new(sku: Option<&str>, reason: &'static str, text: String) -> Self {
        // The whole SKU: other rows of the item are told by it. What is too long for one is none.
        let whole = |sku: &str| if sku.len() > LONGEST_SKU { shortened(sku) } else { sku.to_owned() };
        Self::Error { sku: sku.map(whole), reason, text, may_go_on: true }
    }
}

/// A text short enough for an error.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A field of a record; empty where the record has none.
pub(super) fn field(record: &StringRecord, at: usize) -> &str {
    record.get(at).unwrap_or_default()
}

/// Is this the first or last byte of a text that no trimming changes?
fn is_solid(byte: Option<&u8>) -> bool {
    byte.is_some_and(u8::is_ascii_graphic)
}

/// Is there nothing in the record, not even behind delimiters?
pub(super) fn is_blank(record: &StringRecord) -> bool {
    record.iter().all(|text| !is_solid(text.as_bytes().first()) && text.trim().is_empty())
}

impl CheckedProfile {
    /// What a data record says.
    pub(super) fn meaning<'r, F: Fields>(
        &self,
        fields: &'r F,
        roles: &Roles<F::Place>,
    ) -> Result<Meaning<'r>, RowFault> {
        let sku = self.trimmed(fields.text(roles.sku));
        if let Some((reason, text)) = fields.damage(roles) {
            return Err(RowFault::new((!sku.is_empty()).then_some(sku), reason, text));
        }
        if self.still_quoted(fields.text(roles.sku), sku) {
            let text = "the SKU still stands in quotation marks: a blank before them makes them part of it";
            return Err(RowFault::new(Some(sku), "wrong_field_count", text.to_owned()));
        }
        if self.is_other_branch(fields, roles) {
            return Err(RowFault::OtherBranch(self.quantity(sku, fields, roles).ok()));
        }
        self.check_sku(sku, || fields.is_quoted(roles.sku))?;
        let ordinal = roles.ordinal.map(|place| ordinal(sku, self.trimmed(fields.text(place)))).transpose()?;
        let says = match roles.action.map(|place| self.action(sku, self.trimmed(fields.text(place)))).transpose()? {
            Some(Action::Delete) => Says::Deleted,
            Some(Action::Set) | None => Says::Count(self.quantity(sku, fields, roles)?),
        };
        Ok(Meaning { sku, says, ordinal })
    }

    fn is_other_branch<F: Fields>(&self, fields: &F, roles: &Roles<F::Place>) -> bool {
        match (&self.profile.branch, roles.branch) {
            (Some(Branch::Only { codes }), Some(place)) => {
                let code = self.trimmed(fields.text(place));
                !codes.iter().any(|ours| ours == code)
            }
            (Some(Branch::Only { .. } | Branch::SumOfColumns {}) | None, _) => false,
        }
    }

    fn action(&self, sku: &str, word: &str) -> Result<Action, RowFault> {
        self.profile.actions.get(word).copied().ok_or_else(|| {
            let text = format!("the action {:?} is none of those that the profile knows", shortened(word));
            RowFault::new(Some(sku), "action_unknown", text)
        })
    }

    fn quantity<F: Fields>(&self, sku: &str, fields: &F, roles: &Roles<F::Place>) -> Result<Quantity, RowFault> {
        if let [one] = roles.quantities.as_slice() {
            return self.number(sku, self.trimmed(fields.text(*one)));
        }
        let mut sum = Quantity::ZERO;
        for place in &roles.quantities {
            sum = sum + self.number(sku, self.trimmed(fields.text(*place)))?;
        }
        if self.numbers.is_in_range(sum) { Ok(sum) } else { Err(out_of_range(sku, &sum.to_string())) }
    }

    fn number(&self, sku: &str, text: &str) -> Result<Quantity, RowFault> {
        if text.is_empty() {
            return match self.profile.blank_quantity {
                BlankQuantity::Zero => Ok(Quantity::ZERO),
                BlankQuantity::RowError => {
                    Err(RowFault::new(Some(sku), "quantity_missing", "the quantity is empty".to_owned()))
                }
            };
        }
        self.numbers.read(text).map_err(|error| match error {
            NotANumber::NotNumeric => {
                let wrong = format!("quantity {:?} is not a number", shortened(text));
                match RowFault::new(Some(sku), "quantity_not_numeric", wrong) {
                    RowFault::Error { sku, reason, text: wrong, may_go_on: _ } => {
                        RowFault::Error { sku, reason, text: wrong, may_go_on: self.numbers.may_go_on(text) }
                    }
                    other @ RowFault::OtherBranch(_) => other,
                }
            }
            NotANumber::OutOfRange => out_of_range(sku, text),
        })
    }

    fn check_sku(&self, sku: &str, is_quoted: impl Fn() -> bool) -> Result<(), RowFault> {
        let wrong = |reason, text: &str| Err(RowFault::new(Some(sku), reason, text.to_owned()));
        if sku.trim().is_empty() {
            return Err(RowFault::new(None, "sku_missing", "the SKU is empty".to_owned()));
        }
        if sku.len() > LONGEST_SKU {
            return wrong("sku_missing", "what stands in the SKU's place is too long for one: a damaged row");
        }
        let is_plain = || sku.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain() && sku.chars().any(|c| c.is_control() || c == '\u{fffd}') {
            return wrong("invalid_encoding", "the SKU has a character that no till prints: a damaged row");
        }
        let is_accepted = || match self.profile.sku_scientific {
            SkuScientific::RowError => false,
            SkuScientific::AcceptIfQuoted => is_quoted(),
        };
        if is_scientific(sku) && !is_accepted() {
            let text =
                format!("SKU {:?} is a number that a spreadsheet has rounded; its digits are lost", shortened(sku));
            return Err(RowFault::new(Some(sku), "sku_scientific", text));
        }
        Ok(())
    }

    /// Is it a quoted text that was not read as one, because a blank stands before it?
    fn still_quoted(&self, written: &str, sku: &str) -> bool {
        let quote = self.profile.quote.0.filter(|_| self.profile.kind == Kind::Csv && written.len() > sku.len());
        let bytes = sku.as_bytes();
        written.starts_with(char::is_whitespace)
            && bytes.len() > 1
            && quote.is_some_and(|quote| bytes.first() == Some(&quote) && bytes.last() == Some(&quote))
    }

    /// The field without the blanks and text guards that the profile takes off.
    pub(super) fn trimmed<'t>(&self, text: &'t str) -> &'t str {
        let bytes = text.as_bytes();
        let is_trimmed = !self.profile.trim.0 || (is_solid(bytes.first()) && is_solid(bytes.last()));
        let text = if is_trimmed { text } else { text.trim() };
        match self.profile.spreadsheet_text_guard {
            SpreadsheetTextGuard::Keep => text,
            SpreadsheetTextGuard::Strip => unguarded(text),
        }
    }

    /// Is this line of a fixed-width file no data, by the profile's rules? `sku` is what stands in the SKU's place.
    pub(super) fn is_ignored_line(&self, line: &str, sku: &str) -> bool {
        let start = line.trim_start();
        let is_comment = self.profile.comment.as_ref().is_some_and(|comment| start.starts_with(comment.as_str()));
        is_comment
            || self.profile.ignore_rows.iter().any(|rule| match rule {
                IgnoreRow::StartsWith(text) => start.starts_with(text.as_str()),
                IgnoreRow::SkuEmptyAndDescriptionContains(text) => sku.trim().is_empty() && line.contains(text),
                // The check refuses these for fixed width.
                IgnoreRow::RepeatedHeader | IgnoreRow::SingleFieldLine => false,
            })
    }

    /// Is this record no data, by the profile's rules?
    pub(super) fn is_ignored(
        &self,
        record: &StringRecord,
        sku: usize,
        header: Option<&StringRecord>,
        first_is_quoted: bool,
    ) -> bool {
        if let Some(comment) = &self.profile.comment
            && !first_is_quoted
            && field(record, 0).trim_start().starts_with(comment.as_str())
        {
            return true;
        }
        self.profile.ignore_rows.iter().any(|rule| match rule {
            IgnoreRow::RepeatedHeader => header.is_some_and(|header| is_same_row(record, header)),
            IgnoreRow::SingleFieldLine => record.len() == 1,
            IgnoreRow::StartsWith(text) => !first_is_quoted && field(record, 0).trim_start().starts_with(text.as_str()),
            IgnoreRow::SkuEmptyAndDescriptionContains(text) => {
                field(record, sku).trim().is_empty() && (0..record.len()).any(|at| field(record, at).contains(text))
            }
        })
    }
}

fn out_of_range(sku: &str, text: &str) -> RowFault {
    let text = format!("quantity {:?} is outside of what a stock count can be", shortened(text));
    RowFault::new(Some(sku), "quantity_out_of_range", text)
}

fn ordinal(sku: &str, text: &str) -> Result<u64, RowFault> {
    text.parse().map_err(|_| {
        let text = format!("the sequence {:?} is not a whole number", shortened(text));
        RowFault::new(Some(sku), "sequence_not_numeric", text)
    })
}

fn is_same_row(a: &StringRecord, b: &StringRecord) -> bool {
    a.len() == b.len() && (0..a.len()).all(|at| field(a, at).trim() == field(b, at).trim())
}

fn unguarded(text: &str) -> &str {
    if let Some(inner) = text.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')) {
        return inner;
    }
    text.strip_prefix('\'').unwrap_or(text)
}

/// `5.01E+12`: digits, perhaps a mark and digits, `E`, perhaps a sign, digits.
fn is_scientific(sku: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(at) = memchr::memchr2(b'E', b'e', sku.as_bytes()) else { return false };
    let (mantissa, exponent) = (&sku[..at], &sku[at + 1..]);
    let exponent_is_signed = exponent.starts_with(['+', '-']);
    let (whole, fraction) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, "0"));
    // `12E5` is an SKU that tills use; a spreadsheet writes a mark or a sign.
    let is_spreadsheets = exponent_is_signed || whole.len() < mantissa.len();
    is_spreadsheets && is_number(exponent.trim_start_matches(['+', '-'])) && is_number(whole) && is_number(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_a_spreadsheet_rounded_are_known_and_real_skus_are_not_taken_for_them() {
        for sku in ["5.01E+12", "5,01E+12", "1E+10", "1.5e7"] {
            assert!(is_scientific(sku), "{sku}");
        }
        for sku in ["12E5", "E5", "5.01", "AE+1", "1E+", "1.2.3E+4", "1E+1A"] {
            assert!(!is_scientific(sku), "{sku}");
        }
    }

    #[test]
    fn text_guards_come_off() {
        for (text, wanted) in [("=\"0012\"", "0012"), ("'0012", "0012"), ("0012", "0012"), ("=1+2", "=1+2")] {
            assert_eq!(unguarded(text), wanted);
        }
    }
}
