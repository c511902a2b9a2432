use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::central::testing::{Answer, FakeStore, says, settings, signed_in};
use crate::central::{STORE_API_CONTRACT, StoreApiSettings, StoreKind};
use crate::domain::OrderId;
use crate::domain::order::Standing;
use crate::ports::Stage;

// ---------------------------------------------------------------------------------------------------------- the schema

fn contract() -> Value {
    serde_json::from_str(STORE_API_CONTRACT).unwrap()
}

fn resolved<'a>(contract: &'a Value, schema: &'a Value) -> &'a Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(place) => contract.pointer(place.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("no {place}")),
        None => schema,
    }
}

/// What does not fit: as much of JSON Schema as the contract uses.
fn misfits(contract: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let schema = resolved(contract, schema);
    let kind = schema["type"].as_str().unwrap_or_else(|| panic!("{place}: a schema without a type"));
    let right = match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64(),
        other => panic!("{place}: {other}"),
    };
    if !right {
        return vec![format!("{place}: {value} is no {kind}")];
    }
    let mut found = Vec::new();
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        found.push(format!("{place}: {value} is none of {words:?}"));
    }
    if let Some(text) = value.as_str() {
        let decimal = |text: &str| text.parse::<rust_decimal::Decimal>().is_ok() && !text.contains(['e', '+']);
        if schema.get("pattern").is_some() && !decimal(text) {
            found.push(format!("{place}: {text} is no decimal"));
        }
        if schema["format"] == "date-time" && text.parse::<Timestamp>().is_err() {
            found.push(format!("{place}: {text} is no moment"));
        }
        if schema["minLength"] == 1 && text.is_empty() {
            found.push(format!("{place}: is empty"));
        }
    }
    for (n, one) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(misfits(contract, &schema["items"], one, &format!("{place}[{n}]")));
    }
    if let Some(members) = value.as_object() {
        found.extend(members_misfit(contract, schema, members, place));
    }
    found
}

fn members_misfit(
    contract: &Value,
    schema: &Value,
    members: &serde_json::Map<String, Value>,
    place: &str,
) -> Vec<String> {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut found: Vec<String> =
        required.filter(|name| !members.contains_key(*name)).map(|name| format!("{place}.{name} is missing")).collect();
    for (name, value) in members {
        match schema["properties"].get(name) {
            Some(schema) => found.extend(misfits(contract, schema, value, &format!("{place}.{name}"))),
            None => found.push(format!("{place}.{name} is not in the contract")),
        }
    }
    found
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
            let found = misfits(&contract, schema, &serde_json::from_str(body).unwrap(), "body");
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
    fn walk(contract: &Value, value: &Value, place: &str, seen: &mut usize) {
        if let (Some(schema), Some(example)) = (value.get("schema"), value.get("example")) {
            *seen += 1;
            let found = misfits(contract, schema, example, place);
            assert!(found.is_empty(), "{found:?}");
        }
        if let Some(place) = value.get("$ref") {
            resolved(contract, value);
            assert!(place.is_string());
        }
        match value {
            Value::Object(members) => {
                members.iter().for_each(|(name, it)| walk(contract, it, &format!("{place}/{name}"), seen))
            }
            Value::Array(list) => list.iter().for_each(|it| walk(contract, it, place, seen)),
            _ => {}
        }
    }
    let (contract, mut seen) = (contract(), 0);
    assert_eq!(contract["openapi"], "3.1.0");
    walk(&contract, &contract, "", &mut seen);
    assert_eq!(seen, 10);
}

#[test]
fn the_schema_check_finds_what_does_not_fit() {
    let contract = contract();
    let schema = json!({"$ref": "#/components/schemas/StockWanted"});
    let found = |value: Value| misfits(&contract, &schema, &value, "it");
    assert_eq!(found(json!({"sku": "A", "available": "1"})), [""; 0]);
    assert_eq!(found(json!({"sku": "", "available": 1, "x": 2})).len(), 3);
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
    let ack = &contract["paths"]["/v1/orders/{id}/ack"]["post"]["responses"];
    assert!(ack["409"].is_object());
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
        orders_included: vec![OrderId("a1".into())],
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

#[test]
fn every_request_fits_the_contract() {
    let store = FakeStore::in_turn([]);
    let shop = shop(&store);
    let stock = batch(&[("AB/12", 8, Some("17")), ("NEW", -1, None)]);
    for call in [
        shop.heartbeat(),
        shop.reading(None),
        shop.reading(Some("c 1&x")),
        shop.asking(&[sku("AB/12"), sku("GRÜN")]),
        shop.writing(&stock, &stock.items),
        StoreApi::acknowledging(&taken()),
    ] {
        request_fits(&call);
    }
    assert_eq!(StoreApi::acknowledging(&taken()).path, "/v1/orders/a%2F1/ack");
    assert_eq!(shop.asking(&[sku("AB/12")]).path, "/v1/stock?location=shop%201&sku=AB%2F12");
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

#[tokio::test]
async fn events_become_orders_as_they_are_now() {
    let store = FakeStore::in_turn([
        says(200, example("/v1/orders", "get")),
        says(200, r#"{"events":[],"next_cursor":"c-42","has_more":false}"#),
    ]);
    let shop = shop(&store);
    let page = shop.orders(None).await.unwrap();
    assert_eq!((page.orders.len(), page.unreadable.len(), page.more), (1, 0, false));
    let order = &page.orders[0];
    assert_eq!((order.number.as_str(), order.standing), ("W-1001", Standing::Waiting));
    assert!(order.is_void(), "the cancellation is the later event");
    assert_eq!(order.placed_at.to_string(), "2026-11-23T15:31:24Z");
    assert_eq!(order.total.to_string(), "42.90");
    shop.orders(Some(&page.next)).await.unwrap();
    assert!(store.asked()[1].path.ends_with("&cursor=c-42"));
}

#[tokio::test]
async fn a_gap_in_the_events_stops_the_feed_and_a_bad_order_does_not() {
    let mut events: Value = serde_json::from_str(&example("/v1/orders", "get")).unwrap();
    events["events"][1]["order"]["lines"][0]["ordered"] = json!(2.5);
    let bad = events.to_string();
    events["events"][1]["seq"] = 43.into();
    let (gap, mut later) = (events.to_string(), events.clone());
    later["events"] = json!([events["events"][0]]);
    later["events"][0]["seq"] = 44.into();
    let store = FakeStore::in_turn([says(200, bad), says(200, gap), says(200, later.to_string())]);
    let shop = shop(&store);
    let page = shop.orders(None).await.unwrap();
    assert_eq!((page.orders.len(), page.unreadable[0].0.as_str()), (1, "a1"));
    let error = shop.orders(None).await.unwrap_err();
    assert!(error.what.contains("event 43 follows event 41"), "{error}");
    let error = shop.orders(Some(&page.next)).await.unwrap_err();
    assert!(error.what.contains("event 44 follows event 42"), "{error}");
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
