//! Signals from the terminal, the administrator and systemd.

use tokio::signal::unix::{Signal as Unix, SignalKind, signal};

use crate::NetError;

/// What the process is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: finish and stop.
    Stop,
    /// SIGHUP: read certificates and lists again.
    Reload,
}

/// Receives the process's signals.
#[derive(Debug)]
pub struct Signals {
    term: Unix,
    interrupt: Unix,
    hang_up: Unix,
}

impl Signals {
    /// From now on the signals no longer kill the process, but come out of [`Signals::next`].
    ///
    /// # Errors
    /// When the system does not allow it.
    pub fn new() -> Result<Self, NetError> {
        let listen =
            |kind| signal(kind).map_err(|source| NetError::System { what: "cannot receive signals", source });
        Ok(Self {
            term: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// The next signal. Cancel-safe.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.term.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hang_up.recv() => Signal::Reload,
        }
    }
}
