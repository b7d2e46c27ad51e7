//! Statements of the digests.

use postern_types::{Address, Timestamp};
use rusqlite::{Connection, Row, params};

use super::columns::{address, address_key, unsigned};
use super::links;
use crate::{DigestDue, DigestNote, QuarantineId, StoreError};

pub(crate) fn due(
    connection: &Connection,
    before: Timestamp,
    recipient: Option<&Address>,
) -> Result<Vec<DigestDue>, StoreError> {
    let recipient = recipient.map(address_key);
    // Two texts, so that a recipient is looked up in its index.
    let of_recipient = if recipient.is_some() { "q.recipient_key = ?2" } else { "?2 IS NULL" };
    let mut select = connection.prepare_cached(&format!(
        "SELECT q.recipient_key, d.up_to, max(q.id), count(*)
         FROM quarantine q LEFT JOIN digests d ON d.recipient = q.recipient_key
         WHERE {of_recipient} AND q.state = 0 AND q.at < ?1 AND q.id > coalesce(d.up_to, 0)
         GROUP BY q.recipient_key ORDER BY q.recipient_key"
    ))?;
    let read = |row: &Row<'_>| -> Result<DigestDue, StoreError> {
        Ok(DigestDue {
            recipient: address(row, 0)?,
            after: row.get::<_, Option<i64>>(1)?.map(QuarantineId),
            up_to: QuarantineId(row.get(2)?),
            count: unsigned(row, 3)?,
        })
    };
    select.query_and_then(params![before.as_millis(), recipient], read)?.collect()
}

/// What the commit of a digest notes besides the message.
pub(crate) fn note(connection: &Connection, note: &DigestNote, now: Timestamp) -> Result<(), StoreError> {
    if let Some(link) = &note.link {
        links::put(connection, link)?;
    }
    let Some((recipient, up_to)) = &note.told else { return Ok(()) };
    let mut upsert = connection.prepare_cached(
        "INSERT INTO digests (recipient, up_to, at) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET up_to = excluded.up_to, at = excluded.at WHERE up_to < excluded.up_to",
    )?;
    match upsert.execute(params![address_key(recipient), up_to.0, now.as_millis()])? {
        0 => Err(StoreError::Exists { what: format!("a digest that tells {recipient} of these") }),
        _ => Ok(()),
    }
}
