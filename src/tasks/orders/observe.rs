//! What became of published files, from looks at the till's folders.
//!
//! Promises: a look that failed concludes nothing; what is noted has its evidence beside it.

use jiff::SignedDuration;

use super::{Attempt, Figures, Orders, go_on};
use crate::ledger::files::{FileState, OpenFile};
use crate::ports::Awaited;
use crate::tasks::evidence::{self, EvidenceTracker, Finding, Outcome};

/// How long a till may take to refuse a file that it has taken away.
const LATE_REFUSAL: SignedDuration = SignedDuration::from_hours(24);

impl Orders {
    pub(super) fn observe(&self, tracker: &mut EvidenceTracker, figures: &mut Figures) -> Attempt {
        let mut visible = self.shop.ledger.open_files()?;
        visible.retain(|file| file.state == FileState::Visible && !self.is_strange(&file.names.name));
        let awaited: Vec<Awaited> = visible.iter().map(OpenFile::awaited).collect();
        if awaited.is_empty() {
            tracker.forget_all();
            return Ok(Ok(()));
        }
        let sightings = match self.shop.epos.look_at_orders(&awaited) {
            Ok(sightings) => sightings,
            Err(error) => return Ok(Err(error)),
        };
        let now = self.shop.clock.now();
        tracker.keep_pace(&self.shop.epos.pace());
        for Finding { name, outcome, evidence } in tracker.observe(&sightings, now) {
            let Some(file) = visible.iter().find(|file| file.names.name == name) else { continue };
            for order in &file.orders {
                match outcome {
                    Outcome::Taken { at } => {
                        let noted = go_on(self.shop.ledger.order_taken(file, order, at, evidence, now))?;
                        figures.taken += u64::from(noted.is_some());
                    }
                    Outcome::Rejected { at } => {
                        let noted = go_on(self.shop.ledger.order_rejected(file, order, at, evidence, now))?;
                        figures.rejected += u64::from(noted.is_some());
                    }
                }
            }
        }
        Ok(Ok(()))
    }

    /// Some tills take a file away first and refuse it later: the rejects folder is looked at for a while longer.
    pub(super) fn look_for_late_refusals(&self, figures: &mut Figures) -> Attempt {
        let now = self.shop.clock.now();
        let taken = self.shop.ledger.taken_since(now - LATE_REFUSAL, evidence::GONE)?;
        let names: Vec<String> = taken.iter().map(|file| file.names.name.clone()).collect();
        let refused = match self.shop.epos.look_for_refused(&names) {
            Ok(refused) => refused,
            Err(error) => return Ok(Err(error)),
        };
        for file in taken.iter().filter(|file| refused.contains(&file.names.name)) {
            for order in &file.orders {
                let noted = go_on(self.shop.ledger.order_rejected(file, order, now, evidence::REFUSED, now))?;
                figures.rejected += u64::from(noted.is_some());
            }
        }
        Ok(Ok(()))
    }
}
