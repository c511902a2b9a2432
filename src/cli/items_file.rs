//! Pairs of web SKU and till code from a CSV file, as a spreadsheet or a text editor writes it.
//!
//! Promises: a line that is not plainly a pair is named with its value and what to do, every one of them, and then there
//! are no pairs at all; values are taken exactly as written. Does not promise to notice a wrong code that looks right.

use std::collections::BTreeMap;

use encoding_rs::{Encoding, WINDOWS_1252};

use crate::domain::Sku;
use crate::domain::item_map::NotOneToOne;

/// The columns, by the names in the heading.
const COLUMNS: [&str; 2] = ["web_sku", "till_code"];
/// What may separate the fields.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Largest file taken, in bytes: some hundred thousand pairs.
pub(super) const LARGEST: u64 = 64 * 1024 * 1024;

/// A pair, and the line on which it stands, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) web: Sku,
    pub(super) till: Sku,
    pub(super) line: u64,
}

/// The pairs of a file, and remarks for a person.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pairs {
    pub(super) pairs: Vec<Listed>,
    pub(super) remarks: Vec<String>,
}

/// A line that cannot be used: what is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WrongLine {
    pub(super) line: u64,
    pub(super) text: String,
}

/// Where the two columns are.
struct Heading {
    places: [usize; 2],
    fields: usize,
    ignored: Vec<String>,
    line: u64,
}

/// Reads the pairs.
///
/// # Errors
/// Every wrong line; nothing of the file may be used then.
pub(super) fn read(bytes: &[u8]) -> Result<Pairs, Vec<WrongLine>> {
    let text = decoded(bytes).map_err(|wrong| vec![wrong])?;
    let (delimiter, heading) = heading_of(&text).map_err(|wrong| vec![wrong])?;
    let mut found = Found::default();
    for record in reader(&text, delimiter).records() {
        match record {
            Ok(record) => {
                let line = line_of(&record, &text);
                if line > heading.line {
                    found.add(&record, &heading, line);
                }
            }
            Err(error) => found.wrong.push(WrongLine { line: 0, text: error.to_string() }),
        }
    }
    if !found.wrong.is_empty() {
        return Err(found.wrong);
    }
    if found.pairs.is_empty() {
        let text = "the file has a heading and no pairs; write one pair on each line below it".to_owned();
        return Err(vec![WrongLine { line: heading.line, text }]);
    }
    let mut remarks: Vec<String> =
        heading.ignored.iter().map(|name| format!("the column {name:?} is not used")).collect();
    if found.repeated > 0 {
        remarks.push(format!("{} line(s) repeat a pair that stands above them", found.repeated));
    }
    Ok(Pairs { pairs: found.pairs, remarks })
}

/// UTF-8, with its mark or without, else Windows-1252; UTF-16 with its mark. Every line end a single LF.
fn decoded(bytes: &[u8]) -> Result<String, WrongLine> {
    let (text, has_errors) = match Encoding::for_bom(bytes) {
        Some((encoding, mark)) => encoding.decode_without_bom_handling(bytes.get(mark..).unwrap_or_default()),
        None => match std::str::from_utf8(bytes) {
            Ok(text) => (text.into(), false),
            Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes),
        },
    };
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    if has_errors {
        let line = 1 + text.split('\u{fffd}').next().map_or(0, |before| before.matches('\n').count() as u64);
        let text =
            "bytes that are no text in the encoding that the file declares; save it again as CSV UTF-8".to_owned();
        return Err(WrongLine { line, text });
    }
    Ok(text)
}

fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(text.as_bytes())
}

/// The line on which a record starts. The reader counts from the end of the one before it, blank lines included.
fn line_of(record: &csv::StringRecord, text: &str) -> u64 {
    let Some(at) = record.position() else { return 0 };
    let before = usize::try_from(at.byte()).ok().and_then(|byte| text.get(byte..)).unwrap_or_default();
    at.line() + before.bytes().take_while(|byte| *byte == b'\n').count() as u64
}

fn is_blank(record: &csv::StringRecord) -> bool {
    record.iter().all(|field| field.trim().is_empty())
}

/// The heading, and the delimiter that makes sense of it. A spreadsheet's own line `sep=;` may stand before it.
fn heading_of(text: &str) -> Result<(u8, Heading), WrongLine> {
    let is_mark = |record: &csv::StringRecord| record.get(0).is_some_and(|field| field.starts_with("sep="));
    for delimiter in DELIMITERS {
        let mut records = reader(text, delimiter).into_records().filter_map(Result::ok);
        let Some(record) = records.find(|record| !is_blank(record) && !is_mark(record)) else { continue };
        if let Some(heading) = heading(&record, line_of(&record, text)) {
            return Ok((delimiter, heading));
        }
    }
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let first: String = first.chars().take(100).collect();
    let line = 1 + text.lines().take_while(|line| line.trim().is_empty()).count() as u64;
    let text = format!(
        "the heading has to name the columns web_sku and till_code, each once, with a comma, a semicolon, a tab or a | \
         between them; here it is {first:?}"
    );
    Err(WrongLine { line, text })
}

fn heading(record: &csv::StringRecord, line: u64) -> Option<Heading> {
    let names: Vec<String> = record.iter().map(|name| name.trim().to_lowercase()).collect();
    let place = |wanted: &str| {
        let mut places = names.iter().enumerate().filter(|(_, name)| *name == wanted).map(|(place, _)| place);
        places.next().filter(|_| places.next().is_none())
    };
    let [web, till] = COLUMNS.map(place);
    let is_other = |name: &&str| !COLUMNS.contains(&name.trim().to_lowercase().as_str()) && !name.trim().is_empty();
    Some(Heading {
        places: [web?, till?],
        fields: names.len(),
        ignored: record.iter().filter(is_other).map(str::to_owned).collect(),
        line,
    })
}

/// What has been read so far.
#[derive(Default)]
struct Found {
    pairs: Vec<Listed>,
    /// The lines of names that are taken.
    webs: BTreeMap<Sku, (Sku, u64)>,
    tills: BTreeMap<Sku, (Sku, u64)>,
    repeated: u64,
    wrong: Vec<WrongLine>,
}

impl Found {
    fn add(&mut self, record: &csv::StringRecord, heading: &Heading, line: u64) {
        if is_blank(record) {
            return;
        }
        let pair = names_of(record, heading).and_then(|[web, till]| self.checked(web, till, line));
        match pair {
            Ok(Some(pair)) => self.pairs.push(pair),
            Ok(None) => self.repeated += 1,
            Err(text) => self.wrong.push(WrongLine { line, text }),
        }
    }

    /// The pair, unless it stands in the file already.
    fn checked(&mut self, web: Sku, till: Sku, line: u64) -> Result<Option<Listed>, String> {
        match (self.webs.get(&web), self.tills.get(&till)) {
            (Some((code, _)), _) if *code == till => return Ok(None),
            (Some((other, above)), _) => {
                let why = NotOneToOne::WebSkuTaken { web, other: other.clone() };
                return Err(format!("with {till}: {why}; see line {above}, and keep one of the two"));
            }
            (None, Some((other, above))) => {
                let why = NotOneToOne::TillCodeTaken { till, other: other.clone() };
                return Err(format!("{web}: {why}; see line {above}, and keep one of the two"));
            }
            (None, None) => {}
        }
        self.webs.insert(web.clone(), (till.clone(), line));
        self.tills.insert(till.clone(), (web.clone(), line));
        Ok(Some(Listed { web, till, line }))
    }
}

fn names_of(record: &csv::StringRecord, heading: &Heading) -> Result<[Sku; 2], String> {
    if record.iter().skip(heading.fields).any(|field| !field.trim().is_empty()) {
        return Err(format!(
            "it has {} fields, and the heading {}; put a value that contains the delimiter between quotation marks",
            record.len(),
            heading.fields
        ));
    }
    let [web, till] = heading.places;
    Ok([name_of(record, web, COLUMNS[0])?, name_of(record, till, COLUMNS[1])?])
}

fn name_of(record: &csv::StringRecord, place: usize, column: &str) -> Result<Sku, String> {
    let text = record.get(place).unwrap_or_default();
    let shown: String = text.chars().take(60).collect();
    if text.trim().is_empty() {
        return Err(format!("{column} is empty; write it, or take the line out"));
    }
    if text.trim() != text {
        return Err(format!("{column} {shown:?} has blanks around it; take them away"));
    }
    if is_shortened_number(text) {
        return Err(format!(
            "{column} {shown:?} is how a spreadsheet shortens a long number; format the column as text and enter the whole code"
        ));
    }
    Sku::new(text).map_err(|why| format!("{column} {shown:?} cannot be used: {why}; correct it"))
}

/// `5.01234E+12`: digits are lost.
fn is_shortened_number(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once("E+").or_else(|| text.split_once("e+")) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(exponent) && mantissa.split(['.', ',']).count() <= 2 && mantissa.split(['.', ',']).all(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(bytes: &[u8]) -> Vec<String> {
        let read = read(bytes).unwrap();
        read.pairs.iter().map(|pair| format!("{}={}@{}", pair.web, pair.till, pair.line)).collect()
    }

    fn wrong(text: &str) -> Vec<String> {
        read(text.as_bytes()).unwrap_err().iter().map(|wrong| format!("{}: {}", wrong.line, wrong.text)).collect()
    }

    #[test]
    fn columns_are_found_by_name_in_any_order_and_with_any_of_the_delimiters() {
        for text in [
            "web_sku,till_code\nA,0012\nB,2\n",
            "till_code;Web_SKU\r\n0012;A\r\n2;B\r\n",
            "web_sku\ttill_code\rA\t0012\rB\t2",
            "sep=|\n web_sku | till_code \nA|0012\nB|2\n",
            "\n\"till_code\",\"web_sku\"\n\"0012\",\"A\"\n\"2\",\"B\"\n",
        ] {
            let found: Vec<String> =
                pairs(text.as_bytes()).iter().map(|pair| pair.split('@').next().unwrap().into()).collect();
            assert_eq!(found, ["A=0012", "B=2"], "{text:?}");
        }
    }

    #[test]
    fn utf8_with_and_without_its_mark_utf16_and_windows_1252_are_read() {
        let text = "web_sku;till_code\nGRÜN;ü1\n";
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let windows = WINDOWS_1252.encode(text).0.into_owned();
        for bytes in
            [text.as_bytes().to_vec(), ["\u{feff}", text].concat().into(), [vec![0xff, 0xfe], utf16].concat(), windows]
        {
            assert_eq!(pairs(&bytes), ["GRÜN=ü1@2"]);
        }
        let broken = read(b"\xef\xbb\xbfweb_sku;till_code\nA;1\nB;\xff\n").unwrap_err();
        assert_eq!(broken[0].line, 3, "{broken:?}");
    }

    #[test]
    fn other_columns_and_repeated_pairs_are_remarked_and_blank_lines_are_nothing() {
        let read = read(b"name,web_sku,till_code\nTeapot,A,1\n,,\nTeapot,A,1\n\n").unwrap();
        assert_eq!(read.pairs.len(), 1);
        assert_eq!(read.remarks.len(), 2, "{:?}", read.remarks);
        assert!(
            read.remarks[0].contains("\"name\"") && read.remarks[1].contains("1 line(s) repeat"),
            "{:?}",
            read.remarks
        );
    }

    #[test]
    fn every_wrong_line_is_named_with_its_value_and_what_to_do() {
        let found = wrong("web_sku,till_code\nA,1\nB,\n,3\n C,4\nD,5.01234E+12\nA,6\nE,1\nF,7,8\nG,9\n\"H\nx\",10\n");
        for (line, words) in [
            ("3:", ["till_code is empty", "take the line out"]),
            ("4:", ["web_sku is empty", "write it"]),
            ("5:", ["\" C\"", "blanks around it"]),
            ("6:", ["5.01234E+12", "format the column as text"]),
            ("7:", ["A already has the till code 1", "see line 2"]),
            ("8:", ["till code 1 is already that of A", "see line 2"]),
            ("9:", ["3 fields", "quotation marks"]),
            ("11:", ["\"H\\nx\"", "control character"]),
        ] {
            let told = found.iter().find(|told| told.starts_with(line)).unwrap_or_else(|| panic!("{line} {found:?}"));
            assert!(words.iter().all(|word| told.contains(word)), "{told}");
        }
        assert_eq!(found.len(), 8, "{found:?}");
    }

    #[test]
    fn a_file_without_the_heading_or_without_pairs_says_what_is_missing() {
        for (text, line, words) in [
            ("", "1:", "web_sku and till_code"),
            ("A,1\nB,2\n", "1:", "here it is \"A,1\""),
            ("web_sku,web_sku,till_code\nA,B,1\n", "1:", "each once"),
            ("web_sku,till_code\n\n", "1:", "no pairs"),
            ("\nweb_sku,till_code\n\n\nA,\n", "5:", "till_code is empty"),
        ] {
            let found = wrong(text);
            assert!(found.len() == 1 && found[0].starts_with(line) && found[0].contains(words), "{found:?}");
        }
    }
}
