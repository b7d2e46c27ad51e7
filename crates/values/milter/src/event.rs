//! What the session tells its driver, and what the driver answers.

use postern_types as types;

use crate::{Actions, Connect, Malformed};

/// What the driver must do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Write the output, then read and call [`Session::receive`](crate::Session::receive).
    NeedInput,
    /// A client has connected. Answer.
    Connect(Connect),
    /// The client's name. Answer. A transaction that was open is over.
    Hello(Vec<u8>),
    /// A transaction begins: path and parameters. Answer. One that was open is over.
    Mail(Vec<Vec<u8>>),
    /// A recipient: path and parameters. Answer.
    Rcpt(Vec<Vec<u8>>),
    /// DATA. Answer.
    Data,
    /// A header field, as it stands in the message: `value` with the space behind the colon, folded with CRLF.
    /// Answer, unless [`Steps::NO_REPLY_HEADER`](crate::Steps) was agreed; answering all the same does no harm.
    Header {
        /// Its name.
        name: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// The header is over. Answer.
    EndOfHeader,
    /// A piece of the body, with CRLF line ends. Answer.
    Body(Vec<u8>),
    /// The message is over, perhaps with the last piece of its body. Change it, then answer.
    EndOfMessage(Vec<u8>),
    /// A command that the MTA does not know. Answer.
    Unknown(Vec<u8>),
    /// The message is given up. No answer.
    Abort,
    /// The client has gone; the connection waits for the next one. No answer.
    Gone,
    /// Write the output and close.
    Close(Closing),
}

/// Why the conversation is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closing {
    /// The MTA said so.
    #[error("the MTA has said goodbye")]
    Quit,
    /// What it sent is no milter protocol.
    #[error("the MTA does not speak the milter protocol: {0}")]
    Malformed(#[from] Malformed),
    /// A command where it must not stand.
    #[error("the MTA sent a command out of turn: {0}")]
    OutOfTurn(&'static str),
    /// It speaks only versions that are older than this filter's oldest.
    #[error("the MTA speaks version {0} of the milter protocol, the oldest here is 2")]
    Version(u32),
    /// It does not allow what the filter needs.
    #[error("the MTA does not let filters do what this one needs: {0}")]
    Lacks(Actions),
}

/// The driver's answer to an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Continue,
    /// Take it: at the connection or HELO the whole session, from MAIL on this message. Nothing more is told of it.
    Accept,
    /// Refuse it with the MTA's own words: the recipient at RCPT, else as [`Answer::Accept`].
    Reject,
    /// The same for now.
    TempFail,
    /// Say yes to the client, and throw the message away. Not before MAIL.
    Discard,
    /// Refuse it with this reply. A reply that is neither 4yz nor 5yz becomes [`Answer::TempFail`].
    Refuse(types::Reply),
    /// No more of the body is wanted; only an answer to [`Event::Body`], and where
    /// [`Steps::SKIP`](crate::Steps::SKIP) was not agreed the same as `Continue`.
    Skip,
}

/// A change of the message, at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds a field at the end of the header.
    AddHeader {
        /// Its name.
        name: String,
        /// Its value; may be folded with CRLF.
        value: Vec<u8>,
    },
    /// Adds a field at a place in the header.
    InsertHeader {
        /// How many fields stand before it.
        index: u32,
        /// Its name.
        name: String,
        /// Its value; may be folded with CRLF.
        value: Vec<u8>,
    },
    /// Changes or deletes a field.
    ChangeHeader {
        /// Which of that name, from 1. Delete the last ones first: MTAs differ in whether deleted fields count.
        index: u32,
        /// Its name.
        name: String,
        /// Its new value; empty deletes it.
        value: Vec<u8>,
    },
    /// Changes the envelope sender.
    ChangeSender(types::ReversePath),
    /// Adds a recipient.
    AddRecipient(types::Address),
    /// Takes a recipient out, named as in its [`Event::Rcpt`].
    DeleteRecipient(Vec<u8>),
    /// The whole new body, with CRLF line ends.
    ReplaceBody(Vec<u8>),
    /// Has the MTA hold the message, for this reason.
    Quarantine(String),
}

/// Why a change was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefused {
    /// Only at the end of a message, before its answer.
    #[error("a message can be changed only at its end")]
    NotNow,
    /// The MTA does not let this filter do it.
    #[error("the MTA does not allow filters to change this: {0}")]
    NotAllowed(Actions),
    /// rfc5322 §2.2: field names are printable US-ASCII without colon.
    #[error("a header field cannot have that name")]
    FieldName,
    /// Longer than a packet.
    #[error("the change is too long for a packet")]
    TooLong,
}
