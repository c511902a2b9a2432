//! Writing stock into a WooCommerce store.
//!
//! Promises: a quantity is stored as said or less, or refused with the reason; one bad item does not hinder the others of
//! its batch (the store answers item by item inside an overall success: woocommerce#22848, #12840). Only the quantity is
//! sent: `stock_status` follows it by itself while the product manages stock, and what staff chose stays as it is.
//! Does not promise that nobody else writes: there is no compare-and-set (woocommerce#7673, #21808). Nor that a product
//! does not get another SKU in the moment between being looked up and being written to: there is no guard for that either.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;

use reqwest::Method;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Value, json};

use super::products::{Found, Place, not_kept};
use super::wire::{Batch, Figure, Trouble, Updated, number};
use super::{WooCommerce, permanent};
use crate::central::client::Reply;
use crate::domain::{Quantity, Sku};
use crate::ports::{StockItem, StoreError, WriteOutcome, Written};

/// Decimal places of a quantity in a shop that allows fractions.
const FRACTION_PLACES: u32 = 4;

/// A quantity on its way to its place.
#[derive(Debug, Clone)]
struct Sending {
    item: StockItem,
    place: Place,
}

/// What became of a batch.
#[derive(Debug, Default)]
struct Outcome {
    written: Vec<Written>,
    /// Where the product has changed since it was looked up, or the cut was wrong: to be tried once more.
    again: Vec<StockItem>,
}

impl WooCommerce {
    /// Writes quantities: products in one batch, variations in one per variable product.
    pub(super) async fn write_items(&self, items: &[StockItem]) -> Result<Vec<Written>, StoreError> {
        let mut seen = HashSet::new();
        let once: Vec<StockItem> = items.iter().filter(|item| seen.insert(item.sku.clone())).cloned().collect();
        let first = self.write_round(&once).await?;
        let mut written = first.written;
        if !first.again.is_empty() {
            let second = self.write_round(&first.again).await?;
            written.extend(second.written);
            let why = || WriteOutcome::Refused("its product changes in the web store at this very moment".into());
            written.extend(second.again.into_iter().map(|item| Written { sku: item.sku, outcome: why() }));
        }
        Ok(written)
    }

    async fn write_round(&self, items: &[StockItem]) -> Result<Outcome, StoreError> {
        let skus: Vec<Sku> = items.iter().map(|item| item.sku.clone()).collect();
        let mut outcome = Outcome::default();
        let mut groups: BTreeMap<Option<u64>, Vec<Sending>> = BTreeMap::new();
        let places: BTreeMap<Sku, Found> = self.look_up_skus(&skus).await?.into_iter().collect();
        for item in items {
            let settled = match places.get(&item.sku) {
                Some(Found::Kept(place, _)) => {
                    groups.entry(place.parent).or_default().push(Sending { item: item.clone(), place: *place });
                    continue;
                }
                Some(Found::NotKept(why)) => WriteOutcome::Refused(why.clone()),
                Some(Found::Unknown) | None => WriteOutcome::Unknown,
            };
            outcome.written.push(Written { sku: item.sku.clone(), outcome: settled });
        }
        for (parent, group) in groups {
            let mut rest = group.as_slice();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(self.most_items()));
                if self.send_batch(parent, now, &mut outcome).await? {
                    rest = later;
                }
            }
        }
        Ok(outcome)
    }

    /// Sends one batch; `false` when the store takes only smaller ones.
    async fn send_batch(
        &self,
        parent: Option<u64>,
        batch: &[Sending],
        outcome: &mut Outcome,
    ) -> Result<bool, StoreError> {
        let route = parent.map_or_else(|| "/products/batch".into(), |id| format!("/products/{id}/variations/batch"));
        let row = |one: &Sending| json!({ "id": one.place.id, "stock_quantity": number(self.cut(one.item.quantity)) });
        let body = json!({ "update": batch.iter().map(row).collect::<Vec<Value>>() });
        let call = self.write(Method::POST, "writing stock", &route, &body);
        let reply = self.client.send(&call).await?;
        if let Some(most) = batch_limit(&reply, batch.len()) {
            self.most_items.fetch_min(most, Ordering::Relaxed);
            return Ok(false);
        }
        let answer: Batch = self.client.read(&call, &reply)?;
        for updated in &answer.update {
            let Some(one) = batch.iter().find(|one| one.place.id.to_string() == updated.id.0) else { continue };
            match self.became(one, updated)? {
                Some(became) => outcome.written.push(Written { sku: one.item.sku.clone(), outcome: became }),
                None => outcome.again.push(one.item.clone()),
            }
        }
        Ok(true)
    }

    /// What became of one item; nothing when it is to be tried once more.
    fn became(&self, one: &Sending, updated: &Updated) -> Result<Option<WriteOutcome>, StoreError> {
        if let Some(trouble) = &updated.error {
            return Ok(refused(trouble));
        }
        // It was renamed in the moment since it was looked up.
        if updated.sku.as_deref().is_some_and(|sku| sku != one.item.sku.as_str()) {
            return Ok(None);
        }
        if let Some(why) = not_kept("", &updated.manage_stock) {
            return Ok(Some(WriteOutcome::Refused(why.into())));
        }
        let stored = updated.stock_quantity.map(Figure::quantity).transpose();
        let stored = stored.map_err(|why| permanent(format!("writing stock: {} has {why}", one.item.sku)))?;
        Ok(self.compared(one, stored))
    }

    /// The store may keep less than was sent (it cuts fractions off unless a plugin allows them), but never more.
    fn compared(&self, one: &Sending, stored: Option<Quantity>) -> Option<WriteOutcome> {
        let sent = self.cut(one.item.quantity);
        match stored {
            None => Some(WriteOutcome::Refused("the web store answered without a quantity".into())),
            Some(stored) if stored > sent => {
                let was_fraction = self.fractions.swap(false, Ordering::Relaxed) && sent != whole(sent);
                let why = format!("the web store made {stored} of {sent}; a plugin changes quantities there");
                (!was_fraction).then_some(WriteOutcome::Refused(why))
            }
            Some(stored) => {
                if stored < sent && sent != whole(sent) {
                    self.fractions.store(false, Ordering::Relaxed);
                }
                Some(WriteOutcome::Stored(stored))
            }
        }
    }

    /// Cuts a quantity downwards to what the store keeps: `wc_stock_amount` makes a whole number of it unless the shop
    /// has a plugin that allows fractions.
    fn cut(&self, quantity: Quantity) -> Quantity {
        if !self.fractions.load(Ordering::Relaxed) {
            return whole(quantity);
        }
        rounded_down(quantity, FRACTION_PLACES)
    }
}

/// A product that is gone since it was looked up is looked up once more.
fn refused(trouble: &Trouble) -> Option<WriteOutcome> {
    (!trouble.is_not_there()).then(|| WriteOutcome::Refused(format!("{} ({})", trouble.message, trouble.code)))
}

fn whole(quantity: Quantity) -> Quantity {
    rounded_down(quantity, 0)
}

fn rounded_down(quantity: Quantity, places: u32) -> Quantity {
    let rounded: Decimal = quantity.decimal().round_dp_with_strategy(places, RoundingStrategy::ToNegativeInfinity);
    Figure(rounded).quantity().unwrap_or(quantity)
}

/// How many objects the store takes at once, when it says that these were too many: "Unable to accept more than 100 items
/// for this request." The number is the only thing in it that is in no language.
fn batch_limit(reply: &Reply, sent: usize) -> Option<usize> {
    let trouble = Trouble::read(&reply.body);
    if reply.status != 413 || trouble.code != "woocommerce_rest_request_entity_too_large" {
        return None;
    }
    let named = trouble.message.split(|c: char| !c.is_ascii_digit()).find_map(|word| word.parse::<usize>().ok());
    let most = named.filter(|most| *most > 0 && *most < sent).unwrap_or(sent / 2);
    (sent > 1).then_some(most.max(1))
}
