//! What fixed width hides in its digits: places after the decimal point, counts and sums run together.
//!
//! Promises: places that are not shown are believed only when all counts end in that many zeros; a count and a sum are
//! found in a closing line only where every sample's line has them right.

use rust_decimal::Decimal;
use toml::{Table as Keys, Value};

use super::book::{Book, Choice, Confidence};
use super::columns::Roles;
use super::numbers::number;
use super::proof::sum_of;
use super::table::{Part, Table, Totals};

/// Digits from which on a number filled with zeros may have places that are not shown.
const PADDED: usize = 5;
/// Longest number in a closing line.
const LONGEST: usize = 18;
/// Counts that are not zero, below which nothing follows from their zeros.
const FEW: usize = 3;

/// Are there decimal places that the numbers do not show? Says whether numbers are digits only.
pub(super) fn implied(table: &Table, roles: &Roles, book: &mut Book<'_>) -> bool {
    let [column] = roles.quantities.as_slice() else { return false };
    let digits: Vec<&str> =
        table.values(*column).map(|value| value.trim_end_matches(['-', '+']).trim_start_matches(['-', '+'])).collect();
    let width = digits.iter().map(|value| value.len()).max().unwrap_or(0);
    let is_padded = width >= PADDED
        && digits.iter().all(|value| value.len() == width && value.bytes().all(|byte| byte.is_ascii_digit()));
    if !is_padded {
        return false;
    }
    let counts: Vec<u64> = digits.iter().filter_map(|value| value.parse().ok()).filter(|count| *count > 0).collect();
    let zeros = (0..=6).rev().find(|zeros| counts.iter().all(|count| count % 10_u64.pow(*zeros) == 0)).unwrap_or(0);
    let largest = counts.iter().copied().max().unwrap_or(0);
    const PLAIN: u64 = 10_000;
    match zeros {
        2 | 3 if counts.len() >= FEW => {
            let why =
                format!("all {} counts that are not zero end in {zeros} zeros: these are decimal places", counts.len());
            book.settle("implied_decimals", i64::from(zeros), Confidence::Sure, why);
        }
        0 if largest < PLAIN => {
            book.settle("implied_decimals", 0, Confidence::Sure, "the numbers are small, and do not all end in zeros");
        }
        _ => doubt(largest, zeros, book),
    }
    true
}

fn doubt(largest: u64, zeros: u32, book: &mut Book<'_>) {
    let places: &[u32] = &[0, 2, 3];
    let choice = |places: &u32| {
        let meant = Decimal::from_i128_with_scale(i128::from(largest), *places).normalize();
        Choice::new(i64::from(*places), format!("{places} decimal places: the largest count is {meant}"))
    };
    let why = format!(
        "the numbers are filled with zeros, and all end in {zeros} zero(s): they may have decimal places that are not shown"
    );
    book.doubt(
        "implied_decimals",
        why,
        "How many decimal places do the counts have?",
        places.iter().map(choice).collect(),
    );
}

fn line(part: &Part) -> Option<Vec<char>> {
    match &part.totals {
        Totals::Line(line) => Some(line.chars().collect()),
        Totals::None | Totals::Fields(_) | Totals::Attributes(_) => None,
    }
}

type Span = (usize, usize);

/// The span in which every sample's closing line has this number, the longest one.
fn span_with(table: &Table, from: usize, wanted: impl Fn(&Part) -> Decimal) -> Option<Span> {
    let lines: Vec<(Vec<char>, Decimal)> =
        table.parts.iter().filter(|part| part.is_whole).filter_map(|part| Some((line(part)?, wanted(part)))).collect();
    let shortest = lines.iter().map(|(line, _)| line.len()).min()?;
    let has = |(line, told): &(Vec<char>, Decimal), (start, end): Span| {
        let text: String = line[start..end].iter().collect();
        let text = text.trim();
        !text.is_empty() && text.chars().any(|c| c.is_ascii_digit()) && number(text) == Some(*told)
    };
    let begins = |start: usize| start == from || lines.iter().any(|(line, _)| !line[start - 1].is_ascii_digit());
    let spans = (from..shortest)
        .filter(|start| begins(*start))
        .flat_map(|start| (start + 1..=shortest.min(start + LONGEST)).rev().map(move |end| (start, end)));
    let is_whole = lines.len() == table.parts.len();
    spans.into_iter().find(|span| is_whole && lines.iter().all(|line| has(line, *span)))
}

/// Does every sample's closing line have the sum of this column?
pub(super) fn sum_is_of(table: &Table, column: usize) -> bool {
    let from = span_with(table, 1, |part| Decimal::from(part.records)).map_or(1, |(_, end)| end);
    span_with(table, from, |part| sum_of(part, column)).is_some()
}

/// Finds count and sum in the closing lines.
pub(super) fn trailer(table: &Table, roles: &Roles, book: &mut Book<'_>) {
    let count = span_with(table, 1, |part| Decimal::from(part.records));
    let after = count.map_or(1, |(_, end)| end);
    let sum = match roles.quantities.as_slice() {
        [one] => span_with(table, after, |part| sum_of(part, *one)),
        _ => None,
    };
    let value = |(start, end): Span| Value::Array(vec![Value::from(start as i64 + 1), Value::from(end as i64)]);
    let told = |what: &str, (start, end): Span| format!("{what} at characters {} to {end}", start + 1);
    let mut keys = Keys::from_iter([("required".to_owned(), Value::from(true))]);
    let mut found = Vec::new();
    if let Some(span) = count {
        keys.insert("count_at".into(), value(span));
        found.push(told("the number of records", span));
    }
    if let Some(span) = sum {
        keys.insert("sum_at".into(), value(span));
        found.push(told("the sum of the quantities", span));
    }
    if found.is_empty() {
        let whole = table.parts.iter().all(|part| part.is_whole);
        let why = if whole {
            "the closing line has neither the number of records nor the sum of the quantities: the sample is damaged, or its numbers mean something else"
        } else {
            "there is a closing line; whether its numbers are right shows only in a sample that is small"
        };
        let choices =
            vec![Choice::new(Value::Table(keys), "a closing line must be there; its numbers are not compared")];
        book.doubt("trailer", why, "What does the closing line prove?", choices);
    } else {
        book.settle(
            "trailer",
            Value::Table(keys),
            Confidence::Proved,
            format!("the closing line has, right in every sample, {}", found.join(" and ")),
        );
    }
}
