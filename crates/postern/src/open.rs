//! Opening the store for a command, beside a server that may be running, as the user that it runs as:
//! what root made there, the server could not write.

use std::os::unix::fs::chown;
use std::path::Path;

use nix::unistd::{User, geteuid};
use postern_config::Config;
use postern_net::privileges;
use postern_store::{Options, Store};

use crate::failure::Failure;

/// Opens the store.
fn store(config: &Config) -> Result<Store, Failure> {
    let folder = config.data();
    if geteuid().is_root()
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

/// The user that root becomes for the store; `None` for others, and without `server.user`.
pub(crate) fn becomes(config: &Config) -> Option<Result<User, Failure>> {
    config.server.user.as_ref().filter(|_| geteuid().is_root()).map(|name| find_user(name))
}

/// The user of that name.
pub(crate) fn find_user(name: &str) -> Result<User, Failure> {
    let found = User::from_name(name).map_err(std::io::Error::from);
    found.map_err(Failure::io("cannot look up the user"))?.ok_or_else(|| {
        Failure::Usage(format!(
            "there is no user `{name}` for the server to run as: make it with\n  \
             useradd --system --home-dir /var/lib/postern --shell /usr/sbin/nologin {name}\n\
             or name another with --user"
        ))
    })
}

/// Gives the folder and what is in it to the server's user.
pub(crate) fn hand_over(path: &Path, user: &User) -> Result<(), Failure> {
    let failed = || Failure::io(format!("cannot give {} to {}", path.display(), user.name));
    chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).map_err(failed())?;
    if path.is_dir() {
        for entry in std::fs::read_dir(path).map_err(failed())? {
            hand_over(&entry.map_err(failed())?.path(), user)?;
        }
    }
    Ok(())
}
