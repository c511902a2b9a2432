//! The ledger: one SQLite file that knows every order, export, quantity sent and reason why.
//!
//! Promises: a state change and the outbox row that follows from it commit together; every commit is on the disk
//! before the call returns (WAL, `synchronous=FULL`); one agent at a time; migrations only go forward, and an older
//! program refuses a newer ledger. No network and no file of the till is touched inside a transaction.
//!
//! States that a crash can leave: any committed transaction whole, never a part of one (SQLite's promise). Leases of
//! the dead agent are released when the next one takes the lock.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction, TransactionBehavior, params};

pub mod acknowledgements;
pub mod admission;
pub mod compare;
pub mod conditions;
pub mod corrections;
pub mod declarations;
pub mod duplicates;
pub mod explain;
pub mod exports;
pub mod fates;
pub mod files;
pub mod held;
pub mod item_map;
pub mod items;
pub mod merge;
pub mod older;
pub mod order_lists;
pub mod order_tasks;
pub mod orders;
pub mod outbox;
pub mod outlook;
pub mod pages;
pub mod passed_over;
pub mod plans;
pub mod runs;
mod schema;
pub mod stock;
pub mod unmapped;
pub mod watched;

use schema::Kept;

/// The ledger's file name within the agent's folder.
pub const FILE_NAME: &str = "ledger.db";
/// The lock's file name within the agent's folder.
pub const LOCK_NAME: &str = "ledger.lock";

/// What can go wrong with the ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another agent has it.
    #[error(
        "another Tillbridge agent already works with {}{holder}; stop that one first, or give this one its own data_folder",
        folder.display()
    )]
    InUse {
        /// The agent's folder.
        folder: PathBuf,
        /// Who has it, when known.
        holder: String,
    },
    /// There is none yet.
    #[error("there is no ledger in {} yet; start the agent once (tillbridge run), or check data_folder", folder.display())]
    Missing {
        /// The agent's folder.
        folder: PathBuf,
    },
    /// It was written by a newer program.
    #[error(
        "the ledger {} has version {found}, this program knows versions up to {known}; install the newer Tillbridge again",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// Ours.
        known: usize,
    },
    /// The folder or lock file cannot be used.
    #[error("cannot use {}; check that the folder exists and that the agent's user may write there", path.display())]
    Folder {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// SQLite failed.
    #[error("the ledger could not {doing}{}", remedy(source))]
    Sql {
        /// What was attempted, as a verb phrase.
        doing: &'static str,
        /// SQLite's reason.
        #[source]
        source: rusqlite::Error,
    },
    /// A row that no version of this program writes.
    #[error("the ledger's {table} row {row} cannot be understood ({why}); nothing is guessed from it")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The row's key.
        row: String,
        /// What is wrong with it.
        why: String,
    },
    /// No order has this number or key.
    #[error("there is no order {0} in the ledger; tillbridge orders list shows those that are")]
    NoSuchOrder(String),
    /// No held export is meant by this.
    #[error("no held export is named {which}, nor is that its number or the start of its fingerprint; held: {held}")]
    NoSuchExport {
        /// What was asked for.
        which: String,
        /// The held exports.
        held: String,
    },
    /// What was asked for is not possible.
    #[error("{0}")]
    NotPossible(String),
}

fn remedy(source: &rusqlite::Error) -> &'static str {
    match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => ": the disk is full; free some space, the agent goes on by itself",
        Some(rusqlite::ErrorCode::DatabaseBusy) => ": another program holds it",
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            ": the file is damaged; stop the agent and restore the folder from a backup"
        }
        _ => "",
    }
}

/// The result of a ledger call.
pub type Result<T, E = LedgerError> = std::result::Result<T, E>;

/// Names a failed step.
pub(crate) trait Doing<T> {
    /// `doing` reads after "the ledger could not".
    fn doing(self, doing: &'static str) -> Result<T>;
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, doing: &'static str) -> Result<T> {
        self.map_err(|source| LedgerError::Sql { doing, source })
    }
}

/// The open ledger.
#[derive(Debug)]
pub struct Ledger {
    folder: PathBuf,
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    _lock: Option<File>,
    is_scratch: bool,
}

impl Ledger {
    /// Opens the ledger as *the* agent: takes the lock, makes or migrates the file, releases a dead agent's leases.
    ///
    /// # Errors
    /// [`LedgerError::InUse`], [`LedgerError::Newer`], or a failure of disk or SQLite.
    pub fn open(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|source| LedgerError::Folder { path: folder.to_owned(), source })?;
        let lock = schema::take_lock(folder)?;
        let mut writer = schema::connect(&folder.join(FILE_NAME), OpenFlags::default())?;
        schema::migrate(&mut writer, &folder.join(FILE_NAME), Kept::Durably)?;
        let ledger = Self::with(folder, writer, Some(lock))?;
        ledger.write("release old leases", |tx| {
            tx.execute("UPDATE outbox_stock SET leased = 0, ready_at = 0 WHERE leased = 1", [])?;
            tx.execute("UPDATE outbox_acknowledgement SET leased = 0, ready_at = 0 WHERE leased = 1", [])
        })?;
        Ok(ledger)
    }

    /// Opens the ledger beside a running agent, for commands: no lock, no migration.
    ///
    /// # Errors
    /// [`LedgerError::Missing`], [`LedgerError::Newer`], or a failure of disk or SQLite.
    pub fn open_beside(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE_NAME);
        if !path.is_file() {
            return Err(LedgerError::Missing { folder: folder.to_owned() });
        }
        let writer = schema::connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        let version = schema::version_of(&writer, &path)?;
        if version != schema::MIGRATIONS.len() {
            return Err(LedgerError::NotPossible(format!(
                "the ledger {} has version {version}, this program writes version {}; start the agent once to bring it up to date",
                path.display(),
                schema::MIGRATIONS.len()
            )));
        }
        Self::with(folder, writer, None)
    }

    /// A ledger to think with, in a folder that is thrown away: fast, and worthless after a failure or a power cut.
    ///
    /// # Errors
    /// A failure of disk or SQLite.
    pub fn scratch(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE_NAME);
        let mut writer = schema::connect(&path, OpenFlags::default())?;
        schema::migrate(&mut writer, &path, Kept::AsScratch)?;
        Ok(Self { is_scratch: true, ..Self::with(folder, writer, None)? })
    }

    /// Will it be thrown away?
    pub(crate) fn is_scratch(&self) -> bool {
        self.is_scratch
    }

    fn with(folder: &Path, writer: Connection, lock: Option<File>) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = schema::connect(&folder.join(FILE_NAME), flags)?;
        let (folder, writer, reader) = (folder.to_owned(), Mutex::new(writer), Mutex::new(reader));
        Ok(Self { folder, writer, reader, _lock: lock, is_scratch: false })
    }

    /// The agent's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// One write transaction: all of it or nothing.
    pub(crate) fn write<T>(
        &self,
        doing: &'static str,
        body: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.transact(doing, |tx| body(tx).doing(doing))
    }

    /// Like [`Ledger::write`], for bodies with errors of their own.
    pub(crate) fn transact<T>(
        &self,
        doing: &'static str,
        body: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut connection = hold(&self.writer);
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).doing(doing)?;
        let value = body(&tx)?;
        tx.commit().doing(doing)?;
        Ok(value)
    }

    /// One consistent read, never waiting for a writer.
    pub(crate) fn read<T>(&self, doing: &'static str, body: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut connection = hold(&self.reader);
        let tx = connection.transaction().doing(doing)?;
        body(&tx)
    }

    /// A number that changes when *another* process has committed something.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn foreign_changes(&self) -> Result<i64> {
        hold(&self.writer).query_row("PRAGMA data_version", [], |row| row.get(0)).doing("see whether it changed")
    }

    /// Reads a named fact.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn fact(&self, name: &str) -> Result<Option<String>> {
        self.read("read a fact", |tx| fact_in(tx, name))
    }

    /// Writes a named fact; `None` removes it.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn set_fact(&self, name: &str, value: Option<&str>) -> Result<()> {
        self.transact("note a fact", |tx| set_fact_in(tx, name, value))
    }

    /// `full`: the file grows no further, so that SQLite finds the disk full; else as it likes again. For tests of that.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn cap_growth(&self, full: bool) -> Result<()> {
        // SQLite raises the limit to the pages that there are; the greatest one is its default.
        let pages: u32 = if full { 1 } else { 4_294_967_294 };
        hold(&self.writer)
            .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
            .doing("be limited in size")
    }

    /// Size of the ledger's files, bytes.
    pub fn bytes(&self) -> u64 {
        ["", "-wal"]
            .iter()
            .filter_map(|suffix| std::fs::metadata(self.folder.join(format!("{FILE_NAME}{suffix}"))).ok())
            .map(|found| found.len())
            .sum()
    }

    /// Tries SQLite's own check of the file.
    ///
    /// # Errors
    /// What SQLite found.
    pub fn check(&self) -> Result<()> {
        let found: String =
            hold(&self.reader).query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).doing("check itself")?;
        if found == "ok" {
            return Ok(());
        }
        Err(LedgerError::Damaged { table: "database", row: FILE_NAME.into(), why: found })
    }
}

/// Names of the facts.
pub mod facts {
    /// Where the order feed has been read to.
    pub const FEED_CURSOR: &str = "feed-cursor";
    /// When the agent was first started: the default of `orders.since`.
    pub const FIRST_STARTED: &str = "first-started";
    /// Who paused the agent, and when. Absent: not paused.
    pub const PAUSED: &str = "paused";
    /// When the export folder was last listed.
    pub const LAST_LOOK: &str = "last-look";
    /// Bumped by `sync now`.
    pub const WAKE: &str = "wake";
    /// The last `sync now` that the agent has carried out.
    pub const WOKEN: &str = "woken";
    /// Where the running agent's health page is.
    pub const HEALTH_ADDRESS: &str = "health-address";
    /// A hash of the settings that decide what the store should hold.
    pub const SETTINGS: &str = "settings";
    /// What the store turned out to be, to show.
    pub const STORE_SHOWN: &str = "store-shown";
    /// How the store keeps its books.
    pub const STORE_MODEL: &str = "store-model";
    /// Bumped by `check --accept-folders`.
    pub const ACCEPT_FOLDERS: &str = "accept-folders";
}

pub(crate) fn fact_in(tx: &Connection, name: &str) -> Result<Option<String>> {
    tx.query_row("SELECT value FROM fact WHERE name = ?1", [name], |row| row.get(0)).optional().doing("read a fact")
}

pub(crate) fn set_fact_in(tx: &Connection, name: &str, value: Option<&str>) -> Result<()> {
    let changed = match value {
        Some(value) => tx.execute(
            "INSERT INTO fact (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            params![name, value],
        ),
        None => tx.execute("DELETE FROM fact WHERE name = ?1", [name]),
    };
    changed.map(|_| ()).doing("note a fact")
}

fn hold(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    // A panic elsewhere rolled its transaction back; the connection itself is whole.
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

// ------------------------------------------------------------------------------------------- columns and their types

/// A timestamp as a column.
pub(crate) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// A column as a timestamp. Out-of-range values cannot have been written by us; they read as the earliest time, which
/// proves nothing.
pub(crate) fn at_column(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MIN)
}

/// A text column as one of our types.
pub(crate) fn typed<T>(row: &Row<'_>, column: &str) -> rusqlite::Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(column)?;
    text.parse()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_agents_cannot_have_one_ledger_and_the_second_is_told_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = Ledger::open(folder.path()).unwrap();
        let refused = Ledger::open(folder.path()).unwrap_err();
        assert!(matches!(refused, LedgerError::InUse { .. }));
        assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        Ledger::open(folder.path()).unwrap();
    }

    #[test]
    fn a_newer_ledger_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        drop(Ledger::open(folder.path()).unwrap());
        let newer = Connection::open(folder.path().join(FILE_NAME)).unwrap();
        newer.pragma_update(None, "user_version", 99).unwrap();
        drop(newer);
        let refused = Ledger::open(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("version 99") && refused.contains("install the newer"), "{refused}");
    }

    #[test]
    fn commits_are_durable_and_a_command_beside_the_agent_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let agent = Ledger::open(folder.path()).unwrap();
        let mode: String = hold(&agent.writer).query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        let sync: i64 = hold(&agent.writer).query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap();
        assert_eq!((mode.as_str(), sync), ("wal", 2));
        let before = agent.foreign_changes().unwrap();
        Ledger::open_beside(folder.path()).unwrap().set_fact(facts::PAUSED, Some("ann")).unwrap();
        assert_ne!(agent.foreign_changes().unwrap(), before);
        assert_eq!(agent.fact(facts::PAUSED).unwrap().as_deref(), Some("ann"));
    }

    #[test]
    fn a_command_without_a_ledger_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let refused = Ledger::open_beside(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("tillbridge run"), "{refused}");
    }
}
