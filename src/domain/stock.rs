//! What an export says: SKUs, rows, and the export as a whole.
//!
//! Promises: an [`Sku`] is never empty and is kept exactly as written; a [`Timing`] keeps apart what the till
//! declared and what we saw ourselves, because the two answer different questions.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Quantity;

/// Longest SKU taken, in bytes. Magento keeps 64 characters; a longer field is a damaged row, not an item.
pub const LONGEST_SKU: usize = 256;

/// How far a time inside a file and its modification time may be apart at most: zones reach from -12 to +14 hours.
const CLOCKS_APART: SignedDuration = SignedDuration::from_hours(48);

/// The till's and the store's name for one sellable item, exactly as written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sku(Box<str>);

/// Why a text is no SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotASku {
    /// No characters.
    #[error("the SKU is empty")]
    Empty,
    /// Longer than [`LONGEST_SKU`] bytes.
    #[error("the SKU is longer than {LONGEST_SKU} bytes")]
    TooLong,
    /// It has a control character; no till prints one on a shelf label.
    #[error("the SKU contains a control character")]
    ControlCharacter,
}

impl Sku {
    /// Takes a text as an SKU, unchanged.
    pub fn new(text: &str) -> Result<Self, NotASku> {
        if text.is_empty() {
            return Err(NotASku::Empty);
        }
        if text.len() > LONGEST_SKU {
            return Err(NotASku::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(NotASku::ControlCharacter);
        }
        Ok(Self(text.into()))
    }

    /// The SKU as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for Sku {
    type Error = NotASku;
    fn try_from(text: String) -> Result<Self, NotASku> {
        Self::new(&text)
    }
}

impl From<Sku> for String {
    fn from(sku: Sku) -> Self {
        sku.0.into()
    }
}

/// The ledger's number of one export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ExportId(pub i64);

impl fmt::Display for ExportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One item's count in an export, with the place in the file that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Units as the till counted them; may be negative (sold before goods-in was booked).
    pub quantity: Quantity,
    /// Physical line on which the record starts, from 1.
    pub line: u64,
}

/// How much of the stock an export speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All items: what is not in it is missing.
    #[default]
    Full,
    /// Only what changed: what is not in it stays as it was.
    Delta,
}

/// The number that a till gives an export, with the digits that it writes it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// The number.
    pub number: u64,
    /// Digits, leading zeros included: after `99999` comes `00000` or `00001`.
    pub digits: u8,
}

/// How an export's number follows an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is the next one, perhaps after the counter turned over.
    Next,
    /// So many are missing between the two.
    Gap(u64),
    /// The same number again.
    Same,
    /// It is lower.
    Back,
}

impl Scope {
    /// Its word in the ledger.
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Delta => "delta",
        }
    }

    /// Reads [`Scope::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Full, Self::Delta].into_iter().find(|scope| scope.word() == word)
    }
}

impl Sequence {
    /// How far it is ahead of `earlier`, the counter turning over where its digits end.
    pub fn ahead_of(&self, earlier: u64) -> u64 {
        match 10u64.checked_pow(self.digits.into()) {
            Some(turn) => (u128::from(self.number) + u128::from(turn) - u128::from(earlier % turn)) as u64 % turn,
            None => self.number.wrapping_sub(earlier),
        }
    }

    /// Reads a number as the till writes it: digits only.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Self { number: text.parse().ok()?, digits: u8::try_from(text.len()).ok()? })
    }

    /// How this number follows `earlier`.
    pub fn after(&self, earlier: &Self) -> Step {
        let highest = 10u64.checked_pow(earlier.digits.into()).map(|limit| limit - 1);
        if highest == Some(earlier.number) && self.number <= 1 {
            return Step::Next;
        }
        match self.number.checked_sub(earlier.number) {
            None => Step::Back,
            Some(0) => Step::Same,
            Some(1) => Step::Next,
            Some(more) => Step::Gap(more - 1),
        }
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}", self.number, width = usize::from(self.digits))
    }
}

/// A time as messages show it: to the second, in UTC, and saying so.
pub fn in_words(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// All that is known about when an export was made.
///
/// The till's query ran somewhere between "the folder was listed and this file was not there" and "we saw it"; a
/// declared time (from the file's name or header) narrows that down. A file's modification time is never trusted
/// to make an export *younger* (Apache Camel PR 10131: a copy keeps the old one), only older.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// When the file itself says that the export began, in UTC.
    pub declared: Option<Timestamp>,
    /// When the agent first saw the file.
    pub first_seen: Timestamp,
    /// The last successful listing of the folder before that: the file, as it is now, was not there.
    pub last_absent: Option<Timestamp>,
    /// The file's modification time.
    pub modified: Option<Timestamp>,
}

impl Timing {
    /// The latest moment at which the export can safely be believed to have begun. Evidence must be older than this.
    ///
    /// `None` when nothing at all is known: then no consumption counts.
    pub fn began_not_before(&self) -> Option<Timestamp> {
        let began = self.declared.or(self.last_absent)?;
        match self.modified {
            Some(modified) if self.declared.is_none() => Some(began.min(modified)),
            Some(_) | None => Some(began),
        }
    }

    /// Is this export older than `other`, as far as the order of exports goes?
    pub fn is_older_than(&self, other: &Self) -> bool {
        if let (Some(mine), Some(theirs)) = (self.declared, other.declared) {
            return mine < theirs;
        }
        if let (Some(mine), Some(theirs)) = (self.modified, other.modified)
            && mine < theirs
        {
            return true;
        }
        self.first_seen < other.first_seen
    }

    /// Its place among others that were seen, as far as one can be told: by the time that it tells, else by when it was
    /// last changed.
    pub fn place(&self) -> (Timestamp, Timestamp) {
        (self.declared.or(self.modified).unwrap_or(self.first_seen), self.first_seen)
    }

    /// Would it be older than `other` even if it told, once it is read, another time inside? Clocks and zones may differ
    /// by a day, so that only what was last changed two days before the other counts as older.
    pub fn is_older_whatever_it_tells(&self, other: &Self) -> bool {
        let theirs = other.declared.or(other.modified);
        self.modified.zip(theirs).is_some_and(|(mine, theirs)| theirs.duration_since(mine) > CLOCKS_APART)
    }

    /// The time to show to people: declared, else first seen.
    pub fn shown(&self) -> Timestamp {
        self.declared.unwrap_or(self.first_seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn skus_are_kept_as_written_and_never_empty() {
        for sku in ["0012", "AB/12", "GRÜN-Ü1", "=1+2", " x "] {
            assert_eq!(Sku::new(sku).unwrap().as_str(), sku);
        }
        assert_eq!(Sku::new(""), Err(NotASku::Empty));
        assert_eq!(Sku::new(&"x".repeat(LONGEST_SKU + 1)), Err(NotASku::TooLong));
        assert_eq!(Sku::new("a\0b"), Err(NotASku::ControlCharacter));
    }

    #[test]
    fn numbers_of_exports_follow_each_other_and_turn_over() {
        let number = |text| Sequence::parse(text).unwrap();
        for (earlier, later, step) in [
            ("00417", "00418", Step::Next),
            ("00417", "00420", Step::Gap(2)),
            ("00417", "00417", Step::Same),
            ("00417", "00416", Step::Back),
            ("9999", "0000", Step::Next),
            ("9999", "0001", Step::Next),
            ("9999", "0002", Step::Back),
            ("9", "10", Step::Next),
        ] {
            assert_eq!(number(later).after(&number(earlier)), step, "{earlier} {later}");
        }
        assert_eq!(number("00417").to_string(), "00417");
        for text in ["", "-1", "4.5", "٤", "99999999999999999999"] {
            assert_eq!(Sequence::parse(text), None, "{text}");
        }
    }

    #[test]
    fn without_a_declared_time_an_export_began_before_we_could_see_it() {
        let timing = Timing { declared: None, first_seen: at(100), last_absent: Some(at(95)), modified: Some(at(99)) };
        assert_eq!(timing.began_not_before(), Some(at(95)));
        let moved_in = Timing { modified: Some(at(10)), ..timing };
        assert_eq!(moved_in.began_not_before(), Some(at(10)));
        let found_at_first_start = Timing { last_absent: None, ..timing };
        assert_eq!(found_at_first_start.began_not_before(), None);
    }

    #[test]
    fn what_may_tell_a_time_inside_is_older_only_when_no_clock_can_explain_it() {
        let day = 24 * 60 * 60;
        let other = Timing { declared: Some(at(9 * day)), first_seen: at(10 * day), last_absent: None, modified: None };
        let written = |seconds| Timing { declared: None, modified: Some(at(seconds)), ..other };
        assert!(written(7 * day - 1).is_older_whatever_it_tells(&other));
        assert!(!written(7 * day).is_older_whatever_it_tells(&other));
        assert!(!Timing { modified: None, ..written(0) }.is_older_whatever_it_tells(&other));
    }

    #[test]
    fn a_declared_time_wins_and_the_modification_time_only_makes_older() {
        let first = Timing { declared: None, first_seen: at(100), last_absent: Some(at(95)), modified: Some(at(99)) };
        let restored = Timing { first_seen: at(200), last_absent: Some(at(195)), modified: Some(at(50)), ..first };
        assert!(restored.is_older_than(&first));
        let declared = Timing { declared: Some(at(90)), first_seen: at(300), ..first };
        assert_eq!(declared.began_not_before(), Some(at(90)));
        assert!(declared.is_older_than(&Timing { declared: Some(at(91)), ..first }));
    }
}
