//! A Magento in memory: its books, and the REST answers that a real 2.4.7-p6 was seen to give.
//!
//! Promises: the numbers move as they were observed to move on Magento Open Source 2.4.7-p6, with inventory modules
//! (MSI) on and off: placing, cancelling, shipping, invoicing and refunding do to sources, reservations and the old
//! stock quantity what the tables in the tests say. Does not promise the rest of Magento: no carts, no tax rules, no
//! indexers, no queue consumers; where a real one lags, this one is up to date at once.
//!
//! The books are pure (no I/O; time comes from the clock they were given); [`rest`] puts them behind HTTP.

mod checkout;
mod life;
mod order;
mod refund;
mod render;
mod replica;
pub mod rest;
mod rest_orders;
mod rest_person;
mod rest_stock;
mod search;
mod sign_in;
mod stock;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_rest;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::domain::Quantity;
use crate::domain::order::Customer;
use crate::ports::Clock;

pub use checkout::{Checkout, StoreView, Website};
pub use life::ShipLine;
pub use order::{Comment, Order, Placed, Row, State};
pub use refund::{Creditmemo, Refund};
pub use replica::Quirks;
pub use sign_in::{Integration, SignIn};
pub use stock::{LegacyItem, Reservation, Source, SourceItem, SourceWrite};

/// The stock that the shop's website sells from. (Stock 1 is Magento's default stock.)
pub const STOCK: u32 = 2;

/// Decimal places kept of a quantity. Observed: 3.14159 is stored as 3.1416.
pub const PLACES: u32 = 4;

/// Are the inventory modules on?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Sources and reservations (multi-source inventory).
    Msi,
    /// One quantity per product, lowered when an order is placed.
    Legacy,
}

/// What a product is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProductKind {
    /// A thing on a shelf. `parent` names the configurable product through which it is sold, if any.
    Simple {
        /// SKU of the configurable parent.
        parent: Option<String>,
    },
    /// A choice of simple products; has no stock of its own.
    Configurable,
    /// Several products sold as one. A fixed one ships together and has one SKU; otherwise the SKU is composed.
    Bundle {
        /// What is in it, with units per bundle.
        parts: Vec<(String, Quantity)>,
        /// Fixed SKU and price?
        fixed: bool,
    },
    /// Not shipped: a voucher, a course.
    Virtual,
}

/// A product of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// `product_id`.
    pub id: i64,
    /// SKU, as the catalogue writes it.
    pub sku: String,
    /// Name.
    pub name: String,
    /// What it is.
    pub kind: ProductKind,
    /// Price of one unit without tax.
    pub price: Decimal,
}

impl Product {
    /// Magento's word for the kind.
    pub fn type_id(&self) -> &'static str {
        match self.kind {
            ProductKind::Simple { .. } => "simple",
            ProductKind::Configurable => "configurable",
            ProductKind::Bundle { .. } => "bundle",
            ProductKind::Virtual => "virtual",
        }
    }

    /// Does it have a quantity of its own?
    pub fn has_stock(&self) -> bool {
        match self.kind {
            ProductKind::Simple { .. } | ProductKind::Virtual => true,
            ProductKind::Configurable | ProductKind::Bundle { .. } => false,
        }
    }
}

/// Something that happened, for whoever has to compute the truth afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// When, by the store's clock.
    pub at: Timestamp,
    /// To which SKU.
    pub sku: String,
    /// How many units.
    pub units: Quantity,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Sold to a web customer, in this order.
    Placed(i64),
    /// A customer wanted it and was turned away.
    TurnedAway,
    /// Cancelled, of this order.
    Cancelled(i64),
    /// Shipped, of this order.
    Shipped(i64),
    /// Refunded, of this order; was it put back into stock?
    Refunded(i64, bool),
    /// Someone wrote this quantity over REST, to this source (`legacy` for the old stock quantity).
    Written(String),
}

/// Why the shop says no. The texts are Magento's own, with their placeholders.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// HTTP status that goes with it.
    pub status: u16,
    /// `message`, placeholders unfilled.
    pub message: String,
    /// `parameters`, when there are any.
    pub parameters: Option<serde_json::Value>,
}

impl Refusal {
    pub(crate) fn new(status: u16, message: &str) -> Self {
        Self { status, message: message.to_owned(), parameters: None }
    }

    pub(crate) fn with(status: u16, message: &str, parameters: serde_json::Value) -> Self {
        Self { parameters: Some(parameters), ..Self::new(status, message) }
    }

    pub(crate) fn no_such_entity() -> Self {
        Self::new(404, "The entity that was requested doesn't exist. Verify the entity and try again.")
    }
}

/// The books of one Magento shop.
pub struct MagentoBooks {
    clock: Arc<dyn Clock>,
    mode: Mode,
    products: BTreeMap<String, Product>,
    sources: Vec<Source>,
    source_items: BTreeMap<(String, String), SourceItem>,
    reservations: Vec<Reservation>,
    reserved: BTreeMap<String, Quantity>,
    legacy: BTreeMap<String, LegacyItem>,
    orders: BTreeMap<i64, Order>,
    shipments: Vec<life::Shipment>,
    invoices: i64,
    creditmemos: Vec<Creditmemo>,
    next_row: i64,
    next_comment: i64,
    journal: Vec<Happening>,
    websites: Vec<Website>,
    views: Vec<StoreView>,
    replica: Option<replica::Replica>,
    /// In what it differs from the one that was observed.
    pub quirks: Quirks,
    /// Most items in one array, when the shop has its input limit on (off by default).
    pub input_limit: Option<usize>,
    /// Who is let in.
    pub sign_in: SignIn,
    /// Refuse comments that carry a status foreign to the order's state, as 2.4.7 does.
    pub strict_comment_status: bool,
}

impl std::fmt::Debug for MagentoBooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MagentoBooks").field("mode", &self.mode).field("orders", &self.orders.len()).finish()
    }
}

impl MagentoBooks {
    /// An empty shop. With MSI it has the source `default`, which no website sells from.
    pub fn new(mode: Mode, clock: Arc<dyn Clock>) -> Self {
        let (websites, views) = checkout::installed();
        Self {
            clock,
            mode,
            products: BTreeMap::new(),
            sources: vec![Source { code: "default".into(), name: "Default Source".into(), stock: 1, enabled: true }],
            source_items: BTreeMap::new(),
            reservations: Vec::new(),
            reserved: BTreeMap::new(),
            legacy: BTreeMap::new(),
            orders: BTreeMap::new(),
            shipments: Vec::new(),
            invoices: 0,
            creditmemos: Vec::new(),
            next_row: 1,
            next_comment: 1,
            journal: Vec::new(),
            websites,
            views,
            replica: None,
            quirks: Quirks::default(),
            input_limit: None,
            sign_in: SignIn::default(),
            strict_comment_status: true,
        }
    }

    /// With or without inventory modules.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Adds a product to the catalogue; its `product_id` is the next free one. A quantity that was written for the
    /// SKU before (an orphan row) becomes the product's quantity, as was seen.
    pub fn add_product(&mut self, sku: &str, name: &str, kind: ProductKind, price: Decimal) {
        let id = i64::try_from(self.products.len()).unwrap_or(i64::MAX).saturating_add(1);
        let product = Product { id, sku: sku.to_owned(), name: name.to_owned(), kind, price };
        if product.has_stock() {
            self.legacy.entry(key(sku)).or_insert_with(|| LegacyItem::uncounted(id));
        }
        self.products.insert(key(sku), product);
    }

    /// The product with this SKU, whatever its case.
    pub fn product(&self, sku: &str) -> Option<&Product> {
        self.products.get(&key(sku))
    }

    /// All products, by SKU.
    pub fn products(&self) -> impl Iterator<Item = &Product> {
        self.products.values()
    }

    /// All orders, oldest first.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.values()
    }

    /// One order by its `entity_id`.
    pub fn order(&self, id: i64) -> Option<&Order> {
        self.orders.get(&id)
    }

    /// One order by the number that customers see.
    pub fn order_by_number(&self, increment_id: &str) -> Option<&Order> {
        self.orders.values().find(|order| order.increment_id == increment_id)
    }

    /// All that happened, in order.
    pub fn journal(&self) -> &[Happening] {
        &self.journal
    }

    /// Starts the journal afresh, so that a story begins after the shop was set up.
    pub fn forget_happenings(&mut self) {
        self.journal.clear();
    }

    pub(crate) fn now(&self) -> Timestamp {
        // Observed: `created_at` and `updated_at` have whole seconds.
        let now = self.clock.now();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    pub(crate) fn note(&mut self, sku: &str, units: Quantity, what: What) {
        let at = self.now();
        self.journal.push(Happening { at, sku: sku.to_owned(), units, what });
    }

    pub(crate) fn order_mut(&mut self, id: i64) -> Result<&mut Order, Refusal> {
        self.orders.get_mut(&id).ok_or_else(Refusal::no_such_entity)
    }
}

/// SKUs are matched without regard to case (observed: the database's collation).
pub(crate) fn key(sku: &str) -> String {
    sku.to_lowercase()
}

/// A quantity as Magento stores it: four places, half away from zero, at most 99999999.9999 (observed).
pub(crate) fn stored(number: Decimal) -> Quantity {
    const MOST: Decimal = Decimal::from_parts(0xD4A5_0FFF, 0xE8, 0, false, PLACES);
    let rounded = number.round_dp_with_strategy(PLACES, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
    let clipped = rounded.clamp(-MOST, MOST);
    Quantity::parse(&clipped.to_string()).unwrap_or(Quantity::ZERO)
}

/// The books, shared between the server's requests and whoever tells the story.
#[derive(Debug, Clone)]
pub struct Magento(Arc<Mutex<MagentoBooks>>);

impl Magento {
    /// Shares `books`.
    pub fn new(books: MagentoBooks) -> Self {
        Self(Arc::new(Mutex::new(books)))
    }

    /// Looks at the books, or changes them, while nobody else does.
    pub fn with<T>(&self, look: impl FnOnce(&mut MagentoBooks) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Places an order for a made-up guest, to be paid by cheque.
    ///
    /// # Errors
    /// As [`MagentoBooks::place`].
    pub fn place(&self, lines: &[(&str, i64)]) -> Result<Placed, Refusal> {
        let lines: Vec<_> = lines.iter().map(|(sku, units)| ((*sku).to_owned(), Quantity::from(*units))).collect();
        self.with(|books| books.place(&lines, "checkmo", &guest()))
    }
}

/// The made-up customer of orders that name none.
pub fn guest() -> Customer {
    Customer {
        email: "gerda.beispiel@example.com".into(),
        name: "Gerda Beispiel".into(),
        company: String::new(),
        street: "Musterweg 1".into(),
        city: "Berlin".into(),
        region: "Berlin".into(),
        postcode: "10115".into(),
        country: "DE".into(),
        telephone: "030 000000".into(),
    }
}
