//! `tillbridge orders preview ID`: the file that would be written of an order, without writing it.
//!
//! Promises: standard output has the file's bytes exactly, and nothing else; its name, the names of what goes with it, and
//! every change that was made to a value stand on standard error; neither the till's folders nor the ledger are changed.
//! Where no file would be written, nothing is printed but the reason. Where a file has several orders, this one is shown
//! by itself.

use std::io::{self, Write};

use super::output::shown;
use super::{CliError, CliResult, Exit, ledger_of};
use crate::config::Config;
use crate::epos::FolderEpos;
use crate::ledger::orders::JournalledOrder;
use crate::ledger::{Ledger, LedgerError};
use crate::ports::{Epos, OrderFile, Purpose, Role, ToWrite};
use crate::tasks::chain;
use crate::tasks::orders::till_codes;

/// Prints the order file or cancellation file of this order, or the file with its lines.
pub(super) fn preview(config: &Config, id: &str, purpose: Purpose, lines: bool, out: &mut dyn Write) -> CliResult {
    let ledger = ledger_of(config)?;
    let Some(order) = ledger.order(id)? else {
        return Err(LedgerError::NoSuchOrder(id.to_owned()).into());
    };
    let epos = FolderEpos::new(config.epos.clone(), config.agent.data_folder.clone())
        .map_err(|error| CliError::Caused("the order profile cannot be used".into(), error.into()))?;
    let file = match purpose {
        Purpose::Order => of_order(&ledger, &epos, &order)?,
        Purpose::Cancellation => of_cancellation(&ledger, &epos, &order)?,
    };
    let mut remarks = io::stderr().lock();
    let again = if purpose == Purpose::Order && order.copies > 0 { "written again, it would be " } else { "" };
    write!(remarks, "{again}")?;
    say_what(&file, &mut remarks)?;
    if purpose == Purpose::Order && epos.batch_of() > 1 {
        writeln!(remarks, "  with up to {} other orders in one file", epos.batch_of() - 1)?;
    }
    out.write_all(bytes_of(&file, purpose, lines)?)?;
    out.flush()?;
    Ok(Exit::Done)
}

fn of_order(ledger: &Ledger, epos: &dyn Epos, order: &JournalledOrder) -> Result<OrderFile, CliError> {
    let copy = order.copies + 1;
    let sequence = ledger.file_sequence(Purpose::Order, &order.order.id, copy)?;
    let to_write = ToWrite { order: &order.order, copy };
    let rendered = till_codes::render(ledger, epos, Purpose::Order, &[to_write], sequence)?;
    rendered.map(|(file, _)| file).map_err(|error| none(Exit::Failed, &chain(&error)))
}

fn of_cancellation(ledger: &Ledger, epos: &dyn Epos, order: &JournalledOrder) -> Result<OrderFile, CliError> {
    if !epos.takes_cancellations() {
        return Err(none(
            Exit::Refused,
            "the till reads no cancellation files (epos.cancellation_profile is not there): what it is to take back, staff are asked to book (tillbridge orders tasks)",
        ));
    }
    let wanted = ledger
        .would_take_back(&order.order.id)?
        .map_err(|why| none(Exit::Refused, &format!("no cancellation file would be written: {why}")))?;
    let rendered = till_codes::render_cancellation(ledger, epos, &wanted)?;
    rendered
        .map(|(file, _)| file)
        .map_err(|error| none(Exit::Failed, &format!("no cancellation file can be written: {}", chain(&error))))
}

fn none(exit: Exit, why: &str) -> CliError {
    CliError::Told(exit, shown(why))
}

fn say_what(file: &OrderFile, remarks: &mut dyn Write) -> io::Result<()> {
    writeln!(remarks, "{} ({} bytes)", shown(&file.name), file.bytes.len())?;
    for warning in &file.warnings {
        writeln!(remarks, "  {}", shown(warning))?;
    }
    for beside in &file.beside {
        writeln!(remarks, "  with {} ({} bytes)", shown(&beside.name), beside.bytes.len())?;
    }
    Ok(())
}

fn bytes_of(file: &OrderFile, purpose: Purpose, lines: bool) -> Result<&[u8], CliError> {
    if !lines {
        return Ok(&file.bytes);
    }
    let of_lines = file.beside.iter().find(|beside| beside.role == Role::Lines);
    let profile = match purpose {
        Purpose::Order => "order_profile",
        Purpose::Cancellation => "cancellation_profile",
    };
    let missing =
        || none(Exit::Failed, &format!("epos.{profile} has no lines_file: the lines stand in the file itself"));
    of_lines.map(|beside| beside.bytes.as_slice()).ok_or_else(missing)
}
