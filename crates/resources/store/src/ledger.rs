//! The ledger of the active tests: every connection that one opened, written down before it is opened.

use std::time::Duration;

use postern_types::Timestamp;

use crate::sqlite::ledger;
use crate::{Store, StoreError};

/// A line of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LedgerId(pub(crate) i64);

/// A connection that is about to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeBegun {
    /// When.
    pub at: Timestamp,
    /// The test.
    pub probe: String,
    /// What is asked about: an address, a sender.
    pub subject: String,
    /// The host that is connected to: its address and port, and its name where there is one.
    pub target: String,
    /// The registered domain of that host's name, where it has one: it has a budget of its own.
    pub provider: Option<String>,
    /// The network of that host: it has one too.
    pub network: String,
    /// Whose budget it takes from: a domain or a network.
    pub place: String,
    /// Why it is asked.
    pub reason: String,
}

/// How often a network, and a provider, may be connected to by all processes that have this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeRates {
    /// In a minute.
    pub per_minute: u32,
    /// In a day.
    pub per_day: u32,
    /// A connection that began longer ago has ended, with its process.
    pub longest: Duration,
}

/// Whether a connection may be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeStart {
    /// It is written down, and may.
    Begun(LedgerId),
    /// This network or provider has a connection now.
    UnderWay(String),
    /// It has had as many as may be in a minute.
    Minute(String),
    /// … in a day.
    Day(String),
}

/// What came of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeEnded {
    /// In a few words; empty while it is under way, or when the process ended before the connection did.
    pub outcome: String,
    /// The conversation: a line for each command and each reply.
    pub conversation: String,
    /// How long it took.
    pub duration: Duration,
}

/// A connection in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// What it was for.
    pub begun: ProbeBegun,
    /// What came of it.
    pub ended: ProbeEnded,
}

/// Which connections to look for; everything that is given must fit.
#[derive(Clone, Debug, Default)]
pub struct LedgerQuery {
    /// Not before.
    pub since: Option<Timestamp>,
    /// Part of the target, subject or place, in any case of ASCII letters.
    pub about: Option<String>,
    /// At most so many; 0 means 100.
    pub limit: usize,
}

/// A connection, as budgets count it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// When.
    pub at: Timestamp,
    /// The domain or network that was asked about.
    pub place: String,
    /// The registered domain of the host's name, where it had one.
    pub provider: Option<String>,
    /// The host's network.
    pub network: String,
}

impl Store {
    /// Writes down that a connection is about to be opened, unless that would be more than `rates` allow, counting
    /// what other processes have opened. When this fails, none should be.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin_probe(
        &self,
        begun: ProbeBegun,
        rates: Option<ProbeRates>,
    ) -> Result<ProbeStart, StoreError> {
        self.engine.write(0, move |c| ledger::begin(c, &begun, rates)).await
    }

    /// Writes down what came of it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_probe(&self, id: LedgerId, ended: ProbeEnded) -> Result<(), StoreError> {
        self.engine.write(0, move |c| ledger::end(c, id, &ended)).await
    }

    /// Connections, latest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn probe_ledger(&self, query: LedgerQuery) -> Result<Vec<LedgerEntry>, StoreError> {
        self.engine.read(move |c| ledger::search(c, &query)).await
    }

    /// The connections since then, earliest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn probed_since(&self, since: Timestamp) -> Result<Vec<Probed>, StoreError> {
        self.engine.read(move |c| ledger::since(c, since)).await
    }
}
