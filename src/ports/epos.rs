//! The till's edge: exports in, order files out, and what became of them.
//!
//! Promises: a failure says whether it will pass; a look that failed is an error, never an empty list.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::folders::{Pace, Unsettled};
use super::order_files::{
    Awaited, Earlier, FileNames, Marks, OrderFile, Purpose, Revealed, Sighting, ToWrite, Withdrawal,
};
use crate::domain::Quantity;
use crate::domain::retry::FailureClass;
use crate::domain::stock::{Scope, Sequence, Timing};

/// The till system, as far as files go. Calls block; callers run them off the async threads.
pub trait Epos: Send + Sync {
    /// Looks at the export folder once. `now` is the time of the look.
    ///
    /// # Errors
    /// When the folder could not be listed: then nothing is known, and nothing may be concluded.
    fn look_for_exports(&self, now: Timestamp) -> Result<ExportLook, EposError>;

    /// The latest time at which no export that is still to be dealt with was in the folder; after a restart it bounds
    /// the age of what appeared meanwhile. `None` when nothing is known yet.
    fn last_look(&self) -> Option<Timestamp>;

    /// How often to look, and how much stillness to ask for: as the last look found the folders. Does not touch them.
    fn pace(&self) -> Pace;

    /// What the export of this name is, as far as that can be told before it is read.
    fn kind_of_export(&self, name: &str) -> ExportKind;

    /// This export has been dealt with, in this run or an earlier one: it is not reported again until it changes.
    fn set_aside(&self, export: &SettledExport);

    /// Copies a settled export into the private spool while hashing it, and makes sure that it did not change
    /// meanwhile.
    ///
    /// # Errors
    /// `Transient` when the file is locked, changed or vanished: look again later.
    fn take(&self, export: &SettledExport) -> Result<SpooledExport, EposError>;

    /// Reads a spooled export by the profile, row by row. Memory does not grow with the number of rows.
    ///
    /// Rows are given as the file has them; whoever collects them settles duplicates by [`ReadSummary::duplicates`].
    ///
    /// # Errors
    /// [`ReadError::Rejected`] when the file as a whole cannot be believed; [`ReadError::Sink`] when `sink` failed.
    fn read(&self, spooled: &Path, name: &str, sink: &mut RowSink<'_>) -> Result<ReadSummary, ReadError>;

    /// Puts the private copy where it belongs, and the till's own file too where the configuration says so.
    ///
    /// # Errors
    /// When a file could not be moved. Doing it again is harmless.
    fn finish(&self, export: &SpooledExport, fate: ExportFate, now: Timestamp) -> Result<(), EposError>;

    /// The file of these orders: one order, or several where [`Epos::batch_of`] says so. `sequence` is its running number,
    /// for names that have one.
    ///
    /// # Errors
    /// `Permanent` when an order cannot be written (no lines, a value that the till cannot take); it names order, line
    /// and field.
    fn render(&self, purpose: Purpose, orders: &[ToWrite<'_>], sequence: u64) -> Result<OrderFile, EposError>;

    /// How many orders at most are written into one file.
    fn batch_of(&self) -> usize;

    /// How long an order waits for others, so that they are written into one file.
    fn batch_wait(&self) -> Duration;

    /// Can the till be told to take back what it has booked?
    fn takes_cancellations(&self) -> bool;

    /// How far the till's reports and logs are now; empty where the till's own words are no evidence.
    ///
    /// # Errors
    /// When one could not be looked at.
    fn marks(&self) -> Result<Marks, EposError>;

    /// Looks for a file of this name in the till's folders, before it is staged for the first time.
    ///
    /// # Errors
    /// When a folder could not be listed; `Permanent` when a file with other content has the name.
    fn compare(&self, file: &OrderFile) -> Result<Earlier, EposError>;

    /// The names of files that are ready to be shown, of whatever order.
    ///
    /// # Errors
    /// When the folder could not be listed, or is not the folder that it was: then nothing is known.
    fn staged(&self) -> Result<Vec<String>, EposError>;

    /// Removes what is ready to be shown of these names, for good. For files that were never shown, or that the till has.
    ///
    /// # Errors
    /// When something of it stays. Doing it again is harmless.
    fn discard(&self, names: &FileNames) -> Result<(), EposError>;

    /// Does something else than the file with this SHA-256 (64 hex digits) lie in the import folder under its name?
    ///
    /// # Errors
    /// When it could not be read.
    fn has_other(&self, name: &str, sha256: &str) -> Result<bool, EposError>;

    /// Is what is ready to be shown under this name another file than the one with this SHA-256, or was it called off by a
    /// call of [`Epos::unstage`] that nobody remembers?
    ///
    /// # Errors
    /// When it could not be looked at.
    fn is_spoilt(&self, name: &str, sha256: &str) -> Result<bool, EposError>;

    /// Makes an order file, and what goes with it, durable where the till does not look. Doing it again is harmless.
    ///
    /// # Errors
    /// When it is not known to be on the disk.
    fn stage(&self, file: &OrderFile) -> Result<(), EposError>;

    /// Makes a staged file visible to the till in one step: whole, durable, never replacing another. Where several files
    /// go together each is one step; the till has what it needs when the last is there, and doing it again goes on.
    ///
    /// # Errors
    /// When not all became visible: no access, or another file has that name already.
    fn reveal(&self, names: &FileNames) -> Result<Revealed, EposError>;

    /// Removes a staged file for good, before the till could see it: `true`. `false`: it is not in staging, because it
    /// was revealed before. Doing it again gives the same answer.
    ///
    /// # Errors
    /// When it is unknown whether it is still in staging.
    fn unstage(&self, names: &FileNames) -> Result<bool, EposError>;

    /// Takes a published file away from the till again, in one atomic step. Where several files go together, the till
    /// must not have begun with any of them.
    ///
    /// # Errors
    /// When it is unknown whether the till still has it.
    fn withdraw(&self, names: &FileNames) -> Result<Withdrawal, EposError>;

    /// Ends a withdrawal that a crash cut off. `None`: there was none.
    ///
    /// # Errors
    /// As [`Epos::withdraw`].
    fn finish_withdrawal(&self, names: &FileNames) -> Result<Option<Withdrawal>, EposError>;

    /// Looks once at the folders, answers and reports that tell what became of published files. `now` is the time of the
    /// look.
    ///
    /// # Errors
    /// When a folder could not be listed or a report not be read, or when a folder is not the one that it was: then
    /// nothing is known.
    fn look_at_orders(&self, awaited: &[Awaited], now: Timestamp) -> Result<Vec<Sighting>, EposError>;
}

/// Takes one row of an export.
pub type RowSink<'a> = dyn FnMut(&ExportRow<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + 'a;

/// One row of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportRow<'r> {
    /// The item.
    pub sku: &'r str,
    /// What the row says of it.
    pub says: Says,
    /// Data record, from 1.
    pub row: u64,
    /// Physical line on which it starts, from 1.
    pub line: u64,
    /// Its place in the order of changes, where the export numbers them: the highest of an item's rows counts.
    pub ordinal: Option<u64>,
}

/// What a row says of its item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// So many units.
    Count(Quantity),
    /// The till has it no more (in an export of changes).
    Deleted,
}

/// What one look at the export folder found.
#[derive(Debug, Clone, Default)]
pub struct ExportLook {
    /// Files that have stopped changing and are still to be dealt with, oldest first.
    pub settled: Vec<SettledExport>,
    /// Files that cannot be read yet, or not at all.
    pub unsettled: Vec<Unsettled>,
    /// Exports that were read and should be deleted, and cannot be, with the reason to show.
    pub undeleted: Vec<(String, String)>,
}

/// A file that has stopped changing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledExport {
    /// Its name, without folder.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was made, as far as can be told before reading it.
    pub timing: Timing,
    /// The file beside it that proves it whole, where the profile asks for one.
    pub companion: Option<Companion>,
}

/// What an export is, before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportKind {
    /// How much of the stock it speaks of.
    pub scope: Scope,
    /// Does it tell inside when it began? Then its place in time is not sure before it is read.
    pub dates_itself: bool,
}

/// A control or marker file beside an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Companion {
    /// Its name, without folder.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its modification time.
    pub modified: Option<Timestamp>,
}

impl SettledExport {
    /// Name, length and modification time, the companion's too: enough to know a file again that was left lying.
    pub fn identity(&self) -> String {
        let time = |modified: Option<Timestamp>| modified.map_or(0, Timestamp::as_nanosecond);
        let own = format!("{}\u{1f}{}\u{1f}{}", self.name, self.bytes, time(self.timing.modified));
        match &self.companion {
            None => own,
            Some(beside) => format!("{own}\u{1f}{}\u{1f}{}", beside.bytes, time(beside.modified)),
        }
    }
}

/// A private copy of an export.
#[derive(Debug, Clone)]
pub struct SpooledExport {
    /// What was copied.
    pub source: SettledExport,
    /// Where the copy is.
    pub spooled: PathBuf,
    /// SHA-256 of the whole file, 64 hex digits.
    pub fingerprint: String,
}

/// A digest in lower-case hex digits, as fingerprints are written.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// What becomes of an export that has been dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFate<'a> {
    /// It was read; keep the copy in the archive.
    Archived,
    /// It cannot be believed; keep the copy in quarantine with this reason beside it.
    Quarantined {
        /// What is wrong and what to do, for a person.
        reason: &'a str,
    },
}

/// What a whole read came to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReadSummary {
    /// Data records in the file.
    pub rows: u64,
    /// Rows that could not be used.
    pub row_errors: Vec<RowError>,
    /// Row errors beyond those listed.
    pub more_row_errors: u64,
    /// What two rows of one SKU mean.
    pub duplicates: Duplicates,
    /// Smallest and largest believable count, for sums of several rows.
    pub quantity_range: Option<[Decimal; 2]>,
    /// Row errors above this share of the rows reject the export, in percent; those that only the taker of the rows
    /// finds (conflicts between rows) count as well.
    pub row_error_limit_percent: u32,
    /// How much of the stock the export speaks of.
    pub scope: Scope,
    /// When the export began, if the file says so itself and the profile believes it.
    pub declared: Option<Timestamp>,
    /// When the export began by its own words, in the till's local time.
    pub as_of: Option<DateTime>,
    /// The number that the till gave it.
    pub sequence: Option<Sequence>,
    /// Remarks for a person.
    pub warnings: Vec<String>,
}

/// What two rows of one SKU mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Duplicates {
    /// Equal rows are one row; rows that differ are all in error.
    #[default]
    IdenticalCollapseConflictRowError,
    /// The last one counts.
    LastInFile,
    /// They are added.
    Sum,
}

/// A row that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowError {
    /// Data record, from 1.
    pub row: u64,
    /// Physical line on which it starts, from 1.
    pub line: u64,
    /// Its SKU, when it has one.
    pub sku: Option<String>,
    /// The reason's word (`quantity_not_numeric`).
    pub reason: String,
    /// The reason for a person, with the text that is wrong.
    pub text: String,
}

/// Why an export as a whole was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be believed.
    #[error("{0}")]
    Rejected(Rejection),
    /// The spooled copy could not be read.
    #[error("cannot read {path}")]
    Io {
        /// The copy.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The taker of the rows failed.
    #[error("cannot keep the rows that were read")]
    Sink(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a file as a whole cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// The reason's word (`missing_column`).
    pub reason: String,
    /// Physical line, where one can be named.
    pub line: Option<u64>,
    /// The reason and the remedy for a person.
    pub text: String,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {} ({})", self.text, self.reason),
            None => write!(f, "{} ({})", self.text, self.reason),
        }
    }
}

/// A failure on the till's side.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct EposError {
    /// What was attempted, with the path, and what to do about it.
    pub what: String,
    /// Will it pass?
    pub class: FailureClass,
    /// The cause.
    #[source]
    pub source: Option<std::io::Error>,
}

impl EposError {
    /// Does another program hold the file? Then it concerns this one file and no other.
    pub fn is_held(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.kind() == std::io::ErrorKind::ResourceBusy)
    }
}
