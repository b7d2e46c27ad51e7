//! Mailboxes and the messages in them (the model of RFC 9051: UID, UIDVALIDITY, MODSEQ).

use std::fmt;
use std::fs::File;
use std::io::Read;

use postern_types::{Timestamp, TraceId};

use crate::body::blocking;
use crate::sqlite::mailbox;
use crate::{AccountId, Store, StoreError};

/// The identity of a mailbox; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailboxId(pub(crate) i64);

/// A mailbox's own numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Its identity.
    pub id: MailboxId,
    /// Its name; `INBOX` exists in every account.
    pub name: String,
    /// Together with a UID names a message for ever (RFC 9051 §2.3.1.1).
    pub uid_validity: u32,
    /// The UID that the next message gets.
    pub uid_next: u32,
    /// The highest modification sequence (RFC 7162).
    pub modseq: u64,
}

/// A message as it stands in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its UID.
    pub uid: u32,
    /// Bytes as they are read, prefix and body together.
    pub size: u64,
    /// When it arrived.
    pub internal_date: Timestamp,
    /// Its flags.
    pub flags: Flags,
    /// When it last changed (RFC 7162).
    pub modseq: u64,
    /// The transaction that brought it.
    pub trace: TraceId,
}

/// The system flags of a message (RFC 9051 §2.3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u32);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// `\Seen`
    pub const SEEN: Self = Self(1);
    /// `\Answered`
    pub const ANSWERED: Self = Self(1 << 1);
    /// `\Flagged`
    pub const FLAGGED: Self = Self(1 << 2);
    /// `\Deleted`
    pub const DELETED: Self = Self(1 << 3);
    /// `\Draft`
    pub const DRAFT: Self = Self(1 << 4);

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

/// How much of a body in a file is read at once.
const READ_CHUNK: u64 = 128 * 1024;

/// A stored message, read piece by piece: the prefix, then the body.
///
/// The body's checksum is checked on the way; a body from a file is checked as its last piece is read.
/// A message deleted meanwhile can still be read to its end.
pub struct MessageReader {
    size: u64,
    prefix: Option<Vec<u8>>,
    body: Source,
}

pub(crate) enum Source {
    Memory(Vec<u8>),
    File { file: File, left: u64, hasher: crc32fast::Hasher, checksum: u32 },
    End,
}

impl MessageReader {
    pub(crate) fn new(prefix: Vec<u8>, body: Source) -> Self {
        let body_size = match &body {
            Source::Memory(bytes) => bytes.len() as u64,
            Source::File { left, .. } => *left,
            Source::End => 0,
        };
        Self { size: prefix.len() as u64 + body_size, prefix: Some(prefix), body }
    }

    /// Bytes in all.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next piece, at most 256 KiB; `None` at the end.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the body is not as it was stored.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(prefix) = self.prefix.take().filter(|prefix| !prefix.is_empty()) {
            return Ok(Some(prefix));
        }
        match std::mem::replace(&mut self.body, Source::End) {
            Source::End => Ok(None),
            Source::Memory(bytes) => Ok(Some(bytes).filter(|bytes| !bytes.is_empty())),
            file @ Source::File { .. } => {
                let (piece, rest) = blocking(move || read_piece(file)).await?;
                self.body = rest;
                Ok(Some(piece))
            }
        }
    }

    /// The whole message in memory; for small ones and tests.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn read_all(mut self) -> Result<Vec<u8>, StoreError> {
        let mut all = Vec::new();
        while let Some(piece) = self.next().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }
}

/// Reads one piece of a file; the source that is left is `End` behind the last.
fn read_piece(source: Source) -> Result<(Vec<u8>, Source), StoreError> {
    let Source::File { mut file, left, mut hasher, checksum } = source else {
        return Ok((Vec::new(), Source::End));
    };
    let wanted = left.min(READ_CHUNK);
    let mut piece = Vec::new();
    let read = file.by_ref().take(wanted).read_to_end(&mut piece);
    read.map_err(|e| StoreError::io("reading a message body", e))?;
    if piece.len() as u64 != wanted {
        return Err(StoreError::corrupt("the file of a message body is too short"));
    }
    hasher.update(&piece);
    let left = left - wanted;
    if left > 0 {
        return Ok((piece, Source::File { file, left, hasher, checksum }));
    }
    if hasher.finalize() != checksum {
        return Err(StoreError::corrupt("the file of a message body has changed"));
    }
    Ok((piece, Source::End))
}

impl fmt::Debug for MessageReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageReader").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Store {
    /// The mailbox of an account with this name; `INBOX` in any case (RFC 9051 §5.1).
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn mailbox(&self, account: AccountId, name: &str) -> Result<Mailbox, StoreError> {
        let name = name.to_owned();
        self.engine.read(move |c| mailbox::mailbox(c, account, &name)).await
    }

    /// The messages of a mailbox by UID.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, mailbox: MailboxId) -> Result<Vec<Entry>, StoreError> {
        self.engine.read(move |c| mailbox::list(c, mailbox)).await
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Corrupt`] when it is damaged.
    pub async fn read(&self, mailbox: MailboxId, uid: u32) -> Result<MessageReader, StoreError> {
        let folder = self.engine.folder();
        self.engine.read(move |c| mailbox::read(c, &folder, mailbox, uid)).await
    }

    /// Deletes messages for good; UIDs that are not there are passed over. Returns how many went.
    ///
    /// # Errors
    /// When the store fails; then none was deleted.
    pub async fn delete(&self, mailbox: MailboxId, uids: &[u32]) -> Result<usize, StoreError> {
        let uids = uids.to_vec();
        let gone = self.engine.write(0, move |c| mailbox::delete(c, mailbox, &uids)).await?;
        self.drop_files(gone.files).await;
        Ok(gone.messages)
    }

    /// Sets a message's flags.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn set_flags(&self, mailbox: MailboxId, uid: u32, flags: Flags) -> Result<(), StoreError> {
        self.engine.write(0, move |c| mailbox::set_flags(c, mailbox, uid, flags)).await
    }

    /// Removes the mail of removed accounts, some messages at a time.
    pub(crate) async fn purge_abandoned_mailboxes(&self) -> Result<(), StoreError> {
        loop {
            let step = self.engine.write(0, mailbox::purge_abandoned).await?;
            self.drop_files(step.files).await;
            if step.messages == 0 {
                return Ok(());
            }
        }
    }
}
