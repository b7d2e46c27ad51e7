//! Backup: a snapshot of the live database, the files that it names, and a manifest of both.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::check;
use super::columns::unsigned;
use super::open::{DATABASE, connect_for_reading};
use crate::files::{FOLDER, hold_shared, make_dir, sync_dir};
use crate::{BackupSummary, StoreError};

/// Written last: a folder without it is no backup.
const MANIFEST: &str = "manifest.txt";
/// Pages copied before others get a turn at the disk.
const PAGES: i32 = 1024;

/// What a file is: its line in the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) checksum: u32,
    pub(super) size: u64,
}

/// By path below the backup's folder.
type Manifest = BTreeMap<String, Sum>;

pub(crate) fn create(source: &Path, dest: &Path) -> Result<BackupSummary, StoreError> {
    // First of all: from here on no file of a body goes away.
    let _hold = hold_shared(&source.join(FOLDER))?;
    claim(dest)?;
    let made = write(source, dest);
    if made.is_err() {
        // The folder was empty: whatever is in it now is ours, and of no use.
        let _ = fs::remove_dir_all(dest);
    }
    made
}

fn write(source: &Path, dest: &Path) -> Result<BackupSummary, StoreError> {
    snapshot(&connect_for_reading(source)?, &dest.join(DATABASE))?;
    let database = open_copy(&dest.join(DATABASE))?;
    let mut manifest = Manifest::new();
    manifest.insert(DATABASE.into(), sum(&dest.join(DATABASE))?);
    for (name, expected) in files(&database)? {
        let path = format!("{FOLDER}/{name}");
        let copied = copy(&source.join(&path), &dest.join(&path))?;
        if copied != expected {
            return Err(StoreError::corrupt(format!("the body file {name} has changed")));
        }
        manifest.insert(path, copied);
    }
    sync_dir(&dest.join(FOLDER))?;
    write_manifest(dest, &manifest)?;
    summary(&database, &manifest)
}

/// An empty folder to write to, with its folder of bodies.
fn claim(dest: &Path) -> Result<(), StoreError> {
    make_dir(dest)?;
    let reading = |e| StoreError::io(format!("reading {}", dest.display()), e);
    if fs::read_dir(dest).map_err(reading)?.next().is_some() {
        return Err(StoreError::Exists { what: format!("something in {}", dest.display()) });
    }
    make_dir(&dest.join(FOLDER))
}

/// Copies one state of the database while others write: the read transaction pins it.
fn snapshot(source: &Connection, dest: &Path) -> Result<(), StoreError> {
    create_new(dest)?;
    let mut copy = Connection::open(dest)?;
    source.execute_batch("BEGIN; SELECT count(*) FROM counters;")?;
    let backup = Backup::new(source, &mut copy)?;
    loop {
        match backup.step(PAGES)? {
            StepResult::Done => break,
            StepResult::More => {}
            _ => return Err(StoreError::Busy),
        }
    }
    drop(backup);
    source.execute_batch("COMMIT")?;
    // One file, without a log beside it.
    copy.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    copy.close().map_err(|(_, error)| error)?;
    sync_file(dest)
}

/// The files that rows name, with what they must be.
fn files(database: &Connection) -> Result<Vec<(String, Sum)>, StoreError> {
    let mut select = database.prepare("SELECT file, checksum, size FROM parts WHERE file IS NOT NULL")?;
    let files = select.query_and_then([], |row| {
        Ok((row.get(0)?, Sum { checksum: row.get(1)?, size: unsigned(row, 2)? }))
    })?;
    files.collect()
}

fn summary(database: &Connection, manifest: &Manifest) -> Result<BackupSummary, StoreError> {
    let messages: i64 = database.query_row("SELECT count(*) FROM messages", [], |row| row.get(0))?;
    Ok(BackupSummary {
        messages: messages.unsigned_abs(),
        files: manifest.len() as u64 - 1,
        bytes: manifest.values().map(|sum| sum.size).sum(),
    })
}

pub(crate) fn verify(backup: &Path) -> Result<BackupSummary, StoreError> {
    let manifest = read_manifest(backup)?;
    for (path, expected) in &manifest {
        if sum(&backup.join(path))? != *expected {
            return Err(StoreError::corrupt(format!("{path} in the backup has changed")));
        }
    }
    let database = open_copy(&backup.join(DATABASE))?;
    check::database(&database)?;
    for (name, expected) in files(&database)? {
        if manifest.get(&format!("{FOLDER}/{name}")) != Some(&expected) {
            return Err(StoreError::corrupt(format!("the body file {name} is missing in the backup")));
        }
    }
    summary(&database, &manifest)
}

pub(crate) fn restore(backup: &Path, to: &Path) -> Result<BackupSummary, StoreError> {
    let summary = verify(backup)?;
    claim(to)?;
    for (path, expected) in read_manifest(backup)? {
        // The database comes last, so that no half of a store can be opened.
        if path != DATABASE && copy(&backup.join(&path), &to.join(&path))? != expected {
            return Err(StoreError::corrupt(format!("{path} has changed while it was restored")));
        }
    }
    sync_dir(&to.join(FOLDER))?;
    let coming = to.join(format!("{DATABASE}.new"));
    copy(&backup.join(DATABASE), &coming)?;
    fs::rename(&coming, to.join(DATABASE)).map_err(|e| StoreError::io("restoring the database", e))?;
    sync_dir(to)?;
    Ok(summary)
}

fn open_copy(path: &Path) -> Result<Connection, StoreError> {
    Ok(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

fn create_new(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|e| StoreError::io(format!("making {}", path.display()), e))
}

fn sync_file(path: &Path) -> Result<(), StoreError> {
    let synced = OpenOptions::new().write(true).open(path).and_then(|file| file.sync_all());
    synced.map_err(|e| StoreError::io(format!("syncing {}", path.display()), e))
}

/// Copies and syncs a file; its sum as read.
fn copy(from: &Path, to: &Path) -> Result<Sum, StoreError> {
    let mut dest = create_new(to)?;
    let sum = each_piece(from, |piece| dest.write_all(piece))?;
    dest.sync_all().map_err(|e| StoreError::io(format!("syncing {}", to.display()), e))?;
    Ok(sum)
}

pub(super) fn sum(path: &Path) -> Result<Sum, StoreError> {
    each_piece(path, |_| Ok(()))
}

fn each_piece(path: &Path, mut take: impl FnMut(&[u8]) -> std::io::Result<()>) -> Result<Sum, StoreError> {
    let failed = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => StoreError::corrupt(format!("{} is missing", path.display())),
        _ => StoreError::io(format!("copying {}", path.display()), e),
    };
    let mut file = File::open(path).map_err(failed)?;
    let mut piece = vec![0; 256 * 1024];
    let (mut hasher, mut size) = (crc32fast::Hasher::new(), 0);
    loop {
        let count = file.read(&mut piece).map_err(failed)?;
        if count == 0 {
            return Ok(Sum { checksum: hasher.finalize(), size });
        }
        hasher.update(&piece[..count]);
        size += count as u64;
        take(&piece[..count]).map_err(failed)?;
    }
}

fn write_manifest(dest: &Path, manifest: &Manifest) -> Result<(), StoreError> {
    let mut text = String::from("postern backup 1: crc32, bytes, file\n");
    for (path, sum) in manifest {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:08x} {} {path}", sum.checksum, sum.size);
    }
    let mut file = create_new(&dest.join(MANIFEST))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|e| StoreError::io("writing the backup's manifest", e))?;
    sync_dir(dest)
}

fn read_manifest(backup: &Path) -> Result<Manifest, StoreError> {
    let text = fs::read_to_string(backup.join(MANIFEST)).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => {
            StoreError::not_found(format!("finished backup in {}", backup.display()))
        }
        _ => StoreError::io("reading the backup's manifest", e),
    })?;
    let manifest: Option<Manifest> = text.lines().skip(1).map(manifest_line).collect();
    let damaged = || StoreError::corrupt("the backup's manifest does not read");
    manifest.filter(|manifest| manifest.contains_key(DATABASE)).ok_or_else(damaged)
}

fn manifest_line(line: &str) -> Option<(String, Sum)> {
    let mut parts = line.splitn(3, ' ');
    let checksum = u32::from_str_radix(parts.next()?, 16).ok()?;
    let size = parts.next()?.parse().ok()?;
    let path = parts.next()?;
    // A manifest must not name what lies outside of its folder.
    let name = path.strip_prefix("bodies/").unwrap_or(path);
    let is_inside = !name.is_empty() && !name.contains('/') && name != "..";
    is_inside.then(|| (path.to_owned(), Sum { checksum, size }))
}
