//! Publication as a whole: several files for an order, several orders in a file, changes before the till took an order,
//! folders that refuse, and what an earlier life of the agent left.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]
#![allow(clippy::disallowed_methods, reason = "a test plays the till, a restored copy and a power cut")]

mod shop;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use shop::{Step, TestShop};
use tillbridge::demo::magento::Mode;
use tillbridge::domain::OrderState;
use tillbridge::domain::order::Standing;
use tillbridge::epos::evidence_settings::GoneProves;
use tillbridge::ports::{Epos, Purpose, ToWrite};

const LINES: &str = r#"{ name = "OrderNo", value = "order.number" }, { name = "SKU", value = "line.sku" }, { name = "Qty", value = "line.quantity" }"#;

fn parts() -> String {
    format!(
        "columns = [{{ name = \"OrderNo\", value = \"order.number\" }}]\n\
         lines_file = {{ name = \"{{stem}}_lines.csv\", columns = [{LINES}] }}\ntrigger = {{ name = \"{{stem}}.done\" }}"
    )
}

fn batch(most: usize, rest: &str) -> String {
    format!(
        "name = \"orders_{{sequence:6}}.csv\"\nbatch = {{ most_orders = {most}{rest} }}\n\
         encoding = \"ascii\"\nunknown_characters = \"refuse\"\ncolumns = [{LINES}, {{ name = \"Name\", value = \"customer.name\" }}]"
    )
}

/// What lies in the import folder, as the till sees it.
fn seen(shop: &TestShop) -> Vec<String> {
    files_in(&shop.till.import)
}

fn files_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.filter(|name| !name.starts_with(".tillbridge")).collect();
    names.sort();
    names
}

fn numbers_in(shop: &TestShop, file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(shop.till.import.join(file)).unwrap();
    let numbers: BTreeSet<&str> = text.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    numbers.into_iter().map(str::to_owned).collect()
}

fn imported(shop: &TestShop, number: &str) -> u32 {
    shop.till.imported().get(number).copied().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_header_lines_and_trigger_goes_all_the_way() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.write_orders_as(&parts());
    shop.till.habits.lines_ending = Some("_lines.csv".into());
    shop.till.habits.trigger_ending = Some(".done".into());
    let number = shop.place("1001", 2).increment_id;
    shop.pull().await;
    shop.write_orders();
    let names = ["order_N.csv", "order_N.done", "order_N_lines.csv"].map(|name| name.replace('N', &number));
    assert_eq!(seen(&shop), names);
    assert_eq!(shop.till_takes_all(), 1);
    shop.deliver().await;
    assert_eq!((shop.state_of(&number), imported(&shop, &number)), (OrderState::Acknowledged, 1));
    // Cancelled in time it goes as a whole, the lines too.
    let order = shop.place("1001", 1);
    shop.pull().await;
    shop.write_orders();
    assert_eq!(seen(&shop).len(), 3);
    shop.cancel(&order);
    shop.pull().await;
    shop.write_orders();
    assert_eq!((seen(&shop), shop.state_of(&order.increment_id)), (Vec::new(), OrderState::Withdrawn));
    assert_eq!(shop.till.violations(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_the_till_leaves_lying_serves_the_next_order_and_proves_nothing() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.write_orders_as(&format!("trigger = {{ name = \"endofday.trg\", content = \"go\\n\" }}\ncolumns = [{LINES}]"));
    let first = shop.place("1001", 1).increment_id;
    shop.pull().await;
    shop.write_orders();
    // The till takes the trigger away and begins, but has not come to the order yet.
    std::fs::remove_file(shop.till.import.join("endofday.trg")).unwrap();
    shop.look_at_orders();
    assert_eq!(shop.state_of(&first), OrderState::Published);
    let second = shop.place("1001", 1).increment_id;
    shop.pull().await;
    shop.write_orders();
    assert_eq!(std::fs::read_to_string(shop.till.import.join("endofday.trg")).unwrap(), "go\r\n");
    shop.till_takes_all();
    assert_eq!(seen(&shop), ["endofday.trg"], "it leaves the trigger lying");
    assert_eq!((shop.state_of(&first), shop.state_of(&second)), (OrderState::Consumed, OrderState::Consumed));
    shop.place("1001", 1);
    shop.pull().await;
    shop.write_orders();
    assert_eq!((seen(&shop).len(), shop.till_takes_all()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_as_many_orders_as_the_till_takes_and_one_that_cannot_be_written_fails_alone() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.write_orders_as(&batch(3, ""));
    let numbers: Vec<String> = (0..5).map(|_| shop.place("1003", 1).increment_id).collect();
    shop.pull().await;
    shop.edit(&numbers[1], |order| order.customer.name = "Zoë".into());
    shop.write_orders();
    assert_eq!(seen(&shop), ["orders_000001.csv", "orders_000002.csv"]);
    assert_eq!(numbers_in(&shop, "orders_000001.csv"), [&numbers[0], &numbers[2], &numbers[3]].map(String::as_str));
    assert_eq!(shop.state_of(&numbers[1]), OrderState::Failed);
    assert!(shop.condition_text("order_failed").contains(&numbers[1]));
    assert_eq!(shop.till_takes_all(), 4);
    let taken = [0, 2, 3, 4].map(|at| (shop.state_of(&numbers[at]), imported(&shop, &numbers[at])));
    assert_eq!(taken, [(OrderState::Consumed, 1); 4]);
    // Once it can be written it goes with the next.
    shop.edit(&numbers[1], |order| order.customer.name = "Zoe".into());
    shop.write_orders();
    assert_eq!(numbers_in(&shop, "orders_000003.csv"), [numbers[1].as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_a_batch_wait_for_each_other_as_long_as_they_are_told_to() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.write_orders_as(&batch(3, ", wait_at_most = \"15 min\""));
    shop.place("1003", 1);
    shop.pull().await;
    shop.pass_time(14 * 60);
    shop.place("1003", 1);
    shop.pull().await;
    shop.write_orders();
    assert_eq!(seen(&shop), Vec::<String>::new(), "the first has waited for 14 minutes");
    shop.pass_time(60);
    shop.write_orders();
    assert_eq!(numbers_in(&shop, "orders_000001.csv").len(), 2);
    for _ in 0..4 {
        shop.place("1003", 1);
    }
    shop.pull().await;
    shop.write_orders();
    assert_eq!(numbers_in(&shop, "orders_000002.csv").len(), 3, "a full file waits for nobody");
    assert_eq!(seen(&shop).len(), 2, "the fourth waits");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_takes_its_batch_back_and_the_others_are_written_anew_and_never_doubled() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.write_orders_as(&batch(10, ""));
    let orders: Vec<_> = (0..4).map(|_| shop.place("1003", 1)).collect();
    let numbers: Vec<&str> = orders.iter().map(|order| order.increment_id.as_str()).collect();
    shop.pull().await;
    shop.write_orders();
    shop.cancel(&orders[0]);
    shop.cancel(&orders[2]);
    shop.pull().await;
    shop.write_orders();
    assert_eq!(seen(&shop), ["orders_000002.csv"], "a number that was seen is not used again");
    assert_eq!(numbers_in(&shop, "orders_000002.csv"), [numbers[1], numbers[3]]);
    assert_eq!(shop.till_takes_all(), 2);
    let ends = numbers.iter().map(|number| (shop.state_of(number), imported(&shop, number)));
    let (gone, booked) = ((OrderState::Withdrawn, 0), (OrderState::Consumed, 1));
    assert_eq!(ends.collect::<Vec<_>>(), [gone, booked, gone, booked]);
    // Losing the race: the till has the batch, cancelled order and all.
    let orders: Vec<_> = (0..2).map(|_| shop.place("1003", 1)).collect();
    shop.pull().await;
    shop.write_orders();
    shop.till.import_all().unwrap();
    shop.cancel(&orders[0]);
    shop.pull().await;
    shop.look_at_orders();
    for order in &orders {
        let number = &order.increment_id;
        assert_eq!((shop.state_of(number), imported(&shop, number)), (OrderState::Consumed, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_a_batch_that_is_asked_for_again_is_written_again_and_the_others_once() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.write_orders_as(&batch(10, ""));
    let numbers: Vec<String> = (0..3).map(|_| shop.place("1003", 1).increment_id).collect();
    shop.pull().await;
    shop.write_orders();
    shop.ledger().ask_for_order(&numbers[1], true, "ann", shop.clock_now()).unwrap();
    shop.write_orders();
    shop.write_orders();
    let waiting: Vec<String> = seen(&shop).iter().flat_map(|file| numbers_in(&shop, file)).collect();
    let mut sorted = waiting.clone();
    sorted.sort();
    assert_eq!(sorted, numbers, "each once: {waiting:?}");
    shop.till_takes_all();
    assert!(numbers.iter().all(|number| (shop.state_of(number), imported(&shop, number)) == (OrderState::Consumed, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_changed_before_the_till_took_it_is_taken_back_and_written_anew() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let number = shop.place("1001", 3).increment_id;
    shop.pull().await;
    shop.write_orders();
    let (first, second) = (format!("order_{number}.csv"), format!("order_{number}_2.csv"));
    assert_eq!(seen(&shop), [first.as_str()]);
    // What the store does with it itself is nothing that the till books.
    shop.edit(&number, |order| {
        order.lines[0].shipped = 1.into();
        order.store_status = "complete".into();
        order.standing = Standing::Ready;
    });
    shop.write_orders();
    assert_eq!(seen(&shop), [first.as_str()]);
    // One unit is cancelled.
    shop.edit(&number, |order| order.lines[0].cancelled = 1.into());
    shop.write_orders();
    assert_eq!(seen(&shop), [second.as_str()]);
    assert!(std::fs::read_to_string(shop.till.import.join(&second)).unwrap().ends_with(",1001,2\r\n"));
    shop.till_takes_all();
    assert_eq!((shop.state_of(&number), imported(&shop, &number)), (OrderState::Consumed, 1));
    // A change that comes too late writes nothing.
    shop.edit(&number, |order| order.lines[0].cancelled = 2.into());
    shop.look_at_orders();
    assert_eq!((seen(&shop).len(), imported(&shop, &number)), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_till_that_took_an_order_before_it_was_changed_has_it_once() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let number = shop.place("1001", 3).increment_id;
    shop.pull().await;
    shop.write_orders();
    shop.till.import_all().unwrap();
    shop.edit(&number, |order| order.lines[0].cancelled = 1.into());
    shop.look_at_orders();
    assert_eq!((shop.state_of(&number), seen(&shop).len(), imported(&shop, &number)), (OrderState::Consumed, 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_from_before_versions_were_noted_is_left_alone() {
    let shop = TestShop::in_business(Mode::Msi).await;
    let number = shop.place("1001", 3).increment_id;
    shop.pull().await;
    shop.write_orders();
    let ledger = shop.config.agent.data_folder.join("ledger.db");
    let beside = rusqlite::Connection::open(ledger).unwrap();
    assert_eq!(beside.execute("UPDATE order_file SET version = ''", []).unwrap(), 1);
    shop.edit(&number, |order| order.lines[0].cancelled = 1.into());
    shop.write_orders();
    assert_eq!(seen(&shop), [format!("order_{number}.csv")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_uses_up_no_running_numbers_and_leaves_nothing_to_see() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.write_orders_as(&batch(2, ""));
    for _ in 0..3 {
        shop.place("1003", 1);
    }
    shop.pull().await;
    shop.agent().epos.fill_disk(true);
    for _ in 0..5 {
        shop.write_orders();
        shop.pass_time(5);
    }
    assert_eq!(seen(&shop), Vec::<String>::new());
    // Meanwhile an older order comes in: the files have other orders than was planned.
    let planned = shop.ledger().orders(&Default::default()).unwrap()[0].order.number.clone();
    shop.edit(&planned, |order| {
        order.id = tillbridge::domain::OrderId("older".into());
        order.number = "000000000".into();
        order.placed_at -= jiff::SignedDuration::from_hours(1);
    });
    shop.agent().epos.fill_disk(false);
    shop.write_orders();
    assert_eq!(seen(&shop), ["orders_000001.csv", "orders_000002.csv"]);
    assert!(numbers_in(&shop, "orders_000001.csv").contains(&"000000000".to_owned()));
    assert_eq!(shop.till_takes_all(), 4);
}

// ------------------------------------------------------------------------------------- what an earlier life left

/// What the ledger knows of the order when the agent starts.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Known {
    /// It was restored from a copy that is older than the order's file.
    Nothing,
    Planned,
    Staged,
    Visible,
}

/// Where the order's file lies then.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Lies {
    Nowhere,
    Staging,
    Import,
    Done,
    /// With what the till appends.
    DoneAs,
    Rejects,
}

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ends {
    /// It was written, now or before, and waits for the till.
    Waits,
    /// Evidence shows that the till has had it, and nothing was written.
    Taken,
    Refused,
    /// A person is told of the file, and nothing was written.
    Stopped,
    /// A person is told of the file, and nothing is concluded.
    Strange,
}

const TABLE: &[(Known, Lies, bool, Ends)] = {
    use Ends::*;
    use Known as K;
    use Lies as L;
    &[
        (K::Nothing, L::Nowhere, true, Waits),
        (K::Nothing, L::Staging, true, Waits),
        (K::Nothing, L::Staging, false, Waits),
        (K::Nothing, L::Import, true, Waits),
        (K::Nothing, L::Import, false, Stopped),
        (K::Nothing, L::Done, true, Taken),
        (K::Nothing, L::Done, false, Stopped),
        (K::Nothing, L::DoneAs, true, Taken),
        (K::Nothing, L::DoneAs, false, Stopped),
        (K::Nothing, L::Rejects, true, Refused),
        (K::Nothing, L::Rejects, false, Stopped),
        (K::Planned, L::Nowhere, true, Waits),
        (K::Planned, L::Staging, true, Waits),
        (K::Planned, L::Staging, false, Waits),
        (K::Planned, L::Import, true, Waits),
        (K::Planned, L::Import, false, Stopped),
        (K::Planned, L::Done, true, Taken),
        (K::Planned, L::Done, false, Stopped),
        (K::Planned, L::DoneAs, true, Taken),
        (K::Planned, L::Rejects, true, Refused),
        (K::Planned, L::Rejects, false, Stopped),
        // It was whole in staging: away from there it was shown.
        (K::Staged, L::Nowhere, true, Taken),
        (K::Staged, L::Staging, true, Waits),
        (K::Staged, L::Staging, false, Waits),
        (K::Staged, L::Import, true, Waits),
        (K::Staged, L::Import, false, Strange),
        (K::Staged, L::Done, true, Taken),
        (K::Staged, L::DoneAs, true, Taken),
        (K::Staged, L::Rejects, true, Refused),
        (K::Visible, L::Nowhere, true, Taken),
        (K::Visible, L::Staging, true, Strange),
        (K::Visible, L::Import, true, Waits),
        (K::Visible, L::Import, false, Strange),
        (K::Visible, L::Done, true, Taken),
        (K::Visible, L::DoneAs, true, Taken),
        (K::Visible, L::Rejects, true, Refused),
    ]
};

const FOREIGN: &str = "OrderNo,SKU,Qty\r\n7,1001,1\r\n";

impl Lies {
    fn path(self, shop: &TestShop, name: &str) -> Option<PathBuf> {
        match self {
            Self::Nowhere => None,
            Self::Staging => Some(shop.config.epos.staging().join(format!("{name}.staged"))),
            Self::Import => Some(shop.till.import.join(name)),
            Self::Done => Some(shop.till.done.join(name)),
            Self::DoneAs => Some(shop.till.done.join(format!("{name}.bak"))),
            Self::Rejects => Some(shop.till.rejects.join(name)),
        }
    }
}

/// A new order whose file is as far as the ledger is to know; its bytes and name.
async fn known(shop: &mut TestShop, known: Known) -> (String, String, Vec<u8>) {
    let number = shop.place("1003", 1).increment_id;
    shop.pull().await;
    let order = shop.ledger().order(&number).unwrap().unwrap().order;
    let file = shop.agent().epos.render(Purpose::Order, &[ToWrite { order: &order, copy: 1 }], 1).unwrap();
    match known {
        Known::Nothing => {}
        Known::Planned => shop.agent().epos.die_at(Step::BeforeStage),
        Known::Staged => shop.agent().epos.die_at(Step::BeforeReveal),
        Known::Visible => shop.agent().epos.die_at(Step::BeforeLook),
    }
    if known != Known::Nothing {
        shop.write_orders();
        assert!(shop.agent().epos.is_dead());
    }
    shop.stop();
    for left in [Lies::Staging, Lies::Import] {
        std::fs::remove_file(left.path(shop, &file.name).unwrap()).ok();
    }
    (number, file.name, file.bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_start_journal_and_folders_are_compared_before_anything_is_written() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.configure(|config| {
        config.epos.done_folder = Some(config.epos.import_folder.with_file_name("done"));
        config.epos.evidence.gone = Some(GoneProves::Enough);
    });
    // The folder is known as ours.
    shop.place("1003", 1);
    shop.pull().await;
    shop.write_orders();
    shop.till_takes_all();
    for &(what_is_known, lies, is_same, ends) in TABLE {
        let what = format!("{what_is_known:?}, file in {lies:?}, the same: {is_same}");
        let (number, name, bytes) = known(&mut shop, what_is_known).await;
        let content: &[u8] = if is_same { &bytes } else { FOREIGN.as_bytes() };
        let path = lies.path(&shop, &name);
        if let Some(path) = &path {
            std::fs::write(path, content).unwrap();
        }
        shop.restart();
        shop.write_orders();
        shop.look_at_orders();
        let state = shop.state_of(&number);
        let expected = match ends {
            Ends::Waits | Ends::Strange => OrderState::Published,
            Ends::Taken => OrderState::Consumed,
            Ends::Refused => OrderState::Rejected,
            Ends::Stopped => OrderState::Failed,
        };
        assert_eq!(state, expected, "{what}: {:?}", shop.conditions());
        let code = match ends {
            Ends::Stopped => Some("order_failed"),
            Ends::Strange => Some("order_file_changed"),
            Ends::Waits | Ends::Taken | Ends::Refused => None,
        };
        if let (Some(code), Some(path)) = (code, &path) {
            let told = shop.ledger().conditions().unwrap();
            assert!(told.iter().any(|told| told.code == code && told.text.contains(&name)), "{what}: {told:?}");
            assert_eq!(std::fs::read(path).unwrap(), content, "{what}: left as it was");
        }
        assert!(!shop.conditions().contains(&"import_folder".to_owned()), "{what}: others go on");
        // What the till finds in the end: the order's own bytes, once.
        let waits = std::fs::read(shop.till.import.join(&name)).ok();
        match ends {
            Ends::Waits => assert_eq!(waits.unwrap(), bytes, "{what}"),
            Ends::Taken | Ends::Refused => assert_eq!(waits, None, "{what}"),
            Ends::Stopped | Ends::Strange => assert_ne!(waits.as_deref(), Some(bytes.as_slice()), "{what}"),
        }
        assert!(!seen(&shop).iter().any(|other| other != &name), "{what}: {:?}", seen(&shop));
        assert_eq!(lies.path(&shop, &name).is_some_and(|path| path.exists()) || lies == Lies::Staging, path.is_some());
        for left in [Lies::Staging, Lies::Import, Lies::Done, Lies::DoneAs, Lies::Rejects] {
            std::fs::remove_file(left.path(&shop, &name).unwrap()).ok();
        }
        shop.look_at_orders();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_from_an_old_copy_doubles_no_order() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.configure(|config| config.epos.done_folder = Some(config.epos.import_folder.with_file_name("done")));
    shop.till.habits.after_import = tillbridge::demo::till::AfterImport::MoveToDone;
    let (data, copy) = (shop.config.agent.data_folder.clone(), shop.folder.path().join("copy"));
    shop.stop();
    copy_folder(&data, &copy);
    shop.restart();
    let numbers: Vec<String> = (0..3).map(|_| shop.place("1003", 1).increment_id).collect();
    shop.pull().await;
    shop.write_orders();
    shop.till.habits.files_per_import = Some(2);
    shop.till_takes_all();
    shop.stop();
    std::fs::remove_dir_all(&data).unwrap();
    copy_folder(&copy, &data);
    shop.restart();
    shop.till.habits.files_per_import = None;
    shop.pull().await;
    for _ in 0..3 {
        shop.write_orders();
        shop.till_takes_all();
    }
    for number in &numbers {
        assert_eq!((shop.state_of(number), imported(&shop, number)), (OrderState::Consumed, 1), "{number}");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_number_that_an_earlier_life_used_is_passed_over_and_its_orders_wait_for_a_person() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.write_orders_as(&batch(10, ""));
    std::fs::write(shop.till.rejects.join("orders_000001.csv"), FOREIGN).unwrap();
    let first = shop.place("1003", 1).increment_id;
    shop.pull().await;
    shop.write_orders();
    assert_eq!((seen(&shop).len(), shop.state_of(&first)), (0, OrderState::Failed));
    let told = shop.condition_text("order_failed");
    assert!(told.contains("orders_000001.csv") && told.contains("see in the till"), "{told}");
    let second = shop.place("1003", 1).increment_id;
    shop.pull().await;
    shop.write_orders();
    assert_eq!(numbers_in(&shop, "orders_000002.csv"), [second]);
    // Somebody has looked: the till has not got it.
    shop.ledger().ask_for_order(&first, false, "ann", shop.clock_now()).unwrap();
    shop.write_orders();
    assert_eq!(numbers_in(&shop, "orders_000003.csv"), [first]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_staging_that_no_order_needs_are_removed_only_if_they_are_known() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let number = shop.place("1003", 1).increment_id;
    shop.pull().await;
    shop.write_orders();
    shop.till_takes_all();
    let staged = |name: &str| shop.config.epos.staging().join(format!("{name}.staged"));
    let (ours, other) = (staged(&format!("order_{number}.csv")), staged("order_other.csv"));
    std::fs::write(&ours, "x").unwrap();
    std::fs::write(&other, "x").unwrap();
    shop.die_and_restart();
    shop.write_orders();
    assert_eq!((ours.exists(), other.exists()), (false, true));
    assert!(shop.condition_text("staging_leftovers").contains("order_other.csv"));
    assert_eq!(seen(&shop), Vec::<String>::new());
}

// ---------------------------------------------------------------------------------------------- folders that refuse

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_the_import_folder_refuses_stops_that_order_and_no_other() {
    let shop = TestShop::in_business(Mode::Msi).await;
    let orders = [shop.place("1001", 1).increment_id, shop.place("1001", 1).increment_id];
    shop.pull().await;
    let taken = shop.till.import.join(format!("order_{}.csv", orders[0]));
    std::fs::create_dir(&taken).unwrap();
    shop.write_orders();
    assert_eq!((shop.state_of(&orders[0]), shop.state_of(&orders[1])), (OrderState::Failed, OrderState::Published));
    assert!(shop.condition_text("order_failed").contains(&taken.display().to_string()));
    std::fs::remove_dir(&taken).unwrap();
    shop.ledger().ask_for_order(&orders[0], false, "ann", shop.clock_now()).unwrap();
    shop.write_orders();
    assert_eq!(shop.state_of(&orders[0]), OrderState::Published);
    assert!(taken.is_file());
}

/// A file system of its own, taken away when the test ends. `None`: this machine lets nobody mount one.
#[cfg(target_os = "linux")]
struct Mount(PathBuf);

#[cfg(target_os = "linux")]
impl Mount {
    fn tmpfs(at: &Path, options: &str) -> Option<Self> {
        run("mount", &["-t", "tmpfs", "-o", options, "tmpfs", at.to_str()?]).then(|| Self(at.to_owned()))
    }
}

#[cfg(target_os = "linux")]
impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &["-l", self.0.to_str().unwrap_or_default()]);
    }
}

#[cfg(target_os = "linux")]
fn run(program: &str, args: &[&str]) -> bool {
    std::process::Command::new(program).args(args).output().is_ok_and(|ran| ran.status.success())
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_really_full_or_may_not_be_written_shows_nothing_of_an_order_until_it_can() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.write_orders_as(&parts());
    let Some(mount) = Mount::tmpfs(&shop.till.import, "size=64k") else {
        // Nothing can be mounted without root; a disk that is full by the fake is tried in any case.
        return;
    };
    shop.die_and_restart();
    // The mark is made while there is room.
    let filling = mount.0.join("filling");
    let number = shop.place("1001", 1).increment_id;
    shop.pull().await;
    shop.agent().epos.die_at(Step::BeforeStage);
    shop.write_orders();
    shop.die_and_restart();
    fill(&filling);
    for _ in 0..3 {
        shop.write_orders();
        assert_eq!(seen(&shop), ["filling"]);
        shop.pass_time(5);
    }
    assert!(shop.condition_text("import_folder").contains("is the disk full"), "{:?}", shop.conditions());
    // Room for one of the three files.
    let filled = std::fs::metadata(&filling).unwrap().len();
    std::fs::File::options().write(true).open(&filling).unwrap().set_len(filled - PAGE).unwrap();
    shop.write_orders();
    assert_eq!(seen(&shop), ["filling"]);
    assert_eq!(shop.state_of(&number), OrderState::Received);
    std::fs::remove_file(&filling).unwrap();
    shop.write_orders();
    assert_eq!((seen(&shop).len(), shop.state_of(&number)), (3, OrderState::Published));
    // Read-only: what is there stays, what comes waits.
    let at = mount.0.to_str().unwrap().to_owned();
    assert!(run("mount", &["-o", "remount,ro", &at]));
    let late = shop.place("1001", 1).increment_id;
    shop.pull().await;
    shop.write_orders();
    assert_eq!((seen(&shop).len(), shop.state_of(&late)), (3, OrderState::Received));
    assert!(shop.conditions().contains(&"import_folder".to_owned()));
    assert!(run("mount", &["-o", "remount,rw", &at]));
    shop.write_orders();
    assert_eq!((seen(&shop).len(), shop.state_of(&late)), (6, OrderState::Published));
    shop.stop();
}

/// The least that a file takes of a tmpfs.
#[cfg(target_os = "linux")]
const PAGE: u64 = 4096;

/// Takes all the room that is left.
#[cfg(target_os = "linux")]
fn fill(path: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(path).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_deletes_a_file_a_moment_after_it_appears_is_still_seen_to_have_taken_it() {
    let shop = TestShop::in_business(Mode::Msi).await;
    let numbers: Vec<String> = (0..20).map(|_| shop.place("1003", 1).increment_id).collect();
    shop.pull().await;
    let (folder, wanted) = (shop.till.import.clone(), numbers.len());
    let till = std::thread::spawn(move || {
        let mut taken = 0;
        while taken < wanted {
            for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
                if entry.path().is_file() {
                    let text = std::fs::read_to_string(entry.path()).unwrap();
                    assert!(text.starts_with("OrderNo,") && text.ends_with(",1003,1\r\n"), "{text:?}");
                    std::fs::remove_file(entry.path()).unwrap();
                    taken += 1;
                }
            }
        }
    });
    shop.write_orders();
    till.join().unwrap();
    shop.look_at_orders();
    assert!(numbers.iter().all(|number| shop.state_of(number) == OrderState::Consumed), "{:?}", shop.states());
}
