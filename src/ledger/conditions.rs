//! Health conditions as the ledger keeps them: named troubles with code, severity, since and remedy.
//!
//! Promises: a condition keeps the time at which it began for as long as it lasts; raising or clearing what is already
//! so writes nothing.

use jiff::Timestamp;
use rusqlite::params;
use serde::Serialize;

use super::{Doing, Ledger, Result, at_column, micros};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Notice,
    /// Will become a trouble if nobody acts.
    Warning,
    /// The agent cannot do its work.
    Error,
}

impl Severity {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    fn from_word(word: &str) -> Self {
        match word {
            "notice" => Self::Notice,
            "warning" => Self::Warning,
            _ => Self::Error,
        }
    }
}

/// A trouble to be raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Its code; the README lists them.
    pub code: &'static str,
    /// What it is about (an order's number, a file); empty when it is about the agent.
    pub subject: String,
    /// How bad.
    pub severity: Severity,
    /// What is wrong, for a shop manager.
    pub text: String,
    /// What to do.
    pub remedy: String,
}

/// A trouble that lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// Its code.
    pub code: String,
    /// What it is about.
    pub subject: String,
    /// How bad.
    pub severity: Severity,
    /// Since when.
    pub since: Timestamp,
    /// What is wrong.
    pub text: String,
    /// What to do.
    pub remedy: String,
}

impl Ledger {
    /// Makes the lasting troubles of these codes be exactly `troubles`.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn set_conditions(&self, codes: &[&str], troubles: &[Trouble], now: Timestamp) -> Result<()> {
        self.replace_conditions(|lasting| codes.contains(&lasting.code.as_str()), troubles, now)
    }

    /// Makes the lasting troubles of these codes about `subject` be exactly `troubles`.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn set_conditions_about(
        &self,
        codes: &[&str],
        subject: &str,
        troubles: &[Trouble],
        now: Timestamp,
    ) -> Result<()> {
        let meant = |lasting: &Condition| codes.contains(&lasting.code.as_str()) && lasting.subject == subject;
        self.replace_conditions(meant, troubles, now)
    }

    fn replace_conditions(
        &self,
        meant: impl Fn(&Condition) -> bool,
        troubles: &[Trouble],
        now: Timestamp,
    ) -> Result<()> {
        let lasting: Vec<Condition> = self.conditions()?.into_iter().filter(meant).collect();
        let same =
            |lasting: &Condition, trouble: &Trouble| lasting.code == trouble.code && lasting.subject == trouble.subject;
        let unchanged = lasting.len() == troubles.len()
            && troubles.iter().all(|trouble| {
                lasting.iter().any(|old| {
                    same(old, trouble)
                        && old.text == trouble.text
                        && old.remedy == trouble.remedy
                        && old.severity == trouble.severity
                })
            });
        if unchanged {
            return Ok(());
        }
        self.write("note health conditions", |tx| {
            for old in lasting.iter().filter(|old| !troubles.iter().any(|trouble| same(old, trouble))) {
                tx.execute("DELETE FROM condition WHERE code = ?1 AND subject = ?2", params![old.code, old.subject])?;
            }
            let mut raise = tx.prepare_cached(
                "INSERT INTO condition (code, subject, severity, since, text, remedy) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (code, subject) DO UPDATE SET severity = excluded.severity, text = excluded.text, remedy = excluded.remedy",
            )?;
            for trouble in troubles {
                let (severity, since) = (trouble.severity.word(), micros(now));
                raise.execute(params![trouble.code, trouble.subject, severity, since, trouble.text, trouble.remedy])?;
            }
            Ok(())
        })
    }

    /// The troubles that last, the worst first.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn conditions(&self) -> Result<Vec<Condition>> {
        self.read("list health conditions", |tx| {
            let mut found = tx
                .prepare_cached(
                    "SELECT code, subject, severity, since, text, remedy FROM condition ORDER BY since, code, subject",
                )
                .doing("list health conditions")?;
            let rows = found.query_map([], |row| {
                Ok(Condition {
                    code: row.get(0)?,
                    subject: row.get(1)?,
                    severity: Severity::from_word(&row.get::<_, String>(2)?),
                    since: at_column(row.get(3)?),
                    text: row.get(4)?,
                    remedy: row.get(5)?,
                })
            });
            let mut conditions: Vec<Condition> = rows.and_then(Iterator::collect).doing("list health conditions")?;
            conditions.sort_by_key(|condition| std::cmp::Reverse(condition.severity));
            Ok(conditions)
        })
    }
}
