//! Private copies of exports: taken, archived, quarantined, pruned.
//!
//! Promises: a copy is whole, hashed and durable before anyone reads it, and of a file that did not change meanwhile;
//! the till's file is open no longer than the copying takes; the till's own file is deleted only where the settings
//! say so and only while it is still the one that was copied. Doing any step twice is harmless.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::fault::{for_now, of_files, passing};
use super::settings::{EposSettings, ExportsAfter};
use super::settle::{Observation, Seen, SettleTracker};
use super::volume::{identity_of, is_held_by_another, move_away, open_for_reading, remove_if_there, sync_folder};
use crate::ports::{Companion, EposError, ExportFate, SettledExport, SpooledExport, hex};

/// Bytes copied at once.
const PIECE: usize = 128 * 1024;
/// Largest control file copied, in bytes; such files have a few lines.
const LARGEST_COMPANION: u64 = 1024 * 1024;
/// Longest part of a file's name that our own names repeat, in characters.
const LONGEST_NAME: usize = 100;
/// What is written beside a quarantined file.
const REASON: &str = ".reason.txt";
/// The copy of the file that proved an export whole.
const BESIDE: &str = ".beside";
/// A copy that is not whole yet.
const PART: &str = ".part";

/// Lists the export folder and looks at each export in it through an open handle.
pub(super) fn observe_folder(
    settings: &EposSettings,
    tracker: &SettleTracker,
) -> Result<Vec<(String, Seen)>, EposError> {
    let folder = &settings.export_folder;
    let failed = |source| {
        let shown = folder.display();
        of_files(format!("cannot list the export folder {shown}; is it there, and may the agent read it?"), source)
    };
    let mut exports = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if settings.is_export_name(&name) && entry.file_type().map_err(failed)?.is_file() {
            exports.push((entry, settings.companion_of(&name), name));
        }
    }
    // A control file may well have the name of an export.
    let companions: HashSet<String> = exports.iter().filter_map(|(_, companion, _)| companion.clone()).collect();
    let mut listing = Vec::with_capacity(exports.len());
    for (entry, companion, name) in exports.into_iter().filter(|(_, _, name)| !companions.contains(name)) {
        match beside(folder, companion).map(|companion| seen(&entry, &name, companion, tracker)) {
            Ok(Some(seen)) => listing.push((name, seen)),
            Ok(None) => continue,
            Err(why) => listing.push((name, Seen::Unreadable(why))),
        }
    }
    Ok(listing)
}

/// The file beside an export that proves it whole; an error while it is not there.
fn beside(folder: &Path, name: Option<String>) -> Result<Option<Companion>, String> {
    let Some(name) = name else { return Ok(None) };
    match fs::symlink_metadata(folder.join(&name)).map(|metadata| (metadata.is_file(), observation(&metadata, None))) {
        Ok((true, seen)) => Ok(Some(Companion { name, bytes: seen.bytes, modified: seen.modified })),
        Ok((false, _)) => Err(format!("{name}, which proves it whole, is no plain file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(format!("waits for {name}, which the till writes when the export is whole"))
        }
        Err(error) => Err(format!("{name}, which proves it whole, cannot be looked at: {error}")),
    }
}

/// One file of the listing; `None` when it went away since.
fn seen(entry: &fs::DirEntry, name: &str, companion: Option<Companion>, tracker: &SettleTracker) -> Option<Seen> {
    // A settled file that still shows the same need not be opened at each look: there may be 100,000 of them.
    if let Ok(metadata) = entry.metadata() {
        let shown = observation(&metadata, companion.clone());
        if tracker.is_settled_as(name, &shown) {
            return Some(Seen::Observed(shown));
        }
    }
    // Sizes in a folder's listing may lag behind on Windows; those of an open file do not.
    match open_for_reading(&entry.path()).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.is_file() => Some(Seen::Observed(observation(&metadata, companion))),
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) if is_held_by_another(&error) => {
            Some(Seen::Unreadable("another program has it open; it will be looked at again".to_owned()))
        }
        Err(error) => Some(Seen::Unreadable(format!("cannot be opened: {error}; may the agent read it?"))),
    }
}

fn observation(metadata: &fs::Metadata, companion: Option<Companion>) -> Observation {
    let modified = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    Observation { bytes: metadata.len(), modified, id: identity_of(metadata), companion }
}

/// Where the copy of an export's companion lies: beside the export's own.
pub(super) fn spooled_companion(spooled: &Path) -> PathBuf {
    let mut name = spooled.file_name().unwrap_or_default().to_owned();
    name.push(BESIDE);
    spooled.with_file_name(name)
}

/// The private folder.
#[derive(Debug)]
pub(super) struct Spool {
    private: PathBuf,
    exports: PathBuf,
    after: ExportsAfter,
}

impl Spool {
    pub(super) fn new(private: PathBuf, exports: PathBuf, after: ExportsAfter) -> Self {
        Self { private, exports, after }
    }

    pub(super) fn private_folder(&self) -> &Path {
        &self.private
    }

    /// Copies the export while hashing it.
    pub(super) fn take(&self, export: &SettledExport) -> Result<SpooledExport, EposError> {
        let folder = made(self.private.join("spool"))?;
        let part = folder.join(format!("{}{PART}", own_name(&export.name)));
        let taken = self.copy(export, &part).and_then(|fingerprint| {
            let spooled = folder.join(format!("{}_{}", &fingerprint[..16], own_name(&export.name)));
            self.copy_companion(export, &spooled)?;
            move_away(&part, &spooled).and_then(|()| sync_folder(&folder)).map_err(|error| {
                passing(format!("cannot keep the copy {}; is the disk full?", spooled.display()), error)
            })?;
            Ok(SpooledExport { source: export.clone(), spooled, fingerprint })
        });
        if taken.is_err()
            && let Err(error) = remove_if_there(&part)
        {
            tracing::debug!(path = %part.display(), error = %error, "a copy that is not whole stays; it is overwritten next time");
        }
        taken
    }

    /// Copies the companion as it was when the export settled.
    fn copy_companion(&self, export: &SettledExport, spooled: &Path) -> Result<(), EposError> {
        let Some(companion) = &export.companion else { return Ok(()) };
        let path = self.exports.join(&companion.name);
        let failed = |source| passing(format!("cannot copy {}", path_text(&companion.name)), source);
        if companion.bytes > LARGEST_COMPANION {
            let text = format!("{} is too large for a control file ({} bytes)", companion.name, companion.bytes);
            return Err(for_now(text));
        }
        let mut bytes = Vec::new();
        open_for_reading(&path)
            .and_then(|file| file.take(LARGEST_COMPANION).read_to_end(&mut bytes))
            .and_then(|_| write_synced(&spooled_companion(spooled), &bytes))
            .map_err(failed)?;
        let after = fs::symlink_metadata(&path).map(|metadata| observation(&metadata, None)).map_err(failed)?;
        if (after.bytes, after.modified) != (companion.bytes, companion.modified) {
            return Err(for_now(format!(
                "{} changed since it was looked at; it will be looked at again",
                companion.name
            )));
        }
        Ok(())
    }

    fn copy(&self, export: &SettledExport, part: &Path) -> Result<String, EposError> {
        let path = self.exports.join(&export.name);
        let shown = path.display();
        let cannot =
            |what: &'static str| move |source| passing(format!("cannot {what} {}", path_text(&export.name)), source);
        let mut file = open_for_reading(&path).map_err(cannot("open the export"))?;
        let before = observation(&file.metadata().map_err(cannot("look at the export"))?, None);
        let is_same = before.bytes == export.bytes && before.modified == export.timing.modified;
        if !is_same {
            return Err(for_now(format!("{shown} has changed since it was looked at; it will be looked at again")));
        }
        let no_room = |source| passing(format!("cannot write {}; is the disk full?", part.display()), source);
        let mut copy = File::create(part).map_err(no_room)?;
        let (mut hash, mut piece, mut copied) = (Sha256::new(), vec![0; PIECE], 0u64);
        loop {
            let read = file.read(&mut piece).map_err(cannot("read the export"))?;
            if read == 0 {
                break;
            }
            hash.update(&piece[..read]);
            copy.write_all(&piece[..read]).map_err(no_room)?;
            copied += read as u64;
        }
        copy.sync_all().map_err(no_room)?;
        let open = observation(&file.metadata().map_err(cannot("look at the export"))?, None);
        let named = fs::symlink_metadata(&path).map(|metadata| observation(&metadata, None));
        let named = named.map_err(cannot("find the export again after copying"))?;
        if open != before || named != before || copied != before.bytes {
            return Err(for_now(format!("{shown} changed while it was copied; it will be looked at again")));
        }
        Ok(hex(&hash.finalize()))
    }

    /// Moves the copy to its place, then deals with the till's own file.
    pub(super) fn finish(&self, export: &SpooledExport, fate: ExportFate<'_>, now: Timestamp) -> Result<(), EposError> {
        let kind = match fate {
            ExportFate::Archived => "archive",
            ExportFate::Quarantined { .. } => "quarantine",
        };
        if export.spooled.exists() {
            let folder = made(self.private.join(kind).join(now.strftime("%Y-%m-%d").to_string()))?;
            let kept = kept_name(export, &folder, now);
            if let ExportFate::Quarantined { reason } = fate {
                // First the reason, so that no file is ever there without it.
                let note = folder.join(format!("{kept}{REASON}"));
                write_synced(&note, reason.as_bytes())
                    .map_err(|error| passing(format!("cannot write {}", note.display()), error))?;
            }
            let cannot_move =
                |error| passing(format!("cannot move {} to {}", export.spooled.display(), folder.display()), error);
            let companion = spooled_companion(&export.spooled);
            if companion.exists() {
                move_away(&companion, &folder.join(format!("{kept}{BESIDE}"))).map_err(cannot_move)?;
            }
            move_away(&export.spooled, &folder.join(kept)).map_err(cannot_move)?;
        }
        match self.after {
            ExportsAfter::Leave => Ok(()),
            ExportsAfter::Delete => self.delete_original(&export.source),
        }
    }

    fn delete_original(&self, export: &SettledExport) -> Result<(), EposError> {
        let path = self.exports.join(&export.name);
        match fs::symlink_metadata(&path).map(|metadata| observation(&metadata, None)) {
            Ok(seen) if seen.bytes == export.bytes && seen.modified == export.timing.modified => {
                // Its companion first: left alone, it would call the next export whole while it is being written.
                let companion = export.companion.as_ref().map(|companion| self.exports.join(&companion.name));
                companion
                    .map_or(Ok(()), |companion| remove_if_there(&companion))
                    .and_then(|()| remove_if_there(&path))
                    .map_err(|error| passing(format!("cannot delete the export {}", path.display()), error))
            }
            // It is another one by now; that one's turn comes.
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(passing(format!("cannot look at the export {}", path.display()), error)),
        }
    }

    /// Removes what is older than `oldest`.
    pub(super) fn prune(&self, oldest: Timestamp) -> Result<u64, EposError> {
        let mut removed = prune_files(&self.private.join("spool"), oldest, |_| true)?;
        let oldest_day = oldest.strftime("%Y-%m-%d").to_string();
        for kind in ["archive", "quarantine"] {
            for day in names_in(&self.private.join(kind))? {
                let is_day =
                    day.len() == oldest_day.len() && day.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
                if !is_day || day >= oldest_day {
                    continue;
                }
                let folder = self.private.join(kind).join(day);
                removed += names_in(&folder)?.len() as u64;
                fs::remove_dir_all(&folder)
                    .map_err(|error| passing(format!("cannot remove {}", folder.display()), error))?;
            }
        }
        Ok(removed)
    }
}

/// The name under which a copy is kept. Same second and same name: the content tells them apart, and the same content
/// need not be kept twice.
fn kept_name(export: &SpooledExport, folder: &Path, now: Timestamp) -> String {
    let (time, name) = (now.strftime("%H%M%S").to_string(), own_name(&export.source.name));
    let wanted = format!("{time}_{name}");
    if folder.join(&wanted).exists() {
        format!("{time}_{}_{name}", export.fingerprint.get(..8).unwrap_or_default())
    } else {
        wanted
    }
}

/// Removes those files of one of our own folders that are older than `oldest`, by name.
pub(super) fn prune_files(folder: &Path, oldest: Timestamp, is_meant: impl Fn(&str) -> bool) -> Result<u64, EposError> {
    let mut removed = 0;
    for name in names_in(folder)?.into_iter().filter(|name| is_meant(name)) {
        let path = folder.join(name);
        let modified = fs::symlink_metadata(&path).ok().and_then(|metadata| observation(&metadata, None).modified);
        if modified.is_some_and(|modified| modified < oldest) {
            remove_if_there(&path).map_err(|error| passing(format!("cannot remove {}", path.display()), error))?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// The names in one of our own folders; none when it was never made.
fn names_in(folder: &Path) -> Result<Vec<String>, EposError> {
    let failed = |error| passing(format!("cannot list {}", folder.display()), error);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    Ok(names)
}

/// Makes one of our own folders where it is missing.
pub(super) fn made(folder: PathBuf) -> Result<PathBuf, EposError> {
    match fs::create_dir_all(&folder) {
        Ok(()) => Ok(folder),
        Err(error) => {
            let shown = folder.display();
            Err(of_files(format!("cannot make the folder {shown}; may the agent write there?"), error))
        }
    }
}

/// Writes a file of our own and makes it durable.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A till's file name as part of one of ours: short, and without what a file system might refuse.
fn own_name(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    name.chars().take(LONGEST_NAME).map(plain).collect()
}

fn path_text(name: &str) -> String {
    format!("{name}; it will be tried again")
}
