//! Order and cancellation files that another program holds.
//!
//! Promises: such a file waits alone, and the others go on; it is tried again for as long as it takes, with pauses that
//! grow with the time that it has waited; after ten minutes of that a person is told, until it is free or nobody needs
//! it any more. Does not promise to remember over a restart: the time is counted anew.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::Orders;
use crate::domain::stock::in_words;
use crate::ledger::conditions::{Severity, Trouble};
use crate::ports::EposError;
use crate::tasks::stock::FILE_HELD;
use crate::tasks::{Attention, chain};

/// How long a file may be held before a person should look; virus scanners and backups are done by then.
const HELD_TOO_LONG: SignedDuration = SignedDuration::from_mins(10);
/// Tries while the time that a file has waited doubles: the pauses grow with it.
const TRIES_PER_DOUBLING: i32 = 8;
/// No pause is longer, so that a file that is free again does not wait for long.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(5);
/// Files that are named.
const MOST_NAMED: usize = 50;

/// What is held, and since when.
#[derive(Debug, Default)]
pub(super) struct HeldFiles {
    files: BTreeMap<String, Held>,
    /// Running number of activations.
    activation: u64,
}

#[derive(Debug)]
struct Held {
    since: Timestamp,
    tried_at: Timestamp,
    /// The activation that tried it last.
    tried_in: u64,
    /// The activation that had something to do with it last.
    needed_in: u64,
    reason: String,
}

impl Held {
    /// When it is to be left alone until the next try.
    fn rests(&self, now: Timestamp, activation: u64) -> bool {
        let pause = (self.tried_at.duration_since(self.since) / TRIES_PER_DOUBLING).min(LONGEST_PAUSE);
        let paused = now.duration_since(self.tried_at);
        // By a clock that was set back nobody knows how long it has rested.
        self.tried_in == activation || (!paused.is_negative() && paused < pause)
    }
}

impl HeldFiles {
    pub(super) fn begin_activation(&mut self) {
        self.activation += 1;
    }

    fn rests(&mut self, name: &str, now: Timestamp) -> bool {
        let activation = self.activation;
        let Some(held) = self.files.get_mut(name) else { return false };
        held.needed_in = activation;
        held.rests(now, activation)
    }

    fn note(&mut self, name: &str, reason: String, now: Timestamp) {
        let activation = self.activation;
        let known = self.files.remove(name).map(|held| held.since).filter(|since| *since <= now);
        let (since, tried_in, needed_in) = (known.unwrap_or(now), activation, activation);
        self.files.insert(name.to_owned(), Held { since, tried_at: now, tried_in, needed_in, reason });
    }

    fn free(&mut self, name: &str) {
        self.files.remove(name);
    }

    /// Files that nobody needed in this activation are held no more, as far as we are concerned.
    fn forget_unneeded(&mut self) {
        let activation = self.activation;
        self.files.retain(|_, held| held.needed_in == activation);
    }

    fn troubles(&self, now: Timestamp) -> Vec<Trouble> {
        let too_long = |held: &Held| now.duration_since(held.since) >= HELD_TOO_LONG;
        let long = self.files.iter().filter(|(_, held)| too_long(held));
        long.map(|(name, held)| trouble(name, held)).take(MOST_NAMED).collect()
    }
}

impl Orders {
    /// Is it held, and not to be tried again yet? The others go on.
    pub(super) fn rests(&self, name: &str) -> bool {
        let now = self.shop.clock.now();
        self.held().rests(name, now)
    }

    /// What was done with the file of this name. `None`: another program holds it, so that it waits by itself.
    pub(super) fn unless_held<T>(
        &self,
        name: &str,
        done: std::result::Result<T, EposError>,
    ) -> std::result::Result<Option<T>, EposError> {
        let done = self.noted_if_held(name, done)?;
        if done.is_some() {
            self.held().free(name);
        }
        Ok(done)
    }

    /// The same of a mere look: that it went well does not say that the file can be moved.
    pub(super) fn noted_if_held<T>(
        &self,
        name: &str,
        done: std::result::Result<T, EposError>,
    ) -> std::result::Result<Option<T>, EposError> {
        match done {
            Ok(done) => Ok(Some(done)),
            Err(error) if error.is_held() => {
                tracing::info!(file = name, error = chain(&error), "another program holds the file; it is tried again");
                let now = self.shop.clock.now();
                self.held().note(name, chain(&error), now);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Tells of files that are held for long. `is_whole`: the activation came to all files.
    pub(super) fn report_held(&self, is_whole: bool) {
        let troubles = {
            let mut held = self.held();
            if is_whole {
                held.forget_unneeded();
            }
            held.troubles(self.shop.clock.now())
        };
        self.shop.files_held(Attention::Orders, troubles);
    }

    pub(super) fn held(&self) -> MutexGuard<'_, HeldFiles> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn trouble(name: &str, held: &Held) -> Trouble {
    Trouble {
        code: FILE_HELD,
        subject: name.to_owned(),
        severity: Severity::Warning,
        text: format!(
            "the file {name} cannot be shown to the till or taken away from it since {}, because another program has it open: {}",
            in_words(held.since),
            held.reason
        ),
        remedy: "End the program that has it open (the till's import, an editor, a backup, a virus scanner). It is tried again by itself for as long as it takes, and the other orders go on.".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// The seconds at which a file that stays held is tried, with an activation in each second.
    fn tries(from: i64, to: i64) -> Vec<i64> {
        let mut held = HeldFiles::default();
        let try_at = |held: &mut HeldFiles, second: i64| {
            held.begin_activation();
            let tries = !held.rests("a.csv", at(second));
            if tries {
                held.note("a.csv", String::new(), at(second));
            }
            tries
        };
        (from..to).filter(|second| try_at(&mut held, *second)).collect()
    }

    #[test]
    fn a_held_file_is_tried_for_ever_with_pauses_that_grow_up_to_five_minutes() {
        let tries = tries(0, 86_400);
        let pauses: Vec<i64> = tries.windows(2).map(|two| two[1] - two[0]).collect();
        assert!(pauses.is_sorted() && pauses[0] == 1, "{pauses:?}");
        assert_eq!(pauses.last(), Some(&300));
        assert!(*tries.last().unwrap() > 86_000);
    }

    #[test]
    fn a_clock_that_is_set_back_neither_stalls_a_held_file_nor_makes_it_older() {
        let mut held = HeldFiles::default();
        for second in [100_000, 103_000] {
            held.begin_activation();
            held.note("a.csv", String::new(), at(second));
        }
        held.begin_activation();
        assert!(!held.rests("a.csv", at(500)));
        held.note("a.csv", String::new(), at(500));
        assert_eq!(held.troubles(at(1_000)), []);
        assert_eq!(held.troubles(at(1_100)).len(), 1);
    }

    #[test]
    fn it_is_tried_once_in_an_activation_and_forgotten_when_nobody_needs_it() {
        let mut held = HeldFiles::default();
        held.begin_activation();
        held.note("a.csv", String::new(), at(1));
        assert!(held.rests("a.csv", at(1)));
        held.begin_activation();
        assert!(!held.rests("a.csv", at(1)));
        held.forget_unneeded();
        assert_eq!(held.files.len(), 1, "it was asked about");
        held.begin_activation();
        held.forget_unneeded();
        assert!(held.files.is_empty());
    }
}
