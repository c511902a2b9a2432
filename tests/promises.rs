//! The promises of the README, one test each, named as it names them.

#![allow(clippy::disallowed_methods, reason = "a test may unplug a folder")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

mod shop;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shop::{Step, TestShop};
use tillbridge::demo::faults::{Count, Fault};
use tillbridge::demo::magento::Mode;
use tillbridge::domain::OrderState;
use tillbridge::ledger::exports::ExportState;

const MODES: [Mode; 2] = [Mode::Msi, Mode::Legacy];

#[tokio::test(flavor = "multi_thread")]
async fn an_order_reaches_the_till_exactly_once_even_if_the_agent_is_killed_at_any_moment() {
    for step in [Step::BeforeStage, Step::AfterStage, Step::BeforeReveal, Step::AfterReveal] {
        for till_is_quick in [true, false] {
            let mut shop = TestShop::in_business(Mode::Msi).await;
            let order = shop.place("1001", 2);
            shop.pull().await;
            shop.agent().epos.die_at(step);
            shop.write_orders();
            if till_is_quick {
                shop.till.import_all().unwrap();
            }
            shop.die_and_restart();
            shop.write_orders();
            shop.till_takes_all();
            shop.till_takes_all();
            let booked = shop.till.imported().get(&order.increment_id).copied();
            assert_eq!(booked, Some(1), "died at {step:?}, till quick: {till_is_quick}");
            assert_eq!(shop.till.violations(), [], "died at {step:?}");
            assert_eq!(shop.states(), [OrderState::Consumed], "died at {step:?}, till quick: {till_is_quick}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_till_ever_sees_a_half_written_order_file() {
    let shop = TestShop::in_business(Mode::Msi).await;
    for _ in 0..40 {
        shop.place("1003", 1);
    }
    shop.pull().await;
    let (folder, stop) = (shop.till.import.clone(), Arc::new(AtomicBool::new(false)));
    let stopped = stop.clone();
    let reader = std::thread::spawn(move || {
        let mut seen = std::collections::BTreeSet::new();
        while !stopped.load(Ordering::Relaxed) || seen.len() < 40 {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    let text = std::fs::read_to_string(&path).unwrap();
                    assert!(text.starts_with("OrderNo,") && text.ends_with("\r\n"), "{path:?}: {text:?}");
                    assert_eq!(text.lines().count(), 2, "{path:?}: {text:?}");
                    seen.insert(path);
                }
            }
        }
        seen.len()
    });
    shop.write_orders();
    stop.store(true, Ordering::Relaxed);
    assert_eq!(reader.join().unwrap(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_made_before_the_till_took_its_orders_never_raises_what_the_web_store_sells() {
    for mode in MODES {
        let mut shop = TestShop::in_business(mode).await;
        let orders = [shop.place("1001", 1), shop.place("1001", 1)];
        shop.pull().await;
        shop.write_orders();
        orders.iter().for_each(|order| shop.ship(order));
        shop.pass_time(120);
        shop.export_and_look("too_early.csv");
        shop.deliver().await;
        assert_eq!(shop.last_export(), ExportState::Held);
        assert_eq!(shop.sellable("1001"), 8.into(), "{mode:?}");
        assert!(shop.condition_text("export_held").contains(&orders[0].increment_id));
        // Half an hour later it is used, with both orders subtracted.
        shop.pass_time(31 * 60);
        shop.look();
        shop.deliver().await;
        assert_eq!(shop.last_export(), ExportState::Admitted);
        assert_eq!(shop.sellable("1001"), 8.into(), "{mode:?}");
        // The till takes them and exports again.
        assert_eq!(shop.till_takes_all(), 2);
        shop.pass_time(120);
        shop.export_and_look("in_time.csv");
        shop.deliver().await;
        assert_eq!(shop.last_export(), ExportState::Admitted);
        assert_eq!((shop.sellable("1001"), shop.due()), (8.into(), 0), "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_listed_proves_nothing() {
    let shop = TestShop::in_business(Mode::Msi).await;
    shop.place("1001", 1);
    shop.pull().await;
    shop.write_orders();
    let away = shop.folder.path().join("unplugged");
    std::fs::rename(&shop.till.import, &away).unwrap();
    shop.look_at_orders();
    assert_eq!(shop.states(), [OrderState::Published], "the share is gone");
    assert!(shop.conditions().contains(&"import_folder".to_owned()));
    std::fs::create_dir(&shop.till.import).unwrap();
    shop.look_at_orders();
    assert_eq!(shop.states(), [OrderState::Published], "an empty folder in its place");
    std::fs::remove_dir_all(&shop.till.import).unwrap();
    std::fs::rename(&away, &shop.till.import).unwrap();
    shop.look_at_orders();
    assert_eq!(shop.states(), [OrderState::Published], "it is back, and the file is there");
    assert!(!shop.conditions().contains(&"import_folder".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn days_offline_lose_nothing_and_stock_is_sent_only_after_the_orders_were_read() {
    for mode in MODES {
        let mut shop = TestShop::in_business(mode).await;
        shop.server.faults.set(Fault::Offline, Count::UntilCleared);
        for day in 0..3 {
            shop.till.sell("1004", 3.into());
            shop.export_and_look(&format!("day{day}.csv"));
            shop.deliver().await;
            shop.pass_time(86_400);
        }
        assert!(shop.conditions().contains(&"store_unreachable".to_owned()));
        assert_eq!(shop.due(), 1, "one row for the item, however often it changed");
        // The web store sold meanwhile.
        shop.place("1004", 5);
        shop.server.faults.clear();
        shop.server.faults.forget_counts();
        shop.deliver().await;
        assert_eq!(shop.sellable("1004"), (48 - 9 - 5).into(), "{mode:?}");
        assert_eq!(shop.due(), 0);
        assert_eq!(shop.till.waiting().unwrap().len(), 1, "the order was written for the till as well");
        assert!(!shop.conditions().contains(&"store_unreachable".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quantity_that_cannot_be_read_is_reported_with_its_line_and_never_counts_as_zero() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let mut rows: String = (0..40).map(|n| format!("20{n:02},Plate,{}\r\n", 10 + n)).collect();
    rows.push_str("1001,Teapot,10+\r\n1002,Teapot,5\r\n");
    shop.put_export("one_bad.csv", format!("SKU,Description,Qty\r\n{rows}").as_bytes());
    shop.agent().shop.ledger.approve_held(None, "the test", shop.clock_now()).ok();
    shop.look();
    shop.deliver().await;
    assert_eq!(shop.last_export(), ExportState::Admitted);
    assert_eq!((shop.sellable("1001"), shop.sellable("1002")), (10.into(), 5.into()));
    let text = shop.condition_text("export_row_errors");
    assert!(text.contains("line 42") && text.contains("10+"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_older_than_the_one_that_counts_changes_nothing() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.till.sell("1001", 4.into());
    shop.export_and_look("newer.csv");
    shop.deliver().await;
    assert_eq!(shop.sellable("1001"), 6.into());
    // Someone puts yesterday's file back.
    let old = shop.till.export.join("restored.csv");
    std::fs::copy(shop.till.export.join("first.csv"), &old).unwrap();
    let yesterday = shop.clock_now().saturating_sub(jiff::SignedDuration::from_hours(24)).unwrap();
    std::fs::File::options().write(true).open(old).unwrap().set_modified(shop::modified(yesterday)).unwrap();
    shop.look();
    shop.deliver().await;
    assert_eq!(shop.last_export(), ExportState::Refused);
    assert_eq!(shop.sellable("1001"), 6.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_web_store_already_holds_is_not_sent_again() {
    for (mode, write) in [(Mode::Msi, "POST /V1/inventory/source-items"), (Mode::Legacy, "PUT /V1/products")] {
        let mut shop = TestShop::in_business(mode).await;
        shop.export_and_look("same.csv");
        shop.deliver().await;
        assert_eq!(shop.server.faults.count(write), 0, "{:?}", shop.server.faults.counts());
        shop.till.sell("1001", 1.into());
        shop.export_and_look("one_less.csv");
        shop.deliver().await;
        assert_eq!(shop.server.faults.count(write), 1, "{:?}", shop.server.faults.counts());
        assert_eq!(shop.sellable("1001"), 9.into());
        // The store's own doings are expected, and no reason to write.
        let order = shop.place("1001", 2);
        shop.pull().await;
        shop.deliver().await;
        shop.ship(&order);
        shop.pull().await;
        shop.deliver().await;
        assert_eq!(shop.server.faults.count(write), 1, "{:?}", shop.server.faults.counts());
        assert_eq!(shop.sellable("1001"), 7.into());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_leads_to_reading_not_to_guessing() {
    for (mode, write) in [(Mode::Msi, "POST /V1/inventory/source-items"), (Mode::Legacy, "PUT /V1/products")] {
        let mut shop = TestShop::in_business(mode).await;
        shop.till.sell("1001", 4.into());
        shop.export_and_look("less.csv");
        shop.server.faults.set_for(write, Fault::AnswerLost, Count::Next(1));
        shop.deliver().await;
        assert_eq!(shop.sellable("1001"), 6.into(), "it was carried out");
        // Before the next attempt the goods are back; what was believed before the lost answer is worth nothing now.
        shop.till.goods_in("1001", 4.into());
        shop.export_and_look("back.csv");
        shop.pass_time(600);
        shop.deliver().await;
        assert_eq!((shop.sellable("1001"), shop.due()), (10.into(), 0), "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_cancelled_before_the_till_took_it_is_taken_back() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let order = shop.place("1001", 1);
    shop.pull().await;
    shop.write_orders();
    assert_eq!(shop.till.waiting().unwrap().len(), 1);
    shop.cancel(&order);
    shop.pull().await;
    shop.write_orders();
    assert_eq!(shop.till.waiting().unwrap().len(), 0);
    assert_eq!(shop.states(), [OrderState::Withdrawn]);
    assert_eq!(shop.till_takes_all(), 0);
    // One that the till was faster with stays consumed; staff book it back.
    let order = shop.place("1001", 1);
    shop.pull().await;
    shop.write_orders();
    shop.cancel(&order);
    shop.till.import_all().unwrap();
    shop.pull().await;
    shop.look_at_orders();
    assert_eq!(shop.states(), [OrderState::Withdrawn, OrderState::Consumed]);
}

/// The harness has no watcher at all, and the folders are configured with `watch = "off"`.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_file_watcher_everything_happens_all_the_same_only_later() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let order = shop.place("1001", 3);
    shop.pull().await;
    shop.write_orders();
    assert_eq!(shop.till_takes_all(), 1);
    shop.deliver().await;
    shop.pass_time(120);
    shop.export_and_look("after.csv");
    shop.deliver().await;
    assert_eq!(shop.states(), [OrderState::Acknowledged]);
    assert_eq!(shop.sellable("1001"), 7.into());
    let comments = shop.magento.with(|books| books.order(order.entity_id).unwrap().comments.len());
    assert_eq!(comments, 1, "the store was told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_asked_for_again_while_the_till_takes_it_is_not_doubled() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let order = shop.place("1001", 1);
    shop.pull().await;
    shop.write_orders();
    shop.pass_time(1800);
    shop.till.import_all().unwrap();
    shop.ledger().ask_for_order(&order.increment_id, true, "ann", shop.clock_now()).unwrap();
    shop.write_orders();
    shop.till_takes_all();
    assert_eq!(shop.till.imported().get(&order.increment_id).copied(), Some(1));
    assert_eq!(shop.states(), [OrderState::Consumed]);
    let id = shop.ledger().order(&order.increment_id).unwrap().unwrap().order.id;
    let history = shop.ledger().order_history(&id).unwrap();
    let told = history.iter().filter_map(|entry| entry.detail.as_deref()).any(|text| text.contains("--again"));
    assert!(told, "{history:?}");
    // Asking once more, now that it is known to be gone, does write it.
    shop.ledger().ask_for_order(&order.increment_id, true, "ann", shop.clock_now()).unwrap();
    shop.write_orders();
    assert_eq!(shop.till.waiting().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_cancelled_while_its_file_was_staged_is_never_shown_to_the_till() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let order = shop.place("1001", 1);
    shop.pull().await;
    shop.agent().epos.die_at(Step::BeforeReveal);
    shop.write_orders();
    shop.die_and_restart();
    shop.cancel(&order);
    shop.pull().await;
    shop.write_orders();
    let id = shop.ledger().order(&order.increment_id).unwrap().unwrap().order.id;
    let files = shop.ledger().files_of(&id).unwrap();
    assert!(files.iter().all(|file| file.visible_at.is_none()), "it was visible for a moment: {files:?}");
    assert_eq!((files[0].state.as_str(), shop.states()), ("withdrawn", vec![OrderState::Withdrawn]));
    let staged = std::fs::read_dir(shop.config.epos.staging()).unwrap();
    let left = staged.filter(|entry| entry.as_ref().unwrap().path().extension() == Some("staged".as_ref()));
    assert_eq!(left.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_cancelled_after_its_file_was_revealed_by_an_agent_that_died_is_taken_back_or_proved_taken() {
    for till_is_quick in [true, false] {
        let mut shop = TestShop::in_business(Mode::Msi).await;
        let order = shop.place("1001", 1);
        shop.pull().await;
        shop.agent().epos.die_at(Step::AfterReveal);
        shop.write_orders();
        if till_is_quick {
            shop.till.import_all().unwrap();
        }
        shop.die_and_restart();
        shop.cancel(&order);
        shop.pull().await;
        shop.look_at_orders();
        let expected = if till_is_quick { OrderState::Consumed } else { OrderState::Withdrawn };
        assert_eq!((shop.states(), shop.till.waiting().unwrap().len()), (vec![expected], 0));
    }
}
