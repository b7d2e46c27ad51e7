//! [`Prober`]: from a question to what is known, what is on its way, or why it is not asked.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use postern_dns::Dns;
use postern_events::{Event, Events};
use postern_store::{Store, StoreError};
use postern_types::{Domain, Timestamp};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::cache::{Cache, Known};
use crate::find_out::Outing;
use crate::flight::{Flight, Targets};
use crate::hosts::Hosts;
use crate::limit::Budget;
use crate::question::{DOMAIN, Key};
use crate::seat::Seat;
use crate::target::Turns;
use crate::user::DomainFact;
use crate::visit::{Course, Which};
use crate::way_out::WayOut;
use crate::{Answer, Clock, NotAllowed, Pending, Question, Relay, Settings, place};

/// Where it is kept when a host was last reached.
pub(crate) const REACHED: (&str, &str) = ("reached", "smtp");

/// The prober. Clones are handles to the same one; its work ends with the last of them.
#[derive(Clone)]
pub struct Prober {
    inner: Arc<Inner>,
    tasks: Arc<Mutex<JoinSet<()>>>,
}

/// What the prober stands on.
pub struct Parts {
    /// The DNS.
    pub dns: Dns,
    /// Where answers and the ledger are kept.
    pub store: Store,
    /// Where it is counted.
    pub events: Events,
    /// The clock that limits and answers go by.
    pub clock: Clock,
}

/// What comes of a question at once.
#[derive(Clone, Debug)]
pub enum Asked {
    /// It was answered lately.
    Fresh(Answer),
    /// It is on its way.
    Pending(Pending),
    /// It is not asked.
    NotAllowed(NotAllowed),
}

pub(crate) struct Inner {
    pub(crate) settings: ArcSwap<Settings>,
    pub(crate) domains: ArcSwap<Vec<Domain>>,
    pub(crate) parts: Parts,
    pub(crate) cache: Cache,
    pub(crate) hosts: Hosts,
    pub(crate) way_out: WayOut,
    pub(crate) turns: Turns,
    pub(crate) budget: Mutex<Budget>,
    room: Arc<Semaphore>,
    flights: Mutex<HashMap<Key, Pending>>,
}

impl Prober {
    /// A prober that knows nothing yet; see [`Prober::load`].
    #[must_use]
    pub fn new(settings: Settings, parts: Parts) -> Self {
        let inner = Inner {
            room: Arc::new(Semaphore::new(settings.limits.concurrent as usize)),
            settings: ArcSwap::from_pointee(settings),
            domains: ArcSwap::default(),
            cache: Cache::new(parts.store.clone()),
            parts,
            hosts: Hosts::default(),
            way_out: WayOut::default(),
            turns: Turns::default(),
            budget: Mutex::default(),
            flights: Mutex::default(),
        };
        Self { inner: Arc::new(inner), tasks: Arc::default() }
    }

    /// Takes over from the ledger how often whom was asked within the last day: a restart gives nobody a new budget, neither
    /// the domains nor the hosts. Circuit breakers begin closed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn load(&self) -> Result<(), StoreError> {
        let Inner { parts, cache, hosts, .. } = &*self.inner;
        let now = (parts.clock)();
        let day_ago = Timestamp::from_millis(now.as_millis().saturating_sub(86_400_000));
        let ledger = parts.store.probed_since(day_ago).await?;
        lock(&self.inner.budget).remember(ledger);
        let reached = (REACHED.0, REACHED.1.to_owned());
        if let Known::Fresh(((), at)) | Known::Due(((), at)) = cache.look(&reached, now).await? {
            hosts.remember_reached(at);
        }
        Ok(())
    }

    /// Goes on under other settings. How many questions may be on their way holds from the start to the end.
    pub fn reload(&self, settings: Settings) {
        self.inner.settings.store(Arc::new(settings));
    }

    /// Sets the domains whose mail we take: their senders are never asked about, and the relay test is from and to
    /// them.
    pub fn set_domains(&self, domains: impl IntoIterator<Item = Domain>) {
        self.inner.domains.store(Arc::new(domains.into_iter().collect()));
    }

    /// Asks a question. `why` is for the ledger: a trace, a client. Comes back after a look into the store at most;
    /// what must be found out is found out in the background. Call it inside a tokio runtime.
    pub async fn ask(&self, question: Question, why: &str) -> Asked {
        if let Err(why) = self.inner.may_ask(&question) {
            return Asked::NotAllowed(why);
        }
        match self.inner.known(&question).await {
            Err(error) => Asked::NotAllowed(NotAllowed::Store(error.to_string())),
            Ok(Known::Fresh(answer)) => Asked::Fresh(answer),
            Ok(Known::Due(answer)) => {
                // The old answer serves; that there is no room for a new one now is no matter.
                let _ = self.start(question, format!("renewal, {why}"));
                Asked::Fresh(answer)
            }
            Ok(Known::Spent) => match question {
                Question::Relay(ip) => Asked::NotAllowed(NotAllowed::Lately(ip)),
                _ => Asked::NotAllowed(NotAllowed::Busy),
            },
            Ok(Known::Nothing) => match self.start(question, why.to_owned()) {
                Ok(pending) => Asked::Pending(pending),
                Err(why) => Asked::NotAllowed(why),
            },
        }
    }

    /// Asks a question at once, whatever is known and however often it was asked: for an operator who names the
    /// host or sender. Whoever does not want to be asked is not asked all the same.
    ///
    /// # Errors
    /// [`NotAllowed`].
    pub async fn by_hand(&self, question: Question) -> Result<Answer, NotAllowed> {
        let inner = &self.inner;
        match &question {
            Question::ConnectBack(ip) | Question::Neighbours(ip) | Question::Relay(ip) => {
                place::may_be_asked(*ip, &inner.settings.load())?;
            }
            Question::User(_) => inner.may_ask(&question)?,
        }
        lock(&inner.budget).note(&question.place(), (inner.parts.clock)());
        let outing = Outing {
            reason: "by hand".to_owned(),
            which: Which::Named,
            targets: Targets::default(),
            seat: Seat::standing(),
        };
        let (answer, _) = inner.find_out(&question, outing).await;
        inner.remember(&question, &answer).await;
        Ok(answer)
    }

    /// Waits until nothing is on its way.
    pub async fn idle(&self) {
        loop {
            let next = lock(&self.inner.flights).values().next().cloned();
            let Some(mut pending) = next else { return };
            pending.end().await;
            tokio::task::yield_now().await;
        }
    }

    /// Sends a question on its way, or joins it.
    fn start(&self, question: Question, why: String) -> Result<Pending, NotAllowed> {
        let inner = &self.inner;
        let key = question.key();
        let mut flights = lock(&inner.flights);
        if let Some(pending) = flights.get(&key) {
            return Ok(pending.clone());
        }
        let (seat, taken) = inner.admit(&question).inspect_err(|why| inner.held_back(&question, why))?;
        let (flight, pending) = Flight::new();
        flights.insert(key.clone(), pending.clone());
        drop(flights);
        let landing = Landing { inner: Arc::clone(inner), key };
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let inner = &landing.inner;
            let outing = Outing { reason: why, which: Which::Public, targets: flight.targets.clone(), seat };
            let (answer, course) = inner.find_out(&question, outing).await;
            inner.account(&question, &answer, &course, taken).await;
            flight.answer.send_replace(Some(answer));
        });
        Ok(pending)
    }
}

/// Takes a question off the list of those on their way, however it ends.
struct Landing {
    inner: Arc<Inner>,
    key: Key,
}

impl Drop for Landing {
    fn drop(&mut self) {
        lock(&self.inner.flights).remove(&self.key);
    }
}

impl Inner {
    /// Whether a question may be asked at all.
    fn may_ask(&self, question: &Question) -> Result<(), NotAllowed> {
        let settings = self.settings.load();
        match question {
            Question::Neighbours(_) if settings.neighbours == 0 => Err(NotAllowed::Off("asking neighbours")),
            Question::ConnectBack(ip) | Question::Neighbours(ip) | Question::Relay(ip) => {
                place::may_connect(*ip, &settings)
            }
            Question::User(address) => {
                let Some(domain) = address.domain() else {
                    return Err(NotAllowed::Literal(address.to_string()));
                };
                if *domain == settings.hostname || self.domains.load().contains(domain) {
                    return Err(NotAllowed::Ours(domain.to_string()));
                }
                match settings.opt_out_domains.iter().find(|out| domain.is_within(out)) {
                    Some(out) => Err(NotAllowed::OptedOut(out.to_string())),
                    None => Ok(()),
                }
            }
        }
    }

    /// What is known about a question, by itself or by its domain.
    async fn known(&self, question: &Question) -> Result<Known<Answer>, StoreError> {
        let now = (self.parts.clock)();
        let keep = self.settings.load().keep;
        match self.cache.look::<Answer>(&question.key(), now).await? {
            Known::Fresh((Answer::Relay(Relay::Open { .. }), at)) if now.since(at) >= keep.relay_open => {
                return Ok(Known::Spent);
            }
            Known::Fresh((answer, _)) => return Ok(Known::Fresh(answer)),
            Known::Due((answer, _)) => return Ok(Known::Due(answer)),
            Known::Spent | Known::Nothing => {}
        }
        let Some(key) = domain_key(question) else { return Ok(Known::Nothing) };
        let user = |fact: DomainFact| fact.user().map(Answer::User);
        Ok(match self.cache.look::<DomainFact>(&key, now).await? {
            Known::Fresh((fact, _)) => user(fact).map_or(Known::Nothing, Known::Fresh),
            Known::Due((fact, _)) => user(fact).map_or(Known::Nothing, Known::Due),
            Known::Spent | Known::Nothing => Known::Nothing,
        })
    }

    /// Makes room for a question and takes it out of the budgets; says when.
    fn admit(&self, question: &Question) -> Result<(Seat, Timestamp), NotAllowed> {
        let settings = self.settings.load();
        let now = (self.parts.clock)();
        let seat = Seat::take(&self.room)?;
        // First, so that what is not asked takes nothing out of the day.
        let is_open = match question {
            Question::ConnectBack(ip) | Question::Neighbours(ip) | Question::Relay(ip) => {
                self.way_out.is_open_to(*ip, now)
            }
            Question::User(_) => self.way_out.is_open(now),
        };
        if !is_open {
            return Err(NotAllowed::NothingAnswers);
        }
        lock(&self.budget).take(&question.place(), now, &settings.limits)?;
        Ok((seat, now))
    }

    /// Keeps what came of a question. One for which nobody was connected to costs nobody anything, and that it was held
    /// back is no answer.
    async fn account(&self, question: &Question, answer: &Answer, course: &Course, taken: Timestamp) {
        if !course.opened {
            lock(&self.budget).give_back(&question.place(), taken);
        }
        // Half a look at the neighbours is no answer to keep for weeks.
        let half = matches!(question, Question::Neighbours(_));
        match &course.held_back {
            Some(why) if half || !course.opened => self.held_back(question, why),
            _ => self.remember(question, answer).await,
        }
    }

    /// Counts a question that would have been asked.
    fn held_back(&self, question: &Question, why: &NotAllowed) {
        let (probe, subject) = (question.label(), question.subject());
        self.parts.events.emit(&Event::ProbeHeldBack { probe, subject: &subject, why });
    }
}

/// Under what it is kept what holds for all senders of a domain.
pub(crate) fn domain_key(question: &Question) -> Option<Key> {
    match question {
        Question::User(address) => address.domain().map(|domain| (DOMAIN, domain.to_string())),
        _ => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Prober {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let under_way: HashSet<String> =
            lock(&self.inner.flights).keys().map(|(probe, subject)| format!("{probe} {subject}")).collect();
        f.debug_struct("Prober").field("under_way", &under_way).finish_non_exhaustive()
    }
}
