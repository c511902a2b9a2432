//! What is asked of a file, beyond being read.

use tillbridge::domain::stock::Scope;
use tillbridge::epos::profile::{Delimiter, Encoding, FinalNewline, Header, Kind};

use crate::reading::{Read, read};
use crate::{Files, Profile};

/// Bytes that the reader takes in at once, and that a boundary is laid across.
const PIECE: usize = 16 * 1024;
/// How long a file is made by repeating it: long enough that quadratic time shows.
const REPEATED: usize = 512 * 1024;
/// Second bytes from here on may repeat the file; the others ask what is quicker to tell.
const SELDOM: u8 = 0xf8;

/// Reads the file, and asks what the second byte chose.
pub(crate) fn ask(profile: &Profile, asked: u8, file: &[u8], files: &Files) {
    let ask = Ask { profile, file, files, number: usize::from(asked >> 3) };
    match (asked & 7, asked >= SELDOM) {
        (0, _) => ask.twice(),
        (1, _) => ask.with_other_line_ends(),
        (2, _) => ask.with_marks_at_both_ends(),
        (3 | 4, _) => ask.cut(),
        (5, _) => ask.behind_a_block(),
        (6, true) => ask.with_its_middle_repeated(),
        (_, true) => ask.repeated(),
        (_, false) => drop(ask.read()),
    }
}

struct Ask<'a> {
    profile: &'a Profile,
    file: &'a [u8],
    files: &'a Files,
    /// Chooses where to cut, and so on.
    number: usize,
}

impl Ask<'_> {
    fn read(&self) -> Read {
        self.read_bytes(self.file)
    }

    fn read_bytes(&self, bytes: &[u8]) -> Read {
        read(&self.profile.checked, bytes, self.files)
    }

    /// Is it plain that a byte is a character, and that none of them changes how the others are read?
    fn is_plain(&self) -> bool {
        let rules = self.profile.checked.profile();
        let is_wide = matches!(rules.encoding, Encoding::Utf16Le | Encoding::Utf16Be) || self.file.contains(&0);
        let has_mark = self.file.starts_with(b"\xff\xfe") || self.file.starts_with(b"\xfe\xff");
        let declares = || rules.kind == Kind::Xml && self.file.windows(8).any(|part| part == b"encoding");
        !is_wide && !has_mark && !declares()
    }

    fn twice(&self) {
        assert_eq!(self.read(), self.read());
    }

    fn with_other_line_ends(&self) {
        if !self.is_plain() || self.file.contains(&b'\r') {
            return;
        }
        let with = |end: &[u8]| {
            let lines: Vec<&[u8]> = self.file.split(|byte| *byte == b'\n').collect();
            lines.join(end)
        };
        let plain = self.read();
        assert_eq!(self.read_bytes(&with(b"\r\n")), plain, "with CRLF");
        assert_eq!(self.read_bytes(&with(b"\r")), plain, "with CR");
    }

    /// A byte order mark in front, DOS's end of text behind.
    fn with_marks_at_both_ends(&self) {
        let is_utf8 = matches!(self.profile.checked.profile().encoding, Encoding::Utf8 | Encoding::Auto)
            && std::str::from_utf8(self.file).is_ok_and(|text| !text.starts_with('\u{feff}'));
        if !self.is_plain() || !is_utf8 {
            return;
        }
        // What is rejected may be so for another reason: the marks hide what kind of file it is.
        let Ok(plain) = self.read() else { return };
        assert_eq!(self.read_bytes(&[b"\xef\xbb\xbf", self.file].concat()).as_ref(), Ok(&plain), "with a mark");
        assert_eq!(self.read_bytes(&[self.file, b"\x1a"].concat()), Ok(plain), "with an end of text");
    }

    /// Cut short, near the ends of its lines and anywhere.
    fn cut(&self) {
        let Ok(whole) = self.read() else { return };
        let rules = self.profile.checked.profile();
        let is_proved = rules.trailer.as_ref().is_some_and(|trailer| trailer.required);
        let is_told = rules.encoding != Encoding::Auto
            && rules.delimiter != Delimiter::Auto
            && !matches!(rules.header, Header::Auto | Header::FindByNames)
            && rules.kind != Kind::Xml;
        let is_careful = rules.final_newline == FinalNewline::Required && rules.end_marker.is_none() && is_told;
        if !(is_careful || is_proved && rules.export == Scope::Full) {
            return;
        }
        for cut in self.cuts() {
            let Ok(less) = self.read_bytes(&self.file[..cut]) else { continue };
            let (rows, all) = (less.summary.rows, whole.summary.rows);
            assert!(!is_proved || rows >= all, "cut at {cut}: {rows} of {all} rows count as all");
            let is_start = whole.rows.starts_with(&less.rows);
            assert!(!is_careful || is_start, "cut at {cut}: {:?} is not how {:?} starts", less.rows, whole.rows);
        }
    }

    fn cuts(&self) -> Vec<usize> {
        let length = self.file.len();
        let mut ends = self.file.iter().enumerate().filter(|(_, byte)| matches!(byte, b'\n' | b'\r')).map(|(at, _)| at);
        let lines = ends.clone().count();
        let end = ends.nth(self.number % lines.max(1)).unwrap_or(length);
        let anywhere = length * (self.number + 1) / 34;
        let mut cuts = vec![anywhere, end.saturating_sub(1), end, end + 1, end + 2, length.saturating_sub(1)];
        cuts.retain(|cut| *cut < length);
        cuts
    }

    /// Behind a skipped line or a comment, so that the reader's next piece starts within the file.
    fn behind_a_block(&self) {
        let lower = self.file.to_ascii_lowercase();
        let is_marked = lower.windows(4).any(|part| part == b"sep=") || lower.starts_with(b"\xef\xbb\xbf");
        if !self.is_plain() || is_marked || self.file.len() < 2 {
            return;
        }
        let block = PIECE - 1 - (self.number * 37) % self.file.len().min(PIECE / 2);
        let plain = self.read();
        let (moved, down) = match &self.profile.shifted {
            Some(shifted) => {
                let bytes = [&vec![b'x'; block - 1], &b"\n"[..], self.file].concat();
                (read(shifted, &bytes, self.files), 1)
            }
            None if lower.starts_with(b"<?xml") => return,
            None => (self.read_bytes(&[b"<!--", &vec![b'x'; block - 7][..], b"-->", self.file].concat()), 0),
        };
        match (plain, moved) {
            (Ok(plain), Ok(moved)) => {
                assert_eq!(moved.digest, plain.digest, "behind a block of {block}");
                assert!(moved.rows.iter().zip(&plain.rows).all(|(moved, plain)| moved.line == plain.line + down));
                assert_eq!(moved.summary.rows, plain.summary.rows, "behind a block of {block}");
            }
            // What kind of file it is shows at its start.
            (Err(why), _) if matches!(why.reason.as_str(), "empty" | "wrong_file_type") => {}
            // With several things wrong, the first one found depends on where the pieces end.
            (Err(_), Err(_)) => {}
            (plain, moved) => panic!("{plain:?}, behind a block of {block} {moved:?}"),
        }
    }

    /// All of it, again and again.
    fn repeated(&self) {
        let times = REPEATED / self.file.len().max(1);
        drop(self.read_bytes(&self.file.repeat(times.max(1))));
    }

    /// Its second third, again and again.
    fn with_its_middle_repeated(&self) {
        let third = self.file.len() / 3;
        let (head, middle, tail) = (&self.file[..third], &self.file[third..2 * third], &self.file[2 * third..]);
        let times = REPEATED / middle.len().max(1);
        drop(self.read_bytes(&[head, &middle.repeat(times), tail].concat()));
    }
}
