//! The quarantine's pages, and the digests that go out once a day.

use std::sync::Arc;
use std::time::Duration;

use postern_config::{Config, Digest, WebProtocol};
use postern_events::Service as EventService;
use postern_signin::SystemClock;
use postern_types::{Timestamp, TraceIds, Zone};
use postern_web::{DigestError, Digests, Encryption, Parts, SentTo, Service};
use tokio::task::JoinSet;

use super::Ports;
use super::server::Shared;
use crate::compose;
use crate::failure::Failure;

/// How often is looked whether the time for digests has come, or whether those that failed can be sent.
const LOOK: Duration = Duration::from_secs(60);

/// Opens the pages, where there is somewhere to listen, and starts the digests.
pub(crate) fn start(
    shared: &Shared,
    config: &Config,
    ports: &mut Ports,
    doors: &mut JoinSet<()>,
    ids: Arc<TraceIds>,
) -> Result<(), Failure> {
    let digests = compose::web::digests(config, &shared.store, ids)?;
    let encryption = match (config.web.protocol, &shared.tls) {
        (WebProtocol::Http, _) => Encryption::None,
        (WebProtocol::Https, Some(acceptor)) => Encryption::Tls(acceptor.clone()),
        // The check of the configuration sees to it that nobody listens then.
        (WebProtocol::Https, None) => Encryption::None,
    };
    let service = Service::new(Parts {
        settings: compose::web::settings(config)?,
        store: shared.store.clone(),
        policy: Arc::clone(&shared.policy),
        digests: digests.clone(),
        guard: Arc::clone(&shared.link_guard),
        clock: Arc::new(SystemClock),
        events: shared.events.clone(),
        encryption,
        shutdown: shared.shutdown.clone(),
    });
    for socket in ports.take("web") {
        shared.opened(EventService::Web, &socket);
        doors.spawn(Arc::clone(&service).serve(socket.listen()?));
    }
    doors.spawn(send_digests(shared.clone(), digests, compose::zone::zone(config)));
    Ok(())
}

/// Sends digests when their time has come. Whoever has been told is noted in the store: after a restart
/// nobody is told twice, and what was due while the server was down is made up for.
async fn send_digests(shared: Shared, digests: Digests, zone: Arc<Zone>) {
    let mut done = None;
    let mut looks = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            biased;
            () = shared.shutdown.begun() => return,
            _ = looks.tick() => {}
        }
        let config = shared.config.load_full();
        let time = zone.last_hour(config.quarantine.digest_hour, Timestamp::now());
        if config.quarantine.digest == Digest::Off || done == Some(time) {
            continue;
        }
        match send_due(&digests, time).await {
            Ok(()) => {
                tracing::info!(until = %time, "digests are up to date");
                done = Some(time);
            }
            Err(error) => tracing::error!(%error, "digests cannot be sent: it is tried again in a minute"),
        }
    }
}

async fn send_due(digests: &Digests, before: Timestamp) -> Result<(), DigestError> {
    let mut failed = None;
    for due in digests.due(before, None).await? {
        let sent = match digests.send(&due, Timestamp::now()).await {
            Ok(sent) => sent,
            // The others get theirs.
            Err(error) => {
                failed = Some(error);
                continue;
            }
        };
        match sent.outcome {
            SentTo::Mailboxes(_) | SentTo::Queue => {
                tracing::info!(recipient = %sent.recipient, messages = sent.count, "a digest was sent");
            }
            SentTo::Nobody | SentTo::ToldAlready => {
                tracing::debug!(recipient = %sent.recipient, outcome = ?sent.outcome, "no digest was sent");
            }
        }
    }
    failed.map_or(Ok(()), Err)
}
