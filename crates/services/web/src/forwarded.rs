//! Who asks, where a proxy of ours stands in front: what it says in `X-Forwarded-For`.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use postern_types::AddressSet;

/// The address behind `peer`. Each proxy adds at the end whom it saw; what stands before the last address that is no
/// proxy of ours was said by that one, and anybody can say anything. A proxy that says nothing stands for all of its
/// visitors.
pub(crate) fn visitor(peer: IpAddr, headers: &HeaderMap, proxies: &AddressSet) -> IpAddr {
    let fields =
        headers.get_all("x-forwarded-for").iter().rev().map(|field| field.to_str().unwrap_or_default());
    let mut saw = fields.flat_map(|field| field.rsplit(',')).map(str::trim);
    let mut known = peer.to_canonical();
    while proxies.contains(known) {
        match saw.next().and_then(address) {
            Some(next) => known = next,
            None => break,
        }
    }
    known
}

/// `192.0.2.1`, `2001:db8::1`; some write the port too: `192.0.2.1:4711`, `[2001:db8::1]:4711`.
fn address(text: &str) -> Option<IpAddr> {
    let ip = text.parse().or_else(|_| text.parse().map(|at: SocketAddr| at.ip()));
    ip.ok().map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use postern_types::Network;

    use super::*;

    /// Whom these fields name when they come from `peer`, while 127.0.0.1 and 10.0.0.0/8 are our own proxies.
    fn behind(peer: &str, values: &[&'static str]) -> String {
        let name = HeaderName::from_static("x-forwarded-for");
        let fields = values.iter().map(|value| (name.clone(), HeaderValue::from_static(value)));
        let own = ["127.0.0.1", "10.0.0.0/8"].map(|text| Network::parse(text).unwrap());
        visitor(peer.parse().unwrap(), &fields.collect(), &own.into_iter().collect()).to_string()
    }

    #[test]
    fn our_own_proxies_say_who_it_is() {
        for (values, expected) in [
            (&["192.0.2.1"][..], "192.0.2.1"),
            (&["198.51.100.1, 192.0.2.1"], "192.0.2.1"),
            (&["192.0.2.9", "2001:db8::1"], "2001:db8::1"),
            (&["192.0.2.9, 192.0.2.1, 10.1.2.3"], "192.0.2.1"),
            (&["192.0.2.1", "10.1.2.3"], "192.0.2.1"),
            (&["::ffff:192.0.2.1"], "192.0.2.1"),
            (&["192.0.2.1:4711"], "192.0.2.1"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
        ] {
            assert_eq!(behind("127.0.0.1", values), expected, "{values:?}");
            assert_eq!(behind("::ffff:127.0.0.1", values), expected, "{values:?}");
        }
    }

    #[test]
    fn a_proxy_that_does_not_say_stands_for_all() {
        for values in [&[][..], &["unknown"], &["192.0.2.1, _hidden"], &[","], &["192.0.2.1,"]] {
            assert_eq!(behind("127.0.0.1", values), "127.0.0.1", "{values:?}");
        }
        assert_eq!(behind("127.0.0.1", &["10.1.2.3"]), "10.1.2.3");
    }

    #[test]
    fn strangers_may_say_what_they_like() {
        assert_eq!(behind("192.0.2.66", &["198.51.100.1"]), "192.0.2.66");
        assert_eq!(behind("127.0.0.1", &["198.51.100.1, 127.0.0.1, 192.0.2.66"]), "192.0.2.66");
    }
}
