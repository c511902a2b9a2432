//! `tillbridge stock preview FILE`: what an export would do, without doing it.
//!
//! Promises: neither the ledger nor the web store nor the file is changed; the rows go into a ledger of their own that
//! is thrown away.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::stock::model_of;
use super::{CliError, CliResult, Exit, Format, ledger_of, output, runtime};
use crate::central;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::domain::gate::{self, Candidate, Facts, HoldReason, Policy, Rules, Verdict};
use crate::domain::reconcile::{self, ShownRules, StockModel};
use crate::domain::stock::{Counted, Scope, Timing};
use crate::domain::{AdmittedSnapshot, ExportId, Quantity, Sku};
use crate::epos::FolderEpos;
use crate::ledger::items::ItemFacts;
use crate::ledger::stock::{DELETED, RowWriter};
use crate::ledger::{Ledger, LedgerError};
use crate::ports::{Clock, Epos, ExportRow, ReadError, ReadSummary, RowError, SettledExport, SpooledExport};
use crate::tasks::chain;
use crate::tasks::stock::report::unused_codes;

/// Items looked up in the ledger at once.
const CHUNK: usize = 500;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The export
    file: PathBuf,
    /// Show at most so many items; 0: all
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Serialize)]
struct Preview {
    file: String,
    rows: u64,
    items: u64,
    row_errors: Vec<RowError>,
    warnings: Vec<String>,
    /// `admit`, `hold` or `refuse`.
    gate: &'static str,
    reasons: Vec<String>,
    would_send: Vec<Change>,
    /// Would-be changes beyond those listed.
    more: u64,
    unchanged: u64,
}

#[derive(Debug, Serialize)]
struct Change {
    sku: String,
    till_code: String,
    line: u64,
    counted: Quantity,
    sellable: Quantity,
    expected_at_store: Option<Quantity>,
    write: Quantity,
}

/// Shows what an export would do.
pub(super) fn preview(config: &Config, args: &Args, out: &mut dyn Write) -> CliResult {
    let ledger = ledger_of(config)?;
    let model = match model_of(&ledger)? {
        Some(model) => model,
        None => ask_store(config)?,
    };
    let scratch =
        tempfile::tempdir().map_err(|error| CliError::Caused("no scratch folder can be made".into(), error.into()))?;
    let rows = Ledger::scratch(scratch.path())?;
    let (id, summary, timing) = match read(config, args, &rows)? {
        Ok(read) => read,
        Err(why) => {
            let why = format!("{} cannot be believed: {why}", args.file.display());
            return Err(CliError::Told(Exit::Rejected, why));
        }
    };
    let preview = compute(config, args, &ledger, &rows, (id, &summary, timing), model)?;
    if args.format == Format::Json {
        return output::json(out, &preview);
    }
    print(out, &preview)?;
    Ok(Exit::Done)
}

fn ask_store(config: &Config) -> Result<StockModel, CliError> {
    let store = central::connect(&config.store).map_err(crate::agent::AgentError::Store)?;
    let facts = runtime()?.block_on(store.probe());
    facts.map(|facts| facts.model).map_err(|error| {
        CliError::Caused(
            "the web store has to be asked how it keeps its books, and did not answer".into(),
            error.into(),
        )
    })
}

type Read = (ExportId, ReadSummary, Timing);

fn read(config: &Config, args: &Args, rows: &Ledger) -> Result<Result<Read, crate::ports::Rejection>, CliError> {
    let unreadable =
        |error: io::Error| CliError::Told(Exit::NotThere, format!("{} cannot be read: {error}", args.file.display()));
    let found = std::fs::metadata(&args.file).map_err(unreadable)?;
    let now = SystemClock.now();
    let modified = found.modified().ok().and_then(|at| Timestamp::try_from(at).ok());
    let name = args.file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let timing = Timing { declared: None, first_seen: now, last_absent: Some(now), modified };
    let source = SettledExport { name: name.clone(), bytes: found.len(), timing, companion: None };
    let spooled = SpooledExport { source, spooled: args.file.clone(), fingerprint: String::new() };
    let id = rows.export_begun(&spooled, now)?;
    let epos = FolderEpos::new(config.epos.clone(), rows.folder().to_owned())
        .map_err(|error| CliError::Caused("the profile cannot be used".into(), error.into()))?;
    let mut writer = RowWriter::new(rows, id);
    let mut sink = |row: &ExportRow<'_>| writer.take(row).map_err(|error| chain(&error).into());
    let read = epos.read(&args.file, &name, &mut sink);
    writer.flush()?;
    match read {
        Ok(mut summary) => {
            if let Err(why) = rows.settle_duplicates(id, &mut summary)? {
                return Ok(Err(why));
            }
            let timing = Timing { declared: summary.declared, ..timing };
            rows.export_read(id, &timing, &summary)?;
            Ok(Ok((id, summary, timing)))
        }
        Err(ReadError::Rejected(why)) => Ok(Err(why)),
        Err(error @ (ReadError::Io { .. } | ReadError::Sink(_))) => {
            Err(CliError::Caused(format!("{} could not be read", args.file.display()), error.into()))
        }
    }
}

fn compute(
    config: &Config,
    args: &Args,
    ledger: &Ledger,
    rows: &Ledger,
    (id, summary, timing): (ExportId, &ReadSummary, Timing),
    model: StockModel,
) -> Result<Preview, CliError> {
    let now = SystemClock.now();
    let rules = config.gate_rules();
    let chunks = chunks(rows, id)?;
    let shrinks = (chunks.iter().map(Vec::len).sum::<usize>() as u64, zeroed(ledger, summary.scope, &chunks)?);
    let (gate, reasons) = in_words(ledger.would_decide(timing, summary, shrinks, &rules, now)?);
    let snapshot = as_if_admitted(timing, &rules, now)?;
    let mut preview = Preview::of(args, summary, gate, reasons);
    let shown = config.tasks(now);
    let mut unused = Vec::new();
    for chunk in chunks {
        let codes: Vec<Sku> = chunk.iter().map(|(code, _)| code.clone()).collect();
        let map = ledger.item_map_of(&codes)?;
        let skus: Vec<Sku> = codes.iter().filter_map(|code| map.web_of(code)).cloned().collect();
        let (_, mut facts) = ledger.item_facts(&skus)?;
        for (code, counted) in &chunk {
            let Some(sku) = map.web_of(code) else {
                unused.push(code.clone());
                continue;
            };
            let wishes = shown.shown_of(sku.as_str());
            let facts = facts.remove(sku).unwrap_or_default();
            let change = change((sku, code), counted, facts, &snapshot, &wishes, model);
            preview.add(change, wishes.ignore, args.limit);
        }
    }
    preview.warnings.extend(unused_codes(unused.len() as u64, &unused));
    Ok(preview)
}

fn change(
    (sku, till_code): (&Sku, &Sku),
    counted: &Counted,
    item: ItemFacts,
    snapshot: &AdmittedSnapshot,
    wishes: &ShownRules,
    model: StockModel,
) -> Change {
    let target = reconcile::reconcile(snapshot, counted, &item.claims, wishes, model);
    let moved = reconcile::moved_by_store(&item.claims, model);
    let last = item.store.and_then(|store| store.acknowledged);
    Change {
        sku: sku.to_string(),
        till_code: till_code.to_string(),
        line: counted.line,
        counted: counted.quantity,
        sellable: target.sellable,
        expected_at_store: last.map(|last| reconcile::expected(last, moved)),
        write: target.write,
    }
}

/// The gate's decision, for a person.
fn in_words(verdict: Verdict) -> (&'static str, Vec<String>) {
    let subtracted = |number: String| format!("order {number} would be subtracted for want of evidence");
    match verdict {
        Verdict::Admit { unproved, gap, .. } => {
            let gap = gap.map(|gap| HoldReason::SequenceGap(gap).to_string());
            ("admit", unproved.into_iter().map(subtracted).chain(gap).collect())
        }
        Verdict::Hold { reasons, .. } => ("hold", reasons.iter().map(ToString::to_string).collect()),
        Verdict::Refuse(why) => ("refuse", vec![why.to_string()]),
    }
}

impl Preview {
    fn of(args: &Args, summary: &ReadSummary, gate: &'static str, reasons: Vec<String>) -> Self {
        Self {
            file: args.file.display().to_string(),
            rows: summary.rows,
            items: 0,
            row_errors: summary.row_errors.clone(),
            warnings: summary.warnings.clone(),
            gate,
            reasons,
            would_send: Vec::new(),
            more: 0,
            unchanged: 0,
        }
    }

    /// Counts an item; lists it if it would be sent and there is room.
    fn add(&mut self, change: Change, ignored: bool, limit: usize) {
        self.items += 1;
        if ignored || change.expected_at_store == Some(change.write) {
            self.unchanged += 1;
        } else if limit != 0 && self.would_send.len() >= limit {
            self.more += 1;
        } else {
            self.would_send.push(change);
        }
    }
}

/// What the figures would be if the export were admitted now, with every order subtracted that has no evidence.
fn as_if_admitted(timing: Timing, rules: &Rules, now: Timestamp) -> Result<AdmittedSnapshot, CliError> {
    let (scope, sequence) = (Scope::Full, None);
    let candidate = Candidate { export: ExportId(0), timing, scope, sequence, skus: 0, zeroed: 0, approved: true };
    match gate::admit(&candidate, &Facts::default(), &Rules { policy: Policy::Adjust, ..*rules }, now) {
        Verdict::Admit { snapshot, .. } => Ok(snapshot),
        Verdict::Hold { .. } | Verdict::Refuse(_) => {
            Err(CliError::Told(Exit::Failed, "the export would not be admitted in any case".into()))
        }
    }
}

/// Items in stock by the export that counts which this one lets fall to zero, as the gate counts them.
fn zeroed(ledger: &Ledger, scope: Scope, chunks: &[Vec<(Sku, Counted)>]) -> Result<u64, CliError> {
    if scope == Scope::Delta {
        return Ok(0);
    }
    let Some(last) = ledger.admitted_export()? else { return Ok(0) };
    let in_stock = chunks.iter().flatten().filter(|(_, counted)| counted.quantity.is_positive());
    let there: HashSet<&str> = in_stock.map(|(sku, _)| sku.as_str()).collect();
    let mut zeroed = 0;
    ledger.for_each_stock_row(last.id, |sku, quantity, _| {
        let was_there = quantity != "0" && !quantity.starts_with('-');
        zeroed += u64::from(was_there && !there.contains(sku));
    })?;
    Ok(zeroed)
}

fn chunks(rows: &Ledger, id: ExportId) -> Result<Vec<Vec<(Sku, Counted)>>, CliError> {
    let mut all = Vec::new();
    let mut damaged = None;
    // What the till has no more counts as none.
    let parse = |text: &str| if text == DELETED { Ok(Quantity::ZERO) } else { Quantity::parse(text) };
    rows.for_each_stock_row(id, |sku, quantity, line| match (Sku::new(sku), parse(quantity)) {
        (Ok(sku), Ok(quantity)) => all.push((sku, Counted { quantity, line })),
        (Err(_), _) | (_, Err(_)) => damaged = Some(sku.to_owned()),
    })?;
    if let Some(row) = damaged {
        let why = "a row that was just stored cannot be read back".to_owned();
        return Err(LedgerError::Damaged { table: "stock_row", row, why }.into());
    }
    Ok(all.chunks(CHUNK).map(<[_]>::to_vec).collect())
}

fn print(out: &mut dyn Write, preview: &Preview) -> io::Result<()> {
    writeln!(
        out,
        "{}: {} row(s), {} item(s), {} row error(s)",
        output::shown(&preview.file),
        preview.rows,
        preview.items,
        preview.row_errors.len()
    )?;
    for error in &preview.row_errors {
        writeln!(out, "  line {}: {} ({})", error.line, output::shown(&error.text), error.reason)?;
    }
    for warning in &preview.warnings {
        writeln!(out, "  note: {}", output::shown(warning))?;
    }
    let verdict = match preview.gate {
        "admit" => "It would be used at once.",
        "hold" => "It would wait:",
        _ => "It would not be used:",
    };
    writeln!(out, "{verdict}")?;
    for reason in &preview.reasons {
        writeln!(out, "  {}", output::shown(reason))?;
    }
    writeln!(out)?;
    let header = ["sku", "till code", "line", "till", "can be sold", "web store has", "would be sent"];
    output::table(out, &header, preview.would_send.iter().map(row_of).collect(), "Nothing would be sent.")?;
    if preview.more > 0 {
        writeln!(out, "… and {} more (--limit 0 shows all)", preview.more)?;
    }
    writeln!(out, "{} item(s) would stay as they are.", preview.unchanged)
}

fn row_of(change: &Change) -> Vec<String> {
    let expected = change.expected_at_store.map_or_else(|| "not known".to_owned(), |quantity| quantity.to_string());
    let code = if change.till_code == change.sku { "" } else { &change.till_code };
    vec![
        change.sku.clone(),
        code.to_owned(),
        change.line.to_string(),
        change.counted.to_string(),
        change.sellable.to_string(),
        expected,
        change.write.to_string(),
    ]
}
