//! The order profile: what a till's order files look like, as data.
//!
//! Promises: unknown keys and unknown values are refused; the default is a file that most tills can map: one line
//! per item, header, comma, CRLF, UTF-8. What cannot work is told by `order_check`.

use serde::{Deserialize, Deserializer, Serialize, de};

pub use super::order_column::{Align, OrderColumn, OrderValue, TooLong, Unmapped};
use crate::units::Span;

/// Name of an order file.
pub const NAME: &str = "order_{number}.csv";
/// Name of a cancellation file.
pub const CANCELLATION_NAME: &str = "cancel_{number}.csv";
/// How dates are written.
pub const DATE_FORMAT: &str = "%Y-%m-%d";
/// Time zone of dates.
pub const TIME_ZONE: &str = "UTC";
/// What stands for a character that a value must not have.
pub const REPLACE_WITH: char = ' ';

/// What order files look like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrderProfile {
    /// Name of a file, with `{number}`, `{id}`, `{date}`, `{sequence}` and `{sequence:4}`.
    pub name: String,
    /// Record structure.
    pub kind: OrderKind,
    /// Does the first line have the columns' names? (Where `columns` are the file; never with records or XML.)
    pub header: bool,
    /// What separates the fields.
    pub delimiter: char,
    /// When fields are quoted.
    pub quote: QuoteFields,
    /// What stands in values for line ends and control characters and, where nothing is quoted, for delimiters and
    /// quotation marks.
    pub replace_with: char,
    /// How lines end.
    pub line_end: LineEnd,
    /// Character encoding.
    pub encoding: OrderEncoding,
    /// What becomes of characters that the encoding lacks.
    pub unknown_characters: UnknownCharacters,
    /// The columns, in order; in XML, the fields that the template names.
    pub columns: Vec<OrderColumn>,
    /// The records, in order, where there are several kinds of them; they stand instead of `columns`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<OrderRecord>,
    /// XML: the file, with `{{FIELD}}` for values and `{{#lines}}` … `{{/lines}}` around what each line repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Shipping as one more line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipping_line: Option<ExtraLine>,
    /// Discounts as one more line, with a negative price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount_line: Option<ExtraLine>,
    /// How dates are written, in `strftime` words.
    pub date_format: String,
    /// IANA time zone of dates.
    pub time_zone: String,
    /// A second file with the lines, for tills that want them apart; `columns` are then written once for each order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines_file: Option<LinesFile>,
    /// A file that tells the till to begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// Several orders in one file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchRule>,
    /// The decimal mark, `.` or `,`.
    pub decimal: char,
    /// Are texts that a spreadsheet would compute (`=1+2`) made harmless with an apostrophe?
    pub formula_guard: bool,
}

impl Default for OrderProfile {
    fn default() -> Self {
        Self {
            name: NAME.to_owned(),
            kind: OrderKind::default(),
            header: true,
            delimiter: ',',
            quote: QuoteFields::Needed,
            replace_with: REPLACE_WITH,
            line_end: LineEnd::Crlf,
            encoding: OrderEncoding::Utf8,
            unknown_characters: UnknownCharacters::default(),
            columns: default_columns(),
            records: Vec::new(),
            template: None,
            shipping_line: None,
            discount_line: None,
            date_format: DATE_FORMAT.to_owned(),
            time_zone: TIME_ZONE.to_owned(),
            lines_file: None,
            trigger: None,
            batch: None,
            decimal: '.',
            formula_guard: false,
        }
    }
}

impl OrderProfile {
    /// The default for cancellation files: as for orders, under another name, and the units with the other sign.
    pub fn of_cancellations() -> Self {
        let mut columns = default_columns();
        for column in columns.iter_mut().filter(|column| column.value == OrderValue::LineQuantity) {
            column.negate = true;
        }
        Self { name: CANCELLATION_NAME.to_owned(), columns, ..Self::default() }
    }
}

/// Reads a profile of cancellation files, which has defaults of its own.
pub(super) fn cancellation_profile<'de, D: Deserializer<'de>>(from: D) -> Result<Option<OrderProfile>, D::Error> {
    let table = toml::Table::deserialize(from)?;
    let given = |key: &str| table.contains_key(key);
    let (has_name, has_columns) = (given("name"), given("columns") || given("records"));
    let mut profile = OrderProfile::deserialize(table).map_err(de::Error::custom)?;
    let defaults = OrderProfile::of_cancellations();
    if !has_name {
        profile.name = defaults.name;
    }
    if !has_columns {
        profile.columns = defaults.columns;
    }
    Ok(Some(profile))
}

/// Record structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderKind {
    /// Separated fields.
    #[default]
    Csv,
    /// Each field in its span of characters.
    Fixed,
    /// XML by template.
    Xml,
}

/// One kind of record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderRecord {
    /// For what it is written.
    pub per: Per,
    /// Its fields, in order.
    pub columns: Vec<OrderColumn>,
}

/// For what a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// Once in the file, whatever the number of orders in it: its head and its trailer.
    File,
    /// Once for each order.
    Order,
    /// For each line. Kinds that follow each other take turns: all of the first line, then all of the second.
    Line,
}

/// A second file, with the lines; written in the same way as the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinesFile {
    /// Its name, with the placeholders of the first file's and `{stem}` (the first file's name without its ending).
    pub name: String,
    /// Does the first line have the columns' names? (Never with records.)
    #[serde(default = "yes")]
    pub header: bool,
    /// The columns, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<OrderColumn>,
    /// The records, where there are several kinds of them; they stand instead of `columns`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<OrderRecord>,
}

const fn yes() -> bool {
    true
}

/// A file that tells the till to begin, written last. What becomes of it proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// Its name: `{name}.complete`, `{stem}.done`, or always the same one.
    pub name: String,
    /// What stands in it, with the placeholders of names.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content: String,
}

/// Several orders in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchRule {
    /// Orders in one file at most.
    pub most_orders: usize,
    /// How long an order waits for others, so that they are written together; 0: not at all.
    #[serde(default = "no_wait")]
    pub wait_at_most: Span,
}

/// Orders of a batch do not wait for each other.
pub const BATCH_WAIT: Span = Span::seconds(0);

const fn no_wait() -> Span {
    BATCH_WAIT
}

/// A line that the web store does not have as one: shipping, or all discounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtraLine {
    /// The till's code for it.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// Its tax rate in percent; needed where a column holds a price without tax, or the rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_percent: Option<rust_decimal::Decimal>,
}

/// When fields are quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuoteFields {
    /// Every field.
    Always,
    /// Where delimiter or quotation mark stand in them.
    Needed,
    /// Never: delimiter and quotation mark in values become `replace_with`.
    Never,
}

/// How lines end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineEnd {
    /// As on Windows.
    Crlf,
    /// As elsewhere.
    Lf,
}

/// Character encoding of an order file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderEncoding {
    /// UTF-8, without byte order mark.
    #[serde(rename = "utf-8")]
    Utf8,
    /// Western European Windows.
    #[serde(rename = "windows-1252")]
    Windows1252,
    /// ISO Latin 1.
    #[serde(rename = "iso-8859-1")]
    Iso88591,
    /// Western European DOS.
    #[serde(rename = "cp850")]
    Cp850,
    /// US DOS.
    #[serde(rename = "cp437")]
    Cp437,
    /// English letters only.
    #[serde(rename = "ascii")]
    Ascii,
}

/// What becomes of characters that the encoding lacks. In XML they are written as references, and nothing is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownCharacters {
    /// `?`, reported.
    #[default]
    QuestionMark,
    /// The nearest letters that it has (é as e), reported; `?` where there are none.
    Transliterate,
    /// The order is not written, and a person is told.
    Refuse,
}

fn default_columns() -> Vec<OrderColumn> {
    use OrderValue as V;
    let columns = [
        ("OrderNo", V::OrderNumber),
        ("Date", V::OrderDate),
        ("Payment", V::OrderPayment),
        ("Email", V::CustomerEmail),
        ("Name", V::CustomerName),
        ("Company", V::CustomerCompany),
        ("Address", V::CustomerStreet),
        ("Town", V::CustomerCity),
        ("County", V::CustomerRegion),
        ("Postcode", V::CustomerPostcode),
        ("Country", V::CustomerCountry),
        ("Telephone", V::CustomerTelephone),
        ("SKU", V::LineSku),
        ("Description", V::LineName),
        ("Qty", V::LineQuantity),
        ("PriceIncTax", V::LinePriceInclTax),
    ];
    columns.map(|(name, value)| OrderColumn::new(name, value)).to_vec()
}
