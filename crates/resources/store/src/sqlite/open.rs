//! The folder, its lock, and how connections are set up.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::ServerLock;
use crate::files::{make_dir, sync_dir};
use crate::{Role, StoreError};

/// The database's name in the data folder.
pub(super) const DATABASE: &str = "postern.db";
const LOCK: &str = "postern.lock";

/// How long another process (the command line, or the server) may hold the write lock.
const PATIENCE: Duration = Duration::from_secs(5);
/// Statements kept prepared per connection; more than there are in this crate.
const STATEMENTS: usize = 128;

/// Makes the folder and an empty database file that only we can read, and takes the server's lock.
pub(super) fn prepare(dir: &Path, role: Role) -> Result<Option<ServerLock>, StoreError> {
    make_dir(dir)?;
    let lock = match role {
        Role::Server => Some(server_lock(dir)?.ok_or(StoreError::InUse)?),
        Role::Tool => None,
    };
    let database = dir.join(DATABASE);
    if !database.exists() {
        let mut options = OpenOptions::new();
        let made = options.write(true).create(true).truncate(false).mode(0o600).open(&database);
        made.map_err(|e| StoreError::io("making the database file", e))?;
        sync_dir(dir)?;
    }
    Ok(lock)
}

/// The server's lock, unless another process has it.
pub(super) fn server_lock(dir: &Path) -> Result<Option<ServerLock>, StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file: File = options.open(dir.join(LOCK)).map_err(|e| StoreError::io("opening the lock file", e))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(ServerLock { _file: file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(StoreError::io("locking the data folder", e)),
    }
}

/// A connection that may write: the writer's. The caller sees to checkpoints.
pub(super) fn connect(dir: &Path) -> Result<Connection, StoreError> {
    let connection = open(dir, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Two rows of a 10 KB body share few pages of this size. 4 and 16 KB measured alike within the noise.
    connection.pragma_update(None, "page_size", 8192)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Engine(format!("the file system allows no write-ahead log (mode {mode})")));
    }
    // A commit returns when the log is synced: what `Durable` stands on.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    // Negative: KiB.
    connection.pragma_update(None, "cache_size", -8192)?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn connect_for_reading(dir: &Path) -> Result<Connection, StoreError> {
    // Opened for writing, because a reader must be able to write the log's shared index.
    let connection = open(dir, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -2048)?;
    Ok(connection)
}

fn open(dir: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    // Each connection is used by one thread at a time: SQLite's own mutex is not needed.
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(dir.join(DATABASE), flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}
