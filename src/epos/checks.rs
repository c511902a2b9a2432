//! Tries, for `tillbridge check`, what the agent will need of the till's folders.
//!
//! Promises: every line says what was tried, and when it failed what to do; nothing is ever written where the till
//! looks, only in staging and in our own folder.

use std::fs;
use std::io;
use std::path::Path;

use super::check_words;
use super::settings::{EposSettings, ExportsAfter};
use super::spool::write_synced;
use super::volume::{FolderKind, may_change, remove_if_there, rename_without_replacing, same_volume};
use crate::ports::CheckLine;

/// Name of the file that is tried with.
const PROBE: &str = "tillbridge-check";

/// Tries everything, one line each.
pub(super) fn check_folders(settings: &EposSettings, kind: FolderKind, private: &Path) -> Vec<CheckLine> {
    let staging = settings.staging();
    let mut lines = vec![
        can_list("list the export folder", &settings.export_folder),
        can_list("list the import folder", &settings.import_folder),
    ];
    lines.extend(match settings.exports_after {
        ExportsAfter::Leave => None,
        ExportsAfter::Delete => Some(can_delete("delete in the export folder", &settings.export_folder)),
    });
    lines.extend(settings.done_folder.as_deref().map(|folder| can_list("list the folder for taken orders", folder)));
    lines.extend(
        settings.rejects_folder.as_deref().map(|folder| can_list("list the folder for refused orders", folder)),
    );
    let evidence = &settings.evidence;
    let answers = evidence.answer_file.as_ref().and_then(|answer| answer.folder.as_deref());
    lines.extend(answers.map(|folder| can_list("list the folder for the till's answers", folder)));
    let reports = evidence.report.as_ref().map(|report| report.folder.as_path());
    lines.extend(reports.map(|folder| can_list("list the folder of the till's reports", folder)));
    lines.push(line("an order counts as booked when", Ok(evidence.in_words(settings.done_folder.is_some()))));
    lines.push(line("an order counts as refused when", Ok(check_words::refusals(settings))));
    lines.push(line("an order is written as", Ok(check_words::files(&settings.order_profile))));
    lines.push(line("what the till is to take back of an order", Ok(check_words::cancellations(settings))));
    // Without the import folder, making the staging folder would make it, too, in the wrong place.
    if settings.import_folder.is_dir() {
        let written = can_write("write, rename and delete in the staging folder", &staging);
        let is_there = written.ok;
        lines.push(written);
        lines.extend(is_there.then(|| shares_volume(&staging, &settings.import_folder)));
    }
    lines.push(is_told(settings, kind));
    lines.push(can_write("write, rename and delete in our own folder", private));
    lines
}

fn line(what: &str, tried: Result<String, String>) -> CheckLine {
    let ok = tried.is_ok();
    CheckLine { what: what.to_owned(), ok, found: tried.unwrap_or_else(|wrong| wrong) }
}

fn can_list(what: &str, folder: &Path) -> CheckLine {
    let listed = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|_| ())).collect::<io::Result<Vec<()>>>());
    let shown = folder.display();
    line(
        what,
        match listed {
            Ok(entries) => Ok(format!("{shown} shows {} file(s) and folder(s)", entries.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!(
                "{shown} is not there; make it, or correct the path. A service does not see mapped drive letters: write \\\\server\\share"
            )),
            Err(error) => Err(format!("{shown}: {error}; give the agent's account the right to read it")),
        },
    )
}

fn can_write(what: &str, folder: &Path) -> CheckLine {
    let (first, second) = (folder.join(PROBE), folder.join(format!("{PROBE}.renamed")));
    let tried = fs::create_dir_all(folder)
        .and_then(|()| remove_if_there(&second))
        .and_then(|()| write_synced(&first, b"may be deleted"))
        .and_then(|()| rename_without_replacing(&first, &second))
        .and_then(|()| fs::remove_file(&second));
    let shown = folder.display();
    line(
        what,
        match tried {
            Ok(()) => Ok(shown.to_string()),
            Err(error) => Err(format!("{shown}: {error}; give the agent's account the right to change files there")),
        },
    )
}

/// Nothing of the till's is touched: the system is asked whether it would let us.
fn can_delete(what: &str, folder: &Path) -> CheckLine {
    let shown = folder.display();
    line(
        what,
        match may_change(folder) {
            Ok(()) => Ok(shown.to_string()),
            Err(error) => Err(format!(
                "{shown}: {error}; give the agent's account the right to delete there, or set epos.exports_after = \"leave\""
            )),
        },
    )
}

/// How changes in the till's folders are noticed. Nothing that can fail.
fn is_told(settings: &EposSettings, kind: FolderKind) -> CheckLine {
    let pace = settings.pace(kind);
    let looks = format!(
        "by looking every {} s, every {} s while something is awaited",
        pace.sweep_idle.as_secs(),
        pace.sweep_awaiting.as_secs()
    );
    let place = match kind {
        FolderKind::Local => "the folders are on this machine's own disks",
        FolderKind::Share => "a folder is on a share (or not there), where the system cannot be trusted to tell",
    };
    let told = if settings.asks_to_be_told(kind) { "the system tells of them, and " } else { "" };
    line("notice changes in the till's folders", Ok(format!("{told}{looks}; {place}")))
}

fn shares_volume(staging: &Path, import: &Path) -> CheckLine {
    let shown = format!("{} and {}", staging.display(), import.display());
    line(
        "staging and import folder are on one volume",
        match same_volume(staging, import) {
            Ok(Some(true)) => Ok(shown),
            Ok(None) => Ok(format!("{shown}: the system does not say")),
            Ok(Some(false)) => Err(format!(
                "{shown} are on different volumes, so that orders could appear half-written; leave out epos.staging_folder"
            )),
            Err(error) => Err(format!("{shown}: {error}")),
        },
    )
}
