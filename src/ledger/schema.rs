//! How the ledger's file is locked, opened and brought up to date.
//!
//! Promises: one agent at a time; migrations only go forward, each in a transaction of its own; a file from a newer
//! program is left as it is.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{Doing, LOCK_NAME, LedgerError, Result};

/// How long to wait for another process (a command beside the agent) to finish its transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);

/// Forward-only; never edited after a release. The position is the version that it leads to.
pub(super) const MIGRATIONS: [&str; 7] = [
    include_str!("0001_ledger.sql"),
    include_str!("0002_deltas.sql"),
    include_str!("0003_order_file_sequence.sql"),
    include_str!("0004_order_files.sql"),
    include_str!("0005_items.sql"),
    include_str!("0006_corrections.sql"),
    include_str!("0007_elsewhere.sql"),
];

pub(super) fn take_lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK_NAME);
    let failed = |source| LedgerError::Folder { path: path.clone(), source };
    let lock = File::options().create(true).truncate(false).read(true).write(true).open(&path).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {
            let note = format!("{}\n", std::process::id());
            lock.set_len(0).and_then(|()| std::io::Write::write_all(&mut &lock, note.as_bytes())).map_err(failed)?;
            Ok(lock)
        }
        Err(TryLockError::WouldBlock) => {
            let holder = std::fs::read_to_string(&path).ok().filter(|note| !note.trim().is_empty());
            let holder = holder.map_or(String::new(), |pid| format!(" (process {})", pid.trim()));
            Err(LedgerError::InUse { folder: folder.to_owned(), holder })
        }
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

pub(super) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, flags).doing("be opened")?;
    connection.busy_timeout(BUSY_TIMEOUT).doing("be opened")?;
    connection.set_prepared_statement_cache_capacity(64);
    connection
        .execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -4000; PRAGMA temp_store = FILE;",
        )
        .doing("be opened")?;
    Ok(connection)
}

pub(super) fn version_of(connection: &Connection, path: &Path) -> Result<usize> {
    let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).doing("tell its version")?;
    let found = found as usize;
    if found > MIGRATIONS.len() {
        return Err(LedgerError::Newer { path: path.to_owned(), found, known: MIGRATIONS.len() });
    }
    Ok(found)
}

/// How the file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// Every commit is on the disk before the call returns.
    Durably,
    /// It is thrown away afterwards, also after any failure.
    AsScratch,
}

pub(super) fn migrate(connection: &mut Connection, path: &Path, kept: Kept) -> Result<()> {
    let from = version_of(connection, path)?;
    // The journal mode cannot be changed inside a transaction.
    let mode = match kept {
        Kept::Durably => "WAL",
        Kept::AsScratch => "OFF",
    };
    connection.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |_| Ok(())).doing("be opened")?;
    if kept == Kept::AsScratch {
        connection.execute_batch("PRAGMA synchronous = OFF").doing("be opened")?;
    }
    for (position, migration) in MIGRATIONS.iter().enumerate().skip(from) {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Exclusive).doing("be brought up to date")?;
        tx.execute_batch(migration).doing("be brought up to date")?;
        tx.pragma_update(None, "user_version", position as u32 + 1).doing("be brought up to date")?;
        tx.commit().doing("be brought up to date")?;
    }
    Ok(())
}
