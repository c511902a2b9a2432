//! The simulated Magento against the recorded answers of a real one (`tests/fixtures/magento`): what the client reads
//! has to be there in both, of the same JSON type, or missing in both.
//!
//! The keys are those of the `fields=` that the client sends, so a key that it asks for tomorrow is compared as well.

#![allow(clippy::disallowed_methods, reason = "a test may read its fixtures")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

mod contract;
mod shop;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use contract::{Exchange, Recorder};
use serde_json::{Map, Value, json};
use shop::TestShop;
use tillbridge::demo::faults::{Count, Fault};
use tillbridge::demo::magento::Mode;

/// Keys, each with the types of what stands there.
type Shape = BTreeMap<String, BTreeSet<&'static str>>;

fn recorded(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/magento").join(name);
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{name}: {why}"))).unwrap()
}

fn shape(values: &[Value]) -> Shape {
    fn walk(value: &Value, place: &str, shape: &mut Shape) {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "text",
            Value::Array(_) => "list",
            Value::Object(_) => "object",
        };
        shape.entry(place.to_owned()).or_default().insert(kind);
        match value {
            Value::Array(list) => list.iter().for_each(|one| walk(one, &format!("{place}[]"), shape)),
            Value::Object(members) => members.iter().for_each(|(name, it)| walk(it, &format!("{place}.{name}"), shape)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = Shape::new();
    values.iter().for_each(|value| walk(value, "", &mut found));
    found
}

/// What Magento leaves of an answer under `fields=a,b[c,d]`. As observed, an empty list becomes null; and an object of
/// which nothing is left becomes an empty list, as PHP writes it.
fn projected(value: &Value, fields: &str) -> Value {
    match value {
        Value::Array(list) if list.is_empty() => Value::Null,
        Value::Array(list) => list.iter().map(|one| projected(one, fields)).collect(),
        Value::Object(members) => {
            let mut kept = Map::new();
            for (name, inside) in parts(fields) {
                if let Some(member) = members.get(name) {
                    kept.insert(name.to_owned(), inside.map_or(member.clone(), |inside| projected(member, inside)));
                }
            }
            if kept.is_empty() { json!([]) } else { Value::Object(kept) }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// `a,b[c,d]` as `a` and `b` with `c,d`.
fn parts(fields: &str) -> Vec<(&str, Option<&str>)> {
    let (mut found, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, letter) in fields.char_indices().chain([(fields.len(), ',')]) {
        match letter {
            '[' => depth += 1,
            ']' => depth -= 1,
            ',' if depth == 0 => {
                let part = &fields[start..at];
                found.push(part.split_once('[').map_or((part, None), |(name, rest)| (name, rest.strip_suffix(']'))));
                start = at + 1;
            }
            _ => {}
        }
    }
    found
}

fn fields(one: &Exchange) -> &str {
    &one.query.iter().find(|(name, _)| name == "fields").expect("every list is asked for with fields=").1
}

fn same_shape(simulated: &[Value], recorded: &[Value], what: &str) {
    let (simulated, recorded) = (shape(simulated), shape(recorded));
    let places: BTreeSet<&String> = simulated.keys().chain(recorded.keys()).collect();
    let differing: Vec<String> = places
        .into_iter()
        .filter(|place| simulated.get(*place) != recorded.get(*place))
        .map(|place| format!("{place}: simulated {:?}, recorded {:?}", simulated.get(place), recorded.get(place)))
        .collect();
    assert!(differing.is_empty(), "{what}:\n{}", differing.join("\n"));
}

async fn in_business(mode: Mode, recorder: &Recorder) -> TestShop {
    let mut shop = TestShop::open_behind(mode, |router| recorder.in_front_of(router)).await;
    shop.till.sell("1002", 1.into());
    shop.go_into_business().await;
    shop
}

/// The last answer of a route, and the fields that were asked for.
fn last(recorder: &Recorder, method: &str, path: &str) -> Exchange {
    recorder.of(method, path).pop().unwrap_or_else(|| panic!("{method} {path} was not asked"))
}

fn list_of(rows: Value) -> Value {
    json!({"items": rows, "total_count": 1})
}

#[tokio::test(flavor = "multi_thread")]
async fn simulated_orders_have_the_keys_of_recorded_ones_kind_by_kind() {
    for (what, fixtures) in [
        ("one", ["order-commented.json", "order-part-shipped.json"].as_slice()),
        ("configurable", ["order-configurable.json"].as_slice()),
        ("virtual", ["order-virtual.json"].as_slice()),
        ("cancelled", ["order-cancelled.json"].as_slice()),
        ("held", ["order-held.json"].as_slice()),
    ] {
        let recorder = Recorder::default();
        let shop = in_business(Mode::Msi, &recorder).await;
        let sku = match what {
            "configurable" => "TEE-RED",
            "virtual" => "GIFT-10",
            _ => "1001",
        };
        let order = shop.place(sku, 2);
        if what == "cancelled" {
            shop.cancel(&order);
        }
        if what == "held" {
            assert!(shop.magento.with(|books| books.hold(order.entity_id)).unwrap());
        }
        shop.pull().await;
        let all = recorder.of("GET", "/V1/orders");
        let read = all.iter().rev().find(|one| one.answer["items"][0].is_object()).expect("the order was read");
        assert_eq!((shop.conditions(), shop.states().len()), (Vec::<String>::new(), 1), "{what}: it can be read");
        let recorded: Vec<Value> =
            fixtures.iter().map(|name| projected(&list_of(json!([recorded(name)])), fields(read))).collect();
        same_shape(std::slice::from_ref(&read.answer), &recorded, what);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn simulated_stock_has_the_keys_of_recorded_stock() {
    let recorder = Recorder::default();
    let _shop = in_business(Mode::Msi, &recorder).await;
    for (method, path, fixture) in [
        ("GET", "/V1/inventory/source-items", "source-items-by-sku-and-source.json"),
        ("GET", "/V1/products", "products-by-skus.json"),
        ("GET", "/V1/inventory/stocks", "stocks.json"),
    ] {
        let read = last(&recorder, method, path);
        assert_eq!(read.status, 200, "{path}");
        let recorded = projected(&recorded(fixture), fields(&read));
        same_shape(std::slice::from_ref(&read.answer), &[recorded], path);
    }
    let wrote = last(&recorder, "POST", "/V1/inventory/source-items");
    same_shape(&[wrote.answer], &[recorded("source-items-post.json")], "writing source items");
}

#[tokio::test(flavor = "multi_thread")]
async fn simulated_stock_without_sources_has_the_keys_of_recorded_stock() {
    let recorder = Recorder::default();
    let _shop = in_business(Mode::Legacy, &recorder).await;
    let read = last(&recorder, "GET", "/stockItems/1002");
    // The recorded product was never counted: null stands where a counted one has a number (legacy-stock-item-put).
    let mut counted = recorded("legacy-stock-item-get.json");
    assert!(counted["qty"].is_null());
    counted["qty"] = json!(1);
    same_shape(std::slice::from_ref(&read.answer), &[projected(&counted, fields(&read))], "a stock item");
    let wrote = last(&recorder, "PUT", "/products/1002/stockItems/1");
    same_shape(&[wrote.answer], &[recorded("legacy-stock-item-put.json")], "writing a stock item");
    let asked = last(&recorder, "GET", "/V1/inventory/stocks");
    assert_eq!(asked.status, 404);
    same_shape(&[asked.answer], &[recorded("legacy-inventory-stocks.json")], "stocks without MSI");
}

#[tokio::test(flavor = "multi_thread")]
async fn simulated_comments_have_the_keys_of_recorded_ones() {
    let recorder = Recorder::default();
    let mut shop = in_business(Mode::Msi, &recorder).await;
    let order = shop.place("1001", 1);
    shop.magento.with(|books| books.comment(order.entity_id, "by staff", Some("pending"), Some(0))).unwrap();
    shop.pull().await;
    shop.write_orders();
    shop.till_takes_all();
    shop.deliver().await;
    let read = last(&recorder, "GET", &format!("/orders/{}", order.entity_id));
    let recorded_order = projected(&recorded("order-commented.json"), fields(&read));
    same_shape(std::slice::from_ref(&read.answer), &[recorded_order], "the comments of an order");
    let wrote = last(&recorder, "POST", &format!("/orders/{}/comments", order.entity_id));
    same_shape(&[wrote.answer], &[recorded("comment.json")], "a comment");
}

#[tokio::test(flavor = "multi_thread")]
async fn simulated_shipments_credit_memos_and_store_views_have_the_keys_of_recorded_ones() {
    let recorder = Recorder::default();
    let mut shop = TestShop::open_behind(Mode::Msi, |router| recorder.in_front_of(router)).await;
    let rules = "otherwise = \"mine\"\nrules = [{ website = [\"other\"], orders_are = \"elsewhere\" }]";
    shop.configure(|config| config.store.magento.as_mut().unwrap().routing = Some(toml::from_str(rules).unwrap()));
    let order = shop.place("1001", 2);
    shop.pull().await;
    let all = tillbridge::demo::magento::Refund { shipping: true, ..Default::default() };
    shop.magento.with(|books| {
        books.invoice(order.entity_id, None).unwrap();
        books.ship(order.entity_id, None, Some("shop1")).unwrap();
        books.refund(order.entity_id, &all).unwrap();
    });
    for _ in 0..13 {
        shop.pull().await;
    }
    let views = last(&recorder, "GET", "/V1/store/storeViews");
    same_shape(&[views.answer], &[recorded("store-views.json")], "store views");
    let websites = last(&recorder, "GET", "/V1/store/websites");
    same_shape(&[websites.answer], &[recorded("websites.json")], "websites");
    for (path, fixture) in [("/V1/shipments", "shipments-list.json"), ("/V1/creditmemos", "creditmemos-list.json")] {
        let read = recorder.of("GET", path).into_iter().filter(|one| one.answer["items"][0].is_object());
        let read: Vec<Exchange> = read.collect();
        assert!(!read.is_empty(), "{path}");
        for one in read {
            let recorded = projected(&recorded(fixture), fields(&one));
            same_shape(std::slice::from_ref(&one.answer), &[recorded], path);
        }
    }
}

/// The same mistakes at the simulated store as were made at the real one.
#[tokio::test(flavor = "multi_thread")]
async fn simulated_refusals_have_the_status_and_the_keys_of_recorded_ones() {
    let recorder = Recorder::default();
    let mut shop = in_business(Mode::Msi, &recorder).await;
    let id = shop.place("1001", 1).entity_id;
    let item = json!({"sku": "1001", "source_code": "shop1", "quantity": 1, "status": 1});
    let with = |name: &str, value: &str| {
        let mut item = item.clone();
        item[name] = json!(value);
        json!({"sourceItems": [item]})
    };
    let limited = "/V1/orders?searchCriteria[pageSize]=301";
    let odd_field = "/V1/orders?searchCriteria[filterGroups][0][filters][0][field]=no_such_field";
    let note = |status: &str| json!({"statusHistory": {"comment": "x", "status": status}});
    for (method, path, body, fixture) in [
        ("POST", "/V1/inventory/source-items", json!({"sourceItems": []}), "err-400-source-items-empty.json"),
        ("POST", "/V1/inventory/source-items", with("sku", " 1001"), "err-400-source-items-leading-blank.json"),
        ("POST", "/V1/inventory/source-items", with("source_code", "x"), "err-400-source-items-unknown-source.json"),
        (
            "POST",
            "/V1/inventory/source-items",
            json!({"sourceItems": vec![&item; 21]}),
            "err-400-source-items-over-input-limit.json",
        ),
        ("GET", limited, Value::Null, "err-400-page-size-over-limit.json"),
        ("POST", &format!("/V1/orders/{id}/comments"), note("complete"), "comment-400-status.json"),
        ("POST", "/V1/orders/0/comments", note("pending"), "comment-404.json"),
        ("GET", odd_field, Value::Null, "err-500-unknown-filter-field.json"),
        ("GET", "/V1/no-such-route", Value::Null, "err-404-route.json"),
        ("GET", "/V1/inventory/sources/nowhere", Value::Null, "err-404-source.json"),
        ("PUT", "/V1/products/NO-SUCH/stockItems/1", json!({"stockItem": {"qty": 1}}), "stock-item-put-404.json"),
    ] {
        let limits = fixture.contains("limit");
        shop.magento.with(|books| books.input_limit = limits.then_some(20));
        let (status, answer) = ask(&shop, method, path, &body, &shop.server.token).await;
        let expected = ["404", "500"].into_iter().find(|status| fixture.contains(status)).unwrap_or("400");
        assert_eq!(status.to_string(), expected, "{fixture}: {answer}");
        same_keys(&answer, &recorded(fixture), fixture);
    }
    let (status, answer) = ask(&shop, "GET", "/V1/orders?searchCriteria[pageSize]=1", &Value::Null, "wrong").await;
    assert_eq!(status, 401);
    same_keys(&answer, &recorded("err-401-bearer-not-enabled.json"), "401");
    // A wrong token as the line's fault switch plays it.
    shop.server.faults.set(Fault::Unauthorised, Count::Next(1));
    let (status, answer) = ask(&shop, "GET", "/V1/orders?searchCriteria[pageSize]=1", &Value::Null, "any").await;
    assert_eq!(status, 401);
    same_keys(&answer, &recorded("err-401-bearer-not-enabled.json"), "401 by fault");
    shop.die_and_restart();
}

/// Refusals: the message has to be the same as well, before its placeholders are filled in. Traces are not sent in
/// production mode.
fn same_keys(simulated: &Value, recorded: &Value, what: &str) {
    let bare = |value: &Value| {
        let mut value = value.clone();
        value.as_object_mut().unwrap().remove("trace");
        value
    };
    assert_eq!(simulated["message"], recorded["message"], "{what}");
    same_shape(&[bare(simulated)], &[bare(recorded)], what);
}

async fn ask(shop: &TestShop, method: &str, path: &str, body: &Value, token: &str) -> (u16, Value) {
    let url = format!("{}/rest{path}", shop.server.url);
    let request = contract::client(&shop.server.ca_pem).request(method.parse().unwrap(), url).bearer_auth(token);
    let request = if body.is_null() { request } else { request.json(body) };
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_placed_while_a_quantity_is_written_is_corrected_at_once_and_is_no_drift() {
    for (mode, write) in
        [(Mode::Msi, "POST /rest/V1/inventory/source-items"), (Mode::Legacy, "PUT /rest/V1/products/1001/stockItems/1")]
    {
        let recorder = Recorder::default();
        let mut shop = in_business(mode, &recorder).await;
        shop.till.sell("1001", 4.into());
        shop.export_and_look("less.csv");
        let magento = shop.magento.clone();
        recorder.before(write, move || drop(magento.place(&[("1001", 2)]).unwrap()));
        shop.deliver().await;
        assert_eq!((shop.sellable("1001"), shop.due()), (4.into(), 0), "{mode:?}");
        assert!(!shop.conditions().contains(&"drift".to_owned()), "{mode:?}: {:?}", shop.conditions());
    }
}
