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
        | Event::Probed { .. }
        | Event::ProbeHeldBack { .. }
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
        Event::Probed { probe, subject, target, reached, outcome, duration } => {
            let took = Took(duration);
            info!(%probe, about = subject, host = %target, %reached, outcome, %took, "host asked");
        }
        Event::ProbeHeldBack { probe, subject, why } => {
            debug!(%probe, about = subject, %why, "host not asked");
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use postern_types::{Blame, ForwardPath, Refusal, TraceId};

    use super::*;
    use crate::log::{Level, Style, logged};
    use crate::{Events, Route, Stage};

    fn lines(act: impl FnOnce(&Events)) -> String {
        logged(Style::Journal, Level::Info, || act(&Events::new()))
    }

    fn message<'a>(sender: &'a ReversePath, recipients: &'a dyn crate::List) -> MessageEvent<'a> {
        MessageEvent {
            trace: TraceId::from_i64(0x0123_4567_89ab_cdef).unwrap(),
            client: "192.0.2.7".parse().unwrap(),
            helo: "mail.example.test",
            sender,
            recipients,
            size: 10_240,
            duration: Duration::from_micros(1234),
        }
    }

    #[test]
    fn an_accepted_message_is_one_line_with_its_trace_id() {
        let sender = ReversePath::parse("ann@example.test").unwrap();
        let recipients: Vec<_> = ["bob@example.test", "eve@example.test"]
            .map(|text| ForwardPath::Address(text.parse().unwrap()))
            .into();
        let text = lines(|events| {
            events.emit(&Event::MessageAccepted {
                message: message(&sender, &recipients),
                route: Route::Mailbox,
            });
        });
        assert_eq!(
            text,
            "<6>message accepted trace=028t5cy4tqkff route=mailbox client=192.0.2.7 helo=mail.example.test \
             from=<ann@example.test> to=bob@example.test,eve@example.test size=10240 took=1.234ms\n"
        );
    }

    #[test]
    fn a_refusal_shows_reply_and_cause() {
        let refusal = Refusal::new(Blame::Content, 552, (5, 3, 4), "message too big").because("53 MB of 50");
        let nobody: Vec<ForwardPath> = Vec::new();
        let text = lines(|events| {
            events.emit(&Event::MessageRefused {
                message: message(&ReversePath::Null, &nobody),
                stage: Stage::End,
                refusal: &refusal,
            });
        });
        assert!(text.contains("from=<> to=\"\""), "{text}");
        assert!(text.contains("reply=\"552 5.3.4 message too big\" cause=\"53 MB of 50\""), "{text}");
    }

    #[test]
    fn a_thousand_recipients_are_ten_names_and_a_number() {
        let many: Vec<usize> = (0..1000).collect();
        let list: &dyn crate::List = &many;
        assert_eq!(list.to_string(), "0,1,2,3,4,5,6,7,8,9 and 990 more");
    }

    #[test]
    fn a_flood_of_refused_connections_is_a_few_lines_and_a_sum() {
        let millis = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&millis);
        let events = Events::with_clock(move || Duration::from_millis(clock.load(Ordering::Relaxed)));
        let refuse = |times: u32| {
            for _ in 0..times {
                events.emit(&Event::ConnectionRefused {
                    service: Service::Smtp,
                    client: "192.0.2.7".parse().unwrap(),
                    why: RefusedWhy::BlockList,
                });
            }
        };
        let text = logged(Style::Journal, Level::Info, || {
            refuse(10_000);
            millis.store(1500, Ordering::Relaxed);
            refuse(1);
            refuse(20);
            events.settle();
            millis.store(2500, Ordering::Relaxed);
            events.settle();
        });
        let line = "<6>connection refused service=smtp client=192.0.2.7 why=block-list";
        let expected = format!(
            "{line}\n{line}\n{line}\n{line} more=9997\n{line}\n{line}\n<6>connections refused why=block-list more=18\n"
        );
        assert_eq!(text, expected);
        let counted = events.metrics().connections_refused.of(Service::Smtp, RefusedWhy::BlockList).get();
        assert_eq!(counted, 10_021, "every one of them is counted");
    }

    #[test]
    fn a_field_without_a_value_is_left_out() {
        let text = lines(|events| {
            events.emit(&Event::StoreError {
                trace: None,
                what: "accept",
                fault: crate::StoreFault::Full,
                why: &"disk full",
            });
        });
        assert_eq!(text, "<3>store failed what=accept fault=full why=\"disk full\"\n");
    }
}
