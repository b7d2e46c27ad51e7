//! The file for scripts: every address that is listened on, every account and its password.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;

/// What a script needs to drive the running Postern.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ready {
    /// Postern's version.
    pub(crate) version: &'static str,
    /// The process, to end it by SIGTERM.
    pub(crate) pid: u32,
    /// The folder of the trial.
    pub(crate) folder: PathBuf,
    /// The configuration's file.
    pub(crate) config: PathBuf,
    /// The store's folder.
    pub(crate) data: PathBuf,
    /// The log's file.
    pub(crate) log: PathBuf,
    /// The domain of all accounts.
    pub(crate) domain: String,
    /// The addresses listened on, by service.
    pub(crate) listen: BTreeMap<&'static str, Vec<SocketAddr>>,
    /// The DNS server of the test internet.
    pub(crate) dns: SocketAddr,
    /// The SMTP servers of the remote hosts, by name.
    pub(crate) hosts: BTreeMap<String, SocketAddr>,
    /// Every account.
    pub(crate) accounts: Vec<Account>,
}

/// An account and how to sign in.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Account {
    /// The address, which is also the name to sign in with.
    pub(crate) address: String,
    /// The password.
    pub(crate) password: String,
}

impl Ready {
    /// Writes the file in one step: whoever sees it sees all of it. Only its owner may read it.
    ///
    /// # Errors
    /// The folder is not there or cannot be written.
    pub(crate) fn write(&self, file: &Path) -> io::Result<()> {
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        let mut new = NamedTempFile::new_in(folder)?;
        new.write_all(&text)?;
        new.persist(file)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Ready {
        Ready {
            version: "0.1.0",
            pid: 7,
            folder: "/tmp/x".into(),
            config: "/tmp/x/postern.toml".into(),
            data: "/tmp/x/data".into(),
            log: "/tmp/x/postern.log".into(),
            domain: "example.test".into(),
            listen: BTreeMap::from([("smtp", vec!["127.0.0.1:2525".parse().unwrap()])]),
            dns: "127.0.0.1:5353".parse().unwrap(),
            hosts: BTreeMap::from([("mail.honest.test".into(), "127.1.2.3:25".parse().unwrap())]),
            accounts: vec![Account { address: "user0@example.test".into(), password: "p".into() }],
        }
    }

    #[test]
    fn the_file_is_whole_and_replaces_an_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ready.json");
        std::fs::write(&file, "old").unwrap();
        ready().write(&file).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(json["listen"]["smtp"][0], "127.0.0.1:2525");
        assert_eq!(json["hosts"]["mail.honest.test"], "127.1.2.3:25");
        assert_eq!(json["accounts"][0]["address"], "user0@example.test");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left there");
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        assert!(ready().write(Path::new("/nonexistent/x.json")).is_err());
    }
}
