//! DMARC and DKIM on messages made here: alignment, policies, and what is not to be believed.

use std::time::Duration;

use postern_authentication::{Authentication, DmarcPolicy, Identity, Plan, Spf};
use postern_types::{Authenticity, Domain};
use tokio::time::Instant;

use crate::example::{PASS, keys, signed};
use crate::message::dkim;
use crate::zone::{Record, Records};

fn spf(result: Authenticity, domain: &str) -> Spf {
    let domain = domain.to_owned();
    Spf { result, identity: Identity::MailFrom, domain, term: None, problem: None, explanation: None }
}

async fn run(zone: &Records, message: &str, spf: Option<&Spf>) -> Authentication {
    let (header, body) = message.split_once("\r\n\r\n").unwrap();
    let plan = Plan::of(format!("{header}\r\n\r\n").as_bytes());
    let mut hashes = plan.body();
    hashes.push(body.as_bytes());
    let known = plan.ask(zone, Instant::now() + Duration::from_secs(60)).await;
    plan.conclude(&known, hashes, spf, &[], 1_600_000_000)
}

/// The result and policy for an unsigned message from `from`, with these records.
async fn of(from: &str, records: &[(&str, &str)], spf: Option<&Spf>) -> (Authenticity, DmarcPolicy) {
    let mut zone = Records::default();
    for (name, text) in records {
        zone.add(name, Record::Txt((*text).to_owned()));
    }
    zone.add("exists.org.example", Record::A([192, 0, 2, 1].into()));
    let message = format!("From: {from}\r\nSubject: x\r\n\r\nbody\r\n");
    let found = run(&zone, &message, spf).await;
    (found.dmarc.result, found.dmarc.policy)
}

use Authenticity::{Fail, None as Nothing, Pass, TempError};

#[tokio::test]
async fn the_policy_is_that_of_the_domain_or_its_organisation() {
    let org = "_dmarc.org.example";
    for (from, records, expected) in [
        ("a@org.example", &[(org, "v=DMARC1; p=reject")][..], (Fail, DmarcPolicy::Reject)),
        ("a@exists.org.example", &[(org, "v=DMARC1; p=reject")], (Fail, DmarcPolicy::Reject)),
        ("a@exists.org.example", &[(org, "v=DMARC1; p=reject; sp=none")], (Fail, DmarcPolicy::None)),
        ("a@org.example", &[(org, "v=DMARC1; p=reject; sp=none")], (Fail, DmarcPolicy::Reject)),
        // rfc9091: np for what does not exist
        ("a@ghost.org.example", &[(org, "v=DMARC1; p=none; np=reject")], (Fail, DmarcPolicy::Reject)),
        ("a@exists.org.example", &[(org, "v=DMARC1; p=none; np=reject")], (Fail, DmarcPolicy::None)),
        // Its own record counts alone.
        (
            "a@sub.org.example",
            &[(org, "v=DMARC1; p=reject"), ("_dmarc.sub.org.example", "v=DMARC1; p=none")],
            (Fail, DmarcPolicy::None),
        ),
        // What leaves out everything is one step milder.
        ("a@org.example", &[(org, "v=DMARC1; p=reject; pct=0")], (Fail, DmarcPolicy::Quarantine)),
        ("a@org.example", &[(org, "v=DMARC1; p=quarantine; t=y")], (Fail, DmarcPolicy::None)),
        ("a@org.example", &[(org, "v=DMARC1; p=reject; pct=10")], (Fail, DmarcPolicy::Reject)),
        // No record, or none that counts.
        ("a@org.example", &[], (Nothing, DmarcPolicy::None)),
        ("a@org.example", &[(org, "p=reject; v=DMARC1")], (Nothing, DmarcPolicy::None)),
        ("a@org.example", &[(org, "v=DMARC1; p=rejekt")], (Nothing, DmarcPolicy::None)),
        ("a@org.example", &[(org, "v=DMARC1; p=rejekt; rua=mailto:a@b.example")], (Fail, DmarcPolicy::None)),
        (
            "a@org.example",
            &[(org, "v=DMARC1; p=reject"), (org, "v=DMARC1; p=none")],
            (Nothing, DmarcPolicy::None),
        ),
    ] {
        assert_eq!(of(from, records, None).await, expected, "{from} {records:?}");
    }
}

#[tokio::test]
async fn an_author_that_cannot_be_read_is_left_out() {
    let record = [("_dmarc.org.example", "v=DMARC1; p=reject")];
    for from in ["", "nobody"] {
        assert_eq!(of(from, &record, None).await.0, Nothing, "{from}");
    }
    for from in
        ["a@org.example, b@ORG.example", "\"x@other.example\" <a@org.example>", "Group: a@org.example;"]
    {
        assert_eq!(of(from, &record, None).await.0, Fail, "{from}");
    }
}

#[tokio::test]
async fn a_second_author_is_no_way_round_a_policy() {
    let records = [("_dmarc.org.example", "v=DMARC1; p=reject"), ("_dmarc.evil.example", "v=DMARC1; p=none")];
    let evil = spf(Pass, "evil.example");
    let crowd = (0..1000).map(|n| format!("x@x{n}.example")).collect::<Vec<_>>().join(", ");
    for from in [
        "a@org.example, b@evil.example",
        "b@evil.example, a@org.example",
        "b@evil.example\r\nFrom: a@org.example",
        "a@org.example\r\nFrom: b@evil.example",
        "a@org.example, broken",
        &format!("a@org.example, {crowd}"),
        &format!("{crowd}, a@org.example"),
    ] {
        assert_eq!(of(from, &records, Some(&evil)).await, (Fail, DmarcPolicy::Reject), "{from:.60}");
    }
    assert_eq!(of("b@evil.example", &records, Some(&evil)).await.0, Pass);
    assert_eq!(of("b@evil.example, c@unknown.example", &records, Some(&evil)).await.0, Nothing);
}

#[tokio::test]
async fn spf_counts_where_it_is_the_authors() {
    let relaxed = [("_dmarc.org.example", "v=DMARC1; p=reject")];
    let strict = [("_dmarc.org.example", "v=DMARC1; p=reject; aspf=s")];
    for (records, result, domain, expected) in [
        (&relaxed, Pass, "org.example", Pass),
        (&relaxed, Pass, "bounces.org.example", Pass),
        (&strict, Pass, "bounces.org.example", Fail),
        (&strict, Pass, "ORG.example", Pass),
        (&relaxed, Pass, "evil.example", Fail),
        (&relaxed, Pass, "xorg.example", Fail),
        (&relaxed, Authenticity::SoftFail, "org.example", Fail),
        // What could not be checked might have passed; somebody else's trouble changes nothing.
        (&relaxed, TempError, "org.example", TempError),
        (&relaxed, TempError, "evil.example", Fail),
    ] {
        let found = of("a@org.example", records, Some(&spf(result, domain))).await.0;
        assert_eq!(found, expected, "{result} {domain} {records:?}");
    }
}

#[tokio::test]
async fn the_dns_in_trouble_is_never_a_failure() {
    let mut zone = keys();
    zone.add("_dmarc.football.example.com", Record::Txt("v=DMARC1; p=reject".into()));
    for key in ["brisbane._domainkey.football.example.com", "test._domainkey.football.example.com"] {
        zone.0.insert(key.to_owned(), vec![Record::Timeout]);
    }
    let found = run(&zone, &signed(), Some(&spf(Fail, "football.example.com"))).await;
    assert_eq!(dkim(&found), [TempError; 2]);
    assert_eq!(found.dmarc.result, TempError);
    let mut zone = keys();
    zone.add("_dmarc.football.example.com", Record::Timeout);
    assert_eq!(run(&zone, &signed(), None).await.dmarc.result, TempError);
}

#[tokio::test]
async fn a_signature_of_the_authors_domain_is_enough() {
    let mut zone = keys();
    zone.add("_dmarc.football.example.com", Record::Txt("v=DMARC1; p=reject; adkim=s".into()));
    let found = run(&zone, &signed(), Some(&spf(Fail, "football.example.com"))).await;
    assert_eq!((dkim(&found), found.dmarc.result), (PASS.to_vec(), Pass));
    assert!(found.dkim.iter().all(|dkim| dkim.aligned));
    // The author changed: neither the signature nor the alignment is left.
    let forged = signed().replace("joe@football", "joe@soccer");
    let found = run(&zone, &forged, None).await;
    assert_eq!(dkim(&found), [Fail; 2]);
    assert!(
        found
            .dkim
            .iter()
            .all(|dkim| !dkim.aligned || dkim.domain == Domain::parse("football.example.com").ok())
    );
    assert_eq!(found.dmarc.result, Nothing);
}

#[tokio::test]
async fn what_stands_in_a_signature_is_held_against_it() {
    let mut revoked = keys();
    revoked.0.insert("test._domainkey.football.example.com".into(), vec![Record::Txt("v=DKIM1; p=".into())]);
    let whole = signed();
    let cases: [(&Records, String, Authenticity); 6] = [
        (&revoked, whole.clone(), Authenticity::PermError),
        (&Records::default(), whole.clone(), Authenticity::PermError),
        (&keys(), whole.replace("a=rsa-sha256", "a=rsa-sha1"), Authenticity::Policy),
        (&keys(), whole.replace("s=test;", "s=test; x=1527915363;"), Authenticity::Neutral),
        (&keys(), whole.replace("s=test;", "s=test; l=9999;"), Authenticity::PermError),
        (&keys(), whole.replace("s=test;", "s=test; s=test;"), Authenticity::Neutral),
    ];
    for (at, (zone, message, expected)) in cases.iter().enumerate() {
        let found = run(zone, message, None).await;
        assert_eq!(dkim(&found).last(), Some(expected), "{at}: {:?}", found.dkim);
    }
}

#[test]
fn a_message_with_a_thousand_signatures_is_checked_as_far_as_eight() {
    let one = "DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; h=from; bh=AAAA; b=AAAA\r\n";
    let header = format!("{}From: a@a.example\r\n\r\n", one.repeat(1000));
    let zone = Records::default();
    let plan = Plan::of(header.as_bytes());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let known = runtime.block_on(plan.ask(&zone, Instant::now() + Duration::from_secs(9)));
    assert_eq!(plan.conclude(&known, plan.body(), None, &[], 0).dkim.len(), 8);
}
