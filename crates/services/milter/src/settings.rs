//! What the services are told.

use std::time::Duration;

use postern_types::{AddressSet, Domain, Network};

/// What both doors are told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name, in `Received` of quarantined copies.
    pub hostname: Domain,
    /// Clients of the MTA that are ours: their mail is not tested, and whom they write to is learned. As those
    /// who have signed in at the MTA. By default the loopback addresses.
    pub trusted: AddressSet,
    /// Connections of MTAs at the same time, each door by itself; 1,000.
    pub connections: usize,
    /// How long an MTA may be silent; 2 h, as it may have a slow client (libmilter's own limit is the same).
    pub timeout: Duration,
    /// Octets of a message's header; 102,400.
    pub header_size: usize,
    /// Bytes that must stay free on the data disk beside a message that is quarantined.
    pub minimum_free_disk: u64,
    /// How long a copy stays in quarantine.
    pub quarantine_for: Duration,
    /// How long those whom our users write to stay on their allow lists; 180 d.
    pub learned_for: Duration,
}

impl Settings {
    /// The defaults, under a name.
    #[must_use]
    pub fn new(hostname: Domain) -> Self {
        Self {
            hostname,
            trusted: loopback(),
            connections: 1000,
            timeout: Duration::from_secs(2 * 3600),
            header_size: postern_message::DEFAULT_HEADER_SIZE,
            minimum_free_disk: 100_000_000,
            quarantine_for: Duration::from_secs(30 * 86_400),
            learned_for: Duration::from_secs(180 * 86_400),
        }
    }
}

fn loopback() -> AddressSet {
    use std::net::{Ipv4Addr, Ipv6Addr};
    let v4 = Network::around(Ipv4Addr::LOCALHOST.into(), 8, 128);
    [v4, Network::single(Ipv6Addr::LOCALHOST.into())].into_iter().collect()
}
