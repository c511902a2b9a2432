//! The three edges of the agent: time, the till, the web store.
//!
//! Promises: everything that the reconcilers need from outside passes through here, with failures already classified.
//! Production, the demo and the tests differ only in what stands behind these traits.

use std::fmt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::reconcile::StockModel;
use crate::domain::retry::FailureClass;
use crate::domain::stock::{Counted, Timing};
use crate::domain::{OrderId, Quantity, Sku, WebOrder};

/// Wall-clock time.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> Timestamp;
}

// ---------------------------------------------------------------------------------------------------------- the till

/// The till system, as far as files go. Calls block; callers run them off the async threads.
pub trait Epos: Send + Sync {
    /// Looks at the export folder once. `now` is the time of the look.
    ///
    /// # Errors
    /// When the folder could not be listed: then nothing is known, and nothing may be concluded.
    fn look_for_exports(&self, now: Timestamp) -> Result<ExportLook, EposError>;

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

    /// The bytes and the name of the order file of `order`. `copy` is 1 for the first file, 2 when asked for again.
    ///
    /// # Errors
    /// `Permanent` when the order cannot be written (a line without SKU, no lines).
    fn render(&self, order: &WebOrder, copy: u32) -> Result<OrderFile, EposError>;

    /// Makes an order file durable where the till does not look. Doing it again is harmless.
    ///
    /// # Errors
    /// When it is not known to be on the disk.
    fn stage(&self, file: &OrderFile) -> Result<(), EposError>;

    /// Makes a staged file visible to the till in one step: whole, durable, never replacing another.
    ///
    /// # Errors
    /// When nothing became visible: no access, or another file has that name already.
    fn reveal(&self, name: &str) -> Result<Revealed, EposError>;

    /// Takes a published file away from the till again, in one atomic step.
    ///
    /// # Errors
    /// When it is unknown whether the till still has it.
    fn withdraw(&self, name: &str) -> Result<Withdrawal, EposError>;

    /// Looks once at the folders that tell what became of published files.
    ///
    /// # Errors
    /// When a folder could not be listed, or is not the folder that it was: then nothing is known.
    fn look_at_orders(&self, names: &[String]) -> Result<Vec<Sighting>, EposError>;
}

/// Takes one row of an export: SKU, count and line.
pub type RowSink<'a> = dyn FnMut(&str, Counted) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + 'a;

/// What one look at the export folder found.
#[derive(Debug, Clone, Default)]
pub struct ExportLook {
    /// Files that have stopped changing, oldest first.
    pub settled: Vec<SettledExport>,
    /// Names of files that are still changing, locked or empty, with the reason to show.
    pub unsettled: Vec<(String, String)>,
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
}

impl SettledExport {
    /// Name, length and modification time: enough to know a file again that was left lying.
    pub fn identity(&self) -> String {
        let modified = self.timing.modified.map_or(0, Timestamp::as_nanosecond);
        format!("{}\u{1f}{}\u{1f}{modified}", self.name, self.bytes)
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
pub struct ReadSummary {
    /// Data records in the file.
    pub rows: u64,
    /// Rows that could not be used.
    pub row_errors: Vec<RowError>,
    /// Row errors beyond those listed.
    pub more_row_errors: u64,
    /// What two rows of one SKU mean.
    pub duplicates: Duplicates,
    /// When the export began, if the file says so itself.
    pub declared: Option<Timestamp>,
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

/// An order file, ready to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFile {
    /// Its name, without folder.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Units of each SKU in it.
    pub units: Vec<(Sku, Quantity)>,
    /// Remarks for a person (characters that the till's code page lacks).
    pub warnings: Vec<String>,
}

/// How a file became visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revealed {
    /// Just now.
    Now,
    /// A file of that name with the same bytes lay there already.
    Already,
    /// It is not in staging: it was revealed before (and the till may have taken it since).
    Before,
}

/// What became of taking a file away again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withdrawal {
    /// The till can no longer see it.
    Withdrawn,
    /// It was not there any more: the till may have it.
    Gone,
}

/// Where a published file is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The file's name.
    pub name: String,
    /// What its whereabouts say.
    pub sign: Sign,
}

/// What the whereabouts of an order file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Still in the import folder.
    Waiting,
    /// In the rejects folder.
    Rejected,
    /// In the folder for what the till has done: taken.
    MovedToDone,
    /// In none of them.
    Gone,
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

// --------------------------------------------------------------------------------------------------- the web store

/// The central web store. One adapter per make; each knows its store's arithmetic, limits and quirks.
#[async_trait]
pub trait CentralStore: Send + Sync {
    /// What kind of store it turned out to be. Asked once, and again after failures.
    ///
    /// # Errors
    /// When the store cannot be reached, or refuses us.
    async fn probe(&self) -> Result<StoreFacts, StoreError>;

    /// The orders that changed since `cursor`, oldest change first. Reading consumes nothing; orders may come again.
    ///
    /// # Errors
    /// When the page could not be read whole. The cursor then stays where it was.
    async fn orders(&self, cursor: Option<&FeedCursor>) -> Result<OrderPage, StoreError>;

    /// What the store knows of these SKUs, and what it holds of each at this shop.
    ///
    /// # Errors
    /// When they could not all be read.
    async fn holdings(&self, skus: &[Sku]) -> Result<Vec<Holding>, StoreError>;

    /// Writes quantities. Absolute; repeating it is harmless as long as the quantities are still right.
    ///
    /// # Errors
    /// When it is not known that all of them were stored.
    async fn write_stock(&self, batch: &StockBatch) -> Result<Vec<Written>, StoreError>;

    /// Tells the store how far an order has come. Repeating it does not say it twice.
    ///
    /// # Errors
    /// When it is not known that the store took note.
    async fn acknowledge(&self, acknowledgement: &Acknowledgement) -> Result<(), StoreError>;

    /// Most SKUs in one write that the store has shown to take.
    fn batch_size(&self) -> usize;

    /// Tries everything that the agent will need, one line each.
    async fn check(&self) -> Vec<CheckLine>;
}

/// What kind of store it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFacts {
    /// How it keeps its books.
    pub model: StockModel,
    /// Its clock, from the `Date` header, when it sends one.
    pub clock: Option<Timestamp>,
    /// What it is, to show (`Magento with MSI, source shop1`).
    pub shown: String,
}

/// Where the reading of the order feed has come to; its meaning is the adapter's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FeedCursor(pub String);

/// One page of the order feed.
#[derive(Debug, Clone)]
pub struct OrderPage {
    /// The orders, as they are now.
    pub orders: Vec<WebOrder>,
    /// Orders that could not be understood: number or key, and what is wrong.
    pub unreadable: Vec<(String, String)>,
    /// Where the next page begins.
    pub next: FeedCursor,
    /// Is there more right now?
    pub more: bool,
}

/// What the store holds of a SKU at this shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The SKU, as asked.
    pub sku: Sku,
    /// What it is to the store.
    pub kind: HoldingKind,
}

/// What a SKU is to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldingKind {
    /// It keeps this quantity (`None`: sellable, but never counted at this shop).
    Kept(Option<Quantity>, Option<StockVersion>),
    /// It has no such SKU.
    Unknown,
    /// It has it, but keeps no quantity of it; the reason says why (a configurable parent, a bundle).
    NotKept(String),
}

/// The store's version mark of a quantity, for compare-and-set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StockVersion(pub String);

/// Quantities to write in one request.
#[derive(Debug, Clone)]
pub struct StockBatch {
    /// What to write.
    pub items: Vec<StockItem>,
    /// Which export they come from.
    pub snapshot: String,
    /// When that export was made.
    pub as_of: Timestamp,
    /// Store keys of the orders counted in the quantities.
    pub orders_included: Vec<OrderId>,
}

/// One quantity to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockItem {
    /// Of what.
    pub sku: Sku,
    /// How many (`W`).
    pub quantity: Quantity,
    /// Only if the store still has this version.
    pub if_version: Option<StockVersion>,
}

/// What became of one quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Of what.
    pub sku: Sku,
    /// What became of it.
    pub outcome: WriteOutcome,
}

/// What became of one quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteOutcome {
    /// Stored, as this quantity.
    Stored(Quantity),
    /// Someone else changed it meanwhile; compute again.
    Conflict,
    /// The store has no such SKU.
    Unknown,
    /// The store will not take it; the reason says why.
    Refused(String),
}

/// How far an order has come, for the store to note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// The store's key.
    pub order: OrderId,
    /// The number to show.
    pub number: String,
    /// How far.
    pub stage: Stage,
    /// The till's file name or answer.
    pub reference: String,
    /// When.
    pub at: Timestamp,
    /// The same for every repetition, different for every other message.
    pub idempotency_key: String,
}

/// How far an order has come, in the store's eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The till took it.
    Consumed,
    /// The till refused it.
    Rejected,
}

/// One line of `tillbridge check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckLine {
    /// What was tried.
    pub what: String,
    /// Did it work?
    pub ok: bool,
    /// What was found; when it did not work, what to do.
    pub found: String,
}

/// A failure on the store's side, classified where it was known.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StoreError {
    /// What was attempted and what the store answered, with the remedy.
    pub what: String,
    /// Will it pass?
    pub class: FailureClass,
    /// The pause that the store asked for.
    pub retry_after: Option<SignedDuration>,
    /// May the request have been carried out all the same? (The answer was lost, not the request.)
    pub maybe_done: bool,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}
