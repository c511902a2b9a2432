//! Orders of the store, and the feed of what happens to them.
//!
//! Promises: every change writes one event with the whole order as it then is, in the same step.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{Problem, StoreBooks};
use crate::demo::magento::guest;
use crate::domain::Quantity;

/// Tax of the simulated store, percent.
const TAX_PERCENT: i64 = 19;

/// Shipping per order, tax included, in pence.
const SHIPPING_PENCE: i64 = 595;

/// One line of an order.
#[derive(Debug, Clone)]
pub struct SoldLine {
    /// Its key.
    pub id: String,
    /// What.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// Price of one unit without tax, in pence.
    pub price_pence: i64,
    /// Units ordered.
    pub ordered: Quantity,
    /// Units cancelled.
    pub cancelled: Quantity,
    /// Units shipped.
    pub shipped: Quantity,
    /// Units refunded.
    pub refunded: Quantity,
    /// Units put back into stock.
    pub returned: Quantity,
    /// Does it take anything from the shelf?
    pub takes_stock: bool,
}

/// An order.
#[derive(Debug, Clone)]
pub struct StoreOrder {
    /// Its key.
    pub id: String,
    /// The number that customers see.
    pub number: String,
    /// Moves with every change.
    pub version: u64,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// May it go to the till?
    pub ready: bool,
    /// The store's word for its state.
    pub status: &'static str,
    /// Its lines.
    pub lines: Vec<SoldLine>,
    /// Does this shop fulfil it?
    pub is_here: bool,
}

impl StoreOrder {
    /// Units of a SKU that it still takes from the shop.
    pub fn to_take(&self, sku: &str) -> Quantity {
        self.of(sku).map(|line| (line.ordered - line.cancelled - line.returned).or_zero()).sum()
    }

    /// Units of a SKU that are still to be shipped.
    pub fn to_ship(&self, sku: &str) -> Quantity {
        self.of(sku).map(|line| (line.ordered - line.cancelled - line.shipped - line.refunded).or_zero()).sum()
    }

    fn of(&self, sku: &str) -> impl Iterator<Item = &SoldLine> {
        self.lines.iter().filter(move |line| self.is_here && line.takes_stock && line.sku == sku)
    }

    /// The order as the feed shows it.
    pub fn body(&self) -> Value {
        let lines: Vec<Value> = self.lines.iter().map(line_body).collect();
        let goods: Decimal = self.lines.iter().map(|line| with_tax(line.price_pence) * line.ordered.decimal()).sum();
        let shipping = Decimal::new(SHIPPING_PENCE, 2);
        let who = guest();
        json!({
            "id": self.id, "number": self.number, "version": self.version.to_string(), "placed_at": self.placed_at.to_string(),
            "standing": if self.ready { "ready" } else { "waiting" }, "status": self.status,
            "currency": "EUR", "total": money(goods + shipping), "shipping_total": money(shipping),
            "payment": "card", "shipping": "Parcel",
            "customer": {
                "email": who.email, "name": who.name, "company": who.company, "street": who.street, "city": who.city,
                "region": who.region, "postcode": who.postcode, "country": who.country, "telephone": who.telephone,
            },
            "lines": lines,
        })
    }
}

fn with_tax(pence: i64) -> Decimal {
    (Decimal::new(pence, 2) * Decimal::new(100 + TAX_PERCENT, 2)).round_dp(2)
}

fn money(amount: Decimal) -> String {
    format!("{:.2}", amount.round_dp(2))
}

fn line_body(line: &SoldLine) -> Value {
    json!({
        "id": line.id, "sku": line.sku, "name": line.name, "ordered": line.ordered, "cancelled": line.cancelled,
        "shipped": line.shipped, "refunded": line.refunded, "returned": line.returned,
        "price": money(Decimal::new(line.price_pence, 2)), "price_incl_tax": money(with_tax(line.price_pence)),
        "tax_percent": TAX_PERCENT.to_string(), "discount": "0", "takes_stock": line.takes_stock,
    })
}

/// What happened to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Placed.
    Placed,
    /// Changed in some other way.
    Changed,
    /// Cancelled, in part or whole.
    Cancelled,
    /// Refunded, in part or whole.
    Refunded,
    /// Shipped, in part or whole.
    Shipped,
    /// Another location fulfils it from now on.
    MovedAway,
    /// It came from another location.
    MovedHere,
}

impl Kind {
    /// The word in the feed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Changed => "changed",
            Self::Cancelled => "cancelled",
            Self::Refunded => "refunded",
            Self::Shipped => "shipped",
            Self::MovedAway => "moved_away",
            Self::MovedHere => "moved_here",
        }
    }
}

/// One event of the feed.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// Which order.
    pub order_id: String,
    /// The order's version then.
    pub version: u64,
    /// What happened.
    pub kind: Kind,
    /// The order as it was then.
    pub order: Value,
    /// What it took from the shop then.
    pub takes: BTreeMap<String, Quantity>,
}

/// One acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// Which order.
    pub order_id: String,
    /// How far it came.
    pub stage: String,
    /// The till's file name or answer.
    pub epos_ref: String,
    /// When, as the agent says.
    pub at: String,
}

impl StoreBooks {
    /// Places an order; `ready` is whether it is paid.
    ///
    /// # Errors
    /// When a SKU is unknown, or less than that can be sold.
    pub fn place(&mut self, lines: &[(String, Quantity)], ready: bool) -> Result<String, Problem> {
        for (sku, units) in lines {
            let held =
                self.stock.get(sku).ok_or_else(|| Problem::new(404, "unknown_sku", "there is no such article"))?;
            let same = lines.iter().filter(|(other, _)| other == sku).map(|(_, units)| *units).sum::<Quantity>();
            let short = held.managed && self.available(sku).unwrap_or_default() < same;
            if short || !units.is_positive() {
                self.turned_away.push((sku.clone(), *units));
                return Err(Problem::new(409, "not_available", "that many are not available"));
            }
        }
        let id = format!("o-{}", self.orders.len() + 1);
        let number = format!("W{:06}", self.orders.len() + 1);
        let sold = lines.iter().enumerate().filter_map(|(at, (sku, units))| self.sold(at + 1, sku, *units)).collect();
        let order = StoreOrder {
            id: id.clone(),
            number,
            version: 0,
            placed_at: self.clock.now(),
            ready,
            status: if ready { "paid" } else { "awaiting payment" },
            lines: sold,
            is_here: true,
        };
        for line in &order.lines {
            self.sold.entry(line.sku.clone()).or_default().insert(id.clone());
        }
        self.orders.insert(id.clone(), order);
        self.happened(&id, Kind::Placed);
        Ok(id)
    }

    fn sold(&self, at: usize, sku: &str, units: Quantity) -> Option<SoldLine> {
        let held = self.stock.get(sku)?;
        Some(SoldLine {
            id: at.to_string(),
            sku: sku.to_owned(),
            name: held.name.clone(),
            price_pence: held.price_pence,
            ordered: units,
            cancelled: Quantity::ZERO,
            shipped: Quantity::ZERO,
            refunded: Quantity::ZERO,
            returned: Quantity::ZERO,
            takes_stock: held.managed,
        })
    }

    /// Cancels what was not shipped.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn cancel(&mut self, id: &str) -> Result<(), Problem> {
        self.change(id, Kind::Cancelled, |order| {
            order.status = "cancelled";
            for line in &mut order.lines {
                line.cancelled = (line.ordered - line.shipped).or_zero();
            }
        })
    }

    /// Cancels some units of one article, as far as they were not cancelled yet.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn cancel_some(&mut self, id: &str, sku: &str, units: Quantity) -> Result<(), Problem> {
        self.change(id, Kind::Cancelled, |order| {
            for line in order.lines.iter_mut().filter(|line| line.sku == sku) {
                line.cancelled = (line.cancelled + units).min(line.ordered - line.shipped);
            }
        })
    }

    /// Ships all that is left.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn ship(&mut self, id: &str) -> Result<(), Problem> {
        self.change(id, Kind::Shipped, |order| {
            order.status = "shipped";
            for line in &mut order.lines {
                line.shipped = (line.ordered - line.cancelled).or_zero();
            }
        })
    }

    /// Refunds all of it; `returned` is whether it is back on the shelf.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn refund(&mut self, id: &str, returned: bool) -> Result<(), Problem> {
        self.change(id, Kind::Refunded, |order| {
            order.status = "refunded";
            for line in &mut order.lines {
                line.refunded = (line.ordered - line.cancelled).or_zero();
                line.returned = if returned { line.refunded } else { Quantity::ZERO };
            }
        })
    }

    /// Refunds some units of one article; `returned` is whether they are back on the shelf.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn refund_some(&mut self, id: &str, sku: &str, units: Quantity, returned: bool) -> Result<(), Problem> {
        self.change(id, Kind::Refunded, |order| {
            for line in order.lines.iter_mut().filter(|line| line.sku == sku) {
                line.refunded = (line.refunded + units).min(line.ordered - line.cancelled);
                line.returned = if returned { (line.returned + units).min(line.refunded) } else { line.returned };
            }
        })
    }

    /// Takes a cancellation back.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn reinstate(&mut self, id: &str) -> Result<(), Problem> {
        self.change(id, Kind::Changed, |order| {
            order.status = "paid";
            order.lines.iter_mut().for_each(|line| line.cancelled = Quantity::ZERO);
        })
    }

    /// Changes how many units of one article are ordered.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn edit(&mut self, id: &str, sku: &str, units: Quantity) -> Result<(), Problem> {
        self.change(id, Kind::Changed, |order| {
            order.lines.iter_mut().filter(|line| line.sku == sku).for_each(|line| line.ordered = units);
        })
    }

    /// The customer's money came.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn pay(&mut self, id: &str) -> Result<(), Problem> {
        self.change(id, Kind::Changed, |order| (order.ready, order.status) = (true, "paid"))
    }

    /// Another location fulfils it from now on.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn move_away(&mut self, id: &str) -> Result<(), Problem> {
        self.change(id, Kind::MovedAway, |order| order.is_here = false)
    }

    /// It comes back from another location.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn move_here(&mut self, id: &str) -> Result<(), Problem> {
        self.change(id, Kind::MovedHere, |order| order.is_here = true)
    }

    fn change(&mut self, id: &str, kind: Kind, change: impl FnOnce(&mut StoreOrder)) -> Result<(), Problem> {
        let order = self.orders.get_mut(id);
        change(order.ok_or_else(|| Problem::new(404, "unknown_order", "there is no such order"))?);
        self.happened(id, kind);
        Ok(())
    }

    fn happened(&mut self, id: &str, kind: Kind) {
        let seq = u64::try_from(self.events.len()).unwrap_or(u64::MAX).saturating_add(1);
        let Some(order) = self.orders.get_mut(id) else { return };
        order.version += 1;
        if !order.is_here && kind != Kind::MovedAway {
            return;
        }
        let takes = order.lines.iter().map(|line| (line.sku.clone(), order.to_take(&line.sku))).collect();
        let (version, body) = (order.version, order.body());
        self.events.push(Event { seq, order_id: id.to_owned(), version, kind, order: body, takes });
        for line in &order.lines {
            if let Some(held) = self.stock.get_mut(&line.sku) {
                held.version += 1;
            }
        }
    }
}
