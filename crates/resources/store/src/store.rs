//! The handle, how it is opened and closed, and what it counts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use postern_types::Timestamp;

use crate::sqlite::{Connection, Engine, purge};
use crate::{BodyWriter, StoreError};

/// What a process opens the store for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// To serve: one at a time, cleans up what a crash left, writes the journal back.
    Server,
    /// To look or to change a little, beside a running server: the command line.
    Tool,
}

/// How the store uses memory and the disk. The defaults serve 3,000 messages a second.
#[derive(Clone, Debug)]
pub struct Options {
    /// What for.
    pub role: Role,
    /// Connections that read at the same time.
    pub readers: usize,
    /// Pieces of work that may wait for the writer.
    pub waiting: usize,
    /// How long work waits for a place among them before [`StoreError::Busy`].
    pub patience: Duration,
    /// Pieces of work in one commit.
    pub group: usize,
    /// Bytes of bodies in one commit.
    pub group_bytes: usize,
    /// A body up to this size stays in memory and becomes a row; larger ones go to files.
    pub body_in_memory: usize,
    /// Bytes of all bodies in memory together; beyond it bodies go to files earlier.
    pub bodies_in_memory: usize,
    /// Bytes of write-ahead log after which it is written back; at eight times as many, writing waits
    /// for readers that keep it from that.
    pub log_bytes: u64,
    /// Records of refusals that may wait for the next commit.
    pub waiting_traces: usize,
    /// How long they wait for one before it is made for them.
    pub trace_delay: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            role: Role::Server,
            readers: 3,
            waiting: 1024,
            patience: Duration::from_secs(5),
            group: 256,
            group_bytes: 4 << 20,
            body_in_memory: 256 << 10,
            bodies_in_memory: 24 << 20,
            log_bytes: 16 << 20,
            waiting_traces: 4096,
            trace_delay: Duration::from_secs(1),
        }
    }
}

impl Options {
    /// For a command-line tool beside the server.
    #[must_use]
    pub fn tool() -> Self {
        Self { role: Role::Tool, readers: 1, ..Self::default() }
    }
}

/// Counters since the store was opened, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Synced commits.
    pub commits: u64,
    /// Pieces of work in them.
    pub jobs: u64,
    /// Pieces of work that failed.
    pub failures: u64,
    /// Work waiting or under way now.
    pub waiting: u64,
    /// Records of refusals dropped under pressure.
    pub traces_dropped: u64,
    /// Bytes of bodies in memory now.
    pub bodies_in_memory: u64,
    /// Bytes in the write-ahead log after the last commit.
    pub wal_bytes: u64,
}

/// How long things that nobody deletes are kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// What has expired by now goes: quarantine, probe answers.
    pub now: Timestamp,
    /// List entries that ended before go; until then repeat offenders are known.
    pub lists_before: Timestamp,
    /// Traces from before go.
    pub traces_before: Timestamp,
    /// Evidence from before goes; the trace itself may stay longer.
    pub evidence_before: Timestamp,
}

/// What [`Store::purge`] removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Held copies.
    pub quarantined: u64,
    /// List entries, hosts that were caught, and what they were caught at.
    pub listed: u64,
    /// Probe answers.
    pub probes: u64,
    /// Lines of the ledger of probes.
    pub ledger: u64,
    /// Links and browsers' sessions.
    pub links: u64,
    /// Traces.
    pub traces: u64,
    /// Evidence of traces, and policies that none refers to any more.
    pub evidence: u64,
}

/// The store of one data folder. Clones share everything.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) engine: Arc<Engine>,
}

impl Store {
    /// Opens the store in `dir`, making it where there is none and bringing an older one up to date.
    /// Blocks; call it at the start.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Newer`], [`StoreError::ReadOnly`], [`StoreError::Corrupt`] …
    pub fn open(dir: &Path, options: Options) -> Result<Self, StoreError> {
        Ok(Self { engine: Arc::new(Engine::open(dir, options)?) })
    }

    /// Commits what waits, writes the log back into the database and ends. All clones are closed.
    ///
    /// # Errors
    /// When the last commit fails.
    pub async fn close(self) -> Result<(), StoreError> {
        self.engine.close().await
    }

    /// Begins a body.
    #[must_use]
    pub fn body(&self) -> BodyWriter {
        BodyWriter::new(self.engine.folder(), self.engine.options().body_in_memory)
    }

    /// Begins a body that is a synced file once it is [finished](BodyWriter::finish), whatever its size: for a
    /// message that must be safe here before somebody else is asked to take a part of it.
    #[must_use]
    pub fn body_on_disk(&self) -> BodyWriter {
        BodyWriter::new(self.engine.folder(), 0)
    }

    /// Counters for metrics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// Removes what has expired, in small steps, so that others are served. Call it now and then.
    ///
    /// # Errors
    /// When the store fails; what was removed before stays removed.
    pub async fn purge(&self, retention: Retention) -> Result<Purged, StoreError> {
        self.purge_abandoned_mailboxes().await?;
        let mut total = Purged::default();
        loop {
            let (step, files) = self.engine.write(0, move |c| purge::step(c, &retention)).await?;
            self.drop_files(files).await;
            if step == Purged::default() {
                self.drop_files(1).await;
                return Ok(total);
            }
            total.quarantined += step.quarantined;
            total.listed += step.listed;
            total.probes += step.probes;
            total.ledger += step.ledger;
            total.links += step.links;
            total.traces += step.traces;
            total.evidence += step.evidence;
        }
    }

    /// A change of domains, accounts or aliases: afterwards nobody is resolved from old memory.
    pub(crate) async fn change_directory<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let result = self.engine.write(0, work).await;
        self.engine.forget_resolved();
        result
    }

    /// A change of lists or profiles: afterwards nobody is answered from old memory.
    pub(crate) async fn change_lists<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let result = self.engine.write(0, work).await;
        self.engine.forget_profiles();
        result
    }

    /// Unlinks the files of deleted bodies, if there are any. A failure is no loss: the names are kept
    /// until the files are gone.
    pub(crate) async fn drop_files(&self, files: usize) {
        if files > 0 {
            let _ = self.engine.remove_dropped_files().await;
        }
    }
}
