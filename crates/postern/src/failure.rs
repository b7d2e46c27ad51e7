//! How a command ends: exit codes, and errors that say what to do.

use std::process::ExitCode;

use postern_config::ConfigError;
use postern_dns::DnsError;
use postern_net::NetError;
use postern_signin::SigninError;
use postern_store::StoreError;

/// How a command ended. The numbers are part of the command line's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// 0: done, nothing to report.
    Fine,
    /// 1: done and something was found, or it could not be done.
    Finding,
    /// 2: the command itself is wrong.
    Usage,
    /// 3: the server is not reachable.
    Unreachable,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Fine => 0,
            Status::Finding => 1,
            Status::Usage => 2,
            Status::Unreachable => 3,
        })
    }
}

/// Why a command could not be done; the text says what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command itself is wrong.
    #[error("{0}")]
    Usage(String),
    /// It could not be done.
    #[error("{0}")]
    Finding(String),
    /// The configuration cannot be read or has mistakes.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The store.
    #[error("{0}{advice}", advice = store_advice(.0))]
    Store(#[from] StoreError),
    /// Sockets, TLS, rights.
    #[error("{0}")]
    Net(#[from] NetError),
    /// No DNS server.
    #[error("{0}")]
    Dns(#[from] DnsError),
    /// Passwords.
    #[error("{0}")]
    Signin(#[from] SigninError),
    /// A file or folder.
    #[error("{what}: {cause}")]
    Io {
        /// What was being done.
        what: String,
        /// The operating system's reason.
        cause: std::io::Error,
    },
}

impl Failure {
    /// The exit code that it leads to.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Usage(_) => Status::Usage,
            _ => Status::Finding,
        }
    }

    /// A failed file operation: `Failure::io("cannot write postern.toml")`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |cause| Self::Io { what, cause }
    }
}

fn store_advice(error: &StoreError) -> &'static str {
    match error {
        StoreError::ReadOnly => "; run this as root or as the user that `server.user` names",
        StoreError::Full => "; free some space and try again",
        StoreError::Busy => "; try again",
        StoreError::Newer { .. } => "; install that version, or restore a backup made by this one",
        _ => "",
    }
}
