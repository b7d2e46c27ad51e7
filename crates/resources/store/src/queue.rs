//! The queue: copies that wait to be sent on.
//!
//! A worker takes entries by [`Store::lease_queued`]; an entry that it neither finishes nor defers (it
//! crashed) comes up again when the lease ends. So a delivery is tried at least once, and by one worker
//! at a time.

use postern_types::{Address, ReversePath, Timestamp, TraceId};

use crate::sqlite::queue;
use crate::{MessageReader, Store, StoreError};

/// The identity of a queue entry; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueId(pub(crate) i64);

impl QueueId {
    /// The id as a number, for people.
    #[must_use]
    pub fn as_i64(self) -> i64 {
        self.0
    }

    /// The id from its number. That it exists is not said.
    #[must_use]
    pub fn from_i64(number: i64) -> Self {
        Self(number)
    }
}

/// One recipient's copy in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Its identity.
    pub id: QueueId,
    /// The transaction that brought it.
    pub trace: TraceId,
    /// The envelope sender.
    pub sender: ReversePath,
    /// The envelope recipient.
    pub recipient: Address,
    /// The next hop `host:port`; by MX where none is given.
    pub route: Option<String>,
    /// Parameters of MAIL and RCPT that travel on.
    pub parameters: String,
    /// Bytes, prefix and body together.
    pub size: u64,
    /// When it came.
    pub at: Timestamp,
    /// When it is tried next, or its lease ends.
    pub next_at: Timestamp,
    /// When it is given up.
    pub expires_at: Timestamp,
    /// How often it has been tried.
    pub attempts: u32,
    /// What the next hop said last; empty before the first attempt.
    pub last_reply: String,
}

impl Store {
    /// Takes up to `limit` entries that are due and hides them from others until `lease_until`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn lease_queued(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Queued>, StoreError> {
        self.engine.write(0, move |c| queue::lease(c, now, lease_until, limit)).await
    }

    /// When the next entry is due, if there is one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn next_queued_at(&self) -> Result<Option<Timestamp>, StoreError> {
        self.engine.read(queue::next_at).await
    }

    /// Puts an entry back after a failed attempt.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn defer_queued(
        &self,
        id: QueueId,
        next_at: Timestamp,
        reply: String,
    ) -> Result<(), StoreError> {
        self.engine.write(0, move |c| queue::defer(c, id, next_at, &reply)).await
    }

    /// Takes an entry out: delivered, or removed by hand.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn remove_queued(&self, id: QueueId) -> Result<(), StoreError> {
        let files = self.engine.write(0, move |c| queue::remove(c, id)).await?;
        self.drop_files(files).await;
        Ok(())
    }

    /// Takes an entry out that nobody takes. A copy that was released from quarantine is held there again, in the
    /// same commit, so that it can be released once more.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn give_up_queued(&self, id: QueueId) -> Result<(), StoreError> {
        let files = self.engine.write(0, move |c| queue::give_up(c, id)).await?;
        self.drop_files(files).await;
        Ok(())
    }

    /// One entry.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn queued(&self, id: QueueId) -> Result<Queued, StoreError> {
        self.engine.read(move |c| queue::one(c, id)).await
    }

    /// Entries by id, from behind `after`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn queue(&self, after: Option<QueueId>, limit: usize) -> Result<Vec<Queued>, StoreError> {
        self.engine.read(move |c| queue::list(c, after, limit)).await
    }

    /// Reads an entry's message.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Corrupt`].
    pub async fn read_queued(&self, id: QueueId) -> Result<MessageReader, StoreError> {
        let folder = self.engine.folder();
        self.engine.read(move |c| queue::read(c, &folder, id)).await
    }
}
