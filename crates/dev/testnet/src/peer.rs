//! Remote SMTP (and LMTP) hosts that do what the test tells them, and remember what they saw.

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::conversation::converse;
use crate::{Certificate, bind_smtp, glob};

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
    /// 451 the first time, the usual from then on; remembered for each sender and recipient.
    Greylist,
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    stage: Stage,
    pattern: String,
    /// How many times it acts; `None`: always.
    times: Option<usize>,
    act: Act,
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
    rules: Vec<Rule>,
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

/// A message that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Where the client connected from.
    pub client: SocketAddr,
    /// The name in its EHLO, HELO or LHLO.
    pub helo: String,
    /// Whether the session was encrypted.
    pub over_tls: bool,
    /// The reverse-path, without angle brackets; empty is the null sender.
    pub from: String,
    /// The parameters of MAIL, as they came.
    pub from_parameters: String,
    /// The accepted forward-paths, without angle brackets.
    pub to: Vec<String>,
    /// The message as it came, dots unstuffed.
    pub body: Vec<u8>,
}

impl Received {
    /// The message as text; bytes that are not UTF-8 become `U+FFFD`.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
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
        self.serve(bind_smtp(ip).await?)
    }

    /// Starts on a given address and port (0: a free one).
    ///
    /// # Errors
    /// The port is taken or not allowed.
    pub async fn start_at(self, address: SocketAddr) -> io::Result<RunningPeer> {
        self.serve(TcpListener::bind(address).await?)
    }

    fn serve(self, listener: TcpListener) -> io::Result<RunningPeer> {
        let address = listener.local_addr()?;
        let seen = Arc::new(Seen::new(self));
        let task = tokio::spawn(accept(listener, Arc::clone(&seen)));
        Ok(RunningPeer { seen, address, task })
    }
}

async fn accept(listener: TcpListener, seen: Arc<Seen>) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, client)) = accepted {
                let number = seen.connected(client);
                let seen = Arc::clone(&seen);
                sessions.spawn(async move {
                    // A connection that breaks is what many tests are about.
                    let _ = converse(stream, client, number, &seen).await;
                    seen.lock().open -= 1;
                });
            },
            _ = sessions.join_next(), if !sessions.is_empty() => {}
        }
    }
}

/// A running host. It ends, with all its connections, when this value is dropped.
pub struct RunningPeer {
    seen: Arc<Seen>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for RunningPeer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a host is told and has seen, shared by its sessions.
pub(crate) struct Seen {
    memory: Mutex<Memory>,
    accepted: watch::Sender<usize>,
}

#[derive(Default)]
struct Memory {
    peer: Arc<SmtpPeer>,
    /// How often each rule has acted.
    acted: Vec<usize>,
    greylisted: HashSet<String>,
    commands: Vec<(usize, String)>,
    messages: Vec<Received>,
    clients: Vec<SocketAddr>,
    open: usize,
}

impl Seen {
    fn new(peer: SmtpPeer) -> Self {
        let memory = Memory { acted: vec![0; peer.rules.len()], peer: Arc::new(peer), ..Memory::default() };
        Self { memory: Mutex::new(memory), accepted: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connected(&self, client: SocketAddr) -> usize {
        let mut memory = self.lock();
        memory.clients.push(client);
        memory.open += 1;
        memory.clients.len()
    }

    /// How the host behaves now.
    pub(crate) fn peer(&self) -> Arc<SmtpPeer> {
        Arc::clone(&self.lock().peer)
    }

    pub(crate) fn note_command(&self, connection: usize, line: &str) {
        let mut memory = self.lock();
        if memory.peer.keeps == Keeps::Everything {
            memory.commands.push((connection, line.to_owned()));
        }
    }

    pub(crate) fn note_message(&self, message: impl FnOnce() -> Received) {
        let mut memory = self.lock();
        if memory.peer.keeps == Keeps::Everything {
            memory.messages.push(message());
        }
        drop(memory);
        self.accepted.send_modify(|n| *n += 1);
    }

    /// The act of the first rule that fits; `pair` names sender and recipient for greylisting.
    pub(crate) fn act(&self, stage: Stage, line: &str, pair: &str) -> Option<Act> {
        let mut memory = self.lock();
        let Memory { peer, acted, greylisted, .. } = &mut *memory;
        for (rule, acted) in peer.rules.iter().zip(acted) {
            let spent = rule.times.is_some_and(|times| *acted >= times);
            if spent || rule.stage != stage || !glob::matches(&rule.pattern, line) {
                continue;
            }
            *acted += 1;
            if rule.act != Act::Greylist {
                return Some(rule.act.clone());
            }
            if greylisted.insert(pair.to_owned()) {
                return Some(Act::Reply("451 4.7.1 Greylisted, please try again later".into()));
            }
        }
        None
    }
}

impl RunningPeer {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every command line so far, in order, without line ends.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        self.seen.lock().commands.iter().map(|(_, line)| line.clone()).collect()
    }

    /// The command lines of one connection, which are counted from 1.
    #[must_use]
    pub fn commands_of(&self, connection: usize) -> Vec<String> {
        let memory = self.seen.lock();
        memory.commands.iter().filter(|(n, _)| *n == connection).map(|(_, line)| line.clone()).collect()
    }

    /// How many command lines fit a pattern ([`crate::glob_matches`]).
    #[must_use]
    pub fn count(&self, pattern: &str) -> usize {
        self.seen.lock().commands.iter().filter(|(_, line)| glob::matches(pattern, line)).count()
    }

    /// The accepted messages.
    #[must_use]
    pub fn messages(&self) -> Vec<Received> {
        self.seen.lock().messages.clone()
    }

    /// How many messages were accepted (a sink knows this, too).
    #[must_use]
    pub fn message_count(&self) -> usize {
        *self.seen.accepted.borrow()
    }

    /// The address of every connection so far.
    #[must_use]
    pub fn clients(&self) -> Vec<SocketAddr> {
        self.seen.lock().clients.clone()
    }

    /// How many connections are open now.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.seen.lock().open
    }

    /// Changes the behaviour from now on, in open connections too.
    pub fn behave(&self, peer: SmtpPeer) {
        let mut memory = self.seen.lock();
        memory.acted = vec![0; peer.rules.len()];
        memory.peer = Arc::new(peer);
    }

    /// Waits until `count` messages were accepted, 30 seconds at most; whether they were.
    pub async fn wait_for_messages(&self, count: usize) -> bool {
        let mut accepted = self.seen.accepted.subscribe();
        let enough = accepted.wait_for(|n| *n >= count);
        tokio::time::timeout(Duration::from_secs(30), enough).await.is_ok()
    }
}
