//! Whoever listens is told which quantities were stored: of each at least once, of none that was only looked at, whatever
//! fails in between; and the delivery never waits for it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

mod shop;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use shop::TestShop;
use tillbridge::demo::faults::{Count, Fault};
use tillbridge::domain::Sku;
use tillbridge::domain::retry::FailureClass;
use tillbridge::ledger::Ledger;
use tillbridge::ledger::after_push::MOST_LISTED;
use tillbridge::ledger::outbox::Delivered;
use tillbridge::ports::{NotTold, PushListener, Pushed, PushedSkus};
use tillbridge::tasks::Reconciler;
use tillbridge::tasks::after_push::AfterPush;
use tillbridge::units::Span;
use tokio::sync::Notify;

/// Writes down what it hears.
#[derive(Default)]
struct Listener {
    heard: Mutex<Vec<Pushed>>,
    fails: Mutex<Option<FailureClass>>,
    /// When set, it takes until it is let go.
    holds: Mutex<Option<Arc<Notify>>>,
    asked: Notify,
}

impl Listener {
    fn heard(&self) -> Vec<Vec<String>> {
        let named = |pushed: &Pushed| match &pushed.skus {
            PushedSkus::All => vec!["all".to_owned()],
            PushedSkus::These(skus) => skus.iter().map(Sku::to_string).collect(),
        };
        self.heard.lock().unwrap().iter().map(named).collect()
    }

    fn fail(&self, class: Option<FailureClass>) {
        *self.fails.lock().unwrap() = class;
    }
}

#[async_trait]
impl PushListener for Listener {
    async fn tell(&self, pushed: &Pushed) -> Result<(), NotTold> {
        let holds = self.holds.lock().unwrap().clone();
        self.asked.notify_one();
        if let Some(holds) = holds {
            holds.notified().await;
        }
        if let Some(class) = *self.fails.lock().unwrap() {
            return Err(NotTold { what: "the index is locked".into(), class, retry_after: None });
        }
        self.heard.lock().unwrap().push(pushed.clone());
        Ok(())
    }
}

fn telling(shop: &TestShop, listener: &Arc<Listener>) -> Arc<AfterPush> {
    AfterPush::new(shop.agent().shop.clone(), listener.clone(), "main", Span::seconds(60)).unwrap()
}

async fn open() -> (TestShop, Arc<Listener>, Arc<AfterPush>) {
    let mut shop = TestShop::open_on_store_api(|router, _| router).await;
    shop.go_into_business().await;
    let listener = Arc::new(Listener::default());
    let telling = telling(&shop, &listener);
    (shop, listener, telling)
}

async fn sell_and_deliver(shop: &mut TestShop, sku: &str, name: &str) {
    shop.till.sell(sku, 1.into());
    shop.pass_time(120);
    shop.export_and_look(name);
    shop.deliver().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_is_told_once_and_what_was_only_looked_at_is_not() {
    let (mut shop, listener, telling) = open().await;
    telling.activate().await;
    assert_eq!(listener.heard(), [[""; 0]; 0], "what was stored before somebody listened");
    sell_and_deliver(&mut shop, "1001", "one.csv").await;
    telling.activate().await;
    telling.activate().await;
    assert_eq!(listener.heard(), [["1001"]]);
    let told = listener.heard.lock().unwrap()[0].clone();
    assert_eq!((told.account.as_str(), told.count), ("main", 1));
    // An order moves the store by itself: the item is looked at, and nothing is written.
    shop.store.as_ref().unwrap().place(&[("1002", 1)]).unwrap();
    shop.pull().await;
    shop.deliver().await;
    assert_eq!(shop.due(), 0);
    shop.pass_time(120);
    telling.activate().await;
    assert_eq!(listener.heard().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quantity_that_the_store_took_is_told_although_its_answer_was_lost() {
    let (mut shop, listener, telling) = open().await;
    shop.server.faults.set_for("PUT /v1/stock", Fault::AnswerLost, Count::Next(1));
    sell_and_deliver(&mut shop, "1001", "lost.csv").await;
    assert_eq!(shop.sellable("1001"), 9.into(), "the store took it");
    telling.activate().await;
    assert_eq!(listener.heard().len(), 0, "nobody knows yet");
    drop(telling);
    shop.die_and_restart();
    let telling = self::telling(&shop, &listener);
    shop.pass_time(600);
    shop.deliver().await;
    assert_eq!(shop.server.faults.count("PUT /v1/stock"), 1, "it was found there, and not written again");
    telling.activate().await;
    assert_eq!(listener.heard(), [["1001"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_at_most_so_often_and_then_of_all_since() {
    let (mut shop, listener, _) = open().await;
    let telling = AfterPush::new(shop.agent().shop.clone(), listener.clone(), "main", Span::seconds(1_800)).unwrap();
    sell_and_deliver(&mut shop, "1001", "one.csv").await;
    telling.activate().await;
    for (sku, name) in [("1002", "two.csv"), ("1003", "three.csv"), ("1002", "four.csv")] {
        shop.till.sell(sku, 1.into());
        shop.export_and_look(name);
        shop.deliver().await;
        telling.activate().await;
    }
    assert_eq!(listener.heard(), [["1001"]], "less than half an hour has passed");
    shop.pass_time(1_800);
    telling.activate().await;
    assert_eq!(listener.heard(), [vec!["1001"], vec!["1002", "1003"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_fails_becomes_a_trouble_is_told_again_later_and_hinders_nothing() {
    let (mut shop, listener, telling) = open().await;
    listener.fail(Some(FailureClass::Permanent));
    sell_and_deliver(&mut shop, "1001", "one.csv").await;
    telling.activate().await;
    let text = shop.condition_text("after_push");
    assert!(text.contains("the index is locked → ") && text.contains("[store.after_push]"), "{text}");
    sell_and_deliver(&mut shop, "1002", "two.csv").await;
    assert_eq!((shop.sellable("1002"), shop.due()), (shop.till.units("1002"), 0), "stock goes on");
    listener.fail(None);
    shop.pass_time(400);
    telling.activate().await;
    assert_eq!(listener.heard(), [["1001", "1002"]]);
    assert!(!shop.conditions().contains(&"after_push".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_listener_is_not_asked_again_before_its_pause_is_over() {
    let (mut shop, listener, _) = open().await;
    let telling = AfterPush::new(shop.agent().shop.clone(), listener.clone(), "main", Span::seconds(1)).unwrap();
    listener.fail(Some(FailureClass::Permanent));
    sell_and_deliver(&mut shop, "1001", "one.csv").await;
    telling.activate().await;
    listener.fail(None);
    shop.pass_time(30);
    telling.activate().await;
    assert_eq!(listener.heard().len(), 0);
    shop.pass_time(400);
    telling.activate().await;
    assert_eq!(listener.heard(), [["1001"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_listener_delays_no_delivery_and_what_is_stored_meanwhile_is_told_next() {
    let (mut shop, listener, telling) = open().await;
    let hold = Arc::new(Notify::new());
    *listener.holds.lock().unwrap() = Some(hold.clone());
    sell_and_deliver(&mut shop, "1001", "one.csv").await;
    let slow = telling.clone();
    let at_it = tokio::spawn(async move { slow.activate().await });
    tokio::time::timeout(std::time::Duration::from_secs(60), listener.asked.notified()).await.expect("it is told");
    for (sku, name) in [("1001", "two.csv"), ("1003", "three.csv")] {
        sell_and_deliver(&mut shop, sku, name).await;
        assert_eq!((shop.sellable(sku), shop.due()), (shop.till.units(sku), 0), "{sku}");
    }
    hold.notify_one();
    at_it.await.unwrap();
    *listener.holds.lock().unwrap() = None;
    shop.pass_time(120);
    telling.activate().await;
    assert_eq!(listener.heard(), [vec!["1001"], vec!["1001", "1003"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_told_before_a_restart_is_told_after_it() {
    let (mut shop, listener, telling) = open().await;
    listener.fail(Some(FailureClass::Transient));
    sell_and_deliver(&mut shop, "1001", "one.csv").await;
    telling.activate().await;
    drop(telling);
    shop.die_and_restart();
    listener.fail(None);
    let telling = self::telling(&shop, &listener);
    telling.activate().await;
    assert_eq!(listener.heard(), [["1001"]]);
    shop.ledger().listen_for_pushes(false).unwrap();
    sell_and_deliver(&mut shop, "1002", "two.csv").await;
    assert_eq!(shop.ledger().untold().unwrap(), None, "nobody listens any more");
}

#[test]
fn above_a_bound_it_says_all_and_how_many() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path()).unwrap();
    ledger.listen_for_pushes(true).unwrap();
    let at: jiff::Timestamp = "2026-11-23T16:00:00Z".parse().unwrap();
    let push = |from: u64, to: u64| {
        let skus: Vec<Sku> = (from..to).map(|n| Sku::new(&format!("{n:05}")).unwrap()).collect();
        ledger.mark_due(&skus, at).unwrap();
        let due = ledger.lease_stock(skus.len(), at, at).unwrap();
        ledger.about_to_write(&skus).unwrap();
        let stored = || Delivered::Stored {
            written: 1.into(),
            moved: 0.into(),
            export: tillbridge::domain::ExportId(1),
            version: None,
        };
        ledger.finish_stock(&due.into_iter().map(|due| (due, stored())).collect::<Vec<_>>(), at).unwrap();
    };
    push(0, MOST_LISTED);
    let listed = ledger.untold().unwrap().unwrap();
    assert!(matches!(&listed.skus, PushedSkus::These(skus) if skus.len() as u64 == MOST_LISTED));
    push(MOST_LISTED, MOST_LISTED + 1);
    let all = ledger.untold().unwrap().unwrap();
    assert_eq!((&all.skus, all.count, all.since), (&PushedSkus::All, MOST_LISTED + 1, at));
    // Stored again while it is being told.
    push(0, 3);
    ledger.told(&all).unwrap();
    let again = ledger.untold().unwrap().unwrap();
    assert_eq!((&again.skus, again.count), (&PushedSkus::All, MOST_LISTED + 4));
    ledger.told(&again).unwrap();
    assert_eq!(ledger.untold().unwrap(), None);
    push(7, 8);
    assert_eq!(ledger.untold().unwrap().unwrap().skus, PushedSkus::These(vec![Sku::new("00007").unwrap()]));
}
