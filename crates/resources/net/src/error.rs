//! What can go wrong between a service and the network, in sentences for people.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Why something with sockets, TLS or the process's rights did not work.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The limit on open files cannot be raised.
    #[error("the limit on open files cannot be raised: {0}")]
    Descriptors(std::io::Error),
    /// A listening socket could not be made.
    #[error("cannot listen on {address}: {source}{}", bind_hint(source))]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A listening local socket could not be made.
    #[error("cannot listen on {}: {source}{}", path.display(), local_hint(source))]
    BindLocal {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What systemd handed over is not what was announced.
    #[error("socket activation: {0}")]
    Activation(String),
    /// A connection could not be made.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A connection was not made in time.
    #[error("no connection to {address} within {within:?}")]
    ConnectTimeout {
        /// Where to.
        address: SocketAddr,
        /// The time it had.
        within: Duration,
    },
    /// A certificate, key or root file is missing, unreadable or wrong.
    #[error("{}: {problem}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// TLS cannot be set up as asked.
    #[error("TLS settings: {0}")]
    TlsSettings(String),
    /// A TLS handshake failed.
    #[error("TLS handshake: {0}")]
    Handshake(io::Error),
    /// A TLS handshake was not done in time.
    #[error("the TLS handshake was not done within {0:?}")]
    HandshakeTimeout(Duration),
    /// TLS was to be started on a connection that has it already.
    #[error("the connection is encrypted already")]
    AlreadyTls,
    /// There is no such user.
    #[error("there is no user `{0}` on this system")]
    UnknownUser(String),
    /// Only root can become another user.
    #[error("cannot become user `{user}`: only root can, and this process runs as user id {uid}")]
    NotRoot {
        /// Whom to become.
        user: String,
        /// Who the process is.
        uid: u32,
    },
    /// The process would go on as root.
    #[error("refusing to run as root: name the user to become after binding the ports")]
    RunsAsRoot,
    /// A right could not be given up.
    #[error("cannot give up rights: {step}: {source}")]
    Privileges {
        /// Which step failed.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The file system could not be closed.
    #[error("cannot restrict writing to the data folder: {0}")]
    Sandbox(String),
    /// Signals cannot be received, or systemd cannot be told.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

fn bind_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => " (another program listens there; `ss -ltnp` shows which)",
        io::ErrorKind::PermissionDenied => {
            " (ports below 1024 need root, CAP_NET_BIND_SERVICE or socket activation)"
        }
        io::ErrorKind::AddrNotAvailable => " (this machine does not have that address)",
        _ => "",
    }
}

fn local_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => " (another program listens there, or a file of that name is there)",
        io::ErrorKind::NotFound => " (the folder does not exist)",
        io::ErrorKind::PermissionDenied => " (this user may not make files in that folder)",
        _ => "",
    }
}
