//! The `tracing` subscriber: events become lines, spans are not used.

use std::cell::RefCell;

use postern_types::Timestamp;
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::subscriber::Interest;
use tracing_core::{Event, LevelFilter, Metadata, Subscriber};

use super::Level;
use super::json::JsonLine;
use super::text::TextLine;
use super::writer::Sink;

/// The looks of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// For people at a terminal or a file.
    Text,
    /// Text for the systemd journal: syslog level in front, no time.
    Journal,
    /// JSON.
    Json,
}

/// Formats each event into a buffer of its thread and hands it to the sink.
pub(super) struct Lines {
    style: Style,
    level: Level,
    sink: Sink,
}

impl Lines {
    pub(super) fn new(style: Style, level: Level, sink: Sink) -> Self {
        Self { style, level, sink }
    }

    /// Libraries are one step quieter: what they do is rarely the operator's business.
    fn limit(&self, target: &str) -> LevelFilter {
        let ours = is_ours(target);
        match self.level {
            Level::Error => LevelFilter::ERROR,
            Level::Warn if ours => LevelFilter::WARN,
            Level::Warn => LevelFilter::ERROR,
            Level::Info if ours => LevelFilter::INFO,
            Level::Info => LevelFilter::WARN,
            Level::Debug if ours => LevelFilter::DEBUG,
            Level::Debug => LevelFilter::INFO,
            Level::Trace => LevelFilter::TRACE,
        }
    }
}

/// Whether an event comes from one of Postern's own crates.
pub(super) fn is_ours(target: &str) -> bool {
    target == "postern" || target.starts_with("postern_") || target.starts_with("postern::")
}

thread_local! {
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
}

impl Subscriber for Lines {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= self.limit(metadata.target())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.limit("postern"))
    }

    fn event(&self, event: &Event<'_>) {
        let now = Timestamp::now();
        LINE.with(|line| {
            // An event within the formatting of an event (a Display that logs) gets its own buffer.
            let mut spare = String::new();
            let mut borrowed = line.try_borrow_mut();
            let line = match borrowed {
                Ok(ref mut line) => &mut **line,
                Err(_) => &mut spare,
            };
            line.clear();
            match self.style {
                Style::Json => JsonLine::write(line, now, event),
                Style::Text => TextLine::write(line, Some(now), event),
                Style::Journal => TextLine::write(line, None, event),
            }
            self.sink.line(line.as_bytes());
        });
    }

    // Spans are never enabled, so none of these is called for a span that means anything.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
