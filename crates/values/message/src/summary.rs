//! What a message is about: the fields people read, its parts, its text; within bounds.

use std::borrow::Cow;
use std::ops::Range;

use mail_parser::{Addr, Message};
use postern_types::Timestamp;

use crate::collector::DEFAULT_HEADER_SIZE;
use crate::mime::{self, Encoding, Walk};

/// How far a message is looked into.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Bytes of each header, the message's and its parts'; 102,400.
    pub header: usize,
    /// Levels of nesting; 32.
    pub depth: usize,
    /// Parts, containers included; 1,000.
    pub parts: usize,
    /// Bytes of the text as it stands in the message; 1 MiB.
    pub text: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { header: DEFAULT_HEADER_SIZE, depth: 32, parts: 1000, text: 1 << 20 }
    }
}

/// An address as it stands in `From` or `To`: not checked, only found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The display name, decoded.
    pub name: Option<String>,
    /// What should be `local@domain`.
    pub address: String,
}

/// One part of a message: a leaf, or the container of the parts that follow it, one level deeper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The media type in lower case, `text/plain` where none is stated.
    pub content_type: String,
    /// The file name, decoded.
    pub name: Option<String>,
    /// Bytes of the content without its transfer encoding; for containers, of everything inside.
    pub size: u64,
    /// Whether it is to be shown as a file of its own.
    pub attachment: bool,
    /// Its level; the message itself is 0.
    pub depth: usize,
    pub(crate) body: Range<usize>,
    pub(crate) encoding: Encoding,
}

impl Part {
    /// The content without its transfer encoding; `message` is what the summary was read from.
    /// What is not validly encoded is given as it stands.
    #[must_use]
    pub fn content<'a>(&self, message: &'a [u8]) -> Cow<'a, [u8]> {
        mime::decode(message.get(self.body.clone()).unwrap_or_default(), self.encoding)
    }
}

/// What a message is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// `Subject`, decoded.
    pub subject: Option<String>,
    /// `From`.
    pub from: Vec<Mailbox>,
    /// `To`.
    pub to: Vec<Mailbox>,
    /// `Cc`.
    pub cc: Vec<Mailbox>,
    /// `Date`.
    pub date: Option<Timestamp>,
    /// `Message-ID` without angle brackets.
    pub message_id: Option<String>,
    /// All parts in their order.
    pub parts: Vec<Part>,
    /// The text for people: the first `text/plain` that is not attached, else what the first
    /// `text/html` says.
    pub text: Option<String>,
    /// Whether everything was seen; false where a bound cut it short.
    pub complete: bool,
}

impl Summary {
    /// Reads a message. There is an answer for any bytes.
    #[must_use]
    pub fn read(message: &[u8], bounds: &Bounds) -> Self {
        let (header, body) = mime::split_header(message, bounds.header);
        let mut summary =
            mime::parse_header(header).map(|parsed| Self::of_header(&parsed)).unwrap_or_default();
        let mut walk = Walk::new(message, bounds);
        walk.run();
        summary.text = walk.text();
        summary.complete = walk.complete && body <= bounds.header;
        summary.parts = walk.parts;
        summary
    }

    fn of_header(header: &Message<'_>) -> Self {
        Self {
            subject: header.subject().map(str::to_owned),
            from: mailboxes(header.from()),
            to: mailboxes(header.to()),
            cc: mailboxes(header.cc()),
            date: header
                .date()
                .filter(|date| date.is_valid())
                .map(|date| Timestamp::from_millis(date.to_timestamp().saturating_mul(1000))),
            message_id: header.message_id().map(str::to_owned),
            ..Self::default()
        }
    }

    /// The parts that are files of their own.
    pub fn attachments(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.attachment)
    }
}

fn mailboxes(addresses: Option<&mail_parser::Address<'_>>) -> Vec<Mailbox> {
    let mailbox = |addr: &Addr<'_>| {
        let address = addr.address()?.to_owned();
        Some(Mailbox { name: addr.name().map(str::to_owned), address })
    };
    addresses.map(|list| list.iter().filter_map(mailbox).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(message: &str) -> Summary {
        Summary::read(message.replace('\n', "\r\n").as_bytes(), &Bounds::default())
    }

    fn types(summary: &Summary) -> Vec<(&str, usize)> {
        summary.parts.iter().map(|part| (part.content_type.as_str(), part.depth)).collect()
    }

    const LETTER: &str = "\
From: =?utf-8?q?J=C3=BCrgen?= <jurgen@example.org>
To: ann@example.test, \"Bob, B.\" <bob@example.test>
Subject: =?utf-8?B?R3LDvMOfZQ==?=
Date: Sun, 22 Nov 2026 07:59:00 +0200
Message-ID: <1@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=\"b1\"

preamble
--b1
Content-Type: multipart/alternative; boundary=b2

--b2
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Sch=F6n, nicht=
 wahr?
--b2
Content-Type: text/html

<p>Sch&ouml;n</p>
--b2--
--b1
Content-Type: application/pdf; name=\"a.pdf\"
Content-Transfer-Encoding: base64

SGVsbG8g
V29ybGQ=
--b1
Content-Type: message/rfc822

Subject: inside

inner text
--b1--
epilogue
";

    #[test]
    fn a_letter_with_attachments() {
        let summary = read(LETTER);
        assert_eq!(summary.subject.as_deref(), Some("Grüße"));
        let jurgen = Mailbox { name: Some("Jürgen".into()), address: "jurgen@example.org".into() };
        assert_eq!(summary.from, [jurgen]);
        assert_eq!(summary.to[1].name.as_deref(), Some("Bob, B."));
        assert_eq!(summary.date.unwrap().to_string(), "2026-11-22T05:59:00.000Z");
        assert_eq!(summary.message_id.as_deref(), Some("1@example.org"));
        assert_eq!(summary.text.as_deref(), Some("Schön, nicht wahr?"));
        assert!(summary.complete);
        assert_eq!(
            types(&summary),
            [
                ("multipart/mixed", 0),
                ("multipart/alternative", 1),
                ("text/plain", 2),
                ("text/html", 2),
                ("application/pdf", 1),
                ("message/rfc822", 1),
                ("text/plain", 2),
            ]
        );
        let names: Vec<_> = summary.attachments().map(|part| part.name.as_deref()).collect();
        assert_eq!(names, [Some("a.pdf"), None]);
    }

    #[test]
    fn sizes_are_those_of_the_content() {
        let message = LETTER.replace('\n', "\r\n");
        let summary = Summary::read(message.as_bytes(), &Bounds::default());
        let pdf = &summary.parts[4];
        assert_eq!(pdf.content(message.as_bytes()).as_ref(), b"Hello World");
        assert_eq!(pdf.size, 11);
        let text = &summary.parts[2];
        assert_eq!(text.content(message.as_bytes()).len() as u64, text.size);
    }

    #[test]
    fn html_alone_is_read_as_text() {
        let summary = read("Content-Type: text/html\n\n<html><b>Hello</b> you</html>\n");
        assert_eq!(summary.text.as_deref(), Some("Hello you"));
    }

    #[test]
    fn digests_hold_messages() {
        let summary = read(
            "Content-Type: multipart/digest; boundary=x\n\n--x\n\nSubject: a\n\none\n--x\n\nSubject: b\n\ntwo\n--x--\n",
        );
        let kinds = [
            ("multipart/digest", 0),
            ("message/rfc822", 1),
            ("text/plain", 2),
            ("message/rfc822", 1),
            ("text/plain", 2),
        ];
        assert_eq!(types(&summary), kinds);
    }

    #[test]
    fn an_unclosed_multipart_still_has_its_parts() {
        let summary = read("Content-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--x \n\ntwo");
        assert_eq!(types(&summary), [("multipart/mixed", 0), ("text/plain", 1), ("text/plain", 1)]);
        assert_eq!(summary.text.as_deref(), Some("one"));
    }

    #[test]
    fn a_hundred_thousand_nested_messages_cost_nothing() {
        let message = "Content-Type: message/rfc822\r\n\r\n".repeat(100_000);
        let summary = Summary::read(message.as_bytes(), &Bounds::default());
        assert!(!summary.complete);
        assert_eq!(summary.parts.len(), Bounds::default().depth + 1);
    }

    #[test]
    fn a_million_parts_are_cut_short() {
        let message = format!("Content-Type: multipart/mixed; boundary=x\n\n{}", "--x\n\n".repeat(1_000_000));
        let summary = Summary::read(message.as_bytes(), &Bounds::default());
        assert!(!summary.complete);
        assert_eq!(summary.parts.len(), Bounds::default().parts);
    }

    #[test]
    fn the_bodies_of_long_texts_are_cut() {
        let bounds = Bounds { text: 10, ..Bounds::default() };
        let summary = Summary::read(b"Subject: x\n\n0123456789abc", &bounds);
        assert_eq!(summary.text.as_deref(), Some("0123456789"));
        assert!(!summary.complete);
    }

    #[test]
    fn no_message_at_all_has_a_summary() {
        assert_eq!(read("").parts.len(), 1);
        assert_eq!(read("just text").text.as_deref(), Some(""));
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_summary(lines in proptest::collection::vec(prop_oneof![
            Just(&b"Content-Type: multipart/mixed; boundary=x\n"[..]),
            Just(&b"Content-Type: message/rfc822\n"[..]),
            Just(&b"Content-Type: text/html; charset=utf-7\n"[..]),
            Just(&b"Content-Transfer-Encoding: base64\n"[..]),
            Just(&b"Content-Transfer-Encoding: quoted-printable\n"[..]),
            Just(&b"Content-Disposition: attachment; filename*=utf-8''%41\n"[..]),
            Just(&b"Subject: =?utf-8?q?=?= =?x\n"[..]),
            Just(&b"Date: 99 Foo 0 25:61:61 +9999\n"[..]),
            Just(&b"From: a <b, c@\xff>;(\n"[..]),
            Just(&b"\n"[..]), Just(&b"--x\n"[..]), Just(&b"--x--\n"[..]), Just(&b"=4=\r\n &#x1;<b a='\n"[..]),
        ], 0..40)) {
            let bytes = lines.concat();
            let bounds = Bounds { depth: 4, parts: 20, ..Bounds::default() };
            let summary = Summary::read(&bytes, &bounds);
            prop_assert!(!summary.parts.is_empty() && summary.parts.len() <= 20);
            for part in &summary.parts {
                prop_assert!(part.depth <= 4);
                prop_assert!(part.content(&bytes).len() <= bytes.len());
            }
        }
    }
}
