//! The service: the loop that lets connections in, TLS, and HTTP/1.1 in which nothing is without bound.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use postern_events::{Event, Events, RefusedWhy, Service as EventService};
use postern_net::{Admission, Admitted, Listener, Refused, Shutdown, Stream, TlsAcceptor, limit};
use postern_policy::Policy;
use postern_signin::{Clock, Guard};
use postern_store::Store;
use postern_types::AddressSet;
use tokio::time::timeout;

use crate::cookie::Transport;
use crate::digest::Digests;
use crate::settings::{Limits, Settings};
use crate::site::{Site, router};
use crate::visitor::Peer;

/// What the listeners speak.
#[derive(Clone, Debug)]
pub enum Encryption {
    /// HTTPS with this certificate.
    Tls(TlsAcceptor),
    /// HTTP, for a proxy on this host that speaks HTTPS; on loopback addresses only.
    None,
}

/// What the service is made of. Everything is shared with the rest of the program.
#[derive(Debug)]
pub struct Parts {
    /// Its address, and what visitors may cost.
    pub settings: Settings,
    /// Where held mail, links and sessions are.
    pub store: Store,
    /// The rules of now, by which evidence is explained.
    pub policy: Arc<ArcSwap<Policy>>,
    /// Sends new links.
    pub digests: Digests,
    /// Counts wrong links: see [`guard`].
    pub guard: Arc<Guard>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What happened.
    pub events: Events,
    /// What the listeners speak.
    pub encryption: Encryption,
    /// The end of the process.
    pub shutdown: Shutdown,
}

/// The pages, ready to be served.
pub struct Service {
    router: Router,
    limits: Limits,
    proxies: AddressSet,
    admission: Admission,
    /// For those who come through a proxy of ours: they have its address.
    proxied: Admission,
    events: Events,
    encryption: Encryption,
    shutdown: Shutdown,
}

impl Service {
    /// The service, ready to [`serve`](Self::serve).
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { settings, store, policy, digests, guard, clock, events, encryption, shutdown } = parts;
        let limits = settings.limits;
        let transport = if settings.url.is_secure() { Transport::Tls } else { Transport::Plain };
        let proxies: AddressSet = settings.proxies.iter().copied().collect();
        let admission = Admission::new(admission(limits, limits.per_host));
        let proxied = Admission::new(self::admission(limits, 0));
        let site =
            Site { settings, store, policy, digests, guard, proxies: proxies.clone(), clock, transport };
        let router = router(Arc::new(site));
        Arc::new(Self { router, limits, proxies, admission, proxied, events, encryption, shutdown })
    }

    /// Lets connections in until the process is to stop; they end by themselves, and the [`Shutdown`]
    /// counts them. A listener without TLS that others than this host can reach is not served.
    pub async fn serve(self: Arc<Self>, listener: Listener) {
        if matches!(self.encryption, Encryption::None) && !listener.address().ip().is_loopback() {
            let address = listener.address();
            return tracing::error!(%address, "quarantine pages without TLS are for loopback addresses only");
        }
        let stop = self.shutdown.clone();
        let stopping = stop.begun();
        tokio::pin!(stopping);
        loop {
            tokio::select! {
                biased;
                () = &mut stopping => return,
                stream = listener.accept() => self.let_in(stream),
            }
        }
    }

    fn let_in(self: &Arc<Self>, stream: Stream) {
        let (service, client) = (EventService::Web, stream.peer().ip());
        let admission = if self.proxies.contains(client) { &self.proxied } else { &self.admission };
        match admission.admit(client, Instant::now()) {
            Ok(admitted) => {
                self.events.emit(&Event::ConnectionOpened { service, client });
                tokio::spawn(Arc::clone(self).connection(stream, admitted));
            }
            Err(why) => self.events.emit(&Event::ConnectionRefused { service, client, why: reason(why) }),
        }
    }

    async fn connection(self: Arc<Self>, stream: Stream, admitted: Admitted) {
        let _open = self.events.open_session(EventService::Web);
        let _live = self.shutdown.session();
        let (service, client) = (EventService::Web, stream.peer().ip());
        let stop = self.shutdown.clone();
        let stream = match &self.encryption {
            Encryption::None => stream,
            Encryption::Tls(acceptor) => {
                let encrypted = tokio::select! {
                    encrypted = stream.into_tls(acceptor) => encrypted,
                    () = stop.begun() => return,
                };
                match encrypted {
                    Ok(stream) => stream,
                    Err(error) => {
                        return self.events.emit(&Event::TlsFailed { service, client, why: &error });
                    }
                }
            }
        };
        self.answer(stream, client).await;
        drop(admitted);
    }

    /// Answers the requests of one connection. Its errors are the client's own affair.
    async fn answer(&self, stream: Stream, client: IpAddr) {
        let router = self.router.clone().layer(axum::Extension(Peer(client)));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            // hyper takes no less than 8 KiB.
            .max_buf_size(self.limits.head_size.max(8 << 10))
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => return,
            () = tokio::time::sleep(self.limits.connection) => {}
            () = self.shutdown.begun() => {}
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            _ = timeout(self.limits.drain, connection) => {}
            () = self.shutdown.expired() => {}
        }
    }
}

/// How many connections are let in.
fn admission(limits: Limits, per_host: u32) -> limit::Settings {
    limit::Settings {
        total: limits.connections,
        per_host,
        per_network: per_host.saturating_mul(4),
        ..limit::Settings::default()
    }
}

/// Who opens too many links that do not exist is shut out for a while. Whoever is exempt has to wait for each further
/// answer instead: nobody shuts out an office, or everybody behind a proxy that does not say for whom it asks.
#[must_use]
pub fn guard(limits: Limits, exempt: AddressSet) -> Guard {
    const WINDOW: Duration = Duration::from_secs(600);
    let settings = postern_signin::Settings {
        free_failures: limits.wrong_links,
        first_delay: limits.wrong_link_delay,
        longest_delay: limits.wrong_link_delay.saturating_mul(8),
        window: WINDOW,
        address_failures: limits.wrong_links,
        network_failures: limits.wrong_links.saturating_mul(5),
        ban: WINDOW,
        ..postern_signin::Settings::default()
    };
    Guard::new(settings, exempt)
}

fn reason(refused: Refused) -> RefusedWhy {
    match refused {
        Refused::Total => RefusedWhy::Total,
        Refused::Host => RefusedWhy::PerAddress,
        Refused::Network => RefusedWhy::PerNetwork,
        Refused::Rate | Refused::NetworkRate => RefusedWhy::Rate,
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("limits", &self.limits).finish_non_exhaustive()
    }
}
