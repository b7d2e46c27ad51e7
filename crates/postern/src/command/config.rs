//! `postern config explain|show|reference`.

use std::path::Path;

use postern_config::{Effective, explain, reference};

use crate::failure::{Failure, Status};
use crate::file;
use crate::output::{Output, print};
use crate::rows::rows;

/// Explain or show settings
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ConfigCommand {
    /// What a setting or section is for: kind, default, bounds and value
    Explain {
        /// `smtp.message_size`, `smtp`, `gate.tests.rdns`
        key: String,
    },
    /// Every setting with its value
    Show {
        /// Only those that differ from their defaults
        #[arg(long)]
        changed: bool,
    },
    /// The page of all settings, in Markdown
    Reference,
}

impl ConfigCommand {
    pub(crate) fn run(self, named: Option<&Path>, out: Output) -> Result<Status, Failure> {
        match self {
            Self::Explain { key } => explain_key(&key, named, out)?,
            Self::Show { changed } => show(changed, named, out)?,
            Self::Reference => print(reference(rows()).trim_end())?,
        }
        Ok(Status::Fine)
    }
}

fn explain_key(key: &str, named: Option<&Path>, out: Output) -> Result<(), Failure> {
    // A setting is explained without a file too; one that was named must be right.
    let config = if named.is_some() { Some(file::load(named)?) } else { file::load(None).ok() };
    let explained = explain(key, rows(), config.as_ref()).map_err(|near| {
        Failure::Usage(match near {
            Some(near) => format!("there is no setting `{key}`; did you mean `{near}`?"),
            None => format!("there is no setting `{key}`; `postern config reference` lists them all"),
        })
    })?;
    out.value(&explained)
}

#[derive(serde::Serialize)]
struct Shown {
    file: std::path::PathBuf,
    /// Of the whole configuration, whatever is shown.
    hash: String,
    settings: Vec<Effective>,
}

fn show(changed: bool, named: Option<&Path>, out: Output) -> Result<(), Failure> {
    let config = file::load(named)?;
    let settings = config.effective().into_iter().filter(|setting| setting.changed || !changed).collect();
    out.value(&Shown { file: config.file().to_owned(), hash: config.hash(), settings })
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "# {}, SHA-256 {}\n", self.file.display(), self.hash)?;
        f.write_str(&Effective::to_toml(&self.settings))
    }
}
