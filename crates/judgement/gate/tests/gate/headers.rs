//! The header: rules, fields that must be there, loops.

use postern_gate::{Authentication, Gate, GateError, HeaderRule, HeaderTest, Settings};
use postern_policy::{Evidence, Fact, Outcome, Stage, Test};
use postern_types::Address;

use crate::world::{World, fact, outcome, sender, stranger};

fn rule(name: &str, field: &str, test: HeaderTest) -> HeaderRule {
    HeaderRule { name: name.into(), field: field.into(), test }
}

async fn gate(rules: Vec<HeaderRule>) -> Gate {
    // Nothing here is about the DNS, whose server ends with the world.
    let off = Test::ALL.iter().copied().filter(|test| test.stage() != Stage::Data).collect();
    let authentication = Authentication { enabled: false, ..Authentication::default() };
    let settings = Settings { header_rules: rules, hops: 5, off, authentication, ..Settings::default() };
    World::new().await.gate(settings).await
}

async fn evidence(gate: &Gate, header: &str, recipients: &[&str]) -> Evidence {
    let recipients: Vec<Address> = recipients.iter().map(|text| Address::parse(text).unwrap()).collect();
    let mut session = stranger(gate, "192.0.2.1");
    session.mail(&sender(""));
    session.headers(header.as_bytes(), &recipients.iter().collect::<Vec<_>>());
    session.evidence(Stage::Data).await.clone()
}

/// The names of the rules that fit.
async fn hits(gate: &Gate, header: &str) -> Vec<String> {
    let evidence = evidence(gate, header, &[]).await;
    evidence.of(Test::HeaderRule).filter_map(|f| f.fact.label()).map(str::to_owned).collect()
}

const HONEST: &str =
    "From: ann@example.org\r\nDate: Sun, 22 Nov 2026 05:59:00 +0000\r\nMessage-ID: <1@x>\r\n";

#[tokio::test]
async fn rules_fit_fields_by_name_and_pattern() {
    let gate = gate(vec![
        rule("pills", "Subject", HeaderTest::Contains("Cheap Pills".into())),
        rule("exact", "X-Mailer", HeaderTest::Equals("BulkMailer".into())),
        rule("digits", "Subject", HeaderTest::Regex(r"\d{6,}".into())),
        rule("no-list-id", "List-Id", HeaderTest::Missing),
    ])
    .await;
    let none: [&str; 0] = [];
    assert_eq!(hits(&gate, "List-Id: <x>\r\nSubject: hello\r\n\r\n").await, none);
    assert_eq!(hits(&gate, "List-Id: <x>\r\nsubject: buy CHEAP\r\n pills\r\n\r\n").await, ["pills"]);
    assert_eq!(hits(&gate, "List-Id: <x>\r\nX-Mailer: bulkmailer\r\n\r\n").await, ["exact"]);
    assert_eq!(hits(&gate, "List-Id: <x>\r\nX-Mailer: bulkmailer 2\r\n\r\n").await, none);
    assert_eq!(hits(&gate, "Subject: cheap pills 1234567\r\n\r\n").await, ["pills", "digits", "no-list-id"]);
    assert_eq!(hits(&gate, "List-Id: <x>\r\n\r\nSubject: cheap pills in the body\r\n").await, none);
}

#[tokio::test]
async fn encoded_words_are_read() {
    let gate = gate(vec![rule("pills", "Subject", HeaderTest::Contains("cheap pills".into()))]).await;
    for subject in ["=?utf-8?B?Y2hlYXAgcGlsbHM=?=", "=?iso-8859-1?Q?Cheap_?=\r\n =?iso-8859-1?Q?Pills?="] {
        assert_eq!(hits(&gate, &format!("Subject: {subject}\r\n\r\n")).await, ["pills"], "{subject}");
    }
}

#[tokio::test]
async fn a_rule_hits_once_and_shows_what_it_saw() {
    let gate = gate(vec![rule("x", "X", HeaderTest::Contains("bad".into()))]).await;
    let header = format!("X: good\r\nX: bad {}\r\nX: bad too\r\n\r\n", "y".repeat(500));
    let evidence = evidence(&gate, &header, &[]).await;
    let Fact::HeaderMatch { value, .. } = fact(&evidence, Test::HeaderRule) else { panic!("{evidence:?}") };
    assert!(value.starts_with("bad yyy") && value.len() == 100, "{value}");
}

#[tokio::test]
async fn bad_patterns_are_refused_with_the_rules_name() {
    let world = World::new().await;
    for pattern in ["(", r"(\w{1,1000}){1,1000}"] {
        let rules = vec![rule("mine", "Subject", HeaderTest::Regex(pattern.into()))];
        let settings = Settings { header_rules: rules, ..Settings::default() };
        let error = Gate::new(settings, world.dns.clone(), world.events.clone()).unwrap_err();
        assert!(matches!(&error, GateError::HeaderRule { rule, .. } if rule == "mine"), "{error}");
    }
}

#[tokio::test]
async fn required_fields_are_missed_and_repeated_ones_counted() {
    let gate = gate(vec![]).await;
    let honest = evidence(&gate, &format!("{HONEST}\r\n"), &[]).await;
    assert_eq!(outcome(&honest, Test::HeaderMissing), Outcome::Clear);
    assert_eq!(outcome(&honest, Test::HeaderDuplicate), Outcome::Clear);
    assert_eq!(honest.of(Test::HeaderRule).count(), 0, "there are no rules");

    let empty = evidence(&gate, "\r\nFrom: in the body\r\n", &[]).await;
    let missing: Vec<_> = empty.of(Test::HeaderMissing).map(|f| f.fact.to_string()).collect();
    let expected = ["From", "Date", "Message-ID"].map(|name| format!("The header has no {name} field"));
    assert_eq!(missing, expected);

    let twice =
        evidence(&gate, &format!("{HONEST}from: eve@example.org\r\nSubject: a\r\nSUBJECT: b\r\n\r\n"), &[])
            .await;
    let repeated: Vec<_> = twice.of(Test::HeaderDuplicate).map(|f| f.fact.to_string()).collect();
    assert_eq!(repeated, ["The header has 2 From fields", "The header has 2 Subject fields"]);
}

#[tokio::test]
async fn loops_are_seen() {
    let gate = gate(vec![]).await;
    let five = evidence(&gate, &"Received: x\r\n".repeat(5), &[]).await;
    assert_eq!(outcome(&five, Test::Hops), Outcome::Clear);
    assert_eq!(five.message.unwrap().hops, 5);
    let six = evidence(&gate, &"Received: x\r\n".repeat(6), &[]).await;
    assert_eq!(fact(&six, Test::Hops), Fact::Hops { count: 6, limit: 5 });

    let before = "Delivered-To: ann@example.test\r\n\r\n";
    let again = evidence(&gate, before, &["bob@example.test", "Ann@example.test"]).await;
    assert_eq!(fact(&again, Test::Hops), Fact::DeliveredBefore { recipient: "Ann@example.test".into() });
    let other = evidence(&gate, before, &["bob@example.test"]).await;
    assert_eq!(outcome(&other, Test::Hops), Outcome::Clear);
}

#[tokio::test]
async fn a_hostile_header_is_bounded() {
    let gate = gate(vec![rule("slow", "Subject", HeaderTest::Regex(r"(a*)*b".into()))]).await;
    let header = format!("Subject: {}\r\n{}\r\n", "a".repeat(50_000), "From: x\r\n".repeat(5_000));
    let evidence = evidence(&gate, &header, &[]).await;
    assert_eq!(outcome(&evidence, Test::HeaderRule), Outcome::Clear);
    let size = serde_json::to_string(&evidence).unwrap().len();
    assert!(size < 4096, "{size}");
}
