//! The test internet around the house: its names, its remote hosts, a block-list.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use postern_testnet::{Internet, RunningPeer, SmtpPeer, Zone};

use super::scene::Remote;

/// The DNS block-list of the test internet.
pub(crate) const BLOCK_LIST: &str = "bl.test";

/// DNS and hosts, for as long as it lives.
pub(crate) struct World {
    internet: Internet,
    hosts: Vec<(Remote, RunningPeer)>,
}

impl World {
    /// Starts the DNS server and one SMTP host for each [`Remote`], on addresses of 127.0.0.0/8.
    /// `house` is the server's own name.
    ///
    /// # Errors
    /// No sockets to be had.
    pub(crate) async fn start(house: &str, domain: &str) -> io::Result<Self> {
        let internet = Internet::start().await?;
        let mut hosts = Vec::new();
        for remote in Remote::ALL {
            let people = format!("ann@{}", remote.domain());
            let host = internet.host(&remote.name(), SmtpPeer::new().only_users(&[&people])).await?;
            internet.dns().add(Zone::new(remote.domain()).mx(10, "mail"));
            hosts.push((remote, host));
        }
        let world = Self { internet, hosts };
        let dns = world.internet.dns();
        dns.add(Zone::dnsbl(BLOCK_LIST, [IpAddr::V4(world.address(Remote::Listed))]));
        dns.add(Zone::new(domain).mx(10, &format!("{house}.")));
        // Who sends by hand comes from here.
        world.internet.name_at(house, Ipv4Addr::LOCALHOST);
        Ok(world)
    }

    /// Its DNS server.
    pub(crate) fn dns(&self) -> SocketAddr {
        self.internet.dns().address()
    }

    /// The address that a host connects from.
    pub(crate) fn address(&self, remote: Remote) -> Ipv4Addr {
        let host = self.hosts.iter().find(|(other, _)| *other == remote);
        match host.map(|(_, peer)| peer.address().ip()) {
            Some(IpAddr::V4(ip)) => ip,
            // Every remote was started, and on IPv4.
            _ => Ipv4Addr::LOCALHOST,
        }
    }

    /// Every host with where its SMTP server listens.
    pub(crate) fn hosts(&self) -> BTreeMap<String, SocketAddr> {
        self.hosts.iter().map(|(remote, peer)| (remote.name(), peer.address())).collect()
    }
}
