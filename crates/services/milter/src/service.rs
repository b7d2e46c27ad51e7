//! The doors: connections of MTAs are let in, counted and bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use postern_events::{Event as Happened, Events, RefusedWhy, Service as EventService};
use postern_feedback::Feedback;
use postern_gate::Gate;
use postern_net::{Listener, LocalListener, Shutdown, measure};
use postern_policy::Policy;
use postern_store::Store;
use postern_types::TraceIds;

use crate::Settings;
use crate::connection::{Connection, Wire};
use crate::house::House;

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// The milter protocol (Sendmail, Postfix).
    Milter,
    /// Postfix's policy delegation.
    Policy,
}

impl Door {
    pub(crate) fn service(self) -> EventService {
        match self {
            Self::Milter => EventService::Milter,
            Self::Policy => EventService::Policy,
        }
    }
}

/// What the services are made of. Everything is shared with the rest of the program.
#[derive(Debug)]
pub struct Parts {
    /// Names, limits, times.
    pub settings: Settings,
    /// Where quarantined mail and traces are kept.
    pub store: Store,
    /// The collectors of evidence.
    pub gate: Gate,
    /// What follows from the evidence; may be exchanged while sessions run.
    pub policy: Arc<ArcSwap<Policy>>,
    /// What happened.
    pub events: Events,
    /// Free space where the store lives.
    pub disk: Arc<measure::FreeDisk>,
    /// Where sessions report what hosts were caught at.
    pub feedback: Feedback,
    /// The end of the process.
    pub shutdown: Shutdown,
    /// Trace ids.
    pub ids: Arc<TraceIds>,
}

/// The services for other MTAs.
#[derive(Debug)]
pub struct Service {
    pub(crate) house: House,
    milters: AtomicUsize,
    policies: AtomicUsize,
}

impl Service {
    /// The services, ready to [`serve`](Self::serve).
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            house: House::new(parts),
            milters: AtomicUsize::new(0),
            policies: AtomicUsize::new(0),
        })
    }

    /// Lets MTAs in by TCP until the process is to stop; the sessions go on by themselves, and the
    /// [`Shutdown`] counts them.
    pub async fn serve(self: Arc<Self>, door: Door, listener: Listener) {
        let stop = self.house.shutdown.clone();
        let stopping = stop.begun();
        tokio::pin!(stopping);
        loop {
            tokio::select! {
                biased;
                () = &mut stopping => return,
                stream = listener.accept() => {
                    let from = stream.peer().ip();
                    self.let_in(door, Connection::new(Box::new(stream), Some(from)));
                }
            }
        }
    }

    /// The same by a local socket.
    pub async fn serve_local(self: Arc<Self>, door: Door, listener: LocalListener) {
        let stop = self.house.shutdown.clone();
        let stopping = stop.begun();
        tokio::pin!(stopping);
        loop {
            tokio::select! {
                biased;
                () = &mut stopping => return,
                stream = listener.accept() => self.let_in(door, Connection::new(Box::new(stream), None)),
            }
        }
    }

    fn let_in(self: &Arc<Self>, door: Door, connection: Connection<Box<dyn Wire>>) {
        let most = self.house.settings.connections;
        let count = self.count(door);
        if count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < most).then_some(n + 1)).is_err()
        {
            // Closed without a word: the MTA does what it is set to do without its filter.
            let (service, client) = (door.service(), connection.from());
            return self.house.events.emit(&Happened::ConnectionRefused {
                service,
                client,
                why: RefusedWhy::Total,
            });
        }
        let place = Place { service: Arc::clone(self), door };
        let live = self.house.shutdown.session();
        let open = self.house.events.open_session(door.service());
        tokio::spawn(async move {
            // Boxed: the futures are large, and a spawned task is moved.
            match door {
                Door::Milter => Box::pin(crate::milter::run(&place.service, connection)).await,
                Door::Policy => Box::pin(crate::delegation::run(&place.service, connection)).await,
            }
            drop((place, live, open));
        });
    }

    fn count(&self, door: Door) -> &AtomicUsize {
        match door {
            Door::Milter => &self.milters,
            Door::Policy => &self.policies,
        }
    }
}

/// A connection's place in the count, given back when it ends.
struct Place {
    service: Arc<Service>,
    door: Door,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.service.count(self.door).fetch_sub(1, Ordering::Relaxed);
    }
}
