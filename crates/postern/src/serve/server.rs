//! The running server: every part with what it shares with the others.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use postern_config::Config;
use postern_dns::Dns;
use postern_events::{Event, Events, Service as EventService};
use postern_feedback::{Exempt, Feedback};
use postern_gate::Gate;
use postern_net::measure::FreeDisk;
use postern_net::{Admission, Pressure, Shutdown, Socket, TlsAcceptor};
use postern_policy::Policy;
use postern_probe::{Parts as ProbeParts, Prober, system_clock};
use postern_signin::{Cost, Guard, SystemClock, Verifier};
use postern_store::{Options, Store, StoreError};
use postern_types::{Timestamp, TraceIds};
use postern_watch::{Health, Phase};
use tokio::task::JoinSet;

use super::lists::Lists;
use super::{Ports, health, upkeep};
use crate::compose;
use crate::failure::Failure;
use crate::inspect::names::own_addresses;

/// What the parts share. Cloning it is cheap.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) config: Arc<ArcSwap<Config>>,
    pub(crate) store: Store,
    pub(crate) gate: Gate,
    pub(crate) prober: Prober,
    pub(crate) policy: Arc<ArcSwap<Policy>>,
    pub(crate) guard: Arc<Guard>,
    /// Counts wrong links to the quarantine.
    pub(crate) link_guard: Arc<Guard>,
    pub(crate) events: Events,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) admission: Admission,
    pub(crate) pressure: Pressure,
    pub(crate) disk: Arc<FreeDisk>,
    pub(crate) feedback: Feedback,
    /// Whom the feedback list never concerns.
    pub(crate) exempt: Exempt,
    pub(crate) shutdown: Shutdown,
    pub(crate) own: Arc<[IpAddr]>,
}

/// A server that runs.
pub(crate) struct Server {
    shared: Shared,
    health: Health,
    /// Loops that let connections in; they end when the process is stopping.
    doors: JoinSet<()>,
    /// Loops that end with the process.
    upkeep: JoinSet<()>,
    watch: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Opens the store and starts every service on its ports.
    pub(crate) async fn start(config: Config, mut ports: Ports) -> Result<Self, Failure> {
        let events = Events::new();
        let shared = Shared::new(config, Options::default(), events.clone()).await?;
        let config = shared.config.load_full();
        let health = health::parts(&shared).health(env!("CARGO_PKG_VERSION"));
        let mut doors = JoinSet::new();
        smtp(&shared, &config, &mut ports, &mut doors)?;
        pop3(&shared, &config, &mut ports, &mut doors)?;
        super::web::start(&shared, &config, &mut ports, &mut doors, Arc::new(TraceIds::new(node()?)))?;
        filters(&shared, &config, &mut ports, &mut doors)?;
        let stop = shared.shutdown.clone();
        let watch = ports.watch.serve(events.clone(), health.clone(), async move { stop.begun().await });
        let watch = tokio::spawn(watch);
        let upkeep = upkeep::start(&shared);
        health.set_phase(Phase::Ready);
        events.emit(&Event::Started { version: env!("CARGO_PKG_VERSION"), config: &config.hash() });
        Ok(Self { shared, health, doors, upkeep, watch })
    }

    pub(crate) fn events(&self) -> &Events {
        &self.shared.events
    }

    pub(crate) fn store(&self) -> &Store {
        &self.shared.store
    }

    pub(crate) fn shutdown(&self) -> Shutdown {
        self.shared.shutdown.clone()
    }

    /// Reads lists, certificates and the gate's settings again.
    pub(crate) async fn reload(&self) {
        super::reload::reload(&self.shared).await;
    }

    /// Waits until [`Shutdown::begin`] was called and the sessions have ended, or their time is up;
    /// then closes the store.
    pub(crate) async fn finish(mut self) -> Result<(), Failure> {
        self.shared.shutdown.begun().await;
        self.health.set_phase(Phase::Stopping);
        while self.doors.join_next().await.is_some() {}
        if let postern_net::Outcome::Abandoned(count) = self.shared.shutdown.wait().await {
            tracing::warn!(sessions = count, "the time to stop was up before every session had ended");
        }
        self.shared.feedback.flush().await;
        self.upkeep.shutdown().await;
        let watched = self.watch.await;
        self.shared.store.close().await?;
        self.shared.events.emit(&Event::Stopped);
        // Its end is that of the process; that it ended badly is still worth a line.
        if let Ok(Err(error)) = watched {
            tracing::warn!(%error, "metrics and health were not served");
        }
        Ok(())
    }
}

impl Shared {
    /// Opens the store as `options` say, and makes what stands on it.
    pub(crate) async fn new(config: Config, options: Options, events: Events) -> Result<Self, Failure> {
        let folder = config.data();
        let store = Store::open(&folder, options)?;
        let dns = Dns::new(compose::dns::settings(&config))?;
        let own: Arc<[IpAddr]> = own_addresses().into();
        let policy = compose::policy::settings(&config);
        use_policy(&store, &policy).await?;
        let lists = Lists::load(&store).await?;
        let gate = Gate::new(lists.with(compose::gate::settings(&config, &own)), dns.clone(), events.clone());
        let gate = gate.map_err(|error| Failure::Finding(error.to_string()))?;
        let exempt = Exempt::new(compose::feedback::exempt(&config));
        gate.set_feedback(exempt.spare(&lists.feedback));
        let domains = upkeep::domains(&store).await?;
        let prober = prober(compose::probe::settings(&config, &own), dns, &store, &events).await?;
        prober.set_domains(domains.iter().cloned());
        gate.set_domains(domains);
        gate.set_prober(prober.clone());
        Ok(Self {
            gate,
            prober,
            policy: Arc::new(ArcSwap::from_pointee(policy)),
            guard: Arc::new(compose::signin::guard(&config)),
            link_guard: Arc::new(compose::web::guard(&config)),
            tls: compose::net::tls(&config).map(TlsAcceptor::new).transpose()?,
            admission: Admission::new(compose::net::admission(&config)),
            pressure: Pressure::new(compose::net::pressure(&config)),
            disk: Arc::new(FreeDisk::new(folder)),
            feedback: feedback(&config, &store, &exempt),
            exempt,
            store,
            shutdown: Shutdown::new(),
            own,
            events,
            config: Arc::new(ArcSwap::from_pointee(config)),
        })
    }

    pub(super) fn opened(&self, service: EventService, socket: &Socket) {
        self.events.emit(&Event::Listening { service, address: socket.address() });
    }
}

fn smtp(shared: &Shared, config: &Config, ports: &mut Ports, doors: &mut JoinSet<()>) -> Result<(), Failure> {
    use postern_smtp_service::Door;
    let service = smtp_service(shared, config, compose::smtp::settings(config))?;
    doors.spawn(Arc::clone(&service).deliver_released());
    for (name, door) in [("smtp", Door::Smtp), ("smtps", Door::SmtpTls), ("lmtp", Door::Lmtp)] {
        for socket in ports.take(name) {
            shared.opened(EventService::Smtp, &socket);
            doors.spawn(Arc::clone(&service).serve(door, socket.listen()?));
        }
    }
    Ok(())
}

/// The SMTP service on what the parts share.
pub(crate) fn smtp_service(
    shared: &Shared,
    config: &Config,
    settings: postern_smtp_service::Settings,
) -> Result<Arc<postern_smtp_service::Service>, Failure> {
    use postern_smtp_service::{Parts, Service};
    let node = node()?;
    Ok(Service::new(Parts {
        settings,
        store: shared.store.clone(),
        gate: shared.gate.clone(),
        policy: Arc::clone(&shared.policy),
        events: shared.events.clone(),
        tls: shared.tls.clone(),
        tls_out: compose::net::tls_out(config)?,
        admission: shared.admission.clone(),
        pressure: shared.pressure.clone(),
        disk: Arc::clone(&shared.disk),
        feedback: shared.feedback.clone(),
        shutdown: shared.shutdown.clone(),
        ids: Arc::new(TraceIds::new(node)),
    }))
}

fn pop3(shared: &Shared, config: &Config, ports: &mut Ports, doors: &mut JoinSet<()>) -> Result<(), Failure> {
    use postern_pop3_service::{Door, Parts, Service};
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let service = Service::new(Parts {
        settings: compose::pop3::settings(config),
        store: shared.store.clone(),
        guard: Arc::clone(&shared.guard),
        verifier: Verifier::new(Cost::default(), cores)?,
        clock: Arc::new(SystemClock),
        events: shared.events.clone(),
        tls: shared.tls.clone(),
        admission: shared.admission.clone(),
        pressure: shared.pressure.clone(),
        shutdown: shared.shutdown.clone(),
    });
    for (name, door) in [("pop3", Door::Pop3), ("pop3s", Door::Pop3Tls)] {
        for socket in ports.take(name) {
            shared.opened(EventService::Pop3, &socket);
            doors.spawn(Arc::clone(&service).serve(door, socket.listen()?));
        }
    }
    Ok(())
}

/// Where sessions report what hosts were caught at, with the task that writes it.
fn feedback(config: &Config, store: &Store, exempt: &Exempt) -> Feedback {
    if !config.feedback.enabled {
        return Feedback::off();
    }
    let (feedback, writer) = Feedback::new(exempt.clone());
    // It ends with the last that can report.
    tokio::spawn(writer.run(store.clone(), compose::feedback::settings(config)));
    feedback
}

/// The prober, with what the ledger knows of the last day.
pub(crate) async fn prober(
    settings: postern_probe::Settings,
    dns: Dns,
    store: &Store,
    events: &Events,
) -> Result<Prober, StoreError> {
    let (store, events) = (store.clone(), events.clone());
    let prober = Prober::new(settings, ProbeParts { dns, store, events, clock: system_clock() });
    prober.load().await?;
    Ok(prober)
}

/// Keeps the policy, before anything is judged under it.
pub(crate) async fn use_policy(store: &Store, policy: &Policy) -> Result<(), StoreError> {
    store.use_policy(&policy.version, &compose::policy::json(policy), Timestamp::now()).await
}

/// The doors of other mail servers that ask: milter and policy delegation.
fn filters(
    shared: &Shared,
    config: &Config,
    ports: &mut Ports,
    doors: &mut JoinSet<()>,
) -> Result<(), Failure> {
    use postern_milter_service::{Door, Parts, Service};
    let service = Service::new(Parts {
        settings: compose::milter::settings(config),
        store: shared.store.clone(),
        gate: shared.gate.clone(),
        policy: Arc::clone(&shared.policy),
        events: shared.events.clone(),
        disk: Arc::clone(&shared.disk),
        feedback: shared.feedback.clone(),
        shutdown: shared.shutdown.clone(),
        ids: Arc::new(TraceIds::new(node()?)),
    });
    let of = [("milter", Door::Milter, EventService::Milter), ("policy", Door::Policy, EventService::Policy)];
    for (name, door, named) in of {
        for socket in ports.take(name) {
            shared.opened(named, &socket);
            doors.spawn(Arc::clone(&service).serve(door, socket.listen()?));
        }
        if let Some(socket) = ports.take_local(name) {
            tracing::info!(service = name, socket = %socket.path().display(), "listening");
            doors.spawn(Arc::clone(&service).serve_local(door, socket.listen()?));
        }
    }
    Ok(())
}

/// A random part for trace ids, so that two processes on one store do not make the same.
fn node() -> Result<u16, Failure> {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).map_err(|_| Failure::Finding("the system gives no random bytes".into()))?;
    Ok(u16::from_ne_bytes(bytes))
}
