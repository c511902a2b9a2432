//! What the values of one column look like.
//!
//! Promises: counts only; what they mean is decided elsewhere. One pass over at most [`LOOKED_AT`] values.

use std::collections::HashSet;

/// Values of a column that are looked at.
const LOOKED_AT: usize = 4000;
/// Digits beyond which a number is no count of units.
const LONGEST_COUNT: usize = 9;

/// What the values of one column look like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) rows: usize,
    pub(super) filled: usize,
    pub(super) distinct: usize,
    /// Numbers in any style, sign and marks allowed.
    pub(super) numbers: usize,
    /// Numbers of digits only, perhaps with a sign.
    pub(super) integers: usize,
    /// Numbers with exactly two decimals.
    pub(super) two_decimals: usize,
    pub(super) negatives: usize,
    pub(super) zeros: usize,
    /// Whole numbers that are one above that of the row before, as line numbers are.
    pub(super) steps: usize,
    /// More than one digit, the first being 0.
    pub(super) padded: usize,
    pub(super) dates: usize,
    /// Digits with a right EAN, UPC or GTIN check digit.
    pub(super) barcodes: usize,
    pub(super) spaced: usize,
    pub(super) shortest: usize,
    pub(super) longest: usize,
}

impl Look {
    /// Looks at the values, blanks around them taken off.
    pub(super) fn at<'v>(values: impl IntoIterator<Item = &'v str>) -> Self {
        let mut look = Self { shortest: usize::MAX, ..Self::default() };
        let mut seen = HashSet::new();
        let mut before: Option<i64> = None;
        for value in values.into_iter().take(LOOKED_AT) {
            let value = value.trim();
            look.rows += 1;
            if value.is_empty() {
                continue;
            }
            seen.insert(value);
            look.take_in(value);
            let number = value.parse::<i64>().ok();
            look.steps += usize::from(number.is_some() && number == before.and_then(|before| before.checked_add(1)));
            look.zeros += usize::from(number == Some(0));
            before = number;
        }
        look.distinct = seen.len();
        look.shortest = look.shortest.min(look.longest);
        look
    }

    fn take_in(&mut self, value: &str) {
        let count = |is: bool| usize::from(is);
        let digits = value.trim_start_matches(['-', '+']).trim_end_matches('-');
        let is_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        self.filled += 1;
        self.numbers += count(is_number(value));
        self.integers += count(is_digits);
        self.two_decimals += count(is_number(value) && decimals(value) == Some(2));
        self.negatives += count(is_number(value) && is_negative(value));
        self.padded += count(is_digits && digits.len() > 1 && digits.starts_with('0'));
        self.dates += count(is_date(value));
        self.barcodes += count(is_barcode(value));
        self.spaced += count(value.contains(' '));
        let length = value.chars().count();
        (self.shortest, self.longest) = (self.shortest.min(length), self.longest.max(length));
    }

    /// Nearly all of `part`, of the filled ones?
    pub(super) fn mostly(&self, part: usize) -> bool {
        self.filled > 0 && part * 10 >= self.filled * 9
    }

    /// Could these be counts of units?
    pub(super) fn may_be_quantity(&self) -> bool {
        let is_short = self.longest <= LONGEST_COUNT + 6;
        self.filled * 10 >= self.rows * 5
            && self.mostly(self.numbers)
            && is_short
            && !self.are_barcodes()
            && !self.mostly(self.dates)
    }

    /// Do these look like numbers of items, not like counts: each once, all of one length, none negative?
    pub(super) fn is_like_codes(&self) -> bool {
        let is_plain = self.negatives == 0 && self.mostly(self.integers) && self.numbers == self.integers;
        let is_uniform = self.shortest == self.longest && self.longest >= 3;
        is_plain && self.rows >= 3 && self.distinct == self.rows && (is_uniform || self.padded * 2 > self.filled)
    }

    /// Can these only be counts: some none or less than none, as neither prices nor numbers of things are, and no
    /// line numbers?
    pub(super) fn is_like_counts(&self) -> bool {
        const FEW: usize = 3;
        self.filled >= FEW && self.negatives + self.zeros > 0 && self.steps * 2 < self.filled
    }

    /// Could these name one item each?
    pub(super) fn may_be_sku(&self) -> bool {
        let is_told_apart = self.distinct * 10 >= self.rows * 9;
        self.filled * 100 >= self.rows * 95
            && is_told_apart
            && self.negatives == 0
            && !self.mostly(self.dates)
            && self.longest <= 64
    }

    pub(super) fn are_barcodes(&self) -> bool {
        self.mostly(self.barcodes) && self.shortest >= 8
    }

    /// Money has two decimals in every row.
    pub(super) fn are_prices(&self) -> bool {
        self.filled >= 2 && self.mostly(self.two_decimals)
    }

    /// A few short codes, again and again?
    pub(super) fn is_like_branches(&self) -> bool {
        self.filled == self.rows
            && self.longest <= 16
            && self.rows >= 2
            && self.distinct * 2 <= self.rows
            && self.distinct <= 200
    }
}

fn is_negative(value: &str) -> bool {
    let upper = value.to_ascii_uppercase();
    value.starts_with(['-', '(']) || value.ends_with('-') || upper.ends_with("CR")
}

/// A number in any style that tills write: a sign or brackets, digits, marks between digits.
pub(super) fn is_number(value: &str) -> bool {
    let mut body = value.trim();
    for mark in ["CR", "DR", "cr", "dr"] {
        body = body.strip_suffix(mark).map_or(body, str::trim_end);
    }
    let body = body.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(body);
    let body = body.strip_prefix(['-', '+']).unwrap_or(body);
    let body = body.strip_suffix('-').unwrap_or(body);
    let bytes = body.as_bytes();
    let has_ends = bytes.first().is_some_and(|b| b.is_ascii_digit() || *b == b'.' || *b == b',')
        && bytes.last().is_some_and(u8::is_ascii_digit);
    let marks = body.chars().filter(|c| !c.is_ascii_digit()).count();
    has_ends && marks <= 4 && body.chars().all(|c| c.is_ascii_digit() || ".,' \u{a0}".contains(c)) && !is_date(value)
}

/// How many digits stand behind the last mark.
fn decimals(value: &str) -> Option<usize> {
    let digits = value.trim_end_matches([')', '-']);
    let at = digits.rfind(['.', ','])?;
    Some(digits.len() - at - 1)
}

/// A date, perhaps with a time: three groups of digits with one mark, or eight digits of this century.
pub(super) fn is_date(value: &str) -> bool {
    let day = value.split(['T', ' ']).next().unwrap_or_default();
    let groups: Vec<&str> = day.split(['/', '-', '.']).collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let number = |text: &str| text.parse::<u32>().ok();
    let fits = |year: &str, month: &str, day: &str| {
        number(year).is_some_and(|year| (1990..2100).contains(&year) || year < 100)
            && number(month).is_some_and(|month| (1..=31).contains(&month))
            && number(day).is_some_and(|day| (1..=31).contains(&day))
    };
    match (groups.as_slice(), lengths.as_slice()) {
        ([year, month, day], [4, 1..=2, 1..=2]) => fits(year, month, day),
        ([day, month, year], [1..=2, 1..=2, 4]) => fits(year, month, day),
        ([day, month, year], [2, 2, 2]) => fits(year, month, day),
        ([day], [8]) => {
            day.is_ascii()
                && day.starts_with("20")
                && fits(&day[..4], &day[4..6], &day[6..])
                && number(&day[4..6]) <= Some(12)
        }
        _ => false,
    }
}

/// Digits whose last one is the check digit of the others.
pub(super) fn is_barcode(value: &str) -> bool {
    let digits = value.as_bytes();
    if !matches!(digits.len(), 8 | 12 | 13 | 14) || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let weighed =
        digits.iter().rev().enumerate().map(|(at, digit)| u32::from(digit - b'0') * if at % 2 == 1 { 3 } else { 1 });
    weighed.sum::<u32>() % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_from_dates_and_codes() {
        for number in ["1", "-1", "1-", "(12)", "1,234.50", "1 234", "5 CR", ".5", "000012000"] {
            assert!(is_number(number), "{number}");
        }
        for other in ["", "-", "A1", "14/03/2026", "2026-03-14", "12.03.2026", "n/a", "1.", "+"] {
            assert!(!is_number(other), "{other}");
        }
    }

    #[test]
    fn a_barcode_is_known_by_its_check_digit() {
        assert!(is_barcode("5000000010011") && is_barcode("96385074"));
        assert!(!is_barcode("5000000010012") && !is_barcode("1001"));
    }
}
