//! Which hosts may be connected to at all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{NotAllowed, Settings};

/// Whether a host may be connected to: not our own, not one whose owner does not want it, and nothing that the
/// world cannot reach: a domain's MX may name any address, those inside our own network too.
pub(crate) fn may_connect(ip: IpAddr, settings: &Settings) -> Result<(), NotAllowed> {
    let ip = ip.to_canonical();
    may_be_asked(ip, settings)?;
    if settings.own.iter().any(|own| own.to_canonical() == ip) {
        return Err(NotAllowed::Ours(ip.to_string()));
    }
    if is_public(ip) || settings.private.iter().any(|network| network.contains(ip)) {
        Ok(())
    } else {
        Err(NotAllowed::NotPublic(ip))
    }
}

/// Whether its owner lets it be asked.
pub(crate) fn may_be_asked(ip: IpAddr, settings: &Settings) -> Result<(), NotAllowed> {
    match settings.opt_out_networks.iter().find(|network| network.contains(ip)) {
        Some(network) => Err(NotAllowed::OptedOut(network.to_string())),
        None => Ok(()),
    }
}

/// Whether an address is one of the public internet (RFC 6890 and its registries).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || a == 0
        // rfc6598: shared by the customers of a provider.
        || (a == 100 && b & 0xc0 == 64)
        || (a == 192 && b == 0 && c == 0)
        // rfc2544: benchmarks.
        || (a == 198 && b & 0xfe == 18)
        // Multicast, reserved, broadcast.
        || a >= 224;
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    // rfc4291 §2.4: only 2000::/3 is given out; 2001:db8::/32 is for documents, 2001::/32 and 2002::/16 hold IPv4
    // addresses, any of them.
    first & 0xe000 == 0x2000 && !(first == 0x2001 && matches!(second, 0x0db8 | 0)) && first != 0x2002
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_connected_to() {
        let settings = Settings {
            own: vec!["192.88.1.1".parse().unwrap()],
            private: vec!["10.1.0.0/16".parse().unwrap()],
            opt_out_networks: vec!["8.8.8.0/24".parse().unwrap()],
            ..Settings::new("mx.example.org".parse().unwrap())
        };
        let ask = |ip: &str| may_connect(ip.parse().unwrap(), &settings);
        for ip in ["9.9.9.9", "2a00:1450::1", "10.1.2.3", "::ffff:9.9.9.9"] {
            assert_eq!(ask(ip), Ok(()), "{ip}");
        }
        for ip in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "198.18.0.1",
            "::",
            "::1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
            "::ffff:127.0.0.1",
        ] {
            assert!(matches!(ask(ip), Err(NotAllowed::NotPublic(_))), "{ip}");
        }
        assert!(matches!(ask("192.88.1.1"), Err(NotAllowed::Ours(_))));
        assert!(matches!(ask("8.8.8.8"), Err(NotAllowed::OptedOut(_))));
    }
}
