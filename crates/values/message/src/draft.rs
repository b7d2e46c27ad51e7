//! Messages that the server writes itself: text with attachments (RFC 5322, MIME).

use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address as Header;
use mail_builder::headers::date::Date;
use mail_builder::headers::raw::Raw;
use mail_builder::headers::text::Text;
use postern_types::{Address, Domain, Timestamp, TraceId};

/// A message to be written.
#[derive(Clone, Debug)]
pub struct Draft {
    /// `From`: the display name.
    pub name: String,
    /// `From`: the address.
    pub from: Address,
    /// `To`.
    pub to: Vec<Address>,
    /// `Subject`.
    pub subject: String,
    /// `Date`.
    pub date: Timestamp,
    /// The left side of the `Message-ID`.
    pub id: TraceId,
    /// The right side of the `Message-ID`: this server.
    pub host: Domain,
    /// The text; lines may end in LF or CRLF.
    pub text: String,
    /// The same text as HTML, for programs that prefer it (multipart/alternative, RFC 2046 §5.1.4).
    pub html: Option<String>,
    /// Files.
    pub attachments: Vec<Attachment>,
}

/// A file of a [`Draft`].
#[derive(Clone, Debug)]
pub struct Attachment {
    /// The file's name.
    pub name: String,
    /// The media type, such as `application/pdf`; what is none becomes `application/octet-stream`.
    pub content_type: String,
    /// The content.
    pub content: Vec<u8>,
}

impl Draft {
    /// The message in wire form: every line ended by CRLF, none longer than 998 characters,
    /// ASCII except in addresses that are not.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let to = self.to.iter().map(|address| Header::new_address(None::<&str>, address.to_string()));
        let mut builder = MessageBuilder::new()
            .from(Header::new_address(Some(one_line(&self.name)), self.from.to_string()))
            .to(Header::new_list(to.collect()))
            .header("Subject", Text::new(one_line(&self.subject)))
            .date(Date::new(self.date.as_secs()))
            .message_id(format!("{}@{}", self.id, self.host))
            // rfc3834 §5.1: nobody's vacation notice is to answer it.
            .header("Auto-Submitted", Raw::new("auto-generated"))
            .text_body(crlf(&self.text));
        if let Some(html) = &self.html {
            builder = builder.html_body(crlf(html));
        }
        for file in &self.attachments {
            let content_type = if is_media_type(&file.content_type) {
                file.content_type.as_str()
            } else {
                "application/octet-stream"
            };
            builder = builder.attachment(content_type, one_line(&file.name), file.content.as_slice());
        }
        let mut out = Vec::new();
        builder.serialize(&mut out);
        out
    }
}

/// Control characters become spaces: no text may end its header line.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// Every line end, CR and LF alone included, as CRLF.
fn crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace(['\r', '\n'], "\r\n")
}

/// rfc2045 §5.1: type "/" subtype, both tokens.
fn is_media_type(text: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&b))
    };
    text.split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bounds, Fields, Summary};
    use proptest::prelude::*;

    fn draft(subject: &str, text: &str) -> Draft {
        Draft {
            name: "Postern".into(),
            from: Address::parse("postmaster@example.test").unwrap(),
            to: vec![Address::parse("ann@example.test").unwrap()],
            subject: subject.into(),
            date: Timestamp::from_millis(0),
            id: TraceId::from_i64(7).unwrap(),
            host: Domain::parse("mx.example.test").unwrap(),
            text: text.into(),
            html: None,
            attachments: Vec::new(),
        }
    }

    #[test]
    fn a_plain_message() {
        let bytes = draft("Your mail waits", "Hello Ann,\n\nwelcome.\n").encode();
        let summary = Summary::read(&bytes, &Bounds::default());
        assert_eq!(summary.subject.as_deref(), Some("Your mail waits"));
        assert_eq!(summary.from[0].address, "postmaster@example.test");
        assert_eq!(summary.message_id.as_deref(), Some("0000000000007@mx.example.test"));
        assert_eq!(summary.date, Some(Timestamp::from_millis(0)));
        assert_eq!(summary.text.as_deref(), Some("Hello Ann,\r\n\r\nwelcome.\r\n"));
    }

    #[test]
    fn html_stands_beside_the_text() {
        let mut draft = draft("x", "plain");
        draft.html = Some("<p>rich</p>\n".into());
        let bytes = draft.encode();
        let summary = Summary::read(&bytes, &Bounds::default());
        assert_eq!(summary.text.as_deref(), Some("plain"));
        let kinds: Vec<_> = summary.parts.iter().map(|part| part.content_type.as_str()).collect();
        assert_eq!(kinds, ["multipart/alternative", "text/plain", "text/html"]);
        assert_eq!(Fields::new(&bytes).named("Auto-Submitted").unwrap().text(), "auto-generated");
    }

    #[test]
    fn attachments_come_back_as_they_were() {
        let mut draft = draft("Grüße", "Siehe Anhang: ä");
        let content: Vec<u8> = (0..=255).collect();
        for (name, content_type) in [("Übersicht \"1\".pdf", "application/pdf"), ("x", "evil\r\nBcc: e@x")] {
            let attachment =
                Attachment { name: name.into(), content_type: content_type.into(), content: content.clone() };
            draft.attachments.push(attachment);
        }
        let bytes = draft.encode();
        let summary = Summary::read(&bytes, &Bounds::default());
        let files: Vec<_> = summary.attachments().collect();
        assert_eq!(files[0].name.as_deref(), Some("Übersicht \"1\".pdf"));
        assert_eq!(files[0].content(&bytes).as_ref(), content);
        assert_eq!(files[1].content_type, "application/octet-stream");
        assert!(Fields::new(&bytes).named("Bcc").is_none());
    }

    proptest! {
        #[test]
        fn output_is_always_lines(subject in any::<String>(), name in any::<String>(),
                                  text in any::<String>(), file in any::<String>()) {
            let mut draft = draft(&subject, &text);
            draft.name = name;
            draft.html = Some(draft.text.clone());
            draft.attachments.push(Attachment {
                name: file, content_type: "text/plain".into(), content: b"a\nb\rc".to_vec(),
            });
            let bytes = draft.encode();
            let text = String::from_utf8(bytes).unwrap();
            for line in text.split("\r\n") {
                prop_assert!(!line.contains(['\r', '\n']), "{line:?}");
                prop_assert!(line.len() <= 998);
            }
            let names: Vec<_> = Fields::new(text.as_bytes()).map(|f| f.name().to_owned()).collect();
            prop_assert_eq!(
                names, ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
            );
        }
    }
}
