//! SPF at MAIL, and what the header and the body bring: findings, and the field that reports them.

use postern_gate::{Authentication, Gate, Settings};
use postern_policy::{Action, Evidence, Fact, Outcome, Policy, Profile, Stage, Test, judge};
use postern_testnet::{Fault, Zone};
use postern_types::Authenticity;

use crate::world::{World, domain, fact, helo, outcome, sender, stranger};

const HEADER: &[u8] = b"From: ann@office.test\r\nSubject: x\r\n\r\n";

async fn world() -> World {
    let world = World::new().await;
    let office = Zone::new("office.test").mx(10, "mx").a("mx", [192, 0, 2, 1].into());
    let office = office.txt("@", "v=spf1 ip4:203.0.113.0/24 ~all").txt("_dmarc", "v=DMARC1; p=quarantine");
    world.server.add(office);
    world.server.add(
        Zone::new("strict.test").txt("@", "v=spf1 -all exp=why.strict.test").txt("why", "Not from %{i}"),
    );
    world.server.add(Zone::new("anybody.test").txt("@", "v=spf1 +all"));
    world
}

async fn gate(world: &World) -> Gate {
    world.gate(Settings { our_names: vec![domain("mx.here.test")], ..Settings::default() }).await
}

async fn at_mail(gate: &Gate, client: &str, from: &str) -> Evidence {
    let mut session = stranger(gate, client);
    session.helo(helo("strict.test"));
    session.mail(&sender(from));
    session.evidence(Stage::Rcpt).await.clone()
}

#[tokio::test]
async fn spf_says_who_may_send() {
    let world = world().await;
    let gate = gate(&world).await;
    let pass = at_mail(&gate, "203.0.113.5", "ann@office.test").await;
    assert_eq!((outcome(&pass, Test::Spf), pass.spf()), (Outcome::Clear, Some(Authenticity::Pass)));
    assert!(pass.sender_is_authentic());
    let soft = at_mail(&gate, "192.0.2.7", "ann@office.test").await;
    assert_eq!(outcome(&soft, Test::SpfSoftFail), Outcome::Hit);
    assert!(!soft.sender_is_authentic());
    let fail = at_mail(&gate, "192.0.2.7", "ann@strict.test").await;
    assert_eq!(outcome(&fail, Test::Spf), Outcome::Hit);
    let words = fact(&fail, Test::Spf).to_string();
    assert!(words.contains("strict.test explains: Not from 192.0.2.7"), "{words}");
    // The null sender is judged by its HELO name, and is nobody's.
    let null = at_mail(&gate, "192.0.2.7", "").await;
    assert!(matches!(fact(&null, Test::Spf), Fact::Spf { helo: true, result: Authenticity::Fail, .. }));
    world.server.fault("trouble.test", Fault::ServFail);
    let unknown = at_mail(&gate, "192.0.2.7", "eve@trouble.test").await;
    assert_eq!(
        (outcome(&unknown, Test::Spf), unknown.spf()),
        (Outcome::Unknown, Some(Authenticity::TempError))
    );
}

#[tokio::test]
async fn spf_clears_a_dial_up_host_unless_it_lets_everybody_send() {
    let world = world().await;
    let mut pool = Zone::new("113.0.203.in-addr.arpa");
    for last in 1..14 {
        let name = format!("h{}.wurm.isp.test.", 1000 + last);
        pool = pool.ptr(format!("203.0.113.{last}").parse().unwrap(), &name);
    }
    world.server.add(pool);
    let gate = gate(&world).await;
    let outcome = async |from| outcome(&at_mail(&gate, "203.0.113.5", from).await, Test::Dialup);
    assert_eq!(outcome("").await, Outcome::Hit);
    assert_eq!(outcome("ann@office.test").await, Outcome::Clear);
    assert_eq!(outcome("ann@anybody.test").await, Outcome::Hit);
}

#[tokio::test]
async fn an_unsigned_message_is_known_with_its_header_and_its_authors_wish_is_followed() {
    let world = world().await;
    let gate = gate(&world).await;
    for (client, expected) in [("203.0.113.5", Outcome::Clear), ("192.0.2.7", Outcome::Hit)] {
        let mut session = stranger(&gate, client);
        session.helo(helo("mx.office.test"));
        session.mail(&sender("ann@office.test"));
        session.headers(HEADER, &[]);
        assert!(!session.awaits_body());
        let evidence = session.evidence(Stage::Data).await.clone();
        let test = if expected == Outcome::Hit { Test::DmarcQuarantine } else { Test::Dmarc };
        assert_eq!(outcome(&evidence, test), expected);
        let verdict = judge(&evidence, &Policy::default(), &Profile::default(), Stage::Data);
        assert_eq!(verdict.action == Action::Quarantine, expected == Outcome::Hit, "{:?}", verdict.action);
        let report = session.report().unwrap();
        assert!(report.starts_with("Authentication-Results: mx.here.test;\r\n"), "{report}");
        assert!(report.contains("dkim=none;") && report.contains("header.from=office.test"), "{report}");
    }
}

#[tokio::test]
async fn a_signed_message_is_known_at_its_end() {
    let world = world().await;
    let gate = gate(&world).await;
    let mut session = stranger(&gate, "192.0.2.7");
    session.mail(&sender("ann@office.test"));
    let signature = b"DKIM-Signature: v=1; a=rsa-sha256; d=office.test; s=s; h=from; bh=AAAA; b=AAAA\r\n";
    session.headers(&[&signature[..], HEADER].concat(), &[]);
    assert!(session.awaits_body());
    assert_eq!(session.evidence(Stage::Data).await.of(Test::Dmarc).count(), 0);
    session.body(b"body\r\n");
    session.end();
    let evidence = session.evidence(Stage::Data).await.clone();
    assert!(matches!(
        fact(&evidence, Test::Dkim),
        Fact::Dkim { result: Authenticity::PermError, aligned: true, .. }
    ));
    assert_eq!(outcome(&evidence, Test::DmarcQuarantine), Outcome::Hit);
    // The next transaction begins with nothing.
    session.mail(&sender("ann@office.test"));
    assert_eq!(session.evidence(Stage::Data).await.of(Test::Dkim).count(), 0);
    assert_eq!(session.report(), None);
}

#[tokio::test]
async fn where_it_is_switched_off_nothing_is_asked_and_nothing_is_touched() {
    let world = world().await;
    let authentication = Authentication { enabled: false, ..Authentication::default() };
    let our_names = vec![domain("mx.here.test")];
    let gate = world.gate(Settings { authentication, our_names, ..Settings::default() }).await;
    let mut session = stranger(&gate, "192.0.2.7");
    session.mail(&sender("ann@strict.test"));
    session.headers(HEADER, &[]);
    assert_eq!(session.evidence(Stage::Data).await.spf(), None);
    assert_eq!(session.report(), None);
    let forged = b"Authentication-Results: mx.here.test; none\r\n\r\n";
    assert_eq!(*session.without_forged(forged), forged[..]);
}
