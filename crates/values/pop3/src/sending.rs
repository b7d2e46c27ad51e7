//! What the driver answers in TRANSACTION and UPDATE (RFC 1939 §5, §6): the content of a
//! message, or the end of those that were marked.

use crate::Denial;
use crate::event::{Ending, Event, Extent};
use crate::session::{Session, State};
use crate::stuffing::{Stuffer, Wanted};

impl Session {
    pub(crate) fn retrieve(&mut self, message: usize, size: u64, extent: Extent) -> Event {
        self.state = match self.take_state() {
            State::Transaction(transaction) => State::Retrieving { transaction, size, extent },
            other => other,
        };
        Event::Retrieve { message, extent }
    }

    /// The answer to [`Event::Retrieve`]: the message is there, its content follows.
    pub fn content_begins(&mut self) {
        self.state = match self.take_state() {
            State::Retrieving { transaction, size, extent } => {
                let stuffer = match extent {
                    Extent::Whole => {
                        self.output.ok(format_args!("{size} octets"));
                        Stuffer::whole()
                    }
                    Extent::Top(lines) => {
                        self.output.ok("the top follows");
                        Stuffer::top(lines)
                    }
                };
                State::Sending { transaction, stuffer }
            }
            other => other,
        };
    }

    /// A piece of the content goes to the output, which the driver writes when it is large.
    pub fn content(&mut self, chunk: &[u8]) -> Wanted {
        match &mut self.state {
            State::Sending { stuffer, .. } => stuffer.encode(chunk, &mut self.output.0),
            _ => Wanted::Enough,
        }
    }

    /// The content is complete. (Where it cannot be completed, the driver hangs up: the
    /// client sees no terminator and knows.)
    pub fn content_ends(&mut self) {
        self.state = match self.take_state() {
            State::Sending { transaction, stuffer } => {
                stuffer.finish(&mut self.output.0);
                State::Transaction(transaction)
            }
            other => other,
        };
    }

    /// The answer to [`Event::Retrieve`]: it cannot be read.
    pub fn content_denied(&mut self, denial: &Denial) {
        self.state = match self.take_state() {
            State::Retrieving { transaction, .. } => {
                self.output.err(denial);
                State::Transaction(transaction)
            }
            other => other,
        };
    }

    /// The answer to [`Event::Update`]: the messages are deleted.
    pub fn updated(&mut self) {
        if let State::Updating { count } = self.state {
            self.output.ok(format_args!("bye, {count} messages deleted"));
            self.state = State::Closed(Ending::Quit);
        }
    }

    /// The answer to [`Event::Update`]: none was deleted.
    pub fn update_denied(&mut self, denial: &Denial) {
        if let State::Updating { .. } = self.state {
            // rfc1939 §6: -ERR if some deleted messages were not removed.
            self.output.err(denial);
            self.state = State::Closed(Ending::Quit);
        }
    }
}
