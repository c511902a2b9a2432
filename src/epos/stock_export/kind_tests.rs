//! Fixed width, XML, record types, branches, changes, proofs of completeness, and what a heading tells.

use std::fmt::Write as _;

use super::*;
use crate::epos::profile::StockProfile;
use crate::ports::{ExportRow, Says};

type Read = Result<(Vec<String>, ReadSummary), Rejection>;

/// Reads `text` by a profile in TOML; rows come as `SKU=units@line`, with `#ordinal` where there is one.
fn read_with(profile: &str, bytes: &[u8], companion: Option<&str>) -> Read {
    let folder = tempfile::tempdir().unwrap();
    let (path, beside) = (folder.path().join("stock"), folder.path().join("beside"));
    std::fs::write(&path, bytes).unwrap();
    if let Some(text) = companion {
        std::fs::write(&beside, text).unwrap();
    }
    let profile: StockProfile = toml::from_str(profile).unwrap();
    let mut rows = Vec::new();
    let mut sink = |row: &ExportRow<'_>| {
        let units = match row.says {
            Says::Count(units) => units.to_string(),
            Says::Deleted => "gone".to_owned(),
        };
        let ordinal = row.ordinal.map(|ordinal| format!("#{ordinal}")).unwrap_or_default();
        rows.push(format!("{}={units}@{}{ordinal}", row.sku, row.line));
        Ok(())
    };
    let export =
        ExportFile { path: &path, name: "STK_20260314_00417.dat", companion: companion.map(|_| beside.as_path()) };
    match read_export(&profile.check().unwrap(), export, &mut sink) {
        Ok(summary) => Ok((rows, summary)),
        Err(ReadError::Rejected(why)) => Err(why),
        Err(other) => panic!("{other}"),
    }
}

fn read(profile: &str, text: &str) -> Read {
    read_with(profile, text.as_bytes(), None)
}

fn rows(profile: &str, text: &str) -> Vec<String> {
    read(profile, text).unwrap().0
}

/// The reason and line of a rejection.
fn refused(profile: &str, text: &str) -> (String, Option<u64>) {
    let why = read(profile, text).unwrap_err();
    (why.reason, why.line)
}

/// The reasons and lines of row errors.
fn errors(profile: &str, text: &str) -> Vec<(String, u64)> {
    let lenient = format!("row_error_limit_percent = 100\n{profile}");
    read(&lenient, text).unwrap().1.row_errors.into_iter().map(|error| (error.reason, error.line)).collect()
}

const FIXED: &str = "kind = \"fixed\"\nheader = \"none\"\ncolumns = { sku = [1, 5], quantity = [11, 15] }\n";

#[test]
fn fixed_width_counts_characters_and_never_reads_part_of_a_number() {
    assert_eq!(rows(FIXED, "A1   Tea  00012\nGRÜ1 Käse    7 more\n"), ["A1=12@1", "GRÜ1=7@2"]);
    assert_eq!(
        errors(FIXED, "A1   Tea  00012\nA2   Te\nA3   Tea  00x12\n"),
        [("wrong_field_count".to_owned(), 2), ("quantity_not_numeric".to_owned(), 3)]
    );
    for cut in 1..15 {
        let text = &"A2   Tea  00345"[..cut];
        assert!(read(FIXED, &format!("A1   Tea  00012\n{text}")).is_err(), "{text}");
    }
    // Nor does a line that has its line end: what it lacks may be digits.
    assert_eq!(errors(FIXED, "A1   Tea  00012\nA2   Tea  000\n"), [("wrong_field_count".to_owned(), 2)]);
    let left = FIXED.replace("[1, 5], quantity = [11, 15]", "[11, 15], quantity = [1, 5]");
    assert_eq!(rows(&left, "00012Tea  A1\n"), ["A1=12@1"], "blanks that an editor took off an SKU are no loss");
    let implied = format!("{FIXED}implied_decimals = 3\nnegative = [\"trailing-minus\"]\n");
    assert_eq!(rows(&implied, "A1   Tea  1500-\nA2   Tea  2000\n"), ["A1=-1.5@1", "A2=2@2"]);
    assert_eq!(errors(&implied, "A1   Tea  1500-\nA2   Tea  200\n"), [("wrong_field_count".to_owned(), 2)]);
}

#[test]
fn a_fixed_width_header_is_told_by_the_profile_or_refused() {
    let text = "Code Name Stock\nA1   Tea  00012\n";
    let with = |header: &str| FIXED.replace("\"none\"", header);
    assert_eq!(rows(&with("\"first-row\""), text), ["A1=12@2"]);
    assert_eq!(refused(&with("\"auto\""), text), ("ambiguous_format".to_owned(), Some(1)));
    assert_eq!(rows(&with("\"auto\""), &text[16..]), ["A1=12@1"]);
}

const TYPES: &str = "header = \"none\"\ndelimiter = \",\"\nencoding = \"utf-8\"\ncolumns = { sku = 2, quantity = 3 }\n\
    record_types = { header = \"H\", detail = \"D\", trailer = \"T\" }\ntrailer = { required = true, count_column = 2, sum_column = 3 }\n";

#[test]
fn a_trailer_proves_the_export_whole_or_rejects_it() {
    assert_eq!(rows(TYPES, "H,x\nD,A,1\nD,B,2.5\nT,2,3.50\n"), ["A=1@2", "B=2.5@3"]);
    for (text, reason, line) in [
        ("H,x\nD,A,1\nD,B,2\n", "trailer_missing", None),
        ("D,A,1\nT,2,1\n", "trailer_mismatch", Some(2)),
        ("D,A,1\nT,1,2\n", "trailer_mismatch", Some(2)),
        ("D,A,1\nT,1\n", "trailer_mismatch", Some(2)),
        ("D,A,1\nT,one,1\n", "trailer_mismatch", Some(2)),
        ("D,A,1\nT,1,1\nD,B,1\n", "trailer_mismatch", Some(3)),
        ("D,A,1\nT,1,1\nH,x\nD,A,1\nT,1,1\n", "trailer_mismatch", Some(3)),
        ("H,x\nT,0,0\n", "no_rows", None),
    ] {
        assert_eq!(refused(TYPES, text), (reason.to_owned(), line), "{text}");
    }
    assert_eq!(
        errors(TYPES, "D,A,1\nX,B,2\nD,C,x\nT,3,9\n"),
        [("wrong_field_count".to_owned(), 2), ("quantity_not_numeric".to_owned(), 3)]
    );
    let sum_only = TYPES.replace("count_column = 2, ", "");
    let lenient = format!("row_error_limit_percent = 100\n{sum_only}");
    assert_eq!(
        refused(&lenient, "D,A,1\nD,C,x\nT,3,1\n").0,
        "trailer_mismatch",
        "no count, and a sum that nobody can tell"
    );
}

#[test]
fn a_sum_may_be_larger_than_any_count_and_counts_other_branches() {
    let branch = format!(
        "{}branch = {{ mode = \"only\", codes = [\"2\"] }}\n",
        TYPES.replace("quantity = 3", "quantity = 3, branch = 4")
    );
    let text = "D,A,9000000,1\nD,A,9000000,2\nD,B,5,002\nT,3,18000005\n";
    assert_eq!(rows(&branch, text), ["A=9000000@2"]);
    assert_eq!(refused(&branch, "D,A,1,1\nT,1,1\n").0, "no_rows", "no row of this shop's branch");
    assert_eq!(errors(&branch, "D,A,1,2\nD,B,1,2,3\nT,2,2\n"), [("wrong_field_count".to_owned(), 2)]);
}

#[test]
fn branches_in_columns_are_added() {
    let profile =
        "columns = { sku = \"SKU\", quantity = [\"Shelf\", \"Store\"] }\nbranch = { mode = \"sum-of-columns\" }\n";
    assert_eq!(rows(profile, "SKU,Shelf,Store\nA,1,2\nB,0,-1.5\n"), ["A=3@2", "B=-1.5@3"]);
    assert_eq!(
        errors(profile, "SKU,Shelf,Store\nA,1,2\nB,1,\nC,9999999,9999999\n"),
        [("quantity_missing".to_owned(), 3), ("quantity_out_of_range".to_owned(), 4)]
    );
}

#[test]
fn changes_have_actions_and_an_order() {
    let profile = "export = \"delta\"\ncolumns = { sku = 1, quantity = 2, action = 3, sequence = 4 }\nheader = \"none\"\n\
        actions = { A = \"set\", U = \"set\", D = \"delete\" }\n";
    let (rows, summary) = read(profile, "A,5,U,12\nB,,D,13\nC,1,A,7\n").unwrap();
    assert_eq!(rows, ["A=5@1#12", "B=gone@2#13", "C=1@3#7"]);
    assert_eq!(summary.scope, Scope::Delta);
    assert_eq!(
        errors(profile, "A,5,U,1\nB,1,X,2\nC,1,A,x\nD,,U,4\n"),
        [("action_unknown".to_owned(), 2), ("sequence_not_numeric".to_owned(), 3), ("quantity_missing".to_owned(), 4)]
    );
    let plain = "export = \"delta\"\ncolumns = { sku = \"SKU\", quantity = \"Qty\" }\n";
    assert_eq!(read(plain, "SKU,Qty\n").unwrap().1.rows, 0, "nothing changed");
    assert_eq!(refused("columns = { sku = \"SKU\", quantity = \"Qty\" }", "SKU,Qty\n").0, "no_rows");
}

#[test]
fn a_scientific_sku_is_taken_only_where_the_till_quoted_it() {
    let profile = "columns = { sku = \"SKU\", quantity = \"Qty\" }\nsku_scientific = \"accept-if-quoted\"\n";
    let text = "SKU,Name,Qty\n\"5E+12\",a,1\n5E+13,\"b\nc\",2\n\"5,01E+12\",\"x\",3\n";
    assert_eq!(
        read(&format!("row_error_limit_percent = 100\n{profile}"), text).unwrap().0,
        ["5E+12=1@2", "5,01E+12=3@5"]
    );
    assert_eq!(errors(profile, text), [("sku_scientific".to_owned(), 3)]);
}

#[test]
fn dos_code_pages_are_read() {
    let profile = |page: &str| format!("encoding = \"{page}\"\ncolumns = {{ sku = \"SKU\", quantity = \"Qty\" }}\n");
    let read = |page: &str, bytes: &[u8]| read_with(&profile(page), bytes, None).unwrap().0;
    assert_eq!(read("cp850", b"SKU,Qty\r\nGR\x9aN-\xb5,1\r\n\x1a"), ["GRÜN-Á=1@2"]);
    assert_eq!(read("cp437", b"SKU,Qty\r\nGR\x9aN-\xb5,1\r\n"), ["GRÜN-╡=1@2"]);
}

const XML: &str =
    "kind = \"xml\"\nrecord_path = \"Stock/Item\"\ncolumns = { sku = \"@code\", quantity = \"Units/OnHand\" }\n";

#[test]
fn xml_is_read_by_paths_with_lines() {
    let text = "<?xml version=\"1.0\"?>\n<s:Stock xmlns:s=\"x\">\n <s:Item\n  code='A&amp;1'><Units><OnHand> 5 </OnHand></Units><OnHand>9</OnHand></s:Item>\n\
        <Item code=\"B\"><Units><OnHand><![CDATA[7]]></OnHand></Units></Item><!-- <Item/> -->\n<Item code=\"&#67;\"><Units><OnHand>&#49;2</OnHand></Units></Item></s:Stock>\n";
    assert_eq!(rows(XML, text), ["A&1=5@3", "B=7@5", "C=12@6"]);
    let bad = "<Stock><Item code='A'><Units><OnHand>1</OnHand></Units></Item>\n<Item><Units/></Item>\n<Item code='C'/>\n\
        <Item code='D'><Units><OnHand>1</OnHand><OnHand>2</OnHand></Units></Item></Stock>";
    assert_eq!(
        errors(XML, bad),
        [("sku_missing".to_owned(), 2), ("quantity_missing".to_owned(), 3), ("wrong_field_count".to_owned(), 4)]
    );
}

#[test]
fn xml_that_is_cut_hostile_or_of_another_kind_is_refused() {
    let whole = "<Stock><Item code='A'><Units><OnHand>1</OnHand></Units></Item></Stock>";
    for cut in 1..whole.len() {
        assert!(read(XML, &whole[..cut]).is_err(), "cut at {cut}");
    }
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;\">]><Stock>&c;</Stock>";
    let unknown = whole.replace(">1<", ">&c;<");
    let twice = format!("{whole}{whole}");
    let trailing = format!("{whole}rubbish");
    for text in [
        deep.as_str(),
        bomb,
        &unknown,
        &twice,
        &trailing,
        "<Stock><Item></Stock>",
        "<Stock>&#0;</Stock>",
        "<Stock a=></Stock",
    ] {
        assert_eq!(refused(XML, text).0, "xml_not_well_formed", "{}", &text[..40.min(text.len())]);
    }
    assert_eq!(refused(XML, "<Other><Item code='A'/></Other>").0, "missing_column");
    assert_eq!(refused(XML, "<Stock></Stock>").0, "no_rows");
    assert_eq!(refused(XML, "SKU,Qty\nA,1\n").0, "wrong_file_type");
    assert_eq!(refused(XML, "<html><body></body></html>").0, "wrong_file_type");
    assert_eq!(read(&format!("{XML}export = \"delta\"\n"), "<Stock></Stock>").unwrap().1.rows, 0);
    let mut attributes = "<Stock><Item".to_owned();
    (0..50_000).for_each(|n| write!(attributes, " a{n}=''").unwrap());
    assert!(read(XML, &(attributes + "/></Stock>")).is_err());
}

#[test]
fn xml_is_decoded_as_it_declares_itself() {
    let text = b"<?xml version='1.0' encoding='ISO-8859-1'?><Stock><Item code='Zo\xeb'><Units><OnHand>1</OnHand></Units></Item></Stock>";
    assert_eq!(read_with(XML, text, None).unwrap().0, ["Zoë=1@1"]);
}

#[test]
fn control_and_marker_files_prove_the_export_whole_or_reject_it() {
    let profile = "columns = { sku = \"SKU\", quantity = \"Qty\" }\n\
        completeness = { control_file = \"c\", md5_key = \"MD5\", sum_key = \"SUM\", count_key = \"ROWS\" }\n";
    let text = b"SKU,Qty\nA,1\nB,2\n";
    let told =
        |control: &str| read_with(profile, text, Some(control)).map(|(rows, _)| rows.len()).map_err(|why| why.reason);
    let md5 = "MD5=a7a1fd4bdbb29d8b69e8ee34c1ba2ddd";
    let actual = md5_of(text);
    assert_eq!(told(&format!("MD5={actual}\nSUM=3\nROWS=2\n")), Ok(2));
    for control in [
        format!("{md5}\nSUM=3\nROWS=2\n"),
        format!("MD5={actual}\nSUM=4\nROWS=2\n"),
        format!("MD5={actual}\nSUM=3\nROWS=3\n"),
        format!("MD5={actual}\nSUM=3\n"),
        String::new(),
        "x".repeat(100_000),
    ] {
        assert_eq!(told(&control), Err("control_mismatch".to_owned()), "{}", &control[..40.min(control.len())]);
    }
    assert_eq!(read_with(profile, text, None).unwrap_err().reason, "control_mismatch");
    let marker =
        "columns = { sku = \"SKU\", quantity = \"Qty\" }\ncompleteness = { marker_file = \"{name}.complete\" }\n";
    assert_eq!(read_with(marker, text, Some("")).unwrap().0.len(), 2);
    assert_eq!(read_with(marker, text, None).unwrap_err().reason, "control_mismatch");
}

fn md5_of(bytes: &[u8]) -> String {
    use md5::{Digest, Md5};
    crate::ports::hex(&Md5::digest(bytes))
}

#[test]
fn time_and_number_come_from_where_the_profile_says() {
    let header = "H,STOCK,0012,20260314,231500,00417\nD,A,1\nT,1,1\n";
    let told = |more: &str, text: &str| {
        let summary = read(&format!("{}{more}", TYPES), text).unwrap().1;
        (
            summary.as_of.map(|at| at.to_string()),
            summary.sequence.map(|number| number.to_string()),
            summary.warnings.len(),
        )
    };
    let night = Some("2026-03-14T23:15:00".to_owned());
    assert_eq!(told("", header), (night.clone(), None, 0));
    let by_pattern = "as_of = { from = \"header\", pattern = \"H,STOCK,0012,%Y%m%d,%H%M%S*\" }\nsequence = { from = \"header\", pattern = \"H,*,#\" }\n";
    assert_eq!(told(by_pattern, header), (night.clone(), Some("00417".to_owned()), 0));
    let by_name = "as_of = { from = \"name\", pattern = \"STK_%Y%m%d*\" }\nsequence = { from = \"name\", pattern = \"STK_*_#.dat\" }\n";
    assert_eq!(told(by_name, header), (Some("2026-03-14T00:00:00".to_owned()), Some("00417".to_owned()), 0));
    let in_vain =
        "as_of = { from = \"header\", pattern = \"X,%Y%m%d\" }\nsequence = { from = \"header\", pattern = \"X#\" }\n";
    assert_eq!(told(in_vain, header), (None, None, 2), "a broken promise is told");
    let placed = TYPES.replace("quantity = 3", "quantity = 3, as_of = [4, 5]")
        + "as_of = { from = \"header\", pattern = \"%Y%m%d %H%M%S\" }\n";
    assert_eq!(read(&placed, header).unwrap().1.as_of.map(|at| at.to_string()), night);
}

#[test]
fn a_sep_line_tells_the_delimiter_and_is_no_item() {
    let profile = "header = \"none\"\ncolumns = { sku = 1, quantity = 2 }\n";
    assert_eq!(
        rows(profile, "sep=;\r\nA;1,x\r\nB;2,y\r\n".replace(",x", "").replace(",y", "").as_str()),
        ["A=1@2", "B=2@3"]
    );
}

#[test]
fn a_first_row_that_may_be_names_or_an_item_is_refused_unless_it_is_plain() {
    let profile = "delimiter = \",\"\ncolumns = { sku = 1, quantity = 2 }\n";
    assert_eq!(rows(profile, "SKU,Qty\n1001,5\n"), ["1001=5@2"]);
    assert_eq!(rows(profile, "1001,5\n1002,6\n"), ["1001=5@1", "1002=6@2"]);
    for text in ["TEAPOT,n/a\nCUP,5\n", "1001,n/a\n1002,5\n", "SKU,Qty\n"] {
        assert_eq!(refused(profile, text), ("ambiguous_format".to_owned(), Some(1)), "{text}");
    }
}

#[test]
fn what_is_said_of_broken_xml_is_short_and_has_no_control_characters() {
    let long = "\u{11}\u{202e}".repeat(10_000);
    for text in [format!("<Stock><a></{long}></Stock>"), format!("<Stock><{long}></a></Stock>")] {
        let why = read(XML, &text).unwrap_err();
        assert_eq!(why.reason, "xml_not_well_formed");
        assert!(why.text.chars().count() < 400, "{} bytes", why.text.len());
        assert!(!why.text.contains(|c: char| c.is_control() || c == '\u{202e}'), "{:?}", why.text);
    }
}

#[test]
fn an_element_name_with_a_slash_hides_no_item() {
    let item = |code: &str| format!("<Item code='{code}'><Units><OnHand>1</OnHand></Units></Item>");
    for text in [
        format!("<Stock>{}<a/b></a/b>{}</Stock>", item("A"), item("B")),
        "<Stock/Item code='A'><Units><OnHand>1</OnHand></Units></Stock/Item>".to_owned(),
    ] {
        assert_eq!(refused(XML, &text).0, "xml_not_well_formed", "{text}");
    }
}

#[test]
fn a_count_beside_the_items_stands_once_and_is_never_pieced_together() {
    let profile = format!("{XML}trailer = {{ required = true, count_attribute = \"Stock/Count\" }}\n");
    let items: String = (0..12).map(|n| format!("<Item code='{n}'><Units><OnHand>1</OnHand></Units></Item>")).collect();
    assert_eq!(rows(&profile, &format!("<Stock><Count>12</Count>{items}</Stock>")).len(), 12);
    let blanks = " ".repeat(5000);
    for counts in ["<Count>1</Count><Count>2</Count>".to_owned(), format!("<Count>12{blanks}&#49;</Count>")] {
        assert_eq!(refused(&profile, &format!("<Stock>{counts}{items}</Stock>")).0, "trailer_mismatch");
    }
}

#[test]
fn utf8_that_breaks_off_inside_a_character_is_not_taken_for_another_encoding() {
    let profile = "columns = { sku = \"SKU\", quantity = \"Qty\" }\n";
    let cut = "SKU,Qty,Name\nZoë,1,x\nB,2,ë".as_bytes();
    assert_eq!(read_with(profile, &cut[..cut.len() - 1], None).unwrap_err().reason, "invalid_encoding");
    let mixed = [cut, b"\nC\xeb,3,x\n"].concat();
    assert_eq!(read_with(profile, &mixed, None).unwrap_err().reason, "invalid_encoding");
    assert_eq!(read_with(profile, b"SKU,Qty\nZo\xeb,1\n", None).unwrap().0, ["Zoë=1@2"]);
    // Windows-1252 has no such byte; DOS's code pages have: it is the ü of cp850.
    assert_eq!(read_with(profile, b"SKU,Qty\nGr\x81n,1\n", None).unwrap_err().reason, "invalid_encoding");
    let declared = format!("{profile}encoding = \"windows-1252\"\n");
    let why = read_with(&declared, b"SKU,Qty\nA,1\nGr\x81n,1\n", None).unwrap_err();
    assert_eq!((why.reason.as_str(), why.line), ("invalid_encoding", Some(3)));
}

#[test]
fn xml_in_an_encoding_of_its_own_is_decoded_or_refused() {
    let text = |name: &str| {
        let head = format!("<?xml version='1.0' encoding='{name}'?>");
        [head.as_bytes(), b"<Stock><Item code='Zo\x89'><Units><OnHand>1</OnHand></Units></Item></Stock>"].concat()
    };
    assert_eq!(read_with(XML, &text("cp850"), None).unwrap().0, ["Zoë=1@1"]);
    assert_eq!(read_with(XML, &text("IBM437"), None).unwrap().0, ["Zoë=1@1"]);
    assert_eq!(read_with(XML, &text("x-unknown"), None).unwrap_err().reason, "invalid_encoding");
}

#[test]
fn xml_values_with_elements_inside_them_are_in_error() {
    let item = |units: &str| format!("<Stock><Item code='A'><Units><OnHand>{units}</OnHand></Units></Item></Stock>");
    assert_eq!(errors(XML, &item("1<b>9</b>2")), [("wrong_field_count".to_owned(), 1)]);
    assert_eq!(rows(XML, &item("1<!-- 9 -->2")), ["A=12@1"]);
}

#[test]
fn a_quoted_sku_that_looks_like_a_comment_is_an_item() {
    let profile =
        "columns = { sku = \"SKU\", quantity = \"Qty\" }\ncomment = \"#\"\nignore_rows = [\"starts-with:Page\"]\n";
    assert_eq!(rows(profile, "# head\nSKU,Qty\n\"#12\",5\n#13,6\n\"Page\",7\nPage 1,8\n"), ["#12=5@3", "Page=7@5"]);
}

#[test]
fn quotation_marks_in_comments_quote_nothing() {
    for delimiter in [",", "auto"] {
        let profile = format!(
            "columns = {{ sku = \"SKU\", quantity = \"Qty\" }}\ncomment = \"#\"\ndelimiter = \"{delimiter}\"\n"
        );
        assert_eq!(rows(&profile, "# a,\"b\nSKU,Qty\n#\"c,\"d\n\"A\",5\n # \"\nB,6\n"), ["A=5@4", "B=6@6"]);
    }
}

#[test]
fn no_column_counts_twice() {
    let sums = |columns: &str| {
        format!(
            "header = \"first-row\"\ndelimiter = \",\"\ncolumns = {columns}\nbranch = {{ mode = \"sum-of-columns\" }}\n"
        )
    };
    for columns in ["{ sku = \"SKU\", quantity = [\"Q1\", \"q1\"] }", "{ sku = \"SKU\", quantity = [2, \"Q1\"] }"] {
        assert_eq!(refused(&sums(columns), "SKU,Q1,Q2\nA,1,2\n").0, "ambiguous_format", "{columns}");
    }
    let same = "header = \"first-row\"\ndelimiter = \",\"\ncolumns = { sku = \"SKU\", quantity = 1 }\n";
    assert_eq!(refused(same, "SKU,Qty\n100,5\n").0, "ambiguous_format");
}

#[test]
fn a_sku_that_still_stands_in_quotation_marks_is_in_error() {
    let profile = "columns = { sku = \"SKU\", quantity = \"Qty\" }\ndelimiter = \",\"\n";
    assert_eq!(errors(profile, "SKU,Qty\nA,1\n \"A1\",5\n"), [("wrong_field_count".to_owned(), 3)]);
    assert_eq!(rows(&format!("{profile}quote = \"\"\n"), "SKU,Qty\n\"A1\",5\n"), ["\"A1\"=5@2"]);
}

#[test]
fn a_heading_whose_quantity_reads_as_a_number_is_no_item() {
    let profile = "delimiter = \";\"\ncolumns = { sku = 1, quantity = 3 }\n";
    assert_eq!(refused(profile, "SKU;Name;0012\n1001;Tea;5\n"), ("ambiguous_format".to_owned(), Some(1)));
    assert_eq!(rows(profile, "TEAPOT;Tea;12\nCUP;Cup;5\n"), ["TEAPOT=12@1", "CUP=5@2"]);
}

#[test]
fn a_file_that_its_md5_proves_may_have_rows_in_error() {
    let profile = "columns = { sku = \"SKU\", quantity = \"Qty\" }\nrow_error_limit_percent = 60\n\
        completeness = { control_file = \"c\", md5_key = \"MD5\", sum_key = \"SUM\" }\n";
    let text = b"SKU,Qty\nA,1\nB,x\n";
    let control = |md5: &str| format!("MD5={md5}\nSUM=3\n");
    let (rows, summary) = read_with(profile, text, Some(&control(&md5_of(text)))).unwrap();
    assert_eq!((rows.as_slice(), summary.row_errors.len()), (&["A=1@2".to_owned()][..], 1));
    assert_eq!(read_with(profile, text, Some(&control("00"))).unwrap_err().reason, "control_mismatch");
}

#[test]
fn a_last_row_that_no_more_bytes_could_put_right_is_in_error_and_rejects_nothing() {
    let profile = "columns = { sku = \"SKU\", quantity = \"Qty\" }\ndelimiter = \",\"\n";
    for (last, is_cut) in [("B,n/a", false), ("B,1x", false), ("B,-", true), ("B,", true), ("B", true), ("B,1.", true)]
    {
        let text = format!("SKU,Qty\nA,1\n{last}");
        if is_cut {
            assert_eq!(refused(profile, &text).0, "truncated_last_record", "{last}");
        } else {
            assert_eq!(errors(profile, &text), [("quantity_not_numeric".to_owned(), 3)], "{last}");
        }
    }
}

#[test]
fn doss_end_marks_are_no_text_however_many_there_are_and_whatever_ends_their_line() {
    let mut text = b"SKU,Qty\r\nA,1\r\n".to_vec();
    let profile = "columns = { sku = \"SKU\", quantity = \"Qty\" }\nencoding = \"utf-8\"\n";
    text.extend_from_slice(b"\x1a\r\n");
    assert_eq!(read_with(profile, &text, None).unwrap().0, ["A=1@2"]);
    text.resize(300_000, 0x1a);
    assert_eq!(read_with(profile, &text, None).unwrap().0, ["A=1@2"]);
}

#[test]
fn a_line_without_end_is_named_as_what_it_is() {
    let profile = "columns = { sku = \"SKU\", quantity = \"Qty\" }\ndelimiter = \",\"\n";
    let long = "x".repeat(3 * 1024 * 1024);
    assert_eq!(refused(profile, &format!("SKU,Qty\nA,{long}\n")).0, "wrong_file_type");
    assert_eq!(refused(profile, &format!("SKU,Qty\nA,\"{long}\"\n")).0, "unterminated_quote");
}

#[test]
fn subtotals_in_fixed_width_are_passed_over() {
    let profile = format!("{FIXED}ignore_rows = [\"sku-empty-and-description-contains:Total\"]\n");
    assert_eq!(rows(&profile, "A1   Tea  00012\n     Total00012\n"), ["A1=12@1"]);
}
