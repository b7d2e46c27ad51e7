//! SMTP and LMTP without I/O: server and client state machines, PROXY protocol.
//!
//! Bytes go in, events and bytes come out; no socket, no clock, no thread. What reads the
//! wire here is bounded in memory whatever the peer sends, and the result does not depend on how
//! the bytes were cut into packets.
//!
//! - [`command`]: one command line as a value, both ways (RFC 5321 and the extensions).
//! - [`Extensions`]: what an EHLO answer offers.
//! - [`server`]: the receiving side of a session, SMTP or LMTP.
//! - [`client`]: the sending side: proxy, delivery, probes.
//! - [`proxy_protocol`]: the header that a load balancer puts in front of a connection.

mod body;
pub mod client;
pub mod command;
mod extensions;
pub mod proxy_protocol;
pub mod server;
mod xtext;

pub use extensions::{Extension, Extensions};

/// SMTP, or its variant for the last hop into mailboxes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// RFC 5321.
    #[default]
    Smtp,
    /// RFC 2033: `LHLO`, and after the message one reply for each accepted recipient.
    Lmtp,
}

/// What happens to a CR or LF that stands alone, where only CR LF may stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BareNewline {
    /// The command or message is refused.
    #[default]
    Refuse,
    /// A bare LF counts as CR LF, a bare CR in a message as a space. The end of a message is
    /// CR LF `.` CR LF all the same, so nothing can be smuggled.
    Normalise,
}
