//! The health report: one picture of the agent, for the page, the API, `status` and the metrics.
//!
//! Promises: everything in it is read from the ledger or from what the running agent published; asking for it changes
//! nothing and never waits for the network.

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::OrderState;
use crate::ledger::conditions::{Condition, Severity};
use crate::ledger::explain::OrderCount;
use crate::ledger::exports::ExportRecord;
use crate::ledger::files::OpenFile;
use crate::ledger::order_tasks::OrderTask;
use crate::ledger::outbox::Depth;
use crate::ledger::watched::{UnprovedOrder, WaitingOrder};
use crate::ledger::{Ledger, Result, facts};
use crate::tasks::orders::task_words;
use crate::tasks::{LEDGER_FAILS, Live};

/// Tasks of staff that are listed; `orders tasks` lists more.
const MOST_TASKS: u32 = 50;

/// In one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// No condition worse than a notice.
    Ok,
    /// Someone should look.
    Warning,
    /// The agent cannot do its work.
    Error,
    /// Someone paused it.
    Paused,
}

/// The whole picture.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// In one word.
    pub status: Standing,
    /// The till connection's name.
    pub account: String,
    /// The program's version.
    pub version: &'static str,
    /// When this was read.
    pub at: Timestamp,
    /// Is an agent running (as far as the asker can tell)?
    pub running: bool,
    /// Since when the agent runs.
    pub started_at: Option<Timestamp>,
    /// For how many seconds.
    pub uptime_seconds: Option<i64>,
    /// Who paused it, and when.
    pub paused: Option<String>,
    /// The troubles that last, the worst first.
    pub conditions: Vec<Condition>,
    /// The export read last.
    pub last_export: Option<ExportShown>,
    /// The export that counts now.
    pub admitted_export: Option<ExportShown>,
    /// How many exports of changes are merged into it.
    pub merged_exports: u64,
    /// The last of those.
    pub last_merged_export: Option<ExportShown>,
    /// Exports that were older than the full one that counted, and were never read.
    pub passed_over_exports: u64,
    /// When stock was last sent to the store.
    pub stock_sent_at: Option<Timestamp>,
    /// Orders by state.
    pub orders: Vec<OrderCount>,
    /// Orders that the till has and has not taken yet.
    pub waiting_for_till: Vec<Waiting>,
    /// Orders that the till has taken, and nothing proves that it booked them.
    pub taken_unproved: Vec<UnprovedOrder>,
    /// Cancellation files that the till has and has not taken yet.
    pub waiting_cancellations: Vec<WaitingCancellation>,
    /// What staff are asked to do about orders, the oldest first.
    pub staff_tasks: Vec<StaffTask>,
    /// What waits for the store.
    pub outbox: Depth,
    /// For how many seconds the oldest of it waits.
    pub outbox_age_seconds: Option<i64>,
    /// What the store is.
    pub store: Option<String>,
    /// Since when it answers.
    pub store_reachable_since: Option<Timestamp>,
    /// Since when it has failed in a row, when it does.
    pub store_fails_since: Option<Timestamp>,
    /// When it is asked next, while it is left alone.
    pub store_next_try: Option<Timestamp>,
    /// When its orders were last read to the end.
    pub orders_pulled_at: Option<Timestamp>,
    /// Size of the ledger.
    pub ledger_bytes: u64,
}

/// An export, for a person.
#[derive(Debug, Clone, Serialize)]
pub struct ExportShown {
    /// The file's name.
    pub name: String,
    /// How far it has come.
    pub state: &'static str,
    /// When it was made (as far as is known).
    pub made_at: Timestamp,
    /// When it was seen.
    pub seen_at: Timestamp,
    /// When the gate decided.
    pub decided_at: Option<Timestamp>,
    /// Who approved it in spite of the gate's doubts.
    pub approved_by: Option<String>,
    /// When that was.
    pub approved_at: Option<Timestamp>,
    /// Items in it.
    pub items: u64,
    /// Rows that could not be used.
    pub row_errors: u64,
}

/// An order that the till has not taken.
#[derive(Debug, Clone, Serialize)]
pub struct Waiting {
    /// Its number.
    pub number: String,
    /// Since when the till could take it.
    pub since: Timestamp,
}

/// A cancellation file that the till has not taken.
#[derive(Debug, Clone, Serialize)]
pub struct WaitingCancellation {
    /// The order's number.
    pub number: String,
    /// The file's name.
    pub file: String,
    /// Since when the till could take it.
    pub since: Timestamp,
}

/// What staff are asked to do about an order.
#[derive(Debug, Clone, Serialize)]
pub struct StaffTask {
    /// The order's number.
    pub number: String,
    /// Since when.
    pub since: Timestamp,
    /// What is wrong.
    pub what: String,
}

impl From<OrderTask> for StaffTask {
    fn from(task: OrderTask) -> Self {
        Self { what: task_words::what(&task), number: task.number, since: task.since }
    }
}

/// Cancellation files that lie where the till looks.
fn waiting_cancellations(ledger: &Ledger) -> Result<Vec<WaitingCancellation>> {
    let shown = |file: OpenFile| {
        let number = file.orders.first().map(|order| order.number.clone()).unwrap_or_default();
        WaitingCancellation { number, since: file.visible_at.unwrap_or(file.planned_at), file: file.names.name }
    };
    Ok(ledger.open_files()?.into_iter().filter(OpenFile::is_waiting_cancellation).map(shown).collect())
}

impl From<ExportRecord> for ExportShown {
    fn from(export: ExportRecord) -> Self {
        Self {
            name: export.name,
            state: export.state.word(),
            made_at: export.timing.shown(),
            seen_at: export.seen_at,
            decided_at: export.decided_at,
            approved_by: export.approved_by,
            approved_at: export.approved_at,
            items: export.skus,
            row_errors: export.row_errors,
        }
    }
}

impl From<WaitingOrder> for Waiting {
    fn from(order: WaitingOrder) -> Self {
        Self { number: order.number, since: order.published_at }
    }
}

/// Reads the picture. `live` is there when the asker is the running agent itself.
///
/// # Errors
/// A failure of the ledger.
pub fn report(
    ledger: &Ledger,
    account: &str,
    live: Option<(Live, Timestamp)>,
    running: bool,
    now: Timestamp,
) -> Result<Report> {
    let mut conditions = ledger.conditions()?;
    conditions.splice(..0, live.iter().flat_map(|(live, _)| ledger_troubles(ledger, live)));
    let paused = ledger.fact(facts::PAUSED)?;
    let outbox = ledger.outbox_depth()?;
    let (merged_exports, last_merged) = ledger.merged_exports()?;
    let (live, started_at) = live.map_or((None, None), |(live, started)| (Some(live), Some(started)));
    Ok(Report {
        status: standing(&conditions, paused.is_some()),
        account: account.to_owned(),
        version: env!("CARGO_PKG_VERSION"),
        at: now,
        running,
        started_at,
        uptime_seconds: started_at.map(|started| now.duration_since(started).as_secs()),
        paused,
        conditions,
        last_export: ledger.last_export()?.map(Into::into),
        admitted_export: ledger.admitted_export()?.map(Into::into),
        merged_exports,
        last_merged_export: last_merged.map(Into::into),
        passed_over_exports: ledger.passed_over_exports()?,
        stock_sent_at: ledger.last_sent()?,
        orders: ledger.order_counts()?,
        waiting_for_till: ledger.waiting_for_till()?.into_iter().map(Into::into).collect(),
        taken_unproved: ledger.unproved_orders()?,
        waiting_cancellations: waiting_cancellations(ledger)?,
        staff_tasks: ledger.order_tasks(MOST_TASKS)?.into_iter().map(Into::into).collect(),
        outbox_age_seconds: outbox.oldest.map(|oldest| now.duration_since(oldest).as_secs().max(0)),
        outbox,
        store: ledger.fact(facts::STORE_SHOWN)?,
        store_reachable_since: live.as_ref().and_then(|live| live.store_reachable_since),
        store_fails_since: live.as_ref().and_then(|live| live.store_fails_since),
        store_next_try: live.as_ref().and_then(|live| live.store_rests_until),
        orders_pulled_at: live.as_ref().and_then(|live| live.orders_pulled_at),
        ledger_bytes: ledger.bytes(),
    })
}

/// What the ledger refuses: a full disk cannot be noted on it.
fn ledger_troubles(ledger: &Ledger, live: &Live) -> Vec<Condition> {
    let folder = ledger.folder().display();
    let trouble = |(what, (since, why)): (&&str, &(Timestamp, String))| {
        Condition {
        code: LEDGER_FAILS.to_owned(),
        subject: (*what).to_owned(),
        severity: Severity::Error,
        since: *since,
        text: format!("{what} cannot go on with {folder}: {why}"),
        remedy: "Mend what the text says, usually by making room on that disk. What was noted is safe, nothing new is done meanwhile, and the agent goes on by itself.".into(),
    }
    };
    live.ledger_fails.iter().map(trouble).collect()
}

fn standing(conditions: &[Condition], paused: bool) -> Standing {
    match conditions.iter().map(|condition| condition.severity).max() {
        Some(Severity::Error) => Standing::Error,
        _ if paused => Standing::Paused,
        Some(Severity::Warning) => Standing::Warning,
        Some(Severity::Notice) | None => Standing::Ok,
    }
}

impl Report {
    /// When an export, full or of changes, was last admitted.
    pub fn admitted_at(&self) -> Option<Timestamp> {
        let both = [&self.admitted_export, &self.last_merged_export];
        both.into_iter().flatten().filter_map(|export| export.decided_at).max()
    }

    /// How many orders are in this state.
    pub fn orders_in(&self, state: OrderState) -> u64 {
        self.orders.iter().find(|count| count.state == state).map_or(0, |count| count.orders)
    }
}
