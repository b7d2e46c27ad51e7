//! What a question comes back with: found, stated to be absent, or unknown.

use std::fmt;
use std::io;
use std::time::Duration;

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// The records, and how long they stay true.
    Found {
        /// What was asked for.
        value: T,
        /// What is left of the shortest TTL in the answer.
        ttl: Duration,
    },
    /// A server stated that there is no such record.
    NotFound(Absent),
    /// Nobody could tell: never a reason to refuse anybody for good.
    Unknown(Unknown),
}

/// What a server stated to be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Absent {
    /// NXDOMAIN: the name does not exist, for no type.
    NxDomain,
    /// NODATA: the name exists, but has no record of this type (RFC 2308 §2.2).
    NoData,
    /// There are records, but none holds a valid host name.
    Unusable,
}

/// Why nobody could tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unknown {
    /// No answer within the deadline.
    Timeout,
    /// A server answered with an error, such as SERVFAIL (2) or REFUSED (5).
    Failure(u16),
    /// No server could be reached.
    Network(io::ErrorKind),
    /// The answer could not be read, or is none to this question.
    Malformed,
    /// The server knows nothing of the zone and does not ask others.
    Lame,
    /// A chain of aliases that is too long or comes back to itself.
    AliasLoop,
    /// There are more records than are kept, and what was looked for may be among the rest.
    TooMany,
    /// Too many questions are on their way already.
    Overloaded,
    /// The program is stopping.
    Stopped,
}

impl<T> Answer<T> {
    /// The value, where there is one.
    pub fn found(self) -> Option<T> {
        match self {
            Self::Found { value, .. } => Some(value),
            _ => None,
        }
    }

    /// Whether there is a value.
    pub fn is_found(&self) -> bool {
        matches!(self, Self::Found { .. })
    }

    /// Whether a server stated that there is none.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_))
    }

    /// Whether nobody could tell.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// The same answer about something made of the value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Found { value, ttl } => Answer::Found { value: change(value), ttl },
            Self::NotFound(absent) => Answer::NotFound(absent),
            Self::Unknown(why) => Answer::Unknown(why),
        }
    }
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NxDomain => "the name does not exist",
            Self::NoData => "the name has no such record",
            Self::Unusable => "the records hold no valid host name",
        })
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("no answer in time"),
            Self::Failure(2) => f.write_str("the server answered SERVFAIL"),
            Self::Failure(5) => f.write_str("the server answered REFUSED"),
            Self::Failure(code) => write!(f, "the server answered with error {code}"),
            Self::Network(kind) => write!(f, "no server could be reached: {kind}"),
            Self::Malformed => f.write_str("the answer could not be read"),
            Self::Lame => f.write_str("the server knows nothing of the zone"),
            Self::AliasLoop => f.write_str("the aliases never end"),
            Self::TooMany => f.write_str("there are too many records"),
            Self::Overloaded => f.write_str("too many questions are waiting"),
            Self::Stopped => f.write_str("the program is stopping"),
        }
    }
}
