//! One record of an export: SKU and quantity, or what is wrong with it.
//!
//! Promises: an SKU is passed on exactly as written but for the trim and text guard that the profile names; texts in
//! errors are short whatever the file holds.

use csv::ByteRecord;

use super::number::NotANumber;
use super::profile::{BlankQuantity, IgnoreRow, SkuScientific, SpreadsheetTextGuard};
use super::profile_check::CheckedProfile;
use crate::domain::Quantity;
use crate::domain::stock::LONGEST_SKU;

/// Longest piece of a field that is shown, in characters.
const SHOWN: usize = 40;

/// Where the values stand, as fields from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) sku: usize,
    pub(super) quantity: usize,
    /// Fields that a row must have.
    pub(super) fields: usize,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RowFault {
    pub(super) sku: Option<String>,
    pub(super) reason: &'static str,
    pub(super) text: String,
}

impl RowFault {
    fn new(sku: Option<&str>, reason: &'static str, text: String) -> Self {
        Self { sku: sku.map(shortened), reason, text }
    }
}

/// A text short enough for an error.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A field of a record as text; the clean text it comes from is valid UTF-8.
pub(super) fn field(record: &ByteRecord, at: usize) -> &str {
    record.get(at).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
}

/// Is there nothing in the record, not even behind delimiters?
pub(super) fn is_blank(record: &ByteRecord) -> bool {
    record.iter().all(|bytes| std::str::from_utf8(bytes).is_ok_and(|text| text.trim().is_empty()))
}

impl CheckedProfile {
    /// Reads a data record.
    pub(super) fn row<'r>(&self, record: &'r ByteRecord, places: &Places) -> Result<(&'r str, Quantity), RowFault> {
        let sku = self.trimmed(field(record, places.sku));
        let named = (!sku.is_empty()).then_some(sku);
        let extras_are_blank = || (places.fields..record.len()).all(|at| field(record, at).trim().is_empty());
        if record.len() < places.fields || (record.len() > places.fields && !extras_are_blank()) {
            let text = format!("{} fields where {} are expected", record.len(), places.fields);
            return Err(RowFault::new(named, "wrong_field_count", text));
        }
        self.check_sku(sku)?;
        let quantity = self.trimmed(field(record, places.quantity));
        Ok((sku, self.quantity(sku, quantity)?))
    }

    fn quantity(&self, sku: &str, text: &str) -> Result<Quantity, RowFault> {
        if text.is_empty() {
            return match self.profile.blank_quantity {
                BlankQuantity::Zero => Ok(Quantity::ZERO),
                BlankQuantity::RowError => {
                    Err(RowFault::new(Some(sku), "quantity_missing", "the quantity is empty".to_owned()))
                }
            };
        }
        self.numbers.read(text).map_err(|error| {
            let shown = shortened(text);
            match error {
                NotANumber::NotNumeric => {
                    RowFault::new(Some(sku), "quantity_not_numeric", format!("quantity {shown:?} is not a number"))
                }
                NotANumber::OutOfRange => {
                    let text = format!("quantity {shown:?} is outside of what a stock count can be");
                    RowFault::new(Some(sku), "quantity_out_of_range", text)
                }
            }
        })
    }

    fn check_sku(&self, sku: &str) -> Result<(), RowFault> {
        let wrong = |reason, text: &str| Err(RowFault::new(Some(sku), reason, text.to_owned()));
        if sku.is_empty() {
            return Err(RowFault::new(None, "sku_missing", "the SKU is empty".to_owned()));
        }
        if sku.len() > LONGEST_SKU {
            return wrong("sku_missing", "what stands in the SKU's place is too long for one: a damaged row");
        }
        if sku.chars().any(|c| c.is_control() || c == '\u{fffd}') {
            return wrong("invalid_encoding", "the SKU has a character that no till prints: a damaged row");
        }
        match self.profile.sku_scientific {
            SkuScientific::RowError if is_scientific(sku) => {
                let text = format!("SKU {:?} is a number that a spreadsheet has rounded", shortened(sku));
                Err(RowFault::new(Some(sku), "sku_scientific", text))
            }
            SkuScientific::RowError | SkuScientific::AcceptIfQuoted => Ok(()),
        }
    }

    /// The field without the blanks and text guards that the profile takes off.
    fn trimmed<'t>(&self, text: &'t str) -> &'t str {
        let text = if self.profile.trim.0 { text.trim() } else { text };
        match self.profile.spreadsheet_text_guard {
            SpreadsheetTextGuard::Keep => text,
            SpreadsheetTextGuard::Strip => unguarded(text),
        }
    }

    /// Is this record no data, by the profile's rules?
    pub(super) fn is_ignored(&self, record: &ByteRecord, sku: usize, header: Option<&ByteRecord>) -> bool {
        if let Some(comment) = &self.profile.comment
            && field(record, 0).trim_start().starts_with(comment.as_str())
        {
            return true;
        }
        self.profile.ignore_rows.iter().any(|rule| match rule {
            IgnoreRow::RepeatedHeader => header.is_some_and(|header| is_same_row(record, header)),
            IgnoreRow::SingleFieldLine => record.len() == 1,
            IgnoreRow::StartsWith(text) => field(record, 0).trim_start().starts_with(text.as_str()),
            IgnoreRow::SkuEmptyAndDescriptionContains(text) => {
                field(record, sku).trim().is_empty() && (0..record.len()).any(|at| field(record, at).contains(text))
            }
        })
    }
}

fn is_same_row(a: &ByteRecord, b: &ByteRecord) -> bool {
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
    let Some((mantissa, exponent)) = sku.split_once(['E', 'e']) else { return false };
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
