//! Orders and their rows.
//!
//! Promises: rows as a real Magento writes them (a configurable gives two, a bundle a parent and its parts).

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::{MagentoBooks, Product, ProductKind, Refusal, key};
use crate::domain::Quantity;
use crate::domain::order::Customer;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Placed, to be paid later.
    New,
    /// Placed, payment not yet through.
    PendingPayment,
    /// Payment under review.
    PaymentReview,
    /// Paid or shipped, in part or in whole.
    Processing,
    /// Paid and shipped.
    Complete,
    /// All money given back.
    Closed,
    /// Cancelled.
    Canceled,
    /// On hold.
    Holded,
}

impl State {
    /// `state`.
    pub fn state(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::PendingPayment => "pending_payment",
            Self::PaymentReview => "payment_review",
            Self::Processing => "processing",
            Self::Complete => "complete",
            Self::Closed => "closed",
            Self::Canceled => "canceled",
            Self::Holded => "holded",
        }
    }

    /// `status` that goes with it in a shop without statuses of its own.
    pub fn status(self) -> &'static str {
        match self {
            Self::New => "pending",
            Self::PendingPayment
            | Self::PaymentReview
            | Self::Processing
            | Self::Complete
            | Self::Closed
            | Self::Canceled
            | Self::Holded => self.state(),
        }
    }
}

/// One row of an order.
#[derive(Debug, Clone)]
pub struct Row {
    /// `item_id`.
    pub id: i64,
    /// `parent_item_id`.
    pub parent: Option<i64>,
    /// `product_id`.
    pub product: i64,
    /// `product_type`.
    pub kind: &'static str,
    /// SKU.
    pub sku: String,
    /// Name.
    pub name: String,
    /// Price of one unit without tax.
    pub price: Decimal,
    /// `qty_ordered`.
    pub ordered: Quantity,
    /// `qty_canceled`.
    pub cancelled: Quantity,
    /// `qty_invoiced`.
    pub invoiced: Quantity,
    /// `qty_shipped`.
    pub shipped: Quantity,
    /// `qty_refunded`.
    pub refunded: Quantity,
    /// What leaves the shelf for one unit of this row. Empty where another row of the order stands for it.
    pub moves: Vec<(String, Quantity)>,
    /// Is it shipped as a row of its own?
    pub ships: bool,
    /// The source that the latest shipment took it from.
    pub source: Option<String>,
}

impl Row {
    /// Units that can still be shipped. Observed: a refund of unshipped units does not lower it below the shipped.
    pub fn to_ship(&self) -> Quantity {
        if self.ships { (self.ordered - self.shipped.max(self.refunded) - self.cancelled).or_zero() } else { 0.into() }
    }

    /// Units that can still be invoiced.
    pub fn to_invoice(&self) -> Quantity {
        (self.ordered - self.invoiced - self.cancelled).or_zero()
    }

    /// Units that a cancellation would take back.
    pub fn to_cancel(&self) -> Quantity {
        (self.ordered - self.cancelled - self.invoiced.max(self.shipped)).or_zero()
    }

    /// Does it carry money and quantities of its own, rather than repeat its parent's?
    pub fn leads(&self) -> bool {
        !self.moves.is_empty()
    }
}

/// A comment in an order's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// `entity_id`.
    pub id: i64,
    /// The text.
    pub text: String,
    /// The status that it records.
    pub status: String,
    /// When.
    pub at: Timestamp,
    /// Whose history it is (`order`, `creditmemo`).
    pub entity: &'static str,
    /// `is_customer_notified`, as sent (null when not sent).
    pub notified: Option<i64>,
}

/// An order.
#[derive(Debug, Clone)]
pub struct Order {
    /// `entity_id`.
    pub id: i64,
    /// `increment_id`, the number that customers see.
    pub increment_id: String,
    /// State.
    pub state: State,
    /// Status; the state's own unless a comment set another.
    pub status: String,
    /// State before it was put on hold.
    pub before_hold: Option<State>,
    /// When it was placed.
    pub created: Timestamp,
    /// When it last changed. Comments do not count (observed).
    pub updated: Timestamp,
    /// Who ordered.
    pub customer: Customer,
    /// `payment.method`.
    pub payment: String,
    /// `store_id`: the store view in which it was placed.
    pub store: i64,
    /// Way of shipping, as carrier and method.
    pub shipping_method: String,
    /// Where the customer picks it up (In-Store Pickup): the code of a source.
    pub pickup_location: Option<String>,
    /// Shipping without tax.
    pub shipping: Decimal,
    /// Was the shipping refunded?
    pub shipping_refunded: bool,
    /// Its rows.
    pub rows: Vec<Row>,
    /// Its history.
    pub comments: Vec<Comment>,
}

impl Order {
    /// Is there nothing to ship in it?
    pub fn is_virtual(&self) -> bool {
        self.rows.iter().all(|row| row.kind == "virtual")
    }

    /// The row with this `item_id`.
    pub fn row(&self, id: i64) -> Option<&Row> {
        self.rows.iter().find(|row| row.id == id)
    }

    /// Units of a SKU that are promised and not shipped.
    pub fn open_units(&self, sku: &str) -> Quantity {
        let of = |row: &Row| row.moves.iter().any(|(moved, _)| key(moved) == key(sku));
        self.rows.iter().filter(|row| of(row)).map(Row::to_cancel).sum()
    }
}

/// An order just placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// `entity_id`.
    pub entity_id: i64,
    /// `increment_id`.
    pub increment_id: String,
}

impl MagentoBooks {
    pub(crate) fn add_rows(&mut self, rows: &mut Vec<Row>, sku: &str, units: Quantity) -> Result<(), Refusal> {
        let wanted = self.product(sku).cloned();
        let wanted = wanted.ok_or_else(|| {
            Refusal::new(404, "The product that was requested doesn't exist. Verify the product and try again.")
        })?;
        if !units.is_positive() {
            return Err(Refusal::new(400, "Invalid Item Quantity Requested"));
        }
        match &wanted.kind {
            ProductKind::Simple { parent: None } | ProductKind::Virtual => rows.push(self.plain_row(&wanted, units)),
            ProductKind::Simple { parent: Some(parent) } => self.add_configurable(rows, parent, &wanted, units),
            ProductKind::Configurable => {
                return Err(Refusal::new(400, "You need to choose options for your item."));
            }
            ProductKind::Bundle { parts, fixed } => self.add_bundle(rows, &wanted, parts, *fixed, units),
        }
        Ok(())
    }

    fn plain_row(&mut self, product: &Product, units: Quantity) -> Row {
        let id = self.next_row;
        self.next_row += 1;
        Row {
            id,
            parent: None,
            product: product.id,
            kind: product.type_id(),
            sku: product.sku.clone(),
            name: product.name.clone(),
            price: product.price,
            ordered: units,
            cancelled: Quantity::ZERO,
            invoiced: Quantity::ZERO,
            shipped: Quantity::ZERO,
            refunded: Quantity::ZERO,
            moves: vec![(product.sku.clone(), Quantity::ONE)],
            ships: product.type_id() != "virtual",
            source: None,
        }
    }

    /// Observed: the parent row carries the child's SKU, the parent's `product_id` and all the money.
    fn add_configurable(&mut self, rows: &mut Vec<Row>, parent: &str, child: &Product, units: Quantity) {
        let family = self.product(parent).cloned().unwrap_or_else(|| child.clone());
        let leader =
            Row { product: family.id, kind: "configurable", name: family.name.clone(), ..self.plain_row(child, units) };
        let follower = Row {
            parent: Some(leader.id),
            price: Decimal::ZERO,
            moves: Vec::new(),
            ships: false,
            ..self.plain_row(child, units)
        };
        rows.extend([leader, follower]);
    }

    /// Observed: a fixed bundle has one SKU and its parent all the money; otherwise the SKU is composed, parent and
    /// parts carry money, and the parts ship by themselves.
    fn add_bundle(
        &mut self,
        rows: &mut Vec<Row>,
        bundle: &Product,
        parts: &[(String, Quantity)],
        fixed: bool,
        units: Quantity,
    ) {
        let mut leader = self.plain_row(bundle, units);
        leader.moves = if fixed { parts.to_vec() } else { Vec::new() };
        leader.ships = fixed;
        if !fixed {
            leader.sku = std::iter::once(&bundle.sku)
                .chain(parts.iter().map(|(sku, _)| sku))
                .cloned()
                .collect::<Vec<_>>()
                .join("-");
        }
        let parent = leader.id;
        rows.push(leader);
        for (sku, each) in parts {
            let Some(part) = self.product(sku).cloned() else { continue };
            let all = super::stored(units.decimal() * each.decimal());
            let mut row = Row { parent: Some(parent), ships: !fixed, ..self.plain_row(&part, all) };
            if fixed {
                (row.moves, row.price) = (Vec::new(), Decimal::ZERO);
            }
            rows.push(row);
        }
    }
}

/// What the rows take from the shelf, summed by SKU.
pub(crate) fn moved(rows: &[Row]) -> Vec<(String, Quantity)> {
    let mut sums: BTreeMap<String, (String, Quantity)> = BTreeMap::new();
    for row in rows {
        for (sku, units) in moves_of(row, row.ordered) {
            let sum = sums.entry(key(&sku)).or_insert_with(|| (sku, Quantity::ZERO));
            sum.1 = sum.1 + units;
        }
    }
    sums.into_values().collect()
}

/// What so many units of a row take from the shelf.
pub(crate) fn moves_of(row: &Row, units: Quantity) -> Vec<(String, Quantity)> {
    let times = |each: &Quantity| super::stored(units.decimal() * each.decimal());
    row.moves.iter().map(|(sku, each)| (sku.clone(), times(each))).collect()
}
