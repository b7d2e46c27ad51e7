//! Commands that only look: `config`, `ports`, `trace`, `doctor`, completions and manual pages.

use std::os::unix::fs::PermissionsExt;

use crate::judged::{self, Talk};
use crate::server::Server;
use crate::{House, folder, postern};

#[test]
fn settings_explain_themselves_without_a_file() {
    let folder = folder();
    let text = postern(folder.path(), &["config", "explain", "smtp.message_size"], "").fine();
    assert!(text.starts_with("smtp.message_size\n\nThe largest message (RFC 1870)."), "{text}");
    assert!(text.contains("Default: \"50 MB\""), "{text}");
    let json = postern(folder.path(), &["config", "explain", "gate.tests.rdns.weight", "--json"], "").json();
    assert_eq!(json["default"], "2");
    let error = postern(folder.path(), &["config", "explain", "smtp.mesage_size"], "").fails(2);
    assert!(error.contains("did you mean `smtp.message_size`?"), "{error}");
}

#[test]
fn settings_are_shown_with_what_is_changed() {
    let house = House::new();
    house.edit(|source| format!("{source}\n[smtp]\nhops = 60\ntimeout = \"300 s\"\n"));
    let changed = house.run(&["config", "show", "--changed"]).fine();
    assert!(changed.contains("[smtp]\nhops = 60\n"), "{changed}");
    assert!(!changed.contains("timeout"), "what is written but is the default is not changed: {changed}");
    let all = house.run(&["config", "show", "--json"]).json();
    let hops =
        all["settings"].as_array().unwrap().iter().find(|setting| setting["key"] == "smtp.hops").unwrap();
    assert_eq!(
        (&hops["value"], &hops["default"], &hops["changed"]),
        (&"60".into(), &"50".into(), &true.into())
    );
    let text = house.run(&["config", "explain", "smtp.hops"]).fine();
    assert!(text.contains("Now:     smtp.hops = 60 (line "), "{text}");
}

#[test]
fn the_reference_page_names_every_test() {
    let folder = folder();
    let page = postern(folder.path(), &["config", "reference"], "").fine();
    for words in ["# Configuration", "## `[smtp]`", "## `[gate.dnsbl.NAME]`", "| `helo_ours` |", "| `hops` |"]
    {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn ports_say_that_nobody_listens() {
    let house = House::new();
    house.edit(|source| {
        source
            .replace("smtp = [\"127.0.0.1:0\"]", "smtp = [\"127.0.0.1:1\"]")
            .replace("127.0.0.1:0", "127.0.0.1:2")
    });
    house.edit(|source| {
        let lines = source.lines().filter(|line| !line.starts_with("pop3"));
        lines.fold(String::new(), |all, line| all + line + "\n")
    });
    let answer = house.run(&["ports"]);
    assert_eq!(answer.code, 3, "{answer:#?}");
    assert!(answer.out.contains("127.0.0.1:1  smtp     no       mail from other servers"), "{}", answer.out);
    // One of two: the server is there, and something is wrong.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    house.edit(|source| source.replace("127.0.0.1:2", &address));
    let answer = house.run(&["ports", "--json"]);
    assert_eq!(answer.code, 1, "{answer:#?}");
    let ports: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    let listening: Vec<_> =
        ports.as_array().unwrap().iter().map(|port| port["listens"].as_bool().unwrap()).collect();
    assert_eq!(listening, [false, true]);
}

#[test]
fn traces_that_are_not_there() {
    let house = House::new();
    assert_eq!(house.run(&["trace", "search"]).fine(), "Nothing fits.\n");
    assert_eq!(house.run(&["trace", "search", "--json"]).fine(), "[]\n");
    let error = house.run(&["trace", "06y5ygaw1em01"]).fails(1);
    assert!(error.contains("there is no"), "{error}");
}

#[test]
fn the_doctor_finds_what_is_wrong() {
    let house = House::new();
    let sick = |words: &str| {
        let answer = house.run(&["doctor", "--offline", "--thorough"]);
        assert_eq!(answer.code, 1, "{answer:#?}");
        assert!(answer.out.contains(words), "{words}\n{}", answer.out);
    };
    sick("warning  certificate: vouches for itself");
    sick("ok       store: messages: 0");
    std::fs::set_permissions(house.path("data"), std::fs::Permissions::from_mode(0o755)).unwrap();
    sick("problem  data folder: others may read");
    std::fs::set_permissions(house.path("data"), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::set_permissions(house.path("data/key.pem"), std::fs::Permissions::from_mode(0o644)).unwrap();
    sick("problem  private key: everybody may read");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().to_string();
    house.edit(|source| source.replacen("127.0.0.1:0", &port, 1));
    sick("Stop that program, or choose another address in `listen.smtp`.");
}

#[test]
fn the_doctor_finds_a_body_that_is_gone() {
    let house = judged::house();
    let mut server = Server::start(&house);
    let large = format!("Subject: large\r\n\r\n{}", "0123456789\r\n".repeat(40_000));
    Talk::begin(&mut server).send_this("mail.example.net", &large, "250");
    // Beside a server that runs.
    let whole = house.run(&["doctor", "--offline"]);
    assert!(
        whole.out.contains("ok       store: messages: 1, of them in files of their own: 1; all there"),
        "{whole:#?}"
    );
    let thorough = house.run(&["doctor", "--offline", "--thorough"]);
    assert!(thorough.out.contains("ok       store: messages: 1, bytes of text: 480"), "{thorough:#?}");
    for entry in std::fs::read_dir(house.path("data/bodies")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let answer = house.run(&["doctor", "--offline"]);
    assert_eq!(answer.code, 1);
    assert!(answer.out.contains("problem  store: the body file "), "{answer:#?}");
    assert!(answer.out.contains("Restore the last good backup"), "{answer:#?}");
}

#[test]
fn packages_get_their_files() {
    let folder = folder();
    for shell in ["bash", "zsh", "fish"] {
        assert!(postern(folder.path(), &["completions", shell], "").fine().contains("postern"), "{shell}");
    }
    postern(folder.path(), &["man", "pages"], "").fine();
    let page = std::fs::read_to_string(folder.path().join("pages/postern-account-add.1")).unwrap();
    assert!(page.contains("generate"), "{page}");
    assert!(folder.path().join("pages/postern.1").exists());
}
