//! Which configuration file is read.

use std::path::{Path, PathBuf};

use postern_config::Config;

use crate::failure::Failure;
use crate::rows::rows;

/// Where the file is when it is not named: in this folder, or where the system has it.
pub(crate) const PLACES: [&str; 2] = ["postern.toml", "/etc/postern/postern.toml"];

/// The file: the one that is named, or the first of the usual places.
pub(crate) fn find(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let found = PLACES.iter().map(Path::new).find(|path| path.exists());
    found.map(Path::to_owned).ok_or_else(|| {
        Failure::Usage(format!(
            "there is no {} and no {}: make one with `postern setup you@your.domain`, or name it with --config",
            PLACES[0], PLACES[1]
        ))
    })
}

/// Reads and checks the file.
pub(crate) fn load(named: Option<&Path>) -> Result<Config, Failure> {
    Ok(Config::load(&find(named)?, rows())?)
}
