//! The store API over HTTP.
//!
//! Promises: what `src/central/store_api/openapi.json` says, member by member, and nothing beside it; what it does not
//! know is refused. The cursor is opaque to the reader and never expires.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::response::Response;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::asked::{self, Members, Update, malformed};
use super::{Ack, Became, Kind, MOST_LINES, Problem, Store, StoreBooks};
use crate::demo::http::{Answer, LARGEST_BODY, Request, http_date};
use crate::domain::Quantity;

/// Why the store keeps no quantity of something.
const NOT_COUNTED: &str = "nothing is counted here";
/// How long an idempotency key is remembered: longer than any agent's queue.
const KEYS_ARE_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

type Outcome = Result<Value, Problem>;

/// Serves `store` to whoever has `token`, or another one that its books take.
pub fn router(store: Store, token: &str) -> Router {
    store.with(|books| books.take_token(token));
    Router::new().fallback(serve).layer(DefaultBodyLimit::max(LARGEST_BODY)).with_state(Arc::new(store))
}

async fn serve(State(store): State<Arc<Store>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let request = Request::new(method, &uri, headers, &body);
    let (answered, now) = store.with(|books| (answer(books, &request), books.clock.now()));
    let further = answered.further;
    let mut response = answered.answer.into_response(&http_date(now));
    if let Some((name, value)) = further
        && let Ok(value) = HeaderValue::from_str(&value)
    {
        response.headers_mut().insert(name, value);
    }
    response
}

/// An answer, with the header that goes with it.
pub(super) struct Answered {
    pub(super) answer: Answer,
    pub(super) further: Option<(HeaderName, String)>,
}

pub(super) fn answer(books: &mut StoreBooks, request: &Request) -> Answered {
    let segments = request.segments();
    if let ["demo", rest @ ..] = segments.as_slice() {
        return finish(by_hand(books, request, rest));
    }
    if let Some(problem) = books.busy() {
        return finish(Err(problem));
    }
    if !request.bearer().is_some_and(|token| books.takes_token(token)) {
        return finish(Err(Problem::new(401, "unauthorised", "the token is missing or not accepted")));
    }
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["v1", "orders"]) => finish(events(books, request)),
        ("POST", ["v1", "orders", id, "ack"]) => once(books, request, |books, body| acknowledge(books, body, id)),
        ("GET", ["v1", "stock"]) => finish(stock(books, request)),
        ("PUT", ["v1", "stock"]) => finish(written(request).and_then(|body| put_stock(books, &body))),
        ("POST", ["v1", "heartbeat"]) => finish(written(request).and_then(|body| heartbeat(books, &body))),
        (_, route) => finish(Err(no_such_route(route))),
    }
}

fn no_such_route(route: &[&str]) -> Problem {
    let methods = match route {
        ["v1", "orders"] => "GET",
        ["v1", "stock"] => "GET, PUT",
        ["v1", "orders", _, "ack"] | ["v1", "heartbeat"] => "POST",
        _ => return Problem::new(404, "unknown_route", "there is no such route"),
    };
    let problem = Problem::new(405, "method_not_allowed", "there is no such method here");
    Problem { further: Some((header::ALLOW, methods.to_owned())), ..problem }
}

fn finish(outcome: Outcome) -> Answered {
    match outcome {
        Ok(value) => Answered { answer: Answer::ok(&value), further: None },
        Err(Problem { status, code, detail, max, further }) => {
            let title = code.replace('_', " ");
            let mut body =
                json!({"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail});
            if let Some(max) = max {
                body["max"] = json!(max);
            }
            let who = (status == 401).then(|| (header::WWW_AUTHENTICATE, "Bearer".to_owned()));
            let answer = Answer { kind: "application/problem+json", ..Answer::json(status, &body) };
            Answered { answer, further: further.or(who) }
        }
    }
}

/// The body of a request that has no parameters.
fn written(request: &Request) -> Outcome {
    asked::parameters(request, &[], "")?;
    asked::body(request)
}

/// Carries out once what comes with the same idempotency key, and answers the same again.
fn once(
    books: &mut StoreBooks,
    request: &Request,
    carry_out: impl FnOnce(&mut StoreBooks, &Value) -> Outcome,
) -> Answered {
    let (key, body) = match asked::idempotency_key(request).and_then(|key| Ok((key, written(request)?))) {
        Ok(read) => read,
        Err(problem) => return finish(Err(problem)),
    };
    let now = books.clock.now();
    books.keys.retain(|_, (at, _, _)| now.duration_since(*at) <= KEYS_ARE_KEPT);
    let sent = format!("{} {}", request.path.join("/"), String::from_utf8_lossy(&request.body));
    match books.keys.get(&key) {
        Some((_, before, answer)) if *before == sent => return finish(Ok(answer.clone())),
        Some(_) => {
            return finish(Err(Problem::new(409, "idempotency_key_reused", "this key came with another body before")));
        }
        None => {}
    }
    let outcome = carry_out(books, &body);
    if let Ok(answer) = &outcome {
        books.keys.insert(key, (now, sent, answer.clone()));
    }
    finish(outcome)
}

fn here(books: &StoreBooks, location: Option<&str>) -> Result<(), Problem> {
    match location {
        Some(location) if location == books.location => Ok(()),
        Some(_) => Err(Problem::new(404, "unknown_location", "there is no such location")),
        None => Err(malformed("location is missing")),
    }
}

fn events(books: &mut StoreBooks, request: &Request) -> Outcome {
    asked::parameters(request, &["location", "cursor", "limit"], "")?;
    let (after, limit) = (asked::cursor(request)?, asked::limit(request)?);
    here(books, request.asked("location"))?;
    let mut left = books.events.iter().filter(|event| event.seq > after);
    let page: Vec<_> = left.by_ref().take(limit).collect();
    let next = page.last().map_or(after, |event| event.seq);
    let shown = page.iter().map(|event| {
        let (seq, id, kind, version) = (event.seq, &event.order_id, event.kind.word(), event.version.to_string());
        let mut body = json!({"seq": seq, "order_id": id, "version": version, "kind": kind});
        if event.kind != Kind::MovedAway {
            body["order"] = event.order.clone();
        }
        body
    });
    let shown: Vec<Value> = shown.collect();
    Ok(json!({"events": shown, "next_cursor": format!("c-{next}"), "has_more": left.next().is_some()}))
}

fn acknowledge(books: &mut StoreBooks, body: &Value, id: &str) -> Outcome {
    let members = Members::of(body, &["stage", "version", "epos_ref", "at"])?;
    let stage = members.needed("stage")?;
    if !["received", "consumed", "rejected", "failed"].contains(&stage) {
        return Err(malformed(&format!("stage: {stage:?} is none")));
    }
    members.moment("at")?.ok_or_else(|| malformed("at is missing"))?;
    members.text("version")?;
    let epos_ref = members.text("epos_ref")?.unwrap_or_default().to_owned();
    if !books.orders.contains_key(id) {
        return Err(Problem::new(404, "unknown_order", "there is no such order"));
    }
    let at = members.needed("at")?.to_owned();
    books.acks.push(Ack { order_id: id.to_owned(), stage: stage.to_owned(), epos_ref, at });
    Ok(json!({"order_id": id, "stage": stage}))
}

fn stock(books: &mut StoreBooks, request: &Request) -> Outcome {
    asked::parameters(request, &["location", "sku"], "sku")?;
    let skus = asked::skus(request)?;
    here(books, request.asked("location"))?;
    let items: Vec<Value> = skus.into_iter().map(|sku| held(books, sku)).collect();
    Ok(json!({"items": items}))
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

fn put_stock(books: &mut StoreBooks, body: &Value) -> Outcome {
    let update = Update::of(body)?;
    here(books, Some(update.location))?;
    let counted = super::Counted { through: update.through, but: update.not_counted.into_iter().collect() };
    let became = books.put_stock(update.as_of, &update.items, &counted)?;
    let results: Vec<Value> = became.into_iter().map(|(sku, became)| result(books, &sku, became)).collect();
    Ok(json!({"results": results}))
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

fn heartbeat(books: &mut StoreBooks, body: &Value) -> Outcome {
    let known = ["agent", "version", "location", "last_cursor", "last_snapshot", "queue_depth", "clock"];
    let members = Members::of(body, &known)?;
    for name in ["agent", "version"] {
        members.needed(name)?;
    }
    for name in ["last_cursor", "last_snapshot"] {
        members.text(name)?;
    }
    members.whole("queue_depth")?;
    members.moment("clock")?;
    here(books, Some(members.needed("location")?))?;
    books.heartbeats.push(body.clone());
    let limits = json!({"batch": books.most_lines.min(MOST_LINES), "page": asked::PAGE});
    Ok(json!({"server_time": books.clock.now().to_string(), "min_version": books.least_version, "limits": limits}))
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
        ("POST", ["orders", id, "move"]) => books.move_away(id).map(|()| json!({"moved": true})),
        ("GET", ["stock"]) => Ok(books.stock.keys().map(|sku| held(books, sku)).collect()),
        _ => Err(Problem::new(404, "unknown_route", "there is no such route")),
    }
}
