use std::fmt::Write as _;

use super::*;
use crate::domain::Quantity;
use crate::epos::profile::{
    BlankQuantity, DecimalMark, Header, IgnoreRow, Negative, Negatives, Quote, SpreadsheetTextGuard, StockProfile,
};
use crate::epos::profile_words::Delimiter;
use crate::ports::{ExportRow, RowError, Says};

/// What a read gives: rows with lines, and the summary.
type Outcome = Result<(Vec<(String, String, u64)>, ReadSummary), Rejection>;

fn read(profile: &StockProfile, bytes: &[u8]) -> Outcome {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let mut rows = Vec::new();
    let mut sink = |row: &ExportRow<'_>| {
        let Says::Count(quantity) = row.says else { panic!("{row:?}") };
        rows.push((row.sku.to_owned(), quantity.to_string(), row.line));
        Ok(())
    };
    match read_export(&profile.check().unwrap(), export(file.path()), &mut sink) {
        Ok(summary) => Ok((rows, summary)),
        Err(ReadError::Rejected(rejection)) => Err(rejection),
        Err(other) => panic!("{other}"),
    }
}

fn export(path: &Path) -> ExportFile<'_> {
    ExportFile { path, name: "stock.csv", companion: None }
}

fn by_name() -> StockProfile {
    let mut profile = StockProfile::default();
    profile.columns.sku = Some(Column::Name("SKU".into()));
    profile.columns.quantity = Some(Column::Name("Qty".into()));
    profile
}

fn by_number(sku: usize, quantity: usize) -> StockProfile {
    let mut profile = StockProfile { header: Header::None, ..by_name() };
    profile.columns.sku = Some(Column::Number(sku));
    profile.columns.quantity = Some(Column::Number(quantity));
    profile
}

/// The good rows as `SKU=quantity@line`.
fn shown_rows(profile: &StockProfile, bytes: impl AsRef<[u8]>) -> Vec<String> {
    let (rows, _) = read(profile, bytes.as_ref()).unwrap();
    rows.into_iter().map(|(sku, quantity, line)| format!("{sku}={quantity}@{line}")).collect()
}

fn reason(profile: &StockProfile, bytes: impl AsRef<[u8]>) -> (String, Option<u64>) {
    let rejection = read(profile, bytes.as_ref()).unwrap_err();
    (rejection.reason, rejection.line)
}

/// Twenty good rows, so that one bad one is within the limit.
fn with_good_rows(head: &str, tail: &str) -> String {
    let mut text = head.to_owned();
    (0..20).for_each(|n| writeln!(text, "g{n},x,1").unwrap());
    text + tail
}

#[test]
fn what_is_no_number_is_a_row_error_and_never_a_zero() {
    let (rows, summary) = read(&by_name(), with_good_rows("SKU,x,Qty\n", "A,x,10+\n").as_bytes()).unwrap();
    assert_eq!(rows.len(), 20);
    let wanted = RowError {
        row: 21,
        line: 22,
        sku: Some("A".into()),
        reason: "quantity_not_numeric".into(),
        text: "quantity \"10+\" is not a number".into(),
    };
    assert_eq!(summary.row_errors, [wanted]);
    assert_eq!(summary.rows, 21);
}

#[test]
fn each_kind_of_bad_row_has_its_word() {
    for (row, word) in [
        ("A,x,", "quantity_missing"),
        ("A,x,99999999", "quantity_out_of_range"),
        (",x,1", "sku_missing"),
        ("5.01E+12,x,1", "sku_scientific"),
        ("A,x", "wrong_field_count"),
        ("A,x,1,2", "wrong_field_count"),
        ("A\u{fffd},x,1", "invalid_encoding"),
        ("A,\"12\" plate\",1", "wrong_field_count"),
    ] {
        let text = with_good_rows("SKU,x,Qty\n", &format!("{row}\n"));
        let (_, summary) = read(&by_name(), text.as_bytes()).unwrap();
        assert_eq!(summary.row_errors[0].reason, word, "{row}");
        assert_eq!(summary.row_errors[0].line, 22);
    }
    assert_eq!(shown_rows(&by_name(), "SKU,Qty\nA,1,,\n"), ["A=1@2"], "extra fields may be empty");
    let zero = StockProfile { blank_quantity: BlankQuantity::Zero, ..by_name() };
    assert_eq!(shown_rows(&zero, "SKU,Qty\nA,\n"), ["A=0@2"]);
}

#[test]
fn files_that_cannot_be_believed_are_rejected_with_the_reason() {
    let one = by_name();
    for (bytes, wanted, line) in [
        (&b""[..], "empty", None),
        (b"SKU,Qty\n", "no_rows", None),
        (b"PK\x03\x04", "wrong_file_type", None),
        (b"Code,Qty\nA,1\n", "ambiguous_format", None),
        (b"SKU,Qty\nA,1\nB,\0\n", "nul_bytes", Some(3)),
        (b"SKU,Qty\nA,1\nB,\"2\n", "unterminated_quote", Some(3)),
        (b"SKU,Qty\nA,1\nB,\"2", "unterminated_quote", Some(3)),
        (b"SKU,x,Qty\nA,x,1\nB,x", "truncated_last_record", Some(3)),
        (b"SKU,x,Qty\nA,x,1\nB,x,", "truncated_last_record", Some(3)),
        (b"SKU,Qty\nA,1\nB,x\n", "too_many_row_errors", Some(3)),
        (b"SKU,Qty,Qty\nA,1,2\n", "ambiguous_format", Some(1)),
    ] {
        assert_eq!(reason(&one, bytes), (wanted.to_owned(), line), "{}", String::from_utf8_lossy(bytes));
    }
    let comma = StockProfile { delimiter: Delimiter::Is(b','), ..by_name() };
    assert_eq!(reason(&comma, "Code,Qty\nA,1\n"), ("missing_column".into(), Some(1)));
    let utf8 = StockProfile { encoding: crate::epos::profile::Encoding::Utf8, ..by_name() };
    assert_eq!(reason(&utf8, b"SKU,Qty\nA,1\n\xeb,2\n"), ("invalid_encoding".into(), Some(3)));
    let three = StockProfile { expected_fields: Some(3), ..by_name() };
    assert_eq!(reason(&three, "SKU,Qty\nA,1\n"), ("wrong_field_count".into(), Some(1)));
    let whole = StockProfile { final_newline: FinalNewline::Required, ..by_name() };
    assert_eq!(reason(&whole, "SKU,Qty\nA,1").0, "truncated_last_record");
}

#[test]
fn half_of_a_file_is_rejected_wherever_it_is_cut_inside_a_line_but_in_the_last_number() {
    let whole = "SKU,Description,Qty\r\n1001,\"Teapot, white\",12\r\n1002,\"Teapot, blue\",0\r\n1003,\"Cup\",48\r\n";
    let profile = StockProfile { final_newline: FinalNewline::Required, delimiter: Delimiter::Is(b','), ..by_name() };
    for cut in 1..whole.len() {
        let part = &whole[..cut];
        let is_between_lines = part.ends_with(['\n', '\r']);
        assert_eq!(read(&profile, part.as_bytes()).is_ok(), is_between_lines && cut > 21, "{part:?}");
    }
}

#[test]
fn a_stray_quote_never_gives_one_item_the_count_of_another() {
    let swallowed = "SKU,x,Qty\n1001,\"Teapot,12\n1002,\"Cup\",48\n";
    assert_eq!(reason(&by_name(), swallowed), ("unterminated_quote".into(), Some(2)));
    let unquoted = StockProfile { quote: Quote(None), delimiter: Delimiter::Is(b','), ..by_name() };
    assert_eq!(shown_rows(&unquoted, swallowed), ["1001=12@2", "1002=48@3"]);
}

#[test]
fn more_than_two_hundred_row_errors_reject_whatever_their_share() {
    let file = |errors: u32, good: u32| {
        let mut text = "SKU,Qty\n".to_owned();
        (0..errors).for_each(|n| writeln!(text, "b{n},x").unwrap());
        (0..good).for_each(|n| writeln!(text, "g{n},1").unwrap());
        text
    };
    assert_eq!(read(&by_name(), file(200, 9800).as_bytes()).unwrap().1.row_errors.len(), 200);
    assert_eq!(reason(&by_name(), file(201, 99_000)).0, "too_many_row_errors");
    assert_eq!(reason(&by_name(), file(2, 20)).0, "too_many_row_errors");
}

#[test]
fn lines_are_physical_lines_for_every_kind_of_line_end() {
    let text = "SKU,x,Qty\nA,\"two\nlines\",1\n\n,,\nB,x,2\n\nC,x,3";
    let wanted = ["A=1@2", "B=2@6", "C=3@8"];
    for end in ["\n", "\r\n", "\r"] {
        let text = text.replace('\n', end);
        assert_eq!(shown_rows(&by_name(), &text), wanted, "{end:?}");
        assert_eq!(shown_rows(&by_name(), text + end), wanted, "{end:?}");
    }
    assert_eq!(shown_rows(&by_name(), "SKU,Qty\r\nA,1\rB,2\nC,3\r\n\x1a"), ["A=1@2", "B=2@3", "C=3@4"]);
    let skipping = StockProfile { skip_lines: 2, comment: Some("#".into()), ..by_name() };
    assert_eq!(shown_rows(&skipping, "sep=;\r\n\"odd\r\n# x\r\nSKU;Qty\r\nA;1\r\n# y\r\nB;2\r\n"), ["A=1@5", "B=2@7"]);
}

#[test]
fn encodings_marks_and_delimiters_are_those_of_the_till() {
    assert_eq!(shown_rows(&by_name(), b"\xef\xbb\xbfSKU,Qty\r\nA,1\r\n"), ["A=1@2"]);
    assert_eq!(shown_rows(&by_name(), b"SKU,Qty\nZo\xeb,1\n"), ["Zoë=1@2"]);
    let little: Vec<u8> = "\u{feff}SKU\tQty\r\nGRÜN\t-1\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(shown_rows(&by_name(), little), ["GRÜN=-1@2"]);
    let comma = StockProfile { decimal: DecimalMark::Comma, thousands: ".".into(), ..by_name() };
    assert_eq!(shown_rows(&comma, "SKU;Qty\nA;1.234,50\nB;\u{a0}2 \n"), ["A=1234.5@2", "B=2@3"]);
    let trailing = StockProfile { negative: Negatives(vec![Negative::TrailingMinus]), ..by_name() };
    assert_eq!(shown_rows(&trailing, "SKU|Qty\nA|5-\n"), ["A=-5@2"]);
    let guarded = StockProfile { spreadsheet_text_guard: SpreadsheetTextGuard::Strip, ..by_name() };
    assert_eq!(shown_rows(&guarded, "SKU,Qty\n\"=\"\"0012\"\"\",1\n'0013,2\n"), ["0012=1@2", "0013=2@3"]);
    assert_eq!(shown_rows(&by_name(), "qty ,sku\n1,=1+2\n"), ["=1+2=1@2"]);
}

#[test]
fn a_delimiter_that_is_not_clear_rejects() {
    assert_eq!(reason(&by_number(1, 2), "1;2,3\n4;5,6\n").0, "ambiguous_format");
    assert_eq!(shown_rows(&by_number(1, 2), "A;2\nB;6\n"), ["A=2@1", "B=6@2"]);
}

#[test]
fn printed_reports_are_read_by_their_rules() {
    let profile = StockProfile {
        header: Header::FindByNames,
        ignore_rows: vec![
            IgnoreRow::RepeatedHeader,
            IgnoreRow::SingleFieldLine,
            IgnoreRow::StartsWith("Page".into()),
            IgnoreRow::SkuEmptyAndDescriptionContains("Total".into()),
        ],
        end_marker: Some("END,2".into()),
        ..by_name()
    };
    let report = "Stock of shop 1\nPrinted,today\nSKU,Name,Qty\nA,Cup,1\nPage 1,of,2\nSKU,Name,Qty\n,Total cups,1\nB,Pot,2\nlone\nEND,2\nrubbish,\"";
    assert_eq!(shown_rows(&profile, report), ["A=1@4", "B=2@8"]);
    let cut = &report[..report.find("END").unwrap()];
    assert_eq!(reason(&profile, cut).0, "truncated_last_record");
}

#[test]
fn a_giant_field_is_rejected_in_bounded_memory() {
    let mut text = b"SKU,Qty\nA,\"".to_vec();
    text.resize(6 * 1024 * 1024, b'x');
    text.extend_from_slice(b"\"\n");
    assert_eq!(reason(&by_name(), text).0, "unterminated_quote");
}

#[test]
fn duplicates_are_passed_on_with_their_policy() {
    let (rows, summary) = read(&by_name(), b"SKU,Qty\nA,1\nA,2\n").unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(summary.duplicates, crate::ports::Duplicates::IdenticalCollapseConflictRowError);
}

#[test]
fn a_sink_that_fails_stops_the_read() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "SKU,Qty\nA,1\nB,2\n").unwrap();
    let mut taken = 0;
    let mut sink = |row: &ExportRow<'_>| {
        assert_eq!(row.says, Says::Count(Quantity::ONE));
        taken += 1;
        Err("full".into())
    };
    let read = read_export(&by_name().check().unwrap(), export(file.path()), &mut sink);
    assert!(matches!(read, Err(ReadError::Sink(_))));
    assert_eq!(taken, 1);
}

#[test]
fn names_tell_when_an_export_began() {
    let profile: StockProfile = toml::from_str(
        "columns = { sku = 1, quantity = 2 }\nheader = \"none\"\nas_of = { from = \"name\", pattern = \"*_%Y%m%d_%H%M*\" }",
    )
    .unwrap();
    profile.check().unwrap();
    let zone = jiff::tz::TimeZone::get("Europe/London").unwrap();
    let told = |name: &str| profile.as_of_from_name(name, &zone).map(|at| at.to_string());
    assert_eq!(told("FULL_20260714_1530_x.csv").as_deref(), Some("2026-07-14T14:30:00Z"));
    assert_eq!(told("FULL_20261025_0130.csv").as_deref(), Some("2026-10-25T00:30:00Z"), "the earlier of the two");
    assert_eq!(told("FULL_2026.csv"), None);
}

#[test]
fn a_profile_that_cannot_work_names_its_key() {
    for (text, key) in [
        ("columns = { sku = \"a\" }", "columns.quantity"),
        ("columns = { sku = 0, quantity = 1 }", "columns.sku"),
        ("columns = { sku = \"a\", quantity = 1 }\nheader = \"none\"", "columns.sku"),
        ("columns = { sku = 1, quantity = 2 }\nkind = \"xml\"", "record_path"),
        ("columns = { sku = 1, quantity = 2 }\nkind = \"xml\"\nrecord_path = \"a/b\"", "columns.sku"),
        ("columns = { sku = 1, quantity = 2 }\nkind = \"fixed\"", "columns.sku"),
        ("columns = { sku = [3, 2], quantity = [5, 9] }\nkind = \"fixed\"", "columns.sku"),
        ("columns = { sku = 1, quantity = 2 }\nrecord_path = \"a\"", "record_path"),
        ("columns = { sku = 1, quantity = 2, action = 3 }\nexport = \"delta\"", "actions"),
        ("columns = { sku = 1, quantity = 2 }\nexport = \"delta\"\nactions = { D = \"delete\" }", "columns.action"),
        ("columns = { sku = 1, quantity = 2, action = 3 }", "actions"),
        ("columns = { sku = 1, quantity = 2, sequence = 3 }", "columns.sequence"),
        ("columns = { sku = 1, quantity = [2, 3] }", "columns.quantity"),
        ("columns = { sku = 1, quantity = 2 }\nbranch = { mode = \"sum-of-columns\" }", "columns.quantity"),
        ("columns = { sku = 1, quantity = 2, branch = 3 }\nbranch = { mode = \"only\", codes = [] }", "branch"),
        ("columns = { sku = 1, quantity = 2 }\ntrailer = { required = true }", "record_types.trailer"),
        ("columns = { sku = 1, quantity = 2 }\ntrailer = { count_at = [1, 2] }", "trailer"),
        ("columns = { sku = 1, quantity = 2 }\ncompleteness = { control_file = \"c.csv\" }", "completeness"),
        ("columns = { sku = 1, quantity = 2 }\ncompleteness = { marker_file = \"../c\" }", "completeness"),
        ("columns = { sku = 1, quantity = 2 }\ncompleteness = { md5_key = \"M\" }", "completeness.control_file"),
        ("columns = { sku = 1, quantity = 2 }\nas_of = { from = \"header\" }", "as_of"),
        ("columns = { sku = 1, quantity = 2 }\nas_of = { from = \"header\", pattern = \"H,*%Y%m%d\" }", "as_of"),
        ("columns = { sku = 1, quantity = 2, as_of = 3 }", "columns.as_of"),
        ("columns = { sku = 1, quantity = 2 }\nsequence = { from = \"name\", pattern = \"x\" }", "sequence"),
        (
            "columns = { sku = 1, quantity = 2 }\nrecord_types = { trailer = \"T\" }\ntrailer = { required = true }",
            "trailer",
        ),
        ("columns = { sku = 1, quantity = 2 }\ncompleteness = { marker_file = \"*.ok\" }", "completeness"),
        ("columns = { sku = [1, 2], quantity = [1, 2] }\nkind = \"fixed\"", "columns.quantity"),
        (
            "columns = { sku = [1, 2], quantity = [3, 4] }\nkind = \"fixed\"\nignore_rows = [\"repeated-header\"]",
            "ignore_rows",
        ),
        ("columns = { sku = \"@a\", quantity = \"./b\" }\nkind = \"xml\"\nrecord_path = \"a/b\"", "columns.quantity"),
        (
            "columns = { sku = \"@a\", quantity = \"b\" }\nkind = \"xml\"\nrecord_path = \"a/b\"\ntrailer = { count_attribute = \"@n\" }",
            "trailer.count_attribute",
        ),
        ("columns = { sku = 1, quantity = 2 }\nundecided = [\"columns.sku\"]", "undecided"),
        ("columns = { sku = 1, quantity = 2 }\ndecimal = \",\"\nthousands = \",\"", "thousands"),
        ("columns = { sku = 1, quantity = 2 }\nbranch = { mode = \"only\", codes = [\"2\"] }", "columns.branch"),
        ("columns = { sku = 1, quantity = 2 }\nas_of = { from = \"name\", pattern = \"%H%M\" }", "as_of"),
    ] {
        let profile: StockProfile = toml::from_str(text).unwrap();
        assert_eq!(profile.check().unwrap_err().key, key, "{text}");
    }
    assert!(toml::from_str::<StockProfile>("colums = {}").is_err());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_file_makes_the_reader_panic_and_no_row_comes_from_nowhere(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "SKU,Qty", "A", "B", "1", "-2", "\"", ",", ",", ";", "\n", "\r\n", "\r", " ", "\0", "ë", "\u{1a}", "\u{feff}", "#",
        ]), 0..60),
    ) {
        let text = pieces.concat();
        for profile in [by_name(), by_number(1, 2), StockProfile { header: Header::FindByNames, ..by_name() }] {
            if let Ok((rows, summary)) = read(&profile, text.as_bytes()) {
                let lines = text.replace("\r\n", "\n").matches(['\n', '\r']).count() as u64 + 1;
                proptest::prop_assert!(rows.iter().all(|(sku, _, line)| text.contains(sku.as_str()) && (1..=lines).contains(line)));
                proptest::prop_assert_eq!(rows.len() as u64 + summary.row_errors.len() as u64, summary.rows);
            }
        }
    }
}

#[test]
fn a_quotation_mark_that_is_never_closed_is_told_with_the_line_of_its_record() {
    for (text, line) in [("1,\"A\n2,B\n", 1), ("1,\"A\n2,B", 1), ("1,2\n3,\"A\n\n", 2), ("1,2\n\n3,\"A\n", 3)] {
        assert_eq!(reason(&by_number(1, 2), text), ("unterminated_quote".to_owned(), Some(line)), "{text:?}");
    }
}
