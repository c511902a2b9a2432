//! Stock at a Shopify store: what it holds at this shop's location.
//!
//! Promises: an SKU is matched letter by letter (Shopify searches without regard to case); one that several variants have is
//! not touched, because nobody could say which is meant; what Shopify does not count here is said with what to tick.
//! The version of a quantity is the quantity itself: that is what Shopify compares.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use serde_json::json;

use super::Shopify;
use super::documents;
use super::graphql::Failure;
use super::wire::{Stocked, Variants};
use crate::domain::retry::FailureClass;
use crate::domain::{Quantity, Sku};
use crate::ports::{Holding, HoldingKind, StockVersion, StoreError};

/// Longest search, in characters.
const LONGEST_SEARCH: usize = 4_000;
/// Variants on one page: more than SKUs are asked for, because SKUs may be there twice.
const VARIANTS: usize = 100;
/// Pages of one search; duplicates beyond that are a fault of the search.
const MOST_PAGES: usize = 20;
/// Inventory items that are remembered.
const MOST_ITEMS: usize = 5_000;
const DOING: &str = "reading stock";

impl Shopify {
    /// What the store knows and holds of these SKUs.
    pub(super) async fn holdings_of(&self, skus: &[Sku]) -> Result<Vec<Holding>, StoreError> {
        let location = self.location().await?;
        let (mut holdings, mut rest) = (Vec::with_capacity(skus.len()), skus);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.askable(rest));
            let found = match self.variants(now, &location.id).await {
                Ok(found) => found,
                Err(Failure::TooDear(_)) if now.len() > 1 => {
                    self.limits.skus.fetch_min(now.len() / 2, Ordering::Relaxed);
                    self.seen().budget.forget(documents::VARIANTS.name);
                    continue;
                }
                Err(failure) => return Err(failure.into()),
            };
            let mut by_sku: HashMap<&str, Vec<&Stocked>> = HashMap::new();
            for variant in &found {
                by_sku.entry(variant.sku.as_deref().unwrap_or_default()).or_default().push(variant);
            }
            let none = Vec::new();
            for sku in now {
                let variants = by_sku.get(sku.as_str()).unwrap_or(&none);
                let kind = kind(variants, &location.name, self.quantity.word())?;
                self.remember(sku, &kind, variants);
                holdings.push(Holding { sku: sku.clone(), kind });
            }
            rest = later;
        }
        Ok(holdings)
    }

    /// How many of these SKUs go into one search.
    fn askable(&self, skus: &[Sku]) -> usize {
        let most = self.limits.skus.load(Ordering::Relaxed).max(1);
        let mut length = 0;
        let fits = |sku: &&Sku| {
            length += term(sku).len() + " OR ".len();
            length <= LONGEST_SEARCH
        };
        skus.iter().take(most).take_while(fits).count().max(1)
    }

    async fn variants(&self, skus: &[Sku], location: &str) -> Result<Vec<Stocked>, Failure> {
        let query = skus.iter().map(term).collect::<Vec<_>>().join(" OR ");
        let (mut found, mut after) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let variables = json!({ "first": VARIANTS, "after": after, "query": query, "location": location, "names": [self.quantity.word()] });
            let page: Variants = self.ask(&documents::VARIANTS, DOING, &variables).await?;
            let page = page.product_variants;
            after = page.page_info.next().cloned();
            found.extend(page.nodes);
            if after.is_none() {
                return Ok(found);
            }
        }
        let what =
            format!("{DOING}: the search for {} SKUs does not end; has the store so many of the same?", skus.len());
        Err(Failure::Other(StoreError::new(FailureClass::Transient, what)))
    }

    fn remember(&self, sku: &Sku, kind: &HoldingKind, variants: &[&Stocked]) {
        let mut seen = self.seen();
        match (kind, variants) {
            (HoldingKind::Kept(..), [only]) => {
                if seen.items.len() >= MOST_ITEMS {
                    seen.items.clear();
                }
                seen.items.insert(sku.clone(), only.inventory_item.id.clone());
            }
            (HoldingKind::Kept(..) | HoldingKind::Unknown | HoldingKind::NotKept(_), _) => {
                seen.items.remove(sku);
            }
        }
    }
}

/// One SKU in Shopify's search syntax; within quotation marks a backslash and a quotation mark are escaped.
/// <https://shopify.dev/docs/api/usage/search-syntax>
fn term(sku: &Sku) -> String {
    format!("sku:\"{}\"", sku.as_str().replace('\\', "\\\\").replace('"', "\\\""))
}

/// What an SKU is to the store.
fn kind(variants: &[&Stocked], location: &str, name: &str) -> Result<HoldingKind, StoreError> {
    let (first, others) = match variants {
        [] => return Ok(HoldingKind::Unknown),
        [first, others @ ..] => (first, others),
    };
    let not_kept = |why: String| Ok(HoldingKind::NotKept(why));
    if !others.is_empty() {
        let names: Vec<&str> = variants.iter().take(3).map(|variant| variant.display_name.as_str()).collect();
        let (count, names) = (variants.len(), names.join("\", \""));
        return not_kept(format!("{count} variants have this SKU (\"{names}\"); give each its own"));
    }
    if first.requires_components {
        return not_kept("a bundle; the stock is that of its components".into());
    }
    if !first.inventory_item.tracked {
        return not_kept("its quantity is not tracked; tick \"Track quantity\" at the product".into());
    }
    let Some(level) = first.inventory_item.inventory_level.as_ref().filter(|level| level.is_active) else {
        return not_kept(format!("not stocked at {location}; tick the location at the product, under Inventory"));
    };
    let counted = level.quantities.iter().find(|one| one.name == name).ok_or_else(|| {
        StoreError::new(FailureClass::Bug, format!("{DOING}: no quantity {name} of {}", first.display_name))
    })?;
    let version = StockVersion(counted.quantity.to_string());
    Ok(HoldingKind::Kept(Some(Quantity::from(counted.quantity)), Some(version)))
}
