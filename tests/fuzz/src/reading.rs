//! One read of one file, and what holds for every read.

use std::hash::{DefaultHasher, Hash, Hasher};

use tillbridge::domain::stock::LONGEST_SKU;
use tillbridge::epos::profile::{Branch, Encoding, Kind};
use tillbridge::epos::{CheckedProfile, ExportFile, read_export};
use tillbridge::ports::{ExportRow, ReadError, ReadSummary, Rejection, RowError};

use crate::Files;

/// Rows that are kept to be compared one by one; of all further ones only a digest.
const KEPT: usize = 1000;
/// Characters of a message that a person still reads.
const LONGEST_MESSAGE: usize = 600;

/// What a row said, apart from its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) sku: String,
    pub(crate) says: String,
    pub(crate) line: u64,
}

/// What an accepted file said.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) rows: Vec<Row>,
    pub(crate) summary: ReadSummary,
    /// Of all rows, lines left out.
    pub(crate) digest: u64,
}

impl PartialEq for Accepted {
    fn eq(&self, other: &Self) -> bool {
        let all = |read: &Self| (read.rows.clone(), read.digest, format!("{:?}", read.summary));
        all(self) == all(other)
    }
}

pub(crate) type Read = Result<Accepted, Rejection>;

/// Row numbers and lines so far.
#[derive(Default)]
struct Places {
    row: u64,
    line: u64,
}

impl Places {
    fn go_on(&mut self, row: u64, line: u64) {
        assert!(row > self.row, "row {row} after row {}", self.row);
        assert!(line >= self.line.max(1), "row {row} is on line {line}, the one before on line {}", self.line);
        (self.row, self.line) = (row, line);
    }
}

/// Reads the bytes, and checks what must hold for any file.
pub(crate) fn read(profile: &CheckedProfile, bytes: &[u8], files: &Files) -> Read {
    let (mut rows, mut digest, mut places, mut count) = (Vec::new(), DefaultHasher::new(), Places::default(), 0);
    let mut sink = |row: &ExportRow<'_>| {
        check_sku(profile, row.sku, bytes);
        places.go_on(row.row, row.line);
        let says = format!("{:?} {:?}", row.says, row.ordinal);
        (row.sku, &says).hash(&mut digest);
        count += 1;
        if rows.len() < KEPT {
            rows.push(Row { sku: row.sku.to_owned(), says, line: row.line });
        }
        Ok(())
    };
    let export = ExportFile { path: files.holding(bytes), name: "STK_20260314_00417.dat", companion: None };
    let most_lines = 1 + bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() as u64;
    match crate::bounded(|| read_export(profile, export, &mut sink)) {
        Ok(summary) => {
            assert!(places.line <= most_lines, "line {} of {most_lines}", places.line);
            check_summary(profile, &summary, count, bytes, most_lines);
            Ok(Accepted { rows, summary, digest: digest.finish() })
        }
        Err(ReadError::Rejected(why)) => {
            assert!(why.line.is_none_or(|line| (1..=most_lines).contains(&line)), "{why:?} of {most_lines} lines");
            check_message(&why.text);
            Err(why)
        }
        Err(other) => panic!("not a matter of the file: {other}"),
    }
}

fn check_sku(profile: &CheckedProfile, sku: &str, bytes: &[u8]) {
    assert!(!sku.is_empty(), "an empty SKU");
    assert!(!sku.chars().any(|c| c.is_control() || c == '\u{fffd}'), "{sku:?} has characters that no till prints");
    let rules = profile.profile();
    let quote = rules.quote.0.map(char::from);
    // A doubled quotation mark stands twice in the file; XML has still more ways to write a character.
    if rules.kind == Kind::Xml || quote.is_some_and(|quote| sku.contains(quote)) || bytes.len() > 64 * 1024 {
        return;
    }
    let is_dos = matches!(rules.encoding, Encoding::Cp437 | Encoding::Cp850);
    let written = written_as(sku);
    assert!(
        (is_dos && !sku.is_ascii()) || written.iter().any(|sku| contains(bytes, sku)),
        "{sku:?} is not in the file"
    );
}

/// The bytes of a text in every encoding that a file may have, DOS code pages aside.
fn written_as(text: &str) -> Vec<Vec<u8>> {
    let utf16 = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect();
    let latin: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    let (windows, _, is_lossy) = encoding_rs::WINDOWS_1252.encode(text);
    let mut written = vec![text.as_bytes().to_vec(), utf16(u16::to_le_bytes), utf16(u16::to_be_bytes)];
    written.extend(latin);
    written.extend((!is_lossy).then(|| windows.into_owned()));
    written
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn check_summary(profile: &CheckedProfile, summary: &ReadSummary, count: u64, bytes: &[u8], most_lines: u64) {
    let rules = profile.profile();
    let errors = summary.row_errors.len() as u64;
    let mut places = Places::default();
    for RowError { row, line, sku, text, .. } in &summary.row_errors {
        places.go_on(*row, *line);
        check_message(text);
        assert!(sku.as_ref().is_none_or(|sku| sku.len() <= LONGEST_SKU), "{sku:?} is long");
    }
    assert!(places.row <= summary.rows && places.line <= most_lines, "an error on row {}", places.row);
    if matches!(rules.branch, Some(Branch::Only { .. })) {
        assert!(count + errors <= summary.rows, "{count} rows and {errors} errors of {}", summary.rows);
    } else {
        assert_eq!(count + errors, summary.rows, "each row is given or in error");
    }
    let most_rows = match rules.kind {
        Kind::Csv | Kind::Fixed => most_lines,
        Kind::Xml => bytes.iter().filter(|byte| **byte == b'<').count() as u64,
    };
    assert!(summary.rows <= most_rows, "{} rows in a file that has room for {most_rows}", summary.rows);
    summary.warnings.iter().for_each(|text| check_message(text));
}

fn check_message(text: &str) {
    assert!(!text.is_empty() && text.chars().count() <= LONGEST_MESSAGE, "a message of {} bytes", text.len());
    assert!(!text.chars().any(char::is_control), "{text:?} has control characters");
}
