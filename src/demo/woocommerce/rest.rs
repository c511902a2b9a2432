//! The REST answers of the simulated WooCommerce.
//!
//! Promises: the routes that the agent uses under `/wp-json/wc/v3`, with WooCommerce's codes and statuses; HTTP Basic as
//! `class-wc-rest-authentication.php` has it: an unknown key or a dropped header is a visitor without rights, a wrong
//! secret and a missing permission are authentication errors. Does not promise OAuth, keys in the address or webhooks.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::{Permissions, Refusal, Woo, WooBooks, rest_orders, rest_products};
use crate::demo::http::{Answer, LARGEST_BODY, Request, http_date};

/// The consumer key of the simulated shop. It opens nothing else.
pub const CONSUMER_KEY: &str = "ck_demo_key_that_opens_nothing";
/// The consumer secret of the simulated shop. It opens nothing else.
pub const CONSUMER_SECRET: &str = "cs_demo_secret_that_opens_nothing";

/// What a handler gives.
pub(super) struct Given {
    pub(super) status: u16,
    pub(super) body: Value,
    /// Rows on all pages, where it is a list with pages, and how many fit on one.
    pub(super) pages: Option<(usize, usize)>,
}

impl Given {
    pub(super) fn one(body: Value) -> Self {
        Self { status: 200, body, pages: None }
    }
}

/// What a handler gives, or a refusal.
pub(super) type Outcome = Result<Given, Refusal>;

/// Carries out a route.
type Act = fn(&mut WooBooks, &Request, &[&str]) -> Outcome;

/// Who carries out a route, and what a visitor without rights is told: code and words.
type Route = (Act, (&'static str, &'static str));

/// Serves `woo` to whoever has [`CONSUMER_KEY`] and [`CONSUMER_SECRET`].
pub fn router(woo: Woo) -> Router {
    Router::new().fallback(serve).layer(DefaultBodyLimit::max(LARGEST_BODY)).with_state(Arc::new(woo))
}

async fn serve(State(woo): State<Arc<Woo>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let request = Request::new(method, &uri, headers, &body);
    let ((answer, pages), now) = woo.with(|books| (answer(books, &request), books.now()));
    let mut response = answer.into_response(&http_date(now));
    if let Some((rows, per_page)) = pages {
        for (name, number) in [("x-wp-total", rows), ("x-wp-totalpages", rows.div_ceil(per_page.max(1)))] {
            response.headers_mut().insert(name, HeaderValue::from(number));
        }
    }
    response
}

/// Answers one request.
pub(super) fn answer(books: &mut WooBooks, request: &Request) -> (Answer, Option<(usize, usize)>) {
    if books.plain_permalinks {
        return (plain_permalinks(request), None);
    }
    let outcome = carry_out(books, request);
    match outcome {
        Ok(Given { status, body, pages }) => (Answer::json(status, &projected(body, request.asked("_fields"))), pages),
        Err(refusal) => (refuse(&refusal), None),
    }
}

fn plain_permalinks(request: &Request) -> Answer {
    if request.asked("rest_route") == Some("/") {
        return Answer::ok(&json!({ "name": "Demo", "namespaces": ["wc/v3", "wp/v2"] }));
    }
    let body = "<!DOCTYPE html><html><head><title>Page not found</title></head><body>Nothing here.</body></html>";
    Answer { status: 404, kind: "text/html; charset=UTF-8", body: body.into() }
}

fn carry_out(books: &mut WooBooks, request: &Request) -> Outcome {
    let no_route = || Refusal::new(404, "rest_no_route", "No route was found matching the URL and request method.");
    let segments = request.segments();
    let ["wp-json", "wc", "v3", route @ ..] = segments.as_slice() else { return Err(no_route()) };
    let (act, (code, words)) = find(request.method.as_str(), route).ok_or_else(no_route)?;
    if !authenticated(books, request)? {
        return Err(Refusal::new(401, code, words));
    }
    if !books.may_manage {
        return Err(Refusal::new(403, code, words));
    }
    act(books, request, route)
}

const CANNOT_LIST: (&str, &str) = ("woocommerce_rest_cannot_view", "Sorry, you cannot list resources.");
const CANNOT_VIEW: (&str, &str) = ("woocommerce_rest_cannot_view", "Sorry, you cannot view this resource.");
const CANNOT_EDIT: (&str, &str) = ("woocommerce_rest_cannot_edit", "Sorry, you are not allowed to edit this resource.");
const CANNOT_CREATE: (&str, &str) =
    ("woocommerce_rest_cannot_create", "Sorry, you are not allowed to create resources.");
const CANNOT_BATCH: (&str, &str) =
    ("woocommerce_rest_cannot_batch", "Sorry, you are not allowed to batch manipulate this resource.");

fn find(method: &str, route: &[&str]) -> Option<Route> {
    let found: Route = match (method, route) {
        ("GET", ["orders"]) => (rest_orders::list, CANNOT_LIST),
        ("GET", ["orders", _]) => (rest_orders::one, CANNOT_VIEW),
        ("PUT", ["orders", _]) => (rest_orders::update, CANNOT_EDIT),
        ("GET", ["orders", _, "notes"]) => (rest_orders::notes, CANNOT_LIST),
        ("POST", ["orders", _, "notes"]) => (rest_orders::add_note, CANNOT_CREATE),
        ("GET", ["products"]) => (rest_products::list, CANNOT_LIST),
        ("POST", ["products", "batch"]) => (rest_products::batch, CANNOT_BATCH),
        ("POST", ["products", _, "variations", "batch"]) => (rest_products::variations_batch, CANNOT_BATCH),
        ("GET", ["settings", "products", "woocommerce_manage_stock"]) => (manage_stock, CANNOT_VIEW),
        ("GET", ["system_status"]) => (system_status, CANNOT_LIST),
        ("GET", ["reports", "orders", "totals"]) => (statuses, CANNOT_LIST),
        _ => return None,
    };
    Some(found)
}

/// Is it the key's user? An unknown key is nobody.
fn authenticated(books: &WooBooks, request: &Request) -> Result<bool, Refusal> {
    let Some((key, secret)) = basic(request).filter(|_| !books.drops_authorization) else { return Ok(false) };
    if key != CONSUMER_KEY {
        return Ok(false);
    }
    let error = |words: &str| Refusal::new(401, "woocommerce_rest_authentication_error", words);
    if secret != CONSUMER_SECRET {
        return Err(error("Consumer secret is invalid."));
    }
    match (books.permissions, request.method == Method::GET) {
        (Permissions::ReadWrite, _) | (Permissions::Read, true) | (Permissions::Write, false) => Ok(true),
        (Permissions::Write, true) => Err(error("The API key provided does not have read permissions.")),
        (Permissions::Read, false) => Err(error("The API key provided does not have write permissions.")),
    }
}

fn basic(request: &Request) -> Option<(String, String)> {
    let value = request.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let pair = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    let (key, secret) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    Some((key.to_owned(), secret.to_owned()))
}

fn refuse(refusal: &Refusal) -> Answer {
    let body = json!({ "code": refusal.code, "message": refusal.message, "data": { "status": refusal.status } });
    Answer::json(refusal.status, &body)
}

/// What `_fields` leaves of an object, or of each object of a list.
fn projected(value: Value, fields: Option<&str>) -> Value {
    let Some(fields) = fields.filter(|fields| !fields.is_empty()) else { return value };
    let wanted: Vec<&str> = fields.split(',').map(str::trim).collect();
    match value {
        Value::Array(list) => list.into_iter().map(|one| projected(one, Some(fields))).collect(),
        Value::Object(members) => {
            let kept: Map<String, Value> =
                members.into_iter().filter(|(name, _)| wanted.contains(&name.as_str())).collect();
            Value::Object(kept)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn manage_stock(books: &mut WooBooks, _: &Request, _: &[&str]) -> Outcome {
    let value = if books.manages_stock { "yes" } else { "no" };
    Ok(Given::one(json!({ "id": "woocommerce_manage_stock", "label": "Manage stock", "value": value })))
}

fn system_status(books: &mut WooBooks, _: &Request, _: &[&str]) -> Outcome {
    Ok(Given::one(json!({ "environment": { "version": books.version, "wp_version": "6.7.1" } })))
}

fn statuses(books: &mut WooBooks, _: &Request, _: &[&str]) -> Outcome {
    let all = super::order::STATUSES.into_iter().map(str::to_owned).chain(books.statuses.iter().cloned());
    let row = |slug: String| {
        let total = books.orders().filter(|order| order.status == slug).count();
        json!({ "slug": slug, "name": slug, "total": total })
    };
    Ok(Given::one(all.map(row).collect()))
}

/// A parameter that does not fit.
pub(super) fn invalid(name: &str) -> Refusal {
    Refusal::new(400, "rest_invalid_param", format!("Invalid parameter(s): {name}"))
}

/// A whole number in the query; the default where it is left out.
pub(super) fn whole(
    request: &Request,
    name: &str,
    default: usize,
    least: usize,
    most: usize,
) -> Result<usize, Refusal> {
    let Some(text) = request.asked(name) else { return Ok(default) };
    text.parse().ok().filter(|number| (least..=most).contains(number)).ok_or_else(|| invalid(name))
}

/// One of these words in the query; the first where it is left out.
pub(super) fn word<'a>(request: &'a Request, name: &str, words: &[&'a str]) -> Result<&'a str, Refusal> {
    let asked = request.asked(name).or_else(|| words.first().copied()).unwrap_or_default();
    if words.contains(&asked) { Ok(asked) } else { Err(invalid(name)) }
}

/// The rows of one page: `offset` when it is given, else by `page`.
pub(super) fn page(rows: Vec<Value>, request: &Request) -> Outcome {
    let per_page = whole(request, "per_page", 10, 1, 100)?;
    let before = (whole(request, "page", 1, 1, usize::MAX)? - 1) * per_page;
    let offset = whole(request, "offset", before, 0, usize::MAX)?;
    let total = rows.len();
    let body = rows.into_iter().skip(offset).take(per_page).collect();
    Ok(Given { status: 200, body, pages: Some((total, per_page)) })
}
