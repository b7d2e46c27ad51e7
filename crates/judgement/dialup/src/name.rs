//! A PTR name in two parts: what its owner's customers or machines are called, and the domain
//! that somebody registered (by the public suffix list).

use crate::MAX_NAME;

/// A name in lower case, without the dot at its end.
#[derive(Debug)]
pub(crate) struct Name {
    text: String,
    /// Where the registered domain begins.
    registered: usize,
}

impl Name {
    pub(crate) fn new(text: &str) -> Self {
        let mut end = text.len().min(MAX_NAME);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text[..end].trim_end_matches('.').to_ascii_lowercase();
        let registered = registered_at(&text);
        Self { text, registered }
    }

    /// The whole name.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands left of the registered domain, without the dot; may be empty.
    pub(crate) fn host(&self) -> &str {
        self.text[..self.registered].trim_end_matches('.')
    }

    /// The registered domain.
    pub(crate) fn domain(&self) -> &str {
        &self.text[self.registered..]
    }
}

/// Where the registered domain begins: one label left of the suffix under which anybody can
/// register. Private suffixes, such as a cloud's `compute.example.com`, are names that its owner
/// gives, so they belong to the host's part.
fn registered_at(text: &str) -> usize {
    let mut rest = text;
    let suffix = loop {
        match psl::suffix(rest.as_bytes()) {
            Some(suffix) if suffix.typ() == Some(psl::Type::Private) => {
                // The suffix is the end of `rest`, which is the end of `text`.
                let start = text.len() - suffix.as_bytes().len().min(text.len());
                match text.get(start..).and_then(|private| private.split_once('.')) {
                    Some((_, shorter)) if shorter.len() < rest.len() => rest = shorter,
                    _ => break suffix.as_bytes().len(),
                }
            }
            Some(suffix) => break suffix.as_bytes().len(),
            None => break 0,
        }
    };
    let before = text.len().saturating_sub(suffix);
    let Some(left) = text.get(..before) else { return 0 };
    left.trim_end_matches('.').rfind('.').map_or(0, |dot| dot + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registered_domain_is_split_off() {
        for (name, host, domain) in [
            ("Dsl-203-0-113-9.pool.isp.example.", "dsl-203-0-113-9.pool", "isp.example"),
            ("9.113.dyn.isp.co.uk", "9.113.dyn", "isp.co.uk"),
            ("a1.tokyo.nt.isp.ne.jp", "a1.tokyo.nt", "isp.ne.jp"),
            ("isp.com.br", "", "isp.com.br"),
            ("mail.isp.de", "mail", "isp.de"),
            ("ec2-203-0-113-9.compute-1.amazonaws.com", "ec2-203-0-113-9.compute-1", "amazonaws.com"),
            ("me.dyndns.org", "me", "dyndns.org"),
            ("com", "", "com"),
            ("", "", ""),
        ] {
            let split = Name::new(name);
            assert_eq!((split.host(), split.domain()), (host, domain), "{name}");
        }
    }
}
