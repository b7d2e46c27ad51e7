//! What holds for every evidence and every policy.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::net::Ipv4Addr;

use postern_policy::{
    ActionKind, Ceiling, Client, Evidence, Fact, Finding, Helo, Listed, Message, Mode, Outcome, Points,
    Policy, Profile, Rdns, Rule, RuleAction, Stage, Standing, Test, Thresholds, Verdict, ZoneRule, explain,
    judge,
};
use postern_types::ReversePath;
use proptest::prelude::*;

fn test() -> impl Strategy<Value = Test> {
    prop::sample::select(Test::ALL)
}

fn stage() -> impl Strategy<Value = Stage> {
    prop::sample::select(vec![Stage::Connect, Stage::Helo, Stage::Mail, Stage::Rcpt, Stage::Data])
}

fn fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        Just(Fact::Nothing),
        ("[ab]", 2..4u8).prop_map(|(zone, code)| Fact::Dnsbl {
            zone,
            codes: vec![Ipv4Addr::new(127, 0, 0, code)],
            meaning: String::new()
        }),
        "[ab]".prop_map(|rule| Fact::HeaderMatch { rule, field: "Subject".into(), value: "é \"x\"".into() }),
        "\\PC{0,20}".prop_map(|domain| Fact::NullMx { domain }),
        ("\\PC{0,20}", "\\PC{0,20}").prop_map(|(question, why)| Fact::NoAnswer { question, why }),
        (0..200u32).prop_map(|count| Fact::Hops { count, limit: 50 }),
    ]
}

fn finding() -> impl Strategy<Value = Finding> {
    let outcome = prop::sample::select(vec![
        Outcome::Clear,
        Outcome::Hit,
        Outcome::Hit,
        Outcome::Unknown,
        Outcome::Skipped,
    ]);
    (test(), outcome, fact(), any::<u32>()).prop_map(|(test, outcome, fact, micros)| Finding {
        test,
        outcome,
        fact,
        micros,
    })
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let sender =
        prop::sample::select(vec![None, Some(ReversePath::Null), ReversePath::parse("a@b.test").ok()]);
    (sender, prop::collection::vec(finding(), 0..12), any::<bool>()).prop_map(|(sender, findings, known)| {
        Evidence {
            client: Client {
                ip: Ipv4Addr::new(192, 0, 2, 1).into(),
                rdns: if known { Rdns::Confirmed { name: "a.test".into() } } else { Rdns::Unknown },
                tls: known.then(|| "TLSv1.3".into()),
                trusted: false,
            },
            helo: known.then(|| Helo { name: "a.test".into(), extended: true }),
            sender,
            message: known.then_some(Message { header_size: 100, hops: 2 }),
            lists: "f00".into(),
            findings,
        }
    })
}

fn points() -> impl Strategy<Value = Points> {
    (-400..1200i32).prop_map(Points::hundredths)
}

fn rule() -> impl Strategy<Value = Rule> {
    let action = prop::sample::select(vec![
        RuleAction::Off,
        RuleAction::Score,
        RuleAction::Score,
        RuleAction::Score,
        RuleAction::Quarantine,
        RuleAction::Reject,
    ]);
    let mode = prop::sample::select(vec![Mode::Enforce, Mode::Enforce, Mode::Shadow]);
    (action, points(), mode).prop_map(|(action, weight, mode)| Rule { action, weight, mode })
}

fn policy() -> impl Strategy<Value = Policy> {
    let threshold = || prop::option::of((1..2000i32).prop_map(Points::hundredths));
    let code = (2..4u8).prop_map(|octet| Ipv4Addr::new(127, 0, 0, octet));
    let zone = (rule(), prop::collection::btree_map(code, points(), 0..2))
        .prop_map(|(rule, codes)| ZoneRule { rule, codes });
    (
        prop::collection::vec((test(), rule()), 0..8),
        (threshold(), threshold()),
        prop::collection::btree_map("[ab]", zone, 0..2),
        prop::collection::btree_map("[ab]", rule(), 0..2),
    )
        .prop_map(|(rules, (quarantine, reject), zones, header_rules)| {
            let mut policy = Policy {
                thresholds: Thresholds { quarantine, reject },
                zones,
                header_rules,
                ..Policy::default()
            };
            for (test, rule) in rules {
                policy.tests[test] = rule;
            }
            policy
        })
}

fn profile() -> impl Strategy<Value = Profile> {
    let failed =
        prop::sample::select(vec![Ceiling::Pass, Ceiling::Tag, Ceiling::Quarantine, Ceiling::Reject]);
    let sender = prop::sample::select(vec![
        Listed::No,
        Listed::No,
        Listed::Allowed { entry: "b.test".into() },
        Listed::Blocked { entry: "b.test".into() },
    ]);
    (failed, sender).prop_map(|(failed, sender)| Profile { failed, sender })
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap()
}

proptest! {

    #[test]
    fn the_same_evidence_gives_the_same_bytes(e in evidence(), p in policy(), r in profile(), s in stage()) {
        let first = json(&judge(&e, &p, &r, s));
        // Also when everything was stored and read in between.
        let e2: Evidence = serde_json::from_str(&json(&e)).unwrap();
        let p2: Policy = serde_json::from_str(&json(&p)).unwrap();
        let r2: Profile = serde_json::from_str(&json(&r)).unwrap();
        prop_assert_eq!(&e2, &e);
        prop_assert_eq!(&p2, &p);
        prop_assert_eq!(json(&judge(&e2, &p2, &r2, s)), first);
    }

    #[test]
    fn verdicts_round_trip(e in evidence(), p in policy(), r in profile(), s in stage()) {
        let verdict = judge(&e, &p, &r, s);
        prop_assert_eq!(serde_json::from_str::<Verdict>(&json(&verdict)).unwrap(), verdict);
    }

    #[test]
    fn raising_a_weight_never_lowers_a_score(e in evidence(), p in policy(), r in profile(), s in stage(),
                                             t in test(), by in 0..500i32) {
        let mut raised = p.clone();
        raised.tests[t].weight = p.tests[t].weight.plus(Points::hundredths(by));
        let (before, after) = (judge(&e, &p, &r, s), judge(&e, &raised, &r, s));
        prop_assert!(after.score >= before.score);
        prop_assert!(after.action.kind() >= before.action.kind());
    }

    #[test]
    fn one_more_hit_never_helps(e in evidence(), p in policy(), r in profile(), s in stage(), more in finding()) {
        // Unless it is a sign of trust, or its weight is below zero.
        prop_assume!(more.test != Test::AllowList);
        prop_assume!(p.rule(&more).weight >= Points::ZERO);
        let before = judge(&e, &p, &r, s).action.kind();
        let mut worse = e.clone();
        worse.findings.push(Finding { outcome: Outcome::Hit, ..more });
        prop_assert!(judge(&worse, &p, &r, s).action.kind() >= before);
    }

    #[test]
    fn shadow_rules_change_nothing(e in evidence(), p in policy(), r in profile(), s in stage(), t in test()) {
        let mut shadow = p.clone();
        shadow.tests[t].mode = Mode::Shadow;
        let mut off = p;
        off.tests[t].action = RuleAction::Off;
        let (shadow, off) = (judge(&e, &shadow, &r, s), judge(&e, &off, &r, s));
        prop_assert_eq!(shadow.action, off.action);
        prop_assert_eq!(shadow.score, off.score);
    }

    #[test]
    fn what_is_unknown_adds_nothing(e in evidence(), p in policy(), r in profile(), s in stage(), more in finding(),
                                    at in any::<prop::sample::Index>()) {
        for outcome in [Outcome::Unknown, Outcome::Skipped, Outcome::Clear] {
            let mut longer = e.clone();
            longer.findings.insert(at.index(e.findings.len() + 1), Finding { outcome, ..more.clone() });
            prop_assert_eq!(judge(&longer, &p, &r, s), judge(&e, &p, &r, s));
        }
    }

    #[test]
    fn the_allow_listed_are_delivered(mut e in evidence(), mut p in policy(), r in profile(), s in stage()) {
        p.tests[Test::AllowList] = Rule::new(RuleAction::Score, Points::ZERO);
        e.findings.retain(|finding| finding.test != Test::Hops);
        e.findings.push(Finding::new(Test::AllowList, Outcome::Hit, Fact::Nothing));
        let verdict = judge(&e, &p, &r, s);
        prop_assert_eq!(verdict.action.kind(), ActionKind::Deliver);
        prop_assert_eq!(verdict.score, Points::ZERO);
    }

    #[test]
    fn the_score_is_the_sum_of_its_reasons(e in evidence(), p in policy(), r in profile(), s in stage()) {
        let verdict = judge(&e, &p, &r, s);
        let sum = verdict.reasons.iter().fold(Points::ZERO, |sum, reason| sum.plus(reason.contribution));
        prop_assert_eq!(verdict.score, sum);
        for reason in &verdict.reasons {
            prop_assert!(reason.standing == Standing::Counted || reason.contribution == Points::ZERO);
        }
    }

    #[test]
    fn every_alternative_is_true(e in evidence(), p in policy(), r in profile(), s in stage()) {
        let verdict = judge(&e, &p, &r, s);
        let explanation = explain(&e, &p, &verdict);
        prop_assert!(explanation.alternatives.iter().all(|a| a.becomes != verdict.action.kind()));
        prop_assert_eq!(explanation.lines.len(), e.findings.iter().filter(|f| f.test.stage() <= s).count());
    }
}
