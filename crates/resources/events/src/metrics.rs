//! Every metric of the program: declared once, with its help text as its doc comment.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use crate::label::{
    FromBlame, Pressure, Probe, ProbeReach, RefusedWhy, Route, Service, SessionEnd, SignInOutcome, Stage,
    StoreFault, TlsVersion,
};
use crate::metric::{Bytes, Counter, Each, Gauge, Grid, Kind, Metric, PerName, Seconds};

const PREFACE: &str = "\
# Metrics

What `/metrics` shows, in the OpenMetrics text format. Made from the declarations in the source; do not edit.

| name | kind | split by | meaning |
|---|---|---|---|
";

/// A metric as the reference page shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// The name in the declaration; counters have `_total` behind it in the output.
    pub name: &'static str,
    /// What it means.
    pub help: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// What it is split by.
    pub labels: &'static [&'static str],
}

macro_rules! metrics {
    ($(#[doc = $help:literal] $field:ident: $type:ty = $name:literal;)+) => {
        /// All metrics. Fields are touched directly; none of them locks or waits.
        #[derive(Debug)]
        pub struct Metrics {
            $(#[doc = $help] pub $field: $type,)+
        }

        impl Metrics {
            /// What there is to measure, in the order of the output.
            pub const ALL: &'static [Description] = &[$(Description {
                name: $name,
                help: $help.trim_ascii(),
                kind: <$type as Metric>::KIND,
                labels: <$type as Metric>::LABELS,
            },)+];

            pub(crate) fn new() -> Self {
                Self { $($field: Metric::create(),)+ }
            }

        }

        impl Collector for Metrics {
            fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
                self.log_dropped.inner().fetch_max(crate::log::dropped(), Ordering::Relaxed);
                $(
                    let kind = <$type as Metric>::KIND.open_metrics();
                    self.$field.write(encoder.encode_descriptor($name, $help.trim_ascii(), None, kind)?)?;
                )+
                Ok(())
            }
        }
    };
}

metrics! {
    /// Connections let in.
    connections: Each<Service, Counter> = "postern_connections";
    /// Connections turned away at the door.
    connections_refused: Grid<Service, RefusedWhy, Counter> = "postern_connections_refused";
    /// Sessions open now.
    sessions: Each<Service, Gauge> = "postern_sessions";
    /// Sessions that are over, by how they ended.
    sessions_ended: Grid<Service, SessionEnd, Counter> = "postern_sessions_ended";
    /// Seconds from connect to close.
    session_seconds: Each<Service, Seconds> = "postern_session_seconds";
    /// TLS handshakes done.
    tls_handshakes: Grid<Service, TlsVersion, Counter> = "postern_tls_handshakes";
    /// TLS handshakes that failed.
    tls_failures: Each<Service, Counter> = "postern_tls_failures";
    /// Certificate files read again after a change.
    tls_reloads: Counter = "postern_tls_reloads";
    /// Certificate files that had changed and could not be read; the old ones stay in use.
    tls_reload_failures: Counter = "postern_tls_reload_failures";
    /// Messages answered 250, by where they went.
    messages_accepted: Each<Route, Counter> = "postern_messages_accepted";
    /// Octets of accepted messages.
    message_bytes: Bytes = "postern_message_bytes";
    /// Seconds from MAIL to the 250 after the message.
    accept_seconds: Seconds = "postern_accept_seconds";
    /// Recipients of accepted messages.
    recipients_accepted: Counter = "postern_recipients_accepted";
    /// Transactions refused, by stage and by whose fault it is.
    messages_refused: Grid<Stage, FromBlame, Counter> = "postern_messages_refused";
    /// Recipients refused, by whose fault it is.
    recipients_refused: Each<FromBlame, Counter> = "postern_recipients_refused";
    /// Messages that the server behind took.
    relayed: Counter = "postern_relayed";
    /// Seconds that the server behind took to answer a message.
    relay_seconds: Seconds = "postern_relay_seconds";
    /// Times that the server behind could not be used.
    upstream_failures: Counter = "postern_upstream_failures";
    /// Whether a DNS block-list passes its health check (1) or is switched off (0).
    dnsbl_up: PerName = "postern_dnsbl_up";
    /// Connections that active tests have opened.
    probes: Grid<Probe, ProbeReach, Counter> = "postern_probes";
    /// Seconds from connecting to the end of such a connection.
    probe_seconds: Each<Probe, Seconds> = "postern_probe_seconds";
    /// Questions of active tests that were not asked: a budget was spent, somebody does not want to be asked.
    probes_held_back: Each<Probe, Counter> = "postern_probes_held_back";
    /// Attempts to sign in.
    sign_ins: Grid<Service, SignInOutcome, Counter> = "postern_sign_ins";
    /// Messages fetched by POP3.
    pop3_fetched: Counter = "postern_pop3_fetched";
    /// Messages deleted by POP3.
    pop3_deleted: Counter = "postern_pop3_deleted";
    /// Octets of messages sent by POP3.
    pop3_bytes: Counter = "postern_pop3_bytes";
    /// Failures of the store.
    store_errors: Each<StoreFault, Counter> = "postern_store_errors";
    /// Transactions that wait for the store's next commit.
    store_queue: Gauge = "postern_store_queue";
    /// Octets free on the disk that holds the store.
    store_free_bytes: Gauge = "postern_store_free_bytes";
    /// 1 for the load level that holds now, 0 for the others.
    pressure: Each<Pressure, Gauge> = "postern_pressure";
    /// Reports to the feedback list that were dropped because too many came at once.
    feedback_dropped: Counter = "postern_feedback_reports_dropped";
    /// Log lines dropped because whatever reads the log was too slow.
    log_dropped: Counter = "postern_log_lines_dropped";
}

impl Metrics {
    /// OpenMetrics text with its `# EOF`.
    pub(crate) fn open_metrics(registry: &Registry) -> String {
        let mut out = String::with_capacity(32 * 1024);
        // Writing to a String cannot fail.
        let _ = text::encode(&mut out, registry);
        out
    }

    /// A registry that reads these metrics each time it is asked.
    pub(crate) fn registry(self: &Arc<Self>) -> Registry {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Arc::clone(self)));
        registry
    }

    /// The reference page `docs/metrics.md`.
    #[must_use]
    pub fn reference() -> String {
        let mut page = String::from(PREFACE);
        for metric in Self::ALL {
            let total = if metric.kind == Kind::Counter { "_total" } else { "" };
            let labels = metric.labels.join(", ");
            // Writing to a String cannot fail.
            let _ =
                writeln!(page, "| `{}{total}` | {} | {labels} | {} |", metric.name, metric.kind, metric.help);
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::label::DnsblState;
    use crate::{Event, Events};

    #[test]
    fn names_are_unique_and_every_metric_says_what_it_means() {
        let mut names = HashSet::new();
        for metric in Metrics::ALL {
            assert!(names.insert(metric.name), "{} twice", metric.name);
            assert!(metric.help.ends_with('.'), "{}: {:?}", metric.name, metric.help);
            assert!(metric.name.starts_with("postern_"), "{}", metric.name);
        }
    }

    #[test]
    fn events_show_in_the_text() {
        let events = Events::new();
        let client = "192.0.2.7".parse().unwrap();
        let why = RefusedWhy::Rate;
        events.emit(&Event::ConnectionRefused { service: Service::Smtp, client, why });
        events.emit(&Event::DnsblHealth { list: "bl.test", state: DnsblState::Off, why: "lists 127.0.0.1" });
        events.emit(&Event::Shedding { level: Pressure::Stressed, why: "sessions" });
        let session = events.open_session(Service::Pop3);
        let text = events.open_metrics();
        for line in [
            "# HELP postern_sessions Sessions open now.",
            "# TYPE postern_sessions gauge",
            "postern_sessions{service=\"pop3\"} 1",
            "postern_connections_refused_total{service=\"smtp\",why=\"too-fast\"} 1",
            "postern_dnsbl_up{name=\"bl.test\"} 0",
            "postern_pressure{level=\"stressed\"} 1",
            "postern_pressure{level=\"normal\"} 0",
        ] {
            assert!(text.lines().any(|l| l == line), "no {line:?} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        drop(session);
        assert!(events.open_metrics().contains("postern_sessions{service=\"pop3\"} 0\n"));
    }

    #[test]
    fn the_reference_page_has_a_row_for_each() {
        let page = Metrics::reference();
        assert!(page.contains(
            "| `postern_messages_refused_total` | counter | stage, blame | Transactions refused, by stage and by whose fault it is. |"
        ));
        assert_eq!(page.lines().filter(|line| line.starts_with("| `")).count(), Metrics::ALL.len());
    }

    #[test]
    fn the_page_in_docs_is_that_of_this_source() {
        let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/metrics.md");
        let written = std::fs::read_to_string(page).unwrap();
        let fresh = Metrics::reference();
        assert!(written == fresh, "cargo run -p postern-events --example metrics > docs/metrics.md");
    }
}
