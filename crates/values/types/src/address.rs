//! Mailbox addresses (RFC 5321 §4.1.2, RFC 6531 for UTF-8).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::{Domain, DomainError};

/// The part left of the `@`, without quoting.
///
/// 1 to 256 octets of UTF-8 with no control characters. RFC 5321 §4.5.3.1.1 asks for at
/// least 64; longer ones (VERP, SRS) are common, so the bound is wider.
/// Comparison is exact (RFC 5321 §2.4: only the final host may fold case).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalPart(Box<str>);

/// The part right of the `@`: a domain, or an address literal (RFC 5321 §4.1.3).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// `example.test`
    Domain(Domain),
    /// `[192.0.2.1]` or `[IPv6:2001:db8::1]`
    Literal(IpAddr),
}

/// A mailbox address: `local@host`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    local: LocalPart,
    host: Host,
}

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no `@` outside quotes.
    #[error("the address has no @")]
    NoAt,
    /// Nothing stands left of the `@`.
    #[error("the address has nothing left of the @")]
    EmptyLocal,
    /// More than 256 octets stand left of the `@`.
    #[error("the part left of the @ is longer than 256 octets")]
    LocalTooLong,
    /// A character, a dot in the wrong place or an unfinished quote left of the `@`.
    #[error("the part left of the @ holds what may not stand there without quotes")]
    LocalSyntax,
    /// The domain is not one.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// `[…]` holds no IP address.
    #[error("the address literal in brackets is not an IP address")]
    Literal,
}

const LOCAL_MAX: usize = 256;

/// rfc5321 §4.1.2 with rfc6531 §3.3: atext, and every non-ASCII character.
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && !c.is_control())
}

impl LocalPart {
    /// A local part from its meaning, that is without quotes and backslashes.
    ///
    /// # Errors
    /// Empty, too long, or with control characters.
    pub fn from_unquoted(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::EmptyLocal);
        }
        if text.len() > LOCAL_MAX {
            return Err(AddressError::LocalTooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(AddressError::LocalSyntax);
        }
        Ok(Self(text.into()))
    }

    /// A local part as it stands in a path: a dot-string or a quoted string.
    ///
    /// # Errors
    /// What is neither.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if let Some(inner) = text.strip_prefix('"') {
            return Self::from_unquoted(&unquote(inner)?);
        }
        if text.is_empty() {
            return Err(AddressError::EmptyLocal);
        }
        // rfc5321 §4.1.2: Dot-string = Atom *("." Atom)
        if text.split('.').any(|atom| atom.is_empty() || !atom.chars().all(is_atext)) {
            return Err(AddressError::LocalSyntax);
        }
        Self::from_unquoted(text)
    }

    /// The local part without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_dot_string(&self) -> bool {
        self.0.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
    }
}

/// The inside of a quoted string; `inner` starts behind the opening quote.
fn unquote(inner: &str) -> Result<String, AddressError> {
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    loop {
        match chars.next() {
            Some('\\') => out.push(chars.next().ok_or(AddressError::LocalSyntax)?),
            Some('"') => break,
            Some(c) => out.push(c),
            None => return Err(AddressError::LocalSyntax),
        }
    }
    if chars.next().is_some() { Err(AddressError::LocalSyntax) } else { Ok(out) }
}

impl Host {
    /// A domain or an address literal in brackets.
    ///
    /// # Errors
    /// What is neither.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let Some(inner) = text.strip_prefix('[') else {
            return Ok(Self::Domain(Domain::parse(text)?));
        };
        let inner = inner.strip_suffix(']').ok_or(AddressError::Literal)?;
        // rfc5321 §4.1.3: IPv6-address-literal = "IPv6:" IPv6-addr
        let is_v6 = inner.get(..5).is_some_and(|tag| tag.eq_ignore_ascii_case("IPv6:"));
        if is_v6 {
            let ip: Ipv6Addr = inner[5..].parse().map_err(|_| AddressError::Literal)?;
            Ok(Self::Literal(ip.into()))
        } else {
            let ip: Ipv4Addr = inner.parse().map_err(|_| AddressError::Literal)?;
            Ok(Self::Literal(ip.into()))
        }
    }

    /// The domain, where it is one.
    #[must_use]
    pub fn domain(&self) -> Option<&Domain> {
        match self {
            Self::Domain(domain) => Some(domain),
            Self::Literal(_) => None,
        }
    }
}

impl Address {
    /// An address from its parts.
    #[must_use]
    pub fn new(local: LocalPart, host: Host) -> Self {
        Self { local, host }
    }

    /// `local@host` as it stands in a path (no angle brackets).
    ///
    /// # Errors
    /// [`AddressError`] says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let at = at_sign(text).ok_or(AddressError::NoAt)?;
        Ok(Self { local: LocalPart::parse(&text[..at])?, host: Host::parse(&text[at + 1..])? })
    }

    /// The part left of the `@`.
    #[must_use]
    pub fn local(&self) -> &LocalPart {
        &self.local
    }

    /// The part right of the `@`.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The domain, where the host is one.
    #[must_use]
    pub fn domain(&self) -> Option<&Domain> {
        self.host.domain()
    }

    /// Whether the address needs SMTPUTF8 (RFC 6531) to travel.
    #[must_use]
    pub fn needs_utf8(&self) -> bool {
        !self.local.0.is_ascii()
    }
}

/// The `@` that ends the local part: the last one outside quotes.
fn at_sign(text: &str) -> Option<usize> {
    if !text.starts_with('"') {
        return text.rfind('@');
    }
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return text[i + 1..].starts_with('@').then_some(i + 1),
            _ => {}
        }
    }
    None
}

impl fmt::Display for LocalPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_dot_string() {
            return f.write_str(&self.0);
        }
        f.write_str("\"")?;
        for c in self.0.chars() {
            if c == '"' || c == '\\' {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        f.write_str("\"")
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => domain.fmt(f),
            Self::Literal(IpAddr::V4(ip)) => write!(f, "[{ip}]"),
            Self::Literal(IpAddr::V6(ip)) => write!(f, "[IPv6:{ip}]"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.host)
    }
}

impl FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl FromStr for Host {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl From<Domain> for Host {
    fn from(domain: Domain) -> Self {
        Self::Domain(domain)
    }
}

macro_rules! debug_as_display {
    ($($name:ty),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}
debug_as_display!(LocalPart, Host, Address);
crate::path::text_serde!(Host, Address);

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &str) -> String {
        Address::parse(text).unwrap().to_string()
    }

    #[test]
    fn addresses_keep_their_meaning() {
        assert_eq!(round("Ann.B@Example.TEST"), "Ann.B@example.test");
        assert_eq!(round("\"a b\"@example.test"), "\"a b\"@example.test");
        assert_eq!(round("\"ann\"@example.test"), "ann@example.test");
        assert_eq!(round("\"a\\\"@b\"@example.test"), "\"a\\\"@b\"@example.test");
        assert_eq!(round("a@[192.0.2.1]"), "a@[192.0.2.1]");
        assert_eq!(round("a@[ipv6:2001:db8::1]"), "a@[IPv6:2001:db8::1]");
        assert_eq!(round("jürgen@bücher.example"), "jürgen@xn--bcher-kva.example");
    }

    #[test]
    fn bad_addresses_are_refused() {
        use AddressError::*;
        for (text, error) in [
            ("ann", NoAt),
            ("@example.test", EmptyLocal),
            ("a..b@example.test", LocalSyntax),
            ("a b@example.test", LocalSyntax),
            ("\"a@example.test", NoAt),
            ("\"a\"b@example.test", NoAt),
            ("a@[300.0.0.1]", Literal),
            ("a@[192.0.2.1", Literal),
            ("a@", Domain(DomainError::Empty)),
            ("a@x\r\ny", Domain(DomainError::Character)),
            ("a\r\nb@x", LocalSyntax),
        ] {
            assert_eq!(Address::parse(text), Err(error), "{text:?}");
        }
    }
}
