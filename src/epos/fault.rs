//! Failures of the till's side, with path, remedy and class.
//!
//! Promises: a failure of a folder or disk (a lock, an unplugged share, no room, no right to write) is `Transient`,
//! because nothing is wrong with what waits for it: once it is mended everything goes on. `Permanent` is what is wrong
//! with one order or file, and stays wrong however good the folder is.

use std::io;

use super::volume::is_held_by_another;
use crate::domain::retry::FailureClass;
use crate::ports::EposError;

/// A failure that passes by itself, with the system's reason.
pub(super) fn passing(what: impl Into<String>, source: io::Error) -> EposError {
    EposError { what: what.into(), class: FailureClass::Transient, source: Some(told_apart(source)) }
}

/// Systems say in several ways that another program holds a file; from here on there is one.
fn told_apart(source: io::Error) -> io::Error {
    if is_held_by_another(&source) { io::Error::new(io::ErrorKind::ResourceBusy, source) } else { source }
}

/// A failure that passes by itself, seen by ourselves.
pub(super) fn for_now(what: impl Into<String>) -> EposError {
    EposError { what: what.into(), class: FailureClass::Transient, source: None }
}

/// A failure of this one order or file, which no mending of folders ends.
pub(super) fn lasting(what: impl Into<String>) -> EposError {
    EposError { what: what.into(), class: FailureClass::Permanent, source: None }
}

/// A failure of the file system, classified by its kind.
pub(super) fn of_files(what: impl Into<String>, source: io::Error) -> EposError {
    let class = match source.kind() {
        io::ErrorKind::InvalidFilename => FailureClass::Permanent,
        _ => FailureClass::Transient,
    };
    EposError { what: what.into(), class, source: Some(told_apart(source)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_file_that_another_program_holds_is_told_from_every_other_trouble() {
        for held in [rustix::io::Errno::BUSY, rustix::io::Errno::TXTBSY] {
            let error = passing("cannot open", held.into());
            assert!(error.is_held() && error.class == FailureClass::Transient, "{error:?}");
            assert!(of_files("cannot move", held.into()).is_held());
        }
        assert!(!passing("cannot open", io::ErrorKind::PermissionDenied.into()).is_held());
        assert!(!for_now("changed").is_held());
    }

    #[test]
    fn a_folder_that_may_not_be_written_is_no_fault_of_the_order() {
        use io::ErrorKind as K;
        for kind in [K::PermissionDenied, K::ReadOnlyFilesystem, K::StorageFull, K::CrossesDevices, K::NotADirectory] {
            assert_eq!(of_files("cannot write", kind.into()).class, FailureClass::Transient, "{kind}");
        }
        assert_eq!(of_files("cannot write", K::InvalidFilename.into()).class, FailureClass::Permanent);
    }
}
