//! What differs from shop to shop and from version to version, to be switched by whoever plays one.
//!
//! Promises: the default is what a plain 2.4.7-p6 was observed to do. What was only read of other versions or of modules
//! names its source.

use std::collections::{BTreeMap, BTreeSet};

use super::{MagentoBooks, Mode, Refusal, STOCK, State, key};
use crate::domain::Quantity;

/// The module that takes stock when an order is placed (AmpersandHQ/magento2-disable-stock-reservation, etc/module.xml).
pub const RESERVATION_MODULE: &str = "Ampersand_DisableStockReservation";

/// What becomes of a status that comes with a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CommentStatus {
    /// One that does not belong to the order's present state is refused (observed on 2.4.7-p6).
    #[default]
    Refused,
    /// Another than the present one is ignored without a word (magento2#38659, of the first 2.4.7).
    Ignored,
    /// Any text is taken (magento2#32968), and none at all empties the order's status (magento2#34180).
    Any,
}

/// What an order does to stock before it is shipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reserving {
    /// As installed: a reservation with MSI, a lower quantity without.
    #[default]
    Reserved,
    /// A module takes the units from their source at once, and nothing at shipment ([`RESERVATION_MODULE`]).
    TakenAtPlacement,
    /// "Decrease Stock When Order is Placed" is No: nothing (magento/inventory#829).
    Never,
}

/// How this shop differs from a plain one.
#[derive(Debug, Clone, Default)]
pub struct ShopHabits {
    /// Statuses that come with comments.
    pub comment_status: CommentStatus,
    /// Order statuses of the shop's own, each assigned to a state (Stores > Order Status).
    pub statuses: Vec<(State, String)>,
    /// What an order does to stock.
    pub reserving: Reserving,
    /// Modules besides Magento's own.
    pub modules: Vec<String>,
    /// Do the queue consumers wait? Then the salable figure can be wrong after a shipment until they run (observed).
    pub consumers_wait: bool,
}

/// What an index or a waiting consumer makes of the salable figure.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    /// Figures that are shown instead of the true ones.
    shown: BTreeMap<String, Quantity>,
    /// Written at this moment, and so out of the index.
    in_gap: BTreeSet<String>,
}

impl MagentoBooks {
    /// Installs a module that takes stock when an order is placed.
    pub fn install_reservation_module(&mut self) {
        self.habits.modules.push(RESERVATION_MODULE.to_owned());
        self.habits.reserving = Reserving::TakenAtPlacement;
    }

    /// The table of reservations is emptied.
    pub fn forget_reservations(&mut self) {
        self.reservations.clear();
        self.reserved.clear();
    }

    /// From now on the salable figures are those of this moment, until the consumers run.
    pub fn freeze_salable(&mut self) {
        let skus: Vec<String> = self.products.values().map(|product| product.sku.clone()).collect();
        self.index.shown = skus.iter().map(|sku| (key(sku), self.salable(sku))).collect();
    }

    /// The queue consumers and indexers run: figures are true again.
    pub fn run_consumers(&mut self) {
        self.index.shown.clear();
    }

    /// A SKU is being written: for that moment it is out of the stock index, and nobody can buy it (observed). `false`:
    /// it is back.
    pub fn set_gap(&mut self, sku: &str, open: bool) {
        if open {
            self.index.in_gap.insert(key(sku));
        } else {
            self.index.in_gap.remove(&key(sku));
        }
    }

    pub(crate) fn is_in_gap(&self, sku: &str) -> bool {
        self.index.in_gap.contains(&key(sku))
    }

    /// The salable figure as the store tells it, which may lag.
    pub fn shown_salable(&self, sku: &str) -> Quantity {
        if self.is_in_gap(sku) {
            return Quantity::ZERO;
        }
        self.index.shown.get(&key(sku)).copied().unwrap_or_else(|| self.salable(sku))
    }

    /// Observed: 5 on hand, 3 ordered and shipped: 0 is told instead of 2, until a consumer runs. It happens when the
    /// lowered source less the reservation that is still open is nothing.
    pub(crate) fn mistell_after_shipment(&mut self, sku: &str, lowered: Quantity) {
        if self.habits.consumers_wait && !(lowered + self.reserved(sku)).is_positive() {
            self.index.shown.insert(key(sku), Quantity::ZERO);
        }
    }

    /// Takes a product out of the catalogue, with its quantities.
    pub fn remove_product(&mut self, sku: &str) {
        self.products.remove(&key(sku));
        self.legacy.remove(&key(sku));
        self.source_items.retain(|(other, _), _| *other != key(sku));
    }

    /// Units are promised to an order; a negative number gives them back.
    pub(crate) fn promise(&mut self, sku: &str, units: Quantity, order: i64) {
        match (self.mode, self.habits.reserving) {
            (Mode::Msi | Mode::Legacy, Reserving::Never) => {}
            (Mode::Legacy, Reserving::Reserved | Reserving::TakenAtPlacement) => self.shift_legacy(sku, -units),
            (Mode::Msi, Reserving::Reserved) => self.reserve(sku, -units, order),
            (Mode::Msi, Reserving::TakenAtPlacement) => {
                let source = self.first_source();
                self.shift_source(&source, sku, -units);
            }
        }
    }

    /// The source with the highest priority that the website sells from.
    pub(crate) fn first_source(&self) -> String {
        let first = self.sources.iter().find(|source| source.stock == STOCK && source.enabled);
        first.map(|source| source.code.clone()).unwrap_or_default()
    }

    /// The status that an order gets by a comment with this one.
    pub(crate) fn status_by_comment(&self, state: State, present: &str, sent: Option<&str>) -> Result<String, Refusal> {
        let belongs = |status: &str| {
            let own = |(of, known): &(State, String)| *of == state && known == status;
            status == state.status() || self.habits.statuses.iter().any(own)
        };
        match (self.habits.comment_status, sent) {
            (CommentStatus::Any, sent) => Ok(sent.unwrap_or_default().to_owned()),
            (CommentStatus::Ignored, _) | (CommentStatus::Refused, None) => Ok(present.to_owned()),
            (CommentStatus::Refused, Some(sent)) if belongs(sent) => Ok(sent.to_owned()),
            (CommentStatus::Refused, Some(sent)) => {
                // The line break and the blanks are Magento's own (observed).
                let message = "Unable to add comment: The status \"%1\" is not part of the order\n                 status history.";
                Err(Refusal::with(400, message, serde_json::json!([sent])))
            }
        }
    }
}
