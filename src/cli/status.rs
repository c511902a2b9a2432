//! `tillbridge status`: how the agent is, for a shop manager.

use std::io::{self, Write};

use super::{CliResult, Exit, Format, is_running, ledger_of, output};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::domain::OrderState;
use crate::health::{self, ExportShown, Report, Standing};
use crate::ledger::conditions::Severity;
use crate::ports::Clock;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Shows the report; exit code 3 when a person should act, 69 when no agent runs.
pub(super) fn status(config: &Config, args: &Args, out: &mut dyn Write) -> CliResult {
    let ledger = ledger_of(config)?;
    let running = is_running(config);
    let report = health::report(&ledger, &config.epos.account, None, running, SystemClock.now())?;
    match args.format {
        Format::Json => {
            output::json(out, &report)?;
        }
        Format::Table => print(out, &report)?,
    }
    Ok(match report.status {
        _ if !running => Exit::NotRunning,
        Standing::Error | Standing::Warning => Exit::Found,
        Standing::Ok | Standing::Paused => Exit::Done,
    })
}

fn print(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let word = match (report.running, report.status) {
        (false, _) => "is NOT running (start it with: tillbridge run)",
        (true, Standing::Ok) => "is well",
        (true, Standing::Warning) => "works, and someone should look",
        (true, Standing::Error) => "cannot do all of its work",
        (true, Standing::Paused) => "is paused",
    };
    writeln!(out, "Tillbridge {} for {} {word}.", report.version, report.account)?;
    if let Some(paused) = &report.paused {
        writeln!(out, "Paused by {paused}. Go on with: tillbridge sync resume")?;
    }
    conditions(out, report)?;
    writeln!(out)?;
    writeln!(out, "Web store          {}", report.store.as_deref().unwrap_or("not asked yet"))?;
    writeln!(out, "Last export seen   {}", export(report.last_export.as_ref()))?;
    writeln!(out, "Export that counts {}", export(report.admitted_export.as_ref()))?;
    if report.merged_exports > 0 {
        let last = export(report.last_merged_export.as_ref());
        writeln!(out, "Changes since      {} export(s), the last: {last}", report.merged_exports)?;
    }
    if report.passed_over_exports > 0 {
        writeln!(
            out,
            "Passed over        {} export(s), older than one that counted; not read",
            report.passed_over_exports
        )?;
    }
    writeln!(out, "Stock last sent    {}", output::local_or_dash(report.stock_sent_at))?;
    let waits = report.outbox_age_seconds.map_or(String::new(), |age| format!(", the oldest for {age} s"));
    writeln!(
        out,
        "Waiting to be sent {} item(s), {} order note(s){waits}",
        report.outbox.stock, report.outbox.acknowledgements
    )?;
    if report.outbox.dead > 0 {
        writeln!(out, "Given up           {}; see them with: tillbridge outbox list --dead", report.outbox.dead)?;
    }
    orders(out, report)
}

fn conditions(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    for condition in &report.conditions {
        let mark = match condition.severity {
            Severity::Error => '✗',
            Severity::Warning => '!',
            Severity::Notice => 'i',
        };
        writeln!(out)?;
        writeln!(
            out,
            "{mark} {} [{}, since {}]",
            output::shown(&condition.text),
            condition.code,
            output::local(condition.since)
        )?;
        writeln!(out, "  → {}", output::shown(&condition.remedy))?;
    }
    Ok(())
}

fn export(export: Option<&ExportShown>) -> String {
    export.map_or_else(
        || "none yet".to_owned(),
        |export| {
            let name = output::shown(&export.name);
            let approved = export.approved_by.as_ref().zip(export.approved_at).map_or_else(String::new, |(by, at)| {
                format!(", approved by {} at {}", output::shown(by), output::local(at))
            });
            let seen = output::local(export.seen_at);
            format!("{name}, {} item(s), {} at {seen}{approved}", export.items, export.state)
        },
    )
}

fn orders(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let counts: Vec<String> = report
        .orders
        .iter()
        .filter(|count| count.orders > 0)
        .map(|count| format!("{} {}", count.orders, count.state))
        .collect();
    let counts = if counts.is_empty() { "none yet".to_owned() } else { counts.join(", ") };
    writeln!(out, "Orders             {counts}")?;
    for waiting in &report.waiting_for_till {
        let (number, since) = (output::shown(&waiting.number), output::local(waiting.since));
        writeln!(out, "  order {number} waits for the till since {since}")?;
    }
    for unproved in &report.taken_unproved {
        let (number, evidence) = (output::shown(&unproved.number), output::shown(&unproved.evidence));
        writeln!(out, "  order {number} counts as not booked: {evidence}")?;
    }
    for waiting in &report.waiting_cancellations {
        let (file, number) = (output::shown(&waiting.file), output::shown(&waiting.number));
        let since = output::local(waiting.since);
        writeln!(out, "  {file}, the cancellation of order {number}, waits for the till since {since}")?;
    }
    for task in &report.staff_tasks {
        let (what, since) = (output::shown(&task.what), output::local(task.since));
        writeln!(out, "  for staff since {since}: {what}")?;
    }
    if !report.staff_tasks.is_empty() {
        writeln!(out, "  see what to do with: tillbridge orders tasks")?;
    }
    if report.orders_in(OrderState::Rejected) + report.orders_in(OrderState::Failed) > 0 {
        writeln!(out, "  see them with: tillbridge orders list --status rejected --status failed")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{StaffTask, WaitingCancellation};
    use crate::ledger::Ledger;
    use crate::ledger::watched::UnprovedOrder;

    #[test]
    fn what_waits_for_the_till_or_for_staff_is_seen_at_a_glance() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let now = SystemClock.now();
        let mut report = health::report(&ledger, "till", None, true, now).unwrap();
        let unproved = |number: &str, evidence: &str| UnprovedOrder {
            number: number.into(),
            file: format!("order_{number}.csv"),
            published_at: now,
            left_at: None,
            evidence: evidence.into(),
        };
        let in_part = "booked in part, as the till says in import.log";
        report.taken_unproved = vec![
            unproved("1", "gone from the import folder; nothing proves yet that the till booked it"),
            unproved("2", in_part),
        ];
        let file = "cancel_3.csv".to_owned();
        report.waiting_cancellations = vec![WaitingCancellation { number: "3".into(), file, since: now }];
        let what = "order 4 was cancelled".to_owned();
        report.staff_tasks = vec![StaffTask { number: "4".into(), since: now, what }];
        let mut out = Vec::new();
        print(&mut out, &report).unwrap();
        let text = String::from_utf8(out).unwrap();
        for part in [
            "order 1 counts as not booked: gone from the import folder; nothing proves",
            "order 2 counts as not booked: booked in part, as the till says in import.log",
            "cancel_3.csv, the cancellation of order 3, waits for the till since",
            ": order 4 was cancelled",
            "tillbridge orders tasks",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }
}
