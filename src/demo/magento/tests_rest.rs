use axum::http::{HeaderMap, Method, Uri, header};
use serde_json::{Value, json};

use super::rest::answer;
use super::tests::{place, shop, start};
use super::*;
use crate::demo::http::Request;

fn ask(books: &mut MagentoBooks, method: Method, path: &str, body: &Value) -> (u16, Value) {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, "Bearer secret".parse().unwrap());
    let path = path.replace('[', "%5B").replace(']', "%5D").replace(' ', "%20");
    let uri: Uri = path.parse().unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let got = answer(books, "secret", &Request::new(method, &uri, headers, body.as_bytes()));
    (got.status, serde_json::from_str(&got.body).unwrap_or(Value::String(got.body)))
}

fn get(books: &mut MagentoBooks, path: &str) -> (u16, Value) {
    ask(books, Method::GET, path, &Value::Null)
}

const BY: &str = "searchCriteria[filterGroups][0][filters][0]";

fn orders(books: &mut MagentoBooks, field: &str, condition: &str, value: &str) -> Vec<i64> {
    let path = format!(
        "/rest/V1/orders?{BY}[field]={field}&{BY}[condition_type]={condition}&{BY}[value]={value}\
         &searchCriteria[sortOrders][0][field]=entity_id&searchCriteria[sortOrders][0][direction]=ASC\
         &fields=items[entity_id],total_count"
    );
    let (status, body) = get(books, &path);
    assert_eq!(status, 200, "{body}");
    body["items"].as_array().into_iter().flatten().map(|order| order["entity_id"].as_i64().unwrap()).collect()
}

#[test]
fn filters_compare_dates_as_written_and_unknown_conditions_find_nothing() {
    let clock = start();
    let mut books = shop(Mode::Msi, &clock);
    for _ in 0..3 {
        place(&mut books, &[("A", 1)]);
        clock.advance(jiff::SignedDuration::from_secs(10));
    }
    for (field, condition, value, found) in [
        ("updated_at", "gteq", "2026-11-23 16:00:10", vec![2, 3]),
        ("updated_at", "gteq", "2026-11-23T16:00:10Z", vec![2, 3]),
        ("updated_at", "gteq", "2026-11-23T17:00:10%2B01:00", vec![]),
        ("updated_at", "gt", "garbage", vec![1, 2, 3]),
        ("entity_id", "gt", "1", vec![2, 3]),
        ("entity_id", "in", "1,3", vec![1, 3]),
        ("increment_id", "eq", "000000002", vec![2]),
        ("increment_id", "like", "%25002", vec![2]),
        ("state", "in", "new,processing", vec![1, 2, 3]),
        ("entity_id", "approximately", "1", vec![]),
    ] {
        assert_eq!(orders(&mut books, field, condition, value), found, "{field} {condition} {value}");
    }
    let two = "searchCriteria[filter_groups][1][filters][0]";
    let path = format!(
        "/rest/V1/orders?{BY}[field]=entity_id&{BY}[conditionType]=gt&{BY}[value]=1&{two}[field]=entity_id&{two}[condition_type]=lt&{two}[value]=3&fields=items[entity_id]"
    );
    assert_eq!(get(&mut books, &path).1, json!({"items": [{"entity_id": 2}]}), "groups are joined by and");
}

#[test]
fn empty_lists_are_null_under_fields_and_pages_past_the_end_are_empty() {
    let mut books = shop(Mode::Msi, &start());
    place(&mut books, &[("A", 1)]);
    let none = format!("/rest/V1/orders?{BY}[field]=entity_id&{BY}[conditionType]=gt&{BY}[value]=9");
    let (_, body) = get(&mut books, &none);
    let filter = json!({"field": "entity_id", "value": "9", "condition_type": "gt"});
    let echoed = json!({"filter_groups": [{"filters": [filter]}]});
    assert_eq!(body, json!({"items": [], "search_criteria": echoed, "total_count": 0}));
    let (_, body) = get(&mut books, &format!("{none}&fields=items[entity_id],total_count"));
    assert_eq!(body, json!({"items": null, "total_count": 0}));
    let (_, body) = get(&mut books, "/rest/V1/orders?searchCriteria[pageSize]=20&searchCriteria[currentPage]=9");
    assert_eq!((&body["items"], &body["total_count"]), (&json!([]), &json!(1)));
    books.quirks.repeats_last_page = true;
    let past = "/rest/V1/orders?searchCriteria[pageSize]=20&searchCriteria[currentPage]=9&fields=items[entity_id]";
    assert_eq!(get(&mut books, past).1, json!({"items": [{"entity_id": 1}]}), "as documented");
    let one = "/rest/V1/orders?searchCriteria[pageSize]=-1&fields=items[entity_id]";
    assert_eq!(get(&mut books, one).1, json!({"items": [{"entity_id": 1}]}));
}

#[test]
fn a_lagging_replica_and_rows_not_committed_are_not_seen_and_a_missing_right_is_named() {
    let clock = start();
    let mut books = shop(Mode::Msi, &clock);
    let checkout = Checkout::picked_up_at("s1");
    let lines = [("A".to_owned(), Quantity::ONE)];
    for _ in 0..2 {
        books.check_out(&lines, &checkout).unwrap();
    }
    books.quirks.uncommitted.insert(1);
    assert_eq!(orders(&mut books, "entity_id", "gt", "0"), [2]);
    books.lag();
    books.check_out(&lines, &checkout).unwrap();
    books.cancel(2).unwrap();
    let (_, body) = get(&mut books, "/rest/V1/orders/2");
    assert_eq!((&body["state"], &body["extension_attributes"]["pickup_location_code"]), (&json!("new"), &json!("s1")));
    assert_eq!(orders(&mut books, "entity_id", "gt", "0"), [2]);
    books.catch_up();
    books.quirks.uncommitted.clear();
    assert_eq!(orders(&mut books, "entity_id", "gt", "0"), [1, 2, 3]);
    books.sign_in.rights_missing.insert("Magento_Sales::shipment".into());
    let (status, body) = get(&mut books, "/rest/V1/shipments?searchCriteria[pageSize]=1");
    assert_eq!((status, &body["parameters"]["resources"]), (401, &json!("Magento_Sales::shipment")));
}

#[test]
fn a_comment_leaves_updated_at_and_a_shipment_moves_it_unless_switched_off() {
    for leaves in [false, true] {
        let clock = start();
        let mut books = shop(Mode::Msi, &clock);
        books.quirks.shipments_leave_orders = leaves;
        let id = place(&mut books, &[("A", 1)]);
        let before = books.order(id).unwrap().updated;
        clock.advance(jiff::SignedDuration::from_secs(10));
        books.comment(id, "seen", None, None).unwrap();
        assert_eq!(books.order(id).unwrap().updated, before);
        let source = books.source_items().next().unwrap().source.clone();
        books.ship(id, None, Some(&source)).unwrap();
        assert_eq!(books.order(id).unwrap().updated == before, leaves);
    }
}

#[test]
fn store_views_and_websites_can_be_added() {
    let mut books = shop(Mode::Msi, &start());
    let (german, second) = (books.add_store_view("de", "germany"), books.add_store_view("at", "base"));
    let (_, views) = get(&mut books, "/rest/V1/store/storeViews");
    let of = |id: i64| views.as_array().unwrap().iter().find(|view| view["id"] == id).unwrap().clone();
    assert_eq!((&of(german)["code"], &of(second)["website_id"]), (&json!("de"), &json!(1)));
    let (_, websites) = get(&mut books, "/rest/V1/store/websites");
    assert_eq!(websites[2], json!({"id": 2, "code": "germany", "name": "germany", "default_group_id": 2}));
    assert_eq!(of(german)["website_id"], 2);
}

#[test]
fn what_cannot_be_asked_is_refused_in_magentos_words() {
    let mut books = shop(Mode::Msi, &start());
    let cases = [
        ("/rest/V1/orders", 400, "\"%fieldName\" is required. Enter and try again."),
        ("/rest/V1/orders/9", 404, "The entity that was requested doesn't exist. Verify the entity and try again."),
        ("/rest/V1/nothing", 404, "Request does not match any route."),
        ("/rest/V1/products/A/B", 404, "Request does not match any route."),
        ("/rest/nope/V1/orders/4", 400, "Specified request cannot be processed."),
        ("/rest/V1/inventory/sources/nope", 404, "Source with code \"%value\" does not exist."),
        ("/rest/V1/stockItems/NO", 404, "The Product with the \"%1\" SKU doesn't exist."),
    ];
    for (path, status, message) in cases {
        let (got, body) = get(&mut books, path);
        assert_eq!((got, body["message"].as_str().unwrap()), (status, message), "{path}");
    }
    let (status, body) = get(&mut books, &format!("/rest/V1/orders?{BY}[field]=nope&{BY}[value]=1"));
    assert_eq!(status, 500);
    assert!(body["message"].as_str().unwrap().starts_with("Internal Error."));
    let salable = "/rest/V1/inventory/get-product-salable-quantity";
    assert_eq!(get(&mut books, &format!("{salable}/A/2")), (200, json!(15)));
    assert_eq!(get(&mut books, &format!("{salable}/TEE/2")).0, 400);
    assert!(get(&mut books, &format!("{salable}/NO/2")).1.is_string(), "plain text");
}

#[test]
fn a_wrong_token_is_401_with_the_right_and_an_unknown_route_404_first() {
    for (mode, status) in [(Mode::Msi, 401), (Mode::Legacy, 404)] {
        let mut books = shop(mode, &start());
        let uri: Uri = "/rest/V1/inventory/stocks?searchCriteria=".parse().unwrap();
        let got = answer(&mut books, "secret", &Request::new(Method::GET, &uri, HeaderMap::new(), b""));
        assert_eq!(got.status, status);
    }
    let mut books = shop(Mode::Msi, &start());
    let uri: Uri = "/rest/V1/orders/4".parse().unwrap();
    let got = answer(&mut books, "secret", &Request::new(Method::GET, &uri, HeaderMap::new(), b""));
    let wanted = json!({"message": "The consumer isn't authorized to access %resources.",
        "parameters": {"resources": "Magento_Sales::actions_view"}});
    assert_eq!(serde_json::from_str::<Value>(&got.body).unwrap(), wanted);
}

#[test]
fn source_items_are_refused_as_observed() {
    let mut books = shop(Mode::Msi, &start());
    let good = json!({"sku": "B", "source_code": "store_a", "quantity": 7, "status": 1});
    let with = |field: &str, value: Value| {
        let mut item = good.clone();
        item[field] = value;
        json!({"sourceItems": [item]})
    };
    let numeric = "Validation Failed: \"quantity\" should be numeric.";
    let cases = [
        (json!({"sourceItems": []}), "Input data is empty"),
        (json!({"items": []}), "\"%fieldName\" is required. Enter and try again."),
        (with("sku", json!("")), "Validation Failed: \"sku\" can not be empty."),
        (with("sku", json!(" B")), "Validation Failed: \"sku\" can not contain leading or trailing spaces."),
        (with("quantity", Value::Null), numeric),
        (with("status", json!(2)), "Validation Failed: \"status\" should a known status."),
        (with("source_code", json!("nope")), "Could not save Source Item"),
        (with("foo", json!(1)), "\"%fieldName\" is not supported. Correct the field name and try again."),
        (
            with("quantity", json!("abc")),
            "Error occurred during \"quantity\" processing. The \"abc\" value's type is invalid. The \"float\" type \
             was expected. Verify and try again.",
        ),
    ];
    for (body, message) in cases {
        let (status, answer) = ask(&mut books, Method::POST, "/rest/V1/inventory/source-items", &body);
        assert_eq!((status, answer["message"].as_str().unwrap()), (400, message));
    }
    books.input_limit = Some(1);
    let (_, answer) =
        ask(&mut books, Method::POST, "/rest/V1/inventory/source-items", &json!({"sourceItems": [good, good]}));
    assert_eq!(answer["parameters"]["max"], 1);
    let nine = with("quantity", json!("9"));
    assert_eq!(ask(&mut books, Method::POST, "/rest/V1/inventory/source-items", &nine), (200, json!([])));
    assert_eq!(books.salable("B"), 9.into());
}

#[test]
fn the_old_stock_item_answers_a_text_without_msi_and_a_number_with_it() {
    for (mode, id) in [(Mode::Legacy, json!("2")), (Mode::Msi, json!(2))] {
        let mut books = shop(mode, &start());
        let body = json!({"stockItem": {"qty": 4, "is_in_stock": true}});
        let path = "/rest/V1/products/B/stockItems/999999";
        assert_eq!(ask(&mut books, Method::PUT, path, &body), (200, id));
        let (_, item) = get(&mut books, "/rest/V1/stockItems/b?fields=item_id,qty,is_in_stock");
        assert_eq!(item, json!({"item_id": 2, "qty": 4, "is_in_stock": true}));
        assert_eq!(books.salable("B"), if mode == Mode::Legacy { 4.into() } else { 10.into() });
        let bad = json!({"stockItem": {"qty": 1, "foo": 1}});
        assert_eq!(ask(&mut books, Method::PUT, path, &bad).1["parameters"], json!({"fieldName": "Foo"}));
    }
}

#[test]
fn an_order_has_the_keys_that_were_seen_and_a_parent_row_no_parent() {
    let mut books = shop(Mode::Msi, &start());
    let id = place(&mut books, &[("A", 2), ("TEE-RED", 1)]);
    let (_, order) = get(&mut books, &format!("/rest/default/V1/orders/{id}"));
    assert_eq!((&order["state"], &order["status"]), (&json!("new"), &json!("pending")));
    assert_eq!((&order["grand_total"], &order["increment_id"]), (&json!(41.65), &json!("000000001")));
    assert_eq!(order["created_at"], "2026-11-23 16:00:00");
    let items = order["items"].as_array().unwrap();
    assert!(items[1].get("parent_item_id").is_none());
    assert_eq!((&items[2]["parent_item_id"], &items[2]["price"]), (&items[1]["item_id"], &json!(0)));
    let shipping = &order["extension_attributes"]["shipping_assignments"][0]["shipping"];
    assert_eq!((&shipping["method"], &shipping["address"]["city"]), (&json!("flatrate_flatrate"), &json!("Berlin")));
}

#[test]
fn shipping_commenting_and_cancelling_answer_as_observed() {
    let mut books = shop(Mode::Msi, &start());
    place(&mut books, &[("B", 2)]);
    let post = |books: &mut MagentoBooks, path: &str, body: Value| ask(books, Method::POST, path, &body);
    let said = json!({"statusHistory": {"comment": "taken"}});
    assert_eq!(post(&mut books, "/rest/V1/orders/1/comments", said), (200, json!(true)));
    assert_eq!(post(&mut books, "/rest/V1/order/1/ship", Value::Null).0, 400, "source default has none");
    let from = json!({"arguments": {"extension_attributes": {"source_code": "store_a"}}});
    assert_eq!(post(&mut books, "/rest/V1/order/1/ship", from.clone()), (200, json!("1")));
    assert_eq!(get(&mut books, "/rest/V1/shipment/1").1["extension_attributes"]["source_code"], "store_a");
    assert_eq!(post(&mut books, "/rest/V1/order/1/ship", from).0, 400);
    let placed = post(&mut books, "/demo/orders", json!({"lines": [{"sku": "B", "qty": 1}]}));
    assert_eq!(placed, (200, json!({"entity_id": 2, "increment_id": "000000002"})));
    assert_eq!(post(&mut books, "/rest/V1/orders/2/cancel", Value::Null), (200, json!(true)));
    assert_eq!(post(&mut books, "/rest/V1/orders/2/cancel", Value::Null), (200, json!(false)));
    let (_, stock) = get(&mut books, "/demo/stock");
    let line = stock.as_array().unwrap().iter().find(|line| line["sku"] == "B").unwrap();
    assert_eq!(*line, json!({"sku": "B", "source_qty": 8, "reserved": 0, "salable": 8}));
}
