//! What the server side of a session tells its driver to do.

use postern_types::{Blame, Refusal, Secret};

use crate::command::{Auth, Hello, Mail, Rcpt, Xclient, Xforward};

/// The next thing to do. Those that say *answer* wait for exactly one answer; syntax and sequence
/// errors, NOOP, HELP, VRFY and the like are answered inside and never come up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Everything received has been dealt with: write [`super::Session::output`], then read.
    NeedInput,
    /// The connection stands: answer with [`super::Session::welcome`] or a refusal.
    Greet,
    /// HELO, EHLO, LHLO: answer with [`super::Session::welcome`] or a refusal. A welcome ends the
    /// transaction in progress, if there is one.
    Hello(Hello),
    /// STARTTLS: answer 220, write the output, make the handshake, call
    /// [`super::Session::tls_started`]; or refuse.
    StartTls,
    /// AUTH: answer with [`super::Session::challenge`], 235, or a refusal.
    Auth(Auth),
    /// The client's answer to a challenge, decoded: answer like [`Event::Auth`].
    AuthResponse(Secret<Vec<u8>>),
    /// The client gave up the AUTH exchange (or sent what is not base64). Already answered.
    AuthCancelled,
    /// XCLIENT: answer with [`super::Session::welcome`] (the session starts anew with a greeting) or a refusal.
    Xclient(Xclient),
    /// XFORWARD: answer 250 or a refusal.
    Xforward(Xforward),
    /// MAIL: answer; a positive answer opens the transaction.
    Mail(Mail),
    /// MAIL that declares a `SIZE` over the limit (RFC 1870 §6.1): answer with a refusal; anything else becomes one.
    /// No transaction is opened.
    TooLarge(Mail),
    /// RCPT: answer; a positive answer adds the recipient.
    Rcpt(Rcpt),
    /// DATA or the first BDAT: answer with [`super::Session::proceed`] or a refusal. A refused DATA leaves
    /// the transaction open; a refused BDAT ends it, and [`Event::Reset`] follows.
    Data,
    /// A piece of the message: decoded, never empty. Lines end in CR LF and only there (BODY=BINARYMIME: any octets).
    Body(Vec<u8>),
    /// The message is over: answer with [`super::Session::accepted`] or [`super::Session::refuse`]; LMTP: one
    /// answer for each accepted recipient, in their order. The transaction is over with the last answer.
    BodyEnd(BodyEnd),
    /// The transaction in progress is over without a message: the client gave it up (RSET), or its first BDAT was
    /// refused. Already answered.
    Reset,
    /// The client makes too many errors: write the output and wait a second before going on
    /// (Postfix: `smtpd_error_sleep_time`).
    Slow,
    /// The session is over: write the output and close. Comes again however often it is asked for.
    Close(Close),
}

/// How the message ended. All but `Complete` can only be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyEnd {
    /// Whole and clean.
    Complete,
    /// More octets than allowed (what was over the limit was never handed out).
    TooLarge,
    /// A CR or LF stood alone ([`crate::BareNewline::Refuse`]).
    BareNewline,
    /// A line was longer than [`super::Limits::data_line`].
    LineTooLong,
}

impl BodyEnd {
    /// The refusal that says so to the client; `None` for a complete message.
    #[must_use]
    pub fn refusal(self) -> Option<Refusal> {
        let (code, enhanced, text) = match self {
            Self::Complete => return None,
            // rfc1870 §6.1: 552, with 5.3.4 of rfc3463.
            Self::TooLarge => (552, (5, 3, 4), "the message is larger than this server accepts"),
            Self::BareNewline => (550, (5, 6, 11), "the message holds a CR or LF that is not part of CR LF"),
            Self::LineTooLong => (554, (5, 6, 0), "the message holds a line longer than this server accepts"),
        };
        Some(Refusal::new(Blame::Content, code, enhanced, text))
    }
}

/// Why the session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Close {
    /// The client said QUIT.
    Quit,
    /// The driver refused and closed, or answered 421 or 521.
    Refused,
    /// More errors than [`super::Limits::hard_errors`].
    TooManyErrors,
    /// The client speaks HTTP, TLS or another protocol.
    OtherProtocol,
    /// A BDAT whose size cannot be read: where its octets end is unknown.
    LostChunk,
}

/// What the client said before it was its turn: evidence of a program that does not listen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Early {
    /// Octets came before the greeting was sent.
    pub before_greeting: bool,
    /// Commands stood behind EHLO or HELO before its answer.
    pub after_hello: bool,
    /// Octets stood behind DATA before the 354.
    pub after_data: bool,
    /// Octets stood behind STARTTLS, in the clear; they were thrown away.
    pub after_starttls: bool,
    /// Commands were pipelined though PIPELINING was not offered, or behind another command that must stand
    /// last in its group (RFC 2920 §3.1: VRFY, EXPN, NOOP, QUIT; AUTH and XCLIENT likewise).
    pub elsewhere: bool,
}
