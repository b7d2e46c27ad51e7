//! The `postern` binary: the command line, and the composition of the parts into a server.

mod cli;
mod command;
mod compose;
mod failure;
mod file;
mod inspect;
mod judged;
mod open;
mod output;
mod preview;
mod rows;
mod serve;
mod try_;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli.run() {
        Ok(status) => status.into(),
        Err(failure) => {
            output::complain(&failure);
            failure.status().into()
        }
    }
}
