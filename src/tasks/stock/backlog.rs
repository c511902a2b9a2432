//! Many exports at once: at the first start beside a till that has exported for years, or after a long absence.
//!
//! Promises: the newest full export is read first, with those of which it is not sure that they are older; once one is
//! admitted, what the gate would refuse for its age is noted as passed over, without being copied or read, and stays
//! where it is; while none is admitted, the next older ones are read, a few at each look, until one is. Exports of changes
//! that are not older than it are all read, in their order.
//! A few exports at once are all read, as on any day.

use serde_json::json;

use super::{EXPORT_REFUSED, Stock};
use crate::domain::stock::{Scope, Timing, in_words};
use crate::ledger::Result;
use crate::ledger::conditions::{Severity, Trouble};
use crate::ledger::passed_over::LastFull;
use crate::ports::{Cause, EposError, ExportKind, SettledExport, Unsettled};

/// Up to so many exports at once are no backlog, and are all read.
const FEW: usize = 10;
/// Full exports read in one activation while none is admitted, at least; the next activation goes on.
const READ_AT_ONCE: usize = 10;

/// What became of the exports that a look found.
#[derive(Debug, Default)]
pub(super) struct TakenIn {
    /// Those that another program holds.
    pub(super) held: Vec<Unsettled>,
    /// Why others could not be copied.
    pub(super) uncopied: Vec<EposError>,
    /// Are there more, for the next activation?
    pub(super) is_rest: bool,
}

/// An export that nobody has read yet.
struct Unread {
    export: SettledExport,
    kind: ExportKind,
}

impl Unread {
    /// Would the gate refuse it for its age, whatever it tells inside, now that this full export was admitted?
    fn is_overtaken_by(&self, full: &LastFull) -> bool {
        let own = &self.export.timing;
        match self.kind {
            // By their numbers changes may follow others although the times say otherwise.
            ExportKind { scope: Scope::Delta, .. } if !full.is_last_of_all => false,
            ExportKind { dates_itself: true, .. } => own.is_older_whatever_it_tells(&full.timing),
            ExportKind { dates_itself: false, .. } => own.is_older_than(&full.timing),
        }
    }

    /// Is it sure that it was made before another that was not read either?
    fn is_surely_before(&self, other: &Timing) -> bool {
        let own = &self.export.timing;
        if self.kind.dates_itself {
            own.is_older_whatever_it_tells(other)
        } else {
            own.is_older_than(other) && !other.is_older_than(own)
        }
    }
}

impl Stock {
    /// Takes in the exports that a look found, given oldest first.
    pub(super) fn take_in_all(&self, newcomers: Vec<SettledExport>) -> Result<TakenIn> {
        let mut taken = TakenIn::default();
        if newcomers.len() <= FEW {
            self.take_in_some(newcomers, &mut taken)?;
            return Ok(taken);
        }
        let unread = |export: SettledExport| Unread { kind: self.shop.epos.kind_of_export(&export.name), export };
        let (mut fulls, mut changes): (Vec<Unread>, Vec<Unread>) =
            newcomers.into_iter().map(unread).partition(|unread| unread.kind.scope == Scope::Full);
        let mut read = 0;
        self.pass_over_older(&mut fulls)?;
        while !fulls.is_empty() && read < READ_AT_ONCE {
            let newest = take_newest(&mut fulls);
            read += newest.len();
            self.take_in_some(newest, &mut taken)?;
            self.ask_about_fulls(&mut Vec::new())?;
            self.pass_over_older(&mut fulls)?;
        }
        taken.is_rest = !fulls.is_empty();
        self.pass_over_older(&mut changes)?;
        self.take_in_some(changes.into_iter().map(|unread| unread.export).collect(), &mut taken)?;
        Ok(taken)
    }

    fn take_in_some(&self, exports: Vec<SettledExport>, taken: &mut TakenIn) -> Result<()> {
        for export in exports {
            match self.take_in(&export)? {
                Ok(()) => {}
                // Stood still, and cannot be opened now: it waits like one that never could.
                Err(error) if error.is_held() => {
                    let reason = super::chain(&error);
                    taken.held.push(Unsettled { name: export.name, reason, cause: Cause::Held });
                }
                Err(error) => taken.uncopied.push(error),
            }
        }
        Ok(())
    }

    /// Notes what is older than the full export that counts; the others stay in the list.
    fn pass_over_older(&self, unread: &mut Vec<Unread>) -> Result<()> {
        let now = self.shop.clock.now();
        let Some(full) = self.shop.ledger.last_full_export()? else { return Ok(()) };
        // As at the gate: one from the future was dated by a clock that has been set right since.
        if full.timing.first_seen > now {
            return Ok(());
        }
        let older: Vec<(SettledExport, Scope)> =
            unread.extract_if(.., |one| one.is_overtaken_by(&full)).map(|one| (one.export, one.kind.scope)).collect();
        let Some((newest, _)) = older.last() else { return Ok(()) };
        self.shop.ledger.pass_over(&older, now)?;
        for (export, _) in &older {
            self.shop.epos.set_aside(export);
        }
        let text = format!(
            "{} older export(s), up to {}, were passed over unread: {} counts, which was made at {}; they stay in the export folder",
            older.len(),
            newest.name,
            full.name,
            in_words(full.timing.shown())
        );
        let figures = json!({ "exports": older.len(), "newest": newest.name, "counts": full.name });
        self.shop.run("stock", now, "passed-over", &figures, Some(&text));
        let came_later = older.iter().filter(|(export, _)| export.timing.first_seen > full.timing.first_seen).count();
        self.report_late_and_old(came_later, newest, &full);
        Ok(())
    }

    /// Exports that came after the one that counts and say that they are older: the till's clock may be wrong.
    fn report_late_and_old(&self, count: usize, newest: &SettledExport, full: &LastFull) {
        let trouble = (count > 0).then(|| Trouble {
            code: EXPORT_REFUSED,
            subject: newest.name.clone(),
            severity: Severity::Warning,
            text: format!(
                "{count} export(s) that came after {} are older than it by their times and were not read; the last is {}",
                full.name, newest.name
            ),
            remedy: "The newer export goes on counting. If these were restored or copied, nothing need be done; else see whether the till's clock is right. Make the till export again.".into(),
        });
        if trouble.is_some() {
            self.shop.conditions(&[EXPORT_REFUSED], trouble.as_slice());
        }
    }
}

/// Takes the newest out of the list, with those of which it is not sure that they are older: oldest first, as given.
fn take_newest(fulls: &mut Vec<Unread>) -> Vec<SettledExport> {
    let Some(newest) = fulls.last().map(|one| one.export.timing) else { return Vec::new() };
    fulls.extract_if(.., |one| !one.is_surely_before(&newest)).map(|one| one.export).collect()
}
