use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use super::*;
use crate::central::magento::position::{self, AT_ONCE, Keys, PATIENCE};
use crate::central::testing::{Answer, Asked, FakeStore, recorded, says, settings, signed_in};
use crate::central::{MagentoSettings, StoreKind, StoreSettings, magento::explain};

/// A shop whose orders can be changed between the questions; it filters and sorts as Magento does.
#[derive(Clone, Default)]
struct Shop(Arc<Mutex<Books>>);

#[derive(Default)]
struct Books {
    /// The shop's clock.
    now: i64,
    orders: Vec<Row>,
    /// Shipments and credit memos: their keys, and those of their orders.
    documents: BTreeMap<&'static str, Vec<(u64, u64)>>,
}

#[derive(Clone)]
struct Row {
    id: u64,
    at: String,
    /// Shown as the status.
    version: u32,
    is_committed: bool,
}

fn time(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_800_000_000 + second).unwrap()
}

impl Shop {
    fn with<T>(&self, change: impl FnOnce(&mut Books) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    fn set(&self, id: u64, second: i64) {
        self.with(|books| {
            let known = books.orders.iter().find(|row| row.id == id).map_or(0, |row| row.version);
            books.orders.retain(|row| row.id != id);
            let at = time(second).strftime("%Y-%m-%d %H:%M:%S").to_string();
            books.orders.push(Row { id, at, version: known + 1, is_committed: true });
            books.now = books.now.max(second);
        });
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let query = Query::of(asked);
        let now = self.with(|books| books.now);
        let date = time(now).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let body = match asked.line().as_str() {
            "GET /rest/V1/orders" => self.orders(&query),
            "GET /rest/V1/shipments" => self.documents("shipments", &query),
            "GET /rest/V1/creditmemos" => self.documents("creditmemos", &query),
            other => panic!("{other}"),
        };
        Answer::Says(200, vec![("Date", date)], body)
    }

    fn orders(&self, query: &Query) -> String {
        let mut orders: Vec<Row> =
            self.with(|books| books.orders.iter().filter(|row| row.is_committed).cloned().collect());
        orders.retain(|row| query.fits(|filter| holds(row, filter)));
        orders.sort_by(|a, b| match query.sort.as_str() {
            "updated_at ASC entity_id ASC" => (&a.at, a.id).cmp(&(&b.at, b.id)),
            "updated_at DESC" => b.at.cmp(&a.at),
            _ => a.id.cmp(&b.id),
        });
        query.list(orders.iter().map(|row| {
            order(row.id, &row.at).replace("\"processing\",\"created", &format!("\"v{}\",\"created", row.version))
        }))
    }

    fn documents(&self, kind: &'static str, query: &Query) -> String {
        let mut found = self.with(|books| books.documents.entry(kind).or_default().clone());
        found.retain(|(id, _)| query.fits(|filter| key_holds(*id, filter)));
        found.sort_unstable();
        if query.sort == "entity_id DESC" {
            found.reverse();
        }
        query.list(found.into_iter().map(|(id, order)| format!("{{\"entity_id\":{id},\"order_id\":{order}}}")))
    }
}

fn order(id: u64, at: &str) -> String {
    format!(
        r#"{{"entity_id":{id},"increment_id":"W{id}","state":"processing","status":"processing","created_at":"{at}",
        "updated_at":"{at}","grand_total":1.10,"items":[{{"item_id":1,"sku":"A","qty_ordered":1,"price":1.1}}]}}"#
    )
}

#[derive(Default)]
struct Query {
    groups: Vec<Vec<[String; 3]>>,
    sort: String,
    page: usize,
}

impl Query {
    fn of(asked: &Asked) -> Self {
        let url = reqwest::Url::parse(&format!("http://h{}", asked.path)).unwrap();
        let mut query = Self::default();
        for (key, value) in url.query_pairs() {
            let parts: Vec<&str> = key.split(['[', ']']).filter(|part| !part.is_empty()).collect();
            match parts.as_slice() {
                ["searchCriteria", "filterGroups", group, "filters", filter, what] => {
                    let (group, filter): (usize, usize) = (group.parse().unwrap(), filter.parse().unwrap());
                    query.groups.resize(query.groups.len().max(group + 1), Vec::new());
                    let filters = &mut query.groups[group];
                    filters.resize(filters.len().max(filter + 1), Default::default());
                    let place = ["field", "conditionType", "value"].iter().position(|known| known == what).unwrap();
                    filters[filter][place] = value.into_owned();
                }
                ["searchCriteria", "sortOrders", ..] => query.sort = format!("{} {value}", query.sort).trim().into(),
                ["searchCriteria", "pageSize"] => query.page = value.parse().unwrap(),
                _ => {}
            }
        }
        query
    }

    fn fits(&self, holds: impl Fn(&[String; 3]) -> bool) -> bool {
        self.groups.iter().all(|group| group.iter().any(&holds))
    }

    /// A page of these; as observed, none is null under `fields`.
    fn list(&self, rows: impl Iterator<Item = String>) -> String {
        let all: Vec<String> = rows.collect();
        let page: Vec<&str> = all.iter().take(self.page).map(String::as_str).collect();
        let items = if page.is_empty() { "null".into() } else { format!("[{}]", page.join(",")) };
        format!("{{\"items\":{items},\"total_count\":{}}}", all.len())
    }
}

fn key_holds(id: u64, [field, condition, value]: &[String; 3]) -> bool {
    match (field.as_str(), condition.as_str()) {
        ("entity_id", "gt") => id > value.parse().unwrap(),
        ("entity_id", "in") => value.split(',').any(|one| one == id.to_string()),
        other => panic!("{other:?}"),
    }
}

fn holds(row: &Row, filter: &[String; 3]) -> bool {
    let [field, condition, value] = filter;
    let value = value.replace('T', " ");
    match (field.as_str(), condition.as_str()) {
        ("updated_at", "gteq") => row.at >= value,
        ("updated_at", "gt") => row.at > value,
        ("state", "in") => value.split(',').any(|state| state == "processing"),
        _ => key_holds(row.id, filter),
    }
}

fn of_this_shop() -> MagentoSettings {
    MagentoSettings { overlap: crate::units::Span::seconds(900), ..MagentoSettings::default() }
}

fn magento(store: &FakeStore, page: usize) -> Magento {
    let own = of_this_shop();
    let settings = StoreSettings { page, magento: Some(own), ..settings(StoreKind::Magento, store) };
    Magento::new(signed_in(&settings, explain).unwrap(), &settings)
}

fn open(shop: &Shop) -> FakeStore {
    let shop = shop.clone();
    FakeStore::with(move |asked| shop.answer(asked))
}

/// Reads until there is no more; the keys in the order in which they came.
async fn drain(magento: &Magento, cursor: &mut Option<FeedCursor>) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        let page = magento.feed(cursor.as_ref()).await.unwrap();
        assert_eq!(page.unreadable, []);
        seen.extend(page.orders.into_iter().map(|order| order.id.0));
        *cursor = Some(page.next);
        if !page.more {
            return seen;
        }
    }
}

#[tokio::test]
async fn a_change_that_is_dated_in_the_stores_future_does_not_hide_what_changes_until_then() {
    let shop = Shop::default();
    shop.set(1, 100);
    shop.set(2, 100_000);
    shop.with(|books| books.now = 200);
    let store = open(&shop);
    let (shop_front, mut cursor) = (magento(&store, 3), None);
    drain(&shop_front, &mut cursor).await;
    drain(&shop_front, &mut cursor).await;
    shop.set(1, 2_000);
    assert!(drain(&shop_front, &mut cursor).await.contains(&"1".to_owned()));
}

#[tokio::test]
async fn first_everything_comes_by_key_and_then_a_quiet_shop_costs_one_request_a_round() {
    let shop = Shop::default();
    (1..=7).for_each(|id| shop.set(id, 10_000 - i64::try_from(id).unwrap()));
    let store = open(&shop);
    let (shop_front, mut cursor) = (magento(&store, 3), None);
    assert_eq!(drain(&shop_front, &mut cursor).await, ["1", "2", "3", "4", "5", "6", "7"]);
    let first = ["orders", "shipments", "creditmemos", "orders", "orders", "orders", "shipments"];
    assert_eq!(store.lines(), first.map(|list| format!("GET /rest/V1/{list}")), "where all stands, then three pages");
    shop.set(8, 20_000);
    assert!(drain(&shop_front, &mut cursor).await.contains(&"8".to_owned()));
    let before = store.asked().len();
    assert_eq!(drain(&shop_front, &mut cursor).await, ["8"]);
    assert_eq!(store.asked().len(), before + 1);
}

/// At a round every five seconds: 780 requests an hour, of which 720 are the rounds themselves.
#[tokio::test]
async fn an_idle_feed_costs_one_more_request_in_twelve_rounds_and_its_position_stays_as_it_is() {
    let shop = Shop::default();
    (1..=3).for_each(|id| shop.set(id, 0));
    let store = open(&shop);
    let (shop_front, mut cursor) = (magento(&store, 50), None);
    drain(&shop_front, &mut cursor).await;
    drain(&shop_front, &mut cursor).await;
    let (before, position) = (store.asked().len(), cursor.clone());
    for _ in 0..240 {
        drain(&shop_front, &mut cursor).await;
    }
    let asked = &store.lines()[before..];
    let count = |list: &str| asked.iter().filter(|line| line.ends_with(list)).count();
    assert_eq!((count("/orders"), count("/shipments"), count("/creditmemos")), (240, 10, 10));
    assert_eq!(cursor, position, "nothing has to be written down");
}

#[tokio::test]
async fn an_order_that_changes_while_everything_is_read_is_met_again() {
    let shop = Shop::default();
    (1..=5).for_each(|id| shop.set(id, 0));
    let store = open(&shop);
    let (shop_front, mut cursor) = (magento(&store, 2), None);
    let page = shop_front.feed(None).await.unwrap();
    cursor.replace(page.next);
    shop.set(1, 5_000);
    shop.set(6, 90_000);
    drain(&shop_front, &mut cursor).await;
    assert!(drain(&shop_front, &mut cursor).await.contains(&"1".to_owned()));
}

#[tokio::test]
async fn many_orders_of_one_second_are_paged_without_loss_even_if_some_change_meanwhile() {
    let shop = Shop::default();
    (1..=20).for_each(|id| shop.set(id, 0));
    let store = open(&shop);
    let (shop_front, mut cursor) = (magento(&store, 50), None);
    drain(&shop_front, &mut cursor).await;
    (1..=20).for_each(|id| shop.set(id, 7_000));
    let slow = magento(&store, 3);
    let page = slow.feed(cursor.as_ref()).await.unwrap();
    assert_eq!(page.orders.len(), 3);
    cursor = Some(page.next);
    shop.set(2, 7_500);
    shop.set(10, 7_500);
    let rest = drain(&slow, &mut cursor).await;
    for id in (4..=20).chain([2]) {
        assert!(rest.contains(&id.to_string()), "{id} in {rest:?}");
    }
}

#[tokio::test]
async fn a_key_that_was_jumped_over_is_asked_for_by_name_for_an_hour() {
    let shop = Shop::default();
    shop.set(1, 0);
    shop.set(3, 0);
    let store = open(&shop);
    let (shop_front, mut cursor) = (magento(&store, 50), None);
    assert_eq!(drain(&shop_front, &mut cursor).await, ["1", "3"]);
    shop.set(4, 100_000);
    drain(&shop_front, &mut cursor).await;
    // It was committed late, with a time far behind the watermark.
    shop.set(2, 0);
    assert_eq!(drain(&shop_front, &mut cursor).await, ["4", "2"]);
    let before = store.asked().len();
    drain(&shop_front, &mut cursor).await;
    assert_eq!(store.asked().len(), before + 1, "nothing is missing any more");

    shop.set(6, 100_001);
    let asked = |store: &FakeStore| {
        let named = |asked: &&Asked| asked.path.contains("/orders?") && asked.path.contains("[conditionType]=in");
        store.asked().iter().filter(named).count()
    };
    let before = asked(&store);
    for _ in 0..AT_ONCE + PATIENCE * EVERY {
        drain(&shop_front, &mut cursor).await;
    }
    assert_eq!(asked(&store) - before, PATIENCE as usize, "a gap that stays is given up");
}

#[tokio::test]
async fn a_shop_without_orders_is_read_and_its_first_order_found() {
    let shop = Shop::default();
    let store = open(&shop);
    let (shop_front, mut cursor) = (magento(&store, 50), None);
    assert_eq!(drain(&shop_front, &mut cursor).await, [""; 0]);
    shop.set(1, 0);
    assert_eq!(drain(&shop_front, &mut cursor).await, ["1"]);
    shop.set(1, 50_000);
    assert_eq!(drain(&shop_front, &mut cursor).await, ["1"]);
}

fn round_at(watermark: &str) -> FeedCursor {
    let mut position = Position::beginning(Some(watermark.into()), &position::mark_of(&of_this_shop()));
    position.orders = Keys::behind(50);
    position.advance(&[], false);
    position.cursor()
}

/// A shop front that has read the lists of documents in this life already.
fn settled(store: &FakeStore, page: usize) -> Magento {
    let magento = magento(store, page);
    magento.documents.next_round();
    magento
}

#[tokio::test]
async fn recorded_pages_and_their_null_items_are_understood() {
    let store = FakeStore::in_turn([
        says(200, recorded!("orders-empty-fields.json")),
        says(200, recorded!("orders-page-past-end-fields.json")),
        says(200, format!("{{\"items\":[{}],\"total_count\":1}}", recorded!("order-mixed.json"))),
    ]);
    let magento = settled(&store, 20);
    let cursor = round_at("2026-11-23 16:31:24");
    let empty = magento.feed(Some(&cursor)).await.unwrap();
    assert_eq!((empty.orders.len(), empty.more), (0, false));
    let past = magento.feed(Some(&empty.next)).await.unwrap();
    assert_eq!((past.orders.len(), past.more), (0, false), "27 in all, but none here: there is no more");
    assert_eq!(past.next, empty.next);
    let page = magento.feed(Some(&cursor)).await.unwrap();
    assert_eq!(page.orders[0].number, "000000020");
    let asked = &store.asked()[2].path;
    assert!(asked.contains("[value]=2026-11-23T16%3A16%3A24"), "the overlap is fifteen minutes: {asked}");
    assert!(
        asked.starts_with("/rest/V1/orders?searchCriteria[filterGroups][0][filters][0][field]=updated_at&"),
        "{asked}"
    );
}

#[tokio::test]
async fn an_order_that_cannot_be_read_does_not_stop_the_page() {
    let bad = order(8, "2026-11-23 16:31:24").replace("\"sku\":\"A\",", "");
    let body = format!("{{\"items\":[{bad},{}],\"total_count\":2}}", order(9, "2026-11-23 16:31:25"));
    let store = FakeStore::in_turn([says(200, body)]);
    let page = settled(&store, 20).feed(Some(&round_at("2026-11-23 16:31:24"))).await.unwrap();
    assert_eq!(page.orders[0].number, "W9");
    assert_eq!((page.unreadable[0].0.as_str(), page.unreadable.len()), ("W8", 1));
}

#[tokio::test]
async fn a_store_that_repeats_a_page_is_found_out() {
    let page = format!("{{\"items\":[{}],\"total_count\":9}}", order(60, "2026-11-23 16:31:24"));
    let store = FakeStore::with(move |_| says(200, page.clone()));
    let magento = settled(&store, 1);
    let first = magento.feed(Some(&round_at("2026-11-23 16:31:24"))).await.unwrap();
    assert!(first.more);
    let error = magento.feed(Some(&first.next)).await.unwrap_err();
    assert!(error.what.contains("a page that it had sent before"), "{error}");
}

#[tokio::test]
async fn a_page_limit_of_the_shop_is_kept_to() {
    let limit = recorded!("err-400-page-size-over-limit.json").replace("300", "20");
    let empty = recorded!("orders-empty-fields.json");
    let store = FakeStore::in_turn([says(400, limit), says(200, empty), says(200, empty)]);
    let magento = settled(&store, 50);
    let cursor = round_at("2026-11-23 16:31:24");
    magento.feed(Some(&cursor)).await.unwrap();
    magento.feed(Some(&cursor)).await.unwrap();
    let sizes: Vec<usize> = store.asked().iter().map(|asked| Query::of(asked).page).collect();
    assert_eq!(sizes, [50, 20, 20]);
}

#[tokio::test]
async fn a_position_that_cannot_be_read_starts_over() {
    let shop = Shop::default();
    shop.set(1, 0);
    let store = open(&shop);
    let mut cursor = Some(FeedCursor("of another store".into()));
    assert_eq!(drain(&magento(&store, 50), &mut cursor).await, ["1"]);
}

#[tokio::test]
async fn an_order_that_only_its_shipment_or_credit_memo_tells_of_is_read_by_key() {
    let shop = Shop::default();
    (1..=3).for_each(|id| shop.set(id, 0));
    shop.with(|books| books.documents.insert("shipments", vec![(40, 3)]));
    let store = open(&shop);
    let (shop_front, mut cursor) = (magento(&store, 50), None);
    drain(&shop_front, &mut cursor).await;
    shop.set(4, 50_000);
    drain(&shop_front, &mut cursor).await;
    shop.with(|books| {
        // The key of one of the shipments is given before, and committed after the other's.
        books.documents.entry("shipments").or_default().push((42, 1));
        books.documents.entry("creditmemos").or_default().push((7, 2));
    });
    let mut seen = Vec::new();
    for _ in 0..2 * EVERY {
        seen.extend(drain(&shop_front, &mut cursor).await);
    }
    seen.retain(|id| id != "4");
    assert_eq!(seen, ["2", "1"], "each once");
    shop.with(|books| books.documents.entry("shipments").or_default().push((41, 2)));
    let mut seen = Vec::new();
    for _ in 0..2 * EVERY {
        seen.extend(drain(&shop_front, &mut cursor).await);
    }
    seen.retain(|id| id != "4");
    assert_eq!(seen, ["2"]);
}

#[tokio::test]
async fn a_token_without_the_right_to_read_shipments_or_credit_memos_does_not_stop_the_feed() {
    let shop = Shop::default();
    shop.set(1, 0);
    let inner = shop.clone();
    let store = FakeStore::with(move |asked| match asked.line().as_str() {
        "GET /rest/V1/orders" => inner.answer(asked),
        _ => says(401, recorded!("err-401-acl-comment.json")),
    });
    let (shop_front, mut cursor) = (magento(&store, 50), None);
    assert_eq!(drain(&shop_front, &mut cursor).await, ["1"]);
    let before = store.asked().len();
    for _ in 0..4 * EVERY {
        drain(&shop_front, &mut cursor).await;
    }
    assert_eq!(store.asked().len() - before, 4 * EVERY as usize, "it is not asked again and again");
    let shown = shop_front.shown(crate::central::magento::Keeping::BySource);
    assert!(shown.contains("shipments (right Magento_Sales::shipment)") && shown.contains("credit memos"), "{shown}");
}

#[tokio::test]
async fn a_store_that_fails_at_shipments_does_not_stop_the_feed_and_is_asked_again() {
    let shop = Shop::default();
    shop.set(1, 0);
    let inner = shop.clone();
    let mut failures = 2;
    let store = FakeStore::with(move |asked| {
        if asked.line().ends_with("/shipments") && failures > 0 {
            failures -= 1;
            return says(500, recorded!("err-500-database-down.txt"));
        }
        inner.answer(asked)
    });
    let (shop_front, mut cursor) = (magento(&store, 50), None);
    assert_eq!(drain(&shop_front, &mut cursor).await, ["1"]);
    for _ in 0..4 * EVERY {
        drain(&shop_front, &mut cursor).await;
    }
    shop.set(2, 90_000);
    drain(&shop_front, &mut cursor).await;
    shop.with(|books| books.documents.entry("shipments").or_default().push((1, 1)));
    let mut seen = Vec::new();
    for _ in 0..2 * EVERY {
        seen.extend(drain(&shop_front, &mut cursor).await);
    }
    assert!(seen.contains(&"1".to_owned()), "{seen:?}");
}

#[tokio::test]
async fn every_night_all_open_orders_are_read_again_one_page_a_round() {
    let shop = Shop::default();
    (1..=7).for_each(|id| shop.set(id, 0));
    shop.set(8, 40_000);
    let store = open(&shop);
    let (shop_front, mut cursor) = (magento(&store, 3), None);
    drain(&shop_front, &mut cursor).await;
    drain(&shop_front, &mut cursor).await;
    shop.with(|books| books.now = 86_400);
    let mut rounds = Vec::new();
    for _ in 0..6 {
        let mut seen = drain(&shop_front, &mut cursor).await;
        assert_eq!(seen.remove(0), "8", "the round itself goes on");
        rounds.push(seen.join(" "));
    }
    assert_eq!(rounds, ["1 2 3", "4 5 6", "7 8", "", "", ""]);
}

/// What a reader believes of each order.
type Believed = HashMap<u64, String>;

async fn read_a_page(magento: &Magento, cursor: &mut Option<FeedCursor>, believed: &mut Believed) -> bool {
    let page = magento.feed(cursor.as_ref()).await.unwrap();
    assert_eq!(page.unreadable, []);
    for order in page.orders {
        believed.insert(order.id.0.parse().unwrap(), order.store_status);
    }
    *cursor = Some(page.next);
    page.more
}

async fn rounds(magento: &Magento, cursor: &mut Option<FeedCursor>, believed: &mut Believed, number: u32) {
    let mut left = number;
    while left > 0 {
        left -= u32::from(!read_a_page(magento, cursor, believed).await);
    }
}

/// Random doings of a shop, between any two requests: orders of one second, keys that are committed late and behind higher
/// ones, shipments that leave `updated_at` as it was, and changes that nothing tells of.
#[tokio::test]
async fn the_feed_never_misses_an_order() {
    for seed in 0..10 {
        let (shop, mut rng) = (Shop::default(), fastrand::Rng::with_seed(seed));
        let store = open(&shop);
        let (magento, mut cursor, mut believed) = (magento(&store, 7), None, Believed::new());
        let (mut late, mut silent, mut keys, mut documents) = (Vec::new(), BTreeSet::new(), 0_u64, 0_u64);
        for _ in 0..150 {
            let now = shop.with(|books| {
                // Now and then longer than the overlap.
                books.now += if rng.u8(0..20) == 0 { 2_000 } else { rng.i64(0..3) * rng.i64(0..20) };
                books.now
            });
            let any = (keys > 0).then(|| rng.u64(1..=keys.max(1)));
            match (rng.u8(0..9), any) {
                (0..3, _) | (_, None) => {
                    keys += 1;
                    shop.set(keys, now);
                    if rng.u8(0..4) == 0 {
                        shop.with(|books| books.orders.iter_mut().for_each(|row| row.is_committed &= row.id != keys));
                        late.push(keys);
                    }
                }
                (3 | 4, Some(id)) => {
                    let is_committed =
                        shop.with(|books| books.orders.iter().any(|row| row.id == id && row.is_committed));
                    if is_committed {
                        shop.set(id, now);
                        silent.remove(&id);
                    }
                }
                (5, Some(id)) => {
                    let is_told = rng.bool();
                    shop.with(|books| {
                        let row = books.orders.iter_mut().find(|row| row.id == id && row.is_committed);
                        let Some(row) = row else { return };
                        row.version += 1;
                        if is_told {
                            documents += 1;
                            let kind = if rng.bool() { "shipments" } else { "creditmemos" };
                            books.documents.entry(kind).or_default().push((documents, id));
                        } else {
                            silent.insert(id);
                        }
                    });
                }
                (6, Some(_)) if !late.is_empty() => {
                    let id = late.swap_remove(rng.usize(0..late.len()));
                    shop.with(|books| books.orders.iter_mut().for_each(|row| row.is_committed |= row.id == id));
                }
                (_, Some(_)) => drop(read_a_page(&magento, &mut cursor, &mut believed).await),
            }
        }
        shop.with(|books| books.orders.iter_mut().for_each(|row| row.is_committed = true));
        rounds(&magento, &mut cursor, &mut believed, 2 * EVERY + 1).await;
        let really = |leaving_out: &BTreeSet<u64>| -> Believed {
            let all = shop.with(|books| books.orders.clone());
            let told = all.into_iter().filter(|row| !leaving_out.contains(&row.id));
            told.map(|row| (row.id, format!("v{}", row.version))).collect()
        };
        let told: Believed =
            believed.iter().filter(|(id, _)| !silent.contains(id)).map(|(id, v)| (*id, v.clone())).collect();
        assert_eq!(told, really(&silent), "seed {seed}");
        // What nothing tells of is found by the next night's sweep.
        shop.with(|books| books.now += 86_400);
        rounds(&magento, &mut cursor, &mut believed, 15).await;
        assert_eq!(believed, really(&BTreeSet::new()), "seed {seed}");
    }
}
