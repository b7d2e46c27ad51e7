//! The session: from negotiation through messages to the end.

use std::fmt;

use crate::event::{Answer, Change, ChangeRefused, Closing, Event};
use crate::flags::{Actions, Steps};
use crate::macros::{Macros, Stage};
use crate::packet::{LARGEST_PACKET, Packets};
use crate::reply::Reply;
use crate::{Command, change};

/// The newest version of the protocol, and the oldest that is understood.
const VERSION: u32 = 6;
const OLDEST: u32 = 2;

/// What the filter wants of the MTA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What it must be allowed to do; an MTA that does not let it ends the session.
    pub actions: Actions,
    /// What the MTA is to leave out, and how the conversation is to go, as far as the MTA can.
    pub steps: Steps,
    /// Octets of the largest packet; [`LARGEST_PACKET`].
    pub packet: usize,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { actions: Actions::NONE, steps: Steps::NONE, packet: LARGEST_PACKET }
    }
}

/// One connection of an MTA: one SMTP session after the other, each with any number of messages.
///
/// The driver calls [`next`](Self::next) in a loop and does what the event says. To an event that asks
/// for it, it gives an [`answer`](Self::answer) before it calls `next` again.
pub struct Session {
    wanted: Wanted,
    packets: Packets,
    output: Vec<u8>,
    state: State,
    steps: Steps,
    actions: Actions,
    version: u32,
    macros: Macros,
    /// The event that waits for its answer.
    asked: Option<Asked>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was said.
    New,
    /// Both sides have agreed; no client is there.
    Agreed,
    /// A client is there, no transaction is open.
    Connected,
    /// Between MAIL and the message.
    Envelope,
    /// The header comes.
    Header,
    /// The body comes.
    Body,
    /// Nothing more is said.
    Closed(Closing),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Connect,
    Hello,
    Mail,
    Rcpt,
    Data,
    Header,
    EndOfHeader,
    Body,
    EndOfMessage,
    Unknown,
}

impl Session {
    /// A session with an MTA that has just connected.
    #[must_use]
    pub fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            packets: Packets::with_limit(wanted.packet),
            output: Vec::new(),
            state: State::New,
            steps: Steps::NONE,
            actions: Actions::NONE,
            version: 0,
            macros: Macros::default(),
            asked: None,
        }
    }

    /// Takes what the MTA sent. To be called only after [`Event::NeedInput`], so that no more than one read is
    /// held beside an unfinished packet.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.packets.push(bytes);
    }

    /// What waits to be written; the driver takes it out.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// What the MTA has told besides.
    #[must_use]
    pub fn macros(&self) -> &Macros {
        &self.macros
    }

    /// What was agreed: the version, what the filter may do, and how the conversation goes.
    #[must_use]
    pub fn agreed(&self) -> (u32, Actions, Steps) {
        (self.version, self.actions, self.steps)
    }

    /// What the driver must do now.
    #[allow(clippy::should_implement_trait, reason = "not an iterator: each event waits for its answer")]
    pub fn next(&mut self) -> Event {
        loop {
            if let State::Closed(why) = self.state {
                return Event::Close(why);
            }
            if self.asked.is_some() {
                // A driver that has not answered yet gets nothing else to do.
                return Event::NeedInput;
            }
            match Command::next(&mut self.packets) {
                Ok(None) => return Event::NeedInput,
                Ok(Some(command)) => {
                    if let Some(event) = self.command(command) {
                        return event;
                    }
                }
                Err(malformed) => self.state = State::Closed(Closing::Malformed(malformed)),
            }
        }
    }

    fn command(&mut self, command: Command) -> Option<Event> {
        match command {
            Command::Negotiate { version, actions, steps } => self.negotiate(version, actions, steps),
            Command::Macros { stage, values } => {
                self.macros.set(stage, values);
                return None;
            }
            Command::Quit => self.state = State::Closed(Closing::Quit),
            Command::QuitNewConnection => {
                let there = !matches!(self.state, State::New | State::Agreed);
                self.macros = Macros::default();
                if self.state != State::New {
                    self.state = State::Agreed;
                }
                return there.then_some(Event::Gone);
            }
            Command::Abort => {
                let open = matches!(self.state, State::Envelope | State::Header | State::Body);
                if open {
                    self.state = State::Connected;
                }
                self.macros.forget(Stage::Mail);
                return open.then_some(Event::Abort);
            }
            command => return self.step(command),
        }
        None
    }

    fn negotiate(&mut self, version: u32, offered: Actions, steps: Steps) {
        if !matches!(self.state, State::New | State::Agreed) {
            return self.out_of_turn("negotiation in the midst of a session");
        }
        let lacks = self.wanted.actions.without(offered);
        if version < OLDEST {
            self.state = State::Closed(Closing::Version(version));
        } else if lacks.is_empty() {
            self.version = version.min(VERSION);
            self.actions = self.wanted.actions;
            self.steps = self.wanted.steps & steps;
            self.state = State::Agreed;
            Reply::Negotiate { version: self.version, actions: self.actions, steps: self.steps }
                .encode(&mut self.output);
        } else {
            self.state = State::Closed(Closing::Lacks(lacks));
        }
    }

    /// A command that moves the session on, and is answered.
    fn step(&mut self, command: Command) -> Option<Event> {
        use State::{Agreed, Body, Connected, Envelope, Header};
        let (state, asked, event) = match (self.state, command) {
            (Agreed, Command::Connect(connect)) => (Connected, Asked::Connect, Event::Connect(connect)),
            (State::New | Agreed, _) => return self.refuse("before a client has connected"),
            (_, Command::Hello(name)) => (Connected, Asked::Hello, Event::Hello(name)),
            // An MTA that was told to refuse or accept says nothing more of that message; what was open is over.
            (_, Command::Mail(arguments)) => (Envelope, Asked::Mail, Event::Mail(arguments)),
            (state, Command::Unknown(line)) => (state, Asked::Unknown, Event::Unknown(line)),
            (Envelope, Command::Rcpt(arguments)) => (Envelope, Asked::Rcpt, Event::Rcpt(arguments)),
            (Envelope, Command::Data) => (Envelope, Asked::Data, Event::Data),
            (Envelope | Header, Command::Header { name, value }) => {
                let value = event_value(value, self.steps);
                (Header, Asked::Header, Event::Header { name, value })
            }
            (Envelope | Header, Command::EndOfHeader) => (Body, Asked::EndOfHeader, Event::EndOfHeader),
            (Body, Command::Body(piece)) => (Body, Asked::Body, Event::Body(piece)),
            (Envelope | Header | Body, Command::EndOfMessage(piece)) => {
                (Body, Asked::EndOfMessage, Event::EndOfMessage(piece))
            }
            (_, Command::Connect(_)) => return self.refuse("a second client"),
            (_, Command::Rcpt(_)) => return self.refuse("RCPT without MAIL"),
            _ => return self.refuse("a piece of a message where none is open"),
        };
        self.state = state;
        // What the MTA wants no answer to must not get one: it would be taken for that to the next command.
        let silent = unanswered(asked);
        self.asked = (silent.is_empty() || !self.steps.contains(silent)).then_some(asked);
        Some(event)
    }

    fn refuse(&mut self, why: &'static str) -> Option<Event> {
        self.out_of_turn(why);
        None
    }

    fn out_of_turn(&mut self, why: &'static str) {
        self.state = State::Closed(Closing::OutOfTurn(why));
    }

    /// Answers the event before. Where none asks, or the MTA expects no answer to it, nothing happens.
    pub fn answer(&mut self, answer: Answer) {
        let Some(asked) = self.asked.take() else { return };
        let reply = match answer {
            Answer::Continue => Reply::Continue,
            Answer::Accept => Reply::Accept,
            Answer::Reject => Reply::Reject,
            Answer::TempFail => Reply::TempFail,
            Answer::Discard => Reply::Discard,
            Answer::Refuse(reply) => change::code(&reply).map_or(Reply::TempFail, Reply::Code),
            Answer::Skip if asked == Asked::Body && self.steps.contains(Steps::SKIP) => Reply::Skip,
            Answer::Skip => Reply::Continue,
        };
        let over = match asked {
            // Refused recipients leave the transaction as it is (so does anything said to an unknown command).
            Asked::Connect | Asked::Hello | Asked::Rcpt | Asked::Unknown => false,
            Asked::EndOfMessage => true,
            _ => !matches!(reply, Reply::Continue | Reply::Skip),
        };
        if over {
            self.state = State::Connected;
        }
        reply.encode(&mut self.output);
    }

    /// Changes the message. Only at its end, before the answer; what cannot be done is said and not done.
    ///
    /// # Errors
    /// [`ChangeRefused`].
    pub fn change(&mut self, change: Change) -> Result<(), ChangeRefused> {
        if self.asked != Some(Asked::EndOfMessage) {
            return Err(ChangeRefused::NotNow);
        }
        let needs = change::needs(&change);
        if !self.actions.contains(needs) {
            return Err(ChangeRefused::NotAllowed(needs));
        }
        for reply in change::packets(change, self.steps)? {
            reply.encode(&mut self.output);
        }
        Ok(())
    }

    /// Tells the MTA that the end of the message still takes time: its clock begins anew.
    pub fn progress(&mut self) {
        if self.asked == Some(Asked::EndOfMessage) {
            Reply::Progress.encode(&mut self.output);
        }
    }
}

/// The flag by which the MTA expects no answer there.
fn unanswered(asked: Asked) -> Steps {
    match asked {
        Asked::Connect => Steps::NO_REPLY_CONNECT,
        Asked::Hello => Steps::NO_REPLY_HELO,
        Asked::Mail => Steps::NO_REPLY_MAIL,
        Asked::Rcpt => Steps::NO_REPLY_RCPT,
        Asked::Data => Steps::NO_REPLY_DATA,
        Asked::Header => Steps::NO_REPLY_HEADER,
        Asked::EndOfHeader => Steps::NO_REPLY_END_OF_HEADER,
        Asked::Body => Steps::NO_REPLY_BODY,
        Asked::Unknown => Steps::NO_REPLY_UNKNOWN,
        Asked::EndOfMessage => Steps::NONE,
    }
}

/// A value as it stands in the message.
fn event_value(value: Vec<u8>, steps: Steps) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 8);
    if !steps.contains(Steps::LEADING_SPACE) {
        out.push(b' ');
    }
    let mut before = 0;
    for octet in value {
        if octet == b'\n' && before != b'\r' {
            out.push(b'\r');
        }
        out.push(octet);
        before = octet;
    }
    out
}

/// Shows no mail.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("state", &self.state)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
