//! A scene of the tour as data: who connects, what is said and heard, what should come of it.

/// The remote hosts of the test internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remote {
    /// A mail server in good order: name, address and domain agree.
    Honest,
    /// Another one in good order, whose people try what they may not.
    Stranger,
    /// A host on the operator's block-list.
    Blocked,
    /// A host on a DNS block-list.
    Listed,
}

impl Remote {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Honest, Self::Stranger, Self::Blocked, Self::Listed];

    /// Its mail domain.
    pub(crate) fn domain(self) -> &'static str {
        match self {
            Self::Honest => "honest.test",
            Self::Stranger => "stranger.test",
            Self::Blocked => "blocked.test",
            Self::Listed => "listed.test",
        }
    }

    /// Its own name.
    pub(crate) fn name(self) -> String {
        format!("mail.{}", self.domain())
    }
}

/// One step of a conversation. Patterns hold `*` for anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The server's reply.
    Hears(String),
    /// The server's reply that decides the scene: it is what the table shows.
    Decides(String),
    /// A line, without its CRLF.
    Says(String),
    /// Octets as they stand.
    Sends(Vec<u8>),
}

/// A conversation, and what it should leave behind.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    /// What it shows, in a few words.
    pub(crate) what: &'static str,
    /// Who connects.
    pub(crate) remote: Remote,
    /// What is said and heard.
    pub(crate) turns: Vec<Turn>,
    /// The message as sent, where one is; empty else.
    pub(crate) message: Vec<u8>,
    /// The accounts (by number) in whose mailbox it should then be.
    pub(crate) arrives: Vec<usize>,
}

impl Scene {
    /// A host connects.
    pub(crate) fn new(what: &'static str, remote: Remote) -> Self {
        Self { what, remote, turns: Vec::new(), message: Vec::new(), arrives: Vec::new() }
    }

    pub(crate) fn hears(mut self, pattern: &str) -> Self {
        self.turns.push(Turn::Hears(pattern.into()));
        self
    }

    pub(crate) fn decides(mut self, pattern: &str) -> Self {
        self.turns.push(Turn::Decides(pattern.into()));
        self
    }

    pub(crate) fn says(mut self, line: impl Into<String>) -> Self {
        self.turns.push(Turn::Says(line.into()));
        self
    }

    pub(crate) fn sends(mut self, bytes: &[u8]) -> Self {
        self.turns.push(Turn::Sends(bytes.into()));
        self
    }

    /// Greeting and EHLO under the host's own name.
    pub(crate) fn greets(self) -> Self {
        let name = self.remote.name();
        self.hears("220 *").says(format!("EHLO {name}")).hears("250*")
    }

    /// MAIL from somebody at the host's own domain, accepted.
    pub(crate) fn mail(self) -> Self {
        let domain = self.remote.domain();
        self.says(format!("MAIL FROM:<ann@{domain}>")).hears("250 *")
    }

    /// RCPT, accepted.
    pub(crate) fn rcpt(self, to: &str) -> Self {
        self.says(format!("RCPT TO:<{to}>")).hears("250 *")
    }

    /// DATA and the message; it should be accepted and found by these accounts.
    pub(crate) fn delivers(self, message: Vec<u8>, arrives: &[usize]) -> Self {
        let mut scene = self.says("DATA").hears("354 *").sends(&stuffed(&message)).decides("250 *");
        scene.message = message;
        scene.arrives = arrives.into();
        scene
    }

    /// QUIT, answered at once: nothing else is left to be answered.
    pub(crate) fn quits(self) -> Self {
        self.says("QUIT").hears("221 *")
    }
}

/// rfc5321 §4.5.2: a dot before every line that begins with one, and the line that ends it all.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 16);
    for line in message.split_inclusive(|&byte| byte == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_stuffed_once() {
        assert_eq!(stuffed(b".a\r\nb\r\n..\r\n"), b"..a\r\nb\r\n...\r\n.\r\n");
    }
}
