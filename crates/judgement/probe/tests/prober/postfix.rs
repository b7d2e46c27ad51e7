//! Real servers: Postfix as an open relay and a closed one, with users, with none, greylisting, refusing late.

use std::net::SocketAddr;
use std::sync::Mutex;

use postern_probe::{Answer, Form, Obstacle, Prober, Question, Relay, User};
use postern_testnet::{Postfix, RunningPostfix, Zone, fresh_address};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::world::{MINUTE, PORT, World, answer, settings, user};

/// A Postfix where the prober finds it; `None` where there is none to be had.
fn postfix(name: &str) -> Option<Postfix> {
    Some(Postfix::find(name)?.listen(fresh_address(), PORT))
}

async fn start(postfix: Postfix) -> RunningPostfix {
    postfix.start().await.unwrap()
}

fn serves(world: &World, domain: &str, postfix: &RunningPostfix) {
    let std::net::IpAddr::V4(ip) = postfix.address().ip() else { panic!("IPv4") };
    world.dns.add(Zone::new(domain).mx(10, "mx").a("mx", ip));
}

async fn relay(prober: &Prober, postfix: &RunningPostfix) -> Relay {
    match answer(prober, Question::Relay(postfix.address().ip())).await {
        Answer::Relay(relay) => relay,
        other => panic!("{other}"),
    }
}

/// Nothing of a message came, and nobody was made to believe that one would.
fn was_asked_politely(postfix: &RunningPostfix) {
    let log = postfix.log();
    assert!(!log.contains("cleanup["), "no message: {log}");
    assert!(!log.contains("lost connection"), "it said QUIT: {log}");
    assert!(!log.contains("improper command pipelining"), "{log}");
    assert_eq!(postfix.queued(), 0);
}

#[tokio::test]
async fn an_open_relay_and_a_closed_one() {
    let Some(open) = postfix("open.test") else { return };
    let Some(closed) = postfix("closed.test") else { return };
    let world = World::new().await;
    let (open, closed) = (start(open.open_relay()).await, start(closed).await);
    let prober = world.prober(settings()).await;
    assert_eq!(relay(&prober, &open).await, Relay::Open { forms: vec![Form::Plain] });
    world.pass(MINUTE);
    assert_eq!(relay(&prober, &closed).await, Relay::Closed, "{:?}", world.ledger().await);
    was_asked_politely(&open);
    was_asked_politely(&closed);
    assert_eq!(closed.log().matches(": connect from").count(), 1 + 1, "one besides that of its start");
}

#[tokio::test]
async fn a_server_that_knows_its_users() {
    let Some(postfix) = postfix("mx.known.test") else { return };
    let world = World::new().await;
    let postfix = start(postfix.mailboxes("known.test", &["ann"])).await;
    serves(&world, "known.test", &postfix);
    let prober = world.prober(settings()).await;
    assert_eq!(user(&prober, "ann@known.test").await, User::Exists);
    world.pass(MINUTE);
    let missing = user(&prober, "bob@known.test").await;
    assert!(matches!(&missing, User::Missing { said, .. } if said.starts_with("550 5.1.1")), "{missing}");
    was_asked_politely(&postfix);
}

#[tokio::test]
async fn a_catch_all_one_that_refuses_at_data_and_one_that_dislikes_us() {
    let Some(all) = postfix("mx.all.test") else { return };
    let Some(late) = postfix("mx.late.test") else { return };
    let Some(hostile) = postfix("mx.hostile.test") else { return };
    let world = World::new().await;
    let all = start(all.catch_all("all.test")).await;
    let late = late.catch_all("late.test").setting("smtpd_data_restrictions", "reject");
    let late = start(late).await;
    let hostile = hostile
        .mailboxes("hostile.test", &["ann"])
        .setting("smtpd_recipient_restrictions", "check_client_access static:{554 5.7.1 We do not like you}");
    let hostile = start(hostile).await;
    let prober = world.prober(settings()).await;
    for (domain, postfix, expected) in [
        ("all.test", &all, Obstacle::CatchAll),
        ("late.test", &late, Obstacle::CatchAll),
        ("hostile.test", &hostile, Obstacle::RefusesUs),
    ] {
        serves(&world, domain, postfix);
        let found = user(&prober, &format!("ann@{domain}")).await;
        assert!(matches!(&found, User::Unverifiable { obstacle, .. } if *obstacle == expected), "{found}");
        was_asked_politely(postfix);
    }
}

/// A policy server that greylists: each sender and recipient is put off once.
async fn greylist() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let known = std::sync::Arc::new(Mutex::new(std::collections::HashSet::new()));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let known = std::sync::Arc::clone(&known);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let (mut line, mut pair) = (String::new(), String::new());
                while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                    if line.starts_with("sender=") || line.starts_with("recipient=") {
                        pair.push_str(&line);
                    }
                    if line == "\n" {
                        let is_new = known.lock().unwrap().insert(std::mem::take(&mut pair));
                        let action = if is_new { "defer_if_permit Greylisted" } else { "dunno" };
                        stream.write_all(format!("action={action}\n\n").as_bytes()).await.unwrap();
                    }
                    line.clear();
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_server_that_greylists() {
    let Some(postfix) = postfix("mx.grey.test") else { return };
    let world = World::new().await;
    let policy = greylist().await;
    let postfix = postfix.mailboxes("grey.test", &["ann"]).setting(
        "smtpd_recipient_restrictions",
        &format!("reject_unauth_destination, check_policy_service inet:{policy}"),
    );
    let postfix = start(postfix).await;
    serves(&world, "grey.test", &postfix);
    let prober = world.prober(settings()).await;
    let put_off = user(&prober, "ann@grey.test").await;
    assert!(matches!(put_off, User::Unverifiable { obstacle: Obstacle::Later, .. }), "{put_off}");
    // Three hours later it is known there.
    world.pass(180 * MINUTE);
    assert_eq!(user(&prober, "ann@grey.test").await, User::Exists);
    was_asked_politely(&postfix);
}
