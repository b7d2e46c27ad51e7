//! `postern completions`, `postern man`: what packages install beside the program.

use std::path::PathBuf;

use clap::CommandFactory;

use crate::cli::Cli;
use crate::failure::{Failure, Status};

/// Print completions for a shell
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// Which shell
    shell: clap_complete::Shell,
}

/// Write the manual pages, one for each command
#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// The folder to write them to; it is made when it is not there
    folder: PathBuf,
}

impl Completions {
    pub(crate) fn run(self) -> Result<Status, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "postern", &mut script);
        crate::output::print(String::from_utf8_lossy(&script).trim_end())?;
        Ok(Status::Fine)
    }
}

impl Man {
    pub(crate) fn run(self) -> Result<Status, Failure> {
        let failed = || Failure::io(format!("cannot write manual pages to {}", self.folder.display()));
        std::fs::create_dir_all(&self.folder).map_err(failed())?;
        clap_mangen::generate_to(Cli::command(), &self.folder).map_err(failed())?;
        Ok(Status::Fine)
    }
}
