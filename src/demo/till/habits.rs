//! The habits of a simulated till: how it reads, what it does with what it has read, and how it writes.
//!
//! Promises: plain values; the default is a till that reads CSV, deletes what it has read, and writes whole exports.

use std::collections::BTreeSet;

/// What the till does with an order file that it has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AfterImport {
    /// Deletes it.
    #[default]
    Delete,
    /// Moves it to the folder for what it has done.
    MoveToDone,
    /// Puts this behind its name.
    Rename(&'static str),
    /// Leaves it, and remembers its name.
    Leave,
}

/// What the till does with an order file of which it refuses everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AfterRefusal {
    /// Moves it to the folder for what it refuses.
    #[default]
    MoveToRejects,
    /// Puts this behind its name.
    Rename(&'static str),
    /// The same as with one that it imported.
    AsImported,
}

/// How the till writes its stock export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExportStyle {
    /// Under another name first, then renamed.
    #[default]
    Renamed,
    /// In pieces under its own name: [`super::SimulatedTill::write_piece`] writes the next.
    InPieces,
}

/// The columns by which the till reads order files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// The order's number.
    pub number: String,
    /// SKU.
    pub sku: String,
    /// Units.
    pub quantity: String,
    /// Between the columns.
    pub delimiter: u8,
}

impl Default for Columns {
    fn default() -> Self {
        Self { number: "OrderNo".into(), sku: "SKU".into(), quantity: "Qty".into(), delimiter: b',' }
    }
}

/// The till's settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Habits {
    /// Column names of order files.
    pub columns: Columns,
    /// What becomes of read order files.
    pub after_import: AfterImport,
    /// How exports are written.
    pub export_style: ExportStyle,
    /// What becomes of order files that it refuses.
    pub after_refusal: AfterRefusal,
    /// Numbers of orders that it refuses.
    pub refused: BTreeSet<String>,
    /// Numbers of orders of which it books only the first line.
    pub in_part: BTreeSet<String>,
    /// Does it write an answer file (`order_1.rsp`) beside each order file?
    pub answers: bool,
    /// Does it write what it did into `import.log` in the folder `log`?
    pub log: bool,
    /// Refuse orders with SKUs that the till does not have? (Else they are booked below zero.)
    pub reject_unknown: bool,
    /// Most files in one import run; the rest wait. A slow till takes one at a time.
    pub files_per_import: Option<usize>,
    /// Ending of the order files that it looks at.
    pub ending: String,
    /// Where header and lines come apart: what the name of the file with the lines has instead of that ending
    /// (`_lines.csv`).
    pub lines_ending: Option<String>,
    /// What the name of the file that tells it to begin has instead of that ending (`.done`); without it the till waits.
    pub trigger_ending: Option<String>,
}
