//! What lines say of orders, by the texts of the configuration.
//!
//! Promises: in one line a refusal comes first, then a part, then a booking.

use super::evidence_pattern::{Pattern, is_joiner, words_of};
use crate::ports::{Answer, AnswerSays, AwaitedOrder, FileNames};

/// Longest text of a line that is shown, in characters.
const MOST_SHOWN: usize = 160;

/// The texts that say what became of an order.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    by_weight: Vec<(AnswerSays, Pattern)>,
}

impl Words {
    /// Of these texts; those that cannot be understood were refused with the settings.
    pub(super) fn new(refused: &[String], partly: &[String], booked: &[String]) -> Self {
        let of = |says, texts: &[String]| -> Vec<(AnswerSays, Pattern)> {
            texts.iter().filter_map(|text| Some((says, Pattern::parse(text).ok()?))).collect()
        };
        let by_weight =
            [of(AnswerSays::Refused, refused), of(AnswerSays::Partly, partly), of(AnswerSays::Booked, booked)].concat();
        Self { by_weight }
    }

    /// Could this line (in lower case) speak of any order?
    pub(super) fn may_speak(&self, line: &str) -> bool {
        self.by_weight.iter().any(|(_, pattern)| pattern.may_match(line))
    }

    /// Words (in lower case) of which a line has at least one that speaks of this order. `None`: that cannot be told by
    /// words, because a text or a value of this order joins with what stands beside it.
    pub(super) fn index(&self, order: &AwaitedOrder, names: &FileNames) -> Option<Vec<String>> {
        let mut words = Vec::new();
        for (_, pattern) in &self.by_weight {
            let value = pattern.values(order, names).into_iter().next().filter(|_| pattern.has_whole_words())?;
            if value.starts_with(is_joiner) || value.ends_with(is_joiner) {
                return None;
            }
            words.push(words_of(&value).max_by_key(|word| word.len())?.to_owned());
        }
        Some(words)
    }

    /// What this line (in lower case) says of this order, and whether it names it.
    pub(super) fn said(&self, line: &str, order: &AwaitedOrder, names: &FileNames) -> Option<(AnswerSays, bool)> {
        let found = self.by_weight.iter().find(|(_, pattern)| pattern.matches(line, order, names));
        found.map(|(says, pattern)| (*says, pattern.names_its_order()))
    }
}

/// How much a word weighs against others that cannot be put in an order of time: a refusal most.
pub(super) fn weight(says: AnswerSays) -> u8 {
    match says {
        AnswerSays::Booked => 0,
        AnswerSays::Partly => 1,
        AnswerSays::Refused => 2,
    }
}

/// An answer, with where it stands.
pub(super) fn answer(order: &AwaitedOrder, says: AnswerSays, file: &str, line: &str) -> Answer {
    let line = line.trim();
    let shown: String = line.chars().take(MOST_SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let more = if line.chars().count() > MOST_SHOWN { "…" } else { "" };
    Answer { order: order.id.clone(), says, by: format!("{file}: \"{shown}{more}\"") }
}
