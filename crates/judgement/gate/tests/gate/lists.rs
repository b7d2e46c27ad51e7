//! Address and sender lists: files, a million entries, changes while it runs.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use postern_gate::{Fast, Gate, NetworkList, Refreshed, SenderList, Settings, Trust};
use postern_policy::{Action, Decision, Fact, Outcome, Policy, Profile, Stage, Test, judge};
use postern_types::Network;
use tempfile::TempDir;

use crate::world::{World, dnsbl, fact, helo, outcome, sender, stranger};

fn file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

fn list(name: &str, file: &Path) -> NetworkList {
    NetworkList { name: name.into(), file: Some(file.to_owned()), ..NetworkList::default() }
}

fn fast(gate: &Gate, ip: &str) -> Fast {
    gate.fast(ip.parse().unwrap())
}

#[tokio::test]
async fn lists_come_from_files_with_comments() {
    let world = World::new().await;
    let folder = TempDir::new().unwrap();
    let text = "# known bad\n\n192.0.2.0/24   # a whole network\r\n 2001:db8::/32\n198.51.100.7";
    let block = list("bad.txt", &file(&folder, "bad.txt", text));
    let allow = NetworkList {
        name: "allow".into(),
        entries: vec![Network::parse("192.0.2.25").unwrap()],
        file: None,
    };
    let gate = world.gate(Settings { allow: vec![allow], block: vec![block], ..Settings::default() }).await;
    for ip in ["192.0.2.1", "2001:db8::1", "198.51.100.7", "::ffff:192.0.2.1"] {
        assert_eq!(fast(&gate, ip), Fast::Blocked { list: "bad.txt".into() }, "{ip}");
    }
    assert_eq!(
        fast(&gate, "192.0.2.25"),
        Fast::Allowed { list: "allow".into() },
        "allowed goes before blocked"
    );
    assert_eq!(fast(&gate, "198.51.100.8"), Fast::Unlisted);
    gate.set_feedback([Network::parse("198.51.100.0/24").unwrap()].into_iter().collect());
    assert_eq!(fast(&gate, "198.51.100.8"), Fast::Feedback);
}

#[tokio::test]
async fn a_mistake_in_a_file_is_named_by_file_and_line() {
    let world = World::new().await;
    let folder = TempDir::new().unwrap();
    for (text, expected) in [
        ("192.0.2.1\n# comment\n192.0.2.300\n", ":3: `192.0.2.300` is not an IP address"),
        ("192.0.2.0/33\n", ":1: `192.0.2.0/33`"),
        (&format!("192.0.2.1\n{}\n", "x".repeat(5000)), ":2: the line is longer than 1024 bytes"),
    ] {
        let path = file(&folder, "bad.txt", text);
        let settings = Settings { block: vec![list("bad", &path)], ..Settings::default() };
        let error = Gate::new(settings, world.dns.clone(), world.events.clone()).unwrap_err().to_string();
        assert!(error.contains(&format!("bad.txt{expected}")), "{error}");
    }
    let settings = Settings { allow: vec![list("none", &folder.path().join("none"))], ..Settings::default() };
    let error = Gate::new(settings, world.dns.clone(), world.events.clone()).unwrap_err().to_string();
    assert!(error.contains("none: No such file"), "{error}");
}

/// The n-th of a million addresses over the whole space, in order as such files are; all are even.
fn spread(n: u32) -> Ipv4Addr {
    Ipv4Addr::from(n * 4096)
}

#[tokio::test]
async fn a_million_networks_load_and_answer() {
    let world = World::new().await;
    let folder = TempDir::new().unwrap();
    let mut text = String::new();
    for n in 0..1_000_000 {
        writeln!(text, "{}", spread(n)).unwrap();
    }
    let block = list("million", &file(&folder, "million", &text));
    let gate = world.gate(Settings { block: vec![block], ..Settings::default() }).await;
    for n in (0..1_000_000).step_by(997) {
        let ip = spread(n);
        let next = Ipv4Addr::from(u32::from(ip) + 1);
        assert_eq!(gate.fast(ip.into()), Fast::Blocked { list: "million".into() });
        assert_eq!(gate.fast(next.into()), Fast::Unlisted);
    }
}

#[tokio::test]
async fn changed_files_are_read_again_and_a_mistake_changes_nothing() {
    let world = World::new().await;
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "bad.txt", "192.0.2.1\n");
    let gate = world.gate(Settings { block: vec![list("bad", &path)], ..Settings::default() }).await;
    assert_eq!(gate.refresh().await.unwrap(), Refreshed::Same);
    let before = gate.door(IpAddr::from([192, 0, 2, 1])).lists;

    fs::write(&path, "192.0.2.1\n192.0.2.2\n").unwrap();
    assert_eq!(gate.refresh().await.unwrap(), Refreshed::Reloaded);
    assert_eq!(fast(&gate, "192.0.2.2"), Fast::Blocked { list: "bad".into() });
    assert_ne!(gate.door(IpAddr::from([192, 0, 2, 1])).lists, before, "evidence says which lists it was");

    fs::write(&path, "192.0.2.1\nnonsense\n").unwrap();
    assert!(gate.refresh().await.is_err());
    assert_eq!(fast(&gate, "192.0.2.2"), Fast::Blocked { list: "bad".into() });
}

#[tokio::test]
async fn a_blocked_address_is_refused_at_the_door() {
    let world = World::new().await;
    let block = NetworkList {
        name: "block".into(),
        entries: vec![Network::parse("192.0.2.0/24").unwrap()],
        file: None,
    };
    let gate = world.gate(Settings { block: vec![block], ..Settings::default() }).await;
    let evidence = gate.door("192.0.2.1".parse().unwrap());
    assert_eq!(fact(&evidence, Test::BlockList), Fact::Listed { list: "block".into(), entry: None });
    let verdict = judge(&evidence, &Policy::default(), &Profile::default(), Stage::Connect);
    assert!(matches!(verdict.action, Action::Refuse(_)));
    assert_eq!(verdict.decided_by, Decision::Rule { test: Test::BlockList });
}

#[tokio::test]
async fn allowed_addresses_and_our_own_clients_cost_no_question() {
    let world = World::new().await;
    let allow =
        NetworkList { name: "allow".into(), entries: vec![Network::parse("192.0.2.1").unwrap()], file: None };
    let gate = world
        .gate(Settings { allow: vec![allow], dnsbl: vec![dnsbl("bl.test")], ..Settings::default() })
        .await;
    world.server.forget_questions();
    for (ip, trust) in [("192.0.2.1", Trust::Stranger), ("192.0.2.2", Trust::Ours)] {
        let mut session = gate.begin(ip.parse().unwrap(), trust);
        session.spoke_first(b"EHLO x\r\n");
        session.helo(helo("not..valid"));
        session.mail(&sender("ann@nowhere.test"));
        session.headers(b"Subject: x\r\n\r\n", &[]);
        let evidence = session.evidence(Stage::Data).await;
        let verdict = judge(evidence, &Policy::default(), &Profile::default(), Stage::Data);
        assert_eq!(verdict.action, Action::Deliver);
        assert!(verdict.reasons.is_empty());
    }
    assert_eq!(world.server.questions(), []);
}

#[tokio::test]
async fn senders_are_blocked_by_address_and_by_domain() {
    let world = World::new().await;
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "senders", "spammer@example.org\nbad.example # and below\n");
    let lists = vec![SenderList { name: "senders".into(), entries: vec![], file: Some(path.clone()) }];
    let gate = world.gate(Settings { blocked_senders: lists.clone(), ..Settings::default() }).await;
    for (from, entry) in [
        ("Spammer@example.org", Some("Spammer@example.org")),
        ("ann@example.org", None),
        ("ann@bad.example", Some("bad.example")),
        ("ann@news.bad.example", Some("bad.example")),
        ("ann@notbad.example", None),
        ("ann@[192.0.2.1]", None),
    ] {
        let mut session = stranger(&gate, "192.0.2.1");
        session.mail(&sender(from));
        let evidence = session.evidence(Stage::Mail).await;
        let expected = if entry.is_some() { Outcome::Hit } else { Outcome::Clear };
        assert_eq!(outcome(evidence, Test::SenderList), expected, "{from}");
        if let Some(entry) = entry {
            let expected = Fact::Listed { list: "senders".into(), entry: Some(entry.into()) };
            assert_eq!(fact(evidence, Test::SenderList), expected);
        }
    }
    fs::write(&path, "ann@\n").unwrap();
    let settings = Settings { blocked_senders: lists, ..Settings::default() };
    let error = gate.reload(settings).await.unwrap_err().to_string();
    assert!(error.contains("senders:1: `ann@`"), "{error}");
}
