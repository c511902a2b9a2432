//! The REST answers of the simulated Magento.
//!
//! Promises: the routes that the agent uses, under `/rest/V1`, `/rest/default/V1` and `/rest/all/V1`, with the bodies
//! and statuses that were observed; the route is looked up before the right (observed: 404 without a token, too).
//! A missing or wrong token answers 401 with the right's name, a wrong signature with its own words
//! ([`super::SignIn`]). Does not promise carts or asynchronous calls; those routes do not exist here.
//!
//! For hand play, without any token:
//!
//! ```text
//! POST /demo/orders                {"lines":[{"sku":"1001","qty":1}],"payment":"checkmo"} → {"entity_id","increment_id"}
//! POST /demo/orders/{id}/ship      {"source":"shop1"} (may be left out)                   → {"shipment":"1"}
//! POST /demo/orders/{id}/cancel                                                           → {"cancelled":true}
//! GET  /demo/stock                 → [{"sku","source_qty","reserved","salable"}]
//! GET  /demo/orders                → [{"entity_id","increment_id","state","status","comments"}]
//! ```

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use serde_json::{Value, json};

use super::{Magento, MagentoBooks, Mode, Refusal, StoreView, Website, rest_orders, rest_person, rest_stock, search};
use crate::demo::http::{Answer, LARGEST_BODY, Request, http_date};
use crate::domain::Quantity;

/// What a handler gives: JSON, or a refusal.
pub(super) type Outcome = Result<Value, Refusal>;

struct Shop {
    magento: Magento,
    token: String,
}

/// Serves `magento` to whoever has `token`.
pub fn router(magento: Magento, token: &str) -> Router {
    let shop = Arc::new(Shop { magento, token: token.to_owned() });
    Router::new().fallback(serve).layer(DefaultBodyLimit::max(LARGEST_BODY)).with_state(shop)
}

async fn serve(State(shop): State<Arc<Shop>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let request = Request::new(method, &uri, headers, &body);
    let (answer, now) = shop.magento.with(|books| (answer(books, &shop.token, &request), books.clock.now()));
    answer.into_response(&http_date(now))
}

/// Answers one request.
pub(super) fn answer(books: &mut MagentoBooks, token: &str, request: &Request) -> Answer {
    let segments = request.segments();
    let route = match segments.as_slice() {
        ["demo", rest @ ..] => return finish(rest_person::answer(books, request, rest), None),
        ["rest", "V1", rest @ ..] | ["rest", "default" | "all", "V1", rest @ ..] => rest,
        ["rest", _, "V1", ..] => return refuse(&Refusal::new(400, "Specified request cannot be processed.")),
        _ => return no_route(),
    };
    let Some((right, carry_out)) = find(books.mode, &request.method, route) else { return no_route() };
    let now = books.clock.now();
    if let Err(refusal) = books.sign_in.admit(token, request, right, now) {
        return refuse(&refusal);
    }
    finish(carry_out(books, request, route), request.asked("fields"))
}

type CarryOut = fn(&mut MagentoBooks, &Request, &[&str]) -> Outcome;

/// The right that a route needs (as a 401 names it) and who carries it out.
fn find(mode: Mode, method: &Method, route: &[&str]) -> Option<(&'static str, CarryOut)> {
    match (method.as_str(), route) {
        (_, ["inventory", ..]) if mode == Mode::Legacy => None,
        (method, ["inventory", rest @ ..]) => rest_stock::find_inventory(method, rest),
        ("GET", ["stockItems", "lowStock"]) => Some(("Magento_CatalogInventory::cataloginventory", low_stock)),
        ("GET", ["stockItems", _]) => Some(("Magento_CatalogInventory::cataloginventory", rest_stock::stock_item)),
        ("PUT", ["products", _, "stockItems", _]) => Some(("Magento_Catalog::products", rest_stock::put_stock_item)),
        ("GET", ["products"]) => Some(("Magento_Catalog::products", rest_stock::products)),
        ("GET", ["products", _]) => Some(("Magento_Catalog::products", rest_stock::product)),
        ("GET", ["modules"]) => Some(("Magento_Backend::admin", modules)),
        ("GET", ["store", "websites"]) => Some(("Magento_Backend::store", websites)),
        ("GET", ["store", "storeViews"]) => Some(("Magento_Backend::store", store_views)),
        (method, route) => rest_orders::find(method, route),
    }
}

fn no_route() -> Answer {
    refuse(&Refusal::new(404, "Request does not match any route."))
}

fn finish(outcome: Outcome, fields: Option<&str>) -> Answer {
    match (outcome, fields) {
        (Ok(value), Some(fields)) if !fields.is_empty() => Answer::ok(&search::project(value, fields)),
        (Ok(value), _) => Answer::ok(&value),
        (Err(refusal), _) => refuse(&refusal),
    }
}

fn refuse(refusal: &Refusal) -> Answer {
    if refusal.status == 500 && refusal.message.starts_with("An error has happened") {
        return Answer { status: 500, kind: "text/plain;charset=UTF-8", body: refusal.message.clone() };
    }
    let mut body = json!({"message": refusal.message});
    match &refusal.parameters {
        Some(Value::Object(all)) if all.contains_key("__errors") => body["errors"] = all["__errors"].clone(),
        Some(parameters) => body["parameters"] = parameters.clone(),
        None => {}
    }
    Answer::json(refusal.status, &body)
}

fn modules(books: &mut MagentoBooks, _: &Request, _: &[&str]) -> Outcome {
    let always =
        ["Magento_Store", "Magento_Catalog", "Magento_CatalogInventory", "Magento_Sales", "Magento_SalesInventory"];
    let inventory =
        ["Magento_Inventory", "Magento_InventoryApi", "Magento_InventorySales", "Magento_InventoryReservations"];
    let extra = if books.mode == Mode::Msi { inventory.as_slice() } else { &[] };
    Ok(json!([always.as_slice(), extra].concat()))
}

/// The stock items with no more than `qty`, a page of them.
fn low_stock(books: &mut MagentoBooks, request: &Request, _: &[&str]) -> Outcome {
    let asked = |name: &str, else_: usize| request.asked(name).and_then(|text| text.parse().ok()).unwrap_or(else_);
    let most = request.asked("qty").and_then(|text| Quantity::parse(text).ok()).unwrap_or_default();
    let low: Vec<_> = books.legacy.values().filter(|item| item.quantity.is_some_and(|units| units <= most)).collect();
    let (page, size) = (asked("currentPage", 1), asked("pageSize", low.len()));
    let items = low.iter().skip(page.saturating_sub(1).saturating_mul(size)).take(size);
    let items: Vec<Value> = items.map(|item| rest_stock::item_body(item)).collect();
    Ok(json!({ "items": items, "total_count": low.len() }))
}

fn websites(books: &mut MagentoBooks, _: &Request, _: &[&str]) -> Outcome {
    let one = |website: &Website| {
        let Website { id, code } = website;
        let name = match code.as_str() {
            "admin" => "Admin",
            "base" => "Main Website",
            other => other,
        };
        json!({"id": id, "code": code, "name": name, "default_group_id": id})
    };
    Ok(books.websites.iter().map(one).collect())
}

fn store_views(books: &mut MagentoBooks, _: &Request, _: &[&str]) -> Outcome {
    let one = |view: &StoreView| {
        let StoreView { id, code, website } = view;
        let name = match code.as_str() {
            "admin" => "Admin",
            "default" => "Default Store View",
            other => other,
        };
        json!({"id": id, "code": code, "name": name, "website_id": website, "store_group_id": website, "is_active": 1})
    };
    Ok(books.views.iter().map(one).collect())
}

/// The JSON of a request's body.
pub(super) fn body(request: &Request) -> Outcome {
    request.json().ok_or_else(|| Refusal::new(400, "Decoding error."))
}
