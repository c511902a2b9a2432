//! Shipments and credit memos, as a second net for orders: a report says that a shipment did not move its order's
//! `updated_at` (magento2#10287).
//!
//! Promises: an order that a new shipment or credit memo names, and that the page of changes did not bring, is read by key.
//! Each list is asked for every [`EVERY`]th round in turn, so that an idle feed costs one more request in [`EVERY`] rounds. A
//! token without the right to read them, or a store that fails at them, does not stop the feed: it is noted once.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::PoisonError;

use serde::Deserialize;
use serde_json::Value;

use super::feed::FIELDS;
use super::position::{Keys, Position};
use super::query::{Search, filter};
use super::wire::{List, Word};
use super::{Magento, refusal};
use crate::ports::StoreError;

/// Rounds between two questions: a minute at a round every five seconds.
pub(super) const EVERY: u32 = 12;
/// Pages of documents in one go; the rest is read in the next round.
const MOST_PAGES: usize = 20;

/// A kind of document that belongs to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// What was sent.
    Shipments,
    /// What was paid back.
    Creditmemos,
}

impl Kind {
    /// Its list.
    pub(super) fn route(self) -> &'static str {
        match self {
            Self::Shipments => "/shipments",
            Self::Creditmemos => "/creditmemos",
        }
    }

    /// What it is called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Shipments => "shipments",
            Self::Creditmemos => "credit memos",
        }
    }

    /// The right that is needed.
    fn right(self) -> &'static str {
        match self {
            Self::Shipments => "Magento_Sales::shipment",
            Self::Creditmemos => "Magento_Sales::sales_creditmemo",
        }
    }
}

/// What is known of them while the agent runs.
#[derive(Debug, Default)]
pub(super) struct Documents(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Rounds of the feed so far.
    rounds: u32,
    refused: BTreeSet<Kind>,
    failing: BTreeSet<Kind>,
}

#[derive(Deserialize)]
struct Document {
    entity_id: Word,
    order_id: Word,
}

impl Documents {
    /// Another round of the feed; says which it is.
    pub(super) fn next_round(&self) -> u32 {
        self.with(|state| {
            let round = state.rounds;
            state.rounds = state.rounds.wrapping_add(1);
            round
        })
    }

    /// May the token not read them?
    pub(super) fn is_refused(&self, kind: Kind) -> bool {
        self.with(|state| state.refused.contains(&kind))
    }

    /// It may have been granted meanwhile.
    pub(super) fn forget_refusals(&self) {
        self.with(|state| state.refused.clear());
    }

    /// An answer, or nothing where the store refuses it for good.
    ///
    /// # Errors
    /// A failure that may pass.
    pub(super) fn allowed<T>(&self, kind: Kind, answer: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(why) if refusal::lacks_a_right(&why) => {
                if self.with(|state| state.refused.insert(kind)) {
                    let (name, right) = (kind.name(), kind.right());
                    tracing::warn!(error = %why, "{name} cannot be read (right {right}); the feed of orders goes on without them");
                }
                Ok(None)
            }
            Err(why) => Err(why),
        }
    }

    /// An answer, or nothing where there is none for now.
    fn unless_failing<T>(&self, kind: Kind, answer: Result<Option<T>, StoreError>) -> Option<T> {
        match answer {
            Ok(answer) => {
                self.with(|state| state.failing.remove(&kind));
                answer
            }
            Err(why) => {
                if self.with(|state| state.failing.insert(kind)) {
                    tracing::warn!(error = %why, "{} cannot be read for now; the feed of orders goes on without them", kind.name());
                }
                None
            }
        }
    }

    /// What cannot be read, to show.
    pub(super) fn shown(&self) -> Option<String> {
        let refused: Vec<String> = self.with(|state| {
            state.refused.iter().map(|kind| format!("{} (right {})", kind.name(), kind.right())).collect()
        });
        (!refused.is_empty()).then(|| {
            format!(
                "{} cannot be read, so a shipment or refund that leaves the order unchanged is seen a night later, and not at all \
                 once the order is complete or closed: give the right",
                refused.join(" and ")
            )
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Magento {
    /// Where both lists stand before anything is read.
    pub(super) async fn begin_documents(&self, position: &mut Position) {
        for kind in [Kind::Shipments, Kind::Creditmemos] {
            let newest = self.newest_document(kind).await;
            *position.documents(kind) = self.documents.unless_failing(kind, self.documents.allowed(kind, newest));
        }
    }

    /// Orders that new documents name and that are not among `seen`.
    ///
    /// # Errors
    /// When these orders cannot be read. What the documents named is then asked for again.
    pub(super) async fn named_by_documents(
        &self,
        position: &mut Position,
        seen: &BTreeSet<u64>,
        round: u32,
    ) -> Result<Vec<Value>, StoreError> {
        let kind = match round % (2 * EVERY) {
            0 => Kind::Shipments,
            EVERY => Kind::Creditmemos,
            _ => return Ok(Vec::new()),
        };
        if self.documents.is_refused(kind) {
            return Ok(Vec::new());
        }
        let Some(mut keys) = position.documents(kind).clone() else {
            let newest = self.newest_document(kind).await;
            *position.documents(kind) = self.documents.unless_failing(kind, self.documents.allowed(kind, newest));
            return Ok(Vec::new());
        };
        let read = self.new_documents(kind, &mut keys).await;
        let Some(named) = self.documents.unless_failing(kind, self.documents.allowed(kind, read)) else {
            return Ok(Vec::new());
        };
        let wanted: Vec<u64> = named.difference(seen).copied().collect();
        let orders = self.orders_by_key(&wanted).await?;
        *position.documents(kind) = Some(keys);
        Ok(orders)
    }

    async fn newest_document(&self, kind: Kind) -> Result<Keys, StoreError> {
        let search = |_| Search::new(1, "items[entity_id,order_id],total_count").descending("entity_id");
        let list: List<Document> = self.list(&format!("reading {}", kind.name()), kind.route(), 1, search).await?;
        let newest = list.items.unwrap_or_default().into_iter().next();
        Ok(Keys::behind(newest.and_then(|newest| newest.entity_id.0.parse().ok()).unwrap_or(0)))
    }

    /// Keys of orders that documents name which were not seen before.
    async fn new_documents(&self, kind: Kind, keys: &mut Keys) -> Result<BTreeSet<u64>, StoreError> {
        let mut named = BTreeSet::new();
        let mut missing = keys.due(true);
        for _ in 0..MOST_PAGES {
            let search = |size| {
                let mut group = vec![filter("entity_id", "gt", keys.high.to_string())];
                if !missing.is_empty() {
                    group.push(filter(
                        "entity_id",
                        "in",
                        missing.iter().map(u64::to_string).collect::<Vec<_>>().join(","),
                    ));
                }
                Search::new(size, "items[entity_id,order_id],total_count").and(group).ascending("entity_id")
            };
            let list: List<Document> =
                self.list(&format!("reading {}", kind.name()), kind.route(), self.page, search).await?;
            let found = list.items.unwrap_or_default();
            named.extend(found.iter().filter_map(|document| document.order_id.0.parse::<u64>().ok()));
            keys.note(found.iter().filter_map(|document| document.entity_id.0.parse().ok()));
            // They come first; what is left of the list lies higher.
            missing.clear();
            if found.is_empty() || list.total_count.unwrap_or(0) <= found.len() as u64 {
                break;
            }
        }
        Ok(named)
    }

    /// Orders by key, as far as there are such.
    pub(super) async fn orders_by_key(&self, keys: &[u64]) -> Result<Vec<Value>, StoreError> {
        let (mut left, mut orders) = (keys, Vec::new());
        while !left.is_empty() {
            let part = |size: usize| &left[..size.min(left.len())];
            let search = |size: usize| {
                let listed = part(size).iter().map(u64::to_string).collect::<Vec<_>>().join(",");
                Search::new(size, FIELDS).and(vec![filter("entity_id", "in", listed)]).ascending("entity_id")
            };
            let list: List<Value> = self.list(super::feed::DOING, "/orders", self.page, search).await?;
            orders.extend(list.items.unwrap_or_default());
            // The store may just have shown a smaller limit; the last question kept to it.
            left = &left[part(self.rows()).len()..];
        }
        Ok(orders)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::central::testing::recorded;

    #[test]
    fn recorded_shipments_and_credit_memos_name_their_orders() {
        for (text, orders) in [
            (recorded!("shipments-list.json"), ["11", "11", "12", "13", "14", "24", "25", "26"].as_slice()),
            (recorded!("creditmemos-list.json"), ["13", "14", "18", "24", "26", "24"].as_slice()),
        ] {
            let list: List<Document> = serde_json::from_str(text).unwrap();
            let named: Vec<String> = list.items.unwrap().into_iter().map(|document| document.order_id.0).collect();
            assert_eq!(named, orders);
        }
    }
}
