//! A first look over a whole export file: is it text at all, in which encoding, and where does it end?
//!
//! Promises: one pass at most, fixed memory. An encoding is detected only where the profile says `auto`, and a byte
//! order mark wins over everything. Where head and tail tell all that is asked, the middle is not read.

use std::io::{self, Read, Seek, SeekFrom};

use md5::{Digest, Md5};

use super::profile::{Encoding, Kind};
use super::text::Charset;
use crate::ports::{Rejection, hex};

/// Bytes looked at to tell what a file is.
const HEAD: usize = 4096;
/// Bytes read at once.
const PIECE: usize = 64 * 1024;
/// DOS closes text files with this.
const DOS_END: u8 = 0x1a;

/// First bytes of files that are no tables, with what they are.
const STRANGERS: [(&[u8], &str); 11] = [
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Office file"),
    (b"%PDF", "a PDF"),
    (b"{\\rtf", "a text processor's file"),
    (b"\x1f\x8b", "a compressed file"),
    (b"7z\xbc\xaf", "a compressed archive"),
    (b"Rar!", "a compressed archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"MZ\x90", "a program"),
    (b"SQLite format 3", "a database"),
];
/// First letters of marked-up text.
const MARKUP: [(&str, &str); 4] =
    [("<html", "a web page"), ("<!doctype", "a web page"), ("<?xml", "XML"), ("<table", "a web page")];

/// How XML starts that is no web page. (A document type is refused later, with its line.)
const XML_STARTS: [char; 2] = ['?', '!'];

/// What the first look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FirstLook {
    /// How to read the text.
    pub(super) charset: Charset,
    /// Where the text starts, after the byte order mark.
    pub(super) start: u64,
    /// Where it ends, without DOS's end mark.
    pub(super) end: u64,
    /// MD5 of all bytes, in hex, where it is asked for.
    pub(super) md5: Option<String>,
}

/// Why the first look went no further.
#[derive(Debug)]
pub(super) enum NoText {
    Io(io::Error),
    Rejected(Rejection),
}

impl From<io::Error> for NoText {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Looks over the file, and leaves it at its start.
pub(super) fn first_look(
    file: &mut (impl Read + Seek),
    wanted: Encoding,
    kind: Kind,
    md5: bool,
) -> Result<FirstLook, NoText> {
    let seen = scan(file, md5 || wanted == Encoding::Auto, md5)?;
    if seen.is_blank {
        let text = if seen.length == 0 { "the file is empty" } else { "the file has nothing but blanks" };
        return Err(rejected("empty", format!("{text}; let the till write the export again")));
    }
    if let Some(what) = stranger(&seen.head, kind) {
        let wanted = match kind {
            Kind::Csv | Kind::Fixed => "not a table of text; export as CSV, or correct kind in the profile",
            Kind::Xml => "not XML; correct kind in the profile",
        };
        return Err(rejected("wrong_file_type", format!("this is {what}, {wanted}")));
    }
    let (charset, start) = seen.charset(wanted, kind);
    if charset == Charset::Unknown {
        let text =
            "the XML declares an encoding that is not known; set encoding in the profile to what the till writes";
        return Err(rejected("invalid_encoding", text.to_owned()));
    }
    let end = seen.end_mark.filter(|_| !is_utf16(charset)).unwrap_or(seen.length);
    let md5 = seen.md5.map(|hash| hex(&hash.finalize()));
    Ok(FirstLook { charset, start, end: end.max(start), md5 })
}

/// Reads head and tail, or all, and goes back to the start.
fn scan(file: &mut (impl Read + Seek), needs_all: bool, md5: bool) -> io::Result<Seen> {
    let mut seen = Seen { md5: md5.then(Md5::new), ..Seen::default() };
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            break;
        }
        seen.take_in(&piece[..read]);
        if !needs_all && !seen.is_blank && seen.length + (PIECE as u64) < length {
            seen.skip_to(length - PIECE as u64);
            file.seek(SeekFrom::Start(seen.length))?;
        }
    }
    file.seek(SeekFrom::Start(0))?;
    // Where the whole tail is end marks, only the middle tells where they begin.
    let begins_before = seen.end_mark.is_some_and(|mark| mark + PIECE as u64 == length);
    if begins_before && !needs_all { scan(file, true, md5) } else { Ok(seen) }
}

fn rejected(reason: &str, text: String) -> NoText {
    NoText::Rejected(Rejection { reason: reason.to_owned(), line: None, text })
}

fn stranger(head: &[u8], kind: Kind) -> Option<&'static str> {
    if let Some((_, what)) = STRANGERS.iter().find(|(start, _)| head.starts_with(start)) {
        return Some(what);
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let starts = |mark: &str| text.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark.as_bytes()));
    let is_utf16 = head.starts_with(b"\xff\xfe")
        || head.starts_with(b"\xfe\xff")
        || head.get(..2).is_some_and(|pair| pair.contains(&0));
    let mut markup = MARKUP.iter().filter(|(mark, _)| starts(mark));
    match kind {
        Kind::Csv | Kind::Fixed => markup.next().map(|(_, what)| *what),
        Kind::Xml if text.first() == Some(&b'<') || is_utf16 => {
            markup.find(|(mark, _)| !mark[1..].starts_with(XML_STARTS)).map(|(_, what)| *what)
        }
        Kind::Xml => Some("plain text"),
    }
}

/// The name of the encoding in an XML declaration.
fn declared_in_xml(head: &[u8]) -> Option<String> {
    let end = head.windows(2).position(|pair| pair == b"?>")?;
    let declaration = std::str::from_utf8(&head[..end]).ok()?.strip_prefix("<?xml")?;
    let value = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    value[1..].split(quote).next().map(str::to_lowercase)
}

fn charset_named(name: &str) -> Option<Charset> {
    match name.trim() {
        "iso-8859-1" => Some(Charset::Latin1),
        "cp850" | "ibm850" | "850" => Some(Charset::Dos(&oem_cp::code_table::DECODING_TABLE_CP850)),
        "cp437" | "ibm437" | "437" => Some(Charset::Dos(&oem_cp::code_table::DECODING_TABLE_CP437)),
        name => encoding_rs::Encoding::for_label(name.as_bytes()).map(Charset::Known),
    }
}

fn is_utf16(charset: Charset) -> bool {
    charset == Charset::Known(encoding_rs::UTF_16LE) || charset == Charset::Known(encoding_rs::UTF_16BE)
}

struct Seen {
    head: Vec<u8>,
    length: u64,
    /// The first of DOS's end marks after all text; line ends may stand between them.
    end_mark: Option<u64>,
    is_blank: bool,
    /// As far as it was seen, valid UTF-8; the bytes of a character that the next piece may complete.
    utf8: Option<Vec<u8>>,
    /// Was there a character of several bytes, as only UTF-8 has them?
    has_long_character: bool,
    md5: Option<Md5>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            head: Vec::new(),
            length: 0,
            end_mark: None,
            is_blank: true,
            utf8: Some(Vec::new()),
            has_long_character: false,
            md5: None,
        }
    }
}

impl Seen {
    fn take_in(&mut self, piece: &[u8]) {
        let missing = HEAD.saturating_sub(self.head.len()).min(piece.len());
        self.head.extend_from_slice(&piece[..missing]);
        if self.is_blank {
            let is_blank = |byte: &u8| {
                byte.is_ascii_whitespace() || matches!(*byte, 0 | DOS_END | 0xef | 0xbb | 0xbf | 0xfe | 0xff)
            };
            self.is_blank = piece.iter().all(is_blank);
        }
        self.find_end_mark(piece);
        self.length += piece.len() as u64;
        if let Some(open) = self.utf8.take() {
            let (valid, rest) = continued(open, piece);
            self.has_long_character |= valid;
            self.utf8 = rest;
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(piece);
        }
    }

    fn find_end_mark(&mut self, piece: &[u8]) {
        let is_text = |byte: &u8| !matches!(*byte, DOS_END | b'\r' | b'\n');
        let behind_text = piece.iter().rposition(is_text).map(|last| last + 1);
        if behind_text.is_some() {
            self.end_mark = None;
        }
        let from = behind_text.unwrap_or(0);
        let mark = piece[from..].iter().position(|&byte| byte == DOS_END).map(|at| self.length + (from + at) as u64);
        self.end_mark = self.end_mark.or(mark);
    }

    /// Goes on at this place; what lies between matters to no question asked.
    fn skip_to(&mut self, at: u64) {
        self.length = at;
    }

    fn charset(&self, wanted: Encoding, kind: Kind) -> (Charset, u64) {
        if let Some((encoding, length)) = encoding_rs::Encoding::for_bom(&self.head) {
            return (Charset::Known(encoding), length as u64);
        }
        let charset = match wanted {
            Encoding::Auto if kind == Kind::Xml => match declared_in_xml(&self.head) {
                Some(name) => charset_named(&name).unwrap_or(Charset::Unknown),
                None => self.detected(),
            },
            Encoding::Auto => self.detected(),
            Encoding::Utf8 => Charset::Known(encoding_rs::UTF_8),
            Encoding::Utf16Le => Charset::Known(encoding_rs::UTF_16LE),
            Encoding::Utf16Be => Charset::Known(encoding_rs::UTF_16BE),
            Encoding::Windows1252 => Charset::Known(encoding_rs::WINDOWS_1252),
            Encoding::Iso88591 => Charset::Latin1,
            Encoding::Cp850 => Charset::Dos(&oem_cp::code_table::DECODING_TABLE_CP850),
            Encoding::Cp437 => Charset::Dos(&oem_cp::code_table::DECODING_TABLE_CP437),
        };
        (charset, 0)
    }

    fn detected(&self) -> Charset {
        let zeros = |parity: usize| self.head.iter().skip(parity).step_by(2).filter(|&&byte| byte == 0).count();
        let (even, odd, pairs) = (zeros(0), zeros(1), self.head.len() / 2);
        // Digits and Latin letters make nearly every other byte of UTF-16 a zero.
        if even == 0 && odd * 2 > pairs {
            return Charset::Known(encoding_rs::UTF_16LE);
        }
        if odd == 0 && even * 2 > pairs {
            return Charset::Known(encoding_rs::UTF_16BE);
        }
        match &self.utf8 {
            Some(open) if open.is_empty() => Charset::Known(encoding_rs::UTF_8),
            // It was UTF-8 so far: broken off or damaged, and to be refused with the line rather than read as another.
            Some(_) | None if self.has_long_character => Charset::Known(encoding_rs::UTF_8),
            Some(_) | None => Charset::Known(encoding_rs::WINDOWS_1252),
        }
    }
}

/// Goes on checking UTF-8 with this piece. Was there a whole character of several bytes? And if all is still valid: the
/// bytes of a character that is still open.
fn continued(mut open: Vec<u8>, mut piece: &[u8]) -> (bool, Option<Vec<u8>>) {
    let mut has_long = false;
    while !open.is_empty() && !piece.is_empty() {
        open.push(piece[0]);
        piece = &piece[1..];
        match std::str::from_utf8(&open) {
            Ok(_) => {
                has_long = true;
                open.clear();
            }
            Err(error) if error.error_len().is_some() => return (has_long, None),
            Err(_) => {}
        }
    }
    if piece.is_empty() {
        return (has_long, Some(open));
    }
    let valid = encoding_rs::Encoding::utf8_valid_up_to(piece);
    has_long |= !piece[..valid].is_ascii();
    let rest = &piece[valid..];
    match std::str::from_utf8(rest) {
        Err(error) if error.error_len().is_some() => (has_long, None),
        Ok(_) | Err(_) => (has_long, Some(rest.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn look(bytes: &[u8]) -> FirstLook {
        first_look(&mut Cursor::new(bytes), Encoding::Auto, Kind::Csv, false).unwrap()
    }

    fn reason(bytes: &[u8]) -> String {
        match first_look(&mut Cursor::new(bytes), Encoding::Auto, Kind::Csv, false) {
            Err(NoText::Rejected(rejection)) => rejection.reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn encodings_are_found_out() {
        assert_eq!(look(b"SKU,Qty").charset, Charset::Known(encoding_rs::UTF_8));
        assert_eq!(look("Zoë,1".as_bytes()).charset, Charset::Known(encoding_rs::UTF_8));
        assert_eq!(look(b"Zo\xeb,1").charset, Charset::Known(encoding_rs::WINDOWS_1252));
        assert_eq!(look(b"S\0K\0U\0").charset, Charset::Known(encoding_rs::UTF_16LE));
        assert_eq!(look(b"\0S\0K\0U").charset, Charset::Known(encoding_rs::UTF_16BE));
        let marked = look(b"\xef\xbb\xbfSKU");
        assert_eq!((marked.charset, marked.start), (Charset::Known(encoding_rs::UTF_8), 3));
        assert_eq!(look(b"\xff\xfeS\0").charset, Charset::Known(encoding_rs::UTF_16LE));
    }

    #[test]
    fn a_character_on_the_border_of_two_pieces_is_still_utf8() {
        let mut text = vec![b'x'; PIECE - 1];
        text.extend_from_slice("ëë".as_bytes());
        assert_eq!(look(&text).charset, Charset::Known(encoding_rs::UTF_8));
        text.push(0xeb);
        assert_eq!(look(&text).charset, Charset::Known(encoding_rs::UTF_8), "damaged UTF-8, to be refused as such");
    }

    #[test]
    fn what_is_no_table_is_refused() {
        assert_eq!(reason(b""), "empty");
        assert_eq!(reason(b"\r\n  \r\n"), "empty");
        assert_eq!(reason(b"\xef\xbb\xbf"), "empty");
        for bytes in [&b"PK\x03\x04rest"[..], b"%PDF-1.4", b"\xd0\xcf\x11\xe0", b"\r\n<HTML>", b"<?xml version"] {
            assert_eq!(reason(bytes), "wrong_file_type");
        }
    }

    #[test]
    fn the_end_mark_of_dos_is_no_text() {
        assert_eq!(look(b"a,1\r\n\x1a\x1a").end, 5);
        assert_eq!(look(b"a\x1a,1").end, 4);
    }
}
