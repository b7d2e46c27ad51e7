//! What the active tests found out, kept so that nobody is asked twice.

use postern_types::Timestamp;

use crate::sqlite::probes;
use crate::{Store, StoreError};

/// Whether a probe's record answers its question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Certainty {
    /// It does.
    Conclusive,
    /// The probe failed or was put off.
    Inconclusive,
}

/// A remembered answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeRecord {
    /// The test: `user`, `relay`, `dialup` …
    pub probe: String,
    /// What was asked about: an address, a host, a domain.
    pub subject: String,
    /// Whether it answers the question.
    pub certainty: Certainty,
    /// What was seen, as JSON.
    pub facts: String,
    /// When it was asked.
    pub at: Timestamp,
    /// When to ask again while the old answer still serves.
    pub refresh_at: Timestamp,
    /// When the answer no longer serves.
    pub expires_at: Timestamp,
}

impl Store {
    /// The answer to a question, unless it has expired at `now`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn probe(
        &self,
        probe: &str,
        subject: &str,
        now: Timestamp,
    ) -> Result<Option<ProbeRecord>, StoreError> {
        let (probe, subject) = (probe.to_owned(), subject.to_owned());
        self.engine.read(move |c| probes::get(c, &probe, &subject, now)).await
    }

    /// Remembers an answer. An inconclusive one never replaces a conclusive one that has not expired
    /// when the new one was asked.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_probe(&self, record: ProbeRecord) -> Result<(), StoreError> {
        self.engine.write(0, move |c| probes::put(c, &record)).await
    }

    /// Forgets an answer; nothing happens where there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_probe(&self, probe: &str, subject: &str) -> Result<(), StoreError> {
        let (probe, subject) = (probe.to_owned(), subject.to_owned());
        self.engine.write(0, move |c| probes::forget(c, &probe, &subject)).await
    }
}
