//! WooCommerce's published interface (`tests/fixtures/woocommerce/published.json`), held against what our client sends and
//! what the simulated store answers.
//!
//! Promises: a route, parameter or member that is not published is a misfit, so are a wrong type, a read-only member that
//! is sent and a word that is none of the words. Does not promise that a real shop agrees with what is published.

#![allow(dead_code, reason = "each test binary uses its own part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value};

use crate::contract::Exchange;

const PREFIX: &str = "/wp-json/wc/v3";

/// Holds exchanges against what is published.
pub(crate) struct Published {
    all: Value,
    pub(crate) misfits: Vec<String>,
    /// Routes met.
    pub(crate) met: BTreeSet<String>,
}

impl Published {
    pub(crate) fn new() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/woocommerce/published.json");
        let all = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        Self { all, misfits: Vec::new(), met: BTreeSet::new() }
    }

    pub(crate) fn routes(&self) -> BTreeSet<String> {
        self.all["routes"].as_object().unwrap().keys().cloned().collect()
    }

    fn misfit(&mut self, place: &str, why: impl std::fmt::Display) {
        self.misfits.push(format!("{place}: {why}"));
    }

    /// One request and its answer.
    pub(crate) fn exchange(&mut self, one: &Exchange) {
        let route = route_of(one);
        let published = self.all["routes"][&route].clone();
        if !published.is_object() {
            return self.misfit(&route, "is not published");
        }
        self.met.insert(route.clone());
        self.signed_in(one, &route);
        self.query(one, &published, &route);
        self.body(one, &published, &route);
        self.answer(one, &published, &route);
    }

    fn signed_in(&mut self, one: &Exchange, route: &str) {
        let signed = one.sent.get("authorization").and_then(|value| value.to_str().ok());
        if !signed.is_some_and(|value| value.starts_with("Basic ")) {
            self.misfit(route, "is not signed in with HTTP Basic");
        }
        if one.query.iter().any(|(name, _)| name.starts_with("consumer_")) {
            self.misfit(route, "the key stands in the address");
        }
    }

    fn query(&mut self, one: &Exchange, published: &Value, route: &str) {
        let named = match &published["parameters"] {
            Value::String(list) => self.all["parameters"][list].clone(),
            own => own.clone(),
        };
        for (name, value) in &one.query {
            match name.as_str() {
                // WordPress passes over what it does not know; this one keeps caches out.
                "_" => {}
                "_fields" => self.fields(value, published, route),
                _ => match named[name].as_str() {
                    Some(kind) if parameter_fits(kind, value) => {}
                    Some(kind) => self.misfit(route, format_args!("{name}={value} is no {kind}")),
                    None => self.misfit(route, format_args!("{name} is no published parameter")),
                },
            }
        }
    }

    /// What is asked for has to exist.
    fn fields(&mut self, list: &str, published: &Value, route: &str) {
        let answer = published["answer"].as_array().map_or(&published["answer"], |list| &list[0]);
        let object = answer.as_str().unwrap_or_default().to_owned();
        for name in list.split(',') {
            if self.kinds(&object, name).is_empty() {
                self.misfit(route, format_args!("_fields names {name}, which {object} does not have"));
            }
        }
    }

    fn body(&mut self, one: &Exchange, published: &Value, route: &str) {
        if let Some(object) = published["body"].as_str() {
            let members = one.body.as_object().cloned().unwrap_or_default();
            for required in published["required"].as_array().into_iter().flatten() {
                if !members.contains_key(required.as_str().unwrap()) {
                    self.misfit(route, format_args!("{required} is missing"));
                }
            }
            self.sent(object, &members, false, route);
        } else if let Some(object) = published["batch"].as_str() {
            let items = one.body["update"].as_array().cloned().unwrap_or_default();
            if items.len() > 100 {
                self.misfit(route, format_args!("{} objects in one batch", items.len()));
            }
            for item in items {
                let members = item.as_object().cloned().unwrap_or_default();
                if !members.contains_key("id") {
                    self.misfit(route, "an object to be updated without its id");
                }
                self.sent(object, &members, true, route);
            }
        } else if !one.body.is_null() {
            self.misfit(route, "has a body");
        }
    }

    fn sent(&mut self, object: &str, members: &Map<String, Value>, by_id: bool, route: &str) {
        for (name, value) in members {
            // A client keeps to the documentation: what only the source has (fractions of stock) is not for it.
            let kind = self.all["objects"][object][name].as_str().unwrap_or_default().to_owned();
            match kind.strip_prefix("r:") {
                Some(_) if by_id && name == "id" => {}
                Some(_) => self.misfit(route, format_args!("{name} is read-only")),
                None if value_fits(&kind, value) => {}
                None => self.misfit(route, format_args!("{name}: {value} is no {kind:?}")),
            }
        }
    }

    fn answer(&mut self, one: &Exchange, published: &Value, route: &str) {
        if one.status >= 400 {
            let is_error = one.answer["code"].is_string()
                && one.answer["message"].is_string()
                && one.answer["data"]["status"] == one.status;
            if !is_error {
                self.misfit(route, format_args!("{} with {}", one.status, one.answer));
            }
            return;
        }
        let status = published["status"].as_u64().unwrap_or(200);
        if u64::from(one.status) != status {
            self.misfit(route, format_args!("answers {}", one.status));
        }
        match (&published["answer"], published["batch"].as_str()) {
            (_, Some(object)) => self.batch(object, &one.answer, route),
            (Value::Array(list), None) => {
                let object = list[0].as_str().unwrap().to_owned();
                let rows = one.answer.as_array().cloned();
                let Some(rows) = rows else { return self.misfit(route, "answers with no list") };
                rows.iter().for_each(|row| self.object(&object, row, route));
                let is_paged = published["parameters"].is_string();
                if is_paged && !one.headers.contains_key("x-wp-total") {
                    self.misfit(route, "a list without X-WP-Total");
                }
            }
            (object, None) => self.object(object.as_str().unwrap(), &one.answer, route),
        }
    }

    fn batch(&mut self, object: &str, answer: &Value, route: &str) {
        for item in answer["update"].as_array().into_iter().flatten() {
            let is_error = item["error"]["code"].is_string() && item["error"]["message"].is_string();
            if !(is_error && item["id"].is_u64()) {
                self.object(object, item, route);
            }
        }
    }

    /// Types of a member, as documented or as in the source.
    fn kinds(&self, object: &str, name: &str) -> Vec<String> {
        let members = &self.all["objects"][object];
        let named = [members[name].as_str(), members[format!("*{name}")].as_str()];
        let plain = |kind: &str| kind.strip_prefix("r:").unwrap_or(kind).to_owned();
        named.into_iter().flatten().map(plain).collect()
    }

    fn object(&mut self, object: &str, value: &Value, place: &str) {
        let Some(members) = value.as_object() else {
            return self.misfit(place, format_args!("{value} is no {object}"));
        };
        for (name, value) in members {
            let place = format!("{place} {object}.{name}");
            let kinds = self.kinds(object, name);
            if kinds.is_empty() {
                self.misfit(&place, "is not published");
            } else if let Some(inner) =
                kinds.iter().find(|kind| self.all["objects"][kind.as_str()].is_object()).cloned()
            {
                self.object(&inner, value, &place);
            } else if let Some(inner) = kinds[0].strip_prefix('[').map(str::to_owned) {
                let Some(list) = value.as_array() else {
                    return self.misfit(&place, format_args!("{value} is no list"));
                };
                list.iter().for_each(|one| self.object(&inner, one, &place));
            } else if !kinds.iter().any(|kind| value_fits(kind, value) || (value.is_null() && name != "id")) {
                self.misfit(&place, format_args!("{value} is none of {kinds:?}"));
            }
        }
    }
}

fn route_of(one: &Exchange) -> String {
    let path = one.path.strip_prefix(PREFIX).unwrap_or(&one.path);
    let keyed = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = path.split('/').map(|part| if keyed(part) { "{id}" } else { part }).collect();
    format!("{} {}", one.method, parts.join("/"))
}

fn parameter_fits(kind: &str, value: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match kind {
        "integer" => digits(value),
        "string" => true,
        "boolean" => ["true", "false"].contains(&value),
        "ids" => value.split(',').all(digits),
        // Without a zone: WordPress would move it into the site's own.
        "date-time" => {
            value.len() == 19 && value.as_bytes()[10] == b'T' && value.parse::<jiff::civil::DateTime>().is_ok()
        }
        "1..100" => value.parse::<u32>().is_ok_and(|number| (1..=100).contains(&number)),
        words => words.split('|').any(|word| word == value),
    }
}

fn value_fits(kind: &str, value: &Value) -> bool {
    match kind {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "date-time" => value.as_str().is_some_and(|text| parameter_fits("date-time", text)),
        "any" => true,
        "parent" => value == "parent",
        _ => false,
    }
}
