//! Items that the till and the web store call differently: orders go out under the till's code, stock comes back for the
//! web SKU, and a change of codes never sells a piece that is not there.

#![allow(clippy::disallowed_methods, reason = "a test may play the till")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

mod shop;

use std::collections::BTreeSet;

use shop::TestShop;
use tillbridge::demo::magento::Mode;
use tillbridge::domain::item_map::NotOneToOne;
use tillbridge::domain::reconcile::Apart;
use tillbridge::domain::{ItemMap, OrderState, Quantity, Sku};
use tillbridge::ledger::exports::ExportState;
use tillbridge::ledger::item_map::{ItemsChanged, Wanted};
use tillbridge::ledger::items::ItemFacts;
use tillbridge::ledger::plans::Plan;
use tillbridge::ports::{Marks, Purpose, ToWrite};

const MODES: [Mode; 2] = [Mode::Msi, Mode::Legacy];

fn sku(text: &str) -> Sku {
    Sku::new(text).unwrap()
}

/// From now on these are the pairs (web SKU, till code); what the till took of `booked` is booked under the new codes.
fn pair(shop: &TestShop, pairs: &[(&str, &str)], booked: &[&str]) -> ItemsChanged {
    let map = ItemMap::new(pairs.iter().map(|(web, till)| (sku(web), sku(till)))).unwrap();
    let booked: BTreeSet<Sku> = booked.iter().map(|text| sku(text)).collect();
    let wanted = |_: &ItemMap| Ok::<_, NotOneToOne>(Wanted { map, booked });
    shop.ledger().change_items("ann", shop.clock_now(), false, wanted).unwrap().unwrap()
}

fn facts(shop: &TestShop, web: &str) -> ItemFacts {
    let (_, mut facts) = shop.ledger().item_facts(&[sku(web)]).unwrap();
    facts.remove(&sku(web)).unwrap()
}

fn counted(shop: &TestShop, web: &str) -> Option<Quantity> {
    facts(shop, web).counted.map(|counted| counted.counted.quantity)
}

/// What lies before the till, as text.
fn before_till(shop: &TestShop) -> String {
    let names = shop.till.waiting().unwrap();
    names.iter().map(|name| std::fs::read_to_string(shop.till.import.join(name)).unwrap()).collect()
}

/// Delivers until nothing is due; later, where the store has to be asked again.
async fn settle(shop: &TestShop) {
    for _ in 0..5 {
        shop.deliver().await;
        if shop.due() == 0 {
            return;
        }
        shop.pass_time(10);
    }
    panic!("{} item(s) are still due: {:?}", shop.due(), shop.conditions());
}

/// Ten teapots, which the till calls `T-1`; its own item `1001` is something else, of which it has 99.
async fn shop_with_codes(mode: Mode) -> TestShop {
    let mut shop = TestShop::open(mode).await;
    shop.till.count("T-1", "Teapot white", 10.into());
    shop.till.count("1001", "Something else", 99.into());
    pair(&shop, &[("1001", "T-1")], &[]);
    shop.go_into_business().await;
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_reaches_the_till_under_its_code_and_stock_comes_back_for_the_web_sku() {
    for mode in MODES {
        let mut shop = shop_with_codes(mode).await;
        assert_eq!(shop.sellable("1001"), 10.into(), "{mode:?}");
        let order = shop.place("1001", 2);
        shop.pull().await;
        shop.write_orders();
        let file = before_till(&shop);
        assert!(file.contains(&format!("{},T-1,2", order.increment_id)) && !file.contains("1001,"), "{file}");
        assert_eq!(shop.till_takes_all(), 1);
        assert_eq!((shop.till.units("T-1"), shop.till.units("1001")), (8.into(), 99.into()));
        shop.pass_time(120);
        shop.export_and_look("after.csv");
        settle(&shop).await;
        assert_eq!(shop.sellable("1001"), 8.into(), "{mode:?}");
        assert_eq!(shop.states(), [OrderState::Acknowledged]);
        let item = facts(&shop, "1001");
        assert_eq!(item.claims.len(), 1);
        assert!(!item.claims[0].booked.out.is_empty() && item.claims[0].apart.is_none(), "{item:?}");
        assert!(shop.magento.with(|books| books.product("T-1").is_none()));
        assert!(!shop.conditions().iter().any(|code| code == "items_not_taken"), "{:?}", shop.conditions());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_the_store_means_another_item_by_is_not_used_and_said_so_and_comes_back_when_it_may() {
    for mode in MODES {
        let shop = shop_with_codes(mode).await;
        let report = shop.ledger().last_export().unwrap().unwrap().report.to_string();
        assert!(report.contains("1 item(s) are not used") && report.contains("(1001)"), "{report}");
        let unmapped = shop.ledger().unmapped_items(10).unwrap().unwrap();
        assert_eq!((unmapped.till_count, unmapped.till[0].till_code.as_str()), (1, "1001"));
        assert_eq!(unmapped.till[0].web_sku, None);
        // Without another export: what the till said of it was kept.
        pair(&shop, &[], &[]);
        settle(&shop).await;
        assert_eq!((counted(&shop, "1001"), shop.sellable("1001")), (Some(99.into()), 99.into()), "{mode:?}");
        pair(&shop, &[("1001", "T-1")], &[]);
        settle(&shop).await;
        assert_eq!((counted(&shop, "1001"), shop.sellable("1001")), (Some(10.into()), 10.into()), "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_of_changes_are_read_by_the_tills_codes() {
    for mode in MODES {
        let mut shop = shop_with_codes(mode).await;
        shop.put_export("changes_0001.csv", b"SKU,Qty\nT-1,7\n1001,50\n1003,40\n");
        settle(&shop).await;
        assert_eq!(shop.last_export(), ExportState::Merged);
        assert_eq!((shop.sellable("1001"), shop.sellable("1003")), (7.into(), 40.into()), "{mode:?}");
        // An order that the till took before the next changes is proved by them alone.
        shop.place("1001", 2);
        shop.pull().await;
        shop.write_orders();
        shop.till_takes_all();
        shop.pass_time(120);
        shop.put_export("changes_0002.csv", b"SKU,Qty\nT-1,5\n");
        settle(&shop).await;
        assert_eq!(shop.sellable("1001"), 5.into(), "{mode:?}");
        pair(&shop, &[], &[]);
        settle(&shop).await;
        assert_eq!(counted(&shop, "1001"), Some(50.into()), "the changes of the unused code were merged as well");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_sells_under_another_items_code_is_none_and_its_orders_wait_for_a_code() {
    for mode in MODES {
        let shop = TestShop::in_business(mode).await;
        assert_eq!((shop.sellable("1001"), shop.sellable("1002")), (10.into(), 6.into()));
        // The till's 1002 is the store's 1001: the same six are not to be offered twice.
        pair(&shop, &[("1001", "1002")], &[]);
        assert!(facts(&shop, "1001").store.unwrap().acknowledged.is_none(), "the store is asked, not believed");
        settle(&shop).await;
        assert_eq!((shop.sellable("1001"), shop.sellable("1002")), (6.into(), 0.into()), "{mode:?}");
        // One that was placed just before is not written: the till would book another item.
        shop.magento
            .with(|books| {
                let source = tillbridge::demo::magento::SourceWrite {
                    sku: "1002".into(),
                    source: tillbridge::demo::seed::SOURCE.into(),
                    quantity: 1.into(),
                    in_stock: true,
                };
                match mode {
                    Mode::Msi => books.write_sources(&[source]).map(|()| 0),
                    Mode::Legacy => books.write_legacy("1002", Some(1.into()), Some(true)),
                }
            })
            .unwrap();
        let order = shop.place("1002", 1);
        shop.pull().await;
        shop.write_orders();
        assert_eq!((shop.states(), shop.till.waiting().unwrap().len()), (vec![OrderState::Failed], 0));
        let told = shop.condition_text("order_failed");
        let command = format!("tillbridge orders export {}", order.increment_id);
        for words in ["the item 1002", "the web store's 1001", "tillbridge items add 1002 TILL_CODE", &command] {
            assert!(told.contains(words), "{words}: {told}");
        }
        pair(&shop, &[("1001", "1002"), ("1002", "1001")], &[]);
        shop.ledger().ask_for_order(&order.increment_id, false, "ann", shop.clock_now()).unwrap();
        shop.write_orders();
        assert!(before_till(&shop).contains(",1001,1"), "{}", before_till(&shop));
        settle(&shop).await;
        assert_eq!((shop.sellable("1001"), shop.sellable("1002")), (6.into(), 9.into()), "{mode:?}");
    }
}

/// The file of an order names the item by its old code when the codes change; the till books it there.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_changes_while_an_order_file_is_with_the_till_never_sells_its_units_again() {
    for mode in MODES {
        for dies in [false, true] {
            let mut shop = TestShop::open(mode).await;
            shop.till.count("T-1", "Teapot white", 10.into());
            shop.go_into_business().await;
            shop.place("1001", 2);
            shop.pull().await;
            shop.write_orders();
            let changed = pair(&shop, &[("1001", "T-1")], &[]);
            let older = &changed.under_older_code[0];
            assert_eq!((older.code.as_str(), older.taken, older.waiting), ("1001", 0, 1), "{changed:?}");
            if dies {
                shop.die_and_restart();
            }
            settle(&shop).await;
            assert_eq!(shop.sellable("1001"), 8.into(), "{mode:?}");
            assert_eq!(shop.till_takes_all(), 1);
            settle(&shop).await;
            assert_eq!(shop.sellable("1001"), 8.into(), "{mode:?}: taken, and proved by no export");
            shop.pass_time(120);
            shop.export_and_look("after.csv");
            settle(&shop).await;
            assert_eq!(shop.till.units("T-1"), 10.into(), "the till booked it on its 1001");
            assert_eq!(shop.sellable("1001"), 8.into(), "{mode:?}: that the till took 1001 says nothing about T-1");
            let apart = facts(&shop, "1001").claims[0].apart.clone();
            assert_eq!(apart, Some(Apart::BookedAs(sku("1001"))));
            // Staff correct it in the till. Until a person says so it counts twice, which undersells.
            shop.till.sell("T-1", 2.into());
            shop.export_and_look("corrected.csv");
            settle(&shop).await;
            assert_eq!(shop.sellable("1001"), 6.into(), "{mode:?}");
            let changed = pair(&shop, &[("1001", "T-1")], &["1001"]);
            assert_eq!((changed.booked, changed.under_older_code.len()), (1, 0));
            shop.pass_time(120);
            shop.export_and_look("next.csv");
            settle(&shop).await;
            assert_eq!(shop.sellable("1001"), 8.into(), "{mode:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_s_word_about_booked_orders_proves_nothing_about_exports_before_it() {
    for mode in MODES {
        let mut shop = TestShop::open(mode).await;
        shop.till.count("T-1", "Teapot white", 10.into());
        shop.go_into_business().await;
        shop.place("1001", 2);
        shop.pull().await;
        shop.write_orders();
        shop.till_takes_all();
        shop.pass_time(120);
        // This one still counts ten T-1: staff have not corrected the till yet.
        shop.export_and_look("before.csv");
        shop.till.sell("T-1", 2.into());
        pair(&shop, &[("1001", "T-1")], &["1001"]);
        settle(&shop).await;
        assert_eq!(shop.sellable("1001"), 8.into(), "{mode:?}");
        shop.pass_time(120);
        shop.export_and_look("after.csv");
        settle(&shop).await;
        assert_eq!(shop.sellable("1001"), 8.into(), "{mode:?}");
        // And a word makes an item due whose count is the same in the export that proves it.
        shop.till.count("T-2", "Teapot blue", 6.into());
        shop.place("1002", 1);
        shop.pull().await;
        shop.write_orders();
        shop.till_takes_all();
        shop.pass_time(120);
        shop.export_and_look("more.csv");
        pair(&shop, &[("1001", "T-1"), ("1002", "T-2")], &["1002"]);
        settle(&shop).await;
        assert_eq!(shop.sellable("1002"), 5.into(), "{mode:?}");
        shop.pass_time(120);
        shop.export_and_look("same.csv");
        settle(&shop).await;
        assert_eq!(shop.sellable("1002"), 6.into(), "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_items_that_exchange_their_codes_count_what_is_on_its_way_under_the_old_ones() {
    for mode in MODES {
        let mut shop = TestShop::in_business(mode).await;
        shop.place("1001", 2);
        shop.pull().await;
        shop.write_orders();
        settle(&shop).await;
        assert_eq!((shop.sellable("1001"), shop.sellable("1002")), (8.into(), 6.into()), "{mode:?}");
        pair(&shop, &[("1001", "1002"), ("1002", "1001")], &[]);
        settle(&shop).await;
        // 1001 is the till's 1002 (six), two of it are ordered; 1002 is the till's 1001 (ten), from which the till will
        // take those two.
        assert_eq!((shop.sellable("1001"), shop.sellable("1002")), (4.into(), 8.into()), "{mode:?}");
        let claims = facts(&shop, "1002").claims;
        assert_eq!((claims.len(), claims[0].apart.clone()), (1, Some(Apart::SoldAs(sku("1001")))));
        shop.till_takes_all();
        settle(&shop).await;
        assert_eq!((shop.sellable("1001"), shop.sellable("1002")), (4.into(), 8.into()), "{mode:?}");
        shop.pass_time(120);
        shop.export_and_look("after.csv");
        settle(&shop).await;
        assert_eq!((shop.till.units("1001"), shop.till.units("1002")), (8.into(), 6.into()));
        assert_eq!((shop.sellable("1001"), shop.sellable("1002")), (4.into(), 8.into()), "{mode:?}");
        // It was a mistake: with the old codes back, the till's booking is proof again.
        pair(&shop, &[], &[]);
        settle(&shop).await;
        assert_eq!((shop.sellable("1001"), shop.sellable("1002")), (8.into(), 6.into()), "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn proof_of_a_file_under_an_old_code_frees_the_item_that_has_the_code_now() {
    for mode in MODES {
        let mut shop = TestShop::in_business(mode).await;
        shop.place("1001", 2);
        shop.pull().await;
        shop.write_orders();
        pair(&shop, &[("1001", "1002"), ("1002", "1001")], &[]);
        shop.till_takes_all();
        settle(&shop).await;
        assert_eq!(shop.sellable("1002"), 8.into(), "{mode:?}");
        // Two come in meanwhile: the till's count is what it was, and means more.
        shop.till.goods_in("1001", 2.into());
        shop.pass_time(120);
        shop.export_and_look("after.csv");
        settle(&shop).await;
        assert_eq!((shop.till.units("1001"), shop.sellable("1002")), (10.into(), 10.into()), "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_s_word_about_booked_orders_frees_the_item_that_has_their_old_code_at_once() {
    for mode in MODES {
        let mut shop = TestShop::in_business(mode).await;
        shop.place("1001", 2);
        shop.pull().await;
        shop.write_orders();
        shop.till_takes_all();
        let exchanged = [("1001", "1002"), ("1002", "1001")];
        pair(&shop, &exchanged, &[]);
        settle(&shop).await;
        assert_eq!((shop.sellable("1001"), shop.sellable("1002")), (4.into(), 8.into()), "{mode:?}");
        pair(&shop, &exchanged, &["1001"]);
        settle(&shop).await;
        // Booked on the till's 1002, though not yet by an export; its 1001 is whole.
        assert_eq!((shop.sellable("1001"), shop.sellable("1002")), (4.into(), 10.into()), "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_cancelled_before_the_till_took_it_frees_the_item_that_its_file_names() {
    for mode in MODES {
        let shop = TestShop::in_business(mode).await;
        let order = shop.place("1001", 2);
        shop.pull().await;
        shop.write_orders();
        pair(&shop, &[("1001", "1002"), ("1002", "1001")], &[]);
        settle(&shop).await;
        assert_eq!(shop.sellable("1002"), 8.into(), "{mode:?}");
        shop.cancel(&order);
        shop.pull().await;
        shop.write_orders();
        assert_eq!(shop.states(), [OrderState::Withdrawn]);
        settle(&shop).await;
        assert_eq!((shop.sellable("1001"), shop.sellable("1002")), (6.into(), 10.into()), "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_waits_while_the_codes_change_is_read_by_the_new_ones() {
    for mode in MODES {
        let mut shop = TestShop::open(mode).await;
        shop.till.count("T-1", "Teapot white", 10.into());
        shop.go_into_business().await;
        shop.place("1002", 1);
        shop.pull().await;
        shop.write_orders();
        shop.till.sell("T-1", 4.into());
        shop.export_and_look("waits.csv");
        assert_eq!(shop.last_export(), ExportState::Held);
        pair(&shop, &[("1001", "T-1")], &[]);
        settle(&shop).await;
        assert_eq!(shop.sellable("1001"), 10.into(), "{mode:?}: the export that counts says so of T-1");
        shop.till_takes_all();
        shop.pass_time(120);
        shop.export_and_look("counts.csv");
        settle(&shop).await;
        assert_eq!((shop.sellable("1001"), shop.sellable("1002")), (6.into(), 5.into()), "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_the_store_did_not_know_is_asked_for_by_its_new_name_and_no_more_by_the_old_one() {
    let mut shop = TestShop::open(Mode::Msi).await;
    shop.till.count("T-1", "Teapot white", 7.into());
    shop.go_into_business().await;
    assert!(shop.condition_text("items_not_taken").contains("T-1"));
    let unmapped = shop.ledger().unmapped_items(10).unwrap().unwrap();
    assert_eq!((unmapped.till_count, unmapped.till[0].till_code.as_str()), (1, "T-1"));
    assert_eq!(unmapped.till[0].web_sku, Some(sku("T-1")));
    pair(&shop, &[("1001", "T-1")], &[]);
    settle(&shop).await;
    assert_eq!(shop.sellable("1001"), 7.into());
    assert!(!shop.conditions().iter().any(|code| code == "items_not_taken"), "{:?}", shop.conditions());
    shop.pass_time(2 * 86_400);
    settle(&shop).await;
    assert!(!shop.conditions().iter().any(|code| code == "items_not_taken"), "{:?}", shop.conditions());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_the_store_lacks_is_named_by_both_its_names() {
    let shop = TestShop::in_business(Mode::Msi).await;
    pair(&shop, &[("CUP-NEW", "1003")], &[]);
    settle(&shop).await;
    let told = shop.condition_text("items_not_taken");
    assert!(told.contains("CUP-NEW, the till's 1003 (") && told.contains("items list --unmapped"), "{told}");
    assert_eq!(shop.sellable("1003"), 0.into(), "the till's cups are CUP-NEW now, by a person's word");
    let unmapped = shop.ledger().unmapped_items(10).unwrap().unwrap();
    assert_eq!((unmapped.web[0].web_sku.as_str(), &unmapped.web[0].till_code), ("1003", &None));
    assert_eq!((unmapped.till[0].till_code.as_str(), &unmapped.till[0].web_sku), ("1003", &Some(sku("CUP-NEW"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_the_till_does_not_mention_is_named_by_both_its_names() {
    let shop = TestShop::in_business(Mode::Msi).await;
    pair(&shop, &[("1001", "T-404")], &[]);
    let order = shop.place("1001", 1);
    shop.pull().await;
    shop.write_orders();
    let told = shop.condition_text("item_unknown_to_till");
    for words in [&order.increment_id, "1001 (the till's T-404)", "tillbridge items add 1001 TILL_CODE"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let unmapped = shop.ledger().unmapped_items(10).unwrap().unwrap();
    assert_eq!((unmapped.web_count, unmapped.web[0].web_sku.as_str(), unmapped.web[0].open_orders), (1, "1001", 1));
    assert_eq!(unmapped.web[0].till_code, Some(sku("T-404")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_is_missing_from_a_full_export_is_named_by_both_its_names_and_keeps_its_quantity() {
    let mut shop = shop_with_codes(Mode::Msi).await;
    let path = shop.till.export("whole.csv").unwrap();
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    let without: String = whole.split_inclusive('\n').filter(|line| !line.starts_with("T-1,")).collect();
    shop.put_export("without.csv", without.as_bytes());
    assert_eq!(shop.last_export(), ExportState::Admitted);
    let told = shop.condition_text("items_missing");
    assert!(told.contains("T-1 (the web store's 1001)"), "{told}");
    settle(&shop).await;
    assert_eq!(shop.sellable("1001"), 10.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_change_and_changes_nothing() {
    let shop = TestShop::in_business(Mode::Msi).await;
    let map = ItemMap::new([(sku("1001"), sku("T-1"))]).unwrap();
    let wanted = |_: &ItemMap| Ok::<_, NotOneToOne>(Wanted { map, booked: BTreeSet::new() });
    let changed = shop.ledger().change_items("ann", shop.clock_now(), true, wanted).unwrap().unwrap();
    assert_eq!(changed.changes.len(), 1);
    assert_eq!((shop.ledger().item_pairs().unwrap().len(), shop.due()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_changes_between_writing_and_journalling_a_file_has_it_written_anew() {
    let shop = TestShop::in_business(Mode::Msi).await;
    let order = shop.place("1001", 1);
    shop.pull().await;
    let journalled = shop.ledger().order(&order.increment_id).unwrap().unwrap();
    let epos = &*shop.agent().shop.epos;
    let orders = [ToWrite { order: &journalled.order, copy: 1 }];
    let (file, codes) = tillbridge::tasks::orders::till_codes::render(shop.ledger(), epos, Purpose::Order, &orders, 1)
        .unwrap()
        .unwrap();
    pair(&shop, &[("1001", "T-1")], &[]);
    let id = &journalled.order.id;
    let plan = Plan { purpose: Purpose::Order, file: &file, orders: &[], marks: &Marks::new(), codes: &codes };
    assert!(!shop.ledger().file_planned(&plan, shop.clock_now()).unwrap());
    assert!(shop.ledger().files_of(id).unwrap().is_empty());
    shop.write_orders();
    assert!(before_till(&shop).contains(",T-1,1"), "{}", before_till(&shop));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_staff_are_to_do_names_items_as_the_till_has_them_on_the_order() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.till.count("T-01", "Teapot", 10.into());
    pair(&shop, &[("1001", "T-01")], &[]);
    let order = shop.place("1001", 2);
    shop.pull().await;
    shop.write_orders();
    assert_eq!(shop.till_takes_all(), 1);
    shop.look_at_orders();
    shop.cancel(&order);
    shop.pull().await;
    shop.write_orders();
    let text = shop.condition_text("order_cancelled_after_taken");
    assert!(text.contains("the till booked 2 × 1001 (the till's T-01), and the web store now wants 0"), "{text}");
    let remedy = shop.ledger().conditions().unwrap().remove(0).remedy;
    assert!(remedy.contains("book the return of 2 × 1001 (the till's T-01)"), "{remedy}");
    pair(&shop, &[("1001", "T-02")], &[]);
    shop.write_orders();
    let text = shop.condition_text("order_cancelled_after_taken");
    assert!(text.contains("2 × 1001 (booked as the till's T-01, which is T-02 now)"), "{text}");
}
