//! How the till writes numbers: marks, signs, places that the number does not show.
//!
//! Promises: `1,234` is twelve hundred or one and a bit only when another number of the same file tells; else a
//! person is asked. What no sample shows is refused by the reader later, row by row, and never misread.

use rust_decimal::Decimal;
use toml::Value;

use super::book::{Book, Choice, Confidence, some};
use super::column::is_number;
use super::columns::Roles;
use super::fixed_fields;
use super::table::Table;
use crate::epos::number::NumberStyle;
use crate::epos::profile::Kind;

/// Values looked at.
const LOOKED_AT: usize = 4000;

/// What the marks of some numbers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// There are none.
    None,
    /// This one stands before decimals; the other, if there is one, between thousands.
    Decimal(char, Option<char>),
    /// This one stands between thousands, and decimals were not seen.
    Thousands(char),
    /// This one, always before exactly three digits.
    Unclear(char),
}

/// Looks at the marks of numbers.
pub(super) fn marks<'v>(values: impl Iterator<Item = &'v str>) -> Marks {
    let mut found = Marks::None;
    for value in values.take(LOOKED_AT).map(str::trim).filter(|value| is_number(value)) {
        let one = marks_of(value);
        found = match (found, one) {
            (Marks::None, one) | (one, Marks::None) => one,
            (Marks::Decimal(mark, thousands), Marks::Decimal(other, more)) if mark == other => {
                Marks::Decimal(mark, thousands.or(more))
            }
            (Marks::Decimal(mark, thousands), Marks::Unclear(other) | Marks::Thousands(other))
            | (Marks::Unclear(other) | Marks::Thousands(other), Marks::Decimal(mark, thousands)) => {
                Marks::Decimal(mark, if other == mark { thousands } else { Some(other) })
            }
            (Marks::Thousands(mark), Marks::Unclear(other) | Marks::Thousands(other))
            | (Marks::Unclear(other), Marks::Thousands(mark))
                if mark == other =>
            {
                Marks::Thousands(mark)
            }
            (Marks::Unclear(mark), Marks::Unclear(other)) if mark == other => found,
            (_, _) => found,
        };
    }
    found
}

fn marks_of(value: &str) -> Marks {
    let body = value.trim_matches(|c: char| !c.is_ascii_digit() && c != '.' && c != ',');
    let body = body.replace('\u{a0}', " ");
    let Some(at) = body.rfind(['.', ',']) else {
        return if body.contains(' ') { Marks::Thousands(' ') } else { Marks::None };
    };
    let (mark, before, behind) = (char::from(body.as_bytes()[at]), &body[..at], &body[at + 1..]);
    match before.chars().find(|c| !c.is_ascii_digit()) {
        Some(other) if other == mark => Marks::Thousands(mark),
        Some(other) => Marks::Decimal(mark, Some(other)),
        None if behind.len() != 3 || before.len() > 3 || before.is_empty() || before.starts_with('0') => {
            Marks::Decimal(mark, None)
        }
        None => Marks::Unclear(mark),
    }
}

/// Decides about the numbers.
pub(super) fn decide(table: &Table, roles: &Roles, book: &mut Book<'_>) {
    if roles.quantities.is_empty() {
        return;
    }
    let values: Vec<&str> = roles.quantities.iter().flat_map(|column| table.values(*column)).collect();
    negatives(table, values.iter().copied(), book);
    if table.kind == Kind::Fixed && fixed_fields::implied(table, roles, book) {
        return;
    }
    let others = (0..table.places.len()).filter(|at| Some(*at) != roles.sku).flat_map(|at| table.values(at));
    let elsewhere = marks(others);
    let example = some(values.iter().copied().filter(|value| value.contains(['.', ',', ' '])).take(6));
    match (marks(values.iter().copied()), elsewhere) {
        (Marks::None, elsewhere) => whole(&values, elsewhere, book),
        (Marks::Decimal(mark, thousands), _) => {
            settle(mark, thousands, Confidence::Sure, &format!("as in {example}"), book);
        }
        (Marks::Thousands(mark), _) => {
            let decimal = if mark == '.' { ',' } else { '.' };
            settle(decimal, Some(mark), Confidence::Sure, &format!("the mark groups thousands, as in {example}"), book);
        }
        (Marks::Unclear(mark), Marks::Decimal(known, _)) => {
            let why = format!("{example} beside other numbers with the decimal mark {known}");
            settle(known, (known != mark).then_some(mark), Confidence::Sure, &why, book);
        }
        (Marks::Unclear(mark), _) => ask(mark, values.iter().copied(), book),
    }
}

/// Whole numbers without any mark.
fn whole(values: &[&str], elsewhere: Marks, book: &mut Book<'_>) {
    const GROUP: usize = 3;
    let digits = |value: &str| value.bytes().filter(u8::is_ascii_digit).count();
    if let Marks::Decimal(',', _) = elsewhere {
        settle(
            ',',
            None,
            Confidence::Sure,
            "the counts are whole, but other numbers of the file have a decimal comma",
            book,
        );
    } else if values.iter().any(|value| is_number(value) && digits(value) > GROUP) {
        settle('.', None, Confidence::Sure, "all counts are whole, and those above 999 have no mark in them", book);
    } else {
        let why = "all counts are whole and below 1000; if the till writes 1.234 for twelve hundred, \
                   set decimal = \",\" and thousands = \".\"";
        settle('.', None, Confidence::Assumed, why, book);
    }
}

fn settle(decimal: char, thousands: Option<char>, confidence: Confidence, why: &str, book: &mut Book<'_>) {
    book.settle("decimal", decimal.to_string(), confidence, why);
    if let Some(mark) = thousands {
        if ",. ".contains(mark) {
            book.settle("thousands", mark.to_string(), confidence, why);
        } else {
            book.remark(format!(
                "Numbers have {mark:?} between thousands, which a profile cannot say; such rows will be reported."
            ));
        }
    }
}

/// One number with one mark and three digits behind it.
fn ask<'v>(mark: char, mut values: impl Iterator<Item = &'v str>, book: &mut Book<'_>) {
    let example = values.find(|value| value.contains(mark)).unwrap_or_default().trim().to_owned();
    let joined: String = example.chars().filter(|c| *c != mark).collect();
    let other = if mark == '.' { ',' } else { '.' };
    let choices = vec![
        Choice::new(
            other.to_string(),
            format!("{joined} pieces: the mark groups thousands (with thousands = {mark:?})", mark = mark.to_string()),
        ),
        Choice::new(mark.to_string(), format!("{}: the mark stands before decimals", example.replace(mark, "."))),
    ];
    let why = format!("every {mark:?} stands before exactly three digits, as in {example}: thousands or decimals?");
    let answer = book.doubt("decimal", why, format!("What does {example} mean?"), choices);
    match answer.as_ref().and_then(Value::as_str).and_then(|text| text.chars().next()) {
        Some(decimal) if decimal != mark => book.settle("thousands", mark.to_string(), Confidence::Told, "you said so"),
        Some(_) | None => {}
    }
}

fn negatives<'v>(table: &Table, values: impl Iterator<Item = &'v str>, book: &mut Book<'_>) {
    let (mut leading, mut trailing, mut brackets, mut words) = (0, 0, 0, 0);
    for value in values.take(LOOKED_AT).map(str::trim).filter(|value| is_number(value)) {
        leading += usize::from(value.starts_with('-'));
        trailing += usize::from(value.ends_with('-'));
        brackets += usize::from(value.starts_with('('));
        words += usize::from(value.to_ascii_uppercase().ends_with("CR") || value.to_ascii_uppercase().ends_with("DR"));
    }
    let is_trailing_only = table.kind == Kind::Fixed && trailing > 0 && leading == 0;
    let seen = [
        ("leading-minus", !is_trailing_only, leading, "with a minus before it"),
        ("trailing-minus", trailing > 0, trailing, "with a minus behind it"),
        ("parentheses", brackets > 0, brackets, "in brackets"),
        ("cr-dr", words > 0, words, "with CR or DR"),
    ];
    let styles: Vec<Value> = seen.iter().filter(|style| style.1).map(|style| Value::from(style.0)).collect();
    let told: Vec<String> =
        seen.iter().filter(|style| style.2 > 0).map(|style| format!("{} {}", style.2, style.3)).collect();
    if told.is_empty() {
        let why = "no count below zero was seen; a minus before the number is what most tills write";
        book.settle("negative", styles, Confidence::Assumed, why);
    } else {
        book.settle(
            "negative",
            styles,
            Confidence::Sure,
            format!("how the counts below zero are written: {}", told.join(", ")),
        );
    }
}

/// Adds the numbers of a column exactly; those that are none count as nothing. Places that are not shown are not
/// taken off.
pub(super) fn sum<'v>(values: impl Iterator<Item = &'v str> + Clone) -> Decimal {
    let (decimal, thousands) = match marks(values.clone()) {
        Marks::None | Marks::Unclear(_) => ('.', None),
        Marks::Decimal(mark, thousands) => (mark, thousands),
        Marks::Thousands(mark) => (if mark == '.' { ',' } else { '.' }, Some(mark)),
    };
    let style = style(decimal, thousands);
    values
        .filter_map(|value| style.read(value.trim()).ok())
        .fold(Decimal::ZERO, |sum, quantity| sum.saturating_add(quantity.decimal()))
}

/// One number that stands alone.
pub(super) fn number(text: &str) -> Option<Decimal> {
    let text = text.trim();
    is_number(text).then(|| sum(std::iter::once(text)))
}

fn style(decimal: char, thousands: Option<char>) -> NumberStyle {
    NumberStyle {
        decimal,
        thousands,
        implied: 0,
        leading_minus: true,
        trailing_minus: true,
        parentheses: true,
        cr_dr: true,
        least: Decimal::MIN,
        most: Decimal::MAX,
        plain_range: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Marks {
        marks(values.iter().copied())
    }

    #[test]
    fn a_mark_before_three_digits_is_unclear_until_another_number_tells() {
        assert_eq!(of(&["12", "1,234"]), Marks::Unclear(','));
        assert_eq!(of(&["0,500", "1,234"]), Marks::Decimal(',', None));
        assert_eq!(of(&["1,234", "12.5"]), Marks::Decimal('.', Some(',')));
        assert_eq!(of(&["1.234.567", "1.234"]), Marks::Thousands('.'));
        assert_eq!(of(&["1 234"]), Marks::Thousands(' '));
        assert_eq!(of(&["1.234,50-"]), Marks::Decimal(',', Some('.')));
        assert_eq!(of(&["7", "-1"]), Marks::None);
    }

    #[test]
    fn sums_are_exact_whatever_the_style() {
        assert_eq!(sum(["1.234,5", "(0,5)", "x"].into_iter()).to_string(), "1234.0");
    }
}
