//! The stock profile: what a till's stock exports look like, as data.
//!
//! Promises: the whole vocabulary reads from TOML and JSON, and unknown keys are refused. What this version cannot
//! follow yet (fixed width, XML, record types, trailers, branches, deltas) still reads, and is refused by
//! [`StockProfile::check`] with the key's name: never half followed.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

pub use super::profile_words::{Column, Delimiter, IgnoreRow, Quote};
use crate::domain::stock::Scope;
use crate::ports::Duplicates;

/// Row errors above this share of the rows reject the file, in percent.
pub const ROW_ERROR_LIMIT_PERCENT: u32 = 5;
/// Row errors above this number reject the file, whatever their share.
pub const ROW_ERROR_LIMIT: u64 = 200;
/// Largest magnitude of a believable count, in thousandths of a unit: 9999999.999.
const LARGEST_COUNT_THOUSANDTHS: i64 = 9_999_999_999;

/// Defines a closed set of words, the first one being the default.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $(#[$first_doc:meta])* $first:ident, $($(#[$rest_doc:meta])* $rest:ident $(= $word:literal)?),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $(#[$first_doc])* #[default] $first, $($(#[$rest_doc])* $(#[serde(rename = $word)])? $rest),* }
    };
}

words!(
    /// Record structure.
    Kind { /// Separated fields.
        Csv, /// Fixed width.
        Fixed, /// XML.
        Xml }
);
words!(
    /// Character encoding. A byte order mark always wins.
    Encoding { /// Byte order mark, else valid UTF-8, else UTF-16 by its zero bytes, else Windows-1252.
        Auto, /// UTF-8.
        Utf8 = "utf-8", /// UTF-16, low byte first.
        Utf16Le = "utf-16le", /// UTF-16, high byte first.
        Utf16Be = "utf-16be", /// Western European Windows.
        Windows1252 = "windows-1252", /// ISO Latin 1.
        Iso88591 = "iso-8859-1", /// Western European DOS.
        Cp850 = "cp850", /// US DOS.
        Cp437 = "cp437" }
);
words!(
    /// Where the column names stand.
    Header { /// Found out: where the names stand, or whether the first row is one of data; not clear rejects the file.
        Auto, /// In the first row.
        FirstRow, /// Nowhere.
        None, /// In the first row that has both names; what stands above is skipped.
        FindByNames }
);
words!(
    /// How numbers in `columns` count; informative.
    ColumnNumbers { /// From 1.
        #[serde(rename = "from-1")]
        From1, /// From 1, last one included.
        From1Inclusive = "from-1-inclusive" }
);
words!(
    /// How a negative count may be written.
    Negative { /// `-5`.
        LeadingMinus, /// `5-`.
        TrailingMinus, /// `(5)`.
        Parentheses, /// `5 CR`.
        CrDr }
);
words!(
    /// What an empty count means.
    BlankQuantity { /// An error.
        RowError, /// None in stock.
        Zero }
);
words!(
    /// What an SKU like `5.01E+12` means: a spreadsheet has damaged it.
    SkuScientific { /// An error.
        RowError, /// The SKU, if it was quoted.
        AcceptIfQuoted }
);
words!(
    /// What `="0012"` and `'0012` mean.
    SpreadsheetTextGuard { /// Themselves.
        Keep, /// 0012.
        Strip }
);
words!(
    /// How many fields a row must have.
    FieldCount { /// As many as expected; further ones must be empty.
        ExactOrTrailingEmpty, }
);
words!(
    /// What blank lines mean.
    BlankLines { /// Nothing.
        Ignore, }
);
words!(
    /// May the last record lack its line end?
    FinalNewline { /// Yes.
        Optional, /// No: it is a truncated one.
        Required }
);
words!(
    /// What a delta row does.
    Action { /// Sets the count.
        Set, /// Takes the item away.
        Delete }
);

/// What a till's stock exports look like.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StockProfile {
    /// Record structure.
    pub kind: Kind,
    /// Character encoding.
    pub encoding: Encoding,
    /// What separates fields.
    pub delimiter: Delimiter,
    /// The quotation mark.
    pub quote: Quote,
    /// Where the column names stand.
    pub header: Header,
    /// Lines to skip at the top.
    pub skip_lines: u64,
    /// Lines that start like this are comments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Where SKU and quantity stand.
    pub columns: Columns,
    /// How column numbers count.
    pub column_numbers: ColumnNumbers,
    /// Path of a record in XML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_path: Option<String>,
    /// Marks of header, detail and trailer records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_types: Option<RecordTypes>,
    /// The decimal mark: `.` or `,`.
    pub decimal: DecimalMark,
    /// The thousands mark: none, `,`, `.` or a space.
    pub thousands: String,
    /// Decimal places that the number does not show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub implied_decimals: Option<u32>,
    /// How a negative count may be written.
    pub negative: Negatives,
    /// Smallest and largest believable count.
    pub quantity_range: QuantityRange,
    /// What an empty count means.
    pub blank_quantity: BlankQuantity,
    /// Are spaces around fields removed?
    pub trim: Trim,
    /// What an SKU like `5.01E+12` means.
    pub sku_scientific: SkuScientific,
    /// What `="0012"` means.
    pub spreadsheet_text_guard: SpreadsheetTextGuard,
    /// How strict the number of fields is.
    pub field_count: FieldCount,
    /// How many fields a row has; without it the header or the first row tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_fields: Option<usize>,
    /// What blank lines mean.
    pub blank_lines: BlankLines,
    /// Rows that are no data.
    pub ignore_rows: Vec<IgnoreRow>,
    /// The line that must close the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_marker: Option<String>,
    /// May the last record lack its line end?
    pub final_newline: FinalNewline,
    /// What two rows of one SKU mean.
    pub duplicates: Duplicates,
    /// Which branch's rows count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<Branch>,
    /// All items or only changes?
    pub export: Scope,
    /// What the words in the action column do.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub actions: BTreeMap<String, Action>,
    /// Proof of completeness in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trailer: Option<Trailer>,
    /// Proof of completeness beside the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completeness: Option<Completeness>,
    /// Row errors above this share reject the file, in percent.
    pub row_error_limit_percent: RowErrorLimit,
    /// When the export began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOf>,
    /// Which number the till gave the export.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<ExportNumber>,
    /// Keys that a person has yet to decide about. A profile with any is refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<String>,
}

/// Where the values stand in a record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// The SKU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<Column>,
    /// The quantity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Column>,
    /// The branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<Column>,
    /// The delta action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Column>,
    /// The order of delta rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<Column>,
    /// When the export began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Column>,
}

/// Marks of record kinds: the first field, or the first characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordTypes {
    /// Opens the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// One item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Closes the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trailer: Option<String>,
}

/// Which branch's rows count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Branch {
    /// Rows of these branches.
    Only {
        /// Their codes, as text.
        codes: Vec<String>,
    },
    /// All columns in the list, added.
    SumOfColumns {},
}

/// Proof of completeness in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trailer {
    /// Must there be one?
    pub required: bool,
    /// Field with the number of records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count_column: Option<Column>,
    /// Field with the sum of the quantities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sum_column: Option<Column>,
    /// The same in fixed width.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count_at: Option<Column>,
    /// The same in fixed width.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sum_at: Option<Column>,
    /// The same in XML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count_attribute: Option<String>,
}

/// Proof of completeness beside the file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Completeness {
    /// File of keys and values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_file: Option<String>,
    /// Its key of the MD5 sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub md5_key: Option<String>,
    /// Its key of the sum of quantities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sum_key: Option<String>,
    /// Its key of the number of records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count_key: Option<String>,
    /// Empty file that says that the export is whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker_file: Option<String>,
}

/// When the export began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AsOf {
    /// Who tells.
    pub from: AsOfFrom,
    /// How it is written (`stock_%Y%m%d_%H%M%S.csv`; a `*` at either end stands for any text).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

/// Which number the till gave the export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportNumber {
    /// Who tells.
    pub from: NumberFrom,
    /// Where it stands: `#` is the number, a `*` at either end any text (`STK_*_#.dat`).
    pub pattern: String,
}

words!(
    /// Who tells the export's number.
    NumberFrom { /// The file's name.
        Name, /// Its header: header record, lines above the table, root element of XML, control file.
        Header }
);
words!(
    /// Who tells when the export began.
    AsOfFrom { /// Our own first sight of the file.
        FirstSeen, /// Its name.
        Name, /// Its header: header record, lines above the table, root element of XML, control file.
        Header }
);

/// The decimal mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DecimalMark {
    /// `1.5`
    #[default]
    #[serde(rename = ".")]
    Point,
    /// `1,5`
    #[serde(rename = ",")]
    Comma,
}

/// Sign styles in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Negatives(pub Vec<Negative>);

impl Default for Negatives {
    fn default() -> Self {
        Self(vec![Negative::LeadingMinus])
    }
}

/// Smallest and largest believable count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QuantityRange(pub [Decimal; 2]);

impl Default for QuantityRange {
    fn default() -> Self {
        let largest = Decimal::new(LARGEST_COUNT_THOUSANDTHS, 3);
        Self([-largest, largest])
    }
}

/// Are spaces around fields removed?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Trim(pub bool);

impl Default for Trim {
    fn default() -> Self {
        Self(true)
    }
}

/// Largest share of row errors, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RowErrorLimit(pub u32);

impl Default for RowErrorLimit {
    fn default() -> Self {
        Self(ROW_ERROR_LIMIT_PERCENT)
    }
}
