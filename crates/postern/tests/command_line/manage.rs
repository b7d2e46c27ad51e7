//! Domains, accounts, aliases, lists, backups.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Command;

use nix::pty::openpty;

use crate::House;

#[test]
fn an_account_lives_its_life() {
    let house = House::new();
    let added = house.run_with(&["account", "add", "bob@example.org"], "correct horse\n").fine();
    assert_eq!(added, "The account bob@example.org is made.\n");
    let listed = house.run(&["account", "list"]).fine();
    assert!(listed.contains("ann@example.org") && listed.contains("bob@example.org"), "{listed}");
    assert!(!listed.contains("argon2"), "hashes are nobody's business");
    let changed = house.run(&["--json", "account", "passwd", "bob@example.org", "--generate"]).json();
    assert_eq!(changed["password"].as_str().unwrap().len(), 19);
    let again = house.run_with(&["account", "add", "Bob@example.org"], "x\n").fails(1);
    assert!(again.contains("exists already"), "{again}");
    let careful = house.run(&["account", "remove", "bob@example.org"]).fails(2);
    assert!(careful.contains("--yes"), "{careful}");
    house.run(&["account", "remove", "bob@example.org", "--yes"]).fine();
    let gone = house.run(&["account", "passwd", "bob@example.org", "--generate"]).fails(1);
    assert!(gone.contains("postern account list"), "{gone}");
}

#[test]
fn passwords_are_wanted() {
    let house = House::new();
    let empty = house.run_with(&["account", "add", "bob@example.org"], "\n").fails(2);
    assert!(empty.contains("--generate"), "{empty}");
    let endless = "x".repeat(5000);
    let long = house.run_with(&["account", "add", "bob@example.org"], &endless).fails(1);
    assert!(long.contains("1 to 1024 bytes"), "{long}");
    assert_eq!(house.run(&["account", "list", "--json"]).json().as_array().unwrap().len(), 1);
}

#[test]
fn a_password_is_typed_twice_and_not_shown() {
    let house = House::new();
    let type_in = |first: &str, second: &str| {
        let terminal = openpty(None, None).unwrap();
        let slave = || File::from(terminal.slave.try_clone().unwrap());
        let mut child = Command::new(env!("CARGO_BIN_EXE_postern"))
            .args(["-c", "postern.toml", "account", "add", "bob@example.org"])
            .current_dir(house.folder.path())
            .stdin(slave())
            .stdout(slave())
            .stderr(slave())
            .spawn()
            .unwrap();
        drop(terminal.slave);
        let mut master = File::from(terminal.master);
        let mut shown = String::new();
        let mut expect = |words: &str, master: &mut File| {
            while !shown.contains(words) {
                let mut bytes = [0; 256];
                let read = master.read(&mut bytes).unwrap();
                shown.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            }
            shown.clone()
        };
        expect("New password: ", &mut master);
        master.write_all(format!("{first}\n").as_bytes()).unwrap();
        expect("Once more: ", &mut master);
        master.write_all(format!("{second}\n").as_bytes()).unwrap();
        let shown = expect("\r\n", &mut master);
        assert!(!shown.contains(first), "{shown}");
        child.wait().unwrap().code()
    };
    assert_eq!(type_in("sesame", "cesame"), Some(2));
    assert_eq!(type_in("sesame", "sesame"), Some(0));
    assert_eq!(house.run(&["account", "list", "--json"]).json().as_array().unwrap().len(), 2);
}

#[test]
fn an_account_needs_its_domain() {
    let house = House::new();
    let error = house.run(&["account", "add", "bob@example.net", "--generate"]).fails(1);
    assert!(error.contains("first `postern domain add example.net`"), "{error}");
    house.run(&["domain", "add", "example.net"]).fine();
    house.run(&["account", "add", "bob@example.net", "--generate"]).fine();
    let only = house.run(&["account", "list", "--domain", "example.net", "--json"]).json();
    assert_eq!(only.as_array().unwrap().len(), 1);
    let error = house.run(&["domain", "remove", "example.net"]).fails(1);
    assert!(error.contains("account"), "{error}");
}

#[test]
fn domains_have_routes() {
    let house = House::new();
    house.run(&["domain", "add", "bücher.example", "--to", "mx.example.net:25"]).fine();
    let domains = house.run(&["domain", "list", "--json"]).json();
    let added =
        domains.as_array().unwrap().iter().find(|domain| domain["name"] == "xn--bcher-kva.example").unwrap();
    assert_eq!(added["route"], "mx.example.net:25");
    assert!(
        house.run(&["domain", "list"]).fine().contains("bücher.example"),
        "people read it as it is written"
    );
    let error = house.run(&["domain", "add", "example.com", "--to", "mx.example.net"]).fails(2);
    assert!(error.contains("HOST:PORT"), "{error}");
    house.run(&["domain", "route", "bücher.example", "--mailboxes"]).fine();
    house.run(&["account", "add", "eva@bücher.example", "--generate"]).fine();
    house.run(&["account", "remove", "eva@bücher.example", "--yes"]).fine();
    house.run(&["domain", "remove", "bücher.example"]).fine();
    let error = house.run(&["domain", "remove", "bücher.example"]).fails(1);
    assert!(error.contains("there is no"), "{error}");
}

#[test]
fn aliases_stand_for_accounts() {
    let house = House::new();
    house.run(&["alias", "add", "sales@example.org", "ann@example.org"]).fine();
    house.run(&["alias", "add", "@example.org", "ann@example.org"]).fine();
    let aliases = house.run(&["alias", "list", "--json"]).json();
    assert_eq!(aliases.as_array().unwrap().len(), 2);
    assert!(aliases.as_array().unwrap().iter().any(|alias| alias["name"] == "@example.org"));
    let error = house.run(&["alias", "add", "x@example.org", "nobody@example.org"]).fails(1);
    assert!(error.contains("nobody@example.org"), "{error}");
    house.run(&["alias", "remove", "sales@example.org"]).fine();
    house.run(&["alias", "remove", "sales@example.org"]).fails(1);
}

#[test]
fn hosts_and_senders_are_listed() {
    let house = House::new();
    house.run(&["list", "add", "block", "192.0.2.7/24", "--reason", "noise"]).fine();
    house.run(&["list", "add", "block", "spam.example", "--expire", "30 d"]).fine();
    house.run(&["list", "add", "allow", "2001:db8::1"]).fine();
    let error = house.run(&["list", "add", "allow", "friend@example.net"]).fails(2);
    assert!(error.contains("senders are easily forged"), "{error}");
    house.run(&["list", "add", "block", "192.0.2.0/99"]).fails(2);
    house.run(&["list", "add", "block", "spam.example", "--expire", "soon"]).fails(2);
    let blocked = house.run(&["list", "show", "block", "--json"]).json();
    assert_eq!(blocked.as_array().unwrap().len(), 2);
    assert!(house.run(&["list", "show"]).fine().contains("192.0.2.0/24"));
    house.run(&["list", "remove", "block", "192.0.2.0/24"]).fine();
    house.run(&["list", "remove", "block", "192.0.2.0/24"]).fails(1);
}

#[test]
fn a_backup_brings_everything_back() {
    let house = House::new();
    house.run_with(&["account", "add", "bob@example.org"], "correct horse\n").fine();
    let saved = house.run(&["backup", "create", "saved"]).fine();
    assert!(saved.starts_with("Saved. Messages: 0"), "{saved}");
    house.run(&["backup", "verify", "saved"]).fine();
    house.run(&["account", "remove", "bob@example.org", "--yes"]).fine();
    let error = house.run(&["backup", "create", "saved"]).fails(1);
    assert!(error.contains("saved holds something already"), "{error}");
    let error = house.run(&["backup", "restore", "saved"]).fails(1);
    assert!(error.contains("data holds something already"), "{error}");
    house.run(&["backup", "restore", "saved", "--to", "again"]).fine();
    house.edit(|source| {
        let data = source.lines().find(|line| line.starts_with("data = ")).unwrap().to_owned();
        source.replace(&data, &data.replace("data\"", "again\""))
    });
    let accounts = house.run(&["account", "list"]).fine();
    assert!(accounts.contains("bob@example.org"), "{accounts}");
}

#[test]
fn a_damaged_backup_is_found() {
    let house = House::new();
    house.run(&["backup", "create", "saved"]).fine();
    let database = house.path("saved/postern.db");
    let mut bytes = std::fs::read(&database).unwrap();
    let middle = bytes.len() / 2;
    for byte in &mut bytes[middle..middle + 512] {
        *byte ^= 0x55;
    }
    std::fs::write(&database, bytes).unwrap();
    house.run(&["backup", "verify", "saved"]).fails(1);
    house.run(&["backup", "restore", "saved", "--to", "again"]).fails(1);
    assert!(!house.path("again/postern.db").exists(), "nothing damaged is put in place");
    house.run(&["backup", "verify", "nowhere"]).fails(1);
}
