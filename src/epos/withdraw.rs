//! Takes order files away from the till again.
//!
//! Promises: one rename decides whether the till can still have the order file, so that losing the race is known. Where
//! several files go together the trigger is taken away first, so that the till does not begin; then the order file; then
//! the lines. If the till has the order file or the lines, what was taken away is put back, never replacing anything, and
//! the till counts as having begun. No lines stay behind of an order that was withdrawn. Every call goes on from wherever
//! an earlier one stopped.
//!
//! A trigger whose name other order files have as well stays where it is: they may need it, and a till that begins without
//! order files does nothing. That a trigger is gone proves nothing.
//!
//! Does not promise to notice a till that has read a file and not yet taken it away.

use std::fs;
use std::io;
use std::path::Path;

use super::fault::{for_now, passing};
use super::publish::{HELD, Importing, STAGED, WITHDRAWN, check_names, looking, of_role};
use super::spool::made;
use super::volume::{empty, is_there, move_away, remove_if_there, rename_without_replacing, sync_folder};
use crate::ports::{EposError, FileNames, Role, Withdrawal};

impl Importing {
    /// Takes a file, and what goes with it, away from the till.
    pub(super) fn withdraw(&self, names: &FileNames) -> Result<Withdrawal, EposError> {
        check_names(names)?;
        self.make_sure_of_folder()?;
        made(self.staging.clone())?;
        // A till that has the lines has begun: nothing is touched.
        for name in of_role(names, Role::Lines) {
            if !self.is_here(name)? {
                self.undo(names)?;
                return Ok(Withdrawal::Gone);
            }
        }
        let withdrawn = self.hold_triggers(names).and_then(|()| self.take_all(names));
        match withdrawn {
            Ok(true) => self.forget_contents(names).map(|()| Withdrawal::Withdrawn),
            Ok(false) => self.undo(names).map(|()| Withdrawal::Gone),
            Err(error) => {
                // The till can go on meanwhile; what is left of the error is told.
                self.undo(names)?;
                Err(error)
            }
        }
    }

    /// Is it in the import folder, or did an earlier call take it away?
    fn is_here(&self, name: &str) -> Result<bool, EposError> {
        let (target, away) = (self.import.join(name), self.in_staging(name, WITHDRAWN));
        if is_there(&target).map_err(|error| looking(&target, error))? {
            return Ok(true);
        }
        is_there(&away).map_err(|error| looking(&away, error))
    }

    fn hold_triggers(&self, names: &FileNames) -> Result<(), EposError> {
        for name in self.own_triggers(names) {
            match move_away(&self.import.join(name), &self.in_staging(name, HELD)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(held_by_till(name, error)),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Triggers that belong to this file alone.
    fn own_triggers<'n>(&'n self, names: &'n FileNames) -> impl Iterator<Item = &'n String> {
        of_role(names, Role::Trigger).filter(|_| !self.trigger_is_shared)
    }

    /// The order file, then its lines. `false`: the till has one of them.
    fn take_all(&self, names: &FileNames) -> Result<bool, EposError> {
        for name in std::iter::once(&names.name).chain(of_role(names, Role::Lines)) {
            if !self.take_away(name, &self.import.join(name))? {
                return Ok(false);
            }
        }
        self.sync_both()?;
        Ok(true)
    }

    /// Puts back what a withdrawal took away and the till has not had.
    fn undo(&self, names: &FileNames) -> Result<(), EposError> {
        for name in of_role(names, Role::Lines).chain([&names.name]) {
            let away = self.in_staging(name, WITHDRAWN);
            // An empty one was withdrawn for good.
            if fs::symlink_metadata(&away).is_ok_and(|metadata| metadata.len() > 0) && !self.put_back(&away, name)? {
                tracing::warn!(
                    file = name.as_str(),
                    "cannot be put back: something else has its name in the import folder"
                );
            }
        }
        for name in self.own_triggers(names) {
            let held = self.in_staging(name, HELD);
            if !self.put_back(&held, name)? {
                remove_if_there(&held).map_err(|error| passing(format!("cannot remove {}", held.display()), error))?;
            }
        }
        Ok(())
    }

    /// Never replaces what has the name meanwhile: `false`.
    fn put_back(&self, away: &Path, name: &str) -> Result<bool, EposError> {
        match rename_without_replacing(away, &self.import.join(name)) {
            Ok(()) => self.sync_import().map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(passing(format!("cannot put {name} back; the till cannot see it"), error)),
        }
    }

    /// What stays of files that were taken away is their names, as proof for a second attempt.
    fn forget_contents(&self, names: &FileNames) -> Result<(), EposError> {
        for name in std::iter::once(&names.name).chain(of_role(names, Role::Lines)) {
            self.empty(name)?;
        }
        for name in self.own_triggers(names) {
            let held = self.in_staging(name, HELD);
            remove_if_there(&held).map_err(|error| passing(format!("cannot remove {}", held.display()), error))?;
        }
        Ok(())
    }

    /// Removes a staged file; `false`: it was revealed before.
    pub(super) fn unstage(&self, names: &FileNames) -> Result<bool, EposError> {
        check_names(names)?;
        self.make_sure_of_folder()?;
        made(self.staging.clone())?;
        if !self.take_away(&names.name, &self.in_staging(&names.name, STAGED))? {
            return Ok(false);
        }
        // The till has no order file, so that it cannot have booked what it may have seen of the lines.
        for name in names.beside.iter().map(|beside| &beside.name) {
            let staged = self.in_staging(name, STAGED);
            remove_if_there(&staged).map_err(|error| passing(format!("cannot remove {}", staged.display()), error))?;
        }
        for name in of_role(names, Role::Lines) {
            if self.take_away(name, &self.import.join(name))? {
                self.empty(name)?;
            }
        }
        self.empty(&names.name)?;
        self.sync_both()?;
        Ok(true)
    }

    /// Takes a file of ours away; `false`: it was not there, and no earlier call had taken it away.
    fn take_away(&self, name: &str, target: &Path) -> Result<bool, EposError> {
        let away = self.in_staging(name, WITHDRAWN);
        if fs::symlink_metadata(target).is_ok_and(|found| !found.is_file()) {
            let shown = target.display();
            return Err(for_now(format!("{shown} is a link or a folder in place of the order file; take it away")));
        }
        match move_away(target, &away) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_sure_of_folder()?;
                // An earlier call had come that far.
                Ok(fs::symlink_metadata(&away).is_ok_and(|found| found.is_file()))
            }
            Err(error) => Err(held_by_till(name, error)),
        }
    }

    fn empty(&self, name: &str) -> Result<(), EposError> {
        let away = self.in_staging(name, WITHDRAWN);
        empty(&away).map_err(|error| passing(format!("{name} is away from the till, but a trace of it stays"), error))
    }

    fn sync_both(&self) -> Result<(), EposError> {
        sync_folder(&self.staging)
            .map_err(|error| passing(format!("cannot flush {}", self.staging.display()), error))?;
        self.sync_import()
    }

    /// Ends a withdrawal that a crash cut off. `None`: there is none of this file.
    pub(super) fn finish_withdrawal(&self, names: &FileNames) -> Result<Option<Withdrawal>, EposError> {
        let of_trigger = self.own_triggers(names).map(|name| self.in_staging(name, HELD));
        for mark in of_trigger.chain([self.in_staging(&names.name, WITHDRAWN)]) {
            if is_there(&mark).map_err(|error| looking(&mark, error))? {
                return self.withdraw(names).map(Some);
            }
        }
        Ok(None)
    }

    /// A file that is done with lies where the till looks once more: what an earlier withdrawal of it left in staging says
    /// nothing about it.
    pub(super) fn forget_withdrawal(&self, name: &str) {
        let away = self.in_staging(name, WITHDRAWN);
        if let Err(error) = remove_if_there(&away) {
            tracing::debug!(path = %away.display(), error = %error, "the trace of an earlier withdrawal stays; the next one replaces it");
        }
    }

    /// Removes what withdrawals of earlier files of these names left: it says nothing about later ones.
    pub(super) fn forget_marks(&self, names: &FileNames) -> Result<(), EposError> {
        for name in std::iter::once(&names.name).chain(names.beside.iter().map(|beside| &beside.name)) {
            for mark in [self.in_staging(name, WITHDRAWN), self.in_staging(name, HELD)] {
                remove_if_there(&mark).map_err(|error| passing(format!("cannot remove {}", mark.display()), error))?;
            }
        }
        Ok(())
    }
}

fn held_by_till(name: &str, error: io::Error) -> EposError {
    passing(format!("cannot take {name} away; the till may be reading it"), error)
}
