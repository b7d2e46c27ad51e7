//! Opening the store for a command, beside a server that may be running.

use postern_config::Config;
use postern_net::privileges;
use postern_store::{Options, Store};

use crate::failure::Failure;

/// Opens the store as the user that the server runs as: what root made there, the server could
/// not write.
pub(crate) fn store(config: &Config) -> Result<Store, Failure> {
    let folder = config.data();
    if nix::unistd::geteuid().is_root()
        && let Some(user) = &config.server.user
    {
        privileges::drop_to(user)?;
    }
    if !folder.is_dir() {
        return Err(Failure::Finding(format!(
            "there is no data folder {}: make it with `postern setup you@your.domain`, or correct `server.data` in {}",
            folder.display(),
            config.file().display()
        )));
    }
    Ok(Store::open(&folder, Options::tool())?)
}

/// Runs one asynchronous command.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::io("cannot start"))?.block_on(work)
}

/// Opens the store, works with it, closes it.
pub(crate) fn with_store<T, W>(config: &Config, work: impl FnOnce(Store) -> W) -> Result<T, Failure>
where
    W: Future<Output = Result<T, Failure>>,
{
    let store = store(config)?;
    block_on(async {
        let result = work(store.clone()).await;
        store.close().await?;
        result
    })
}
