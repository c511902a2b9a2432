//! Makes order files visible to the till, and takes them away again.
//!
//! Promises: a file appears whole, durable and under a name that nothing had, in one step. Staging and revealing are two
//! calls, so that the ledger can note in between that the file is durable; that is how a crash is told from a till that
//! was quick (see `ledger::files`).
//!
//! Where several files go together each is one step: lines first, then the order file, then the trigger. So the till has
//! nothing to book before the order file is there, and nothing to begin with before all of it is. The order file decides:
//! while it is in staging nothing was published, and what of its lines is visible can be taken back; once it is away from
//! staging the till may have it. Every call goes on from wherever an earlier one stopped.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::fault::{for_now, lasting, of_files, passing};
use super::import_mark::MARK;
use super::order_name::is_shared;
use super::places::Places;
use super::settings::EposSettings;
use super::spool::prune_files;
use super::volume::{is_there, open_for_reading, remove_if_there, rename_without_replacing, sync_folder};
use crate::domain::retry::FailureClass;
use crate::ports::{EposError, FileNames, OrderFile, Revealed, Role};

/// Ending of a file that is made ready.
pub(super) const STAGED: &str = ".staged";
/// Ending of a file that was taken away.
pub(super) const WITHDRAWN: &str = ".withdrawn";
/// Ending of a trigger that is out of the till's sight until it is known what becomes of its order file.
pub(super) const HELD: &str = ".held";
/// The till's import folder and what we know of it.
#[derive(Debug)]
pub(super) struct Importing {
    pub(super) import: PathBuf,
    pub(super) staging: PathBuf,
    pub(super) staging_is_inside: bool,
    /// Do several order files have one trigger?
    pub(super) trigger_is_shared: bool,
    /// Our copy of the mark.
    pub(super) known_mark: PathBuf,
    /// Where the folders lie into which the till moves order files.
    pub(super) places: Places,
}

impl Importing {
    pub(super) fn new(settings: &EposSettings, private: &Path) -> Self {
        Self {
            import: settings.import_folder.clone(),
            staging: settings.staging(),
            staging_is_inside: settings.staging_is_inside(),
            trigger_is_shared: trigger_is_shared(settings),
            known_mark: private.join(MARK),
            places: Places::new(private, &settings.import_folder),
        }
    }

    /// Makes `file`, and what goes with it, durable in staging.
    pub(super) fn stage(&self, file: &OrderFile) -> Result<(), EposError> {
        check_names(&file.names())?;
        self.make_sure_of_folder_or_mark_it()?;
        self.forget_marks(&file.names())?;
        let parts = file.beside.iter().map(|beside| (&beside.name, &beside.bytes));
        for (name, bytes) in parts.chain([(&file.name, &file.bytes)]) {
            self.write_staged(&self.in_staging(name, STAGED), bytes)?;
        }
        sync_folder(&self.staging).map_err(|error| no_room(&self.staging, error))
    }

    /// Moves a staged file, and what goes with it, to where the till looks.
    pub(super) fn reveal(&self, names: &FileNames) -> Result<Revealed, EposError> {
        check_names(names)?;
        self.make_sure_of_folder()?;
        let revealed = self.reveal_lines(names).and_then(|()| self.reveal_part(&names.name));
        let revealed = match revealed {
            Ok(revealed) => revealed,
            // This order is given up: its lines must not stay behind without it.
            Err(error) if error.class == FailureClass::Permanent => {
                self.take_lines_back(names)?;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        for name in of_role(names, Role::Trigger) {
            self.reveal_trigger(name)?;
        }
        Ok(revealed)
    }

    fn reveal_lines(&self, names: &FileNames) -> Result<(), EposError> {
        let mut lines = of_role(names, Role::Lines).peekable();
        let (staged, target) = (self.in_staging(&names.name, STAGED), self.import.join(&names.name));
        // Lines whose order file cannot follow are not shown at all.
        if lines.peek().is_some()
            && is_there(&target).map_err(|error| looking(&target, error))?
            && is_there(&staged).map_err(|error| looking(&staged, error))?
            && !have_same_bytes(&staged, &target)?
        {
            return Err(other_content(&target));
        }
        lines.try_for_each(|name| self.reveal_part(name).map(|_| ()))
    }

    fn reveal_part(&self, name: &str) -> Result<Revealed, EposError> {
        let (staged, target) = (self.in_staging(name, STAGED), self.import.join(name));
        match rename_without_replacing(&staged, &target) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.revealed_before(&staged),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return already_there(&staged, &target),
            Err(error) => {
                let what = format!("cannot move {} to {}", staged.display(), target.display());
                return Err(of_files(what, error));
            }
        }
        self.sync_import()?;
        Ok(Revealed::Now)
    }

    /// A trigger that lies there already serves as well: the till has not begun yet, or leaves it lying. The order file is
    /// visible by now, so that nothing about the trigger fails the order.
    fn reveal_trigger(&self, name: &str) -> Result<(), EposError> {
        let staged = self.in_staging(name, STAGED);
        let failed = |error| passing(format!("cannot show the till {name}, so that it may not begin"), error);
        match rename_without_replacing(&staged, &self.import.join(name)) {
            Ok(()) => self.sync_import(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.revealed_before(&staged).map(|_| ()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => remove_if_there(&staged).map_err(failed),
            Err(error) => Err(failed(error)),
        }
    }

    /// It is not in staging: sure of that only if the folder is still the right one.
    fn revealed_before(&self, staged: &Path) -> Result<Revealed, EposError> {
        self.make_sure_of_folder()?;
        match is_there(staged) {
            Ok(false) => Ok(Revealed::Before),
            Ok(true) => Err(for_now(format!("{} came and went; it will be tried again", staged.display()))),
            Err(error) => Err(looking(staged, error)),
        }
    }

    /// Lines whose order file cannot be revealed go back to staging.
    fn take_lines_back(&self, names: &FileNames) -> Result<(), EposError> {
        for name in of_role(names, Role::Lines) {
            let (staged, target) = (self.in_staging(name, STAGED), self.import.join(name));
            match rename_without_replacing(&target, &staged) {
                Ok(()) => self.sync_import()?,
                // Not revealed, or what lies there is somebody else's.
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {}
                Err(error) => return Err(passing(format!("cannot take {} back", target.display()), error)),
            }
        }
        Ok(())
    }

    pub(super) fn in_staging(&self, name: &str, ending: &str) -> PathBuf {
        self.staging.join(format!("{name}{ending}"))
    }

    pub(super) fn sync_import(&self) -> Result<(), EposError> {
        sync_folder(&self.import).map_err(|error| passing(format!("cannot flush {}", self.import.display()), error))
    }

    fn write_staged(&self, staged: &Path, bytes: &[u8]) -> Result<(), EposError> {
        if fs::symlink_metadata(staged).is_ok_and(|metadata| metadata.is_dir()) {
            let shown = staged.display();
            return Err(lasting(format!("{shown} is a folder, where only the agent writes files; remove it")));
        }
        // A leftover may be anything, even a second name of a published file: it is removed and never written into.
        remove_if_there(staged).map_err(|error| no_room(staged, error))?;
        let written = write_new(staged, bytes);
        if written.is_err()
            && let Err(error) = remove_if_there(staged)
        {
            tracing::debug!(path = %staged.display(), error = %error, "a file that is not whole stays in staging; it is replaced next time");
        }
        written.map_err(|error| no_room(staged, error))
    }

    /// Removes what withdrawals before `oldest` left in staging. A staged file stays however old it is: that it is gone
    /// would mean that the till has seen it.
    pub(super) fn prune(&self, oldest: Timestamp) -> Result<u64, EposError> {
        prune_files(&self.staging, oldest, |name| name.ends_with(WITHDRAWN))
    }
}

/// Writes a file that must not be there yet, and makes it durable.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn trigger_is_shared(settings: &EposSettings) -> bool {
    settings.order_profile.trigger.as_ref().is_some_and(|trigger| is_shared(&trigger.name))
}

/// The names of one kind, in the order in which they are revealed.
pub(super) fn of_role(names: &FileNames, role: Role) -> impl Iterator<Item = &String> {
    names.beside.iter().filter(move |beside| beside.role == role).map(|beside| &beside.name)
}

fn no_room(path: &Path, error: io::Error) -> EposError {
    of_files(format!("cannot write {}; is the disk full, and may the agent write there?", path.display()), error)
}

pub(super) fn looking(path: &Path, error: io::Error) -> EposError {
    passing(format!("cannot look at {}", path.display()), error)
}

pub(super) fn check_names(names: &FileNames) -> Result<(), EposError> {
    check_name(&names.name)?;
    names.beside.iter().try_for_each(|beside| check_name(&beside.name))
}

/// Names come from our own rendering; this keeps a damaged ledger from leading out of the folder.
fn check_name(name: &str) -> Result<(), EposError> {
    let leads_elsewhere = |c: char| c.is_control() || ['/', '\\', ':'].contains(&c);
    // Windows leaves points and blanks at the end away, so that the name would be another one.
    let is_plain =
        !name.is_empty() && !name.starts_with('.') && !name.ends_with(['.', ' ']) && !name.contains(leads_elsewhere);
    if is_plain { Ok(()) } else { Err(lasting(format!("{name:?} is no file name for an order"))) }
}

/// A file of this name lies there. The same bytes are ours; others stop the order.
fn already_there(staged: &Path, target: &Path) -> Result<Revealed, EposError> {
    if !have_same_bytes(staged, target)? {
        return Err(other_content(target));
    }
    remove_if_there(staged).map_err(|error| passing(format!("cannot remove {}", staged.display()), error))?;
    Ok(Revealed::Already)
}

fn have_same_bytes(staged: &Path, target: &Path) -> Result<bool, EposError> {
    let mut bytes = Vec::new();
    open_for_reading(staged)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(|error| of_files(format!("cannot look at {}", staged.display()), error))?;
    holds(target, &bytes)
}

/// Are these the bytes of the file? Folders and links are never ours.
pub(super) fn holds(path: &Path, bytes: &[u8]) -> Result<bool, EposError> {
    let failed = |error| passing(format!("cannot look at {}", path.display()), error);
    let metadata = fs::symlink_metadata(path).map_err(failed)?;
    if !metadata.is_file() || metadata.len() != bytes.len() as u64 {
        return Ok(false);
    }
    let mut found = Vec::with_capacity(bytes.len());
    open_for_reading(path).and_then(|mut file| file.read_to_end(&mut found)).map_err(failed)?;
    Ok(found == bytes)
}

/// The refusal of an order whose name something else has.
pub(super) fn other_content(path: &Path) -> EposError {
    let shown = path.display();
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return lasting(format!("{shown} is already there and no plain file; take it away. The order was not written"));
    }
    let what = "is already there with other content; see in the till whether it has the order, and move the file away if it is not from the agent";
    lasting(format!("{shown} {what}. The order was not written"))
}

#[cfg(test)]
#[path = "publish_tests.rs"]
mod tests;
