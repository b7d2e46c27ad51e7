//! Where log lines go: standard error, through a bounded buffer and a thread of its own, so
//! that a terminal or pipe that blocks never blocks a session.
//!
//! Two formats: text for people and JSON for machines, one line per event in both. What a
//! client sent is escaped: it can neither end a line nor colour a terminal. Under systemd
//! (when standard error is the journal) text lines carry the syslog level and no time of
//! their own.

mod journal;
mod json;
mod subscriber;
mod text;
mod writer;

use std::str::FromStr;

pub use writer::{Guard, dropped};

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `time level message key=value …`
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is logged. Libraries are held one step quieter than Postern itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What somebody must act on.
    Error,
    /// What somebody should look at.
    Warn,
    /// What happened to mail.
    #[default]
    Info,
    /// What happened to connections.
    Debug,
    /// Everything.
    Trace,
}

/// Why the log could not be set up, or its settings read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// [`init`] was called before.
    #[error("the log is set up already")]
    Twice,
    /// The operating system gave no thread.
    #[error("no thread for the log: {0}")]
    Thread(#[from] std::io::Error),
    /// Not a format.
    #[error("`{0}` is not a log format (text or json)")]
    Format(String),
    /// Not a level.
    #[error("`{0}` is not a log level (error, warn, info, debug or trace)")]
    Level(String),
}

/// Sends all events and panics of the process to standard error from now on. Whoever holds the
/// guard drops it last: that writes what is buffered.
///
/// # Errors
/// When it was called before, or there is no thread to be had.
pub fn init(format: Format, level: Level) -> Result<Guard, LogError> {
    let style = match format {
        Format::Json => subscriber::Style::Json,
        Format::Text if journal::is_stderr() => subscriber::Style::Journal,
        Format::Text => subscriber::Style::Text,
    };
    let (sink, guard) = writer::start(std::io::stderr())?;
    let subscriber = subscriber::Lines::new(style, level, sink);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
    std::panic::set_hook(Box::new(report_panic));
    Ok(guard)
}

/// A panic ends its task, not the process: it must not pass unseen.
fn report_panic(info: &std::panic::PanicHookInfo<'_>) {
    let place = info.location().map(tracing::field::display);
    let what = info.payload_as_str().unwrap_or("(no text)");
    tracing::error!(place, what, "panic");
}

impl FromStr for Format {
    type Err = LogError;
    fn from_str(text: &str) -> Result<Self, LogError> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(LogError::Format(text.chars().take(40).collect())),
        }
    }
}

impl FromStr for Level {
    type Err = LogError;
    fn from_str(text: &str) -> Result<Self, LogError> {
        match text {
            "error" => Ok(Self::Error),
            "warn" => Ok(Self::Warn),
            "info" => Ok(Self::Info),
            "debug" => Ok(Self::Debug),
            "trace" => Ok(Self::Trace),
            _ => Err(LogError::Level(text.chars().take(40).collect())),
        }
    }
}
