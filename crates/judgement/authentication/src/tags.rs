//! Tag lists (RFC 6376 §3.2): `name=value; name=value`, as DKIM, ARC, keys and DMARC records write them.

/// The tags of a list, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tags<'a>(Vec<(&'a str, &'a str)>);

/// What is wrong with a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TagError {
    #[error("a tag is not written as name=value")]
    Syntax,
    #[error("a tag stands twice")]
    Twice,
    #[error("there are too many tags")]
    TooMany,
}

/// More tags than any list has.
const MOST: usize = 64;

impl<'a> Tags<'a> {
    /// Reads a list. Values keep the white space inside them.
    pub(crate) fn parse(text: &'a str) -> Result<Self, TagError> {
        let mut tags: Vec<(&str, &str)> = Vec::new();
        // rfc6376 §3.2: one semicolon may stand at the end
        let text = text.trim_matches(is_space);
        let text = text.strip_suffix(';').unwrap_or(text);
        for spec in text.split(';') {
            let (name, value) = spec.split_once('=').ok_or(TagError::Syntax)?;
            let (name, value) = (name.trim_matches(is_space), value.trim_matches(is_space));
            // rfc6376 §3.2: ALPHA *ALNUMPUNC
            let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
            if !first || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err(TagError::Syntax);
            }
            // rfc6376 §3.2: VALCHAR and folding white space between
            if !value.chars().all(|c| c.is_ascii_graphic() || is_space(c) || !c.is_ascii()) {
                return Err(TagError::Syntax);
            }
            if tags.iter().any(|(known, _)| *known == name) {
                return Err(TagError::Twice);
            }
            if tags.len() == MOST {
                return Err(TagError::TooMany);
            }
            tags.push((name, value));
        }
        Ok(Self(tags))
    }

    /// The value of a tag; names are case-sensitive.
    pub(crate) fn value(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// The first tag.
    pub(crate) fn first(&self) -> Option<(&'a str, &'a str)> {
        self.0.first().copied()
    }
}

/// White space and the line ends of folds.
pub(crate) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// A value without any white space.
pub(crate) fn dense(value: &str) -> String {
    value.chars().filter(|c| !is_space(*c)).collect()
}

/// Base64 with white space anywhere (RFC 6376 §2.10, `base64string`).
pub(crate) fn base64(value: &str) -> Option<Vec<u8>> {
    use base64ct::{Base64, Base64Unpadded, Encoding};
    let dense = dense(value);
    if dense.is_empty() {
        return None;
    }
    // Keys without padding are found in the wild.
    Base64::decode_vec(&dense).or_else(|_| Base64Unpadded::decode_vec(&dense)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_are_read() {
        let tags = Tags::parse(" a=rsa-sha256;\r\n\tb = AB\r\n CD ;d=x; empty=; ").unwrap();
        assert_eq!(tags.first(), Some(("a", "rsa-sha256")));
        assert_eq!(tags.value("b").map(dense).as_deref(), Some("ABCD"));
        assert_eq!((tags.value("empty"), tags.value("A")), (Some(""), None));
        assert_eq!(Tags::parse("a=1;a=2"), Err(TagError::Twice));
        for bad in ["", ";", "a=1;;", "a=1;;b=2", "a", "=1", "1a=2", "a-b=1", "a b=1", "a=\u{7f}"] {
            assert_eq!(Tags::parse(bad), Err(TagError::Syntax), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(list in proptest::collection::btree_map("[a-zA-Z][a-z0-9_]{0,5}", "[!-:<-~]{0,9}", 1..9)) {
            let text: Vec<_> = list.iter().map(|(name, value)| format!("{name}\t=\r\n {value} ")).collect();
            let text = text.join(";");
            let tags = Tags::parse(&text).unwrap();
            for (name, value) in &list {
                prop_assert_eq!(tags.value(name), Some(value.as_str()));
            }
        }

        #[test]
        fn anything_may_come(text in ".{0,80}") {
            let _ = Tags::parse(&text);
            let _ = base64(&text);
        }
    }
}
