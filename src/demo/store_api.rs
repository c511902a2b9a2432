//! A web store that speaks our own store API, in memory.
//!
//! Promises: sequence numbers without gaps per location; a quantity that is told with the events counted in it loses
//! no order placed, changed or cancelled meanwhile; an older export never overwrites a younger one; the same idempotency
//! key and body are carried out once. Does not promise to keep anything: it is a simulation of a store, not one.
//!
//! The books are pure; [`router`] puts them behind HTTP as `src/central/store_api/openapi.json` describes. Hand play
//! works as with the simulated Magento: `POST /demo/orders`, `POST /demo/orders/{id}/ship`, `POST
//! /demo/orders/{id}/cancel`, `POST /demo/orders/{id}/move` (to another shop), `GET /demo/stock`, all without a token.

mod asked;
mod order;
mod rest;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderName, header};
use jiff::Timestamp;
use serde_json::Value;

use crate::domain::Quantity;
use crate::ports::Clock;

pub use order::{Ack, Event, Kind, SoldLine, StoreOrder};
pub use rest::router;

/// Most stock lines in one write.
pub const MOST_LINES: usize = 500;

/// Most SKUs in one question.
pub const MOST_ASKED: usize = 100;

/// What the store holds of one SKU.
#[derive(Debug, Clone)]
struct Held {
    name: String,
    price_pence: i64,
    /// Does it keep a quantity of it?
    managed: bool,
    /// As told by the shop; `None` until it is told for the first time.
    told: Option<Told>,
    /// Moves with everything that changes what is available.
    version: u64,
}

#[derive(Debug, Clone)]
struct Told {
    available: Quantity,
    as_of: Timestamp,
    counted: Counted,
}

/// Which orders are counted in a quantity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// All events up to this number.
    pub through: u64,
    /// Orders with such events that are not counted all the same.
    pub but: BTreeSet<String>,
}

/// One quantity in a `PUT /v1/stock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Of what.
    pub sku: String,
    /// What may still be sold, the orders of `orders_included` counted in.
    pub available: Quantity,
    /// Only if the store still has this version.
    pub if_version: Option<String>,
}

/// What became of one quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// Stored.
    Applied,
    /// Somebody changed it meanwhile.
    Conflict,
    /// A younger export was stored before.
    Superseded,
    /// No such SKU.
    UnknownSku,
    /// The store keeps no quantity of it.
    NotManaged,
}

impl Became {
    /// The word in the answer.
    pub fn word(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Conflict => "conflict",
            Self::Superseded => "superseded",
            Self::UnknownSku => "unknown_sku",
            Self::NotManaged => "not_managed",
        }
    }
}

/// Why the store says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// The stable word.
    pub code: &'static str,
    /// For people.
    pub detail: String,
    /// With `too_many_items`: how many are taken.
    pub max: Option<usize>,
    /// A header that goes with it.
    pub further: Option<(HeaderName, String)>,
}

impl Problem {
    fn new(status: u16, code: &'static str, detail: &str) -> Self {
        Self { status, code, detail: detail.to_owned(), max: None, further: None }
    }

    fn too_many(max: usize) -> Self {
        Self { max: Some(max), ..Self::new(413, "too_many_items", "too many items at once") }
    }
}

/// The books of a store with one location.
pub struct StoreBooks {
    clock: Arc<dyn Clock>,
    location: String,
    stock: BTreeMap<String, Held>,
    orders: BTreeMap<String, StoreOrder>,
    /// Which orders have a line with a SKU.
    sold: BTreeMap<String, BTreeSet<String>>,
    events: Vec<Event>,
    acks: Vec<Ack>,
    /// When each key came, with what, and what was answered.
    keys: BTreeMap<String, (Timestamp, String, Value)>,
    turned_away: Vec<(String, Quantity)>,
    heartbeats: Vec<Value>,
    tokens: BTreeSet<String>,
    least_version: String,
    most_lines: usize,
    busy: Option<(u32, Problem)>,
}

impl std::fmt::Debug for StoreBooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreBooks").field("orders", &self.orders.len()).finish_non_exhaustive()
    }
}

impl StoreBooks {
    /// An empty store with one shop.
    pub fn new(location: &str, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            location: location.to_owned(),
            stock: BTreeMap::new(),
            orders: BTreeMap::new(),
            sold: BTreeMap::new(),
            events: Vec::new(),
            acks: Vec::new(),
            keys: BTreeMap::new(),
            turned_away: Vec::new(),
            heartbeats: Vec::new(),
            tokens: BTreeSet::new(),
            least_version: "0.1.0".to_owned(),
            most_lines: MOST_LINES,
            busy: None,
        }
    }

    /// A store with the demo shop's goods, as counted at the start.
    pub fn seeded(clock: Arc<dyn Clock>) -> Self {
        let mut books = Self::new(super::seed::SOURCE, clock);
        let start = Timestamp::UNIX_EPOCH;
        for article in super::seed::articles() {
            let counted =
                article.units.map(|units| Told { available: units.into(), as_of: start, counted: Counted::default() });
            let sells = !matches!(article.kind, super::magento::ProductKind::Configurable);
            if sells {
                let (name, price_pence, managed) = (article.name, article.pence, counted.is_some());
                books.stock.insert(article.sku, Held { name, price_pence, managed, told: counted, version: 1 });
            }
        }
        books
    }

    /// Adds an article; `managed` articles cannot be sold before they are counted.
    pub fn add_article(&mut self, sku: &str, name: &str, price_pence: i64, managed: bool) {
        let held = Held { name: name.to_owned(), price_pence, managed, told: None, version: 1 };
        self.stock.insert(sku.to_owned(), held);
    }

    /// What can be sold now; `None` for what is unknown, not managed or never counted.
    ///
    /// What was told, less all that orders take beyond what they took when it was told: an order that is cancelled
    /// since then gives its units back, counted in or not.
    pub fn available(&self, sku: &str) -> Option<Quantity> {
        let told = self.stock.get(sku).filter(|held| held.managed)?.told.as_ref()?;
        let (counted, start) = (&told.counted, usize::try_from(told.counted.through).unwrap_or(usize::MAX));
        let (before, since) = self.events.split_at(start.min(self.events.len()));
        let taken_then = |id: &str| {
            let last = before.iter().rfind(|event| event.order_id == id);
            last.and_then(|event| event.takes.get(sku)).copied().unwrap_or(Quantity::ZERO)
        };
        let moved = |id: &&String| since.iter().any(|event| event.order_id == **id);
        let orders = self.sold.get(sku).into_iter().flatten();
        let since = orders.filter(|id| !counted.but.contains(*id)).filter(moved).filter_map(|id| self.orders.get(id));
        let since: Quantity = since.map(|order| order.to_take(sku) - taken_then(&order.id)).sum();
        let uncounted = counted.but.iter().filter_map(|id| self.orders.get(id));
        let uncounted: Quantity = uncounted.map(|order| order.to_ship(sku)).sum();
        Some((told.available - since - uncounted).or_zero())
    }

    /// The version of a SKU's quantity.
    pub fn version(&self, sku: &str) -> Option<String> {
        self.stock.get(sku).map(|held| held.version.to_string())
    }

    /// Takes quantities from the shop. Each stands alone.
    ///
    /// # Errors
    /// When more events are said to be counted in than there are.
    pub fn put_stock(
        &mut self,
        as_of: Timestamp,
        items: &[Wanted],
        counted: &Counted,
    ) -> Result<Vec<(String, Became)>, Problem> {
        if counted.through > self.newest() {
            let detail = format!("event {} has never been, the newest is {}", counted.through, self.newest());
            return Err(Problem::new(409, "events_ahead", &detail));
        }
        Ok(items.iter().map(|item| (item.sku.clone(), self.put_one(as_of, item, counted))).collect())
    }

    /// Number of the newest event; 0 when there is none.
    pub fn newest(&self) -> u64 {
        self.events.last().map_or(0, |event| event.seq)
    }

    fn put_one(&mut self, as_of: Timestamp, item: &Wanted, counted: &Counted) -> Became {
        let Some(held) = self.stock.get_mut(&item.sku) else { return Became::UnknownSku };
        if !held.managed {
            return Became::NotManaged;
        }
        if held.told.as_ref().is_some_and(|told| told.as_of > as_of) {
            return Became::Superseded;
        }
        if item.if_version.as_ref().is_some_and(|version| *version != held.version.to_string()) {
            return Became::Conflict;
        }
        held.told = Some(Told { available: item.available, as_of, counted: counted.clone() });
        held.version += 1;
        Became::Applied
    }

    /// This token is good from now on, beside those that are.
    pub fn take_token(&mut self, token: &str) {
        self.tokens.insert(token.to_owned());
    }

    /// This token is good no more.
    pub fn withdraw_token(&mut self, token: &str) {
        self.tokens.remove(token);
    }

    fn takes_token(&self, token: &str) -> bool {
        self.tokens.contains(token)
    }

    /// The oldest agent that it works with.
    pub fn want_version(&mut self, least: &str) {
        least.clone_into(&mut self.least_version);
    }

    /// From now on it takes no more than this at once.
    pub fn limit_lines(&mut self, most: usize) {
        self.most_lines = most;
    }

    /// The next requests are put off: with 503 when it is `unavailable`, else with 429.
    pub fn put_off(&mut self, requests: u32, unavailable: bool, seconds: u32) {
        let problem = if unavailable {
            Problem::new(503, "unavailable", "closed for a moment")
        } else {
            Problem::new(429, "slow_down", "too many requests")
        };
        self.busy = Some((requests, Problem { further: Some((header::RETRY_AFTER, seconds.to_string())), ..problem }));
    }

    fn busy(&mut self) -> Option<Problem> {
        let (left, problem) = self.busy.take()?;
        if left > 1 {
            self.busy = Some((left - 1, problem.clone()));
        }
        Some(problem)
    }

    /// All orders, by id.
    pub fn orders(&self) -> impl Iterator<Item = &StoreOrder> {
        self.orders.values()
    }

    /// All events, by sequence number.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// All acknowledgements, oldest first.
    pub fn acks(&self) -> &[Ack] {
        &self.acks
    }

    /// Who wanted something and was turned away.
    pub fn turned_away(&self) -> &[(String, Quantity)] {
        &self.turned_away
    }

    /// All heartbeats, as they came.
    pub fn heartbeats(&self) -> &[Value] {
        &self.heartbeats
    }
}

/// The books, shared between the server's requests and whoever tells the story.
#[derive(Debug, Clone)]
pub struct Store(Arc<Mutex<StoreBooks>>);

impl Store {
    /// Shares `books`.
    pub fn new(books: StoreBooks) -> Self {
        Self(Arc::new(Mutex::new(books)))
    }

    /// Looks at the books, or changes them, while nobody else does.
    pub fn with<T>(&self, look: impl FnOnce(&mut StoreBooks) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Places an order for a made-up guest, ready for the till.
    ///
    /// # Errors
    /// As [`StoreBooks::place`].
    pub fn place(&self, lines: &[(&str, i64)]) -> Result<String, Problem> {
        let lines: Vec<_> = lines.iter().map(|(sku, units)| ((*sku).to_owned(), Quantity::from(*units))).collect();
        self.with(|books| books.place(&lines, true))
    }
}
