//! The direction of dependencies, read from the source: an arrow that points outwards fails here.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

use std::fs;
use std::path::{Path, PathBuf};

/// Each module, and the modules of this crate that it may use.
const MAY_USE: [(&str, &[&str]); 13] = [
    ("domain", &["domain"]),
    ("units", &["units"]),
    ("ports", &["domain", "ports"]),
    ("clock", &["ports"]),
    ("ledger", &["domain", "ports", "ledger"]),
    ("epos", &["domain", "ports", "units", "epos"]),
    ("central", &["domain", "ports", "units", "central"]),
    ("tasks", &["domain", "ports", "units", "ledger", "tasks"]),
    ("health", &["domain", "ledger", "tasks", "health"]),
    ("http", &["health", "ledger", "tasks", "http"]),
    ("telemetry", &["telemetry"]),
    ("config", &["domain", "units", "ledger", "epos", "central", "http", "tasks", "telemetry", "config"]),
    ("demo", &["domain", "ports", "units", "clock", "ledger", "config", "demo"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// What stands before the tests at the foot of a file.
fn production(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

fn module_of(path: &Path) -> String {
    let relative = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn all() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 30, "the scan reads the sources");
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

fn is_test(path: &Path) -> bool {
    let name = path.file_stem().unwrap().to_str().unwrap();
    name.starts_with("tests") || name.ends_with("_tests") || name == "testing"
}

#[test]
fn dependencies_point_inwards() {
    let mut wrong = Vec::new();
    for (path, text) in all().iter().filter(|(path, _)| !is_test(path)) {
        let module = module_of(path);
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else { continue };
        for (number, line) in production(text).lines().enumerate() {
            for used in line.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if !line.trim_start().starts_with("//") && !used.is_empty() && !allowed.contains(&used.as_str()) {
                    wrong.push(format!("{}:{}: {module} uses {used}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_core_knows_no_clock_no_disk_and_no_network() {
    const OUTSIDE: [&str; 9] =
        ["tokio", "std::fs", "std::net", "std::time", "rusqlite", "reqwest", "axum", "Timestamp::now", "std::process"];
    for (path, text) in all().iter().filter(|(path, _)| module_of(path) == "domain" && !is_test(path)) {
        for word in OUTSIDE {
            assert!(!production(text).contains(word), "{} mentions {word}", path.display());
        }
    }
}

#[test]
fn only_the_gate_makes_an_admitted_snapshot() {
    for (path, text) in all().iter().filter(|(path, _)| !is_test(path)) {
        let makes = production(text).contains("AdmittedSnapshot {");
        let allowed = path.ends_with("domain/gate.rs");
        assert!(!makes || allowed, "{} makes an AdmittedSnapshot of its own", path.display());
        let restores = production(text).contains("AdmittedSnapshot::recorded");
        assert!(!restores || path.ends_with("ledger/admission.rs"), "{} restores an AdmittedSnapshot", path.display());
    }
}

#[test]
fn every_file_opens_with_what_it_promises_and_stays_readable() {
    const MOST_LINES: usize = 420;
    for (path, text) in all() {
        assert!(is_test(&path) || text.starts_with("//!"), "{} has no module header", path.display());
        let lines = production(&text).lines().count();
        assert!(is_test(&path) || lines <= MOST_LINES, "{} has {lines} lines", path.display());
    }
}

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

#[test]
fn every_promise_of_the_readme_has_a_test_of_its_name() {
    let readme = readme();
    let promises = readme.split("## What it promises").nth(1).unwrap().split("\nNot promised").next().unwrap();
    let tests = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/promises.rs")).unwrap();
    let promises: Vec<&str> = promises.lines().filter_map(|line| line.strip_prefix("- ")).collect();
    assert!(promises.len() >= 10, "{promises:?}");
    for promise in promises {
        let words: Vec<String> =
            promise.to_lowercase().split_whitespace().map(|word| word.replace(['.', ','], "")).collect();
        let name = words.join("_").replace('-', "_");
        assert!(tests.contains(&format!("fn {name}(")), "no test is named {name}");
    }
}

#[test]
fn every_health_condition_stands_in_the_readme_with_what_to_do() {
    let readme = readme();
    let mut codes = 0;
    for (path, text) in all().iter().filter(|(path, _)| !is_test(path)) {
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if line.starts_with("/// Condition:") {
                let code = lines.next().unwrap().split('"').nth(1).unwrap();
                assert!(readme.contains(&format!("| `{code}` |")), "{} has {code}, the README has not", path.display());
                codes += 1;
            }
        }
    }
    assert!(codes >= 15, "{codes}");
}
