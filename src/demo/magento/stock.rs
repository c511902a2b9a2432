//! Sources, reservations and the old stock quantity.
//!
//! Promises: what can be sold is the enabled sources of the website's stock plus the open reservations with MSI, and
//! the old quantity without; a request of several source items is taken whole or not at all.

use rust_decimal::Decimal;
use serde_json::json;

use super::{Happening, MagentoBooks, Mode, Refusal, STOCK, What, key, stored};
use crate::domain::Quantity;

/// A place that has stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// `source_code`.
    pub code: String,
    /// Name.
    pub name: String,
    /// The stock that it belongs to.
    pub stock: u32,
    /// Is it in use?
    pub enabled: bool,
}

/// What a source has of a SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceItem {
    /// SKU, as first written.
    pub sku: String,
    /// `source_code`.
    pub source: String,
    /// Units; may be negative.
    pub quantity: Quantity,
    /// In stock (1) or counted as nothing (0)?
    pub in_stock: bool,
}

/// One movement of what is promised to web customers: below zero when promised, above when freed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Of what.
    pub sku: String,
    /// Units.
    pub units: Quantity,
    /// For which order.
    pub order: i64,
}

/// The old stock quantity of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyItem {
    /// `item_id` and `product_id`.
    pub id: i64,
    /// Units; `None` until someone counts.
    pub quantity: Option<Quantity>,
    /// Can it be sold?
    pub in_stock: bool,
    /// Did it go out of stock by itself, when the quantity fell to zero?
    pub out_by_itself: bool,
}

impl LegacyItem {
    /// Never counted (observed: `qty` null, `is_in_stock` false).
    pub(crate) fn uncounted(id: i64) -> Self {
        Self { id, quantity: None, in_stock: false, out_by_itself: false }
    }

    /// Moves the quantity as an order does: out of stock at zero, back in above it (observed).
    fn shift(&mut self, by: Quantity) {
        let was_zero = self.quantity.is_none_or(|held| !held.is_positive());
        let now = self.quantity.unwrap_or_default() + by;
        self.quantity = Some(now);
        if !now.is_positive() {
            self.out_by_itself |= self.in_stock;
            self.in_stock = false;
        } else if was_zero && by.is_positive() {
            self.in_stock = true;
            self.out_by_itself = false;
        }
    }
}

/// One quantity in a `source-items` request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceWrite {
    /// Of what.
    pub sku: String,
    /// Where.
    pub source: String,
    /// How many.
    pub quantity: Decimal,
    /// In stock?
    pub in_stock: bool,
}

/// Longest SKU kept, in characters. Observed: 70 are cut to 64 without a word.
const LONGEST_SKU: usize = 64;

impl MagentoBooks {
    /// Adds a source to the website's stock.
    pub fn add_source(&mut self, code: &str, name: &str) {
        self.sources.push(Source { code: code.into(), name: name.into(), stock: STOCK, enabled: true });
    }

    /// All sources.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// All source items.
    pub fn source_items(&self) -> impl Iterator<Item = &SourceItem> {
        self.source_items.values()
    }

    /// What a source has of a SKU; `None` when the SKU was never given to the source.
    pub fn at_source(&self, source: &str, sku: &str) -> Option<Quantity> {
        self.source_items.get(&(key(sku), source.to_owned())).map(|item| item.quantity)
    }

    /// The sum of the open reservations of a SKU: zero or below, unless Magento leaked one.
    pub fn reserved(&self, sku: &str) -> Quantity {
        self.reserved.get(&key(sku)).copied().unwrap_or_default()
    }

    /// Every reservation ever written, oldest first.
    pub fn reservations(&self) -> &[Reservation] {
        &self.reservations
    }

    /// The old stock item of a product.
    pub fn legacy_item(&self, sku: &str) -> Option<&LegacyItem> {
        self.legacy.get(&key(sku))
    }

    /// What a customer may still buy; never below zero (observed).
    pub fn salable(&self, sku: &str) -> Quantity {
        match self.mode {
            Mode::Msi => (self.in_sources(sku) + self.reserved(sku)).or_zero(),
            Mode::Legacy => match self.legacy_item(sku) {
                Some(item) if item.in_stock => item.quantity.unwrap_or_default().or_zero(),
                Some(_) | None => Quantity::ZERO,
            },
        }
    }

    pub(crate) fn in_sources(&self, sku: &str) -> Quantity {
        let counts = |source: &&Source| source.enabled && source.stock == STOCK;
        let held = |source: &Source| self.source_items.get(&(key(sku), source.code.clone()));
        let items = self.sources.iter().filter(counts).filter_map(held);
        items.filter(|item| item.in_stock).map(|item| item.quantity).sum()
    }

    /// Writes quantities to sources: all of them, or none.
    ///
    /// # Errors
    /// With Magento's texts, as observed; the first thing found wrong is named.
    pub fn write_sources(&mut self, items: &[SourceWrite]) -> Result<(), Refusal> {
        if items.is_empty() {
            return Err(Refusal::new(400, "Input data is empty"));
        }
        if let Some(max) = self.input_limit.filter(|max| items.len() > *max) {
            let kind = "\\Magento\\InventoryApi\\Api\\Data\\SourceItemInterface";
            let parameters = json!({"type": kind, "max": max});
            return Err(Refusal::with(400, "Maximum items of type \"%type\" is %max", parameters));
        }
        for item in items {
            check_sku(&item.sku)?;
        }
        // The database's foreign key finds an unknown source, and then says no more than this.
        if items.iter().any(|item| self.sources.iter().all(|source| source.code != item.source)) {
            return Err(Refusal::new(400, "Could not save Source Item"));
        }
        for item in items {
            self.write_source(item);
        }
        Ok(())
    }

    fn write_source(&mut self, write: &SourceWrite) {
        let sku: String = write.sku.chars().take(LONGEST_SKU).collect();
        let quantity = stored(write.quantity);
        let place = (key(&sku), write.source.clone());
        let item = self.source_items.entry(place).or_insert_with(|| SourceItem {
            sku: sku.clone(),
            source: write.source.clone(),
            quantity,
            in_stock: write.in_stock,
        });
        (item.quantity, item.in_stock) = (quantity, write.in_stock);
        self.note(&sku, quantity, What::Written(write.source.clone()));
    }

    /// Writes the old stock item: only what is given changes. With MSI on this is the source `default` (observed).
    ///
    /// # Errors
    /// When there is no such product.
    pub fn write_legacy(
        &mut self,
        sku: &str,
        quantity: Option<Decimal>,
        in_stock: Option<bool>,
    ) -> Result<i64, Refusal> {
        let quantity = quantity.map(stored);
        let Some(item) = self.legacy.get_mut(&key(sku)) else { return Err(no_such_product(sku)) };
        set_legacy(item, quantity, in_stock);
        let (id, now_in_stock) = (item.id, item.in_stock);
        if let Some(quantity) = quantity {
            self.note(sku, quantity, What::Written("legacy".into()));
            if self.mode == Mode::Msi {
                let written = SourceWrite {
                    sku: sku.to_owned(),
                    source: "default".into(),
                    quantity: quantity.decimal(),
                    in_stock: now_in_stock,
                };
                self.write_source(&written);
            }
        }
        Ok(id)
    }

    /// Promises units to an order (below zero) or frees them (above).
    pub(crate) fn reserve(&mut self, sku: &str, units: Quantity, order: i64) {
        if units.is_zero() {
            return;
        }
        self.reservations.push(Reservation { sku: sku.to_owned(), units, order });
        let sum = self.reserved.entry(key(sku)).or_default();
        *sum = *sum + units;
    }

    /// Moves what a source has.
    pub(crate) fn shift_source(&mut self, source: &str, sku: &str, by: Quantity) {
        if let Some(item) = self.source_items.get_mut(&(key(sku), source.to_owned())) {
            item.quantity = item.quantity + by;
        }
    }

    /// Moves the old quantity.
    pub(crate) fn shift_legacy(&mut self, sku: &str, by: Quantity) {
        if let Some(item) = self.legacy.get_mut(&key(sku)) {
            item.shift(by);
        }
    }

    /// The writes of stock quantities so far, oldest first.
    pub fn stock_writes(&self) -> impl Iterator<Item = &Happening> {
        self.journal.iter().filter(|happening| matches!(happening.what, What::Written(_)))
    }
}

/// The rules of `is_in_stock`, as observed without MSI: zero puts out; what went out by itself comes back in; what
/// was never in has to be put in by hand once.
fn set_legacy(item: &mut LegacyItem, quantity: Option<Quantity>, in_stock: Option<bool>) {
    let was_out_by_itself = item.out_by_itself && !item.in_stock;
    if let Some(quantity) = quantity {
        item.quantity = Some(quantity);
    }
    let has_some = item.quantity.is_some_and(Quantity::is_positive);
    let before = item.in_stock;
    item.in_stock = has_some && (in_stock.unwrap_or(item.in_stock) || was_out_by_itself);
    item.out_by_itself = !item.in_stock && (before || in_stock == Some(true) || was_out_by_itself);
}

pub(crate) fn no_such_product(sku: &str) -> Refusal {
    Refusal::with(404, "The Product with the \"%1\" SKU doesn't exist.", json!([sku]))
}

fn check_sku(sku: &str) -> Result<(), Refusal> {
    if sku.is_empty() {
        return Err(invalid("sku", "can not be empty."));
    }
    if sku.trim() != sku {
        return Err(invalid("sku", "can not contain leading or trailing spaces."));
    }
    Ok(())
}

/// A validation error of a source item: the message is filled in, the list beside it is not (observed).
pub(crate) fn invalid(field: &str, complaint: &str) -> Refusal {
    let errors = json!([{"message": format!("\"%field\" {complaint}"), "parameters": {"field": field}}]);
    Refusal::with(400, &format!("Validation Failed: \"{field}\" {complaint}"), json!({"__errors": errors}))
}
