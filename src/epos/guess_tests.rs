use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use super::*;
use crate::epos::profile::Column;
use crate::epos::{ExportFile, read_export};
use crate::ports::{ExportRow, Says};

fn sample<'a>(name: &'a str, text: &'a [u8]) -> Sample<'a> {
    Sample { name, head: text, tail: b"", length: text.len() as u64, md5: None }
}

/// What is proposed for one file.
fn of(name: &str, text: impl AsRef<[u8]>) -> Guess {
    guess(&[sample(name, text.as_ref())], &[], &Answers::new())
}

/// What is proposed for one file when a person has answered.
fn told(text: &str, answers: &[(&str, Value)]) -> Guess {
    let answers = answers.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    guess(&[sample("stock.csv", text.as_bytes())], &[], &answers)
}

/// A key's value as TOML, `?` when it is doubtful, nothing when nothing is said of it.
#[track_caller]
fn value(guess: &Guess, key: &str) -> String {
    assert_eq!(guess.senseless, None);
    let finding = guess.findings.iter().find(|finding| finding.key == key);
    finding.map_or_else(String::new, |finding| finding.value.as_ref().map_or("?".to_owned(), ToString::to_string))
}

fn reason(guess: &Guess, key: &str) -> String {
    guess.findings.iter().find(|finding| finding.key == key).map_or_else(String::new, |finding| finding.reason.clone())
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/epos-samples")
}

fn hex_md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is proposed for a fixture, with the other small files of its folder beside it.
fn of_fixture(name: &str) -> Guess {
    let bytes = std::fs::read(fixtures().join(name)).unwrap();
    let control = std::fs::read(fixtures().join("s09_control.csv")).unwrap();
    let md5 = hex_md5(&bytes);
    let given = Sample { md5: Some(&md5), ..sample(name, &bytes) };
    guess(&[given], &[sample("s09_control.csv", &control)], &Answers::new())
}

/// The items that a profile reads from a fixture, or why it rejects it.
fn read(profile: &StockProfile, name: &str) -> Result<BTreeMap<String, String>, String> {
    let path = fixtures().join(name);
    let companion = profile.completeness.as_ref().and_then(|rule| rule.companion_of(name));
    let companion = companion.map(|companion| fixtures().join(companion));
    let mut items = BTreeMap::new();
    let mut sink = |row: &ExportRow<'_>| {
        let Says::Count(quantity) = row.says else { panic!("{row:?}") };
        items.insert(row.sku.to_owned(), quantity.to_string());
        Ok(())
    };
    let export = ExportFile { path: &path, name, companion: companion.as_deref() };
    let checked = profile.check().map_err(|error| error.to_string())?;
    read_export(&checked, export, &mut sink).map_err(|error| error.to_string())?;
    Ok(items)
}

fn expected(name: &str) -> BTreeMap<String, String> {
    let json = std::fs::read(fixtures().join(format!("{name}.expected.json"))).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let text = |item: &serde_json::Value, key: &str| item[key].as_str().unwrap().to_owned();
    json["stock"].as_array().unwrap().iter().map(|item| (text(item, "sku"), text(item, "quantity"))).collect()
}

#[test]
fn every_sample_gives_a_profile_that_reads_it_rightly_or_names_what_it_could_not_tell() {
    let mut complete = Vec::new();
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = file.strip_suffix(".expected.json") else { continue };
        let guess = of_fixture(name);
        let profile = guess.profile().unwrap();
        if guess.undecided().is_empty() {
            assert_eq!(read(&profile, name).as_ref(), Ok(&expected(name)), "{name}: {profile:?}");
            complete.push(name[..3].to_owned());
        } else {
            assert_eq!(profile.check().unwrap_err().key, "undecided", "{name}");
        }
    }
    complete.sort();
    assert_eq!(complete, ["s01", "s02", "s03", "s04", "s05", "s07", "s08", "s09", "s10", "s11", "s12"]);
}

#[test]
fn a_closing_count_that_is_wrong_is_said_and_left_to_a_person() {
    let guess = of_fixture("s06_trailer_count_wrong.csv");
    assert_eq!(guess.undecided(), ["trailer"]);
    let why = reason(&guess, "trailer");
    assert!(why.contains("T 5 66") && why.contains("3 record(s)") && why.contains("sum 60"), "{why}");
}

#[test]
fn what_proves_a_file_whole_is_found() {
    let trailer = |name| value(&of_fixture(name), "trailer");
    assert_eq!(trailer("s05_header_detail_trailer.csv"), "{ count_column = 2, required = true, sum_column = 3 }");
    assert_eq!(trailer("s10_fixed_width.txt"), "{ count_at = [2, 8], required = true, sum_at = [9, 21] }");
    assert_eq!(trailer("s11_stock.xml"), "{ count_attribute = \"StockExport/@count\", required = true }");
    let control = value(&of_fixture("s09_stock_with_control.csv"), "completeness");
    assert!(
        control.contains("\"s09_control.csv\"")
            && control.contains("\"MD5_STOCK\"")
            && control.contains("\"VALIDATION_STOCK\""),
        "{control}"
    );
    assert_eq!(value(&of("a.csv", "SKU,Qty\nA,1"), "final_newline"), "\"optional\"");
}

#[test]
fn two_columns_that_may_be_the_stock_are_a_question() {
    let text = "Code,Front,Back room\nx1,1,5\nx2,2,7\nx3,7,1\n";
    let guess = of("stock.csv", text);
    assert_eq!((value(&guess, "columns.sku").as_str(), value(&guess, "columns.quantity").as_str()), ("\"Code\"", "?"));
    let question =
        guess.findings.iter().find_map(|finding| finding.question.as_ref().filter(|_| finding.value.is_none()));
    assert_eq!(question.unwrap().choices[1].label, "\"Back room\": 5, 7, 1");
    let guess = told(text, &[("columns.quantity", Value::from("Back room"))]);
    assert!(guess.undecided().is_empty());
    let both = Value::Array(vec![Value::from("Front"), Value::from("Back room")]);
    let guess = told(text, &[("columns.quantity", both)]);
    assert_eq!(value(&guess, "branch"), "{ mode = \"sum-of-columns\" }");
    guess.profile().unwrap().check().unwrap();
}

#[test]
fn names_decide_in_several_languages_and_prices_and_minimums_are_no_stock() {
    for (text, sku, quantity) in [
        (
            "Artikel-Nr;Bezeichnung;Bestand;Mindestbestand;VK-Preis\nA1;x;5;2;9,90\nA2;y;7;2;1,00\n",
            "\"Artikel-Nr\"",
            "\"Bestand\"",
        ),
        ("Référence;Libellé;Qté\nA1;x;5\nA2;y;7\n", "\"Référence\"", "\"Qté\""),
        ("Codice articolo;Giacenza\nA1;5\nA2;7\n", "\"Codice articolo\"", "\"Giacenza\""),
        ("EAN|Voorraad|Prijs\n5000000010011|5|9.90\n5000000010028|7|9.90\n", "\"EAN\"", "\"Voorraad\""),
        ("Varenr\tAntal\nA1\t5\nA2\t7\n", "\"Varenr\"", "\"Antal\""),
        ("barcode,sku,price,on hand\n5000000010011,A1,1.00,3\n5000000010028,A2,2.00,3\n", "\"sku\"", "\"on hand\""),
    ] {
        let guess = of("x.csv", text);
        assert_eq!(
            (value(&guess, "columns.sku").as_str(), value(&guess, "columns.quantity").as_str()),
            (sku, quantity)
        );
        assert!(guess.undecided().is_empty(), "{text}: {:?}", guess.undecided());
    }
}

#[test]
fn a_mark_before_three_digits_is_asked_about_unless_the_file_tells() {
    let guess = of("stock.csv", "SKU;Qty\nA;1,234\nB;5\n");
    assert_eq!(guess.undecided(), ["decimal"]);
    let guess = told("SKU;Qty\nA;1,234\nB;5\n", &[("decimal", Value::from("."))]);
    assert_eq!((value(&guess, "decimal").as_str(), value(&guess, "thousands").as_str()), ("\".\"", "\",\""));
    let guess = of("stock.csv", "SKU;Qty;Price\nA;1,234;2.50\nB;5;1.00\n");
    assert_eq!((value(&guess, "decimal").as_str(), value(&guess, "thousands").as_str()), ("\".\"", "\",\""));
    let guess = of("stock.csv", "SKU;Qty\nA;0,500\nB;5\n");
    assert_eq!(value(&guess, "decimal"), "\",\"");
}

#[test]
fn negative_styles_are_those_that_occur() {
    let guess = of("stock.csv", "SKU,Qty\nA,5-\nB,(3)\nC,2\n");
    assert_eq!(value(&guess, "negative"), "[\"leading-minus\", \"trailing-minus\", \"parentheses\"]");
}

#[test]
fn encodings_are_named_only_where_letters_tell_them() {
    let encoding = |bytes: &[u8]| value(&of("stock.csv", [b"SKU;Name;Qty\n", bytes].concat()), "encoding");
    assert_eq!(encoding(b"A;Kaese;1\n"), "\"auto\"");
    assert_eq!(encoding("A;Käse;1\n".as_bytes()), "\"utf-8\"");
    assert_eq!(encoding(b"A;K\xe4se;1\nB;Gr\xfc\xdfe;2\n"), "\"windows-1252\"");
    assert_eq!(encoding(b"A;K\x84se;1\nB;Gr\x81\xe1e;2\n"), "\"cp850\"");
    let wide: Vec<u8> = "\u{feff}SKU;Qty\nA;1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(value(&of("stock.csv", wide), "encoding"), "\"utf-16le\"");
}

#[test]
fn several_branches_in_one_file_are_asked_about_and_one_is_not() {
    let text = "Filiale;ArtNr;Bestand\n001;A;1\n001;B;2\n002;A;3\n002;B;4\n";
    let guess = of("stock.csv", text);
    assert_eq!(guess.undecided(), ["branch"]);
    assert_eq!(value(&guess, "columns.branch"), "\"Filiale\"");
    let branch = guess.findings.iter().find(|finding| finding.key == "branch").unwrap().question.clone().unwrap();
    let guess = told(text, &[("branch", branch.choices[1].value.clone())]);
    assert_eq!(value(&guess, "branch"), "{ codes = [\"002\"], mode = \"only\" }");
    guess.profile().unwrap().check().unwrap();
    let guess = of("stock.csv", "Filiale;ArtNr;Bestand\n001;A;1\n001;B;2\n");
    assert!(guess.undecided().is_empty() && guess.remarks[0].contains("001"), "{guess:?}");
}

#[test]
fn changes_are_known_by_the_name_or_asked_about() {
    let export = |name: &str, text: &str| value(&of(name, text), "export");
    assert_eq!(export("stock.csv", "SKU,Qty\nA,1\n"), "\"full\"");
    assert_eq!(export("DELTA_0001.csv", "SKU,Qty\nA,1\n"), "\"delta\"");
    assert_eq!(export("StockFeedIncremental.csv", "SKU,Qty\nA,1\n"), "\"delta\"");
    let guess = of("stock.csv", "Action,SKU,Qty\nU,A,1\nD,B,0\n");
    assert_eq!(guess.undecided(), ["export"]);
    assert_eq!(value(&guess, "actions"), "{ D = \"delete\", U = \"set\" }");
}

#[test]
fn a_printed_report_is_read_by_its_column_names() {
    let text = "Stock list;;\nprinted 14.03.2026;;\n\nArtNr;Text;Menge\nA1;Tea;5\nA2;Cup;7\nTotal;;12\nPage 1\nArtNr;Text;Menge\nA3;Pot;1\n*** END OF REPORT ***\n";
    let guess = of("list.csv", text);
    assert_eq!(value(&guess, "header"), "\"find-by-names\"");
    let rules = value(&guess, "ignore_rows");
    assert!(
        rules.contains("repeated-header") && rules.contains("starts-with:Page") && rules.contains("starts-with:Total"),
        "{rules}"
    );
    assert_eq!(value(&guess, "end_marker"), "\"*** END OF REPORT ***\"");
}

#[test]
fn names_and_headers_tell_when_an_export_began() {
    let as_of = |name: &str| value(&of(name, "SKU,Qty\nA,1\n"), "as_of");
    assert_eq!(as_of("stock_20260314_231500.csv"), "{ from = \"name\", pattern = \"stock_%Y%m%d_%H%M%S.csv\" }");
    assert_eq!(as_of("stock.csv"), "");
    let guess = of_fixture("s05_header_detail_trailer.csv");
    assert_eq!(
        (value(&guess, "columns.as_of").as_str(), value(&guess, "as_of").as_str()),
        ("[4, 5]", "{ from = \"header\" }")
    );
}

#[test]
fn a_number_that_rises_from_sample_to_sample_is_the_sequence() {
    let text = b"SKU,Qty\nA,1\n";
    let samples = [sample("STK_20260314231500_0417.dat", text), sample("STK_20260315231500_0418.dat", text)];
    let guess = guess(&samples, &[], &Answers::new());
    assert_eq!(value(&guess, "sequence"), "{ from = \"name\", pattern = \"STK_*_#.dat\" }");
    guess.profile().unwrap().check().unwrap();
}

#[test]
fn quotation_marks_for_inches_are_ordinary_characters() {
    let guess = of("stock.csv", "SKU;Name;Qty\nA;5\" plate;1\nB;\"Tea;2\nC;Cup;3\n");
    assert_eq!(value(&guess, "quote"), "\"\"");
}

#[test]
fn empty_marker_files_belong_to_the_export_whose_name_they_have() {
    let samples = [sample("STK_1.dat", b"SKU|Qty\nA|1\nB|2\n"), sample("STK_1.dat.complete", b"")];
    let guess = guess(&samples, &[], &Answers::new());
    assert_eq!(value(&guess, "completeness"), "{ marker_file = \"{name}.complete\" }");
}

#[test]
fn what_is_no_export_is_said_to_be_none() {
    for bytes in [
        &b""[..],
        b"\n \n",
        b"PK\x03\x04rest",
        b"<html><body>x",
        b"Dear Sir,\nplease find enclosed\nnothing\n",
        b"<a/>",
        b"\0\0\0\0",
    ] {
        assert!(of("x", bytes).senseless.is_some(), "{:?}", of("x", bytes));
    }
}

#[test]
fn every_sample_cut_anywhere_is_looked_at_without_panic() {
    for name in
        ["s03_comment_header_latin1.csv", "s05_header_detail_trailer.csv", "s10_fixed_width.txt", "s11_stock.xml"]
    {
        let bytes = std::fs::read(fixtures().join(name)).unwrap();
        for end in (0..bytes.len()).step_by(3) {
            let cut = Sample {
                length: bytes.len() as u64,
                tail: &bytes[bytes.len() - end / 3..],
                ..sample(name, &bytes[..end])
            };
            if let Ok(profile) = guess(&[cut], &[], &Answers::new()).profile() {
                drop(profile.check());
            }
        }
    }
}

fn files_under(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_under(&path, found) } else { found.push(path) }
    }
}

#[test]
fn every_file_of_the_corpora_gives_a_proposal_that_follows_the_vocabulary_or_none() {
    let mut files = Vec::new();
    files_under(&fixtures().with_file_name("csv"), &mut files);
    assert!(files.len() > 500, "{}", files.len());
    for path in files {
        let guess = of("sample.csv", std::fs::read(&path).unwrap());
        assert!(guess.profile().is_ok(), "{}", path.display());
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_file_makes_the_guesser_panic_and_each_proposal_follows_the_vocabulary(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "SKU,Qty", "A", "Filiale", "1", "-2", "\"", ",", ";", "\n", "\r\n", " ", "\0", "ë", "#", "H", "T", "D", "2026", "0314",
            "<a>", "</a>", "<b c='1'/>", "Total", "%", "1.234", "\u{feff}", "sep=;", "0000",
        ]), 0..80),
    ) {
        let text = pieces.concat();
        let guess = of(&text, &text);
        proptest::prop_assert!(guess.profile().is_ok(), "{:?}", guess.findings);
    }
}

#[test]
fn a_name_that_no_profile_can_write_is_never_proposed() {
    let items = |name: &str, attribute: &str| {
        let item = |n: u32| format!("<{name} {attribute}='{n}' units='{}'><Code>100{n}</Code></{name}>", n * 7);
        format!("<Stock>{}</Stock>", (1..6).map(item).collect::<String>())
    };
    assert!(of("stock.xml", items("Item", "id")).profile().unwrap().record_path.is_some());
    for (name, attribute) in [("Item/@x", "id"), ("a@b", "id"), ("Item", "code/@x"), ("Item", "@")] {
        let guessed = of("stock.xml", items(name, attribute));
        let mut profile = guessed.profile().unwrap();
        profile.undecided.clear();
        profile.columns.sku.get_or_insert(Column::Name("Code".to_owned()));
        profile.columns.quantity.get_or_insert(Column::Name("@units".to_owned()));
        assert!(guessed.senseless.is_some() || profile.check().is_ok(), "{name} {attribute}: {:?}", profile.check());
    }
}

#[test]
fn a_name_that_merely_has_a_word_for_stock_in_it_is_asked_about() {
    for name in [
        "Sollbestand",
        "Höchstbestand",
        "Bestellbestand",
        "Anfangsbestand",
        "Inventurbestand",
        "Zielbestand",
        "Bestand VJ",
        "Lieferantenbestand",
        "Zentrallager Bestand",
        "Bestellmenge",
        "Verkaufsmenge",
        "Menge VPE",
        "Order Qty",
        "Case Qty",
        "Inner Qty",
        "Qty YTD",
        "Quantity Break",
        "Quantity Received",
        "Qty In",
        "Qty Out",
        "Last Stock Qty",
        "Stock Days",
        "Stockturn",
        "Stock Group",
        "Target Stock",
        "Damaged Stock",
        "Warehouse Stock",
        "Qté vendue",
        "Quantité commandée",
        "Stock sécurité",
        "Qty Main St",
    ] {
        let guess = of("stock.csv", format!("SKU;Name;{name}\nA1;Tea;12\nA2;Cup;0\nA3;Pot;-4\n"));
        assert_eq!(guess.undecided(), ["columns.quantity"], "{name}");
    }
    let beside = of("stock.csv", "SKU;Stock;Damaged Stock\nA1;1;2\nA2;2;0\nA3;3;1\n");
    assert_eq!(beside.undecided(), ["columns.quantity"]);
}

#[test]
fn a_name_that_merely_has_a_word_for_an_item_in_it_is_asked_about() {
    for name in ["Parent SKU", "Pack barcode", "Supplier SKU", "Old Item Code", "Style", "SKU group"] {
        let guess = of("stock.csv", format!("{name};Qty\nA1;12\nA2;0\nA3;-4\n"));
        assert_eq!(guess.undecided(), ["columns.sku"], "{name}");
    }
}

#[test]
fn whole_names_for_item_and_stock_are_sure() {
    let items = [
        "sku",
        "Item Code",
        "ItemCode",
        "Item No.",
        "Article Number",
        "ArtikelNr",
        "Artikelnummer",
        "EAN",
        "Barcode",
        "PLU",
        "Part No",
        "Code",
        "Référence",
        "Re\u{301}fe\u{301}rence",
    ];
    let stocks = [
        "qty",
        "QUANTITY",
        "Stock",
        "On Hand",
        "onhand",
        "stock_qty",
        "Qty on hand",
        "Quantity On Hand",
        "Stock on Hand",
        "Available",
        "Free stock",
        "Bestand",
        "Lagerbestand",
        "Menge",
        "Lager",
        "Antal",
        "Voorraad",
        "Aantal",
        "Quantité",
        "Stock disponible",
        "Giacenza",
        "Existencias",
        "Verfügbarer Bestand",
    ];
    let pairs = items.iter().map(|item| (*item, "Qty")).chain(stocks.iter().map(|stock| ("SKU", *stock)));
    for (item, stock) in pairs {
        let guess = of("stock.csv", format!("{item};Name;{stock}\nA1;Tea;12\nA2;Cup;3\nA3;Pot;4\n"));
        assert_eq!(guess.undecided(), [""; 0], "{item} {stock}");
    }
}

#[test]
fn numbers_without_a_name_are_the_stock_only_where_they_cannot_be_prices() {
    let rows = |number: fn(u64) -> u64| -> String {
        (0..20).map(|i| format!("{};{}\n", 4_001_234_500_001_u64 + i, number(i))).collect()
    };
    assert!(of("stock.csv", rows(|i| i * 100 + 199)).undecided().contains(&"columns.quantity".to_owned()));
    assert!(of("stock.csv", rows(|i| i * 7 % 50 + 1)).undecided().contains(&"columns.quantity".to_owned()));
    assert_eq!(of("stock.csv", rows(|i| i * 7 % 50)).undecided(), [""; 0]);
    assert_eq!(of("stock.csv", "A1;5\nA2;-2\nA3;17\n").undecided(), [""; 0]);
    let proved = "H;X;1\nD;A1;500\nD;A2;1200\nD;A3;399\nT;3;2099\n";
    assert_eq!(of("stock.csv", proved).undecided(), [""; 0]);
}

/// The items that a complete proposal reads from its sample.
#[track_caller]
fn items_of(guess: &Guess, text: &str) -> Vec<String> {
    assert_eq!(guess.undecided(), [""; 0]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stock.csv");
    std::fs::write(&path, text).unwrap();
    let mut items = Vec::new();
    let mut sink = |row: &ExportRow<'_>| {
        items.push(format!("{} {:?}", row.sku, row.says));
        Ok(())
    };
    let export = ExportFile { path: &path, name: "stock.csv", companion: None };
    read_export(&guess.profile().unwrap().check().unwrap(), export, &mut sink).unwrap();
    items.sort();
    items
}

#[test]
fn the_marks_of_a_spreadsheet_around_digits_come_off_and_are_no_quotation_marks() {
    for text in [
        "SKU,Name,Qty\n=\"000001\",\"Pot, white\",5\n=\"000002\",Cup,0\nX3,Tea,1\n",
        "SKU,Name,Qty\n=\"000001\",Pot,5\n=\"000002\",Cup,0\n=\"000003\",Tea,1\n",
        "SKU,Name,Qty\n\"=\"\"000001\"\"\",Pot,5\n\"=\"\"000002\"\"\",Cup,0\n",
        "SKU,Name,Qty\n'000001,Pot,5\n'000002,Cup,0\n",
    ] {
        let guess = of("stock.csv", text);
        assert_eq!(value(&guess, "spreadsheet_text_guard"), "\"strip\"", "{text}");
        assert!(reason(&guess, "spreadsheet_text_guard").starts_with(&format!("{} of", text.matches("0000").count())));
        assert_ne!(value(&guess, "quote"), "\"\"", "{text}");
        assert!(items_of(&guess, text)[0].starts_with("000001 "), "{text}");
    }
    let text = "SKU,Qty\nA1,'5\nA2,'17\n";
    assert!(items_of(&of("stock.csv", text), text)[0].contains('5'));
    assert_eq!(value(&of("stock.csv", "SKU,Qty\nA1,5\n'til,3\n"), "spreadsheet_text_guard"), "");
}

fn choices_of(guess: &Guess, key: &str) -> Vec<String> {
    let question =
        guess.findings.iter().find(|finding| finding.key == key).and_then(|finding| finding.question.clone());
    question.map_or(Vec::new(), |question| question.choices.iter().map(|choice| choice.value.to_string()).collect())
}

#[test]
fn a_letter_that_opens_every_line_of_fixed_width_is_not_cut_off_the_item() {
    let rows: String = (0..20).map(|i| format!("A{:09} {:<12}{:>6}\n", 1000 + i * 37, "Teapot", i * 7 % 19)).collect();
    let guess = of("stock.txt", &rows);
    assert_eq!(guess.undecided(), ["columns.sku"]);
    let choices = choices_of(&guess, "columns.sku");
    assert_eq!(choices, ["[1, 11]", "[2, 11]"]);
    assert!(!told(&rows, &[("columns.sku", Value::from(vec![1, 11]))]).undecided().contains(&"columns.sku".to_owned()));
    let adjacent: String = (0..20).map(|i| format!("A{:09}Pot    {:06}\n", 1000 + i * 37, i * 7 % 19)).collect();
    assert_eq!(choices_of(&of("stock.txt", adjacent), "columns.sku"), ["[1, 10]", "[2, 10]"]);
}

#[test]
fn a_heading_of_fixed_width_names_the_columns_where_the_rows_agree_with_it() {
    let names = ["Teapot, white", "Cup", "Milk jug", "Saucer"];
    let row = |i: usize| format!("{:<8}{:<16}{:>5} {:>7}\n", format!("K{i}"), names[i % 4], i * 5, format!("{i}.50"));
    let rows: String = (0..12).map(row).collect();
    let left = format!("{:<8}{:<16}{:<6}{:<7}\n", "Code", "Name", "Stock", "Price");
    let guess = of("stock.txt", format!("{left}{rows}"));
    assert_eq!(value(&guess, "header"), "\"first-row\"");
    let columns = (value(&guess, "columns.sku"), value(&guess, "columns.quantity"));
    assert_eq!(columns, ("[1, 8]".to_owned(), "[25, 30]".to_owned()));
    assert!(items_of(&guess, &format!("{left}{rows}"))[0].starts_with("K0 "));
    let two_words = of("stock.txt", format!("Item No Name            Stock  Price\n{rows}"));
    assert_eq!(value(&two_words, "columns.sku"), "?");
    let elsewhere = of("stock.txt", format!("Code Name Stock Price\n{rows}"));
    assert_eq!(elsewhere.undecided(), ["columns.sku", "columns.quantity"]);
    assert_eq!(value(&elsewhere, "header"), "\"first-row\"");
}

#[test]
fn lines_of_one_length_are_not_said_to_be_of_different_ones() {
    let why = |text: &str| of("x", text).senseless.unwrap();
    assert!(!why("abcdefgh\nijklmnop\nqrstuvwx\n").contains("not of one length"));
    assert!(why("Dear Sir,\nplease find enclosed\nnothing\n").contains("not of one length"));
}

#[test]
fn the_column_that_orders_changes_is_proposed_in_a_file_of_changes() {
    let text = "Code,Qty,Action,Seq\nA1,5,U,1\nA3,6,U,2\nA2,0,D,3\n";
    let guess = of("DELTA_1.csv", text);
    assert_eq!((value(&guess, "columns.sequence").as_str(), guess.undecided().as_slice()), ("\"Seq\"", &[][..]));
    guess.profile().unwrap().check().unwrap();
    let open = of("stock.csv", text);
    assert!(value(&open, "columns.sequence").is_empty() && open.remarks.iter().any(|remark| remark.contains("Seq")));
    assert_eq!(value(&told(text, &[("export", Value::from("delta"))]), "columns.sequence"), "\"Seq\"");
    assert_eq!(value(&of("stock.csv", "Code,Qty,Seq\nA1,5,1\nA2,6,2\n"), "columns.sequence"), "");
    assert_eq!(value(&of("DELTA.csv", "Code,Qty,Seq\nA1,5,x\nA2,6,2\n"), "columns.sequence"), "?");
}

#[test]
fn a_last_row_that_adds_up_or_counts_the_others_is_no_silent_item() {
    let rows: String = (0..30).map(|i| format!("A{i},{i}\n")).collect();
    for (last, rule) in
        [("TOTAL,435", "TOTAL"), ("Total:,435", "Total:"), ("Summe,999", "Summe"), ("Count,30", "Count")]
    {
        let text = format!("SKU,Qty\n{rows}{last}\n");
        let guess = of("stock.csv", &text);
        assert_eq!(value(&guess, "ignore_rows"), format!("[\"starts-with:{rule}\"]"), "{last}");
        assert!(guess.remarks.iter().any(|remark| remark.contains(rule)), "{last}: {:?}", guess.remarks);
        assert_eq!(items_of(&guess, &text).len(), 30, "{last}");
    }
    let guess = of("stock.csv", format!("SKU,Qty\n{rows}X9,435\n"));
    assert_eq!(guess.undecided(), ["ignore_rows"]);
    assert_eq!(choices_of(&guess, "ignore_rows"), ["[\"starts-with:X9\"]", "[]"]);
    let counted = of("stock.csv", format!("SKU,Qty\n{rows}30 rows\n"));
    assert!(counted.remarks.iter().any(|remark| remark.contains("30 rows")), "{:?}", counted.remarks);
    assert_eq!(of("stock.csv", format!("SKU,Qty\n{rows}")).undecided(), [""; 0]);
}

#[test]
fn texts_for_a_person_stay_short_however_long_names_and_rows_are() {
    let long = "x".repeat(4000);
    let rows: String = (1..9).map(|i| format!("A{i},{i},tea\n")).collect();
    for text in [
        format!("SKU,{long}qty,{long}\n{rows}"),
        format!("{long}sku,{long}qty,{long}\n{rows}"),
        format!("SKU,Qty,Text\n{rows}TOTAL,36,{long}\n"),
        format!("SKU,Qty,Text\n{rows}B,36,{long}\n"),
        format!("SKU,Qty,Text\n{rows}8 {long}\n"),
    ] {
        let guess = of("stock.csv", &text);
        let reasons = guess.findings.iter().map(|finding| &finding.reason);
        let longest = reasons.chain(&guess.remarks).map(String::len).max();
        assert!(longest < Some(1000), "{longest:?}");
    }
    let typed = "Code Stock\nHXX  2026\nDA1      5\nDA2      0\nDA3     -1\nT3\n";
    let guess = of("stock.txt", typed);
    assert!(guess.senseless.is_some() || !guess.undecided().is_empty() || guess.profile().unwrap().check().is_ok());
}

#[test]
fn a_longer_number_of_fixed_width_than_the_samples_have_is_not_cut() {
    let row = |sku: usize, count: usize| format!("{sku:013} {:<14}{count:>7}\n", "Tea");
    let rows: String = (0..9).map(|i| row(1_000_000_000_000 + i, i * 7)).collect();
    let guess = of("stock.txt", &rows);
    let later = row(1_000_000_000_000, 12345);
    assert_eq!(items_of(&guess, &later).len(), 1);
    assert!(items_of(&guess, &later)[0].contains("12345"), "{:?}", items_of(&guess, &later));
}
