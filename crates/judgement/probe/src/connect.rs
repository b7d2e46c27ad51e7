//! Connect back (active-filter §3): does a host itself answer on its SMTP port? Do its neighbours?

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use postern_types::Timestamp;

use crate::errand::Heard;
use crate::visit::Visited;
use crate::{Connect, Neighbours};

/// Reads what came of a connection. That nobody is there counts only when somebody else was lately: a firewall
/// that lets no SMTP out would make a dial-up host of everybody.
pub(crate) fn read(
    visited: Visited,
    reached: Option<Timestamp>,
    now: Timestamp,
    within: Duration,
) -> Connect {
    let unknown = |why: String| Connect::Unknown { why };
    match visited {
        Ok(Ok(Heard::Greeting(reply))) if reply.code.get() == 220 => Connect::Answers,
        Ok(Ok(Heard::Greeting(reply))) => unknown(format!("it greets with {reply}")),
        Ok(Ok(_)) => unknown("it was asked something else".into()),
        Ok(Err(error)) if error.is_nobody() => match reached {
            Some(at) if now.since(at) < within => Connect::Silent,
            _ => unknown(format!("{error}, and nothing shows that connections get out of here")),
        },
        Ok(Err(error)) => unknown(error.to_string()),
        Err(not_allowed) => unknown(not_allowed.to_string()),
    }
}

/// The nearest addresses on both sides, `count` together, within the network. An IPv6 address has none: the next
/// ones are mostly not in use.
pub(crate) fn beside(ip: IpAddr, count: u8) -> Vec<IpAddr> {
    let IpAddr::V4(v4) = ip.to_canonical() else { return Vec::new() };
    let [a, b, c, d] = v4.octets();
    let at = |octet: Option<u8>| octet.filter(|octet| (1..=254).contains(octet));
    let near = (1..=count).flat_map(|step| [at(d.checked_sub(step)), at(d.checked_add(step))]);
    near.flatten().take(count.into()).map(|octet| Ipv4Addr::new(a, b, c, octet).into()).collect()
}

/// Counts one neighbour.
pub(crate) fn count(mut near: Neighbours, one: &Connect) -> Neighbours {
    match one {
        Connect::Answers => near.answering += 1,
        Connect::Silent => near.silent += 1,
        Connect::Unknown { .. } => {}
    }
    near
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_are_asked_first() {
        let last = |ip: &str, count| -> Vec<u8> {
            let octet = |ip: IpAddr| if let IpAddr::V4(v4) = ip { v4.octets()[3] } else { 0 };
            beside(ip.parse().unwrap(), count).into_iter().map(octet).collect()
        };
        assert_eq!(last("192.0.2.9", 4), [8, 10, 7, 11]);
        assert_eq!(last("192.0.2.1", 4), [2, 3, 4, 5]);
        assert_eq!(last("192.0.2.254", 2), [253, 252]);
        assert!(last("2001:db8::9", 4).is_empty());
    }
}
