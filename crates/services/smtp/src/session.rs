//! One SMTP session, told from the first byte to the last.
//!
//! The protocol's state machine says what the client wants; this answers. What belongs to the envelope
//! is in `envelope.rs`, what belongs to the message in `intake.rs` and `finish.rs`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postern_events::{Event as Happened, OpenSession, SessionEnd, TlsVersion};
use postern_gate::Collector;
use postern_net::{Admitted, Level, LiveSession, Stream};
use postern_smtp::server::{Close, Event};
use postern_smtp::{Extension, Extensions};
use postern_types::{Blame, Refusal, Reply, Timestamp, TraceId};

use crate::connection::{Connection, Expect};
use crate::feedback::Shown;
use crate::protocol::Protocol;
use crate::refusal;
use crate::service::{Door, Service};
use crate::transaction::Transaction;

/// One session and everything it holds.
pub(crate) struct Session {
    pub(crate) service: Arc<Service>,
    pub(crate) io: Connection,
    pub(crate) protocol: Protocol,
    pub(crate) door: Door,
    /// The identity of what happens before the first MAIL.
    pub(crate) trace: TraceId,
    pub(crate) client: Client,
    pub(crate) collector: Collector,
    pub(crate) transaction: Option<Box<Transaction>>,
    /// Messages accepted so far.
    pub(crate) messages: u32,
    /// For the feedback list.
    pub(crate) shown: Shown,
    began: Instant,
    /// Since when the client owes us a whole command; our own time does not count.
    waiting_since: Option<Instant>,
    /// The connection's own client, while XFORWARD has named another for one transaction.
    pub(crate) own: Option<Client>,
}

/// What is held as long as the session lives: its places in the counts.
pub(crate) struct Places {
    /// For a client behind a balancer, once it is known.
    pub(crate) admitted: Option<Admitted>,
    pub(crate) _live: LiveSession,
    pub(crate) _open: OpenSession,
}

/// The host that sends, as far as the envelope is concerned.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// Its address: that of the connection, or what a trusted neighbour said it is.
    pub(crate) address: SocketAddr,
    /// What it called itself.
    pub(crate) helo: String,
    /// Whether it said EHLO (or LHLO).
    pub(crate) extended: bool,
    /// Whether a trusted neighbour said the name and address (XCLIENT, XFORWARD, PROXY).
    pub(crate) announced: bool,
}

/// Whether the session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    GoOn,
    End(SessionEnd),
}

impl Session {
    pub(crate) fn new(service: Arc<Service>, door: Door, stream: Stream, address: SocketAddr) -> Self {
        let trace = service.ids.next(Timestamp::now());
        let client =
            Client { address, helo: String::new(), extended: false, announced: address != stream.peer() };
        let io = Connection::new(stream);
        let settings = service.protocol_settings(door);
        let mut protocol = Protocol::new(settings, Extensions::none());
        protocol.identify(trace);
        let collector = service.begin(&client, io.tls(), door);
        let now = Instant::now();
        Self {
            service,
            io,
            protocol,
            door,
            trace,
            client,
            collector,
            transaction: None,
            messages: 0,
            shown: Shown::default(),
            began: now,
            waiting_since: None,
            own: None,
        }
    }

    /// The whole session. `places` are given back when it is over.
    pub(crate) async fn run(mut self, places: Places) {
        let end = loop {
            let event = self.protocol.next();
            match self.answer(event).await {
                Ok(Flow::GoOn) => {}
                Ok(Flow::End(end)) => break end,
                Err(error) => break end_of(&error),
            }
        };
        self.drop_transaction();
        self.report_session();
        self.service.events.emit(&Happened::SessionEnded {
            service: self.door.service(),
            trace: Some(self.trace),
            client: self.client.address.ip(),
            end,
            messages: self.messages,
            duration: self.began.elapsed(),
        });
        self.io.close().await;
        drop(places);
    }

    /// Does what the protocol asks for.
    async fn answer(&mut self, event: Event) -> io::Result<Flow> {
        if event != Event::NeedInput {
            self.waiting_since = None;
        }
        // Boxed where much is done: a session that waits should not carry room for it.
        match event {
            Event::NeedInput => return self.read().await,
            Event::Greet => self.greet().await?,
            Event::Hello(hello) => Box::pin(self.hello(hello)).await,
            Event::StartTls => return self.start_tls().await,
            Event::Xclient(attributes) => self.xclient(&attributes),
            Event::Xforward(attributes) => self.xforward(&attributes),
            Event::Mail(mail) => self.mail(mail),
            Event::TooLarge(mail) => self.too_large(mail),
            Event::Rcpt(rcpt) => Box::pin(self.rcpt(rcpt)).await,
            Event::Data => self.data(),
            Event::Body(piece) => Box::pin(self.body(piece)).await,
            Event::BodyEnd(end) => Box::pin(self.body_end(end)).await,
            Event::Reset => self.drop_transaction(),
            Event::Slow => {
                self.write().await?;
                tokio::time::sleep(self.service.settings.error_delay).await;
            }
            // AUTH is not offered on this door, and the protocol refuses what is not offered.
            Event::Auth(_) | Event::AuthResponse(_) => self.protocol.refuse(&refusal::not_trusted("AUTH")),
            Event::AuthCancelled => {}
            Event::Close(why) => {
                self.record_errors(why);
                self.write().await?;
                return Ok(Flow::End(end_after(why)));
            }
        }
        Ok(Flow::GoOn)
    }

    /// Writes the replies that wait, then reads what comes next, within the time that there is.
    async fn read(&mut self) -> io::Result<Flow> {
        self.write().await?;
        if self.service.shutdown.is_begun() && self.transaction.is_none() {
            return self.abort(&refusal::stopping(), SessionEnd::Stopping).await;
        }
        let in_message = self.transaction.as_ref().is_some_and(|transaction| transaction.message.is_some());
        let expect = if in_message { Expect::Body } else { Expect::Commands };
        let asked = Instant::now();
        let since = *self.waiting_since.get_or_insert(asked);
        let level = self.service.pressure.level();
        let within = self.patience(asked.saturating_duration_since(since));
        let stop = self.service.shutdown.clone();
        let idle = self.transaction.is_none();
        let stopping = async { if idle { stop.begun().await } else { stop.expired().await } };
        let read = tokio::select! {
            biased;
            read = tokio::time::timeout(within, self.io.read(expect)) => Some(read),
            () = stopping => return self.abort(&refusal::stopping(), SessionEnd::Stopping).await,
            // Who was silent before the stress has no more time from now on than others.
            () = self.service.pressure.worse_than(level) => None,
        };
        let message = self.transaction.as_mut().and_then(|transaction| transaction.message.as_mut());
        if let Some(message) = message {
            message.heard = Instant::now();
            message.waited += message.heard.saturating_duration_since(asked);
        }
        match read {
            None => Ok(Flow::GoOn),
            Some(Err(_)) => self.abort(&refusal::timed_out(), SessionEnd::Timeout).await,
            Some(Ok(Ok([]))) => Ok(Flow::End(SessionEnd::Closed)),
            Some(Ok(Ok(bytes))) => {
                self.protocol.receive(bytes);
                Ok(Flow::GoOn)
            }
            Some(Ok(Err(error))) => Err(error),
        }
    }

    /// How long the client may be silent from now on. The time counts from the last whole command (`waited`
    /// ago), so that a byte now and then buys nothing; a message must come at a rate of at least
    /// 1 KiB a second on the average after the first timeout.
    fn patience(&self, waited: Duration) -> Duration {
        let settings = &self.service.settings;
        let message = self.transaction.as_ref().and_then(|transaction| transaction.message.as_ref());
        match (self.service.pressure.level(), message) {
            (Level::Normal, None) => settings.timeout.saturating_sub(waited),
            (Level::Stressed | Level::Shedding, None) => settings.timeout_stressed.saturating_sub(waited),
            (level, Some(message)) => {
                let silent =
                    if level == Level::Normal { settings.timeout } else { settings.timeout_stressed };
                let whole = settings.timeout + Duration::from_secs(message.size / 1024);
                silent.min(whole.saturating_sub(message.waited))
            }
        }
    }

    pub(crate) async fn write(&mut self) -> io::Result<()> {
        let within = self.service.settings.timeout;
        self.io.write(self.protocol.output(), within).await
    }

    /// Ends the session out of turn.
    async fn abort(&mut self, refusal: &Refusal, end: SessionEnd) -> io::Result<Flow> {
        self.protocol.abort(refusal);
        self.write().await?;
        Ok(Flow::End(end))
    }

    async fn start_tls(&mut self) -> io::Result<Flow> {
        let Some(acceptor) = self.service.tls.clone() else {
            self.protocol.refuse(&Refusal::new(
                Blame::Us,
                454,
                (4, 7, 0),
                "TLS is not available at the moment",
            ));
            return Ok(Flow::GoOn);
        };
        self.protocol.reply(&Reply::new(220, Some((2, 0, 0)), "ready to start TLS"));
        self.write().await?;
        if let Err(error) = self.io.start_tls(&acceptor).await {
            self.service.events.emit(&Happened::TlsFailed {
                service: self.door.service(),
                client: self.client.address.ip(),
                why: &error,
            });
            return Ok(Flow::End(SessionEnd::Broken));
        }
        self.note_tls();
        let extensions = self.extensions();
        self.protocol.tls_started(extensions);
        if let Some(words) = self.tls_words() {
            self.collector.tls(words);
        }
        Ok(Flow::GoOn)
    }

    /// Counts the handshake.
    pub(crate) fn note_tls(&self) {
        let Some(tls) = self.io.tls() else { return };
        let version = if tls.version == "TLSv1.2" { TlsVersion::Tls12 } else { TlsVersion::Tls13 };
        let client = self.client.address.ip();
        self.service.events.emit(&Happened::TlsStarted { service: self.door.service(), client, version });
    }

    /// Version and cipher, as `Received` and the evidence show them.
    pub(crate) fn tls_words(&self) -> Option<String> {
        self.io.tls().map(|tls| format!("{} with {}", tls.version, tls.cipher))
    }

    /// What this door offers to this client, before the MTAs behind are asked.
    pub(crate) fn extensions(&self) -> Extensions {
        let mut extensions = self.service.offer.clone();
        if self.service.tls.is_some() && self.io.tls().is_none() {
            extensions.insert(Extension::StartTls);
        }
        if let Some(peer) = self.io.peer() {
            self.service.settings.trust.offer(peer.ip(), &mut extensions);
        }
        extensions
    }

    /// The identity of what is going on now.
    pub(crate) fn trace(&self) -> TraceId {
        self.transaction.as_ref().map_or(self.trace, |transaction| transaction.trace)
    }
}

fn end_after(close: Close) -> SessionEnd {
    match close {
        Close::Quit => SessionEnd::Quit,
        Close::Refused => SessionEnd::Refused,
        Close::TooManyErrors | Close::OtherProtocol | Close::LostChunk => SessionEnd::Errors,
    }
}

fn end_of(error: &io::Error) -> SessionEnd {
    match error.kind() {
        io::ErrorKind::TimedOut => SessionEnd::Timeout,
        io::ErrorKind::UnexpectedEof => SessionEnd::Closed,
        _ => SessionEnd::Broken,
    }
}
