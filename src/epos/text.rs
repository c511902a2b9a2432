//! A file's bytes as clean text: UTF-8, no byte order mark, every line end a single LF.
//!
//! Promises: memory does not grow with the file, nor with a record: one that is longer than [`LONGEST_RECORD`] is a
//! fault. Bytes that are invalid in the encoding and NUL characters are faults with their line; nothing is replaced.
//! Line ends are made one because the CSV reader counts only LF, and tills end lines in all three ways.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding};

use super::comments::Comments;
use super::quotes::QuoteTracker;

/// Bytes read at once.
const PIECE: usize = 16 * 1024;
/// Longest record believed, in bytes. Beyond it a quotation mark was never closed, or it is no table.
pub(super) const LONGEST_RECORD: u64 = 1024 * 1024;

/// Bytes of the skipped lines that are kept: an export's time may stand there.
const KEPT_OF_SKIPPED: usize = 4096;

/// How the bytes are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    /// One that the library knows.
    Known(&'static Encoding),
    /// ISO-8859-1 proper: each byte is the character of that number. (The library takes it for Windows-1252.)
    Latin1,
    /// A DOS code page: the characters of the bytes from 128 on.
    Dos(&'static [char; 128]),
    /// Declared under a name that nobody knows: never read.
    Unknown,
}

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextFault {
    InvalidEncoding { line: u64 },
    Nul { line: u64 },
    RecordTooLong { in_quotes: bool },
}

impl fmt::Display for TextFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidEncoding { line } => write!(f, "line {line} has bytes that are invalid in the encoding"),
            Self::Nul { line } => write!(f, "line {line} has a NUL character"),
            Self::RecordTooLong { .. } => write!(f, "a record is longer than {LONGEST_RECORD} bytes"),
        }
    }
}

impl std::error::Error for TextFault {}

/// The clean text of a file, read as a stream.
pub(super) struct CleanText<R> {
    source: R,
    charset: Charset,
    decoder: Option<Decoder>,
    raw: Vec<u8>,
    decoded: Vec<u8>,
    clean: Vec<u8>,
    given: usize,
    at_end: bool,
    after_cr: bool,
    ends_with_line_end: bool,
    /// Lines that have ended so far, skipped ones included.
    lines: u64,
    to_skip: u64,
    /// Bytes of clean text made so far, skipped lines not counted.
    made: u64,
    record_start: u64,
    quotes: Option<QuoteTracker>,
    comments: Option<Comments>,
    line_ends: Option<LineEnds>,
    /// The lines that were skipped at the top, as far as they are kept.
    skipped: Vec<u8>,
}

/// Where lines end in the part of the text that is being read.
#[derive(Debug, Default)]
struct LineEnds {
    passed: u64,
    ahead: VecDeque<u64>,
}

impl<R: Read> CleanText<R> {
    /// Reads `source`, which starts after the byte order mark, without its first `to_skip` lines.
    pub(super) fn new(source: R, charset: Charset, to_skip: u64, quotes: Option<QuoteTracker>) -> Self {
        let decoder = match charset {
            Charset::Known(encoding) => Some(encoding.new_decoder_without_bom_handling()),
            Charset::Latin1 | Charset::Dos(_) | Charset::Unknown => None,
        };
        Self {
            source,
            charset,
            decoder,
            raw: vec![0; PIECE],
            // Three bytes for each byte, and a few for what the decoder may still hold, is the most UTF-8 can need.
            decoded: vec![0; 3 * PIECE + 16],
            clean: Vec::new(),
            given: 0,
            at_end: false,
            after_cr: false,
            ends_with_line_end: true,
            lines: 0,
            to_skip,
            made: 0,
            record_start: 0,
            quotes,
            comments: None,
            line_ends: None,
            skipped: Vec::new(),
        }
    }

    /// Takes lines that start with this prefix for comments.
    pub(super) fn with_comments(mut self, prefix: Option<&str>) -> Self {
        self.comments = prefix.map(Comments::new);
        self
    }

    /// Keeps where lines end, so that [`CleanText::line_at`] can tell.
    pub(super) fn with_lines(mut self) -> Self {
        self.line_ends = Some(LineEnds::default());
        self
    }

    /// The physical line of this offset. To be asked in order.
    pub(super) fn line_at(&mut self, offset: u64) -> u64 {
        let Some(ends) = &mut self.line_ends else { return 0 };
        while ends.ahead.front().is_some_and(|end| *end < offset) {
            ends.ahead.pop_front();
            ends.passed += 1;
        }
        ends.passed + 1
    }

    /// The lines that were skipped at the top, once the text has been begun.
    pub(super) fn skipped(&self) -> &str {
        let valid = encoding_rs::Encoding::utf8_valid_up_to(&self.skipped);
        std::str::from_utf8(&self.skipped[..valid]).unwrap_or_default()
    }

    /// Fields that were quoted in the record that ends at this offset, where the tracker was told to note them.
    pub(super) fn quoted_fields_before(&mut self, end: u64, to: &mut Vec<u32>) {
        if let Some(quotes) = &mut self.quotes {
            quotes.quoted_fields_before(end, to);
        }
    }

    /// The record that is read next starts at this offset of the clean text.
    pub(super) fn record_starts_at(&mut self, offset: u64) {
        self.record_start = offset;
    }

    /// Is a quotation mark broken in the record that ends at this offset?
    pub(super) fn is_quoting_broken_before(&mut self, end: u64) -> bool {
        self.quotes.as_mut().is_some_and(|quotes| quotes.is_broken_before(end))
    }

    /// Does the text end inside quotes? To be asked at the end.
    pub(super) fn is_quote_open(&self) -> bool {
        self.quotes.as_ref().is_some_and(QuoteTracker::is_open)
    }

    /// Does the text end with a line end? To be asked at the end.
    pub(super) fn ends_with_line_end(&self) -> bool {
        self.ends_with_line_end
    }

    /// Has all of it been read?
    pub(super) fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// Bytes of clean text made so far.
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    fn refill(&mut self) -> io::Result<()> {
        self.clean.clear();
        self.given = 0;
        while self.clean.is_empty() && !self.at_end {
            let read = self.read_piece()?;
            self.at_end = read == 0;
            self.decode(read)?;
            self.skip_lines();
        }
        match (&mut self.quotes, &mut self.comments) {
            (Some(quotes), Some(comments)) => comments.feed(&mut self.clean, quotes),
            (Some(quotes), None) => quotes.feed(&self.clean),
            (None, _) => {}
        }
        if let Some(ends) = &mut self.line_ends {
            ends.ahead.extend(memchr::memchr_iter(b'\n', &self.clean).map(|at| self.made + at as u64));
        }
        self.made += self.clean.len() as u64;
        if self.made.saturating_sub(self.record_start) > LONGEST_RECORD + 4 * PIECE as u64 {
            return Err(io::Error::other(TextFault::RecordTooLong { in_quotes: self.is_quote_open() }));
        }
        Ok(())
    }

    fn read_piece(&mut self) -> io::Result<usize> {
        loop {
            match self.source.read(&mut self.raw) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Decodes the piece that was read; an empty one ends the text.
    fn decode(&mut self, read: usize) -> io::Result<()> {
        let is_windows = self.charset == Charset::Known(encoding_rs::WINDOWS_1252);
        if let Some(at) = not_in_windows_1252(&self.raw[..read]).filter(|_| is_windows) {
            // What stands before it tells the line.
            self.decode_valid(at)?;
            return Err(io::Error::other(TextFault::InvalidEncoding { line: self.lines + 1 }));
        }
        self.decode_valid(read)
    }

    fn decode_valid(&mut self, read: usize) -> io::Result<()> {
        let mut from = 0;
        loop {
            let Some(decoder) = &mut self.decoder else {
                let written = match self.charset {
                    Charset::Dos(table) => decode_dos(&self.raw[..read], table, &mut self.decoded),
                    Charset::Known(_) | Charset::Latin1 | Charset::Unknown => {
                        encoding_rs::mem::convert_latin1_to_utf8(&self.raw[..read], &mut self.decoded)
                    }
                };
                return self.clean_up(written);
            };
            let (result, consumed, written) =
                decoder.decode_to_utf8_without_replacement(&self.raw[from..read], &mut self.decoded, self.at_end);
            from += consumed;
            self.clean_up(written)?;
            match result {
                DecoderResult::InputEmpty => return Ok(()),
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    return Err(io::Error::other(TextFault::InvalidEncoding { line: self.lines + 1 }));
                }
            }
        }
    }

    /// Appends so many decoded bytes to the clean text, with line ends made one.
    fn clean_up(&mut self, written: usize) -> io::Result<()> {
        let mut piece = &self.decoded[..written];
        if piece.is_empty() {
            return Ok(());
        }
        if self.after_cr && piece[0] == b'\n' {
            piece = &piece[1..];
        }
        let start = self.clean.len();
        self.after_cr = self.decoded[written - 1] == b'\r';
        while let Some(at) = memchr::memchr(b'\r', piece) {
            self.clean.extend_from_slice(&piece[..at]);
            self.clean.push(b'\n');
            let rest = &piece[at + 1..];
            piece = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        self.clean.extend_from_slice(piece);
        self.count_lines(start)
    }

    fn count_lines(&mut self, start: usize) -> io::Result<()> {
        let added = &self.clean[start..];
        let ended = |bytes: &[u8]| memchr::memchr_iter(b'\n', bytes).count() as u64;
        if let Some(at) = memchr::memchr(0, added) {
            let line = self.lines + ended(&added[..at]) + 1;
            return Err(io::Error::other(TextFault::Nul { line }));
        }
        self.lines += ended(added);
        if let Some(last) = added.last() {
            self.ends_with_line_end = *last == b'\n';
        }
        Ok(())
    }

    fn skip_lines(&mut self) {
        while self.to_skip > 0 && !self.clean.is_empty() {
            let end = memchr::memchr(b'\n', &self.clean);
            let gone = end.map_or(self.clean.len(), |at| at + 1);
            let kept = gone.min(KEPT_OF_SKIPPED.saturating_sub(self.skipped.len()));
            self.skipped.extend_from_slice(&self.clean[..kept]);
            self.clean.drain(..gone);
            self.to_skip -= u64::from(end.is_some());
        }
    }
}

/// The first byte that Windows-1252 does not use. (The library, made for the web, takes them for control characters.)
fn not_in_windows_1252(bytes: &[u8]) -> Option<usize> {
    let first = memchr::memchr3(0x81, 0x8d, 0x8f, bytes);
    memchr::memchr2(0x90, 0x9d, &bytes[..first.unwrap_or(bytes.len())]).or(first)
}

/// Decodes a DOS code page; `to` has room for three bytes each, which all their characters need at most.
fn decode_dos(bytes: &[u8], table: &[char; 128], to: &mut [u8]) -> usize {
    let mut written = 0;
    for &byte in bytes {
        let c = byte.checked_sub(128).and_then(|high| table.get(usize::from(high))).copied();
        written += c.unwrap_or(char::from(byte)).encode_utf8(&mut to[written..]).len();
    }
    written
}

impl<R: Read> Read for CleanText<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.given == self.clean.len() && !self.at_end {
            self.refill()?;
        }
        let rest = &self.clean[self.given..];
        let length = rest.len().min(to.len());
        to[..length].copy_from_slice(&rest[..length]);
        self.given += length;
        Ok(length)
    }
}

impl<R> fmt::Debug for CleanText<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CleanText").field("charset", &self.charset).field("lines", &self.lines).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in pieces of one size.
    struct Pieces<'b>(&'b [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(self.0.len()).min(to.len());
            to[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    fn clean(bytes: &[u8], charset: Charset, to_skip: u64) -> Result<String, TextFault> {
        let read = |size| {
            let mut text = String::new();
            let read = CleanText::new(Pieces(bytes, size), charset, to_skip, None).read_to_string(&mut text);
            read.map(|_| text).map_err(|error| *error.get_ref().unwrap().downcast_ref::<TextFault>().unwrap())
        };
        let whole = read(usize::MAX);
        for size in 1..bytes.len().min(9) {
            assert_eq!(read(size), whole, "in pieces of {size}");
        }
        whole
    }

    const UTF8: Charset = Charset::Known(encoding_rs::UTF_8);

    #[test]
    fn every_line_end_becomes_one() {
        assert_eq!(clean(b"a\r\nb\rc\nd\r\r\n\n", UTF8, 0).unwrap(), "a\nb\nc\nd\n\n\n");
        assert_eq!(clean(b"a\r\nb\rc\nd", UTF8, 2).unwrap(), "c\nd");
        assert_eq!(clean(b"a", UTF8, 1).unwrap(), "");
    }

    #[test]
    fn encodings_are_decoded_and_never_patched() {
        let windows = Charset::Known(encoding_rs::WINDOWS_1252);
        assert_eq!(clean(b"Zo\xeb\x80", windows, 0).unwrap(), "Zoë€");
        assert_eq!(clean(b"Zo\xeb\x80", Charset::Latin1, 0).unwrap(), "Zoë\u{80}");
        let little = Charset::Known(encoding_rs::UTF_16LE);
        assert_eq!(clean(b"a\0\r\0\n\0\xeb\0", little, 0).unwrap(), "a\në");
        assert_eq!(clean(b"a\nZo\xeb\n", UTF8, 0), Err(TextFault::InvalidEncoding { line: 2 }));
        assert_eq!(clean(b"a\nZo\xc3", UTF8, 0), Err(TextFault::InvalidEncoding { line: 2 }));
        assert_eq!(clean(b"a\rb\r\nc\x81", windows, 0), Err(TextFault::InvalidEncoding { line: 3 }));
        assert_eq!(clean(b"a\n\nb\0", UTF8, 0), Err(TextFault::Nul { line: 3 }));
    }

    #[test]
    fn an_endless_record_is_a_fault_and_not_a_memory_hog() {
        let mut text = CleanText::new(io::repeat(b'x'), UTF8, 0, None);
        let copied = io::copy(&mut text, &mut io::sink()).unwrap_err();
        assert_eq!(copied.get_ref().unwrap().downcast_ref(), Some(&TextFault::RecordTooLong { in_quotes: false }));
        assert!(text.clean.capacity() < 8 * PIECE);
    }
}
