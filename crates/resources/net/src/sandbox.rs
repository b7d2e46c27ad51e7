//! Closing the file system for writing, except the data folder (Linux's Landlock).

use std::path::Path;

use landlock::{
    ABI, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
};

use crate::NetError;

/// How far the kernel could do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sandbox {
    /// Nothing outside can be written, made, renamed or removed.
    Closed,
    /// An older kernel: most of that.
    Partly,
    /// The kernel has no Landlock (before 5.13, or switched off).
    Absent,
}

/// The newest Landlock that adds a kind of writing (5: device ioctls come after it and are
/// not restricted here).
const KNOWN: ABI = ABI::V3;

/// From now on this thread, and the threads and programs that it starts, can write only
/// beneath `folders` and to `/dev/null`. Reading is not restricted. There is no way back, so:
/// call it before the runtime starts its threads.
///
/// # Errors
/// A folder that is not there.
pub fn restrict_writes(folders: &[&Path]) -> Result<Sandbox, NetError> {
    let writing = AccessFs::from_write(KNOWN);
    let opened = |path: &Path| {
        PathFd::new(path).map_err(|error| NetError::Sandbox(format!("{}: {error}", path.display())))
    };
    let folders: Vec<PathFd> = folders.iter().map(|path| opened(path)).collect::<Result<_, _>>()?;
    let null = opened(Path::new("/dev/null"))?;
    let restrict = || -> Result<RulesetStatus, RulesetError> {
        let mut rules = Ruleset::default().handle_access(writing)?.create()?;
        for folder in folders {
            rules = rules.add_rule(PathBeneath::new(folder, writing))?;
        }
        rules = rules.add_rule(PathBeneath::new(null, AccessFs::WriteFile))?;
        Ok(rules.restrict_self()?.ruleset)
    };
    match restrict().map_err(|error| NetError::Sandbox(error.to_string()))? {
        RulesetStatus::FullyEnforced => Ok(Sandbox::Closed),
        RulesetStatus::PartiallyEnforced => Ok(Sandbox::Partly),
        RulesetStatus::NotEnforced => Ok(Sandbox::Absent),
    }
}
