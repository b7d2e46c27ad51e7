//! What later stages have seen of hosts: the memory behind the feedback list.
//!
//! The store keeps it and changes it in one transaction with the list; what follows from it is decided
//! elsewhere, by a function that [`Store::change_hosts`] calls in the middle of that transaction.

use std::net::IpAddr;

use postern_types::{Network, Timestamp, TraceId};

use crate::sqlite::hosts;
use crate::{ListEntry, Store, StoreError};

/// What is remembered of one host. The sums are those of `at`; whoever reads them lets them decay.
#[derive(Clone, Debug, PartialEq)]
pub struct HostRecord {
    /// The host: see [`host_of`].
    pub host: Network,
    /// Of when the sums are.
    pub at: Timestamp,
    /// The weight of its strikes.
    pub strikes: f64,
    /// Its clean messages.
    pub clean: f64,
    /// How far its blocks have grown: one for each.
    pub level: f64,
    /// The domains that it was shown to send for: a bit for each of 63 that a domain's hash may fall on.
    pub domains: u64,
    /// Until when it is blocked; in the past where it is not.
    pub banned_until: Timestamp,
    /// Until when one more strike is enough; in the past where it is not.
    pub parole_until: Timestamp,
    /// When the operator last lifted a block.
    pub lifted_at: Option<Timestamp>,
}

/// One thing that a host was caught at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strike {
    /// When.
    pub at: Timestamp,
    /// Which offence: the name of a row of the table of offences.
    pub offence: String,
    /// What it weighs, in hundredths.
    pub weight: u32,
    /// The transaction that showed it.
    pub trace: TraceId,
    /// What was seen, in words.
    pub words: String,
}

/// What becomes of a host.
#[derive(Clone, Debug, PartialEq)]
pub struct HostChange {
    /// What is remembered from now on.
    pub record: HostRecord,
    /// What is added to its strikes.
    pub strikes: Vec<Strike>,
    /// What becomes of its entry on the feedback list.
    pub entry: EntryChange,
}

/// What becomes of a host's entry on the feedback list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryChange {
    /// It stays as it is, or away.
    Keep,
    /// It is there until `until`.
    Put {
        /// Why, in a sentence.
        reason: String,
        /// The transaction that showed it.
        trace: TraceId,
        /// When it ends.
        until: Timestamp,
    },
}

/// The host of an address: an IPv4 address, or an IPv6 /64 (whoever has one IPv6 address has 2^64 of them).
#[must_use]
pub fn host_of(ip: IpAddr) -> Network {
    Network::around(ip, 32, 64)
}

impl Store {
    /// Changes what is remembered of hosts, and the feedback list, in one transaction. `decide` is called
    /// for each host with what is remembered of it.
    ///
    /// # Errors
    /// When the store fails; then nothing has changed.
    pub async fn change_hosts<F>(&self, wanted: Vec<Network>, decide: F) -> Result<(), StoreError>
    where
        F: FnMut(Network, Option<HostRecord>) -> Option<HostChange> + Send + 'static,
    {
        self.engine.write(0, move |c| hosts::change(c, &wanted, decide)).await
    }

    /// What is remembered of a host.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn host(&self, host: Network) -> Result<Option<HostRecord>, StoreError> {
        self.engine.read(move |c| hosts::get(c, host)).await
    }

    /// What a host was caught at, the latest first; the last 100 are kept.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn strikes(&self, host: Network) -> Result<Vec<Strike>, StoreError> {
        self.engine.read(move |c| hosts::strikes(c, host)).await
    }

    /// Lifts every block of the feedback list that holds an address, and forgives its host: no strikes, no
    /// parole. What it was caught at can still be read. Returns the entries that were taken off.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when nothing is known of the host.
    pub async fn lift(&self, ip: IpAddr, now: Timestamp) -> Result<Vec<ListEntry>, StoreError> {
        self.engine.write(0, move |c| hosts::lift(c, ip, now)).await
    }
}
