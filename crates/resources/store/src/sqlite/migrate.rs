//! The database's format: forward only, one file of SQL per version, recorded in `user_version`.

use std::path::Path;

use rusqlite::Connection;

use super::{ServerLock, open};
use crate::StoreError;

/// `PSTN`: this file is a Postern store.
const APPLICATION: i32 = 0x5053_544e;

/// Version n is made by the n-th text from version n − 1. Append only.
const MIGRATIONS: &[&str] = &[include_str!("migrations/001.sql"), include_str!("migrations/002.sql")];

/// Brings the database to the newest format.
pub(super) fn up_to_date(
    connection: &Connection,
    dir: &Path,
    lock: Option<&ServerLock>,
) -> Result<(), StoreError> {
    run(connection, dir, lock, MIGRATIONS)
}

fn run(
    connection: &Connection,
    dir: &Path,
    lock: Option<&ServerLock>,
    migrations: &[&str],
) -> Result<(), StoreError> {
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    let found = version(connection)?;
    if found == known {
        return Ok(());
    }
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    // A tool must not change the format under a server that runs an older program.
    let taken = match lock {
        Some(_) => None,
        None => Some(open::server_lock(dir)?.ok_or(StoreError::InUse)?),
    };
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let result = steps(connection, migrations).and_then(|()| Ok(connection.execute_batch("COMMIT")?));
    if result.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    drop(taken);
    result
}

fn steps(connection: &Connection, migrations: &[&str]) -> Result<(), StoreError> {
    // Read again under the write lock: another process may have been faster.
    let found = usize::try_from(version(connection)?).unwrap_or(usize::MAX);
    if found == 0 {
        refuse_foreign(connection)?;
        connection.pragma_update(None, "application_id", APPLICATION)?;
    }
    for (done, sql) in migrations.iter().enumerate().skip(found) {
        connection.execute_batch(sql)?;
        connection.pragma_update(None, "user_version", i64::try_from(done + 1).unwrap_or(i64::MAX))?;
    }
    Ok(())
}

fn version(connection: &Connection) -> Result<u32, StoreError> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != 0 && application != APPLICATION {
        return Err(StoreError::corrupt("the database belongs to another program"));
    }
    Ok(version)
}

/// Format 0 is an empty file, nothing else.
fn refuse_foreign(connection: &Connection) -> Result<(), StoreError> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 { Ok(()) } else { Err(StoreError::corrupt("the database belongs to another program")) }
}
