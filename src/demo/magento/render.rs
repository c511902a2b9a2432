//! Orders, shipments and credit memos as Magento writes them in JSON.
//!
//! Promises: the keys that a 2.4.7-p6 was seen to send for a guest's order, absent ones included (`parent_item_id` of
//! a parent row); numbers are exact decimals. Amounts with tax are reckoned at one rate; tax breakdowns are left out.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Number, Value, json};

use super::life::Shipment;
use super::order::{Order, Row};
use super::{Creditmemo, Product};
use crate::domain::Quantity;

/// Tax of the simulated shop, percent.
const TAX_PERCENT: Decimal = Decimal::from_parts(19, 0, 0, false, 0);

/// Times this, a price is with tax.
pub(crate) const WITH_TAX: Decimal = Decimal::from_parts(119, 0, 0, false, 2);

/// The currency of the simulated shop.
const CURRENCY: &str = "EUR";

/// A number as JSON, exact, without trailing zeros.
pub(crate) fn num(number: Decimal) -> Value {
    let plain = number.normalize();
    let text = if plain.is_zero() { "0".to_owned() } else { plain.to_string() };
    text.parse::<Number>().map_or(Value::Null, Value::Number)
}

pub(crate) fn qty(quantity: Quantity) -> Value {
    num(quantity.decimal())
}

/// `YYYY-MM-DD HH:MM:SS`, UTC, whatever the shop's time zone (observed).
pub(crate) fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn money(amount: Decimal) -> Value {
    num(amount.round_dp(2))
}

fn gross(amount: Decimal) -> Decimal {
    (amount * WITH_TAX).round_dp(2)
}

/// A whole order.
pub(crate) fn order(order: &Order) -> Value {
    let mut all = order_head(order);
    all.append(&mut order_totals(order));
    let items: Vec<Value> = order.rows.iter().map(|row| order_row(order, row)).collect();
    all.insert("items".into(), Value::Array(items.clone()));
    all.insert("billing_address".into(), address(order, "billing", order.id * 2));
    all.insert("payment".into(), payment(order));
    all.insert("status_histories".into(), order.comments.iter().rev().map(|it| comment(order.id, it)).collect());
    let mut more = object(json!({"shipping_assignments": [assignment(order, items)]}));
    if let Some(place) = &order.pickup_location {
        more.insert("pickup_location_code".into(), json!(place));
    }
    all.insert("extension_attributes".into(), Value::Object(more));
    Value::Object(all)
}

fn order_head(order: &Order) -> Map<String, Value> {
    let (first, last) = names(order);
    let mut head = object(json!({
        "base_currency_code": CURRENCY, "billing_address_id": order.id * 2, "created_at": date(order.created),
        "customer_email": order.customer.email, "customer_firstname": first, "customer_group_id": 0,
        "customer_is_guest": 1, "customer_lastname": last, "customer_note_notify": 1, "email_sent": 1,
        "entity_id": order.id, "global_currency_code": CURRENCY, "increment_id": order.increment_id,
        "is_virtual": i32::from(order.is_virtual()), "order_currency_code": CURRENCY, "quote_id": order.id,
        "remote_ip": "127.0.0.1", "state": order.state.state(), "status": order.status,
        "store_currency_code": CURRENCY, "store_id": order.store,
        "store_name": "Main Website\nMain Website Store\nDefault Store View", "updated_at": date(order.updated),
        "base_to_global_rate": 1, "base_to_order_rate": 1, "store_to_base_rate": 0, "store_to_order_rate": 0,
    }));
    if !order.is_virtual() {
        head.insert("shipping_description".into(), json!("Flat Rate - Fixed"));
    }
    if let Some(before) = order.before_hold {
        head.insert("hold_before_state".into(), json!(before.state()));
        head.insert("hold_before_status".into(), json!(before.status()));
    }
    head
}

fn order_totals(order: &Order) -> Map<String, Value> {
    let net: Decimal = order.rows.iter().filter(|row| row.parent.is_none()).map(row_total).sum();
    let (net_gross, shipping) = (gross(net), order.shipping);
    let total = net_gross + gross(shipping);
    let units: Quantity = order.rows.iter().filter(|row| row.parent.is_none()).map(|row| row.ordered).sum();
    let lines = order.rows.iter().filter(|row| row.parent.is_none()).count();
    let figures = [
        ("discount_amount", Decimal::ZERO),
        ("grand_total", total),
        ("discount_tax_compensation_amount", Decimal::ZERO),
        ("shipping_amount", shipping),
        ("shipping_discount_amount", Decimal::ZERO),
        ("shipping_incl_tax", gross(shipping)),
        ("shipping_tax_amount", gross(shipping) - shipping),
        ("subtotal", net),
        ("subtotal_incl_tax", net_gross),
        ("tax_amount", total - net - shipping),
        ("total_due", total),
    ];
    let mut all = Map::new();
    for (name, figure) in figures {
        all.insert(name.into(), money(figure));
        all.insert(format!("base_{name}"), money(figure));
    }
    all.insert("total_item_count".into(), json!(lines));
    all.insert("total_qty_ordered".into(), qty(units));
    all.insert("weight".into(), qty(units));
    all
}

fn row_total(row: &Row) -> Decimal {
    (row.price * row.ordered.decimal()).round_dp(2)
}

fn order_row(order: &Order, row: &Row) -> Value {
    let mut all = bare_row(order, row);
    if let Some(parent) = row.parent {
        all.insert("parent_item_id".into(), json!(parent));
        if let Some(parent) = order.row(parent) {
            all.insert("parent_item".into(), Value::Object(bare_row(order, parent)));
        }
    }
    Value::Object(all)
}

fn bare_row(order: &Order, row: &Row) -> Map<String, Value> {
    let total = row_total(row);
    let mut all = object(json!({
        "created_at": date(order.created), "discount_percent": 0, "free_shipping": 0,
        "is_qty_decimal": i32::from(row.ordered.decimal().normalize().scale() > 0),
        "is_virtual": i32::from(row.kind == "virtual"), "item_id": row.id, "name": row.name, "no_discount": 0,
        "order_id": order.id, "product_id": row.product, "product_type": row.kind,
        "qty_canceled": qty(row.cancelled), "qty_invoiced": qty(row.invoiced), "qty_ordered": qty(row.ordered),
        "qty_refunded": qty(row.refunded), "qty_shipped": qty(row.shipped), "quote_item_id": row.id,
        "row_weight": qty(row.ordered), "sku": row.sku, "store_id": order.store,
        "tax_percent": if row.price.is_zero() { json!(0) } else { num(TAX_PERCENT) },
        "updated_at": date(order.updated), "weight": 1, "extension_attributes": {"itemized_taxes": []},
    }));
    let figures = [
        ("amount_refunded", (row.price * row.refunded.decimal()).round_dp(2)),
        ("discount_amount", Decimal::ZERO),
        ("discount_invoiced", Decimal::ZERO),
        ("original_price", row.price),
        ("price", row.price),
        ("price_incl_tax", gross(row.price)),
        ("row_invoiced", (row.price * row.invoiced.decimal()).round_dp(2)),
        ("row_total", total),
        ("row_total_incl_tax", gross(total)),
        ("tax_amount", gross(total) - total),
        ("tax_invoiced", Decimal::ZERO),
    ];
    for (name, figure) in figures {
        all.insert(name.into(), money(figure));
        all.insert(format!("base_{name}"), money(figure));
    }
    all
}

fn payment(order: &Order) -> Value {
    json!({
        "account_status": null, "additional_information": [order.payment], "cc_last4": null, "entity_id": order.id,
        "method": order.payment, "parent_id": order.id, "shipping_amount": money(order.shipping),
        "base_shipping_amount": money(order.shipping),
    })
}

fn assignment(order: &Order, items: Vec<Value>) -> Value {
    let total = json!({
        "shipping_amount": money(order.shipping), "shipping_incl_tax": money(gross(order.shipping)),
        "base_shipping_amount": money(order.shipping), "base_shipping_incl_tax": money(gross(order.shipping)),
    });
    // Observed: an order of virtual goods only has `total` and no address here.
    let shipping = if order.is_virtual() {
        json!({"total": total})
    } else {
        let to = address(order, "shipping", order.id * 2 - 1);
        json!({"address": to, "method": order.shipping_method, "total": total})
    };
    json!({"shipping": shipping, "items": items})
}

fn names(order: &Order) -> (&str, &str) {
    order.customer.name.rsplit_once(' ').unwrap_or(("", &order.customer.name))
}

fn address(order: &Order, kind: &str, id: i64) -> Value {
    let (first, last) = names(order);
    let who = &order.customer;
    let mut all = object(json!({
        "address_type": kind, "city": who.city, "country_id": who.country, "email": who.email, "entity_id": id,
        "firstname": first, "lastname": last, "parent_id": order.id, "postcode": who.postcode,
        "street": [who.street], "telephone": who.telephone,
    }));
    // Observed: what was not given is absent, not null.
    if !who.company.is_empty() {
        all.insert("company".into(), json!(who.company));
    }
    if !who.region.is_empty() {
        all.insert("region".into(), json!(who.region));
    }
    Value::Object(all)
}

/// One comment of an order.
pub(crate) fn comment(order: i64, comment: &super::Comment) -> Value {
    json!({
        "comment": comment.text, "created_at": date(comment.at), "entity_id": comment.id,
        "entity_name": comment.entity, "is_customer_notified": comment.notified, "is_visible_on_front": 0,
        "parent_id": order, "status": comment.status,
    })
}

/// One shipment.
pub(crate) fn shipment(order: &Order, shipment: &Shipment) -> Value {
    let rows = shipment.lines.iter().enumerate().filter_map(|(at, (id, units))| {
        let row = order.row(*id)?;
        Some(json!({
            "entity_id": shipment.id * 1000 + i64::try_from(at).ok()?, "name": row.name, "parent_id": shipment.id,
            "price": money(row.price), "product_id": row.product, "sku": row.sku, "weight": 1,
            "order_item_id": id, "qty": qty(*units),
        }))
    });
    let total: Quantity = shipment.lines.iter().map(|(_, units)| *units).sum();
    let mut all = object(json!({
        "billing_address_id": order.id * 2, "created_at": date(shipment.at), "entity_id": shipment.id,
        "increment_id": format!("{:09}", shipment.id), "order_id": shipment.order, "packages": [],
        "shipping_address_id": order.id * 2 - 1, "store_id": 1, "total_qty": qty(total),
        "updated_at": date(shipment.at), "items": rows.collect::<Vec<_>>(), "tracks": [], "comments": [],
    }));
    // Observed: without MSI a shipment has no extension attributes.
    if let Some(source) = &shipment.source {
        all.insert("extension_attributes".into(), json!({"source_code": source}));
    }
    Value::Object(all)
}

/// One credit memo. It does not say whether stock went back (observed).
pub(crate) fn creditmemo(order: &Order, memo: &Creditmemo) -> Value {
    let rows = memo.lines.iter().filter_map(|(id, units)| {
        let row = order.row(*id)?;
        Some(json!({
            "entity_id": memo.id, "name": row.name, "order_item_id": id, "parent_id": memo.id,
            "price": money(row.price), "product_id": row.product, "qty": qty(*units), "sku": row.sku,
        }))
    });
    json!({
        "created_at": date(memo.at), "entity_id": memo.id, "increment_id": format!("{:09}", memo.id),
        "order_id": memo.order, "order_currency_code": CURRENCY, "state": 2, "store_id": 1,
        "updated_at": date(memo.at), "items": rows.collect::<Vec<_>>(), "comments": [],
    })
}

/// One product, as in the list.
pub(crate) fn product(product: &Product, at: Timestamp) -> Value {
    let mut all = object(json!({
        "id": product.id, "sku": product.sku, "name": product.name, "attribute_set_id": 4,
        "price": money(product.price), "status": 1, "visibility": 4, "type_id": product.type_id(),
        "created_at": date(at), "updated_at": date(at), "extension_attributes": {"website_ids": [1]},
        "product_links": [], "options": [], "media_gallery_entries": [], "tier_prices": [], "custom_attributes": [],
    }));
    if !product.has_stock() {
        all.remove("price");
    }
    Value::Object(all)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}
