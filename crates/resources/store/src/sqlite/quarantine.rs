//! Statements of the quarantine.

use std::time::Duration;

use postern_types::{Address, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::accept::Stored;
use super::bodies::{self, BodyId};
use super::columns::{address, address_key, limit, reverse_path, timestamp, trace, unsigned};
use crate::files::BodyFolder;
use crate::{
    AccountId, MessageCopy, MessageReader, QuarantineId, QuarantineQuery, QuarantineState, Quarantined,
    Release, ReleaseTo, StoreError,
};

const COLUMNS: &str = "id, trace, sender, recipient, account, reason, verdict, size, at, expires_at, state";
const HELD: i64 = 0;
const RELEASED: i64 = 1;
/// How long a copy is there after its delivery was given up, at least.
const SEEN_AGAIN: Duration = Duration::from_secs(7 * 86_400);

fn held(row: &Row<'_>) -> Result<Quarantined, StoreError> {
    Ok(Quarantined {
        id: QuarantineId(row.get(0)?),
        trace: trace(row, 1)?,
        sender: reverse_path(row, 2)?,
        recipient: address(row, 3)?,
        account: row.get::<_, Option<i64>>(4)?.map(AccountId),
        reason: row.get(5)?,
        verdict: row.get(6)?,
        size: unsigned(row, 7)?,
        at: timestamp(row, 8)?,
        expires_at: timestamp(row, 9)?,
        state: match row.get(10)? {
            HELD => QuarantineState::Held,
            RELEASED => QuarantineState::Released,
            other => return Err(StoreError::corrupt(format!("a quarantine entry in state {other}"))),
        },
    })
}

fn missing(id: QuarantineId) -> StoreError {
    StoreError::not_found(format!("quarantine entry {}", id.0))
}

pub(crate) fn list(connection: &Connection, query: &QuarantineQuery) -> Result<Vec<Quarantined>, StoreError> {
    let state = query.state.map(|state| match state {
        QuarantineState::Held => HELD,
        QuarantineState::Released => RELEASED,
    });
    let recipient = query.recipient.as_ref().map(address_key);
    // Two texts, so that a recipient is looked up in its index.
    let of_recipient = if recipient.is_some() { "recipient_key = ?1" } else { "?1 IS NULL" };
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM quarantine WHERE {of_recipient} AND (?2 IS NULL OR state = ?2) AND id < ?3
         ORDER BY id DESC LIMIT ?4"
    ))?;
    let before = query.before.map_or(i64::MAX, |id| id.0);
    select.query_and_then(params![recipient, state, before, limit(query.limit)], held)?.collect()
}

pub(crate) fn one(connection: &Connection, id: QuarantineId) -> Result<Quarantined, StoreError> {
    let mut select = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM quarantine WHERE id = ?1"))?;
    let mut rows = select.query([id.0])?;
    held(rows.next()?.ok_or_else(|| missing(id))?)
}

pub(crate) fn one_for(
    connection: &Connection,
    recipient: &Address,
    id: QuarantineId,
) -> Result<Quarantined, StoreError> {
    let entry = one(connection, id)?;
    if address_key(&entry.recipient) == address_key(recipient) { Ok(entry) } else { Err(missing(id)) }
}

fn parts(connection: &Connection, id: QuarantineId) -> Result<(BodyId, i64), StoreError> {
    let mut select = connection.prepare_cached("SELECT body, prefix FROM quarantine WHERE id = ?1")?;
    let parts = select.query_row([id.0], |row| Ok((BodyId(row.get(0)?), row.get(1)?))).optional()?;
    parts.ok_or_else(|| missing(id))
}

pub(crate) fn read(
    connection: &Connection,
    folder: &BodyFolder,
    id: QuarantineId,
) -> Result<MessageReader, StoreError> {
    let (body, prefix) = parts(connection, id)?;
    bodies::open(connection, folder, body, prefix)
}

/// State and delivery in one: the copy stays until it expires, what is delivered is a copy of it.
pub(crate) fn release(
    connection: &Connection,
    folder: &BodyFolder,
    id: QuarantineId,
    to: &ReleaseTo,
    now: Timestamp,
) -> Result<Release, StoreError> {
    let entry = one(connection, id)?;
    if entry.state == QuarantineState::Released {
        return Ok(Release::AlreadyReleased);
    }
    let (body, prefix) = parts(connection, id)?;
    let prefix = bodies::prefix(connection, folder, prefix)?;
    let size = entry.size.saturating_sub(prefix.len() as u64);
    let copies: Vec<MessageCopy> = match to {
        ReleaseTo::Mailboxes(accounts) => {
            let copy = |&account| MessageCopy::Mailbox { account, prefix: prefix.clone() };
            accounts.iter().map(copy).collect()
        }
        ReleaseTo::Queue { route, expires_at } => vec![MessageCopy::Queue {
            recipient: entry.recipient,
            route: route.clone(),
            parameters: String::new(),
            expires_at: *expires_at,
            prefix,
        }],
    };
    let mut placed = Vec::with_capacity(copies.len());
    for copy in &copies {
        bodies::add_copy(connection, body)?;
        let stored = Stored { id: body, size, trace: entry.trace, at: now };
        placed.push(stored.place(connection, &entry.sender, copy)?);
    }
    let kept = match to {
        ReleaseTo::Mailboxes(_) => entry.expires_at,
        // The next hop may never take it: then it is held again, for long enough to be seen.
        ReleaseTo::Queue { expires_at, .. } => entry.expires_at.max(expires_at.plus(SEEN_AGAIN)),
    };
    connection.execute(
        "UPDATE quarantine SET state = ?2, expires_at = ?3 WHERE id = ?1",
        params![id.0, RELEASED, kept.as_millis()],
    )?;
    Ok(Release::Delivered(placed))
}

/// Returns how many files can be unlinked now.
pub(crate) fn delete(connection: &Connection, id: QuarantineId) -> Result<usize, StoreError> {
    let (body, prefix) = parts(connection, id)?;
    connection.prepare_cached("DELETE FROM quarantine WHERE id = ?1")?.execute([id.0])?;
    bodies::drop_copy(connection, body, prefix)
}

/// Returns how many went, and how many files can be unlinked now.
pub(crate) fn delete_all(
    connection: &Connection,
    ids: &[QuarantineId],
) -> Result<(usize, usize), StoreError> {
    let mut gone = (0, 0);
    for &id in ids {
        match delete(connection, id) {
            Ok(files) => gone = (gone.0 + 1, gone.1 + files),
            Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(gone)
}
