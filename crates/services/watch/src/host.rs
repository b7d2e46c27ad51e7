//! The `Host` check: a web page whose name an attacker's DNS points at 127.0.0.1 makes browsers
//! send requests here with the page's own name in `Host` (DNS rebinding). Such names are refused.

use std::net::{IpAddr, SocketAddr};

use postern_types::Domain;

use crate::Reach;

/// The hosts that a request may name.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    address: SocketAddr,
    reach: Reach,
    names: Vec<Domain>,
}

impl Known {
    pub(crate) fn new(address: SocketAddr, reach: Reach, names: Vec<Domain>) -> Self {
        Self { address, reach, names }
    }

    /// Whether the value of a `Host` field (RFC 9110 §7.2: host, optional port) names this host.
    pub(crate) fn is(&self, host: &str) -> bool {
        let Some((host, port)) = split_port(host) else { return false };
        if port.is_some_and(|port| port != self.address.port()) {
            return false;
        }
        let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = literal.parse::<IpAddr>() {
            // An address is not looked up, so nobody's DNS can have made it up.
            return ip.to_canonical().is_loopback() || self.reach == Reach::Network;
        }
        Domain::parse(host).is_ok_and(|name| name.as_str() == "localhost" || self.names.contains(&name))
    }
}

/// Host and port of `host`, `host:port`, `[v6]` or `[v6]:port`; `None` if the port is not one.
fn split_port(host: &str) -> Option<(&str, Option<u16>)> {
    let end = if host.starts_with('[') { host.find(']')? + 1 } else { host.find(':').unwrap_or(host.len()) };
    match host[end..].strip_prefix(':') {
        Some(port) => Some((&host[..end], Some(port.parse().ok()?))),
        None if end == host.len() => Some((host, None)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(reach: Reach) -> Known {
        let names = vec![Domain::parse("mail.example.test").unwrap()];
        Known::new("127.0.0.1:9125".parse().unwrap(), reach, names)
    }

    #[test]
    fn this_host_is_known_by_its_names() {
        for host in [
            "localhost",
            "LOCALHOST:9125",
            "127.0.0.1:9125",
            "127.0.0.2",
            "[::1]:9125",
            "[::ffff:127.0.0.1]",
            "mail.example.test:9125",
            "localhost.",
        ] {
            assert!(known(Reach::Loopback).is(host), "{host}");
        }
    }

    #[test]
    fn other_names_are_not() {
        for host in [
            "evil.test",
            "evil.test:9125",
            "localhost.evil.test",
            "127.0.0.1.evil.test",
            "localhost:80",
            "localhost:",
            "localhost:9125:9125",
            "[::1",
            "[::1]x",
            "192.0.2.1",
            "user@localhost",
            "",
        ] {
            assert!(!known(Reach::Loopback).is(host), "{host}");
        }
    }

    #[test]
    fn an_address_is_enough_where_the_network_may_ask() {
        assert!(known(Reach::Network).is("192.0.2.1:9125"));
        assert!(!known(Reach::Network).is("evil.test"));
    }
}
