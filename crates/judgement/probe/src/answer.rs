//! What comes back, as it is kept and shown.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The answer to a [`Question`](crate::Question).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "test", rename_all = "snake_case")]
pub enum Answer {
    /// To [`Question::ConnectBack`](crate::Question::ConnectBack).
    Connect(Connect),
    /// To [`Question::Neighbours`](crate::Question::Neighbours).
    Neighbours(Neighbours),
    /// To [`Question::Relay`](crate::Question::Relay).
    Relay(Relay),
    /// To [`Question::User`](crate::Question::User).
    User(User),
}

/// Whether a host answers on its SMTP port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Connect {
    /// It greets with 220.
    Answers,
    /// Nobody is there, though other hosts could be reached lately.
    Silent,
    /// Nobody can tell.
    Unknown {
        /// Why.
        why: String,
    },
}

/// How many hosts of a network answer on their SMTP ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Neighbours {
    /// Those that answer.
    pub answering: u8,
    /// Those where nobody is there.
    pub silent: u8,
}

/// Whether a host relays for strangers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Relay {
    /// It accepted a recipient elsewhere from a sender elsewhere.
    Open {
        /// In which forms of the address.
        forms: Vec<Form>,
    },
    /// It refused all of them.
    Closed,
    /// It could not be asked.
    Unreachable {
        /// Why.
        why: String,
    },
    /// Its answers do not tell.
    Unclear {
        /// Why.
        why: String,
    },
}

/// A way to write an address of ours that is to be relayed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// `nobody@ours`
    Plain,
    /// `nobody@[our address]`
    Literal,
    /// `nobody%ours@[its address]`
    Percent,
    /// `ours!nobody@[its address]`
    Bang,
    /// `"nobody@ours"@[its address]`
    Quoted,
}

/// Whether a sender exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum User {
    /// Its mail host accepts it, and not everybody.
    Exists,
    /// Its mail host says that there is no such user.
    Missing {
        /// The mail host.
        host: String,
        /// What it said.
        said: String,
    },
    /// Nobody can tell.
    Unverifiable {
        /// What is in the way.
        obstacle: Obstacle,
        /// Details, in words; may be empty.
        detail: String,
    },
}

/// Why it cannot be told whether a sender exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// The domain accepts every name.
    CatchAll,
    /// It takes no mail at all (RFC 7505).
    NullMx,
    /// It has no mail host.
    NoMailHost,
    /// Its mail comes to this host.
    LeadsToUs,
    /// Its mail hosts have no public address.
    NotPublic,
    /// Its mail hosts do not want to be asked.
    OptedOut,
    /// Its mail hosts do not want us.
    RefusesUs,
    /// None of its mail hosts answers.
    Unreachable,
    /// We have asked them often enough for now.
    HeldBack,
    /// They say that they can tell later: greylisting, load.
    Later,
    /// They say something else.
    Unclear,
    /// The DNS does not answer.
    NoDns,
}

impl Obstacle {
    /// Whether it stands in the way of every sender of the domain.
    pub(crate) fn is_of_domain(self) -> bool {
        !matches!(self, Self::HeldBack | Self::Later | Self::Unclear | Self::NoDns)
    }
}

impl Answer {
    /// Whether it answers the question.
    #[must_use]
    pub fn is_conclusive(&self) -> bool {
        match self {
            Self::Connect(connect) => !matches!(connect, Connect::Unknown { .. }),
            Self::Neighbours(near) => near.answering + near.silent > 0,
            Self::Relay(relay) => matches!(relay, Relay::Open { .. } | Relay::Closed),
            Self::User(user) => !matches!(user, User::Unverifiable { .. }),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(answer) => answer.fmt(f),
            Self::Neighbours(answer) => answer.fmt(f),
            Self::Relay(answer) => answer.fmt(f),
            Self::User(answer) => answer.fmt(f),
        }
    }
}

impl fmt::Display for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answers => f.write_str("the host answers on its SMTP port"),
            Self::Silent => f.write_str("nobody answers on its SMTP port"),
            Self::Unknown { why } => write!(f, "nobody can tell whether it has an SMTP port: {why}"),
        }
    }
}

impl fmt::Display for Neighbours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answering, silent } = self;
        write!(f, "{answering} of {} neighbours answer on their SMTP ports", answering + silent)
    }
}

impl fmt::Display for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { forms } => {
                let forms: Vec<String> = forms.iter().map(ToString::to_string).collect();
                write!(f, "it relays for strangers: it accepts {}", forms.join(", "))
            }
            Self::Closed => f.write_str("it does not relay for strangers"),
            Self::Unreachable { why } => write!(f, "it could not be asked: {why}"),
            Self::Unclear { why } => write!(f, "its answers do not tell: {why}"),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "a plain address",
            Self::Literal => "an address literal",
            Self::Percent => "the percent hack",
            Self::Bang => "a bang path",
            Self::Quoted => "a quoted local part",
        })
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => f.write_str("the address exists"),
            Self::Missing { host, said } => write!(f, "the address does not exist: {host} said {said}"),
            Self::Unverifiable { obstacle, detail } if detail.is_empty() => {
                write!(f, "nobody can tell whether the address exists: {obstacle}")
            }
            Self::Unverifiable { obstacle, detail } => {
                write!(f, "nobody can tell whether the address exists: {obstacle} ({detail})")
            }
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CatchAll => "its domain accepts every name",
            Self::NullMx => "its domain takes no mail (null MX)",
            Self::NoMailHost => "its domain has no mail host",
            Self::LeadsToUs => "its mail comes to this host",
            Self::NotPublic => "its mail hosts have no public address",
            Self::OptedOut => "its mail hosts do not want to be asked",
            Self::RefusesUs => "its mail hosts do not want us",
            Self::Unreachable => "none of its mail hosts answers",
            Self::HeldBack => "its mail hosts are not asked just now",
            Self::Later => "its mail host can tell later",
            Self::Unclear => "its mail host says neither yes nor no",
            Self::NoDns => "the DNS does not answer",
        })
    }
}
