//! Writing stock: a quantity over the one that was read, or not at all.
//!
//! Promises: every quantity carries what the store is expected to hold, never "whatever it is"; what somebody changed
//! meanwhile is a conflict and is left alone; a write that the store refuses as a whole because of one item is sent again
//! without it. The same request carries the same key until it is answered, so that one whose answer was lost is carried
//! out once; a request that was answered never lends its key to another, however alike.
//!
//! Facts: quantities are whole (`Int!`); a write with user errors changes nothing and has no adjustment group;
//! `changeFromQuantity` and `@idempotent` are demanded at run time, not by the schema
//! (<https://shopify.dev/changelog/making-changefromquantity-field-required>,
//! <https://shopify.dev/docs/api/usage/implementing-idempotency>).

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;

use jiff::SignedDuration;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::graphql::Failure;
use super::wire::{Payload, SetQuantities, UserError};
use super::{Shopify, documents, permanent};
use crate::central::client::encoded;
use crate::domain::retry::FailureClass;
use crate::domain::{Quantity, Sku};
use crate::ports::{Holding, HoldingKind, StockBatch, StockItem, StockVersion, StoreError, WriteOutcome, Written};

/// Why the quantity changes: one of Shopify's own reasons.
const REASON: &str = "correction";
/// Largest quantity.
const LARGEST: i64 = 1_000_000_000;
/// Requests for one batch: each after the first leaves out what hindered the one before.
const MOST_TRIES: usize = 12;
/// The pause when the same request is still being carried out.
const STILL_AT_WORK: SignedDuration = SignedDuration::from_secs(2);
const DOING: &str = "writing stock";

/// A request whose answer was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unanswered {
    content: [u8; 32],
    key: String,
}

/// One quantity, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    sku: Sku,
    item: String,
    from: i64,
    to: i64,
}

/// What became of one request.
enum Sent {
    Stored,
    TooMany(StoreError),
    /// These, by their place in the request, hindered it. Were the others stored all the same?
    Hindered(BTreeMap<usize, WriteOutcome>, bool),
    /// Something did, and it is not said what.
    Refused(String),
}

/// How far the writing of a batch has come.
struct Run {
    /// What is still to be sent; the last one next.
    parts: Vec<Vec<Change>>,
    written: Vec<Written>,
    tries: usize,
}

impl Run {
    /// What is sent next, no more than so many.
    fn next(&mut self, most: usize) -> Option<Vec<Change>> {
        loop {
            let mut part = self.parts.pop()?;
            if part.len() > most {
                let rest = part.split_off(most);
                self.parts.push(rest);
            }
            if !part.is_empty() {
                self.tries += 1;
                return Some(part);
            }
        }
    }

    fn settle(&mut self, part: Vec<Change>, outcome: impl Fn(&Change) -> WriteOutcome) {
        let written = |change: Change| Written { outcome: outcome(&change), sku: change.sku };
        self.written.extend(part.into_iter().map(written));
    }

    /// Some items hindered the request; the others were stored all the same, or are sent again.
    fn hindered(&mut self, part: Vec<Change>, outcomes: &BTreeMap<usize, WriteOutcome>, others_are_stored: bool) {
        let mut others = Vec::with_capacity(part.len());
        for (at, change) in part.into_iter().enumerate() {
            match outcomes.get(&at) {
                Some(one) => self.settle(vec![change], |_| one.clone()),
                None if others_are_stored => self.settle(vec![change], stored),
                None => others.push(change),
            }
        }
        self.parts.push(others);
    }
}

fn stored(change: &Change) -> WriteOutcome {
    WriteOutcome::Stored(Quantity::from(change.to))
}

impl Shopify {
    /// Writes a batch.
    pub(super) async fn write(&self, batch: &StockBatch) -> Result<Vec<Written>, StoreError> {
        let location = self.location().await?.id;
        let (changes, written) = self.prepared(&batch.items).await?;
        let mut run = Run { parts: vec![changes], written, tries: 0 };
        while let Some(mut part) = run.next(self.batch_size_now()) {
            if run.tries > MOST_TRIES {
                // Read anew and tried again later, rather than knocking for ever.
                run.settle(part, |_| WriteOutcome::Conflict);
                continue;
            }
            match self.send_changes(&part, &location, &batch.snapshot).await? {
                Sent::Stored => run.settle(part, stored),
                Sent::TooMany(error) if part.len() == 1 => return Err(error),
                Sent::TooMany(_) => {
                    self.limits.items.fetch_min(part.len() / 2, Ordering::Relaxed);
                    self.seen().budget.forget(documents::SET_QUANTITIES.name);
                    run.parts.push(part);
                }
                Sent::Hindered(outcomes, others_are_stored) => run.hindered(part, &outcomes, others_are_stored),
                Sent::Refused(why) if part.len() == 1 => run.settle(part, |_| WriteOutcome::Refused(why.clone())),
                Sent::Refused(_) => {
                    let half = part.split_off(part.len() / 2);
                    run.parts.extend([half, part]);
                }
            }
        }
        Ok(run.written)
    }

    fn batch_size_now(&self) -> usize {
        crate::ports::CentralStore::batch_size(self)
    }

    /// What can be sent, and what became of the rest.
    async fn prepared(&self, items: &[StockItem]) -> Result<(Vec<Change>, Vec<Written>), StoreError> {
        let known = self.seen().items.clone();
        let strangers: Vec<Sku> = items
            .iter()
            .filter(|item| !known.contains_key(&item.sku) || expected(item).is_none())
            .map(|item| item.sku.clone())
            .collect();
        let read = self.holdings_of(&strangers).await?;
        let mut read: HashMap<Sku, HoldingKind> = read.into_iter().map(|Holding { sku, kind }| (sku, kind)).collect();
        let known = self.seen().items.clone();
        let (mut changes, mut settled) = (Vec::with_capacity(items.len()), Vec::new());
        for item in items {
            match prepare(item, read.remove(&item.sku), &known) {
                // The store has it already.
                Ok(change) if change.from == change.to => {
                    let outcome = WriteOutcome::Stored(Quantity::from(change.to));
                    settled.push(Written { sku: change.sku, outcome });
                }
                Ok(change) => changes.push(change),
                Err(outcome) => settled.push(Written { sku: item.sku.clone(), outcome }),
            }
        }
        Ok((changes, settled))
    }

    async fn send_changes(&self, changes: &[Change], location: &str, snapshot: &str) -> Result<Sent, StoreError> {
        let input = input(self.quantity.word(), changes, location, snapshot);
        let content: [u8; 32] = Sha256::digest(input.to_string().as_bytes()).into();
        let mut key = self.key_for(content);
        for last in [false, true] {
            self.seen().unanswered = Some(Unanswered { content, key: key.clone() });
            let variables = json!({ "input": input, "key": key });
            let answered = self.ask::<SetQuantities>(&documents::SET_QUANTITIES, DOING, &variables).await;
            let payload = match answered {
                Ok(answer) => answer.inventory_set_quantities,
                Err(Failure::TooDear(error)) => {
                    self.seen().unanswered = None;
                    return Ok(Sent::TooMany(error));
                }
                Err(Failure::Other(error)) => {
                    if !error.maybe_done {
                        self.seen().unanswered = None;
                    }
                    return Err(error);
                }
            };
            let payload = payload.ok_or_else(|| odd("the answer says nothing of the quantities"))?;
            if payload.user_errors.iter().any(|error| is(error, "IDEMPOTENCY_CONCURRENT_REQUEST")) {
                let error = StoreError::new(
                    FailureClass::Transient,
                    format!("{DOING}: the same write is still being carried out"),
                );
                return Err(StoreError { maybe_done: true, retry_after: Some(STILL_AT_WORK), ..error });
            }
            self.seen().unanswered = None;
            let used_up = |error: &UserError| {
                is(error, "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED") || is(error, "IDEMPOTENCY_KEY_PARAMETER_MISMATCH")
            };
            if last || !payload.user_errors.iter().any(used_up) {
                return self.became(&payload, changes);
            }
            key = new_key(&content);
        }
        Err(odd("the store takes no key"))
    }

    /// The key of the request whose answer was lost, if this is the same; else a new one.
    fn key_for(&self, content: [u8; 32]) -> String {
        let seen = self.seen();
        let same = seen.unanswered.as_ref().filter(|lost| lost.content == content);
        same.map_or_else(|| new_key(&content), |lost| lost.key.clone())
    }

    fn became(&self, payload: &Payload, changes: &[Change]) -> Result<Sent, StoreError> {
        let Some(first) = payload.user_errors.first() else { return Ok(Sent::Stored) };
        let mut outcomes = BTreeMap::new();
        for error in &payload.user_errors {
            if let Some(code) = error.code.as_deref().filter(|code| concerns_all(code)) {
                return Err(permanent(format!("{DOING}: {} ({code}). `tillbridge check` may say more", error.message)));
            }
            let Some(change) = place(error).and_then(|at| Some((at, changes.get(at)?))) else { continue };
            let (at, change) = change;
            if is(error, "INVALID_INVENTORY_ITEM") {
                self.seen().items.remove(&change.sku);
            }
            outcomes.entry(at).or_insert_with(|| outcome(error));
        }
        if outcomes.is_empty() {
            return Ok(Sent::Refused(first.message.clone()));
        }
        Ok(Sent::Hindered(outcomes, payload.inventory_adjustment_group.is_some()))
    }
}

/// What the store is expected to hold, when that is known: what was read, else what we wrote.
fn expected(item: &StockItem) -> Option<i64> {
    let read = item.if_version.as_ref().and_then(|StockVersion(version)| version.parse().ok());
    read.or_else(|| item.expected.and_then(whole))
}

/// Whole units, cut downwards.
fn whole(quantity: Quantity) -> Option<i64> {
    quantity.decimal().floor().to_i64()
}

fn prepare(item: &StockItem, read: Option<HoldingKind>, known: &HashMap<Sku, String>) -> Result<Change, WriteOutcome> {
    let held = match read {
        Some(HoldingKind::Unknown) => return Err(WriteOutcome::Unknown),
        Some(HoldingKind::NotKept(why)) => return Err(WriteOutcome::Refused(why)),
        Some(HoldingKind::Kept(quantity, _)) => quantity.and_then(whole),
        None => None,
    };
    // What was believed when the quantity was computed counts, not what was read since: in between lies the change that
    // must not be overwritten.
    let from = expected(item).or(held).ok_or(WriteOutcome::Conflict)?;
    let to = whole(item.quantity).filter(|units| (0..=LARGEST).contains(units));
    let to = to.ok_or_else(|| WriteOutcome::Refused(format!("{} is no quantity that Shopify takes", item.quantity)))?;
    let id = known.get(&item.sku).cloned().ok_or(WriteOutcome::Conflict)?;
    Ok(Change { sku: item.sku.clone(), item: id, from, to })
}

fn input(name: &str, changes: &[Change], location: &str, snapshot: &str) -> Value {
    let quantity = |change: &Change| {
        json!({
            "inventoryItemId": change.item, "locationId": location,
            "quantity": change.to, "changeFromQuantity": change.from,
        })
    };
    json!({
        "name": name,
        "reason": REASON,
        "referenceDocumentUri": format!("gid://tillbridge/StockExport/{}", encoded(snapshot)),
        "quantities": changes.iter().map(quantity).collect::<Vec<_>>(),
    })
}

/// A key that no other request has: a UUID (version 8, RFC 9562) of the content and of chance.
fn new_key(content: &[u8; 32]) -> String {
    let chance = fastrand::u128(..).to_be_bytes();
    let hash = Sha256::new().chain_update(content).chain_update(chance).finalize();
    let mut bytes: Vec<u8> = hash.iter().copied().take(16).collect();
    for (at, keep, set) in [(6, 0x0f, 0x80), (8, 0x3f, 0x80)] {
        if let Some(byte) = bytes.get_mut(at) {
            *byte = (*byte & keep) | set;
        }
    }
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().concat();
    [part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 16)].join("-")
}

fn is(error: &UserError, code: &str) -> bool {
    error.code.as_deref() == Some(code)
}

/// These say that the request as such is wrong.
fn concerns_all(code: &str) -> bool {
    matches!(code, "INVALID_LOCATION" | "INVALID_NAME" | "INVALID_REASON" | "INVALID_REFERENCE_DOCUMENT")
}

/// `["input", "quantities", "3", "changeFromQuantity"]` is about the fourth.
fn place(error: &UserError) -> Option<usize> {
    error.field.as_ref()?.iter().find_map(|part| part.parse().ok())
}

fn outcome(error: &UserError) -> WriteOutcome {
    match error.code.as_deref() {
        Some("CHANGE_FROM_QUANTITY_STALE" | "COMPARE_QUANTITY_STALE") => WriteOutcome::Conflict,
        Some("INVALID_INVENTORY_ITEM") => WriteOutcome::Unknown,
        Some("ITEM_NOT_STOCKED_AT_LOCATION") => WriteOutcome::Refused(
            "not stocked at this location; tick the location at the product, under Inventory".into(),
        ),
        Some(_) | None => WriteOutcome::Refused(error.message.clone()),
    }
}

fn odd(what: &str) -> StoreError {
    StoreError { maybe_done: true, ..StoreError::new(FailureClass::Bug, format!("{DOING}: {what}")) }
}
