//! What a session may do and what it says about itself.

use std::time::Duration;

use postern_types::Domain;

/// The settings of all sessions of a listener.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This server's name, for the greeting.
    pub hostname: Domain,
    /// What CAPA says behind `IMPLEMENTATION`: a name without version tells attackers less.
    pub implementation: String,
    /// Whether passwords are taken without TLS.
    pub cleartext: Cleartext,
    /// How long a user must wait between two logins (RFC 2449 §6.5); not announced if zero.
    pub login_delay: Duration,
    /// How long mail is kept (RFC 2449 §6.7).
    pub expire: Expire,
    /// How much a client may ask for.
    pub limits: Limits,
}

/// How much a client may ask for.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Octets of a command line with its CRLF; 512 (RFC 2449 §4 and RFC 6856 §2.1 need 255).
    pub command_line: usize,
    /// Commands that are wrong before the session ends; 20.
    pub errors: u32,
    /// Logins that fail before the session ends; 3.
    pub logins: u32,
}

/// Whether passwords are taken over a connection that others can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleartext {
    /// Only over TLS.
    Refuse,
    /// Always: for loopback and for networks that are protected otherwise.
    Allow,
}

/// How long mail is kept on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expire {
    /// Until it is deleted.
    Never,
    /// This many days.
    Days(u32),
}

/// What the connection is at its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Not encrypted, and nothing can be done about it: no certificate.
    Plain,
    /// Not encrypted yet; STLS is offered.
    Upgradable,
    /// TLS.
    Encrypted,
}

impl Settings {
    /// The product's defaults for a server of this name.
    #[must_use]
    pub fn new(hostname: Domain) -> Self {
        Self {
            hostname,
            implementation: "Postern".into(),
            cleartext: Cleartext::Refuse,
            login_delay: Duration::ZERO,
            expire: Expire::Never,
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { command_line: 512, errors: 20, logins: 3 }
    }
}
