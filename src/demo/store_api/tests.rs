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
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, "Bearer secret".parse().unwrap());
    headers.insert("idempotency-key", key.parse().unwrap());
    let uri: Uri = path.parse().unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let got = answer(books, "secret", &Request::new(method, &uri, headers, body.as_bytes()));
    (got.status, serde_json::from_str(&got.body).unwrap())
}

fn place(books: &mut StoreBooks, sku: &str, units: i64) -> String {
    books.place(&[(sku.to_owned(), units.into())], true).unwrap()
}

fn put(books: &mut StoreBooks, at: Timestamp, available: i64, version: Option<&str>, included: &[&str]) -> Became {
    let wanted = Wanted { sku: "1001".into(), available: available.into(), if_version: version.map(str::to_owned) };
    books.put_stock(at, &[wanted], included.iter().map(|id| (*id).to_owned()).collect())[0].1
}

#[test]
fn an_order_placed_meanwhile_is_not_lost_by_a_quantity_that_does_not_know_it() {
    let clock = clock();
    let mut books = StoreBooks::seeded(Arc::new(clock.clone()));
    let known = place(&mut books, "1001", 2);
    assert_eq!(books.available("1001"), Some(8.into()));
    let meanwhile = place(&mut books, "1001", 1);
    assert_eq!(put(&mut books, clock.now(), 8, None, &[&known]), Became::Applied);
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
    assert_eq!(put(&mut books, clock.now(), 7, None, &[&known]), Became::Applied);
    books.cancel_some(&known, "1001", 1.into()).unwrap();
    assert_eq!(books.available("1001"), Some(8.into()));
    books.cancel(&known).unwrap();
    assert_eq!(books.available("1001"), Some(10.into()));
    // Told again after the cancellation, nothing is given back twice.
    assert_eq!(put(&mut books, clock.now(), 9, None, &[&known]), Became::Applied);
    assert_eq!(books.available("1001"), Some(9.into()));
}

#[test]
fn a_member_that_the_contract_does_not_know_is_refused() {
    let mut books = StoreBooks::seeded(Arc::new(clock()));
    let item = json!({"sku": "1001", "available": "4", "if_Version": "1"});
    let body = json!({"location": "shop1", "snapshot_id": "s", "as_of": "2026-11-23T16:00:00Z", "orders_included": [],
        "items": [item]});
    let (status, problem) = ask(&mut books, Method::PUT, "/v1/stock", "", &body);
    assert_eq!((status, &problem["code"]), (400, &json!("malformed")));
    assert!(problem["title"].as_str().unwrap().contains("if_Version"), "{problem}");
    assert_eq!(books.available("1001"), Some(10.into()));
}

#[test]
fn an_older_export_and_an_older_version_change_nothing() {
    let clock = clock();
    let mut books = StoreBooks::seeded(Arc::new(clock.clone()));
    let version = books.version("1001").unwrap();
    assert_eq!(put(&mut books, clock.now(), 5, Some(&version), &[]), Became::Applied);
    assert_eq!(put(&mut books, clock.now(), 6, Some(&version), &[]), Became::Conflict);
    assert_eq!(put(&mut books, clock.now() - SignedDuration::from_secs(1), 9, None, &[]), Became::Superseded);
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
        let path = format!("/v1/orders?location=shop1&limit=2&cursor={cursor}");
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
    let body = json!({"location": "shop1", "snapshot_id": "s", "as_of": "2026-11-23T16:00:00Z", "orders_included": [],
        "items": [{"sku": "1001", "available": "4"}, {"sku": "NO", "available": "1"}]});
    let (status, answer) = ask(&mut books, Method::PUT, "/v1/stock", "", &body);
    assert_eq!((status, &answer["results"][0]["available"]), (200, &json!("4")));
    assert_eq!(answer["results"][1]["result"], "unknown_sku");
    let (status, problem) = ask(&mut books, Method::GET, "/v1/stock?location=shop2&sku=1001", "", &Value::Null);
    assert_eq!((status, &problem["code"]), (404, &json!("unknown_location")));
    let here = json!({"agent": "a", "version": "1", "location": "shop1"});
    assert_eq!(ask(&mut books, Method::POST, "/v1/heartbeat", "", &here).1["limits"]["batch"], 500);
}
