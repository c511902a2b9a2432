use serde_json::{Value, json};

use super::*;

const HERE: &str = "gid://shopify/Location/1";
const THERE: &str = "gid://shopify/Location/2";

fn policy() -> Policy {
    Policy {
        export_states: vec!["PAID".into(), "PARTIALLY_REFUNDED".into()],
        manual_payments: vec!["Cash on Delivery (COD)".into()],
        custom_sku: "CUSTOM".into(),
    }
}

fn money(amount: &str) -> Value {
    json!({ "shopMoney": { "amount": amount } })
}

fn list(nodes: Vec<Value>) -> Value {
    json!({ "nodes": nodes, "pageInfo": { "hasNextPage": false, "endCursor": null } })
}

fn line(id: &str, quantity: i64, current: i64) -> Value {
    json!({
        "id": id, "sku": id, "name": "Teapot", "quantity": quantity, "currentQuantity": current, "isGiftCard": false,
        "requiresShipping": true, "originalUnitPriceSet": money("11.90"),
        "discountAllocations": [{ "allocatedAmountSet": money("1.50") }, { "allocatedAmountSet": money("0.50") }],
        "taxLines": [{ "rate": 0.19 }], "variant": { "inventoryItem": { "tracked": true } },
    })
}

fn part(location: Option<&str>, status: &str, lines: &[(&str, i64)]) -> Value {
    let lines =
        lines.iter().map(|(id, units)| json!({ "remainingQuantity": units, "lineItem": { "id": id } })).collect();
    let location = location.map(|id| json!({ "id": id }));
    json!({ "id": "p", "status": status, "assignedLocation": { "location": location }, "lineItems": list(lines) })
}

fn shipment(location: &str, status: &str, lines: &[(&str, i64)]) -> Value {
    let lines = lines.iter().map(|(id, units)| json!({ "quantity": units, "lineItem": { "id": id } })).collect();
    json!({ "id": "s", "status": status, "location": { "id": location }, "fulfillmentLineItems": list(lines) })
}

fn refund(line: &str, units: i64, kind: &str, location: Option<&str>) -> Value {
    let row = json!({
        "quantity": units, "restockType": kind, "restocked": kind != "NO_RESTOCK",
        "location": location.map(|id| json!({ "id": id })), "lineItem": { "id": line },
    });
    json!({ "id": "r", "refundLineItems": list(vec![row]) })
}

struct Given {
    lines: Vec<Value>,
    parts: Vec<Value>,
    shipments: Vec<Value>,
    refunds: Vec<Value>,
    other: Value,
}

fn given(lines: Vec<Value>, parts: Vec<Value>) -> Given {
    Given { lines, parts, shipments: Vec::new(), refunds: Vec::new(), other: json!({}) }
}

fn order(given: Given) -> Order {
    let mut order = json!({
        "id": "gid://shopify/Order/7", "name": "#1007", "createdAt": "2026-11-20T10:00:00Z", "cancelledAt": null,
        "test": false, "displayFinancialStatus": "PAID", "displayFulfillmentStatus": "UNFULFILLED",
        "paymentGatewayNames": ["shopify_payments"], "email": "a@b.example", "phone": "1", "currencyCode": "EUR",
        "taxesIncluded": true, "totalPriceSet": money("30.00"), "totalShippingPriceSet": money("5.00"),
        "shippingLine": { "title": "Parcel", "taxLines": [{ "priceSet": money("0.80") }] },
        "shippingAddress": { "name": "Ann B", "company": null, "address1": "1 High St", "address2": " ", "city": "X",
            "province": null, "zip": "1", "countryCodeV2": "GB", "phone": null },
        "billingAddress": null, "lineItems": list(given.lines), "fulfillmentOrders": list(given.parts),
        "fulfillments": given.shipments, "refunds": given.refunds,
    });
    for (name, value) in given.other.as_object().unwrap() {
        order[name] = value.clone();
    }
    serde_json::from_value(order).unwrap()
}

fn ours(given: Given) -> WebOrder {
    match web_order(&order(given), &policy(), HERE).unwrap() {
        Mapped::Ours(order) => order,
        other => panic!("{other:?}"),
    }
}

/// ordered, cancelled, shipped, refunded, returned
fn units(order: &WebOrder, line: usize) -> [i64; 5] {
    let line = &order.lines[line];
    [line.ordered, line.cancelled, line.shipped, line.refunded, line.returned]
        .map(|units| units.to_string().parse().unwrap())
}

#[test]
fn an_order_is_read_with_money_and_address() {
    let order = ours(given(vec![line("A", 2, 2)], vec![part(Some(HERE), "OPEN", &[("A", 2)])]));
    assert_eq!((order.number.as_str(), order.store_status.as_str()), ("1007", "paid, unfulfilled"));
    assert_eq!((order.total, order.shipping_total), (Decimal::new(3000, 2), Decimal::new(500, 2)));
    assert_eq!((order.customer.street.as_str(), order.customer.telephone.as_str()), ("1 High St", "1"));
    let line = &order.lines[0];
    assert_eq!((line.price, line.price_incl_tax), (Decimal::new(10, 0), Decimal::new(1190, 2)));
    assert_eq!((line.tax_percent, line.discount), (Decimal::new(19, 0), Decimal::new(200, 2)));
    let other = json!({ "taxesIncluded": false });
    let order = ours(Given { other, ..given(vec![line_("A")], vec![part(Some(HERE), "OPEN", &[("A", 1)])]) });
    assert_eq!(order.lines[0].price_incl_tax, Decimal::new(14161, 3));
    assert_eq!(order.shipping_total, Decimal::new(580, 2));
}

fn line_(id: &str) -> Value {
    line(id, 1, 1)
}

#[test]
fn what_became_of_units_is_told_apart() {
    let here = |units| vec![part(Some(HERE), "OPEN", &[("A", units)])];
    let with =
        |refunds, shipments, current| Given { refunds, shipments, ..given(vec![line("A", 5, current)], here(2)) };
    let sent = || vec![shipment(HERE, "SUCCESS", &[("A", 2)]), shipment(HERE, "CANCELLED", &[("A", 2)])];
    assert_eq!(units(&ours(with(vec![], sent(), 5)), 0), [5, 0, 2, 0, 0], "a shipment that was cancelled is none");
    let cancelled = vec![refund("A", 1, "CANCEL", Some(HERE))];
    assert_eq!(units(&ours(with(cancelled, vec![], 4)), 0), [5, 1, 0, 0, 0]);
    let back = vec![refund("A", 1, "RETURN", Some(HERE))];
    assert_eq!(units(&ours(with(back, sent(), 4)), 0), [5, 0, 2, 1, 1]);
    let elsewhere = vec![refund("A", 1, "RETURN", Some(THERE)), refund("A", 1, "RETURN", None)];
    assert_eq!(units(&ours(with(elsewhere, sent(), 3)), 0), [5, 0, 2, 2, 0], "put back in another shop");
    let lost = vec![refund("A", 1, "NO_RESTOCK", None), refund("A", 1, "LATER_WORD", Some(HERE))];
    assert_eq!(units(&ours(with(lost, sent(), 3)), 0), [5, 0, 2, 2, 0], "in doubt it is gone");
    assert_eq!(units(&ours(with(vec![], vec![], 3)), 0), [5, 2, 0, 0, 0], "taken off without a refund");
}

#[test]
fn a_cancelled_order_takes_nothing_more_and_goes_to_the_till_only_if_something_has_left() {
    let cancelled = |shipments| {
        let refunds = vec![refund("A", 1, "NO_RESTOCK", None)];
        let other = json!({ "cancelledAt": "2026-11-21T10:00:00Z" });
        ours(Given {
            refunds,
            shipments,
            other,
            ..given(vec![line("A", 3, 0)], vec![part(Some(HERE), "CANCELLED", &[("A", 0)])])
        })
    };
    let order = cancelled(vec![]);
    assert_eq!((units(&order, 0), order.standing, order.is_void()), ([3, 3, 0, 0, 0], Standing::Waiting, true));
    assert_eq!(order.store_status, "cancelled, paid, unfulfilled");
    let order = cancelled(vec![shipment(HERE, "SUCCESS", &[("A", 1)])]);
    assert_eq!((units(&order, 0), order.standing), ([3, 2, 1, 1, 0], Standing::Ready));
}

#[test]
fn of_a_shared_line_counts_what_is_sent_from_here() {
    let parts = vec![part(Some(HERE), "OPEN", &[("A", 2)]), part(Some(THERE), "OPEN", &[("A", 1)])];
    let shipments = vec![shipment(HERE, "SUCCESS", &[("A", 1)]), shipment(THERE, "SUCCESS", &[("A", 3)])];
    let refunds = vec![refund("A", 1, "CANCEL", Some(THERE)), refund("A", 1, "RETURN", Some(HERE))];
    let order = ours(Given { shipments, refunds, ..given(vec![line("A", 9, 7)], parts) });
    assert_eq!(units(&order, 0), [3, 0, 1, 1, 1]);
    assert_eq!(order.lines[0].to_take(), 2.into());
}

#[test]
fn whose_an_order_is_follows_from_who_is_to_send_it() {
    let mapped = |parts: Vec<Value>, other: Value| {
        web_order(&order(Given { other, ..given(vec![line_("A")], parts) }), &policy(), HERE).unwrap()
    };
    let open = |place| vec![part(Some(place), "OPEN", &[("A", 1)])];
    assert!(matches!(mapped(open(HERE), json!({})), Mapped::Ours(_)));
    assert!(matches!(mapped(open(THERE), json!({})), Mapped::Elsewhere(_)));
    assert!(
        matches!(mapped(vec![part(None, "OPEN", &[("A", 1)])], json!({})), Mapped::Elsewhere(_)),
        "a deleted location"
    );
    let replaced = vec![part(Some(HERE), "CANCELLED", &[("A", 1)]), part(Some(THERE), "OPEN", &[("A", 1)])];
    assert!(matches!(mapped(replaced, json!({})), Mapped::Elsewhere(_)));
    let Mapped::Undecided(waiting) = mapped(vec![], json!({})) else { panic!("nobody knows") };
    assert_eq!((waiting.standing, waiting.lines[0].to_take()), (Standing::Waiting, 1.into()));
    assert!(matches!(mapped(vec![], json!({ "cancelledAt": "2026-11-21T10:00:00Z" })), Mapped::Elsewhere(_)));
}

#[test]
fn only_what_is_paid_or_payable_and_not_held_is_ready() {
    let standing = |other: Value, status: &str| {
        ours(Given { other, ..given(vec![line_("A")], vec![part(Some(HERE), status, &[("A", 1)])]) }).standing
    };
    assert_eq!(standing(json!({}), "OPEN"), Standing::Ready);
    assert_eq!(standing(json!({}), "IN_PROGRESS"), Standing::Ready);
    for held in ["ON_HOLD", "SCHEDULED"] {
        assert_eq!(standing(json!({}), held), Standing::Waiting, "{held}");
    }
    for paid in ["PENDING", "AUTHORIZED", "PARTIALLY_PAID", "VOIDED", "EXPIRED"] {
        assert_eq!(standing(json!({ "displayFinancialStatus": paid }), "OPEN"), Standing::Waiting, "{paid}");
    }
    assert_eq!(standing(json!({ "displayFinancialStatus": null }), "OPEN"), Standing::Waiting);
    assert_eq!(standing(json!({ "test": true }), "OPEN"), Standing::Waiting);
    let by_hand = json!({ "displayFinancialStatus": "PENDING", "paymentGatewayNames": ["cash on delivery (COD)"] });
    assert_eq!(standing(by_hand, "OPEN"), Standing::Ready);
}

#[test]
fn odd_lines_take_nothing_from_the_shelf_except_of_a_product_that_was_deleted() {
    let odd = |change: Value| {
        let mut odd = line("B", 1, 1);
        for (name, value) in change.as_object().unwrap() {
            odd[name] = value.clone();
        }
        let order = ours(given(vec![line_("A"), odd], vec![part(Some(HERE), "OPEN", &[("A", 1)])]));
        (order.lines[1].sku.to_string(), order.lines[1].takes_stock)
    };
    assert_eq!(odd(json!({ "sku": null, "variant": null })), ("CUSTOM".into(), false));
    assert_eq!(odd(json!({ "sku": " " })), ("CUSTOM".into(), false));
    assert_eq!(odd(json!({ "isGiftCard": true })), ("B".into(), false));
    let digital = json!({ "requiresShipping": false, "variant": { "inventoryItem": { "tracked": false } } });
    assert_eq!(odd(digital), ("B".into(), false));
    assert_eq!(odd(json!({ "variant": null })), ("B".into(), true));
}

#[test]
fn an_order_that_cannot_be_understood_says_so() {
    let order =
        order(given(vec![line(&"A".repeat(2_000), 1, 1)], vec![part(Some(HERE), "OPEN", &[(&"A".repeat(2_000), 1)])]));
    let why = web_order(&order, &policy(), HERE).unwrap_err();
    assert!(why.contains("the SKU is longer"), "{why}");
}
