//! The writer: what is reported is in the store, once, in time, and for those only whom it concerns.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

use std::net::IpAddr;

use postern_feedback::{Caught, Exempt, Feedback, Offence, Outcome, Report, Settings};
use postern_policy::{Evidence, Fact, Finding, Listed, Policy, Profile, Rdns, Stage, Test, Verdict, judge};
use postern_store::{ListKind, Options, Store, host_of};
use postern_types::{Network, Timestamp, TraceIds};

struct House {
    _folder: tempfile::TempDir,
    store: Store,
    feedback: Feedback,
    ids: TraceIds,
    exempt: Exempt,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("data"), Options::default()).unwrap();
        let exempt = Exempt::new([Network::parse("198.51.100.0/24").unwrap()].into_iter().collect());
        let (feedback, writer) = Feedback::new(exempt.clone());
        tokio::spawn(writer.run(store.clone(), Settings::default()));
        Self { _folder: folder, store, feedback, ids: TraceIds::new(1), exempt }
    }

    fn report(&self, ip: &str, outcome: Outcome) {
        self.feedback.report(Report {
            ip: ip.parse().unwrap(),
            trace: self.ids.next(Timestamp::now()),
            outcome,
            domains: 0,
            provider: false,
        });
    }

    fn strike(&self, ip: &str) {
        let caught = Caught { offence: Offence::Dialup, words: "a dial-up name".into() };
        self.report(ip, Outcome::Caught(caught));
    }

    async fn blocked(&self, ip: &str) -> bool {
        self.feedback.flush().await;
        let ip: IpAddr = ip.parse().unwrap();
        self.store.listed_networks(ListKind::Feedback, Timestamp::now()).await.unwrap().contains(ip)
    }
}

#[tokio::test]
async fn the_third_strike_blocks_with_its_evidence() {
    let house = House::new();
    for n in 0..3 {
        assert!(!house.blocked("192.0.2.1").await, "{n}");
        house.strike("192.0.2.1");
    }
    assert!(house.blocked("192.0.2.1").await);
    assert!(!house.blocked("192.0.2.2").await);
    let strikes = house.store.strikes(host_of("192.0.2.1".parse().unwrap())).await.unwrap();
    assert_eq!(strikes.len(), 3);
    assert_eq!((strikes[0].offence.as_str(), strikes[0].words.as_str()), ("dialup", "a dial-up name"));
    let entry =
        &house.store.listed_networks_of(ListKind::Feedback, "192.0.2.1".parse().unwrap()).await.unwrap()[0];
    assert_eq!(entry.reason, "the host has the name of a dial-up host and sent what failed: a dial-up name");
    assert!(strikes.iter().any(|strike| Some(strike.trace) == entry.trace));
}

#[tokio::test]
async fn the_host_of_an_ipv6_address_is_its_64() {
    let house = House::new();
    for n in 1..4 {
        house.strike(&format!("2001:db8::{n}"));
    }
    assert!(house.blocked("2001:db8::ffff").await);
    assert!(!house.blocked("2001:db8:0:1::1").await);
}

#[tokio::test]
async fn whom_the_operator_allows_is_never_blocked() {
    let house = House::new();
    for _ in 0..20 {
        house.strike("198.51.100.7");
        house.strike("192.0.2.1");
    }
    assert!(!house.blocked("198.51.100.7").await);
    assert!(house.blocked("192.0.2.1").await);
    house.exempt.set([Network::parse("203.0.113.0/24").unwrap()].into_iter().collect());
    for _ in 0..20 {
        house.strike("203.0.113.1");
    }
    assert!(!house.blocked("203.0.113.1").await, "also one who was allowed just now");
}

#[tokio::test]
async fn who_was_blocked_before_it_was_allowed_is_let_in() {
    let house = House::new();
    for ip in ["192.0.2.1", "192.0.2.9", "2001:db8::1"] {
        (0..3).for_each(|_| house.strike(ip));
        assert!(house.blocked(ip).await);
    }
    let listed = house.store.listed_networks(ListKind::Feedback, Timestamp::now()).await.unwrap();
    let allowed = ["192.0.2.0/29", "2001:db8::/32"].map(|network| Network::parse(network).unwrap());
    house.exempt.set(allowed.into_iter().collect());
    let left = house.exempt.spare(&listed);
    let turned_away = |ip: &str| left.contains(ip.parse().unwrap());
    assert!(!turned_away("192.0.2.1") && !turned_away("2001:db8::1") && turned_away("192.0.2.9"));
}

#[tokio::test]
async fn what_is_too_much_is_dropped_and_counted() {
    // Nobody reads the line.
    let (feedback, _writer) = Feedback::new(Exempt::default());
    let trace = TraceIds::new(1).next(Timestamp::now());
    let ip = "192.0.2.1".parse().unwrap();
    for _ in 0..5_000 {
        feedback.report(Report { ip, trace, outcome: Outcome::Clean, domains: 0, provider: false });
    }
    assert_eq!(feedback.dropped(), 5_000 - 4_096);
}

#[tokio::test]
async fn a_host_that_people_write_from_is_spared() {
    let house = House::new();
    for _ in 0..6 {
        house.report("192.0.2.1", Outcome::Clean);
    }
    house.feedback.flush().await;
    for _ in 0..4 {
        house.strike("192.0.2.1");
        assert!(!house.blocked("192.0.2.1").await);
    }
    for n in 0..3 {
        let domains = 1 << n;
        let (ip, trace) = ("192.0.2.2".parse().unwrap(), house.ids.next(Timestamp::now()));
        house.feedback.report(Report { ip, trace, outcome: Outcome::Clean, domains, provider: false });
    }
    house.feedback.flush().await;
    for _ in 0..4 {
        house.strike("192.0.2.2");
    }
    assert!(!house.blocked("192.0.2.2").await, "three domains send from it");
}

#[tokio::test]
async fn a_lifted_block_begins_anew() {
    let house = House::new();
    for _ in 0..3 {
        house.strike("192.0.2.1");
    }
    assert!(house.blocked("192.0.2.1").await);
    house.store.lift("192.0.2.1".parse().unwrap(), Timestamp::now()).await.unwrap();
    house.strike("192.0.2.1");
    assert!(!house.blocked("192.0.2.1").await, "no parole");
    house.strike("192.0.2.1");
    house.strike("192.0.2.1");
    assert!(house.blocked("192.0.2.1").await);
}

#[tokio::test]
async fn a_flood_of_reports_waits_for_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("data"), Options::default()).unwrap();
    let (feedback, writer) = Feedback::new(Exempt::default());
    let ids = TraceIds::new(1);
    let now = Timestamp::now();
    // Nobody reads yet.
    for n in 0..20_000_u32 {
        let outcome = Outcome::Caught(Caught { offence: Offence::Listed, words: String::new() });
        let ip = IpAddr::from((n | 0x0a00_0000).to_be_bytes());
        feedback.report(Report { ip, trace: ids.next(now), outcome, domains: 0, provider: false });
    }
    assert!(feedback.dropped() > 10_000);
    tokio::spawn(writer.run(store.clone(), Settings::default()));
    feedback.flush().await;
    assert!(store.host(host_of([10, 0, 0, 0].into())).await.unwrap().is_some());
}

fn evidence(tests: &[Test]) -> Evidence {
    let findings =
        tests.iter().map(|&test| Finding::new(test, postern_policy::Outcome::Hit, Fact::Nothing)).collect();
    Evidence { findings, ..Evidence::default() }
}

fn verdict(evidence: &Evidence, profile: &Profile) -> Verdict {
    judge(evidence, &Policy::default(), profile, Stage::Data)
}

#[test]
fn what_a_transaction_comes_to() {
    let trace = TraceIds::new(1).next(Timestamp::now());
    let of = |evidence: &Evidence, profile: &Profile| {
        let verdict = verdict(evidence, profile);
        let taken = verdict.refusal(trace).is_none();
        let (accepted, refused) = if taken { (vec![&verdict], vec![]) } else { (vec![], vec![&verdict]) };
        Report::of(trace, evidence, &accepted, &refused).map(|report| report.outcome)
    };
    let standard = Profile::default();
    assert_eq!(of(&evidence(&[]), &standard), Some(Outcome::Clean));
    assert_eq!(of(&evidence(&[Test::Rdns]), &standard), Some(Outcome::Clean));
    assert_eq!(of(&evidence(&[Test::Dialup]), &standard), None, "neither good nor bad");
    let bad = of(&evidence(&[Test::HeloOurs]), &standard);
    assert!(matches!(bad, Some(Outcome::Caught(Caught { offence: Offence::OurName, .. }))), "{bad:?}");
    let allowed = Profile { sender: Listed::Allowed { entry: "example.org".into() }, ..Profile::default() };
    assert_eq!(
        of(&evidence(&[Test::HeloOurs]), &allowed),
        None,
        "a friend's bad manners are nobody's business"
    );
    let mut ours = evidence(&[]);
    ours.client.trusted = true;
    assert_eq!(of(&ours, &standard), None);

    let mut provider = evidence(&[Test::HeloOurs]);
    provider.client.rdns = Rdns::Confirmed { name: "mail-f41.google.com".into() };
    let verdict = verdict(&provider, &standard);
    assert!(Report::of(trace, &provider, &[], &[&verdict]).unwrap().provider);
}
