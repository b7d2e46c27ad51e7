//! A scripted host that runs: it accepts connections, and remembers what it saw.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::conversation::converse;
use crate::glob;
use crate::peer::{Act, Keeps, SmtpPeer, Stage};

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
    pub(crate) fn serve(peer: SmtpPeer, listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let seen = Arc::new(Seen::new(peer));
        let task = tokio::spawn(accept(listener, Arc::clone(&seen)));
        Ok(Self { seen, address, task })
    }

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
