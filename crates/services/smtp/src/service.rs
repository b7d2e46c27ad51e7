//! The service: what all sessions share, and the loop that lets connections in.
//!
//! A connection from a blocked address is answered here and closed, before anything is allocated for
//! it; then admission and load shedding have their say; only then is there a session.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use postern_events::{Event as Happened, Events, RefusedWhy, Service as EventService, StoreFault};
use postern_feedback::Feedback;
use postern_gate::{Collector, Fast, Gate, Sample, Trust, TurnedAway};
use postern_net::pressure::Input;
use postern_net::{
    Admission, Admitted, Incoming, Listener, Pressure, Refused, Shutdown, Stream, TlsAcceptor, TlsConnector,
    TlsInfo, measure,
};
use postern_policy::Policy;
use postern_smtp::{Extensions, Flavour, server};
use postern_store::{Store, StoreError};
use postern_types::{Refusal, Timestamp, TraceId, TraceIds};

use crate::offer::{self, Offers};
use crate::refusal;
use crate::session::{Client, Places, Session};
use crate::{Settings, announce};

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// SMTP, with STARTTLS where there is a certificate.
    Smtp,
    /// SMTP inside TLS from the first byte.
    SmtpTls,
    /// LMTP (RFC 2033), from an MTA in front of us.
    Lmtp,
}

impl Door {
    pub(crate) fn flavour(self) -> Flavour {
        match self {
            Self::Smtp | Self::SmtpTls => Flavour::Smtp,
            Self::Lmtp => Flavour::Lmtp,
        }
    }

    pub(crate) fn service(self) -> EventService {
        match self {
            Self::Smtp | Self::SmtpTls | Self::Lmtp => EventService::Smtp,
        }
    }
}

/// What the service is made of. Everything is shared with the rest of the program.
#[derive(Debug)]
pub struct Parts {
    /// Names, limits, times.
    pub settings: Settings,
    /// Where mail is kept.
    pub store: Store,
    /// The collectors of evidence.
    pub gate: Gate,
    /// What follows from the evidence; may be exchanged while sessions run.
    pub policy: Arc<ArcSwap<Policy>>,
    /// What happened.
    pub events: Events,
    /// The certificate; `None` offers no TLS.
    pub tls: Option<TlsAcceptor>,
    /// For connections to the MTAs behind.
    pub tls_out: TlsConnector,
    /// How many connections, from where, how fast.
    pub admission: Admission,
    /// How loaded we are.
    pub pressure: Pressure,
    /// Free space where the store lives.
    pub disk: Arc<measure::FreeDisk>,
    /// Where sessions report what hosts were caught at.
    pub feedback: Feedback,
    /// The end of the process.
    pub shutdown: Shutdown,
    /// Trace ids.
    pub ids: Arc<TraceIds>,
}

/// The SMTP service.
#[derive(Debug)]
pub struct Service {
    pub(crate) settings: Settings,
    smtp: Arc<server::Settings>,
    lmtp: Arc<server::Settings>,
    /// What we offer, before STARTTLS and what MTAs behind cannot do.
    pub(crate) offer: Extensions,
    pub(crate) offers: Arc<Offers>,
    pub(crate) store: Store,
    gate: Gate,
    pub(crate) policy: Arc<ArcSwap<Policy>>,
    pub(crate) events: Events,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) tls_out: TlsConnector,
    admission: Admission,
    pub(crate) pressure: Pressure,
    disk: Arc<measure::FreeDisk>,
    pub(crate) feedback: Feedback,
    pub(crate) shutdown: Shutdown,
    pub(crate) ids: Arc<TraceIds>,
    sample: Sample,
}

impl Service {
    /// The service, ready to [`serve`](Self::serve).
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts {
            settings,
            store,
            gate,
            policy,
            events,
            tls,
            tls_out,
            admission,
            pressure,
            disk,
            feedback,
            shutdown,
            ids,
        } = parts;
        let with = |flavour| Arc::new(server::Settings { flavour, ..settings.protocol.clone() });
        Arc::new(Self {
            smtp: with(Flavour::Smtp),
            lmtp: with(Flavour::Lmtp),
            offer: offer::ours(&settings),
            offers: Arc::default(),
            settings,
            store,
            gate,
            policy,
            events,
            tls,
            tls_out,
            admission,
            pressure,
            disk,
            feedback,
            shutdown,
            ids,
            sample: Sample::default(),
        })
    }

    /// Lets connections in until the process is to stop; the sessions go on by themselves, and
    /// the [`Shutdown`] counts them.
    pub async fn serve(self: Arc<Self>, door: Door, listener: Listener) {
        let stop = self.shutdown.clone();
        let stopping = stop.begun();
        tokio::pin!(stopping);
        loop {
            tokio::select! {
                biased;
                () = &mut stopping => return,
                incoming = listener.incoming() => self.let_in(door, incoming),
            }
        }
    }

    /// One connection that is made already, as inetd and systemd's `Accept=yes` pass it on.
    pub async fn serve_one(self: Arc<Self>, door: Door, stream: Stream) {
        let client = stream.peer().ip();
        match self.admit(door, client) {
            Ok(places) => self.session(door, stream, places).await,
            Err((why, refusal)) => stream.refuse(&self.last_word(door, client, why, &refusal)),
        }
    }

    fn let_in(self: &Arc<Self>, door: Door, incoming: Incoming) {
        let client = incoming.peer().ip();
        let places = match self.admit(door, client) {
            Ok(places) => places,
            Err((why, refusal)) => return incoming.refuse(&self.last_word(door, client, why, &refusal)),
        };
        match incoming.let_in() {
            Ok(stream) => {
                let service = Arc::clone(self);
                tokio::spawn(async move { service.session(door, stream, places).await });
            }
            Err(error) => tracing::warn!(%client, %error, "cannot watch a connection"),
        }
    }

    /// The way in: blocked addresses, shedding, admission.
    fn admit(&self, door: Door, ip: IpAddr) -> Result<Places, (RefusedWhy, Refusal)> {
        // A connection that a balancer passes on is judged by the address behind it.
        let direct = !self.settings.trust.proxy_protocol.contains(ip);
        if direct && let Some(refused) = self.turned_away_by_list(ip) {
            return Err(refused);
        }
        if let Some(refusal) = self.pressure.refuse_connection().filter(|_| !self.is_exempt(ip)) {
            return Err((RefusedWhy::Shedding, refusal));
        }
        // Behind a balancer the limits hold for the client that it names: see `behind_balancer`.
        let admitted = if direct { Some(self.count_in(ip)?) } else { None };
        self.events.emit(&Happened::ConnectionOpened { service: door.service(), client: ip });
        Ok(self.places(door, admitted))
    }

    fn count_in(&self, ip: IpAddr) -> Result<Admitted, (RefusedWhy, Refusal)> {
        let admitted = self.admission.admit(ip, Instant::now());
        admitted.map_err(|why| (reason(why), refusal::too_many_connections(why.to_string())))
    }

    fn places(&self, door: Door, admitted: Option<Admitted>) -> Places {
        Places { admitted, _live: self.shutdown.session(), _open: self.events.open_session(door.service()) }
    }

    /// What a client that is turned away hears; reported.
    fn last_word(&self, door: Door, client: IpAddr, why: RefusedWhy, refusal: &Refusal) -> Vec<u8> {
        self.events.emit(&Happened::ConnectionRefused { service: door.service(), client, why });
        let mut last_word = Vec::with_capacity(96);
        // Inside TLS there is nothing that can be said before the handshake.
        if door != Door::SmtpTls {
            refusal.reply.encode(&mut last_word);
        }
        last_word
    }

    /// PROXY header, implicit TLS, and then the session.
    async fn session(self: Arc<Self>, door: Door, mut stream: Stream, mut places: Places) {
        let mut address = stream.peer();
        if self.settings.trust.proxy_protocol.contains(address.ip()) {
            match announce::read(&mut stream, self.settings.timeout_stressed).await {
                Ok(source) => address = source.unwrap_or(address),
                Err(error) => {
                    tracing::warn!(peer = %address, %error, "no usable PROXY header from a host that must send one");
                    return;
                }
            }
            match self.behind_balancer(address.ip()) {
                Ok(admitted) => places.admitted = Some(admitted),
                Err((why, refusal)) => {
                    let peer = stream.peer().ip();
                    return stream.refuse(&self.last_word(door, peer, why, &refusal));
                }
            }
        }
        if door == Door::SmtpTls {
            let Some(acceptor) = &self.tls else { return };
            // Boxed, as in `connection.rs`.
            stream = match Box::pin(stream.into_tls(acceptor)).await {
                Ok(stream) => stream,
                Err(error) => {
                    let (service, client) = (door.service(), address.ip());
                    return self.events.emit(&Happened::TlsFailed { service, client, why: &error });
                }
            };
        }
        let mut session = Session::new(Arc::clone(&self), door, stream, address);
        if let Some(over) = places.admitted.as_ref().and_then(Admitted::over_rate) {
            session.collector.over_rate(over.per_minute, over.limit);
        }
        session.note_tls();
        // Boxed: the future is large, and a spawned task is moved.
        Box::pin(session.run(places)).await;
    }

    /// Lists and limits for a client that a balancer has named.
    fn behind_balancer(&self, ip: IpAddr) -> Result<Admitted, (RefusedWhy, Refusal)> {
        match self.turned_away_by_list(ip) {
            Some(refused) => Err(refused),
            None => self.count_in(ip),
        }
    }

    /// Begins to collect evidence about a client.
    pub(crate) fn begin(&self, client: &Client, tls: Option<&TlsInfo>, door: Door) -> Collector {
        // LMTP comes from an MTA of ours that has asked already.
        let trust = if door == Door::Lmtp { Trust::Ours } else { Trust::Stranger };
        let mut collector = self.gate.begin(client.address.ip(), trust);
        if let Some(tls) = tls {
            collector.tls(format!("{} with {}", tls.version, tls.cipher));
        }
        collector
    }

    pub(crate) fn protocol_settings(&self, door: Door) -> Arc<server::Settings> {
        match door.flavour() {
            Flavour::Smtp => Arc::clone(&self.smtp),
            Flavour::Lmtp => Arc::clone(&self.lmtp),
        }
    }

    /// The refusal for an address that a list blocks, at the door: recorded, if there are not too many.
    fn turned_away_by_list(&self, ip: IpAddr) -> Option<(RefusedWhy, Refusal)> {
        let now = Timestamp::now();
        let away = self.gate.turn_away(ip, &self.policy, || self.ids.next(now))?;
        let said = (away.why, away.refusal.clone());
        if self.sample.takes(now) {
            self.store.record(away.record(String::new()));
        }
        Some(said)
    }

    /// The refusal for an address that a list blocks, where the policy refuses for that.
    pub(crate) fn blocked(&self, ip: IpAddr, trace: TraceId) -> Option<TurnedAway> {
        self.gate.turn_away(ip, &self.policy, || trace)
    }

    /// Whether one more record of a client that is turned away is taken now.
    pub(crate) fn takes_sample(&self) -> bool {
        self.sample.takes(Timestamp::now())
    }

    /// Whether an address is on the operator's allow list.
    pub(crate) fn is_exempt(&self, ip: IpAddr) -> bool {
        matches!(self.gate.fast(ip), Fast::Allowed { .. })
    }

    /// Why no message of `size` octets can be taken now, if so.
    pub(crate) fn cannot_take(&self, size: u64) -> Option<Refusal> {
        if self.shutdown.is_begun() {
            return Some(refusal::stopping());
        }
        self.pressure.report(Input::StoreQueue, self.store.stats().waiting);
        if let Some(refusal) = self.pressure.refuse_mail() {
            return Some(refusal);
        }
        // A disk that cannot be asked will say so when it is written to.
        let free = self.disk.space(Instant::now()).map_or(u64::MAX, |space| space.free);
        let wanted = self.settings.minimum_free_disk.saturating_add(size);
        (free < wanted).then(refusal::disk_full)
    }

    /// The offer, cut to what the MTAs behind can do.
    pub(crate) async fn cut_offer(&self, ours: Extensions) -> Extensions {
        self.offers.cut(ours, &self.store, &self.settings.upstream, &self.tls_out).await
    }

    /// Reports a failure of the store.
    pub(crate) fn store_failed(&self, trace: TraceId, what: &str, error: &StoreError) {
        let fault = match error {
            StoreError::Full => StoreFault::Full,
            StoreError::ReadOnly => StoreFault::ReadOnly,
            StoreError::Corrupt { .. } => StoreFault::Corrupt,
            StoreError::Busy => StoreFault::Busy,
            _ => StoreFault::Other,
        };
        self.events.emit(&Happened::StoreError { trace: Some(trace), what, fault, why: error });
    }
}

fn reason(refused: Refused) -> RefusedWhy {
    match refused {
        Refused::Total => RefusedWhy::Total,
        Refused::Host => RefusedWhy::PerAddress,
        Refused::Network => RefusedWhy::PerNetwork,
        Refused::Rate | Refused::NetworkRate => RefusedWhy::Rate,
    }
}
