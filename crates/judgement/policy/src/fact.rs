//! The details of a finding, typed, and in words.

use std::fmt;
use std::net::Ipv4Addr;

use postern_types::Authenticity;
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
    /// What SPF says about the sender.
    Spf {
        /// The result.
        result: Authenticity,
        /// Whether the name from HELO was checked, because the sender is null.
        #[serde(default, skip_serializing_if = "is_false")]
        helo: bool,
        /// The domain that was asked.
        domain: String,
        /// The term of its record that decided, or what is wrong with it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        because: String,
        /// What the domain wants said to those who fail.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        explanation: String,
    },
    /// What came of one DKIM signature.
    Dkim {
        /// The result.
        result: Authenticity,
        /// The domain that signed (`d=`).
        domain: String,
        /// The name of its key (`s=`).
        selector: String,
        /// Whether that is the author's domain, as DMARC asks.
        #[serde(default, skip_serializing_if = "is_false")]
        aligned: bool,
        /// What is wrong.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        because: String,
    },
    /// What came of the ARC chain.
    Arc {
        /// The result.
        result: Authenticity,
        /// The domain that sealed last; empty where there is no chain.
        sealer: String,
        /// How many have sealed.
        hops: u32,
        /// What is wrong.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        because: String,
    },
    /// What DMARC says about the author.
    Dmarc {
        /// The result.
        result: Authenticity,
        /// The author's domain; empty where there is none that could be checked.
        domain: String,
        /// What its owner asks for where the check fails: `none`, `quarantine` or `reject`.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        policy: String,
        /// What showed that it is authentic, or what is wrong.
        because: String,
        /// The forwarder whose seal is believed instead.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        forwarder: String,
    },
    /// The client would relay between two addresses that are none of its own.
    OpenRelay {
        /// In which forms it takes the address.
        forms: Vec<String>,
    },
    /// The sender's own mail host does not know the sender.
    NoSuchUser {
        /// The sender.
        address: String,
        /// The mail host.
        host: String,
        /// What it said.
        said: String,
    },
    /// The answer is on its way: whoever comes back in a few minutes finds it here.
    Pending {
        /// The question.
        question: String,
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
            Self::Spf { result, helo, domain, because, explanation } => {
                spf_words(f, *result, *helo, domain, because)?;
                if explanation.is_empty() { Ok(()) } else { write!(f, "; {domain} explains: {explanation}") }
            }
            Self::Dkim { result: Authenticity::Pass, domain, aligned, .. } => {
                let whose = if *aligned { ", the author's domain" } else { "" };
                write!(f, "The signature of {domain}{whose} holds (DKIM)")
            }
            Self::Dkim { result, domain, because, .. } => {
                write!(f, "DKIM {result}: the signature of {domain} does not count: {because}")
            }
            Self::Arc { result: Authenticity::None, .. } => f.write_str("Nobody has sealed it (ARC)"),
            Self::Arc { result: Authenticity::Pass, sealer, hops, .. } => {
                write!(f, "The chain of {hops} seals holds, the last by {sealer} (ARC)")
            }
            Self::Arc { result, because, .. } => write!(f, "ARC {result}: {because}"),
            Self::Dmarc { result, domain, policy, because, forwarder } => {
                match result {
                    Authenticity::Pass => write!(f, "{domain} is authentic (DMARC): {because}")?,
                    Authenticity::Fail => write!(
                        f,
                        "The author's domain {domain} has neither sent nor signed this message (DMARC, p={policy}): \
                         {because}"
                    )?,
                    _ => write!(f, "DMARC {result}: {because}")?,
                }
                if forwarder.is_empty() {
                    Ok(())
                } else {
                    write!(f, "; {forwarder} is trusted to forward it")
                }
            }
            Self::OpenRelay { forms } => {
                write!(f, "the client relays for strangers: it accepts {}", forms.join(", "))
            }
            Self::NoSuchUser { address, host, said } => {
                write!(f, "The sender {address} does not exist: {host} said {said}")
            }
            Self::Pending { question } => write!(f, "It is being found out {question}"),
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

fn spf_words(
    f: &mut fmt::Formatter<'_>,
    result: Authenticity,
    helo: bool,
    domain: &str,
    because: &str,
) -> fmt::Result {
    let what = if helo { "under that HELO name" } else { "its mail" };
    match result {
        Authenticity::Pass => write!(f, "{domain} lets your address send {what} (SPF: {because})"),
        Authenticity::Fail => write!(f, "{domain} does not let your address send {what} (SPF: {because})"),
        Authenticity::SoftFail => {
            write!(f, "{domain} hardly lets your address send {what} (SPF: {because})")
        }
        Authenticity::None => write!(f, "{domain} does not say who may send {what} (SPF)"),
        Authenticity::Neutral => write!(f, "{domain} leaves open who may send {what} (SPF)"),
        result => write!(f, "SPF {result}: {because}"),
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}
