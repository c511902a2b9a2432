//! The order feed: which orders changed.
//!
//! Promises: no order is missed and none skipped at a page's edge. First everything by key; then what changed since
//! the newest change seen, less an overlap, ordered by (`updated_at`, `entity_id`) and paged by that pair: an order
//! that changes meanwhile moves to the end and is met there. The watermark is a time that the store wrote, never ours.
//! A key that was jumped over (keys are given before commit) is asked for by name in the next [`PATIENCE`] rounds.
//! An idle round is one request, two while a key is missing. Does not promise that an order comes only once.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Magento;
use super::order::web_order;
use super::query::{Filter, Search, filter};
use super::wire::{List, Word, moment, written};
use crate::domain::retry::FailureClass;
use crate::ports::{FeedCursor, OrderPage, StoreError};

/// What is asked of each order: about a fifth of all that Magento would send. Nested lists are projected too
/// (magento2 `Webapi/Rest/Response/FieldsFilter`).
pub(super) const FIELDS: &str = "items[entity_id,increment_id,state,status,created_at,updated_at,customer_email,\
order_currency_code,grand_total,shipping_amount,shipping_tax_amount,shipping_incl_tax,shipping_description,\
billing_address[firstname,middlename,lastname,company,street,city,region,postcode,country_id,telephone,email],\
payment[method],\
items[item_id,parent_item_id,product_type,sku,name,qty_ordered,qty_canceled,qty_shipped,qty_refunded,price,\
price_incl_tax,tax_percent,discount_amount,is_virtual],\
extension_attributes[shipping_assignments[shipping[address[firstname,middlename,lastname,company,street,city,region,\
postcode,country_id,telephone,email]]]]],total_count";

/// How far behind the highest key a missing one is looked for.
const KEYS_BEHIND: u64 = 200;
/// For how many rounds a missing key is looked for: about an hour at a round a minute. Some databases leave gaps on
/// purpose (Galera counts in steps), so it cannot be for ever.
const PATIENCE: u32 = 60;
/// What is being done, for messages.
const DOING: &str = "reading orders";

/// Where the reading has come to; what a [`FeedCursor`] holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    step: Step,
    /// Newest `updated_at` that is surely behind us.
    watermark: Option<String>,
    /// Newest `updated_at` seen in this round.
    newest: Option<String>,
    /// Highest key seen.
    high: u64,
    /// Keys that were jumped over, and in how many more rounds they are asked for.
    missing: BTreeMap<u64, u32>,
}

/// Which request comes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// Everything, by key, after this one.
    All { after: u64 },
    /// A new round of changes.
    Round,
    /// The rest of a round, after this pair.
    Changed { at: String, id: u64 },
}

/// An order's place in the feed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    at: String,
    id: u64,
}

impl Magento {
    /// One page of the feed.
    pub(super) async fn feed(&self, cursor: Option<&FeedCursor>) -> Result<OrderPage, StoreError> {
        let mut position = match cursor.and_then(read_cursor) {
            Some(position) => position,
            None => self.beginning().await?,
        };
        let list: List<Value> =
            self.list(DOING, "/orders", self.page, |size| position.search(size, self.overlap)).await?;
        let mut raw = list.items.unwrap_or_default();
        let keys = keys(&raw)?;
        position.refuse_repetition(&keys)?;
        let total = list.total_count.unwrap_or(raw.len() as u64);
        let more = !raw.is_empty() && total > raw.len() as u64;
        position.note(&keys);
        position.advance(&keys, more);
        if !more {
            raw.extend(self.found_after_all(&mut position).await?);
        }
        Ok(self.understood(&raw, &position, more))
    }

    /// The watermark has to be older than the first page: what changes while everything is read comes after it.
    async fn beginning(&self) -> Result<Position, StoreError> {
        #[derive(Deserialize)]
        struct Newest {
            updated_at: String,
        }
        let search = |_| Search::new(1, "items[updated_at],total_count").descending("updated_at");
        let list: List<Newest> = self.list(DOING, "/orders", 1, search).await?;
        let watermark = list.items.unwrap_or_default().into_iter().next().map(|newest| newest.updated_at);
        Ok(Position { step: Step::All { after: 0 }, watermark, newest: None, high: 0, missing: BTreeMap::new() })
    }

    /// Asks for keys that were jumped over.
    async fn found_after_all(&self, position: &mut Position) -> Result<Vec<Value>, StoreError> {
        if position.missing.is_empty() {
            return Ok(Vec::new());
        }
        let search = |size: usize| {
            let wanted: Vec<String> = position.missing.keys().rev().take(size).map(u64::to_string).collect();
            Search::new(size, FIELDS).and(vec![filter("entity_id", "in", wanted.join(","))]).ascending("entity_id")
        };
        let list: List<Value> = self.list(DOING, "/orders", self.page, search).await?;
        let found = list.items.unwrap_or_default();
        for key in keys(&found)? {
            position.missing.remove(&key.id);
        }
        position.missing.retain(|_, rounds| {
            *rounds = rounds.saturating_sub(1);
            *rounds > 0
        });
        Ok(found)
    }

    fn understood(&self, raw: &[Value], position: &Position, more: bool) -> OrderPage {
        let (mut orders, mut unreadable) = (Vec::with_capacity(raw.len()), Vec::new());
        for value in raw {
            match web_order(value, &self.policy) {
                Ok(order) => orders.push(order),
                Err(why) => unreadable.push(why),
            }
        }
        OrderPage { orders, unreadable, elsewhere: Vec::new(), next: position.cursor(), more }
    }
}

impl Position {
    fn cursor(&self) -> FeedCursor {
        FeedCursor(serde_json::to_string(self).unwrap_or_default())
    }

    /// The next request.
    fn search(&self, size: usize, overlap: SignedDuration) -> Search {
        let search = Search::new(size, FIELDS);
        match &self.step {
            Step::All { after } => search.and(vec![filter("entity_id", "gt", after.to_string())]),
            Step::Round => search.and(vec![since(self.watermark.as_deref(), overlap)]).ascending("updated_at"),
            Step::Changed { at, id } => search
                .and(vec![filter("updated_at", "gteq", at)])
                .and(vec![filter("updated_at", "gt", at), filter("entity_id", "gt", id.to_string())])
                .ascending("updated_at"),
        }
        .ascending("entity_id")
    }

    /// A store that answers the same page again and again (a cache in front of it) would keep us busy for ever.
    fn refuse_repetition(&self, keys: &[Key]) -> Result<(), StoreError> {
        let went_on = |key: &Key| match &self.step {
            Step::All { after } => key.id > *after,
            Step::Round => true,
            Step::Changed { at, id } => (&key.at, key.id) > (at, *id),
        };
        if keys.iter().all(went_on) {
            return Ok(());
        }
        let what = format!(
            "{DOING}: the store answered with a page that it had sent before. Is there a cache in front of it?"
        );
        Err(StoreError::new(FailureClass::Transient, what))
    }

    /// Remembers what was seen.
    fn note(&mut self, keys: &[Key]) {
        let mut ids: Vec<u64> = keys.iter().map(|key| key.id).collect();
        ids.sort_unstable();
        for id in ids {
            self.missing.remove(&id);
            if id > self.high {
                // Below the very first key nothing was jumped over.
                let first = if self.high == 0 { id } else { (self.high + 1).max(id.saturating_sub(KEYS_BEHIND)) };
                self.missing.extend((first..id).map(|jumped| (jumped, PATIENCE)));
                self.high = id;
            }
        }
        let oldest = self.high.saturating_sub(KEYS_BEHIND);
        self.missing.retain(|id, _| *id >= oldest);
        // While everything is read by key, what is seen proves nothing about changes elsewhere.
        if !matches!(self.step, Step::All { .. }) {
            let newest = keys.iter().map(|key| key.at.clone()).max();
            self.newest = self.newest.take().max(newest);
        }
    }

    /// Moves to the next request.
    fn advance(&mut self, keys: &[Key], more: bool) {
        match keys.iter().max() {
            Some(last) if more => {
                let highest = keys.iter().map(|key| key.id).max().unwrap_or(last.id);
                self.step = match self.step {
                    Step::All { .. } => Step::All { after: highest },
                    Step::Round | Step::Changed { .. } => Step::Changed { at: last.at.clone(), id: last.id },
                };
            }
            Some(_) | None => {
                self.watermark = self.watermark.take().max(self.newest.take());
                self.step = Step::Round;
            }
        }
    }
}

/// Changed since the watermark, less the overlap; in a shop without orders: all.
///
/// `gteq`, not `gt`: an order saved later in the same second would be lost (observed).
fn since(watermark: Option<&str>, overlap: SignedDuration) -> Filter {
    let from = watermark.and_then(|mark| moment(mark).ok()?.checked_sub(overlap).ok());
    match from {
        Some(from) => filter("updated_at", "gteq", written(from)),
        None => filter("entity_id", "gt", "0"),
    }
}

/// A cursor of another store, or of another version of us, means starting over: reading consumes nothing.
fn read_cursor(cursor: &FeedCursor) -> Option<Position> {
    let position = serde_json::from_str(&cursor.0);
    if let Err(why) = &position {
        tracing::warn!(error = %why, "the order feed's position cannot be read; all orders are read again");
    }
    position.ok()
}

/// The place of each order of a page.
fn keys(raw: &[Value]) -> Result<Vec<Key>, StoreError> {
    #[derive(Deserialize)]
    struct Place {
        entity_id: Word,
        updated_at: String,
    }
    let key = |value: &Value| -> Result<Key, String> {
        let place = Place::deserialize(value).map_err(|why| why.to_string())?;
        moment(&place.updated_at)?;
        let id = place.entity_id.0.parse().map_err(|_| format!("{:?} is no key of an order", place.entity_id.0))?;
        Ok(Key { at: place.updated_at, id })
    };
    raw.iter().map(key).collect::<Result<_, _>>().map_err(|why| {
        let what = format!("{DOING}: an order without its place in the feed ({why}); the page cannot be used");
        StoreError::new(FailureClass::Bug, what)
    })
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
