//! What was stored in the web store and whoever listens has not been told yet.
//!
//! Promises: noted in the transaction that notes the delivery, also where the answer to the write was lost and only the
//! reading back showed that it was stored; what is stored again while it is being told is told again; bounded: above
//! [`MOST_LISTED`] items it says "all". Without a listener nothing is noted.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::items::sku_column;
use super::{Doing, Ledger, Result, at_column, facts, micros, set_fact_in};
use crate::domain::Sku;
use crate::ports::PushedSkus;

/// Most items that are listed by name.
pub const MOST_LISTED: u64 = 5_000;
/// The name that stands for all.
const ALL: &str = "";

/// What is still to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untold {
    /// Which items.
    pub skus: PushedSkus,
    /// How many quantities were stored.
    pub count: u64,
    /// Since when.
    pub since: Timestamp,
    marks: Vec<(String, i64)>,
}

impl Ledger {
    /// From now on somebody is to be told, or nobody: then what was not told is forgotten.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn listen_for_pushes(&self, listen: bool) -> Result<()> {
        if self.read("see who listens", |tx| is_listening(tx).doing("see who listens"))? == listen {
            return Ok(());
        }
        self.transact("note who listens", |tx| {
            if !listen {
                tx.execute_batch("DELETE FROM pushed; UPDATE outbox_stock SET sent = 0 WHERE sent = 1")
                    .doing("note who listens")?;
            }
            set_fact_in(tx, facts::AFTER_PUSH, listen.then_some("listens"))
        })
    }

    /// What is still to be told; `None` when nothing is.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn untold(&self) -> Result<Option<Untold>> {
        self.read("list what was pushed", |tx| {
            let mut found =
                tx.prepare_cached("SELECT sku, mark, at FROM pushed ORDER BY sku").doing("list what was pushed")?;
            let rows = found.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
            let rows: Vec<(String, i64, i64)> = rows.and_then(Iterator::collect).doing("list what was pushed")?;
            let Some(since) = rows.iter().map(|(_, _, at)| at_column(*at)).min() else { return Ok(None) };
            let marks: Vec<_> = rows.into_iter().map(|(sku, mark, _)| (sku, mark)).collect();
            let all = marks.iter().find(|(sku, _)| sku == ALL);
            let count = all.map_or(marks.len() as u64, |(_, mark)| mark.unsigned_abs());
            let skus = if all.is_some() {
                PushedSkus::All
            } else {
                let named: rusqlite::Result<_> = marks.iter().map(|(sku, _)| sku_column(sku.clone())).collect();
                PushedSkus::These(named.doing("list what was pushed")?)
            };
            Ok(Some(Untold { skus, count, since, marks }))
        })
    }

    /// Notes that it was told. What was stored again meanwhile stays.
    ///
    /// # Errors
    /// A failure of SQLite. It is then told again.
    pub fn told(&self, untold: &Untold) -> Result<()> {
        self.write("note what was told", |tx| {
            let mut done = tx.prepare_cached("DELETE FROM pushed WHERE sku = ?1 AND mark = ?2")?;
            for (sku, mark) in &untold.marks {
                done.execute(params![sku, mark])?;
            }
            Ok(())
        })
    }
}

/// Is somebody to be told?
pub(super) fn is_listening(tx: &Connection) -> rusqlite::Result<bool> {
    let found = tx.prepare_cached("SELECT 1 FROM fact WHERE name = ?1")?.query_row([facts::AFTER_PUSH], |_| Ok(()));
    found.optional().map(|found| found.is_some())
}

/// Notes that a write of these items may reach the store from now on.
pub(super) fn about_to_write(tx: &Transaction<'_>, skus: &[Sku]) -> rusqlite::Result<()> {
    if !is_listening(tx)? {
        return Ok(());
    }
    let mut sent = tx.prepare_cached("UPDATE outbox_stock SET sent = 1 WHERE sku = ?1")?;
    skus.iter().try_for_each(|sku| sent.execute([sku.as_str()]).map(drop))
}

/// Notes that the store has stored what was written of this item; not when it was only looked at.
pub(super) fn stored(tx: &Transaction<'_>, sku: &Sku, now: Timestamp) -> rusqlite::Result<()> {
    let mut sent = tx.prepare_cached("UPDATE outbox_stock SET sent = 0 WHERE sku = ?1 AND sent = 1")?;
    if sent.execute([sku.as_str()])? == 0 {
        return Ok(());
    }
    let mut all = tx.prepare_cached("UPDATE pushed SET mark = mark + 1 WHERE sku = ?1")?;
    if all.execute([ALL])? > 0 {
        return Ok(());
    }
    tx.prepare_cached("INSERT INTO pushed (sku, at) VALUES (?1, ?2) ON CONFLICT (sku) DO UPDATE SET mark = mark + 1")?
        .execute(params![sku.as_str(), micros(now)])?;
    Ok(())
}

/// Keeps the list short. Once for each transaction that noted something.
pub(super) fn bound(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let count: i64 = tx.prepare_cached("SELECT count(*) FROM pushed")?.query_row([], |row| row.get(0))?;
    if count.unsigned_abs() <= MOST_LISTED {
        return Ok(());
    }
    tx.execute("INSERT INTO pushed (sku, mark, at) SELECT ?1, count(*), min(at) FROM pushed", [ALL])?;
    tx.execute("DELETE FROM pushed WHERE sku <> ?1", [ALL]).map(|_| ())
}
