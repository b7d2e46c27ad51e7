//! Postfix's policy delegation protocol without I/O: the server's side (Postfix's `SMTPD_POLICY_README`).
//!
//! Postfix asks with lines `name=value`, ended by an empty line, and gets `action=…` and an empty line back, any
//! number of times on one connection. [`Requests`] cuts the stream into [`Request`]s; [`Action`] is the answer.
//!
//! ```text
//! request=smtpd_access_policy⏎
//! protocol_state=RCPT⏎
//! client_address=192.0.2.7⏎
//! recipient=ann@example.test⏎
//! ⏎
//!                                action=DUNNO⏎
//!                                ⏎
//! ```

mod action;
mod request;

pub use action::Action;
pub use request::{Limits, Malformed, Request, Requests};
