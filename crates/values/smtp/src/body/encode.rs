//! From a message to the wire: dots put on once, line ends made clean.

use memchr::memchr2;

use super::Framing;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    LineStart,
    Inside,
    /// Behind a CR that is held back until its LF comes.
    Cr,
}

/// Encodes one message, piece by piece. A lone LF becomes CR LF, a lone CR a space, so whatever the
/// message holds, the server behind sees one end only.
#[derive(Debug)]
pub(crate) struct Encoder {
    framing: Framing,
    state: State,
}

impl Encoder {
    pub(crate) fn new(framing: Framing) -> Self {
        Self { framing, state: State::LineStart }
    }

    pub(crate) fn encode(&mut self, input: &[u8], out: &mut Vec<u8>) {
        if self.framing == Framing::Binary {
            out.extend_from_slice(input);
            return;
        }
        out.reserve(input.len());
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match (self.state, byte) {
                // rfc5321 §4.5.2: a line that begins with a dot gets another in front.
                (State::LineStart, b'.') if self.framing == Framing::Dots => {
                    out.push(b'.');
                    self.state = State::Inside;
                }
                (State::Cr, b'\n') => {
                    out.extend_from_slice(b"\r\n");
                    self.state = State::LineStart;
                    at += 1;
                }
                (State::Cr, _) => {
                    out.push(b' ');
                    self.state = State::Inside;
                }
                (State::LineStart | State::Inside, _) => at += self.run(&input[at..], out),
            }
        }
    }

    /// Copies lines as far as they need no change, and the odd line end behind them.
    fn run(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let mut line_start = 0;
        self.state = State::Inside;
        loop {
            let Some(found) = memchr2(b'\r', b'\n', &input[line_start..]) else {
                out.extend_from_slice(input);
                return input.len();
            };
            let at = line_start + found;
            match (input[at], input.get(at + 1)) {
                (b'\r', Some(b'\n')) => {
                    line_start = at + 2;
                    if matches!(input.get(line_start), None | Some(b'.')) {
                        out.extend_from_slice(&input[..line_start]);
                        self.state = State::LineStart;
                        return line_start;
                    }
                }
                (b'\r', _) => {
                    out.extend_from_slice(&input[..at]);
                    self.state = State::Cr;
                    return at + 1;
                }
                _ => {
                    out.extend_from_slice(&input[..at]);
                    out.extend_from_slice(b"\r\n");
                    self.state = State::LineStart;
                    return at + 1;
                }
            }
        }
    }

    /// Ends the last line where it is not ended, and with [`Framing::Dots`] the message.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if self.framing == Framing::Binary {
            return;
        }
        if self.state == State::Cr {
            out.push(b' ');
            self.state = State::Inside;
        }
        if self.state == State::Inside {
            out.extend_from_slice(b"\r\n");
            self.state = State::LineStart;
        }
        if self.framing == Framing::Dots {
            out.extend_from_slice(b".\r\n");
        }
    }
}
