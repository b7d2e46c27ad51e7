//! What can go wrong in the store, in sentences for people.

use std::io;
use std::sync::Arc;

/// Why the store could not do something. Cheap to clone: one failed commit answers many sessions.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk, the quota or the database's size limit is full.
    #[error("the disk that holds the mail store is full")]
    Full,
    /// The folder, the database or the file system cannot be written.
    #[error("the mail store cannot be written: it is read-only, or owned by another user")]
    ReadOnly,
    /// Something stored does not read back as it was written.
    #[error("the mail store is damaged: {what} (restore from a backup, or run `postern doctor`)")]
    Corrupt {
        /// What is damaged, in words.
        what: String,
    },
    /// Too much work is waiting, or another process holds the write lock.
    #[error("the mail store is busy")]
    Busy,
    /// Another server runs on the same folder.
    #[error("another Postern is running on this data folder")]
    InUse,
    /// What was asked for is not there.
    #[error("there is no {what}")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// What was to be added is there already.
    #[error("{what} exists already")]
    Exists {
        /// What is there.
        what: String,
    },
    /// The request contradicts what is stored, such as an alias to an unknown account.
    #[error("{what}")]
    Invalid {
        /// What does not fit, as a sentence.
        what: String,
    },
    /// A newer Postern wrote this store.
    #[error("the mail store has format {found}, made by a newer Postern; this one knows up to {known}")]
    Newer {
        /// The format found.
        found: u32,
        /// The newest format that this program knows.
        known: u32,
    },
    /// The operating system failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The cause.
        source: Arc<io::Error>,
    },
    /// The database engine failed in a way that has no name of its own here.
    #[error("the mail store's database failed: {0}")]
    Engine(String),
    /// The store has been closed.
    #[error("the mail store is closed")]
    Closed,
}

impl StoreError {
    /// Whether the same request may succeed later: the sender should be told to try again (4yz).
    /// Whatever is wrong with *our* disk is never the sender's fault, so nearly everything is.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::NotFound { .. } | Self::Exists { .. } | Self::Invalid { .. })
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }

    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }

    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly,
            _ => Self::Io { what: what.into(), source: Arc::new(source) },
        }
    }
}
