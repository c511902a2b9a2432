//! `tillbridge stock read`: what an export says by a profile, without an agent, a ledger or a store.
//!
//! Promises: the report of the stock profile's page, the same for every kind of file; nothing is changed. Memory does not
//! grow with the rows: they go into a scratch ledger, which is thrown away.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{CliError, CliResult, Exit, Format, output, profile_file};
use crate::domain::ExportId;
use crate::domain::stock::Timing;
use crate::epos::{CheckedProfile, ExportFile, read_export};
use crate::ledger::Ledger;
use crate::ledger::stock::{DELETED, RowWriter};
use crate::ports::{ExportRow, ReadError, ReadSummary, Rejection, RowError, SettledExport, SpooledExport, hex};
use crate::tasks::chain;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The profile: a TOML or JSON file
    #[arg(long, value_name = "FILE")]
    profile: PathBuf,
    /// Stock exports
    #[arg(required = true, value_name = "EXPORT")]
    exports: Vec<PathBuf>,
    /// Show at most so many items of each in the table; 0: all
    #[arg(long, default_value_t = 20)]
    limit: u64,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// One export as it was read into the scratch ledger.
pub(super) struct Reading<'a> {
    path: &'a Path,
    pub(super) name: String,
    rows: &'a Ledger,
    export: ExportId,
    pub(super) outcome: Result<ReadSummary, Rejection>,
}

/// What stands around the items in the report.
#[derive(Debug, Serialize)]
struct Head<'a> {
    file: &'a str,
    outcome: &'static str,
    rows: u64,
    row_errors: &'a [RowError],
    reject: Option<&'a Rejection>,
    as_of: Option<DateTime>,
    sequence: Option<String>,
    warnings: &'a [String],
}

/// Reads exports and prints what they say.
pub(super) fn read(args: &Args, out: &mut dyn Write) -> CliResult {
    let profile = profile_file::load(&args.profile)?;
    let scratch =
        tempfile::tempdir().map_err(|error| CliError::Caused("no scratch folder can be made".into(), error.into()))?;
    let rows = Ledger::scratch(scratch.path())?;
    let (many, mut exit) = (args.exports.len() > 1, Exit::Done);
    for (at, path) in args.exports.iter().enumerate() {
        let reading = match read_one(&profile, path, &rows) {
            Ok(reading) => reading,
            Err(error) => {
                // What was printed so far stays a whole document.
                if many && at > 0 && args.format == Format::Json {
                    writeln!(out, "]")?;
                }
                return Err(error);
            }
        };
        if reading.outcome.is_err() {
            exit = Exit::Rejected;
        }
        match (args.format, many) {
            (Format::Json, true) => out.write_all(if at == 0 { b"[\n" } else { b",\n" })?,
            (Format::Table, true) if at > 0 => writeln!(out)?,
            (Format::Json | Format::Table, _) => {}
        }
        match args.format {
            Format::Json => reading.print_json(out)?,
            Format::Table => reading.print_table(out, args.limit)?,
        }
    }
    if many && args.format == Format::Json {
        writeln!(out, "]")?;
    }
    Ok(exit)
}

/// Reads one export into the scratch ledger, where rows of the same item meet.
pub(super) fn read_one<'a>(
    profile: &CheckedProfile,
    path: &'a Path,
    rows: &'a Ledger,
) -> Result<Reading<'a>, CliError> {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let unreadable =
        |error: io::Error| CliError::Told(Exit::NotThere, format!("{} cannot be read: {error}", path.display()));
    let found = std::fs::metadata(path).map_err(unreadable)?;
    if !found.is_file() {
        let what = if found.is_dir() { "is a folder; name the exports in it" } else { "is no plain file" };
        return Err(CliError::Told(Exit::NotThere, format!("{} {what}", path.display())));
    }
    let now = Timestamp::UNIX_EPOCH;
    let timing = Timing { declared: None, first_seen: now, last_absent: None, modified: None };
    let source = SettledExport { name: path.display().to_string(), bytes: found.len(), timing, companion: None };
    let spooled = SpooledExport { source, spooled: path.to_owned(), fingerprint: String::new() };
    let export = rows.export_begun(&spooled, now)?;
    let outcome = read_rows(profile, path, &name, rows, export)?;
    Ok(Reading { path, name, rows, export, outcome })
}

fn read_rows(
    profile: &CheckedProfile,
    path: &Path,
    name: &str,
    rows: &Ledger,
    export: ExportId,
) -> Result<Result<ReadSummary, Rejection>, CliError> {
    let companion = profile.profile().completeness.as_ref().and_then(|rule| rule.companion_of(name));
    let companion = companion.map(|name| path.with_file_name(name)).filter(|path| path.is_file());
    let mut writer = RowWriter::new(rows, export);
    let mut sink = |row: &ExportRow<'_>| writer.take(row).map_err(|error| chain(&error).into());
    match read_export(profile, ExportFile { path, name, companion: companion.as_deref() }, &mut sink) {
        Ok(mut summary) => {
            writer.flush()?;
            Ok(rows.settle_duplicates(export, &mut summary)?.map(|()| summary))
        }
        Err(ReadError::Rejected(why)) => Ok(Err(why)),
        Err(error @ (ReadError::Io { .. } | ReadError::Sink(_))) => {
            Err(CliError::Caused(format!("{} could not be read", path.display()), error.into()))
        }
    }
}

impl Reading<'_> {
    /// `accept`, `accept-with-row-errors` or `reject`.
    pub(super) fn verdict(&self) -> &'static str {
        match &self.outcome {
            Ok(summary) if summary.row_errors.is_empty() => "accept",
            Ok(_) => "accept-with-row-errors",
            Err(_) => "reject",
        }
    }

    fn head(&self) -> Head<'_> {
        match &self.outcome {
            Ok(summary) => Head {
                file: &self.name,
                outcome: self.verdict(),
                rows: summary.rows,
                row_errors: &summary.row_errors,
                reject: None,
                as_of: summary.as_of,
                sequence: summary.sequence.map(|number| number.to_string()),
                warnings: &summary.warnings,
            },
            Err(why) => Head {
                file: &self.name,
                outcome: self.verdict(),
                rows: 0,
                row_errors: &[],
                reject: Some(why),
                as_of: None,
                sequence: None,
                warnings: &[],
            },
        }
    }

    /// Calls `each` with SKU, quantity (`DELETE` for a deletion) and line, in the order of the SKUs.
    pub(super) fn for_each(&self, mut each: impl FnMut(&str, &str, u64) -> io::Result<()>) -> Result<(), CliError> {
        if self.outcome.is_err() {
            return Ok(());
        }
        let mut failed = None;
        self.rows.for_each_stock_row(self.export, |sku, quantity, line| {
            if failed.is_none() {
                failed = each(sku, quantity, line).err();
            }
        })?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    fn print_json(&self, out: &mut dyn Write) -> Result<(), CliError> {
        let unwritable = |error: serde_json::Error| CliError::Output(error.into());
        let head = serde_json::to_string_pretty(&self.head()).map_err(unwritable)?;
        // The items go between the head and the digest as they come: there may be a million of them.
        let open = head.strip_suffix("\n}").unwrap_or(&head);
        let mut out = io::BufWriter::new(out);
        write!(out, "{open},\n  \"stock\": [")?;
        let (mut hash, mut first) = (Sha256::new(), true);
        self.for_each(|sku, quantity, _| {
            hash.update(format!("{sku}\t{quantity}\n"));
            out.write_all(if std::mem::take(&mut first) { b"\n    " } else { b",\n    " })?;
            let item = match quantity {
                DELETED => json!({ "sku": sku, "action": "delete" }),
                quantity => json!({ "sku": sku, "quantity": quantity }),
            };
            serde_json::to_writer(&mut out, &item).map_err(io::Error::from)
        })?;
        let digest = self.outcome.is_ok().then(|| hex(&hash.finalize()));
        let end = if first { "" } else { "\n  " };
        writeln!(out, "{end}],\n  \"digest\": {}\n}}", json!(digest))?;
        Ok(out.flush()?)
    }

    fn print_table(&self, out: &mut dyn Write, limit: u64) -> Result<(), CliError> {
        let head = self.head();
        let (mut rows, mut items) = (Vec::new(), 0u64);
        self.for_each(|sku, quantity, line| {
            items += 1;
            if limit == 0 || items <= limit {
                rows.push(vec![sku.to_owned(), quantity.to_owned(), line.to_string()]);
            }
            Ok(())
        })?;
        let file = output::shown(&self.path.display().to_string());
        match &self.outcome {
            Err(why) => writeln!(out, "{file}: rejected: {}", output::shown(&why.to_string()))?,
            Ok(summary) => {
                let errors = head.row_errors.len() as u64 + summary.more_row_errors;
                writeln!(
                    out,
                    "{file}: {}, {} row(s), {items} item(s), {errors} row error(s)",
                    head.outcome, head.rows
                )?;
            }
        }
        head.print_remarks(out)?;
        if self.outcome.is_ok() {
            output::table(out, &["sku", "quantity", "line"], rows, "No items.")?;
        }
        if limit != 0 && items > limit {
            writeln!(out, "… and {} more (--limit 0 shows all)", items - limit)?;
        }
        Ok(())
    }
}

impl Head<'_> {
    fn print_remarks(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(at) = self.as_of {
            writeln!(out, "  made at {} by its own words", at.strftime("%Y-%m-%d %H:%M:%S"))?;
        }
        if let Some(number) = &self.sequence {
            writeln!(out, "  number {number}")?;
        }
        for error in self.row_errors {
            writeln!(out, "  line {}: {} ({})", error.line, output::shown(&error.text), error.reason)?;
        }
        for warning in self.warnings {
            writeln!(out, "  note: {}", output::shown(warning))?;
        }
        Ok(())
    }
}
