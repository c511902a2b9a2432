//! Keeps the till's folders watched for as long as that makes sense.
//!
//! Promises: a watch that ends, or whose folder was replaced or came back, is begun anew by itself; where events cannot be
//! trusted the system is not asked; without a watch everything is found all the same, by the sweep.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::epos::volume::{FileId, FolderKind, folder_identity};
use crate::epos::{FolderEpos, FolderWatcher, Hint, WatchError};
use crate::ledger::conditions::{Severity, Trouble};
use crate::tasks::{Shop, chain};

/// Condition: the folders are not watched; the sweep finds everything all the same, later.
pub const NOT_WATCHED: &str = "not_watched";
/// Condition: the system does not tell of changes in the folders; the sweep finds them.
pub const EVENTS_NOT_TRUSTED: &str = "events_not_trusted";
/// How often the watch itself is looked at.
const LOOK_AT_WATCH_EVERY: Duration = Duration::from_secs(5);
/// How old a watch may be where a folder cannot be told from another in its place, or a lost watch is not told.
const RENEW_AFTER: Duration = Duration::from_secs(300);

/// A watch that was begun.
struct Watching {
    watcher: FolderWatcher,
    folders: Vec<Which>,
    since: Instant,
}

/// Which folder lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// This one.
    Known(FileId),
    /// One that cannot be told from another.
    Any,
    /// None.
    Missing,
}

/// Looks after the watch until stop.
pub(super) async fn keep_watching(shop: Arc<Shop>, epos: Arc<FolderEpos>, mut stop: watch::Receiver<bool>) {
    let mut watching = None;
    loop {
        watching = tokio::task::block_in_place(|| tended(watching, &shop, &epos));
        report_distrust(&shop, &epos);
        tokio::select! {
            () = tokio::time::sleep(LOOK_AT_WATCH_EVERY) => {}
            _ = stop.changed() => return,
        }
    }
}

/// The watch as it should be now.
fn tended(watching: Option<Watching>, shop: &Arc<Shop>, epos: &Arc<FolderEpos>) -> Option<Watching> {
    let kind = epos.look_at_kind();
    if !epos.wants_watch() {
        if watching.is_some() {
            epos.listen(false);
        }
        shop.conditions(&[NOT_WATCHED], &[]);
        return None;
    }
    let folders = folders(epos, kind);
    let stands = |watching: &Watching| {
        let same = watching.folders == folders && !folders.contains(&Which::Missing);
        same && !watching.watcher.has_failed()
    };
    let is_renewal = watching.as_ref().is_some_and(stands);
    let is_fresh = watching.as_ref().is_some_and(|watching| watching.since.elapsed() < RENEW_AFTER);
    if is_renewal && (is_fresh || !folders.contains(&Which::Any)) {
        return watching;
    }
    // The old watch, if any, goes once the new one stands, so that no event falls between the two.
    let begun = begin(shop, epos);
    report_unwatched(shop, begun.as_ref().err());
    let watcher = begun.ok();
    if !is_renewal {
        epos.listen(watcher.is_some());
    }
    if !is_renewal && watcher.is_some() {
        // What happened while nobody watched is found now rather than at the next sweep.
        shop.wakes.stock.notify_one();
        shop.wakes.orders.notify_one();
    }
    watcher.map(|watcher| Watching { watcher, folders, since: Instant::now() })
}

fn begin(shop: &Arc<Shop>, epos: &Arc<FolderEpos>) -> Result<FolderWatcher, WatchError> {
    let (woken, hearing) = (shop.clone(), epos.clone());
    let wake = move |hint: &Hint| {
        hearing.hear(hint);
        woken.wakes.stock.notify_one();
        woken.wakes.orders.notify_one();
    };
    let settings = epos.settings();
    FolderWatcher::start(&[settings.export_folder.as_path(), settings.import_folder.as_path()], wake)
}

/// Which folders lie there now. On a share a folder's number may be made up, and another one at the next look.
fn folders(epos: &FolderEpos, kind: FolderKind) -> Vec<Which> {
    let settings = epos.settings();
    let which = |folder: &PathBuf| match (folder.is_dir(), kind) {
        (false, _) => Which::Missing,
        (true, FolderKind::Share) => Which::Any,
        (true, FolderKind::Local) => folder_identity(folder).map_or(Which::Any, Which::Known),
    };
    [&settings.export_folder, &settings.import_folder].map(which).to_vec()
}

fn report_unwatched(shop: &Shop, error: Option<&WatchError>) {
    let trouble = error.map(|error| Trouble {
        code: NOT_WATCHED,
        subject: String::new(),
        severity: Severity::Notice,
        text: chain(error),
        remedy: "Nothing is missed: the folders are listed regularly, and the watch is tried again by itself. To be rid of this notice, set epos.watch = \"off\".".into(),
    });
    shop.conditions(&[NOT_WATCHED], trouble.as_slice());
}

fn report_distrust(shop: &Shop, epos: &FolderEpos) {
    let trouble = (!epos.trusts_events()).then(|| Trouble {
        code: EVENTS_NOT_TRUSTED,
        subject: String::new(),
        severity: Severity::Notice,
        text: "the system does not tell of changes in the till's folders: the regular look found several in a row that it had not told of".into(),
        remedy: "Nothing is missed: the folders are listed more often, and files have to stand still for as long as on a share. To be rid of this notice, set epos.watch = \"off\".".into(),
    });
    shop.conditions(&[EVENTS_NOT_TRUSTED], trouble.as_slice());
}
