//! JSON lines: `{"time":"…","level":"info","event":"…","key":value,…}`.

use std::fmt::{self, Write as _};

use postern_types::Timestamp;
use tracing_core::Event;
use tracing_core::field::{Field, Visit};

use super::subscriber::is_ours;
use super::text::misleads;

/// Appends an event's fields to an object.
pub(super) struct JsonLine<'a>(&'a mut String);

impl JsonLine<'_> {
    /// Appends the whole object with a newline.
    pub(super) fn write(line: &mut String, time: Timestamp, event: &Event<'_>) {
        let metadata = event.metadata();
        // Writing to a String cannot fail.
        let _ = write!(line, "{{\"time\":\"{time}\",\"level\":\"");
        line.extend(metadata.level().as_str().chars().map(|c| c.to_ascii_lowercase()));
        line.push('"');
        if !is_ours(metadata.target()) {
            line.push_str(",\"target\":\"");
            let _ = Escaped(line).write_str(metadata.target());
            line.push('"');
        }
        event.record(&mut JsonLine(line));
        line.push_str("}\n");
    }

    fn key(&mut self, field: &Field) {
        let name = if field.name() == "message" { "event" } else { field.name() };
        // Field names are identifiers of the source: nothing to escape.
        let _ = write!(self.0, ",\"{name}\":");
    }

    fn text(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        self.key(field);
        self.0.push('"');
        // A Display that fails leaves what it wrote so far.
        let _ = Escaped(self.0).write_fmt(value);
        self.0.push('"');
    }

    fn bare(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        self.key(field);
        let _ = self.0.write_fmt(value);
    }
}

impl Visit for JsonLine<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format_args!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, format_args!("{value}"));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, format_args!("{value}"));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, format_args!("{value}"));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, format_args!("{value}"));
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.bare(field, format_args!("{value}"));
        } else {
            // rfc8259 §6: infinities and NaN are no JSON numbers.
            self.text(field, format_args!("{value}"));
        }
    }
}

/// Writes the inside of a JSON string (RFC 8259 §7).
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '"' | '\\' => self.0.extend(['\\', c]),
                '\n' => self.0.push_str("\\n"),
                '\r' => self.0.push_str("\\r"),
                '\t' => self.0.push_str("\\t"),
                c if misleads(c) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        write!(self.0, "\\u{unit:04x}")?;
                    }
                }
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}
