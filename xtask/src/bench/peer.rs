//! A measured server: its programs, its folder, and what they cost. Where cgroup v2 can be
//! written, all its processes are in a group of their own, so that short-lived ones count too.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::cost;
use crate::Failure;

/// One or more programs that together are one server. They end with it, or by [`end_all`].
pub(super) struct Peer(Arc<Running>);

struct Running {
    folder: PathBuf,
    group: Option<PathBuf>,
    /// `None` once they were ended: nothing is started any more.
    programs: Mutex<Option<Vec<Child>>>,
}

/// Every peer that there is.
static LIVE: Mutex<Vec<Weak<Running>>> = Mutex::new(Vec::new());

/// Ends every peer, and never lets another begin: the process is about to go.
pub(super) fn end_all() {
    let live = lock(&LIVE);
    live.iter().filter_map(Weak::upgrade).for_each(|peer| peer.end());
    // Whoever wants to start a peer now waits for the end of the process.
    std::mem::forget(live);
}

/// What a thread that failed has left is still to be ended.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Peer {
    pub(super) fn new(name: &str) -> Result<Self, Failure> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let unique = format!("postern-bench-{}-{number}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(&unique);
        let mut live = lock(&LIVE);
        fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let group = cost::new_group(&unique);
        let peer = Self(Arc::new(Running { folder, group, programs: Mutex::new(Some(Vec::new())) }));
        live.retain(|peer| peer.strong_count() > 0);
        live.push(Arc::downgrade(&peer.0));
        // Servers drop to users of their own, who must get through.
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&peer.0.folder, open).map_err(|error| error.to_string())?;
        Ok(peer)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.folder.join(name)
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
        let mut programs = lock(&self.0.programs);
        let programs = programs.as_mut().ok_or("the bench was interrupted")?;
        programs.push(command.spawn().map_err(|error| format!("{}: {error}", program.display()))?);
        Ok(())
    }

    /// A shell enters the group before it becomes the program: what a process has forked before it
    /// is moved would stay outside.
    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let Some(group) = &self.0.group else {
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
            let ended = lock(&self.0.programs).as_mut().is_none_or(|programs| {
                programs.iter_mut().any(|child| !matches!(child.try_wait(), Ok(None)))
            });
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
        match &self.0.group {
            Some(group) => cost::group_cpu(group),
            None => cost::tree_cpu(&self.roots()),
        }
    }

    /// Its memory in KiB: the sum of PSS, in which shared pages are shared out.
    pub(super) fn memory(&self) -> u64 {
        let processes = match &self.0.group {
            Some(group) => cost::group_processes(group),
            None => cost::tree(&self.roots()),
        };
        processes.into_iter().map(cost::pss).sum()
    }

    fn roots(&self) -> Vec<u32> {
        lock(&self.0.programs).iter().flatten().map(Child::id).collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Running {
    /// Ends the programs, in order at first; then removes the group and the folder. Once.
    fn end(&self) {
        let mut held = lock(&self.programs);
        let Some(mut programs) = held.take() else { return };
        for child in &programs {
            if let Ok(id) = i32::try_from(child.id()) {
                // It may have ended by itself.
                let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
            }
        }
        let asked = Instant::now();
        while programs.iter_mut().any(|child| matches!(child.try_wait(), Ok(None))) {
            if asked.elapsed() > Duration::from_secs(10) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        for child in &mut programs {
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
