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

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::op::{MessageType, OpCode};
    use hickory_resolver::proto::rr::rdata;
    use proptest::prelude::*;

    use super::*;

    /// Any octets may stand in a label.
    fn name(text: &str) -> Name {
        let labels = text.split('.').filter(|label| !label.is_empty()).map(str::as_bytes);
        let mut name = Name::from_labels(labels).unwrap();
        name.set_fqdn(true);
        name
    }

    fn message(code: ResponseCode, answers: Vec<Record>, authorities: Vec<Record>) -> Message {
        let mut message = Message::new(1, MessageType::Response, OpCode::Query);
        message.metadata.response_code = code;
        message.answers = answers;
        message.authorities = authorities;
        message
    }

    fn record(owner: &str, ttl: u32, data: RData) -> Record {
        Record::from_rdata(name(owner), ttl, data)
    }

    fn a(owner: &str, ttl: u32, last: u8) -> Record {
        record(owner, ttl, RData::A(rdata::A(Ipv4Addr::new(192, 0, 2, last))))
    }

    fn cname(owner: &str, ttl: u32, target: &str) -> Record {
        record(owner, ttl, RData::CNAME(rdata::CNAME(name(target))))
    }

    fn mx(preference: u16, exchange: &str) -> Record {
        record("x.test.", 60, RData::MX(rdata::MX::new(preference, name(exchange))))
    }

    fn soa(ttl: u32, minimum: u32) -> Record {
        let soa = rdata::SOA::new(name("test."), name("test."), 1, 1, 1, 1, minimum);
        record("test.", ttl, RData::SOA(soa))
    }

    /// What the message says about `x.test`.
    fn says(message: &Message, record_type: RecordType) -> (Answer<Records>, u64) {
        match read(message, &name("x.test."), record_type, 0, u32::MAX) {
            Reading::Answer(answer, keep) => (answer, keep.as_secs()),
            Reading::Alias { target, .. } => panic!("an alias of {target}"),
        }
    }

    fn found(value: Records, ttl: u64) -> (Answer<Records>, u64) {
        (Answer::Found { value, ttl: Duration::from_secs(ttl) }, ttl)
    }

    fn addresses(last: &[u8]) -> Records {
        Records::A(last.iter().map(|&last| Ipv4Addr::new(192, 0, 2, last)).collect())
    }

    #[test]
    fn only_what_was_asked_for_counts() {
        let other = [a("y.test.", 1, 9), mx(1, "y.test.")];
        let answers = [vec![a("x.test.", 60, 1)], other.to_vec()].concat();
        let message = message(ResponseCode::NoError, answers, vec![]);
        assert_eq!(says(&message, RecordType::A), found(addresses(&[1]), 60));
    }

    #[test]
    fn aliases_are_followed_in_any_order_and_the_shortest_ttl_counts() {
        let answers =
            vec![a("z.test.", 300, 1), cname("y.test.", 20, "z.test."), cname("x.test.", 100, "y.test.")];
        let message = message(ResponseCode::NoError, answers, vec![]);
        assert_eq!(says(&message, RecordType::A), found(addresses(&[1]), 20));
    }

    #[test]
    fn an_alias_that_leads_out_of_the_message_is_asked_for() {
        let message = message(ResponseCode::NoError, vec![cname("x.test.", 7, "y.test.")], vec![]);
        match read(&message, &name("x.test."), RecordType::A, 2, 100) {
            Reading::Alias { target, aliases, ttl } => {
                assert_eq!((target, aliases, ttl), (name("y.test."), 3, 7));
            }
            Reading::Answer(..) => panic!("the target is not in the message"),
        }
        // Having followed as many as one may, this is where it ends.
        match read(&message, &name("x.test."), RecordType::A, MAX_ALIASES, 100) {
            Reading::Answer(answer, _) => assert_eq!(answer, Answer::Unknown(Unknown::AliasLoop)),
            Reading::Alias { .. } => panic!("one alias too many"),
        }
    }

    #[test]
    fn aliases_that_end_nowhere_say_what_the_end_says() {
        let alias = || vec![cname("x.test.", 60, "y.test.")];
        let none = message(ResponseCode::NXDomain, alias(), vec![soa(30, 40)]);
        assert_eq!(says(&none, RecordType::A), (Answer::NotFound(Absent::NxDomain), 30));
        let no_data = message(ResponseCode::NoError, alias(), vec![soa(90, 80)]);
        assert_eq!(says(&no_data, RecordType::A), (Answer::NotFound(Absent::NoData), 60));
        let servfail = message(ResponseCode::ServFail, alias(), vec![]);
        assert_eq!(says(&servfail, RecordType::A).0, Answer::Unknown(Unknown::Failure(2)));
    }

    #[test]
    fn a_referral_is_not_no_data() {
        let ns = record("test.", 60, RData::NS(rdata::NS(name("ns.test."))));
        let referral = message(ResponseCode::NoError, vec![mx(1, "y.test.")], vec![ns.clone()]);
        assert_eq!(says(&referral, RecordType::A).0, Answer::Unknown(Unknown::Lame));
        let no_data = message(ResponseCode::NoError, vec![mx(1, "y.test.")], vec![ns, soa(60, 60)]);
        assert_eq!(says(&no_data, RecordType::A).0, Answer::NotFound(Absent::NoData));
    }

    #[test]
    fn exchanges_are_sorted_and_null_is_only_null_when_alone() {
        let hosts = |list: &[(u16, &str)]| {
            let mx =
                |&(preference, name): &(u16, &str)| Mx { preference, exchange: Domain::parse(name).unwrap() };
            Records::Mx(Mxs::Hosts(list.iter().map(mx).collect()))
        };
        let of = |answers| says(&message(ResponseCode::NoError, answers, vec![]), RecordType::MX);
        assert_eq!(
            of(vec![mx(20, "B.test."), mx(5, "a.test."), mx(20, "0.test.")]),
            found(hosts(&[(5, "a.test"), (20, "b.test"), (20, "0.test")]), 60)
        );
        assert_eq!(of(vec![mx(0, ".")]), found(Records::Mx(Mxs::Null), 60));
        assert_eq!(of(vec![mx(0, "."), mx(9, "a.test.")]), found(hosts(&[(9, "a.test")]), 60));
        assert_eq!(of(vec![mx(1, "."), mx(2, ".")]).0, Answer::NotFound(Absent::Unusable));
        assert_eq!(of(vec![mx(1, "mail host.test.")]).0, Answer::NotFound(Absent::Unusable));
    }

    #[test]
    fn the_strings_of_a_text_are_one() {
        let text = rdata::TXT::from_bytes(vec![b"v=spf1 ", b"-all\xff"]);
        let message = message(ResponseCode::NoError, vec![record("x.test.", 5, RData::TXT(text))], vec![]);
        let joined: Box<str> = "v=spf1 -all\u{fffd}".into();
        assert_eq!(says(&message, RecordType::TXT), found(Records::Txt([joined].into()), 5));
    }

    fn any_record() -> impl Strategy<Value = Record> {
        let names = ["x.test.", "y.test.", "z.test.", "mail host.test.", "-.test.", "\0.test.", "."];
        let any_name = || prop::sample::select(names.to_vec());
        (any_name(), any::<u32>(), 0..7_u8, any_name(), any::<u8>()).prop_map(
            |(owner, ttl, kind, other, n)| {
                let data = match kind {
                    0 => RData::A(rdata::A(Ipv4Addr::new(192, 0, 2, n))),
                    1 => RData::AAAA(rdata::AAAA(Ipv6Addr::from(u128::from(n)))),
                    2 => RData::MX(rdata::MX::new(n.into(), name(other))),
                    3 => RData::CNAME(rdata::CNAME(name(other))),
                    4 => RData::PTR(rdata::PTR(name(other))),
                    5 => RData::TXT(rdata::TXT::from_bytes(vec![&[n]])),
                    _ => RData::NS(rdata::NS(name(other))),
                };
                record(owner, ttl, data)
            },
        )
    }

    proptest! {
        /// Whatever a message holds: no more is kept than may be, sorted, for no longer than
        /// its records say.
        #[test]
        fn answers_are_bounded(answers in prop::collection::vec(any_record(), 0..600)) {
            let longest = answers.iter().map(|r| r.ttl).max().unwrap_or(0);
            let message = message(ResponseCode::NoError, answers, vec![]);
            for kind in [RecordType::A, RecordType::AAAA, RecordType::MX, RecordType::PTR, RecordType::TXT] {
                let reading = read(&message, &name("x.test."), kind, 0, u32::MAX);
                let Reading::Answer(Answer::Found { value, ttl }, keep) = reading else { continue };
                prop_assert_eq!(ttl, keep);
                prop_assert!(keep.as_secs() <= longest.into());
                let (count, most) = match value {
                    Records::A(list) => (list.len(), MAX_ADDRESSES),
                    Records::Aaaa(list) => (list.len(), MAX_ADDRESSES),
                    Records::Ptr(list) => (list.len(), MAX_NAMES),
                    Records::Txt(list) => (list.len(), MAX_TEXTS),
                    Records::Mx(Mxs::Null) => (1, 1),
                    Records::Mx(Mxs::Hosts(list)) => {
                        prop_assert!(list.is_sorted_by_key(|mx| mx.preference));
                        (list.len(), MAX_EXCHANGES)
                    }
                };
                prop_assert!(0 < count && count <= most, "{} {}", kind, count);
            }
        }
    }
}
