//! The session: its states, and the way from one event to the next (RFC 1939 §3–6).

use std::fmt;
use std::sync::Arc;

use crate::Denial;
use crate::command::{Command, Syntax};
use crate::event::{Ending, Event, Extent};
use crate::output::Output;
use crate::settings::{Channel, Settings};
use crate::stuffing::Stuffer;
use crate::transaction::{Listing, Transaction};

/// The driver writes before the output grows much beyond this.
const FLUSH_AT: usize = 16 * 1024;
/// Octets of a SASL response: room for a name and a password of 255 characters each.
const RESPONSE_LINE: usize = 4096;

/// One client's session.
///
/// The driver calls [`next`](Self::next) in a loop and does what the event says. After an
/// event that asks for an answer it gives the answer before it calls `next` again; until
/// then `next` returns [`Event::NeedInput`] without looking at the input.
pub struct Session {
    pub(crate) settings: Arc<Settings>,
    pub(crate) channel: Channel,
    pub(crate) state: State,
    pub(crate) input: Vec<u8>,
    pub(crate) output: Output,
    /// The rest of a line that is too long is being passed over.
    pub(crate) overlong: bool,
    errors: u32,
    pub(crate) failed_logins: u32,
}

pub(crate) enum State {
    /// Before the login; the name if `USER` gave it.
    Authorization { user: Option<String> },
    /// `AUTH PLAIN` waits for its response.
    Response,
    /// The driver checks a password.
    SigningIn,
    /// The driver makes TLS.
    StartingTls,
    /// Signed in.
    Transaction(Transaction),
    /// The driver reads a message.
    Retrieving { transaction: Transaction, size: u64, extent: Extent },
    /// The content of a message goes out.
    Sending { transaction: Transaction, stuffer: Stuffer },
    /// The driver deletes.
    Updating { count: usize },
    /// Nothing more is said.
    Closed(Ending),
}

impl Session {
    /// A session that greets its client.
    #[must_use]
    pub fn new(settings: Arc<Settings>, channel: Channel) -> Self {
        let mut session = Self {
            settings,
            channel,
            state: State::Authorization { user: None },
            input: Vec::new(),
            output: Output::default(),
            overlong: false,
            errors: 0,
            failed_logins: 0,
        };
        // rfc1939 §7: `<` in the greeting would offer APOP.
        session.output.ok(format_args!("{} POP3 ready", session.settings.hostname));
        session
    }

    /// Takes what the client sent. To be called only after [`Event::NeedInput`], so that no
    /// more than one read is ever held beside an unfinished line.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// What waits to be written; the driver takes it out.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output.0
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel
    }

    /// What the driver must do now.
    #[allow(clippy::should_implement_trait, reason = "not an iterator: each event waits for its answer")]
    pub fn next(&mut self) -> Event {
        loop {
            if let State::Closed(ending) = self.state {
                return Event::Close(ending);
            }
            if self.output.0.len() >= FLUSH_AT {
                return Event::Flush;
            }
            match &mut self.state {
                State::Transaction(transaction) => {
                    if transaction.list(&mut self.output, FLUSH_AT) == Listing::Unfinished {
                        return Event::Flush;
                    }
                }
                State::Authorization { .. } | State::Response => {}
                _ => return Event::NeedInput,
            }
            let Some(line) = self.take_line() else { return Event::NeedInput };
            let event = match line {
                Ok(line) => self.line(&line),
                Err(Overlong) => self.overlong_line(),
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    /// The next whole line without its line end.
    fn take_line(&mut self) -> Option<Result<Vec<u8>, Overlong>> {
        let limit = match self.state {
            State::Response => RESPONSE_LINE,
            _ => self.settings.limits.command_line,
        };
        let Some(end) = memchr::memchr(b'\n', &self.input) else {
            if self.input.len() >= limit {
                self.overlong = true;
                self.input.clear();
            }
            return None;
        };
        let mut line: Vec<u8> = self.input.drain(..=end).collect();
        if std::mem::take(&mut self.overlong) || line.len() > limit {
            return Some(Err(Overlong));
        }
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some(Ok(line))
    }

    fn overlong_line(&mut self) -> Option<Event> {
        if let State::Response = self.state {
            self.state = State::Authorization { user: None };
        }
        self.wrong("the line is too long")
    }

    fn line(&mut self, line: &[u8]) -> Option<Event> {
        if let State::Response = self.state {
            self.state = State::Authorization { user: None };
            return self.sasl_response(line);
        }
        let command = match Command::parse(line) {
            Ok(command) => command,
            Err(Syntax::Unknown) => return self.wrong("no such command here"),
            Err(Syntax::Arguments) => return self.wrong("the arguments are wrong"),
        };
        match (&mut self.state, command) {
            (_, Command::Capa) => self.capabilities(),
            (State::Transaction(transaction), Command::Quit) => {
                let delete = transaction.maildrop.marked();
                self.state = State::Updating { count: delete.len() };
                return Some(Event::Update { delete });
            }
            (State::Transaction(transaction), command) => {
                match transaction.command(command, &mut self.output) {
                    Ok(None) => {}
                    Ok(Some(retrieve)) => {
                        return Some(self.retrieve(retrieve.index, retrieve.size, retrieve.extent));
                    }
                    Err(why) => return self.wrong(why),
                }
            }
            (State::Authorization { .. }, command) => return self.authorization(command),
            // `next` reads no lines in the other states.
            _ => {}
        }
        None
    }

    /// The state, to be replaced by the next at once.
    pub(crate) fn take_state(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Closed(Ending::Server))
    }

    /// A command that was wrong: counted, and too many end the session.
    pub(crate) fn wrong(&mut self, why: &str) -> Option<Event> {
        self.errors += 1;
        if self.errors >= self.settings.limits.errors {
            self.output.err("too many wrong commands");
            self.state = State::Closed(Ending::Errors);
        } else {
            self.output.err(why);
        }
        None
    }

    /// Ends the session from the server's side, with a last word.
    pub fn end(&mut self, denial: &Denial) {
        match self.state {
            // In the midst of a multi-line response a line would be taken for content.
            State::Sending { .. } | State::Closed(_) => {}
            State::Transaction(ref transaction) if transaction.is_listing() => {}
            _ => self.output.err(denial),
        }
        self.state = State::Closed(Ending::Server);
    }
}

/// A line was longer than its limit.
struct Overlong;

/// Shows neither input nor output: they hold passwords and mail.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Authorization { .. } => "authorization",
            State::Response => "response",
            State::SigningIn => "signing in",
            State::StartingTls => "starting TLS",
            State::Transaction(_) => "transaction",
            State::Retrieving { .. } => "retrieving",
            State::Sending { .. } => "sending",
            State::Updating { .. } => "updating",
            State::Closed(_) => "closed",
        };
        f.debug_struct("Session")
            .field("state", &state)
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}
