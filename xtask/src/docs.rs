//! Documentation: it builds without a warning, and the generated pages are those of this program.

use std::fs;
use std::process::Command;

use crate::step::{build_program, cargo, demand};
use crate::{Failure, root};

/// What to do with generated pages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pages {
    Compare,
    Write,
}

/// Each generated page and the arguments of `postern` that print it.
const GENERATED: &[(&str, &[&str])] = &[("docs/configuration.md", &["config", "reference"])];

pub(crate) fn run() -> Result<String, Failure> {
    Ok(format!("{}\n{}", build()?, reference(Pages::Write)?))
}

pub(crate) fn build() -> Result<String, Failure> {
    let mut command = cargo("doc --workspace --no-deps --quiet");
    demand(command.env("RUSTDOCFLAGS", "-D warnings"), "builds without a warning")
}

pub(crate) fn reference(pages: Pages) -> Result<String, Failure> {
    // The whole workspace, as the tests: else some dependencies would be built again with fewer features.
    let program = build_program("build --workspace --bins --quiet", "postern")?;
    for (page, words) in GENERATED {
        let output = Command::new(&program).args(*words).output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("`postern {}` fails\n{text}", words.join(" ")));
        }
        let file = root().join(page);
        match pages {
            Pages::Write => fs::write(&file, &output.stdout).map_err(|error| format!("{page}: {error}"))?,
            Pages::Compare if fs::read(&file).unwrap_or_default() == output.stdout => {}
            Pages::Compare => return Err(format!("{page} is not up to date: run `cargo xtask docs`")),
        }
    }
    Ok(format!("{} generated pages up to date", GENERATED.len()))
}
