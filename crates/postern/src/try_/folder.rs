//! The folder of a trial: configuration, certificate, store, log. A new one, or one that is kept.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use postern_config::Config;
use postern_net::Activation;
use postern_signin::{Cost, PasswordHash};
use postern_store::{Options, Route, Store, StoreError};
use postern_testnet::Certificate;
use postern_types::{Address, Secret};
use tempfile::TempDir;
use tokio::task::{JoinError, JoinSet};

use super::scene::{Host, Remote};
use super::world::{BLOCK_LIST, World};
use crate::failure::Failure;
use crate::rows::rows;
use crate::serve::Ports;

/// The domain of all accounts.
pub(crate) const DOMAIN: &str = "example.test";
/// The server's own name.
pub(crate) const HOUSE: &str = "mx.example.test";
/// The largest message that is taken, as the configuration writes it and in octets.
const MESSAGE_SIZE: (&str, u64) = ("50 MB", 50_000_000);

/// Where everything of a trial is kept.
pub(crate) struct Folder {
    path: PathBuf,
    /// Removed at the end, when the folder is our own.
    _own: Option<TempDir>,
}

impl Folder {
    /// The folder at `kept`, made where it is not there; else a new one below the system's
    /// folder for such things, which goes away with the value.
    pub(crate) fn open(kept: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = kept else {
            let own = tempfile::Builder::new().prefix("postern-try-").tempdir();
            let own = own.map_err(Failure::io("cannot make a folder for the trial"))?;
            return Ok(Self { path: own.path().into(), _own: Some(own) });
        };
        let failed = || Failure::io(format!("cannot use {}", path.display()));
        fs::create_dir_all(path).map_err(failed())?;
        Ok(Self { path: path.canonicalize().map_err(failed())?, _own: None })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The configuration's file.
    pub(crate) fn config(&self) -> PathBuf {
        self.path.join("postern.toml")
    }

    /// The store's folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// The log's file.
    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("postern.log")
    }

    /// Makes the data folder and a certificate.
    pub(crate) fn furnish(&self) -> Result<(), Failure> {
        let failed = || Failure::io(format!("cannot write to {}", self.path.display()));
        fs::create_dir_all(self.data()).map_err(failed())?;
        let certificate = Certificate::self_signed(&[HOUSE, "localhost"]).map_err(failed())?;
        fs::write(self.path.join("certificate.pem"), certificate.pem()).map_err(failed())?;
        fs::write(self.path.join("key.pem"), certificate.key_pem()).map_err(failed())
    }

    /// Opens the ports and writes the configuration that names them. The usual ports of a trial where
    /// they are free; else those that the system chooses.
    pub(crate) fn open_ports(&self, listen: Ipv4Addr, world: &World) -> Result<(Config, Ports), Failure> {
        let open = |doors: Doors| {
            let config = self.configure(&doors, world)?;
            let ports = Ports::open(&config, Activation::default())?;
            Ok::<_, Failure>(ports)
        };
        let ports = match open(Doors::usual(listen)) {
            Ok(ports) => ports,
            Err(_) => open(Doors::any(listen))?,
        };
        // Written again with the ports as they are now, so that other commands find the server.
        let config = self.configure(&Doors(ports.addresses()), world)?;
        Ok((config, ports))
    }

    fn configure(&self, doors: &Doors, world: &World) -> Result<Config, Failure> {
        let file = self.config();
        let text = configuration(doors, world);
        fs::write(&file, text).map_err(Failure::io(format!("cannot write {}", file.display())))?;
        Ok(Config::load(&file, rows())?)
    }

    /// Makes sure that the domain and `count` accounts are there, all with the same password.
    pub(crate) async fn people(
        &self,
        count: u32,
        password: &Secret<String>,
    ) -> Result<Vec<Address>, Failure> {
        let store = Store::open(&self.data(), Options::tool())?;
        match store.add_domain(name(DOMAIN)?, Route::Mailbox).await {
            Ok(()) | Err(StoreError::Exists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        // One hash for all: a trial's accounts may be many, and hashing is slow by design.
        let hash = PasswordHash::new(password, Cost::default())?;
        let mut people = Vec::new();
        let mut added = JoinSet::new();
        for number in 0..count {
            let address: Address = name(&format!("user{number}@{DOMAIN}"))?;
            people.push(address.clone());
            // Many at a time share the store's commits.
            if added.len() >= TOGETHER
                && let Some(result) = added.join_next().await
            {
                finished(result)?;
            }
            added.spawn(add(store.clone(), address, hash.as_str().to_owned()));
        }
        while let Some(result) = added.join_next().await {
            finished(result)?;
        }
        store.close().await?;
        Ok(people)
    }
}

/// Accounts that are added at the same time.
const TOGETHER: usize = 256;

/// Adds an account; one that is there already gets the new password.
async fn add(store: Store, address: Address, hash: String) -> Result<(), StoreError> {
    match store.add_account(address.clone(), hash.clone()).await {
        Ok(_) => Ok(()),
        Err(StoreError::Exists { .. }) => store.set_password_hash(address, hash).await,
        Err(error) => Err(error),
    }
}

fn finished(result: Result<Result<(), StoreError>, JoinError>) -> Result<(), Failure> {
    let result =
        result.map_err(|error| Failure::Finding(format!("an account could not be added: {error}")))?;
    Ok(result?)
}

/// One of the trial's own names.
fn name<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|error| Failure::Finding(format!("{text}: {error}")))
}

/// The addresses to listen on, by the name in `[listen]`.
struct Doors(BTreeMap<&'static str, Vec<SocketAddr>>);

impl Doors {
    const USUAL: [(&'static str, u16); 5] =
        [("smtp", 2525), ("smtps", 2465), ("pop3", 2110), ("pop3s", 2995), ("watch", 9025)];

    fn usual(listen: Ipv4Addr) -> Self {
        let door = |(name, port)| {
            // Metrics have no password: they stay on this host.
            let public = name != "watch" || listen.is_loopback();
            let ip = if public { listen } else { Ipv4Addr::LOCALHOST };
            (name, vec![SocketAddr::from((ip, port))])
        };
        Self(Self::USUAL.map(door).into())
    }

    fn any(listen: Ipv4Addr) -> Self {
        let mut doors = Self::usual(listen);
        doors.0.values_mut().flatten().for_each(|address| address.set_port(0));
        doors
    }
}

/// The largest message that the configuration allows, in octets.
pub(crate) fn message_size() -> u64 {
    MESSAGE_SIZE.1
}

fn configuration(doors: &Doors, world: &World) -> String {
    let mut listen = String::new();
    for (name, addresses) in doors.0.iter().filter(|(_, addresses)| !addresses.is_empty()) {
        let addresses: Vec<String> = addresses.iter().map(|address| format!("\"{address}\"")).collect();
        listen.push_str(&format!("{name} = [{}]\n", addresses.join(", ")));
    }
    let (size, dns, port) = (MESSAGE_SIZE.0, world.dns(), world.port());
    let blocked = Host::among(world.hosts(), Remote::Blocked).ip;
    format!(
        r#"# Made by `postern try`: a Postern on loopback beside a test internet.

[server]
hostname = "{HOUSE}"
data = "data"

[listen]
{listen}
[tls]
certificate = "certificate.pem"
key = "key.pem"

[smtp]
message_size = "{size}"

[limits]
# Whoever tries it may try hard.
exempt = ["127.0.0.0/8"]

[signin]
# Whoever tries it by hand. The hosts of the test internet are on loopback too, and may be banned.
never_ban = ["127.0.0.1", "::1"]

[gate]
block = ["{blocked}"]

[gate.dnsbl."{BLOCK_LIST}"]
action = "reject"

# By default these count points. Here each is enough by itself, so that each is seen at work.
[gate.tests.dialup]
action = "reject"

[gate.tests.relay]
action = "reject"

[gate.tests.user]
action = "reject"

[probe]
# The test internet is this host, and its mail servers listen on a high port.
private_networks = ["127.0.0.0/8"]
port = {port}
# Nobody has to wait for an answer: who has come back once finds it here.
wait = "0 s"
# All of them are of one network.
per_minute = 1000
place_per_minute = 1000
place_per_day = 5000
target_per_minute = 1000
target_per_day = 5000

[dns]
servers = ["{dns}"]

[pop3]
# Passwords in the clear go no further than this host.
plaintext = "always"
"#
    )
}
