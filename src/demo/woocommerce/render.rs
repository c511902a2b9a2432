//! Orders, products and notes as the REST interface shows them.
//!
//! Promises: every member of the documentation's property tables that means something here, with its type; `null` and
//! empty texts where WooCommerce has them. Does not promise links, downloads or images.

use jiff::Timestamp;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Map, Value, json};

use super::order::{Line, Note, Order, TAX_PERCENT};
use super::{Kind, Manages, Product, WooBooks};
use crate::domain::Quantity;

/// The one tax rate's key.
const TAX_RATE: u64 = 1;

/// `2026-11-23T16:31:24`.
pub(super) fn gmt(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

fn number(quantity: Quantity) -> Value {
    serde_json::from_str(&quantity.to_string()).unwrap_or(Value::Null)
}

fn tax_of(sum: Decimal) -> Decimal {
    (sum * TAX_PERCENT / Decimal::ONE_HUNDRED).round_dp(6)
}

/// Money as WooCommerce writes it: a text with so many decimal places.
fn money(sum: Decimal, places: u32) -> String {
    let mut rounded = sum.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
    rounded.rescale(places);
    rounded.to_string()
}

/// What the customer pays.
fn total(order: &Order) -> Decimal {
    let lines: Decimal = order.lines.iter().map(|line| line.total).sum();
    let all = lines + order.shipping + order.fee;
    (all + tax_of(all)).round_dp(2)
}

impl WooBooks {
    /// By the site's own clock.
    pub(super) fn local(&self, at: Timestamp) -> String {
        gmt(at.checked_add(self.site_offset).unwrap_or(at))
    }

    /// An order; money with `dp` decimal places.
    pub(super) fn order_json(&self, order: &Order, dp: u32) -> Value {
        let mut shown = self.order_head(order, dp);
        let lines: Vec<Value> = order.lines.iter().map(|line| self.line_json(line, dp)).collect();
        let tax: Decimal = order.lines.iter().map(|line| tax_of(line.total)).sum();
        let refund = |refund: &super::Refund| json!({ "id": refund.id, "reason": refund.reason, "total": format!("-{}", money(refund.amount, dp)) });
        let fee = json!({
            "id": order.id + 1_000_001, "name": "Cash on delivery", "tax_class": "", "tax_status": "taxable",
            "total": money(order.fee, dp), "total_tax": money(tax_of(order.fee), dp), "taxes": [], "meta_data": [],
        });
        let rest = json!({
            "meta_data": [],
            "line_items": lines,
            "tax_lines": [{
                "id": order.id + 1_000_000, "rate_code": "GB-VAT-1", "rate_id": TAX_RATE, "label": "VAT",
                "compound": false, "tax_total": money(tax, dp), "shipping_tax_total": money(tax_of(order.shipping), dp),
                "rate_percent": 20, "meta_data": [],
            }],
            "shipping_lines": [{
                "id": order.id + 1_000_002, "method_title": "Parcel", "method_id": "flat_rate", "instance_id": "1",
                "total": money(order.shipping, dp), "total_tax": money(tax_of(order.shipping), dp), "taxes": [],
                "meta_data": [],
            }],
            "fee_lines": if order.fee.is_zero() { json!([]) } else { json!([fee]) },
            "coupon_lines": [],
            "refunds": order.refunds.iter().map(refund).collect::<Vec<_>>(),
        });
        if let (Value::Object(shown), Value::Object(rest)) = (&mut shown, rest) {
            shown.extend(rest);
        }
        shown
    }

    fn order_head(&self, order: &Order, dp: u32) -> Value {
        let (moments, tax): (_, Decimal) =
            (|at: Option<Timestamp>| at.map(gmt), order.lines.iter().map(|line| tax_of(line.total)).sum());
        let discount: Decimal = order.lines.iter().map(|line| line.subtotal - line.total).sum();
        let address = address(order);
        let mut billing = address.clone();
        billing.insert("email".into(), json!(order.customer.email));
        json!({
            "id": order.id, "parent_id": 0, "number": order.id.to_string(), "order_key": format!("wc_order_{}", order.id),
            "created_via": "checkout", "version": self.version, "status": order.status, "currency": "GBP",
            "date_created": self.local(order.created), "date_created_gmt": gmt(order.created),
            "date_modified": self.local(order.modified), "date_modified_gmt": gmt(order.modified),
            "date_paid": order.paid.map(|at| self.local(at)), "date_paid_gmt": moments(order.paid),
            "date_completed": order.completed.map(|at| self.local(at)),
            "date_completed_gmt": moments(order.completed),
            "discount_total": money(discount, dp), "discount_tax": money(tax_of(discount), dp),
            "shipping_total": money(order.shipping, dp), "shipping_tax": money(tax_of(order.shipping), dp),
            "cart_tax": money(tax, dp), "total": money(total(order), dp),
            "total_tax": money(tax + tax_of(order.shipping) + tax_of(order.fee), dp), "prices_include_tax": false,
            "customer_id": 0, "customer_ip_address": "192.0.2.1", "customer_user_agent": "", "customer_note": "",
            "billing": billing, "shipping": address, "payment_method": order.payment,
            "payment_method_title": order.payment, "transaction_id": "", "cart_hash": "",
        })
    }

    fn line_json(&self, line: &Line, dp: u32) -> Value {
        let product = self.product(line.sold());
        // A variation without an SKU of its own has its product's (`WC_Product_Variation::get_sku`).
        let own = product.map(|product| product.sku.clone());
        let parents = || self.product(line.product).map(|product| product.sku.clone());
        let sku = own.map(|sku| if sku.is_empty() { parents().unwrap_or_default() } else { sku });
        let noted = [("_reduced_stock", line.reduced), ("_restock_refunded_items", line.restocked)];
        let meta = noted.into_iter().enumerate().filter_map(|(place, (key, units))| {
            let units = units?.to_string();
            let id = line.id * 10 + place as u64;
            Some(json!({ "id": id, "key": key, "value": units, "display_key": key, "display_value": units }))
        });
        let price = line.total.checked_div(line.quantity.decimal()).unwrap_or_default();
        let taxes = json!([{
            "id": TAX_RATE, "total": tax_of(line.total).to_string(), "subtotal": tax_of(line.subtotal).to_string(),
        }]);
        json!({
            "id": line.id, "name": line.name, "product_id": line.product, "variation_id": line.variation,
            "quantity": number(line.quantity), "tax_class": "", "subtotal": money(line.subtotal, dp),
            "subtotal_tax": money(tax_of(line.subtotal), dp), "total": money(line.total, dp),
            "total_tax": money(tax_of(line.total), dp), "taxes": taxes, "meta_data": meta.collect::<Vec<_>>(),
            "sku": sku, "price": serde_json::from_str::<Value>(&price.round_dp(6).to_string()).unwrap_or(Value::Null),
        })
    }

    /// A product or a variation, as `/products` shows both.
    pub(super) fn product_json(&self, product: &Product) -> Value {
        let keeper = self.managed_by(product.id).and_then(|id| self.product(id));
        let manages = match (product.manages, keeper) {
            (_, None) | (Manages::Nobody, _) => json!(false),
            (Manages::Itself, Some(_)) => json!(true),
            (Manages::Parent, Some(_)) => json!("parent"),
        };
        let parent_sku = || product.parent.and_then(|id| self.product(id)).map(|parent| parent.sku.clone());
        let sku = if product.sku.is_empty() { parent_sku().unwrap_or_default() } else { product.sku.clone() };
        let in_stock = keeper.is_none_or(|keeper| keeper.stock.is_positive());
        json!({
            "id": product.id, "name": product.name, "type": product.kind.word(),
            "status": if product.trashed { "trash" } else { "publish" }, "sku": sku,
            "price": money(product.price, 2), "regular_price": money(product.price, 2), "virtual": false,
            "manage_stock": manages, "stock_quantity": keeper.map(|keeper| number(keeper.stock)),
            "stock_status": if in_stock { "instock" } else { "outofstock" },
            "backorders": if product.backorders { "yes" } else { "no" }, "parent_id": product.parent.unwrap_or(0),
        })
    }

    /// A variation, as its own routes show it: without type and parent.
    pub(super) fn variation_json(&self, product: &Product) -> Value {
        let mut shown = self.product_json(product);
        if let (Kind::Variation, Some(members)) = (product.kind, shown.as_object_mut()) {
            for name in ["name", "type", "parent_id"] {
                members.remove(name);
            }
        }
        shown
    }

    /// A note.
    pub(super) fn note_json(&self, note: &Note) -> Value {
        json!({
            "id": note.id, "author": "WooCommerce", "date_created": self.local(note.at), "date_created_gmt": gmt(note.at),
            "note": note.text, "customer_note": note.for_customer,
        })
    }
}

fn address(order: &Order) -> Map<String, Value> {
    let customer = &order.customer;
    let (first, last) = customer.name.split_once(' ').unwrap_or(("", &customer.name));
    let parts = [
        ("first_name", first),
        ("last_name", last),
        ("company", &customer.company),
        ("address_1", &customer.street),
        ("address_2", ""),
        ("city", &customer.city),
        ("state", &customer.region),
        ("postcode", &customer.postcode),
        ("country", &customer.country),
        ("phone", &customer.telephone),
    ];
    parts.into_iter().map(|(name, text)| (name.to_owned(), json!(text))).collect()
}
