//! What a person said of an order whose fate the till's folders do not tell.
//!
//! Promises: a declaration is noted with who and when before anything follows from it, and stands until the running
//! agent has carried it out; one that contradicts what the till itself says is refused.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;

use super::orders::{JournalledOrder, note};
use super::{Doing, Ledger, LedgerError, Result, at_column, micros};
use crate::domain::evidence::is_word_of_till;
use crate::domain::{OrderId, OrderState};

/// What a person says of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// The till has booked it.
    Consumed,
    /// The till has not booked it and never will: its file is lost.
    Lost,
    /// It was said to be lost, but its file still waits for the till: nothing was done.
    LostButWaits,
    /// It was said to be lost, but the till itself says that it booked it: nothing was done.
    LostButBooked,
}

impl Word {
    /// The word in the ledger.
    pub fn word(self) -> &'static str {
        match self {
            Self::Consumed => "consumed",
            Self::Lost => "lost",
            Self::LostButWaits => "lost-but-waits",
            Self::LostButBooked => "lost-but-booked",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Consumed, Self::Lost, Self::LostButWaits, Self::LostButBooked].into_iter().find(|one| one.word() == word)
    }
}

/// A declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// The order's key.
    pub order: OrderId,
    /// Its number.
    pub number: String,
    /// What was said.
    pub word: Word,
    /// By whom.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// The tables stand in this order (CROSS JOIN): SQLite, knowing no numbers of rows, would read all orders at each sweep.
const DECLARED: &str = "SELECT d.order_id, o.number, d.word, d.by_whom, d.at FROM order_declared d
     CROSS JOIN web_order o ON o.id = d.order_id ORDER BY d.at, d.order_id";

impl Ledger {
    /// Notes what a person says of an order; the running agent carries it out. A later word replaces an earlier one.
    ///
    /// # Errors
    /// [`LedgerError::NoSuchOrder`]; [`LedgerError::NotPossible`] with the reason and what to do instead.
    pub fn declare_order(&self, id_or_number: &str, word: Word, by: &str, now: Timestamp) -> Result<JournalledOrder> {
        let Some(found) = self.order(id_or_number)? else {
            return Err(LedgerError::NoSuchOrder(id_or_number.to_owned()));
        };
        self.transact("note what a person says of an order", |tx| {
            let evidence = evidence_of_newest(tx, &found.order.id)?;
            refuse_what_cannot_be(
                &found,
                word,
                evidence.as_ref().map(|(state, text)| (state.as_str(), text.as_str())),
            )?;
            keep(tx, &found.order.id, word, by, now)?;
            note(tx, &found.order.id, &format!("declared {}", word.word()), None, by, now)
        })?;
        Ok(found)
    }

    /// What persons said and the agent has not carried out, or could not.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn declarations(&self) -> Result<Vec<Declaration>> {
        const READ: &str = "list what persons say of orders";
        self.read(READ, |tx| {
            let mut found = tx.prepare_cached(DECLARED).doing(READ)?;
            let mut rows = found.query([]).doing(READ)?;
            let mut declared = Vec::new();
            while let Some(row) = rows.next().doing(READ)? {
                let word: String = row.get(2).doing(READ)?;
                let order = OrderId(row.get(0).doing(READ)?);
                let damaged =
                    || LedgerError::Damaged { table: "order_declared", row: order.0.clone(), why: word.clone() };
                let word = Word::from_word(&word).ok_or_else(damaged)?;
                let (number, by, at) =
                    (row.get(1).doing(READ)?, row.get(3).doing(READ)?, at_column(row.get(4).doing(READ)?));
                declared.push(Declaration { order, number, word, by, at });
            }
            Ok(declared)
        })
    }

    /// Notes that a declaration could not be carried out, and why.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn declaration_refused(&self, declared: &Declaration, word: Word, why: &str, now: Timestamp) -> Result<()> {
        self.transact("note that a declaration cannot be carried out", |tx| {
            keep(tx, &declared.order, word, &declared.by, now)?;
            note(tx, &declared.order, "declaration not carried out", Some(why), super::orders::AGENT, now)
        })
    }

    /// Forgets a declaration: it was carried out, or it has been shown for long enough.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn declaration_ended(&self, order: &OrderId) -> Result<()> {
        self.write("end a declaration", |tx| {
            tx.execute("DELETE FROM order_declared WHERE order_id = ?1", [&order.0]).map(|_| ())
        })
    }
}

/// Whatever was said of it before: a person asks for the order once more.
pub(super) fn forget(tx: &Transaction<'_>, order: &OrderId) -> Result<()> {
    tx.execute("DELETE FROM order_declared WHERE order_id = ?1", [&order.0])
        .map(|_| ())
        .doing("forget what a person said of an order")
}

/// The file that was called lost was taken back, so that the order is written anew anyway; its next file is another one.
pub(super) fn forget_lost(tx: &Transaction<'_>, order: &OrderId) -> Result<()> {
    tx.execute("DELETE FROM order_declared WHERE order_id = ?1 AND word <> 'consumed'", [&order.0])
        .map(|_| ())
        .doing("forget what a person said of an order")
}

fn keep(tx: &Transaction<'_>, order: &OrderId, word: Word, by: &str, at: Timestamp) -> Result<()> {
    tx.execute(
        "INSERT INTO order_declared (order_id, word, by_whom, at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (order_id) DO UPDATE SET word = excluded.word, by_whom = excluded.by_whom, at = excluded.at",
        params![order.0, word.word(), by, micros(at)],
    )
    .map(|_| ())
    .doing("note what a person says of an order")
}

/// State and evidence of an order's newest file that the till can have seen.
fn evidence_of_newest(tx: &Transaction<'_>, order: &OrderId) -> Result<Option<(String, String)>> {
    tx.query_row(
        "SELECT state, coalesce(evidence, '') FROM order_file
         WHERE order_id = ?1 AND kind = 'order' AND state IN ('staged', 'visible', 'left', 'taken', 'rejected')
         ORDER BY copy DESC LIMIT 1",
        [&order.0],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
    .optional()
    .doing("read an order's evidence")
}

fn refuse_what_cannot_be(found: &JournalledOrder, word: Word, newest: Option<(&str, &str)>) -> Result<()> {
    let number = &found.order.number;
    let not_possible = |why: String| Err(LedgerError::NotPossible(why));
    let Some((state, evidence)) = newest else {
        return not_possible(format!(
            "no file of order {number} is or was with the till ({}), so that there is nothing to declare; to have one written: tillbridge orders export {number}",
            found.state
        ));
    };
    let is_taken = state == "taken";
    match (word, found.state) {
        (_, OrderState::Received | OrderState::Failed | OrderState::Withdrawn) => not_possible(format!(
            "order {number} is {}, and its older file is no longer what counts; nothing to declare",
            found.state
        )),
        (Word::Consumed, _) if is_taken && !crate::domain::evidence::is_weak(evidence) => {
            not_possible(format!("order {number} is known to be booked already: {evidence}"))
        }
        (Word::Lost, _) if is_taken && is_word_of_till(evidence) => not_possible(format!(
            "order {number} was booked, by the till's own words ({evidence}); if the till really lost it since: tillbridge orders export {number} --again"
        )),
        (Word::Consumed | Word::Lost, _) => Ok(()),
        (Word::LostButWaits | Word::LostButBooked, _) => not_possible("that is for the agent to say".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sweep_reads_orders_of_which_nobody_said_anything() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let plan = ledger.read("explain", |tx| {
            let mut plan = tx.prepare(&format!("EXPLAIN QUERY PLAN {DECLARED}")).doing("explain")?;
            let lines = plan.query_map([], |row| row.get::<_, String>(3));
            lines.and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>).doing("explain")
        });
        let plan = plan.unwrap();
        assert!(plan[0] == "SCAN d" && plan[1].starts_with("SEARCH o"), "{plan:?}");
    }
}
