//! `postern backup create|verify|restore`.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use postern_config::Config;
use postern_store::{BackupSummary, StoreError};

use crate::failure::{Failure, Status};
use crate::file;
use crate::open::{becomes, block_on, hand_over, with_store};
use crate::output::Output;

/// Copies of everything that is kept
#[derive(Debug, clap::Subcommand)]
pub(crate) enum BackupCommand {
    /// Copy the store of a server, running or not, into a new folder
    Create {
        /// The folder; it must not exist or be empty
        folder: PathBuf,
    },
    /// Check that a backup is complete and undamaged
    Verify {
        /// The backup's folder
        folder: PathBuf,
    },
    /// Make a data folder from a backup; the server must not run
    Restore {
        /// The backup's folder
        folder: PathBuf,
        /// The data folder to make [default: that of the configuration]
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
    },
}

impl BackupCommand {
    pub(crate) fn run(self, named: Option<&Path>, out: Output) -> Result<Status, Failure> {
        let (what, summary) = match self {
            Self::Create { folder } => {
                let config = file::load(named)?;
                let folder = std::path::absolute(&folder).map_err(Failure::io("cannot use that folder"))?;
                offer(&config, &folder)?;
                let summary = with_store(&config, async |store| {
                    store.backup(&folder).await.map_err(|error| unusable(error, &folder))
                })?;
                ("Saved", summary)
            }
            Self::Verify { folder } => {
                ("Complete and undamaged", block_on(async { Ok(postern_store::verify(&folder).await?) })?)
            }
            Self::Restore { folder, to } => {
                // With --to it also works where the configuration is lost too.
                let config = if to.is_some() { file::load(named).ok() } else { Some(file::load(named)?) };
                let to = to.or_else(|| config.as_ref().map(Config::data)).unwrap_or_default();
                let restored = block_on(async {
                    postern_store::restore(&folder, &to).await.map_err(|error| unusable(error, &to))
                })?;
                if let Some(user) = config.as_ref().and_then(becomes) {
                    hand_over(&to, &user?)?;
                }
                ("Restored", restored)
            }
        };
        out.value(&Summary::new(what, summary))?;
        Ok(Status::Fine)
    }
}

/// The store is read as the user that the server runs as: root makes the folder for it.
fn offer(config: &Config, folder: &Path) -> Result<(), Failure> {
    let Some(user) = becomes(config) else { return Ok(()) };
    if !folder.exists() {
        let failed = Failure::io(format!("cannot make {}", folder.display()));
        DirBuilder::new().mode(0o700).create(folder).map_err(failed)?;
        hand_over(folder, &user?)?;
    }
    Ok(())
}

/// Nothing is ever written over.
fn unusable(error: StoreError, folder: &Path) -> Failure {
    let shown = folder.display();
    match error {
        StoreError::Exists { .. } => Failure::Finding(format!(
            "{shown} holds something already: name a folder that does not exist, or move that away"
        )),
        StoreError::ReadOnly => Failure::Finding(format!(
            "{shown} cannot be written by the user that `server.user` names: name a folder that it can reach"
        )),
        error => error.into(),
    }
}

#[derive(serde::Serialize)]
struct Summary {
    #[serde(skip)]
    what: &'static str,
    messages: u64,
    files: u64,
    bytes: u64,
}

impl Summary {
    fn new(what: &'static str, summary: BackupSummary) -> Self {
        let BackupSummary { messages, files, bytes } = summary;
        Self { what, messages, files, bytes }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, messages, files, bytes } = self;
        write!(f, "{what}. Messages: {messages}, of them in files of their own: {files}; bytes: {bytes}.")
    }
}
