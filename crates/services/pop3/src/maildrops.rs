//! Which maildrops are open, and when they were last: the exclusive lock of RFC 1939 §4 and
//! the LOGIN-DELAY of RFC 2449 §6.5.
//!
//! In memory, so for one process. That is enough while one server owns the store
//! (`Role::Server`); with several, the lock becomes a lease in the store.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use postern_store::AccountId;
use postern_types::Timestamp;

use crate::folder::Folder;

/// A maildrop: an account's mail, or what is held for it.
type Key = (AccountId, Folder);

/// The maildrops of a process. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Maildrops {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    open: HashSet<Key>,
    opened: HashMap<Key, Timestamp>,
    /// How many entries of `opened` are worth a look for old ones.
    sweep_at: usize,
}

/// A maildrop that nobody else can open until this is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    maildrops: Maildrops,
    key: Key,
}

/// Why a maildrop cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Somebody has it.
    InUse,
    /// It was opened a moment ago; wait so long.
    TooSoon(Duration),
}

/// Fewer than this are not worth a look.
const SWEEP_LEAST: usize = 1024;

impl Maildrops {
    /// Opens a maildrop for one session; `delay` is the least time between two.
    pub(crate) fn open(&self, key: Key, delay: Duration, now: Timestamp) -> Result<Lock, Closed> {
        let mut state = self.state();
        if state.open.contains(&key) {
            return Err(Closed::InUse);
        }
        if !delay.is_zero() {
            state.wait_since_last(key, delay, now)?;
        }
        state.open.insert(key);
        Ok(Lock { maildrops: self.clone(), key })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait_since_last(&mut self, key: Key, delay: Duration, now: Timestamp) -> Result<(), Closed> {
        let left = self.opened.get(&key).map(|&last| delay.saturating_sub(now.since(last)));
        if let Some(left) = left.filter(|left| !left.is_zero()) {
            return Err(Closed::TooSoon(left));
        }
        if self.opened.len() >= self.sweep_at.max(SWEEP_LEAST) {
            self.opened.retain(|_, &mut last| now.since(last) < delay);
            self.sweep_at = self.opened.len() * 2;
        }
        self.opened.insert(key, now);
        Ok(())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.maildrops.state().open.remove(&self.key);
    }
}
