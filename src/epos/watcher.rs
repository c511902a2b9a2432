//! Tells that something may have changed in the till's folders.
//!
//! Promises: nothing beyond a hint. Events are lost on shares, on overflow and when a folder is replaced; whoever
//! depends on the sweep alone loses only time. Our own reading of files causes no hint.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::event::{ModifyKind, RenameMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::heard::Hint;

/// Watches folders for as long as it lives.
#[derive(Debug)]
pub struct FolderWatcher {
    _watcher: RecommendedWatcher,
    failed: Arc<AtomicBool>,
}

/// Why a folder is not watched. The sweep finds everything all the same.
#[derive(Debug, thiserror::Error)]
#[error("the system does not tell of changes in {folder}; the sweep looks there all the same")]
pub struct WatchError {
    /// The folder.
    pub folder: PathBuf,
    /// The system's reason.
    #[source]
    pub source: notify::Error,
}

impl FolderWatcher {
    /// Calls `wake` after changes in any of `folders` (not in folders within them).
    ///
    /// # Errors
    /// When one of them cannot be watched. Nothing is watched then.
    pub fn start(folders: &[&Path], wake: impl Fn(&Hint) + Send + Sync + 'static) -> Result<Self, WatchError> {
        let refused = |folder: &Path| {
            let folder = folder.to_owned();
            move |source| WatchError { folder, source }
        };
        let failed = Arc::new(AtomicBool::new(false));
        let has_failed = failed.clone();
        let on_event = move |event: notify::Result<notify::Event>| match event {
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => {}
            Ok(event) => wake(&hint(event)),
            Err(error) => {
                // Once is enough: a folder that is gone may fail at every event.
                if !has_failed.swap(true, Ordering::Relaxed) {
                    tracing::warn!(error = %error, "the system stopped telling of changes in the till's folders; the sweep goes on, and it is asked again");
                }
                wake(&Hint::default());
            }
        };
        let first = folders.first().copied().unwrap_or(Path::new("."));
        let mut watcher = notify::recommended_watcher(on_event).map_err(refused(first))?;
        for folder in folders {
            watcher.watch(folder, RecursiveMode::NonRecursive).map_err(refused(folder))?;
        }
        Ok(Self { _watcher: watcher, failed })
    }

    /// Has the system said that it cannot tell of changes any more?
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

fn hint(event: notify::Event) -> Hint {
    let leaves = [RenameMode::From, RenameMode::Both, RenameMode::Any];
    let takes_away = match event.kind {
        EventKind::Remove(_) => true,
        EventKind::Modify(ModifyKind::Name(how)) => leaves.contains(&how),
        EventKind::Modify(_) | EventKind::Create(_) | EventKind::Access(_) | EventKind::Any | EventKind::Other => false,
    };
    let paths = if event.need_rescan() { Vec::new() } else { event.paths };
    Hint { takes_away: takes_away || paths.is_empty(), paths }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// Longest wait for a hint that the system owes us.
    const LONGEST_WAIT: Duration = Duration::from_secs(10);

    #[test]
    fn a_new_file_wakes() {
        let folder = tempfile::tempdir().unwrap();
        let (woken, wakes) = mpsc::channel();
        let _watcher = FolderWatcher::start(&[folder.path()], move |_| woken.send(()).unwrap_or_default()).unwrap();
        std::fs::write(folder.path().join("stock.csv"), "x").unwrap();
        wakes.recv_timeout(LONGEST_WAIT).unwrap();
    }

    #[test]
    fn what_goes_away_is_told_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("order_1.csv");
        std::fs::write(&path, "x").unwrap();
        let (woken, wakes) = mpsc::channel();
        let _watcher = FolderWatcher::start(&[folder.path()], move |hint| woken.send(hint.clone()).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        let hint = wakes.recv_timeout(LONGEST_WAIT).unwrap();
        assert_eq!(hint, Hint { paths: vec![path], takes_away: true });
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("gone");
        let error = FolderWatcher::start(&[&missing], |_| {}).unwrap_err();
        assert!(error.to_string().contains("gone"));
    }
}
