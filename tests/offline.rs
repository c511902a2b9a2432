//! Three days without a line, in full size: 2,000 orders placed in the web store meanwhile, 50,000 items changed in the till
//! over many exports; then the line is back, and shoppers go on buying while the shop catches up.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]
#![allow(clippy::print_stdout, reason = "the figures are part of what this test shows: run it with --nocapture")]

mod shop;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use shop::TestShop;
use tillbridge::demo::faults::{Count, Fault};
use tillbridge::demo::store_api::{Store, Wanted};
use tillbridge::domain::{OrderState, Quantity};
use tillbridge::ledger::exports::ExportState;
use tillbridge::tasks::Reconciler;
use tillbridge::units::Span;

const ITEMS: usize = 50_000;
const ORDERS: usize = 2_000;
const EXPORTS: usize = 30;
const ON_HAND: i64 = 20;

fn sku(item: usize) -> String {
    format!("SKU-{item:05}")
}

/// A shop with all these items, counted in the till and as many for sale in the web store.
async fn large_shop() -> TestShop {
    let mut shop = TestShop::open_on_store_api(|router, _| router).await;
    shop.configure(|config| {
        config.store.batch = 500;
        config.stock.spread_after_outage = Span::seconds(60);
    });
    let (store, now) = (shop.store.clone().unwrap(), shop.clock_now());
    store.with(|books| {
        for item in 0..ITEMS {
            let (sku, available) = (sku(item), ON_HAND.into());
            books.add_article(&sku, "Article", 995, true);
            books.put_stock(now, &[Wanted { sku, available, if_version: None }], BTreeSet::new());
        }
    });
    for item in 0..ITEMS {
        shop.till.count(&sku(item), "Article", ON_HAND.into());
    }
    shop.export_and_look("first.csv");
    assert_eq!(shop.last_export(), ExportState::Admitted);
    shop.deliver().await;
    assert_eq!((shop.due(), shop.server.faults.count("PUT")), (0, 0), "the store was found to hold all of it already");
    shop
}

/// One export of changes: this part of the items was sold once more over the counter.
fn export_changes(shop: &mut TestShop, number: usize) {
    let part = ITEMS / EXPORTS + 1;
    let mut text = "SKU,Qty\r\n".to_owned();
    for item in ((number * part)..ITEMS).take(part) {
        shop.till.sell(&sku(item), Quantity::ONE);
        text.push_str(&format!("{},{}\r\n", sku(item), shop.till.units(&sku(item))));
    }
    shop.put_export(&format!("changes_{:04}.csv", number + 1), text.as_bytes());
}

/// What can truly be sold of each item: the till's count, less what web orders take that it has not booked.
fn truth(shop: &TestShop, store: &Store) -> BTreeMap<String, Quantity> {
    let booked = shop.till.imported();
    let mut truth: BTreeMap<String, Quantity> =
        (0..ITEMS).map(|item| (sku(item), shop.till.units(&sku(item)))).collect();
    store.with(|books| {
        for order in books.orders().filter(|order| !booked.contains_key(&order.number)) {
            for line in &order.lines {
                let left = truth.get_mut(&line.sku).unwrap();
                *left = *left - line.ordered;
            }
        }
    });
    truth
}

/// The items of an order that was placed while the line was down.
fn ordered(number: usize) -> [usize; 2] {
    [number * 23 % ITEMS, (number * 31 + 7) % ITEMS]
}

/// Shoppers who come just before a write. Of an item that was written since the line is back they buy all that there is; of
/// one that was not (the store still shows what it did days ago) a single one, which is there. How many they got.
fn greedy_shoppers(shop: &TestShop, store: &Store) -> Arc<Mutex<usize>> {
    let bought = Arc::new(Mutex::new(0));
    let others: Arc<BTreeSet<usize>> = Arc::new((0..ORDERS).flat_map(ordered).collect());
    for write in (2..90).step_by(4) {
        let (store, bought, others) = (store.clone(), bought.clone(), others.clone());
        shop.server.faults.before("PUT /v1/stock", write, move || {
            // Some that were written, some that are being written, some that are still to be.
            let items = (0..ITEMS).skip(write as usize * 13).step_by(ITEMS / 25);
            for item in items.filter(|item| !others.contains(item)) {
                let sku = sku(item);
                let all = store.with(|books| books.available(&sku)).unwrap_or_default();
                let all = if all == ON_HAND.into() { Quantity::ONE } else { all };
                if all.is_positive() && store.with(|books| books.place(&[(sku, all)], true)).is_ok() {
                    *bought.lock().unwrap() += 1;
                }
            }
        });
    }
    bought
}

#[tokio::test(flavor = "multi_thread")]
async fn three_days_offline_with_thousands_of_orders_and_changes_end_with_the_truth_and_nothing_oversold() {
    let began = std::time::Instant::now();
    let mut shop = large_shop().await;
    println!("{:?}: 50,000 items are known", began.elapsed());
    let store = shop.store.clone().unwrap();
    let ledger_before = shop.ledger().bytes();
    shop.server.faults.set(Fault::Offline, Count::UntilCleared);
    let mut most_due = 0;
    for export in 0..EXPORTS {
        for order in 0..ORDERS / EXPORTS + 1 {
            let number = export * (ORDERS / EXPORTS + 1) + order;
            if number < ORDERS {
                let [one, other] = ordered(number).map(sku);
                store.place(&[(one.as_str(), 2), (other.as_str(), 1)]).unwrap();
            }
        }
        shop.pass_time(3 * 86_400 / EXPORTS as i64);
        export_changes(&mut shop, export);
        assert_eq!(shop.last_export(), ExportState::Merged);
        shop.agent().intake.activate().await;
        shop.deliver().await;
        most_due = most_due.max(shop.due());
    }
    assert_eq!((most_due, shop.due()), (ITEMS as u64, ITEMS as u64), "one row an item, however long it lasts");
    let offline = shop.ledger().bytes();

    println!("{:?}: three days are over", began.elapsed());

    // The line is back.
    shop.server.faults.clear();
    shop.server.faults.forget_counts();
    shop.pass_time(301);
    let transactions = shop.ledger().transactions();
    let before_stock = Arc::new(Mutex::new(None));
    let (seen, import) = (before_stock.clone(), shop.till.import.clone());
    let (writes_at, began_at) = (Arc::new(Mutex::new(None)), began);
    let first_write = writes_at.clone();
    shop.server.faults.before("PUT /v1/stock", 1, move || {
        *first_write.lock().unwrap() = Some(began_at.elapsed());
        *seen.lock().unwrap() = Some(
            std::fs::read_dir(import)
                .unwrap()
                .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".csv"))
                .count(),
        );
    });
    let bought = greedy_shoppers(&shop, &store);
    let mut activations = 0;
    while shop.due() > 0 {
        let next = shop.agent().delivery.activate().await;
        shop.clock.advance(next.0.try_into().unwrap());
        activations += 1;
        assert!(activations < 50, "{} still due", shop.due());
    }
    assert_eq!(
        *before_stock.lock().unwrap(),
        Some(ORDERS),
        "every order lay before the till when the first quantity went out"
    );
    println!("{:?}: first quantity sent", writes_at.lock().unwrap().unwrap());
    println!("{:?}: nothing is due any more", began.elapsed());
    let requests = shop.server.faults.counts();
    let used = shop.ledger().transactions();
    let drained = shop.ledger().bytes();

    // What shoppers bought meanwhile lies before the till as well, and each order once.
    shop.pull().await;
    for _ in 0..3 {
        shop.write_orders();
    }
    shop.deliver().await;
    let truth_now = truth(&shop, &store);
    for (sku, truth) in &truth_now {
        assert!(*truth >= Quantity::ZERO, "{sku} was oversold: {truth}");
        assert_eq!(shop.sellable(sku), *truth, "{sku}");
    }
    let bought = *bought.lock().unwrap();
    assert!(bought > 50, "{bought} items were bought while the shop caught up");
    let placed = store.with(|books| books.orders().count());
    assert_eq!(shop.till.waiting().unwrap().len(), placed);
    assert_eq!(shop.till_takes_all(), placed);
    assert_eq!(shop.till.violations(), [], "no order twice, none half");
    assert!(shop.states().iter().all(|state| *state == OrderState::Consumed));

    let rows = (shop.ledger().runs(u32::MAX).unwrap().len(), shop.ledger().attempts(u32::MAX).unwrap().len());
    println!("requests of the drain: {requests:?} in {activations} activation(s)");
    println!("ledger: {ledger_before} B before, {offline} B after three days, {drained} B after the drain");
    println!("ledger transactions of the drain: {} reads, {} writes", used.0 - transactions.0, used.1 - transactions.1);
    println!("rows: {} runs, {} attempts; {placed} orders, {bought} items bought meanwhile", rows.0, rows.1);
    assert!(offline.max(drained) < 200 << 20, "{offline} {drained}");
    let writes = shop.server.faults.count("PUT /v1/stock");
    assert!(writes <= (ITEMS / 500 + 30) as u64, "{writes} writes");
    // An order file is planned, staged and shown; a batch is leased, written and read back.
    let most = 4 * placed as u64 + 12 * writes;
    assert!(used.1 - transactions.1 < most, "{} transactions, and {most} at most", used.1 - transactions.1);
}
