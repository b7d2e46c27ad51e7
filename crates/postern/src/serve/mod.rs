//! `postern serve`: the composition of the parts, in the order of a start.
//!
//! Configuration → log → ports (or those that systemd hands over) → rights given up → store →
//! services → ready → a signal → sessions finish → store closed.

mod health;
mod lists;
mod ports;
mod reload;
mod server;
mod upkeep;
mod web;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use postern_config::Config;
use postern_events::{Event, log};
use postern_net::sandbox::{Sandbox, restrict_writes};
use postern_net::{Activation, Signal, Signals, notify, privileges, raise_open_files};

pub(crate) use ports::{Ports, local_sockets};
pub(crate) use server::{Server, Shared, prober, smtp_service};

use crate::compose;
use crate::failure::{Failure, Status};
use crate::file;

/// What threads that hash passwords may take after everything else has ended.
const LAST_THREADS: Duration = Duration::from_secs(1);

/// Runs the server until it is told to stop.
pub(crate) fn run(named: Option<&Path>) -> Result<Status, Failure> {
    // Before any thread starts: it changes the environment.
    let activation = Activation::from_env()?;
    let config = file::load(named)?;
    let (format, level) = compose::events::log(&config);
    let _log = log::init(format, level).map_err(|error| Failure::Finding(error.to_string()))?;
    let ports = Ports::open(&config, activation)?;
    make_room(&config)?;
    give_up_rights(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::io("cannot start threads"))?;
    let result = runtime.block_on(live(config, ports));
    runtime.shutdown_timeout(LAST_THREADS);
    result.map(|()| Status::Fine)
}

/// From the store to the end.
async fn live(config: Config, ports: Ports) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let grace = config.server.shutdown_deadline;
    let listening: Vec<String> = ports.addresses().into_iter().filter_map(line).collect();
    let server = Server::start(config, ports).await?;
    notify::status(&listening.join("; "));
    notify::ready();
    let watchdog = tokio::spawn(notify::watchdog());
    while signals.next().await == Signal::Reload {
        server.reload().await;
    }
    notify::stopping(grace);
    server.events().emit(&Event::Stopping { why: "a signal" });
    let stop = server.shutdown();
    stop.begin(grace);
    // A second signal does not wait for sessions.
    let impatient = async move {
        while signals.next().await == Signal::Reload {}
        stop.begin(Duration::ZERO);
    };
    let impatient = tokio::spawn(impatient);
    let ended = server.finish().await;
    impatient.abort();
    watchdog.abort();
    ended
}

/// Raises the limit on open files, and says so where it does not reach for the connections that are allowed.
fn make_room(config: &Config) -> Result<(), Failure> {
    let files = raise_open_files()?;
    // Beside the connections of clients: those to MTAs behind and to the DNS, the store, large messages.
    let wanted = u64::from(config.limits.connections) * 2 + 256;
    if files < wanted {
        tracing::warn!(
            files,
            wanted,
            "the system allows too few open files for `limits.connections`: raise LimitNOFILE= or `ulimit -Hn`"
        );
    }
    Ok(())
}

/// `smtp on 0.0.0.0:25, [::]:25`.
fn line((service, addresses): (&str, Vec<SocketAddr>)) -> Option<String> {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    (!addresses.is_empty()).then(|| format!("{service} on {}", addresses.join(", ")))
}

/// Becomes the configured user, and closes the file system but for the data folder.
fn give_up_rights(config: &Config) -> Result<(), Failure> {
    match &config.server.user {
        Some(user) => {
            privileges::drop_to(user)?;
        }
        None => privileges::refuse_root().map_err(|error| {
            Failure::Finding(format!("{error}: set `server.user` in {}", config.file().display()))
        })?,
    }
    let folder = config.data();
    if !folder.is_dir() {
        return Err(Failure::Finding(format!(
            "there is no data folder {}: make it with `postern setup you@your.domain`",
            folder.display()
        )));
    }
    if restrict_writes(&[&folder])? == Sandbox::Absent {
        tracing::info!("this kernel cannot close the file system for writing (Landlock)");
    }
    Ok(())
}
