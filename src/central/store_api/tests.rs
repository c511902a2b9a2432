use serde_json::{Value, json};

use super::*;
use crate::central::testing::{Answer, FakeStore, says, settings, signed_in};
use crate::central::{STORE_API_CONTRACT, StoreApiSettings, StoreKind};
use crate::domain::OrderId;
use crate::domain::order::Standing;
use crate::ports::Stage;

#[path = "../../../tests/contract/schema.rs"]
mod schema;

use self::schema::{Schemas, resolved};

// ---------------------------------------------------------------------------------------------------------- the schema

fn contract() -> Value {
    serde_json::from_str(STORE_API_CONTRACT).unwrap()
}

/// The contract's path and method for a request.
fn operation<'a>(contract: &'a Value, call: &Call) -> &'a Value {
    let path = call.path.split('?').next().unwrap();
    let path = if path.ends_with("/ack") { "/v1/orders/{id}/ack" } else { path };
    let operation = &contract["paths"][path][call.method.as_str().to_lowercase()];
    assert!(operation.is_object(), "{} {path} is not in the contract", call.method);
    operation
}

/// Every parameter that is required is sent, and none that the contract does not know.
fn parameters_fit(contract: &Value, call: &Call) {
    let url = reqwest::Url::parse(&format!("https://h{}", call.path)).unwrap();
    let sent: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    let parameters: Vec<&Value> = operation(contract, call)["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|parameter| resolved(contract, parameter))
        .collect();
    for parameter in &parameters {
        let name = parameter["name"].as_str().unwrap();
        let there = match parameter["in"].as_str().unwrap() {
            "query" => sent.iter().any(|known| known == name),
            "header" => call.idempotency_key.is_some(),
            _ => true,
        };
        assert!(there || parameter["required"] == false, "{name} is missing in {}", call.path);
    }
    for name in sent {
        assert!(parameters.iter().any(|parameter| parameter["name"] == *name), "{name} in {}", call.path);
    }
}

fn request_fits(call: &Call) {
    let contract = contract();
    parameters_fit(&contract, call);
    let schema = &operation(&contract, call)["requestBody"]["content"]["application/json"]["schema"];
    match &call.body {
        None => assert!(schema.is_null(), "{} needs a body", call.path),
        Some(body) => {
            let found = Schemas::of(&contract).misfits(schema, &serde_json::from_str(body).unwrap(), "body");
            assert!(found.is_empty(), "{} {}: {found:?}", call.method, call.path);
        }
    }
}

/// The example answer of an operation.
fn example(path: &str, method: &str) -> String {
    contract()["paths"][path][method]["responses"]["200"]["content"]["application/json"]["example"].to_string()
}

#[test]
fn every_example_in_the_contract_fits_its_schema() {
    fn walk(contract: &Value, schemas: &Schemas, value: &Value, place: &str, seen: &mut usize) {
        if let (Some(schema), Some(example)) = (value.get("schema"), value.get("example")) {
            *seen += 1;
            let found = schemas.misfits(schema, example, place);
            assert!(found.is_empty(), "{found:?}");
        }
        if value.get("$ref").is_some() {
            resolved(contract, value);
        }
        match value {
            Value::Object(members) => {
                members.iter().for_each(|(name, it)| walk(contract, schemas, it, &format!("{place}/{name}"), seen))
            }
            Value::Array(list) => list.iter().for_each(|it| walk(contract, schemas, it, place, seen)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let (contract, mut seen) = (contract(), 0);
    assert_eq!(contract["openapi"], "3.1.0");
    walk(&contract, &Schemas::of(&contract), &contract, "", &mut seen);
    assert_eq!(seen, 16);
}

#[test]
fn the_schema_check_finds_what_does_not_fit() {
    let schemas = Schemas::of(&contract());
    let found = |value: Value| schemas.misfits(&json!({"$ref": "#/components/schemas/StockWanted"}), &value, "it");
    assert_eq!(found(json!({"sku": "A", "available": "1"})), [""; 0]);
    assert_eq!(found(json!({"sku": "", "available": 1, "x": 2})).len(), 4);
    assert_eq!(found(json!({"available": "1e3"})).len(), 2);
}

#[test]
fn every_answer_names_its_errors_and_every_operation_its_token() {
    let contract = contract();
    assert!(contract["security"][0]["shopToken"].is_array());
    for (path, methods) in contract["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            for status in ["200", "400", "401", "403", "404", "429", "503"] {
                assert!(operation["responses"][status].is_object(), "{method} {path} {status}");
            }
        }
    }
    for (path, method) in [("/v1/orders/{id}/ack", "post"), ("/v1/stock", "put")] {
        assert!(contract["paths"][path][method]["responses"]["409"].is_object(), "{path}");
    }
}

// ---------------------------------------------------------------------------------------------------------- the client

fn shop(store: &FakeStore) -> StoreApi {
    let settings = StoreSettings {
        store_api: Some(StoreApiSettings { location: "shop 1".into() }),
        ..settings(StoreKind::StoreApi, store)
    };
    StoreApi::new(signed_in(&settings, explain).unwrap(), &settings)
}

fn sku(text: &str) -> Sku {
    Sku::new(text).unwrap()
}

fn batch(items: &[(&str, i64, Option<&str>)]) -> StockBatch {
    let item = |(name, units, version): &(&str, i64, Option<&str>)| StockItem {
        sku: sku(name),
        quantity: (*units).into(),
        if_version: version.map(|version| StockVersion(version.into())),
        expected: None,
    };
    StockBatch {
        items: items.iter().map(item).collect(),
        snapshot: "812".into(),
        as_of: "2026-11-23T16:30:00Z".parse().unwrap(),
        orders_read: Some(FeedCursor(r#"{"cursor":"c-43","seq":43,"not_understood":["a7"]}"#.into())),
    }
}

fn taken() -> Acknowledgement {
    Acknowledgement {
        order: OrderId("a/1".into()),
        number: "W-1".into(),
        stage: Stage::Consumed,
        reference: "web.csv".into(),
        at: "2026-11-23T16:35:00.5Z".parse().unwrap(),
        idempotency_key: "a/1:consumed".into(),
    }
}

fn pulse() -> Pulse {
    Pulse {
        feed: Some(FeedCursor(r#"{"cursor":"c-43","seq":43}"#.into())),
        snapshot: Some("812".into()),
        queue_depth: 3,
        clock: "2026-11-23T16:35:00.25Z".parse().unwrap(),
    }
}

#[test]
fn every_request_fits_the_contract() {
    let store = FakeStore::in_turn([]);
    let shop = shop(&store);
    let stock = batch(&[("AB/12", 8, Some("17")), ("NEW", -1, None)]);
    let unread = StockBatch { orders_read: None, ..batch(&[("AB/12", 8, None)]) };
    let stages = [Stage::Published, Stage::Consumed, Stage::Rejected, Stage::Failed];
    let told = stages.map(|stage| StoreApi::acknowledging(&Acknowledgement { stage, ..taken() }));
    let words = told.clone().map(|call| serde_json::from_str::<Value>(&call.body.unwrap()).unwrap()["stage"].clone());
    assert_eq!(words, ["received", "consumed", "rejected", "failed"]);
    let calls = [
        shop.beating(None),
        shop.beating(Some(&pulse())),
        shop.beating(Some(&Pulse { feed: None, snapshot: None, ..pulse() })),
        shop.reading(None),
        shop.reading(Some("c 1&x")),
        shop.asking(&[sku("AB/12"), sku("GRÜN")]),
        shop.writing(&stock, &stock.items),
        shop.writing(&unread, &unread.items),
    ];
    calls.iter().chain(&told).for_each(request_fits);
    assert_eq!(told[0].path, "/v1/orders/a%2F1/ack");
    assert_eq!(shop.asking(&[sku("AB/12")]).path, "/v1/stock?location=shop%201&sku=AB%2F12");
    let body = |call: Call| serde_json::from_str::<Value>(&call.body.unwrap()).unwrap();
    let said = body(shop.writing(&stock, &stock.items));
    assert_eq!((&said["orders_through"], &said["orders_not_counted"]), (&json!(43), &json!(["a7"])));
    assert_eq!(body(shop.writing(&unread, &unread.items))["orders_through"], 0);
    assert_eq!(body(shop.beating(Some(&pulse())))["last_cursor"], "c-43");
}

#[test]
fn a_key_that_no_header_can_hold_is_hashed_and_stays_the_same() {
    let of = |key: &str| {
        let told = Acknowledgement { idempotency_key: key.into(), ..taken() };
        StoreApi::acknowledging(&told).idempotency_key.unwrap()
    };
    assert_eq!(of("a/1:consumed"), "a/1:consumed");
    for odd in ["Ü1-consumed-1", "a 1-consumed-1", "a\n1", &"x".repeat(256)] {
        assert_eq!((of(odd).len(), of(odd) == of(odd)), (64, true), "{odd:?}");
        assert!(of(odd).bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
    assert_ne!(of("Ü1-consumed-1"), of("Ü1-consumed-2"));
}

#[tokio::test]
async fn a_store_that_wants_a_newer_agent_gets_no_stock_and_the_message_says_update() {
    let asks =
        |version: &str| says(200, format!(r#"{{"server_time":"2026-11-23T16:31:24Z","min_version":"{version}"}}"#));
    let store = FakeStore::in_turn([asks("999.0"), asks("0.0.9"), asks("soon"), asks("999")]);
    let shop = shop(&store);
    let refused = shop.probe().await.unwrap_err();
    assert_eq!(refused.class, FailureClass::Permanent);
    assert!(
        refused.what.contains("Tillbridge 999.0 or newer") && refused.what.contains("Update Tillbridge"),
        "{refused}"
    );
    shop.probe().await.unwrap();
    assert_eq!(shop.probe().await.unwrap_err().class, FailureClass::Bug);
    assert_eq!(shop.heartbeat(&pulse()).await.unwrap_err().class, FailureClass::Permanent);
}

#[test]
fn versions_are_compared_by_number() {
    let call = Call::get("asking", "/");
    for (own, wanted, enough) in [
        ("0.2.0", "0.10.0", false),
        ("0.10.0", "0.2", true),
        ("1.0.0-rc.1", "1", true),
        ("1.2.3", "1.2.3", true),
        ("1.2.3", "2", false),
    ] {
        assert_eq!(is_new_enough(&call, own, wanted).unwrap(), enough, "{own} {wanted}");
    }
    for odd in ["", "1.2.3.4", "1.x", "v1"] {
        assert!(is_new_enough(&call, "1.0.0", odd).is_err(), "{odd:?}");
    }
}

#[tokio::test]
async fn a_limit_that_the_store_lifts_again_is_used_again_up_to_the_configured_one() {
    let limits =
        |batch: usize| says(200, format!(r#"{{"server_time":"2026-11-23T16:31:24Z","limits":{{"batch":{batch}}}}}"#));
    let store = FakeStore::in_turn([limits(20), limits(60), limits(5000), limits(0)]);
    let shop = shop(&store);
    for batch in [20, 60, 100, 1] {
        shop.probe().await.unwrap();
        assert_eq!(shop.batch_size(), batch);
    }
}

#[tokio::test]
async fn the_heartbeat_tells_the_stores_time_and_limits() {
    let answer = r#"{"server_time":"2026-11-23T16:31:24Z","limits":{"batch":20,"page":10},"news":1}"#;
    let store = FakeStore::in_turn([says(200, answer)]);
    let shop = shop(&store);
    let facts = shop.probe().await.unwrap();
    assert_eq!(facts.model, StockModel::DeductAtPlacement);
    assert_eq!(facts.clock.unwrap().to_string(), "2026-11-23T16:31:24Z");
    assert_eq!(shop.batch_size(), 20);
    assert!(shop.reading(None).path.ends_with("&limit=10"));
}

/// What the next write says of the orders.
fn stated(shop: &StoreApi, page: &OrderPage) -> Value {
    let batch = StockBatch { orders_read: Some(page.next.clone()), ..batch(&[("A", 1, None)]) };
    let body: Value = serde_json::from_str(&shop.writing(&batch, &batch.items).body.unwrap()).unwrap();
    json!([body["orders_through"], body["orders_not_counted"]])
}

#[tokio::test]
async fn events_become_orders_as_they_are_now() {
    let store = FakeStore::in_turn([
        says(200, example("/v1/orders", "get")),
        says(200, r#"{"events":[],"next_cursor":"c-43","has_more":false}"#),
    ]);
    let shop = shop(&store);
    let page = shop.orders(None).await.unwrap();
    assert_eq!((page.orders.len(), page.unreadable.len(), page.more), (1, 0, false));
    let order = &page.orders[0];
    assert_eq!((order.number.as_str(), order.standing), ("W-1001", Standing::Waiting));
    assert!(order.is_void(), "the cancellation is the later event");
    assert_eq!(order.placed_at.to_string(), "2026-11-23T15:31:24Z");
    assert_eq!(order.total.to_string(), "42.90");
    assert_eq!(page.elsewhere, [OrderId("a0".into())]);
    let empty = shop.orders(Some(&page.next)).await.unwrap();
    assert!(store.asked()[1].path.ends_with("&cursor=c-43"));
    assert_eq!(stated(&shop, &empty), json!([43, null]));
}

/// The example's events, changed.
fn events(change: impl FnOnce(&mut Vec<Value>)) -> Answer {
    let mut page: Value = serde_json::from_str(&example("/v1/orders", "get")).unwrap();
    change(page["events"].as_array_mut().unwrap());
    says(200, page.to_string())
}

#[tokio::test]
async fn a_gap_in_the_events_stops_the_feed() {
    let store = FakeStore::in_turn([
        events(|events| events.truncate(1)),
        events(|events| events[1]["seq"] = 43.into()),
        events(|events| {
            events.truncate(1);
            events[0]["seq"] = 44.into();
        }),
    ]);
    let shop = shop(&store);
    let page = shop.orders(None).await.unwrap();
    let error = shop.orders(None).await.unwrap_err();
    assert!(error.what.contains("event 43 follows event 41"), "{error}");
    let error = shop.orders(Some(&page.next)).await.unwrap_err();
    assert!(error.what.contains("event 44 follows event 41"), "{error}");
}

#[tokio::test]
async fn an_order_that_cannot_be_understood_is_never_said_to_be_counted_in() {
    let next = |seq: u64, change: fn(&mut Value)| {
        events(move |events| {
            events.truncate(1);
            events[0]["seq"] = seq.into();
            change(&mut events[0]);
        })
    };
    let store = FakeStore::in_turn([
        events(|events| {
            events.truncate(2);
            events[1]["order"]["lines"][0]["ordered"] = json!(2.5);
        }),
        next(43, |event| event["order"]["id"] = "a2".into()),
        next(44, |event| drop(event.as_object_mut().unwrap().remove("order"))),
        next(45, |_| {}),
        next(46, |event| event["order_id"] = "a9".into()),
        next(47, |event| (event["order_id"], event["kind"]) = ("a9".into(), "moved_away".into())),
    ]);
    let shop = shop(&store);
    let mut page = shop.orders(None).await.unwrap();
    assert_eq!((page.orders.len(), page.unreadable[0].0.as_str()), (0, "a1"), "not even as it was before");
    for (seq, unreadable, not_counted) in [
        (43, 1, json!(["a1"])),
        (44, 1, json!(["a1"])),
        (45, 0, json!(null)),
        (46, 1, json!(["a9"])),
        (47, 0, json!(null)),
    ] {
        page = shop.orders(Some(&page.next)).await.unwrap();
        assert_eq!((page.unreadable.len(), stated(&shop, &page)), (unreadable, json!([seq, not_counted])), "{seq}");
    }
    assert_eq!(page.elsewhere, [OrderId("a9".into())]);
}

#[tokio::test]
async fn when_too_many_orders_cannot_be_understood_the_reading_stops() {
    let many = |most: u64| {
        let events: Vec<Value> =
            (1..=most).map(|seq| json!({"seq": seq, "order_id": format!("o{seq}"), "kind": "placed"})).collect();
        says(200, json!({"events": events, "next_cursor": "c", "has_more": false}).to_string())
    };
    let store = FakeStore::in_turn([many(500), many(501)]);
    let shop = shop(&store);
    assert_eq!(shop.orders(None).await.unwrap().unreadable.len(), 500);
    let error = shop.orders(None).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Bug);
    assert!(error.what.contains("more than 500 orders"), "{error}");
}

#[test]
fn a_place_in_the_feed_that_an_older_agent_noted_is_still_one() {
    let older = FeedCursor(r#"{"cursor":"c-9","seq":9}"#.into());
    let position = Position::of(Some(&older));
    assert_eq!((position.cursor.as_deref(), position.seq), (Some("c-9"), Some(9)));
    assert_eq!(
        Position::of(Some(&FeedCursor("2026-11-23 16:31:24/19".into()))),
        Position::default(),
        "another store's"
    );
}

#[tokio::test]
async fn holdings_come_with_their_versions() {
    let store = FakeStore::in_turn([says(200, example("/v1/stock", "get")), says(200, r#"{"items":[]}"#)]);
    let shop = shop(&store);
    let asked: Vec<Sku> = ["AB/12", "NEW-1", "SET-1", "NO-SUCH"].map(sku).into();
    let kinds: Vec<HoldingKind> = shop.holdings(&asked).await.unwrap().into_iter().map(|it| it.kind).collect();
    assert_eq!(
        kinds,
        [
            HoldingKind::Kept(Some(8.into()), Some(StockVersion("17".into()))),
            HoldingKind::Kept(None, None),
            HoldingKind::NotKept("a set: its parts are kept".into()),
            HoldingKind::Unknown
        ]
    );
    let error = shop.holdings(&asked).await.unwrap_err();
    assert_eq!((error.class, error.maybe_done), (FailureClass::Bug, false));
}

#[tokio::test]
async fn each_written_item_has_its_own_outcome() {
    let store = FakeStore::in_turn([says(200, example("/v1/stock", "put"))]);
    let names = ["AB/12", "NEW-1", "OLD-1", "SET-1", "BAD-1", "NO-SUCH"];
    let wanted = batch(&names.map(|name| (name, 9, None)));
    let outcomes: Vec<WriteOutcome> =
        shop(&store).write_stock(&wanted).await.unwrap().into_iter().map(|one| one.outcome).collect();
    assert_eq!(
        outcomes,
        [
            WriteOutcome::Stored(8.into()),
            WriteOutcome::Conflict,
            WriteOutcome::Conflict,
            WriteOutcome::Refused("a set: its parts are kept".into()),
            WriteOutcome::Refused("this item is sold in whole units".into()),
            WriteOutcome::Unknown
        ]
    );
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_split_as_the_store_says() {
    let problem = r#"{"title":"Too many","status":413,"code":"too_many_items","max":1}"#;
    let done = |name: &str| says(200, format!(r#"{{"results":[{{"sku":"{name}","result":"applied"}}]}}"#));
    let store = FakeStore::in_turn([says(413, problem), done("A"), done("B")]);
    let shop = shop(&store);
    let written = shop.write_stock(&batch(&[("A", 1, None), ("B", 2, None)])).await.unwrap();
    assert_eq!(written[1].outcome, WriteOutcome::Stored(2.into()));
    assert_eq!(shop.batch_size(), 1);
}

#[tokio::test]
async fn an_acknowledgement_carries_its_key_and_problems_are_told_with_their_code() {
    let again = r#"{"title":"Key reused","status":409,"code":"idempotency_key_reused"}"#;
    let gone = r#"{"title":"Unknown location","status":404,"code":"unknown_location","detail":"no \"shop 1\""}"#;
    let store = FakeStore::in_turn([
        says(200, example("/v1/orders/{id}/ack", "post")),
        says(409, again),
        Answer::Says(503, vec![("Retry-After", "30".into())], "{}".into()),
        says(404, gone),
    ]);
    let shop = shop(&store);
    shop.acknowledge(&taken()).await.unwrap();
    assert_eq!(store.asked()[0].header("idempotency-key"), Some("a/1:consumed"));
    let error = shop.acknowledge(&taken()).await.unwrap_err();
    assert_eq!((error.class, error.maybe_done), (FailureClass::Bug, false));
    assert!(error.what.contains("Key reused (idempotency_key_reused)"), "{error}");
    let error = shop.acknowledge(&taken()).await.unwrap_err();
    assert_eq!(error.retry_after, Some(jiff::SignedDuration::from_secs(30)));
    let error = shop.orders(None).await.unwrap_err();
    assert!(error.what.contains("`store_api.location`"), "{error}");
}

#[tokio::test]
async fn check_says_what_cannot_be_tried() {
    let store =
        FakeStore::in_turn([says(200, example("/v1/heartbeat", "post")), says(200, example("/v1/orders", "get"))]);
    let lines = shop(&store).check().await;
    assert!(lines.iter().all(|line| line.ok), "{lines:?}");
    assert!(lines[2].found.contains("cannot be tried"));
}
