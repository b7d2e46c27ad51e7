//! The questions that mail asks, and the few names that are answered without asking.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::read::Records;
use crate::{Absent, Answer, QueryName};
use hickory_resolver::proto::rr::{Name, RecordType};

/// One question; also the key of the cache.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Question {
    A(QueryName),
    Aaaa(QueryName),
    Mx(QueryName),
    Txt(QueryName),
    Ptr(IpAddr),
}

impl Question {
    pub(crate) fn record_type(&self) -> RecordType {
        match self {
            Self::A(_) => RecordType::A,
            Self::Aaaa(_) => RecordType::AAAA,
            Self::Mx(_) => RecordType::MX,
            Self::Txt(_) => RecordType::TXT,
            Self::Ptr(_) => RecordType::PTR,
        }
    }

    /// The name as it goes over the wire. A [`QueryName`] always fits.
    pub(crate) fn wire_name(&self) -> Option<Name> {
        match self {
            Self::A(name) | Self::Aaaa(name) | Self::Mx(name) | Self::Txt(name) => {
                let mut name = Name::from_labels(name.labels().map(str::as_bytes)).ok()?;
                name.set_fqdn(true);
                Some(name)
            }
            // rfc1035 §3.5, rfc3596 §2.5: d.c.b.a.in-addr.arpa, nibbles under ip6.arpa
            Self::Ptr(ip) => Some(Name::from(*ip)),
        }
    }

    /// The answer to names that no server is asked for.
    pub(crate) fn answered_here(&self) -> Option<Answer<Records>> {
        let name = match self {
            Self::A(name) | Self::Aaaa(name) | Self::Mx(name) | Self::Txt(name) => name,
            Self::Ptr(_) => return None,
        };
        let ttl = Duration::from_secs(3600);
        match name.labels().next_back() {
            // rfc6761 §6.3: localhost is the loopback address
            Some("localhost") => Some(match self {
                Self::A(_) => Answer::Found { value: Records::A([Ipv4Addr::LOCALHOST].into()), ttl },
                Self::Aaaa(_) => Answer::Found { value: Records::Aaaa([Ipv6Addr::LOCALHOST].into()), ttl },
                _ => Answer::NotFound(Absent::NoData),
            }),
            // rfc6761 §6.4, rfc7686 §2: these do not exist in the DNS
            Some("invalid" | "onion") => Some(Answer::NotFound(Absent::NxDomain)),
            _ => None,
        }
    }
}
