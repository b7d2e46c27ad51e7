//! What the running server learns from what happens: a host that later tests caught is turned away, after a
//! restart too, until somebody lifts it; a sender whose message is released may be let in from then on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod running;

use std::net::Ipv4Addr;
use std::process::Command;

use postern_testnet::Client;
use running::House;

const CALLER: Ipv4Addr = Ipv4Addr::new(127, 0, 55, 77);

/// What a command beside the server prints.
fn postern(house: &House, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    let output = command.arg("--config").arg(house.config()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A stranger who says that it is us; its mail is refused.
async fn pretender(house: &House) {
    let mut c = Client::connect_from(CALLER, house.smtp()).await.unwrap();
    c.expect("220 *").await;
    c.send("EHLO mx.example.test").await;
    c.expect("250*").await;
    c.send("MAIL FROM:<carl@example.org>").await;
    c.expect("250 *").await;
    c.send("RCPT TO:<ann@example.test>").await;
    c.expect("550 5.7.1 *").await;
    c.send("QUIT").await;
    c.expect("221 *").await;
}

/// What the server says first.
async fn greeting(house: &House, from: Ipv4Addr) -> String {
    let mut c = Client::connect_from(from, house.smtp()).await.unwrap();
    c.reply().await.unwrap().to_string()
}

/// Connects until the greeting begins like this: the server follows its lists within a second or two.
async fn until_greeted(house: &House, with: &str) -> String {
    let mut said = String::new();
    for _ in 0..400 {
        said = greeting(house, CALLER).await;
        if said.starts_with(with) {
            return said;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("no greeting with {with}: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_caught_thrice_is_turned_away_until_it_is_lifted() {
    let house = House::build(|plan| plan.set("signin.never_ban", "[]")).await;
    let mut server = house.start().await;
    for _ in 0..3 {
        pretender(&house).await;
    }
    let said = until_greeted(&house, "554 5.7.1").await;
    assert!(said.contains("blocked for a while after earlier abuse"), "{said}");

    // It costs nothing: nobody is asked about it any more.
    let before = house.net.dns().questions().len();
    for _ in 0..5 {
        assert!(greeting(&house, CALLER).await.starts_with("554 "));
    }
    assert_eq!(house.net.dns().questions().len(), before);
    assert!(greeting(&house, Ipv4Addr::new(127, 0, 55, 78)).await.starts_with("220 "), "not its neighbour");
    house.honest_mail_flows("while a host is blocked").await;

    let listed = postern(&house, &["ban", "list"]);
    assert!(listed.contains("127.0.55.77") && listed.contains("pretended to be this server"), "{listed}");
    let why = postern(&house, &["ban", "why", "127.0.55.77"]);
    assert_eq!(
        why.matches("pretended to be this server: ").count(),
        4,
        "the reason and three strikes: {why}"
    );
    assert!(why.contains("is turned away until") && why.contains("On parole until"), "{why}");
    let json: serde_json::Value =
        serde_json::from_str(&postern(&house, &["--json", "ban", "why", "127.0.55.77"])).unwrap();
    let trace = json["strikes"][0]["trace"].as_str().unwrap();
    assert!(postern(&house, &["trace", trace]).contains("127.0.55.77"), "the strike leads to its trace");

    // A restart forgets nothing.
    server.stop().await;
    server = house.start().await;
    assert!(greeting(&house, CALLER).await.starts_with("554 5.7.1"));

    let lifted = postern(&house, &["ban", "lift", "127.0.55.77"]);
    assert!(lifted.contains("127.0.55.77 may come in again"), "{lifted}");
    until_greeted(&house, "220 ").await;
    // Forgiven: once is not enough now.
    pretender(&house).await;
    assert!(postern(&house, &["ban", "list"]).contains("No host is turned away."));
    assert!(postern(&house, &["ban", "why", "127.0.55.77"]).contains("Forgiven at"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_never_to_be_banned_is_not() {
    let house = House::new().await;
    let mut server = house.start().await;
    for _ in 0..4 {
        pretender(&house).await;
    }
    // The stop writes what was reported.
    server.stop().await;
    assert!(postern(&house, &["ban", "list"]).contains("No host is turned away."));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_whose_message_is_released_may_be_let_in_from_then_on() {
    let house = House::new().await;
    let mut server = house.start().await;
    postern(&house, &["profile", "set", "--recipient", "ann@example.test", "--failed", "quarantine"]);
    let send = async |number: usize| {
        let text = running::mail::message(&format!("number-{number}"), 500);
        let mut c = Client::connect_from(CALLER, house.smtp()).await.unwrap();
        c.expect("220 *").await;
        let to = ["ann@example.test"];
        let reply = c.deliver("mx.example.test", running::mail::SENDER, &to, &text).await.unwrap();
        reply.to_string()
    };
    // The server hears of the profile within a quarter of a second.
    let mut number = 0;
    while !send(number).await.starts_with("250") {
        number += 1;
    }
    assert!(house.inbox("ann@example.test").await.is_empty());
    let held: serde_json::Value =
        serde_json::from_str(&postern(&house, &["--json", "quarantine", "list"])).unwrap();
    let id = held[0]["id"].to_string();
    let said = postern(&house, &["quarantine", "release", &id, "--allow"]);
    assert!(said.contains("on the allow list of ann@example.test") && said.contains("Released"), "{said}");
    assert_eq!(house.inbox("ann@example.test").await.len(), 1);
    for more in 1..100 {
        assert!(send(number + more).await.starts_with("250"));
        if house.inbox("ann@example.test").await.len() == 2 {
            server.stop().await;
            return;
        }
    }
    panic!("the sender is not let in");
}
