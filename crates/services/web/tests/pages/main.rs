//! The quarantine's pages as their visitors meet them: over TLS, by an HTTP client and by a real browser.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test that cannot go on says so by panicking"
)]

mod bounds;
mod browser;
mod digests;
mod door;
mod held;
mod hostile;
mod senders;
mod world;
