//! Which product or variation an SKU is, and what the store holds of it.
//!
//! Promises: an SKU leads to one product or variation, or to a reason why it does not. Nothing is remembered: an id may
//! come to stand for another SKU, and a quantity written there would be sold. So ids are looked up for every write, a
//! hundred at a time. Does not promise to find products in the trash: they are unknown.
//!
//! `sku=` takes a list with commas and looks among products and variations alike (woocommerce
//! `class-wc-rest-products-controller.php`, `prepare_objects_query`); the documentation shows single SKUs only.

use std::sync::atomic::Ordering;

use serde_json::Value;

use super::wire::{Figure, Product};
use super::{WooCommerce, permanent};
use crate::central::asking::in_parts;
use crate::central::client::encoded;
use crate::central::settings::MOST_AT_ONCE;
use crate::domain::{Quantity, Sku};
use crate::ports::{Holding, HoldingKind, StoreError};

/// SKUs in one question.
const SKUS_ASKED: usize = 100;
/// Longest list of SKUs in one address, in bytes after encoding: web servers take 8 kB in all.
const LONGEST_LIST: usize = 5_000;
/// What is asked of each.
const FIELDS: &str = "id,parent_id,sku,type,manage_stock,stock_quantity";

/// Where an SKU's stock is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// Id of the product or variation.
    pub(super) id: u64,
    /// Id of the variable product that a variation belongs to.
    pub(super) parent: Option<u64>,
}

/// What an SKU is.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// Its stock is kept here, with this quantity.
    Kept(Place, Option<Quantity>),
    /// It is there, but no quantity of it is kept.
    NotKept(String),
    /// There is none.
    Unknown,
}

impl WooCommerce {
    /// What the store knows and holds of these SKUs.
    pub(super) async fn holdings_of(&self, skus: &[Sku]) -> Result<Vec<Holding>, StoreError> {
        let found = self.look_up_skus(skus).await?;
        let kind = |found: Found| match found {
            Found::Kept(_, quantity) => HoldingKind::Kept(quantity, None),
            Found::NotKept(why) => HoldingKind::NotKept(why),
            Found::Unknown => HoldingKind::Unknown,
        };
        Ok(found.into_iter().map(|(sku, found)| Holding { sku, kind: kind(found) }).collect())
    }

    /// Asks for these SKUs.
    pub(super) async fn look_up_skus(&self, skus: &[Sku]) -> Result<Vec<(Sku, Found)>, StoreError> {
        let mut all = Vec::with_capacity(skus.len());
        for part in askable(skus) {
            let rows = self.products_named(part).await?;
            for sku in part {
                all.push((sku.clone(), self.verdict(sku, &rows)?));
            }
        }
        Ok(all)
    }

    async fn products_named(&self, skus: &[Sku]) -> Result<Vec<Product>, StoreError> {
        let names = skus.iter().map(|sku| encoded(sku.as_str())).collect::<Vec<_>>().join(",");
        let mut rows: Vec<Product> = Vec::new();
        loop {
            let offset = rows.len();
            let route = format!(
                "/products?sku={names}&status=any&orderby=id&order=asc&per_page={MOST_AT_ONCE}&offset={offset}&_fields={FIELDS}"
            );
            let call = self.get("looking up products", &route);
            let reply = self.client.send(&call).await?;
            let more: Vec<Product> = self.client.read(&call, &reply)?;
            let is_last = more.len() < MOST_AT_ONCE;
            rows.extend(more);
            if is_last {
                return Ok(rows);
            }
        }
    }

    /// What the rows say of one SKU.
    fn verdict(&self, sku: &Sku, rows: &[Product]) -> Result<Found, StoreError> {
        let spelled = |row: &&Product| row.sku.as_deref() == Some(sku.as_str());
        let own: Vec<&Product> = rows.iter().filter(spelled).collect();
        match own.as_slice() {
            [] => Ok(spelled_otherwise(sku, rows)),
            [product] => self.kept(product),
            several => {
                let ids = several.iter().map(|product| product.id.to_string()).collect::<Vec<_>>().join(", ");
                Ok(Found::NotKept(format!(
                    "{} products have this SKU (numbers {ids}); give each its own, or it is not known which is sold",
                    several.len()
                )))
            }
        }
    }

    fn kept(&self, product: &Product) -> Result<Found, StoreError> {
        let kind = product.kind.as_deref().unwrap_or_default();
        if let Some(why) = not_kept(kind, &product.manage_stock) {
            return Ok(Found::NotKept(why.into()));
        }
        let parent = (kind == "variation" || product.parent_id > 0).then_some(product.parent_id);
        if parent == Some(0) {
            return Ok(Found::NotKept("it is a variation whose product is gone; delete it in the web store".into()));
        }
        let quantity = product.stock_quantity.map(Figure::quantity).transpose();
        let quantity =
            quantity.map_err(|why| permanent(format!("reading the stock of product {}: {why}", product.id)))?;
        self.learn_from(quantity);
        Ok(Found::Kept(Place { id: product.id, parent }, quantity))
    }

    /// A quantity with a fraction proves that this shop allows fractions.
    pub(super) fn learn_from(&self, quantity: Option<Quantity>) {
        if quantity.is_some_and(|quantity| !quantity.decimal().fract().is_zero()) {
            self.fractions.store(true, Ordering::Relaxed);
        }
    }
}

/// Why no quantity is kept of it; nothing when one is.
pub(super) fn not_kept(kind: &str, manage_stock: &Value) -> Option<&'static str> {
    match (kind, manage_stock) {
        ("grouped", _) => {
            Some("it is a grouped product: the store sells the products in it, and keeps their quantities")
        }
        ("external", _) => Some("it is an external product: it is sold elsewhere"),
        // Its orders name the variations: what they took of a shared stock could not be told from what was sold here.
        ("variable", _) => Some(
            "it is a variable product: its variations keep the stock, each under its own SKU with \"Manage stock?\" ticked",
        ),
        (_, Value::Bool(true)) => None,
        (_, Value::String(word)) if word == "parent" => Some(
            "it is a variation that shares the stock of its product; tick \"Manage stock?\" on the variation itself",
        ),
        (_, _) => Some(
            "the store does not count it; tick Product data > Inventory > \"Track stock quantity for this product\" (and \
             WooCommerce > Settings > Products > Inventory > \"Enable stock management\")",
        ),
    }
}

/// The database compares SKUs without regard to case, and orders name them as the product spells them: what is sold could
/// not be told from what is counted.
fn spelled_otherwise(sku: &Sku, rows: &[Product]) -> Found {
    let lower = sku.as_str().to_lowercase();
    let alike = rows.iter().filter_map(|row| row.sku.as_deref()).find(|other| other.to_lowercase() == lower);
    match alike {
        Some(other) => {
            Found::NotKept(format!("the web store spells it {other}; spell it alike in the till and in the web store"))
        }
        None => Found::Unknown,
    }
}

/// Cuts a list of SKUs into parts that fit into one address. One with a comma goes alone: the store takes what is between
/// commas as SKUs, and the whole as one as well.
fn askable(skus: &[Sku]) -> Vec<&[Sku]> {
    let cost = |sku: &Sku| match sku.as_str().contains(',') {
        true => LONGEST_LIST + 1,
        false => encoded(sku.as_str()).len() + 1,
    };
    in_parts(skus, SKUS_ASKED, LONGEST_LIST, cost)
}
