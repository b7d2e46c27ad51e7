//! The details of a finding, typed, and in words.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// What a test saw. `Display` says it in words. Texts that a client chose are cut by the
/// collector to 255 octets.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fact {
    /// Nothing to add.
    #[default]
    Nothing,
    /// The address or sender stands on a list of that name.
    Listed {
        /// The list.
        list: String,
        /// The entry that fits, where the list tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entry: Option<String>,
    },
    /// A DNS list has the address.
    Dnsbl {
        /// The list's zone.
        zone: String,
        /// The answers that count.
        codes: Vec<Ipv4Addr>,
        /// What the list means by them.
        #[serde(default)]
        meaning: String,
    },
    /// The DNS did not answer a question.
    NoAnswer {
        /// What was asked about: a zone, a name.
        question: String,
        /// Why there is no answer.
        why: String,
    },
    /// A DNS list is switched off.
    ZoneOff {
        /// The list's zone.
        zone: String,
        /// Why.
        why: String,
    },
    /// The client spoke first.
    SpokeFirst {
        /// The beginning of what it said.
        said: String,
    },
    /// More connections than the limit.
    Rate {
        /// Connections in the last minute.
        per_minute: u32,
        /// The limit.
        limit: u32,
    },
    /// A name: of the client, in HELO, or of a domain.
    Name {
        /// The name.
        name: String,
    },
    /// The address literal in HELO and the real address differ.
    OtherAddress {
        /// What HELO says.
        said: String,
        /// The client's address.
        is: String,
    },
    /// The domain publishes a null MX (RFC 7505).
    NullMx {
        /// The domain.
        domain: String,
    },
    /// The domain has neither MX nor address records.
    NoMailHost {
        /// The domain.
        domain: String,
    },
    /// What the client's name, and those of its neighbours, tell about its address.
    Dialup {
        /// How likely the address is a residential or dynamic one, from 0 to 100.
        likelihood: u8,
        /// The name.
        name: String,
        /// What was seen, each with its weight.
        because: Vec<String>,
    },
    /// A rule of the operator fits a header field.
    HeaderMatch {
        /// The rule's name.
        rule: String,
        /// The field's name.
        field: String,
        /// The beginning of its value.
        value: String,
    },
    /// A header field stands `count` times where it must stand once.
    FieldCount {
        /// The field's name.
        field: String,
        /// How often it stands.
        count: u32,
    },
    /// `Received` fields beyond the limit.
    Hops {
        /// How many.
        count: u32,
        /// The limit.
        limit: u32,
    },
    /// `Delivered-To` shows that the message was here before.
    DeliveredBefore {
        /// The recipient it was delivered to.
        recipient: String,
    },
    /// Why a test was not run.
    NotAsked {
        /// The reason.
        why: String,
    },
}

impl Fact {
    /// Whether there are no details.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// The part of a test's settings that this fact belongs to: a zone, a header rule.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        match self {
            Self::Dnsbl { zone, .. } => Some(zone),
            Self::HeaderMatch { rule, .. } => Some(rule),
            _ => None,
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Listed { list, entry: None } => write!(f, "on the list {list}"),
            Self::Listed { list, entry: Some(entry) } => write!(f, "{entry} is on the list {list}"),
            Self::Dnsbl { zone, codes, meaning } => {
                write!(f, "Your address is listed by {zone}")?;
                let codes = codes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                if meaning.is_empty() { write!(f, " ({codes})") } else { write!(f, " ({codes}: {meaning})") }
            }
            Self::NoAnswer { question, why } => write!(f, "no answer about {question}: {why}"),
            Self::ZoneOff { zone, why } => write!(f, "{zone} is switched off: {why}"),
            Self::SpokeFirst { said } => write!(f, "said before the greeting: {said}"),
            Self::Rate { per_minute, limit } => {
                write!(f, "{per_minute} connections in a minute, the limit is {limit}")
            }
            Self::Name { name } => f.write_str(name),
            Self::OtherAddress { said, is } => write!(f, "said {said}, is {is}"),
            Self::NullMx { domain } => write!(f, "{domain} says that it never receives mail (null MX)"),
            Self::NoMailHost { domain } => {
                write!(f, "{domain} has no mail host in the DNS (no MX, A or AAAA)")
            }
            Self::Dialup { likelihood, name, because } => {
                write!(f, "{name} is that of a residential or dynamic address by {likelihood} of 100")?;
                if because.is_empty() { Ok(()) } else { write!(f, " ({})", because.join("; ")) }
            }
            Self::HeaderMatch { rule, field, value } => write!(f, "rule {rule} fits {field}: {value}"),
            Self::FieldCount { field, count: 0 } => write!(f, "The header has no {field} field"),
            Self::FieldCount { field, count } => write!(f, "The header has {count} {field} fields"),
            Self::Hops { count, limit } => {
                write!(f, "The message has {count} hops behind it, the limit is {limit}")
            }
            Self::DeliveredBefore { recipient } => {
                write!(f, "The message was delivered to {recipient} before: a mail loop")
            }
            Self::NotAsked { why } => f.write_str(why),
        }
    }
}
