//! The `Received` field that a server puts on top of a message (RFC 5321 §4.4).

use std::fmt;
use std::net::IpAddr;

use postern_types::{Address, Domain, Host, Timestamp, TraceId};

/// RFC 5322 §2.1.1: lines should have at most 78 characters without CRLF.
const WIDTH: usize = 78;
/// How much of a HELO name that is no domain is repeated.
const HELO_MAX: usize = 255;

/// How a message came, for the `with` clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Greeted by HELO.
    Smtp,
    /// Greeted by EHLO.
    Esmtp,
    /// Greeted by LHLO (RFC 2033).
    Lmtp,
}

/// The `with` clause: the protocol and what was in force (RFC 3848, RFC 6531 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Transmission {
    /// The protocol.
    pub protocol: Protocol,
    /// The connection was encrypted.
    pub tls: bool,
    /// The client had signed in.
    pub authenticated: bool,
    /// `MAIL` carried `SMTPUTF8`.
    pub utf8: bool,
}

/// The facts of a `Received` field. [`Received::encode`] writes it.
#[derive(Clone, Debug)]
pub struct Received<'a> {
    /// What the client called itself, as it said it; may be hostile.
    pub helo: &'a str,
    /// The name of `ip` in the DNS, where it is confirmed.
    pub name: Option<&'a Domain>,
    /// The client's address.
    pub ip: IpAddr,
    /// This server.
    pub by: &'a Domain,
    /// How the message came.
    pub with: Transmission,
    /// TLS version and cipher for the reader, such as `TLSv1.3 with TLS13_AES_256_GCM_SHA384`.
    pub tls: Option<&'a str>,
    /// The trace id.
    pub id: TraceId,
    /// The recipient, only where there is exactly one (RFC 5321 §7.2 on blind copies).
    pub recipient: Option<&'a Address>,
    /// When the message came.
    pub at: Timestamp,
}

impl fmt::Display for Transmission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.protocol, self.utf8) {
            (Protocol::Lmtp, true) => "UTF8LMTP",
            (Protocol::Lmtp, false) => "LMTP",
            (_, true) => "UTF8SMTP",
            (Protocol::Esmtp, false) => "ESMTP",
            // No keyword is registered for HELO with TLS or AUTH; both need EHLO (rfc3848 §1).
            (Protocol::Smtp, false) if self.tls || self.authenticated => "ESMTP",
            (Protocol::Smtp, false) => "SMTP",
        })?;
        f.write_str(if self.tls { "S" } else { "" })?;
        f.write_str(if self.authenticated { "A" } else { "" })
    }
}

impl Received<'_> {
    /// Appends the field with its name, every line ended by CRLF.
    ///
    /// Lines are folded at 78 characters where there is a place to fold, and never longer
    /// than 998. Nothing that a client said can end the field or a comment early.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut lines = Folded::new(out, "Received:");
        self.origin(&mut lines);
        if let Some(tls) = self.tls {
            lines.item(&format!("(using {})", comment(tls)));
        }
        lines.fold();
        lines.item("by");
        lines.item(self.by.as_str());
        lines.item("with");
        lines.item(&self.with.to_string());
        lines.item("id");
        // rfc5321 §4.4: optional information first, then ";" and the date.
        match self.recipient.filter(|address| self.with.utf8 || !address.needs_utf8()) {
            Some(address) => {
                lines.item(&self.id.to_string());
                lines.fold();
                lines.item("for");
                lines.item(&format!("<{address}>;"));
            }
            None => lines.item(&format!("{};", self.id)),
        }
        lines.fold();
        lines.item(&self.at.to_rfc5322());
        lines.end();
    }

    /// `from` with what the client claimed and, in the comment, what we know.
    fn origin(&self, lines: &mut Folded<'_>) {
        let literal = Host::Literal(self.ip.to_canonical());
        let known = match self.name {
            Some(name) => format!("({name} {literal})"),
            None => format!("(unknown {literal})"),
        };
        lines.item("from");
        match Host::parse(self.helo) {
            Ok(claimed) => {
                lines.item(&claimed.to_string());
                lines.item(&known);
            }
            // Not a name at all: the grammar has no place for it but a comment.
            Err(_) => {
                lines.item(&literal.to_string());
                lines.item(&known);
                lines.item(&format!("(HELO {})", comment(self.helo)));
            }
        }
    }
}

/// Text that can stand in a comment (RFC 5322 §3.2.2): printable ASCII, parentheses and
/// backslashes quoted, everything else `?`, at most [`HELO_MAX`] characters of the input.
fn comment(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(HELO_MAX) {
        match c {
            '(' | ')' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => out.push('?'),
        }
    }
    out
}

/// Writes items separated by spaces, and starts a new line where the next would pass [`WIDTH`].
struct Folded<'a> {
    out: &'a mut Vec<u8>,
    column: usize,
    fresh: bool,
}

impl<'a> Folded<'a> {
    fn new(out: &'a mut Vec<u8>, name: &str) -> Self {
        out.extend_from_slice(name.as_bytes());
        Self { out, column: name.len(), fresh: false }
    }

    fn item(&mut self, item: &str) {
        if !self.fresh && self.column + 1 + item.len() > WIDTH {
            self.fold();
        }
        if !self.fresh {
            self.out.push(b' ');
            self.column += 1;
        }
        self.out.extend_from_slice(item.as_bytes());
        self.column += item.len();
        self.fresh = false;
    }

    fn fold(&mut self) {
        self.out.extend_from_slice(b"\r\n\t");
        self.column = 8;
        self.fresh = true;
    }

    fn end(self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: Transmission =
        Transmission { protocol: Protocol::Esmtp, tls: false, authenticated: false, utf8: false };

    fn received<'a>(helo: &'a str, by: &'a Domain) -> Received<'a> {
        Received {
            helo,
            name: None,
            ip: "192.0.2.9".parse().unwrap(),
            by,
            with: PLAIN,
            tls: None,
            id: TraceId::from_i64(1).unwrap(),
            recipient: None,
            at: Timestamp::from_millis(0),
        }
    }

    fn text(received: &Received<'_>) -> String {
        let mut out = Vec::new();
        received.encode(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_message_for_one_recipient_over_tls() {
        let by = Domain::parse("mx.example.test").unwrap();
        let name = Domain::parse("out.example.org").unwrap();
        let ann = Address::parse("ann@example.test").unwrap();
        let field = Received {
            name: Some(&name),
            with: Transmission { tls: true, ..PLAIN },
            tls: Some("TLSv1.3 with TLS13_AES_256_GCM_SHA384"),
            recipient: Some(&ann),
            ..received("mail.example.org", &by)
        };
        assert_eq!(
            text(&field),
            "Received: from mail.example.org (out.example.org [192.0.2.9])\r\n\
             \t(using TLSv1.3 with TLS13_AES_256_GCM_SHA384)\r\n\
             \tby mx.example.test with ESMTPS id 0000000000001\r\n\
             \tfor <ann@example.test>;\r\n\
             \tThu, 1 Jan 1970 00:00:00 +0000\r\n"
        );
    }

    #[test]
    fn several_recipients_are_not_named() {
        let by = Domain::parse("mx.example.test").unwrap();
        assert_eq!(
            text(&received("[192.0.2.9]", &by)),
            "Received: from [192.0.2.9] (unknown [192.0.2.9])\r\n\
             \tby mx.example.test with ESMTP id 0000000000001;\r\n\
             \tThu, 1 Jan 1970 00:00:00 +0000\r\n"
        );
    }

    #[test]
    fn a_hostile_helo_stays_inside_its_comment() {
        let by = Domain::parse("mx.example.test").unwrap();
        assert_eq!(
            text(&received("x) by evil\r\nSubject: hi\\", &by)),
            "Received: from [192.0.2.9] (unknown [192.0.2.9])\r\n\
             \t(HELO x\\) by evil??Subject: hi\\\\)\r\n\
             \tby mx.example.test with ESMTP id 0000000000001;\r\n\
             \tThu, 1 Jan 1970 00:00:00 +0000\r\n"
        );
    }

    #[test]
    fn an_address_that_needs_utf8_is_named_only_in_utf8_messages() {
        let by = Domain::parse("mx.example.test").unwrap();
        let recipient = Address::parse("jürgen@example.test").unwrap();
        let mut field = Received { recipient: Some(&recipient), ..received("a.example", &by) };
        assert!(!text(&field).contains("for "));
        field.with.utf8 = true;
        assert!(text(&field).contains("with UTF8SMTP id"));
        assert!(text(&field).contains("for <jürgen@example.test>;"));
    }

    #[test]
    fn every_combination_has_its_keyword() {
        let word = |protocol, tls, authenticated, utf8| {
            Transmission { protocol, tls, authenticated, utf8 }.to_string()
        };
        assert_eq!(word(Protocol::Smtp, false, false, false), "SMTP");
        assert_eq!(word(Protocol::Smtp, true, false, false), "ESMTPS");
        assert_eq!(word(Protocol::Esmtp, true, true, false), "ESMTPSA");
        assert_eq!(word(Protocol::Esmtp, false, true, true), "UTF8SMTPA");
        assert_eq!(word(Protocol::Lmtp, true, true, true), "UTF8LMTPSA");
        assert_eq!(word(Protocol::Lmtp, false, false, false), "LMTP");
    }

    proptest! {
        #[test]
        fn no_client_can_break_a_line(helo in any::<String>(), tls in any::<Option<String>>(),
                                      local in "[^\\p{Cc}]{1,60}", ip in any::<IpAddr>()) {
            let by = Domain::parse("mx.example.test").unwrap();
            let local = postern_types::LocalPart::from_unquoted(&local).unwrap();
            let recipient = Address::new(local, Host::Domain(by.clone()));
            let with = Transmission { utf8: true, ..PLAIN };
            let field = Received {
                tls: tls.as_deref(), ip, recipient: Some(&recipient), with, ..received(&helo, &by)
            };
            let text = text(&field);
            let lines: Vec<&str> = text.strip_suffix("\r\n").unwrap().split("\r\n").collect();
            for (i, line) in lines.iter().enumerate() {
                prop_assert!(line.len() <= 998, "{} characters", line.len());
                prop_assert!(!line.contains(['\r', '\n']));
                prop_assert!(i == 0 || line.starts_with('\t'));
            }
            // The field is one field, and its comments are closed where we closed them.
            prop_assert_eq!(crate::Fields::new(text.as_bytes()).count(), 1);
        }
    }
}
