//! The real agent in a process of its own, killed for real at steps of publishing and withdrawing, between a simulated
//! Magento and a till that looks into its import folder without pause and reads whatever it sees at once.
//!
//! Seeded; bounded by the number of kills and by time.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]
#![allow(clippy::disallowed_methods, reason = "this till takes a file by moving it, as tills do")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tillbridge::clock::SystemClock;
use tillbridge::demo::agent_process::{AgentProcess, Pace, config};
use tillbridge::demo::magento::{Magento, Mode, SourceWrite};
use tillbridge::demo::{self, seed};
use tillbridge::domain::OrderState;
use tillbridge::ledger::orders::OrderFilter;

/// Kills, unless the machine is so slow that time runs out first.
const KILLS: usize = 60;
/// Time for all kills, and for one step to be seen.
const KILLING: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_secs(3);
const FEWEST_KILLS: usize = 5;
const SKU: &str = "1003";

/// What the killer waits for: the first file with this ending in the import folder, or in staging.
const STEPS: [(bool, &str); 7] = [
    (false, ".csv.staged"),
    (false, ".done.staged"),
    (true, "_lines.csv"),
    (true, ".csv"),
    (true, ".done"),
    (false, ".held"),
    (false, ".withdrawn"),
];

const PROFILE: &str = r#"[epos.order_profile]
name = "orders_{sequence:6}.csv"
batch = { most_orders = 4 }
columns = [{ name = "OrderNo", value = "order.number" }]
lines_file = { name = "{stem}_lines.csv", columns = [{ name = "OrderNo", value = "order.number" }, { name = "Qty", value = "line.quantity" }, { name = "SKU", value = "line.sku" }] }
trigger = { name = "{stem}.done", content = "go" }

[store]"#;

/// A till in a thread of its own.
struct Till {
    import: PathBuf,
    taken: PathBuf,
    rng: fastrand::Rng,
    /// How often each order was booked.
    booked: BTreeMap<String, u32>,
    files: BTreeSet<String>,
}

impl Till {
    /// Reads whatever it sees; takes so many in 255 of what it was told to begin with.
    fn look(&mut self, takes: u8) {
        for entry in std::fs::read_dir(&self.import).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with('.') {
                continue;
            }
            // It may be gone by now: taken away again.
            if let Ok(text) = std::fs::read_to_string(entry.path()) {
                assert!(is_whole(&name, &text), "{name} is not whole: {text:?}");
            }
            if let Some(stem) = name.strip_suffix(".done")
                && self.rng.u8(..u8::MAX) < takes
            {
                self.take(stem);
            }
        }
    }

    fn take(&mut self, stem: &str) {
        let (main, lines) = (format!("{stem}.csv"), format!("{stem}_lines.csv"));
        let mine = self.taken.join(&main);
        // Moving it is what decides between the till and an agent that takes it back.
        if std::fs::rename(self.import.join(&main), &mine).is_ok() {
            assert!(self.files.insert(main.clone()), "{main} came twice");
            let numbers = numbers_in(&std::fs::read_to_string(mine).unwrap());
            let lines = self.import.join(lines);
            let of_lines = numbers_in(&std::fs::read_to_string(&lines).unwrap_or_else(|why| panic!("{main}: {why}")));
            assert_eq!(numbers, of_lines, "{main}");
            for number in numbers {
                *self.booked.entry(number).or_default() += 1;
            }
            std::fs::remove_file(lines).unwrap();
        }
        std::fs::remove_file(self.import.join(format!("{stem}.done"))).ok();
    }
}

fn is_whole(name: &str, text: &str) -> bool {
    let has_records = text.ends_with("\r\n") && text.lines().count() > 1;
    match name {
        _ if name.ends_with(".done") => text == "go",
        _ if name.ends_with("_lines.csv") => {
            has_records && text.starts_with("OrderNo,Qty,SKU\r\n") && text.ends_with(",1003\r\n")
        }
        _ => has_records && text.starts_with("OrderNo\r\n"),
    }
}

fn numbers_in(text: &str) -> Vec<String> {
    text.lines().skip(1).filter_map(|line| line.split(',').next()).map(str::to_owned).collect()
}

/// Waits until there is a file with this ending, for so long at most.
fn seen_in(folder: &Path, ending: &str) -> bool {
    let began = Instant::now();
    let is_there = || {
        let mut entries = std::fs::read_dir(folder).unwrap().filter_map(Result::ok);
        entries.any(|entry| entry.file_name().to_string_lossy().ends_with(ending))
    };
    while began.elapsed() < STEP {
        if is_there() {
            return true;
        }
    }
    false
}

/// Waits for the step, without pause; then the agent is killed. Says whether the step was seen.
fn kill_at(agent: &mut AgentProcess, (is_seen, ending): (bool, &str), import: &Path) -> bool {
    let folder = if is_seen { import.to_owned() } else { import.join(".tillbridge") };
    let names = || -> BTreeSet<_> {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
        entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| name.ends_with(ending)).collect()
    };
    let (before, began) = (names(), Instant::now());
    let mut is_new = false;
    while !is_new && began.elapsed() < STEP {
        is_new = !names().is_subset(&before);
    }
    agent.kill().unwrap();
    is_new
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_the_agent_is_killed_every_order_is_booked_once_and_no_part_of_a_file_is_ever_seen() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let magento = Magento::new(seed::magento(Mode::Msi, Arc::new(SystemClock)));
    let plenty = SourceWrite { source: seed::SOURCE.into(), sku: SKU.into(), quantity: 100_000.into(), in_stock: true };
    magento.with(|books| books.write_sources(&[plenty])).unwrap();
    let server = demo::serve(&magento, 0).unwrap();
    tillbridge::demo::write_private(&at.join("store-token"), &server.token).unwrap();
    std::fs::write(at.join("store-ca.pem"), &server.ca_pem).unwrap();
    let [import, taken] = ["import", "taken"].map(|name| at.join(name));
    [&import, &taken, &at.join("export")].into_iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    let text = config(at, &server.url, &Pace { watch: true, hold_at_most_ms: 1000 });
    let (head, rest) = text.split_once("[epos.order_profile]").unwrap();
    let text = format!("{head}{PROFILE}{}", rest.split_once("[store]").unwrap().1);
    let program = PathBuf::from(env!("CARGO_BIN_EXE_tillbridge"));
    let mut agent = AgentProcess::new(at, Some(program), &text).unwrap();

    let (is_over, rests) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let till = std::thread::spawn({
        let (is_over, rests, import) = (is_over.clone(), rests.clone(), import.clone());
        let mut till =
            Till { import, taken, rng: fastrand::Rng::with_seed(4), booked: BTreeMap::new(), files: BTreeSet::new() };
        move || {
            let mut killing = true;
            while killing {
                killing = !is_over.load(Ordering::Relaxed);
                till.look(if rests.load(Ordering::Relaxed) {
                    0
                } else if killing {
                    40
                } else {
                    u8::MAX
                });
            }
            till
        }
    });

    let (mut rng, mut kills, mut seen) = (fastrand::Rng::with_seed(7), 0, BTreeMap::<_, u32>::new());
    let (mut placed, mut cancelled, began) = (Vec::new(), BTreeSet::new(), Instant::now());
    while kills < KILLS && began.elapsed() < KILLING {
        agent.start().unwrap();
        for _ in 0..rng.usize(1..4) {
            placed.push(magento.place(&[(SKU, 1)]).unwrap());
        }
        let step = STEPS[kills % STEPS.len()];
        let is_withdrawal = step.1 == ".held" || step.1 == ".withdrawn";
        rests.store(is_withdrawal, Ordering::Relaxed);
        let recent: Vec<_> = placed.iter().rev().take(3).collect();
        if is_withdrawal {
            // The till is slow: its files wait, and an order in one of them is cancelled.
            seen_in(&import, ".done");
        }
        for late in recent.into_iter().filter(|_| is_withdrawal || rng.u8(..) < 90) {
            if magento.with(|books| books.cancel(late.entity_id)).is_ok_and(|is_cancelled| is_cancelled) {
                cancelled.insert(late.increment_id.clone());
            }
        }
        *seen.entry(step.1).or_default() += u32::from(kill_at(&mut agent, step, &import));
        kills += 1;
        assert!(!till.is_finished(), "the till found something wrong");
    }
    assert!(kills >= FEWEST_KILLS, "{kills}");

    rests.store(false, Ordering::Relaxed);
    agent.start().unwrap();
    agent.wait_for_orders(placed.len() as u64).unwrap();
    agent.wait_until_taken().unwrap();
    is_over.store(true, Ordering::Relaxed);
    let till = till.join().expect("the till found something wrong");
    agent.kill().unwrap();
    let orders = agent.ledger().unwrap().orders(&OrderFilter::default()).unwrap();
    let ran = format!("{kills} kills, steps seen {seen:?}, {} files, {} cancelled", till.files.len(), cancelled.len());
    assert_eq!(orders.len(), placed.len(), "{ran}");
    for order in orders {
        let number = &order.order.number;
        let times = till.booked.get(number).copied().unwrap_or(0);
        match order.state {
            OrderState::Consumed | OrderState::Acknowledged => assert_eq!(times, 1, "{number}: {ran}"),
            OrderState::Withdrawn => {
                assert!(cancelled.contains(number), "{number} is wanted: {ran}");
                assert_eq!(times, 0, "{number}: {ran}");
            }
            other => panic!("{number} is {other}: {ran}"),
        }
    }
    let left: Vec<_> = std::fs::read_dir(&import).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".tillbridge"], "nothing lies about");
}
