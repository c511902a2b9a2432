//! Order and cancellation files that another program holds: each waits alone, is never given up, and is named after ten
//! minutes.

#![allow(clippy::disallowed_methods, reason = "a test may play the till, a person and another program")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

mod shop;

use shop::TestShop;
use tillbridge::demo::magento::{Mode, Placed};
use tillbridge::domain::OrderState;
use tillbridge::epos::order_profile::OrderProfile;
use tillbridge::ledger::declarations::Word;

fn file_of(order: &Placed) -> String {
    format!("order_{}.csv", order.increment_id)
}

fn waiting(shop: &TestShop) -> Vec<String> {
    shop.till.waiting().unwrap()
}

fn has(shop: &TestShop, code: &str) -> bool {
    shop.conditions().contains(&code.to_owned())
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

/// Two orders that the store cancels while both wait; another program holds the file of the first.
async fn two_cancelled() -> (TestShop, Placed, Placed) {
    let shop = TestShop::in_business(Mode::Msi).await;
    let (held, free) = (shop.place("1001", 1), shop.place("1001", 2));
    shop.pull().await;
    shop.write_orders();
    assert_eq!(waiting(&shop).len(), 2);
    shop.agent().epos.hold_order_file(&file_of(&held));
    shop.cancel(&held);
    shop.cancel(&free);
    shop.pull().await;
    (shop, held, free)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_file_that_is_to_be_taken_back_stops_neither_other_withdrawals_nor_new_orders() {
    let (shop, held, free) = two_cancelled().await;
    let new = shop.place("1001", 1);
    shop.pull().await;
    shop.write_orders();
    assert_eq!(shop.state_of(&free.increment_id), OrderState::Withdrawn);
    assert_eq!(shop.state_of(&new.increment_id), OrderState::Published);
    assert_eq!(shop.state_of(&held.increment_id), OrderState::Published);
    assert_eq!(waiting(&shop), [file_of(&held), file_of(&new)]);
    assert!(!has(&shop, "import_folder"), "nothing is wrong with the folder");
    shop.agent().epos.free_order_files();
    shop.write_orders();
    assert_eq!(shop.state_of(&held.increment_id), OrderState::Withdrawn);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_file_is_named_after_ten_minutes_and_tried_ever_more_rarely_until_it_is_free() {
    let (mut shop, held, _) = two_cancelled().await;
    let since = shop.clock_now();
    shop.write_orders();
    let mut tries = vec![];
    for _ in 0..6 {
        for _ in 0..20 {
            shop.write_orders();
            assert!(!has(&shop, "file_held"), "a virus scanner may be at it");
            shop.pass_time(5);
        }
        tries.push(shop.agent().epos.tries_of_held());
    }
    assert!(tries[0] > tries[5] - tries[4] && tries[5] > tries[4], "{tries:?}");
    shop.write_orders();
    let text = shop.condition_text("file_held");
    let minute = since.strftime("%Y-%m-%d %H:").to_string();
    says(&text, &[&file_of(&held), "since", &minute, "another program has it open", "tried again by itself"]);
    // What the reconciler of stock has to say about exports does not end it, nor the other way about.
    shop.agent().epos.hold_export(Some("second.csv"));
    shop.put_export("second.csv", b"SKU,Qty\n1001,9\n1002,20\n");
    shop.pass_time(601);
    shop.agent().stock.reconcile().unwrap();
    shop.write_orders();
    assert_eq!(shop.conditions().iter().filter(|code| *code == "file_held").count(), 2);
    shop.agent().epos.hold_export(None);
    shop.look();
    assert!(shop.condition_text("file_held").contains(&file_of(&held)));
    shop.pass_time(24 * 3600);
    shop.write_orders();
    assert!(has(&shop, "file_held"), "it is never given up");
    shop.agent().epos.free_order_files();
    shop.pass_time(301);
    shop.write_orders();
    assert_eq!(shop.state_of(&held.increment_id), OrderState::Withdrawn);
    assert!(!has(&shop, "file_held"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_file_that_the_till_takes_after_all_is_named_no_more() {
    let (mut shop, held, _) = two_cancelled().await;
    shop.write_orders();
    shop.pass_time(601);
    shop.write_orders();
    assert!(has(&shop, "file_held"));
    assert_eq!(shop.till_takes_all(), 1);
    shop.pass_time(301);
    shop.look_at_orders();
    assert_eq!(shop.state_of(&held.increment_id), OrderState::Consumed);
    shop.write_orders();
    assert!(!has(&shop, "file_held"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staged_file_that_is_held_when_it_is_shown_or_written_keeps_no_other_order_waiting() {
    let shop = TestShop::in_business(Mode::Msi).await;
    let (held, other) = (shop.place("1001", 1), shop.place("1001", 1));
    shop.pull().await;
    shop.agent().epos.hold_order_file(&file_of(&held));
    shop.write_orders();
    assert_eq!(waiting(&shop), [file_of(&other)]);
    assert_eq!(shop.state_of(&held.increment_id), OrderState::Received);
    let third = shop.place("1001", 1);
    shop.pull().await;
    shop.write_orders();
    assert_eq!(waiting(&shop), [file_of(&other), file_of(&third)]);
    shop.pass_time(601);
    shop.write_orders();
    says(&shop.condition_text("file_held"), &[&file_of(&held)]);
    assert!(!has(&shop, "import_folder") && !has(&shop, "order_failed"));
    shop.agent().epos.free_order_files();
    shop.pass_time(301);
    shop.write_orders();
    assert_eq!(waiting(&shop).len(), 3);
    shop.write_orders();
    assert!(!has(&shop, "file_held"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_file_of_an_order_that_is_declared_booked_keeps_the_word_until_it_can_be_taken_away() {
    let shop = TestShop::in_business(Mode::Msi).await;
    let (held, other) = (shop.place("1001", 1), shop.place("1001", 1));
    shop.pull().await;
    shop.write_orders();
    shop.agent().epos.hold_order_file(&file_of(&held));
    for order in [&held, &other] {
        shop.ledger().declare_order(&order.increment_id, Word::Consumed, "ann", shop.clock_now()).unwrap();
    }
    shop.write_orders();
    assert_eq!(shop.state_of(&held.increment_id), OrderState::Published);
    assert_eq!(shop.state_of(&other.increment_id), OrderState::Consumed);
    assert!(!has(&shop, "import_folder"));
    shop.agent().epos.free_order_files();
    shop.write_orders();
    assert_eq!(shop.state_of(&held.increment_id), OrderState::Consumed);
    assert_eq!(waiting(&shop), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_older_file_of_an_order_that_is_wanted_again_keeps_that_order_waiting_and_no_other() {
    let shop = TestShop::in_business(Mode::Msi).await;
    let (held, other) = (shop.place("1001", 1), shop.place("1001", 1));
    shop.pull().await;
    shop.write_orders();
    shop.agent().epos.hold_order_file(&file_of(&held));
    for order in [&held, &other] {
        shop.ledger().ask_for_order(&order.increment_id, true, "ann", shop.clock_now()).unwrap();
    }
    shop.write_orders();
    let second = |order: &Placed| format!("order_{}_2.csv", order.increment_id);
    assert_eq!(waiting(&shop), [file_of(&held), second(&other)]);
    shop.agent().epos.free_order_files();
    shop.write_orders();
    assert_eq!(waiting(&shop), [second(&held), second(&other)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_held_while_the_agent_starts_is_compared_when_it_is_free_and_stops_nothing() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let held = shop.place("1001", 1);
    shop.pull().await;
    shop.write_orders();
    shop.die_and_restart();
    shop.agent().epos.hold_order_file(&file_of(&held));
    let new = shop.place("1001", 1);
    shop.pull().await;
    shop.write_orders();
    assert_eq!(waiting(&shop), [file_of(&held), file_of(&new)]);
    assert!(!has(&shop, "import_folder"));
    // Whatever lies under its name now: once it is free it is looked at.
    std::fs::write(shop.till.import.join(file_of(&held)), "of another program").unwrap();
    shop.write_orders();
    assert!(!has(&shop, "order_file_changed"));
    shop.agent().epos.free_order_files();
    shop.pass_time(60);
    shop.write_orders();
    says(&shop.condition_text("order_file_changed"), &[&file_of(&held)]);
    std::fs::remove_file(shop.till.import.join(file_of(&held))).unwrap();
    shop.look_at_orders();
    assert_eq!(shop.state_of(&held.increment_id), OrderState::Consumed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_cancellation_file_keeps_no_other_cancellation_waiting() {
    let mut shop = TestShop::in_business(Mode::Legacy).await;
    shop.configure(|config| config.epos.cancellation_profile = Some(OrderProfile::of_cancellations()));
    let (held, other) = (shop.place("1001", 1), shop.place("1001", 1));
    shop.pull().await;
    shop.write_orders();
    assert_eq!(shop.till_takes_all(), 2);
    let file = |order: &Placed| format!("cancel_{}.csv", order.increment_id);
    shop.agent().epos.hold_order_file(&file(&held));
    shop.cancel(&held);
    shop.cancel(&other);
    shop.pull().await;
    shop.write_orders();
    assert_eq!(waiting(&shop), [file(&other)]);
    shop.write_orders();
    shop.pass_time(601);
    shop.write_orders();
    says(&shop.condition_text("file_held"), &[&file(&held)]);
    assert!(!has(&shop, "import_folder"));
    shop.agent().epos.free_order_files();
    shop.pass_time(301);
    shop.write_orders();
    assert_eq!(waiting(&shop), [file(&held), file(&other)]);
    // And the other way: both are wanted again, and one cannot be taken away.
    shop.agent().epos.hold_order_file(&file(&held));
    for order in [&held, &other] {
        shop.pass_time(1);
        shop.magento.with(|books| books.reinstate(order.entity_id)).unwrap();
    }
    shop.pull().await;
    shop.write_orders();
    assert_eq!(waiting(&shop), [file(&held)]);
    shop.agent().epos.free_order_files();
    shop.pass_time(301);
    shop.write_orders();
    assert_eq!(waiting(&shop), Vec::<String>::new());
    shop.write_orders();
    assert!(!has(&shop, "file_held"));
}
