//! A simulated Shopify store, in memory.
//!
//! Promises: the states of inventory move as documented (`on_hand` = available + committed + unavailable: an order commits, a
//! shipment takes from the shelf, a cancellation frees or not); a write compares, is carried out whole or not at all, and
//! once per key; answers have the shape of the Admin schema, and errors come under HTTP 200 where Shopify's do.
//! Does not promise to understand GraphQL: it knows the agent's own documents by the names of their operations and answers
//! what those ask for; any other is refused. What a real Shopify answers was read, not seen.
//!
//! Hand play as with the other stores: `POST /demo/orders`, `POST /demo/orders/{number}/ship`, `POST
//! /demo/orders/{number}/cancel`, `GET /demo/stock`, all without a token.

mod graphql;
mod order;
mod render;
mod rest;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::domain::Quantity;
use crate::ports::Clock;

pub use order::{Refund, ShopifyOrder, SoldLine};
pub use rest::router;

/// The version of the Admin API that it answers as.
pub const VERSION: &str = "2026-10";
/// The demo shop's location.
pub const SHOP: u64 = 101;
/// Another location of the same store.
pub const WAREHOUSE: u64 = 102;
/// Most elements of an array.
pub const MOST_ELEMENTS: usize = 250;
/// The client ID of the demo shop's app.
pub const CLIENT_ID: &str = "demo-client-id";

/// A location.
#[derive(Debug, Clone)]
pub struct Location {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Is it in use?
    pub active: bool,
}

/// What is in stock of one item at one location, in units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shelf {
    /// For sale.
    pub available: i64,
    /// In orders that are not shipped.
    pub committed: i64,
    /// Set aside: damaged, safety stock, drafts.
    pub unavailable: i64,
}

impl Shelf {
    /// What stands there.
    pub fn on_hand(&self) -> i64 {
        self.available + self.committed + self.unavailable
    }

    /// The quantity of this name.
    fn called(&self, name: &str) -> i64 {
        if name == "on_hand" { self.on_hand() } else { self.available }
    }
}

/// A variant with its inventory item.
#[derive(Debug, Clone)]
pub struct Item {
    /// Number of the inventory item.
    pub id: u64,
    /// SKU.
    pub sku: String,
    /// Name.
    pub name: String,
    /// Price without tax, in pence.
    pub pence: i64,
    /// Is its quantity counted?
    pub tracked: bool,
    /// Is it a bundle of others?
    pub bundle: bool,
    /// By location; where there is none, it is not stocked.
    pub shelves: BTreeMap<u64, Shelf>,
}

/// Why the store says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// What happens before an operation is answered.
type Before = Box<dyn FnOnce(&mut ShopifyBooks) + Send>;

/// A store with the points that it grants.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    /// Most points.
    pub maximum: f64,
    /// Points now.
    pub available: f64,
    /// Points a second.
    pub rate: f64,
    /// Most points of one document.
    pub most_of_one: f64,
    at: Timestamp,
}

/// The books.
pub struct ShopifyBooks {
    clock: Arc<dyn Clock>,
    /// Its locations.
    pub locations: Vec<Location>,
    items: Vec<Item>,
    orders: BTreeMap<u64, ShopifyOrder>,
    last_id: u64,
    /// What the app may do.
    pub scopes: Vec<String>,
    /// As which version it answers, whatever is asked.
    pub version: String,
    /// The throttle.
    pub bucket: Bucket,
    /// Orders that changed within so many seconds are not found yet: the search index lags.
    pub lag_seconds: i64,
    keys: HashMap<String, (String, serde_json::Value)>,
    writes: u64,
    before: Vec<(String, Before)>,
    tokens: Vec<(String, Timestamp)>,
    turned_away: Vec<(String, i64)>,
}

impl std::fmt::Debug for ShopifyBooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShopifyBooks").field("orders", &self.orders.len()).finish_non_exhaustive()
    }
}

impl ShopifyBooks {
    /// An empty store with two locations.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let location = |id, name: &str| Location { id, name: name.into(), active: true };
        let at = clock.now();
        Self {
            clock,
            locations: vec![location(SHOP, super::seed::SHOP_NAME), location(WAREHOUSE, "Warehouse")],
            items: Vec::new(),
            orders: BTreeMap::new(),
            last_id: 1000,
            scopes: SCOPES.map(str::to_owned).into(),
            version: VERSION.into(),
            bucket: Bucket { maximum: 2000.0, available: 2000.0, rate: 100.0, most_of_one: 1000.0, at },
            lag_seconds: 0,
            keys: HashMap::new(),
            writes: 0,
            before: Vec::new(),
            tokens: Vec::new(),
            turned_away: Vec::new(),
        }
    }

    /// A store with the demo shop's goods, as counted at the start; the warehouse has five of each.
    pub fn seeded(clock: Arc<dyn Clock>) -> Self {
        let mut books = Self::new(clock);
        for article in super::seed::articles() {
            let sold = !matches!(article.kind, super::magento::ProductKind::Configurable);
            if sold {
                let id = books.add_item(&article.sku, &article.name, article.pence, article.units);
                if let (Some(item), Some(_)) = (books.items.iter_mut().find(|item| item.id == id), article.units) {
                    item.shelves.insert(WAREHOUSE, Shelf { available: 5, ..Shelf::default() });
                }
            }
        }
        books
    }

    /// Adds an item; without units it is not tracked. Its number.
    pub fn add_item(&mut self, sku: &str, name: &str, pence: i64, units: Option<i64>) -> u64 {
        let id = self.next_id();
        let shelves = units.map(|available| (SHOP, Shelf { available, ..Shelf::default() })).into_iter().collect();
        let (sku, name) = (sku.to_owned(), name.to_owned());
        self.items.push(Item { id, sku, name, pence, tracked: units.is_some(), bundle: false, shelves });
        id
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The item of this SKU, to be changed.
    pub fn item(&mut self, sku: &str) -> Option<&mut Item> {
        self.items.iter_mut().find(|item| item.sku == sku)
    }

    /// What is in stock of an SKU at a location.
    pub fn shelf(&self, sku: &str, location: u64) -> Option<Shelf> {
        self.items.iter().find(|item| item.sku == sku)?.shelves.get(&location).copied()
    }

    /// What shoppers can buy of it from the demo shop's location.
    pub fn available(&self, sku: &str) -> Quantity {
        self.shelf(sku, SHOP).map_or(Quantity::ZERO, |shelf| shelf.available.into())
    }

    /// Somebody else sets what is for sale: staff in the admin, another app.
    pub fn set_available(&mut self, sku: &str, location: u64, units: i64) {
        if let Some(shelf) = self.item(sku).and_then(|item| item.shelves.get_mut(&location)) {
            shelf.available = units;
        }
    }

    /// Does `then` once, just before the next operation of this name is answered.
    pub fn before(&mut self, operation: &str, then: impl FnOnce(&mut Self) + Send + 'static) {
        self.before.push((operation.to_owned(), Box::new(then)));
    }

    /// How many writes of stock were carried out.
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// Who wanted something and was turned away: SKU and units.
    pub fn turned_away(&self) -> &[(String, i64)] {
        &self.turned_away
    }

    /// All orders.
    pub fn orders(&self) -> impl Iterator<Item = &ShopifyOrder> {
        self.orders.values()
    }

    /// All points are spent; from now on they come back at this rate, in points a second.
    pub fn spend_all_points(&mut self, rate: f64) {
        (self.bucket.available, self.bucket.rate, self.bucket.at) = (0.0, rate, self.clock.now());
    }

    /// No token that was granted holds any more.
    pub fn revoke_tokens(&mut self) {
        self.tokens.clear();
    }

    /// Tokens granted and not revoked.
    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }
}

/// What an app needs for all that the agent does.
pub const SCOPES: [&str; 7] = [
    "read_orders",
    "write_orders",
    "read_merchant_managed_fulfillment_orders",
    "read_products",
    "read_inventory",
    "write_inventory",
    "read_locations",
];

/// The books, shared between the server's requests and whoever tells the story.
#[derive(Debug, Clone)]
pub struct Shopify(Arc<Mutex<ShopifyBooks>>);

impl Shopify {
    /// Shares `books`.
    pub fn new(books: ShopifyBooks) -> Self {
        Self(Arc::new(Mutex::new(books)))
    }

    /// Looks at the books, or changes them, while nobody else does.
    pub fn with<T>(&self, look: impl FnOnce(&mut ShopifyBooks) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Places a paid order that the demo shop is to send. Its key.
    ///
    /// # Errors
    /// As [`ShopifyBooks::place`].
    pub fn place(&self, lines: &[(&str, i64)]) -> Result<u64, Refused> {
        let lines: Vec<_> = lines.iter().map(|(sku, units)| (*sku, *units, SHOP)).collect();
        self.with(|books| books.place(&lines, "PAID"))
    }
}
