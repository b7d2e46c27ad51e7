//! The quarantine: messages held for their recipients.

use std::time::Duration;

use postern_types::{Address, ForwardPath, ReversePath, Timestamp, TraceId};

use crate::sqlite::quarantine;
use crate::{AccountId, MessageReader, Placed, Resolution, Store, StoreError};

/// The identity of a held copy; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuarantineId(pub(crate) i64);

impl QuarantineId {
    /// The id as a number, for people and links.
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

/// Whether a held copy still waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QuarantineState {
    /// It waits.
    Held,
    /// It has been released; the content stays until it expires.
    Released,
}

/// One held copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Its identity.
    pub id: QuarantineId,
    /// The transaction that brought it.
    pub trace: TraceId,
    /// The envelope sender.
    pub sender: ReversePath,
    /// For whom it is held.
    pub recipient: Address,
    /// The recipient's account, where it is one of ours.
    pub account: Option<AccountId>,
    /// Why, in a sentence.
    pub reason: String,
    /// The whole verdict as JSON.
    pub verdict: String,
    /// Bytes, prefix and body together.
    pub size: u64,
    /// When it came.
    pub at: Timestamp,
    /// When it may be purged.
    pub expires_at: Timestamp,
    /// Whether it still waits.
    pub state: QuarantineState,
}

/// Which held copies to list; everything that is given must fit.
#[derive(Clone, Debug, Default)]
pub struct QuarantineQuery {
    /// Of this recipient (in any case).
    pub recipient: Option<Address>,
    /// In this state.
    pub state: Option<QuarantineState>,
    /// Ids below this one only: the last of the page before.
    pub before: Option<QuarantineId>,
    /// At most so many; 0 means 100.
    pub limit: usize,
}

/// Where a released copy goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleaseTo {
    /// Into the INBOX of each of these accounts: all that the recipient stands for.
    Mailboxes(Vec<AccountId>),
    /// Into the queue, for the MTA behind or another server.
    Queue {
        /// The next hop `host:port`; by MX where none is given.
        route: Option<String>,
        /// When the delivery is given up.
        expires_at: Timestamp,
    },
}

/// What a release did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    /// It is delivered now, to these places.
    Delivered(Vec<Placed>),
    /// It had been released before; nothing was done.
    AlreadyReleased,
}

/// How long the MTA behind may be out of reach before a released message is given up; the quarantine has
/// its copy all the same.
const PATIENCE: Duration = Duration::from_secs(5 * 86_400);

impl Store {
    /// Held copies, latest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn quarantine(&self, query: QuarantineQuery) -> Result<Vec<Quarantined>, StoreError> {
        self.engine.read(move |c| quarantine::list(c, &query)).await
    }

    /// One held copy.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn quarantined(&self, id: QuarantineId) -> Result<Quarantined, StoreError> {
        self.engine.read(move |c| quarantine::one(c, id)).await
    }

    /// One held copy of this recipient (in any case). Somebody else's is as if it were not there.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn quarantined_for(
        &self,
        recipient: Address,
        id: QuarantineId,
    ) -> Result<Quarantined, StoreError> {
        self.engine.read(move |c| quarantine::one_for(c, &recipient, id)).await
    }

    /// Reads a held copy.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Corrupt`].
    pub async fn read_quarantined(&self, id: QuarantineId) -> Result<MessageReader, StoreError> {
        let folder = self.engine.folder();
        self.engine.read(move |c| quarantine::read(c, &folder, id)).await
    }

    /// Where mail for a recipient is released to today, which need not be where it went when it came. `None`
    /// when the recipient receives no mail here any more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn release_destination(&self, recipient: &Address) -> Result<Option<ReleaseTo>, StoreError> {
        Ok(match self.resolve(&ForwardPath::Address(recipient.clone())).await? {
            Resolution::Mailboxes(accounts) => Some(ReleaseTo::Mailboxes(accounts)),
            Resolution::Proxy(route) => {
                Some(ReleaseTo::Queue { route: Some(route), expires_at: Timestamp::now().plus(PATIENCE) })
            }
            Resolution::UnknownUser | Resolution::NotOurs => None,
        })
    }

    /// Releases a held copy: its state and the delivery change in one commit, so it is delivered
    /// exactly once, however often and from wherever this is called.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the copy or the account is gone.
    pub async fn release(&self, id: QuarantineId, to: ReleaseTo) -> Result<Release, StoreError> {
        let (folder, now) = (self.engine.folder(), Timestamp::now());
        self.engine.write(0, move |c| quarantine::release(c, &folder, id, &to, now)).await
    }

    /// Deletes a held copy for good.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn delete_quarantined(&self, id: QuarantineId) -> Result<(), StoreError> {
        let files = self.engine.write(0, move |c| quarantine::delete(c, id)).await?;
        self.drop_files(files).await;
        Ok(())
    }

    /// Deletes held copies for good, in one commit; what is not there any more is passed over. Returns how
    /// many went.
    ///
    /// # Errors
    /// When the store fails; then none was deleted.
    pub async fn delete_all_quarantined(&self, ids: Vec<QuarantineId>) -> Result<usize, StoreError> {
        let gone = self.engine.write(0, move |c| quarantine::delete_all(c, &ids)).await?;
        self.drop_files(gone.1).await;
        Ok(gone.0)
    }
}
