//! What the till booked of an order and what the store wants of it now: the difference, and what it means for stock.
//!
//! Promises: units that the till may have taken back never count as booked, and units that were booked once more count
//! only from the time by which that is known, so that every doubt undersells. Does not promise to know what staff book
//! in the till without being asked and without saying so.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{AdmittedSnapshot, OrderLine, Quantity, Sku, WebOrder};

/// Decimal places to which the share of a line's discount is rounded, if it has no more itself.
const DISCOUNT_PLACES: u32 = 2;

/// Units of each SKU; none is zero.
pub type Units = BTreeMap<Sku, Quantity>;

/// Units that the till booked, and when that was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Units of the SKU.
    pub units: Quantity,
    /// When the file was first seen to be gone, or a person said that it is booked.
    pub at: Timestamp,
}

/// What the till is known to have booked of one order and one SKU.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Booked {
    /// From the order's file, and by staff on top of that.
    pub out: Vec<Taken>,
    /// Units that the till has taken back, or may have: by cancellation files that it could see, or because staff booked
    /// a return or were asked to. They count whatever the time, for a return may be booked long before anybody says so.
    pub back: Quantity,
}

impl Booked {
    /// Of a file alone.
    pub fn by_file(taken: Option<Taken>) -> Self {
        Self { out: taken.into_iter().collect(), back: Quantity::ZERO }
    }

    /// `k`: the fewest units that the export can have deducted for the order.
    ///
    /// Below zero where the till may have taken back what it never booked: then the export counts too many.
    pub fn deducted_in(&self, snapshot: &AdmittedSnapshot) -> Quantity {
        let out: Quantity = self.out.iter().map(|taken| snapshot.deducted(taken.units, Some(taken.at))).sum();
        out - self.back
    }
}

/// What of a booking no longer fits what the store wants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Difference {
    /// Units that the till is to take back.
    pub back: Units,
    /// Units that it should have booked on top.
    pub more: Units,
}

impl Difference {
    /// From what is booked to what is wanted.
    pub fn between(booked: &Units, wanted: &Units) -> Self {
        let mut difference = Self::default();
        for sku in booked.keys().chain(wanted.keys()).collect::<BTreeSet<_>>() {
            let change = of(booked, sku) - of(wanted, sku);
            add(&mut difference.back, sku, change.or_zero());
            add(&mut difference.more, sku, (-change).or_zero());
        }
        difference
    }

    /// Is everything as it should be?
    pub fn is_empty(&self) -> bool {
        self.back.is_empty() && self.more.is_empty()
    }
}

/// What staff were asked to correct in the till and nobody has said to be done: some of it may be booked by now.
///
/// Only grows until then: a question that the store has made pointless may have been acted on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The most units whose return was asked for.
    pub back: Units,
    /// The most units that were to be booked on top.
    pub more: Units,
}

impl Asked {
    /// Was anything asked?
    pub fn is_empty(&self) -> bool {
        self.back.is_empty() && self.more.is_empty()
    }

    /// Now this is asked as well.
    pub fn also(&mut self, difference: &Difference) {
        for (most, now) in [(&mut self.back, &difference.back), (&mut self.more, &difference.more)] {
            for (sku, units) in now {
                let known = of(most, sku);
                add(most, sku, (*units - known).or_zero());
            }
        }
    }

    /// A person says that the till has booked what the store wants, no more and no less: what may have been taken back
    /// by now, and what is booked in its place. Together they end `difference`.
    pub fn done(&self, difference: &Difference) -> (Units, Units) {
        let (mut back, mut again) = (Units::new(), Units::new());
        let skus = self.back.keys().chain(difference.back.keys()).chain(difference.more.keys());
        for sku in skus.collect::<BTreeSet<_>>() {
            let taken_back = of(&self.back, sku).max(of(&difference.back, sku));
            add(&mut back, sku, taken_back);
            add(&mut again, sku, taken_back - of(&difference.back, sku) + of(&difference.more, sku));
        }
        (back, again)
    }
}

/// Units of this SKU.
pub fn of(units: &Units, sku: &Sku) -> Quantity {
    units.get(sku).copied().unwrap_or_default()
}

/// Adds to the units of this SKU; what comes to nothing is not kept.
pub fn add(units: &mut Units, sku: &Sku, more: Quantity) {
    let sum = of(units, sku) + more;
    if sum.is_zero() {
        units.remove(sku);
    } else {
        units.insert(sku.clone(), sum);
    }
}

/// Units of the line that the till should have booked, whether it takes stock or not.
fn to_book(line: &OrderLine) -> Quantity {
    (line.ordered - line.cancelled - line.returned).or_zero()
}

/// What the till should have booked of the order. Lines that take no stock (a voucher) count as well, unless a line of the
/// same SKU does take some: those units must not pass for stock.
pub fn wanted(order: &WebOrder) -> Units {
    let mut units = wanted_stock(order);
    let of_stock: BTreeSet<&Sku> = order.lines.iter().filter(|line| line.takes_stock).map(|line| &line.sku).collect();
    for line in order.lines.iter().filter(|line| !line.takes_stock && !of_stock.contains(&line.sku)) {
        add(&mut units, &line.sku, to_book(line));
    }
    units
}

/// The same of lines that take stock only.
pub fn wanted_stock(order: &WebOrder) -> Units {
    let mut units = Units::new();
    for line in order.lines.iter().filter(|line| line.takes_stock) {
        add(&mut units, &line.sku, to_book(line));
    }
    units
}

/// Units that were refunded and are not known to be back on the shelf.
pub fn refunded(order: &WebOrder) -> Units {
    let mut units = Units::new();
    for line in order.lines.iter().filter(|line| line.takes_stock) {
        add(&mut units, &line.sku, (line.refunded - line.returned).or_zero());
    }
    units
}

/// The store no longer lists an item of the order, so that nothing but its code is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the web store no longer lists {0} in the order, so that its price is not known")]
pub struct NotInOrder(pub Sku);

/// The order cut down to what the till is to take back: its lines hold those units, and its sums follow them.
///
/// Shipping goes back with an order that is cancelled altogether.
///
/// # Errors
/// When an item is no longer in the order.
pub fn to_take_back(order: &WebOrder, back: &Units) -> Result<WebOrder, NotInOrder> {
    let mut lines = Vec::new();
    for (sku, units) in back {
        let mut left = *units;
        let mut of_sku: Vec<&OrderLine> = order.lines.iter().filter(|line| line.sku == *sku).collect();
        // First the lines that lost units, as far as they did.
        of_sku.sort_by_key(|line| std::cmp::Reverse(line.ordered - to_book(line)));
        let last = of_sku.len();
        for (at, line) in of_sku.into_iter().enumerate() {
            let of_line = if at + 1 == last { left } else { left.min(line.ordered - to_book(line)) };
            if of_line.is_positive() {
                lines.push(cut_down(line, of_line));
                left = left - of_line;
            }
        }
        if left.is_positive() {
            return Err(NotInOrder(sku.clone()));
        }
    }
    let is_cancelled = order.lines.iter().all(|line| line.cancelled >= line.ordered);
    let shipping_total = if is_cancelled { order.shipping_total } else { Decimal::ZERO };
    let amount = |line: &OrderLine| line.price_incl_tax.saturating_mul(line.ordered.decimal()) - line.discount;
    let total = lines.iter().map(amount).fold(shipping_total, Decimal::saturating_add);
    Ok(WebOrder { lines, shipping_total, total, ..order.clone() })
}

fn cut_down(line: &OrderLine, units: Quantity) -> OrderLine {
    let share = units.decimal().checked_div(line.ordered.decimal()).unwrap_or_default();
    let discount = line.discount.saturating_mul(share).round_dp(line.discount.scale().max(DISCOUNT_PLACES));
    OrderLine {
        ordered: units,
        cancelled: Quantity::ZERO,
        shipped: Quantity::ZERO,
        refunded: Quantity::ZERO,
        returned: Quantity::ZERO,
        discount,
        ..line.clone()
    }
}

/// The order as it would be if the till had booked what is wanted of it, to compare all but units.
pub fn as_booked(order: &WebOrder, booked: &Units) -> WebOrder {
    let mut left = booked.clone();
    let line = |line: &OrderLine| {
        let ordered = left.remove(&line.sku).unwrap_or_default();
        OrderLine { ordered, cancelled: Quantity::ZERO, returned: Quantity::ZERO, ..line.clone() }
    };
    WebOrder { lines: order.lines.iter().map(line).collect(), ..order.clone() }
}

/// What a till has of an order besides units: whose it is, how it is sent and paid, names and prices. Each is kept as
/// a hash, which tells whether it changed and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Particulars {
    /// Customer and address.
    pub customer: String,
    /// How it is shipped.
    pub shipping: String,
    /// How it is paid.
    pub payment: String,
    /// Name and prices of each line, by the store's key of the line.
    pub lines: BTreeMap<String, String>,
}

impl Particulars {
    /// What is another now, in words. Lines that came or went differ in units, which is told otherwise.
    pub fn changes(&self, now: &Self) -> Vec<String> {
        let mut changed = Vec::new();
        for (what, before, after) in [
            ("customer or address", &self.customer, &now.customer),
            ("the way of shipping", &self.shipping, &now.shipping),
            ("the way of payment", &self.payment, &now.payment),
        ] {
            if before != after {
                changed.push(what.to_owned());
            }
        }
        if self.lines.iter().any(|(line, before)| now.lines.get(line).is_some_and(|after| after != before)) {
            changed.push("names or prices of items".to_owned());
        }
        changed
    }
}

#[cfg(test)]
#[path = "corrections_tests.rs"]
mod tests;
