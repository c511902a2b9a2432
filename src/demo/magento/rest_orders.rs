//! Orders, shipments, credit memos and comments over REST.
//!
//! Promises: ids of shipments, invoices and credit memos come as JSON strings, comments and cancellations as booleans
//! (observed).

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::life::ShipLine;
use super::rest::{Outcome, body};
use super::{MagentoBooks, Refund, Refusal, life, render, search, stored};
use crate::demo::http::Request;

/// Columns of an order that can be filtered and sorted by.
const ORDER_COLUMNS: [&str; 14] = [
    "entity_id",
    "increment_id",
    "state",
    "status",
    "store_id",
    "created_at",
    "updated_at",
    "customer_email",
    "customer_is_guest",
    "grand_total",
    "is_virtual",
    "order_currency_code",
    "total_qty_ordered",
    "quote_id",
];

/// Columns of a shipment or a credit memo.
const DOCUMENT_COLUMNS: [&str; 6] = ["entity_id", "increment_id", "order_id", "store_id", "created_at", "updated_at"];

type Found = (&'static str, fn(&mut MagentoBooks, &Request, &[&str]) -> Outcome);

pub(super) fn find(method: &str, route: &[&str]) -> Option<Found> {
    let found: Found = match (method, route) {
        ("GET", ["orders"]) => ("Magento_Sales::actions_view", list),
        ("GET", ["orders", _]) => ("Magento_Sales::actions_view", one),
        ("GET", ["orders", _, "comments"]) => ("Magento_Sales::actions_view", comments),
        ("GET", ["orders", _, "statuses"]) => ("Magento_Sales::actions_view", status),
        ("POST", ["orders", _, "comments"]) => ("Magento_Sales::comment", add_comment),
        ("POST", ["orders", _, "cancel"]) => ("Magento_Sales::cancel", cancel),
        ("POST", ["orders", _, "hold"]) => ("Magento_Sales::hold", hold),
        ("POST", ["orders", _, "unhold"]) => ("Magento_Sales::unhold", unhold),
        ("POST", ["order", _, "ship"]) => ("Magento_Sales::ship", ship),
        ("POST", ["order", _, "invoice"]) => ("Magento_Sales::sales_invoice", invoice),
        ("POST", ["order", _, "refund"]) => ("Magento_Sales::creditmemo", refund),
        ("GET", ["shipments"]) => ("Magento_Sales::shipment", shipments),
        ("GET", ["shipment", _]) => ("Magento_Sales::shipment", shipment),
        ("GET", ["creditmemos"]) => ("Magento_Sales::sales_creditmemo", creditmemos),
        ("GET", ["creditmemo", _]) => ("Magento_Sales::sales_creditmemo", creditmemo),
        _ => return None,
    };
    Some(found)
}

/// The id in the second segment; a text that is no number is no order.
fn id(route: &[&str]) -> Result<i64, Refusal> {
    route.get(1).and_then(|text| text.parse().ok()).ok_or_else(Refusal::no_such_entity)
}

fn list(books: &mut MagentoBooks, request: &Request, _: &[&str]) -> Outcome {
    let rows = books.seen_orders().map(render::order).collect();
    search::search(request, rows, &ORDER_COLUMNS, search::Limits::of(books))
}

fn one(books: &mut MagentoBooks, _: &Request, route: &[&str]) -> Outcome {
    books.seen_order(id(route)?).map(render::order).ok_or_else(Refusal::no_such_entity)
}

fn status(books: &mut MagentoBooks, _: &Request, route: &[&str]) -> Outcome {
    books.seen_order(id(route)?).map(|order| json!(order.status)).ok_or_else(Refusal::no_such_entity)
}

fn comments(books: &mut MagentoBooks, _: &Request, route: &[&str]) -> Outcome {
    let order = books.seen_order(id(route)?).ok_or_else(Refusal::no_such_entity)?;
    let items: Vec<Value> = order.comments.iter().map(|one| render::comment(order.id, one)).collect();
    let parent = json!({"field": "parent_id", "value": order.id.to_string(), "condition_type": "eq"});
    Ok(
        json!({"items": items, "search_criteria": {"filter_groups": [{"filters": [parent]}]}, "total_count": items.len()}),
    )
}

fn add_comment(books: &mut MagentoBooks, request: &Request, route: &[&str]) -> Outcome {
    let body = body(request)?;
    let said = &body["statusHistory"];
    let text = said["comment"].as_str().ok_or_else(|| required("statusHistory"))?;
    books.comment(id(route)?, text, said["status"].as_str(), said["is_customer_notified"].as_i64())?;
    Ok(json!(true))
}

fn cancel(books: &mut MagentoBooks, _: &Request, route: &[&str]) -> Outcome {
    books.cancel(id(route)?).map(Value::Bool)
}

fn hold(books: &mut MagentoBooks, _: &Request, route: &[&str]) -> Outcome {
    books.hold(id(route)?).map(Value::Bool)
}

fn unhold(books: &mut MagentoBooks, _: &Request, route: &[&str]) -> Outcome {
    books.unhold(id(route)?).map(Value::Bool)
}

fn ship(books: &mut MagentoBooks, request: &Request, route: &[&str]) -> Outcome {
    let body = body(request)?;
    let source = body.pointer("/arguments/extension_attributes/source_code").and_then(Value::as_str);
    let shipment = books.ship(id(route)?, lines(&body).as_deref(), source)?;
    Ok(json!(shipment.to_string()))
}

fn invoice(books: &mut MagentoBooks, request: &Request, route: &[&str]) -> Outcome {
    let body = body(request)?;
    Ok(json!(books.invoice(id(route)?, lines(&body).as_deref())?.to_string()))
}

fn refund(books: &mut MagentoBooks, request: &Request, route: &[&str]) -> Outcome {
    let body = body(request)?;
    let returned = body.pointer("/arguments/extension_attributes/return_to_stock_items").and_then(Value::as_array);
    let named = returned.map(|all| all.iter().filter_map(Value::as_i64).collect());
    let shipping =
        body.pointer("/arguments/shipping_amount").is_none_or(|amount| number(amount) != Some(Decimal::ZERO));
    let refund = Refund { lines: lines(&body), returned: named.unwrap_or_default(), shipping };
    Ok(json!(books.refund(id(route)?, &refund)?.to_string()))
}

fn shipments(books: &mut MagentoBooks, request: &Request, _: &[&str]) -> Outcome {
    let rows = books.seen_shipments().iter().filter_map(|one| Some(render::shipment(books.order(one.order)?, one)));
    search::search(request, rows.collect(), &DOCUMENT_COLUMNS, search::Limits::of(books))
}

fn shipment(books: &mut MagentoBooks, _: &Request, route: &[&str]) -> Outcome {
    let wanted = id(route)?;
    let found: Option<&life::Shipment> = books.seen_shipments().iter().find(|one| one.id == wanted);
    let body = found.and_then(|one| Some(render::shipment(books.order(one.order)?, one)));
    body.ok_or_else(Refusal::no_such_entity)
}

fn creditmemos(books: &mut MagentoBooks, request: &Request, _: &[&str]) -> Outcome {
    let rows = books.seen_creditmemos().iter().filter_map(|one| Some(render::creditmemo(books.order(one.order)?, one)));
    search::search(request, rows.collect(), &DOCUMENT_COLUMNS, search::Limits::of(books))
}

fn creditmemo(books: &mut MagentoBooks, _: &Request, route: &[&str]) -> Outcome {
    let wanted = id(route)?;
    let found = books.seen_creditmemos().iter().find(|one| one.id == wanted);
    let body = found.and_then(|one| Some(render::creditmemo(books.order(one.order)?, one)));
    body.ok_or_else(Refusal::no_such_entity)
}

/// `items` with `order_item_id` and `qty`; none means all.
fn lines(body: &Value) -> Option<Vec<ShipLine>> {
    let items = body["items"].as_array().filter(|items| !items.is_empty())?;
    let line = |item: &Value| Some((item["order_item_id"].as_i64()?, stored(number(&item["qty"])?)));
    Some(items.iter().filter_map(line).collect())
}

/// A JSON number, or a text that is one (observed: both are taken).
pub(super) fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => exact(&number.to_string()),
        Value::String(text) => exact(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn exact(text: &str) -> Option<Decimal> {
    text.parse().ok().or_else(|| Decimal::from_scientific(text).ok())
}

pub(super) fn required(field: &str) -> Refusal {
    Refusal::with(400, "\"%fieldName\" is required. Enter and try again.", json!({"fieldName": field}))
}
