//! Which recipients have been told of what is held for them.
//!
//! The note is made in the commit that accepts the digest: killed at any moment, nobody is told twice
//! of the same, and nothing is left untold.

use postern_types::{Address, Timestamp};

use crate::sqlite::{self, digests};
use crate::{Acceptance, Durable, Link, QuarantineId, Store, StoreError};

/// A recipient for whom something is held that no digest has told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestDue {
    /// Who.
    pub recipient: Address,
    /// The last entry that the digest before told of.
    pub after: Option<QuarantineId>,
    /// The latest entry to tell of.
    pub up_to: QuarantineId,
    /// How many entries there are to tell of.
    pub count: u64,
}

/// What the commit of a digest notes besides the message.
#[derive(Clone, Debug, Default)]
pub struct DigestNote {
    /// The link in the message.
    pub link: Option<Link>,
    /// That its recipient has been told of everything up to here; `None` where others behind the same
    /// address are still to be told.
    pub told: Option<(Address, QuarantineId)>,
}

impl Store {
    /// The recipients to tell of what came before `before`; of one recipient where it is named.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn digests_due(
        &self,
        before: Timestamp,
        recipient: Option<Address>,
    ) -> Result<Vec<DigestDue>, StoreError> {
        self.engine.read(move |c| digests::due(c, before, recipient.as_ref())).await
    }

    /// Accepts a digest: message, link and note in one synced commit.
    ///
    /// # Errors
    /// As [`Store::accept`]; [`StoreError::Exists`] when somebody else has told the recipient meanwhile:
    /// then nothing is kept.
    pub async fn accept_digest(
        &self,
        acceptance: Acceptance,
        note: DigestNote,
    ) -> Result<Durable, StoreError> {
        if acceptance.copies.is_empty() {
            return Err(StoreError::Invalid { what: "a digest without recipients cannot be sent".into() });
        }
        let trace = acceptance.record.id;
        let (placed, committed) = sqlite::accept::submit_with(&self.engine, acceptance, Some(note)).await?;
        Ok(Durable::new(committed, trace, placed))
    }
}
