//! The POP3 service on loopback, with a real store and real clients.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test that cannot go on says so by panicking"
)]

mod guessing;
mod quarantine;
mod real_clients;
mod sessions;
mod world;
