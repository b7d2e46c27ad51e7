//! `postern check`: every mistake in the configuration and in the files that it names.

use std::path::{Path, PathBuf};

use postern_config::{Config, ConfigError, Mistake};

use crate::failure::{Failure, Status};
use crate::file;
use crate::inspect::files;
use crate::open::block_on;
use crate::output::Output;
use crate::rows::rows;

#[derive(serde::Serialize)]
struct Report {
    file: PathBuf,
    /// Of the configuration that holds; absent when there are mistakes in the file itself.
    hash: Option<String>,
    mistakes: Vec<Mistake>,
}

pub(crate) fn run(named: Option<&Path>, out: Output) -> Result<Status, Failure> {
    let file = file::find(named)?;
    let report = match Config::load(&file, rows()) {
        Ok(config) => {
            let mistakes = block_on(async { Ok(files::inspect(&config)) })?;
            Report { file, hash: Some(config.hash()), mistakes }
        }
        Err(ConfigError::Mistakes(mistakes)) => Report { file, hash: None, mistakes: mistakes.all },
        Err(error) => return Err(error.into()),
    };
    out.value(&report)?;
    Ok(if report.mistakes.is_empty() { Status::Fine } else { Status::Finding })
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for mistake in &self.mistakes {
            writeln!(f, "{}:{mistake}", self.file.display())?;
        }
        match (&self.hash, self.mistakes.len()) {
            (Some(hash), 0) => writeln!(f, "{} is right (SHA-256 {hash})", self.file.display()),
            (_, 1) => writeln!(f, "1 mistake"),
            (_, count) => writeln!(f, "{count} mistakes"),
        }
    }
}
