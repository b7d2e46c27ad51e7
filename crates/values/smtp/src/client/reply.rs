//! Reads replies (RFC 5321 §4.2), within bounds.

use memchr::memchr;
use postern_types::{EnhancedCode, Reply, ReplyCode};

use super::ClientError;

/// Octets of one line with its end. RFC 5321 §4.5.3.1.5 asks for 512; Postfix reads 2048.
const LINE_MAX: usize = 2048;
/// Lines of one reply.
const LINES_MAX: usize = 100;

/// Lines of a reply that has not ended.
#[derive(Debug, Default)]
pub(super) struct ReplyReader {
    octets: Vec<u8>,
    start: usize,
    code: Option<ReplyCode>,
    lines: Vec<String>,
}

impl ReplyReader {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.octets.drain(..self.start);
        self.start = 0;
        self.octets.extend_from_slice(bytes);
    }

    /// Forgets what has not been read.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next whole reply: its code and its lines, the enhanced code still in them.
    pub(super) fn read(&mut self) -> Result<Option<RawReply>, ClientError> {
        loop {
            let unread = &self.octets[self.start..];
            let Some(end) = memchr(b'\n', unread) else {
                let is_too_long = unread.len() >= LINE_MAX;
                return if is_too_long {
                    Err(ClientError::Malformed("a line is too long"))
                } else {
                    Ok(None)
                };
            };
            if end >= LINE_MAX {
                return Err(ClientError::Malformed("a line is too long"));
            }
            let line = &unread[..end];
            let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
            self.start += end + 1;
            if self.line(&line)? {
                let Some(code) = self.code.take() else { continue };
                return Ok(Some(RawReply { code, lines: std::mem::take(&mut self.lines) }));
            }
        }
    }

    /// Takes one line; true when it is the last of its reply.
    fn line(&mut self, line: &str) -> Result<bool, ClientError> {
        let digits = line.get(..3).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let code = digits.and_then(|digits| digits.parse().ok()).and_then(ReplyCode::new);
        let code = code.ok_or(ClientError::Malformed("a line does not begin with a reply code"))?;
        // rfc5321 §4.2.1: the code is the same on every line.
        if self.code.is_some_and(|first| first != code) {
            return Err(ClientError::Malformed("the code changes within a reply"));
        }
        if self.lines.len() >= LINES_MAX {
            return Err(ClientError::Malformed("a reply has too many lines"));
        }
        let (is_last, text) = match line.as_bytes().get(3) {
            None => (true, ""),
            Some(b' ') => (true, &line[4..]),
            Some(b'-') => (false, &line[4..]),
            Some(_) => return Err(ClientError::Malformed("neither space nor hyphen follows the code")),
        };
        self.code = Some(code);
        self.lines.push(text.to_owned());
        Ok(is_last)
    }
}

/// A reply as it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RawReply {
    pub(super) code: ReplyCode,
    pub(super) lines: Vec<String>,
}

/// Whether the texts of a reply may begin with an enhanced code (RFC 2034 §4: not those of greeting and EHLO).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enhanced {
    May,
    Never,
}

impl RawReply {
    /// The reply as a value: an enhanced code is taken off each line that begins with it.
    pub(super) fn into_reply(self, enhanced: Enhanced) -> Reply {
        let class = self.code.get() / 100;
        let found = self.lines.first().and_then(|line| line.split(' ').next()).and_then(EnhancedCode::parse);
        let found = found.filter(|code| enhanced == Enhanced::May && u16::from(code.class) == class);
        let prefix = found.map(|code| code.to_string());
        let mut texts = self.lines.into_iter().map(|line| match &prefix {
            Some(prefix) => match line.strip_prefix(prefix.as_str()) {
                Some(rest) if rest.is_empty() || rest.starts_with(' ') => rest.trim_start().to_owned(),
                _ => line,
            },
            None => line,
        });
        let first = texts.next().unwrap_or_default();
        let triple = found.map(|code| (code.class, code.subject, code.detail));
        texts.fold(Reply::new(self.code.get(), triple, first), Reply::line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(wire: &str) -> Result<Option<Reply>, ClientError> {
        let mut results = (1..=wire.len()).map(|cut| {
            let mut reader = ReplyReader::default();
            for piece in wire.as_bytes().chunks(cut) {
                reader.push(piece);
                if let Some(raw) = reader.read()? {
                    return Ok(Some(raw.into_reply(Enhanced::May)));
                }
            }
            Ok(None)
        });
        let first = results.next().unwrap();
        assert!(results.all(|other| other == first), "{wire:?}");
        first
    }

    #[test]
    fn replies_are_read_with_their_enhanced_codes() {
        for (wire, code, enhanced, text) in [
            ("250 2.1.0 Ok\r\n", 250, Some((2, 1, 0)), vec!["Ok"]),
            ("250\r\n", 250, None, vec![""]),
            ("354 go on\n", 354, None, vec!["go on"]),
            ("550-5.1.1 no such\r\n550 5.1.1 user\r\n", 550, Some((5, 1, 1)), vec!["no such", "user"]),
            ("550-5.1.1 a\r\n550 5.7.1 b\r\n", 550, Some((5, 1, 1)), vec!["a", "5.7.1 b"]),
            ("550 2.1.1 not its class\r\n", 550, None, vec!["2.1.1 not its class"]),
            ("421 4.3.0\r\n", 421, Some((4, 3, 0)), vec![""]),
        ] {
            let reply = read(wire).unwrap().unwrap();
            let found = reply.enhanced.map(|e| (e.class, e.subject, e.detail));
            assert_eq!(
                (reply.code.get(), found, reply.lines()),
                (
                    code,
                    enhanced,
                    text.iter().map(|t| (*t).into()).collect::<Vec<std::borrow::Cow<str>>>().as_slice()
                )
            );
        }
    }

    #[test]
    fn malformed_replies_are_errors() {
        for wire in [
            "hello\r\n",
            "25 x\r\n",
            "999 x\r\n",
            "150 x\r\n",
            "250x\r\n",
            "250-a\r\n251 b\r\n",
            "\r\n",
            "2\u{b3}0 x\r\n",
        ] {
            assert!(matches!(read(wire), Err(ClientError::Malformed(_))), "{wire:?}");
        }
        assert!(read(&"2".repeat(LINE_MAX)).is_err());
        assert!(read(&format!("250 {}\r\n", "x".repeat(LINE_MAX))).is_err());
        assert_eq!(read("250-a\r\n"), Ok(None));
    }

    #[test]
    fn a_reply_without_end_is_cut_off() {
        let mut reader = ReplyReader::default();
        reader.push("250-more\r\n".repeat(LINES_MAX + 1).as_bytes());
        assert!(reader.read().is_err());
    }
}
