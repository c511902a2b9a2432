//! What stands around the rows of a separated file: comments, a printed report's head, column names, totals, an end.
//!
//! Promises: column names are found in the first row or, by their words, further down; a row of names is told from a
//! row of values by content as well as by words. Rows that are no items are named by rules that name nothing else.

use toml::Value;

use super::book::{Book, Choice, Confidence, some};
use super::column::{is_date, is_number};
use super::encoding::Text;
use super::separated::{HEADER_WITHIN, part_of, records, usual_width};
use super::table::{Part, Table};
use super::words;

/// What comment lines begin with.
const COMMENTS: [&str; 2] = ["#", "//"];

/// The comment mark of a file that has comment lines at its top.
pub(super) fn comment(text: &Text) -> Option<&'static str> {
    let first = text.head.iter().find(|line| !line.trim().is_empty() && !line.starts_with("sep="))?;
    // A first column called "#" is no comment.
    let is_comment =
        |mark: &&str| first.strip_prefix(mark).is_some_and(|rest| !rest.starts_with([',', ';', '\t', '|']));
    COMMENTS.into_iter().find(is_comment)
}

/// What the comment lines say.
pub(super) struct Comments {
    /// The comment lines of each sample.
    pub(super) lines: Vec<Vec<String>>,
    /// Column names, if a comment lists them.
    pub(super) names: Option<Vec<String>>,
}

/// Looks through the comment lines.
pub(super) fn comments(texts: &[Text], delimiter: u8, book: &mut Book<'_>) -> Comments {
    const MOST: usize = 50;
    let of_text = |text: &Text| -> Vec<String> {
        let Some(mark) = comment(text) else { return Vec::new() };
        text.head.iter().filter(|line| line.starts_with(mark)).take(MOST).cloned().collect()
    };
    let lines: Vec<Vec<String>> = texts.iter().map(of_text).collect();
    let mark = texts.iter().find_map(comment);
    if let Some(mark) = mark {
        book.settle("comment", mark, Confidence::Sure, format!("lines at the top begin with {mark}"));
    }
    let names = lines.iter().flatten().find_map(|line| {
        let text = line.trim_start_matches(['#', '/']).trim();
        let list =
            text.split_once(':').filter(|(key, _)| key.chars().all(char::is_alphabetic)).map_or(text, |(_, list)| list);
        let names = records(&[list], delimiter, Some(b'"')).into_iter().next()?;
        (names.len() > 1 && words::is_head(names.iter().map(String::as_str))).then_some(names)
    });
    if let Some(names) = &names {
        book.remark(format!("A comment line names the columns: {}", some(names.iter().map(String::as_str))));
    }
    Comments { lines, names }
}

/// Where the column names stand.
enum Head {
    Row(usize, &'static str),
    None,
    Unclear,
}

/// The table of a file without record types.
pub(super) fn table(texts: &[Text], samples: Vec<Vec<Vec<String>>>, book: &mut Book<'_>) -> Table {
    let main = samples.iter().max_by_key(|records| records.len()).map_or(&[][..], Vec::as_slice);
    let (usual, _) = usual_width(main);
    let header = match (find_head(main, usual), book.answer("header").and_then(|told| told.as_str().map(str::to_owned)))
    {
        (Head::Row(at, why), _) => settle_head(main, at, why, book),
        (Head::Unclear, Some(told)) => {
            book.settle("header", "none", Confidence::Told, "");
            (told == "first-row").then_some(0)
        }
        (Head::Unclear, None) => doubt_head(main, book),
        (Head::None, _) => settle_no_head(main, usual, book),
    };
    let names: Vec<String> = header.and_then(|at| main.get(at)).cloned().unwrap_or_default();
    let width = if names.is_empty() { usual } else { filled_width(&names) };
    let is_by_name = header.is_some_and(|at| at > 0);
    let places = (0..width).map(|at| place(&names, at, is_by_name)).collect();
    let parts = texts.iter().zip(samples).map(|(text, records)| part(text, records, &names, width)).collect();
    let named = |at: usize| names.get(at).map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    Table { places, names: (0..width).map(named).collect(), parts, ..Table::default() }
}

fn filled_width(record: &[String]) -> usize {
    record.iter().rposition(|name| !name.trim().is_empty()).map_or(0, |last| last + 1)
}

/// A column goes by its name, if that is the only one of its kind.
fn place(names: &[String], at: usize, always: bool) -> Value {
    let name = names.get(at).map_or("", |name| name.trim());
    let is_alike = |other: &&String| other.trim().to_lowercase() == name.to_lowercase();
    if !name.is_empty() && (always || names.iter().filter(is_alike).count() == 1) {
        Value::from(name)
    } else {
        Value::from(at as i64 + 1)
    }
}

fn find_head(records: &[Vec<String>], usual: usize) -> Head {
    let by_words =
        records.iter().take(HEADER_WITHIN).position(|record| words::is_head(record.iter().map(String::as_str)));
    if let Some(at) = by_words {
        return Head::Row(at, "this row has words for an item and for a stock");
    }
    let Some(at) = records.iter().position(|record| record.len() == usual) else { return Head::None };
    let (first, rest) = (&records[at], &records[at + 1..]);
    let values =
        |column: usize| rest.iter().filter(|row| row.len() == usual).filter_map(move |row| row.get(column)).take(100);
    let is_value = |text: &str| is_number(text) || is_date(text);
    let is_of_values =
        |column: usize| values(column).filter(|text| is_value(text)).count() * 2 > values(column).count();
    if first.iter().any(|text| is_value(text.trim())) {
        return Head::None;
    }
    let has_names = first.iter().filter(|text| !text.trim().is_empty()).count() * 2 > first.len();
    if has_names && (0..usual).any(is_of_values) {
        return Head::Row(at, "this row has texts only, where the rows below have numbers");
    }
    if rest.is_empty() || !has_names { Head::None } else { Head::Unclear }
}

fn settle_head(records: &[Vec<String>], at: usize, why: &str, book: &mut Book<'_>) -> Option<usize> {
    let names = some(records.get(at)?.iter().map(String::as_str));
    if at == 0 {
        book.settle("header", "first-row", Confidence::Sure, format!("{why}: {names}"));
    } else {
        let why = format!("{at} record(s) of another kind stand above the column names ({names}); {why}");
        book.settle("header", "find-by-names", Confidence::Sure, why);
    }
    Some(at)
}

fn settle_no_head(records: &[Vec<String>], usual: usize, book: &mut Book<'_>) -> Option<usize> {
    let first = records.iter().find(|record| record.len() == usual).or(records.first());
    let shown = some(first.into_iter().flatten().map(String::as_str));
    book.settle("header", "none", Confidence::Sure, format!("the first row has values already: {shown}"));
    None
}

fn doubt_head(records: &[Vec<String>], book: &mut Book<'_>) -> Option<usize> {
    let shown = some(records.first().into_iter().flatten().map(String::as_str));
    let choices = vec![
        Choice::new("first-row", "yes, it names the columns"),
        Choice::new("none", "no, it is an item like the others"),
    ];
    let why = format!("the first row ({shown}) may be column names or an item: there are only texts in this file");
    book.doubt("header", why, "Does the first row name the columns?", choices);
    None
}

fn part(text: &Text, records: Vec<Vec<String>>, names: &[String], width: usize) -> Part {
    let head = if names.is_empty() { None } else { records.iter().position(|record| record.as_slice() == names) };
    let mut part = part_of(text);
    for (at, record) in records.into_iter().enumerate() {
        let fits = record.len() >= width && filled_width(&record) <= width && record.len() > 1;
        if head.is_some_and(|head| at < head) {
            part.heading.push(record.join(" "));
        } else if head == Some(at) {
        } else if fits && record.as_slice() != names {
            part.rows.push(record);
        } else if !record.iter().all(|field| field.trim().is_empty()) {
            part.odd.push(record);
        }
    }
    part.records = part.rows.len();
    part
}
