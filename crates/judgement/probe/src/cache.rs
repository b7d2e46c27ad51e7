//! What was found out: in the store, with a small front in memory.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use postern_store::{Certainty, ProbeRecord, Store, StoreError};
use postern_types::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::question::Key;
use crate::{Answer, Connect, Keep, Relay, User};

/// Records in memory; beyond these it begins anew.
const FRONT: usize = 8192;
/// How long a record in memory is believed: a command beside the server may have asked by hand.
const BELIEVED: Duration = Duration::from_secs(600);

/// The cache.
pub(crate) struct Cache {
    store: Store,
    front: Mutex<HashMap<Key, (Timestamp, ProbeRecord)>>,
}

/// What is known.
pub(crate) enum Known<T> {
    /// It serves.
    Fresh(T),
    /// It serves, and it is time to ask again.
    Due(T),
    /// It serves no more, and it is too early to ask again.
    Spent,
    /// Nothing.
    Nothing,
}

/// How long something serves.
#[derive(Clone, Copy)]
pub(crate) struct Life {
    /// Whether it answers its question.
    pub(crate) certainty: Certainty,
    pub(crate) refresh: Duration,
    pub(crate) expire: Duration,
}

impl Life {
    pub(crate) fn of(answer: &Answer, keep: &Keep) -> Self {
        let certainty = if answer.is_conclusive() { Certainty::Conclusive } else { Certainty::Inconclusive };
        let (refresh, expire) = match answer {
            Answer::User(User::Exists) => (keep.good_refresh, keep.good),
            Answer::User(User::Missing { .. }) => (keep.bad_refresh, keep.bad),
            Answer::User(User::Unverifiable { .. }) => (keep.inconclusive, keep.inconclusive),
            Answer::Connect(Connect::Unknown { .. }) => (keep.inconclusive, keep.inconclusive),
            Answer::Connect(_) => (keep.connect / 7 * 6, keep.connect),
            // Third parties are not asked for the sake of a fresh record.
            Answer::Neighbours(_) => (keep.neighbours, keep.neighbours),
            Answer::Relay(Relay::Unreachable { .. }) => (keep.relay_unreachable, keep.relay_unreachable),
            Answer::Relay(_) => (keep.relay_again, keep.relay_again),
        };
        Self { certainty, refresh, expire }
    }
}

impl Cache {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, front: Mutex::default() }
    }

    /// What is known under a key.
    pub(crate) async fn look<T: DeserializeOwned>(
        &self,
        key: &Key,
        now: Timestamp,
    ) -> Result<Known<(T, Timestamp)>, StoreError> {
        let Some(record) = self.record(key, now).await? else { return Ok(Known::Nothing) };
        // What another version wrote and this one cannot read is not known.
        let Ok(value) = serde_json::from_str(&record.facts) else { return Ok(Known::Nothing) };
        let known = (value, record.at);
        Ok(if now >= record.refresh_at { Known::Due(known) } else { Known::Fresh(known) })
    }

    async fn record(&self, key: &Key, now: Timestamp) -> Result<Option<ProbeRecord>, StoreError> {
        let front = self.front().get(key).cloned();
        if let Some((read, record)) = front
            && now.since(read) < BELIEVED
            && now < record.expires_at
        {
            return Ok(Some(record));
        }
        let record = self.store.probe(key.0, &key.1, now).await?;
        match &record {
            Some(record) => self.keep(key.clone(), now, record.clone()),
            None => drop(self.front().remove(key)),
        }
        Ok(record)
    }

    /// Remembers something. What says nothing never replaces what says something and still serves: then that is
    /// kept, and the next attempt waits as long as if nothing had been known.
    pub(crate) async fn put(
        &self,
        key: Key,
        value: &impl Serialize,
        now: Timestamp,
        life: Life,
    ) -> Result<(), StoreError> {
        let facts = serde_json::to_string(value).unwrap_or_default();
        let mut record = ProbeRecord {
            probe: key.0.to_owned(),
            subject: key.1.clone(),
            certainty: life.certainty,
            facts,
            at: now,
            refresh_at: now.plus(life.refresh),
            expires_at: now.plus(life.expire),
        };
        if life.certainty == Certainty::Inconclusive
            && let Some(good) = self.record(&key, now).await?
            && good.certainty == Certainty::Conclusive
        {
            record = ProbeRecord { refresh_at: good.refresh_at.max(record.refresh_at), ..good };
        }
        self.store.put_probe(record.clone()).await?;
        self.keep(key, now, record);
        Ok(())
    }

    fn keep(&self, key: Key, now: Timestamp, record: ProbeRecord) {
        let mut front = self.front();
        if front.len() >= FRONT {
            // The store has all of it.
            front.clear();
        }
        front.insert(key, (now, record));
    }

    fn front(&self) -> MutexGuard<'_, HashMap<Key, (Timestamp, ProbeRecord)>> {
        self.front.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
