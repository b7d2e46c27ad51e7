//! [`Gate`]: what all sessions share, and the door where a listed address is known at once.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption};
use postern_dns::Dns;
use postern_events::Events;
use postern_policy::{Client, Evidence, Fact, Finding, Outcome, Test};
use postern_probe::Prober;
use postern_types::{AddressSet, Domain};
use tokio::sync::Notify;

use crate::loaded::Loaded;
use crate::lookup::Task;
use crate::weighed::Memory;
use crate::{Collector, GateError, Settings, Trust, ZoneReport, health};

/// The gate. Clones are handles to the same one; its background work ends with the last of them.
#[derive(Clone)]
pub struct Gate {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) dns: Dns,
    pub(crate) events: Events,
    pub(crate) loaded: ArcSwap<Loaded>,
    pub(crate) recheck: Arc<Notify>,
    feedback: ArcSwap<AddressSet>,
    pub(crate) domains: ArcSwap<HashSet<Domain>>,
    pub(crate) prober: ArcSwapOption<Prober>,
    pub(crate) weighed: Memory,
    /// Watches the health of the DNS lists until it is dropped.
    watch: OnceLock<Task<()>>,
}

/// What the lists say about an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fast {
    /// Nothing is tested.
    Allowed {
        /// The list that has it.
        list: Arc<str>,
    },
    /// The operator blocks it.
    Blocked {
        /// The list that has it.
        list: Arc<str>,
    },
    /// A later stage has put it on the feedback list.
    Feedback,
    /// No list has it.
    Unlisted,
}

/// What [`Gate::refresh`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// No file has changed.
    Same,
    /// The lists were read again and are in use.
    Reloaded,
}

impl Gate {
    /// Reads the lists, compiles the rules and begins to watch the health of the DNS lists. Call it inside
    /// a tokio runtime. A DNS list is asked only after its first health check: see [`Gate::check_zones`].
    ///
    /// # Errors
    /// [`GateError`] names the file and line, the rule or the zone.
    pub fn new(settings: Settings, dns: Dns, events: Events) -> Result<Self, GateError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| GateError::NoRuntime)?;
        let loaded = Loaded::new(settings, None)?;
        let shared = Arc::new(Shared {
            dns,
            events,
            loaded: ArcSwap::from_pointee(loaded),
            recheck: Arc::default(),
            feedback: ArcSwap::default(),
            domains: ArcSwap::default(),
            prober: ArcSwapOption::empty(),
            weighed: Memory::default(),
            watch: OnceLock::new(),
        });
        let watch = health::watch(Arc::downgrade(&shared), Arc::clone(&shared.recheck));
        // The cell is new: nobody has set it before.
        let _ = shared.watch.set(Task::of(runtime.spawn(watch)));
        Ok(Self { shared })
    }

    /// Reads everything again under new settings. Sessions that have begun keep the old ones; DNS lists that stay
    /// keep their health, new ones are checked before they come into use.
    ///
    /// # Errors
    /// [`GateError`]; then the old settings stay in use.
    pub async fn reload(&self, settings: Settings) -> Result<(), GateError> {
        let before = self.shared.loaded.load_full();
        let loaded = tokio::task::spawn_blocking(move || Loaded::new(settings, Some(&before)))
            .await
            .map_err(|_| GateError::NoRuntime)??;
        let fresh: Vec<_> =
            loaded.zones.iter().filter(|zone| zone.report().checked.is_none()).cloned().collect();
        health::check(&fresh, &self.shared.dns, &self.shared.events, loaded.settings.deadline).await;
        self.shared.loaded.store(Arc::new(loaded));
        Ok(())
    }

    /// Reads everything again if a list's file has changed.
    ///
    /// # Errors
    /// [`GateError`]; then the old lists stay in use.
    pub async fn refresh(&self) -> Result<Refreshed, GateError> {
        let loaded = self.shared.loaded.load_full();
        if !loaded.is_stale() {
            return Ok(Refreshed::Same);
        }
        self.reload(loaded.settings.clone()).await?;
        Ok(Refreshed::Reloaded)
    }

    /// Sets the feedback list.
    pub fn set_feedback(&self, addresses: AddressSet) {
        self.shared.feedback.store(Arc::new(addresses));
    }

    /// Sets the domains whose mail we take: no stranger may give them in HELO, and as senders they need no MX.
    pub fn set_domains(&self, domains: impl IntoIterator<Item = Domain>) {
        self.shared.domains.store(Arc::new(domains.into_iter().collect()));
    }

    /// Gives the active tests the prober. Without one they are not made.
    pub fn set_prober(&self, prober: Prober) {
        self.shared.prober.store(Some(Arc::new(prober)));
    }

    /// What the lists say about an address. Does not wait; well under a microsecond with a million entries.
    #[must_use]
    pub fn fast(&self, ip: IpAddr) -> Fast {
        let loaded = self.shared.loaded.load();
        if let Some(list) = loaded.find_allowed(ip) {
            return Fast::Allowed { list };
        }
        if let Some(list) = loaded.find_blocked(ip) {
            return Fast::Blocked { list };
        }
        if loaded.asks(Test::Feedback) && self.shared.feedback.load().contains(ip) {
            return Fast::Feedback;
        }
        Fast::Unlisted
    }

    /// What the lists say, as evidence to judge at [`postern_policy::Stage::Connect`] before anything is begun.
    #[must_use]
    pub fn door(&self, ip: IpAddr) -> Evidence {
        let fast = self.fast(ip);
        Evidence {
            client: Client { ip, ..Client::default() },
            lists: self.shared.loaded.load().fingerprint.clone(),
            findings: fast.findings(),
            ..Evidence::default()
        }
    }

    /// Begins to collect evidence about a session: the name of the client's address and the DNS lists are asked
    /// at once. Call it inside a tokio runtime.
    #[must_use]
    pub fn begin(&self, ip: IpAddr, trust: Trust) -> Collector {
        Collector::new(Arc::clone(&self.shared), self.door(ip), trust)
    }

    /// Checks the health of every DNS list now, and says what came of it.
    pub async fn check_zones(&self) -> Vec<ZoneReport> {
        let loaded = self.shared.loaded.load_full();
        health::check(&loaded.zones, &self.shared.dns, &self.shared.events, loaded.settings.deadline).await;
        self.zones()
    }

    /// The state of every DNS list.
    #[must_use]
    pub fn zones(&self) -> Vec<ZoneReport> {
        self.shared.loaded.load().zones.iter().map(|zone| zone.report()).collect()
    }
}

#[cfg(test)]
impl Gate {
    pub(crate) fn watch_handle(&self) -> Option<tokio::task::AbortHandle> {
        self.shared.watch.get().map(Task::handle)
    }
}

impl Fast {
    fn findings(&self) -> Vec<Finding> {
        let hit = |test, list: &str| {
            Finding::new(test, Outcome::Hit, Fact::Listed { list: list.to_owned(), entry: None })
        };
        let clear = |test| Finding::new(test, Outcome::Clear, Fact::Nothing);
        match self {
            Self::Allowed { list } => vec![hit(Test::AllowList, list)],
            Self::Blocked { list } => vec![hit(Test::BlockList, list)],
            Self::Feedback => vec![clear(Test::BlockList), hit(Test::Feedback, "feedback")],
            Self::Unlisted => vec![clear(Test::BlockList), clear(Test::Feedback)],
        }
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("zones", &self.zones()).finish_non_exhaustive()
    }
}
