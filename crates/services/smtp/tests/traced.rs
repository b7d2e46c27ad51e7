//! What is refused can be found by the id in the reply, and what was judged can be judged again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

mod house;

use std::net::Ipv4Addr;

use house::{House, data, envelope};
use postern_net::pressure::{self, Input};
use postern_policy::{ActionKind, Points, Policy, Record, Thresholds};
use postern_store::{Outcome, TraceRecord};

/// The id at the end of a reply, in parentheses.
fn id(reply: impl ToString) -> String {
    let reply = reply.to_string();
    let (_, id) = reply.trim_end().rsplit_once('(').unwrap_or_else(|| panic!("no id in {reply}"));
    id.trim_end_matches(')').to_owned()
}

/// The traces with their evidence, newest first, as soon as there are so many.
async fn judged(house: &House, count: usize) -> Vec<TraceRecord> {
    let mut traces = Vec::new();
    for found in house.traces(count).await {
        traces.push(house.store.trace(found.id).await.unwrap());
    }
    traces
}

/// Every stored verdict again, from the stored evidence: the same bytes.
#[track_caller]
fn assert_replayed(traces: &[TraceRecord], policy: &Policy) -> usize {
    let mut verdicts = 0;
    for trace in traces {
        let record: Record = serde_json::from_str(&trace.evidence).unwrap();
        for judged in &record.verdicts {
            let again = serde_json::to_string(&record.replay(judged, policy)).unwrap();
            assert_eq!(again, serde_json::to_string(&judged.verdict).unwrap(), "{}", trace.evidence);
            assert!(trace.evidence.contains(&again), "as it was written");
            verdicts += 1;
        }
    }
    verdicts
}

#[tokio::test]
async fn a_declared_size_over_the_limit_leaves_a_trace() {
    let house = House::build(|plan| plan.settings.protocol.limits.message_size = 10_000).await;
    let mut c = house.client().await;
    c.send("MAIL FROM:<carl@example.org> SIZE=10001").await;
    let id = id(c.expect("552 5.3.4 the message is larger than this server accepts (*)").await);
    // There is no transaction: RCPT has nothing to stand on.
    c.send("RCPT TO:<ann@example.test>").await;
    c.expect("503 5.5.1 MAIL must come first (*)").await;
    let traces = house.traces(1).await;
    assert_eq!((traces[0].id.to_string(), traces[0].outcome), (id, Outcome::Refused));
    assert_eq!(traces[0].sender.as_ref().unwrap().to_string(), "carl@example.org");
}

#[tokio::test]
async fn refusals_of_the_protocol_have_an_id() {
    let house = House::start().await;
    let mut c = house.client().await;
    c.send("FROB").await;
    let session = id(c.expect("500 5.5.1 *").await);
    envelope_begun(&mut c).await;
    c.send("RCPT TO:<nobody@example.test>").await;
    let transaction = id(c.expect("550 5.1.1 *").await);
    c.send("FROB").await;
    assert_eq!(id(c.expect("500 5.5.1 *").await), transaction, "what is refused within belongs to it");
    c.send("RSET").await;
    c.expect("250 *").await;
    c.send("RCPT TO:<ann@example.test>").await;
    assert_eq!(id(c.expect("503 5.5.1 *").await), session);
    assert_ne!(session, transaction);
    let traces = house.traces(1).await;
    assert_eq!(traces[0].id.to_string(), transaction);
}

async fn envelope_begun(c: &mut postern_testnet::Client) {
    c.send("MAIL FROM:<carl@example.org>").await;
    c.expect("250 *").await;
}

#[tokio::test]
async fn a_session_that_ends_for_errors_leaves_a_trace() {
    let house = House::build(|plan| plan.settings.protocol.limits.hard_errors = 3).await;
    let mut c = house.client().await;
    for _ in 0..3 {
        c.send("FROB").await;
        c.expect("500 5.5.1 *").await;
    }
    let last = id(c.expect("421 4.7.0 Too many errors (*)").await);
    c.expect_closed().await;
    let traces = house.traces(1).await;
    assert_eq!((traces[0].id.to_string(), traces[0].outcome), (last, Outcome::Deferred));

    let mut other = house.client().await;
    other.send("GET / HTTP/1.1").await;
    other.expect("554 5.5.1 *").await;
    other.expect_closed().await;
    let traces = house.traces(2).await;
    assert_eq!((traces[0].outcome, traces[0].sender.clone()), (Outcome::Refused, None));
}

#[tokio::test]
async fn a_refused_first_chunk_ends_the_transaction() {
    let house = House::build(|plan| plan.pressure = pressure::Settings::default()).await;
    let mut c = house.client().await;
    envelope_begun(&mut c).await;
    c.send("RCPT TO:<ann@example.test>").await;
    c.expect("250 *").await;
    house.pressure.report(Input::FreeDisk, 0);
    c.send_bytes(b"BDAT 6 LAST\r\nhello\n").await;
    let refused = id(c.expect("452 4.3.1 *").await);
    house.pressure.report(Input::FreeDisk, 1 << 40);
    // It is over for both: the next MAIL is not nested, and the first one is in the traces.
    c.send_bytes(b"BDAT 6 LAST\r\nhello\n").await;
    c.expect("503 5.5.1 *").await;
    let traces = house.traces(1).await;
    assert_eq!((traces[0].id.to_string(), traces[0].outcome), (refused, Outcome::Deferred));
    assert_eq!(traces[0].recipients[0].address, "ann@example.test");
    envelope(&mut c, "carl@example.org", &["bob@example.test"]).await;
    c.send_bytes(&data()).await;
    c.expect("250 *").await;
    assert!(house.inbox("ann@example.test").await.is_empty(), "nobody of the transaction before gets it");
    assert_eq!(house.inbox("bob@example.test").await.len(), 1);
}

/// Whoever does not wait for a reply has 2 points, and 2 are enough for the quarantine.
fn strict() -> Policy {
    let thresholds = Thresholds { quarantine: Some(Points::hundredths(200)), reject: None };
    Policy { version: "strict".into(), thresholds, ..Policy::default() }
}

#[tokio::test]
async fn a_verdict_keeps_what_it_was_reached_on() {
    let house = House::build(|plan| plan.policy = strict()).await;
    let mut c = house.client_from(Ipv4Addr::new(127, 0, 0, 1)).await;
    envelope_begun(&mut c).await;
    c.send("RCPT TO:<ann@example.test>").await;
    c.expect("250 *").await;
    // Now the client shows that it does not listen: Bob is judged on more than Ann was.
    c.send_bytes(b"NOOP\r\nRCPT TO:<bob@example.test>\r\nRSET\r\n").await;
    c.expect("250 *").await;
    c.expect("250 *").await;
    c.expect("250 *").await;
    let traces = judged(&house, 1).await;
    let record: Record = serde_json::from_str(&traces[0].evidence).unwrap();
    let kinds: Vec<_> = record.verdicts.iter().map(|judged| judged.verdict.action.kind()).collect();
    assert_eq!(kinds, [ActionKind::Deliver, ActionKind::Quarantine], "{}", traces[0].evidence);
    assert!(record.verdicts[0].then.is_some() && record.verdicts[1].then.is_none());
    assert_eq!(assert_replayed(&traces, &strict()), 2);
}

#[tokio::test]
async fn whatever_came_is_judged_again_to_the_same_bytes() {
    let house = House::build(|plan| plan.policy = strict()).await;
    for (helo, from, message) in [
        ("client.example.org", "carl@example.org", &data()[..]),
        ("unqualified", "carl@example.org", b"X: \xff\r\n\r\n.\r\n"),
        ("[192.0.2.99]", "carl@nowhere.invalid", b"\r\n.\r\n"),
        ("client.example.org", "", b"Subject: a\r\nSubject: b\r\n\r\n.\r\n"),
    ] {
        let mut c = house.client().await;
        c.send(&format!("EHLO {helo}")).await;
        c.expect("250*").await;
        c.send(&format!("MAIL FROM:<{from}>")).await;
        c.expect("250 *").await;
        for who in ["ann@example.test", "nobody@example.test", "bob@example.test"] {
            c.send(&format!("RCPT TO:<{who}>")).await;
            c.expect("*").await;
        }
        c.send("DATA").await;
        if c.expect("*").await.to_string().starts_with("354") {
            c.send_bytes(message).await;
            c.expect("*").await;
        }
        c.send("QUIT").await;
        c.expect("221 *").await;
    }
    let traces = judged(&house, 4).await;
    assert!(assert_replayed(&traces, &strict()) >= 7);
}
