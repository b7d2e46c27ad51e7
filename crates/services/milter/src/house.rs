//! What both doors share: the way from a client, a sender and a recipient to a verdict.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use postern_events::{Event as Happened, Events, Service as EventService, StoreFault};
use postern_feedback::Feedback;
use postern_gate::{Collector, Gate, Sample, Trust};
use postern_net::{Shutdown, measure};
use postern_policy::{Policy, Profile};
use postern_store::{AccountId, Resolution, Store, StoreError};
use postern_types::{Address, ForwardPath, Refusal, Timestamp, TraceId, TraceIds};

use crate::client::Client;
use crate::transaction::{Recipient, Transaction};
use crate::{Parts, Settings, refusal};

/// The shared parts.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    gate: Gate,
    policy: Arc<ArcSwap<Policy>>,
    pub(crate) events: Events,
    disk: Arc<measure::FreeDisk>,
    pub(crate) feedback: Feedback,
    pub(crate) shutdown: Shutdown,
    ids: Arc<TraceIds>,
    sample: Sample,
}

impl House {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { settings, store, gate, policy, events, disk, feedback, shutdown, ids } = parts;
        Self {
            settings,
            store,
            gate,
            policy,
            events,
            disk,
            feedback,
            shutdown,
            ids,
            sample: Sample::default(),
        }
    }

    /// A new identity.
    pub(crate) fn trace(&self) -> TraceId {
        self.ids.next(Timestamp::now())
    }

    /// Whether an address is one of ours.
    pub(crate) fn is_trusted(&self, ip: IpAddr) -> bool {
        self.settings.trusted.contains(ip)
    }

    /// Begins to collect evidence about a client.
    pub(crate) fn begin(&self, client: &Client) -> Collector {
        self.gate.begin(client.ip, client.trust)
    }

    /// The rules in use.
    pub(crate) fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// The refusal for an address that a list blocks, where the policy refuses for that: reported, and recorded
    /// if there are not too many.
    pub(crate) fn turned_away(&self, client: &Client, service: EventService) -> Option<Refusal> {
        if client.trust == Trust::Ours {
            return None;
        }
        let now = Timestamp::now();
        let away = self.gate.turn_away(client.ip, &self.policy, || self.ids.next(now))?;
        let (why, refusal) = (away.why, away.refusal.clone());
        if self.sample.takes(now) {
            self.store.record(away.record(client.helo.clone()));
        }
        self.events.emit(&Happened::ConnectionRefused { service, client: client.ip, why });
        Some(refusal)
    }

    /// Judges one recipient of a transaction.
    pub(crate) async fn judge_recipient(
        &self,
        transaction: &mut Transaction,
        client: &Client,
        collector: &mut Collector,
        (path, address): (ForwardPath, Address),
    ) -> Result<Recipient, Refusal> {
        let trace = transaction.trace;
        let failed = |error: StoreError| {
            self.store_failed(trace, "resolve", &error);
            refusal::store_failed(&error, trace)
        };
        // The MTA knows its users; an account of ours says whose profile counts and who may look at a held copy.
        let accounts = match self.store.resolve(&path).await.map_err(failed)? {
            Resolution::Mailboxes(accounts) => accounts,
            Resolution::Proxy(_) | Resolution::UnknownUser | Resolution::NotOurs => Vec::new(),
        };
        let profile = self.profile(&address, &accounts, transaction, client).await.map_err(failed)?;
        let policy = self.policy();
        let judged = collector.judge_recipient(address, profile, &policy, &mut transaction.seen).await;
        Ok(Recipient { named: Vec::new(), account: accounts.first().copied(), judged })
    }

    /// What a recipient wants, and what its own lists say of this sender.
    async fn profile(
        &self,
        address: &Address,
        accounts: &[AccountId],
        transaction: &Transaction,
        client: &Client,
    ) -> Result<Profile, StoreError> {
        let answer = self.store.profile(address, accounts, &transaction.sender, client.ip).await?;
        Ok(postern_gate::profile(&answer))
    }

    /// Why a copy of `size` octets cannot be kept now, if so.
    pub(crate) fn cannot_keep(&self, size: u64, trace: TraceId) -> Option<Refusal> {
        // A disk that cannot be asked will say so when it is written to.
        let free = self.disk.space(Instant::now()).map_or(u64::MAX, |space| space.free);
        let wanted = self.settings.minimum_free_disk.saturating_add(size);
        (free < wanted).then(|| refusal::disk_full(trace))
    }

    /// Reports a failure of the store.
    pub(crate) fn store_failed(&self, trace: TraceId, what: &str, error: &StoreError) {
        let fault = match error {
            StoreError::Full => StoreFault::Full,
            StoreError::ReadOnly => StoreFault::ReadOnly,
            StoreError::Corrupt { .. } => StoreFault::Corrupt,
            StoreError::Busy => StoreFault::Busy,
            _ => StoreFault::Other,
        };
        self.events.emit(&Happened::StoreError { trace: Some(trace), what, fault, why: error });
    }

    /// Reports and remembers that a recipient is refused.
    pub(crate) fn refuse_recipient(
        &self,
        transaction: &mut Transaction,
        client: &Client,
        recipient: &str,
        refusal: &Refusal,
    ) {
        transaction.note_refused(recipient.to_owned(), refusal);
        self.events.emit(&Happened::RecipientRefused {
            trace: transaction.trace,
            client: client.ip,
            sender: &transaction.sender,
            recipient: &recipient,
            refusal,
        });
    }
}

/// The field that carries the trace id.
pub(crate) const TRACE: &str = "X-Postern-Trace";
