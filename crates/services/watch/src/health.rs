//! The state of the parts: asked when somebody asks, each within a deadline.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long a part may take to say how it is.
const DEADLINE: Duration = Duration::from_secs(2);

/// How a part is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "why", rename_all = "lowercase")]
pub enum State {
    /// It works.
    Up,
    /// It works with something missing; mail still flows.
    Degraded(String),
    /// It does not work.
    Down(String),
}

/// What the program is doing as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Phase {
    /// Not all ports are open yet.
    Starting,
    /// New work is taken.
    Ready,
    /// No new work is taken.
    Stopping,
}

type Check = Box<dyn Fn() -> Pin<Box<dyn Future<Output = State> + Send>> + Send + Sync>;

/// The parts and how to ask them; cheap to clone.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    version: &'static str,
    phase: AtomicU8,
    parts: BTreeMap<&'static str, Check>,
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health").field("phase", &self.phase()).finish_non_exhaustive()
    }
}

/// Collects the parts.
#[derive(Default)]
pub struct Parts(BTreeMap<&'static str, Check>);

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Parts {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part: `check` is called for each question and given two seconds.
    #[must_use]
    pub fn part<F, A>(mut self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = State> + Send + 'static,
    {
        self.0.insert(name, Box::new(move || Box::pin(check())));
        self
    }

    /// The health of these parts, in the phase [`Phase::Starting`].
    #[must_use]
    pub fn health(self, version: &'static str) -> Health {
        let phase = AtomicU8::new(Phase::Starting as u8);
        Health(Arc::new(Inner { version, phase, parts: self.0 }))
    }
}

/// The answer of `/health`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) status: &'static str,
    pub(crate) phase: Phase,
    version: &'static str,
    parts: BTreeMap<&'static str, State>,
}

impl Health {
    /// What the program is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.0.phase.load(Ordering::Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Stopping,
        }
    }

    /// Says what the program is doing from now on.
    pub fn set_phase(&self, phase: Phase) {
        self.0.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Asks every part at the same time.
    pub(crate) async fn report(&self) -> Report {
        let mut answers = JoinSet::new();
        for (&name, check) in &self.0.parts {
            let answer = check();
            answers.spawn(async move {
                let late = |_| State::Down(format!("no answer within {} s", DEADLINE.as_secs()));
                (name, timeout(DEADLINE, answer).await.unwrap_or_else(late))
            });
        }
        // A part whose check panics gives no answer: it counts as down.
        let broken = || State::Down("the check failed".to_owned());
        let mut parts: BTreeMap<_, _> = self.0.parts.keys().map(|&name| (name, broken())).collect();
        while let Some(answer) = answers.join_next().await {
            if let Ok((name, state)) = answer {
                parts.insert(name, state);
            }
        }
        let status = if parts.values().any(|state| matches!(state, State::Down(_))) {
            "down"
        } else if parts.values().any(|state| matches!(state, State::Degraded(_))) {
            "degraded"
        } else {
            "up"
        };
        Report { status, phase: self.phase(), version: self.0.version, parts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_that_hangs_is_down() {
        let health = Parts::new().part("store", std::future::pending).part("dns", || async { State::Up });
        let report = health.health("1").report().await;
        assert_eq!(report.status, "down");
        assert_eq!(report.parts["store"], State::Down("no answer within 2 s".into()));
        assert_eq!(report.parts["dns"], State::Up);
    }
}
