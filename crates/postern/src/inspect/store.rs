//! Is everything in the store as it was written?

use std::time::Duration;

use postern_config::Config;
use postern_store::{Checkup, Depth, Extent, MAX_DAMAGE};

use super::Finding;
use crate::failure::Failure;
use crate::open::with_store;

/// How long a look that is not thorough may take.
const QUICK: Duration = Duration::from_secs(10);
const ABOUT: &str = "store";

/// How closely the doctor looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// At the database's structure, and whether the files that it names are there.
    Quick,
    /// At every message.
    Thorough,
}

/// Looks at the store itself, beside a server that may be running.
pub(crate) fn inspect(config: &Config, look: Look) -> Vec<Finding> {
    let depth = match look {
        Look::Quick => Depth::Quick(QUICK),
        Look::Thorough => Depth::Full,
    };
    let checked: Result<Checkup, Failure> = with_store(config, async |store| Ok(store.check(depth).await?));
    match checked {
        Ok(checkup) => findings(&checkup, look),
        Err(failure) => vec![Finding::problem(ABOUT, failure.to_string())],
    }
}

fn findings(checkup: &Checkup, look: Look) -> Vec<Finding> {
    const ADVICE: &str = "Restore the last good backup; what came since is read from a copy of this folder.";
    let Checkup { messages, files, bytes, extent, damage } = checkup;
    if !damage.is_empty() {
        let mut found: Vec<_> =
            damage.iter().map(|damage| Finding::problem(ABOUT, damage.to_string())).collect();
        if damage.len() >= MAX_DAMAGE {
            found.push(Finding::problem(ABOUT, "there may be more"));
        }
        let last = found.pop().map(|last| last.so(ADVICE));
        found.extend(last);
        return found;
    }
    if *extent == Extent::Part {
        let seen = format!("undamaged as far as {} s reach", QUICK.as_secs());
        return vec![Finding::unknown(ABOUT, seen).so("`postern doctor --thorough` looks at all of it.")];
    }
    let seen = match look {
        Look::Quick => format!("messages: {messages}, of them in files of their own: {files}; all there"),
        Look::Thorough => format!("messages: {messages}, bytes of text: {bytes}; undamaged"),
    };
    vec![Finding::ok(ABOUT, seen)]
}
