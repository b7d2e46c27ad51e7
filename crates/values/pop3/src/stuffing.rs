//! Multi-line responses (RFC 1939 §3): byte-stuffing, the terminator, and what TOP leaves out.

/// Writes the content of a message as a multi-line response, chunk by chunk.
///
/// Every line ends in CRLF (a bare LF becomes CRLF), a line that begins with `.` gets a
/// second one, and [`Stuffer::finish`] writes the terminator exactly once.
#[derive(Clone, Debug)]
pub(crate) struct Stuffer {
    last: u8,
    /// Body lines still to come; `None` for all.
    lines: Option<u64>,
    /// What is seen of the header's lines; `None` behind the header.
    header: Option<HeaderLine>,
}

/// Whether the line being read is empty so far: the empty line ends the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeaderLine {
    Empty,
    Cr,
    Text,
}

/// Whether more content is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Wanted {
    /// Yes, if there is any.
    More,
    /// No: TOP has its lines.
    Enough,
}

impl Stuffer {
    /// For the whole content.
    #[must_use]
    pub(crate) fn whole() -> Self {
        Self { last: b'\n', lines: None, header: None }
    }

    /// For the header, the empty line, and `lines` lines of the body (RFC 1939 §7, TOP).
    #[must_use]
    pub(crate) fn top(lines: u64) -> Self {
        Self { last: b'\n', lines: Some(lines), header: Some(HeaderLine::Empty) }
    }

    /// Appends the next chunk of content to `out`.
    pub(crate) fn encode(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Wanted {
        let mut rest = chunk;
        while !rest.is_empty() {
            if self.has_enough() {
                return Wanted::Enough;
            }
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let (piece, behind) = rest.split_at(end);
            self.piece(piece, out);
            rest = behind;
        }
        if self.has_enough() { Wanted::Enough } else { Wanted::More }
    }

    /// Appends the line end, where the content has none, and the terminator.
    pub(crate) fn finish(self, out: &mut Vec<u8>) {
        if self.last != b'\n' {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }

    fn has_enough(&self) -> bool {
        self.header.is_none() && self.lines == Some(0)
    }

    /// A line or a part of one.
    fn piece(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        // rfc1939 §3: a line that begins with the termination octet is byte-stuffed.
        if self.last == b'\n' && piece[0] == b'.' {
            out.push(b'.');
        }
        let (text, ended) = match piece.strip_suffix(b"\n") {
            Some(text) => (text, true),
            None => (piece, false),
        };
        out.extend_from_slice(text);
        if ended {
            let cr = text.last().copied().unwrap_or(self.last) == b'\r';
            out.extend_from_slice(if cr { b"\n" } else { b"\r\n" });
        }
        self.count(text, ended);
        self.last = piece[piece.len() - 1];
    }

    fn count(&mut self, text: &[u8], ended: bool) {
        let Some(line) = self.header else {
            if ended {
                self.lines = self.lines.map(|left| left.saturating_sub(1));
            }
            return;
        };
        let line = match (line, text) {
            (_, b"") => line,
            (HeaderLine::Empty, b"\r") => HeaderLine::Cr,
            _ => HeaderLine::Text,
        };
        self.header = match (ended, line) {
            (false, line) => Some(line),
            (true, HeaderLine::Text) => Some(HeaderLine::Empty),
            (true, HeaderLine::Empty | HeaderLine::Cr) => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(mut stuffer: Stuffer, chunks: &[&[u8]]) -> String {
        let mut out = Vec::new();
        for chunk in chunks {
            if stuffer.encode(chunk, &mut out) == Wanted::Enough {
                break;
            }
        }
        stuffer.finish(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn dots_are_stuffed_and_lines_end_in_crlf() {
        assert_eq!(encode(Stuffer::whole(), &[b".a\r\n..\r\nb.\nc"]), "..a\r\n...\r\nb.\r\nc\r\n.\r\n");
        assert_eq!(encode(Stuffer::whole(), &[b"a\r", b"\n.", b"\r\n"]), "a\r\n..\r\n.\r\n");
        assert_eq!(encode(Stuffer::whole(), &[]), ".\r\n");
    }

    #[test]
    fn top_ends_behind_its_lines() {
        let message: &[u8] = b"A: 1\r\nB: 2\r\n\r\none\r\n\r\nthree\r\n";
        assert_eq!(encode(Stuffer::top(0), &[message]), "A: 1\r\nB: 2\r\n\r\n.\r\n");
        assert_eq!(encode(Stuffer::top(2), &[message]), "A: 1\r\nB: 2\r\n\r\none\r\n\r\n.\r\n");
        assert_eq!(encode(Stuffer::top(9), &[message]), format!("{}.\r\n", String::from_utf8_lossy(message)));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_content_is_cut(
            content in "[a.\r\n]{0,40}", cuts in proptest::collection::vec(0usize..40, 0..5), top in 0u64..6,
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(content.len())).collect();
            cuts.sort_unstable();
            cuts.insert(0, 0);
            cuts.push(content.len());
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|w| &content.as_bytes()[w[0]..w[1]]).collect();
            prop_assert_eq!(
                encode(Stuffer::whole(), &chunks), encode(Stuffer::whole(), &[content.as_bytes()])
            );
            prop_assert_eq!(
                encode(Stuffer::top(top), &chunks), encode(Stuffer::top(top), &[content.as_bytes()])
            );
        }

        #[test]
        fn a_client_gets_back_what_was_sent(lines in proptest::collection::vec("[a.\r]{0,5}", 0..10)) {
            let content: String = lines.iter().map(|line| format!("{}\r\n", line.trim_end_matches('\r'))).collect();
            let encoded = encode(Stuffer::whole(), &[content.as_bytes()]);
            let mut decoded = String::new();
            let mut ended = false;
            for line in encoded.split_inclusive("\r\n") {
                prop_assert!(!ended, "nothing follows the terminator");
                ended = line == ".\r\n";
                if !ended {
                    decoded += line.strip_prefix('.').unwrap_or(line);
                }
            }
            prop_assert!(ended);
            prop_assert_eq!(decoded, content);
        }
    }
}
