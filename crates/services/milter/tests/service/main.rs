//! The services for other MTAs: conversations, a real Postfix and a real Sendmail.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

mod delegation;
mod house;
mod mta;
mod postfix;
mod protocol;
mod sendmail;
