//! What happened, as typed events: each is one log line and the metrics that it feeds.
//!
//! Services call [`Events::emit`] with an [`Event`]; nothing else writes the log or counts.
//! So a line in the log, a number in `/metrics` and (later) a webhook never disagree.
//!
//! * [`Event`]: what can happen, in the words of mail.
//! * [`Metrics`]: every metric, declared once with its help text.
//! * [`log`]: where the lines go.

mod burst;
mod count;
mod event;
mod label;
pub mod log;
mod metric;
mod metrics;
mod report;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use event::{Event, List, MessageEvent};
pub use label::{
    DnsblState, FromBlame, Label, Pressure, Probe, ProbeReach, RefusedWhy, Route, Service, SessionEnd,
    SignInOutcome, Stage, StoreFault, TlsVersion,
};
pub use metric::{Bytes, Counter, Each, Gauge, Grid, Kind, PerName, Seconds};
pub use metrics::{Description, Metrics};

use burst::Bursts;
use prometheus_client::registry::Registry;

/// The handle that every part of the program holds; cloning it is one atomic increment.
#[derive(Clone)]
pub struct Events(Arc<Inner>);

struct Inner {
    metrics: Arc<Metrics>,
    registry: Registry,
    refused: Bursts,
    clock: Box<dyn Fn() -> Duration + Send + Sync>,
}

impl Events {
    /// Fresh counters; lines go to whatever `tracing` subscriber is set (see [`log::init`]).
    #[must_use]
    pub fn new() -> Self {
        let start = Instant::now();
        Self::with_clock(move || start.elapsed())
    }

    /// As [`Events::new`], with the clock that paces repeated log lines: any monotonic duration.
    #[must_use]
    pub fn with_clock(clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        let metrics = Arc::new(Metrics::new());
        let registry = metrics.registry();
        let clock = Box::new(clock);
        Self(Arc::new(Inner { metrics, registry, refused: Bursts::default(), clock }))
    }

    /// Counts the event and writes its log line. Never waits for anything slow.
    pub fn emit(&self, event: &Event<'_>) {
        count::count(&self.0.metrics, event);
        if let Event::ConnectionRefused { service, client, why } = *event {
            self.report_refused(service, client, why);
        } else {
            report::report(event);
        }
    }

    /// The metrics, for what is measured rather than happens: queue lengths, pressure, free space.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Counts a session as open until the guard is dropped, however the session ends.
    #[must_use]
    pub fn open_session(&self, service: Service) -> OpenSession {
        self.0.metrics.sessions.of(service).inc();
        OpenSession { events: self.clone(), service }
    }

    /// Reports refused connections that were counted but not shown yet. Called about once a
    /// second and when the program ends.
    pub fn settle(&self) {
        let now = (self.0.clock)();
        for (why, more) in self.0.refused.settle(now) {
            report::more_refused(why, more);
        }
    }

    /// All metrics as OpenMetrics text (`application/openmetrics-text; version=1.0.0`).
    #[must_use]
    pub fn open_metrics(&self) -> String {
        Metrics::open_metrics(&self.0.registry)
    }

    fn report_refused(&self, service: Service, client: std::net::IpAddr, why: RefusedWhy) {
        if let Some(more) = self.0.refused.of(why).admit((self.0.clock)()) {
            report::refused(service, client, why, more);
        }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}

/// A session that is open; see [`Events::open_session`].
#[derive(Debug)]
pub struct OpenSession {
    events: Events,
    service: Service,
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.events.0.metrics.sessions.of(self.service).dec();
    }
}
