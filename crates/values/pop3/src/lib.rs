//! POP3 without I/O: the server as a state machine (RFC 1939).
//!
//! With CAPA (RFC 2449), AUTH PLAIN (RFC 5034, RFC 4616), STLS (RFC 2595), UTF8 (RFC 6856)
//! and response codes (RFC 2449 §8, RFC 3206). APOP is not offered: it needs passwords in
//! the clear on the server.
//!
//! [`Session`] takes the client's bytes and says by [`Event`]s what its driver must do:
//! check a password, read a message, delete messages. Everything else it answers itself.

mod authorization;
mod capabilities;
mod command;
#[cfg(test)]
mod conversations;
mod denial;
mod event;
mod maildrop;
mod output;
mod plain;
mod sending;
mod session;
mod settings;
mod stuffing;
mod transaction;

pub use denial::{Denial, ResponseCode};
pub use event::{Credentials, Ending, Event, Extent, Mechanism};
pub use maildrop::{Entry, Maildrop, UniqueId};
pub use session::Session;
pub use settings::{Channel, Cleartext, Expire, Limits, Settings};
pub use stuffing::Wanted;
