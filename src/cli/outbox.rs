//! `tillbridge outbox list|retry|drop|failures`: what the web store is still to be told, and what it kept failing at.
//!
//! Promises: nothing is retried or dropped but what is named; every decision is recorded with who and when.

use std::io::{self, Write};

use super::{CliError, CliResult, Exit, Format, is_running, ledger_of, output, person};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::ledger::exchanges::FailedExchange;
use crate::ledger::outbox_list::{Decision, OutboxRow};
use crate::ledger::outbox_trouble::Meant;
use crate::ledger::{Ledger, facts};
use crate::ports::Clock;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List what waits for the web store: quantities and notes about orders, what was given up first
    List {
        /// Only what was given up: the web store kept failing at it
        #[arg(long)]
        dead: bool,
        /// List what persons decided instead: what was retried or dropped, by whom, and why
        #[arg(long, conflicts_with = "dead")]
        decisions: bool,
        /// At most so many; 0: all
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Try again at once, with all tries
    Retry {
        /// SKUs of items, or numbers of orders; sku:X or order:X where both are called so
        #[arg(value_name = "SKU|ORDER", required_unless_present = "all")]
        names: Vec<String>,
        /// All that is paused or given up
        #[arg(long, conflicts_with = "names")]
        all: bool,
        /// Who says so [default: the user at the keyboard]
        #[arg(long)]
        by: Option<String>,
    },
    /// Do not tell the web store: an item's quantity there stays as it is until its next count or order, notes about an order
    /// are never told
    Drop {
        /// SKUs of items, or numbers of orders; sku:X or order:X where both are called so
        #[arg(value_name = "SKU|ORDER", required = true)]
        names: Vec<String>,
        /// Why
        #[arg(long)]
        reason: String,
        /// Who says so [default: the user at the keyboard]
        #[arg(long)]
        by: Option<String>,
    },
    /// Show the last requests that failed, with what was sent and answered; secrets and customers are cut out
    Failures {
        /// At most so many, newest first; 50 are kept
        #[arg(long, default_value_t = 10)]
        limit: u32,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

/// Carries out an `outbox` command.
pub(super) fn outbox(config: &Config, command: Command, out: &mut dyn Write) -> CliResult {
    let ledger = ledger_of(config)?;
    match command {
        Command::List { decisions: true, limit, format, .. } => decisions(&ledger, limit, format, out),
        Command::List { dead, limit, format, .. } => list(&ledger, dead, limit, format, out),
        Command::Retry { names, by, .. } => retry(config, &ledger, &names, &by.unwrap_or_else(person), out),
        Command::Drop { names, reason, by } => drop_rows(&ledger, &names, &reason, &by.unwrap_or_else(person), out),
        Command::Failures { limit, format } => failures(&ledger, limit, format, out),
    }
}

fn list(ledger: &Ledger, dead: bool, limit: u32, format: Format, out: &mut dyn Write) -> CliResult {
    let rows = ledger.outbox_rows(dead, limit, SystemClock.now())?;
    if format == Format::Json {
        return output::json(out, &rows);
    }
    let row = |row: &OutboxRow| {
        let next = row.next_try.map_or_else(String::new, output::local);
        let why = row.reason.clone().unwrap_or_default();
        let why = row.by.as_ref().map_or_else(|| why.clone(), |by| format!("{why} (dropped by {by})"));
        let (what, since) = (what(&row.kind).to_owned(), output::local(row.since));
        vec![what, row.shown.clone(), row.state.to_owned(), since, row.tries.to_string(), next, why]
    };
    let header = ["what", "of", "state", "since", "failed", "next try", "why"];
    let none = if dead { "Nothing was given up." } else { "Nothing waits for the web store." };
    output::table(out, &header, rows.iter().map(row).collect(), none)?;
    Ok(Exit::Done)
}

fn what(kind: &str) -> &str {
    match kind {
        "stock" => "quantity",
        "acknowledgement" => "order note",
        other => other,
    }
}

fn decisions(ledger: &Ledger, limit: u32, format: Format, out: &mut dyn Write) -> CliResult {
    let decisions = ledger.outbox_decisions(if limit == 0 { u32::MAX } else { limit })?;
    if format == Format::Json {
        return output::json(out, &decisions);
    }
    let row = |decision: &Decision| {
        let (kind, reason) = (what(&decision.kind).to_owned(), decision.reason.clone().unwrap_or_default());
        vec![
            output::local(decision.at),
            decision.what.clone(),
            kind,
            decision.shown.clone(),
            decision.by.clone(),
            reason,
        ]
    };
    let header = ["when", "decision", "what", "of", "by", "why"];
    output::table(out, &header, decisions.iter().map(row).collect(), "Nobody has decided anything yet.")?;
    Ok(Exit::Done)
}

/// The one thing that is meant by a name.
fn meant(ledger: &Ledger, name: &str) -> Result<Meant, CliError> {
    let (only, bare) = match name.split_once(':') {
        Some(("sku", bare)) => (Some(true), bare),
        Some(("order", bare)) => (Some(false), bare),
        Some(_) | None => (None, name),
    };
    let fits = |meant: &Meant| only.is_none_or(|sku| sku == matches!(meant, Meant::Stock(_)));
    let mut found: Vec<Meant> = ledger.outbox_meant(bare)?.into_iter().filter(fits).collect();
    match (found.pop(), found.is_empty()) {
        (Some(meant), true) => Ok(meant),
        (Some(_), false) => {
            let why = format!("{bare} is an item and an order; write sku:{bare} or order:{bare}");
            Err(CliError::Told(Exit::Refused, why))
        }
        (None, _) => {
            let why = format!("nothing waits for the web store under {bare}; tillbridge outbox list shows what does");
            Err(CliError::Told(Exit::NotThere, why))
        }
    }
}

fn all_meant(ledger: &Ledger, names: &[String]) -> Result<Vec<Meant>, CliError> {
    names.iter().map(|name| meant(ledger, name)).collect()
}

fn shown(meant: &Meant) -> String {
    match meant {
        Meant::Stock(sku) => format!("The quantity of {}", output::shown(sku.as_str())),
        Meant::Order(_, number) => format!("What is to be told about order {}", output::shown(number)),
    }
}

fn retry(config: &Config, ledger: &Ledger, names: &[String], by: &str, out: &mut dyn Write) -> CliResult {
    let now = SystemClock.now();
    for meant in all_meant(ledger, names)? {
        ledger.retry_outbox(Some(&meant), by, now)?;
        writeln!(out, "{} is tried again.", shown(&meant))?;
    }
    if names.is_empty() {
        let rows = ledger.retry_outbox(None, by, now)?;
        // The running agent asks the web store at once, whatever it had planned.
        ledger.set_fact(facts::WAKE, Some(&now.to_string()))?;
        writeln!(out, "{rows} row(s) of the outbox are tried again.")?;
    }
    say_when(config, out)?;
    Ok(Exit::Done)
}

fn say_when(config: &Config, out: &mut dyn Write) -> io::Result<()> {
    if is_running(config) {
        return Ok(());
    }
    writeln!(out, "No agent is running; that happens as soon as it does (tillbridge run).")
}

fn drop_rows(ledger: &Ledger, names: &[String], reason: &str, by: &str, out: &mut dyn Write) -> CliResult {
    if reason.trim().is_empty() {
        return Err(CliError::Told(Exit::Refused, "say why with --reason; it is recorded".to_owned()));
    }
    for meant in all_meant(ledger, names)? {
        ledger.drop_from_outbox(&meant, reason.trim(), by, SystemClock.now())?;
        let follows = match meant {
            Meant::Stock(_) => "is not sent; the web store keeps what it has until the next count or order",
            Meant::Order(..) => "is never told",
        };
        writeln!(out, "{} {follows}.", shown(&meant))?;
    }
    Ok(Exit::Done)
}

fn failures(ledger: &Ledger, limit: u32, format: Format, out: &mut dyn Write) -> CliResult {
    let failures = ledger.failed_exchanges(limit)?;
    if format == Format::Json {
        return output::json(out, &failures);
    }
    if failures.is_empty() {
        writeln!(out, "No request to the web store has failed.")?;
    }
    for failure in &failures {
        print_failure(failure, out)?;
    }
    Ok(Exit::Done)
}

fn print_failure(failure: &FailedExchange, out: &mut dyn Write) -> io::Result<()> {
    let exchange = &failure.exchange;
    let times = match failure.times {
        1 => String::new(),
        times => format!(" ({times} times since {})", output::local(failure.first_at)),
    };
    writeln!(out, "{}{times}  {}", output::local(failure.last_at), failure.class)?;
    writeln!(out, "{}", output::wrapped(&failure.what, "  "))?;
    writeln!(out, "  {}", output::shown(&exchange.request))?;
    for (mark, text) in [(">", &exchange.sent), ("<", &exchange.answered)] {
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            writeln!(out, "  {mark} {}", output::shown(line))?;
        }
    }
    match exchange.status {
        Some(status) => writeln!(out, "  answered with {status}")?,
        None => writeln!(out, "  no whole answer came")?,
    }
    writeln!(out)
}
