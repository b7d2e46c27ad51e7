//! `setup`: what it makes, and that it never makes a mess.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::{House, folder, postern, user};

#[test]
fn setup_makes_a_house_that_checks_out() {
    let house = House::new();
    assert!(house.password.len() >= 19, "{}", house.password);
    assert!(house.run(&["check"]).fine().contains("is right"));
    let accounts = house.run(&["account", "list", "--json"]).json();
    assert_eq!(accounts[0]["address"], "ann@example.org");
    let domains = house.run(&["domain", "list", "--json"]).json();
    assert_eq!((&domains[0]["name"], &domains[0]["route"]), (&"example.org".into(), &"mailboxes".into()));
}

#[test]
fn what_is_made_is_the_servers_alone() {
    let house = House::new();
    let mode = |name: &str| std::fs::metadata(house.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("data"), 0o700);
    assert_eq!(mode("data/key.pem"), 0o600);
    assert_eq!(mode("postern.toml"), 0o640);
    let owner = |name: &str| std::fs::metadata(house.path(name)).unwrap().uid();
    assert_eq!(owner("data"), owner("data/postern.db"));
    assert!(!house.source().contains(&house.password));
}

#[test]
fn setup_says_what_to_publish() {
    let folder = folder();
    let arguments = [
        "-c",
        "p.toml",
        "setup",
        "ann@example.org",
        "--hostname",
        "mx.example.net",
        "--offline",
        "--data",
        "d",
    ];
    let text = postern(folder.path(), &[&arguments, user()].concat(), "").fine();
    for line in [
        "example.org.                   IN MX   10 mx.example.net.",
        "example.org.                   IN TXT  \"v=spf1 mx ~all\"",
        "IN PTR  mx.example.net.",
        "Password: ",
        "ok       clock: ",
        "warning  certificate: vouches for itself",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn a_second_setup_changes_nothing() {
    let house = House::new();
    let source = house.source();
    let again = ["setup", "bob@example.net", "--offline", "--data", "other"];
    let error = house.run(&[&again, user()].concat()).fails(2);
    assert!(error.contains("postern.toml is there already"), "{error}");
    assert!(!house.path("other").exists());
    let same_data = ["-c", "other.toml", "setup", "bob@example.net", "--offline", "--data", "data"];
    let error = postern(house.folder.path(), &[&same_data, user()].concat(), "").fails(2);
    assert!(error.contains("holds something already: name another data folder with --data"), "{error}");
    assert!(!house.path("other.toml").exists());
    assert_eq!(house.source(), source);
}

#[test]
fn a_setup_that_fails_leaves_nothing_behind() {
    let folder = folder();
    std::fs::write(folder.path().join("file"), "").unwrap();
    // The configuration cannot be written: what was made before it goes again.
    let arguments = ["-c", "file/postern.toml", "setup", "ann@example.org", "--offline", "--data", "data"];
    postern(folder.path(), &[&arguments, user()].concat(), "").fails(1);
    assert!(!folder.path().join("data").exists());
}

#[test]
fn setup_wants_an_address_and_a_user() {
    let folder = folder();
    let error = postern(folder.path(), &["setup", "ann", "--offline"], "").fails(2);
    assert!(error.contains("the address has no @"), "{error}");
    let arguments =
        ["-c", "p.toml", "setup", "ann@example.org", "--offline", "--data", "d", "--user", "no-such-user"];
    let error = postern(folder.path(), &arguments, "").fails(2);
    assert!(error.contains("useradd --system") && error.contains("no-such-user"), "{error}");
    assert!(!folder.path().join("d").exists());
}

#[test]
fn questions_that_nobody_answers_are_no_failure() {
    let folder = folder();
    // A name server that is not there: TEST-NET-1 is routed nowhere, and loopback refuses at once.
    let arguments = ["-c", "p.toml", "setup", "ann@example.org", "--offline", "--data", "d", "--json"];
    postern(folder.path(), &[&arguments, user()].concat(), "").fine();
    let config = folder.path().join("p.toml");
    let source = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{source}\n[dns]\nservers = [\"127.0.0.1:1\"]\ndeadline = \"500 ms\"\n"))
        .unwrap();
    let report = postern(folder.path(), &["-c", "p.toml", "doctor", "--json"], "");
    let report: serde_json::Value = serde_json::from_str(&report.out).unwrap();
    let outside: Vec<&serde_json::Value> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| {
            let about = finding["about"].as_str().unwrap();
            ["MX", "SPF", "address of", "outbound"].iter().any(|word| about.contains(word))
        })
        .collect();
    assert_eq!(outside.len(), 4, "{report}");
    assert!(outside.iter().all(|finding| finding["state"] == "unknown"), "{outside:#?}");
}
