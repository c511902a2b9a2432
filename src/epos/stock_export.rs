//! Reads a spooled stock export by its profile, row by row.
//!
//! Promises: memory does not grow with the rows; physical line numbers and row numbers are right for every kind of
//! line end; a row is either plainly right or a row error; a file that cannot be believed, or whose proof of
//! completeness fails, is rejected with reason, line and remedy. Rows may have been given to the sink before a
//! rejection is found: the sink's taker discards them.
//! Does not promise to settle duplicates; the summary says how to.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Take};
use std::path::Path;

use self::proof::{Claim, Control, Witness};
use self::tally::Tally;
use super::export_file::{FirstLook, NoText, first_look};
use super::heading::Heading;
use super::layout::Layout;
use super::profile::{FinalNewline, Kind, SkuScientific};
use super::profile_check::CheckedProfile;
use super::profile_words::Column;
use super::quotes::QuoteTracker;
use super::roles::Roles;
use super::row::shortened;
use super::text::{CleanText, LONGEST_RECORD, TextFault};
use crate::domain::stock::Scope;
use crate::ports::{ReadError, ReadSummary, Rejection, RowSink};

mod fixed;
mod header;
#[cfg(test)]
mod kind_tests;
mod proof;
#[cfg(test)]
mod sample_tests;
mod separated;
mod tally;
mod xml;

/// Bytes of text in which the delimiter is looked for.
const SAMPLE: u64 = 64 * 1024;

type Text<'f> = CleanText<Take<&'f mut File>>;

/// An export on the disk.
#[derive(Debug, Clone, Copy)]
pub struct ExportFile<'f> {
    /// Where its bytes are.
    pub path: &'f Path,
    /// The name that the till gave it.
    pub name: &'f str,
    /// The control or marker file beside it, where the profile asks for one and it is there.
    pub companion: Option<&'f Path>,
}

/// Reads an export. `sink` takes each good row.
///
/// # Errors
/// [`ReadError::Rejected`] when the file as a whole cannot be believed.
pub fn read_export(
    profile: &CheckedProfile,
    export: ExportFile<'_>,
    sink: &mut RowSink<'_>,
) -> Result<ReadSummary, ReadError> {
    read(profile, export, sink).map_err(|stop| match stop {
        Stop::Io(source) => ReadError::Io { path: export.path.to_owned(), source },
        Stop::Text(fault) => ReadError::Rejected(text_fault(fault)),
        Stop::Rejected(rejection) => ReadError::Rejected(rejection),
        Stop::Sink(source) => ReadError::Sink(source),
    })
}

fn read(profile: &CheckedProfile, export: ExportFile<'_>, sink: &mut RowSink<'_>) -> Result<ReadSummary, Stop> {
    let rules = &profile.profile;
    let mut file = File::open(export.path)?;
    let before = file.metadata()?;
    let control = Control::beside(rules.completeness.as_ref(), export.companion)?;
    let wants_md5 = rules.completeness.as_ref().is_some_and(|proof| proof.md5_key.is_some());
    let look = first_look(&mut file, rules.encoding, rules.kind, wants_md5)?;
    let (mut tally, mut heading) = (Tally::new(profile, sink), Heading::default());
    let ended = read_records(profile, &mut file, &look, &mut tally, &mut heading)?;
    let after = file.metadata()?;
    if after.len() != before.len() || after.modified().ok() != before.modified().ok() {
        let text = "the file changed while it was read; the till had not written all of it";
        return Err(rejection("truncated_last_record", None, text));
    }
    if let Some(control) = &control {
        control.text.lines().for_each(|line| heading.add(line));
    }
    prove_whole(profile, &ended, &tally, control.as_ref(), look.md5.as_deref())?;
    // An export of changes may well say that nothing changed, if it is plain that it is one.
    let may_be_empty = rules.export == Scope::Delta && (ended.has_header || ended.claim.is_some() || control.is_some());
    let mut summary = tally.close(may_be_empty)?;
    summary.warnings.extend(ended.warning);
    summary.as_of = rules.as_of(export.name, &heading);
    summary.sequence = rules.number(export.name, &heading);
    summary.warnings.extend(rules.unfulfilled(&summary));
    Ok(summary)
}

/// How the records ended.
#[derive(Debug, Default)]
struct Ended {
    /// What the trailer says, and its line.
    claim: Option<(Claim, u64)>,
    /// The end marker was there.
    is_closed: bool,
    ends_with_line_end: bool,
    has_header: bool,
    warning: Option<String>,
}

impl Ended {
    /// Nothing may follow a trailer.
    fn refuse_more(&self, line: u64) -> Result<(), Stop> {
        if self.claim.is_none() {
            return Ok(());
        }
        let text = "something follows the trailer: two exports in one file, or one written over another; let the till export again";
        Err(rejection("trailer_mismatch", Some(line), text))
    }
}

fn read_records(
    profile: &CheckedProfile,
    file: &mut File,
    look: &FirstLook,
    tally: &mut Tally<'_, '_, '_>,
    heading: &mut Heading,
) -> Result<Ended, Stop> {
    match &profile.layout {
        Layout::Separated { roles, trailer, as_of } => {
            let delimiter = match profile.delimiter {
                Some(delimiter) => delimiter,
                None => find_delimiter(profile, roles, file, look)?,
            };
            let text = clean_text(profile, file, look, quotes(profile, delimiter))?;
            separated::Separated::new(profile, separated::Rules { roles, trailer, as_of }, text, delimiter)
                .run(tally, heading)
        }
        Layout::Fixed { roles, trailer, as_of } => {
            let text = clean_text(profile, file, look, None)?;
            fixed::read(profile, fixed::Rules { roles, trailer, as_of }, text, tally, heading)
        }
        Layout::Xml { record, roles, trailer, as_of } => {
            let text = clean_text(profile, file, look, None)?.with_lines();
            xml::read(xml::Rules { record, roles, trailer, as_of }, text, tally, heading)
        }
    }
}

fn prove_whole(
    profile: &CheckedProfile,
    ended: &Ended,
    tally: &Tally<'_, '_, '_>,
    control: Option<&Control>,
    md5: Option<&str>,
) -> Result<(), Stop> {
    let rules = &profile.profile;
    if let Some(marker) = rules.end_marker.as_deref().filter(|_| !ended.is_closed) {
        let text = format!("the closing line {:?} is missing; the till had not written all of it", shortened(marker));
        return Err(rejection("truncated_last_record", None, text));
    }
    if rules.final_newline == FinalNewline::Required && !ended.is_closed && !ended.ends_with_line_end {
        let text = "the last line has no line end; the till had not written all of it";
        return Err(rejection("truncated_last_record", None, text));
    }
    match &ended.claim {
        Some((claim, line)) => proof::prove(profile, tally, Witness::Trailer, claim, Some(*line))?,
        None if profile.layout.requires_trailer() => {
            let text = "the trailer, which proves the export whole, is missing; the till had not written all of it";
            return Err(rejection("trailer_missing", None, text));
        }
        None => {}
    }
    match control {
        Some(control) => control.prove(profile, tally, md5),
        None => Ok(()),
    }
}

/// Why reading stopped.
enum Stop {
    Io(io::Error),
    Text(TextFault),
    Rejected(Rejection),
    Sink(Box<dyn std::error::Error + Send + Sync>),
}

impl From<NoText> for Stop {
    fn from(error: NoText) -> Self {
        match error {
            NoText::Io(source) => Self::Io(source),
            NoText::Rejected(rejection) => Self::Rejected(rejection),
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<TextFault>()) {
            None => Self::Io(error),
            Some(fault) => Self::Text(*fault),
        }
    }
}

/// What is wrong with a text, as the reason to reject the file.
fn text_fault(fault: TextFault) -> Rejection {
    let (reason, line, text) = match fault {
        TextFault::InvalidEncoding { line } => (
            "invalid_encoding",
            Some(line),
            "has bytes that are invalid in the profile's encoding; set encoding to what the till writes".to_owned(),
        ),
        TextFault::Nul { line } => {
            ("nul_bytes", Some(line), "has a NUL character; the file is damaged, or its encoding is UTF-16".to_owned())
        }
        TextFault::RecordTooLong { in_quotes: true } => (
            "unterminated_quote",
            None,
            format!(
                "a record is longer than {LONGEST_RECORD} bytes: a quotation mark is never closed, or this is no table"
            ),
        ),
        TextFault::RecordTooLong { in_quotes: false } => (
            "wrong_file_type",
            None,
            format!(
                "a record is longer than {LONGEST_RECORD} bytes: this is no stock export, or the profile's kind is wrong"
            ),
        ),
    };
    Rejection { reason: reason.to_owned(), line, text }
}

fn rejection(reason: &str, line: Option<u64>, text: impl Into<String>) -> Stop {
    Stop::Rejected(Rejection { reason: reason.to_owned(), line, text: text.into() })
}

fn quotes(profile: &CheckedProfile, delimiter: u8) -> Option<QuoteTracker> {
    let tracker = QuoteTracker::new(profile.profile.quote.0?, delimiter);
    let starts_count = profile.profile.comment.is_some() || !profile.profile.ignore_rows.is_empty();
    Some(match profile.profile.sku_scientific {
        SkuScientific::RowError if !starts_count => tracker,
        SkuScientific::RowError | SkuScientific::AcceptIfQuoted => tracker.noting_quoted_fields(),
    })
}

fn clean_text<'f>(
    profile: &CheckedProfile,
    file: &'f mut File,
    look: &FirstLook,
    quotes: Option<QuoteTracker>,
) -> io::Result<Text<'f>> {
    file.seek(SeekFrom::Start(look.start))?;
    let to_skip = match profile.profile.kind {
        Kind::Csv | Kind::Fixed => profile.profile.skip_lines,
        Kind::Xml => 0,
    };
    let text = CleanText::new(file.take(look.end - look.start), look.charset, to_skip, quotes);
    Ok(text.with_comments(profile.profile.comment.as_deref()))
}

fn find_delimiter(
    profile: &CheckedProfile,
    roles: &Roles<Column>,
    file: &mut File,
    look: &FirstLook,
) -> Result<u8, Stop> {
    let mut sample = Vec::new();
    clean_text(profile, file, look, None)?.take(SAMPLE).read_to_end(&mut sample)?;
    if sample.len() as u64 == SAMPLE {
        // The last record is cut; it must not count as an odd one.
        sample.truncate(sample.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1));
    }
    let text = std::str::from_utf8(&sample).unwrap_or_default();
    profile.found_delimiter(roles, text).ok_or_else(|| {
        let text = "it is not clear which character separates the fields (, ; tab | ~), or the named columns are missing; set delimiter in the profile";
        rejection("ambiguous_format", None, text)
    })
}

#[cfg(test)]
#[path = "stock_export_tests.rs"]
mod tests;
