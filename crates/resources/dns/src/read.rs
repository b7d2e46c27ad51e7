//! From a DNS message to values: follows aliases inside the message, keeps what is valid,
//! and no more of it than mail can use (a hostile zone may hold thousands of records).

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use postern_types::Domain;

use crate::{Absent, Answer, Unknown};

/// How many addresses of one family an answer keeps.
pub const MAX_ADDRESSES: usize = 32;
/// How many mail exchangers an answer keeps, the preferred ones first.
pub const MAX_EXCHANGES: usize = 16;
/// How many names of an address an answer keeps.
pub const MAX_NAMES: usize = 10;
/// How many TXT records an answer keeps; large domains have a hundred.
pub const MAX_TEXTS: usize = 256;

/// How many aliases are followed in all, within a message and across messages.
pub(crate) const MAX_ALIASES: usize = 8;

/// One mail exchanger.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mx {
    /// Lower is preferred.
    pub preference: u16,
    /// The host.
    pub exchange: Domain,
}

/// The MX records of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mxs {
    /// RFC 7505: the domain states that it takes no mail.
    Null,
    /// At least one, sorted by preference; equal ones as the server gave them.
    Hosts(Arc<[Mx]>),
}

/// What the cache holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Records {
    A(Arc<[Ipv4Addr]>),
    Aaaa(Arc<[Ipv6Addr]>),
    Mx(Mxs),
    Txt(Arc<[Box<str>]>),
    Ptr(Arc<[Domain]>),
}

/// What one message says about a question.
pub(crate) enum Reading {
    /// The end: records, or none, or an error.
    Answer(Answer<Records>, Duration),
    /// The name is an alias of one that the message says nothing about: ask for that.
    Alias { target: Name, aliases: usize, ttl: u32 },
}

impl Records {
    /// About how many bytes the records take.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::A(list) => 4 * list.len(),
            Self::Aaaa(list) => 16 * list.len(),
            Self::Mx(Mxs::Null) => 0,
            Self::Mx(Mxs::Hosts(list)) => list.iter().map(|mx| 32 + mx.exchange.as_str().len()).sum(),
            Self::Txt(list) => list.iter().map(|text| 16 + text.len()).sum(),
            Self::Ptr(list) => list.iter().map(|name| 16 + name.as_str().len()).sum(),
        }
    }
}

/// Reads what `message` says about `name`. `aliases` have been followed so far, the shortest
/// TTL among them was `ttl`.
pub(crate) fn read(
    message: &Message,
    name: &Name,
    record_type: RecordType,
    mut aliases: usize,
    mut ttl: u32,
) -> Reading {
    let failed = |why| Reading::Answer(Answer::Unknown(why), Duration::ZERO);
    let mut owner = name;
    // rfc1034 §3.6.2: an alias has exactly one target, and no other records.
    while let Some((target, alias_ttl)) = message.answers.iter().find_map(|record| alias(record, owner)) {
        aliases += 1;
        if aliases > MAX_ALIASES {
            return failed(Unknown::AliasLoop);
        }
        ttl = ttl.min(alias_ttl);
        owner = target;
    }
    let records: Vec<&Record> =
        message.answers.iter().filter(|r| r.record_type() == record_type && &r.name == owner).collect();
    if !records.is_empty() {
        ttl = records.iter().map(|r| r.ttl).fold(ttl, u32::min);
        let ttl = Duration::from_secs(ttl.into());
        return match values(record_type, &records) {
            Some(value) => Reading::Answer(Answer::Found { value, ttl }, ttl),
            None => Reading::Answer(Answer::NotFound(Absent::Unusable), ttl),
        };
    }
    let soa = message.authorities.iter().find_map(|record| match &record.data {
        // rfc2308 §5: the negative TTL is the lesser of the SOA's TTL and its MINIMUM
        RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
        _ => None,
    });
    let negative = Duration::from_secs(soa.unwrap_or(0).min(ttl).into());
    match message.metadata.response_code {
        // rfc2308 §2.1: NXDOMAIN is about the end of the chain of aliases
        ResponseCode::NXDomain => Reading::Answer(Answer::NotFound(Absent::NxDomain), negative),
        ResponseCode::NoError if owner != name && soa.is_none() => {
            Reading::Alias { target: owner.clone(), aliases, ttl }
        }
        // rfc2308 §2.2.1: NS without SOA and without an answer is a referral, not NODATA
        ResponseCode::NoError if soa.is_none() && refers(message) => failed(Unknown::Lame),
        ResponseCode::NoError => Reading::Answer(Answer::NotFound(Absent::NoData), negative),
        code => failed(Unknown::Failure(code.into())),
    }
}

fn alias<'a>(record: &'a Record, owner: &Name) -> Option<(&'a Name, u32)> {
    match &record.data {
        RData::CNAME(target) if &record.name == owner => Some((&target.0, record.ttl)),
        _ => None,
    }
}

fn refers(message: &Message) -> bool {
    message.authorities.iter().any(|record| record.record_type() == RecordType::NS)
}

/// The values in `records`; `None` when none of them is usable.
fn values(record_type: RecordType, records: &[&Record]) -> Option<Records> {
    let data = records.iter().map(|record| &record.data);
    match record_type {
        RecordType::A => some_of(MAX_ADDRESSES, data, |data| match data {
            RData::A(ip) => Some(ip.0),
            _ => None,
        })
        .map(Records::A),
        RecordType::AAAA => some_of(MAX_ADDRESSES, data, |data| match data {
            RData::AAAA(ip) => Some(ip.0),
            _ => None,
        })
        .map(Records::Aaaa),
        RecordType::PTR => some_of(MAX_NAMES, data, |data| match data {
            RData::PTR(name) => domain(&name.0),
            _ => None,
        })
        .map(Records::Ptr),
        RecordType::TXT => some_of(MAX_TEXTS, data, |data| match data {
            // rfc7208 §3.3: the strings of one record are put together without spaces
            RData::TXT(text) => Some(String::from_utf8_lossy(&text.txt_data.concat()).into()),
            _ => None,
        })
        .map(Records::Txt),
        RecordType::MX => exchanges(records).map(Records::Mx),
        _ => None,
    }
}

/// The first values that `take` finds, without repetition.
fn some_of<'a, T: PartialEq>(
    most: usize,
    data: impl Iterator<Item = &'a RData>,
    take: impl Fn(&'a RData) -> Option<T>,
) -> Option<Arc<[T]>> {
    let mut values = Vec::new();
    for value in data.filter_map(take) {
        if values.len() == most {
            break;
        }
        if !values.contains(&value) {
            values.push(value);
        }
    }
    (!values.is_empty()).then(|| values.into())
}

fn exchanges(records: &[&Record]) -> Option<Mxs> {
    let mx = |record: &&Record| match &record.data {
        RData::MX(mx) => Some((mx.preference, mx.exchange.clone())),
        _ => None,
    };
    // rfc7505 §3: a single record whose exchange is the root
    if let [only] = records
        && mx(only).is_some_and(|(_, exchange)| exchange.is_root())
    {
        return Some(Mxs::Null);
    }
    let mut hosts: Vec<Mx> = records
        .iter()
        .filter_map(mx)
        .filter_map(|(preference, exchange)| Some(Mx { preference, exchange: domain(&exchange)? }))
        .collect();
    // rfc5321 §5.1: by preference; the sort is stable
    hosts.sort_by_key(|mx| mx.preference);
    hosts.truncate(MAX_EXCHANGES);
    (!hosts.is_empty()).then(|| Mxs::Hosts(hosts.into()))
}

/// A host name, where the DNS name is one: other octets than letters, digits, `-` and `_`
/// come out of `to_ascii` escaped, and are refused.
fn domain(name: &Name) -> Option<Domain> {
    Domain::parse(&name.to_ascii()).ok()
}
