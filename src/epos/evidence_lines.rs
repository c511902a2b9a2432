//! The lines of what a till writes for people: reports, logs, answers.
//!
//! Promises: memory grows neither with the file nor with a line; a last line that has no end yet is not read; bytes that
//! are invalid in the encoding become marks of replacement, which no pattern contains.
//! Does not promise to read a line that is longer than [`LONGEST_LINE`]: it is passed over.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use encoding_rs::Encoding as Library;

use super::profile::Encoding;

/// Longest line that is read, in bytes.
const LONGEST_LINE: usize = 64 * 1024;
/// Bytes at the start that tell the encoding.
pub(super) const HEAD: usize = 1024;

/// How the bytes of a file are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineCharset {
    /// Each line by itself: UTF-8 where it is valid, else Windows-1252.
    Either,
    Known(&'static Library),
    Latin1,
    /// A DOS code page: the characters of the bytes from 128 on.
    Dos(&'static [char; 128]),
}

impl LineCharset {
    /// By the byte order mark, else by the configuration, else by what the beginning looks like.
    pub(super) fn of(head: &[u8], wanted: Encoding) -> Self {
        if let Some((encoding, _)) = Library::for_bom(head) {
            return Self::Known(encoding);
        }
        match wanted {
            Encoding::Auto => Self::detected(head),
            Encoding::Utf8 => Self::Known(encoding_rs::UTF_8),
            Encoding::Utf16Le => Self::Known(encoding_rs::UTF_16LE),
            Encoding::Utf16Be => Self::Known(encoding_rs::UTF_16BE),
            Encoding::Windows1252 => Self::Known(encoding_rs::WINDOWS_1252),
            Encoding::Iso88591 => Self::Latin1,
            Encoding::Cp850 => Self::Dos(&oem_cp::code_table::DECODING_TABLE_CP850),
            Encoding::Cp437 => Self::Dos(&oem_cp::code_table::DECODING_TABLE_CP437),
        }
    }

    fn detected(head: &[u8]) -> Self {
        let zeros = |parity: usize| head.iter().skip(parity).step_by(2).filter(|&&byte| byte == 0).count();
        match (zeros(0), zeros(1), head.len() / 2) {
            // Digits and Latin letters make nearly every other byte of UTF-16 a zero.
            (0, odd, pairs) if odd * 2 > pairs => Self::Known(encoding_rs::UTF_16LE),
            (even, 0, pairs) if even * 2 > pairs => Self::Known(encoding_rs::UTF_16BE),
            _ => Self::Either,
        }
    }

    /// Bytes of a unit, and the place of the line feed's own byte in it.
    fn unit(self) -> (u64, usize) {
        match self {
            Self::Known(encoding) if encoding == encoding_rs::UTF_16LE => (2, 0),
            Self::Known(encoding) if encoding == encoding_rs::UTF_16BE => (2, 1),
            Self::Known(_) | Self::Either | Self::Latin1 | Self::Dos(_) => (1, 0),
        }
    }

    /// The text of a line.
    pub(super) fn decoded(self, bytes: &[u8]) -> String {
        let by_library = |encoding: &'static Library| encoding.decode_without_bom_handling(bytes).0.into_owned();
        let text = match self {
            Self::Either => match std::str::from_utf8(bytes) {
                Ok(text) => text.to_owned(),
                Err(_) => by_library(encoding_rs::WINDOWS_1252),
            },
            Self::Known(encoding) => by_library(encoding),
            Self::Latin1 => bytes.iter().copied().map(char::from).collect(),
            Self::Dos(table) => bytes.iter().map(|&byte| of_dos(byte, table)).collect(),
        };
        text.trim_matches(['\u{feff}', '\r', '\n']).to_owned()
    }
}

fn of_dos(byte: u8, table: &[char; 128]) -> char {
    byte.checked_sub(128).and_then(|high| table.get(usize::from(high))).copied().unwrap_or(char::from(byte))
}

/// Reads the whole lines that begin at or after `from`, up to `end`, and gives each with the place where it begins.
/// Returns where the first line begins that is not whole yet.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn whole_lines(
    mut file: impl Read + Seek,
    charset: LineCharset,
    (from, end): (u64, u64),
    mut take: impl FnMut(u64, &str),
) -> io::Result<u64> {
    let (unit, feed_at) = charset.unit();
    // One unit earlier: if that is no line end, a line is under way whose beginning lies before `from`.
    let start = (from - from % unit).saturating_sub(unit);
    file.seek(SeekFrom::Start(start))?;
    let mut lines = Lines { source: BufReader::new(file.take(end.saturating_sub(start))), unit, feed_at, at: start };
    let mut line = Vec::new();
    if from > 0 && !lines.next(&mut line)? {
        return Ok(from);
    }
    loop {
        let begins = lines.at;
        if !lines.next(&mut line)? {
            return Ok(begins);
        }
        if line.len() <= LONGEST_LINE {
            take(begins, &charset.decoded(&line));
        }
    }
}

struct Lines<R> {
    source: R,
    unit: u64,
    feed_at: usize,
    at: u64,
}

impl<R: BufRead> Lines<R> {
    /// Reads one line with its end into `line` (of an overlong one, only its beginning). `false`: it has no end yet.
    fn next(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        line.clear();
        let mut length = 0_u64;
        loop {
            let piece = self.source.fill_buf()?;
            if piece.is_empty() {
                return Ok(false);
            }
            let upto = memchr::memchr(b'\n', piece).map_or(piece.len(), |at| at + 1);
            let room = (LONGEST_LINE + 2).saturating_sub(line.len());
            line.extend_from_slice(&piece[..upto.min(room)]);
            let is_feed = piece[upto - 1] == b'\n';
            self.source.consume(upto);
            length += upto as u64;
            if is_feed && self.ends_here(line, &mut length)? {
                self.at += length;
                return Ok(true);
            }
        }
    }

    /// Is the byte `\n` just read a line feed? In UTF-16 it may be half of another character.
    fn ends_here(&mut self, line: &mut Vec<u8>, length: &mut u64) -> io::Result<bool> {
        if self.unit == 1 {
            return Ok(true);
        }
        let place = ((*length - 1) % self.unit) as usize;
        if place != self.feed_at {
            return Ok(false);
        }
        if self.feed_at == 1 {
            return Ok(line.len() < 2 || line[line.len() - 2] == 0);
        }
        let Some(&other) = self.source.fill_buf()?.first() else { return Ok(false) };
        self.source.consume(1);
        *length += 1;
        line.push(other);
        Ok(other == 0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn lines(bytes: &[u8], wanted: Encoding, from: u64) -> (Vec<String>, u64) {
        let charset = LineCharset::of(&bytes[..bytes.len().min(HEAD)], wanted);
        let mut found = Vec::new();
        let end = whole_lines(Cursor::new(bytes), charset, (from, bytes.len() as u64), |at, line| {
            found.push(format!("{at}:{line}"));
        });
        (found, end.unwrap())
    }

    fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(order).collect()
    }

    #[test]
    fn whole_lines_are_read_and_a_half_one_waits() {
        assert_eq!(lines(b"a\r\nbc\nhal", Encoding::Auto, 0), (vec!["0:a".into(), "3:bc".into()], 6));
        assert_eq!(lines(b"a\nb\n", Encoding::Auto, 2), (vec!["2:b".into()], 4));
        assert_eq!(lines(b"", Encoding::Auto, 0), (vec![], 0));
    }

    #[test]
    fn a_line_that_began_before_the_mark_is_passed_over() {
        assert_eq!(lines(b"order 100 imported\nb\n", Encoding::Auto, 7), (vec!["19:b".into()], 21));
        assert_eq!(lines(b"order 100 imp", Encoding::Auto, 7), (vec![], 7));
    }

    #[test]
    fn tills_write_in_many_encodings() {
        for (bytes, wanted) in [
            ("é\n".as_bytes().to_vec(), Encoding::Auto),
            ("\u{feff}é\n".as_bytes().to_vec(), Encoding::Auto),
            (b"\xe9\n".to_vec(), Encoding::Auto),
            (b"\xe9\n".to_vec(), Encoding::Iso88591),
            (b"\x82\n".to_vec(), Encoding::Cp850),
            (utf16("\u{feff}é\r\n", u16::to_le_bytes), Encoding::Auto),
            (utf16("\u{feff}é\r\n", u16::to_be_bytes), Encoding::Auto),
            (utf16("é\r\n", u16::to_le_bytes), Encoding::Utf16Le),
        ] {
            assert_eq!(lines(&bytes, wanted, 0), (vec!["0:é".into()], bytes.len() as u64), "{bytes:?}");
        }
        // Ċ (U+010A) has the byte of a line feed in it; a line may be cut in the middle of a character.
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            let mut bytes = utf16("\u{feff}aĊb\nc\nd\n", order);
            bytes.pop();
            assert_eq!(lines(&bytes, Encoding::Auto, 0), (vec!["0:aĊb".into(), "10:c".into()], 14));
            assert_eq!(lines(&bytes, Encoding::Auto, 10), (vec!["10:c".into()], 14));
        }
    }

    #[test]
    fn a_line_without_an_end_in_sight_costs_no_memory_and_is_passed_over() {
        let mut bytes = vec![b'x'; 3 * LONGEST_LINE];
        bytes.extend_from_slice(b"\nshort\n");
        let (found, end) = lines(&bytes, Encoding::Auto, 0);
        assert_eq!((found.len(), end), (1, bytes.len() as u64));
        assert!(found[0].ends_with(":short"));
    }
}
