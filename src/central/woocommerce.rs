//! WooCommerce over its REST API v3 (`/wp-json/wc/v3`): no plugin of ours is needed in the shop.
//!
//! Promises: signs in with HTTP Basic over HTTPS only; an order counts from the moment that the store deducts it to the
//! moment that it surely put it back; a note is written once even if its answer was lost; a quantity is stored as said or
//! less. Everything that changes between two questions is asked past caches.
//! Does not promise a compare-and-set: WooCommerce has none, so a write can overtake a placement. Whoever writes reads
//! orders last, and reads again afterwards. Was held against the published documentation and source, never against a
//! running WooCommerce.
//!
//! The documentation offers the key in the address for servers that drop the `Authorization` header. We do not: addresses
//! stand in every log between here and the shop. The header can be let through instead, and [`explain`] says how.

mod check;
mod feed;
mod note;
mod order;
mod products;
mod stock;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use reqwest::header::AUTHORIZATION;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::order::Policy;
use self::wire::Trouble;
use super::Secret;
use super::authorize::Authorization;
use super::client::{Call, Client, Explained};
use super::settings::{MOST_AT_ONCE, SettingsError, StoreSettings, WooCommerceSettings};
use crate::domain::Sku;
use crate::domain::reconcile::StockModel;
use crate::domain::retry::FailureClass;
use crate::ports::{
    Acknowledgement, CentralStore, CheckLine, FeedCursor, Holding, OrderPage, StockBatch, StoreError, StoreFacts,
    Written,
};

/// Where the REST interface lies under the shop's address.
const PREFIX: &str = "/wp-json/wc/v3";
/// What lets the header through (woocommerce-rest-api-docs, "Authentication over HTTPS", names the trouble; Apache's
/// `CGIPassAuth` the cure).
const HEADER_DROPPED: &str = "the shop's web server drops the Authorization header (Apache with CGI: write \"CGIPassAuth On\" or \
     \"SetEnvIf Authorization (.*) HTTP_AUTHORIZATION=$1\" into .htaccess)";

/// A WooCommerce store.
#[derive(Debug)]
pub(super) struct WooCommerce {
    client: Client,
    policy: Policy,
    overlap: SignedDuration,
    acknowledge: bool,
    status_consumed: Option<String>,
    status_rejected: Option<String>,
    page: usize,
    batch: usize,
    /// Most objects in a batch that it has shown to take.
    most_items: AtomicUsize,
    /// Does it keep fractions? Shown by a quantity that has one.
    fractions: AtomicBool,
    /// Rounds of the order feed since the start.
    rounds: AtomicU32,
}

/// What is kept over a restart.
#[derive(Debug, Serialize, Deserialize)]
struct Learned {
    most_items: usize,
    fractions: bool,
}

/// `Authorization: Basic …` (RFC 7617), made of consumer key and consumer secret.
///
/// # Errors
/// When they hold characters that no header can hold.
pub(super) fn sign_in(key: &Secret, secret: &Secret) -> Result<Authorization, SettingsError> {
    let pair = STANDARD.encode(format!("{}:{}", key.reveal(), secret.reveal()));
    Authorization::header(AUTHORIZATION, &format!("Basic {pair}"))
}

impl WooCommerce {
    /// A store behind this client.
    pub(super) fn new(client: Client, settings: &StoreSettings, own: WooCommerceSettings) -> Self {
        let own_statuses = own.status_consumed.iter().chain(&own.status_rejected).cloned().collect();
        Self {
            client,
            policy: Policy {
                export_statuses: own.export_statuses,
                offline_payments: own.offline_payments,
                own_statuses,
            },
            overlap: own.overlap.signed(),
            acknowledge: own.acknowledge,
            status_consumed: own.status_consumed,
            status_rejected: own.status_rejected,
            page: settings.page,
            batch: settings.batch,
            most_items: AtomicUsize::new(MOST_AT_ONCE),
            fractions: AtomicBool::new(false),
            rounds: AtomicU32::new(0),
        }
    }

    /// A read of this route. Caches that ignore `Cache-Control` (some cache the REST interface by address alone) have not
    /// seen the address before: WordPress passes over parameters that it does not know.
    fn get(&self, doing: &str, route: &str) -> Call {
        let joint = if route.contains('?') { '&' } else { '?' };
        Call::get(doing, format!("{PREFIX}{route}{joint}_={:016x}", fastrand::u64(..)))
    }

    /// A write to this route.
    fn write(&self, method: reqwest::Method, doing: &str, route: &str, body: &Value) -> Call {
        Call::write(method, doing, format!("{PREFIX}{route}"), body.to_string())
    }

    fn most_items(&self) -> usize {
        self.batch.min(self.most_items.load(Ordering::Relaxed)).max(1)
    }
}

#[async_trait]
impl CentralStore for WooCommerce {
    async fn probe(&self) -> Result<StoreFacts, StoreError> {
        let call = self.get("asking the store who it is", "/products?per_page=1&_fields=id");
        let reply = self.client.send(&call).await?;
        self.client.read::<Vec<Value>>(&call, &reply)?;
        let shown = "WooCommerce (REST API v3)".to_owned();
        Ok(StoreFacts { model: StockModel::DeductAtPlacement, clock: reply.date, shown })
    }

    async fn orders(&self, cursor: Option<&FeedCursor>) -> Result<OrderPage, StoreError> {
        self.feed(cursor).await
    }

    async fn holdings(&self, skus: &[Sku]) -> Result<Vec<Holding>, StoreError> {
        self.holdings_of(skus).await
    }

    async fn write_stock(&self, batch: &StockBatch) -> Result<Vec<Written>, StoreError> {
        self.write_items(&batch.items).await
    }

    async fn acknowledge(&self, acknowledgement: &Acknowledgement) -> Result<(), StoreError> {
        if self.acknowledge { self.note_in_order(acknowledgement).await } else { Ok(()) }
    }

    fn batch_size(&self) -> usize {
        self.most_items()
    }

    fn learned(&self) -> Option<String> {
        let (most_items, fractions) = (self.most_items.load(Ordering::Relaxed), self.fractions.load(Ordering::Relaxed));
        if most_items == MOST_AT_ONCE && !fractions {
            return None;
        }
        serde_json::to_string(&Learned { most_items, fractions }).ok()
    }

    fn recall(&self, learned: &str) {
        if let Ok(Learned { most_items, fractions }) = serde_json::from_str(learned) {
            self.most_items.store(most_items.clamp(1, MOST_AT_ONCE), Ordering::Relaxed);
            self.fractions.store(fractions, Ordering::Relaxed);
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

/// What a WooCommerce error answer says, and what to do about it.
pub(super) fn explain(status: u16, body: &[u8]) -> Explained {
    let said = Trouble::read(body);
    let remedy = match (status, said.code.as_str()) {
        (404, "rest_no_route") => Some(
            "Is WooCommerce active, and is Settings > Permalinks set to anything but \"Plain\"?".to_owned(),
        ),
        // A key that does not arrive, an unknown one and a shop that believes to be on plain http all look like a visitor
        // without a key (woocommerce `class-wc-rest-authentication.php`); a known user without rights answers 403.
        (401, code) if code.starts_with("woocommerce_rest_cannot_") => Some(format!(
            "Either the consumer key is wrong or was revoked; or {HEADER_DROPPED}; or the shop does not know that it is on \
             HTTPS (a proxy in front of it: X-Forwarded-Proto)"
        )),
        (401, "woocommerce_rest_authentication_error") => Some(
            "Is `consumer_secret` the one that belongs to `consumer_key`, and are the key's permissions \"Read/Write\" \
             (WooCommerce > Settings > Advanced > REST API)?"
                .to_owned(),
        ),
        (403, code) if code.starts_with("woocommerce_rest_cannot_") => {
            Some("The user of the key has to be a Shop manager or an Administrator".to_owned())
        }
        (401 | 403, _) => Some(
            "Does a security plugin keep the REST interface shut? Have this shop's address let through".to_owned(),
        ),
        _ => None,
    };
    Explained { message: Some(said.message).filter(|message| !message.is_empty()), remedy }
}
