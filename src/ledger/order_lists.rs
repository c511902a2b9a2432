//! Which orders are to be dealt with: the questions that every sweep asks.
//!
//! Promises: each is answered from an index that holds only the orders in question, so that a hundred thousand orders
//! that are done with cost nothing.

use rusqlite::params;

use super::orders::{JournalledOrder, OrderFilter, SELECT, json, rows};
use super::{Doing, Ledger, Result, micros};

// The conditions stand as in the partial indexes; SQLite refuses a query that an index named here
// cannot answer. It is named because SQLite, knowing no numbers of rows, would take the one of all states.
const TO_PUBLISH: &str = "INDEXED BY web_order_to_publish
     WHERE state = 'received' AND ready = 1 AND void = 0 AND before_our_time = 0
     ORDER BY placed_at, id LIMIT ?1";
const TO_WITHDRAW: &str = "INDEXED BY web_order_to_withdraw
     WHERE void = 1 AND state IN ('received', 'published', 'failed', 'rejected')";
const BEFORE_START: &str = "FROM web_order INDEXED BY web_order_before_start
     WHERE state = 'received' AND void = 0 AND before_our_time = 1
     AND EXISTS (SELECT 1 FROM order_claim c WHERE c.order_id = web_order.id AND c.reserved <> '0')
     ORDER BY placed_at, id LIMIT ?1";
const OF_STATES: &str = "WHERE state IN (SELECT value FROM json_each(?3)) AND placed_at >= ?1
     ORDER BY placed_at DESC, id DESC LIMIT ?2";
const OF_ALL_STATES: &str = "WHERE placed_at >= ?1 ORDER BY placed_at DESC, id DESC LIMIT ?2";

impl Ledger {
    /// Orders, newest first.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn orders(&self, filter: &OrderFilter) -> Result<Vec<JournalledOrder>> {
        self.read("list orders", |tx| {
            let since = filter.since.map_or(i64::MIN, micros);
            let limit = if filter.limit == 0 { u32::MAX } else { filter.limit };
            if filter.states.is_empty() {
                return rows(tx, &format!("{SELECT} {OF_ALL_STATES}"), params![since, limit]);
            }
            let states: Vec<&str> = filter.states.iter().map(|state| state.word()).collect();
            rows(tx, &format!("{SELECT} {OF_STATES}"), params![since, limit, json(&states)])
        })
    }

    /// Orders to write for the till now, oldest first.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn orders_to_publish(&self, limit: u32) -> Result<Vec<JournalledOrder>> {
        self.read("list orders to publish", |tx| rows(tx, &format!("{SELECT} {TO_PUBLISH}"), params![limit]))
    }

    /// Orders that the store cancelled and that the till has not been seen to take.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn orders_to_withdraw(&self) -> Result<Vec<JournalledOrder>> {
        self.read("list orders to withdraw", |tx| rows(tx, &format!("{SELECT} {TO_WITHDRAW}"), params![]))
    }

    /// Open orders from before the agent's time: how many, and the numbers of the oldest.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn orders_before_start(&self, limit: u32) -> Result<(u64, Vec<String>)> {
        self.read("list orders from before the start", |tx| {
            let sql = format!("SELECT number, count(*) OVER () {BEFORE_START}");
            let mut found = tx.prepare_cached(&sql).doing("list orders from before the start")?;
            let listed: Vec<(String, i64)> = found
                .query_map([limit], |row| Ok((row.get(0)?, row.get(1)?)))
                .and_then(Iterator::collect)
                .doing("list orders from before the start")?;
            let count = listed.first().map_or(0, |(_, count)| count.unsigned_abs());
            Ok((count, listed.into_iter().map(|(number, _)| number).collect()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sweep_reads_orders_that_are_done_with() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        for (sql, index) in [
            (format!("{SELECT} {TO_PUBLISH}"), "web_order_to_publish"),
            (format!("{SELECT} {TO_WITHDRAW}"), "web_order_to_withdraw"),
            (format!("SELECT number {BEFORE_START}"), "web_order_before_start"),
            (format!("{SELECT} {OF_STATES}"), "web_order_by_state"),
        ] {
            let plan = ledger.read("explain", |tx| {
                let mut plan = tx.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).doing("explain")?;
                let count = plan.parameter_count();
                let lines = plan.query_map(rusqlite::params_from_iter(vec![0; count]), |row| row.get::<_, String>(3));
                lines.and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>).doing("explain")
            });
            let plan = plan.unwrap().join("; ");
            assert!(plan.contains(index), "{sql}: {plan}");
        }
    }
}
