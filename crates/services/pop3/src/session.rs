//! One POP3 session, told from the first byte to the last.
//!
//! The protocol's state machine says what the client wants; this does it. Signing in is in
//! `signin.rs`, messages are in `fetch.rs`.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postern_events::{Event as Happened, Service as EventService, SessionEnd, TlsVersion};
use postern_net::Stream;
use postern_pop3::{Denial, Ending, Event};

use crate::connection::Connection;
use crate::fetch::Maildrop;
use crate::service::{Places, Service};

/// One session and everything it holds.
pub(crate) struct Session {
    pub(crate) service: Arc<Service>,
    pub(crate) io: Connection,
    pub(crate) protocol: postern_pop3::Session,
    pub(crate) client: IpAddr,
    /// The client's mail, once it is signed in.
    pub(crate) maildrop: Option<Maildrop>,
    /// Why the session ends, where the server ends it.
    pub(crate) ended_by: SessionEnd,
    /// Messages sent so far.
    pub(crate) fetched: u32,
    /// Octets of messages sent so far.
    pub(crate) octets: u64,
    began: Instant,
}

/// Whether the session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    GoOn,
    End(SessionEnd),
}

impl Session {
    pub(crate) fn new(
        service: Arc<Service>,
        protocol: postern_pop3::Session,
        stream: Stream,
        client: IpAddr,
    ) -> Self {
        Self {
            service,
            io: Connection::new(stream),
            protocol,
            client,
            maildrop: None,
            ended_by: SessionEnd::Stopping,
            fetched: 0,
            octets: 0,
            began: Instant::now(),
        }
    }

    /// The whole session. `places` are given back when it is over.
    pub(crate) async fn run(mut self, places: Places) {
        self.note_tls();
        let stop = self.service.parts.shutdown.clone();
        let end = tokio::select! {
            end = self.converse() => end,
            () = stop.expired() => SessionEnd::Stopping,
        };
        // Whatever the end: what was not committed by QUIT stays (rfc1939 §6).
        self.leave_maildrop(0);
        self.service.parts.events.emit(&Happened::SessionEnded {
            service: EventService::Pop3,
            trace: None,
            client: self.client,
            end,
            messages: self.fetched,
            duration: self.began.elapsed(),
        });
        self.io.close().await;
        drop(places);
    }

    async fn converse(&mut self) -> SessionEnd {
        loop {
            let event = self.protocol.next();
            match self.answer(event).await {
                Ok(Flow::GoOn) => {}
                Ok(Flow::End(end)) => return end,
                Err(error) => return end_of(&error),
            }
        }
    }

    /// Does what the protocol asks for.
    async fn answer(&mut self, event: Event) -> io::Result<Flow> {
        match event {
            Event::NeedInput => {
                self.flush().await?;
                return self.listen().await;
            }
            Event::Flush => self.flush().await?,
            Event::Login(credentials) => self.sign_in(credentials).await,
            Event::StartTls => return self.start_tls().await,
            Event::Retrieve { message, extent } => return self.retrieve(message, extent).await,
            Event::Update { delete } => self.update(&delete).await,
            Event::Close(ending) => {
                self.flush().await?;
                return Ok(Flow::End(match ending {
                    Ending::Quit => SessionEnd::Quit,
                    Ending::Errors | Ending::Logins => SessionEnd::Errors,
                    Ending::Server => self.ended_by,
                }));
            }
        }
        Ok(Flow::GoOn)
    }

    /// Waits for the client, or for the end of the process; what has been said already is
    /// still answered.
    async fn listen(&mut self) -> io::Result<Flow> {
        let within = self.patience();
        let stop = &self.service.parts.shutdown;
        tokio::select! {
            biased;
            bytes = self.io.read(within) => match bytes? {
                [] => return Ok(Flow::End(SessionEnd::Closed)),
                bytes => self.protocol.receive(bytes),
            },
            () = stop.begun() => {
                self.protocol.end(&Denial::temporary("the server is stopping, try again in a minute"));
            }
        }
        Ok(Flow::GoOn)
    }

    /// How long the client may be silent.
    fn patience(&self) -> Duration {
        let settings = &self.service.parts.settings;
        match self.maildrop {
            Some(_) => settings.idle_timeout,
            None => self.service.parts.pressure.timeout(settings.signin_timeout),
        }
    }

    /// Writes what the protocol has to say.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        let within = self.service.parts.settings.write_timeout;
        self.io.write(self.protocol.output(), within).await
    }

    async fn start_tls(&mut self) -> io::Result<Flow> {
        self.flush().await?;
        // STLS is offered only where there is a certificate.
        let Some(acceptor) = self.service.parts.tls.clone() else { return Ok(Flow::End(SessionEnd::Broken)) };
        if let Err(error) = self.io.start_tls(&acceptor).await {
            let (service, client) = (EventService::Pop3, self.client);
            self.service.parts.events.emit(&Happened::TlsFailed { service, client, why: &error });
            return Ok(Flow::End(SessionEnd::Broken));
        }
        self.protocol.tls_started();
        self.note_tls();
        Ok(Flow::GoOn)
    }

    fn note_tls(&self) {
        let Some(tls) = self.io.tls() else { return };
        let version = if tls.version == "TLSv1.3" { TlsVersion::Tls13 } else { TlsVersion::Tls12 };
        let (service, client) = (EventService::Pop3, self.client);
        self.service.parts.events.emit(&Happened::TlsStarted { service, client, version });
    }
}

fn end_of(error: &io::Error) -> SessionEnd {
    match error.kind() {
        io::ErrorKind::TimedOut => SessionEnd::Timeout,
        _ => SessionEnd::Broken,
    }
}
