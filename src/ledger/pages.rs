//! Pages of the order feed, into the journal.
//!
//! Promises: an order is known by its store key and the hash of its content, so reading it twice changes nothing. Another
//! shop's order is not recorded at all; one that was this shop's and goes to another counts for nothing here from then on,
//! and takes the ways of a cancelled order: withdrawn if the till has not taken it, else a cancellation file or a task. It
//! is reinstated when it comes back. A page and the cursor behind it commit together.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};

use super::orders::{AGENT, Recorded, json, move_order, note};
use super::{Doing, Ledger, LedgerError, Result, acknowledgements, facts, micros, outbox, set_fact_in};
use crate::domain::order::{OrderEvent, Standing};
use crate::domain::{OrderId, OrderLine, Quantity, WebOrder};
use crate::ports::{FeedCursor, OrderPage, hex};

/// What stands for the store's word about an order that another shop fulfils.
pub const ELSEWHERE: &str = "not this shop's any more";

impl Ledger {
    /// Notes a page of the order feed, the SKUs that it makes due, and where the feed continues: one transaction.
    ///
    /// `ours_since`: orders placed earlier are not exported on their own.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row. Nothing of the page is then noted.
    pub fn record_page(&self, page: &OrderPage, ours_since: Timestamp, now: Timestamp) -> Result<Recorded> {
        self.transact("note new orders", |tx| {
            let mut recorded = Recorded::default();
            for id in &page.elsewhere {
                give_away(tx, id, now, &mut recorded)?;
            }
            record_all(tx, &page.orders, &page.next, ours_since, now, recorded)
        })
    }

    /// Notes orders of this shop, and where the feed continues: one transaction.
    ///
    /// # Errors
    /// As [`Ledger::record_page`].
    pub fn record_orders(
        &self,
        orders: &[WebOrder],
        next: &FeedCursor,
        ours_since: Timestamp,
        now: Timestamp,
    ) -> Result<Recorded> {
        self.transact("note new orders", |tx| record_all(tx, orders, next, ours_since, now, Recorded::default()))
    }

    /// Would noting this page change anything? Spares the idle agent a write.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn knows_page(&self, page: &OrderPage, ours_since: Timestamp) -> Result<bool> {
        self.read("compare orders", |tx| {
            for id in &page.elsewhere {
                if is_ours_in(tx, id)? {
                    return Ok(false);
                }
            }
            knows_all(tx, &page.orders, &page.next, ours_since)
        })
    }

    /// The same of orders of this shop.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn knows_orders(&self, orders: &[WebOrder], next: &FeedCursor, ours_since: Timestamp) -> Result<bool> {
        self.read("compare orders", |tx| knows_all(tx, orders, next, ours_since))
    }
}

fn record_all(
    tx: &Transaction<'_>,
    orders: &[WebOrder],
    next: &FeedCursor,
    ours_since: Timestamp,
    now: Timestamp,
    mut recorded: Recorded,
) -> Result<Recorded> {
    for order in orders {
        record_one(tx, order, ours_since, now, &mut recorded)?;
    }
    let known = super::fact_in(tx, facts::FEED_CURSOR)?;
    if known.as_deref() != Some(next.0.as_str()) {
        set_fact_in(tx, facts::FEED_CURSOR, Some(&next.0))?;
    }
    Ok(recorded)
}

fn knows_all(tx: &Connection, orders: &[WebOrder], next: &FeedCursor, ours_since: Timestamp) -> Result<bool> {
    for order in orders {
        let known = content_hash_in(tx, &order.id)?;
        if known != Some(content_hash(order)) && (known.is_some() || !is_history(order, ours_since)) {
            return Ok(false);
        }
    }
    Ok(super::fact_in(tx, facts::FEED_CURSOR)?.as_deref() == Some(next.0.as_str()))
}

fn content_hash(order: &WebOrder) -> String {
    hex(&Sha256::digest(json(order).as_bytes()))
}

fn content_hash_in(tx: &Connection, id: &OrderId) -> Result<Option<String>> {
    tx.prepare_cached("SELECT content_hash FROM web_order WHERE id = ?1")
        .and_then(|mut found| found.query_row([&id.0], |row| row.get(0)).optional())
        .doing("compare an order")
}

/// Is it in the journal as an order of this shop?
fn is_ours_in(tx: &Connection, id: &OrderId) -> Result<bool> {
    tx.prepare_cached("SELECT 1 FROM web_order WHERE id = ?1 AND elsewhere = 0")
        .and_then(|mut found| found.exists([&id.0]))
        .doing("compare an order")
}

fn record_one(
    tx: &Transaction<'_>,
    order: &WebOrder,
    ours_since: Timestamp,
    now: Timestamp,
    recorded: &mut Recorded,
) -> Result<()> {
    let hash = content_hash(order);
    let known = content_hash_in(tx, &order.id)?;
    if known.as_ref() == Some(&hash) || (known.is_none() && is_history(order, ours_since)) {
        return Ok(());
    }
    let comes_back = known.is_some() && !is_ours_in(tx, &order.id)?;
    let early = order.placed_at < ours_since;
    write(tx, order, &Row { hash: &hash, early, elsewhere: false }, now)?;
    if known.is_none() {
        recorded.new += 1;
        return note(tx, &order.id, "received", Some(&order.store_status), AGENT, now);
    }
    recorded.changed += 1;
    let what = if comes_back { "is this shop's again" } else { "changed in the web store" };
    note(tx, &order.id, what, Some(&order.store_status), AGENT, now)?;
    if order.is_void() { Ok(()) } else { move_order(tx, &order.id, OrderEvent::Changed, None, AGENT, now) }
}

/// Another shop fulfils it now. What the till has of it stays to be corrected; the arithmetic no longer counts it.
fn give_away(tx: &Transaction<'_>, id: &OrderId, now: Timestamp, recorded: &mut Recorded) -> Result<()> {
    if !is_ours_in(tx, id)? {
        return Ok(());
    }
    let body: String =
        tx.query_row("SELECT body FROM web_order WHERE id = ?1", [&id.0], |row| row.get(0)).doing("read an order")?;
    let damaged =
        |why: serde_json::Error| LedgerError::Damaged { table: "web_order", row: id.0.clone(), why: why.to_string() };
    let order = given_away(serde_json::from_str(&body).map_err(damaged)?);
    let hash = content_hash(&order);
    // An order from before our time stays one: `early` is not written again.
    write(tx, &order, &Row { hash: &hash, early: false, elsewhere: true }, now)?;
    recorded.changed += 1;
    acknowledgements::withhold_all(tx, id)?;
    note(tx, id, "went to another shop, or was deleted in the web store", None, AGENT, now)
}

/// Nothing of it is to be taken here (`n`) or reserved for this shop (`r`). What was shipped is left as it is: it tells how
/// far the store itself has moved the quantity.
fn given_away(order: WebOrder) -> WebOrder {
    let line = |line: OrderLine| OrderLine { cancelled: line.ordered, ..line };
    let lines = order.lines.into_iter().map(line).collect();
    WebOrder { standing: Standing::Waiting, store_status: ELSEWHERE.to_owned(), lines, ..order }
}

/// Was it over before the agent took over? Then it claims nothing, and a shop may have a hundred thousand of them.
fn is_history(order: &WebOrder, ours_since: Timestamp) -> bool {
    order.placed_at < ours_since && order.lines.iter().all(|line| line.reserved().is_zero())
}

/// What stands beside an order in its row.
struct Row<'a> {
    hash: &'a str,
    /// Placed before the agent took over.
    early: bool,
    elsewhere: bool,
}

fn write(tx: &Transaction<'_>, order: &WebOrder, row: &Row<'_>, now: Timestamp) -> Result<()> {
    // SKUs of the old description are due as well: a line may have gone.
    outbox::mark_order_due(tx, &order.id, now)?;
    upsert(tx, order, row, now).doing("note an order")?;
    write_claims(tx, order).doing("note an order's lines")?;
    outbox::mark_order_due(tx, &order.id, now)
}

fn upsert(tx: &Transaction<'_>, order: &WebOrder, row: &Row<'_>, now: Timestamp) -> rusqlite::Result<()> {
    let ready = order.standing == Standing::Ready;
    tx.prepare_cached(
        "INSERT INTO web_order (id, number, placed_at, received_at, changed_at, ready, void, store_status, content_hash, body, state, before_our_time, elsewhere)
         VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8, ?9, 'received', ?10, ?11)
         ON CONFLICT (id) DO UPDATE SET number = excluded.number, changed_at = excluded.changed_at, ready = excluded.ready,
           void = excluded.void, store_status = excluded.store_status, content_hash = excluded.content_hash, body = excluded.body,
           elsewhere = excluded.elsewhere",
    )?
    .execute(params![
        order.id.0, order.number, micros(order.placed_at), micros(now), ready, order.is_void(), order.store_status,
        row.hash, json(order), row.early, row.elsewhere
    ])?;
    Ok(())
}

fn write_claims(tx: &Transaction<'_>, order: &WebOrder) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM order_claim WHERE order_id = ?1")?.execute([&order.id.0])?;
    let mut claims = std::collections::BTreeMap::<&str, [Quantity; 3]>::new();
    for line in order.lines.iter().filter(|line| line.takes_stock) {
        let [to_take, reserved, shipped] = claims.entry(line.sku.as_str()).or_default();
        *to_take = *to_take + line.to_take();
        *reserved = *reserved + line.reserved();
        *shipped = *shipped + line.left_by_shipment();
    }
    let mut insert = tx.prepare_cached(
        "INSERT INTO order_claim (sku, order_id, to_take, reserved, shipped) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (sku, [to_take, reserved, shipped]) in claims {
        insert.execute(params![sku, order.id.0, to_take.to_string(), reserved.to_string(), shipped.to_string()])?;
    }
    // What the till has of it stays in view, also where the store no longer lists it.
    tx.prepare_cached(
        "INSERT INTO order_claim (sku, order_id, to_take, reserved, shipped)
         SELECT DISTINCT u.sku, ?1, '0', '0', '0' FROM order_file f JOIN order_file_units u ON u.name = f.name AND u.order_id = ?1
         WHERE f.order_id = ?1 AND u.sku NOT IN (SELECT value FROM json_each(?2)) ON CONFLICT DO NOTHING",
    )?
    .execute(params![order.id.0, json(&order.lines.iter().map(|line| line.sku.as_str()).collect::<Vec<_>>())])?;
    Ok(())
}
