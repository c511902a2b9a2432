//! From an admitted snapshot and the web orders to the quantity that the store should hold.
//!
//! The arithmetic (per SKU, over the web orders routed to this shop):
//!
//! ```text
//! A = max(0, E) − Σ max(0, n − k)      what may truly still be sold
//! W = A + Σ r     where the store keeps physical stock plus reservations (Magento MSI)
//! W = A           where the store deducts at placement (Magento legacy, our store API)
//! ```
//!
//! Promises: takes nothing but an [`AdmittedSnapshot`]; every unit between `E` and `W` is accounted for by a
//! [`Term`], so that `stock explain` can always say why. Every doubt makes `W` smaller.

use serde::{Deserialize, Serialize};

use super::corrections::Booked;
use super::stock::Counted;
use super::{AdmittedSnapshot, OrderId, Quantity, Sku};

/// How the store keeps its books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StockModel {
    /// Physical quantity, with reservations kept apart until shipment (Magento MSI).
    PhysicalPlusReservations,
    /// The quantity falls when the order is placed (Magento without MSI, our store API).
    DeductAtPlacement,
}

impl StockModel {
    /// Its word in the ledger.
    pub fn word(self) -> &'static str {
        match self {
            Self::PhysicalPlusReservations => "physical-plus-reservations",
            Self::DeductAtPlacement => "deduct-at-placement",
        }
    }

    /// Reads [`StockModel::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::PhysicalPlusReservations, Self::DeductAtPlacement].into_iter().find(|model| model.word() == word)
    }
}

/// What one order claims of one SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The store's key of the order.
    pub order: OrderId,
    /// The number to show.
    pub number: String,
    /// `n`: units it should still take from the shop.
    pub to_take: Quantity,
    /// `r`: units the store still reserves for it.
    pub reserved: Quantity,
    /// Units shipped so far.
    pub shipped: Quantity,
    /// What the till is known to have booked of it.
    pub booked: Booked,
    /// Was it placed before the agent took over? Then staff book it by hand, and it counts as booked once shipped.
    pub before_our_time: bool,
    /// Set where store and till do not mean the same item by this order, because an item's till code has changed.
    pub apart: Option<Apart>,
}

/// How an order's item at the store and at the till fall apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Apart {
    /// The store sold another web SKU, and its file was written under this item's till code: the till takes it from here.
    SoldAs(Sku),
    /// The till took the file in which this item had another code: that proves nothing about this item's count.
    BookedAs(Sku),
}

/// What the shop wants changed about the truth before it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "snake_case")]
pub struct ShownRules {
    /// Units kept back from the web store.
    pub buffer: Quantity,
    /// Most units shown.
    pub show_at_most: Option<Quantity>,
    /// Fewest units shown: for items that can always be made. This may sell what is not there.
    pub show_at_least: Option<Quantity>,
    /// Leave this SKU alone.
    pub ignore: bool,
}

/// One step from the till's count to the store's quantity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Term {
    /// The till counts less than nothing; that is nothing to sell.
    NegativeCount {
        /// Units added to come to zero.
        units: Quantity,
    },
    /// The till had not deducted this order when it exported.
    NotYetDeducted {
        /// The order's number.
        number: String,
        /// Units subtracted.
        units: Quantity,
    },
    /// The safety buffer.
    Buffer {
        /// Units subtracted.
        units: Quantity,
    },
    /// No more than the most to show.
    ShownAtMost {
        /// Units subtracted.
        units: Quantity,
    },
    /// No fewer than the fewest to show.
    ShownAtLeast {
        /// Units added.
        units: Quantity,
    },
    /// The store itself subtracts its reservation for this order, so it is added back.
    Reserved {
        /// The order's number.
        number: String,
        /// Units added.
        units: Quantity,
    },
    /// A store cannot hold less than nothing.
    RaisedToZero {
        /// Units added.
        units: Quantity,
    },
}

impl Term {
    /// The signed number of units by which this step changes the quantity.
    pub fn change(&self) -> Quantity {
        match self {
            Self::NotYetDeducted { units, .. } | Self::Buffer { units } | Self::ShownAtMost { units } => -*units,
            Self::NegativeCount { units }
            | Self::ShownAtLeast { units }
            | Self::Reserved { units, .. }
            | Self::RaisedToZero { units } => *units,
        }
    }
}

/// What the store should hold, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// `E`: the till's count.
    pub counted: Quantity,
    /// `A` with the shop's wishes applied: what shoppers may buy. Never negative.
    pub sellable: Quantity,
    /// `W`: the quantity to write.
    pub write: Quantity,
    /// Every step from `counted` to `write`; their changes add up to the difference.
    pub terms: Vec<Term>,
}

/// Computes what the store should hold of one SKU.
pub fn reconcile(
    snapshot: &AdmittedSnapshot,
    counted: &Counted,
    claims: &[Claim],
    shown: &ShownRules,
    model: StockModel,
) -> Target {
    let mut steps = Steps { at: counted.quantity, terms: Vec::new() };
    steps.add(counted.quantity.or_zero() - counted.quantity, |units| Term::NegativeCount { units });
    for claim in claims {
        let units = not_deducted(snapshot, claim);
        steps.subtract(units, |units| Term::NotYetDeducted { number: claim.number.clone(), units });
    }
    apply_wishes(&mut steps, shown);
    let sellable = steps.at.or_zero();
    match model {
        StockModel::PhysicalPlusReservations => {
            for claim in claims {
                steps.add(claim.reserved, |units| Term::Reserved { number: claim.number.clone(), units });
            }
        }
        StockModel::DeductAtPlacement => {}
    }
    steps.add(steps.at.or_zero() - steps.at, |units| Term::RaisedToZero { units });
    Target { counted: counted.quantity, sellable, write: steps.at, terms: steps.terms }
}

/// `max(0, n − k)`: units that the order takes and that the export still counts.
fn not_deducted(snapshot: &AdmittedSnapshot, claim: &Claim) -> Quantity {
    if claim.before_our_time && claim.booked.out.is_empty() {
        return (claim.reserved + claim.booked.back).or_zero();
    }
    (claim.to_take - claim.booked.deducted_in(snapshot)).or_zero()
}

fn apply_wishes(steps: &mut Steps, shown: &ShownRules) {
    let spare = steps.at.or_zero();
    steps.subtract(shown.buffer.min(spare), |units| Term::Buffer { units });
    if let Some(most) = shown.show_at_most {
        steps.subtract((steps.at - most).or_zero(), |units| Term::ShownAtMost { units });
    }
    if let Some(least) = shown.show_at_least {
        steps.add((least - steps.at).or_zero(), |units| Term::ShownAtLeast { units });
    }
}

struct Steps {
    at: Quantity,
    terms: Vec<Term>,
}

impl Steps {
    fn add(&mut self, units: Quantity, term: impl FnOnce(Quantity) -> Term) {
        if units.is_positive() {
            self.at = self.at + units;
            self.terms.push(term(units));
        }
    }

    fn subtract(&mut self, units: Quantity, term: impl FnOnce(Quantity) -> Term) {
        if units.is_positive() {
            self.at = self.at - units;
            self.terms.push(term(units));
        }
    }
}

/// How far the store's own doings (placements, cancellations, shipments) have moved its quantity so far.
///
/// Kept beside every acknowledged write, so that the quantity expected now is the written one less what has moved since.
/// Orders that the store took from another item move nothing here.
pub fn moved_by_store(claims: &[Claim], model: StockModel) -> Quantity {
    let own = claims.iter().filter(|claim| !matches!(claim.apart, Some(Apart::SoldAs(_))));
    match model {
        StockModel::PhysicalPlusReservations => own.map(|claim| claim.shipped).sum(),
        StockModel::DeductAtPlacement => own.map(|claim| claim.to_take).sum(),
    }
}

/// An acknowledged write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// The quantity that the store took.
    pub written: Quantity,
    /// [`moved_by_store`] at that moment.
    pub moved: Quantity,
}

/// The quantity that the store should hold now, if nobody else wrote to it.
pub fn expected(last: Acknowledged, moved_now: Quantity) -> Quantity {
    last.written - (moved_now - last.moved)
}

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
