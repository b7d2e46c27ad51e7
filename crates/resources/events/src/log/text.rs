//! Text lines: `time level message key=value key="value with spaces"`.
//!
//! Values may come from hostile clients. Whatever could end the line, end the quotes, move a
//! terminal's cursor or turn the direction of text is written as an escape.

use std::fmt::{self, Write as _};

use postern_types::Timestamp;
use tracing_core::field::{Field, Visit};
use tracing_core::{Event, Level};

use super::subscriber::is_ours;

/// Octets of one value that are shown.
const VALUE_MAX: usize = 4096;

/// Appends an event's fields to a line.
pub(super) struct TextLine<'a> {
    line: &'a mut String,
    ours: bool,
}

impl TextLine<'_> {
    /// Appends the whole line with its newline. Without a time it is one for the journal.
    pub(super) fn write(line: &mut String, time: Option<Timestamp>, event: &Event<'_>) {
        let (number, name) = level(*event.metadata().level());
        // Writing to a String cannot fail.
        let _ = match time {
            Some(time) => write!(line, "{time} {name:<5}"),
            None => write!(line, "<{number}>"),
        };
        let ours = is_ours(event.metadata().target());
        if !ours {
            // A library's words are not ours: they are quoted as a field of their own.
            let _ = write!(line, " {}", event.metadata().target());
        }
        event.record(&mut TextLine { line, ours });
        if line.starts_with('<') {
            // The journal's level stands directly before the message.
            line.replace_range(3..4, "");
        }
        line.push('\n');
    }

    fn value(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if field.name() == "message" && self.ours {
            self.line.push(' ');
            let start = self.line.len();
            let _ = self.line.write_fmt(value);
            escape_tail(self.line, start, Quotes::No);
            return;
        }
        let _ = write!(self.line, " {}=", field.name());
        let start = self.line.len();
        // A Display that fails leaves what it wrote so far.
        let _ = self.line.write_fmt(value);
        escape_tail(self.line, start, Quotes::WhereNeeded);
    }
}

impl Visit for TextLine<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.value(field, format_args!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.value(field, format_args!("{value}"));
    }
}

/// The syslog severity for the journal and the name for people.
fn level(level: Level) -> (u8, &'static str) {
    match level {
        Level::ERROR => (3, "error"),
        Level::WARN => (4, "warn"),
        Level::INFO => (6, "info"),
        Level::DEBUG => (7, "debug"),
        _ => (7, "trace"),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    No,
    WhereNeeded,
}

/// Makes what stands behind `start` safe: cuts it, escapes it, puts quotes round it where it
/// holds spaces or quotes or nothing.
fn escape_tail(line: &mut String, start: usize, quotes: Quotes) {
    let plain = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    let tail = &line[start..];
    if tail.len() <= VALUE_MAX && !tail.is_empty() && tail.bytes().all(plain) {
        return;
    }
    let raw = line.split_off(start);
    let shown = &raw[..raw.floor_char_boundary(VALUE_MAX)];
    let quoted = quotes == Quotes::WhereNeeded;
    if quoted {
        line.push('"');
    }
    for c in shown.chars() {
        match c {
            '"' | '\\' if quoted => line.extend(['\\', c]),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if misleads(c) => _ = write!(line, "\\u{{{:x}}}", c as u32),
            c => line.push(c),
        }
    }
    if shown.len() < raw.len() {
        line.push('…');
    }
    if quoted {
        line.push('"');
    }
}

/// Characters that a terminal or editor does not show as themselves: controls, line and
/// direction marks, invisible ones.
pub(super) fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
