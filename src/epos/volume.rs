//! What differs between operating systems about files: the only file of this module with `cfg`.
//!
//! Promises: equal function names everywhere; a rename that never replaces; a path that crosses volumes says so.
//! Does not promise: durability beyond what the system offers (see [`sync_folder`]).

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
use std::time::Duration;

/// How often a file that another program holds for a moment (virus scanner, indexer) is tried again.
const TRIES: u32 = 5;
/// First pause between tries; it doubles: 50, 100, 200, 400 ms.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// What makes a file the same file although its name, length and time may be those of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    /// The volume.
    pub volume: u64,
    /// The file's number on it.
    pub number: u64,
}

/// Where a folder lies, as far as its promises go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FolderKind {
    /// On a disk of this machine: changes are told at once, numbers of files are true.
    Local,
    /// On a network share, behind a program (FUSE), or on what we do not know: others' changes are not told, listings
    /// may be seconds old, and a file's number may be made up.
    Share,
}

/// Where the folder lies, asked anew at each call: a share may be mounted in its place at any time.
///
/// # Errors
/// When the folder cannot be asked.
pub fn kind_of(folder: &Path) -> io::Result<FolderKind> {
    os::kind_of(folder)
}

/// The share behind a drive letter, as this user sees it (`\\server\share`); `None` for what is no mapped drive.
pub fn share_behind_letter(path: &Path) -> Option<String> {
    os::share_behind_letter(path)
}

/// Do listings show size and time of each file for nothing?
pub const LISTINGS_SHOW_ALL: bool = cfg!(windows);

/// Gives `from` the name `to`, unless something has that name already.
///
/// # Errors
/// `AlreadyExists` when the name is taken; `CrossesDevices` when the two are not on one volume.
pub fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    patiently(|| os::rename_without_replacing(from, to)).map_err(|error| explained(error, from, to))
}

/// Moves `from` away to `to`, in one step; a leftover of ours at `to` is replaced.
///
/// # Errors
/// `NotFound` when `from` is gone.
pub fn move_away(from: &Path, to: &Path) -> io::Result<()> {
    patiently(|| plain_rename(from, to)).map_err(|error| explained(error, from, to))
}

/// Removes a file; that it is gone already is no error.
///
/// # Errors
/// When it is still there.
pub fn remove_if_there(path: &Path) -> io::Result<()> {
    match patiently(|| std::fs::remove_file(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Is there anything of this name? A link that leads nowhere is something, too.
///
/// # Errors
/// When the folder cannot be asked.
pub fn is_there(path: &Path) -> io::Result<bool> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes the names in a folder durable.
///
/// On Windows there is nothing to do: NTFS journals names itself, and a folder cannot be flushed without
/// administrator rights.
///
/// # Errors
/// When the folder could not be flushed.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    os::sync_folder(path)
}

/// Are these two existing paths on one volume? `None` where the system does not say.
///
/// # Errors
/// When one of them cannot be looked at.
pub fn same_volume(a: &Path, b: &Path) -> io::Result<Option<bool>> {
    os::same_volume(a, b)
}

/// The identity of an open file; `None` where the system does not say.
///
/// # Errors
/// When the file cannot be asked.
pub fn file_identity(file: &File) -> io::Result<Option<FileId>> {
    Ok(os::identity(&file.metadata()?))
}

/// Which folder it is; `None` where the system does not say, or it is not there.
pub fn folder_identity(folder: &Path) -> Option<FileId> {
    std::fs::metadata(folder).ok().as_ref().and_then(os::identity)
}

/// The identity that `metadata` tells; `None` where the system does not say.
pub fn identity_of(metadata: &Metadata) -> Option<FileId> {
    os::identity(metadata)
}

/// The number of the file that a listing shows without being asked for more; `None` where it shows none.
pub(super) fn number_in_listing(entry: &std::fs::DirEntry) -> Option<u64> {
    os::number_in_listing(entry)
}

/// Opens one of the till's files for reading; where the system can, only while nobody is writing to it.
///
/// # Errors
/// When it is locked, or cannot be read.
pub fn open_for_reading(path: &Path) -> io::Result<File> {
    os::open_for_reading(path)
}

/// Would the system let us delete in this folder? Nothing is tried; where it does not say beforehand, it would.
///
/// # Errors
/// The reason why not.
pub fn may_change(folder: &Path) -> io::Result<()> {
    os::may_change(folder)
}

/// Empties a file of ours; a link that someone put in its place is not followed.
///
/// # Errors
/// When it is not empty now; on Unix also when it is a link.
pub fn empty(path: &Path) -> io::Result<()> {
    os::empty(path)
}

/// Does another program hold the file just now?
pub fn is_held_by_another(error: &io::Error) -> bool {
    os::is_held_by_another(error)
}

/// Repeats `step` for a short, bounded time while another program holds the file.
fn patiently<T>(mut step: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        match step() {
            Err(error) if is_held_by_another(&error) => std::thread::sleep(pause),
            other => return other,
        }
        pause *= 2;
    }
    step()
}

/// The same error, in words where the system's own words do not help.
fn explained(error: io::Error, from: &Path, to: &Path) -> io::Error {
    if error.kind() == io::ErrorKind::CrossesDevices {
        let (from, to) = (from.display(), to.display());
        let text =
            format!("{from} and {to} are on different volumes; set epos.staging_folder to a folder on the same volume");
        return io::Error::new(io::ErrorKind::CrossesDevices, text);
    }
    error
}

#[expect(
    clippy::disallowed_methods,
    reason = "the target is a name that only we write, looked at first or a leftover of ours"
)]
fn plain_rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}

/// Where the system has no rename that refuses a taken name: looks first, then renames in one step. Only we write these
/// names, so that the moment between look and rename belongs to nobody else. A second name (a hard link) and then the
/// removal of the first would be two steps: a crash between them leaves a file that the till took in staging as well.
fn look_then_rename(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(to) {
        Ok(_) => Err(io::Error::from(io::ErrorKind::AlreadyExists)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => plain_rename(from, to),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
mod os {
    use std::fs::{File, Metadata};
    use std::io;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use super::{FileId, FolderKind};

    #[cfg(target_os = "linux")]
    pub(super) fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Old kernels and some shares do not know the flag.
            Err(Errno::INVAL | Errno::NOSYS) => super::look_then_rename(from, to),
            other => other.map_err(io::Error::from),
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
        super::look_then_rename(from, to)
    }

    pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
        match File::open(path)?.sync_all() {
            // Some shares cannot flush a folder; the file itself has been flushed.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
            other => other,
        }
    }

    pub(super) fn same_volume(a: &Path, b: &Path) -> io::Result<Option<bool>> {
        Ok(Some(std::fs::metadata(a)?.dev() == std::fs::metadata(b)?.dev()))
    }

    #[expect(clippy::unnecessary_wraps, reason = "other systems do not tell")]
    pub(super) fn number_in_listing(entry: &std::fs::DirEntry) -> Option<u64> {
        Some(std::os::unix::fs::DirEntryExt::ino(entry))
    }

    #[expect(clippy::unnecessary_wraps, reason = "other systems do not tell")]
    pub(super) fn identity(metadata: &Metadata) -> Option<FileId> {
        Some(FileId { volume: metadata.dev(), number: metadata.ino() })
    }

    pub(super) fn open_for_reading(path: &Path) -> io::Result<File> {
        use std::os::unix::fs::OpenOptionsExt;
        // A name that became a link or a pipe since it was listed must neither lead elsewhere nor block us.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).unwrap_or(0);
        std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)
    }

    pub(super) fn is_held_by_another(error: &io::Error) -> bool {
        use rustix::io::Errno;
        // A share's server that refuses because another client has the file open makes it "busy".
        [Errno::TXTBSY, Errno::BUSY].iter().any(|held| error.raw_os_error() == Some(held.raw_os_error()))
    }

    /// File systems of this machine's own disks, by the numbers of `statfs(2)` and the kernel's `magic.h`. What is not
    /// among them (CIFS, SMB2, NFS, FUSE, 9P, AFS, Ceph, whatever comes) is in doubt a share.
    #[cfg(target_os = "linux")]
    const LOCAL: [u32; 18] = [
        0x0000_ef53, // ext2, ext3, ext4
        0x5846_5342, // xfs
        0x9123_683e, // btrfs
        0x2fc1_2fc1, // zfs
        0xf2f5_2010, // f2fs
        0xca45_1a4e, // bcachefs
        0x0102_1994, // tmpfs
        0x8584_58f6, // ramfs
        0x794c_7630, // overlayfs
        0x7366_746e, // ntfs3
        0x5346_544e, // ntfs
        0x0000_4d44, // vfat
        0x2011_bab0, // exfat
        0x3153_464a, // jfs
        0x5265_4973, // reiserfs
        0x0000_3434, // nilfs
        0x1501_3346, // udf
        0x0000_f15f, // ecryptfs
    ];

    #[cfg(target_os = "linux")]
    pub(super) fn kind_of(folder: &Path) -> io::Result<FolderKind> {
        // The number has 32 bits; some systems give it in a signed or a wider field.
        let told = rustix::fs::statfs(folder)?.f_type as u64 & 0xffff_ffff;
        let is_local = LOCAL.iter().any(|local| u64::from(*local) == told);
        Ok(if is_local { FolderKind::Local } else { FolderKind::Share })
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn kind_of(folder: &Path) -> io::Result<FolderKind> {
        std::fs::metadata(folder).map(|_| FolderKind::Share)
    }

    pub(super) fn share_behind_letter(_path: &Path) -> Option<String> {
        None
    }

    pub(super) fn may_change(folder: &Path) -> io::Result<()> {
        use rustix::fs::{Access, access};
        Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
    }

    pub(super) fn empty(path: &Path) -> io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
        std::fs::OpenOptions::new().write(true).custom_flags(flags).open(path)?.set_len(0)
    }
}

#[cfg(windows)]
mod os {
    use std::fs::{File, Metadata, OpenOptions};
    use std::io;
    use std::os::windows::fs::OpenOptionsExt;
    use std::path::{Component, Path, Prefix};

    use super::{FileId, FolderKind};
    use crate::epos::folder_path::{drive_root, share_of};

    /// FILE_SHARE_READ and FILE_SHARE_DELETE: others may read and rename meanwhile, nobody may write.
    const NO_WRITERS: u32 = 0x1 | 0x4;
    /// ERROR_ACCESS_DENIED, also given for a file that is being deleted.
    const ACCESS_DENIED: i32 = 5;
    /// ERROR_SHARING_VIOLATION.
    const SHARING_VIOLATION: i32 = 32;

    pub(super) fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
        super::look_then_rename(from, to)
    }

    pub(super) fn sync_folder(_path: &Path) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn same_volume(a: &Path, b: &Path) -> io::Result<Option<bool>> {
        Ok(prefix(&a.canonicalize()?).zip(prefix(&b.canonicalize()?)).map(|(a, b)| a == b))
    }

    fn prefix(path: &Path) -> Option<std::ffi::OsString> {
        match path.components().next()? {
            Component::Prefix(prefix) => match prefix.kind() {
                Prefix::VerbatimDisk(_) | Prefix::Disk(_) | Prefix::VerbatimUNC(..) | Prefix::UNC(..) => {
                    Some(prefix.as_os_str().to_ascii_lowercase())
                }
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn number_in_listing(_entry: &std::fs::DirEntry) -> Option<u64> {
        None
    }

    pub(super) fn identity(_metadata: &Metadata) -> Option<FileId> {
        None
    }

    pub(super) fn open_for_reading(path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).share_mode(NO_WRITERS).open(path)
    }

    pub(super) fn is_held_by_another(error: &io::Error) -> bool {
        matches!(error.raw_os_error(), Some(ACCESS_DENIED | SHARING_VIOLATION))
    }

    /// The system writes a mapped drive out as the share behind it.
    pub(super) fn kind_of(folder: &Path) -> io::Result<FolderKind> {
        let written_out = folder.canonicalize()?;
        let is_share = written_out.to_str().is_none_or(|path| share_of(path).is_some());
        Ok(if is_share { FolderKind::Share } else { FolderKind::Local })
    }

    pub(super) fn share_behind_letter(path: &Path) -> Option<String> {
        let root = drive_root(path.to_str()?)?;
        share_of(Path::new(&root).canonicalize().ok()?.to_str()?)
    }

    pub(super) fn may_change(folder: &Path) -> io::Result<()> {
        std::fs::metadata(folder).map(|_| ())
    }

    pub(super) fn empty(path: &Path) -> io::Result<()> {
        /// FILE_FLAG_OPEN_REPARSE_POINT: a link is opened itself, not what it leads to.
        const THE_LINK_ITSELF: u32 = 0x0020_0000;
        OpenOptions::new().write(true).custom_flags(THE_LINK_ITSELF).open(path)?.set_len(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_never_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&from, "new").unwrap();
        std::fs::write(&to, "old").unwrap();
        for step in [rename_without_replacing, look_then_rename] {
            assert_eq!(step(&from, &to).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(std::fs::read_to_string(&to).unwrap(), "old");
            assert_eq!(std::fs::read_to_string(&from).unwrap(), "new");
        }
    }

    #[test]
    fn every_way_of_renaming_moves_the_file() {
        let folder = tempfile::tempdir().unwrap();
        for step in [rename_without_replacing, look_then_rename, move_away] {
            let (from, to) = (folder.path().join("a"), folder.path().join("b"));
            std::fs::write(&from, "new").unwrap();
            step(&from, &to).unwrap();
            assert!(!from.exists());
            std::fs::remove_file(&to).unwrap();
            assert_eq!(step(&from, &to).unwrap_err().kind(), io::ErrorKind::NotFound);
        }
    }

    #[test]
    fn a_file_keeps_its_identity_under_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&from, "x").unwrap();
        let before = file_identity(&File::open(&from).unwrap()).unwrap();
        rename_without_replacing(&from, &to).unwrap();
        assert_eq!(file_identity(&File::open(&to).unwrap()).unwrap(), before);
        assert_ne!(same_volume(folder.path(), &to).unwrap(), Some(false));
        sync_folder(folder.path()).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_of_the_kernels_own_is_no_disk_and_in_doubt_a_share() {
        assert_eq!(kind_of(Path::new("/proc")).unwrap(), FolderKind::Share);
        assert_eq!(kind_of(Path::new("/dev/shm")).unwrap(), FolderKind::Local);
        assert!(kind_of(Path::new("/nowhere")).is_err());
    }

    #[test]
    fn removing_what_is_gone_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        remove_if_there(&folder.path().join("nothing")).unwrap();
    }
}
