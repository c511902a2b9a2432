//! Order files that are done with and are still looked for, and those that nothing proves.
//!
//! Promises: read from an index of files that have ended, by time, so that a hundred thousand orders that are done with
//! cost nothing; of orders that a person declared, the newest file whatever its age.

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::files::{NEWEST, OPEN, OpenFile, open_file};
use super::{Doing, Ledger, Result, at_column, micros};

/// How a file has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The till took it.
    Taken,
    /// The till refused it.
    Rejected,
    /// A person says that the till lost it.
    Lost,
}

/// One order in a file that is done with.
#[derive(Debug, Clone)]
pub struct WatchedFile {
    /// The file, with this order only.
    pub file: OpenFile,
    /// How it has ended.
    pub ended: Ended,
    /// When.
    pub ended_at: Timestamp,
    /// Was the order written again since?
    pub is_superseded: bool,
}

/// An order whose file has left the import folder without proof, or was booked in part.
#[derive(Debug, Clone, serde::Serialize)]
pub struct UnprovedOrder {
    /// Its number.
    pub number: String,
    /// Its file.
    pub file: String,
    /// When the till got it.
    pub published_at: Timestamp,
    /// When its file was first seen to be gone; `None`: it still lies there.
    pub left_at: Option<Timestamp>,
    /// What was seen.
    pub evidence: String,
}

/// An order whose file lies where the till looks.
#[derive(Debug, Clone)]
pub struct WaitingOrder {
    /// Its number.
    pub number: String,
    /// Its file.
    pub file: String,
    /// When the till got it.
    pub published_at: Timestamp,
}

/// An order whose file came back, for the person who has to look.
#[derive(Debug, Clone)]
pub struct CameBackOrder {
    /// Its number.
    pub number: String,
    /// Its file.
    pub file: String,
    /// Does the file wait for the till?
    pub waits: bool,
    /// What was seen and done.
    pub evidence: String,
}

impl Ledger {
    /// Files that ended since then, and the newest files of declared orders, one order each.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn watched_files(&self, since: Timestamp) -> Result<Vec<WatchedFile>> {
        self.read("list order files that are done with", |tx| {
            const READ: &str = "read order files that are done with";
            let mut found = tx.prepare_cached(&watched_sql()).doing(READ)?;
            let files = found.query_map(params![micros(since)], watched);
            files.and_then(Iterator::collect).doing(READ)
        })
    }

    /// Orders whose files lie where the till looks.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn waiting_for_till(&self) -> Result<Vec<WaitingOrder>> {
        const READ: &str = "list orders that wait for the till";
        self.read(READ, |tx| {
            let sql = format!(
                "SELECT o.number, f.name, coalesce(f.visible_at, f.planned_at) FROM order_file f
                 JOIN web_order o ON o.id = f.order_id
                 WHERE f.state IN ('staged', 'visible') AND f.kind = 'order' AND {NEWEST} ORDER BY 3, 1"
            );
            let mut found = tx.prepare_cached(&sql).doing(READ)?;
            let orders = found.query_map([], |row| {
                Ok(WaitingOrder { number: row.get(0)?, file: row.get(1)?, published_at: at_column(row.get(2)?) })
            });
            orders.and_then(Iterator::collect).doing(READ)
        })
    }

    /// Orders that nothing proves although their files have left the import folder, oldest first.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn unproved_orders(&self) -> Result<Vec<UnprovedOrder>> {
        const READ: &str = "list orders that nothing proves";
        self.read(READ, |tx| {
            let sql = format!(
                "SELECT o.number, coalesce(f.visible_at, f.planned_at), f.left_at, coalesce(f.evidence, ''), f.name
                 FROM order_file f JOIN web_order o ON o.id = f.order_id
                 WHERE f.state = 'left' AND f.kind = 'order' AND {NEWEST} ORDER BY f.planned_at, o.number"
            );
            let mut found = tx.prepare_cached(&sql).doing(READ)?;
            let orders = found.query_map([], |row| {
                Ok(UnprovedOrder {
                    number: row.get(0)?,
                    published_at: at_column(row.get(1)?),
                    left_at: row.get::<_, Option<i64>>(2)?.map(at_column),
                    evidence: row.get(3)?,
                    file: row.get(4)?,
                })
            });
            orders.and_then(Iterator::collect).doing(READ)
        })
    }

    /// Orders whose files came back: those that are not done with, and those that came back since then of files that
    /// ended since `ended_since`. `mark` is in their evidence.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn came_back_orders(&self, mark: &str, since: Timestamp, ended_since: Timestamp) -> Result<Vec<CameBackOrder>> {
        const READ: &str = "list order files that came back";
        self.read(READ, |tx| {
            let mut found = tx.prepare_cached(CAME_BACK).doing(READ)?;
            let orders = found.query_map(params![mark, micros(since), micros(ended_since)], |row| {
                Ok(CameBackOrder { number: row.get(0)?, file: row.get(1)?, waits: row.get(2)?, evidence: row.get(3)? })
            });
            orders.and_then(Iterator::collect).doing(READ)
        })
    }
}

// An index is named because SQLite, knowing no numbers of rows, would take another one.
const CAME_BACK: &str = "SELECT o.number, f.name, f.state = 'visible', f.evidence
     FROM order_file f INDEXED BY order_file_by_state JOIN web_order o ON o.id = f.order_id
     WHERE f.state IN ('visible', 'left', 'rejected', 'lost') AND instr(f.evidence, ?1)
       AND (f.state IN ('visible', 'left') OR f.left_at >= ?2)
     UNION ALL SELECT o.number, f.name, 0, f.evidence
     FROM order_file f INDEXED BY order_file_taken JOIN web_order o ON o.id = f.order_id
     WHERE f.state = 'taken' AND f.ended_at >= ?3 AND f.left_at >= ?2 AND instr(f.evidence, ?1) ORDER BY 1, 2";

fn watched_sql() -> String {
    let of = |index: &str| {
        let more = format!(", f.ended_at, NOT {NEWEST} FROM order_file f INDEXED BY {index}");
        OPEN.replacen(" FROM order_file f", &more, 1)
    };
    let (taken, others, declared) = (of("order_file_taken"), of("order_file_by_state"), of("order_file_by_order"));
    format!(
        "{taken} WHERE f.state = 'taken' AND f.ended_at >= ?1
         UNION ALL {others} WHERE f.state IN ('rejected', 'lost') AND f.ended_at >= ?1
         UNION ALL {declared} WHERE f.order_id IN (SELECT order_id FROM order_declared)
           AND f.state IN ('taken', 'rejected') AND f.ended_at < ?1 AND {NEWEST}"
    )
}

fn watched(row: &Row<'_>) -> rusqlite::Result<WatchedFile> {
    let ended = match row.get::<_, String>(3)?.as_str() {
        "taken" => Ended::Taken,
        "rejected" => Ended::Rejected,
        _ => Ended::Lost,
    };
    Ok(WatchedFile { file: open_file(row)?, ended, ended_at: at_column(row.get(15)?), is_superseded: row.get(16)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_look_reads_order_files_that_ended_long_ago() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        for (sql, index) in [
            (watched_sql(), "f USING INDEX order_file_taken (ended_at>?)"),
            (watched_sql(), "f USING INDEX order_file_by_order (order_id=?)"),
            (CAME_BACK.to_owned(), "f USING INDEX order_file_taken (ended_at>?)"),
        ] {
            let plan = ledger.read("explain", |tx| {
                let mut plan = tx.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).doing("explain")?;
                let count = plan.parameter_count();
                let lines = plan.query_map(rusqlite::params_from_iter(vec![0; count]), |row| row.get::<_, String>(3));
                lines.and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>).doing("explain")
            });
            let plan = plan.unwrap().join("; ");
            assert!(plan.contains(index) && !plan.contains("SCAN f"), "{sql}: {plan}");
        }
    }
}
