use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::demo::clock::HandClock;

fn books() -> (ShopifyBooks, HandClock) {
    let clock = HandClock::at(Timestamp::from_second(1_800_000_000).unwrap());
    (ShopifyBooks::seeded(Arc::new(clock.clone())), clock)
}

fn ask(books: &mut ShopifyBooks, name: &str, variables: &Value) -> Value {
    let query = format!("mutation {name} @idempotent");
    books.answer(&json!({ "operationName": name, "query": query, "variables": variables }))
}

fn set(books: &mut ShopifyBooks, key: &str, from: Value, to: i64) -> Value {
    let item = books.item("1001").unwrap().id;
    let mut row = json!({
        "inventoryItemId": format!("gid://shopify/InventoryItem/{item}"), "locationId": format!("gid://shopify/Location/{SHOP}"),
        "quantity": to, "changeFromQuantity": from,
    });
    if from == "missing" {
        row.as_object_mut().unwrap().remove("changeFromQuantity");
    }
    let input = json!({ "name": "available", "reason": "correction", "quantities": [row] });
    ask(books, "TillbridgeSetQuantities", &json!({ "input": input, "key": key }))
}

fn code(answer: &Value) -> &Value {
    &answer["data"]["inventorySetQuantities"]["userErrors"][0]["code"]
}

#[test]
fn the_states_of_inventory_move_as_documented() {
    let (mut books, _) = books();
    let shelf = |books: &ShopifyBooks| {
        let shelf = books.shelf("1001", SHOP).unwrap();
        (shelf.available, shelf.committed, shelf.on_hand())
    };
    let id = books.place(&[("1001", 4, SHOP)], "PAID").unwrap();
    assert_eq!(shelf(&books), (6, 4, 10), "an order commits");
    books.take_off(id, "1001", 1, true).unwrap();
    assert_eq!(shelf(&books), (7, 3, 10));
    books.take_off(id, "1001", 1, false).unwrap();
    assert_eq!(shelf(&books), (7, 2, 9), "not restocked: it is gone");
    books.ship(id, SHOP).unwrap();
    assert_eq!(shelf(&books), (7, 0, 7), "a shipment takes from the shelf");
    books.refund(id, "1001", 1, Some(SHOP)).unwrap();
    assert_eq!(shelf(&books), (8, 0, 8));
    books.refund(id, "1001", 1, None).unwrap();
    assert_eq!(shelf(&books), (8, 0, 8));
    assert!(books.place(&[("1001", 9, SHOP)], "PAID").is_err());
    books.item("1001").unwrap().shelves.get_mut(&SHOP).unwrap().unavailable = 2;
    assert_eq!(shelf(&books), (8, 0, 10));
}

#[test]
fn a_write_compares_and_is_carried_out_once_per_key() {
    let (mut books, _) = books();
    assert_eq!(code(&set(&mut books, "a", json!(9), 3)), "CHANGE_FROM_QUANTITY_STALE");
    let done = set(&mut books, "b", json!(10), 3);
    assert_eq!((code(&done), books.available("1001")), (&Value::Null, 3.into()));
    books.set_available("1001", SHOP, 10);
    assert_eq!(set(&mut books, "b", json!(10), 3)["data"], done["data"], "the same answer");
    assert_eq!((books.available("1001"), books.writes()), (10.into(), 1), "and nothing done");
    assert_eq!(code(&set(&mut books, "b", json!(10), 4)), "IDEMPOTENCY_KEY_PARAMETER_MISMATCH");
    assert_eq!(code(&set(&mut books, "c", Value::Null, 4)), &Value::Null, "null opts out of comparing");
    let error = set(&mut books, "d", json!("missing"), 4);
    assert_eq!(error["errors"][0]["extensions"]["code"], "INVALID_FIELD_ARGUMENTS");
    let error = set(&mut books, "", json!(4), 4);
    assert_eq!(error["errors"][0]["extensions"]["code"], "BAD_REQUEST");
}

#[test]
fn points_are_refused_spent_and_come_back() {
    let (mut books, clock) = books();
    let read = json!({ "first": 50, "query": "", "lines": 25, "parts": 5, "deeds": 10 });
    books.spend_all_points(100.0);
    let refused = ask(&mut books, "TillbridgeOrders", &read);
    assert_eq!(refused["errors"][0]["extensions"]["code"], "THROTTLED");
    assert_eq!(refused["extensions"]["cost"]["requestedQueryCost"], 352.0);
    clock.advance(jiff::SignedDuration::from_secs(4));
    let answer = ask(&mut books, "TillbridgeOrders", &read);
    assert_eq!(
        answer["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"], 398.0,
        "what was not there is given back"
    );
    books.bucket.most_of_one = 100.0;
    assert_eq!(ask(&mut books, "TillbridgeOrders", &read)["errors"][0]["extensions"]["code"], "MAX_COST_EXCEEDED");
    assert_eq!(ask(&mut books, "Other", &json!({}))["errors"][0]["extensions"]["code"], "undefinedOperation");
}
