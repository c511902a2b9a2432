//! Which folder is the till's import folder.
//!
//! Promises: the mark `folder-id` tells it from an empty one in its place (an unmounted share). It is made at the first
//! publication, or on a person's word; never in a folder that does not show what is awaited.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use super::fault::{for_now, of_files, passing};
use super::publish::{Importing, write_new};
use super::spool::{made, write_synced};
use super::volume::{identity_of, open_for_reading, remove_if_there, sync_folder};
use crate::ports::EposError;

/// The mark in the staging folder, and our copy of it.
pub(super) const MARK: &str = "folder-id";
/// Longest mark, in bytes; ours has 32.
const LONGEST_MARK: u64 = 1024;
/// Stands for the folder's number where the system has none: then one folder cannot be told from another.
const NO_NUMBER: &str = "number unknown";

impl Importing {
    /// Makes sure that the import folder is the one that was marked.
    pub(super) fn make_sure_of_folder(&self) -> Result<(), EposError> {
        match (self.known()?, self.found()?) {
            (Some(known), Some(found)) if known == found => Ok(()),
            // A mark in the folder itself shows that it was ours before; a number alone shows nothing.
            (None, Some(found)) if self.staging_is_inside => self.remember(&found),
            (None, _) => Err(for_now(format!(
                "{} is not marked as ours yet; nothing is known about what was in it",
                self.import.display()
            ))),
            (Some(_), _) => Err(self.not_the_folder()),
        }
    }

    pub(super) fn make_sure_of_folder_or_mark_it(&self) -> Result<(), EposError> {
        if self.known()?.is_none() {
            return self.mark();
        }
        self.make_sure_of_folder()?;
        made(self.staging.clone()).map(|_| ())
    }

    /// The listing shows what is awaited: this is the folder, mark or not.
    pub(super) fn is_proven_right(&self) -> Result<(), EposError> {
        match (self.known()?, self.found()?) {
            (Some(known), Some(found)) if known == found => Ok(()),
            _ => self.mark(),
        }
    }

    fn not_the_folder(&self) -> EposError {
        let (import, mark) = (self.import.display(), self.staging.join(MARK));
        for_now(format!(
            "{import} is not the import folder used so far ({} is missing or another one); is the share connected? If the folder was moved on purpose, accept it",
            mark.display()
        ))
    }

    /// On a person's word: the import folder is the right one, and the folders beside it lie where they are now.
    pub(super) fn accept(&self) -> Result<(), EposError> {
        self.places.accept()?;
        self.mark()
    }

    /// Marks the import folder as the right one.
    fn mark(&self) -> Result<(), EposError> {
        if !self.import.is_dir() {
            let shown = self.import.display();
            return Err(for_now(format!("the import folder {shown} is not there; is the share connected?")));
        }
        let staging = made(self.staging.clone())?;
        let id = match (self.known()?, self.found()?) {
            (_, Some(found)) => found,
            (Some(known), None) if self.staging_is_inside => known,
            (_, None) => format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)),
        };
        if self.staging_is_inside {
            let mark = staging.join(MARK);
            // Whatever lies in its place, a link above all, is not written into.
            remove_if_there(&mark)
                .and_then(|()| write_new(&mark, id.as_bytes()))
                .and_then(|()| sync_folder(&staging))
                .map_err(|error| of_files(format!("cannot write the mark {}", mark.display()), error))?;
        }
        self.remember(&id)
    }

    fn remember(&self, id: &str) -> Result<(), EposError> {
        if let Some(private) = self.known_mark.parent() {
            made(private.to_owned())?;
        }
        write_synced(&self.known_mark, id.as_bytes())
            .map_err(|error| passing(format!("cannot write {}; is the disk full?", self.known_mark.display()), error))
    }

    fn known(&self) -> Result<Option<String>, EposError> {
        read_mark(&self.known_mark)
    }

    /// What the folder itself says who it is: its mark, or where staging is elsewhere the system's number of it.
    fn found(&self) -> Result<Option<String>, EposError> {
        if self.staging_is_inside {
            if fs::symlink_metadata(&self.staging).is_ok_and(|found| found.is_symlink()) {
                let shown = self.staging.display();
                return Err(for_now(format!("{shown} is a link, and links are not followed; take it away")));
            }
            return read_mark(&self.staging.join(MARK));
        }
        match fs::metadata(&self.import) {
            // Volumes may be numbered anew at each connection, so that only the folder's number on its own counts.
            Ok(metadata) => Ok(Some(
                identity_of(&metadata).map_or_else(|| NO_NUMBER.to_owned(), |id| format!("number {}", id.number)),
            )),
            Err(error) => {
                let shown = self.import.display();
                Err(of_files(format!("cannot look at the import folder {shown}; is the share connected?"), error))
            }
        }
    }
}

fn read_mark(path: &Path) -> Result<Option<String>, EposError> {
    // A link is no mark of ours, wherever it leads.
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return Ok(None);
    }
    let mut text = String::new();
    let read = open_for_reading(path).and_then(|file| file.take(LONGEST_MARK).read_to_string(&mut text));
    match read.map(|_| text) {
        Ok(text) if text.trim().is_empty() => Ok(None),
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(passing(format!("cannot read the mark {}; is the share connected?", path.display()), error)),
    }
}
