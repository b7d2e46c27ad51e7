//! What sessions report to the feedback list, and what comes of connecting too often.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

mod house;

use std::net::{IpAddr, Ipv4Addr};

use house::{House, data, domain, envelope, set};
use postern_feedback::{Exempt, Feedback, Settings};
use postern_policy::{Fact, Outcome, Record, Test};
use postern_store::{ListKind, Strike, host_of};
use postern_testnet::Client;
use postern_types::{Network, Timestamp};

const CALLER: Ipv4Addr = Ipv4Addr::new(127, 0, 55, 1);

/// A house whose sessions report, and that blocks after the third time.
async fn watchful() -> (House, Feedback) {
    let exempt = Exempt::new([Network::parse("127.0.66.0/24").unwrap()].into_iter().collect());
    let (feedback, writer) = Feedback::new(exempt);
    let to_sessions = feedback.clone();
    let house = House::build(|plan| {
        plan.feedback = to_sessions;
        plan.gate.our_names = vec![domain("mx.example.test")];
    })
    .await;
    tokio::spawn(writer.run(house.store.clone(), Settings::default()));
    (house, feedback)
}

/// A session in which our own name is given, and mail is refused for it so many times.
async fn pretender(house: &House, from: Ipv4Addr, times: usize) {
    let mut c = Client::connect_from(from, house.smtp).await.unwrap();
    c.expect("220 *").await;
    c.send("EHLO mx.example.test").await;
    c.expect("250*").await;
    for _ in 0..times {
        c.send("MAIL FROM:<carl@example.org>").await;
        c.expect("250 *").await;
        c.send("RCPT TO:<ann@example.test>").await;
        c.expect("550 5.7.1 *").await;
        c.send("RSET").await;
        c.expect("250 *").await;
    }
    leave(c).await;
}

/// Says goodbye and waits until the session is over.
async fn leave(mut c: Client) {
    c.send("QUIT").await;
    c.expect("221 *").await;
    c.expect_closed().await;
}

async fn strikes(house: &House, feedback: &Feedback, of: Ipv4Addr) -> Vec<Strike> {
    feedback.flush().await;
    house.store.strikes(host_of(of.into())).await.unwrap()
}

async fn is_blocked(house: &House, ip: impl Into<IpAddr>) -> bool {
    house.store.listed_networks(ListKind::Feedback, Timestamp::now()).await.unwrap().contains(ip.into())
}

#[tokio::test]
async fn a_host_that_is_caught_in_three_sessions_is_blocked() {
    let (house, feedback) = watchful().await;
    for session in 1..=3 {
        assert!(!is_blocked(&house, CALLER).await);
        pretender(&house, CALLER, 5).await;
        assert_eq!(strikes(&house, &feedback, CALLER).await.len(), session, "a session counts once");
    }
    assert!(is_blocked(&house, CALLER).await);
    let strike = &strikes(&house, &feedback, CALLER).await[0];
    assert_eq!(strike.offence, "our_name");
    // The trace that it names is there, and says the same.
    let trace = house.traces(15).await.into_iter().find(|trace| trace.id == strike.trace);
    assert_eq!(trace.unwrap().client, IpAddr::from(CALLER));
}

#[tokio::test]
async fn who_is_never_to_be_banned_is_not() {
    let (house, feedback) = watchful().await;
    let own = Ipv4Addr::new(127, 0, 66, 1);
    for _ in 0..5 {
        pretender(&house, own, 1).await;
    }
    assert!(strikes(&house, &feedback, own).await.is_empty());
    assert!(!is_blocked(&house, own).await);
}

#[tokio::test]
async fn a_host_that_sends_clean_mail_too_is_spared() {
    let (house, feedback) = watchful().await;
    for _ in 0..6 {
        let mut c = house.client_from(CALLER).await;
        envelope(&mut c, "carl@example.org", &["ann@example.test"]).await;
        c.send_bytes(&data()).await;
        c.expect("250 *").await;
        leave(c).await;
    }
    feedback.flush().await;
    let known = house.store.host(host_of(CALLER.into())).await.unwrap().unwrap();
    assert!(known.clean > 5.0 && known.strikes == 0.0, "{known:?}");
    for _ in 0..5 {
        pretender(&house, CALLER, 1).await;
    }
    assert_eq!(strikes(&house, &feedback, CALLER).await.len(), 5);
    assert!(!is_blocked(&house, CALLER).await);
}

#[tokio::test]
async fn trying_addresses_is_an_offence() {
    let (house, feedback) = watchful().await;
    let mut c = house.client_from(CALLER).await;
    c.send("MAIL FROM:<carl@example.org>").await;
    c.expect("250 *").await;
    for n in 0..12 {
        c.send(&format!("RCPT TO:<guess{n}@example.test>")).await;
        c.expect("550 5.1.1 *").await;
    }
    leave(c).await;
    let strikes = strikes(&house, &feedback, CALLER).await;
    assert_eq!((strikes.len(), strikes[0].offence.as_str()), (1, "harvesting"));
    assert_eq!(strikes[0].words, "12 recipients that do not exist, 0 that do");
}

#[tokio::test]
async fn bounces_of_forged_mail_are_no_offence_of_the_host_that_returns_them() {
    let (house, feedback) = watchful().await;
    let mut c = house.client_from(CALLER).await;
    for n in 0..12 {
        c.send("MAIL FROM:<>").await;
        c.expect("250 *").await;
        c.send(&format!("RCPT TO:<forged{n}@example.test>")).await;
        c.expect("550 5.1.1 *").await;
        c.send("RSET").await;
        c.expect("250 *").await;
    }
    leave(c).await;
    assert!(strikes(&house, &feedback, CALLER).await.is_empty());
    // A bounce has one recipient: this is none.
    let mut c = house.client_from(CALLER).await;
    c.send("MAIL FROM:<>").await;
    c.expect("250 *").await;
    for n in 0..12 {
        c.send(&format!("RCPT TO:<guess{n}@example.test>")).await;
        c.expect("550 5.1.1 *").await;
    }
    leave(c).await;
    assert_eq!(strikes(&house, &feedback, CALLER).await.len(), 1);
}

#[tokio::test]
async fn what_a_neighbour_passes_on_is_its_clients_and_not_its_own() {
    let neighbour = Ipv4Addr::new(127, 0, 7, 5);
    let exempt = Exempt::new([Network::parse("127.0.66.0/24").unwrap()].into_iter().collect());
    let (feedback, writer) = Feedback::new(exempt);
    let to_sessions = feedback.clone();
    let house = House::build(|plan| {
        plan.feedback = to_sessions;
        plan.settings.trust.xforward = set(&[neighbour.into()]);
    })
    .await;
    tokio::spawn(writer.run(house.store.clone(), Settings::default()));
    let mut c = house.client_from(neighbour).await;
    for (client, guesses) in [("127.0.55.1", 6), ("127.0.55.2", 11)] {
        c.send(&format!("XFORWARD NAME=mail.example.org ADDR={client} HELO=mail.example.org")).await;
        c.expect("250 *").await;
        c.send("MAIL FROM:<carl@example.org>").await;
        c.expect("250 *").await;
        for n in 0..guesses {
            c.send(&format!("RCPT TO:<guess{n}@example.test>")).await;
            c.expect("550 5.1.1 *").await;
        }
        c.send("RSET").await;
        c.expect("250 *").await;
    }
    leave(c).await;
    assert!(strikes(&house, &feedback, neighbour).await.is_empty(), "it has asked nothing by itself");
    assert!(strikes(&house, &feedback, CALLER).await.is_empty(), "6 are not enough");
    assert_eq!(strikes(&house, &feedback, Ipv4Addr::new(127, 0, 55, 2)).await.len(), 1);
}

#[tokio::test]
async fn an_old_address_among_others_is_no_offence() {
    let (house, feedback) = watchful().await;
    let mut c = house.client_from(CALLER).await;
    c.send("MAIL FROM:<carl@example.org>").await;
    c.expect("250 *").await;
    c.send("RCPT TO:<gone@example.test>").await;
    c.expect("550 5.1.1 *").await;
    c.send("RCPT TO:<ann@example.test>").await;
    c.expect("250 *").await;
    leave(c).await;
    assert!(strikes(&house, &feedback, CALLER).await.is_empty());
}

#[tokio::test]
async fn who_connects_too_often_is_let_in_first_and_known_for_it() {
    let house = House::build(|plan| plan.limits.per_minute = 4).await;
    for session in 1..=4 {
        let mut c = house.client_from(CALLER).await;
        envelope(&mut c, "carl@example.org", &["ann@example.test"]).await;
        c.send_bytes(&data()).await;
        c.expect("250 *").await;
        let newest = house.store.trace(house.traces(session).await[0].id).await.unwrap();
        let record: Record = serde_json::from_str(&newest.evidence).unwrap();
        let found = record.evidence.of(Test::ConnectionRate).find(|finding| finding.outcome == Outcome::Hit);
        let expected =
            (session > 2).then(|| Fact::Rate { per_minute: u32::try_from(session).unwrap(), limit: 2 });
        assert_eq!(found.map(|finding| finding.fact.clone()), expected, "session {session}");
    }
    let mut c = Client::connect_from(CALLER, house.smtp).await.unwrap();
    c.expect("421 4.7.0 *").await;
    let mut neighbour = house.client_from(Ipv4Addr::new(127, 0, 55, 2)).await;
    neighbour.send("NOOP").await;
    neighbour.expect("250 *").await;
}
