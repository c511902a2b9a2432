//! What an earlier life of the agent left of an order file that the ledger does not know of (it was restored from an older
//! copy, or a crash came between the folder and the ledger).
//!
//! Promises: nothing is written whose name a file in the import, done or rejects folder has, there also with what tills
//! append (`.err`, `.done`), and in the import folder under the names that the profile says the till gives them. The same
//! bytes are ours, and the till has them or had them; other bytes stop the order, and so does an answer to a file of that
//! name. A folder that cannot be listed stops all of them.
//!
//! The folders are listed once: what comes into them while the agent runs is what this ledger knows of. Of each name a
//! number is kept, so that a hundred thousand old files cost a megabyte; only a name that may be among them is looked for.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::evidence_settings::filled;
use super::fault::{lasting, of_files, passing};
use super::publish::{Importing, STAGED, WITHDRAWN, holds, looking, other_content};
use super::settings::EposSettings;
use super::sightings::key;
use super::volume::{is_there, open_for_reading, remove_if_there};
use crate::ports::{Earlier, EposError, FileNames, OrderFile, Role, hex};

/// The till's folders, and how they are known again.
type Till<'t> = (&'t EposSettings, &'t Importing);

/// The names that were in the till's folders when the agent began.
#[derive(Debug, Default)]
pub(super) struct EarlierFiles {
    /// Numbers of the names and of what stands before each point in them, sorted.
    names: Mutex<Option<Vec<u64>>>,
}

impl EarlierFiles {
    /// Looks for a file of this name that was there before.
    ///
    /// # Errors
    /// When a folder cannot be listed; `Permanent` when something else has the name, or only a part of the file is there.
    pub(super) fn compare(
        &self,
        settings: &EposSettings,
        importing: &Importing,
        file: &OrderFile,
    ) -> Result<Earlier, EposError> {
        importing.make_sure_of_folder_or_mark_it()?;
        let names = file.names();
        if self.has((settings, importing), &names, &file.name, &file.bytes)? {
            importing.discard(&names)?;
            return Ok(Earlier::Same);
        }
        for lines in file.beside.iter().filter(|beside| beside.role == Role::Lines) {
            if self.has((settings, importing), &names, &lines.name, &lines.bytes)? {
                let (lines, main) = (&lines.name, &file.name);
                return Err(lasting(format!(
                    "the lines {lines} of this order are in the till's folders already, and its file {main} is not; see in the till whether it has the order, and move the lines away if it has not. The order was not written"
                )));
            }
        }
        match answer_to(settings, &file.name)? {
            Some(answer) => Err(lasting(format!(
                "the till has answered a file {} before ({}); see in the till whether it has the order, and move the answer away if it has not. The order was not written",
                file.name,
                answer.display()
            ))),
            None => Ok(Earlier::Nothing),
        }
    }

    /// Has the till had what is still in staging? Then it is removed from there.
    ///
    /// # Errors
    /// As [`EarlierFiles::compare`].
    pub(super) fn had(
        &self,
        settings: &EposSettings,
        importing: &Importing,
        names: &FileNames,
    ) -> Result<bool, EposError> {
        importing.make_sure_of_folder()?;
        if !self.may_have((settings, importing), &names.name)? {
            return Ok(false);
        }
        let staged = importing.in_staging(&names.name, STAGED);
        let bytes = match fs::read(&staged) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other.map_err(|error| looking(&staged, error))?,
        };
        let is_had = self.has((settings, importing), names, &names.name, &bytes)?;
        if is_had {
            importing.discard(names)?;
        }
        Ok(is_had)
    }

    /// Does a folder have these bytes under this name?
    fn has(&self, till: Till<'_>, ours: &FileNames, name: &str, bytes: &[u8]) -> Result<bool, EposError> {
        let waiting = till.0.import_folder.join(name);
        let mut found = Vec::new();
        if is_there(&waiting).map_err(|error| looking(&waiting, error))? {
            found.push(waiting);
        }
        // What the till makes of the name when it has taken or refused the file.
        let evidence = &till.0.evidence;
        for template in evidence.renamed_to.iter().chain(&evidence.renamed_rejected) {
            let renamed = till.0.import_folder.join(filled(template, name));
            if is_there(&renamed).map_err(|error| looking(&renamed, error))? && !found.contains(&renamed) {
                found.push(renamed);
            }
        }
        if self.may_have(till, name)? {
            let is_meant = |other: &str| is_of(name, other) && !ours.beside.iter().any(|beside| beside.name == other);
            for folder in folders(till.0) {
                let listed = names_in(folder, till)?;
                found.extend(listed.iter().filter(|other| is_meant(other)).map(|other| folder.join(other)));
            }
        }
        for path in &found {
            if holds(path, bytes)? {
                return Ok(true);
            }
        }
        found.first().map_or(Ok(false), |path| Err(other_content(path)))
    }

    /// May a file of this name have been there? Wrong only for a few names that are not.
    fn may_have(&self, till: Till<'_>, name: &str) -> Result<bool, EposError> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match names.take() {
            Some(known) => known,
            None => listed(till)?,
        };
        let found = known.binary_search(&number_of(&key(name))).is_ok();
        *names = Some(known);
        Ok(found)
    }
}

/// The till's answer to a file of this name, if there is one.
fn answer_to(settings: &EposSettings, name: &str) -> Result<Option<PathBuf>, EposError> {
    let Some(answer) = &settings.evidence.answer_file else { return Ok(None) };
    let folder = answer.folder.as_deref().unwrap_or(&settings.import_folder);
    let path = folder.join(filled(&answer.name, name));
    let is_there = is_there(&path).map_err(|error| looking(&path, error))?;
    Ok(is_there.then_some(path))
}

fn folders(settings: &EposSettings) -> impl Iterator<Item = &Path> {
    let others = [&settings.done_folder, &settings.rejects_folder];
    std::iter::once(settings.import_folder.as_path()).chain(others.into_iter().filter_map(|folder| folder.as_deref()))
}

fn listed(till: Till<'_>) -> Result<Vec<u64>, EposError> {
    let mut numbers = Vec::new();
    for folder in folders(till.0) {
        for name in names_in(folder, till)? {
            let name = key(&name);
            numbers.extend(name.match_indices('.').map(|(at, _)| number_of(&name[..at])));
            numbers.push(number_of(&name));
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

fn names_in(folder: &Path, (settings, importing): Till<'_>) -> Result<Vec<String>, EposError> {
    let failed = |error| {
        let shown = folder.display();
        let what =
            format!("cannot list {shown}, so that it is not known what was written before; is the share connected?");
        of_files(what, error)
    };
    let entries = match fs::read_dir(folder) {
        // Tills make their folders inside the import folder when they first need them.
        Err(error) if error.kind() == io::ErrorKind::NotFound && folder.starts_with(&settings.import_folder) => {
            return Ok(Vec::new());
        }
        other => other.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    // Inside the import folder it is where that is.
    if !folder.starts_with(&settings.import_folder) {
        importing.places.make_sure_of(folder)?;
    }
    Ok(names)
}

/// Is `other` this name, or this name with an ending behind it?
fn is_of(name: &str, other: &str) -> bool {
    let (name, other) = (key(name), key(other));
    other.strip_prefix(&name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn number_of(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

impl Importing {
    /// Removes what lies in staging of these names; the till has what it needs, or is to have nothing.
    pub(super) fn discard(&self, names: &FileNames) -> Result<(), EposError> {
        self.forget_marks(names)?;
        for name in std::iter::once(&names.name).chain(names.beside.iter().map(|beside| &beside.name)) {
            let staged = self.in_staging(name, STAGED);
            remove_if_there(&staged).map_err(|error| passing(format!("cannot remove {}", staged.display()), error))?;
        }
        Ok(())
    }

    /// The names of files that are in staging. Nothing is known of it while the import folder is another one.
    pub(super) fn staged(&self) -> Result<Vec<String>, EposError> {
        self.make_sure_of_folder()?;
        let failed = |error| looking(&self.staging, error);
        let entries = match fs::read_dir(&self.staging) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name().into_string().unwrap_or_default();
            names.extend(name.strip_suffix(STAGED).map(str::to_owned));
        }
        Ok(names)
    }

    /// Does something else than this file have its name in the import folder?
    pub(super) fn has_other(&self, name: &str, sha256: &str) -> Result<bool, EposError> {
        is_other(&self.import.join(name), sha256)
    }

    /// Is what lies in staging under this name another file than this one, or was it called off?
    pub(super) fn is_spoilt(&self, name: &str, sha256: &str) -> Result<bool, EposError> {
        let called_off = self.in_staging(name, WITHDRAWN);
        let is_called_off = is_there(&called_off).map_err(|error| looking(&called_off, error))?;
        Ok(is_called_off || is_other(&self.in_staging(name, STAGED), sha256)?)
    }
}

fn is_other(path: &Path, sha256: &str) -> Result<bool, EposError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(looking(path, error)),
        Ok(metadata) if !metadata.is_file() => Ok(true),
        Ok(_) => match open_for_reading(path).and_then(|mut file| digest_of(&mut file)) {
            Ok(found) => Ok(found != sha256),
            // The till may have it open; that it is another one is not known.
            Err(error) => {
                tracing::debug!(path = %path.display(), error = %error, "an order file cannot be compared");
                Ok(false)
            }
        },
    }
}

fn digest_of(file: &mut fs::File) -> io::Result<String> {
    const PIECE: usize = 64 * 1024;
    let (mut hasher, mut piece) = (Sha256::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex(&hasher.finalize())),
            read => hasher.update(piece.get(..read).unwrap_or_default()),
        }
    }
}
