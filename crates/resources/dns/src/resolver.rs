//! [`Dns`]: the handle through which everything asks.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use postern_types::Domain;
use tokio::sync::{Semaphore, watch};

use crate::cache::Cache;
use crate::question::Question;
use crate::read::Records;
use crate::wire::Wire;
use crate::{Absent, Answer, DnsError, Mx, Mxs, QueryName, Settings, Unknown};

/// Asks the DNS. Clones share one cache, one set of servers and one bound on questions.
#[derive(Clone)]
pub struct Dns {
    inner: Arc<Inner>,
}

/// Where a domain's mail goes (RFC 5321 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailHosts {
    /// To these hosts, sorted by preference.
    Mx(Arc<[Mx]>),
    /// The domain has no MX record: to the host of that name, at these addresses.
    Implicit(Arc<[IpAddr]>),
    /// Nowhere: the domain states that it takes no mail (RFC 7505).
    Null,
}

/// What the handle has done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Questions asked of the handle.
    pub questions: u64,
    /// Those answered from memory.
    pub cached: u64,
    /// Those that joined one already on its way.
    pub joined: u64,
    /// Those sent to servers.
    pub sent: u64,
    /// Those of the sent ones that nobody could answer.
    pub unknown: u64,
}

struct Inner {
    wire: Wire,
    settings: Settings,
    state: Mutex<State>,
    room: Semaphore,
    counters: Counters,
}

struct State {
    cache: Cache,
    flights: HashMap<Question, Flight>,
}

/// The end of a question that is on its way; `None` until the answer is there.
type Flight = watch::Receiver<Option<Answer<Records>>>;

#[derive(Default)]
struct Counters {
    questions: AtomicU64,
    cached: AtomicU64,
    joined: AtomicU64,
    sent: AtomicU64,
    unknown: AtomicU64,
}

/// A question that has been asked: its answer, or the wait for it.
pub(crate) enum Pending {
    Ready(Answer<Records>),
    Waiting(Flight),
}

/// However short a TTL is: one session asks the same more than once.
const SHORTEST_TTL: Duration = Duration::from_secs(1);

/// Questions waiting for room, for each one that has it.
const WAITING_PER_ROOM: usize = 16;

impl Dns {
    /// A handle over the servers in `settings`. Nothing is asked yet.
    ///
    /// # Errors
    /// When there is no server to ask.
    pub fn new(settings: Settings) -> Result<Self, DnsError> {
        let inner = Inner {
            wire: Wire::new(&settings)?,
            state: Mutex::new(State { cache: Cache::new(settings.cache_bytes), flights: HashMap::new() }),
            room: Semaphore::new(settings.concurrent.clamp(1, Semaphore::MAX_PERMITS)),
            counters: Counters::default(),
            settings,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The IPv4 addresses of a name, at most [`crate::MAX_ADDRESSES`].
    pub async fn a(&self, name: impl Into<QueryName>) -> Answer<Arc<[Ipv4Addr]>> {
        let answer = self.ask(Question::A(name.into())).answer().await;
        typed(answer, |records| if let Records::A(list) = records { Some(list) } else { None })
    }

    /// The IPv6 addresses of a name, at most [`crate::MAX_ADDRESSES`].
    pub async fn aaaa(&self, name: impl Into<QueryName>) -> Answer<Arc<[Ipv6Addr]>> {
        let answer = self.ask(Question::Aaaa(name.into())).answer().await;
        typed(answer, |records| if let Records::Aaaa(list) = records { Some(list) } else { None })
    }

    /// All addresses of a name, IPv6 first. Both families are asked at the same time.
    ///
    /// Found when one family is, even if the other is unknown; not found only when both
    /// families were stated to be absent.
    pub async fn addresses(&self, name: &Domain) -> Answer<Arc<[IpAddr]>> {
        // Both are on their way before the first is awaited.
        let v6 = self.ask(Question::Aaaa(name.into()));
        let v4 = self.ask(Question::A(name.into()));
        let (v6, v4) = (v6.answer().await, v4.answer().await);
        join(v6, v4)
    }

    /// The MX records of a domain, at most [`crate::MAX_EXCHANGES`].
    pub async fn mx(&self, domain: impl Into<QueryName>) -> Answer<Mxs> {
        let answer = self.ask(Question::Mx(domain.into())).answer().await;
        typed(answer, |records| if let Records::Mx(mxs) = records { Some(mxs) } else { None })
    }

    /// The TXT records of a name, the strings of each put together; octets that are not UTF-8
    /// become U+FFFD. At most [`crate::MAX_TEXTS`].
    pub async fn txt(&self, name: impl Into<QueryName>) -> Answer<Arc<[Box<str>]>> {
        let answer = self.ask(Question::Txt(name.into())).answer().await;
        typed(answer, |records| if let Records::Txt(list) = records { Some(list) } else { None })
    }

    /// The names of an address, at most [`crate::MAX_NAMES`]. Anybody may claim any name for
    /// his addresses: see [`Dns::fcrdns`].
    pub async fn ptr(&self, ip: IpAddr) -> Answer<Arc<[Domain]>> {
        let answer = self.ask(Question::Ptr(ip.to_canonical())).answer().await;
        typed(answer, |records| if let Records::Ptr(list) = records { Some(list) } else { None })
    }

    /// Where mail for a domain goes: its MX hosts or, when it has none, itself.
    /// Not found means that the domain cannot receive mail.
    pub async fn mail_hosts(&self, domain: &Domain) -> Answer<MailHosts> {
        match self.mx(domain).await {
            Answer::NotFound(Absent::NoData) => {
                // rfc5321 §5.1: no MX record at all: the host itself, as if by an MX of preference 0
                self.addresses(domain).await.map(MailHosts::Implicit)
            }
            answer => answer.map(|mxs| match mxs {
                Mxs::Null => MailHosts::Null,
                Mxs::Hosts(hosts) => MailHosts::Mx(hosts),
            }),
        }
    }

    /// What the handle has done since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let counters = &self.inner.counters;
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            questions: value(&counters.questions),
            cached: value(&counters.cached),
            joined: value(&counters.joined),
            sent: value(&counters.sent),
            unknown: value(&counters.unknown),
        }
    }

    /// Starts a question, or joins the one that is on its way. Does not wait.
    pub(crate) fn ask(&self, question: Question) -> Pending {
        let counters = &self.inner.counters;
        count(&counters.questions);
        if let Some(answer) = question.answered_here() {
            count(&counters.cached);
            return Pending::Ready(answer);
        }
        let mut state = self.inner.state();
        if let Some(answer) = state.cache.get(&question, Instant::now()) {
            count(&counters.cached);
            return Pending::Ready(answer);
        }
        if let Some(flight) = state.flights.get(&question) {
            count(&counters.joined);
            return Pending::Waiting(flight.clone());
        }
        if state.flights.len() >= self.inner.settings.concurrent.saturating_mul(WAITING_PER_ROOM) {
            return Pending::Ready(Answer::Unknown(Unknown::Overloaded));
        }
        let (arrived, flight) = watch::channel(None);
        state.flights.insert(question.clone(), flight.clone());
        drop(state);
        count(&counters.sent);
        // Its own task: a session that goes away does not take the answer from the others.
        tokio::spawn(fly(self.inner.clone(), question, arrived));
        Pending::Waiting(flight)
    }
}

impl std::fmt::Debug for Dns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dns").field("servers", &self.inner.settings.servers).finish_non_exhaustive()
    }
}

impl Pending {
    pub(crate) async fn answer(self) -> Answer<Records> {
        match self {
            Self::Ready(answer) => answer,
            Self::Waiting(mut flight) => match flight.wait_for(Option::is_some).await {
                Ok(answer) => answer.clone().unwrap_or(Answer::Unknown(Unknown::Stopped)),
                Err(_) => Answer::Unknown(Unknown::Stopped),
            },
        }
    }
}

/// Takes the question off the list when it ends, in whatever way.
struct Landing {
    inner: Arc<Inner>,
    question: Question,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.inner.state().flights.remove(&self.question);
    }
}

async fn fly(inner: Arc<Inner>, question: Question, arrived: watch::Sender<Option<Answer<Records>>>) {
    let landing = Landing { inner, question };
    let inner = &landing.inner;
    let (answer, keep) = inner.resolve(&landing.question).await;
    if answer.is_unknown() {
        count(&inner.counters.unknown);
    }
    inner.state().cache.put(landing.question.clone(), answer.clone(), keep, Instant::now());
    // Those who come now find it in the cache; those who waited are told.
    drop(landing);
    arrived.send_replace(Some(answer));
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; if it did, cache and list are still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the servers, within the deadline. Says how long to keep the answer.
    async fn resolve(&self, question: &Question) -> (Answer<Records>, Duration) {
        let settings = &self.settings;
        let deadline = tokio::time::Instant::now() + settings.deadline;
        let Ok(Ok(_room)) = tokio::time::timeout_at(deadline, self.room.acquire()).await else {
            // Nobody was asked: the next session may try again at once.
            return (Answer::Unknown(Unknown::Overloaded), Duration::ZERO);
        };
        let (answer, keep) = tokio::time::timeout_at(deadline, self.wire.ask(question))
            .await
            .unwrap_or((Answer::Unknown(Unknown::Timeout), Duration::ZERO));
        let keep = if answer.is_unknown() {
            settings.failure_ttl
        } else {
            keep.clamp(SHORTEST_TTL, settings.longest_ttl.max(SHORTEST_TTL))
        };
        (answer, keep)
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The records of the type that was asked for; the cache's key makes sure they are.
fn typed<T>(answer: Answer<Records>, take: impl FnOnce(Records) -> Option<T>) -> Answer<T> {
    match answer {
        Answer::Found { value, ttl } => match take(value) {
            Some(value) => Answer::Found { value, ttl },
            None => Answer::Unknown(Unknown::Malformed),
        },
        Answer::NotFound(absent) => Answer::NotFound(absent),
        Answer::Unknown(why) => Answer::Unknown(why),
    }
}

fn join(v6: Answer<Records>, v4: Answer<Records>) -> Answer<Arc<[IpAddr]>> {
    let list = |answer: Answer<Records>| {
        answer.map(|records| match records {
            Records::A(list) => list.iter().map(|&ip| IpAddr::V4(ip)).collect(),
            Records::Aaaa(list) => list.iter().map(|&ip| IpAddr::V6(ip)).collect(),
            _ => Vec::new(),
        })
    };
    match (list(v6), list(v4)) {
        (Answer::Found { value: mut v6, ttl: a }, Answer::Found { value: v4, ttl: b }) => {
            v6.extend(v4);
            Answer::Found { value: v6.into(), ttl: a.min(b) }
        }
        (found @ Answer::Found { .. }, _) | (_, found @ Answer::Found { .. }) => found.map(Into::into),
        (Answer::Unknown(why), _) | (_, Answer::Unknown(why)) => Answer::Unknown(why),
        // rfc8020 §2: a name that does not exist has no records of any type
        (Answer::NotFound(Absent::NxDomain), _) | (_, Answer::NotFound(Absent::NxDomain)) => {
            Answer::NotFound(Absent::NxDomain)
        }
        (Answer::NotFound(absent), _) => Answer::NotFound(absent),
    }
}
