//! Every row of the table of tests and every kind of fact, found by themselves: what is added comes along.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

use postern_policy::{
    ActionKind, Evidence, Fact, Finding, Listed, Mode, Outcome, Points, Policy, Profile, Reach, Rule,
    RuleAction, Stage, Test, explain, judge,
};
use postern_types::{ReversePath, TraceId};
use serde_json::{Map, Value, json};

/// One fact of each kind. The names of kinds, fields and choices are taken from what the reader of JSON complains of.
fn facts() -> Vec<Fact> {
    let error = serde_json::from_value::<Fact>(json!({ "kind": "?" })).unwrap_err().to_string();
    let kinds = quoted(&error);
    assert!(kinds.len() > 10, "{error}");
    kinds[1..].iter().map(|kind| sample(kind)).collect()
}

/// The words in backquotes.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// A fact of that kind: fields are added as they are missed, and filled with what is accepted.
fn sample(kind: &str) -> Fact {
    let values = [
        json!("text"),
        json!(7),
        json!(true),
        json!([]),
        json!("192.0.2.7"),
        json!("example.org"),
        json!("ann@example.org"),
        json!({}),
    ];
    let mut fact = Map::from_iter([("kind".to_owned(), json!(kind))]);
    let mut last: Option<(String, usize)> = None;
    for _ in 0..200 {
        let error = match serde_json::from_value::<Fact>(Value::Object(fact.clone())) {
            Ok(fact) => return fact,
            Err(error) => error.to_string(),
        };
        if error.starts_with("missing field") {
            let field = quoted(&error).remove(0);
            fact.insert(field.clone(), values[0].clone());
            last = Some((field, 0));
            continue;
        }
        let (field, at) = last.clone().unwrap_or_else(|| panic!("{kind}: {error}"));
        let next = if error.starts_with("unknown variant") && at == 0 {
            json!(quoted(&error)[1])
        } else {
            values.get(at + 1).unwrap_or_else(|| panic!("{kind}.{field}: {error}")).clone()
        };
        fact.insert(field.clone(), next);
        last = Some((field, at + 1));
    }
    panic!("no sample of {kind}");
}

fn seen(test: Test, fact: Fact) -> Evidence {
    let findings = vec![Finding::new(test, Outcome::Hit, fact)];
    Evidence { sender: Some(ReversePath::parse("ann@example.org").unwrap()), findings, ..Evidence::default() }
}

#[test]
fn every_fact_comes_back_from_json_and_speaks() {
    for fact in facts() {
        let text = serde_json::to_string(&fact).unwrap();
        assert_eq!(serde_json::from_str::<Fact>(&text).unwrap(), fact, "{text}");
        let finding = Finding::new(Test::Rdns, Outcome::Hit, fact);
        assert!(!finding.words().is_empty(), "{text}");
        let finding: Finding = serde_json::from_str(&serde_json::to_string(&finding).unwrap()).unwrap();
        assert_eq!(serde_json::to_string(&finding.fact).unwrap(), text);
    }
}

#[test]
fn every_test_comes_back_from_json() {
    for &test in Test::ALL {
        let text = serde_json::to_string(&test).unwrap();
        assert_eq!(text, format!("\"{}\"", test.name()));
        assert_eq!(serde_json::from_str::<Test>(&text).unwrap(), test);
    }
    let rules = serde_json::to_value(Policy::default()).unwrap()["tests"].clone();
    assert_eq!(rules.as_object().unwrap().len(), Test::ALL.len());
}

#[test]
fn every_test_with_every_fact_is_judged_and_explained() {
    let trace = TraceId::parse("0000000000001").unwrap();
    for &test in Test::ALL {
        for fact in facts() {
            let evidence = seen(test, fact);
            let mut policy = Policy::default();
            policy.tests[test] = Rule::new(RuleAction::Reject, Points::ZERO);
            let verdict = judge(&evidence, &policy, &Profile::default(), Stage::Data);
            if test == Test::AllowList {
                assert_eq!(verdict.action.kind(), ActionKind::Deliver);
                continue;
            }
            let refusal = verdict.refusal(trace).unwrap_or_else(|| panic!("{test}: {verdict:?}"));
            let mut wire = Vec::new();
            refusal.reply.encode(&mut wire);
            let line = String::from_utf8(wire).unwrap();
            assert!(line.len() <= 512 && line.is_ascii() && line.contains("(0000000000001)"), "{line}");
            let explanation = explain(&evidence, &policy, &verdict);
            let delivered = explanation.alternatives.iter().find(|a| a.becomes == ActionKind::Deliver);
            let words = &delivered.unwrap_or_else(|| panic!("{test}: {explanation}")).words;
            assert!(words.contains(test.name()) && !words.contains('{'), "{words}");
        }
    }
}

#[test]
fn every_test_obeys_its_settings() {
    for &test in Test::ALL.iter().filter(|&&test| test != Test::AllowList) {
        let evidence = seen(test, Fact::Nothing);
        let kind = |action, mode, profile: &Profile| {
            let mut policy = Policy::default();
            policy.tests[test] = Rule { action, weight: Points::hundredths(100), mode };
            let verdict = judge(&evidence, &policy, profile, Stage::Data);
            (verdict.action.kind(), verdict.score.as_hundredths())
        };
        let anybody = Profile::default();
        let friend =
            Profile { sender: Listed::Allowed { entry: "example.org".into() }, ..Profile::default() };
        assert_eq!(kind(RuleAction::Off, Mode::Enforce, &anybody), (ActionKind::Deliver, 0), "{test}");
        assert_eq!(kind(RuleAction::Score, Mode::Enforce, &anybody), (ActionKind::Deliver, 100), "{test}");
        assert_eq!(kind(RuleAction::Quarantine, Mode::Enforce, &anybody).0, ActionKind::Quarantine, "{test}");
        assert_eq!(kind(RuleAction::Reject, Mode::Enforce, &anybody).0, ActionKind::Refuse, "{test}");
        assert_eq!(kind(RuleAction::Reject, Mode::Shadow, &anybody), (ActionKind::Deliver, 0), "{test}");
        let friends = kind(RuleAction::Reject, Mode::Enforce, &friend).0;
        if test.entry().reach == Reach::Everyone {
            assert_eq!(friends, ActionKind::Refuse, "{test}");
        }
    }
}

#[test]
fn what_is_not_a_hit_never_counts() {
    for &test in Test::ALL {
        for outcome in [Outcome::Clear, Outcome::Unknown, Outcome::Skipped] {
            let mut evidence = seen(test, Fact::Nothing);
            evidence.findings[0].outcome = outcome;
            let mut policy = Policy::default();
            policy.tests[test] = Rule::new(RuleAction::Reject, Points::hundredths(1000));
            let verdict = judge(&evidence, &policy, &Profile::default(), Stage::Data);
            assert_eq!((verdict.action.kind(), verdict.score), (ActionKind::Deliver, Points::ZERO), "{test}");
        }
    }
}
