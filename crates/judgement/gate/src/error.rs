//! Why a gate cannot be made from its settings.

use std::path::PathBuf;

/// Why a gate cannot be made from its settings. On a reload the old lists and rules stay in use.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// A list's file cannot be read.
    #[error("{}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line of a list's file is no entry.
    #[error("{}:{line}: {why}", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// An entry of a list in the settings is none.
    #[error("list {list}: {why}")]
    Entry {
        /// The list.
        list: String,
        /// What is wrong with it.
        why: String,
    },
    /// The pattern of a header rule is no regular expression, or too large a one.
    #[error("header rule {rule}: {why}")]
    HeaderRule {
        /// The rule.
        rule: String,
        /// What is wrong with it.
        why: String,
    },
    /// A DNS list's zone and key leave no room for an address in front of them.
    #[error("DNS list {zone}: {why}")]
    Zone {
        /// The zone.
        zone: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no tokio runtime to run the health checks in.
    #[error("the gate needs a tokio runtime")]
    NoRuntime,
}
