//! Collects the header of a message that streams by: keeps its first bytes, and says where
//! the body begins.

use crate::Fields;

/// How much of a header is kept: 102,400 bytes.
pub const DEFAULT_HEADER_SIZE: usize = 102_400;

/// Reads a message in chunks of any size and keeps the header up to a limit.
///
/// The header ends with the first empty line (CRLF or LF alone), which counts as part of it;
/// a message without one is all header. One that begins with white space has none: there is no field that its first
/// line could continue, and mail servers take it for the body's (it must not continue one that is put before it).
#[derive(Clone, Debug)]
pub struct HeaderCollector {
    kept: Vec<u8>,
    limit: usize,
    size: u64,
    line: Line,
}

/// What has been seen of the line that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Nothing.
    Empty,
    /// Only a CR.
    Cr,
    /// Something else.
    Text,
    /// The header is over.
    Over,
}

impl HeaderCollector {
    /// A collector that keeps at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { kept: Vec::new(), limit, size: 0, line: Line::Empty }
    }

    /// Takes the next chunk of the message; returns how many of its bytes belong to the
    /// header. Fewer than all means that the body begins there.
    pub fn push(&mut self, chunk: &[u8]) -> usize {
        let length = self.header_length(chunk);
        self.size += length as u64;
        let room = self.limit - self.kept.len();
        self.kept.extend_from_slice(&chunk[..length.min(room)]);
        length
    }

    fn header_length(&mut self, chunk: &[u8]) -> usize {
        // rfc5322 §2.2.3: a line that begins with white space continues the field before it.
        if self.size == 0 && self.line == Line::Empty && matches!(chunk.first(), Some(b' ' | b'\t')) {
            self.line = Line::Over;
        }
        let mut at = 0;
        while at < chunk.len() {
            self.line = match (self.line, chunk[at]) {
                (Line::Over, _) => return at,
                (Line::Empty | Line::Cr, b'\n') => Line::Over,
                (Line::Empty, b'\r') => Line::Cr,
                (Line::Text, b'\n') => Line::Empty,
                (Line::Empty | Line::Cr | Line::Text, _) => {
                    // The rest of the line does not matter: go to its end in one step.
                    let left = &chunk[at..];
                    at += memchr::memchr(b'\n', left).unwrap_or(left.len());
                    self.line = Line::Text;
                    continue;
                }
            };
            at += 1;
        }
        at
    }

    /// Whether the header is over: the empty line has come, or there is none.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.line == Line::Over
    }

    /// Whether the header is larger than the limit, so that only its beginning was kept.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.size > self.kept.len() as u64
    }

    /// The size of the whole header so far, in bytes, also of what was not kept.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What was kept.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.kept
    }

    /// What was kept, for good.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.kept
    }

    /// The fields of what was kept; the last may be cut where the header is truncated.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        Fields::new(&self.kept)
    }
}

impl Default for HeaderCollector {
    fn default() -> Self {
        Self::new(DEFAULT_HEADER_SIZE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_body_begins_behind_the_empty_line() {
        let mut collector = HeaderCollector::default();
        assert_eq!(collector.push(b"A: 1\r"), 5);
        assert_eq!(collector.push(b"\n\r"), 2);
        assert!(!collector.is_complete());
        assert_eq!(collector.push(b"\nbody"), 1);
        assert!(collector.is_complete());
        assert_eq!(collector.push(b"\n\n"), 0);
        assert_eq!(collector.bytes(), b"A: 1\r\n\r\n");
        assert_eq!(collector.fields().count(), 1);
    }

    #[test]
    fn a_large_header_is_cut_but_its_end_is_found() {
        let mut collector = HeaderCollector::new(10);
        assert_eq!(collector.push(b"Subject: 0123456789\n\nbody"), 21);
        assert_eq!(collector.bytes(), b"Subject: 0");
        assert!(collector.is_truncated() && collector.is_complete());
        assert_eq!(collector.size(), 21);
    }

    #[test]
    fn a_carriage_return_alone_ends_no_line() {
        let mut collector = HeaderCollector::default();
        assert_eq!(collector.push(b"A: 1\r\r\n\r\r\nB: 2\r\n\r\nbody"), 18);
    }

    #[test]
    fn a_message_that_begins_with_white_space_has_no_header() {
        for first in [" a\r\nB: 2\r\n\r\nbody", "\tA: 1\r\n\r\n", " "] {
            let mut collector = HeaderCollector::default();
            assert_eq!(collector.push(b""), 0);
            assert_eq!(collector.push(first.as_bytes()), 0, "{first:?}");
            assert!(collector.is_complete() && collector.bytes().is_empty());
        }
        let mut folded = HeaderCollector::default();
        assert_eq!(folded.push(b"A: 1\r\n"), 6);
        assert_eq!(folded.push(b" 2\r\n\r\nbody"), 6);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_message_is_cut(
            bytes in proptest::collection::vec(prop_oneof![Just(b'a'), Just(b' '), Just(b'\r'), Just(b'\n')], 0..60),
            cuts in proptest::collection::vec(0usize..60, 0..6),
            limit in 0usize..60,
        ) {
            let mut whole = HeaderCollector::new(limit);
            let length = whole.push(&bytes);

            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
            cuts.sort_unstable();
            cuts.push(bytes.len());
            let mut parts = HeaderCollector::new(limit);
            let (mut from, mut total) = (0, 0);
            for cut in cuts {
                total += parts.push(&bytes[from..cut]);
                from = cut;
            }
            prop_assert_eq!(total, length);
            prop_assert_eq!(parts.bytes(), whole.bytes());
            prop_assert_eq!(parts.is_complete(), whole.is_complete());
            prop_assert_eq!(parts.size(), whole.size());
        }
    }
}
