//! The sending side of an SMTP or LMTP session, without I/O.
//!
//! The driver calls steps ([`Session::hello`], [`Session::mail`], …) in the order of the protocol, one at a time or many
//! at once: where the server offers PIPELINING they travel together, elsewhere each waits for the answer to the
//! one before. Then it writes [`Session::output`], reads into [`Session::receive`], and takes
//! answers from [`Session::next`].

mod reply;
mod session;
mod step;
#[cfg(test)]
mod tests;

pub use session::Session;
pub use step::{Answer, ClientError, Settings, Step};
