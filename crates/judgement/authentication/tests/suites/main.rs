//! Material that others wrote: the openSPF suite, dkimpy's messages and keys, the ARC suite. `cargo xtask test`
//! fetches it; a test whose data is not there says so and is skipped.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test that cannot go on says so"
)]

mod arc;
mod bounds;
mod data;
mod dkimpy;
mod dmarc;
mod example;
mod message;
mod spf;
mod zone;
