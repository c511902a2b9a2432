//! What the store itself says can be sold, for an audit only.
//!
//! Promises: figures are given only where they can be compared with one shop's: the stock has one source, ours, and ours
//! belongs to no other stock. Does not promise that they are of this moment: the store reads an index that lags, and was
//! seen to say 0 after a shipment until a queue consumer ran. No quantity is ever computed from them.

use std::collections::HashSet;
use std::sync::PoisonError;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::catalogue::named;
use super::query::{Search, filter};
use super::wire::{Figure, List};
use super::{Keeping, Magento};
use crate::central::client::encoded;
use crate::domain::{Quantity, Sku};
use crate::ports::StoreError;

/// Links and channels of a stock that are looked at; a shop has a handful.
const LINKS: usize = 100;

/// Whose figures can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// This website sells from our source and from no other.
    Website(String),
    /// They cannot be compared.
    None,
}

#[derive(Debug, Deserialize)]
struct Link {
    stock_id: u32,
}

#[derive(Debug, Deserialize)]
struct Stock {
    extension_attributes: Option<Channels>,
}

#[derive(Debug, Deserialize)]
struct Channels {
    sales_channels: Option<Vec<Channel>>,
}

#[derive(Debug, Deserialize)]
struct Channel {
    #[serde(rename = "type")]
    kind: String,
    code: String,
}

#[derive(Debug, Deserialize)]
struct Exported {
    sku: String,
    qty: Option<Figure>,
    is_salable: Option<bool>,
}

impl Magento {
    /// What can be sold of these SKUs; nothing where it cannot be told.
    pub(super) async fn salable_of(&self, skus: &[Sku]) -> Result<Vec<(Sku, Quantity)>, StoreError> {
        if skus.is_empty() || self.keeping().await? == Keeping::PerProduct {
            return Ok(Vec::new());
        }
        let Scope::Website(website) = self.scope().await? else { return Ok(Vec::new()) };
        let all: Vec<&Sku> = skus.iter().collect();
        let route = format!("/inventory/export-stock-salable-qty/website/{}", encoded(&website));
        let search =
            |names: &[&Sku], size| Search::new(size, "items[sku,qty,is_salable],total_count").and(named(names));
        let found: List<Exported> = self.by_names("reading what can be sold", &route, &all, search).await?;
        let asked: HashSet<&str> = skus.iter().map(Sku::as_str).collect();
        // Nothing there and salable all the same is a composite, or sold on backorder (observed of composites).
        let tells = |one: &Exported| one.qty.is_some_and(|qty| !qty.0.is_zero()) || one.is_salable != Some(true);
        let figure = |one: Exported| Some((Sku::new(&one.sku).ok()?, one.qty?.quantity().ok()?));
        let rows = found.items.unwrap_or_default().into_iter();
        Ok(rows.filter(|one| asked.contains(one.sku.as_str()) && tells(one)).filter_map(figure).collect())
    }

    /// Found out once, and again after the store was probed anew.
    async fn scope(&self) -> Result<Scope, StoreError> {
        let known = self.scope.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let found = self.find_scope().await?;
        *self.scope.lock().unwrap_or_else(PoisonError::into_inner) = Some(found.clone());
        Ok(found)
    }

    pub(super) fn forget_scope(&self) {
        *self.scope.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn find_scope(&self) -> Result<Scope, StoreError> {
        let ours = filter("source_code", "eq", self.source.as_str());
        let links = self.links(ours).await?;
        let Some([Link { stock_id: stock }]) = links.as_deref() else { return Ok(Scope::None) };
        let sources = self.links(filter("stock_id", "eq", stock.to_string())).await?;
        if sources.is_none_or(|sources| sources.len() != 1) {
            return Ok(Scope::None);
        }
        let found: Option<Stock> = self.if_allowed("reading the stock", &format!("/inventory/stocks/{stock}")).await?;
        let channels = found.and_then(|stock| stock.extension_attributes?.sales_channels).unwrap_or_default();
        let website = channels.into_iter().find(|channel| channel.kind == "website");
        Ok(website.map_or(Scope::None, |channel| Scope::Website(channel.code)))
    }

    async fn links(&self, which: super::query::Filter) -> Result<Option<Vec<Link>>, StoreError> {
        let search = Search::new(LINKS, "items[stock_id,source_code],total_count").and(vec![which]);
        let route = format!("/inventory/stock-source-links?{}", search.query());
        let found: Option<List<Link>> = self.if_allowed("reading which sources a stock has", &route).await?;
        Ok(found.map(|list| list.items.unwrap_or_default()))
    }

    /// An answer, or nothing where the token may not ask: an audit is not worth a failure.
    async fn if_allowed<T: DeserializeOwned>(&self, doing: &str, route: &str) -> Result<Option<T>, StoreError> {
        let call = self.get(doing, route);
        let reply = self.client.send(&call).await?;
        if matches!(reply.status, 401 | 403 | 404) && !reply.is_web_page() {
            return Ok(None);
        }
        self.client.read(&call, &reply).map(Some)
    }
}
