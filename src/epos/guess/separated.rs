//! Separated fields: which character separates, which quotes, and the records that come of it.
//!
//! Promises: every delimiter and both ways of quoting are tried; one is taken only when it makes clearly more regular
//! records than the others, or finds the column names.

use super::book::{Book, Choice, Confidence, some};
use super::column::is_number;
use super::encoding::Text;
use super::table::{Part, Table};
use super::{MOST_COLUMNS, guards, preamble, records, words};
use crate::epos::profile::Kind;
use crate::epos::profile_words::DELIMITERS;

/// Records in which column names are looked for.
pub(super) const HEADER_WITHIN: usize = 200;
/// Records on which a delimiter is tried.
const TRIED_ON: usize = 2000;

/// How fields are separated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
    /// Lines that only tell a spreadsheet the delimiter.
    pub(super) skip: usize,
}

/// A delimiter, and how regular it makes the records, in thousandths; column names found count as much as all rows.
type Scored = (u8, usize);

/// Finds out how the fields are separated; `None` when they are not.
pub(super) fn format(texts: &[Text], book: &mut Book<'_>) -> Option<Format> {
    let main = texts.iter().max_by_key(|text| text.head.len())?;
    let told = sep_line(main);
    let skip = usize::from(told.is_some());
    let lines: Vec<&str> = content(main, skip).collect();
    let mut scores: Vec<Scored> =
        DELIMITERS.into_iter().map(|delimiter| (delimiter, score(&lines, delimiter))).collect();
    scores.sort_by_key(|(_, score)| std::cmp::Reverse(*score));
    let answer = book.answer("delimiter").and_then(|told| named_delimiter(told.as_str()?));
    let (delimiter, best) = match answer.or(told) {
        Some(delimiter) => (delimiter, 1000),
        None => *scores.first()?,
    };
    // More than half of the records have to be alike.
    const HALF: usize = 500;
    if best <= HALF {
        return None;
    }
    book.settle("kind", "csv", Confidence::Sure, "a character separates the fields of each line");
    let rivals: Vec<Scored> =
        scores.into_iter().filter(|(other, score)| *other == delimiter || *score * 20 >= best * 19).collect();
    settle_delimiter(delimiter, told, &rivals, &lines, book);
    if skip > 0 {
        book.settle(
            "skip_lines",
            1,
            Confidence::Proved,
            "the first line only tells a spreadsheet the delimiter (sep=)",
        );
    }
    let quote = quote(&lines, delimiter, book);
    Some(Format { delimiter, quote, skip })
}

fn named_delimiter(name: &str) -> Option<u8> {
    match name.as_bytes() {
        b"tab" => Some(b'\t'),
        [byte] if DELIMITERS.contains(byte) => Some(*byte),
        _ => None,
    }
}

fn shown(delimiter: u8) -> String {
    if delimiter == b'\t' { "tab".to_owned() } else { char::from(delimiter).to_string() }
}

fn sep_line(text: &Text) -> Option<u8> {
    let first = text.head.first()?.trim_start_matches('\u{feff}').trim_matches('"');
    match first.strip_prefix("sep=").or_else(|| first.strip_prefix("SEP="))?.as_bytes() {
        [delimiter] if DELIMITERS.contains(delimiter) => Some(*delimiter),
        _ => None,
    }
}

fn settle_delimiter(delimiter: u8, told: Option<u8>, rivals: &[Scored], lines: &[&str], book: &mut Book<'_>) {
    let word = shown(delimiter);
    if told.is_some() {
        book.settle("delimiter", word, Confidence::Proved, "the file says so in its first line");
    } else if rivals.len() > 1 {
        let example = lines.get(1).or(lines.first()).copied().unwrap_or_default();
        let choices = rivals.iter().map(|(rival, _)| {
            let fields = records(&[example], *rival, Some(b'"')).into_iter().flatten().collect::<Vec<_>>();
            Choice::new(
                shown(*rival),
                format!(
                    "{} gives the fields [{}]",
                    shown(*rival),
                    some(fields.iter().map(String::as_str)).replace(", ", "] [")
                ),
            )
        });
        let why = "several characters separate the lines into fields of like number";
        book.doubt("delimiter", why, "Which character separates the fields?", choices.collect());
    } else {
        let why = format!(
            "it separates the lines into fields of like number; no other of {} does so as well",
            some(DELIMITERS.map(shown).iter().map(String::as_str)).replace(", ", " ")
        );
        book.settle("delimiter", word, Confidence::Sure, why);
    }
}

/// The lines that hold fields: neither blank, nor comments, nor skipped.
pub(super) fn content(text: &Text, skip: usize) -> impl Iterator<Item = &str> {
    let marks = preamble::comment(text);
    text.head
        .iter()
        .skip(skip)
        .map(String::as_str)
        .filter(move |line| !line.trim().is_empty() && marks.is_none_or(|mark| !line.starts_with(mark)))
}

fn score(lines: &[&str], delimiter: u8) -> usize {
    let records = records(&lines[..lines.len().min(TRIED_ON)], delimiter, Some(b'"'));
    let (width, count) = usual_width(&records);
    if width < 2 || records.is_empty() {
        return 0;
    }
    let fields = || records.iter().filter(|record| record.len() == width).flatten();
    let clean = fields().filter(|field| is_clean(field, delimiter)).count();
    let head = records.iter().take(HEADER_WITHIN / 4).any(|record| words::is_head(record.iter().map(String::as_str)));
    count * 1000 / records.len() * clean / fields().count().max(1) + if head { 1000 } else { 0 }
}

/// The most frequent number of fields, two at least, and how many records have it.
pub(super) fn usual_width(records: &[Vec<String>]) -> (usize, usize) {
    let mut widths = std::collections::BTreeMap::new();
    for record in records.iter().filter(|record| record.len() > 1) {
        *widths.entry(record.len()).or_insert(0) += 1;
    }
    widths.into_iter().max_by_key(|(width, count)| (*count, *width)).unwrap_or((0, 0))
}

/// Has the field no mark in it that rather looks like a delimiter?
fn is_clean(field: &str, delimiter: u8) -> bool {
    let is_foreign = |mark: char| mark.is_ascii() && mark as u8 != delimiter && DELIMITERS.contains(&(mark as u8));
    is_number(field) || field.contains(' ') || !field.contains(is_foreign)
}

/// The records of the lines.
pub(super) fn records(lines: &[&str], delimiter: u8, quote: Option<u8>) -> Vec<Vec<String>> {
    let text = lines.join("\n");
    let mut builder = csv::ReaderBuilder::new();
    builder.has_headers(false).flexible(true).delimiter(delimiter).terminator(csv::Terminator::Any(b'\n'));
    match quote {
        Some(quote) => builder.quote(quote),
        None => builder.quoting(false),
    };
    let mut reader = builder.from_reader(text.as_bytes());
    let owned = |record: csv::StringRecord| record.iter().take(MOST_COLUMNS).map(str::to_owned).collect();
    reader.records().filter_map(Result::ok).map(owned).collect()
}

/// What the quotation marks of a text do.
#[derive(Debug, Default)]
struct Quoting {
    /// Fields that are quoted as they should be.
    sound: usize,
    /// Fields that open a quotation and go on after it, or never close it.
    broken: usize,
    /// Marks inside fields that are not quoted.
    stray: usize,
}

/// Looks at the quotation marks; many broken ones are enough to know.
fn quoting(lines: &[&str], delimiter: u8, quote: u8) -> Quoting {
    const ENOUGH: usize = 100;
    let text = lines.join("\n");
    let is_end = |byte: &u8| *byte == delimiter || *byte == b'\n';
    let (bytes, mut at, mut seen) = (text.as_bytes(), 0, Quoting::default());
    while at < bytes.len() && seen.broken < ENOUGH {
        let is_quoted = bytes[at] == quote;
        let closed = if is_quoted { closing(bytes, at + 1, quote) } else { None };
        let closed = closed.filter(|behind| bytes.get(*behind).is_none_or(&is_end));
        let from = closed.unwrap_or(at);
        let end = bytes[from..].iter().position(&is_end).map_or(bytes.len(), |length| from + length);
        match (is_quoted, closed) {
            (true, Some(_)) => seen.sound += 1,
            (true, None) => seen.broken += 1,
            (false, _) => {
                seen.stray += usize::from(bytes[at..end].contains(&quote) && !guards::is_text(&text[at..end]))
            }
        }
        at = end + 1;
    }
    seen
}

/// Behind the mark that closes a quotation. One that is longer than any field is none.
fn closing(bytes: &[u8], from: usize, quote: u8) -> Option<usize> {
    const LONGEST: usize = 4096;
    let mut at = from;
    while at < bytes.len().min(from + LONGEST) {
        match (bytes[at] == quote, bytes.get(at + 1) == Some(&quote)) {
            (true, true) => at += 2,
            (true, false) => return Some(at + 1),
            (false, _) => at += 1,
        }
    }
    None
}

fn quote(lines: &[&str], delimiter: u8, book: &mut Book<'_>) -> Option<u8> {
    let (double, single) = (quoting(lines, delimiter, b'"'), quoting(lines, delimiter, b'\''));
    let told = book.answer("quote").map(|told| told.as_str().and_then(|mark| mark.bytes().next()));
    match double {
        Quoting { sound: 0, broken: 0, stray: 0 }
            if single.sound > lines.len() && single.broken + single.stray == 0 =>
        {
            book.settle("quote", "'", Confidence::Sure, "fields stand between single quotation marks");
            return Some(b'\'');
        }
        Quoting { sound: 0, broken: 0, stray: 0 } => {}
        Quoting { sound, broken: 0, .. } if sound > 0 => {
            book.settle(
                "quote",
                "\"",
                Confidence::Sure,
                format!("{sound} field(s) stand between quotation marks, each closed rightly"),
            );
        }
        Quoting { sound: 0, broken, stray } => {
            let why =
                format!("{} quotation mark(s) stand inside fields, as for inches, and none around one", broken + stray);
            book.settle("quote", "", Confidence::Sure, why);
            return None;
        }
        Quoting { sound, broken, .. } => {
            let why = format!(
                "{sound} field(s) are quoted as they should be, but in {broken} a quotation mark is not closed"
            );
            let choices = vec![
                Choice::new("\"", "quotation marks stand around fields; the others are errors of the till"),
                Choice::new("", "quotation marks are ordinary characters"),
            ];
            book.doubt("quote", why, "What are the quotation marks in this file?", choices);
        }
    }
    told.unwrap_or(Some(b'"'))
}

/// The table that the samples make.
pub(super) fn table(texts: &[Text], format: &Format, book: &mut Book<'_>) -> Table {
    let per_text: Vec<Vec<Vec<String>>> = texts
        .iter()
        .map(|text| {
            let lines: Vec<&str> = content(text, format.skip).chain(text.tail.iter().map(String::as_str)).collect();
            records(&lines, format.delimiter, format.quote)
        })
        .collect();
    let comments = preamble::comments(texts, format.delimiter, book);
    let mut table = match records::types(&per_text) {
        Some(types) => records::table(texts, &per_text, &types, book),
        None => preamble::table(texts, per_text, book),
    };
    table.kind = Kind::Csv;
    for (part, lines) in table.parts.iter_mut().zip(&comments.lines) {
        part.heading.splice(0..0, lines.iter().cloned());
    }
    let is_nameless = table.names.iter().all(Option::is_none);
    if let Some(names) = comments.names.filter(|names| is_nameless && names.len() == table.places.len()) {
        table.names = names.into_iter().map(Some).collect();
    }
    table
}

/// A part without rows yet.
pub(super) fn part_of(text: &Text) -> Part {
    Part { name: text.name.clone(), is_whole: text.is_whole, ..Part::default() }
}
