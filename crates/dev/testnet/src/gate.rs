//! A gate at which a host waits before it answers: what happens first is what the test says, not what is faster.

use std::sync::Arc;

use tokio::sync::watch;

/// Keeps hosts waiting that are told to [`wait for it`](crate::Act::Until). Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A gate that is closed.
    #[must_use]
    pub fn closed() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets everybody through, those who wait and those who come.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Keeps those who come from now on waiting.
    pub fn close(&self) {
        self.0.send_replace(false);
    }

    /// Waits until it is open.
    pub(crate) async fn pass(&self) {
        // It fails when the gate is gone, and this is one of its clones.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

impl PartialEq for Gate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Gate {}
