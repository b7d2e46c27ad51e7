//! Copies the tables that decide about mail into a new database.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::{migrate, open};
use crate::{Role, StoreError};

/// Tables of mail and of the past. Everything else comes along, also what later formats add.
const LEFT_OUT: [&str; 11] = [
    "parts",
    "dropped_files",
    "messages",
    "queue",
    "quarantine",
    "traces",
    "evidence",
    "strikes",
    "links",
    "web_sessions",
    "digests",
];

pub(crate) fn make(source: &Path, dest: &Path) -> Result<(), StoreError> {
    let reading = |e| StoreError::io(format!("reading {}", dest.display()), e);
    if dest.exists() && fs::read_dir(dest).map_err(reading)?.next().is_some() {
        return Err(StoreError::Exists { what: format!("something in {}", dest.display()) });
    }
    let lock = open::prepare(dest, Role::Server)?;
    let copy = open::connect(dest)?;
    migrate::up_to_date(&copy, dest, lock.as_ref())?;
    // What is lost with the machine is no loss here.
    copy.pragma_update(None, "synchronous", "OFF")?;
    // The tables come in the order of their names; the house has seen to it that they fit together.
    copy.pragma_update(None, "foreign_keys", false)?;
    copy.execute("ATTACH DATABASE ?1 AS house", [source.join(open::DATABASE).to_string_lossy()])?;
    copy.execute_batch("BEGIN")?;
    for table in tables(&copy)? {
        // The names are those of our own formats.
        copy.execute_batch(&format!(
            "DELETE FROM main.\"{table}\"; INSERT INTO main.\"{table}\" SELECT * FROM house.\"{table}\";"
        ))?;
    }
    copy.execute_batch("UPDATE main.accounts SET password_hash = ''; COMMIT; DETACH DATABASE house;")?;
    copy.close().map_err(|(_, error)| error)?;
    Ok(())
}

fn tables(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut select = connection.prepare(
        "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
    )?;
    let names = select.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    Ok(names.into_iter().filter(|name| !LEFT_OUT.contains(&name.as_str())).collect())
}
