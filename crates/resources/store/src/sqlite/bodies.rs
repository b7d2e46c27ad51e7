//! Bodies: stored once, counted, deleted with their last copy.

use std::collections::HashSet;
use std::fs::File;

use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{signed, unsigned};
use crate::body::Content;
use crate::files::BodyFolder;
use crate::mailbox::Source;
use crate::{Body, MessageReader, StoreError};

/// A body's row of `parts`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyId(pub(super) i64);

/// Stores a body that has `copies` copies.
pub(super) fn insert(connection: &Connection, body: &Body, copies: usize) -> Result<BodyId, StoreError> {
    let (octets, file) = match &body.content {
        Content::Memory(octets, _) => (Some(&octets[..]), None),
        Content::File(file) => (None, Some(file.name())),
    };
    let part = Part { copies, size: body.size(), checksum: body.checksum, file, octets };
    Ok(BodyId(part.insert(connection)?))
}

/// Stores the lines before a body.
pub(super) fn insert_prefix(connection: &Connection, prefix: &[u8]) -> Result<i64, StoreError> {
    let (size, checksum) = (prefix.len() as u64, crc32fast::hash(prefix));
    Part { copies: 1, size, checksum, file: None, octets: Some(prefix) }.insert(connection)
}

struct Part<'a> {
    copies: usize,
    size: u64,
    checksum: u32,
    file: Option<&'a str>,
    octets: Option<&'a [u8]>,
}

impl Part<'_> {
    fn insert(self, connection: &Connection) -> Result<i64, StoreError> {
        let mut insert = connection.prepare_cached(
            "INSERT INTO parts (copies, size, checksum, file, octets) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        let copies = signed(self.copies as u64);
        insert.execute(params![copies, signed(self.size), self.checksum, self.file, self.octets])?;
        Ok(connection.last_insert_rowid())
    }
}

/// One more copy of a body.
pub(super) fn add_copy(connection: &Connection, body: BodyId) -> Result<(), StoreError> {
    let mut update = connection.prepare_cached("UPDATE parts SET copies = copies + 1 WHERE id = ?1")?;
    match update.execute([body.0])? {
        1 => Ok(()),
        _ => Err(lost(body.0)),
    }
}

fn lost(id: i64) -> StoreError {
    StoreError::corrupt(format!("part {id} of a message is missing"))
}

/// One copy less, with its prefix. Returns how many files are to be unlinked now: 0 or 1.
pub(super) fn drop_copy(connection: &Connection, body: BodyId, prefix: i64) -> Result<usize, StoreError> {
    Ok(drop_part(connection, prefix)? + drop_part(connection, body.0)?)
}

fn drop_part(connection: &Connection, id: i64) -> Result<usize, StoreError> {
    let mut select = connection.prepare_cached("SELECT copies, file FROM parts WHERE id = ?1")?;
    let found = select.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    // A part that is missing must not keep people from deleting its message.
    let Some((copies, file)): Option<(i64, Option<String>)> = found else { return Ok(0) };
    if copies > 1 {
        let mut update = connection.prepare_cached("UPDATE parts SET copies = copies - 1 WHERE id = ?1")?;
        update.execute([id])?;
        return Ok(0);
    }
    connection.prepare_cached("DELETE FROM parts WHERE id = ?1")?.execute([id])?;
    let Some(file) = file else { return Ok(0) };
    connection.prepare_cached("INSERT OR IGNORE INTO dropped_files VALUES (?1)")?.execute([file])?;
    Ok(1)
}

/// The lines before a body.
pub(super) fn prefix(connection: &Connection, folder: &BodyFolder, id: i64) -> Result<Vec<u8>, StoreError> {
    match part(connection, folder, id)? {
        Source::Memory(octets) => Ok(octets),
        _ => Err(StoreError::corrupt(format!("part {id} of a message is not where it belongs"))),
    }
}

/// A copy to be read: its prefix, then its body.
pub(super) fn open(
    connection: &Connection,
    folder: &BodyFolder,
    body: BodyId,
    prefix_id: i64,
) -> Result<MessageReader, StoreError> {
    let prefix = prefix(connection, folder, prefix_id)?;
    Ok(MessageReader::new(prefix, part(connection, folder, body.0)?))
}

fn part(connection: &Connection, folder: &BodyFolder, id: i64) -> Result<Source, StoreError> {
    let mut select =
        connection.prepare_cached("SELECT size, checksum, file, octets FROM parts WHERE id = ?1")?;
    let mut rows = select.query([id])?;
    let row = rows.next()?.ok_or_else(|| lost(id))?;
    let (size, checksum) = (unsigned(row, 0)?, row.get(1)?);
    if let Some(file) = row.get::<_, Option<String>>(2)? {
        return open_file(folder, &file, size, checksum);
    }
    let octets: Vec<u8> = row.get(3)?;
    if octets.len() as u64 != size || crc32fast::hash(&octets) != checksum {
        return Err(StoreError::corrupt("the text of a message has changed"));
    }
    Ok(Source::Memory(octets))
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
    let mut select = connection.prepare("SELECT file FROM parts WHERE file IS NOT NULL")?;
    let kept: HashSet<String> = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for name in folder.names()?.iter().filter(|name| !kept.contains(*name)) {
        folder.remove(name, &right)?;
    }
    connection.execute("DELETE FROM dropped_files", [])?;
    Ok(())
}
