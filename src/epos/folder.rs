//! The till as folders: [`FolderEpos`], the one implementation of [`Epos`] for files.
//!
//! Promises: see the module [`crate::epos`]. This file only brings the parts together.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::checks;
use super::fault::lasting;
use super::order_file::render;
use super::profile::{AsOfFrom, StockProfile};
use super::profile_check::CheckedProfile;
use super::publish::Importing;
use super::settings::{EposSettings, SettingsError};
use super::settle::{SettleRules, SettleTracker};
use super::sightings::Sightings;
use super::spool::{Spool, observe_folder, spooled_companion};
use super::stock_export::{ExportFile, read_export};
use crate::ports::{
    Awaited, CheckLine, Earlier, Epos, EposError, ExportFate, ExportLook, FileNames, Marks, OrderFile, Purpose,
    ReadError, ReadSummary, Revealed, RowSink, SettledExport, Sighting, SpooledExport, ToWrite, Withdrawal,
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
    sightings: Sightings,
    tracker: Mutex<SettleTracker>,
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
        Ok(Self { settings, profile, deltas, zone, spool, importing, sightings, tracker: Mutex::default() })
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
        checks::check_folders(&self.settings, self.spool.private_folder())
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
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rules(&self) -> SettleRules {
        let settings = &self.settings;
        SettleRules {
            looks: settings.settle_looks,
            every: settings.settle_every.signed(),
            age: settings.settle_age.signed(),
        }
    }
}

impl Epos for FolderEpos {
    fn look_for_exports(&self, now: Timestamp) -> Result<ExportLook, EposError> {
        let mut tracker = self.tracker();
        let listing = observe_folder(&self.settings, &tracker)?;
        let declared = |name: &str| self.profile_of(name).profile().as_of_from_name(name, &self.zone);
        Ok(tracker.look(&self.rules(), listing, now, declared))
    }

    fn last_look(&self) -> Option<Timestamp> {
        self.tracker().last_look()
    }

    fn set_aside(&self, export: &SettledExport) {
        self.tracker().set_aside(export);
    }

    fn take(&self, export: &SettledExport) -> Result<SpooledExport, EposError> {
        self.spool.take(export)
    }

    fn read(&self, spooled: &Path, name: &str, sink: &mut RowSink<'_>) -> Result<ReadSummary, ReadError> {
        let companion = Some(spooled_companion(spooled)).filter(|path| path.exists());
        let profile = self.profile_of(name);
        let summary = read_export(profile, ExportFile { path: spooled, name, companion: companion.as_deref() }, sink)?;
        let declared = summary.declared.or_else(|| declared_inside(profile.profile(), summary.as_of?, &self.zone));
        Ok(ReadSummary { declared, scope: profile.profile().export, ..summary })
    }

    fn finish(&self, export: &SpooledExport, fate: ExportFate<'_>, now: Timestamp) -> Result<(), EposError> {
        self.spool.finish(export, fate, now)?;
        self.set_aside(&export.source);
        Ok(())
    }

    fn render(&self, _purpose: Purpose, orders: &[ToWrite<'_>], sequence: u64) -> Result<OrderFile, EposError> {
        match orders {
            [ToWrite { order, copy }] => render(&self.settings.order_profile, order, *copy, sequence),
            _ => Err(lasting("an order file holds one order")),
        }
    }

    fn batch_of(&self) -> usize {
        1
    }

    fn takes_cancellations(&self) -> bool {
        false
    }

    fn marks(&self) -> Result<Marks, EposError> {
        self.sightings.marks()
    }

    fn compare(&self, _file: &OrderFile) -> Result<Earlier, EposError> {
        Ok(Earlier::Nothing)
    }

    fn stage(&self, file: &OrderFile) -> Result<(), EposError> {
        self.importing.stage(file)
    }

    fn reveal(&self, names: &FileNames) -> Result<Revealed, EposError> {
        self.importing.reveal(&names.name)
    }

    fn unstage(&self, names: &FileNames) -> Result<bool, EposError> {
        self.importing.unstage(&names.name)
    }

    fn withdraw(&self, names: &FileNames) -> Result<Withdrawal, EposError> {
        self.importing.withdraw(&names.name)
    }

    fn look_at_orders(&self, awaited: &[Awaited], now: Timestamp) -> Result<Vec<Sighting>, EposError> {
        self.sightings.look(&self.settings, &self.importing, awaited, now)
    }
}

/// When an export began that says so inside, in the till's time. In the hour that a clock change repeats it is the earlier
/// of the two: an export is never believed to be younger than it is.
fn declared_inside(profile: &StockProfile, local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let says_itself = profile.as_of.as_ref().is_some_and(|as_of| as_of.from == AsOfFrom::Header);
    if says_itself { zone.to_ambiguous_timestamp(local).earlier().ok() } else { None }
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
