//! `tillbridge profile guess`: from samples of a till's export to a profile, with a person's help where it takes one.
//!
//! Promises: questions and explanations go to standard error, the profile to standard output or into a new file; with
//! `--yes` or without a terminal nothing is asked, and what is doubtful stays undecided. The proposal is tried on the
//! samples before it is shown; one that does not read them is undecided as a whole, so that it is refused until a
//! person has looked. No sample is changed.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::profile_ask::{Said, ask};
use super::profile_samples::Samples;
use super::profile_test::{Tested, scratch, tested_of};
use super::stock_read::read_one;
use super::{CliError, CliResult, Exit, Format, output, profile_toml};
use crate::epos::StockProfile;
use crate::epos::guess::{Answers, Finding, Guess};

/// Rows shown of each sample.
const SHOWN: usize = 6;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Samples of one till's stock export, and the control or marker files that belong to them
    #[arg(required = true, value_name = "SAMPLE")]
    samples: Vec<PathBuf>,
    /// Write the profile into this file, which must not exist yet [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "out")]
    force: bool,
    /// Ask nothing: leave what is doubtful undecided
    #[arg(long)]
    yes: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A sample as the proposal reads it.
#[derive(Debug, Serialize)]
struct Tried {
    #[serde(flatten)]
    tested: Tested,
    first_rows: Vec<Row>,
}

/// A row as the proposal understands it.
#[derive(Debug, Serialize)]
struct Row {
    sku: String,
    quantity: String,
    line: u64,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    complete: bool,
    undecided: Vec<String>,
    findings: &'a [Finding],
    remarks: &'a [String],
    samples: &'a [Tried],
    profile: &'a StockProfile,
    toml: &'a str,
}

/// Looks, asks, tries, and prints.
pub(super) fn guess(args: &Args, out: &mut dyn Write) -> CliResult {
    if let Some(file) = args.out.as_deref().filter(|file| !args.force && file.exists()) {
        return Err(taken(file));
    }
    let samples = Samples::load(&args.samples)?;
    let is_asking = !args.yes && io::stdin().is_terminal() && io::stderr().is_terminal();
    let mut guess = samples.guess(&Answers::new());
    if is_asking && guess.senseless.is_none() {
        guess = converse(&samples, guess, &mut io::stdin().lock(), &mut io::stderr().lock())?;
    }
    if let Some(why) = &guess.senseless {
        return Err(CliError::Told(Exit::Rejected, format!("no profile can be proposed: {}", output::shown(why))));
    }
    let tried = try_out(&samples, &mut guess)?;
    let troubles: Vec<String> = tried.iter().filter_map(Tried::trouble).collect();
    let toml = profile_toml::written(&guess, &samples.names(&guess.exports), &troubles);
    if let Some(file) = &args.out {
        write_file(file, args.force, &toml)?;
    }
    print(args, &guess, &tried, &toml, out)?;
    Ok(if guess.undecided().is_empty() { Exit::Done } else { Exit::Found })
}

/// Asks about one finding after the other; each answer may settle others.
fn converse(
    samples: &Samples,
    mut guess: Guess,
    input: &mut dyn io::BufRead,
    terminal: &mut dyn Write,
) -> Result<Guess, CliError> {
    let (mut answers, mut asked) = (Answers::new(), Vec::new());
    loop {
        let is_open = |finding: &&Finding| finding.question.is_some() && !asked.contains(&finding.key);
        let Some(finding) = guess.findings.iter().find(is_open) else { return Ok(guess) };
        asked.push(finding.key);
        match ask(finding, input, terminal)? {
            Said::Answer(value) => {
                answers.insert(finding.key.to_owned(), value);
                guess = samples.guess(&answers);
            }
            Said::Nothing => {}
            Said::Gone => return Ok(guess),
        }
    }
}

/// Reads the samples by what is decided, and takes back confidence where that shows trouble.
fn try_out(samples: &Samples, guess: &mut Guess) -> Result<Vec<Tried>, CliError> {
    let wrong = |error: toml::de::Error| {
        CliError::Caused("the proposal is no profile; please report this".into(), error.into())
    };
    let decided = StockProfile { undecided: Vec::new(), ..guess.profile().map_err(wrong)? };
    let profile = match decided.check() {
        Ok(profile) => profile,
        Err(error) if guess.undecided().is_empty() => {
            let why = format!("the proposal cannot be followed; please report this: {error}");
            return Err(CliError::Told(Exit::Failed, why));
        }
        Err(_) => return Ok(Vec::new()),
    };
    let (_folder, rows) = scratch()?;
    let mut tried = Vec::new();
    for path in samples.paths(&guess.exports) {
        let reading = read_one(&profile, path, &rows)?;
        let mut first_rows: Vec<Row> = Vec::new();
        reading.for_each(|sku, quantity, line| {
            let at = first_rows.partition_point(|row| row.line < line);
            if at < SHOWN {
                first_rows.insert(at, Row { sku: sku.to_owned(), quantity: quantity.to_owned(), line });
                first_rows.truncate(SHOWN);
            }
            Ok(())
        })?;
        tried.push(Tried { tested: tested_of(&reading, path)?, first_rows });
    }
    if !guess.undecided().is_empty() && tried.iter().any(|one| one.tested.reject.is_some()) {
        // No wonder, while something is open: that says nothing about what is decided.
        return Ok(Vec::new());
    }
    for trouble in tried.iter().filter_map(Tried::trouble) {
        guess.lower_confidence(&trouble);
    }
    let rejected = tried.iter().filter(|one| one.tested.reject.is_some());
    if let Some(trouble) = rejected.filter_map(Tried::trouble).next() {
        guess.distrust(trouble);
    }
    Ok(tried)
}

impl Tried {
    /// What went wrong in reading the sample.
    fn trouble(&self) -> Option<String> {
        let Tested { file, reject, .. } = &self.tested;
        let name = Path::new(file).file_name().map_or_else(|| file.clone(), |name| name.to_string_lossy().into_owned());
        match (reject, self.tested.errors()) {
            (Some(why), _) => Some(format!("{name} is rejected: {why}")),
            (None, 0) => None,
            (None, count) => Some(format!(
                "{count} of {} rows of {name} cannot be used, first {}",
                self.tested.rows,
                self.tested.trouble()
            )),
        }
    }
}

fn taken(file: &Path) -> CliError {
    let text = format!("{} exists already; give another name, or replace it with --force", file.display());
    CliError::Told(Exit::Refused, text)
}

fn write_file(file: &Path, force: bool, text: &str) -> Result<(), CliError> {
    let opened = OpenOptions::new().write(true).create(true).truncate(true).create_new(!force).open(file);
    match opened.and_then(|mut opened| opened.write_all(text.as_bytes())) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(taken(file)),
        Err(error) => Err(CliError::Caused(format!("{} cannot be written", file.display()), error.into())),
    }
}

fn print(args: &Args, guess: &Guess, tried: &[Tried], toml: &str, out: &mut dyn Write) -> Result<(), CliError> {
    match (args.format, &args.out) {
        (Format::Json, _) => {
            let wrong = |error: toml::de::Error| CliError::Caused("the proposal is no profile".into(), error.into());
            let profile = guess.profile().map_err(wrong)?;
            let undecided = guess.undecided();
            let (complete, findings, remarks) = (undecided.is_empty(), &guess.findings, &guess.remarks);
            output::json(
                out,
                &Report { complete, undecided, findings, remarks, samples: tried, profile: &profile, toml },
            )?;
        }
        (Format::Table, Some(file)) => {
            explain(guess, tried, out)?;
            writeln!(out, "Written to {}.", file.display())?;
        }
        (Format::Table, None) => {
            explain(guess, tried, &mut io::stderr().lock())?;
            writeln!(io::stderr())?;
            out.write_all(toml.as_bytes())?;
        }
    }
    Ok(())
}

/// The proposal for a person: keys, rows, and what is left to do.
fn explain(guess: &Guess, tried: &[Tried], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    for finding in &guess.findings {
        let value = finding.value.as_ref().map_or_else(|| "?".to_owned(), |value| output::shown(&value.to_string()));
        writeln!(out, "{} = {value}", finding.key)?;
        writeln!(out, "{}", output::wrapped(&format!("{}: {}", finding.confidence.word(), finding.reason), "    "))?;
    }
    for remark in &guess.remarks {
        writeln!(out, "{}", output::wrapped(remark, ""))?;
    }
    for one in tried {
        writeln!(out)?;
        show_sample(one, out)?;
    }
    if tried.is_empty() {
        show_columns(guess, out)?;
    }
    writeln!(out)?;
    if let Some(trouble) = &guess.unread {
        let text = format!("The proposal does not read its own sample: {trouble}. Something in it is wrong.");
        writeln!(out, "{}", output::wrapped(&text, ""))?;
    }
    match guess.undecided().as_slice() {
        [] => writeln!(out, "The profile is complete."),
        keys => writeln!(out, "For you to decide: {}. Until then the profile is refused.", keys.join(", ")),
    }
}

fn show_sample(one: &Tried, out: &mut dyn Write) -> io::Result<()> {
    let file = output::shown(&one.tested.file);
    match one.trouble() {
        Some(trouble) => writeln!(out, "{file}: {}", output::shown(&trouble))?,
        None => writeln!(out, "{file}: {} row(s), {} item(s)", one.tested.rows, one.tested.items)?,
    }
    let row = |row: &Row| vec![row.sku.clone(), row.quantity.clone(), row.line.to_string()];
    output::table(out, &["sku", "quantity", "line"], one.first_rows.iter().map(row).collect(), "No rows.")
}

/// The columns as they were seen, while it is not known what they mean.
fn show_columns(guess: &Guess, out: &mut dyn Write) -> io::Result<()> {
    let row = |column: &crate::epos::guess::SeenColumn| {
        vec![column.place.to_string(), column.name.clone().unwrap_or_default(), column.values.join(" | ")]
    };
    writeln!(out)?;
    output::table(out, &["column", "name", "first values"], guess.columns.iter().map(row).collect(), "No columns.")
}

#[cfg(test)]
#[path = "profile_guess_tests.rs"]
mod tests;
