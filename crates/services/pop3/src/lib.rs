//! The POP3 service: mailboxes of the store, fetched over the protocol of `postern-pop3`.
//!
//! Read `session.rs` first: it is the story of a session. `signin.rs` lets a client at its
//! mail, `fetch.rs` sends and deletes messages, `folder.rs` knows which, `maildrops.rs` keeps two clients from one
//! maildrop, `service.rs` is the loop that lets connections in.

mod connection;
mod fetch;
mod folder;
mod maildrops;
mod service;
mod session;
mod settings;
mod signin;

pub use service::{Door, Parts, Service};
pub use settings::{QuarantineNames, Settings};
