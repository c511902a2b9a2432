//! News of orders for the store: which of them lie before the till, were taken, refused or cannot be written.
//!
//! Promises: queued in the transaction that notes it; the same key for every repetition, so that a store that
//! heard it already can tell; of an order only the newest news waits, so that a late "given to the till" never follows
//! "the till took it".

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::outbox::{READY, exists};
use super::{Doing, Ledger, Result, micros, orders};
use crate::domain::OrderId;
use crate::domain::order::OrderEvent;
use crate::ports::{Acknowledgement, Stage};

/// News of one order.
pub(crate) struct News<'a> {
    /// Of which.
    pub(crate) order: &'a OrderId,
    /// Which of its files, counted from 1.
    pub(crate) copy: u32,
    /// How far it has come.
    pub(crate) stage: Stage,
    /// The file's name, or why there is none.
    pub(crate) reference: &'a str,
    /// Since when.
    pub(crate) at: Timestamp,
}

/// The same for every repetition of this news.
fn key_of(order: &OrderId, stage: Stage, copy: u32) -> String {
    format!("{order}-{}-{copy}", stage.word())
}

/// Queues news of an order. What waited to be told of it is older, and is not told any more.
pub(crate) fn enqueue(tx: &Transaction<'_>, news: &News<'_>, now: Timestamp) -> Result<()> {
    const QUEUE: &str = "queue an acknowledgement";
    let key = key_of(news.order, news.stage, news.copy);
    let number = "SELECT number, elsewhere FROM web_order WHERE id = ?1";
    let (number, elsewhere): (String, bool) =
        tx.query_row(number, [&news.order.0], |row| Ok((row.get(0)?, row.get(1)?))).doing(QUEUE)?;
    // What this till has of it is no news of whoever fulfils it now.
    if elsewhere {
        return Ok(());
    }
    let body = Acknowledgement {
        order: news.order.clone(),
        number,
        stage: news.stage,
        reference: news.reference.to_owned(),
        at: news.at,
        idempotency_key: key.clone(),
    };
    let body = serde_json::to_string(&body).unwrap_or_default();
    let older = "DELETE FROM outbox_acknowledgement WHERE order_id = ?1 AND idempotency_key <> ?2 AND leased = 0";
    tx.execute(older, params![news.order.0, key]).doing(QUEUE)?;
    let given_up = "DELETE FROM outbox_trouble WHERE kind = 'acknowledgement' AND order_id = ?1 AND key <> ?2";
    tx.execute(given_up, params![news.order.0, key]).doing(QUEUE)?;
    let sql = "INSERT INTO outbox_acknowledgement (idempotency_key, order_id, body, due_since) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT DO NOTHING";
    tx.execute(sql, params![key, news.order.0, body, micros(now)]).map(|_| ()).doing(QUEUE)
}

const WITHHOLD: &str = "withhold an acknowledgement";

/// News that is not true any more and has not been told yet is not told.
pub(crate) fn withhold(tx: &Transaction<'_>, order: &OrderId, copy: u32, stage: Stage) -> Result<()> {
    let key = key_of(order, stage, copy);
    let given_up = "DELETE FROM outbox_trouble WHERE kind = 'acknowledgement' AND key = ?1";
    tx.execute(given_up, [&key]).doing(WITHHOLD)?;
    tx.execute("DELETE FROM outbox_acknowledgement WHERE idempotency_key = ?1 AND leased = 0", [key])
        .map(|_| ())
        .doing(WITHHOLD)
}

/// Another shop fulfils the order: nothing that was not told yet is told by this one.
pub(crate) fn withhold_all(tx: &Transaction<'_>, order: &OrderId) -> Result<()> {
    let given_up = "DELETE FROM outbox_trouble WHERE kind = 'acknowledgement' AND order_id = ?1";
    tx.execute(given_up, [&order.0]).doing(WITHHOLD)?;
    tx.execute("DELETE FROM outbox_acknowledgement WHERE order_id = ?1", [&order.0]).map(|_| ()).doing(WITHHOLD)
}

/// Without those that were on their way, or given back, when newer news of their order was queued.
fn unless_overtaken(
    tx: &Transaction<'_>,
    due: Vec<(Acknowledgement, u32)>,
) -> rusqlite::Result<Vec<(Acknowledgement, u32)>> {
    let mut forget = tx.prepare_cached(
        "DELETE FROM outbox_acknowledgement WHERE idempotency_key = ?1 AND EXISTS
         (SELECT 1 FROM outbox_acknowledgement n WHERE n.order_id = ?2 AND n.due_since > outbox_acknowledgement.due_since)",
    )?;
    let mut left = Vec::with_capacity(due.len());
    for (news, attempts) in due {
        if forget.execute([&news.idempotency_key, &news.order.0])? == 0 {
            left.push((news, attempts));
        }
    }
    Ok(left)
}

impl Ledger {
    /// Leases acknowledgements that are due, oldest first.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn lease_acknowledgements(
        &self,
        limit: u32,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<(Acknowledgement, u32)>> {
        let ready = format!("FROM outbox_acknowledgement WHERE {READY}");
        if !self.read("see what is due", |tx| exists(tx, &format!("SELECT 1 {ready}"), now))? {
            return Ok(Vec::new());
        }
        self.write("lease acknowledgements", |tx| {
            let mut lease = tx.prepare_cached(&format!(
                "UPDATE outbox_acknowledgement SET leased = 1, ready_at = ?3 WHERE idempotency_key IN
                 (SELECT idempotency_key {ready} ORDER BY due_since LIMIT ?2) RETURNING body, attempts"
            ))?;
            let due = lease.query_map(params![micros(now), limit, micros(lease_until)], |row| {
                let body: String = row.get(0)?;
                let news = serde_json::from_str(&body).map_err(|error| {
                    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
                })?;
                Ok((news, row.get(1)?))
            })?;
            let due: Vec<(Acknowledgement, u32)> = due.collect::<rusqlite::Result<_>>()?;
            unless_overtaken(tx, due)
        })
    }

    /// Notes that the store took note of an order's fate.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn acknowledged(&self, news: &Acknowledgement, now: Timestamp) -> Result<()> {
        self.transact("note an acknowledgement", |tx| {
            tx.execute("DELETE FROM outbox_acknowledgement WHERE idempotency_key = ?1", [&news.idempotency_key])
                .doing("note an acknowledgement")?;
            let state: String = tx
                .query_row("SELECT state FROM web_order WHERE id = ?1", [&news.order.0], |row| row.get(0))
                .doing("note an acknowledgement")?;
            match news.stage {
                Stage::Consumed if state == "consumed" => {
                    orders::move_order(tx, &news.order, OrderEvent::Acknowledged, None, orders::AGENT, now)
                }
                // Stores need not want to hear this, and that it was published stands in the history already.
                Stage::Published => Ok(()),
                Stage::Consumed | Stage::Rejected | Stage::Failed => {
                    orders::note(tx, &news.order, "told the web store", Some(&news.reference), orders::AGENT, now)
                }
            }
        })
    }

    /// Notes that an acknowledgement failed, and when to try again.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn acknowledge_again(&self, news: &Acknowledgement, not_before: Timestamp, why: &str) -> Result<()> {
        self.write("note a failed acknowledgement", |tx| {
            tx.execute(
                "UPDATE outbox_acknowledgement SET attempts = attempts + 1, ready_at = ?2, leased = 0, last_error = ?3
                 WHERE idempotency_key = ?1",
                params![news.idempotency_key, micros(not_before), why],
            )
            .map(|_| ())
        })
    }
}
