//! What is asked, read as strictly as the contract says.
//!
//! Promises: a member or parameter that the contract does not know, a missing one, and one of another type, form or size
//! are refused by name. Nothing is carried out before all of a request has been read.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::{MOST_ASKED, MOST_LINES, Problem, Wanted};
use crate::demo::http::Request;
use crate::domain::Quantity;

/// Most events on one page, as the contract says.
const LARGEST_PAGE: usize = 300;
/// Events on one page when nobody asks for fewer or more.
pub(super) const PAGE: usize = 100;
/// Most orders that a write may call not counted.
const MOST_NOT_COUNTED: usize = 500;
/// Longest names of orders and SKUs, in characters.
const LONGEST: [usize; 2] = [200, 64];

type Read<T> = Result<T, Problem>;

/// The request does not keep the contract.
pub(super) fn malformed(what: &str) -> Problem {
    Problem::new(400, "malformed", what)
}

/// The members of an object.
pub(super) struct Members<'a>(&'a Map<String, Value>);

impl<'a> Members<'a> {
    pub(super) fn of(value: &'a Value, known: &[&str]) -> Read<Self> {
        let members = value.as_object().ok_or_else(|| malformed("an object is needed"))?;
        match members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => Err(malformed(&format!("{unknown:?} is not in the contract"))),
            None => Ok(Self(members)),
        }
    }

    pub(super) fn text(&self, name: &str) -> Read<Option<&'a str>> {
        let text = |value: &'a Value| value.as_str().ok_or_else(|| malformed(&format!("{name} is no text")));
        self.0.get(name).map(text).transpose()
    }

    pub(super) fn needed(&self, name: &str) -> Read<&'a str> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    pub(super) fn moment(&self, name: &str) -> Read<Option<Timestamp>> {
        self.text(name)?.map(|text| moment(name, text)).transpose()
    }

    /// A whole number; `1.0` is one as well (JSON Schema, validation, 6.1.1).
    pub(super) fn whole(&self, name: &str) -> Read<Option<u64>> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let number = value.as_number().map(ToString::to_string).unwrap_or_default();
        let number = number.parse::<Decimal>().or_else(|_| Decimal::from_scientific(&number)).ok();
        let whole = number.filter(Decimal::is_integer).and_then(|number| u64::try_from(number).ok());
        match whole.filter(|whole| *whole < (1 << 53)) {
            Some(whole) => Ok(Some(whole)),
            None => Err(malformed(&format!("{name} is no whole number from 0 to 9007199254740991"))),
        }
    }

    pub(super) fn list(&self, name: &str) -> Read<Option<&'a [Value]>> {
        let list = |value: &'a Value| value.as_array().ok_or_else(|| malformed(&format!("{name} is no list")));
        Ok(self.0.get(name).map(list).transpose()?.map(Vec::as_slice))
    }
}

fn missing(name: &str) -> Problem {
    malformed(&format!("{name} is missing"))
}

/// RFC 3339; jiff takes more than that.
fn moment(name: &str, text: &str) -> Read<Timestamp> {
    let whole = text.len() >= 20 && matches!(text.as_bytes().get(10), Some(b'T' | b't')) && !text.contains('[');
    let at = text.parse().ok().filter(|_| whole);
    at.ok_or_else(|| malformed(&format!("{name}: {text:?} is no moment")))
}

/// The parameters of a query: those that are known, each once but for `many`.
pub(super) fn parameters(request: &Request, known: &[&str], many: &str) -> Read<()> {
    for (at, (name, _)) in request.query.iter().enumerate() {
        if !known.contains(&name.as_str()) {
            return Err(malformed(&format!("{name:?} is not in the contract")));
        }
        if name != many && request.query.iter().skip(at + 1).any(|(other, _)| other == name) {
            return Err(malformed(&format!("{name} is there more than once")));
        }
    }
    Ok(())
}

/// The number in a cursor of ours; 0 without one.
pub(super) fn cursor(request: &Request) -> Read<u64> {
    let Some(cursor) = request.asked("cursor") else { return Ok(0) };
    let place = cursor.strip_prefix("c-").and_then(|seq| seq.parse().ok());
    place.ok_or_else(|| Problem::new(404, "unknown_cursor", "this is no cursor of ours"))
}

pub(super) fn limit(request: &Request) -> Read<usize> {
    let Some(text) = request.asked("limit") else { return Ok(PAGE) };
    let limit = text.parse().ok().filter(|limit| (1..=LARGEST_PAGE).contains(limit));
    limit.ok_or_else(|| malformed(&format!("limit: {text:?} is no number from 1 to {LARGEST_PAGE}")))
}

pub(super) fn skus(request: &Request) -> Read<Vec<&str>> {
    let skus: Vec<&str> =
        request.query.iter().filter(|(name, _)| name == "sku").map(|(_, value)| value.as_str()).collect();
    match skus.len() {
        0 => return Err(missing("sku")),
        1..=MOST_ASKED => {}
        _ => return Err(Problem::too_many(MOST_ASKED)),
    }
    skus.iter().try_for_each(|text| sku(text))?;
    Ok(skus)
}

/// The key by which a repetition is known.
pub(super) fn idempotency_key(request: &Request) -> Read<String> {
    let key = request.headers.get("idempotency-key").ok_or_else(|| missing("Idempotency-Key"))?;
    let fits = |key: &&str| (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    let key = key.to_str().ok().filter(fits);
    key.map(str::to_owned).ok_or_else(|| malformed("Idempotency-Key: 1 to 255 visible ASCII characters"))
}

/// The body, sent as JSON.
pub(super) fn body(request: &Request) -> Read<Value> {
    let kind = request.headers.get(axum::http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let bare = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !bare.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(415, "unsupported_media_type", "send application/json"));
    }
    serde_json::from_slice(&request.body).map_err(|why| malformed(&format!("the body is no JSON: {why}")))
}

fn named(what: &str, text: &str, longest: usize) -> Read<()> {
    let fits = (1..=longest).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(malformed(&format!("{what}: {text:?} is none"))) }
}

fn sku(text: &str) -> Read<()> {
    named("sku", text, LONGEST[1])
}

/// `PUT /v1/stock`, whole.
pub(super) struct Update<'a> {
    pub(super) location: &'a str,
    pub(super) as_of: Timestamp,
    pub(super) items: Vec<Wanted>,
    pub(super) through: u64,
    pub(super) not_counted: Vec<String>,
}

impl<'a> Update<'a> {
    pub(super) fn of(body: &'a Value) -> Read<Self> {
        let known = ["location", "snapshot_id", "as_of", "items", "orders_through", "orders_not_counted"];
        let members = Members::of(body, &known)?;
        if !(1..=200).contains(&members.needed("snapshot_id")?.chars().count()) {
            return Err(malformed("snapshot_id: 1 to 200 characters"));
        }
        let items = members.list("items")?.ok_or_else(|| missing("items"))?;
        match items.len() {
            0 => return Err(malformed("items is empty")),
            1..=MOST_LINES => {}
            _ => return Err(Problem::too_many(MOST_LINES)),
        }
        let not_counted = members.list("orders_not_counted")?.unwrap_or_default();
        if not_counted.len() > MOST_NOT_COUNTED {
            return Err(Problem::too_many(MOST_NOT_COUNTED));
        }
        Ok(Self {
            location: members.needed("location")?,
            as_of: members.moment("as_of")?.ok_or_else(|| missing("as_of"))?,
            items: items.iter().map(wanted).collect::<Read<_>>()?,
            through: members.whole("orders_through")?.ok_or_else(|| missing("orders_through"))?,
            not_counted: not_counted.iter().map(order_id).collect::<Read<_>>()?,
        })
    }
}

fn order_id(value: &Value) -> Read<String> {
    let text = value.as_str().ok_or_else(|| malformed("orders_not_counted holds what is no text"))?;
    named("order", text, LONGEST[0])?;
    Ok(text.to_owned())
}

fn wanted(item: &Value) -> Read<Wanted> {
    let members = Members::of(item, &["sku", "available", "if_version"])?;
    let (name, available) = (members.needed("sku")?, members.needed("available")?);
    sku(name)?;
    let fits = available.trim_start_matches('-').split('.').next().is_some_and(|whole| whole.len() <= 12);
    let parsed = Quantity::parse(available).ok().filter(|_| fits && decimals(available) <= 6);
    let available = parsed.ok_or_else(|| malformed(&format!("available: {available:?} is no decimal")))?;
    Ok(Wanted { sku: name.to_owned(), available, if_version: members.text("if_version")?.map(str::to_owned) })
}

fn decimals(text: &str) -> usize {
    text.split_once('.').map_or(0, |(_, part)| part.len())
}
