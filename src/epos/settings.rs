//! The settings of one till, with their defaults, and what is wrong with them.
//!
//! Promises: unknown keys are refused; every default is a named constant; each complaint names its key and a remedy.
//! Does not promise that the folders exist: `checks` tries that on the spot.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::evidence_settings::EvidenceSettings;
use super::folder_path::complaint;
use super::name_pattern::matches;
use super::order_name::may_be_same;
use super::order_profile::{CANCELLATION_NAME, OrderProfile, cancellation_profile};
use super::profile::{AsOfFrom, StockProfile};
use super::profile_check::ProfileError;
use super::volume::{FolderKind, share_behind_letter};
use crate::domain::evidence::EvidenceRules;
use crate::domain::stock::Scope;
use crate::ports::Pace;
use crate::units::Span;

/// Name of the account when only one till is configured.
pub const ACCOUNT: &str = "till";
/// Names that count as exports.
pub const EXPORT_FILES: [&str; 2] = ["*.csv", "*.txt"];
/// Staging folder inside the import folder: the same volume, and no file for a till that looks for `*`.
pub const STAGING: &str = ".tillbridge";
/// Paces of local folders. Sweep while an order file is awaited: short enough to prove consumption before the next export.
pub const LOCAL: Pace = Pace {
    sweep_awaiting: Duration::from_secs(5),
    sweep_idle: Duration::from_secs(30),
    settle_looks: 2,
    settle_every: Duration::from_secs(2),
    settle_age: Duration::from_secs(5),
    order_gone_looks: 2,
    order_gone_every: Duration::from_secs(5),
};
/// Paces of folders on a share. Clients of SMB keep listings and sizes for up to ten seconds by default: looks closer than
/// that may be one and the same.
pub const SHARE: Pace = Pace {
    sweep_awaiting: Duration::from_secs(15),
    sweep_idle: Duration::from_secs(60),
    settle_looks: 3,
    settle_every: Duration::from_secs(10),
    settle_age: Duration::from_secs(30),
    order_gone_looks: 3,
    order_gone_every: Duration::from_secs(15),
};

/// Settings of one till.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EposSettings {
    /// Name of this till connection, to show.
    #[serde(default = "account")]
    pub account: String,
    /// Where the till leaves its stock exports.
    pub export_folder: PathBuf,
    /// Where the till looks for order files.
    pub import_folder: PathBuf,
    /// Where the till moves order files that it has taken, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_folder: Option<PathBuf>,
    /// Where the till moves order files that it refuses, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejects_folder: Option<PathBuf>,
    /// Where order files are made ready; default `.tillbridge` inside the import folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staging_folder: Option<PathBuf>,
    /// Names that count as exports, with `*` and `?`.
    #[serde(default = "export_files")]
    pub export_files: Vec<String>,
    /// Names of exports that hold only what changed, for tills that write such files beside full ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delta_files: Vec<String>,
    /// IANA time zone of the till (`Europe/London`). No default: a wrong one would make exports look younger than they
    /// are. Needed only where `as_of` of a profile takes a time from the till.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Does the system tell us of changes?
    #[serde(default)]
    pub watch: Watch,
    /// Pause between looks while an order file is awaited; default by the kind of folder ([`LOCAL`], [`SHARE`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep_awaiting: Option<Span>,
    /// Pause between looks while nothing is awaited; default by the kind of folder ([`LOCAL`], [`SHARE`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep_idle: Option<Span>,
    /// Equal looks before an export counts as whole; default by the kind of folder ([`LOCAL`], [`SHARE`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle_looks: Option<u32>,
    /// Least pause between two of those looks; default by the kind of folder ([`LOCAL`], [`SHARE`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle_every: Option<Span>,
    /// Least age of an export by our own clock; default by the kind of folder ([`LOCAL`], [`SHARE`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle_age: Option<Span>,
    /// Looks without an order file before it counts as taken; default by the kind of folder ([`LOCAL`], [`SHARE`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_gone_looks: Option<u32>,
    /// Least pause between two of those looks; default by the kind of folder ([`LOCAL`], [`SHARE`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_gone_every: Option<Span>,
    /// What becomes of the till's own export after it was read.
    #[serde(default)]
    pub exports_after: ExportsAfter,
    /// What proves that the till booked an order.
    #[serde(default)]
    pub evidence: EvidenceSettings,
    /// What the till's exports look like.
    #[serde(default)]
    pub stock_profile: StockProfile,
    /// What the exports named by `delta_files` look like; default: as `stock_profile`, with `export = "delta"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta_profile: Option<StockProfile>,
    /// What order files look like.
    #[serde(default)]
    pub order_profile: OrderProfile,
    /// What files look like by which the till takes back what it booked of an order; without it staff are asked to.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "cancellation_profile")]
    pub cancellation_profile: Option<OrderProfile>,
}

/// Does the system tell us of changes?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Watch {
    /// Where the folders' file system can be trusted with it; else not.
    #[default]
    Auto,
    /// Yes, as a hint that wakes the sweep, whatever the folders lie on.
    Native,
    /// No; for shares, where such hints are unreliable.
    Off,
}

/// What becomes of the till's own export after it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExportsAfter {
    /// It stays where it is.
    #[default]
    Leave,
    /// It is deleted, unless it has changed since.
    Delete,
}

/// What is wrong with the settings of a till.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A key has a value that cannot work.
    #[error("epos.{key}: {what}")]
    Key {
        /// The key.
        key: &'static str,
        /// What is wrong and what to do.
        what: String,
    },
    /// The stock profile cannot work.
    #[error("epos.stock_profile")]
    StockProfile(#[source] ProfileError),
    /// The profile of exports of changes cannot work.
    #[error("epos.delta_profile")]
    DeltaProfile(#[source] ProfileError),
}

fn account() -> String {
    ACCOUNT.to_owned()
}
fn export_files() -> Vec<String> {
    EXPORT_FILES.map(str::to_owned).to_vec()
}
impl EposSettings {
    /// Settings with every default, for these two folders and this stock profile.
    pub fn new(export_folder: PathBuf, import_folder: PathBuf, stock_profile: StockProfile) -> Self {
        Self {
            account: account(),
            export_folder,
            import_folder,
            done_folder: None,
            rejects_folder: None,
            staging_folder: None,
            export_files: export_files(),
            delta_files: Vec::new(),
            time_zone: None,
            watch: Watch::default(),
            sweep_awaiting: None,
            sweep_idle: None,
            settle_looks: None,
            settle_every: None,
            settle_age: None,
            order_gone_looks: None,
            order_gone_every: None,
            exports_after: ExportsAfter::default(),
            evidence: EvidenceSettings::default(),
            stock_profile,
            delta_profile: None,
            order_profile: OrderProfile::default(),
            cancellation_profile: None,
        }
    }

    /// Where order files are made ready.
    pub fn staging(&self) -> PathBuf {
        self.staging_folder.clone().unwrap_or_else(|| self.import_folder.join(STAGING))
    }

    /// What the whereabouts of order files prove.
    pub fn evidence_rules(&self) -> EvidenceRules {
        self.evidence.rules(self.done_folder.is_some())
    }

    /// Is the staging folder inside the import folder?
    pub(super) fn staging_is_inside(&self) -> bool {
        self.staging().starts_with(&self.import_folder)
    }

    /// The pace for folders of this kind: what is configured, else what suits them.
    pub fn pace(&self, kind: FolderKind) -> Pace {
        let usual = match kind {
            FolderKind::Local => LOCAL,
            FolderKind::Share => SHARE,
        };
        let span = |told: Option<Span>, usual| told.map_or(usual, Span::duration);
        Pace {
            sweep_awaiting: span(self.sweep_awaiting, usual.sweep_awaiting),
            sweep_idle: span(self.sweep_idle, usual.sweep_idle),
            settle_looks: self.settle_looks.unwrap_or(usual.settle_looks),
            settle_every: span(self.settle_every, usual.settle_every),
            settle_age: span(self.settle_age, usual.settle_age),
            order_gone_looks: self.order_gone_looks.unwrap_or(usual.order_gone_looks),
            order_gone_every: span(self.order_gone_every, usual.order_gone_every),
        }
    }

    /// Is the system to be asked to tell of changes in folders of this kind?
    pub(super) fn asks_to_be_told(&self, kind: FolderKind) -> bool {
        match self.watch {
            Watch::Off => false,
            Watch::Native => true,
            Watch::Auto => kind == FolderKind::Local,
        }
    }

    /// Is this the name of an export?
    pub(super) fn is_export_name(&self, name: &str) -> bool {
        self.export_files.iter().any(|pattern| matches(pattern, name)) || self.is_delta_name(name)
    }

    /// Is this the name of an export that holds only what changed, beside full ones?
    pub fn is_delta_name(&self, name: &str) -> bool {
        self.delta_files.iter().any(|pattern| matches(pattern, name))
    }

    /// What exports that hold only what changed look like; `None` where no name tells them apart.
    pub fn profile_of_deltas(&self) -> Option<StockProfile> {
        let like_full = || StockProfile { export: Scope::Delta, ..self.stock_profile.clone() };
        (!self.delta_files.is_empty()).then(|| self.delta_profile.clone().unwrap_or_else(like_full))
    }

    /// The name of the file that proves this export whole, where its profile asks for one.
    pub(super) fn companion_of(&self, name: &str) -> Option<String> {
        let of_delta = self.delta_profile.as_ref().filter(|_| self.is_delta_name(name));
        let profile = of_delta.unwrap_or(&self.stock_profile);
        profile.completeness.as_ref().and_then(|rule| rule.companion_of(name))
    }

    /// Everything that is wrong and can be told without trying it out.
    pub fn problems(&self) -> Vec<SettingsError> {
        let mut found = Vec::new();
        self.folder_problems(&mut found);
        self.pattern_problems(&mut found);
        self.pace_problems(&mut found);
        found.extend(self.order_profile.problems().into_iter().map(|what| key("order_profile", what)));
        self.cancellation_problems(&mut found);
        let of_evidence = self.evidence.problems(&self.order_profile.sample_name(), &self.import_folder);
        found.extend(of_evidence.into_iter().map(|(name, what)| key(name, what)));
        found.extend(self.zone().err());
        found.extend(self.stock_profile.check().map_err(SettingsError::StockProfile).err());
        self.delta_problems(&mut found);
        found
    }

    fn delta_problems(&self, found: &mut Vec<SettingsError>) {
        match (self.profile_of_deltas(), &self.delta_profile) {
            (None, None) => {}
            (None, Some(_)) => {
                let what = "is there, but delta_files names no files that it is for; write delta_files = [\"*delta*\"]";
                found.push(key("delta_profile", what.to_owned()));
            }
            (Some(profile), _) => match profile.export {
                Scope::Full => {
                    let what = "must say export = \"delta\": else what a file does not mention would count as missing";
                    found.push(key("delta_profile", what.to_owned()));
                }
                Scope::Delta => found.extend(profile.check().map_err(SettingsError::DeltaProfile).err()),
            },
        }
    }

    /// The till's time zone; UTC where no time of the till is read.
    pub(super) fn zone(&self) -> Result<TimeZone, SettingsError> {
        let reads_time =
            |profile: &StockProfile| profile.as_of.as_ref().is_some_and(|as_of| as_of.from != AsOfFrom::FirstSeen);
        let is_needed = reads_time(&self.stock_profile) || self.profile_of_deltas().as_ref().is_some_and(reads_time);
        match &self.time_zone {
            Some(name) => TimeZone::get(name)
                .map_err(|_| key("time_zone", format!("{name:?} is no time zone; write it like \"Europe/London\""))),
            None if is_needed => {
                let what = "is missing, but as_of of a profile reads the till's time; write it like \"Europe/London\"";
                Err(key("time_zone", what.to_owned()))
            }
            None => Ok(TimeZone::UTC),
        }
    }

    fn folder_problems(&self, found: &mut Vec<SettingsError>) {
        let named = [
            ("export_folder", Some(&self.export_folder)),
            ("import_folder", Some(&self.import_folder)),
            ("done_folder", self.done_folder.as_ref()),
            ("rejects_folder", self.rejects_folder.as_ref()),
            ("staging_folder", self.staging_folder.as_ref()),
        ];
        let given: Vec<(&'static str, &PathBuf)> =
            named.into_iter().filter_map(|(key, path)| Some((key, path?))).collect();
        for (at, (name, path)) in given.iter().enumerate() {
            let share = share_behind_letter(path);
            found.extend(complaint(path, share.as_deref()).map(|what| key(name, what)));
            for (other, same) in given.iter().take(at).filter(|(_, other)| is_same_folder(path, other)) {
                let what = format!("is the same folder as {other} ({}); each needs its own folder", same.display());
                found.push(key(name, what));
            }
        }
    }

    fn pattern_problems(&self, found: &mut Vec<SettingsError>) {
        if self.export_files.is_empty() {
            found.push(key("export_files", "is empty: no file would count as an export; write [\"*.csv\"]".to_owned()));
        }
        for profile in [Some(&self.order_profile), self.cancellation_profile.as_ref()].into_iter().flatten() {
            let sample = profile.sample_name();
            if is_same_folder(&self.export_folder, &self.import_folder) && self.is_export_name(&sample) {
                let what =
                    format!("matches our own order files ({sample}) in the same folder; choose narrower patterns");
                found.push(key("export_files", what));
            }
        }
    }

    fn cancellation_problems(&self, found: &mut Vec<SettingsError>) {
        let Some(profile) = &self.cancellation_profile else { return };
        found.extend(profile.problems().into_iter().map(|what| key("cancellation_profile", what)));
        if may_be_same(&profile.name, &self.order_profile.name) {
            let what = format!(
                "name {:?} may give the name of an order file ({:?}); begin or end it otherwise, as in \"{CANCELLATION_NAME}\"",
                profile.name, self.order_profile.name
            );
            found.push(key("cancellation_profile", what));
        }
    }

    fn pace_problems(&self, found: &mut Vec<SettingsError>) {
        for (name, looks) in [("settle_looks", self.settle_looks), ("order_gone_looks", self.order_gone_looks)] {
            if let Some(looks) = looks.filter(|looks| *looks < 2) {
                let what = format!("is {looks}; one look cannot show that nothing changes, write 2 or more");
                found.push(key(name, what));
            }
        }
        let spans = [
            ("sweep_awaiting", self.sweep_awaiting),
            ("sweep_idle", self.sweep_idle),
            ("settle_every", self.settle_every),
            ("order_gone_every", self.order_gone_every),
        ];
        for (name, span) in spans {
            if let Some(span) = span.filter(|span| *span < Span::millis(100)) {
                found.push(key(name, format!("is {span}; write at least \"100ms\", seconds are usual")));
            }
        }
    }
}

fn key(key: &'static str, what: String) -> SettingsError {
    SettingsError::Key { key, what }
}

/// Same folder, as far as the spelling tells; on disk both spellings are resolved where that is possible.
fn is_same_folder(a: &Path, b: &Path) -> bool {
    let plain = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.components().collect());
    plain(a) == plain(b)
}

#[cfg(test)]
#[path = "cancellation_tests.rs"]
mod tests;
