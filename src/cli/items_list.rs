//! `tillbridge items list`: the pairs, and the items that have no counterpart.
//!
//! Promises: what is not shown for want of room is counted.

use std::io::Write;

use serde_json::json;

use super::{CliError, CliResult, Exit, Format, output};
use crate::domain::Sku;
use crate::ledger::Ledger;
use crate::ledger::item_map::PairShown;
use crate::ledger::unmapped::{TillOnly, Unmapped, WebOnly};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Instead of the pairs: web SKUs that the till's last export lacks, and till codes that the web store lacks
    #[arg(long)]
    unmapped: bool,
    /// Show at most so many of each kind; 0: all
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Lists pairs, or items without a counterpart.
pub(super) fn list(ledger: &Ledger, args: &Args, out: &mut dyn Write) -> CliResult {
    let limit = if args.limit == 0 { u32::MAX } else { args.limit };
    if args.unmapped {
        let Some(unmapped) = ledger.unmapped_items(limit)? else {
            let why = "no export counts yet, so it is not known what the till has; see tillbridge status".to_owned();
            return Err(CliError::Told(Exit::NotThere, why));
        };
        return if args.format == Format::Json { output::json(out, &unmapped) } else { print_unmapped(&unmapped, out) };
    }
    let pairs = ledger.item_pairs()?;
    let shown = pairs.get(..limit as usize).unwrap_or(&pairs);
    if args.format == Format::Json {
        return output::json(out, &json!({ "count": pairs.len(), "pairs": shown }));
    }
    let row = |pair: &PairShown| {
        vec![pair.web_sku.to_string(), pair.till_code.to_string(), output::local(pair.since), pair.by.clone()]
    };
    let none = "No pairs: till and web store call every item the same. (tillbridge items import FILE, or items add)";
    output::table(out, &["web sku", "till code", "since", "by"], shown.iter().map(row).collect(), none)?;
    more(pairs.len() as u64, shown.len(), out)?;
    Ok(Exit::Done)
}

fn more(count: u64, shown: usize, out: &mut dyn Write) -> std::io::Result<()> {
    match count.saturating_sub(shown as u64) {
        0 => Ok(()),
        more => writeln!(out, "… and {more} more (--limit 0 shows all)"),
    }
}

fn print_unmapped(unmapped: &Unmapped, out: &mut dyn Write) -> CliResult {
    writeln!(out, "Web SKUs that the till's last export lacks: {}", unmapped.web_count)?;
    let row = |item: &WebOnly| {
        let code = match &item.till_code {
            Some(code) if *code == item.web_sku => String::new(),
            Some(code) => code.to_string(),
            None => "none: the till means another item by this name".to_owned(),
        };
        vec![item.web_sku.to_string(), code, item.open_orders.to_string()]
    };
    if !unmapped.web.is_empty() {
        let rows = unmapped.web.iter().map(row).collect();
        output::table(out, &["web sku", "till code", "open orders"], rows, "")?;
        more(unmapped.web_count, unmapped.web.len(), out)?;
    }
    writeln!(out, "\nTill codes that the web store lacks: {}", unmapped.till_count)?;
    let row = |item: &TillOnly| {
        let web = match &item.web_sku {
            Some(web) if *web == item.till_code => String::new(),
            Some(web) => Sku::to_string(web),
            None => "none: the web store means another item by this name".to_owned(),
        };
        vec![item.till_code.to_string(), web, item.counted.clone()]
    };
    if !unmapped.till.is_empty() {
        let rows = unmapped.till.iter().map(row).collect();
        output::table(out, &["till code", "web sku", "till's count"], rows, "")?;
        more(unmapped.till_count, unmapped.till.len(), out)?;
    }
    writeln!(out, "\nPair two of them with: tillbridge items add WEB_SKU TILL_CODE")?;
    Ok(Exit::Done)
}
