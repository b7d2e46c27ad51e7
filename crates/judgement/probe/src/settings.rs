//! What the prober may do, and how long its answers serve.

use std::net::IpAddr;
use std::time::Duration;

use postern_types::{Domain, Network};

/// Everything the prober is told by the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name in EHLO.
    pub hostname: Domain,
    /// Addresses of this host: never connected to.
    pub own: Vec<IpAddr>,
    /// The port of SMTP. Another than 25 is for tests only.
    pub port: u16,
    /// Networks that are not public and may be connected to all the same.
    pub private: Vec<Network>,
    /// Domains that do not want to be asked, with all below them.
    pub opt_out_domains: Vec<Domain>,
    /// Networks that do not want to be asked.
    pub opt_out_networks: Vec<Network>,
    /// How many neighbours of an address are connected to, both sides together. Default 0: none.
    pub neighbours: u8,
    /// How often.
    pub limits: Limits,
    /// How long.
    pub timeouts: Timeouts,
    /// How long answers serve.
    pub keep: Keep,
    /// When hosts that fail are left alone.
    pub breaking: Breaking,
}

/// How often the world is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Questions about one domain or network in a minute. Default 1.
    pub place_per_minute: u32,
    /// … and in a day. Default 50.
    pub place_per_day: u32,
    /// Connections to one network or provider in a minute, whatever domains are asked about. Default 6.
    pub target_per_minute: u32,
    /// … and in a day. Default 500.
    pub target_per_day: u32,
    /// Questions in all in a minute. Default 30.
    pub per_minute: u32,
    /// … and in a day. Default 5000.
    pub per_day: u32,
    /// Questions on their way at the same time, besides those that wait for their turn at a host. Default 10.
    pub concurrent: u32,
    /// Hosts that one question about a sender may connect to, one after the other. Default 3.
    pub hosts: u32,
}

/// How long the world may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect. Default 10 s.
    pub connect: Duration,
    /// To answer one command. Default 30 s.
    pub command: Duration,
    /// For everything that one question takes. Default 90 s.
    pub whole: Duration,
}

/// How long answers serve, and after what time they are renewed in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// A sender exists. Default 31 d.
    pub good: Duration,
    /// Default 7 d.
    pub good_refresh: Duration,
    /// A sender does not exist. Default 3 d.
    pub bad: Duration,
    /// Default 3 h.
    pub bad_refresh: Duration,
    /// What holds for a whole domain: it accepts everybody, it has no mail host … Default 7 d.
    pub domain: Duration,
    /// Default 3 h.
    pub domain_refresh: Duration,
    /// Nothing came of it. Default 3 h.
    pub inconclusive: Duration,
    /// A host that relays counts as one for so long. Default 7 d.
    pub relay_open: Duration,
    /// A relay test that got as far as MAIL is not repeated for so long, whatever it found. Default 30 d.
    pub relay_again: Duration,
    /// A host that could not be asked whether it relays. Default 1 d.
    pub relay_unreachable: Duration,
    /// Whether a host answers on its SMTP port. Default 7 d.
    pub connect: Duration,
    /// Whether the hosts of a network do. Default 21 d.
    pub neighbours: Duration,
    /// For how long a connection to some host shows that SMTP connections get out of here. Default 7 d.
    pub reached: Duration,
}

/// When a host that fails is left alone, and all of them when our own way out seems to be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaking {
    /// Failures in a row. Default 3.
    pub host_failures: u32,
    /// For how long at first; twice as long each further time. Default 10 min.
    pub host_pause: Duration,
    /// Networks that speak against our own way out: whose mail hosts answered lately and cannot be reached now, or to
    /// which our own system lets no connection out. Default 5.
    pub networks: u32,
    /// Default 5 min.
    pub pause: Duration,
    /// The longest pause. Default 6 h.
    pub longest: Duration,
}

impl Settings {
    /// What holds unless the operator says otherwise.
    #[must_use]
    pub fn new(hostname: Domain) -> Self {
        Self {
            hostname,
            own: Vec::new(),
            port: 25,
            private: Vec::new(),
            opt_out_domains: Vec::new(),
            opt_out_networks: Vec::new(),
            neighbours: 0,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            keep: Keep::default(),
            breaking: Breaking::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            place_per_minute: 1,
            place_per_day: 50,
            target_per_minute: 6,
            target_per_day: 500,
            per_minute: 30,
            per_day: 5000,
            concurrent: 10,
            hosts: 3,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            command: Duration::from_secs(30),
            whole: Duration::from_secs(90),
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

impl Default for Keep {
    fn default() -> Self {
        Self {
            good: DAY * 31,
            good_refresh: DAY * 7,
            bad: DAY * 3,
            bad_refresh: HOUR * 3,
            domain: DAY * 7,
            domain_refresh: HOUR * 3,
            inconclusive: HOUR * 3,
            relay_open: DAY * 7,
            relay_again: DAY * 30,
            relay_unreachable: DAY,
            connect: DAY * 7,
            neighbours: DAY * 21,
            reached: DAY * 7,
        }
    }
}

impl Default for Breaking {
    fn default() -> Self {
        Self {
            host_failures: 3,
            host_pause: Duration::from_secs(600),
            networks: 5,
            pause: Duration::from_secs(300),
            longest: HOUR * 6,
        }
    }
}
