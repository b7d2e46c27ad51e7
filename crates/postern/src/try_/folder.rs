//! The folder of a trial: configuration, certificate, store, log. A new one, or one that is kept.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use postern_signin::{Cost, PasswordHash, SigninError};
use postern_store::{Options, Route, Store, StoreError};
use postern_testnet::Certificate;
use postern_types::{Address, Domain, Secret};
use tempfile::TempDir;

use super::scene::Remote;
use super::world::{BLOCK_LIST, World};

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

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Signin(#[from] SigninError),
    #[error("{0}")]
    Name(String),
}

impl Folder {
    /// The folder at `kept`, made where it is not there; else a new one below the system's
    /// folder for such things, which goes away with the value.
    pub(crate) fn open(kept: Option<&Path>) -> Result<Self, FolderError> {
        match kept {
            Some(path) => {
                fs::create_dir_all(path).map_err(|error| FolderError::Io(path.into(), error))?;
                let path = path.canonicalize().map_err(|error| FolderError::Io(path.into(), error))?;
                Ok(Self { path, _own: None })
            }
            None => {
                let parent = std::env::temp_dir();
                let own = tempfile::Builder::new().prefix("postern-try-").tempdir_in(&parent);
                let own = own.map_err(|error| FolderError::Io(parent, error))?;
                Ok(Self { path: own.path().into(), _own: Some(own) })
            }
        }
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

    /// Writes configuration and certificate for a server at `listen` within `world`.
    pub(crate) fn furnish(&self, listen: Ipv4Addr, world: &World) -> Result<(), FolderError> {
        let write = |name: &str, text: String| {
            let file = self.path.join(name);
            fs::write(&file, text).map_err(|error| FolderError::Io(file, error))
        };
        let certificate = Certificate::self_signed(&[HOUSE, "localhost"]);
        let certificate = certificate.map_err(|error| FolderError::Io(self.path.clone(), error))?;
        write("certificate.pem", certificate.pem())?;
        write("key.pem", certificate.key_pem())?;
        fs::create_dir_all(self.data()).map_err(|error| FolderError::Io(self.data(), error))?;
        write("postern.toml", configuration(listen, world.dns(), world.address(Remote::Blocked)))
    }

    /// Makes sure that the domain and `count` accounts are there, all with the same password.
    pub(crate) async fn people(
        &self,
        count: usize,
        password: &Secret<String>,
    ) -> Result<Vec<Address>, FolderError> {
        let name = |error: &dyn std::fmt::Display| FolderError::Name(error.to_string());
        let domain = Domain::parse(DOMAIN).map_err(|error| name(&error))?;
        let store = Store::open(&self.data(), Options::tool())?;
        match store.add_domain(domain, Route::Mailbox).await {
            Ok(()) | Err(StoreError::Exists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        // One hash for all: a trial's accounts may be many, and hashing is slow by design.
        let hash = PasswordHash::new(password, Cost::default())?;
        let mut people = Vec::with_capacity(count);
        for number in 0..count {
            let address = Address::parse(&format!("user{number}@{DOMAIN}")).map_err(|error| name(&error))?;
            let hash = hash.as_str().to_owned();
            match store.add_account(address.clone(), hash.clone()).await {
                Ok(_) => {}
                Err(StoreError::Exists { .. }) => store.set_password_hash(address.clone(), hash).await?,
                Err(error) => return Err(error.into()),
            }
            people.push(address);
        }
        store.close().await?;
        Ok(people)
    }
}

/// The largest message that the configuration allows, in octets.
pub(crate) fn message_size() -> u64 {
    MESSAGE_SIZE.1
}

fn configuration(listen: Ipv4Addr, dns: SocketAddr, blocked: Ipv4Addr) -> String {
    // Metrics have no password: they stay on this host.
    let watch = if listen.is_loopback() { listen } else { Ipv4Addr::LOCALHOST };
    let at = |port| free_or_any(SocketAddr::from((listen, port)));
    let (smtp, smtps, pop3, pop3s) = (at(2525), at(2465), at(2110), at(2995));
    let watch = free_or_any(SocketAddr::from((watch, 9025)));
    let size = MESSAGE_SIZE.0;
    format!(
        r#"# Made by `postern try`: a Postern on loopback beside a test internet.

[server]
hostname = "{HOUSE}"
data = "data"

[listen]
smtp = ["{smtp}"]
smtps = ["{smtps}"]
pop3 = ["{pop3}"]
pop3s = ["{pop3s}"]
watch = ["{watch}"]

[tls]
certificate = "certificate.pem"
key = "key.pem"

[smtp]
message_size = "{size}"

[limits]
# Whoever tries it may try hard.
exempt = ["127.0.0.0/8"]

[gate]
block = ["{blocked}"]

[gate.dnsbl."{BLOCK_LIST}"]
action = "reject"

[dns]
servers = ["{dns}"]

[pop3]
# Passwords in the clear go no further than this host.
plaintext = "always"
"#
    )
}

/// The address if its port is free, else with a port that the system chooses.
fn free_or_any(address: SocketAddr) -> SocketAddr {
    match TcpListener::bind(address) {
        Ok(_) => address,
        Err(_) => SocketAddr::new(address.ip(), 0),
    }
}
