//! Secrets that the agent keeps itself, one file each, under its data folder.
//!
//! Promises: a secret is there whole or not at all (written beside, synced, renamed); on Windows it is encrypted with the
//! system's data protection for this machine, so that a copy of the disk or of a backup is worth nothing elsewhere; on
//! Unix it is a file of mode 600 in a folder of mode 700, owned by whoever owns the data folder, and refused when
//! somebody opened it.
//! Does not promise more on Unix than these rights: the file holds the secret in clear, as a private key's does, and
//! whoever is root, or takes the disk, can read it. On Windows it does not hold against a program on the same machine
//! that may read the folder: a service account and the person at the keyboard have no key in common but the machine's.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::rights;
use super::secret::{LONGEST, Secret};

/// The folder of kept secrets, in the data folder.
pub(crate) const FOLDER: &str = "secrets";

/// How the name of a secret begins that is being written.
const UNFINISHED: &str = ".new-";

/// Why a kept secret cannot be had, or not be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// There is none of this name.
    #[error("no secret is kept under the name {name:?}; keep it with: tillbridge secret set {name}")]
    NotThere {
        /// The name.
        name: String,
    },
    /// A file or folder.
    #[error("the kept secret {} cannot be {what} ({why})", path.display())]
    File {
        /// What was attempted.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// Somebody opened it.
    #[error("the kept secret {} is open to others ({found}). Set it anew at the store, then: tillbridge secret set {name}", path.display())]
    Open {
        /// The name.
        name: String,
        /// The file.
        path: PathBuf,
        /// How it is open.
        found: String,
    },
    /// It was kept on another machine, or is damaged.
    #[error(
        "the kept secret {name:?} cannot be decrypted: it was kept on another PC, or is damaged ({why}). Set it again: tillbridge secret set {name}"
    )]
    Sealed {
        /// The name.
        name: String,
        /// The system's words.
        why: String,
    },
}

/// The kept secrets of one agent.
#[derive(Debug, Clone)]
pub struct Kept {
    folder: PathBuf,
    data_folder: PathBuf,
}

impl Kept {
    /// Those of the agent with this data folder.
    pub fn of(data_folder: &Path) -> Self {
        Self { folder: data_folder.join(FOLDER), data_folder: data_folder.to_owned() }
    }

    /// The file of this name. [`super::secret::checked_name`] has looked at the name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Keeps `secret` under `name`, in place of what was kept there.
    ///
    /// # Errors
    /// When it cannot be written, or not be made private; then what was kept before still is.
    pub fn keep(&self, name: &str, secret: &Secret) -> Result<(), KeptError> {
        let at = |what, path: &Path| {
            let path = path.to_owned();
            move |why| KeptError::File { what, path, why }
        };
        rights::make_private_folder(&self.folder, &self.data_folder).map_err(at("made", &self.folder))?;
        self.remove_leftovers()?;
        let sealed = rights::seal(name, secret.reveal().as_bytes())
            .map_err(|why| KeptError::Sealed { name: name.to_owned(), why })?;
        let path = self.path(name);
        // On Unix such a file has mode 600 from its first moment on.
        let mut file =
            tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.folder).map_err(at("written", &path))?;
        file.write_all(&sealed).and_then(|()| file.as_file().sync_all()).map_err(at("written", &path))?;
        rights::give_to_owner_of(file.path(), &self.data_folder).map_err(at("given to the agent's user", &path))?;
        file.persist(&path).map_err(|error| at("written", &path)(error.error))?;
        rights::sync_folder(&self.folder).map_err(at("written", &path))
    }

    /// The secret kept under this name.
    ///
    /// # Errors
    /// When there is none, or it cannot be read, or is open to others.
    pub fn read(&self, name: &str) -> Result<Secret, KeptError> {
        let path = self.path(name);
        let failed = |why: std::io::Error| match why.kind() {
            std::io::ErrorKind::NotFound => KeptError::NotThere { name: name.to_owned() },
            _ => KeptError::File { what: "read", path: path.clone(), why },
        };
        let file = std::fs::File::open(&path).map_err(failed)?;
        if let Some(found) = rights::open_to_group_or_others(&file).map_err(failed)? {
            return Err(KeptError::Open { name: name.to_owned(), path, found });
        }
        let mut sealed = Vec::new();
        // What the system adds when it encrypts is some hundred bytes.
        file.take(2 * LONGEST).read_to_end(&mut sealed).map_err(failed)?;
        let bad = |why| KeptError::Sealed { name: name.to_owned(), why };
        let bytes = rights::unseal(name, &sealed).map_err(bad)?;
        String::from_utf8(bytes).map(|text| Secret::new(&text)).map_err(|_| bad("it is no text".into()))
    }

    /// The names, sorted. None when nothing was ever kept.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn names(&self) -> Result<Vec<String>, KeptError> {
        let failed = |why| KeptError::File { what: "listed", path: self.folder.clone(), why };
        let entries = match std::fs::read_dir(&self.folder) {
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            // What a crash left of a secret that was being written begins with a dot.
            if !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// A secret that was being written when the power failed must not lie there for ever.
    fn remove_leftovers(&self) -> Result<(), KeptError> {
        let failed = |why| KeptError::File { what: "tidied", path: self.folder.clone(), why };
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                std::fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Forgets the secret of this name.
    ///
    /// # Errors
    /// When there is none, or it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), KeptError> {
        if self.folder.exists() {
            self.remove_leftovers()?;
        }
        let path = self.path(name);
        std::fs::remove_file(&path).map_err(|why| match why.kind() {
            std::io::ErrorKind::NotFound => KeptError::NotThere { name: name.to_owned() },
            _ => KeptError::File { what: "removed", path: path.clone(), why },
        })
    }
}

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
