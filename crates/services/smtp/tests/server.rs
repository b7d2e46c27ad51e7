//! The service as a server: conversations, and what lies in the mailboxes and traces afterwards.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

mod house;

use std::net::Ipv4Addr;
use std::time::Duration;

use house::{House, MESSAGE, data, envelope, networks, set};
use postern_net::pressure::Input;
use postern_store::Outcome;
use postern_testnet::Client;

#[tokio::test]
async fn a_message_is_in_the_mailbox_when_it_is_answered_250() {
    let house = House::start().await;
    let mut c = house.client().await;
    envelope(&mut c, "carl@example.org", &["ann@example.test"]).await;
    c.send_bytes(&data()).await;
    let reply = c.expect("250 2.0.0 OK, stored as *").await;
    let id = reply.to_string().rsplit(' ').next().unwrap().trim().to_owned();

    let inbox = house.inbox("ann@example.test").await;
    assert_eq!(inbox.len(), 1);
    let message = &inbox[0];
    assert!(
        message.starts_with("Return-Path: <carl@example.org>\r\nDelivered-To: ann@example.test\r\n"),
        "{message}"
    );
    assert!(message.contains("Received: from client.example.org ("), "{message}");
    assert!(message.contains("by mx.example.test") && message.contains("with ESMTP"), "{message}");
    assert!(message.contains(&format!("id {id}")) && message.contains("for <ann@example.test>"), "{message}");
    assert!(message.ends_with(MESSAGE), "the message itself is unchanged: {message}");

    let traces = house.traces(1).await;
    assert_eq!(traces.len(), 1);
    assert_eq!((traces[0].outcome, traces[0].id.to_string()), (Outcome::Accepted, id));
    assert_eq!(traces[0].recipients[0].verdict, "delivered");
    c.send("QUIT").await;
    c.expect("221 *").await;
    c.expect_closed().await;
}

#[tokio::test]
async fn every_recipient_gets_one_copy() {
    let house = House::start().await;
    house.alias("team@example.test", &["ann@example.test", "bob@example.test"]).await;
    let mut c = house.client().await;
    envelope(&mut c, "carl@example.org", &["ann@example.test", "team@example.test", "Bob+list@example.test"])
        .await;
    c.send_bytes(&data()).await;
    c.expect("250 *").await;
    for who in ["ann@example.test", "bob@example.test"] {
        let inbox = house.inbox(who).await;
        assert_eq!(inbox.len(), 1, "{who}");
        assert!(!inbox[0].contains("for <"), "with several recipients none is named: {}", inbox[0]);
    }
}

#[tokio::test]
async fn strangers_users_are_unknown_and_strangers_domains_denied() {
    let house = House::start().await;
    let mut c = house.client().await;
    c.send("MAIL FROM:<carl@example.org>").await;
    c.expect("250 *").await;
    c.send("RCPT TO:<nobody@example.test>").await;
    c.expect("550 5.1.1 <nobody@example.test>: there is no such mailbox here (*)").await;
    c.send("RCPT TO:<dora@elsewhere.test>").await;
    c.expect("550 5.7.1 <dora@elsewhere.test>: relaying denied*").await;
    for trick in
        ["dora%elsewhere.test@example.test", "\"dora@elsewhere.test\"@example.test", "dora@[127.0.0.1]"]
    {
        c.send(&format!("RCPT TO:<{trick}>")).await;
        c.expect("550 5.*").await;
    }
    c.send("DATA").await;
    c.expect("5*").await;
    c.send("QUIT").await;
    c.expect("221 *").await;
    c.expect_closed().await;
    let traces = house.traces(1).await;
    assert_eq!(traces.len(), 1);
    assert_eq!(traces[0].outcome, Outcome::Refused);
    assert_eq!(traces[0].recipients.len(), 5);
    assert!(traces[0].recipients[0].verdict.starts_with("550 5.1.1"), "{:?}", traces[0].recipients);
}

#[tokio::test]
async fn the_postmaster_is_always_there() {
    let house = House::start().await;
    house.alias("postmaster@example.test", &["ann@example.test"]).await;
    let mut c = house.client().await;
    c.send("MAIL FROM:<>").await;
    c.expect("250 *").await;
    c.send("RCPT TO:<Postmaster>").await;
    c.expect("250 2.1.5 *").await;
    c.send("DATA").await;
    c.expect("354 *").await;
    c.send_bytes(b"Subject: bounce\r\n\r\n.\r\n").await;
    c.expect("250 *").await;
    assert!(house.inbox("ann@example.test").await[0].starts_with("Return-Path: <>\r\n"));
}

#[tokio::test]
async fn a_smuggled_message_is_refused_with_the_one_around_it() {
    let house = House::start().await;
    for end in ["\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\r.\r\n"] {
        let mut c = house.client().await;
        envelope(&mut c, "carl@example.org", &["ann@example.test"]).await;
        let smuggled = format!(
            "Subject: outer\r\n\r\nbody{end}MAIL FROM:<evil@example.org>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n\
             Subject: inner\r\n\r\nsmuggled\r\n.\r\n"
        );
        c.send_bytes(smuggled.as_bytes()).await;
        c.expect("550 5.6.11 *").await;
        c.send("NOOP").await;
        c.expect("250 *").await;
    }
    assert!(house.inbox("ann@example.test").await.is_empty());
    assert!(house.inbox("bob@example.test").await.is_empty());
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_or_after_it_came() {
    let house = House::build(|plan| plan.settings.protocol.limits.message_size = 10_000).await;
    let mut c = house.client().await;
    c.send("MAIL FROM:<carl@example.org> SIZE=10001").await;
    c.expect("552 5.3.4 *").await;
    envelope(&mut c, "carl@example.org", &["ann@example.test"]).await;
    let line = format!("{}\r\n", "x".repeat(998));
    c.send_bytes(format!("Subject: big\r\n\r\n{}.\r\n", line.repeat(11)).as_bytes()).await;
    c.expect("552 5.3.4 *").await;
    // The session goes on.
    envelope(&mut c, "carl@example.org", &["ann@example.test"]).await;
    c.send_bytes(b"Subject: small\r\n\r\n.\r\n").await;
    c.expect("250 *").await;
    assert_eq!(house.inbox("ann@example.test").await.len(), 1);
}

#[tokio::test]
async fn a_message_may_come_in_chunks() {
    let house = House::start().await;
    let mut c = house.client().await;
    c.send("MAIL FROM:<carl@example.org> BODY=8BITMIME").await;
    c.expect("250 *").await;
    c.send("RCPT TO:<ann@example.test>").await;
    c.expect("250 *").await;
    let (first, second) = MESSAGE.split_at(50);
    c.send_bytes(format!("BDAT {}\r\n{first}", first.len()).as_bytes()).await;
    c.expect("250 *").await;
    c.send_bytes(format!("BDAT {} LAST\r\n{second}", second.len()).as_bytes()).await;
    c.expect("250 2.0.0 OK, stored as *").await;
    assert!(house.inbox("ann@example.test").await[0].ends_with(MESSAGE));
}

#[tokio::test]
async fn what_is_said_in_clear_behind_starttls_is_forgotten() {
    let house = House::build(|plan| plan.tls = true).await;
    let mut c = Client::connect(house.smtp).await.unwrap();
    c.expect("220 *").await;
    c.send("EHLO client.example.org").await;
    assert!(c.expect("250*").await.to_string().contains("STARTTLS"));
    c.send_bytes(b"STARTTLS\r\nMAIL FROM:<injected@example.org>\r\n").await;
    c.expect("220 2.0.0 *").await;
    c.tls(house.certificate.as_ref().unwrap().client().unwrap(), "mx.example.test").await.unwrap();
    c.send("EHLO client.example.org").await;
    assert!(!c.expect("250*").await.to_string().contains("STARTTLS"));
    envelope(&mut c, "carl@example.org", &["ann@example.test"]).await;
    c.send_bytes(&data()).await;
    c.expect("250 *").await;
    let inbox = house.inbox("ann@example.test").await;
    assert!(inbox[0].contains("with ESMTPS") && inbox[0].contains("TLSv1.3"), "{}", inbox[0]);
}

#[tokio::test]
async fn the_tls_door_speaks_tls_from_the_first_byte() {
    let house = House::build(|plan| plan.tls = true).await;
    let mut c = Client::connect_tls(house.smtps).await.unwrap();
    c.expect("220 mx.example.test *").await;
    c.send("EHLO client.example.org").await;
    c.expect("250*").await;
    envelope(&mut c, "carl@example.org", &["ann@example.test"]).await;
    c.send_bytes(&data()).await;
    c.expect("250 *").await;
}

#[tokio::test]
async fn a_blocked_address_hears_554_and_no_more() {
    let house = House::build(|plan| plan.gate.block = vec![networks("operator", &["127.66.0.0/16"])]).await;
    let mut c = Client::connect_from(Ipv4Addr::new(127, 66, 1, 2), house.smtp).await.unwrap();
    let reply = c.expect("554 5.7.1 Your address is blocked here (*)").await.to_string();
    c.expect_closed().await;
    house.client().await;
    let traces = house.traces(1).await;
    assert!(reply.contains(&traces[0].id.to_string()), "the id in the reply finds the trace: {reply}");
    let whole = house.store.trace(traces[0].id).await.unwrap();
    assert!(whole.evidence.contains("operator"), "{}", whole.evidence);
}

#[tokio::test]
async fn a_message_that_goes_round_in_circles_is_refused() {
    let house = House::start().await;
    let mut c = house.client().await;
    envelope(&mut c, "carl@example.org", &["ann@example.test"]).await;
    let hops = "Received: from a by b; Sun, 22 Nov 2026 10:00:00 +0000\r\n".repeat(51);
    c.send_bytes(format!("{hops}{MESSAGE}.\r\n").as_bytes()).await;
    c.expect("554 5.4.6 *").await;
    envelope(&mut c, "carl@example.org", &["ann@example.test"]).await;
    c.send_bytes(format!("Delivered-To: Ann@example.test\r\n{MESSAGE}.\r\n").as_bytes()).await;
    c.expect("554 5.4.6 *").await;
    assert!(house.inbox("ann@example.test").await.is_empty());
}

#[tokio::test]
async fn only_trusted_hosts_speak_for_others() {
    let trusted = Ipv4Addr::new(127, 0, 7, 1);
    let house = House::build(|plan| {
        plan.settings.trust.xclient = set(&[trusted.into()]);
        plan.gate.block = vec![networks("operator", &["192.0.2.66"])];
    })
    .await;
    let mut stranger = house.client().await;
    stranger.send("XCLIENT ADDR=192.0.2.1").await;
    stranger.expect("5*").await;

    let mut c = house.client_from(trusted).await;
    c.send("XCLIENT NAME=mail.example.org ADDR=192.0.2.7 HELO=mail.example.org PROTO=ESMTP").await;
    c.expect("220 *").await;
    c.send("EHLO mail.example.org").await;
    c.expect("250*").await;
    envelope(&mut c, "carl@example.org", &["ann@example.test"]).await;
    c.send_bytes(&data()).await;
    c.expect("250 *").await;
    assert!(house.inbox("ann@example.test").await[0].contains("192.0.2.7"));

    let mut c = house.client_from(trusted).await;
    c.send("XCLIENT ADDR=192.0.2.66").await;
    c.expect("554 5.7.1 *").await;
}

#[tokio::test]
async fn a_balancer_says_who_the_client_is() {
    let balancer = Ipv4Addr::new(127, 0, 7, 2);
    let house = House::build(|plan| {
        plan.settings.trust.proxy_protocol = set(&[balancer.into()]);
        plan.gate.block = vec![networks("operator", &["192.0.2.66"])];
    })
    .await;
    let mut c = Client::connect_from(balancer, house.smtp).await.unwrap();
    c.send_bytes(b"PROXY TCP4 192.0.2.9 192.0.2.1 50000 25\r\n").await;
    c.expect("220 *").await;
    c.send("EHLO mail.example.org").await;
    c.expect("250*").await;
    envelope(&mut c, "carl@example.org", &["ann@example.test"]).await;
    c.send_bytes(&data()).await;
    c.expect("250 *").await;
    assert!(house.inbox("ann@example.test").await[0].contains("192.0.2.9"));

    let mut blocked = Client::connect_from(balancer, house.smtp).await.unwrap();
    blocked.send_bytes(b"PROXY TCP4 192.0.2.66 192.0.2.1 50000 25\r\n").await;
    blocked.expect("554 5.7.1 *").await;

    let mut none = Client::connect_from(balancer, house.smtp).await.unwrap();
    none.send("EHLO no.header").await;
    none.expect_closed().await;

    // From elsewhere the header is a strange command, nothing more.
    let mut stranger = Client::connect(house.smtp).await.unwrap();
    stranger.expect("220 *").await;
    stranger.send("PROXY TCP4 192.0.2.9 192.0.2.1 50000 25").await;
    stranger.expect("5*").await;
}

#[tokio::test]
async fn lmtp_answers_for_each_recipient() {
    let house = House::start().await;
    let mut c = Client::connect(house.lmtp).await.unwrap();
    c.expect("220 *").await;
    c.send("LHLO mta.example.test").await;
    c.expect("250*").await;
    c.send("MAIL FROM:<carl@example.org>").await;
    c.expect("250 *").await;
    c.send("RCPT TO:<ann@example.test>").await;
    c.expect("250 *").await;
    c.send("RCPT TO:<nobody@example.test>").await;
    c.expect("550 5.1.1 *").await;
    c.send("RCPT TO:<bob@example.test>").await;
    c.expect("250 *").await;
    c.send("DATA").await;
    c.expect("354 *").await;
    c.send_bytes(&data()).await;
    c.expect("250 2.0.0 *").await;
    c.expect("250 2.0.0 *").await;
    assert_eq!(house.inbox("ann@example.test").await.len(), 1);
    assert_eq!(house.inbox("bob@example.test").await.len(), 1);
}

#[tokio::test]
async fn a_graceful_stop_lets_the_message_finish() {
    let house = House::start().await;
    let mut idle = house.client().await;
    let mut busy = house.client().await;
    envelope(&mut busy, "carl@example.org", &["ann@example.test"]).await;
    house.shutdown.begin(std::time::Duration::from_secs(20));
    idle.expect("421 4.3.2 *").await;
    idle.expect_closed().await;
    busy.send_bytes(b"Subject: last\r\n\r\n.\r\n").await;
    busy.expect("250 *").await;
    busy.expect("421 4.3.2 *").await;
    busy.expect_closed().await;
    house.shutdown.wait().await;
    assert_eq!(house.inbox("ann@example.test").await.len(), 1);
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_leaves_nothing() {
    let house = House::start().await;
    let mut c = house.client().await;
    envelope(&mut c, "carl@example.org", &["ann@example.test"]).await;
    c.send_bytes(b"Subject: half\r\n\r\nhal").await;
    drop(c);
    house.shutdown.begin(std::time::Duration::from_secs(20));
    house.shutdown.wait().await;
    assert!(house.inbox("ann@example.test").await.is_empty());
}

#[tokio::test]
async fn the_header_is_bounded_and_the_body_is_not_counted_to_it() {
    let house = House::build(|plan| plan.settings.header_size = 2_000).await;
    let mut c = house.client().await;
    envelope(&mut c, "carl@example.org", &["ann@example.test"]).await;
    let long = format!("X-Long: {}\r\n", "x".repeat(500)).repeat(5);
    c.send_bytes(format!("{long}\r\nbody\r\n.\r\n").as_bytes()).await;
    c.expect("552 5.3.4 the message header is larger than 2000 bytes (*)").await;
    envelope(&mut c, "carl@example.org", &["ann@example.test"]).await;
    c.send_bytes(format!("Subject: short\r\n\r\n{long}.\r\n").as_bytes()).await;
    c.expect("250 *").await;
}

#[tokio::test]
async fn xforward_names_the_client_of_one_message() {
    let neighbour = Ipv4Addr::new(127, 0, 7, 3);
    let house = House::build(|plan| plan.settings.trust.xforward = set(&[neighbour.into()])).await;
    let mut c = house.client_from(neighbour).await;
    c.send("XFORWARD NAME=mail.example.org ADDR=192.0.2.7 HELO=mail.example.org").await;
    c.expect("250 *").await;
    envelope(&mut c, "carl@example.org", &["ann@example.test"]).await;
    c.send_bytes(&data()).await;
    c.expect("250 *").await;
    envelope(&mut c, "carl@example.org", &["ann@example.test"]).await;
    c.send_bytes(&data()).await;
    c.expect("250 *").await;
    let traces = house.traces(2).await;
    let clients: Vec<String> = traces.iter().map(|trace| trace.client.to_string()).collect();
    assert_eq!(clients, ["127.0.7.3", "192.0.2.7"], "the latest first");
}

#[tokio::test]
async fn limits_hold_for_the_clients_behind_a_balancer() {
    let balancer = Ipv4Addr::new(127, 0, 7, 4);
    let house = House::build(|plan| {
        plan.settings.trust.proxy_protocol = set(&[balancer.into()]);
        plan.limits.per_host = 1;
    })
    .await;
    let mut held = Vec::new();
    for (client, hears) in [("192.0.2.1", "220 *"), ("192.0.2.2", "220 *"), ("192.0.2.1", "421 4.7.0 *")] {
        let mut c = Client::connect_from(balancer, house.smtp).await.unwrap();
        c.send_bytes(format!("PROXY TCP4 {client} 192.0.2.25 50000 25\r\n").as_bytes()).await;
        c.expect(hears).await;
        held.push(c);
    }
}

#[tokio::test]
async fn a_client_that_was_silent_before_the_stress_has_no_more_time_than_others() {
    let house = House::build(|plan| plan.settings.timeout_stressed = Duration::from_millis(50)).await;
    let mut c = house.client().await;
    house.pressure.report(Input::Sessions, 9_000);
    c.expect("421 4.4.2 *").await;
    c.expect_closed().await;
}

#[tokio::test]
async fn a_first_line_of_white_space_continues_no_field_of_ours() {
    let house = House::start().await;
    let mta = house.net.host("mta.ours.example", postern_testnet::SmtpPeer::new()).await.unwrap();
    house.behind("ours.example", mta.address()).await;
    for (first, recipients) in [
        (" by mx.bank.example with ESMTPS", &["ann@example.test"][..]),
        ("\tby mx.bank.example with ESMTPS", &["dora@ours.example"]),
        (" ", &["ann@example.test", "dora@ours.example"]),
    ] {
        let message = format!("{first}\r\n{MESSAGE}");
        let mut c = house.client().await;
        envelope(&mut c, "carl@example.org", recipients).await;
        c.send_bytes(&first.as_bytes()[..1]).await;
        c.send_bytes(format!("{}.\r\n", message.replace("\r\n.", "\r\n..")[1..].to_owned()).as_bytes()).await;
        c.expect("250 *").await;
        let mut texts = Vec::new();
        texts
            .extend(house.inbox("ann@example.test").await.pop().filter(|_| recipients[0].starts_with("ann")));
        texts.extend(mta.messages().last().map(|message| message.text()));
        assert!(!texts.is_empty());
        for text in texts {
            let (header, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(header.contains("Received: ") && !header.contains("bank.example"), "{text}");
            assert_eq!(body, message, "it is all body, as it came");
        }
    }
}
