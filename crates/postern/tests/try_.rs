//! `postern try` as a person and as a script run it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use postern_testnet::{Tool, glob_matches};
use serde_json::Value;

fn postern(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = postern(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn json(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// Runs a line as a shell does.
fn shell(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{line}\n{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// A `postern try` that stays up.
struct Up {
    child: Child,
    out: BufReader<ChildStdout>,
    /// What it has printed until it said that it stays up.
    said: String,
}

impl Up {
    fn start(arguments: &[&str]) -> Self {
        let mut child = postern(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut up = Self { out: BufReader::new(child.stdout.take().unwrap()), child, said: String::new() };
        while !up.said.contains("Ctrl-C") {
            let line = up.line();
            up.said.push_str(&line);
        }
        up
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.out.read_line(&mut line).unwrap(), 0, "it ended after\n{}", self.said);
        line
    }

    /// The command behind `what`.
    fn by_hand(&self, what: &str) -> String {
        let line = self.said.lines().find_map(|line| line.trim().strip_prefix(what));
        line.unwrap_or_else(|| panic!("no {what} in\n{}", self.said)).trim().to_owned()
    }

    /// Ctrl-C, and what is printed until the end.
    fn interrupt(mut self) -> (Option<i32>, String) {
        shell(&format!("kill -INT {}", self.child.id()));
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // Ended already, where the test went well.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// What came, what was decided, and why.
const ROWS: &[(&str, &str, &str)] = &[
    ("honest mail", "accepted", "stored as"),
    ("mail with an attachment", "accepted", "stored as"),
    ("mail to an unknown user", "refused", "550 5.1.1"),
    ("mail from a blocked address", "refused", "554 5.7.1"),
    ("relay attempt", "refused", "550 5.7.1"),
    ("message that is too big", "refused", "552 5.3.4"),
    ("smuggling attempt", "refused", "550 5.6.11"),
    ("mail from an open relay", "refused", "relays mail for strangers"),
    ("mail from a closed relay", "accepted", "relay: clear"),
    ("mail from a dial-up host", "refused", "residential or dynamic"),
    ("forged sender", "refused", "bank.test*DMARC, p=reject"),
    ("sender who does not exist", "deferred", "451 4.7.1*nobody@users.test"),
    ("the same, once that is known", "refused", "550 5.1.7*nobody@users.test does not exist"),
    ("sender at a catch-all domain", "accepted", "accepts every name"),
    ("sender at a greylisting domain", "accepted", "tell later"),
    ("friend of one, on a dial-up host", "accepted", "to user0@example.test: 550 5.7.1 * / 250 "),
    ("forwarded mail that looks forged", "quarantined", "shop.test*DMARC, p=quarantine"),
    ("that mail, released ", "released", "it is in the mailbox of user1@example.test"),
    ("that mail, released once more", "as it was", "nothing was done"),
    ("host that pretends to be us", "refused", "550 5.7.1"),
    ("the same host, the next time", "refused", "554 5.7.1*blocked for a while"),
    ("the same host, let in again", "accepted", "stored as"),
    ("what other hosts were asked", "questions", "never a message"),
];

#[test]
fn the_tour_goes_as_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ready.json");
    let (code, out, err) = run(&["try", "--once", "--json", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{out}{err}");
    let rows: Vec<&str> = out.lines().filter(|line| line.starts_with("ok ")).collect();
    assert!(rows.len() >= 25 && !out.contains("WRONG"), "{out}");
    for (what, decided, why) in ROWS {
        let row = rows.iter().find(|row| row.contains(what)).unwrap_or_else(|| panic!("no {what} in\n{out}"));
        let columns = format!("*{what} *.test* 127.* {decided} *{why}*");
        assert!(glob_matches(&columns, row), "{columns}\n{row}");
    }
    assert!(!out.contains('\x1b'), "no colours in a pipe: {out:?}");

    let ready = json(&file);
    for service in ["smtp", "smtps", "pop3", "pop3s", "watch"] {
        let address = ready["listen"][service][0].as_str().unwrap();
        let address: std::net::SocketAddr = address.parse().unwrap();
        assert!(address.ip().is_loopback() && address.port() != 0, "{service}: {address}");
    }
    let accounts = ready["accounts"].as_array().unwrap();
    assert_eq!(accounts.len(), 2);
    assert_eq!(accounts[1]["address"], "user1@example.test");
    assert!(accounts.iter().all(|account| account["password"].as_str().unwrap().len() > 8));
    assert!(!Path::new(ready["folder"].as_str().unwrap()).exists(), "its own folder is removed at the end");
}

#[test]
fn an_account_that_is_alone_sees_the_tour_too() {
    let (code, out, err) = run(&["try", "--once", "--accounts", "1"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("friend of one, on a dial-up host") && !out.contains("user1"), "{out}");
}

#[test]
fn it_stays_up_for_mail_by_hand_and_ends_cleanly() {
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("ready.json"), folder.path().join("data"));
    let (file_name, data_name) = (file.to_str().unwrap(), data.to_str().unwrap());
    let arguments = ["try", "--no-tour", "--accounts", "3", "--data", data_name, "--json", file_name];
    let mut up = Up::start(&arguments);
    let ready = json(&file);
    assert_eq!(ready["accounts"].as_array().unwrap().len(), 3);

    shell(&up.by_hand("send by curl"));
    let row = up.line();
    assert!(row.contains("mail to user0@example.test") && row.contains("accepted"), "{row}");
    let id = row.split_whitespace().last().unwrap();
    let explained = shell(&up.by_hand("ask why").replace("ID", id));
    assert!(explained.contains("ann@honest.test"), "{explained}");
    let fetched = shell(&up.by_hand("fetch by curl"));
    assert!(fetched.starts_with("Return-Path: <ann@honest.test>\r\n"), "{fetched}");
    assert!(fetched.ends_with("Subject: by hand\r\n\r\nHello.\r\n"), "{fetched}");
    let metrics = shell(&format!("curl -s http://{}/metrics", ready["listen"]["watch"][0].as_str().unwrap()));
    assert!(metrics.contains("postern_messages_accepted_total{route=\"mailbox\"} 1\n"), "{metrics}");

    let (code, _) = up.interrupt();
    assert_eq!(code, Some(0));
    // The folder was kept, and with it the mail.
    let mut up = Up::start(&arguments);
    assert_eq!(shell(&up.by_hand("fetch by curl")), fetched);
    if Tool::find("swaks").is_some() {
        shell(&up.by_hand("send by swaks"));
        let row = up.line();
        assert!(row.contains("mail to user0@example.test") && row.contains("accepted"), "{row}");
    }
    assert_eq!(up.interrupt().0, Some(0));
}

#[test]
fn what_goes_wrong_shows_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    assert_eq!(run(&["try", "--once", "--data", data]).0, 0);
    let config = folder.path().join("postern.toml");
    for arguments in [
        &["alias", "add", "nobody@example.test", "user0@example.test"][..],
        &["list", "add", "allow", "ann@family.test", "--recipient", "user0@example.test"],
        &["profile", "set", "--recipient", "user1@example.test", "--failed", "pass"],
    ] {
        let arguments = [&["--config", config.to_str().unwrap()], arguments].concat();
        let (code, _, err) = run(&arguments);
        assert_eq!(code, 0, "{arguments:?}: {err}");
    }
    let (code, out, _) = run(&["try", "--once", "--data", data]);
    assert_eq!(code, 1, "{out}");
    let wrong: Vec<&str> = out.lines().filter(|line| line.starts_with("WRONG")).collect();
    let expected = [
        "mail to an unknown user",
        "one recipient of two is unknown",
        "mail from a dial-up host",
        // Nobody is asked where the answer could change nothing.
        "sender at a greylisting domain",
        "forwarded mail that looks forged",
        // Nothing new was held; what was held on the first tour has been released there.
        "that mail, released",
        "mail fetched by POP3",
        "mail fetched by POP3",
    ];
    assert_eq!(wrong.len(), expected.len(), "{out}");
    for (row, what) in wrong.iter().zip(expected) {
        assert!(row.contains(what), "{what}: {row}\n{out}");
    }
    assert!(out.contains("instead of 550 5.1.1 *"), "{out}");
}

#[test]
fn mistakes_in_the_command_are_told() {
    for (arguments, said) in [
        (&["try", "--json"][..], "FILE"),
        (&["try", "x.json"], "--json x.json"),
        (&["try", "--accounts", "0"], "1..=100000"),
        (&["try", "--once", "--no-tour"], "cannot be used with"),
    ] {
        let (code, _, err) = run(arguments);
        assert_eq!(code, 2, "{arguments:?}: {err}");
        assert!(err.contains(said), "{arguments:?}: {err}");
    }
}
