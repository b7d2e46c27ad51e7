//! The engine behind the store's interface: SQLite.
//!
//! One thread writes ([`writer`]), one writes the log back ([`checkpoint`]), a few connections read
//! ([`readers`]), and recipients are resolved from memory ([`resolve`]). The other modules hold the
//! statements, one idea each, as functions of a connection: those that write run inside the writer's
//! transaction.

pub(crate) mod accept;
pub(crate) mod backup;
pub(crate) mod bodies;
pub(crate) mod check;
mod checkpoint;
mod columns;
pub(crate) mod correspondents;
pub(crate) mod digests;
pub(crate) mod directory;
mod error;
mod group;
pub(crate) mod hosts;
pub(crate) mod ledger;
pub(crate) mod links;
pub(crate) mod lists;
pub(crate) mod mailbox;
mod migrate;
mod open;
pub(crate) mod policies;
pub(crate) mod probes;
pub(crate) mod profiles;
pub(crate) mod purge;
pub(crate) mod quarantine;
pub(crate) mod queue;
mod readers;
pub(crate) mod rehearsal;
mod resolve;
pub(crate) mod traces;
mod writer;

use std::fmt;
use std::fs::File;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use postern_types::{Address, ForwardPath, ReversePath};

use crate::body::blocking;
use crate::files::BodyFolder;
use crate::{AccountId, Options, ProfileAnswer, Resolution, Role, Stats, StoreError, TraceRecord};

pub(crate) use group::{Committed, Job};
pub(crate) use rusqlite::Connection;

/// Everything that one open store consists of.
pub(crate) struct Engine {
    options: Options,
    dir: PathBuf,
    folder: Arc<BodyFolder>,
    readers: readers::Readers,
    resolver: Arc<resolve::Resolver>,
    profiles: Arc<profiles::Profiles>,
    writer: writer::Writer,
}

impl Engine {
    pub(crate) fn open(dir: &Path, options: Options) -> Result<Self, StoreError> {
        let lock = open::prepare(dir, options.role)?;
        let folder = Arc::new(BodyFolder::open(dir, options.role, options.bodies_in_memory)?);
        let writing = open::connect(dir)?;
        migrate::up_to_date(&writing, dir, lock.as_ref())?;
        if options.role == Role::Server {
            bodies::remove_leftovers(&writing, &folder)?;
        }
        let readers = readers::Readers::open(dir, options.readers)?;
        let resolver = Arc::new(resolve::Resolver::new(open::connect_for_reading(dir)?));
        let profiles = Arc::new(profiles::Profiles::new(open::connect_for_reading(dir)?));
        let writer = writer::Writer::start(dir, writing, &options, lock)?;
        Ok(Self { options, dir: dir.to_owned(), folder, readers, resolver, profiles, writer })
    }

    /// Runs `work` in the writer's next transaction and returns when that is synced. `weight` is what
    /// it takes of a commit's bytes.
    pub(crate) async fn write<T, F>(&self, weight: usize, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.writer.call(weight, work).await
    }

    /// Hands a job to the writer; the job answers for itself.
    pub(crate) async fn submit(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        self.writer.submit(job).await
    }

    /// Runs `work` in a read transaction, away from the async threads.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.readers.run(work).await
    }

    pub(crate) async fn resolve(&self, recipient: &ForwardPath) -> Result<Resolution, StoreError> {
        resolve::resolve(&self.resolver, recipient).await
    }

    pub(crate) async fn profile(
        &self,
        recipient: &Address,
        accounts: &[AccountId],
        sender: &ReversePath,
        client: IpAddr,
    ) -> Result<ProfileAnswer, StoreError> {
        profiles::ask(&self.profiles, recipient, accounts, sender, client).await
    }

    pub(crate) fn forget_profiles(&self) {
        self.profiles.forget();
    }

    pub(crate) fn forget_resolved(&self) {
        self.resolver.forget();
    }

    pub(crate) fn record(&self, record: TraceRecord) {
        self.writer.record(record);
    }

    /// Unlinks the files of deleted bodies, unless a backup holds them.
    pub(crate) async fn remove_dropped_files(&self) -> Result<(), StoreError> {
        let folder = Arc::clone(&self.folder);
        let removed = self.read(move |c| bodies::unlink_dropped(c, &folder)).await?;
        if removed.is_empty() {
            return Ok(());
        }
        self.write(0, move |c| bodies::forget_dropped(c, &removed)).await
    }

    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        self.readers.close();
        self.resolver.close();
        self.profiles.close();
        let end = self.writer.end();
        blocking(move || end.wait()).await
    }

    pub(crate) fn stats(&self) -> Stats {
        let counters = self.writer.counters();
        Stats {
            commits: counters.commits.load(Ordering::Relaxed),
            jobs: counters.jobs.load(Ordering::Relaxed),
            failures: counters.failures.load(Ordering::Relaxed),
            waiting: self.writer.waiting() as u64,
            traces_dropped: counters.traces_dropped.load(Ordering::Relaxed),
            bodies_in_memory: self.folder.memory_used() as u64,
            wal_bytes: counters.wal_bytes.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn folder(&self) -> Arc<BodyFolder> {
        Arc::clone(&self.folder)
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// The lock that makes a process the only server of a folder.
pub(crate) struct ServerLock {
    _file: File,
}
