//! The whole agent against a simulated Shopify, over HTTPS. Each test ends with what shoppers can buy being what is there.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

mod shop;

use shop::TestShop;
use tillbridge::demo::faults::{Count, Fault};
use tillbridge::demo::shopify::{CLIENT_ID, SHOP, Shopify, WAREHOUSE};
use tillbridge::domain::{OrderState, Quantity};
use tillbridge::ledger::exports::ExportState;

const WRITE: &str = "TillbridgeSetQuantities";
const READ: &str = "TillbridgeVariants";
const NOTE: &str = "TillbridgeNoteOrder";

async fn in_business() -> TestShop {
    let mut shop = TestShop::open_on_shopify().await;
    shop.go_into_business().await;
    shop
}

/// Where what stands on the shelf is written, not what is for sale.
async fn on_hand_in_business() -> TestShop {
    let kind = "kind = \"shopify\"\nshopify.location = \"101\"\nshopify.quantity = \"on_hand\"";
    let mut shop = TestShop::open_on_shopify_as(kind).await;
    shop.go_into_business().await;
    shop
}

fn books(shop: &TestShop) -> &Shopify {
    shop.shopify.as_ref().unwrap()
}

fn place(shop: &TestShop, sku: &str, units: i64) -> u64 {
    shop.pass_time(1);
    books(shop).place(&[(sku, units)]).unwrap()
}

fn place_at(shop: &TestShop, lines: &[(&str, i64, u64)]) -> u64 {
    shop.pass_time(1);
    books(shop).with(|books| books.place(lines, "PAID")).unwrap()
}

fn number(shop: &TestShop, id: u64) -> String {
    books(shop).with(|books| books.order(id).unwrap().number.clone())
}

/// What can truly be sold from this shop: the till's count, less what its web orders take that the till has not booked.
fn truth(shop: &TestShop, sku: &str) -> Quantity {
    let booked = shop.till.imported();
    books(shop).with(|books| {
        let open = books.orders().filter(|order| !booked.contains_key(&order.number));
        shop.till.units(sku) - open.map(|order| Quantity::from(order.to_take(sku, SHOP))).sum()
    })
}

#[track_caller]
fn sellable_is_truth(shop: &TestShop, sku: &str, units: i64) {
    assert_eq!((shop.sellable(sku), truth(shop, sku)), (units.into(), units.into()), "{sku}");
    assert_eq!(shop.due(), 0, "nothing waits");
}

async fn export_and_deliver(shop: &mut TestShop, name: &str) {
    shop.pass_time(120);
    shop.export_and_look(name);
    assert_eq!(shop.last_export(), ExportState::Admitted, "{name}");
    shop.deliver().await;
}

/// From the store to the till.
async fn till_takes(shop: &mut TestShop) -> usize {
    shop.pull().await;
    shop.write_orders();
    shop.till_takes_all()
}

fn ship(shop: &TestShop, id: u64, from: u64) {
    shop.pass_time(1);
    books(shop).with(|books| books.ship(id, from)).unwrap();
}

/// Does this once, just before the store answers such an operation.
fn before(
    shop: &TestShop,
    operation: &str,
    then: impl FnOnce(&mut tillbridge::demo::shopify::ShopifyBooks) + Send + 'static,
) {
    books(shop).with(|books| books.before(operation, then));
}

async fn two_by_two(mut shop: TestShop, taken: bool, shipped: bool) {
    let orders = [place(&shop, "1001", 1), place(&shop, "1001", 1)];
    if taken {
        assert_eq!(till_takes(&mut shop).await, 2);
    } else {
        shop.pull().await;
    }
    if shipped {
        orders.iter().for_each(|id| ship(&shop, *id, SHOP));
    }
    shop.pass_time(3_600);
    export_and_deliver(&mut shop, "then.csv").await;
    sellable_is_truth(&shop, "1001", 8);
    let shelf = books(&shop).with(|books| books.shelf("1001", SHOP)).unwrap();
    let committed = if shipped { 0 } else { 2 };
    assert_eq!((shelf.committed, shelf.on_hand()), (committed, 8 + committed), "taken {taken}, shipped {shipped}");
    assert_eq!(shop.till.violations(), []);
}

const TWO_BY_TWO: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

#[tokio::test(flavor = "multi_thread")]
async fn taken_or_not_and_shipped_or_not_the_store_sells_what_is_there() {
    for (taken, shipped) in TWO_BY_TWO {
        two_by_two(in_business().await, taken, shipped).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_does_where_what_stands_on_the_shelf_is_written() {
    for (taken, shipped) in TWO_BY_TWO {
        two_by_two(on_hand_in_business().await, taken, shipped).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_shelf_neither_a_placement_nor_a_shipment_between_reading_and_writing_does_harm() {
    let mut shop = on_hand_in_business().await;
    let id = place(&shop, "1001", 2);
    assert_eq!(till_takes(&mut shop).await, 1);
    shop.till.sell("1001", 1.into());
    before(&shop, WRITE, move |books| {
        assert!(books.place(&[("1001", 3, SHOP)], "PAID").is_ok());
        books.ship(id, SHOP).unwrap();
    });
    export_and_deliver(&mut shop, "less.csv").await;
    sellable_is_truth(&shop, "1001", 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_shelf_what_is_set_aside_and_what_is_ordered_unseen_is_not_sold() {
    let mut shop = on_hand_in_business().await;
    books(&shop).with(|books| {
        let shelf = books.item("1001").unwrap().shelves.get_mut(&SHOP).unwrap();
        (shelf.available, shelf.unavailable) = (7, 3);
        // Older than 60 days, or not in the search index yet.
        books.lag_seconds = 1_000_000;
    });
    place(&shop, "1001", 2);
    shop.till.sell("1001", 1.into());
    export_and_deliver(&mut shop, "less.csv").await;
    assert_eq!(shop.sellable("1001"), 4.into(), "9 on the shelf, 3 set aside, 2 ordered");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_reaches_the_till_once_and_its_tags_say_how_far_it_has_come() {
    let mut shop = in_business().await;
    let id = place(&shop, "1001", 2);
    assert_eq!(till_takes(&mut shop).await, 1);
    shop.server.faults.set_for(NOTE, Fault::AnswerLost, Count::Next(1));
    shop.deliver().await;
    assert_eq!(shop.states(), [OrderState::Consumed], "the answer was lost");
    shop.pass_time(600);
    shop.deliver().await;
    assert_eq!(shop.states(), [OrderState::Acknowledged]);
    let order = books(&shop).with(|books| books.order(id).unwrap().clone());
    assert_eq!((order.notes, order.tags), (2, vec!["tillbridge-taken".to_owned()]), "said twice, and there once");
    assert!(order.till.unwrap().starts_with("Taken by the till"));
    shop.pull().await;
    shop.write_orders();
    assert_eq!(shop.states(), [OrderState::Acknowledged], "our own tag makes no other order of it");
    export_and_deliver(&mut shop, "after.csv").await;
    assert_eq!(shop.till.violations(), []);
    sellable_is_truth(&shop, "1001", 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_paid_orders_reach_the_till_and_all_of_them_count() {
    let mut shop = in_business().await;
    let states = ["PENDING", "AUTHORIZED", "PARTIALLY_PAID", "EXPIRED", "PAID"];
    let ids = states.map(|paid| books(&shop).with(|books| books.place(&[("1003", 1, SHOP)], paid)).unwrap());
    books(&shop).with(|books| books.edit(ids[4], |order| order.test = true)).unwrap();
    let by_hand = books(&shop).with(|books| books.place(&[("1003", 1, SHOP)], "PENDING")).unwrap();
    books(&shop).with(|books| books.edit(by_hand, |order| order.gateway = "Cash on Delivery (COD)".into())).unwrap();
    assert_eq!(till_takes(&mut shop).await, 2, "authorised, and cash on delivery");
    export_and_deliver(&mut shop, "then.csv").await;
    sellable_is_truth(&shop, "1003", 42);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_is_for_sale_again_restocked_or_not() {
    for restock in [true, false] {
        let shop = in_business().await;
        let id = place(&shop, "1001", 3);
        shop.pull().await;
        shop.write_orders();
        assert_eq!(shop.till.waiting().unwrap().len(), 1);
        shop.pass_time(1);
        books(&shop).with(|books| books.cancel(id, restock)).unwrap();
        shop.pull().await;
        shop.write_orders();
        shop.deliver().await;
        assert_eq!((shop.states(), shop.till.waiting().unwrap().len()), (vec![OrderState::Withdrawn], 0));
        sellable_is_truth(&shop, "1001", 10);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partly_cancelled_order_reaches_the_till_as_what_is_left_of_it() {
    let mut shop = in_business().await;
    let id = place(&shop, "1001", 3);
    books(&shop).with(|books| books.take_off(id, "1001", 1, true)).unwrap();
    assert_eq!(till_takes(&mut shop).await, 1);
    assert_eq!(shop.till.units("1001"), 8.into());
    export_and_deliver(&mut shop, "taken.csv").await;
    sellable_is_truth(&shop, "1001", 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn units_paid_back_count_as_back_only_where_they_were_put_back() {
    for (back, booked_in, left) in [(Some(SHOP), 1, 9), (None, 0, 8), (Some(WAREHOUSE), 0, 8)] {
        let mut shop = in_business().await;
        let id = place(&shop, "1001", 2);
        assert_eq!(till_takes(&mut shop).await, 1);
        ship(&shop, id, SHOP);
        books(&shop).with(|books| books.refund(id, "1001", 1, back)).unwrap();
        shop.till.goods_in("1001", booked_in.into());
        shop.pull().await;
        shop.deliver().await;
        export_and_deliver(&mut shop, "returned.csv").await;
        assert_eq!(shop.sellable("1001"), left.into(), "{back:?}");
        assert_eq!(shop.till.units("1001"), left.into());
        let warehouse = books(&shop).with(|books| books.shelf("1001", WAREHOUSE)).unwrap().available;
        assert_eq!(warehouse, if back == Some(WAREHOUSE) { 6 } else { 5 }, "another location is never written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn units_paid_back_before_the_till_took_the_order_are_missing_unless_they_were_put_back_here() {
    for (back, left) in [(Some(SHOP), 9), (None, 8), (Some(WAREHOUSE), 8)] {
        let mut shop = in_business().await;
        let id = place(&shop, "1001", 2);
        ship(&shop, id, SHOP);
        books(&shop).with(|books| books.refund(id, "1001", 1, back)).unwrap();
        shop.pull().await;
        shop.pass_time(3_600);
        export_and_deliver(&mut shop, "then.csv").await;
        sellable_is_truth(&shop, "1001", left);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_placed_between_reading_and_writing_ends_as_a_conflict_and_then_right() {
    let mut shop = in_business().await;
    shop.till.sell("1001", 4.into());
    let writes = books(&shop).with(|books| books.writes());
    before(&shop, WRITE, |books| assert!(books.place(&[("1001", 5, SHOP)], "PAID").is_ok()));
    export_and_deliver(&mut shop, "less.csv").await;
    sellable_is_truth(&shop, "1001", 1);
    assert!(books(&shop).place(&[("1001", 2)]).is_err(), "nothing is sold twice");
    assert_eq!(books(&shop).with(|books| books.writes()), writes + 1, "the first write changed nothing");
    assert!(!shop.conditions().contains(&"drift".to_owned()), "{:?}", shop.conditions());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_placed_between_the_reading_of_orders_and_that_of_stock_is_not_sold_again() {
    let mut shop = TestShop::open_on_shopify().await;
    shop.till.sell("1001", 4.into());
    // Four walked out of the shop; of the other six a shopper orders five just before the stock is read. Who comes right
    // after the write finds one.
    before(&shop, READ, |books| assert!(books.place(&[("1001", 5, SHOP)], "PAID").is_ok()));
    before(&shop, WRITE, |books| {
        books.before("TillbridgeOrders", |books| assert!(books.place(&[("1001", 2, SHOP)], "PAID").is_err()));
    });
    export_and_deliver(&mut shop, "first.csv").await;
    assert_eq!(books(&shop).with(|books| books.turned_away().len()), 1, "that moment came");
    sellable_is_truth(&shop, "1001", 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stale_quantity_does_not_hinder_the_others_of_its_batch() {
    let mut shop = in_business().await;
    for sku in ["1001", "1002", "1003"] {
        shop.till.sell(sku, 2.into());
    }
    before(&shop, WRITE, |books| books.set_available("1002", SHOP, 77));
    export_and_deliver(&mut shop, "less.csv").await;
    assert_eq!([shop.sellable("1001"), shop.sellable("1003")], [8.into(), 46.into()]);
    shop.pass_time(600);
    shop.deliver().await;
    sellable_is_truth(&shop, "1002", 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shipment_between_reading_and_writing_changes_nothing() {
    let mut shop = in_business().await;
    let id = place(&shop, "1001", 2);
    assert_eq!(till_takes(&mut shop).await, 1);
    shop.till.sell("1001", 1.into());
    before(&shop, WRITE, move |books| books.ship(id, SHOP).unwrap());
    export_and_deliver(&mut shop, "less.csv").await;
    sellable_is_truth(&shop, "1001", 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_write_leaves_the_right_stock_and_one_write() {
    for fault in [Fault::AnswerLost, Fault::CutBody] {
        let mut shop = in_business().await;
        shop.till.sell("1001", 3.into());
        let writes = books(&shop).with(|books| books.writes());
        shop.server.faults.set_for(WRITE, fault, Count::Next(1));
        export_and_deliver(&mut shop, "less.csv").await;
        shop.pass_time(600);
        shop.deliver().await;
        sellable_is_truth(&shop, "1001", 7);
        assert_eq!(books(&shop).with(|books| books.writes()), writes + 1, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_to_questions_and_maintenance_lose_nothing() {
    let mut shop = in_business().await;
    let id = place(&shop, "1001", 1);
    for fault in [Fault::AnswerLost, Fault::CutBody, Fault::Maintenance, Fault::ServerError, Fault::WebPage] {
        for operation in ["TillbridgeOrders", READ, WRITE] {
            shop.server.faults.set_for(operation, fault, Count::Next(1));
        }
        shop.till.sell("1001", 1.into());
        shop.pass_time(120);
        shop.export_and_look(&format!("{fault:?}.csv").replace(['(', ')'], "").to_lowercase());
        for _ in 0..5 {
            shop.deliver().await;
            shop.pass_time(900);
            shop.look();
        }
        shop.server.faults.clear();
    }
    shop.deliver().await;
    assert_eq!(shop.state_of(&number(&shop, id)), OrderState::Published);
    sellable_is_truth(&shop, "1001", 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_order_that_two_locations_share_only_this_shops_lines_count() {
    let mut shop = in_business().await;
    let theirs = place_at(&shop, &[("1002", 2, WAREHOUSE)]);
    let shared =
        place_at(&shop, &[("1001", 2, SHOP), ("1001", 1, WAREHOUSE), ("1003", 1, WAREHOUSE), ("1004", 1, SHOP)]);
    assert_eq!(till_takes(&mut shop).await, 1, "theirs is not given to this till");
    assert!(shop.ledger().order(&number(&shop, theirs)).unwrap().is_none());
    let units = ["1001", "1002", "1003", "1004"].map(|sku| shop.till.units(sku));
    assert_eq!(units, [8.into(), 6.into(), 48.into(), 47.into()]);
    export_and_deliver(&mut shop, "then.csv").await;
    for (sku, units) in [("1001", 8), ("1002", 6), ("1003", 48), ("1004", 47)] {
        sellable_is_truth(&shop, sku, units);
    }
    ship(&shop, shared, WAREHOUSE);
    ship(&shop, shared, SHOP);
    shop.pull().await;
    export_and_deliver(&mut shop, "shipped.csv").await;
    sellable_is_truth(&shop, "1001", 8);
    let warehouse = books(&shop).with(|books| books.shelf("1001", WAREHOUSE)).unwrap();
    assert_eq!((warehouse.available, warehouse.on_hand()), (4, 4), "another location is never written");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_moved_here_reaches_this_till() {
    let mut shop = in_business().await;
    let id = place_at(&shop, &[("1001", 2, WAREHOUSE)]);
    assert_eq!(till_takes(&mut shop).await, 0);
    shop.pass_time(1);
    books(&shop).with(|books| books.move_to(id, SHOP)).unwrap();
    assert_eq!(till_takes(&mut shop).await, 1);
    export_and_deliver(&mut shop, "then.csv").await;
    sellable_is_truth(&shop, "1001", 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_nobody_is_to_send_yet_counts_and_waits_until_that_is_known() {
    let mut shop = in_business().await;
    let id = place(&shop, "1001", 2);
    // Shopify assigns a moment later, and the order does not count as changed.
    let parts = books(&shop).with(|books| books.route(id, Vec::new())).unwrap();
    assert_eq!(till_takes(&mut shop).await, 0);
    shop.till.sell("1001", 1.into());
    export_and_deliver(&mut shop, "then.csv").await;
    assert_eq!(shop.sellable("1001"), 7.into(), "it is not sold meanwhile");
    // Long after, and behind a younger change: the overlap does not bring it any more.
    shop.pass_time(3_600);
    place(&shop, "1002", 1);
    assert_eq!(till_takes(&mut shop).await, 1);
    books(&shop).with(|books| books.route(id, parts)).unwrap();
    assert_eq!(till_takes(&mut shop).await, 1);
    assert_eq!(shop.state_of(&number(&shop, id)), OrderState::Consumed);
    export_and_deliver(&mut shop, "after.csv").await;
    sellable_is_truth(&shop, "1001", 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_shopify_does_not_count_here_is_reported_with_what_to_do() {
    let mut shop = in_business().await;
    let twin = books(&shop).with(|books| {
        books.item("1002").unwrap().shelves.remove(&SHOP);
        books.item("1004").unwrap().bundle = true;
        books.add_item("1003", "Cup, again", 690, Some(3))
    });
    assert!(twin > 0);
    shop.till.count("9999", "Not on the web", 4.into());
    shop.till.count("GIFT-10", "Gift voucher 10", 5.into());
    for sku in ["1001", "1002", "1003", "1004"] {
        shop.till.sell(sku, 1.into());
    }
    export_and_deliver(&mut shop, "more.csv").await;
    shop.pass_time(600);
    shop.deliver().await;
    let text = shop.condition_text("items_not_taken");
    for said in [
        "9999 (the web store has no product with this SKU)",
        "GIFT-10 (its quantity is not tracked; tick \"Track quantity\"",
        "1002 (not stocked at Shop 1, High Street; tick the location",
        "1003 (2 variants have this SKU (\"Cup\", \"Cup, again\"); give each its own)",
        "1004 (a bundle",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    sellable_is_truth(&shop, "1001", 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_asks_to_slow_down_is_waited_for() {
    let mut shop = in_business().await;
    shop.till.sell("1001", 1.into());
    shop.pass_time(120);
    shop.export_and_look("less.csv");
    books(&shop).with(|books| books.spend_all_points(1e5));
    shop.deliver().await;
    assert_eq!(shop.sellable("1001"), 10.into());
    shop.pass_time(60);
    shop.deliver().await;
    sellable_is_truth(&shop, "1001", 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_are_too_dear_become_smaller_and_that_is_remembered() {
    let mut shop = TestShop::open_on_shopify().await;
    books(&shop).with(|books| books.bucket.most_of_one = 40.0);
    let ids: Vec<u64> = (0..7).map(|_| place(&shop, "1003", 1)).collect();
    shop.pull().await;
    assert_eq!(shop.states().len(), ids.len());
    let learned = shop.agent().shop.store.learned().unwrap();
    assert!(learned.contains("\"orders\":3"), "{learned}");
    let before = shop.server.faults.count("TillbridgeOrders");
    shop.die_and_restart();
    shop.agent().shop.store.recall(&learned);
    place(&shop, "1003", 1);
    shop.pull().await;
    assert!(shop.server.faults.count("TillbridgeOrders") - before <= 3, "no page is tried that was too dear");
    assert_eq!(till_takes(&mut shop).await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_with_more_lines_than_a_page_arrives_whole() {
    let mut shop = in_business().await;
    let skus: Vec<String> = (0..40).map(|n| format!("20{n:02}")).collect();
    let lines: Vec<(&str, i64, u64)> = skus.iter().map(|sku| (sku.as_str(), 1, SHOP)).collect();
    let id = place_at(&shop, &lines);
    ship(&shop, id, SHOP);
    assert_eq!(till_takes(&mut shop).await, 1);
    assert_eq!(shop.ledger().order(&number(&shop, id)).unwrap().unwrap().order.lines.len(), 40);
    export_and_deliver(&mut shop, "then.csv").await;
    for (n, sku) in (0..40).zip(&skus) {
        sellable_is_truth(&shop, sku, 9 + n);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_the_search_shows_late_are_found_all_the_same() {
    let mut shop = in_business().await;
    books(&shop).with(|books| books.lag_seconds = 30);
    let late = place(&shop, "1001", 2);
    assert_eq!(till_takes(&mut shop).await, 0);
    shop.pass_time(25);
    place(&shop, "1002", 1);
    shop.pass_time(10);
    shop.pull().await;
    assert_eq!(shop.state_of(&number(&shop, late)), OrderState::Received);
    shop.pass_time(60);
    assert_eq!(till_takes(&mut shop).await, 2);
    export_and_deliver(&mut shop, "then.csv").await;
    sellable_is_truth(&shop, "1001", 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_no_search_for_changes_ever_shows_is_found_within_a_day() {
    let mut shop = in_business().await;
    place(&shop, "1003", 1);
    assert_eq!(till_takes(&mut shop).await, 1);
    shop.pass_time(3_600);
    place(&shop, "1003", 1);
    assert_eq!(till_takes(&mut shop).await, 1);
    let hidden = place(&shop, "1001", 2);
    let long_ago = shop.clock_now() - jiff::SignedDuration::from_hours(3);
    books(&shop).with(|books| books.edit(hidden, |order| order.updated = long_ago)).unwrap();
    place(&shop, "1002", 1);
    assert_eq!(till_takes(&mut shop).await, 1);
    shop.pass_time(25 * 3_600);
    shop.pull().await;
    assert_eq!(till_takes(&mut shop).await, 1);
    assert_eq!(shop.state_of(&number(&shop, hidden)), OrderState::Consumed);
    export_and_deliver(&mut shop, "then.csv").await;
    sellable_is_truth(&shop, "1001", 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_of_the_dev_dashboard_fetches_its_token_and_fetches_another_when_it_ends() {
    let kind = format!("kind = \"shopify\"\nshopify.location = \"101\"\nshopify.client_id = \"{CLIENT_ID}\"");
    let mut shop = TestShop::open_on_shopify_as(&kind).await;
    shop.go_into_business().await;
    assert_eq!(books(&shop).with(|books| books.tokens()), 1);
    books(&shop).with(|books| books.revoke_tokens());
    place(&shop, "1001", 2);
    assert_eq!(till_takes(&mut shop).await, 1);
    assert_eq!(books(&shop).with(|books| books.tokens()), 1, "fetched anew");
    export_and_deliver(&mut shop, "then.csv").await;
    sellable_is_truth(&shop, "1001", 8);
    shop.stop();
    let ledger = std::fs::read(shop.config.agent.data_folder.join("ledger.db")).unwrap();
    for secret in [shop.server.token.as_bytes(), b"shpat_demo_"] {
        assert!(!ledger.windows(secret.len()).any(|part| part == secret), "no secret in the ledger");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_without_sku_goes_to_the_till_and_takes_nothing_from_the_shelf() {
    let mut shop = in_business().await;
    shop.till.count("CUSTOM", "Web extras", 0.into());
    let id = place_at(&shop, &[("1001", 1, SHOP), ("", 1, SHOP)]);
    assert_eq!(till_takes(&mut shop).await, 1);
    let order = shop.ledger().order(&number(&shop, id)).unwrap().unwrap().order;
    let lines: Vec<_> = order.lines.iter().map(|line| (line.sku.as_str(), line.takes_stock)).collect();
    assert_eq!(lines, [("1001", true), ("CUSTOM", false)]);
    export_and_deliver(&mut shop, "then.csv").await;
    sellable_is_truth(&shop, "1001", 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_names_what_is_missing() {
    let shop = TestShop::open_on_shopify().await;
    let store = shop.agent().shop.store.clone();
    assert!(store.check().await.iter().all(|line| line.ok), "{:?}", store.check().await);
    books(&shop).with(|books| {
        books.scopes.retain(|scope| !matches!(scope.as_str(), "write_inventory" | "write_orders"));
        books.version = "2027-01".into();
        books.locations[0].active = false;
    });
    let lines = store.check().await;
    let bad: Vec<_> = lines.iter().filter(|line| !line.ok).map(|line| line.found.clone()).collect();
    assert_eq!(bad.len(), 3, "{lines:?}");
    assert!(bad[0].contains("2026-10 has ended: the store answers as 2027-01"), "{bad:?}");
    assert!(bad[1].contains("write_inventory (to write stock), write_orders (to tag orders"), "{bad:?}");
    assert!(bad[2].contains("is deactivated"), "{bad:?}");
    shop.server.faults.set(Fault::Offline, Count::UntilCleared);
    assert_eq!(store.check().await.len(), 1);
}
