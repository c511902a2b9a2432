//! `tillbridge check`: everything that the agent will need, one line each.

use std::io::Write;
use std::path::Path;

use super::{CliError, CliResult, Exit, Format, is_running, output, runtime};
use crate::central;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::epos::FolderEpos;
use crate::ledger::{FILE_NAME, Ledger, LedgerError, facts};
use crate::ports::{CheckLine, Clock};
use crate::tasks::chain;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Say that the folders of the configuration are the right ones, after they were moved or made anew
    #[arg(long)]
    accept_folders: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Tries everything; exit code 3 when something has to be mended.
pub(super) fn check(given: Option<&Path>, args: &Args, out: &mut dyn Write) -> CliResult {
    let (config, path) = Config::load(given)?;
    let mut lines = vec![good("configuration", format!("{} is complete", path.display()))];
    lines.extend(secrets_in(&config, &path));
    if args.accept_folders {
        lines.push(accept_folders(&config)?);
    }
    lines.extend(epos(&config));
    lines.push(ledger(&config));
    lines.extend(store(&config)?);
    let all_good = lines.iter().all(|line| line.ok);
    match args.format {
        Format::Json => {
            output::json(out, &lines)?;
        }
        Format::Table => {
            for line in &lines {
                let mark = if line.ok { '✓' } else { '✗' };
                writeln!(out, "{mark} {}: {}", line.what, output::shown(&line.found))?;
            }
        }
    }
    Ok(if all_good { Exit::Done } else { Exit::Found })
}

/// A secret in the configuration is only as private as the configuration is.
fn secrets_in(config: &Config, path: &Path) -> Option<CheckLine> {
    let keys: Vec<String> = config.store.secrets_given().iter().map(|key| format!("store.{key}")).collect();
    let found = central::secret::open_to_others(path).ok()??;
    let (keys, path) = (keys.join(" and "), path.display());
    (!keys.is_empty()).then(|| {
        bad(
            "secrets",
            format!(
                "{keys} stands in {path}, which is open to others ({found}). Close it: chmod 600 {path}; or move the secret \
                 out: tillbridge secret set NAME, and {{ kept = \"NAME\" }} in its place"
            ),
        )
    })
}

fn good(what: &str, found: String) -> CheckLine {
    CheckLine { what: what.to_owned(), ok: true, found }
}

fn bad(what: &str, found: String) -> CheckLine {
    CheckLine { what: what.to_owned(), ok: false, found }
}

fn epos(config: &Config) -> Vec<CheckLine> {
    match FolderEpos::new(config.epos.clone(), config.agent.data_folder.clone()) {
        Ok(epos) => epos.check_folders(),
        Err(error) => vec![bad("till folders", chain(&error))],
    }
}

fn accept_folders(config: &Config) -> Result<CheckLine, CliError> {
    let what = "folders accepted";
    if is_running(config) {
        let now = SystemClock.now().to_string();
        super::ledger_of(config)?.set_fact(facts::ACCEPT_FOLDERS, Some(&now))?;
        return Ok(good(what, "the running agent was told; it goes on within a second".into()));
    }
    let accepted = FolderEpos::new(config.epos.clone(), config.agent.data_folder.clone())
        .map_err(|error| chain(&error))
        .and_then(|epos| epos.accept_folders().map_err(|error| chain(&error)));
    Ok(match accepted {
        Ok(()) => good(what, config.epos.import_folder.display().to_string()),
        Err(error) => bad(what, error),
    })
}

fn ledger(config: &Config) -> CheckLine {
    let (what, folder) = ("ledger", &config.agent.data_folder);
    let path = folder.join(FILE_NAME);
    let opened = if is_running(config) { Ledger::open_beside(folder) } else { Ledger::open(folder) };
    match opened.and_then(|ledger| ledger.check()) {
        Ok(()) => good(what, format!("{} is sound", path.display())),
        Err(error @ LedgerError::Folder { .. }) => bad(what, chain(&error)),
        Err(error) => bad(what, chain(&error)),
    }
}

fn store(config: &Config) -> Result<Vec<CheckLine>, CliError> {
    let store = match central::connect(&config.store) {
        Ok(store) => store,
        Err(error) => return Ok(vec![bad("web store", chain(&error))]),
    };
    // What the store taught the agent is shown as well; without a ledger there is nothing to show.
    let recalled = Ledger::open_beside(&config.agent.data_folder)
        .and_then(|ledger| crate::agent::recall_of_the_same(&ledger, config, store.as_ref()));
    if let Err(error) = recalled {
        tracing::debug!(error = chain(&error), "what was learned of the web store is not known here");
    }
    let spinner = indicatif::ProgressBar::new_spinner().with_message("asking the web store");
    spinner.enable_steady_tick(std::time::Duration::from_millis(120));
    let lines = runtime()?.block_on(store.check());
    spinner.finish_and_clear();
    Ok(lines)
}
