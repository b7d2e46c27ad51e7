//! The commit that a `250` stands on.

use postern_types::{Address, ReversePath, Timestamp, TraceId};

use crate::sqlite::{self, Committed};
use crate::{AccountId, Body, MailboxId, QuarantineId, QueueId, Store, StoreError, TraceRecord};

/// Everything that one accepted transaction leaves behind; it is stored whole or not at all.
#[derive(Debug)]
pub struct Acceptance {
    /// The envelope sender.
    pub sender: ReversePath,
    /// The message as it came, with CRLF line ends. Stored once, however many copies there are.
    pub body: Body,
    /// Where it goes; at least one.
    pub copies: Vec<MessageCopy>,
    /// What happened, with the trace id and the time of acceptance.
    pub record: TraceRecord,
}

/// One recipient's copy. `prefix` stands before the body when the copy is read: the `Return-Path`,
/// `Delivered-To` and `Received` lines, each ended by CRLF.
#[derive(Clone, Debug)]
pub enum MessageCopy {
    /// Into an account's INBOX.
    Mailbox {
        /// Whose.
        account: AccountId,
        /// The lines before the body.
        prefix: Vec<u8>,
    },
    /// Into the quarantine.
    Quarantine {
        /// The recipient of the envelope.
        recipient: Address,
        /// The account that the recipient resolved to, where it is one of ours.
        account: Option<AccountId>,
        /// Why, in a sentence for people.
        reason: String,
        /// The whole verdict as JSON.
        verdict: String,
        /// When it may be purged.
        expires_at: Timestamp,
        /// The lines before the body.
        prefix: Vec<u8>,
    },
    /// Into the queue, to be sent on.
    Queue {
        /// The recipient of the envelope.
        recipient: Address,
        /// The next hop `host:port`; by MX where none is given.
        route: Option<String>,
        /// Parameters of MAIL and RCPT that travel on (DSN, SMTPUTF8 …), as the delivery worker writes them.
        parameters: String,
        /// When it is given up.
        expires_at: Timestamp,
        /// The lines before the body.
        prefix: Vec<u8>,
    },
}

/// Where a copy went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Placed {
    /// A message in a mailbox.
    Mailbox {
        /// The mailbox.
        mailbox: MailboxId,
        /// Its UID there.
        uid: u32,
    },
    /// An entry of the quarantine.
    Quarantine(QuarantineId),
    /// An entry of the queue.
    Queue(QueueId),
}

/// Proof that a message is on stable storage: the only thing that may be answered `250`.
///
/// Only a synced commit makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a message that is safe must be answered 250, or the sender sends it again"]
pub struct Durable {
    trace: TraceId,
    placed: Vec<Placed>,
}

impl Durable {
    pub(crate) fn new(_: Committed, trace: TraceId, placed: Vec<Placed>) -> Self {
        Self { trace, placed }
    }

    /// The transaction's trace id.
    #[must_use]
    pub fn trace(&self) -> TraceId {
        self.trace
    }

    /// Where each copy went, in the order of [`Acceptance::copies`].
    #[must_use]
    pub fn placed(&self) -> &[Placed] {
        &self.placed
    }
}

impl Store {
    /// Stores a message for all its recipients, with its trace, in one commit that is synced to the disk
    /// before this returns. Many sessions share one commit.
    ///
    /// When the caller goes away before its turn, nothing is stored.
    ///
    /// # Errors
    /// Whatever fails, nothing of the message is kept and the sender must be told to try again.
    /// [`StoreError::NotFound`] when an account has been removed meanwhile.
    pub async fn accept(&self, acceptance: Acceptance) -> Result<Durable, StoreError> {
        if acceptance.copies.is_empty() {
            return Err(StoreError::Invalid {
                what: "a message without recipients cannot be accepted".into(),
            });
        }
        let trace = acceptance.record.id;
        let (placed, committed) = sqlite::accept::submit(&self.engine, acceptance).await?;
        Ok(Durable::new(committed, trace, placed))
    }
}
