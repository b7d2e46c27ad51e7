//! Evidence: what was seen in one session, as a value that is stored and replayed.

use std::net::{IpAddr, Ipv4Addr};

use postern_types::{Address, Authenticity, ReversePath};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{Fact, Stage, Test};

/// Everything a verdict may rest on. Old JSON stays readable (every field has a default); findings
/// of tests that this version doesn't know are left out when read.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// The host that connects.
    pub client: Client,
    /// What it called itself; `None` before HELO.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helo: Option<Helo>,
    /// The envelope sender; `None` before MAIL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<ReversePath>,
    /// The message; `None` before it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    /// Fingerprint of the address and sender lists in use.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub lists: String,
    /// One result for each question asked, in the order of the session.
    #[serde(deserialize_with = "known_only")]
    pub findings: Vec<Finding>,
}

/// The host that connects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Client {
    /// Its address.
    pub ip: IpAddr,
    /// Its name.
    pub rdns: Rdns,
    /// TLS version and cipher; `None` for plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// Whether the client is one of ours (a trusted network or signed in): no test was run.
    pub trusted: bool,
}

/// What the DNS says about the name of an address.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Rdns {
    /// Not asked, or not answered yet.
    #[default]
    NotAsked,
    /// `name` has the address among its own (FCrDNS).
    Confirmed {
        /// The PTR name.
        name: String,
    },
    /// There is a name, and it doesn't lead back.
    Unconfirmed {
        /// The first PTR name.
        name: String,
    },
    /// The DNS says that there is no name.
    Missing,
    /// The DNS did not answer.
    Unknown,
}

/// What the client called itself.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Helo {
    /// The name as it was given, cut to 255 octets.
    pub name: String,
    /// Whether it was EHLO.
    pub extended: bool,
}

/// Facts about the message.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    /// Octets of its header.
    pub header_size: u64,
    /// `Received` fields in it.
    pub hops: u32,
}

/// What came of one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Asked, and nothing is wrong.
    Clear,
    /// Asked, and what the test looks for is there.
    Hit,
    /// Asked, and there was no usable answer. Never counts.
    #[default]
    Unknown,
    /// Not asked, for the reason that the fact gives.
    Skipped,
}

/// The result of one question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The test that asked.
    pub test: Test,
    /// What came of it.
    pub outcome: Outcome,
    /// The details.
    #[serde(default, skip_serializing_if = "Fact::is_nothing")]
    pub fact: Fact,
    /// How long it took, in microseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub micros: u32,
}

impl Finding {
    /// A finding that took no time worth noting.
    #[must_use]
    pub fn new(test: Test, outcome: Outcome, fact: Fact) -> Self {
        Self { test, outcome, fact, micros: 0 }
    }
}

impl Default for Client {
    fn default() -> Self {
        Self { ip: Ipv4Addr::UNSPECIFIED.into(), rdns: Rdns::default(), tls: None, trusted: false }
    }
}

impl Evidence {
    /// The findings of one test.
    pub fn of(&self, test: Test) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.test == test)
    }

    /// The findings that a judgement at `stage` looks at.
    pub fn until(&self, stage: Stage) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.test.stage() <= stage)
    }

    /// Whether a judgement at `stage` cannot tell the two apart.
    #[must_use]
    pub fn tells_the_same(&self, other: &Self, stage: Stage) -> bool {
        let answers = |evidence| Self::until(evidence, stage).map(|f| (f.test, f.outcome, &f.fact));
        self.client.trusted == other.client.trusted
            && self.sender == other.sender
            && answers(self).eq(answers(other))
    }
}

/// What authenticates the sender.
impl Evidence {
    /// What SPF says about MAIL FROM's domain, or about the HELO name where the sender is null.
    #[must_use]
    pub fn spf(&self) -> Option<Authenticity> {
        self.findings.iter().find_map(|finding| match finding.fact {
            Fact::Spf { result, .. } => Some(result),
            _ => None,
        })
    }

    /// What DMARC says about the author's domain; `None` before the message was read.
    #[must_use]
    pub fn dmarc(&self) -> Option<Authenticity> {
        self.findings.iter().find_map(|finding| match finding.fact {
            Fact::Dmarc { result, .. } => Some(result),
            _ => None,
        })
    }

    /// The domains that have shown to stand behind this mail: by SPF that of MAIL FROM, by DKIM those whose
    /// signatures hold.
    pub fn authentic_domains(&self) -> impl Iterator<Item = &str> {
        self.findings.iter().filter_map(|finding| match &finding.fact {
            Fact::Spf { result: Authenticity::Pass, helo: false, domain, .. }
            | Fact::Dkim { result: Authenticity::Pass, domain, .. } => Some(domain.as_str()),
            _ => None,
        })
    }

    /// Whether the domain of MAIL FROM, or one above it, stands behind this mail: its owner is the one who sends.
    /// Before the message was read only SPF can show it. The null sender is nobody's.
    #[must_use]
    pub fn sender_is_authentic(&self) -> bool {
        let sender = self.sender.as_ref().and_then(ReversePath::address).and_then(Address::domain);
        let Some(sender) = sender.map(postern_types::Domain::as_str) else { return false };
        // A signature of `d=` speaks for the domains below it (rfc6376 §3.5, `i=`).
        self.authentic_domains().any(|domain| {
            sender.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(micros: &u32) -> bool {
    *micros == 0
}

/// Reads a list and leaves out what a newer version wrote and this one can't read.
pub(crate) fn known_only<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Entry<T> {
        Known(T),
        Newer(serde::de::IgnoredAny),
    }
    let entries = Vec::<Entry<T>>::deserialize(deserializer)?;
    Ok(entries
        .into_iter()
        .filter_map(|entry| if let Entry::Known(known) = entry { Some(known) } else { None })
        .collect())
}
