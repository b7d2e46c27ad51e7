//! Going out and asking, and what is kept of it.

use std::net::IpAddr;
use std::sync::Mutex;

use postern_store::{Certainty, StoreError};
use postern_types::Address;
use tokio::time::Instant;

use crate::cache::{Known, Life};
use crate::errand::Errand;
use crate::flight::Targets;
use crate::prober::{Inner, REACHED, domain_key};
use crate::seat::Seat;
use crate::visit::{Case, Course, Host, Which, World, visit};
use crate::{Answer, Connect, Neighbours, Obstacle, Question, Relay, User, connect, relay, user};

/// On whose behalf a question goes out.
pub(crate) struct Outing {
    pub(crate) reason: String,
    pub(crate) which: Which,
    pub(crate) targets: Targets,
    pub(crate) seat: Seat,
}

impl Inner {
    /// Goes out and asks. Says too how that went.
    pub(crate) async fn find_out(&self, question: &Question, outing: Outing) -> (Answer, Course) {
        let settings = self.settings.load_full();
        let world = World {
            settings: &settings,
            store: &self.parts.store,
            hosts: &self.hosts,
            way_out: &self.way_out,
            turns: &self.turns,
            budget: &self.budget,
            events: &self.parts.events,
            clock: &self.parts.clock,
        };
        let Outing { reason, which, targets, seat } = outing;
        let case = Case {
            probe: question.probe(),
            label: question.label(),
            subject: question.subject(),
            place: question.place(),
            reason,
            deadline: Instant::now() + settings.timeouts.whole,
            which,
            targets,
            seat,
            course: Mutex::default(),
        };
        let answer = match question {
            Question::ConnectBack(ip) => Answer::Connect(self.connect_back(&world, &case, *ip).await),
            Question::Neighbours(ip) => {
                let near = connect::beside(*ip, settings.neighbours);
                let mut seen = Neighbours::default();
                for ip in near {
                    seen = connect::count(seen, &self.connect_back(&world, &case, ip).await);
                    // Whoever has given up his place while he waited for a turn does not go on.
                    if case.course().held_back.is_some() {
                        break;
                    }
                }
                Answer::Neighbours(seen)
            }
            Question::Relay(ip) => {
                let (from, to) = relay::ends(&self.domains.load(), &settings.hostname);
                let host = Host { ip: *ip, name: None };
                let visited = visit(&world, &case, &host, &Errand::Relay { from, to }).await;
                Answer::Relay(
                    visited.map_or_else(|why| Relay::Unreachable { why: why.to_string() }, relay::read),
                )
            }
            Question::User(address) => Answer::User(self.user(&world, &case, question, address).await),
        };
        self.note_reached().await;
        let course = case.course().clone();
        (answer, course)
    }

    async fn connect_back(&self, world: &World<'_>, case: &Case, ip: IpAddr) -> Connect {
        let visited = visit(world, case, &Host { ip, name: None }, &Errand::Greeting).await;
        let now = (self.parts.clock)();
        let reached = self.hosts.reached().filter(|_| !self.way_out.is_in_doubt(ip));
        connect::read(visited, reached, now, world.settings.keep.reached)
    }

    async fn user(&self, world: &World<'_>, case: &Case, question: &Question, address: &Address) -> User {
        let keep = world.settings.keep;
        let key = domain_key(question);
        let known = match &key {
            Some(key) => self.cache.look::<user::DomainFact>(key, (self.parts.clock)()).await,
            None => Ok(Known::Nothing),
        };
        let knows_users = matches!(&known, Ok(Known::Fresh((fact, _))) if fact.obstacle.is_none());
        let found = user::find(world, &self.parts.dns, case, address, knows_users).await;
        if let (Some(key), Some(fact)) = (key, found.domain) {
            let unreachable = fact.obstacle == Some(Obstacle::Unreachable);
            let (refresh, expire) = if unreachable {
                (keep.inconclusive, keep.inconclusive)
            } else {
                (keep.domain_refresh, keep.domain)
            };
            // A mail host that is down for an hour still is what it was found to be.
            let certainty = if unreachable { Certainty::Inconclusive } else { Certainty::Conclusive };
            let life = Life { certainty, refresh, expire };
            tell(self.cache.put(key, &fact, (self.parts.clock)(), life).await);
        }
        found.user
    }

    /// Keeps an answer, and what its domain is found to be.
    pub(crate) async fn remember(&self, question: &Question, answer: &Answer) {
        let keep = self.settings.load().keep;
        let life = Life::of(answer, &keep);
        tell(self.cache.put(question.key(), answer, (self.parts.clock)(), life).await);
        let what = answer.to_string();
        tracing::debug!(test = question.probe(), about = question.subject(), what, "asked");
    }

    /// Keeps for the next process that connections get out of here; not more often than daily.
    async fn note_reached(&self) {
        let Some(at) = self.hosts.reached() else { return };
        let (key, keep) = ((REACHED.0, REACHED.1.to_owned()), self.settings.load().keep.reached);
        let known = self.cache.look::<()>(&key, at).await;
        if !matches!(known, Ok(Known::Fresh(_))) {
            let life = Life { certainty: Certainty::Conclusive, refresh: keep / 7, expire: keep };
            tell(self.cache.put(key, &(), at, life).await);
        }
    }
}

/// What cannot be remembered is asked again one day; the log says why.
fn tell(result: Result<(), StoreError>) {
    if let Err(error) = result {
        tracing::warn!(%error, "what a probe has found out cannot be kept");
    }
}
