//! The samples of `tests/fixtures/epos-samples`: whole, with formats found out, cut and growing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;
use crate::epos::profile::StockProfile;
use crate::ports::{ExportRow, Says};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/epos-samples")
}

/// Every sample's name and what is expected of it.
fn samples() -> Vec<(String, Value)> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let expected = |name: &String| serde_json::from_slice(&std::fs::read(folder().join(name)).unwrap()).unwrap();
    let found: Vec<_> = entries
        .filter(|name| name.ends_with(".expected.json"))
        .map(|name| (name.trim_end_matches(".expected.json").to_owned(), expected(&name)))
        .collect();
    assert_eq!(found.len(), 12);
    found
}

type Read = Result<(BTreeMap<String, String>, ReadSummary), Rejection>;

fn read_at(profile: &Value, path: &Path, name: &str) -> Read {
    let profile: StockProfile = serde_json::from_value(profile.clone()).unwrap();
    let companion = profile.completeness.as_ref().and_then(|rule| rule.companion_of(name));
    let companion = companion.map(|name| folder().join(name));
    let mut stock = BTreeMap::new();
    let mut sink = |row: &ExportRow<'_>| {
        let Says::Count(quantity) = row.says else { panic!("{row:?}") };
        stock.insert(row.sku.to_owned(), quantity.to_string());
        Ok(())
    };
    let export = ExportFile { path, name, companion: companion.as_deref() };
    match read_export(&profile.check().unwrap(), export, &mut sink) {
        Ok(summary) => Ok((stock, summary)),
        Err(ReadError::Rejected(why)) => Err(why),
        Err(other) => panic!("{name}: {other}"),
    }
}

fn digest(stock: &BTreeMap<String, String>) -> String {
    let mut hash = Sha256::new();
    stock.iter().for_each(|(sku, quantity)| hash.update(format!("{sku}\t{quantity}\n")));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check(name: &str, expected: &Value, read: Read) {
    let (stock, summary) = match read {
        Ok(read) => read,
        Err(why) => {
            assert_eq!(expected["outcome"], "reject", "{name}: {why}");
            assert_eq!(expected["reject"], json!({ "reason": why.reason, "line": why.line }), "{name}");
            return;
        }
    };
    let outcome = if summary.row_errors.is_empty() { "accept" } else { "accept-with-row-errors" };
    assert_eq!(expected["outcome"], outcome, "{name}");
    assert_eq!(digest(&stock), expected["digest"]["value"].as_str().unwrap(), "{name}");
    let mut errors = serde_json::to_value(&summary.row_errors).unwrap();
    errors.as_array_mut().unwrap().iter_mut().for_each(|error| drop(error.as_object_mut().unwrap().remove("text")));
    assert_eq!(errors, expected["row_errors"], "{name}");
    assert_eq!(json!(summary.warnings), expected["warnings"], "{name}");
    assert_eq!(summary.as_of.map_or(Value::Null, |at| at.to_string().into()), expected["as_of"], "{name}");
}

#[test]
fn samples_of_real_tills_read_as_expected() {
    for (name, expected) in samples() {
        check(&name, &expected, read_at(&expected["profile"], &folder().join(&name), &name));
    }
}

#[test]
fn samples_whose_format_is_found_out_read_the_same() {
    for (name, expected) in samples() {
        for keys in [&["encoding"][..], &["delimiter"], &["header"], &["encoding", "delimiter", "header"]] {
            for value in [Some("auto"), None] {
                let mut profile = expected["profile"].clone();
                for key in keys {
                    match value {
                        Some(value) => profile[key] = value.into(),
                        None => drop(profile.as_object_mut().unwrap().remove(*key)),
                    }
                }
                check(&name, &expected, read_at(&profile, &folder().join(&name), &name));
            }
        }
    }
}

#[test]
fn every_samples_profile_reads_from_json_and_toml() {
    for (name, expected) in samples() {
        let profile: StockProfile = serde_json::from_value(expected["profile"].clone()).unwrap();
        let written = toml::to_string(&profile).unwrap();
        assert_eq!(toml::from_str::<StockProfile>(&written).unwrap(), profile, "{name}\n{written}");
    }
}

#[test]
fn a_sample_cut_anywhere_is_never_a_shorter_export_that_counts() {
    let scratch = tempfile::tempdir().unwrap();
    for (name, expected) in samples() {
        let proves = expected["profile"].get("trailer").or(expected["profile"].get("completeness")).is_some();
        let bytes = std::fs::read(folder().join(&name)).unwrap();
        let path = scratch.path().join(&name);
        let mut careful = expected["profile"].clone();
        careful["final_newline"] = "required".into();
        for cut in 0..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            if let Ok((stock, _)) = read_at(&expected["profile"], &path, &name) {
                let is_whole = stock.len() == expected["stock"].as_array().unwrap().len();
                assert!(is_whole || !proves, "{name} cut at {cut}: {stock:?}");
            }
            if expected["profile"]["kind"] != "xml"
                && let Ok((stock, _)) = read_at(&careful, &path, &name)
            {
                let wanted = expected["stock"].as_array().unwrap();
                let is_true = |(sku, quantity): (&String, &String)| {
                    wanted.iter().any(|item| item["sku"] == **sku && item["quantity"] == **quantity)
                };
                assert!(stock.iter().all(is_true), "{name} cut at {cut}: {stock:?}");
            }
        }
    }
}

#[test]
fn a_file_that_grows_while_it_is_read_is_not_believed() {
    let scratch = tempfile::tempdir().unwrap();
    let (name, expected) = samples().into_iter().find(|(name, _)| name.starts_with("s12")).unwrap();
    let path = scratch.path().join(&name);
    std::fs::copy(folder().join(&name), &path).unwrap();
    let profile: StockProfile = serde_json::from_value(expected["profile"].clone()).unwrap();
    let mut sink = |_: &ExportRow<'_>| {
        let mut more = std::fs::File::options().append(true).open(&path).unwrap();
        std::io::Write::write_all(&mut more, b"9999,Late,1\r\n").unwrap();
        Ok(())
    };
    let export = ExportFile { path: &path, name: &name, companion: None };
    match read_export(&profile.check().unwrap(), export, &mut sink) {
        Err(ReadError::Rejected(why)) => assert_eq!(why.reason, "truncated_last_record"),
        other => panic!("{other:?}"),
    }
}
