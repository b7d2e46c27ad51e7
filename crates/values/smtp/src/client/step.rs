//! The steps of a client session, their answers, and what can go wrong.

use postern_types::Reply;

use crate::{Extension, Flavour};

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
    /// XCLIENT; a positive answer is a new greeting, say [`super::Session::hello`] again.
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

impl Step {
    /// rfc2920 §3.1: nothing is sent behind these until their answer is there.
    pub(super) fn must_be_last(self) -> bool {
        matches!(
            self,
            Self::Greeting
                | Self::Hello
                | Self::StartTls
                | Self::Xclient
                | Self::Data
                | Self::Noop
                | Self::Quit
        )
    }
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
