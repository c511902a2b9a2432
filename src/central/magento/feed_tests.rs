use super::*;
use crate::central::testing::{Asked, FakeStore, recorded, says, settings, signed_in};
use crate::central::{MagentoSettings, StoreKind, StoreSettings, magento::explain};

/// A shop whose orders can be changed between the questions; it filters and sorts as Magento does.
#[derive(Clone, Default)]
struct Shop(std::sync::Arc<std::sync::Mutex<Vec<(u64, String)>>>);

impl Shop {
    fn set(&self, id: u64, second: i64) {
        let mut orders = self.0.lock().unwrap();
        orders.retain(|(known, _)| *known != id);
        orders.push((id, written(jiff::Timestamp::from_second(1_800_000_000 + second).unwrap())));
    }

    fn answer(&self, asked: &Asked) -> String {
        let query = Query::of(asked);
        let mut orders = self.0.lock().unwrap().clone();
        orders.retain(|order| query.groups.iter().all(|group| group.iter().any(|filter| holds(order, filter))));
        orders.sort_by(|a, b| match query.sort.as_str() {
            "updated_at ASC entity_id ASC" => (&a.1, a.0).cmp(&(&b.1, b.0)),
            "updated_at DESC" => b.1.cmp(&a.1),
            _ => a.0.cmp(&b.0),
        });
        let total = orders.len();
        let items: Vec<String> = orders.iter().take(query.page).map(|(id, at)| order(*id, at)).collect();
        let items = if items.is_empty() { "null".into() } else { format!("[{}]", items.join(",")) };
        format!("{{\"items\":{items},\"total_count\":{total}}}")
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
}

fn holds((id, at): &(u64, String), [field, condition, value]: &[String; 3]) -> bool {
    match (field.as_str(), condition.as_str()) {
        ("entity_id", "gt") => *id > value.parse().unwrap(),
        ("entity_id", "in") => value.split(',').any(|one| one == id.to_string()),
        ("updated_at", "gteq") => at >= value,
        ("updated_at", "gt") => at > value,
        other => panic!("{other:?}"),
    }
}

fn magento(store: &FakeStore, page: usize) -> Magento {
    let own = MagentoSettings { overlap: crate::units::Span::seconds(900), ..MagentoSettings::default() };
    let settings = StoreSettings { page, magento: Some(own), ..settings(StoreKind::Magento, store) };
    Magento::new(signed_in(&settings, explain).unwrap(), &settings)
}

fn open(shop: &Shop) -> FakeStore {
    let shop = shop.clone();
    FakeStore::with(move |asked| says(200, shop.answer(asked)))
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
async fn first_everything_comes_by_key_and_then_a_quiet_shop_costs_one_request_a_round() {
    let shop = Shop::default();
    (1..=7).for_each(|id| shop.set(id, 10_000 - i64::try_from(id).unwrap()));
    let store = open(&shop);
    let (shop_front, mut cursor) = (magento(&store, 3), None);
    assert_eq!(drain(&shop_front, &mut cursor).await, ["1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(store.asked().len(), 4, "one for the newest change and three pages");
    shop.set(8, 20_000);
    assert!(drain(&shop_front, &mut cursor).await.contains(&"8".to_owned()));
    let before = store.asked().len();
    assert_eq!(drain(&shop_front, &mut cursor).await, ["8"]);
    assert_eq!(store.asked().len(), before + 1);
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
    for _ in 0..PATIENCE {
        drain(&shop_front, &mut cursor).await;
    }
    let before = store.asked().len();
    drain(&shop_front, &mut cursor).await;
    assert_eq!(store.asked().len(), before + 1, "a gap that stays is given up");
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
    let position = Position {
        step: Step::Round,
        watermark: Some(watermark.into()),
        newest: None,
        high: 50,
        missing: BTreeMap::new(),
    };
    position.cursor()
}

#[tokio::test]
async fn recorded_pages_and_their_null_items_are_understood() {
    let store = FakeStore::in_turn([
        says(200, recorded!("orders-empty-fields.json")),
        says(200, recorded!("orders-page-past-end-fields.json")),
        says(200, format!("{{\"items\":[{}],\"total_count\":1}}", recorded!("order-mixed.json"))),
    ]);
    let magento = magento(&store, 20);
    let cursor = round_at("2026-11-23 16:31:24");
    let empty = magento.feed(Some(&cursor)).await.unwrap();
    assert_eq!((empty.orders.len(), empty.more, &empty.next), (0, false, &cursor));
    let past = magento.feed(Some(&cursor)).await.unwrap();
    assert_eq!((past.orders.len(), past.more), (0, false), "27 in all, but none here: there is no more");
    let page = magento.feed(Some(&cursor)).await.unwrap();
    assert_eq!(page.orders[0].number, "000000020");
    let asked = &store.asked()[2].path;
    assert!(asked.contains("[value]=2026-11-23%2016%3A16%3A24"), "the overlap is fifteen minutes: {asked}");
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
    let page = magento(&store, 20).feed(Some(&round_at("2026-11-23 16:31:24"))).await.unwrap();
    assert_eq!(page.orders[0].number, "W9");
    assert_eq!((page.unreadable[0].0.as_str(), page.unreadable.len()), ("W8", 1));
}

#[tokio::test]
async fn a_store_that_repeats_a_page_is_found_out() {
    let page = format!("{{\"items\":[{}],\"total_count\":9}}", order(60, "2026-11-23 16:31:24"));
    let store = FakeStore::with(move |_| says(200, page.clone()));
    let magento = magento(&store, 1);
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
    let magento = magento(&store, 50);
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
