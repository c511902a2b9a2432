use super::super::{Magento, explain, explain_signed};
use super::*;
use crate::central::authorize::Authorization;
use crate::central::client::Client;
use crate::central::testing::{Answer, Asked, FakeStore, recorded, says, settings, signed_in};
use crate::central::{MagentoSettings, OAuthSettings, Secret, StoreKind, StoreSettings};
use crate::ports::CentralStore;

const REFUSED: &str = recorded!("err-401-bearer-not-enabled.json");
const NO_RIGHT: &str = recorded!("err-401-acl-source-items.json");

fn own() -> MagentoSettings {
    let given = |text: &str| Secret::new(text).into();
    let oauth = OAuthSettings {
        consumer_key: "ck".into(),
        consumer_secret: given("consumer-s3cret"),
        access_token: given("t0ken"),
        access_token_secret: given("token-s3cret"),
    };
    MagentoSettings { source: "store_a".into(), oauth: Some(oauth), ..MagentoSettings::default() }
}

fn signed(store: &FakeStore) -> Magento {
    let settings = StoreSettings { magento: Some(own()), ..StoreSettings::new(StoreKind::Magento, &store.url) };
    let authorization = Authorization::oauth(settings.oauth().unwrap()).unwrap();
    Magento::new(Client::new(&settings, authorization, explain_signed).unwrap(), &settings)
}

fn with_token(store: &FakeStore) -> Magento {
    let own = MagentoSettings { oauth: None, ..own() };
    let settings = StoreSettings { magento: Some(own), ..settings(StoreKind::Magento, store) };
    Magento::new(signed_in(&settings, explain).unwrap(), &settings)
}

/// A store that lets everything through but what `refuses` answers.
fn store(mut refuses: impl FnMut(&Asked) -> Option<Answer> + Send + 'static) -> FakeStore {
    FakeStore::with(move |asked| {
        refuses(asked).unwrap_or_else(|| match asked.line().as_str() {
            "POST /rest/V1/inventory/source-items" => says(400, recorded!("err-400-source-items-empty.json")),
            "POST /rest/V1/orders/0/comments" => says(404, recorded!("comment-404.json")),
            "GET /rest/V1/modules" => says(200, recorded!("modules.json")),
            "GET /rest/V1/inventory/sources/store_a" => says(200, recorded!("source-store-a.json")),
            _ => says(200, r#"{"items":null,"total_count":0}"#),
        })
    })
}

async fn failures(shop: &Magento) -> Vec<(String, String)> {
    let lines = shop.check().await;
    let shown = format!("{lines:?}");
    for secret in ["s3cret", "t0ken"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    lines.into_iter().filter(|line| !line.ok).map(|line| (line.what, line.found)).collect()
}

#[tokio::test]
async fn a_token_that_lets_nothing_through_is_named_once_with_the_switch_first() {
    let store = store(|_| Some(says(401, REFUSED)));
    let failed = failures(&with_token(&store)).await;
    assert_eq!(failed[0].0, SIGN_IN);
    let places = ["enable_integration_as_bearer", "token is wrong", "lacks the right"];
    let found = places.map(|words| failed[0].1.find(words).unwrap_or_else(|| panic!("{words}: {failed:#?}")));
    assert!(found.is_sorted(), "{failed:#?}");
    assert!(failed[1..].iter().all(|(_, found)| found.starts_with("refused like")), "{failed:#?}");
}

#[tokio::test]
async fn a_single_missing_right_is_named_alone_with_its_place_whether_signed_or_not() {
    for is_signed in [false, true] {
        let store = store(|asked| asked.line().starts_with("POST /rest/V1/inventory").then(|| says(401, NO_RIGHT)));
        let shop = if is_signed { signed(&store) } else { with_token(&store) };
        let failed = failures(&shop).await;
        assert_eq!(failed.len(), 1, "{failed:#?}");
        let (what, found) = &failed[0];
        assert_eq!(what, "the right to write stock");
        let words = "lacks the right Magento_InventoryApi::stock_source_item_assign: System > Extensions > Integrations > \
                     the integration > API, tick Stores > Inventory > Stocks > Source Item Assigning";
        assert!(found.contains(words), "{found}");
        assert!(!found.contains("Bearer"), "the others got in: {found}");
    }
}

#[tokio::test]
async fn a_missing_right_to_read_orders_or_stocks_is_told_from_a_bad_token_by_the_others() {
    for route in ["/rest/V1/orders", "/rest/V1/inventory/stocks"] {
        let store = store(move |asked| (asked.line() == format!("GET {route}")).then(|| says(401, REFUSED)));
        let failed = failures(&with_token(&store)).await;
        assert_eq!(failed.len(), 1, "{failed:#?}");
        assert!(failed[0].1.contains("lacks the right") && !failed[0].1.contains("switch"), "{failed:#?}");
    }
}

#[tokio::test]
async fn each_refused_signature_is_one_line_with_its_cause() {
    for (body, cause) in [
        (recorded!("err-401-oauth-consumer.json"), "magento.oauth.consumer_key"),
        (recorded!("err-401-oauth-token.json"), "magento.oauth.access_token"),
        (recorded!("err-401-oauth-signature.json"), "Offloader header"),
        (recorded!("err-401-oauth-clock.json"), "clock"),
        (recorded!("err-401-oauth-nonce-used.json"), "sent the request twice"),
    ] {
        let store = store(move |_| Some(says(401, body)));
        let failed = failures(&signed(&store)).await;
        assert_eq!(failed[0].0, SIGN_IN, "{failed:#?}");
        assert!(failed[0].1.contains(cause), "{failed:#?}");
    }
}

#[tokio::test]
async fn a_proxy_that_hides_the_port_is_proved_and_not_guessed() {
    // Told apart by the count: the third request is the one that is signed without the port.
    let mut count = 0;
    let store = store(move |_| {
        count += 1;
        (count != 3).then(|| says(401, recorded!("err-401-oauth-signature.json")))
    });
    let failed = failures(&signed(&store)).await;
    assert_eq!(failed.len(), 1);
    assert!(
        failed[0].1.starts_with("the four values are right, but Magento sees this request without the port"),
        "{failed:#?}"
    );
}

#[tokio::test]
async fn a_maintenance_page_and_a_firewall_are_told_from_a_refusal() {
    let page = |status, body: &'static str| store(move |_| Some(says(status, body)));
    for is_signed in [false, true] {
        let check = async |store: &FakeStore| match is_signed {
            true => failures(&signed(store)).await,
            false => failures(&with_token(store)).await,
        };
        let failed = check(&page(503, recorded!("err-503-maintenance.html"))).await;
        assert_eq!(failed.len(), 1);
        assert!(failed[0].1.contains("maintenance:allow-ips"), "{failed:#?}");
        let failed = check(&page(403, "<html><title>Access denied</title></html>")).await;
        assert_eq!(failed.len(), 1);
        assert!(failed[0].1.contains("firewall") && !failed[0].1.contains("maintenance"), "{failed:#?}");
    }
}

#[tokio::test]
async fn a_clock_that_is_ahead_is_named_and_does_not_stop_a_signed_check() {
    let store = store(|asked| {
        let hour_ago = (local_time() - SignedDuration::from_hours(1)).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let signed_at = asked.header("authorization")?.split("oauth_timestamp=\"").nth(1)?.split('"').next()?;
        let is_ahead = signed_at.parse::<i64>().ok()? > local_time().as_second() - 3000;
        let (status, body) = match is_ahead {
            true => (401, recorded!("err-401-oauth-clock.json")),
            false => return None,
        };
        Some(Answer::Says(status, vec![("Date", hour_ago)], body.into()))
    });
    let shop = signed(&store);
    assert_eq!(failures(&shop).await, [], "signed anew with the store's time");
    assert_eq!(shop.client.authorization().clock_ahead() / 60, 60);
}
