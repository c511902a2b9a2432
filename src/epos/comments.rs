//! Comment lines, in which a quotation mark quotes nothing.
//!
//! Promises: only whole lines outside of quoted fields are comments; their quotation marks become apostrophes, and nothing
//! else changes, so that lines, places and the text of a heading stay what they are. The pieces in which the text comes
//! make no difference.

use super::quotes::QuoteTracker;

/// Where in a line the text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing but blanks, and so many bytes of the prefix.
    Start(usize),
    Comment,
    Other,
}

/// Finds comments.
#[derive(Debug)]
pub(super) struct Comments {
    prefix: Vec<u8>,
    place: Place,
}

impl Comments {
    /// Lines that start with `prefix` are comments.
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.as_bytes().to_vec(), place: Place::Start(0) }
    }

    /// Takes in the next piece of the text, whose line ends are all LF, and lets `quotes` follow it.
    pub(super) fn feed(&mut self, piece: &mut [u8], quotes: &mut QuoteTracker) {
        for line in piece.split_inclusive_mut(|&byte| byte == b'\n') {
            if self.place == Place::Start(0) && quotes.is_open() {
                self.place = Place::Other;
            }
            self.mask(line, quotes.mark());
            quotes.feed(line);
            if line.last() == Some(&b'\n') {
                self.place = Place::Start(0);
            }
        }
    }

    fn mask(&mut self, line: &mut [u8], mark: u8) {
        for byte in line {
            self.place =
                match self.place {
                    Place::Other => return,
                    Place::Start(0) if matches!(*byte, b' ' | b'\t') => Place::Start(0),
                    Place::Start(matched) if self.prefix.get(matched) == Some(byte) => {
                        if matched + 1 == self.prefix.len() { Place::Comment } else { Place::Start(matched + 1) }
                    }
                    Place::Start(_) => Place::Other,
                    Place::Comment => {
                        if *byte == mark {
                            *byte = b'\'';
                        }
                        Place::Comment
                    }
                };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_outside_of_quotes_are_comments_however_the_text_is_cut() {
        let text = "# a,\"b\n  #\"c\"\n1,\"d\n# \"\"e\",2\n\"#f\",3\n/# \"g\n";
        let wanted = "# a,'b\n  #'c'\n1,\"d\n# \"\"e\",2\n\"#f\",3\n/# \"g\n";
        for cut in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            let (mut comments, mut quotes) = (Comments::new("#"), QuoteTracker::new(b'"', b','));
            let (first, second) = bytes.split_at_mut(cut);
            comments.feed(first, &mut quotes);
            comments.feed(second, &mut quotes);
            assert_eq!(String::from_utf8(bytes).unwrap(), wanted, "cut at {cut}");
        }
    }
}
