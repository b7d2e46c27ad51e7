//! The systemd units in `packaging/`: systemd finds them right, and the sockets that it hands over are used.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use crate::{House, folder};

fn units() -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd");
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Whether a program of systemd's is there; says so where it is not.
fn has(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        postern_testnet::skip(&format!("{program} is not installed"));
    }
    there
}

#[test]
fn systemd_finds_the_units_right() {
    if !has("systemd-analyze") {
        return;
    }
    let folder = folder();
    let mut files = Vec::new();
    for unit in units() {
        let text = std::fs::read_to_string(&unit).unwrap();
        // The program is not installed where systemd would look for it.
        let text = text.replace("/usr/bin/postern", env!("CARGO_BIN_EXE_postern"));
        let file = folder.path().join(unit.file_name().unwrap());
        std::fs::write(&file, text).unwrap();
        files.push(file);
    }
    assert_eq!(files.len(), 4);
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&files).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

#[test]
fn every_socket_has_a_name_that_the_server_knows() {
    let names = units().into_iter().filter(|unit| unit.extension().is_some_and(|kind| kind == "socket"));
    for unit in names {
        let text = std::fs::read_to_string(&unit).unwrap();
        let name = text.lines().find_map(|line| line.strip_prefix("FileDescriptorName=")).unwrap();
        assert_eq!(unit.file_stem().unwrap().to_str(), Some(&*format!("postern-{name}")));
        let explained = crate::postern(Path::new("/"), &["config", "explain", &format!("listen.{name}")], "");
        assert!(explained.fine().contains("a list, each entry an address with port"));
    }
}

/// `postern serve`, started by systemd's own program at the first connection to one of these addresses.
fn activated(house: &House, addresses: &[SocketAddr], names: &str) -> (Child, BufReader<ChildStderr>) {
    let mut command = Command::new("systemd-socket-activate");
    for address in addresses {
        command.args(["-l", &address.to_string()]);
    }
    command.arg(format!("--fdname={names}"));
    command.args([env!("CARGO_BIN_EXE_postern"), "-c", "postern.toml", "serve"]);
    let mut child = command.current_dir(house.folder.path()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    for _ in addresses {
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        assert!(line.starts_with("Listening on "), "{line}");
    }
    (child, log)
}

#[test]
fn sockets_that_systemd_hands_over_take_the_place_of_the_list() {
    if !has("systemd-socket-activate") {
        return;
    }
    let house = House::new();
    let (smtp, pop3) = (free(), free());
    let (mut child, _log) = activated(&house, &[smtp, pop3], "smtp:pop3");
    let greetings = [greeting(smtp), greeting(pop3)];
    // It has become the server by then.
    let _ = child.kill();
    let _ = child.wait();
    assert!(greetings[0].starts_with("220 mail.example.org"), "{greetings:?}");
    assert!(greetings[1].starts_with("+OK"), "{greetings:?}");
}

#[test]
fn a_socket_without_a_known_name_is_refused() {
    if !has("systemd-socket-activate") {
        return;
    }
    let house = House::new();
    let address = free();
    let (mut child, mut log) = activated(&house, &[address], "smpt");
    drop(TcpStream::connect(address).unwrap());
    let mut said = String::new();
    log.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said}");
    assert!(said.contains("a socket named `smpt`: FileDescriptorName= must be"), "{said}");
}

/// A free port, on a loopback address of this process's own, so that no other test takes it meanwhile.
fn free() -> SocketAddr {
    let [_, _, c, d] = std::process::id().to_be_bytes();
    TcpListener::bind((std::net::Ipv4Addr::new(127, 78, c, d.max(1)), 0)).unwrap().local_addr().unwrap()
}

fn greeting(address: SocketAddr) -> String {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}
