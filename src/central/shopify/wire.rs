//! Shopify's JSON, as far as our documents ask for it.
//!
//! Promises: money is an exact decimal, from the digits in the answer. Field names and nullability are those of the Admin
//! schema (2026-04 to 2026-10). Does not promise that an order makes sense.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A page of a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connection<T> {
    pub(super) nodes: Vec<T>,
    pub(super) page_info: PageInfo,
}

/// Is there more, and where does it begin?
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    pub(super) has_next_page: bool,
    pub(super) end_cursor: Option<String>,
}

impl PageInfo {
    /// Where the next page begins, if there is one.
    pub(super) fn next(&self) -> Option<&String> {
        self.end_cursor.as_ref().filter(|_| self.has_next_page)
    }
}

/// A decimal number that Shopify writes as a text (`Decimal`, `Money`) or as a JSON number (`Float`).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Figure(pub(super) Decimal);

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(from)? {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            other => return Err(serde::de::Error::custom(format!("{other} is no number"))),
        };
        let number = if text.contains(['e', 'E']) { Decimal::from_scientific(&text) } else { text.parse() };
        number.map(Self).map_err(|_| serde::de::Error::custom(format!("{text:?} is no number")))
    }
}

/// An amount, in the shop's currency.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Money {
    shop_money: Amount,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct Amount {
    amount: Figure,
}

impl Money {
    pub(super) fn amount(self) -> Decimal {
        self.shop_money.amount.0
    }
}

/// Something of which only the key is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Key {
    pub(super) id: String,
}

/// An order.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) created_at: Timestamp,
    pub(super) cancelled_at: Option<Timestamp>,
    pub(super) test: bool,
    pub(super) display_financial_status: Option<String>,
    pub(super) display_fulfillment_status: String,
    pub(super) payment_gateway_names: Vec<String>,
    pub(super) email: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) currency_code: String,
    pub(super) taxes_included: bool,
    pub(super) total_price_set: Money,
    pub(super) total_shipping_price_set: Money,
    pub(super) shipping_line: Option<ShippingLine>,
    pub(super) shipping_address: Option<Address>,
    pub(super) billing_address: Option<Address>,
    pub(super) line_items: Connection<Line>,
    pub(super) fulfillment_orders: Connection<Part>,
    pub(super) fulfillments: Vec<Fulfillment>,
    pub(super) refunds: Vec<Refund>,
}

/// How it is sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShippingLine {
    pub(super) title: String,
    pub(super) tax_lines: Vec<ShippingTax>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShippingTax {
    pub(super) price_set: Money,
}

/// A person's address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Address {
    pub(super) name: Option<String>,
    pub(super) company: Option<String>,
    pub(super) address1: Option<String>,
    pub(super) address2: Option<String>,
    pub(super) city: Option<String>,
    pub(super) province: Option<String>,
    pub(super) zip: Option<String>,
    pub(super) country_code_v2: Option<String>,
    pub(super) phone: Option<String>,
}

/// One line of an order.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) sku: Option<String>,
    pub(super) name: String,
    /// Units ordered, removed and refunded ones included.
    pub(super) quantity: i64,
    /// Without removed and refunded ones.
    pub(super) current_quantity: i64,
    pub(super) is_gift_card: bool,
    pub(super) requires_shipping: bool,
    pub(super) original_unit_price_set: Money,
    pub(super) discount_allocations: Vec<Discount>,
    pub(super) tax_lines: Vec<Tax>,
    /// None for a custom item, and for a product that was deleted since.
    pub(super) variant: Option<Variant>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Discount {
    pub(super) allocated_amount_set: Money,
}

/// A tax; `rate` is a share (`0.19`).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Tax {
    pub(super) rate: Option<Figure>,
}

/// What is sold.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Variant {
    pub(super) inventory_item: Tracking,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Tracking {
    pub(super) tracked: bool,
}

/// What one location is to send of an order.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) assigned_location: Assigned,
    pub(super) line_items: Connection<PartLine>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Assigned {
    pub(super) location: Option<Key>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartLine {
    pub(super) remaining_quantity: i64,
    pub(super) line_item: Key,
}

/// One shipment.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fulfillment {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) location: Option<Key>,
    pub(super) fulfillment_line_items: Connection<Shipped>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shipped {
    pub(super) quantity: Option<i64>,
    pub(super) line_item: Key,
}

/// One refund; taking units off an order without paying anything back is one as well.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) refund_line_items: Connection<Refunded>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refunded {
    pub(super) quantity: i64,
    /// `CANCEL`, `RETURN`, `NO_RESTOCK` or `LEGACY_RESTOCK`.
    pub(super) restock_type: String,
    pub(super) restocked: bool,
    pub(super) location: Option<Key>,
    pub(super) line_item: Key,
}

/// An answer with orders, each read later, so that one bad order does not spoil the page.
#[derive(Debug, Deserialize)]
pub(super) struct Orders {
    pub(super) orders: Connection<Value>,
}

/// An answer with what was asked for by key; null where there is no such thing any more.
#[derive(Debug, Deserialize)]
pub(super) struct Nodes {
    pub(super) nodes: Vec<Value>,
}

/// The newest order.
#[derive(Debug, Deserialize)]
pub(super) struct Newest {
    pub(super) orders: NewestNodes,
}

#[derive(Debug, Deserialize)]
pub(super) struct NewestNodes {
    pub(super) nodes: Vec<Changed>,
}

/// When an order changed: its place in the feed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Changed {
    pub(super) updated_at: Timestamp,
}

/// More of a list that did not fit.
#[derive(Debug, Deserialize)]
pub(super) struct More<T> {
    pub(super) node: Option<MoreNode<T>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct MoreNode<T> {
    pub(super) list: Connection<T>,
}

/// Variants found by their SKUs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Variants {
    pub(super) product_variants: Connection<Stocked>,
}

/// A variant with its stock here.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stocked {
    pub(super) sku: Option<String>,
    pub(super) display_name: String,
    pub(super) requires_components: bool,
    pub(super) inventory_item: Item,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) tracked: bool,
    pub(super) inventory_level: Option<Level>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Level {
    pub(super) is_active: bool,
    pub(super) quantities: Vec<Counted>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Counted {
    pub(super) name: String,
    pub(super) quantity: i64,
}

/// What became of a write.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SetQuantities {
    pub(super) inventory_set_quantities: Option<Payload>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payload {
    pub(super) inventory_adjustment_group: Option<Key>,
    pub(super) user_errors: Vec<UserError>,
}

/// What is wrong with a part of a request.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct UserError {
    pub(super) code: Option<String>,
    pub(super) field: Option<Vec<String>>,
    pub(super) message: String,
}

/// What became of a note.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Noted {
    pub(super) tags_remove: Option<UserErrors>,
    pub(super) tags_add: Option<UserErrors>,
    pub(super) metafields_set: Option<UserErrors>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserErrors {
    pub(super) user_errors: Vec<UserError>,
}

/// A page of locations.
#[derive(Debug, Deserialize)]
pub(super) struct Locations {
    pub(super) locations: Connection<Location>,
}

/// A location.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Location {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) is_active: bool,
}

/// The shop, the app and the interface.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shop {
    pub(super) shop: Named,
    pub(super) current_app_installation: Installation,
    pub(super) public_api_versions: Vec<ApiVersion>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) myshopify_domain: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Installation {
    pub(super) access_scopes: Vec<Scope>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Scope {
    pub(super) handle: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ApiVersion {
    pub(super) handle: String,
    pub(super) supported: bool,
}
