//! Real programs, run with a deadline; where one is not installed, the test says so and is skipped.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// Says loudly that a test is skipped, and why: on standard error, and into the file that
/// `POSTERN_SKIPS` names, from which `cargo xtask test` reports it at the end.
pub fn skip(why: &str) {
    let thread = std::thread::current();
    let line = format!("SKIPPED {}: {why}\n", thread.name().unwrap_or("?"));
    // Nothing can be done where standard error is closed.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(path) = std::env::var_os("POSTERN_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

/// A program to be run once.
pub struct Tool {
    command: Command,
    stdin: Vec<u8>,
    deadline: Duration,
}

/// How a program ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its exit code; `None` when it was killed, by its deadline or otherwise.
    pub code: Option<i32>,
    /// What it wrote; bytes that are not UTF-8 become `U+FFFD`.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Finished {
    /// Whether it ended with exit code 0.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.code == Some(0)
    }
}

/// The path of an installed program; looks in the system's administrative folders too.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/usr/bin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

impl Tool {
    /// The program of this name, or `None` with a [`skip`] line when it is not installed.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        let found = which(name);
        if found.is_none() {
            skip(&format!("{name} is not installed (`cargo xtask test` as root installs it)"));
        }
        found.map(|path| Self::at(&path))
    }

    pub(crate) fn at(path: &Path) -> Self {
        let mut command = Command::new(path);
        command.kill_on_drop(true).process_group(0).env("LC_ALL", "C");
        Self { command, stdin: Vec::new(), deadline: Duration::from_secs(60) }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// What it reads from its standard input; nothing until this is called.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// How long it may run; 60 seconds until this is called. Then it is killed, with its children.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs it to its end.
    pub async fn run(mut self) -> Finished {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match self.command.spawn() {
            Ok(child) => child,
            Err(error) => {
                return Finished { code: None, stdout: String::new(), stderr: error.to_string() };
            }
        };
        let group = child.id();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let ended =
            tokio::time::timeout(self.deadline, converse(&mut child, &self.stdin, &mut out, &mut err)).await;
        let code = if let Ok(code) = ended {
            code
        } else {
            kill_group(group, Signal::SIGKILL);
            let _ = child.wait().await;
            err.extend_from_slice(format!("\nkilled after {:?}", self.deadline).as_bytes());
            None
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Finished { code, stdout: text(out), stderr: text(err) }
    }
}

async fn converse(child: &mut Child, input: &[u8], out: &mut Vec<u8>, err: &mut Vec<u8>) -> Option<i32> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A program may end before it has read everything.
            let _ = stdin.write_all(input).await;
        }
    };
    let read_out = async {
        if let Some(mut stdout) = stdout {
            let _ = stdout.read_to_end(out).await;
        }
    };
    let read_err = async {
        if let Some(mut stderr) = stderr {
            let _ = stderr.read_to_end(err).await;
        }
    };
    tokio::join!(feed, read_out, read_err);
    child.wait().await.ok()?.code()
}

/// Signals a process group that we started ourselves (its id is its leader's).
pub(crate) fn kill_group(leader: Option<u32>, signal: Signal) {
    if let Some(id) = leader.and_then(|id| i32::try_from(id).ok()) {
        // Already gone is fine.
        let _ = killpg(Pid::from_raw(id), signal);
    }
}

/// Waits until no process of a killed group runs any more, 10 seconds at most: until then locks
/// that they inherited are held, and a successor that wants them would not start.
pub(crate) async fn group_is_gone(leader: Option<u32>) {
    let Some(leader) = leader else { return };
    for _ in 0..2000 {
        if !runs(leader) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a process of this group runs. One that is dead and not yet waited for holds nothing.
fn runs(group: u32) -> bool {
    let Ok(entries) = std::fs::read_dir("/proc") else { return false };
    entries.flatten().any(|entry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // proc(5): behind the name in brackets come state, parent, group.
        let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        let (state, of) = (fields.next(), fields.nth(1));
        of.is_some_and(|of| of.parse() == Ok(group)) && !matches!(state, Some("Z" | "X"))
    })
}
