//! Faults on the line between agent and store, to be switched on and off while both run.
//!
//! Promises: a fault hits exactly the requests it was set for, and every request is counted, hit or not. A dead line
//! answers nothing at all: new connections are closed before TLS, open ones in the middle of the request.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::line::Line;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The line is dead: connections are dropped without an answer, and nothing is carried out.
    Offline,
    /// 503 with an HTML page, as a Magento in maintenance mode gives (observed; no `Retry-After`).
    Maintenance,
    /// 200 with an HTML page, as a login, a firewall or a robot check in front of the shop gives.
    WebPage,
    /// 401, whatever the token.
    Unauthorised,
    /// 404 for every route, as a Magento gives when `url` leads beside its REST interface (observed).
    NoRoute,
    /// 429 with `Retry-After`.
    TooMany(Duration),
    /// 500 in plain text that breaks off, as with a stopped database (observed).
    ServerError,
    /// 403 with an HTML page, as a web application firewall gives that does not like what is in a request.
    Firewall,
    /// 400 with a message that says nothing.
    Malformed,
    /// Carried out; the answer stops in the middle of its body.
    CutBody,
    /// Carried out; the answer never arrives.
    AnswerLost,
    /// Carried out after a pause.
    Latency(Duration),
    /// The answer never arrives, and the request is carried out only when [`Faults::carry_out_late`] says so: long after
    /// the client gave up (observed with a frozen database).
    Late,
}

/// How long a fault lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// For so many requests (or, offline, connections).
    Next(u32),
    /// Until [`Faults::clear`].
    UntilCleared,
}

#[derive(Debug, Clone)]
struct Rule {
    fault: Fault,
    count: Count,
    only: Option<String>,
    /// Only requests with this word in their query or body.
    word: Option<String>,
}

type Then = Box<dyn FnOnce() + Send>;
type EachTime = Arc<dyn Fn() + Send + Sync>;
/// A request that is carried out later.
type Delayed = Pin<Box<dyn Future<Output = Response> + Send>>;

/// What the test does between two requests.
#[derive(Default)]
struct Hooks {
    /// Route, how many such requests are still to pass, and what to do before the one after those.
    before: Vec<(String, u32, Then)>,
    /// Route, and what to do after each such request was carried out.
    after: Vec<(String, EachTime)>,
    /// What came late.
    late: Vec<Delayed>,
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks").field("before", &self.before.len()).field("after", &self.after.len()).finish()
    }
}

#[derive(Debug, Default)]
struct Inside {
    rules: Vec<Rule>,
    hooks: Hooks,
    seen: BTreeMap<String, u64>,
    lines: BTreeMap<SocketAddr, Line>,
}

/// The switch. Clones switch the same line.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Inside>>);

impl Faults {
    /// Switches a fault on for all requests.
    pub fn set(&self, fault: Fault, count: Count) {
        self.add(Rule { fault, count, only: None, word: None });
    }

    /// Switches a fault on for requests whose `METHOD /path/{}` (see [`route_of`]) contains `only`.
    pub fn set_for(&self, only: &str, fault: Fault, count: Count) {
        self.add(Rule { fault, count, only: Some(only.to_owned()), word: None });
    }

    /// The same for requests that have `word` in their query or body as well: one bad item spoils what it is in.
    pub fn set_for_content(&self, only: &str, word: &str, fault: Fault, count: Count) {
        self.add(Rule { fault, count, only: Some(only.to_owned()), word: Some(word.to_owned()) });
    }

    /// Does this before the `nth` request (from 1) to a route that contains `only` is carried out.
    pub fn before(&self, only: &str, nth: u32, then: impl FnOnce() + Send + 'static) {
        let left = nth.saturating_sub(1);
        self.with(|inside| inside.hooks.before.push((only.to_owned(), left, Box::new(then))));
    }

    /// Does this after every request to a route that contains `only`, before it is answered.
    pub fn after_each(&self, only: &str, then: impl Fn() + Send + Sync + 'static) {
        self.with(|inside| inside.hooks.after.push((only.to_owned(), Arc::new(then))));
    }

    /// Is everything done that [`Faults::before`] was told?
    pub fn all_happened(&self) -> bool {
        self.with(|inside| inside.hooks.before.is_empty())
    }

    /// Carries out what came [`Fault::Late`], in the order in which it came. Returns how many requests that were.
    pub async fn carry_out_late(&self) -> usize {
        let late = self.with(|inside| std::mem::take(&mut inside.hooks.late));
        let count = late.len();
        for request in late {
            request.await;
        }
        count
    }

    /// What is to be done before this request.
    fn due_before(&self, route: &str) -> Vec<Then> {
        self.with(|inside| {
            let (mut due, mut later) = (Vec::new(), Vec::new());
            for (only, left, then) in inside.hooks.before.drain(..) {
                match (route.contains(&only), left) {
                    (true, 0) => due.push(then),
                    (true, left) => later.push((only, left - 1, then)),
                    (false, left) => later.push((only, left, then)),
                }
            }
            inside.hooks.before = later;
            due
        })
    }

    fn due_after(&self, route: &str) -> Vec<EachTime> {
        self.with(|inside| {
            let mine = inside.hooks.after.iter().filter(|(only, _)| route.contains(only));
            mine.map(|(_, then)| then.clone()).collect()
        })
    }

    fn looks_into_content(&self) -> bool {
        self.with(|inside| inside.rules.iter().any(|rule| rule.word.is_some()))
    }

    /// Switches all faults off.
    pub fn clear(&self) {
        self.with(|inside| inside.rules.clear());
    }

    /// How many requests came so far, by route (`POST /V1/orders/{}/comments`), failed ones included.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.with(|inside| inside.seen.clone())
    }

    /// How many requests came to routes that contain `part`.
    pub fn count(&self, part: &str) -> u64 {
        self.with(|inside| inside.seen.iter().filter(|(route, _)| route.contains(part)).map(|(_, seen)| seen).sum())
    }

    /// Forgets the counts.
    pub fn forget_counts(&self) {
        self.with(|inside| inside.seen.clear());
    }

    fn add(&self, rule: Rule) {
        self.with(|inside| inside.rules.push(rule));
    }

    fn with<T>(&self, look: impl FnOnce(&mut Inside) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A connection was made.
    pub(crate) fn know_line(&self, peer: SocketAddr, line: Line) {
        self.with(|inside| inside.lines.insert(peer, line));
    }

    /// A connection ended.
    pub(crate) fn forget_line(&self, peer: SocketAddr) {
        self.with(|inside| inside.lines.remove(&peer));
    }

    fn line_of(&self, request: &Request) -> Option<Line> {
        let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
        self.with(|inside| inside.lines.get(peer).cloned())
    }

    /// Is a new connection to be dropped? Uses up one of a counted fault.
    pub(crate) fn drops_connection(&self) -> bool {
        self.with(|inside| inside.take(|rule| rule.fault == Fault::Offline && rule.only.is_none()).is_some())
    }

    /// What befalls this request: a pause, and one fault at most.
    fn befalling(&self, route: &str, content: &str) -> (Option<Duration>, Option<Fault>) {
        self.with(|inside| {
            *inside.seen.entry(route.to_owned()).or_default() += 1;
            let mine = |rule: &Rule| {
                rule.only.as_ref().is_none_or(|only| route.contains(only))
                    && rule.word.as_ref().is_none_or(|word| content.contains(word))
            };
            let pause = inside.take(|rule| mine(rule) && matches!(rule.fault, Fault::Latency(_)));
            let pause = match pause {
                Some(Fault::Latency(pause)) => Some(pause),
                _ => None,
            };
            (pause, inside.take(|rule| mine(rule) && !matches!(rule.fault, Fault::Latency(_))))
        })
    }
}

impl Inside {
    fn take(&mut self, wanted: impl Fn(&Rule) -> bool) -> Option<Fault> {
        let at = self.rules.iter().position(wanted)?;
        let rule = self.rules.get_mut(at)?;
        let fault = rule.fault;
        if let Count::Next(left) = rule.count {
            if left <= 1 {
                self.rules.remove(at);
            } else {
                rule.count = Count::Next(left - 1);
            }
        }
        Some(fault)
    }
}

/// The segments after which comes a key, not a word.
const KEYED: [&str; 11] = [
    "orders",
    "order",
    "products",
    "stockItems",
    "shipment",
    "creditmemo",
    "sources",
    "stocks",
    "get-product-salable-quantity",
    "is-product-salable",
    "website",
];

/// `GET /rest/default/V1/orders/12?…` as `GET /V1/orders/{}`.
pub fn route_of(method: &str, path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let parts = match parts.as_slice() {
        ["rest", "V1", ..] => &parts[1..],
        ["rest", _, "V1", ..] => &parts[2..],
        _ => parts.as_slice(),
    };
    let mut route = format!("{method} ");
    for (at, part) in parts.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| parts.get(before));
        let keyed = before.is_some_and(|before| KEYED.contains(before)) || part.bytes().all(|b| b.is_ascii_digit());
        route.push('/');
        route.push_str(if keyed { "{}" } else { part });
    }
    route
}

/// The route of a request. All of GraphQL comes to one path: there the operation's name stands in it.
async fn route_and(request: Request) -> (String, Request) {
    let route = route_of(request.method().as_str(), request.uri().path());
    if !route.ends_with("/graphql.json") {
        return (route, request);
    }
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, super::http::LARGEST_BODY).await.unwrap_or_default();
    let asked: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let name = asked["operationName"].as_str().unwrap_or_default();
    (format!("POST /graphql/{name}"), Request::from_parts(head, Body::from(body)))
}

/// Puts the switch in front of a store.
pub(crate) fn in_front_of(router: Router, faults: Faults) -> Router {
    router.layer(axum::middleware::from_fn_with_state(faults, befall))
}

async fn befall(State(faults): State<Faults>, request: Request, next: Next) -> Response {
    let line = faults.line_of(&request);
    let (route, request) = route_and(request).await;
    let (request, content) = read(&faults, request).await;
    let (pause, fault) = faults.befalling(&route, &content);
    for then in faults.due_before(&route) {
        then();
    }
    if let Some(pause) = pause {
        tokio::time::sleep(pause).await;
    }
    let cut = |then: fn(&Line)| {
        if let Some(line) = &line {
            then(line);
        }
    };
    let answer = match fault {
        None | Some(Fault::Latency(_)) => next.run(request).await,
        Some(Fault::Offline) => {
            cut(Line::die);
            StatusCode::BAD_GATEWAY.into_response()
        }
        Some(Fault::AnswerLost) => {
            let lost = next.run(request).await;
            cut(Line::die);
            lost
        }
        Some(Fault::Late) => {
            // Its body has to be read while the line is up.
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, super::http::LARGEST_BODY).await.unwrap_or_default();
            let later = next.run(Request::from_parts(head, Body::from(body)));
            faults.with(|inside| inside.hooks.late.push(Box::pin(later)));
            cut(Line::die);
            StatusCode::BAD_GATEWAY.into_response()
        }
        Some(Fault::CutBody) => {
            let whole = next.run(request).await;
            cut(Line::cut_next_body);
            whole
        }
        Some(Fault::Maintenance) => page(StatusCode::SERVICE_UNAVAILABLE, "text/html; charset=utf-8", MAINTENANCE),
        Some(Fault::ServerError) => page(StatusCode::INTERNAL_SERVER_ERROR, "text/plain;charset=UTF-8", BROKEN_OFF),
        Some(Fault::WebPage) => page(StatusCode::OK, "text/html; charset=utf-8", WELCOME),
        Some(Fault::NoRoute) => page(StatusCode::NOT_FOUND, "application/json; charset=utf-8", NO_ROUTE),
        Some(Fault::Unauthorised) => page(StatusCode::UNAUTHORIZED, "application/json; charset=utf-8", UNAUTHORISED),
        Some(Fault::TooMany(after)) => {
            let mut answer =
                page(StatusCode::TOO_MANY_REQUESTS, "application/json", "{\"message\":\"Too Many Requests\"}");
            answer.headers_mut().insert(header::RETRY_AFTER, after.as_secs().into());
            answer
        }
        Some(Fault::Firewall) => page(StatusCode::FORBIDDEN, "text/html; charset=utf-8", BLOCKED),
        Some(Fault::Malformed) => page(StatusCode::BAD_REQUEST, "application/json", "{\"message\":\"Bad Request\"}"),
    };
    for then in faults.due_after(&route) {
        then();
    }
    answer
}

/// The request with what is in it, when somebody wants to know; read whole in that case.
async fn read(faults: &Faults, request: Request) -> (Request, String) {
    if !faults.looks_into_content() {
        return (request, String::new());
    }
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, super::http::LARGEST_BODY).await.unwrap_or_default();
    let content = format!("{} {}", parts.uri, String::from_utf8_lossy(&bytes));
    (Request::from_parts(parts, Body::from(bytes)), content)
}

fn page(status: StatusCode, kind: &'static str, body: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, kind)], Body::from(body)).into_response()
}

/// As observed in maintenance mode, shortened.
const MAINTENANCE: &str = "<!doctype html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" >\n<head>\n    \
    <title>Error 503: Service Unavailable</title>\n</head>\n<body>\n<h1>Service Temporarily Unavailable</h1>\n<p>\n    \
    The server is temporarily unable to service your request due to maintenance downtime or capacity problems.\n    \
    Please try again later.\n</p>\n</body>\n</html>\n";

/// As observed with a stopped database: an HTML page that breaks off, called plain text.
const BROKEN_OFF: &str = "<!doctype html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" >\n<head>\n    \
    <title>There has been an error processing your request</title>\n    <base href=\"An error has happened during \
    application run. See exception log for details.\n";

/// What a web application firewall shows.
const BLOCKED: &str = "<html><head><title>403 Forbidden</title></head>\n<body><h1>Request blocked</h1></body></html>\n";

/// What a hotel's network or a robot check shows to everyone.
const WELCOME: &str =
    "<!doctype html>\n<html><head><title>Please sign in</title></head>\n<body>Welcome</body></html>\n";

/// As observed for a route that there is not.
const NO_ROUTE: &str = "{\"message\":\"Request does not match any route.\"}";

/// As observed for a wrong token.
const UNAUTHORISED: &str = "{\"message\":\"The consumer isn't authorized to access %resources.\",\
    \"parameters\":{\"resources\":\"Magento_Sales::actions_view\"}}";
