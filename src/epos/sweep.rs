//! One look at the export folder.
//!
//! Promises: what is named like an export is either looked at or named with the reason why not; a file is looked at
//! through an open handle until it has settled, afterwards by its name alone, and of many that were dealt with long ago
//! only some in each sweep; links are never followed.
//! Does not promise to see a file through its 8.3 short name: masks are held against the names in the listing.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;

use super::fault::of_files;
use super::settings::EposSettings;
use super::settle::{Observation, Seen, SettleTracker};
use super::volume::{
    FolderKind, LISTINGS_SHOW_ALL, identity_of, is_held_by_another, number_in_listing, open_for_reading,
};
use crate::ports::{Cause, Companion, EposError, Unsettled};

/// What one listing of the export folder showed.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Plain files.
    pub(super) files: Vec<(String, Seen)>,
    /// What is named like an export and can never be one.
    pub(super) unfit: Vec<Unsettled>,
    /// Files that were looked at one by one.
    pub(super) looked_at: usize,
}

/// What a listing shows of an export for nothing.
struct Entry {
    name: String,
    companion: Option<String>,
    number: Option<u64>,
    shown: Option<fs::Metadata>,
}

/// A sweep: what it knows and where it looks.
pub(super) struct Sweep<'s> {
    pub(super) settings: &'s EposSettings,
    pub(super) tracker: &'s SettleTracker,
    pub(super) kind: FolderKind,
    /// Names of which the system has told a change: they are looked at in any case.
    pub(super) told: &'s HashSet<String>,
    pub(super) now: Timestamp,
}

impl Sweep<'_> {
    /// Lists the export folder and looks at each export in it.
    pub(super) fn observe(&self) -> Result<Listing, EposError> {
        let folder = &self.settings.export_folder;
        let failed = |source| {
            let shown = folder.display();
            of_files(format!("cannot list the export folder {shown}; is it there, and may the agent read it?"), source)
        };
        let (mut listing, mut companions) = (Listing::default(), HashSet::new());
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Some(export) = self.export(&entry, &mut listing.unfit).map_err(failed)? else { continue };
            if self.told.contains(&export.name) || !self.tracker.may_rest(&export.name, export.number, self.now) {
                listing.looked_at += 1;
                let seen = self.look_at(&export);
                companions.extend(export.companion);
                listing.files.extend(seen.map(|seen| (export.name, seen)));
            } else {
                companions.extend(export.companion);
                listing.files.push((export.name, Seen::Resting));
            }
        }
        // A control file may well have the name of an export.
        listing.files.retain(|(name, _)| !companions.contains(name));
        Ok(listing)
    }

    /// What the listing shows of an export; `None` for what is none.
    fn export(&self, entry: &fs::DirEntry, unfit: &mut Vec<Unsettled>) -> io::Result<Option<Entry>> {
        let file_name = entry.file_name();
        let name = match file_name.to_str() {
            Some(name) if self.settings.is_export_name(name) => name.to_owned(),
            Some(_) => return Ok(None),
            None => {
                unfit.extend(self.no_text(&file_name.to_string_lossy()));
                return Ok(None);
            }
        };
        let kind = entry.file_type()?;
        if !kind.is_file() {
            unfit.extend(no_file(name, kind));
            return Ok(None);
        }
        let shown = if LISTINGS_SHOW_ALL { entry.metadata().ok() } else { None };
        let companion = self.settings.companion_of(&name);
        Ok(Some(Entry { name, companion, number: number_in_listing(entry), shown }))
    }

    /// A name that is no text cannot be remembered, printed or typed; it must not be passed over in silence either.
    fn no_text(&self, shown: &str) -> Option<Unsettled> {
        let reason = "its name has characters that are no text; give it another name";
        self.settings.is_export_name(shown).then(|| unfit(shown.to_owned(), reason))
    }

    /// One file of the listing; `None` when it went away since.
    fn look_at(&self, export: &Entry) -> Option<Seen> {
        let folder = &self.settings.export_folder;
        match beside(folder, export.companion.as_deref()) {
            Ok(companion) => self.seen(export, companion),
            Err((why, cause)) => Some(Seen::Unreadable(why, cause)),
        }
    }

    fn seen(&self, export: &Entry, companion: Option<Companion>) -> Option<Seen> {
        let path = self.settings.export_folder.join(&export.name);
        // A settled file that still shows the same need not be opened at each look.
        let by_name = export.shown.clone().or_else(|| fs::symlink_metadata(&path).ok());
        if let Some(metadata) = by_name.filter(fs::Metadata::is_file) {
            let shown = observation(&metadata, self.kind, companion.clone());
            if self.tracker.is_settled_as(&export.name, &shown) {
                return Some(Seen::Observed(shown));
            }
        }
        // Sizes in a folder's listing may lag behind on Windows; those of an open file do not.
        match open_for_reading(&path).and_then(|file| file.metadata()) {
            Ok(metadata) if metadata.is_file() => Some(Seen::Observed(observation(&metadata, self.kind, companion))),
            Ok(_) => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) if is_held_by_another(&error) => {
                Some(Seen::Unreadable("another program has it open".to_owned(), Cause::Held))
            }
            Err(error) => {
                Some(Seen::Unreadable(format!("cannot be opened: {error}; may the agent read it?"), Cause::Held))
            }
        }
    }
}

fn unfit(name: String, reason: &str) -> Unsettled {
    Unsettled { name, reason: reason.to_owned(), cause: Cause::Unfit }
}

/// What stands in a file's place; a folder only where its name is that of a file, since `*` takes any folder, too.
fn no_file(name: String, kind: fs::FileType) -> Option<Unsettled> {
    if kind.is_symlink() {
        return Some(unfit(name, "it is a link, and links are not followed; put the file itself there"));
    }
    let is_named_like_a_file = name.trim_start_matches('.').contains('.');
    (kind.is_dir() && is_named_like_a_file).then(|| unfit(name, "it is a folder; give the folder another name"))
}

/// The file beside an export that proves it whole; the reason while it is not there.
fn beside(folder: &Path, name: Option<&str>) -> Result<Option<Companion>, (String, Cause)> {
    let Some(name) = name else { return Ok(None) };
    match fs::symlink_metadata(folder.join(name)) {
        Ok(metadata) if metadata.is_file() => {
            let seen = observation(&metadata, FolderKind::Share, None);
            Ok(Some(Companion { name: name.to_owned(), bytes: seen.bytes, modified: seen.modified }))
        }
        Ok(_) => Err((format!("{name}, which proves it whole, is no plain file"), Cause::Unfit)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err((format!("waits for {name}, which the till writes when the export is whole"), Cause::Unfinished))
        }
        Err(error) => Err((format!("{name}, which proves it whole, cannot be looked at: {error}"), Cause::Held)),
    }
}

/// What metadata tell of a file. On a share its number may be made up anew at any time, and says nothing.
pub(super) fn observation(metadata: &fs::Metadata, kind: FolderKind, companion: Option<Companion>) -> Observation {
    let modified = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    let id = match kind {
        FolderKind::Local => identity_of(metadata),
        FolderKind::Share => None,
    };
    Observation { bytes: metadata.len(), modified, id, companion: companion.map(Box::new) }
}
