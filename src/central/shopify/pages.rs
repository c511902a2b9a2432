//! Lists inside an order that did not fit on its page: lines, parts, shipments, refunds.
//!
//! Promises: an order is whole or not used at all; a list that does not end is given up. Each page is read at another
//! moment: an order that changes meanwhile has a newer `updatedAt` and is met again.

use std::sync::atomic::Ordering;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Shopify;
use super::documents::{self, Document};
use super::graphql::Failure;
use super::wire::{Connection, More, Nodes, Order, PageInfo};
use crate::ports::StoreError;

/// Rows of a list that is read alone.
const ROWS: usize = 100;
/// Parts of an order that are asked for with it: more than five locations rarely share one.
pub(super) const PARTS: usize = 5;
/// Shipments, and refunds, that are asked for with an order. They are no pages: so many as asked for may be too few.
pub(super) const DEEDS: usize = 10;
/// The most of them that can be asked for.
const MOST_DEEDS: usize = 250;
/// Pages of one list; no order has as many lines.
const MOST_PAGES: usize = 100;
const DOING: &str = "reading an order";

impl Shopify {
    /// How much of each list is asked for with an order.
    pub(super) fn with_sizes(&self, deeds: usize, mut variables: Value) -> Value {
        let lines = self.limits.lines.load(Ordering::Relaxed);
        if let Some(known) = variables.as_object_mut() {
            known.insert("lines".into(), json!(lines));
            known.insert("parts".into(), json!(PARTS));
            known.insert("deeds".into(), json!(deeds));
        }
        variables
    }

    /// The orders of these keys; those that are gone are left out.
    ///
    /// # Errors
    /// When they cannot all be read.
    pub(super) async fn orders_by_id(&self, ids: &[String], deeds: usize) -> Result<Vec<Value>, StoreError> {
        let mut found = Vec::with_capacity(ids.len());
        let mut rest = ids;
        while !rest.is_empty() {
            let most = self.orders_at_once().min(rest.len());
            let (now, later) = rest.split_at(most);
            let variables = self.with_sizes(deeds, json!({ "ids": now }));
            match self.ask::<Nodes>(&documents::ORDERS_BY_ID, DOING, &variables).await {
                Ok(page) => found.extend(page.nodes.into_iter().filter(|node| node.get("id").is_some())),
                Err(Failure::TooDear(error)) => {
                    self.ask_for_less(&documents::ORDERS_BY_ID, now.len(), error)?;
                    continue;
                }
                Err(Failure::Other(error)) => return Err(error),
            }
            rest = later;
        }
        Ok(found)
    }

    /// The order with all that did not fit.
    ///
    /// # Errors
    /// When the rest cannot be read. The text, when the order cannot be understood, is for a person.
    pub(super) async fn whole(&self, raw: Value) -> Result<Result<Order, String>, StoreError> {
        let mut order = match read(raw) {
            Ok(order) => order,
            Err(why) => return Ok(Err(why)),
        };
        if has_too_few_deeds(&order, DEEDS) {
            let again = self.orders_by_id(std::slice::from_ref(&order.id), MOST_DEEDS).await?;
            order = match again.into_iter().next().map(read) {
                Some(Ok(order)) => order,
                Some(Err(why)) => return Ok(Err(why)),
                None => return Ok(Err("it is gone".into())),
            };
            if has_too_few_deeds(&order, MOST_DEEDS) {
                return Ok(Err(format!("it has {MOST_DEEDS} or more shipments or refunds")));
            }
        }
        let id = order.id.clone();
        self.fill(&documents::MORE_LINES, &id, &mut order.line_items).await?;
        self.fill(&documents::MORE_PARTS, &id, &mut order.fulfillment_orders).await?;
        for part in &mut order.fulfillment_orders.nodes {
            self.fill(&documents::MORE_PART_LINES, &part.id, &mut part.line_items).await?;
        }
        for shipment in &mut order.fulfillments {
            self.fill(&documents::MORE_SHIPPED, &shipment.id, &mut shipment.fulfillment_line_items).await?;
        }
        for refund in &mut order.refunds {
            self.fill(&documents::MORE_REFUNDED, &refund.id, &mut refund.refund_line_items).await?;
        }
        Ok(Ok(order))
    }

    async fn fill<T: DeserializeOwned>(
        &self,
        document: &Document,
        id: &str,
        list: &mut Connection<T>,
    ) -> Result<(), StoreError> {
        for _ in 0..MOST_PAGES {
            let Some(after) = list.page_info.next().cloned() else { return Ok(()) };
            let mut variables = json!({ "id": id, "first": ROWS, "after": after });
            if document.name == documents::MORE_PARTS.name {
                let lines = self.limits.lines.load(Ordering::Relaxed);
                variables = json!({ "id": id, "first": PARTS, "after": after, "lines": lines });
            }
            let more: More<T> = self.ask(document, DOING, &variables).await?;
            // What is gone meanwhile has no more of it.
            let Some(node) = more.node else {
                list.page_info = PageInfo::default();
                return Ok(());
            };
            list.nodes.extend(node.list.nodes);
            list.page_info = node.list.page_info;
        }
        let what = format!("{DOING}: a list in {id} does not end; is there a cache in front of the store?");
        Err(StoreError::new(crate::domain::retry::FailureClass::Transient, what))
    }
}

fn has_too_few_deeds(order: &Order, asked: usize) -> bool {
    order.refunds.len() >= asked || order.fulfillments.len() >= asked
}

fn read(raw: Value) -> Result<Order, String> {
    serde_json::from_value(raw).map_err(|why| format!("not understood: {why}"))
}
