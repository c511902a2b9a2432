//! From sightings of order files to evidence that the till took them.
//!
//! Promises: *gone* is believed only after several successful looks some time apart, and counts from the first of them
//! (the till had taken it by then); a file that shows up again starts anew; a reject sign is looked at first.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::ports::{Pace, Sighting, Sign};

/// The evidence of a file that is in none of the folders.
pub const GONE: &str = "gone from the import folder";
/// The evidence of a refusal.
pub const REFUSED: &str = "found in the rejects folder";

/// What the whereabouts of a file prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The till took it, at this time at the latest.
    Taken {
        /// The first look that showed it.
        at: Timestamp,
    },
    /// The till refused it.
    Rejected {
        /// The look that showed it.
        at: Timestamp,
    },
}

/// Something proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub name: String,
    /// What is proved.
    pub outcome: Outcome,
    /// By what.
    pub evidence: &'static str,
}

/// Looks in a row in which a file was gone.
#[derive(Debug, Clone, Copy)]
struct Gone {
    first: Timestamp,
    last: Timestamp,
    looks: u32,
}

/// Collects sightings over several looks.
#[derive(Debug)]
pub struct EvidenceTracker {
    looks: u32,
    every: SignedDuration,
    gone: HashMap<String, Gone>,
}

impl EvidenceTracker {
    /// *Gone* needs as many successful looks, as far apart, as the pace asks for.
    pub fn new(pace: &Pace) -> Self {
        let mut tracker = Self { looks: 1, every: SignedDuration::ZERO, gone: HashMap::new() };
        tracker.keep_pace(pace);
        tracker
    }

    /// Asks for as much as this pace does from now on; looks that were counted stay counted.
    pub fn keep_pace(&mut self, pace: &Pace) {
        self.looks = pace.order_gone_looks.max(1);
        self.every = SignedDuration::try_from(pace.order_gone_every).unwrap_or(SignedDuration::MAX);
    }

    /// Forgets all looks.
    pub fn forget_all(&mut self) {
        self.gone.clear();
    }

    /// Takes the sightings of one successful look; says what they prove together with earlier ones.
    pub fn observe(&mut self, sightings: &[Sighting], now: Timestamp) -> Vec<Finding> {
        self.gone.retain(|name, _| sightings.iter().any(|sighting| sighting.name == *name));
        sightings.iter().filter_map(|sighting| self.one(sighting, now)).collect()
    }

    fn one(&mut self, sighting: &Sighting, now: Timestamp) -> Option<Finding> {
        let proved = |outcome, evidence| Some(Finding { name: sighting.name.clone(), outcome, evidence });
        match sighting.sign {
            Sign::Rejected => proved(Outcome::Rejected { at: now }, REFUSED),
            Sign::MovedToDone | Sign::Renamed => proved(Outcome::Taken { at: now }, "moved to the done folder"),
            Sign::Waiting => {
                self.gone.remove(&sighting.name);
                None
            }
            Sign::Gone => {
                let first_look = Gone { first: now, last: now, looks: 0 };
                let gone = self.gone.entry(sighting.name.clone()).or_insert(first_look);
                if now < gone.last {
                    // The clock was set back: the earlier looks say nothing about times any more.
                    *gone = first_look;
                }
                if gone.looks == 0 || now.duration_since(gone.last) >= self.every {
                    gone.looks += 1;
                    gone.last = now;
                }
                if gone.looks < self.looks {
                    return None;
                }
                let at = gone.first;
                self.gone.remove(&sighting.name);
                proved(Outcome::Taken { at }, GONE)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn seen(sign: Sign) -> Vec<Sighting> {
        vec![Sighting { name: "order_1.csv".into(), sign, found_as: None, answers: Vec::new() }]
    }

    /// Of a pace, only what concerns orders counts here.
    fn pace(looks: u32, every: u64) -> Pace {
        let other = Duration::from_secs(1);
        Pace {
            sweep_awaiting: other,
            sweep_idle: other,
            settle_looks: 2,
            settle_every: other,
            settle_age: other,
            order_gone_looks: looks,
            order_gone_every: Duration::from_secs(every),
        }
    }

    fn tracker() -> EvidenceTracker {
        EvidenceTracker::new(&pace(2, 5))
    }

    #[test]
    fn gone_is_believed_after_two_looks_apart_and_counts_from_the_first() {
        let mut tracker = tracker();
        assert_eq!(tracker.observe(&seen(Sign::Gone), at(100)), []);
        assert_eq!(tracker.observe(&seen(Sign::Gone), at(104)), [], "too soon after the first look");
        let found = tracker.observe(&seen(Sign::Gone), at(105));
        assert_eq!(found[0].outcome, Outcome::Taken { at: at(100) });
    }

    #[test]
    fn a_folder_that_turns_out_to_be_a_share_asks_for_more_looks_from_then_on() {
        let mut tracker = tracker();
        assert_eq!(tracker.observe(&seen(Sign::Gone), at(100)), []);
        tracker.keep_pace(&pace(3, 15));
        assert_eq!(tracker.observe(&seen(Sign::Gone), at(105)), []);
        assert_eq!(tracker.observe(&seen(Sign::Gone), at(115)), []);
        let found = tracker.observe(&seen(Sign::Gone), at(130));
        assert_eq!(found[0].outcome, Outcome::Taken { at: at(100) });
    }

    #[test]
    fn a_file_that_shows_up_again_starts_anew() {
        let mut tracker = tracker();
        tracker.observe(&seen(Sign::Gone), at(100));
        tracker.observe(&seen(Sign::Waiting), at(105));
        assert_eq!(tracker.observe(&seen(Sign::Gone), at(110)), []);
        let found = tracker.observe(&seen(Sign::Gone), at(120));
        assert_eq!(found[0].outcome, Outcome::Taken { at: at(110) });
    }

    #[test]
    fn a_clock_that_is_set_back_starts_anew_and_does_not_stall() {
        let mut tracker = tracker();
        tracker.observe(&seen(Sign::Gone), at(10_000));
        assert_eq!(tracker.observe(&seen(Sign::Gone), at(100)), []);
        let found = tracker.observe(&seen(Sign::Gone), at(105));
        assert_eq!(found[0].outcome, Outcome::Taken { at: at(100) });
    }

    #[test]
    fn the_done_folder_and_the_rejects_folder_prove_at_once() {
        let found = tracker().observe(&seen(Sign::MovedToDone), at(7));
        assert_eq!(found[0].outcome, Outcome::Taken { at: at(7) });
        let found = tracker().observe(&seen(Sign::Rejected), at(7));
        assert_eq!(found[0].outcome, Outcome::Rejected { at: at(7) });
    }
}
