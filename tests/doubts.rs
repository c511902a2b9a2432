//! What a harsh reviewer tried: clocks that were wrong, stores that act by themselves, files that come again. Each of these
//! once went wrong.

#![allow(clippy::disallowed_methods, reason = "a test may play the till")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

mod shop;

use jiff::SignedDuration;
use shop::TestShop;
use tillbridge::demo::faults::{Count, Fault};
use tillbridge::demo::magento::{Mode, Refund};
use tillbridge::demo::seed;
use tillbridge::domain::{OrderState, Quantity};
use tillbridge::ledger::exports::ExportState;

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_set_back_refuses_no_exports() {
    let mut shop = TestShop::open(Mode::Msi).await;
    shop.clock.advance(SignedDuration::from_hours(24)); // wrong date on the PC
    shop.export_and_look("first.csv");
    shop.deliver().await;
    shop.clock.advance(SignedDuration::from_hours(-24)); // NTP puts it right
    shop.till.sell("1001", 8.into());
    shop.export_and_look("second.csv");
    shop.pass_time(600);
    shop.deliver().await;
    shop.till.sell("1001", 1.into());
    shop.export_and_look("third.csv");
    shop.pass_time(600);
    shop.deliver().await;
    assert_eq!((shop.last_export(), shop.sellable("1001")), (ExportState::Admitted, 1.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_is_created_in_the_store_later_gets_its_count() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.till.count("NEW-1", "New", 3.into());
    shop.export_and_look("a.csv");
    shop.deliver().await;
    shop.pass_time(600);
    shop.magento.with(|b| {
        b.add_product(
            "NEW-1",
            "New",
            tillbridge::demo::magento::ProductKind::Simple { parent: None },
            rust_decimal::Decimal::ONE,
        );
        b.write_sources(&[tillbridge::demo::magento::SourceWrite {
            sku: "NEW-1".into(),
            source: seed::SOURCE.into(),
            quantity: 50.into(),
            in_stock: true,
        }])
        .unwrap();
    });
    shop.till.sell("NEW-1", 1.into());
    shop.export_and_look("b.csv");
    shop.deliver().await;
    shop.pass_time(3 * 86_400);
    shop.deliver().await;
    assert_eq!(shop.sellable("NEW-1"), 2.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_puts_back_by_itself_is_noticed() {
    for mode in [Mode::Msi, Mode::Legacy] {
        let mut shop = TestShop::in_business(mode).await;
        let order = shop.place("1001", 1);
        shop.pull().await;
        shop.write_orders();
        shop.till_takes_all();
        shop.pass_time(120);
        shop.export_and_look("after.csv");
        shop.deliver().await;
        shop.magento.with(|b| b.invoice(order.entity_id, None)).unwrap();
        shop.ship(&order);
        shop.pull().await;
        shop.deliver().await;
        assert_eq!(shop.sellable("1001"), 9.into());
        shop.pass_time(10);
        let row = shop.magento.with(|b| b.order(order.entity_id).unwrap().rows[0].id);
        shop.magento
            .with(|b| b.refund(order.entity_id, &Refund { lines: None, returned: vec![row], shipping: false }))
            .unwrap();
        shop.pull().await;
        shop.deliver().await;
        shop.pass_time(3600);
        shop.export_and_look("later.csv");
        shop.deliver().await;
        assert_eq!(shop.sellable("1001"), 9.into(), "{mode:?}: the till counts 9");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_of_orders_that_fail_do_not_hold_up_stock() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    for _ in 0..30 {
        shop.place("1003", 1);
    }
    shop.pull().await;
    shop.write_orders();
    shop.till_takes_all();
    shop.server.faults.set_for("comments", Fault::ServerError, Count::UntilCleared);
    shop.till.sell("1001", 8.into());
    shop.export_and_look("x.csv");
    shop.till_takes_all();
    for _ in 0..20 {
        shop.pass_time(30);
        shop.deliver().await;
        if shop.sellable("1001") == 2.into() {}
    }
    assert_eq!(shop.sellable("1001"), 2.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_under_a_newer_time_are_a_confirmation() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.place("1001", 1);
    shop.pull().await;
    shop.write_orders();
    shop.till_takes_all();
    // One piece came in, so the till counts ten again: the same bytes say something new.
    shop.till.goods_in("1001", 1.into());
    shop.pass_time(120);
    shop.export_and_look("again.csv");
    shop.deliver().await;
    assert_eq!(shop.sellable("1001"), 10.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_decimal_places_than_the_store_keeps_are_no_drift() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let text = String::from_utf8(std::fs::read(shop.till.export.join("first.csv")).unwrap()).unwrap();
    let text = text.replace("Teapot white,10", "Teapot white,9.123456");
    shop.put_export("dec.csv", text.as_bytes());
    for _ in 0..10 {
        shop.deliver().await;
        shop.pass_time(400);
    }
    assert_eq!(shop.due(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_writes_stay_reported_while_orders_can_be_read() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.server.faults.set_for("POST /V1/inventory/source-items", Fault::Unauthorised, Count::UntilCleared);
    shop.till.sell("1001", 8.into());
    shop.export_and_look("x.csv");
    shop.deliver().await;
    assert!(shop.conditions().contains(&"store_refuses".to_owned()));
    shop.pass_time(5);
    shop.pull().await;
    assert!(shop.conditions().contains(&"store_refuses".to_owned()), "{:?}", shop.conditions());
}

#[tokio::test(flavor = "multi_thread")]
async fn items_that_differ_in_capitals_are_not_written_and_are_named() {
    let mut shop = TestShop::in_business(Mode::Legacy).await;
    let text = String::from_utf8(std::fs::read(shop.till.export.join("first.csv")).unwrap()).unwrap();
    let low = text.replace("TEE-RED", "tee-red");
    shop.put_export("low.csv", low.as_bytes());
    shop.deliver().await;
    shop.place("TEE-RED", 3); // 8 on the shelf, the till has not got it yet
    shop.pull().await;
    shop.deliver().await;
    assert_eq!(shop.sellable("TEE-RED"), 5.into());
    shop.pass_time(60);
    let plus = low
        .lines()
        .map(|l| if l.starts_with("tee-red") { l.rsplit_once(',').unwrap().0.to_owned() + ",9" } else { l.to_owned() })
        .collect::<Vec<_>>()
        .join("\r\n");
    shop.put_export("low2.csv", plus.as_bytes()); // one piece of goods-in
    shop.pass_time(31 * 60);
    shop.look();
    shop.deliver().await;
    // One could still be sold; which of the two is meant is not guessed.
    assert_eq!(shop.sellable("TEE-RED"), 5.into());
    assert!(shop.condition_text("items_not_taken").contains("spells it TEE-RED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_is_never_zero_even_where_missing_items_are() {
    let mut shop = TestShop::open(Mode::Msi).await;
    shop.set_missing_zero();
    shop.export_and_look("first.csv");
    shop.deliver().await;
    let text = String::from_utf8(std::fs::read(shop.till.export.join("first.csv")).unwrap()).unwrap();
    shop.put_export("bad.csv", text.replace("Teapot white,10", "Teapot white,10+").as_bytes());
    shop.deliver().await;
    assert_eq!(shop.sellable("1001"), 10.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_under_a_wrong_clock_postpones_nothing_for_a_day() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.till.sell("1001", 8.into());
    shop.export_and_look("x.csv");
    shop.clock.advance(SignedDuration::from_hours(24));
    shop.server.faults.set_for("POST /V1/inventory/source-items", Fault::ServerError, Count::Next(1));
    shop.deliver().await;
    shop.clock.advance(SignedDuration::from_hours(-24));
    for _ in 0..20 {
        shop.pass_time(600);
        shop.deliver().await;
    }
    assert_eq!(shop.sellable("1001"), 2.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_export_does_not_keep_a_good_older_one_away() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.till.sell("1001", 8.into());
    let good = shop.till.export("b.csv").unwrap();
    std::fs::File::options().write(true).open(&good).unwrap().set_modified(shop::modified(shop.clock_now())).unwrap();
    shop.pass_time(2);
    let bad = shop.till.export.join("c.csv");
    std::fs::write(&bad, "SKU,Description,Qty\r\n1002,Teapot,6\r\n").unwrap();
    std::fs::File::options().write(true).open(&bad).unwrap().set_modified(shop::modified(shop.clock_now())).unwrap();
    shop.look();
    shop.deliver().await;
    assert_eq!(shop.sellable("1001"), 2.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_settings_are_applied_at_the_next_start() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.config.stock.buffer = 4.into();
    shop.die_and_restart();
    shop.export_and_look("same_again.csv");
    shop.deliver().await;
    assert_eq!(shop.sellable("1001"), 6.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_keeps_its_books_otherwise_than_before_is_looked_at_anew() {
    let mut shop = TestShop::in_business(Mode::Legacy).await;
    // As if inventory sources had been switched off in the store since the last start.
    let other = "physical-plus-reservations";
    shop.ledger().set_fact(tillbridge::ledger::facts::STORE_MODEL, Some(other)).unwrap();
    shop.magento.with(|books| books.write_legacy("1001", Some(50.into()), Some(true))).unwrap();
    shop.die_and_restart();
    shop.till.sell("1004", 1.into());
    shop.export_and_look("next.csv");
    shop.deliver().await;
    assert_eq!((shop.sellable("1001"), shop.sellable("1004")), (10.into(), 47.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_order_that_is_cancelled_is_no_trouble_any_more() {
    let shop = TestShop::in_business(Mode::Msi).await;
    let order = shop.place("1001", 1);
    shop.pull().await;
    shop.write_orders();
    let name = shop.till.waiting().unwrap()[0].clone();
    std::fs::rename(shop.till.import.join(&name), shop.till.rejects.join(&name)).unwrap();
    shop.look_at_orders();
    assert_eq!(shop.states(), [OrderState::Rejected]);
    shop.cancel(&order);
    shop.pull().await;
    shop.look_at_orders();
    assert!(!shop.conditions().contains(&"order_rejected".to_owned()), "{:?} {:?}", shop.states(), shop.conditions());
}

// ------------------------------------------------------------------------------------------------ exports of changes

fn changes(rows: &[(&str, i64)]) -> Vec<u8> {
    let rows: String = rows.iter().map(|(sku, count)| format!("{sku},Article,{count}\r\n")).collect();
    format!("SKU,Description,Qty\r\n{rows}").into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_changes_proves_orders_only_for_the_items_that_it_mentions() {
    for mode in [Mode::Msi, Mode::Legacy] {
        let mut shop = TestShop::in_business(mode).await;
        let other = shop.sellable("1002");
        shop.place("1001", 1);
        shop.place("1002", 1);
        shop.pull().await;
        shop.write_orders();
        shop.till_takes_all();
        shop.pass_time(120);
        // One teapot came in: the till counts ten again, and one of them is really there for the web.
        shop.put_export("changes_0001.csv", &changes(&[("1001", 10)]));
        shop.deliver().await;
        assert_eq!(shop.last_export(), ExportState::Merged);
        let less = Quantity::ZERO - 1.into();
        assert_eq!((shop.sellable("1001"), shop.sellable("1002")), (10.into(), other + less), "{mode:?}");
        assert_eq!(shop.due(), 0);
        // A shopper takes one of each; the store's own doings are nothing to write about.
        shop.till.sell("1002", 1.into());
        shop.put_export("changes_0002.csv", &changes(&[("1002", 4)]));
        shop.deliver().await;
        assert_eq!((shop.sellable("1001"), shop.sellable("1002")), (10.into(), 4.into()), "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_changes_are_waited_for_and_named_and_a_full_export_ends_the_doubt() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.put_export("changes_0001.csv", &changes(&[("1001", 9)]));
    shop.put_export("changes_0003.csv", &changes(&[("1001", 7)]));
    shop.put_export("changes_0004.csv", &changes(&[("1004", 40)]));
    let text = shop.condition_text("export_held");
    assert!(text.contains("number 0003 and the last one was 0001"), "{text}");
    assert!(text.contains("1 later export(s)") && text.contains("stock approve changes_0003.csv"), "{text}");
    assert_eq!(shop.conditions().iter().filter(|code| *code == "export_held").count(), 1);
    // Number 2 was only late: all three count at once.
    shop.put_export("changes_0002.csv", &changes(&[("1001", 8), ("1003", 1)]));
    shop.deliver().await;
    let sellable = ["1001", "1003", "1004"].map(|sku| shop.sellable(sku));
    assert_eq!(sellable, [7.into(), 1.into(), 40.into()]);
    assert_eq!(shop.conditions(), [""; 0]);
    // Number 5 never comes.
    shop.put_export("changes_0006.csv", &changes(&[("1001", 3)]));
    shop.deliver().await;
    assert_eq!(shop.sellable("1001"), 7.into());
    shop.pass_time(31 * 60);
    shop.look();
    shop.deliver().await;
    assert_eq!(shop.sellable("1001"), 3.into());
    let text = shop.condition_text("export_sequence");
    assert!(text.contains("changes_0006.csv") && text.contains("write a full export"), "{text}");
    shop.put_export("changes_0007.csv", &changes(&[("1001", 2)]));
    assert_eq!(shop.conditions(), ["export_sequence"], "it lasts");
    shop.export_and_look("full.csv");
    assert_eq!((shop.last_export(), shop.conditions()), (ExportState::Admitted, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn items_that_a_full_export_lacks_are_named_until_it_has_them_again() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let full = String::from_utf8(std::fs::read(shop.till.export.join("first.csv")).unwrap()).unwrap();
    let without: Vec<&str> = full.lines().filter(|line| !line.starts_with("1004")).collect();
    shop.put_export("less.csv", (without.join("\r\n") + "\r\n").as_bytes());
    shop.deliver().await;
    let text = shop.condition_text("items_missing");
    assert!(text.contains("1 item(s)") && text.contains("1004") && text.contains("stock.missing"), "{text}");
    assert_eq!(shop.sellable("1004"), 48.into(), "the web store keeps what it has");
    shop.export_and_look("again.csv");
    assert_eq!(shop.conditions(), [""; 0]);
    shop.put_export("less2.csv", (without.join("\r\n") + "\r\n").as_bytes());
    assert_eq!(shop.conditions(), ["items_missing"]);
    shop.set_missing_zero();
    shop.look();
    assert_eq!(shop.conditions(), [""; 0], "the shop wants it otherwise now");
}
