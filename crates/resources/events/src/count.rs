//! Event → counters, gauges and histograms.

use crate::label::{DnsblState, Label, Pressure};
use crate::{Event, Metrics};

/// Feeds every metric that `event` concerns.
pub(crate) fn count(metrics: &Metrics, event: &Event<'_>) {
    match *event {
        Event::ConnectionOpened { service, .. } => _ = metrics.connections.of(service).inc(),
        Event::ConnectionRefused { service, why, .. } => {
            metrics.connections_refused.of(service, why).inc();
        }
        Event::SessionEnded { service, end, duration, .. } => {
            metrics.sessions_ended.of(service, end).inc();
            metrics.session_seconds.of(service).observe(duration);
        }
        Event::TlsStarted { service, version, .. } => _ = metrics.tls_handshakes.of(service, version).inc(),
        Event::TlsFailed { service, .. } => _ = metrics.tls_failures.of(service).inc(),
        Event::MessageAccepted { message, route } => {
            metrics.messages_accepted.of(route).inc();
            metrics.message_bytes.observe(message.size);
            metrics.accept_seconds.observe(message.duration);
            metrics.recipients_accepted.inc_by(message.recipients.count() as u64);
        }
        Event::MessageRefused { stage, refusal, .. } => {
            metrics.messages_refused.of(stage, refusal.blame.into()).inc();
        }
        Event::RecipientRefused { refusal, .. } => {
            metrics.recipients_refused.of(refusal.blame.into()).inc();
        }
        Event::Relayed { duration, .. } => {
            metrics.relayed.inc();
            metrics.relay_seconds.observe(duration);
        }
        Event::UpstreamFailed { .. } => _ = metrics.upstream_failures.inc(),
        Event::DnsblHealth { list, state, .. } => {
            metrics.dnsbl_up.set(list, i64::from(state == DnsblState::Healthy));
        }
        Event::Probed { probe, reached, duration, .. } => {
            metrics.probes.of(probe, reached).inc();
            metrics.probe_seconds.of(probe).observe(duration);
        }
        Event::ProbeHeldBack { probe, .. } => _ = metrics.probes_held_back.of(probe).inc(),
        Event::SignIn { service, outcome, .. } => _ = metrics.sign_ins.of(service, outcome).inc(),
        Event::Pop3Session { fetched, deleted, octets, .. } => {
            metrics.pop3_fetched.inc_by(fetched.into());
            metrics.pop3_deleted.inc_by(deleted.into());
            metrics.pop3_bytes.inc_by(octets);
        }
        Event::TlsReloaded { .. } => _ = metrics.tls_reloads.inc(),
        Event::TlsReloadFailed { .. } => _ = metrics.tls_reload_failures.inc(),
        Event::StoreError { fault, .. } => _ = metrics.store_errors.of(fault).inc(),
        Event::Shedding { level, .. } => set_pressure(metrics, level),
        Event::Started { .. } | Event::Listening { .. } | Event::Stopping { .. } | Event::Stopped => {}
    }
}

/// Marks `level` as the one that holds.
pub(crate) fn set_pressure(metrics: &Metrics, level: Pressure) {
    for &each in Pressure::ALL {
        metrics.pressure.of(each).set(i64::from(each == level));
    }
}
