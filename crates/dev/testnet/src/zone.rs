//! Zones of the test internet, declared in Rust.
//!
//! Names follow the master-file rule of RFC 1035 §5.1: with a dot at the end they are
//! absolute, otherwise relative to the zone; `@` is the zone itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hickory_server::proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, SRV, TXT};
use hickory_server::proto::rr::{Name, RData, RecordType};

/// The type of a question or record.
pub type Kind = RecordType;

/// How a name misbehaves. It holds for the name and for everything below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The name does not exist, whatever the zone says.
    NxDomain,
    /// The server failed.
    ServFail,
    /// The server refuses to answer.
    Refused,
    /// No answer at all: the client runs into its timeout.
    Silent,
    /// The right answer, but later.
    Late(Duration),
}

/// Records and faults below one name, to be handed to [`crate::DnsServer::add`].
#[derive(Clone, Debug)]
pub struct Zone {
    apex: String,
    ttl: u32,
    pub(crate) records: Vec<(String, u32, RData)>,
    pub(crate) faults: Vec<(String, Fault)>,
}

impl Zone {
    /// An empty zone: its apex exists, with nothing but an SOA.
    #[must_use]
    pub fn new(apex: &str) -> Self {
        Self {
            apex: apex.trim_end_matches('.').to_ascii_lowercase(),
            ttl: 60,
            records: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// `in-addr.arpa` for 127.0.0.0/8, for [`Zone::ptr`] of hosts that belong to no other zone.
    #[must_use]
    pub fn reverse() -> Self {
        Self::new("127.in-addr.arpa")
    }

    /// A DNS block list (RFC 5782) that lists `addresses` as 127.0.0.2, and the test entry 127.0.0.2.
    #[must_use]
    pub fn dnsbl(apex: &str, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let mut zone = Self::new(apex).listed(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)));
        for ip in addresses {
            zone = zone.listed(ip);
        }
        zone
    }

    /// Lists an address in a block list: A 127.0.0.2 and a TXT that says why.
    #[must_use]
    pub fn listed(self, ip: IpAddr) -> Self {
        self.listed_as(ip, Ipv4Addr::new(127, 0, 0, 2))
    }

    /// Lists an address in a block list with an answer of its own (`127.0.0.10`, `127.255.255.254` …).
    #[must_use]
    pub fn listed_as(self, ip: IpAddr, answer: Ipv4Addr) -> Self {
        let name = reversed(ip);
        self.a(&name, answer).txt(&name, &format!("{ip} is listed"))
    }

    /// The time to live of the records that follow, in seconds; 60 until this is called.
    #[must_use]
    pub fn ttl(mut self, seconds: u32) -> Self {
        self.ttl = seconds;
        self
    }

    /// An address of a name.
    #[must_use]
    pub fn a(self, name: &str, ip: Ipv4Addr) -> Self {
        self.record(name, RData::A(A(ip)))
    }

    /// An IPv6 address of a name.
    #[must_use]
    pub fn aaaa(self, name: &str, ip: Ipv6Addr) -> Self {
        self.record(name, RData::AAAA(AAAA(ip)))
    }

    /// A mail exchanger of the zone itself.
    #[must_use]
    pub fn mx(self, preference: u16, host: &str) -> Self {
        self.mx_of("@", preference, host)
    }

    /// A mail exchanger of a name. The host `.` makes it a null MX (RFC 7505).
    #[must_use]
    pub fn mx_of(self, name: &str, preference: u16, host: &str) -> Self {
        let exchange = parsed(&self.absolute(host));
        self.record(name, RData::MX(MX::new(preference, exchange)))
    }

    /// A text; one longer than 255 octets is split into several strings, as it must be.
    #[must_use]
    pub fn txt(self, name: &str, text: &str) -> Self {
        let strings = text.as_bytes().chunks(255).collect();
        self.record(name, RData::TXT(TXT::from_bytes(strings)))
    }

    /// Another name for `target`.
    #[must_use]
    pub fn cname(self, name: &str, target: &str) -> Self {
        let target = parsed(&self.absolute(target));
        self.record(name, RData::CNAME(CNAME(target)))
    }

    /// A name server.
    #[must_use]
    pub fn ns(self, name: &str, host: &str) -> Self {
        let host = parsed(&self.absolute(host));
        self.record(name, RData::NS(NS(host)))
    }

    /// A service (RFC 2782), such as `_pop3s._tcp`.
    #[must_use]
    pub fn srv(self, name: &str, priority: u16, weight: u16, port: u16, target: &str) -> Self {
        let target = parsed(&self.absolute(target));
        self.record(name, RData::SRV(SRV::new(priority, weight, port, target)))
    }

    /// The name of an address, in the reverse tree (RFC 1035 §3.5, RFC 3596 §2.5).
    #[must_use]
    pub fn ptr(self, ip: IpAddr, name: &str) -> Self {
        let tree = if ip.is_ipv4() { "in-addr.arpa." } else { "ip6.arpa." };
        let target = parsed(&self.absolute(name));
        self.record(&format!("{}.{tree}", reversed(ip)), RData::PTR(PTR(target)))
    }

    /// Any other record.
    #[must_use]
    pub fn record(mut self, name: &str, data: RData) -> Self {
        let name = self.absolute(name);
        self.records.push((name, self.ttl, data));
        self
    }

    /// Makes a name and everything below it misbehave.
    #[must_use]
    pub fn fault(mut self, name: &str, fault: Fault) -> Self {
        let name = self.absolute(name);
        self.faults.push((name, fault));
        self
    }

    pub(crate) fn apex(&self) -> &str {
        &self.apex
    }

    /// Lower case, without the dot at the end.
    fn absolute(&self, name: &str) -> String {
        let name = name.to_ascii_lowercase();
        match name.strip_suffix('.') {
            Some(absolute) => absolute.to_owned(),
            None if name == "@" || name.is_empty() => self.apex.clone(),
            None => format!("{name}.{}", self.apex),
        }
    }
}

/// `127.0.20.9` → `9.20.0.127`; IPv6 by nibbles (RFC 5782 §2.4).
fn reversed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        IpAddr::V6(ip) => {
            let nibbles = ip.octets().into_iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
            nibbles.map(|n| format!("{n:x}")).collect::<Vec<_>>().join(".")
        }
    }
}

/// # Panics
/// On what is no domain name: a mistake in the declaration of a zone, which is program text.
#[allow(clippy::panic, reason = "zones are written by the programmer; the message names the mistake")]
pub(crate) fn parsed(name: &str) -> Name {
    match Name::from_ascii(format!("{name}.")) {
        Ok(name) => name,
        Err(error) => panic!("{name:?} is no domain name: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_reversed() {
        assert_eq!(reversed("127.0.20.9".parse().unwrap()), "9.20.0.127");
        assert!(reversed("2001:db8::1".parse().unwrap()).starts_with("1.0.0.0."));
        assert!(reversed("2001:db8::1".parse().unwrap()).ends_with("8.b.d.0.1.0.0.2"));
    }
}
