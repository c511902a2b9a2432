//! `tillbridge orders tasks|done`: what staff are to do in the till about changed orders, and that it is done.

use std::io::Write;

use serde_json::json;

use super::{CliResult, Exit, Format, is_running, output};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::ledger::Ledger;
use crate::ledger::order_tasks::OrderTask;
use crate::ports::Clock;
use crate::tasks::orders::task_words;

/// Lists what staff are to do.
pub(super) fn tasks(ledger: &Ledger, format: Format, out: &mut dyn Write) -> CliResult {
    let tasks = ledger.order_tasks(u32::MAX)?;
    if format == Format::Json {
        let rows: Vec<_> = tasks.iter().map(as_json).collect();
        return output::json(out, &rows);
    }
    if tasks.is_empty() {
        writeln!(out, "Nothing to do: no order changed after the till took it, or all of that is dealt with.")?;
    }
    for found in &tasks {
        let (text, remedy) = (task_words::what(found), task_words::remedy(found));
        writeln!(out, "{}", output::wrapped(&format!("{}  {text}", output::local(found.since)), ""))?;
        writeln!(out, "{}", output::wrapped(&remedy, "    "))?;
    }
    Ok(Exit::Done)
}

fn as_json(found: &OrderTask) -> serde_json::Value {
    let task = &found.task;
    json!({
        "order": found.order, "number": found.number, "since": found.since,
        "text": task_words::what(found), "remedy": task_words::remedy(found), "till_codes": found.codes,
        "take_back": task.difference.back, "book": task.difference.more,
        "booked": task.booked, "wanted": task.wanted, "refunded": task.refunded, "unproved": task.is_unproved,
    })
}

/// Notes that the till has booked of these orders what the store wants.
pub(super) fn done(config: &Config, ledger: &Ledger, ids: &[String], by: &str, out: &mut dyn Write) -> CliResult {
    let by_file = config.epos.cancellation_profile.is_some();
    for id in ids {
        let number = ledger.order_done(id, by_file, by, SystemClock.now())?;
        writeln!(out, "Order {} is dealt with in the till, says {}.", output::shown(&number), output::shown(by))?;
    }
    if !is_running(config) {
        writeln!(out, "No agent is running; stock follows as soon as it does (tillbridge run).")?;
    }
    Ok(Exit::Done)
}
