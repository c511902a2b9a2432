//! The whole agent against a store that speaks our own store API, over HTTPS; and the contract, held against every
//! request that the agent sends there and every answer that the simulated store gives.

#![allow(clippy::disallowed_methods, reason = "a test may unplug a folder")]
#![allow(clippy::print_stdout, reason = "what the mock took is counted and said")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

mod contract;
mod shop;

use std::collections::BTreeSet;

use contract::Recorder;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shop::TestShop;
use tillbridge::demo::faults::{Count, Fault};
use tillbridge::demo::store_api::{Became, Counted, Store, Wanted};
use tillbridge::domain::{OrderId, OrderState, Quantity, Sku};
use tillbridge::ledger::exports::ExportState;
use tillbridge::ports::{Acknowledgement, Pulse, Stage, StockBatch, StockItem, StockVersion};
use tillbridge::tasks::Reconciler;
use tillbridge::tasks::heartbeat::Heartbeat;

const ACK: &str = "POST /v1/orders/{}/ack";

async fn open(recorder: &Recorder) -> TestShop {
    TestShop::open_on_store_api(|router, _| recorder.in_front_of(router)).await
}

async fn in_business(recorder: &Recorder) -> TestShop {
    let mut shop = open(recorder).await;
    shop.go_into_business().await;
    shop
}

fn books(shop: &TestShop) -> &Store {
    shop.store.as_ref().unwrap()
}

fn place(shop: &TestShop, sku: &str, units: i64) -> String {
    shop.pass_time(1);
    books(shop).place(&[(sku, units)]).unwrap()
}

/// What can truly be sold: the till's count, less what web orders take that the till has not booked.
fn truth(shop: &TestShop, sku: &str) -> Quantity {
    let booked = shop.till.imported();
    books(shop).with(|books| {
        let open = books.orders().filter(|order| !booked.contains_key(&order.number));
        shop.till.units(sku) - open.map(|order| order.to_take(sku)).sum()
    })
}

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

// --------------------------------------------------------------------------------------------------------------- the runs

async fn order_in(recorder: &Recorder) {
    let mut shop = in_business(recorder).await;
    let id = place(&shop, "1001", 2);
    assert_eq!(till_takes(&mut shop).await, 1);
    shop.server.faults.set_for(ACK, Fault::AnswerLost, Count::Next(1));
    shop.deliver().await;
    assert_eq!((shop.states(), books(&shop).with(|books| books.acks().len())), (vec![OrderState::Consumed], 1));
    shop.pass_time(600);
    shop.deliver().await;
    assert_eq!(shop.states(), [OrderState::Acknowledged]);
    let told = recorder.of("POST", &format!("/{id}/ack"));
    assert_eq!(told.len(), 2, "told again after the lost answer");
    assert_eq!(told[0].sent["idempotency-key"], told[1].sent["idempotency-key"]);
    assert_eq!((&told[0].body, &told[0].answer), (&told[1].body, &told[1].answer));
    let acks = books(&shop).with(|books| books.acks().to_vec());
    assert_eq!((acks.len(), acks[0].stage.as_str(), acks[0].order_id.as_str()), (1, "consumed", id.as_str()));
    export_and_deliver(&mut shop, "after.csv").await;
    assert_eq!(shop.till.violations(), []);
    sellable_is_truth(&shop, "1001", 8);
}

async fn stock_out(recorder: &Recorder) {
    let mut shop = in_business(recorder).await;
    let taken = place(&shop, "1001", 2);
    let waiting = books(&shop).with(|books| books.place(&[("1001".into(), 1.into())], false)).unwrap();
    assert_eq!(till_takes(&mut shop).await, 1, "the unpaid one is not given to the till");
    shop.till.sell("1001", 3.into());
    export_and_deliver(&mut shop, "after.csv").await;
    let put = recorder.of("PUT", "/v1/stock").pop().unwrap();
    assert_eq!(put.body["items"][0]["available"], "4", "10 less 2 taken, 3 sold, 1 waiting");
    assert_eq!((&put.body["orders_through"], &put.body["orders_not_counted"]), (&json!(2), &Value::Null));
    assert_ne!(taken, waiting);
    let export = shop.ledger().admitted_export().unwrap().unwrap();
    assert_eq!(put.body["as_of"], export.timing.shown().to_string());
    assert_eq!(put.body["snapshot_id"], export.id.to_string());
    sellable_is_truth(&shop, "1001", 4);
    books(&shop).with(|books| books.ship(&taken)).unwrap();
    let writes = recorder.of("PUT", "/v1/stock").len();
    shop.pull().await;
    shop.deliver().await;
    assert_eq!(recorder.of("PUT", "/v1/stock").len(), writes, "a shipment moves nothing");
    sellable_is_truth(&shop, "1001", 4);
}

async fn order_meanwhile(recorder: &Recorder) {
    let mut shop = in_business(recorder).await;
    shop.till.sell("1001", 4.into());
    let store = books(&shop).clone();
    recorder.before("PUT /v1/stock", move || drop(store.place(&[("1001", 5)]).unwrap()));
    export_and_deliver(&mut shop, "less.csv").await;
    let puts = recorder.of("PUT", "/v1/stock");
    let [.., refused, put] = puts.as_slice() else { panic!("{} writes", puts.len()) };
    assert_eq!((&refused.body["items"][0]["available"], &refused.body["orders_through"]), (&json!("6"), &json!(0)));
    assert_eq!(refused.answer["results"][0]["result"], "conflict", "it carries the version that was read back last");
    assert_eq!(put.body["orders_through"], json!(1));
    assert_eq!(put.answer["results"][0]["available"], "1");
    sellable_is_truth(&shop, "1001", 1);
    assert!(books(&shop).place(&[("1001", 2)]).is_err(), "no second teapot is sold");
    assert!(!shop.conditions().contains(&"drift".to_owned()), "{:?}", shop.conditions());
}

async fn conflict(recorder: &Recorder) {
    let mut shop = open(recorder).await;
    shop.till.sell("1001", 4.into());
    let store = books(&shop).clone();
    recorder.before("PUT /v1/stock", move || drop(store.place(&[("1001", 1)]).unwrap()));
    export_and_deliver(&mut shop, "first.csv").await;
    let puts = recorder.of("PUT", "/v1/stock");
    let result = |n: usize| {
        let results = puts[n].answer["results"].as_array().unwrap();
        results.iter().find(|one| one["sku"] == "1001").unwrap()["result"].clone()
    };
    assert!(puts[0].body["items"][0]["if_version"].is_string(), "{}", puts[0].body);
    assert_eq!((result(0), result(1)), (json!("conflict"), json!("applied")));
    sellable_is_truth(&shop, "1001", 5);
    assert!(
        !shop.conditions().contains(&"drift".to_owned()),
        "an order is nobody else's write: {:?}",
        shop.conditions()
    );
}

async fn older_export(recorder: &Recorder) {
    let mut shop = in_business(recorder).await;
    // Another agent tells a younger count: this one was restored from an old disk.
    let ahead = shop.clock_now() + SignedDuration::from_secs(3_600);
    let wanted = Wanted { sku: "1001".into(), available: 3.into(), if_version: None };
    let told = books(&shop).with(|books| books.put_stock(ahead, &[wanted], &Counted::default()).unwrap());
    assert_eq!(told[0].1, Became::Applied);
    shop.till.sell("1001", 1.into());
    export_and_deliver(&mut shop, "older.csv").await;
    let put = recorder.of("PUT", "/v1/stock").pop().unwrap();
    assert_eq!(put.answer["results"][0]["result"], "superseded");
    assert_eq!(shop.sellable("1001"), 3.into(), "the younger count stands");
    assert!(shop.condition_text("drift").contains("only one may"), "{}", shop.condition_text("drift"));
    shop.pass_time(4_000);
    shop.till.sell("1001", 1.into());
    export_and_deliver(&mut shop, "younger.csv").await;
    sellable_is_truth(&shop, "1001", 8);
}

async fn unknown_sku(recorder: &Recorder) {
    let mut shop = in_business(recorder).await;
    shop.till.count("9999", "Not on the web", 4.into());
    shop.till.count("GIFT-10", "Gift voucher 10", 5.into());
    shop.till.sell("1001", 1.into());
    export_and_deliver(&mut shop, "more.csv").await;
    let text = shop.condition_text("items_not_taken");
    assert!(text.contains("9999 (the web store has no product with this SKU)"), "{text}");
    assert!(text.contains("GIFT-10 (nothing is counted here)"), "{text}");
    sellable_is_truth(&shop, "1001", 9);
}

async fn offline(recorder: &Recorder) {
    let mut shop = in_business(recorder).await;
    shop.server.faults.set(Fault::Offline, Count::UntilCleared);
    for day in 0..3 {
        shop.till.sell("1004", 3.into());
        shop.export_and_look(&format!("day{day}.csv"));
        shop.deliver().await;
        shop.pass_time(86_400);
    }
    assert!(shop.conditions().contains(&"store_unreachable".to_owned()));
    place(&shop, "1004", 5);
    shop.server.faults.clear();
    shop.deliver().await;
    assert_eq!(shop.till.waiting().unwrap().len(), 1, "the order was written for the till as well");
    sellable_is_truth(&shop, "1004", 48 - 9 - 5);
}

async fn cancelled(recorder: &Recorder) {
    let mut shop = in_business(recorder).await;
    // Known when the count was told, so it is counted in; then cancelled before the till took it.
    let id = books(&shop).with(|books| books.place(&[("1001".into(), 3.into())], false)).unwrap();
    shop.till.sell("1001", 2.into());
    export_and_deliver(&mut shop, "listed.csv").await;
    assert_eq!(recorder.of("PUT", "/v1/stock").pop().unwrap().body["orders_through"], 1);
    books(&shop).with(|books| books.pay(&id)).unwrap();
    shop.pull().await;
    shop.write_orders();
    assert_eq!(shop.till.waiting().unwrap().len(), 1);
    books(&shop).with(|books| books.cancel(&id)).unwrap();
    shop.pull().await;
    shop.write_orders();
    shop.deliver().await;
    assert_eq!((shop.states(), shop.till.waiting().unwrap().len()), (vec![OrderState::Withdrawn], 0));
    sellable_is_truth(&shop, "1001", 8);
    // Cancelled between the last pull and the write.
    let id = place(&shop, "1001", 1);
    shop.pull().await;
    shop.till.sell("1001", 1.into());
    let (store, late) = (books(&shop).clone(), id.clone());
    recorder.before("PUT /v1/stock", move || store.with(|books| books.cancel(&late)).unwrap());
    export_and_deliver(&mut shop, "late.csv").await;
    sellable_is_truth(&shop, "1001", 7);
}

async fn partial(recorder: &Recorder) {
    let mut shop = in_business(recorder).await;
    let id = books(&shop).with(|books| books.place(&[("1001".into(), 3.into())], false)).unwrap();
    shop.till.sell("1001", 1.into());
    export_and_deliver(&mut shop, "listed.csv").await;
    books(&shop).with(|books| books.cancel_some(&id, "1001", 1.into())).unwrap();
    books(&shop).with(|books| books.pay(&id)).unwrap();
    assert_eq!(till_takes(&mut shop).await, 1);
    assert_eq!(shop.till.units("1001"), 7.into(), "the till was given what is left of the order");
    shop.deliver().await;
    sellable_is_truth(&shop, "1001", 7);
    export_and_deliver(&mut shop, "taken.csv").await;
    sellable_is_truth(&shop, "1001", 7);
    // It comes back whole, and staff book it in.
    books(&shop).with(|books| books.ship(&id).and_then(|()| books.refund(&id, true))).unwrap();
    shop.till.goods_in("1001", 2.into());
    shop.pull().await;
    shop.deliver().await;
    export_and_deliver(&mut shop, "returned.csv").await;
    sellable_is_truth(&shop, "1001", 9);
}

/// The store asks for a pause, and is left alone for it.
async fn put_off(recorder: &Recorder) {
    let mut shop = in_business(recorder).await;
    for unavailable in [false, true] {
        shop.till.sell("1001", 1.into());
        books(&shop).with(|books| books.put_off(1, unavailable, 30));
        export_and_look_only(&mut shop, &format!("sold-{unavailable}.csv"));
        shop.deliver().await;
        let before = recorder.exchanges().len();
        shop.deliver().await;
        assert_eq!(recorder.exchanges().len(), before, "nothing is asked before the pause is over");
        shop.pass_time(400);
        shop.deliver().await;
    }
    sellable_is_truth(&shop, "1001", 8);
}

fn export_and_look_only(shop: &mut TestShop, name: &str) {
    shop.pass_time(120);
    shop.export_and_look(name);
    assert_eq!(shop.last_export(), ExportState::Admitted, "{name}");
}

/// A restart with a new token while the old one is still good, then without it.
async fn rotated(recorder: &Recorder) {
    let mut shop = in_business(recorder).await;
    books(&shop).with(|books| books.take_token("the-next-one"));
    shop.till.sell("1001", 1.into());
    export_and_deliver(&mut shop, "old.csv").await;
    shop.configure(|config| config.store.token = Some(tillbridge::central::Secret::new("the-next-one").into()));
    let old = shop.server.token.clone();
    books(&shop).with(|books| books.withdraw_token(&old));
    shop.till.sell("1001", 1.into());
    export_and_deliver(&mut shop, "new.csv").await;
    sellable_is_truth(&shop, "1001", 8);
    books(&shop).with(|books| books.withdraw_token("the-next-one"));
    shop.till.sell("1001", 1.into());
    export_and_deliver(&mut shop, "none.csv").await;
    assert!(shop.condition_text("store_refuses").contains("Is the token right"), "{:?}", shop.conditions());
}

/// An order that changes between the last reading and the write.
async fn changed_meanwhile(recorder: &Recorder) {
    let mut shop = in_business(recorder).await;
    let id = books(&shop).with(|books| books.place(&[("1001".into(), 1.into())], false)).unwrap();
    shop.pull().await;
    shop.till.sell("1001", 2.into());
    let (store, grown) = (books(&shop).clone(), id.clone());
    recorder.before("PUT /v1/stock", move || store.with(|books| books.edit(&grown, "1001", 4.into())).unwrap());
    export_and_deliver(&mut shop, "grown.csv").await;
    sellable_is_truth(&shop, "1001", 4);
    assert!(!shop.conditions().contains(&"drift".to_owned()), "{:?}", shop.conditions());
}

/// An order that another shop fulfils before this one has heard of it never gets to this till.
async fn moved(recorder: &Recorder) {
    let mut shop = in_business(recorder).await;
    let id = place(&shop, "1001", 3);
    books(&shop).with(|books| books.move_away(&id)).unwrap();
    assert_eq!(till_takes(&mut shop).await, 0);
    shop.till.sell("1001", 1.into());
    export_and_deliver(&mut shop, "sold.csv").await;
    assert_eq!((shop.states(), shop.sellable("1001")), (vec![], 9.into()));
}

/// An order that the agent cannot read is never sold away, however often stock is written.
async fn not_understood(recorder: &Recorder) {
    let mut shop = in_business(recorder).await;
    let id = place(&shop, "1001", 3);
    recorder.spoil(&id);
    shop.pull().await;
    shop.till.sell("1001", 2.into());
    export_and_deliver(&mut shop, "one.csv").await;
    shop.die_and_restart();
    shop.till.sell("1001", 1.into());
    export_and_deliver(&mut shop, "two.csv").await;
    let put = recorder.of("PUT", "/v1/stock").pop().unwrap();
    assert_eq!((&put.body["items"][0]["available"], &put.body["orders_not_counted"]), (&json!("7"), &json!([id])));
    assert_eq!(shop.sellable("1001"), 4.into(), "7 counted, 3 of them for the order that nobody could read");
    assert!(shop.condition_text("order_unreadable").contains(&id));
}

// ------------------------------------------------------------------------------------------------------------ the promises

#[tokio::test(flavor = "multi_thread")]
async fn an_order_reaches_the_till_and_the_store_hears_of_it_once_even_if_the_answer_is_lost() {
    order_in(&Recorder::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_goes_out_with_the_orders_that_are_counted_in_it() {
    stock_out(&Recorder::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_placed_between_the_last_reading_and_the_write_is_not_oversold() {
    order_meanwhile(&Recorder::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_moved_leads_to_computing_again_at_once() {
    conflict(&Recorder::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_export_never_overwrites_a_younger_one() {
    older_export(&Recorder::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_the_store_does_not_know_or_count_is_reported_by_name() {
    unknown_sku(&Recorder::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn days_offline_lose_nothing_at_the_store_api_either() {
    offline(&Recorder::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_is_for_sale_again_counted_in_or_not() {
    cancelled(&Recorder::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partly_cancelled_order_reaches_the_till_as_what_is_left_of_it() {
    partial(&Recorder::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_asks_for_a_pause_is_left_alone_for_it() {
    put_off(&Recorder::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_replaced_without_a_gap() {
    rotated(&Recorder::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_grows_between_the_last_reading_and_the_write_is_not_oversold() {
    changed_meanwhile(&Recorder::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_went_to_another_shop_is_not_given_to_this_till() {
    moved(&Recorder::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_cannot_be_read_is_kept_back_by_the_store_over_a_restart() {
    not_understood(&Recorder::default()).await;
}

// ------------------------------------------------------------------------------------------------------------ the contract

/// Members that the contract leaves to others: an agent that knows them may send them.
const OF_OTHERS: [&str; 1] = ["OrderAck.version"];

/// Every call that the agent has for a store, with names that are hard to write.
async fn every_call(recorder: &Recorder) {
    let shop = open(recorder).await;
    let id = place(&shop, "1001", 1);
    let store = &shop.agent().shop.store;
    store.probe().await.unwrap();
    let page = store.orders(None).await.unwrap();
    store.orders(Some(&page.next)).await.unwrap();
    let skus = ["1001", "A/B-7", "GR\u{dc}N & Gelb", "50% \u{1f375}", "NO-SUCH", "a+b=c?d#e"]
        .map(|sku| Sku::new(sku).unwrap());
    assert_eq!(store.holdings(&skus).await.unwrap().len(), skus.len());
    let item = |sku: &Sku| StockItem {
        sku: sku.clone(),
        quantity: Quantity::parse("7.25").unwrap(),
        if_version: Some(StockVersion("0".into())),
        expected: None,
    };
    let batch = StockBatch {
        items: skus.iter().map(item).collect(),
        snapshot: "1".into(),
        as_of: shop.clock_now(),
        orders_read: Some(page.next.clone()),
    };
    assert_eq!(store.write_stock(&batch).await.unwrap().len(), skus.len());
    for stage in [Stage::Published, Stage::Consumed, Stage::Rejected, Stage::Failed] {
        let said = Acknowledgement {
            order: OrderId(id.clone()),
            number: "W000001".into(),
            stage,
            reference: "order \u{dc}1.csv".into(),
            at: shop.clock_now(),
            idempotency_key: format!("\u{dc}{id} {}", stage.word()),
        };
        store.acknowledge(&said).await.unwrap();
    }
    let pulse = Pulse { feed: Some(page.next), snapshot: Some("1".into()), queue_depth: 7, clock: shop.clock_now() };
    store.heartbeat(&pulse).await.unwrap();
    let heart = books(&shop).with(|books| books.heartbeats().last().cloned()).unwrap();
    assert_eq!((&heart["queue_depth"], &heart["last_cursor"]), (&json!(7), &json!("c-1")));
    assert_eq!(books(&shop).with(|books| books.acks().len()), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_the_agent_is_taken_whatever_things_are_called() {
    every_call(&Recorder::default()).await;
}

/// Each minute the store hears how the agent is; one that wants a newer agent says so.
async fn heartbeats(recorder: &Recorder) {
    let mut shop = in_business(recorder).await;
    let beating = Heartbeat::new(shop.agent().shop.clone());
    beating.activate().await;
    let heart = books(&shop).with(|books| books.heartbeats().last().cloned()).unwrap();
    let export = shop.ledger().admitted_export().unwrap().unwrap();
    assert_eq!((&heart["last_snapshot"], &heart["queue_depth"]), (&json!(export.id.to_string()), &json!(0)));
    assert_eq!((&heart["last_cursor"], &heart["clock"]), (&json!("c-0"), &json!(shop.clock_now().to_string())));
    books(&shop).with(|books| books.want_version("99.0.0"));
    beating.activate().await;
    assert!(shop.condition_text("store_refuses").contains("Update Tillbridge"), "{:?}", shop.conditions());
    // Started anew it writes no stock, and orders go on.
    drop(beating);
    shop.die_and_restart();
    let writes = recorder.of("PUT", "/v1/stock").len();
    shop.till.sell("1001", 1.into());
    export_and_look_only(&mut shop, "sold.csv");
    shop.deliver().await;
    assert_eq!(recorder.of("PUT", "/v1/stock").len(), writes);
    place(&shop, "1001", 1);
    assert_eq!(till_takes(&mut shop).await, 1);
    books(&shop).with(|books| books.want_version("0.0.1"));
    Heartbeat::new(shop.agent().shop.clone()).activate().await;
    shop.pass_time(400);
    shop.deliver().await;
    assert!(!shop.conditions().contains(&"store_refuses".to_owned()), "{:?}", shop.conditions());
    sellable_is_truth(&shop, "1001", 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_hears_how_the_agent_is_and_one_that_wants_a_newer_agent_gets_no_stock_and_says_so() {
    heartbeats(&Recorder::default()).await;
}

/// All that happens in these runs, each recorded by itself.
async fn all_runs() -> Vec<Recorder> {
    let mut all = Vec::new();
    macro_rules! run {
        ($($run:ident),*) => { $(
            let recorder = Recorder::default();
            $run(&recorder).await;
            all.push(recorder);
        )* };
    }
    run!(
        order_in,
        stock_out,
        order_meanwhile,
        conflict,
        older_export,
        unknown_sku,
        offline,
        cancelled,
        partial,
        refused
    );
    run!(put_off, rotated, changed_meanwhile, moved, every_call, heartbeats);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_and_every_answer_of_these_runs_keeps_the_contract() {
    let mut met = BTreeSet::new();
    for recorder in all_runs().await {
        met.extend(recorder.kept_the_contract());
    }
    let contract = contract::contract();
    let mut never = BTreeSet::new();
    for (name, schema) in contract["components"]["schemas"].as_object().unwrap() {
        let members = schema["properties"].as_object().into_iter().flatten();
        never.extend(members.map(|(member, _)| format!("{name}.{member}")).filter(|member| !met.contains(member)));
    }
    assert_eq!(never, OF_OTHERS.map(str::to_owned).into(), "the contract names what nobody says, or the reverse");
}

/// Where a mock listens that was made from the contract alone (`tests/contract/run` starts one).
const MOCK: &str = "CONTRACT_MOCK";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a mock made from the contract; tests/contract/run starts one"]
async fn a_mock_made_from_the_contract_alone_takes_all_that_the_agent_sends() {
    let Ok(mock) = std::env::var(MOCK) else { return println!("skipped: {MOCK} names no mock") };
    let client = contract::client(&tillbridge::demo::tls::Tls::new().unwrap().ca_pem);
    let mut counts = std::collections::BTreeMap::<String, u64>::new();
    for recorder in all_runs().await {
        for one in recorder.exchanges().into_iter().filter(contract::Exchange::is_the_agents) {
            let (status, answer) = one.sent_to(&client, &mock).await;
            assert_eq!(status, 200, "{} {}: {answer}", one.method, one.target);
            *counts.entry(format!("{} {}", one.method, contract::template_of(&one.path))).or_default() += 1;
        }
    }
    let all: u64 = counts.values().sum();
    println!("the mock took {all} of {all} requests: {counts:?}");
    assert_eq!(counts.len(), 5, "every operation: {counts:?}");
    // The mock does judge.
    let recorder = Recorder::default();
    every_call(&recorder).await;
    let mut refused = 0;
    for one in recorder.exchanges() {
        for spoilt in one.spoilt() {
            let (status, _) = spoilt.sent_to(&client, &mock).await;
            assert!((400..500).contains(&status), "{} {} {}: {status}", spoilt.method, spoilt.target, spoilt.body);
            refused += 1;
        }
    }
    println!("the mock refused {refused} of {refused} spoilt requests");
    assert!(refused >= 10);
}

/// Requests that the store refuses, each with the status and the code of the contract.
async fn refused(recorder: &Recorder) {
    let shop = open(recorder).await;
    let id = place(&shop, "1001", 1);
    let client = contract::client(&shop.server.ca_pem);
    let ack = format!("/v1/orders/{id}/ack");
    let many: String = (0..101).map(|n| format!("&sku={n}")).collect();
    let item = json!({"sku": "1001", "available": "1"});
    let put = |items: Value| json!({"location": "shop1", "snapshot_id": "1", "as_of": "2026-11-23T16:30:00Z", "items": items, "orders_through": 0});
    let said = json!({"stage": "consumed", "at": "2026-11-23T16:30:00Z"});
    let other = json!({"stage": "rejected", "at": "2026-11-23T16:30:00Z"});
    let heart = json!({"agent": "a", "version": "1", "location": "shop9"});
    let moved = |body: &Value, member: &str, value: Value| {
        let mut body = body.clone();
        body[member] = value;
        body
    };
    let one = put(json!([item]));
    for (method, path, key, body, status, code) in [
        ("GET", "/v1/orders?location=shop9", None, Value::Null, 404, "unknown_location"),
        ("GET", "/v1/orders?location=shop1&cursor=mine", None, Value::Null, 404, "unknown_cursor"),
        ("GET", "/v1/orders?location=shop1&curser=c-1", None, Value::Null, 400, "malformed"),
        ("GET", "/v1/orders?location=shop1&limit=many", None, Value::Null, 400, "malformed"),
        ("GET", "/v1/orders?location=shop1&limit=301", None, Value::Null, 400, "malformed"),
        ("GET", "/v1/stock?location=shop1", None, Value::Null, 400, "malformed"),
        ("GET", &format!("/v1/stock?location=shop1{many}"), None, Value::Null, 413, "too_many_items"),
        ("PUT", "/v1/stock", None, put(json!([])), 400, "malformed"),
        ("PUT", "/v1/stock", None, put(json!([{"sku": "1001", "available": 1}])), 400, "malformed"),
        ("PUT", "/v1/stock", None, put(json!([{"sku": "1001", "available": "1.0000001"}])), 400, "malformed"),
        ("PUT", "/v1/stock", None, put(json!([{"sku": "1001", "available": "1", "unit": "x"}])), 400, "malformed"),
        ("PUT", "/v1/stock", None, put(json!([{"sku": "GIFT-10", "available": "1"}])), 200, ""),
        ("PUT", "/v1/stock", None, put(vec![item; 501].into()), 413, "too_many_items"),
        ("PUT", "/v1/stock", None, moved(&one, "orders_through", json!(99)), 409, "events_ahead"),
        ("PUT", "/v1/stock", None, moved(&one, "orders_through", json!("1")), 400, "malformed"),
        ("PUT", "/v1/stock", None, moved(&one, "orders_not_counted", json!(["a7"])), 200, ""),
        ("PUT", "/v1/stock", None, moved(&one, "as_of", json!("yesterday")), 400, "malformed"),
        ("POST", &ack, None, said.clone(), 400, "malformed"),
        ("POST", &ack, Some("k"), said.clone(), 200, ""),
        ("POST", &ack, Some("k"), other, 409, "idempotency_key_reused"),
        ("POST", &ack, Some("m"), moved(&said, "stage", json!("lost")), 400, "malformed"),
        ("POST", "/v1/orders/none/ack", Some("l"), said, 404, "unknown_order"),
        ("POST", "/v1/heartbeat", None, heart, 404, "unknown_location"),
    ] {
        let request = client.request(method.parse().unwrap(), format!("{}{path}", shop.server.url));
        let request = key.into_iter().fold(request, |request, key| request.header("Idempotency-Key", key));
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.bearer_auth(&shop.server.token).send().await.unwrap();
        let found = (answer.status().as_u16(), answer.json::<Value>().await.unwrap());
        assert_eq!(found.0, status, "{method} {path}: {}", found.1);
        assert_eq!(found.1["code"].as_str().unwrap_or_default(), code, "{method} {path}");
    }
    let plain = client.post(format!("{}{ack}", shop.server.url)).header("Idempotency-Key", "n").body("{}");
    assert_eq!(plain.bearer_auth(&shop.server.token).send().await.unwrap().status(), 415);
    let stranger = client.get(format!("{}/v1/orders?location=shop1", shop.server.url)).bearer_auth("wrong");
    assert_eq!(stranger.send().await.unwrap().status(), 401);
}

#[test]
fn the_check_finds_what_does_not_fit() {
    let contract = contract::contract();
    let found = |schema: &str, value: Value| {
        let mut check = contract::Check::of(&contract);
        check.value(&json!({"$ref": format!("#/components/schemas/{schema}")}), &value, "it");
        check.misfits.len()
    };
    assert_eq!(found("StockWanted", json!({"sku": "A", "available": "-1.50"})), 0);
    assert_eq!(found("StockWanted", json!({"sku": "", "available": 1, "x": 2})), 4);
    for bad in ["1e3", "+1", "1.", ".5", "", "-", "1,5", "1\n", "1234567890123", "0.1234567"] {
        assert_eq!(found("Decimal", json!(bad)), 1, "{bad:?}");
    }
    for bad in ["2026-11-23", "2026-11-23T16:30:00", "16:30"] {
        assert_eq!(found("Moment", json!(bad)), 1, "{bad:?}");
    }
    assert_eq!(found("OrderAcked", json!({"order_id": "a", "stage": "lost"})), 1);
    assert_eq!(found("StockResults", json!({"results": {}})), 1);
    assert_eq!(found("OrderEvents", json!({"events": [], "has_more": 0})), 3 - 1);
}

/// That it is a well-formed OpenAPI document, others look at (`tests/contract/run`).
#[test]
fn nothing_stands_in_the_contract_that_nobody_uses_and_no_reference_leads_nowhere() {
    let contract = contract::contract();
    let mut used = BTreeSet::new();
    references(&contract, &contract, &mut used);
    for kind in ["schemas", "parameters", "responses"] {
        for name in contract["components"][kind].as_object().unwrap().keys() {
            assert!(used.contains(&format!("#/components/{kind}/{name}")), "nobody uses {kind}/{name}");
        }
    }
}

/// Every `$ref`; each leads somewhere.
fn references(contract: &Value, here: &Value, used: &mut BTreeSet<String>) {
    if let Some(place) = here.get("$ref") {
        contract::resolved(contract, here);
        used.insert(place.as_str().unwrap().to_owned());
    }
    match here {
        Value::Object(members) => members.values().for_each(|it| references(contract, it, used)),
        Value::Array(list) => list.iter().for_each(|it| references(contract, it, used)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
