//! What shows that an export is whole: a closing record, an attribute, the last line end.
//!
//! Promises: a count or a sum is proposed only when it is right in every sample; one that is wrong is said, since the
//! sample may be damaged. A sample of which only pieces were looked at proves nothing here; reading it does.

use rust_decimal::Decimal;
use toml::{Table as Keys, Value};

use super::book::{Book, Choice, Confidence};
use super::columns::Roles;
use super::encoding::Text;
use super::fixed_fields;
use super::numbers::{number, sum};
use super::table::{Part, Table, Totals};
use crate::epos::profile::Kind;

/// Names of attributes that count records.
const COUNTS: [&str; 10] =
    ["count", "records", "rows", "lines", "items", "total", "anzahl", "nombre", "antal", "number"];

/// Looks for proofs.
pub(super) fn decide(table: &Table, roles: &Roles, book: &mut Book<'_>) {
    let has = |fits: fn(&Totals) -> bool| table.parts.iter().any(|part| fits(&part.totals));
    if has(|totals| matches!(totals, Totals::Fields(_))) {
        fields(table, roles, book);
    } else if has(|totals| matches!(totals, Totals::Line(_))) {
        fixed_fields::trailer(table, roles, book);
    } else if has(|totals| matches!(totals, Totals::Attributes(_))) {
        attributes(table, book);
    }
}

/// The last line's end: the cheapest proof there is.
pub(super) fn final_newline(texts: &[Text], table: &Table, book: &mut Book<'_>) {
    if table.kind == Kind::Xml {
        return;
    }
    if texts.iter().all(|text| text.ends_with_line_end) {
        let why = "every sample ends with a line end, so that one without is a file that is not yet whole";
        book.settle("final_newline", "required", Confidence::Sure, why);
    } else {
        let why = "a sample ends without a line end";
        book.settle("final_newline", "optional", Confidence::Sure, why);
    }
}

fn closing(part: &Part) -> Option<&Vec<String>> {
    match &part.totals {
        Totals::Fields(fields) => Some(fields),
        Totals::None | Totals::Line(_) | Totals::Attributes(_) => None,
    }
}

/// The sum of a column in one sample.
pub(super) fn sum_of(part: &Part, column: usize) -> Decimal {
    sum(part.rows.iter().map(move |row| row.get(column).map_or("", String::as_str)))
}

/// The field in which every sample's closing record has this number.
fn field_with(table: &Table, wanted: impl Fn(&Part) -> Decimal, skip: Option<usize>) -> Option<usize> {
    let width = table.parts.iter().filter_map(closing).map(Vec::len).min()?;
    let has = |part: &Part, at: usize| {
        part.is_whole
            && closing(part).and_then(|fields| number(fields.get(at)?)).is_some_and(|told| told == wanted(part))
    };
    (1..width).filter(|at| Some(*at) != skip).find(|at| table.parts.iter().all(|part| has(part, *at)))
}

/// Does every sample's closing record have the sum of this column?
pub(super) fn closing_sum_is_of(table: &Table, column: usize) -> bool {
    let is_telling = table.parts.iter().any(|part| part.records > 1 && !sum_of(part, column).is_zero());
    let in_fields = || field_with(table, |part| sum_of(part, column), None).is_some();
    is_telling && (in_fields() || fixed_fields::sum_is_of(table, column))
}

fn rule(keys: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let required = ("required".to_owned(), Value::from(true));
    Value::Table(Keys::from_iter(
        std::iter::once(required).chain(keys.into_iter().map(|(key, value)| (key.to_owned(), value))),
    ))
}

fn place(field: usize) -> Value {
    Value::from(field as i64 + 1)
}

fn fields(table: &Table, roles: &Roles, book: &mut Book<'_>) {
    if table.parts.iter().any(|part| !part.is_whole) {
        return large(table, book);
    }
    let count = field_with(table, |part| Decimal::from(part.records), None);
    let quantity = match roles.quantities.as_slice() {
        [one] => Some(*one),
        _ => None,
    };
    let sum = quantity.and_then(|column| field_with(table, |part| sum_of(part, column), count));
    let told: Vec<String> = [
        count.map(|at| format!("its field {} is the number of records", at + 1)),
        sum.map(|at| format!("its field {} the sum of the quantities", at + 1)),
    ]
    .into_iter()
    .flatten()
    .collect();
    if told.is_empty() {
        return doubt(table, quantity, book);
    }
    let keys = [count.map(|at| ("count_column", place(at))), sum.map(|at| ("sum_column", place(at)))];
    let why = format!("the closing record is right in every sample: {}", told.join(", "));
    book.settle("trailer", rule(keys.into_iter().flatten()), Confidence::Proved, why);
}

/// Samples of which not all was looked at: the field is tried when they are read.
fn large(table: &Table, book: &mut Book<'_>) {
    let is_count = |part: &Part, at: usize| {
        let told = closing(part).and_then(|fields| fields.get(at)?.trim().parse::<u64>().ok());
        told.is_some_and(|told| told >= part.records as u64)
    };
    let width = table.parts.iter().filter_map(closing).map(Vec::len).min().unwrap_or(0);
    match (1..width).find(|at| table.parts.iter().all(|part| is_count(part, *at))) {
        Some(at) => {
            let why = format!(
                "field {} of the closing record can be the number of records; reading the whole file shows whether it is",
                at + 1
            );
            book.settle("trailer", rule([("count_column", place(at))]), Confidence::Sure, why);
        }
        None => book.settle(
            "trailer",
            rule([]),
            Confidence::Sure,
            "there is a closing record, but no number of records in it",
        ),
    }
}

fn doubt(table: &Table, quantity: Option<usize>, book: &mut Book<'_>) {
    let told = |part: &Part| {
        let closing = closing(part).map(|fields| fields.join(" ")).unwrap_or_default();
        let sum = quantity.map(|column| format!(" with the sum {}", sum_of(part, column))).unwrap_or_default();
        format!("{} closes with {closing:?}, but has {} record(s){sum}", part.name, part.records)
    };
    let why = format!(
        "{}; the sample is damaged, or these numbers mean something else",
        table.parts.iter().map(told).collect::<Vec<_>>().join("; ")
    );
    let numbers: Vec<usize> = table.parts.first().and_then(closing).map_or(Vec::new(), |fields| {
        (1..fields.len()).filter(|at| fields.get(*at).is_some_and(|field| number(field).is_some())).collect()
    });
    let mut choices = Vec::new();
    if let [count, sum, ..] = numbers.as_slice() {
        let keys = [("count_column", place(*count)), ("sum_column", place(*sum))];
        choices.push(Choice::new(
            rule(keys),
            format!("field {} is the number of records, field {} the sum; this sample is damaged", count + 1, sum + 1),
        ));
    }
    if let [count, ..] = numbers.as_slice() {
        let label = format!("field {} is the number of records; this sample is damaged", count + 1);
        choices.push(Choice::new(rule([("count_column", place(*count))]), label));
    }
    choices.push(Choice::new(rule([]), "a closing record must be there; its numbers mean something else"));
    book.doubt("trailer", why, "What do the numbers of the closing record mean?", choices);
}

fn attributes(table: &Table, book: &mut Book<'_>) {
    let of = |part: &Part| match &part.totals {
        Totals::Attributes(list) => list.clone(),
        Totals::None | Totals::Fields(_) | Totals::Line(_) => Vec::new(),
    };
    let lists: Vec<_> = table.parts.iter().map(of).collect();
    let named = |path: &str| {
        path.rsplit('@')
            .next()
            .map(str::to_ascii_lowercase)
            .is_some_and(|name| COUNTS.iter().any(|word| name.contains(word)))
    };
    let Some((path, _)) =
        lists.first().and_then(|list| list.iter().find(|(path, text)| named(path) && number(text).is_some())).cloned()
    else {
        return;
    };
    let is_right = |(part, list): (&Part, &Vec<(String, String)>)| {
        let told =
            list.iter().find(|(other, _)| *other == path).and_then(|(_, text)| text.trim().parse::<usize>().ok());
        told == Some(part.records) || (!part.is_whole && told >= Some(part.records))
    };
    let keys = rule([("count_attribute", Value::from(path.as_str()))]);
    if table.parts.iter().zip(&lists).all(is_right) {
        book.settle("trailer", keys, Confidence::Proved, format!("{path} is the number of records in every sample"));
    } else {
        let why = format!(
            "{path} looks like the number of records, but is not: a sample is damaged, or it counts something else"
        );
        let choices = vec![Choice::new(keys, "it is the number of records; the sample is damaged")];
        book.doubt("trailer", why, format!("What does {path} count?"), choices);
    }
}
