//! System calls watched and made to fail by `strace`.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use postern_testnet::{Tool, skip};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

/// Whether `strace` is installed and may trace here; if not, a line says so.
pub async fn may_trace() -> bool {
    let Some(strace) = Tool::find("strace") else { return false };
    let finished = strace.args(["-f", "-e", "trace=none", "true"]).run().await;
    if !finished.ok() {
        skip(&format!("strace may not trace here: {}", finished.stderr.trim()));
    }
    finished.ok()
}

/// One system call as strace wrote it.
#[derive(Debug)]
pub struct Call {
    pub name: String,
    /// Its arguments; files are shown with their names.
    pub arguments: String,
    pub result: i64,
    /// The lines in which it began and ended.
    pub began: usize,
    pub ended: usize,
}

impl Call {
    /// Whether its first argument is a file whose name ends so.
    pub fn on(&self, name: &str) -> bool {
        let file = self.arguments.split(',').next().unwrap_or_default();
        file.trim_end_matches(['>', ')', ' ']).ends_with(name)
    }

    /// Whether its first argument is a connection.
    pub fn on_socket(&self) -> bool {
        self.arguments.split(',').next().unwrap_or_default().contains("<socket:")
    }

    /// Whether it is one of these calls.
    pub fn is(&self, names: &[&str]) -> bool {
        names.contains(&self.name.as_str())
    }
}

/// The calls of a log of `strace -f -y -o`, in the order in which they ended.
pub fn calls(log: &Path) -> Vec<Call> {
    let text = std::fs::read_to_string(log).unwrap();
    let mut begun = HashMap::new();
    let mut calls = Vec::new();
    for (line, text) in text.lines().enumerate() {
        let Some((pid, text)) = text.split_once(char::is_whitespace) else { continue };
        let text = text.trim_start();
        if let Some(text) = text.strip_suffix(" <unfinished ...>") {
            begun.insert(pid.to_owned(), (line, text.to_owned()));
            continue;
        }
        let (began, whole) = match text.strip_prefix("<... ") {
            None => (line, text.to_owned()),
            Some(rest) => {
                let Some((began, head)) = begun.remove(pid) else { continue };
                let tail = rest.split_once(" resumed>").map_or("", |(_, tail)| tail);
                (began, head + tail)
            }
        };
        let Some((call, result)) = whole.rsplit_once(" = ") else { continue };
        let Some((name, arguments)) = call.split_once('(') else { continue };
        let result = result.split(' ').next().unwrap().parse().unwrap_or(-1);
        calls.push(Call { name: name.into(), arguments: arguments.into(), result, began, ended: line });
    }
    calls
}

/// A `strace` that makes calls of a running process fail, until it is [taken off](Self::off).
pub struct Fault {
    strace: Child,
    /// Held open: it writes a line now and then.
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Fault {
    /// From now on these calls of the process on that file fail with this error.
    pub async fn on(pid: u32, file: &Path, calls: &str, error: &str) -> Self {
        let mut strace = Command::new("strace")
            .args(["-f", "-o", "/dev/null", "-p", &pid.to_string()])
            .arg("-P")
            .arg(file)
            .args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:error={error}")])
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(strace.stderr.take().unwrap()).lines();
        let mut said = String::new();
        while let Some(line) = stderr.next_line().await.unwrap() {
            said.push_str(&line);
            // All threads are its own by then.
            if line.contains(" attached") {
                return Self { strace, stderr };
            }
        }
        panic!("strace does not attach: {said}");
    }

    /// The process is as it was.
    pub async fn off(mut self) {
        let pid = i32::try_from(self.strace.id().unwrap()).unwrap();
        kill(Pid::from_raw(pid), Signal::SIGINT).unwrap();
        self.strace.wait().await.unwrap();
        while let Ok(Some(_)) = self.stderr.next_line().await {}
    }
}
