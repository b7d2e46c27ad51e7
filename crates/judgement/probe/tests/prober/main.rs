//! The prober on the test internet: what it finds out, and what the hosts that it asks see of it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail")]

mod citizen;
mod connect;
mod flood;
mod postfix;
mod relay;
mod target;
mod user;
mod way_out;
mod world;
