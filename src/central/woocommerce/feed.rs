//! The order feed: which orders changed.
//!
//! Promises: no order is missed and none skipped at a page's edge. First everything by id; then what was modified since
//! the newest modification seen, less an overlap. WooCommerce documents no sorting by modification, so a round is paged
//! by id, newest first, and pages overlap: a page that does not join the one before it (an order left the list
//! meanwhile) is asked for again from further back. An order that changes while we page is met in the next round,
//! because the watermark is the newest modification on the round's *first* page, or a later one up to the store's own
//! `Date` on that page: a time that the store wrote, never ours.
//! Orders that still take stock are read again by id every [`SWEEP_EVERY`] rounds: what changed without moving the date
//! (the store's deduction is noted a moment later) is met then, and an order that was trashed or deleted is missed.
//!
//! An idle round is one request; every tenth has one more per hundred open orders. With WooCommerce's own order tables
//! merely opening an order moves its date (woocommerce#41226): it comes again, and the ledger knows its content.
//! Does not promise that an order comes only once.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::WooCommerce;
use super::order::web_order;
use super::wire::{Trouble, moment, written};
use crate::central::client::Reply;
use crate::domain::retry::FailureClass;
use crate::domain::{OrderId, WebOrder};
use crate::ports::{FeedCursor, OrderPage, StoreError};

/// What is asked of each order. `_fields` is WordPress's own parameter, taken by WooCommerce since 3.5.
pub(super) const FIELDS: &str = "id,number,status,currency,date_created_gmt,date_modified_gmt,date_completed_gmt,total,\
shipping_total,shipping_tax,billing,shipping,payment_method,line_items,tax_lines,shipping_lines,fee_lines,refunds";
/// Decimal places of money: prices with tax inside have sums without it that need more than two.
const MONEY_PLACES: u8 = 6;
/// Rows by which pages overlap, at most.
const OVERLAPPING_ROWS: usize = 10;
/// Rounds from one sweep of the open orders to the next.
const SWEEP_EVERY: u32 = 10;
/// Most open orders that are remembered, the newest.
const MOST_OPEN: usize = 500;
/// Orders asked for by id at once.
const SWEPT_AT_ONCE: usize = 100;
/// Missing orders looked up in one go.
const LOOKED_UP_AT_ONCE: usize = 10;
/// What is being done, for messages.
const DOING: &str = "reading orders";

/// Where the reading has come to; what a [`FeedCursor`] holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    step: Step,
    /// Newest modification that is surely behind us.
    watermark: Option<String>,
    /// Newest modification of this round, as far as it was surely made before the round began.
    newest: Option<String>,
    /// When this round began, by the store's clock.
    begun: Option<String>,
    /// Orders that still take stock and may yet be cancelled, trashed or deleted.
    open: BTreeSet<u64>,
}

/// Which request comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// Everything, by id: after so many rows, the last of which had this id.
    All { offset: u64, last: u64 },
    /// A new round of changes.
    Round,
    /// The rest of a round, newest id first: after so many rows, the last of which had this id.
    Changed { offset: u64, last: u64 },
    /// Open orders with a higher id than this.
    Sweep { after: u64 },
}

impl WooCommerce {
    /// One page of the feed.
    pub(super) async fn feed(&self, cursor: Option<&FeedCursor>) -> Result<OrderPage, StoreError> {
        let position = match cursor.and_then(read_cursor) {
            Some(position) => position,
            None => self.beginning().await?,
        };
        match position.step {
            Step::Sweep { after } => self.sweep(position, after).await,
            Step::All { .. } | Step::Round | Step::Changed { .. } => self.next_rows(position).await,
        }
    }

    /// The watermark has to be older than the first page: what changes while everything is read comes after it.
    async fn beginning(&self) -> Result<Position, StoreError> {
        let call =
            self.get(DOING, "/orders?status=any&orderby=date&order=desc&per_page=1&_fields=id,date_modified_gmt");
        let rows: Vec<Value> = self.client.ask(&call).await?;
        let watermark = keys(&rows)?.into_iter().next().map(|key| key.at);
        let step = Step::All { offset: 0, last: 0 };
        Ok(Position { step, watermark, newest: None, begun: None, open: BTreeSet::new() })
    }

    async fn next_rows(&self, mut position: Position) -> Result<OrderPage, StoreError> {
        // Two rows at least: pages have to overlap.
        let size = self.page.max(2);
        let from = position.from(self.overlap);
        let call = self.get(DOING, &position.route(size, from));
        let reply = self.client.send(&call).await?;
        let rows: Vec<Value> = self.client.read(&call, &reply)?;
        let keys = keys(&rows)?;
        refuse_unfiltered(&position, &keys, from, size)?;
        if position.leaves_a_gap(&keys, reply.total) {
            position.step_back(size);
            return Ok(page(Vec::new(), &position, true));
        }
        let mut read = Vec::new();
        for value in &rows {
            read.push(self.understood(value, reply.date, &mut position.open));
        }
        let was_round = !matches!(position.step, Step::All { .. });
        let more = position.advance(&keys, &reply, size) || (was_round && self.begin_sweep(&mut position));
        Ok(page(read, &position, more))
    }

    /// After a round: is it time to look after the open orders?
    fn begin_sweep(&self, position: &mut Position) -> bool {
        let due = self.rounds.fetch_add(1, Ordering::Relaxed).is_multiple_of(SWEEP_EVERY) && !position.open.is_empty();
        if due {
            position.step = Step::Sweep { after: 0 };
        }
        due
    }

    /// Reads open orders again, and looks up those that the list no longer has.
    async fn sweep(&self, mut position: Position, after: u64) -> Result<OrderPage, StoreError> {
        let asked: Vec<u64> = position.open.range(after.saturating_add(1)..).copied().take(SWEPT_AT_ONCE).collect();
        let Some(&last) = asked.last() else {
            position.step = Step::Round;
            return Ok(page(Vec::new(), &position, false));
        };
        let ids = asked.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        let route =
            format!("/orders?status=any&include={ids}&orderby=id&order=asc&per_page={SWEPT_AT_ONCE}&{}", wanted());
        let call = self.get(DOING, &route);
        let reply = self.client.send(&call).await?;
        let rows: Vec<Value> = self.client.read(&call, &reply)?;
        let listed: BTreeSet<u64> = keys(&rows)?.into_iter().map(|key| key.id).collect();
        let mut read: Vec<Read> =
            rows.iter().map(|value| self.understood(value, reply.date, &mut position.open)).collect();
        let mut behind = last;
        for (count, id) in asked.iter().filter(|id| !listed.contains(id)).enumerate() {
            if count == LOOKED_UP_AT_ONCE {
                break;
            }
            read.push(self.look_up(*id, &mut position.open).await?);
            behind = if count + 1 == LOOKED_UP_AT_ONCE { *id } else { last };
        }
        let more = position.open.range(behind.saturating_add(1)..).next().is_some();
        position.step = if more { Step::Sweep { after: behind } } else { Step::Round };
        Ok(page(read, &position, more))
    }

    /// An order that the list does not have: in the trash, or gone for good. Trashed ones can still be had by their id
    /// (woocommerce#21595). Only the store's own word that there is none counts as gone, never a web page or a 404 of
    /// somebody else.
    async fn look_up(&self, id: u64, open: &mut BTreeSet<u64>) -> Result<Read, StoreError> {
        let call = self.get(&format!("looking for order {id}"), &format!("/orders/{id}?{}", wanted()));
        let reply = self.client.send(&call).await?;
        if is_gone(&reply) {
            open.remove(&id);
            return Ok(Read::Gone(OrderId(id.to_string())));
        }
        let value: Value = self.client.read(&call, &reply)?;
        Ok(self.understood(&value, reply.date, open))
    }

    fn understood(&self, value: &Value, now: Option<Timestamp>, open: &mut BTreeSet<u64>) -> Read {
        let order = match web_order(value, &self.policy, now) {
            Ok(Some(order)) => order,
            Ok(None) => return Read::NoOrder,
            Err(why) => return Read::Unreadable(why),
        };
        if let Ok(id) = order.id.0.parse::<u64>() {
            let is_done = matches!(value.get("status").and_then(Value::as_str), Some("completed" | "refunded"));
            if !is_done && order.lines.iter().any(|line| line.to_take().is_positive()) {
                open.insert(id);
                while open.len() > MOST_OPEN {
                    open.pop_first();
                }
            } else {
                open.remove(&id);
            }
        }
        Read::Order(Box::new(order))
    }
}

/// Did the store itself say that it has no such order?
fn is_gone(reply: &Reply) -> bool {
    reply.status == 404
        && !reply.is_web_page()
        && Trouble::read(&reply.body).code == "woocommerce_rest_shop_order_invalid_id"
}

/// What one row turned out to be.
enum Read {
    Order(Box<WebOrder>),
    Unreadable((String, String)),
    NoOrder,
    /// The store has it no more.
    Gone(OrderId),
}

fn page(read: Vec<Read>, position: &Position, more: bool) -> OrderPage {
    let (mut orders, mut unreadable, mut elsewhere) = (Vec::new(), Vec::new(), Vec::new());
    for one in read {
        match one {
            Read::Order(order) => orders.push(*order),
            Read::Unreadable(why) => unreadable.push(why),
            Read::NoOrder => {}
            Read::Gone(id) => elsewhere.push(id),
        }
    }
    OrderPage { orders, unreadable, elsewhere, next: position.cursor(), more }
}

/// What is asked of orders, as a query.
fn wanted() -> String {
    format!("dp={MONEY_PLACES}&_fields={FIELDS}")
}

/// Pages overlap by so many rows.
fn overlap_of(size: usize) -> u64 {
    (size / 2).clamp(1, OVERLAPPING_ROWS) as u64
}

impl Position {
    fn cursor(&self) -> FeedCursor {
        FeedCursor(serde_json::to_string(self).unwrap_or_default())
    }

    /// Rows behind us in this pass, and the id of the last one.
    fn behind(&self) -> (u64, u64) {
        match self.step {
            Step::All { offset, last } | Step::Changed { offset, last } => (offset, last),
            Step::Round | Step::Sweep { .. } => (0, 0),
        }
    }

    /// The moment after which orders were modified that this pass reads; none when it reads all.
    fn from(&self, overlap: jiff::SignedDuration) -> Option<Timestamp> {
        match self.step {
            Step::All { .. } => None,
            Step::Round | Step::Changed { .. } | Step::Sweep { .. } => {
                moment(self.watermark.as_deref()?).ok()?.checked_sub(overlap).ok()
            }
        }
    }

    /// The next request of a pass.
    fn route(&self, size: usize, from: Option<Timestamp>) -> String {
        let order = if matches!(self.step, Step::All { .. }) { "asc" } else { "desc" };
        let (offset, _) = self.behind();
        let since = from.map(|from| format!("&modified_after={}&dates_are_gmt=true", written(from)));
        let since = since.unwrap_or_default();
        format!("/orders?status=any&orderby=id&order={order}&per_page={size}&offset={offset}{since}&{}", wanted())
    }

    /// Do these rows leave out some after the last one? Then orders left the list meanwhile, and the rows moved up.
    fn leaves_a_gap(&self, keys: &[Key], total: Option<u64>) -> bool {
        let (offset, last) = self.behind();
        if offset == 0 {
            return false;
        }
        match (keys.first(), self.step) {
            (Some(first), Step::All { .. }) => first.id > last,
            (Some(first), Step::Changed { .. } | Step::Round | Step::Sweep { .. }) => first.id < last,
            // Beyond the end. Where the store does not tell how many there are, that is how the end is found.
            (None, _) => total.is_some(),
        }
    }

    fn step_back(&mut self, size: usize) {
        let by = size as u64 - overlap_of(size);
        match &mut self.step {
            Step::All { offset, .. } | Step::Changed { offset, .. } => *offset = offset.saturating_sub(by),
            Step::Round | Step::Sweep { .. } => {}
        }
    }

    /// What changed on a later page may have changed after the first was read, when others changed that lie behind us: it
    /// counts only up to the moment at which the round began.
    fn note_newest(&mut self, keys: &[Key], now: Option<Timestamp>) {
        let seen = keys.iter().map(|key| key.at.clone()).max();
        match self.step {
            Step::Round => (self.newest, self.begun) = (seen, now.map(written)),
            Step::Changed { .. } => {
                let surely = seen.zip(self.begun.clone()).map(|(seen, begun)| seen.min(begun));
                self.newest = self.newest.take().max(surely);
            }
            Step::All { .. } | Step::Sweep { .. } => {}
        }
    }

    /// Moves to the next request. Is there one in this pass?
    fn advance(&mut self, keys: &[Key], reply: &Reply, size: usize) -> bool {
        self.note_newest(keys, reply.date);
        let (offset, before) = self.behind();
        let more = match reply.total {
            Some(total) => offset.saturating_add(size as u64) < total,
            None => !keys.is_empty(),
        };
        let Some(last) = keys.last().filter(|_| more) else {
            // While everything is read by id, what is seen proves nothing about changes elsewhere.
            self.watermark = self.watermark.take().max(self.newest.take());
            self.begun = None;
            self.step = Step::Round;
            return false;
        };
        let offset = (offset + size as u64).saturating_sub(overlap_of(size));
        self.step = match self.step {
            Step::All { .. } => Step::All { offset, last: last.id.max(before) },
            Step::Changed { .. } => Step::Changed { offset, last: last.id.min(before) },
            Step::Round | Step::Sweep { .. } => Step::Changed { offset, last: last.id },
        };
        true
    }
}

/// Before 5.8 WooCommerce did not know `modified_after` and answered with all orders, which would go on for ever.
fn refuse_unfiltered(
    position: &Position,
    keys: &[Key],
    from: Option<Timestamp>,
    size: usize,
) -> Result<(), StoreError> {
    let Some(from) = from else { return Ok(()) };
    let is_older = |key: &Key| moment(&key.at).is_ok_and(|at| at < from);
    if keys.len() < size || position.behind().0 > 0 || !keys.iter().all(is_older) {
        return Ok(());
    }
    let what = format!(
        "{DOING}: the store answers with all orders when asked for those that were modified lately. WooCommerce 5.8 is \
         the least; have it updated"
    );
    Err(StoreError::new(FailureClass::Permanent, what))
}

/// A cursor of another store, or of another version of us, means starting over: reading consumes nothing.
fn read_cursor(cursor: &FeedCursor) -> Option<Position> {
    let position = serde_json::from_str(&cursor.0);
    if let Err(why) = &position {
        tracing::warn!(error = %why, "the order feed's position cannot be read; all orders are read again");
    }
    position.ok()
}

/// An order's place in the feed.
#[derive(Debug, Clone)]
struct Key {
    id: u64,
    at: String,
}

/// The place of each order of a page.
fn keys(rows: &[Value]) -> Result<Vec<Key>, StoreError> {
    #[derive(Deserialize)]
    struct Place {
        id: u64,
        /// Drafts may have none.
        date_modified_gmt: Option<String>,
    }
    let key = |value: &Value| -> Result<Key, String> {
        let place = Place::deserialize(value).map_err(|why| why.to_string())?;
        let at = place.date_modified_gmt.unwrap_or_default();
        if !at.is_empty() {
            moment(&at)?;
        }
        Ok(Key { id: place.id, at })
    };
    rows.iter().map(key).collect::<Result<_, _>>().map_err(|why| {
        let what = format!("{DOING}: an order without its place in the feed ({why}); the page cannot be used");
        StoreError::new(FailureClass::Bug, what)
    })
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
