//! `tillbridge stock read`, the real program on files: the report, the exit codes, what is shown of hostile files.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop, loudly")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/epos-samples")
}

fn tillbridge(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tillbridge")).args(arguments).output().unwrap()
}

/// A folder with a profile in it.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new(profile: &str) -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        desk.write("profile.toml", profile);
        desk
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Exit code, standard output and standard error.
    fn read(&self, arguments: &[&str]) -> (i32, String, String) {
        let profile = self.folder.path().join("profile.toml");
        let output = tillbridge(&[&["stock", "read", "--profile", profile.to_str().unwrap()], arguments].concat());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

const PLAIN: &str = "columns = { sku = \"SKU\", quantity = \"Qty\" }\n";

#[test]
fn every_sample_gives_the_report_that_is_expected_of_it() {
    let mut seen = 0;
    for entry in std::fs::read_dir(samples()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(file) = name.strip_suffix(".expected.json") else { continue };
        let expected: Value = serde_json::from_slice(&std::fs::read(samples().join(&name)).unwrap()).unwrap();
        // The profile as the JSON has it, unchanged.
        let desk = Desk::new(&expected["profile"].to_string());
        let (code, out, _) = desk.read(&["--format", "json", samples().join(file).to_str().unwrap()]);
        let report: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(report["outcome"], expected["outcome"], "{file}");
        if expected["outcome"] == "reject" {
            assert_eq!(code, 6, "{file}");
            for key in ["reason", "line"] {
                assert_eq!(report["reject"][key], expected["reject"][key], "{file}");
            }
        } else {
            assert_eq!(code, 0, "{file}");
            for (found, wanted) in
                report["row_errors"].as_array().unwrap().iter().zip(expected["row_errors"].as_array().unwrap())
            {
                wanted.as_object().unwrap().iter().for_each(|(key, wanted)| assert_eq!(&found[key], wanted, "{file}"));
            }
            assert_eq!(report["stock"], expected["stock"], "{file}");
            assert_eq!(report["digest"], expected["digest"]["value"], "{file}");
            assert_eq!(report["as_of"], expected.get("as_of").cloned().unwrap_or(Value::Null), "{file}");
        }
        seen += 1;
    }
    assert_eq!(seen, 12);
}

#[test]
fn duplicates_deletions_and_the_order_of_changes_are_settled_in_the_report() {
    let desk = Desk::new(PLAIN);
    let file = desk.write(
        "a.csv",
        &format!(
            "SKU,Qty\n{}B,2\nA,1\nB,3\nA,1.0\n",
            (0..60).fold(String::new(), |text, n| text + &format!("g{n:02},1\n"))
        ),
    );
    let (code, out, _) = desk.read(&["--format", "json", &file]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["outcome"]), (0, &json!("accept-with-row-errors")));
    assert_eq!(report["stock"][0], json!({ "sku": "A", "quantity": "1" }));
    let errors: Vec<_> = report["row_errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (&error["row"], &error["line"], &error["reason"]))
        .collect();
    assert_eq!(json!(errors), json!([[61, 62, "duplicate_conflict"], [63, 64, "duplicate_conflict"]]));

    let desk = Desk::new(
        "export = \"delta\"\nheader = \"none\"\ncolumns = { sku = 1, quantity = 2, action = 3, sequence = 4 }\n\
         actions = { A = \"set\", D = \"delete\" }\nsequence = { from = \"name\", pattern = \"delta_#.csv\" }\n",
    );
    let file = desk.write("delta_007.csv", "A,5,A,12\nA,,D,13\nB,9,A,21\nB,4,A,20\n");
    let (_, out, _) = desk.read(&["--format", "json", &file]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["stock"], json!([{ "sku": "A", "action": "delete" }, { "sku": "B", "quantity": "9" }]));
    assert_eq!(report["sequence"], "007");
    // sha256sum of "A\tDELETE\nB\t9\n"
    assert_eq!(report["digest"], "ced432079420340f039efed3eb9c0a0632e50203ae749fb88f34a3d53fa0a447");
}

#[test]
fn an_item_with_an_unreadable_row_is_in_doubt_however_long_its_sku_is() {
    let desk = Desk::new(PLAIN);
    let sku = "X".repeat(200);
    let rest = (0..60).fold(String::new(), |text, n| text + &format!("g{n:02},1\n"));
    let file = desk.write("a.csv", &format!("SKU,Qty\n{rest}{sku},2\n{sku},two\n"));
    let (_, out, _) = desk.read(&["--format", "json", &file]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["stock"].as_array().unwrap().len(), 60);
    let errors = report["row_errors"].as_array().unwrap();
    assert!(errors.iter().all(|error| error["sku"] == sku) && errors.len() == 2, "{errors:?}");
}

#[test]
fn rows_that_add_up_to_no_believable_count_are_in_error() {
    let desk = Desk::new(&format!("{PLAIN}duplicates = \"sum\"\nrow_error_limit_percent = 100\n"));
    let file = desk.write("a.csv", "SKU,Qty\nA,1\nA,2\nC,9999999\nC,9999999\n");
    let (_, out, _) = desk.read(&["--format", "json", &file]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["stock"], json!([{ "sku": "A", "quantity": "3" }]));
    let reasons: Vec<_> = report["row_errors"].as_array().unwrap().iter().map(|error| &error["reason"]).collect();
    assert_eq!(json!(reasons), json!(["quantity_out_of_range", "quantity_out_of_range"]));
}

#[test]
fn several_exports_are_one_document_and_the_worst_decides_the_exit_code() {
    let desk = Desk::new(&format!("{PLAIN}delimiter = \",\"\n"));
    let good = desk.write("good.csv", "SKU,Qty\nA,1\n");
    let bad = desk.write("bad.csv", "Code,Count\nA,1\n");
    let (code, out, _) = desk.read(&["--format", "json", &good, &bad]);
    let reports: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, reports.as_array().unwrap().len()), (6, 2));
    assert_eq!(reports[1]["reject"]["reason"], "missing_column");
    let (code, out, _) = desk.read(&["--format", "json", &good, "/nowhere/stock.csv"]);
    let reports: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, reports.as_array().unwrap().len()), (4, 1));
    let (code, out, _) = desk.read(&[&good, &bad]);
    assert_eq!(code, 6);
    assert!(out.contains("good.csv: accept, 1 row(s), 1 item(s), 0 row error(s)"), "{out}");
    assert!(out.contains("bad.csv: rejected: line 1: ") && out.contains("compare the profile's columns"), "{out}");
}

#[test]
fn what_is_wrong_with_files_and_profiles_is_told_with_its_own_exit_code() {
    let desk = Desk::new(PLAIN);
    let (code, _, err) = desk.read(&["/nowhere/stock.csv"]);
    assert!(code == 4 && err.contains("/nowhere/stock.csv"), "{code} {err}");
    let folder = desk.folder.path().to_str().unwrap();
    let (code, _, err) = desk.read(&[folder]);
    assert!(code == 4 && err.contains("is a folder"), "{code} {err}");
    let file = desk.write("stock.csv", "SKU,Qty\nA,1\n");
    for (profile, words) in [
        ("columns = { sku = \"SKU\" }\n", &["columns.quantity", "is missing"][..]),
        ("kind = \"csv\"\ncollumns = 1\n", &["line 2", "collumns"]),
        ("undecided = [\"decimal\"]\ncolumns = { sku = 1, quantity = 2 }\n", &["undecided", "decimal"]),
    ] {
        desk.write("profile.toml", profile);
        let (code, _, err) = desk.read(&[&file]);
        assert!(
            code == 78 && words.iter().all(|word| err.contains(word)) && err.contains("profile.toml"),
            "{code} {err}"
        );
    }
}

#[test]
fn hostile_skus_are_kept_as_written_in_json_and_cannot_play_with_the_terminal() {
    let desk = Desk::new(PLAIN);
    let file = desk.write("stock.csv", "SKU,Qty\n=1+2,1\n\u{202e}evil,2\n<b>&amp;,3\n");
    let (_, out, _) = desk.read(&["--format", "json", &file]);
    let report: Value = serde_json::from_str(&out).unwrap();
    let skus: Vec<&str> =
        report["stock"].as_array().unwrap().iter().map(|item| item["sku"].as_str().unwrap()).collect();
    assert_eq!(skus, ["<b>&amp;", "=1+2", "\u{202e}evil"]);
    let (_, out, _) = desk.read(&[&file]);
    assert!(out.contains("\\u{202e}evil") && !out.contains('\u{202e}'), "{out}");
}

#[test]
fn the_table_shows_what_was_asked_for_and_how_much_more_there_is() {
    let desk = Desk::new(PLAIN);
    let file =
        desk.write("stock.csv", &(0..30).fold("SKU,Qty\n".to_owned(), |text, n| text + &format!("S{n:02},{n}\n")));
    let (_, out, _) = desk.read(&[&file]);
    assert!(out.contains("S19") && !out.contains("S20") && out.contains("… and 10 more"), "{out}");
    let (_, out, _) = desk.read(&["--limit", "0", &file]);
    assert!(out.contains("S29") && !out.contains("more"), "{out}");
}
