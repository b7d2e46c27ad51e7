//! What happened to each transaction, and the evidence for it.
//!
//! An accepted message's record is committed with it. Records of refusals ([`Store::record`]) wait in
//! memory for the next commit, a second at most: a crash may lose them, they never make anybody wait.

use std::net::IpAddr;

use postern_types::{Network, ReversePath, Timestamp, TraceId};

use crate::sqlite::traces;
use crate::{Store, StoreError};

/// One transaction (or a session that ended before its first).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceRecord {
    /// Its identity.
    pub id: TraceId,
    /// When it ended.
    pub at: Timestamp,
    /// Who connected.
    pub client: IpAddr,
    /// The name given in HELO or EHLO; empty before that.
    pub helo: String,
    /// The envelope sender; `None` before MAIL.
    pub sender: Option<ReversePath>,
    /// The recipients asked for, each with what became of it.
    pub recipients: Vec<TracedRecipient>,
    /// How it ended.
    pub outcome: Outcome,
    /// The reply that said so, as it was sent.
    pub reply: String,
    /// Bytes of the message.
    pub size: u64,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// Evidence and verdict as JSON; empty where there is none.
    pub evidence: String,
}

/// A recipient in a trace. Control characters become spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedRecipient {
    /// The address as it was given.
    pub address: String,
    /// What became of it, in a few words: `delivered`, `550 5.1.1`, `quarantined` …
    pub verdict: String,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Stored here.
    Accepted,
    /// The MTA behind said 250.
    Relayed,
    /// Stored, for the quarantine only.
    Quarantined,
    /// Refused for good (5yz).
    Refused,
    /// Refused for now (4yz).
    Deferred,
    /// The client went away.
    Aborted,
}

impl Outcome {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Accepted, "accepted"),
        (Self::Relayed, "relayed"),
        (Self::Quarantined, "quarantined"),
        (Self::Refused, "refused"),
        (Self::Deferred, "deferred"),
        (Self::Aborted, "aborted"),
    ];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(outcome, _)| *outcome == self).map_or("", |(_, word)| word)
    }

    /// The outcome from its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, w)| *w == word).map(|(outcome, _)| *outcome)
    }
}

/// Which traces to look for; everything that is given must fit.
#[derive(Clone, Debug, Default)]
pub struct TraceQuery {
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before (exclusive).
    pub until: Option<Timestamp>,
    /// Ids below this one only: the last of the page before.
    pub before: Option<TraceId>,
    /// Connected from within.
    pub client: Option<Network>,
    /// Part of the sender, in any case of ASCII letters.
    pub sender: Option<String>,
    /// Part of a recipient, in any case of ASCII letters.
    pub recipient: Option<String>,
    /// Ended so.
    pub outcome: Option<Outcome>,
    /// At most so many; 0 means 100.
    pub limit: usize,
}

impl Store {
    /// Notes a transaction that was not accepted. Never waits. Under pressure records are dropped and
    /// counted ([`Stats::traces_dropped`](crate::Stats)).
    pub fn record(&self, record: TraceRecord) {
        self.engine.record(record);
    }

    /// One trace with its evidence.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn trace(&self, id: TraceId) -> Result<TraceRecord, StoreError> {
        self.engine.read(move |c| traces::trace(c, id)).await
    }

    /// Traces that fit the question, latest first, without their evidence.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn traces(&self, query: TraceQuery) -> Result<Vec<TraceRecord>, StoreError> {
        self.engine.read(move |c| traces::search(c, &query)).await
    }
}
