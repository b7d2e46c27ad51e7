//! An answer that is on its way: who is asked to come back for it, and who is not.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use postern_policy::{
    Action, ActionKind, Ceiling, Decision, Evidence, Fact, Finding, Listed, Mode, Outcome, Points, Policy,
    Profile, RuleAction, Stage, Test, Verdict, could_change, judge,
};
use postern_types::ReversePath;

/// Something that speaks against the mail, worth so many hundredths; and the user test's answer pending.
fn evidence(weight: i32) -> (Evidence, Policy) {
    let mut policy = Policy::default();
    policy.tests[Test::Fcrdns].weight = Points::hundredths(weight);
    let pending = Fact::Pending { question: "whether ann@sender.test exists".into() };
    let findings = vec![
        Finding::new(Test::Fcrdns, Outcome::Hit, Fact::Nothing),
        Finding::new(Test::User, Outcome::Unknown, pending),
    ];
    let sender = Some(ReversePath::parse("ann@sender.test").unwrap());
    (Evidence { sender, findings, ..Evidence::default() }, policy)
}

fn asked(evidence: &Evidence, policy: &Policy, profile: &Profile) -> (Verdict, bool) {
    let verdict = judge(evidence, policy, profile, Stage::Rcpt);
    (verdict, could_change(evidence, policy, profile, Stage::Rcpt, Test::User))
}

fn is_awaited(verdict: &Verdict) -> bool {
    let refused = matches!(&verdict.action, Action::Refuse(refused) if refused.code == 451);
    assert_eq!(verdict.decided_by == Decision::Awaited { test: Test::User }, refused);
    refused
}

#[test]
fn only_who_is_in_doubt_is_asked_to_come_back() {
    // Four points for the user: five lead to quarantine, ten to a refusal.
    for (weight, doubtful) in [
        (0, false),
        (99, false),
        (100, true),
        (499, true),
        (500, false),
        (599, false),
        (600, true),
        (999, true),
        (1000, false),
    ] {
        let (evidence, policy) = evidence(weight);
        let (verdict, could_change) = asked(&evidence, &policy, &Profile::default());
        assert_eq!((is_awaited(&verdict), could_change), (doubtful, doubtful), "{weight}");
    }
}

#[test]
fn who_is_allowed_is_never_in_doubt() {
    let (evidence, policy) = evidence(200);
    let allows = |failed, sender| Profile { failed, sender, ..Profile::default() };
    for profile in [
        allows(Ceiling::Reject, Listed::Allowed { entry: "sender.test".into() }),
        allows(Ceiling::Pass, Listed::No),
    ] {
        let (verdict, could_change) = asked(&evidence, &policy, &profile);
        assert!(!is_awaited(&verdict) && !could_change, "{profile:?}");
        assert_eq!(verdict.action.kind(), ActionKind::Deliver);
    }
    let null = Evidence { sender: Some(ReversePath::Null), ..evidence.clone() };
    assert!(!is_awaited(&asked(&null, &policy, &Profile::default()).0), "the null sender is nobody's");
    for change in [
        |policy: &mut Policy| policy.tests[Test::User].action = RuleAction::Off,
        |policy: &mut Policy| policy.tests[Test::User].mode = Mode::Shadow,
        |policy: &mut Policy| policy.tests[Test::User].weight = Points::ZERO,
    ] {
        let mut policy = policy.clone();
        change(&mut policy);
        let (verdict, could_change) = asked(&evidence, &policy, &Profile::default());
        assert!(!is_awaited(&verdict) && !could_change);
    }
}

#[test]
fn a_message_that_is_here_is_judged_by_what_is_known() {
    let (evidence, policy) = evidence(200);
    let verdict = judge(&evidence, &policy, &Profile::default(), Stage::Data);
    assert_eq!((verdict.action, verdict.decided_by), (Action::Deliver, Decision::Nothing));
}

#[test]
fn the_reply_says_what_is_awaited() {
    let (evidence, policy) = evidence(200);
    let verdict = judge(&evidence, &policy, &Profile::default(), Stage::Rcpt);
    let trace = postern_types::TraceId::from_i64(77).unwrap();
    let refusal = verdict.refusal(trace).unwrap();
    assert_eq!(
        refusal.reply.to_string(),
        format!(
            "451 4.7.1 It is being found out whether ann@sender.test exists; try again in a few minutes ({trace})"
        )
    );
    let text = serde_json::to_string(&(&evidence, &verdict)).unwrap();
    assert_eq!(serde_json::from_str::<(Evidence, Verdict)>(&text).unwrap(), (evidence, verdict));
}
