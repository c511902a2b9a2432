//! Magento's JSON, as it really comes: absent keys, nulls, numbers as strings, dates without a zone.
//!
//! Promises: money and quantities are exact decimals, taken from the digits in the answer and never through a binary
//! float; `items: null` is an empty list (observed under `fields=`). Does not promise that an order makes sense.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::domain::Quantity;

/// How Magento writes a moment; UTC, whatever the shop's time zone (observed; magento2#24985).
pub(super) const DATE_FORMAT: &str = "%Y-%m-%d %H:%M:%S";
/// How a moment is written in a filter. Databases read it as the other form (observed with a `Z` behind it, which not all
/// of them do); a blank in a filter was reported to break the signature of a request (magento2#37278).
const FILTER_FORMAT: &str = "%Y-%m-%dT%H:%M:%S";

/// A list answer.
#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    /// The rows of this page; `null` when there are none and the answer was projected (observed).
    pub(super) items: Option<Vec<T>>,
    /// Rows in all, on all pages.
    pub(super) total_count: Option<u64>,
}

/// An exact number, from a JSON number or a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Figure(pub(super) Decimal);

impl Figure {
    /// The number as units of stock.
    pub(super) fn quantity(self) -> Result<Quantity, String> {
        Quantity::parse(&self.0.normalize().to_string()).map_err(|why| why.to_string())
    }
}

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Word::deserialize(from)?.0;
        let number = if text.contains(['e', 'E']) { Decimal::from_scientific(&text) } else { text.parse() };
        number.map(Self).map_err(|_| serde::de::Error::custom(format!("{text:?} is no number")))
    }
}

/// A text that some versions write as a number.
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
    pub(super) entity_id: Word,
    pub(super) increment_id: Word,
    pub(super) state: Option<String>,
    pub(super) status: Option<String>,
    pub(super) created_at: String,
    pub(super) customer_email: Option<String>,
    pub(super) order_currency_code: Option<String>,
    pub(super) grand_total: Option<Figure>,
    pub(super) shipping_amount: Option<Figure>,
    pub(super) shipping_tax_amount: Option<Figure>,
    pub(super) shipping_incl_tax: Option<Figure>,
    pub(super) shipping_description: Option<String>,
    #[serde(default, deserialize_with = "object_if_any")]
    pub(super) billing_address: Option<Address>,
    #[serde(default, deserialize_with = "object_if_any")]
    pub(super) payment: Option<Payment>,
    pub(super) items: Option<Vec<Row>>,
    #[serde(default, deserialize_with = "object_if_any")]
    pub(super) extension_attributes: Option<OrderExtension>,
}

/// An object; or the empty list that PHP writes for an object of which `fields=` left nothing (a virtual order's
/// shipping has no address), which is none.
fn object_if_any<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        Value::Array(list) if list.is_empty() => Ok(None),
        other => serde_json::from_value(other).map(Some).map_err(serde::de::Error::custom),
    }
}

/// What modules add to an order.
#[derive(Debug, Deserialize)]
pub(super) struct OrderExtension {
    pub(super) shipping_assignments: Option<Vec<Assignment>>,
}

/// One delivery; Magento itself makes one per order.
#[derive(Debug, Deserialize)]
pub(super) struct Assignment {
    #[serde(default, deserialize_with = "object_if_any")]
    pub(super) shipping: Option<Shipping>,
}

/// Where the delivery goes; a virtual order has none (observed).
#[derive(Debug, Deserialize)]
pub(super) struct Shipping {
    #[serde(default, deserialize_with = "object_if_any")]
    pub(super) address: Option<Address>,
}

/// How it is paid.
#[derive(Debug, Deserialize)]
pub(super) struct Payment {
    pub(super) method: Option<String>,
}

/// A person's address.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Address {
    pub(super) firstname: Option<String>,
    pub(super) middlename: Option<String>,
    pub(super) lastname: Option<String>,
    pub(super) company: Option<String>,
    pub(super) street: Option<Vec<Option<String>>>,
    pub(super) city: Option<String>,
    pub(super) region: Option<String>,
    pub(super) postcode: Option<String>,
    pub(super) country_id: Option<String>,
    pub(super) telephone: Option<String>,
    pub(super) email: Option<String>,
}

/// One row of an order: a line, or a part of one.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub(super) item_id: Word,
    /// Absent, not null, on rows that stand alone (observed).
    pub(super) parent_item_id: Option<Word>,
    pub(super) product_type: Option<String>,
    pub(super) sku: Option<String>,
    pub(super) name: Option<String>,
    pub(super) qty_ordered: Figure,
    pub(super) qty_canceled: Option<Figure>,
    pub(super) qty_shipped: Option<Figure>,
    pub(super) qty_refunded: Option<Figure>,
    pub(super) price: Option<Figure>,
    pub(super) price_incl_tax: Option<Figure>,
    pub(super) tax_percent: Option<Figure>,
    pub(super) discount_amount: Option<Figure>,
    pub(super) is_virtual: Option<Word>,
}

/// A product, as far as it is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Product {
    pub(super) sku: String,
    pub(super) type_id: Option<String>,
}

/// A quantity at a source.
#[derive(Debug, Deserialize)]
pub(super) struct SourceItem {
    pub(super) sku: String,
    pub(super) quantity: Option<Figure>,
}

/// A quantity without sources.
#[derive(Debug, Deserialize)]
pub(super) struct StockItem {
    pub(super) qty: Option<Figure>,
    pub(super) manage_stock: Option<bool>,
}

/// An order with its comments.
#[derive(Debug, Deserialize)]
pub(super) struct Commented {
    pub(super) status: Option<String>,
    pub(super) status_histories: Option<Vec<Comment>>,
}

/// A comment; older ones may have no text.
#[derive(Debug, Deserialize)]
pub(super) struct Comment {
    pub(super) comment: Option<String>,
}

/// An error answer; placeholders in the message are not filled in (observed).
#[derive(Debug, Default, Deserialize)]
struct Trouble {
    message: Option<String>,
    parameters: Option<Value>,
}

/// What an error answer says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// The message with its placeholders filled in.
    pub(super) message: Option<String>,
    /// The placeholders' names and values.
    pub(super) parameters: Vec<(String, String)>,
}

impl Said {
    /// Reads an error answer; anything that is none says nothing.
    pub(super) fn read(body: &[u8]) -> Self {
        let trouble: Trouble = serde_json::from_slice(body).unwrap_or_default();
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut parameters: Vec<(String, String)> = match &trouble.parameters {
            Some(Value::Object(named)) => named.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
            Some(Value::Array(list)) => {
                list.iter().enumerate().map(|(place, value)| ((place + 1).to_string(), plain(value))).collect()
            }
            Some(_) | None => Vec::new(),
        };
        // Longer names first: %10 is not %1 and a nought.
        parameters.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        let message = trouble.message.map(|message| filled(&message, &parameters));
        Self { message, parameters }
    }

    /// The value of a placeholder.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn filled(message: &str, parameters: &[(String, String)]) -> String {
    parameters.iter().fold(message.to_owned(), |text, (name, value)| text.replace(&format!("%{name}"), value))
}

/// Reads `2026-11-23 16:31:24`.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    DateTime::strptime(DATE_FORMAT, text)
        .and_then(|civil| jiff::tz::TimeZone::UTC.to_timestamp(civil))
        .map_err(|_| format!("{text:?} is no date like 2026-11-23 16:31:24"))
}

/// Writes `2026-11-23T16:31:24`, for a filter.
pub(super) fn written(moment: Timestamp) -> String {
    moment.strftime(FILTER_FORMAT).to_string()
}

/// A quantity as a JSON number, digit for digit.
pub(super) fn number(quantity: Quantity) -> Value {
    serde_json::from_str(&quantity.to_string()).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_from_lists_and_from_objects() {
        for (body, said) in [
            (
                include_str!("../../../tests/fixtures/magento/err-400-source-items-over-input-limit.json"),
                r#"Maximum items of type "\Magento\InventoryApi\Api\Data\SourceItemInterface" is 20"#,
            ),
            (
                include_str!("../../../tests/fixtures/magento/legacy-stock-item-put-404.json"),
                r#"The Product with the "NO-SUCH" SKU doesn't exist."#,
            ),
            (include_str!("../../../tests/fixtures/magento/err-404-route.json"), "Request does not match any route."),
        ] {
            assert_eq!(Said::read(body.as_bytes()).message.unwrap(), said);
        }
        assert_eq!(Said::read(b"<html>"), Said::default());
        assert_eq!(Said::read(br#"{"message":"%1 %10","parameters":[1,2,3,4,5,6,7,8,9,"x"]}"#).message.unwrap(), "1 x");
    }

    #[test]
    fn numbers_keep_their_digits() {
        let read = |text: &str| serde_json::from_str::<Figure>(text).map(|figure| figure.0.to_string());
        assert_eq!(read("19.90").unwrap(), "19.90");
        assert_eq!(read("\"1.2500\"").unwrap(), "1.2500");
        assert_eq!(read("99999999.9999").unwrap(), "99999999.9999");
        assert_eq!(read("1.0e-5").unwrap(), "0.000010");
        assert!(read("\"abc\"").is_err());
        assert!(read("true").is_err());
    }

    #[test]
    fn an_object_of_which_nothing_is_left_is_an_empty_list_and_none() {
        let read = |text: &str| serde_json::from_str::<Assignment>(text).map(|one| one.shipping.is_some());
        assert!(!read(r#"{"shipping":[]}"#).unwrap());
        assert!(!read(r#"{"shipping":null}"#).unwrap());
        assert!(!read("{}").unwrap());
        assert!(read(r#"{"shipping":{}}"#).unwrap());
        assert!(read(r#"{"shipping":[1]}"#).is_err());
    }

    #[test]
    fn dates_are_utc() {
        assert_eq!(moment("2026-11-23 16:31:24").unwrap().to_string(), "2026-11-23T16:31:24Z");
        assert_eq!(written(moment("2026-01-02 03:04:05").unwrap()), "2026-01-02T03:04:05");
        assert!(moment("2026-11-23T16:31:24Z").is_err());
    }
}
