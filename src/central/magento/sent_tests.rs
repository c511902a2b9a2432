use serde_json::json;

use super::*;
use crate::central::magento::order::{Policy, web_order};
use crate::central::testing::{Asked, FakeStore, recorded, says, settings as with_token, signed_in};
use crate::central::{MagentoSettings, StoreKind, StoreSettings, magento::explain};

/// What is left of an order for a shop with this source: per line ordered, cancelled, shipped.
fn part(order: &str, shipments: &Value, source: &str, whose: Whose) -> Option<Vec<[String; 3]>> {
    let raw: Value = serde_json::from_str(order).unwrap();
    let mut sent = Sent::default();
    let shipments: Vec<Shipment> = serde_json::from_value(shipments.clone()).unwrap();
    shipments.iter().for_each(|shipment| sent.add(shipment, source));
    let policy = Policy { export_states: vec!["processing".into()], offline_payments: Vec::new() };
    let order = part_of(web_order(&raw, &policy).unwrap(), &raw, whose, &sent).unwrap()?;
    let lines = order.lines.iter();
    Some(lines.map(|line| [line.ordered, line.cancelled, line.shipped].map(|units| units.to_string())).collect())
}

fn lines(lines: &[[&str; 3]]) -> Option<Vec<[String; 3]>> {
    Some(lines.iter().map(|line| line.map(str::to_owned)).collect())
}

fn shipments(recorded: &str, order: u64) -> Value {
    let all: Value = serde_json::from_str(recorded).unwrap();
    all["items"].as_array().unwrap().iter().filter(|one| one["order_id"] == order).cloned().collect()
}

#[test]
fn units_count_for_the_shop_from_whose_source_they_went() {
    let list = recorded!("shipments-fields.json");
    // Order 11: 1 and 2 of 3 from store_a, 2 of another item not shipped.
    let (order, sent) = (recorded!("order-part-shipped.json"), shipments(list, 11));
    assert_eq!(part(order, &sent, "store_a", Whose::Mine), lines(&[["3", "0", "3"], ["2", "0", "0"]]));
    assert_eq!(part(order, &sent, "wh_b", Whose::Mine), lines(&[["3", "3", "0"], ["2", "0", "0"]]));
    assert_eq!(part(order, &sent, "store_a", Whose::Elsewhere), lines(&[["3", "0", "3"], ["2", "2", "0"]]));
    assert_eq!(part(order, &sent, "wh_b", Whose::Elsewhere), None);
    // Magento's stand-in proves nothing: the shop that the order was routed to has to answer for it.
    let mut stand_in = sent;
    stand_in[0]["extension_attributes"]["source_code"] = json!("default");
    stand_in[1].as_object_mut().unwrap().remove("extension_attributes");
    assert_eq!(part(order, &stand_in, "wh_b", Whose::Mine), lines(&[["3", "0", "3"], ["2", "0", "0"]]));
    assert_eq!(part(order, &stand_in, "wh_b", Whose::Elsewhere), None);
}

#[test]
fn an_order_that_another_shop_shipped_whole_is_that_shops() {
    let (order, sent) = (recorded!("order-shipped.json"), shipments(recorded!("shipments-fields.json"), 12));
    assert_eq!(part(order, &sent, "store_a", Whose::Mine), None);
    assert_eq!(part(order, &sent, "wh_b", Whose::Elsewhere), lines(&[["2", "0", "2"]]));
}

#[test]
fn parts_of_bundles_follow_the_row_that_the_shipment_names() {
    let list = recorded!("shipments-fields.json");
    // Dynamic: 3 of 4 of the second part, and the parent's row as well. Fixed: the parent's row only. Configurable: likewise.
    let (dynamic, fixed) =
        (recorded!("order-bundle-dynamic-part-shipped.json"), recorded!("order-bundle-fixed-shipped.json"));
    assert_eq!(part(dynamic, &shipments(list, 25), "wh_b", Whose::Mine), lines(&[["2", "0", "0"], ["4", "3", "0"]]));
    let of_source = part(dynamic, &shipments(list, 25), "store_a", Whose::Elsewhere);
    assert_eq!(of_source, lines(&[["2", "2", "0"], ["4", "1", "3"]]));
    assert_eq!(part(fixed, &shipments(list, 26), "wh_b", Whose::Mine), None);
    assert_eq!(
        part(fixed, &shipments(list, 26), "store_a", Whose::Elsewhere),
        lines(&[["1", "0", "1"], ["2", "0", "2"]])
    );
    let configurable = recorded!("order-configurable-refunded.json");
    assert_eq!(part(configurable, &shipments(list, 24), "wh_b", Whose::Mine), None);
    assert_eq!(part(configurable, &shipments(list, 24), "store_a", Whose::Mine), lines(&[["2", "0", "2"]]));
}

fn shop(store: &FakeStore, routing: bool) -> Magento {
    let rules = crate::central::RoutingSettings { otherwise: Whose::Mine, rules: Vec::new() };
    let own =
        MagentoSettings { source: "store_a".into(), routing: routing.then_some(rules), ..MagentoSettings::default() };
    let settings = StoreSettings { magento: Some(own), ..with_token(StoreKind::Magento, store) };
    Magento::new(signed_in(&settings, explain).unwrap(), &settings)
}

#[tokio::test]
async fn it_is_asked_once_per_change_of_an_order_and_only_where_orders_are_routed() {
    let store = FakeStore::with(|asked: &Asked| match asked.line().as_str() {
        "GET /rest/V1/inventory/stocks" => says(200, recorded!("stocks.json")),
        "GET /rest/V1/shipments" => {
            let sent = shipments(recorded!("shipments-fields.json"), 11);
            says(200, json!({"items": sent, "total_count": 2}).to_string())
        }
        other => panic!("{other}"),
    });
    let order: Value = serde_json::from_str(recorded!("order-part-shipped.json")).unwrap();
    let page = [order.clone(), serde_json::from_str(recorded!("order-held.json")).unwrap()];
    assert!(shop(&store, false).sent(&page).await.unwrap().is_empty());
    assert_eq!(store.asked().len(), 0);
    let shop = shop(&store, true);
    for _ in 0..3 {
        assert_eq!(shop.sent(&page).await.unwrap()["11"].ours["19"], Decimal::from(3));
    }
    assert_eq!(store.lines(), ["GET /rest/V1/inventory/stocks", "GET /rest/V1/shipments"]);
    assert!(store.asked()[1].path.contains("[value]=11&"), "only what is shipped: {}", store.asked()[1].path);
    // It says more to be shipped than can be seen: asked again each time, until it can be.
    let mut more = order;
    more["items"][1]["qty_shipped"] = json!(1);
    for _ in 0..2 {
        shop.sent(std::slice::from_ref(&more)).await.unwrap();
    }
    assert_eq!(store.asked().len(), 4);
}

#[tokio::test]
async fn shipments_that_may_not_be_read_leave_every_order_with_the_shop_it_was_routed_to() {
    let store = FakeStore::with(|asked: &Asked| match asked.line().as_str() {
        "GET /rest/V1/inventory/stocks" => says(200, recorded!("stocks.json")),
        _ => says(401, recorded!("err-401-acl-comment.json")),
    });
    let shop = shop(&store, true);
    let order: Value = serde_json::from_str(recorded!("order-part-shipped.json")).unwrap();
    for _ in 0..2 {
        assert!(shop.sent(std::slice::from_ref(&order)).await.unwrap().is_empty());
    }
    assert_eq!(store.asked().len(), 2);
}
