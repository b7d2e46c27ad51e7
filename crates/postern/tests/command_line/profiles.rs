//! Lists and profiles of recipients and domains.

use crate::House;

#[test]
fn a_recipient_has_lists_of_its_own() {
    let house = House::new();
    let ann = ["--recipient", "ann@example.org"];
    let run = |words: &[&str]| house.run(&[words, &ann[..]].concat());
    let said = run(&["list", "add", "allow", "friend@example.net", "--reason", "my friend"]).fine();
    assert_eq!(said, "friend@example.net is on the allow list of ann@example.org.\n");
    house
        .run(&["list", "add", "block", "spam.example", "--domain", "example.org", "--until", "2999-12-31"])
        .fine();
    assert_eq!(house.run(&["list", "show"]).fine(), "Nothing is listed.\n", "everybody's lists are others");
    let own = run(&["list", "show", "--json"]).json();
    assert_eq!(
        (own[0]["subject"].as_str(), own[0]["reason"].as_str()),
        (Some("friend@example.net"), Some("my friend"))
    );

    let holds = house.run(&["list", "show", "ann+shop@example.org"]).fine();
    for line in [
        "For ann+shop@example.org counts the word of: ann+shop@example.org, then ann@example.org, then example.org, then everybody",
        "Mail that fails: reject (from the default)",
        "allow friend@example.net, from ann@example.org: my friend",
        "block spam.example, from example.org until 3000-01-01T00:00:00.000Z",
    ] {
        assert!(holds.lines().any(|held| held == line), "{line}\n{holds}");
    }
    let json = house.run(&["list", "show", "ann@example.org", "--json"]).json();
    assert_eq!(json["entries"].as_array().unwrap().len(), 2);

    run(&["list", "remove", "allow", "friend@example.net"]).fine();
    run(&["list", "remove", "allow", "friend@example.net"]).fails(1);
    for wrong in [
        &["list", "add", "allow", "friend@example.net"][..],
        &["list", "add", "allow", "friend@example.net", "--recipient", "ann@elsewhere.example"],
        &[
            "list",
            "add",
            "allow",
            "friend@example.net",
            "--recipient",
            "ann@example.org",
            "--domain",
            "example.org",
        ],
        &["list", "add", "block", "spam.example", "--until", "tomorrow"],
        &["list", "add", "block", "spam.example", "--until", "2001-01-01"],
        &["list", "show", "ann@example.org", "--domain", "example.org"],
        &["list", "show", "nothing"],
    ] {
        house.run(wrong).fails(2);
    }
}

#[test]
fn profiles_say_what_happens_to_mail_that_fails() {
    let house = House::new();
    let said = house.run(&["profile", "set", "--failed", "quarantine"]).fine();
    assert_eq!(said, "Everybody: mail that fails is held.\n");
    house.run(&["profile", "set", "--domain", "example.org", "--learn", "no"]).fine();
    house.run(&["profile", "set", "--recipient", "ann@example.org", "--failed", "tag"]).fine();
    let both = house.run(&["profile", "set", "--domain", "example.org", "--failed", "pass"]).fine();
    assert_eq!(
        both,
        "The recipients of example.org: mail that fails is delivered; nothing is learned from mail that goes out.\n"
    );
    assert_eq!(house.run(&["profile", "show", "--json"]).json().as_array().unwrap().len(), 3);
    let holds = house.run(&["profile", "show", "ann@example.org", "--json"]).json();
    assert_eq!(
        [&holds["failed"], &holds["failed_from"], &holds["learn_from"]],
        ["tag", "ann@example.org", "example.org"]
    );
    house.run(&["profile", "remove", "--recipient", "ann@example.org"]).fine();
    let holds = house.run(&["profile", "show", "ann@example.org"]).fine();
    assert!(holds.contains("Mail that fails: pass (from example.org)"), "{holds}");
    house.run(&["profile", "remove", "--recipient", "ann@example.org"]).fails(1);
    let nothing = house.run(&["profile", "set"]).fails(2);
    assert!(nothing.contains("--failed or --learn"), "{nothing}");
    house.run(&["profile", "set", "--failed", "explode"]).fails(2);
}

#[test]
fn nobody_is_banned_in_a_new_house() {
    let house = House::new();
    assert_eq!(house.run(&["ban", "list"]).fine(), "No host is turned away.\n");
    let why = house.run(&["ban", "why", "192.0.2.1"]);
    assert_eq!(why.code, 1);
    assert!(
        why.out.contains("192.0.2.1 is let in") && why.out.contains("It was never caught."),
        "{}",
        why.out
    );
    let error = house.run(&["ban", "lift", "192.0.2.1"]).fails(1);
    assert!(error.contains("never caught"), "{error}");
    house.run(&["ban", "why", "example.org"]).fails(2);
}
