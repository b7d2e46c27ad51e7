//! One command line as a value, both ways: [`Command::parse`] and `Display`.
//!
//! RFC 5321 §4.1 with the extensions that [`crate::Extensions`] names. The line's end, its
//! length and its place in the session are the business of [`crate::server`].

mod attributes;
mod parameters;
mod parse;
mod path;
#[cfg(test)]
mod round_trip;
mod write;

pub use attributes::{Attributes, Xclient, XclientName, Xforward, XforwardName};
pub use parameters::{BodyType, MailParams, Notify, OriginalRecipient, RcptParams, Return};
pub(crate) use parse::response;
pub use path::PathSyntax;

use postern_types::{AddressError, ForwardPath, ReversePath, Secret};

/// How a client says hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HelloVerb {
    /// Without extensions.
    Helo,
    /// With extensions.
    Ehlo,
    /// LMTP's.
    Lhlo,
}

/// HELO, EHLO or LHLO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Which of the three.
    pub verb: HelloVerb,
    /// The name as the client gave it: 1 to 255 characters of printable ASCII (others became `?`).
    /// Whether it is a host name or an address literal is for the checks: [`postern_types::Host::parse`].
    pub name: String,
}

/// MAIL FROM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The sender.
    pub path: ReversePath,
    /// What stands behind it.
    pub params: MailParams,
}

/// RCPT TO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rcpt {
    /// The recipient.
    pub path: ForwardPath,
    /// What stands behind it.
    pub params: RcptParams,
}

/// AUTH (RFC 4954).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// The mechanism's name in upper case.
    pub mechanism: String,
    /// The initial response, decoded; `=` on the wire is `Some` of nothing.
    pub initial: Option<Secret<Vec<u8>>>,
}

/// BDAT (RFC 3030): the octets follow the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bdat {
    /// How many octets follow.
    pub octets: u64,
    /// Whether they end the message.
    pub last: bool,
}

/// A command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `EHLO name`
    Hello(Hello),
    /// `MAIL FROM:<path> params`
    Mail(Mail),
    /// `RCPT TO:<path> params`
    Rcpt(Rcpt),
    /// `DATA`
    Data,
    /// `BDAT octets [LAST]`
    Bdat(Bdat),
    /// `RSET`
    Rset,
    /// `VRFY text`
    Vrfy(String),
    /// `EXPN text`
    Expn(String),
    /// `HELP [text]`
    Help,
    /// `NOOP [text]`
    Noop,
    /// `QUIT`
    Quit,
    /// `STARTTLS`
    StartTls,
    /// `AUTH mechanism [initial-response]`
    Auth(Auth),
    /// `XCLIENT name=value …`
    Xclient(Xclient),
    /// `XFORWARD name=value …`
    Xforward(Xforward),
}

/// Why a line is not a command. [`crate::server`] turns each into a reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The first word is no command that we know.
    #[error("command not recognised")]
    Unknown,
    /// The first word belongs to HTTP or another protocol.
    #[error("this is a mail server, not a web server or proxy")]
    OtherProtocol,
    /// A control character stands in the line.
    #[error("control characters are not allowed in commands")]
    ControlCharacter,
    /// The line is not UTF-8.
    #[error("the command is neither ASCII nor UTF-8")]
    NotUtf8,
    /// The arguments are not those of the command; says what is.
    #[error("syntax: {0}")]
    Syntax(&'static str),
    /// BDAT without a readable number of octets: where the chunk ends is unknown.
    #[error("syntax: BDAT octets [LAST]")]
    ChunkSize,
    /// The path of MAIL has no angle brackets, or not both.
    #[error("the address must stand in angle brackets: {0}")]
    Brackets(&'static str),
    /// The address in MAIL is not one.
    #[error("{0}")]
    Sender(AddressError),
    /// The address in RCPT is not one.
    #[error("{0}")]
    Recipient(AddressError),
    /// A source route that is not one.
    #[error("the source route in front of the address is malformed")]
    Route,
    /// A parameter that nobody knows, or that belongs to another command.
    #[error("parameter {0} is not supported")]
    UnknownParameter(String),
    /// A parameter whose value is missing, malformed or too long.
    #[error("parameter {0} has a malformed value")]
    BadParameter(&'static str),
    /// A parameter that stands twice.
    #[error("parameter {0} stands twice")]
    RepeatedParameter(&'static str),
    /// What should be base64 (RFC 4648 §4) is not.
    #[error("the response is not base64")]
    Base64,
}
