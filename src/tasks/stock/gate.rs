//! Asking the gate about what is held, and telling what came of it.
//!
//! Promises: of full exports the newest is asked about first, so that a truncated newest does not keep a good older one
//! away; changes are asked about in their order, so that one that was missing and the ones that waited for it are
//! admitted in the same activation.

use jiff::Timestamp;
use serde_json::json;

use super::{EXPORT_HELD, EXPORT_REFUSED, EXPORT_REJECTED, EXPORT_SEQUENCE, Stock};
use crate::domain::gate::{Gap, HoldReason, RefuseReason, Verdict};
use crate::domain::stock::{Scope, Timing};
use crate::ledger::Result;
use crate::ledger::exports::ExportRecord;
use crate::ports::SpooledExport;

/// A held export, why, and until when at most.
pub(super) type Waiting = (ExportRecord, Vec<HoldReason>, Option<Timestamp>);

impl Stock {
    /// Asks the gate about all held exports. True while any stays held.
    pub(super) fn ask_gate(&self) -> Result<bool> {
        let mut waiting = Vec::new();
        self.ask_about_fulls(&mut waiting)?;
        // An admitted full export has set aside the changes that were made before it.
        for held in self.shop.ledger.held_exports(Scope::Delta)? {
            self.ask_about(held, &mut waiting)?;
        }
        self.shop.conditions(&[EXPORT_HELD], &super::report::held_troubles(&waiting));
        Ok(!waiting.is_empty())
    }

    /// Asks about the full exports that are held, until one is admitted.
    pub(super) fn ask_about_fulls(&self, waiting: &mut Vec<Waiting>) -> Result<()> {
        for held in self.shop.ledger.held_exports(Scope::Full)? {
            if self.ask_about(held, waiting)? {
                // The others are older.
                break;
            }
        }
        Ok(())
    }

    /// True when it was admitted.
    fn ask_about(&self, held: ExportRecord, waiting: &mut Vec<Waiting>) -> Result<bool> {
        let (settings, now) = (&self.shop.settings, self.shop.clock.now());
        match self.shop.ledger.decide(held.id, &settings.gate, settings.missing, now)? {
            Verdict::Admit { unproved, gap, .. } => {
                self.was_admitted(&held, &unproved, gap, now);
                return Ok(true);
            }
            Verdict::Hold { reasons, until } => waiting.push((held, reasons, until)),
            Verdict::Refuse(why) => self.was_refused(&held, &why, now),
        }
        Ok(false)
    }

    fn was_admitted(&self, held: &ExportRecord, unproved: &[String], gap: Option<Gap>, now: Timestamp) {
        self.report_unproved(held, unproved);
        let missing = gap.map(|gap| HoldReason::SequenceGap(gap).to_string());
        let told = match held.scope {
            Scope::Full => {
                // It replaces everything: what was wrong with exports of changes before it is over.
                self.shop.conditions(&[EXPORT_REFUSED, EXPORT_SEQUENCE], &[]);
                let harmless = missing.map(|missing| format!("; {missing}, which a full export makes up for"));
                format!("an export counts now{}", harmless.unwrap_or_default())
            }
            Scope::Delta => {
                if let Some(missing) = &missing {
                    self.report_gap(held, missing);
                }
                let lasting = missing.map(|missing| format!("; {missing}"));
                format!("changes count now{}", lasting.unwrap_or_default())
            }
        };
        let figures = json!({ "export": held.name, "items": held.skus, "unproved_orders": unproved, "gap": gap });
        self.shop.run("gate", now, "admitted", &figures, Some(&told));
        self.shop.wakes.delivery.notify_one();
    }

    fn was_refused(&self, held: &ExportRecord, why: &RefuseReason, now: Timestamp) {
        let text = format!("the export {} was not used: {why}", held.name);
        self.shop.run("gate", now, "refused", &json!({ "export": held.name }), Some(&text));
        self.report_refused(held, text);
    }

    /// A full export that can be read is the answer to all before it that could not; one of changes only to its own
    /// namesake.
    pub(super) fn forget_rejected(&self, spooled: &SpooledExport, scope: Scope, timing: &Timing) -> Result<()> {
        match scope {
            Scope::Full => {
                // Of many the newest is read first: what is read after it is no answer to it.
                let last = self.shop.ledger.rejected_export()?;
                if last.is_none_or(|rejected| !timing.is_older_than(&rejected.timing)) {
                    self.shop.conditions(&[EXPORT_REJECTED], &[]);
                }
            }
            Scope::Delta => self.shop.conditions_about(&[EXPORT_REJECTED], &spooled.source.name, &[]),
        }
        Ok(())
    }
}
