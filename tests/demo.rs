//! The demo, as a person or a script starts it: the real program, its agent in a process of its own, killed for real.
//!
//! The last line of `--format json` is read by scripts; its keys and their meaning stay.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

/// Longest that a demo may take. It takes some ten seconds; a busy machine gets its time.
const AT_MOST: Duration = Duration::from_secs(240);

/// What it wrote to standard output. One that does not end in time is killed, and the test fails.
fn demo(args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tillbridge"));
    command.arg("demo").args(args).env_remove("TILLBRIDGE_CONFIG");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).unwrap();
        tell.send(text)
    });
    let Ok(text) = told.recv_timeout(AT_MOST) else {
        child.kill().unwrap();
        panic!("the demo did not end: {args:?}");
    };
    assert_eq!(child.wait().unwrap().code(), Some(0), "{args:?}: {text}");
    text
}

/// The last line, which has to keep every promise.
fn outcome(args: &[&str]) -> Value {
    let text = demo(&[args, &["--format", "json"]].concat());
    let outcome: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let keys: Vec<&str> = outcome.as_object().unwrap().keys().map(String::as_str).collect();
    let mut documented = vec![
        "oversold",
        "naive_oversold",
        "orders_placed",
        "orders_imported_once",
        "orders_imported_twice",
        "half_written_files",
        "sellable_equals_truth",
        "kills",
        "seed",
        "seconds",
    ];
    documented.sort_unstable();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, documented);
    for nothing in ["oversold", "orders_imported_twice", "half_written_files"] {
        assert_eq!(outcome[nothing], 0, "{outcome}");
    }
    assert_eq!(outcome["sellable_equals_truth"], true, "{outcome}");
    assert_eq!(outcome["orders_imported_once"], outcome["orders_placed"], "{outcome}");
    assert!(outcome["orders_placed"].as_u64().unwrap() >= 6, "{outcome}");
    assert!(outcome["naive_oversold"].as_i64().unwrap() >= 1, "the story shows what goes wrong without: {outcome}");
    outcome
}

#[test]
fn the_demo_ends_with_one_line_of_json_in_which_every_promise_holds() {
    let outcome = outcome(&["--seed", "7"]);
    assert_eq!((&outcome["seed"], &outcome["kills"]), (&7.into(), &3.into()));
}

#[test]
fn the_demo_tells_the_same_story_for_the_same_seed() {
    let (first, second) = (outcome(&["--seed", "5", "--kills", "0"]), outcome(&["--seed", "5", "--kills", "0"]));
    for same in ["orders_placed", "naive_oversold", "seed", "kills"] {
        assert_eq!(first[same], second[same]);
    }
}

#[test]
fn the_demo_keeps_every_promise_without_the_file_watcher() {
    outcome(&["--seed", "7", "--no-watch"]);
}

#[test]
fn the_demo_keeps_every_promise_however_often_the_agent_is_killed() {
    let outcome = outcome(&["--seed", "7", "--kills", "12"]);
    assert_eq!(outcome["kills"], 12);
}

#[test]
fn the_demo_tells_people_what_happened() {
    let text = demo(&["--seed", "7"]);
    for words in [
        "Tillbridge offers      8",
        "The shop's internet line goes down.",
        "A/B-7",
        "each booked by the till exactly once. Agent killed 3 times.",
        "Oversold with Tillbridge:   0 unit(s).",
    ] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
}

#[test]
fn each_simulated_store_comes_with_a_configuration_that_reaches_it() {
    for (kind, shown) in [
        ("magento", "Magento with MSI"),
        ("magento-legacy", "Magento without MSI"),
        ("store-api", "store API, location shop1"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tillbridge"));
        command.args(["demo", "--only-store", "--format", "json", "--kind", kind]).env_remove("TILLBRIDGE_CONFIG");
        let mut store = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(store.stdout.take().unwrap()), &mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        let mut check = Command::new(env!("CARGO_BIN_EXE_tillbridge"));
        let checked = check.args(["--config", told["config"].as_str().unwrap(), "check"]).output().unwrap();
        store.kill().unwrap();
        store.wait().unwrap();
        // A killed store cannot tidy up.
        let config = std::path::Path::new(told["config"].as_str().unwrap());
        std::fs::remove_dir_all(config.parent().unwrap()).unwrap();
        let text = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(text.contains(shown), "{kind}: {text}");
    }
}
