//! The events: what can happen, with everything that a log line or metric of it needs.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use postern_types::{Refusal, Reply, ReversePath, TraceId};

use crate::label::{
    DnsblState, Pressure, Probe, ProbeReach, RefusedWhy, Route, Service, SessionEnd, SignInOutcome, Stage,
    StoreFault, TlsVersion,
};

/// Something that happened. It borrows what it tells, so making one costs nothing.
#[derive(Clone, Copy)]
pub enum Event<'a> {
    /// The program runs with this configuration.
    Started {
        /// The program's version.
        version: &'a str,
        /// The hash of the effective configuration, so that drift shows.
        config: &'a str,
    },
    /// A port is open.
    Listening {
        /// Who answers there.
        service: Service,
        /// Where.
        address: SocketAddr,
    },
    /// No new work is taken; what runs may finish.
    Stopping {
        /// Why: a signal's name, or what failed.
        why: &'a str,
    },
    /// Everything has ended.
    Stopped,
    /// A client is connected and was let in.
    ConnectionOpened {
        /// Which service it reached.
        service: Service,
        /// Its address.
        client: IpAddr,
    },
    /// A client was turned away at the door. The log shows a few of these a second per reason.
    ConnectionRefused {
        /// Which service it reached.
        service: Service,
        /// Its address.
        client: IpAddr,
        /// Why.
        why: RefusedWhy,
    },
    /// A session that was let in is over.
    SessionEnded {
        /// Which service.
        service: Service,
        /// The session's trace id, where it has one.
        trace: Option<TraceId>,
        /// The client's address.
        client: IpAddr,
        /// How it ended.
        end: SessionEnd,
        /// Messages accepted (SMTP) or fetched (POP3) in it.
        messages: u32,
        /// From connect to close.
        duration: Duration,
    },
    /// A TLS handshake succeeded.
    TlsStarted {
        /// Which service.
        service: Service,
        /// The client's address.
        client: IpAddr,
        /// The version agreed on.
        version: TlsVersion,
    },
    /// A TLS handshake failed.
    TlsFailed {
        /// Which service.
        service: Service,
        /// The client's address.
        client: IpAddr,
        /// What the TLS library says.
        why: &'a dyn fmt::Display,
    },
    /// A message was answered 250.
    MessageAccepted {
        /// Whose it is.
        message: MessageEvent<'a>,
        /// Where it went.
        route: Route,
    },
    /// A transaction was refused: at MAIL, at DATA or after the message.
    MessageRefused {
        /// Whose it is.
        message: MessageEvent<'a>,
        /// Where in the session.
        stage: Stage,
        /// The reply, the blame and the cause.
        refusal: &'a Refusal,
    },
    /// One recipient was refused.
    RecipientRefused {
        /// The transaction.
        trace: TraceId,
        /// The client's address.
        client: IpAddr,
        /// The envelope sender.
        sender: &'a ReversePath,
        /// The recipient as given.
        recipient: &'a dyn fmt::Display,
        /// The reply, the blame and the cause.
        refusal: &'a Refusal,
    },
    /// The server behind took a message.
    Relayed {
        /// The transaction.
        trace: TraceId,
        /// The server behind: host and port.
        upstream: &'a str,
        /// Its reply to the message.
        reply: &'a Reply,
        /// From the end of the message to its reply.
        duration: Duration,
    },
    /// The server behind could not be used.
    UpstreamFailed {
        /// The transaction, where one had begun.
        trace: Option<TraceId>,
        /// The server behind: host and port.
        upstream: &'a str,
        /// What happened.
        why: &'a dyn fmt::Display,
    },
    /// A DNS block-list was switched on or off by its health check.
    DnsblHealth {
        /// The list's zone, one of the configuration's.
        list: &'a str,
        /// Whether it is asked from now on.
        state: DnsblState,
        /// What the check saw.
        why: &'a str,
    },
    /// An active test has connected to a host.
    Probed {
        /// The test.
        probe: Probe,
        /// What it asks about: an address, a sender.
        subject: &'a str,
        /// The host.
        target: SocketAddr,
        /// Whether the host could be talked to.
        reached: ProbeReach,
        /// What came of it, in a few words.
        outcome: &'a str,
        /// From connecting to the end.
        duration: Duration,
    },
    /// An active test was not made, though its answer was wanted.
    ProbeHeldBack {
        /// The test.
        probe: Probe,
        /// What it asks about.
        subject: &'a str,
        /// Why.
        why: &'a dyn fmt::Display,
    },
    /// Somebody tried to sign in.
    SignIn {
        /// Where.
        service: Service,
        /// The client's address.
        client: IpAddr,
        /// The name as given; hostile.
        account: &'a str,
        /// How it ended.
        outcome: SignInOutcome,
    },
    /// A mailbox was visited by POP3.
    Pop3Session {
        /// The client's address.
        client: IpAddr,
        /// The account.
        account: &'a dyn fmt::Display,
        /// Messages fetched.
        fetched: u32,
        /// Messages deleted at QUIT.
        deleted: u32,
        /// Octets of messages sent.
        octets: u64,
        /// From sign-in to the end.
        duration: Duration,
    },
    /// New certificates are in use.
    TlsReloaded {
        /// The certificate's file.
        file: &'a str,
    },
    /// Changed certificates could not be read; the old ones stay in use.
    TlsReloadFailed {
        /// The file.
        file: &'a str,
        /// What is wrong with it.
        why: &'a dyn fmt::Display,
    },
    /// The store failed at something.
    StoreError {
        /// The transaction, where there is one.
        trace: Option<TraceId>,
        /// What was tried, such as `accept`.
        what: &'a str,
        /// The kind of fault.
        fault: StoreFault,
        /// The error in the store's words.
        why: &'a dyn fmt::Display,
    },
    /// The load level changed.
    Shedding {
        /// The new level.
        level: Pressure,
        /// What made it change.
        why: &'a str,
    },
}

/// The facts of one message's transaction.
#[derive(Clone, Copy)]
pub struct MessageEvent<'a> {
    /// The transaction.
    pub trace: TraceId,
    /// The client's address.
    pub client: IpAddr,
    /// The name in HELO or EHLO; hostile.
    pub helo: &'a str,
    /// The envelope sender.
    pub sender: &'a ReversePath,
    /// The recipients so far accepted.
    pub recipients: &'a dyn List,
    /// Octets received.
    pub size: u64,
    /// From MAIL to the answer.
    pub duration: Duration,
}

/// Several things to name in one log line; `Vec<T>` and `&[T]` are, when `T` can be displayed.
pub trait List {
    /// How many.
    fn count(&self) -> usize;
    /// The one at `index`, where there is one.
    fn at(&self, index: usize) -> Option<&dyn fmt::Display>;
}

impl<T: fmt::Display> List for Vec<T> {
    fn count(&self) -> usize {
        self.len()
    }
    fn at(&self, index: usize) -> Option<&dyn fmt::Display> {
        self.get(index).map(|item| item as &dyn fmt::Display)
    }
}

impl<T: fmt::Display> List for &[T] {
    fn count(&self) -> usize {
        self.len()
    }
    fn at(&self, index: usize) -> Option<&dyn fmt::Display> {
        self.get(index).map(|item| item as &dyn fmt::Display)
    }
}

/// How many a log line names.
const SHOWN: usize = 10;

impl fmt::Display for dyn List + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, item) in (0..SHOWN).map_while(|i| self.at(i)).enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            item.fmt(f)?;
        }
        match self.count().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
