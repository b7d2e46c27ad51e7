//! Statements of the queue.

use postern_types::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::bodies::{self, BodyId};
use super::columns::{address, limit as bound, reverse_path, timestamp, trace, unsigned};
use crate::files::BodyFolder;
use crate::{MessageReader, QueueId, Queued, StoreError};

const COLUMNS: &str = "id, trace, sender, recipient, route, parameters, size, at, next_at, expires_at,
                       attempts, last_reply";

fn queued(row: &Row<'_>) -> Result<Queued, StoreError> {
    Ok(Queued {
        id: QueueId(row.get(0)?),
        trace: trace(row, 1)?,
        sender: reverse_path(row, 2)?,
        recipient: address(row, 3)?,
        route: row.get(4)?,
        parameters: row.get(5)?,
        size: unsigned(row, 6)?,
        at: timestamp(row, 7)?,
        next_at: timestamp(row, 8)?,
        expires_at: timestamp(row, 9)?,
        attempts: row.get(10)?,
        last_reply: row.get(11)?,
    })
}

fn missing(id: QueueId) -> StoreError {
    StoreError::not_found(format!("queue entry {}", id.0))
}

/// Taking an entry moves its time to the lease's end, so nobody else sees it as due.
pub(crate) fn lease(
    connection: &Connection,
    now: Timestamp,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<Queued>, StoreError> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM queue WHERE next_at <= ?1 ORDER BY next_at, id LIMIT ?2"
    ))?;
    let due = select.query_and_then(params![now.as_millis(), bound(limit)], queued)?;
    let due: Vec<Queued> = due.collect::<Result<_, _>>()?;
    let mut update =
        connection.prepare_cached("UPDATE queue SET next_at = ?2, attempts = attempts + 1 WHERE id = ?1")?;
    let taken = due.into_iter().map(|mut entry| {
        update.execute(params![entry.id.0, until.as_millis()])?;
        entry.next_at = until;
        entry.attempts += 1;
        Ok(entry)
    });
    taken.collect()
}

pub(crate) fn next_at(connection: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let mut select = connection.prepare_cached("SELECT min(next_at) FROM queue")?;
    let millis: Option<i64> = select.query_row([], |row| row.get(0))?;
    Ok(millis.map(Timestamp::from_millis))
}

pub(crate) fn defer(
    connection: &Connection,
    id: QueueId,
    next_at: Timestamp,
    reply: &str,
) -> Result<(), StoreError> {
    let mut update =
        connection.prepare_cached("UPDATE queue SET next_at = ?2, last_reply = ?3 WHERE id = ?1")?;
    match update.execute(params![id.0, next_at.as_millis(), reply])? {
        0 => Err(missing(id)),
        _ => Ok(()),
    }
}

fn parts(connection: &Connection, id: QueueId) -> Result<(BodyId, i64), StoreError> {
    let mut select = connection.prepare_cached("SELECT body, prefix FROM queue WHERE id = ?1")?;
    let parts = select.query_row([id.0], |row| Ok((BodyId(row.get(0)?), row.get(1)?))).optional()?;
    parts.ok_or_else(|| missing(id))
}

/// Returns how many files can be unlinked now.
pub(crate) fn remove(connection: &Connection, id: QueueId) -> Result<usize, StoreError> {
    let (body, prefix) = parts(connection, id)?;
    connection.prepare_cached("DELETE FROM queue WHERE id = ?1")?.execute([id.0])?;
    bodies::drop_copy(connection, body, prefix)
}

/// Takes the entry out, and if it was released from quarantine the copy there is held again: it has reached
/// nobody. Returns how many files can be unlinked now.
pub(crate) fn give_up(connection: &Connection, id: QueueId) -> Result<usize, StoreError> {
    connection
        .prepare_cached(
            "UPDATE quarantine SET state = 0 FROM queue
             WHERE queue.id = ?1 AND quarantine.trace = queue.trace AND quarantine.recipient = queue.recipient",
        )?
        .execute([id.0])?;
    remove(connection, id)
}

pub(crate) fn one(connection: &Connection, id: QueueId) -> Result<Queued, StoreError> {
    let mut select = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM queue WHERE id = ?1"))?;
    let mut rows = select.query([id.0])?;
    queued(rows.next()?.ok_or_else(|| missing(id))?)
}

pub(crate) fn list(
    connection: &Connection,
    after: Option<QueueId>,
    limit: usize,
) -> Result<Vec<Queued>, StoreError> {
    let mut select = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM queue WHERE id > ?1 ORDER BY id LIMIT ?2"))?;
    select.query_and_then(params![after.map_or(0, |id| id.0), bound(limit)], queued)?.collect()
}

pub(crate) fn read(
    connection: &Connection,
    folder: &BodyFolder,
    id: QueueId,
) -> Result<MessageReader, StoreError> {
    let (body, prefix) = parts(connection, id)?;
    bodies::open(connection, folder, body, prefix)
}
