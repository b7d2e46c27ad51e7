//! The writer's front: how work gets to the one thread that writes, and back.
//!
//! Work takes a place in a bounded line ([`Options::waiting`]); when all are taken it waits a while and is
//! then refused as busy. The places are what bounds memory and waiting time under overload.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::ServerLock;
use super::checkpoint::Log;
use super::group::{Committed, GroupCommit, Job};
use crate::{Options, Role, StoreError, TraceRecord};

/// What the thread is told.
pub(super) enum Order {
    /// Do this in the next group.
    Job(Box<dyn Job>, OwnedSemaphorePermit),
    /// A first trace waits: commit it before long.
    TraceWaits,
    /// Commit what came before, and end.
    End,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) commits: AtomicU64,
    pub(super) jobs: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) traces_dropped: AtomicU64,
    pub(super) wal_bytes: AtomicU64,
}

pub(super) struct Writer {
    orders: Sender<Order>,
    places: Arc<Semaphore>,
    waiting: usize,
    patience: Duration,
    traces: Arc<WaitingTraces>,
    counters: Arc<Counters>,
    thread: Mutex<Option<Thread>>,
}

type Thread = JoinHandle<Result<(), StoreError>>;

impl Writer {
    pub(super) fn start(
        dir: &Path,
        mut connection: Connection,
        options: &Options,
        lock: Option<ServerLock>,
    ) -> Result<Self, StoreError> {
        let (orders, received) = mpsc::channel();
        let counters = Arc::new(Counters::default());
        let traces = Arc::new(WaitingTraces::new(options.waiting_traces, Arc::clone(&counters)));
        let log = match options.role {
            Role::Server => Some(Log::start(dir, &mut connection, options.log_bytes)?),
            Role::Tool => {
                // Without a server beside it, a tool writes the log back itself.
                connection.pragma_update(None, "wal_autocheckpoint", 1000)?;
                None
            }
        };
        let group =
            GroupCommit::new(connection, received, options, Arc::clone(&traces), Arc::clone(&counters), log);
        let work = move || {
            let ended = group.run();
            // Held until the last commit is done.
            drop(lock);
            ended
        };
        let thread = thread::Builder::new().name("store-writer".into()).spawn(work);
        let thread = thread.map_err(|e| StoreError::io("starting the store's writer", e))?;
        Ok(Self {
            orders,
            places: Arc::new(Semaphore::new(options.waiting)),
            waiting: options.waiting,
            patience: options.patience,
            traces,
            counters,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Hands over a job, when there is a place for it.
    pub(super) async fn submit(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => self.wait_for_place().await?,
        };
        self.orders.send(Order::Job(job, place)).map_err(|_| StoreError::Closed)
    }

    async fn wait_for_place(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let place = Arc::clone(&self.places).acquire_owned();
        match tokio::time::timeout(self.patience, place).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(StoreError::Closed),
            Err(_) => Err(StoreError::Busy),
        }
    }

    /// Runs a closure as a job.
    pub(super) async fn call<T, F>(&self, weight: usize, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.submit(Box::new(Call { weight, work: Some(work), result: None, answer })).await?;
        // A job that was dropped unanswered came after the end.
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    pub(super) fn record(&self, record: TraceRecord) {
        if self.traces.push(record) {
            // After the end, nothing is recorded any more.
            let _ = self.orders.send(Order::TraceWaits);
        }
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Jobs in the line or under way.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.saturating_sub(self.places.available_permits())
    }

    /// Tells the thread to end; wait for that where waiting is allowed.
    pub(super) fn end(&self) -> End {
        let _ = self.orders.send(Order::End);
        End(self.thread.lock().unwrap_or_else(PoisonError::into_inner).take())
    }
}

/// The end of the thread, for the first who asks for it.
pub(super) struct End(Option<Thread>);

impl End {
    pub(super) fn wait(self) -> Result<(), StoreError> {
        match self.0 {
            Some(thread) => thread.join().unwrap_or(Err(StoreError::Closed)),
            None => Ok(()),
        }
    }
}

/// A closure as a job.
struct Call<T, F> {
    weight: usize,
    work: Option<F>,
    result: Option<T>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Call<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn weight(&self) -> usize {
        self.weight
    }

    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn is_repeatable(&self) -> bool {
        false
    }

    fn run(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if let Some(work) = self.work.take() {
            self.result = Some(work(connection)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<Committed, StoreError>) {
        let Self { result, answer, .. } = *self;
        // Whoever asked may have gone away meanwhile.
        let _ = answer.send(outcome.and_then(|_| result.ok_or(StoreError::Closed)));
    }
}

/// Records of refusals on their way to the next commit: bounded in number and bytes.
pub(super) struct WaitingTraces {
    state: Mutex<Waiting>,
    limit: usize,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Waiting {
    records: Vec<TraceRecord>,
    bytes: usize,
}

/// Bytes of waiting records, roughly.
const TRACE_BYTES: usize = 8 << 20;

impl WaitingTraces {
    fn new(limit: usize, counters: Arc<Counters>) -> Self {
        Self { state: Mutex::new(Waiting::default()), limit, counters }
    }

    /// Keeps a record, if there is room. True when it is the first that waits.
    fn push(&self, record: TraceRecord) -> bool {
        let bytes = 256 + record.evidence.len() + record.reply.len() + 64 * record.recipients.len();
        let mut waiting = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.records.len() >= self.limit || waiting.bytes + bytes > TRACE_BYTES {
            self.counters.traces_dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        waiting.bytes += bytes;
        waiting.records.push(record);
        waiting.records.len() == 1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).records.is_empty()
    }

    /// All that wait.
    pub(super) fn take(&self) -> Vec<TraceRecord> {
        std::mem::take(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner)).records
    }
}
