//! The driver's answers, and what they do to the session.

use std::borrow::Cow;

use base64ct::{Base64, Encoding as _};
use postern_types::{Blame, EnhancedCode, Refusal, Reply};

use super::refusals::{self, Line};
use super::session::{Due, Phase, Session};
use super::{BodyEnd, Close, Event};
use crate::command::HelloVerb;
use crate::{Extension, Extensions, Flavour};

/// What a client reads when the driver does what it must not.
pub(super) fn driver_mistake() -> Refusal {
    Refusal::new(Blame::Us, 451, (4, 3, 0), "Local error in processing")
        .because("the driver broke the contract")
}

impl Session {
    /// Greets, answers EHLO with the extensions, or greets again after XCLIENT, whichever is due.
    pub fn welcome(&mut self) {
        match std::mem::replace(&mut self.due, Due::Nothing) {
            Due::Greet | Due::Xclient => self.greet(),
            Due::Hello(verb) => self.answer_hello(verb),
            other => {
                debug_assert!(false, "welcome() answers no {other:?}");
                self.due = other;
            }
        }
    }

    fn greet(&mut self) {
        let protocol = match self.settings.flavour {
            Flavour::Smtp => "ESMTP",
            Flavour::Lmtp => "LMTP",
        };
        let text = format!("{} {protocol} {}", self.settings.hostname, self.settings.banner);
        Reply::new(220, None, text).encode(&mut self.output);
        self.phase = Phase::Greeted;
        self.is_authenticated = false;
    }

    fn answer_hello(&mut self, verb: HelloVerb) {
        let mut reply = Reply::new(250, None, self.settings.hostname.to_string());
        if verb != HelloVerb::Helo {
            reply = self.extensions.lines().fold(reply, Reply::line);
        }
        reply.encode(&mut self.output);
        self.may_pipeline = verb != HelloVerb::Helo && self.offers(Extension::Pipelining);
        // rfc5321 §4.1.4: an accepted EHLO clears the transaction as RSET does.
        self.end_transaction();
        self.phase = Phase::Ready;
    }

    /// Answers the last event. The class of the code advances the state: 2yz (for [`Event::Data`] 3yz) does what
    /// was asked, 4yz and 5yz leave the state and count as an error or as junk, 421 and 521 close the session.
    /// A reply without an enhanced code gets `X.0.0`. To [`Event::Greet`], [`Event::Hello`] and [`Event::Xclient`]
    /// every 2yz is [`Session::welcome`].
    ///
    /// After [`Event::BodyEnd`] a 2yz cannot be given here (it becomes 451): that is [`Session::accepted`].
    pub fn reply(&mut self, reply: &Reply) {
        if !reply.code.is_positive() && !reply.code.is_intermediate() {
            self.negative(reply, closes(reply));
            return;
        }
        let is_positive = reply.code.is_positive();
        match self.due {
            Due::Greet | Due::Hello(_) | Due::Xclient if is_positive => self.welcome(),
            Due::Data | Due::Bdat(_) if !is_positive => self.proceed(),
            Due::StartTls | Due::Auth | Due::Xforward | Due::Mail(_) | Due::Rcpt if is_positive => {
                self.write(reply);
                self.advance();
            }
            _ => {
                debug_assert!(false, "{reply} does not answer {:?}", self.due);
                self.refuse(&driver_mistake());
            }
        }
    }

    /// A 2yz was given to an event that a 2yz completes.
    fn advance(&mut self) {
        match std::mem::replace(&mut self.due, Due::Nothing) {
            Due::StartTls => {
                // rfc3207 §4.2, and the command injections of 2011: nothing that came in the clear is heard later.
                self.early.after_starttls |= !self.input.unread().is_empty();
                self.input.clear();
                self.phase = Phase::Handshake;
            }
            Due::Auth => {
                self.is_authenticated = true;
                self.phase = Phase::Ready;
            }
            Due::Mail(transaction) => self.transaction = Some(transaction),
            Due::Rcpt => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.recipients += 1;
                }
            }
            _ => {}
        }
    }

    /// Answers the last event with a refusal. A 2yz or 3yz in it becomes 451. After [`Event::Greet`] a refusal
    /// that does not close leaves a session in which only QUIT is heard (RFC 5321 §3.1).
    pub fn refuse(&mut self, refusal: &Refusal) {
        if refusal.reply.code.is_positive() || refusal.reply.code.is_intermediate() {
            debug_assert!(false, "{} is no refusal", refusal.reply);
            self.negative(&driver_mistake().reply, refusal.closes);
        } else {
            self.negative(&refusal.reply, refusal.closes || closes(&refusal.reply));
        }
    }

    fn negative(&mut self, reply: &Reply, closes: bool) {
        match std::mem::replace(&mut self.due, Due::Nothing) {
            Due::Nothing => {
                debug_assert!(false, "{reply} answers nothing");
                return;
            }
            Due::Greet => self.phase = Phase::Unwelcome,
            Due::Auth => self.phase = Phase::Ready,
            Due::Rcpt => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.refused += 1;
                }
            }
            Due::Bdat(bdat) => {
                let mut answer = Vec::new();
                complete(reply, |reply| reply.encode(&mut answer));
                self.end_transaction();
                self.was_reset = true;
                self.discard_chunk(bdat, answer);
                if closes {
                    self.output_before_closing();
                }
                return;
            }
            Due::BodyEnd { end, left } => {
                self.write(reply);
                self.answered_body(end, left);
                if closes {
                    self.close();
                }
                return;
            }
            _ => {}
        }
        self.write(reply);
        if closes {
            self.close();
        } else {
            self.count(reply);
        }
    }

    /// A refused chunk whose octets need not be awaited, as the session closes.
    fn output_before_closing(&mut self) {
        if let Phase::Discard { answer, .. } =
            std::mem::replace(&mut self.phase, Phase::Closed(Close::Refused))
        {
            self.output.extend_from_slice(&answer);
        }
    }

    /// After [`Event::Data`]: 354 (nothing for BDAT); the message follows.
    pub fn proceed(&mut self) {
        match std::mem::replace(&mut self.due, Due::Nothing) {
            Due::Data => {
                self.output.extend_from_slice(b"354 End the message with <CR><LF>.<CR><LF>\r\n");
                self.begin_body();
            }
            Due::Bdat(bdat) => self.begin_chunks(bdat),
            other => {
                debug_assert!(false, "proceed() answers no {other:?}");
                self.due = other;
            }
        }
    }

    /// After [`Event::BodyEnd`]: the message (LMTP: for the next recipient) is safe. The only way to a 2yz there,
    /// so that a service can put a proof in front of it. A message that did not end as
    /// [`BodyEnd::Complete`] is refused, whatever is said here.
    pub fn accepted(&mut self, reply: &Reply) {
        let Due::BodyEnd { end, left } = self.due else {
            debug_assert!(false, "accepted() answers no {:?}", self.due);
            return;
        };
        if let Some(refusal) = end.refusal() {
            debug_assert!(false, "a message that ended as {end:?} was accepted");
            self.refuse(&refusal);
            return;
        }
        if !reply.code.is_positive() {
            debug_assert!(false, "{reply} accepts nothing");
            self.refuse(&driver_mistake());
            return;
        }
        self.write(reply);
        self.errors = 0;
        self.junk = 0;
        self.answered_body(end, left);
    }

    fn answered_body(&mut self, end: BodyEnd, left: usize) {
        let left = left.saturating_sub(1);
        if left == 0 {
            self.due = Due::Nothing;
            self.end_transaction();
        } else {
            self.due = Due::BodyEnd { end, left };
        }
    }

    /// After [`Event::Auth`] or [`Event::AuthResponse`]: 334 with `challenge` in base64.
    pub fn challenge(&mut self, challenge: &[u8]) {
        if self.due != Due::Auth {
            debug_assert!(false, "challenge() answers no {:?}", self.due);
            return;
        }
        self.due = Due::Nothing;
        // rfc4954 §4: no enhanced code here.
        self.output.extend_from_slice(format!("334 {}\r\n", Base64::encode_string(challenge)).as_bytes());
        self.phase = Phase::Challenged;
    }

    /// Ends the session out of turn: a timeout, a shutdown. Where an answer is due, this is it, so a message
    /// whose end was not answered is not accepted. During the TLS handshake nothing is written.
    pub fn abort(&mut self, refusal: &Refusal) {
        match self.phase {
            Phase::Closed(_) => return,
            Phase::Handshake => {}
            _ if refusal.reply.code.is_positive() || refusal.reply.code.is_intermediate() => {
                debug_assert!(false, "{} is no refusal", refusal.reply);
                self.write(&driver_mistake().reply);
            }
            _ => self.write(&refusal.reply),
        }
        self.close();
    }

    /// After STARTTLS was answered 220 and the handshake is done: the session starts anew at EHLO, with
    /// `extensions` (never STARTTLS); whatever came in the clear is forgotten.
    pub fn tls_started(&mut self, mut extensions: Extensions) {
        if !matches!(self.phase, Phase::Handshake) {
            debug_assert!(false, "tls_started() without STARTTLS");
            return;
        }
        // rfc3207 §4.2: the server must not offer STARTTLS again.
        extensions.remove(Extension::StartTls);
        self.offer(extensions);
        self.input.clear();
        self.is_authenticated = false;
        self.phase = Phase::Greeted;
    }

    fn close(&mut self) {
        self.due = Due::Nothing;
        self.end_transaction();
        self.input.clear();
        self.phase = Phase::Closed(Close::Refused);
    }

    pub(super) fn end_transaction(&mut self) {
        self.transaction = None;
        self.chunks = None;
    }

    /// rfc2034 §4: every 2yz, 4yz and 5yz has an enhanced code, but for greeting and EHLO.
    fn write(&mut self, reply: &Reply) {
        let output = &mut self.output;
        complete(reply, |reply| reply.encode(output));
    }

    /// Says something by itself.
    pub(super) fn say(&mut self, line: Line) -> Option<Event> {
        self.say_octets(line.as_bytes());
        None
    }

    pub(super) fn say_octets(&mut self, line: &[u8]) {
        self.write_line(line);
        self.count_line(line);
    }

    /// An error counts as one; what is put off, as junk.
    pub(super) fn count_line(&mut self, line: &[u8]) {
        match line.first() {
            Some(b'5') => self.error(),
            Some(b'4') => self.junk(),
            _ => {}
        }
    }

    /// Writes a reply of our own.
    pub(super) fn write_line(&mut self, line: &[u8]) {
        let line = self.identified(line);
        self.output.extend_from_slice(&line);
    }

    /// A reply of our own; a refusal says whose it is.
    pub(super) fn identified<'a>(&self, line: &'a [u8]) -> Cow<'a, [u8]> {
        let is_refusal = matches!(line.first(), Some(b'4' | b'5'));
        match line.strip_suffix(b"\r\n") {
            Some(text) if is_refusal && !self.id.is_empty() => {
                Cow::Owned([text, format!(" ({})\r\n", self.id).as_bytes()].concat())
            }
            _ => Cow::Borrowed(line),
        }
    }

    /// Says something to a command that moves nothing.
    pub(super) fn junk_say(&mut self, line: Line) -> Option<Event> {
        self.say(line);
        self.junk();
        None
    }

    /// A 5yz is the client's error. A 4yz is not, but a client that only collects those ends, too.
    fn count(&mut self, reply: &Reply) {
        if reply.code.is_permanent() { self.error() } else { self.junk() }
    }

    pub(super) fn junk(&mut self) {
        self.junk = self.junk.saturating_add(1);
        if self.junk > self.settings.limits.junk_commands {
            self.error();
        }
    }

    pub(super) fn error(&mut self) {
        if matches!(self.phase, Phase::Closed(_)) {
            return;
        }
        self.errors = self.errors.saturating_add(1);
        let limits = &self.settings.limits;
        if self.errors >= limits.hard_errors {
            self.write_line(refusals::TOO_MANY_ERRORS.as_bytes());
            self.close();
            self.phase = Phase::Closed(Close::TooManyErrors);
        } else if self.errors >= limits.soft_errors {
            self.is_slow = true;
        }
    }
}

/// rfc5321 §3.8: 421 announces the end; rfc7504: so does 521.
fn closes(reply: &Reply) -> bool {
    matches!(reply.code.get(), 421 | 521)
}

/// `reply` with an enhanced code.
fn complete(reply: &Reply, use_it: impl FnOnce(&Reply)) {
    if reply.enhanced.is_some() {
        use_it(reply);
        return;
    }
    let class = match reply.code.get() / 100 {
        2 => 2,
        4 => 4,
        _ => 5,
    };
    let mut reply = reply.clone();
    reply.enhanced = Some(EnhancedCode::new(class, 0, 0));
    use_it(&reply);
}
