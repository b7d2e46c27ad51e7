//! Backup of a live store, its verification, and the way back.
//!
//! A backup is a folder like the store's own (database, bodies) with a manifest of sizes and checksums.

use std::path::{Path, PathBuf};

use crate::body::blocking;
use crate::sqlite::backup as engine;
use crate::{Store, StoreError};

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupSummary {
    /// Messages in all mailboxes.
    pub messages: u64,
    /// Bodies kept in files of their own.
    pub files: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

impl Store {
    /// Writes a consistent copy of the store into `dest`, which must not exist or be empty, while mail
    /// goes on. Files of deleted messages stay until it is done.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when `dest` holds something; whatever reading and writing may meet.
    pub async fn backup(&self, dest: &Path) -> Result<BackupSummary, StoreError> {
        let (source, dest) = (self.engine.dir().to_owned(), dest.to_owned());
        blocking(move || engine::create(&source, &dest)).await
    }
}

/// Checks a backup: the database's own integrity, every body's presence, size and checksum, the manifest.
///
/// # Errors
/// [`StoreError::Corrupt`] says what is wrong first; [`StoreError::NotFound`] when there is no backup.
pub async fn verify(backup: &Path) -> Result<BackupSummary, StoreError> {
    let backup: PathBuf = backup.to_owned();
    blocking(move || engine::verify(&backup)).await
}

/// Makes a store in `to` from a backup, which is verified first.
///
/// # Errors
/// [`StoreError::Exists`] when `to` holds something; as [`verify`].
pub async fn restore(backup: &Path, to: &Path) -> Result<BackupSummary, StoreError> {
    let (backup, to) = (backup.to_owned(), to.to_owned());
    blocking(move || engine::restore(&backup, &to)).await
}
