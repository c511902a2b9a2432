use serde_json::json;

use super::*;

fn policy() -> Policy {
    Policy {
        export_statuses: vec!["processing".into(), "completed".into()],
        offline_payments: vec!["bacs".into()],
        own_statuses: vec!["at-till".into()],
    }
}

/// Modified at 10:00:00.
fn order(status: &str) -> Value {
    json!({
        "id": 727, "number": "W-727", "status": status, "currency": "GBP",
        "date_created_gmt": "2026-11-25T09:00:00", "date_modified_gmt": "2026-11-25T10:00:00",
        "date_completed_gmt": null, "total": "47.40", "shipping_total": "5.000000", "shipping_tax": "1.000000",
        "billing": {
            "first_name": "Gerda", "last_name": "Beispiel", "company": "", "address_1": "Musterweg 1", "address_2": "2nd",
            "city": "Berlin", "state": "BE", "postcode": "10115", "country": "DE", "email": "g@example.com", "phone": "030"
        },
        "shipping": {
            "first_name": "", "last_name": "", "company": "", "address_1": "", "address_2": "", "city": "", "state": "",
            "postcode": "", "country": "", "phone": ""
        },
        "payment_method": "stripe",
        "line_items": [{
            "id": 5, "name": "Teapot", "product_id": 11, "variation_id": 0, "quantity": 3, "subtotal": "36.000000",
            "subtotal_tax": "7.200000", "total": "33.000000", "total_tax": "6.600000",
            "taxes": [{"id": 1, "total": "6.6", "subtotal": "7.2"}], "sku": "1001", "price": 11,
            "meta_data": [{"id": 1, "key": "_reduced_stock", "value": "3"}]
        }],
        "tax_lines": [{"rate_id": 1, "rate_percent": 20}],
        "shipping_lines": [{"method_title": "Parcel"}],
        "fee_lines": [{"total": "1.50", "total_tax": "0.30"}],
        "refunds": []
    })
}

/// A second after 10:00:00.
fn just_now() -> Option<Timestamp> {
    Some("2026-11-25T10:00:01Z".parse().unwrap())
}

fn later() -> Option<Timestamp> {
    Some("2026-11-25T10:02:00Z".parse().unwrap())
}

fn read(value: &Value) -> WebOrder {
    web_order(value, &policy(), later()).unwrap().unwrap()
}

fn to_take(value: &Value) -> i64 {
    let units = read(value).lines[0].to_take().to_string();
    units.parse().unwrap()
}

fn without_meta(mut value: Value) -> Value {
    value["line_items"][0]["meta_data"] = json!([]);
    value
}

fn with_meta(mut value: Value, meta: &[(&str, &str)]) -> Value {
    let noted = meta.iter().map(|(key, value)| json!({"id": 1, "key": key, "value": value}));
    value["line_items"][0]["meta_data"] = noted.collect();
    value
}

#[test]
fn an_order_is_read_with_the_sums_that_the_customer_pays() {
    let order = read(&order("processing"));
    assert_eq!((order.id.0.as_str(), order.number.as_str(), order.standing), ("727", "W-727", Standing::Ready));
    let line = &order.lines[0];
    assert_eq!((line.price.to_string(), line.price_incl_tax.to_string()), ("12".into(), "14.4".into()));
    assert_eq!((line.tax_percent.to_string(), line.discount.to_string()), ("20".into(), "3.6".into()));
    assert_eq!(order.shipping_total.to_string(), "7.8", "shipping and fee");
    let lines = line.price_incl_tax * line.ordered.decimal() - line.discount;
    assert_eq!(lines + order.shipping_total, order.total);
    assert_eq!(order.customer.name, "Gerda Beispiel", "the billing address, when there is none for shipping");
    assert_eq!((order.customer.street.as_str(), order.shipping.as_str()), ("Musterweg 1, 2nd", "Parcel"));
}

#[test]
fn a_rate_that_is_not_told_is_computed_and_a_raised_sum_is_no_discount() {
    let mut told = order("processing");
    told["tax_lines"] = json!([{"rate_id": "1"}]);
    assert_eq!(read(&told).lines[0].tax_percent.to_string(), "20");
    told["line_items"][0]["total"] = json!("39.00");
    told["line_items"][0]["total_tax"] = json!("7.80");
    let line = &read(&told).lines[0];
    assert_eq!((line.price.to_string(), line.discount.to_string()), ("13".into(), "0".into()));
}

#[test]
fn units_count_from_the_stores_deduction_until_it_surely_put_them_back() {
    for (status, deducted, not_deducted) in [
        ("pending", 3, 0),
        ("failed", 3, 0),
        ("on-hold", 3, 3),
        ("processing", 3, 3),
        ("completed", 3, 3),
        ("at-till", 3, 3),
        ("wc-plugin-status", 3, 0),
        ("refunded", 3, 0),
        ("cancelled", 0, 0),
        ("trash", 0, 0),
    ] {
        assert_eq!(to_take(&order(status)), deducted, "{status}, deducted");
        assert_eq!(to_take(&without_meta(order(status))), not_deducted, "{status}, not deducted");
    }
}

#[test]
fn a_cancellation_counts_at_once_only_when_the_store_has_put_the_units_back() {
    let take = |value: &Value, now| web_order(value, &policy(), now).unwrap().unwrap().lines[0].to_take();
    assert_eq!(take(&order("cancelled"), just_now()), 3.into(), "the store is still at it");
    assert_eq!(take(&without_meta(order("cancelled")), just_now()), Quantity::ZERO);
    assert_eq!(take(&order("cancelled"), None), 3.into(), "a store that does not tell its time is doubted");
    assert_eq!(take(&order("cancelled"), later()), Quantity::ZERO, "it never will");
    let status = |value: &Value| web_order(value, &policy(), later()).unwrap().unwrap().store_status;
    assert_eq!(status(&order("cancelled")), "cancelled (1 line(s) not put back into the store's stock)");
    assert_eq!(status(&without_meta(order("cancelled"))), "cancelled");
}

#[test]
fn the_moment_between_a_status_and_its_deduction_is_a_change() {
    assert_eq!(read(&order("processing")).store_status, "processing");
    let early = read(&without_meta(order("processing")));
    assert_eq!(early.store_status, "processing (1 line(s) not deducted from the store's stock)");
}

#[test]
fn goods_of_a_completed_order_have_left_whatever_became_of_it_afterwards() {
    for status in ["trash", "refunded"] {
        let mut left = without_meta(order(status));
        left["date_completed_gmt"] = json!("2026-11-25T09:30:00");
        assert_eq!(to_take(&left), 3, "{status}");
    }
    assert_eq!(read(&order("completed")).lines[0].reserved(), Quantity::ZERO);
}

#[test]
fn only_what_refunds_surely_put_back_is_returned() {
    let mut refunded = with_meta(order("processing"), &[("_reduced_stock", "2"), ("_restock_refunded_items", "1")]);
    assert_eq!(to_take(&refunded), 3, "the refund is gone again");
    refunded["refunds"] = json!([{"id": 9, "reason": "", "total": "-13.20"}]);
    assert_eq!(to_take(&refunded), 2);
    let mut money_only = order("processing");
    money_only["refunds"] = json!([{"id": 9, "reason": "", "total": "-13.20"}]);
    assert_eq!(to_take(&money_only), 3, "in doubt the unit is gone");
    let mut all = with_meta(order("refunded"), &[("_reduced_stock", "0"), ("_restock_refunded_items", "3")]);
    all["refunds"] = json!([{"id": 9, "reason": "", "total": "-39.60"}]);
    assert!(read(&all).is_void());
}

#[test]
fn who_may_go_to_the_till() {
    let standing = |status: &str, payment: &str| {
        let mut value = order(status);
        value["payment_method"] = json!(payment);
        read(&value).standing
    };
    assert_eq!(standing("on-hold", "bacs"), Standing::Ready);
    assert_eq!(standing("on-hold", "stripe"), Standing::Waiting);
    assert_eq!(standing("pending", "bacs"), Standing::Waiting);
    assert_eq!(standing("at-till", "stripe"), Standing::Ready, "our own mark changes nothing");
    assert_eq!(standing("refunded", "stripe"), Standing::Waiting);
    for draft in ["checkout-draft", "auto-draft"] {
        assert!(web_order(&order(draft), &policy(), later()).unwrap().is_none(), "{draft} is no order");
    }
}

#[test]
fn a_product_without_an_sku_is_named_and_one_that_is_gone_makes_the_order_unreadable() {
    let mut value = order("processing");
    value["line_items"][0]["sku"] = json!("");
    assert_eq!(read(&value).lines[0].sku.as_str(), "no-sku:11");
    value["line_items"][0]["variation_id"] = json!(12);
    assert_eq!(read(&value).lines[0].sku.as_str(), "no-sku:12");
    value["line_items"][0]["sku"] = Value::Null;
    let (number, why) = web_order(&value, &policy(), later()).unwrap_err();
    assert_eq!(number, "W-727");
    assert!(why.starts_with("line 5 (Teapot): its product was deleted in the web store"), "{why}");
    value["status"] = json!("cancelled");
    assert!(read(&value).is_void(), "a cancellation is seen all the same");
    value["status"] = json!("processing");
    value["line_items"] = json!([]);
    assert_eq!(web_order(&value, &policy(), later()).unwrap_err().1, "it has no items");
    assert_eq!(web_order(&json!({"id": 7}), &policy(), None).unwrap_err().0, "7");
}

#[test]
fn weighed_goods_keep_their_fractions() {
    let mut value = with_meta(order("processing"), &[("_reduced_stock", "0.75")]);
    value["line_items"][0]["quantity"] = serde_json::from_str("0.75").unwrap();
    assert_eq!(read(&value).lines[0].to_take().to_string(), "0.75");
}
