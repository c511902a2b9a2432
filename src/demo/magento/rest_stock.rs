//! Stock over REST: source items, sources, stocks, the salable figure, products and the old stock items.
//!
//! Promises: every refusal of `source-items` as observed, in the order in which a real Magento finds the faults.

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::rest::{Outcome, body};
use super::rest_orders::{number, required};
use super::stock::{invalid, no_such_product};
use super::{LegacyItem, MagentoBooks, Mode, Refusal, STOCK, SourceWrite, life, render, search};
use crate::demo::http::Request;

type Found = (&'static str, fn(&mut MagentoBooks, &Request, &[&str]) -> Outcome);

pub(super) fn find_inventory(method: &str, route: &[&str]) -> Option<Found> {
    let found: Found = match (method, route) {
        ("GET", ["source-items"]) => ("Magento_InventoryApi::source", source_items),
        ("POST", ["source-items"]) => ("Magento_InventoryApi::stock_source_item_assign", post_source_items),
        ("GET", ["sources"]) => ("Magento_InventoryApi::source", sources),
        ("GET", ["sources", _]) => ("Magento_InventoryApi::source", source),
        ("GET", ["stocks"]) => ("Magento_InventoryApi::stock", stocks),
        ("GET", ["stocks", _]) => ("Magento_InventoryApi::stock", one_stock),
        ("GET", ["stock-source-links"]) => ("Magento_InventoryApi::stock_source_link", links),
        ("GET", ["stock-resolver", _, _]) => ("Magento_InventorySalesApi::stock", resolver),
        ("GET", ["get-product-salable-quantity", _, _]) => ("Magento_InventorySalesApi::stock", salable),
        ("GET", ["is-product-salable", _, _]) => ("Magento_InventorySalesApi::stock", is_salable),
        ("GET", ["export-stock-salable-qty", "website", _]) => ("Magento_InventoryApi::stock", export),
        _ => return None,
    };
    Some(found)
}

fn source_items(books: &mut MagentoBooks, request: &Request, _: &[&str]) -> Outcome {
    let rows = books.source_items().map(|item| {
        let (sku, source, quantity) = (&item.sku, &item.source, render::qty(item.quantity));
        json!({"sku": sku, "source_code": source, "quantity": quantity, "status": i32::from(item.in_stock)})
    });
    let columns = ["sku", "source_code", "quantity", "status"];
    search::search(request, rows.collect(), &columns, books.input_limit.is_some())
}

fn post_source_items(books: &mut MagentoBooks, request: &Request, _: &[&str]) -> Outcome {
    let body = body(request)?;
    let items = body["sourceItems"].as_array().ok_or_else(|| required("sourceItems"))?;
    let objects: Vec<&Map<String, Value>> = items.iter().filter_map(Value::as_object).collect();
    for item in &objects {
        check_types(item)?;
    }
    for item in &objects {
        check_values(item)?;
    }
    let text = |item: &Map<String, Value>, name: &str| item.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let writes: Vec<SourceWrite> = objects
        .iter()
        .map(|item| SourceWrite {
            sku: text(item, "sku"),
            source: text(item, "source_code"),
            quantity: item.get("quantity").and_then(number).unwrap_or_default(),
            in_stock: item.get("status").and_then(number) == Some(Decimal::ONE),
        })
        .collect();
    books.write_sources(&writes)?;
    Ok(json!([]))
}

/// What the web API's own type check finds, before any validator of the inventory.
fn check_types(item: &Map<String, Value>) -> Result<(), Refusal> {
    let known = ["sku", "source_code", "quantity", "status", "extension_attributes"];
    if let Some(field) = item.keys().find(|field| !known.contains(&field.as_str())) {
        return Err(life::unsupported(&camel(field)));
    }
    for (field, kind) in [("quantity", "float"), ("status", "int")] {
        let Some(value) = item.get(field) else { continue };
        if number(value).is_none() && !value.is_null() {
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let text = format!(
                "Error occurred during \"{field}\" processing. The \"{shown}\" value's type is invalid. \
                 The \"{kind}\" type was expected. Verify and try again."
            );
            return Err(Refusal::new(400, &text));
        }
    }
    Ok(())
}

fn check_values(item: &Map<String, Value>) -> Result<(), Refusal> {
    let text = |field| item.get(field).and_then(Value::as_str).unwrap_or_default();
    for field in ["sku", "source_code"] {
        if text(field).is_empty() {
            return Err(invalid(field, "can not be empty."));
        }
        if text(field).trim() != text(field) {
            return Err(invalid(field, "can not contain leading or trailing spaces."));
        }
    }
    for field in ["quantity", "status"] {
        if item.get(field).and_then(number).is_none() {
            return Err(invalid(field, "should be numeric."));
        }
    }
    let status = item.get("status").and_then(number);
    if status != Some(Decimal::ZERO) && status != Some(Decimal::ONE) {
        return Err(invalid("status", "should a known status."));
    }
    Ok(())
}

/// `source_code` → `SourceCode`, as Magento names a field that it does not know.
fn camel(field: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    };
    field.split('_').map(word).collect()
}

fn source_body(source: &super::Source) -> Value {
    json!({
        "source_code": source.code, "name": source.name, "enabled": source.enabled, "country_id": "DE",
        "postcode": "10115", "use_default_carrier_config": true, "carrier_links": [],
        "extension_attributes": {"is_pickup_location_active": false, "frontend_name": source.name},
    })
}

fn sources(books: &mut MagentoBooks, request: &Request, _: &[&str]) -> Outcome {
    let rows = books.sources().iter().map(source_body).collect();
    search::search(request, rows, &["source_code", "name", "enabled"], books.input_limit.is_some())
}

fn source(books: &mut MagentoBooks, _: &Request, route: &[&str]) -> Outcome {
    let code = last(route, 0);
    let found = books.sources().iter().find(|source| source.code == code);
    let unknown = || Refusal::with(404, "Source with code \"%value\" does not exist.", json!({"value": code}));
    found.map(source_body).ok_or_else(unknown)
}

fn stock_body(id: u32) -> Value {
    let channels = if id == STOCK { json!([{"type": "website", "code": "base"}]) } else { json!([]) };
    let name = if id == STOCK { "Main" } else { "Default Stock" };
    json!({"stock_id": id, "name": name, "extension_attributes": {"sales_channels": channels}})
}

fn stocks(books: &mut MagentoBooks, request: &Request, _: &[&str]) -> Outcome {
    search::search(request, vec![stock_body(1), stock_body(STOCK)], &["stock_id", "name"], books.input_limit.is_some())
}

fn one_stock(_: &mut MagentoBooks, _: &Request, route: &[&str]) -> Outcome {
    match last(route, 0).parse() {
        Ok(id @ (1 | STOCK)) => Ok(stock_body(id)),
        Ok(_) | Err(_) => {
            Err(Refusal::with(404, "Stock with id \"%value\" does not exist.", json!({"value": last(route, 0)})))
        }
    }
}

fn links(books: &mut MagentoBooks, request: &Request, _: &[&str]) -> Outcome {
    let rows = books
        .sources()
        .iter()
        .enumerate()
        .map(|(at, source)| json!({"stock_id": source.stock, "source_code": source.code, "priority": at.max(1)}));
    search::search(request, rows.collect(), &["stock_id", "source_code", "priority"], books.input_limit.is_some())
}

fn resolver(_: &mut MagentoBooks, _: &Request, route: &[&str]) -> Outcome {
    if last(route, 0) == "base" { Ok(stock_body(STOCK)) } else { Err(Refusal::new(404, "No linked stock found")) }
}

fn salable(books: &mut MagentoBooks, _: &Request, route: &[&str]) -> Outcome {
    let (sku, stock) = (last(route, 1), last(route, 0));
    let no_stock = "Can't check requested quantity for products without Source Items support.";
    match books.product(sku) {
        // Observed: an unknown SKU is a 500 in plain text.
        None => {
            Err(Refusal::new(500, "An error has happened during application run. See exception log for details.\n"))
        }
        Some(product) if !product.has_stock() => Err(Refusal::new(400, no_stock)),
        Some(_) if stock != STOCK.to_string() => Err(Refusal::new(400, "Could not receive Stock Item data")),
        Some(_) => Ok(render::qty(books.salable(sku))),
    }
}

fn is_salable(books: &mut MagentoBooks, _: &Request, route: &[&str]) -> Outcome {
    Ok(json!(books.product(last(route, 1)).is_some() && books.salable(last(route, 1)).is_positive()))
}

fn export(books: &mut MagentoBooks, request: &Request, route: &[&str]) -> Outcome {
    if last(route, 0) != "base" {
        return Err(Refusal::new(404, "No linked stock found"));
    }
    let rows = books.products().map(|product| {
        let salable = books.salable(&product.sku);
        // Observed: composites say 0 and salable.
        let sells = !product.has_stock() || salable.is_positive();
        json!({"sku": product.sku, "qty": render::qty(salable), "is_salable": sells})
    });
    let mut found = search::search(request, rows.collect(), &["sku", "qty"], books.input_limit.is_some())?;
    // Observed: the count is that of the page only.
    found["total_count"] = json!(found["items"].as_array().map_or(0, Vec::len));
    Ok(found)
}

pub(super) fn products(books: &mut MagentoBooks, request: &Request, _: &[&str]) -> Outcome {
    let now = books.now();
    let rows = books.products().map(|product| render::product(product, now)).collect();
    let columns = ["entity_id", "sku", "name", "status", "type_id", "visibility", "created_at", "updated_at"];
    search::search(request, rows, &columns, books.input_limit.is_some())
}

pub(super) fn product(books: &mut MagentoBooks, _: &Request, route: &[&str]) -> Outcome {
    let unknown = "The product that was requested doesn't exist. Verify the product and try again.";
    let found = books.product(last(route, 0)).ok_or_else(|| Refusal::new(404, unknown))?;
    let mut body = render::product(found, books.now());
    if let Some(item) = books.legacy_item(last(route, 0)) {
        body["extension_attributes"]["stock_item"] = item_body(item);
    }
    Ok(body)
}

pub(super) fn item_body(item: &LegacyItem) -> Value {
    json!({
        "item_id": item.id, "product_id": item.id, "stock_id": 1, "qty": item.quantity.map(render::qty),
        "is_in_stock": item.in_stock, "is_qty_decimal": false, "show_default_notification_message": false,
        "use_config_min_qty": true, "min_qty": 0, "use_config_min_sale_qty": 1, "min_sale_qty": 1,
        "use_config_max_sale_qty": true, "max_sale_qty": 10000, "use_config_backorders": true, "backorders": 0,
        "use_config_notify_stock_qty": true, "notify_stock_qty": 1, "use_config_qty_increments": true,
        "qty_increments": 0, "use_config_enable_qty_inc": true, "enable_qty_increments": false,
        "use_config_manage_stock": true, "manage_stock": true, "low_stock_date": null, "is_decimal_divided": false,
        "stock_status_changed_auto": i32::from(item.out_by_itself),
    })
}

pub(super) fn stock_item(books: &mut MagentoBooks, _: &Request, route: &[&str]) -> Outcome {
    let sku = last(route, 0);
    if let Some(item) = books.legacy_item(sku) {
        return Ok(item_body(item));
    }
    let product = books.product(sku).ok_or_else(|| no_such_product(sku))?;
    Ok(item_body(&LegacyItem { in_stock: true, quantity: Some(0.into()), ..LegacyItem::uncounted(product.id) }))
}

/// The id in the path does not matter, and the answer is a text without MSI and a number with it (all observed).
pub(super) fn put_stock_item(books: &mut MagentoBooks, request: &Request, route: &[&str]) -> Outcome {
    let body = body(request)?;
    let sent = body["stockItem"].as_object().ok_or_else(|| required("stockItem"))?;
    let known = ["qty", "is_in_stock", "manage_stock", "use_config_manage_stock", "item_id", "product_id", "stock_id"];
    if let Some(field) = sent.keys().find(|field| !known.contains(&field.as_str())) {
        return Err(life::unsupported(&camel(field)));
    }
    let sku = route.get(1).copied().unwrap_or_default();
    let quantity = match sent.get("qty") {
        None | Some(Value::Null) => None,
        Some(value) => Some(number(value).ok_or_else(|| not_a_float(value))?),
    };
    let id = match books.product(sku).filter(|product| !product.has_stock()) {
        // Observed elsewhere (magento2#2392): taken for a composite, and of no effect.
        Some(composite) => composite.id,
        None => books.write_legacy(sku, quantity, sent.get("is_in_stock").and_then(Value::as_bool))?,
    };
    Ok(if books.mode() == Mode::Legacy { json!(id.to_string()) } else { json!(id) })
}

fn not_a_float(value: &Value) -> Refusal {
    let shown = value.as_str().unwrap_or_default();
    let text = format!(
        "Error occurred during \"qty\" processing. The \"{shown}\" value's type is invalid. The \"float\" type was \
         expected. Verify and try again."
    );
    Refusal::new(400, &text)
}

/// The segment so many before the last.
fn last<'a>(route: &[&'a str], before: usize) -> &'a str {
    route.iter().rev().nth(before).copied().unwrap_or_default()
}
