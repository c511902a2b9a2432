//! Reads a spooled stock export by its profile, row by row.
//!
//! Promises: memory does not grow with the rows; physical line numbers and row numbers are right for every kind of
//! line end; a row is either plainly right or a row error; a file that cannot be believed is rejected with reason,
//! line and remedy. Rows may have been given to the sink before a rejection is found: the sink's taker discards them.
//! Does not promise to settle duplicates; the summary says how to.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Take};
use std::path::Path;

use csv::ByteRecord;

use super::delimiter::{csv_reader, is_name};
use super::export_file::{FirstLook, NoText, first_look};
use super::profile::{Column, FinalNewline, Header, ROW_ERROR_LIMIT};
use super::profile_check::CheckedProfile;
use super::quotes::QuoteTracker;
use super::row::{Places, RowFault, field, is_blank, shortened};
use super::text::{CleanText, LONGEST_RECORD, TextFault};
use crate::ports::{ExportRow, ReadError, ReadSummary, Rejection, RowError, RowSink, Says};

/// Bytes of text in which the delimiter is looked for.
const SAMPLE: u64 = 64 * 1024;
/// Records in which a header is looked for by its names.
const HEADER_WITHIN: u32 = 200;

type Text<'f> = CleanText<Take<&'f mut File>>;

/// Reads a spooled export. `sink` takes each good row.
///
/// # Errors
/// [`ReadError::Rejected`] when the file as a whole cannot be believed.
pub fn read_export(profile: &CheckedProfile, path: &Path, sink: &mut RowSink<'_>) -> Result<ReadSummary, ReadError> {
    let cannot_read = |source| ReadError::Io { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(cannot_read)?;
    let look = first_look(&mut file, profile.profile.encoding).map_err(|error| match error {
        NoText::Io(source) => cannot_read(source),
        NoText::Rejected(rejection) => ReadError::Rejected(rejection),
    })?;
    let mut run = || -> Result<ReadSummary, Stop> {
        let delimiter = match profile.delimiter {
            Some(delimiter) => delimiter,
            None => find_delimiter(profile, &mut file, &look)?,
        };
        let quotes = profile.profile.quote.0.map(|quote| QuoteTracker::new(quote, delimiter));
        let text = clean_text(profile, &mut file, &look, quotes)?;
        Reading::new(profile, text, delimiter).run(sink)
    };
    run().map_err(|stop| match stop {
        Stop::Io(source) => cannot_read(source),
        Stop::Rejected(rejection) => ReadError::Rejected(rejection),
        Stop::Sink(source) => ReadError::Sink(source),
    })
}

/// Why reading stopped.
enum Stop {
    Io(io::Error),
    Rejected(Rejection),
    Sink(Box<dyn std::error::Error + Send + Sync>),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<TextFault>()) {
            None => Self::Io(error),
            Some(TextFault::InvalidEncoding { line }) => {
                let text = "has bytes that are invalid in the profile's encoding; set encoding to what the till writes";
                rejection("invalid_encoding", Some(*line), text)
            }
            Some(TextFault::Nul { line }) => rejection(
                "nul_bytes",
                Some(*line),
                "has a NUL character; the file is damaged, or its encoding is UTF-16",
            ),
            Some(TextFault::RecordTooLong) => {
                let text = format!(
                    "a record is longer than {LONGEST_RECORD} bytes: a quotation mark is never closed, or this is no table"
                );
                rejection("unterminated_quote", None, text)
            }
        }
    }
}

fn rejection(reason: &str, line: Option<u64>, text: impl Into<String>) -> Stop {
    Stop::Rejected(Rejection { reason: reason.to_owned(), line, text: text.into() })
}

fn clean_text<'f>(
    profile: &CheckedProfile,
    file: &'f mut File,
    look: &FirstLook,
    quotes: Option<QuoteTracker>,
) -> io::Result<Text<'f>> {
    file.seek(SeekFrom::Start(look.start))?;
    Ok(CleanText::new(file.take(look.end - look.start), look.charset, profile.profile.skip_lines, quotes))
}

fn find_delimiter(profile: &CheckedProfile, file: &mut File, look: &FirstLook) -> Result<u8, Stop> {
    let mut sample = Vec::new();
    clean_text(profile, file, look, None)?.take(SAMPLE).read_to_end(&mut sample)?;
    if sample.len() as u64 == SAMPLE {
        // The last record is cut; it must not count as an odd one.
        sample.truncate(sample.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1));
    }
    let text = std::str::from_utf8(&sample).unwrap_or_default();
    profile.found_delimiter(text).ok_or_else(|| {
        let text = "it is not clear which character separates the fields (, ; tab | ~), or the named columns are missing; set delimiter in the profile";
        rejection("ambiguous_format", None, text)
    })
}

/// A record's place in the file.
#[derive(Debug, Clone, Copy)]
struct At {
    line: u64,
    /// It goes on over a line end inside quotes.
    spans_lines: bool,
    /// It is the last one, and has no line end.
    is_cut: bool,
    has_broken_quote: bool,
}

struct Reading<'p, 'f> {
    profile: &'p CheckedProfile,
    csv: csv::Reader<Text<'f>>,
    record: ByteRecord,
    header: Option<ByteRecord>,
    delimiter: u8,
    summary: ReadSummary,
    errors: u64,
    spanning: Option<(u64, u64)>,
}

impl<'p, 'f> Reading<'p, 'f> {
    fn new(profile: &'p CheckedProfile, text: Text<'f>, delimiter: u8) -> Self {
        let csv = csv_reader(delimiter, profile.profile.quote.0).from_reader(text);
        let summary = ReadSummary {
            duplicates: profile.profile.duplicates,
            row_error_limit_percent: profile.profile.row_error_limit_percent.0,
            scope: profile.profile.export,
            ..ReadSummary::default()
        };
        let record = ByteRecord::new();
        Self { profile, csv, record, header: None, delimiter, summary, errors: 0, spanning: None }
    }

    fn run(mut self, sink: &mut RowSink<'_>) -> Result<ReadSummary, Stop> {
        let mut places = self.find_header()?;
        let mut is_closed = false;
        while let Some(at) = self.next_record()? {
            if self.is_end_marker() {
                is_closed = true;
                break;
            }
            let sku = places.map_or(0, |places| places.sku);
            if is_blank(&self.record) || self.profile.is_ignored(&self.record, sku, self.header.as_ref()) {
                continue;
            }
            let places = match places {
                Some(places) => places,
                None => *places.insert(self.places_of_first_row(at)?),
            };
            self.take_row(&places, at, sink)?;
        }
        self.close(is_closed)
    }

    /// Reads on to the next record that is not blank.
    fn next_record(&mut self) -> Result<Option<At>, Stop> {
        let start = self.csv.position().clone();
        self.csv.get_mut().record_starts_at(start.byte());
        match self.csv.read_byte_record(&mut self.record) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => return Err(stopped(error)),
        }
        let end = self.csv.position().clone();
        let has_broken_quote = self.csv.get_mut().is_quoting_broken_before(end.byte());
        let is_cut = self.is_last_and_cut();
        let inside = if end.line() - start.line() <= 1 && !is_cut { 0 } else { line_ends(&self.record) };
        // The reader skips blank lines before a record, so that its line is counted from its end.
        let line = end.line() + u64::from(is_cut) - inside - 1 + self.profile.profile.skip_lines;
        if inside > 0 {
            let (count, first) = self.spanning.unwrap_or((0, line));
            self.spanning = Some((count + 1, first));
        }
        let at = At { line, spans_lines: inside > 0, is_cut, has_broken_quote };
        self.refuse_swallowed_lines(at)?;
        Ok(Some(at))
    }

    /// Is the record just read the last one of a text without final line end?
    fn is_last_and_cut(&self) -> bool {
        let text = self.csv.get_ref();
        text.is_at_end() && !text.ends_with_line_end() && self.csv.position().byte() >= text.made()
    }

    /// A stray quotation mark may make one row of two: then one item would get the count of another.
    fn refuse_swallowed_lines(&self, at: At) -> Result<(), Stop> {
        let ends_inside = at.is_cut && self.csv.get_ref().is_quote_open()
            || (self.csv.get_ref().is_quote_open() && self.is_exhausted());
        if ends_inside || (at.has_broken_quote && at.spans_lines) {
            let text = "a quotation mark is never closed; if the till does not quote its fields, set quote = \"\" in the profile";
            return Err(rejection("unterminated_quote", Some(at.line), text));
        }
        Ok(())
    }

    fn is_exhausted(&self) -> bool {
        let text = self.csv.get_ref();
        text.is_at_end() && self.csv.position().byte() >= text.made()
    }

    fn is_end_marker(&self) -> bool {
        let Some(marker) = self.profile.profile.end_marker.as_deref() else { return false };
        let mut rest = marker.trim();
        for at in 0..self.record.len() {
            let part = field(&self.record, at);
            let part = if at == 0 { part.trim_start() } else { part };
            let part = if at + 1 == self.record.len() { part.trim_end() } else { part };
            if at > 0 {
                match rest.strip_prefix(char::from(self.delimiter)) {
                    Some(after) => rest = after,
                    // Delimiters behind the marker (a spreadsheet fills rows up) do not matter.
                    None => {
                        return rest.is_empty()
                            && (at..self.record.len()).all(|at| field(&self.record, at).trim().is_empty());
                    }
                }
            }
            match rest.strip_prefix(part) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        rest.is_empty()
    }

    fn find_header(&mut self) -> Result<Option<Places>, Stop> {
        let is_found = |reading: &Self| match reading.profile.profile.header {
            Header::Auto | Header::FirstRow => true,
            Header::FindByNames => reading.profile.has_names(&reading.record),
            Header::None => false,
        };
        if self.profile.profile.header == Header::None {
            return Ok(None);
        }
        for _ in 0..HEADER_WITHIN {
            let Some(at) = self.next_record()? else { break };
            if is_blank(&self.record) || self.profile.is_ignored(&self.record, 0, None) || !is_found(self) {
                continue;
            }
            self.header = Some(self.record.clone());
            return self.places_in_header(at).map(Some);
        }
        let text = format!("no row has the columns {} and {}", shown(&self.profile.sku), shown(&self.profile.quantity));
        Err(rejection("missing_column", None, format!("{text}; compare the profile's columns with the file")))
    }

    fn places_in_header(&self, at: At) -> Result<Places, Stop> {
        let filled = |at: &usize| !field(&self.record, *at).trim().is_empty();
        let named = (0..self.record.len()).rev().find(filled).map_or(0, |last| last + 1);
        let (sku, quantity) = (self.place(&self.profile.sku, at)?, self.place(&self.profile.quantity, at)?);
        self.places(sku, quantity, named, at)
    }

    /// Without a header the first row tells how many fields there are.
    fn places_of_first_row(&self, at: At) -> Result<Places, Stop> {
        let (sku, quantity) = (self.place(&self.profile.sku, at)?, self.place(&self.profile.quantity, at)?);
        self.places(sku, quantity, self.record.len(), at)
    }

    fn places(&self, sku: usize, quantity: usize, found: usize, at: At) -> Result<Places, Stop> {
        let fields = self.profile.profile.expected_fields.unwrap_or(found);
        if self.header.is_some() && fields != found {
            let text = format!("the header has {found} columns where the profile expects {fields}");
            return Err(rejection("wrong_field_count", Some(at.line), text));
        }
        Ok(Places { sku, quantity, fields: fields.max(sku + 1).max(quantity + 1) })
    }

    fn place(&self, column: &Column, at: At) -> Result<usize, Stop> {
        let missing = || {
            let text = format!("the file has no column {}; compare the profile's columns with the file", shown(column));
            rejection("missing_column", Some(at.line), text)
        };
        let name = match column {
            Column::Number(number) if *number >= 1 && *number <= self.record.len() => return Ok(number - 1),
            Column::Number(_) | Column::List(_) => return Err(missing()),
            Column::Name(name) => name,
        };
        let exact: Vec<usize> =
            (0..self.record.len()).filter(|at| field(&self.record, *at).trim() == name.trim()).collect();
        let alike: Vec<usize> = (0..self.record.len()).filter(|at| is_name(field(&self.record, *at), name)).collect();
        match (exact.as_slice(), alike.as_slice()) {
            ([one], _) | ([], [one]) => Ok(*one),
            ([], []) => Err(missing()),
            _ => {
                let text = format!("there are several columns {}; give the column's number", shown(column));
                Err(rejection("ambiguous_format", Some(at.line), text))
            }
        }
    }

    fn take_row(&mut self, places: &Places, at: At, sink: &mut RowSink<'_>) -> Result<(), Stop> {
        self.summary.rows += 1;
        if at.has_broken_quote {
            let text = "a quotation mark inside quotes is not doubled; if the till does not quote its fields, set quote = \"\"";
            let sku = Some(shortened(field(&self.record, places.sku)));
            return self.row_error(at, RowFault { sku, reason: "wrong_field_count", text: text.to_owned() });
        }
        match self.profile.row(&self.record, places) {
            Ok((sku, quantity)) => {
                let (says, row, line) = (Says::Count(quantity), self.summary.rows, at.line);
                sink(&ExportRow { sku, says, row, line, ordinal: None }).map_err(Stop::Sink)
            }
            Err(fault) if at.is_cut && is_mark_of_a_cut(fault.reason) => {
                let text = format!("the last line breaks off ({}); the till had not written all of it", fault.text);
                Err(rejection("truncated_last_record", Some(at.line), text))
            }
            Err(fault) => self.row_error(at, fault),
        }
    }

    fn row_error(&mut self, at: At, fault: RowFault) -> Result<(), Stop> {
        let RowFault { sku, reason, text } = fault;
        let row = self.summary.rows;
        self.summary.row_errors.push(RowError { row, line: at.line, sku, reason: reason.to_owned(), text });
        self.errors += 1;
        if self.errors > ROW_ERROR_LIMIT { Err(self.too_many_errors()) } else { Ok(()) }
    }

    fn too_many_errors(&self) -> Stop {
        let example = self.summary.row_errors.first();
        let (line, first) = example.map_or((None, ""), |error| (Some(error.line), error.text.as_str()));
        let (errors, rows) = (self.errors, self.summary.rows);
        rejection("too_many_row_errors", line, format!("{errors} of {rows} rows are in error, the first: {first}"))
    }

    fn close(mut self, is_closed: bool) -> Result<ReadSummary, Stop> {
        let profile = &self.profile.profile;
        if let Some(marker) = profile.end_marker.as_deref().filter(|_| !is_closed) {
            let text =
                format!("the closing line {:?} is missing; the till had not written all of it", shortened(marker));
            return Err(rejection("truncated_last_record", None, text));
        }
        if profile.final_newline == FinalNewline::Required && !is_closed && !self.csv.get_ref().ends_with_line_end() {
            let text = "the last line has no line end; the till had not written all of it";
            return Err(rejection("truncated_last_record", None, text));
        }
        if self.summary.rows == 0 {
            return Err(rejection("no_rows", None, "the file has no data rows; let the till write the export again"));
        }
        let limit = u64::from(profile.row_error_limit_percent.0);
        if self.errors * 100 > limit * self.summary.rows {
            return Err(self.too_many_errors());
        }
        if let Some((count, first)) = self.spanning {
            let text = format!("{count} records go on over a line end inside quotes, the first on line {first}");
            self.summary.warnings.push(text);
        }
        Ok(self.summary)
    }
}

fn stopped(error: csv::Error) -> Stop {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        other => Stop::Io(io::Error::other(format!("{other:?}"))),
    }
}

fn is_mark_of_a_cut(reason: &str) -> bool {
    matches!(reason, "wrong_field_count" | "quantity_missing" | "quantity_not_numeric")
}

fn line_ends(record: &ByteRecord) -> u64 {
    record.as_slice().iter().filter(|&&byte| byte == b'\n').count() as u64
}

fn shown(column: &Column) -> String {
    match column {
        Column::Name(name) => format!("{:?}", shortened(name)),
        Column::Number(number) => format!("number {number}"),
        Column::List(_) => "list".to_owned(),
    }
}

#[cfg(test)]
#[path = "stock_export_tests.rs"]
mod tests;
