//! `tillbridge profile test`: what a profile makes of each file of a folder.
//!
//! Promises: one line per file, with what is wrong and where; nothing is changed. Files that only prove others whole
//! are not read as exports.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::stock_read::{Reading, read_one};
use super::{CliError, CliResult, Exit, Format, output, profile_file};
use crate::epos::CheckedProfile;
use crate::ledger::Ledger;
use crate::ports::{Rejection, RowError};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The profile: a TOML or JSON file
    #[arg(long, value_name = "FILE")]
    profile: PathBuf,
    /// Exports, or folders of them
    #[arg(required = true, value_name = "FOLDER|FILE")]
    samples: Vec<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What came of one file.
#[derive(Debug, Serialize)]
pub(super) struct Tested {
    pub(super) file: String,
    /// `accept`, `accept-with-row-errors` or `reject`.
    pub(super) outcome: &'static str,
    pub(super) rows: u64,
    pub(super) items: u64,
    pub(super) row_errors: Vec<RowError>,
    /// Row errors beyond those listed.
    pub(super) more_row_errors: u64,
    pub(super) reject: Option<Rejection>,
    pub(super) warnings: Vec<String>,
}

/// Reads each file, and says how it went.
pub(super) fn test(args: &Args, out: &mut dyn Write) -> CliResult {
    let profile = profile_file::load(&args.profile)?;
    let files = files(&args.samples, &profile)?;
    let (_folder, rows) = scratch()?;
    let mut tested = Vec::new();
    for file in &files {
        tested.push(tested_of(&read_one(&profile, file, &rows)?, file)?);
    }
    match args.format {
        Format::Json => {
            output::json(out, &tested)?;
        }
        Format::Table => print(out, &tested)?,
    }
    Ok(exit(&tested))
}

/// A ledger that is thrown away with its folder.
pub(super) fn scratch() -> Result<(tempfile::TempDir, Ledger), CliError> {
    let folder =
        tempfile::tempdir().map_err(|error| CliError::Caused("no scratch folder can be made".into(), error.into()))?;
    let rows = Ledger::scratch(folder.path())?;
    Ok((folder, rows))
}

fn files(samples: &[PathBuf], profile: &CheckedProfile) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    for sample in samples {
        if sample.is_dir() {
            files.extend(files_in(sample)?);
        } else if sample.exists() {
            files.push(sample.clone());
        } else {
            return Err(CliError::Told(Exit::NotThere, format!("{} is not there", sample.display())));
        }
    }
    let rule = profile.profile().completeness.as_ref();
    let proofs: HashSet<PathBuf> =
        files.iter().filter_map(|file| companion(file, |name| rule?.companion_of(name))).collect();
    files.retain(|file| !proofs.contains(file));
    if files.is_empty() {
        return Err(CliError::Told(Exit::NotThere, "there is no export in what was named".into()));
    }
    Ok(files)
}

fn companion(file: &Path, name_of: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let name = file.file_name()?.to_string_lossy().into_owned();
    // A control file with one name for all does not prove itself.
    name_of(&name).filter(|proof| *proof != name).map(|proof| file.with_file_name(proof))
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let unreadable = |error: std::io::Error| {
        CliError::Told(Exit::NotThere, format!("the folder {} cannot be listed: {error}", folder.display()))
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        if entry.path().is_file() && !is_hidden {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// What came of reading a file.
pub(super) fn tested_of(reading: &Reading<'_>, file: &Path) -> Result<Tested, CliError> {
    let mut items = 0;
    reading.for_each(|_, _, _| {
        items += 1;
        Ok(())
    })?;
    let (file, outcome) = (file.display().to_string(), reading.verdict());
    Ok(match &reading.outcome {
        Ok(summary) => Tested {
            file,
            outcome,
            rows: summary.rows,
            items,
            row_errors: summary.row_errors.clone(),
            more_row_errors: summary.more_row_errors,
            reject: None,
            warnings: summary.warnings.clone(),
        },
        Err(why) => Tested {
            file,
            outcome,
            rows: 0,
            items,
            row_errors: Vec::new(),
            more_row_errors: 0,
            reject: Some(why.clone()),
            warnings: Vec::new(),
        },
    })
}

impl Tested {
    /// The first thing that is wrong, for a person.
    pub(super) fn trouble(&self) -> String {
        match (&self.reject, self.row_errors.first()) {
            (Some(why), _) => why.to_string(),
            (None, Some(error)) => format!("line {}: {} ({})", error.line, error.text, error.reason),
            (None, None) => self.warnings.first().map(|warning| format!("note: {warning}")).unwrap_or_default(),
        }
    }

    /// How many rows could not be used.
    pub(super) fn errors(&self) -> u64 {
        self.row_errors.len() as u64 + self.more_row_errors
    }
}

fn print(out: &mut dyn Write, tested: &[Tested]) -> std::io::Result<()> {
    let row = |one: &Tested| {
        let counts = [one.rows, one.items, one.errors()].map(|count| count.to_string());
        let counts = if one.reject.is_some() { ["–", "–", "–"].map(str::to_owned) } else { counts };
        [vec![one.file.clone(), one.outcome.to_owned()], counts.to_vec(), vec![one.trouble()]].concat()
    };
    let header = ["file", "outcome", "rows", "items", "row errors", "first trouble"];
    output::table(out, &header, tested.iter().map(row).collect(), "No files.")?;
    let count = |outcome: &str| tested.iter().filter(|one| one.outcome == outcome).count();
    let (good, partly, bad) = (count("accept"), count("accept-with-row-errors"), count("reject"));
    writeln!(out, "{good} accepted, {partly} accepted with row errors, {bad} rejected")
}

fn exit(tested: &[Tested]) -> Exit {
    if tested.iter().any(|one| one.reject.is_some()) {
        Exit::Rejected
    } else if tested.iter().any(|one| one.errors() > 0) {
        Exit::Found
    } else {
        Exit::Done
    }
}
