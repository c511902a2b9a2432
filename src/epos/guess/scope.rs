//! All items, or only what changed?
//!
//! Promises: changes are never read as everything without a word in the file's name or from a person; where nothing
//! speaks for changes, everything is assumed, and said to be an assumption.

use super::Sample;
use super::book::{Book, Choice, Confidence, Question, some};
use super::columns::Roles;
use super::table::Table;
use super::words::{self, Meaning};

const FULL: [&str; 7] = ["full", "init", "complete", "snapshot", "voll", "gesamt", "complet"];
const CHANGES: [&str; 13] = [
    "delta",
    "incremental",
    "incr",
    "inc",
    "changes",
    "changed",
    "diff",
    "update",
    "updates",
    "upd",
    "adds",
    "deletes",
    "purge",
];

/// Decides about the scope.
pub(super) fn decide(samples: &[&Sample<'_>], table: &Table, roles: &Roles, book: &mut Book<'_>) {
    let says = |name: &str, list: &[&str]| parts(name).any(|part| list.contains(&part.as_str()));
    let full: Vec<&str> = samples.iter().map(|sample| sample.name).filter(|name| says(name, &FULL)).collect();
    let changes: Vec<&str> = samples.iter().map(|sample| sample.name).filter(|name| says(name, &CHANGES)).collect();
    let choices = vec![
        Choice::new("full", "all items: an item that is not in the file is not in stock at this till"),
        Choice::new("delta", "only items that changed: the others keep their quantities"),
    ];
    const ASKED: &str = "Does each file list all items, or only those that changed?";
    match (full.first(), changes.first(), roles.action) {
        (Some(one), Some(other), _) => {
            let why = format!("{one} sounds like all items, {other} like changes; make one profile for each kind");
            book.doubt("export", why, ASKED, choices);
        }
        (_, Some(name), _) => {
            book.settle("export", "delta", Confidence::Sure, format!("the name {name} says that it has changes only"))
        }
        (Some(name), None, None) => {
            book.settle("export", "full", Confidence::Sure, format!("the name {name} says that it has all items"))
        }
        (_, None, Some(column)) => {
            let why = format!(
                "{} says what each row does, as in a file of changes; but nothing says that it is one",
                table.called(column)
            );
            book.doubt("export", why, ASKED, choices);
        }
        (None, None, None) => {
            let why =
                "nothing speaks for a file of changes: no such word in its name, no column that says add or delete";
            let question = Question { text: ASKED.to_owned(), choices, usual: Some(0) };
            book.assume("export", "full", why, question);
        }
    }
}

/// The column that orders the changes of one file.
pub(super) fn ordinal(table: &Table, book: &mut Book<'_>) {
    const KEY: &str = "columns.sequence";
    let is_named = |at: &usize| {
        let name = table.names.get(*at).and_then(Option::as_deref);
        name.and_then(words::meaning) == Some(Meaning::Ordinal)
    };
    let named: Vec<usize> = (0..table.places.len()).filter(is_named).collect();
    let is_number = |value: &str| value.trim().parse::<u64>().is_ok();
    let place = |at: usize| table.places.get(at).cloned();
    let export = book.value("export").and_then(|export| export.as_str().map(str::to_owned));
    match (named.as_slice(), export.as_deref()) {
        ([], _) | (_, Some("full")) => {}
        ([one], Some(_)) if table.values(*one).all(is_number) => {
            let Some(place) = place(*one) else { return };
            let why = format!("its name says that it orders the changes: {}", some(table.values(*one).take(6)));
            book.settle(KEY, place, Confidence::Sure, why);
        }
        (several, Some(_)) => {
            let choice = |at: &usize| Some(Choice::new(place(*at)?, table.described(*at)));
            let why = "names say that these columns order the changes, but several do, or not all values are numbers";
            let choices = several.iter().filter_map(choice).collect();
            book.doubt(KEY, why, "Which column tells the order of the changes?", choices);
        }
        ([one, ..], None) => {
            let called = table.called(*one);
            book.remark(format!("{called} orders the rows, if this is a file of changes: {KEY} then has to name it."));
        }
    }
}

/// The words of a file name: parted by marks, digits, and small letters before capitals.
fn parts(name: &str) -> impl Iterator<Item = String> {
    let mut spaced = String::new();
    let mut was_small = false;
    for c in name.chars() {
        if c.is_uppercase() && was_small {
            spaced.push(' ');
        }
        was_small = c.is_lowercase();
        spaced.push(if c.is_alphabetic() { c } else { ' ' });
    }
    spaced.split(' ').map(words::plain).collect::<Vec<_>>().into_iter()
}
