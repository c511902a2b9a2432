//! The store's catalogue: which SKUs there are, and which of them have a quantity of their own.
//!
//! Promises: a list of SKUs is asked for in as many questions as addresses and the store's page limit allow; SKUs are
//! matched as Magento matches them, without regard to case. Does not promise to be asked before every use: what was
//! looked up within [`FRESH`] counts as looked up.

use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::query::{Filter, Search, filter};
use super::wire::{List, Product};
use super::{Magento, limit_named, refusal};
use crate::central::asking::in_parts;
use crate::central::client::encoded;
use crate::domain::Sku;
use crate::ports::{HoldingKind, StoreError};

/// SKUs in one question.
const SKUS_ASKED: usize = 100;
/// Longest list of SKUs in one address, in bytes after encoding: web servers take 8 kB in all.
const LONGEST_LIST: usize = 5_000;
/// Product types whose quantity is that of other products (observed: accepted and useless; magento/inventory#3455).
const COMPOSITE: [&str; 3] = ["configurable", "bundle", "grouped"];
/// How long a product that was there counts as being there: a batch is read and written within seconds.
const FRESH: Duration = Duration::from_secs(60);

/// SKUs that were looked up since a moment.
#[derive(Debug, Default)]
pub(super) struct LookedUp {
    since: Option<Instant>,
    skus: HashSet<Sku>,
}

impl LookedUp {
    fn forget_old(&mut self) {
        if self.since.is_none_or(|since| since.elapsed() > FRESH) {
            self.skus.clear();
            self.since = Some(Instant::now());
        }
    }
}

/// What the catalogue says of SKUs, by lower-case SKU: their type.
pub(super) struct Catalogue(Option<HashMap<String, (String, String)>>);

impl Magento {
    /// These are in the catalogue, as far as it can be asked.
    pub(super) fn note_looked_up(&self, skus: &[&Sku]) {
        let mut looked_up = self.looked_up.lock().unwrap_or_else(PoisonError::into_inner);
        looked_up.forget_old();
        looked_up.skus.extend(skus.iter().map(|sku| (*sku).clone()));
    }

    /// Those of these that were not looked up just now.
    pub(super) fn not_looked_up<'a>(&self, skus: impl Iterator<Item = &'a Sku>) -> Vec<Sku> {
        let mut looked_up = self.looked_up.lock().unwrap_or_else(PoisonError::into_inner);
        looked_up.forget_old();
        skus.filter(|sku| !looked_up.skus.contains(*sku)).cloned().collect()
    }

    /// Which of these SKUs exist, and of what type. Nothing when the token may not ask.
    pub(super) async fn catalogue(&self, skus: &[Sku]) -> Result<Catalogue, StoreError> {
        if self.catalogue_refused.load(Ordering::Relaxed) {
            return Ok(Catalogue(None));
        }
        let search = |names: &[&Sku], size| Search::new(size, "items[sku,type_id],total_count").and(named(names));
        let all: Vec<&Sku> = skus.iter().collect();
        let route = "/products";
        let call = self.get("looking up products", &format!("{route}?{}", search(&all, all.len()).query()));
        let reply = self.client.send(&call).await?;
        if refusal::right_refused(&reply).is_some() {
            return Ok(Catalogue(None));
        }
        let list: List<Product> = match limit_named(&reply) {
            Some(most) => {
                self.most_rows.fetch_min(most, Ordering::Relaxed);
                self.by_names("looking up products", route, &all, search).await?
            }
            None => self.client.read(&call, &reply)?,
        };
        let typed = |product: Product| (product.sku.to_lowercase(), (product.sku, product.type_id.unwrap_or_default()));
        Ok(Catalogue(Some(list.items.unwrap_or_default().into_iter().map(typed).collect())))
    }

    /// A list by SKUs, in as many questions as the store's page limit asks for.
    pub(super) async fn by_names<T: serde::de::DeserializeOwned>(
        &self,
        doing: &str,
        route: &str,
        skus: &[&Sku],
        search: impl Fn(&[&Sku], usize) -> Search,
    ) -> Result<List<T>, StoreError> {
        let (mut found, mut rest) = (Vec::new(), skus);
        while !rest.is_empty() {
            let most = self.most_rows.load(Ordering::Relaxed).min(rest.len());
            let (now, later) = rest.split_at(most);
            let list: List<T> = self.list(doing, route, now.len(), |size| search(now, size)).await?;
            if self.most_rows.load(Ordering::Relaxed) < now.len() {
                continue;
            }
            found.extend(list.items.unwrap_or_default());
            rest = later;
        }
        Ok(List { items: Some(found), total_count: None })
    }
}

impl Catalogue {
    /// Could it be asked?
    pub(super) fn is_readable(&self) -> bool {
        self.0.is_some()
    }

    /// What the catalogue alone says; `None` when the store has to be asked for a quantity.
    pub(super) fn verdict(&self, sku: &Sku) -> Option<HoldingKind> {
        let kind = match &self.0 {
            None => return None,
            Some(types) => types.get(&sku.as_str().to_lowercase()),
        };
        match kind {
            None => Some(HoldingKind::Unknown),
            Some((spelled, _)) if spelled != sku.as_str() => Some(spelled_otherwise(spelled)),
            Some((_, kind)) if COMPOSITE.contains(&kind.as_str()) => Some(HoldingKind::NotKept(format!(
                "it is a {kind} product: the store sells the products in it, and keeps their quantities"
            ))),
            Some(_) => None,
        }
    }
}

/// Magento matches SKUs without regard to case (observed), and its orders name them as it spells them: what is sold could
/// not be told from what is counted.
pub(super) fn spelled_otherwise(spelled: &str) -> HoldingKind {
    HoldingKind::NotKept(format!("the web store spells it {spelled}; spell it alike in the till and in the web store"))
}

/// One group of filters that names SKUs. A SKU with a comma cannot stand in a list.
pub(super) fn named(skus: &[&Sku]) -> Vec<Filter> {
    let (with_comma, plain): (Vec<&Sku>, Vec<&Sku>) = skus.iter().copied().partition(|sku| sku.as_str().contains(','));
    let list = plain.iter().map(|sku| sku.as_str()).collect::<Vec<_>>().join(",");
    let mut group = if plain.is_empty() { Vec::new() } else { vec![filter("sku", "in", list)] };
    group.extend(with_comma.into_iter().map(|sku| filter("sku", "eq", sku.as_str())));
    group
}

/// Cuts a list of SKUs into parts that fit into one address.
pub(super) fn askable(skus: &[Sku]) -> Vec<&[Sku]> {
    /// What one more filter costs besides its value: more than its bytes, so that no question has ten, whose numbers
    /// Magento sorts otherwise than RFC 5849 when it checks a signature.
    const FILTER: usize = 560;
    let cost = |sku: &Sku| encoded(sku.as_str()).len() + if sku.as_str().contains(',') { FILTER } else { 3 };
    in_parts(skus, SKUS_ASKED, LONGEST_LIST, cost)
}
