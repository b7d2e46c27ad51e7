//! What goes on beside the sessions: measuring, looking at files and lists, throwing away what is old.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use postern_events::{Event, Pressure as EventPressure};
use postern_net::Level;
use postern_net::pressure::Input;
use postern_store::{Retention, Store, StoreError};
use postern_types::{Domain, Timestamp};
use tokio::task::JoinSet;

use super::reload;
use super::server::Shared;
use crate::compose::net::LOOK_AT_FILES;

/// How often load is measured and the store is asked whether lists or domains have changed.
const TICK: Duration = Duration::from_secs(1);
/// How often what is old is thrown away.
const PURGE: Duration = Duration::from_secs(3600);
/// How often lists are read again even though nobody changed them: entries end.
const ENTRIES_END: Duration = Duration::from_secs(60);

/// Starts all of it.
pub(crate) fn start(shared: &Shared) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(measure(shared.clone()));
    tasks.spawn(follow_lists(shared.clone()));
    tasks.spawn(follow_files(shared.clone()));
    tasks.spawn(follow_certificates(shared.clone()));
    tasks.spawn(purge(shared.clone()));
    tasks
}

/// The domains whose mail is received.
pub(crate) async fn domains(store: &Store) -> Result<Vec<Domain>, StoreError> {
    Ok(store.domains().await?.into_iter().map(|domain| domain.name).collect())
}

/// Load, once a second: for shedding, and for metrics.
async fn measure(shared: Shared) {
    let mut before = Level::Normal;
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        let waiting = shared.store.stats().waiting;
        shared.pressure.report(Input::Sessions, u64::from(shared.admission.live()));
        let level = shared.pressure.report(Input::StoreQueue, waiting);
        let metrics = shared.events.metrics();
        metrics.store_queue.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        metrics.feedback_dropped.inner().fetch_max(shared.feedback.dropped(), Ordering::Relaxed);
        if let Ok(space) = shared.disk.space(Instant::now()) {
            metrics.store_free_bytes.set(i64::try_from(space.free).unwrap_or(i64::MAX));
        }
        if level != before {
            before = level;
            shared.events.emit(&Event::Shedding { level: label(level), why: &level.to_string() });
        }
    }
}

fn label(level: Level) -> EventPressure {
    match level {
        Level::Normal => EventPressure::Normal,
        Level::Stressed => EventPressure::Stressed,
        Level::Shedding => EventPressure::Shedding,
    }
}

/// Lists and domains that another process has changed are in use within a second.
async fn follow_lists(shared: Shared) {
    let mut known = None;
    let mut read = Instant::now();
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        match domains(&shared.store).await {
            Ok(domains) => {
                shared.prober.set_domains(domains.iter().cloned());
                shared.gate.set_domains(domains);
            }
            Err(error) => tracing::warn!(%error, "the domains cannot be read"),
        }
        let Ok(version) = shared.store.lists_version().await else { continue };
        let changed = known.is_some_and(|known| known != version);
        if changed || read.elapsed() > ENTRIES_END {
            reload::lists(&shared).await;
            read = Instant::now();
            if changed {
                tracing::info!("the lists have changed");
            }
        }
        known = Some(version);
    }
}

/// The files of the gate's lists.
async fn follow_files(shared: Shared) {
    let mut ticks = tokio::time::interval(LOOK_AT_FILES);
    loop {
        ticks.tick().await;
        if let Err(error) = shared.gate.refresh().await {
            tracing::error!(%error, "a list cannot be read: the old one stays in use");
        }
    }
}

async fn follow_certificates(shared: Shared) {
    let Some(tls) = shared.tls.clone() else { return };
    let file = shared.config.load().tls.certificate.as_ref().map(|path| path.display().to_string());
    let file = file.unwrap_or_default();
    let report = |reloaded: Result<(), postern_net::NetError>| {
        shared.events.emit(&match &reloaded {
            Ok(()) => Event::TlsReloaded { file: &file },
            Err(error) => Event::TlsReloadFailed { file: &file, why: error },
        });
    };
    tls.watch(LOOK_AT_FILES, report).await;
}

/// Throws away what has expired, once an hour.
async fn purge(shared: Shared) {
    let mut ticks = tokio::time::interval(PURGE);
    loop {
        ticks.tick().await;
        let now = Timestamp::now();
        let keep = shared.config.load().keep.clone();
        let ago = |duration: Duration| {
            let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
            Timestamp::from_millis(now.as_millis().saturating_sub(millis))
        };
        let retention = Retention {
            now,
            lists_before: ago(keep.lists),
            traces_before: ago(keep.traces),
            evidence_before: ago(keep.evidence),
        };
        match shared.store.purge(retention).await {
            Ok(purged) => tracing::debug!(?purged, "what was old is gone"),
            Err(error) => tracing::warn!(%error, "what is old cannot be thrown away"),
        }
    }
}
