//! Heartbeat: tells a store that wants to know how the agent is, once a minute.
//!
//! Promises: a store that does not want this agent (too old, say) becomes a trouble that says so. A line that is down does
//! not: reading orders notices that sooner. Goes on while the agent is paused: that it is there stays true.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Next, Reconciler, Shop, Work, chain};
use crate::domain::retry::FailureClass;
use crate::ledger::{LedgerError, facts};
use crate::ports::{FeedCursor, Pulse};

/// Between two heartbeats.
const EVERY: Duration = Duration::from_secs(60);
/// Its name where the ledger fails it.
const WHAT: &str = "the heartbeat";

/// The reconciler.
pub struct Heartbeat {
    shop: Arc<Shop>,
}

impl Heartbeat {
    /// For this shop.
    pub fn new(shop: Arc<Shop>) -> Arc<Self> {
        Arc::new(Self { shop })
    }

    fn pulse(&self) -> Result<Pulse, LedgerError> {
        let ledger = &self.shop.ledger;
        let depth = ledger.outbox_depth()?;
        Ok(Pulse {
            feed: ledger.fact(facts::FEED_CURSOR)?.map(FeedCursor),
            snapshot: ledger.admitted_export()?.map(|export| export.id.to_string()),
            queue_depth: depth.stock + depth.acknowledgements,
            clock: self.shop.clock.now(),
        })
    }
}

#[async_trait]
impl Reconciler for Heartbeat {
    fn name(&self) -> &'static str {
        "heartbeat"
    }

    async fn activate(&self) -> Next {
        if let Some(wait) = self.shop.store_rests(Work::Read) {
            return Next(wait.max(EVERY));
        }
        let pulse = match self.pulse() {
            Ok(pulse) => pulse,
            Err(error) => return self.shop.ledger_failed(WHAT, &error),
        };
        self.shop.ledger_served(WHAT);
        match self.shop.store.heartbeat(&pulse).await {
            Ok(true) => self.shop.store_served(Work::Beat),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(error = chain(&error), "the web store did not take the heartbeat");
                match error.class {
                    FailureClass::Transient => {}
                    FailureClass::Permanent | FailureClass::Bug => self.shop.store_failed(Work::Beat, &error),
                }
            }
        }
        Next(EVERY)
    }
}
