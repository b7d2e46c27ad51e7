//! The service as a proxy in front of an MTA: what passes, what must not, and what happens when the MTA fails.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

mod house;

use house::{House, MESSAGE, data, envelope};
use postern_store::Outcome;
use postern_testnet::{Act, RunningPeer, SmtpPeer, Stage};

/// A house with `ours.example` behind it at a scripted MTA, besides its own `example.test`.
async fn with_mta(peer: SmtpPeer) -> (House, postern_testnet::RunningPeer) {
    let house = House::start().await;
    let mta = house.net.host("mta.ours.example", peer).await.unwrap();
    house.behind("ours.example", mta.address()).await;
    (house, mta)
}

#[tokio::test]
async fn a_message_passes_through_and_the_mta_gives_the_answer() {
    let (house, mta) = with_mta(SmtpPeer::new().reply(Stage::Body, "250 2.0.0 queued as 4711")).await;
    let mut c = house.client().await;
    envelope(&mut c, "carl@example.org", &["dora@ours.example"]).await;
    c.send_bytes(&data()).await;
    c.expect("250 2.0.0 *queued as 4711 (*)").await;
    let messages = mta.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(
        (messages[0].from.as_str(), messages[0].to.as_slice()),
        ("carl@example.org", &["dora@ours.example".to_owned()][..])
    );
    assert!(messages[0].text().starts_with("Received: from client.example.org"), "{}", messages[0].text());
    assert!(messages[0].text().ends_with(MESSAGE), "{}", messages[0].text());
    assert_eq!(house.traces(1).await[0].outcome, Outcome::Relayed);
}

#[tokio::test]
async fn the_mta_verifies_its_own_users() {
    let (house, _mta) = with_mta(SmtpPeer::new().unknown_user("nobody")).await;
    let mut c = house.client().await;
    c.send("MAIL FROM:<carl@example.org>").await;
    c.expect("250 *").await;
    c.send("RCPT TO:<nobody@ours.example>").await;
    c.expect("550 5.1.1 *").await;
    c.send("RCPT TO:<dora@ours.example>").await;
    c.expect("250 *").await;
}

#[tokio::test]
async fn what_the_mta_says_to_the_message_the_client_hears() {
    for (says, hears) in [
        ("451 4.2.0 later", "451 4.2.0 later"),
        ("554 5.6.0 no", "554 5.6.0 no"),
        ("452 4.2.2 full", "452 4.2.2 full"),
    ] {
        let (house, mta) = with_mta(SmtpPeer::new().reply(Stage::Body, says)).await;
        let mut c = house.client().await;
        envelope(&mut c, "carl@example.org", &["dora@ours.example"]).await;
        c.send_bytes(&data()).await;
        c.expect(&format!("{hears} (*)")).await;
        assert_eq!(mta.message_count(), 0);
    }
}

#[tokio::test]
async fn an_mta_that_fails_at_any_step_costs_a_retry_and_nothing_else() {
    for stage in [Stage::Connect, Stage::Hello, Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Body] {
        for act in
            [Act::Drop, Act::Bytes(b"nonsense\r\n".to_vec()), Act::Reply("421 4.3.2 going down".to_owned())]
        {
            let (house, mta) = with_mta(SmtpPeer::new().on(stage, "*", act.clone())).await;
            let mut c = house.client().await;
            c.send("MAIL FROM:<carl@example.org>").await;
            c.expect("250 *").await;
            c.send("RCPT TO:<dora@ours.example>").await;
            let reply = c.reply().await.unwrap();
            if reply.to_string().starts_with("250") {
                c.send("DATA").await;
                c.expect("354 *").await;
                c.send_bytes(&data()).await;
                let reply = c.expect("4*").await;
                assert!(reply.to_string().contains("4."), "{stage:?} {act:?}: {}", c.transcript());
            } else {
                assert!(reply.to_string().starts_with('4'), "{stage:?} {act:?}: {}", c.transcript());
            }
            assert_eq!(mta.message_count(), 0, "{stage:?} {act:?}");
        }
    }
}

#[tokio::test]
async fn an_mta_that_hangs_is_given_up() {
    for stage in [Stage::Connect, Stage::Body] {
        let (house, _mta) = with_mta(SmtpPeer::new().hang(stage)).await;
        let mut c = house.client().await;
        c.send("MAIL FROM:<carl@example.org>").await;
        c.expect("250 *").await;
        c.send("RCPT TO:<dora@ours.example>").await;
        if stage == Stage::Connect {
            c.expect("451 4.4.1 *").await;
            continue;
        }
        c.expect("250 *").await;
        c.send("DATA").await;
        c.expect("354 *").await;
        c.send_bytes(&data()).await;
        c.expect("451 4.4.1 *").await;
    }
}

#[tokio::test]
async fn an_mta_that_is_down_makes_the_sender_wait() {
    let house = House::start().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    house.behind("ours.example", nobody).await;
    let mut c = house.client().await;
    c.send("MAIL FROM:<carl@example.org>").await;
    c.expect("250 *").await;
    c.send("RCPT TO:<dora@ours.example>").await;
    c.expect("451 4.4.1 the mail server behind this gate is not reachable*").await;
    c.send("RCPT TO:<ann@example.test>").await;
    c.expect("250 *").await;
}

#[tokio::test]
async fn the_offer_is_what_both_can_do() {
    let (house, _mta) = with_mta(SmtpPeer::new().extensions(&["SIZE 1000", "PIPELINING"])).await;
    let mut c = house.client().await;
    c.send("EHLO again.example.org").await;
    let offer = c.expect("250*").await.to_string();
    assert!(offer.contains("SIZE 1000") && offer.contains("PIPELINING"), "{offer}");
    assert!(!offer.contains("8BITMIME") && !offer.contains("SMTPUTF8"), "{offer}");
}

#[tokio::test]
async fn the_mta_learns_who_the_client_is() {
    let (house, mta) =
        with_mta(SmtpPeer::new().extensions(&["XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"])).await;
    let mut c = house.client_from(std::net::Ipv4Addr::new(127, 0, 44, 5)).await;
    c.send("MAIL FROM:<carl@example.org>").await;
    c.expect("250 *").await;
    c.send("RCPT TO:<dora@ours.example>").await;
    c.expect("250 *").await;
    assert_eq!(mta.count("XFORWARD *ADDR=127.0.44.5*HELO=client.example.org*"), 1, "{:?}", mta.commands());
}

#[tokio::test]
async fn one_message_has_recipients_here_and_behind() {
    let (house, mta) = with_mta(SmtpPeer::new()).await;
    let mut c = house.client().await;
    envelope(&mut c, "carl@example.org", &["ann@example.test", "dora@ours.example"]).await;
    c.send_bytes(&data()).await;
    c.expect("250 *").await;
    assert!(house.inbox("ann@example.test").await[0].ends_with(MESSAGE));
    assert_eq!(mta.messages()[0].to, ["dora@ours.example"]);
    assert!(mta.messages()[0].text().ends_with(MESSAGE));
}

#[tokio::test]
async fn when_the_mta_says_no_nothing_is_kept_here_either() {
    for stage in [Stage::Data, Stage::Body] {
        let (house, _mta) = with_mta(SmtpPeer::new().reply(stage, "451 4.3.0 not now")).await;
        let mut c = house.client().await;
        envelope(&mut c, "carl@example.org", &["ann@example.test", "dora@ours.example"]).await;
        c.send_bytes(&data()).await;
        c.expect("451 4.3.0 not now (*)").await;
        assert!(house.inbox("ann@example.test").await.is_empty(), "{stage:?}");
    }
}

#[tokio::test]
async fn recipients_of_two_mtas_come_in_two_messages() {
    let (house, _first) = with_mta(SmtpPeer::new()).await;
    let second = house.net.host("mta.theirs.example", SmtpPeer::new()).await.unwrap();
    house.behind("theirs.example", second.address()).await;
    let mut c = house.client().await;
    c.send("MAIL FROM:<carl@example.org>").await;
    c.expect("250 *").await;
    c.send("RCPT TO:<dora@ours.example>").await;
    c.expect("250 *").await;
    c.send("RCPT TO:<emil@theirs.example>").await;
    c.expect("452 4.5.3 *").await;
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_sends_nothing_to_the_mta() {
    let (house, mta) = with_mta(SmtpPeer::new()).await;
    let mut c = house.client().await;
    envelope(&mut c, "carl@example.org", &["dora@ours.example"]).await;
    c.send_bytes(b"Subject: half\r\n\r\nhal").await;
    drop(c);
    house.shutdown.begin(std::time::Duration::from_secs(20));
    house.shutdown.wait().await;
    assert_eq!(mta.message_count(), 0);
}

#[tokio::test]
async fn nothing_is_smuggled_to_an_mta_that_is_lenient() {
    let (house, mta) = with_mta(SmtpPeer::new().lenient_line_ends()).await;
    let mut c = house.client().await;
    envelope(&mut c, "carl@example.org", &["dora@ours.example"]).await;
    c.send_bytes(b"Subject: outer\r\n\r\nbody\n.\nMAIL FROM:<evil@example.org>\nRCPT TO:<dora@ours.example>\nDATA\nin\n.\n\r\n.\r\n")
        .await;
    c.expect("550 5.6.11 *").await;
    assert_eq!(mta.count("MAIL FROM:<evil*"), 0, "{:?}", mta.commands());
    assert_eq!(mta.message_count(), 0);
}

/// A house in which everything is held, an MTA behind it, and what is held for its dora.
async fn holding(peer: SmtpPeer) -> (House, RunningPeer, postern_store::QuarantineId) {
    use postern_policy::{Points, Policy, Thresholds};
    let everything = Policy {
        thresholds: Thresholds { quarantine: Some(Points::hundredths(1)), reject: None },
        ..Policy::default()
    };
    let house = House::build(|plan| plan.policy = everything).await;
    let mta = house.net.host("mta.ours.example", peer).await.unwrap();
    house.behind("ours.example", mta.address()).await;
    // Nobody answers for this name in the DNS: enough for this policy.
    let mut c = postern_testnet::Client::connect(house.smtp).await.unwrap();
    c.expect("220 *").await;
    c.send("EHLO unknown.example.org").await;
    c.expect("250*").await;
    envelope(&mut c, "carl@example.org", &["dora@ours.example"]).await;
    assert_eq!(mta.count("RCPT*"), 0, "what is quarantined is not announced");
    c.send_bytes(&data()).await;
    c.expect("250 2.0.0 OK, stored as *").await;
    assert_eq!(mta.message_count(), 0);
    let held = house.store.quarantine(Default::default()).await.unwrap();
    assert_eq!(held.len(), 1);
    (house, mta, held[0].id)
}

fn to(mta: &RunningPeer) -> postern_store::ReleaseTo {
    postern_store::ReleaseTo::Queue {
        route: Some(mta.address().to_string()),
        expires_at: postern_types::Timestamp::now().plus(std::time::Duration::from_secs(60)),
    }
}

async fn queue_is_empty(house: &House) {
    while house.store.next_queued_at().await.unwrap().is_some() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_released_copy_reaches_the_mta_once() {
    let (house, mta, held) = holding(SmtpPeer::new()).await;
    for _ in 0..3 {
        house.store.release(held, to(&mta)).await.unwrap();
    }
    assert!(mta.wait_for_messages(1).await);
    assert!(mta.messages()[0].text().starts_with("Received: "), "{}", mta.messages()[0].text());
    assert!(mta.messages()[0].text().ends_with(MESSAGE));
    queue_is_empty(&house).await;
    assert_eq!(mta.message_count(), 1);
}

#[tokio::test]
async fn a_released_copy_that_the_mta_refuses_is_held_again() {
    let refusal = Act::Reply("550 5.1.1 no such user".to_owned());
    let (house, mta, held) = holding(SmtpPeer::new().first(1, Stage::Rcpt, "*", refusal)).await;
    house.store.release(held, to(&mta)).await.unwrap();
    queue_is_empty(&house).await;
    assert_eq!(mta.message_count(), 0);
    let state = house.store.quarantined(held).await.unwrap().state;
    assert_eq!(state, postern_store::QuarantineState::Held);
    house.store.release(held, to(&mta)).await.unwrap();
    assert!(mta.wait_for_messages(1).await);
}

#[tokio::test]
async fn a_recipient_that_a_lost_session_had_accepted_is_not_forgotten() {
    // The MTA accepts the first recipient, drops the connection at the second, and is back for the third.
    let peer = SmtpPeer::new().first(1, Stage::Rcpt, "*two@*", Act::Drop);
    let (house, mta) = with_mta(peer).await;
    let mut c = house.client().await;
    c.send("MAIL FROM:<carl@example.org>").await;
    c.expect("250 *").await;
    c.send("RCPT TO:<one@ours.example>").await;
    c.expect("250 *").await;
    c.send("RCPT TO:<two@ours.example>").await;
    c.expect("451 4.4.1 *").await;
    c.send("RCPT TO:<three@ours.example>").await;
    c.expect("451 4.4.1 *").await;
    c.send("DATA").await;
    c.expect("451 4.4.1 *").await;
    assert_eq!(mta.message_count(), 0);
    // The next transaction is a fresh start.
    c.send("RSET").await;
    c.expect("250 *").await;
    envelope(&mut c, "carl@example.org", &["one@ours.example", "two@ours.example"]).await;
    c.send_bytes(&data()).await;
    c.expect("250 *").await;
    assert_eq!(mta.messages()[0].to, ["one@ours.example", "two@ours.example"]);
}

#[tokio::test]
async fn the_time_that_the_mta_takes_is_not_the_clients() {
    let house = House::build(|plan| {
        plan.settings.timeout = std::time::Duration::from_millis(600);
        plan.settings.upstream.timeout = std::time::Duration::from_secs(20);
    })
    .await;
    let slow = Act::Wait(std::time::Duration::from_millis(900));
    let mta = house.net.host("mta.ours.example", SmtpPeer::new().on(Stage::Rcpt, "*", slow)).await.unwrap();
    house.behind("ours.example", mta.address()).await;
    let mut c = house.client().await;
    envelope(&mut c, "carl@example.org", &["dora@ours.example"]).await;
    c.send_bytes(&data()).await;
    c.expect("250 *").await;
}
