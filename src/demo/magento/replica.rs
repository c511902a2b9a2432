//! What a reader sees of the books: ways in which Magentos differ, a replica that lags, rows that are not committed yet.
//!
//! Promises: by default a reader sees what a 2.4.7-p6 was seen to show, at once. Everything else is switched on by a test.

use std::collections::{BTreeMap, BTreeSet};

use super::{Creditmemo, MagentoBooks, Order, life::Shipment};

/// Ways in which Magentos differ.
#[derive(Debug, Clone, Default)]
pub struct Quirks {
    /// A page past the end is the last page once more (documented). Observed: it is empty.
    pub repeats_last_page: bool,
    /// A shipment leaves its order's `updated_at` as it was (magento2#10287). Observed: it moves.
    pub shipments_leave_orders: bool,
    /// Keys of orders that are not committed yet: they have their key, and nobody sees them.
    pub uncommitted: BTreeSet<i64>,
}

/// The books as a replica has them.
#[derive(Debug, Clone)]
pub(crate) struct Replica {
    orders: BTreeMap<i64, Order>,
    shipments: Vec<Shipment>,
    creditmemos: Vec<Creditmemo>,
}

impl MagentoBooks {
    /// From now on readers see orders, shipments and credit memos as they are now.
    pub fn lag(&mut self) {
        let committed = |id: &i64| !self.quirks.uncommitted.contains(id);
        self.replica = Some(Replica {
            orders: self.orders.iter().filter(|(id, _)| committed(id)).map(|(id, one)| (*id, one.clone())).collect(),
            shipments: self.shipments.clone(),
            creditmemos: self.creditmemos.clone(),
        });
    }

    /// Readers see everything that is committed again.
    pub fn catch_up(&mut self) {
        self.replica = None;
    }

    pub(super) fn seen_orders(&self) -> impl Iterator<Item = &Order> {
        let orders = self.replica.as_ref().map_or(&self.orders, |replica| &replica.orders);
        orders.values().filter(|order| !self.quirks.uncommitted.contains(&order.id))
    }

    pub(super) fn seen_order(&self, id: i64) -> Option<&Order> {
        self.seen_orders().find(|order| order.id == id)
    }

    pub(super) fn seen_shipments(&self) -> &[Shipment] {
        self.replica.as_ref().map_or(&self.shipments, |replica| &replica.shipments)
    }

    pub(super) fn seen_creditmemos(&self) -> &[Creditmemo] {
        self.replica.as_ref().map_or(&self.creditmemos, |replica| &replica.creditmemos)
    }
}
