//! The edit-distance method: whether a name and its neighbours' are one template.
//!
//! Names made for a pool differ in what follows the address; names given by hand differ in
//! everything else. No word is known here, so it works in any language.

use std::net::IpAddr;

use crate::address::Spelled;
use crate::distance::distance;
use crate::mask::{Masked, runs};
use crate::name::Name;
use crate::{MAX_NEIGHBOURS, Observation};

/// How a name stands among its neighbours'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kinship {
    /// Nothing can be said: fewer than two neighbours have names.
    Unknown,
    /// Most are the same text once each one's address is taken out.
    Filled {
        /// How many of the neighbours.
        same: usize,
        /// How many have names.
        of: usize,
    },
    /// Most differ in numbers only, by as much as the addresses do.
    Numbered {
        /// How many of the neighbours.
        same: usize,
        /// How many have names.
        of: usize,
    },
    /// Most differ in numbers and codes only, which don't follow the address.
    Alike {
        /// How many of the neighbours.
        same: usize,
        /// How many have names.
        of: usize,
    },
    /// Most differ in half their letters or more.
    Strangers,
    /// None of these.
    Mixed,
}

/// The names of the neighbours, made ready once for all names of the client.
pub(crate) struct Neighbours(Vec<Near>);

struct Near {
    address: IpAddr,
    name: Name,
    masked: Masked,
    bones: String,
}

impl Neighbours {
    pub(crate) fn new(observation: &Observation) -> Self {
        let named = observation.neighbours.iter().filter(|near| near.address != observation.address);
        let near = named.take(MAX_NEIGHBOURS).filter_map(|near| {
            let name = Name::new(near.names.first()?);
            let masked = Masked::new(name.host(), &Spelled::new(near.address));
            let bones = bones(&masked.text);
            Some(Near { address: near.address, name, masked, bones })
        });
        Self(near.collect())
    }

    /// How `name`, of the host at `address`, stands among them.
    pub(crate) fn kinship(&self, address: IpAddr, name: &Name, masked: &Masked) -> Kinship {
        let of = self.0.len();
        if of < 2 {
            return Kinship::Unknown;
        }
        let bones = bones(&masked.text);
        let (mut filled, mut numbered, mut alike, mut strange) = (0, 0, 0, 0);
        for near in &self.0 {
            let same_domain = near.name.domain() == name.domain();
            let is_filled = same_domain && masked.parts > 0 && near.masked.text == masked.text;
            let follows = same_domain && follows(address, name.host(), near);
            filled += usize::from(is_filled && masked.parts > 1);
            numbered += usize::from(is_filled || follows);
            let far =
                if same_domain { distance(bones.as_bytes(), near.bones.as_bytes()) } else { usize::MAX };
            let long = bones.len().max(near.bones.len());
            // One letter in eight: a district's or device's short name may differ.
            alike += usize::from(!name.host().is_empty() && far <= long / 8);
            strange += usize::from(far >= long.div_ceil(2));
        }
        let most = |count: usize| 2 * count >= of && count >= 2;
        match () {
            () if most(filled) => Kinship::Filled { same: filled, of },
            () if most(numbered) => Kinship::Numbered { same: numbered, of },
            () if most(alike) => Kinship::Alike { same: alike, of },
            () if most(strange) => Kinship::Strangers,
            () => Kinship::Mixed,
        }
    }
}

/// Whether two host parts differ in numbers only, and all that differ by as much as the addresses.
fn follows(address: IpAddr, host: &str, near: &Near) -> bool {
    let (IpAddr::V4(own), IpAddr::V4(other)) = (address, near.address) else { return false };
    let apart = i64::from(u32::from(own)) - i64::from(u32::from(other));
    let other = near.name.host();
    let digits = |text: &str| -> Vec<_> { runs(text.as_bytes(), |byte| byte.is_ascii_digit()).collect() };
    let (ours, theirs) = (digits(host), digits(other));
    if ours.len() != theirs.len() {
        return false;
    }
    let (mut at, mut near_at, mut differ) = (0, 0, false);
    for (a, b) in ours.into_iter().zip(theirs) {
        if host[at..a.start] != other[near_at..b.start] {
            return false;
        }
        (at, near_at) = (a.end, b.end);
        if host[a.clone()] == other[b.clone()] {
            continue;
        }
        let (Ok(a), Ok(b)) = (host[a].parse::<i64>(), other[b].parse::<i64>()) else { return false };
        if a.checked_sub(b).and_then(i64::checked_abs) != Some(apart.abs()) {
            return false;
        }
        differ = true;
    }
    differ && host[at..] == other[near_at..]
}

/// What is left of a name when numbers and codes are taken out: each run of digits becomes one `0`, each
/// longer mixture of letters and digits one `*`.
fn bones(text: &str) -> String {
    let mut bones = String::with_capacity(text.len());
    let mut at = 0;
    for run in runs(text.as_bytes(), |byte| byte.is_ascii_alphanumeric()) {
        bones.push_str(&text[at..run.start]);
        at = run.end;
        let token = &text[run];
        if is_code(token) {
            bones.push('*');
        } else {
            let mut digits = false;
            for letter in token.chars() {
                if !letter.is_ascii_digit() {
                    bones.push(letter);
                } else if !digits {
                    bones.push('0');
                }
                digits = letter.is_ascii_digit();
            }
        }
    }
    bones.push_str(&text[at..]);
    bones
}

/// Whether a token is a code, such as a hardware address, rather than a word with a number.
pub(crate) fn is_code(token: &str) -> bool {
    let changes =
        token.as_bytes().windows(2).filter(|two| two[0].is_ascii_digit() != two[1].is_ascii_digit());
    token.len() >= 6 && changes.count() >= 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Neighbour;

    fn kinship(address: &str, name: &str, neighbours: &[(&str, &str)]) -> Kinship {
        let address = address.parse().unwrap();
        let mut observation = Observation::new(address, vec![name.to_owned()]);
        observation.neighbours = neighbours
            .iter()
            .map(|(address, name)| Neighbour {
                address: address.parse().unwrap(),
                names: vec![(*name).to_owned()],
            })
            .collect();
        let name = Name::new(name);
        let masked = Masked::new(name.host(), &Spelled::new(address));
        Neighbours::new(&observation).kinship(address, &name, &masked)
    }

    #[test]
    fn a_template_is_seen_in_any_language() {
        let near = [
            ("203.0.113.8", "ügyfél-203-0-113-8.net.example"),
            ("203.0.113.10", "ügyfél-203-0-113-10.net.example"),
        ];
        let own = "ügyfél-203-0-113-9.net.example";
        assert_eq!(kinship("203.0.113.9", own, &near), Kinship::Filled { same: 2, of: 2 });
    }

    #[test]
    fn numbers_may_follow_the_address_from_another_beginning() {
        let near = [("203.0.113.8", "h1007.x.net.example"), ("203.0.113.11", "h1010.x.net.example")];
        assert_eq!(
            kinship("203.0.113.9", "h1008.x.net.example", &near),
            Kinship::Numbered { same: 2, of: 2 }
        );
        let near = [("203.0.113.8", "h77.x.net.example"), ("203.0.113.11", "h4410.x.net.example")];
        assert_eq!(kinship("203.0.113.9", "h1008.x.net.example", &near), Kinship::Alike { same: 2, of: 2 });
    }

    #[test]
    fn names_given_by_hand_are_strangers() {
        let near = [("203.0.113.8", "www.shop.example"), ("203.0.113.10", "gate.bank.example")];
        assert_eq!(kinship("203.0.113.9", "mail.club.example", &near), Kinship::Strangers);
        assert_eq!(kinship("203.0.113.9", "mail.club.example", &near[..1]), Kinship::Unknown);
    }
}
