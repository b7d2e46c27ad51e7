//! Replies as bytes.

use std::fmt;
use std::io::Write as _;

/// What waits to be written to the client.
#[derive(Default)]
pub(crate) struct Output(pub(crate) Vec<u8>);

impl Output {
    /// `+OK text`
    pub(crate) fn ok(&mut self, text: impl fmt::Display) {
        self.line(format_args!("+OK {text}"));
    }

    /// `-ERR text`
    pub(crate) fn err(&mut self, text: impl fmt::Display) {
        self.line(format_args!("-ERR {text}"));
    }

    /// A line of any kind.
    pub(crate) fn line(&mut self, text: impl fmt::Display) {
        // Writing to a Vec cannot fail.
        let _ = write!(self.0, "{text}\r\n");
    }
}
