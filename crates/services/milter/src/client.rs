//! The host that sends, as the MTA tells of it.

use std::net::{IpAddr, Ipv4Addr};

use postern_gate::Trust;
use postern_milter::{Connect, Peer};
use postern_types::{Address, Domain, ForwardPath, Host, LocalPart, ReversePath};

/// A client of the MTA.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// Its address; 127.0.0.1 for a program on the MTA's host.
    pub(crate) ip: IpAddr,
    /// What it called itself.
    pub(crate) helo: String,
    /// Whether it is one of ours.
    pub(crate) trust: Trust,
}

impl Client {
    /// The client of a milter's connection. `is_trusted` says which addresses are ours.
    pub(crate) fn of(connect: &Connect, is_trusted: impl Fn(IpAddr) -> bool) -> Self {
        let (ip, trust) = match &connect.peer {
            Peer::Internet(at) => {
                let ip = at.ip().to_canonical();
                (ip, if is_trusted(ip) { Trust::Ours } else { Trust::Stranger })
            }
            // Only a program on the MTA's own host has no address.
            Peer::Unix(_) | Peer::Unknown => (IpAddr::V4(Ipv4Addr::LOCALHOST), Trust::Ours),
        };
        Self { ip, helo: String::new(), trust }
    }
}

/// The path in `<carl@example.org>`; some MTAs leave the brackets out. A source route before the address
/// says nothing (rfc5321 §4.1.1.3).
fn bare(path: &str) -> &str {
    let path = path.trim();
    let path = path.strip_prefix('<').and_then(|path| path.strip_suffix('>')).unwrap_or(path);
    match path.strip_prefix('@').and_then(|route| route.split_once(':')) {
        Some((_, address)) => address,
        None => path,
    }
}

/// The envelope sender. What has no domain belongs to `ours`, as the MTA will have it too.
pub(crate) fn sender(path: &str, ours: &Domain) -> Option<ReversePath> {
    match bare(path) {
        "" => Some(ReversePath::Null),
        path => address(path, ours).map(ReversePath::Address),
    }
}

/// A recipient, likewise.
pub(crate) fn recipient(path: &str, ours: &Domain) -> Option<(ForwardPath, Address)> {
    let path = bare(path);
    let address = address(path, ours)?;
    // rfc5321 §4.5.1: the bare name is everybody's postmaster.
    let forward = if path.eq_ignore_ascii_case("postmaster") {
        ForwardPath::Postmaster
    } else {
        ForwardPath::Address(address.clone())
    };
    Some((forward, address))
}

fn address(path: &str, ours: &Domain) -> Option<Address> {
    if let Ok(address) = Address::parse(path) {
        return Some(address);
    }
    let local = LocalPart::parse(path).ok()?;
    Some(Address::new(local, Host::Domain(ours.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_mtas_write_them() {
        let ours = Domain::parse("mx.example.test").unwrap();
        for (path, address) in [
            ("<carl@example.org>", "carl@example.org"),
            ("carl@example.org", "carl@example.org"),
            ("<@relay.test,@other.test:carl@example.org>", "carl@example.org"),
            ("<root>", "root@mx.example.test"),
            ("<\"odd name\"@example.org>", "\"odd name\"@example.org"),
            ("<>", ""),
        ] {
            assert_eq!(sender(path, &ours).unwrap().to_string(), address, "{path}");
        }
        assert_eq!(sender("<a b>", &ours), None);
        let (forward, address) = recipient("<postmaster>", &ours).unwrap();
        assert_eq!(
            (forward, address.to_string().as_str()),
            (ForwardPath::Postmaster, "postmaster@mx.example.test")
        );
        assert!(recipient("<>", &ours).is_none());
    }
}
