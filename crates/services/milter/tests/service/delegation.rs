//! Conversations by Postfix's policy delegation.

use std::net::{IpAddr, SocketAddr};

use postern_delegation::Request;
use postern_store::Outcome;
use postern_testnet::glob_matches;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::house::{BLOCKED, CLEAN, House, OURS};

struct Postfix {
    wire: BufReader<TcpStream>,
}

impl Postfix {
    async fn connect(to: SocketAddr) -> Self {
        Self { wire: BufReader::new(TcpStream::connect(to).await.unwrap()) }
    }

    async fn ask(&mut self, attributes: &[(&str, &str)]) -> String {
        let mut bytes = Vec::new();
        Request::new(attributes.iter().copied()).encode(&mut bytes);
        self.wire.write_all(&bytes).await.unwrap();
        let (mut answer, mut empty) = (String::new(), String::new());
        self.wire.read_line(&mut answer).await.unwrap();
        self.wire.read_line(&mut empty).await.unwrap();
        assert_eq!(empty, "\n");
        answer.trim_end().to_owned()
    }

    async fn rcpt(&mut self, instance: &str, client: impl Into<IpAddr>, from: &str, to: &str) -> String {
        let client = client.into().to_string();
        self.ask(&[
            ("request", "smtpd_access_policy"),
            ("protocol_state", "RCPT"),
            ("client_address", &client),
            ("helo_name", "client.example.org"),
            ("sender", from),
            ("recipient", to),
            ("instance", instance),
            ("sasl_username", ""),
        ])
        .await
    }
}

fn assert_fits(answer: &str, pattern: &str) {
    assert!(glob_matches(pattern, answer), "{answer}");
}

#[tokio::test]
async fn each_verdict_has_its_action() {
    let house = House::start().await;
    let mut postfix = Postfix::connect(house.policy).await;
    assert_eq!(postfix.rcpt("1", CLEAN, "carl@example.org", "ann@example.test").await, "action=DUNNO");
    assert_fits(
        &postfix.rcpt("2", CLEAN, "spammer@example.org", "ann@example.test").await,
        "action=550 5.7.1 The sender is blocked here (*)",
    );
    let hold = postfix.rcpt("2", CLEAN, "spammer@example.org", "bob@example.test").await;
    assert_fits(&hold, "action=HOLD quarantined by Postern: the rule for sender_list (*)");
    // Once for the whole message.
    assert_eq!(postfix.rcpt("2", CLEAN, "spammer@example.org", "bob@example.test").await, "action=DUNNO");
    let tag = postfix.rcpt("2", CLEAN, "spammer@example.org", "tom@example.test").await;
    assert_eq!(tag, "action=PREPEND X-Postern-Verdict: suspicious; score=0");
    assert_eq!(postfix.rcpt("2", CLEAN, "spammer@example.org", "pia@example.test").await, "action=DUNNO");
    assert_fits(
        &postfix.rcpt("3", BLOCKED, "carl@example.org", "ann@example.test").await,
        "action=554 5.7.1 Your address is blocked here (*)",
    );
    assert_eq!(postfix.rcpt("4", OURS, "spammer@example.org", "ann@example.test").await, "action=DUNNO");
    drop(postfix);
    // One trace for each instance, and one for the client at the door; none for our own.
    let traces = house.traces(3).await;
    assert_eq!(traces.len(), 3);
    let held = traces.iter().find(|trace| trace.outcome == Outcome::Quarantined).unwrap();
    assert_eq!(held.recipients.len(), 4, "{held:?}");
    assert!(hold.contains(&held.id.to_string()));
}

#[tokio::test]
async fn who_has_signed_in_and_what_is_not_a_recipient_is_left_alone() {
    let house = House::start().await;
    let mut postfix = Postfix::connect(house.policy).await;
    let address = CLEAN.to_string();
    let base = [
        ("client_address", address.as_str()),
        ("sender", "spammer@example.org"),
        ("recipient", "ann@example.test"),
    ];
    let with = |more: &[(&'static str, &'static str)]| [&base[..], more].concat();
    let signed_in = with(&[("protocol_state", "RCPT"), ("sasl_username", "ann")]);
    assert_eq!(postfix.ask(&signed_in).await, "action=DUNNO");
    assert_eq!(postfix.ask(&with(&[("protocol_state", "END-OF-MESSAGE")])).await, "action=DUNNO");
    assert_eq!(
        postfix.ask(&[("protocol_state", "RCPT"), ("client_address", "unknown")]).await,
        "action=DUNNO"
    );
    assert_fits(&postfix.ask(&with(&[("protocol_state", "RCPT")])).await, "action=550 *");
    let blocked = BLOCKED.to_string();
    assert_fits(
        &postfix.ask(&[("protocol_state", "CONNECT"), ("client_address", &blocked)]).await,
        "action=554 5.7.1 *",
    );
}

#[tokio::test]
async fn without_the_store_postfix_is_told_to_wait() {
    let house = House::start().await;
    let mut postfix = Postfix::connect(house.policy).await;
    house.store.clone().close().await.unwrap();
    let answer = postfix.rcpt("1", CLEAN, "carl@example.org", "ann@example.test").await;
    assert_fits(&answer, "action=DEFER_IF_PERMIT 4.3.0 the message could not be taken at the moment*");
}

#[tokio::test]
async fn nonsense_ends_the_connection() {
    let house = House::start().await;
    let mut wire = TcpStream::connect(house.policy).await.unwrap();
    wire.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = wire.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
}
