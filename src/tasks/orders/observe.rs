//! What became of published files, from looks at the till's folders, answers and reports.
//!
//! Promises: a look that failed concludes nothing, and what was seen before it is not in a row with what comes after; what
//! is noted has its evidence beside it; of each order in a file its own outcome; one look for all.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::{Attempt, Figures, Looks, Orders, go_on};
use crate::domain::evidence::{
    self, Basis, EvidenceTracker, Judgement, Pace, Sign, Whereabouts, judge, said_by_till, said_in_part,
};
use crate::ledger::Result;
use crate::ledger::declarations::{Declaration, Word};
use crate::ledger::fates::Proof;
use crate::ledger::files::{FileOrder, FileState, OpenFile};
use crate::ledger::orders::AGENT;
use crate::ledger::watched::WatchedFile;
use crate::ports::{Answer, Awaited, Purpose, Sighting};

/// How long a till may take to say another thing of an order than its file said.
pub(super) const LATE_WORD: SignedDuration = SignedDuration::from_hours(24);
/// For how long files that are done with are looked for in the import folder.
pub(super) const LOOKED_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// One look, and what is to be concluded from it.
pub(super) struct Look<'a> {
    pub(super) seen: HashMap<&'a str, &'a Sighting>,
    pub(super) declared: &'a [Declaration],
    /// Files that came back and are not to stay, whether they could be taken away or not.
    pub(super) taken_away: HashSet<String>,
    pub(super) now: Timestamp,
}

impl Look<'_> {
    /// Does a person say that the till lost this order?
    pub(super) fn lost(&self, file: &OpenFile, order: &FileOrder) -> Option<&Declaration> {
        if file.purpose != Purpose::Order {
            return None;
        }
        self.declared.iter().find(|declared| declared.order == order.id && declared.word == Word::Lost)
    }
}

/// All that one look says of one order.
pub(super) struct Seen<'a> {
    pub(super) file: &'a OpenFile,
    pub(super) order: &'a FileOrder,
    pub(super) sighting: &'a Sighting,
    pub(super) said: Option<&'a Answer>,
    pub(super) place: Whereabouts,
    pub(super) judgement: Judgement,
    pub(super) now: Timestamp,
}

impl<'a> Seen<'a> {
    pub(super) fn in_place(&self) -> bool {
        self.sighting.sign == Sign::Waiting
    }

    /// Where the till's word stands.
    pub(super) fn by(&self) -> &'a str {
        self.said.map_or("", |answer| &answer.by)
    }

    /// What it proves, for the ledger.
    pub(super) fn proof<'e>(&self, at: Timestamp, evidence: &'e str) -> Proof<'e> {
        Proof { at, evidence, in_place: self.in_place(), by: AGENT }
    }
}

/// What the till says of an order in a file.
fn answer_for<'a>(sighting: &'a Sighting, order: &FileOrder) -> Option<&'a Answer> {
    sighting.answers.iter().find(|answer| answer.order == order.id)
}

impl Orders {
    pub(super) fn observe(&self, looks: &mut Looks, figures: &mut Figures) -> Attempt {
        let now = self.shop.clock.now();
        let declared = self.declarations(now)?;
        let mut open = self.shop.ledger.open_files()?;
        open.retain(|file| {
            matches!(file.state, FileState::Visible | FileState::Left) && !self.is_strange(&file.names.name)
        });
        let watched = self.shop.ledger.watched_files(now - LOOKED_FOR)?;
        let awaited = awaited(&open, &watched, now);
        let sightings = match self.shop.epos.look_at_orders(&awaited, now) {
            Ok(sightings) => sightings,
            Err(error) => {
                looks.tracker.forget_all();
                return Ok(Err(error));
            }
        };
        let remark = |sighting: &Sighting| Some((sighting.name.clone(), sighting.remark.clone()?));
        looks.remarks = sightings.iter().filter_map(remark).collect();
        let seen = sightings.iter().map(|sighting| (sighting.name.as_str(), sighting)).collect();
        let mut look = Look { seen, declared: &declared, taken_away: HashSet::new(), now };
        let waiting: HashSet<&str> = open.iter().filter(|file| file.state == FileState::Visible).map(name_of).collect();
        looks.tracker.keep_only(|name| waiting.contains(name));
        let mut trouble = self.take_away_what_came_back(&mut look, &watched, &waiting, figures)?;
        trouble = trouble.or(self.take_away_what_was_refused(&look, &watched, &waiting));
        // Groups of one file's orders share one look.
        let mut places = HashMap::new();
        for file in &open {
            let Some(sighting) = look.seen.get(name_of(file)).copied() else { continue };
            let place = *places
                .entry((name_of(file), file.state == FileState::Visible))
                .or_insert_with(|| self.place_of(file, sighting.sign, &mut looks.tracker, now));
            trouble = trouble.or(self.conclude(&look, file, sighting, place, figures)?.err());
        }
        self.look_back(&look, &watched, figures)?;
        Ok(trouble.map_or(Ok(()), Err))
    }

    fn place_of(&self, file: &OpenFile, sign: Sign, tracker: &mut EvidenceTracker, now: Timestamp) -> Whereabouts {
        match (file.state, sign) {
            // It was seen to be gone often enough before.
            (FileState::Left, Sign::Gone) => Whereabouts::Gone { since: file.left_at.unwrap_or(now) },
            _ => {
                let pace = self.shop.epos.pace();
                let every = SignedDuration::try_from(pace.order_gone_every).unwrap_or(SignedDuration::MAX);
                let pace = Pace { looks: pace.order_gone_looks, every };
                tracker.observe(name_of(file), sign, pace, now)
            }
        }
    }

    /// What a look says of the orders in a file that is not done with.
    fn conclude(
        &self,
        look: &Look<'_>,
        file: &OpenFile,
        sighting: &Sighting,
        place: Whereabouts,
        figures: &mut Figures,
    ) -> Attempt {
        if file.state == FileState::Left && file.left_at.is_none() && sighting.sign != Sign::Waiting {
            self.shop.ledger.file_left(name_of(file), look.now)?;
        }
        let judged: Vec<Seen<'_>> =
            file.orders.iter().map(|order| self.judged(look, file, order, sighting, place)).collect();
        for seen in &judged {
            if let Some(lost) = look.lost(file, seen.order)
                && self.carry_out_lost(lost, seen, figures)?
            {
                continue;
            }
            let lies_there_again = file.state == FileState::Left && file.left_at.is_some() && seen.in_place();
            if lies_there_again && seen.judgement == Judgement::Waits {
                if !look.taken_away.contains(name_of(file)) {
                    self.note_came_back(file, seen.order, look.now, figures)?;
                }
                continue;
            }
            go_on(self.note(seen, figures))?;
        }
        Ok(Ok(()))
    }

    /// What one look says of one order.
    pub(super) fn judged<'a>(
        &self,
        look: &Look<'_>,
        file: &'a OpenFile,
        order: &'a FileOrder,
        sighting: &'a Sighting,
        place: Whereabouts,
    ) -> Seen<'a> {
        let said = answer_for(sighting, order);
        let judgement = judge(self.shop.settings.evidence, place, said.map(|answer| answer.says), look.now);
        Seen { file, order, sighting, said, place, judgement, now: look.now }
    }

    /// Notes what is believed of one order.
    fn note(&self, seen: &Seen<'_>, figures: &mut Figures) -> Result<()> {
        let (file, order, now) = (seen.file, seen.order, seen.now);
        match seen.judgement {
            Judgement::Waits => {}
            // The till said once that a part is missing; that its words are gone by now does not unsay them. And that a file
            // has gone which the agent took away is no sign of the till's.
            Judgement::Booked { basis: Basis::Whereabouts, .. } | Judgement::Left { .. }
                if evidence::is_in_part(&order.evidence) || evidence::is_taken_away(&order.evidence) => {}
            Judgement::Booked { at, basis } => {
                let evidence = match basis {
                    Basis::Word => said_by_till(seen.by()),
                    Basis::Whereabouts => evidence_of_place(seen),
                };
                self.shop.ledger.order_proved(file, order, &seen.proof(at, &evidence), now)?;
                figures.taken += 1;
            }
            Judgement::Refused { basis } => {
                let evidence = evidence_of_refusal(seen, basis);
                self.shop.ledger.order_refused(file, order, &seen.proof(now, &evidence), now)?;
                figures.rejected += 1;
            }
            Judgement::Partly if file.state == FileState::Left && evidence::is_in_part(&order.evidence) => {}
            Judgement::Partly => {
                self.shop.ledger.order_left(file, order, &seen.proof(now, &said_in_part(seen.by())), now)?;
                figures.unproved += 1;
            }
            Judgement::Left { .. } if file.state == FileState::Left => {}
            Judgement::Left { at } => {
                let evidence = format!("{}; nothing proves yet that the till booked it", evidence_of_place(seen));
                self.shop.ledger.order_left(file, order, &seen.proof(at, &evidence), now)?;
                figures.unproved += 1;
            }
        }
        Ok(())
    }

    /// Nothing strong proved that the till booked it: it waits again, and counts as not deducted.
    pub(super) fn note_came_back(
        &self,
        file: &OpenFile,
        order: &FileOrder,
        now: Timestamp,
        figures: &mut Figures,
    ) -> Result<()> {
        let evidence = format!("{} after it had gone ({})", evidence::CAME_BACK, order.evidence);
        let noted = go_on(self.shop.ledger.order_came_back(file, order, &evidence, now))?;
        figures.came_back += u64::from(noted.is_some());
        Ok(())
    }
}

pub(super) fn name_of(file: &OpenFile) -> &str {
    &file.names.name
}

/// The evidence of where a file is.
fn evidence_of_place(seen: &Seen<'_>) -> String {
    let place = match (seen.sighting.sign, &seen.sighting.found_as) {
        (Sign::Renamed, Some(found_as)) => evidence::renamed_to(found_as),
        (Sign::MovedToDone | Sign::Renamed, _) => evidence::MOVED.to_owned(),
        (Sign::Gone | Sign::Waiting | Sign::Rejected, _) => evidence::GONE.to_owned(),
    };
    if seen.order.evidence.contains(evidence::CAME_BACK) {
        return format!("{place}; before that {} after it had gone", evidence::CAME_BACK);
    }
    place
}

/// The evidence of a refusal.
pub(super) fn evidence_of_refusal(seen: &Seen<'_>, basis: Basis) -> String {
    match (basis, &seen.sighting.found_as) {
        (Basis::Word, _) => said_by_till(seen.by()),
        (Basis::Whereabouts, Some(found_as)) => {
            format!("{}, as the till does with what it refuses", evidence::renamed_to(found_as))
        }
        (Basis::Whereabouts, None) => evidence::REFUSED.to_owned(),
    }
}

/// All that is looked for, each file once: those that are not done with, and those that may come back.
fn awaited(open: &[OpenFile], watched: &[WatchedFile], now: Timestamp) -> Vec<Awaited> {
    let mut files: Vec<Awaited> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let ended = watched.iter().map(|one| {
        let awaited = one.file.awaited();
        let may_be_spoken_of = !one.is_superseded && one.ended_at >= now - LATE_WORD;
        if may_be_spoken_of { awaited } else { Awaited { orders: Vec::new(), ..awaited } }
    });
    for one in open.iter().map(OpenFile::awaited).chain(ended) {
        let at = *places.entry(one.names.name.clone()).or_insert(files.len());
        match files.get_mut(at) {
            Some(known) => {
                known.is_expected |= one.is_expected;
                known.orders.extend(one.orders);
            }
            None => files.push(one),
        }
    }
    files
}
