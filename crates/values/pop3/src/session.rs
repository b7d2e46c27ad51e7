//! The session: states, signing in, and the way from one event to the next (RFC 1939 §3–6).

use std::fmt;
use std::sync::Arc;

use postern_types::Secret;

use crate::command::{Command, Syntax};
use crate::event::{Credentials, Ending, Event, Extent, Mechanism};
use crate::maildrop::Maildrop;
use crate::output::Output;
use crate::settings::{Channel, Cleartext, Expire, Settings};
use crate::stuffing::{Stuffer, Wanted};
use crate::transaction::{Listing, Transaction};
use crate::{Denial, plain};

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
    settings: Arc<Settings>,
    channel: Channel,
    state: State,
    pub(crate) input: Vec<u8>,
    output: Output,
    /// The rest of a line that is too long is being passed over.
    overlong: bool,
    errors: u32,
    failed_logins: u32,
}

enum State {
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

    /// A command that was wrong: counted, and too many end the session.
    fn wrong(&mut self, why: &str) -> Option<Event> {
        self.errors += 1;
        if self.errors >= self.settings.limits.errors {
            self.output.err("too many wrong commands");
            self.state = State::Closed(Ending::Errors);
        } else {
            self.output.err(why);
        }
        None
    }

    // ---- AUTHORIZATION (RFC 1939 §4)

    fn authorization(&mut self, command: Command<'_>) -> Option<Event> {
        match command {
            Command::Quit => {
                self.output.ok("bye");
                self.state = State::Closed(Ending::Quit);
                None
            }
            Command::Stls => self.stls(),
            // Messages go out as they are stored, so there is nothing to switch.
            Command::Utf8 => {
                self.output.ok("UTF-8 it is");
                None
            }
            Command::User(_) | Command::Pass(_) | Command::Auth(_) if !self.takes_passwords() => {
                self.state = State::Authorization { user: None };
                self.wrong("no passwords without TLS: say STLS first")
            }
            Command::User(name) => {
                // Whether the name exists is said only together with the password.
                self.output.ok("and the password?");
                self.state = State::Authorization { user: Some(name.to_owned()) };
                None
            }
            Command::Pass(password) => self.pass(password),
            Command::Auth(None) => {
                // Old clients ask in this way what there is (RFC 1734 had no CAPA).
                self.output.ok("mechanisms follow");
                self.output.line("PLAIN\r\n.");
                None
            }
            Command::Auth(Some((mechanism, initial))) => self.auth(mechanism, initial),
            _ => self.wrong("sign in first"),
        }
    }

    fn stls(&mut self) -> Option<Event> {
        match self.channel {
            Channel::Upgradable => {
                self.output.ok("begin TLS");
                self.state = State::StartingTls;
                Some(Event::StartTls)
            }
            Channel::Encrypted => self.wrong("TLS is on"),
            Channel::Plain => self.wrong("there is no TLS here"),
        }
    }

    fn pass(&mut self, password: &str) -> Option<Event> {
        match self.take_state() {
            State::Authorization { user: Some(user) } => {
                self.state = State::SigningIn;
                let password = Secret::new(password.to_owned());
                Some(Event::Login(Credentials { user, password, mechanism: Mechanism::UserPass }))
            }
            _ => {
                self.state = State::Authorization { user: None };
                self.wrong("USER comes first")
            }
        }
    }

    fn auth(&mut self, mechanism: &str, initial: Option<&str>) -> Option<Event> {
        if !mechanism.eq_ignore_ascii_case("PLAIN") {
            return self.wrong("only PLAIN is known");
        }
        match initial {
            Some(initial) => self.sasl_response(initial.as_bytes()),
            None => {
                self.output.line("+ ");
                self.state = State::Response;
                None
            }
        }
    }

    fn sasl_response(&mut self, response: &[u8]) -> Option<Event> {
        // rfc5034 §4: a single "*" cancels.
        if response == b"*" {
            return self.wrong("cancelled");
        }
        match plain::parse(response) {
            Some(credentials) => {
                self.state = State::SigningIn;
                Some(Event::Login(credentials))
            }
            None => self.wrong("[AUTH] not a PLAIN response"),
        }
    }

    /// The state, to be replaced by the next at once.
    fn take_state(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Closed(Ending::Server))
    }

    fn takes_passwords(&self) -> bool {
        self.channel == Channel::Encrypted || self.settings.cleartext == Cleartext::Allow
    }

    /// The answer to [`Event::Login`]: the client is in, and this is its mail.
    pub fn opened(&mut self, maildrop: Maildrop) {
        if let State::SigningIn = self.state {
            let (count, octets) = maildrop.stat();
            self.output.ok(format_args!("{count} messages ({octets} octets)"));
            self.state = State::Transaction(Transaction::new(maildrop));
        }
    }

    /// The answer to [`Event::Login`]: no.
    pub fn login_denied(&mut self, denial: &Denial) {
        if let State::SigningIn = self.state {
            self.output.err(denial);
            self.failed_logins += 1;
            self.state = if self.failed_logins >= self.settings.limits.logins {
                State::Closed(Ending::Logins)
            } else {
                State::Authorization { user: None }
            };
        }
    }

    /// The answer to [`Event::StartTls`]: the connection is encrypted now.
    pub fn tls_started(&mut self) {
        if let State::StartingTls = self.state {
            // rfc2595 §4: what came in the clear is forgotten, also what came too early.
            self.input.clear();
            self.overlong = false;
            self.channel = Channel::Encrypted;
            self.state = State::Authorization { user: None };
        }
    }

    // ---- TRANSACTION and UPDATE (RFC 1939 §5, §6)

    fn retrieve(&mut self, message: usize, size: u64, extent: Extent) -> Event {
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

    // ---- CAPA (RFC 2449)

    fn capabilities(&mut self) {
        let signed_in = matches!(self.state, State::Transaction(_));
        let passwords = self.takes_passwords();
        let upgradable = self.channel == Channel::Upgradable && !signed_in;
        let Self { output, settings, .. } = self;
        output.ok("capabilities follow");
        output.line("TOP");
        output.line("UIDL");
        output.line("RESP-CODES");
        output.line("AUTH-RESP-CODE");
        output.line("PIPELINING");
        output.line("UTF8 USER");
        match settings.expire {
            Expire::Never => output.line("EXPIRE NEVER"),
            Expire::Days(days) => output.line(format_args!("EXPIRE {days}")),
        }
        if !settings.login_delay.is_zero() {
            output.line(format_args!("LOGIN-DELAY {}", settings.login_delay.as_secs()));
        }
        if passwords {
            output.line("USER");
            output.line("SASL PLAIN");
        }
        if upgradable {
            output.line("STLS");
        }
        output.line(format_args!("IMPLEMENTATION {}", settings.implementation));
        output.line(".");
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
