//! A sample as a table: what CSV, fixed width and XML have in common once their marks are gone.
//!
//! Promises: a row may lack columns at its end, which then are empty; what is no row of an item (headings, totals, odd lines) is kept
//! apart, for those who look for proofs and times in it.

use toml::Value;

use super::SeenColumn;
use super::column::Look;
use crate::epos::profile::Kind;

/// Values shown of a column.
const SHOWN: usize = 4;

/// The samples as one table.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) kind: Kind,
    /// How the profile names each column.
    pub(super) places: Vec<Value>,
    /// What the file calls each column.
    pub(super) names: Vec<Option<String>>,
    /// One for each sample.
    pub(super) parts: Vec<Part>,
}

/// What one sample has of the table.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    /// The file's name.
    pub(super) name: String,
    /// Rows of items.
    pub(super) rows: Vec<Vec<String>>,
    /// How many records of items there are, odd ones included.
    pub(super) records: usize,
    /// Other records below the table's head, in order.
    pub(super) odd: Vec<Vec<String>>,
    /// What stands above the items: header records, lines above the table, the root element.
    pub(super) heading: Vec<String>,
    /// What may prove that the file is whole.
    pub(super) totals: Totals,
    /// Was all of the file looked at?
    pub(super) is_whole: bool,
}

/// What may prove that a file is whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Totals {
    /// Nothing in it.
    #[default]
    None,
    /// The fields of a closing record.
    Fields(Vec<String>),
    /// A closing line of fixed width.
    Line(String),
    /// Attributes above the records, by path.
    Attributes(Vec<(String, String)>),
}

impl Table {
    /// The values of a column, over all samples.
    pub(super) fn values(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows().map(move |row| row.get(column).map_or("", String::as_str))
    }

    /// All rows of items.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Vec<String>> {
        self.parts.iter().flat_map(|part| &part.rows)
    }

    /// What the values of each column look like.
    pub(super) fn looks(&self) -> Vec<Look> {
        (0..self.places.len()).map(|column| Look::at(self.values(column))).collect()
    }

    /// What to call a column when speaking of it.
    pub(super) fn called(&self, column: usize) -> String {
        match (self.names.get(column), self.places.get(column)) {
            (Some(Some(name)), Some(Value::String(_)) | None) => format!("{:?}", shortened(name)),
            (Some(Some(name)), Some(place)) => format!("{place} ({:?})", shortened(name)),
            (_, Some(Value::Array(span))) => {
                let ends: Vec<String> = span.iter().map(Value::to_string).collect();
                format!("characters {}", ends.join(" to "))
            }
            (_, Some(place)) => format!("column {place}"),
            (_, None) => format!("column {}", column + 1),
        }
    }

    /// A column and its first values, for a choice.
    pub(super) fn described(&self, column: usize) -> String {
        format!("{}: {}", self.called(column), super::book::some(self.values(column).take(SHOWN + 2)))
    }

    /// The column that the profile names so.
    pub(super) fn column(&self, place: &Value) -> Option<usize> {
        self.places.iter().position(|known| known == place)
    }

    /// The columns, for showing.
    pub(super) fn seen(&self) -> Vec<SeenColumn> {
        let values = |column| self.values(column).take(SHOWN).map(str::to_owned).collect();
        let column = |(at, place): (usize, &Value)| SeenColumn {
            place: place.clone(),
            name: self.names.get(at).cloned().flatten(),
            values: values(at),
        };
        self.places.iter().enumerate().map(column).collect()
    }
}

/// A name as far as a person reads it.
fn shortened(name: &str) -> String {
    const LONGEST: usize = 60;
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
