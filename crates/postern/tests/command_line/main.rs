//! The command line as people and scripts use it: the program is run, its answers and exit codes are read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may")]

mod asked;
mod hosts;
mod house;
mod judged;
mod look;
mod manage;
mod mistakes;
mod names;
mod profiles;
mod server;
mod units;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::geteuid;

/// A folder with a Postern in it, made by `postern setup ann@example.org`.
struct House {
    folder: tempfile::TempDir,
    password: String,
}

/// What a command answered.
#[derive(Debug)]
struct Answer {
    code: i32,
    out: String,
    err: String,
}

impl Answer {
    #[track_caller]
    fn fine(self) -> String {
        assert_eq!(self.code, 0, "{self:#?}");
        self.out
    }

    #[track_caller]
    fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.fine()).unwrap()
    }

    /// What it complains of, ended by this exit code.
    #[track_caller]
    fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:#?}");
        self.err
    }
}

/// A folder that the server's user can reach.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("postern-cli-").tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    folder
}

/// Root has to name the user that the server becomes.
fn user() -> &'static [&'static str] {
    if geteuid().is_root() { &["--user", "nobody"] } else { &[] }
}

fn postern(folder: &Path, arguments: &[&str], input: &str) -> Answer {
    let mut child = Command::new(env!("CARGO_BIN_EXE_postern"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input closes it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Answer {
        code: output.status.code().expect("it ends by itself"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl House {
    fn new() -> Self {
        let folder = folder();
        let setup =
            ["--json", "-c", "postern.toml", "setup", "ann@example.org", "--offline", "--data", "data"];
        let made = postern(folder.path(), &[&setup, user()].concat(), "").json();
        let password = made["password"].as_str().unwrap().to_owned();
        let house = Self { folder, password };
        // No port that somebody else may have, on addresses that are always there.
        house.edit(|source| {
            let (before, rest) = source.split_once("[listen]\n").unwrap();
            let (_, after) = rest.split_once("[tls]").unwrap();
            let any = "[\"127.0.0.1:0\"]";
            format!(
                "{before}[listen]\nsmtp = {any}\npop3 = {any}\npop3s = {any}\nwatch = {any}\n\n[tls]{after}"
            )
        });
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `postern -c postern.toml …`.
    fn run(&self, arguments: &[&str]) -> Answer {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> Answer {
        postern(self.folder.path(), &[&["-c", "postern.toml"], arguments].concat(), input)
    }

    fn source(&self) -> String {
        std::fs::read_to_string(self.path("postern.toml")).unwrap()
    }

    fn edit(&self, change: impl FnOnce(&str) -> String) {
        std::fs::write(self.path("postern.toml"), change(&self.source())).unwrap();
    }
}
