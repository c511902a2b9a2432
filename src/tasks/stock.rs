//! Stock: from the till's export folder into the ledger, through the gate.
//!
//! Promises: what is read is a private copy of a file that had stopped changing; a file that cannot be believed goes to
//! quarantine with its reason and changes nothing; a held export is asked about again at every activation.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Next, Reconciler, Shop, chain};
use crate::domain::ExportId;
use crate::domain::gate::{HoldReason, RefuseReason, Verdict};
use crate::domain::stock::{Timing, in_words};
use crate::ledger::conditions::{Severity, Trouble};
use crate::ledger::exports::ExportRecord;
use crate::ledger::stock::RowWriter;
use crate::ledger::{Result, facts};
use crate::ports::{
    EposError, ExportFate, ExportLook, ExportRow, ReadError, ReadSummary, Rejection, SettledExport, SpooledExport,
};

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
/// Its name where the ledger fails it.
const WHAT: &str = "reading of stock";
/// How long a file may stay unsettled before a person should look.
const UNSETTLED_TOO_LONG: SignedDuration = SignedDuration::from_mins(15);
/// How often the time of the last look is noted.
const NOTE_LOOK_EVERY: SignedDuration = SignedDuration::from_secs(30);
/// Old stock rows removed in one go, so that others wait only milliseconds.
const PRUNED_AT_ONCE: u32 = 20_000;

/// The reconciler.
pub struct Stock {
    shop: Arc<Shop>,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// When each unsettled file was first found unsettled.
    unsettled: Vec<(String, Timestamp)>,
    noted_look: Option<Timestamp>,
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
        let settings = &self.shop.settings;
        let now = self.shop.clock.now();
        let look = match self.shop.epos.look_for_exports(now) {
            Ok(look) => look,
            Err(error) => {
                self.folder_failed(&error);
                return Ok(settings.sweep_awaiting.duration());
            }
        };
        self.shop.conditions(&[EXPORT_FOLDER], &[]);
        self.report_unsettled(&mut memory, &look, now);
        let mut uncopied = Vec::new();
        for export in self.newcomers(&look)? {
            uncopied.extend(self.take_in(&export)?.err());
        }
        self.report_uncopied(&uncopied);
        self.note_look(&mut memory, now)?;
        let held = self.ask_gate()?;
        while self.shop.ledger.prune_stock_rows(PRUNED_AT_ONCE)? > 0 {}
        Ok(if look.unsettled.is_empty() {
            if held { settings.sweep_awaiting.duration() } else { settings.sweep_idle.duration() }
        } else {
            settings.settle_every.duration().min(settings.sweep_awaiting.duration())
        })
    }

    fn folder_failed(&self, error: &EposError) {
        tracing::warn!(error = chain(error), "the export folder cannot be listed");
        let trouble = Trouble {
            code: EXPORT_FOLDER,
            subject: String::new(),
            severity: Severity::Error,
            text: chain(error),
            remedy: "Make the export folder reachable and readable for the agent's user; tillbridge check shows what is missing. Until then the last quantities stand.".into(),
        };
        self.shop.conditions(&[EXPORT_FOLDER], &[trouble]);
    }

    /// That a file changed while it was copied is no trouble, it is looked at again; that the system refuses is one.
    fn report_uncopied(&self, errors: &[EposError]) {
        let trouble = |error: &EposError| {
            Trouble {
            code: EXPORT_NOT_COPIED,
            subject: String::new(),
            severity: Severity::Error,
            text: chain(error),
            remedy: "Free some space where the agent keeps its data, and see that no other program holds the export. It is tried again by itself; until then the last quantities stand.".into(),
        }
        };
        let troubles: Vec<Trouble> =
            errors.iter().find(|error| error.source.is_some()).map(trouble).into_iter().collect();
        self.shop.conditions(&[EXPORT_NOT_COPIED], &troubles);
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

    fn report_unsettled(&self, memory: &mut Memory, look: &ExportLook, now: Timestamp) {
        memory.unsettled.retain(|(name, _)| look.unsettled.iter().any(|(still, _)| still == name));
        for (name, _) in &look.unsettled {
            if !memory.unsettled.iter().any(|(known, _)| known == name) {
                memory.unsettled.push((name.clone(), now));
            }
        }
        let too_long = |name: &str| {
            memory
                .unsettled
                .iter()
                .any(|(known, since)| known == name && now.duration_since(*since) >= UNSETTLED_TOO_LONG)
        };
        let troubles: Vec<Trouble> = look
            .unsettled
            .iter()
            .filter(|(name, _)| too_long(name))
            .map(|(name, why)| Trouble {
                code: EXPORT_UNSETTLED,
                subject: name.clone(),
                severity: Severity::Warning,
                text: format!("the export {name} cannot be read yet: {why}"),
                remedy: "See whether the till's export hangs or another program holds the file. It is read as soon as it is whole.".into(),
            })
            .collect();
        self.shop.conditions(&[EXPORT_UNSETTLED], &troubles);
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
            Ok(mut summary) => self.shop.ledger.settle_duplicates(id, &mut summary)?.map(|()| summary),
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
        self.shop.conditions(&[EXPORT_REJECTED], &[]);
        let errors = summary.row_errors.len() as u64 + summary.more_row_errors;
        let figures = json!({ "export": spooled.source.name, "rows": summary.rows, "row_errors": errors, "fingerprint": spooled.fingerprint });
        self.shop.run("stock", started, "done", &figures, Some("an export was read"));
        self.report_row_errors(spooled, &summary, errors);
        Ok(())
    }

    fn report_row_errors(&self, spooled: &SpooledExport, summary: &ReadSummary, errors: u64) {
        let troubles: Vec<Trouble> = summary
            .row_errors
            .first()
            .map(|first| Trouble {
                code: EXPORT_ROW_ERRORS,
                subject: spooled.source.name.clone(),
                severity: Severity::Warning,
                text: format!(
                    "{errors} row(s) of {} could not be used; the first is line {}: {}",
                    spooled.source.name, first.line, first.text
                ),
                remedy: "Correct these items in the till. Until then the web store keeps their last quantities.".into(),
            })
            .into_iter()
            .collect();
        self.shop.conditions(&[EXPORT_ROW_ERRORS], &troubles);
    }

    fn was_rejected(&self, id: ExportId, spooled: &SpooledExport, why: &Rejection, started: Timestamp) -> Result<()> {
        let name = &spooled.source.name;
        self.put_away(spooled, ExportFate::Quarantined { reason: &why.to_string() });
        self.shop.ledger.export_rejected(id, why, self.shop.clock.now())?;
        let text = format!("the export {name} cannot be believed: {why}");
        self.shop.run("stock", started, "rejected", &json!({ "export": name, "reason": why.reason }), Some(&text));
        let trouble = Trouble {
            code: EXPORT_REJECTED,
            subject: name.clone(),
            severity: Severity::Error,
            text,
            remedy: "Make the till export again. If the file is right, the profile is not: tillbridge stock preview FILE shows how it is read. A copy with the reason lies in quarantine.".into(),
        };
        self.shop.conditions(&[EXPORT_REJECTED], &[trouble]);
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

    /// Asks the gate about the held exports, newest first, until one is admitted: a truncated newest must not keep a
    /// good older one away. True while any is held.
    fn ask_gate(&self) -> Result<bool> {
        let mut waiting = Vec::new();
        for held in self.shop.ledger.held_exports()? {
            let (settings, now) = (&self.shop.settings, self.shop.clock.now());
            match self.shop.ledger.decide(held.id, &settings.gate, settings.missing, now)? {
                Verdict::Admit { unproved, .. } => {
                    self.was_admitted(&held, &unproved, now);
                    break;
                }
                Verdict::Hold { reasons, until } => waiting.push(held_trouble(&held, &reasons, until)),
                Verdict::Refuse(why) => self.was_refused(&held, &why, now),
            }
        }
        self.shop.conditions(&[EXPORT_HELD], &waiting);
        Ok(!waiting.is_empty())
    }

    fn was_admitted(&self, held: &ExportRecord, unproved: &[String], now: Timestamp) {
        self.shop.conditions(&[EXPORT_REFUSED], &[]);
        self.report_unproved(held, unproved);
        let figures = json!({ "export": held.name, "items": held.skus, "unproved_orders": unproved });
        self.shop.run("gate", now, "admitted", &figures, Some("an export counts now"));
        self.shop.wakes.delivery.notify_one();
    }

    fn was_refused(&self, held: &ExportRecord, why: &RefuseReason, now: Timestamp) {
        let text = format!("the export {} was not used: {why}", held.name);
        self.shop.run("gate", now, "refused", &json!({ "export": held.name }), Some(&text));
        self.shop.conditions(&[EXPORT_REFUSED], &[refused_trouble(held, text)]);
    }

    fn report_unproved(&self, held: &ExportRecord, unproved: &[String]) {
        let trouble = |number: &String| {
            Trouble {
            code: ADMITTED_UNPROVED,
            subject: number.clone(),
            severity: Severity::Warning,
            text: format!("the till had order {number} before the export {}, and has not taken it", held.name),
            remedy: "The web store sells as if the till had not booked it, which can only be too little. Start the till's import; the next export puts it right.".into(),
        }
        };
        let troubles: Vec<Trouble> = unproved.iter().map(trouble).collect();
        self.shop.conditions(&[ADMITTED_UNPROVED], &troubles);
    }
}

fn refused_trouble(held: &ExportRecord, text: String) -> Trouble {
    Trouble {
        code: EXPORT_REFUSED,
        subject: held.name.clone(),
        severity: Severity::Warning,
        text,
        remedy: "The newer export goes on counting. If this one was restored or copied, nothing need be done; else see whether the till's clock is right. Make the till export again.".into(),
    }
}

fn held_trouble(held: &ExportRecord, reasons: &[HoldReason], until: Option<Timestamp>) -> Trouble {
    const SHOWN: usize = 5;
    let mut shown: Vec<String> = reasons.iter().take(SHOWN).map(ToString::to_string).collect();
    if reasons.len() > SHOWN {
        shown.push(format!("and {} more", reasons.len() - SHOWN));
    }
    let shrinks = reasons.iter().any(|reason| !matches!(reason, HoldReason::OrderNotTaken { .. }));
    let remedy = match (shrinks, until) {
        (true, _) => "If the till's figures are right: tillbridge stock approve. Else make the till export again; the last quantities stand meanwhile.".to_owned(),
        (false, Some(until)) => format!("Start the till's import of web orders. If nothing happens, the export is used at {} with these orders subtracted.", in_words(until)),
        (false, None) => "Start the till's import of web orders; the export is used as soon as they are taken.".to_owned(),
    };
    Trouble {
        code: EXPORT_HELD,
        subject: held.name.clone(),
        severity: if shrinks { Severity::Error } else { Severity::Notice },
        text: format!("the export {} waits: {}", held.name, shown.join("; ")),
        remedy,
    }
}

#[async_trait]
impl Reconciler for Stock {
    fn name(&self) -> &'static str {
        "stock"
    }

    async fn activate(&self) -> Next {
        if self.shop.is_paused() {
            return Next(self.shop.settings.sweep_idle.duration());
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
