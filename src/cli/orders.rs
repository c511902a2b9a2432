//! `tillbridge orders list|show|preview|export|declare`; `tasks` and `done` are in `orders_tasks`.

use std::io::{self, Write};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;

use super::{CliError, CliResult, Exit, Format, is_running, ledger_of, orders_preview, orders_tasks, output, person};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::domain::order::ORDER_STATES;
use crate::domain::{OrderLine, OrderState};
use crate::ledger::declarations::Word;
use crate::ledger::files::FileShown;
use crate::ledger::orders::{HistoryEntry, JournalledOrder, OrderFilter};
use crate::ledger::pages::ELSEWHERE;
use crate::ledger::{Ledger, LedgerError};
use crate::ports::{Clock, Purpose};

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List orders, newest first
    List {
        /// Only orders in this state; may be given several times
        #[arg(long = "status", value_name = "STATE", value_parser = state)]
        states: Vec<OrderState>,
        /// Only orders placed since this day or time (2026-03-14, or 2026-03-14T09:00:00Z)
        #[arg(long, value_parser = moment)]
        since: Option<Timestamp>,
        /// At most so many; 0: all
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Show one order: its lines, its files, its history
    Show {
        /// The order's number, or the web store's key
        id: String,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Print the file that would be written of an order, byte for byte; its name and remarks go to standard error
    Preview {
        /// The order's number, or the web store's key
        id: String,
        /// Print the file with the lines instead, where header and lines are two files
        #[arg(long)]
        lines: bool,
        /// Print the file that would tell the till now to take back what was cancelled or returned, or say why none would
        #[arg(long)]
        cancellation: bool,
    },
    /// List what staff are to do in the till about orders that changed after it took them
    Tasks {
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Say that it is done: the till has booked of these orders what the web store wants, no more and no less
    Done {
        /// Numbers of the orders
        #[arg(required = true)]
        ids: Vec<String>,
        /// Who says so [default: the user at the keyboard]
        #[arg(long)]
        by: Option<String>,
    },
    /// Have orders written for the till
    Export {
        /// Numbers of the orders
        #[arg(required = true)]
        ids: Vec<String>,
        /// Also if the till has had the order before. It may then book it twice; this is recorded
        #[arg(long)]
        again: bool,
        /// Who says so [default: the user at the keyboard]
        #[arg(long)]
        by: Option<String>,
    },
    /// Say what became of orders in the till where its files do not tell; recorded with who and when
    Declare {
        /// Numbers of the orders
        #[arg(required = true)]
        ids: Vec<String>,
        /// What became of them
        #[arg(value_enum)]
        word: Fate,
        /// Who says so [default: the user at the keyboard]
        #[arg(long)]
        by: Option<String>,
    },
}

/// What a person says became of an order.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Fate {
    /// The till has booked it. A file that still waits for the till is taken away
    Consumed,
    /// The till has not booked it, and its file is gone. It is written again
    Lost,
}

fn state(word: &str) -> Result<OrderState, String> {
    let known: Vec<&str> = ORDER_STATES.iter().map(|state| state.word()).collect();
    OrderState::from_word(word).ok_or_else(|| format!("known states are {}", known.join(", ")))
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let day = |date: Date| date.to_zoned_datetime(TimeZone::system()).map(|zoned| zoned.timestamp());
    text.parse()
        .or_else(|_| text.parse::<Date>().and_then(day))
        .map_err(|_| "write a day like 2026-03-14 or a time like 2026-03-14T09:00:00Z".to_owned())
}

/// Carries out an `orders` command.
pub(super) fn orders(config: &Config, command: Command, out: &mut dyn Write) -> CliResult {
    let ledger = ledger_of(config)?;
    match command {
        Command::List { states, since, limit, format } => {
            list(&ledger, &OrderFilter { states, since, limit }, format, out)
        }
        Command::Show { id, format } => show(&ledger, &id, format, out),
        Command::Preview { id, lines, cancellation } => {
            let purpose = if cancellation { Purpose::Cancellation } else { Purpose::Order };
            orders_preview::preview(config, &id, purpose, lines, out)
        }
        Command::Tasks { format } => orders_tasks::tasks(&ledger, format, out),
        Command::Done { ids, by } => orders_tasks::done(config, &ledger, &ids, &by.unwrap_or_else(person), out),
        Command::Export { ids, again, by } => {
            let by = by.unwrap_or_else(person);
            for id in &ids {
                let asked = ledger.ask_for_order(id, again, &by, SystemClock.now())?;
                writeln!(out, "Order {} will be written for the till.", output::shown(&asked.order.number))?;
            }
            say_when(config, out)?;
            Ok(Exit::Done)
        }
        Command::Declare { ids, word, by } => {
            let by = by.unwrap_or_else(person);
            for id in &ids {
                declare(&ledger, id, word, &by, out)?;
            }
            say_when(config, out)?;
            Ok(Exit::Done)
        }
    }
}

/// Nothing happens while no agent runs.
fn say_when(config: &Config, out: &mut dyn Write) -> io::Result<()> {
    if is_running(config) {
        return Ok(());
    }
    writeln!(out, "No agent is running; that happens as soon as it does (tillbridge run).")
}

fn declare(ledger: &Ledger, id: &str, word: Fate, by: &str, out: &mut dyn Write) -> Result<(), CliError> {
    let (word, follows) = match word {
        Fate::Consumed => {
            (Word::Consumed, "will count as booked by the till; if its file still waits, it is taken away.")
        }
        Fate::Lost => (Word::Lost, "will be written for the till again, unless its file still waits there."),
    };
    let declared = ledger.declare_order(id, word, by, SystemClock.now())?;
    writeln!(out, "Order {} {follows}", output::shown(&declared.order.number))?;
    Ok(())
}

fn list(ledger: &Ledger, filter: &OrderFilter, format: Format, out: &mut dyn Write) -> CliResult {
    let orders = ledger.orders(filter)?;
    if format == Format::Json {
        let rows: Vec<_> = orders.iter().map(as_json).collect();
        return output::json(out, &rows);
    }
    let row = |order: &JournalledOrder| {
        vec![
            order.order.number.clone(),
            output::local(order.order.placed_at),
            order.state.to_string(),
            order.order.lines.len().to_string(),
            format!("{} {}", order.order.total, order.order.currency),
            order.order.store_status.clone(),
            remark(order),
        ]
    };
    let header = ["number", "placed", "till", "lines", "total", "web store", "remark"];
    let none = "No orders. (Orders appear here as soon as the agent has read them from the web store.)";
    output::table(out, &header, orders.iter().map(row).collect(), none)?;
    Ok(Exit::Done)
}

fn remark(order: &JournalledOrder) -> String {
    match (&order.reason, order.before_our_time) {
        _ if order.elsewhere => ELSEWHERE.to_owned(),
        (Some(reason), _) => reason.clone(),
        (None, true) => "placed before the agent took over".to_owned(),
        (None, false) => String::new(),
    }
}

fn as_json(order: &JournalledOrder) -> serde_json::Value {
    json!({
        "id": order.order.id, "number": order.order.number, "placed_at": order.order.placed_at,
        "state": order.state, "reason": order.reason, "files_written": order.copies,
        "before_our_time": order.before_our_time, "elsewhere": order.elsewhere, "received_at": order.received_at, "changed_at": order.changed_at,
        "store_status": order.order.store_status, "standing": order.order.standing,
        "currency": order.order.currency, "total": order.order.total.to_string(), "lines": order.order.lines,
    })
}

fn show(ledger: &Ledger, id: &str, format: Format, out: &mut dyn Write) -> CliResult {
    let Some(order) = ledger.order(id)? else {
        return Err(LedgerError::NoSuchOrder(id.to_owned()).into());
    };
    let files = ledger.files_of(&order.order.id)?;
    let history = ledger.order_history(&order.order.id)?;
    if format == Format::Json {
        let mut value = as_json(&order);
        value["files"] = json!(files);
        value["history"] = json!(history);
        return output::json(out, &value);
    }
    print_order(out, &order)?;
    print_files(out, files)?;
    print_history(out, history)?;
    Ok(Exit::Done)
}

fn print_order(out: &mut dyn Write, order: &JournalledOrder) -> io::Result<()> {
    let (number, status) = (output::shown(&order.order.number), output::shown(&order.order.store_status));
    let whose = if order.elsewhere { "" } else { " in the web store" };
    writeln!(out, "Order {number} ({status}{whose}) is {}", order.state)?;
    let why = remark(order);
    if !why.is_empty() {
        writeln!(out, "  {}", output::shown(&why))?;
    }
    writeln!(out)?;
    let row = |line: &OrderLine| {
        let units = [line.ordered, line.cancelled, line.shipped, line.refunded].map(|units| units.to_string());
        [vec![line.sku.to_string(), line.name.clone()], units.to_vec()].concat()
    };
    let header = ["sku", "name", "ordered", "cancelled", "shipped", "refunded"];
    output::table(out, &header, order.order.lines.iter().map(row).collect(), "It has no lines.")?;
    writeln!(out)
}

fn print_files(out: &mut dyn Write, files: Vec<FileShown>) -> io::Result<()> {
    let row = |file: FileShown| {
        let (visible, ended) = (output::local_or_dash(file.visible_at), output::local_or_dash(file.ended_at));
        let (what, state) = (kind_words(&file.kind).to_owned(), state_words(&file));
        vec![file.name, what, state, visible, ended, file.evidence.unwrap_or_default()]
    };
    let header = ["file", "for", "state", "visible since", "ended", "evidence"];
    output::table(out, &header, files.into_iter().map(row).collect(), "No file was written for it yet.")?;
    writeln!(out)
}

fn kind_words(kind: &str) -> &str {
    match kind {
        "by-hand" => "booked by staff, no file",
        "cancellation" => "taking back",
        other => other,
    }
}

fn state_words(file: &FileShown) -> String {
    let is_by_hand = file.kind == "by-hand";
    if is_by_hand { "done".to_owned() } else { file.state.clone() }
}

fn print_history(out: &mut dyn Write, history: Vec<HistoryEntry>) -> io::Result<()> {
    let row =
        |entry: HistoryEntry| vec![output::local(entry.at), entry.what, entry.detail.unwrap_or_default(), entry.by];
    output::table(out, &["when", "what", "particulars", "by"], history.into_iter().map(row).collect(), "")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rust_decimal::Decimal;

    use super::*;
    use crate::domain::order::{Customer, Standing};
    use crate::domain::{OrderId, Quantity, Sku, WebOrder};
    use crate::ports::{FeedCursor, OrderPage};

    fn order() -> WebOrder {
        let line = OrderLine {
            id: "1".into(),
            sku: Sku::new("A").unwrap(),
            name: "Article".into(),
            ordered: 2.into(),
            cancelled: Quantity::ZERO,
            shipped: Quantity::ZERO,
            refunded: Quantity::ZERO,
            returned: Quantity::ZERO,
            price: Decimal::ONE,
            price_incl_tax: Decimal::ONE,
            tax_percent: Decimal::ZERO,
            discount: Decimal::ZERO,
            takes_stock: true,
        };
        WebOrder {
            id: OrderId("7".into()),
            number: "000000007".into(),
            placed_at: Timestamp::UNIX_EPOCH,
            standing: Standing::Ready,
            store_status: "pending".into(),
            customer: Customer::default(),
            payment: String::new(),
            shipping: String::new(),
            currency: "EUR".into(),
            total: Decimal::TWO,
            shipping_total: Decimal::ZERO,
            lines: vec![line],
        }
    }

    #[test]
    fn an_order_that_another_shop_fulfils_is_called_that() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let cursor = FeedCursor("1".into());
        ledger.record_orders(&[order()], &cursor, Timestamp::MIN, Timestamp::UNIX_EPOCH).unwrap();
        let id = order().id;
        let page = OrderPage {
            orders: Vec::new(),
            unreadable: Vec::new(),
            elsewhere: vec![id.clone(), OrderId("8".into())],
            next: cursor,
            more: false,
        };
        assert!(!ledger.knows_page(&page, Timestamp::MIN).unwrap());
        let recorded = ledger.record_page(&page, Timestamp::MIN, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((recorded.new, recorded.changed), (0, 1), "what was never this shop's is not noted");
        assert!(ledger.knows_page(&page, Timestamp::MIN).unwrap(), "no write for a page read again");
        ledger.order_withdrawn(&id, Timestamp::UNIX_EPOCH).unwrap();
        let mut shown = Vec::new();
        show(&ledger, "7", Format::Table, &mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.starts_with("Order 000000007 (not this shop's any more) is withdrawn"), "{shown}");
        assert!(shown.contains("went to another shop"), "{shown}");
        let mut listed = Vec::new();
        list(&ledger, &OrderFilter::default(), Format::Table, &mut listed).unwrap();
        assert!(String::from_utf8(listed).unwrap().contains("not this shop's any more"));
        let mut listed = Vec::new();
        list(&ledger, &OrderFilter::default(), Format::Json, &mut listed).unwrap();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&listed).unwrap()[0]["elsewhere"], true);
    }
}
