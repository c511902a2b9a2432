//! Exact decimal quantities.
//!
//! Promises: no binary float anywhere, no rounding, one way of writing a number (`12`, `-1`, `0.5`).
//! Sums saturate instead of panicking; [`Quantity::parse`] keeps every operand far from that edge.

use std::fmt;
use std::ops::{Add, Neg, Sub};
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Largest magnitude accepted from outside, in units. No shop counts more; it keeps sums of a million rows exact.
pub const LARGEST: i64 = 1_000_000_000_000;

/// Most decimal places kept, in digits. Magento stores four (observed: 3.14159 is stored as 3.1416).
pub const PLACES: u32 = 6;

/// A number of units of one item, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quantity(Decimal);

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAQuantity {
    /// Not digits with an optional leading minus and one decimal point.
    #[error("{0:?} is not a plain decimal number")]
    NotANumber(String),
    /// More than [`LARGEST`] units, or more than [`PLACES`] decimal places.
    #[error("{0:?} is outside of what a stock count can be")]
    OutOfRange(String),
}

impl Quantity {
    /// No units.
    pub const ZERO: Self = Self(Decimal::ZERO);
    /// One unit.
    pub const ONE: Self = Self(Decimal::ONE);

    /// Reads a plain decimal number: optional leading minus, digits, optional point and digits. No exponent, no
    /// thousands mark, no blanks: whoever reads such styles turns them into this one first.
    pub fn parse(text: &str) -> Result<Self, NotAQuantity> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(fraction) {
            return Err(NotAQuantity::NotANumber(shortened(text)));
        }
        let out_of_range = || NotAQuantity::OutOfRange(shortened(text));
        let number = Decimal::from_str(text).map_err(|_| out_of_range())?.normalize();
        if number.scale() > PLACES || number.abs() > Decimal::from(LARGEST) {
            return Err(out_of_range());
        }
        Ok(Self(number))
    }

    /// The exact number behind it, for arithmetic with money.
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// This quantity, or zero when it is negative.
    pub fn or_zero(self) -> Self {
        self.max(Self::ZERO)
    }

    /// Is it exactly zero?
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Is it above zero?
    pub fn is_positive(self) -> bool {
        self > Self::ZERO
    }
}

fn shortened(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl From<i64> for Quantity {
    fn from(units: i64) -> Self {
        Self(Decimal::from(units))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self.0.normalize();
        // A negative zero is a zero.
        if plain.is_zero() { f.pad("0") } else { f.pad(&plain.to_string()) }
    }
}

impl Add for Quantity {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Quantity {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Quantity {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl std::iter::Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::ZERO, Add::add)
    }
}

impl FromStr for Quantity {
    type Err = NotAQuantity;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Written)
    }
}

/// A quantity as people and programs write it: a whole number, or a text for anything finer. No binary float.
struct Written;

impl serde::de::Visitor<'_> for Written {
    type Value = Quantity;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quantity: a whole number, or a text like \"2.5\"")
    }

    fn visit_i64<E: serde::de::Error>(self, units: i64) -> Result<Quantity, E> {
        Quantity::parse(&units.to_string()).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, units: u64) -> Result<Quantity, E> {
        Quantity::parse(&units.to_string()).map_err(E::custom)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Quantity, E> {
        Quantity::parse(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_numbers_are_read_exactly_and_written_in_one_way() {
        for (text, written) in
            [("12", "12"), ("-1", "-1"), ("0.50", "0.5"), ("007", "7"), ("-0", "0"), ("10.000", "10")]
        {
            assert_eq!(Quantity::parse(text).unwrap().to_string(), written, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_and_never_guessed() {
        for text in ["", "-", "10+", "1e3", "1,5", " 1", "1 ", "+1", ".5", "5.", "--1", "٣", "NaN", "1.2.3", "0x10"] {
            assert!(matches!(Quantity::parse(text), Err(NotAQuantity::NotANumber(_))), "{text}");
        }
        for text in ["1000000000001", "0.0000001", "99999999999999999999999999999999"] {
            assert!(matches!(Quantity::parse(text), Err(NotAQuantity::OutOfRange(_))), "{text}");
        }
    }
}
