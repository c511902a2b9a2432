//! Intake: the store's order feed into the journal.
//!
//! Promises: the cursor moves only with the page that it belongs to, in one transaction; an order that cannot be
//! understood is reported by number and never stops the others; a page read twice changes nothing; orders of other shops
//! are not recorded.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::{Next, Reconciler, Shop, Work, chain, guard};
use crate::domain::retry;
use crate::ledger::conditions::{Severity, Trouble};
use crate::ledger::orders::Recorded;
use crate::ledger::{LedgerError, facts};
use crate::ports::{FeedCursor, OrderPage, StoreError};

/// Condition: an order that cannot be understood.
pub const ORDER_UNREADABLE: &str = "order_unreadable";
/// Pages in one go; a feed that never ends is not allowed to starve the rest.
const MOST_PAGES: usize = 10_000;

/// Why pulling stopped.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// The reconciler.
pub struct Intake {
    shop: Arc<Shop>,
    /// One pull at a time; counts failures in a row.
    failures: Mutex<u32>,
}

impl Intake {
    /// For this shop.
    pub fn new(shop: Arc<Shop>) -> Arc<Self> {
        Arc::new(Self { shop, failures: Mutex::new(0) })
    }

    /// Reads the feed to its end, so that what the store has done until now is in the journal.
    ///
    /// # Errors
    /// When the feed could not be read to its end, or not be noted. What was noted stays noted.
    pub async fn pull(&self) -> Result<Recorded, PullError> {
        let mut failures = self.failures.lock().await;
        let pulled = self.pull_pages().await;
        match &pulled {
            Ok(recorded) => {
                *failures = 0;
                let now = self.shop.clock.now();
                self.shop.set_live(|live| live.orders_pulled_at = Some(now));
                self.shop.store_served(Work::Read);
                if recorded.new + recorded.changed > 0 {
                    self.shop.wakes.orders.notify_one();
                    self.shop.wakes.delivery.notify_one();
                }
            }
            Err(PullError::Store(error)) => {
                *failures = failures.saturating_add(u32::from(!guard::was_left_alone(error)));
                self.shop.store_failed(Work::Read, error);
            }
            Err(PullError::Ledger(_)) => {}
        }
        pulled
    }

    async fn pull_pages(&self) -> Result<Recorded, PullError> {
        let started = self.shop.clock.now();
        let mut all = Recorded::default();
        let (mut unreadable, mut is_read) = (Vec::new(), false);
        for _ in 0..MOST_PAGES {
            let cursor = self.shop.ledger.fact(facts::FEED_CURSOR)?.map(FeedCursor);
            let page = self.shop.store.orders(cursor.as_ref()).await?;
            let recorded = self.record(&page)?;
            all.new += recorded.new;
            all.changed += recorded.changed;
            unreadable.extend(page.unreadable);
            is_read = !page.more;
            if is_read {
                break;
            }
        }
        self.report_unreadable(&unreadable);
        if !is_read {
            let what = "reading orders: the web store's list of them did not come to an end; it is read on later";
            return Err(StoreError::new(retry::FailureClass::Transient, what).into());
        }
        if all != Recorded::default() {
            self.shop.run("intake", started, "done", &all, Some("orders came from the web store"));
        }
        Ok(all)
    }

    fn record(&self, page: &OrderPage) -> Result<Recorded, LedgerError> {
        let (since, now) = (self.shop.settings.ours_since, self.shop.clock.now());
        if self.shop.ledger.knows_page(page, since)? {
            return Ok(Recorded::default());
        }
        self.shop.ledger.record_page(page, since, now)
    }

    fn report_unreadable(&self, unreadable: &[(String, String)]) {
        const SHOWN: usize = 20;
        let trouble = |(number, why): &(String, String)| Trouble {
            code: ORDER_UNREADABLE,
            subject: number.clone(),
            severity: Severity::Error,
            text: format!("order {number} from the web store cannot be understood: {why}"),
            remedy: "Book this order in the till by hand, and report the text above; other orders are not affected."
                .into(),
        };
        let mut troubles: Vec<Trouble> = unreadable.iter().take(SHOWN).map(trouble).collect();
        // Orders that came with an earlier page stay reported until the store describes them so that they can be read.
        if let Ok(lasting) = self.shop.ledger.conditions() {
            for old in lasting.into_iter().filter(|old| old.code == ORDER_UNREADABLE) {
                let known = self.shop.ledger.order(&old.subject).ok().flatten().is_some();
                if !known && !troubles.iter().any(|new| new.subject == old.subject) && troubles.len() < SHOWN {
                    troubles.push(Trouble {
                        code: ORDER_UNREADABLE,
                        subject: old.subject,
                        severity: old.severity,
                        text: old.text,
                        remedy: old.remedy,
                    });
                }
            }
        }
        self.shop.conditions(&[ORDER_UNREADABLE], &troubles);
    }
}

/// Its name where the ledger fails it.
const WHAT: &str = "intake of orders";

#[async_trait]
impl Reconciler for Intake {
    fn name(&self) -> &'static str {
        "intake"
    }

    async fn activate(&self) -> Next {
        if self.shop.is_paused() {
            return Next(self.shop.epos.pace().sweep_idle);
        }
        if let Some(wait) = self.shop.store_rests(Work::Read) {
            return Next(wait);
        }
        match self.pull().await {
            Ok(_) => {
                self.shop.ledger_served(WHAT);
                Next(self.shop.settings.poll_every.duration())
            }
            Err(PullError::Ledger(error)) => self.shop.ledger_failed(WHAT, &error),
            Err(PullError::Store(error)) => {
                if let Some(wait) = self.shop.store_rests(Work::Read) {
                    return Next(wait);
                }
                tracing::warn!(error = chain(&error), "the web store's orders could not be read");
                let failures = *self.failures.lock().await;
                let pause = retry::pause(failures.max(1), error.class, error.retry_after, fastrand::f64());
                Next(pause.unsigned_abs().max(self.shop.settings.poll_every.duration()))
            }
        }
    }
}
