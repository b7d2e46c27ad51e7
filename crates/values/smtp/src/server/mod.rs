//! The receiving side of an SMTP or LMTP session, without I/O.
//!
//! The driver (a service) reads from its socket into [`Session::receive`], asks [`Session::next`] what
//! to do, answers, and writes [`Session::output`]. RFC 5321, 2033, 1870, 2034, 2920, 3030, 3207, 4954.

mod answer;
mod commands;
mod event;
mod input;
mod intake;
mod refusals;
mod session;
mod settings;
#[cfg(test)]
mod tests;

pub use event::{BodyEnd, Close, Early, Event};
pub use session::Session;
pub use settings::{Limits, Settings};
