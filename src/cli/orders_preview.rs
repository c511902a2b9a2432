//! `tillbridge orders preview ID`: the file that would be written of an order, without writing it.
//!
//! Promises: standard output has the file's bytes exactly, and nothing else; its name, the names of what goes with it, and
//! every change that was made to a value stand on standard error; neither the till's folders nor the ledger are changed.
//! Where a file has several orders, this one is shown by itself.

use std::io::{self, Write};

use super::output::shown;
use super::{CliError, CliResult, Exit, ledger_of};
use crate::config::Config;
use crate::epos::FolderEpos;
use crate::ledger::LedgerError;
use crate::ports::{Epos, Purpose, Role, ToWrite};
use crate::tasks::chain;
use crate::tasks::orders::till_codes;

/// Prints the order file of this order, or the file with its lines.
pub(super) fn preview(config: &Config, id: &str, lines: bool, out: &mut dyn Write) -> CliResult {
    let ledger = ledger_of(config)?;
    let Some(order) = ledger.order(id)? else {
        return Err(LedgerError::NoSuchOrder(id.to_owned()).into());
    };
    let epos = FolderEpos::new(config.epos.clone(), config.agent.data_folder.clone())
        .map_err(|error| CliError::Caused("the order profile cannot be used".into(), error.into()))?;
    let copy = order.copies + 1;
    let sequence = ledger.file_sequence(Purpose::Order, &order.order.id, copy)?;
    let (file, _) =
        till_codes::render(&ledger, &epos, Purpose::Order, &[ToWrite { order: &order.order, copy }], sequence)?
            .map_err(|error| CliError::Told(Exit::Failed, shown(&chain(&error))))?;
    let mut remarks = io::stderr().lock();
    let again = if order.copies > 0 { "written again, it would be " } else { "" };
    writeln!(remarks, "{again}{} ({} bytes)", shown(&file.name), file.bytes.len())?;
    for warning in &file.warnings {
        writeln!(remarks, "  {}", shown(warning))?;
    }
    for beside in &file.beside {
        writeln!(remarks, "  with {} ({} bytes)", shown(&beside.name), beside.bytes.len())?;
    }
    if epos.batch_of() > 1 {
        writeln!(remarks, "  with up to {} other orders in one file", epos.batch_of() - 1)?;
    }
    let of_lines = file.beside.iter().find(|beside| beside.role == Role::Lines);
    let bytes = match (lines, of_lines) {
        (false, _) => &file.bytes,
        (true, Some(of_lines)) => &of_lines.bytes,
        (true, None) => {
            let text = "the profile has no lines_file: the lines stand in the order file";
            return Err(CliError::Told(Exit::Failed, text.to_owned()));
        }
    };
    out.write_all(bytes)?;
    out.flush()?;
    Ok(Exit::Done)
}
