//! A WooCommerce shop, in memory.
//!
//! Promises: stock moves when WooCommerce moves it and at no other time: deducted once on reaching `on-hold`, `processing`
//! or `completed`, put back on `cancelled` and `pending` and by refunds that restock; unpaid orders only hold stock in a
//! table aside, for a while; trashing and deleting move nothing. Each line notes what was deducted and put back, as
//! WooCommerce does. Does not promise payments, coupons or shipping zones; a price has one tax rate.
//!
//! True to the published documentation (woocommerce-rest-api-docs) and source (woocommerce `includes/wc-stock-functions.php`,
//! `includes/wc-order-functions.php`, `includes/rest-api/Controllers`), not to a recorded shop.
//! The books are pure; [`router`] puts them behind HTTP.

mod order;
mod render;
mod rest;
mod rest_orders;
mod rest_products;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use rust_decimal::{Decimal, RoundingStrategy};

use super::seed;
use crate::domain::Quantity;
use crate::ports::Clock;

pub use order::{Line, Note, Order, Refund};
pub use rest::{CONSUMER_KEY, CONSUMER_SECRET, router};

/// How long an unpaid order holds stock (`woocommerce_hold_stock_minutes`).
const HOLDS: SignedDuration = SignedDuration::from_mins(60);

/// What kind of product it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Sold as it is.
    Simple,
    /// A choice of variations.
    Variable,
    /// One of a variable product's choices.
    Variation,
    /// Several products shown together.
    Grouped,
    /// Sold elsewhere.
    External,
}

impl Kind {
    /// WooCommerce's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Variable => "variable",
            Self::Variation => "variation",
            Self::Grouped => "grouped",
            Self::External => "external",
        }
    }
}

/// Who counts a product's stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manages {
    /// It does.
    Itself,
    /// A variation's parent does.
    Parent,
    /// Nobody does.
    Nobody,
}

/// A product, or a variation of one.
#[derive(Debug, Clone)]
pub struct Product {
    /// Its key.
    pub id: u64,
    /// The variable product that it belongs to.
    pub parent: Option<u64>,
    /// SKU; may be empty.
    pub sku: String,
    /// Name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Price of one unit without tax.
    pub price: Decimal,
    /// Who counts its stock.
    pub manages: Manages,
    /// `stock_quantity`.
    pub stock: Quantity,
    /// May it be sold below nothing?
    pub backorders: bool,
    /// Is it in the trash?
    pub trashed: bool,
}

/// Why the shop says no: WooCommerce's own code and words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// The stable word.
    pub code: String,
    /// For people.
    pub message: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }
}

/// What the key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permissions {
    /// Only read.
    Read,
    /// Only write.
    Write,
    /// Both.
    ReadWrite,
}

/// The books of one WooCommerce shop.
pub struct WooBooks {
    clock: Arc<dyn Clock>,
    products: BTreeMap<u64, Product>,
    orders: BTreeMap<u64, Order>,
    next_id: u64,
    /// Orders whose stock is still to be moved, while [`WooBooks::moves_late`].
    late: Vec<u64>,
    /// How far the site's clock is ahead of UTC.
    pub site_offset: SignedDuration,
    /// Does a plugin let stock have fractions (`woocommerce_stock_amount`)?
    pub fractions: bool,
    /// Most objects in a batch (`woocommerce_rest_batch_items_limit`).
    pub batch_limit: usize,
    /// Does opening an order move its date, as with the order tables (woocommerce#41226)?
    pub opening_touches: bool,
    /// Is stock managed at all (`woocommerce_manage_stock`)?
    pub manages_stock: bool,
    /// Is the stock moved only when [`WooBooks::catch_up`] is called? Between a status and its stock other requests pass.
    pub moves_late: bool,
    /// Order statuses that plugins registered.
    pub statuses: BTreeSet<String>,
    /// Products that cannot be saved, with WooCommerce's reason.
    pub unsavable: BTreeMap<u64, String>,
    /// What the key may do.
    pub permissions: Permissions,
    /// Has the key's user the rights of a shop manager?
    pub may_manage: bool,
    /// Does the web server drop the `Authorization` header?
    pub drops_authorization: bool,
    /// Are the permalinks plain?
    pub plain_permalinks: bool,
    /// Version told.
    pub version: String,
}

impl std::fmt::Debug for WooBooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WooBooks").field("orders", &self.orders.len()).finish_non_exhaustive()
    }
}

impl WooBooks {
    /// An empty shop, an hour east of Greenwich.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            products: BTreeMap::new(),
            orders: BTreeMap::new(),
            next_id: 10,
            late: Vec::new(),
            site_offset: SignedDuration::from_hours(1),
            fractions: false,
            batch_limit: 100,
            opening_touches: true,
            manages_stock: true,
            moves_late: false,
            statuses: BTreeSet::new(),
            unsavable: BTreeMap::new(),
            permissions: Permissions::ReadWrite,
            may_manage: true,
            drops_authorization: false,
            plain_permalinks: false,
            version: "9.4.2".into(),
        }
    }

    /// A shop with the demo shop's goods, as counted at the start.
    pub fn seeded(clock: Arc<dyn Clock>) -> Self {
        let mut books = Self::new(clock);
        for article in seed::articles() {
            let price = Decimal::new(article.pence, 2);
            let (kind, parent) = match &article.kind {
                super::magento::ProductKind::Configurable => (Kind::Variable, None),
                super::magento::ProductKind::Simple { parent: Some(parent) } => (Kind::Variation, books.id_of(parent)),
                super::magento::ProductKind::Simple { parent: None }
                | super::magento::ProductKind::Virtual
                | super::magento::ProductKind::Bundle { .. } => (Kind::Simple, None),
            };
            let id = books.add(kind, parent, &article.sku, &article.name, price);
            if let (Some(units), Some(product)) = (article.units, books.products.get_mut(&id)) {
                (product.manages, product.stock) = (Manages::Itself, units.into());
            }
        }
        books
    }

    /// Adds a product that does not manage stock; says its key.
    pub fn add(&mut self, kind: Kind, parent: Option<u64>, sku: &str, name: &str, price: Decimal) -> u64 {
        let id = self.new_id();
        let (manages, stock) = (Manages::Nobody, Quantity::ZERO);
        let (sku, name) = (sku.to_owned(), name.to_owned());
        let product = Product { id, parent, sku, name, kind, price, manages, stock, backorders: false, trashed: false };
        self.products.insert(id, product);
        id
    }

    /// A product by its key.
    pub fn product(&self, id: u64) -> Option<&Product> {
        self.products.get(&id)
    }

    /// The same, to be changed by staff.
    pub fn product_mut(&mut self, id: u64) -> Option<&mut Product> {
        self.products.get_mut(&id)
    }

    /// Deletes a product for good.
    pub fn remove_product(&mut self, id: u64) {
        self.products.remove(&id);
    }

    /// The key of the product with this SKU.
    pub fn id_of(&self, sku: &str) -> Option<u64> {
        self.products.values().find(|product| product.sku == sku).map(|product| product.id)
    }

    /// `stock_quantity` of an SKU.
    pub fn stock(&self, sku: &str) -> Quantity {
        let product = self.id_of(sku).and_then(|id| self.managed_by(id));
        product.and_then(|id| self.products.get(&id)).map_or(Quantity::ZERO, |product| product.stock)
    }

    /// What a shopper can buy: the stock, less what unpaid orders hold for a while.
    pub fn sellable(&self, sku: &str) -> Quantity {
        let Some(id) = self.id_of(sku) else { return Quantity::ZERO };
        self.free(id, None).unwrap_or_default()
    }

    /// What is free of a product; nothing when nobody counts it.
    fn free(&self, id: u64, without: Option<u64>) -> Option<Quantity> {
        let keeper = self.managed_by(id)?;
        let stock = self.products.get(&keeper)?.stock;
        let now = self.now();
        let holding = |order: &&Order| {
            Some(order.id) != without
                && matches!(order.status.as_str(), "pending" | "checkout-draft")
                && now.duration_since(order.created) < HOLDS
        };
        let lines = self.orders.values().filter(holding).flat_map(|order| &order.lines);
        let held = lines.filter(|line| line.reduced.is_none() && self.managed_by(line.sold()) == Some(keeper));
        Some((stock - held.map(|line| line.quantity).sum()).or_zero())
    }

    /// Which product's stock counts for this one (`get_stock_managed_by_id`).
    fn managed_by(&self, id: u64) -> Option<u64> {
        let product = self.products.get(&id).filter(|_| self.manages_stock)?;
        match product.manages {
            Manages::Itself => Some(id),
            Manages::Parent => product.parent.filter(|parent| self.products.contains_key(parent)),
            Manages::Nobody => None,
        }
    }

    /// Moves stock; `wc_update_product_stock`.
    fn shift(&mut self, id: u64, by: Quantity) -> bool {
        let Some(keeper) = self.managed_by(id) else { return false };
        if let Some(product) = self.products.get_mut(&keeper) {
            product.stock = product.stock + by;
        }
        true
    }

    /// `wc_stock_amount`: a whole number, cut towards nought, unless a plugin allows fractions.
    pub(crate) fn amount(&self, number: Decimal) -> Quantity {
        let places = if self.fractions { 4 } else { 0 };
        let cut = number.round_dp_with_strategy(places, RoundingStrategy::ToZero);
        Quantity::parse(&cut.normalize().to_string()).unwrap_or(Quantity::ZERO)
    }

    pub(crate) fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    pub(crate) fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

/// The books, shared between the server's requests and whoever tells the story.
#[derive(Debug, Clone)]
pub struct Woo(Arc<Mutex<WooBooks>>);

impl Woo {
    /// Shares `books`.
    pub fn new(books: WooBooks) -> Self {
        Self(Arc::new(Mutex::new(books)))
    }

    /// Looks at the books, or changes them, while nobody else does.
    pub fn with<T>(&self, look: impl FnOnce(&mut WooBooks) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Places an order for a made-up guest who pays on delivery.
    ///
    /// # Errors
    /// As [`WooBooks::place`].
    pub fn place(&self, lines: &[(&str, i64)]) -> Result<u64, Refusal> {
        self.with(|books| books.place(lines, "cod"))
    }
}
