//! XCLIENT and XFORWARD: what a trusted neighbour tells about the client behind it.
//!
//! As Postfix documents them in XCLIENT_README and XFORWARD_README: `NAME=xtext` words;
//! `[UNAVAILABLE]` and `[TEMPUNAVAIL]` stand for what is not known.

use std::fmt;

use super::CommandError;

/// An attribute of XCLIENT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum XclientName {
    /// Client host name.
    Name,
    /// Client address; IPv6 with the prefix `IPV6:`.
    Addr,
    /// Client port.
    Port,
    /// `SMTP` or `ESMTP`.
    Proto,
    /// The HELO name.
    Helo,
    /// The SASL login.
    Login,
    /// The server address that the client connected to.
    DestAddr,
    /// Its port.
    DestPort,
}

/// An attribute of XFORWARD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum XforwardName {
    /// Client host name.
    Name,
    /// Client address; IPv6 with the prefix `IPV6:`.
    Addr,
    /// Client port.
    Port,
    /// `SMTP` or `ESMTP`.
    Proto,
    /// The HELO name.
    Helo,
    /// The identity of the message at the neighbour (its queue or trace id).
    Ident,
    /// `LOCAL` or `REMOTE`.
    Source,
}

macro_rules! names {
    ($name:ident, $count:literal: $($variant:ident = $text:literal),* $(,)?) => {
        impl $name {
            /// Every one, in the order of the documentation.
            pub const ALL: [$name; $count] = [$($name::$variant),*];

            /// From its text, in any case.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|name| name.as_str().eq_ignore_ascii_case(text))
            }

            /// Its text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
names!(XclientName, 8: Name = "NAME", Addr = "ADDR", Port = "PORT", Proto = "PROTO", Helo = "HELO",
    Login = "LOGIN", DestAddr = "DESTADDR", DestPort = "DESTPORT");
names!(XforwardName, 7: Name = "NAME", Addr = "ADDR", Port = "PORT", Proto = "PROTO", Helo = "HELO",
    Ident = "IDENT", Source = "SOURCE");

/// Names with values, each name at most once, in the order of the wire. A value is `None`
/// where the neighbour says that it has none (`[UNAVAILABLE]`, `[TEMPUNAVAIL]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes<N> {
    pub(super) pairs: Vec<(N, Option<String>)>,
}

/// The attributes of an XCLIENT command.
pub type Xclient = Attributes<XclientName>;
/// The attributes of an XFORWARD command.
pub type Xforward = Attributes<XforwardName>;

impl<N> Default for Attributes<N> {
    fn default() -> Self {
        Self { pairs: Vec::new() }
    }
}

/// As Postfix has it: a value of at most 255 characters.
const VALUE_MAX: usize = 255;

/// A value from its xtext.
pub(super) fn value(xtext: &str) -> Result<String, CommandError> {
    crate::xtext::decode(xtext)
        .filter(|text| text.len() <= VALUE_MAX && !text.chars().any(char::is_control))
        .ok_or(CommandError::BadParameter("value of an attribute"))
}

impl<N: Copy + PartialEq> Attributes<N> {
    /// No attributes yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one, over an earlier value. Longer values are cut at 255 octets, control characters become `?`.
    #[must_use]
    pub fn with(mut self, name: N, value: Option<&str>) -> Self {
        self.pairs.retain(|(n, _)| *n != name);
        let value = value.map(|text| {
            let cut = (0..=VALUE_MAX.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
            text[..cut].replace(char::is_control, "?")
        });
        self.pairs.push((name, value.filter(|text| !text.is_empty())));
        self
    }

    /// Whether `name` was given, with a value or as unavailable.
    #[must_use]
    pub fn names(&self, name: N) -> bool {
        self.pairs.iter().any(|(n, _)| *n == name)
    }

    /// The value of `name`, where there is one.
    #[must_use]
    pub fn value(&self, name: N) -> Option<&str> {
        self.pairs.iter().find(|(n, _)| *n == name)?.1.as_deref()
    }

    /// Without those that `offered` does not hold.
    #[must_use]
    pub fn only(mut self, offered: &[N]) -> Self {
        self.pairs.retain(|(name, _)| offered.contains(name));
        self
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

impl Xclient {
    /// `ADDR` as an address, where it is one.
    #[must_use]
    pub fn client_ip(&self) -> Option<std::net::IpAddr> {
        parse_ip(self.value(XclientName::Addr)?)
    }
}

impl Xforward {
    /// `ADDR` as an address, where it is one.
    #[must_use]
    pub fn client_ip(&self) -> Option<std::net::IpAddr> {
        parse_ip(self.value(XforwardName::Addr)?)
    }
}

fn parse_ip(text: &str) -> Option<std::net::IpAddr> {
    match text.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPV6:") => {
            text[5..].parse::<std::net::Ipv6Addr>().ok().map(Into::into)
        }
        _ => text.parse::<std::net::Ipv4Addr>().ok().map(Into::into),
    }
}
