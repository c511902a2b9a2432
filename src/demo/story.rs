//! The story that the demo tells: a day in which everything goes wrong that goes wrong in shops.
//!
//! Promises: the same seed, the same orders, sales and kills; the outcome is counted from the goods, not asked of the
//! agent. What the agent does in between is real: its own process, real files, real HTTPS.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::agent_process::DemoError;
use super::faults::{Count, Fault};
use super::till::Violation;
use super::world::{Row, World};
use crate::domain::Quantity;

/// How to tell it.
#[derive(Debug, Clone)]
pub struct Options {
    /// The same seed, the same story.
    pub seed: u64,
    /// How often the agent is killed while it is busy.
    pub kills: u32,
    /// The program to run as the agent; `None`: this one.
    pub program: Option<PathBuf>,
    /// Does the agent watch the folders, or only look regularly?
    pub watch: bool,
    /// Longest hold at the gate, milliseconds.
    pub hold_at_most_ms: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 1, kills: 3, program: None, watch: true, hold_at_most_ms: 1500 }
    }
}

/// How it ended.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Units that our store sold although they were gone.
    pub oversold: i64,
    /// Units that the naive shop's store sold although they were gone.
    pub naive_oversold: i64,
    /// Orders that our store accepted.
    pub orders_placed: u64,
    /// Orders that the till booked exactly once.
    pub orders_imported_once: u64,
    /// Orders that the till booked more than once.
    pub orders_imported_twice: u64,
    /// Files that the till saw half-written.
    pub half_written_files: u64,
    /// Does the store offer exactly what is really left, for every item?
    pub sellable_equals_truth: bool,
    /// How often the agent was killed.
    pub kills: u32,
    /// The seed.
    pub seed: u64,
    /// How long it took.
    pub seconds: u64,
    /// Every item at the end.
    #[serde(skip)]
    pub rows: Vec<Row>,
}

impl Outcome {
    /// Did every promise hold?
    pub fn is_right(&self) -> bool {
        self.oversold == 0
            && self.orders_imported_twice == 0
            && self.orders_imported_once == self.orders_placed
            && self.half_written_files == 0
            && self.sellable_equals_truth
    }
}

/// The item that the story is about.
const TEAPOT: &str = "1001";
/// Items that shoppers want in the busy hour.
const WANTED: [&str; 8] = ["1001", "1002", "1003", "1005", "A/B-7", "0012345", "TEE-RED", "2000"];
/// Rounds of the busy hour, at least.
const ROUNDS: u32 = 5;

/// Someone who tells what happens.
pub type Narrator<'a> = dyn FnMut(&str) + Send + 'a;

/// Tells the story in `folder`; leaves the shop open for whoever wants to look around.
///
/// # Errors
/// [`DemoError`]: something did not happen that has to.
pub async fn tell(folder: &Path, options: &Options, say: &mut Narrator<'_>) -> Result<(World, Outcome), DemoError> {
    let started = Instant::now();
    let mut world = World::open(folder, options).await?;
    let told = tokio::task::block_in_place(|| chapters(&mut world, options, say));
    told?;
    let outcome = outcome(&world, options, started.elapsed());
    Ok((world, outcome))
}

fn chapters(world: &mut World, options: &Options, say: &mut Narrator<'_>) -> Result<(), DemoError> {
    opening(world, say)?;
    too_early(world, say)?;
    taken(world, say)?;
    line_down(world, say)?;
    busy_hour(world, options, say)?;
    closing(world, say)
}

fn opening(world: &mut World, say: &mut Narrator<'_>) -> Result<(), DemoError> {
    say("A shop opens. Its till and its web store know nothing of each other; Tillbridge sits between them.");
    let first = world.export()?;
    world.naive_sync();
    world.agent.wait_for_export(&first, true)?;
    world.agent.wait_until_sent()?;
    say(&format!(
        "The till exports its stock. Teapots on the shelf: 10; the web store offers {}.",
        world.sellable(TEAPOT)
    ));
    Ok(())
}

fn too_early(world: &mut World, say: &mut Narrator<'_>) -> Result<(), DemoError> {
    for name in ["Ann", "Bob"] {
        if let Some(number) = world.shopper(TEAPOT, 1) {
            say(&format!("{name} buys a teapot on the web: order {number}."));
        }
    }
    world.agent.wait_for_orders(world.orders_placed())?;
    world.agent.wait("the order files", |ledger| Ok(ledger.waiting_for_till()?.len() == 2))?;
    say("Tillbridge has put both orders into the till's import folder. Staff pack and ship them; the till sleeps.");
    world.ship();
    world.let_it_settle();
    let early = world.export()?;
    world.naive_sync();
    world.agent.wait_for_export(&early, false)?;
    say("The till exports too early: it says 10 teapots, and has not booked the two that are gone.");
    say(&format!("    a naive sync offers   {:>2}   ← two teapots that nobody has", world.naive_sellable(TEAPOT)));
    say(&format!(
        "    Tillbridge offers     {:>2}   ← it holds the export until the till has taken the orders",
        world.sellable(TEAPOT)
    ));
    if world.shopper(TEAPOT, 9).is_none() {
        say("Cara wants 9 teapots. The naive shop sells them to her. Ours says: only 8 left.");
    }
    Ok(())
}

fn taken(world: &mut World, say: &mut Narrator<'_>) -> Result<(), DemoError> {
    let taken = world.import()?;
    say(&format!("The till wakes up and takes {taken} orders."));
    world.agent.wait_until_taken()?;
    world.let_it_settle();
    let name = world.export()?;
    world.naive_sync();
    world.agent.wait_for_export(&name, true)?;
    world.agent.wait_until_sent()?;
    say(&format!(
        "It exports again: {} teapots. Tillbridge believes it; the web store offers {}.",
        world.till.units(TEAPOT),
        world.sellable(TEAPOT)
    ));
    Ok(())
}

fn line_down(world: &mut World, say: &mut Narrator<'_>) -> Result<(), DemoError> {
    world.faults().set(Fault::Offline, Count::UntilCleared);
    say("The shop's internet line goes down.");
    world.shopper(TEAPOT, 2);
    world.shopper("1003", 3);
    world.walk_in("1004", 5);
    let name = world.export()?;
    world.agent.wait_for_export(&name, true)?;
    say(
        "Meanwhile two more web orders come in, a customer in the shop buys 5 saucers, the till exports. It all waits.",
    );
    world.faults().clear();
    world.agent.wake("the line is back")?;
    world.agent.wait_for_orders(world.orders_placed())?;
    world.agent.wait_until_sent_stock()?;
    world.naive_sync();
    say(&format!(
        "The line is back. First the orders are read, then the stock is sent: {} saucers, {} teapots.",
        world.sellable("1004"),
        world.sellable(TEAPOT)
    ));
    Ok(())
}

fn busy_hour(world: &mut World, options: &Options, say: &mut Narrator<'_>) -> Result<(), DemoError> {
    say(&format!(
        "A busy hour: shoppers, staff and the till at once, and the agent is killed {} times (SIGKILL).",
        options.kills
    ));
    let rounds = ROUNDS.max(options.kills);
    for round in 0..rounds {
        let kill = round < options.kills;
        round_of_business(world, kill)?;
    }
    say(&format!(
        "It has started again each time, and goes on where it was. Orders so far: {}.",
        world.orders_placed()
    ));
    Ok(())
}

fn round_of_business(world: &mut World, kill: bool) -> Result<(), DemoError> {
    let shoppers = world.rng.usize(1..4);
    let kill_after = world.rng.usize(0..shoppers + 2);
    for shopper in 0..shoppers {
        let (sku, units) = (WANTED[world.rng.usize(..WANTED.len())], world.rng.i64(1..4));
        world.shopper(sku, units);
        if kill && shopper == kill_after {
            kill_at_some_moment(world)?;
        }
    }
    if world.rng.bool() {
        world.ship();
    }
    if world.rng.bool() {
        world.import()?;
    }
    let (sku, units) = (WANTED[world.rng.usize(..WANTED.len())], world.rng.i64(1..3));
    world.walk_in(sku, units);
    let name = world.export()?;
    world.naive_sync();
    if kill && kill_after >= shoppers {
        kill_at_some_moment(world)?;
    }
    // Shoppers go on once the store shows what this export says: what was sold in the shop before that, nobody knew.
    world.agent.wait_for_export(&name, true)?;
    world.agent.wait_until_sent_stock()
}

/// A moment that the seed chooses, while the agent has its hands full.
fn kill_at_some_moment(world: &mut World) -> Result<(), DemoError> {
    std::thread::sleep(Duration::from_millis(world.rng.u64(0..250)));
    world.kill_agent()
}

fn closing(world: &mut World, say: &mut Narrator<'_>) -> Result<(), DemoError> {
    world.agent.wait_for_orders(world.orders_placed())?;
    world.import()?;
    world.agent.wait("the rest of the orders being written for the till", |ledger| {
        Ok(ledger.orders_to_publish(1)?.is_empty())
    })?;
    world.import()?;
    world.agent.wait_until_taken()?;
    world.ship();
    world.let_it_settle();
    let name = world.export()?;
    world.naive_sync();
    world.agent.wait_for_export(&name, true)?;
    world.agent.wait_until_sent()?;
    say("Evening. The till has taken every order, and exports a last time.");
    Ok(())
}

fn outcome(world: &World, options: &Options, took: Duration) -> Outcome {
    let rows = world.rows();
    let times: Vec<u32> = world.till.imported().values().copied().collect();
    let half_written = |violation: &&Violation| matches!(violation, Violation::HalfWritten { .. });
    Outcome {
        oversold: whole(world.truth.oversold()),
        naive_oversold: world.truth.naive.as_ref().map_or(0, |naive| whole(naive.oversold())),
        orders_placed: world.orders_placed(),
        orders_imported_once: times.iter().filter(|times| **times == 1).count() as u64,
        orders_imported_twice: times.iter().filter(|times| **times > 1).count() as u64,
        half_written_files: world.till.violations().iter().filter(half_written).count() as u64,
        sellable_equals_truth: rows.iter().all(|row| row.store == row.truth),
        kills: options.kills,
        seed: options.seed,
        seconds: took.as_secs(),
        rows,
    }
}

/// The demo's goods come in whole units.
fn whole(units: Quantity) -> i64 {
    use rust_decimal::prelude::ToPrimitive;
    units.decimal().ceil().to_i64().unwrap_or(i64::MAX)
}
