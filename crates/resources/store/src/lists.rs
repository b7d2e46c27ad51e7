//! Allow-, block- and feedback lists: who is let in, who is not, why and until when.

use std::fmt;
use std::net::IpAddr;

use postern_types::{Address, AddressSet, Domain, Network, Timestamp, TraceId};

use crate::sqlite::lists;
use crate::{Store, StoreError};

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// Always let in.
    Allow,
    /// Never let in; written by people.
    Block,
    /// Not let in for a while; written by later stages that caught the host or sender.
    Feedback,
}

/// Whose list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListOwner {
    /// It holds for all recipients.
    Everybody,
    /// It holds for the recipients of one domain.
    Domain(Domain),
    /// It holds for one recipient (in any case).
    Recipient(Address),
}

/// What an entry is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Hosts that connect.
    Network(Network),
    /// A sender's address (in any case).
    Address(Address),
    /// A sender's domain and those below it.
    Domain(Domain),
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// Which list.
    pub list: ListKind,
    /// Whose.
    pub owner: ListOwner,
    /// What about.
    pub subject: Subject,
    /// Why, in a sentence.
    pub reason: String,
    /// The transaction that showed it, for feedback.
    pub trace: Option<TraceId>,
    /// How often it has been put on the list.
    pub strikes: u32,
    /// When it was put there first.
    pub created_at: Timestamp,
    /// When it ends; `None` for good.
    pub expires_at: Option<Timestamp>,
}

impl fmt::Display for ListOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everybody => f.write_str("everybody"),
            Self::Domain(domain) => domain.fmt(f),
            Self::Recipient(address) => address.fmt(f),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Domain(domain) => domain.fmt(f),
        }
    }
}

impl Store {
    /// Puts an entry on a list. One that is there already (same list, owner, subject) keeps its
    /// `created_at`, gets the new reason, trace and expiry, and its strikes grow by the entry's.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when a recipient has 10,000 entries already; when the store fails.
    pub async fn put_listed(&self, entry: ListEntry) -> Result<(), StoreError> {
        self.change_lists(move |c| lists::put(c, &entry)).await
    }

    /// Takes an entry off.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn remove_listed(
        &self,
        list: ListKind,
        owner: ListOwner,
        subject: Subject,
    ) -> Result<(), StoreError> {
        self.change_lists(move |c| lists::remove(c, list, &owner, &subject)).await
    }

    /// The entries of a list that have not ended at `now`; of one owner where it is given.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn listed(
        &self,
        list: ListKind,
        owner: Option<ListOwner>,
        now: Timestamp,
    ) -> Result<Vec<ListEntry>, StoreError> {
        self.engine.read(move |c| lists::entries(c, list, owner.as_ref(), now)).await
    }

    /// One entry, ended or not.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn listed_entry(
        &self,
        list: ListKind,
        owner: ListOwner,
        subject: Subject,
    ) -> Result<ListEntry, StoreError> {
        self.engine.read(move |c| lists::one(c, list, &owner, &subject)).await
    }

    /// The entries of everybody's list whose network holds this host, ended or not: for `why`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn listed_networks_of(
        &self,
        list: ListKind,
        host: IpAddr,
    ) -> Result<Vec<ListEntry>, StoreError> {
        self.engine.read(move |c| lists::networks_of(c, list, host)).await
    }

    /// The networks of everybody's list that have not ended at `now`, as a set for the gate.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn listed_networks(&self, list: ListKind, now: Timestamp) -> Result<AddressSet, StoreError> {
        self.engine.read(move |c| lists::networks(c, list, now)).await
    }

    /// A number that grows whenever a list changes, from whichever process: read it to know when to
    /// load again.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn lists_version(&self) -> Result<i64, StoreError> {
        self.engine.read(lists::version).await
    }
}
