//! Shopify over its GraphQL Admin API, with an app of the shop's own.
//!
//! Promises: a quantity is only written over the one that was read (compare-and-set), so an order placed meanwhile ends
//! as a conflict and not as an oversale; the same request is carried out once, however often it is sent; only what is
//! assigned to this shop's location is this shop's; a document that costs more than the store allows is asked for in smaller
//! pages, which is remembered. Does not promise orders older than 60 days without the scope `read_all_orders`.
//!
//! **`available` or `on_hand`.** Either can be written ([`ShopifyQuantity`]). `on_hand` holds what is committed as well:
//! `W = A + Σ r`, the compare guards a shipment in between, and Shopify itself takes off what is committed or set aside, for
//! orders too that the agent cannot read (older than 60 days, drafts, not yet in the search). So it is the default: what is
//! not known is not sold. `available` falls when an order is placed and is what shoppers see: `W = A`, whatever was shipped,
//! and the compare guards a placement in between; but it overwrites what unreadable orders took.

mod check;
mod documents;
mod feed;
mod graphql;
mod note;
mod order;
mod pages;
mod routing;
mod sign_in;
mod stock;
#[cfg(test)]
mod tests;
mod throttle;
mod wire;
mod write;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use self::order::Policy;
use self::sign_in::SignIn;
use self::throttle::Budget;
use self::wire::Location;
use self::write::Unanswered;
use super::client::{Client, Explained};
use super::failure::first_words;
use super::settings::{LARGEST_SHOPIFY_ARRAY, SettingsError, ShopifyQuantity, StoreSettings};
use crate::domain::Sku;
use crate::domain::reconcile::StockModel;
use crate::domain::retry::FailureClass;
use crate::ports::{
    Acknowledgement, CentralStore, CheckLine, FeedCursor, Holding, OrderPage, StockBatch, StoreError, StoreFacts,
    Written,
};

/// Lines of an order (and of its parts, shipments and refunds) that are asked for with it; more follow page by page.
const LINES: usize = 25;
/// SKUs in one question.
const SKUS_ASKED: usize = 50;

/// A Shopify store.
#[derive(Debug)]
pub(super) struct Shopify {
    client: Client,
    sign_in: SignIn,
    /// `/admin/api/2026-10/graphql.json`.
    path: String,
    version: String,
    /// As configured: a name, a number or a whole key.
    wanted_location: String,
    quantity: ShopifyQuantity,
    /// Was a round begun again because its place was not taken?
    begun_again: AtomicBool,
    policy: Policy,
    overlap: SignedDuration,
    acknowledge: bool,
    tag_prefix: String,
    page: usize,
    batch: usize,
    limits: Limits,
    seen: Mutex<Seen>,
}

/// How much the store has shown to take at once.
#[derive(Debug)]
struct Limits {
    orders: AtomicUsize,
    lines: AtomicUsize,
    skus: AtomicUsize,
    items: AtomicUsize,
}

/// [`Limits`], to be kept over a restart.
#[derive(Debug, Serialize, Deserialize)]
struct Learned {
    orders: usize,
    lines: usize,
    skus: usize,
    items: usize,
}

/// What answers have told.
#[derive(Debug, Default)]
struct Seen {
    location: Option<Location>,
    budget: Budget,
    /// The version that answered last.
    version: Option<String>,
    /// The store's clock, at the last answer.
    clock: Option<Timestamp>,
    /// The inventory items of SKUs that were read lately.
    items: HashMap<Sku, String>,
    /// A write whose answer was lost.
    unanswered: Option<Unanswered>,
}

impl Shopify {
    /// The store of these settings.
    ///
    /// # Errors
    /// When the token is not where they say, or the client cannot be set up.
    pub(super) fn new(settings: &StoreSettings) -> Result<Self, SettingsError> {
        let own = settings.shopify.clone().unwrap_or_default();
        let (authorization, sign_in) = sign_in::sign_in(settings)?;
        Ok(Self {
            client: Client::new(settings, authorization, explain)?,
            sign_in,
            path: format!("/admin/api/{}/graphql.json", own.api_version),
            version: own.api_version,
            wanted_location: own.location.trim().to_owned(),
            quantity: own.quantity,
            begun_again: AtomicBool::new(false),
            policy: Policy {
                export_states: own.export_states,
                manual_payments: own.manual_payments,
                custom_sku: own.custom_sku,
            },
            overlap: own.overlap.signed(),
            acknowledge: own.acknowledge,
            tag_prefix: own.tag_prefix,
            page: settings.page.min(LARGEST_SHOPIFY_ARRAY),
            batch: settings.batch.min(LARGEST_SHOPIFY_ARRAY),
            limits: Limits {
                orders: AtomicUsize::new(usize::MAX),
                lines: AtomicUsize::new(LINES),
                skus: AtomicUsize::new(SKUS_ASKED),
                items: AtomicUsize::new(usize::MAX),
            },
            seen: Mutex::default(),
        })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The location that stands for this shop; looked up once, and anew by every probe.
    async fn location(&self) -> Result<Location, StoreError> {
        let known = self.seen().location.clone();
        match known {
            Some(location) => Ok(location),
            None => self.find_location().await,
        }
    }

    fn shown(&self, location: &Location) -> String {
        let answered = self.seen().version.clone().filter(|answered| *answered != self.version);
        let instead = answered.map(|answered| format!(", answers as version {answered} instead of {}", self.version));
        let quantity = self.quantity.word();
        format!("Shopify, location {:?}, {quantity}{}", location.name, instead.unwrap_or_default())
    }
}

#[async_trait]
impl CentralStore for Shopify {
    async fn probe(&self) -> Result<StoreFacts, StoreError> {
        self.seen().location = None;
        let location = self.location().await?;
        let clock = self.seen().clock;
        let shown = self.shown(&location);
        let model = match self.quantity {
            ShopifyQuantity::Available => StockModel::DeductAtPlacement,
            ShopifyQuantity::OnHand => StockModel::PhysicalPlusReservations,
        };
        Ok(StoreFacts { model, clock, shown })
    }

    async fn orders(&self, cursor: Option<&FeedCursor>) -> Result<OrderPage, StoreError> {
        self.feed(cursor).await
    }

    async fn holdings(&self, skus: &[Sku]) -> Result<Vec<Holding>, StoreError> {
        self.holdings_of(skus).await
    }

    async fn write_stock(&self, batch: &StockBatch) -> Result<Vec<Written>, StoreError> {
        self.write(batch).await
    }

    async fn acknowledge(&self, acknowledgement: &Acknowledgement) -> Result<(), StoreError> {
        if self.acknowledge { self.note_in_order(acknowledgement).await } else { Ok(()) }
    }

    fn batch_size(&self) -> usize {
        self.batch.min(self.limits.items.load(Ordering::Relaxed)).max(1)
    }

    fn learned(&self) -> Option<String> {
        let of = |limit: &AtomicUsize| limit.load(Ordering::Relaxed);
        let Limits { orders, lines, skus, items } = &self.limits;
        let learned = Learned { orders: of(orders), lines: of(lines), skus: of(skus), items: of(items) };
        serde_json::to_string(&learned).ok()
    }

    fn recall(&self, learned: &str) {
        let Ok(known) = serde_json::from_str::<Learned>(learned) else { return };
        let Limits { orders, lines, skus, items } = &self.limits;
        for (limit, known) in [(orders, known.orders), (lines, known.lines), (skus, known.skus), (items, known.items)] {
            limit.fetch_min(known.max(1), Ordering::Relaxed);
        }
    }

    async fn check(&self) -> Vec<CheckLine> {
        self.check_all().await
    }
}

/// A failure that only a person can end.
fn permanent(what: String) -> StoreError {
    StoreError::new(FailureClass::Permanent, what)
}

/// What an error answer of Shopify says (`{"errors": "…"}`, or a list), and what to do about it.
/// <https://shopify.dev/docs/api/usage/response-codes>
fn explain(status: u16, body: &[u8]) -> Explained {
    let said: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let words = said.get("errors").or_else(|| said.get("error_description")).or_else(|| said.get("error"));
    let message = words.map(|words| first_words(&words.as_str().map_or_else(|| words.to_string(), str::to_owned), 200));
    let remedy = match status {
        401 => "Is the token the app's Admin API access token (it begins with shpat_), and is the app still installed?",
        402 => "The shop is frozen: its owner has a bill to pay",
        403 => "The app lacks a scope, or the shop's plan does not allow this; `tillbridge check` names the scopes",
        404 => {
            "Is `url` the shop's own address, https://NAME.myshopify.com, and `shopify.api_version` a version that exists?"
        }
        423 => "The shop is locked: its owner has to ask Shopify's support",
        430 => "Shopify took us for an attacker; this is tried again by itself, much later",
        _ => "",
    };
    Explained { message, remedy: Some(remedy.to_owned()).filter(|remedy| !remedy.is_empty()) }
}
