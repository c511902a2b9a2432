//! The store API's contract, and a recorder that holds every request and answer against it.
//!
//! Promises: whatever the contract does not name is a misfit, in requests and in answers. The schemas are read by an
//! independent library (`schema`); what is ours is which schema a request and its answer have to keep.

#![allow(dead_code, reason = "each test binary uses its own part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use serde_json::{Value, json};
use tillbridge::central::STORE_API_CONTRACT;

mod schema;

pub(crate) use schema::{Schemas, resolved};

/// The contract.
pub(crate) fn contract() -> Value {
    serde_json::from_str(STORE_API_CONTRACT).unwrap()
}

/// Holds values against schemas; remembers which members it met.
pub(crate) struct Check {
    contract: Value,
    schemas: Schemas,
    pub(crate) misfits: Vec<String>,
    /// `Schema.member` of every member met.
    pub(crate) met: BTreeSet<String>,
}

impl Check {
    pub(crate) fn of(contract: &Value) -> Self {
        Self { contract: contract.clone(), schemas: Schemas::of(contract), misfits: Vec::new(), met: BTreeSet::new() }
    }

    pub(crate) fn value(&mut self, schema: &Value, value: &Value, place: &str) {
        self.misfits.extend(self.schemas.misfits(schema, value, place));
        let mut met = std::mem::take(&mut self.met);
        self.members(schema, value, &mut met);
        self.met = met;
    }

    fn members(&self, schema: &Value, value: &Value, met: &mut BTreeSet<String>) {
        let name = schema["$ref"].as_str().map_or("", |place| place.rsplit('/').next().unwrap());
        let schema = resolved(&self.contract, schema);
        let fitting = |one: &&Value| self.schemas.misfits(one, value, "").is_empty();
        if let Some(one) = schema["oneOf"].as_array().and_then(|all| all.iter().find(fitting)) {
            return self.members(one, value, met);
        }
        for one in value.as_array().into_iter().flatten() {
            self.members(&schema["items"], one, met);
        }
        for (member, value) in value.as_object().into_iter().flatten() {
            met.insert(format!("{name}.{member}"));
            self.members(&schema["properties"][member], value, met);
        }
    }

    fn expect(&mut self, fits: bool, place: &str, value: &Value, why: &str) {
        if !fits {
            self.misfits.push(format!("{place}: {value} {why}"));
        }
    }
}

/// One request and its answer.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    /// Path and query as they were sent.
    pub(crate) target: String,
    pub(crate) sent: HeaderMap,
    pub(crate) body: Value,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) answer: Value,
}

impl Exchange {
    /// Did our agent ask (and not a test's own client)?
    pub(crate) fn is_the_agents(&self) -> bool {
        header(&self.sent, "user-agent").is_some_and(|agent| agent.starts_with("Tillbridge/"))
    }

    /// The same request, sent to a mock of the store. Tells its status and answer.
    pub(crate) async fn sent_to(&self, client: &reqwest::Client, mock: &str) -> (u16, String) {
        let mut request = client.request(self.method.parse().unwrap(), format!("{mock}{}", self.target));
        for name in ["authorization", "accept", "content-type", "idempotency-key", "user-agent"] {
            request = self.sent.get(name).into_iter().fold(request, |request, value| request.header(name, value));
        }
        let request = if self.body.is_null() { request } else { request.body(self.body.to_string()) };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// The same request, each time with another mistake.
    pub(crate) fn spoilt(&self) -> Vec<Self> {
        let with = |spoil: &dyn Fn(&mut Self)| {
            let mut one = self.clone();
            spoil(&mut one);
            one
        };
        let mut spoilt = vec![with(&|one| drop(one.sent.remove("authorization")))];
        if self.body.is_object() {
            spoilt.push(with(&|one| one.body["unheard_of"] = json!(1)));
            let first = self.body.as_object().unwrap().keys().find(|name| *name == "stage" || *name == "location");
            spoilt.extend(first.map(|name| with(&|one| drop(one.body.as_object_mut().unwrap().remove(name)))));
        } else {
            spoilt.push(with(&|one| one.target = one.target.replace("location=", "place=")));
        }
        spoilt
    }
}

/// Something that happens in the store just before it carries out a request.
type Interloper = Box<dyn FnOnce() + Send>;

/// Remembers all that passes between client and store, and can let something happen in between.
#[derive(Clone, Default)]
pub(crate) struct Recorder {
    exchanges: Arc<Mutex<Vec<Exchange>>>,
    before: Arc<Mutex<Option<(&'static str, Interloper)>>>,
    spoilt: Arc<Mutex<Option<String>>>,
}

impl Recorder {
    /// Puts the recorder before a store.
    pub(crate) fn in_front_of(&self, router: Router) -> Router {
        router.layer(from_fn_with_state(self.clone(), record))
    }

    /// Just before the next request of this method and path, this happens.
    pub(crate) fn before(&self, what: &'static str, happens: impl FnOnce() + Send + 'static) {
        *self.before.lock().unwrap() = Some((what, Box::new(happens)));
    }

    /// From now on the store describes this order so that nobody can understand it.
    pub(crate) fn spoil(&self, order: &str) {
        *self.spoilt.lock().unwrap() = Some(order.to_owned());
    }

    fn spoilt(&self, answer: Value) -> Value {
        let (mut answer, spoilt) = (answer, self.spoilt.lock().unwrap());
        for event in answer["events"].as_array_mut().into_iter().flatten() {
            if event["order_id"].as_str() == spoilt.as_deref() {
                event["order"]["lines"] = json!("three teapots");
            }
        }
        answer
    }

    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.exchanges.lock().unwrap().clone()
    }

    /// All requests of this method to paths that end so.
    pub(crate) fn of(&self, method: &str, path: &str) -> Vec<Exchange> {
        let mut all = self.exchanges();
        all.retain(|one| one.method == method && one.path.ends_with(path));
        all
    }

    /// Holds everything recorded against the contract; tells which members were met.
    pub(crate) fn kept_the_contract(&self) -> BTreeSet<String> {
        let contract = contract();
        let mut check = Check::of(&contract);
        let all = self.exchanges();
        assert!(!all.is_empty(), "nothing was recorded");
        for one in &all {
            exchange(&contract, &mut check, one);
        }
        assert!(check.misfits.is_empty(), "{}", check.misfits.join("\n"));
        check.met
    }

    fn interlope(&self, route: &str) {
        let mut before = self.before.lock().unwrap();
        if before.as_ref().is_some_and(|(what, _)| *what == route) {
            before.take().unwrap().1();
        }
    }
}

async fn record(State(recorder): State<Recorder>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    recorder.interlope(&format!("{} {}", parts.method, parts.uri.path()));
    let url = reqwest::Url::parse(&format!("https://store{}", parts.uri)).unwrap();
    let target = parts.uri.to_string();
    let (method, path, sent) = (parts.method.to_string(), parts.uri.path().to_owned(), parts.headers.clone());
    let response = next.run(Request::from_parts(parts, Body::from(bytes.clone()))).await;
    let (head, body) = response.into_parts();
    let answer = to_bytes(body, usize::MAX).await.unwrap();
    let is_spoilt = recorder.spoilt.lock().unwrap().is_some();
    let answer = if is_spoilt && path == "/v1/orders" {
        recorder.spoilt(serde_json::from_slice(&answer).unwrap()).to_string().into()
    } else {
        answer
    };
    let read = |bytes: &[u8]| if bytes.is_empty() { Value::Null } else { serde_json::from_slice(bytes).unwrap() };
    recorder.exchanges.lock().unwrap().push(Exchange {
        method,
        path,
        target,
        query: url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
        sent,
        body: read(&bytes),
        status: head.status.as_u16(),
        headers: head.headers.clone(),
        answer: read(&answer),
    });
    let mut head = head;
    head.headers.remove("content-length");
    Response::from_parts(head, Body::from(answer))
}

/// The contract's name of a path.
pub(crate) fn template_of(path: &str) -> String {
    path_of(&contract(), path).map_or_else(|| path.to_owned(), |(template, _)| template.clone())
}

/// The contract's name of a path, with what stands in its places.
fn path_of<'a>(contract: &'a Value, path: &str) -> Option<(&'a String, &'a Value)> {
    let fits = |template: &str| {
        let (left, right): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
        left.len() == right.len()
            && left.iter().zip(&right).all(|(l, r)| l == r || (l.starts_with('{') && !r.is_empty()))
    };
    contract["paths"].as_object().unwrap().iter().find(|(template, _)| fits(template))
}

fn exchange(contract: &Value, check: &mut Check, one: &Exchange) {
    let place = format!("{} {}", one.method, one.path);
    let operation = path_of(contract, &one.path).map(|(_, item)| &item[one.method.to_lowercase()]);
    let Some(operation) = operation.filter(|operation| operation.is_object()) else {
        return check.misfits.push(format!("{place} is not in the contract"));
    };
    // What was refused as malformed is the test's own; the client's requests all have to fit.
    if one.is_the_agents() || one.status == 200 {
        parameters(contract, check, operation, one, &place);
        request_body(check, operation, one, &place);
        let bearer = header(&one.sent, "authorization").is_some_and(|it| it.starts_with("Bearer "));
        check.expect(bearer, &place, &Value::Null, "has no bearer token");
    }
    let answer = &operation["responses"][one.status.to_string()];
    if !answer.is_object() {
        return check.misfits.push(format!("{place}: the contract knows no answer {}", one.status));
    }
    let answer = resolved(contract, answer);
    for (name, named) in answer["headers"].as_object().into_iter().flatten() {
        if named["required"] == true && header(&one.headers, name).is_none() {
            check.misfits.push(format!("{place}: {} without {name}", one.status));
        }
    }
    let kind = header(&one.headers, "content-type").unwrap_or_default();
    let bare = kind.split(';').next().unwrap().trim();
    match answer["content"].get(bare) {
        Some(content) => check.value(&content["schema"], &one.answer, &format!("{place} → {} ", one.status)),
        None => check.misfits.push(format!("{place}: {} as {kind:?} is not in the contract", one.status)),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn parameters(contract: &Value, check: &mut Check, operation: &Value, one: &Exchange, place: &str) {
    let named: Vec<&Value> =
        operation["parameters"].as_array().into_iter().flatten().map(|it| resolved(contract, it)).collect();
    for (name, _) in &one.query {
        let known = named.iter().any(|it| it["in"] == "query" && it["name"] == name.as_str());
        check.expect(known, place, &json!(name), "is no parameter of the contract");
    }
    let key = header(&one.sent, "idempotency-key");
    let keyed = named.iter().any(|it| it["in"] == "header" && it["name"] == "Idempotency-Key");
    check.expect(keyed || key.is_none(), place, &json!(key), "is a key where the contract has none");
    for parameter in named {
        let name = parameter["name"].as_str().unwrap();
        let mut given: Vec<&str> = match parameter["in"].as_str().unwrap() {
            "query" => one.query.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect(),
            "header" => header(&one.sent, name).into_iter().collect(),
            // The path fitted the template.
            "path" => continue,
            other => panic!("{place}: a parameter in {other}"),
        };
        let place = format!("{place}: {name}");
        if given.is_empty() {
            check.expect(parameter["required"] == false, &place, &Value::Null, "is missing");
            continue;
        }
        let schema = resolved(contract, &parameter["schema"]);
        let value = match schema["type"].as_str().unwrap() {
            "array" => json!(given),
            kind => {
                check.expect(given.len() == 1, &place, &json!(given), "is there more than once");
                let text = given.remove(0);
                if kind == "integer" {
                    text.parse::<i64>().map_or(json!(text), |number| json!(number))
                } else {
                    json!(text)
                }
            }
        };
        check.value(schema, &value, &place);
    }
}

fn request_body(check: &mut Check, operation: &Value, one: &Exchange, place: &str) {
    match operation.get("requestBody") {
        None => check.expect(one.body.is_null(), place, &one.body, "is a body where the contract has none"),
        Some(body) => {
            let kind = header(&one.sent, "content-type").unwrap_or_default();
            check.expect(kind == "application/json", place, &json!(kind), "is not how the contract sends");
            check.value(&body["content"]["application/json"]["schema"], &one.body, &format!("{place} body "));
        }
    }
}

/// A client of the test's own.
pub(crate) fn client(ca_pem: &str) -> reqwest::Client {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls_pki_types::pem::PemObject::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy().build().unwrap()
}
