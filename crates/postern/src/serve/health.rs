//! What `/health` asks.

use std::time::Instant;

use postern_gate::ZoneState;
use postern_types::Timestamp;
use postern_watch::{Parts, State};

use super::server::Shared;

/// Store, disk, certificate, DNS lists.
pub(crate) fn parts(shared: &Shared) -> Parts {
    let parts = Parts::new();
    let (store, disk, tls, lists) = (shared.clone(), shared.clone(), shared.clone(), shared.clone());
    parts
        .part("store", move || {
            let store = store.store.clone();
            async move {
                store.lists_version().await.map_or_else(|error| State::Down(error.to_string()), |_| State::Up)
            }
        })
        .part("disk", move || std::future::ready(free_disk(&disk)))
        .part("certificate", move || std::future::ready(certificate(&tls, Timestamp::now())))
        .part("dnsbl", move || std::future::ready(dns_lists(&lists)))
}

fn free_disk(shared: &Shared) -> State {
    let least = shared.config.load().smtp.minimum_free_disk.0;
    match shared.disk.space(Instant::now()) {
        Ok(space) if space.free < least => State::Down(format!("only {} bytes are free", space.free)),
        Ok(space) if space.free < least.saturating_mul(4) => {
            State::Degraded(format!("only {} bytes are free", space.free))
        }
        Ok(_) => State::Up,
        Err(error) => State::Degraded(error.to_string()),
    }
}

fn certificate(shared: &Shared, now: Timestamp) -> State {
    let Some(tls) = &shared.tls else { return State::Up };
    let alarm = shared.config.load().watch.certificate_alarm;
    let ends = tls.certificates().into_iter().map(|facts| facts.not_after).min();
    match ends {
        Some(end) if end < now => State::Degraded(format!("it ran out on {end}")),
        Some(end) if end < now.plus(alarm) => State::Degraded(format!("it runs out on {end}")),
        _ => State::Up,
    }
}

fn dns_lists(shared: &Shared) -> State {
    let off = shared.gate.zones().into_iter().filter(|report| matches!(report.state, ZoneState::Off { .. }));
    let off: Vec<String> = off.map(|report| report.zone.to_string()).collect();
    if off.is_empty() { State::Up } else { State::Degraded(format!("switched off: {}", off.join(", "))) }
}
