//! The order feed: which orders changed.
//!
//! Promises: no order is missed and none skipped at a page's edge. First all open orders, by key; then what changed since the
//! newest change seen, less an overlap, in the order of the changes: an order that changes meanwhile moves to the end and
//! is met there. The watermark is a time that the store wrote, never ours. Once a day all open orders are read again, for
//! what the search index never showed. An order that nobody is to send yet is asked for by key in the next
//! [`PATIENCE`] rounds: Shopify assigns it a moment after it was placed, which may not count as a change of the order.
//! An idle round is one request. Does not promise that an order comes only once.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Shopify;
use super::documents::{self, Document};
use super::graphql::Failure;
use super::order::{Mapped, web_order};
use super::pages::DEEDS;
use super::wire::{Changed, Newest, Orders};
use crate::central::settings::ShopifyQuantity;
use crate::domain::order::OrderLine;
use crate::domain::retry::FailureClass;
use crate::domain::{OrderId, WebOrder};
use crate::ports::{FeedCursor, OrderPage, StoreError};

/// For how many rounds an order is asked for by key until somebody is to send it.
const PATIENCE: u32 = 60;
/// Most of them; the oldest wait for the next reading of all open orders.
const MOST_UNDECIDED: usize = 100;
/// How often all open orders are read.
const SWEEP_EVERY: SignedDuration = SignedDuration::from_hours(24);
/// What is being done, for messages.
const DOING: &str = "reading orders";

/// Where the reading has come to; what a [`FeedCursor`] holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    step: Step,
    /// Where the next page of this step begins.
    after: Option<String>,
    /// Newest change that is surely behind us.
    watermark: Option<Timestamp>,
    /// Newest change seen in this round.
    newest: Option<Timestamp>,
    /// Orders that nobody is to send yet, and in how many more rounds they are asked for.
    undecided: BTreeMap<String, u32>,
    /// When the last reading of all open orders began, by the store's clock.
    swept: Option<Timestamp>,
}

/// What is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// All open orders, by key.
    Open,
    /// What changed.
    Round,
}

/// The same order, of which nothing is reserved at this location.
fn without_reservation(order: WebOrder) -> WebOrder {
    let lines = order.lines.into_iter().map(|line| OrderLine { shipped: line.ordered, ..line }).collect();
    WebOrder { lines, ..order }
}

/// What became of a page's orders.
#[derive(Default)]
struct Sorted {
    orders: Vec<WebOrder>,
    unreadable: Vec<(String, String)>,
    elsewhere: Vec<OrderId>,
}

impl Shopify {
    /// One page of the feed.
    pub(super) async fn feed(&self, cursor: Option<&FeedCursor>) -> Result<OrderPage, StoreError> {
        let location = self.location().await?.id;
        let mut position = match cursor.and_then(read_cursor) {
            Some(position) => position,
            None => self.beginning().await?,
        };
        let page = match self.page_of(&position).await {
            Ok(page) => page.orders,
            // A cursor from an earlier version of the interface, or too old: the step begins again.
            Err(error)
                if error.class == FailureClass::Bug
                    && position.after.take().is_some()
                    && !self.begun_again.swap(true, Ordering::Relaxed) =>
            {
                tracing::warn!(error = %error, "the order feed's position is not taken; this round begins again");
                return Ok(position.page(Sorted::default(), true));
            }
            Err(error) => return Err(error),
        };
        let places = places(&page.nodes)?;
        let mut sorted = Sorted::default();
        for raw in page.nodes {
            self.sort(raw, &location, &mut position, &mut sorted).await?;
        }
        let next = page.page_info.next().cloned();
        position.refuse_repetition(next.as_ref())?;
        position.note(&places);
        let more = position.advance(next, self.seen().clock);
        if !more {
            self.begun_again.store(false, Ordering::Relaxed);
            self.ask_about_undecided(&location, &mut position, &mut sorted).await?;
        }
        Ok(position.page(sorted, more))
    }

    /// The watermark has to be older than the first page: what changes while all is read comes after it.
    async fn beginning(&self) -> Result<Position, StoreError> {
        let newest: Newest = self.ask(&documents::NEWEST_ORDER, DOING, &json!({})).await?;
        let watermark = newest.orders.nodes.first().map(|order| order.updated_at);
        let swept = self.seen().clock;
        Ok(Position { step: Step::Open, after: None, watermark, newest: None, undecided: BTreeMap::new(), swept })
    }

    /// How many orders are asked for at once.
    pub(super) fn orders_at_once(&self) -> usize {
        self.page.min(self.limits.orders.load(Ordering::Relaxed)).max(1)
    }

    async fn page_of(&self, position: &Position) -> Result<Orders, StoreError> {
        loop {
            let size = self.orders_at_once();
            let (query, sort) = position.search(self.overlap);
            let own = json!({ "first": size, "after": position.after, "query": query, "sort": sort });
            match self.ask(&documents::ORDERS, DOING, &self.with_sizes(DEEDS, own)).await {
                Ok(page) => return Ok(page),
                Err(Failure::TooDear(error)) => self.ask_for_less(&documents::ORDERS, size, error)?,
                Err(Failure::Other(error)) => return Err(error),
            }
        }
    }

    /// Half as many orders at once; then half as many lines of each.
    ///
    /// # Errors
    /// When even one order with one line is too much.
    pub(super) fn ask_for_less(&self, document: &Document, size: usize, error: StoreError) -> Result<(), StoreError> {
        let limits = &self.limits;
        let lines = limits.lines.load(Ordering::Relaxed);
        if size > 1 {
            limits.orders.fetch_min(size / 2, Ordering::Relaxed);
        } else if lines > 1 {
            limits.lines.fetch_min(lines / 2, Ordering::Relaxed);
        } else {
            return Err(error);
        }
        self.seen().budget.forget(document.name);
        Ok(())
    }

    async fn sort(
        &self,
        raw: Value,
        location: &str,
        position: &mut Position,
        sorted: &mut Sorted,
    ) -> Result<(), StoreError> {
        let shown = |key: &str| raw.get(key).and_then(Value::as_str).map(str::to_owned);
        let (id, name) = (shown("id").unwrap_or_default(), shown("name"));
        let mapped = match self.whole(raw).await? {
            Ok(order) => web_order(&order, &self.policy, location),
            Err(why) => Err(why),
        };
        match mapped {
            Ok(Mapped::Undecided(order)) => {
                // Nothing says yet at which location it is committed: what was not reserved here is not given back here.
                let order = match self.quantity {
                    ShopifyQuantity::OnHand => without_reservation(order),
                    ShopifyQuantity::Available => order,
                };
                if position.undecided.len() < MOST_UNDECIDED {
                    position.undecided.entry(id).or_insert(PATIENCE);
                }
                sorted.orders.push(order);
                return Ok(());
            }
            Ok(Mapped::Ours(order)) => sorted.orders.push(order),
            Ok(Mapped::Elsewhere(order)) => sorted.elsewhere.push(order),
            Err(why) => sorted.unreadable.push((name.unwrap_or_else(|| id.clone()), why)),
        }
        position.undecided.remove(&id);
        Ok(())
    }

    async fn ask_about_undecided(
        &self,
        location: &str,
        position: &mut Position,
        sorted: &mut Sorted,
    ) -> Result<(), StoreError> {
        position.undecided.retain(|_, rounds| {
            *rounds = rounds.saturating_sub(1);
            *rounds > 0
        });
        // Those of this very page were undecided a moment ago.
        let fresh: Vec<&str> = sorted.orders.iter().map(|order| order.id.0.as_str()).collect();
        let asked: Vec<String> =
            position.undecided.keys().filter(|id| !fresh.contains(&id.as_str())).cloned().collect();
        for raw in self.orders_by_id(&asked, DEEDS).await? {
            self.sort(raw, location, position, sorted).await?;
        }
        Ok(())
    }
}

impl Position {
    fn page(&self, sorted: Sorted, more: bool) -> OrderPage {
        let Sorted { orders, unreadable, elsewhere } = sorted;
        let next = FeedCursor(serde_json::to_string(self).unwrap_or_default());
        OrderPage { orders, unreadable, elsewhere, next, more }
    }

    /// What the next request looks for, and in which order. It is the same for all pages of a round.
    fn search(&self, overlap: SignedDuration) -> (String, &'static str) {
        let since = self.watermark.and_then(|mark| mark.checked_sub(overlap).ok());
        match (self.step, since) {
            (Step::Open, _) => ("status:open".into(), "ID"),
            (Step::Round, Some(since)) => {
                (format!("updated_at:>='{}'", since.strftime("%Y-%m-%dT%H:%M:%SZ")), "UPDATED_AT")
            }
            // A shop without orders.
            (Step::Round, None) => (String::new(), "UPDATED_AT"),
        }
    }

    /// A store that answers the same page again and again (a cache in front of it) would keep us busy for ever.
    fn refuse_repetition(&self, next: Option<&String>) -> Result<(), StoreError> {
        if next.is_none() || next != self.after.as_ref() {
            return Ok(());
        }
        let what = format!(
            "{DOING}: the store answered with a page that it had sent before. Is there a cache in front of it?"
        );
        Err(StoreError::new(FailureClass::Transient, what))
    }

    /// While open orders are read by key, what is seen proves nothing about changes elsewhere.
    fn note(&mut self, places: &[Changed]) {
        match self.step {
            Step::Open => {}
            Step::Round => {
                let newest = places.iter().map(|place| place.updated_at).max();
                self.newest = self.newest.max(newest);
            }
        }
    }

    /// Moves to the next request. Is there more to read right now?
    fn advance(&mut self, next: Option<String>, now: Option<Timestamp>) -> bool {
        self.after = next;
        if self.after.is_some() {
            return true;
        }
        let from = self.step;
        self.watermark = self.watermark.max(self.newest.take());
        let overdue = match (self.swept, now) {
            (Some(swept), Some(now)) => now.duration_since(swept) >= SWEEP_EVERY,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        self.step = if from == Step::Round && overdue { Step::Open } else { Step::Round };
        if self.step == Step::Open {
            self.swept = now;
        }
        // After all open orders: what changed while they were read.
        from == Step::Open
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
fn places(raw: &[Value]) -> Result<Vec<Changed>, StoreError> {
    raw.iter().map(Changed::deserialize).collect::<Result<_, _>>().map_err(|why| {
        let what = format!("{DOING}: an order without its place in the feed ({why}); the page cannot be used");
        StoreError::new(FailureClass::Permanent, what)
    })
}
