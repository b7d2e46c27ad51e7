//! `serve`: a server that starts, can be asked, is told to reload and to stop.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::House;

pub(crate) struct Server {
    child: Child,
    seen: Vec<String>,
    log: Receiver<String>,
}

/// Only a server that hangs takes so long.
const PATIENCE: Duration = Duration::from_secs(30);

impl Server {
    pub(crate) fn start(house: &House) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_postern"))
            .args(["-c", "postern.toml", "serve"])
            .current_dir(house.folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (send, log) = std::sync::mpsc::channel();
        // Ends with the server, or when nobody reads any more.
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { child, seen: Vec::new(), log }
    }

    /// Waits for a line of the log with these words, be it written already or not.
    #[track_caller]
    pub(crate) fn logs(&mut self, words: &str) -> String {
        loop {
            if let Some(line) = self.seen.iter().find(|line| line.contains(words)) {
                return line.clone();
            }
            match self.log.recv_timeout(PATIENCE) {
                Ok(line) => self.seen.push(line),
                Err(_) => panic!("no line with {words:?} in\n{}", self.seen.join("\n")),
            }
        }
    }

    pub(crate) fn address(&mut self, service: &str) -> SocketAddr {
        let line = self.logs(&format!("listening service={service} "));
        line.trim().rsplit_once("address=").unwrap().1.parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.logs("stopped");
        self.child.wait().unwrap()
    }
}

/// A test that fails leaves no server behind.
impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn greeting(address: SocketAddr) -> String {
    let mut line = String::new();
    BufReader::new(connect(address)).read_line(&mut line).unwrap();
    line
}

fn http(address: SocketAddr, path: &str) -> String {
    let mut stream = connect(address);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_server_starts_serves_and_stops() {
    let house = House::new();
    let mut server = Server::start(&house);
    let smtp = server.address("smtp");
    let pop3 = server.address("pop3");
    let hash = house.run(&["config", "show", "--json"]).json()["hash"].as_str().unwrap().to_owned();
    server.logs(&format!("started version={} config={hash}", env!("CARGO_PKG_VERSION")));
    let watch = server.address("watch");
    assert!(greeting(smtp).starts_with("220 mail.example.org ESMTP"));
    assert!(greeting(pop3).starts_with("+OK"));
    assert!(http(watch, "/ready").starts_with("HTTP/1.1 200"));
    let health = http(watch, "/health");
    for part in ["certificate", "disk", "dnsbl", "store"] {
        assert!(health.contains(&format!("\"{part}\":{{\"state\":\"up\"}}")), "{health}");
    }
    assert!(http(watch, "/metrics").contains("postern_connections_total{service=\"smtp\"} 1\n"));
    // Commands work beside it.
    house.run(&["account", "add", "bob@example.org", "--generate"]).fine();
    assert!(server.stop().success());
}

#[test]
fn mail_comes_in_and_its_trace_says_so() {
    let house = House::new();
    house.edit(|source| format!("{source}\n[gate.tests.sender_domain]\naction = \"score\"\nweight = 1.5\n\n[dns]\nservers = [\"127.0.0.1:1\"]\n"));
    let mut server = Server::start(&house);
    let smtp = server.address("smtp");
    server.logs("started");
    let mut stream = BufReader::new(connect(smtp));
    let mut say = |line: &str| {
        if !line.is_empty() {
            stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        }
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            reply.push_str(&line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return reply;
            }
        }
    };
    assert!(say("").starts_with("220 "));
    assert!(say("EHLO client.example.net").contains("250"));
    assert!(say("MAIL FROM:<carl@example.net>").starts_with("250"));
    assert!(say("RCPT TO:<ann@example.org>").starts_with("250"));
    assert!(say("RCPT TO:<nobody@example.org>").starts_with("550 5.1.1"));
    assert!(say("DATA").starts_with("354"));
    let message = "From: carl@example.net\r\nDate: Sun, 22 Nov 2026 05:59:00 +0000\r\nMessage-ID: <1@example.net>\r\n\
                   Subject: hello\r\n\r\nhello\r\n.";
    let accepted = say(message);
    assert!(accepted.starts_with("250 "), "{accepted}");
    assert!(say("QUIT").starts_with("221"));
    let found =
        house.run(&["trace", "search", "--sender", "carl@", "--outcome", "accepted", "--json"]).json();
    let id = found[0]["id"].as_str().unwrap();
    assert!(accepted.contains(id), "the id is in the reply: {accepted}");
    let story = house.run(&["trace", id]).fine();
    for words in [
        "Sender:    <carl@example.net>",
        "Recipient: ann@example.org: ",
        "Why, for ann@example.org:",
        "quarantine from 5, refused from 10",
    ] {
        assert!(story.contains(words), "{words}\n{story}");
    }
    let json = house.run(&["trace", id, "--json"]).json();
    assert!(json["evidence"]["evidence"]["findings"].is_array(), "{json}");
    assert!(server.stop().success());
}

#[test]
fn a_reload_brings_new_lists_into_use() {
    let house = House::new();
    let mut server = Server::start(&house);
    let smtp = server.address("smtp");
    server.logs("started");
    assert!(greeting(smtp).starts_with("220 "));
    house.edit(|source| format!("{source}\n[gate]\nblock = [\"127.0.0.1\"]\n[smtp]\nrecipients = 200\n"));
    server.signal(Signal::SIGHUP);
    server.logs("certificate reloaded");
    server.logs("this setting has changed and holds from the next start on key=smtp.recipients");
    server.logs(" reloaded config=");
    assert!(greeting(smtp).starts_with("554 5.7.1"));
    house.edit(|source| format!("{source}\nnonsense = 1\n"));
    server.signal(Signal::SIGHUP);
    server.logs("the configuration has mistakes: the old one stays in use");
    assert!(greeting(smtp).starts_with("554 5.7.1"));
    assert!(server.stop().success());
}

#[test]
fn a_list_entry_of_another_process_is_in_use_soon() {
    let house = House::new();
    let mut server = Server::start(&house);
    let smtp = server.address("smtp");
    server.logs("started");
    house.run(&["list", "add", "block", "127.0.0.0/8", "--reason", "ourselves"]).fine();
    server.logs("the lists have changed");
    assert!(greeting(smtp).starts_with("554 5.7.1"));
    assert!(server.stop().success());
}

#[test]
fn two_servers_do_not_share_a_store() {
    let house = House::new();
    let mut server = Server::start(&house);
    server.logs("started");
    let error = house.run(&["serve"]).fails(1);
    assert!(error.contains("another Postern is running on this data folder"), "{error}");
    assert!(server.stop().success());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let house = House::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    house.edit(|source| source.replacen("127.0.0.1:0", &address, 1));
    let error = house.run(&["serve"]).fails(1);
    assert!(error.contains(&format!("cannot listen on {address}")), "{error}");
}
