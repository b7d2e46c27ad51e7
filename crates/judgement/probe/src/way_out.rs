//! Whether connections get out of here at all: the circuit breaker over all hosts.
//!
//! It must not be for strangers to open it. Whoever sends mail names the hosts that are asked, and may name five hundred
//! that do not exist: that these fail says nothing about us, in whatever way they fail. (A router far away can even make
//! a connection fail with "network unreachable".) Only two things are evidence that our own way out is broken:
//!
//! * a mail host that **answered lately** cannot be reached any more,
//! * our own system says that it does not let the connection out: it is forbidden, there is no address to come from, or no
//!   route; the last is asked of the system again, without a packet.
//!
//! And only when it comes from several networks (`Breaking::networks`) with no answer from anybody in between: one of
//! them may be down, or be behind a route that is closed for its own sake. Each family of addresses has its own way
//! out; a machine without IPv6 is no reason not to use IPv4. After a pause, longer each time, all may be asked again:
//! the first answer closes it, and the same evidence anew opens it. Until a host has answered (a new installation behind
//! a closed port 25) only our own system can open it: what is asked in vain until then is bounded by the budgets, and
//! `postern doctor` shows why.
//!
//! It is kept in memory only: after a restart it is closed, and learns anew who answers.

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use postern_net::NetError;
use postern_types::{Network, Timestamp};

use crate::breaker::{Breaker, Terms};
use crate::talk::TalkError;

/// So many networks must speak against a way out before silence is no evidence any more: one may be down, or its
/// owner may want us to doubt.
const DOUBT: usize = 2;
/// Networks that answered beyond these are forgotten; it learns them again.
const WITNESSES: usize = 8192;

/// The ways out.
#[derive(Default)]
pub(crate) struct WayOut {
    v4: Mutex<Way>,
    v6: Mutex<Way>,
}

/// That of one family of addresses.
#[derive(Default)]
struct Way {
    /// When a mail host in a network last answered.
    witnesses: HashMap<Network, Timestamp>,
    /// The networks that have spoken against it since anybody last answered.
    against: HashSet<Network>,
    breaker: Breaker,
}

/// Whether an answer makes a witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A mail host of a sender's domain: it was there to be asked before, and should be again.
    MailHost,
    /// A client: that nobody is there now says nothing.
    Client,
}

/// What is said against a way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Our own system does not let it out.
    Ours,
    /// No connection came about.
    NoConnection,
    /// There was a connection.
    Other,
}

impl WayOut {
    /// Whether a host may be tried.
    pub(crate) fn is_open_to(&self, ip: IpAddr, now: Timestamp) -> bool {
        self.way(ip).breaker.admits(now)
    }

    /// Whether any host may be.
    pub(crate) fn is_open(&self, now: Timestamp) -> bool {
        [&self.v4, &self.v6].into_iter().any(|way| lock(way).breaker.admits(now))
    }

    /// Whether something speaks against it at present. Then silence is no evidence about a host.
    pub(crate) fn is_in_doubt(&self, ip: IpAddr) -> bool {
        let way = self.way(ip);
        way.against.len() >= DOUBT || !way.breaker.is_closed()
    }

    /// Somebody has answered.
    pub(crate) fn answered(&self, ip: IpAddr, kind: Kind, now: Timestamp) {
        let mut way = self.way(ip);
        way.against.clear();
        if !way.breaker.is_closed() {
            tracing::info!(host = %ip, "connections from here get out again");
        }
        way.breaker.succeeded();
        if kind == Kind::MailHost {
            if way.witnesses.len() >= WITNESSES {
                way.witnesses.clear();
            }
            way.witnesses.insert(network(ip), now);
        }
    }

    /// Somebody could not be asked. `lately`: who answered within this time is a witness.
    pub(crate) fn failed(
        &self,
        address: SocketAddr,
        error: &TalkError,
        kind: Kind,
        now: Timestamp,
        lately: Duration,
        terms: Terms,
    ) {
        let fault = fault(error, address);
        let mut way = self.way(address.ip());
        let network = network(address.ip());
        let counts = match fault {
            Fault::Ours => true,
            Fault::NoConnection if kind == Kind::MailHost => {
                way.witnesses.get(&network).is_some_and(|at| now.since(*at) < lately)
            }
            Fault::NoConnection | Fault::Other => false,
        };
        if counts && way.against.insert(network) && way.against.len() >= terms.failures as usize {
            way.against.clear();
            way.breaker.open(now, terms);
            let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
            tracing::warn!(
                family,
                last = %error,
                "connections from here seem to fail; the tests that ask other hosts pause"
            );
        }
    }

    fn way(&self, ip: IpAddr) -> MutexGuard<'_, Way> {
        lock(if ip.to_canonical().is_ipv4() { &self.v4 } else { &self.v6 })
    }
}

/// Where a witness is. One owner has many /64 of a /48, and would be many witnesses.
fn network(ip: IpAddr) -> Network {
    Network::around(ip, 24, 48)
}

fn fault(error: &TalkError, address: SocketAddr) -> Fault {
    match error {
        TalkError::Net(NetError::ConnectTimeout { .. }) => Fault::NoConnection,
        TalkError::Net(NetError::Connect { source, .. }) => match source.kind() {
            ErrorKind::PermissionDenied | ErrorKind::AddrNotAvailable | ErrorKind::Unsupported => Fault::Ours,
            ErrorKind::NetworkUnreachable if !has_route(address) => Fault::Ours,
            _ => Fault::NoConnection,
        },
        _ => Fault::Other,
    }
}

/// Whether our own system knows a route. To connect a UDP socket looks for one and sends nothing.
fn has_route(address: SocketAddr) -> bool {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    UdpSocket::bind((any, 0)).is_ok_and(|socket| socket.connect(address).is_ok())
}

fn lock(way: &Mutex<Way>) -> MutexGuard<'_, Way> {
    way.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATELY: Duration = Duration::from_secs(7 * 86_400);

    fn terms() -> Terms {
        Terms { failures: 3, pause: Duration::from_secs(300), longest: Duration::from_secs(3600) }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1000)
    }

    fn host(block: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, block, 25], 25))
    }

    fn refused(address: SocketAddr, kind: ErrorKind) -> TalkError {
        NetError::Connect { address, source: kind.into() }.into()
    }

    fn silence(address: SocketAddr) -> TalkError {
        NetError::ConnectTimeout { address, within: LATELY }.into()
    }

    fn fails(way: &WayOut, address: SocketAddr, error: &TalkError, now: Timestamp) {
        way.failed(address, error, Kind::MailHost, now, LATELY, terms());
    }

    #[test]
    fn hosts_that_never_answered_say_nothing_however_many_there_are() {
        let way = WayOut::default();
        for block in 0..=255 {
            let kinds = [ErrorKind::ConnectionRefused, ErrorKind::HostUnreachable, ErrorKind::TimedOut];
            fails(&way, host(block), &refused(host(block), kinds[usize::from(block) % 3]), at(0));
            fails(&way, host(block), &silence(host(block)), at(0));
        }
        assert!(way.is_open_to(host(1).ip(), at(0)) && !way.is_in_doubt(host(1).ip()));
    }

    #[test]
    fn hosts_that_answered_lately_and_fail_all_together_do() {
        let way = WayOut::default();
        for block in 1..=6 {
            way.answered(host(block).ip(), Kind::MailHost, at(0));
        }
        for (block, other) in [(1, 1), (2, 2), (1, 2)] {
            fails(&way, host(block), &silence(host(other)), at(100));
        }
        assert!(
            way.is_open_to(host(1).ip(), at(100)),
            "two networks are not enough, however often they fail"
        );
        assert!(way.is_in_doubt(host(1).ip()));
        way.answered(host(9).ip(), Kind::Client, at(101));
        assert!(!way.is_in_doubt(host(1).ip()), "whoever answers speaks for it");
        for block in [1, 2, 3] {
            fails(&way, host(block), &silence(host(block)), at(200));
        }
        assert!(
            !way.is_open_to(host(9).ip(), at(499)) && way.is_open_to("2001:db8::1".parse().unwrap(), at(499))
        );
        // After the pause all may try; the same evidence again, and the pause is twice as long.
        assert!(way.is_open_to(host(9).ip(), at(500)) && way.is_in_doubt(host(9).ip()));
        for block in [4, 5, 6] {
            assert!(way.is_open_to(host(9).ip(), at(500)));
            fails(&way, host(block), &silence(host(block)), at(500));
        }
        assert!(!way.is_open_to(host(9).ip(), at(1099)));
        assert!(way.is_open_to(host(9).ip(), at(1100)));
        way.answered(host(7).ip(), Kind::MailHost, at(1100));
        assert!(!way.is_in_doubt(host(9).ip()));
    }

    #[test]
    fn who_answered_long_ago_or_was_a_client_is_no_witness() {
        let way = WayOut::default();
        for block in 1..=3 {
            way.answered(host(block).ip(), Kind::MailHost, at(0));
            way.answered(host(10 + block).ip(), Kind::Client, at(700_000));
        }
        for block in [1, 2, 3, 11, 12, 13] {
            fails(&way, host(block), &silence(host(block)), at(700_000));
        }
        assert!(!way.is_in_doubt(host(1).ip()));
    }

    #[test]
    fn a_connection_that_breaks_later_shows_that_the_way_is_open() {
        let way = WayOut::default();
        for block in 1..=5 {
            way.answered(host(block).ip(), Kind::MailHost, at(0));
        }
        for block in 1..=5 {
            fails(&way, host(block), &TalkError::Closed, at(1));
            fails(&way, host(block), &TalkError::Timeout, at(1));
        }
        assert!(!way.is_in_doubt(host(1).ip()));
    }

    #[test]
    fn our_own_system_is_believed_in_several_networks_of_one_family() {
        let way = WayOut::default();
        let v6 = |last: u16| SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, last, 0, 0, 0, 0, 1), 25));
        for _ in 0..100 {
            fails(&way, v6(1), &refused(v6(1), ErrorKind::AddrNotAvailable), at(0));
        }
        assert!(way.is_open_to(v6(1).ip(), at(0)), "it may be forbidden for the sake of this network");
        for last in 2..=3 {
            fails(&way, v6(last), &refused(v6(last), ErrorKind::PermissionDenied), at(0));
        }
        assert!(!way.is_open_to(v6(9).ip(), at(1)));
        assert!(way.is_open_to(host(1).ip(), at(1)) && way.is_open(at(1)), "IPv4 is as well as ever");
        for block in 1..=3 {
            fails(&way, host(block), &refused(host(block), ErrorKind::PermissionDenied), at(1));
        }
        assert!(!way.is_open(at(2)));
    }

    #[test]
    fn that_a_network_cannot_be_reached_is_asked_of_our_own_system_again() {
        // A router far away says so of these; our own system has a route to each address of its loopback network.
        let way = WayOut::default();
        for block in 1..=9 {
            let there = SocketAddr::from(([127, 0, block, 1], 25));
            fails(&way, there, &refused(there, ErrorKind::NetworkUnreachable), at(0));
        }
        assert!(!way.is_in_doubt(Ipv4Addr::LOCALHOST.into()));
        // Its broadcast address is one to which it lets nobody connect.
        assert!(!has_route(SocketAddr::from(([127, 255, 255, 255], 25))));
    }
}
