use serde_json::{Value, json};

use super::*;
use crate::central::settings::{ShopifyQuantity, ShopifySettings, StoreKind};
use crate::central::testing::{Answer, Asked, FakeStore, says};
use crate::ports::{HoldingKind, Stage, StockItem, StockVersion, WriteOutcome};

fn shopify(store: &FakeStore) -> Shopify {
    let own = ShopifySettings {
        location: "high street".into(),
        quantity: ShopifyQuantity::Available,
        ..ShopifySettings::default()
    };
    let settings = StoreSettings { shopify: Some(own), ..crate::central::testing::settings(StoreKind::Shopify, store) };
    Shopify::new(&settings).unwrap()
}

fn data(data: &Value) -> Answer {
    says(200, json!({ "data": data, "extensions": cost(10.0, 1990.0) }).to_string())
}

fn cost(requested: f64, available: f64) -> Value {
    let status = json!({ "maximumAvailable": 2000.0, "currentlyAvailable": available, "restoreRate": 100.0 });
    json!({ "cost": { "requestedQueryCost": requested, "actualQueryCost": null, "throttleStatus": status } })
}

fn refused(code: &str, extensions: &Value) -> Answer {
    let error =
        json!({ "message": "No", "extensions": { "code": code, "requiredAccess": "`read_orders` access scope." } });
    says(200, json!({ "errors": [error], "extensions": extensions }).to_string())
}

fn locations() -> Answer {
    let nodes = json!([
        { "id": "gid://shopify/Location/1", "name": "High Street", "isActive": true },
        { "id": "gid://shopify/Location/2", "name": "Old shop", "isActive": false },
    ]);
    data(&json!({ "locations": { "nodes": nodes, "pageInfo": { "hasNextPage": false, "endCursor": null } } }))
}

fn operation(asked: &Asked) -> String {
    asked.json()["operationName"].as_str().unwrap().to_owned()
}

/// One answer after the other, after the location was looked up.
fn in_turn(answers: impl IntoIterator<Item = Answer>) -> FakeStore {
    FakeStore::in_turn(std::iter::once(locations()).chain(answers))
}

fn variant(sku: &str, available: i64) -> Value {
    let level = json!({ "isActive": true, "quantities": [{ "name": "available", "quantity": available }] });
    let item = json!({ "id": format!("item {sku}"), "tracked": true, "inventoryLevel": level });
    json!({ "sku": sku, "displayName": sku, "requiresComponents": false, "inventoryItem": item })
}

fn variants(nodes: &[Value]) -> Answer {
    data(&json!({ "productVariants": { "nodes": nodes, "pageInfo": { "hasNextPage": false, "endCursor": null } } }))
}

fn written(errors: &Value) -> Answer {
    let group = if errors == &json!([]) { json!({ "id": "g" }) } else { Value::Null };
    data(&json!({ "inventorySetQuantities": { "inventoryAdjustmentGroup": group, "userErrors": errors } }))
}

fn sku(text: &str) -> Sku {
    Sku::new(text).unwrap()
}

fn batch(items: &[(&str, &str, Option<i64>)]) -> StockBatch {
    let item = |(of, quantity, expected): &(&str, &str, Option<i64>)| StockItem {
        sku: sku(of),
        quantity: quantity.parse().unwrap(),
        if_version: None,
        expected: expected.map(Into::into),
    };
    StockBatch {
        items: items.iter().map(item).collect(),
        snapshot: "3 a".into(),
        as_of: Timestamp::UNIX_EPOCH,
        orders_read: None,
    }
}

fn stale(at: usize) -> Value {
    let field = ["input", "quantities", &at.to_string(), "changeFromQuantity"];
    json!({ "code": "CHANGE_FROM_QUANTITY_STALE", "field": field, "message": "stale" })
}

#[tokio::test]
async fn each_error_under_http_200_has_its_class() {
    use FailureClass::{Bug, Permanent, Transient};
    for (code, class, says) in [
        ("ACCESS_DENIED", Permanent, "Needed: `read_orders` access scope."),
        ("SHOP_INACTIVE", Permanent, "not active"),
        ("INTERNAL_SERVER_ERROR", Transient, "tried again by itself"),
        ("undefinedField", Bug, "shopify.api_version"),
    ] {
        let store = in_turn([refused(code, &json!({}))]);
        let error = shopify(&store).orders(None).await.unwrap_err();
        assert_eq!((error.class, error.maybe_done), (class, false), "{code}: a question changes nothing");
        assert!(error.what.contains(says), "{code}: {}", error.what);
    }
}

#[tokio::test]
async fn each_status_has_its_class_and_its_remedy() {
    use FailureClass::{Permanent, Transient};
    for (status, class, said) in [
        (401, Permanent, "shpat_"),
        (402, Permanent, "frozen"),
        (403, Permanent, "scope"),
        (404, Permanent, "myshopify.com"),
        (423, Permanent, "locked"),
        (429, Transient, "slow down"),
        (430, Transient, "attacker"),
        (503, Transient, "trouble"),
    ] {
        let store = FakeStore::in_turn([says(status, "{\"errors\":\"[API] words of Shopify\"}")]);
        let error = shopify(&store).probe().await.unwrap_err();
        assert_eq!(error.class, class, "{status}");
        assert!(error.what.contains("words of Shopify") && error.what.contains(said), "{status}: {}", error.what);
        assert_eq!(error.retry_after.is_some(), matches!(status, 429 | 430), "{status}");
        assert!(!error.what.contains("s3cret"));
    }
}

#[tokio::test]
async fn throttled_says_for_how_long_and_nothing_is_sent_meanwhile() {
    for status in [200, 429] {
        let body = json!({ "errors": [{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }], "extensions": cost(1000.0, 200.0) });
        let store = FakeStore::in_turn([says(status, body.to_string())]);
        let shopify = shopify(&store);
        let error = shopify.probe().await.unwrap_err();
        assert_eq!((error.class, error.retry_after), (FailureClass::Transient, Some(SignedDuration::from_secs(8))));
        let error = shopify.probe().await.unwrap_err();
        assert_eq!(error.class, FailureClass::Transient);
        let pause = error.retry_after.unwrap();
        assert!(pause > SignedDuration::from_secs(6) && pause <= SignedDuration::from_secs(8), "{pause:?}");
        assert_eq!(store.asked().len(), 1, "it would have been refused");
    }
}

#[tokio::test]
async fn what_the_bucket_never_holds_is_asked_for_in_smaller_pages_until_nothing_is_left_to_make_smaller() {
    let store = FakeStore::with(|asked| match operation(asked).as_str() {
        "TillbridgeLocations" => locations(),
        "TillbridgeNewestOrder" => data(&json!({ "orders": { "nodes": [] } })),
        _ => refused("THROTTLED", &cost(5000.0, 2000.0)),
    });
    let shopify = shopify(&store);
    let error = shopify.orders(None).await.unwrap_err();
    assert!(error.what.contains("No"), "{}", error.what);
    let sizes: Vec<(u64, u64)> = store
        .asked()
        .iter()
        .filter(|asked| operation(asked) == "TillbridgeOrders")
        .map(|asked| {
            (asked.json()["variables"]["first"].as_u64().unwrap(), asked.json()["variables"]["lines"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(sizes, [(50, 25), (25, 25), (12, 25), (6, 25), (3, 25), (1, 25), (1, 12), (1, 6), (1, 3), (1, 1)]);
}

#[tokio::test]
async fn the_token_goes_into_shopifys_own_header_and_the_version_into_the_path() {
    let store = in_turn([]);
    let shopify = shopify(&store);
    let facts = shopify.probe().await.unwrap();
    assert_eq!(
        (facts.model, facts.shown.as_str()),
        (StockModel::DeductAtPlacement, "Shopify, location \"High Street\", available")
    );
    let asked = &store.asked()[0];
    assert_eq!(asked.line(), "POST /admin/api/2026-10/graphql.json");
    assert_eq!((asked.header("x-shopify-access-token"), asked.header("authorization")), (Some("s3cret-token"), None));
}

#[tokio::test]
async fn another_version_that_answers_is_shown() {
    let version = vec![("X-Shopify-API-Version", "2027-07".to_owned())];
    let Answer::Says(status, _, body) = locations() else { panic!() };
    let store = FakeStore::in_turn([Answer::Says(status, version, body)]);
    let facts = shopify(&store).probe().await.unwrap();
    assert!(facts.shown.ends_with("answers as version 2027-07 instead of 2026-10"), "{}", facts.shown);
}

#[tokio::test]
async fn a_location_that_is_not_there_twice_there_or_asleep_is_named() {
    for (wanted, said) in [
        ("Low Street", "no location \"Low Street\"; it has \"High Street\", \"Old shop\""),
        ("2", "\"Old shop\" is deactivated"),
        ("gid://shopify/Location/2", "is deactivated"),
    ] {
        let store = in_turn([]);
        let shopify = Shopify { wanted_location: wanted.into(), ..shopify(&store) };
        let error = shopify.probe().await.unwrap_err();
        assert!(error.what.contains(said) && error.class == FailureClass::Permanent, "{}", error.what);
    }
    let twice = json!([{ "id": "1", "name": "A", "isActive": true }, { "id": "2", "name": "a", "isActive": true }]);
    let page = json!({ "locations": { "nodes": twice, "pageInfo": { "hasNextPage": false, "endCursor": null } } });
    let store = FakeStore::in_turn([data(&page)]);
    let error = Shopify { wanted_location: "A".into(), ..shopify(&store) }.probe().await.unwrap_err();
    assert!(error.what.contains("several locations are called"), "{}", error.what);
}

#[tokio::test]
async fn a_sku_is_searched_in_quotation_marks_and_found_letter_by_letter() {
    let store = in_turn([variants(&[variant("ab\"c", 1), variant("AB\"c", 3)])]);
    let holdings = shopify(&store).holdings(&[sku("AB\"c"), sku("back\\slash")]).await.unwrap();
    assert_eq!(store.asked()[1].json()["variables"]["query"], "sku:\"AB\\\"c\" OR sku:\"back\\\\slash\"");
    assert_eq!(holdings[0].kind, HoldingKind::Kept(Some(3.into()), Some(StockVersion("3".into()))));
    assert_eq!(holdings[1].kind, HoldingKind::Unknown);
}

#[tokio::test]
async fn a_quantity_is_written_over_the_one_that_was_expected_and_whole_units_only() {
    let store = in_turn([variants(&[variant("A", 9), variant("B", 4), variant("C", 2)]), written(&json!([]))]);
    let items = [("A", "7.9", Some(8)), ("B", "6", None), ("C", "2.5", None)];
    let became = shopify(&store).write_stock(&batch(&items)).await.unwrap();
    let sent = store.asked()[2].json()["variables"].clone();
    let of = |at: usize| {
        [&sent["input"]["quantities"][at]["changeFromQuantity"], &sent["input"]["quantities"][at]["quantity"]]
            .map(|it| it.as_i64().unwrap())
    };
    assert_eq!((of(0), of(1)), ([8, 7], [4, 6]), "what was believed when it was computed; else what was read");
    assert_eq!(sent["input"]["quantities"].as_array().unwrap().len(), 2, "C has its two whole units");
    assert_eq!(
        (&sent["input"]["name"], &sent["input"]["referenceDocumentUri"]),
        (&json!("available"), &json!("gid://tillbridge/StockExport/3%20a"))
    );
    let stored: Vec<_> = became.iter().map(|one| (one.sku.as_str(), one.outcome.clone())).collect();
    let stored_as = |units: i64| WriteOutcome::Stored(units.into());
    assert_eq!(stored, [("C", stored_as(2)), ("A", stored_as(7)), ("B", stored_as(6))]);
}

#[tokio::test]
async fn a_write_refused_for_some_items_is_sent_again_without_them() {
    let gone = json!({ "code": "INVALID_INVENTORY_ITEM", "field": ["input", "quantities", "2", "inventoryItemId"], "message": "gone" });
    let read = variants(&[variant("A", 9), variant("B", 4), variant("C", 2)]);
    let store = in_turn([read, written(&json!([stale(1), gone])), written(&json!([]))]);
    let items = [("A", "1", None), ("B", "1", None), ("C", "1", None)];
    let became = shopify(&store).write_stock(&batch(&items)).await.unwrap();
    let outcomes: Vec<_> = became.iter().map(|one| (one.sku.as_str(), &one.outcome)).collect();
    let a = WriteOutcome::Stored(1.into());
    assert_eq!(outcomes, [("B", &WriteOutcome::Conflict), ("C", &WriteOutcome::Unknown), ("A", &a)]);
    let keys: Vec<Value> = store.asked()[2..].iter().map(|asked| asked.json()["variables"]["key"].clone()).collect();
    assert_ne!(keys[0], keys[1], "another request, another key");
}

#[tokio::test]
async fn a_refusal_that_names_no_item_is_traced_by_halves() {
    let store = FakeStore::with(|asked| match operation(asked).as_str() {
        "TillbridgeLocations" => locations(),
        "TillbridgeVariants" => variants(&["A", "B", "C", "D"].map(|sku| variant(sku, 9))),
        _ if asked.body.contains("item C") => written(&json!([{ "code": null, "field": null, "message": "no C" }])),
        _ => written(&json!([])),
    });
    let items = ["A", "B", "C", "D"].map(|sku| (sku, "1", None));
    let became = shopify(&store).write_stock(&batch(&items)).await.unwrap();
    let refused: Vec<_> = became.iter().filter(|one| one.outcome != WriteOutcome::Stored(1.into())).collect();
    assert_eq!((became.len(), refused.len(), refused[0].sku.as_str()), (4, 1, "C"));
    assert_eq!(refused[0].outcome, WriteOutcome::Refused("no C".into()));
}

#[tokio::test]
async fn the_same_request_has_the_same_key_until_it_is_answered_and_no_other_ever() {
    let read = || variants(&[variant("A", 9)]);
    let used_up = json!([{ "code": "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", "field": null, "message": "used" }]);
    let at_work = json!([{ "code": "IDEMPOTENCY_CONCURRENT_REQUEST", "field": null, "message": "wait" }]);
    let store = in_turn([
        read(),
        Answer::Nothing,
        read(),
        written(&at_work),
        read(),
        written(&json!([])),
        read(),
        written(&json!([])),
        read(),
        written(&used_up),
        written(&json!([])),
    ]);
    let shopify = shopify(&store);
    let one = batch(&[("A", "1", None)]);
    let lost = shopify.write_stock(&one).await.unwrap_err();
    assert!(lost.maybe_done);
    let busy = shopify.write_stock(&one).await.unwrap_err();
    assert_eq!((busy.class, busy.maybe_done, busy.retry_after.is_some()), (FailureClass::Transient, true, true));
    for _ in 0..3 {
        shopify.write_stock(&one).await.unwrap();
    }
    let keys: Vec<String> = store
        .asked()
        .iter()
        .filter(|asked| operation(asked) == "TillbridgeSetQuantities")
        .map(|asked| asked.json()["variables"]["key"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(keys.len(), 6);
    assert!(keys[0] == keys[1] && keys[1] == keys[2], "lost, still at work, done: {keys:?}");
    let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), 4, "{keys:?}");
    assert!(keys.iter().all(|key| key.len() == 36 && key.as_bytes()[14] == b'8'), "{keys:?}");
}

#[tokio::test]
async fn a_wrong_location_stops_the_whole_batch() {
    let wrong =
        json!([{ "code": "INVALID_LOCATION", "field": ["input", "quantities", "0", "locationId"], "message": "none" }]);
    let store = in_turn([variants(&[variant("A", 9)]), written(&wrong)]);
    let error = shopify(&store).write_stock(&batch(&[("A", "1", None)])).await.unwrap_err();
    assert_eq!((error.class, error.maybe_done), (FailureClass::Permanent, false));
}

#[tokio::test]
async fn more_items_than_the_store_takes_go_in_smaller_batches() {
    let store = FakeStore::with(|asked| match operation(asked).as_str() {
        "TillbridgeLocations" => locations(),
        "TillbridgeVariants" => variants(&["A", "B", "C"].map(|sku| variant(sku, 9))),
        _ if asked.json()["variables"]["input"]["quantities"].as_array().unwrap().len() > 1 => {
            refused("MAX_INPUT_SIZE_EXCEEDED", &json!({}))
        }
        _ => written(&json!([])),
    });
    let shopify = shopify(&store);
    let became = shopify.write_stock(&batch(&["A", "B", "C"].map(|sku| (sku, "1", None)))).await.unwrap();
    assert_eq!((became.len(), shopify.batch_size()), (3, 1));
    let other = self::shopify(&store);
    other.recall(&shopify.learned().unwrap());
    assert_eq!(other.batch_size(), 1);
    other.recall("of another make");
    assert_eq!(other.batch_size(), 1);
}

#[tokio::test]
async fn a_note_takes_earlier_tags_away_and_reports_what_is_wrong() {
    let done = json!({ "userErrors": [] });
    let gone = json!({ "userErrors": [{ "field": ["id"], "message": "Order does not exist" }] });
    let store = FakeStore::in_turn([
        data(&json!({ "tagsRemove": done, "tagsAdd": done, "metafieldsSet": done })),
        data(&json!({ "tagsRemove": done, "tagsAdd": gone, "metafieldsSet": done })),
    ]);
    let shopify = shopify(&store);
    let said = Acknowledgement {
        order: crate::domain::OrderId("gid://shopify/Order/1".into()),
        number: "1001".into(),
        stage: Stage::Consumed,
        reference: "order_1.csv\n".into(),
        at: Timestamp::UNIX_EPOCH,
        idempotency_key: "k".into(),
    };
    shopify.acknowledge(&said).await.unwrap();
    let sent = store.asked()[0].json()["variables"].clone();
    assert_eq!(sent["tags"], json!(["tillbridge-taken"]));
    assert_eq!(sent["past"], json!(["tillbridge-given", "tillbridge-refused", "tillbridge-failed"]));
    assert_eq!(sent["metafields"][0]["value"], "Taken by the till (order_1.csv, 1970-01-01 00:00:00 UTC)");
    let error = shopify.acknowledge(&said).await.unwrap_err();
    assert!(error.what.contains("Order does not exist") && error.class == FailureClass::Permanent, "{}", error.what);
}

#[tokio::test]
async fn a_cursor_that_the_store_does_not_take_begins_the_round_again() {
    let position = json!({
        "step": "round", "after": "old", "watermark": "2026-11-20T10:00:00Z", "newest": null, "undecided": {}, "swept": null,
    });
    let cursor = FeedCursor(position.to_string());
    let empty = json!({ "orders": { "nodes": [], "pageInfo": { "hasNextPage": false, "endCursor": null } } });
    let store = in_turn([refused("BAD_REQUEST", &json!({})), data(&empty)]);
    let shopify = shopify(&store);
    let page = shopify.orders(Some(&cursor)).await.unwrap();
    assert!(page.more && page.orders.is_empty());
    let page = shopify.orders(Some(&page.next)).await.unwrap();
    assert!(!page.more);
    let asked = store.asked()[2].json()["variables"].clone();
    assert_eq!((&asked["after"], &asked["query"]), (&Value::Null, &json!("updated_at:>='2026-11-20T09:45:00Z'")));
    assert_eq!(asked["sort"], "UPDATED_AT");
}

#[tokio::test]
async fn a_page_that_comes_again_is_refused() {
    let cursor = FeedCursor(
        json!({
            "step": "round", "after": "c", "watermark": null, "newest": null, "undecided": {}, "swept": null,
        })
        .to_string(),
    );
    let again = json!({ "orders": { "nodes": [], "pageInfo": { "hasNextPage": true, "endCursor": "c" } } });
    let store = in_turn([data(&again)]);
    let error = shopify(&store).orders(Some(&cursor)).await.unwrap_err();
    assert!(error.what.contains("a page that it had sent before"), "{}", error.what);
}

#[tokio::test]
async fn neither_secret_nor_token_is_in_what_a_failed_sign_in_says() {
    let own = ShopifySettings { location: "1".into(), client_id: Some("id".into()), ..ShopifySettings::default() };
    for (answer, class) in [
        (says(400, "{\"error\":\"invalid_request\",\"error_description\":\"bad app\"}"), FailureClass::Permanent),
        (says(200, "{\"token\":\"shpat_s3cret\"}"), FailureClass::Permanent),
        (says(200, "{\"access_token\":\"shpat_s3cret\\n\"}"), FailureClass::Permanent),
        (says(503, "{}"), FailureClass::Transient),
        (Answer::Nothing, FailureClass::Transient),
    ] {
        let store = FakeStore::in_turn([answer]);
        let settings = crate::central::testing::settings(StoreKind::Shopify, &store);
        let shopify = Shopify::new(&StoreSettings { shopify: Some(own.clone()), ..settings }).unwrap();
        let error = shopify.probe().await.unwrap_err();
        assert_eq!((error.class, error.exchange.is_none(), error.maybe_done), (class, true, false), "{}", error.what);
        assert!(
            error.what.starts_with("signing in to Shopify") && !format!("{error:?}").contains("s3cret"),
            "{error:?}"
        );
        assert!(store.asked()[0].body.contains("client_credentials"));
        assert!(!format!("{shopify:?}").contains("s3cret"));
    }
}
