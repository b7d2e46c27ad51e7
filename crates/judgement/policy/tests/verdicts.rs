//! Verdicts as a reader of a trace meets them: what came, what was decided, what it says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::net::Ipv4Addr;

use postern_policy::{
    Action, ActionKind, Ceiling, Decision, Evidence, Fact, Finding, Listed, Mode, Outcome, Points, Policy,
    Profile, Rule, RuleAction, Stage, Standing, Test, Verdict, ZoneRule, judge,
};
use postern_types::{ReversePath, TraceId};

fn hit(test: Test) -> Finding {
    Finding::new(test, Outcome::Hit, Fact::Nothing)
}

fn listed(zone: &str) -> Finding {
    let codes = vec![Ipv4Addr::new(127, 0, 0, 2)];
    Finding::new(Test::Dnsbl, Outcome::Hit, Fact::Dnsbl { zone: zone.into(), codes, meaning: "spam".into() })
}

fn evidence(findings: Vec<Finding>) -> Evidence {
    Evidence { sender: Some(ReversePath::parse("ann@example.org").unwrap()), findings, ..Evidence::default() }
}

fn at_rcpt(evidence: &Evidence, policy: &Policy) -> Verdict {
    judge(evidence, policy, &Profile::default(), Stage::Rcpt)
}

#[test]
fn clean_mail_is_delivered() {
    let verdict =
        at_rcpt(&evidence(vec![Finding::new(Test::Rdns, Outcome::Clear, Fact::Nothing)]), &Policy::default());
    assert_eq!(verdict.action, Action::Deliver);
    assert_eq!(verdict.decided_by, Decision::Nothing);
    assert!(verdict.reasons.is_empty());
}

#[test]
fn a_blocked_address_is_refused_at_connect_with_the_trace_id() {
    let verdict =
        judge(&evidence(vec![hit(Test::BlockList)]), &Policy::default(), &Profile::default(), Stage::Connect);
    let trace = TraceId::parse("0000000000001").unwrap();
    let refusal = verdict.refusal(trace).unwrap();
    assert_eq!(refusal.reply.to_string(), "554 5.7.1 Your address is blocked here (0000000000001)");
    assert!(refusal.closes);
}

#[test]
fn before_the_recipient_is_known_only_address_lists_refuse() {
    let findings = vec![listed("a.test"), listed("b.test"), hit(Test::EarlyTalk)];
    let mut policy = Policy::default();
    policy.tests[Test::EarlyTalk].action = RuleAction::Reject;
    for stage in [Stage::Connect, Stage::Helo, Stage::Mail] {
        let verdict = judge(&evidence(findings.clone()), &policy, &Profile::default(), stage);
        assert_eq!(verdict.action, Action::Deliver, "{stage:?}");
    }
    assert_eq!(at_rcpt(&evidence(findings), &policy).decided_by, Decision::Rule { test: Test::EarlyTalk });
}

#[test]
fn two_lists_together_reach_the_threshold_and_the_heaviest_speaks() {
    let mut policy = Policy::default();
    let rule = Rule::new(RuleAction::Score, Points::hundredths(650));
    policy.zones.insert("b.test".into(), ZoneRule { rule, codes: [].into() });
    let verdict = at_rcpt(&evidence(vec![listed("a.test"), listed("b.test")]), &policy);
    assert_eq!(verdict.score, Points::hundredths(1150));
    assert_eq!(verdict.decided_by, Decision::Score { threshold: Points::hundredths(1000) });
    let Action::Refuse(refused) = &verdict.action else { panic!("{verdict:?}") };
    assert_eq!((refused.code, refused.enhanced), (550, (5, 7, 1)));
    assert!(refused.text.contains("listed by b.test (127.0.0.2: spam)"), "{}", refused.text);
    assert_eq!(verdict.reasons[1].setting, "gate.dnsbl.\"b.test\"");
    assert_eq!(verdict.reasons[0].setting, "gate.tests.dnsbl");
}

#[test]
fn a_list_of_good_senders_weighs_against_the_others() {
    let mut policy = Policy::default();
    let rule = Rule::new(RuleAction::Score, Points::hundredths(-300));
    policy.zones.insert("good.test".into(), ZoneRule { rule, codes: [].into() });
    let verdict = at_rcpt(&evidence(vec![listed("bad.test"), listed("good.test")]), &policy);
    assert_eq!(verdict.score, Points::hundredths(200));
    assert_eq!(verdict.action, Action::Deliver);
}

#[test]
fn allowed_addresses_and_our_own_clients_pass_whatever_the_tests_say() {
    let findings = vec![hit(Test::AllowList), hit(Test::BlockList), hit(Test::HeloOurs)];
    let verdict = at_rcpt(&evidence(findings), &Policy::default());
    assert_eq!((verdict.action.kind(), verdict.decided_by), (ActionKind::Deliver, Decision::AllowList));
    assert!(verdict.reasons.iter().all(|reason| reason.standing == Standing::Exempt));

    let mut ours = evidence(vec![hit(Test::HeloOurs)]);
    ours.client.trusted = true;
    assert_eq!(at_rcpt(&ours, &Policy::default()).decided_by, Decision::Trusted);
}

#[test]
fn a_loop_stops_friends_too() {
    let mut looping = evidence(vec![hit(Test::AllowList), hit(Test::Hops)]);
    looping.client.trusted = true;
    let sender = Listed::Allowed { entry: "example.org".into() };
    let pass = Profile { failed: Ceiling::Pass, sender, ..Profile::default() };
    let verdict = judge(&looping, &Policy::default(), &pass, Stage::Data);
    assert_eq!(verdict.decided_by, Decision::Rule { test: Test::Hops });
    assert_eq!(verdict.action.kind(), ActionKind::Refuse);
}

#[test]
fn a_loop_is_refused_also_where_the_recipient_lets_other_things_pass() {
    let pass = Profile { failed: Ceiling::Tag, ..Profile::default() };
    let looping = evidence(vec![hit(Test::HeloOurs), hit(Test::Hops)]);
    let verdict = judge(&looping, &Policy::default(), &pass, Stage::Data);
    assert_eq!(verdict.decided_by, Decision::Rule { test: Test::Hops });
    assert_eq!(verdict.action.kind(), ActionKind::Refuse);
}

#[test]
fn the_null_sender_is_always_legal() {
    let mut bounce = evidence(vec![hit(Test::SenderDomain), hit(Test::SenderList)]);
    assert_eq!(at_rcpt(&bounce, &Policy::default()).action.kind(), ActionKind::Refuse);
    bounce.sender = Some(ReversePath::Null);
    assert_eq!(at_rcpt(&bounce, &Policy::default()).action, Action::Deliver);
}

#[test]
fn a_null_mx_has_its_own_code() {
    let fact = Fact::NullMx { domain: "nomail.test".into() };
    let verdict =
        at_rcpt(&evidence(vec![Finding::new(Test::SenderDomain, Outcome::Hit, fact)]), &Policy::default());
    let Action::Refuse(refused) = &verdict.action else { panic!("{verdict:?}") };
    assert_eq!((refused.code, refused.enhanced), (550, (5, 7, 27)));
    assert!(refused.text.starts_with("nomail.test says that it never receives mail"));
}

#[test]
fn the_recipients_profile_bounds_what_happens() {
    let bad = evidence(vec![hit(Test::HeloOurs)]);
    for (failed, kind) in [
        (Ceiling::Pass, ActionKind::Deliver),
        (Ceiling::Tag, ActionKind::Tag),
        (Ceiling::Quarantine, ActionKind::Quarantine),
        (Ceiling::Reject, ActionKind::Refuse),
    ] {
        let profile = Profile { failed, ..Profile::default() };
        assert_eq!(judge(&bad, &Policy::default(), &profile, Stage::Rcpt).action.kind(), kind);
    }
}

#[test]
fn the_recipients_own_lists_decide() {
    let allows = Profile { sender: Listed::Allowed { entry: "example.org".into() }, ..Profile::default() };
    let verdict = judge(&evidence(vec![hit(Test::HeloOurs)]), &Policy::default(), &allows, Stage::Rcpt);
    assert_eq!(verdict.decided_by, Decision::RecipientAllows { entry: "example.org".into() });
    assert_eq!(verdict.action, Action::Deliver);

    let blocks = Profile { sender: Listed::Blocked { entry: "example.org".into() }, ..Profile::default() };
    let verdict = judge(&evidence(vec![]), &Policy::default(), &blocks, Stage::Rcpt);
    let Action::Refuse(refused) = &verdict.action else { panic!("{verdict:?}") };
    assert_eq!(refused.cause, "the recipient blocks example.org");
    assert!(!refused.text.contains("example.org"), "the entry is nobody's business");
}

#[test]
fn shadow_rules_say_what_they_would_have_done() {
    let mut policy = Policy::default();
    policy.tests[Test::HeloOurs].mode = Mode::Shadow;
    let verdict = at_rcpt(&evidence(vec![hit(Test::HeloOurs)]), &policy);
    assert_eq!(verdict.action, Action::Deliver);
    assert_eq!(verdict.shadow, Some(ActionKind::Refuse));
    assert_eq!(verdict.reasons[0].standing, Standing::Shadow);
}

#[test]
fn what_a_client_said_cannot_break_the_reply() {
    let fact = Fact::NoMailHost { domain: format!("{{trace}}\r\n250 {}é", "x".repeat(600)) };
    let verdict =
        at_rcpt(&evidence(vec![Finding::new(Test::SenderDomain, Outcome::Hit, fact)]), &Policy::default());
    let refusal = verdict.refusal(TraceId::parse("0000000000001").unwrap()).unwrap();
    let mut wire = Vec::new();
    refusal.reply.encode(&mut wire);
    assert!(wire.is_ascii() && wire.len() < 512);
    assert_eq!(wire.iter().filter(|&&b| b == b'\n').count(), 1);
    assert_eq!(String::from_utf8(wire).unwrap().matches("0000000000001").count(), 1);
}

#[test]
fn evidence_of_other_versions_is_readable() {
    let old: Evidence = serde_json::from_str(r#"{"client":{"ip":"192.0.2.1"}}"#).unwrap();
    assert_eq!(old.client.ip.to_string(), "192.0.2.1");
    let newer: Evidence = serde_json::from_str(
        r#"{"client":{"ip":"192.0.2.1","mood":"bad"},"findings":[
            {"test":"newer","outcome":"hit","fact":{"kind":"pool","template":"x"}},
            {"test":"rdns","outcome":"hit"},
            {"test":"rdns","outcome":"maybe"}]}"#,
    )
    .unwrap();
    assert_eq!(newer.findings, [hit(Test::Rdns)]);
    let verdict: Verdict = serde_json::from_str(
        r#"{"decided_by":{"by":"rule","test":"newer"},"reasons":[{"test":"newer"}],"action":{"is":"quarantine"}}"#,
    )
    .unwrap();
    assert_eq!((verdict.action, verdict.decided_by), (Action::Quarantine, Decision::Nothing));
}
