//! Where published order files are now.
//!
//! Promises: one listing per folder; the import folder is listed first, so that a file on its way to another folder is
//! seen at least once; what is still there waits, whatever lies elsewhere under its name; a folder that cannot be listed,
//! or is not the one it was, makes the whole look fail.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::Path;

use super::fault::of_files;
use super::publish::Importing;
use super::settings::EposSettings;
use crate::ports::{Awaited, EposError, Sighting, Sign};

/// Looks once for all `names`.
pub(super) fn look(
    settings: &EposSettings,
    importing: &Importing,
    files: &[Awaited],
) -> Result<Vec<Sighting>, EposError> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let names = || files.iter().map(|file| &file.names.name);
    let awaited: HashMap<String, &String> = names().map(|name| (key(name), name)).collect();
    let waiting = listed(&settings.import_folder, &awaited, Match::Exact, settings)?;
    if waiting.is_empty() {
        importing.make_sure_of_folder()?
    } else {
        importing.is_proven_right()?
    }
    let done = optional(settings.done_folder.as_deref(), &awaited, settings, importing)?;
    let rejected = optional(settings.rejects_folder.as_deref(), &awaited, settings, importing)?;
    let sign = |name: &String| {
        let key = key(name);
        // What still waits was not taken, whatever an earlier file of that name left elsewhere.
        if waiting.contains(&key) {
            Sign::Waiting
        } else if rejected.contains(&key) {
            Sign::Rejected
        } else if done.contains(&key) {
            Sign::MovedToDone
        } else {
            Sign::Gone
        }
    };
    let sighting =
        |name: &String| Sighting { name: name.clone(), sign: sign(name), found_as: None, answers: Vec::new() };
    Ok(names().map(sighting).collect())
}

/// Those of `names` that lie in the rejects folder.
pub(super) fn refused(
    settings: &EposSettings,
    importing: &Importing,
    names: &[String],
) -> Result<Vec<String>, EposError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let awaited: HashMap<String, &String> = names.iter().map(|name| (key(name), name)).collect();
    let rejected = optional(settings.rejects_folder.as_deref(), &awaited, settings, importing)?;
    Ok(names.iter().filter(|name| rejected.contains(&key(name))).cloned().collect())
}

/// What stands for a name when names are compared: volumes change the case of letters, and take é for e with an accent
/// of its own. In doubt a file is ours, and waits.
pub(super) fn key(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let plain: String = name.chars().map(|c| deunicode::deunicode_char(c).unwrap_or_default()).collect();
    plain.to_lowercase()
}

/// How a name in a folder counts as that of an order file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Match {
    Exact,
    /// Tills append `.err`, `.bak`, `.done`.
    WithExtension,
}

fn optional(
    folder: Option<&Path>,
    awaited: &HashMap<String, &String>,
    settings: &EposSettings,
    importing: &Importing,
) -> Result<HashSet<String>, EposError> {
    let Some(folder) = folder else { return Ok(HashSet::new()) };
    let found = listed(folder, awaited, Match::WithExtension, settings)?;
    // Inside the import folder it is where that is; it need not be there yet.
    if !is_inside(folder, settings) {
        importing.places.make_sure_of(folder)?;
    }
    Ok(found)
}

/// The awaited names that the folder shows, by their [`key`].
fn listed(
    folder: &Path,
    awaited: &HashMap<String, &String>,
    how: Match,
    settings: &EposSettings,
) -> Result<HashSet<String>, EposError> {
    let failed = |error| {
        let shown = folder.display();
        of_files(format!("cannot list {shown}, so that nothing is known about orders; is the share connected?"), error)
    };
    let entries = match fs::read_dir(folder) {
        // Tills make their folders inside the import folder when they first need them; that folder was just proven.
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_inside(folder, settings) => {
            return Ok(HashSet::new());
        }
        other => other.map_err(failed)?,
    };
    let mut found = HashSet::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        found.extend(awaited_name(&key(&name.to_string_lossy()), awaited, how));
    }
    Ok(found)
}

fn is_inside(folder: &Path, settings: &EposSettings) -> bool {
    folder != settings.import_folder && folder.starts_with(&settings.import_folder)
}

fn awaited_name(name: &str, awaited: &HashMap<String, &String>, how: Match) -> Option<String> {
    if awaited.contains_key(name) {
        return Some(name.to_owned());
    }
    let mut points = name.match_indices('.').map(|(at, _)| at).filter(|_| how == Match::WithExtension);
    points.find(|at| awaited.contains_key(&name[..*at])).map(|at| name[..at].to_owned())
}
