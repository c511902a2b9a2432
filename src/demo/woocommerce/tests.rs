use serde_json::{Value, json};

use super::*;
use crate::demo::clock::HandClock;
use crate::demo::http::Request;

fn books() -> (WooBooks, HandClock) {
    let clock = HandClock::at("2026-11-25T10:00:00Z".parse().unwrap());
    (WooBooks::seeded(Arc::new(clock.clone())), clock)
}

fn units(books: &WooBooks, sku: &str) -> String {
    books.stock(sku).to_string()
}

fn line(books: &WooBooks, id: u64) -> Line {
    books.order(id).unwrap().lines[0].clone()
}

#[test]
fn stock_is_deducted_once_and_put_back_once() {
    let (mut books, _) = books();
    let id = books.place(&[("1001", 3)], "stripe").unwrap();
    assert_eq!((units(&books, "1001"), books.sellable("1001")), ("10".into(), 7.into()), "only held");
    for status in ["processing", "completed", "on-hold"] {
        books.set_status(id, status).unwrap();
        assert_eq!(units(&books, "1001"), "7", "{status}");
    }
    assert_eq!(line(&books, id).reduced, Some(3.into()));
    for status in ["failed", "refunded"] {
        books.set_status(id, status).unwrap();
        assert_eq!(units(&books, "1001"), "7", "{status} moves nothing");
    }
    for status in ["cancelled", "pending"] {
        books.set_status(id, status).unwrap();
        assert_eq!((units(&books, "1001"), line(&books, id).reduced), ("10".into(), None), "{status}");
    }
    assert!(books.set_status(id, "at-till").is_err());
}

#[test]
fn a_hold_ends_and_unpaid_orders_are_cancelled() {
    let (mut books, clock) = books();
    let id = books.place(&[("1001", 10)], "stripe").unwrap();
    assert!(books.place(&[("1001", 1)], "cod").is_err(), "all are held");
    clock.advance(HOLDS);
    assert_eq!(books.sellable("1001"), 10.into());
    books.cancel_unpaid();
    assert_eq!((books.order(id).unwrap().status.as_str(), units(&books, "1001")), ("cancelled", "10".into()));
}

#[test]
fn refunds_put_back_only_what_they_are_told_to() {
    let (mut books, _) = books();
    let id = books.place(&[("1001", 3)], "cod").unwrap();
    let key = line(&books, id).id;
    books.refund(id, &[(key, 1.into())], false).unwrap();
    assert_eq!((units(&books, "1001"), line(&books, id).restocked), ("7".into(), None));
    books.refund(id, &[(key, 1.into())], true).unwrap();
    let kept = line(&books, id);
    assert_eq!((units(&books, "1001"), kept.reduced, kept.restocked), ("8".into(), Some(2.into()), Some(1.into())));
    books.set_status(id, "cancelled").unwrap();
    assert_eq!(units(&books, "1001"), "10", "what was not put back yet");
}

#[test]
fn variations_count_for_themselves_or_with_their_product() {
    let (mut books, _) = books();
    let (shirt, red) = (books.id_of("TEE").unwrap(), books.id_of("TEE-RED").unwrap());
    books.place(&[("TEE-RED", 2)], "cod").unwrap();
    assert_eq!(units(&books, "TEE-RED"), "6");
    books.product_mut(red).unwrap().manages = Manages::Parent;
    let parent = books.product_mut(shirt).unwrap();
    (parent.manages, parent.stock) = (Manages::Itself, 20.into());
    books.place(&[("TEE-RED", 2)], "cod").unwrap();
    assert_eq!((units(&books, "TEE"), units(&books, "TEE-RED")), ("18".into(), "18".into()));
    let shown = books.product_json(books.product(red).unwrap());
    assert_eq!((&shown["manage_stock"], &shown["stock_quantity"]), (&json!("parent"), &json!(18)));
}

fn ask(books: &mut WooBooks, method: &str, path: &str, body: &Value) -> (u16, Value) {
    use base64::Engine as _;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{CONSUMER_KEY}:{CONSUMER_SECRET}"));
    ask_as(books, method, path, body, Some(&format!("Basic {pair}")))
}

fn ask_as(books: &mut WooBooks, method: &str, path: &str, body: &Value, signed: Option<&str>) -> (u16, Value) {
    let mut headers = axum::http::HeaderMap::new();
    if let Some(signed) = signed {
        headers.insert("authorization", signed.parse().unwrap());
    }
    let uri = format!("/wp-json/wc/v3{path}").parse().unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = Request::new(method.parse().unwrap(), &uri, headers, body.as_bytes());
    let (answer, _) = rest::answer(books, &request);
    (answer.status, serde_json::from_str(&answer.body).unwrap_or(Value::Null))
}

#[test]
fn dates_count_in_the_sites_zone_unless_they_are_said_to_be_utc() {
    let (mut books, clock) = books();
    let id = books.place(&[("1001", 1)], "cod").unwrap();
    clock.advance(SignedDuration::from_secs(1));
    let mut found = |query: &str| {
        let (status, rows) = ask(&mut books, "GET", &format!("/orders?{query}&_fields=id"), &Value::Null);
        assert_eq!(status, 200, "{query}");
        rows == json!([{ "id": id }])
    };
    // Placed at 10:00:00 UTC, which is 11:00:00 for the site.
    assert!(found("modified_after=2026-11-25T09:59:59&dates_are_gmt=true"));
    assert!(!found("modified_after=2026-11-25T10:00:00&dates_are_gmt=true"), "after, not from");
    assert!(found("modified_after=2026-11-25T10:59:59"));
    assert!(!found("modified_after=2026-11-25T11:00:00"));
    assert!(!found("modified_after=2026-11-25T09:30:00Z&dates_are_gmt=true"), "a zone makes it the site's own time");
}

#[test]
fn requests_are_refused_as_woocommerce_refuses_them() {
    let (mut books, _) = books();
    let code = |(status, answer): (u16, Value)| (status, answer["code"].as_str().unwrap_or_default().to_owned());
    let nobody = |books: &mut WooBooks, path: &str, signed| code(ask_as(books, "GET", path, &Value::Null, signed));
    assert_eq!(nobody(&mut books, "/orders", None), (401, "woocommerce_rest_cannot_view".into()));
    // base64 of ck_x:cs_x, and of the right key with cs_x
    assert_eq!(nobody(&mut books, "/orders", Some("Basic Y2tfeDpjc194")).1, "woocommerce_rest_cannot_view");
    for (path, status, word) in [
        ("/orders?per_page=101", 400, "rest_invalid_param"),
        ("/orders?orderby=modified", 400, "rest_invalid_param"),
        ("/orders?status=unheard-of", 400, "rest_invalid_param"),
        ("/orders/1", 404, "woocommerce_rest_shop_order_invalid_id"),
        ("/orders/1/notes", 404, "woocommerce_rest_order_invalid_id"),
        ("/coupons", 404, "rest_no_route"),
    ] {
        assert_eq!(code(ask(&mut books, "GET", path, &Value::Null)), (status, word.into()), "{path}");
    }
    books.permissions = Permissions::Read;
    let refused = ask(&mut books, "POST", "/products/batch", &json!({"update": []}));
    assert_eq!(code(refused), (401, "woocommerce_rest_authentication_error".into()));
    books.permissions = Permissions::ReadWrite;
    books.may_manage = false;
    assert_eq!(code(ask(&mut books, "GET", "/orders", &Value::Null)), (403, "woocommerce_rest_cannot_view".into()));
}

#[test]
fn a_batch_is_answered_item_by_item() {
    let (mut books, _) = books();
    let (pot, red, shirt) =
        (books.id_of("1001").unwrap(), books.id_of("TEE-RED").unwrap(), books.id_of("TEE").unwrap());
    let body = json!({"update": [
        {"id": pot, "stock_quantity": 7.9}, {"id": 999, "stock_quantity": 1}, {"id": red, "stock_quantity": 1},
    ]});
    let (status, answer) = ask(&mut books, "POST", "/products/batch", &body);
    assert_eq!((status, &answer["update"][0]["stock_quantity"]), (200, &json!(7)), "cut towards nought");
    assert_eq!(answer["update"][1]["error"]["code"], "woocommerce_rest_product_invalid_id");
    assert_eq!(answer["update"][2]["error"]["code"], "woocommerce_rest_invalid_product_id", "not its route");
    let body = json!({"update": [{"id": red, "stock_quantity": 4}]});
    let (_, answer) = ask(&mut books, "POST", &format!("/products/{shirt}/variations/batch"), &body);
    assert_eq!((&answer["update"][0]["stock_quantity"], units(&books, "TEE-RED")), (&json!(4), "4".into()));
    books.batch_limit = 1;
    let many = json!({"update": [{"id": pot}, {"id": red}]});
    let (status, answer) = ask(&mut books, "POST", "/products/batch", &many);
    assert_eq!((status, &answer["code"]), (413, &json!("woocommerce_rest_request_entity_too_large")));
}

#[test]
fn opening_an_order_moves_its_date_with_the_order_tables() {
    let (mut books, clock) = books();
    let id = books.place(&[("1001", 1)], "cod").unwrap();
    for (touches, moved) in [(false, false), (true, true)] {
        books.opening_touches = touches;
        clock.advance(SignedDuration::from_secs(10));
        books.open(id);
        assert_eq!(books.order(id).unwrap().modified == books.now(), moved);
    }
}
