//! The till as folders: [`FolderEpos`], the one implementation of [`Epos`] for files.
//!
//! Promises: see the module [`crate::epos`]. This file only brings the parts together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::checks;
use super::earlier::EarlierFiles;
use super::fault::lasting;
use super::heard::{Heard, Hint, Of};
use super::order_file::render;
use super::profile::{AsOfFrom, StockProfile};
use super::profile_check::CheckedProfile;
use super::publish::Importing;
use super::settings::{EposSettings, SettingsError};
use super::settle::{SettleRules, SettleTracker};
use super::sightings::Sightings;
use super::spool::{Spool, spooled_companion};
use super::stock_export::{ExportFile, read_export};
use super::sweep::Sweep;
use super::volume::{FolderKind, kind_of};
use crate::ports::{
    Awaited, CheckLine, Earlier, Epos, EposError, ExportFate, ExportKind, ExportLook, FileNames, Marks, OrderFile,
    Pace, Purpose, ReadError, ReadSummary, Revealed, RowSink, SettledExport, Sighting, Sign, SpooledExport, ToWrite,
    Withdrawal,
};

/// A till that exchanges files with us through folders.
#[derive(Debug)]
pub struct FolderEpos {
    settings: EposSettings,
    profile: CheckedProfile,
    /// Of exports of changes, where names tell them apart.
    deltas: Option<CheckedProfile>,
    zone: TimeZone,
    spool: Spool,
    importing: Importing,
    earlier: EarlierFiles,
    sightings: Sightings,
    tracker: Mutex<SettleTracker>,
    heard: Mutex<Heard>,
    /// What the folders lay on at the last look; in doubt a share.
    kind: Mutex<Option<FolderKind>>,
    /// Exports that were read and could not be deleted, by name.
    undeleted: Mutex<BTreeMap<String, (SettledExport, String)>>,
}

impl FolderEpos {
    /// A till with these settings. `private_folder` belongs to this till connection alone; it is made when needed.
    ///
    /// # Errors
    /// The first problem of the settings.
    pub fn new(settings: EposSettings, private_folder: PathBuf) -> Result<Self, SettingsError> {
        if let Some(problem) = settings.problems().into_iter().next() {
            return Err(problem);
        }
        let profile = settings.stock_profile.check().map_err(SettingsError::StockProfile)?;
        let deltas = settings.profile_of_deltas().map(|profile| profile.check()).transpose();
        let deltas = deltas.map_err(SettingsError::DeltaProfile)?;
        let zone = settings.zone()?;
        let importing = Importing::new(&settings, &private_folder);
        let sightings = Sightings::new(&settings);
        let spool = Spool::new(private_folder, settings.export_folder.clone(), settings.exports_after);
        let epos = Self {
            settings,
            profile,
            deltas,
            zone,
            spool,
            importing,
            earlier: EarlierFiles::default(),
            sightings,
            tracker: Mutex::default(),
            heard: Mutex::default(),
            kind: Mutex::default(),
            undeleted: Mutex::default(),
        };
        epos.look_at_kind();
        Ok(epos)
    }

    /// The settings in use.
    pub fn settings(&self) -> &EposSettings {
        &self.settings
    }

    /// Tells of the last look of an earlier run (what [`FolderEpos::last_look`] gave then), so that exports which
    /// appeared while the agent was away can be dated. To be called once, before the first look.
    pub fn seed_last_look(&self, at: Timestamp) {
        self.tracker().seed_last_look(at);
    }

    /// Takes the import folder, as it is now, for the right one. On a person's word only, or at the very start:
    /// an unmounted share is an empty folder, too.
    ///
    /// # Errors
    /// When the mark could not be written.
    pub fn accept_folders(&self) -> Result<(), EposError> {
        self.importing.accept()
    }

    /// Tries what the agent will need of the folders, one line each. Writes nothing where the till looks.
    pub fn check_folders(&self) -> Vec<CheckLine> {
        checks::check_folders(&self.settings, self.look_at_kind(), self.spool.private_folder())
    }

    /// Removes copies in archive, quarantine and spool that are older than `keep_days`. Returns how many files went.
    ///
    /// # Errors
    /// When a folder could not be listed.
    pub fn prune(&self, now: Timestamp, keep_days: u32) -> Result<u64, EposError> {
        let oldest = now - SignedDuration::from_hours(24 * i64::from(keep_days));
        Ok(self.spool.prune(oldest)? + self.importing.prune(oldest)?)
    }

    /// What the export of this name looks like.
    fn profile_of(&self, name: &str) -> &CheckedProfile {
        self.deltas.as_ref().filter(|_| self.settings.is_delta_name(name)).unwrap_or(&self.profile)
    }

    fn tracker(&self) -> MutexGuard<'_, SettleTracker> {
        locked(&self.tracker)
    }

    /// Is the system to be asked to tell of changes?
    pub fn wants_watch(&self) -> bool {
        self.settings.asks_to_be_told(self.kind())
    }

    /// The system is asked from now on to tell of changes (`true`), or not any more.
    pub fn listen(&self, listening: bool) {
        locked(&self.heard).listen(listening);
    }

    /// The system told something.
    pub fn hear(&self, hint: &Hint) {
        locked(&self.heard).hear(hint, &self.settings.export_folder, &self.settings.import_folder);
    }

    /// Does the system tell of what changes? `false` once sweeps have found changes in a row that it did not tell of.
    pub fn trusts_events(&self) -> bool {
        locked(&self.heard).is_trusted()
    }

    /// What the folders lay on at the last look. One of them on a share makes all of them count as on a share.
    pub fn kind(&self) -> FolderKind {
        locked(&self.kind).unwrap_or(FolderKind::Share)
    }

    /// Looks at what the folders lie on now.
    pub fn look_at_kind(&self) -> FolderKind {
        let settings = &self.settings;
        let moved_to = [settings.done_folder.as_ref(), settings.rejects_folder.as_ref()].into_iter().flatten();
        // Inside the import folder they are where it is, and need not be there yet.
        let elsewhere = moved_to.filter(|folder| !folder.starts_with(&settings.import_folder));
        let mut folders = [&settings.export_folder, &settings.import_folder].into_iter().chain(elsewhere);
        let is_local = folders.all(|folder| matches!(kind_of(folder), Ok(FolderKind::Local)));
        let found = if is_local { FolderKind::Local } else { FolderKind::Share };
        if locked(&self.kind).replace(found) != Some(found) {
            match found {
                FolderKind::Local => tracing::debug!("the till's folders are on this machine's own disks"),
                FolderKind::Share => tracing::info!(
                    "a folder of the till is on a share, or not there: the system cannot be trusted to tell of changes there, the regular look finds them; files have to stand still for longer"
                ),
            }
        }
        found
    }

    /// Tries again to delete what could not be deleted. Says what is left.
    fn delete_again(&self) -> Vec<(String, String)> {
        let mut undeleted = locked(&self.undeleted);
        undeleted.retain(|_, (export, why)| match self.spool.clear(export) {
            Ok(()) => false,
            Err(error) => {
                *why = in_one_line(&error);
                true
            }
        });
        undeleted.iter().map(|(name, (_, why))| (name.clone(), why.clone())).collect()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn in_one_line(error: &EposError) -> String {
    error.source.as_ref().map_or_else(|| error.what.clone(), |source| format!("{}: {source}", error.what))
}

impl Epos for FolderEpos {
    fn look_for_exports(&self, now: Timestamp) -> Result<ExportLook, EposError> {
        let kind = self.look_at_kind();
        let (events, told) = {
            let mut heard = locked(&self.heard);
            (heard.begin(Of::Exports), heard.take_names())
        };
        let mut tracker = self.tracker();
        let sweep = Sweep { settings: &self.settings, tracker: &tracker, kind, told: &told, now };
        let listing = sweep.observe()?;
        let declared = |name: &str| self.profile_of(name).profile().as_of_from_name(name, &self.zone);
        let rules = SettleRules::of(&self.pace());
        let mut look = tracker.look(&rules, listing.files, now, declared);
        locked(&self.heard).end(Of::Exports, events, tracker.has_changed());
        look.unsettled.extend(listing.unfit);
        look.undeleted = self.delete_again();
        Ok(look)
    }

    fn pace(&self) -> Pace {
        let pace = self.settings.pace(self.kind());
        if self.trusts_events() {
            return pace;
        }
        // What does not tell of changes is a share, whatever it says it is; the sweep alone has to be quick enough.
        Pace {
            sweep_awaiting: pace.sweep_awaiting,
            sweep_idle: pace.sweep_awaiting,
            ..self.settings.pace(FolderKind::Share)
        }
    }

    fn last_look(&self) -> Option<Timestamp> {
        self.tracker().last_look()
    }

    fn kind_of_export(&self, name: &str) -> ExportKind {
        let profile = self.profile_of(name).profile();
        ExportKind { scope: profile.export, dates_itself: dates_itself(profile) }
    }

    fn set_aside(&self, export: &SettledExport) {
        self.tracker().set_aside(export);
    }

    fn take(&self, export: &SettledExport) -> Result<SpooledExport, EposError> {
        self.spool.take(export, self.kind())
    }

    fn read(&self, spooled: &Path, name: &str, sink: &mut RowSink<'_>) -> Result<ReadSummary, ReadError> {
        let companion = Some(spooled_companion(spooled)).filter(|path| path.exists());
        let profile = self.profile_of(name);
        let summary = read_export(profile, ExportFile { path: spooled, name, companion: companion.as_deref() }, sink)?;
        let declared = summary.declared.or_else(|| declared_inside(profile.profile(), summary.as_of?, &self.zone));
        Ok(ReadSummary { declared, scope: profile.profile().export, ..summary })
    }

    fn finish(&self, export: &SpooledExport, fate: ExportFate<'_>, now: Timestamp) -> Result<(), EposError> {
        self.spool.put_away(export, fate, now)?;
        self.set_aside(&export.source);
        let cleared = self.spool.clear(&export.source);
        if let Err(error) = &cleared {
            let left = (export.source.clone(), in_one_line(error));
            locked(&self.undeleted).insert(export.source.name.clone(), left);
        }
        cleared
    }

    fn render(&self, purpose: Purpose, orders: &[ToWrite<'_>], sequence: u64) -> Result<OrderFile, EposError> {
        let profile = match (purpose, &self.settings.cancellation_profile) {
            (Purpose::Order, _) => &self.settings.order_profile,
            (Purpose::Cancellation, Some(profile)) => profile,
            (Purpose::Cancellation, None) => {
                return Err(lasting("the till reads no cancellation files (epos.cancellation_profile is not there)"));
            }
        };
        render(profile, orders, sequence).map_err(|error| match purpose {
            Purpose::Order => error,
            Purpose::Cancellation => of_cancellation(error),
        })
    }

    fn batch_of(&self) -> usize {
        self.settings.order_profile.batch.map_or(1, |batch| batch.most_orders)
    }

    fn batch_wait(&self) -> Duration {
        self.settings.order_profile.batch.map_or(Duration::ZERO, |batch| batch.wait_at_most.duration())
    }

    fn takes_cancellations(&self) -> bool {
        self.settings.cancellation_profile.is_some()
    }

    fn marks(&self) -> Result<Marks, EposError> {
        self.sightings.marks()
    }

    fn compare(&self, file: &OrderFile) -> Result<Earlier, EposError> {
        self.earlier.compare(&self.settings, &self.importing, file)
    }

    fn staged(&self) -> Result<Vec<String>, EposError> {
        self.importing.staged()
    }

    fn discard(&self, names: &FileNames) -> Result<(), EposError> {
        self.importing.discard(names)
    }

    fn has_other(&self, name: &str, sha256: &str) -> Result<bool, EposError> {
        self.importing.has_other(name, sha256)
    }

    fn is_spoilt(&self, name: &str, sha256: &str) -> Result<bool, EposError> {
        self.importing.is_spoilt(name, sha256)
    }

    fn stage(&self, file: &OrderFile) -> Result<(), EposError> {
        self.importing.stage(file)
    }

    fn reveal(&self, names: &FileNames) -> Result<Revealed, EposError> {
        if self.earlier.had(&self.settings, &self.importing, names)? {
            return Ok(Revealed::Before);
        }
        self.importing.reveal(names)
    }

    fn unstage(&self, names: &FileNames) -> Result<bool, EposError> {
        self.importing.unstage(names)
    }

    fn withdraw(&self, names: &FileNames) -> Result<Withdrawal, EposError> {
        self.importing.withdraw(names)
    }

    fn finish_withdrawal(&self, names: &FileNames) -> Result<Option<Withdrawal>, EposError> {
        self.importing.finish_withdrawal(names)
    }

    fn look_at_orders(&self, awaited: &[Awaited], now: Timestamp) -> Result<Vec<Sighting>, EposError> {
        self.look_at_kind();
        let events = locked(&self.heard).begin(Of::Orders);
        let pace = self.pace();
        let sightings = self.sightings.look(&self.settings, &self.importing, awaited, &pace, now)?;
        let waiting = sightings.iter().filter(|seen| seen.sign == Sign::Waiting).map(|seen| seen.name.as_str());
        let mut heard = locked(&self.heard);
        let changed = heard.note_waiting(awaited.iter().map(|file| file.names.name.as_str()), waiting);
        heard.end(Of::Orders, events, changed);
        drop(heard);
        Ok(sightings)
    }
}

/// A refusal to write a cancellation, in its own words: it names the other profile, and nobody exports the order again.
fn of_cancellation(error: EposError) -> EposError {
    let what = error.what.replace("order_profile", "cancellation_profile");
    let what = what.split_once(", then: tillbridge orders export").map_or(what.as_str(), |(why, _)| why).to_owned();
    EposError { what, ..error }
}

fn dates_itself(profile: &StockProfile) -> bool {
    profile.as_of.as_ref().is_some_and(|as_of| as_of.from == AsOfFrom::Header)
}

/// When an export began that says so inside, in the till's time. In the hour that a clock change repeats it is the earlier
/// of the two: an export is never believed to be younger than it is.
fn declared_inside(profile: &StockProfile, local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    if dates_itself(profile) { zone.to_ambiguous_timestamp(local).earlier().ok() } else { None }
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
