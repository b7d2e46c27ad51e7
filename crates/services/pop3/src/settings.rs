//! What the POP3 service is told: names, times, who may be careless.

use std::net::IpAddr;
use std::time::Duration;

use postern_types::{AddressSet, Domain, Network};

/// Whether user names with `#quarantine` behind them mean the quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuarantineNames {
    /// They do.
    Known,
    /// They are names like others.
    Unknown,
}

/// The settings of the service.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What sessions say and allow. Its `cleartext` holds for clients outside
    /// [`cleartext_from`](Self::cleartext_from).
    pub protocol: postern_pop3::Settings,
    /// Clients that may sign in without TLS: loopback, where nothing can be overheard.
    pub cleartext_from: AddressSet,
    /// The domain of a name without `@`; without one such names are unknown.
    pub default_domain: Option<Domain>,
    /// Whether `name#quarantine` shows what is held for an account; it does.
    pub quarantine: QuarantineNames,
    /// How long a client that is signed in may be silent; 10 minutes, the least that RFC 1939
    /// §3 allows.
    pub idle_timeout: Duration,
    /// How long a client may take until it is signed in; 3 minutes. Less under load.
    pub signin_timeout: Duration,
    /// How long a client may take to read a piece of 32 KiB; 5 minutes.
    pub write_timeout: Duration,
}

impl Settings {
    /// The product's defaults for a server of this name.
    #[must_use]
    pub fn new(hostname: Domain) -> Self {
        let loopback = [
            Network::around(IpAddr::from([127, 0, 0, 0]), 8, 128),
            Network::single(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])),
        ];
        Self {
            protocol: postern_pop3::Settings::new(hostname),
            cleartext_from: loopback.into_iter().collect(),
            default_domain: None,
            quarantine: QuarantineNames::Known,
            idle_timeout: Duration::from_secs(600),
            signin_timeout: Duration::from_secs(180),
            write_timeout: Duration::from_secs(300),
        }
    }
}
