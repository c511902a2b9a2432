//! News of orders for the store: which of them the till took or refused.
//!
//! Promises: queued in the transaction that notes the fate; the same key for every repetition, so that a store that
//! heard it already can tell.

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::files::{FileOrder, OpenFile};
use super::outbox::{READY, exists};
use super::{Doing, Ledger, Result, micros, orders};
use crate::domain::order::OrderEvent;
use crate::ports::{Acknowledgement, Stage};

/// The same for every repetition of this news.
pub(crate) fn key_of(order: &FileOrder, stage: Stage) -> String {
    format!("{}-{}-{}", order.id, stage.word(), order.copy)
}

/// Queues the news of what became of an order file.
pub(crate) fn enqueue(
    tx: &Transaction<'_>,
    file: &OpenFile,
    order: &FileOrder,
    stage: Stage,
    at: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let key = key_of(order, stage);
    let news = Acknowledgement {
        order: order.id.clone(),
        number: order.number.clone(),
        stage,
        reference: file.names.name.clone(),
        at,
        idempotency_key: key.clone(),
    };
    let body = serde_json::to_string(&news).unwrap_or_default();
    tx.execute(
        "INSERT INTO outbox_acknowledgement (idempotency_key, order_id, body, due_since) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        params![key, order.id.0, body, micros(now)],
    )
    .map(|_| ())
    .doing("queue an acknowledgement")
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
            due.collect()
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
            if news.stage == Stage::Consumed && state == "consumed" {
                orders::move_order(tx, &news.order, OrderEvent::Acknowledged, None, orders::AGENT, now)
            } else {
                orders::note(tx, &news.order, "told the web store", Some(&news.reference), orders::AGENT, now)
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
