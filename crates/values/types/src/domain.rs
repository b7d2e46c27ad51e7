//! Domain names as mail uses them (RFC 5321 §2.3.5, RFC 5890): ASCII, lower case.

use std::fmt;
use std::str::FromStr;

/// A domain name, valid and normalised: A-labels, lower case, no trailing dot.
///
/// At most 253 octets, labels of 1 to 63 octets from letters, digits, `-` and `_`
/// (RFC 1035 §2.3.4; `_` is not in RFC 5321's grammar but lives in the DNS). U-labels
/// are converted by IDNA (UTS 46), so `Bücher.example` and `xn--bcher-kva.example`
/// are the same value. A single label (`localhost`) is allowed.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(Box<str>);

/// Why a text is not a domain name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// Nothing there.
    #[error("the domain name is empty")]
    Empty,
    /// More than 253 octets.
    #[error("the domain name is longer than 253 octets")]
    TooLong,
    /// A label is empty or longer than 63 octets.
    #[error("a label of the domain name is empty or longer than 63 octets")]
    Label,
    /// A character that no domain name holds.
    #[error("the domain name holds a character that is not allowed there")]
    Character,
    /// IDNA refuses the name.
    #[error("the domain name is not a valid internationalised name")]
    Idna,
}

impl Domain {
    /// Reads a domain name; a trailing dot is dropped.
    ///
    /// # Errors
    /// [`DomainError`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(DomainError::Empty);
        }
        // U-labels shrink or grow by at most a few times: refuse what can never fit.
        if text.len() > 1024 {
            return Err(DomainError::TooLong);
        }
        if text.is_ascii() {
            Self::from_ascii(text)
        } else {
            let ascii = idna::domain_to_ascii(text).map_err(|_| DomainError::Idna)?;
            Self::from_ascii(&ascii)
        }
    }

    fn from_ascii(text: &str) -> Result<Self, DomainError> {
        if text.len() > 253 {
            return Err(DomainError::TooLong);
        }
        for label in text.split('.') {
            if label.is_empty() || label.len() > 63 {
                return Err(DomainError::Label);
            }
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            if !label.bytes().all(allowed) {
                return Err(DomainError::Character);
            }
            if label.starts_with('-') || label.ends_with('-') {
                return Err(DomainError::Character);
            }
        }
        Ok(Self(text.to_ascii_lowercase().into_boxed_str()))
    }

    /// The name in ASCII (A-labels), lower case, no trailing dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as people read it (U-labels where the A-labels are valid).
    #[must_use]
    pub fn to_unicode(&self) -> String {
        let (name, result) = idna::domain_to_unicode(&self.0);
        if result.is_ok() { name } else { self.0.to_string() }
    }

    /// Whether this is `other` or lies below it: `a.b.example` is within `b.example`.
    #[must_use]
    pub fn is_within(&self, other: &Domain) -> bool {
        self.0.strip_suffix(&*other.0).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// The name without its first label; `None` for a single label.
    #[must_use]
    pub fn parent(&self) -> Option<Domain> {
        self.0.split_once('.').map(|(_, rest)| Self(rest.into()))
    }

    /// The labels, leftmost first.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// Whether the name has at least two labels (RFC 5321 §2.3.5: fully qualified).
    #[must_use]
    pub fn is_qualified(&self) -> bool {
        self.0.contains('.')
    }
}

impl FromStr for Domain {
    type Err = DomainError;
    fn from_str(text: &str) -> Result<Self, DomainError> {
        Self::parse(text)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

crate::path::text_serde!(Domain);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised() {
        assert_eq!(Domain::parse("Example.TEST.").unwrap().as_str(), "example.test");
        assert_eq!(Domain::parse("Bücher.example").unwrap(), Domain::parse("xn--bcher-kva.example").unwrap());
        assert_eq!(Domain::parse("xn--bcher-kva.example").unwrap().to_unicode(), "bücher.example");
    }

    #[test]
    fn bad_names_are_refused() {
        for (text, error) in [
            ("", DomainError::Empty),
            (".", DomainError::Empty),
            ("a..b", DomainError::Label),
            (".a", DomainError::Label),
            ("a b", DomainError::Character),
            ("a\r\nb", DomainError::Character),
            ("-a.example", DomainError::Character),
        ] {
            assert_eq!(Domain::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(Domain::parse(&"a.".repeat(200)), Err(DomainError::TooLong));
        assert_eq!(Domain::parse(&format!("{}.b", "a".repeat(64))), Err(DomainError::Label));
    }

    #[test]
    fn within_respects_label_borders() {
        let example = Domain::parse("b.example").unwrap();
        assert!(Domain::parse("a.b.example").unwrap().is_within(&example));
        assert!(example.is_within(&example));
        assert!(!Domain::parse("ab.example").unwrap().is_within(&example));
    }
}
