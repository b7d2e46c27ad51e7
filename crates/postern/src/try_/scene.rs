//! A scene of the tour as data: who connects, what is said and heard, what should come of it.

use std::net::Ipv4Addr;

use postern_policy::Test;
use postern_store::Outcome;
use postern_types::Address;

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
    /// A host that relays for strangers.
    Open,
    /// A host that does not, as it should be.
    Closed,
    /// Somebody's computer at home.
    Pool,
    /// A host that sends for several domains; their mail comes in elsewhere.
    Provider,
    /// A host that says it is this server.
    Pretender,
}

impl Remote {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::Honest,
        Self::Stranger,
        Self::Blocked,
        Self::Listed,
        Self::Open,
        Self::Closed,
        Self::Pool,
        Self::Provider,
        Self::Pretender,
    ];

    /// The domain of its mail, where the scene names no other.
    pub(crate) fn domain(self) -> &'static str {
        match self {
            Self::Honest => "honest.test",
            Self::Stranger => "stranger.test",
            Self::Blocked => "blocked.test",
            Self::Listed => "listed.test",
            Self::Open => "open.test",
            Self::Closed => "closed.test",
            Self::Pool => "family.test",
            Self::Provider => "provider.test",
            Self::Pretender => "pretender.test",
        }
    }
}

/// A remote host with its name and its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) remote: Remote,
    pub(crate) name: String,
    pub(crate) ip: Ipv4Addr,
}

impl Host {
    /// The host at this address, with the name that it has there.
    pub(crate) fn new(remote: Remote, ip: Ipv4Addr) -> Self {
        let name = match remote {
            Remote::Pool => {
                let [a, b, c, d] = ip.octets();
                format!("{a}-{b}-{c}-{d}.dsl.isp.test")
            }
            Remote::Provider => "out.provider.test".into(),
            remote => format!("mail.{}", remote.domain()),
        };
        Self { remote, name, ip }
    }

    /// The one of these hosts; where it is not among them, one that comes from here.
    pub(crate) fn among(hosts: &[Self], remote: Remote) -> Self {
        let host = hosts.iter().find(|host| host.remote == remote);
        host.cloned().unwrap_or_else(|| Self::new(remote, Ipv4Addr::LOCALHOST))
    }
}

/// One step of a conversation. Patterns hold `*` for anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// A new connection.
    Connects,
    /// The server's reply.
    Hears(String),
    /// The server's reply about a recipient, which the table shows too.
    Notes(Address, String),
    /// The server's reply that decides the scene: it is what the table shows.
    Decides(String),
    /// A line, without its CRLF.
    Says(String),
    /// Octets as they stand.
    Sends(Vec<u8>),
    /// Whoever was asked may answer now, and the server learns the answer.
    Learns(Question),
    /// It comes back until it is greeted like this: the server has learned something about it by then.
    Returns(String),
    /// The operator lets it in again.
    Lifts,
    /// The recipient has the latest message released that was held for it; what is said about it decides the scene.
    Releases(Address, String),
}

/// A question that the server asks by a connection of its own: the test, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) probe: &'static str,
    pub(crate) subject: String,
}

/// A conversation, and what it should leave behind.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    /// What it shows, in a few words.
    pub(crate) what: &'static str,
    /// Who acts: a host's name, a recipient.
    pub(crate) who: String,
    /// The address that it connects from.
    pub(crate) ip: Ipv4Addr,
    /// The sender of the envelope.
    pub(crate) sender: String,
    /// What is said and heard.
    pub(crate) turns: Vec<Turn>,
    /// What should become of the message, where one is accepted.
    pub(crate) outcome: Option<Outcome>,
    /// What a test should have seen, where the reply does not say it.
    pub(crate) seen: Option<(Test, String)>,
    /// The message as sent, where one is; empty else.
    pub(crate) message: Vec<u8>,
    /// The accounts (by number) in whose mailbox it should be in the end.
    pub(crate) arrives: Vec<usize>,
}

impl Scene {
    /// A host connects.
    pub(crate) fn new(what: &'static str, host: &Host) -> Self {
        Self {
            what,
            who: host.name.clone(),
            ip: host.ip,
            sender: format!("ann@{}", host.remote.domain()),
            turns: Vec::new(),
            outcome: None,
            seen: None,
            message: Vec::new(),
            arrives: Vec::new(),
        }
    }

    /// A recipient has something done here.
    pub(crate) fn at_home(what: &'static str, recipient: &Address) -> Self {
        let host = Host::new(Remote::Honest, Ipv4Addr::LOCALHOST);
        Self { who: recipient.to_string(), ..Self::new(what, &host) }
    }

    /// The mail is from this sender.
    pub(crate) fn sender(mut self, sender: &str) -> Self {
        self.sender = sender.into();
        self
    }

    fn turn(mut self, turn: Turn) -> Self {
        self.turns.push(turn);
        self
    }

    pub(crate) fn connects(self) -> Self {
        self.turn(Turn::Connects)
    }

    pub(crate) fn hears(self, pattern: &str) -> Self {
        self.turn(Turn::Hears(pattern.into()))
    }

    pub(crate) fn notes(self, about: &Address, pattern: &str) -> Self {
        self.turn(Turn::Notes(about.clone(), pattern.into()))
    }

    pub(crate) fn decides(self, pattern: &str) -> Self {
        self.turn(Turn::Decides(pattern.into()))
    }

    pub(crate) fn says(self, line: impl Into<String>) -> Self {
        self.turn(Turn::Says(line.into()))
    }

    pub(crate) fn sends(self, bytes: &[u8]) -> Self {
        self.turn(Turn::Sends(bytes.into()))
    }

    pub(crate) fn learns(self, probe: &'static str, subject: impl Into<String>) -> Self {
        self.turn(Turn::Learns(Question { probe, subject: subject.into() }))
    }

    pub(crate) fn returns(self, pattern: &str) -> Self {
        self.turn(Turn::Returns(pattern.into()))
    }

    pub(crate) fn lifts(self) -> Self {
        self.turn(Turn::Lifts)
    }

    pub(crate) fn releases(self, recipient: &Address, pattern: &str) -> Self {
        self.turn(Turn::Releases(recipient.clone(), pattern.into()))
    }

    /// What this test should have seen.
    pub(crate) fn sees(mut self, test: Test, pattern: &str) -> Self {
        self.seen = Some((test, pattern.into()));
        self
    }

    /// A connection, greeting and EHLO under the host's own name.
    pub(crate) fn greets(self) -> Self {
        let name = self.who.clone();
        self.greets_as(&name)
    }

    /// A connection, greeting and EHLO under this name.
    pub(crate) fn greets_as(self, name: &str) -> Self {
        self.connects().hears("220 *").says(format!("EHLO {name}")).hears("250*")
    }

    /// MAIL, accepted.
    pub(crate) fn mail(self) -> Self {
        let mail = format!("MAIL FROM:<{}>", self.sender);
        self.says(mail).hears("250 *")
    }

    /// RCPT, not yet answered.
    pub(crate) fn asks(self, to: &Address) -> Self {
        self.says(format!("RCPT TO:<{to}>"))
    }

    /// RCPT, accepted.
    pub(crate) fn rcpt(self, to: &Address) -> Self {
        self.asks(to).hears("250 *")
    }

    /// DATA and the message, not yet answered.
    pub(crate) fn data(self, message: &[u8]) -> Self {
        self.says("DATA").hears("354 *").sends(&stuffed(message))
    }

    /// DATA and the message; it should be accepted and found by these accounts.
    pub(crate) fn delivers(self, message: Vec<u8>, arrives: &[usize]) -> Self {
        let scene = self.data(&message).decides("250 *");
        Self { message, arrives: arrives.into(), outcome: Some(Outcome::Accepted), ..scene }
    }

    /// DATA and the message; it should be accepted and held, and found by these accounts once it is released.
    pub(crate) fn holds(self, message: Vec<u8>, arrives: &[usize]) -> Self {
        Self { outcome: Some(Outcome::Quarantined), ..self.delivers(message, arrives) }
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
