//! The milter protocol without I/O: the filter's side as a state machine.
//!
//! A milter is a filter that Sendmail (8.11 and later) and Postfix (2.3 and later) ask over a socket while an
//! SMTP session goes on: at the connection, HELO, MAIL, RCPT, header, body and end of message. There is no RFC;
//! the protocol is what Sendmail's library and Postfix speak, here versions 2 to 6.
//!
//! [`Session`] takes the MTA's bytes and says by [`Event`]s what the MTA tells; its driver gives each an
//! [`Answer`], and at the end of a message [`Change`]s before it. [`Command`] and [`Reply`] are the
//! packets themselves, in both directions, so that tests can play the MTA.
//!
//! ```text
//! every packet: length (4 octets, big-endian, of what follows) · command (1 octet) · data
//! ```

mod change;
mod command;
mod error;
mod event;
mod flags;
mod macros;
mod packet;
mod reply;
mod session;
#[cfg(test)]
mod tests;

pub use command::{Command, Connect, Family, Peer};
pub use error::Malformed;
pub use event::{Answer, Change, ChangeRefused, Closing, Event};
pub use flags::{Actions, Steps};
pub use macros::{Macros, Stage};
pub use packet::{LARGEST_PACKET, Packets};
pub use reply::Reply;
pub use session::{Session, Wanted};
