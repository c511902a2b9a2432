//! The command line: definitions, dispatch, exit codes.
//!
//! Promises: results go to standard output, everything else to standard error; `--format json` prints one JSON document
//! and nothing else; the exit codes below are documented in `--help` and stay.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::agent::AgentError;
use crate::config::{Config, ConfigError};
use crate::epos::order_profiles::{READY, ready};
use crate::ledger::{Ledger, LedgerError};
use crate::tasks::chain;

mod check;
mod demo;
mod items;
mod items_file;
mod items_list;
mod orders;
mod orders_preview;
mod orders_tasks;
mod output;
mod profile;
mod profile_ask;
mod profile_file;
mod profile_guess;
mod profile_samples;
mod profile_test;
mod profile_toml;
mod run;
mod secret;
mod status;
mod stock;
mod stock_preview;
mod stock_read;
mod sync;

/// What the exit codes mean, for `--help`.
const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  something failed; the message says what and what to do
   2  wrong arguments
   3  check, status, demo or profile found something that a person should mend or decide
   4  there is no such order, item or file
   5  refused: it might book an order twice, or there is nothing to do it to
   6  an export or a list of items cannot be used as a whole, or no sense can be made of a sample
  69  no agent is running
  73  another agent works with this ledger
  78  the configuration is missing or wrong";

/// Exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Something failed.
    Failed = 1,
    /// Something should be mended.
    Found = 3,
    /// No such order, item or file.
    NotThere = 4,
    /// Refused.
    Refused = 5,
    /// The export, or the list of items, was rejected.
    Rejected = 6,
    /// No agent is running.
    NotRunning = 69,
    /// The ledger is in use.
    InUse = 73,
    /// The configuration is wrong.
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Carries web orders to the shop's till and proven stock back to the web store.
#[derive(Debug, Parser)]
#[command(name = "tillbridge", version, about, after_help = EXIT_CODES)]
pub struct Cli {
    /// Configuration file [default: $TILLBRIDGE_CONFIG, else the system's place]
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the agent until it is stopped
    Run,
    /// Try everything that the agent will need: one line each, with the remedy
    Check(check::Args),
    /// Show how the agent is: troubles, last export, waiting orders, outbox
    Status(status::Args),
    /// List, show, preview and export web orders; what staff are to do about changed ones
    #[command(subcommand)]
    Orders(orders::Command),
    /// Say which item of the web store is which item of the till, where they call it differently
    #[command(subcommand)]
    Items(items::Command),
    /// Read exports; explain, preview and approve stock
    #[command(subcommand)]
    Stock(stock::Command),
    /// Propose a profile from samples of the till's exports, and try a profile on them
    #[command(subcommand)]
    Profile(profile::Command),
    /// Make the agent act now, pause it, resume it
    #[command(subcommand)]
    Sync(sync::Command),
    /// Keep the secrets that the configuration names, outside of it
    #[command(subcommand)]
    Secret(secret::Command),
    /// The configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// See it work: a simulated till, a simulated web store, and the real agent between them
    Demo(demo::Args),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print a commented example configuration
    Example {
        /// Print only the section for order files, ready for this import: evopos, khaos, records, xml
        #[arg(long, value_name = "NAME", value_parser = ready_orders)]
        orders: Option<&'static str>,
    },
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: one JSON document.
    Json,
}

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The agent could not start.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The output could not be written.
    #[error("the output cannot be written")]
    Output(#[from] io::Error),
    /// Something else, with its own exit code.
    #[error("{1}")]
    Told(Exit, String),
    /// Something else, with a cause.
    #[error("{0}")]
    Caused(String, #[source] Box<dyn std::error::Error + Send + Sync>),
}

impl CliError {
    fn exit(&self) -> Exit {
        match self {
            Self::Config(_) | Self::Agent(AgentError::Config(_) | AgentError::Store(_)) => Exit::Config,
            Self::Ledger(error) | Self::Agent(AgentError::Ledger(error)) => match error {
                LedgerError::InUse { .. } => Exit::InUse,
                LedgerError::NotPossible(_) => Exit::Refused,
                LedgerError::NoSuchOrder(_) | LedgerError::NoSuchExport { .. } => Exit::NotThere,
                LedgerError::Missing { .. }
                | LedgerError::Newer { .. }
                | LedgerError::Folder { .. }
                | LedgerError::Sql { .. }
                | LedgerError::Damaged { .. } => Exit::Failed,
            },
            Self::Told(exit, _) => *exit,
            Self::Agent(AgentError::Epos(_) | AgentError::Broken(_)) | Self::Output(_) | Self::Caused(..) => {
                Exit::Failed
            }
        }
    }
}

type CliResult = Result<Exit, CliError>;

/// Parses the arguments, runs the command, and says how it went.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = io::stdout().lock();
    let exit = match dispatch(cli, &mut out) {
        Ok(exit) => exit,
        // Whoever read our output has seen enough (tillbridge orders list | head).
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            // Nothing can be done if even standard error is gone.
            let _unwritable = writeln!(io::stderr(), "tillbridge: {}", chain(&error));
            error.exit()
        }
    };
    exit.into()
}

fn dispatch(cli: Cli, out: &mut dyn Write) -> CliResult {
    let load = || Config::load(cli.config.as_deref()).map(|(config, _)| config);
    match cli.command {
        Command::Run => run::run(load()?),
        Command::Check(args) => check::check(cli.config.as_deref(), &args, out),
        Command::Status(args) => status::status(&load()?, &args, out),
        Command::Orders(command) => orders::orders(&load()?, command, out),
        Command::Items(command) => items::items(&load()?, command, out),
        Command::Stock(stock::Command::Read(args)) => stock_read::read(&args, out),
        Command::Stock(stock::Command::Preview(args)) => stock_preview::preview(&load()?, &args, out),
        Command::Stock(command) => stock::stock(&load()?, command, out),
        Command::Profile(command) => profile::profile(&command, out),
        Command::Sync(command) => sync::sync(&load()?, &command, out),
        Command::Secret(command) => secret::secret(&load()?, &command, out),
        Command::Config(ConfigCommand::Example { orders }) => {
            out.write_all(orders.unwrap_or(crate::config::EXAMPLE).as_bytes())?;
            Ok(Exit::Done)
        }
        Command::Demo(args) => demo::demo(args, out),
    }
}

/// The ready section for order files of this name.
fn ready_orders(name: &str) -> Result<&'static str, String> {
    let known = || READY.map(|(name, what, _)| format!("{name} ({what})")).join(", ");
    ready(name).ok_or_else(|| format!("known are {}", known()))
}

/// A runtime for commands that talk to the network.
fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    const WORKERS: usize = 2;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| CliError::Caused("the program cannot start its threads".into(), error.into()))
}

/// The ledger beside the agent, for commands.
fn ledger_of(config: &Config) -> Result<Ledger, CliError> {
    Ok(Ledger::open_beside(&config.agent.data_folder)?)
}

/// Is an agent running on this ledger?
fn is_running(config: &Config) -> bool {
    let lock = std::fs::File::open(config.agent.data_folder.join(crate::ledger::LOCK_NAME));
    // A shared lock can be had exactly when nobody has the exclusive one; it is gone again with the file.
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)))
}

/// Who is at the keyboard, for the history.
fn person() -> String {
    ["SUDO_USER", "USER", "USERNAME"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|name| !name.trim().is_empty())
        .unwrap_or_else(|| "someone at the command line".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
