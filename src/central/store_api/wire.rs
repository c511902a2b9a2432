//! The JSON of our own store API, as `openapi.json` describes it.
//!
//! Promises: what is sent has every required member and no other; what comes back may have more than we know.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::domain::order::{Customer, OrderId, OrderLine, Standing, WebOrder};
use crate::domain::{Quantity, Sku};

/// An amount of money or a percentage, always a text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Amount(pub(super) Decimal);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map(Self).map_err(|_| serde::de::Error::custom(format!("{text:?} is no decimal number")))
    }
}

/// A page of events.
#[derive(Debug, Deserialize)]
pub(super) struct Events {
    pub(super) events: Vec<Event>,
    pub(super) next_cursor: String,
    pub(super) has_more: bool,
}

/// Something happened to an order.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    pub(super) seq: u64,
    pub(super) order_id: String,
    pub(super) kind: String,
    /// Read later, so that one bad order does not spoil the page. Absent where another location has it now.
    pub(super) order: Option<Value>,
}

/// An order, whole.
#[derive(Debug, Deserialize)]
pub(super) struct Order {
    id: String,
    number: String,
    placed_at: Timestamp,
    standing: Standing,
    status: String,
    #[serde(default)]
    customer: Person,
    #[serde(default)]
    payment: String,
    #[serde(default)]
    shipping: String,
    currency: String,
    total: Amount,
    shipping_total: Amount,
    lines: Vec<Line>,
}

/// Who ordered.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Person {
    email: String,
    name: String,
    company: String,
    street: String,
    city: String,
    region: String,
    postcode: String,
    country: String,
    telephone: String,
}

/// One line.
#[derive(Debug, Deserialize)]
struct Line {
    id: String,
    sku: Sku,
    #[serde(default)]
    name: String,
    ordered: Quantity,
    #[serde(default)]
    cancelled: Quantity,
    #[serde(default)]
    shipped: Quantity,
    #[serde(default)]
    refunded: Quantity,
    #[serde(default)]
    returned: Quantity,
    price: Amount,
    price_incl_tax: Option<Amount>,
    #[serde(default)]
    tax_percent: Amount,
    #[serde(default)]
    discount: Amount,
    #[serde(default = "yes")]
    takes_stock: bool,
}

fn yes() -> bool {
    true
}

impl From<Order> for WebOrder {
    fn from(order: Order) -> Self {
        Self {
            id: OrderId(order.id),
            number: order.number,
            placed_at: order.placed_at,
            standing: order.standing,
            store_status: order.status,
            customer: order.customer.into(),
            payment: order.payment,
            shipping: order.shipping,
            currency: order.currency,
            total: order.total.0,
            shipping_total: order.shipping_total.0,
            lines: order.lines.into_iter().map(OrderLine::from).collect(),
        }
    }
}

impl From<Person> for Customer {
    fn from(person: Person) -> Self {
        let Person { email, name, company, street, city, region, postcode, country, telephone } = person;
        Self { email, name, company, street, city, region, postcode, country, telephone }
    }
}

impl From<Line> for OrderLine {
    fn from(line: Line) -> Self {
        let factor = Decimal::ONE.saturating_add(line.tax_percent.0 / Decimal::ONE_HUNDRED);
        Self {
            id: line.id,
            sku: line.sku,
            name: line.name,
            ordered: line.ordered,
            cancelled: line.cancelled,
            shipped: line.shipped,
            refunded: line.refunded,
            returned: line.returned,
            price: line.price.0,
            price_incl_tax: line
                .price_incl_tax
                .map_or_else(|| line.price.0.saturating_mul(factor).round_dp(4).normalize(), |amount| amount.0),
            tax_percent: line.tax_percent.0,
            discount: line.discount.0,
            takes_stock: line.takes_stock,
        }
    }
}

/// How far an order has come.
#[derive(Debug, Serialize)]
pub(super) struct Ack<'a> {
    pub(super) stage: &'static str,
    pub(super) epos_ref: &'a str,
    pub(super) at: Timestamp,
}

/// Quantities to set.
#[derive(Debug, Serialize)]
pub(super) struct Update<'a> {
    pub(super) location: &'a str,
    pub(super) snapshot_id: &'a str,
    pub(super) as_of: Timestamp,
    pub(super) items: Vec<Wanted<'a>>,
    pub(super) orders_through: u64,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) orders_not_counted: &'a BTreeSet<String>,
}

/// One quantity to set.
#[derive(Debug, Serialize)]
pub(super) struct Wanted<'a> {
    pub(super) sku: &'a str,
    pub(super) available: Quantity,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) if_version: Option<&'a str>,
}

/// What became of the quantities.
#[derive(Debug, Deserialize)]
pub(super) struct Results {
    pub(super) results: Vec<Outcome>,
}

/// What became of one.
#[derive(Debug, Deserialize)]
pub(super) struct Outcome {
    pub(super) sku: String,
    pub(super) result: Became,
    pub(super) available: Option<Quantity>,
    pub(super) reason: Option<String>,
}

/// What became of a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Became {
    Applied,
    Conflict,
    Superseded,
    UnknownSku,
    NotManaged,
    Refused,
}

/// What the store holds.
#[derive(Debug, Deserialize)]
pub(super) struct Held {
    pub(super) items: Vec<HeldItem>,
}

/// What it holds of one SKU.
#[derive(Debug, Deserialize)]
pub(super) struct HeldItem {
    pub(super) sku: String,
    pub(super) state: State,
    pub(super) available: Option<Quantity>,
    pub(super) version: Option<String>,
    pub(super) reason: Option<String>,
}

/// What a SKU is to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Kept,
    UnknownSku,
    NotManaged,
}

/// We are there.
#[derive(Debug, Serialize)]
pub(super) struct Heartbeat<'a> {
    pub(super) agent: &'static str,
    pub(super) version: &'static str,
    pub(super) location: &'a str,
    #[serde(flatten)]
    pub(super) pulse: Option<Pulse<'a>>,
}

/// How we are.
#[derive(Debug, Serialize)]
pub(super) struct Pulse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_snapshot: Option<&'a str>,
    pub(super) queue_depth: u64,
    pub(super) clock: Timestamp,
}

/// So is the store.
#[derive(Debug, Deserialize)]
pub(super) struct HeartbeatAnswer {
    pub(super) server_time: Timestamp,
    pub(super) min_version: Option<String>,
    #[serde(default)]
    pub(super) limits: Limits,
}

/// How much it takes at once.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Limits {
    pub(super) batch: Option<usize>,
    pub(super) page: Option<usize>,
}

/// An error answer (RFC 9457).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Problem {
    pub(super) title: Option<String>,
    pub(super) detail: Option<String>,
    pub(super) code: Option<String>,
    pub(super) max: Option<usize>,
}
