//! Requests: bounded, whatever comes.

use std::net::IpAddr;

/// Bounds of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of one line; 4,096. Postfix keeps its own values below 2,048.
    pub line: usize,
    /// Lines of one request; 128. Postfix sends about 35.
    pub lines: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { line: 4096, lines: 128 }
    }
}

/// Why a stream is no policy delegation. There is no way back into step: the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A line beyond [`Limits::line`].
    #[error("a line is longer than {0} octets")]
    LongLine(usize),
    /// A request beyond [`Limits::lines`].
    #[error("a request has more than {0} lines")]
    ManyLines(usize),
    /// A line without `=`.
    #[error("a line is not of the form name=value")]
    NoName,
}

/// Cuts a stream into requests.
#[derive(Debug, Default)]
pub struct Requests {
    limits: Limits,
    input: Vec<u8>,
    /// How much of `input` has been taken.
    taken: usize,
    /// How much of what follows is known to hold no line end.
    looked: usize,
    begun: Request,
}

/// One request. Names are as Postfix gives them; what this end does not know is kept all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    attributes: Vec<(String, String)>,
}

impl Requests {
    /// With bounds of one's own.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes bytes as they come. To be called when [`next`](Self::next) has nothing more, so that no more than
    /// one read is held beside an unfinished line.
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.drain(..self.taken);
        self.taken = 0;
        self.input.extend_from_slice(bytes);
    }

    /// The next whole request.
    ///
    /// # Errors
    /// [`Malformed`].
    #[allow(clippy::should_implement_trait, reason = "it fails, and goes on after more bytes")]
    pub fn next(&mut self) -> Result<Option<Request>, Malformed> {
        while let Some(line) = self.line()? {
            if line.is_empty() {
                // An empty line before any attribute asks nothing.
                if !self.begun.attributes.is_empty() {
                    return Ok(Some(std::mem::take(&mut self.begun)));
                }
                continue;
            }
            if self.begun.attributes.len() == self.limits.lines {
                return Err(Malformed::ManyLines(self.limits.lines));
            }
            let (name, value) = line.split_once('=').ok_or(Malformed::NoName)?;
            self.begun.attributes.push((name.to_owned(), value.to_owned()));
        }
        Ok(None)
    }

    /// The next whole line without its end. What is not UTF-8 in it is replaced.
    fn line(&mut self) -> Result<Option<String>, Malformed> {
        let waiting = &self.input[self.taken..];
        let too_long = Malformed::LongLine(self.limits.line);
        let Some(end) = memchr::memchr(b'\n', &waiting[self.looked..]) else {
            self.looked = waiting.len();
            return if waiting.len() > self.limits.line { Err(too_long) } else { Ok(None) };
        };
        let line = &waiting[..self.looked + end];
        if line.len() > self.limits.line {
            return Err(too_long);
        }
        self.taken += line.len() + 1;
        self.looked = 0;
        Ok(Some(String::from_utf8_lossy(line).into_owned()))
    }
}

impl Request {
    /// A request of these attributes, as a client makes it.
    pub fn new<'a>(attributes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self { attributes: attributes.into_iter().map(owned).collect() }
    }

    /// An attribute's value; `None` where it is not there or empty, which Postfix means to be the same.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Whether the attribute was given, be it empty: `sender=` is the null sender.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.attributes.iter().any(|(known, _)| known == name)
    }

    /// The client's address; `None` for a local one, and where Postfix does not know it (`unknown`).
    #[must_use]
    pub fn client_address(&self) -> Option<IpAddr> {
        self.value("client_address")?.parse().ok()
    }

    /// Appends the request as a client sends it. Line ends within become spaces.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.attributes {
            let line = format!("{}={}", name.replace(['\n', '='], " "), value.replace('\n', " "));
            out.extend_from_slice(line.as_bytes());
            out.push(b'\n');
        }
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As Postfix 3.7 asks.
    const ASKED: &str = "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\n\
        client_address=192.0.2.7\nclient_name=unknown\nhelo_name=client.example.org\nsender=carl@example.org\n\
        recipient=ann@example.test\ninstance=3fd0.6a1f5c2b.c5a8e.0\nqueue_id=\nsasl_username=\n\n";

    fn all(input: &[u8], size: usize, limits: Limits) -> Result<Vec<Request>, Malformed> {
        let mut requests = Requests::with_limits(limits);
        let mut found = Vec::new();
        for piece in input.chunks(size) {
            requests.push(piece);
            while let Some(request) = requests.next()? {
                found.push(request);
            }
        }
        Ok(found)
    }

    #[test]
    fn postfix_is_understood() {
        let twice = [ASKED, ASKED].concat();
        let requests = all(twice.as_bytes(), 7, Limits::default()).unwrap();
        assert_eq!(requests.len(), 2);
        let request = &requests[0];
        assert_eq!(request.value("recipient"), Some("ann@example.test"));
        assert_eq!(request.client_address(), "192.0.2.7".parse().ok());
        assert_eq!((request.value("queue_id"), request.has("queue_id")), (None, true));
        assert_eq!((request.value("nothing"), request.has("nothing")), (None, false));
    }

    #[test]
    fn what_is_too_much_ends_it() {
        let limits = Limits { line: 20, lines: 3 };
        let long = format!("a={}", "x".repeat(19));
        assert_eq!(all(long.as_bytes(), 100, limits), Err(Malformed::LongLine(20)));
        assert_eq!(all(format!("{long}\n\n").as_bytes(), 100, limits), Err(Malformed::LongLine(20)));
        assert_eq!(all(b"a=1\nb=2\nc=3\nd=4\n\n", 100, limits), Err(Malformed::ManyLines(3)));
        assert_eq!(all(b"GET / HTTP/1.0\n", 100, limits), Err(Malformed::NoName));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            attributes in prop::collection::vec(("[a-z_]{1,12}", "[^\n]{0,60}"), 1..10), size in 1..50_usize,
        ) {
            let request = Request::new(attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            let mut bytes = Vec::new();
            request.encode(&mut bytes);
            request.encode(&mut bytes);
            prop_assert_eq!(all(&bytes, size, Limits::default()), Ok(vec![request.clone(), request]));
        }

        #[test]
        fn no_bytes_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1..50_usize) {
            let whole = all(&bytes, 300, Limits::default());
            prop_assert_eq!(all(&bytes, size, Limits::default()), whole);
        }
    }
}
