//! The service: what all sessions share, and the loop that lets connections in.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use postern_events::{
    Event as Happened, Events, OpenSession, RefusedWhy, Service as EventService, StoreFault,
};
use postern_net::{
    Admission, Admitted, Level, Listener, LiveSession, Pressure, Refused, Shutdown, Stream, TlsAcceptor,
};
use postern_pop3::{Channel, Cleartext, Denial};
use postern_signin::{Clock, Guard, Verifier};
use postern_store::{Store, StoreError};

use crate::Settings;
use crate::maildrops::Maildrops;
use crate::session::Session;

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// POP3, with STLS where there is a certificate (port 110).
    Pop3,
    /// POP3 inside TLS from the first byte (port 995).
    Pop3Tls,
}

/// What the service is made of. Everything is shared with the rest of the program.
#[derive(Debug)]
pub struct Parts {
    /// Names and times.
    pub settings: Settings,
    /// Where mail is kept.
    pub store: Store,
    /// Who guesses passwords.
    pub guard: Arc<Guard>,
    /// Checks passwords.
    pub verifier: Verifier,
    /// What time it is, and how one waits.
    pub clock: Arc<dyn Clock>,
    /// What happened.
    pub events: Events,
    /// The certificate; `None` offers no TLS.
    pub tls: Option<TlsAcceptor>,
    /// How many connections, from where, how fast.
    pub admission: Admission,
    /// How loaded we are.
    pub pressure: Pressure,
    /// The end of the process.
    pub shutdown: Shutdown,
}

/// The POP3 service.
#[derive(Debug)]
pub struct Service {
    pub(crate) parts: Parts,
    pub(crate) maildrops: Maildrops,
    /// For clients that may sign in without TLS.
    careless: Arc<postern_pop3::Settings>,
    /// For the others.
    careful: Arc<postern_pop3::Settings>,
}

/// What is held as long as a session lives: its places in the counts.
pub(crate) struct Places {
    _admitted: Admitted,
    _live: LiveSession,
    _open: OpenSession,
}

impl Service {
    /// The service, ready to [`serve`](Self::serve).
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let careful = Arc::new(parts.settings.protocol.clone());
        let careless = Arc::new(postern_pop3::Settings { cleartext: Cleartext::Allow, ..(*careful).clone() });
        Arc::new(Self { parts, maildrops: Maildrops::default(), careless, careful })
    }

    /// Lets connections in until the process is to stop; the sessions go on by themselves, and
    /// the [`Shutdown`] counts them.
    pub async fn serve(self: Arc<Self>, door: Door, listener: Listener) {
        let stop = self.parts.shutdown.clone();
        let stopping = stop.begun();
        tokio::pin!(stopping);
        loop {
            tokio::select! {
                biased;
                () = &mut stopping => return,
                stream = listener.accept() => self.let_in(door, stream),
            }
        }
    }

    fn let_in(self: &Arc<Self>, door: Door, stream: Stream) {
        if let Some((places, stream)) = self.admit(door, stream) {
            let service = Arc::clone(self);
            tokio::spawn(async move { service.session(door, stream, places).await });
        }
    }

    /// The way in: bans, shedding, admission. A refused client gets its last word here.
    fn admit(&self, door: Door, stream: Stream) -> Option<(Places, Stream)> {
        let ip = stream.peer().ip();
        let Parts { guard, clock, pressure, admission, events, shutdown, .. } = &self.parts;
        if guard.banned(ip, clock.now()).is_some() {
            return self.turn_away(door, stream, RefusedWhy::Banned, &banned());
        }
        if pressure.level() == Level::Shedding {
            let denial = Denial::temporary("too much to do just now, try again later");
            return self.turn_away(door, stream, RefusedWhy::Shedding, &denial);
        }
        let admitted = match admission.admit(ip, Instant::now()) {
            Ok(admitted) => admitted,
            Err(why) => {
                let denial = Denial::temporary(format!("{why}, try again later"));
                return self.turn_away(door, stream, reason(why), &denial);
            }
        };
        events.emit(&Happened::ConnectionOpened { service: EventService::Pop3, client: ip });
        let places = Places {
            _admitted: admitted,
            _live: shutdown.session(),
            _open: events.open_session(EventService::Pop3),
        };
        Some((places, stream))
    }

    fn turn_away<T>(&self, door: Door, stream: Stream, why: RefusedWhy, denial: &Denial) -> Option<T> {
        let client = stream.peer().ip();
        match door {
            Door::Pop3 => stream.refuse(denial.to_line().as_bytes()),
            // Inside TLS nothing can be said before the handshake.
            Door::Pop3Tls => drop(stream),
        }
        self.parts.events.emit(&Happened::ConnectionRefused { service: EventService::Pop3, client, why });
        None
    }

    /// TLS where it comes first, and then the session.
    async fn session(self: Arc<Self>, door: Door, mut stream: Stream, places: Places) {
        let client = stream.peer().ip();
        let channel = match (door, &self.parts.tls) {
            (Door::Pop3, Some(_)) => Channel::Upgradable,
            (Door::Pop3, None) => Channel::Plain,
            (Door::Pop3Tls, None) => return,
            (Door::Pop3Tls, Some(acceptor)) => {
                stream = match stream.into_tls(acceptor).await {
                    Ok(stream) => stream,
                    Err(error) => {
                        let service = EventService::Pop3;
                        return self.parts.events.emit(&Happened::TlsFailed { service, client, why: &error });
                    }
                };
                Channel::Encrypted
            }
        };
        let protocol = postern_pop3::Session::new(self.protocol_settings(client), channel);
        let session = Session::new(self, protocol, stream, client);
        // Boxed: the future is large, and a spawned task is moved.
        Box::pin(session.run(places)).await;
    }

    fn protocol_settings(&self, client: IpAddr) -> Arc<postern_pop3::Settings> {
        let careless = self.parts.settings.cleartext_from.contains(client);
        Arc::clone(if careless { &self.careless } else { &self.careful })
    }

    /// Reports a failure of the store.
    pub(crate) fn store_failed(&self, what: &str, error: &StoreError) {
        let fault = match error {
            StoreError::Full => StoreFault::Full,
            StoreError::ReadOnly => StoreFault::ReadOnly,
            StoreError::Corrupt { .. } => StoreFault::Corrupt,
            StoreError::Busy => StoreFault::Busy,
            _ => StoreFault::Other,
        };
        self.parts.events.emit(&Happened::StoreError { trace: None, what, fault, why: error });
    }
}

/// What an address hears that has failed too often.
pub(crate) fn banned() -> Denial {
    Denial::temporary("too many wrong passwords from your address, try again in some hours")
}

fn reason(refused: Refused) -> RefusedWhy {
    match refused {
        Refused::Total => RefusedWhy::Total,
        Refused::Host => RefusedWhy::PerAddress,
        Refused::Network => RefusedWhy::PerNetwork,
        Refused::Rate | Refused::NetworkRate => RefusedWhy::Rate,
    }
}
