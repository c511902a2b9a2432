use super::*;
use crate::central::Secret;

fn signer(consumer_secret: &str, token_secret: &str) -> Signer {
    let given = |text: &str| Secret::new(text).into();
    let settings = OAuthSettings {
        consumer_key: "ck".into(),
        consumer_secret: given(consumer_secret),
        access_token: given("at"),
        access_token_secret: given(token_secret),
    };
    Signer::new(&settings).unwrap()
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

/// RFC 5849, 3.4.1.1 (with its form parameters in the query, which 3.4.1.3 joins with them). Its values are those of a
/// request signed with HMAC-SHA1; the text that is signed does not depend on the method's strength.
#[test]
fn the_text_that_is_signed_is_the_rfcs_own() {
    let protocol = [
        ("oauth_consumer_key", "9djdj82h48djs9d2"),
        ("oauth_token", "kkk9d7dh3k39sjv7"),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", "137131201"),
        ("oauth_nonce", "7d8f3e4a"),
    ];
    let asked = url("http://example.com/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b&c2&a3=2+q");
    assert_eq!(
        base_string(&Method::POST, &asked, &protocol),
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540\
         %3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-\
         SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
    );
}

/// RFC 5849, 3.4.1.2, whose two examples come first.
#[test]
fn the_address_has_no_default_port_no_query_and_its_path_as_it_is_sent() {
    for (asked, address) in [
        ("http://EXAMPLE.COM:80/r%20v/X?id=123", "http://example.com/r%20v/X"),
        ("https://www.example.net:8080/?q=1", "https://www.example.net:8080/"),
        ("https://shop.example:443/rest/V1/orders?x=1#y", "https://shop.example/rest/V1/orders"),
        ("https://shop.example:80/rest", "https://shop.example:80/rest"),
        ("https://[::1]:8443/rest", "https://[::1]:8443/rest"),
        ("https://shop.example/rest/V1/products/AB%2F12", "https://shop.example/rest/V1/products/AB%2F12"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
    ] {
        assert_eq!(base_address(&url(asked)), address);
    }
}

/// RFC 4231, test cases 1 and 2: HMAC-SHA256 itself, with the key "Jefe" and without the `&` that OAuth puts behind it.
#[test]
fn the_mac_is_hmac_sha256() {
    let hex = |key: &[u8], text: &[u8]| {
        let mac = Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(text).finalize().into_bytes();
        mac.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let first = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
    assert_eq!(hex(&[0x0b; 20], b"Hi There"), first);
    let second = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(hex(b"Jefe", b"what do ya want for nothing?"), second);
}

#[test]
fn the_header_names_all_that_a_store_needs_and_no_secret() {
    let signer = signer("consumer-secret", "token-secret");
    let header = signer.header_at(&Method::GET, &url("https://shop.example/rest/V1/orders"), "n0nce", 1_700_000_000);
    let start = "OAuth oauth_consumer_key=\"ck\", oauth_nonce=\"n0nce\", oauth_signature_method=\"HMAC-SHA256\", \
                 oauth_timestamp=\"1700000000\", oauth_token=\"at\", oauth_version=\"1.0\", oauth_signature=\"";
    assert!(header.starts_with(start), "{header}");
    assert!(!header.contains("secret") && !format!("{signer:?}").contains("at\""), "{header} {signer:?}");
}

#[test]
fn every_sending_has_a_nonce_of_its_own_that_magento_can_keep() {
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..1000 {
        let nonce = nonce();
        assert!(nonce.len() == 32 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit()), "{nonce}");
        assert!(seen.insert(nonce));
    }
}

#[test]
fn a_secret_with_odd_characters_is_encoded_in_the_key() {
    let odd = signer("a&b", "ü +");
    let key = Hmac::<Sha256>::new_from_slice(b"a%26b&%C3%BC%20%2B").unwrap().chain_update(b"text").finalize();
    assert_eq!(odd.signature("text"), STANDARD.encode(key.into_bytes()));
}

#[test]
fn a_clock_ahead_of_the_stores_is_corrected_and_one_behind_is_left_alone() {
    let mut signer = signer("a", "b");
    signer.now = || Timestamp::from_second(1_000_000).unwrap();
    let at = |second| Some(Timestamp::from_second(second).unwrap());
    for (store, signed) in [
        (None, 1_000_000),
        (at(1_000_000 - 3600), 1_000_000 - 3600),
        (None, 1_000_000 - 3600),
        (at(1_000_000 - 59), 1_000_000),
        (at(1_000_000 - 700), 1_000_000 - 700),
        (at(1_000_000 + 3600), 1_000_000),
    ] {
        signer.learn(store);
        let header = signer.header(&Method::GET, &url("https://shop.example/"));
        assert!(header.contains(&format!("oauth_timestamp=\"{signed}\"")), "{store:?}: {header}");
    }
}

/// Two requests that Oracle publishes with their HMAC-SHA256 signatures, made with values that open nothing ("The
/// Signature for Web Services and RESTlets", NetSuite's online help, section_1534941088).
#[test]
fn published_hmac_sha256_signatures_come_out_the_same() {
    let given = |text: &str| Secret::new(text).into();
    let settings = OAuthSettings {
        consumer_key: "ef40afdd8abaac111b13825dd5e5e2ddddb44f86d5a0dd6dcf38c20aae6b67e4".into(),
        consumer_secret: given("d26ad321a4b2f23b0741c8d38392ce01c3e23e109df6c96eac6d099e9ab9e8b5"),
        access_token: given("2b0ce516420110bcbd36b69e99196d1b7f6de3c6234c5afb799b73d87569f5cc"),
        access_token_secret: given("c29a677df7d5439a458c063654187e3d678d73aca8e3c9d8bea1478a3eb0d295"),
    };
    let signer = Signer::new(&settings).unwrap();
    for (method, asked, signature) in [
        (
            Method::POST,
            "https://123456.restlets.api.netsuite.com/app/site/hosting/restlet.nl?script=6&deploy=1&customParam=someValue&testParam=someOtherValue",
            "%2BKK4SKNgz4ZiILGLwOMtfYlgcXSy1eis8ldE9X90azQ%3D",
        ),
        (
            Method::GET,
            "https://123456.suitetalk.api.netsuite.com/services/rest/record/v1/employee/40",
            "B5OIWznZ2YP0OB7VrJrGkYsTh%2B8H%2B5T9Hag%2Bo92q0zY%3D",
        ),
    ] {
        let header = signer.header_at(&method, &url(asked), "fjaLirsIcCGVZWzBX0pg", 1_508_242_306);
        assert!(header.ends_with(&format!("oauth_signature=\"{signature}\"")), "{header}");
    }
}

/// What the real client sends, for an independent implementation to verify (tests/oauth/run).
#[tokio::test]
#[ignore = "writes to $TILLBRIDGE_OAUTH_REQUESTS, for tests/oauth/run"]
async fn signed_requests_for_an_outside_verifier() {
    use crate::central::StoreKind;
    use crate::central::authorize::Authorization;
    use crate::central::client::{Call, Client};
    use crate::central::settings::StoreSettings;
    use crate::central::testing::{FakeStore, says};

    let mut lines = String::new();
    let secrets = [("consumer-secret", "token-secret"), ("a&b=c", "ü +/%"), ("0123456789abcdef0123456789abcdef", "x")];
    for (consumer_secret, token_secret) in secrets {
        let given = |text: &str| Secret::new(text).into();
        let oauth = OAuthSettings {
            consumer_key: "ck ü&".into(),
            consumer_secret: given(consumer_secret),
            access_token: given("at/+="),
            access_token_secret: given(token_secret),
        };
        let mut note = |method: &str, url: &str, authorization: &str, body: &str| {
            let line = serde_json::json!({
                "method": method, "url": url, "authorization": authorization, "body": body,
                "consumer_secret": consumer_secret, "token_secret": token_secret,
            });
            lines += &format!("{line}\n");
        };
        // As they go over the line.
        let store = FakeStore::with(|_| says(200, "[]"));
        let settings = StoreSettings::new(StoreKind::Magento, &store.url);
        let client =
            Client::new(&settings, Authorization::oauth(&oauth).unwrap(), crate::central::magento::explain_signed)
                .unwrap();
        for path in NASTY_PATHS {
            client.send(&Call::get("reading", path)).await.unwrap();
            client.send(&Call::write(Method::POST, "writing", path, "{\"a\":[\"b=c&d\"]}".into())).await.unwrap();
            client.send(&Call::write(Method::PUT, "writing", path, "{}".into())).await.unwrap();
        }
        for asked in store.asked() {
            note(
                &asked.method,
                &format!("{}{}", store.url, asked.path),
                asked.header("authorization").unwrap(),
                &asked.body,
            );
        }
        // Names and ports that this machine does not have.
        let signer = Signer::new(&oauth).unwrap();
        for address in ODD_ADDRESSES {
            let asked = url(address);
            note("GET", asked.as_str(), &signer.header(&Method::GET, &asked), "");
        }
    }
    std::fs::write(std::env::var("TILLBRIDGE_OAUTH_REQUESTS").unwrap(), lines).unwrap();
}

const NASTY_PATHS: [&str; 14] = [
    "/rest/V1/orders",
    "/rest/V1/orders?searchCriteria[filterGroups][0][filters][0][field]=updated_at&searchCriteria[filterGroups][0][filters][0][conditionType]=gteq&searchCriteria[filterGroups][0][filters][0][value]=2026-11-23T16%3A31%3A24Z&searchCriteria[pageSize]=50&fields=items[entity_id,items[sku]],total_count",
    "/rest/V1/orders?searchCriteria[filterGroups][0][filters][0][value]=2026-11-23%2016%3A31%3A24",
    "/rest/V1/products?searchCriteria[filterGroups][0][filters][0][value]=AB%2F12%2CA%26B-7%2CGR%C3%9CN%2C100%25-WOLLE%2B1",
    "/rest/V1/products?x=a+b&y=c%2Bd&z=%20",
    "/rest/V1/products?b=2&a=1&a=0&c=&d=%3D",
    "/rest/V1/products?A=1&a=2&_=3&~=4&-=5&.=6",
    "/rest/V1/products/AB%2F12",
    "/rest/V1/products/A%26B-7/stockItems/1",
    "/rest/V1/products/SKU%20MIT%20LEER",
    "/rest/V1/stockItems/GR%C3%9CN-%C3%9C1",
    "/rest/V1/stockItems/100%25-WOLLE%2B1?fields=qty,manage_stock",
    "/rest/default/V1/products/a.b_c~d-e",
    "/rest/V1/products?emoji=%F0%9F%AB%96&quote=%22%27%3C%3E&star=*&bang=!",
];

const ODD_ADDRESSES: [&str; 10] = [
    "https://shop.example/rest/V1/orders",
    "https://shop.example:443/rest/V1/orders?x=1",
    "https://SHOP.Example/rest/V1/orders",
    "https://shop.example:8443/rest/V1/orders?a=b",
    "http://shop.example:80/rest/V1/orders",
    "http://shop.example:8080/rest/V1/orders",
    "https://shop.example/m2/index.php/rest/V1/orders?a=b%20c",
    "https://xn--bcher-kva.example/rest/V1/orders",
    "https://192.0.2.7:444/rest/V1/orders",
    "https://shop.example/",
];
