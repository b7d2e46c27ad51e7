//! Bodies: stored once, counted, deleted with their last copy.

use std::collections::HashSet;
use std::fs::File;

use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{signed, unsigned};
use crate::body::Content;
use crate::files::BodyFolder;
use crate::mailbox::Source;
use crate::{Body, MessageReader, StoreError};

/// A row of `bodies`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyId(pub(super) i64);

pub(super) fn insert_blob(connection: &Connection, octets: &[u8]) -> Result<i64, StoreError> {
    connection.prepare_cached("INSERT INTO blobs (octets) VALUES (?1)")?.execute([octets])?;
    Ok(connection.last_insert_rowid())
}

/// Stores a body that has `copies` copies.
pub(super) fn insert(connection: &Connection, body: &Body, copies: usize) -> Result<BodyId, StoreError> {
    let (blob, file) = match &body.content {
        Content::Memory(octets, _) => (Some(insert_blob(connection, octets)?), None),
        Content::File(file) => (None, Some(file.name())),
    };
    let mut insert = connection.prepare_cached(
        "INSERT INTO bodies (copies, size, checksum, blob, file) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    insert.execute(params![signed(copies as u64), signed(body.size()), body.checksum, blob, file])?;
    Ok(BodyId(connection.last_insert_rowid()))
}

/// One more copy of a body.
pub(super) fn add_copy(connection: &Connection, body: BodyId) -> Result<(), StoreError> {
    let mut update = connection.prepare_cached("UPDATE bodies SET copies = copies + 1 WHERE id = ?1")?;
    match update.execute([body.0])? {
        1 => Ok(()),
        _ => Err(StoreError::corrupt(format!("body {} is missing", body.0))),
    }
}

/// One copy less, with its prefix. Returns how many files are to be unlinked now: 0 or 1.
pub(super) fn drop_copy(connection: &Connection, body: BodyId, prefix: i64) -> Result<usize, StoreError> {
    delete_blob(connection, prefix)?;
    let mut select = connection.prepare_cached("SELECT copies, blob, file FROM bodies WHERE id = ?1")?;
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let found: Option<(i64, Option<i64>, Option<String>)> = select.query_row([body.0], row).optional()?;
    // A body that is missing must not keep people from deleting its copies.
    let Some((copies, blob, file)) = found else { return Ok(0) };
    if copies > 1 {
        let mut update = connection.prepare_cached("UPDATE bodies SET copies = copies - 1 WHERE id = ?1")?;
        update.execute([body.0])?;
        return Ok(0);
    }
    connection.prepare_cached("DELETE FROM bodies WHERE id = ?1")?.execute([body.0])?;
    if let Some(blob) = blob {
        delete_blob(connection, blob)?;
    }
    let Some(file) = file else { return Ok(0) };
    connection.prepare_cached("INSERT OR IGNORE INTO dropped_files VALUES (?1)")?.execute([file])?;
    Ok(1)
}

fn delete_blob(connection: &Connection, id: i64) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM blobs WHERE id = ?1")?.execute([id])?;
    Ok(())
}

pub(super) fn blob(connection: &Connection, id: i64) -> Result<Vec<u8>, StoreError> {
    let mut select = connection.prepare_cached("SELECT octets FROM blobs WHERE id = ?1")?;
    let octets = select.query_row([id], |row| row.get(0)).optional()?;
    octets.ok_or_else(|| StoreError::corrupt(format!("the text of message part {id} is missing")))
}

/// A copy to be read: its prefix, then its body.
pub(super) fn open(
    connection: &Connection,
    folder: &BodyFolder,
    body: BodyId,
    prefix: i64,
) -> Result<MessageReader, StoreError> {
    let prefix = blob(connection, prefix)?;
    let mut select =
        connection.prepare_cached("SELECT size, checksum, blob, file FROM bodies WHERE id = ?1")?;
    let mut rows = select.query([body.0])?;
    let Some(row) = rows.next()? else {
        return Err(StoreError::corrupt(format!("body {} is missing", body.0)));
    };
    let (size, checksum) = (unsigned(row, 0)?, row.get(1)?);
    let source = match row.get::<_, Option<i64>>(2)? {
        Some(id) => Source::Memory(checked(blob(connection, id)?, size, checksum)?),
        None => open_file(folder, &row.get::<_, String>(3)?, size, checksum)?,
    };
    Ok(MessageReader::new(prefix, source))
}

fn checked(octets: Vec<u8>, size: u64, checksum: u32) -> Result<Vec<u8>, StoreError> {
    if octets.len() as u64 != size || crc32fast::hash(&octets) != checksum {
        return Err(StoreError::corrupt("a message body has changed"));
    }
    Ok(octets)
}

fn open_file(folder: &BodyFolder, name: &str, size: u64, checksum: u32) -> Result<Source, StoreError> {
    let file = File::open(folder.path(name)).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => StoreError::corrupt(format!("the body file {name} is missing")),
        _ => StoreError::io("opening the file of a message body", e),
    })?;
    Ok(Source::File { file, left: size, hasher: crc32fast::Hasher::new(), checksum })
}

/// Unlinks files whose bodies are deleted, some at a time; their names. None while they are held.
pub(super) fn unlink_dropped(
    connection: &Connection,
    folder: &BodyFolder,
) -> Result<Vec<String>, StoreError> {
    let Some(right) = folder.may_remove()? else { return Ok(Vec::new()) };
    let mut select = connection.prepare_cached("SELECT file FROM dropped_files LIMIT 1000")?;
    let names: Vec<String> = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for name in &names {
        folder.remove(name, &right)?;
    }
    Ok(names)
}

pub(super) fn forget_dropped(connection: &Connection, names: &[String]) -> Result<(), StoreError> {
    let mut delete = connection.prepare_cached("DELETE FROM dropped_files WHERE file = ?1")?;
    for name in names {
        delete.execute([name])?;
    }
    Ok(())
}

/// At a server's start: what a crash left of unfinished or deleted bodies.
pub(super) fn remove_leftovers(connection: &Connection, folder: &BodyFolder) -> Result<(), StoreError> {
    // Held: a backup or a tool is at work. The next start does it.
    let Some(right) = folder.may_remove()? else { return Ok(()) };
    let mut select = connection.prepare("SELECT file FROM bodies WHERE file IS NOT NULL")?;
    let kept: HashSet<String> = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for name in folder.names()?.iter().filter(|name| !kept.contains(*name)) {
        folder.remove(name, &right)?;
    }
    connection.execute("DELETE FROM dropped_files", [])?;
    Ok(())
}
