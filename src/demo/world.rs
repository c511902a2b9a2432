//! The demo's shop: shelf, till, web store, shoppers and staff, with the real agent between till and store, and a second
//! shop with a naive sync that lives through the same events.
//!
//! Promises: the truth is counted here, unit by unit, by whoever moves the goods; the agent has no part in it. Does not
//! promise what no sync can: a customer in the shop and one on the web may both want the last piece between two exports.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::agent_process::{AgentProcess, DemoError, Pace, SETTLE_MS, config};
use super::faults::Faults;
use super::magento::{Magento, Mode, Placed};
use super::seed;
use super::server::StoreServer;
use super::shop::Truth;
use super::till::{Habits, SimulatedTill};
use crate::clock::SystemClock;
use crate::domain::Quantity;

/// An order placed and not shipped.
struct Unshipped {
    placed: Placed,
    sku: String,
    units: Quantity,
}

/// The demo's shop.
pub struct World {
    /// The web store's books.
    pub magento: Magento,
    /// Its server.
    pub server: StoreServer,
    /// The till.
    pub till: SimulatedTill,
    /// The agent.
    pub agent: AgentProcess,
    /// What is really so, and what a naive sync would have made of it.
    pub truth: Truth,
    /// Random, but the same for the same seed.
    pub rng: fastrand::Rng,
    unshipped: Vec<Unshipped>,
    /// Orders that only the naive shop's store accepted, if any did.
    refused: Vec<String>,
    orders_placed: u64,
    exports: u32,
}

/// How it stands with one item at the end.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Row {
    /// The item.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// The till's count.
    pub till: Quantity,
    /// What is really left to sell.
    pub truth: Quantity,
    /// What the web store offers.
    pub store: Quantity,
    /// What the naive shop's web store offers.
    pub naive: Quantity,
}

impl World {
    /// Opens the shop in `folder`; the agent is started.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn open(folder: &Path, options: &super::story::Options) -> Result<Self, DemoError> {
        let magento = Magento::new(seed::magento(Mode::Msi, Arc::new(SystemClock)));
        let server = super::serve(&magento, 0)?;
        let write = |name: &str, text: &str| {
            std::fs::write(folder.join(name), text).map_err(DemoError::io(format!("write {name}")))
        };
        super::write_private(&folder.join("store-token"), &server.token).map_err(DemoError::io("write store-token"))?;
        write("store-ca.pem", &server.ca_pem)?;
        let till = SimulatedTill::new(folder, Habits::default()).map_err(DemoError::io("make the till's folders"))?;
        let pace = Pace { watch: options.watch, hold_at_most_ms: options.hold_at_most_ms };
        let mut agent = AgentProcess::new(folder, options.program.clone(), &config(folder, &server.url, &pace))?;
        agent.start()?;
        Ok(Self {
            magento,
            server,
            till: till.stocked(),
            agent,
            truth: Truth::new(seed::shelf()).beside_naive(Mode::Msi),
            rng: fastrand::Rng::with_seed(options.seed),
            unshipped: Vec::new(),
            refused: Vec::new(),
            orders_placed: 0,
            exports: 0,
        })
    }

    /// Switches for the line to the store.
    pub fn faults(&self) -> &Faults {
        &self.server.faults
    }

    /// Orders that the store has accepted.
    pub fn orders_placed(&self) -> u64 {
        self.orders_placed
    }

    /// What our web store offers.
    pub fn sellable(&self, sku: &str) -> Quantity {
        self.magento.with(|books| books.salable(sku))
    }

    /// What the naive shop's web store offers.
    pub fn naive_sellable(&self, sku: &str) -> Quantity {
        self.truth.naive.as_ref().map_or(Quantity::ZERO, |naive| naive.sellable(sku))
    }

    /// A shopper wants so many, in both shops. Says the order's number if ours took it.
    pub fn shopper(&mut self, sku: &str, units: i64) -> Option<String> {
        let lines = [(sku.to_owned(), Quantity::from(units))];
        match self.magento.place(&[(sku, units)]) {
            Ok(placed) => {
                let number = placed.increment_id.clone();
                self.truth.web_order(&number, &lines, true);
                self.orders_placed += 1;
                self.unshipped.push(Unshipped { placed, sku: sku.to_owned(), units: units.into() });
                Some(number)
            }
            Err(_) => {
                let id = format!("refused-{}", self.refused.len() + 1);
                self.truth.web_order(&id, &lines, false);
                self.refused.push(id);
                None
            }
        }
    }

    /// Staff ship everything that is on the shelf.
    pub fn ship(&mut self) {
        let mut waiting = Vec::new();
        for order in std::mem::take(&mut self.unshipped) {
            let there = self.truth.on_shelf(&order.sku) >= order.units;
            let ship = || self.magento.with(|books| books.ship(order.placed.entity_id, None, Some(seed::SOURCE)));
            if there && ship().is_ok() {
                self.truth.shipped(&order.placed.increment_id);
            } else {
                waiting.push(order);
            }
        }
        self.unshipped = waiting;
        for id in &self.refused {
            self.truth.shipped(id);
        }
    }

    /// A customer in the shop buys, if it is not promised to someone else.
    pub fn walk_in(&mut self, sku: &str, units: i64) {
        if self.truth.truly_sellable(sku) >= units.into() {
            self.till.sell(sku, units.into());
            self.truth.walk_in(sku, units.into());
        }
    }

    /// Both tills take the web orders that they have. Says how many ours took.
    ///
    /// # Errors
    /// When the till's folder cannot be read.
    pub fn import(&mut self) -> Result<usize, DemoError> {
        let booked = self.till.import_all().map_err(DemoError::io("let the till read its import folder"))?;
        for number in booked.iter().map(|booking| &booking.number).chain(&self.refused) {
            self.truth.till_took(number);
        }
        Ok(booked.len())
    }

    /// Both tills export. Returns the name of our file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn export(&mut self) -> Result<String, DemoError> {
        self.exports += 1;
        let name = format!("stock_{:04}.csv", self.exports);
        self.truth.export_began();
        self.till.export(&name).map_err(DemoError::io("let the till export"))?;
        Ok(name)
    }

    /// The naive sync writes what its till exported last, as it stands.
    pub fn naive_sync(&mut self) {
        self.truth.export_arrived();
    }

    /// Long enough that what the till took counts as booked.
    pub fn let_it_settle(&self) {
        std::thread::sleep(Duration::from_millis(SETTLE_MS + 250));
    }

    /// Kills the agent without a warning and starts it again.
    ///
    /// # Errors
    /// When the process cannot be killed or started.
    pub fn kill_agent(&mut self) -> Result<(), DemoError> {
        self.agent.kill()?;
        self.agent.start()
    }

    /// How it stands with every item.
    pub fn rows(&self) -> Vec<Row> {
        let names: std::collections::BTreeMap<String, String> =
            seed::articles().into_iter().map(|article| (article.sku, article.name)).collect();
        let row = |(sku, _): (String, Quantity)| Row {
            name: names.get(&sku).cloned().unwrap_or_default(),
            till: self.till.units(&sku),
            truth: self.truth.truly_sellable(&sku),
            store: self.sellable(&sku),
            naive: self.naive_sellable(&sku),
            sku,
        };
        seed::shelf().into_iter().map(row).collect()
    }
}
