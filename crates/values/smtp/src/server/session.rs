//! The session's state and the driver's side of it.

use std::sync::Arc;

use postern_types::{Refusal, Reply};

use super::{Early, Event, Settings};
use crate::Extensions;

/// One session. The driver's loop:
///
/// ```text
/// loop {
///     match session.next() {
///         NeedInput => { write(session.output()); session.receive(read()); }
///         Greet | Hello(_) => session.welcome(),
///         Mail(mail) => session.reply(&verdict(mail)),
///         …
///         BodyEnd(end) => match store() { Ok(durable) => session.accepted(…), Err(refusal) => session.refuse(&refusal) },
///         Close(_) => { write(session.output()); break }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Session {
    settings: Arc<Settings>,
    extensions: Extensions,
    output: Vec<u8>,
}

#[allow(unused_variables, clippy::missing_const_for_fn, reason = "bodies follow in the next commit")]
impl Session {
    /// A session that offers `extensions`. STARTTLS, AUTH, XCLIENT, XFORWARD, CHUNKING are refused unless offered.
    #[must_use]
    pub fn new(settings: Arc<Settings>, extensions: Extensions) -> Self {
        Self { settings, extensions, output: Vec::new() }
    }

    /// Takes what the client sent. Call it when [`Session::next`] said [`Event::NeedInput`] (then what is kept is
    /// bounded by one line and these bytes), or before the greeting, to notice a client that talks early.
    pub fn receive(&mut self, bytes: &[u8]) {
        unimplemented!()
    }

    /// What to do now. Must not be called while an answer is due; that answers 451 for the driver.
    #[allow(clippy::should_implement_trait, reason = "not an iterator: each event waits for its answer")]
    pub fn next(&mut self) -> Event {
        unimplemented!()
    }

    /// Greets, answers EHLO with the extensions, or greets again after XCLIENT, whichever is due.
    pub fn welcome(&mut self) {
        unimplemented!()
    }

    /// Answers the last event. The class of the code advances the state: 2yz does what was asked, 4yz and
    /// 5yz leave the state and count as an error, 421 and 521 close. A reply without an enhanced code gets `X.0.0`.
    ///
    /// After [`Event::BodyEnd`] a 2yz cannot be given here (it becomes 451): that is [`Session::accepted`].
    pub fn reply(&mut self, reply: &Reply) {
        unimplemented!()
    }

    /// Answers the last event with a refusal. A 2yz or 3yz in it becomes 451.
    pub fn refuse(&mut self, refusal: &Refusal) {
        unimplemented!()
    }

    /// After [`Event::Data`]: 354, or nothing for BDAT; the message follows.
    pub fn proceed(&mut self) {
        unimplemented!()
    }

    /// After [`Event::BodyEnd`]: the message (LMTP: for the next recipient) is safe. The only way to a 2yz there,
    /// so that a service can put a proof in front of it. A message that did not end as
    /// [`super::BodyEnd::Complete`] is refused whatever is said here.
    pub fn accepted(&mut self, reply: &Reply) {
        unimplemented!()
    }

    /// After [`Event::Auth`] or [`Event::AuthResponse`]: 334 with `challenge` in base64.
    pub fn challenge(&mut self, challenge: &[u8]) {
        unimplemented!()
    }

    /// Ends the session out of turn: a timeout, a shutdown. Nothing is written while answers to an
    /// accepted message are due that cannot be told apart from it.
    pub fn abort(&mut self, refusal: &Refusal) {
        unimplemented!()
    }

    /// After STARTTLS was answered 220 and the handshake is done: the session starts anew at EHLO, with
    /// `extensions`; whatever came in the clear is forgotten.
    pub fn tls_started(&mut self, extensions: Extensions) {
        unimplemented!()
    }

    /// Offers other extensions from the next EHLO on.
    pub fn offer(&mut self, extensions: Extensions) {
        self.extensions = extensions;
    }

    /// What waits to be written; the driver takes it away.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// How many answers are due: 0, or 1, or after an LMTP message one for each accepted recipient.
    #[must_use]
    pub fn answers_due(&self) -> usize {
        unimplemented!()
    }

    /// How many recipients the transaction in progress has.
    #[must_use]
    pub fn recipients(&self) -> usize {
        unimplemented!()
    }

    /// What was said out of turn so far.
    #[must_use]
    pub fn early(&self) -> Early {
        unimplemented!()
    }

    /// How many errors since the last accepted message.
    #[must_use]
    pub fn errors(&self) -> u32 {
        unimplemented!()
    }
}
