//! The policies that verdicts were reached under: an old verdict can be explained and reached again.

use postern_types::{Timestamp, TraceId};

use crate::sqlite::{policies, traces};
use crate::{Store, StoreError, TraceRecord};

/// A policy as it was in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPolicy {
    /// What verdicts call it by.
    pub version: String,
    /// The policy as JSON.
    pub json: String,
    /// When it came into use first.
    pub first_at: Timestamp,
    /// When another one took its place last; `None` while it is in use.
    pub last_at: Option<Timestamp>,
}

/// Some traces with their evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedPage {
    /// The traces, the earliest first.
    pub traces: Vec<TraceRecord>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<TraceId>,
}

impl Store {
    /// Notes that from `at` on verdicts are reached under this policy, and under no other. Wait for it before
    /// the first of them: a policy that is stored can always be found for what was judged by it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn use_policy(&self, version: &str, json: &str, at: Timestamp) -> Result<(), StoreError> {
        // A process for each connection would else commit something each time.
        if self.policy(version).await?.is_some_and(|stored| stored.last_at.is_none()) {
            return Ok(());
        }
        let (version, json) = (version.to_owned(), json.to_owned());
        self.engine.write(json.len(), move |c| policies::in_use(c, &version, &json, at)).await
    }

    /// The policy of that version, if it was ever in use here and evidence of that time is still kept.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn policy(&self, version: &str) -> Result<Option<StoredPolicy>, StoreError> {
        let version = version.to_owned();
        self.engine.read(move |c| policies::get(c, &version)).await
    }

    /// A page of traces with their evidence, the earliest first: those from `from` on until before `until`.
    /// A page has at most `limit` traces and ends earlier when it holds some mebibytes.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn judged(
        &self,
        from: TraceId,
        until: TraceId,
        limit: usize,
    ) -> Result<JudgedPage, StoreError> {
        self.engine.read(move |c| traces::judged(c, from, until, limit)).await
    }
}
