//! One field of an order file: what it holds, and what the till wants done to it.
//!
//! Promises: unknown keys and unknown values are refused; a field without options is written as the web store gives it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// One column of an order file, field of a record, or named field of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderColumn {
    /// Its name in the header, and in messages.
    pub name: String,
    /// What it holds.
    pub value: OrderValue,
    /// Most characters; in fixed width all of its characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// What becomes of a longer text.
    #[serde(default)]
    pub too_long: TooLong,
    /// Must there be a value? An order without one is not written.
    #[serde(default)]
    pub required: bool,
    /// Is it written in the first record of its kind only (a payment that the till would else count per line)?
    #[serde(default)]
    pub once: bool,
    /// The till's code for each of the store's values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<BTreeMap<String, String>>,
    /// What becomes of a value that `map` does not have.
    #[serde(default)]
    pub unmapped: Unmapped,
    /// Places behind the decimal mark; money is rounded half up, units never are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimals: Option<u32>,
    /// Decimal places without a mark: 19.99 is 1999 with 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub implied_decimals: Option<u32>,
    /// Is this number written with the other sign? For cancellation files: -2 units are taken back.
    #[serde(default)]
    pub negate: bool,
    /// How this date is written, where it differs from the profile's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_format: Option<String>,
    /// Fixed width: on which side the value stands.
    #[serde(default)]
    pub align: Align,
    /// Fixed width: what fills the rest ([`FILL`]).
    #[serde(default = "fill")]
    pub fill: char,
}

/// What fills a field of fixed width.
pub const FILL: char = ' ';

const fn fill() -> char {
    FILL
}

impl OrderColumn {
    /// A field without options.
    pub fn new(name: &str, value: OrderValue) -> Self {
        Self {
            name: name.to_owned(),
            value,
            length: None,
            too_long: TooLong::default(),
            required: false,
            once: false,
            map: None,
            unmapped: Unmapped::default(),
            decimals: None,
            implied_decimals: None,
            negate: false,
            date_format: None,
            align: Align::default(),
            fill: FILL,
        }
    }
}

/// What becomes of a text that is longer than its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TooLong {
    /// The order is not written, and a person is told.
    #[default]
    Refuse,
    /// Its end is left out, which is reported. Only for texts: half a number is another number.
    Cut,
}

/// On which side of a field of fixed width the value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Align {
    /// As words.
    #[default]
    Left,
    /// As numbers.
    Right,
}

/// What becomes of a value that the till's code table does not have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Unmapped {
    /// The order is not written, and a person is told.
    #[default]
    Refuse,
    /// It is written as it is.
    Keep,
    /// This is written.
    Constant(String),
}

impl fmt::Display for Unmapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuse => f.write_str("refuse"),
            Self::Keep => f.write_str("keep"),
            Self::Constant(text) => write!(f, "{CONSTANT}{text}"),
        }
    }
}

impl Serialize for Unmapped {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Unmapped {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        match (text.as_str(), text.strip_prefix(CONSTANT)) {
            ("refuse", _) => Ok(Self::Refuse),
            ("keep", _) => Ok(Self::Keep),
            (_, Some(constant)) => Ok(Self::Constant(constant.to_owned())),
            (_, None) => Err(de::Error::custom(format!("unmapped {text:?} is none of refuse, keep, constant:TEXT"))),
        }
    }
}

/// What sort of thing a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueKind {
    /// Words; their end may be cut.
    Text,
    /// A number or code as a text: cut, it would be another one.
    Code,
    /// Units or records: never rounded.
    Count,
    /// Money and rates.
    Money,
    /// A date.
    Date,
    /// Written by whoever wrote the profile.
    Fixed,
}

/// Declares the closed set of values with their words and kinds.
macro_rules! values {
    ($($(#[$doc:meta])* $name:ident = $word:literal $kind:ident),* $(,)?) => {
        /// What a column of an order file may hold.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum OrderValue { $($(#[$doc])* $name,)* /** The same text in every line. */ Constant(String) }

        impl OrderValue {
            /// Reads a word of the profile.
            pub(super) fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$name),)* _ => None }
            }

            /// The word in the profile; a constant's is made by its `Display`.
            pub fn word(&self) -> &'static str {
                match self { $(Self::$name => $word,)* Self::Constant(_) => "constant" }
            }

            /// What sort of thing it is.
            pub(super) fn kind(&self) -> ValueKind {
                match self { $(Self::$name => ValueKind::$kind,)* Self::Constant(_) => ValueKind::Fixed }
            }
        }

        /// All words but `constant:TEXT`, to show.
        pub(super) const WORDS: &[&str] = &[$($word),*];
    };
}

values! {
    /// Number that customer and staff use.
    OrderNumber = "order.number" Code,
    /// The store's key.
    OrderId = "order.id" Code,
    /// Date of placement.
    OrderDate = "order.date" Date,
    /// The store's word for its state.
    OrderStatus = "order.status" Text,
    /// Currency.
    OrderCurrency = "order.currency" Code,
    /// What the customer pays in all.
    OrderTotal = "order.total" Money,
    /// Shipping, tax included.
    OrderShippingTotal = "order.shipping_total" Money,
    /// Discounts on what is left to book.
    OrderDiscountTotal = "order.discount_total" Money,
    /// How it is paid.
    OrderPayment = "order.payment" Text,
    /// How it is shipped.
    OrderShipping = "order.shipping" Text,
    /// Number of lines in the file.
    OrderLineCount = "order.line_count" Count,
    /// Units of all lines in the file.
    OrderUnits = "order.units" Count,
    /// Number of records in the file, header and trailer too.
    FileRecordCount = "file.record_count" Count,
    /// Number of orders in the file.
    FileOrderCount = "file.order_count" Count,
    /// Lines of all orders in the file.
    FileLineCount = "file.line_count" Count,
    /// Units of all lines of all orders in the file.
    FileUnits = "file.units" Count,
    /// The file's running number, as in its name.
    FileSequence = "file.sequence" Count,
    /// E-mail address.
    CustomerEmail = "customer.email" Code,
    /// Full name.
    CustomerName = "customer.name" Text,
    /// Company.
    CustomerCompany = "customer.company" Text,
    /// Street.
    CustomerStreet = "customer.street" Text,
    /// Town.
    CustomerCity = "customer.city" Text,
    /// County or state.
    CustomerRegion = "customer.region" Text,
    /// Postcode.
    CustomerPostcode = "customer.postcode" Code,
    /// Country code.
    CustomerCountry = "customer.country" Code,
    /// Telephone.
    CustomerTelephone = "customer.telephone" Code,
    /// Number of the line in the file, from 1.
    LineNumber = "line.number" Count,
    /// SKU.
    LineSku = "line.sku" Code,
    /// Name of the item.
    LineName = "line.name" Text,
    /// Units to book: ordered, less cancelled, less returned.
    LineQuantity = "line.quantity" Count,
    /// Unit price without tax.
    LinePrice = "line.price" Money,
    /// Unit price with tax.
    LinePriceInclTax = "line.price_incl_tax" Money,
    /// Tax rate in percent.
    LineTaxPercent = "line.tax_percent" Money,
    /// Discount on the line as ordered.
    LineDiscount = "line.discount" Money,
    /// Unit price without tax times the units to book.
    LineTotal = "line.total" Money,
    /// Unit price with tax times the units to book.
    LineTotalInclTax = "line.total_incl_tax" Money,
}

const CONSTANT: &str = "constant:";

impl OrderValue {
    /// May a customer or the store have written it, in words?
    pub(super) fn is_free_text(&self) -> bool {
        match self.kind() {
            ValueKind::Text | ValueKind::Code => true,
            ValueKind::Count | ValueKind::Money | ValueKind::Date | ValueKind::Fixed => false,
        }
    }

    /// Does it say who the customer is? Such words stand in no message: messages go into logs and e-mails.
    pub(super) fn is_private(&self) -> bool {
        self.word().starts_with("customer.") && *self != Self::CustomerCountry
    }

    /// Does it differ from order to order?
    pub(super) fn is_of_order(&self) -> bool {
        !self.word().starts_with("file.") && self.kind() != ValueKind::Fixed
    }

    /// Does it differ from line to line?
    pub(super) fn is_of_line(&self) -> bool {
        self.word().starts_with("line.")
    }
}

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
