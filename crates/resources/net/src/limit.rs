//! Who may connect: how many at a time, in all, per host and per network, and how often.
//!
//! A host is one IPv4 address or one IPv6 /64 (whoever has one IPv6 address has 2^64 of
//! them); a network is an IPv4 /24 or an IPv6 /48. One lock, a few small tables; a connection
//! costs well under a microsecond. Time comes from the caller.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use postern_types::AddressSet;

use crate::rate::{OverRate, Rates};

/// How many connections are let in. Zero in a limit means: no limit.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Connections at a time in all. Default 10,000.
    pub total: u32,
    /// Connections at a time from one host. Default 50, as Postfix's.
    pub per_host: u32,
    /// Connections at a time from one network. Default 200.
    pub per_network: u32,
    /// New connections a minute from one host, as a steady rate with a burst of as many.
    /// Default 0: no limit, as Postfix's.
    pub per_minute: u32,
    /// The same for one network. Default 0.
    pub network_per_minute: u32,
    /// The share of these two rates, in percent, over which a connection is let in and said to be one too
    /// many: see [`Admitted::over_rate`]. Default 50; 100 says nothing.
    pub soft_percent: u8,
    /// Addresses that no limit holds for; they count towards the total that others see.
    pub exempt: AddressSet,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            total: 10_000,
            per_host: 50,
            per_network: 200,
            per_minute: 0,
            network_per_minute: 0,
            soft_percent: 50,
            exempt: AddressSet::default(),
        }
    }
}

/// Why a connection is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// The server has as many connections as it takes.
    Total,
    /// The host has as many connections as it may.
    Host,
    /// The network has as many connections as it may.
    Network,
    /// The host comes too often.
    Rate,
    /// The network comes too often.
    NetworkRate,
}

/// How many connections were refused since the start, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefusedCounts {
    /// For [`Refused::Total`].
    pub total: u64,
    /// For [`Refused::Host`].
    pub host: u64,
    /// For [`Refused::Network`].
    pub network: u64,
    /// For [`Refused::Rate`].
    pub rate: u64,
    /// For [`Refused::NetworkRate`].
    pub network_rate: u64,
}

/// Lets connections in, or not. Clones share the count.
#[derive(Clone)]
pub struct Admission {
    inner: Arc<Inner>,
}

/// A connection that was let in; counted until this is dropped.
pub struct Admitted {
    inner: Arc<Inner>,
    /// `None` for an exempt address.
    from: Option<(Host, Net)>,
    over_rate: Option<OverRate>,
}

struct Inner {
    settings: Settings,
    tables: Mutex<Tables>,
    refused: [AtomicU64; 5],
}

struct Tables {
    live: u32,
    /// Connections at a time; an entry goes away with its last connection, so there are
    /// never more entries than connections.
    hosts: HashMap<Host, u32>,
    networks: HashMap<Net, u32>,
    rates: Rates<Host>,
    network_rates: Rates<Net>,
}

/// One IPv4 address, or the upper half of an IPv6 address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Host {
    V4(u32),
    V6(u64),
}

/// An IPv4 /24 or an IPv6 /48.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Net(Host);

impl Host {
    fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(u32::from(ip)),
            // The shift leaves 64 bits.
            IpAddr::V6(ip) => Self::V6((u128::from(ip) >> 64) as u64),
        }
    }

    fn network(self) -> Net {
        Net(match self {
            Self::V4(ip) => Self::V4(ip >> 8),
            Self::V6(half) => Self::V6(half >> 16),
        })
    }
}

impl Admission {
    /// Nobody is in yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let tables = Tables {
            live: 0,
            hosts: HashMap::new(),
            networks: HashMap::new(),
            rates: Rates::new(settings.per_minute, settings.soft_percent),
            network_rates: Rates::new(settings.network_per_minute, settings.soft_percent),
        };
        let refused = Default::default();
        Self { inner: Arc::new(Inner { settings, tables: Mutex::new(tables), refused }) }
    }

    /// Lets a connection in, or says why not. A refused one does not count against the host.
    ///
    /// # Errors
    /// The first limit that is reached: total, host, network, rate of the host, rate of the network.
    pub fn admit(&self, ip: IpAddr, now: Instant) -> Result<Admitted, Refused> {
        let settings = &self.inner.settings;
        let exempt = settings.exempt.contains(ip);
        let host = Host::of(ip);
        let mut tables = self.inner.tables();
        if exempt {
            tables.live += 1;
            return Ok(Admitted { inner: self.inner.clone(), from: None, over_rate: None });
        }
        match tables.enter(settings, host, now) {
            Ok(over_rate) => {
                Ok(Admitted { inner: self.inner.clone(), from: Some((host, host.network())), over_rate })
            }
            Err(why) => {
                drop(tables);
                self.inner.refused[why as usize].fetch_add(1, Ordering::Relaxed);
                Err(why)
            }
        }
    }

    /// How many connections are in.
    #[must_use]
    pub fn live(&self) -> u32 {
        self.inner.tables().live
    }

    /// How many were refused since the start.
    #[must_use]
    pub fn refused(&self) -> RefusedCounts {
        let count = |why: Refused| self.inner.refused[why as usize].load(Ordering::Relaxed);
        RefusedCounts {
            total: count(Refused::Total),
            host: count(Refused::Host),
            network: count(Refused::Network),
            rate: count(Refused::Rate),
            network_rate: count(Refused::NetworkRate),
        }
    }
}

impl Inner {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        // Nothing panics while it is held.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn enter(&mut self, settings: &Settings, host: Host, now: Instant) -> Result<Option<OverRate>, Refused> {
        let full = |count: u32, limit: u32| limit != 0 && count >= limit;
        if full(self.live, settings.total) {
            return Err(Refused::Total);
        }
        let network = host.network();
        if full(self.hosts.get(&host).copied().unwrap_or(0), settings.per_host) {
            return Err(Refused::Host);
        }
        if full(self.networks.get(&network).copied().unwrap_or(0), settings.per_network) {
            return Err(Refused::Network);
        }
        if !self.rates.has_room(host, now) {
            return Err(Refused::Rate);
        }
        if !self.network_rates.has_room(network, now) {
            return Err(Refused::NetworkRate);
        }
        // Charged only when both have room: who is not let in is not charged.
        let over = (self.rates.take(host, now), self.network_rates.take(network, now));
        self.live += 1;
        *self.hosts.entry(host).or_default() += 1;
        *self.networks.entry(network).or_default() += 1;
        Ok(over.0.or(over.1))
    }

    fn leave(&mut self, from: Option<(Host, Net)>) {
        self.live = self.live.saturating_sub(1);
        if let Some((host, network)) = from {
            decrement(&mut self.hosts, host);
            decrement(&mut self.networks, network);
        }
    }
}

fn decrement<K: std::hash::Hash + Eq>(table: &mut HashMap<K, u32>, key: K) {
    if let std::collections::hash_map::Entry::Occupied(mut entry) = table.entry(key) {
        *entry.get_mut() -= 1;
        if *entry.get() == 0 {
            entry.remove();
        }
    }
}

impl Admitted {
    /// Whether the host, or its network, has come more often within the last minute than is usual.
    #[must_use]
    pub fn over_rate(&self) -> Option<OverRate> {
        self.over_rate
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.inner.tables().leave(self.from);
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Total => "the server has as many connections as it takes",
            Self::Host => "too many connections from this host",
            Self::Network => "too many connections from this network",
            Self::Rate => "too many new connections from this host",
            Self::NetworkRate => "too many new connections from this network",
        })
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("live", &self.live()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use postern_types::Network;
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn admission(change: impl FnOnce(&mut Settings)) -> Admission {
        let mut settings = Settings { total: 0, per_host: 0, per_network: 0, ..Settings::default() };
        change(&mut settings);
        Admission::new(settings)
    }

    #[test]
    fn a_host_has_its_share_and_gets_it_back() {
        let admission = admission(|s| s.per_host = 2);
        let now = Instant::now();
        let first = admission.admit(ip("192.0.2.1"), now).unwrap();
        let _second = admission.admit(ip("::ffff:192.0.2.1"), now).unwrap();
        assert_eq!(admission.admit(ip("192.0.2.1"), now).unwrap_err(), Refused::Host);
        assert!(admission.admit(ip("192.0.2.2"), now).is_ok(), "its neighbour is not concerned");
        drop(first);
        assert!(admission.admit(ip("192.0.2.1"), now).is_ok());
        assert_eq!(admission.refused(), RefusedCounts { host: 1, ..RefusedCounts::default() });
    }

    #[test]
    fn an_ipv6_host_is_a_64_and_its_network_a_48() {
        let admission = admission(|s| {
            s.per_host = 1;
            s.per_network = 2;
        });
        let now = Instant::now();
        let _a = admission.admit(ip("2001:db8:0:1::1"), now).unwrap();
        assert_eq!(admission.admit(ip("2001:db8:0:1:ffff::2"), now).unwrap_err(), Refused::Host);
        let _b = admission.admit(ip("2001:db8:0:2::1"), now).unwrap();
        assert_eq!(admission.admit(ip("2001:db8:0:3::1"), now).unwrap_err(), Refused::Network);
        assert!(admission.admit(ip("2001:db8:1::1"), now).is_ok());
    }

    #[test]
    fn the_total_holds_for_strangers_and_not_for_the_exempt() {
        let admission = admission(|s| {
            s.total = 1;
            s.per_host = 1;
            s.per_minute = 1;
            s.exempt = [Network::parse("198.51.100.0/24").unwrap()].into_iter().collect();
        });
        let now = Instant::now();
        let _in = admission.admit(ip("192.0.2.1"), now).unwrap();
        assert_eq!(admission.admit(ip("192.0.3.1"), now).unwrap_err(), Refused::Total);
        let own: Vec<_> = (0..5).map(|_| admission.admit(ip("198.51.100.7"), now).unwrap()).collect();
        assert_eq!(admission.live(), 6);
        drop(own);
        assert_eq!(admission.live(), 1);
    }

    #[test]
    fn the_rate_allows_a_burst_and_then_a_steady_flow() {
        let admission = admission(|s| s.per_minute = 6);
        let start = Instant::now();
        let come = |secs| admission.admit(ip("192.0.2.1"), start + Duration::from_secs(secs)).map(drop);
        for _ in 0..6 {
            assert_eq!(come(0), Ok(()));
        }
        assert_eq!(come(0), Err(Refused::Rate));
        assert_eq!(come(9), Err(Refused::Rate));
        assert_eq!(come(10), Ok(()), "one each ten seconds");
        assert_eq!(come(10), Err(Refused::Rate));
        for _ in 0..6 {
            assert_eq!(come(70), Ok(()), "whole again after a minute");
        }
    }

    #[test]
    fn a_refused_connection_does_not_prolong_the_refusal() {
        let admission = admission(|s| s.per_minute = 1);
        let start = Instant::now();
        let come = |secs| admission.admit(ip("192.0.2.1"), start + Duration::from_secs(secs)).map(drop);
        assert_eq!(come(0), Ok(()));
        for secs in 1..60 {
            assert_eq!(come(secs), Err(Refused::Rate));
        }
        assert_eq!(come(60), Ok(()));
    }

    #[test]
    fn the_rate_of_a_network_is_limited_too() {
        let admission = admission(|s| {
            s.per_minute = 3;
            s.network_per_minute = 5;
        });
        let now = Instant::now();
        let come = |from: &str| admission.admit(ip(from), now).map(drop);
        for from in ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            assert_eq!(come(from), Ok(()));
        }
        assert_eq!(come("192.0.2.1"), Err(Refused::Rate));
        assert_eq!(come("192.0.2.4"), Err(Refused::NetworkRate));
        assert_eq!(come("192.0.3.4"), Ok(()));
        // Who was not let in was not charged.
        let later = admission.admit(ip("192.0.2.4"), now + Duration::from_secs(12)).map(drop);
        assert_eq!(later, Ok(()));
        assert_eq!(
            admission.refused(),
            RefusedCounts { rate: 1, network_rate: 1, ..RefusedCounts::default() }
        );
    }

    #[test]
    fn who_comes_often_is_let_in_and_said_to() {
        let admission = admission(|s| {
            s.per_minute = 10;
            s.network_per_minute = 14;
        });
        let now = Instant::now();
        let come = |from: &str, secs| {
            let admitted = admission.admit(ip(from), now + Duration::from_secs(secs)).unwrap();
            admitted.over_rate().map(|over| (over.per_minute, over.limit))
        };
        for second in 0..5 {
            assert_eq!(come("192.0.2.1", second), None);
        }
        assert_eq!(come("192.0.2.1", 5), Some((6, 5)));
        assert_eq!(come("192.0.2.2", 6), None, "seven of the network are as many as it may");
        assert_eq!(come("192.0.2.3", 7), Some((8, 7)));
        // A minute and a half later half of those count, and it is only the steady rate that was too much.
        assert_eq!(come("192.0.2.1", 90), None);
        assert_eq!(come("192.0.2.1", 300), None);
    }

    proptest! {
        /// Whatever comes and goes: the counts are those of a plain list, no limit is ever
        /// exceeded, and when all are gone nothing is left.
        #[test]
        fn counts_are_true(steps in prop::collection::vec((0..24_u8, any::<bool>()), 1..300)) {
            let admission = admission(|s| { s.total = 40; s.per_host = 3; s.per_network = 7; });
            let now = Instant::now();
            let mut model: Vec<(u8, Admitted)> = Vec::new();
            for (who, comes) in steps {
                // Six networks of four hosts.
                let ip = IpAddr::from([10, 0, who / 4, who % 4]);
                let of_host = model.iter().filter(|(other, _)| *other == who).count();
                let of_network = model.iter().filter(|(other, _)| other / 4 == who / 4).count();
                if comes {
                    let expected = match () {
                        () if model.len() == 40 => Some(Refused::Total),
                        () if of_host == 3 => Some(Refused::Host),
                        () if of_network == 7 => Some(Refused::Network),
                        () => None,
                    };
                    match admission.admit(ip, now) {
                        Ok(admitted) => { prop_assert_eq!(expected, None); model.push((who, admitted)); }
                        Err(why) => prop_assert_eq!(expected, Some(why)),
                    }
                } else if let Some(at) = model.iter().position(|(other, _)| *other == who) {
                    model.swap_remove(at);
                }
                prop_assert_eq!(admission.live() as usize, model.len());
            }
            drop(model);
            let tables = admission.inner.tables();
            prop_assert_eq!(tables.live, 0);
            prop_assert!(tables.hosts.is_empty() && tables.networks.is_empty());
        }
    }
}
