//! The outbox: what the store is to be told, however long the line is down.
//!
//! Promises: one row per SKU, which says that it is *due*, never a number; the number is computed when it is sent. A row
//! that became due again while it was being sent stays due. Attempts, pauses and leases are in the row, so that a crash
//! loses nothing. Nothing is dropped but by being delivered, or by a recorded decision that there is nothing to deliver. What
//! the store keeps failing at leaves it as a dead letter ([`super::outbox_trouble`]).

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};
use serde::Serialize;

use super::item_map::Names;
use super::items::{StoreItemKind, sku_column};
use super::outbox_trouble::{self, NOT_ALONE, Tried};
use super::{Doing, Ledger, Result, after_push, at_column, micros};
use crate::domain::retry::LONGEST_PAUSE;
use crate::domain::{ExportId, OrderId, Quantity, Sku};
use crate::ports::StockVersion;

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
        /// The store's version mark of it, where it has such marks.
        version: Option<StockVersion>,
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
    /// The store refused the quantity. It may take it later (a deadlock reads like that), so it stays due for some tries.
    Refused {
        /// When to try again.
        not_before: Timestamp,
        /// The store's reason.
        why: String,
    },
    /// The item makes a whole request fail. It is sent alone from now on, for some tries.
    Alone {
        /// When to try again.
        not_before: Timestamp,
        /// How the request failed.
        why: String,
        /// Were others taken meanwhile, so that it is not the store?
        proved: bool,
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
    /// Dead letters of both kinds: not in the two figures above.
    pub dead: u64,
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

    /// Leases up to `limit` SKUs that are due, oldest first, until `lease_until`. One that makes whole requests fail comes
    /// after all others, and alone.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn lease_stock(&self, limit: usize, lease_until: Timestamp, now: Timestamp) -> Result<Vec<DueSku>> {
        if !self.stock_is_due(now)? {
            return Ok(Vec::new());
        }
        self.write("lease items that are due", |tx| {
            let lease = |only: &str, limit: usize| {
                let mut lease = tx.prepare_cached(&format!(
                    "UPDATE outbox_stock SET leased = 1, ready_at = ?3 WHERE sku IN
                     (SELECT sku FROM outbox_stock o WHERE {READY} {only} ORDER BY ready_at LIMIT ?2) RETURNING sku, mark, attempts"
                ))?;
                let due = lease.query_map(params![micros(now), limit as i64, micros(lease_until)], |row| {
                    Ok(DueSku { sku: sku_column(row.get::<_, String>(0)?)?, mark: row.get(1)?, attempts: row.get(2)? })
                })?;
                due.collect::<rusqlite::Result<Vec<_>>>()
            };
            let due = lease(NOT_ALONE, limit)?;
            if due.is_empty() { lease("", 1) } else { Ok(due) }
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
                "UPDATE store_item SET written = NULL, moved = NULL, version = NULL WHERE sku = ?1 AND written IS NOT NULL",
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
            outbox_trouble::after_delivery(tx, results, now)?;
            if listened_to { after_push::bound(tx) } else { Ok(()) }
        })
    }

    /// When the next row becomes ready; `now` when one is. `None` when there is nothing in the outbox.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        let (stock, news) = self.next_due_each(now)?;
        Ok([stock, news].into_iter().flatten().min())
    }

    /// The same for quantities and for notes.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn next_due_each(&self, now: Timestamp) -> Result<(Option<Timestamp>, Option<Timestamp>)> {
        self.read("see when something is due", |tx| {
            let next = |table: &str| {
                if exists(tx, &format!("SELECT 1 FROM {table} WHERE {READY}"), now)? {
                    return Ok(Some(now));
                }
                tx.query_row(&format!("SELECT min(ready_at) FROM {table}"), [], |row| row.get::<_, Option<i64>>(0))
                    .map(|at| at.map(at_column))
                    .doing("see when something is due")
            };
            Ok((next("outbox_stock")?, next("outbox_acknowledgement")?))
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
        // What a person dropped waits for a new count or order.
        const OLD: &str = "FROM store_item s WHERE kind <> 'kept' AND checked_at < ?1 AND NOT EXISTS
            (SELECT 1 FROM outbox_trouble t WHERE t.kind = 'stock' AND t.key = s.sku AND t.state = 'dropped')";
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
            tx.execute(
                "UPDATE store_item SET written = NULL, moved = NULL, version = NULL WHERE written IS NOT NULL",
                [],
            )
            .doing(doing)?;
            outbox_trouble::forget_all(tx).doing(doing)?;
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
        Delivered::Stored { written, moved, export, version } => {
            let version = version.as_ref().map(|version| version.0.as_str());
            tx.prepare_cached(
                "INSERT INTO store_item (sku, kind, written, moved, written_at, export_id, answer, checked_at, version)
                 VALUES (?1, 'kept', ?2, ?3, ?4, ?5, 'taken', ?4, ?6)
                 ON CONFLICT (sku) DO UPDATE SET kind = 'kept', written = excluded.written, moved = excluded.moved, version = excluded.version,
                   written_at = excluded.written_at, export_id = excluded.export_id, answer = excluded.answer, checked_at = excluded.checked_at",
            )?
            .execute(params![due.sku.as_str(), written.to_string(), moved.to_string(), micros(now), export.0, version])?;
            done(tx, due)
        }
        Delivered::NothingToSend => done(tx, due),
        Delivered::NotTaken { kind, why } => {
            note_kind(tx, due, *kind, why, now)?;
            done(tx, due)
        }
        Delivered::Refused { not_before, why } => {
            note_kind(tx, due, StoreItemKind::Refused, why, now)?;
            failed(tx, due, &Tried { not_before: *not_before, why, alone: false, proved: true }, now).map(|_| ())
        }
        Delivered::Alone { not_before, why, proved } => {
            if failed(tx, due, &Tried { not_before: *not_before, why, alone: true, proved: *proved }, now)? {
                note_kind(tx, due, StoreItemKind::Refused, why, now)?;
            }
            Ok(())
        }
        Delivered::Again { not_before, why } => again(tx, due, *not_before, why),
    }
}

fn again(tx: &Transaction<'_>, due: &DueSku, not_before: Timestamp, why: &str) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE outbox_stock SET attempts = attempts + 1, ready_at = ?2, leased = 0, last_error = ?3 WHERE sku = ?1",
    )?
    .execute(params![due.sku.as_str(), micros(not_before), why])
    .map(|_| ())
}

/// The item itself failed: it is tried so many times, and then no more until something changes. Is it given up now?
fn failed(tx: &Transaction<'_>, due: &DueSku, tried: &Tried<'_>, now: Timestamp) -> rusqlite::Result<bool> {
    let is_dead = outbox_trouble::count_stock(tx, &due.sku, tried, now)?;
    if is_dead { done(tx, due) } else { again(tx, due, tried.not_before, tried.why) }.map(|()| is_dead)
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
           written = NULL, moved = NULL, version = NULL",
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
