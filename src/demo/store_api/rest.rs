//! The store API over HTTP.
//!
//! Promises: what `src/central/store_api/openapi.json` says, member by member, and nothing beside it; a member of a
//! request that it does not know is refused. The cursor is opaque to the reader and never expires.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Ack, Became, MOST_ASKED, MOST_LINES, Problem, Store, StoreBooks, Wanted};
use crate::demo::http::{Answer, LARGEST_BODY, Request, http_date};
use crate::domain::Quantity;

/// Events in one page when nobody asks for fewer.
const PAGE: usize = 100;

/// Why the store keeps no quantity of something.
const NOT_COUNTED: &str = "nothing is counted here";

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
        ("POST", ["v1", "heartbeat"]) => finish(heartbeat(books, request)),
        _ => finish(Err(Problem::new(404, "unknown_route", "there is no such route"))),
    }
}

fn finish(outcome: Outcome) -> Answer {
    match outcome {
        Ok(value) => Answer::ok(&value),
        Err(Problem { status, code, title, max }) => {
            let mut body = json!({"type": "about:blank", "title": title, "status": status, "code": code});
            if let Some(max) = max {
                body["max"] = json!(max);
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

/// The body, if it has these members only.
fn sent(request: &Request, known: &[&str]) -> Outcome {
    let body = request.json().ok_or_else(|| malformed("the body is no JSON"))?;
    only(&body, known)?;
    Ok(body)
}

fn only(object: &Value, known: &[&str]) -> Result<(), Problem> {
    let members = object.as_object().ok_or_else(|| malformed("an object is needed"))?;
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(malformed(&format!("{unknown:?} is not in the contract"))),
        None => Ok(()),
    }
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
    let limit = request.asked("limit").map_or(Ok(PAGE), str::parse).map_err(|_| malformed("limit is no number"))?;
    let mut left = books.events.iter().filter(|event| event.seq > after);
    let page: Vec<_> = left.by_ref().take(limit.clamp(1, PAGE)).collect();
    let next = page.last().map_or(after, |event| event.seq);
    let shown = page.iter().map(|event| {
        let (seq, id, kind, version) = (event.seq, &event.order_id, event.kind.word(), event.version.to_string());
        json!({"seq": seq, "order_id": id, "version": version, "kind": kind, "order": event.order})
    });
    let shown: Vec<Value> = shown.collect();
    Ok(json!({"events": shown, "next_cursor": format!("c-{next}"), "has_more": left.next().is_some()}))
}

fn acknowledge(books: &mut StoreBooks, request: &Request, id: &str) -> Outcome {
    if !books.orders.contains_key(id) {
        return Err(Problem::new(404, "unknown_order", "there is no such order"));
    }
    let body = sent(request, &["stage", "version", "epos_ref", "at"])?;
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
    match items.len() {
        0 => Err(malformed("sku is missing")),
        1..=MOST_ASKED => Ok(json!({"items": items})),
        _ => Err(Problem::too_many(MOST_ASKED)),
    }
}

fn held(books: &StoreBooks, sku: &str) -> Value {
    match books.stock.get(sku) {
        None => json!({"sku": sku, "state": "unknown_sku"}),
        Some(held) if !held.managed => {
            json!({"sku": sku, "state": "not_managed", "reason": NOT_COUNTED})
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
    let body = sent(request, &["location", "snapshot_id", "as_of", "items", "orders_included"])?;
    here(books, body["location"].as_str())?;
    let as_of = body["as_of"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
    let as_of = as_of.ok_or_else(|| malformed("as_of is missing"))?;
    if body["snapshot_id"].as_str().is_none() {
        return Err(malformed("snapshot_id is missing"));
    }
    let items = body["items"].as_array().ok_or_else(|| malformed("items is missing"))?;
    if items.len() > MOST_LINES {
        return Err(Problem::too_many(MOST_LINES));
    }
    let included = body["orders_included"].as_array().ok_or_else(|| malformed("orders_included is missing"))?;
    let included: BTreeSet<String> = included.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let wanted = items.iter().map(wanted).collect::<Result<Vec<_>, _>>()?;
    if wanted.is_empty() {
        return Err(malformed("items is empty"));
    }
    let became = books.put_stock(as_of, &wanted, included);
    let results: Vec<Value> = became.into_iter().map(|(sku, became)| result(books, &sku, became)).collect();
    Ok(json!({"results": results}))
}

fn wanted(item: &Value) -> Result<Wanted, Problem> {
    only(item, &["sku", "available", "if_version"])?;
    let text =
        |name: &str| item.get(name).map(|it| it.as_str().ok_or_else(|| malformed(&format!("{name} is no text"))));
    let needed = |name: &str| text(name).unwrap_or_else(|| Err(malformed(&format!("{name} is missing"))));
    let available = Quantity::parse(needed("available")?).map_err(|why| malformed(&format!("available: {why}")))?;
    let if_version = text("if_version").transpose()?.map(str::to_owned);
    Ok(Wanted { sku: needed("sku")?.to_owned(), available, if_version })
}

fn result(books: &StoreBooks, sku: &str, became: Became) -> Value {
    let mut body = json!({"sku": sku, "result": became.word()});
    if let Some(available) = books.available(sku) {
        body["available"] = json!(available);
    }
    match became {
        Became::Applied | Became::Conflict | Became::Superseded => body["version"] = json!(books.version(sku)),
        Became::NotManaged => body["reason"] = json!(NOT_COUNTED),
        Became::UnknownSku => {}
    }
    body
}

fn heartbeat(books: &mut StoreBooks, request: &Request) -> Outcome {
    let known = ["agent", "version", "location", "last_cursor", "last_snapshot", "queue_depth", "clock"];
    let body = sent(request, &known)?;
    here(books, body["location"].as_str())?;
    if !body["agent"].is_string() || !body["version"].is_string() {
        return Err(malformed("agent and version are needed"));
    }
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
