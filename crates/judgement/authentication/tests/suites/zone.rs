//! A DNS made of declared records, with the bounds of the real one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use postern_authentication::Lookup;
use postern_dns::{Absent, Answer, MAX_ADDRESSES, MAX_EXCHANGES, MAX_NAMES, QueryName, Unknown};
use postern_types::Domain;

/// One declared record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Record {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Mx(u16, String),
    Txt(String),
    Ptr(String),
    Cname(String),
    /// A record of another type.
    Other,
    /// Whatever is asked for and stands not before this gets no answer.
    Timeout,
}

/// The records by name, lower case without the final dot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records(pub(crate) HashMap<String, Vec<Record>>);

impl Records {
    pub(crate) fn add(&mut self, name: &str, record: Record) {
        self.0.entry(name.trim_end_matches('.').to_lowercase()).or_default().push(record);
    }

    fn ask<T>(&self, name: &str, take: impl Fn(&Record) -> Option<T>) -> Answer<Vec<T>> {
        let mut name = name.to_owned();
        for _ in 0..8 {
            let Some(records) = self.0.get(&name) else { return Answer::NotFound(Absent::NxDomain) };
            if let Some(Record::Cname(target)) = records.iter().find(|r| matches!(r, Record::Cname(_))) {
                name = target.trim_end_matches('.').to_lowercase();
                continue;
            }
            let found: Vec<T> = records.iter().filter_map(&take).collect();
            return if !found.is_empty() {
                Answer::Found { value: found, ttl: Duration::from_secs(60) }
            } else if records.contains(&Record::Timeout) {
                Answer::Unknown(Unknown::Timeout)
            } else {
                Answer::NotFound(Absent::NoData)
            };
        }
        Answer::Unknown(Unknown::AliasLoop)
    }
}

fn cut<T: Clone>(answer: Answer<Vec<T>>, most: usize) -> Answer<Arc<[T]>> {
    answer.map(|list| list.into_iter().take(most).collect())
}

impl Lookup for Records {
    async fn txt(&self, name: &QueryName) -> Answer<Arc<[Box<str>]>> {
        let take = |r: &Record| if let Record::Txt(text) = r { Some(text.as_str().into()) } else { None };
        cut(self.ask(name.as_str(), take), usize::MAX)
    }

    async fn a(&self, name: &QueryName) -> Answer<Arc<[Ipv4Addr]>> {
        cut(self.ask(name.as_str(), |r| if let Record::A(ip) = r { Some(*ip) } else { None }), MAX_ADDRESSES)
    }

    async fn aaaa(&self, name: &QueryName) -> Answer<Arc<[Ipv6Addr]>> {
        cut(
            self.ask(name.as_str(), |r| if let Record::Aaaa(ip) = r { Some(*ip) } else { None }),
            MAX_ADDRESSES,
        )
    }

    async fn mx(&self, name: &QueryName) -> Answer<Vec<QueryName>> {
        let take = |r: &Record| if let Record::Mx(at, host) = r { Some((*at, host.clone())) } else { None };
        self.ask(name.as_str(), take).map(|mut hosts| {
            hosts.sort_by_key(|(preference, _)| *preference);
            hosts.iter().filter_map(|(_, host)| QueryName::parse(host)).take(MAX_EXCHANGES).collect()
        })
    }

    async fn ptr(&self, ip: IpAddr) -> Answer<Arc<[Domain]>> {
        let name = match ip {
            IpAddr::V4(ip) => {
                let [a, b, c, d] = ip.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            IpAddr::V6(ip) => {
                let nibbles = ip.octets().into_iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
                let name: String = nibbles.map(|nibble| format!("{nibble:x}.")).collect();
                format!("{name}ip6.arpa")
            }
        };
        let take = |r: &Record| if let Record::Ptr(name) = r { Domain::parse(name).ok() } else { None };
        cut(self.ask(&name, take), MAX_NAMES)
    }
}
