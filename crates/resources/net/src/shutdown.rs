//! The end of the process: everybody hears of it, sessions get time to finish.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// The news that the process is to stop, and the count of sessions that still run.
/// Clones share both.
#[derive(Clone, Debug)]
pub struct Shutdown {
    deadline: watch::Sender<Option<Instant>>,
    sessions: watch::Sender<usize>,
}

/// A session that the end waits for; counted until this is dropped.
#[derive(Debug)]
pub struct LiveSession {
    sessions: watch::Sender<usize>,
}

/// How the sessions ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All by themselves.
    Finished,
    /// So many had to be left when their time was up.
    Abandoned(usize),
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// The process is to run.
    #[must_use]
    pub fn new() -> Self {
        Self { deadline: watch::Sender::new(None), sessions: watch::Sender::new(0) }
    }

    /// From now on the process is stopping; sessions have `grace` to finish. Said again, it
    /// can shorten the time, not lengthen it (a second Ctrl-C: `Duration::ZERO`).
    pub fn begin(&self, grace: Duration) {
        let at = Instant::now() + grace;
        self.deadline.send_modify(|deadline| *deadline = Some(deadline.map_or(at, |old| old.min(at))));
    }

    /// Whether the process is stopping: no new sessions, no new transactions.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.deadline.borrow().is_some()
    }

    /// Until when sessions may run, once the process is stopping.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        *self.deadline.borrow()
    }

    /// Waits until the process is stopping. Cancel-safe.
    pub async fn begun(&self) {
        // The sender lives in `self`, so this cannot fail.
        let _ = self.deadline.subscribe().wait_for(Option::is_some).await;
    }

    /// Waits until the sessions' time is up. Cancel-safe.
    pub async fn expired(&self) {
        let mut deadline = self.deadline.subscribe();
        loop {
            let at = *deadline.borrow_and_update();
            let up = async {
                match at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = up => return,
                _ = deadline.changed() => {}
            }
        }
    }

    /// Counts a session in.
    #[must_use]
    pub fn session(&self) -> LiveSession {
        self.sessions.send_modify(|count| *count += 1);
        LiveSession { sessions: self.sessions.clone() }
    }

    /// How many sessions run.
    #[must_use]
    pub fn sessions(&self) -> usize {
        *self.sessions.borrow()
    }

    /// Waits until the process is stopping, and then until all sessions have ended or their
    /// time is up.
    pub async fn wait(&self) -> Outcome {
        self.begun().await;
        let mut sessions = self.sessions.subscribe();
        tokio::select! {
            biased;
            _ = sessions.wait_for(|&count| count == 0) => Outcome::Finished,
            () = self.expired() => Outcome::Abandoned(self.sessions()),
        }
    }
}

impl Drop for LiveSession {
    fn drop(&mut self) {
        self.sessions.send_modify(|count| *count -= 1);
    }
}
