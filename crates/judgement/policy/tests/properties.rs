//! What holds for every evidence and every policy.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::net::Ipv4Addr;

use postern_policy::{
    ActionKind, Ceiling, Change, Client, Evidence, Fact, Finding, Helo, Listed, Message, Mode, Outcome,
    Points, Policy, Profile, Rdns, Reach, RecipientVerdict, Record, RecordView, Rule, RuleAction, Stage,
    Standing, Test, Thresholds, Verdict, VerdictView, ZoneRule, differences, explain, judge,
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
    (failed, sender).prop_map(|(failed, sender)| Profile { failed, sender, ..Profile::default() })
}

/// The test whose setting this is; lists and header rules have their own.
fn test_of(setting: &str, end: &str) -> Option<Test> {
    Test::by_name(setting.strip_prefix("gate.tests.")?.strip_suffix(end)?)
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
        for alternative in &explanation.alternatives {
            prop_assert_ne!(alternative.becomes, verdict.action.kind());
            let (mut p2, mut r2) = (p.clone(), r.clone());
            match &alternative.changes[..] {
                [Change::Threshold { setting, to, .. }] if setting == "gate.reject" => p2.thresholds.reject = Some(*to),
                [Change::Threshold { to, .. }] => p2.thresholds.quarantine = Some(*to),
                [Change::Sender { to, .. }] => r2.sender = to.clone(),
                [Change::Failed { to, .. }] => r2.failed = *to,
                [Change::Weight { setting, to, .. }] => {
                    let Some(test) = test_of(setting, ".weight") else { continue };
                    p2.tests[test].weight = *to;
                }
                [Change::Action { setting, to, .. }] => {
                    let Some(test) = test_of(setting, ".action") else { continue };
                    p2.tests[test].action = *to;
                }
                [Change::Mode { setting, to, .. }] => {
                    let Some(test) = test_of(setting, ".mode") else { continue };
                    p2.tests[test].mode = *to;
                }
                _ => continue,
            }
            prop_assert_eq!(judge(&e, &p2, &r2, s).action.kind(), alternative.becomes, "{}", alternative);
        }
        prop_assert_eq!(explanation.lines.len(), e.findings.iter().filter(|f| f.test.stage() <= s).count());
    }

    #[test]
    fn the_order_of_findings_does_not_matter(e in evidence(), p in policy(), r in profile(), s in stage(),
                                             seed in prop::collection::vec(any::<u32>(), 12)) {
        let mut keyed: Vec<_> = e.findings.iter().cloned().zip(seed).collect();
        keyed.sort_by_key(|(_, key)| *key);
        let mut shuffled = e.clone();
        shuffled.findings = keyed.into_iter().map(|(finding, _)| finding).collect();
        let (one, other) = (judge(&e, &p, &r, s), judge(&shuffled, &p, &r, s));
        prop_assert_eq!(one.action.kind(), other.action.kind());
        prop_assert_eq!((one.score, one.shadow), (other.score, other.shadow));
    }

    #[test]
    fn a_milder_profile_never_makes_it_harder(e in evidence(), p in policy(), r in profile(), s in stage()) {
        let ceilings = [Ceiling::Pass, Ceiling::Tag, Ceiling::Quarantine, Ceiling::Reject];
        let kinds = ceilings.map(|failed| judge(&e, &p, &Profile { failed, ..r.clone() }, s).action.kind());
        prop_assert!(kinds.is_sorted(), "{:?}", kinds);
    }

    #[test]
    fn a_higher_threshold_never_makes_it_harder(e in evidence(), p in policy(), r in profile(), s in stage(),
                                                by in 0..500i32) {
        let raise = |threshold: Option<Points>| threshold.map(|t| t.plus(Points::hundredths(by)));
        let mut higher = p.clone();
        higher.thresholds.reject = raise(p.thresholds.reject);
        prop_assert!(judge(&e, &higher, &r, s).action.kind() <= judge(&e, &p, &r, s).action.kind());
        higher.thresholds.quarantine = raise(p.thresholds.quarantine);
        prop_assert!(judge(&e, &higher, &r, s).action.kind() <= judge(&e, &p, &r, s).action.kind());
    }

    #[test]
    fn a_later_stage_keeps_what_an_earlier_one_has_seen(e in evidence(), p in policy(), r in profile()) {
        let stages = [Stage::Connect, Stage::Helo, Stage::Mail, Stage::Rcpt, Stage::Data];
        let reasons = stages.map(|stage| judge(&e, &p, &r, stage).reasons.len());
        prop_assert!(reasons.is_sorted(), "{:?}", reasons);
    }

    #[test]
    fn allow_lists_exempt_from_all_but_loops(mut e in evidence(), p in policy(), r in profile(), t in test()) {
        let mut p = p;
        p.tests[Test::AllowList] = Rule::new(RuleAction::Score, Points::ZERO);
        e.findings = vec![
            Finding::new(Test::AllowList, Outcome::Hit, Fact::Nothing),
            Finding::new(t, Outcome::Hit, Fact::Nothing),
        ];
        let verdict = judge(&e, &p, &r, Stage::Data);
        let stops = p.tests[t].action == RuleAction::Reject && p.tests[t].mode == Mode::Enforce;
        if t.entry().reach == Reach::Everyone && stops {
            prop_assert_eq!(verdict.action.kind(), ActionKind::Refuse);
        } else if t.entry().reach != Reach::Everyone {
            prop_assert_eq!(verdict.action.kind(), ActionKind::Deliver);
        }
    }

    #[test]
    fn a_stored_record_gives_the_same_verdicts(e in evidence(), p in policy(), r in profile(), s in stage(),
                                               known in evidence()) {
        let judged = RecipientVerdict::new("a@b.test".into(), judge(&e, &p, &r, s), &e, &known);
        let record = Record { evidence: known, verdicts: vec![judged] };
        let stored: Record = serde_json::from_str(&json(&record)).unwrap();
        prop_assert_eq!(json(&stored), json(&record));
        let view = VerdictView::new("a@b.test".into(), &record.verdicts[0].verdict, &e, &record.evidence);
        let view = RecordView { evidence: &record.evidence, verdicts: vec![view] };
        prop_assert_eq!(view.to_json(), json(&record));
        let policy: Policy = serde_json::from_str(&json(&p)).unwrap();
        let again = stored.replay(&stored.verdicts[0], &policy);
        prop_assert_eq!(json(&again), json(&record.verdicts[0].verdict));
    }

    #[test]
    fn evidence_that_tells_the_same_is_judged_the_same(e in evidence(), p in policy(), r in profile(),
                                                       s in stage(), later in evidence()) {
        let mut more = e.clone();
        more.findings.extend(later.findings.into_iter().filter(|finding| finding.test.stage() > s));
        (more.helo, more.message) = (later.helo, later.message);
        prop_assert!(e.tells_the_same(&more, s));
        prop_assert_eq!(judge(&e, &p, &r, s), judge(&more, &p, &r, s));
    }

    #[test]
    fn settings_taken_over_one_by_one_make_the_other_policy(p in policy(), other in policy()) {
        let mut changed = p.clone();
        for part in differences(&p, &other) {
            part.take(&other, &mut changed);
        }
        prop_assert!(differences(&changed, &other).is_empty());
        changed.version.clone_from(&other.version);
        prop_assert_eq!(changed, other);
    }
}
