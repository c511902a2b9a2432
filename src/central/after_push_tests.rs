use std::io::{IsTerminal, Read};
use std::sync::mpsc;

use serde_json::{Value, json};

use super::*;
use crate::central::testing::{Answer, FakeStore, says};
use crate::central::{Secret, SecretFrom, StoreKind};
use crate::domain::Sku;
use crate::ports::PushedSkus;
use crate::units::Span;

fn pushed(account: &str, skus: &[&str]) -> Pushed {
    let listed: Vec<Sku> = skus.iter().map(|sku| Sku::new(sku).unwrap()).collect();
    let at = "2026-11-23T16:30:00Z".parse().unwrap();
    Pushed { account: account.into(), count: listed.len() as u64, skus: PushedSkus::These(listed), at }
}

fn listener(after_push: AfterPushSettings) -> Arc<dyn PushListener> {
    let settings = StoreSettings {
        token: Some(Secret::new("t").into()),
        after_push: Some(after_push),
        ..StoreSettings::new(StoreKind::StoreApi, "https://127.0.0.1:1")
    };
    settings.validate().unwrap();
    push_listener(&settings).unwrap().unwrap()
}

fn at(store: &FakeStore) -> AfterPushSettings {
    AfterPushSettings { url: Some(format!("{}/hooks/stock?shop=1", store.url)), ..AfterPushSettings::default() }
}

// --------------------------------------------------------------------------------------------------------- an address

#[tokio::test]
async fn an_address_gets_the_items_as_json_with_the_token_as_it_is_now() {
    let store = FakeStore::in_turn([says(204, ""), says(200, "<html>thanks</html>"), says(200, "")]);
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    let listens = listener(AfterPushSettings { token: Some(SecretFrom::File(token_file.clone())), ..at(&store) });
    for token in ["first\n", "second\n"] {
        crate::demo::write_private(&token_file, token).unwrap();
        listens.tell(&pushed("main", &["1001", "A/B-7"])).await.unwrap();
    }
    let all = Pushed { skus: PushedSkus::All, count: 7_000, ..pushed("main", &[]) };
    listener(at(&store)).tell(&all).await.unwrap();
    let asked = store.asked();
    assert_eq!((asked[0].method.as_str(), asked[0].path.as_str()), ("POST", "/hooks/stock?shop=1"));
    let said = json!({"account": "main", "skus": ["1001", "A/B-7"], "count": 2, "at": "2026-11-23T16:30:00Z"});
    assert_eq!((asked[0].json(), asked[0].header("content-type")), (said, Some("application/json")));
    let tokens: Vec<_> = asked.iter().map(|asked| asked.header("authorization")).collect();
    assert_eq!(tokens, [Some("Bearer first"), Some("Bearer second"), None]);
    assert_eq!((&asked[2].json()["skus"], &asked[2].json()["count"]), (&json!("all"), &json!(7_000)));
}

#[tokio::test]
async fn an_address_that_refuses_is_classified_like_a_store() {
    let store = FakeStore::in_turn([
        says(500, "{}"),
        Answer::Says(429, vec![("Retry-After", "30".into())], "{}".into()),
        says(401, "{}"),
        Answer::Nothing,
    ]);
    let listens = listener(at(&store));
    let mut found = Vec::new();
    for _ in 0..4 {
        let why = listens.tell(&pushed("main", &["1001"])).await.unwrap_err();
        assert!(why.what.starts_with("telling `after_push.url` what was written: "), "{why}");
        found.push((why.class, why.retry_after.map(|pause| pause.as_secs())));
    }
    use FailureClass::{Permanent, Transient};
    assert_eq!(found, [(Transient, None), (Transient, Some(30)), (Permanent, None), (Transient, None)]);
    let gone = AfterPushSettings { token: Some(SecretFrom::File("/nowhere/token".into())), ..at(&store) };
    let why = listener(gone).tell(&pushed("main", &["1001"])).await.unwrap_err();
    assert!(why.what.contains("store.after_push.token") && why.what.contains("/nowhere/token"), "{why}");
}

#[tokio::test]
async fn an_address_that_does_not_answer_is_given_up_on() {
    let (release, held) = mpsc::channel::<()>();
    let store = FakeStore::with(move |_| {
        // Ends when the test does.
        held.recv().ok();
        Answer::Nothing
    });
    let listens = listener(AfterPushSettings { timeout: Span::millis(50), ..at(&store) });
    let why = listens.tell(&pushed("main", &["1001"])).await.unwrap_err();
    assert_eq!(why.class, FailureClass::Transient);
    assert!(why.what.contains("did not answer in time"), "{why}");
    drop(release);
}

// ---------------------------------------------------------------------------------------------------------- a program

/// This very test program, told to be one of the programs below: the same on every system.
fn program(name: &str, timeout: Span) -> Arc<dyn PushListener> {
    let this = std::env::current_exe().unwrap().display().to_string();
    let name = format!("central::after_push::tests::{name}");
    let command = [this.as_str(), "--exact", &name, "--ignored", "--nocapture"].map(str::to_owned);
    listener(AfterPushSettings { command: Some(command.into()), timeout, ..AfterPushSettings::default() })
}

/// What a program below was told; none when a person runs it.
fn heard() -> Option<Value> {
    let mut text = String::new();
    if std::io::stdin().is_terminal() || std::io::stdin().read_to_string(&mut text).is_err() {
        return None;
    }
    serde_json::from_str(&text).ok()
}

#[test]
#[ignore = "a program for the tests below"]
fn writes_down_what_it_hears() {
    let Some(heard) = heard() else { return };
    std::fs::write(heard["account"].as_str().unwrap(), heard.to_string()).unwrap();
}

#[test]
#[ignore = "a program for the tests below"]
fn fails() {
    assert!(heard().is_none(), "the index is locked");
}

#[test]
#[ignore = "a program for the tests below"]
fn never_ends() {
    if heard().is_some() {
        loop {
            std::thread::park();
        }
    }
}

#[test]
#[ignore = "a program for the tests below"]
fn does_not_listen() {}

#[tokio::test]
async fn a_program_hears_the_items_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heard.json");
    let told = pushed(file.to_str().unwrap(), &["1001", "\"quoted\" & $(odd)"]);
    program("writes_down_what_it_hears", Span::seconds(60)).tell(&told).await.unwrap();
    let heard: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(heard, serde_json::to_value(&told).unwrap());
}

#[tokio::test]
async fn a_program_that_fails_is_told_again_and_its_words_are_kept() {
    let why = program("fails", Span::seconds(60)).tell(&pushed("main", &["1001"])).await.unwrap_err();
    assert_eq!(why.class, FailureClass::Transient);
    assert!(why.what.contains("failed (") && why.what.contains("the index is locked"), "{why}");
}

#[tokio::test]
async fn a_program_that_does_not_end_is_ended() {
    let why = program("never_ends", Span::millis(1_500)).tell(&pushed("main", &["1001"])).await.unwrap_err();
    assert!(why.what.contains("had not ended after 1.5 s (`after_push.timeout`) and was ended"), "{why}");
}

#[tokio::test]
async fn a_program_need_not_read_what_it_is_told() {
    let many: Vec<String> = (0..5_000).map(|n| format!("an-item-with-a-long-name-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    program("does_not_listen", Span::seconds(60)).tell(&pushed("main", &many)).await.unwrap();
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let nowhere = std::env::temp_dir().join("no-such-program");
    let command = Some(vec![nowhere.display().to_string()]);
    let why = listener(AfterPushSettings { command, ..AfterPushSettings::default() })
        .tell(&pushed("main", &["1001"]))
        .await
        .unwrap_err();
    assert_eq!(why.class, FailureClass::Permanent);
    assert!(why.what.contains("no-such-program could not be started"), "{why}");
}

#[tokio::test]
#[cfg(unix)]
async fn what_a_program_leaves_running_delays_nothing_and_the_stores_token_is_not_in_its_environment() {
    let words = ["/bin/sh", "-c", "test -z \"$CARGO_MANIFEST_DIR\" && { sleep 600 & echo started; }"];
    let command = Program {
        words: words.map(str::to_owned).into(),
        timeout: Duration::from_secs(60),
        secret_variables: vec!["CARGO_MANIFEST_DIR".into()],
    };
    command.tell(&pushed("main", &["1001"])).await.unwrap();
    let leaks = Program { secret_variables: Vec::new(), ..command };
    assert!(leaks.tell(&pushed("main", &["1001"])).await.is_err(), "the test would see a leak");
}

// ------------------------------------------------------------------------------------------------------- the settings

#[test]
fn settings_that_make_no_sense_are_refused_by_key() {
    let plain = AfterPushSettings::default;
    let command = |words: &[&str]| AfterPushSettings {
        command: Some(words.iter().map(|word| (*word).to_owned()).collect()),
        ..plain()
    };
    let url = |text: &str| AfterPushSettings { url: Some(text.into()), ..plain() };
    for (after_push, says) in [
        (plain(), "after_push: needs either `url` or `command`"),
        (AfterPushSettings { url: Some("https://h/".into()), ..command(&["x"]) }, "needs either"),
        (url("http://shop.example/hook"), "after_push.url: must begin with https://"),
        (url("https://a:b@shop.example/hook"), "after_push.url: must not hold a name or a password"),
        (url("shop.example"), "after_push.url: is no address"),
        (command(&[]), "after_push.command: is empty"),
        (command(&["bin/reindex"]), "write the whole path"),
        (AfterPushSettings { token: Some(Secret::new("t").into()), ..command(&["x"]) }, "after_push.token: belongs to"),
        (AfterPushSettings { timeout: Span::seconds(601), ..command(&["x"]) }, "after_push.timeout: is longer than"),
        (AfterPushSettings { at_most_every: Span::seconds(0), ..command(&["x"]) }, "after_push.at_most_every: is zero"),
    ] {
        let settings = StoreSettings {
            token: Some(Secret::new("t").into()),
            after_push: Some(after_push),
            ..StoreSettings::new(StoreKind::StoreApi, "https://127.0.0.1:1")
        };
        let why = settings.validate().unwrap_err().to_string();
        assert!(why.contains(says), "{why} should say {says}");
    }
    for fine in [url("https://shop.example/hook?a=b"), url("http://localhost:9000/hook"), command(&["reindex", "-q"])] {
        listener(fine);
    }
}
