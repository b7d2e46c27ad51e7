//! Who is connected to, whatever domain is asked about.
//!
//! A sender's domain is named by whoever sends, and so are its MX records: thousands of domains may name one host that
//! has nothing to do with any of them. So it is not enough that each domain has a budget. What a host is called can be
//! made up as well; where it is cannot. Both have a budget and a turn: the network of the host, and the registered domain
//! of its name, which gathers the hosts of a large provider.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use postern_types::Network;
use tokio::sync::OwnedMutexGuard;

/// Turns beyond these are swept before another is remembered.
const SWEEP: usize = 4096;

/// Whose host it is, as far as can be seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The registered domain of its name, where it has one in this question.
    pub(crate) provider: Option<String>,
    pub(crate) network: String,
}

impl Target {
    pub(crate) fn of(ip: IpAddr, name: Option<&str>) -> Self {
        Self { provider: name.map(registered), network: network(ip).to_string() }
    }

    /// Those who have a budget and a turn of their own, always in this order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.provider.as_deref().into_iter().chain([self.network.as_str()])
    }
}

/// What most likely belongs to one owner.
pub(crate) fn network(ip: IpAddr) -> Network {
    Network::around(ip, 24, 64)
}

/// What its owner has registered.
pub(crate) fn registered(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    psl::domain_str(&name).map_or(name.clone(), str::to_owned)
}

/// Whose turn it is: each target has one connection at a time.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

/// Whoever holds it is connected.
pub(crate) struct Turn {
    _held: Vec<OwnedMutexGuard<()>>,
}

impl Turns {
    /// A turn, if nobody has it.
    pub(crate) fn try_take(&self, target: &Target) -> Option<Turn> {
        let held: Option<Vec<_>> =
            self.of(target).into_iter().map(|turn| turn.try_lock_owned().ok()).collect();
        Some(Turn { _held: held? })
    }

    /// A turn, after those who came before. Nobody who has a network's turn waits for another, so it comes.
    pub(crate) async fn take(&self, target: &Target) -> Turn {
        let mut held = Vec::new();
        for turn in self.of(target) {
            held.push(turn.lock_owned().await);
        }
        Turn { _held: held }
    }

    fn of(&self, target: &Target) -> Vec<Arc<tokio::sync::Mutex<()>>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= SWEEP {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        target.keys().map(|key| Arc::clone(turns.entry(key.to_owned()).or_default())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(ip: &str, name: &str) -> Target {
        Target::of(ip.parse().unwrap(), Some(name).filter(|name| !name.is_empty()))
    }

    #[test]
    fn a_host_belongs_to_its_network_and_to_whoever_registered_its_name() {
        for (ip, name, keys) in [
            ("192.0.2.7", "MX1.eu.provider.co.uk", &["provider.co.uk", "192.0.2.0/24"][..]),
            ("2001:db8::7", "mx.test", &["mx.test", "2001:db8::/64"]),
            ("::ffff:192.0.2.7", "", &["192.0.2.0/24"]),
        ] {
            assert_eq!(target(ip, name).keys().collect::<Vec<_>>(), keys);
        }
    }

    #[tokio::test]
    async fn a_network_and_a_provider_have_one_turn_each() {
        let turns = Turns::default();
        let one = turns.try_take(&target("192.0.2.1", "a.provider.test")).unwrap();
        for (ip, name) in
            [("192.0.2.9", ""), ("192.0.2.9", "mx.other.test"), ("198.51.100.1", "b.provider.test")]
        {
            assert!(turns.try_take(&target(ip, name)).is_none(), "{ip} {name}");
        }
        // Who did not get both holds neither.
        assert!(turns.try_take(&target("198.51.100.1", "mx.other.test")).is_some());
        drop(one);
        turns.take(&target("192.0.2.9", "b.provider.test")).await;
    }

    #[tokio::test]
    async fn turns_that_nobody_has_are_forgotten() {
        let turns = Turns::default();
        let held = turns.try_take(&target("192.0.2.1", "held.test")).unwrap();
        for n in 0..2 * SWEEP {
            turns.try_take(&target("198.51.100.1", &format!("d{n}.test"))).unwrap();
        }
        assert!(turns.0.lock().unwrap().len() <= SWEEP + 2);
        assert!(turns.try_take(&target("192.0.2.1", "")).is_none());
        drop(held);
    }
}
