//! The web store's edge: orders in, quantities and news of orders out.
//!
//! Promises: a failure says whether it will pass, and whether the request may have been carried out all the same.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::reconcile::StockModel;
use crate::domain::retry::FailureClass;
use crate::domain::{OrderId, Quantity, Sku, WebOrder};

/// The central web store. One adapter per make; each knows its store's arithmetic, limits and quirks.
#[async_trait]
pub trait CentralStore: Send + Sync {
    /// What kind of store it turned out to be. Asked once, and again after failures.
    ///
    /// # Errors
    /// When the store cannot be reached, or refuses us.
    async fn probe(&self) -> Result<StoreFacts, StoreError>;

    /// The orders that changed since `cursor`, oldest change first. Reading consumes nothing; orders may come again.
    ///
    /// # Errors
    /// When the page could not be read whole. The cursor then stays where it was.
    async fn orders(&self, cursor: Option<&FeedCursor>) -> Result<OrderPage, StoreError>;

    /// What the store knows of these SKUs, and what it holds of each at this shop.
    ///
    /// # Errors
    /// When they could not all be read.
    async fn holdings(&self, skus: &[Sku]) -> Result<Vec<Holding>, StoreError>;

    /// Writes quantities. Absolute; repeating it is harmless as long as the quantities are still right.
    ///
    /// # Errors
    /// When it is not known that all of them were stored.
    async fn write_stock(&self, batch: &StockBatch) -> Result<Vec<Written>, StoreError>;

    /// Tells the store how far an order has come. Repeating it does not say it twice.
    ///
    /// # Errors
    /// When it is not known that the store took note.
    async fn acknowledge(&self, acknowledgement: &Acknowledgement) -> Result<(), StoreError>;

    /// Does it want to hear of this stage? If not, [`CentralStore::acknowledge`] would say yes without a request.
    fn wants(&self, stage: Stage) -> bool {
        let _any = stage;
        true
    }

    /// Says that the agent is there and how it is; `false` where the store does not want to know. Sent every minute.
    ///
    /// # Errors
    /// When the store cannot be reached, or does not want this agent.
    async fn heartbeat(&self, pulse: &Pulse) -> Result<bool, StoreError> {
        let _not_wanted = pulse;
        Ok(false)
    }

    /// Most SKUs in one write that the store has shown to take.
    fn batch_size(&self) -> usize;

    /// What was learned of the store's limits, to be kept over a restart; its meaning is the adapter's own.
    fn learned(&self) -> Option<String> {
        None
    }

    /// Takes up again what [`CentralStore::learned`] said in an earlier life. What is not understood is ignored.
    fn recall(&self, learned: &str) {
        let _not_for_us = learned;
    }

    /// What the store itself says can be sold of these SKUs, for an audit only: it may read an index that lags. Empty
    /// where the store keeps no such figure beside the quantity.
    ///
    /// # Errors
    /// When they could not be read.
    async fn sellable(&self, skus: &[Sku]) -> Result<Vec<(Sku, Quantity)>, StoreError> {
        let _none = skus;
        Ok(Vec::new())
    }

    /// What works less well than it was asked to: noticed while working, for people. Empty when all is well.
    fn shortcomings(&self) -> Vec<Shortcoming> {
        Vec::new()
    }

    /// Tries everything that the agent will need, one line each.
    async fn check(&self) -> Vec<CheckLine>;
}

/// Something that works less well than it was asked to, and nothing stops for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortcoming {
    /// What it is about, the same while it lasts (`status sent_to_epos`).
    pub about: String,
    /// What was found.
    pub text: String,
    /// What to do.
    pub remedy: String,
}

/// What kind of store it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFacts {
    /// How it keeps its books.
    pub model: StockModel,
    /// Its clock, from the `Date` header, when it sends one.
    pub clock: Option<Timestamp>,
    /// What it is, to show (`Magento with MSI, source shop1`).
    pub shown: String,
}

/// How the agent is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// How far the order feed has been read.
    pub feed: Option<FeedCursor>,
    /// The export that counts.
    pub snapshot: Option<String>,
    /// What waits to be sent: quantities and acknowledgements.
    pub queue_depth: u64,
    /// The agent's clock.
    pub clock: Timestamp,
}

/// Where the reading of the order feed has come to; its meaning is the adapter's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FeedCursor(pub String);

/// One page of the order feed.
#[derive(Debug, Clone)]
pub struct OrderPage {
    /// The orders, as they are now.
    pub orders: Vec<WebOrder>,
    /// Orders that could not be understood: number or key, and what is wrong.
    pub unreadable: Vec<(String, String)>,
    /// Orders that another shop fulfils; one that was this shop's before is not any more.
    pub elsewhere: Vec<OrderId>,
    /// Where the next page begins.
    pub next: FeedCursor,
    /// Is there more right now?
    pub more: bool,
}

/// What the store holds of a SKU at this shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The SKU, as asked.
    pub sku: Sku,
    /// What it is to the store.
    pub kind: HoldingKind,
}

/// What a SKU is to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldingKind {
    /// It keeps this quantity (`None`: sellable, but never counted at this shop).
    Kept(Option<Quantity>, Option<StockVersion>),
    /// It has no such SKU.
    Unknown,
    /// It has it, but keeps no quantity of it; the reason says why (a configurable parent, a bundle).
    NotKept(String),
}

/// The store's version mark of a quantity, for compare-and-set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StockVersion(pub String);

/// Quantities to write in one request.
#[derive(Debug, Clone)]
pub struct StockBatch {
    /// What to write.
    pub items: Vec<StockItem>,
    /// Which export they come from.
    pub snapshot: String,
    /// When that export was made.
    pub as_of: Timestamp,
    /// How far the order feed had been read when the quantities were computed: all orders up to there are counted in
    /// them, but for those that could not be understood.
    pub orders_read: Option<FeedCursor>,
}

/// One quantity to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockItem {
    /// Of what.
    pub sku: Sku,
    /// How many (`W`).
    pub quantity: Quantity,
    /// Only if the store still has this version.
    pub if_version: Option<StockVersion>,
    /// What we believe that the store holds, when we do: for compare-and-set by quantity.
    pub expected: Option<Quantity>,
}

/// What became of one quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Of what.
    pub sku: Sku,
    /// What became of it.
    pub outcome: WriteOutcome,
}

/// What became of one quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteOutcome {
    /// Stored, as this quantity.
    Stored(Quantity),
    /// Someone else changed it meanwhile; compute again.
    Conflict,
    /// The store has no such SKU.
    Unknown,
    /// The store will not take it; the reason says why.
    Refused(String),
}

/// How far an order has come, for the store to note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// The store's key.
    pub order: OrderId,
    /// The number to show.
    pub number: String,
    /// How far.
    pub stage: Stage,
    /// The till's file name or answer.
    pub reference: String,
    /// When.
    pub at: Timestamp,
    /// The same for every repetition, different for every other message.
    pub idempotency_key: String,
}

/// How far an order has come, in the store's eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// It lies where the till looks.
    Published,
    /// The till took it.
    Consumed,
    /// The till refused it.
    Rejected,
    /// It cannot be written for the till; a person has to look.
    Failed,
}

impl Stage {
    /// Its word in keys and on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Consumed => "consumed",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }
}

/// One line of `tillbridge check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckLine {
    /// What was tried.
    pub what: String,
    /// Did it work?
    pub ok: bool,
    /// What was found; when it did not work, what to do.
    pub found: String,
}

/// A failure on the store's side, classified where it was known.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StoreError {
    /// What was attempted and what the store answered, with the remedy.
    pub what: String,
    /// Will it pass?
    pub class: FailureClass,
    /// The pause that the store asked for.
    pub retry_after: Option<SignedDuration>,
    /// May the request have been carried out all the same? (The answer was lost, not the request.)
    pub maybe_done: bool,
    /// What went over the line, secrets cut out.
    pub exchange: Option<Box<Exchange>>,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StoreError {
    /// A failure of this class of which nothing else is known.
    pub fn new(class: FailureClass, what: impl Into<String>) -> Self {
        Self { what: what.into(), class, retry_after: None, maybe_done: false, exchange: None, source: None }
    }
}

/// One request and its answer, to be looked at after a failure. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// `POST /rest/V1/orders/7/comments`, without the host.
    pub request: String,
    /// What was sent, cut to a bound.
    pub sent: String,
    /// HTTP status of the answer; none when there was no whole answer.
    pub status: Option<u16>,
    /// What came back, cut to a bound.
    pub answered: String,
}
