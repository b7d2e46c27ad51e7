//! The session's state, and what comes next.

use std::sync::Arc;

use super::commands::{Alphabet, Heard};
use super::input::{Input, Line};
use super::{BodyEnd, Close, Early, Event, Settings};
use crate::body::Decoder;
use crate::command::{Bdat, Command, HelloVerb, Mail};
use crate::{Extension, Extensions};

/// rfc4954 §4: base64 lines of an AUTH exchange have up to 12288 octets, without CR LF.
const AUTH_LINE: usize = 12_290;

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
///
/// The driver may write the output at any other time, too; it should before it waits for something slow.
#[derive(Debug)]
pub struct Session {
    pub(super) settings: Arc<Settings>,
    pub(super) extensions: Extensions,
    pub(super) input: Input,
    pub(super) output: Vec<u8>,
    pub(super) phase: Phase,
    pub(super) due: Due,
    pub(super) transaction: Option<Transaction>,
    /// Between two chunks of a message.
    pub(super) chunks: Option<Box<Decoder>>,
    pub(super) early: Early,
    pub(super) errors: u32,
    pub(super) junk: u32,
    pub(super) is_slow: bool,
    pub(super) is_authenticated: bool,
    /// The transaction has ended otherwise than the driver expects; it is told next.
    pub(super) was_reset: bool,
    /// What identifies the session or transaction in refusals; empty: nothing does.
    pub(super) id: String,
    /// PIPELINING was offered in the last answer to EHLO.
    pub(super) may_pipeline: bool,
}

/// Where the session stands.
#[derive(Debug)]
pub(super) enum Phase {
    /// Nothing said yet.
    Connected,
    /// The greeting was a refusal: only QUIT is heard (RFC 5321 §3.1).
    Unwelcome,
    /// Greeted, EHLO is due.
    Greeted,
    /// Commands.
    Ready,
    /// An answer to a challenge is due.
    Challenged,
    /// STARTTLS was answered 220; the handshake is not done.
    Handshake,
    /// The message, after DATA.
    Body(Box<Decoder>),
    /// The octets of a BDAT chunk.
    Chunk(Box<Decoder>, Bdat),
    /// The octets of a chunk that nobody wants; then the answer.
    Discard {
        left: u64,
        answer: Vec<u8>,
        /// Where the session goes on.
        before: Box<Phase>,
    },
    /// Octets that the next event is about are handed out; the message is over.
    Ended(BodyEnd, AnswersWanted),
    /// Over.
    Closed(Close),
}

/// How many answers the end of a message wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswersWanted {
    /// One for the message or chunk.
    One,
    /// rfc2033 §4.2: one for each accepted recipient.
    EachRecipient,
}

/// The event that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Greet,
    Hello(HelloVerb),
    StartTls,
    Auth,
    Xclient,
    Xforward,
    Mail(Transaction),
    TooLarge,
    Rcpt,
    Data,
    /// DATA's counterpart, with the chunk that waits behind it.
    Bdat(Bdat),
    BodyEnd {
        end: BodyEnd,
        left: usize,
    },
}

/// What MAIL began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) smtp_utf8: bool,
    pub(super) is_binary: bool,
    /// BDAT has begun.
    pub(super) is_chunked: bool,
    pub(super) recipients: usize,
    /// Recipients that were refused.
    pub(super) refused: usize,
    /// Recipients over the limit.
    pub(super) overshoot: usize,
}

impl Transaction {
    pub(super) fn of(mail: &Mail) -> Self {
        let is_binary = mail.params.body == Some(crate::command::BodyType::BinaryMime);
        Self { smtp_utf8: mail.params.smtp_utf8, is_binary, ..Self::default() }
    }
}

impl Session {
    /// A session that offers `extensions`. STARTTLS, AUTH, XCLIENT, XFORWARD, BDAT and every parameter are
    /// refused unless offered; `SIZE` is cut to the settings' limit.
    #[must_use]
    pub fn new(settings: Arc<Settings>, extensions: Extensions) -> Self {
        let mut session = Self {
            settings,
            extensions: Extensions::none(),
            input: Input::default(),
            output: Vec::new(),
            phase: Phase::Connected,
            due: Due::Nothing,
            transaction: None,
            chunks: None,
            early: Early::default(),
            errors: 0,
            junk: 0,
            is_slow: false,
            is_authenticated: false,
            was_reset: false,
            id: String::new(),
            may_pipeline: false,
        };
        session.offer(extensions);
        session
    }

    /// From now on every refusal that the session gives by itself (syntax, sequence, what is not offered) ends with
    /// ` (id)`, so that whoever reads it at the other end can name it. An empty text takes that back.
    pub fn identify(&mut self, id: impl Into<String>) {
        self.id = id.into();
    }

    /// Offers other extensions from the next EHLO on.
    pub fn offer(&mut self, mut extensions: Extensions) {
        let limit = self.settings.limits.message_size;
        extensions.size = extensions.size.map(|size| if size == 0 { limit } else { size.min(limit) });
        self.extensions = extensions;
    }

    /// Takes what the client sent. Call it when [`Session::next`] said [`Event::NeedInput`]: then what is kept is
    /// bounded by one command line and these octets. Called while an answer is due (the driver looks whether
    /// the client waits its turn), it notes that the client does not; see [`Session::early`].
    pub fn receive(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        match self.due {
            Due::Hello(_) => self.early.after_hello = true,
            Due::Data => self.early.after_data = true,
            Due::StartTls => self.early.after_starttls = true,
            _ => {}
        }
        self.early.before_greeting |= matches!(self.phase, Phase::Connected);
        if !matches!(self.phase, Phase::Closed(_)) {
            self.input.push(bytes);
        }
    }

    /// What to do now. Must not be called while an answer is due (that answers 451 in the driver's place).
    #[allow(clippy::should_implement_trait, reason = "not an iterator: each event waits for its answer")]
    pub fn next(&mut self) -> Event {
        while self.due != Due::Nothing {
            debug_assert!(false, "next() while an answer is due: {:?}", self.due);
            self.refuse(&super::answer::driver_mistake());
        }
        loop {
            if std::mem::take(&mut self.is_slow) && !matches!(self.phase, Phase::Closed(_)) {
                return Event::Slow;
            }
            if std::mem::take(&mut self.was_reset) {
                return Event::Reset;
            }
            let event = match self.phase {
                Phase::Closed(close) => Some(Event::Close(close)),
                Phase::Connected => {
                    self.due = Due::Greet;
                    Some(Event::Greet)
                }
                Phase::Handshake => Some(Event::NeedInput),
                Phase::Body(_) => Some(self.body()),
                Phase::Chunk(..) => self.chunk(),
                Phase::Discard { .. } => self.discard(),
                Phase::Ended(end, wanted) => Some(self.body_end(end, wanted)),
                Phase::Unwelcome | Phase::Greeted | Phase::Ready | Phase::Challenged => self.line(),
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    /// Reads one line and does what it says.
    fn line(&mut self) -> Option<Event> {
        let is_challenged = matches!(self.phase, Phase::Challenged);
        let is_long = is_challenged || self.begins_with_auth();
        let limit = if is_long { AUTH_LINE } else { self.settings.limits.command_line };
        let (line, length) = self.input.line(limit, self.settings.bare_newline);
        let heard = match line {
            Line::Partial => return Some(Event::NeedInput),
            Line::TooLong => Heard::TooLong,
            Line::BareNewline => Heard::BareNewline,
            Line::Whole(text) if is_challenged => Heard::response(text),
            Line::Whole(text) => {
                Heard::Command(Command::parse(text, self.settings.paths), Alphabet::of(text))
            }
        };
        self.input.take(length);
        self.hear(heard)
    }

    fn begins_with_auth(&self) -> bool {
        let is_auth = |verb: &[u8]| verb.eq_ignore_ascii_case(b"AUTH ");
        !self.extensions.auth.is_empty() && self.input.unread().get(..5).is_some_and(is_auth)
    }

    /// What waits to be written; the driver takes it away.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// How many answers are due: 0 or 1, or after an LMTP message one for each accepted recipient.
    #[must_use]
    pub fn answers_due(&self) -> usize {
        match self.due {
            Due::Nothing => 0,
            Due::BodyEnd { left, .. } => left,
            _ => 1,
        }
    }

    /// How many accepted recipients the transaction in progress has.
    #[must_use]
    pub fn recipients(&self) -> usize {
        self.transaction.map_or(0, |transaction| transaction.recipients)
    }

    /// What was said out of turn so far.
    #[must_use]
    pub fn early(&self) -> Early {
        self.early
    }

    /// How many errors since the last accepted message.
    #[must_use]
    pub fn errors(&self) -> u32 {
        self.errors
    }

    pub(super) fn offers(&self, extension: Extension) -> bool {
        self.extensions.has(extension)
    }
}
