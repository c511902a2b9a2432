//! Patterns of what a till says of orders: `Order {number} imported`, `*` for any text.
//!
//! Promises: upper and lower case are alike; a number is found only as a whole word, so that 100 is never seen in 1000,
//! in 2026-100 or in order_100.csv; linear memory, and no more steps than line length times pattern length.

use crate::ports::{AwaitedOrder, FileNames};

/// Characters that join what is left and right of them to one word: 2026-100 is not 100.
const JOINERS: &str = "-_./\\";

/// A value that a pattern asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Number,
    Id,
    Name,
    Stem,
}

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// Text, in lower case.
    Text(String),
    Value(Value),
    /// Any text.
    Any,
}

/// A pattern for lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pieces: Vec<Piece>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, to stand behind its key.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '*']) {
            push_text(&mut pieces, &rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix('*') {
                pieces.push(Piece::Any);
                rest = after;
                continue;
            }
            let Some((placeholder, after)) = rest[1..].split_once('}') else { break };
            pieces.push(Piece::Value(match placeholder {
                "number" => Value::Number,
                "id" => Value::Id,
                "name" => Value::Name,
                "stem" => Value::Stem,
                other => {
                    return Err(format!(
                        "has the unknown placeholder {{{other}}}; known are {{number}}, {{id}}, {{name}} and {{stem}}"
                    ));
                }
            }));
            rest = after;
        }
        push_text(&mut pieces, rest);
        let is_empty = pieces.iter().all(|piece| match piece {
            Piece::Text(text) => text.trim().is_empty(),
            Piece::Any => true,
            Piece::Value(_) => false,
        });
        if is_empty {
            Err("is empty, so that every line would count; write what the till writes".into())
        } else {
            Ok(Self { pieces })
        }
    }

    /// Does it speak of single orders or files, and not of whatever is at hand?
    pub(super) fn names_its_subject(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Value(_)))
    }

    /// Does it tell the orders of one file from each other?
    pub(super) fn names_its_order(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Value(Value::Number | Value::Id)))
    }

    /// Does each of its values stand as a word of its own, with nothing of the pattern beside it that would join it?
    pub(super) fn has_whole_words(&self) -> bool {
        let is_glued = |pair: &[Piece]| match pair {
            [Piece::Text(text), Piece::Value(_)] => text.ends_with(is_of_word),
            [Piece::Value(_), Piece::Text(text)] => text.starts_with(is_of_word),
            [Piece::Value(_), Piece::Value(_)] => true,
            _ => false,
        };
        self.names_its_subject() && !self.pieces.windows(2).any(is_glued)
    }

    /// The values of an order that it looks for, in lower case.
    pub(super) fn values(&self, order: &AwaitedOrder, names: &FileNames) -> Vec<String> {
        let values = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Value(value) => Some(value_of(*value, order, names).to_lowercase()),
            Piece::Text(_) | Piece::Any => None,
        });
        values.collect()
    }

    /// Could this line (in lower case) match for any order? Spares the closer look at most lines.
    pub(super) fn may_match(&self, line: &str) -> bool {
        self.pieces.iter().all(|piece| match piece {
            Piece::Text(text) => line.contains(text.as_str()),
            Piece::Value(_) | Piece::Any => true,
        })
    }

    /// Does this line (in lower case) speak of this order, whose file has these names?
    pub(super) fn matches(&self, line: &str, order: &AwaitedOrder, names: &FileNames) -> bool {
        let mut from = 0;
        let mut segments = self.pieces.split(|piece| *piece == Piece::Any).enumerate().peekable();
        while let Some((at, segment)) = segments.next() {
            let Some(wanted) = Segment::of(segment, order, names, at == 0, segments.peek().is_none()) else {
                return false;
            };
            match wanted.end_in(line, from) {
                Some(end) => from = end,
                None => return false,
            }
        }
        true
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_lowercase()));
    }
}

/// What stands between two `*`, with its values.
struct Segment {
    text: String,
    start: Edge,
    end: Edge,
}

/// What may stand beside a segment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    /// Anything: the pattern says `*`.
    Free,
    /// No letter and no digit: OK is not found in BOOKED.
    Letters,
    /// Nor what joins words: a value is found whole only.
    Whole,
}

impl Segment {
    /// `None`: a value that it asks for is empty, so that nothing can be found.
    fn of(pieces: &[Piece], order: &AwaitedOrder, names: &FileNames, is_first: bool, is_last: bool) -> Option<Self> {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Value(value) => {
                    let value = value_of(*value, order, names).to_lowercase();
                    if value.is_empty() {
                        return None;
                    }
                    text.push_str(&value);
                }
                Piece::Any => {}
            }
        }
        let edge = |piece: Option<&Piece>, is_outermost| match piece {
            Some(Piece::Value(_)) => Edge::Whole,
            Some(Piece::Text(_)) if is_outermost => Edge::Letters,
            Some(Piece::Text(_) | Piece::Any) | None => Edge::Free,
        };
        Some(Self { text, start: edge(pieces.first(), is_first), end: edge(pieces.last(), is_last) })
    }

    /// Where its first good place from there on ends.
    fn end_in(&self, line: &str, from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            let start = at + line.get(at..)?.find(&self.text)?;
            let end = start + self.text.len();
            let before = line[..start].chars().rev();
            let after = line[end..].chars();
            let fits = is_clear(self.start, self.text.chars().next(), before)
                && is_clear(self.end, self.text.chars().next_back(), after);
            if fits {
                return Some(end);
            }
            at = start + line[start..].chars().next().map_or(1, char::len_utf8);
        }
    }
}

fn value_of<'a>(value: Value, order: &'a AwaitedOrder, names: &'a FileNames) -> &'a str {
    match value {
        Value::Number => &order.number,
        Value::Id => &order.id.0,
        Value::Name => &names.name,
        Value::Stem => stem_and_ending(&names.name).0,
    }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || is_joiner(c)
}

/// The words of a text, as values are found in it: 2026-100 is one.
pub(super) fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !is_of_word(c)).map(|word| word.trim_matches(is_joiner)).filter(|word| !word.is_empty())
}

/// Does it join what is left and right of it to one word?
pub(super) fn is_joiner(c: char) -> bool {
    JOINERS.contains(c)
}

/// A file's name without its ending, and the ending.
pub(super) fn stem_and_ending(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or((name, ""))
}

/// May `beside` (the characters outwards from the edge) stand beside a segment whose outermost character is `own`?
fn is_clear(edge: Edge, own: Option<char>, mut beside: impl Iterator<Item = char>) -> bool {
    if edge == Edge::Free || !own.is_some_and(char::is_alphanumeric) {
        return true;
    }
    let next = if edge == Edge::Whole { beside.find(|c| !is_joiner(*c)) } else { beside.next() };
    !next.is_some_and(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::OrderId;

    fn finds(pattern: &str, line: &str) -> bool {
        let order = AwaitedOrder { id: OrderId("4711".into()), number: "100".into() };
        let pattern = Pattern::parse(pattern).unwrap();
        let line = line.to_lowercase();
        let found = pattern.matches(&line, &order, &"order_100.csv".into());
        assert!(!found || pattern.may_match(&line), "{line}: the quick look agrees");
        found
    }

    #[test]
    fn a_pattern_is_found_anywhere_in_a_line_whatever_its_case() {
        for (pattern, line) in [
            ("Order {number} imported", "2026-11-24 12:00 INFO order 100 IMPORTED."),
            ("Order {number} * failed", "Order 100 (line 3) has failed: no stock"),
            ("{name}*ok", "import of Order_100.CSV: ok"),
            ("{stem}.csv done", "order_100.csv done"),
            ("id={id};", "ID=4711;"),
            ("{number}", "100"),
            ("{number}", "100;OK"),
            ("\"{number}\" status=\"ok\"", "<order number=\"100\" status=\"OK\"/>"),
            ("*{number}*ok*", "#100: BOOKED"),
            ("commande {number} reçue", "Commande 100 REÇUE"),
            ("OK", "status OK"),
        ] {
            assert!(finds(pattern, line), "{pattern} in {line}");
        }
    }

    #[test]
    fn a_number_is_found_only_as_a_whole_word() {
        for line in
            ["1000", "2100", "2026-100x", "2026-100", "100-2", "order_100.csv", "100.5", "x100", "1/100", "x--100"]
        {
            assert!(!finds("{number}", line), "{line}");
            assert!(!finds("*{number}*", line), "{line}");
        }
        // The first place does not fit, a later one does.
        assert!(finds("order {number} imported", "order 1000 imported, order 100 imported"));
        assert!(finds("{number}", "1000 100"));
        assert!(finds("{number}", "order 100."), "the point ends the sentence");
        assert!(!finds("order {number} imported", "order 100 not imported"));
        assert!(!finds("order {number} * failed", "order 101 failed, then order 100"));
    }

    #[test]
    fn a_word_is_not_found_in_a_longer_one_unless_a_star_says_so() {
        assert!(!finds("OK", "BOOKED") && !finds("ERROR", "0 errors"));
        assert!(finds("*OK*", "BOOKED") && finds("ERROR", "ERROR-17"));
    }

    #[test]
    fn a_pattern_that_cannot_work_says_why() {
        for (pattern, word) in [("", "empty"), ("*", "empty"), ("  ", "empty"), ("Order {nr} ok", "{nr}")] {
            let why = Pattern::parse(pattern).unwrap_err();
            assert!(why.contains(word), "{pattern}: {why}");
        }
        let of = |pattern| Pattern::parse(pattern).unwrap();
        assert!(!of("OK").names_its_subject() && of("{name} OK").names_its_subject());
        assert!(!of("{name} OK").names_its_order() && of("{number} OK").names_its_order());
    }

    #[test]
    fn an_order_without_a_number_is_never_found() {
        let nameless = AwaitedOrder { id: OrderId(String::new()), number: String::new() };
        let pattern = Pattern::parse("Order {number} imported").unwrap();
        assert!(!pattern.matches("order  imported", &nameless, &"o.csv".into()));
    }
}
