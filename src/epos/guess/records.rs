//! Record types in separated files: a mark in the first field that says header, detail or trailer.
//!
//! Promises: marks are believed only when one of them stands in most records and the others open or close every
//! sample; a branch code or a transaction word that all rows share is no record type.

use toml::{Table as Keys, Value};

use super::book::{Book, Confidence};
use super::encoding::Text;
use super::separated::{part_of, usual_width};
use super::table::{Part, Table, Totals};

/// Longest mark of a record type.
const LONGEST_MARK: usize = 8;
/// Marks that interface files use for headers and trailers.
const HEADERS: [&str; 10] = ["H", "HDR", "HD", "HEAD", "HEADER", "FHEAD", "00", "0", "01", "A"];
const TRAILERS: [&str; 13] = ["T", "TRL", "TR", "TRAILER", "FTAIL", "TAIL", "F", "FTR", "99", "9", "Z", "E", "END"];

/// The marks of the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Types {
    pub(super) header: Option<String>,
    pub(super) detail: String,
    pub(super) trailer: Option<String>,
}

/// Marks in the first place of the records, if that is what they are.
pub(super) fn types(samples: &[Vec<Vec<String>>]) -> Option<Types> {
    let marks: Vec<Vec<(&str, usize)>> = samples
        .iter()
        .map(|records| {
            records.iter().map(|record| (record.first().map_or("", |mark| mark.trim()), record.len())).collect()
        })
        .collect();
    let marks: Vec<&[(&str, usize)]> = marks.iter().map(Vec::as_slice).filter(|marks| !marks.is_empty()).collect();
    of_marks(&marks)
}

/// Types by the marks of each sample's records. With each mark comes a number that tells kinds of records apart: how
/// many fields it has, or how long it is.
pub(super) fn of_marks(samples: &[&[(&str, usize)]]) -> Option<Types> {
    let all = || samples.iter().flat_map(|sample| sample.iter());
    let detail = most_frequent(all().map(|(mark, _)| *mark))?;
    let details = all().filter(|(mark, _)| *mark == detail).count();
    let is_mark =
        |mark: &str| !mark.is_empty() && mark.len() <= LONGEST_MARK && mark.chars().all(char::is_alphanumeric);
    let size = all().find(|(mark, _)| *mark == detail)?.1;
    let others = all().count() - details;
    if !is_mark(detail) || others > 2 * samples.len() || others == 0 {
        return None;
    }
    let told = |record: Option<&(&str, usize)>, known: &[&str]| {
        let (mark, other_size) = *record?;
        let is_other = mark != detail && is_mark(mark);
        let is_known = known.contains(&mark.to_ascii_uppercase().as_str()) && mark.len() <= detail.len().max(2) + 3;
        (is_other && (is_known || other_size != size) && is_code(mark)).then(|| mark.to_owned())
    };
    let agreed = |ends: Vec<Option<String>>| {
        ends.first().cloned().flatten().filter(|mark| ends.iter().all(|end| end.as_ref() == Some(mark)))
    };
    let header = agreed(samples.iter().map(|sample| told(sample.first(), &HEADERS)).collect());
    let trailer = agreed(samples.iter().map(|sample| told(sample.last(), &TRAILERS)).collect());
    let explained = samples.len() * (usize::from(header.is_some()) + usize::from(trailer.is_some()));
    (explained == others && is_code(detail)).then(|| Types { header, detail: detail.to_owned(), trailer })
}

/// Marks are written in capitals or digits; words such as `Total` belong to printed reports.
fn is_code(mark: &str) -> bool {
    !mark.chars().any(char::is_lowercase)
}

fn most_frequent<'m>(marks: impl Iterator<Item = &'m str>) -> Option<&'m str> {
    let mut counts = std::collections::HashMap::new();
    for mark in marks {
        *counts.entry(mark).or_insert(0_usize) += 1;
    }
    counts.into_iter().max_by_key(|(mark, count)| (*count, *mark)).map(|(mark, _)| mark)
}

impl Types {
    /// Writes the types down.
    pub(super) fn settle(&self, place: &str, book: &mut Book<'_>) {
        let mut keys = Keys::new();
        let mut told = vec![format!("most records begin with {:?}", self.detail)];
        if let Some(mark) = &self.header {
            keys.insert("header".into(), Value::from(mark.as_str()));
            told.push(format!("the first one with {mark:?}"));
        }
        keys.insert("detail".into(), Value::from(self.detail.as_str()));
        if let Some(mark) = &self.trailer {
            keys.insert("trailer".into(), Value::from(mark.as_str()));
            told.push(format!("the last one with {mark:?}"));
        }
        book.settle("record_types", Value::Table(keys), Confidence::Sure, format!("{place}: {}", told.join(", ")));
    }

    pub(super) fn is_detail(&self, mark: &str) -> bool {
        mark == self.detail
    }

    pub(super) fn is_trailer(&self, mark: &str) -> bool {
        self.trailer.as_deref() == Some(mark)
    }
}

/// The table of detail records.
pub(super) fn table(texts: &[Text], samples: &[Vec<Vec<String>>], types: &Types, book: &mut Book<'_>) -> Table {
    types.settle("in the first field", book);
    book.settle("header", "none", Confidence::Sure, "the records have types, and none of them holds column names");
    let mark = |record: &Vec<String>| record.first().map_or(String::new(), |mark| mark.trim().to_owned());
    let details = |records: &[Vec<String>]| -> Vec<Vec<String>> {
        records.iter().filter(|record| types.is_detail(&mark(record))).cloned().collect()
    };
    let all: Vec<Vec<String>> = samples.iter().flat_map(|records| details(records)).collect();
    let (width, _) = usual_width(&all);
    let part = |(text, records): (&Text, &Vec<Vec<String>>)| {
        let trailer = records.iter().rev().find(|record| types.is_trailer(&mark(record)));
        let header = records.first().filter(|record| types.header.as_deref() == Some(mark(record).as_str()));
        let first_line = text.head.iter().find(|line| !line.trim().is_empty());
        Part {
            records: details(records).len(),
            rows: details(records).into_iter().filter(|record| record.len() == width).collect(),
            heading: header.and(first_line).cloned().into_iter().collect(),
            totals: trailer.map_or(Totals::None, |record| Totals::Fields(record.clone())),
            ..part_of(text)
        }
    };
    Table {
        places: (1..=width).map(|number| Value::from(number as i64)).collect(),
        names: vec![None; width],
        parts: texts.iter().zip(samples).map(part).collect(),
        ..Table::default()
    }
}
