//! Magento 2.4 over its REST interface, with a stock installation: no module of ours is needed in the shop.
//!
//! Promises: works with multi-source inventory (MSI) on or off and finds out which; never writes what it was not
//! asked to write; a comment is written once even if its answer was lost. Where what was seen on 2.4.7-p6 and what is
//! written of other versions differ, it is right under both.
//! Does not promise a compare-and-set: Magento has none, so a write can overtake a shipment (MSI) or a placement
//! (without MSI). Whoever writes reads those last, and reads again afterwards.

mod catalogue;
mod check;
mod feed;
mod learned;
mod note;
mod order;
mod query;
mod reservations;
mod salable;
mod ship;
mod stock;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;

use self::order::Policy;
use self::query::Search;
use self::wire::{List, Said};
use super::client::{Call, Client, Explained, Reply};
use super::settings::{LARGEST_PAGE, MagentoSettings, Mode, Reservations, Statuses, StoreSettings};
use crate::domain::reconcile::StockModel;
use crate::domain::retry::FailureClass;
use crate::domain::{Quantity, Sku};
use crate::ports::{
    Acknowledgement, CentralStore, CheckLine, FeedCursor, Holding, OrderPage, Shortcoming, Stage, StockBatch,
    StoreError, StoreFacts, Written,
};

/// Where staff turn on what Magento switches off since 2.4.4 (observed: without it every token is refused).
const BEARER_SWITCH: &str = "in Stores > Configuration > Services > OAuth > Consumer Settings, \"Allow OAuth Access \
                             Tokens to be used as standalone Bearer tokens\" has to be Yes \
                             (oauth/consumer/enable_integration_as_bearer)";

/// How the store keeps its stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeping {
    /// By source: MSI is on.
    BySource,
    /// One quantity per product: MSI is off.
    PerProduct,
}

/// A Magento store.
#[derive(Debug)]
pub(super) struct Magento {
    client: Client,
    source: String,
    mode: Mode,
    /// `/rest/V1`, or with a store view in it.
    prefix: String,
    policy: Policy,
    overlap: SignedDuration,
    acknowledge: bool,
    page: usize,
    batch: usize,
    /// How it keeps its stock: 0 not known yet, 1 by source, 2 per product.
    keeping: AtomicU8,
    /// Most rows on a page that it has shown to take.
    most_rows: AtomicUsize,
    /// Most items in a write that it has shown to take.
    most_items: AtomicUsize,
    /// Did it refuse to tell which products there are?
    catalogue_refused: AtomicBool,
    /// Which order statuses to set.
    statuses: Statuses,
    ship_when_taken: bool,
    reservations: Reservations,
    /// What became of order statuses of ours.
    status_fates: Mutex<BTreeMap<String, learned::StatusFate>>,
    looked_up: Mutex<catalogue::LookedUp>,
    /// Whose salable figures can be compared; none: not found out yet.
    scope: Mutex<Option<salable::Scope>>,
}

impl Magento {
    /// A store behind this client.
    pub(super) fn new(client: Client, settings: &StoreSettings) -> Self {
        let own = settings.magento.clone().unwrap_or_default();
        let MagentoSettings { source, mode, store_view, export_states, offline_payments, overlap, .. } = own;
        let MagentoSettings { acknowledge, statuses, ship_when_taken, reservations, .. } = own;
        Self {
            client,
            source,
            mode,
            prefix: store_view.map_or_else(|| "/rest/V1".into(), |view| format!("/rest/{view}/V1")),
            policy: Policy { export_states, offline_payments },
            overlap: overlap.signed(),
            acknowledge,
            page: settings.page,
            batch: settings.batch,
            keeping: AtomicU8::new(0),
            most_rows: AtomicUsize::new(LARGEST_PAGE),
            most_items: AtomicUsize::new(usize::MAX),
            catalogue_refused: AtomicBool::new(false),
            statuses,
            ship_when_taken,
            reservations,
            status_fates: Mutex::default(),
            looked_up: Mutex::default(),
            scope: Mutex::default(),
        }
    }

    /// A read of this route.
    fn get(&self, doing: &str, route: &str) -> Call {
        Call::get(doing, format!("{}{route}", self.prefix))
    }

    /// A write to this route.
    fn write(&self, method: reqwest::Method, doing: &str, route: &str, body: &serde_json::Value) -> Call {
        Call::write(method, doing, format!("{}{route}", self.prefix), body.to_string())
    }

    /// One page of a list, with at most `page` rows; fewer where the store limits them.
    async fn list<T: DeserializeOwned>(
        &self,
        doing: &str,
        route: &str,
        page: usize,
        search: impl Fn(usize) -> Search,
    ) -> Result<List<T>, StoreError> {
        loop {
            let size = page.min(self.most_rows.load(Ordering::Relaxed));
            let call = self.get(doing, &format!("{route}?{}", search(size).query()));
            let reply = self.client.send(&call).await?;
            match limit_named(&reply) {
                // "Maximum SearchCriteria pageSize is %max" (observed, with the shop's input limit on).
                Some(most) if most < size => self.most_rows.store(most, Ordering::Relaxed),
                Some(_) | None => return self.client.read(&call, &reply),
            }
        }
    }

    /// How the store keeps its stock; asked once.
    async fn keeping(&self) -> Result<Keeping, StoreError> {
        match self.keeping.load(Ordering::Relaxed) {
            1 => Ok(Keeping::BySource),
            2 => Ok(Keeping::PerProduct),
            _ => Ok(self.find_keeping().await?.0),
        }
    }

    /// Asks how the store keeps its stock. The route is missing when MSI is off, before any rights are looked at
    /// (observed: 404 even without a token).
    async fn find_keeping(&self) -> Result<(Keeping, Option<Timestamp>), StoreError> {
        let route = format!("/inventory/stocks?{}", Search::new(1, "items[stock_id],total_count").query());
        let call = self.get("asking how the store keeps its stock", &route);
        let reply = self.client.send(&call).await?;
        let found = if reply.is_success() && !reply.is_web_page() {
            self.client.read::<List<serde_json::Value>>(&call, &reply)?;
            Keeping::BySource
        } else if reply.status == 404 && Said::read(&reply.body).message.is_some() {
            Keeping::PerProduct
        } else {
            return Err(self.client.refusal(&call, &reply));
        };
        self.agrees(found)?;
        self.keeping.store(if found == Keeping::BySource { 1 } else { 2 }, Ordering::Relaxed);
        Ok((found, reply.date))
    }

    /// A configured mode has to be what the store says: the arithmetic of the two is opposite.
    fn agrees(&self, found: Keeping) -> Result<(), StoreError> {
        let (configured, is) = match (self.mode, found) {
            (Mode::Auto, _) | (Mode::Msi, Keeping::BySource) | (Mode::Legacy, Keeping::PerProduct) => return Ok(()),
            (Mode::Msi, Keeping::PerProduct) => ("msi", "has its inventory modules switched off"),
            (Mode::Legacy, Keeping::BySource) => ("legacy", "keeps its stock by source"),
        };
        Err(permanent(format!("the store {is}, but `magento.mode` is \"{configured}\"; write \"auto\" or correct it")))
    }

    /// The store keeps its stock otherwise than it did.
    fn forget_keeping(&self) {
        self.keeping.store(0, Ordering::Relaxed);
    }

    fn shown(&self, keeping: Keeping) -> String {
        let how = match keeping {
            Keeping::BySource => format!("Magento with MSI, source {}", self.source),
            Keeping::PerProduct => "Magento without MSI".into(),
        };
        if self.catalogue_refused.load(Ordering::Relaxed) { format!("{how}; {CATALOGUE_REFUSED}") } else { how }
    }
}

/// What follows from a token without the catalogue's right.
const CATALOGUE_REFUSED: &str =
    "products cannot be looked up (right Magento_Catalog::products), so unknown SKUs are not noticed";

#[async_trait]
impl CentralStore for Magento {
    async fn probe(&self) -> Result<StoreFacts, StoreError> {
        self.catalogue_refused.store(false, Ordering::Relaxed);
        self.forget_scope();
        let (keeping, clock) = self.find_keeping().await?;
        let takes_early = keeping == Keeping::PerProduct || self.takes_before_shipment().await?;
        let model = if takes_early { StockModel::DeductAtPlacement } else { StockModel::PhysicalPlusReservations };
        let mut shown = self.shown(keeping);
        if keeping == Keeping::BySource && takes_early {
            shown.push_str(", without reservations");
        }
        Ok(StoreFacts { model, clock, shown })
    }

    async fn orders(&self, cursor: Option<&FeedCursor>) -> Result<OrderPage, StoreError> {
        self.feed(cursor).await
    }

    async fn holdings(&self, skus: &[Sku]) -> Result<Vec<Holding>, StoreError> {
        self.holdings_of(skus).await
    }

    async fn write_stock(&self, batch: &StockBatch) -> Result<Vec<Written>, StoreError> {
        match self.keeping().await? {
            Keeping::BySource => self.write_sources(&batch.items).await,
            Keeping::PerProduct => self.write_products(&batch.items).await,
        }
    }

    async fn acknowledge(&self, acknowledgement: &Acknowledgement) -> Result<(), StoreError> {
        self.tell(acknowledgement).await
    }

    fn wants(&self, stage: Stage) -> bool {
        self.comments_on(stage) || self.status_for(stage).is_some() || self.ships_on(stage)
    }

    fn batch_size(&self) -> usize {
        self.batch.min(self.most_items.load(Ordering::Relaxed)).max(1)
    }

    fn learned(&self) -> Option<String> {
        self.what_was_learned()
    }

    fn recall(&self, learned: &str) {
        self.take_up(learned);
    }

    async fn sellable(&self, skus: &[Sku]) -> Result<Vec<(Sku, Quantity)>, StoreError> {
        self.salable_of(skus).await
    }

    fn shortcomings(&self) -> Vec<Shortcoming> {
        self.fallen_short()
    }

    async fn check(&self) -> Vec<CheckLine> {
        self.check_all().await
    }
}

/// A failure that only a person can end.
fn permanent(what: String) -> StoreError {
    StoreError::new(FailureClass::Permanent, what)
}

/// The limit that a 400 names: `parameters.max`, whatever the language of the message (magento2#34154).
fn limit_named(reply: &Reply) -> Option<usize> {
    if reply.status != 400 {
        return None;
    }
    Said::read(&reply.body).parameter("max")?.parse().ok().filter(|most| *most > 0)
}

/// Is it "Request does not match any route."? It alone of the 404 answers about products has no parameters (observed).
fn is_unknown_route(reply: &Reply) -> bool {
    reply.status == 404 && Said::read(&reply.body).parameters.is_empty()
}

/// What a Magento error answer says, and what to do about it.
pub(super) fn explain(status: u16, body: &[u8]) -> Explained {
    let said = Said::read(body);
    let remedy = match (status, said.parameter("resources")) {
        // The same 401 for a wrong token, for bearer tokens switched off and for a missing right (observed;
        // magento2#38426).
        (401 | 403, Some(resource)) => Some(format!(
            "Either {BEARER_SWITCH}; or the token is wrong; or the integration lacks the right {resource} \
             (System > Integrations > API)"
        )),
        (401 | 403, None) => Some(format!("Is the token the integration's access token? And {BEARER_SWITCH}")),
        (404, _) => Some("Does the order or the product still exist, and is `url` the shop's address?".into()),
        (400, _) if said.message.as_deref() == Some("Specified request cannot be processed.") => {
            Some("Is `magento.store_view` the code of a store view?".into())
        }
        _ => None,
    };
    Explained { message: said.message, remedy }
}
