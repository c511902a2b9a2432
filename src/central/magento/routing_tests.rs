use serde_json::json;

use super::*;
use crate::central::testing::{FakeStore, recorded, says, settings as with_token, signed_in};
use crate::central::{MagentoSettings, StoreKind, StoreSettings, magento::explain};

fn routing(text: &str) -> RoutingSettings {
    toml::from_str(text).unwrap()
}

fn shop(store: &FakeStore, text: &str) -> Magento {
    let own = MagentoSettings { routing: Some(routing(text)), ..MagentoSettings::default() };
    let settings = StoreSettings { magento: Some(own), ..with_token(StoreKind::Magento, store) };
    Magento::new(signed_in(&settings, explain).unwrap(), &settings)
}

/// As `fields` leaves it.
fn order(pickup: Option<&str>, store: i64, method: Option<&str>) -> Value {
    let shipping = method.map_or(json!([]), |method| json!({ "method": method }));
    let mut more = json!({"shipping_assignments": [{"shipping": shipping}]});
    if let Some(place) = pickup {
        more["pickup_location_code"] = json!(place);
    }
    json!({"entity_id": 1, "store_id": store, "extension_attributes": more})
}

async fn decided(text: &str, orders: &[Value]) -> Vec<bool> {
    let store = FakeStore::with(|asked| match asked.line().as_str() {
        "GET /rest/V1/store/storeViews" => {
            says(200, r#"[{"id":1,"code":"default","website_id":1},{"id":3,"code":"de_de","website_id":2}]"#)
        }
        "GET /rest/V1/store/websites" => says(200, r#"[{"id":1,"code":"base"},{"id":2,"code":"germany"}]"#),
        other => panic!("{other}"),
    });
    let whose = shop(&store, text).whose(orders).await.unwrap();
    whose.into_iter().map(|whose| whose == Whose::Mine).collect()
}

#[tokio::test]
async fn the_first_rule_that_fits_decides_and_what_none_fits_goes_the_written_way() {
    let rules = r#"
        rules = [
            { pickup_location = ["shop1"], orders_are = "mine" },
            { pickup_location = ["*"], orders_are = "elsewhere" },
            { shipping_method = ["flatrate_*", "dhl_express"], orders_are = "mine" },
            { shipping_method = ["flatrate_flatrate"], orders_are = "elsewhere" },
        ]
    "#;
    let orders = [
        order(Some("shop1"), 1, Some("instore_pickup")),
        order(Some("shop2"), 1, Some("flatrate_flatrate")),
        order(None, 1, Some("flatrate_flatrate")),
        order(None, 1, Some("dhl_express")),
        order(None, 1, Some("dhl_express_night")),
        order(Some(""), 1, None),
    ];
    for (otherwise, left) in [("mine", true), ("elsewhere", false)] {
        let text = format!("otherwise = \"{otherwise}\"\n{rules}");
        assert_eq!(decided(&text, &orders).await, [true, false, true, true, left, left], "{otherwise}");
    }
    // An order of which nothing is known goes the written way as well.
    assert_eq!(decided(&format!("otherwise = \"mine\"\n{rules}"), &[json!({})]).await, [true]);
}

#[tokio::test]
async fn store_views_and_websites_are_known_by_code_and_by_number_and_all_conditions_have_to_hold() {
    let (base, german, unknown) = (order(None, 1, None), order(None, 3, None), order(None, 9, None));
    for (rule, expected) in [
        (r#"store = ["de_de"]"#, [false, true, false]),
        (r#"store = ["3", "9"]"#, [false, true, true]),
        (r#"store = ["de_*"]"#, [false, true, false]),
        (r#"website = ["germany"]"#, [false, true, false]),
        (r#"website = ["1"]"#, [true, false, false]),
        (r#"website = ["germany"], store = ["default"]"#, [false, false, false]),
        (r#"website = ["base"], shipping_method = ["*"]"#, [false, false, false]),
    ] {
        let text = format!("otherwise = \"elsewhere\"\nrules = [{{ {rule}, orders_are = \"mine\" }}]");
        assert_eq!(decided(&text, &[base.clone(), german.clone(), unknown.clone()]).await, expected, "{rule}");
    }
}

#[tokio::test]
async fn codes_are_looked_up_once_again_for_a_new_store_view_and_not_at_all_without_need() {
    let store = FakeStore::with(|asked| match asked.line().as_str() {
        "GET /rest/V1/store/storeViews" => says(200, recorded!("store-views.json")),
        _ => says(200, recorded!("websites.json")),
    });
    let by_code = shop(&store, "otherwise = \"mine\"\nrules = [{ website = [\"base\"], orders_are = \"elsewhere\" }]");
    for _ in 0..3 {
        assert_eq!(by_code.whose(&[order(None, 1, None)]).await.unwrap(), [Whose::Elsewhere]);
    }
    assert_eq!(store.asked().len(), 2);
    for _ in 0..3 {
        assert_eq!(by_code.whose(&[order(None, 8, None)]).await.unwrap(), [Whose::Mine]);
    }
    assert_eq!(store.asked().len(), 4, "one that the store itself does not know is not looked up again and again");
    let by_number = shop(&store, "otherwise = \"mine\"\nrules = [{ store = [\"1\"], orders_are = \"elsewhere\" }]");
    assert_eq!(by_number.whose(&[order(None, 1, None)]).await.unwrap(), [Whose::Elsewhere]);
    assert_eq!(store.asked().len(), 4);
}

#[tokio::test]
async fn while_codes_cannot_be_looked_up_no_order_is_routed_by_guess() {
    let refusal = recorded!("err-401-acl-comment.json").replace("Magento_Sales::comment", "Magento_Backend::store");
    let store = FakeStore::with(move |_| says(401, refusal.clone()));
    let by_code = shop(&store, "otherwise = \"mine\"\nrules = [{ store = [\"de\"], orders_are = \"elsewhere\" }]");
    let error = by_code.whose(&[order(None, 1, None)]).await.unwrap_err();
    assert!(error.what.contains("Magento_Backend::store"), "{error}");
    assert!(error.what.contains("by which orders are routed"), "{error}");
}
