//! Quantities as tills write them.
//!
//! Promises: exact decimals, no allocation; what is not plainly a number in the profile's style is an error, never a
//! zero and never a guess.

use std::ops::RangeInclusive;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::domain::Quantity;
use crate::domain::quantity::NotAQuantity;

/// How the till writes numbers.
#[derive(Debug, Clone)]
pub(super) struct NumberStyle {
    pub(super) decimal: char,
    pub(super) thousands: Option<char>,
    pub(super) implied: u32,
    pub(super) leading_minus: bool,
    pub(super) trailing_minus: bool,
    pub(super) parentheses: bool,
    pub(super) cr_dr: bool,
    pub(super) least: Decimal,
    pub(super) most: Decimal,
    /// The whole numbers between the two, where they can be told.
    pub(super) plain_range: Option<RangeInclusive<i64>>,
}

/// The whole numbers between two decimals.
pub(super) fn whole_numbers(least: Decimal, most: Decimal) -> Option<RangeInclusive<i64>> {
    Some(least.ceil().to_i64()?..=most.floor().to_i64()?)
}

/// Why a text is no quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotANumber {
    NotNumeric,
    OutOfRange,
}

/// Longest number read, in bytes. The largest quantity with all its marks is far shorter.
const LONGEST: usize = 48;
/// Digits that surely fit into an `i64`.
const PLAIN_DIGITS: usize = 12;

impl NumberStyle {
    /// Reads a number in this style.
    pub(super) fn read(&self, text: &str) -> Result<Quantity, NotANumber> {
        if let Some(number) = self.plain_integer(text).filter(|number| self.is_plainly_in_range(*number)) {
            return Ok(Quantity::from(number));
        }
        let quantity = self.styled(text)?;
        if self.is_in_range(quantity) { Ok(quantity) } else { Err(NotANumber::OutOfRange) }
    }

    /// Could this text, which is no number, be the beginning of one?
    pub(super) fn may_go_on(&self, text: &str) -> bool {
        let is_of_numbers = |c: char| {
            let is_space = matches!(c, ' ' | '\u{a0}' | '\u{202f}') && (self.thousands == Some(' ') || self.cr_dr);
            let is_letter = self.cr_dr && matches!(c, 'C' | 'c' | 'R' | 'r' | 'D' | 'd');
            c.is_ascii_digit()
                || c == self.decimal
                || Some(c) == self.thousands
                || "-(".contains(c)
                || is_space
                || is_letter
        };
        text.chars().all(is_of_numbers)
    }

    fn is_plainly_in_range(&self, number: i64) -> bool {
        self.plain_range.as_ref().is_some_and(|range| range.contains(&number))
    }

    /// Can this be a count?
    pub(super) fn is_in_range(&self, quantity: Quantity) -> bool {
        (self.least..=self.most).contains(&quantity.decimal())
    }

    /// Reads a sum of many: it may be larger than any single count.
    pub(super) fn read_sum(&self, text: &str) -> Option<Decimal> {
        let style = Self { least: Decimal::MIN, most: Decimal::MAX, plain_range: None, ..self.clone() };
        style.read(text).ok().map(Quantity::decimal)
    }

    /// The common case, quickly: a few digits, perhaps with a minus before them.
    fn plain_integer(&self, text: &str) -> Option<i64> {
        let (negative, digits) = match text.as_bytes() {
            [b'-', digits @ ..] if self.leading_minus => (true, digits),
            digits => (false, digits),
        };
        if self.implied > 0 || digits.is_empty() || digits.len() > PLAIN_DIGITS {
            return None;
        }
        let add = |sum: i64, digit: &u8| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'));
        let number = digits.iter().try_fold(0, add)?;
        Some(if negative { -number } else { number })
    }

    fn styled(&self, text: &str) -> Result<Quantity, NotANumber> {
        let (negative, digits) = self.sign(text);
        let mut plain = Plain::default();
        if negative {
            plain.push(b'-')?;
        }
        if self.implied > 0 {
            self.put_implied(digits, &mut plain)?
        } else {
            self.put_marked(digits, &mut plain)?
        }
        Quantity::parse(plain.text()).map_err(|error| match error {
            NotAQuantity::NotANumber(_) => NotANumber::NotNumeric,
            NotAQuantity::OutOfRange(_) => NotANumber::OutOfRange,
        })
    }

    /// Takes the sign off, in one of the accepted styles.
    fn sign<'t>(&self, text: &'t str) -> (bool, &'t str) {
        if self.leading_minus
            && let Some(rest) = text.strip_prefix('-')
        {
            return (true, rest);
        }
        if self.trailing_minus
            && let Some(rest) = text.strip_suffix('-')
        {
            return (true, rest);
        }
        if self.parentheses
            && let Some(rest) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'))
        {
            return (true, rest);
        }
        if self.cr_dr {
            for (mark, negative) in [("CR", true), ("DR", false)] {
                let at = text.len().saturating_sub(mark.len());
                if text.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(mark)) {
                    return (negative, text[..at].trim_end());
                }
            }
        }
        (false, text)
    }

    /// Digits only, of which the last ones are decimal places.
    fn put_implied(&self, digits: &str, plain: &mut Plain) -> Result<(), NotANumber> {
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotANumber::NotNumeric);
        }
        let places = usize::try_from(self.implied).map_err(|_| NotANumber::OutOfRange)?;
        for missing in 0..(places + 1).saturating_sub(digits.len()) {
            plain.push(b'0')?;
            if missing == 0 && digits.len() <= places {
                plain.push(b'.')?;
            }
        }
        for (at, digit) in digits.bytes().enumerate() {
            if at > 0 && at + places == digits.len() {
                plain.push(b'.')?;
            }
            plain.push(digit)?;
        }
        Ok(())
    }

    /// Digits with thousands marks, every three of them, and a decimal mark.
    fn put_marked(&self, digits: &str, plain: &mut Plain) -> Result<(), NotANumber> {
        let (whole, fraction) = match digits.split_once(self.decimal) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (digits, None),
        };
        self.put_whole(whole, plain)?;
        if let Some(fraction) = fraction {
            plain.push(b'.')?;
            put_digits(fraction, plain)?;
        }
        Ok(())
    }

    fn put_whole(&self, whole: &str, plain: &mut Plain) -> Result<(), NotANumber> {
        let Some(mark) = self.thousands else { return put_digits(whole, plain) };
        let is_mark = |c: char| c == mark || (mark == ' ' && matches!(c, '\u{a0}' | '\u{202f}'));
        let mut groups = whole.split(is_mark);
        let first = groups.next().unwrap_or_default();
        put_digits(first, plain)?;
        for group in groups {
            if group.len() != 3 || first.len() > 3 {
                return Err(NotANumber::NotNumeric);
            }
            put_digits(group, plain)?;
        }
        Ok(())
    }
}

fn put_digits(digits: &str, plain: &mut Plain) -> Result<(), NotANumber> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotANumber::NotNumeric);
    }
    digits.bytes().try_for_each(|digit| plain.push(digit))
}

/// A plain decimal number in the making, on the stack.
struct Plain {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Default for Plain {
    fn default() -> Self {
        Self { bytes: [0; LONGEST], length: 0 }
    }
}

impl Plain {
    fn push(&mut self, byte: u8) -> Result<(), NotANumber> {
        *self.bytes.get_mut(self.length).ok_or(NotANumber::OutOfRange)? = byte;
        self.length += 1;
        Ok(())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style() -> NumberStyle {
        NumberStyle {
            decimal: '.',
            thousands: None,
            implied: 0,
            leading_minus: true,
            trailing_minus: false,
            parentheses: false,
            cr_dr: false,
            least: Decimal::new(-9_999_999_999, 3),
            most: Decimal::new(9_999_999_999, 3),
            plain_range: Some(-9_999_999..=9_999_999),
        }
    }

    fn read(style: &NumberStyle, text: &str) -> Option<String> {
        style.read(text).ok().map(|quantity| quantity.to_string())
    }

    #[test]
    fn plain_numbers_are_exact() {
        for (text, wanted) in
            [("12", "12"), ("-1", "-1"), ("0.50", "0.5"), ("007", "7"), ("9999999.999", "9999999.999")]
        {
            assert_eq!(read(&style(), text).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn anything_else_is_an_error_and_never_a_guess() {
        for text in
            ["10+", "n/a", "", "-", "+5", "5-", "(5)", "1,234", "1e3", "1 000", "5CR", "1.2.3", ".5", "٣", "−5", "--1"]
        {
            assert_eq!(style().read(text), Err(NotANumber::NotNumeric), "{text}");
        }
        for text in ["10000000", "99999999999999999999", "0.0000001", "-9999999.9991"] {
            assert_eq!(style().read(text), Err(NotANumber::OutOfRange), "{text}");
        }
        assert_eq!(style().read(&"1".repeat(1000)), Err(NotANumber::OutOfRange));
    }

    #[test]
    fn marks_are_those_of_the_profile_and_stand_where_they_should() {
        let comma = NumberStyle { decimal: ',', thousands: Some('.'), ..style() };
        for (text, wanted) in [("1.234,5", "1234.5"), ("0,25", "0.25"), ("-1.234.567", "-1234567"), ("1234", "1234")] {
            assert_eq!(read(&comma, text).as_deref(), Some(wanted), "{text}");
        }
        for text in ["12.34", "1234.567", ".123", "1..234", "1.234,", ",5", "1,234.5"] {
            assert_eq!(read(&comma, text), None, "{text}");
        }
        let space = NumberStyle { thousands: Some(' '), ..style() };
        assert_eq!(read(&space, "1\u{a0}234").as_deref(), Some("1234"));
    }

    #[test]
    fn signs_are_those_of_the_profile() {
        let all = NumberStyle { trailing_minus: true, parentheses: true, cr_dr: true, ..style() };
        for (text, wanted) in [("5-", "-5"), ("(5.5)", "-5.5"), ("5 CR", "-5"), ("5dr", "5"), ("-5", "-5")] {
            assert_eq!(read(&all, text).as_deref(), Some(wanted), "{text}");
        }
        for text in ["-5-", "(-5)", "(5", "-(5)", "CR", "()"] {
            assert_eq!(read(&all, text), None, "{text}");
        }
        assert_eq!(read(&NumberStyle { leading_minus: false, ..all }, "-5"), None);
    }

    #[test]
    fn implied_decimals_move_the_mark() {
        let implied = NumberStyle { implied: 3, ..style() };
        for (text, wanted) in
            [("000012000", "12"), ("5", "0.005"), ("-1500", "-1.5"), ("1234", "1.234"), ("123", "0.123")]
        {
            assert_eq!(read(&implied, text).as_deref(), Some(wanted), "{text}");
        }
        assert_eq!(read(&implied, "1.5"), None);
    }
}
