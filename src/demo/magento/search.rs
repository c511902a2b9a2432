//! `searchCriteria` and `fields`, as a real Magento reads them.
//!
//! Promises: groups joined by AND, filters of a group by OR, both spellings of every key; dates compared as written;
//! no match gives an empty list, and null under `fields` (observed). Does not promise MySQL's collation beyond case.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::{MagentoBooks, Refusal};
use crate::demo::http::Request;

/// Largest page that a shop with its input limit on gives, and the page when none is named (observed: 300, 20).
const LIMITED_PAGE: (i64, i64) = (300, 20);

#[derive(Debug, Default, Clone)]
struct Filter {
    field: String,
    value: String,
    condition: String,
}

#[derive(Debug, Default)]
struct Criteria {
    groups: BTreeMap<u32, BTreeMap<u32, Filter>>,
    sort: BTreeMap<u32, (String, String)>,
    page_size: Option<i64>,
    page: Option<i64>,
}

/// How far a shop lets its lists be read.
pub(super) struct Limits {
    /// Is its input limit on?
    limited: bool,
    repeats_last_page: bool,
}

impl Limits {
    pub(super) fn of(books: &MagentoBooks) -> Self {
        Self { limited: books.input_limit.is_some(), repeats_last_page: books.quirks.repeats_last_page }
    }
}

impl From<bool> for Limits {
    fn from(limited: bool) -> Self {
        Self { limited, repeats_last_page: false }
    }
}

/// Searches `rows`. `columns` are the fields that can be filtered by.
pub(super) fn search(
    request: &Request,
    rows: Vec<Value>,
    columns: &[&str],
    limits: impl Into<Limits>,
) -> Result<Value, Refusal> {
    let limits = limits.into();
    let mut criteria = read(request)?;
    if limits.limited {
        if criteria.page_size.is_some_and(|size| size > LIMITED_PAGE.0) {
            return Err(Refusal::with(400, "Maximum SearchCriteria pageSize is %max", json!({"max": LIMITED_PAGE.0})));
        }
        criteria.page_size.get_or_insert(LIMITED_PAGE.1);
    }
    let filters = criteria.groups.values().flat_map(BTreeMap::values);
    let mut fields = filters.map(|filter| &filter.field).chain(criteria.sort.values().map(|(field, _)| field));
    if fields.any(|field| !columns.contains(&field.as_str())) {
        let text = "Internal Error. Details are available in Magento log file. Report ID: webapi-6b046b492ba84";
        return Err(Refusal::new(500, text));
    }
    let matches = |row: &Value| {
        criteria.groups.values().all(|group| group.is_empty() || group.values().any(|filter| passes(row, filter)))
    };
    let mut found: Vec<Value> = rows.into_iter().filter(matches).collect();
    sort(&mut found, &criteria);
    let total = found.len();
    let items = page(found, &criteria, &limits);
    Ok(json!({"items": items, "search_criteria": echo(&criteria), "total_count": total}))
}

fn read(request: &Request) -> Result<Criteria, Refusal> {
    let mut criteria = Criteria::default();
    let mut any = false;
    for (name, value) in &request.query {
        let parts: Vec<&str> = name.split(['[', ']']).filter(|part| !part.is_empty()).collect();
        let [root, rest @ ..] = parts.as_slice() else { continue };
        if matches!(*root, "searchCriteria" | "search_criteria") {
            any = true;
            read_part(&mut criteria, rest, value);
        }
    }
    let text = "\"%fieldName\" is required. Enter and try again.";
    if any { Ok(criteria) } else { Err(Refusal::with(400, text, json!({"fieldName": "searchCriteria"}))) }
}

fn read_part(criteria: &mut Criteria, parts: &[&str], value: &str) {
    match parts {
        ["filterGroups" | "filter_groups", group, "filters", filter, what] => {
            let group = criteria.groups.entry(group.parse().unwrap_or(0)).or_default();
            let filter = group.entry(filter.parse().unwrap_or(0)).or_default();
            match *what {
                "field" => value.clone_into(&mut filter.field),
                "value" => value.clone_into(&mut filter.value),
                "conditionType" | "condition_type" => value.clone_into(&mut filter.condition),
                _ => {}
            }
        }
        ["sortOrders" | "sort_orders", place, what] => {
            let sort = criteria.sort.entry(place.parse().unwrap_or(0)).or_default();
            match *what {
                "field" => value.clone_into(&mut sort.0),
                "direction" => sort.1 = value.to_uppercase(),
                _ => {}
            }
        }
        ["pageSize" | "page_size"] => criteria.page_size = value.parse().ok(),
        ["currentPage" | "current_page"] => criteria.page = value.parse().ok(),
        _ => {}
    }
}

fn text_of(row: &Value, field: &str) -> Option<String> {
    match row.get(field)? {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

/// A date as it is compared: its clock part as written, a zone ignored; anything else is before all dates.
/// (Observed: `…Z` works, `…+01:00` is not converted, `garbage` matched every order.)
fn as_date(text: &str) -> String {
    let shape = |at: usize, byte: u8| match at {
        4 | 7 => byte == b'-',
        10 => matches!(byte, b' ' | b'T'),
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    };
    let clock: String = text.chars().take(19).collect();
    let whole = matches!(clock.len(), 10 | 19) && clock.bytes().enumerate().all(|(at, byte)| shape(at, byte));
    match (whole, clock.len()) {
        (true, 10) => format!("{clock} 00:00:00"),
        (true, _) => clock.replace('T', " "),
        (false, _) => "0000-00-00 00:00:00".into(),
    }
}

fn compared(field: &str, held: &str, wanted: &str) -> Ordering {
    if field.ends_with("_at") {
        return held.cmp(&as_date(wanted));
    }
    match (held.parse::<Decimal>(), wanted.parse::<Decimal>()) {
        // Numbers that people see (`000000004`, SKUs) are texts: `0012` is not `12`.
        (Ok(held), Ok(wanted)) if !matches!(field, "sku" | "increment_id" | "source_code") => held.cmp(&wanted),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => held.to_lowercase().cmp(&wanted.to_lowercase()),
    }
}

fn passes(row: &Value, filter: &Filter) -> bool {
    let held = text_of(row, &filter.field);
    let Some(held) = held else { return filter.condition == "null" };
    let is = |wanted: &str| compared(&filter.field, &held, wanted);
    let listed = || filter.value.split(',').any(|wanted| is(wanted).is_eq());
    match filter.condition.as_str() {
        "" | "eq" => is(&filter.value).is_eq(),
        "neq" => is(&filter.value).is_ne(),
        "gt" => is(&filter.value).is_gt(),
        "gteq" | "from" | "moreq" => is(&filter.value).is_ge(),
        "lt" => is(&filter.value).is_lt(),
        "lteq" | "to" => is(&filter.value).is_le(),
        "in" | "finset" => listed(),
        "nin" => !listed(),
        "like" => like(&held.to_lowercase(), &filter.value.to_lowercase()),
        "nlike" => !like(&held.to_lowercase(), &filter.value.to_lowercase()),
        "notnull" => true,
        // Observed: an unknown condition finds nothing and is no error.
        _ => false,
    }
}

fn like(held: &str, pattern: &str) -> bool {
    let mut letters = pattern.chars();
    match letters.next() {
        None => held.is_empty(),
        Some('%') => {
            let rest = letters.as_str();
            held.char_indices().map(|(at, _)| at).chain([held.len()]).any(|at| like(&held[at..], rest))
        }
        Some(letter) => {
            let mut after = held.chars();
            after.next().is_some_and(|first| letter == '_' || first == letter) && like(after.as_str(), letters.as_str())
        }
    }
}

fn sort(rows: &mut [Value], criteria: &Criteria) {
    rows.sort_by(|a, b| {
        let orders = criteria.sort.values().map(|(field, direction)| {
            let (left, right) = (text_of(a, field).unwrap_or_default(), text_of(b, field).unwrap_or_default());
            let order = compared(field, &left, &right);
            // Unstated means descending.
            if direction == "ASC" { order } else { order.reverse() }
        });
        orders.fold(Ordering::Equal, Ordering::then)
    });
}

/// Past the end it is empty, unless the shop gives the last page again; a page size of -1 gives one row (observed).
fn page(rows: Vec<Value>, criteria: &Criteria, limits: &Limits) -> Vec<Value> {
    let Some(size) = criteria.page_size.filter(|size| *size != 0) else { return rows };
    let size = usize::try_from(size).unwrap_or(1);
    let asked = usize::try_from(criteria.page.unwrap_or(1).max(1) - 1).unwrap_or(0);
    let last = rows.len().saturating_sub(1) / size;
    let before = if limits.repeats_last_page { asked.min(last) } else { asked }.saturating_mul(size);
    rows.into_iter().skip(before).take(size).collect()
}

fn echo(criteria: &Criteria) -> Value {
    let filter = |one: &Filter| {
        let condition = if one.condition.is_empty() { "eq" } else { &one.condition };
        json!({"field": one.field, "value": one.value, "condition_type": condition})
    };
    let groups =
        criteria.groups.values().map(|group| json!({"filters": group.values().map(filter).collect::<Vec<_>>()}));
    let mut all = Map::new();
    all.insert("filter_groups".into(), groups.collect());
    if !criteria.sort.is_empty() {
        let sorts = criteria.sort.values().map(|(field, way)| json!({"field": field, "direction": way}));
        all.insert("sort_orders".into(), sorts.collect());
    }
    if let Some(size) = criteria.page_size {
        all.insert("page_size".into(), json!(size));
    }
    if let Some(page) = criteria.page {
        all.insert("current_page".into(), json!(page));
    }
    Value::Object(all)
}

/// Keeps only what `fields` names (`items[sku,extension_attributes[stock_item[qty]]],total_count`).
pub(super) fn project(value: Value, fields: &str) -> Value {
    let mut rest = fields;
    keep(value, &named(&mut rest))
}

#[derive(Debug, Default)]
struct Named(BTreeMap<String, Option<Named>>);

fn named(rest: &mut &str) -> Named {
    let mut all = Named::default();
    loop {
        let end = rest.find([',', '[', ']']).unwrap_or(rest.len());
        let name = rest[..end].trim().to_owned();
        *rest = &rest[end..];
        let inner = rest.strip_prefix('[').map(|inside| {
            *rest = inside;
            let inner = named(rest);
            *rest = rest.strip_prefix(']').unwrap_or(rest);
            inner
        });
        if !name.is_empty() {
            all.0.insert(name, inner);
        }
        match rest.strip_prefix(',') {
            Some(next) => *rest = next,
            None => return all,
        }
    }
}

fn keep(value: Value, wanted: &Named) -> Value {
    match value {
        // Observed: an empty list becomes null, and an object of which nothing is left an empty list.
        Value::Array(all) if all.is_empty() => Value::Null,
        Value::Array(all) => all.into_iter().map(|one| keep(one, wanted)).collect(),
        Value::Object(all) => {
            let kept = all.into_iter().filter_map(|(name, inner)| {
                let inner = match wanted.0.get(&name)? {
                    Some(wanted) => keep(inner, wanted),
                    None => inner,
                };
                Some((name, inner))
            });
            let kept: Map<String, Value> = kept.collect();
            if kept.is_empty() { json!([]) } else { Value::Object(kept) }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}
