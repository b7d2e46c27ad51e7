//! Forward-confirmed reverse DNS: the names of an address, and whether they lead back to it.

use std::net::IpAddr;
use std::sync::Arc;

use postern_types::Domain;

use crate::question::Question;
use crate::read::{MAX_ADDRESSES, Records};
use crate::{Answer, Dns, Unknown};

/// One name that the address's PTR records claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReverseName {
    /// The name.
    pub name: Domain,
    /// Whether the name leads back to the address.
    pub forward: Forward,
}

/// Whether a name leads to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forward {
    /// The address is among the name's addresses: whoever runs the name's zone agrees.
    Confirmed,
    /// The name has other addresses, or none.
    Denied,
    /// Nobody could tell.
    Unknown(Unknown),
}

impl Dns {
    /// The names of an address (at most [`crate::MAX_NAMES`]), each asked for its addresses of
    /// the same family. All names are asked at the same time, so this takes at most two
    /// deadlines. Confirmed names come first.
    pub async fn fcrdns(&self, ip: IpAddr) -> Answer<Arc<[ReverseName]>> {
        let ip = ip.to_canonical();
        let (names, mut shortest) = match self.ptr(ip).await {
            Answer::Found { value, ttl } => (value, ttl),
            Answer::NotFound(absent) => return Answer::NotFound(absent),
            Answer::Unknown(why) => return Answer::Unknown(why),
        };
        let ask = |name: &Domain| match ip {
            IpAddr::V4(_) => self.ask(Question::A(name.into())),
            IpAddr::V6(_) => self.ask(Question::Aaaa(name.into())),
        };
        // All are on their way before the first is awaited.
        let pending: Vec<_> = names.iter().map(|name| (name, ask(name))).collect();
        let mut checked = Vec::with_capacity(pending.len());
        for (name, pending) in pending {
            let answer = pending.answer().await;
            if let Answer::Found { ttl, .. } = answer {
                shortest = shortest.min(ttl);
            }
            checked.push(ReverseName { name: name.clone(), forward: forward(ip, answer) });
        }
        checked.sort_by_key(|name| name.forward != Forward::Confirmed);
        Answer::Found { value: checked.into(), ttl: shortest }
    }
}

fn forward(ip: IpAddr, answer: Answer<Records>) -> Forward {
    match (ip, answer) {
        (IpAddr::V4(ip), Answer::Found { value: Records::A(list), .. }) if list.contains(&ip) => {
            Forward::Confirmed
        }
        (IpAddr::V6(ip), Answer::Found { value: Records::Aaaa(list), .. }) if list.contains(&ip) => {
            Forward::Confirmed
        }
        // The list was cut: the address may have been in the rest.
        (_, Answer::Found { value: Records::A(list), .. }) if list.len() == MAX_ADDRESSES => {
            Forward::Unknown(Unknown::TooMany)
        }
        (_, Answer::Found { value: Records::Aaaa(list), .. }) if list.len() == MAX_ADDRESSES => {
            Forward::Unknown(Unknown::TooMany)
        }
        (_, Answer::Found { .. } | Answer::NotFound(_)) => Forward::Denied,
        (_, Answer::Unknown(why)) => Forward::Unknown(why),
    }
}
