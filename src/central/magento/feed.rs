//! The order feed: which orders changed.
//!
//! Promises: no order is missed and none skipped at a page's edge. First everything by key; then what changed since
//! the newest change seen, less an overlap, ordered by (`updated_at`, `entity_id`) and paged by that pair: an order
//! that changes meanwhile moves to the end and is met there. The watermark is a time that the store wrote, never ours.
//! A key that was jumped over (keys are given before commit) is asked for by name for most of an hour. What does not move
//! `updated_at` is found by [`super::documents`] within minutes, or by the sweep of all open orders every night, one page a
//! round. An idle round is one request; every [`EVERY`]th is two, and so are those of a sweep and of a missing key.
//! Does not promise that an order comes only once.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::Magento;
use super::documents::{EVERY, Kind};
use super::order::web_order;
use super::position::{Key, Position};
use super::query::Search;
use super::sent::{self, part_of};
use super::wire::{DATE_FORMAT, List, Word, moment};
use crate::central::settings::Whose;
use crate::domain::OrderId;
use crate::domain::retry::FailureClass;
use crate::ports::{FeedCursor, OrderPage, StoreError};

/// What is asked of each order: about a fifth of all that Magento would send. Nested lists are projected too
/// (magento2 `Webapi/Rest/Response/FieldsFilter`).
pub(super) const FIELDS: &str = "items[entity_id,increment_id,state,status,store_id,created_at,updated_at,customer_email,\
order_currency_code,grand_total,shipping_amount,shipping_tax_amount,shipping_incl_tax,shipping_description,\
billing_address[firstname,middlename,lastname,company,street,city,region,postcode,country_id,telephone,email],\
payment[method],\
items[item_id,parent_item_id,product_type,sku,name,qty_ordered,qty_canceled,qty_shipped,qty_refunded,price,\
price_incl_tax,tax_percent,discount_amount,is_virtual],\
extension_attributes[pickup_location_code,shipping_assignments[shipping[method,address[firstname,middlename,lastname,\
company,street,city,region,postcode,country_id,telephone,email]]]]],total_count";

/// What is being done, for messages.
pub(super) const DOING: &str = "reading orders";

impl Magento {
    /// One page of the feed.
    pub(super) async fn feed(&self, cursor: Option<&FeedCursor>) -> Result<OrderPage, StoreError> {
        let mut position = match cursor.and_then(|cursor| Position::read(cursor, &self.reading)) {
            Some(position) => position,
            None => self.beginning().await?,
        };
        let search = |size| position.search(size, FIELDS, self.overlap);
        let (list, clock) = self.dated_list::<Value>(DOING, "/orders", self.page, search).await?;
        let mut raw = list.items.unwrap_or_default();
        let keys = keys(&raw)?;
        position.refuse_repetition(&keys, DOING)?;
        let total = list.total_count.unwrap_or(raw.len() as u64);
        let more = !raw.is_empty() && total > raw.len() as u64;
        position.note(&keys, self.latest(clock));
        position.advance(&keys, more);
        if !more {
            raw.extend(self.besides(&mut position, &keys, clock).await?);
        }
        self.understood(&raw, &position, more).await
    }

    /// What is dated later than this by the store's clock is a mistake of its date.
    fn latest(&self, clock: Option<Timestamp>) -> Option<Timestamp> {
        clock?.checked_add(self.overlap).ok()
    }

    /// The watermark has to be older than the first page: what changes while everything is read comes after it.
    async fn beginning(&self) -> Result<Position, StoreError> {
        #[derive(Deserialize)]
        struct Newest {
            updated_at: String,
        }
        let search = |_| Search::new(1, "items[updated_at],total_count").descending("updated_at");
        let (list, clock) = self.dated_list::<Newest>(DOING, "/orders", 1, search).await?;
        let newest = list.items.unwrap_or_default().into_iter().next().map(|newest| newest.updated_at);
        let latest = self.latest(clock);
        let is_past = |at: &String| latest.is_none_or(|latest| moment(at).is_ok_and(|at| at <= latest));
        let now = clock.map(|now| now.strftime(DATE_FORMAT).to_string());
        let mut position = Position::beginning(newest.filter(is_past).or(now), &self.reading);
        self.begin_documents(&mut position).await;
        Ok(position)
    }

    /// What the changes do not tell: keys that were jumped over, orders that new documents name, the night's sweep.
    async fn besides(
        &self,
        position: &mut Position,
        keys: &[Key],
        clock: Option<Timestamp>,
    ) -> Result<Vec<Value>, StoreError> {
        let round = self.documents.next_round();
        let missing = position.orders.due(round.is_multiple_of(EVERY));
        let mut found = self.orders_by_key(&missing).await?;
        position.orders.note(keys_of(&found)?);
        let seen: BTreeSet<u64> = keys.iter().map(|key| key.id).chain(keys_of(&found)?).collect();
        found.extend(self.named_by_documents(position, &seen, round).await?);
        found.extend(self.swept(position, clock).await?);
        Ok(found)
    }

    /// The next page of open orders, while the night's sweep is under way.
    async fn swept(&self, position: &mut Position, clock: Option<Timestamp>) -> Result<Vec<Value>, StoreError> {
        // Without a `Date` header the newest change tells the store's time well enough.
        let newest = || position.watermark.as_deref().and_then(|mark| moment(mark).ok());
        if let Some(now) = clock.or_else(newest) {
            position.sweep.begin_if_due(now, &self.source);
        }
        if position.sweep.search(self.page, FIELDS).is_none() {
            return Ok(Vec::new());
        }
        let search = |size| position.sweep.search(size, FIELDS).unwrap_or_default();
        let list: List<Value> = self.list(DOING, "/orders", self.page, search).await?;
        let open = list.items.unwrap_or_default();
        let last = keys_of(&open)?.into_iter().max();
        position.sweep.advance(last, list.total_count.unwrap_or(0) > open.len() as u64);
        Ok(open)
    }

    async fn understood(&self, raw: &[Value], position: &Position, more: bool) -> Result<OrderPage, StoreError> {
        let (whose, sent) = (self.whose(raw).await?, self.sent(raw).await?);
        let (orders, unreadable) = (Vec::with_capacity(raw.len()), Vec::new());
        let mut page = OrderPage { orders, unreadable, elsewhere: Vec::new(), next: position.cursor(), more };
        for (value, whose) in raw.iter().zip(whose) {
            let key = key_word(value);
            let sent = sent.get(&key);
            if whose == Whose::Elsewhere && sent.is_none() {
                // Units that were shipped may have left this shop; while that cannot be read, what is known stays.
                let is_doubtful = self.documents.is_refused(Kind::Shipments) && sent::has_shipped(value);
                if !is_doubtful {
                    page.elsewhere.push(OrderId(key));
                }
                continue;
            }
            let part = web_order(value, &self.policy).and_then(|order| match sent {
                Some(sent) => {
                    let number = order.number.clone();
                    part_of(order, value, whose, sent).map_err(|why| (number, why))
                }
                None => Ok(Some(order)),
            });
            match part {
                Ok(Some(order)) => page.orders.push(order),
                Ok(None) => page.elsewhere.push(OrderId(key)),
                Err(why) => page.unreadable.push(why),
            }
        }
        Ok(page)
    }
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

fn keys_of(raw: &[Value]) -> Result<Vec<u64>, StoreError> {
    Ok(keys(raw)?.into_iter().map(|key| key.id).collect())
}

/// The store's key, as a word.
fn key_word(order: &Value) -> String {
    order.get("entity_id").and_then(|key| Word::deserialize(key).ok()).map(|key| key.0).unwrap_or_default()
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
