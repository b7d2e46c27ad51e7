//! Mistakes in the configuration, and mistakes in commands.

use crate::{House, folder, postern};

#[test]
fn every_mistake_is_reported_at_its_place() {
    let house = House::new();
    let lines = house.source().lines().count();
    house.edit(|source| {
        format!(
            "{source}\n[smtp]\nmesage_size = \"20 MB\"\nhops = 3\n\n[gate.tests.rdsn]\naction = \"off\"\n"
        )
    });
    let answer = house.run(&["check"]);
    assert_eq!(answer.code, 1);
    let at = |line: usize, rest: &str| format!("postern.toml:{}:{rest}\n", lines + line);
    let expected = [
        at(3, "1: smtp.mesage_size: unknown setting; did you mean `message_size`?"),
        at(4, "8: smtp.hops: must lie between 5 and 1000"),
        at(6, "13: gate.tests.rdsn: there is no such test; did you mean `rdns`?"),
        "3 mistakes\n".to_owned(),
    ];
    assert_eq!(answer.out, expected.concat());
    let json = house.run(&["check", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["mistakes"][0]["line"], lines + 3);
    // No other command works with it, and each says the same.
    let error = house.run(&["account", "list"]).fails(1);
    assert!(error.contains("did you mean `message_size`?"), "{error}");
}

#[test]
fn files_that_the_configuration_names_are_checked() {
    let house = House::new();
    std::fs::write(house.path("blocked.txt"), "192.0.2.1 # noise\n\nnot an address\n").unwrap();
    std::fs::remove_file(house.path("data/key.pem")).unwrap();
    house.edit(|source| {
        format!(
            "{source}\n[gate]\nblock_files = [\"blocked.txt\"]\nallow_files = [\"none.txt\"]\n\
             [gate.header.broken]\nfield = \"Subject\"\ntest = \"regex\"\npattern = \"(\"\n"
        )
    });
    let answer = house.run(&["check"]);
    assert_eq!(answer.code, 1, "{answer:#?}");
    for words in
        ["tls.key: ", "gate.block_files: ", "blocked.txt:3: ", "none.txt: ", "gate.header.broken.pattern: "]
    {
        assert!(answer.out.contains(words), "{words}\n{}", answer.out);
    }
}

#[test]
fn an_unknown_user_is_a_mistake() {
    let house = House::new();
    house.edit(|source| {
        let rest: String = source
            .lines()
            .filter(|line| !line.starts_with("user = "))
            .fold(String::new(), |all, line| all + line + "\n");
        rest.replace("[server]\n", "[server]\nuser = \"no-such-user\"\n")
    });
    let answer = house.run(&["check"]);
    assert_eq!(answer.code, 1);
    assert!(
        answer.out.contains(":6:1: server.user: there is no user `no-such-user`: useradd"),
        "{}",
        answer.out
    );
}

#[test]
fn without_a_configuration_people_are_told_how_to_make_one() {
    let folder = folder();
    for arguments in [&["check"][..], &["serve"], &["account", "list"], &["ports"]] {
        let error = postern(folder.path(), arguments, "").fails(2);
        assert!(error.contains("postern setup you@your.domain") && error.contains("--config"), "{error}");
    }
    let error = postern(folder.path(), &["-c", "none.toml", "check"], "").fails(1);
    assert!(error.contains("cannot read none.toml"), "{error}");
}

#[test]
fn wrong_commands_are_usage_errors() {
    let folder = folder();
    for arguments in [
        &["serv"][..],
        &["account", "add", "not-an-address"],
        &["account", "list", "--domain", "-"],
        &["trace", "not-a-trace-id"],
        &["trace", "search", "--outcome", "eaten"],
        &["trace", "search", "--since", "yesterday"],
        &["list", "add", "grey", "192.0.2.1"],
        &["domain", "route", "example.org"],
        &["domain", "route", "example.org", "--mailboxes", "--to", "a.example:25"],
        &[],
    ] {
        postern(folder.path(), arguments, "").fails(2);
    }
    let error = postern(folder.path(), &["serv"], "").err;
    assert!(error.contains("serve"), "{error}");
}

#[test]
fn a_store_that_is_not_there_is_told_from_one_that_cannot_be_read() {
    let house = House::new();
    std::fs::remove_dir_all(house.path("data")).unwrap();
    let error = house.run(&["account", "list"]).fails(1);
    assert!(error.contains("there is no data folder") && error.contains("postern setup"), "{error}");
}
