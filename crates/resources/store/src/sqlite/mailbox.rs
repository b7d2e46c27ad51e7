//! Statements of mailboxes and messages.

use postern_types::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::accept::Stored;
use super::bodies::{self, BodyId};
use super::columns::{timestamp, trace, unsigned};
use crate::files::BodyFolder;
use crate::{AccountId, Entry, Flags, Mailbox, MailboxId, MessageReader, Placed, StoreError};

/// The mailbox that every account has.
pub(super) const INBOX: &str = "INBOX";
/// Messages deleted in one step of a long deletion.
const STEP: usize = 200;

/// What a deletion did.
#[derive(Default)]
pub(crate) struct Gone {
    /// Messages deleted.
    pub(crate) messages: usize,
    /// Files that can be unlinked now.
    pub(crate) files: usize,
}

pub(super) fn create(connection: &Connection, account: i64, name: &str) -> Result<(), StoreError> {
    // rfc9051 §2.3.1.1: a mailbox made anew under an old name gets a greater UIDVALIDITY.
    let validity: i64 = connection.query_row(
        "UPDATE counters SET value = max(value + 1, ?1) WHERE name = 'uid_validity' RETURNING value",
        [Timestamp::now().as_secs()],
        |row| row.get(0),
    )?;
    connection.execute(
        "INSERT INTO mailboxes (account, name, uid_validity) VALUES (?1, ?2, ?3)",
        params![account, name, validity],
    )?;
    Ok(())
}

/// Appends a copy to an account's INBOX.
pub(super) fn append(
    connection: &Connection,
    account: AccountId,
    message: Stored,
    prefix: &[u8],
) -> Result<Placed, StoreError> {
    let mut select = connection
        .prepare_cached("SELECT id, uid_next, modseq + 1 FROM mailboxes WHERE account = ?1 AND name = ?2")?;
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let found: Option<(i64, u32, i64)> = select.query_row(params![account.0, INBOX], row).optional()?;
    let (mailbox, uid, modseq) = found.ok_or_else(|| StoreError::not_found("such account any more"))?;
    let next = uid.checked_add(1).ok_or_else(|| StoreError::Engine("a mailbox has no UIDs left".into()))?;
    let mut update =
        connection.prepare_cached("UPDATE mailboxes SET uid_next = ?2, modseq = ?3 WHERE id = ?1")?;
    update.execute(params![mailbox, next, modseq])?;
    let (size, prefix) = message.prefix(connection, prefix)?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO messages (mailbox, uid, modseq, flags, size, internal_date, trace, body, prefix)
         VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6, ?7, ?8)",
    )?;
    insert.execute(params![
        mailbox,
        uid,
        modseq,
        size,
        message.at.as_millis(),
        message.trace.to_i64(),
        message.id.0,
        prefix
    ])?;
    Ok(Placed::Mailbox { mailbox: MailboxId(mailbox), uid })
}

pub(crate) fn mailbox(
    connection: &Connection,
    account: AccountId,
    name: &str,
) -> Result<Mailbox, StoreError> {
    let name = if name.eq_ignore_ascii_case(INBOX) { INBOX } else { name };
    let mut select = connection.prepare_cached(
        "SELECT id, name, uid_validity, uid_next, modseq FROM mailboxes WHERE account = ?1 AND name = ?2",
    )?;
    let mut rows = select.query(params![account.0, name])?;
    let row = rows.next()?.ok_or_else(|| StoreError::not_found(format!("mailbox {name}")))?;
    Ok(Mailbox {
        id: MailboxId(row.get(0)?),
        name: row.get(1)?,
        uid_validity: row.get(2)?,
        uid_next: row.get(3)?,
        modseq: unsigned(row, 4)?,
    })
}

pub(crate) fn list(connection: &Connection, mailbox: MailboxId) -> Result<Vec<Entry>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT uid, size, internal_date, flags, modseq, trace FROM messages WHERE mailbox = ?1 ORDER BY uid",
    )?;
    let entries = select.query_and_then([mailbox.0], |row| {
        Ok(Entry {
            uid: row.get(0)?,
            size: unsigned(row, 1)?,
            internal_date: timestamp(row, 2)?,
            flags: Flags::from_bits(row.get(3)?),
            modseq: unsigned(row, 4)?,
            trace: trace(row, 5)?,
        })
    })?;
    entries.collect()
}

pub(crate) fn read(
    connection: &Connection,
    folder: &BodyFolder,
    mailbox: MailboxId,
    uid: u32,
) -> Result<MessageReader, StoreError> {
    let (body, prefix) = parts(connection, mailbox, uid)?
        .ok_or_else(|| StoreError::not_found(format!("message with UID {uid}")))?;
    bodies::open(connection, folder, body, prefix)
}

fn parts(connection: &Connection, mailbox: MailboxId, uid: u32) -> Result<Option<(BodyId, i64)>, StoreError> {
    let mut select =
        connection.prepare_cached("SELECT body, prefix FROM messages WHERE mailbox = ?1 AND uid = ?2")?;
    let parts = select.query_row(params![mailbox.0, uid], |row| Ok((BodyId(row.get(0)?), row.get(1)?)));
    Ok(parts.optional()?)
}

pub(crate) fn delete(connection: &Connection, mailbox: MailboxId, uids: &[u32]) -> Result<Gone, StoreError> {
    let mut gone = Gone::default();
    let mut delete = connection.prepare_cached("DELETE FROM messages WHERE mailbox = ?1 AND uid = ?2")?;
    for &uid in uids {
        let Some((body, prefix)) = parts(connection, mailbox, uid)? else { continue };
        gone.messages += delete.execute(params![mailbox.0, uid])?;
        gone.files += bodies::drop_copy(connection, body, prefix)?;
    }
    if gone.messages > 0 {
        // rfc7162 §3.1.2.2: an expunge moves the mailbox's highest modification sequence.
        let mut update =
            connection.prepare_cached("UPDATE mailboxes SET modseq = modseq + 1 WHERE id = ?1")?;
        update.execute([mailbox.0])?;
    }
    Ok(gone)
}

pub(crate) fn set_flags(
    connection: &Connection,
    mailbox: MailboxId,
    uid: u32,
    flags: Flags,
) -> Result<(), StoreError> {
    connection.execute("UPDATE mailboxes SET modseq = modseq + 1 WHERE id = ?1", [mailbox.0])?;
    let mut update = connection.prepare_cached(
        "UPDATE messages SET flags = ?3, modseq = (SELECT modseq FROM mailboxes WHERE id = ?1)
         WHERE mailbox = ?1 AND uid = ?2",
    )?;
    match update.execute(params![mailbox.0, uid, flags.bits()])? {
        0 => Err(StoreError::not_found(format!("message with UID {uid}"))),
        _ => Ok(()),
    }
}

/// A step of removing the mail of removed accounts; 0 messages when there is none left.
pub(crate) fn purge_abandoned(connection: &Connection) -> Result<Gone, StoreError> {
    loop {
        let mut select =
            connection.prepare_cached("SELECT id FROM mailboxes WHERE account IS NULL LIMIT 1")?;
        let Some(id) = select.query_row([], |row| row.get(0)).optional()? else {
            return Ok(Gone::default());
        };
        let mut select = connection.prepare_cached("SELECT uid FROM messages WHERE mailbox = ?1 LIMIT ?2")?;
        let limit = i64::try_from(STEP).unwrap_or(i64::MAX);
        let uids: Vec<u32> =
            select.query_map(params![id, limit], |row| row.get(0))?.collect::<Result<_, _>>()?;
        if !uids.is_empty() {
            return delete(connection, MailboxId(id), &uids);
        }
        connection.execute("DELETE FROM mailboxes WHERE id = ?1", [id])?;
    }
}
