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

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn it_waits_for_the_last_session() {
        let shutdown = Shutdown::new();
        let sessions: Vec<_> = (0..3).map(|_| shutdown.session()).collect();
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.wait().await }
        });
        assert!(!shutdown.is_begun());
        shutdown.begin(MINUTE);
        shutdown.begun().await;
        for session in sessions {
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished(), "{} sessions run", shutdown.sessions());
            drop(session);
        }
        assert_eq!(waiting.await.unwrap(), Outcome::Finished);
    }

    #[tokio::test(start_paused = true)]
    async fn it_does_not_wait_for_ever() {
        let shutdown = Shutdown::new();
        let _stuck = shutdown.session();
        let start = Instant::now();
        shutdown.begin(MINUTE);
        assert_eq!(shutdown.wait().await, Outcome::Abandoned(1));
        // The clock of the test is the runtime's own.
        assert_eq!(start.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_word_can_only_hurry() {
        let shutdown = Shutdown::new();
        let _stuck = shutdown.session();
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.wait().await }
        });
        shutdown.begin(MINUTE);
        let deadline = shutdown.deadline();
        shutdown.begin(MINUTE * 2);
        assert_eq!(shutdown.deadline(), deadline);
        tokio::task::yield_now().await;
        let start = Instant::now();
        shutdown.begin(Duration::ZERO);
        assert_eq!(waiting.await.unwrap(), Outcome::Abandoned(1));
        assert_eq!(start.elapsed().as_secs(), 0);
    }

    #[tokio::test]
    async fn without_sessions_it_is_over_at_once() {
        let shutdown = Shutdown::new();
        shutdown.begin(Duration::ZERO);
        assert_eq!(shutdown.wait().await, Outcome::Finished);
    }
}
