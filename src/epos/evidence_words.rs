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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::OrderId;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

        /// Whatever the till writes: the index leaves out no line that speaks of the order, and a number is found whole.
        #[test]
        fn what_speaks_of_an_order_is_found_by_its_words_and_whole(
            pieces in proptest::collection::vec(
                proptest::sample::select(vec!["100", "1000", "x", "-", ".", " ", "#", "é", "order", "ok", "order_100.csv", "İ"]),
                0..12,
            ),
            number in proptest::sample::select(vec!["100", "1-100", "#100", "100-", "É100", ""]),
            text in proptest::sample::select(vec!["{number}", "order {number} ok", "*{number}*ok", "{name}*", "o{number}", "-{number}"]),
        ) {
            let line = pieces.concat().to_lowercase();
            let order = AwaitedOrder { id: OrderId("7".into()), number: number.into() };
            let names = FileNames::from("order_100.csv");
            let words = Words::new(&[], &[], &[text.to_owned()]);
            let Some((_, _)) = words.said(&line, &order, &names) else { return Ok(()) };
            prop_assert!(words.may_speak(&line), "{}", line);
            if let Some(index) = words.index(&order, &names) {
                prop_assert!(words_of(&line).any(|word| index.iter().any(|one| one == word)), "{} {:?}", line, index);
            }
            if text == "{number}" && number == "100" {
                prop_assert!(words_of(&line).any(|word| word == "100"), "{}", line);
            }
        }
    }
}
