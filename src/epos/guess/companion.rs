//! Files that only speak of others: control files with sums, empty marker files.
//!
//! Promises: a control file is believed only where its MD5, sum or count is that of the sample; the name that the
//! profile gives it holds for the next export as well, or a remark says that it may not.

use rust_decimal::Decimal;
use toml::{Table as Keys, Value};

use super::Sample;
use super::book::{Book, Choice, Confidence};
use super::columns::Roles;
use super::numbers::number;
use super::proof::sum_of;
use super::table::{Part, Table};

/// Longest control file, in bytes.
const LONGEST: u64 = 16 * 1024;
/// Digits from which on a name has a date.
const DATED: usize = 6;
/// Words in the keys of a control file, and in names of such files.
const KEYS: [&str; 9] = ["md5", "checksum", "sum", "total", "count", "records", "rows", "validation", "version"];

/// Which of the samples are exports, by position.
pub(super) fn exports(samples: &[Sample<'_>]) -> Vec<usize> {
    let is_companion = |sample: &Sample<'_>| sample.length == 0 || (samples.len() > 1 && is_control(sample, samples));
    (0..samples.len()).filter(|at| !is_companion(&samples[*at])).collect()
}

/// Keys and values in every line, of which one has the MD5 of another sample or is named as in control files.
fn is_control(sample: &Sample<'_>, samples: &[Sample<'_>]) -> bool {
    let pairs = pairs(sample);
    let has_md5 =
        |value: &str| samples.iter().any(|other| other.md5.is_some_and(|md5| md5.eq_ignore_ascii_case(value)));
    let is_named = |key: &str| KEYS.iter().any(|word| key.to_ascii_lowercase().contains(word));
    let named = pairs.iter().filter(|(key, _)| is_named(key)).count();
    !pairs.is_empty() && (pairs.iter().any(|(_, value)| has_md5(value)) || (named > 0 && pairs.len() <= 40))
}

/// The keys and values of a file that has nothing else.
fn pairs(sample: &Sample<'_>) -> Vec<(String, String)> {
    if sample.length > LONGEST || !sample.is_whole() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(sample.head);
    let is_key = |key: &str| key.starts_with(|c: char| c.is_ascii_alphabetic()) && !key.contains(' ');
    let pair = |line: &str| {
        let (key, value) = line.split_once(['=', ',', ';', '\t', '|']).or_else(|| line.split_once(':'))?;
        let (key, value) = (key.trim().trim_matches('"'), value.trim().trim_matches('"'));
        (is_key(key) && !value.is_empty()).then(|| (key.to_owned(), value.to_owned()))
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(pair).collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// What a control file is right about: the profile's word, and the control file's key.
type Right = Vec<(&'static str, String)>;

/// Files that may speak of the exports.
#[derive(Debug, Clone, Copy)]
pub(super) struct Companions<'c> {
    /// Those that were named together with the exports.
    pub(super) given: &'c [&'c Sample<'c>],
    /// Those that only lie in the same folder.
    pub(super) beside: &'c [Sample<'c>],
}

impl<'c> Companions<'c> {
    fn all(&self) -> impl Iterator<Item = &'c Sample<'c>> + use<'c> {
        self.given.iter().copied().chain(self.beside)
    }

    /// The keys under which a control file is right about an export. One that only lies beside it has to be right in
    /// more than a sum.
    fn keys(&self, export: &Sample<'_>, companion: &Sample<'_>, part: &Part, roles: &Roles) -> Option<Right> {
        let is_given = self.given.iter().any(|given| given.name == companion.name);
        keys(export, companion, part, roles)
            .filter(|keys| is_given || keys.len() > 1 || keys.iter().any(|key| key.0 == "md5_key"))
    }
}

/// Looks whether companions prove that the exports are whole.
pub(super) fn decide(
    chosen: &[&Sample<'_>],
    companions: Companions<'_>,
    table: &Table,
    roles: &Roles,
    book: &mut Book<'_>,
) {
    let ([export], [part]) = (chosen, table.parts.as_slice()) else {
        return several(chosen, companions, table, roles, book);
    };
    for companion in companions.all() {
        if let Some(keys) = companions.keys(export, companion, part, roles) {
            return settle_control(export, companion, keys, book);
        }
    }
    marker(export, companions, book);
    for companion in companions.given {
        if let Some((key, _)) = pairs(companion).into_iter().find(|(_, value)| is_md5(value)) {
            doubt(export, companion, key, book);
        }
    }
}

fn doubt(export: &Sample<'_>, companion: &Sample<'_>, key: String, book: &mut Book<'_>) {
    let (control, name) = (companion.name, export.name);
    let why =
        format!("{control} has an MD5 under {key}, but not that of {name}: they are not of one run, or one is damaged");
    let value = value(export, companion, vec![("md5_key", key)]);
    let choices = vec![Choice::new(value, "yes, there is one for each export; this pair is damaged")];
    book.doubt("completeness", why, "Does this control file belong to the export?", choices);
}

/// Several exports: each has to have its own companion under one and the same rule.
fn several(chosen: &[&Sample<'_>], companions: Companions<'_>, table: &Table, roles: &Roles, book: &mut Book<'_>) {
    let of = |(export, part): (&&Sample<'_>, &Part)| {
        companions
            .all()
            .find_map(|companion| Some(value(export, companion, companions.keys(export, companion, part, roles)?)))
    };
    let values: Vec<Option<Value>> = chosen.iter().zip(&table.parts).map(of).collect();
    match values.first() {
        Some(Some(first)) if values.iter().all(|value| value.as_ref() == Some(first)) => {
            book.settle(
                "completeness",
                first.clone(),
                Confidence::Proved,
                "every sample's control file is right about it",
            );
        }
        Some(_) if values.iter().any(Option::is_some) => {
            book.remark("Some samples have a control file that is right about them, and some have none; completeness is left out.");
        }
        Some(_) | None => {}
    }
}

fn is_md5(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn meaning(key: &str) -> &'static str {
    match key {
        "md5_key" => "its MD5",
        "sum_key" => "the sum of its quantities",
        _ => "the number of its records",
    }
}

/// The keys under which a control file is right about an export.
fn keys(export: &Sample<'_>, companion: &Sample<'_>, part: &Part, roles: &Roles) -> Option<Right> {
    let pairs = pairs(companion);
    let find = |fits: &dyn Fn(&str, &str) -> bool| {
        pairs.iter().find(|(key, value)| fits(key, value)).map(|(key, _)| key.clone())
    };
    let named = |key: &str, words: &[&str]| words.iter().any(|word| key.to_ascii_lowercase().contains(word));
    // An MD5 that is another file's: then this control file is, too, whatever else it says.
    if export.md5.is_some_and(|md5| {
        pairs.iter().any(|(_, value)| is_md5(value)) && !pairs.iter().any(|(_, value)| md5.eq_ignore_ascii_case(value))
    }) {
        return None;
    }
    let md5 = find(&|_, value| export.md5.is_some_and(|md5| md5.eq_ignore_ascii_case(value)));
    let has_words = |key: &str| named(key, &["sum", "total", "valid", "qty", "quantity", "stock"]);
    let sum = match roles.quantities.as_slice() {
        [column] if part.is_whole => find(&|key, value| has_words(key) && number(value) == Some(sum_of(part, *column))),
        _ => None,
    };
    let records = Decimal::from(part.records);
    let count = find(&|key, value| {
        part.is_whole && named(key, &["count", "records", "rows", "lines"]) && number(value) == Some(records)
    });
    let keys: Right = [("md5_key", md5), ("sum_key", sum), ("count_key", count)]
        .into_iter()
        .filter_map(|(what, key)| Some((what, key?)))
        .collect();
    (!keys.is_empty()).then_some(keys)
}

/// A companion's name as a rule for the next export.
fn rule_for(export: &str, companion: &str) -> String {
    let stem = export.rsplit_once('.').map_or(export, |(stem, _)| stem);
    if companion.contains(export) {
        companion.replacen(export, "{name}", 1)
    } else if !stem.is_empty() && companion.contains(stem) {
        companion.replacen(stem, "{stem}", 1)
    } else {
        companion.to_owned()
    }
}

fn value(export: &Sample<'_>, companion: &Sample<'_>, keys: Right) -> Value {
    let name = ("control_file".to_owned(), Value::from(rule_for(export.name, companion.name)));
    let keys = keys.into_iter().map(|(what, key)| (what.to_owned(), Value::from(key)));
    Value::Table(Keys::from_iter(std::iter::once(name).chain(keys)))
}

fn settle_control(export: &Sample<'_>, companion: &Sample<'_>, keys: Right, book: &mut Book<'_>) {
    let told: Vec<String> = keys.iter().map(|(what, key)| format!("{key} is {}", meaning(what))).collect();
    let why = format!("{} is right about {}: {}", companion.name, export.name, told.join(", "));
    let (rule, value) = (rule_for(export.name, companion.name), value(export, companion, keys));
    let is_dated = rule.bytes().filter(u8::is_ascii_digit).count() >= DATED;
    if rule == companion.name && is_dated {
        let why = format!("{why}; but its name has a date, and how it follows from the export's is not clear");
        let choices =
            vec![Choice::new(value, "this file again and again; or write {name} or {stem} for the export's own name")];
        book.doubt("completeness", why, "What is the control file of the next export called?", choices);
    } else {
        book.settle("completeness", value, Confidence::Proved, why);
    }
}

fn marker(export: &Sample<'_>, companions: Companions<'_>, book: &mut Book<'_>) {
    let mut empty = companions.all().filter(|companion| companion.length == 0);
    if let Some(companion) = empty.find(|companion| rule_for(export.name, companion.name).starts_with('{')) {
        let keys = Keys::from_iter([("marker_file".to_owned(), Value::from(rule_for(export.name, companion.name)))]);
        let why = format!("the empty file {} lies beside {}", companion.name, export.name);
        book.settle("completeness", Value::Table(keys), Confidence::Sure, why);
    }
}
