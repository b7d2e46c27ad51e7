//! What is known about single hosts while the process runs: who fails again and again is left alone.
//!
//! A breaker belongs to one address: that a neighbour of a host is dead, or a name that leads nowhere, says nothing about
//! the host. After a restart all of them are closed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use postern_types::Timestamp;

use crate::breaker::{Breaker, Terms};

/// Hosts beyond these are swept before another is remembered.
const SWEEP: usize = 4096;

/// The hosts.
#[derive(Default)]
pub(crate) struct Hosts {
    breakers: Mutex<HashMap<IpAddr, Breaker>>,
    /// When one of them last answered.
    reached: Mutex<Option<Timestamp>>,
}

impl Hosts {
    /// When a host last answered.
    pub(crate) fn reached(&self) -> Option<Timestamp> {
        *lock(&self.reached)
    }

    /// Takes over what an earlier process knew.
    pub(crate) fn remember_reached(&self, at: Timestamp) {
        let mut reached = lock(&self.reached);
        *reached = (*reached).max(Some(at));
    }

    /// Whether a host is left alone now.
    pub(crate) fn is_left_alone(&self, ip: IpAddr, now: Timestamp) -> bool {
        lock(&self.breakers).get(&ip).is_some_and(|breaker| !breaker.admits(now))
    }

    /// Whether a host may be tried now. Of those that want to after a pause, the first may.
    pub(crate) fn admit(&self, ip: IpAddr, now: Timestamp) -> bool {
        lock(&self.breakers).get_mut(&ip).is_none_or(|breaker| breaker.admit(now))
    }

    pub(crate) fn answered(&self, ip: IpAddr, now: Timestamp) {
        *lock(&self.reached) = Some(now);
        lock(&self.breakers).remove(&ip);
    }

    pub(crate) fn failed(&self, ip: IpAddr, now: Timestamp, terms: Terms) {
        let mut breakers = lock(&self.breakers);
        if breakers.len() >= SWEEP {
            breakers.retain(|_, breaker| !breaker.is_idle(now, terms));
        }
        breakers.entry(ip).or_default().failed(now, terms);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
