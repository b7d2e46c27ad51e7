//! The service extensions of an EHLO answer (RFC 5321 §4.1.1.1), as a set.
//!
//! The server writes it, the client reads it, the proxy intersects the two.

use std::fmt;

use crate::command::{XclientName, XforwardName};

/// An extension that is either offered or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Extension {
    /// `PIPELINING`, RFC 2920.
    Pipelining,
    /// `8BITMIME`, RFC 6152.
    EightBitMime,
    /// `SMTPUTF8`, RFC 6531.
    SmtpUtf8,
    /// `DSN`, RFC 3461.
    Dsn,
    /// `ENHANCEDSTATUSCODES`, RFC 2034.
    EnhancedStatusCodes,
    /// `CHUNKING` (BDAT), RFC 3030.
    Chunking,
    /// `BINARYMIME`, RFC 3030; useless without CHUNKING.
    BinaryMime,
    /// `STARTTLS`, RFC 3207.
    StartTls,
    /// `REQUIRETLS`, RFC 8689.
    RequireTls,
}

impl Extension {
    /// Every one, in the order in which an EHLO answer lists them.
    pub const ALL: [Extension; 9] = [
        Self::Pipelining,
        Self::EightBitMime,
        Self::SmtpUtf8,
        Self::Dsn,
        Self::EnhancedStatusCodes,
        Self::Chunking,
        Self::BinaryMime,
        Self::StartTls,
        Self::RequireTls,
    ];

    /// The EHLO keyword.
    #[must_use]
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Pipelining => "PIPELINING",
            Self::EightBitMime => "8BITMIME",
            Self::SmtpUtf8 => "SMTPUTF8",
            Self::Dsn => "DSN",
            Self::EnhancedStatusCodes => "ENHANCEDSTATUSCODES",
            Self::Chunking => "CHUNKING",
            Self::BinaryMime => "BINARYMIME",
            Self::StartTls => "STARTTLS",
            Self::RequireTls => "REQUIRETLS",
        }
    }

    /// Whether the extension is a promise about the message's whole way, so that every
    /// server on it must offer it. The others concern one connection only.
    #[must_use]
    pub const fn is_end_to_end(self) -> bool {
        matches!(self, Self::EightBitMime | Self::SmtpUtf8 | Self::Dsn | Self::BinaryMime | Self::RequireTls)
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// What a server offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    pub(crate) flags: u16,
    /// `SIZE` (RFC 1870): `None` where not offered, `Some(0)` without a fixed limit, else octets.
    pub size: Option<u64>,
    /// `AUTH` (RFC 4954): the mechanisms, upper case; empty where not offered.
    pub auth: Vec<String>,
    /// `XCLIENT`: the attributes; empty where not offered.
    pub xclient: Vec<XclientName>,
    /// `XFORWARD`: the attributes; empty where not offered.
    pub xforward: Vec<XforwardName>,
}

/// No server has more mechanisms than this; what comes behind is not read.
const MECHANISMS_MAX: usize = 32;

impl Extensions {
    /// Nothing offered, as after HELO.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds one.
    #[must_use]
    pub fn with(mut self, extension: Extension) -> Self {
        self.insert(extension);
        self
    }

    /// Adds `SIZE` with a limit in octets; 0 means no fixed limit.
    #[must_use]
    pub fn with_size(mut self, octets: u64) -> Self {
        self.size = Some(octets);
        self
    }

    /// Adds one.
    pub fn insert(&mut self, extension: Extension) {
        self.flags |= extension.bit();
    }

    /// Takes one away.
    pub fn remove(&mut self, extension: Extension) {
        self.flags &= !extension.bit();
    }

    /// Whether `extension` is offered.
    #[must_use]
    pub fn has(&self, extension: Extension) -> bool {
        self.flags & extension.bit() != 0
    }

    /// What a proxy that can do `self` may offer in front of a server that offers `behind`.
    ///
    /// A promise about the message's whole way needs both ([`Extension::is_end_to_end`]); of the two
    /// sizes the smaller counts; what concerns only the connection to the client stays as in `self`.
    #[must_use]
    pub fn intersect(&self, behind: &Extensions) -> Extensions {
        let mut both = self.clone();
        for extension in Extension::ALL {
            if extension.is_end_to_end() && !behind.has(extension) {
                both.remove(extension);
            }
        }
        // rfc3030 §3: a binary message can travel in chunks only.
        if !behind.has(Extension::Chunking) {
            both.remove(Extension::BinaryMime);
        }
        both.size = match (self.size, behind.size) {
            (Some(0), Some(limit)) | (Some(limit), Some(0) | None) => Some(limit),
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (None, _) => None,
        };
        both
    }

    /// Reads one line of an EHLO answer (behind the code). What is unknown is passed over.
    pub fn read_line(&mut self, line: &str) {
        let mut words = line.split_ascii_whitespace();
        let Some(keyword) = words.next() else { return };
        if let Some(extension) =
            Extension::ALL.into_iter().find(|e| e.keyword().eq_ignore_ascii_case(keyword))
        {
            self.insert(extension);
        } else if keyword.eq_ignore_ascii_case("SIZE") {
            // rfc1870 §4: a missing or zero value means no fixed limit.
            self.size = Some(words.next().and_then(|n| n.parse().ok()).unwrap_or(0));
        } else if keyword.eq_ignore_ascii_case("AUTH") {
            self.auth = words.take(MECHANISMS_MAX).map(str::to_ascii_uppercase).collect();
        } else if keyword.eq_ignore_ascii_case("XCLIENT") {
            self.xclient = words.take(XclientName::ALL.len()).filter_map(XclientName::parse).collect();
        } else if keyword.eq_ignore_ascii_case("XFORWARD") {
            self.xforward = words.take(XforwardName::ALL.len()).filter_map(XforwardName::parse).collect();
        }
    }

    /// The lines of an EHLO answer, without codes.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let size = self.size.map(|size| format!("SIZE {size}"));
        let flags = Extension::ALL.into_iter().filter(|e| self.has(*e)).map(|e| e.keyword().to_owned());
        let auth = list("AUTH", &self.auth);
        let xclient = list("XCLIENT", &self.xclient);
        let xforward = list("XFORWARD", &self.xforward);
        size.into_iter().chain(flags).chain(auth).chain(xclient).chain(xforward)
    }
}

fn list<T: fmt::Display>(keyword: &str, values: &[T]) -> Option<String> {
    let words: String = values.iter().map(|value| format!(" {value}")).collect();
    (!values.is_empty()).then(|| format!("{keyword}{words}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Extensions {
        let mut extensions = Extensions::none();
        for line in lines {
            extensions.read_line(line);
        }
        extensions
    }

    #[test]
    fn an_answer_is_read_and_written() {
        let lines = [
            "SIZE 52428800",
            "PIPELINING",
            "8BITMIME",
            "DSN",
            "STARTTLS",
            "AUTH PLAIN LOGIN",
            "XCLIENT NAME ADDR",
            "XFORWARD NAME ADDR SOURCE",
        ];
        let extensions = read(&lines);
        assert_eq!(extensions.lines().collect::<Vec<_>>(), lines);
        assert_eq!(read(&["size", "pipelining", "X-UNKNOWN a b", ""]).size, Some(0));
        assert!(read(&["pipelining"]).has(Extension::Pipelining));
    }

    #[test]
    fn a_proxy_promises_what_the_server_behind_can_keep() {
        let ours =
            read(&["SIZE 1000", "PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "BINARYMIME", "STARTTLS"]);
        let both = ours.intersect(&read(&["8BITMIME", "BINARYMIME", "SIZE 500"]));
        let expected = ["SIZE 500", "PIPELINING", "8BITMIME", "CHUNKING", "STARTTLS"];
        assert_eq!(both.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_smaller_size_counts_and_zero_is_no_limit() {
        for (ours, theirs, both) in [
            (Some(0), Some(7), Some(7)),
            (Some(7), Some(0), Some(7)),
            (Some(7), None, Some(7)),
            (Some(0), None, Some(0)),
            (Some(9), Some(7), Some(7)),
            (None, Some(7), None),
        ] {
            let a = Extensions { size: ours, ..Extensions::none() };
            let b = Extensions { size: theirs, ..Extensions::none() };
            assert_eq!(a.intersect(&b).size, both, "{ours:?} {theirs:?}");
        }
    }
}
