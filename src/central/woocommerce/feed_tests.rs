use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::*;
use crate::central::testing::{Answer, Asked, FakeStore, says};
use crate::central::woocommerce::tests::{Own, shop_with};

/// Orders that can be changed between the questions; filters and sorts as WooCommerce does.
#[derive(Clone, Default)]
struct Orders(Arc<Mutex<Inside>>);

#[derive(Default)]
struct Inside {
    orders: BTreeMap<u64, (i64, &'static str)>,
    tells_no_total: bool,
    /// The store's clock, when it tells it.
    now: Option<i64>,
    /// What happens when so many lists were asked for.
    then: BTreeMap<usize, Change>,
    lists: usize,
}

#[derive(Clone, Copy)]
enum Change {
    /// So many of the lowest ids, or (negative) of the highest, leave the list.
    Lose(i64),
    Set(u64, i64),
}

impl Orders {
    fn with<T>(&self, look: impl FnOnce(&mut Inside) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    fn set(&self, id: u64, second: i64) {
        self.with(|inside| inside.orders.insert(id, (second, "processing")));
    }

    fn set_status(&self, id: u64, status: &'static str) {
        self.with(|inside| inside.orders.get_mut(&id).unwrap().1 = status);
    }

    fn remove(&self, id: u64) {
        self.with(|inside| inside.orders.remove(&id));
    }

    fn then(&self, lists: usize, change: Change) {
        self.with(|inside| inside.then.insert(lists, change));
    }

    fn serve(&self) -> FakeStore {
        let orders = self.clone();
        FakeStore::with(move |asked| orders.answer(asked))
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let url = reqwest::Url::parse(&format!("http://h{}", asked.path)).unwrap();
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        self.with(|inside| match url.path().rsplit('/').next().unwrap().parse::<u64>() {
            Ok(id) => inside.one(id),
            Err(_) => inside.list(&query),
        })
    }
}

impl Inside {
    fn one(&self, id: u64) -> Answer {
        match self.orders.get(&id) {
            Some((second, status)) => says(200, order(id, *second, status)),
            None => {
                let body = r#"{"code":"woocommerce_rest_shop_order_invalid_id","message":"Invalid ID.","data":{"status":404}}"#;
                says(404, body)
            }
        }
    }

    fn list(&mut self, query: &BTreeMap<String, String>) -> Answer {
        let included: Vec<u64> =
            query.get("include").map(|ids| ids.split(',').map(|id| id.parse().unwrap()).collect()).unwrap_or_default();
        let after = query.get("modified_after").cloned().unwrap_or_default();
        let mut rows: Vec<(u64, i64, &str)> =
            self.orders.iter().map(|(id, (at, status))| (*id, *at, *status)).collect();
        rows.retain(|(id, at, status)| {
            *status != "trash" && (included.is_empty() || included.contains(id)) && written(moment_of(*at)) > after
        });
        if query["order"] == "desc" {
            rows.reverse();
        }
        let total = rows.len();
        let offset: usize = query.get("offset").map_or(0, |offset| offset.parse().unwrap());
        let size: usize = query["per_page"].parse().unwrap();
        let page: Vec<String> =
            rows.into_iter().skip(offset).take(size).map(|(id, at, status)| order(id, at, status)).collect();
        self.lists += 1;
        match self.then.remove(&self.lists) {
            Some(Change::Lose(count)) => {
                for _ in 0..count.abs() {
                    if count > 0 {
                        self.orders.pop_first()
                    } else {
                        self.orders.pop_last()
                    };
                }
            }
            Some(Change::Set(id, second)) => drop(self.orders.insert(id, (second, "processing"))),
            None => {}
        }
        let mut headers = if self.tells_no_total { Vec::new() } else { vec![("X-WP-Total", total.to_string())] };
        let date = |now| moment_of(now).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        headers.extend(self.now.map(|now| ("Date", date(now))));
        Answer::Says(200, headers, format!("[{}]", page.join(",")))
    }
}

fn moment_of(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn order(id: u64, second: i64, status: &str) -> String {
    let at = written(moment_of(second));
    format!(
        r#"{{"id":{id},"number":"W{id}","status":"{status}","date_created_gmt":"{at}","date_modified_gmt":"{at}",
        "total":"1.10","line_items":[{{"id":1,"product_id":5,"quantity":1,"sku":"A","meta_data":[]}}]}}"#
    )
}

/// Reads to the end of the round; ids of what came, and of what is gone.
async fn read(store: &WooCommerce, cursor: &mut Option<FeedCursor>) -> (Vec<u64>, Vec<u64>) {
    let (mut came, mut gone) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        let page = store.feed(cursor.as_ref()).await.unwrap();
        came.extend(page.orders.iter().map(|order| order.id.0.parse::<u64>().unwrap()));
        gone.extend(page.elsewhere.iter().map(|id| id.0.parse::<u64>().unwrap()));
        *cursor = Some(page.next);
        if !page.more {
            return (came, gone);
        }
    }
    panic!("the feed does not end");
}

fn sorted(mut ids: Vec<u64>) -> Vec<u64> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn position(cursor: &Option<FeedCursor>) -> Position {
    serde_json::from_str(&cursor.as_ref().unwrap().0).unwrap()
}

fn store(orders: &Orders, page: usize) -> (FakeStore, WooCommerce) {
    let fake = orders.serve();
    let store = shop_with(&fake, Own { page, ..Own::default() });
    (fake, store)
}

#[tokio::test]
async fn first_everything_comes_then_only_what_changed() {
    let orders = Orders::default();
    (1..=25).for_each(|id| orders.set(id, id as i64));
    let (fake, store) = store(&orders, 10);
    let mut cursor = None;
    assert_eq!(read(&store, &mut cursor).await.0.into_iter().collect::<BTreeSet<_>>().len(), 25);
    assert_eq!(position(&cursor).watermark, Some(written(moment_of(25))));
    orders.set(3, 5000);
    orders.with(|inside| inside.now = Some(5000));
    // The first round after a start sweeps the open orders as well.
    read(&store, &mut cursor).await;
    let before = fake.asked().len();
    assert_eq!(sorted(read(&store, &mut cursor).await.0), [3], "what changed, within the overlap");
    assert_eq!(fake.asked().len(), before + 1, "an idle round is one request");
    assert_eq!(position(&cursor).watermark, Some(written(moment_of(5000))));
    let asked = fake.asked().pop().unwrap().path;
    assert!(asked.contains("dates_are_gmt=true") && !asked.contains("%2B") && !asked.contains("Z&"), "{asked}");
}

#[tokio::test]
async fn orders_that_leave_the_list_while_it_is_paged_let_none_slip_through() {
    for size in [2, 5, 10] {
        for burst in [1, 4, 12] {
            let orders = Orders::default();
            (1..=40).for_each(|id| orders.set(id, id as i64));
            let (_fake, store) = store(&orders, size);
            // The first list is the one that asks for the watermark. Behind us orders leave, so that the rest moves up.
            (2..4).for_each(|list| orders.then(list, Change::Lose(burst)));
            let mut cursor = None;
            let came: BTreeSet<u64> = read(&store, &mut cursor).await.0.into_iter().collect();
            let left: BTreeSet<u64> = orders.with(|inside| inside.orders.keys().copied().collect());
            assert!(left.is_subset(&came), "size {size}, burst {burst}: {:?} slipped through", &left - &came);
        }
    }
}

#[tokio::test]
async fn orders_that_leave_while_changes_are_paged_let_none_slip_through() {
    for burst in [-1, -4, -12] {
        let orders = Orders::default();
        orders.set(1, 1);
        let (_fake, store) = store(&orders, 4);
        let mut cursor = None;
        read(&store, &mut cursor).await;
        (2..=40).for_each(|id| orders.set(id, 10_000 + id as i64));
        let lists = orders.with(|inside| inside.lists);
        (1..3).for_each(|list| orders.then(lists + list, Change::Lose(burst)));
        let came: BTreeSet<u64> = read(&store, &mut cursor).await.0.into_iter().collect();
        let left: BTreeSet<u64> = orders.with(|inside| inside.orders.keys().copied().filter(|id| *id > 1).collect());
        assert!(left.is_subset(&came), "burst {burst}: {:?} slipped through", &left - &came);
    }
}

#[tokio::test]
async fn an_order_that_changes_while_we_page_is_met_in_the_next_round() {
    let orders = Orders::default();
    orders.set(1, 1);
    let (_fake, store) = store(&orders, 4);
    let mut cursor = None;
    read(&store, &mut cursor).await;
    (2..=30).for_each(|id| orders.set(id, 10_000));
    orders.with(|inside| inside.now = Some(10_005));
    // After the second page an order of the first page changes, and much later one that is still to come.
    let lists = orders.with(|inside| inside.lists);
    orders.then(lists + 2, Change::Set(30, 20_000));
    orders.then(lists + 3, Change::Set(2, 30_000));
    read(&store, &mut cursor).await;
    assert_eq!(position(&cursor).watermark, Some(written(moment_of(10_005))), "no later than the round began");
    assert!(read(&store, &mut cursor).await.0.contains(&30));
}

#[tokio::test]
async fn a_store_that_does_not_tell_how_many_there_are_is_read_to_the_end() {
    let orders = Orders::default();
    (1..=25).for_each(|id| orders.set(id, id as i64));
    orders.with(|inside| inside.tells_no_total = true);
    let (_fake, store) = store(&orders, 10);
    let mut cursor = None;
    assert_eq!(sorted(read(&store, &mut cursor).await.0), (1..=25).collect::<Vec<_>>());
    read(&store, &mut cursor).await;
}

#[tokio::test]
async fn trashed_and_deleted_orders_are_missed_by_the_sweep() {
    let orders = Orders::default();
    (1..=5).for_each(|id| orders.set(id, id as i64));
    let (_fake, store) = store(&orders, 50);
    let mut cursor = None;
    read(&store, &mut cursor).await;
    assert_eq!(position(&cursor).open, (1..=5).collect());
    orders.set_status(2, "trash");
    orders.remove(4);
    orders.set_status(5, "completed");
    let page = read(&store, &mut cursor).await;
    assert_eq!(page.1, [4], "gone for good");
    assert!(page.0.contains(&2), "in the trash");
    assert_eq!(position(&cursor).open, [1, 3].into());
}

#[tokio::test]
async fn a_missing_order_is_gone_only_by_the_stores_own_word() {
    for (status, body, gone) in [
        (404, r#"{"code":"woocommerce_rest_shop_order_invalid_id","message":"Invalid ID."}"#, true),
        (404, r#"{"code":"rest_no_route","message":"No route"}"#, false),
        (404, "<html>not found</html>", false),
        (403, r#"{"code":"woocommerce_rest_cannot_view","message":"no"}"#, false),
        (500, "", false),
    ] {
        let fake = FakeStore::with(move |asked| match asked.path.contains("/orders/7") {
            true => says(status, body),
            false => says(200, "[]"),
        });
        let store = shop_with(&fake, Own::default());
        let at =
            Position { step: Step::Sweep { after: 0 }, watermark: None, newest: None, begun: None, open: [7].into() };
        let page = store.feed(Some(&at.cursor())).await;
        assert_eq!(page.is_ok(), gone, "{status} {body}");
        if let Ok(page) = page {
            assert_eq!(page.elsewhere, [OrderId("7".into())]);
        }
    }
}

#[tokio::test]
async fn what_is_remembered_stays_bounded() {
    let orders = Orders::default();
    (1..=700).for_each(|id| orders.set(id, id as i64));
    let (_fake, store) = store(&orders, 100);
    let mut cursor = None;
    read(&store, &mut cursor).await;
    let open = position(&cursor).open;
    assert_eq!((open.len(), open.first()), (MOST_OPEN, Some(&201)), "the newest");
    assert!(cursor.unwrap().0.len() < 4_000);
}

#[tokio::test]
async fn many_missing_orders_are_looked_up_a_few_at_a_time() {
    let orders = Orders::default();
    (1..=35).for_each(|id| orders.set(id, id as i64));
    let (fake, store) = store(&orders, 100);
    let mut cursor = None;
    read(&store, &mut cursor).await;
    (1..=34).for_each(|id| orders.remove(id));
    let before = fake.asked().len();
    let (_, gone) = read(&store, &mut cursor).await;
    assert_eq!(gone, (1..=34).collect::<Vec<_>>());
    assert_eq!(position(&cursor).open, [35].into());
    assert!(fake.asked().len() - before <= 1 + 4 + 34 + 1, "a list and ten look-ups at a time");
}

#[tokio::test]
async fn a_store_that_knows_no_modified_after_is_refused() {
    let fake = FakeStore::with(|_| {
        let rows: Vec<String> = (1..=50u64).map(|id| order(id, id as i64, "processing")).collect();
        Answer::Says(200, vec![("X-WP-Total", "5000".into())], format!("[{}]", rows.join(",")))
    });
    let store = shop_with(&fake, Own::default());
    let watermark = Some(written(moment_of(1_000_000)));
    let at = Position { step: Step::Round, watermark, newest: None, begun: None, open: BTreeSet::new() };
    let why = store.feed(Some(&at.cursor())).await.unwrap_err();
    assert!(why.what.contains("WooCommerce 5.8 is the least"), "{}", why.what);
    assert_eq!(why.class, FailureClass::Permanent);
}

#[tokio::test]
async fn a_cursor_that_cannot_be_read_means_starting_over() {
    let orders = Orders::default();
    orders.set(1, 1);
    let (_fake, store) = store(&orders, 10);
    let mut cursor = Some(FeedCursor("{}".into()));
    assert_eq!(read(&store, &mut cursor).await.0, [1]);
}
