//! Is everything in the store as it was written?

use std::path::PathBuf;

use postern_config::Config;
use postern_store::BackupSummary;

use super::Finding;
use crate::failure::Failure;
use crate::open::with_store;

/// A copy of the store, removed when it is no longer needed.
struct Copy(PathBuf);

impl Drop for Copy {
    fn drop(&mut self) {
        // What cannot be removed now shows in the data folder; it does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes a backup of the store and verifies that: the database's structure, and the checksum of every body.
pub(crate) fn inspect(config: &Config) -> Finding {
    let about = "store";
    let copy = Copy(config.data().join(format!("doctor-{}", std::process::id())));
    let checked: Result<BackupSummary, Failure> = with_store(config, async |store| {
        store.backup(&copy.0).await?;
        Ok(postern_store::verify(&copy.0).await?)
    });
    match checked {
        Ok(BackupSummary { messages, bytes, .. }) => {
            Finding::ok(about, format!("{messages} messages, {bytes} bytes, undamaged"))
        }
        Err(failure) => Finding::problem(about, failure.to_string()).so("Restore the last good backup."),
    }
}
