//! The hash of a body that streams by, canonicalised (RFC 6376 §3.4.3, §3.4.4). Memory does not grow with the body.

use aws_lc_rs::digest::{Context, SHA256};

use crate::header::Canonical;

/// One body hash on its way.
pub(crate) struct BodyHash {
    how: Canonical,
    /// `l=`: how many canonical octets are hashed.
    limit: u64,
    context: Context,
    /// Canonical octets so far, whether hashed or not.
    length: u64,
    /// Line ends that count only if something follows them.
    line_ends: u64,
    /// White space that counts only if something follows it on its line.
    space: bool,
    /// A CR that may be half of a line end.
    cr: bool,
    out: Vec<u8>,
}

/// What a body came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hashed {
    pub(crate) hash: Vec<u8>,
    /// Canonical octets of the whole body.
    pub(crate) length: u64,
}

/// Octets that are gathered before they are hashed.
const GATHERED: usize = 4096;

impl BodyHash {
    pub(crate) fn new(how: Canonical, limit: Option<u64>) -> Self {
        Self {
            how,
            limit: limit.unwrap_or(u64::MAX),
            context: Context::new(&SHA256),
            length: 0,
            line_ends: 0,
            space: false,
            cr: false,
            out: Vec::with_capacity(GATHERED + 8),
        }
    }

    /// Whether another signature wants the same.
    pub(crate) fn is_for(&self, how: Canonical, limit: Option<u64>) -> bool {
        self.how == how && self.limit == limit.unwrap_or(u64::MAX)
    }

    pub(crate) fn how(&self) -> Canonical {
        self.how
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    pub(crate) fn push(&mut self, piece: &[u8]) {
        for &byte in piece {
            if self.cr {
                self.cr = false;
                if byte == b'\n' {
                    // rfc6376 §3.4.4: white space at the end of a line is ignored
                    self.space = false;
                    self.line_ends += 1;
                    continue;
                }
                self.put(b'\r');
            }
            match byte {
                b'\r' => self.cr = true,
                b' ' | b'\t' if self.how == Canonical::Relaxed => self.space = true,
                byte => self.put(byte),
            }
        }
    }

    /// An octet that is no line end, behind what was waiting for it.
    fn put(&mut self, byte: u8) {
        while self.line_ends > 0 {
            self.line_ends -= 1;
            self.write(b"\r\n");
        }
        if self.space {
            self.space = false;
            self.write(b" ");
        }
        self.write(&[byte]);
    }

    fn write(&mut self, octets: &[u8]) {
        self.length += octets.len() as u64;
        self.out.extend_from_slice(octets);
        if self.out.len() >= GATHERED {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let before = self.length - self.out.len() as u64;
        let room = usize::try_from(self.limit.saturating_sub(before)).unwrap_or(usize::MAX);
        self.context.update(&self.out[..self.out.len().min(room)]);
        self.out.clear();
    }

    pub(crate) fn finish(mut self) -> Hashed {
        if self.cr {
            self.put(b'\r');
        }
        // rfc6376 §3.4.3, §3.4.4: empty lines at the end are ignored, and the last line has a line end; a body
        // without any is CRLF where it is simple, and nothing where it is relaxed.
        if self.length > 0 || self.how == Canonical::Simple {
            self.write(b"\r\n");
        }
        self.flush();
        Hashed { hash: self.context.finish().as_ref().to_vec(), length: self.length }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::digest;
    use proptest::prelude::*;

    use super::*;

    fn hash(body: &[u8], how: Canonical, limit: Option<u64>, step: usize) -> Hashed {
        let mut hash = BodyHash::new(how, limit);
        body.chunks(step.max(1)).for_each(|piece| hash.push(piece));
        hash.finish()
    }

    fn of(text: &str) -> Hashed {
        Hashed { hash: digest(&SHA256, text.as_bytes()).as_ref().to_vec(), length: text.len() as u64 }
    }

    /// The example of RFC 6376 §3.4.5, and the ends of bodies.
    #[test]
    fn bodies_are_canonicalised() {
        for (body, relaxed, simple) in [
            (" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n", " C \r\nD \t E\r\n"),
            ("", "", "\r\n"),
            ("\r\n\r\n", "", "\r\n"),
            ("a", "a\r\n", "a\r\n"),
            ("a\r\n \r\n\t\r\n", "a\r\n", "a\r\n \r\n\t\r\n"),
            (" \t\r\n", "", " \t\r\n"),
            ("a\r\n  ", "a\r\n", "a\r\n  \r\n"),
            ("a\rb\nc\r", "a\rb\nc\r\r\n", "a\rb\nc\r\r\n"),
            ("\r\n\r\na\r\n", "\r\n\r\na\r\n", "\r\n\r\na\r\n"),
        ] {
            for step in [1, 2, 3, 100] {
                assert_eq!(hash(body.as_bytes(), Canonical::Relaxed, None, step), of(relaxed), "{body:?}");
                assert_eq!(hash(body.as_bytes(), Canonical::Simple, None, step), of(simple), "{body:?}");
            }
        }
    }

    #[test]
    fn a_limit_cuts_the_canonical_body() {
        let cut = hash(b"one  two\r\nthree\r\n", Canonical::Relaxed, Some(5), 4);
        assert_eq!(cut, Hashed { length: 16, ..of("one t") });
    }

    /// RFC 6376 §3.4 as it reads, on whole bodies.
    fn plainly(body: &str, how: Canonical) -> String {
        let mut lines: Vec<String> = body.split("\r\n").map(str::to_owned).collect();
        if how == Canonical::Relaxed {
            for line in &mut lines {
                let mut text = String::new();
                for c in line.trim_end_matches([' ', '\t']).chars() {
                    let space = c == ' ' || c == '\t';
                    if !(space && text.ends_with(' ')) {
                        text.push(if space { ' ' } else { c });
                    }
                }
                *line = text;
            }
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        match (lines.is_empty(), how) {
            (true, Canonical::Simple) => "\r\n".to_owned(),
            (true, Canonical::Relaxed) => String::new(),
            _ => lines.join("\r\n") + "\r\n",
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(lines in proptest::collection::vec("[ab \t]{0,4}", 0..6), step in 1usize..9) {
            let body = lines.join("\r\n");
            for how in [Canonical::Simple, Canonical::Relaxed] {
                prop_assert_eq!(hash(body.as_bytes(), how, None, step), of(&plainly(&body, how)));
            }
        }
    }
}
