//! What the server side allows: limits (with Postfix's counterparts) and leniency.

use postern_types::Domain;

use crate::command::PathSyntax;
use crate::{BareNewline, Flavour};

/// How much of everything a client may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of one command line with its CRLF; 2048 (Postfix: `line_length_limit`).
    pub command_line: usize,
    /// Octets of one line of a message without its CRLF; 1 MiB. RFC 5321 §4.5.3.1.6 asks for 998; longer
    /// ones are common in the wild and cost nothing here, as bodies are streamed. Beyond it the message is
    /// refused, never rewritten (Postfix breaks the line, which breaks signatures).
    pub data_line: usize,
    /// Accepted recipients of one transaction; 1000 (Postfix: `smtpd_recipient_limit`).
    pub recipients: usize,
    /// Recipients over that limit that are answered `452` before they count as errors; 1000
    /// (Postfix: `smtpd_recipient_overshoot_limit`).
    pub recipient_overshoot: usize,
    /// Octets of a message; 50 MB (Postfix: `message_size_limit`, there 10 MB). The `SIZE` that
    /// the extensions offer is cut to it.
    pub message_size: u64,
    /// Errors from which on each one is an [`super::Event::Slow`]; 10 (Postfix: `smtpd_soft_error_limit`).
    pub soft_errors: u32,
    /// Errors with which the session ends; 20 (Postfix: `smtpd_hard_error_limit`).
    pub hard_errors: u32,
    /// Commands that do nothing (NOOP, RSET, VRFY, EHLO …) before each counts as an error;
    /// 100 (Postfix: `smtpd_junk_command_limit`).
    pub junk_commands: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_line: 2048,
            data_line: 1 << 20,
            recipients: 1000,
            recipient_overshoot: 1000,
            message_size: 50_000_000,
            soft_errors: 10,
            hard_errors: 20,
            junk_commands: 100,
        }
    }
}

/// What all sessions of one listener share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Our name in greeting and EHLO answer.
    pub hostname: Domain,
    /// What stands behind name and protocol in the greeting.
    pub banner: String,
    /// SMTP or LMTP.
    pub flavour: Flavour,
    /// How much of everything.
    pub limits: Limits,
    /// What a lone CR or LF does.
    pub bare_newline: BareNewline,
    /// Whether paths need their angle brackets.
    pub paths: PathSyntax,
}

impl Settings {
    /// The defaults, under a name.
    #[must_use]
    pub fn new(hostname: Domain) -> Self {
        Self {
            hostname,
            banner: "Postern".to_owned(),
            flavour: Flavour::Smtp,
            limits: Limits::default(),
            bare_newline: BareNewline::Refuse,
            paths: PathSyntax::Strict,
        }
    }
}
