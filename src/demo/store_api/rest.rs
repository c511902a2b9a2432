//! The store API over HTTP.
//!
//! Promises: errors are problem+json with a stable `code`; the cursor is opaque to the reader and never expires. Of the
//! answers' members some come twice, as the brief and as the written contract name them: a client may read either.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Ack, Became, MOST_LINES, Problem, Store, StoreBooks, Wanted};
use crate::demo::http::{Answer, LARGEST_BODY, Request, http_date};
use crate::domain::Quantity;

/// Events in one page when nobody asks for fewer.
const PAGE: usize = 100;

type Outcome = Result<Value, Problem>;

struct Served {
    store: Store,
    token: String,
}

/// Serves `store` to whoever has `token`.
pub fn router(store: Store, token: &str) -> Router {
    let served = Arc::new(Served { store, token: token.to_owned() });
    Router::new().fallback(serve).layer(DefaultBodyLimit::max(LARGEST_BODY)).with_state(served)
}

async fn serve(
    State(served): State<Arc<Served>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = Request::new(method, &uri, headers, &body);
    let (answer, now) = served.store.with(|books| (answer(books, &served.token, &request), books.clock.now()));
    answer.into_response(&http_date(now))
}

pub(super) fn answer(books: &mut StoreBooks, token: &str, request: &Request) -> Answer {
    let segments = request.segments();
    if let ["demo", rest @ ..] = segments.as_slice() {
        return finish(by_hand(books, request, rest));
    }
    if request.bearer() != Some(token) {
        return finish(Err(Problem::new(401, "unauthorised", "the token is missing or not accepted")));
    }
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["v1", "orders"]) => finish(events(books, request)),
        ("POST", ["v1", "orders", id, "ack"]) => once(books, request, |books| acknowledge(books, request, id)),
        ("GET", ["v1", "stock"]) => finish(stock(books, request)),
        ("PUT", ["v1", "stock"]) => finish(put_stock(books, request)),
        ("POST", ["v1", "heartbeat"]) => finish(heartbeat(books)),
        _ => finish(Err(Problem::new(404, "unknown_route", "there is no such route"))),
    }
}

fn finish(outcome: Outcome) -> Answer {
    match outcome {
        Ok(value) => Answer::ok(&value),
        Err(Problem { status, code, title }) => {
            let mut body = json!({"type": "about:blank", "title": title, "status": status, "code": code});
            if code == "too_many_items" {
                body["max"] = json!(MOST_LINES);
            }
            Answer { kind: "application/problem+json", ..Answer::json(status, &body) }
        }
    }
}

/// Carries out once what comes with the same idempotency key, and answers the same again.
fn once(books: &mut StoreBooks, request: &Request, carry_out: impl FnOnce(&mut StoreBooks) -> Outcome) -> Answer {
    let key = request.headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let Some(key) = key.filter(|key| !key.is_empty()) else {
        return finish(Err(Problem::new(400, "malformed", "Idempotency-Key is missing")));
    };
    let sent = format!("{} {}", request.path.join("/"), String::from_utf8_lossy(&request.body));
    if let Some((before, status, body)) = books.keys.get(&key) {
        if *before != sent {
            return finish(Err(Problem::new(409, "idempotency_key_reused", "this key came with another body before")));
        }
        return Answer { status: *status, kind: "application/json; charset=utf-8", body: body.clone() };
    }
    let answer = finish(carry_out(books));
    if answer.status == 200 {
        books.keys.insert(key, (sent, answer.status, answer.body.clone()));
    }
    answer
}

fn malformed(what: &str) -> Problem {
    Problem::new(400, "malformed", what)
}

fn here(books: &StoreBooks, location: Option<&str>) -> Result<(), Problem> {
    match location {
        Some(location) if location == books.location => Ok(()),
        Some(_) => Err(Problem::new(404, "unknown_location", "there is no such location")),
        None => Err(malformed("location is missing")),
    }
}

fn events(books: &mut StoreBooks, request: &Request) -> Outcome {
    here(books, request.asked("location"))?;
    let after = match request.asked("cursor").filter(|cursor| !cursor.is_empty()) {
        None => 0,
        Some(cursor) => {
            let place = cursor.strip_prefix("c-").and_then(|seq| seq.parse::<u64>().ok());
            place.ok_or_else(|| malformed("this is no cursor of ours"))?
        }
    };
    let limit = request.asked("limit").and_then(|limit| limit.parse().ok()).unwrap_or(PAGE).clamp(1, PAGE);
    let mut left = books.events.iter().filter(|event| event.seq > after);
    let page: Vec<_> = left.by_ref().take(limit).collect();
    let next = page.last().map_or(after, |event| event.seq);
    let shown = page.iter().map(|event| {
        let (seq, id, kind) = (event.seq, &event.order_id, event.kind.word());
        json!({"seq": seq, "order_id": id, "version": event.version, "kind": kind, "order": event.order})
    });
    let shown: Vec<Value> = shown.collect();
    Ok(json!({"events": shown, "next_cursor": format!("c-{next}"), "has_more": left.next().is_some()}))
}

fn acknowledge(books: &mut StoreBooks, request: &Request, id: &str) -> Outcome {
    if !books.orders.contains_key(id) {
        return Err(Problem::new(404, "unknown_order", "there is no such order"));
    }
    let body = request.json().ok_or_else(|| malformed("the body is no JSON"))?;
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let stage = text("stage");
    if !["received", "consumed", "rejected"].contains(&stage.as_str()) || text("at").parse::<Timestamp>().is_err() {
        return Err(malformed("stage and at are needed"));
    }
    let answer = json!({"order_id": id, "stage": stage});
    books.acks.push(Ack { order_id: id.to_owned(), stage, epos_ref: text("epos_ref"), at: text("at") });
    Ok(answer)
}

fn stock(books: &mut StoreBooks, request: &Request) -> Outcome {
    here(books, request.asked("location"))?;
    let asked = request.query.iter().filter(|(name, _)| name == "sku").map(|(_, sku)| sku);
    let items: Vec<Value> = asked.map(|sku| held(books, sku)).collect();
    if items.len() > MOST_LINES {
        return Err(Problem::new(413, "too_many_items", "too many SKUs at once"));
    }
    Ok(json!({"items": items}))
}

fn held(books: &StoreBooks, sku: &str) -> Value {
    match books.stock.get(sku) {
        None => json!({"sku": sku, "state": "unknown_sku", "status": "unknown_sku"}),
        Some(held) if !held.managed => {
            json!({"sku": sku, "state": "not_managed", "status": "not_managed", "reason": "nothing is counted here"})
        }
        Some(held) => {
            let mut item = json!({"sku": sku, "state": "kept", "version": held.version.to_string()});
            if let Some(available) = books.available(sku) {
                item["available"] = json!(available);
            }
            item
        }
    }
}

fn put_stock(books: &mut StoreBooks, request: &Request) -> Outcome {
    let body = request.json().ok_or_else(|| malformed("the body is no JSON"))?;
    here(books, body["location"].as_str())?;
    let as_of = body["as_of"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
    let as_of = as_of.ok_or_else(|| malformed("as_of is missing"))?;
    if body["snapshot_id"].as_str().is_none() {
        return Err(malformed("snapshot_id is missing"));
    }
    let items = body["items"].as_array().ok_or_else(|| malformed("items is missing"))?;
    if items.len() > MOST_LINES {
        return Err(Problem::new(413, "too_many_items", "too many lines at once"));
    }
    let included = body["orders_included"].as_array().ok_or_else(|| malformed("orders_included is missing"))?;
    let included: BTreeSet<String> = included.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let wanted: Option<Vec<Wanted>> = items.iter().map(wanted).collect();
    let wanted = wanted.ok_or_else(|| malformed("an item needs sku and available, both texts"))?;
    let became = books.put_stock(as_of, &wanted, included);
    let results: Vec<Value> = became.into_iter().map(|(sku, became)| result(books, &sku, became)).collect();
    Ok(json!({"results": results, "items": results}))
}

fn wanted(item: &Value) -> Option<Wanted> {
    let available = Quantity::parse(item["available"].as_str()?).ok()?;
    let if_version = match &item["if_version"] {
        Value::Null => None,
        Value::String(version) => Some(version.clone()),
        other => Some(other.to_string()),
    };
    Some(Wanted { sku: item["sku"].as_str()?.to_owned(), available, if_version })
}

fn result(books: &StoreBooks, sku: &str, became: Became) -> Value {
    let mut body = json!({"sku": sku, "result": became.word()});
    if let Some(available) = books.available(sku) {
        body["available"] = json!(available);
    }
    if let Some(version) = books.version(sku) {
        body["version"] = json!(version);
    }
    body
}

fn heartbeat(books: &mut StoreBooks) -> Outcome {
    books.heartbeats += 1;
    let limits = json!({"batch": MOST_LINES, "page": PAGE});
    Ok(json!({"server_time": books.clock.now().to_string(), "min_version": "0.1.0", "limits": limits}))
}

fn by_hand(books: &mut StoreBooks, request: &Request, route: &[&str]) -> Outcome {
    match (request.method.as_str(), route) {
        ("POST", ["orders"]) => {
            let body = request.json().unwrap_or_default();
            let line = |line: &Value| {
                let units = match &line["qty"] {
                    Value::Null => Quantity::ONE,
                    Value::String(text) => Quantity::parse(text).ok()?,
                    other => Quantity::parse(&other.to_string()).ok()?,
                };
                Some((line["sku"].as_str()?.to_owned(), units))
            };
            let lines: Option<Vec<_>> = body["lines"].as_array().and_then(|lines| lines.iter().map(line).collect());
            let lines = lines.filter(|lines| !lines.is_empty());
            let lines = lines.ok_or_else(|| malformed("send {\"lines\":[{\"sku\":\"1001\",\"qty\":1}]}"))?;
            let id = books.place(&lines, true)?;
            let number = books.orders.get(&id).map(|order| order.number.clone());
            Ok(json!({"order_id": id, "number": number}))
        }
        ("POST", ["orders", id, "ship"]) => books.ship(id).map(|()| json!({"shipped": true})),
        ("POST", ["orders", id, "cancel"]) => books.cancel(id).map(|()| json!({"cancelled": true})),
        ("GET", ["stock"]) => Ok(books.stock.keys().map(|sku| held(books, sku)).collect()),
        _ => Err(Problem::new(404, "unknown_route", "there is no such route")),
    }
}
