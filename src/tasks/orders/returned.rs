//! Files that are done with, and show up again; and tills that say another thing later than their files did.
//!
//! Promises: a file that shows up again although the till has booked its order is taken away at once, because it would be
//! booked twice; where only its absence had proved that, the order waits again and counts as not deducted. A refusal
//! that comes later than the proof counts, and so does the till's word that a second try went well.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::observe::{LATE_WORD, Look, Seen, evidence_of_refusal, name_of};
use super::{Figures, Orders, go_on};
use crate::domain::evidence::{
    self, AnswerSays, Basis, Sign, Whereabouts, is_declared, is_weak, is_word_of_till, said_by_till, said_in_part,
};
use crate::ledger::Result;
use crate::ledger::files::FileOrder;
use crate::ledger::watched::{Ended, WatchedFile};
use crate::ports::{EposError, FileNames, Sighting, Withdrawal};

/// Would the order be there twice if the till took this file once more?
fn would_double(one: &WatchedFile) -> bool {
    match one.ended {
        Ended::Lost => true,
        Ended::Taken => one.is_superseded || !is_weak(evidence_of(one)),
        Ended::Rejected => one.is_superseded,
    }
}

/// What proved the end of its one order.
fn evidence_of(one: &WatchedFile) -> &str {
    one.file.orders.first().map_or("", |order| &order.evidence)
}

impl Orders {
    /// Takes files away whose orders the till has booked, or that were written again since. `waiting` are the names of
    /// files that wait for the till as they should.
    pub(super) fn take_away_what_came_back(
        &self,
        look: &mut Look<'_>,
        watched: &[WatchedFile],
        waiting: &HashSet<&str>,
        figures: &mut Figures,
    ) -> Result<Option<EposError>> {
        let mut trouble = None;
        let mut tried: HashMap<&str, Withdrawal> = HashMap::new();
        for one in watched.iter().filter(|one| would_double(one) && !waiting.contains(name_of(&one.file))) {
            let name = name_of(&one.file);
            let lies_there = look.seen.get(name).is_some_and(|sighting| sighting.sign == Sign::Waiting);
            // A till that leaves files where they are has not put this one back.
            let never_left = one.file.left_at.is_none() && !one.is_superseded;
            if !lies_there || never_left || self.is_strange(name) {
                continue;
            }
            if look.taken_away.insert(name.to_owned()) && !self.rests(name) {
                match self.unless_held(name, self.take_away_again(&one.file.names)) {
                    Ok(outcome) => tried.extend(outcome.map(|outcome| (name, outcome))),
                    Err(error) => trouble = trouble.or(Some(error)),
                }
            }
            let Some(outcome) = tried.get(name).copied() else { continue };
            let evidence = taken_away(evidence_of(one), outcome);
            // What cannot be taken away is told once, not at each look.
            if outcome == Withdrawal::Gone && evidence == evidence_of(one) {
                continue;
            }
            for order in &one.file.orders {
                self.shop.ledger.order_came_back_late(name, &order.id, &evidence, look.now)?;
                figures.came_back += 1;
            }
        }
        Ok(trouble)
    }

    /// The till refused all of a file and left it where it is: it could take it up again after the order was written
    /// anew, or booked by hand. By then that is noted, so that a crash in between has nothing written anew.
    pub(super) fn take_away_what_was_refused(
        &self,
        look: &Look<'_>,
        watched: &[WatchedFile],
        waiting: &HashSet<&str>,
    ) -> Option<EposError> {
        let is_left_there = |one: &&WatchedFile| {
            let name = name_of(&one.file);
            one.ended == Ended::Rejected
                && one.file.left_at.is_none()
                && is_word_of_till(evidence_of(one))
                && look.seen.get(name).is_some_and(|sighting| sighting.sign == Sign::Waiting)
                && !waiting.contains(name)
                && !self.is_strange(name)
        };
        let mut trouble = None;
        for one in watched.iter().filter(is_left_there) {
            let mut others = watched.iter().filter(|other| name_of(&other.file) == name_of(&one.file));
            let name = name_of(&one.file);
            if others.all(|other| other.ended == Ended::Rejected)
                && !self.rests(name)
                && let Err(error) = self.unless_held(name, self.shop.epos.withdraw(&one.file.names))
            {
                trouble = trouble.or(Some(error));
            }
        }
        trouble
    }

    /// Of an order file that came back without its lines, the order file at least.
    fn take_away_again(&self, names: &FileNames) -> std::result::Result<Withdrawal, EposError> {
        match self.shop.epos.withdraw(names)? {
            Withdrawal::Gone if !names.beside.is_empty() => self.shop.epos.withdraw(&names.name.as_str().into()),
            outcome @ (Withdrawal::Gone | Withdrawal::Withdrawn) => Ok(outcome),
        }
    }

    /// What a look says of files that are done with.
    pub(super) fn look_back(&self, look: &Look<'_>, watched: &[WatchedFile], figures: &mut Figures) -> Result<()> {
        for one in watched.iter().filter(|one| !look.taken_away.contains(name_of(&one.file))) {
            let Some(sighting) = look.seen.get(name_of(&one.file)).copied() else { continue };
            if one.file.left_at.is_none() && sighting.sign != Sign::Waiting {
                self.shop.ledger.file_left(name_of(&one.file), look.now)?;
            }
            if one.is_superseded || one.ended == Ended::Lost {
                continue;
            }
            for order in &one.file.orders {
                self.look_back_at(look, one, order, sighting, figures)?;
            }
        }
        Ok(())
    }

    fn look_back_at(
        &self,
        look: &Look<'_>,
        one: &WatchedFile,
        order: &FileOrder,
        sighting: &Sighting,
        figures: &mut Figures,
    ) -> Result<()> {
        let seen = self.judged(look, &one.file, order, sighting, place_of(sighting.sign, look.now));
        if let Some(lost) = look.lost(&one.file, order)
            && self.carry_out_lost(lost, &seen, figures)?
        {
            return Ok(());
        }
        if seen.in_place() && one.file.left_at.is_some() && seen.said.is_none() && !would_double(one) {
            return self.note_came_back(&one.file, order, look.now, figures);
        }
        // A person's word is the last one.
        if is_declared(&order.evidence) || one.ended_at < look.now - LATE_WORD {
            return Ok(());
        }
        go_on(self.note_late(one.ended, &seen, figures)).map(|_| ())
    }

    /// The till says, or its folders show, another thing than before.
    fn note_late(&self, ended: Ended, seen: &Seen<'_>, figures: &mut Figures) -> Result<()> {
        let (file, order, now) = (seen.file, seen.order, seen.now);
        match (ended, seen.said.map(|answer| answer.says)) {
            (Ended::Taken, Some(AnswerSays::Refused)) => {
                let evidence = said_by_till(seen.by());
                self.shop.ledger.order_refused(file, order, &seen.proof(now, &evidence), now)?;
                figures.rejected += 1;
            }
            (Ended::Taken, None) if seen.sighting.sign == Sign::Rejected => {
                let evidence = evidence_of_refusal(seen, Basis::Whereabouts);
                self.shop.ledger.order_refused(file, order, &seen.proof(now, &evidence), now)?;
                figures.rejected += 1;
            }
            (Ended::Taken, Some(AnswerSays::Partly)) => {
                self.shop.ledger.order_left(file, order, &seen.proof(now, &said_in_part(seen.by())), now)?;
                figures.unproved += 1;
            }
            (Ended::Taken, Some(AnswerSays::Booked)) if !is_weak(&order.evidence) => {}
            (Ended::Taken | Ended::Rejected, Some(AnswerSays::Booked)) => {
                let evidence = said_by_till(seen.by());
                self.shop.ledger.order_proved(file, order, &seen.proof(now, &evidence), now)?;
                figures.taken += u64::from(ended == Ended::Rejected);
            }
            (Ended::Taken, None) | (Ended::Rejected, Some(AnswerSays::Refused | AnswerSays::Partly) | None) => {}
            (Ended::Lost, _) => {}
        }
        Ok(())
    }
}

/// Where a file is that is done with: it was seen to be gone often enough before.
fn place_of(sign: Sign, now: Timestamp) -> Whereabouts {
    match sign {
        Sign::Waiting => Whereabouts::Waiting,
        Sign::Rejected => Whereabouts::Rejected,
        Sign::MovedToDone => Whereabouts::MovedToDone,
        Sign::Renamed => Whereabouts::Renamed,
        Sign::Gone => Whereabouts::Gone { since: now },
    }
}

/// The evidence of a file that came back and was to be taken away.
fn taken_away(before: &str, outcome: Withdrawal) -> String {
    let mark = format!("; {}", evidence::CAME_BACK);
    let proved = before.split_once(&mark).map_or(before, |(proved, _)| proved);
    let what = match outcome {
        Withdrawal::Withdrawn => "and was taken away, so that the till does not book it twice",
        Withdrawal::Gone => "and was gone again before it could be taken away",
    };
    format!("{proved}; {} {what}", evidence::CAME_BACK)
}
