//! Where the folders lay into which the till moves order files.
//!
//! Promises: a folder that lies elsewhere than it did (the empty folder under a share that is not mounted) is found out, so
//! that nothing is concluded from what is not in it. A folder that was emptied, or made anew in the same place, is taken
//! for the same: tills and staff do that.
//! Does not promise to tell two folders on one volume apart.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::fault::{for_now, passing};
use super::spool::{made, write_synced};
use super::volume::{FolderKind, kind_of, same_volume};
use crate::ports::EposError;

/// Our note of it, in the agent's own folder.
const NOTE: &str = "folder-places";

/// The places as they are known.
#[derive(Debug)]
pub(super) struct Places {
    note: PathBuf,
    private: PathBuf,
    import: PathBuf,
}

impl Places {
    pub(super) fn new(private: &Path, import: &Path) -> Self {
        Self { note: private.join(NOTE), private: private.to_owned(), import: import.to_owned() }
    }

    /// Makes sure that `folder`, which was just listed, lies where it lay when it was first seen.
    pub(super) fn make_sure_of(&self, folder: &Path) -> Result<(), EposError> {
        let failed = |error| passing(format!("cannot look at {}; is the share connected?", folder.display()), error);
        let found = self.place_of(folder).map_err(failed)?;
        let mut known = self.known()?;
        match known.get(&key(folder)) {
            Some(place) if *place == found => Ok(()),
            Some(place) => Err(for_now(format!(
                "{} lies elsewhere than it did ({found}; before: {place}), so that nothing is known about orders in it; is the share connected? If the folder was moved on purpose, accept it",
                folder.display()
            ))),
            None => {
                known.insert(key(folder), found);
                self.write(&known)
            }
        }
    }

    /// Forgets where the folders lay: on a person's word they are right as they are.
    pub(super) fn accept(&self) -> Result<(), EposError> {
        self.write(&BTreeMap::new())
    }

    /// Where a folder lies, in words that are the same after a restart of the machine.
    fn place_of(&self, folder: &Path) -> io::Result<String> {
        let kind = match kind_of(folder)? {
            FolderKind::Local => "on a local disk",
            FolderKind::Share => "on a share",
        };
        let beside = |other: &Path, name: &str| {
            Ok::<_, io::Error>(match same_volume(folder, other)? {
                Some(true) => format!(", on the volume of {name}"),
                Some(false) | None => String::new(),
            })
        };
        made(self.private.clone()).map_err(|error| io::Error::other(error.what))?;
        let (import, private) =
            (beside(&self.import, "the import folder")?, beside(&self.private, "the agent's folder")?);
        Ok(format!("{kind}{import}{private}"))
    }

    fn known(&self) -> Result<BTreeMap<String, String>, EposError> {
        match fs::read_to_string(&self.note) {
            Ok(text) => Ok(text.lines().filter_map(|line| line.split_once('\t')).map(owned).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(passing(format!("cannot read {}", self.note.display()), error)),
        }
    }

    fn write(&self, known: &BTreeMap<String, String>) -> Result<(), EposError> {
        made(self.private.clone())?;
        let text: String = known.iter().map(|(folder, place)| format!("{folder}\t{place}\n")).collect();
        write_synced(&self.note, text.as_bytes())
            .map_err(|error| passing(format!("cannot write {}; is the disk full?", self.note.display()), error))
    }
}

fn owned((folder, place): (&str, &str)) -> (String, String) {
    (folder.to_owned(), place.to_owned())
}

/// A folder's name on one line.
fn key(folder: &Path) -> String {
    format!("{folder:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_known_again_until_it_lies_elsewhere_or_a_person_accepts_it() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for name in ["import", "rejects", "private"] {
            fs::create_dir(at(name)).unwrap();
        }
        let places = Places::new(&at("private"), &at("import"));
        places.make_sure_of(&at("rejects")).unwrap();
        places.make_sure_of(&at("rejects")).unwrap();
        fs::remove_dir(at("rejects")).unwrap();
        assert!(places.make_sure_of(&at("rejects")).is_err(), "what is not there proves nothing");
        fs::create_dir(at("rejects")).unwrap();
        places.make_sure_of(&at("rejects")).unwrap();
        // As it reads after the folder was first seen on a share.
        let note = fs::read_to_string(at("private").join(NOTE)).unwrap();
        fs::write(at("private").join(NOTE), format!("{}\ton a share\n", note.split('\t').next().unwrap())).unwrap();
        let error = places.make_sure_of(&at("rejects")).unwrap_err();
        assert!(error.what.contains("before: on a share") && error.what.contains("rejects"), "{error}");
        places.accept().unwrap();
        places.make_sure_of(&at("rejects")).unwrap();
    }
}
