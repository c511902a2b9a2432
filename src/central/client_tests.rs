use super::*;
use crate::central::testing::{Answer, FakeStore, says, settings, signed_in};
use crate::central::{OAuthSettings, Secret, StoreKind, magento, testing::recorded};

fn client(store: &FakeStore) -> Client {
    signed_in(&settings(StoreKind::Magento, store), magento::explain).unwrap()
}

fn get() -> Call {
    Call::get("reading orders", "/rest/V1/orders?x=1")
}

fn post() -> Call {
    Call::write(Method::POST, "writing stock", "/rest/V1/inventory/source-items", "{}".into())
}

async fn failure(answer: Answer, call: Call) -> StoreError {
    let store = FakeStore::in_turn([answer]);
    let error = client(&store).ask::<serde_json::Value>(&call).await.unwrap_err();
    let shown = format!("{error:?} {error}");
    assert!(!shown.contains("s3cret-token"), "{shown}");
    error
}

#[tokio::test]
async fn every_request_says_who_asks_and_wants_json() {
    let store = FakeStore::in_turn([says(200, "[]")]);
    client(&store).ask::<Vec<u8>>(&Call { idempotency_key: Some("k1".into()), ..post() }).await.unwrap();
    let asked = &store.asked()[0];
    assert_eq!(asked.header("authorization"), Some("Bearer s3cret-token"));
    assert_eq!(asked.header("accept"), Some("application/json"));
    assert_eq!(asked.header("content-type"), Some("application/json"));
    assert_eq!(asked.header("idempotency-key"), Some("k1"));
    assert!(asked.header("user-agent").unwrap().starts_with("Tillbridge/"));
    assert!(asked.header("accept-encoding").unwrap().contains("gzip"));
}

#[tokio::test]
async fn a_maintenance_page_passes_by_itself() {
    let error = failure(says(503, recorded!("err-503-maintenance.html")), get()).await;
    assert_eq!(error.class, FailureClass::Transient);
    assert!(error.what.contains("answered 503 with a web page instead of data"), "{error}");
    assert!(error.what.contains("under maintenance"), "{error}");
}

#[tokio::test]
async fn a_broken_off_page_of_a_shop_without_its_database_is_transient_and_a_write_may_be_done() {
    let error = failure(says(500, recorded!("err-500-database-down.txt")), post()).await;
    assert_eq!((error.class, error.maybe_done), (FailureClass::Transient, true));
}

#[tokio::test]
async fn a_web_page_with_status_200_is_no_answer() {
    let error = failure(says(200, "<html><title>Just a moment...</title></html>"), get()).await;
    assert_eq!(error.class, FailureClass::Transient);
    assert!(error.what.contains("\"Just a moment...\""), "{error}");
    let blocked = failure(says(403, "<html>Access denied</html>"), get()).await;
    assert_eq!(blocked.class, FailureClass::Permanent);
    assert!(blocked.what.contains("firewall"), "{blocked}");
}

#[tokio::test]
async fn a_refused_token_names_the_switch_first_and_then_the_right() {
    let error = failure(says(401, recorded!("err-401-bearer-not-enabled.json")), get()).await;
    assert_eq!(error.class, FailureClass::Permanent);
    let switch = error.what.find("oauth/consumer/enable_integration_as_bearer").unwrap();
    let right = error.what.rfind("lacks the right Magento_Sales::actions_view").unwrap();
    assert!(switch < right, "{error}");
    assert!(error.what.contains("isn't authorized to access Magento_Sales::actions_view"), "{error}");
}

#[tokio::test]
async fn a_missing_route_asks_for_the_address() {
    let error = failure(says(404, recorded!("err-404-route.json")), get()).await;
    assert_eq!(error.class, FailureClass::Permanent);
    assert!(error.what.contains("Request does not match any route."), "{error}");
    assert!(error.what.contains("`url`"), "{error}");
}

#[tokio::test]
async fn a_pause_that_the_store_asks_for_is_kept_in_seconds_and_as_a_date() {
    let slow = |wait: &str| {
        let date = ("Date", "Mon, 23 Nov 2026 16:31:24 GMT".to_owned());
        Answer::Says(429, vec![("Retry-After", wait.to_owned()), date], "{}".into())
    };
    for (wait, seconds) in [
        ("120", Some(120)),
        ("Mon, 23 Nov 2026 16:32:24 GMT", Some(60)),
        ("Mon, 23 Nov 2026 16:00:00 GMT", Some(0)),
        ("soon", None),
    ] {
        let error = failure(slow(wait), post()).await;
        assert_eq!(error.retry_after, seconds.map(SignedDuration::from_secs), "{wait}");
        assert_eq!((error.class, error.maybe_done), (FailureClass::Transient, false));
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_transient_and_a_write_may_be_done() {
    for answer in [Answer::BreaksOff, Answer::Nothing] {
        let error = failure(answer.clone(), get()).await;
        assert_eq!((error.class, error.maybe_done), (FailureClass::Transient, false));
        let error = failure(answer, post()).await;
        assert_eq!((error.class, error.maybe_done), (FailureClass::Transient, true));
    }
}

#[tokio::test]
async fn a_write_that_found_no_connection_was_surely_not_done() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let settings =
        StoreSettings { token: Some(Secret::new("t").into()), ..StoreSettings::new(StoreKind::Magento, &url) };
    let client = signed_in(&settings, magento::explain).unwrap();
    let error = client.ask::<serde_json::Value>(&post()).await.unwrap_err();
    assert_eq!((error.class, error.maybe_done), (FailureClass::Transient, false));
    assert!(error.what.starts_with("writing stock: no connection to 127.0.0.1"), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_token_goes_nowhere_else() {
    let elsewhere = FakeStore::in_turn([says(200, "{}")]);
    let to = vec![("Location", format!("{}/rest/V1/orders", elsewhere.url))];
    let error = failure(Answer::Says(302, to, String::new()), post()).await;
    assert_eq!(error.class, FailureClass::Permanent);
    assert!(error.what.contains("write that address as `url`"), "{error}");
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let error = failure(says(200, "x".repeat(LARGEST_ANSWER + 1)), get()).await;
    assert_eq!(error.class, FailureClass::Permanent);
    assert!(error.what.contains("more than 32 MB"), "{error}");
}

#[tokio::test]
async fn of_an_answer_of_another_shape_the_place_is_told_and_it_is_kept() {
    let error = failure(says(200, "{\"hello\": tru"), get()).await;
    assert_eq!(error.class, FailureClass::Bug);
    assert!(error.what.contains("something unexpected (line 1, column 13"), "{error}");
    assert!(!error.what.contains("hello"), "it may hold a customer: {error}");
    assert_eq!(error.exchange.unwrap().answered, "{\"hello\": tru");
}

/// A client that signs.
fn signing(store: &FakeStore) -> Client {
    let given = |text: &str| Secret::new(text).into();
    let oauth = OAuthSettings {
        consumer_key: "ck".into(),
        consumer_secret: given("a"),
        access_token: given("s3cret-token"),
        access_token_secret: given("b"),
    };
    let authorization = Authorization::oauth(&oauth).unwrap();
    Client::new(&StoreSettings::new(StoreKind::Magento, &store.url), authorization, magento::explain_signed).unwrap()
}

fn parameter(asked: &crate::central::testing::Asked, name: &str) -> String {
    let header = asked.header("authorization").unwrap();
    header.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_request_refused_for_the_clock_is_sent_again_once_with_the_stores_time_and_a_new_nonce() {
    let hour_ago = (local_time() - SignedDuration::from_hours(1)).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let refused = || Answer::Says(401, vec![("Date", hour_ago.clone())], recorded!("err-401-oauth-clock.json").into());
    let store = FakeStore::in_turn([refused(), says(200, "[]"), says(200, "[]")]);
    let client = signing(&store);
    client.ask::<Vec<u8>>(&post()).await.unwrap();
    client.ask::<Vec<u8>>(&post()).await.unwrap();
    let asked = store.asked();
    let times = asked.iter().map(|one| parameter(one, "oauth_timestamp").parse::<i64>().unwrap());
    let behind: Vec<i64> = times.map(|time| (local_time().as_second() - time + 30) / 3600).collect();
    assert_eq!(behind, [0, 1, 1], "and it goes on so");
    let nonces: std::collections::BTreeSet<String> = asked.iter().map(|one| parameter(one, "oauth_nonce")).collect();
    assert_eq!(nonces.len(), 3);

    let store = FakeStore::in_turn([refused(), refused(), says(200, "[]")]);
    let error = signing(&store).ask::<Vec<u8>>(&post()).await.unwrap_err();
    assert_eq!((store.asked().len(), error.maybe_done), (2, false), "once: {error}");
}

#[tokio::test]
async fn a_signed_request_that_is_refused_for_another_reason_is_not_sent_again() {
    let now = local_time().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let wrong = Answer::Says(401, vec![("Date", now)], recorded!("err-401-oauth-signature.json").into());
    let store = FakeStore::in_turn([wrong]);
    let error = signing(&store).ask::<Vec<u8>>(&post()).await.unwrap_err();
    assert_eq!((store.asked().len(), error.class), (1, FailureClass::Permanent));
}

#[tokio::test]
async fn a_write_that_something_on_the_way_sent_twice_may_have_been_done() {
    let store = FakeStore::in_turn([says(401, recorded!("err-401-oauth-nonce-used.json"))]);
    let error = signing(&store).ask::<Vec<u8>>(&post()).await.unwrap_err();
    assert_eq!((error.class, error.maybe_done), (FailureClass::Transient, true));
}

#[test]
fn parts_of_an_address_are_encoded() {
    for (part, written) in [
        ("AB/12", "AB%2F12"),
        ("SKU MIT LEER", "SKU%20MIT%20LEER"),
        ("GRÜN-Ü1", "GR%C3%9CN-%C3%9C1"),
        ("100%-WOLLE+1", "100%25-WOLLE%2B1"),
        ("a.b_c~d-e", "a.b_c~d-e"),
    ] {
        assert_eq!(encoded(part), written);
    }
}

/// A store over real TLS, with a certificate that nobody knows; the certificate.
async fn tls_store() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls_pki_types::PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let app = axum::Router::new().fallback(|| async { axum::Json(vec![1, 2]) });
    let tls = axum_server::tls_rustls::RustlsConfig::from_config(std::sync::Arc::new(config));
    let server = axum_server::from_tcp_rustls(listener, tls).unwrap();
    tokio::spawn(server.serve(app.into_make_service()));
    (url, made.cert.pem())
}

#[tokio::test]
async fn a_certificate_is_trusted_through_ca_file_only() {
    let (url, pem) = tls_store().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let settings = StoreSettings {
        ca_file: Some(path.clone()),
        token: Some(Secret::new("t").into()),
        ..StoreSettings::new(StoreKind::Magento, &url)
    };
    std::fs::write(&path, "no certificate").unwrap();
    let refused = signed_in(&settings, magento::explain).unwrap_err();
    assert!(refused.to_string().starts_with("store.ca_file: "), "{refused}");
    std::fs::write(&path, pem).unwrap();
    let client = signed_in(&settings, magento::explain).unwrap();
    assert_eq!(client.ask::<Vec<u8>>(&get()).await.unwrap(), [1, 2]);

    let strict = StoreSettings { ca_file: None, ..settings };
    let client = signed_in(&strict, magento::explain).unwrap();
    let error = client.ask::<Vec<u8>>(&post()).await.unwrap_err();
    assert_eq!((error.class, error.maybe_done), (FailureClass::Permanent, false));
    assert!(error.what.contains("`ca_file`"), "{error}");
}
