//! The configuration: raw TOML in, resolved settings out.
//!
//! Promises: an unknown key, a wrong type and a senseless value are refused with file, line, key and remedy; nothing
//! starts with half a configuration; every default is a named, documented constant and stands in `config example`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::central::StoreSettings;
use crate::domain::Quantity;
use crate::domain::gate::{Policy, Rules};
use crate::domain::reconcile::ShownRules;
use crate::epos::EposSettings;
use crate::http::HealthSettings;
use crate::ledger::exports::Missing;
use crate::tasks::Settings;
use crate::units::Span;

/// Where the configuration is looked for when no `--config` names one.
#[cfg(not(windows))]
pub const PLACE: &str = "/etc/tillbridge/config.toml";
/// Where the configuration is looked for when no `--config` names one.
#[cfg(windows)]
pub const PLACE: &str = r"C:\ProgramData\Tillbridge\config.toml";
/// Environment variable that names the configuration file.
pub const VARIABLE: &str = "TILLBRIDGE_CONFIG";
/// The commented example, as `config example` prints it.
pub const EXAMPLE: &str = include_str!("../config.example.toml");

/// Ledger, spool, archive, quarantine and logs.
#[cfg(not(windows))]
pub const DATA_FOLDER: &str = "/var/lib/tillbridge";
/// Ledger, spool, archive, quarantine and logs.
#[cfg(windows)]
pub const DATA_FOLDER: &str = r"C:\ProgramData\Tillbridge\data";
/// How much is logged.
pub const LOG: &str = "info";
/// Days for which private copies of exports are kept.
pub const KEEP_DAYS: u32 = 30;
/// Longest hold before an export is used with the unproved orders subtracted.
pub const HOLD_AT_MOST: Span = Span::seconds(30 * 60);
/// From "the till took the file" to "the till has surely booked it".
pub const SETTLE: Span = Span::seconds(60);
/// Least rows of a full export, in percent of the last.
pub const LEAST_ROWS_PERCENT: u32 = 80;
/// After a long outage stock waits a random part of this, so that many shops do not arrive together: 500 shops are then
/// about eight a second.
pub const SPREAD_AFTER_OUTAGE: Span = Span::seconds(60);
/// Most SKUs falling to zero at once, in percent of those in stock.
pub const MOST_ZEROED_PERCENT: u32 = 50;
/// Between two looks at the store's order feed. Five hundred shops then ask one store a hundred times a second.
pub const POLL_EVERY: Span = Span::seconds(5);
/// An order that the till has not taken becomes a warning.
pub const WARN_UNTAKEN_AFTER: Span = Span::seconds(30 * 60);
/// An order that the till has not taken becomes an alarm.
pub const ALARM_UNTAKEN_AFTER: Span = Span::seconds(24 * 3600);

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is none.
    #[error(
        "there is no configuration at {}; make one from: tillbridge config example > {}",
        path.display(), path.display()
    )]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("the configuration {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is no TOML, or has an unknown key or a wrong type.
    #[error("the configuration {} is wrong: {}", path.display(), source)]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, key and what was expected.
        source: Box<toml::de::Error>,
    },
    /// Values that make no sense.
    #[error("the configuration {} cannot work:\n  {}", path.display(), problems.join("\n  "))]
    Senseless {
        /// The file.
        path: PathBuf,
        /// One sentence each, with the key.
        problems: Vec<String>,
    },
}

/// The whole configuration, as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The agent itself.
    #[serde(default)]
    pub agent: AgentSettings,
    /// The till.
    pub epos: EposSettings,
    /// The web store.
    pub store: StoreSettings,
    /// Orders.
    #[serde(default)]
    pub orders: OrderSettings,
    /// When an export is believed.
    #[serde(default)]
    pub gate: GateSettings,
    /// What is shown of the truth.
    #[serde(default)]
    pub stock: StockSettings,
    /// The health page.
    #[serde(default)]
    pub health: HealthSettings,
}

/// The agent itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentSettings {
    /// Ledger, spool, archive, quarantine and logs ([`DATA_FOLDER`]).
    pub data_folder: PathBuf,
    /// How much is logged ([`LOG`]).
    pub log: String,
    /// Days for which private copies of exports are kept ([`KEEP_DAYS`]).
    pub keep_days: u32,
}

impl Default for AgentSettings {
    fn default() -> Self {
        Self { data_folder: DATA_FOLDER.into(), log: LOG.into(), keep_days: KEEP_DAYS }
    }
}

/// Orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrderSettings {
    /// Between two looks at the store's order feed ([`POLL_EVERY`]).
    pub poll_every: Span,
    /// Orders placed earlier are not written for the till on their own. Unset: the moment of the first start.
    pub since: Option<Timestamp>,
    /// [`WARN_UNTAKEN_AFTER`].
    pub warn_untaken_after: Span,
    /// [`ALARM_UNTAKEN_AFTER`].
    pub alarm_untaken_after: Span,
}

impl Default for OrderSettings {
    fn default() -> Self {
        Self {
            poll_every: POLL_EVERY,
            since: None,
            warn_untaken_after: WARN_UNTAKEN_AFTER,
            alarm_untaken_after: ALARM_UNTAKEN_AFTER,
        }
    }
}

/// When an export is believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateSettings {
    /// What to do while orders are unproved.
    pub policy: Policy,
    /// [`HOLD_AT_MOST`].
    pub hold_at_most: Span,
    /// [`SETTLE`].
    pub settle: Span,
    /// [`LEAST_ROWS_PERCENT`].
    pub least_rows_percent: u32,
    /// [`MOST_ZEROED_PERCENT`].
    pub most_zeroed_percent: u32,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            policy: Policy::HoldThenAdjust,
            hold_at_most: HOLD_AT_MOST,
            settle: SETTLE,
            least_rows_percent: LEAST_ROWS_PERCENT,
            most_zeroed_percent: MOST_ZEROED_PERCENT,
        }
    }
}

/// What is shown of the truth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StockSettings {
    /// SKUs that a full export lacks.
    pub missing: Missing,
    /// Units kept back of every item.
    pub buffer: Quantity,
    /// Most units shown of any item.
    pub show_at_most: Option<Quantity>,
    /// Other wishes for single items, by SKU; they replace the general ones.
    pub items: BTreeMap<String, ShownRules>,
    /// After an outage of some minutes stock waits a random part of this ([`SPREAD_AFTER_OUTAGE`]).
    pub spread_after_outage: Span,
}

impl Default for StockSettings {
    fn default() -> Self {
        Self {
            missing: Missing::default(),
            buffer: Quantity::ZERO,
            show_at_most: None,
            items: BTreeMap::new(),
            spread_after_outage: SPREAD_AFTER_OUTAGE,
        }
    }
}

impl Config {
    /// Reads the configuration from `given`, else from [`VARIABLE`], else from [`PLACE`].
    ///
    /// # Errors
    /// [`ConfigError`], with all problems that can be found at once.
    pub fn load(given: Option<&Path>) -> Result<(Self, PathBuf), ConfigError> {
        let path = given.map_or_else(
            || std::env::var_os(VARIABLE).map_or_else(|| PathBuf::from(PLACE), PathBuf::from),
            Path::to_path_buf,
        );
        let text = std::fs::read_to_string(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => ConfigError::Missing { path: path.clone() },
            _ => ConfigError::Unreadable { path: path.clone(), source },
        })?;
        let config = Self::parse(&text, &path)?;
        Ok((config, path))
    }

    /// Reads a configuration from text; `path` is where relative paths start, and what messages name.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let syntax = |source| ConfigError::Syntax { path: path.to_owned(), source: Box::new(source) };
        let mut config: Self = toml::from_str(text).map_err(syntax)?;
        config.resolve(path.parent().unwrap_or(Path::new(".")));
        let problems = config.problems();
        if problems.is_empty() { Ok(config) } else { Err(ConfigError::Senseless { path: path.to_owned(), problems }) }
    }

    /// Relative paths start at the configuration file.
    fn resolve(&mut self, base: &Path) {
        let epos = &mut self.epos;
        let needed = [&mut self.agent.data_folder, &mut epos.export_folder, &mut epos.import_folder];
        if let Some(report) = &mut epos.evidence.report {
            report.folder = base.join(&report.folder);
        }
        if let Some(answer) = &mut epos.evidence.answer_file {
            answer.folder = answer.folder.take().map(|folder| base.join(folder));
        }
        let optional = [
            &mut epos.done_folder,
            &mut epos.rejects_folder,
            &mut epos.staging_folder,
            &mut self.store.token_file,
            &mut self.store.ca_file,
            &mut self.health.token_file,
            &mut self.health.tls_certificate,
            &mut self.health.tls_key,
        ];
        for path in needed.into_iter().chain(optional.into_iter().flatten()) {
            *path = base.join(&*path);
        }
        for (_, secret) in self.store.secrets() {
            secret.resolve(base, &self.agent.data_folder);
        }
    }

    fn problems(&self) -> Vec<String> {
        let said = |error: &(dyn std::error::Error + 'static)| crate::tasks::chain(error);
        let mut problems: Vec<String> = self.epos.problems().iter().map(|problem| said(problem)).collect();
        problems.extend(self.store.validate().err().map(|problem| said(&problem)));
        problems.extend(self.health.validate().err().map(|problem| said(&problem)));
        problems.extend(crate::telemetry::check_level(&self.agent.log).err().map(|problem| said(&problem)));
        let zero = [("orders.poll_every", self.orders.poll_every)];
        for (key, _) in zero.into_iter().filter(|(_, span)| span.duration().is_zero()) {
            problems.push(format!("{key} is zero; write a duration like \"5s\""));
        }
        for (key, percent) in [
            ("gate.least_rows_percent", self.gate.least_rows_percent),
            ("gate.most_zeroed_percent", self.gate.most_zeroed_percent),
        ] {
            if percent > 100 {
                problems.push(format!("{key} = {percent} is no share; write 0 to 100"));
            }
        }
        problems.extend(self.wish_problems());
        problems
    }

    fn wish_problems(&self) -> Vec<String> {
        let general =
            ShownRules { buffer: self.stock.buffer, show_at_most: self.stock.show_at_most, ..ShownRules::default() };
        let all = std::iter::once(("stock".to_owned(), &general))
            .chain(self.stock.items.iter().map(|(sku, wishes)| (format!("stock.items.{sku:?}"), wishes)));
        let negative = |quantity: Option<Quantity>| quantity.is_some_and(|quantity| quantity < Quantity::ZERO);
        let wrong = |(key, wishes): (String, &ShownRules)| {
            let bad = negative(Some(wishes.buffer)) || negative(wishes.show_at_most) || negative(wishes.show_at_least);
            bad.then(|| format!("{key}: a negative quantity makes no sense here; write 0 or more"))
        };
        all.filter_map(wrong).collect()
    }

    /// The settings of the reconcilers; `first_started` is when the agent was first started.
    pub fn tasks(&self, first_started: Timestamp) -> Settings {
        Settings {
            poll_every: self.orders.poll_every,
            ours_since: self.orders.since.unwrap_or(first_started),
            evidence: self.epos.evidence_rules(),
            warn_untaken_after: self.orders.warn_untaken_after,
            alarm_untaken_after: self.orders.alarm_untaken_after,
            gate: self.gate_rules(),
            missing: self.stock.missing,
            shown: ShownRules {
                buffer: self.stock.buffer,
                show_at_most: self.stock.show_at_most,
                ..ShownRules::default()
            },
            shown_by_sku: self.stock.items.clone(),
            spread_after_outage: self.stock.spread_after_outage,
        }
    }

    /// The gate's rules.
    pub fn gate_rules(&self) -> Rules {
        Rules {
            policy: self.gate.policy,
            hold_at_most: self.gate.hold_at_most.signed(),
            settle: self.gate.settle.signed(),
            least_rows_percent: self.gate.least_rows_percent,
            most_zeroed_percent: self.gate.most_zeroed_percent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("/shop/config.toml"))
    }

    #[test]
    fn the_example_is_a_configuration_that_works() {
        let config = parse(EXAMPLE).unwrap();
        assert_eq!(config.gate, GateSettings::default());
        assert_eq!(config.health, HealthSettings::default());
    }

    /// A commented key stands there with the value that it has when it is left out.
    #[test]
    fn every_commented_key_of_the_example_shows_its_default() {
        let uncommented: String = EXAMPLE
            .lines()
            .map(|line| match line.strip_prefix("#= ") {
                Some(key) => format!("{key}\n"),
                None => format!("{line}\n"),
            })
            .collect();
        assert_ne!(uncommented, EXAMPLE, "there are commented keys");
        assert_eq!(parse(&uncommented).unwrap(), parse(EXAMPLE).unwrap());
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_the_known_ones() {
        let text = EXAMPLE.replace("[gate]", "[gate]\nsettel = \"60s\"");
        let message = parse(&text).unwrap_err().to_string();
        assert!(message.contains("settel") && message.contains("settle") && message.contains("line"), "{message}");
    }

    #[test]
    fn a_wrong_type_is_refused_with_its_line() {
        let text = EXAMPLE.replace("[gate]", "[gate]\nsettle = 60");
        let message = parse(&text).unwrap_err().to_string();
        assert!(message.contains("settle = 60"), "{message}");
        let text = EXAMPLE.replace("[gate]", "[gate]\nsettle = \"soon\"");
        let message = parse(&text).unwrap_err().to_string();
        assert!(message.contains("write it like"), "{message}");
    }

    #[test]
    fn a_page_open_to_the_network_needs_a_certificate_and_a_token() {
        let text = EXAMPLE.replace("[health]", "[health]\nlisten = \"0.0.0.0:7878\"");
        let message = parse(&text).unwrap_err().to_string();
        assert!(message.contains("health.tls_certificate") && message.contains("127.0.0.1"), "{message}");
    }

    #[test]
    fn relative_paths_start_at_the_configuration_file() {
        let text = EXAMPLE.replace("export_folder = \"", "export_folder = \"relative/");
        let config = parse(&text).unwrap();
        assert!(config.epos.export_folder.starts_with("/shop/relative"), "{:?}", config.epos.export_folder);
    }

    /// The commented keys of another make of store are right as well, and show its defaults.
    #[test]
    fn the_example_for_a_woocommerce_shop_can_be_read() {
        let (before, after) = EXAMPLE.split_once("# [store.woocommerce]").unwrap();
        let (own, after) = after.split_once("\n\n").unwrap();
        let is_key = |line: &&str| line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
        let own: Vec<&str> = own.lines().filter_map(|line| line.strip_prefix("# ")).filter(is_key).collect();
        let (before, _) = before.split_once("[store.magento]").unwrap();
        let before = before.replace("kind = \"magento\"", "kind = \"woocommerce\"");
        let before: Vec<&str> = before.lines().filter(|line| !line.starts_with("token_file")).collect();
        let text = format!("{}\n[store.woocommerce]\n{}\n{after}", before.join("\n"), own.join("\n"));
        let read = parse(&text.replace("/etc/tillbridge/woo", "woo")).unwrap().store.woocommerce.unwrap();
        let place = read.consumer_secret.as_ref().unwrap().place();
        assert!(place.starts_with("/shop"), "{place}");
        let defaults = crate::central::WooCommerceSettings::default();
        assert_eq!(
            (read.export_statuses, read.offline_payments),
            (defaults.export_statuses, defaults.offline_payments)
        );
    }

    #[test]
    fn without_a_configuration_the_message_says_how_to_make_one() {
        let message = Config::load(Some(Path::new("/nowhere/config.toml"))).unwrap_err().to_string();
        assert!(message.contains("tillbridge config example > /nowhere/config.toml"), "{message}");
    }
}
