//! WooCommerce's JSON, as it really comes: money as texts, quantities as numbers or texts, `null` for a deleted product,
//! `"parent"` where one expects true or false, dates without a zone.
//!
//! Promises: money and quantities are exact decimals, taken from the digits in the answer and never through a binary
//! float. Does not promise that an order makes sense.
//!
//! Facts: WooCommerce REST API documentation, "Orders", "Products", "Product variations" (woocommerce-rest-api-docs,
//! `source/includes/wp-api-v3`); the schemas of woocommerce `includes/rest-api/Controllers`, versions 2 and 3.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::domain::Quantity;

/// How WooCommerce writes a moment in its `…_gmt` members: UTC, no zone behind it.
const DATE_FORMAT: &str = "%Y-%m-%dT%H:%M:%S";

/// An exact number, from a JSON number or a text; an empty text is nought (WordPress keeps no number so).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Figure(pub(super) Decimal);

impl Figure {
    /// Reads digits.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Some(Self::default());
        }
        let number = if text.contains(['e', 'E']) { Decimal::from_scientific(text) } else { text.parse() };
        number.ok().map(Self)
    }

    /// The number as units of stock.
    pub(super) fn quantity(self) -> Result<Quantity, String> {
        Quantity::parse(&self.0.normalize().to_string()).map_err(|why| why.to_string())
    }
}

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Word::deserialize(from)?.0;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no number")))
    }
}

/// A text that some plugins write as a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word(pub(super) String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::String(text) => Ok(Self(text)),
            Value::Number(number) => Ok(Self(number.to_string())),
            other => Err(serde::de::Error::custom(format!("{other} is neither a text nor a number"))),
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An order, as far as it is asked for ([`super::feed::FIELDS`]).
#[derive(Debug, Deserialize)]
pub(super) struct Order {
    pub(super) id: u64,
    pub(super) number: Word,
    pub(super) status: String,
    pub(super) currency: Option<String>,
    pub(super) date_created_gmt: Option<String>,
    pub(super) date_modified_gmt: Option<String>,
    pub(super) date_completed_gmt: Option<String>,
    pub(super) total: Figure,
    pub(super) shipping_total: Option<Figure>,
    pub(super) shipping_tax: Option<Figure>,
    #[serde(default)]
    pub(super) billing: Address,
    #[serde(default)]
    pub(super) shipping: Address,
    pub(super) payment_method: Option<String>,
    #[serde(default)]
    pub(super) line_items: Vec<Row>,
    #[serde(default)]
    pub(super) tax_lines: Vec<TaxLine>,
    #[serde(default)]
    pub(super) shipping_lines: Vec<ShippingLine>,
    #[serde(default)]
    pub(super) fee_lines: Vec<FeeLine>,
    #[serde(default)]
    pub(super) refunds: Vec<Value>,
}

/// A person's address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Address {
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) company: String,
    pub(super) address_1: String,
    pub(super) address_2: String,
    pub(super) city: String,
    pub(super) state: String,
    pub(super) postcode: String,
    pub(super) country: String,
    pub(super) email: String,
    pub(super) phone: String,
}

/// One line of an order.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub(super) id: u64,
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) product_id: u64,
    #[serde(default)]
    pub(super) variation_id: u64,
    pub(super) quantity: Figure,
    /// Of the whole line, before discounts, without tax.
    pub(super) subtotal: Option<Figure>,
    pub(super) subtotal_tax: Option<Figure>,
    /// The same after discounts.
    pub(super) total: Option<Figure>,
    pub(super) total_tax: Option<Figure>,
    #[serde(default)]
    pub(super) taxes: Vec<RowTax>,
    /// Read from the product at the moment of asking; `null` when there is no such product any more.
    pub(super) sku: Option<Word>,
    #[serde(default)]
    pub(super) meta_data: Value,
}

impl Row {
    /// A number that WooCommerce keeps with the line; nothing when it keeps none.
    pub(super) fn noted(&self, key: &str) -> Option<Decimal> {
        let all: Vec<&Value> = match &self.meta_data {
            Value::Array(list) => list.iter().collect(),
            // PHP writes a list with gaps as an object.
            Value::Object(members) => members.values().collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        };
        let named = all.into_iter().find(|one| one.get("key").and_then(Value::as_str) == Some(key))?;
        let text = Word::deserialize(named.get("value")?).ok()?;
        Figure::parse(&text.0).map(|figure| figure.0)
    }
}

/// The part of a line's tax that one rate makes.
#[derive(Debug, Deserialize)]
pub(super) struct RowTax {
    pub(super) id: Word,
    pub(super) total: Option<Figure>,
}

/// A tax rate of the order; its percentage is told since WooCommerce 3.7.
#[derive(Debug, Deserialize)]
pub(super) struct TaxLine {
    pub(super) rate_id: Word,
    pub(super) rate_percent: Option<Figure>,
}

/// A way of shipping.
#[derive(Debug, Deserialize)]
pub(super) struct ShippingLine {
    pub(super) method_title: Option<String>,
}

/// A fee: cash on delivery, gift wrapping.
#[derive(Debug, Deserialize)]
pub(super) struct FeeLine {
    pub(super) total: Option<Figure>,
    pub(super) total_tax: Option<Figure>,
}

/// A product or a variation, as far as it is asked for.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Product {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) parent_id: u64,
    #[serde(default)]
    pub(super) sku: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    /// True, false, or `"parent"` for a variation whose parent keeps the stock.
    #[serde(default)]
    pub(super) manage_stock: Value,
    pub(super) stock_quantity: Option<Figure>,
}

/// The answer to a batch: what was updated, item by item.
#[derive(Debug, Deserialize)]
pub(super) struct Batch {
    #[serde(default)]
    pub(super) update: Vec<Updated>,
}

/// What became of one item of a batch; a bad one stands between good ones (woocommerce#22848).
#[derive(Debug, Deserialize)]
pub(super) struct Updated {
    pub(super) id: Word,
    pub(super) sku: Option<String>,
    #[serde(default)]
    pub(super) manage_stock: Value,
    pub(super) stock_quantity: Option<Figure>,
    pub(super) error: Option<Trouble>,
}

/// A note in an order.
#[derive(Debug, Deserialize)]
pub(super) struct Note {
    pub(super) note: Option<String>,
}

/// What an error answer says.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Trouble {
    /// The stable word.
    pub(super) code: String,
    /// For people, in the shop's language.
    pub(super) message: String,
}

impl Trouble {
    /// Reads an error answer; anything that is none says nothing.
    pub(super) fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// `woocommerce_rest_product_invalid_id`, `woocommerce_rest_shop_order_invalid_id` and their like: it is not there.
    pub(super) fn is_not_there(&self) -> bool {
        self.code.starts_with("woocommerce_rest_") && self.code.ends_with("_invalid_id")
    }
}

/// Reads `2026-11-23T16:31:24`.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    let plain = text.trim_end_matches('Z');
    DateTime::strptime(DATE_FORMAT, plain)
        .and_then(|civil| jiff::tz::TimeZone::UTC.to_timestamp(civil))
        .map_err(|_| format!("{text:?} is no date like 2026-11-23T16:31:24"))
}

/// Writes `2026-11-23T16:31:24`, without a zone: WordPress would turn one into the site's own zone and then compare
/// with UTC (wordpress `WP_Date_Query::build_mysql_datetime`).
pub(super) fn written(moment: Timestamp) -> String {
    moment.strftime(DATE_FORMAT).to_string()
}

/// A quantity as a JSON number, digit for digit.
pub(super) fn number(quantity: Quantity) -> Value {
    serde_json::from_str(&quantity.to_string()).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits_and_an_empty_text_is_nought() {
        let read = |text: &str| serde_json::from_str::<Figure>(text).map(|figure| figure.0.to_string());
        for (text, digits) in [("\"19.90\"", "19.90"), ("0.835", "0.835"), ("\"\"", "0"), ("1.0e-5", "0.000010")] {
            assert_eq!(read(text).unwrap(), digits);
        }
        assert!(read("\"abc\"").is_err());
        assert!(read("true").is_err());
    }

    #[test]
    fn what_a_line_is_noted_with_is_found_in_a_list_and_in_a_list_with_gaps() {
        let row = |meta: &str| {
            let text = format!(r#"{{"id":1,"quantity":2,"sku":"A","meta_data":{meta}}}"#);
            serde_json::from_str::<Row>(&text).unwrap()
        };
        let list = row(r#"[{"id":1,"key":"Colour","value":{"a":1}},{"id":2,"key":"_reduced_stock","value":"2"}]"#);
        assert_eq!(list.noted("_reduced_stock"), Some(Decimal::TWO));
        let gaps = row(r#"{"1":{"id":2,"key":"_reduced_stock","value":2}}"#);
        assert_eq!(gaps.noted("_reduced_stock"), Some(Decimal::TWO));
        assert_eq!(row("[]").noted("_reduced_stock"), None);
    }

    #[test]
    fn dates_are_utc_and_are_asked_for_without_a_zone() {
        assert_eq!(moment("2026-11-23T16:31:24").unwrap().to_string(), "2026-11-23T16:31:24Z");
        assert_eq!(written(moment("2026-01-02T03:04:05").unwrap()), "2026-01-02T03:04:05");
        assert!(moment("2026-11-23 16:31:24").is_err());
    }

    #[test]
    fn an_error_tells_whether_the_thing_is_missing() {
        let said = Trouble::read(
            br#"{"code":"woocommerce_rest_product_invalid_id","message":"Invalid ID.","data":{"status":400}}"#,
        );
        assert!(said.is_not_there());
        assert!(!Trouble::read(b"<html>").is_not_there());
        assert!(!Trouble::read(br#"{"code":"rest_no_route","message":"x"}"#).is_not_there());
    }
}
