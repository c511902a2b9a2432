//! Makes order files visible to the till, and takes them away again.
//!
//! Promises: a file appears whole, durable and under a name that nothing had, in one step. Staging and revealing are two
//! calls, so that the ledger can note in between that the file is durable; that is how a crash is told from a till that
//! was quick (see `ledger::files`).
//!
//! The mark `folder-id` tells the import folder from an empty one in its place (an unmounted share). It is made at the
//! first publication, or on a person's word; never in a folder that does not show what is awaited.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::fault::{for_now, lasting, of_files, passing};
use super::settings::EposSettings;
use super::spool::{made, prune_files, write_synced};
use super::volume::{identity_of, move_away, remove_if_there, rename_without_replacing, sync_folder};
use crate::ports::{EposError, OrderFile, Revealed, Withdrawal};

/// The mark in the staging folder, and our copy of it.
const MARK: &str = "folder-id";
/// Ending of a file that is made ready.
const STAGED: &str = ".staged";
/// Ending of a file that was taken away.
const WITHDRAWN: &str = ".withdrawn";
/// Stands for the folder's number where the system has none: then one folder cannot be told from another.
const NO_NUMBER: &str = "number unknown";

/// The till's import folder and what we know of it.
#[derive(Debug)]
pub(super) struct Importing {
    import: PathBuf,
    staging: PathBuf,
    staging_is_inside: bool,
    /// Our copy of the mark.
    known_mark: PathBuf,
}

impl Importing {
    pub(super) fn new(settings: &EposSettings, private: &Path) -> Self {
        Self {
            import: settings.import_folder.clone(),
            staging: settings.staging(),
            staging_is_inside: settings.staging_is_inside(),
            known_mark: private.join(MARK),
        }
    }

    /// Makes `file` durable in staging.
    pub(super) fn stage(&self, file: &OrderFile) -> Result<(), EposError> {
        check_name(&file.name)?;
        self.make_sure_of_folder_or_mark_it()?;
        let away = self.staging.join(format!("{}{WITHDRAWN}", file.name));
        remove_if_there(&away).map_err(|error| passing(format!("cannot remove {}", away.display()), error))?;
        self.write_staged(&self.staged(&file.name), &file.bytes)
    }

    /// Moves a staged file to where the till looks.
    pub(super) fn reveal(&self, name: &str) -> Result<Revealed, EposError> {
        check_name(name)?;
        self.make_sure_of_folder()?;
        let (staged, target) = (self.staged(name), self.import.join(name));
        match rename_without_replacing(&staged, &target) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.revealed_before(&staged),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return already_there(&staged, &target),
            Err(error) => {
                let what = format!("cannot move {} to {}", staged.display(), target.display());
                return Err(of_files(what, error));
            }
        }
        sync_folder(&self.import).map_err(|error| passing(format!("cannot flush {}", self.import.display()), error))?;
        Ok(Revealed::Now)
    }

    /// It is not in staging: sure of that only if the folder is still the right one.
    fn revealed_before(&self, staged: &Path) -> Result<Revealed, EposError> {
        self.make_sure_of_folder()?;
        match staged.try_exists() {
            Ok(false) => Ok(Revealed::Before),
            Ok(true) => Err(for_now(format!("{} came and went; it will be tried again", staged.display()))),
            Err(error) => Err(passing(format!("cannot look at {}", staged.display()), error)),
        }
    }

    fn staged(&self, name: &str) -> PathBuf {
        self.staging.join(format!("{name}{STAGED}"))
    }

    fn write_staged(&self, staged: &Path, bytes: &[u8]) -> Result<(), EposError> {
        let no_room = |error| {
            of_files(
                format!("cannot write {}; is the disk full, and may the agent write there?", staged.display()),
                error,
            )
        };
        // A leftover may be anything, even a second name of a published file: it is removed and never written into.
        remove_if_there(staged).map_err(no_room)?;
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).open(staged)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        let written = write();
        if written.is_err()
            && let Err(error) = remove_if_there(staged)
        {
            tracing::debug!(path = %staged.display(), error = %error, "a file that is not whole stays in staging; it is replaced next time");
        }
        written.map_err(no_room)?;
        sync_folder(&self.staging).map_err(no_room)
    }

    /// Takes a file away from the till.
    pub(super) fn withdraw(&self, name: &str) -> Result<Withdrawal, EposError> {
        let taken_away = self.take_away(name, &self.import, &self.import.join(name))?;
        Ok(if taken_away { Withdrawal::Withdrawn } else { Withdrawal::Gone })
    }

    /// Removes a staged file; `false`: it was revealed before.
    pub(super) fn unstage(&self, name: &str) -> Result<bool, EposError> {
        self.take_away(name, &self.staging, &self.staged(name))
    }

    /// A file lies where the till looks: what an earlier withdrawal of it left in staging says nothing about it any more.
    pub(super) fn forget_withdrawal(&self, name: &str) {
        let away = self.staging.join(format!("{name}{WITHDRAWN}"));
        if let Err(error) = remove_if_there(&away) {
            tracing::debug!(path = %away.display(), error = %error, "the trace of an earlier withdrawal stays; the next one replaces it");
        }
    }

    /// Takes a file of ours out of `folder`; `false`: it was not there, and no earlier call had taken it away.
    fn take_away(&self, name: &str, folder: &Path, target: &Path) -> Result<bool, EposError> {
        check_name(name)?;
        self.make_sure_of_folder()?;
        let away = self.staging.join(format!("{name}{WITHDRAWN}"));
        made(self.staging.clone())?;
        match move_away(target, &away) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_sure_of_folder()?;
                // An earlier call had come that far.
                return Ok(away.is_file());
            }
            Err(error) => {
                let what = format!("cannot take {} away; the till may be reading it", target.display());
                return Err(passing(what, error));
            }
        }
        // What stays is the empty file, as proof for a second attempt; the customer's data go at once.
        let cleaned = sync_folder(folder).and_then(|()| OpenOptions::new().write(true).open(&away)?.set_len(0));
        cleaned.map_err(|error| passing(format!("{name} is away from the till, but a trace of it stays"), error))?;
        Ok(true)
    }

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

    fn make_sure_of_folder_or_mark_it(&self) -> Result<(), EposError> {
        if self.known()?.is_none() {
            return self.accept();
        }
        self.make_sure_of_folder()?;
        made(self.staging.clone()).map(|_| ())
    }

    /// The listing shows what is awaited: this is the folder, mark or not.
    pub(super) fn is_proven_right(&self) -> Result<(), EposError> {
        match (self.known()?, self.found()?) {
            (Some(known), Some(found)) if known == found => Ok(()),
            _ => self.accept(),
        }
    }

    fn not_the_folder(&self) -> EposError {
        let (import, mark) = (self.import.display(), self.staging.join(MARK));
        for_now(format!(
            "{import} is not the import folder used so far ({} is missing or another one); is the share connected? If the folder was moved on purpose, accept it",
            mark.display()
        ))
    }

    /// Marks the import folder as the right one.
    pub(super) fn accept(&self) -> Result<(), EposError> {
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
            write_synced(&mark, id.as_bytes())
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

    /// Removes what withdrawals before `oldest` left in staging. A staged file stays however old it is: that it is gone
    /// would mean that the till has seen it.
    pub(super) fn prune(&self, oldest: Timestamp) -> Result<u64, EposError> {
        prune_files(&self.staging, oldest, |name| name.ends_with(WITHDRAWN))
    }
}

fn read_mark(path: &Path) -> Result<Option<String>, EposError> {
    match fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Ok(None),
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(passing(format!("cannot read the mark {}; is the share connected?", path.display()), error)),
    }
}

/// Names come from our own rendering; this keeps a damaged ledger from leading out of the folder.
fn check_name(name: &str) -> Result<(), EposError> {
    let is_plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', ':', '\0']);
    if is_plain { Ok(()) } else { Err(lasting(format!("{name:?} is no file name for an order"))) }
}

/// A file of this name lies there. The same bytes are ours; others stop the order.
fn already_there(staged: &Path, target: &Path) -> Result<Revealed, EposError> {
    let read =
        |path: &Path| fs::read(path).map_err(|error| of_files(format!("cannot look at {}", path.display()), error));
    if read(staged)? != read(target)? {
        let shown = target.display();
        let what = "is already there with other content; look at it, and move it away if it is not from the agent";
        return Err(lasting(format!("{shown} {what}. The order was not written")));
    }
    remove_if_there(staged).map_err(|error| passing(format!("cannot remove {}", staged.display()), error))?;
    Ok(Revealed::Already)
}
