//! Delivery when things go wrong between agent and store: orders that come between two requests, single items and notes that
//! make requests fail, a store that is away for long.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

mod shop;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use shop::TestShop;
use tillbridge::agent::recall_learned;
use tillbridge::demo::faults::{Count, Fault};
use tillbridge::demo::magento::{Mode, ProductKind};
use tillbridge::domain::{OrderState, Quantity};
use tillbridge::ledger::outbox_trouble::MOST_TRIES;
use tillbridge::ledger::runs::Attempt;
use tillbridge::ports::*;
use tillbridge::tasks::delivery::Delivery;
use tillbridge::tasks::intake::Intake;
use tillbridge::tasks::orders::Orders;
use tillbridge::tasks::{Reconciler, Shop};

const SOURCE_ITEMS: &str = "POST /V1/inventory/source-items";
const NOTE: &str = "POST /V1/orders/{}/comments";

/// A Magento with these items besides its own, all counted in the till and known in the store.
async fn with_items(mode: Mode, skus: &[String]) -> TestShop {
    let mut shop = TestShop::open(mode).await;
    for sku in skus {
        shop.magento.with(|books| {
            books.add_product(sku, sku, ProductKind::Simple { parent: None }, 1.into());
        });
        shop.till.count(sku, sku, 5.into());
    }
    shop.go_into_business().await;
    for sku in skus {
        assert_eq!(shop.sellable(sku), 5.into(), "{sku}");
    }
    shop
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("ITEM-{n:03}")).collect()
}

fn sell_one_of_each(shop: &mut TestShop, skus: &[String], export: &str) {
    for sku in skus {
        shop.till.sell(sku, Quantity::ONE);
    }
    shop.pass_time(120);
    shop.export_and_look(export);
}

// ------------------------------------------------------------------------------------------- orders between two requests

/// What shoppers could buy after a write, though the shop does not have it.
type Oversold = Arc<Mutex<Vec<String>>>;

/// One delivery of a lower count, with an order of 5 placed before the `nth` request; was too much for sale after any write?
async fn order_before_request(mode: Option<Mode>, nth: u32) -> (Vec<String>, bool) {
    let mut shop = match mode {
        Some(mode) => TestShop::open(mode).await,
        None => TestShop::open_on_store_api(|router, _| router).await,
    };
    // The first delivery: the store is asked about everything.
    shop.till.sell("1001", 2.into());
    shop.export_and_look("first.csv");
    let (magento, store, oversold) = (shop.magento.clone(), shop.store.clone(), Oversold::default());
    let (placed, noted) = (Arc::new(Mutex::new(false)), oversold.clone());
    let (is_placed, of_books) = (placed.clone(), (magento.clone(), store.clone()));
    shop.server.faults.before("", nth, move || {
        match &store {
            Some(store) => drop(store.place(&[("1001", 5)]).unwrap()),
            None => drop(magento.place(&[("1001", 5)]).unwrap()),
        }
        *placed.lock().unwrap() = true;
    });
    let writes = if mode == Some(Mode::Legacy) { "PUT /V1/products" } else { "PUT /v1/stock" };
    let seen = is_placed.clone();
    shop.server.faults.after_each(writes, move || {
        let (magento, store) = &of_books;
        let sellable = match store {
            Some(store) => store.with(|books| books.available("1001")).unwrap_or_default(),
            None => magento.with(|books| books.salable("1001")),
        };
        let truth: Quantity = if *seen.lock().unwrap() { 3.into() } else { 8.into() };
        // Before the first write of this item the store holds what it held.
        if sellable > truth && sellable != 5.into() {
            noted.lock().unwrap().push(format!("{sellable} for sale, and {truth} there"));
        }
    });
    shop.deliver().await;
    let lasting = shop.conditions();
    assert!(
        !lasting.contains(&"drift".to_owned()),
        "an order is nobody else's write, before request {nth}: {lasting:?}"
    );
    shop.pass_time(1);
    shop.deliver().await;
    let was_placed = *is_placed.lock().unwrap();
    let truth = if was_placed { 3.into() } else { 8.into() };
    assert_eq!((shop.sellable("1001"), shop.due()), (truth, 0), "{mode:?}, order before request {nth}");
    let oversold = oversold.lock().unwrap().clone();
    (oversold, was_placed)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_placed_before_any_request_of_a_delivery_is_never_oversold_where_the_store_compares() {
    let mut placed = 0;
    for nth in 1..12 {
        let (oversold, was_placed) = order_before_request(None, nth).await;
        assert_eq!(oversold, Vec::<String>::new(), "before request {nth}");
        placed += usize::from(was_placed);
    }
    assert!(placed >= 7, "{placed}: there were as many requests");
}

/// A store that deducts and does not compare leaves one gap: between the last reading of the orders and the write itself.
#[tokio::test(flavor = "multi_thread")]
async fn without_compare_and_set_only_the_request_that_follows_the_orders_can_oversell_and_is_put_right_at_once() {
    let mut gaps = Vec::new();
    for nth in 1..20 {
        let (oversold, _) = order_before_request(Some(Mode::Legacy), nth).await;
        if !oversold.is_empty() {
            gaps.push(nth);
        }
    }
    assert!(gaps.len() <= 2, "the write of this item, or of another one written just before: {gaps:?}");
}

// --------------------------------------------------------------------------------------------------------- single bad items

/// One item spoils every request that it is in. All others are delivered at once; it is tried alone some times and given up;
/// a new count tries it again; a person's word, once the store is mended, delivers it.
async fn one_bad_item(fault: Fault, only: &str) {
    let skus = names(60);
    let mut shop = with_items(Mode::Msi, &skus).await;
    shop.server.faults.set_for_content(only, "ITEM-042", fault, Count::UntilCleared);
    sell_one_of_each(&mut shop, &skus, "sold.csv");
    shop.deliver().await;
    for sku in skus.iter().filter(|sku| *sku != "ITEM-042") {
        assert_eq!(shop.sellable(sku), 4.into(), "{fault:?}: {sku} is held up");
    }
    assert_eq!((shop.due(), shop.sellable("ITEM-042")), (1, 5.into()));
    assert!(!shop.conditions().contains(&"store_unreachable".to_owned()), "{:?}", shop.conditions());
    let writes = shop.server.faults.count(SOURCE_ITEMS);
    assert!(writes <= 2 * 6 + 6, "{fault:?}: {writes} write requests for 60 items");

    let mut deliveries = 0;
    while shop.due() > 0 {
        deliveries += 1;
        assert!(deliveries < 4 * MOST_TRIES, "it is given up some time");
        shop.pass_time(400);
        shop.deliver().await;
    }
    let text = shop.condition_text("dead_letters");
    assert!(text.contains("the quantity of ITEM-042") && text.contains("outbox retry"), "{text}");
    assert!(!shop.conditions().contains(&"items_not_taken".to_owned()), "told of once: {:?}", shop.conditions());
    let tries = shop.server.faults.count(SOURCE_ITEMS);
    for _ in 0..20 {
        shop.pass_time(600);
        shop.deliver().await;
    }
    assert_eq!(shop.server.faults.count(SOURCE_ITEMS), tries, "{fault:?}: it is not tried again");

    // A new count: one more try, which hinders nobody.
    sell_one_of_each(&mut shop, &skus, "more.csv");
    shop.deliver().await;
    assert_eq!((shop.due(), shop.sellable("ITEM-041"), shop.sellable("ITEM-042")), (0, 3.into(), 5.into()));
    assert!(shop.conditions().contains(&"dead_letters".to_owned()));

    shop.server.faults.clear();
    let meant = shop.ledger().outbox_meant("ITEM-042").unwrap();
    assert_eq!(shop.ledger().retry_outbox(meant.first(), "ann", shop.clock_now()).unwrap(), 1);
    shop.deliver().await;
    assert_eq!((shop.due(), shop.sellable("ITEM-042")), (0, 3.into()));
    assert_eq!(shop.conditions(), Vec::<String>::new());
    assert_eq!(shop.ledger().outbox_decisions(10).unwrap()[0].by, "ann");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_makes_the_store_fail_inside_holds_up_nothing() {
    one_bad_item(Fault::ServerError, SOURCE_ITEMS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_a_firewall_refuses_holds_up_nothing() {
    one_bad_item(Fault::Firewall, SOURCE_ITEMS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_cuts_the_line_holds_up_nothing() {
    one_bad_item(Fault::Offline, SOURCE_ITEMS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_cannot_even_be_asked_about_holds_up_nothing() {
    let skus = names(60);
    let mut shop = with_items(Mode::Msi, &skus).await;
    // Nothing is believed any more: the store is asked about every item.
    shop.ledger().settings_changed(shop.clock_now()).unwrap();
    shop.server.faults.set_for_content("GET /V1/products", "ITEM-007", Fault::Firewall, Count::UntilCleared);
    sell_one_of_each(&mut shop, &skus, "sold.csv");
    shop.deliver().await;
    assert_eq!((shop.due(), shop.sellable("ITEM-006"), shop.sellable("ITEM-007")), (1, 4.into(), 5.into()));
    let asked = shop.server.faults.count("GET /V1/products");
    assert!(asked <= 5 * 12, "{asked} questions");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_a_store_of_our_own_contract_calls_malformed_holds_up_nothing() {
    let mut shop = TestShop::open_on_store_api(|router, _| router).await;
    shop.go_into_business().await;
    shop.server.faults.set_for_content("PUT /v1/stock", "\"1003\"", Fault::Malformed, Count::UntilCleared);
    let before = ["1001", "1002", "1003", "1004"].map(|sku| shop.till.units(sku));
    for sku in ["1001", "1002", "1003", "1004"] {
        shop.till.sell(sku, Quantity::ONE);
    }
    shop.pass_time(120);
    shop.export_and_look("sold.csv");
    shop.deliver().await;
    for (at, (sku, sold)) in [("1001", 1), ("1002", 1), ("1003", 0), ("1004", 1)].into_iter().enumerate() {
        assert_eq!(shop.sellable(sku), before[at] - sold.into(), "{sku}");
    }
    assert_eq!(shop.due(), 1);
    let waits = &shop.ledger().outbox_rows(false, 9, shop.clock_now()).unwrap()[0];
    assert_eq!((waits.shown.as_str(), waits.state, waits.tries), ("1003", "paused", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_go_on_while_the_store_takes_no_stock() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.place("1004", 1);
    shop.pull().await;
    shop.write_orders();
    shop.till_takes_all();
    for sku in ["1001", "1002", "1003"] {
        shop.till.sell(sku, Quantity::ONE);
    }
    shop.pass_time(120);
    shop.export_and_look("sold.csv");
    shop.server.faults.set_for(SOURCE_ITEMS, Fault::ServerError, Count::UntilCleared);
    shop.deliver().await;
    assert!(shop.due() >= 3);
    assert_eq!(shop.states(), [OrderState::Acknowledged]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_no_stock_at_all_blames_no_item() {
    let skus = names(60);
    let mut shop = with_items(Mode::Msi, &skus).await;
    shop.server.faults.set_for(SOURCE_ITEMS, Fault::ServerError, Count::UntilCleared);
    sell_one_of_each(&mut shop, &skus, "sold.csv");
    shop.deliver().await;
    assert_eq!(shop.server.faults.count(SOURCE_ITEMS), 3, "all, one, and another one");
    for _ in 0..30 {
        shop.pass_time(60);
        shop.agent().intake.activate().await;
        shop.deliver().await;
    }
    let asked = shop.server.faults.count(SOURCE_ITEMS);
    assert!(asked <= 3 + 3 * 30, "{asked}: at most three write requests a try, to tell the store from an item");
    assert_eq!((shop.due(), shop.ledger().dead_letters(9).unwrap().0), (60, 0));
    let text = shop.condition_text("store_unreachable");
    assert!(
        text.contains("writing stock") && text.contains("failures in a row since") && text.contains("next try at"),
        "{text}"
    );
    shop.server.faults.clear();
    shop.pass_time(600);
    shop.deliver().await;
    shop.deliver().await;
    assert_eq!((shop.due(), shop.sellable("ITEM-000"), shop.sellable("ITEM-059")), (0, 4.into(), 4.into()));
    assert_eq!(shop.conditions(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_item_that_was_given_up_with_nothing_to_compare_it_with_comes_back_once_another_is_taken() {
    let skus = names(2);
    let mut shop = with_items(Mode::Msi, &skus).await;
    shop.server.faults.set_for(SOURCE_ITEMS, Fault::ServerError, Count::UntilCleared);
    shop.till.sell("ITEM-000", Quantity::ONE);
    shop.pass_time(120);
    shop.export_and_look("one.csv");
    for _ in 0..40 {
        shop.pass_time(400);
        shop.deliver().await;
    }
    assert_eq!((shop.due(), shop.ledger().dead_letters(9).unwrap().0), (0, 1), "it may be the item, or the store");
    // It was the store. The next quantity that it takes shows it.
    shop.server.faults.clear();
    shop.till.sell("ITEM-001", Quantity::ONE);
    shop.pass_time(120);
    shop.export_and_look("other.csv");
    shop.deliver().await;
    assert_eq!((shop.sellable("ITEM-000"), shop.sellable("ITEM-001"), shop.due()), (4.into(), 4.into(), 0));
    assert_eq!(shop.conditions(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_deleted_in_the_store_keeps_no_other_note_waiting() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let orders: Vec<_> = (0..4).map(|_| shop.place("1004", 1)).collect();
    shop.pull().await;
    shop.write_orders();
    assert_eq!(shop.till_takes_all(), 4);
    let deleted = &orders[0];
    shop.server.faults.set_for_content(
        NOTE,
        &format!("/orders/{}/", deleted.entity_id),
        Fault::NoRoute,
        Count::UntilCleared,
    );
    shop.deliver().await;
    assert_eq!(
        shop.states(),
        [OrderState::Consumed, OrderState::Acknowledged, OrderState::Acknowledged, OrderState::Acknowledged]
    );
    for _ in 0..20 {
        shop.pass_time(600);
        shop.deliver().await;
    }
    let text = shop.condition_text("dead_letters");
    assert!(text.contains(&format!("a note on order {}", deleted.increment_id)) && text.contains("404"), "{text}");
    let told = shop.server.faults.count(NOTE);
    for _ in 0..10 {
        shop.pass_time(600);
        shop.deliver().await;
    }
    assert_eq!(shop.server.faults.count(NOTE), told);
    shop.pass_time(86_400);
    shop.deliver().await;
    assert_eq!(shop.server.faults.count(NOTE), told + 1, "once a day");
    let meant = shop.ledger().outbox_meant(&deleted.increment_id).unwrap();
    shop.ledger().drop_from_outbox(&meant[0], "a test order", "ann", shop.clock_now()).unwrap();
    shop.pass_time(86_400);
    shop.deliver().await;
    assert_eq!(shop.server.faults.count(NOTE), told + 1);
    assert_eq!(shop.conditions(), Vec::<String>::new());
    let history =
        shop.ledger().order_history(&shop.ledger().order(&deleted.increment_id).unwrap().unwrap().order.id).unwrap();
    let last = history.last().unwrap();
    assert_eq!((last.by.as_str(), last.detail.as_deref()), ("ann", Some("a test order")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_dropped_is_left_as_it_is_until_the_next_count() {
    let skus = names(2);
    let mut shop = with_items(Mode::Msi, &skus).await;
    shop.server.faults.set_for_content(SOURCE_ITEMS, "ITEM-000", Fault::ServerError, Count::UntilCleared);
    sell_one_of_each(&mut shop, &skus, "sold.csv");
    shop.deliver().await;
    for _ in 0..4 * MOST_TRIES {
        shop.pass_time(400);
        shop.deliver().await;
    }
    assert!(shop.conditions().contains(&"dead_letters".to_owned()), "{:?}", shop.conditions());
    let meant = shop.ledger().outbox_meant("ITEM-000").unwrap();
    assert_eq!(shop.ledger().drop_from_outbox(&meant[0], "sold by phone", "ann", shop.clock_now()).unwrap(), 1);
    shop.server.faults.clear();
    for _ in 0..3 {
        shop.pass_time(86_400);
        shop.deliver().await;
    }
    assert_eq!(shop.conditions(), Vec::<String>::new());
    assert_eq!((shop.due(), shop.sellable("ITEM-000")), (0, 5.into()));
    sell_one_of_each(&mut shop, &skus, "more.csv");
    shop.deliver().await;
    assert_eq!((shop.due(), shop.sellable("ITEM-000")), (0, 3.into()));
}

// ------------------------------------------------------------------------------------------------------- a store that is away

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_gets_one_request_a_pause_from_all_parts_together() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.place("1004", 1);
    shop.pull().await;
    shop.write_orders();
    shop.till_takes_all();
    shop.till.sell("1001", 1.into());
    shop.export_and_look("sold.csv");
    shop.server.faults.forget_counts();
    shop.server.faults.set(Fault::Maintenance, Count::UntilCleared);
    for _ in 0..1800 {
        shop.pass_time(2);
        shop.agent().intake.activate().await;
        let next = shop.agent().delivery.activate().await;
        assert!(next.0 >= Duration::from_millis(20));
    }
    let asked = shop.server.faults.count("");
    assert!((8..60).contains(&asked), "{asked} requests in an hour");
    let text = shop.condition_text("store_unreachable");
    assert!(text.contains("failures in a row since") && text.contains("next try at"), "{text}");
    let live = shop.agent().shop.live();
    assert!(live.store_fails_since.is_some() && live.store_rests_until.is_some());
    shop.server.faults.clear();
    shop.pass_time(300);
    shop.agent().intake.activate().await;
    shop.deliver().await;
    assert_eq!((shop.due(), shop.sellable("1001")), (0, 9.into()));
    assert_eq!(shop.conditions(), Vec::<String>::new());
    assert_eq!(shop.agent().shop.live().store_rests_until, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_long_outage_orders_go_on_at_once_and_stock_waits_its_share() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.configure(|config| config.stock.spread_after_outage = tillbridge::units::Span::seconds(3000));
    shop.deliver().await;
    shop.server.faults.set(Fault::Offline, Count::UntilCleared);
    for _ in 0..10 {
        shop.pass_time(60);
        shop.agent().intake.activate().await;
    }
    shop.till.sell("1001", 1.into());
    shop.export_and_look("sold.csv");
    shop.server.faults.clear();
    shop.magento.place(&[("1004", 2)]).unwrap();
    shop.server.faults.forget_counts();
    shop.pass_time(301);
    let next = shop.agent().delivery.activate().await;
    assert_eq!(shop.till.waiting().unwrap().len(), 1, "the order lies before the till");
    assert_eq!((shop.server.faults.count(SOURCE_ITEMS), shop.due() > 0), (0, true), "stock waits");
    assert!(next.0 > Duration::ZERO && next.0 <= Duration::from_secs(60));
    shop.pass_time(3000);
    shop.deliver().await;
    assert_eq!((shop.due(), shop.sellable("1001"), shop.sellable("1004")), (0, 9.into(), 46.into()));
}

// -------------------------------------------------------------------------------------------------- what is kept of failures

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_request_is_kept_with_its_answer_counted_and_without_a_secret() {
    let skus = names(2);
    let mut shop = with_items(Mode::Msi, &skus).await;
    shop.server.faults.set_for(SOURCE_ITEMS, Fault::Firewall, Count::UntilCleared);
    sell_one_of_each(&mut shop, &skus, "sold.csv");
    for _ in 0..3 {
        shop.deliver().await;
        shop.pass_time(600);
    }
    let kept = shop.ledger().failed_exchanges(10).unwrap();
    let all: u64 = kept.iter().map(|failure| failure.times).sum();
    assert_eq!(all, shop.server.faults.count(SOURCE_ITEMS), "{kept:?}");
    assert!(kept.len() < 4 && kept[0].first_at < kept[0].last_at, "{kept:?}");
    let failure = &kept[0];
    assert_eq!((failure.class.as_str(), failure.exchange.status), ("permanent", Some(403)));
    assert_eq!(failure.exchange.request, "POST /rest/V1/inventory/source-items");
    assert!(
        failure.exchange.sent.contains("ITEM-00") && failure.exchange.answered.contains("Request blocked"),
        "{failure:?}"
    );
    let written = std::fs::read(shop.ledger().folder().join("ledger.db-wal")).unwrap();
    let holds = |needle: &[u8]| written.windows(needle.len()).any(|part| part == needle);
    assert!(holds(b"Request blocked") && !holds(tillbridge::demo::TOKEN.as_bytes()));
}

#[test]
fn the_ledger_keeps_the_last_fifty_failures_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = tillbridge::ledger::Ledger::open(folder.path()).unwrap();
    let at = |second: i64| jiff::Timestamp::from_second(1_800_000_000 + second).unwrap();
    for second in 0..120 {
        let mut error = StoreError::new(tillbridge::domain::retry::FailureClass::Bug, format!("failure {second}"));
        error.exchange = Some(Box::new(Exchange {
            request: "GET /".into(),
            sent: String::new(),
            status: None,
            answered: String::new(),
        }));
        ledger.record_exchange(&error, at(second)).unwrap();
        ledger.record_exchange(&error, at(second)).unwrap();
    }
    let kept = ledger.failed_exchanges(1000).unwrap();
    assert_eq!((kept.len(), kept[0].what.as_str(), kept[0].times), (50, "failure 119", 2));
}

#[test]
fn runs_and_attempts_are_bounded_however_long_the_agent_lives() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = tillbridge::ledger::Ledger::scratch(folder.path()).unwrap();
    let at = jiff::Timestamp::from_second(1_800_000_000).unwrap();
    for number in 0..5_020 {
        let (kind, outcome) = ("stock".to_owned(), "done".to_owned());
        ledger.record_attempt(&Attempt { at, kind, items: number, outcome, detail: None, millis: 1 }).unwrap();
        ledger.record_run("delivery", at, at, "done", &serde_json::Value::Null, None).unwrap();
    }
    let attempts = ledger.attempts(10_000).unwrap();
    assert_eq!((attempts.len(), attempts[0].items, ledger.runs(10_000).unwrap().len()), (5_000, 5_019, 5_000));
}

// ------------------------------------------------------------------------------------------------- what the store has taught

/// A store that has taught something.
struct Taught(Mutex<Vec<String>>);

#[async_trait::async_trait]
impl CentralStore for Taught {
    async fn probe(&self) -> Result<StoreFacts, StoreError> {
        Err(StoreError::new(tillbridge::domain::retry::FailureClass::Permanent, "not asked"))
    }
    async fn orders(&self, _cursor: Option<&FeedCursor>) -> Result<OrderPage, StoreError> {
        Err(StoreError::new(tillbridge::domain::retry::FailureClass::Permanent, "not asked"))
    }
    async fn holdings(&self, _skus: &[tillbridge::domain::Sku]) -> Result<Vec<Holding>, StoreError> {
        Ok(Vec::new())
    }
    async fn write_stock(&self, _batch: &StockBatch) -> Result<Vec<Written>, StoreError> {
        Ok(Vec::new())
    }
    async fn acknowledge(&self, _acknowledgement: &Acknowledgement) -> Result<(), StoreError> {
        Ok(())
    }
    fn batch_size(&self) -> usize {
        1
    }
    fn learned(&self) -> Option<String> {
        Some("at most 20".to_owned())
    }
    fn recall(&self, learned: &str) {
        self.0.lock().unwrap().push(learned.to_owned());
    }
    async fn check(&self) -> Vec<CheckLine> {
        Vec::new()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_taught_is_told_to_the_next_start_and_forgotten_with_other_settings() {
    let shop = TestShop::in_business(Mode::Msi).await;
    let taught = Arc::new(Taught(Mutex::default()));
    let alive = shop.agent();
    let settings = shop.config.tasks(shop.clock_now());
    let tasks = Shop::new(
        alive.shop.ledger.clone(),
        Arc::new(shop.clock.clone()),
        alive.epos.clone(),
        taught.clone(),
        settings,
    );
    let delivery = Delivery::new(tasks.clone(), Intake::new(tasks.clone()), Orders::new(tasks));
    delivery.activate().await;
    let said = || std::mem::take(&mut *taught.0.lock().unwrap());
    recall_learned(shop.ledger(), &shop.config, taught.as_ref()).unwrap();
    assert_eq!(said(), ["at most 20"]);
    let mut other = shop.config.clone();
    other.store.batch = 7;
    recall_learned(shop.ledger(), &other, taught.as_ref()).unwrap();
    recall_learned(shop.ledger(), &shop.config, taught.as_ref()).unwrap();
    assert_eq!(said(), Vec::<String>::new());
}
