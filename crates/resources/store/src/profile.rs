//! Profiles: what recipients want done with mail that fails, and what their own lists say of a sender.
//!
//! A profile belongs to a recipient's address, to a domain, or to everybody. What a narrower one leaves
//! open the next wider one says: the recipient's address, its account, its domain, everybody. An alias
//! with one account behind it has that account's profile too; a group (an alias with several) has its own.

use std::fmt;
use std::net::IpAddr;

use postern_types::{Address, ForwardPath, ReversePath, Timestamp};

use crate::sqlite::{correspondents, profiles};
use crate::{AccountId, ListEntry, ListKind, ListOwner, Resolution, Store, StoreError, Subject};

/// The most that happens to mail that fails. Ordered from mild to hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailedMail {
    /// It is delivered as if nothing was found.
    Pass,
    /// It is delivered with a mark.
    Tag,
    /// It is kept in quarantine.
    Quarantine,
    /// The sender is told no.
    Reject,
}

/// Whether those whom somebody writes to are put on the allow list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Learn {
    /// They are, for a while.
    Yes,
    /// They are not.
    No,
}

/// One owner's profile. A field that is `None` is as the next wider profile says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredProfile {
    /// What happens to mail that fails.
    pub failed: Option<FailedMail>,
    /// Whether correspondents are learned.
    pub learn: Option<Learn>,
}

/// What the profiles and lists of one recipient say about one sender and host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileAnswer {
    /// What happens to mail that fails; `None`: nobody has said.
    pub failed: Option<FailedMail>,
    /// The entries that fit, the one that decides first: that of the narrowest owner (recipient, account,
    /// domain, everybody); of one owner's, an address before a domain before a network, the longer before
    /// the shorter, and a block before an allowance.
    pub entries: Vec<ListEntry>,
}

impl ProfileAnswer {
    /// The entry that decides. Where all that fit allow, one of a network speaks for them: a host cannot be
    /// forged, a sender can.
    #[must_use]
    pub fn decisive(&self) -> Option<&ListEntry> {
        let allow = |entry: &&ListEntry| entry.list == ListKind::Allow;
        let host = self.entries.iter().find(|entry| matches!(entry.subject, Subject::Network(_)));
        if self.entries.iter().all(|entry| allow(&entry)) {
            host.or(self.entries.first())
        } else {
            self.entries.first()
        }
    }
}

/// A recipient's own and wider profiles, the narrowest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedProfile {
    /// Whose.
    pub owner: ListOwner,
    /// What it says.
    pub profile: StoredProfile,
}

impl FailedMail {
    /// All, from mild to hard.
    pub const ALL: [Self; 4] = [Self::Pass, Self::Tag, Self::Quarantine, Self::Reject];

    /// Its name in the store and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Tag => "tag",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|failed| failed.name() == name)
    }
}

impl fmt::Display for FailedMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Store {
    /// Everything that profiles and lists say for this recipient about this sender and host: one question
    /// for each RCPT. `accounts` are those that the recipient was resolved to.
    ///
    /// Where there are no profiles and no lists of recipients at all it costs well under a microsecond. Own
    /// changes are seen at once, those of other processes within a quarter of a second.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn profile(
        &self,
        recipient: &Address,
        accounts: &[AccountId],
        sender: &ReversePath,
        client: IpAddr,
    ) -> Result<ProfileAnswer, StoreError> {
        self.engine.profile(recipient, accounts, sender, client).await
    }

    /// Sets an owner's profile; one that says nothing is removed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn set_profile(&self, owner: ListOwner, profile: StoredProfile) -> Result<(), StoreError> {
        self.change_lists(move |c| profiles::set(c, &owner, profile)).await
    }

    /// An owner's profile; empty where there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn stored_profile(&self, owner: ListOwner) -> Result<StoredProfile, StoreError> {
        self.engine.read(move |c| profiles::get(c, &owner)).await
    }

    /// Every profile, everybody's first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn stored_profiles(&self) -> Result<Vec<OwnedProfile>, StoreError> {
        self.engine.read(profiles::all).await
    }

    /// Whose profiles and lists hold for a recipient, the narrowest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn owners_for(&self, recipient: &Address) -> Result<Vec<ListOwner>, StoreError> {
        let accounts = match self.resolve(&ForwardPath::Address(recipient.clone())).await? {
            Resolution::Mailboxes(accounts) => accounts,
            _ => Vec::new(),
        };
        let recipient = recipient.clone();
        self.engine.read(move |c| profiles::owners(c, &recipient, &accounts)).await
    }

    /// Somebody of ours has written to these people: they are put on the writer's allow list until
    /// `expires_at`, or stay there longer if they are on it. Call it for outgoing mail only, and not for mail
    /// that a program wrote (`postern_message::is_automatic`). Returns how many are new.
    ///
    /// Nothing is learned from the null sender or from senders that are not ours, about recipients that
    /// are ours (who would be a colleague's name for a forger), or where the sender's profile says no. At most
    /// 100 of one message and 10,000 of one sender.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn learn_correspondents(
        &self,
        sender: &ReversePath,
        recipients: &[Address],
        expires_at: Timestamp,
    ) -> Result<usize, StoreError> {
        let Some(sender) = sender.address().cloned() else { return Ok(0) };
        let recipients = recipients.to_vec();
        self.change_lists(move |c| correspondents::learn(c, &sender, &recipients, expires_at)).await
    }
}
