//! Links that open a recipient's quarantine in a browser, and the sessions that they open.
//!
//! The store never sees a token, only its SHA-256: who reads the store or a backup cannot use it.

use std::time::Duration;

use postern_types::{Address, Timestamp};

use crate::sqlite::links;
use crate::{Store, StoreError};

/// The SHA-256 of a random token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

/// A link that was sent to a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it is known by.
    pub token: TokenHash,
    /// Whose quarantine it opens, and nobody else's.
    pub recipient: Address,
    /// When it was made.
    pub at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was used; it opens one session.
    pub used_at: Option<Timestamp>,
}

/// A browser that a link has let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSession {
    /// What it is known by: the hash of its cookie.
    pub token: TokenHash,
    /// Whose quarantine it shows.
    pub recipient: Address,
    /// When it began.
    pub at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Who uses a link, and the session that it is to open.
#[derive(Clone, Copy, Debug)]
pub struct LinkUse {
    /// The hash of the cookie that the browser got with the link's page.
    pub browser: TokenHash,
    /// The hash of the new session's cookie.
    pub session: TokenHash,
    /// Now.
    pub now: Timestamp,
    /// How long the session lasts.
    pub lasts: Duration,
}

/// What came of using a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkOpening {
    /// The session is open.
    Opened(WebSession),
    /// It had been used before.
    Used,
    /// It has ended.
    Expired,
    /// There is no such link.
    Unknown,
}

/// How long the browser that used a link may use it again: its button was pressed twice, or the answer
/// was lost on the way.
pub(crate) const SAME_BROWSER: Duration = Duration::from_secs(120);

impl Store {
    /// Keeps a new link.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_link(&self, link: Link) -> Result<(), StoreError> {
        self.engine.write(0, move |c| links::put(c, &link)).await
    }

    /// Looks at a link without using it. `None` where there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn link(&self, token: TokenHash) -> Result<Option<Link>, StoreError> {
        self.engine.read(move |c| links::one(c, token)).await
    }

    /// How many links of a recipient were made since then.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn links_since(&self, recipient: Address, since: Timestamp) -> Result<u64, StoreError> {
        self.engine.read(move |c| links::count_since(c, &recipient, since)).await
    }

    /// Uses a link up and opens a session, in one commit: of two who try, one gets in.
    ///
    /// # Errors
    /// When the store fails; then the link is as it was.
    pub async fn open_link(&self, token: TokenHash, by: LinkUse) -> Result<LinkOpening, StoreError> {
        self.engine.write(0, move |c| links::open(c, token, by)).await
    }

    /// The session of a cookie, unless it has ended at `now`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn web_session(
        &self,
        token: TokenHash,
        now: Timestamp,
    ) -> Result<Option<WebSession>, StoreError> {
        self.engine.read(move |c| links::session(c, token, now)).await
    }

    /// Ends a session; one that has ended already is fine.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_web_session(&self, token: TokenHash) -> Result<(), StoreError> {
        self.engine.write(0, move |c| links::end_session(c, token)).await
    }
}
