//! How a folder of the configuration may be spelled. Pure: spellings come in, complaints go out.
//!
//! Promises: what a service could not use (a mapped drive letter, a path with steps upwards, Windows' own inner
//! spellings) is refused with the spelling to use instead.
//! Does not promise anything about what lies there.
//!
//! Facts: a service has no mapped drives, they belong to whoever logged in (Microsoft, KB 180362); the system writes them
//! out as `\\?\UNC\server\share` (`GetFinalPathNameByHandle`).

use std::path::{Component, Path};

/// What is wrong with this spelling, and how to write it; `None` when it can be used.
pub(super) fn complaint(path: &Path, share_behind_letter: Option<&str>) -> Option<String> {
    let shown = path.display();
    if path.as_os_str().is_empty() || path.is_relative() {
        return Some(format!("{:?} is no full path; write it from the drive or root on", shown.to_string()));
    }
    if path.components().any(|part| part == Component::ParentDir) {
        return Some(format!("{shown} has '..' in it; write the full path"));
    }
    let text = path.to_str().unwrap_or_default();
    windows_complaint(text, share_behind_letter)
}

/// The same for what only Windows knows.
fn windows_complaint(path: &str, share_behind_letter: Option<&str>) -> Option<String> {
    if ["\\\\?\\", "\\\\.\\"].iter().any(|inner| path.replace('/', "\\").starts_with(inner)) {
        return Some(format!(
            "{path} is spelled as Windows does it inwardly; write it as usual, C:\\folder or \\\\server\\share\\folder"
        ));
    }
    let share = share_behind_letter?;
    let rest = path.get(2..).unwrap_or_default();
    Some(format!("{path} is on a mapped drive, which a service does not see; write {share}{rest}"))
}

/// The root of the drive on which a path lies that begins with a letter: `Z:\`.
#[cfg(any(windows, test))]
pub(super) fn drive_root(path: &str) -> Option<String> {
    let mut chars = path.chars();
    let letter = chars.next().filter(char::is_ascii_alphabetic)?;
    (chars.next() == Some(':')).then(|| format!("{letter}:\\"))
}

/// Server and share of a path on a network share, however it is spelled: `\\server\share`.
#[cfg(any(windows, test))]
pub(super) fn share_of(path: &str) -> Option<String> {
    let path = path.replace('/', "\\");
    let inwardly = path.get(..8).filter(|start| start.eq_ignore_ascii_case("\\\\?\\UNC\\"));
    let rest = match inwardly {
        Some(start) => &path[start.len()..],
        None => path.strip_prefix("\\\\").filter(|rest| !rest.starts_with(['?', '.']))?,
    };
    let mut parts = rest.split('\\').filter(|part| !part.is_empty());
    Some(format!("\\\\{}\\{}", parts.next()?, parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_steps_upwards_is_refused() {
        for path in ["/till/../etc", "/till/export/.."] {
            assert!(complaint(Path::new(path), None).unwrap().contains("'..'"), "{path}");
        }
        assert!(complaint(Path::new("export"), None).unwrap().contains("no full path"));
        assert_eq!(complaint(Path::new("/till/..export"), None), None);
    }

    #[test]
    fn a_mapped_drive_letter_is_refused_with_the_share_to_write_instead() {
        let text = windows_complaint(r"Z:\till\export", Some(r"\\server\share")).unwrap();
        assert!(text.ends_with(r"write \\server\share\till\export"), "{text}");
        for path in [r"\\?\C:\till", r"\\.\C:\till", "//?/UNC/server/share"] {
            assert!(windows_complaint(path, None).unwrap().contains("as usual"), "{path}");
        }
        for path in [r"C:\till", r"\\server\share\till", r"C:\\till"] {
            assert_eq!(windows_complaint(path, None), None, "{path}");
        }
    }

    #[test]
    fn a_share_is_known_in_each_of_its_spellings() {
        for path in [r"\\?\UNC\server\share\till", r"\\?\unc\server\share", r"\\server\share\", "//server/share/till"] {
            assert_eq!(share_of(path).as_deref(), Some(r"\\server\share"), "{path}");
        }
        for path in [r"\\?\C:\till", r"C:\till", r"\\server", "/till", "ä"] {
            assert_eq!(share_of(path), None, "{path}");
        }
        assert_eq!(drive_root(r"z:\till").as_deref(), Some(r"z:\"));
        assert_eq!(drive_root(r"\\server\share"), None);
    }
}
