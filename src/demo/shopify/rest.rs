//! The simulated Shopify over HTTP: the GraphQL endpoint, the granting of tokens, and hand play.
//!
//! Promises: a token that is not good is refused with 401 and the words that Shopify has for it; every answer says which
//! version of the interface it comes from.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::response::Response;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{CLIENT_ID, Refused, SHOP, Shopify, ShopifyBooks, render};
use crate::demo::http::{Answer, LARGEST_BODY, Request, http_date};

/// How long a granted token holds.
const HOLDS: SignedDuration = SignedDuration::from_secs(86_399);

struct Served {
    store: Shopify,
    token: String,
}

/// Serves `store` to whoever has `token`: as access token, or as the secret of the app [`CLIENT_ID`].
pub fn router(store: Shopify, token: &str) -> Router {
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
    let (answer, now, version) = served.store.with(|books| {
        let answer = answer(books, &served.token, &request);
        (answer, books.clock.now(), books.version.clone())
    });
    let mut response = answer.into_response(&http_date(now));
    if let Ok(version) = HeaderValue::from_str(&version) {
        response.headers_mut().insert("x-shopify-api-version", version);
    }
    response
}

fn answer(books: &mut ShopifyBooks, token: &str, request: &Request) -> Answer {
    match (request.method.as_str(), request.segments().as_slice()) {
        (_, ["demo", rest @ ..]) => by_hand(books, request, rest),
        ("POST", ["admin", "oauth", "access_token"]) => grant(books, token, request),
        ("POST", ["admin", "api", _, "graphql.json"]) => {
            let given = request.headers.get("x-shopify-access-token").and_then(|value| value.to_str().ok());
            let now = books.clock.now();
            let granted = |given: &str| books.tokens.iter().any(|(known, until)| known == given && *until > now);
            if !given.is_some_and(|given| given == token || granted(given)) {
                let words = "[API] Invalid API key or access token (unrecognized login or wrong password)";
                return Answer::json(401, &json!({ "errors": words }));
            }
            match request.json() {
                Some(body) => Answer::ok(&books.answer(&body)),
                None => Answer::json(400, &json!({ "errors": "Bad Request" })),
            }
        }
        _ => Answer::json(404, &json!({ "errors": "Not Found" })),
    }
}

fn grant(books: &mut ShopifyBooks, secret: &str, request: &Request) -> Answer {
    let body = request.json().unwrap_or_default();
    let good =
        body["grant_type"] == "client_credentials" && body["client_id"] == CLIENT_ID && body["client_secret"] == secret;
    if !good {
        let words = json!({ "error": "invalid_request", "error_description": "The client ID or secret is not valid." });
        return Answer::json(400, &words);
    }
    let token = format!("shpat_demo_{}", books.next_id());
    let until = books.clock.now().saturating_add(HOLDS).unwrap_or(jiff::Timestamp::MAX);
    books.tokens.push((token.clone(), until));
    Answer::ok(&json!({ "access_token": token, "scope": books.scopes.join(","), "expires_in": HOLDS.as_secs() }))
}

fn by_hand(books: &mut ShopifyBooks, request: &Request, route: &[&str]) -> Answer {
    let of = |books: &ShopifyBooks, number: &str| {
        books.by_number(number).map(|order| order.id).ok_or_else(|| Refused(format!("no order {number}")))
    };
    let outcome = match (request.method.as_str(), route) {
        ("POST", ["orders"]) => {
            let body = request.json().unwrap_or_default();
            let line = |line: &Value| Some((line["sku"].as_str()?.to_owned(), line["qty"].as_i64().unwrap_or(1)));
            let lines: Vec<_> = body["lines"].as_array().into_iter().flatten().filter_map(line).collect();
            books.place_by_hand(&lines).map(|id| json!({ "number": books.order(id).map(|order| order.number.clone()) }))
        }
        ("POST", ["orders", number, "ship"]) => {
            of(books, number).and_then(|id| books.ship(id, SHOP)).map(|()| json!({ "shipped": true }))
        }
        ("POST", ["orders", number, "cancel"]) => {
            of(books, number).and_then(|id| books.cancel(id, true)).map(|()| json!({ "cancelled": true }))
        }
        ("GET", ["stock"]) => Ok(books.items.iter().map(render::shown).collect()),
        _ => Err(Refused("no such route".into())),
    };
    match outcome {
        Ok(value) => Answer::ok(&value),
        Err(Refused(why)) => Answer::json(409, &json!({ "error": why })),
    }
}
