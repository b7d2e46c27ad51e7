//! Whom to ask, and how much time and memory that may take.

use std::net::SocketAddr;
use std::time::Duration;

/// Whom to ask.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Servers {
    /// The `nameserver` lines of `/etc/resolv.conf`, read once at the start.
    #[default]
    System,
    /// These resolvers, over UDP and TCP.
    List(Vec<SocketAddr>),
}

/// How the DNS is asked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The recursive resolvers.
    pub servers: Servers,
    /// How long one attempt waits for its answer. Default 2 s.
    pub timeout: Duration,
    /// How often a question is sent before it counts as unanswered, at least once. Default 2.
    pub attempts: usize,
    /// How long a question may take in all, aliases and TCP included. Default 5 s.
    pub deadline: Duration,
    /// How much memory answers may take, in bytes. Default 8 MiB (some 30,000 answers).
    pub cache_bytes: usize,
    /// The longest that an answer is kept, whatever its TTL. Default 1 day.
    pub longest_ttl: Duration,
    /// How long a failure is kept, so that a dead server is not asked by every session.
    /// RFC 9520 §3.2 asks for 1 s to 5 min. Default 5 s.
    pub failure_ttl: Duration,
    /// How many questions may be on their way at a time; more wait, within their deadline.
    /// Default 256.
    pub concurrent: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            servers: Servers::System,
            timeout: Duration::from_secs(2),
            attempts: 2,
            deadline: Duration::from_secs(5),
            cache_bytes: 8 << 20,
            longest_ttl: Duration::from_secs(86_400),
            failure_ttl: Duration::from_secs(5),
            concurrent: 256,
        }
    }
}

/// Why the DNS cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// `/etc/resolv.conf` is missing, unreadable or names no server.
    #[error("/etc/resolv.conf names no DNS server that could be used: {0}")]
    SystemConfiguration(String),
    /// The list of servers is empty.
    #[error("the list of DNS servers is empty")]
    NoServers,
}
