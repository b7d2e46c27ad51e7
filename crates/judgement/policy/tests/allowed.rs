//! Senders that a recipient allows, and those who only say that they are.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

use postern_policy::{
    About, Action, ActionKind, Decision, Evidence, Fact, Finding, Listed, Outcome, Policy, Profile, Stage,
    Test, judge,
};
use postern_types::{Authenticity, ReversePath};

fn spf(result: Authenticity) -> Finding {
    let outcome = if result == Authenticity::Fail { Outcome::Hit } else { Outcome::Clear };
    let (domain, because) = ("friend.example".to_owned(), "-all".to_owned());
    Finding::new(
        Test::Spf,
        outcome,
        Fact::Spf { result, helo: false, domain, because, explanation: String::new() },
    )
}

fn dkim(domain: &str, result: Authenticity) -> Finding {
    let (domain, selector) = (domain.to_owned(), "s".to_owned());
    Finding::new(
        Test::Dkim,
        Outcome::Clear,
        Fact::Dkim { result, domain, selector, aligned: false, because: String::new() },
    )
}

fn dmarc(result: Authenticity, forwarder: &str) -> Finding {
    let fact = Fact::Dmarc {
        result,
        domain: "friend.example".into(),
        policy: "none".into(),
        because: "nothing aligned".into(),
        forwarder: forwarder.into(),
    };
    Finding::new(Test::Dmarc, Outcome::Clear, fact)
}

/// A host that gives our own name, and what is known of the sender besides.
fn evidence(findings: Vec<Finding>) -> Evidence {
    let mut all = vec![Finding::new(Test::HeloOurs, Outcome::Hit, Fact::Nothing)];
    all.extend(findings);
    Evidence {
        sender: Some(ReversePath::parse("carla@mail.friend.example").unwrap()),
        findings: all,
        ..Evidence::default()
    }
}

fn allows() -> Profile {
    Profile { sender: Listed::Allowed { entry: "friend.example".into() }, ..Profile::default() }
}

fn kind(findings: Vec<Finding>, stage: Stage) -> ActionKind {
    judge(&evidence(findings), &Policy::default(), &allows(), stage).action.kind()
}

#[test]
fn an_allowed_sender_comes_in_unless_it_is_shown_to_be_somebody_else() {
    use Authenticity::{Fail, Neutral, None, Pass, PermError, SoftFail, TempError};
    for result in [Pass, None, Neutral, TempError, PermError] {
        assert_eq!(
            kind(vec![spf(result)], Stage::Rcpt),
            ActionKind::Deliver,
            "{result}: it cannot be checked"
        );
    }
    for result in [Fail, SoftFail] {
        assert_eq!(kind(vec![spf(result)], Stage::Rcpt), ActionKind::Refuse, "{result}");
    }
}

#[test]
fn a_signature_makes_up_for_a_forwarder_once_it_is_known() {
    use Authenticity::{Fail, Pass};
    let forwarded = || vec![spf(Fail), dkim("friend.example", Pass)];
    assert_eq!(kind(forwarded(), Stage::Data), ActionKind::Deliver);
    assert_eq!(kind(forwarded(), Stage::Rcpt), ActionKind::Refuse, "nobody has seen it yet");
    assert_eq!(kind(vec![spf(Fail), dkim("friend.example", Fail)], Stage::Data), ActionKind::Refuse);
    assert_eq!(kind(vec![spf(Fail), dkim("notfriend.example", Pass)], Stage::Data), ActionKind::Refuse);
    assert_eq!(kind(vec![spf(Fail), dkim("e", Pass)], Stage::Data), ActionKind::Refuse);
}

#[test]
fn a_signature_of_a_domain_is_none_of_one_of_its_people() {
    use Authenticity::{Fail, Pass};
    // Whoever has an address there can have a message signed, and send it on under a friend's.
    let entry = "carla@mail.friend.example".into();
    let profile = Profile { sender: Listed::Allowed { entry }, ..Profile::default() };
    let replayed = evidence(vec![spf(Fail), dkim("friend.example", Pass)]);
    let verdict = judge(&replayed, &Policy::default(), &profile, Stage::Data);
    assert_eq!(verdict.action.kind(), ActionKind::Refuse);
    let hers = evidence(vec![spf(Pass), dkim("friend.example", Pass)]);
    assert_eq!(judge(&hers, &Policy::default(), &profile, Stage::Data).action.kind(), ActionKind::Deliver);
}

#[test]
fn an_author_that_is_forged_is_not_let_in_by_the_envelope() {
    use Authenticity::{Fail, None, Pass};
    assert_eq!(kind(vec![spf(None), dmarc(Fail, "")], Stage::Data), ActionKind::Refuse);
    assert_eq!(kind(vec![spf(None), dmarc(Fail, "list.example")], Stage::Data), ActionKind::Deliver);
    // A mailing list that is itself: its envelope is authentic, whoever the author is.
    assert_eq!(kind(vec![spf(Pass), dmarc(Fail, "")], Stage::Data), ActionKind::Deliver);
}

#[test]
fn the_verdict_says_why_the_entry_did_not_count() {
    let verdict = judge(&evidence(vec![spf(Authenticity::Fail)]), &Policy::default(), &allows(), Stage::Rcpt);
    assert_eq!(verdict.decided_by, Decision::Rule { test: Test::HeloOurs });
    let why = verdict.overruled.as_deref().unwrap();
    assert!(
        why.starts_with("the recipient allows friend.example, but the sender is not shown to be that: "),
        "{why}"
    );
    let Action::Refuse(refused) = &verdict.action else { panic!("{verdict:?}") };
    assert!(refused.cause.ends_with(why), "{}", refused.cause);
    let json = serde_json::to_string(&verdict).unwrap();
    assert_eq!(serde_json::from_str::<postern_policy::Verdict>(&json).unwrap(), verdict);
}

#[test]
fn a_host_cannot_be_forged() {
    let host = Profile {
        about: About::Host,
        sender: Listed::Allowed { entry: "192.0.2.1".into() },
        ..Profile::default()
    };
    let verdict = judge(&evidence(vec![spf(Authenticity::Fail)]), &Policy::default(), &host, Stage::Rcpt);
    assert_eq!(verdict.decided_by, Decision::RecipientAllows { entry: "192.0.2.1".into() });
    assert_eq!(verdict.overruled, None);
}
