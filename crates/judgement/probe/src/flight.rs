//! A question on its way: asked once, awaited by as many as want to.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::Answer;

/// A question on its way.
#[derive(Clone, Debug)]
pub struct Pending {
    answer: watch::Receiver<Option<Answer>>,
    targets: Targets,
}

/// The hosts that a question connects to, as far as they are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Targets(Arc<Mutex<Vec<IpAddr>>>);

/// The end where the answer comes in.
pub(crate) struct Flight {
    pub(crate) answer: watch::Sender<Option<Answer>>,
    pub(crate) targets: Targets,
}

impl Flight {
    pub(crate) fn new() -> (Self, Pending) {
        let (sender, answer) = watch::channel(None);
        let targets = Targets::default();
        (Self { answer: sender, targets: targets.clone() }, Pending { answer, targets })
    }
}

impl Targets {
    pub(crate) fn set(&self, hosts: impl IntoIterator<Item = IpAddr>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            hosts.into_iter().map(|ip| ip.to_canonical()).collect();
    }
}

impl Pending {
    /// Waits for the answer, no longer than this. `None`: it is not here yet, or will never be.
    pub async fn wait(&mut self, within: Duration) -> Option<Answer> {
        let here = self.answer.wait_for(Option::is_some);
        tokio::time::timeout(within, here).await.ok()?.ok()?.clone()
    }

    /// Waits until the question is no longer on its way.
    pub(crate) async fn end(&mut self) {
        // An error means that it has ended too.
        let _ = self.answer.wait_for(Option::is_some).await;
    }

    /// Whether this host is one of those that are asked. A client that is must not be made to wait for the
    /// answer: its own may be waiting for the client.
    #[must_use]
    pub fn concerns(&self, ip: IpAddr) -> bool {
        self.targets.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&ip.to_canonical())
    }
}
