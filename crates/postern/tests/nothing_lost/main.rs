//! Whatever was answered 250 is there: after SIGKILL under load, with the MTA behind killed too, on a full
//! disk, on one that cannot be written, beside damaged data. And the sync comes before the 250.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it has seen"
)]

mod faults;
mod killed;
#[path = "../running/mod.rs"]
mod running;
mod synced;
