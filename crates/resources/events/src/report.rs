//! Event → one log line with fields. The trace id is in the line of whatever has one.
//!
//! Levels: `error` what somebody must act on, `warn` what somebody should look at, `info`
//! what happened to mail, `debug` what happened to connections.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use postern_types::ReversePath;
use tracing::{debug, error, info, warn};

use crate::Event;
use crate::event::MessageEvent;
use crate::label::{DnsblState, Pressure, RefusedWhy, Service, SignInOutcome};

/// Writes the line of `event`.
pub(crate) fn report(event: &Event<'_>) {
    match *event {
        Event::Started { .. } | Event::Listening { .. } | Event::Stopping { .. } | Event::Stopped => {
            report_life(event);
        }
        Event::MessageAccepted { .. }
        | Event::MessageRefused { .. }
        | Event::RecipientRefused { .. }
        | Event::Relayed { .. }
        | Event::UpstreamFailed { .. } => report_mail(event),
        Event::ConnectionOpened { .. }
        | Event::ConnectionRefused { .. }
        | Event::SessionEnded { .. }
        | Event::TlsStarted { .. }
        | Event::TlsFailed { .. }
        | Event::SignIn { .. }
        | Event::Pop3Session { .. } => report_connection(event),
        Event::DnsblHealth { .. }
        | Event::TlsReloaded { .. }
        | Event::TlsReloadFailed { .. }
        | Event::StoreError { .. }
        | Event::Shedding { .. } => report_condition(event),
    }
}

fn report_life(event: &Event<'_>) {
    match *event {
        Event::Started { version, config } => info!(version, config, "started"),
        Event::Listening { service, address } => info!(%service, %address, "listening"),
        Event::Stopping { why } => info!(why, "stopping"),
        Event::Stopped => info!("stopped"),
        _ => {}
    }
}

fn report_mail(event: &Event<'_>) {
    match *event {
        Event::MessageAccepted { message: ref m, route } => info!(
            trace = %m.trace, %route, client = %m.client, helo = m.helo, from = %Path(m.sender),
            to = %m.recipients, size = m.size, took = %Took(m.duration), "message accepted"
        ),
        Event::MessageRefused {
            message: MessageEvent { trace, client, helo, sender, recipients, size, duration },
            stage,
            refusal,
        } => info!(
            %trace, %stage, %client, helo, from = %Path(sender), to = %recipients, size,
            took = %Took(duration), reply = %refusal.reply, cause = &*refusal.cause, "message refused"
        ),
        Event::RecipientRefused { trace, client, sender, recipient, refusal } => info!(
            %trace, %client, from = %Path(sender), to = %recipient, reply = %refusal.reply,
            cause = &*refusal.cause, "recipient refused"
        ),
        Event::Relayed { trace, upstream, reply, duration } => {
            info!(%trace, upstream, %reply, took = %Took(duration), "relayed");
        }
        Event::UpstreamFailed { trace: Some(trace), upstream, why } => {
            warn!(%trace, upstream, %why, "upstream failed");
        }
        Event::UpstreamFailed { trace: None, upstream, why } => warn!(upstream, %why, "upstream failed"),
        _ => {}
    }
}

fn report_connection(event: &Event<'_>) {
    match *event {
        Event::ConnectionOpened { service, client } => debug!(%service, %client, "connection opened"),
        Event::SessionEnded { service, trace, client, end, messages, duration } => {
            // A field that is None is left out.
            let trace = trace.map(tracing::field::display);
            debug!(trace, %service, %client, %end, messages, took = %Took(duration), "session ended");
        }
        Event::TlsStarted { service, client, version } => {
            debug!(%service, %client, %version, "TLS started");
        }
        Event::TlsFailed { service, client, why } => info!(%service, %client, %why, "TLS failed"),
        Event::SignIn { service, client, account, outcome: SignInOutcome::Ok } => {
            info!(%service, %client, account, "signed in");
        }
        Event::SignIn { service, client, account, outcome } => {
            warn!(%service, %client, account, %outcome, "sign-in refused");
        }
        Event::Pop3Session { client, account, fetched, deleted, octets, duration } => {
            info!(%client, %account, fetched, deleted, octets, took = %Took(duration), "mailbox visited");
        }
        _ => {}
    }
}

fn report_condition(event: &Event<'_>) {
    match *event {
        Event::DnsblHealth { list, state: DnsblState::Healthy, why } => {
            info!(list, why, "block-list healthy")
        }
        Event::DnsblHealth { list, state: DnsblState::Off, why } => {
            warn!(list, why, "block-list switched off")
        }
        Event::TlsReloaded { file } => info!(file, "certificate reloaded"),
        Event::TlsReloadFailed { file, why } => error!(file, %why, "certificate not reloaded"),
        Event::StoreError { trace, what, fault, why } => {
            let trace = trace.map(tracing::field::display);
            error!(trace, what, %fault, %why, "store failed");
        }
        Event::Shedding { level: Pressure::Normal, why } => {
            info!(level = %Pressure::Normal, why, "load level")
        }
        Event::Shedding { level, why } => warn!(%level, why, "load level"),
        _ => {}
    }
}

/// The line of a refused connection; `more` were not shown since the last.
pub(crate) fn refused(service: Service, client: IpAddr, why: RefusedWhy, more: u64) {
    if more == 0 {
        info!(%service, %client, %why, "connection refused");
    } else {
        info!(%service, %client, %why, more, "connection refused");
    }
}

/// The line that tells how many refused connections were not shown.
pub(crate) fn more_refused(why: RefusedWhy, more: u64) {
    info!(%why, more, "connections refused");
}

/// A reverse-path in its angle brackets, so that the null path shows.
struct Path<'a>(&'a ReversePath);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.0)
    }
}

/// A duration in milliseconds with three digits behind the point.
struct Took(Duration);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        write!(f, "{}.{:03}ms", micros / 1000, micros % 1000)
    }
}
