//! A last row that is no item but adds up or counts the others.
//!
//! Promises: such a row is never taken for an item without a word. One that calls itself a total is set aside; one that
//! only has the sum of all others is asked about.

use rust_decimal::Decimal;
use toml::Value;

use super::book::{Book, Choice, some};
use super::columns::Roles;
use super::numbers::number;
use super::proof::sum_of;
use super::table::{Part, Table};
use super::words;
use crate::epos::profile::Kind;

/// What a closing row calls itself.
const WORDS: [&str; 24] = [
    "total",
    "totals",
    "grandtotal",
    "subtotal",
    "sum",
    "summe",
    "gesamt",
    "gesamtsumme",
    "endsumme",
    "totale",
    "totaal",
    "totaux",
    "somme",
    "suma",
    "summa",
    "ialt",
    "count",
    "rows",
    "records",
    "lines",
    "anzahl",
    "zeilen",
    "nombre",
    "aantal",
];
/// Counts that are not zero, below which one that is their sum may be chance.
const FEW: usize = 3;

/// A closing row, and the rule that leaves it out.
pub(super) struct Closing {
    pub(super) rule: String,
    pub(super) record: Vec<String>,
}

fn shown(record: &[String]) -> String {
    some(record.iter().map(String::as_str).filter(|field| !field.trim().is_empty())).replace(", ", " ")
}

fn rule_for(record: &[String]) -> String {
    format!("starts-with:{}", record.first().map_or("", |first| first.trim()))
}

/// Does the rule for the last row leave out no other one?
fn is_alone(part: &Part) -> bool {
    let Some((last, others)) = part.rows.split_last() else { return false };
    let start = last.first().map_or("", |first| first.trim());
    let is_alike = |row: &Vec<String>| row.first().is_some_and(|first| first.trim().starts_with(start));
    !start.is_empty() && others.len() > 1 && !others.iter().any(is_alike)
}

/// Sets aside the last rows that call themselves totals.
pub(super) fn take(table: &mut Table, roles: &Roles, book: &mut Book<'_>) -> Vec<Closing> {
    if table.kind == Kind::Xml || book.value("record_types").is_some() {
        return Vec::new();
    }
    let mut closing = Vec::new();
    for part in &mut table.parts {
        let is_called_so =
            |row: &Vec<String>| row.first().is_some_and(|first| WORDS.contains(&words::plain(first).as_str()));
        if !is_alone(part) {
            continue;
        }
        let Some(record) = part.rows.pop_if(|row| is_called_so(row)) else { continue };
        part.records = part.records.saturating_sub(1);
        part.odd.push(record.clone());
        book.remark(told(part, &record, roles));
        closing.push(Closing { rule: rule_for(&record), record });
    }
    closing
}

fn told(part: &Part, record: &[String], roles: &Roles) -> String {
    let shown = shown(record);
    let numbers: Vec<Decimal> = record.iter().filter_map(|field| number(field)).collect();
    let is_sum = roles.quantities.iter().any(|at| numbers.contains(&sum_of(part, *at)));
    let what = if !part.is_whole {
        "calls itself a total; the file is too large to compare it"
    } else if is_sum {
        "has the sum of the rows above it"
    } else if numbers.contains(&Decimal::from(part.records)) {
        "has the number of the rows above it"
    } else {
        "calls itself a total, but its number is neither the sum nor the number of the rows above it"
    };
    format!("The last row of {} ({shown}) {what}; it is no item, and no proof that the file is whole.", part.name)
}

/// Asks about last rows that have the sum of all others, and tells of last lines that have their number.
pub(super) fn decide(table: &Table, roles: &Roles, book: &mut Book<'_>) {
    for part in &table.parts {
        let Some(last) = part.odd.last() else { continue };
        let counts = |field: &String| field.split_whitespace().any(|word| word.parse() == Ok(part.rows.len()));
        if part.is_whole && part.rows.len() > 1 && last.iter().any(counts) {
            let (name, last) = (&part.name, shown(last));
            book.remark(format!(
                "A line of {name} ({last}) tells the number of its rows; a profile cannot check that."
            ));
        }
    }
    let ([quantity], Kind::Csv | Kind::Fixed) = (roles.quantities.as_slice(), table.kind) else { return };
    if let Some(part) = table.parts.iter().find(|part| closes_with_sum(part, *quantity)) {
        ask(part, book);
    }
}

fn closes_with_sum(part: &Part, quantity: usize) -> bool {
    let Some((last, others)) = part.rows.split_last() else { return false };
    let others = Part { rows: others.to_vec(), ..Part::default() };
    let counted =
        |row: &Vec<String>| row.get(quantity).and_then(|field| number(field)).is_some_and(|number| !number.is_zero());
    let sum = sum_of(&others, quantity);
    let is_sum = !sum.is_zero() && last.get(quantity).and_then(|field| number(field)) == Some(sum);
    part.is_whole && others.rows.iter().filter(|row| counted(row)).count() >= FEW && is_sum
}

fn ask(part: &Part, book: &mut Book<'_>) {
    let Some(last) = part.rows.last() else { return };
    let rules = book.value("ignore_rows").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut choices =
        vec![Choice::new(Value::Array(rules.clone()), "it is an item like the others, and this is chance")];
    if is_alone(part) {
        let with = rules.into_iter().chain([Value::from(rule_for(last))]).collect();
        choices.insert(0, Choice::new(Value::Array(with), "it is a total; leave it out"));
    }
    let why = format!("the last row of {} ({}) has the sum of all others", part.name, shown(last));
    book.doubt("ignore_rows", why, "Is the last row a total, or an item?", choices);
}
