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
    /// Where fields were opened by a mark, and which field of their record each is; only kept when asked for.
    opened: Option<Opened>,
}

#[derive(Debug, Default)]
struct Opened {
    /// The field that the text stands in, from 0.
    field: u32,
    marks: VecDeque<(u64, u32)>,
}

impl QuoteTracker {
    pub(super) fn new(quote: u8, delimiter: u8) -> Self {
        Self { quote, delimiter, place: Place::FieldStart, before: 0, broken: VecDeque::new(), opened: None }
    }

    /// The quotation mark.
    pub(super) fn mark(&self) -> u8 {
        self.quote
    }

    /// Notes which fields are quoted, too.
    pub(super) fn noting_quoted_fields(mut self) -> Self {
        self.opened = Some(Opened::default());
        self
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
        let delimiter = self.delimiter;
        let ends_field = |byte: u8| byte == delimiter || byte == b'\n';
        let Some(mark) = memchr::memchr(self.quote, &piece[from..]).map(|found| from + found) else {
            self.count_fields(&piece[from..]);
            self.place = if ends_field(piece[piece.len() - 1]) { Place::FieldStart } else { Place::Unquoted };
            return piece.len();
        };
        let opens = if mark == from { self.place == Place::FieldStart } else { ends_field(piece[mark - 1]) };
        self.place = if opens { Place::Quoted } else { Place::Unquoted };
        self.count_fields(&piece[from..mark]);
        if let Some(found) = self.opened.as_mut().filter(|_| opens) {
            found.marks.push_back((self.before + mark as u64, found.field));
        }
        mark + 1
    }

    /// Counts the fields and records that end in this piece outside of quotes.
    fn count_fields(&mut self, outside: &[u8]) {
        let Some(found) = &mut self.opened else { return };
        for &byte in outside {
            if byte == b'\n' {
                found.field = 0;
            } else if byte == self.delimiter {
                found.field = found.field.saturating_add(1);
            }
        }
    }

    fn inside(&mut self, piece: &[u8], from: usize) -> usize {
        match memchr::memchr(self.quote, &piece[from..]) {
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
        if byte != self.quote {
            self.count_fields(&piece[at..=at]);
        }
        at + 1
    }

    /// The quoted fields of the record that ends at this offset. Records are asked for in order.
    pub(super) fn quoted_fields_before(&mut self, end: u64, to: &mut Vec<u32>) {
        let Some(found) = &mut self.opened else { return };
        while let Some((_, field)) = found.marks.pop_front_if(|(at, _)| *at < end) {
            to.push(field);
        }
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
    fn quoted_fields_are_noted_per_record() {
        let text = "1,\"a,\"\"b\",x\n\"2\",\"q\nr\",\"s\"\n3,4\n\"5\"";
        for cut in 0..text.len() {
            let mut tracker = QuoteTracker::new(b'"', b',').noting_quoted_fields();
            tracker.feed(&text.as_bytes()[..cut]);
            tracker.feed(&text.as_bytes()[cut..]);
            let mut quoted = |end: usize| {
                let mut fields = Vec::new();
                tracker.quoted_fields_before(end as u64, &mut fields);
                fields
            };
            assert_eq!([quoted(12), quoted(26), quoted(30), quoted(33)], [vec![1], vec![0, 1, 2], vec![], vec![0]]);
        }
    }

    #[test]
    fn broken_and_open_quotes_are_told() {
        assert_eq!(judged("1,\"12\" plate\",5\n"), (true, false));
        assert_eq!(judged("1,\"Teapot,12\n2,\"Cup\",48\n"), (true, false));
        assert_eq!(judged("1,\"Teapot,12\n2,Cup,48\n"), (false, true));
    }
}
