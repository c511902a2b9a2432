//! What a person is told about exports: health conditions, and the note beside a quarantined file.
//!
//! Promises: each says what is wrong, with which file, and what to do; commands in it can be typed as they stand.

use jiff::Timestamp;

use super::gate::Waiting;
use super::{
    ADMITTED_UNPROVED, EXPORT_FOLDER, EXPORT_HELD, EXPORT_NOT_COPIED, EXPORT_NOT_DELETED, EXPORT_REFUSED,
    EXPORT_REJECTED, EXPORT_ROW_ERRORS, EXPORT_SEQUENCE, EXPORT_UNSETTLED, FILE_HELD, HELD_TOO_LONG, ITEMS_MISSING,
    Memory, Stock, UNSETTLED_TOO_LONG, chain,
};
use crate::domain::gate::HoldReason;
use crate::domain::stock::{Scope, in_words};
use crate::domain::{ItemMap, Sku};
use crate::ledger::Result;
use crate::ledger::conditions::{Severity, Trouble};
use crate::ledger::exports::{ExportRecord, Missing};
use crate::ports::{Cause, EposError, ExportLook, ReadSummary, Rejection, SpooledExport, Unsettled};
use crate::tasks::Attention;

/// Missing items that are named.
const NAMED_ITEMS: u32 = 5;
/// Unsettled files that are named, of each kind.
const MOST_UNSETTLED: usize = 50;
/// What a trouble with rows is about where exports of changes come every few minutes, each under another name.
const OF_CHANGES: &str = "exports of changes";

impl Stock {
    pub(super) fn folder_failed(&self, error: &EposError) {
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
    pub(super) fn report_uncopied(&self, errors: &[EposError]) {
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

    pub(super) fn report_unsettled(&self, memory: &mut Memory, look: &ExportLook, now: Timestamp) {
        memory.note_unsettled(look, now);
        let trouble = |unsettled: &Unsettled| {
            let (since, _) = *memory.unsettled.get(&unsettled.name)?;
            unsettled_trouble(unsettled, since, now)
        };
        let troubles = look.unsettled.iter().filter_map(trouble).take(MOST_UNSETTLED);
        let (held, unsettled): (Vec<_>, Vec<_>) = troubles.partition(|trouble| trouble.code == FILE_HELD);
        self.shop.conditions(&[EXPORT_UNSETTLED], &unsettled);
        self.shop.files_held(Attention::Stock, held);
    }

    pub(super) fn report_undeleted(&self, undeleted: &[(String, String)]) {
        let trouble = |(name, why): &(String, String)| {
            Trouble {
            code: EXPORT_NOT_DELETED,
            subject: name.clone(),
            severity: Severity::Warning,
            text: format!("the export {name} was read, and stays in the export folder: {why}"),
            remedy: "Give the agent's account the right to delete in the export folder, or set epos.exports_after = \"leave\". It is tried again by itself, and the export is not read twice.".into(),
        }
        };
        let troubles: Vec<Trouble> = undeleted.iter().take(MOST_UNSETTLED).map(trouble).collect();
        self.shop.conditions(&[EXPORT_NOT_DELETED], &troubles);
    }

    pub(super) fn report_row_errors(&self, spooled: &SpooledExport, summary: &ReadSummary, errors: u64) {
        let name = &spooled.source.name;
        let trouble = summary.row_errors.first().map(|first| Trouble {
            code: EXPORT_ROW_ERRORS,
            subject: name.clone(),
            severity: Severity::Warning,
            text: format!(
                "{errors} row(s) of {name} could not be used; the first is line {}: {}",
                first.line, first.text
            ),
            remedy: "Correct these items in the till. Until then the web store keeps their last quantities.".into(),
        });
        match (summary.scope, trouble) {
            (Scope::Full, trouble) => self.shop.conditions(&[EXPORT_ROW_ERRORS], trouble.as_slice()),
            // Of other items nothing is said: what was wrong with them stays so.
            (Scope::Delta, Some(trouble)) => {
                let trouble = Trouble { subject: OF_CHANGES.into(), ..trouble };
                self.shop.conditions_about(&[EXPORT_ROW_ERRORS], OF_CHANGES, &[trouble]);
            }
            (Scope::Delta, None) => {}
        }
    }

    pub(super) fn report_rejected(&self, name: &str, text: String) {
        let trouble = Trouble {
            code: EXPORT_REJECTED,
            subject: name.to_owned(),
            severity: Severity::Error,
            text,
            remedy: "Make the till export again. If the file is right, the profile is not: tillbridge stock preview FILE shows how it is read. A copy with the reason lies in quarantine.".into(),
        };
        self.shop.conditions(&[EXPORT_REJECTED], &[trouble]);
    }

    pub(super) fn report_unproved(&self, held: &ExportRecord, unproved: &[String]) {
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

    /// Lasts until a full export counts: nobody knows which items the missing changes were about.
    pub(super) fn report_gap(&self, held: &ExportRecord, missing: &str) {
        let trouble = Trouble {
            code: EXPORT_SEQUENCE,
            subject: String::new(),
            severity: Severity::Warning,
            text: format!("the changes in {} were used although others before them are missing: {missing}", held.name),
            remedy:
                "Items that only the missing changes speak of have old quantities. Make the till write a full export."
                    .into(),
        };
        self.shop.conditions(&[EXPORT_SEQUENCE], &[trouble]);
    }

    pub(super) fn report_refused(&self, held: &ExportRecord, text: String) {
        let remedy = match held.scope {
            Scope::Full => {
                "The newer export goes on counting. If this one was restored or copied, nothing need be done; else see whether the till's clock is right. Make the till export again."
            }
            Scope::Delta => {
                "The newer export goes on counting. If this one was restored or copied, nothing need be done; else its changes are missing: see whether the till's clock is right, and make the till write a full export."
            }
        };
        let trouble = Trouble {
            code: EXPORT_REFUSED,
            subject: held.name.clone(),
            severity: Severity::Warning,
            text,
            remedy: remedy.into(),
        };
        self.shop.conditions(&[EXPORT_REFUSED], &[trouble]);
    }

    /// Items that the till's full export no longer has, while they are left as they are.
    pub(super) fn report_missing(&self) -> Result<()> {
        let is_wanted = match self.shop.settings.missing {
            Missing::Report => true,
            Missing::Zero | Missing::Keep => false,
        };
        let missing = self.shop.ledger.missing_items(NAMED_ITEMS)?;
        let codes: Vec<Sku> = missing.first.iter().filter_map(|code| Sku::new(code).ok()).collect();
        let map = self.shop.ledger.item_map_of(&codes)?;
        let named: Vec<String> = codes.iter().map(|code| with_web_sku(code, &map)).collect();
        let trouble = (is_wanted && missing.count > 0).then(|| Trouble {
            code: ITEMS_MISSING,
            subject: String::new(),
            severity: Severity::Notice,
            text: format!(
                "{} item(s) that an earlier full export had are missing from the one that counts, for example {}",
                missing.count,
                named.join(", ")
            ),
            remedy: "The web store keeps the quantities that it has of them. If the till no longer sells them, take them out of the web store, or set stock.missing = \"zero\"; else see why the till leaves them out.".into(),
        });
        self.shop.conditions(&[ITEMS_MISSING], trouble.as_slice());
        Ok(())
    }
}

/// What to say of a file that has been kept from being read since then, once that is too long.
fn unsettled_trouble(unsettled: &Unsettled, since: Timestamp, now: Timestamp) -> Option<Trouble> {
    let Unsettled { name, reason, cause } = unsettled;
    let (code, at_most, text, remedy) = match cause {
        Cause::Unfinished => (
            EXPORT_UNSETTLED,
            UNSETTLED_TOO_LONG,
            format!("the export {name} cannot be read yet: {reason}"),
            "See whether the till's export hangs. It is read as soon as it is whole.",
        ),
        Cause::Held => (
            FILE_HELD,
            HELD_TOO_LONG,
            format!("the export {name} cannot be opened since {}: {reason}", in_words(since)),
            "End the program that has it open (a spreadsheet, a backup, a virus scanner), or give the agent's account the right to read it. It is tried again by itself for as long as it takes.",
        ),
        Cause::Unfit => (
            EXPORT_UNSETTLED,
            UNSETTLED_TOO_LONG,
            format!("{name} in the export folder is named like an export and is not read: {reason}"),
            "Put it right or take it away; or narrow epos.export_files, if it is no export.",
        ),
    };
    let is_too_long = now.duration_since(since) >= at_most;
    let remedy = remedy.to_owned();
    is_too_long.then(|| Trouble { code, subject: name.clone(), severity: Severity::Warning, text, remedy })
}

/// A till code, and what the web store calls it where that differs.
fn with_web_sku(code: &Sku, map: &ItemMap) -> String {
    let web = map.paired_web(code).filter(|web| *web != code);
    web.map_or_else(|| code.to_string(), |web| format!("{code} (the web store's {web})"))
}

/// The remark on an export about codes that are not used, because the web store means other items by them; `first` are
/// some of them.
pub(crate) fn unused_codes(count: u64, first: &[Sku]) -> Option<String> {
    const NAMED: usize = 5;
    let named: Vec<String> = first.iter().take(NAMED).map(Sku::to_string).collect();
    let more = if count > named.len() as u64 { ", …" } else { "" };
    (count > 0).then(|| {
        format!(
            "{count} item(s) are not used, because their till codes are the web SKUs of other items ({}{more}); \
             to use one: tillbridge items add WEB_SKU TILL_CODE",
            named.join(", ")
        )
    })
}

/// One trouble for each held export, but changes that only wait for earlier ones are counted with those.
pub(super) fn held_troubles(waiting: &[Waiting]) -> Vec<Trouble> {
    let is_first =
        |reasons: &[HoldReason]| !reasons.iter().any(|reason| matches!(reason, HoldReason::EarlierHeld { .. }));
    let behind = waiting.iter().filter(|(_, reasons, _)| !is_first(reasons)).count();
    let one = |(held, reasons, until): &Waiting| {
        let behind = if held.scope == Scope::Delta { behind } else { 0 };
        held_trouble(held, reasons, *until, behind)
    };
    waiting.iter().filter(|(_, reasons, _)| is_first(reasons)).map(one).collect()
}

fn held_trouble(held: &ExportRecord, reasons: &[HoldReason], until: Option<Timestamp>, behind: usize) -> Trouble {
    const SHOWN: usize = 5;
    let mut shown: Vec<String> = reasons.iter().take(SHOWN).map(ToString::to_string).collect();
    if reasons.len() > SHOWN {
        shown.push(format!("and {} more", reasons.len() - SHOWN));
    }
    let later =
        if behind > 0 { format!("; {behind} later export(s) of changes wait behind it") } else { String::new() };
    let asks = reasons.iter().any(HoldReason::needs_approval);
    Trouble {
        code: EXPORT_HELD,
        subject: held.name.clone(),
        severity: if asks { Severity::Error } else { Severity::Notice },
        text: format!("the export {} waits: {}{later}", held.name, shown.join("; ")),
        remedy: held_remedy(held, reasons, until),
    }
}

fn held_remedy(held: &ExportRecord, reasons: &[HoldReason], until: Option<Timestamp>) -> String {
    let approve = format!("tillbridge stock approve {}", typed(&held.name));
    let has = |is_it: fn(&HoldReason) -> bool| reasons.iter().any(is_it);
    if has(|reason| matches!(reason, HoldReason::SequenceWentBack { .. })) {
        return format!(
            "If the till was set up anew and counts from the start: {approve}. If this is an old file, make the till export again; the last quantities stand meanwhile."
        );
    }
    if has(HoldReason::needs_approval) {
        return format!(
            "If the till's figures are right: {approve}. Else make the till export again; the last quantities stand meanwhile."
        );
    }
    let by_itself = until.map(|until| format!(" If nothing happens, it is used at {} all the same.", in_words(until)));
    if has(|reason| matches!(reason, HoldReason::SequenceGap(_))) {
        let by_itself = by_itself.unwrap_or_default();
        return format!(
            "See where the missing exports are, or make the till write a full one. To use this one without them: {approve}.{by_itself}"
        );
    }
    match until {
        Some(until) => format!(
            "Start the till's import of web orders; of one that the till has booked without proof say so: tillbridge orders declare NUMBER consumed. If nothing happens, the export is used at {} with these orders subtracted.",
            in_words(until)
        ),
        None => "Start the till's import of web orders; of one that the till has booked without proof say so: tillbridge orders declare NUMBER consumed. The export is used as soon as they are proved.".to_owned(),
    }
}

/// A file's name as it has to be typed on a command line.
fn typed(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "._-+@%,".contains(c);
    if name.chars().all(is_plain) { name.to_owned() } else { format!("\"{name}\"") }
}

/// What lies beside a quarantined export. Windows' own editor shows it line by line.
pub(super) fn quarantine_note(name: &str, why: &Rejection, now: Timestamp) -> String {
    let Rejection { reason, line, text } = why;
    let place = line.map_or_else(String::new, |line| format!("Line {line}: "));
    let lines = [
        format!("The stock export {} was not used.", plain(name)),
        format!("Tillbridge read it on {}, and it cannot be believed as a whole.", in_words(now)),
        String::new(),
        format!("What is wrong: {place}{} ({reason})", plain(text)),
        String::new(),
        "What to do: make the till write the export again. Until then the web store keeps its last quantities.".into(),
        "If the file is as the till always writes it, its profile is wrong. These commands show how it is read:".into(),
        "  tillbridge stock preview FILE".into(),
        "  tillbridge stock read --profile PROFILE FILE".into(),
        "FILE is the copy of the export that lies beside this note.".into(),
        String::new(),
    ];
    lines.join("\r\n")
}

/// Text from a file, on one line and without characters that change how the rest is shown.
fn plain(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().map(|c| if hidden(c) { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_beside_a_quarantined_file_says_what_is_wrong_and_what_to_do() {
        let text = "the amount \"12\u{202e}\n\" is cut off".to_owned();
        let why = Rejection { reason: "truncated_last_record".into(), line: Some(41), text };
        let note = quarantine_note("stock.csv", &why, "2026-03-14T09:12:44Z".parse().unwrap());
        for part in [
            "The stock export stock.csv was not used.\r\n",
            "2026-03-14 09:12:44 UTC",
            "Line 41: the amount \"12??\" is cut off (truncated_last_record)\r\n",
            "make the till write the export again",
            "tillbridge stock preview FILE\r\n",
        ] {
            assert!(note.contains(part), "{part:?} in {note}");
        }
        assert!(note.ends_with("\r\n") && !note.replace("\r\n", "").contains(['\r', '\n']));
    }

    #[test]
    fn a_name_is_quoted_where_a_command_line_would_break_it() {
        assert_eq!(typed("stock_2026-03-14.csv"), "stock_2026-03-14.csv");
        assert_eq!(typed("stock (2).csv"), "\"stock (2).csv\"");
    }
}
