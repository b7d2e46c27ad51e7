//! Released copies on their way to the MTA behind.
//!
//! A release from quarantine for a recipient whose mailbox is with an MTA behind goes through the store's
//! queue: state and queue entry change in one commit, so however often the button is pressed there is
//! one entry. This worker takes entries by lease, hands them over, and removes them on the MTA's
//! 250; a crash between the two costs a second copy, never the message.

use std::sync::Arc;
use std::time::Duration;

use postern_smtp::command::{BodyType, MailParams, RcptParams};
use postern_store::Queued;
use postern_types::{ForwardPath, Reply, Timestamp};
use tokio::task::JoinSet;

use crate::service::Service;
use crate::upstream::{Upstream, UpstreamError};

/// How often the queue is looked at: another process may have released something.
const LOOK: Duration = Duration::from_secs(1);
/// How long an entry is ours while it is being handed over.
const LEASE: Duration = Duration::from_secs(15 * 60);
/// How long one attempt may take; well within the lease.
const ATTEMPT: Duration = Duration::from_secs(10 * 60);
/// Between the first two attempts; doubled from one to the next.
const FIRST_RETRY: Duration = Duration::from_secs(60);
/// Between attempts at most.
const LAST_RETRY: Duration = Duration::from_secs(3600);
/// Entries taken at a time.
const BATCH: usize = 8;

/// Why an entry is still there.
#[derive(Debug, thiserror::Error)]
enum Undelivered {
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error("it said: {0}")]
    Said(Reply),
    #[error(transparent)]
    Store(#[from] postern_store::StoreError),
    #[error("the entry names no server")]
    NoRoute,
}

impl Undelivered {
    /// Whether the MTA will say the same the next time (rfc5321 §4.2.1).
    fn is_final(&self) -> bool {
        matches!(self, Self::Said(reply) if reply.code.is_permanent())
    }
}

impl Service {
    /// Hands released copies to the MTAs behind, until the process is to stop; what is under way then gets as
    /// long as sessions do.
    pub async fn deliver_released(self: Arc<Self>) {
        let stop = self.shutdown.clone();
        loop {
            tokio::select! {
                biased;
                () = stop.begun() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            tokio::select! {
                biased;
                () = stop.expired() => return,
                () = self.deliver_due() => {}
            }
        }
    }

    async fn deliver_due(self: &Arc<Self>) {
        let now = Timestamp::now();
        // Asked first because it only reads: an empty queue costs no commit.
        match self.store.next_queued_at().await {
            Ok(Some(due)) if due <= now => {}
            Ok(_) => return,
            Err(error) => return tracing::warn!(%error, "the queue cannot be read"),
        }
        match self.store.lease_queued(now, now.plus(LEASE), BATCH).await {
            Ok(entries) => {
                // Side by side: an MTA that hangs holds up nobody else's mail of this batch.
                let mut deliveries = JoinSet::new();
                for entry in entries {
                    let service = Arc::clone(self);
                    deliveries.spawn(async move { service.deliver(entry).await });
                }
                while deliveries.join_next().await.is_some() {}
            }
            Err(error) => tracing::warn!(%error, "the queue cannot be read"),
        }
    }

    async fn deliver(&self, entry: Queued) {
        let handed = tokio::time::timeout(ATTEMPT, self.hand_over(&entry)).await;
        let done = match handed.unwrap_or(Err(UpstreamError::Timeout(ATTEMPT).into())) {
            Ok(reply) => {
                tracing::info!(trace = %entry.trace, to = %entry.recipient, %reply, "a released message is with the MTA behind");
                self.store.remove_queued(entry.id).await
            }
            Err(error) if error.is_final() || Timestamp::now() >= entry.expires_at => {
                // The quarantine has the copy, and holds it again.
                tracing::error!(trace = %entry.trace, to = %entry.recipient, %error, "a released message is given up");
                self.store.give_up_queued(entry.id).await
            }
            Err(error) => {
                tracing::warn!(trace = %entry.trace, to = %entry.recipient, %error, "a released message waits");
                let pause = FIRST_RETRY.saturating_mul(1 << entry.attempts.min(10)).min(LAST_RETRY);
                self.store.defer_queued(entry.id, Timestamp::now().plus(pause), error.to_string()).await
            }
        };
        if let Err(error) = done {
            // The lease ends by itself, and the entry comes up again.
            tracing::warn!(trace = %entry.trace, %error, "the queue cannot be written");
        }
    }

    async fn hand_over(&self, entry: &Queued) -> Result<Reply, Undelivered> {
        let route = entry.route.as_deref().ok_or(Undelivered::NoRoute)?;
        let settings = &self.settings.upstream;
        let mut upstream = Upstream::connect(route, settings, &self.tls_out, None).await?;
        let utf8 = entry.recipient.needs_utf8()
            || entry.sender.address().is_some_and(postern_types::Address::needs_utf8);
        let mail =
            MailParams { body: Some(BodyType::EightBitMime), smtp_utf8: utf8, ..MailParams::default() };
        positive(upstream.mail(&entry.sender, &mail).await?)?;
        let recipient = ForwardPath::Address(entry.recipient.clone());
        positive(upstream.rcpt(&recipient, &RcptParams::default()).await?)?;
        let go_ahead = upstream.data().await?;
        if !go_ahead.code.is_intermediate() {
            return Err(Undelivered::Said(go_ahead));
        }
        let mut message = self.store.read_queued(entry.id).await?;
        while let Some(piece) = message.next().await? {
            upstream.body(&piece).await?;
        }
        let relayed = upstream.finish().await?.map_err(Undelivered::Said)?;
        upstream.quit().await;
        Ok(relayed.reply().clone())
    }
}

fn positive(reply: Reply) -> Result<(), Undelivered> {
    if reply.code.is_positive() { Ok(()) } else { Err(Undelivered::Said(reply)) }
}
