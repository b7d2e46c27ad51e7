//! The two paths of the envelope (RFC 5321 §4.1.2).

use std::fmt;

use crate::Address;

/// `MAIL FROM`: an address, or `<>` for what must never be answered (RFC 5321 §4.5.5).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReversePath {
    /// `<>`, the sender of bounces.
    Null,
    /// An ordinary sender.
    Address(Address),
}

/// `RCPT TO`: an address, or the bare `<Postmaster>` (RFC 5321 §4.5.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ForwardPath {
    /// `<Postmaster>` with no domain.
    Postmaster,
    /// An ordinary recipient.
    Address(Address),
}

impl ReversePath {
    /// The address, where there is one.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Address(address) => Some(address),
        }
    }

    /// The path from its text without angle brackets; empty is the null path.
    ///
    /// # Errors
    /// As [`Address::parse`].
    pub fn parse(text: &str) -> Result<Self, crate::AddressError> {
        if text.is_empty() { Ok(Self::Null) } else { Address::parse(text).map(Self::Address) }
    }
}

impl ForwardPath {
    /// The address, where there is one.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Postmaster => None,
            Self::Address(address) => Some(address),
        }
    }
}

/// Without angle brackets; the null path is empty.
impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address().map_or(Ok(()), |address| address.fmt(f))
    }
}

/// Without angle brackets.
impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => f.write_str("postmaster"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// serde as the text that `Display` writes and `parse` reads.
macro_rules! text_serde {
    ($($name:ty),*) => {$(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    )*};
}
pub(crate) use text_serde;
text_serde!(ReversePath);
