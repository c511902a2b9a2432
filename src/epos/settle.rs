//! When a file has stopped changing. Pure: listings and times come in, verdicts go out.
//!
//! Promises: a file is settled only after several equal observations with pauses between them, and a least age by our
//! own clock; an empty file never is; whatever changes starts anew. While a file changes, the time at which it was
//! surely not there stays that of *before* the changes: the till's query may be as old as the first byte. A pause between
//! looks that is longer than any sweep proves no stillness: the clock may have jumped.
//! Does not promise anything about a listing that failed: it must not be given to it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::{SignedDuration, Timestamp};

use super::volume::FileId;
use crate::domain::stock::Timing;
use crate::ports::{Cause, Companion, ExportLook, Pace, SettledExport, Unsettled};

/// Looks further apart than this do not count together: nothing that sweeps pauses for so long, so the agent was away,
/// or the clock was set forward and no time has passed at all.
const LONGEST_BETWEEN_LOOKS: SignedDuration = SignedDuration::from_mins(3);
/// Files dealt with that were last changed so long ago need not be looked at in each sweep.
const RESTS_AFTER: SignedDuration = SignedDuration::from_hours(24);
/// Of those, so many are looked at in each sweep all the same; on a share each look is a question to the server.
const RESTING_PER_SWEEP: usize = 2_000;

/// What is seen of a file through an open handle.
#[derive(Debug, Clone)]
pub(super) struct Observation {
    pub(super) bytes: u64,
    pub(super) modified: Option<Timestamp>,
    /// `None` on a share, where it says nothing.
    pub(super) id: Option<FileId>,
    /// The file beside it that proves it whole. Few have one, and there may be 100,000 files.
    pub(super) companion: Option<Box<Companion>>,
}

impl Observation {
    /// Is the file itself the same, whatever lies beside it?
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        // A folder may count as a share for a while; its files are no others for that.
        let is_other = self.id.zip(other.id).is_some_and(|(own, other)| own != other);
        (self.bytes, self.modified) == (other.bytes, other.modified) && !is_other
    }

    /// The same file, with the same beside it?
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.is_same_file(other) && self.companion == other.companion
    }
}

/// One file in one look.
#[derive(Debug, Clone)]
pub(super) enum Seen {
    Observed(Observation),
    /// It is there; what else it is was not looked at this time.
    Resting,
    Unreadable(String, Cause),
}

impl Seen {
    /// Does it show another file than the one that is known?
    fn is_news(&self, known: Option<&Watched>) -> bool {
        match (self, known) {
            (_, None) => true,
            (Self::Observed(seen), Some(known)) => {
                known.observation.as_ref().is_some_and(|before| !before.is_same(seen))
            }
            (Self::Resting | Self::Unreadable(..), Some(_)) => false,
        }
    }
}

/// How much stillness is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct SettleRules {
    pub(super) looks: u32,
    pub(super) every: SignedDuration,
    pub(super) age: SignedDuration,
}

impl SettleRules {
    pub(super) fn of(pace: &Pace) -> Self {
        let signed = |span| SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
        Self { looks: pace.settle_looks, every: signed(pace.settle_every), age: signed(pace.settle_age) }
    }
}

/// Remembers what earlier looks saw.
#[derive(Debug, Default)]
pub(super) struct SettleTracker {
    files: HashMap<String, Watched>,
    last_look: Option<Timestamp>,
    /// Running number of looks.
    number: u64,
    /// Did the last look find another folder than the one before it?
    changed: bool,
    /// Files that were let rest in the last look, or could have been.
    resting: usize,
}

#[derive(Debug, Clone)]
struct Watched {
    /// `None` while it could never be read.
    observation: Option<Observation>,
    /// Its observation has stood still for long enough.
    settled: bool,
    /// The last look could not open it.
    unreadable: bool,
    /// The caller has dealt with this content.
    set_aside: bool,
    /// The till writes under this name again and again.
    rewritten: bool,
    /// The look that last saw the file at all.
    in_look: u64,
    declared: Option<Timestamp>,
    first_seen: Timestamp,
    last_absent: Option<Timestamp>,
    /// The last look that saw exactly this observation.
    last_present: Timestamp,
    /// The last look that counted.
    last_counted: Timestamp,
    /// Since when looks count together.
    still_since: Timestamp,
    looks: u32,
}

impl SettleTracker {
    /// Tells of a look in an earlier run, so that files which appeared since can be dated.
    pub(super) fn seed_last_look(&mut self, at: Timestamp) {
        self.last_look = self.last_look.or(Some(at));
    }

    /// A time at which no file that is still to be dealt with was there: what a later run may be seeded with.
    pub(super) fn last_look(&self) -> Option<Timestamp> {
        let mut earliest = self.last_look?;
        for file in self.files.values().filter(|file| !file.set_aside) {
            earliest = earliest.min(file.last_absent?);
        }
        Some(earliest)
    }

    /// Is this file settled with exactly this observation? Then it need not be opened again.
    pub(super) fn is_settled_as(&self, name: &str, observation: &Observation) -> bool {
        self.files.get(name).is_some_and(|file| file.settled && file.shows(observation))
    }

    /// Did the last look find another folder than the one before it?
    pub(super) fn has_changed(&self) -> bool {
        self.changed
    }

    /// May this file rest in the coming look? Only where there are many that were dealt with long ago: then each has its
    /// turn. A name without a number is written again and again; it never rests.
    pub(super) fn may_rest(&self, name: &str, number: Option<u64>, now: Timestamp) -> bool {
        let Some(file) = self.files.get(name) else { return false };
        let is_old = |observation: &Observation| {
            observation.modified.is_some_and(|modified| now.duration_since(modified) >= RESTS_AFTER)
                && number.is_none_or(|number| observation.id.is_none_or(|id| id.number == number))
        };
        let is_done = file.settled && file.set_aside && !file.unreadable && !file.rewritten;
        let may = is_done && file.observation.as_ref().is_some_and(is_old) && name.bytes().any(|b| b.is_ascii_digit());
        let groups = self.resting.div_ceil(RESTING_PER_SWEEP) as u64;
        may && groups > 1 && group_of(name, groups) != self.number % groups
    }

    /// The content has been dealt with: it is not reported again until it changes.
    pub(super) fn set_aside(&mut self, export: &SettledExport) {
        if let Some(file) = self.files.get_mut(&export.name)
            && file.observation.as_ref().is_some_and(|seen| {
                (seen.bytes, seen.modified, seen.companion.as_deref())
                    == (export.bytes, export.timing.modified, export.companion.as_ref())
            })
        {
            file.set_aside = true;
        }
    }

    /// Takes in one successful listing. `declared` reads a time from a file's name.
    pub(super) fn look(
        &mut self,
        rules: &SettleRules,
        listing: Vec<(String, Seen)>,
        now: Timestamp,
        declared: impl Fn(&str) -> Option<Timestamp>,
    ) -> ExportLook {
        self.mind_the_clock(now);
        self.number += 1;
        let mut look = ExportLook::default();
        let mut resting = 0;
        self.changed = false;
        for (name, seen) in listing {
            let known = self.files.remove(&name);
            self.changed |= seen.is_news(known.as_ref());
            let mut watched = match (seen, known) {
                (Seen::Observed(observation), known) => {
                    self.observed(known, observation, rules, now, || declared(&name))
                }
                (Seen::Resting, Some(known)) => known,
                // It was forgotten meanwhile: the next look sees it as new.
                (Seen::Resting, None) => continue,
                (Seen::Unreadable(reason, cause), known) => {
                    look.unsettled.push(Unsettled { name: name.clone(), reason, cause });
                    self.unreadable(known, now)
                }
            };
            watched.in_look = self.number;
            resting += usize::from(watched.set_aside);
            watched.report(&name, rules, &mut look);
            self.files.insert(name, watched);
        }
        let before = self.files.len();
        self.files.retain(|_, file| file.in_look == self.number);
        self.changed |= self.files.len() < before;
        self.resting = resting;
        self.last_look = Some(now);
        look.settled.sort_by_cached_key(|export| (export.timing.place(), export.name.clone()));
        look
    }

    /// A clock that was set back makes earlier times worthless: nothing is known about when files were not there.
    fn mind_the_clock(&mut self, now: Timestamp) {
        if self.last_look.is_none_or(|last| last <= now) {
            return;
        }
        self.last_look = None;
        for file in self.files.values_mut() {
            file.last_present = Timestamp::MIN;
            if !file.settled {
                (file.first_seen, file.last_counted, file.last_absent, file.looks) = (now, now, None, 0);
                file.still_since = now;
            }
        }
    }

    fn observed(
        &self,
        known: Option<Watched>,
        observation: Observation,
        rules: &SettleRules,
        now: Timestamp,
        declared: impl Fn() -> Option<Timestamp>,
    ) -> Watched {
        let rewritten = known.as_ref().is_some_and(|known| known.settled || known.rewritten);
        let (last_absent, first_seen) = match known {
            Some(known) if known.shows(&observation) => {
                return Watched { observation: Some(observation), ..known }.seen_again(rules, now);
            }
            // Only what lies beside it has changed: its own content is as old as it was.
            Some(known) if known.observation.as_ref().is_some_and(|seen| seen.is_same_file(&observation)) => {
                (known.last_absent, known.first_seen)
            }
            // Whole before, changed now: at the last look that saw it whole, the new content was not there.
            Some(known) if known.settled => (Some(known.last_present), now),
            Some(known) => (known.last_absent, now),
            None => (self.last_look, now),
        };
        Watched {
            observation: Some(observation),
            settled: false,
            unreadable: false,
            set_aside: false,
            rewritten,
            in_look: self.number,
            // A name that tells a time to come is wrong, and must not make the export younger than it is.
            declared: declared().filter(|declared| *declared <= now),
            first_seen,
            last_absent,
            last_present: now,
            last_counted: now,
            still_since: now,
            looks: 1,
        }
    }

    fn unreadable(&self, known: Option<Watched>, now: Timestamp) -> Watched {
        match known {
            Some(known) => Watched { looks: 0, last_counted: now, still_since: now, unreadable: true, ..known },
            None => Watched {
                observation: None,
                settled: false,
                unreadable: true,
                set_aside: false,
                rewritten: false,
                in_look: self.number,
                declared: None,
                first_seen: now,
                last_absent: self.last_look,
                last_present: now,
                last_counted: now,
                still_since: now,
                looks: 0,
            },
        }
    }
}

impl Watched {
    fn shows(&self, observation: &Observation) -> bool {
        self.observation.as_ref().is_some_and(|known| known.is_same(observation))
    }

    fn seen_again(mut self, rules: &SettleRules, now: Timestamp) -> Self {
        if now.duration_since(self.last_present) > LONGEST_BETWEEN_LOOKS {
            (self.looks, self.still_since) = (0, now);
        }
        self.last_present = now;
        self.unreadable = false;
        if self.looks == 0 || now.duration_since(self.last_counted) >= rules.every {
            self.looks = self.looks.saturating_add(1);
            self.last_counted = now;
        }
        let still = self.looks >= rules.looks && now.duration_since(self.still_since) >= rules.age;
        self.settled |= still && self.observation.as_ref().is_some_and(|seen| seen.bytes > 0);
        self
    }

    fn report(&self, name: &str, rules: &SettleRules, look: &mut ExportLook) {
        let Some(observation) = self.observation.as_ref().filter(|_| !self.unreadable) else { return };
        if observation.bytes == 0 {
            look.unsettled.push(unfinished(name, "empty so far".to_owned()));
        } else if !self.settled {
            let reason = format!("seen unchanged in {} of {} looks", self.looks.min(rules.looks), rules.looks);
            look.unsettled.push(unfinished(name, reason));
        } else if !self.set_aside {
            look.settled.push(self.export(name, observation));
        }
    }

    fn export(&self, name: &str, observation: &Observation) -> SettledExport {
        let timing = Timing {
            declared: self.declared,
            first_seen: self.first_seen,
            last_absent: self.last_absent,
            modified: observation.modified,
        };
        let companion = observation.companion.as_deref().cloned();
        SettledExport { name: name.to_owned(), bytes: observation.bytes, timing, companion }
    }
}

fn unfinished(name: &str, reason: String) -> Unsettled {
    Unsettled { name: name.to_owned(), reason, cause: Cause::Unfinished }
}

/// The same name falls into the same group at each look.
fn group_of(name: &str, groups: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish() % groups
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: SettleRules =
        SettleRules { looks: 2, every: SignedDuration::from_secs(2), age: SignedDuration::from_secs(5) };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn of(bytes: u64) -> Seen {
        let modified = Some(at(1));
        Seen::Observed(Observation { bytes, modified, id: Some(FileId { volume: 1, number: 7 }), companion: None })
    }

    fn look(tracker: &mut SettleTracker, seen: &[(&str, Seen)], now: i64) -> ExportLook {
        let listing = seen.iter().map(|(name, seen)| ((*name).to_owned(), seen.clone())).collect();
        tracker.look(&RULES, listing, at(now), |_| None)
    }

    #[test]
    fn a_file_settles_after_equal_looks_apart_and_a_least_age() {
        let mut tracker = SettleTracker::default();
        look(&mut tracker, &[], 90);
        assert!(look(&mut tracker, &[("a", of(5))], 100).settled.is_empty());
        assert!(look(&mut tracker, &[("a", of(5))], 101).settled.is_empty(), "too soon to count as another look");
        assert!(look(&mut tracker, &[("a", of(5))], 103).settled.is_empty(), "two looks, but too young");
        let settled = look(&mut tracker, &[("a", of(5))], 105).settled;
        let timing = Timing { declared: None, first_seen: at(100), last_absent: Some(at(90)), modified: Some(at(1)) };
        assert_eq!(settled, [SettledExport { name: "a".into(), bytes: 5, timing, companion: None }]);
    }

    #[test]
    fn a_file_that_grows_while_looked_at_is_never_settled() {
        let mut tracker = SettleTracker::default();
        for step in 0..50 {
            let found = look(&mut tracker, &[("a", of(100 + step))], i64::try_from(step).unwrap() * 30);
            assert!(found.settled.is_empty());
            assert_eq!(found.unsettled.len(), 1);
        }
    }

    #[test]
    fn a_growing_file_was_absent_when_it_was_before_its_first_byte() {
        let mut tracker = SettleTracker::default();
        look(&mut tracker, &[], 90);
        look(&mut tracker, &[("a", of(1))], 95);
        look(&mut tracker, &[("a", of(2))], 100);
        look(&mut tracker, &[("a", of(2))], 105);
        let settled = look(&mut tracker, &[("a", of(2))], 110).settled;
        assert_eq!(settled[0].timing.first_seen, at(100));
        assert_eq!(settled[0].timing.last_absent, Some(at(90)));
    }

    #[test]
    fn a_file_written_anew_was_absent_at_the_last_look_that_saw_the_old_one() {
        let mut tracker = SettleTracker::default();
        for now in [0, 10, 20] {
            look(&mut tracker, &[("a", of(1))], now);
        }
        look(&mut tracker, &[("a", of(2))], 30);
        let settled = look(&mut tracker, &[("a", of(2))], 40).settled;
        assert_eq!((settled[0].bytes, settled[0].timing.last_absent), (2, Some(at(20))));
    }

    #[test]
    fn an_export_whose_control_file_comes_or_changes_later_is_not_younger_for_it() {
        let beside = |bytes| Companion { name: "a.ok".into(), bytes, modified: Some(at(1)) };
        let with = |bytes| match of(5) {
            Seen::Observed(seen) => Seen::Observed(Observation { companion: Some(Box::new(beside(bytes))), ..seen }),
            other => other,
        };
        let mut tracker = SettleTracker::default();
        look(&mut tracker, &[], 0);
        look(&mut tracker, &[("a", Seen::Unreadable("waits for a.ok".into(), Cause::Unfinished))], 10);
        look(&mut tracker, &[("a", with(1))], 20);
        let settled = look(&mut tracker, &[("a", with(1))], 30).settled;
        assert_eq!((settled[0].timing.last_absent, settled[0].companion.clone()), (Some(at(0)), Some(beside(1))));
        assert!(look(&mut tracker, &[("a", with(2))], 40).settled.is_empty(), "it has to stand still again");
        let settled = look(&mut tracker, &[("a", with(2))], 50).settled;
        assert_eq!((settled[0].timing.last_absent, settled[0].timing.first_seen), (Some(at(0)), at(20)));
        assert_eq!(settled[0].companion, Some(beside(2)));
    }

    #[test]
    fn an_empty_file_never_settles() {
        let mut tracker = SettleTracker::default();
        for now in [0, 100, 1000, 100_000] {
            let found = look(&mut tracker, &[("a", of(0))], now);
            assert_eq!(found.unsettled, [unfinished("a", "empty so far".to_owned())]);
            assert!(found.settled.is_empty());
        }
    }

    #[test]
    fn a_locked_file_is_reported_and_dates_from_before_the_lock() {
        let mut tracker = SettleTracker::default();
        look(&mut tracker, &[], 0);
        let locked = look(&mut tracker, &[("a", Seen::Unreadable("locked".into(), Cause::Held))], 10);
        let held = Unsettled { name: "a".into(), reason: "locked".into(), cause: Cause::Held };
        assert_eq!(locked.unsettled, [held]);
        look(&mut tracker, &[("a", of(5))], 20);
        let settled = look(&mut tracker, &[("a", of(5))], 30).settled;
        assert_eq!((settled[0].timing.first_seen, settled[0].timing.last_absent), (at(20), Some(at(0))));
    }

    #[test]
    fn a_settled_file_that_is_locked_for_a_moment_is_the_same_afterwards() {
        let mut tracker = SettleTracker::default();
        for now in [0, 10, 20] {
            look(&mut tracker, &[("a", of(5))], now);
        }
        assert!(look(&mut tracker, &[("a", Seen::Unreadable("locked".into(), Cause::Held))], 30).settled.is_empty());
        assert_eq!(look(&mut tracker, &[("a", of(5))], 40).settled[0].timing.first_seen, at(0));
    }

    #[test]
    fn what_was_set_aside_is_not_reported_until_it_changes() {
        let mut tracker = SettleTracker::default();
        look(&mut tracker, &[("a", of(5))], 0);
        let settled = look(&mut tracker, &[("a", of(5))], 10).settled;
        assert_eq!(tracker.last_look(), None, "a file is waiting of which nothing is known");
        tracker.set_aside(&settled[0]);
        assert_eq!(tracker.last_look(), Some(at(10)));
        assert!(look(&mut tracker, &[("a", of(5))], 20).settled.is_empty());
        look(&mut tracker, &[("a", of(6))], 30);
        assert_eq!(look(&mut tracker, &[("a", of(6))], 40).settled.len(), 1);
    }

    #[test]
    fn a_seeded_look_dates_files_that_came_while_we_were_away() {
        let mut tracker = SettleTracker::default();
        tracker.seed_last_look(at(50));
        look(&mut tracker, &[("a", of(5))], 100);
        let settled = look(&mut tracker, &[("a", of(5))], 110).settled;
        assert_eq!(settled[0].timing.last_absent, Some(at(50)));
        assert_eq!(tracker.last_look(), Some(at(50)), "until it is dealt with, a restart must date it the same");
    }

    #[test]
    fn a_clock_set_back_leaves_nothing_known_about_absence() {
        let mut tracker = SettleTracker::default();
        look(&mut tracker, &[], 1000);
        look(&mut tracker, &[("a", of(5))], 1010);
        look(&mut tracker, &[("a", of(5))], 10);
        let settled = look(&mut tracker, &[("a", of(5))], 20).settled;
        assert_eq!((settled[0].timing.first_seen, settled[0].timing.last_absent), (at(10), None));
    }

    #[test]
    fn a_clock_set_forward_is_no_stillness() {
        let mut tracker = SettleTracker::default();
        look(&mut tracker, &[("a", of(5))], 100);
        assert!(look(&mut tracker, &[("a", of(5))], 4000).settled.is_empty(), "perhaps no second has passed");
        assert!(look(&mut tracker, &[("a", of(5))], 4003).settled.is_empty(), "too young since the jump");
        let settled = look(&mut tracker, &[("a", of(5))], 4005).settled;
        assert_eq!(settled[0].timing.first_seen, at(100), "it is no younger for it");
    }

    #[test]
    fn of_many_files_dealt_with_long_ago_each_has_its_turn_and_a_new_one_is_seen_at_once() {
        const MANY: usize = 5 * RESTING_PER_SWEEP;
        let long_after = 1_000_000;
        let names: Vec<String> = (0..MANY).map(|number| format!("{number}.csv")).chain(["stock.csv".into()]).collect();
        let files: Vec<(&str, Seen)> = names.iter().map(|name| (name.as_str(), of(5))).collect();
        let mut tracker = SettleTracker::default();
        look(&mut tracker, &files, long_after);
        for export in look(&mut tracker, &files, long_after + 10).settled {
            tracker.set_aside(&export);
        }
        look(&mut tracker, &files, long_after + 20);
        let mut turns: HashMap<&str, usize> = HashMap::new();
        for sweep in 0..i64::try_from(MANY / RESTING_PER_SWEEP + 1).unwrap() {
            let now = long_after + 30 + sweep;
            let looked_at = |name: &&String| !tracker.may_rest(name, Some(7), at(now));
            let woken: Vec<&str> = names.iter().filter(looked_at).map(String::as_str).collect();
            assert!(woken.len() < 2 * RESTING_PER_SWEEP, "{}", woken.len());
            woken.iter().for_each(|name| *turns.entry(name).or_default() += 1);
            let seen = |name: &str| if woken.contains(&name) { of(5) } else { Seen::Resting };
            let files: Vec<(&str, Seen)> = names.iter().map(|name| (name.as_str(), seen(name))).collect();
            assert!(look(&mut tracker, &files, now).settled.is_empty());
        }
        assert_eq!(turns.len(), names.len(), "each had its turn");
        assert_eq!(turns["stock.csv"], MANY / RESTING_PER_SWEEP + 1, "a name that is used again is always looked at");
        assert!(!tracker.may_rest("0.csv", Some(8), at(long_after + 50)), "another file has taken its name");
        assert!(!tracker.may_rest("new_1.csv", Some(9), at(long_after + 50)));
    }

    #[test]
    fn a_folder_that_counts_as_a_share_for_a_while_makes_no_settled_file_another_one() {
        let numberless = || match of(5) {
            Seen::Observed(seen) => Seen::Observed(Observation { id: None, ..seen }),
            other => other,
        };
        let renumbered = || match of(5) {
            Seen::Observed(seen) => Seen::Observed(Observation { id: Some(FileId { volume: 1, number: 8 }), ..seen }),
            other => other,
        };
        let mut tracker = SettleTracker::default();
        look(&mut tracker, &[("a", of(5))], 0);
        let settled = look(&mut tracker, &[("a", of(5))], 10).settled;
        tracker.set_aside(&settled[0]);
        for (now, seen) in [(20, numberless()), (30, of(5))] {
            let found = look(&mut tracker, &[("a", seen)], now);
            assert!(found.settled.is_empty() && found.unsettled.is_empty() && !tracker.has_changed(), "{found:?}");
        }
        look(&mut tracker, &[("a", renumbered())], 40);
        assert!(tracker.has_changed(), "a number that is told counts again");
    }

    #[test]
    fn a_name_that_tells_a_time_to_come_is_not_believed() {
        let mut tracker = SettleTracker::default();
        for (now, told, wanted) in [(100, 90, Some(at(90))), (100, 101, None)] {
            let listing = vec![(format!("{told}"), of(5))];
            tracker.look(&RULES, listing.clone(), at(now), |_| Some(at(told)));
            let settled = tracker.look(&RULES, listing, at(now + 10), |_| Some(at(told))).settled;
            assert_eq!(settled[0].timing.declared, wanted);
            tracker = SettleTracker::default();
        }
    }

    #[test]
    fn the_oldest_export_comes_first() {
        let mut tracker = SettleTracker::default();
        let made =
            |second| Seen::Observed(Observation { bytes: 1, modified: Some(at(second)), id: None, companion: None });
        let files = [("new", made(50)), ("old", made(10))];
        look(&mut tracker, &files, 100);
        let names: Vec<_> = look(&mut tracker, &files, 110).settled.into_iter().map(|e| e.name).collect();
        assert_eq!(names, ["old", "new"]);
    }
}
