//! Walks the MIME structure of a message (RFC 2045, 2046) within bounds.
//!
//! mail-parser reads the header fields and undoes the encodings; the walk itself is our own,
//! because every level, part and byte of it is counted: a message of a few megabytes can
//! otherwise hold a hundred thousand nested messages or millions of parts.

use std::borrow::Cow;
use std::ops::Range;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::html::html_to_text;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Message, MessageParser, MimeHeaders};
use memchr::memmem;

use crate::HeaderCollector;
use crate::links::with_targets;
use crate::summary::{Bounds, Part};

/// `Content-Transfer-Encoding` (RFC 2045 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// 7bit, 8bit, binary and what nobody knows.
    Identity,
    Base64,
    QuotedPrintable,
}

/// The walk: what was found, and what is left of the bounds.
pub(crate) struct Walk<'a> {
    message: &'a [u8],
    bounds: &'a Bounds,
    pub(crate) parts: Vec<Part>,
    pub(crate) complete: bool,
    plain: Option<Text>,
    html: Option<Text>,
}

/// Where the text of a message is.
struct Text {
    body: Range<usize>,
    encoding: Encoding,
    charset: Option<String>,
}

/// What a part is when it does not say (RFC 2046 §5.1.5: in a digest, a message).
#[derive(Clone, Copy)]
enum Unsaid {
    Text,
    Message,
}

/// Parses the header fields that stand at the beginning of `bytes`.
pub(crate) fn parse_header(header: &[u8]) -> Option<Message<'_>> {
    MessageParser::new().with_minimal_headers().with_message_ids().parse_headers(header)
}

/// Where the body of the entity `bytes` begins, and its header up to the bound.
pub(crate) fn split_header(bytes: &[u8], limit: usize) -> (&[u8], usize) {
    let mut collector = HeaderCollector::new(0);
    let body = collector.push(bytes);
    (&bytes[..body.min(limit)], body)
}

impl<'a> Walk<'a> {
    pub(crate) fn new(message: &'a [u8], bounds: &'a Bounds) -> Self {
        Self { message, bounds, parts: Vec::new(), complete: true, plain: None, html: None }
    }

    /// Walks the whole message.
    pub(crate) fn run(&mut self) {
        self.entity(0..self.message.len(), 0, Unsaid::Text);
    }

    /// One entity: header, then a body that is a leaf, parts, or a message.
    fn entity(&mut self, range: Range<usize>, depth: usize, unsaid: Unsaid) {
        if depth > self.bounds.depth || self.parts.len() >= self.bounds.parts {
            self.complete = false;
            return;
        }
        let (header, body) = split_header(&self.message[range.clone()], self.bounds.header);
        let body = range.start + body..range.end;
        let parsed = parse_header(header);
        let part = self.part(parsed.as_ref(), body.clone(), depth, unsaid);
        let boundary =
            parsed.as_ref().and_then(boundary).filter(|_| part.content_type.starts_with("multipart/"));
        let is_message = matches!(part.content_type.as_str(), "message/rfc822" | "message/global");
        let inner = if part.content_type == "multipart/digest" { Unsaid::Message } else { Unsaid::Text };
        let opens = is_message && part.encoding == Encoding::Identity;
        if boundary.is_none() && !is_message {
            self.note_text(&part, parsed.as_ref());
        }
        self.parts.push(part);
        match boundary {
            Some(boundary) => self.multipart(body, &boundary, depth, inner),
            None if opens => self.entity(body, depth + 1, Unsaid::Text),
            None => {}
        }
    }

    /// rfc2046 §5.1.1: the parts between the delimiter lines; preamble and epilogue are nothing.
    fn multipart(&mut self, body: Range<usize>, boundary: &str, depth: usize, unsaid: Unsaid) {
        let delimiter = format!("--{boundary}");
        let finder = memmem::Finder::new(delimiter.as_bytes());
        let mut open = None;
        let mut from = body.start;
        while let Some(found) = finder.find(&self.message[from..body.end]) {
            let at = from + found;
            let behind = at + delimiter.len();
            from = behind;
            if at > body.start && self.message[at - 1] != b'\n' {
                continue;
            }
            let Some(kind) = delimiter_kind(&self.message[behind..body.end]) else { continue };
            if let Some(start) = open.take() {
                self.entity(start..before_line_end(self.message, start, at), depth + 1, unsaid);
                if !self.complete {
                    return;
                }
            }
            match kind {
                Delimiter::Close => return,
                Delimiter::Open { line_end } => {
                    from = behind + line_end;
                    open = Some(from);
                }
            }
        }
        // The closing delimiter is missing: the last part goes to the end.
        if let Some(start) = open {
            self.entity(start..body.end, depth + 1, unsaid);
        }
    }

    fn part(&self, header: Option<&Message<'_>>, body: Range<usize>, depth: usize, unsaid: Unsaid) -> Part {
        let stated = header.and_then(|header| header.content_type());
        let content_type = match (stated, unsaid) {
            (Some(stated), _) => {
                format!("{}/{}", stated.ctype(), stated.subtype().unwrap_or_default()).to_ascii_lowercase()
            }
            (None, Unsaid::Text) => "text/plain".to_owned(),
            (None, Unsaid::Message) => "message/rfc822".to_owned(),
        };
        let encoding = encoding(header.and_then(|header| header.content_transfer_encoding()));
        let disposition = header.and_then(|header| header.content_disposition());
        let name = header.and_then(|header| header.attachment_name()).map(str::to_owned);
        let is_container = content_type.starts_with("multipart/");
        let attachment = match disposition {
            Some(disposition) => !disposition.is_inline() && !is_container,
            None => !is_container && (name.is_some() || !content_type.starts_with("text/")),
        };
        let size = decoded_size(&self.message[body.clone()], encoding);
        Part { content_type, name, size, attachment, depth, body, encoding }
    }

    /// Remembers the first text and the first HTML that is not attached.
    fn note_text(&mut self, part: &Part, header: Option<&Message<'_>>) {
        let slot = match part.content_type.as_str() {
            "text/plain" => &mut self.plain,
            "text/html" => &mut self.html,
            _ => return,
        };
        if slot.is_none() && !part.attachment {
            let charset = header
                .and_then(|header| header.content_type())
                .and_then(|stated| stated.attribute("charset"))
                .map(str::to_owned);
            *slot = Some(Text { body: part.body.clone(), encoding: part.encoding, charset });
        }
    }

    /// The text for people: the plain one, else what the HTML says.
    pub(crate) fn text(&mut self) -> Option<String> {
        if let Some(plain) = self.plain.take() {
            return Some(self.decode_text(&plain));
        }
        let html = self.html.take()?;
        Some(html_to_text(&with_targets(&self.decode_text(&html))))
    }

    fn decode_text(&mut self, text: &Text) -> String {
        let mut body = text.body.clone();
        if body.len() > self.bounds.text {
            body.end = body.start + self.bounds.text;
            self.complete = false;
        }
        let bytes = decode(&self.message[body], text.encoding);
        match text.charset.as_deref().and_then(|name| charset_decoder(name.as_bytes())) {
            Some(decoder) => decoder(&bytes),
            None => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }
}

/// Undoes the encoding; what is not validly encoded stays as it is.
pub(crate) fn decode(body: &[u8], encoding: Encoding) -> Cow<'_, [u8]> {
    let decoded = match encoding {
        Encoding::Identity => None,
        Encoding::Base64 => base64_decode(body),
        Encoding::QuotedPrintable => quoted_printable_decode(body),
    };
    decoded.map_or(Cow::Borrowed(body), Cow::Owned)
}

fn encoding(stated: Option<&str>) -> Encoding {
    match stated.map(str::trim) {
        Some(name) if name.eq_ignore_ascii_case("base64") => Encoding::Base64,
        Some(name) if name.eq_ignore_ascii_case("quoted-printable") => Encoding::QuotedPrintable,
        _ => Encoding::Identity,
    }
}

/// rfc2046 §5.1.1: a boundary has 1 to 70 characters; longer ones occur, endless ones do not help.
fn boundary(header: &Message<'_>) -> Option<String> {
    let boundary = header.content_type()?.attribute("boundary")?;
    (1..=200).contains(&boundary.len()).then(|| boundary.to_owned())
}

enum Delimiter {
    /// A part begins behind the line, `line_end` bytes on.
    Open {
        line_end: usize,
    },
    Close,
}

/// What follows `--boundary` decides whether it is a delimiter line at all.
fn delimiter_kind(rest: &[u8]) -> Option<Delimiter> {
    if rest.starts_with(b"--") {
        return Some(Delimiter::Close);
    }
    let line_end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
    // rfc2046 §5.1.1: delimiter := "--" boundary transport-padding CRLF
    rest[..line_end].trim_ascii().is_empty().then_some(Delimiter::Open { line_end })
}

/// The line end before a delimiter line belongs to the delimiter.
fn before_line_end(message: &[u8], start: usize, at: usize) -> usize {
    let part = &message[start..at.max(start)];
    let part = part.strip_suffix(b"\n").unwrap_or(part);
    start + part.strip_suffix(b"\r").unwrap_or(part).len()
}

/// The size without the encoding, counted without decoding.
fn decoded_size(body: &[u8], encoding: Encoding) -> u64 {
    let size = match encoding {
        Encoding::Identity => body.len(),
        Encoding::Base64 => {
            let digits =
                body.iter().filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).count();
            digits * 3 / 4
        }
        Encoding::QuotedPrintable => {
            // `=XX` is one byte; `=` at the end of a line is nothing, and neither is the line end.
            let escapes = memchr::memchr_iter(b'=', body).count();
            let soft = memmem::find_iter(body, b"=\r\n").count();
            body.len().saturating_sub(2 * escapes + soft)
        }
    };
    size as u64
}
