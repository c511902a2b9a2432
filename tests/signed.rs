//! The main job with signed requests (OAuth 1.0a), at a Magento that refuses tokens and checks every signature its own way.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

mod shop;

use jiff::SignedDuration;
use shop::TestShop;
use tillbridge::central;
use tillbridge::demo::magento::Mode;
use tillbridge::domain::OrderState;
use tillbridge::ports::CheckLine;

async fn signed_shop(mode: Mode) -> TestShop {
    let mut shop = TestShop::open(mode).await;
    shop.sign();
    shop
}

/// An order comes in, goes to the till, is taken, and the next export is sent: sellable is the truth.
async fn do_the_main_job(shop: &mut TestShop) {
    shop.go_into_business().await;
    let order = shop.place("1001", 2);
    shop.pull().await;
    shop.write_orders();
    assert_eq!(shop.till_takes_all(), 1);
    shop.pass_time(120);
    shop.export_and_look("second.csv");
    shop.deliver().await;
    assert_eq!(shop.state_of(&order.increment_id), OrderState::Acknowledged);
    assert_eq!(shop.sellable("1001"), 8.into());
    assert_eq!(shop.due(), 0);
    let comments = shop.magento.with(|books| books.order(order.entity_id).unwrap().comments.len());
    assert_eq!(comments, 1, "the store was told once");
    assert_eq!(shop.conditions(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_is_done_with_signatures_alone() {
    for mode in [Mode::Msi, Mode::Legacy] {
        let mut shop = signed_shop(mode).await;
        do_the_main_job(&mut shop).await;
        let signed = shop.magento.with(|books| books.sign_in.signed());
        assert!(signed > 10, "{signed} in {mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pc_whose_clock_is_an_hour_ahead_of_the_stores_does_the_same() {
    for mode in [Mode::Msi, Mode::Legacy] {
        let mut shop = signed_shop(mode).await;
        shop.clock.advance(SignedDuration::from_hours(-1));
        do_the_main_job(&mut shop).await;
        let lines = check(&shop).await;
        let clocks = lines.iter().find(|line| line.what == "clocks").unwrap();
        assert!(!clocks.ok && clocks.found.contains("signed with the store's time"), "{clocks:?}");
        assert!(lines.iter().filter(|line| !line.ok).count() == 1, "{lines:#?}");
    }
}

async fn check(shop: &TestShop) -> Vec<CheckLine> {
    central::connect(&shop.config.store).unwrap().check().await
}

#[track_caller]
fn the_only_trouble(lines: &[CheckLine]) -> &str {
    let troubles: Vec<&CheckLine> = lines.iter().filter(|line| !line.ok).collect();
    assert_eq!(troubles.len(), 1, "{lines:#?}");
    &troubles[0].found
}

#[tokio::test(flavor = "multi_thread")]
async fn check_is_content_with_a_store_that_takes_our_signatures() {
    for mode in [Mode::Msi, Mode::Legacy] {
        let shop = signed_shop(mode).await;
        let lines = check(&shop).await;
        assert!(lines.iter().all(|line| line.ok), "{lines:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_proves_what_a_proxy_hides_from_the_store() {
    let shop = signed_shop(Mode::Msi).await;
    for (hides_https, hides_port, words) in [
        (true, false, "as if it were called over plain http: a proxy"),
        (false, true, "without the port"),
        (true, true, "hides both"),
    ] {
        shop.magento.with(|books| {
            books.sign_in.hides_https = hides_https;
            books.sign_in.hides_port = hides_port;
        });
        let lines = check(&shop).await;
        let found = the_only_trouble(&lines);
        assert!(found.starts_with("the four values are right") && found.contains(words), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_which_of_the_four_values_is_wrong_and_which_right_is_missing() {
    type Spoil = fn(&mut tillbridge::demo::magento::Integration);
    let spoils: [(Spoil, &str); 4] = [
        (|own| own.consumer_key.push('x'), "magento.oauth.consumer_key"),
        (|own| own.consumer_secret.push('x'), "consumer secret or the access token secret"),
        (|own| own.access_token.push('x'), "magento.oauth.access_token"),
        (|own| own.access_token_secret.push('x'), "consumer secret or the access token secret"),
    ];
    for (spoil, words) in spoils {
        let shop = signed_shop(Mode::Msi).await;
        shop.magento.with(|books| spoil(books.sign_in.integration.as_mut().unwrap()));
        let lines = check(&shop).await;
        let found = the_only_trouble(&lines);
        assert!(found.contains(words), "{found}");
    }
    for signed in [true, false] {
        let mut shop = TestShop::open(Mode::Msi).await;
        if signed {
            shop.sign();
        }
        shop.magento.with(|books| books.sign_in.rights_missing.insert("Magento_Sales::comment".into()));
        let lines = check(&shop).await;
        let found = the_only_trouble(&lines);
        assert!(found.contains("tick Sales > Operations > Orders > Actions > Comment"), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_the_switch_first_when_the_store_refuses_tokens() {
    if std::env::var_os("TILLBRIDGE_TESTS_SIGN").is_some() {
        return;
    }
    let shop = TestShop::open(Mode::Msi).await;
    shop.magento.with(|books| books.sign_in.refuses_bearer = true);
    let lines = check(&shop).await;
    let first = lines.iter().find(|line| !line.ok).unwrap();
    let switch = first.found.find("Either in Stores > Configuration > Services > OAuth").unwrap();
    assert!(switch < first.found.find("or the token is wrong").unwrap(), "{first:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_is_never_sent_twice() {
    // The store keeps every nonce for good, so a repeated one would have been refused and the job not done.
    let mut shop = signed_shop(Mode::Msi).await;
    do_the_main_job(&mut shop).await;
    shop.die_and_restart();
    let before = shop.magento.with(|books| books.sign_in.signed());
    shop.pull().await;
    assert!(shop.magento.with(|books| books.sign_in.signed()) > before);
}
