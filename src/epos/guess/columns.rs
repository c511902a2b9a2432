//! Which column is the item, and which one its quantity.
//!
//! Promises: whole names decide before content, names that are merely like them decide nothing, and content alone only when one column is left that cannot be money; two that fit are a question,
//! never a choice of ours. What the file itself proves (a closing sum that one column alone adds up to) counts as said.

use toml::Value;

use super::book::{Book, Choice, Confidence, some};
use super::branches;
use super::column::Look;
use super::proof;
use super::table::Table;
use super::words::{self, Meaning};
use crate::epos::profile::Kind;

/// Rows below which nothing follows from how values repeat.
const FEW: usize = 3;
/// Most columns offered in a question.
const OFFERED: usize = 12;

/// Which columns count.
#[derive(Debug, Clone, Default)]
pub(super) struct Roles {
    pub(super) sku: Option<usize>,
    /// One, or several to be added.
    pub(super) quantities: Vec<usize>,
    /// Only where several branches are in the samples.
    pub(super) branch: Option<usize>,
    pub(super) action: Option<usize>,
}

/// What is known of the columns before they are chosen from.
pub(super) struct Known {
    pub(super) looks: Vec<Look>,
    pub(super) meanings: Vec<Option<Meaning>>,
    /// Columns that hold the mark of the record type.
    marks: Option<usize>,
}

impl Known {
    fn of(table: &Table, book: &Book<'_>) -> Self {
        let is_marked = table.kind == Kind::Csv && book.value("record_types").is_some();
        let meaning = |name: &Option<String>| words::meaning(name.as_deref()?);
        Self {
            looks: table.looks(),
            meanings: table.names.iter().map(meaning).collect(),
            marks: is_marked.then_some(0),
        }
    }

    pub(super) fn named(&self, meaning: Meaning) -> Vec<usize> {
        (0..self.looks.len()).filter(|at| self.meanings.get(*at) == Some(&Some(meaning))).collect()
    }

    fn rows(&self) -> usize {
        self.looks.first().map_or(0, |look| look.rows)
    }
}

/// Decides about the columns.
pub(super) fn decide(table: &mut Table, book: &mut Book<'_>) -> Roles {
    let known = Known::of(table, book);
    let mut roles = Roles::default();
    roles.quantities = quantity(table, &known, book);
    roles.sku = sku(table, &known, &roles, book);
    roles.branch = branches::decide(table, &known, &roles, book);
    roles.action = branches::actions(table, &known, book);
    roles
}

fn quantity(table: &Table, known: &Known, book: &mut Book<'_>) -> Vec<usize> {
    if let Some(told) = book.answer("columns.quantity") {
        return told_quantity(table, told, book);
    }
    let is_number = |at: &usize| known.looks[*at].may_be_quantity();
    let plainly: Vec<usize> = known.named(Meaning::Quantity).into_iter().filter(is_number).collect();
    let like: Vec<usize> = known.named(Meaning::LikeQuantity).into_iter().filter(is_number).collect();
    if let ([one], []) = (plainly.as_slice(), like.as_slice()) {
        let look = &known.looks[*one];
        let why = format!(
            "its name says so, and {} of {} values are numbers: {}",
            look.numbers,
            look.filled,
            some(table.values(*one).take(6))
        );
        return settled("columns.quantity", *one, Confidence::Sure, why, table, book);
    }
    let named: Vec<usize> = plainly.into_iter().chain(like).collect();
    let candidates = if named.is_empty() { unnamed_numbers(known) } else { named.clone() };
    let summed: Vec<usize> = candidates.iter().copied().filter(|at| proof::closing_sum_is_of(table, *at)).collect();
    match (summed.as_slice(), candidates.as_slice()) {
        ([one], _) => {
            let why = "the closing record has the sum of this column".to_owned();
            settled("columns.quantity", *one, Confidence::Proved, why, table, book)
        }
        (_, [one]) if !is_named_otherwise(table, *one) && known.looks[*one].is_like_counts() => {
            let why = format!(
                "it is the only column whose numbers can be counts of units, and some are 0 or less, as no prices are: {}",
                some(table.values(*one).take(6))
            );
            settled("columns.quantity", *one, Confidence::Sure, why, table, book)
        }
        (_, candidates) => {
            doubt_quantity(table, known, candidates, !named.is_empty(), book);
            Vec::new()
        }
    }
}

/// Number columns whose name says nothing else, and which are neither money nor numbers of items.
fn unnamed_numbers(known: &Known) -> Vec<usize> {
    (0..known.looks.len()).filter(|at| known.meanings[*at].is_none() && is_count(known, *at)).collect()
}

fn is_count(known: &Known, at: usize) -> bool {
    let look = &known.looks[at];
    let is_constant = look.rows >= FEW && look.distinct <= 1;
    known.marks != Some(at) && look.may_be_quantity() && !look.is_like_codes() && !look.are_prices() && !is_constant
}

/// Has the column a name, one that says neither item nor stock? Then content alone is no reason to believe.
fn is_named_otherwise(table: &Table, at: usize) -> bool {
    table.names.get(at).is_some_and(Option::is_some)
}

fn told_quantity(table: &Table, told: Value, book: &mut Book<'_>) -> Vec<usize> {
    let columns: Vec<usize> = match &told {
        Value::Array(list) if table.column(&told).is_none() => {
            list.iter().filter_map(|place| table.column(place)).collect()
        }
        one => table.column(one).into_iter().collect(),
    };
    if columns.len() > 1 {
        let sum = toml::Table::from_iter([("mode".to_owned(), Value::from("sum-of-columns"))]);
        book.settle("branch", Value::Table(sum), Confidence::Told, "the columns are added");
    }
    book.settle("columns.quantity", told, Confidence::Told, "");
    columns
}

fn settled(
    key: &'static str,
    at: usize,
    confidence: Confidence,
    why: String,
    table: &Table,
    book: &mut Book<'_>,
) -> Vec<usize> {
    let Some(place) = table.places.get(at) else { return Vec::new() };
    book.settle(key, place.clone(), confidence, why);
    vec![at]
}

fn doubt_quantity(table: &Table, known: &Known, candidates: &[usize], is_named: bool, book: &mut Book<'_>) {
    let all: Vec<usize> =
        (0..table.places.len()).filter(|at| known.looks[*at].numbers * 2 > known.looks[*at].filled).collect();
    let any: Vec<usize> = (0..table.places.len()).collect();
    let mut offered = [candidates, &all, &any].into_iter().find(|list| !list.is_empty()).unwrap_or_default().to_vec();
    if candidates.len() == 1 {
        // It may be none of that kind; the stock then stands in another column.
        offered.extend(all.into_iter().filter(|at| !candidates.contains(at)));
    }
    offered.truncate(OFFERED);
    let mut choices = choices(table, &offered);
    if is_named && candidates.len() > 1 {
        let list: Vec<Value> = offered.iter().filter_map(|at| table.places.get(*at)).cloned().collect();
        choices.push(Choice::new(
            Value::Array(list),
            "all of them added up, as when each is a part of the shop (with branch = { mode = \"sum-of-columns\" })",
        ));
    }
    let why = match (candidates.len(), is_named) {
        (0, _) => "no column has numbers that must be counts of units".to_owned(),
        (1, true) => format!(
            "the name {} has a word for stock in it, but may mean another number, such as a wanted or an ordered one",
            table.called(candidates[0])
        ),
        (_, true) => "the names of several columns say stock".to_owned(),
        (1, false) => format!(
            "only {} has numbers that can be counts of units, but no name says so, and they may as well be prices",
            table.called(candidates[0])
        ),
        (count, false) => format!("{count} columns have numbers that can be counts of units, and no name decides"),
    };
    book.doubt("columns.quantity", why, "Which column is the stock?", choices);
}

fn choices(table: &Table, columns: &[usize]) -> Vec<Choice> {
    let choice = |at: &usize| Some(Choice::new(table.places.get(*at)?.clone(), table.described(*at)));
    columns.iter().filter_map(choice).collect()
}

fn sku(table: &Table, known: &Known, roles: &Roles, book: &mut Book<'_>) -> Option<usize> {
    if let Some(told) = book.answer("columns.sku") {
        book.settle("columns.sku", told.clone(), Confidence::Told, "");
        return table.column(&told);
    }
    let may_be = |at: &usize| known.looks[*at].filled * 2 > known.looks[*at].rows && !roles.quantities.contains(at);
    let tiers = [Meaning::Sku, Meaning::ItemCode, Meaning::Barcode];
    let named: Vec<Vec<usize>> = tiers.map(|tier| known.named(tier).into_iter().filter(may_be).collect()).into();
    let like: Vec<usize> = known.named(Meaning::LikeItem).into_iter().filter(may_be).collect();
    let Some(best) = named.iter().position(|columns| !columns.is_empty()) else {
        return match like.as_slice() {
            [] => unnamed_sku(table, known, roles, book),
            like => like_sku(table, known, roles, like, book),
        };
    };
    let beside: Vec<usize> = named.iter().skip(best + 1).flatten().copied().collect();
    match named[best].as_slice() {
        [one] if are_told_apart(known, *one) => {
            let why = format!(
                "its name says so{}; values such as {}",
                beside_in_words(table, &beside),
                some(table.values(*one).take(6))
            );
            settled("columns.sku", *one, Confidence::Sure, why, table, book).first().copied()
        }
        [one] => {
            let offered: Vec<usize> = [*one].into_iter().chain(beside).chain(unnamed_codes(known, roles)).collect();
            let why = format!("{} is named like the item's number, but its values repeat", table.called(*one));
            doubt_sku(table, &offered, why, book)
        }
        several => {
            let offered: Vec<usize> = several.iter().copied().chain(beside).collect();
            doubt_sku(table, &offered, "the names of several columns say item number".to_owned(), book)
        }
    }
}

/// Names that merely have a word for an item's number in them.
fn like_sku(table: &Table, known: &Known, roles: &Roles, like: &[usize], book: &mut Book<'_>) -> Option<usize> {
    let called: Vec<String> = like.iter().map(|at| table.called(*at)).collect();
    let offered: Vec<usize> = like.iter().copied().chain(unnamed_codes(known, roles)).collect();
    let why = format!(
        "the name {} has a word for an item's number in it, but may mean another number than the till's own",
        some(called.iter().map(String::as_str))
    );
    doubt_sku(table, &offered, why, book)
}

fn beside_in_words(table: &Table, beside: &[usize]) -> String {
    match beside.first() {
        Some(other) => format!(" more plainly than that of {}", table.called(*other)),
        None => String::new(),
    }
}

/// Different in nearly every row, or repeated because the rows are those of several branches.
fn are_told_apart(known: &Known, at: usize) -> bool {
    let look = &known.looks[at];
    look.rows < FEW || look.distinct * 10 >= look.filled * 8 || !known.named(Meaning::Branch).is_empty()
}

fn unnamed_codes(known: &Known, roles: &Roles) -> Vec<usize> {
    let fits = |at: &usize| {
        let look = &known.looks[*at];
        let is_free = known.meanings[*at].is_none() && !roles.quantities.contains(at) && known.marks != Some(*at);
        is_free
            && look.may_be_sku()
            && look.spaced * 10 <= look.filled
            && !look.are_prices()
            && look.distinct > 1.min(look.rows - 1)
    };
    (0..known.looks.len()).filter(|at| known.rows() > 0 && fits(at)).collect()
}

fn unnamed_sku(table: &Table, known: &Known, roles: &Roles, book: &mut Book<'_>) -> Option<usize> {
    let mut codes = unnamed_codes(known, roles);
    if codes.is_empty() {
        codes = branches::repeated_codes(table, known, roles).into_iter().collect();
    }
    match codes.as_slice() {
        [one] if let Some(bare) = behind_letters(table, *one) => doubt_letters(table, *one, bare, book),
        [one] if !is_named_otherwise(table, *one) && known.rows() >= FEW => {
            let why = format!(
                "it is the only column with a code that differs in every row: {}",
                some(table.values(*one).take(6))
            );
            settled("columns.sku", *one, Confidence::Sure, why, table, book).first().copied()
        }
        [] => {
            let all: Vec<usize> =
                (0..table.places.len()).filter(|at| !roles.quantities.contains(at)).take(OFFERED).collect();
            doubt_sku(table, &all, "no column has a code that differs in every row".to_owned(), book)
        }
        [one] => {
            let called = table.called(*one);
            let why = format!(
                "only {called} has a code that differs in every row, but neither its name nor enough rows say so"
            );
            doubt_sku(table, &codes, why, book)
        }
        several => {
            let why = format!("{} columns have codes that differ in every row, and no name decides", several.len());
            doubt_sku(table, several, why, book)
        }
    }
}

/// In fixed width, where letters open the first field of every line and digits follow: the field without them.
fn behind_letters(table: &Table, column: usize) -> Option<Value> {
    let is_unnamed = table.kind == Kind::Fixed && column == 0 && !is_named_otherwise(table, column);
    let [from, to] = table.places.get(column)?.as_array()?.as_slice() else { return None };
    let letters = |value: &str| {
        let letters = value.chars().take_while(|c| c.is_alphabetic()).count();
        value.chars().nth(letters).filter(char::is_ascii_digit).map(|_| letters)
    };
    let lengths: Option<Vec<usize>> = table.values(column).map(letters).collect();
    let lengths = lengths?;
    let first = *lengths.first().filter(|first| **first > 0 && lengths.iter().all(|other| other == *first))?;
    let bare = vec![Value::from(from.as_integer()? + i64::try_from(first).ok()?), to.clone()];
    is_unnamed.then_some(Value::Array(bare))
}

/// Letters before a number: part of the SKU, or a mark of the kind of record.
fn doubt_letters(table: &Table, column: usize, bare: Value, book: &mut Book<'_>) -> Option<usize> {
    let mut choices = choices(table, &[column]);
    choices.push(Choice::new(bare, "the same without the letters, if they only mark the kind of record"));
    let why =
        format!("letters open every line; are they part of the SKU, as in {}?", some(table.values(column).take(2)));
    let text = "Which characters are the item's SKU, the number that the web store knows it by?";
    book.doubt("columns.sku", why, text, choices);
    None
}

fn doubt_sku(table: &Table, offered: &[usize], why: String, book: &mut Book<'_>) -> Option<usize> {
    let text = "Which column is the item's SKU, the number that the web store knows it by?";
    book.doubt("columns.sku", why, text, choices(table, &offered[..offered.len().min(OFFERED)]));
    None
}
