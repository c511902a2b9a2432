//! What a start finds in the till's folders, against the journal.
//!
//! Promises: before anything is concluded after a start, a withdrawal that was cut off is ended, so that a file
//! which the agent itself took away is never believed to be taken by the till; files in staging that no order needs are
//! removed, or reported where it is not known whose they are; a published file that is not what or where it was is
//! reported and left alone.

use std::sync::{MutexGuard, PoisonError};

use super::{Attempt, Orders, go_on};
use crate::ledger::Result;
use crate::ledger::conditions::{Severity, Trouble};
use crate::ledger::files::{FileState, OpenFile};
use crate::ports::{EposError, FileNames, Withdrawal};

/// Condition: a published order file is not what or where it was.
pub const ORDER_FILE_CHANGED: &str = "order_file_changed";
/// Condition: the staging folder has files that no order needs.
pub const STAGING_LEFTOVERS: &str = "staging_leftovers";
/// Names in one text.
const NAMES_SHOWN: usize = 5;

/// What the comparison found.
#[derive(Debug, Default)]
pub(super) struct Compared {
    is_done: bool,
    strange: Vec<Strange>,
    leftovers: Vec<String>,
    /// Published files that another program holds, so that they could not be compared: nothing is concluded of them.
    unclear: Vec<String>,
}

/// A published file that is not what or where it should be.
#[derive(Debug, Clone)]
struct Strange {
    name: String,
    /// SHA-256 of what was written.
    sha256: String,
    how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// Its name has other content in the import folder.
    OtherContent,
    /// It lies in staging again, and not in the import folder: a disk or a copy of one went back in time.
    Unshown,
}

impl Orders {
    /// Compares journal and folders, once after a start or after a withdrawal that failed half-way.
    pub(super) fn compare(&self) -> Attempt {
        let unclear = self.compared().unclear.clone();
        if !self.compared().is_done || unclear.iter().any(|name| !self.rests(name)) {
            let found = match self.compared_now()? {
                Ok(found) => found,
                Err(error) => return Ok(Err(error)),
            };
            *self.compared() = found;
        }
        self.report_strange()
    }

    /// The next activation compares again.
    pub(super) fn compare_again(&self) {
        self.compared().is_done = false;
    }

    /// Is it not what or where it should be? Then nothing is done with it, and nothing concluded, until a person has looked.
    pub(super) fn is_strange(&self, name: &str) -> bool {
        let compared = self.compared();
        compared.strange.iter().any(|strange| strange.name == name) || compared.unclear.iter().any(|one| one == name)
    }

    fn compared(&self) -> MutexGuard<'_, Compared> {
        self.compared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn compared_now(&self) -> Result<std::result::Result<Compared, EposError>> {
        // Folders that cannot be got at are compared later; until then every step makes sure of them itself.
        let Ok(staged) = self.shop.epos.staged() else { return Ok(Ok(Compared::default())) };
        let open = self.shop.ledger.open_files()?;
        let before = self.compared().unclear.clone();
        let mut found = Compared { is_done: true, ..Compared::default() };
        let booked = self.declared_booked()?;
        for file in open.iter().filter(|file| file.state == FileState::Visible) {
            // It was taken away because a person says that the till booked an order in it: that is what is ended first.
            if file.orders.iter().any(|order| booked.contains(&order.id)) {
                continue;
            }
            let name = &file.names.name;
            if before.contains(name) && self.rests(name) {
                found.unclear.push(name.clone());
                continue;
            }
            match self.noted_if_held(name, self.shop.epos.finish_withdrawal(&file.names)) {
                Ok(Some(None | Some(Withdrawal::Gone))) => {}
                Ok(None) => found.unclear.push(name.clone()),
                Ok(Some(Some(Withdrawal::Withdrawn))) => {
                    go_on(self.shop.ledger.file_withdrawn(file, self.shop.clock.now()))?;
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        let open = self.shop.ledger.open_files()?;
        for file in &open {
            let name = &file.names.name;
            let how = match (file.state, staged.contains(name)) {
                (FileState::Visible, true) => How::Unshown,
                (FileState::Visible, false) | (FileState::Staged, false) => How::OtherContent,
                (FileState::Staged, true) | (FileState::Planned | FileState::Left | FileState::Taken, _) => continue,
            };
            if found.unclear.contains(name) {
                continue;
            }
            let strange = Strange { name: name.clone(), sha256: file.sha256.clone(), how };
            match self.noted_if_held(name, self.is_still(&strange, &staged)) {
                Ok(Some(true)) => found.strange.push(strange),
                Ok(Some(false)) => {}
                Ok(None) => found.unclear.push(name.clone()),
                Err(error) => return Ok(Err(error)),
            }
        }
        match self.leftovers(staged, &open)? {
            Ok(leftovers) => found.leftovers = leftovers,
            Err(error) => return Ok(Err(error)),
        }
        Ok(Ok(found))
    }

    /// Files in staging that no order needs. Those of files that were shown or called off go; others are named.
    fn leftovers(&self, staged: Vec<String>, open: &[OpenFile]) -> Result<std::result::Result<Vec<String>, EposError>> {
        let waiting = |file: &&OpenFile| matches!(file.state, FileState::Planned | FileState::Staged);
        let needed: Vec<&FileNames> = open.iter().filter(waiting).map(|file| &file.names).collect();
        let is_needed = |name: &String| {
            let is_strange = open.iter().any(|file| file.state == FileState::Visible && file.names.name == *name);
            is_strange
                || needed
                    .iter()
                    .any(|names| names.name == *name || names.beside.iter().any(|beside| beside.name == *name))
        };
        let mut unknown = Vec::new();
        for name in staged.into_iter().filter(|name| !is_needed(name)) {
            if !self.shop.ledger.knows_file(&name)? {
                unknown.push(name);
                continue;
            }
            // One that another program holds stays until the next comparison; no till sees it.
            match self.shop.epos.discard(&name.as_str().into()) {
                Err(error) if !error.is_held() => return Ok(Err(error)),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(Ok(unknown))
    }

    fn is_still(&self, strange: &Strange, staged: &[String]) -> std::result::Result<bool, EposError> {
        match strange.how {
            How::OtherContent => self.shop.epos.has_other(&strange.name, &strange.sha256),
            How::Unshown => Ok(staged.contains(&strange.name)),
        }
    }

    fn report_strange(&self) -> Attempt {
        let (strange, leftovers) = {
            let compared = self.compared();
            (compared.strange.clone(), compared.leftovers.clone())
        };
        let staged = match strange.iter().any(|strange| strange.how == How::Unshown) {
            true => self.shop.epos.staged(),
            false => Ok(Vec::new()),
        };
        let Ok(staged) = staged else { return Ok(Ok(())) };
        let mut still = Vec::new();
        for strange in strange {
            match self.is_still(&strange, &staged) {
                Ok(true) => still.push(strange),
                Ok(false) => {}
                Err(error) if error.is_held() => still.push(strange),
                Err(error) => return Ok(Err(error)),
            }
        }
        let troubles: Vec<Trouble> = still.iter().map(strange_trouble).collect();
        self.compared().strange = still;
        self.shop.conditions(&[ORDER_FILE_CHANGED], &troubles);
        let leftover = (!leftovers.is_empty()).then(|| leftover_trouble(&leftovers));
        self.shop.conditions(&[STAGING_LEFTOVERS], leftover.as_slice());
        Ok(Ok(()))
    }
}

fn strange_trouble(strange: &Strange) -> Trouble {
    let name = &strange.name;
    let (text, remedy) = match strange.how {
        How::OtherContent => (
            format!("the import folder has a file {name} that is not the one the agent wrote under this name"),
            "See in the till whether it has the order, and move the file away. The order then counts as taken; if the till has not got it: tillbridge orders export NUMBER --again.",
        ),
        How::Unshown => (
            format!(
                "the order file {name} was shown to the till and lies in the staging folder again; has a disk or folder been restored?"
            ),
            "See in the till whether it has the order. If it has, delete the file from the staging folder; if not, move it into the import folder, without .staged at the end of its name.",
        ),
    };
    let (code, severity) = (ORDER_FILE_CHANGED, Severity::Error);
    Trouble { code, subject: name.clone(), severity, text, remedy: remedy.to_owned() }
}

fn leftover_trouble(names: &[String]) -> Trouble {
    let more = if names.len() > NAMES_SHOWN { " …" } else { "" };
    let shown: Vec<&str> = names.iter().take(NAMES_SHOWN).map(String::as_str).collect();
    Trouble {
        code: STAGING_LEFTOVERS,
        subject: String::new(),
        severity: Severity::Notice,
        text: format!(
            "the staging folder has files of which the agent's ledger knows nothing: {}{more}; the till never saw them",
            shown.join(", ")
        ),
        remedy: "If no other agent uses this folder, delete them; the notice ends at the agent's next start."
            .to_owned(),
    }
}
