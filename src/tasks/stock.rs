//! Stock: from the till's export folder into the ledger, through the gate.
//!
//! Promises: what is read is a private copy of a file that had stopped changing; a file that cannot be believed goes to
//! quarantine with its reason and changes nothing; a held export is asked about again at every activation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Next, Reconciler, Shop, chain};
use crate::domain::ExportId;
use crate::domain::stock::Timing;
use crate::ledger::stock::RowWriter;
use crate::ledger::{Result, facts};
use crate::ports::{
    Cause, EposError, ExportFate, ExportLook, ExportRow, Pace, ReadError, ReadSummary, Rejection, SettledExport,
    SpooledExport, Unsettled,
};

mod backlog;
mod gate;
pub(crate) mod report;

/// Condition: the export folder cannot be listed.
pub const EXPORT_FOLDER: &str = "export_folder";
/// Condition: an export is held by the gate.
pub const EXPORT_HELD: &str = "export_held";
/// Condition: an export could not be believed.
pub const EXPORT_REJECTED: &str = "export_rejected";
/// Condition: some rows of the export that counts could not be used.
pub const EXPORT_ROW_ERRORS: &str = "export_row_errors";
/// Condition: orders were subtracted for want of evidence.
pub const ADMITTED_UNPROVED: &str = "admitted_unproved";
/// Condition: a file does not stop changing, or stays empty or locked.
pub const EXPORT_UNSETTLED: &str = "export_unsettled";
/// Condition: an export cannot be copied (no room, no right).
pub const EXPORT_NOT_COPIED: &str = "export_not_copied";
/// Condition: an export is older than the one that counts.
pub const EXPORT_REFUSED: &str = "export_refused";
/// Condition: items of an earlier full export are missing from the one that counts.
pub const ITEMS_MISSING: &str = "items_missing";
/// Condition: changes were used although exports before them are missing.
pub const EXPORT_SEQUENCE: &str = "export_sequence";
/// Its name where the ledger fails it.
const WHAT: &str = "reading of stock";
/// Condition: a file cannot be opened for long.
pub const FILE_HELD: &str = "file_held";
/// Condition: an export that was read cannot be deleted.
pub const EXPORT_NOT_DELETED: &str = "export_not_deleted";
/// How long a file may stay closed to us before a person should look; virus scanners and backups are done by then.
const HELD_TOO_LONG: SignedDuration = SignedDuration::from_mins(10);
/// Looks at an unsettled file while the time that it has waited doubles: the pauses grow with it.
const LOOKS_PER_DOUBLING: u32 = 8;
/// How long a file may stay unsettled before a person should look.
const UNSETTLED_TOO_LONG: SignedDuration = SignedDuration::from_mins(15);
/// How often the time of the last look is noted.
const NOTE_LOOK_EVERY: SignedDuration = SignedDuration::from_secs(30);
/// Codes that are not used, named in a report.
const NAMED_CODES: u32 = 20;
/// Old stock rows removed in one go, so that others wait only milliseconds.
const PRUNED_AT_ONCE: u32 = 20_000;

/// The reconciler.
pub struct Stock {
    shop: Arc<Shop>,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// Since when each unsettled file has been kept by the same cause.
    unsettled: HashMap<String, (Timestamp, Cause)>,
    noted_look: Option<Timestamp>,
}

impl Memory {
    /// Notes what keeps which file.
    fn note_unsettled(&mut self, look: &ExportLook, now: Timestamp) {
        let mut before = std::mem::take(&mut self.unsettled);
        for Unsettled { name, cause, .. } in &look.unsettled {
            let known = before.remove(name).filter(|(since, known)| known == cause && *since <= now);
            self.unsettled.insert(name.clone(), known.unwrap_or((now, *cause)));
        }
    }

    /// When to look again for the sake of unsettled files: soon for those that have only just begun, and the less often
    /// the longer it lasts, but for ever. `None` when nothing of that kind waits.
    fn next_look(&self, pace: &Pace, now: Timestamp) -> Option<Duration> {
        let wait = |(since, cause): &(Timestamp, Cause)| match cause {
            Cause::Unfinished | Cause::Held => {
                let waited = now.duration_since(*since).unsigned_abs();
                Some(pace.settle_every.min(pace.sweep_awaiting).max(waited / LOOKS_PER_DOUBLING))
            }
            Cause::Unfit => None,
        };
        self.unsettled.values().filter_map(wait).min()
    }
}

impl Stock {
    /// For this shop.
    pub fn new(shop: Arc<Shop>) -> Arc<Self> {
        Arc::new(Self { shop, memory: Mutex::default() })
    }

    /// One activation. Blocks on the disk. Returns the pause until the next.
    ///
    /// # Errors
    /// A failure of the ledger.
    pub fn reconcile(&self) -> Result<Duration> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.shop.clock.now();
        let mut look = match self.shop.epos.look_for_exports(now) {
            Ok(look) => look,
            Err(error) => {
                self.folder_failed(&error);
                return Ok(self.shop.epos.pace().sweep_awaiting);
            }
        };
        let pace = self.shop.epos.pace();
        self.shop.conditions(&[EXPORT_FOLDER], &[]);
        self.report_undeleted(&look.undeleted);
        let taken = self.take_in_all(self.newcomers(&look)?)?;
        look.unsettled.extend(taken.held);
        self.report_unsettled(&mut memory, &look, now);
        self.report_uncopied(&taken.uncopied);
        self.note_look(&mut memory, now)?;
        let held = self.ask_gate()?;
        self.report_missing()?;
        while self.shop.ledger.prune_stock_rows(PRUNED_AT_ONCE)? > 0 {}
        let usual = match (taken.is_rest, held) {
            (true, _) => pace.settle_every.min(pace.sweep_awaiting),
            (false, true) => pace.sweep_awaiting,
            (false, false) => pace.sweep_idle,
        };
        Ok(memory.next_look(&pace, now).map_or(usual, |soon| soon.min(usual)))
    }

    /// Notes how far back an export may date that appears while the agent is away.
    fn note_look(&self, memory: &mut Memory, now: Timestamp) -> Result<()> {
        if memory.noted_look.is_none_or(|noted| now.duration_since(noted) >= NOTE_LOOK_EVERY) {
            if let Some(look) = self.shop.epos.last_look() {
                self.shop.ledger.set_fact(facts::LAST_LOOK, Some(&look.to_string()))?;
            }
            memory.noted_look = Some(now);
        }
        Ok(())
    }

    /// Exports that the ledger does not know yet; the others are set aside.
    fn newcomers(&self, look: &ExportLook) -> Result<Vec<SettledExport>> {
        let mut newcomers = Vec::new();
        for export in &look.settled {
            if self.shop.ledger.knows_export(&export.identity())? {
                self.shop.epos.set_aside(export);
            } else {
                newcomers.push(export.clone());
            }
        }
        Ok(newcomers)
    }

    /// Copies, reads and stores one export; the gate comes afterwards.
    fn take_in(&self, export: &SettledExport) -> Result<std::result::Result<(), EposError>> {
        let started = self.shop.clock.now();
        let spooled = match self.shop.epos.take(export) {
            Ok(spooled) => spooled,
            Err(error) => {
                tracing::info!(
                    export.name = export.name,
                    error = chain(&error),
                    "an export could not be copied; it is tried again"
                );
                return Ok(Err(error));
            }
        };
        let id = self.shop.ledger.export_begun(&spooled, started)?;
        match self.read(id, &spooled)? {
            Ok(summary) => self.was_read(id, &spooled, summary, started)?,
            Err(why) => self.was_rejected(id, &spooled, &why, started)?,
        }
        Ok(Ok(()))
    }

    fn read(&self, id: ExportId, spooled: &SpooledExport) -> Result<std::result::Result<ReadSummary, Rejection>> {
        let mut writer = RowWriter::new(&self.shop.ledger, id);
        let mut failure = None;
        let mut sink = |row: &ExportRow<'_>| {
            writer.take(row).map_err(|error| {
                let text = chain(&error);
                failure = Some(error);
                text.into()
            })
        };
        let read = self.shop.epos.read(&spooled.spooled, &spooled.source.name, &mut sink);
        if let Some(error) = failure {
            return Err(error);
        }
        writer.flush()?;
        Ok(match read {
            Ok(mut summary) => {
                let settled = self.shop.ledger.settle_duplicates(id, &mut summary)?;
                let (unused, first) = self.shop.ledger.unused_codes(id, NAMED_CODES)?;
                summary.warnings.extend(report::unused_codes(unused, &first));
                settled.map(|()| summary)
            }
            Err(ReadError::Rejected(why)) => Err(why),
            Err(error @ (ReadError::Io { .. } | ReadError::Sink(_))) => {
                Err(Rejection { reason: "unreadable".into(), line: None, text: chain(&error) })
            }
        })
    }

    fn was_read(&self, id: ExportId, spooled: &SpooledExport, summary: ReadSummary, started: Timestamp) -> Result<()> {
        // A header that tells a time to come is wrong, and must not make the export younger than it is.
        let told = summary.declared.filter(|declared| *declared <= spooled.source.timing.first_seen);
        let timing = Timing { declared: told.or(spooled.source.timing.declared), ..spooled.source.timing };
        self.shop.ledger.export_read(id, &timing, &summary)?;
        self.put_away(spooled, ExportFate::Archived);
        self.forget_rejected(spooled, summary.scope, &timing)?;
        let errors = summary.row_errors.len() as u64 + summary.more_row_errors;
        let figures = json!({ "export": spooled.source.name, "rows": summary.rows, "row_errors": errors, "fingerprint": spooled.fingerprint });
        self.shop.run("stock", started, "done", &figures, Some("an export was read"));
        self.report_row_errors(spooled, &summary, errors);
        Ok(())
    }

    fn was_rejected(&self, id: ExportId, spooled: &SpooledExport, why: &Rejection, started: Timestamp) -> Result<()> {
        let (name, now) = (&spooled.source.name, self.shop.clock.now());
        let note = report::quarantine_note(name, why, now);
        self.put_away(spooled, ExportFate::Quarantined { reason: &note });
        self.shop.ledger.export_rejected(id, why, now)?;
        let text = format!("the export {name} cannot be believed: {why}");
        self.shop.run("stock", started, "rejected", &json!({ "export": name, "reason": why.reason }), Some(&text));
        self.report_rejected(name, text);
        Ok(())
    }

    fn put_away(&self, spooled: &SpooledExport, fate: ExportFate<'_>) {
        if let Err(error) = self.shop.epos.finish(spooled, fate, self.shop.clock.now()) {
            tracing::warn!(
                export.name = spooled.source.name,
                error = chain(&error),
                "an export's copy could not be put away"
            );
        }
    }
}

#[async_trait]
impl Reconciler for Stock {
    fn name(&self) -> &'static str {
        "stock"
    }

    async fn activate(&self) -> Next {
        if self.shop.is_paused() {
            return Next(self.shop.epos.pace().sweep_idle);
        }
        match tokio::task::block_in_place(|| self.reconcile()) {
            Ok(pause) => {
                self.shop.ledger_served(WHAT);
                Next(pause)
            }
            Err(error) => self.shop.ledger_failed(WHAT, &error),
        }
    }
}
