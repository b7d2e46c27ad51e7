//! A bounded buffer in front of a writer that may be slow, and the thread that empties it.
//!
//! A line that finds the buffer full is dropped and counted; the log says so as soon as it
//! can be written again, and `/metrics` shows the count.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Octets that may wait to be written.
const CAPACITY: usize = 1024 * 1024;
/// Lines come in crowds: what follows the first within this time goes into the same write.
const GATHER: Duration = Duration::from_millis(10);
/// How long the end of the program waits for the last lines.
const LAST_WORDS: Duration = Duration::from_secs(2);

static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Log lines dropped by this process because whatever reads them was too slow.
#[must_use]
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

#[derive(Default)]
struct State {
    pending: Vec<u8>,
    lost: u64,
    sleeping: bool,
    closing: bool,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    /// The state is whole between any two statements, so a panic elsewhere cannot spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes lines; never waits for the writer.
#[derive(Clone)]
pub(super) struct Sink(Arc<Shared>);

impl Sink {
    /// Queues one line, which ends in a newline.
    pub(super) fn line(&self, line: &[u8]) {
        let mut state = self.0.lock();
        if state.closing || state.pending.len() + line.len() > CAPACITY {
            state.lost += 1;
            DROPPED.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.pending.extend_from_slice(line);
        if state.sleeping {
            state.sleeping = false;
            drop(state);
            self.0.changed.notify_all();
        }
    }
}

/// Dropping it writes what is buffered and ends the log.
#[must_use = "the log ends when this is dropped"]
pub struct Guard(Arc<Shared>);

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guard")
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closing = true;
        self.0.changed.notify_all();
        // A writer that is stuck must not keep the program from ending.
        let end = self.0.changed.wait_timeout_while(state, LAST_WORDS, |state| !state.closed);
        drop(end);
    }
}

/// Starts the thread that writes to `out`.
pub(super) fn start(out: impl Write + Send + 'static) -> std::io::Result<(Sink, Guard)> {
    let shared = Arc::new(Shared::default());
    let theirs = Arc::clone(&shared);
    thread::Builder::new().name("log".into()).spawn(move || write_all(&theirs, out))?;
    Ok((Sink(Arc::clone(&shared)), Guard(shared)))
}

fn write_all(shared: &Shared, mut out: impl Write) {
    let mut batch = Vec::new();
    loop {
        let mut state = shared.lock();
        while state.pending.is_empty() && !state.closing {
            state.sleeping = true;
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.sleeping = false;
        let gathered = shared.changed.wait_timeout_while(state, GATHER, |state| !state.closing);
        (state, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut state.pending, &mut batch);
        let lost = std::mem::take(&mut state.lost);
        let last = state.closing && batch.is_empty();
        state.closed = last;
        drop(state);
        if last {
            shared.changed.notify_all();
            return;
        }
        // Nothing can be said about a log that cannot be written.
        let _ = out.write_all(&batch).and_then(|()| out.flush());
        batch.clear();
        // A burst's memory is given back.
        batch.shrink_to(64 * 1024);
        if lost > 0 {
            tracing::warn!(lines = lost, "log lines dropped: whatever reads the log is too slow");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Passes on what is written; each write waits for leave.
    struct Gated {
        leave: mpsc::Receiver<()>,
        written: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            // No more leave to come: write freely.
            let _ = self.leave.recv();
            self.written.send(bytes.to_vec()).map_err(std::io::Error::other)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_reader_blocks_nobody_and_costs_bounded_memory() {
        let (go, leave) = mpsc::channel();
        let (written, read) = mpsc::channel();
        let (sink, guard) = start(Gated { leave, written }).unwrap();
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        let before = dropped();
        for _ in 0..4096 {
            sink.line(&line);
        }
        // One buffer may be in the writer's hands and one full behind it.
        let lost = dropped() - before;
        assert!((2048..=3072).contains(&lost), "{lost}");
        drop(go);
        drop(guard);
        let all: usize = read.try_iter().map(|bytes| bytes.len()).sum();
        assert_eq!(all as u64, (4096 - lost) * 1024, "what was not dropped is written whole");
    }

    #[test]
    fn the_last_lines_are_written_before_the_end() {
        let (_, leave) = mpsc::channel();
        let (written, read) = mpsc::channel();
        let (sink, guard) = start(Gated { leave, written }).unwrap();
        for i in 0..100 {
            sink.line(format!("{i}\n").as_bytes());
        }
        drop(guard);
        let text = String::from_utf8(read.try_iter().flatten().collect()).unwrap();
        assert_eq!(text.lines().count(), 100);
        assert!(text.ends_with("99\n"));
    }
}
