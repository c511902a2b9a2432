//! Logging: to the terminal or the service's own log, and to files that rotate daily.
//!
//! Promises: a message can be read alone; fields have stable dotted names; no secrets and no customers' names; the log
//! files are bounded in number. Does not promise to log when the disk is full; the agent works on.

use std::io::IsTerminal;
use std::path::Path;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{Builder, Rotation};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Log files kept: two weeks.
const KEPT_FILES: usize = 14;
/// The folder within the agent's folder.
const FOLDER: &str = "logs";

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is not one.
    #[error("agent.log = {0:?} is no level; write error, warn, info, debug or trace")]
    Level(String),
    /// The folder cannot be written.
    #[error("log files cannot be written to {folder}")]
    Folder {
        /// The folder.
        folder: std::path::PathBuf,
        /// Why.
        #[source]
        source: tracing_appender::rolling::InitError,
    },
}

/// Is this a level?
///
/// # Errors
/// [`TelemetryError::Level`].
pub fn check_level(level: &str) -> Result<(), TelemetryError> {
    filter(level).map(|_| ())
}

fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    let known = ["error", "warn", "info", "debug", "trace"].contains(&level);
    let filter = EnvFilter::try_new(format!("warn,tillbridge={level}"));
    filter.ok().filter(|_| known).ok_or_else(|| TelemetryError::Level(level.to_owned()))
}

/// Sets logging up for the running agent. Keep what is returned until the end: it flushes the file.
///
/// # Errors
/// [`TelemetryError`].
pub fn start(level: &str, data_folder: &Path) -> Result<WorkerGuard, TelemetryError> {
    let folder = data_folder.join(FOLDER);
    let failed = |source| TelemetryError::Folder { folder: folder.clone(), source };
    let files = Builder::new()
        .rotation(Rotation::DAILY)
        .filename_prefix("tillbridge")
        .filename_suffix("log")
        .max_log_files(KEPT_FILES)
        .build(&folder)
        .map_err(failed)?;
    let (writer, guard) = tracing_appender::non_blocking(files);
    let to_file = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer);
    let colours = std::io::stderr().is_terminal();
    let to_terminal =
        tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(std::io::stderr).with_target(false);
    // A second subscriber (a test, the demo) keeps the first; that is no failure of the agent.
    let already = tracing_subscriber::registry().with(filter(level)?).with(to_file).with(to_terminal).try_init();
    if already.is_err() {
        tracing::debug!("logging was set up before");
    }
    Ok(guard)
}
