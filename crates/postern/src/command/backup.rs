//! `postern backup create|verify|restore`.

use std::path::{Path, PathBuf};

use postern_store::{BackupSummary, StoreError};

use crate::failure::{Failure, Status};
use crate::file;
use crate::open::{block_on, with_store};
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
                let summary = with_store(&config, async |store| {
                    store.backup(&folder).await.map_err(|error| not_empty(error, &folder))
                })?;
                ("Saved", summary)
            }
            Self::Verify { folder } => {
                ("Complete and undamaged", block_on(async { Ok(postern_store::verify(&folder).await?) })?)
            }
            Self::Restore { folder, to } => {
                let config = if to.is_some() { None } else { Some(file::load(named)?) };
                let to = to.or_else(|| config.map(|config| config.data())).unwrap_or_default();
                let restored = block_on(async {
                    postern_store::restore(&folder, &to).await.map_err(|error| not_empty(error, &to))
                })?;
                ("Restored", restored)
            }
        };
        out.value(&Summary::new(what, summary))?;
        Ok(Status::Fine)
    }
}

/// Nothing is ever written over.
fn not_empty(error: StoreError, folder: &Path) -> Failure {
    match error {
        StoreError::Exists { .. } => Failure::Finding(format!(
            "{} holds something already: name a folder that does not exist, or move that away",
            folder.display()
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
        write!(f, "{what}: {messages} messages, {files} of them in files of their own, {bytes} bytes.")
    }
}
