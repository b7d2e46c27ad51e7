//! The AUTHORIZATION state (RFC 1939 §4, §7): STLS, USER and PASS, AUTH.

use postern_types::Secret;

use crate::command::Command;
use crate::event::{Credentials, Ending, Event, Mechanism};
use crate::maildrop::Maildrop;
use crate::session::{Session, State};
use crate::settings::{Channel, Cleartext};
use crate::transaction::Transaction;
use crate::{Denial, plain};

impl Session {
    pub(crate) fn authorization(&mut self, command: Command<'_>) -> Option<Event> {
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

    pub(crate) fn sasl_response(&mut self, response: &[u8]) -> Option<Event> {
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

    pub(crate) fn takes_passwords(&self) -> bool {
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
}
