//! What each command does, and where it may stand (RFC 5321 §4.1.4).

use postern_types::Secret;

use super::refusals::{self, Line};
use super::session::{Due, Phase, Session, Transaction};
use super::{Close, Event};
use crate::command::{Auth, Bdat, Command, CommandError, Hello, HelloVerb, Mail, Rcpt, Xclient, Xforward};
use crate::{Extension, Flavour};

/// A line, understood as far as that goes without the session.
pub(super) enum Heard {
    TooLong,
    BareNewline,
    Command(Result<Command, CommandError>, Alphabet),
    /// The answer to an AUTH challenge; `None` is the `*` that cancels.
    Response(Result<Option<Secret<Vec<u8>>>, CommandError>),
}

/// Whether a line stays within ASCII.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    Ascii,
    Utf8,
}

impl Alphabet {
    pub(super) fn of(text: &[u8]) -> Self {
        if text.is_ascii() { Self::Ascii } else { Self::Utf8 }
    }
}

impl Heard {
    /// rfc4954 §4: base64, or `*` to cancel.
    pub(super) fn response(text: &[u8]) -> Self {
        if text == b"*" {
            return Self::Response(Ok(None));
        }
        let text = std::str::from_utf8(text).map_err(|_| CommandError::Base64);
        Self::Response(text.and_then(crate::command::response).map(Some))
    }
}

impl Session {
    pub(super) fn hear(&mut self, heard: Heard) -> Option<Event> {
        if matches!(self.phase, Phase::Challenged) {
            return Some(self.hear_response(heard));
        }
        match heard {
            Heard::Command(Ok(command), alphabet) => {
                self.note_early(&command);
                self.command(command, alphabet)
            }
            Heard::Command(Err(error), _) => {
                self.say_octets(refusals::of(&error).as_bytes());
                match error {
                    CommandError::OtherProtocol => self.phase = Phase::Closed(Close::OtherProtocol),
                    CommandError::ChunkSize => self.phase = Phase::Closed(Close::LostChunk),
                    _ => {}
                }
                None
            }
            Heard::TooLong => self.say(refusals::LINE_TOO_LONG),
            Heard::BareNewline | Heard::Response(_) => self.say(refusals::BARE_NEWLINE),
        }
    }

    fn hear_response(&mut self, heard: Heard) -> Event {
        self.phase = Phase::Ready;
        let problem = match heard {
            Heard::Response(Ok(Some(response))) => {
                self.due = Due::Auth;
                return Event::AuthResponse(response);
            }
            Heard::Response(Ok(None)) => refusals::AUTH_CANCELLED,
            Heard::TooLong => refusals::AUTH_TOO_LONG,
            Heard::BareNewline => refusals::BARE_NEWLINE,
            Heard::Response(Err(_)) | Heard::Command(..) => refusals::AUTH_NOT_BASE64,
        };
        self.say(problem);
        Event::AuthCancelled
    }

    /// rfc2920 §3.1: these must be the last of their group, as the answer decides what may follow.
    fn note_early(&mut self, command: &Command) {
        if self.input.unread().is_empty() {
            return;
        }
        match command {
            Command::Hello(_) => self.early.after_hello = true,
            Command::Data => self.early.after_data = true,
            Command::StartTls => self.early.after_starttls = true,
            // The octets behind BDAT belong to it.
            Command::Bdat(_) => {}
            Command::Vrfy(_)
            | Command::Expn(_)
            | Command::Noop
            | Command::Quit
            | Command::Auth(_)
            | Command::Xclient(_) => self.early.elsewhere = true,
            _ if !self.may_pipeline => self.early.elsewhere = true,
            _ => {}
        }
    }

    fn command(&mut self, command: Command, alphabet: Alphabet) -> Option<Event> {
        match command {
            Command::Quit => self.quit(),
            Command::Bdat(bdat) => self.bdat(bdat),
            _ if matches!(self.phase, Phase::Unwelcome) => self.say(refusals::UNWELCOME),
            Command::Hello(hello) => self.hello(hello),
            Command::Mail(mail) => self.mail(mail, alphabet),
            Command::Rcpt(rcpt) => self.rcpt(rcpt, alphabet),
            Command::Data => self.data(),
            Command::Rset => self.rset(),
            Command::StartTls => self.start_tls(),
            Command::Auth(auth) => self.auth(auth),
            Command::Xclient(told) => self.xclient(told),
            Command::Xforward(told) => self.xforward(told),
            Command::Vrfy(_) => self.junk_say(refusals::VRFY),
            Command::Expn(_) => self.junk_say(refusals::EXPN),
            Command::Help => self.junk_say(refusals::HELP),
            Command::Noop => self.junk_say(refusals::OK),
        }
    }

    fn quit(&mut self) -> Option<Event> {
        self.say(refusals::BYE);
        self.phase = Phase::Closed(Close::Quit);
        None
    }

    fn hello(&mut self, hello: Hello) -> Option<Event> {
        match (self.settings.flavour, hello.verb) {
            (Flavour::Smtp, HelloVerb::Lhlo) => return self.say(refusals::THIS_IS_SMTP),
            // rfc2033 §4.1: HELO and EHLO are no commands of LMTP.
            (Flavour::Lmtp, HelloVerb::Helo | HelloVerb::Ehlo) => return self.say(refusals::THIS_IS_LMTP),
            _ => {}
        }
        if matches!(self.phase, Phase::Ready) {
            self.junk();
        }
        self.due = Due::Hello(hello.verb);
        Some(Event::Hello(hello))
    }

    fn mail(&mut self, mail: Mail, alphabet: Alphabet) -> Option<Event> {
        if !matches!(self.phase, Phase::Ready) {
            return self.say(refusals::HELLO_FIRST);
        }
        // rfc5321 §4.1.4: MAIL must not be sent while a transaction is open.
        if self.transaction.is_some() {
            return self.say(refusals::NESTED_MAIL);
        }
        if let Some(problem) = refusals::unoffered_mail(&mail.params, &self.extensions) {
            return self.say(problem);
        }
        // rfc6531 §3.5: an address beyond ASCII needs the parameter.
        if alphabet == Alphabet::Utf8 && !mail.params.smtp_utf8 {
            return self.say(refusals::UTF8_SENDER);
        }
        // rfc1870 §6.1: a declared size over the limit is refused at once.
        if mail.params.size.is_some_and(|size| size > self.size_limit()) {
            self.due = Due::TooLarge;
            return Some(Event::TooLarge(mail));
        }
        self.due = Due::Mail(Transaction::of(&mail));
        Some(Event::Mail(mail))
    }

    /// The smaller of what we allow and what we offer.
    pub(super) fn size_limit(&self) -> u64 {
        self.extensions.size.unwrap_or(self.settings.limits.message_size)
    }

    fn rcpt(&mut self, rcpt: Rcpt, alphabet: Alphabet) -> Option<Event> {
        let Some(transaction) = &mut self.transaction else { return self.say(refusals::MAIL_FIRST) };
        if transaction.is_chunked {
            return self.say(refusals::CHUNKS_BEGUN);
        }
        if let Some(problem) = refusals::unoffered_rcpt(&rcpt.params, &self.extensions) {
            return self.say(problem);
        }
        if alphabet == Alphabet::Utf8 && !transaction.smtp_utf8 {
            return self.say(refusals::UTF8_RECIPIENT);
        }
        let limits = &self.settings.limits;
        if transaction.recipients >= limits.recipients {
            // rfc5321 §4.5.3.1.10: 452, and the client sends the rest in another transaction.
            transaction.overshoot += 1;
            let is_error = transaction.overshoot > limits.recipient_overshoot;
            self.write_line(refusals::TOO_MANY_RECIPIENTS.as_bytes());
            if is_error {
                self.error();
            }
            return None;
        }
        self.due = Due::Rcpt;
        Some(Event::Rcpt(rcpt))
    }

    /// Why no message can follow now.
    fn not_ready_for_message(&self) -> Option<Line> {
        match self.transaction {
            _ if matches!(self.phase, Phase::Unwelcome) => Some(refusals::UNWELCOME),
            None => Some(refusals::MAIL_FIRST),
            Some(Transaction { recipients: 0, refused: 0, .. }) => Some(refusals::RCPT_FIRST),
            // rfc2920 §3.1, rfc2033 §4.2: all recipients were refused.
            Some(Transaction { recipients: 0, .. }) => Some(refusals::NO_VALID_RECIPIENTS),
            Some(_) => None,
        }
    }

    fn data(&mut self) -> Option<Event> {
        if let Some(problem) = self.not_ready_for_message() {
            return self.say(problem);
        }
        match self.transaction {
            // rfc3030 §2: DATA and BDAT do not mix.
            Some(Transaction { is_chunked: true, .. }) => self.say(refusals::CHUNKS_BEGUN),
            // rfc3030 §3: DATA cannot carry BINARYMIME.
            Some(Transaction { is_binary: true, .. }) => self.say(refusals::BINARY_NEEDS_BDAT),
            _ => {
                self.due = Due::Data;
                Some(Event::Data)
            }
        }
    }

    fn bdat(&mut self, bdat: Bdat) -> Option<Event> {
        let problem = if self.offers(Extension::Chunking) {
            self.not_ready_for_message()
        } else {
            Some(refusals::NO_CHUNKING)
        };
        // rfc3030 §2: the octets are taken and thrown away before the refusal; they are no commands.
        if let Some(problem) = problem {
            let answer = self.identified(problem.as_bytes()).into_owned();
            self.discard_chunk(bdat, answer);
            return None;
        }
        self.next_chunk(bdat)
    }

    fn rset(&mut self) -> Option<Event> {
        self.junk_say(refusals::OK);
        let was_open = self.transaction.is_some();
        self.end_transaction();
        was_open.then_some(Event::Reset)
    }

    fn start_tls(&mut self) -> Option<Event> {
        if !self.offers(Extension::StartTls) {
            return self.say(refusals::NO_STARTTLS);
        }
        if let Some(problem) = self.not_between_transactions() {
            return self.say(problem);
        }
        self.due = Due::StartTls;
        Some(Event::StartTls)
    }

    fn auth(&mut self, auth: Auth) -> Option<Event> {
        if self.extensions.auth.is_empty() {
            return self.say(refusals::NO_AUTH);
        }
        // rfc4954 §4: once only, and never within a transaction.
        if self.is_authenticated {
            return self.say(refusals::AUTH_AGAIN);
        }
        if let Some(problem) = self.not_between_transactions() {
            return self.say(problem);
        }
        if !self.extensions.auth.contains(&auth.mechanism) {
            return self.say(refusals::AUTH_MECHANISM);
        }
        self.due = Due::Auth;
        Some(Event::Auth(auth))
    }

    fn not_between_transactions(&self) -> Option<Line> {
        if !matches!(self.phase, Phase::Ready) {
            Some(refusals::HELLO_FIRST)
        } else if self.transaction.is_some() {
            Some(refusals::WITHIN_TRANSACTION)
        } else {
            None
        }
    }

    fn xclient(&mut self, told: Xclient) -> Option<Event> {
        if self.extensions.xclient.is_empty() {
            return self.say(refusals::NOT_TRUSTED);
        }
        if self.transaction.is_some() {
            return self.say(refusals::WITHIN_TRANSACTION);
        }
        if told.clone().only(&self.extensions.xclient) != told {
            return self.say(refusals::UNOFFERED_ATTRIBUTE);
        }
        self.due = Due::Xclient;
        Some(Event::Xclient(told))
    }

    fn xforward(&mut self, told: Xforward) -> Option<Event> {
        if self.extensions.xforward.is_empty() {
            return self.say(refusals::NOT_TRUSTED);
        }
        if self.transaction.is_some() {
            return self.say(refusals::WITHIN_TRANSACTION);
        }
        if told.clone().only(&self.extensions.xforward) != told {
            return self.say(refusals::UNOFFERED_ATTRIBUTE);
        }
        self.due = Due::Xforward;
        Some(Event::Xforward(told))
    }
}
