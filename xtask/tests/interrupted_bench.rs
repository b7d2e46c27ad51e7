//! A bench that is interrupted leaves nothing behind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Stands in for `postern`: makes whatever is to be made, and serves nothing, with a child of its own.
const PROGRAM: &str = "#!/bin/sh
case \"$*\" in
*serve)
    sleep 60 &
    echo \"$$ $!\" > \"$TMPDIR/started.part\" && mv \"$TMPDIR/started.part\" \"$TMPDIR/started\"
    wait
    ;;
*) cat > /dev/null ;;
esac
";

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("interrupted-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    let program = folder.join("postern");
    fs::write(&program, PROGRAM).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn runs(process: &str) -> bool {
    // One that has ended and that nobody has waited for is a zombie.
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

#[test]
fn a_signal_ends_the_peers_first() {
    let folder = folder();
    let mut bench = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["bench", "--only", "postern", "idle", "--program"])
        .arg(folder.join("postern"))
        .env("TMPDIR", &folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = loop {
        assert_eq!(bench.try_wait().unwrap(), None, "the bench ended by itself");
        match fs::read_to_string(folder.join("started")) {
            Ok(started) => break started,
            Err(_) => std::thread::yield_now(),
        }
    };
    let [program, child] = started.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{started}") };
    let peers = || {
        let entries = fs::read_dir(&folder).unwrap().flatten();
        entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let group = fs::read_to_string(format!("/proc/{program}/cgroup")).unwrap();
    assert_eq!(peers().len(), 1);
    kill(Pid::from_raw(bench.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(bench.wait().unwrap().code(), Some(128 + 15));
    assert_eq!(peers(), Vec::<PathBuf>::new());
    assert!(!runs(program));
    // Where there are groups, whatever the program has started ends too.
    if group.contains("postern-bench-") {
        assert!(!runs(child));
    } else {
        kill(Pid::from_raw(child.parse().unwrap()), Signal::SIGKILL).unwrap();
    }
    fs::remove_dir_all(&folder).unwrap();
}
