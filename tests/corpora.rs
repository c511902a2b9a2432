//! Other projects' test files, read as exports: nothing panics, hangs, or makes an item of what is none.
//!
//! The files and where they come from: `tests/fixtures/csv/README.md`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop, loudly")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tillbridge::domain::Sku;
use tillbridge::epos::{ExportFile, StockProfile, read_export};
use tillbridge::ports::{ExportRow, ReadError, ReadSummary, Rejection};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path, found) } else { found.push(path) }
    }
}

fn profile(text: &str) -> StockProfile {
    toml::from_str(text).unwrap()
}

/// What was read: SKUs as given, and the summary.
fn read(profile: &StockProfile, path: &Path) -> Result<(Vec<String>, ReadSummary), Rejection> {
    let mut skus = Vec::new();
    let mut last = (0, 0);
    let mut sink = |row: &ExportRow<'_>| {
        assert!(Sku::new(row.sku).is_ok() && !row.sku.contains('\u{fffd}'), "{}: {:?}", path.display(), row.sku);
        assert!(row.row > last.0 && row.line >= last.1.max(1), "{}: {row:?} after {last:?}", path.display());
        last = (row.row, row.line);
        skus.push(row.sku.to_owned());
        Ok(())
    };
    match read_export(&profile.check().unwrap(), ExportFile { path, name: "stock", companion: None }, &mut sink) {
        Ok(summary) => Ok((skus, summary)),
        Err(ReadError::Rejected(why)) => Err(why),
        Err(other) => panic!("{}: {other}", path.display()),
    }
}

const LENIENT: &str = "row_error_limit_percent = 100\n";

#[test]
fn no_file_of_the_corpora_makes_an_item_of_what_is_none() {
    let separated = "columns = { sku = 1, quantity = 2 }\n";
    let quoted = "quote = \"'\"\nsku_scientific = \"accept-if-quoted\"\nspreadsheet_text_guard = \"strip\"\n";
    let fixed = "kind = \"fixed\"\ncolumns = { sku = [1, 5], quantity = [6, 9] }\n";
    let xml = "kind = \"xml\"\nrecord_path = \"a/b\"\ncolumns = { sku = \"@c\", quantity = \"d\" }\n";
    let mut profiles = vec![format!("{separated}{quoted}"), fixed.to_owned(), xml.to_owned()];
    for header in ["auto", "none", "first-row"] {
        for delimiter in ["auto", ",", ";", "\\t", "|"] {
            profiles.push(format!("{separated}header = \"{header}\"\ndelimiter = \"{delimiter}\"\n"));
        }
    }
    for encoding in ["utf-8", "utf-16le", "utf-16be", "windows-1252", "iso-8859-1", "cp850", "cp437"] {
        profiles.push(format!(
            "{separated}encoding = \"{encoding}\"\nheader = \"none\"\ndelimiter = \",\"\nquote = \"\"\n"
        ));
        profiles.push(format!("{fixed}encoding = \"{encoding}\"\n"));
    }
    let profiles: Vec<StockProfile> = profiles.iter().map(|text| profile(&format!("{LENIENT}{text}"))).collect();
    let mut files = Vec::new();
    files_below(&fixtures(), &mut files);
    assert!(files.len() > 800, "{}", files.len());
    let (mut read_whole, mut rejected) = (0, BTreeSet::new());
    for path in &files {
        for profile in &profiles {
            match read(profile, path) {
                Ok((skus, summary)) => {
                    assert!(skus.len() as u64 + summary.row_errors.len() as u64 == summary.rows, "{}", path.display());
                    read_whole += 1;
                }
                Err(why) => {
                    assert!(!why.text.is_empty(), "{}", path.display());
                    rejected.insert(why.reason);
                }
            }
        }
    }
    assert!(read_whole > 1000, "{read_whole}");
    let known = [
        "ambiguous_format",
        "empty",
        "invalid_encoding",
        "missing_column",
        "no_rows",
        "nul_bytes",
        "too_many_row_errors",
        "truncated_last_record",
        "unterminated_quote",
        "wrong_field_count",
        "wrong_file_type",
        "xml_not_well_formed",
    ];
    assert!(rejected.iter().all(|reason| known.contains(&reason.as_str())), "{rejected:?}");
}

#[test]
fn records_are_those_that_csv_spectrum_says() {
    let folder = fixtures().join("csv/csv-spectrum");
    let by_number = profile(&format!(
        "{LENIENT}columns = {{ sku = 1, quantity = 2 }}\nheader = \"first-row\"\ndelimiter = \",\"\n"
    ));
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.join("csvs")).unwrap() {
        let path = entry.unwrap().path();
        let json = folder.join("json").join(path.file_stem().unwrap()).with_extension("json");
        let wanted: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
        let records = wanted.as_array().map_or(1, Vec::len);
        // Without its line end a last line that does not read would count as one that breaks off.
        let whole = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(whole.path(), [std::fs::read(&path).unwrap(), b"\n".to_vec()].concat()).unwrap();
        let (_, summary) = read(&by_number, whole.path()).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        assert_eq!(summary.rows, records as u64, "{}", path.display());
        seen += 1;
    }
    assert_eq!(seen, 12);
}

#[test]
fn naughty_strings_are_skus_exactly_as_written_or_row_errors() {
    let list = std::fs::read(fixtures().join("csv/blns/blns.json")).unwrap();
    let strings: BTreeSet<String> = serde_json::from_slice::<Vec<String>>(&list).unwrap().into_iter().collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = csv::Writer::from_path(file.path()).unwrap();
    writer.write_record(["SKU", "Qty"]).unwrap();
    strings.iter().for_each(|text| writer.write_record([text.as_str(), "1"]).unwrap());
    writer.flush().unwrap();
    let exact = "columns = { sku = \"SKU\", quantity = \"Qty\" }\nencoding = \"utf-8\"\ntrim = false\n";
    let (skus, summary) = read(&profile(&format!("{LENIENT}{exact}")), file.path()).unwrap();
    assert!(skus.iter().all(|sku| strings.contains(sku)));
    assert_eq!(skus.len() + summary.row_errors.len(), strings.len());
    let odd: Vec<&String> = strings.iter().filter(|text| !skus.contains(text)).collect();
    let is_known = |text: &&&String| {
        let is_rounded =
            text.contains("E+") || text.contains("e+") || text.to_lowercase().contains("e-") || text.contains("E02");
        text.trim().is_empty()
            || text.len() > 256
            || text.chars().any(|c| c.is_control() || c == '\u{fffd}')
            || is_rounded
    };
    let unexplained: Vec<_> = odd.iter().filter(|text| !is_known(text)).collect();
    assert!(unexplained.is_empty(), "{unexplained:?}");
    assert!(odd.len() < 30, "{odd:?}");
    for wanted in [
        "=cmd|' /C calc'!A0",
        "ÅÍÎÏ˝ÓÔ\u{f8ff}ÒÚÆ☃",
        "\u{202a}\u{202a}test\u{202a}",
        "NULL",
        "1/0",
        "社會科學院語學研究所",
    ] {
        assert!(skus.iter().any(|sku| sku == wanted) || !strings.contains(wanted), "{wanted}");
    }
}
