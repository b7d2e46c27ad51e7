//! From the wire to a message: dots taken off once, line ends checked, size counted.

use memchr::memchr2;

use super::Framing;
use crate::BareNewline;
use crate::server::BodyEnd;

/// What a message may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Octets in all.
    pub(crate) size: u64,
    /// Octets of a line without its CR LF.
    pub(crate) line: usize,
    /// What a lone CR or LF does.
    pub(crate) bare_newline: BareNewline,
}

/// Where in a line the last octet was. The states are those of rfc5321 §4.1.1.4: only from
/// `LineStart`, which only CR LF leads to, can the message end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Behind CR LF, or at the very beginning.
    LineStart,
    /// Behind a lone LF: a line starts, but the message cannot end here.
    AfterBareLf,
    Inside,
    /// Behind a CR that awaits its LF.
    Cr,
    /// Behind the dot at a line's start.
    Dot,
    /// Behind that dot and a CR.
    DotCr,
}

/// Decodes one message, piece by piece. Memory: none beyond what it writes.
#[derive(Debug)]
pub(crate) struct Decoder {
    framing: Framing,
    bounds: Bounds,
    state: State,
    size: u64,
    line: usize,
    has_bare: bool,
    has_long: bool,
}

impl Decoder {
    pub(crate) fn new(framing: Framing, bounds: Bounds) -> Self {
        let state = State::LineStart;
        Self { framing, bounds, state, size: 0, line: 0, has_bare: false, has_long: false }
    }

    /// Decodes `input` into `out`. Says how many octets it took, and whether the message ended with them
    /// (only [`Framing::Dots`] ends by itself, and only then is less than everything taken).
    pub(crate) fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
        if self.framing == Framing::Binary {
            self.put(input, out);
            return (input.len(), false);
        }
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match (self.state, byte) {
                // rfc5321 §4.5.2: a dot at the start of a line is taken off, if more follows.
                (State::LineStart, b'.') if self.framing == Framing::Dots => {
                    self.state = State::Dot;
                    at += 1;
                }
                (State::AfterBareLf, b'.') if self.framing == Framing::Dots => {
                    self.state = State::Inside;
                    at += 1;
                }
                (State::LineStart | State::AfterBareLf | State::Inside, _) => {
                    at += self.run(&input[at..], out)
                }
                (State::Dot, b'\r') => {
                    self.state = State::DotCr;
                    at += 1;
                }
                (State::Dot, _) => self.state = State::Inside,
                (State::DotCr, b'\n') => return (at + 1, true),
                (State::Cr, b'\n') => {
                    self.end_line(out);
                    self.state = State::LineStart;
                    at += 1;
                }
                (State::Cr | State::DotCr, _) => self.bare_cr(out),
            }
        }
        (at, false)
    }

    /// Copies lines as far as they need no change, and the odd line end behind them.
    fn run(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let mut line_start = 0;
        self.state = State::Inside;
        loop {
            let Some(found) = memchr2(b'\r', b'\n', &input[line_start..]) else {
                self.grow(input.len() - line_start);
                self.put(input, out);
                return input.len();
            };
            let at = line_start + found;
            self.grow(found);
            match (input[at], input.get(at + 1)) {
                (b'\r', Some(b'\n')) => {
                    self.line = 0;
                    line_start = at + 2;
                    // The outer loop looks at a dot, and at what comes with the next piece.
                    if matches!(input.get(line_start), None | Some(b'.')) {
                        self.put(&input[..line_start], out);
                        self.state = State::LineStart;
                        return line_start;
                    }
                }
                (b'\r', _) => {
                    self.put(&input[..at], out);
                    self.state = State::Cr;
                    return at + 1;
                }
                _ => {
                    self.put(&input[..at], out);
                    self.bare_lf(out);
                    return at + 1;
                }
            }
        }
    }

    /// After the last chunk: ends an unfinished last line.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if self.framing == Framing::Binary {
            return;
        }
        if self.state == State::Cr {
            self.bare_cr(out);
        }
        if self.state == State::Inside {
            self.end_line(out);
            self.state = State::LineStart;
        }
    }

    /// What is to be said about the message so far.
    pub(crate) fn verdict(&self) -> BodyEnd {
        if self.size > self.bounds.size {
            BodyEnd::TooLarge
        } else if self.has_bare {
            BodyEnd::BareNewline
        } else if self.has_long {
            BodyEnd::LineTooLong
        } else {
            BodyEnd::Complete
        }
    }

    /// Whether the message is worth keeping so far.
    pub(crate) fn is_clean(&self) -> bool {
        self.verdict() == BodyEnd::Complete
    }

    fn put(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.size = self.size.saturating_add(bytes.len() as u64);
        // What can only be refused is counted to its end and thrown away.
        if self.is_clean() {
            out.extend_from_slice(bytes);
        }
    }

    fn grow(&mut self, octets: usize) {
        self.line = self.line.saturating_add(octets);
        self.has_long |= self.line > self.bounds.line;
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        self.put(b"\r\n", out);
        self.line = 0;
    }

    fn bare_cr(&mut self, out: &mut Vec<u8>) {
        self.state = State::Inside;
        match self.bounds.bare_newline {
            BareNewline::Refuse => self.has_bare = true,
            BareNewline::Normalise => {
                self.grow(1);
                self.put(b" ", out);
            }
        }
    }

    fn bare_lf(&mut self, out: &mut Vec<u8>) {
        match self.bounds.bare_newline {
            BareNewline::Refuse => {
                self.has_bare = true;
                self.state = State::Inside;
            }
            BareNewline::Normalise => {
                self.end_line(out);
                self.state = State::AfterBareLf;
            }
        }
    }
}
