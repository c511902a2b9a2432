//! From the bytes of the samples to text, and in which encoding that was.
//!
//! Promises: an encoding is named only when bytes beyond ASCII are there and one reading alone makes letters of them;
//! otherwise `auto` stays, or a person is asked. Lines are physical ones, ended by CRLF, LF or CR.

use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use oem_cp::code_table::{DECODING_TABLE_CP437, DECODING_TABLE_CP850};

use super::Sample;
use super::book::{Book, Choice, Confidence, some};

/// Bytes in which words with foreign letters are looked for.
const LOOKED_AT: usize = 64 * 1024;
/// Most words that are weighed.
const WORDS: usize = 200;
/// What the reader tells by itself, when this is all ASCII.
const AUTO: &str = "auto";

/// The text of a sample.
#[derive(Debug, Clone, Default)]
pub(super) struct Text {
    /// The file's name.
    pub(super) name: String,
    /// The lines of its head, without line ends; the last one only if it is whole.
    pub(super) head: Vec<String>,
    /// The whole lines of its tail.
    pub(super) tail: Vec<String>,
    /// Is all of the file in `head`?
    pub(super) is_whole: bool,
    /// Does the file end with a line end?
    pub(super) ends_with_line_end: bool,
}

/// How bytes may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Known(&'static encoding_rs::Encoding),
    Dos(&'static [char; 128]),
}

/// Reads the samples as text.
pub(super) fn decode(samples: &[&Sample<'_>], book: &mut Book<'_>) -> Result<Vec<Text>, String> {
    if let Some(sample) = samples.iter().find(|sample| looks_binary(sample.head)) {
        return Err(format!("{} is no text: export as CSV, fixed width or XML", sample.name));
    }
    let reading = decide(samples, book);
    Ok(samples.iter().map(|sample| text(sample, reading)).collect())
}

fn looks_binary(head: &[u8]) -> bool {
    const STARTS: [&[u8]; 8] =
        [b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF", b"{\\rtf", b"\x1f\x8b", b"7z\xbc\xaf", b"\x89PNG", b"SQLite"];
    let is_marked = STARTS.iter().any(|start| head.starts_with(start));
    let piece = &head[..head.len().min(4096)];
    let zeros = piece.iter().filter(|byte| **byte == 0).count();
    is_marked || (zeros > 0 && utf16(head).is_none())
}

fn utf16(head: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let piece = &head[..head.len().min(4096)];
    let zeros = |parity: usize| piece.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, pairs) = (zeros(0), zeros(1), piece.len() / 2);
    match encoding_rs::Encoding::for_bom(head) {
        Some((bom, _)) if bom != UTF_8 => Some(bom),
        _ if even == 0 && odd * 2 > pairs => Some(UTF_16LE),
        _ if odd == 0 && even * 2 > pairs => Some(UTF_16BE),
        _ => None,
    }
}

fn decide(samples: &[&Sample<'_>], book: &mut Book<'_>) -> Reading {
    if let Some(encoding) = samples.iter().find_map(|sample| utf16(sample.head)) {
        let word = if encoding == UTF_16LE { "utf-16le" } else { "utf-16be" };
        book.settle("encoding", word, Confidence::Proved, "its byte order mark, or every other byte being zero");
        return Reading::Known(encoding);
    }
    let marked = samples.iter().any(|sample| sample.head.starts_with(b"\xef\xbb\xbf"));
    let pieces = || samples.iter().flat_map(|sample| [sample.head, sample.tail]);
    if pieces().all(<[u8]>::is_ascii) {
        let why = "the samples have no letter beyond ASCII, so every encoding reads them alike; \
                   auto takes UTF-8 where the bytes are UTF-8, else Windows-1252";
        book.settle("encoding", AUTO, Confidence::Assumed, why);
    } else if pieces().all(is_utf8) {
        let why =
            if marked { "the file says so by its byte order mark" } else { "letters beyond ASCII, all valid UTF-8" };
        book.settle("encoding", "utf-8", Confidence::Proved, why);
    } else {
        return one_byte(samples, book);
    }
    Reading::Known(UTF_8)
}

/// Valid UTF-8, but for a character cut at either end of the piece?
fn is_utf8(piece: &[u8]) -> bool {
    let start = piece.iter().take(3).take_while(|byte| (0x80..0xc0).contains(*byte)).count();
    match std::str::from_utf8(&piece[start..]) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    }
}

/// The word of the profile, what it is called, and how it reads.
type Candidate = (&'static str, &'static str, Reading);

const CANDIDATES: [Candidate; 3] = [
    ("windows-1252", "Western European Windows", Reading::Known(WINDOWS_1252)),
    ("cp850", "Western European DOS", Reading::Dos(&DECODING_TABLE_CP850)),
    ("cp437", "US DOS", Reading::Dos(&DECODING_TABLE_CP437)),
];

fn one_byte(samples: &[&Sample<'_>], book: &mut Book<'_>) -> Reading {
    let words: Vec<&[u8]> = samples.iter().flat_map(|sample| foreign_words(sample.head)).take(WORDS).collect();
    let shown = |reading: Reading| {
        some(words.iter().map(|word| reading.read(word)).collect::<Vec<_>>().iter().map(String::as_str))
    };
    let fitting: Vec<Candidate> =
        CANDIDATES.into_iter().filter(|(.., reading)| words.iter().all(|word| reading.makes_sense(word))).collect();
    let told = book.answer("encoding").and_then(|word| word.as_str().map(str::to_owned));
    let is_alike = |first: Reading, other: Reading| words.iter().all(|word| first.read(word) == other.read(word));
    match fitting.as_slice() {
        [(word, _, reading), rest @ ..]
            if rest.iter().all(|(.., other)| is_alike(*reading, *other)) && !words.is_empty() =>
        {
            let why = format!("bytes beyond ASCII make words only in this reading: {}", shown(*reading));
            book.settle("encoding", *word, Confidence::Sure, why);
            *reading
        }
        _ => {
            let choices = CANDIDATES
                .iter()
                .map(|(word, name, reading)| Choice::new(*word, format!("{name}: {}", shown(*reading))));
            let why = "bytes beyond ASCII, and it is not clear in which encoding they make sense";
            book.doubt("encoding", why, "How are these words spelt rightly?", choices.collect());
            let told = CANDIDATES.into_iter().find(|(word, ..)| told.as_deref() == Some(word));
            told.map_or(Reading::Known(WINDOWS_1252), |(.., reading)| reading)
        }
    }
}

/// Runs of letters and bytes beyond ASCII, with at least one of the latter.
fn foreign_words(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let piece = &head[..head.len().min(LOOKED_AT)];
    let is_inside = |byte: &u8| byte.is_ascii_alphabetic() || !byte.is_ascii();
    piece.split(move |byte| !is_inside(byte)).filter(|word| !word.is_ascii())
}

impl Reading {
    fn read(self, bytes: &[u8]) -> String {
        match self {
            Self::Known(encoding) => encoding.decode_with_bom_removal(bytes).0.into_owned(),
            Self::Dos(table) => bytes
                .iter()
                .map(|byte| match byte.checked_sub(128) {
                    Some(at) => table.get(usize::from(at)).copied().unwrap_or('\u{fffd}'),
                    None => char::from(*byte),
                })
                .collect(),
        }
    }

    /// Are the characters letters, small ones inside small ones, or signs as they stand alone?
    fn makes_sense(self, word: &[u8]) -> bool {
        let text: Vec<char> = self.read(word).chars().collect();
        if text.iter().all(|c| !c.is_alphabetic()) {
            return text.iter().all(|c| "£€°½¼¾²³©®™•–—…´’“”×\u{a0}".contains(*c));
        }
        // "TeapÜt" is no word: a capital stands first, or all are capitals.
        let is_small = |c: &char| c.is_lowercase();
        let mixed = text.windows(2).any(|pair| is_small(&pair[0]) && pair[1].is_uppercase() && !pair[1].is_ascii());
        let odd = text.iter().any(|c| !c.is_alphabetic() && !"°²³©®™’\u{a0}–".contains(*c));
        !mixed && !odd && !text.iter().any(|c| "ªºƒµßþðÿ".contains(*c) && text.len() == 1)
    }
}

fn text(sample: &Sample<'_>, reading: Reading) -> Text {
    // DOS closes text files with this.
    let trimmed = |bytes: &'_ [u8]| bytes.iter().rposition(|byte| *byte != 0x1a).map_or(0, |at| at + 1);
    let is_whole = sample.is_whole();
    let head = if is_whole { &sample.head[..trimmed(sample.head)] } else { sample.head };
    // Two bytes make a character in UTF-16, and the tail may begin between them.
    let is_split = sample.length.saturating_sub(sample.tail.len() as u64) % 2 == 1;
    let tail = &sample.tail[usize::from(is_split && !sample.tail.is_empty())..];
    let (head, tail) = (reading.read(head), reading.read(&tail[..trimmed(tail)]));
    let ends_with_line_end = if is_whole { &head } else { &tail }.ends_with(['\n', '\r']);
    let (mut head, mut tail) = (lines(&head), lines(&tail));
    if !is_whole {
        // The last line is cut. One that is the only line (XML may have no line ends) is all there is to look at.
        if head.len() > 1 {
            head.pop();
        }
        tail.drain(..1.min(tail.len()));
    }
    Text { name: sample.name.to_owned(), head, tail, is_whole, ends_with_line_end }
}

fn lines(text: &str) -> Vec<String> {
    let mut all: Vec<String> = text.replace("\r\n", "\n").split(['\n', '\r']).map(str::to_owned).collect();
    if all.last().is_some_and(String::is_empty) {
        all.pop();
    }
    all
}
