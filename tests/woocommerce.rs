//! The whole agent against a WooCommerce, over HTTPS: orders in, stock out, and every moment in between.

#![allow(clippy::disallowed_methods, reason = "a test reads its fixture")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

mod contract;
mod published;
mod shop;

use contract::Recorder;
use shop::TestShop;
use tillbridge::demo::faults::{Count, Fault};
use tillbridge::demo::woocommerce::{Kind, Manages, Woo};
use tillbridge::domain::{OrderState, Quantity};
use tillbridge::ledger::exports::ExportState;

const BATCH: &str = "POST /wp-json/wc/v3/products/batch";
const LIST: &str = "GET /wp-json/wc/v3/orders";
const NOTES: &str = "POST /wp-json/wc/v3/orders/{}/notes";

async fn open(recorder: &Recorder) -> TestShop {
    TestShop::open_on_woocommerce(|router, _| recorder.in_front_of(router)).await
}

async fn in_business(recorder: &Recorder) -> TestShop {
    let mut shop = open(recorder).await;
    // The first export finds another count than the store has, so that something is written.
    shop.till.sell("1002", 1.into());
    shop.go_into_business().await;
    shop
}

fn books(shop: &TestShop) -> &Woo {
    shop.woo.as_ref().unwrap()
}

fn place(shop: &TestShop, sku: &str, units: i64) -> u64 {
    paid_by(shop, sku, units, "cod")
}

fn paid_by(shop: &TestShop, sku: &str, units: i64, payment: &str) -> u64 {
    shop.pass_time(1);
    books(shop).with(|books| books.place(&[(sku, units)], payment)).unwrap()
}

fn set(shop: &TestShop, id: u64, status: &str) {
    shop.pass_time(1);
    books(shop).with(|books| books.set_status(id, status)).unwrap();
}

fn line_of(shop: &TestShop, id: u64) -> u64 {
    books(shop).with(|books| books.order(id).unwrap().lines[0].id)
}

fn stock(shop: &TestShop, sku: &str) -> Quantity {
    books(shop).with(|books| books.stock(sku))
}

fn sellable_is(shop: &TestShop, sku: &str, units: i64) {
    assert_eq!((stock(shop, sku), shop.sellable(sku)), (units.into(), units.into()), "{sku}");
    assert_eq!(shop.due(), 0, "nothing waits");
}

/// Orders and the sweep of open ones are read to the end, whatever round it is.
async fn pull_with_sweep(shop: &TestShop) {
    for _ in 0..10 {
        shop.pull().await;
    }
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

// ------------------------------------------------------------------------------------------------------------ the table

#[tokio::test(flavor = "multi_thread")]
async fn the_two_by_two_table_ends_with_what_is_truly_there() {
    for (consumed, completed) in [(false, false), (false, true), (true, false), (true, true)] {
        let recorder = Recorder::default();
        let mut shop = in_business(&recorder).await;
        let orders = [place(&shop, "1001", 1), place(&shop, "1001", 1)];
        assert_eq!(stock(&shop, "1001"), 8.into(), "the store deducts when the order is placed");
        if consumed {
            assert_eq!(till_takes(&mut shop).await, 2);
        }
        if completed {
            orders.iter().for_each(|id| set(&shop, *id, "completed"));
        }
        shop.pull().await;
        shop.pass_time(120);
        shop.export_and_look("table.csv");
        if !consumed {
            // The till has not taken the orders, which the gate waits for; then they are subtracted.
            shop.pass_time(3600);
            shop.look();
        }
        assert_eq!(shop.last_export(), ExportState::Admitted, "{consumed} {completed}");
        shop.deliver().await;
        sellable_is(&shop, "1001", 8);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_comes_to_the_till_once_and_is_noted_once() {
    let recorder = Recorder::default();
    let mut shop = in_business(&recorder).await;
    let id = place(&shop, "1001", 2);
    assert_eq!(till_takes(&mut shop).await, 1);
    shop.server.faults.set_for(NOTES, Fault::AnswerLost, Count::Next(1));
    shop.deliver().await;
    assert_eq!(shop.states(), [OrderState::Consumed]);
    shop.pass_time(600);
    shop.deliver().await;
    assert_eq!(shop.states(), [OrderState::Acknowledged]);
    let notes = books(&shop).with(|books| books.order(id).unwrap().notes.clone());
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].text.starts_with("The till took this order (") && !notes[0].for_customer, "{notes:?}");
    export_and_deliver(&mut shop, "after.csv").await;
    assert_eq!(shop.till.violations(), []);
    sellable_is(&shop, "1001", 8);
}

// ------------------------------------------------------------------------------------------------------------- statuses

#[tokio::test(flavor = "multi_thread")]
async fn an_unpaid_order_is_neither_subtracted_nor_given_to_the_till_until_it_is_paid() {
    let recorder = Recorder::default();
    let mut shop = in_business(&recorder).await;
    let unpaid = paid_by(&shop, "1001", 3, "stripe");
    assert_eq!(till_takes(&mut shop).await, 0);
    shop.till.sell("1001", 1.into());
    export_and_deliver(&mut shop, "one.csv").await;
    assert_eq!(stock(&shop, "1001"), 9.into(), "the store itself holds the three aside");
    assert_eq!(shop.sellable("1001"), 6.into());
    set(&shop, unpaid, "processing");
    assert_eq!(stock(&shop, "1001"), 6.into());
    assert_eq!(till_takes(&mut shop).await, 1);
    export_and_deliver(&mut shop, "two.csv").await;
    sellable_is(&shop, "1001", 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unpaid_order_that_is_cancelled_frees_nothing_twice() {
    let recorder = Recorder::default();
    let mut shop = in_business(&recorder).await;
    paid_by(&shop, "1001", 3, "stripe");
    shop.pull().await;
    shop.pass_time(4000);
    books(&shop).with(|books| books.cancel_unpaid());
    export_and_deliver(&mut shop, "after.csv").await;
    sellable_is(&shop, "1001", 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn bank_transfer_goes_to_the_till_on_hold_and_other_on_hold_orders_do_not() {
    let recorder = Recorder::default();
    let mut shop = in_business(&recorder).await;
    paid_by(&shop, "1001", 1, "bacs");
    let held = paid_by(&shop, "1001", 1, "stripe");
    set(&shop, held, "on-hold");
    assert_eq!(till_takes(&mut shop).await, 1);
    shop.pass_time(120);
    shop.export_and_look("after.csv");
    assert_eq!(shop.last_export(), ExportState::Admitted);
    shop.deliver().await;
    sellable_is(&shop, "1001", 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_that_the_till_had_not_taken_is_sold_again() {
    let recorder = Recorder::default();
    let mut shop = in_business(&recorder).await;
    let id = place(&shop, "1001", 2);
    shop.pull().await;
    shop.write_orders();
    set(&shop, id, "cancelled");
    assert_eq!(stock(&shop, "1001"), 10.into(), "the store puts it back");
    shop.pull().await;
    shop.write_orders();
    assert_eq!(shop.states(), [OrderState::Withdrawn]);
    shop.till.sell("1001", 1.into());
    export_and_deliver(&mut shop, "after.csv").await;
    sellable_is(&shop, "1001", 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_counts_only_when_the_store_has_put_the_units_back() {
    let recorder = Recorder::default();
    let mut shop = in_business(&recorder).await;
    let id = place(&shop, "1001", 2);
    shop.pull().await;
    shop.write_orders();
    books(&shop).with(|books| books.moves_late = true);
    shop.till.sell("1001", 1.into());
    shop.pass_time(120);
    shop.export_and_look("after.csv");
    set(&shop, id, "cancelled");
    // The status is changed, the stock is not: what is written now is added to afterwards.
    shop.pull().await;
    shop.pass_time(3600);
    shop.look();
    set(&shop, id, "cancelled");
    shop.deliver().await;
    let written = stock(&shop, "1001");
    books(&shop).with(|books| books.catch_up());
    assert!(shop.sellable("1001") <= 9.into(), "{written} was written and then the store put two back");
    pull_with_sweep(&shop).await;
    shop.write_orders();
    shop.deliver().await;
    sellable_is(&shop, "1001", 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deduction_that_comes_after_its_status_is_noticed_and_mended() {
    let recorder = Recorder::default();
    let mut shop = in_business(&recorder).await;
    books(&shop).with(|books| books.moves_late = true);
    place(&shop, "1001", 2);
    assert_eq!(stock(&shop, "1001"), 10.into(), "not deducted yet");
    assert_eq!(till_takes(&mut shop).await, 1);
    export_and_deliver(&mut shop, "after.csv").await;
    assert_eq!(stock(&shop, "1001"), 8.into(), "it is subtracted all the same");
    books(&shop).with(|books| books.catch_up());
    assert_eq!(stock(&shop, "1001"), 6.into());
    pull_with_sweep(&shop).await;
    shop.deliver().await;
    sellable_is(&shop, "1001", 8);
}

// -------------------------------------------------------------------------------------------------------------- refunds

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_counts_as_returned_only_when_the_store_put_it_back() {
    for (restocked, sells) in [(true, 9), (false, 8)] {
        let recorder = Recorder::default();
        let mut shop = in_business(&recorder).await;
        let id = place(&shop, "1001", 2);
        shop.pull().await;
        shop.pass_time(1);
        let line = line_of(&shop, id);
        books(&shop).with(|books| books.refund(id, &[(line, 1.into())], restocked)).unwrap();
        assert_eq!(stock(&shop, "1001"), sells.into());
        // The till counted before it was given the order, and takes it now.
        assert_eq!(till_takes(&mut shop).await, 1);
        shop.till.sell("1003", 1.into());
        export_and_deliver(&mut shop, "after.csv").await;
        sellable_is(&shop, "1001", sells);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_refunded_altogether_and_put_back_is_sold_again() {
    let recorder = Recorder::default();
    let mut shop = in_business(&recorder).await;
    let id = place(&shop, "1001", 2);
    shop.pull().await;
    shop.write_orders();
    shop.pass_time(1);
    let line = line_of(&shop, id);
    books(&shop).with(|books| books.refund(id, &[(line, 2.into())], true)).unwrap();
    shop.pull().await;
    shop.write_orders();
    assert_eq!(shop.states(), [OrderState::Withdrawn]);
    shop.till.sell("1001", 1.into());
    export_and_deliver(&mut shop, "after.csv").await;
    sellable_is(&shop, "1001", 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_edit_the_units_of_an_order() {
    let recorder = Recorder::default();
    let mut shop = in_business(&recorder).await;
    let id = place(&shop, "1001", 2);
    shop.pull().await;
    shop.pass_time(1);
    let line = line_of(&shop, id);
    books(&shop).with(|books| books.set_quantity(id, line, 3.into())).unwrap();
    assert_eq!(stock(&shop, "1001"), 7.into());
    assert_eq!(till_takes(&mut shop).await, 1);
    export_and_deliver(&mut shop, "after.csv").await;
    sellable_is(&shop, "1001", 7);
}

// ------------------------------------------------------------------------------------------------- in the very moment

#[tokio::test(flavor = "multi_thread")]
async fn an_order_placed_between_reading_and_writing_is_put_right_at_once() {
    let recorder = Recorder::default();
    let mut shop = in_business(&recorder).await;
    shop.till.sell("1001", 4.into());
    let store = books(&shop).clone();
    recorder.before(BATCH, move || assert!(store.place(&[("1001", 5)]).is_ok()));
    export_and_deliver(&mut shop, "less.csv").await;
    shop.pass_time(2);
    shop.deliver().await;
    sellable_is(&shop, "1001", 1);
    assert_eq!(till_takes(&mut shop).await, 1);
    export_and_deliver(&mut shop, "after.csv").await;
    sellable_is(&shop, "1001", 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_stock_write_leads_to_reading_and_the_right_stock() {
    let recorder = Recorder::default();
    let mut shop = in_business(&recorder).await;
    shop.till.sell("1001", 4.into());
    shop.till.sell("TEE-RED", 2.into());
    for route in [BATCH, "variations/batch"] {
        shop.server.faults.set_for(route, Fault::AnswerLost, Count::Next(1));
    }
    export_and_deliver(&mut shop, "less.csv").await;
    for _ in 0..4 {
        shop.pass_time(600);
        shop.deliver().await;
    }
    sellable_is(&shop, "1001", 6);
    sellable_is(&shop, "TEE-RED", 6);
}

// ------------------------------------------------------------------------------------------------- trashed and deleted

#[tokio::test(flavor = "multi_thread")]
async fn a_trashed_order_frees_what_it_held_and_holds_it_again_when_it_comes_back() {
    let recorder = Recorder::default();
    let mut shop = in_business(&recorder).await;
    let id = place(&shop, "1001", 2);
    shop.pull().await;
    shop.write_orders();
    shop.pass_time(1);
    books(&shop).with(|books| books.trash(id)).unwrap();
    assert_eq!(stock(&shop, "1001"), 8.into(), "trashing moves no stock");
    pull_with_sweep(&shop).await;
    shop.write_orders();
    assert_eq!(shop.states(), [OrderState::Withdrawn]);
    shop.till.sell("1003", 1.into());
    export_and_deliver(&mut shop, "after.csv").await;
    sellable_is(&shop, "1001", 10);
    shop.pass_time(1);
    books(&shop).with(|books| books.untrash(id)).unwrap();
    assert_eq!(till_takes(&mut shop).await, 1);
    export_and_deliver(&mut shop, "again.csv").await;
    sellable_is(&shop, "1001", 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_deleted_for_good_frees_what_it_held() {
    let recorder = Recorder::default();
    let mut shop = in_business(&recorder).await;
    let (gone, kept) = (place(&shop, "1001", 2), place(&shop, "1001", 1));
    shop.pull().await;
    shop.write_orders();
    books(&shop).with(|books| books.delete(gone));
    shop.pull().await;
    assert_eq!(shop.state_of(&gone.to_string()), OrderState::Published, "the feed cannot tell");
    pull_with_sweep(&shop).await;
    shop.write_orders();
    assert_eq!(shop.state_of(&gone.to_string()), OrderState::Withdrawn);
    assert_eq!(shop.state_of(&kept.to_string()), OrderState::Published);
    assert_eq!(shop.till_takes_all(), 1);
    export_and_deliver(&mut shop, "after.csv").await;
    sellable_is(&shop, "1001", 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completed_order_that_is_trashed_still_left_the_shelf() {
    let recorder = Recorder::default();
    let mut shop = in_business(&recorder).await;
    let id = place(&shop, "1001", 2);
    shop.pull().await;
    set(&shop, id, "completed");
    shop.pull().await;
    books(&shop).with(|books| books.trash(id)).unwrap();
    pull_with_sweep(&shop).await;
    shop.pass_time(120);
    shop.export_and_look("after.csv");
    shop.pass_time(3600);
    shop.look();
    shop.deliver().await;
    sellable_is(&shop, "1001", 8);
}

// ------------------------------------------------------------------------------------------------------------ products

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_item_of_a_batch_does_not_hinder_the_others() {
    let recorder = Recorder::default();
    let mut shop = in_business(&recorder).await;
    let id = books(&shop).with(|books| books.id_of("1001")).unwrap();
    books(&shop).with(|books| books.unsavable.insert(id, "Product could not be saved.".into()));
    for sku in ["1001", "1002", "1003"] {
        shop.till.sell(sku, 1.into());
    }
    export_and_deliver(&mut shop, "less.csv").await;
    assert_eq!((stock(&shop, "1001"), stock(&shop, "1002"), stock(&shop, "1003")), (10.into(), 4.into(), 47.into()));
    let text = shop.condition_text("items_not_taken");
    assert!(text.contains("1001") && text.contains("Product could not be saved."), "{text}");
    books(&shop).with(|books| books.unsavable.clear());
    shop.pass_time(600);
    shop.deliver().await;
    sellable_is(&shop, "1001", 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn items_that_the_store_does_not_count_are_reported_with_the_remedy() {
    let recorder = Recorder::default();
    let mut shop = open(&recorder).await;
    books(&shop).with(|books| {
        let cup = books.id_of("1003").unwrap();
        books.product_mut(cup).unwrap().manages = Manages::Nobody;
        let shirt = books.id_of("TEE-RED").unwrap();
        books.product_mut(shirt).unwrap().manages = Manages::Parent;
        let parent = books.id_of("TEE").unwrap();
        books.product_mut(parent).unwrap().manages = Manages::Itself;
        let price = rust_decimal::Decimal::ONE;
        books.add(Kind::Simple, None, "1005", "Milk jug, once more", price);
    });
    for sku in ["1001", "1003", "1005", "TEE-RED"] {
        shop.till.sell(sku, 1.into());
    }
    shop.go_into_business().await;
    sellable_is(&shop, "1001", 9);
    let text = shop.condition_text("items_not_taken");
    for part in ["Track stock quantity for this product", "2 products have this SKU", "shares the stock of its product"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_that_is_deleted_or_renamed_is_noticed_and_nothing_is_written_to_another() {
    let recorder = Recorder::default();
    let mut shop = in_business(&recorder).await;
    let (cup, saucer) = books(&shop).with(|books| (books.id_of("1003").unwrap(), books.id_of("1004").unwrap()));
    shop.till.sell("1003", 1.into());
    shop.till.sell("1004", 1.into());
    books(&shop).with(|books| {
        books.remove_product(cup);
        books.product_mut(saucer).unwrap().sku = "9999".into();
    });
    export_and_deliver(&mut shop, "less.csv").await;
    assert_eq!(stock(&shop, "9999"), 48.into(), "what is now called otherwise is left alone");
    let text = shop.condition_text("items_not_taken");
    assert!(text.contains("1003") && text.contains("1004"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fractions_are_cut_downwards_until_the_shop_shows_that_it_allows_them() {
    let recorder = Recorder::default();
    let mut shop = in_business(&recorder).await;
    shop.till.sell("1001", Quantity::parse("2.5").unwrap());
    export_and_deliver(&mut shop, "half.csv").await;
    assert_eq!(stock(&shop, "1001"), 7.into(), "7.5 are there");
    assert_eq!(shop.due(), 0);
    books(&shop).with(|books| {
        books.fractions = true;
        let cup = books.id_of("1003").unwrap();
        books.product_mut(cup).unwrap().stock = Quantity::parse("0.5").unwrap();
    });
    shop.till.sell("1001", 1.into());
    shop.till.sell("1003", 1.into());
    export_and_deliver(&mut shop, "first.csv").await;
    shop.till.sell("1001", 1.into());
    export_and_deliver(&mut shop, "second.csv").await;
    assert_eq!(stock(&shop, "1001").to_string(), "5.5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_smaller_batches_gets_them() {
    let recorder = Recorder::default();
    let mut shop = in_business(&recorder).await;
    books(&shop).with(|books| books.batch_limit = 3);
    for n in 0..10 {
        shop.till.sell(&format!("200{n}"), 1.into());
    }
    export_and_deliver(&mut shop, "many.csv").await;
    for n in 0..10 {
        sellable_is(&shop, &format!("200{n}"), 9 + n);
    }
    let refused = recorder.exchanges().into_iter().filter(|one| one.status == 413).count();
    assert_eq!(refused, 1, "it is told once");
    assert_eq!(shop.agent().shop.store.batch_size(), 3);
    let learned = shop.agent().shop.store.learned().unwrap();
    shop.die_and_restart();
    shop.agent().shop.store.recall(&learned);
    assert_eq!(shop.agent().shop.store.batch_size(), 3);
}

// ------------------------------------------------------------------------------------------------------ quiet and noise

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_round_is_one_request_and_opening_an_order_changes_nothing() {
    let recorder = Recorder::default();
    let mut shop = in_business(&recorder).await;
    let id = place(&shop, "1001", 1);
    assert_eq!(till_takes(&mut shop).await, 1);
    shop.deliver().await;
    pull_with_sweep(&shop).await;
    shop.server.faults.forget_counts();
    for _ in 0..30 {
        shop.pull().await;
    }
    let counts = shop.server.faults.counts();
    assert_eq!((counts.len(), counts[LIST]), (1, 33), "30 rounds and 3 sweeps of the open orders: {counts:?}");
    shop.pass_time(5);
    books(&shop).with(|books| books.open(id));
    let before = shop.ledger().order(&id.to_string()).unwrap().unwrap().order;
    shop.pull().await;
    assert_eq!(shop.ledger().order(&id.to_string()).unwrap().unwrap().order, before);
    assert_eq!((shop.due(), shop.states()), (0, vec![OrderState::Acknowledged]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_of_the_shops_own_is_set_where_it_is_registered_and_the_note_suffices_where_it_is_not() {
    for registered in [true, false] {
        let recorder = Recorder::default();
        let mut shop = in_business(&recorder).await;
        shop.configure(|config| {
            config.store.woocommerce.as_mut().unwrap().status_consumed = Some("at-till".into());
        });
        if registered {
            books(&shop).with(|books| books.statuses.insert("at-till".into()));
        }
        let id = place(&shop, "1001", 2);
        assert_eq!(till_takes(&mut shop).await, 1);
        shop.deliver().await;
        pull_with_sweep(&shop).await;
        assert_eq!(shop.states(), [OrderState::Acknowledged]);
        let (status, notes) =
            books(&shop).with(|books| books.order(id).map(|order| (order.status.clone(), order.notes.len()))).unwrap();
        assert_eq!((status.as_str(), notes), (if registered { "at-till" } else { "processing" }, 1));
        export_and_deliver(&mut shop, "after.csv").await;
        sellable_is(&shop, "1001", 8);
    }
}

// ------------------------------------------------------------------------------------------------------- a long story

/// What can truly be sold: the till's count, less what living orders take that the till has not booked.
fn truth(shop: &TestShop, sku: &str) -> Quantity {
    let booked = shop.till.imported();
    let living = ["on-hold", "processing", "completed"];
    books(shop).with(|books| {
        let product = books.id_of(sku).unwrap();
        let open = books
            .orders()
            .filter(|order| living.contains(&order.status.as_str()) && !booked.contains_key(&order.id.to_string()));
        shop.till.units(sku) - open.map(|order| order.units_of(product)).sum()
    })
}

/// One thing that happens in the shop.
async fn something_happens(shop: &mut TestShop, rng: &mut fastrand::Rng) {
    let (sku, units) = (if rng.bool() { "1001" } else { "TEE-RED" }, rng.i64(1..=2));
    let of_status = |shop: &TestShop, status: &str| -> Vec<u64> {
        books(shop).with(|books| books.orders().filter(|order| order.status == status).map(|order| order.id).collect())
    };
    shop.pass_time(1);
    match rng.u8(0..8) {
        // A customer in the shop buys what is neither promised nor held, and the web is told before anybody else comes:
        // nothing can prevent that two want the last piece between two exports.
        0 => {
            till_takes(shop).await;
            if shop.sellable(sku).min(truth(shop, sku)) >= units.into() {
                shop.till.sell(sku, units.into());
                let name = format!("sold{}.csv", shop.clock_now().as_second());
                export_and_deliver(shop, &name).await;
            }
        }
        1 => shop.till.goods_in(sku, units.into()),
        2 | 3 => drop(books(shop).with(|books| books.place(&[(sku, units)], "cod"))),
        4 => drop(books(shop).with(|books| books.place(&[(sku, units)], "stripe"))),
        5 => {
            if let Some(id) = of_status(shop, "pending").first() {
                set(shop, *id, "processing");
            }
        }
        6 => {
            let booked = shop.till.imported().clone();
            let waiting = of_status(shop, "processing").into_iter().find(|id| !booked.contains_key(&id.to_string()));
            if let Some(id) = waiting {
                set(shop, id, "cancelled");
                shop.pull().await;
                shop.write_orders();
            }
        }
        _ => drop(till_takes(shop).await),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_the_store_sells_what_is_there_and_never_more() {
    for seed in [7, 20261125] {
        let recorder = Recorder::default();
        let mut shop = in_business(&recorder).await;
        let mut rng = fastrand::Rng::with_seed(seed);
        for round in 0..7 {
            for _ in 0..6 {
                something_happens(&mut shop, &mut rng).await;
            }
            till_takes(&mut shop).await;
            export_and_deliver(&mut shop, &format!("round{round}.csv")).await;
            for sku in ["1001", "TEE-RED"] {
                assert_eq!(stock(&shop, sku), truth(&shop, sku), "seed {seed}, round {round}, {sku}");
                assert!(truth(&shop, sku) >= Quantity::ZERO, "seed {seed}, round {round}: {sku} was oversold");
            }
        }
        assert_eq!((shop.due(), shop.till.violations()), (0, [].as_slice()));
    }
}

// ---------------------------------------------------------------------------------------------- signing in and checking

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_stands_in_nothing_that_the_agent_writes() {
    use tillbridge::demo::woocommerce::CONSUMER_SECRET;
    let recorder = Recorder::default();
    let mut shop = in_business(&recorder).await;
    place(&shop, "1001", 1);
    assert_eq!(till_takes(&mut shop).await, 1);
    books(&shop).with(|books| books.drops_authorization = true);
    shop.pass_time(600);
    shop.deliver().await;
    shop.stop();
    let mut folders = vec![shop.folder.path().to_owned()];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                let bytes = std::fs::read(entry.path()).unwrap();
                let there = bytes.windows(CONSUMER_SECRET.len()).any(|part| part == CONSUMER_SECRET.as_bytes());
                assert!(!there, "{:?}", entry.path());
                read += 1;
            }
        }
    }
    assert!(read > 3, "the ledger and the till's files were read");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_apart_what_keeps_the_agent_out() {
    use tillbridge::demo::woocommerce::{Permissions, WooBooks};
    type Trouble = fn(&mut WooBooks);
    let troubles: [(Trouble, &str, &str); 6] = [
        (|books| books.drops_authorization = true, "sign in", "drops the Authorization header"),
        (|books| books.permissions = Permissions::Write, "sign in", "does not have read permissions"),
        (|books| books.permissions = Permissions::Read, "write stock", "does not have write permissions"),
        (|books| books.may_manage = false, "sign in", "Shop manager"),
        (|books| books.plain_permalinks = true, "permalinks", "plain permalinks"),
        (|books| books.manages_stock = false, "stock management", "Enable stock management"),
    ];
    for (trouble, what, words) in troubles {
        let shop = TestShop::open_on_woocommerce(|router, _| router).await;
        books(&shop).with(trouble);
        let lines = shop.agent().shop.store.check().await;
        let line = lines.iter().find(|line| line.what.contains(what)).unwrap_or_else(|| panic!("no {what}: {lines:?}"));
        assert!(!line.ok && line.found.contains(words), "{what}: {lines:?}");
        let notes = books(&shop).with(|books| books.orders().map(|order| order.notes.len()).sum::<usize>());
        assert_eq!(notes, 0, "nothing is changed");
    }
}

// ------------------------------------------------------------------------------------------------- what is published

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_and_answered_keeps_to_what_is_published() {
    let recorder = Recorder::default();
    let mut shop = in_business(&recorder).await;
    shop.configure(|config| {
        config.store.woocommerce.as_mut().unwrap().status_consumed = Some("completed".into());
    });
    let (kept, gone) = (place(&shop, "1001", 2), place(&shop, "TEE-RED", 1));
    let line = line_of(&shop, kept);
    shop.pass_time(1);
    books(&shop).with(|books| books.refund(kept, &[(line, 1.into())], true)).unwrap();
    assert_eq!(till_takes(&mut shop).await, 2);
    books(&shop).with(|books| books.delete(gone));
    pull_with_sweep(&shop).await;
    let cup = books(&shop).with(|books| books.id_of("1003")).unwrap();
    books(&shop).with(|books| books.unsavable.insert(cup, "no".into()));
    for sku in ["1002", "1003", "TEE-RED"] {
        shop.till.sell(sku, 1.into());
    }
    export_and_deliver(&mut shop, "after.csv").await;
    let lines = shop.agent().shop.store.check().await;
    // The shop's clock is moved by hand.
    assert!(lines.iter().all(|line| line.ok || line.what == "clocks"), "{lines:?}");
    let mut published = published::Published::new();
    recorder.exchanges().iter().for_each(|one| published.exchange(one));
    assert!(published.misfits.is_empty(), "{}", published.misfits.join("\n"));
    assert_eq!(published.met, published.routes(), "every published route was used");
}
