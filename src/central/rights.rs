//! Who may read a file, and what the system adds to its rights: the one file of secrets that differs between systems.
//!
//! Promises: on Unix a file that others may read, write or exchange is recognised, a private one is made private from
//! its first moment, and belongs to whoever owns the data folder (root keeps secrets for a service that is not root). On
//! Windows `seal` encrypts for this machine (CryptProtectData with CRYPTPROTECT_LOCAL_MACHINE): the service account
//! and the administrator who types the secret share no other key. The name goes in as further entropy, so that
//! one secret's file put in another's place is not taken for it.
//! Does not look at Windows' access lists: there the encryption is what protects, and the folder's own rights.

use std::fs::File;
use std::io;
use std::path::Path;

pub(super) use system::{
    give_to_owner_of, make_private_folder, open_to_group_or_others, open_to_others, seal, sync_folder, unseal,
};

#[cfg(unix)]
mod system {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};

    use super::{File, Path, io};

    /// Others may read, or group or others may write. The group may read: a file of `root:tillbridge` with mode 640 is
    /// the usual way to give a service what it must not change.
    const OTHERS: u32 = 0o026;
    /// Anybody but the owner.
    const ANYBODY_ELSE: u32 = 0o077;

    pub(in super::super) fn open_to_others(file: &File) -> io::Result<Option<String>> {
        open_to(file, OTHERS)
    }

    pub(in super::super) fn open_to_group_or_others(file: &File) -> io::Result<Option<String>> {
        open_to(file, ANYBODY_ELSE)
    }

    fn open_to(file: &File, bits: u32) -> io::Result<Option<String>> {
        let mode = file.metadata()?.mode() & 0o7777;
        Ok((mode & bits != 0).then(|| format!("mode {mode:o}")))
    }

    pub(in super::super) fn make_private_folder(folder: &Path, data_folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(data_folder)?;
        match std::fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(why) if why.kind() != io::ErrorKind::AlreadyExists => return Err(why),
            Ok(()) | Err(_) => {}
        }
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
        give_to_owner_of(folder, data_folder)
    }

    pub(in super::super) fn give_to_owner_of(path: &Path, data_folder: &Path) -> io::Result<()> {
        let (own, wanted) = (std::fs::metadata(path)?, std::fs::metadata(data_folder)?);
        if own.uid() == wanted.uid() {
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(wanted.uid()), Some(wanted.gid()))
    }

    pub(in super::super) fn sync_folder(folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    #[expect(clippy::unnecessary_wraps, reason = "the other system's may fail")]
    pub(in super::super) fn seal(_name: &str, secret: &[u8]) -> Result<Vec<u8>, String> {
        Ok(secret.to_vec())
    }

    #[expect(clippy::unnecessary_wraps, reason = "the other system's may fail")]
    pub(in super::super) fn unseal(_name: &str, sealed: &[u8]) -> Result<Vec<u8>, String> {
        Ok(sealed.to_vec())
    }
}

#[cfg(windows)]
mod system {
    use windows_dpapi::{Scope, decrypt_data, encrypt_data};

    use super::{File, Path, io};

    pub(in super::super) fn open_to_others(_file: &File) -> io::Result<Option<String>> {
        Ok(None)
    }

    pub(in super::super) fn open_to_group_or_others(_file: &File) -> io::Result<Option<String>> {
        Ok(None)
    }

    pub(in super::super) fn make_private_folder(folder: &Path, _data_folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)
    }

    pub(in super::super) fn give_to_owner_of(_path: &Path, _data_folder: &Path) -> io::Result<()> {
        Ok(())
    }

    pub(in super::super) fn sync_folder(_folder: &Path) -> io::Result<()> {
        // NTFS journals the rename by itself.
        Ok(())
    }

    fn entropy(name: &str) -> Vec<u8> {
        format!("tillbridge secret {name}").into_bytes()
    }

    pub(in super::super) fn seal(name: &str, secret: &[u8]) -> Result<Vec<u8>, String> {
        encrypt_data(secret, Scope::Machine, Some(&entropy(name))).map_err(|why| format!("{why:#}"))
    }

    pub(in super::super) fn unseal(name: &str, sealed: &[u8]) -> Result<Vec<u8>, String> {
        decrypt_data(sealed, Scope::Machine, Some(&entropy(name))).map_err(|why| format!("{why:#}"))
    }
}
