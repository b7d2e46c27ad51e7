//! Metrics and health over HTTP on a loopback port.
//!
//! * `/metrics`: every metric of [`postern_events`], as OpenMetrics text.
//! * `/health`: 200 while every part works, else 503; the state of each part as JSON.
//! * `/ready`: 200 while new work is taken, else 503.
//!
//! What is shown is no secret but nobody else's business either: without
//! [`Reach::Network`] only loopback addresses are listened on, and requests must name a host
//! that is known to be this one, so that no web page can read it through a browser's DNS.

mod health;
mod host;
mod http;
mod pages;

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use postern_events::{Event, Events, Service};
use postern_types::Domain;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use health::{Health, Parts, Phase, State};
pub use http::Limits;

/// Where the service listens and whom it answers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The addresses; none of them switches the service off.
    pub listen: Vec<SocketAddr>,
    /// Whether other hosts may reach it.
    pub reach: Reach,
    /// Names that requests may use for this host, besides `localhost`.
    pub names: Vec<Domain>,
    /// What a client may cost.
    pub limits: Limits,
}

/// Who can connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Programs on this host.
    #[default]
    Loopback,
    /// Whoever the firewall lets through: there is no password.
    Network,
}

impl Default for Settings {
    /// Port 9025 on 127.0.0.1.
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 9025))],
            reach: Reach::default(),
            names: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// An address that other hosts can reach, without leave.
    #[error(
        "{0} can be reached from other hosts, and metrics have no password: listen on 127.0.0.1, or allow it"
    )]
    NotLoopback(SocketAddr),
    /// The port is taken or forbidden.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// The service with its ports open.
#[derive(Debug)]
pub struct Watch {
    listeners: Vec<TcpListener>,
    settings: Settings,
}

impl Watch {
    /// Opens the ports; before privileges are dropped.
    ///
    /// # Errors
    /// An address that may not be used or cannot.
    pub fn bind(settings: Settings) -> Result<Self, WatchError> {
        let open = |&address: &SocketAddr| {
            if settings.reach == Reach::Loopback && !address.ip().to_canonical().is_loopback() {
                return Err(WatchError::NotLoopback(address));
            }
            let bind = || {
                let listener = TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Ok(listener)
            };
            bind().map_err(|source| WatchError::Bind { address, source })
        };
        let listeners = settings.listen.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { listeners, settings })
    }

    /// The addresses listened on, with the ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Answers until `stop` ends, then finishes what is being answered within [`Limits::drain`].
    /// Also lets `events` settle once a second, with no port open too.
    ///
    /// # Errors
    /// When a socket cannot be handed to the runtime.
    pub async fn serve(
        self,
        events: Events,
        health: Health,
        stop: impl Future<Output = ()> + Send,
    ) -> std::io::Result<()> {
        let (stopping, stopped) = watch::channel(());
        let site = Arc::new(pages::Site { events: events.clone(), health });
        let mut servers = JoinSet::new();
        for listener in self.listeners {
            let address = listener.local_addr()?;
            let known = host::Known::new(address, self.settings.reach, self.settings.names.clone());
            let router = pages::router(Arc::clone(&site), known);
            let listener = tokio::net::TcpListener::from_std(listener)?;
            events.emit(&Event::Listening { service: Service::Watch, address });
            servers.spawn(http::serve(listener, router, self.settings.limits, stopped.clone()));
        }
        tokio::select! {
            () = stop => {}
            () = settle(&events) => {}
        }
        drop(stopping);
        while servers.join_next().await.is_some() {}
        events.settle();
        Ok(())
    }
}

/// Reports what floods have hidden, once a second, for ever.
async fn settle(events: &Events) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        second.tick().await;
        events.settle();
    }
}
