//! Sender authentication in sessions: what signatures and policies do to a message, and what its readers see of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

mod house;

use house::{House, domain, envelope};
use postern_store::{Outcome, QuarantineQuery};
use postern_testnet::{Act, Fault, RunningPeer, SmtpPeer, Stage, Zone};

const ED25519: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const RSA: &str = "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jL\
    QiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTI\
    KT+l/K4w3QIDAQAB";

/// A house that reports as `mx.example.test`; `football.example.com` has the keys of RFC 8463 and this DMARC policy.
async fn start(policy: &str) -> House {
    let house = House::build(|plan| plan.gate.our_names = vec![domain("mx.example.test")]).await;
    let zone = Zone::new("football.example.com").mx(10, "mx").a("mx", [127, 9, 9, 8].into());
    let zone = zone.txt("brisbane._domainkey", ED25519).txt("test._domainkey", RSA);
    house.net.dns().add(zone.txt("_dmarc", &format!("v=DMARC1; p={policy}")));
    house
}

/// The same, with `ours.example` behind it at a scripted MTA.
async fn with_mta(policy: &str, peer: SmtpPeer) -> (House, RunningPeer) {
    let house = start(policy).await;
    let mta = house.net.host("mta.ours.example", peer).await.unwrap();
    house.behind("ours.example", mta.address()).await;
    (house, mta)
}

/// Sends a message from joe@football.example.com, whose domain has no SPF, and expects this answer.
async fn send(house: &House, to: &[&str], message: &str, answer: &str) {
    let mut c = house.client().await;
    envelope(&mut c, "joe@football.example.com", to).await;
    let text = message.replace('\n', "\r\n");
    c.send_bytes(format!("{}.\r\n", text.replace("\r\n.", "\r\n..")).as_bytes()).await;
    c.expect(answer).await;
}

async fn quarantined(house: &House) -> Vec<String> {
    let mut texts = Vec::new();
    for held in house.store.quarantine(QuarantineQuery::default()).await.unwrap() {
        let bytes = house.store.read_quarantined(held.id).await.unwrap().read_all().await.unwrap();
        texts.push(String::from_utf8(bytes).unwrap());
    }
    texts
}

/// Files in the folder of bodies.
fn files(house: &House) -> usize {
    std::fs::read_dir(house.folder.path().join("store/bodies")).unwrap().count()
}

fn changed() -> String {
    SIGNED.replace("lost the game", "won the game")
}

fn unsigned() -> String {
    SIGNED[SIGNED.find("From:").unwrap()..].to_owned()
}

#[tokio::test]
async fn a_signed_message_is_delivered_with_its_results_and_without_forged_ones() {
    let house = start("reject").await;
    let forged = "Authentication-Results: MX.example.test; dkim=pass header.d=bank.example\n";
    let other = "Authentication-Results: relay.example.net; dkim=fail\n";
    send(&house, &["ann@example.test"], &format!("{forged}{other}{SIGNED}"), "250 *").await;
    let inbox = house.inbox("ann@example.test").await;
    let [text] = &*inbox else { panic!("{inbox:?}") };
    let (head, rest) = text.split_once("Received: ").unwrap();
    assert!(head.contains("Authentication-Results: mx.example.test;\r\n"), "{text}");
    assert!(head.contains("dkim=pass\r\n\t header.d=football.example.com\r\n\t header.s=brisbane"), "{head}");
    assert!(head.contains("dkim=pass\r\n\t header.d=football.example.com\r\n\t header.s=test"), "{head}");
    assert!(head.contains("spf=none\r\n\t smtp.mailfrom=football.example.com;"), "{head}");
    assert!(
        head.contains("dmarc=pass\r\n\t policy.dmarc=reject\r\n\t header.from=football.example.com"),
        "{head}"
    );
    assert!(!text.contains("bank.example"), "{text}");
    let body = format!("{other}{SIGNED}").replace('\n', "\r\n");
    assert!(rest.ends_with(&body), "everything else as it came: {rest}");
}

#[tokio::test]
async fn a_message_that_is_not_its_authors_has_the_fate_that_the_author_wants() {
    for (policy, message) in [("reject", changed()), ("reject", unsigned())] {
        let house = start(policy).await;
        let answer =
            "550 5.7.1 The author's domain football.example.com has neither sent nor signed this message*";
        send(&house, &["ann@example.test"], &message, answer).await;
        assert!(house.inbox("ann@example.test").await.is_empty());
        assert_eq!(house.traces(1).await[0].outcome, Outcome::Refused);
    }
    for message in [changed(), unsigned()] {
        let house = start("quarantine").await;
        send(&house, &["ann@example.test"], &message, "250 *").await;
        assert!(house.inbox("ann@example.test").await.is_empty());
        let held = quarantined(&house).await;
        assert_eq!(held.len(), 1);
        assert!(held[0].contains("dmarc=fail"), "{}", held[0]);
        let house = start("none").await;
        send(&house, &["ann@example.test"], &message, "250 *").await;
        assert_eq!(house.inbox("ann@example.test").await.len(), 1);
    }
}

#[tokio::test]
async fn a_recipient_that_is_named_twice_has_one_copy_in_quarantine() {
    let house = start("quarantine").await;
    let to = ["ann@example.test", "ANN@Example.test", "bob@example.test", "ann@example.test"];
    send(&house, &to, &unsigned(), "250 *").await;
    assert_eq!(quarantined(&house).await.len(), 2);
}

#[tokio::test]
async fn what_the_dns_cannot_tell_refuses_nobody() {
    for (name, message) in [
        ("_dmarc.football.example.com", unsigned()),
        ("_dmarc.football.example.com", changed()),
        ("_domainkey.football.example.com", SIGNED.to_owned()),
    ] {
        let house = start("reject").await;
        house.net.dns().fault(name, Fault::ServFail);
        send(&house, &["ann@example.test"], &message, "250 *").await;
        assert!(house.inbox("ann@example.test").await[0].contains("dmarc=temperror"), "{name}");
    }
}

#[tokio::test]
async fn the_mta_behind_gets_a_signed_message_with_its_results_before_it() {
    let (house, mta) = with_mta("reject", SmtpPeer::new()).await;
    send(&house, &["dora@ours.example"], SIGNED, "250 *").await;
    let text = mta.messages()[0].text().to_owned();
    assert!(text.starts_with("Authentication-Results: mx.example.test;"), "{text}");
    assert!(text.contains("dkim=pass") && text.contains("dmarc=pass"), "{text}");
    assert!(text.ends_with(&SIGNED.replace('\n', "\r\n")), "{text}");
    assert_eq!(house.traces(1).await[0].outcome, Outcome::Relayed);
}

#[tokio::test]
async fn the_mta_behind_never_sees_what_its_end_has_refused_or_quarantined() {
    for (policy, answer, kept) in [("reject", "550 *", 0), ("quarantine", "250 *", 1)] {
        let (house, mta) = with_mta(policy, SmtpPeer::new()).await;
        send(&house, &["dora@ours.example"], &changed(), answer).await;
        assert_eq!((mta.count("DATA"), mta.message_count()), (0, 0), "{policy}");
        assert_eq!(quarantined(&house).await.len(), kept, "{policy}");
    }
}

/// Held in memory up to 256 KiB, else in a file: it arrives whole, and nothing of it stays.
#[tokio::test]
async fn a_held_message_of_any_size_arrives_whole() {
    let (house, mta) = with_mta("none", SmtpPeer::new()).await;
    let before = files(&house);
    for lines in [10, 3_000, 30_000] {
        let message = format!("{}{}", changed(), ".A line of the body that is long enough\n".repeat(lines));
        send(&house, &["dora@ours.example"], &message, "250 *").await;
        let text = mta.messages().last().unwrap().text().to_owned();
        assert!(text.ends_with(&message.replace('\n', "\r\n")), "{lines} lines, {} octets came", text.len());
        assert_eq!(files(&house), before, "{lines} lines");
    }
}

#[tokio::test]
async fn a_held_message_for_both_kinds_is_safe_in_both_places_or_nowhere() {
    let recipients = ["ann@example.test", "dora@ours.example"];
    let (house, mta) = with_mta("reject", SmtpPeer::new()).await;
    send(&house, &recipients, SIGNED, "250 *").await;
    assert_eq!((house.inbox("ann@example.test").await.len(), mta.message_count()), (1, 1));
    for stage in [Stage::Data, Stage::Body] {
        for (says, hears) in [("452 4.2.2 full", "452 4.2.2 full*"), ("554 5.6.0 no", "554 5.6.0 no*")] {
            let (house, mta) = with_mta("reject", SmtpPeer::new().reply(stage, says)).await;
            let before = files(&house);
            send(&house, &recipients, SIGNED, hears).await;
            assert_eq!((house.inbox("ann@example.test").await.len(), mta.message_count()), (0, 0));
            assert_eq!(files(&house), before, "nothing is kept for the retry to double");
        }
    }
}

#[tokio::test]
async fn an_mta_that_has_grown_tired_of_waiting_is_asked_once_more() {
    for act in [Act::Drop, Act::Reply("421 4.4.2 timeout".to_owned())] {
        let peer = SmtpPeer::new().first(1, Stage::Data, "*", act);
        let (house, mta) = with_mta("reject", peer).await;
        send(&house, &["dora@ours.example"], SIGNED, "250 *").await;
        assert_eq!((mta.count("RCPT*"), mta.message_count()), (2, 1));
    }
    let (house, mta) = with_mta("reject", SmtpPeer::new().drop_at(Stage::Data)).await;
    send(&house, &["dora@ours.example"], SIGNED, "451 4.4.1 *").await;
    assert_eq!(mta.message_count(), 0);
}

const SIGNED: &str = "\
DKIM-Signature: v=1; a=ed25519-sha256; c=simple/simple; \n\
\x20d=football.example.com; i=@football.example.com; \n\
\x20q=dns/txt; s=brisbane; t=1518460054; h=from : to : \n\
\x20subject : date : message-id : from : subject : date; \n\
\x20bh=4bLNXImK9drULnmePzZNEBleUanJCX5PIsDIFoH4KTQ=; \n\
\x20b=9/dsDChY0YMTtD5Eyw3wx7x22BlSJP7M5ECbJ7GWrR45nXlTCGb8l0YB\n\
\x20o0wBLR++X5LqmsxXaOYLLJe46l10AQ==\n\
DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; \n\
\x20d=football.example.com; i=@football.example.com; \n\
\x20q=dns/txt; s=test; t=1527915362; h=from : to : subject : \n\
\x20date : message-id : from : subject : date; \n\
\x20bh=4bLNXImK9drULnmePzZNEBleUanJCX5PIsDIFoH4KTQ=; \n\
\x20b=icKcLSEZYXJ95flvWE8FT6hl5iqd8MC/LEKYH0QjsqYy6MO/4pgVNCZH\n\
\x20l/RAXAuADxE/40Fg7uTlxwwD1hjN2Ple6J//cJfslBdDOq6zTVbne1dqtl\n\
\x20NOat7iamJ1AfRqyG+ja7a2AZsrpUuJ7VA6O+0zRYPqpwMEkEFIzI9i/Xk=\n\
From: Joe SixPack <joe@football.example.com>\n\
To: Suzie Q <suzie@shopping.example.net>\n\
Subject: Is dinner ready?\n\
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\n\
Message-ID: <20030712040037.46341.5F8J@football.example.com>\n\
\n\
Hi.\n\
\n\
We lost the game.  Are you hungry yet?\n\
\n\
Joe.\n\
\n\
";
