//! Magento 2.4 over its REST interface, with a stock installation: no module of ours is needed in the shop.
//!
//! Promises: works with multi-source inventory (MSI) on or off and finds out which; never writes what it was not
//! asked to write; a comment is written once even if its answer was lost. Where what was seen on 2.4.7-p6 and what is
//! written of other versions differ, it is right under both.
//! Does not promise a compare-and-set: Magento has none, so a write can overtake a shipment (MSI) or a placement
//! (without MSI). Whoever writes reads those last, and reads again afterwards.

mod check;
mod documents;
mod feed;
mod note;
mod order;
mod position;
mod query;
mod refusal;
mod routing;
mod sent;
mod stock;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;

use self::documents::Documents;
use self::order::Policy;
use self::query::Search;
pub(super) use self::refusal::{explain, explain_signed};
use self::routing::Routing;
use self::sent::Remembered;
use self::wire::{List, Said};
use super::client::{Call, Client, Reply};
use super::settings::{LARGEST_PAGE, MagentoSettings, Mode, StoreSettings};
use crate::domain::Sku;
use crate::domain::reconcile::StockModel;
use crate::domain::retry::FailureClass;
use crate::ports::{
    Acknowledgement, CentralStore, CheckLine, FeedCursor, Holding, OrderPage, StockBatch, StoreError, StoreFacts,
    Written,
};

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
    /// Which orders are this shop's; none: all.
    routing: Option<Routing>,
    /// A mark of the settings by which orders are read.
    reading: String,
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
    documents: Documents,
    sent: Remembered,
}

impl Magento {
    /// A store behind this client.
    pub(super) fn new(client: Client, settings: &StoreSettings) -> Self {
        let own = settings.magento.clone().unwrap_or_default();
        let reading = position::mark_of(&own);
        let MagentoSettings {
            source,
            mode,
            store_view,
            export_states,
            offline_payments,
            routing,
            overlap,
            acknowledge,
            oauth: _,
        } = own;
        Self {
            client,
            source,
            mode,
            prefix: store_view.map_or_else(|| "/rest/V1".into(), |view| format!("/rest/{view}/V1")),
            policy: Policy { export_states, offline_payments },
            routing: routing.map(Routing::new),
            reading,
            overlap: overlap.signed(),
            acknowledge,
            page: settings.page,
            batch: settings.batch,
            keeping: AtomicU8::new(0),
            most_rows: AtomicUsize::new(LARGEST_PAGE),
            most_items: AtomicUsize::new(usize::MAX),
            catalogue_refused: AtomicBool::new(false),
            documents: Documents::default(),
            sent: Remembered::default(),
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
        Ok(self.dated_list(doing, route, page, search).await?.0)
    }

    /// Most rows on a page that the store has shown to take, and the settings allow.
    fn rows(&self) -> usize {
        self.page.min(self.most_rows.load(Ordering::Relaxed))
    }

    /// The same, with the store's time.
    async fn dated_list<T: DeserializeOwned>(
        &self,
        doing: &str,
        route: &str,
        page: usize,
        search: impl Fn(usize) -> Search,
    ) -> Result<(List<T>, Option<Timestamp>), StoreError> {
        loop {
            let size = page.min(self.most_rows.load(Ordering::Relaxed));
            let call = self.get(doing, &format!("{route}?{}", search(size).query()));
            let reply = self.client.send(&call).await?;
            match limit_named(&reply) {
                // "Maximum SearchCriteria pageSize is %max" (observed, with the shop's input limit on).
                Some(most) if most < size => self.most_rows.store(most, Ordering::Relaxed),
                Some(_) | None => return Ok((self.client.read(&call, &reply)?, reply.date)),
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

    /// Asks how the store keeps its stock.
    async fn find_keeping(&self) -> Result<(Keeping, Option<Timestamp>), StoreError> {
        let call = self.keeping_call();
        let reply = self.client.send(&call).await?;
        Ok((self.keeping_said(&call, &reply)?, reply.date))
    }

    /// The question how the store keeps its stock. The route is missing when MSI is off, before any rights are looked
    /// at (observed: 404 even without a token).
    fn keeping_call(&self) -> Call {
        let route = format!("/inventory/stocks?{}", Search::new(1, "items[stock_id],total_count").query());
        self.get("asking how the store keeps its stock", &route)
    }

    fn keeping_said(&self, call: &Call, reply: &Reply) -> Result<Keeping, StoreError> {
        let found = if reply.is_success() && !reply.is_web_page() {
            self.client.read::<List<serde_json::Value>>(call, reply)?;
            Keeping::BySource
        } else if reply.status == 404 && Said::read(&reply.body).message.is_some() {
            Keeping::PerProduct
        } else {
            return Err(self.client.refusal(call, reply));
        };
        self.agrees(found)?;
        self.keeping.store(if found == Keeping::BySource { 1 } else { 2 }, Ordering::Relaxed);
        Ok(found)
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
        let catalogue = self.catalogue_refused.load(Ordering::Relaxed).then(|| CATALOGUE_REFUSED.to_owned());
        [Some(how), catalogue, self.documents.shown()].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

/// What follows from a token without the catalogue's right.
const CATALOGUE_REFUSED: &str =
    "products cannot be looked up (right Magento_Catalog::products), so unknown SKUs are not noticed";

#[async_trait]
impl CentralStore for Magento {
    async fn probe(&self) -> Result<StoreFacts, StoreError> {
        self.catalogue_refused.store(false, Ordering::Relaxed);
        self.documents.forget_refusals();
        let (keeping, clock) = self.find_keeping().await?;
        let model = match keeping {
            Keeping::BySource => StockModel::PhysicalPlusReservations,
            Keeping::PerProduct => StockModel::DeductAtPlacement,
        };
        Ok(StoreFacts { model, clock, shown: self.shown(keeping) })
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
        if self.acknowledge { self.note_in_order(acknowledgement).await } else { Ok(()) }
    }

    fn batch_size(&self) -> usize {
        self.batch.min(self.most_items.load(Ordering::Relaxed)).max(1)
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
