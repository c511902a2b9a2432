//! Failures of the till's side, with path, remedy and class.
//!
//! Promises: a failure that time may cure (a lock, an unplugged share, a full disk) is `Transient`; one that only a
//! person can cure is `Permanent`.

use std::io;

use crate::domain::retry::FailureClass;
use crate::ports::EposError;

/// A failure that passes by itself, with the system's reason.
pub(super) fn passing(what: impl Into<String>, source: io::Error) -> EposError {
    EposError { what: what.into(), class: FailureClass::Transient, source: Some(source) }
}

/// A failure that passes by itself, seen by ourselves.
pub(super) fn for_now(what: impl Into<String>) -> EposError {
    EposError { what: what.into(), class: FailureClass::Transient, source: None }
}

/// A failure that stays until someone changes something.
pub(super) fn lasting(what: impl Into<String>) -> EposError {
    EposError { what: what.into(), class: FailureClass::Permanent, source: None }
}

/// A failure of the file system, classified by its kind.
pub(super) fn of_files(what: impl Into<String>, source: io::Error) -> EposError {
    let class = match source.kind() {
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::CrossesDevices
        | io::ErrorKind::InvalidFilename
        | io::ErrorKind::NotADirectory => FailureClass::Permanent,
        _ => FailureClass::Transient,
    };
    EposError { what: what.into(), class, source: Some(source) }
}
