//! A web store that offers our own contract (`store_api/openapi.json`), for custom sites.
//!
//! Promises: reads events by the store's cursor and notices a gap in their numbers; sends what may truly be sold with
//! the number of the last event that is counted in it, so that an order placed meanwhile is not lost; passes the store's
//! versions on, so that nothing is overwritten unseen; writes nothing to a store that wants a newer agent.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use reqwest::Method;
use serde::Serialize;
use sha2::{Digest, Sha256};

mod feed;
mod wire;

use self::feed::Position;
use self::wire::{
    Ack, Became, Events, Heartbeat, HeartbeatAnswer, Held, HeldItem, Problem, Results, State, Update, Wanted,
};
use super::asking::in_parts;
use super::client::{Call, Client, Explained, Reply, encoded, local_time};
use super::settings::StoreSettings;
use crate::domain::reconcile::StockModel;
use crate::domain::retry::FailureClass;
use crate::domain::{Quantity, Sku};
use crate::ports::{
    Acknowledgement, CentralStore, CheckLine, FeedCursor, Holding, HoldingKind, OrderPage, Pulse, Stage, StockBatch,
    StockItem, StockVersion, StoreError, StoreFacts, WriteOutcome, Written, hex,
};

/// SKUs in one question, as the contract allows.
const SKUS_ASKED: usize = 100;
/// Longest query with SKUs, in bytes: web servers take 8 kB in all.
const LONGEST_LIST: usize = 6_000;
/// Longest idempotency key, in bytes, as the contract allows.
const LONGEST_KEY: usize = 255;
/// This agent's version, for the store to compare.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A store with our own contract.
#[derive(Debug)]
pub(super) struct StoreApi {
    client: Client,
    location: String,
    page: Limit,
    batch: Limit,
}

/// How much to ask at once.
#[derive(Debug)]
struct Limit {
    /// As configured.
    wished: usize,
    now: AtomicUsize,
}

impl Limit {
    fn of(wished: usize) -> Self {
        Self { wished, now: AtomicUsize::new(wished) }
    }

    fn get(&self) -> usize {
        self.now.load(Ordering::Relaxed).max(1)
    }

    /// The store says how much it takes, less or more than before.
    fn told(&self, most: Option<usize>) {
        self.now.store(most.unwrap_or(self.wished).min(self.wished).max(1), Ordering::Relaxed);
    }

    /// The store refused more than this.
    fn shrink(&self, most: usize) {
        self.now.fetch_min(most, Ordering::Relaxed);
    }
}

impl StoreApi {
    /// A store behind this client.
    pub(super) fn new(client: Client, settings: &StoreSettings) -> Self {
        Self {
            client,
            location: settings.store_api.clone().unwrap_or_default().location,
            page: Limit::of(settings.page),
            batch: Limit::of(settings.batch),
        }
    }

    fn beating(&self, pulse: Option<&Pulse>) -> Call {
        let pulse = pulse.map(|pulse| wire::Pulse {
            last_cursor: Position::of(pulse.feed.as_ref()).cursor,
            last_snapshot: pulse.snapshot.as_deref(),
            queue_depth: pulse.queue_depth,
            clock: pulse.clock,
        });
        let body = Heartbeat { agent: "Tillbridge", version: VERSION, location: &self.location, pulse };
        Call::write(Method::POST, "asking the store for its time", "/v1/heartbeat", json(&body))
    }

    /// Tells that we are there; learns the store's time and limits.
    async fn beat(&self, pulse: Option<&Pulse>) -> Result<HeartbeatAnswer, StoreError> {
        let call = self.beating(pulse);
        let answer: HeartbeatAnswer = self.client.ask(&call).await?;
        self.batch.told(answer.limits.batch);
        self.page.told(answer.limits.page);
        if let Some(wanted) = &answer.min_version
            && !is_new_enough(&call, VERSION, wanted)?
        {
            let what = format!(
                "{}: the web store works with Tillbridge {wanted} or newer, and this is {VERSION}. Update Tillbridge on \
                 this PC; until then nothing is written to the web store",
                call.doing
            );
            return Err(StoreError::new(FailureClass::Permanent, what));
        }
        Ok(answer)
    }

    fn reading(&self, cursor: Option<&str>) -> Call {
        let (location, limit) = (encoded(&self.location), self.page.get());
        let after = cursor.map(|cursor| format!("&cursor={}", encoded(cursor))).unwrap_or_default();
        Call::get("reading orders", format!("/v1/orders?location={location}&limit={limit}{after}"))
    }

    fn asking(&self, skus: &[Sku]) -> Call {
        let skus: String = skus.iter().map(|sku| format!("&sku={}", encoded(sku.as_str()))).collect();
        Call::get("reading stock", format!("/v1/stock?location={}{skus}", encoded(&self.location)))
    }

    fn writing(&self, batch: &StockBatch, items: &[StockItem]) -> Call {
        let position = Position::of(batch.orders_read.as_ref());
        let body = Update {
            location: &self.location,
            snapshot_id: &batch.snapshot,
            as_of: batch.as_of,
            items: items.iter().map(wanted).collect(),
            orders_through: position.seq.unwrap_or(0),
            orders_not_counted: &position.not_understood,
        };
        Call::write(Method::PUT, "writing stock", "/v1/stock", json(&body))
    }

    fn acknowledging(said: &Acknowledgement) -> Call {
        let body = Ack { stage: word(said.stage), epos_ref: &said.reference, at: said.at };
        let path = format!("/v1/orders/{}/ack", encoded(&said.order.0));
        let doing = format!("telling the store about order {}", said.number);
        Call {
            idempotency_key: Some(key(&said.idempotency_key)),
            ..Call::write(Method::POST, doing, path, json(&body))
        }
    }

    async fn put(&self, batch: &StockBatch, items: &[StockItem]) -> Result<Put, StoreError> {
        let call = self.writing(batch, items);
        let reply = self.client.send(&call).await?;
        if let Some(most) = limit_named(&reply).filter(|most| *most < items.len()) {
            self.batch.shrink(most);
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
        let answer = self.beat(None).await?;
        Ok(StoreFacts {
            model: StockModel::DeductAtPlacement,
            clock: Some(answer.server_time),
            shown: format!("store API, location {}", self.location),
        })
    }

    async fn heartbeat(&self, pulse: &Pulse) -> Result<bool, StoreError> {
        self.beat(Some(pulse)).await.map(|_| true)
    }

    async fn orders(&self, cursor: Option<&FeedCursor>) -> Result<OrderPage, StoreError> {
        let position = Position::of(cursor);
        let call = self.reading(position.cursor.as_deref());
        let page: Events = self.client.ask(&call).await?;
        position.read(&call, page)
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
        self.batch.get()
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

/// The contract's word.
fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::Published => "received",
        Stage::Consumed | Stage::Rejected | Stage::Failed => stage.word(),
    }
}

/// A key that fits into a header: order keys may be long, or hold any letter.
fn key(text: &str) -> String {
    if !text.is_empty() && text.len() <= LONGEST_KEY && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return text.to_owned();
    }
    hex(&Sha256::digest(text.as_bytes()))
}

/// Compares versions of up to three numbers; what is missing is 0.
///
/// # Errors
/// When the store's is none: then nothing is written, as with one that is too new.
fn is_new_enough(call: &Call, own: &str, wanted: &str) -> Result<bool, StoreError> {
    let numbers = |version: &str| -> Option<[u64; 3]> {
        let mut numbers = [0; 3];
        for (at, part) in version.split('.').enumerate() {
            *numbers.get_mut(at)? = part.parse().ok()?;
        }
        Some(numbers)
    };
    // Ours may have words behind it (0.2.0-rc.1).
    let own = numbers(own.split(['-', '+']).next().unwrap_or(own));
    match (own, numbers(wanted)) {
        (Some(own), Some(wanted)) => Ok(own >= wanted),
        _ => Err(odd(call, format!("min_version {wanted:?} is no version"), false)),
    }
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
        // What it holds now may be less than was sent: an order that we did not know of was subtracted. Never more.
        Became::Applied if one.available.is_some_and(|held| held > sent) => {
            WriteOutcome::Refused("the store made more of it than was sent".to_owned())
        }
        Became::Applied => WriteOutcome::Stored(one.available.unwrap_or(sent)),
        Became::Conflict | Became::Superseded => WriteOutcome::Conflict,
        Became::UnknownSku => WriteOutcome::Unknown,
        Became::NotManaged => WriteOutcome::Refused(reason("the store keeps no quantity of it")),
        Became::Refused => WriteOutcome::Refused(reason("the store gave no reason")),
    }
}

/// Cuts a list of SKUs into parts that fit into one address.
fn askable(skus: &[Sku]) -> Vec<&[Sku]> {
    in_parts(skus, SKUS_ASKED, LONGEST_LIST, |sku| encoded(sku.as_str()).len() + "&sku=".len())
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
        (_, "events_ahead") => Some(
            "The web store has lost order events that were read before (was it restored from a copy?). Whoever runs it \
             has to bring them back; until then nothing is written to it"
                .to_owned(),
        ),
        (_, "agent_too_old") => Some("Update Tillbridge on this PC".to_owned()),
        _ => None,
    };
    Explained { message: Some(message.trim().to_owned()).filter(|message| !message.is_empty()), remedy }
}

#[cfg(test)]
#[path = "store_api/tests.rs"]
mod tests;
