//! The outbox: what the store is to be told, however long the line is down.
//!
//! Promises: one row per SKU, which says that it is *due*, never a number; the number is computed when it is sent. A row
//! that became due again while it was being sent stays due. Attempts, pauses and leases are in the row, so that a crash
//! loses nothing. Nothing is dropped but by being delivered, or by a recorded decision that there is nothing to deliver.

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};
use serde::Serialize;

use super::item_map::Names;
use super::items::{StoreItemKind, sku_column};
use super::{Doing, Ledger, Result, after_push, at_column, micros};
use crate::domain::retry::LONGEST_PAUSE;
use crate::domain::{ExportId, OrderId, Quantity, Sku};

/// A SKU that is due, leased to the sender.
#[derive(Debug, Clone)]
pub struct DueSku {
    /// Which.
    pub sku: Sku,
    /// Its mark when it was leased; a later mark means that it became due again.
    pub mark: i64,
    /// Failed attempts so far.
    pub attempts: u32,
}

/// What became of a due SKU.
#[derive(Debug, Clone)]
pub enum Delivered {
    /// The store took this quantity; the store's own doings stood at `moved`.
    Stored {
        /// `W`.
        written: Quantity,
        /// See [`crate::domain::reconcile::moved_by_store`].
        moved: Quantity,
        /// The export behind it.
        export: ExportId,
    },
    /// The store holds what it should.
    NothingToSend,
    /// The store cannot take it; the reason is kept, and it is asked again after a day or a new count.
    NotTaken {
        /// What it is to the store.
        kind: StoreItemKind,
        /// The store's reason.
        why: String,
    },
    /// The store refused the quantity. It may take it later (a deadlock reads like that), so it stays due.
    Refused {
        /// When to try again.
        not_before: Timestamp,
        /// The store's reason.
        why: String,
    },
    /// Try again, not before this time.
    Again {
        /// When.
        not_before: Timestamp,
        /// Why.
        why: String,
    },
}

/// How much waits in the outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Depth {
    /// SKUs that are due.
    pub stock: u64,
    /// Acknowledgements that are due.
    pub acknowledgements: u64,
    /// Since when the oldest of them is due.
    pub oldest: Option<Timestamp>,
}

/// Ready by the clock `?1`.
pub(crate) const READY: &str = "ready_at <= ?1";

const MARK_DUE: &str = "ON CONFLICT (sku) DO UPDATE SET mark = mark + 1, ready_at = iif(leased, ready_at, min(ready_at, excluded.due_since))";

/// Marks every SKU of an order as due.
pub(crate) fn mark_order_due(tx: &Transaction<'_>, order: &OrderId, now: Timestamp) -> Result<()> {
    let sql = format!(
        "INSERT INTO outbox_stock (sku, due_since) SELECT sku, ?2 FROM order_claim WHERE order_id = ?1 {MARK_DUE}"
    );
    tx.prepare_cached(&sql)
        .and_then(|mut mark| mark.execute(params![order.0, micros(now)]))
        .map(|_| ())
        .doing("mark an order's items as due")
}

impl Ledger {
    /// Marks SKUs as due.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn mark_due(&self, skus: &[Sku], now: Timestamp) -> Result<()> {
        self.write("mark items as due", |tx| {
            let sql = format!("INSERT INTO outbox_stock (sku, due_since) VALUES (?1, ?2) {MARK_DUE}");
            let mut mark = tx.prepare_cached(&sql)?;
            for sku in skus {
                mark.execute(params![sku.as_str(), micros(now)])?;
            }
            Ok(())
        })
    }

    /// Leases up to `limit` SKUs that are due, oldest first, until `lease_until`.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn lease_stock(&self, limit: usize, lease_until: Timestamp, now: Timestamp) -> Result<Vec<DueSku>> {
        let ready = format!("FROM outbox_stock WHERE {READY}");
        if !self.read("see what is due", |tx| exists(tx, &format!("SELECT 1 {ready}"), now))? {
            return Ok(Vec::new());
        }
        self.write("lease items that are due", |tx| {
            let mut lease = tx.prepare_cached(&format!(
                "UPDATE outbox_stock SET leased = 1, ready_at = ?3 WHERE sku IN (SELECT sku {ready} ORDER BY ready_at LIMIT ?2)
                 RETURNING sku, mark, attempts"
            ))?;
            let due = lease.query_map(params![micros(now), limit as i64, micros(lease_until)], |row| {
                Ok(DueSku { sku: sku_column(row.get::<_, String>(0)?)?, mark: row.get(1)?, attempts: row.get(2)? })
            })?;
            due.collect()
        })
    }

    /// Gives leased SKUs back untouched.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn return_lease(&self, due: &[DueSku]) -> Result<()> {
        self.write("give a lease back", |tx| {
            let mut give = tx.prepare_cached("UPDATE outbox_stock SET leased = 0, ready_at = 0 WHERE sku = ?1")?;
            for item in due {
                give.execute([item.sku.as_str()])?;
            }
            Ok(())
        })
    }

    /// Notes, before quantities are sent, that what the store holds of these SKUs is from now on unknown.
    ///
    /// An answer may get lost, or the agent may die: then the next attempt has to read before it compares.
    ///
    /// # Errors
    /// A failure of SQLite. Nothing may be sent then.
    pub fn about_to_write(&self, skus: &[Sku]) -> Result<()> {
        self.write("note what is about to be sent", |tx| {
            let mut forget = tx.prepare_cached(
                "UPDATE store_item SET written = NULL, moved = NULL WHERE sku = ?1 AND written IS NOT NULL",
            )?;
            for sku in skus {
                forget.execute([sku.as_str()])?;
            }
            after_push::about_to_write(tx, skus)
        })
    }

    /// Notes what became of due SKUs: one transaction.
    ///
    /// # Errors
    /// A failure of SQLite. They then stay due.
    pub fn finish_stock(&self, results: &[(DueSku, Delivered)], now: Timestamp) -> Result<()> {
        self.write("note what was delivered", |tx| {
            let listened_to = after_push::is_listening(tx)?;
            for (due, delivered) in results {
                if listened_to && matches!(delivered, Delivered::Stored { .. }) {
                    after_push::stored(tx, &due.sku, now)?;
                }
                finish_one(tx, due, delivered, now)?;
            }
            if listened_to { after_push::bound(tx) } else { Ok(()) }
        })
    }

    /// How much waits.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn outbox_depth(&self) -> Result<Depth> {
        self.read("measure the outbox", |tx| {
            let one = |table: &str| {
                tx.query_row(&format!("SELECT count(*), min(due_since) FROM {table}"), [], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
                })
                .doing("measure the outbox")
            };
            let ((stock, old_stock), (acknowledgements, old_news)) =
                (one("outbox_stock")?, one("outbox_acknowledgement")?);
            let oldest = [old_stock, old_news].into_iter().flatten().min().map(at_column);
            Ok(Depth { stock: stock.unsigned_abs(), acknowledgements: acknowledgements.unsigned_abs(), oldest })
        })
    }

    /// When the next row becomes ready; `now` when one is. `None` when there is nothing in the outbox.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        self.read("see when something is due", |tx| {
            for table in ["outbox_stock", "outbox_acknowledgement"] {
                if exists(tx, &format!("SELECT 1 FROM {table} WHERE {READY}"), now)? {
                    return Ok(Some(now));
                }
            }
            tx.query_row(
                "SELECT min(t) FROM (SELECT min(ready_at) AS t FROM outbox_stock
                 UNION ALL SELECT min(ready_at) FROM outbox_acknowledgement)",
                [],
                |row| row.get::<_, Option<i64>>(0),
            )
            .map(|at| at.map(at_column))
            .doing("see when something is due")
        })
    }

    /// Lets go of times that only a wrong clock can have set: no pause and no lease is longer than
    /// [`LONGEST_PAUSE`].
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn distrust_far_times(&self, now: Timestamp) -> Result<()> {
        let far = micros(now.saturating_add(LONGEST_PAUSE).unwrap_or(Timestamp::MAX));
        for table in ["outbox_stock", "outbox_acknowledgement"] {
            let latest = self.read("look at waiting times", |tx| {
                let sql = format!("SELECT max(ready_at) FROM {table}");
                tx.query_row(&sql, [], |row| row.get::<_, Option<i64>>(0)).doing("look at waiting times")
            })?;
            if latest.is_some_and(|latest| latest > far) {
                let sql = format!("UPDATE {table} SET ready_at = 0, leased = 0 WHERE ready_at > ?1");
                self.write("correct waiting times", |tx| tx.execute(&sql, [far]))?;
            }
        }
        Ok(())
    }

    /// Marks as due what the store did not take when it was last asked, before this time.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn mark_unusual_due(&self, asked_before: Timestamp, now: Timestamp) -> Result<()> {
        const OLD: &str = "FROM store_item WHERE kind <> 'kept' AND checked_at < ?1";
        let any =
            self.read("see what to ask about again", |tx| exists(tx, &format!("SELECT 1 {OLD}"), asked_before))?;
        if !any {
            return Ok(());
        }
        self.write("ask about items again", |tx| {
            tx.execute(
                &format!("INSERT INTO outbox_stock (sku, due_since) SELECT sku, ?2 {OLD} ON CONFLICT DO NOTHING"),
                params![micros(asked_before), micros(now)],
            )
            .map(|_| ())
        })
    }

    /// Is any SKU ready to be sent?
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn stock_is_due(&self, now: Timestamp) -> Result<bool> {
        self.read("see what is due", |tx| exists(tx, &format!("SELECT 1 FROM outbox_stock WHERE {READY}"), now))
    }

    /// The web store, or what is shown of it, is another one than before: nothing that was believed of it is worth
    /// anything, and every item is due. Exports that could not be believed are read again: the profile may be mended.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn settings_changed(&self, now: Timestamp) -> Result<()> {
        self.transact("start anew with other settings", |tx| {
            let doing = "start anew with other settings";
            tx.execute("UPDATE store_item SET written = NULL, moved = NULL WHERE written IS NOT NULL", [])
                .doing(doing)?;
            tx.execute("DELETE FROM export WHERE state = 'rejected'", []).doing(doing)?;
            let web = Names::of(tx)?.web_of("r.sku");
            let all = format!(
                "SELECT {web}, ?1 FROM export e JOIN stock_row r ON r.export_id = e.id
                 WHERE e.state = 'admitted' AND {web} IS NOT NULL"
            );
            tx.execute(
                &format!("INSERT INTO outbox_stock (sku, due_since) {all} ON CONFLICT DO UPDATE SET mark = mark + 1"),
                [micros(now)],
            )
            .map(|_| ())
            .doing(doing)
        })
    }

    /// Is this SKU due to be sent?
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn is_due(&self, sku: &Sku) -> Result<bool> {
        self.read("see what is due", |tx| {
            tx.prepare_cached("SELECT 1 FROM outbox_stock WHERE sku = ?1")
                .and_then(|mut found| found.exists([sku.as_str()]))
                .doing("see what is due")
        })
    }

    /// Lets everything in the outbox be tried at once (the line is back, or a person says so).
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn retry_all_now(&self) -> Result<()> {
        self.write("retry at once", |tx| {
            tx.execute("UPDATE outbox_stock SET ready_at = 0 WHERE ready_at > 0 AND leased = 0", [])?;
            tx.execute("UPDATE outbox_acknowledgement SET ready_at = 0 WHERE ready_at > 0 AND leased = 0", [])
                .map(|_| ())
        })
    }
}

pub(crate) fn exists(tx: &Connection, sql: &str, now: Timestamp) -> Result<bool> {
    tx.prepare_cached(sql).and_then(|mut found| found.exists([micros(now)])).doing("see what is due")
}

fn finish_one(tx: &Transaction<'_>, due: &DueSku, delivered: &Delivered, now: Timestamp) -> rusqlite::Result<()> {
    match delivered {
        Delivered::Stored { written, moved, export } => {
            tx.prepare_cached(
                "INSERT INTO store_item (sku, kind, written, moved, written_at, export_id, answer, checked_at)
                 VALUES (?1, 'kept', ?2, ?3, ?4, ?5, 'taken', ?4)
                 ON CONFLICT (sku) DO UPDATE SET kind = 'kept', written = excluded.written, moved = excluded.moved,
                   written_at = excluded.written_at, export_id = excluded.export_id, answer = excluded.answer, checked_at = excluded.checked_at",
            )?
            .execute(params![due.sku.as_str(), written.to_string(), moved.to_string(), micros(now), export.0])?;
            done(tx, due)
        }
        Delivered::NothingToSend => done(tx, due),
        Delivered::NotTaken { kind, why } => {
            note_kind(tx, due, *kind, why, now)?;
            done(tx, due)
        }
        Delivered::Refused { not_before, why } => {
            note_kind(tx, due, StoreItemKind::Refused, why, now)?;
            finish_one(tx, due, &Delivered::Again { not_before: *not_before, why: why.clone() }, now)
        }
        Delivered::Again { not_before, why } => tx
            .prepare_cached(
                "UPDATE outbox_stock SET attempts = attempts + 1, ready_at = ?2, leased = 0, last_error = ?3 WHERE sku = ?1",
            )?
            .execute(params![due.sku.as_str(), micros(*not_before), why])
            .map(|_| ()),
    }
}

fn note_kind(
    tx: &Transaction<'_>,
    due: &DueSku,
    kind: StoreItemKind,
    why: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO store_item (sku, kind, answer, checked_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (sku) DO UPDATE SET kind = excluded.kind, answer = excluded.answer, checked_at = excluded.checked_at,
           written = NULL, moved = NULL",
    )?
    .execute(params![due.sku.as_str(), kind.word(), why, micros(now)])
    .map(|_| ())
}

/// Removes the row, unless the SKU became due again meanwhile.
fn done(tx: &Transaction<'_>, due: &DueSku) -> rusqlite::Result<()> {
    let gone = tx
        .prepare_cached("DELETE FROM outbox_stock WHERE sku = ?1 AND mark = ?2")?
        .execute(params![due.sku.as_str(), due.mark])?;
    if gone == 0 {
        tx.prepare_cached("UPDATE outbox_stock SET leased = 0, ready_at = 0, attempts = 0 WHERE sku = ?1")?
            .execute([due.sku.as_str()])?;
    }
    Ok(())
}
