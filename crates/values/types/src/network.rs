//! IP networks, and sets of them that answer fast with a million entries.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A network in CIDR form; a bare address is a network of one. Host bits are cleared.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network(IpNet);

/// Why a text is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an IP address or network (write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32)")]
pub struct NetworkError(String);

impl Network {
    /// Reads `192.0.2.0/24`, `2001:db8::/32` or a bare address.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let error = || NetworkError(text.chars().take(80).collect());
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::single(ip));
        }
        let net: IpNet = text.parse().map_err(|_| error())?;
        Ok(Self(net.trunc()))
    }

    /// The network that holds only `ip`.
    #[must_use]
    pub fn single(ip: IpAddr) -> Self {
        Self(IpNet::from(ip.to_canonical()))
    }

    /// The network of `prefix` bits around `ip`; a prefix that is too long is cut to the address.
    #[must_use]
    pub fn around(ip: IpAddr, v4_prefix: u8, v6_prefix: u8) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self(Ipv4Net::new_assert(ip, v4_prefix.min(32)).trunc().into()),
            IpAddr::V6(ip) => Self(Ipv6Net::new_assert(ip, v6_prefix.min(128)).trunc().into()),
        }
    }

    /// Whether `ip` lies inside. An IPv4-mapped IPv6 address counts as IPv4.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.0.contains(&ip.to_canonical())
    }

    /// How many bits its addresses share.
    #[must_use]
    pub fn prefix(&self) -> u8 {
        self.0.prefix_len()
    }

    /// First and last address.
    #[must_use]
    pub fn range(&self) -> (IpAddr, IpAddr) {
        (self.0.network(), self.0.broadcast())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Network {
    type Err = NetworkError;
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        Self::parse(text)
    }
}

crate::path::text_serde!(Network);

/// A set of addresses made of networks: two sorted arrays of disjoint ranges, so a question
/// is one binary search (8 bytes a range for IPv4, 32 for IPv6) and a million networks cost 8 MB.
#[derive(Clone, Default)]
pub struct AddressSet {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl AddressSet {
    /// Whether `ip` is in the set. An IPv4-mapped IPv6 address counts as IPv4.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        match ip.to_canonical() {
            IpAddr::V4(ip) => in_ranges(&self.v4, u32::from(ip)),
            IpAddr::V6(ip) => in_ranges(&self.v6, u128::from(ip)),
        }
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self {
            v4: difference(&self.v4, &other.v4, |ip| ip.checked_sub(1), |ip| ip.checked_add(1)),
            v6: difference(&self.v6, &other.v6, |ip| ip.checked_sub(1), |ip| ip.checked_add(1)),
        }
    }

    /// How many disjoint ranges the set has come down to.
    #[must_use]
    pub fn ranges(&self) -> usize {
        self.v4.len() + self.v6.len()
    }
}

impl FromIterator<Network> for AddressSet {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        let mut set = Self::default();
        for network in networks {
            match network.range() {
                (IpAddr::V4(first), IpAddr::V4(last)) => set.v4.push((first.into(), last.into())),
                (IpAddr::V6(first), IpAddr::V6(last)) => set.v6.push((first.into(), last.into())),
                // Both ends of a network are of one family.
                _ => {}
            }
        }
        merge(&mut set.v4);
        merge(&mut set.v6);
        set
    }
}

impl fmt::Debug for AddressSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v4 =
            self.v4.iter().map(|&(a, b)| (IpAddr::from(Ipv4Addr::from(a)), IpAddr::from(Ipv4Addr::from(b))));
        let v6 =
            self.v6.iter().map(|&(a, b)| (IpAddr::from(Ipv6Addr::from(a)), IpAddr::from(Ipv6Addr::from(b))));
        f.debug_list().entries(v4.chain(v6).take(16)).finish()
    }
}

fn in_ranges<T: Ord + Copy>(ranges: &[(T, T)], ip: T) -> bool {
    let after = ranges.partition_point(|&(first, _)| first <= ip);
    after > 0 && ip <= ranges[after - 1].1
}

/// The ranges without what is in others; both are sorted and disjoint.
fn difference<T: Ord + Copy>(
    ranges: &[(T, T)],
    others: &[(T, T)],
    before: impl Fn(T) -> Option<T>,
    behind: impl Fn(T) -> Option<T>,
) -> Vec<(T, T)> {
    let mut left = Vec::with_capacity(ranges.len());
    for &(first, last) in ranges {
        let mut from = Some(first);
        let near = others.partition_point(|&(_, end)| end < first);
        for &(start, end) in others[near..].iter().take_while(|&&(start, _)| start <= last) {
            if let (Some(first), Some(last)) = (from, before(start))
                && first <= last
            {
                left.push((first, last));
            }
            from = behind(end);
        }
        left.extend(from.filter(|&from| from <= last).map(|from| (from, last)));
    }
    left
}

/// Sorts the ranges and joins those that overlap.
fn merge<T: Ord + Copy>(ranges: &mut Vec<(T, T)>) {
    ranges.sort_unstable();
    ranges.dedup_by(|next, kept| {
        let overlaps = next.0 <= kept.1;
        if overlaps {
            kept.1 = kept.1.max(next.1);
        }
        overlaps
    });
    ranges.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(networks: &[&str]) -> AddressSet {
        networks.iter().map(|n| Network::parse(n).unwrap()).collect()
    }

    #[test]
    fn a_set_can_be_taken_out_of_another() {
        let whole = set(&[
            "192.0.2.0/24",
            "198.51.100.7",
            "203.0.113.0/24",
            "255.255.255.0/24",
            "2001:db8::/32",
            "::/64",
        ]);
        let out = set(&[
            "192.0.2.0/25",
            "192.0.2.200",
            "198.51.100.0/24",
            "255.255.255.255",
            "0.0.0.0/8",
            "2001:db8:1::/48",
        ]);
        let left = whole.without(&out);
        for (ip, inside) in [
            ("192.0.2.127", false),
            ("192.0.2.128", true),
            ("192.0.2.199", true),
            ("192.0.2.200", false),
            ("192.0.2.201", true),
            ("192.0.2.255", true),
            ("198.51.100.7", false),
            ("203.0.113.0", true),
            ("255.255.255.254", true),
            ("255.255.255.255", false),
            ("2001:db8:0:ffff::", true),
            ("2001:db8:1::", false),
            ("2001:db8:2::", true),
            ("::", true),
        ] {
            assert_eq!(left.contains(ip.parse().unwrap()), inside, "{ip}");
        }
        assert_eq!(whole.without(&AddressSet::default()).ranges(), whole.ranges());
        let everything = set(&["0.0.0.0/0", "::/0"]);
        assert!(whole.without(&everything).is_empty());
        let all_but_one = everything.without(&set(&["0.0.0.0", "255.255.255.255"]));
        assert!(
            all_but_one.contains("0.0.0.1".parse().unwrap())
                && !all_but_one.contains("0.0.0.0".parse().unwrap())
        );
    }

    #[test]
    fn networks_hold_their_addresses() {
        let set = set(&["192.0.2.0/24", "192.0.2.128/25", "198.51.100.7", "2001:db8::/32"]);
        for (ip, inside) in [
            ("192.0.2.0", true),
            ("192.0.2.255", true),
            ("192.0.3.0", false),
            ("192.0.1.255", false),
            ("198.51.100.7", true),
            ("198.51.100.8", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
            ("::ffff:192.0.2.1", true),
        ] {
            assert_eq!(set.contains(ip.parse().unwrap()), inside, "{ip}");
        }
        assert_eq!(set.ranges(), 3);
    }

    #[test]
    fn bad_networks_say_what_to_write() {
        let error = Network::parse("192.0.2.0/33").unwrap_err().to_string();
        assert!(error.contains("192.0.2.0/33") && error.contains("192.0.2.0/24"), "{error}");
        assert_eq!(Network::parse("192.0.2.9/24").unwrap().to_string(), "192.0.2.0/24");
        assert_eq!(Network::parse("192.0.2.9/32").unwrap().to_string(), "192.0.2.9");
    }
}
