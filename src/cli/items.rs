//! `tillbridge items import|list|add|remove`: which item of the web store is which item of the till.
//!
//! Promises: all of a change or nothing of it; every wrong line of a file is named at once; what orders under older codes
//! still claim is told with the command that settles it.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::items_file::{self, LARGEST, Listed, Pairs, WrongLine};
use super::{CliError, CliResult, Exit, Format, is_running, items_list, ledger_of, output, person};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::domain::item_map::{NotOneToOne, PairChange};
use crate::domain::{ItemMap, Sku};
use crate::ledger::Ledger;
use crate::ledger::item_map::{ItemsChanged, UnderOlderCode, Wanted};
use crate::ports::Clock;

/// Wrong lines that are named.
const WRONG_NAMED: usize = 200;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Take pairs from a CSV file with the columns web_sku and till_code
    Import(Import),
    /// List the pairs, or the items that have no counterpart
    List(items_list::Args),
    /// Say what the till calls an item
    Add {
        /// The item's SKU in the web store
        web_sku: String,
        /// Its code in the till
        till_code: String,
        /// What the till took of this item under an older code is booked on this one (it was renamed in the till, or
        /// staff have corrected it there); counts from the next export
        #[arg(long)]
        booked: bool,
        /// Who says so [default: the user at the keyboard]
        #[arg(long)]
        by: Option<String>,
    },
    /// Take a pair out again: the till then has the item by its web SKU
    Remove {
        /// The item's SKU in the web store
        web_sku: String,
        /// What the till took of this item under the code is booked on its web SKU; counts from the next export
        #[arg(long)]
        booked: bool,
        /// Who says so [default: the user at the keyboard]
        #[arg(long)]
        by: Option<String>,
    },
}

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
pub(super) struct Import {
    /// The file
    file: PathBuf,
    /// Take out the pairs that are not in the file
    #[arg(long)]
    replace: bool,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// What the till took of these items under older codes is booked on the ones in the file; counts from the next export
    #[arg(long)]
    booked: bool,
    /// Name at most so many changes; 0: all
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Who says so [default: the user at the keyboard]
    #[arg(long)]
    by: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Carries out an `items` command.
pub(super) fn items(config: &Config, command: Command, out: &mut dyn Write) -> CliResult {
    let ledger = ledger_of(config)?;
    match command {
        Command::Import(args) => import(config, &ledger, &args, out),
        Command::List(args) => items_list::list(&ledger, &args, out),
        Command::Add { web_sku, till_code, booked, by } => {
            let (web, till) = (name(&web_sku, "WEB_SKU")?, name(&till_code, "TILL_CODE")?);
            let changed = ledger.change_items(&by.unwrap_or_else(person), SystemClock.now(), false, |before| {
                with_pair(before, &web, &till, booked).map_err(|why| CliError::Told(Exit::Refused, why))
            })??;
            match changed.changes.first() {
                Some(_) => writeln!(out, "The till's {} is now the web store's {}.", shown(&till), shown(&web))?,
                None => writeln!(out, "The till's {} was already the web store's {}.", shown(&till), shown(&web))?,
            }
            tell_rest(config, &changed, out)
        }
        Command::Remove { web_sku, booked, by } => {
            let web = name(&web_sku, "WEB_SKU")?;
            let changed = ledger.change_items(&by.unwrap_or_else(person), SystemClock.now(), false, |before| {
                without_pair(before, &web, booked).map_err(|why| CliError::Told(Exit::NotThere, why))
            })??;
            writeln!(out, "{} has no till code of its own any more.", shown(&web))?;
            tell_rest(config, &changed, out)
        }
    }
}

fn shown(sku: &Sku) -> String {
    output::shown(sku.as_str())
}

fn name(text: &str, argument: &str) -> Result<Sku, CliError> {
    Sku::new(text).map_err(|why| CliError::Told(Exit::Refused, format!("{argument} {text:?} cannot be used: {why}")))
}

fn with_pair(before: &ItemMap, web: &Sku, till: &Sku, booked: bool) -> Result<Wanted, String> {
    let mut map = before.clone();
    map.unpair(web);
    map.pair(web.clone(), till.clone()).map_err(|why| format!("{why}; {}", remedy(&why)))?;
    Ok(Wanted { map, booked: booked.then(|| web.clone()).into_iter().collect() })
}

fn without_pair(before: &ItemMap, web: &Sku, booked: bool) -> Result<Wanted, String> {
    let mut map = before.clone();
    if !map.unpair(web) {
        let code =
            before.paired_web(web).map_or_else(String::new, |other| format!("; {web} is the till code of {other}"));
        return Err(format!("there is no pair with the web SKU {web}{code}; tillbridge items list shows the pairs"));
    }
    Ok(Wanted { map, booked: booked.then(|| web.clone()).into_iter().collect() })
}

fn remedy(why: &NotOneToOne) -> String {
    match why {
        NotOneToOne::TillCodeTaken { other, .. } => {
            format!("if {other} is not that item, first: tillbridge items remove {other}")
        }
        NotOneToOne::WebSkuTaken { web, .. } => format!("first: tillbridge items remove {web}"),
    }
}

fn import(config: &Config, ledger: &Ledger, args: &Import, out: &mut dyn Write) -> CliResult {
    let file = args.file.display().to_string();
    let Pairs { pairs, remarks } =
        items_file::read(&bytes_of(&args.file)?).map_err(|wrong| wrong_lines(&file, &wrong))?;
    for remark in remarks {
        writeln!(io::stderr(), "{}: {}", output::shown(&file), output::shown(&remark))?;
    }
    let by = args.by.clone().unwrap_or_else(person);
    let changed = ledger.change_items(&by, SystemClock.now(), args.dry_run, |before| {
        with_file(before, &pairs, args).map_err(|wrong| wrong_lines(&file, &wrong))
    })??;
    let counts = Counts::of(&changed.changes, pairs.len());
    if args.format == Format::Json {
        return output::json(out, &as_json(&changed, &counts, args));
    }
    print_changes(&changed.changes, args, out)?;
    let would = if args.dry_run { "Would be" } else { "Done" };
    writeln!(out, "{would}: {}.", counts.in_words(args.replace))?;
    if args.dry_run {
        return Ok(Exit::Done);
    }
    tell_rest(config, &changed, out)
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, CliError> {
    let unreadable =
        |error: io::Error| CliError::Told(Exit::NotThere, format!("{} cannot be read: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        let why = format!("{} is larger than {} MB; is it a list of items?", path.display(), LARGEST / 1024 / 1024);
        return Err(CliError::Told(Exit::Rejected, why));
    }
    Ok(bytes)
}

fn wrong_lines(file: &str, wrong: &[WrongLine]) -> CliError {
    let mut lines: Vec<String> = wrong
        .iter()
        .take(WRONG_NAMED)
        .map(|wrong| format!("  line {}: {}", wrong.line, output::shown(&wrong.text)))
        .collect();
    if wrong.len() > WRONG_NAMED {
        lines.push(format!("  and {} more", wrong.len() - WRONG_NAMED));
    }
    let why = format!(
        "{} has {} wrong line(s), and nothing was changed:\n{}",
        output::shown(file),
        wrong.len(),
        lines.join("\n")
    );
    CliError::Told(Exit::Rejected, why)
}

/// The pairs as they are with those of the file. Codes of its items are free before it is read, so that two can change.
fn with_file(before: &ItemMap, pairs: &[Listed], args: &Import) -> Result<Wanted, Vec<WrongLine>> {
    let mut map = if args.replace { ItemMap::default() } else { before.clone() };
    for pair in pairs {
        map.unpair(&pair.web);
    }
    let mut wrong = Vec::new();
    for Listed { web, till, line } in pairs {
        if let Err(why) = map.pair(web.clone(), till.clone()) {
            let text = format!(
                "{web}: {why}, which is not in this file; {}, or add it to the file with its new code",
                remedy(&why)
            );
            wrong.push(WrongLine { line: *line, text });
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let booked: BTreeSet<Sku> =
        if args.booked { pairs.iter().map(|pair| pair.web.clone()).collect() } else { BTreeSet::new() };
    Ok(Wanted { map, booked })
}

/// How many pairs are what.
#[derive(Debug, Default)]
struct Counts {
    new: usize,
    changed: usize,
    same: usize,
    removed: usize,
}

impl Counts {
    fn of(changes: &[PairChange], listed: usize) -> Self {
        let count = |is: fn(&PairChange) -> bool| changes.iter().filter(|change| is(change)).count();
        let new = count(|change| change.was.is_none());
        let removed = count(|change| change.now.is_none());
        let changed = changes.len() - new - removed;
        Self { new, changed, same: listed - new - changed, removed }
    }

    fn in_words(&self, replaces: bool) -> String {
        let Self { new, changed, same, removed } = self;
        let removed = if replaces { format!(", {removed} removed") } else { String::new() };
        format!("{new} new, {changed} changed, {same} as before{removed}")
    }
}

fn as_json(changed: &ItemsChanged, counts: &Counts, args: &Import) -> serde_json::Value {
    let limit = if args.limit == 0 { usize::MAX } else { args.limit };
    let change = |change: &PairChange| json!({ "web_sku": change.web, "was": change.was, "now": change.now });
    json!({
        "dry_run": args.dry_run, "new": counts.new, "changed": counts.changed, "same": counts.same,
        "removed": counts.removed, "changes": changed.changes.iter().take(limit).map(change).collect::<Vec<_>>(),
        "booked": changed.booked, "under_older_code": changed.under_older_code,
    })
}

fn print_changes(changes: &[PairChange], args: &Import, out: &mut dyn Write) -> io::Result<()> {
    let limit = if args.limit == 0 { usize::MAX } else { args.limit };
    let code = |code: &Option<Sku>| code.as_ref().map_or_else(|| "–".to_owned(), Sku::to_string);
    let row = |change: &PairChange| vec![change.web.to_string(), code(&change.was), code(&change.now)];
    let rows = changes.iter().take(limit).map(row).collect();
    output::table(out, &["web sku", "till code before", "now"], rows, "Every pair of the file is there already.")?;
    if changes.len() > limit {
        writeln!(out, "… and {} more (--limit 0 shows all)", changes.len() - limit)?;
    }
    Ok(())
}

/// What follows from a change.
fn tell_rest(config: &Config, changed: &ItemsChanged, out: &mut dyn Write) -> CliResult {
    if changed.booked > 0 {
        let files = changed.booked;
        writeln!(
            out,
            "{files} order(s) that the till took under an older code count as booked from the next export on."
        )?;
    }
    tell_older(&changed.under_older_code, out)?;
    if !changed.changes.is_empty() {
        let when =
            if is_running(config) { "at the agent's next look" } else { "as soon as the agent runs (tillbridge run)" };
        writeln!(
            out,
            "Quantities follow {when}; an order that failed for want of a code: tillbridge orders export NUMBER."
        )?;
    }
    Ok(Exit::Done)
}

/// Orders that went to the till under older codes, and the command that settles them.
fn tell_older(older: &[UnderOlderCode], out: &mut dyn Write) -> io::Result<()> {
    const NAMED: usize = 10;
    if older.is_empty() {
        return Ok(());
    }
    writeln!(out, "Kept back from the web store, because the till need not have booked it on the code of now:")?;
    for apart in older.iter().take(NAMED) {
        let (web, code, orders) = (shown(&apart.web_sku), shown(&apart.code), apart.taken + apart.waiting);
        writeln!(out, "  {web} went to the till as {code} in {orders} order(s), {} of them taken", apart.taken)?;
        if let Some(now) = apart.code_now.as_ref().map(shown) {
            writeln!(out, "    when that is booked on {now}: tillbridge items add {web} {now} --booked")?;
        }
    }
    if older.len() > NAMED {
        writeln!(
            out,
            "  … and {} more; all of a file at once: tillbridge items import FILE --booked",
            older.len() - NAMED
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sku(text: &str) -> Sku {
        Sku::new(text).unwrap()
    }

    fn listed(pairs: &[(&str, &str)]) -> Vec<Listed> {
        (2..).zip(pairs).map(|(line, (web, till))| Listed { web: sku(web), till: sku(till), line }).collect()
    }

    fn args(replace: bool) -> Import {
        let (file, format) = (PathBuf::new(), Format::Table);
        Import { file, replace, dry_run: false, booked: false, limit: 0, by: None, format }
    }

    #[test]
    fn two_items_can_exchange_their_codes_in_one_file() {
        let before = ItemMap::new([(sku("A"), sku("1")), (sku("B"), sku("2")), (sku("C"), sku("3"))]).unwrap();
        let wanted = with_file(&before, &listed(&[("A", "2"), ("B", "1")]), &args(false)).unwrap();
        let counts = Counts::of(&before.changes_to(&wanted.map), 2);
        assert_eq!(counts.in_words(true), "0 new, 2 changed, 0 as before, 0 removed");
        let wanted = with_file(&before, &listed(&[("A", "1"), ("D", "2")]), &args(true)).unwrap();
        let counts = Counts::of(&before.changes_to(&wanted.map), 2);
        assert_eq!(counts.in_words(true), "1 new, 0 changed, 1 as before, 2 removed");
    }

    #[test]
    fn a_code_of_an_item_that_is_not_in_the_file_is_named_with_its_line_and_what_to_do() {
        let before = ItemMap::new([(sku("A"), sku("1"))]).unwrap();
        let wrong = with_file(&before, &listed(&[("B", "2"), ("C", "1")]), &args(false)).unwrap_err();
        assert_eq!((wrong.len(), wrong[0].line), (1, 3));
        assert!(wrong[0].text.contains("that of A") && wrong[0].text.contains("items remove A"), "{wrong:?}");
    }
}
