//! Follows quotation marks through a text, because a lenient CSV reader hides the broken ones.
//!
//! Promises: tells whether the text ends inside quotes, and where a closing mark is followed by neither a delimiter
//! nor a line end. A stray mark that swallows a line would otherwise give one item the count of another.

use std::collections::VecDeque;

/// Where in a field the text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    FieldStart,
    Unquoted,
    Quoted,
    /// After a mark inside quotes: the end of the field, or half of a doubled mark.
    MarkSeen,
}

/// The tracker.
#[derive(Debug)]
pub(super) struct QuoteTracker {
    quote: u8,
    delimiter: u8,
    place: Place,
    /// Bytes seen before the present piece.
    before: u64,
    broken: VecDeque<u64>,
}

impl QuoteTracker {
    pub(super) fn new(quote: u8, delimiter: u8) -> Self {
        Self { quote, delimiter, place: Place::FieldStart, before: 0, broken: VecDeque::new() }
    }

    /// Takes in the next piece of the text, whose line ends are all LF.
    pub(super) fn feed(&mut self, piece: &[u8]) {
        let mut at = 0;
        while at < piece.len() {
            at = match self.place {
                Place::FieldStart | Place::Unquoted => self.outside(piece, at),
                Place::Quoted => self.inside(piece, at),
                Place::MarkSeen => self.after_mark(piece, at),
            };
        }
        self.before += piece.len() as u64;
    }

    /// Goes on to the next mark that opens a field, or to the end.
    fn outside(&mut self, piece: &[u8], from: usize) -> usize {
        let ends_field = |byte: u8| byte == self.delimiter || byte == b'\n';
        let Some(mark) = piece[from..].iter().position(|&byte| byte == self.quote).map(|found| from + found) else {
            self.place = if ends_field(piece[piece.len() - 1]) { Place::FieldStart } else { Place::Unquoted };
            return piece.len();
        };
        let opens = if mark == from { self.place == Place::FieldStart } else { ends_field(piece[mark - 1]) };
        self.place = if opens { Place::Quoted } else { Place::Unquoted };
        mark + 1
    }

    fn inside(&mut self, piece: &[u8], from: usize) -> usize {
        match piece[from..].iter().position(|&byte| byte == self.quote) {
            Some(found) => {
                self.place = Place::MarkSeen;
                from + found + 1
            }
            None => piece.len(),
        }
    }

    fn after_mark(&mut self, piece: &[u8], at: usize) -> usize {
        let byte = piece[at];
        self.place = if byte == self.quote {
            Place::Quoted
        } else if byte == self.delimiter || byte == b'\n' {
            Place::FieldStart
        } else {
            self.broken.push_back(self.before + at as u64);
            Place::Unquoted
        };
        at + 1
    }

    /// Does a record that ends at this offset contain a broken mark? Records are asked for in order.
    pub(super) fn is_broken_before(&mut self, end: u64) -> bool {
        let mut found = false;
        while self.broken.front().is_some_and(|at| *at < end) {
            self.broken.pop_front();
            found = true;
        }
        found
    }

    /// Does the text, as far as it was given, end inside quotes?
    pub(super) fn is_open(&self) -> bool {
        self.place == Place::Quoted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the text whole and in every pair of pieces; the answer must be the same.
    fn judged(text: &str) -> (bool, bool) {
        let judge = |cut: usize| {
            let mut tracker = QuoteTracker::new(b'"', b',');
            tracker.feed(&text.as_bytes()[..cut]);
            tracker.feed(&text.as_bytes()[cut..]);
            (tracker.is_broken_before(u64::MAX), tracker.is_open())
        };
        let whole = judge(0);
        for cut in 1..text.len() {
            assert_eq!(judge(cut), whole, "{text} cut at {cut}");
        }
        whole
    }

    #[test]
    fn well_formed_quotes_are_neither_broken_nor_open() {
        for text in [
            "a,\"b\",c\n",
            "\"a\"\"b\",c\n",
            "\"\",\"\"\n",
            "a,\"b\nc\",d\n",
            "5\" plate,1\n",
            "a \"b\" c,1\n",
            "\"x\"",
        ] {
            assert_eq!(judged(text), (false, false), "{text}");
        }
    }

    #[test]
    fn broken_and_open_quotes_are_told() {
        assert_eq!(judged("1,\"12\" plate\",5\n"), (true, false));
        assert_eq!(judged("1,\"Teapot,12\n2,\"Cup\",48\n"), (true, false));
        assert_eq!(judged("1,\"Teapot,12\n2,Cup,48\n"), (false, true));
    }
}
