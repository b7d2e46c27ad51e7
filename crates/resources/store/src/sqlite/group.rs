//! Group commit: the one thread that writes.
//!
//! It takes the first job that waits, begins a transaction, does every other job that waits by now (up
//! to a number and a weight), commits, and only then answers them all. While a commit is being synced
//! the next group gathers, so the busier the store, the fewer syncs a message costs.
//!
//! Behind a large group it waits a moment before the next begins: every commit writes the pages at the tables'
//! edges again, and the larger the group, the less of that a message costs. A few sessions never wait.
//!
//! A job that fails is undone alone. For that SQLite's savepoints keep a copy of every page that a job changes,
//! which costs more than most jobs; so jobs that can be done again share one, or do without where the transaction
//! holds nothing else, and only when one of them fails they are done anew, each in its own. A failure of the commit
//! fails all its jobs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::OwnedSemaphorePermit;

use super::checkpoint::Log;
use super::traces;
use super::writer::{Counters, Order, WaitingTraces};
use crate::{Options, StoreError};

/// So many jobs in one group show a crowd, for which it pays to wait.
const CROWD: usize = 8;
/// How long the next group gathers behind a crowd: less than a disk's sync takes.
const GATHER: Duration = Duration::from_millis(1);

/// Proof that a job's changes are in a synced commit. Only this module makes it.
#[derive(Debug)]
pub(crate) struct Committed(());

/// A piece of work in the writer's transaction.
pub(crate) trait Job: Send {
    /// What it takes of a group's bytes.
    fn weight(&self) -> usize;
    /// Whether nobody waits for it any more; then it is left undone.
    fn is_abandoned(&self) -> bool;
    /// Whether [`run`](Self::run) can be called again after what it did was undone.
    fn is_repeatable(&self) -> bool;
    /// Does it. After an error nothing of it remains.
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError>;
    /// Tells whoever waits how it ended.
    fn answer(self: Box<Self>, outcome: Result<Committed, StoreError>);
}

/// The thread's state.
pub(super) struct GroupCommit {
    connection: Connection,
    orders: Receiver<Order>,
    jobs: usize,
    bytes: usize,
    trace_delay: Duration,
    /// When waiting traces are committed without anything else.
    traces_due: Option<Instant>,
    traces: Arc<WaitingTraces>,
    counters: Arc<Counters>,
    log: Option<Log>,
    ending: bool,
    /// How many jobs the last group had.
    last_group: usize,
}

/// A job with its place in the line, which it keeps until it is answered.
type Placed = (Box<dyn Job>, OwnedSemaphorePermit);

/// How a piece of work in a savepoint ended.
enum Done {
    Well,
    /// It failed, and nothing of it remains.
    Undone(StoreError),
    /// The transaction must not be committed, or is gone already.
    AllLost(StoreError),
}

/// How jobs that share their fate are undone.
#[derive(Clone, Copy, Default)]
enum Undo {
    /// The transaction holds nothing else: with it.
    #[default]
    Transaction,
    /// With the savepoint that is open.
    Savepoint,
}

/// The jobs of one transaction.
#[derive(Default)]
struct Group {
    done: Vec<Placed>,
    /// How many of them, the last ones, are undone together.
    shared: usize,
    /// How that is done.
    undo: Undo,
    failed: Vec<(Placed, StoreError)>,
    bytes: usize,
    /// Records of refusals that are in it.
    traces: usize,
}

impl GroupCommit {
    pub(super) fn new(
        connection: Connection,
        orders: Receiver<Order>,
        options: &Options,
        traces: Arc<WaitingTraces>,
        counters: Arc<Counters>,
        log: Option<Log>,
    ) -> Self {
        Self {
            connection,
            orders,
            jobs: options.group.max(1),
            bytes: options.group_bytes,
            trace_delay: options.trace_delay,
            traces_due: None,
            traces,
            counters,
            log,
            ending: false,
            last_group: 0,
        }
    }

    pub(super) fn run(mut self) -> Result<(), StoreError> {
        while !self.ending {
            match self.next_order() {
                Ok(Order::Job(job, place)) => {
                    // Whatever is wrong has been answered to those who waited.
                    let _ = self.commit(Some((job, place)));
                }
                Ok(Order::TraceWaits) => self.traces_due = Some(Instant::now() + self.trace_delay),
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.commit(None);
                }
                Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => self.ending = true,
            }
        }
        let ended = self.commit(None);
        if let Some(log) = self.log.take() {
            log.end(&self.connection);
        }
        ended
    }

    fn next_order(&self) -> Result<Order, RecvTimeoutError> {
        match self.traces_due {
            Some(due) => self.orders.recv_timeout(due.saturating_duration_since(Instant::now())),
            None => self.orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    /// One transaction: the first job, those that wait behind it, and the waiting traces.
    fn commit(&mut self, first: Option<Placed>) -> Result<(), StoreError> {
        if first.is_none() && self.traces.is_empty() {
            self.traces_due = None;
            return Ok(());
        }
        if let Some(log) = &mut self.log {
            log.before_group(&self.connection);
        }
        if self.last_group >= CROWD && first.is_some() {
            thread::sleep(GATHER);
        }
        let mut group = Group::default();
        let begun = self.statement("BEGIN IMMEDIATE");
        let ended = match begun {
            Ok(()) => {
                let worked = self.work(&mut group, first);
                let traced = worked.and_then(|()| self.write_traces(&mut group));
                traced.and_then(|()| self.statement("COMMIT"))
            }
            Err(error) => {
                self.fail_all_waiting(&mut group, first, &error);
                // Traces try again later, not at once and for ever.
                self.traces_due = self.traces_due.map(|_| Instant::now() + self.trace_delay);
                Err(error)
            }
        };
        if ended.is_err() && !self.connection.is_autocommit() {
            // The next BEGIN would say so if this failed.
            let _ = self.statement("ROLLBACK");
        }
        self.last_group = group.done.len();
        self.answer(group, &ended);
        if let (Some(log), Ok(())) = (&mut self.log, &ended) {
            self.counters.wal_bytes.store(log.after_commit(), Ordering::Relaxed);
        }
        ended
    }

    /// Does the first job and those behind it. An error means that the whole transaction is gone.
    fn work(&mut self, group: &mut Group, first: Option<Placed>) -> Result<(), StoreError> {
        let mut next = first;
        while let Some(placed) = next.take() {
            self.job(group, placed)?;
            let has_room = group.done.len() < self.jobs && group.bytes < self.bytes;
            next = if has_room { self.waiting_job() } else { None };
        }
        self.close_shared(group)
    }

    /// The next job that waits already.
    fn waiting_job(&mut self) -> Option<Placed> {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Job(job, place)) => return Some((job, place)),
                // This very commit takes it.
                Ok(Order::TraceWaits) => {}
                Ok(Order::End) | Err(TryRecvError::Disconnected) => {
                    self.ending = true;
                    return None;
                }
                Err(TryRecvError::Empty) => return None,
            }
        }
    }

    fn job(&self, group: &mut Group, placed: Placed) -> Result<(), StoreError> {
        if placed.0.is_abandoned() {
            return Ok(());
        }
        group.bytes += placed.0.weight();
        if placed.0.is_repeatable() {
            return self.job_among_others(group, placed);
        }
        match self.close_shared(group) {
            Ok(()) => self.job_alone(group, placed),
            Err(error) => {
                group.failed.push((placed, error.clone()));
                Err(error)
            }
        }
    }

    /// Does a job that is undone with those before it. If it fails, all of them are done again, each alone.
    fn job_among_others(&self, group: &mut Group, (mut job, place): Placed) -> Result<(), StoreError> {
        if let Err(error) = self.open_shared(group) {
            group.failed.push(((job, place), error.clone()));
            return Err(error);
        }
        group.shared += 1;
        let worked = job.run(&self.connection);
        group.done.push((job, place));
        match worked {
            Ok(()) => Ok(()),
            // A full disk or a failing one ends the transaction by itself.
            Err(error) if self.connection.is_autocommit() => Err(error),
            Err(_) => {
                let again = group.done.split_off(group.done.len() - group.shared);
                let mut ended = self.undo_shared(group);
                for placed in again {
                    match &ended {
                        Ok(()) => ended = self.job_alone(group, placed),
                        Err(error) => group.failed.push((placed, error.clone())),
                    }
                }
                ended
            }
        }
    }

    fn open_shared(&self, group: &mut Group) -> Result<(), StoreError> {
        if group.shared > 0 {
            return Ok(());
        }
        if group.done.is_empty() {
            group.undo = Undo::Transaction;
            return Ok(());
        }
        group.undo = Undo::Savepoint;
        self.statement("SAVEPOINT job")
    }

    fn close_shared(&self, group: &mut Group) -> Result<(), StoreError> {
        match (std::mem::take(&mut group.shared), group.undo) {
            (0, _) | (_, Undo::Transaction) => Ok(()),
            (_, Undo::Savepoint) => self.statement("RELEASE job"),
        }
    }

    fn undo_shared(&self, group: &mut Group) -> Result<(), StoreError> {
        group.shared = 0;
        let [back, on] = match group.undo {
            Undo::Transaction => ["ROLLBACK", "BEGIN IMMEDIATE"],
            Undo::Savepoint => ["ROLLBACK TO job", "RELEASE job"],
        };
        self.statement(back)?;
        self.statement(on)
    }

    /// Does a job in a savepoint of its own.
    fn job_alone(&self, group: &mut Group, (mut job, place): Placed) -> Result<(), StoreError> {
        match self.in_savepoint(|connection| job.run(connection)) {
            Done::Well => group.done.push((job, place)),
            Done::Undone(error) => group.failed.push(((job, place), error)),
            Done::AllLost(error) => {
                group.failed.push(((job, place), error.clone()));
                return Err(error);
            }
        }
        Ok(())
    }

    /// Does something that is undone alone when it fails.
    fn in_savepoint(&self, work: impl FnOnce(&Connection) -> Result<(), StoreError>) -> Done {
        if let Err(error) = self.statement("SAVEPOINT job") {
            return Done::AllLost(error);
        }
        let worked = work(&self.connection);
        // A full disk or a failing one ends the transaction by itself.
        if let (Err(error), true) = (&worked, self.connection.is_autocommit()) {
            return Done::AllLost(error.clone());
        }
        let undone = if worked.is_err() { self.statement("ROLLBACK TO job") } else { Ok(()) };
        match undone.and_then(|()| self.statement("RELEASE job")) {
            Ok(()) => worked.map_or_else(Done::Undone, |()| Done::Well),
            // What cannot be undone must not be committed.
            Err(error) => Done::AllLost(error),
        }
    }

    /// The waiting traces join this commit. One that cannot be written is dropped and counted.
    fn write_traces(&mut self, group: &mut Group) -> Result<(), StoreError> {
        self.traces_due = None;
        let records = self.traces.take();
        group.traces = records.len();
        let write_all = |connection: &Connection| {
            records.iter().try_for_each(|record| traces::insert(connection, record))
        };
        match self.in_savepoint(write_all) {
            Done::Well => return Ok(()),
            Done::AllLost(error) => return Err(error),
            Done::Undone(_) => {}
        }
        for record in &records {
            match self.in_savepoint(|connection| traces::insert(connection, record)) {
                Done::Well => {}
                Done::Undone(_) => {
                    self.counters.traces_dropped.fetch_add(1, Ordering::Relaxed);
                    group.traces -= 1;
                }
                Done::AllLost(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// When no transaction can begin, whoever waits by now is told at once, not one after the other.
    fn fail_all_waiting(&mut self, group: &mut Group, first: Option<Placed>, error: &StoreError) {
        let mut next = first;
        while let Some(placed) = next.take() {
            group.failed.push((placed, error.clone()));
            next = self.waiting_job();
        }
    }

    fn answer(&self, group: Group, ended: &Result<(), StoreError>) {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let failed = if ended.is_ok() { 0 } else { group.done.len() } + group.failed.len();
        self.counters.failures.fetch_add(count(failed), Ordering::Relaxed);
        if ended.is_ok() {
            self.counters.commits.fetch_add(1, Ordering::Relaxed);
            self.counters.jobs.fetch_add(count(group.done.len()), Ordering::Relaxed);
        } else {
            self.counters.traces_dropped.fetch_add(count(group.traces), Ordering::Relaxed);
        }
        for (job, _place) in group.done {
            // The only place where the proof is made: behind a commit that succeeded.
            job.answer(ended.clone().map(Committed));
        }
        for ((job, _place), error) in group.failed {
            job.answer(Err(error));
        }
    }

    fn statement(&self, sql: &str) -> Result<(), StoreError> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}
