//! The test internet as a whole: its DNS, and hosts with a name, an address and a reverse name.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use crate::{DnsServer, RunningPeer, SmtpPeer, Zone, fresh_address};

/// A DNS server to which hosts are added.
pub struct Internet {
    dns: DnsServer,
}

impl Internet {
    /// An internet with no names.
    ///
    /// # Errors
    /// No socket to be had for its DNS server.
    pub async fn start() -> io::Result<Self> {
        Ok(Self { dns: DnsServer::start().await? })
    }

    /// Its DNS, to ask, to change, and to see what was asked.
    #[must_use]
    pub fn dns(&self) -> &DnsServer {
        &self.dns
    }

    /// Gives a name an address of its own, with a matching reverse name (FCrDNS).
    pub fn name(&self, name: &str) -> Ipv4Addr {
        let ip = fresh_address();
        self.name_at(name, ip);
        ip
    }

    /// Gives a name this address, with a matching reverse name.
    pub fn name_at(&self, name: &str, ip: Ipv4Addr) {
        self.dns.add(Zone::new(name).a("@", ip).ptr(IpAddr::V4(ip), "@"));
    }

    /// Starts an SMTP host with this name, an address of its own, A and PTR. It listens on port
    /// 25 where that is allowed, else on a port that [`RunningPeer::address`] tells.
    ///
    /// # Errors
    /// The host cannot listen.
    pub async fn host(&self, name: &str, peer: SmtpPeer) -> io::Result<RunningPeer> {
        let running = peer.name(name).start(fresh_address()).await?;
        if let IpAddr::V4(ip) = running.address().ip() {
            self.name_at(name, ip);
        }
        Ok(running)
    }
}
