//! Whoever wants to know that quantities were stored in the web store: a cache to purge, an index to rebuild.
//!
//! Promises: what was not told is told again, so that it may be heard twice, and never not at all. Does not promise an
//! order among items: the news says which of them changed, not what they are now.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};

use crate::domain::Sku;
use crate::domain::retry::FailureClass;

/// Hears what was pushed.
#[async_trait]
pub trait PushListener: Send + Sync {
    /// Tells it. Bounded in time.
    ///
    /// # Errors
    /// When it is not known that it heard.
    async fn tell(&self, pushed: &Pushed) -> Result<(), NotTold>;
}

/// What was pushed since the last time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pushed {
    /// The account whose shop it is.
    pub account: String,
    /// Which items.
    pub skus: PushedSkus,
    /// How many quantities were stored.
    pub count: u64,
    /// Now.
    pub at: Timestamp,
}

/// Which items were pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushedSkus {
    /// More than are worth listing.
    All,
    /// These.
    These(Vec<Sku>),
}

impl Serialize for PushedSkus {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => to.serialize_str("all"),
            Self::These(skus) => skus.serialize(to),
        }
    }
}

/// Why it was not told.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct NotTold {
    /// What was attempted, and what came of it.
    pub what: String,
    /// Will it pass?
    pub class: FailureClass,
    /// The pause that it asked for.
    pub retry_after: Option<SignedDuration>,
}
