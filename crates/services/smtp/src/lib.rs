//! The SMTP service: server and proxy sessions over the protocol of `postern-smtp`.
//!
//! Read `session.rs` first: it is the story of a session. `envelope.rs` takes HELO, MAIL and RCPT,
//! `intake.rs` the message as it streams in, `finish.rs` makes it safe and answers. `protocol.rs` is the gate
//! before the 250. `upstream.rs` is the session with the MTA behind, `service.rs` the loop that
//! lets connections in, `release.rs` the way of released copies to the MTA behind.

mod announce;
mod behind;
mod connection;
mod envelope;
mod feedback;
mod finish;
mod held;
mod intake;
mod judgement;
mod offer;
mod profile;
mod protocol;
mod record;
mod refusal;
mod release;
mod service;
mod session;
mod settings;
mod transaction;
pub mod upstream;
mod wire;

pub use service::{Door, Parts, Service};
pub use settings::{Offered, Settings, Trust};
pub use wire::Program;
