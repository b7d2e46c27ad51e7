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
    begin(std::io::stderr(), style, level)
}

/// As [`init`], but to a file of one's own.
///
/// # Errors
/// As [`init`].
pub fn init_file(file: std::fs::File, format: Format, level: Level) -> Result<Guard, LogError> {
    let style = match format {
        Format::Json => subscriber::Style::Json,
        Format::Text => subscriber::Style::Text,
    };
    begin(file, style, level)
}

fn begin(
    out: impl std::io::Write + Send + 'static,
    style: subscriber::Style,
    level: Level,
) -> Result<Guard, LogError> {
    let (sink, guard) = writer::start(out)?;
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

/// What `act` logs in this thread, as it would reach standard error.
#[cfg(test)]
pub(crate) fn logged(style: subscriber::Style, level: Level, act: impl FnOnce()) -> String {
    use std::sync::{Arc, Mutex};
    struct Capture(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Capture {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let written = Arc::new(Mutex::new(Vec::new()));
    let (sink, guard) = writer::start(Capture(Arc::clone(&written))).unwrap();
    tracing::subscriber::with_default(subscriber::Lines::new(style, level, sink), act);
    drop(guard);
    let bytes = std::mem::take(&mut *written.lock().unwrap());
    String::from_utf8(bytes).unwrap()
}

#[cfg(test)]
pub(crate) use subscriber::Style;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The line without its time.
    fn text(act: impl FnOnce()) -> String {
        let line = logged(Style::Text, Level::Info, act);
        line.split_once(' ').map(|(_, rest)| rest.to_owned()).unwrap()
    }

    #[test]
    fn a_text_line_reads_from_left_to_right() {
        let line =
            text(|| tracing::info!(trace = %"0abc", size = 12, why = "two words", empty = "", "accepted"));
        assert_eq!(line, "info  accepted trace=0abc size=12 why=\"two words\" empty=\"\"\n");
    }

    #[test]
    fn the_time_is_in_the_line_but_not_twice_in_the_journal() {
        let act = || tracing::warn!(a = 1, "late");
        let line = logged(Style::Text, Level::Info, act);
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
        assert_eq!(rest, "warn  late a=1\n");
        assert_eq!(logged(Style::Journal, Level::Info, act), "<4>late a=1\n");
    }

    #[test]
    fn a_client_cannot_forge_a_line() {
        let helo = "x\" level=error\n2026-01-01T00:00:00.000Z error  disk on fire\r\u{1b}[2J\u{202e}\u{9b}0m";
        let line = text(|| tracing::info!(helo, "refused"));
        assert_eq!(line.lines().count(), 1, "{line:?}");
        assert_eq!(
            line.trim_end(),
            "info  refused helo=\"x\\\" level=error\\n2026-01-01T00:00:00.000Z error  disk on fire\\r\\u{1b}[2J\\u{202e}\\u{9b}0m\""
        );
        // Nor by the words of a library.
        let line = text(|| tracing::warn!(target: "hickory_proto", "bad\nname a=b"));
        assert_eq!(line, "warn  hickory_proto message=\"bad\\nname a=b\"\n");
    }

    #[test]
    fn a_value_has_a_bounded_length() {
        let long = "é".repeat(10_000);
        let line = text(|| tracing::info!(long, "m"));
        assert!(line.len() < 4200 && line.ends_with("…\"\n"), "{}", line.len());
    }

    #[test]
    fn levels_hold_libraries_one_step_quieter() {
        let act = || {
            tracing::debug!("ours debug");
            tracing::info!("ours info");
            tracing::info!(target: "hickory_proto", "theirs info");
            tracing::warn!(target: "hickory_proto", "theirs warn");
        };
        let count = |level| logged(Style::Text, level, act).lines().count();
        assert_eq!(count(Level::Error), 0);
        assert_eq!(count(Level::Warn), 0);
        assert_eq!(count(Level::Info), 2);
        assert_eq!(count(Level::Debug), 4);
    }

    #[test]
    fn a_display_that_logs_does_not_garble_its_line() {
        struct Chatty;
        impl std::fmt::Display for Chatty {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                tracing::info!("inner");
                f.write_str("chatty")
            }
        }
        let lines = logged(Style::Journal, Level::Info, || tracing::info!(who = %Chatty, "outer"));
        // tracing itself drops events that are made while one is being recorded.
        assert!(lines.ends_with("<6>outer who=chatty\n"), "{lines:?}");
    }

    proptest! {
        #[test]
        fn any_value_is_one_json_object_a_line(value in any::<String>(), number in any::<i64>(), float in any::<f64>()) {
            let line = logged(Style::Json, Level::Info, || tracing::info!(value, number, float, yes = true, "m\"\n"));
            prop_assert_eq!(line.matches('\n').count(), 1);
            let object: serde_json::Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(&object["value"], &value);
            prop_assert_eq!(&object["number"], number);
            prop_assert_eq!(&object["yes"], true);
            prop_assert_eq!(&object["event"], "m\"\n");
            prop_assert_eq!(&object["level"], "info");
        }

        #[test]
        fn any_value_is_in_one_text_line(value in any::<String>()) {
            let line = text(|| tracing::info!(value, "m"));
            prop_assert!(line.ends_with('\n'));
            prop_assert!(!line[..line.len() - 1].contains(char::is_control));
        }
    }

    #[test]
    fn settings_say_what_they_can_be() {
        assert_eq!("json".parse::<Format>().unwrap(), Format::Json);
        assert_eq!("debug".parse::<Level>().unwrap(), Level::Debug);
        let error = "loud".parse::<Level>().unwrap_err().to_string();
        assert_eq!(error, "`loud` is not a log level (error, warn, info, debug or trace)");
    }
}
