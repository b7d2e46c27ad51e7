//! `cargo xtask TASK`: everything that is done to the project rather than by it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod bench;
mod checks;
mod docs;
mod fuzz;
mod material;
mod metadata;
mod packages;
mod step;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask test            format, clippy, layers, licences, words, all tests, documentation
cargo xtask material        fetches what others wrote for tests (SPF cases, signed messages)
cargo xtask layers          no crate depends on a floor above its own
cargo xtask licences        every dependency may be linked, none is banned
cargo xtask words           files, functions and names keep to the house's measures
cargo xtask docs            documentation builds; writes the generated pages anew
cargo xtask fuzz [SECONDS] [TARGET]   every fuzz target, or one, so long each (60)
cargo xtask bench [--quick] [--runs N] [--only postern|postfix] [--program FILE] [mailbox|proxy|blocked|idle|large ...]
                            Postern beside Postfix and Dovecot";

/// Why a task did not end well, in words for the terminal.
pub(crate) type Failure = String;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rest = arguments.get(1..).unwrap_or_default();
    let done = match arguments.first().map(String::as_str) {
        Some("test") => return test::run(),
        Some("material") => material::fetch(),
        Some("layers") => checks::layers::check(),
        Some("licences") => checks::licences::check(),
        Some("words") => checks::words::check(),
        Some("docs") => docs::run(),
        Some("fuzz") => fuzz::run(rest),
        Some("bench") => bench::run(rest),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    // CARGO_MANIFEST_DIR is <root>/xtask.
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
