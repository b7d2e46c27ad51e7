//! Message bodies on the wire: dots, line ends, chunks.
//!
//! The smuggling attacks of 2023 lived on servers that disagreed where a message ends. Here its end is
//! CR LF `.` CR LF and nothing else, both ways, and what goes out never holds a lone CR or LF.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub(crate) use decode::{Bounds, Decoder};
pub(crate) use encode::Encoder;

/// How a message's octets stand on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After DATA: lines, a dot in front of those that begin with one (RFC 5321 §4.5.2).
    Dots,
    /// After BDAT: lines as they are (RFC 3030).
    Chunks,
    /// After BDAT with BODY=BINARYMIME: octets as they are.
    Binary,
}
