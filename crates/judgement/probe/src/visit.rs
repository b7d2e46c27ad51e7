//! One connection: everything that must hold before it is opened, and what is written down about it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use postern_events::{Event, Events, Probe, ProbeReach};
use postern_store::{LedgerId, ProbeBegun, ProbeEnded, ProbeRates, ProbeStart, Store};
use postern_types::Timestamp;
use tokio::time::Instant;

use crate::breaker::Terms;
use crate::errand::{self, Errand, Heard};
use crate::flight::Targets;
use crate::hosts::Hosts;
use crate::limit::Budget;
use crate::seat::Seat;
use crate::talk::{Log, TalkError};
use crate::target::{Target, Turn, Turns};
use crate::way_out::{Kind, WayOut};
use crate::{Breaking, NotAllowed, Settings, place};

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
    pub(crate) seat: Seat,
    pub(crate) course: Mutex<Course>,
}

/// How a question went, beside its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Course {
    /// Whether a connection was opened.
    pub(crate) opened: bool,
    /// Why one was not, where that will pass.
    pub(crate) held_back: Option<NotAllowed>,
}

/// Which hosts a question may connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// Public ones that are not this one, as often as the budgets allow.
    Public,
    /// The one that the operator has named, wherever it is and however often it was asked.
    Named,
}

/// What became of the attempt to connect.
pub(crate) type Visited = Result<Result<Heard, TalkError>, NotAllowed>;

/// What a visit needs.
pub(crate) struct World<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) store: &'a Store,
    pub(crate) hosts: &'a Hosts,
    pub(crate) way_out: &'a WayOut,
    pub(crate) turns: &'a Turns,
    pub(crate) budget: &'a Mutex<Budget>,
    pub(crate) events: &'a Events,
    pub(crate) clock: &'a crate::Clock,
}

impl Case {
    pub(crate) fn course(&self) -> MutexGuard<'_, Course> {
        lock(&self.course)
    }
}

impl Breaking {
    fn host(&self) -> Terms {
        Terms { failures: self.host_failures, pause: self.host_pause, longest: self.longest }
    }

    fn way_out(&self) -> Terms {
        Terms { failures: self.networks, pause: self.pause, longest: self.longest }
    }
}

/// Connects to a host for an errand, when it may be and as soon as nobody else is.
pub(crate) async fn visit(world: &World<'_>, case: &Case, host: &Host, errand: &Errand) -> Visited {
    let visited = try_to_visit(world, case, host, errand).await;
    if let Err(why) = &visited
        && why.will_pass()
    {
        case.course().held_back = Some(why.clone());
    }
    visited
}

async fn try_to_visit(world: &World<'_>, case: &Case, host: &Host, errand: &Errand) -> Visited {
    let (settings, ip) = (world.settings, host.ip.to_canonical());
    match case.which {
        Which::Public => place::may_connect(ip, settings)?,
        Which::Named => place::may_be_asked(ip, settings)?,
    }
    let now = (world.clock)();
    if case.which == Which::Public && !world.way_out.is_open_to(ip, now) {
        return Err(NotAllowed::NothingAnswers);
    }
    if world.hosts.is_left_alone(ip, now) {
        return Ok(Err(TalkError::LeftAlone));
    }
    let target = Target::of(ip, host.name.as_deref());
    // Before the turn: who waits for it has his share, so that no more wait than may be asked.
    world.take(case, &target, now)?;
    let Some(_turn) = turn(world.turns, case, &target).await else {
        lock(world.budget).give_back_target(&target, now);
        return Err(NotAllowed::TargetBusy(named(host)));
    };
    // Whoever had the turn before may have found out that nobody is there.
    if !world.hosts.admit(ip, (world.clock)()) {
        lock(world.budget).give_back_target(&target, now);
        return Ok(Err(TalkError::LeftAlone));
    }
    let address = SocketAddr::new(ip, settings.port);
    let line = match world.write_down(case, host, address, &target).await {
        Ok(line) => line,
        Err(why) => {
            lock(world.budget).give_back_target(&target, now);
            return Err(why);
        }
    };
    case.course().opened = true;
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
    world.learn(address, &heard, errand);
    Ok(heard)
}

/// Waits for the target's turn, for half of the time that is left: the other half is for the conversation.
async fn turn(turns: &Turns, case: &Case, target: &Target) -> Option<Turn> {
    if let Some(turn) = turns.try_take(target) {
        return Some(turn);
    }
    case.seat.leave();
    let patience = case.deadline.saturating_duration_since(Instant::now()) / 2;
    let waiting = async {
        let turn = turns.take(target).await;
        case.seat.come_back().await;
        turn
    };
    tokio::time::timeout(patience, waiting).await.ok()
}

impl World<'_> {
    fn take(&self, case: &Case, target: &Target, now: Timestamp) -> Result<(), NotAllowed> {
        let mut budget = lock(self.budget);
        match case.which {
            Which::Public => budget.take_target(target, now, &self.settings.limits),
            Which::Named => {
                budget.note_target(target, now);
                Ok(())
            }
        }
    }

    /// Writes down that a connection is about to be opened. Other processes may have the same store, one for each session
    /// perhaps: what they have opened counts too.
    async fn write_down(
        &self,
        case: &Case,
        host: &Host,
        address: SocketAddr,
        target: &Target,
    ) -> Result<LedgerId, NotAllowed> {
        let name = host.name.as_ref().map_or(String::new(), |name| format!(" ({name})"));
        let begun = ProbeBegun {
            at: (self.clock)(),
            probe: case.probe.to_owned(),
            subject: case.subject.clone(),
            target: format!("{address}{name}"),
            provider: target.provider.clone(),
            network: target.network.clone(),
            place: case.place.clone(),
            reason: case.reason.clone(),
        };
        let Settings { limits, timeouts, .. } = self.settings;
        let rates = (case.which == Which::Public).then_some(ProbeRates {
            per_minute: limits.target_per_minute,
            per_day: limits.target_per_day,
            longest: timeouts.whole,
        });
        match self.store.begin_probe(begun, rates).await {
            Ok(ProbeStart::Begun(line)) => Ok(line),
            Ok(ProbeStart::UnderWay(whose)) => Err(NotAllowed::TargetBusy(whose)),
            Ok(ProbeStart::Minute(whose)) => Err(NotAllowed::TargetMinute(whose)),
            Ok(ProbeStart::Day(whose)) => Err(NotAllowed::TargetDay(whose)),
            Err(error) => Err(NotAllowed::Store(error.to_string())),
        }
    }

    /// What a connection says about the host and about our own way out.
    fn learn(&self, address: SocketAddr, heard: &Result<Heard, TalkError>, errand: &Errand) {
        let (now, ip) = ((self.clock)(), address.ip());
        let Settings { breaking, keep, .. } = self.settings;
        let kind = if matches!(errand, Errand::User { .. }) { Kind::MailHost } else { Kind::Client };
        match heard {
            Ok(_) => {
                self.hosts.answered(ip, now);
                self.way_out.answered(ip, kind, now);
            }
            Err(error) => {
                self.way_out.failed(address, error, kind, now, keep.reached, breaking.way_out());
                // That a client has no mail server is an answer; that a domain's mail host does not answer is a failure.
                if kind == Kind::MailHost && error.is_theirs() {
                    self.hosts.failed(ip, now, breaking.host());
                }
            }
        }
    }
}

fn named(host: &Host) -> String {
    host.name.clone().unwrap_or_else(|| host.ip.to_string())
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
