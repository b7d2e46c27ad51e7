//! One server process: started, listened to, measured, ended.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use postern_testnet::glob_matches;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A running server; killed when the value goes.
pub struct Server {
    child: Child,
    log: Log,
    readers: Vec<JoinHandle<()>>,
}

/// What it wrote so far, and how many lines.
#[derive(Clone)]
struct Log {
    text: Arc<Mutex<String>>,
    lines: watch::Sender<usize>,
}

/// What the process takes, in KiB, as the kernel counts it.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Now.
    pub resident: u64,
    /// At most, since the last [`Server::forget_peak`].
    pub peak: u64,
}

/// Starting, ending, and each line of the log that is waited for: only a server that hangs takes so long.
const PATIENCE: Duration = Duration::from_secs(40);

impl Server {
    pub(super) async fn start(folder: &Path, config: &Path, wrapper: &[&str]) -> Result<Self, String> {
        let socket = folder.join("notify");
        let _ = fs::remove_file(&socket);
        let notified = UnixDatagram::bind(&socket).unwrap();
        // It is another user by then.
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
        let program = env!("CARGO_BIN_EXE_postern");
        let config = config.to_str().unwrap();
        let words: Vec<&str> =
            wrapper.iter().copied().chain([program, "serve", "--config", config]).collect();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .env("NOTIFY_SOCKET", &socket)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = Log { text: Arc::default(), lines: watch::Sender::new(0) };
        let readers =
            vec![log.follow(child.stdout.take().unwrap()), log.follow(child.stderr.take().unwrap())];
        let ready = tokio::time::timeout(PATIENCE, async {
            tokio::select! {
                () = says_ready(&notified) => true,
                _ = child.wait() => false,
            }
        });
        let ready = ready.await.unwrap_or(false);
        let mut server = Self { child, log, readers };
        if ready {
            return Ok(server);
        }
        server.kill().await;
        Err(server.log())
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGKILL, as a crash or the out-of-memory killer would.
    pub async fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.start_kill();
        self.ended().await;
    }

    /// SIGTERM, as `systemctl stop` would.
    pub async fn stop(&mut self) -> ExitStatus {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        self.ended().await
    }

    async fn ended(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(PATIENCE, async {
            let status = self.child.wait().await.unwrap();
            // Whoever traced it ends with it, and holds the same pipes until then.
            for reader in &mut self.readers {
                let _ = reader.await;
            }
            self.readers.clear();
            status
        });
        match ended.await {
            Ok(status) => status,
            Err(_) => panic!("the server does not end:\n{}", self.log()),
        }
    }

    /// Everything it has written.
    pub fn log(&self) -> String {
        self.log.text.lock().unwrap().clone()
    }

    /// Waits for a line of the log that fits the pattern, be it written already or not.
    pub async fn logs(&self, pattern: &str) -> String {
        let mut lines = self.log.lines.subscribe();
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                let line = self.log().lines().find(|line| glob_matches(pattern, line)).map(str::to_owned);
                if let Some(line) = line {
                    return line;
                }
                lines.changed().await.unwrap();
            }
        });
        match found.await {
            Ok(line) => line,
            Err(_) => panic!("no line {pattern:?} in the log:\n{}", self.log()),
        }
    }

    pub fn memory(&self) -> Memory {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        Memory { resident: value("VmRSS:"), peak: value("VmHWM:") }
    }

    /// The peak counts from now on.
    pub fn forget_peak(&self) {
        // proc(5): 5 sets the peak to what is resident now.
        fs::write(format!("/proc/{}/clear_refs", self.pid()), "5").unwrap();
    }
}

impl Log {
    fn follow(&self, pipe: impl AsyncRead + Send + Unpin + 'static) -> JoinHandle<()> {
        let log = self.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(pipe).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let mut text = log.text.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
                drop(text);
                log.lines.send_modify(|lines| *lines += 1);
            }
        })
    }
}

/// sd_notify(3): each datagram is a list of lines.
async fn says_ready(socket: &UnixDatagram) {
    let mut datagram = [0; 4096];
    loop {
        let read = socket.recv(&mut datagram).await.unwrap();
        if datagram[..read].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
            return;
        }
    }
}
