//! Private copies of exports: taken, archived, quarantined, pruned.
//!
//! Promises: a copy is whole, hashed and durable before anyone reads it, and of a file that did not change meanwhile;
//! the till's file is open no longer than the copying takes; the till's own file is deleted only where the settings
//! say so and only while it is still the one that was copied. Doing any step twice is harmless.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::fault::{for_now, of_files, passing};
use super::settings::ExportsAfter;
use super::sweep::observation;
use super::volume::{FolderKind, move_away, open_for_reading, remove_if_there, sync_folder};
use crate::ports::{EposError, ExportFate, SettledExport, SpooledExport, hex};

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

    /// Copies the export, which lies in a folder of this kind, while hashing it.
    pub(super) fn take(&self, export: &SettledExport, kind: FolderKind) -> Result<SpooledExport, EposError> {
        let folder = made(self.private.join("spool"))?;
        let part = folder.join(format!("{}{PART}", own_name(&export.name)));
        let taken = self.copy(export, &part, kind).and_then(|fingerprint| {
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
        let after = fs::symlink_metadata(&path)
            .map(|metadata| observation(&metadata, FolderKind::Share, None))
            .map_err(failed)?;
        if (after.bytes, after.modified) != (companion.bytes, companion.modified) {
            return Err(for_now(format!(
                "{} changed since it was looked at; it will be looked at again",
                companion.name
            )));
        }
        Ok(())
    }

    fn copy(&self, export: &SettledExport, part: &Path, kind: FolderKind) -> Result<String, EposError> {
        let path = self.exports.join(&export.name);
        let shown = path.display();
        let cannot =
            |what: &'static str| move |source| passing(format!("cannot {what} {}", path_text(&export.name)), source);
        let mut file = open_for_reading(&path).map_err(cannot("open the export"))?;
        let before = observation(&file.metadata().map_err(cannot("look at the export"))?, kind, None);
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
        let open = observation(&file.metadata().map_err(cannot("look at the export"))?, kind, None);
        let named = fs::symlink_metadata(&path).map(|metadata| observation(&metadata, kind, None));
        let named = named.map_err(cannot("find the export again after copying"))?;
        if !open.is_same(&before) || !named.is_same(&before) || copied != before.bytes {
            return Err(for_now(format!("{shown} changed while it was copied; it will be looked at again")));
        }
        Ok(hex(&hash.finalize()))
    }

    /// Moves the copy to its place.
    pub(super) fn put_away(
        &self,
        export: &SpooledExport,
        fate: ExportFate<'_>,
        now: Timestamp,
    ) -> Result<(), EposError> {
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
        Ok(())
    }

    /// Deletes the till's own file where the settings say so.
    pub(super) fn clear(&self, export: &SettledExport) -> Result<(), EposError> {
        match self.after {
            ExportsAfter::Leave => Ok(()),
            ExportsAfter::Delete => self.delete_original(export),
        }
    }

    fn delete_original(&self, export: &SettledExport) -> Result<(), EposError> {
        let path = self.exports.join(&export.name);
        match fs::symlink_metadata(&path).map(|metadata| observation(&metadata, FolderKind::Share, None)) {
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
        let modified = fs::symlink_metadata(&path)
            .ok()
            .and_then(|metadata| observation(&metadata, FolderKind::Share, None).modified);
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
