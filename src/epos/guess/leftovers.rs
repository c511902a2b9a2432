//! Lines of a printed report that are no items: page heads, totals, an end line.
//!
//! Promises: a rule is proposed only for lines that were seen, and only one that no item's row meets.

use toml::Value;

use super::book::{Book, Confidence, some};
use super::columns::Roles;
use super::encoding::Text;
use super::table::Table;
use super::totals::Closing;
use super::words;

/// Words that begin a line of totals or a page's head.
const STARTS: [&str; 13] = [
    "Total",
    "TOTAL",
    "Subtotal",
    "Grand total",
    "Summe",
    "Gesamt",
    "Zwischensumme",
    "Page",
    "Seite",
    "Totale",
    "Totaal",
    "---",
    "===",
];
/// Words of a total in a row without an item.
const TOTALS: [&str; 8] = ["Total", "total", "TOTAL", "Summe", "Gesamt", "Totale", "Totaal", "Suma"];
/// Words that close a file.
const ENDS: [&str; 7] = ["end", "eof", "ende", "fin", "fine", "endoffile", "endofreport"];

/// Decides about the lines that are no items.
pub(super) fn decide(texts: &[Text], table: &Table, roles: &Roles, closing: &[Closing], book: &mut Book<'_>) {
    let marker = end_marker(texts, table, book);
    let odd = open(table, marker.as_ref(), closing);
    let mut rules: Vec<String> = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    let mut found = |rule: String, record: &[String]| {
        if !rules.contains(&rule) {
            seen.push(record.iter().filter(|field| !field.trim().is_empty()).cloned().collect::<Vec<_>>().join(" "));
            rules.push(rule);
        }
    };
    closing.iter().for_each(|closing| found(closing.rule.clone(), &closing.record));
    for record in odd {
        let first = record.first().map_or("", |field| field.trim());
        if words::is_head(record.iter().map(String::as_str)) {
            found("repeated-header".to_owned(), record);
        } else if let Some(start) = STARTS.iter().find(|start| begins(first, start) && is_free(table, start, 0)) {
            found(format!("starts-with:{start}"), record);
        } else if record.len() == 1 {
            found("single-field-line".to_owned(), record);
        }
    }
    let usual = usually_filled(table);
    for row in table.rows().filter(|row| filled(row) < usual) {
        let is_without_item = roles.sku.is_some_and(|sku| row.get(sku).is_some_and(|sku| sku.trim().is_empty()));
        let text = row.iter().find_map(|field| TOTALS.iter().find(|word| field.contains(*word)));
        let start = row.first().and_then(|first| STARTS.iter().find(|start| begins(first, start)));
        match (text.filter(|_| is_without_item), start) {
            (Some(word), _) => found(format!("sku-empty-and-description-contains:{word}"), row),
            (None, Some(start)) if is_free(table, start, usual) => found(format!("starts-with:{start}"), row),
            (None, _) => {}
        }
    }
    if !rules.is_empty() {
        let rules: Vec<Value> = rules.into_iter().map(Value::from).collect();
        let why = format!("lines that are no items: {}", some(seen.iter().map(String::as_str)));
        book.settle("ignore_rows", rules, Confidence::Sure, why);
    }
}

/// Odd records about which nothing is known yet.
fn open<'t>(table: &'t Table, marker: Option<&String>, closing: &[Closing]) -> impl Iterator<Item = &'t Vec<String>> {
    let is_open = move |record: &&Vec<String>| {
        marker != record.first() && !closing.iter().any(|closing| closing.record == **record)
    };
    table.parts.iter().flat_map(|part| &part.odd).filter(is_open)
}

fn filled(row: &[String]) -> usize {
    row.iter().filter(|field| !field.trim().is_empty()).count()
}

/// How many fields most rows have filled.
fn usually_filled(table: &Table) -> usize {
    let mut counts = std::collections::BTreeMap::new();
    for row in table.rows() {
        *counts.entry(filled(row)).or_insert(0_usize) += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map_or(0, |(filled, _)| filled)
}

/// Does the text begin with this word, and not with a longer one?
fn begins(text: &str, start: &str) -> bool {
    text.trim().strip_prefix(start).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

/// Does no row that is filled as usual begin like this? The rule would take it for a total.
fn is_free(table: &Table, start: &str, usual: usize) -> bool {
    !table.rows().any(|row| filled(row) >= usual && row.first().is_some_and(|first| first.trim().starts_with(start)))
}

fn end_marker(texts: &[Text], table: &Table, book: &mut Book<'_>) -> Option<String> {
    if book.value("record_types").is_some() {
        return None;
    }
    let last = |text: &Text| {
        let lines = if text.tail.is_empty() { &text.head } else { &text.tail };
        lines.iter().rev().map(|line| line.trim()).find(|line| !line.is_empty()).map(str::to_owned)
    };
    let lasts: Option<Vec<String>> = texts.iter().map(last).collect();
    let lasts = lasts?;
    let line = lasts.first().filter(|line| lasts.iter().all(|other| other == *line))?.clone();
    let is_odd = table.parts.iter().all(|part| {
        part.odd.last().is_some_and(|record| record.first().is_some_and(|first| line.starts_with(first.trim())))
    });
    let plain = words::plain(&line);
    if !is_odd || !(ENDS.contains(&plain.as_str()) || plain.starts_with("endof")) {
        return None;
    }
    book.settle(
        "end_marker",
        line.as_str(),
        Confidence::Sure,
        "this line closes every sample; a file without it is not yet whole",
    );
    Some(line)
}
