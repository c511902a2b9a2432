use axum::http::{HeaderMap, Method, Uri, header};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::rest::answer;
use super::*;
use crate::demo::clock::HandClock;
use crate::demo::http::Request;

fn clock() -> HandClock {
    HandClock::at("2026-11-23T16:00:00Z".parse().unwrap())
}

fn ask(books: &mut StoreBooks, method: Method, path: &str, key: &str, body: &Value) -> (u16, Value) {
    books.take_token("secret");
    ask_with(books, method, path, key, body, "secret")
}

fn ask_with(books: &mut StoreBooks, method: Method, path: &str, key: &str, body: &Value, token: &str) -> (u16, Value) {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    headers.insert("idempotency-key", key.parse().unwrap());
    headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    let uri: Uri = path.parse().unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let got = answer(books, &Request::new(method, &uri, headers, body.as_bytes())).answer;
    (got.status, serde_json::from_str(&got.body).unwrap())
}

fn place(books: &mut StoreBooks, sku: &str, units: i64) -> String {
    books.place(&[(sku.to_owned(), units.into())], true).unwrap()
}

/// Tells a quantity in which all events until now are counted.
fn put(books: &mut StoreBooks, at: Timestamp, available: i64, version: Option<&str>) -> Became {
    let counted = Counted { through: books.newest(), but: BTreeSet::new() };
    tell(books, at, available, version, &counted)
}

fn tell(books: &mut StoreBooks, at: Timestamp, available: i64, version: Option<&str>, counted: &Counted) -> Became {
    let wanted = Wanted { sku: "1001".into(), available: available.into(), if_version: version.map(str::to_owned) };
    books.put_stock(at, &[wanted], counted).unwrap()[0].1
}

fn through(event: u64) -> Counted {
    Counted { through: event, but: BTreeSet::new() }
}

#[test]
fn an_order_placed_meanwhile_is_not_lost_by_a_quantity_that_does_not_know_it() {
    let clock = clock();
    let mut books = StoreBooks::seeded(Arc::new(clock.clone()));
    place(&mut books, "1001", 2);
    assert_eq!(books.available("1001"), Some(8.into()));
    let meanwhile = place(&mut books, "1001", 1);
    assert_eq!(tell(&mut books, clock.now(), 8, None, &through(1)), Became::Applied);
    assert_eq!(books.available("1001"), Some(7.into()), "{meanwhile} is subtracted");
    books.cancel(&meanwhile).unwrap();
    assert_eq!(books.available("1001"), Some(8.into()));
    assert!(books.place(&[("1001".into(), 9.into())], true).is_err());
    assert_eq!(books.turned_away().len(), 1);
}

#[test]
fn an_order_counted_in_gives_its_units_back_when_it_is_cancelled() {
    let clock = clock();
    let mut books = StoreBooks::seeded(Arc::new(clock.clone()));
    let known = place(&mut books, "1001", 3);
    assert_eq!(put(&mut books, clock.now(), 7, None), Became::Applied);
    books.cancel_some(&known, "1001", 1.into()).unwrap();
    assert_eq!(books.available("1001"), Some(8.into()));
    books.cancel(&known).unwrap();
    assert_eq!(books.available("1001"), Some(10.into()));
    // Told again after the cancellation, nothing is given back twice.
    assert_eq!(put(&mut books, clock.now(), 9, None), Became::Applied);
    assert_eq!(books.available("1001"), Some(9.into()));
}

#[test]
fn an_order_that_changed_between_reading_and_telling_is_counted_as_it_was_read() {
    let clock = clock();
    let mut books = StoreBooks::seeded(Arc::new(clock.clone()));
    let (grown, cancelled) = (place(&mut books, "1001", 1), place(&mut books, "1001", 2));
    let read = through(books.newest());
    books.edit(&grown, "1001", 4.into()).unwrap();
    books.cancel(&cancelled).unwrap();
    assert_eq!(tell(&mut books, clock.now(), 7, None, &read), Became::Applied);
    assert_eq!(books.available("1001"), Some(6.into()), "10 less the 4 of the grown one");
}

#[test]
fn an_order_that_could_not_be_understood_keeps_its_units_back_until_it_is_shipped() {
    let clock = clock();
    let mut books = StoreBooks::seeded(Arc::new(clock.clone()));
    let odd = place(&mut books, "1001", 3);
    let counted = Counted { through: 1, but: [odd.clone()].into() };
    assert_eq!(tell(&mut books, clock.now(), 10, None, &counted), Became::Applied);
    assert_eq!(books.available("1001"), Some(7.into()));
    books.ship(&odd).unwrap();
    assert_eq!(books.available("1001"), Some(10.into()), "what was handed over is booked by hand");
    books.ship(&odd).unwrap();
    assert_eq!(books.available("1001"), Some(10.into()), "a later event of it moves nothing");
}

#[test]
fn an_order_moved_to_another_shop_takes_nothing_here_and_is_heard_of_once() {
    let clock = clock();
    let mut books = StoreBooks::seeded(Arc::new(clock.clone()));
    let id = place(&mut books, "1001", 4);
    assert_eq!(put(&mut books, clock.now(), 6, None), Became::Applied);
    books.move_away(&id).unwrap();
    books.ship(&id).unwrap();
    assert_eq!((books.available("1001"), books.newest()), (Some(10.into()), 2));
    let (_, page) = ask(&mut books, Method::GET, "/v1/orders?location=shop1&cursor=c-1", "k", &Value::Null);
    assert_eq!((&page["events"][0]["kind"], &page["events"][0]["order"]), (&json!("moved_away"), &Value::Null));
    books.move_here(&id).unwrap();
    assert_eq!(books.available("1001"), Some(6.into()));
}

#[test]
fn more_events_than_there_were_cannot_be_counted_in() {
    let mut books = StoreBooks::seeded(Arc::new(clock()));
    let body = json!({"location": "shop1", "snapshot_id": "s", "as_of": "2026-11-23T16:00:00Z", "orders_through": 1,
        "items": [{"sku": "1001", "available": "4"}]});
    let (status, problem) = ask(&mut books, Method::PUT, "/v1/stock", "", &body);
    assert_eq!((status, &problem["code"]), (409, &json!("events_ahead")));
    assert_eq!(books.available("1001"), Some(10.into()));
}

#[test]
fn two_tokens_are_good_at_a_time_and_one_that_is_withdrawn_is_not() {
    let mut books = StoreBooks::seeded(Arc::new(clock()));
    let asked = |books: &mut StoreBooks, token: &str| {
        ask_with(books, Method::GET, "/v1/stock?location=shop1&sku=1001", "", &Value::Null, token).0
    };
    books.take_token("old");
    assert_eq!((asked(&mut books, "old"), asked(&mut books, "new")), (200, 401));
    books.take_token("new");
    assert_eq!((asked(&mut books, "old"), asked(&mut books, "new")), (200, 200));
    books.withdraw_token("old");
    assert_eq!((asked(&mut books, "old"), asked(&mut books, "new")), (401, 200));
}

#[test]
fn a_member_that_the_contract_does_not_know_is_refused() {
    let mut books = StoreBooks::seeded(Arc::new(clock()));
    let item = json!({"sku": "1001", "available": "4", "if_Version": "1"});
    let body = json!({"location": "shop1", "snapshot_id": "s", "as_of": "2026-11-23T16:00:00Z", "orders_through": 0,
        "items": [item]});
    let (status, problem) = ask(&mut books, Method::PUT, "/v1/stock", "", &body);
    assert_eq!((status, &problem["code"]), (400, &json!("malformed")));
    assert!(problem["detail"].as_str().unwrap().contains("if_Version"), "{problem}");
    assert_eq!(books.available("1001"), Some(10.into()));
}

#[test]
fn an_older_export_and_an_older_version_change_nothing() {
    let clock = clock();
    let mut books = StoreBooks::seeded(Arc::new(clock.clone()));
    let version = books.version("1001").unwrap();
    assert_eq!(put(&mut books, clock.now(), 5, Some(&version)), Became::Applied);
    assert_eq!(put(&mut books, clock.now(), 6, Some(&version)), Became::Conflict);
    assert_eq!(put(&mut books, clock.now() - SignedDuration::from_secs(1), 9, None), Became::Superseded);
    assert_eq!(books.available("1001"), Some(5.into()));
    let version = books.version("1001").unwrap();
    place(&mut books, "1001", 1);
    assert_ne!(books.version("1001").unwrap(), version, "a sale moves the version");
}

#[test]
fn the_feed_has_no_gaps_and_reading_consumes_nothing() {
    let mut books = StoreBooks::seeded(Arc::new(clock()));
    let id = place(&mut books, "1001", 1);
    place(&mut books, "GIFT-10", 1);
    books.ship(&id).unwrap();
    let page = |books: &mut StoreBooks, cursor: &str| {
        let after = if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") };
        let path = format!("/v1/orders?location=shop1&limit=2{after}");
        ask(books, Method::GET, &path, "k", &Value::Null).1
    };
    let first = page(&mut books, "");
    assert_eq!((first["events"].as_array().unwrap().len(), &first["has_more"]), (2, &json!(true)));
    let second = page(&mut books, first["next_cursor"].as_str().unwrap());
    assert_eq!((&second["events"][0]["kind"], &second["has_more"]), (&json!("shipped"), &json!(false)));
    assert_eq!(page(&mut books, "")["events"][0]["seq"], 1);
    let order = &first["events"][0]["order"];
    assert_eq!((&order["standing"], &order["lines"][0]["ordered"]), (&json!("ready"), &json!("1")));
    assert_eq!((&order["lines"][0]["price"], &order["total"]), (&json!("34.50"), &json!("47.01")));
    assert_eq!(first["events"][1]["order"]["lines"][0]["takes_stock"], json!(false));
}

#[test]
fn the_same_key_is_carried_out_once_and_another_body_is_refused() {
    let mut books = StoreBooks::seeded(Arc::new(clock()));
    let id = place(&mut books, "1001", 1);
    let path = format!("/v1/orders/{id}/ack");
    let said = json!({"stage": "consumed", "version": "1", "epos_ref": "a.csv", "at": "2026-11-23T16:00:00Z"});
    for _ in 0..2 {
        assert_eq!(ask(&mut books, Method::POST, &path, "k1", &said).0, 200);
    }
    assert_eq!(books.acks().len(), 1);
    let other = json!({"stage": "rejected", "at": "2026-11-23T16:00:00Z"});
    let (status, problem) = ask(&mut books, Method::POST, &path, "k1", &other);
    assert_eq!((status, &problem["code"]), (409, &json!("idempotency_key_reused")));
    let (status, problem) = ask(&mut books, Method::POST, "/v1/orders/none/ack", "k2", &said);
    assert_eq!((status, &problem["code"]), (404, &json!("unknown_order")));
}

#[test]
fn a_key_is_remembered_for_a_week() {
    let clock = clock();
    let mut books = StoreBooks::seeded(Arc::new(clock.clone()));
    let id = place(&mut books, "1001", 1);
    let said = json!({"stage": "failed", "at": "2026-11-23T16:00:00Z"});
    for (hours, times) in [(0, 1), (7 * 24, 1), (1, 2)] {
        clock.advance(SignedDuration::from_hours(hours));
        assert_eq!(ask(&mut books, Method::POST, &format!("/v1/orders/{id}/ack"), "k", &said).0, 200);
        assert_eq!(books.acks().len(), times, "after {hours} h more");
    }
}

#[test]
fn stock_is_answered_item_by_item() {
    let mut books = StoreBooks::seeded(Arc::new(clock()));
    let (_, held) = ask(
        &mut books,
        Method::GET,
        "/v1/stock?location=shop1&sku=1001&sku=NO&sku=GIFT-10&sku=A%2FB-7",
        "",
        &Value::Null,
    );
    let states: Vec<_> = held["items"].as_array().unwrap().iter().map(|item| item["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["kept", "unknown_sku", "not_managed", "kept"]);
    assert_eq!(held["items"][0]["available"], "10");
    let body = json!({"location": "shop1", "snapshot_id": "s", "as_of": "2026-11-23T16:00:00Z", "orders_through": 0,
        "items": [{"sku": "1001", "available": "4"}, {"sku": "NO", "available": "1"}]});
    let (status, answer) = ask(&mut books, Method::PUT, "/v1/stock", "", &body);
    assert_eq!((status, &answer["results"][0]["available"]), (200, &json!("4")));
    assert_eq!(answer["results"][1]["result"], "unknown_sku");
    let (status, problem) = ask(&mut books, Method::GET, "/v1/stock?location=shop2&sku=1001", "", &Value::Null);
    assert_eq!((status, &problem["code"]), (404, &json!("unknown_location")));
    let here = json!({"agent": "a", "version": "1", "location": "shop1"});
    assert_eq!(ask(&mut books, Method::POST, "/v1/heartbeat", "", &here).1["limits"]["batch"], 500);
}
