//! A web store that offers our own contract (`store_api/openapi.json`), for custom sites.
//!
//! Promises: reads events by the store's cursor and notices a gap in their numbers; sends what may truly be sold with
//! the orders counted in it, so that an order placed meanwhile is not lost; passes the store's versions on, so that
//! nothing is overwritten unseen. Does not look into the cursor's meaning.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use reqwest::Method;
use serde::{Deserialize, Serialize};

mod wire;

use self::wire::{
    Ack, Became, Events, Heartbeat, HeartbeatAnswer, Held, HeldItem, Order, Problem, Results, State, Update, Wanted,
};
use super::client::{Call, Client, Explained, Reply, encoded, local_time};
use super::settings::StoreSettings;
use crate::domain::order::WebOrder;
use crate::domain::reconcile::StockModel;
use crate::domain::retry::FailureClass;
use crate::domain::{Quantity, Sku};
use crate::ports::{
    Acknowledgement, CentralStore, CheckLine, FeedCursor, Holding, HoldingKind, OrderPage, StockBatch, StockItem,
    StockVersion, StoreError, StoreFacts, WriteOutcome, Written,
};

/// SKUs in one question, as the contract allows.
const SKUS_ASKED: usize = 100;
/// Longest query with SKUs, in bytes: web servers take 8 kB in all.
const LONGEST_LIST: usize = 6_000;

/// A store with our own contract.
#[derive(Debug)]
pub(super) struct StoreApi {
    client: Client,
    location: String,
    page: AtomicUsize,
    batch: AtomicUsize,
}

/// Where the reading has come to.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    /// The store's cursor.
    cursor: String,
    /// Number of the last event.
    seq: Option<u64>,
}

impl StoreApi {
    /// A store behind this client.
    pub(super) fn new(client: Client, settings: &StoreSettings) -> Self {
        Self {
            client,
            location: settings.store_api.clone().unwrap_or_default().location,
            page: AtomicUsize::new(settings.page),
            batch: AtomicUsize::new(settings.batch),
        }
    }

    fn heartbeat(&self) -> Call {
        let body = Heartbeat { agent: "Tillbridge", version: env!("CARGO_PKG_VERSION"), location: &self.location };
        Call::write(Method::POST, "asking the store for its time", "/v1/heartbeat", json(&body))
    }

    fn reading(&self, cursor: Option<&str>) -> Call {
        let (location, limit) = (encoded(&self.location), self.page.load(Ordering::Relaxed));
        let after = cursor.map(|cursor| format!("&cursor={}", encoded(cursor))).unwrap_or_default();
        Call::get("reading orders", format!("/v1/orders?location={location}&limit={limit}{after}"))
    }

    fn asking(&self, skus: &[Sku]) -> Call {
        let skus: String = skus.iter().map(|sku| format!("&sku={}", encoded(sku.as_str()))).collect();
        Call::get("reading stock", format!("/v1/stock?location={}{skus}", encoded(&self.location)))
    }

    fn writing(&self, batch: &StockBatch, items: &[StockItem]) -> Call {
        let body = Update {
            location: &self.location,
            snapshot_id: &batch.snapshot,
            as_of: batch.as_of,
            items: items.iter().map(wanted).collect(),
            orders_included: &batch.orders_included,
        };
        Call::write(Method::PUT, "writing stock", "/v1/stock", json(&body))
    }

    fn acknowledging(said: &Acknowledgement) -> Call {
        let body = Ack { stage: said.stage, epos_ref: &said.reference, at: said.at };
        let path = format!("/v1/orders/{}/ack", encoded(&said.order.0));
        let doing = format!("telling the store about order {}", said.number);
        Call {
            idempotency_key: Some(said.idempotency_key.clone()),
            ..Call::write(Method::POST, doing, path, json(&body))
        }
    }

    async fn put(&self, batch: &StockBatch, items: &[StockItem]) -> Result<Put, StoreError> {
        let call = self.writing(batch, items);
        let reply = self.client.send(&call).await?;
        if let Some(most) = limit_named(&reply).filter(|most| *most < items.len()) {
            self.batch.fetch_min(most, Ordering::Relaxed);
            return Ok(Put::TooMany);
        }
        let results: Results = self.client.read(&call, &reply)?;
        let mut by_sku: HashMap<String, wire::Outcome> =
            results.results.into_iter().map(|one| (one.sku.clone(), one)).collect();
        let became = |item: &StockItem| {
            let one = by_sku.remove(item.sku.as_str());
            let one = one.ok_or_else(|| odd(&call, format!("the store said nothing about {}", item.sku), true))?;
            Ok(Written { sku: item.sku.clone(), outcome: outcome(&one, item.quantity) })
        };
        items.iter().map(became).collect::<Result<_, _>>().map(Put::Done)
    }
}

/// What became of one request.
enum Put {
    Done(Vec<Written>),
    TooMany,
}

#[async_trait]
impl CentralStore for StoreApi {
    async fn probe(&self) -> Result<StoreFacts, StoreError> {
        let answer: HeartbeatAnswer = self.client.ask(&self.heartbeat()).await?;
        for (limit, named) in [(&self.batch, answer.limits.batch), (&self.page, answer.limits.page)] {
            limit.fetch_min(named.unwrap_or(usize::MAX).max(1), Ordering::Relaxed);
        }
        Ok(StoreFacts {
            model: StockModel::DeductAtPlacement,
            clock: Some(answer.server_time),
            shown: format!("store API, location {}", self.location),
        })
    }

    async fn orders(&self, cursor: Option<&FeedCursor>) -> Result<OrderPage, StoreError> {
        let position: Option<Position> = cursor.and_then(|cursor| serde_json::from_str(&cursor.0).ok());
        let call = self.reading(position.as_ref().map(|position| position.cursor.as_str()));
        let page: Events = self.client.ask(&call).await?;
        let seq = without_gap(&call, position.and_then(|position| position.seq), &page)?;
        let (mut orders, mut unreadable): (Vec<WebOrder>, _) = (Vec::new(), Vec::new());
        for event in page.events {
            match serde_json::from_value::<Order>(event.order) {
                Ok(order) => {
                    let order = WebOrder::from(order);
                    // The latest event of an order says all that the earlier ones said.
                    orders.retain(|earlier| earlier.id != order.id);
                    orders.push(order);
                }
                Err(why) => unreadable.push((event.order_id, format!("not understood: {why}"))),
            }
        }
        let next = FeedCursor(json(&Position { cursor: page.next_cursor, seq }));
        Ok(OrderPage { orders, unreadable, elsewhere: Vec::new(), next, more: page.has_more })
    }

    async fn holdings(&self, skus: &[Sku]) -> Result<Vec<Holding>, StoreError> {
        let mut holdings = Vec::with_capacity(skus.len());
        for part in askable(skus) {
            let call = self.asking(part);
            let held: Held = self.client.ask(&call).await?;
            let mut by_sku: HashMap<String, HeldItem> =
                held.items.into_iter().map(|item| (item.sku.clone(), item)).collect();
            for sku in part {
                let item = by_sku.remove(sku.as_str());
                let item = item.ok_or_else(|| odd(&call, format!("the store said nothing about {sku}"), false))?;
                holdings.push(Holding { sku: sku.clone(), kind: kind(item) });
            }
        }
        Ok(holdings)
    }

    async fn write_stock(&self, batch: &StockBatch) -> Result<Vec<Written>, StoreError> {
        let mut written = Vec::with_capacity(batch.items.len());
        let mut rest = batch.items.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(self.batch_size()));
            match self.put(batch, now).await? {
                Put::TooMany => continue,
                Put::Done(done) => written.extend(done),
            }
            rest = later;
        }
        Ok(written)
    }

    async fn acknowledge(&self, acknowledgement: &Acknowledgement) -> Result<(), StoreError> {
        let call = Self::acknowledging(acknowledgement);
        self.client.ask::<serde_json::Value>(&call).await.map(drop)
    }

    fn batch_size(&self) -> usize {
        self.batch.load(Ordering::Relaxed).max(1)
    }

    async fn check(&self) -> Vec<CheckLine> {
        let line = |what: &str, found: Result<String, StoreError>| CheckLine {
            what: what.into(),
            ok: found.is_ok(),
            found: found.unwrap_or_else(|why| why.to_string()),
        };
        let facts = self.probe().await;
        let clock = |facts: StoreFacts| {
            let apart = facts.clock.map(|clock| clock.duration_since(local_time()).abs().as_secs());
            format!("{}; its clock and this PC's are {} s apart", facts.shown, apart.unwrap_or_default())
        };
        let reached = facts.is_ok();
        let mut lines = vec![line("the store over HTTPS, and the token", facts.map(clock))];
        if reached {
            let page = self.client.ask::<Events>(&self.reading(None)).await;
            lines.push(line("read orders", page.map(|page| format!("{} on the first page", page.events.len()))));
            let note = "acknowledging and writing stock cannot be tried without changing something";
            lines.push(line("writes", Ok(note.into())));
        }
        lines
    }
}

/// Events are numbered without gaps within a location; a gap is an order that we would never hear of.
fn without_gap(call: &Call, mut last: Option<u64>, page: &Events) -> Result<Option<u64>, StoreError> {
    for event in &page.events {
        if let Some(last) = last
            && event.seq != last + 1
        {
            let why =
                format!("event {} follows event {last}; an order may be missing. Nothing was taken over", event.seq);
            return Err(StoreError { class: FailureClass::Transient, ..odd(call, why, false) });
        }
        last = Some(event.seq);
    }
    Ok(last)
}

fn wanted(item: &StockItem) -> Wanted<'_> {
    let if_version = item.if_version.as_ref().map(|version| version.0.as_str());
    Wanted { sku: item.sku.as_str(), available: item.quantity, if_version }
}

fn kind(item: HeldItem) -> HoldingKind {
    match item.state {
        State::Kept => HoldingKind::Kept(item.available, item.version.map(StockVersion)),
        State::UnknownSku => HoldingKind::Unknown,
        State::NotManaged => {
            HoldingKind::NotKept(item.reason.unwrap_or_else(|| "the store keeps no quantity of it".into()))
        }
    }
}

fn outcome(one: &wire::Outcome, sent: Quantity) -> WriteOutcome {
    let reason = |otherwise: &str| one.reason.clone().unwrap_or_else(|| otherwise.to_owned());
    match one.result {
        // What it holds now may be less than was sent: an order that we did not know of was subtracted.
        Became::Applied => WriteOutcome::Stored(one.available.unwrap_or(sent)),
        Became::Conflict | Became::Superseded => WriteOutcome::Conflict,
        Became::UnknownSku => WriteOutcome::Unknown,
        Became::NotManaged => WriteOutcome::Refused(reason("the store keeps no quantity of it")),
        Became::Refused => WriteOutcome::Refused(reason("the store gave no reason")),
    }
}

/// Cuts a list of SKUs into parts that fit into one address.
fn askable(skus: &[Sku]) -> Vec<&[Sku]> {
    let (mut parts, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (place, sku) in skus.iter().enumerate() {
        let size = encoded(sku.as_str()).len() + "&sku=".len();
        if place > start && (bytes + size > LONGEST_LIST || place - start >= SKUS_ASKED) {
            parts.push(&skus[start..place]);
            (start, bytes) = (place, 0);
        }
        bytes += size;
    }
    if start < skus.len() {
        parts.push(&skus[start..]);
    }
    parts
}

fn limit_named(reply: &Reply) -> Option<usize> {
    if !matches!(reply.status, 400 | 413) {
        return None;
    }
    serde_json::from_slice::<Problem>(&reply.body).ok()?.max.filter(|most| *most > 0)
}

/// The store broke its contract.
fn odd(call: &Call, why: String, maybe_done: bool) -> StoreError {
    StoreError { maybe_done, ..StoreError::new(FailureClass::Bug, format!("{}: {why}", call.doing)) }
}

fn json(body: &impl Serialize) -> String {
    // Our own types serialise; none has a map with keys that are no texts.
    serde_json::to_string(body).unwrap_or_default()
}

/// What an error answer says, and what to do about it.
pub(super) fn explain(status: u16, body: &[u8]) -> Explained {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let code = problem.code.as_deref().unwrap_or_default();
    let words = problem.detail.or(problem.title).unwrap_or_default();
    let message = if code.is_empty() { words } else { format!("{words} ({code})") };
    let remedy = match (status, code) {
        (_, "unknown_location") => Some("Write the store's name for this shop as `store_api.location`".to_owned()),
        (_, "idempotency_key_reused") => Some("This is a fault of Tillbridge; please report it".to_owned()),
        _ => None,
    };
    Explained { message: Some(message.trim().to_owned()).filter(|message| !message.is_empty()), remedy }
}

#[cfg(test)]
#[path = "store_api/tests.rs"]
mod tests;
