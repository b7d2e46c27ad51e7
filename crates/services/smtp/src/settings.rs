//! What the SMTP service is told: names, limits, times, whom it trusts.

use std::time::Duration;

use postern_smtp::command::{XclientName, XforwardName};
use postern_smtp::{Extensions, server};
use postern_types::{AddressSet, Domain};
use std::net::IpAddr;

use crate::upstream;

/// What all doors of the SMTP service share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name: in the greeting, in `Received`, for the bare `<Postmaster>`.
    pub hostname: Domain,
    /// The protocol's limits and leniency; the flavour is the door's.
    pub protocol: server::Settings,
    /// Whether addresses in UTF-8 are taken (RFC 6531).
    pub smtp_utf8: Offered,
    /// Octets of a message's header; 102,400 (Postfix: `header_size_limit`).
    pub header_size: usize,
    /// How long a client may be silent; 300 s (Postfix: `smtpd_timeout`).
    pub timeout: Duration,
    /// The same under stress; 10 s.
    pub timeout_stressed: Duration,
    /// The pause before the reply to a client with many errors; 1 s (Postfix: `smtpd_error_sleep_time`).
    pub error_delay: Duration,
    /// The pause before the greeting, in which clients that cannot wait betray themselves; 0 is none.
    pub greeting_delay: Duration,
    /// Bytes that must stay free on the data disk beside the message that comes.
    pub minimum_free_disk: u64,
    /// How long a copy stays in quarantine.
    pub quarantine_for: Duration,
    /// Who may speak for others.
    pub trust: Trust,
    /// The MTAs behind.
    pub upstream: upstream::Settings,
}

/// Whether an extension is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// In every EHLO answer, unless an MTA behind cannot do it.
    Yes,
    /// Never.
    No,
}

/// The networks whose hosts may say who the client really is. Nobody, unless set.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// By XCLIENT.
    pub xclient: AddressSet,
    /// By XFORWARD.
    pub xforward: AddressSet,
    /// By a PROXY protocol header, which their connections then must begin with.
    pub proxy_protocol: AddressSet,
}

impl Trust {
    /// Offers XCLIENT and XFORWARD to those who may use them.
    pub(crate) fn offer(&self, peer: IpAddr, extensions: &mut Extensions) {
        if self.xclient.contains(peer) {
            extensions.xclient = XclientName::ALL.to_vec();
        }
        if self.xforward.contains(peer) {
            extensions.xforward = XforwardName::ALL.to_vec();
        }
    }
}

impl Settings {
    /// The defaults, under a name.
    #[must_use]
    pub fn new(hostname: Domain) -> Self {
        Self {
            protocol: server::Settings::new(hostname.clone()),
            smtp_utf8: Offered::Yes,
            header_size: postern_message::DEFAULT_HEADER_SIZE,
            timeout: Duration::from_secs(300),
            timeout_stressed: Duration::from_secs(10),
            error_delay: Duration::from_secs(1),
            greeting_delay: Duration::ZERO,
            minimum_free_disk: 100_000_000,
            quarantine_for: Duration::from_secs(30 * 86_400),
            trust: Trust::default(),
            upstream: upstream::Settings::new(hostname.clone()),
            hostname,
        }
    }
}
