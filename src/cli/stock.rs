//! `tillbridge stock explain|approve`: why the store has the quantity that it has.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;

use super::{CliError, CliResult, Exit, Format, ledger_of, output, person, stock_preview, stock_read};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::domain::corrections::Taken;
use crate::domain::reconcile::{self, Apart, Claim, StockModel, Target, Term};
use crate::domain::{AdmittedSnapshot, Quantity, Sku};
use crate::ledger::exports::ExportRecord;
use crate::ledger::items::{CountedIn, ItemFacts, StoreItem};
use crate::ledger::{Ledger, facts};
use crate::ports::Clock;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Account for every unit between the till's count and the web store's quantity of one item
    Explain {
        /// The item: its web SKU, or its code in the till
        #[arg(value_name = "ITEM")]
        sku: String,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Show what exports say by a profile: no agent, ledger or store needed
    Read(stock_read::Args),
    /// Show what an export would do, without doing it
    Preview(stock_preview::Args),
    /// Let an export through that the gate holds: because it shrank much, or because of its number
    Approve {
        /// Which: its file name, its number in the ledger, or the first 6 or more characters of its fingerprint
        /// [default: the only one that is held]
        export: Option<String>,
        /// Who says so [default: the user at the keyboard]
        #[arg(long)]
        by: Option<String>,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

/// Carries out a `stock` command.
pub(super) fn stock(config: &Config, command: Command, out: &mut dyn Write) -> CliResult {
    let ledger = ledger_of(config)?;
    match command {
        Command::Explain { sku, format } => explain(config, &ledger, &sku, format, out),
        Command::Read(args) => stock_read::read(&args, out),
        Command::Preview(args) => stock_preview::preview(config, &args, out),
        Command::Approve { export, by, format } => {
            let by = by.unwrap_or_else(person);
            let approved = ledger.approve_held(export.as_deref(), &by, SystemClock.now())?;
            if format == Format::Json {
                return output::json(out, &approved);
            }
            let name = output::shown(&approved.name);
            writeln!(out, "Approved by {}: {name} with {} item(s).", output::shown(&by), approved.skus)?;
            writeln!(out, "It is used at the agent's next look.")?;
            Ok(Exit::Done)
        }
    }
}

const NOT_REACHED: &str =
    "the web store has not been reached yet, so it is not known how it keeps its books; see tillbridge status";

/// Everything about one item.
#[derive(Debug, Serialize)]
struct Explanation {
    sku: String,
    /// What the till calls it; none where the till means another item by its name.
    till_code: Option<String>,
    counted: Quantity,
    export: String,
    export_made_at: Timestamp,
    export_fingerprint: String,
    /// Who let the export through in spite of the gate's doubts, and when.
    export_approved_by: Option<String>,
    export_approved_at: Option<Timestamp>,
    line: u64,
    /// Orders taken by then were deducted in the export.
    evidence_until: Option<Timestamp>,
    model: StockModel,
    terms: Vec<Term>,
    sellable: Quantity,
    write: Quantity,
    deducted_orders: Vec<String>,
    /// Orders taken too shortly before the export, or after it: they count as not deducted.
    taken_too_late: Vec<TakenLate>,
    /// Orders that the till took under another code of this item: they count as not deducted.
    taken_under_other_code: Vec<TakenApart>,
    /// Orders of other items whose files name them by this item's code: the till takes them from here.
    sold_as_other_item: Vec<SoldApart>,
    /// Orders of which the till has taken some back, or may have.
    taken_back: Vec<String>,
    store: Option<StoreSide>,
    due: bool,
}

#[derive(Debug, Serialize)]
struct TakenLate {
    number: String,
    taken_at: Timestamp,
}

#[derive(Debug, Serialize)]
struct TakenApart {
    number: String,
    code: String,
}

#[derive(Debug, Serialize)]
struct SoldApart {
    number: String,
    sku: String,
}

#[derive(Debug, Serialize)]
struct StoreSide {
    sent: Option<Quantity>,
    sent_at: Option<Timestamp>,
    expected_now: Option<Quantity>,
    answer: String,
    checked_at: Timestamp,
}

impl StoreSide {
    fn of(store: &StoreItem, moved: Quantity) -> Self {
        Self {
            sent: store.acknowledged.map(|last| last.written),
            sent_at: store.written_at,
            expected_now: store.acknowledged.map(|last| reconcile::expected(last, moved)),
            answer: store.answer.clone(),
            checked_at: store.checked_at,
        }
    }
}

/// How the store keeps its books, as the agent found out.
pub(super) fn model_of(ledger: &Ledger) -> Result<Option<StockModel>, CliError> {
    Ok(ledger.fact(facts::STORE_MODEL)?.as_deref().and_then(StockModel::from_word))
}

fn explain(config: &Config, ledger: &Ledger, text: &str, format: Format, out: &mut dyn Write) -> CliResult {
    let asked = Sku::new(text).map_err(|error| CliError::Told(Exit::NotThere, error.to_string()))?;
    let map = ledger.item_map_of(std::slice::from_ref(&asked))?;
    // A web SKU first; a name that only the till has means the item that the web store calls otherwise.
    let sku = match (map.paired_code(&asked), map.paired_web(&asked)) {
        (None, Some(web)) => web,
        (Some(_), _) | (None, None) => &asked,
    };
    let explanation = explanation(config, ledger, sku)?;
    if format == Format::Json {
        return output::json(out, &explanation);
    }
    print(out, &explanation)?;
    Ok(Exit::Done)
}

fn not_there(why: String) -> CliError {
    CliError::Told(Exit::NotThere, why)
}

/// What the till says of an item, in the export that says so, and what else is known of the item.
fn counted_in(
    ledger: &Ledger,
    sku: &Sku,
    code: Option<&Sku>,
) -> Result<(CountedIn, ExportRecord, ItemFacts), CliError> {
    let Some(base) = ledger.admitted_export()? else {
        return Err(not_there("no export counts yet, so there is nothing to explain; see tillbridge status".into()));
    };
    let (_, mut found) = ledger.item_facts(std::slice::from_ref(sku))?;
    let mut item = found.remove(sku).unwrap_or_default();
    let Some(counted) = item.counted.take() else { return Err(not_there(not_counted(sku, code, &base.name))) };
    // The row may come from an export of changes that was merged into the base.
    let export = ledger.export(counted.snapshot.export())?.unwrap_or(base);
    Ok((counted, export, item))
}

fn explanation(config: &Config, ledger: &Ledger, sku: &Sku) -> Result<Explanation, CliError> {
    let map = ledger.item_map_of(std::slice::from_ref(sku))?;
    let code = map.till_of(sku);
    let (CountedIn { counted, snapshot }, export, item) = counted_in(ledger, sku, code)?;
    let Some(model) = model_of(ledger)? else { return Err(not_there(NOT_REACHED.into())) };
    let shown = config.tasks(Timestamp::MIN).shown_of(sku.as_str());
    let Target { counted: units, sellable, write, terms } =
        reconcile::reconcile(&snapshot, &counted, &item.claims, &shown, model);
    let moved = reconcile::moved_by_store(&item.claims, model);
    Ok(Explanation {
        sku: sku.to_string(),
        till_code: code.map(Sku::to_string),
        counted: units,
        export: export.name,
        export_made_at: export.timing.shown(),
        export_fingerprint: export.fingerprint,
        export_approved_by: export.approved_by,
        export_approved_at: export.approved_at,
        line: counted.line,
        evidence_until: snapshot.evidence_until(),
        model,
        terms,
        sellable,
        write,
        taken_too_late: item.claims.iter().filter_map(|claim| taken_too_late(claim, &snapshot)).collect(),
        taken_under_other_code: item.claims.iter().filter_map(taken_apart).collect(),
        sold_as_other_item: item.claims.iter().filter_map(sold_apart).collect(),
        deducted_orders: item.claims.iter().filter_map(|claim| deducted(claim, &snapshot)).collect(),
        taken_back: item.claims.iter().filter(is_taken_back).map(|claim| claim.number.clone()).collect(),
        store: item.store.as_ref().map(|store| StoreSide::of(store, moved)),
        due: ledger.is_due(sku)?,
    })
}

fn not_counted(sku: &Sku, code: Option<&Sku>, export: &str) -> String {
    let named = code.filter(|code| *code != sku).map_or_else(String::new, |code| format!(" (the till's {code})"));
    format!("{sku}{named} is not in {export}, the export that counts; the web store keeps what it has")
}

/// The number of an order that the till had provably deducted when it exported.
fn deducted(claim: &Claim, snapshot: &AdmittedSnapshot) -> Option<String> {
    claim.booked.deducted_in(snapshot).is_positive().then(|| claim.number.clone())
}

fn print(out: &mut dyn Write, item: &Explanation) -> io::Result<()> {
    print_sum(out, item)?;
    if !item.deducted_orders.is_empty() {
        let orders = output::shown(&item.deducted_orders.join(", "));
        writeln!(out, "The till's count is already without order(s) {orders}.")?;
    }
    if let (Some(by), Some(at)) = (&item.export_approved_by, item.export_approved_at) {
        writeln!(out, "The export was approved by {} at {}.", output::shown(by), output::local(at))?;
    }
    match &item.store {
        Some(store) => print_sent(out, store)?,
        None => writeln!(out, "Not sent yet.")?,
    }
    if item.due {
        writeln!(out, "It is due to be sent.")?;
    }
    Ok(())
}

fn print_sum(out: &mut dyn Write, item: &Explanation) -> io::Result<()> {
    let row = |out: &mut dyn Write, units: &str, what: &str| writeln!(out, "  {units:>8}  {what}");
    match item.till_code.as_ref().filter(|code| **code != item.sku) {
        Some(code) => writeln!(out, "{} (the till's {})", output::shown(&item.sku), output::shown(code))?,
        None => writeln!(out, "{}", output::shown(&item.sku))?,
    }
    row(out, &item.counted.to_string(), &output::shown(&counted_from(item)))?;
    for term in &item.terms {
        let change = term.change();
        let sign = if change < Quantity::ZERO { "" } else { "+" };
        row(out, &format!("{sign}{change}"), &output::shown(&sentence(term, item)))?;
    }
    writeln!(out, "  ————————")?;
    row(out, &item.write.to_string(), &format!("for the web store ({} can be sold)", item.sellable))
}

fn print_sent(out: &mut dyn Write, store: &StoreSide) -> io::Result<()> {
    let answer = output::shown(&store.answer);
    let (Some(sent), Some(at)) = (store.sent, store.sent_at) else {
        return writeln!(out, "Not sent; the web store at {}: {answer}.", output::local(store.checked_at));
    };
    writeln!(out, "Sent: {sent} at {}; the web store answered: {answer}.", output::local(at))?;
    match store.expected_now.filter(|expected| *expected != sent) {
        Some(now) => writeln!(
            out,
            "Since then the web store itself has moved it to {now} (orders placed, cancelled or shipped there)."
        ),
        None => Ok(()),
    }
}

/// An order that the till has taken, but not provably before it counted.
fn taken_too_late(claim: &Claim, snapshot: &AdmittedSnapshot) -> Option<TakenLate> {
    let is_late = |taken: &&Taken| !snapshot.deducted(taken.units, Some(taken.at)).is_positive();
    let taken = claim.booked.out.iter().rfind(is_late)?;
    Some(TakenLate { number: claim.number.clone(), taken_at: taken.at })
}

fn is_taken_back(claim: &&Claim) -> bool {
    claim.booked.back.is_positive()
}

/// An order that the till has taken under another code of the item.
fn taken_apart(claim: &Claim) -> Option<TakenApart> {
    match &claim.apart {
        Some(Apart::BookedAs(code)) => Some(TakenApart { number: claim.number.clone(), code: code.to_string() }),
        Some(Apart::SoldAs(_)) | None => None,
    }
}

/// An order of another item whose file names it by this one's code.
fn sold_apart(claim: &Claim) -> Option<SoldApart> {
    match &claim.apart {
        Some(Apart::SoldAs(sku)) => Some(SoldApart { number: claim.number.clone(), sku: sku.to_string() }),
        Some(Apart::BookedAs(_)) | None => None,
    }
}

fn counted_from(item: &Explanation) -> String {
    if item.till_code.is_none() {
        return format!(
            "the till means another item by {0}, so it has none of this one; if it has it under another code: \
             tillbridge items add {0} TILL_CODE",
            item.sku
        );
    }
    let from = match item.line {
        0 => "filled in, it was missing from the export".to_owned(),
        line => format!("line {line}"),
    };
    format!("the till's count, from {} of {}, {from}", item.export, output::local(item.export_made_at))
}

/// Why the till's count is not believed to be without this order.
fn not_deducted(number: &str, item: &Explanation) -> String {
    if let Some(TakenApart { code, .. }) = item.taken_under_other_code.iter().find(|apart| apart.number == number) {
        let sku = &item.sku;
        let Some(now) = &item.till_code else {
            return format!("order {number}: the till took it as {code}, which is not this item's code any more");
        };
        return format!(
            "order {number}: the till took it as {code}, which does not prove that {now} is without it; \
             if it is: tillbridge items add {sku} {now} --booked"
        );
    }
    match item.taken_too_late.iter().find(|late| late.number == number) {
        Some(TakenLate { taken_at, .. }) => format!(
            "order {number}: taken at {}, which does not prove that this export is without it (gate.settle); \
             the next one settles it",
            output::local(*taken_at)
        ),
        None => {
            let other = item.sold_as_other_item.iter().find(|apart| apart.number == number);
            let other = other.map_or_else(String::new, |apart| {
                format!(" (of the web store's {}, which its file calls by this item's code)", apart.sku)
            });
            if item.taken_back.iter().any(|back| back == number) {
                return format!(
                    "order {number}{other}: the till has taken some of it back, or may have (tillbridge orders show {number})"
                );
            }
            format!("order {number}{other}: the till had not taken it out when it exported")
        }
    }
}

fn sentence(term: &Term, item: &Explanation) -> String {
    match term {
        Term::NegativeCount { .. } => "the till counts less than nothing; that is nothing to sell".into(),
        Term::NotYetDeducted { number, .. } => not_deducted(number, item),
        Term::Buffer { .. } => "kept back (stock.buffer)".into(),
        Term::ShownAtMost { .. } => "more than the most to show (stock.show_at_most)".into(),
        Term::ShownAtLeast { .. } => "the fewest to show (show_at_least)".into(),
        Term::Reserved { number, .. } => format!("order {number}: the web store subtracts its own reservation for it"),
        Term::RaisedToZero { .. } => "a web store cannot hold less than nothing".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> Explanation {
        Explanation {
            sku: "TEAPOT".into(),
            till_code: Some("4001".into()),
            counted: 10.into(),
            export: "stock.csv".into(),
            export_made_at: Timestamp::UNIX_EPOCH,
            export_fingerprint: String::new(),
            export_approved_by: None,
            export_approved_at: None,
            line: 2,
            evidence_until: None,
            model: StockModel::DeductAtPlacement,
            terms: Vec::new(),
            sellable: 10.into(),
            write: 10.into(),
            deducted_orders: Vec::new(),
            taken_too_late: Vec::new(),
            taken_under_other_code: Vec::new(),
            sold_as_other_item: Vec::new(),
            taken_back: Vec::new(),
            store: None,
            due: false,
        }
    }

    #[test]
    fn an_order_taken_shortly_before_the_export_is_told_apart_from_one_that_was_not_taken() {
        let term = Term::NotYetDeducted { number: "7".into(), units: 1.into() };
        let late = vec![TakenLate { number: "7".into(), taken_at: Timestamp::UNIX_EPOCH }];
        assert!(sentence(&term, &Explanation { taken_too_late: late, ..item() }).contains("gate.settle"));
        assert!(sentence(&term, &item()).contains("had not taken it out"));
    }

    #[test]
    fn an_order_taken_under_another_code_is_told_with_the_command_that_settles_it() {
        let term = Term::NotYetDeducted { number: "7".into(), units: 1.into() };
        let apart = vec![TakenApart { number: "7".into(), code: "TEAPOT".into() }];
        let told = sentence(&term, &Explanation { taken_under_other_code: apart, ..item() });
        assert!(told.contains("took it as TEAPOT") && told.contains("items add TEAPOT 4001 --booked"), "{told}");
    }
}
