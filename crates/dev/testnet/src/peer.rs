//! Remote SMTP (and LMTP) hosts that do what the test tells them: how they are told.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;

use crate::{Certificate, Gate, RunningPeer, bind_smtp};

/// Where in a session a rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Before the greeting; the pattern sees the client's address.
    Connect,
    /// EHLO, HELO or LHLO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA, or BDAT's first chunk.
    Data,
    /// The whole message is here, the reply is due; the pattern sees the first recipient's path.
    Body,
    /// RSET.
    Rset,
    /// QUIT.
    Quit,
    /// Any other command.
    Other,
}

/// What the host does instead of the usual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// This reply; lines are separated by `\n`, written as they stand, each ended by CRLF.
    Reply(String),
    /// This reply, then it closes the connection.
    ReplyAndClose(String),
    /// Exactly these bytes, be they a reply or not.
    Bytes(Vec<u8>),
    /// Nothing, ever; the connection stays open.
    Hang,
    /// It closes the connection without a word.
    Drop,
    /// It waits, then does the usual.
    Wait(Duration),
    /// It waits until the gate is open, then does the usual.
    Until(Gate),
    /// 451 the first time, the usual from then on; remembered for each sender and recipient.
    Greylist,
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) stage: Stage,
    pub(crate) pattern: String,
    /// How many times it acts; `None`: always.
    pub(crate) times: Option<usize>,
    pub(crate) act: Act,
}

/// The extensions that the host offers to EHLO, one line each, without code: `SIZE 1000000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extensions(pub Vec<String>);

/// How a host behaves: accepts everything, until told otherwise. Rules are asked in the order
/// in which they were given; the first that fits acts.
#[derive(Clone)]
pub struct SmtpPeer {
    pub(crate) name: String,
    pub(crate) extensions: Extensions,
    pub(crate) rules: Vec<Rule>,
    pub(crate) drop_in_body: Option<usize>,
    pub(crate) certificate: Option<Certificate>,
    pub(crate) tls: Tls,
    pub(crate) keeps: Keeps,
    pub(crate) line_ends: LineEnds,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    Offered,
    FromTheStart,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    Everything,
    Counts,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineEnds {
    Strict,
    /// LF alone ends a line too: a server that can be smuggled through.
    Lenient,
}

impl Default for SmtpPeer {
    fn default() -> Self {
        Self::new()
    }
}

impl SmtpPeer {
    /// A host that accepts every message for everybody (a catch-all).
    #[must_use]
    pub fn new() -> Self {
        let offered =
            ["PIPELINING", "SIZE 52428800", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8", "CHUNKING"];
        Self {
            name: "peer.test".into(),
            extensions: Extensions(offered.map(String::from).to_vec()),
            rules: Vec::new(),
            drop_in_body: None,
            certificate: None,
            tls: Tls::Offered,
            keeps: Keeps::Everything,
            line_ends: LineEnds::Strict,
        }
    }

    /// A host that only counts: no commands and no bodies are kept.
    #[must_use]
    pub fn sink() -> Self {
        Self { keeps: Keeps::Counts, ..Self::new() }
    }

    /// The name in its greeting.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The extensions that it offers, instead of its own list.
    #[must_use]
    pub fn extensions(mut self, offered: &[&str]) -> Self {
        self.extensions = Extensions(offered.iter().map(ToString::to_string).collect());
        self
    }

    /// A host from before RFC 1869: EHLO is not known.
    #[must_use]
    pub fn helo_only(self) -> Self {
        self.reply_to(Stage::Hello, "EHLO*", "502 Command not implemented")
    }

    /// `550 5.1.1` for this recipient: an address, or a local part at any domain.
    #[must_use]
    pub fn unknown_user(self, user: &str) -> Self {
        let pattern = if user.contains('@') { format!("*<{user}>*") } else { format!("*<{user}@*") };
        self.reply_to(Stage::Rcpt, &pattern, "550 5.1.1 No such user here")
    }

    /// `550 5.1.1` for every recipient but these addresses.
    #[must_use]
    pub fn only_users(mut self, addresses: &[&str]) -> Self {
        for address in addresses {
            let reply = Act::Reply("250 2.1.5 Recipient OK".into());
            self = self.on(Stage::Rcpt, &format!("*<{address}>*"), reply);
        }
        self.reply(Stage::Rcpt, "550 5.1.1 No such user here")
    }

    /// `451` for the first RCPT of each pair of sender and recipient.
    #[must_use]
    pub fn greylisting(self) -> Self {
        self.on(Stage::Rcpt, "*", Act::Greylist)
    }

    /// This reply at this stage, always.
    #[must_use]
    pub fn reply(self, stage: Stage, text: &str) -> Self {
        self.reply_to(stage, "*", text)
    }

    /// This reply at this stage to commands that fit the pattern ([`crate::glob_matches`]).
    #[must_use]
    pub fn reply_to(self, stage: Stage, pattern: &str, text: &str) -> Self {
        self.on(stage, pattern, Act::Reply(text.to_owned()))
    }

    /// No reply at this stage, ever.
    #[must_use]
    pub fn hang(self, stage: Stage) -> Self {
        self.on(stage, "*", Act::Hang)
    }

    /// Closes the connection at this stage, without a reply.
    #[must_use]
    pub fn drop_at(self, stage: Stage) -> Self {
        self.on(stage, "*", Act::Drop)
    }

    /// Closes the connection when this many octets of a message have come.
    #[must_use]
    pub fn drop_in_body(mut self, after: usize) -> Self {
        self.drop_in_body = Some(after);
        self
    }

    /// Waits at every stage before it goes on.
    #[must_use]
    pub fn slow(mut self, wait: Duration) -> Self {
        use Stage::{Body, Connect, Data, Hello, Mail, Other, Quit, Rcpt, Rset, StartTls};
        for stage in [Connect, Hello, StartTls, Mail, Rcpt, Data, Body, Rset, Quit, Other] {
            self = self.on(stage, "*", Act::Wait(wait));
        }
        self
    }

    /// Any act at a stage, for commands that fit the pattern.
    #[must_use]
    pub fn on(self, stage: Stage, pattern: &str, act: Act) -> Self {
        self.rule(stage, pattern, None, act)
    }

    /// Any act at a stage, the first `times` times that a command fits the pattern.
    #[must_use]
    pub fn first(self, times: usize, stage: Stage, pattern: &str, act: Act) -> Self {
        self.rule(stage, pattern, Some(times), act)
    }

    fn rule(mut self, stage: Stage, pattern: &str, times: Option<usize>, act: Act) -> Self {
        self.rules.push(Rule { stage, pattern: pattern.to_owned(), times, act });
        self
    }

    /// Offers STARTTLS with this certificate.
    #[must_use]
    pub fn starttls(mut self, certificate: Certificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// Speaks TLS from the first byte, with this certificate.
    #[must_use]
    pub fn implicit_tls(mut self, certificate: Certificate) -> Self {
        self.certificate = Some(certificate);
        self.tls = Tls::FromTheStart;
        self
    }

    /// Takes LF alone as a line end too, in commands and in messages: a server that can be
    /// smuggled through. Without this only CRLF is one.
    #[must_use]
    pub fn lenient_line_ends(mut self) -> Self {
        self.line_ends = LineEnds::Lenient;
        self
    }

    /// Starts on port 25 of an address; where that is not allowed, on a free port.
    ///
    /// # Errors
    /// The port is taken, or the address is none of 127.0.0.0/8.
    pub async fn start(self, ip: Ipv4Addr) -> io::Result<RunningPeer> {
        RunningPeer::serve(self, bind_smtp(ip).await?)
    }

    /// Starts on a given address and port (0: a free one).
    ///
    /// # Errors
    /// The port is taken or not allowed.
    pub async fn start_at(self, address: SocketAddr) -> io::Result<RunningPeer> {
        RunningPeer::serve(self, TcpListener::bind(address).await?)
    }
}
