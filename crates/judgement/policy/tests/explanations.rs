//! Explanations and the smallest changes, as people read them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::net::Ipv4Addr;

use postern_policy::{
    ActionKind, Case, Ceiling, Change, Evidence, Explanation, Fact, Finding, Listed, Mode, Outcome, Points,
    Policy, Profile, Rule, RuleAction, Stage, Test, Turned, ZoneRule, explain, explain_case, judge,
};
use postern_types::ReversePath;

fn hit(test: Test) -> Finding {
    Finding::new(test, Outcome::Hit, Fact::Nothing)
}

fn listed(zone: &str, code: u8) -> Finding {
    let codes = vec![Ipv4Addr::new(127, 0, 0, code)];
    Finding::new(Test::Dnsbl, Outcome::Hit, Fact::Dnsbl { zone: zone.into(), codes, meaning: "spam".into() })
}

fn evidence(findings: Vec<Finding>) -> Evidence {
    let mut evidence = Evidence { findings, ..Evidence::default() };
    evidence.client.ip = "192.0.2.7".parse().unwrap();
    evidence.sender = Some(ReversePath::parse("ann@example.org").unwrap());
    evidence
}

fn points(hundredths: i32) -> Points {
    Points::hundredths(hundredths)
}

/// What is said to Bert's mail, with this evidence and policy.
fn explained(evidence: &Evidence, policy: &Policy, profile: &Profile) -> Explanation {
    let verdict = judge(evidence, policy, profile, Stage::Rcpt);
    explain_case(Case { evidence, policy, verdict: &verdict, recipient: "bert@example.net" })
}

fn plain(findings: Vec<Finding>) -> Explanation {
    explained(&evidence(findings), &Policy::default(), &Profile::default())
}

fn says(explanation: &Explanation) -> Vec<&str> {
    explanation.alternatives.iter().map(|alternative| alternative.words.as_str()).collect()
}

#[track_caller]
fn assert_says(explanation: &Explanation, words: &str) {
    assert!(says(explanation).contains(&words), "{words}\nis not in {:#?}", says(explanation));
}

#[test]
fn one_finding_less_and_one_setting_more() {
    // 5 for the list and 2 for the name; quarantine from 5.
    let explanation = plain(vec![listed("b.test", 2), hit(Test::Rdns)]);
    assert_eq!((explanation.action, explanation.score), (ActionKind::Quarantine, points(700)));
    for words in [
        "it would have been delivered if b.test did not list the address (dnsbl, which weighs 5)",
        "it would have been delivered with gate.quarantine above 7 (it is 5)",
        "it would have been delivered with gate.tests.dnsbl.weight = 2.99 or less (it is 5)",
        "it would have been delivered with gate.tests.dnsbl.action = \"off\" (it is \"score\")",
        "it would have been delivered with gate.tests.dnsbl.mode = \"shadow\" (it is \"enforce\")",
        "it would have been delivered if bert@example.net allowed ann@example.org",
        "it would have been delivered if gate.allow had 192.0.2.7",
        "it would have been refused with gate.reject = 7 or less (it is 10)",
        "it would have been refused with gate.tests.dnsbl.weight = 8 or more (it is 5)",
    ] {
        assert_says(&explanation, words);
    }
    let kinds: Vec<ActionKind> = explanation.alternatives.iter().map(|a| a.becomes).collect();
    assert!(kinds.is_sorted(), "milder ends first: {kinds:?}");
    let text = explanation.to_string();
    assert!(text.starts_with(
        "Quarantined because the score reached 5\nscore 7, quarantine from 5, refused from 10\n"
    ));
    assert!(text.contains("dnsbl            HIT      +5      Your address is listed by b.test"), "{text}");
    assert!(text.contains("[gate.tests.dnsbl]"), "{text}");
}

#[test]
fn the_lightest_finding_that_is_enough_comes_first() {
    // 2 + 4 + 0.25 points, quarantine from 5: without either of the heavier ones it is delivered.
    let mut policy = Policy::default();
    policy.tests[Test::Fcrdns].weight = points(25);
    let findings = vec![hit(Test::EarlyTalk), hit(Test::Rdns), hit(Test::Fcrdns)];
    let explanation = explained(&evidence(findings), &policy, &Profile::default());
    let turned = explanation.alternatives.iter().filter_map(|alternative| match &alternative.changes[..] {
        [Change::Finding(turned)] if alternative.becomes == ActionKind::Deliver => Some(turned.test),
        _ => None,
    });
    assert_eq!(turned.collect::<Vec<_>>(), [Test::Rdns, Test::EarlyTalk]);
}

#[test]
fn two_findings_where_no_single_one_is_enough() {
    let explanation = plain(vec![listed("a.test", 2), listed("b.test", 2), hit(Test::Rdns)]);
    // 12: refused. Without one list 7, quarantined; without both 2, delivered.
    assert_eq!(explanation.action, ActionKind::Refuse);
    assert_says(
        &explanation,
        "it would have been delivered if a.test did not list the address (dnsbl, which weighs 5) and b.test did \
         not list the address (dnsbl, which weighs 5)",
    );
    assert_says(
        &explanation,
        "it would have been quarantined if a.test did not list the address (dnsbl, which weighs 5)",
    );
    assert_says(&explanation, "it would have been quarantined with gate.reject above 12 (it is 10)");
}

#[test]
fn a_rule_that_refuses_by_itself() {
    let explanation = plain(vec![hit(Test::HeloOurs)]);
    assert_says(
        &explanation,
        "it would have been delivered if the HELO name were not ours (helo_ours, which refuses)",
    );
    assert_says(
        &explanation,
        "it would have been quarantined with gate.tests.helo_ours.action = \"quarantine\" (it is \"reject\")",
    );
    assert_says(
        &explanation,
        "it would have been delivered with gate.tests.helo_ours.action = \"score\" (it is \"reject\")",
    );
    assert_says(
        &explanation,
        "it would have been tagged if bert@example.net wished \"tag\" for mail that fails (it is \"reject\")",
    );
}

#[test]
fn the_one_answer_of_a_list_is_the_setting() {
    let mut policy = Policy::default();
    policy.thresholds.quarantine = None;
    let codes = [(Ipv4Addr::new(127, 0, 0, 4), points(1100))].into();
    let rule = Rule::new(RuleAction::Score, points(100));
    policy.zones.insert("b.test".into(), ZoneRule { rule, codes });
    let explanation = explained(&evidence(vec![listed("b.test", 4)]), &policy, &Profile::default());
    assert_says(
        &explanation,
        "it would have been delivered with gate.dnsbl.\"b.test\".codes.\"127.0.0.4\" = 9.99 or less (it is 11)",
    );
    assert!(
        !says(&explanation).iter().any(|words| words.contains("b.test\".weight")),
        "that weight did not count"
    );
}

#[test]
fn shadow_mode_can_be_ended() {
    let mut policy = Policy::default();
    policy.tests[Test::HeloOurs].mode = Mode::Shadow;
    let explanation = explained(&evidence(vec![hit(Test::HeloOurs)]), &policy, &Profile::default());
    assert_eq!(explanation.action, ActionKind::Deliver);
    assert_says(
        &explanation,
        "it would have been refused with gate.tests.helo_ours.mode = \"enforce\" (it is \"shadow\")",
    );
}

#[test]
fn the_recipients_own_lists() {
    let blocks = Profile { sender: Listed::Blocked { entry: "example.org".into() }, ..Profile::default() };
    let explanation = explained(&evidence(vec![]), &Policy::default(), &blocks);
    assert_says(&explanation, "it would have been delivered if bert@example.net did not block example.org");
    let allows = Profile { sender: Listed::Allowed { entry: "example.org".into() }, ..Profile::default() };
    let explanation = explained(&evidence(vec![hit(Test::HeloOurs)]), &Policy::default(), &allows);
    assert_says(&explanation, "it would have been refused if bert@example.net did not allow example.org");
    let explanation = explained(
        &evidence(vec![hit(Test::HeloOurs)]),
        &Policy::default(),
        &Profile { failed: Ceiling::Tag, ..Profile::default() },
    );
    assert!(explanation.to_string().contains("the recipient wishes \"tag\" for mail that fails"));
}

#[test]
fn delivered_mail_says_how_near_it_was() {
    let no_answer = Fact::NoAnswer { question: "b.test".into(), why: "no answer in time".into() };
    let seen = evidence(vec![
        Finding::new(Test::Dnsbl, Outcome::Unknown, no_answer),
        hit(Test::Rdns),
        Finding::new(Test::EarlyTalk, Outcome::Clear, Fact::Nothing),
    ]);
    let verdict = judge(&seen, &Policy::default(), &Profile::default(), Stage::Rcpt);
    let explanation = explain(&seen, &Policy::default(), &verdict);
    assert_eq!(explanation.action, ActionKind::Deliver);
    assert_says(
        &explanation,
        "it would have been quarantined with gate.tests.rdns.weight = 5 or more (it is 2)",
    );
    assert_says(&explanation, "it would have been quarantined with gate.quarantine = 2 or less (it is 5)");
    // What had no answer comes before what was clear.
    let first = explanation.alternatives.iter().find(|a| a.becomes == ActionKind::Quarantine).unwrap();
    assert!(
        matches!(
            &first.changes[..],
            [Change::Finding(Turned { test: Test::Dnsbl, from: Outcome::Unknown, .. })]
        ),
        "{first:?}"
    );
    assert_eq!(
        first.words,
        "it would have been quarantined if dnsbl for b.test had been answered and had been a hit (which weighs 5)"
    );
}

#[test]
fn a_threshold_that_would_stop_every_message_is_not_proposed() {
    let explanation = plain(vec![]);
    assert!(explanation.alternatives.iter().all(|a| !matches!(a.changes[0], Change::Threshold { .. })));
}

#[test]
fn much_evidence_costs_bounded_time() {
    let thresholds = postern_policy::Thresholds { quarantine: None, reject: Some(points(100)) };
    let policy = Policy { thresholds, ..Policy::default() };
    let findings = (0..2_000).map(|_| hit(Test::HeaderMissing)).collect();
    let seen = evidence(findings);
    let verdict = judge(&seen, &policy, &Profile::default(), Stage::Data);
    let explanation = explain(&seen, &policy, &verdict);
    // No two of them would have changed it; the weight they share would have.
    assert!(explanation.alternatives.iter().all(|a| !matches!(a.changes[0], Change::Finding(_))));
    assert!(explanation.alternatives.iter().any(|a| matches!(a.changes[0], Change::Weight { .. })));
}

#[test]
fn a_missing_field_has_its_name() {
    let missing = |field: &str| {
        Finding::new(Test::HeaderMissing, Outcome::Hit, Fact::FieldCount { field: field.into(), count: 0 })
    };
    let seen = evidence(vec![missing("Date"), hit(Test::EarlyTalk)]);
    let verdict = judge(&seen, &Policy::default(), &Profile::default(), Stage::Data);
    let explanation = explain(&seen, &Policy::default(), &verdict);
    assert_says(
        &explanation,
        "it would have been delivered if the header had a Date field (header_missing, which weighs 1)",
    );
    assert!(!explanation.to_string().contains("it would have been refused"), "{explanation}");
}
