//! A measured server: its programs, its folder, and what they cost. Where cgroup v2 can be
//! written, all its processes are in a group of their own, so that short-lived ones count too.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::cost;
use crate::Failure;

/// One or more programs that together are one server.
pub(super) struct Peer {
    folder: PathBuf,
    group: Option<PathBuf>,
    programs: Vec<Child>,
}

impl Peer {
    pub(super) fn new(name: &str) -> Result<Self, Failure> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let unique = format!("postern-bench-{}-{number}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(&unique);
        fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let peer = Self { folder, group: cost::new_group(&unique), programs: Vec::new() };
        // Servers drop to users of their own, who must get through.
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&peer.folder, open).map_err(|error| error.to_string())?;
        Ok(peer)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file, with the folders above it.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.path(name);
        let written =
            fs::create_dir_all(path.parent().unwrap_or(&path)).and_then(|()| fs::write(&path, text));
        written.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }

    /// Starts a program in the peer's group; what it writes goes to the file `output`.
    pub(super) fn spawn(&mut self, program: &Path, arguments: &[&str]) -> Result<(), Failure> {
        let output = fs::OpenOptions::new().append(true).create(true).open(self.path("output"));
        let output = output.map_err(|error| error.to_string())?;
        let mut command = self.command(program, arguments);
        command
            .stdin(Stdio::null())
            .stderr(output.try_clone().map_err(|error| error.to_string())?)
            .stdout(output);
        let child = command.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
        self.programs.push(child);
        Ok(())
    }

    /// A shell enters the group before it becomes the program: what a process has forked before it
    /// is moved would stay outside.
    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let Some(group) = &self.group else {
            let mut command = Command::new(program);
            command.args(arguments);
            return command;
        };
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]).arg(group.join("cgroup.procs"));
        command.arg(program).args(arguments);
        command
    }

    /// Waits until something listens on a port of 127.0.0.1, while the program runs.
    pub(super) fn wait_for(&mut self, port: u16) -> Result<(), Failure> {
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = self.programs.iter_mut().any(|child| !matches!(child.try_wait(), Ok(None)));
            if ended || started.elapsed() > Duration::from_secs(60) {
                let output = fs::read_to_string(self.path("output")).unwrap_or_default();
                return Err(format!("nothing listens on port {port}:\n{output}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The processor time of all its processes, ended ones included.
    pub(super) fn cpu(&self) -> Duration {
        match &self.group {
            Some(group) => cost::group_cpu(group),
            None => cost::tree_cpu(&self.roots()),
        }
    }

    /// Its memory in KiB: the sum of PSS, in which shared pages are shared out.
    pub(super) fn memory(&self) -> u64 {
        let processes = match &self.group {
            Some(group) => cost::group_processes(group),
            None => cost::tree(&self.roots()),
        };
        processes.into_iter().map(cost::pss).sum()
    }

    fn roots(&self) -> Vec<u32> {
        self.programs.iter().map(Child::id).collect()
    }
}

/// Ends the programs, in order at first; then removes the group and the folder.
impl Drop for Peer {
    fn drop(&mut self) {
        for child in &self.programs {
            if let Ok(id) = i32::try_from(child.id()) {
                // It may have ended by itself.
                let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
            }
        }
        let asked = Instant::now();
        while self.programs.iter_mut().any(|child| matches!(child.try_wait(), Ok(None))) {
            if asked.elapsed() > Duration::from_secs(10) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        for child in &mut self.programs {
            let _ = child.kill();
            let _ = child.wait();
        }
        if let Some(group) = &self.group {
            cost::end_group(group);
        }
        if std::env::var_os("BENCH_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// A free port below the range from which clients get theirs, so that none of them can take it.
pub(super) fn free_port() -> Result<u16, Failure> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id() * 37;
    for _ in 0..9000 {
        let offset = (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 9000;
        let port = 21_000 + u16::try_from(offset).unwrap_or(0);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no free port between 21000 and 30000".into())
}
