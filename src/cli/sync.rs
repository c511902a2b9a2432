//! `tillbridge sync now|pause|resume`: word to the running agent, through the ledger.

use std::io::Write;
use std::time::{Duration, Instant};

use super::{CliError, CliResult, Exit, is_running, ledger_of, output, person};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::ledger::{Ledger, facts};
use crate::ports::Clock;

/// Longest wait for the agent to have acted.
const WAIT_AT_MOST: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Look at everything and send what is due, at once
    Now,
    /// Stop publishing orders and sending stock until resumed
    Pause {
        /// Who says so [default: the user at the keyboard]
        #[arg(long)]
        by: Option<String>,
    },
    /// Go on
    Resume,
}

/// Tells the agent.
pub(super) fn sync(config: &Config, command: &Command, out: &mut dyn Write) -> CliResult {
    let ledger = ledger_of(config)?;
    let now = SystemClock.now();
    match command {
        Command::Now => act_now(config, &ledger, out),
        Command::Pause { by } => {
            let by = by.clone().unwrap_or_else(person);
            ledger.set_fact(facts::PAUSED, Some(&format!("{by} at {now}")))?;
            writeln!(out, "Paused. Orders and stock wait; nothing is lost. Go on with: tillbridge sync resume")?;
            Ok(Exit::Done)
        }
        Command::Resume => {
            let paused = ledger.fact(facts::PAUSED)?;
            ledger.set_fact(facts::PAUSED, None)?;
            match paused {
                Some(by) => writeln!(out, "Resumed. It was paused by {}.", output::shown(&by))?,
                None => writeln!(out, "It was not paused.")?,
            }
            Ok(Exit::Done)
        }
    }
}

fn act_now(config: &Config, ledger: &Ledger, out: &mut dyn Write) -> CliResult {
    if !is_running(config) {
        return Err(CliError::Told(Exit::NotRunning, "no agent is running; start it with: tillbridge run".into()));
    }
    if let Some(by) = ledger.fact(facts::PAUSED)? {
        return Err(CliError::Told(
            Exit::Refused,
            format!("the agent is paused by {by}; go on with: tillbridge sync resume"),
        ));
    }
    let asked = SystemClock.now().to_string();
    ledger.set_fact(facts::WAKE, Some(&asked))?;
    let spinner = indicatif::ProgressBar::new_spinner().with_message("the agent looks at everything");
    spinner.enable_steady_tick(Duration::from_millis(120));
    let started = Instant::now();
    while ledger.fact(facts::WOKEN)?.as_deref() != Some(asked.as_str()) {
        if started.elapsed() > WAIT_AT_MOST {
            spinner.finish_and_clear();
            return Err(CliError::Told(
                Exit::Failed,
                "the agent did not answer within a minute; see tillbridge status".into(),
            ));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    spinner.finish_and_clear();
    let left = ledger.outbox_depth()?;
    writeln!(out, "Done. Still waiting to be sent: {} item(s), {} order note(s).", left.stock, left.acknowledgements)?;
    Ok(Exit::Done)
}
