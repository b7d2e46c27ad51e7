//! The gate in a test internet: what is asked, what comes back, and what is made of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

mod active;
mod authentication;
mod dialup;
mod dns_lists;
mod headers;
mod lists;
mod sessions;
mod world;
