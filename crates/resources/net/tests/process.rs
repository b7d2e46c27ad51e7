//! What changes a whole process is tested in one: each test runs itself again as a child.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail, and says what it skips")]

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal as Kill, raise};
use nix::unistd::{Uid, geteuid};
use postern_net::{Activation, NetError, Signal, Signals, Socket, notify, privileges, sandbox};

/// Set in a child; says which folder it may use.
const CHILD: &str = "POSTERN_NET_TEST_CHILD";

/// Runs `name`, one of the ignored tests below, in a process of its own.
fn child(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", name]).env(CHILD, folder);
    command
}

fn succeeds(mut command: Command) -> String {
    let output: Output = command.output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    said
}

/// The child's folder; `None` when somebody runs ignored tests by hand.
fn folder() -> Option<std::path::PathBuf> {
    std::env::var_os(CHILD).map(Into::into)
}

#[test]
fn without_file_descriptors_accepting_waits_and_recovers() {
    succeeds(child("child_without_file_descriptors", Path::new("")));
}

#[test]
#[ignore = "child"]
fn child_without_file_descriptors() {
    if folder().is_none() {
        return;
    }
    // The clock stands still and jumps to the next timer whenever nothing else is to be done.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let listener = Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap().listen().unwrap();
        let _client = TcpStream::connect(listener.address()).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, 64, 64).unwrap();
        let mut all = Vec::new();
        while let Ok(file) = fs::File::open("/dev/null") {
            all.push(file);
        }
        let ten_seconds = Duration::from_secs(10);
        assert!(tokio::time::timeout(ten_seconds, listener.accept()).await.is_err());
        // 20 + 40 + 80 + 160 + 320 + 640 ms, then once a second: it does not spin.
        let tries = listener.exhausted();
        assert!((10..=20).contains(&tries), "{tries} tries in ten seconds");
        drop(all);
        let stream = listener.accept().await;
        assert_eq!(stream.local().unwrap(), listener.address());
    });
}

#[test]
fn root_is_given_up_for_good() {
    if !geteuid().is_root() {
        eprintln!("SKIPPED: only root can become another user");
        return;
    }
    succeeds(child("child_gives_up_root", Path::new("")));
}

#[test]
#[ignore = "child"]
fn child_gives_up_root() {
    if folder().is_none() {
        return;
    }
    assert!(matches!(privileges::refuse_root(), Err(NetError::RunsAsRoot)));
    assert!(matches!(privileges::drop_to("root"), Err(NetError::RunsAsRoot)));
    let error = privileges::drop_to("no-such-user").unwrap_err().to_string();
    assert_eq!(error, "there is no user `no-such-user` on this system");

    // A thread that is there already must lose its rights too.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || {
        wait.recv().unwrap();
        (geteuid(), fs::read("/etc/shadow").is_err())
    });
    assert_eq!(privileges::drop_to("nobody").unwrap(), privileges::Identity::Changed);
    go.send(()).unwrap();
    let (uid, shadow_is_closed) = other.join().unwrap();
    assert!(!uid.is_root() && shadow_is_closed);

    privileges::refuse_root().unwrap();
    assert!(nix::unistd::seteuid(Uid::from_raw(0)).is_err());
    assert!(nix::unistd::getgroups().unwrap().iter().all(|gid| gid.as_raw() != 0));
    assert!(nix::sys::prctl::get_no_new_privs().unwrap());
    assert_eq!(privileges::drop_to("nobody").unwrap(), privileges::Identity::Same);
    let error = privileges::drop_to("daemon").unwrap_err().to_string();
    assert!(error.contains("only root can"), "{error}");
}

#[test]
fn only_the_data_folder_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("outside"), "as it was").unwrap();
    let said = succeeds(child("child_in_a_sandbox", folder.path()));
    if said.contains("SKIPPED") {
        eprintln!("SKIPPED: this kernel has no Landlock");
    }
    assert_eq!(fs::read(folder.path().join("outside")).unwrap(), b"as it was");
}

#[test]
#[ignore = "child"]
fn child_in_a_sandbox() {
    let Some(folder) = folder() else { return };
    let error = sandbox::restrict_writes(&[&folder.join("none")]).unwrap_err().to_string();
    assert!(error.contains("none"), "{error}");
    if sandbox::restrict_writes(&[&folder.join("data")]).unwrap() == sandbox::Sandbox::Absent {
        eprintln!("SKIPPED: this kernel has no Landlock");
        return;
    }
    let (outside, inside) = (folder.join("outside"), folder.join("data/inside"));
    fs::write(&inside, "yes").unwrap();
    fs::rename(&inside, folder.join("data/renamed")).unwrap();
    fs::write("/dev/null", "into nothing").unwrap();
    assert_eq!(fs::read(&outside).unwrap(), b"as it was", "reading is free");
    assert!(fs::write(&outside, "no").is_err());
    assert!(fs::File::create(folder.join("new")).is_err());
    assert!(fs::remove_file(&outside).is_err());
    assert!(fs::rename(folder.join("data/renamed"), folder.join("new")).is_err());
    let elsewhere = std::thread::spawn(move || fs::write(&outside, "no").is_err());
    assert!(elsewhere.join().unwrap(), "threads started later are in it too");
}

#[test]
fn sockets_come_from_systemd_by_name() {
    let sockets: Vec<_> = (0..2).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let addresses: Vec<String> = sockets.iter().map(|s| s.local_addr().unwrap().to_string()).collect();
    let mut sockets = sockets.into_iter().map(|socket| Stdio::from(std::os::fd::OwnedFd::from(socket)));
    // sd_listen_fds(3): from descriptor 3 on; the shell puts them there and becomes the child.
    let mut shell = Command::new("sh");
    shell
        .args(["-c", r#"LISTEN_PID=$$ exec "$0" "$@" 3<&0 4<&1 >/dev/null </dev/null"#])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "child_activated"])
        .env(CHILD, addresses.join(" "))
        .env("LISTEN_FDS", "2")
        .env("LISTEN_FDNAMES", "smtp:pop3")
        .stdin(sockets.next().unwrap())
        .stdout(sockets.next().unwrap())
        .stderr(Stdio::piped());
    let mut running = shell.spawn().unwrap();
    drop(shell);
    // The sockets were listening before the child ran: nobody is turned away during a restart.
    let mut heard = String::new();
    for address in &addresses {
        TcpStream::connect(address).unwrap().read_to_string(&mut heard).unwrap();
    }
    let mut said = String::new();
    running.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(running.wait().unwrap().success(), "{said}");
    assert_eq!(heard, "220 smtp\r\n220 pop3\r\n", "{said}");
}

#[test]
#[ignore = "child"]
fn child_activated() {
    let Some(addresses) = folder() else { return };
    let addresses = addresses.to_str().unwrap().to_owned();
    let mut activation = Activation::from_env().unwrap();
    assert_eq!(activation.left(), ["smtp", "pop3"]);
    assert!(activation.take("imap").is_empty());
    let smtp = activation.take("smtp").remove(0);
    assert_eq!(activation.left(), ["pop3"]);
    let pop3 = activation.take("pop3").remove(0);
    assert_eq!(format!("{} {}", smtp.address(), pop3.address()), addresses);
    assert!(Activation::from_env().unwrap().left().is_empty(), "they are taken once");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        smtp.listen().unwrap().accept().await.refuse(b"220 smtp\r\n");
        pop3.listen().unwrap().accept().await.refuse(b"220 pop3\r\n");
    });
}

#[test]
fn without_systemd_there_are_no_sockets() {
    let mut command = child("child_not_activated", Path::new(""));
    command.env_remove("LISTEN_FDS").env_remove("LISTEN_PID");
    succeeds(command);
    let mut for_another = child("child_not_activated", Path::new(""));
    for_another.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    succeeds(for_another);
}

#[test]
#[ignore = "child"]
fn child_not_activated() {
    if folder().is_some() {
        assert!(Activation::from_env().unwrap().left().is_empty());
    }
}

#[test]
fn systemd_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    let mut command = child("child_tells_systemd", folder.path());
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "40000").env_remove("WATCHDOG_PID");
    succeeds(command);
    let mut buffer = [0; 256];
    let mut heard = Vec::new();
    systemd.set_nonblocking(true).unwrap();
    while let Ok(n) = systemd.recv(&mut buffer) {
        heard.push(String::from_utf8_lossy(&buffer[..n]).into_owned());
    }
    assert_eq!(
        heard[..4],
        ["READY=1\n", "STATUS=two lines\n", "STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000\n", "WATCHDOG=1\n"]
    );
}

#[test]
#[ignore = "child"]
fn child_tells_systemd() {
    if folder().is_none() {
        return;
    }
    notify::ready();
    notify::status("two\nlines");
    notify::stopping(Duration::from_secs(30));
    assert_eq!(notify::watchdog_interval(), Some(Duration::from_millis(20)));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let _ = tokio::time::timeout(Duration::from_millis(50), notify::watchdog()).await;
    });
}

#[tokio::test]
async fn signals_become_values() {
    let mut signals = Signals::new().unwrap();
    for (sent, received) in
        [(Kill::SIGHUP, Signal::Reload), (Kill::SIGTERM, Signal::Stop), (Kill::SIGINT, Signal::Stop)]
    {
        raise(sent).unwrap();
        assert_eq!(signals.next().await, received);
    }
}
