use super::*;
use crate::central::testing::recorded;

fn signed(status: u16, body: &str) -> String {
    explain_signed(status, body.as_bytes()).remedy.unwrap_or_default()
}

#[test]
fn each_recorded_refusal_of_a_signed_request_names_its_own_cause() {
    for (body, cause) in [
        (recorded!("err-401-oauth-consumer.json"), "`magento.oauth.consumer_key` is not the Consumer Key"),
        (recorded!("err-401-oauth-token.json"), "`magento.oauth.access_token` is not the Access Token"),
        (recorded!("err-401-oauth-signature.json"), "the consumer secret or the access token secret is wrong"),
        (recorded!("err-401-oauth-nonce-used.json"), "sent the request twice"),
        (recorded!("err-401-oauth-clock.json"), "clock is more than ten minutes ahead"),
        (recorded!("err-401-acl-comment.json"), "lacks the right Magento_Sales::comment"),
    ] {
        let remedy = signed(401, body);
        assert!(remedy.contains(cause), "{body}: {remedy}");
        assert!(!remedy.contains("Bearer"), "{remedy}");
    }
    let sha1 = signed(400, recorded!("err-400-oauth-sha1.json"));
    assert!(sha1.contains("does not take HMAC-SHA256"), "{sha1}");
}

#[test]
fn every_remedy_says_where_in_the_admin_pages() {
    for body in [
        recorded!("err-401-oauth-consumer.json"),
        recorded!("err-401-oauth-token.json"),
        recorded!("err-401-oauth-signature.json"),
        recorded!("err-401-acl-comment.json"),
        recorded!("err-401-acl-source-items.json"),
    ] {
        assert!(signed(401, body).contains("System > Extensions > Integrations"), "{body}");
    }
    let proxy = signed(401, recorded!("err-401-oauth-signature.json"));
    assert!(proxy.contains("Offloader header") && proxy.contains("Base URLs (Secure)"), "{proxy}");
    let right = signed(401, recorded!("err-401-acl-source-items.json"));
    assert!(right.contains("tick Stores > Inventory > Stocks > Source Item Assigning"), "{right}");
}

#[test]
fn in_another_language_all_causes_are_named() {
    let remedy = signed(401, r#"{"message":"Die Signatur ist ungültig."}"#);
    for cause in ["four values", "not active", "clock", "proxy"] {
        assert!(remedy.contains(cause), "{remedy}");
    }
}

#[test]
fn with_a_token_the_switch_comes_first_then_the_token_then_the_right() {
    let remedy = explain(401, recorded!("err-401-wrong-token.json").as_bytes()).remedy.unwrap();
    let places = ["enable_integration_as_bearer", "token is wrong", "lacks the right Magento_Sales::actions_view"];
    let found = places.map(|words| remedy.find(words).unwrap_or_else(|| panic!("{words}: {remedy}")));
    assert!(found.is_sorted(), "{remedy}");
    assert_eq!(
        recorded!("err-401-wrong-token.json"),
        recorded!("err-401-no-token.json"),
        "Magento tells neither apart"
    );
}
