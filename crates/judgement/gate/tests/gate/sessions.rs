//! What a client says, from the greeting to MAIL.

use std::net::IpAddr;

use postern_gate::{Gate, Settings, Trust};
use postern_policy::{Action, Fact, Outcome, Policy, Profile, Rdns, Stage, Test, judge};
use postern_testnet::{Fault, Zone};

use crate::world::{World, domain, fact, helo, outcome, sender, stranger};

const CLIENT: &str = "192.0.2.7";

async fn world() -> World {
    let world = World::new().await;
    let ip: IpAddr = CLIENT.parse().unwrap();
    world.server.add(Zone::new("mail.client.test").a("@", [192, 0, 2, 7].into()).ptr(ip, "@"));
    world
}

async fn gate(world: &World) -> Gate {
    let gate = world
        .gate(Settings {
            our_names: vec![domain("mx.ours.test")],
            our_addresses: vec!["198.51.100.1".parse().unwrap()],
            ..Settings::default()
        })
        .await;
    gate.set_domains([domain("ours.test")]);
    gate
}

#[tokio::test]
async fn a_name_that_leads_back_is_confirmed() {
    let world = world().await;
    let gate = gate(&world).await;
    let mut session = stranger(&gate, CLIENT);
    assert_eq!(*session.rdns(), Rdns::NotAsked);
    let evidence = session.evidence(Stage::Connect).await;
    assert_eq!(evidence.client.rdns, Rdns::Confirmed { name: "mail.client.test".into() });
    assert_eq!(outcome(evidence, Test::Rdns), Outcome::Clear);
    assert_eq!(outcome(evidence, Test::Fcrdns), Outcome::Clear);
}

#[tokio::test]
async fn no_name_and_a_name_that_is_borrowed_are_seen() {
    let world = world().await;
    let borrower: IpAddr = "192.0.2.8".parse().unwrap();
    world.server.add(Zone::new("2.0.192.in-addr.arpa").ptr(borrower, "mail.client.test."));
    let gate = gate(&world).await;
    let mut session = stranger(&gate, "192.0.2.9");
    let evidence = session.evidence(Stage::Connect).await;
    assert_eq!(evidence.client.rdns, Rdns::Missing);
    assert_eq!(outcome(evidence, Test::Rdns), Outcome::Hit);
    assert_eq!(outcome(evidence, Test::Fcrdns), Outcome::Skipped);

    let mut session = stranger(&gate, "192.0.2.8");
    let evidence = session.evidence(Stage::Connect).await;
    assert_eq!(evidence.client.rdns, Rdns::Unconfirmed { name: "mail.client.test".into() });
    assert_eq!(outcome(evidence, Test::Rdns), Outcome::Clear);
    assert_eq!(outcome(evidence, Test::Fcrdns), Outcome::Hit);
}

#[tokio::test]
async fn a_name_server_that_fails_is_unknown() {
    let world = world().await;
    let gate = gate(&world).await;
    world.server.fault("in-addr.arpa", Fault::ServFail);
    let mut session = stranger(&gate, "192.0.2.9");
    let evidence = session.evidence(Stage::Connect).await;
    assert_eq!(evidence.client.rdns, Rdns::Unknown);
    assert_eq!(outcome(evidence, Test::Rdns), Outcome::Unknown);

    world.server.heal("in-addr.arpa");
    world.server.fault("mail.client.test", Fault::ServFail);
    let mut session = stranger(&gate, CLIENT);
    let evidence = session.evidence(Stage::Connect).await;
    assert_eq!(outcome(evidence, Test::Rdns), Outcome::Clear);
    assert_eq!(outcome(evidence, Test::Fcrdns), Outcome::Unknown);
}

#[tokio::test]
async fn helo_names_are_looked_at() {
    let world = world().await;
    world.server.add(Zone::new("mailonly.test").mx(10, "mail.client.test."));
    world.server.fault("broken.test", Fault::ServFail);
    let gate = gate(&world).await;
    use Outcome::{Clear, Hit, Unknown};
    for (name, test, expected) in [
        ("mail.client.test", Test::HeloUnresolved, Clear),
        ("mailonly.test", Test::HeloUnresolved, Clear),
        ("nowhere.test", Test::HeloUnresolved, Hit),
        ("broken.test", Test::HeloUnresolved, Unknown),
        ("mail.client.test", Test::HeloSyntax, Clear),
        ("not..valid", Test::HeloSyntax, Hit),
        ("a b", Test::HeloSyntax, Hit),
        ("192.0.2.7", Test::HeloSyntax, Hit),
        ("[300.0.0.1]", Test::HeloSyntax, Hit),
        ("localhost", Test::HeloUnqualified, Hit),
        ("mail.client.test", Test::HeloUnqualified, Clear),
        ("[192.0.2.7]", Test::HeloLiteral, Clear),
        ("[192.0.2.8]", Test::HeloLiteral, Hit),
        ("[IPv6:2001:db8::1]", Test::HeloLiteral, Hit),
        ("mx.ours.test", Test::HeloOurs, Hit),
        ("OURS.test", Test::HeloOurs, Hit),
        ("[198.51.100.1]", Test::HeloOurs, Hit),
        ("mail.client.test", Test::HeloOurs, Clear),
        ("other.ours.test", Test::HeloOurs, Clear),
    ] {
        let mut session = stranger(&gate, CLIENT);
        session.helo(helo(name));
        assert_eq!(outcome(session.evidence(Stage::Helo).await, test), expected, "{name} {test}");
    }
}

#[tokio::test]
async fn a_forged_helo_is_refused_and_our_own_host_is_not() {
    let world = world().await;
    let gate = gate(&world).await;
    for (ip, refused) in [(CLIENT, true), ("198.51.100.1", false)] {
        let mut session = stranger(&gate, ip);
        session.helo(helo("mx.ours.test"));
        let evidence = session.evidence(Stage::Rcpt).await;
        let verdict = judge(evidence, &Policy::default(), &Profile::default(), Stage::Rcpt);
        assert_eq!(matches!(verdict.action, Action::Refuse(_)), refused, "{ip}");
    }
    let mut session = gate.begin(CLIENT.parse().unwrap(), Trust::Ours);
    session.helo(helo("mx.ours.test"));
    let verdict =
        judge(session.evidence(Stage::Rcpt).await, &Policy::default(), &Profile::default(), Stage::Rcpt);
    assert_eq!(verdict.action, Action::Deliver);
}

#[tokio::test]
async fn the_last_helo_counts() {
    let world = world().await;
    let gate = gate(&world).await;
    let mut session = stranger(&gate, CLIENT);
    session.helo(helo("nowhere.test"));
    assert_eq!(outcome(session.evidence(Stage::Helo).await, Test::HeloUnresolved), Outcome::Hit);
    session.tls("TLSv1.3".into());
    session.helo(helo("mail.client.test"));
    let evidence = session.evidence(Stage::Helo).await;
    assert_eq!(outcome(evidence, Test::HeloUnresolved), Outcome::Clear);
    assert_eq!(evidence.helo.as_ref().unwrap().name, "mail.client.test");
    assert_eq!(evidence.client.tls.as_deref(), Some("TLSv1.3"));
}

#[tokio::test]
async fn a_sender_that_cannot_be_answered_is_seen() {
    let world = world().await;
    world.server.add(Zone::new("good.test").mx(10, "mail.client.test."));
    world.server.add(Zone::new("implicit.test").a("@", [192, 0, 2, 20].into()));
    world.server.add(Zone::new("nomail.test").mx(0, ".").a("@", [192, 0, 2, 21].into()));
    world.server.add(Zone::new("empty.test").txt("@", "nothing else"));
    world.server.fault("broken.test", Fault::ServFail);
    let gate = gate(&world).await;
    for (from, expected) in [
        ("ann@good.test", Outcome::Clear),
        ("ann@implicit.test", Outcome::Clear),
        ("ann@nomail.test", Outcome::Hit),
        ("ann@empty.test", Outcome::Hit),
        ("ann@nowhere.test", Outcome::Hit),
        ("ann@broken.test", Outcome::Unknown),
    ] {
        let mut session = stranger(&gate, CLIENT);
        session.mail(&sender(from));
        assert_eq!(outcome(session.evidence(Stage::Mail).await, Test::SenderDomain), expected, "{from}");
    }
    let mut session = stranger(&gate, CLIENT);
    session.mail(&sender("ann@nomail.test"));
    let evidence = session.evidence(Stage::Mail).await;
    assert_eq!(fact(evidence, Test::SenderDomain), Fact::NullMx { domain: "nomail.test".into() });
    // Neither the null sender nor our own domains nor literals are asked about.
    for from in ["", "ann@ours.test", "ann@[192.0.2.7]"] {
        session.mail(&sender(from));
        let evidence = session.evidence(Stage::Mail).await;
        assert_eq!(evidence.of(Test::SenderDomain).count(), 0, "{from}");
    }
}

#[tokio::test]
async fn each_transaction_has_its_own_evidence() {
    let world = world().await;
    let gate = gate(&world).await;
    let mut session = stranger(&gate, CLIENT);
    session.helo(helo("mail.client.test"));
    session.mail(&sender("ann@nowhere.test"));
    session.headers(b"Subject: first\r\n\r\n", &[]);
    let first = session.evidence(Stage::Data).await.clone();
    assert_eq!(outcome(&first, Test::SenderDomain), Outcome::Hit);
    assert!(first.message.is_some());

    session.mail(&sender(""));
    let known: Vec<_> = session.known().findings.iter().map(|f| f.test.stage()).collect();
    assert!(!known.is_empty() && known.iter().all(|stage| *stage < Stage::Mail), "{known:?}");
    let second = session.evidence(Stage::Data).await;
    assert_eq!(second.of(Test::SenderDomain).count(), 0);
    assert_eq!(second.message, None);
    assert_eq!(outcome(second, Test::HeloUnresolved), Outcome::Clear, "the session's evidence stays");
    let at_connect = session.evidence(Stage::Connect).await.until(Stage::Connect);
    assert!(at_connect.into_iter().all(|finding| finding.test != Test::HeloUnresolved));

    session.mail(&sender("ann@nowhere.test"));
    session.helo(helo("mail.client.test"));
    let third = session.evidence(Stage::Data).await;
    assert_eq!((third.of(Test::SenderDomain).count(), &third.sender), (0, &None), "HELO ends a transaction");
}

#[tokio::test]
async fn haste_is_noted_once_at_its_stage() {
    let world = world().await;
    let gate = gate(&world).await;
    let mut session = stranger(&gate, CLIENT);
    session.spoke_first(b"EHLO spam\r\nMAIL FROM:<a@b>\r\n");
    session.spoke_first(b"again");
    session.did_not_wait();
    session.over_rate(120, 60);
    let evidence = session.evidence(Stage::Connect).await;
    let Fact::SpokeFirst { said } = fact(evidence, Test::EarlyTalk) else { panic!("{evidence:?}") };
    assert!(said.starts_with("EHLO spam"));
    assert_eq!(fact(evidence, Test::ConnectionRate), Fact::Rate { per_minute: 120, limit: 60 });
    let at_connect: Vec<_> = evidence.until(Stage::Connect).map(|finding| finding.test).collect();
    assert!(!at_connect.contains(&Test::Pipelining), "that is the next stage");
    assert_eq!(at_connect.iter().filter(|test| **test == Test::EarlyTalk).count(), 1);
    assert_eq!(outcome(session.evidence(Stage::Helo).await, Test::Pipelining), Outcome::Hit);
}

#[tokio::test]
async fn tests_that_are_off_are_not_made() {
    let world = world().await;
    let gate = world.gate(Settings { off: Test::ALL.to_vec(), ..Settings::default() }).await;
    world.server.forget_questions();
    let mut session = stranger(&gate, CLIENT);
    session.helo(helo("nowhere.test"));
    session.mail(&sender("ann@nowhere.test"));
    session.headers(b"Received: x\r\n\r\n", &[]);
    session.did_not_wait();
    let evidence = session.evidence(Stage::Data).await;
    let made: Vec<_> = evidence.findings.iter().map(|f| f.test).collect();
    assert!(evidence.findings.iter().all(|f| f.outcome != Outcome::Hit), "{made:?}");
    assert_eq!(world.server.questions(), []);
}

#[tokio::test]
async fn the_same_session_gives_the_same_evidence() {
    let world = world().await;
    let gate = gate(&world).await;
    let run = async || {
        let mut session = stranger(&gate, CLIENT);
        session.helo(helo("nowhere.test"));
        session.mail(&sender("ann@nowhere.test"));
        session.headers(b"From: a@b.test\r\nSubject: x\r\n\r\n", &[]);
        let mut evidence = session.evidence(Stage::Data).await.clone();
        evidence.findings.iter_mut().for_each(|finding| finding.micros = 0);
        serde_json::to_string(&evidence).unwrap()
    };
    assert_eq!(run().await, run().await);
}
