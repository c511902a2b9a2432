//! What the store answers: orders, lines and stock, in the shape that the agent's documents ask for.
//!
//! Promises: member names and types are those of the Admin schema; a list never has more rows than were asked for, and says
//! where it goes on.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::order::{Part, ShopifyOrder, SoldLine};
use super::{Item, SHOP};
use crate::demo::magento::guest;

/// Tax of the simulated store, as a share in hundredths.
const TAX_PERCENT: i64 = 19;
/// Shipping per order without tax, in pence.
const SHIPPING_PENCE: i64 = 500;

/// How much of each list is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) lines: usize,
    pub(super) parts: usize,
    pub(super) deeds: usize,
}

/// A key as Shopify writes it.
pub(super) fn gid(kind: &str, id: u64) -> String {
    format!("gid://shopify/{kind}/{id}")
}

/// The number in a key of this kind.
pub(super) fn number(kind: &str, key: &str) -> Option<u64> {
    key.strip_prefix("gid://shopify/")?.strip_prefix(kind)?.strip_prefix('/')?.parse().ok()
}

fn money(pence: i64) -> Value {
    json!({ "shopMoney": { "amount": Decimal::new(pence, 2).to_string() } })
}

/// A page of rows, from the one with this cursor on.
pub(super) fn list(rows: Vec<Value>, first: usize, after: Option<&str>) -> Value {
    let from = after.and_then(|after| after.parse::<usize>().ok()).unwrap_or(0);
    let more = rows.len() > from + first;
    let nodes: Vec<Value> = rows.into_iter().skip(from).take(first).collect();
    let end = if nodes.is_empty() { Value::Null } else { json!((from + nodes.len()).to_string()) };
    json!({ "nodes": nodes, "pageInfo": { "hasNextPage": more, "endCursor": end } })
}

pub(super) fn order(order: &ShopifyOrder, sizes: Sizes) -> Value {
    let goods: i64 = order.lines.iter().map(|line| line.pence * line.quantity).sum();
    let total = (goods + SHIPPING_PENCE) * (100 + TAX_PERCENT) / 100;
    let tax = SHIPPING_PENCE * TAX_PERCENT / 100;
    let who = guest();
    let address = json!({
        "name": who.name, "company": who.company, "address1": who.street, "address2": null, "city": who.city,
        "province": who.region, "zip": who.postcode, "countryCodeV2": who.country, "phone": who.telephone,
    });
    json!({
        "id": gid("Order", order.id), "name": format!("#{}", order.number),
        "createdAt": order.created.to_string(), "updatedAt": order.updated.to_string(),
        "cancelledAt": order.cancelled.map(|at| at.to_string()), "test": order.test,
        "displayFinancialStatus": order.paid, "displayFulfillmentStatus": order.fulfilment(),
        "paymentGatewayNames": [order.gateway], "email": who.email, "phone": null,
        "currencyCode": "EUR", "taxesIncluded": false,
        "totalPriceSet": money(total), "totalShippingPriceSet": money(SHIPPING_PENCE),
        "shippingLine": { "title": "Parcel", "taxLines": [{ "priceSet": money(tax) }] },
        "shippingAddress": address, "billingAddress": address,
        "lineItems": list(lines(order), sizes.lines, None),
        "fulfillmentOrders": list(parts(order, sizes.lines), sizes.parts, None),
        "fulfillments": shipments(order, sizes.lines).into_iter().take(sizes.deeds).collect::<Vec<_>>(),
        "refunds": refunds(order).into_iter().take(sizes.deeds).collect::<Vec<_>>(),
    })
}

pub(super) fn lines(order: &ShopifyOrder) -> Vec<Value> {
    order.lines.iter().map(line).collect()
}

fn line(line: &SoldLine) -> Value {
    let custom = line.sku.is_empty();
    let variant = if custom { Value::Null } else { json!({ "inventoryItem": { "tracked": line.tracked } }) };
    json!({
        "id": gid("LineItem", line.id), "sku": if custom { Value::Null } else { json!(line.sku) }, "name": line.name,
        "quantity": line.quantity, "currentQuantity": line.quantity - line.taken_off,
        "isGiftCard": false, "requiresShipping": line.tracked || custom,
        "originalUnitPriceSet": money(line.pence), "discountAllocations": [],
        "taxLines": [{ "rate": Decimal::new(TAX_PERCENT, 2).to_string().parse::<f64>().unwrap_or_default() }],
        "variant": variant,
    })
}

pub(super) fn parts(order: &ShopifyOrder, first: usize) -> Vec<Value> {
    let part = |part: &Part| {
        json!({
            "id": gid("FulfillmentOrder", part.id), "status": part.status,
            "assignedLocation": { "location": { "id": gid("Location", part.location) } },
            "lineItems": list(part_lines(part), first, None),
        })
    };
    order.parts.iter().map(part).collect()
}

pub(super) fn part_lines(part: &Part) -> Vec<Value> {
    let line =
        |(id, units): &(u64, i64)| json!({ "remainingQuantity": units, "lineItem": { "id": gid("LineItem", *id) } });
    part.lines.iter().map(line).collect()
}

fn shipments(order: &ShopifyOrder, first: usize) -> Vec<Value> {
    let shipment = |shipment: &super::order::Shipment| {
        json!({
            "id": gid("Fulfillment", shipment.id), "status": "SUCCESS",
            "location": { "id": gid("Location", shipment.location) },
            "fulfillmentLineItems": list(shipped(&shipment.lines), first, None),
        })
    };
    order.shipments.iter().map(shipment).collect()
}

pub(super) fn shipped(lines: &[(u64, i64)]) -> Vec<Value> {
    lines.iter().map(|(id, units)| json!({ "quantity": units, "lineItem": { "id": gid("LineItem", *id) } })).collect()
}

/// Each refund has one line here.
fn refunds(order: &ShopifyOrder) -> Vec<Value> {
    let refund = |refund: &super::order::Refund| {
        let location = refund.location.map(|id| json!({ "id": gid("Location", id) }));
        let row = json!({
            "quantity": refund.units, "restockType": refund.kind, "restocked": refund.location.is_some(),
            "location": location, "lineItem": { "id": gid("LineItem", refund.line) },
        });
        json!({ "id": gid("Refund", refund.id), "refundLineItems": list(vec![row], 1, None) })
    };
    order.refunds.iter().map(refund).collect()
}

pub(super) fn variant(item: &Item, location: u64, names: &[&str]) -> Value {
    let level = item.shelves.get(&location).map(|shelf| {
        let counted = |name: &&str| json!({ "name": name, "quantity": shelf.called(name) });
        json!({ "isActive": true, "quantities": names.iter().map(counted).collect::<Vec<_>>() })
    });
    json!({
        "sku": item.sku, "displayName": item.name, "requiresComponents": item.bundle,
        "inventoryItem": { "id": gid("InventoryItem", item.id), "tracked": item.tracked, "inventoryLevel": level },
    })
}

/// What is in stock, for hand play.
pub(super) fn shown(item: &Item) -> Value {
    let shelf = item.shelves.get(&SHOP);
    json!({
        "sku": item.sku, "available": shelf.map(|shelf| shelf.available), "committed": shelf.map(|shelf| shelf.committed),
        "on_hand": shelf.map(super::Shelf::on_hand),
    })
}
