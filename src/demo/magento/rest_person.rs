//! A customer and a packer for hand play: the routes under `/demo`, described in [`super::rest`].
//!
//! Promises: no token is asked for, so these are for a store on the loopback address only.

use serde_json::{Value, json};

use super::rest::{Outcome, body};
use super::rest_orders::number;
use super::{MagentoBooks, Mode, Refusal, STOCK, guest, render, stored};
use crate::demo::http::Request;

pub(super) fn answer(books: &mut MagentoBooks, request: &Request, route: &[&str]) -> Outcome {
    match (request.method.as_str(), route) {
        ("POST", ["orders"]) => place(books, request),
        ("GET", ["orders"]) => Ok(books.orders().map(order).collect()),
        ("POST", ["orders", id, "ship"]) => ship(books, request, parsed(id)?),
        ("POST", ["orders", id, "cancel"]) => Ok(json!({"cancelled": books.cancel(parsed(id)?)?})),
        ("GET", ["stock"]) => Ok(stock(books)),
        _ => Err(Refusal::new(404, "Request does not match any route.")),
    }
}

fn parsed(id: &str) -> Result<i64, Refusal> {
    id.parse().map_err(|_| Refusal::no_such_entity())
}

fn place(books: &mut MagentoBooks, request: &Request) -> Outcome {
    let body = body(request)?;
    let lines = body["lines"].as_array().cloned().unwrap_or_default();
    let line = |line: &Value| {
        let units = if line["qty"].is_null() { Some(rust_decimal::Decimal::ONE) } else { number(&line["qty"]) };
        Some((line["sku"].as_str()?.to_owned(), stored(units?)))
    };
    let wanted: Option<Vec<_>> = lines.iter().map(line).collect();
    let shape = "Send {\"lines\":[{\"sku\":\"1001\",\"qty\":1}]}";
    let wanted = wanted.filter(|lines| !lines.is_empty()).ok_or_else(|| Refusal::new(400, shape))?;
    let placed = books.place(&wanted, body["payment"].as_str().unwrap_or("checkmo"), &guest())?;
    Ok(json!({"entity_id": placed.entity_id, "increment_id": placed.increment_id}))
}

fn ship(books: &mut MagentoBooks, request: &Request, order: i64) -> Outcome {
    let body = body(request)?;
    let first = books.sources().iter().find(|source| source.stock == STOCK).map(|source| source.code.clone());
    let source = body["source"].as_str().map(str::to_owned).or(first).filter(|_| books.mode() == Mode::Msi);
    Ok(json!({"shipment": books.ship(order, None, source.as_deref())?.to_string()}))
}

fn order(order: &super::Order) -> Value {
    let comments: Vec<&str> = order.comments.iter().map(|comment| comment.text.as_str()).collect();
    json!({
        "entity_id": order.id, "increment_id": order.increment_id, "state": order.state.state(),
        "status": order.status, "comments": comments,
    })
}

fn stock(books: &MagentoBooks) -> Value {
    let with_stock = books.products().filter(|product| product.has_stock());
    let line = |product: &super::Product| {
        let sku = &product.sku;
        let mine = books.source_items().filter(|item| super::key(&item.sku) == super::key(sku));
        let held = match books.mode() {
            Mode::Msi => mine.map(|item| item.quantity).sum(),
            Mode::Legacy => books.legacy_item(sku).and_then(|item| item.quantity).unwrap_or_default(),
        };
        json!({
            "sku": sku, "source_qty": render::qty(held), "reserved": render::qty(books.reserved(sku)),
            "salable": render::qty(books.salable(sku)),
        })
    };
    with_stock.map(line).collect()
}
