//! What shops get wrong and what goes wrong around them: each trouble has a message that says what, where and what to
//! do; nothing is lost, no quantity is guessed, and once it is over everything goes on by itself.

#![allow(clippy::disallowed_methods, reason = "a test may unplug a folder")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

mod shop;

use std::path::Path;
use std::time::Duration;

use shop::TestShop;
use tillbridge::config::{Config, EXAMPLE};
use tillbridge::demo::faults::{Count, Fault};
use tillbridge::demo::magento::{Mode, ProductKind};
use tillbridge::domain::{OrderState, Quantity};
use tillbridge::ledger::exports::ExportState;
use tillbridge::ledger::{FILE_NAME, Ledger, LedgerError};
use tillbridge::ports::Epos;
use tillbridge::tasks::Reconciler;
use tillbridge::tasks::intake::PullError;

const MODES: [Mode; 2] = [Mode::Msi, Mode::Legacy];

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

fn refused_configuration(text: &str) -> String {
    Config::parse(text, Path::new("/shop/config.toml")).unwrap_err().to_string()
}

// ------------------------------------------------------------------------------------------------- the configuration

#[test]
fn an_unknown_key_is_refused_with_file_line_and_the_keys_that_there_are() {
    for (table, wrong, right) in [
        ("[gate]", "hold_atmost = \"5 min\"", "hold_at_most"),
        ("[epos]", "export_foldre = \"/srv\"", "export_folder"),
        ("[store.magento]", "sourec = \"default\"", "source"),
    ] {
        let text = EXAMPLE.replace(table, &format!("{table}\n{wrong}"));
        let line = text.lines().position(|line| line == wrong).unwrap() + 1;
        let message = refused_configuration(&text);
        says(&message, &["/shop/config.toml", &format!("line {line}"), wrong, right]);
    }
}

#[test]
fn a_wrong_type_is_refused_with_file_line_and_what_is_expected() {
    for (table, wrong, expected) in [
        ("[gate]", "settle = 60", "duration"),
        ("[gate]", "least_rows_percent = \"eighty\"", "u32"),
        ("[orders]", "poll_every = \"soon\"", "write it like"),
    ] {
        let key = wrong.split(' ').next().unwrap();
        let without: String =
            EXAMPLE.lines().filter(|line| !line.starts_with(key)).map(|line| format!("{line}\n")).collect();
        let text = without.replace(table, &format!("{table}\n{wrong}"));
        let line = text.lines().position(|line| line == wrong).unwrap() + 1;
        let message = refused_configuration(&text);
        says(&message, &["/shop/config.toml", &format!("line {line}"), wrong, expected]);
    }
}

// ------------------------------------------------------------------------------------------------------- the folders

#[tokio::test(flavor = "multi_thread")]
async fn an_export_folder_that_cannot_be_read_leaves_the_last_quantities_until_it_can() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let (folder, away) = (shop.till.export.clone(), shop.folder.path().join("away"));
    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, "a file where the folder was").unwrap();
    shop.look();
    shop.deliver().await;
    let text = shop.condition_text("export_folder");
    says(&text, &[folder.to_str().unwrap(), "may the agent read it", "tillbridge check"]);
    assert_eq!((shop.sellable("1001"), shop.due()), (10.into(), 0));
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    shop.till.sell("1001", 3.into());
    shop.export_and_look("back.csv");
    shop.deliver().await;
    assert_eq!(shop.sellable("1001"), 7.into());
    assert!(!shop.conditions().contains(&"export_folder".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_folder_that_cannot_be_written_keeps_the_orders_until_it_can() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let (folder, away) = (shop.till.import.clone(), shop.folder.path().join("away"));
    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, "a file where the folder was").unwrap();
    shop.place("1001", 2);
    shop.pull().await;
    shop.write_orders();
    let text = shop.condition_text("import_folder");
    says(&text, &[folder.to_str().unwrap(), "nothing is lost", "tillbridge check"]);
    assert_eq!(shop.states(), [OrderState::Received], "the order waits; it has not failed");
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    shop.write_orders();
    assert_eq!(shop.states(), [OrderState::Published]);
    assert_eq!(shop.till_takes_all(), 1);
    assert!(!shop.conditions().contains(&"import_folder".to_owned()));
}

/// Nothing is wrong with any order when staging cannot be used: every order waits, and none needs a person's word later.
#[tokio::test(flavor = "multi_thread")]
async fn a_staging_folder_that_cannot_be_made_fails_no_order() {
    let mut shop = TestShop::open(Mode::Msi).await;
    let stage = shop.folder.path().join("stage");
    shop.config.epos.staging_folder = Some(stage.join("orders"));
    std::fs::write(&stage, "a file where a folder should be").unwrap();
    shop.die_and_restart();
    shop.place("1001", 1);
    shop.place("1003", 4);
    shop.pull().await;
    shop.write_orders();
    assert_eq!(shop.states(), [OrderState::Received, OrderState::Received]);
    let text = shop.condition_text("import_folder");
    says(&text, &[stage.to_str().unwrap(), "may the agent write there", "tillbridge check"]);
    std::fs::remove_file(&stage).unwrap();
    shop.write_orders();
    assert_eq!(shop.states(), [OrderState::Published, OrderState::Published]);
    assert!(!shop.conditions().contains(&"import_folder".to_owned()));
}

// -------------------------------------------------------------------------------------------------------- the ledger

#[tokio::test(flavor = "multi_thread")]
async fn a_second_agent_is_told_who_has_the_ledger_and_does_not_disturb_the_first() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let folder = shop.config.agent.data_folder.clone();
    let refused = Ledger::open(&folder).unwrap_err();
    assert!(matches!(refused, LedgerError::InUse { .. }));
    let process = format!("process {}", std::process::id());
    says(&refused.to_string(), &[folder.to_str().unwrap(), &process, "stop that one first", "data_folder"]);
    shop.place("1001", 1);
    shop.pull().await;
    shop.write_orders();
    assert_eq!(shop.till_takes_all(), 1);
    // Once the first has stopped the ledger is free.
    shop.stop();
    drop(Ledger::open(&folder).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_from_a_newer_version_is_refused_and_left_as_it_is() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.place("1001", 1);
    shop.pull().await;
    shop.stop();
    let path = shop.config.agent.data_folder.join(FILE_NAME);
    // Sets another version; the one before.
    let set_version = |to: u32| -> u32 {
        let file = rusqlite::Connection::open(&path).unwrap();
        let found = file.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        file.pragma_update(None, "user_version", to).unwrap();
        found
    };
    let known = set_version(99);
    let up_to = format!("up to {known};");
    let words = [path.to_str().unwrap(), "version 99", &up_to, "install the newer Tillbridge again"];
    says(&Ledger::open(&shop.config.agent.data_folder).unwrap_err().to_string(), &words);
    says(&Ledger::open_beside(&shop.config.agent.data_folder).unwrap_err().to_string(), &words);
    // The newer program is back (played by changing the number back): the order is still there and goes on.
    assert_eq!(set_version(known), 99, "it was left as it is");
    shop.restart();
    shop.write_orders();
    assert_eq!(shop.till_takes_all(), 1);
}

// --------------------------------------------------------------------------------------------------------- the store

/// The web store fails while an order waits there and an export waits here; then it is well again.
async fn survives(fault: Fault, code: &str, words: &[&str]) {
    for mode in MODES {
        let mut shop = TestShop::in_business(mode).await;
        let order = shop.place("1001", 2);
        shop.till.sell("1004", 5.into());
        shop.export_and_look("meanwhile.csv");
        let before = shop.sellable("1004");
        shop.server.faults.set(fault, Count::UntilCleared);
        let pulled = shop.agent().intake.pull().await;
        assert!(matches!(pulled, Err(PullError::Store(_))), "{fault:?}: {pulled:?}");
        shop.deliver().await;
        let text = shop.condition_text(code);
        says(&text, words);
        says(&text, &["127.0.0.1"]);
        assert!(!text.contains(&shop.server.token), "no secret: {text}");
        assert_eq!((shop.sellable("1004"), shop.states().len()), (before, 0), "{fault:?}, {mode:?}");
        assert_eq!(shop.due(), 1, "what is due stays due");
        shop.server.faults.clear();
        shop.pass_time(900);
        shop.deliver().await;
        assert_eq!((shop.sellable("1001"), shop.sellable("1004")), (8.into(), 43.into()), "{fault:?}, {mode:?}");
        assert_eq!(shop.due(), 0, "{fault:?}, {mode:?}");
        assert_eq!(shop.till_takes_all(), 1);
        assert_eq!(shop.till.imported().get(&order.increment_id), Some(&1));
        assert!(!shop.conditions().contains(&code.to_owned()), "{fault:?}, {mode:?}: {:?}", shop.conditions());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_answers_with_a_web_page_is_named_with_its_first_words() {
    survives(
        Fault::WebPage,
        "store_unreachable",
        &["reading orders", "web page instead of data", "Please sign in", "Is `url` right?", "Nothing is lost"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_answers_401_is_named_with_what_the_token_may_lack() {
    survives(
        Fault::Unauthorised,
        "store_refuses",
        &[
            "answered 401",
            "standalone Bearer tokens",
            "the token is wrong",
            "System > Extensions > Integrations",
            "tillbridge check",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_answers_404_is_named_with_the_address_to_look_at() {
    survives(
        Fault::NoRoute,
        "store_refuses",
        &["reading orders", "answered 404", "`url` the shop's address", "tillbridge check"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_under_maintenance_is_waited_for() {
    survives(
        Fault::Maintenance,
        "store_unreachable",
        &["answered 503", "maintenance", "tried again by itself", "Nothing is lost"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_inside_is_waited_for() {
    survives(Fault::ServerError, "store_unreachable", &["answered 500", "tried again by itself"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_stops_in_the_middle_is_no_answer() {
    survives(Fault::CutBody, "store_unreachable", &["reading orders", "broke off", "Nothing is lost"]).await;
}

/// The quantity was written, the answer to that was cut: the store is read, and nothing is written twice or guessed.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_stops_in_the_middle_is_read_back() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.till.sell("1001", 4.into());
    shop.export_and_look("less.csv");
    shop.server.faults.set_for("POST /V1/inventory/source-items", Fault::CutBody, Count::Next(1));
    shop.deliver().await;
    assert!(shop.conditions().contains(&"store_unreachable".to_owned()), "{:?}", shop.conditions());
    assert_eq!((shop.sellable("1001"), shop.due()), (6.into(), 1), "carried out, and not believed yet");
    shop.pass_time(900);
    shop.deliver().await;
    assert_eq!((shop.sellable("1001"), shop.due()), (6.into(), 0));
    assert_eq!(shop.server.faults.count("POST /V1/inventory/source-items"), 1);
    assert_eq!(shop.conditions(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_asks_to_slow_down_is_named_and_served_afterwards() {
    survives(
        Fault::TooMany(Duration::from_secs(600)),
        "store_unreachable",
        &["answered 429", "slow down", "tried again by itself"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_never_undercut_whatever_wakes_the_agent() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.place("1001", 2);
    shop.server.faults.set(Fault::TooMany(Duration::from_secs(600)), Count::Next(1));
    shop.agent().intake.activate().await;
    let asked = shop.server.faults.count("");
    assert_eq!(asked, 1);
    for minute in 0..9 {
        // An export comes, the reconcilers are woken: the web store still wants to be left alone.
        shop.till.sell("1004", 1.into());
        shop.export_and_look(&format!("minute{minute}.csv"));
        shop.agent().intake.activate().await;
        let pause = shop.agent().delivery.activate().await;
        assert!(pause.0 <= Duration::from_secs(600), "{pause:?}");
        shop.pass_time(40);
    }
    assert_eq!(shop.server.faults.count(""), asked, "nobody asked before the time was over");
    says(&shop.condition_text("store_unreachable"), &["answered 429"]);
    shop.pass_time(60);
    shop.deliver().await;
    assert_eq!((shop.sellable("1001"), shop.sellable("1004"), shop.due()), (8.into(), 39.into(), 0));
    assert!(!shop.conditions().contains(&"store_unreachable".to_owned()));
}

// ------------------------------------------------------------------------------------------------------- the exports

#[tokio::test(flavor = "multi_thread")]
async fn a_quantity_of_ten_plus_keeps_the_last_count_and_is_named_with_file_and_line() {
    for mode in MODES {
        let mut shop = TestShop::in_business(mode).await;
        shop.till.sell("1002", 1.into());
        let export = shop.till.export("template").unwrap();
        let whole = std::fs::read_to_string(&export).unwrap();
        std::fs::remove_file(export).unwrap();
        let line = whole.lines().position(|line| line.starts_with("1001,")).unwrap() + 1;
        shop.put_export("plus.csv", whole.replace("1001,Teapot white,10", "1001,Teapot white,10+").as_bytes());
        shop.deliver().await;
        assert_eq!(shop.last_export(), ExportState::Admitted);
        assert_eq!((shop.sellable("1001"), shop.sellable("1002")), (10.into(), 5.into()), "{mode:?}");
        let text = shop.condition_text("export_row_errors");
        says(&text, &["plus.csv", &format!("line {line}"), "10+", "Correct these items in the till"]);
        shop.till.sell("1001", 1.into());
        shop.export_and_look("right_again.csv");
        shop.deliver().await;
        assert_eq!(shop.sellable("1001"), 9.into());
        assert!(!shop.conditions().contains(&"export_row_errors".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_export_is_waited_for_and_reported_and_zeroes_nothing() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.put_export("empty.csv", b"");
    assert!(!shop.conditions().contains(&"export_unsettled".to_owned()), "the till may be about to fill it");
    shop.pass_time(16 * 60);
    shop.look();
    shop.deliver().await;
    let text = shop.condition_text("export_unsettled");
    says(&text, &["empty.csv", "empty so far", "See whether the till's export hangs"]);
    assert_eq!((shop.sellable("1001"), shop.due()), (10.into(), 0));
    // The till fills it after all.
    shop.till.sell("1001", 2.into());
    shop.export_and_look("empty.csv");
    shop.deliver().await;
    assert_eq!(shop.sellable("1001"), 8.into());
    assert!(!shop.conditions().contains(&"export_unsettled".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_another_program_holds_is_named_after_ten_minutes_and_read_once_it_is_free() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.agent().epos.hold_export(Some("second.csv"));
    shop.put_export("second.csv", b"SKU,Qty\n1001,9\n1002,20\n");
    let since = shop.clock_now();
    let first_pause = shop.agent().stock.reconcile().unwrap();
    shop.pass_time(540);
    let later_pause = shop.agent().stock.reconcile().unwrap();
    assert!(first_pause < later_pause, "the pauses grow: {first_pause:?}, {later_pause:?}");
    assert!(!shop.conditions().contains(&"file_held".to_owned()), "a virus scanner may be at it");
    shop.pass_time(61);
    let last_pause = shop.agent().stock.reconcile().unwrap();
    assert_eq!(last_pause, shop.agent().epos.pace().sweep_idle, "it is never given up");
    let text = shop.condition_text("file_held");
    let minute = since.strftime("%Y-%m-%d %H:").to_string();
    says(
        &text,
        &["second.csv", "cannot be opened since", &minute, "another program has it open", "tried again by itself"],
    );
    assert!(!shop.conditions().contains(&"export_unsettled".to_owned()), "one trouble, one condition");
    shop.agent().epos.hold_export(None);
    shop.look();
    assert!(!shop.conditions().contains(&"file_held".to_owned()));
    assert_eq!(shop.ledger().last_export().unwrap().unwrap().name, "second.csv");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_is_held_when_it_is_copied_waits_like_one_that_cannot_be_opened_at_all() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.agent().epos.hold_export_when_copied(Some("second.csv"));
    shop.put_export("second.csv", b"SKU,Qty\n1001,9\n1002,20\n");
    assert!(!shop.conditions().contains(&"export_not_copied".to_owned()), "there is room, and every right");
    shop.pass_time(601);
    shop.agent().stock.reconcile().unwrap();
    says(&shop.condition_text("file_held"), &["second.csv", "cannot be opened since"]);
    shop.agent().epos.hold_export_when_copied(None);
    shop.look();
    assert!(!shop.conditions().contains(&"file_held".to_owned()));
    assert_eq!(shop.ledger().last_export().unwrap().unwrap().name, "second.csv");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_with_a_header_and_no_rows_is_quarantined_with_its_reason() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.put_export("header_only.csv", b"SKU,Description,Qty\r\n");
    shop.deliver().await;
    assert_eq!(shop.last_export(), ExportState::Rejected);
    says(&shop.condition_text("export_rejected"), &["header_only.csv", "no data rows", "stock preview", "quarantine"]);
    assert_eq!((shop.sellable("1001"), shop.due()), (10.into(), 0));
    let kept = shop.config.agent.data_folder.join("quarantine");
    let day = std::fs::read_dir(kept).unwrap().next().unwrap().unwrap().path();
    let names: Vec<_> = std::fs::read_dir(&day).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "the copy and its reason: {names:?}");
    let note = names.iter().find(|name| name.to_str().unwrap().ends_with(".reason.txt")).unwrap();
    let note = std::fs::read_to_string(day.join(note)).unwrap();
    says(
        &note,
        &["The stock export header_only.csv was not used.\r\n", "no data rows", "make the till write", "stock read"],
    );
    shop.export_and_look("good.csv");
    assert!(!shop.conditions().contains(&"export_rejected".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_older_than_the_last_is_refused_with_both_times_and_the_next_one_counts() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.till.sell("1001", 4.into());
    shop.export_and_look("newer.csv");
    shop.deliver().await;
    let old = shop.till.export.join("restored.csv");
    std::fs::copy(shop.till.export.join("first.csv"), &old).unwrap();
    let yesterday = shop.clock_now().saturating_sub(jiff::SignedDuration::from_hours(24)).unwrap();
    std::fs::File::options().write(true).open(old).unwrap().set_modified(shop::modified(yesterday)).unwrap();
    shop.look();
    shop.deliver().await;
    assert_eq!((shop.last_export(), shop.sellable("1001")), (ExportState::Refused, 6.into()));
    let text = shop.condition_text("export_refused");
    says(&text, &["restored.csv", "was made before the export of", "Make the till export again"]);
    shop.till.sell("1001", 1.into());
    shop.export_and_look("next.csv");
    shop.deliver().await;
    assert_eq!((shop.last_export(), shop.sellable("1001")), (ExportState::Admitted, 5.into()));
    assert!(!shop.conditions().contains(&"export_refused".to_owned()));
}

// -------------------------------------------------------------------------------------------------------- the orders

#[tokio::test(flavor = "multi_thread")]
async fn an_order_with_an_item_that_the_till_does_not_know_is_written_and_named() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.magento.with(|books| {
        books.add_product("NEW-1", "Tea cosy", ProductKind::Simple { parent: None }, "9.90".parse().unwrap());
        let write = tillbridge::demo::magento::SourceWrite {
            sku: "NEW-1".into(),
            source: tillbridge::demo::seed::SOURCE.into(),
            quantity: 5.into(),
            in_stock: true,
        };
        books.write_sources(&[write]).unwrap();
    });
    shop.till.habits.reject_unknown = true;
    let order = shop.place("NEW-1", 2);
    shop.pull().await;
    shop.write_orders();
    let text = shop.condition_text("item_unknown_to_till");
    says(&text, &["NEW-1", &order.increment_id, "See whether the till knows"]);
    // This till refuses the file; a person makes the item known and asks for the order again.
    shop.till.import_all().unwrap();
    shop.look_at_orders();
    assert_eq!(shop.states(), [OrderState::Rejected]);
    let command = format!("tillbridge orders export {} --again", order.increment_id);
    says(&shop.condition_text("order_rejected"), &[&order.increment_id, "rejects folder", &command]);
    shop.deliver().await;
    assert_eq!(shop.sellable("NEW-1"), 3.into(), "what the till does not count is left alone");
    shop.till.count("NEW-1", "Tea cosy", 5.into());
    shop.ledger().ask_for_order(&order.increment_id, true, "Ann", shop.clock_now()).unwrap();
    shop.write_orders();
    assert_eq!(shop.till_takes_all(), 1);
    assert_eq!(shop.till.imported().get(&order.increment_id), Some(&1));
    shop.pass_time(120);
    shop.export_and_look("knows_it.csv");
    shop.deliver().await;
    shop.write_orders();
    assert_eq!(shop.conditions(), Vec::<String>::new());
    assert_eq!(shop.sellable("NEW-1"), 3.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_with_zero_lines_is_named_and_stops_no_other_order() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let (hollow, good) = (shop.place("1001", 2), shop.place("1003", 1));
    let rows = shop.magento.with(|books| books.replace_rows(hollow.entity_id, Vec::new())).unwrap();
    shop.pull().await;
    shop.write_orders();
    let text = shop.condition_text("order_unreadable");
    says(&text, &[&hollow.increment_id, "it has no items", "by hand"]);
    assert_eq!(shop.till_takes_all(), 1, "the other order is not affected");
    assert_eq!(shop.till.imported().get(&good.increment_id), Some(&1));
    shop.deliver().await;
    assert_eq!(shop.sellable("1001"), 8.into(), "the web store's own reservation stands");
    // Days later it is still reported, and once its rows are back it goes to the till like any other.
    shop.pass_time(3 * 86_400);
    shop.pull().await;
    assert!(shop.conditions().contains(&"order_unreadable".to_owned()));
    shop.magento.with(|books| books.replace_rows(hollow.entity_id, rows)).unwrap();
    shop.pull().await;
    shop.pull().await;
    shop.write_orders();
    assert_eq!(shop.till_takes_all(), 1);
    assert!(!shop.conditions().contains(&"order_unreadable".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sku_with_a_slash_goes_all_the_way_there_and_back() {
    for mode in MODES {
        let mut shop = TestShop::in_business(mode).await;
        let order = shop.place("A/B-7", 5);
        shop.pull().await;
        shop.write_orders();
        assert_eq!(shop.till_takes_all(), 1);
        let lines = &shop.till.bookings().last().unwrap().lines;
        assert_eq!(lines.as_slice(), [("A/B-7".to_owned(), Quantity::from(5))], "{mode:?}");
        assert_eq!(shop.till.imported().get(&order.increment_id), Some(&1));
        shop.till.sell("A/B-7", 3.into());
        shop.pass_time(120);
        shop.export_and_look("after.csv");
        shop.deliver().await;
        assert_eq!((shop.sellable("A/B-7"), shop.due()), (4.into(), 0), "{mode:?}");
        assert_eq!(shop.conditions(), Vec::<String>::new(), "{mode:?}");
    }
}

// ------------------------------------------------------------------------------------------------------ the full disk

/// Neither a quota nor a small volume can be had without an administrator's rights, so the harness's till answers with
/// the system's own "no space left" wherever a file would be written; what the agent makes of it is real.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_the_till_keeps_orders_and_exports_until_there_is_room() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.agent().epos.fill_disk(true);
    let order = shop.place("1001", 2);
    shop.pull().await;
    shop.write_orders();
    assert_eq!(shop.states(), [OrderState::Received]);
    says(
        &shop.condition_text("import_folder"),
        &[&order.increment_id, "is the disk full", "Orders wait", "tillbridge check"],
    );
    shop.till.sell("1004", 5.into());
    shop.export_and_look("no_room.csv");
    shop.deliver().await;
    assert_eq!((shop.sellable("1004"), shop.till.waiting().unwrap().len()), (48.into(), 0));
    says(
        &shop.condition_text("export_not_copied"),
        &["no_room.csv", "is the disk full", "Free some space", "the last quantities stand"],
    );
    shop.agent().epos.fill_disk(false);
    shop.write_orders();
    assert_eq!(shop.till_takes_all(), 1);
    shop.look();
    shop.deliver().await;
    assert_eq!((shop.sellable("1001"), shop.sellable("1004"), shop.due()), (8.into(), 43.into(), 0));
    assert_eq!(shop.till.violations(), []);
    for code in ["import_folder", "export_not_copied"] {
        assert!(!shop.conditions().contains(&code.to_owned()), "{:?}", shop.conditions());
    }
}

/// SQLite itself says that the disk is full: the agent's own connection is not allowed another page.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_the_ledger_loses_no_order_and_is_named_on_the_health_page() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let placed = 48;
    for _ in 0..placed {
        shop.place("1003", 1);
    }
    shop.ledger().cap_growth(true).unwrap();
    shop.agent().intake.activate().await;
    assert_eq!(shop.states().len(), 0, "all of a page or nothing");
    let found = |shop: &TestShop| {
        let live = Some((shop.agent().shop.live(), shop.clock_now()));
        let report = tillbridge::health::report(shop.ledger(), "till", live, true, shop.clock_now()).unwrap();
        report.conditions.into_iter().find(|condition| condition.code == "ledger_fails")
    };
    let trouble = found(&shop).expect("the health page names it");
    let folder = shop.config.agent.data_folder.to_str().unwrap().to_owned();
    says(&format!("{} → {}", trouble.text, trouble.remedy), &[&folder, "disk is full", "free some space", "by itself"]);
    let since = trouble.since;
    shop.pass_time(60);
    shop.agent().intake.activate().await;
    assert_eq!(found(&shop).expect("it lasts").since, since);
    shop.ledger().cap_growth(false).unwrap();
    shop.agent().intake.activate().await;
    assert!(found(&shop).is_none());
    assert_eq!(shop.states().len(), placed);
    shop.write_orders();
    assert_eq!(shop.till_takes_all(), placed);
    assert_eq!(shop.till.violations(), []);
    shop.deliver().await;
    assert_eq!(shop.sellable("1003"), Quantity::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_vouchers_only_goes_to_the_till() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.place("GIFT-10", 1);
    shop.pull().await;
    shop.write_orders();
    assert_eq!(shop.conditions(), Vec::<String>::new());
    assert_eq!(shop.till_takes_all(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_file_of_the_same_name_in_the_done_folder_proves_nothing_while_ours_still_waits() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.config.epos.done_folder = Some(shop.till.done.clone());
    std::fs::create_dir_all(&shop.till.done).unwrap();
    shop.die_and_restart();
    shop.place("1001", 1);
    shop.pull().await;
    shop.write_orders();
    let name = shop.till.waiting().unwrap()[0].clone();
    std::fs::write(shop.till.done.join(&name), "from before").unwrap();
    shop.look_at_orders();
    assert_eq!((shop.till.waiting().unwrap().len(), shop.states()), (1, vec![OrderState::Published]));
    assert_eq!(shop.till_takes_all(), 1);
    assert_eq!(shop.states(), [OrderState::Consumed]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_asked_for_again_while_it_is_on_hold_does_not_stop_the_others() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let order = shop.place("1001", 1);
    shop.pull().await;
    shop.write_orders();
    shop.pass_time(1);
    shop.magento.with(|books| books.hold(order.entity_id)).unwrap();
    shop.pull().await;
    shop.ledger().ask_for_order(&order.increment_id, true, "ann", shop.clock_now()).unwrap();
    assert_eq!(shop.till_takes_all(), 1);
    let other = shop.place("1002", 1);
    shop.pull().await;
    shop.write_orders();
    assert_eq!(shop.till_takes_all(), 1);
    assert_eq!(shop.states(), [OrderState::Consumed, OrderState::Consumed]);
    for number in [&order.increment_id, &other.increment_id] {
        assert_eq!(shop.till.imported().get(number).copied(), Some(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_the_till_takes_away_first_and_refuses_later_is_reported_as_refused() {
    let shop = TestShop::in_business(Mode::Msi).await;
    shop.place("1001", 2);
    shop.pull().await;
    shop.write_orders();
    let name = shop.till.waiting().unwrap()[0].clone();
    let work = shop.folder.path().join("till-work.csv");
    std::fs::rename(shop.till.import.join(&name), &work).unwrap();
    shop.look_at_orders();
    assert_eq!(shop.states(), [OrderState::Consumed]);
    shop.deliver().await;
    assert_eq!(shop.states(), [OrderState::Acknowledged]);
    std::fs::rename(&work, shop.till.rejects.join(&name)).unwrap();
    shop.pass_time(60);
    shop.look_at_orders();
    assert_eq!(shop.states(), [OrderState::Rejected]);
    assert!(shop.conditions().contains(&"order_rejected".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_cancelled_after_the_till_took_it_is_reported_until_somebody_has_dealt_with_it() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let order = shop.place("1001", 1);
    shop.pull().await;
    shop.write_orders();
    shop.till_takes_all();
    shop.cancel(&order);
    shop.pull().await;
    shop.look_at_orders();
    let text = shop.condition_text("order_cancelled_after_taken");
    assert!(text.contains(&order.increment_id) && text.contains("return"), "{text}");
    shop.pass_time(30 * 86_400);
    shop.write_orders();
    assert!(shop.conditions().contains(&"order_cancelled_after_taken".to_owned()));
    shop.ledger().order_done(&order.increment_id, false, "ann", shop.clock_now()).unwrap();
    shop.write_orders();
    assert!(!shop.conditions().contains(&"order_cancelled_after_taken".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn open_orders_from_before_the_agents_time_are_reported_until_somebody_deals_with_them() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let orders = [shop.place("1001", 1), shop.place("1001", 1)];
    shop.pass_time(1);
    shop.config.orders.since = Some(shop.clock_now());
    shop.die_and_restart();
    shop.pull().await;
    shop.write_orders();
    let text = shop.condition_text("orders_before_start");
    assert!(text.contains('2') && orders.iter().all(|order| text.contains(&order.increment_id)), "{text}");
    assert!(text.contains("tillbridge orders export"), "{text}");
    shop.ship(&orders[0]);
    shop.pull().await;
    shop.ledger().ask_for_order(&orders[1].increment_id, false, "ann", shop.clock_now()).unwrap();
    shop.write_orders();
    assert!(!shop.conditions().contains(&"orders_before_start".to_owned()));
}
