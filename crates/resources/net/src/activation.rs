//! Sockets that systemd has bound for us (sd_listen_fds(3)), taken by name.
//!
//! In the `.socket` unit, `FileDescriptorName=smtp` gives the name; several `ListenStream=`
//! lines of one unit share it.

use std::env;

use listenfd::ListenFd;

use crate::{NetError, Socket};

/// What systemd handed over.
#[derive(Debug, Default)]
pub struct Activation {
    sockets: Vec<(String, Socket)>,
}

impl Activation {
    /// Takes what was handed over; nothing when the process was started in another way.
    ///
    /// To be called once, before any thread starts: it takes the variables out of the
    /// environment, so that no child believes the sockets to be its own.
    ///
    /// # Errors
    /// When a descriptor is not a listening TCP socket.
    pub fn from_env() -> Result<Self, NetError> {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut fds = ListenFd::from_env();
        let mut sockets = Vec::new();
        // sd_listen_fds_with_names(3): one name for each descriptor, between colons
        let mut names = names.split(':');
        for index in 0..fds.len() {
            let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown").to_owned();
            let wrong = |error| NetError::Activation(format!("socket `{name}`: {error}"));
            let listener = fds
                .take_tcp_listener(index)
                .map_err(wrong)?
                .ok_or_else(|| NetError::Activation(format!("socket `{name}` is gone")))?;
            let socket = Socket::from_std(listener).map_err(wrong)?;
            sockets.push((name, socket));
        }
        Ok(Self { sockets })
    }

    /// Takes all sockets of a name.
    pub fn take(&mut self, name: &str) -> Vec<Socket> {
        let (taken, left) = std::mem::take(&mut self.sockets).into_iter().partition(|(n, _)| n == name);
        self.sockets = left;
        let taken: Vec<(String, Socket)> = taken;
        taken.into_iter().map(|(_, socket)| socket).collect()
    }

    /// The names of what nobody has taken: a mistake in the unit, if there is any at the end.
    #[must_use]
    pub fn left(&self) -> Vec<&str> {
        self.sockets.iter().map(|(name, _)| name.as_str()).collect()
    }
}
