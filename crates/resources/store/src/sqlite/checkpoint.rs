//! Writing the log (WAL) back into the database, off the writer's path.
//!
//! Every [`Options::log_bytes`](crate::Options) of log, a thread of its own copies what is in it (a passive checkpoint: nobody
//! waits) and has the database synced. When it has caught up, the writer copies the little that came meanwhile, before
//! its next group, and syncs that; then the log begins again from its start. Only when readers have kept the log from that for
//! long, at [`HARD`] times as many bytes, the writer waits for them, for a moment.

use std::fs::File;
use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;

use super::open;
use crate::StoreError;

/// How many times the bytes of log at which the writer waits for readers.
const HARD: u64 = 8;
/// How long it waits for them.
const WAIT_FOR_READERS: Duration = Duration::from_millis(250);
/// How long the writer lets another process hold the write lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// The log as the writer sees it.
pub(super) struct Log {
    page_size: u64,
    /// Bytes after which it is written back.
    soft: u64,
    /// Pages in the log after the last commit.
    pages: Arc<AtomicU64>,
    ask: SyncSender<()>,
    thread: JoinHandle<()>,
    caught_up: Arc<AtomicBool>,
    /// Bytes of log when it was last asked to be written back; 0 after it began anew.
    asked_at: u64,
    waited_at: u64,
}

impl Log {
    /// Starts the thread; it ends with the log's owner.
    pub(super) fn start(dir: &Path, writer: &mut Connection, soft: u64) -> Result<Self, StoreError> {
        let page_size: i64 = writer.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&pages);
        writer.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            counted.store(u64::from(pages.unsigned_abs()), Ordering::Relaxed);
            Ok(())
        }))?;
        let connection = open::connect(dir)?;
        let caught_up = Arc::new(AtomicBool::new(false));
        let (ask, asked) = mpsc::sync_channel(1);
        let done = Arc::clone(&caught_up);
        let database = Unclosed::open(dir)?;
        let work = move || write_back(&connection, &database, &asked, &done);
        let thread = thread::Builder::new().name("store-checkpoint".into()).spawn(work);
        let thread = thread.map_err(|e| StoreError::io("starting the store's checkpoints", e))?;
        let page_size = page_size.cast_unsigned();
        Ok(Self { page_size, soft, pages, ask, thread, caught_up, asked_at: 0, waited_at: 0 })
    }

    /// What is due between two groups. A checkpoint that fails loses nothing: the log is tried again
    /// later, and a disk that is full shows itself at the next commit.
    pub(super) fn before_group(&mut self, writer: &Connection) {
        if self.caught_up.swap(false, Ordering::Acquire) {
            let _ = checkpoint(writer, CheckpointMode::PASSIVE);
        }
        let bytes = self.bytes();
        if bytes > self.waited_at + HARD * self.soft {
            self.waited_at = bytes;
            let _ = writer.busy_timeout(WAIT_FOR_READERS);
            let _ = checkpoint(writer, CheckpointMode::RESTART);
            let _ = writer.busy_timeout(PATIENCE);
        }
    }

    /// Notes how long the log is now, and has it written back when that is due. Returns its bytes.
    pub(super) fn after_commit(&mut self) -> u64 {
        let bytes = self.bytes();
        if bytes < self.asked_at {
            // It began anew.
            (self.asked_at, self.waited_at) = (0, 0);
        }
        if bytes >= self.asked_at + self.soft {
            self.asked_at = bytes;
            // When the thread is still at it, this has been asked for already.
            let _ = self.ask.try_send(());
        }
        bytes
    }

    /// Ends the thread and leaves as little log as readers allow. Nothing is lost where that fails: the
    /// next start reads the log.
    pub(super) fn end(self, writer: &Connection) {
        drop(self.ask);
        let _ = self.thread.join();
        let _ = writer.busy_timeout(WAIT_FOR_READERS);
        let _ = checkpoint(writer, CheckpointMode::TRUNCATE);
    }

    fn bytes(&self) -> u64 {
        self.pages.load(Ordering::Relaxed) * self.page_size
    }
}

/// The database's file beside SQLite's own descriptors. It is never closed: closing any descriptor of a file gives up
/// the locks that this process has on it (fcntl(2)), those of SQLite's connections too, and another process could
/// then remove the log under them.
struct Unclosed(ManuallyDrop<File>);

impl Unclosed {
    fn open(dir: &Path) -> Result<Self, StoreError> {
        let file = File::open(dir.join(open::DATABASE));
        let file = file.map_err(|e| StoreError::io("opening the database for its checkpoints", e))?;
        Ok(Self(ManuallyDrop::new(file)))
    }
}

fn write_back(connection: &Connection, database: &Unclosed, asked: &Receiver<()>, caught_up: &AtomicBool) {
    while asked.recv().is_ok() {
        if checkpoint(connection, CheckpointMode::PASSIVE).is_ok() {
            // SQLite syncs the database only with the last piece of the log, which is the writer's: what is on the
            // disk by then nobody waits for. If it fails here, that sync fails as well.
            let _ = database.0.sync_data();
            caught_up.store(true, Ordering::Release);
        }
    }
}

fn checkpoint(connection: &Connection, mode: CheckpointMode) -> Result<(), StoreError> {
    connection.wal_checkpoint_v2(None::<&str>, mode)?;
    Ok(())
}
