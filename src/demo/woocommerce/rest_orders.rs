//! Orders and notes over REST.
//!
//! Promises: filters, sorting and pages as documented; dates count in the site's zone unless `dates_are_gmt`, and a date
//! with a zone behind it is first turned into the site's (`WP_Date_Query`), which makes it wrong under `dates_are_gmt`.

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde_json::Value;

use super::order::{Order, STATUSES};
use super::render::gmt;
use super::rest::{Given, Outcome, invalid, page, whole, word};
use super::{Refusal, WooBooks};
use crate::demo::http::Request;

/// `GET /orders`.
pub(super) fn list(books: &mut WooBooks, request: &Request, _: &[&str]) -> Outcome {
    let orderby = word(request, "orderby", &["date", "id", "include", "title", "slug"])?;
    let newest_first = word(request, "order", &["desc", "asc"])? == "desc";
    let dp = u32::try_from(whole(request, "dp", 2, 0, 8)?).map_err(|_| invalid("dp"))?;
    let statuses = statuses(books, request)?;
    let included = ids(request, "include")?;
    let by_gmt = word(request, "dates_are_gmt", &["false", "true"])? == "true";
    let (after, before) = (date(books, request, "modified_after")?, date(books, request, "modified_before")?);
    let shown = |order: &&Order| {
        let modified = if by_gmt { gmt(order.modified) } else { books.local(order.modified) };
        let listed = |status: &String| *status == order.status || (status == "any" && order.status != "trash");
        statuses.iter().any(listed)
            && (included.is_empty() || included.contains(&order.id))
            && after.as_ref().is_none_or(|after| modified > *after)
            && before.as_ref().is_none_or(|before| modified < *before)
    };
    let mut orders: Vec<&Order> = books.orders().filter(shown).collect();
    match orderby {
        "date" => orders.sort_by_key(|order| (order.created, order.id)),
        "include" => orders.sort_by_key(|order| included.iter().position(|id| *id == order.id)),
        _ => orders.sort_by_key(|order| order.id),
    }
    if newest_first && orderby != "include" {
        orders.reverse();
    }
    page(orders.into_iter().map(|order| books.order_json(order, dp)).collect(), request)
}

/// The statuses asked for; an unknown one is refused.
fn statuses(books: &WooBooks, request: &Request) -> Result<Vec<String>, Refusal> {
    let asked = request.asked("status").unwrap_or("any").split(',').map(str::to_owned).collect::<Vec<_>>();
    let known = |status: &String| {
        ["any", "trash"].contains(&status.as_str())
            || STATUSES.contains(&status.as_str())
            || books.statuses.contains(status)
    };
    if asked.iter().all(known) { Ok(asked) } else { Err(invalid("status")) }
}

fn ids(request: &Request, name: &str) -> Result<Vec<u64>, Refusal> {
    let Some(list) = request.asked(name).filter(|list| !list.is_empty()) else { return Ok(Vec::new()) };
    list.split(',').map(|id| id.parse().map_err(|_| invalid(name))).collect()
}

/// A date as it is compared with the database's column: digits, whatever zone they mean.
fn date(books: &WooBooks, request: &Request, name: &str) -> Result<Option<String>, Refusal> {
    let Some(text) = request.asked(name) else { return Ok(None) };
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(Some(books.local(moment)));
    }
    let civil = text.parse::<DateTime>().map_err(|_| invalid(name))?;
    Ok(Some(civil.strftime("%Y-%m-%dT%H:%M:%S").to_string()))
}

fn key(route: &[&str]) -> Result<u64, Refusal> {
    let part = route.get(1).and_then(|part| part.parse().ok());
    part.ok_or_else(|| Refusal::new(404, "rest_no_route", "No route was found matching the URL and request method."))
}

/// `GET /orders/{id}`: trashed ones can be had, too.
pub(super) fn one(books: &mut WooBooks, request: &Request, route: &[&str]) -> Outcome {
    let dp = u32::try_from(whole(request, "dp", 2, 0, 8)?).map_err(|_| invalid("dp"))?;
    let order = books.order_mut(key(route)?)?.clone();
    Ok(Given::one(books.order_json(&order, dp)))
}

/// `PUT /orders/{id}`: here only the status.
pub(super) fn update(books: &mut WooBooks, request: &Request, route: &[&str]) -> Outcome {
    let id = key(route)?;
    let body = request.json().unwrap_or(Value::Null);
    // The schema is looked at before the order is.
    let status = body.get("status").map(|status| status.as_str().ok_or_else(|| invalid("status"))).transpose()?;
    if let Some(status) = status.filter(|status| *status != "trash") {
        if !STATUSES.contains(&status) && !books.statuses.contains(status) {
            return Err(invalid("status"));
        }
        let gone = |_| Refusal::new(400, "woocommerce_rest_shop_order_invalid_id", "Invalid ID.");
        books.order_mut(id).map_err(gone)?;
        books.set_status(id, status)?;
    }
    one(books, request, route)
}

fn noted(books: &WooBooks, id: u64) -> Result<&Order, Refusal> {
    let gone = || Refusal::new(404, "woocommerce_rest_order_invalid_id", "Invalid order ID.");
    books.order(id).ok_or_else(gone)
}

/// `GET /orders/{id}/notes`.
pub(super) fn notes(books: &mut WooBooks, request: &Request, route: &[&str]) -> Outcome {
    let kind = word(request, "type", &["any", "customer", "internal"])?;
    let order = noted(books, key(route)?)?;
    let wanted = order.notes.iter().filter(|note| match kind {
        "customer" => note.for_customer,
        "internal" => !note.for_customer,
        _ => true,
    });
    Ok(Given::one(wanted.rev().map(|note| books.note_json(note)).collect()))
}

/// `POST /orders/{id}/notes`.
pub(super) fn add_note(books: &mut WooBooks, request: &Request, route: &[&str]) -> Outcome {
    let body = request.json().unwrap_or(Value::Null);
    let text = body.get("note").and_then(Value::as_str).filter(|text| !text.is_empty());
    let missing = || Refusal::new(400, "rest_missing_callback_param", "Missing parameter(s): note");
    let text = text.ok_or_else(missing)?;
    let for_customer = body.get("customer_note").and_then(Value::as_bool).unwrap_or(false);
    let note = books.add_note(key(route)?, text, for_customer)?;
    Ok(Given { status: 201, body: books.note_json(&note), pages: None })
}
