//! Where mail for a recipient goes: asked at every RCPT, so answered from memory.

use postern_types::ForwardPath;

use crate::{AccountId, Store, StoreError};

/// What a recipient address is to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// These accounts; at least one.
    Mailboxes(Vec<AccountId>),
    /// The MTA behind, `host:port`, which knows its own users.
    Proxy(String),
    /// The domain is ours, the address is not known: `550 5.1.1`.
    UnknownUser,
    /// The domain is not ours: `550 5.7.1`.
    NotOurs,
}

impl Store {
    /// Where mail for this recipient goes.
    ///
    /// In order: the account or alias of that name; the same without a `+detail` (RFC 5233); the
    /// domain's catch-all; for `postmaster`, the first domain's that has one (RFC 5321 §4.5.1). Aliases
    /// are followed 8 deep and to at most 1,000 accounts.
    ///
    /// Answers from memory in about a microsecond. Own changes are seen at once, those of other
    /// processes within a quarter of a second.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn resolve(&self, recipient: &ForwardPath) -> Result<Resolution, StoreError> {
        self.engine.resolve(recipient).await
    }
}
