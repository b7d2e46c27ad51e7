//! The session's state and its steps.

use postern_types::{ForwardPath, Reply, ReversePath};

use crate::command::{MailParams, RcptParams, Xclient, Xforward};
use crate::{Extension, Extensions, Flavour};

/// What a client session needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// SMTP or LMTP.
    pub flavour: Flavour,
    /// Our name in EHLO: a host name or an address literal.
    pub name: String,
}

/// What an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The server's first words.
    Greeting,
    /// EHLO, LHLO, or the HELO that followed a refused EHLO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// XCLIENT; a positive answer is a new greeting, say [`Session::hello`] again.
    Xclient,
    /// XFORWARD.
    Xforward,
    /// MAIL.
    Mail,
    /// RCPT, counted from 0 in the transaction.
    Rcpt(usize),
    /// DATA.
    Data,
    /// A BDAT chunk that is not the last.
    Chunk,
    /// The message. LMTP: for the recipient with this number (that of [`Step::Rcpt`]); SMTP: 0.
    End(usize),
    /// RSET.
    Reset,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
    /// Nothing was asked: usually 421, the server closes.
    Unasked,
}

/// An answer of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// To what.
    pub step: Step,
    /// What it says.
    pub reply: Reply,
}

/// Why a client session cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The server's reply is malformed; says how.
    #[error("the server's reply is malformed: {0}")]
    Malformed(&'static str),
    /// The server does not offer what the message needs.
    #[error("the server does not offer {}", .0.keyword())]
    NotOffered(Extension),
    /// The step does not fit here; a mistake of the caller.
    #[error("{0} is out of sequence")]
    Sequence(&'static str),
}

/// One session.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    extensions: Extensions,
    output: Vec<u8>,
}

#[allow(
    unused_variables,
    clippy::missing_errors_doc,
    clippy::missing_const_for_fn,
    reason = "bodies follow in the next commit"
)]
impl Session {
    /// A session on a fresh connection: the first answer is [`Step::Greeting`].
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, extensions: Extensions::none(), output: Vec::new() }
    }

    /// Takes what the server sent.
    pub fn receive(&mut self, bytes: &[u8]) {
        unimplemented!()
    }

    /// The next answer; `None` when more input is needed.
    #[allow(clippy::should_implement_trait, reason = "fails, and ends only for now")]
    pub fn next(&mut self) -> Result<Option<Answer>, ClientError> {
        unimplemented!()
    }

    /// What waits to be written; the driver takes it away.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// How many answers are due.
    #[must_use]
    pub fn answers_due(&self) -> usize {
        unimplemented!()
    }

    /// What the server offers, since its answer to EHLO; nothing after HELO.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// EHLO (LHLO). Where the server answers it with 5yz, HELO follows by itself.
    pub fn hello(&mut self) {
        unimplemented!()
    }

    /// STARTTLS. After a positive answer: handshake, [`Session::tls_started`], [`Session::hello`].
    pub fn start_tls(&mut self) -> Result<(), ClientError> {
        unimplemented!()
    }

    /// The handshake is done: what came in the clear and what was offered in the clear is forgotten.
    pub fn tls_started(&mut self) {
        unimplemented!()
    }

    /// XCLIENT with the attributes that the server takes.
    pub fn xclient(&mut self, attributes: &Xclient) -> Result<(), ClientError> {
        unimplemented!()
    }

    /// XFORWARD with the attributes that the server takes.
    pub fn xforward(&mut self, attributes: &Xforward) -> Result<(), ClientError> {
        unimplemented!()
    }

    /// MAIL. Parameters that the server does not offer are left out where that is harmless (SIZE, DSN, AUTH, BODY=8BITMIME) and
    /// an error where the message could not travel (SMTPUTF8, BODY=BINARYMIME, REQUIRETLS).
    pub fn mail(&mut self, path: &ReversePath, params: &MailParams) -> Result<(), ClientError> {
        unimplemented!()
    }

    /// RCPT. DSN parameters are left out where the server does not offer DSN.
    pub fn rcpt(&mut self, path: &ForwardPath, params: &RcptParams) -> Result<(), ClientError> {
        unimplemented!()
    }

    /// DATA. After a 354: [`Session::body`] and [`Session::end_body`].
    pub fn data(&mut self) -> Result<(), ClientError> {
        unimplemented!()
    }

    /// A piece of the message, after 354 to DATA. Encoded: dots stuffed once, lone CR becomes a space and lone LF a CR LF.
    pub fn body(&mut self, piece: &[u8]) -> Result<(), ClientError> {
        unimplemented!()
    }

    /// The end of the message: a missing last CR LF, and the dot. One answer follows, or with LMTP one per accepted recipient.
    pub fn end_body(&mut self) -> Result<(), ClientError> {
        unimplemented!()
    }

    /// A BDAT chunk, instead of DATA; answered with [`Step::Chunk`].
    pub fn chunk(&mut self, piece: &[u8]) -> Result<(), ClientError> {
        unimplemented!()
    }

    /// The last BDAT chunk, which may be empty; answered like [`Session::end_body`].
    pub fn last_chunk(&mut self, piece: &[u8]) -> Result<(), ClientError> {
        unimplemented!()
    }

    /// RSET.
    pub fn reset(&mut self) {
        unimplemented!()
    }

    /// NOOP.
    pub fn noop(&mut self) {
        unimplemented!()
    }

    /// QUIT.
    pub fn quit(&mut self) {
        unimplemented!()
    }
}
