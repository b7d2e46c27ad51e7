//! Header fields as they stand in the raw bytes (RFC 5322 §2.2), found one by one without
//! copying and without looking at the body.

use std::borrow::Cow;

/// How many fields [`Fields`] yields before it stops: more than any honest message has.
pub const DEFAULT_FIELD_COUNT: usize = 1000;

/// One header field: its name and its value as they stand in the message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    name: &'a str,
    value: &'a [u8],
}

/// The fields of a header, from the top.
///
/// Ends at the empty line, at the end of the bytes, or after a number of fields. Lines may
/// end in CRLF or LF. A line that is no field (no colon, or a name with spaces or characters
/// outside ASCII) is passed over together with its continuation lines, as mail programs do.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Fields<'a> {
    /// The fields of `message`, which may go on with the body; at most [`DEFAULT_FIELD_COUNT`].
    #[must_use]
    pub fn new(message: &'a [u8]) -> Self {
        Self::with_limit(message, DEFAULT_FIELD_COUNT)
    }

    /// The first `count` fields of `message`.
    #[must_use]
    pub fn with_limit(message: &'a [u8], count: usize) -> Self {
        Self { rest: message, left: count }
    }

    /// The first field with this name, in any case.
    pub fn named(mut self, name: &str) -> Option<Field<'a>> {
        self.find(|field| field.is(name))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        while self.left > 0 {
            let end = field_end(self.rest);
            let (raw, rest) = self.rest.split_at(end);
            if raw.is_empty() || is_empty_line(raw) {
                self.left = 0;
                return None;
            }
            self.rest = rest;
            if let Some(field) = Field::parse(raw) {
                self.left -= 1;
                return Some(field);
            }
        }
        None
    }
}

impl<'a> Field<'a> {
    /// A field from its bytes, continuation lines and final line end included.
    fn parse(raw: &'a [u8]) -> Option<Self> {
        let colon = memchr::memchr(b':', raw)?;
        // Obsolete syntax allows white space before the colon (RFC 5322 §4.5.3).
        let name = raw[..colon].trim_ascii_end();
        // rfc5322 §3.6.8: ftext = %d33-57 / %d59-126
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        Some(Self { name: std::str::from_utf8(name).ok()?, value: without_line_end(&raw[colon + 1..]) })
    }

    /// The name as it was written.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Whether this is the field of that name, in any case (RFC 5322 §1.2.2).
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Everything behind the colon, with the folds and without the final line end.
    #[must_use]
    pub fn raw_value(&self) -> &'a [u8] {
        self.value
    }

    /// The value without line ends (RFC 5322 §2.2.3: unfolding removes them and nothing
    /// else) and without the white space around it. Holds neither CR nor LF.
    #[must_use]
    pub fn value(&self) -> Cow<'a, [u8]> {
        let trimmed = self.value.trim_ascii();
        if memchr::memchr2(b'\r', b'\n', trimmed).is_none() {
            return Cow::Borrowed(trimmed);
        }
        Cow::Owned(trimmed.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect())
    }

    /// The unfolded value as text; bytes that are no UTF-8 become U+FFFD. Encoded words
    /// (RFC 2047) are left as they are.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        match self.value() {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }
}

impl std::fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, self.text())
    }
}

/// Where the field that starts `bytes` ends: behind the first line end that no space or tab follows.
fn field_end(bytes: &[u8]) -> usize {
    let mut from = 0;
    while let Some(at) = memchr::memchr(b'\n', &bytes[from..]) {
        let next = from + at + 1;
        // The empty line belongs to nothing: it is never continued.
        let continues = matches!(bytes.get(next), Some(b' ' | b'\t'));
        if !continues || is_empty_line(&bytes[..next]) {
            return next;
        }
        from = next;
    }
    bytes.len()
}

fn is_empty_line(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n")
}

fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(message: &str) -> Vec<(String, String)> {
        Fields::new(message.as_bytes()).map(|f| (f.name().into(), f.text().into_owned())).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    #[test]
    fn fields_are_read_up_to_the_empty_line() {
        let message = "Subject: one\r\n two\r\n\tthree\r\nTo:ann\r\n\r\nNot: a field\r\n";
        assert_eq!(fields(message), [pair("Subject", "one two\tthree"), pair("To", "ann")]);
    }

    #[test]
    fn line_feeds_alone_end_lines_too() {
        assert_eq!(fields("A: 1\n 2\nB : 3\n\nC: 4\n"), [pair("A", "1 2"), pair("B", "3")]);
    }

    #[test]
    fn what_is_no_field_is_passed_over() {
        let message = "From ann Thu Jan  1 00:00:00 1970\n continued: x\n: empty\nÄ: 1\nA: 2";
        assert_eq!(fields(message), [pair("A", "2")]);
    }

    #[test]
    fn no_more_fields_than_asked_for() {
        let message = b"A: 1\r\nB: 2\r\nC: 3\r\n";
        assert_eq!(Fields::with_limit(message, 2).count(), 2);
        assert!(Fields::with_limit(message, 2).named("c").is_none());
        assert_eq!(Fields::new(message).named("c").map(|f| f.text().into_owned()), Some("3".into()));
    }

    proptest! {
        #[test]
        fn any_bytes_give_clean_values(bytes in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(b'\n'), Just(b'\r'), Just(b':'), Just(b' ')], 0..300)) {
            for field in Fields::new(&bytes) {
                prop_assert!(!field.value().iter().any(|b| matches!(b, b'\r' | b'\n')));
                prop_assert!(!field.name().is_empty());
            }
        }

        #[test]
        fn unfolding_takes_out_line_ends_and_nothing_else(
            words in proptest::collection::vec("[!-~]{1,20}", 1..10),
            folds in proptest::collection::vec(prop_oneof![Just(" "), Just("\r\n "), Just("\n\t")], 10),
        ) {
            let mut folded = String::from("X: ");
            let mut flat = String::new();
            for (word, fold) in words.iter().zip(&folds) {
                folded += word;
                folded += fold;
                flat += word;
                flat += fold.trim_start_matches(['\r', '\n']);
            }
            folded += "end\r\n";
            flat += "end";
            let field = Fields::new(folded.as_bytes()).next().unwrap();
            prop_assert_eq!(field.text(), flat);
        }
    }
}
