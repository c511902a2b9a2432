//! XML: which element is an item, and what it holds.
//!
//! Promises: no entity is expanded and no DTD followed; depth, path length and the number of different elements are
//! bounded; text that is not well-formed is looked at as far as it is.

use std::collections::{BTreeMap, BTreeSet};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use toml::Value;

use super::book::{Book, Confidence, some};
use super::encoding::Text;
use super::separated::part_of;
use super::table::{Table, Totals};
use super::words;
use crate::epos::profile::Kind;

/// Elements inside one another that are looked at.
const DEEPEST: usize = 32;
/// Longest path kept, in bytes.
const LONGEST_PATH: usize = 400;
/// Most values of one element; records that name ever others must not take much memory.
const MOST_COLUMNS: usize = 100;
/// Most different elements.
const MOST_PATHS: usize = 1000;

/// What is known of the elements with one path.
#[derive(Debug, Default)]
struct Element {
    count: usize,
    depth: usize,
    /// Names of its attributes and of the elements in it that hold text only.
    leaves: BTreeSet<String>,
}

/// The path to where the reader is.
#[derive(Debug, Default)]
struct Path {
    text: String,
    starts: Vec<usize>,
    /// Elements entered beyond what a path can hold.
    beyond: usize,
}

impl Path {
    fn enter(&mut self, name: &str) -> bool {
        if self.beyond > 0 || self.starts.len() >= DEEPEST || self.text.len() + name.len() > LONGEST_PATH {
            self.beyond += 1;
            return false;
        }
        self.starts.push(self.text.len());
        if !self.text.is_empty() {
            self.text.push('/');
        }
        self.text.push_str(name);
        true
    }

    fn leave(&mut self) {
        if self.beyond > 0 {
            self.beyond -= 1;
        } else if let Some(start) = self.starts.pop() {
            self.text.truncate(start);
        }
    }

    /// The path below `above`, if that is where it is.
    fn below(&self, above: &str) -> Option<&str> {
        self.text.strip_prefix(above)?.strip_prefix('/')
    }
}

/// One step through the text.
enum Step {
    Entered(Vec<(String, String)>),
    Left,
    Text(String),
}

/// Goes through the text as far as it is well-formed.
fn walk(text: &str, mut see: impl FnMut(&Path, Step)) {
    let mut reader = Reader::from_str(text);
    let mut path = Path::default();
    loop {
        match reader.read_event() {
            Ok(Event::Start(start) | Event::Empty(start)) if !is_name(start.name().into_inner()) => return,
            Ok(Event::Start(start)) => {
                if path.enter(start.name().into_inner()) {
                    see(&path, Step::Entered(attributes(&start)));
                }
            }
            Ok(Event::Empty(start)) => {
                if path.enter(start.name().into_inner()) {
                    see(&path, Step::Entered(attributes(&start)));
                    see(&path, Step::Left);
                }
                path.leave();
            }
            Ok(Event::End(_)) => {
                if path.beyond == 0 {
                    see(&path, Step::Left);
                }
                path.leave();
            }
            Ok(Event::Text(text)) if path.beyond == 0 => see(&path, Step::Text(text.into_inner().into_owned())),
            Ok(Event::CData(text)) if path.beyond == 0 => see(&path, Step::Text(text.into_inner().into_owned())),
            Ok(Event::Eof) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// Can a profile name it? (The XML reader takes for a name whatever has no blank in it.)
fn is_name(name: &str) -> bool {
    !name.trim().is_empty() && !name.contains(['/', '@'])
}

fn attributes(start: &BytesStart<'_>) -> Vec<(String, String)> {
    let mut list = start.attributes();
    let list = list.with_checks(false).filter_map(Result::ok).take(MOST_COLUMNS);
    let list = list.filter(|attribute| is_name(attribute.key.into_inner()));
    list.map(|attribute| (format!("@{}", attribute.key.into_inner()), attribute.value.into_owned())).collect()
}

/// The table that the samples make.
pub(super) fn table(texts: &[Text], book: &mut Book<'_>) -> Result<Table, String> {
    let joined: Vec<String> = texts.iter().map(|text| text.head.join("\n")).collect();
    let elements = elements(joined.iter().map(String::as_str));
    let record = record(&elements).ok_or("no XML element has an item's values in it; is this a stock export?")?;
    let element = &elements[&record];
    let leaves = some(element.leaves.iter().map(String::as_str));
    let why = format!("this element comes {} time(s), and holds {leaves}", element.count);
    book.settle("record_path", record.as_str(), Confidence::Sure, why);
    let mut table = Table { kind: Kind::Xml, ..Table::default() };
    let mut columns = BTreeMap::new();
    for (text, joined) in texts.iter().zip(&joined) {
        let mut part = part_of(text);
        let mut rows = Vec::new();
        let mut above = Vec::new();
        read(joined, &record, &mut columns, &mut rows, &mut above);
        part.heading = heading(&above);
        part.records = rows.len();
        part.rows = rows;
        part.totals = Totals::Attributes(above);
        table.parts.push(part);
    }
    let mut names = vec![String::new(); columns.len()];
    for (name, at) in columns {
        names[at] = name;
    }
    table.places = names.iter().map(|name| Value::from(name.as_str())).collect();
    // "Stock/@qty" means what its last part means.
    let meant = |name: &String| name.rsplit(['/', '@']).next().map(str::to_owned);
    table.names = names.iter().map(meant).collect();
    Ok(table)
}

fn elements<'t>(texts: impl Iterator<Item = &'t str>) -> BTreeMap<String, Element> {
    let mut found: BTreeMap<String, Element> = BTreeMap::new();
    let mut holds_elements = Vec::new();
    for text in texts {
        holds_elements.clear();
        walk(text, |path, step| match step {
            Step::Entered(attributes) => {
                if let Some(last) = holds_elements.last_mut() {
                    *last = true;
                }
                holds_elements.push(false);
                if found.len() < MOST_PATHS || found.contains_key(&path.text) {
                    let element = found.entry(path.text.clone()).or_default();
                    (element.count, element.depth) = (element.count + 1, path.starts.len());
                    let room = MOST_COLUMNS.saturating_sub(element.leaves.len());
                    element.leaves.extend(attributes.into_iter().map(|(name, _)| name).take(room));
                }
            }
            Step::Left => {
                let is_leaf = holds_elements.pop() == Some(false);
                if let (true, Some((above, name))) = (is_leaf, path.text.rsplit_once('/'))
                    && let Some(element) = found.get_mut(above).filter(|element| element.leaves.len() < MOST_COLUMNS)
                {
                    element.leaves.insert(name.to_owned());
                }
            }
            Step::Text(_) => {}
        });
    }
    found
}

/// The element of one item: the one whose parts are named like an item and a stock, else the most frequent one.
fn record(elements: &BTreeMap<String, Element>) -> Option<String> {
    let names = |element: &Element| -> Vec<String> {
        element.leaves.iter().map(|leaf| leaf.trim_start_matches('@').to_owned()).collect()
    };
    let rank = |(_, element): &(&String, &Element)| {
        (words::is_head(names(element).iter().map(String::as_str)), element.count, std::cmp::Reverse(element.depth))
    };
    let items = elements.iter().filter(|(path, element)| element.leaves.len() > 1 && path.contains('/'));
    items.max_by_key(rank).map(|(path, _)| path.clone())
}

/// Reads the records, and the attributes of what they stand in.
fn read(
    text: &str,
    record: &str,
    columns: &mut BTreeMap<String, usize>,
    rows: &mut Vec<Vec<String>>,
    above: &mut Vec<(String, String)>,
) {
    let is_above = |path: &Path| record.strip_prefix(path.text.as_str()).is_some_and(|rest| rest.starts_with('/'));
    walk(text, |path, step| match (step, path.below(record)) {
        (Step::Entered(attributes), None) if path.text == record => {
            let mut row = Vec::new();
            attributes.iter().for_each(|(name, value)| put(columns, &mut row, name, value));
            rows.push(row);
        }
        (Step::Entered(attributes), None) if is_above(path) && above.len() < MOST_COLUMNS => {
            above.extend(attributes.into_iter().map(|(name, value)| (format!("{}/{name}", path.text), value)));
        }
        (Step::Entered(attributes), Some(inner)) => {
            if let Some(row) = rows.last_mut() {
                attributes.iter().for_each(|(name, value)| put(columns, row, &format!("{inner}/{name}"), value));
            }
        }
        (Step::Text(value), Some(inner)) if !value.trim().is_empty() => {
            if let Some(row) = rows.last_mut() {
                put(columns, row, inner, &value);
            }
        }
        (_, _) => {}
    });
}

/// Puts a value into its column; the first of several in one record stays.
fn put(columns: &mut BTreeMap<String, usize>, row: &mut Vec<String>, name: &str, value: &str) {
    let next = columns.len();
    if next >= MOST_COLUMNS && !columns.contains_key(name) {
        return;
    }
    let at = *columns.entry(name.to_owned()).or_insert(next);
    if row.len() <= at {
        row.resize(at + 1, String::new());
    }
    if row[at].is_empty() {
        value.trim().clone_into(&mut row[at]);
    }
}

/// The attributes above the records, as they stand in the file.
fn heading(above: &[(String, String)]) -> Vec<String> {
    let attribute =
        |(path, value): &(String, String)| format!("{}=\"{value}\"", path.rsplit('@').next().unwrap_or_default());
    above.iter().map(attribute).collect()
}
