//! The services that another MTA on this host or network asks: milter, and Postfix's policy delegation.
//!
//! Both use the same chain as the SMTP service: collectors bring evidence, the judge reaches a verdict for each
//! recipient. What follows is told to the MTA, which keeps its queue and its mailboxes; only what is
//! quarantined is kept here, and that is on stable storage before the MTA hears of it.
//!
//! Read `milter.rs` first: it is the story of an MTA's connection. `envelope.rs` takes connection, HELO, MAIL and
//! RCPT, `message.rs` the message and its end, `judgement.rs` the verdict on it, `correspondents.rs` what is learned from it. `delegation.rs` is the other, smaller door. `service.rs` lets
//! connections in, `house.rs` is what both doors share.

mod client;
mod connection;
mod correspondents;
mod delegation;
mod envelope;
mod house;
mod judgement;
mod message;
mod milter;
mod record;
mod refusal;
mod service;
mod settings;
mod transaction;

pub use service::{Door, Parts, Service};
pub use settings::Settings;
