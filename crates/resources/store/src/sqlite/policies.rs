//! Statements of the policies that were in use.

use postern_types::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::{StoreError, StoredPolicy};

/// How much longer than its evidence a policy stays: sessions that were under way may have used it on.
const MARGIN: i64 = 86_400_000;

/// Every other policy's time ends; should the process have died, that is a little late, which harms nobody.
pub(crate) fn in_use(
    connection: &Connection,
    version: &str,
    json: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut others = connection
        .prepare_cached("UPDATE policies SET last_at = ?2 WHERE last_at IS NULL AND version <> ?1")?;
    others.execute(params![version, at.as_millis()])?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO policies (version, json, first_at, last_at) VALUES (?1, ?2, ?3, NULL)
         ON CONFLICT DO UPDATE SET last_at = NULL",
    )?;
    insert.execute(params![version, json, at.as_millis()])?;
    Ok(())
}

pub(crate) fn get(connection: &Connection, version: &str) -> Result<Option<StoredPolicy>, StoreError> {
    let mut select = connection
        .prepare_cached("SELECT version, json, first_at, last_at FROM policies WHERE version = ?1")?;
    let row = select.query_row([version], |row| {
        Ok(StoredPolicy {
            version: row.get(0)?,
            json: row.get(1)?,
            first_at: Timestamp::from_millis(row.get(2)?),
            last_at: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_millis),
        })
    });
    Ok(row.optional()?)
}

/// Removes those that were out of use before all the evidence that is left.
pub(crate) fn purge(connection: &Connection, evidence_before: Timestamp) -> Result<u64, StoreError> {
    let mut delete = connection.prepare_cached("DELETE FROM policies WHERE last_at < ?1")?;
    Ok(delete.execute([evidence_before.as_millis().saturating_sub(MARGIN)])? as u64)
}
