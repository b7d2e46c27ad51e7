//! One connection: everything that must hold before it is opened, and what is written down about it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use postern_events::{Event, Events, Probe, ProbeReach};
use postern_store::{ProbeBegun, ProbeEnded, Store};
use postern_types::Timestamp;
use tokio::time::Instant;

use crate::breaker::{Breaker, Terms};
use crate::errand::{self, Errand, Heard};
use crate::flight::Targets;
use crate::talk::{Log, TalkError};
use crate::{Breaking, NotAllowed, Settings, place};

/// States of hosts beyond these are swept before another is remembered.
const SWEEP: usize = 4096;

/// A host to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) ip: IpAddr,
    /// Its name, where it has one in this question.
    pub(crate) name: Option<String>,
}

/// What the connections of one question have in common.
pub(crate) struct Case {
    pub(crate) probe: &'static str,
    pub(crate) label: Probe,
    pub(crate) subject: String,
    pub(crate) place: String,
    pub(crate) reason: String,
    pub(crate) deadline: Instant,
    pub(crate) which: Which,
    pub(crate) targets: Targets,
}

/// Which hosts a question may connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// Public ones that are not this one.
    Public,
    /// The one that the operator has named, wherever it is.
    Named,
}

/// What became of the attempt to connect.
pub(crate) type Visited = Result<Result<Heard, TalkError>, NotAllowed>;

/// What is known about hosts while the process runs.
#[derive(Default)]
pub(crate) struct Hosts {
    states: Mutex<HashMap<IpAddr, State>>,
    all: Mutex<Breaker>,
    /// When a host last answered.
    reached: Mutex<Option<Timestamp>>,
}

#[derive(Default)]
struct State {
    /// Whoever holds it is connected.
    turn: Arc<tokio::sync::Mutex<()>>,
    breaker: Breaker,
}

impl Hosts {
    /// Whether connections may be opened at all. `attempt`: whether the question is one by which it would show
    /// that they can be again.
    pub(crate) fn may_ask(&self, now: Timestamp, attempt: Attempt) -> bool {
        let mut all = lock(&self.all);
        if all.is_closed() { true } else { attempt == Attempt::Telling && all.admit(now) }
    }

    /// When a host last answered.
    pub(crate) fn reached(&self) -> Option<Timestamp> {
        *lock(&self.reached)
    }

    /// Takes over what an earlier process knew.
    pub(crate) fn remember_reached(&self, at: Timestamp) {
        let mut reached = lock(&self.reached);
        *reached = (*reached).max(Some(at));
    }

    fn turn(&self, ip: IpAddr, now: Timestamp, terms: Terms) -> Option<Arc<tokio::sync::Mutex<()>>> {
        let mut states = lock(&self.states);
        if states.len() >= SWEEP {
            states
                .retain(|_, state| Arc::strong_count(&state.turn) > 1 || !state.breaker.is_idle(now, terms));
        }
        let state = states.entry(ip).or_default();
        state.breaker.admit(now).then(|| Arc::clone(&state.turn))
    }

    fn note(
        &self,
        ip: IpAddr,
        heard: &Result<Heard, TalkError>,
        errand: &Errand,
        now: Timestamp,
        terms: &Breaking,
    ) {
        match heard {
            Ok(_) => {
                *lock(&self.reached) = Some(now);
                lock(&self.all).succeeded();
                if let Some(state) = lock(&self.states).get_mut(&ip) {
                    state.breaker.succeeded();
                }
            }
            // That a client has no mail server is an answer; that a domain's mail host does not answer is a failure.
            Err(error) if matches!(errand, Errand::User { .. }) => {
                lock(&self.all).failed(now, terms.all());
                if error.is_theirs()
                    && let Some(state) = lock(&self.states).get_mut(&ip)
                {
                    state.breaker.failed(now, terms.host());
                }
            }
            Err(_) => {}
        }
    }
}

/// Whether a question tells if connections get out of here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    Telling,
    Silent,
}

impl Breaking {
    fn host(&self) -> Terms {
        Terms { failures: self.host_failures, pause: self.host_pause, longest: self.longest }
    }

    fn all(&self) -> Terms {
        Terms { failures: self.failures, pause: self.pause, longest: self.longest }
    }
}

/// What a visit needs.
pub(crate) struct World<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) store: &'a Store,
    pub(crate) hosts: &'a Hosts,
    pub(crate) events: &'a Events,
    pub(crate) clock: &'a crate::Clock,
}

/// Connects to a host for an errand, when it may be and as soon as nobody else is.
pub(crate) async fn visit(world: &World<'_>, case: &Case, host: &Host, errand: &Errand) -> Visited {
    let settings = world.settings;
    let ip = host.ip.to_canonical();
    match case.which {
        Which::Public => place::may_connect(ip, settings)?,
        Which::Named => place::may_be_asked(ip, settings)?,
    }
    let now = (world.clock)();
    let Some(turn) = world.hosts.turn(ip, now, settings.breaking.host()) else {
        return Ok(Err(TalkError::LeftAlone));
    };
    let Ok(_turn) = tokio::time::timeout_at(case.deadline, turn.lock()).await else {
        return Ok(Err(TalkError::Timeout));
    };
    let address = SocketAddr::new(ip, settings.port);
    let named = host.name.as_ref().map_or(String::new(), |name| format!(" ({name})"));
    let begun = ProbeBegun {
        at: (world.clock)(),
        probe: case.probe.to_owned(),
        subject: case.subject.clone(),
        target: format!("{address}{named}"),
        place: case.place.clone(),
        reason: case.reason.clone(),
    };
    let line = world.store.begin_probe(begun).await.map_err(|error| NotAllowed::Store(error.to_string()))?;
    let began = std::time::Instant::now();
    let mut log = Log::default();
    let name = settings.hostname.as_str();
    let heard = errand::run(errand, address, name, &settings.timeouts, case.deadline, &mut log).await;
    let (outcome, duration) = (outcome(&heard), began.elapsed());
    world.events.emit(&Event::Probed {
        probe: case.label,
        subject: &case.subject,
        target: address,
        reached: if heard.is_ok() { ProbeReach::Yes } else { ProbeReach::No },
        outcome: &outcome,
        duration,
    });
    let ended = ProbeEnded { outcome, conversation: log.text(), duration };
    if let Err(error) = world.store.end_probe(line, ended).await {
        tracing::warn!(%error, %address, "the ledger of probes cannot be written");
    }
    world.hosts.note(ip, &heard, errand, (world.clock)(), &settings.breaking);
    Ok(heard)
}

/// What came of it, for the ledger.
fn outcome(heard: &Result<Heard, TalkError>) -> String {
    let last = match heard {
        Ok(Heard::Greeting(reply)) => format!("it greets: {reply}"),
        Ok(Heard::Refused { at, reply }) => format!("refused at {at}: {reply}"),
        Ok(Heard::BrokenOff(why)) => format!("broken off: {why}"),
        Ok(Heard::Relay(tried)) => {
            let accepted = tried.iter().filter(|tried| tried.reply.code.is_positive()).count();
            format!("{accepted} of {} forms accepted", tried.len())
        }
        Ok(Heard::User { user, nobody: None }) => user.to_string(),
        Ok(Heard::User { user, nobody: Some(nobody) }) => format!("{user}; of nobody: {nobody}"),
        Err(error) => error.to_string(),
    };
    last.chars().take(300).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
