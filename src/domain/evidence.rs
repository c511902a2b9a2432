//! Has the till booked an order? What its folders and its own words prove, by the rules of its profile.
//!
//! Promises: what the till says of an order wins over the whereabouts of its file, and among equals a refusal comes
//! first; *gone* is believed only after several successful looks in a row, some time apart and not so far apart that the
//! clock must have jumped or the agent was away, and counts from the first of them; a file that still waits was not taken; whatever the rules do not call a proof leaves the order unproved.
//! Does not promise that the till booked it rightly: only that this is what was seen, and when it was first seen.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

/// What the whereabouts of an order file say, in one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Still in the import folder, or a part of it.
    Waiting,
    /// In the rejects folder, or under the name that the till gives to what it refuses.
    Rejected,
    /// In the folder for what the till has done: taken.
    MovedToDone,
    /// Where it lay, under the name that the till gives to what it has taken.
    Renamed,
    /// In none of them.
    Gone,
}

/// What a till's answer says of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerSays {
    /// It is booked.
    Booked,
    /// Some of it is booked, some is not: a person has to look.
    Partly,
    /// It is refused.
    Refused,
}

/// Which whereabouts of a file prove that the till booked its orders. The till's own words always do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvidenceRules {
    /// That it is in no folder any more.
    pub gone_proves: bool,
    /// That it is in the folder for what is done, or has its new name.
    pub moved_proves: bool,
}

/// The evidence of a file that is in none of the folders. It is weak: a person may have tidied up.
pub const GONE: &str = "gone from the import folder";
/// The evidence of a file in the folder for what is done.
pub const MOVED: &str = "moved to the done folder";
/// The evidence of a file in the rejects folder.
pub const REFUSED: &str = "found in the rejects folder";
/// How evidence begins that is the till's own word.
const SAID: &str = "the till says so in ";
/// How evidence begins of an order of which the till says that it booked a part.
const PARTLY: &str = "booked in part, as the till says in ";
/// How evidence begins that is a person's word.
const DECLARED: &str = "declared ";
/// What evidence contains of a file that lay in the import folder again after it had gone.
pub const CAME_BACK: &str = "the file came back";

/// Evidence that the till itself says so, there.
pub fn said_by_till(by: &str) -> String {
    format!("{SAID}{by}")
}

/// Evidence that the till says that it booked a part of the order.
pub fn said_in_part(by: &str) -> String {
    format!("{PARTLY}{by}")
}

/// Evidence that a person says so.
pub fn declared_by(word: &str, by: &str) -> String {
    format!("{DECLARED}{word} by {by}")
}

/// Evidence of a file that the till gave another name.
pub fn renamed_to(name: &str) -> String {
    format!("renamed to {name}")
}

/// May a person have tidied up, so that a file that shows up again may never have been booked?
pub fn is_weak(evidence: &str) -> bool {
    evidence.starts_with(GONE)
}

/// Is it the till's own word?
pub fn is_word_of_till(evidence: &str) -> bool {
    evidence.starts_with(SAID)
}

/// Is it the till's word that it booked a part?
pub fn is_in_part(evidence: &str) -> bool {
    evidence.starts_with(PARTLY)
}

/// The evidence of an order whose file the agent took away after the till had begun with it.
pub const TAKEN_AWAY: &str = "taken away after the till had begun with the file";

/// Did the agent itself take the file away? Then where it is says nothing.
pub fn is_taken_away(evidence: &str) -> bool {
    evidence.starts_with(TAKEN_AWAY)
}

/// Is it a person's word?
pub fn is_declared(evidence: &str) -> bool {
    evidence.starts_with(DECLARED)
}

/// Looks further apart than this do not count together, unless they are meant to be as rare: no sweep pauses for so long,
/// so the clock was set forward and no time has passed at all, or the machine slept and nobody knows what happened.
const LONGEST_BETWEEN_LOOKS: SignedDuration = SignedDuration::from_mins(3);

/// How often a file must be seen to be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Successful looks in a row.
    pub looks: u32,
    /// At least so far apart.
    pub every: SignedDuration,
}

impl Pace {
    /// How far apart looks may be to count together. Where rare looks are asked for, one may also be late.
    fn longest(self) -> SignedDuration {
        LONGEST_BETWEEN_LOOKS.max(self.every.saturating_mul(2))
    }
}

/// Where a file is, by this look and those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// Still in the import folder.
    Waiting,
    /// Not seen in this look; that alone proves nothing.
    Unsure,
    /// Refused.
    Rejected,
    /// In the folder for what is done.
    MovedToDone,
    /// Under its new name.
    Renamed,
    /// Gone, since the first look that showed it.
    Gone {
        /// That look.
        since: Timestamp,
    },
}

/// On what a judgement rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The till says so.
    Word,
    /// Where the file is.
    Whereabouts,
}

/// What is to be believed of one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing new.
    Waits,
    /// The till booked it, at this time at the latest.
    Booked {
        /// The first look that showed it.
        at: Timestamp,
        /// By what.
        basis: Basis,
    },
    /// The till refused it.
    Refused {
        /// By what.
        basis: Basis,
    },
    /// The till says that it booked a part of it. It counts as not booked.
    Partly,
    /// Its file has left the import folder, and nothing proves that the till booked it.
    Left {
        /// The first look that showed it.
        at: Timestamp,
    },
}

/// What is to be believed of one order, from where its file is and what the till said of it.
pub fn judge(rules: EvidenceRules, place: Whereabouts, said: Option<AnswerSays>, now: Timestamp) -> Judgement {
    match said {
        Some(AnswerSays::Refused) => return Judgement::Refused { basis: Basis::Word },
        Some(AnswerSays::Booked) => return Judgement::Booked { at: now, basis: Basis::Word },
        Some(AnswerSays::Partly) => return Judgement::Partly,
        None => {}
    }
    let proved_if = |proves: bool, at: Timestamp| {
        if proves { Judgement::Booked { at, basis: Basis::Whereabouts } } else { Judgement::Left { at } }
    };
    match place {
        Whereabouts::Waiting | Whereabouts::Unsure => Judgement::Waits,
        Whereabouts::Rejected => Judgement::Refused { basis: Basis::Whereabouts },
        Whereabouts::MovedToDone | Whereabouts::Renamed => proved_if(rules.moved_proves, now),
        Whereabouts::Gone { since } => proved_if(rules.gone_proves, since),
    }
}

/// Looks in a row in which a file was gone.
#[derive(Debug, Clone, Copy)]
struct Gone {
    first: Timestamp,
    /// The last look that counted.
    counted: Timestamp,
    /// The last look at all.
    last: Timestamp,
    looks: u32,
}

/// Collects looks at files that were waiting when last heard of.
#[derive(Debug, Default)]
pub struct EvidenceTracker {
    gone: HashMap<String, Gone>,
}

impl EvidenceTracker {
    /// A look failed, or nothing was looked for: what was seen before it and what comes after are not in a row.
    pub fn forget_all(&mut self) {
        self.gone.clear();
    }

    /// Forgets files that are not looked for any more.
    pub fn keep_only(&mut self, is_awaited: impl Fn(&str) -> bool) {
        self.gone.retain(|name, _| is_awaited(name));
    }

    /// Takes what one successful look showed of a file; says where it is by that and the looks before.
    pub fn observe(&mut self, name: &str, sign: Sign, pace: Pace, now: Timestamp) -> Whereabouts {
        if sign != Sign::Gone {
            self.gone.remove(name);
        }
        match sign {
            Sign::Waiting => Whereabouts::Waiting,
            Sign::Rejected => Whereabouts::Rejected,
            Sign::MovedToDone => Whereabouts::MovedToDone,
            Sign::Renamed => Whereabouts::Renamed,
            Sign::Gone => self.one_more(name, pace, now),
        }
    }

    fn one_more(&mut self, name: &str, pace: Pace, now: Timestamp) -> Whereabouts {
        let first_look = Gone { first: now, counted: now, last: now, looks: 0 };
        let gone = self.gone.entry(name.to_owned()).or_insert(first_look);
        let paused = now.duration_since(gone.last);
        // By a clock that was set, or after a sleep, the earlier looks say nothing about times any more.
        if paused.is_negative() || paused > pace.longest() {
            *gone = first_look;
        }
        gone.last = now;
        if gone.looks == 0 || now.duration_since(gone.counted) >= pace.every {
            gone.looks += 1;
            gone.counted = now;
        }
        if gone.looks < pace.looks.max(1) { Whereabouts::Unsure } else { Whereabouts::Gone { since: gone.first } }
    }
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
