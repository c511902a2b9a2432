//! What the system tells of changes, held against what the sweep finds.
//!
//! Promises: a system that tells nothing of what changes is found out by counting, not by time: three sweeps in a row that
//! find a change which no event announced. An event that comes a little later than the change still announces it.
//! Does not promise to find out a system that tells of some changes and not of others.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Changes in a row that nobody announced, after which the system is not believed to tell of changes.
const UNANNOUNCED: u32 = 3;
/// Names that are kept between two sweeps; with more, all files are looked at.
const MOST_NAMES: usize = 1_000;

/// Something that the system told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hint {
    /// What has changed; empty when events were lost.
    pub paths: Vec<PathBuf>,
    /// Did something go away?
    pub takes_away: bool,
}

/// One folder's events against its sweeps.
#[derive(Debug, Default)]
struct Comparison {
    events: u64,
    /// Events when the last sweep began.
    at_last: Option<u64>,
    /// A sweep found a change; so many events had come when the sweep before it began.
    found_since: Option<u64>,
    unannounced: u32,
}

impl Comparison {
    fn begin(&mut self) {
        match self.found_since.take() {
            Some(before) if before == self.events => self.unannounced += 1,
            Some(_) => self.unannounced = 0,
            None => {}
        }
    }

    fn end(&mut self, events_at_begin: u64, changed: bool) {
        self.found_since = self.at_last.filter(|_| changed);
        self.at_last = Some(events_at_begin);
    }
}

/// Which of the till's folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Exports,
    Orders,
}

/// What was heard since the system was asked to tell.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Is the system asked at all?
    listening: bool,
    exports: Comparison,
    orders: Comparison,
    /// Files in the export folder of which a change was told since the last sweep.
    names: HashSet<String>,
    /// Order files that waited at the last look.
    waiting: HashSet<String>,
}

impl Heard {
    /// The system is asked from now on, or not any more; what was known of it is forgotten.
    pub(super) fn listen(&mut self, listening: bool) {
        *self = Self { listening, waiting: std::mem::take(&mut self.waiting), ..Self::default() };
    }

    /// The system told something.
    pub(super) fn hear(&mut self, hint: &Hint, export_folder: &Path, import_folder: &Path) {
        let is_in =
            |folder: &Path| hint.paths.is_empty() || hint.paths.iter().any(|path| path.parent() == Some(folder));
        self.exports.events += u64::from(is_in(export_folder));
        // What appears there is ours; only what goes away is news.
        self.orders.events += u64::from(hint.takes_away && is_in(import_folder));
        let inside = hint.paths.iter().filter(|path| path.parent() == Some(export_folder));
        let names = inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned));
        self.names.extend(names.take(MOST_NAMES.saturating_sub(self.names.len())));
    }

    /// A sweep of this folder begins; to be told to [`Heard::end`].
    pub(super) fn begin(&mut self, of: Of) -> u64 {
        let comparison = self.of(of);
        comparison.begin();
        comparison.events
    }

    /// It ended, and found that something has changed or that nothing has.
    pub(super) fn end(&mut self, of: Of, events_at_begin: u64, changed: bool) {
        if self.listening {
            self.of(of).end(events_at_begin, changed);
        }
    }

    fn of(&mut self, of: Of) -> &mut Comparison {
        match of {
            Of::Exports => &mut self.exports,
            Of::Orders => &mut self.orders,
        }
    }

    /// Notes which order files wait; has one gone of those that are still asked about?
    pub(super) fn note_waiting<'n>(
        &mut self,
        mut asked: impl Iterator<Item = &'n str>,
        waiting: impl Iterator<Item = &'n str>,
    ) -> bool {
        let waiting: HashSet<String> = waiting.map(str::to_owned).collect();
        let has_gone = |name: &str| self.waiting.contains(name) && !waiting.contains(name);
        let changed = asked.any(has_gone);
        self.waiting = waiting;
        changed
    }

    /// The files of which a change was told since this was last asked.
    pub(super) fn take_names(&mut self) -> HashSet<String> {
        std::mem::take(&mut self.names)
    }

    /// Does the system tell of changes, as far as is known?
    pub(super) fn is_trusted(&self) -> bool {
        self.exports.unannounced < UNANNOUNCED && self.orders.unannounced < UNANNOUNCED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard() -> Heard {
        let mut heard = Heard::default();
        heard.listen(true);
        heard
    }

    fn sweep(heard: &mut Heard, changed: bool) {
        let events = heard.begin(Of::Exports);
        heard.end(Of::Exports, events, changed);
    }

    fn tell(heard: &mut Heard, path: &str) {
        let hint = Hint { paths: vec![path.into()], takes_away: true };
        heard.hear(&hint, Path::new("/export"), Path::new("/import"));
    }

    #[test]
    fn three_changes_in_a_row_that_nobody_announced_end_the_trust() {
        let mut heard = heard();
        for wanted in [true, true, true, true, false] {
            sweep(&mut heard, true);
            assert_eq!(heard.is_trusted(), wanted);
        }
        heard.listen(true);
        assert!(heard.is_trusted(), "another watch may do better");
    }

    #[test]
    fn a_change_that_is_announced_before_or_a_little_later_keeps_the_trust() {
        let mut heard = heard();
        sweep(&mut heard, false);
        for _ in 0..9 {
            tell(&mut heard, "/export/a.csv");
            sweep(&mut heard, true);
            sweep(&mut heard, false);
            sweep(&mut heard, true);
            tell(&mut heard, "/export/a.csv");
            sweep(&mut heard, false);
        }
        assert!(heard.is_trusted());
        assert_eq!(heard.take_names(), HashSet::from(["a.csv".to_owned()]));
    }

    #[test]
    fn events_elsewhere_announce_nothing_and_lost_ones_anything() {
        let mut heard = heard();
        for _ in 0..9 {
            tell(&mut heard, "/import/order_1.csv");
            sweep(&mut heard, true);
        }
        assert!(!heard.is_trusted());
        heard.listen(true);
        for _ in 0..9 {
            heard.hear(&Hint::default(), Path::new("/export"), Path::new("/import"));
            sweep(&mut heard, true);
        }
        assert!(heard.is_trusted());
    }

    #[test]
    fn where_nobody_listens_nothing_is_found_out() {
        let mut heard = Heard::default();
        (0..9).for_each(|_| sweep(&mut heard, true));
        assert!(heard.is_trusted());
    }

    #[test]
    fn an_order_that_waited_and_is_asked_about_and_gone_is_a_change() {
        let mut heard = heard();
        let (a, b) = ("a.csv", "b.csv");
        assert!(!heard.note_waiting([a, b].into_iter(), [a, b].into_iter()));
        assert!(!heard.note_waiting([a].into_iter(), [a].into_iter()), "we took b away ourselves");
        assert!(heard.note_waiting([a].into_iter(), std::iter::empty()));
    }
}
