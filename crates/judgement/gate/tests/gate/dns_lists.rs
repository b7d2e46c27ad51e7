//! DNS lists: listed, not listed, wrong, silent, mad.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures_util::FutureExt;
use postern_gate::{Code, Gate, GateError, Settings, ZoneState};
use postern_policy::{Fact, Outcome, Policy, Profile, Stage, Test, judge};
use postern_testnet::{Fault, Zone};
use postern_types::Network;

use crate::world::{World, dnsbl, fact, outcome, stranger};

const GUILTY: &str = "203.0.113.9";

fn one_list() -> Settings {
    Settings { dnsbl: vec![dnsbl("bl.test")], ..Settings::default() }
}

async fn world() -> World {
    let world = World::new().await;
    world.server.add(Zone::dnsbl("bl.test", [GUILTY.parse().unwrap(), "2001:db8::bad".parse().unwrap()]));
    world
}

fn state(gate: &Gate) -> ZoneState {
    gate.zones()[0].state.clone()
}

fn why_off(gate: &Gate) -> String {
    match state(gate) {
        ZoneState::Off { why } => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_listed_host_is_found_and_the_others_are_not() {
    let world = world().await;
    let gate = world.gate(one_list()).await;
    for (ip, expected) in [
        (GUILTY, Outcome::Hit),
        ("203.0.113.10", Outcome::Clear),
        ("2001:db8::bad", Outcome::Hit),
        ("2001:db8::600d", Outcome::Clear),
    ] {
        let mut session = stranger(&gate, ip);
        let evidence = session.evidence(Stage::Connect).await;
        assert_eq!(outcome(evidence, Test::Dnsbl), expected, "{ip}");
    }
    let mut session = stranger(&gate, GUILTY);
    let codes = vec![Ipv4Addr::new(127, 0, 0, 2)];
    let expected = Fact::Dnsbl { zone: "bl.test".into(), codes, meaning: String::new() };
    assert_eq!(fact(session.evidence(Stage::Connect).await, Test::Dnsbl), expected);
    let report = &gate.zones()[0];
    assert_eq!((report.asked, report.listed, report.errors), (5, 3, 0));
}

#[tokio::test]
async fn only_the_answers_asked_for_count() {
    let world = world().await;
    let policy_list = Ipv4Addr::new(127, 0, 0, 10);
    world.server.add(Zone::new("bl.test").listed_as(IpAddr::from([203, 0, 113, 50]), policy_list));
    let codes =
        vec![Code { answers: Network::parse("127.0.0.2/31").unwrap(), meaning: "spam source".into() }];
    let list = postern_gate::Dnsbl { codes, ..dnsbl("bl.test") };
    let gate = world.gate(Settings { dnsbl: vec![list], ..Settings::default() }).await;
    let mut session = stranger(&gate, "203.0.113.50");
    assert_eq!(outcome(session.evidence(Stage::Connect).await, Test::Dnsbl), Outcome::Clear);
    let mut session = stranger(&gate, GUILTY);
    let words = fact(session.evidence(Stage::Connect).await, Test::Dnsbl).to_string();
    assert_eq!(words, "Your address is listed by bl.test (127.0.0.2: spam source)");
}

#[tokio::test]
async fn servfail_is_unknown_and_counts_against_nobody() {
    let world = world().await;
    let gate = world.gate(one_list()).await;
    world.server.fault("9.113.0.203.bl.test", Fault::ServFail);
    let mut session = stranger(&gate, GUILTY);
    let evidence = session.evidence(Stage::Rcpt).await;
    assert_eq!(outcome(evidence, Test::Dnsbl), Outcome::Unknown);
    let verdict = judge(evidence, &Policy::default(), &Profile::default(), Stage::Rcpt);
    assert!(verdict.reasons.iter().all(|reason| reason.test != Test::Dnsbl));
    assert_eq!(gate.zones()[0].errors, 1);
}

#[tokio::test]
async fn error_codes_and_strange_answers_are_unknown() {
    let world = world().await;
    let gate = world.gate(one_list()).await;
    for (last, answer) in [(1, [127, 255, 255, 254]), (2, [127, 0, 0, 1]), (3, [198, 51, 100, 1])] {
        let ip = IpAddr::from([203, 0, 113, last]);
        world.server.add(Zone::new("bl.test").listed_as(ip, answer.into()));
        let mut session = stranger(&gate, &ip.to_string());
        assert_eq!(
            outcome(session.evidence(Stage::Connect).await, Test::Dnsbl),
            Outcome::Unknown,
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_silent_list_holds_nobody_longer_than_the_deadline() {
    let world = world().await;
    let gate = world.gate(one_list()).await;
    // The list keeps its health; only the sessions that follow are in a hurry.
    gate.reload(Settings { deadline: Duration::from_millis(200), ..one_list() }).await.unwrap();
    assert_eq!(state(&gate), ZoneState::Healthy);
    world.server.fault("113.0.203.bl.test", Fault::Silent);
    world.server.fault("in-addr.arpa", Fault::Silent);
    let mut session = stranger(&gate, GUILTY);
    // Without the gate's own deadline it would be the minute that the DNS takes.
    let waited = tokio::time::timeout(Duration::from_secs(30), session.evidence(Stage::Rcpt)).await;
    let evidence = waited.unwrap();
    assert_eq!(outcome(evidence, Test::Dnsbl), Outcome::Unknown);
    assert_eq!(outcome(evidence, Test::Rdns), Outcome::Unknown);
    assert_eq!(outcome(evidence, Test::Fcrdns), Outcome::Unknown);
}

#[tokio::test]
async fn a_list_that_answers_everything_is_switched_off() {
    let world = World::new().await;
    world.server.add(Zone::new("bl.test").a("*", Ipv4Addr::new(127, 0, 0, 2)));
    let gate = world.gate(one_list()).await;
    assert!(why_off(&gate).starts_with("it lists everything"), "{}", why_off(&gate));
    let mut session = stranger(&gate, GUILTY);
    let evidence = session.evidence(Stage::Rcpt).await;
    assert_eq!(outcome(evidence, Test::Dnsbl), Outcome::Skipped);
    assert!(
        fact(evidence, Test::Dnsbl).to_string().starts_with("bl.test is switched off: it lists everything")
    );
    assert!(world.events.open_metrics().contains("postern_dnsbl_up{name=\"bl.test\"} 0"));
}

#[tokio::test]
async fn a_list_that_begins_to_answer_everything_is_found_out_whatever_is_cached() {
    let world = world().await;
    let gate = world.gate(one_list()).await;
    assert_eq!(state(&gate), ZoneState::Healthy);
    world.server.add(Zone::new("bl.test").a("*", Ipv4Addr::new(127, 0, 0, 2)));
    gate.check_zones().await;
    assert!(why_off(&gate).starts_with("it lists everything"));
}

#[tokio::test]
async fn a_list_without_its_test_entry_is_off_unless_it_is_said_to_have_none() {
    let world = World::new().await;
    world.server.add(Zone::new("bl.test"));
    let gate = world.gate(one_list()).await;
    assert_eq!(why_off(&gate), "its test entry 127.0.0.2 is not listed");
    let list = postern_gate::Dnsbl { check: postern_gate::DnsblCheck::Believed, ..dnsbl("bl.test") };
    gate.reload(Settings { dnsbl: vec![list], ..Settings::default() }).await.unwrap();
    assert_eq!(state(&gate), ZoneState::Healthy);
}

#[tokio::test]
async fn a_broken_list_is_switched_off_and_comes_back() {
    let world = world().await;
    world.server.fault("bl.test", Fault::ServFail);
    let gate = world.gate(one_list()).await;
    assert_eq!(why_off(&gate), "the server answered SERVFAIL");
    assert!(world.events.open_metrics().contains("postern_dnsbl_up{name=\"bl.test\"} 0"));

    world.server.heal("bl.test");
    gate.check_zones().await;
    assert_eq!(state(&gate), ZoneState::Healthy);
    assert!(world.events.open_metrics().contains("postern_dnsbl_up{name=\"bl.test\"} 1"));
    let mut session = stranger(&gate, GUILTY);
    assert_eq!(outcome(session.evidence(Stage::Connect).await, Test::Dnsbl), Outcome::Hit);
}

#[tokio::test]
async fn a_list_that_was_not_checked_is_not_asked() {
    let world = world().await;
    let gate = Gate::new(one_list(), world.dns.clone(), world.events.clone()).unwrap();
    // The watch task has not run yet: this thread has the runtime.
    let mut session = stranger(&gate, GUILTY);
    assert_eq!(state(&gate), ZoneState::Unchecked);
    assert_eq!(outcome(session.evidence(Stage::Connect).await, Test::Dnsbl), Outcome::Skipped);
}

#[tokio::test]
async fn the_gate_checks_its_lists_by_itself() {
    let world = world().await;
    let gate = Gate::new(one_list(), world.dns.clone(), world.events.clone()).unwrap();
    while state(&gate) == ZoneState::Unchecked {
        tokio::task::yield_now().await;
    }
    assert_eq!(state(&gate), ZoneState::Healthy);
    assert!(gate.zones()[0].checked.is_some());
}

#[tokio::test]
async fn lists_are_asked_at_the_same_time_and_reported_in_their_order() {
    let world = world().await;
    let zones = ["b.test", "c.test", "a.test"];
    for zone in zones {
        world.server.add(Zone::dnsbl(zone, [GUILTY.parse().unwrap()]));
    }
    let gate = world.gate(Settings { dnsbl: zones.map(dnsbl).into(), ..Settings::default() }).await;
    world.server.fault("9.113.0.203.b.test", Fault::Late(Duration::from_millis(50)));
    let mut session = stranger(&gate, GUILTY);
    let evidence = session.evidence(Stage::Connect).await;
    let found: Vec<_> = evidence.of(Test::Dnsbl).filter_map(|finding| finding.fact.label()).collect();
    assert_eq!(found, zones);
}

#[tokio::test]
async fn answers_that_are_cached_need_no_waiting() {
    let world = world().await;
    world
        .server
        .add(Zone::new("client.test").a("@", [203, 0, 113, 9].into()).ptr(GUILTY.parse().unwrap(), "@"));
    world.server.add(Zone::new("sender.test").mx(10, "@"));
    let gate = world.gate(one_list()).await;
    let session = || {
        let mut session = stranger(&gate, GUILTY);
        session.helo(crate::world::helo("client.test"));
        session.mail(&crate::world::sender("ann@sender.test"));
        session
    };
    assert!(session().evidence(Stage::Rcpt).now_or_never().is_none(), "the first has to wait");
    let first = session().evidence(Stage::Rcpt).await.clone();
    let mut again = session();
    let known = again.evidence(Stage::Rcpt).now_or_never().cloned();
    let outcomes = |evidence: &postern_policy::Evidence| {
        evidence.findings.iter().map(|finding| (finding.test, finding.outcome)).collect::<Vec<_>>()
    };
    assert_eq!(known.as_ref().map(outcomes), Some(outcomes(&first)));
}

#[tokio::test]
async fn a_zone_that_leaves_no_room_is_refused() {
    let world = World::new().await;
    let long = format!("{0}.{0}.{0}.test", "a".repeat(62));
    let settings = Settings { dnsbl: vec![dnsbl(&long)], ..Settings::default() };
    let error = Gate::new(settings, world.dns.clone(), world.events.clone()).unwrap_err();
    assert!(matches!(error, GateError::Zone { .. }), "{error}");
}
