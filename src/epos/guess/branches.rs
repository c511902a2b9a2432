//! Columns that say whose stock a row is, and what it does: branches and actions.
//!
//! Promises: which branch is this shop is never guessed; a column that names one branch only changes nothing.

use std::collections::{BTreeMap, HashSet};

use toml::{Table as Keys, Value};

use super::book::{Book, Choice, Confidence, some};
use super::columns::{Known, Roles};
use super::table::Table;
use super::words::{self, Meaning};

/// Most branches offered in a question.
const OFFERED: usize = 30;
/// Rows looked at for pairs of item and branch.
const LOOKED_AT: usize = 4000;
/// Words that set a count.
const SETS: [&str; 16] =
    ["A", "ADD", "I", "INS", "INSERT", "N", "NEW", "U", "UPD", "UPDATE", "C", "CHANGE", "M", "MOD", "MODIFY", "SET"];
/// Words that are sizes of clothes as well.
const SIZES: [&str; 4] = ["M", "X", "N", "R"];
/// Words that take an item away.
const DELETES: [&str; 7] = ["D", "DEL", "DELETE", "DELETED", "R", "REMOVE", "X"];

/// The branch column, where rows of several branches are in the samples.
pub(super) fn decide(table: &Table, known: &Known, roles: &Roles, book: &mut Book<'_>) -> Option<usize> {
    let named = known.named(Meaning::Branch);
    let column = named.first().copied().or_else(|| unnamed(table, known, roles))?;
    let codes = distinct(table.values(column));
    if codes.len() > 1 && may_be_shelves(table, known, roles, column) {
        let called = table.called(column);
        book.remark(format!(
            "{called} differs between rows, but each item has one row only: taken for shelves, not for shops."
        ));
        return None;
    }
    match codes.as_slice() {
        [] => None,
        [one] => {
            let shown = some([one.as_str()]);
            book.remark(format!(
                "All rows are of one branch, {shown} ({}); nothing has to be set for that.",
                table.called(column)
            ));
            None
        }
        several => {
            let why = format!("{} different codes: {}", several.len(), some(several.iter().map(String::as_str)));
            book.settle("columns.branch", table.places.get(column)?.clone(), Confidence::Sure, why);
            ask_branch(table, column, several, book);
            Some(column)
        }
    }
}

/// A place whose name may as well mean a shelf, where each item stands in one row only.
fn may_be_shelves(table: &Table, known: &Known, roles: &Roles, column: usize) -> bool {
    const SHELVES: [&str; 5] = ["location", "loc", "locationcode", "lagerort", "site"];
    let name = table.names.get(column).cloned().flatten().map(|name| words::plain(&name)).unwrap_or_default();
    let is_once = roles.sku.is_some_and(|sku| known.looks[sku].distinct == known.looks[sku].filled);
    is_once && SHELVES.contains(&name.as_str())
}

fn ask_branch(table: &Table, column: usize, codes: &[String], book: &mut Book<'_>) {
    let rows = |code: &str| table.values(column).filter(|value| value.trim() == code).count();
    let only = |codes: Vec<Value>| {
        Value::Table(Keys::from_iter([
            ("mode".to_owned(), Value::from("only")),
            ("codes".to_owned(), Value::Array(codes)),
        ]))
    };
    let choice =
        |code: &String| Choice::new(only(vec![Value::from(code.as_str())]), format!("{code} ({} rows)", rows(code)));
    let choices = codes.iter().take(OFFERED).map(choice).collect();
    let why = format!("the rows are those of {} branches, and only you know which of them is this shop", codes.len());
    book.doubt("branch", why, "Which branch is this shop?", choices);
}

/// A column of few short codes that tells rows of the same item apart.
fn unnamed(table: &Table, known: &Known, roles: &Roles) -> Option<usize> {
    let sku = roles.sku?;
    let look = &known.looks[sku];
    if look.distinct * 10 >= look.rows * 8 {
        return None;
    }
    (0..table.places.len()).find(|at| {
        let fits =
            known.meanings[*at].is_none() && !roles.quantities.contains(at) && known.looks[*at].is_like_branches();
        *at != sku && fits && known.looks[*at].distinct > 1 && are_told_apart(table, sku, *at)
    })
}

fn are_told_apart(table: &Table, sku: usize, branch: usize) -> bool {
    let mut seen = HashSet::new();
    table.rows().take(LOOKED_AT).all(|row| seen.insert((row.get(sku), row.get(branch))))
}

/// A code column without a name whose values repeat only because each branch has a row of each item.
pub(super) fn repeated_codes(table: &Table, known: &Known, roles: &Roles) -> Option<usize> {
    let free = |at: &usize| known.meanings[*at].is_none() && !roles.quantities.contains(at);
    let mut columns = (0..table.places.len()).filter(free).filter(|at| {
        let look = &known.looks[*at];
        look.distinct > 1 && look.filled == look.rows && look.numbers + look.spaced <= look.rows && look.longest >= 3
    });
    let sku = columns.by_ref().max_by_key(|at| known.looks[*at].distinct)?;
    let has_branch = (0..table.places.len()).filter(free).any(|at| {
        at != sku
            && known.looks[at].is_like_branches()
            && known.looks[at].distinct > 1
            && are_told_apart(table, sku, at)
    });
    has_branch.then_some(sku)
}

fn distinct<'v>(values: impl Iterator<Item = &'v str>) -> Vec<String> {
    const MOST: usize = 1000;
    let mut seen = std::collections::BTreeSet::new();
    for value in values.map(str::trim).filter(|value| !value.is_empty()) {
        if seen.len() < MOST {
            seen.insert(value);
        }
    }
    seen.into_iter().map(str::to_owned).collect()
}

/// The column that says what a row does.
pub(super) fn actions(table: &Table, known: &Known, book: &mut Book<'_>) -> Option<usize> {
    let named = known.named(Meaning::Action);
    let fits = |at: usize| {
        let words = actions_of(&distinct(table.values(at)))?;
        // Sizes are letters too.
        let is_changing =
            words.len() > 1 && words.keys().all(|word| !SIZES.contains(&word.to_ascii_uppercase().as_str()));
        (named.contains(&at) || (known.meanings[at].is_none() && is_changing)).then_some((at, words))
    };
    let first = usize::from(book.value("record_types").is_some());
    let (column, words) = (first..table.places.len()).find_map(fits)?;
    let shown = some(words.keys().map(String::as_str));
    book.settle(
        "columns.action",
        table.places.get(column)?.clone(),
        Confidence::Sure,
        format!("it says what each row does: {shown}"),
    );
    let keys = words.into_iter().map(|(word, does)| (word, Value::from(does))).collect();
    book.settle("actions", Value::Table(keys), Confidence::Sure, "what these words mean nearly everywhere");
    Some(column)
}

/// What each word does; `None` when one of them is none that we know, or there are none.
fn actions_of(words: &[String]) -> Option<BTreeMap<String, &'static str>> {
    let known = |word: &String| {
        let upper = word.to_ascii_uppercase();
        let does = if SETS.contains(&upper.as_str()) {
            "set"
        } else {
            DELETES.contains(&upper.as_str()).then_some("delete")?
        };
        Some((word.clone(), does))
    };
    if words.is_empty() { None } else { words.iter().map(known).collect() }
}
