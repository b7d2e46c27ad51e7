//! The test internet around the house: its names, its remote hosts, a block-list.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use postern_testnet::{Act, Gate, Internet, RunningPeer, SmtpPeer, Stage, Zone, fresh_address};

use super::scene::{Host, Remote};

/// The DNS block-list of the test internet.
pub(crate) const BLOCK_LIST: &str = "bl.test";

/// A domain that knows its users. The provider sends for it.
pub(crate) const USERS: &str = "users.test";
/// A domain that takes mail for whatever name. The provider sends for it.
pub(crate) const CATCH_ALL: &str = "catchall.test";
/// A domain that asks whoever it does not know to come back. The provider sends for it.
pub(crate) const GREYLIST: &str = "greylist.test";
/// A domain that says of whom it has mail sent, and wants the rest refused.
pub(crate) const BANK: &str = "bank.test";
/// A domain that says of whom it has mail sent, and wants the rest held.
pub(crate) const SHOP: &str = "shop.test";

/// The addresses of a pool; the one in the middle sends.
const POOL: usize = 5;

/// DNS and hosts, for as long as it lives.
pub(crate) struct World {
    internet: Internet,
    hosts: Vec<Host>,
    servers: BTreeMap<String, RunningPeer>,
    port: u16,
    gate: Gate,
}

impl World {
    /// Starts the DNS server and the hosts, on addresses of 127.0.0.0/8. `house` is the server's own name,
    /// `domain` its mail domain.
    ///
    /// # Errors
    /// No sockets to be had.
    pub(crate) async fn start(house: &str, domain: &str) -> io::Result<Self> {
        let internet = Internet::start().await?;
        let hosts = hosts(&internet);
        let gate = Gate::closed();
        let planned = servers(&hosts, &gate);
        let (servers, port) = listen_alike(&planned).await?;
        declare(&internet, &hosts, &planned);
        internet.dns().add(Zone::new(domain).mx(10, &format!("{house}.")));
        // Who sends by hand comes from here.
        internet.name_at(house, Ipv4Addr::LOCALHOST);
        Ok(Self { internet, hosts, servers, port, gate })
    }

    /// Its DNS server.
    pub(crate) fn dns(&self) -> SocketAddr {
        self.internet.dns().address()
    }

    /// The port of every SMTP server in it.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where those wait who are asked about somebody, until a scene has them answer.
    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Every host that connects.
    pub(crate) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Every SMTP server with where it listens.
    pub(crate) fn servers(&self) -> BTreeMap<String, SocketAddr> {
        self.servers.iter().map(|(name, server)| (name.clone(), server.address())).collect()
    }

    /// What every SMTP server has seen.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let asked = |(name, server): (&'_ String, &'_ RunningPeer)| Asked {
            name: name.clone(),
            connections: server.clients().len(),
            messages: server.count("DATA*") + server.count("BDAT*"),
        };
        self.servers.iter().map(asked).collect()
    }
}

/// What an SMTP server has seen.
pub(crate) struct Asked {
    pub(crate) name: String,
    /// Connections to it.
    pub(crate) connections: usize,
    /// Messages that were begun, be they accepted or not.
    pub(crate) messages: usize,
}

/// An SMTP server that is to be.
struct Server {
    name: String,
    ip: Ipv4Addr,
    peer: SmtpPeer,
}

/// Gives each host an address and its name.
fn hosts(internet: &Internet) -> Vec<Host> {
    let mut hosts = Vec::new();
    for remote in Remote::ALL {
        let around = if remote == Remote::Pool { POOL } else { 1 };
        let named: Vec<Host> = (0..around).map(|_| Host::new(remote, fresh_address())).collect();
        for Host { name, ip, .. } in &named {
            internet.name_at(name, *ip);
        }
        hosts.extend(named.into_iter().nth(around / 2));
    }
    hosts
}

/// The SMTP servers: those of the hosts that have one, and those of the domains that the provider sends for.
fn servers(hosts: &[Host], gate: &Gate) -> Vec<Server> {
    let waits = || SmtpPeer::new().on(Stage::Mail, "*", Act::Until(gate.clone()));
    let mut servers = Vec::new();
    for Host { remote, name, ip } in hosts {
        let only_own = |peer: SmtpPeer| {
            let own = Act::Reply("250 2.1.5 OK".into());
            let own = peer.on(Stage::Rcpt, &format!("*@{}>*", remote.domain()), own);
            own.reply(Stage::Rcpt, "554 5.7.1 Relay access denied")
        };
        let peer = match remote {
            Remote::Pool | Remote::Provider => continue,
            Remote::Open => waits(),
            Remote::Closed => only_own(waits()),
            Remote::Honest | Remote::Stranger | Remote::Blocked | Remote::Listed | Remote::Pretender => {
                only_own(SmtpPeer::new())
            }
        };
        servers.push(Server { name: name.clone(), ip: *ip, peer });
    }
    let users = [&*format!("ann@{USERS}")];
    for (domain, peer) in
        [(USERS, waits().only_users(&users)), (CATCH_ALL, waits()), (GREYLIST, waits().greylisting())]
    {
        servers.push(Server { name: format!("mx.{domain}"), ip: fresh_address(), peer });
    }
    servers
}

/// What the DNS knows of the domains.
fn declare(internet: &Internet, hosts: &[Host], servers: &[Server]) {
    let dns = internet.dns();
    let name = |remote| format!("{}.", Host::among(hosts, remote).name);
    for Server { name, ip, .. } in servers {
        match hosts.iter().find(|host| host.name == *name) {
            Some(host) => dns.add(Zone::new(host.remote.domain()).mx(10, &format!("{name}."))),
            None => internet.name_at(name, *ip),
        }
    }
    dns.add(Zone::dnsbl(BLOCK_LIST, [Host::among(hosts, Remote::Listed).ip.into()]));
    dns.add(Zone::new(Remote::Pool.domain()).mx(10, &name(Remote::Honest)));
    for domain in [USERS, CATCH_ALL, GREYLIST] {
        let sends = format!("v=spf1 a:{} -all", Host::among(hosts, Remote::Provider).name);
        dns.add(Zone::new(domain).mx(10, "mx").txt("@", &sends));
    }
    for (domain, wish) in [(BANK, "reject"), (SHOP, "quarantine")] {
        let zone = Zone::new(domain).mx(10, &name(Remote::Honest)).txt("@", "v=spf1 ip4:192.0.2.1 -all");
        dns.add(zone.txt("_dmarc", &format!("v=DMARC1; p={wish}")));
    }
}

/// Starts the servers, all on the same port: the house is told one port to ask at.
async fn listen_alike(servers: &[Server]) -> io::Result<(BTreeMap<String, RunningPeer>, u16)> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    // The port that is free at the first address may be taken at another.
    for _ in 0..20 {
        match listen(servers).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            other => return other,
        }
    }
    Err(last)
}

async fn listen(servers: &[Server]) -> io::Result<(BTreeMap<String, RunningPeer>, u16)> {
    let (mut running, mut port) = (BTreeMap::new(), 0);
    for Server { name, ip, peer } in servers {
        let peer = peer.clone().name(name).start_at((*ip, port).into()).await?;
        port = peer.address().port();
        running.insert(name.clone(), peer);
    }
    Ok((running, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_servers_listen_on_the_same_port() {
        let world = World::start("mx.example.test", "example.test").await.unwrap();
        let servers = world.servers();
        assert!(servers.len() > 5 && servers.values().all(|at| at.port() == world.port()), "{servers:?}");
        let pool = Host::among(world.hosts(), Remote::Pool);
        assert!(!servers.contains_key(&pool.name), "nobody listens at home");
    }
}
