//! Where the parts meet: batches with evidence, a person's word with crashes and edits, ledgers from old copies with tills
//! that rename or answer, late words with the store's quantities.

#![allow(clippy::disallowed_methods, reason = "a test plays the till, a person and a restored copy")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

mod shop;

use std::collections::BTreeSet;
use std::path::Path;

use shop::{Step, TestShop};
use tillbridge::config::Config;
use tillbridge::demo::magento::Mode;
use tillbridge::demo::till::AfterImport;
use tillbridge::domain::item_map::NotOneToOne;
use tillbridge::domain::{ItemMap, OrderState, Sku};
use tillbridge::epos::evidence_settings::{AnswerFile, GoneProves, ReportFiles};
use tillbridge::ledger::declarations::Word;
use tillbridge::ledger::exports::ExportState;
use tillbridge::ledger::item_map::Wanted;
use tillbridge::ports::Epos;

const LINES: &str = r#"{ name = "OrderNo", value = "order.number" }, { name = "SKU", value = "line.sku" }, { name = "Qty", value = "line.quantity" }"#;
const BOOKED: &str = "Order {number} imported";
const REFUSED: &str = "Order {number} has failed";
const PARTLY: &str = "Order {number} imported, but";

fn batch(most: usize, rest: &str) -> String {
    format!("name = \"orders_{{sequence:6}}.csv\"\nbatch = {{ most_orders = {most}{rest} }}\ncolumns = [{LINES}]")
}

fn words() -> [Vec<String>; 3] {
    [BOOKED, REFUSED, PARTLY].map(|text| vec![text.to_owned()])
}

fn report(config: &mut Config) {
    let folder = config.epos.import_folder.with_file_name("log");
    let [booked, refused, partly] = words();
    let files = vec!["import*.log".to_owned()];
    config.epos.evidence.report =
        Some(ReportFiles { folder, files, encoding: Default::default(), booked, refused, partly });
}

fn answer(config: &mut Config) {
    let [booked, refused, partly] = words();
    let name = "{stem}.rsp".to_owned();
    config.epos.evidence.answer_file =
        Some(AnswerFile { name, folder: None, encoding: Default::default(), booked, refused, partly });
}

fn say(shop: &TestShop, what: &str) {
    let log = shop.till.log.join("import.log");
    let old = std::fs::read_to_string(&log).unwrap_or_default();
    std::fs::write(log, format!("{old}{what}\r\n")).unwrap();
}

fn declare(shop: &TestShop, number: &str, word: Word) {
    shop.ledger().declare_order(number, word, "ann", shop.clock_now()).unwrap();
}

fn imported(shop: &TestShop, number: &str) -> u32 {
    shop.till.imported().get(number).copied().unwrap_or(0)
}

fn waiting(shop: &TestShop) -> Vec<String> {
    shop.till.waiting().unwrap()
}

async fn written(shop: &TestShop, units: i64) -> String {
    let number = shop.place("1001", units).increment_id;
    shop.pull().await;
    shop.write_orders();
    number
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

/// The till said once that it booked a part; that its words are gone later proves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_booked_in_part_is_not_believed_booked_when_the_answer_goes() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.configure(|config| {
        answer(config);
        config.epos.evidence.gone = Some(GoneProves::Enough);
    });
    shop.till.habits.answers = true;
    let number = shop.magento.place(&[("1001", 2), ("1003", 1)]).unwrap().increment_id;
    shop.pull().await;
    shop.write_orders();
    shop.till.habits.in_part.insert(number.clone());
    shop.till.import_all().unwrap();
    // The answer is read at the second look, before the file counts as gone.
    for _ in 0..6 {
        shop.pass_time(5);
        shop.write_orders();
    }
    for entry in std::fs::read_dir(&shop.till.import).unwrap().map(Result::unwrap) {
        if entry.file_name().to_string_lossy().ends_with(".rsp") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    shop.look_at_orders();
    assert_eq!(shop.state_of(&number), OrderState::TakenUnproved);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_a_till_that_leaves_files_and_was_booked_in_part_is_not_believed_booked_when_the_log_goes() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.configure(|config| {
        report(config);
        config.epos.evidence.gone = Some(GoneProves::Enough);
    });
    let number = written(&shop, 2).await;
    say(&shop, &format!("Order {number} imported, but without its discount"));
    shop.look_at_orders();
    assert_eq!(shop.state_of(&number), OrderState::TakenUnproved);
    std::fs::write(shop.till.log.join("import.log"), "").unwrap();
    std::fs::remove_file(shop.till.import.join(&waiting(&shop)[0])).unwrap();
    shop.look_at_orders();
    shop.look_at_orders();
    assert_eq!(shop.state_of(&number), OrderState::TakenUnproved);
}

/// It counted as deducted; from now on it does not, and the store must hear that at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_word_that_only_a_part_was_booked_lowers_what_the_store_sells() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.configure(report);
    shop.till.habits.log = true;
    let number = shop.magento.place(&[("1001", 2), ("1003", 1)]).unwrap().increment_id;
    shop.pull().await;
    shop.write_orders();
    shop.till.habits.in_part.insert(number.clone());
    shop.till.habits.log = false;
    shop.till.import_all().unwrap();
    say(&shop, &format!("Order {number} imported"));
    shop.look_at_orders();
    assert_eq!(shop.state_of(&number), OrderState::Consumed);
    shop.pass_time(120);
    shop.export_and_look("after.csv");
    assert_eq!(shop.last_export(), ExportState::Admitted);
    shop.deliver().await;
    say(&shop, &format!("Order {number} imported, but 1003 is unknown"));
    shop.look_at_orders();
    assert_eq!(shop.state_of(&number), OrderState::TakenUnproved);
    shop.deliver().await;
    assert!(shop.sellable("1003") <= 47.into(), "{} of 47", shop.sellable("1003"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_a_person_declared_booked_is_not_written_again_after_a_crash() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let number = written(&shop, 1).await;
    let file = waiting(&shop)[0].clone();
    shop.write_orders_as(&batch(3, ", wait_at_most = \"200h\""));
    declare(&shop, &number, Word::Consumed);
    shop.agent().epos.withdraw(&file.as_str().into()).unwrap();
    shop.die_and_restart();
    shop.look_at_orders();
    assert_eq!(shop.state_of(&number), OrderState::Consumed);
    shop.pass_time(800_000);
    shop.write_orders();
    assert_eq!(shop.till_takes_all(), 0);
}

/// The till reads without pause.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_a_person_declared_booked_never_shows_again_in_the_sweep_that_carries_it_out() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let number = written(&shop, 1).await;
    let file = waiting(&shop)[0].clone();
    declare(&shop, &number, Word::Consumed);
    shop.agent().epos.withdraw(&file.as_str().into()).unwrap();
    shop.die_and_restart();
    shop.write_orders();
    assert_eq!(shop.state_of(&number), OrderState::Consumed);
    let found = shop.ledger().order(&number).unwrap().unwrap();
    assert_eq!(shop.ledger().files_of(&found.order.id).unwrap().len(), 1, "no second file was ever written");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_declared_booked_and_edited_at_the_same_time_is_not_written_again() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let number = written(&shop, 2).await;
    declare(&shop, &number, Word::Consumed);
    shop.edit(&number, |order| order.customer.name = "Somebody Else".into());
    shop.write_orders();
    let found = shop.ledger().order(&number).unwrap().unwrap();
    assert_eq!(shop.ledger().files_of(&found.order.id).unwrap().len(), 1, "no second file was ever written");
    assert_eq!(shop.state_of(&number), OrderState::Consumed);
    shop.till_takes_all();
    assert_eq!(imported(&shop, &number), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_declared_booked_and_cancelled_at_the_same_time_becomes_a_task() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let order = shop.place("1001", 2);
    shop.pull().await;
    shop.write_orders();
    declare(&shop, &order.increment_id, Word::Consumed);
    shop.cancel(&order);
    shop.pull().await;
    shop.write_orders();
    shop.write_orders();
    assert_eq!(shop.state_of(&order.increment_id), OrderState::Consumed);
    assert!(shop.conditions().contains(&"order_cancelled_after_taken".to_owned()), "{:?}", shop.conditions());
    shop.till_takes_all();
}

async fn from_an_old_copy(configure: fn(&mut Config), habits: fn(&mut TestShop)) {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.configure(configure);
    habits(&mut shop);
    let (data, copy) = (shop.config.agent.data_folder.clone(), shop.folder.path().join("copy"));
    shop.stop();
    copy_folder(&data, &copy);
    shop.restart();
    let number = shop.place("1003", 1).increment_id;
    shop.pull().await;
    shop.write_orders();
    shop.till_takes_all();
    assert_eq!(imported(&shop, &number), 1);
    shop.stop();
    std::fs::remove_dir_all(&data).unwrap();
    copy_folder(&copy, &data);
    shop.restart();
    shop.pull().await;
    for _ in 0..3 {
        shop.write_orders();
        shop.till_takes_all();
    }
    assert_eq!(imported(&shop, &number), 1, "{:?} {:?}", shop.state_of(&number), shop.conditions());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_from_an_old_copy_doubles_no_order_of_a_till_that_renames_behind_the_name() {
    let rename = |config: &mut Config| config.epos.evidence.renamed_to = vec!["{name}.bak".into()];
    from_an_old_copy(rename, |shop| shop.till.habits.after_import = AfterImport::Rename(".bak")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_from_an_old_copy_doubles_no_order_of_a_till_that_answers() {
    from_an_old_copy(answer, |shop| shop.till.habits.answers = true).await;
}

/// The till has another ending for what it has done: `order_1.old`.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_from_an_old_copy_doubles_no_order_of_a_till_that_changes_the_ending() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.configure(|config| config.epos.evidence.renamed_to = vec!["{stem}.old".into()]);
    let (data, copy) = (shop.config.agent.data_folder.clone(), shop.folder.path().join("copy"));
    shop.stop();
    copy_folder(&data, &copy);
    shop.restart();
    let number = written(&shop, 1).await;
    let file = waiting(&shop)[0].clone();
    std::fs::rename(shop.till.import.join(&file), shop.till.import.join(file.replace(".csv", ".old"))).unwrap();
    shop.look_at_orders();
    assert_eq!(shop.state_of(&number), OrderState::Consumed);
    shop.stop();
    std::fs::remove_dir_all(&data).unwrap();
    copy_folder(&copy, &data);
    shop.restart();
    shop.pull().await;
    shop.look_at_orders();
    assert_eq!((waiting(&shop), shop.state_of(&number)), (Vec::new(), OrderState::Consumed));
}

/// It says in its log that it booked one of them: it has begun with the file, and may have booked the others as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_which_the_till_has_begun_is_not_taken_back_for_one_of_its_orders() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.write_orders_as(&batch(3, ""));
    shop.configure(report);
    let orders: Vec<_> = (0..3).map(|_| shop.place("1001", 1)).collect();
    shop.pull().await;
    shop.write_orders();
    let file = waiting(&shop);
    assert_eq!(file.len(), 1);
    // It has read the file, and writes as it goes.
    say(&shop, &format!("Order {} imported", orders[0].increment_id));
    shop.look_at_orders();
    assert_eq!(shop.state_of(&orders[0].increment_id), OrderState::Consumed);
    shop.cancel(&orders[1]);
    shop.pull().await;
    shop.write_orders();
    assert_eq!(waiting(&shop), file, "it is the till's now");
    for order in &orders[1..] {
        say(&shop, &format!("Order {} imported", order.increment_id));
    }
    std::fs::remove_file(shop.till.import.join(&file[0])).unwrap();
    shop.look_at_orders();
    assert_eq!(shop.state_of(&orders[2].increment_id), OrderState::Consumed);
    assert_eq!(shop.state_of(&orders[1].increment_id), OrderState::Consumed);
    assert!(shop.conditions().contains(&"order_cancelled_after_taken".to_owned()));
}

/// Only the header is put back; the till keeps the lines.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_comes_back_alone_is_taken_away_and_told_once() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.write_orders_as(&format!(
        "columns = [{{ name = \"OrderNo\", value = \"order.number\" }}]\n\
         lines_file = {{ name = \"{{stem}}_lines.csv\", columns = [{LINES}] }}"
    ));
    shop.configure(report);
    let number = written(&shop, 1).await;
    let header = shop.till.import.join(format!("order_{number}.csv"));
    let bytes = std::fs::read(&header).unwrap();
    for name in [header.clone(), shop.till.import.join(format!("order_{number}_lines.csv"))] {
        std::fs::remove_file(name).unwrap();
    }
    say(&shop, &format!("Order {number} imported"));
    shop.look_at_orders();
    assert_eq!(shop.state_of(&number), OrderState::Consumed);
    std::fs::write(&header, bytes).unwrap();
    let entries = |shop: &TestShop| {
        let found = shop.ledger().order(&number).unwrap().unwrap();
        shop.ledger().order_history(&found.order.id).unwrap().len()
    };
    let before = entries(&shop);
    for _ in 0..5 {
        shop.look_at_orders();
    }
    assert!(entries(&shop) <= before + 1, "{} entries for one file", entries(&shop) - before);
    assert!(!header.exists(), "the till could book it once more");
}

/// Somebody else's file under the name of an order file is nothing that the agent may take away.
#[tokio::test(flavor = "multi_thread")]
async fn a_strange_file_is_left_alone_whatever_a_person_says_of_the_order() {
    for again in [true, false] {
        let mut shop = TestShop::in_business(Mode::Msi).await;
        let number = written(&shop, 1).await;
        let path = shop.till.import.join(&waiting(&shop)[0]);
        std::fs::write(&path, "OrderNo,SKU,Qty\r\n7,1001,1\r\n").unwrap();
        shop.die_and_restart();
        shop.write_orders();
        assert!(shop.conditions().contains(&"order_file_changed".to_owned()));
        if again {
            shop.ledger().ask_for_order(&number, true, "ann", shop.clock_now()).unwrap();
        } else {
            declare(&shop, &number, Word::Consumed);
        }
        shop.look_at_orders();
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(found, "OrderNo,SKU,Qty\r\n7,1001,1\r\n", "again: {again}");
        // It is moved away, and what the person said is carried out.
        std::fs::remove_file(&path).unwrap();
        shop.look_at_orders();
        assert_eq!((shop.state_of(&number), waiting(&shop)), (OrderState::Consumed, Vec::new()), "again: {again}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_a_refused_file_is_taken_away_writes_no_second_one() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.configure(report);
    let number = written(&shop, 1).await;
    say(&shop, &format!("Order {number} has failed"));
    shop.agent().epos.die_at(Step::AfterWithdraw);
    shop.look_at_orders();
    assert!(shop.agent().epos.is_dead());
    shop.die_and_restart();
    shop.look_at_orders();
    assert_eq!(shop.state_of(&number), OrderState::Rejected, "{:?}", waiting(&shop));
}

/// A ledger as the version before this one left it, with a file in every state, is opened and goes on.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_ledger_with_files_in_every_state_is_opened_and_goes_on() {
    const OLD: [&str; 3] = [
        include_str!("../src/ledger/0001_ledger.sql"),
        include_str!("../src/ledger/0002_deltas.sql"),
        include_str!("../src/ledger/0003_order_file_sequence.sql"),
    ];
    const STATES: [(&str, &str); 6] = [
        ("received", "planned"),
        ("received", "staged"),
        ("published", "visible"),
        ("acknowledged", "taken"),
        ("rejected", "rejected"),
        ("withdrawn", "withdrawn"),
    ];
    let mut shop = TestShop::in_business(Mode::Msi).await;
    // The folder is known as ours.
    written(&shop, 1).await;
    shop.till_takes_all();
    let orders: Vec<_> = STATES.iter().map(|_| shop.place("1003", 1)).collect();
    shop.pull().await;
    shop.stop();
    let path = shop.config.agent.data_folder.join("ledger.db");
    assert!(path.exists());
    let now = shop.clock_now().as_microsecond();
    let new = shop.folder.path().join("old.sqlite");
    let old = rusqlite::Connection::open(&new).unwrap();
    OLD.iter().for_each(|migration| old.execute_batch(migration).unwrap());
    old.execute("ATTACH ?1 AS now", [path.to_str().unwrap()]).unwrap();
    for table in ["web_order", "order_claim", "fact", "store_item"] {
        // What later versions added to the table, the older one does not have.
        let sql = "SELECT group_concat(name) FROM pragma_table_info(?1, 'main')";
        let columns: String = old.query_row(sql, [table], |row| row.get(0)).unwrap();
        old.execute_batch(&format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM now.{table}")).unwrap();
    }
    old.execute("DELETE FROM order_claim WHERE order_id NOT IN (SELECT id FROM web_order)", []).unwrap();
    let columns = LINES_OF_FILE;
    for (order, (state, file_state)) in orders.iter().zip(STATES) {
        let number = &order.increment_id;
        let (name, id) = (format!("order_{number}.csv"), old_id(&old, number));
        let bytes = format!("{columns}{number},1003,1\r\n");
        let ended = matches!(file_state, "taken" | "rejected" | "withdrawn").then_some(now);
        let visible = matches!(file_state, "visible" | "taken" | "rejected").then_some(now);
        old.execute(
            "UPDATE web_order SET state = ?2, copies = ?3 WHERE id = ?1",
            rusqlite::params![id, state, visible.is_some()],
        )
        .unwrap();
        old.execute(
            "INSERT INTO order_file VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, 'gone from the import folder')",
            rusqlite::params![
                name,
                id,
                tillbridge::ledger::files::fingerprint(bytes.as_bytes()),
                bytes.len() as i64,
                file_state,
                now,
                visible,
                ended
            ],
        )
        .unwrap();
        old.execute("INSERT INTO order_file_units VALUES (?1, '1003', '1')", [&name]).unwrap();
        let staged = shop.till.import.join(".tillbridge").join(format!("{name}.staged"));
        match file_state {
            "staged" => std::fs::write(staged, &bytes).unwrap(),
            "visible" => std::fs::write(shop.till.import.join(&name), &bytes).unwrap(),
            _ => {}
        }
    }
    old.pragma_update(None, "user_version", 3).unwrap();
    old.execute_batch("DETACH now").unwrap();
    drop(old);
    for ending in ["-wal", "-shm"] {
        std::fs::remove_file(path.with_file_name(format!("ledger.db{ending}"))).ok();
    }
    std::fs::rename(new, &path).unwrap();
    shop.restart();
    shop.write_orders();
    let expected = ["1", "2", "3"].map(|_| OrderState::Published);
    let found: Vec<_> = orders.iter().map(|order| shop.state_of(&order.increment_id)).collect();
    assert_eq!(found[..3], expected, "{:?}", shop.conditions());
    assert_eq!(found[3..], [OrderState::Acknowledged, OrderState::Rejected, OrderState::Withdrawn]);
    assert_eq!(shop.till_takes_all(), 3);
    for order in &orders[..3] {
        assert_eq!(
            (shop.state_of(&order.increment_id), imported(&shop, &order.increment_id)),
            (OrderState::Consumed, 1)
        );
    }
    // What was taken before is cancelled now: staff hear of it.
    shop.cancel(&orders[3]);
    shop.pull().await;
    shop.write_orders();
    assert!(shop.condition_text("order_cancelled_after_taken").contains(&orders[3].increment_id));
    // And its file comes back: it was weakly proved, and waits again, but it is cancelled.
    std::fs::write(shop.till.import.join(format!("order_{}.csv", orders[3].increment_id)), "x").unwrap();
    shop.look_at_orders();
    assert_eq!(waiting(&shop), Vec::<String>::new(), "a cancelled order is not left with the till");
}

const LINES_OF_FILE: &str = "OrderNo,SKU,Qty\r\n";

fn old_id(old: &rusqlite::Connection, number: &str) -> String {
    old.query_row("SELECT id FROM web_order WHERE number = ?1", [number], |row| row.get(0)).unwrap()
}

/// The till took an order under a code that is another item's now: what becomes of the order later is news for both.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_word_about_an_order_under_an_older_code_is_news_for_the_item_that_has_the_code_now() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.configure(report);
    let number = written(&shop, 2).await;
    shop.till.import_all().unwrap();
    say(&shop, &format!("Order {number} imported"));
    shop.look_at_orders();
    assert_eq!(shop.state_of(&number), OrderState::Consumed);
    let sku = |text: &str| Sku::new(text).unwrap();
    let map = ItemMap::new([(sku("1001"), sku("T-9")), (sku("1003"), sku("1001"))]).unwrap();
    let wanted = |_: &ItemMap| Ok::<_, NotOneToOne>(Wanted { map, booked: BTreeSet::new() });
    shop.ledger().change_items("ann", shop.clock_now(), false, wanted).unwrap().unwrap();
    for _ in 0..5 {
        shop.deliver().await;
        shop.pass_time(10);
    }
    assert_eq!(shop.due(), 0);
    say(&shop, &format!("Order {number} imported, but in part"));
    shop.look_at_orders();
    assert_eq!(shop.state_of(&number), OrderState::TakenUnproved);
    assert_eq!(shop.due(), 2, "1001, which was ordered, and 1003, whose code it was booked under");
}

/// The file that was called lost was taken back because of an edit, and the till took the next one at once.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_called_lost_is_not_lost_again_with_its_next_file() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let number = written(&shop, 2).await;
    declare(&shop, &number, Word::Lost);
    shop.edit(&number, |order| order.customer.name = "Somebody Else".into());
    shop.agent().epos.die_at(Step::BeforeLook);
    shop.write_orders();
    assert!(shop.agent().epos.is_dead());
    assert_eq!(shop.till.import_all().unwrap().len(), 1);
    shop.die_and_restart();
    shop.look_at_orders();
    assert_eq!(shop.state_of(&number), OrderState::Consumed);
    shop.look_at_orders();
    assert_eq!((shop.till_takes_all(), imported(&shop, &number)), (0, 1));
}

/// Of two words of a person the later counts.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_asked_for_again_after_it_was_called_booked_is_written_again() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let number = written(&shop, 1).await;
    declare(&shop, &number, Word::Consumed);
    shop.ledger().ask_for_order(&number, true, "ann", shop.clock_now()).unwrap();
    shop.write_orders();
    assert_eq!(shop.state_of(&number), OrderState::Published);
    assert_eq!((shop.till_takes_all(), imported(&shop, &number)), (1, 1));
}

/// The till has begun with the file; a person asks for one of its orders again: of the others nobody said anything.
#[tokio::test(flavor = "multi_thread")]
async fn the_others_of_a_batch_with_which_the_till_has_begun_are_not_written_anew_when_one_is_asked_for_again() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.write_orders_as(&batch(3, ""));
    shop.configure(report);
    let orders: Vec<_> = (0..3).map(|_| shop.place("1001", 1).increment_id).collect();
    shop.pull().await;
    shop.write_orders();
    say(&shop, &format!("Order {} imported", orders[0]));
    shop.look_at_orders();
    shop.ledger().ask_for_order(&orders[1], true, "ann", shop.clock_now()).unwrap();
    shop.write_orders();
    shop.write_orders();
    let files = |number: &str| {
        let found = shop.ledger().order(number).unwrap().unwrap();
        shop.ledger().files_of(&found.order.id).unwrap().len()
    };
    assert_eq!(files(&orders[2]), 1, "the till may have booked it already");
}

/// Where gone is enough: that the agent itself took the file away is no sign that the till booked the others in it.
#[tokio::test(flavor = "multi_thread")]
async fn the_others_of_a_batch_that_the_agent_took_away_are_not_booked_for_having_gone() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.write_orders_as(&batch(3, ""));
    shop.configure(|config| {
        report(config);
        config.epos.evidence.gone = Some(tillbridge::epos::evidence_settings::GoneProves::Enough);
    });
    let orders: Vec<_> = (0..3).map(|_| shop.place("1001", 1).increment_id).collect();
    shop.pull().await;
    shop.write_orders();
    say(&shop, &format!("Order {} has failed: unknown item", orders[0]));
    shop.look_at_orders();
    shop.ledger().ask_for_order(&orders[1], true, "ann", shop.clock_now()).unwrap();
    shop.look_at_orders();
    shop.look_at_orders();
    let state = |number: &str| shop.ledger().order(number).unwrap().unwrap().state;
    assert_eq!(state(&orders[2]), OrderState::TakenUnproved);
}

/// A person says of one order that it is booked, and the till has spoken of another: the third may be booked as well.
#[tokio::test(flavor = "multi_thread")]
async fn the_others_of_a_batch_with_which_the_till_has_begun_are_not_written_anew_when_one_is_declared() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.write_orders_as(&batch(3, ""));
    shop.configure(report);
    let orders: Vec<_> = (0..3).map(|_| shop.place("1001", 1).increment_id).collect();
    shop.pull().await;
    shop.write_orders();
    say(&shop, &format!("Order {} imported", orders[0]));
    shop.look_at_orders();
    declare(&shop, &orders[1], Word::Consumed);
    shop.look_at_orders();
    let state = |number: &str| shop.ledger().order(number).unwrap().unwrap().state;
    assert_eq!((state(&orders[1]), state(&orders[2])), (OrderState::Consumed, OrderState::TakenUnproved));
    assert!(waiting(&shop).is_empty());
}
