//! The order profile: what a till's order files look like, as data.
//!
//! Promises: unknown keys and unknown values are refused; the default is a file that most tills can map: one line
//! per item, header, comma, CRLF, UTF-8.

use std::fmt;

use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Name of an order file.
pub const NAME: &str = "order_{number}.csv";
/// How dates are written.
pub const DATE_FORMAT: &str = "%Y-%m-%d";
/// Time zone of dates.
pub const TIME_ZONE: &str = "UTC";

/// What order files look like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrderProfile {
    /// Name of a file, with `{number}`, `{id}` and `{date}`.
    pub name: String,
    /// Does the first line have the columns' names?
    pub header: bool,
    /// What separates the fields.
    pub delimiter: char,
    /// When fields are quoted.
    pub quote: QuoteFields,
    /// How lines end.
    pub line_end: LineEnd,
    /// Character encoding.
    pub encoding: OrderEncoding,
    /// The columns, in order.
    pub columns: Vec<OrderColumn>,
    /// How dates are written, in `strftime` words.
    pub date_format: String,
    /// IANA time zone of dates.
    pub time_zone: String,
    /// The decimal mark, `.` or `,`.
    pub decimal: char,
    /// Are texts that a spreadsheet would compute (`=1+2`) made harmless with an apostrophe?
    pub formula_guard: bool,
}

impl Default for OrderProfile {
    fn default() -> Self {
        Self {
            name: NAME.to_owned(),
            header: true,
            delimiter: ',',
            quote: QuoteFields::Needed,
            line_end: LineEnd::Crlf,
            encoding: OrderEncoding::Utf8,
            columns: default_columns(),
            date_format: DATE_FORMAT.to_owned(),
            time_zone: TIME_ZONE.to_owned(),
            decimal: '.',
            formula_guard: false,
        }
    }
}

/// When fields are quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuoteFields {
    /// Every field.
    Always,
    /// Where delimiter or quotation mark stand in them.
    Needed,
    /// Never: delimiter and quotation mark in values become spaces.
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
}

/// One column of an order file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderColumn {
    /// Its name in the header.
    pub name: String,
    /// What it holds.
    pub value: OrderValue,
}

/// Declares the closed set of values with their words and whether they are free text.
macro_rules! values {
    ($($(#[$doc:meta])* $name:ident = $word:literal $text:literal),* $(,)?) => {
        /// What a column of an order file may hold.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum OrderValue { $($(#[$doc])* $name,)* /** The same text in every line. */ Constant(String) }

        impl OrderValue {
            /// Reads a word of the profile.
            fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$name),)* _ => None }
            }

            /// The word in the profile; a constant's is made by its `Display`.
            pub fn word(&self) -> &'static str {
                match self { $(Self::$name => $word,)* Self::Constant(_) => "constant" }
            }

            /// Is it free text, which a customer or the store may have written?
            pub(super) fn is_text(&self) -> bool {
                match self { $(Self::$name => $text,)* Self::Constant(_) => false }
            }
        }

        /// All words but `constant:TEXT`, to show.
        const WORDS: &[&str] = &[$($word),*];
    };
}

values! {
    /// Number that customer and staff use.
    OrderNumber = "order.number" true,
    /// The store's key.
    OrderId = "order.id" true,
    /// Date of placement.
    OrderDate = "order.date" false,
    /// The store's word for its state.
    OrderStatus = "order.status" true,
    /// Currency.
    OrderCurrency = "order.currency" true,
    /// What the customer pays in all.
    OrderTotal = "order.total" false,
    /// Shipping, tax included.
    OrderShippingTotal = "order.shipping_total" false,
    /// How it is paid.
    OrderPayment = "order.payment" true,
    /// How it is shipped.
    OrderShipping = "order.shipping" true,
    /// Number of lines in the file.
    OrderLineCount = "order.line_count" false,
    /// E-mail address.
    CustomerEmail = "customer.email" true,
    /// Full name.
    CustomerName = "customer.name" true,
    /// Company.
    CustomerCompany = "customer.company" true,
    /// Street.
    CustomerStreet = "customer.street" true,
    /// Town.
    CustomerCity = "customer.city" true,
    /// County or state.
    CustomerRegion = "customer.region" true,
    /// Postcode.
    CustomerPostcode = "customer.postcode" true,
    /// Country code.
    CustomerCountry = "customer.country" true,
    /// Telephone.
    CustomerTelephone = "customer.telephone" true,
    /// Number of the line in the file, from 1.
    LineNumber = "line.number" false,
    /// SKU.
    LineSku = "line.sku" true,
    /// Name of the item.
    LineName = "line.name" true,
    /// Units to book: ordered, less cancelled, less returned.
    LineQuantity = "line.quantity" false,
    /// Unit price without tax.
    LinePrice = "line.price" false,
    /// Unit price with tax.
    LinePriceInclTax = "line.price_incl_tax" false,
    /// Tax rate in percent.
    LineTaxPercent = "line.tax_percent" false,
    /// Discount on the line as ordered.
    LineDiscount = "line.discount" false,
    /// Unit price with tax times the units to book.
    LineTotalInclTax = "line.total_incl_tax" false,
}

const CONSTANT: &str = "constant:";

impl fmt::Display for OrderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(text) => write!(f, "{CONSTANT}{text}"),
            other => f.write_str(other.word()),
        }
    }
}

impl Serialize for OrderValue {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OrderValue {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if let Some(constant) = text.strip_prefix(CONSTANT) {
            return Ok(Self::Constant(constant.to_owned()));
        }
        Self::from_word(&text).ok_or_else(|| {
            de::Error::custom(format!("value {text:?} is none of {} or constant:TEXT", WORDS.join(", ")))
        })
    }
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
    columns.map(|(name, value)| OrderColumn { name: name.to_owned(), value }).to_vec()
}

impl OrderProfile {
    /// A name as order files will have it, to compare patterns with.
    pub(super) fn sample_name(&self) -> String {
        self.name.replace("{number}", "1").replace("{id}", "1").replace("{date}", "20260101")
    }

    /// What is wrong with it, as sentences that name the key.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut found = self.name_problems();
        found.extend(self.format_problems());
        let has = |value: &OrderValue| self.columns.iter().any(|column| column.value == *value);
        if !has(&OrderValue::LineSku) || !has(&OrderValue::LineQuantity) {
            found
                .push("columns need line.sku and line.quantity: without them the till cannot book anything".to_owned());
        }
        found
    }

    fn name_problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !self.name.contains("{number}") && !self.name.contains("{id}") {
            found.push(
                "name has neither {number} nor {id}: all orders would get one name; write \"order_{number}.csv\""
                    .to_owned(),
            );
        }
        if self.sample_name().contains(['{', '}', '/', '\\', ':', '*', '?', '"', '<', '>', '|']) {
            found.push(format!("name {:?} has a character that no file name can have, or an unknown placeholder; use {{number}}, {{id}}, {{date}}", self.name));
        }
        if self.sample_name().starts_with('.') || self.sample_name().ends_with(['.', ' ']) {
            found.push(format!("name {:?} begins or ends with a point or a blank; no till would find it", self.name));
        }
        found
    }

    fn format_problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let is_odd = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '"' | '\r' | '\n' | '\0');
        if is_odd(self.delimiter) {
            found.push(format!("delimiter {:?} cannot separate fields; use , ; tab or |", self.delimiter));
        }
        if !matches!(self.decimal, '.' | ',') {
            found.push(format!("decimal {:?} is neither a point nor a comma", self.decimal));
        }
        if self.quote == QuoteFields::Never && self.decimal == self.delimiter {
            found.push(
                "decimal is the delimiter, and quote is \"never\": numbers would fall apart; change one of them"
                    .to_owned(),
            );
        }
        if TimeZone::get(&self.time_zone).is_err() {
            found.push(format!("time_zone {:?} is unknown; write it like \"Europe/London\"", self.time_zone));
        }
        let noon = jiff::civil::date(2026, 3, 14).at(12, 0, 0, 0);
        if jiff::fmt::strtime::format(&self.date_format, noon).is_err() {
            found.push(format!("date_format {:?} cannot be written; use words like %Y-%m-%d", self.date_format));
        }
        found
    }
}
