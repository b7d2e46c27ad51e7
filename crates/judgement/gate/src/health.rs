//! The health of the DNS lists: checked at the start, every few minutes, and when a list behaves strangely.

use std::sync::{Arc, Weak};
use std::time::Duration;

use postern_dns::Dns;
use postern_events::{DnsblState, Event, Events};
use postern_types::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::dnsbl::Zone;
use crate::gate::Shared;
use crate::{ZoneReport, ZoneState};

/// The shortest time between two checks, however loudly they are called for.
const SHORTEST: Duration = Duration::from_secs(10);

/// Checks all lists at the same time and reports those whose state has changed.
pub(crate) async fn check(zones: &[Arc<Zone>], dns: &Dns, events: &Events, within: Duration) {
    let deadline = Instant::now() + within;
    futures_util::future::join_all(zones.iter().map(|zone| async move {
        let now = Timestamp::now();
        let result = zone.check(dns, now, deadline).await;
        if zone.set(result, now) {
            tell(&zone.report(), events);
        }
    }))
    .await;
}

fn tell(report: &ZoneReport, events: &Events) {
    let (state, why) = match &report.state {
        ZoneState::Healthy => (DnsblState::Healthy, "127.0.0.2 is listed, 127.0.0.1 is not"),
        ZoneState::Off { why } => (DnsblState::Off, why.as_str()),
        // A check has a result.
        ZoneState::Unchecked => return,
    };
    events.emit(&Event::DnsblHealth { list: report.zone.as_str(), state, why });
}

/// Checks for as long as the gate lives. Holds the gate only to look at it.
pub(crate) async fn watch(gate: Weak<Shared>, recheck: Arc<Notify>) {
    loop {
        let Some(shared) = gate.upgrade() else { return };
        let (loaded, dns, events) = (shared.loaded.load_full(), shared.dns.clone(), shared.events.clone());
        drop(shared);
        check(&loaded.zones, &dns, &events, loaded.settings.deadline).await;
        let well = loaded.zones.iter().all(|zone| zone.report().state == ZoneState::Healthy);
        let pause = if well { loaded.settings.dnsbl_check } else { loaded.settings.dnsbl_retry };
        drop(loaded);
        let next = Instant::now() + pause;
        tokio::time::sleep(SHORTEST.min(pause)).await;
        // Either the time has come or a list behaves strangely: both mean the next check.
        let _ = tokio::time::timeout_at(next, recheck.notified()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dnsbl, Gate, Settings};
    use postern_dns::Servers;
    use postern_types::Domain;

    #[tokio::test]
    async fn the_watch_ends_with_the_last_handle_of_the_gate() {
        let servers = Servers::List(vec!["127.0.0.1:9".parse().unwrap()]);
        let dns = Dns::new(postern_dns::Settings { servers, ..postern_dns::Settings::default() }).unwrap();
        let dnsbl = vec![Dnsbl::new(Domain::parse("bl.test").unwrap())];
        let gate = Gate::new(Settings { dnsbl, ..Settings::default() }, dns, Events::new()).unwrap();
        let watch = gate.watch_handle().unwrap();
        let other = gate.clone();
        drop(gate);
        tokio::task::yield_now().await;
        assert!(!watch.is_finished());
        drop(other);
        while !watch.is_finished() {
            tokio::task::yield_now().await;
        }
    }
}
