//! Names as questions hold them: wider than [`Domain`], because records of others make names out of anything.

use std::fmt;

use postern_types::Domain;

/// A name to ask for: labels of 1 to 63 printable ASCII characters, at most 253 in all, lower case, no trailing dot.
/// A [`Domain`] is one; so is what an SPF macro makes of a local part (`a+b=c._spf.example.org`).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct QueryName(Box<str>);

impl QueryName {
    /// Reads a name; a trailing dot is dropped. `None` for what cannot be asked for.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let labels = text.split('.').all(|label| (1..=63).contains(&label.len()));
        (printable && labels && text.len() <= 253).then(|| Self(text.to_ascii_lowercase().into()))
    }

    /// The name, lower case, no trailing dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The labels, leftmost first.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }
}

impl From<&Domain> for QueryName {
    fn from(domain: &Domain) -> Self {
        Self(domain.as_str().into())
    }
}

impl From<&QueryName> for QueryName {
    fn from(name: &QueryName) -> Self {
        name.clone()
    }
}

impl fmt::Display for QueryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for QueryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_asked_for() {
        for good in ["A+b=C.example.", "foo:bar/baz.example", "-x-.example", "a b.example"] {
            assert!(QueryName::parse(good).is_some(), "{good}");
        }
        assert_eq!(QueryName::parse("A.Test.").unwrap().as_str(), "a.test");
        let long = format!("{}.test", "a".repeat(64));
        for bad in ["", ".", "a..b", ".a", "bücher.example", "a\n.example", &long, &"a.".repeat(128)] {
            assert!(QueryName::parse(bad).is_none(), "{bad}");
        }
    }
}
