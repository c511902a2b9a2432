//! From which source an order was shipped, where several shops fulfil the orders of one web store.
//!
//! Promises: each shipped unit counts for the shop from whose source it went, whoever the order was routed to: there it takes
//! from the shelf and has left the source, and at the shop that the order was routed to it takes nothing. In doubt a unit
//! counts for the shop that the order was routed to. Doubt is a shipment without a source, one from Magento's stand-in
//! `default` (taken when a shipment names none, observed), and one that cannot be read. Asked for once per change of an
//! order, and only where orders are routed and stock is kept by source.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::Value;

use super::documents::Kind;
use super::order::share;
use super::query::{Search, filter};
use super::wire::{Figure, List, Order, Row, Word};
use super::{Keeping, Magento};
use crate::central::settings::{SOURCE, Whose};
use crate::domain::order::Standing;
use crate::domain::{OrderLine, Quantity, WebOrder};
use crate::ports::StoreError;

const FIELDS: &str = "items[entity_id,order_id,items[order_item_id,qty],extension_attributes[source_code]],total_count";
const DOING: &str = "reading from where orders were shipped";
/// Orders of which it is remembered; a restart, or more of them, costs asking again.
const REMEMBERED: usize = 5_000;

/// Units of each row of one order that were shipped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// From this shop's source.
    ours: BTreeMap<String, Decimal>,
    /// From another shop's.
    others: BTreeMap<String, Decimal>,
    /// From nobody knows where.
    unclear: BTreeMap<String, Decimal>,
}

/// What was found out, with how many units the order then said to be shipped.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<HashMap<String, (Decimal, Arc<Sent>)>>);

#[derive(Deserialize)]
struct Shipment {
    entity_id: Word,
    order_id: Word,
    items: Option<Vec<Item>>,
    #[serde(default)]
    extension_attributes: Value,
}

#[derive(Deserialize)]
struct Item {
    order_item_id: Word,
    qty: Figure,
}

/// What an order says itself of its shipments.
#[derive(Deserialize)]
struct Shipped {
    entity_id: Word,
    items: Option<Vec<ShippedRow>>,
}

#[derive(Deserialize)]
struct ShippedRow {
    item_id: Word,
    parent_item_id: Option<Word>,
    qty_shipped: Option<Figure>,
}

impl Shipped {
    /// Rows that belong to no other, with their shipped units.
    fn rows(&self) -> impl Iterator<Item = (&str, Decimal)> {
        let top = |row: &&ShippedRow| row.parent_item_id.as_ref().is_none_or(|parent| parent.0 == "0");
        let rows = self.items.iter().flatten().filter(top);
        rows.map(|row| (row.item_id.0.as_str(), row.qty_shipped.unwrap_or_default().0))
    }

    /// Of all rows: a bundle's own may stand still while its parts are shipped (observed).
    fn total(&self) -> Decimal {
        let units = |row: &ShippedRow| row.qty_shipped.unwrap_or_default().0;
        self.items.iter().flatten().map(units).fold(Decimal::ZERO, Decimal::saturating_add)
    }
}

/// Does an order say that any of its units were shipped?
pub(super) fn has_shipped(order: &Value) -> bool {
    Shipped::deserialize(order).is_ok_and(|order| !order.total().is_zero())
}

impl Sent {
    fn add(&mut self, shipment: &Shipment, source: &str) {
        let from = match shipment.extension_attributes.get("source_code").and_then(Value::as_str) {
            Some(code) if code == source => &mut self.ours,
            Some(SOURCE) | None => &mut self.unclear,
            Some(_) => &mut self.others,
        };
        for item in shipment.items.iter().flatten() {
            let units = from.entry(item.order_item_id.0.clone()).or_default();
            *units = units.saturating_add(item.qty.0);
        }
    }

    fn names(&self, row: &Word) -> bool {
        [&self.ours, &self.others, &self.unclear].into_iter().any(|from| from.contains_key(&row.0))
    }

    /// Do the shipments account for all that the order says to be shipped? If not, some of them are still to be seen.
    fn accounts_for(&self, order: &Shipped) -> bool {
        let sum = |row: &str| {
            let from = [&self.ours, &self.others, &self.unclear].into_iter().filter_map(|from| from.get(row));
            from.fold(Decimal::ZERO, |sum, units| sum.saturating_add(*units))
        };
        order.rows().all(|(row, shipped)| sum(row) == shipped)
    }

    /// Units of this row: a bundle that is shipped as one is named by its own row only.
    fn units(&self, from: &BTreeMap<String, Decimal>, row: &Row, rows: &[Row]) -> Result<Quantity, String> {
        let of = |id: &Word| from.get(&id.0).copied().map(Figure);
        let parent = rows.iter().find(|other| Some(&other.item_id) == row.parent_item_id.as_ref());
        let is_part_of_named = |other: &Row| other.parent_item_id == row.parent_item_id && self.names(&other.item_id);
        match parent {
            Some(parent) if !rows.iter().any(is_part_of_named) => share(parent, row, of(&parent.item_id)),
            Some(_) | None => of(&row.item_id).unwrap_or_default().quantity(),
        }
    }
}

/// What of the order is this shop's; `None`: nothing, another shop fulfils it.
///
/// # Errors
/// What is wrong with a quantity.
pub(super) fn part_of(order: WebOrder, raw: &Value, whose: Whose, sent: &Sent) -> Result<Option<WebOrder>, String> {
    let rows = Order::deserialize(raw).map_err(|why| why.to_string())?.items.unwrap_or_default();
    let was_void = order.is_void();
    let mut part = order;
    for line in &mut part.lines {
        let Some(row) = rows.iter().find(|row| row.item_id.0 == line.id) else { continue };
        match whose {
            Whose::Mine => less(line, sent.units(&sent.others, row, &rows)?),
            Whose::Elsewhere => only(line, sent.units(&sent.ours, row, &rows)?),
        }
    }
    if whose == Whose::Elsewhere {
        part.standing = Standing::Ready;
    }
    let is_nothing = part.is_void() && (whose == Whose::Elsewhere || !was_void);
    Ok((!is_nothing).then_some(part))
}

/// Units that another shop shipped: they neither took from this shelf nor left this source.
fn less(line: &mut OrderLine, units: Quantity) {
    let units = units.min(line.shipped);
    line.shipped = line.shipped - units;
    line.cancelled = line.cancelled + units;
}

/// Only units that this shop shipped: they have left it.
fn only(line: &mut OrderLine, units: Quantity) {
    let units = units.min(line.ordered);
    line.shipped = units;
    line.cancelled = line.ordered - units;
    line.refunded = line.refunded.min(units);
}

impl Magento {
    /// From where the orders of a page were shipped, by key; orders without shipments, and those of which nothing can be
    /// found out, are not in it.
    ///
    /// # Errors
    /// When it cannot be found out now.
    pub(super) async fn sent(&self, raw: &[Value]) -> Result<HashMap<String, Arc<Sent>>, StoreError> {
        if self.routing.is_none() {
            return Ok(HashMap::new());
        }
        let shipped: Vec<Shipped> = raw.iter().filter_map(|order| Shipped::deserialize(order).ok()).collect();
        let shipped: Vec<Shipped> = shipped.into_iter().filter(|order| !order.total().is_zero()).collect();
        let (mut known, unknown): (HashMap<_, _>, Vec<&Shipped>) = self.sent.recall(&shipped);
        if unknown.is_empty()
            || self.documents.is_refused(Kind::Shipments)
            || self.keeping().await? == Keeping::PerProduct
        {
            return Ok(known);
        }
        let keys: Vec<&str> = unknown.iter().map(|order| order.entity_id.0.as_str()).collect();
        let Some(shipments) = self.documents.allowed(Kind::Shipments, self.shipments_of(&keys).await)? else {
            return Ok(known);
        };
        for order in unknown {
            let mut sent = Sent::default();
            let its = shipments.iter().filter(|shipment| shipment.order_id == order.entity_id);
            its.for_each(|shipment| sent.add(shipment, &self.source));
            let sent = Arc::new(sent);
            if sent.accounts_for(order) {
                self.sent.remember(order, sent.clone());
            }
            known.insert(order.entity_id.0.clone(), sent);
        }
        Ok(known)
    }

    async fn shipments_of(&self, orders: &[&str]) -> Result<Vec<Shipment>, StoreError> {
        let mut all: Vec<Shipment> = Vec::new();
        loop {
            let after = all.last().map_or("0", |shipment| shipment.entity_id.0.as_str()).to_owned();
            let search = |size| {
                Search::new(size, FIELDS)
                    .and(vec![filter("order_id", "in", orders.join(","))])
                    .and(vec![filter("entity_id", "gt", &after)])
                    .ascending("entity_id")
            };
            let list: List<Shipment> = self.list(DOING, Kind::Shipments.route(), self.page, search).await?;
            let found = list.items.unwrap_or_default();
            let more = !found.is_empty() && list.total_count.unwrap_or(0) > found.len() as u64;
            all.extend(found);
            if !more {
                return Ok(all);
            }
        }
    }
}

impl Remembered {
    /// What is known of these orders as they are now, and those of which it has to be asked.
    fn recall<'a>(&self, orders: &'a [Shipped]) -> (HashMap<String, Arc<Sent>>, Vec<&'a Shipped>) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut found, mut unknown) = (HashMap::new(), Vec::new());
        for order in orders {
            match known.get(&order.entity_id.0) {
                Some((total, sent)) if *total == order.total() => {
                    found.insert(order.entity_id.0.clone(), sent.clone());
                }
                Some(_) | None => unknown.push(order),
            }
        }
        (found, unknown)
    }

    fn remember(&self, order: &Shipped, sent: Arc<Sent>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(order.entity_id.0.clone(), (order.total(), sent));
    }
}

#[cfg(test)]
#[path = "sent_tests.rs"]
mod tests;
