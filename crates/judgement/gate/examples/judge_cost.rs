//! What the gate costs: `cargo run --release -p postern-gate --example judge_cost`.
//!
//! A DNS server of the test internet answers once; afterwards everything is in the cache. Prints
//! nanoseconds on one thread: the fastest of many short rounds, so that other work on the machine
//! does not count.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that cannot go on says so")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use postern_dns::{Dns, Servers};
use postern_events::Events;
use postern_gate::{Dnsbl, Gate, HeaderRule, HeaderTest, NetworkList, Settings, Trust};
use postern_policy::{Evidence, Helo, Policy, Profile, Stage, judge};
use postern_testnet::{DnsServer, Zone};
use postern_types::{Address, Domain, Network, ReversePath};

const CLIENT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const HEADER: &[u8] =
    b"Received: from mail.client.test (mail.client.test [203.0.113.9])\r\n\tby mx.ours.test\r\n\
From: Ann <ann@client.test>\r\nTo: bob@ours.test\r\nDate: Sun, 22 Nov 2026 05:59:00 +0000\r\n\
Message-ID: <1@client.test>\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\nMIME-Version: 1.0\r\n\
Content-Type: text/plain; charset=utf-8\r\n\r\n";

const ROUNDS: u32 = 2_000;

/// Prints what one run of `work` takes.
fn measure<T>(what: &str, runs: u32, mut work: impl FnMut(u32) -> T) {
    let mut fastest = u128::MAX;
    for round in 0..ROUNDS {
        let began = Instant::now();
        for n in 0..runs {
            black_box(work(round * runs + n));
        }
        fastest = fastest.min(began.elapsed().as_nanos());
    }
    println!("{what:<58} {:>8} ns", fastest / u128::from(runs));
}

fn spread(n: u32) -> Ipv4Addr {
    Ipv4Addr::from(n.wrapping_mul(2_654_435_761))
}

fn rule(name: &str, field: &str, test: HeaderTest) -> HeaderRule {
    HeaderRule { name: name.into(), field: field.into(), test }
}

fn settings() -> Settings {
    let zones = ["a.test", "b.test", "c.test"];
    Settings {
        dnsbl: zones.iter().map(|zone| Dnsbl::new(Domain::parse(zone).unwrap())).collect(),
        block: vec![NetworkList {
            name: "million".into(),
            entries: (0..1_000_000).map(|n| Network::single(spread(n).into())).collect(),
            file: None,
        }],
        header_rules: vec![
            rule("pills", "Subject", HeaderTest::Contains("cheap pills".into())),
            rule("digits", "Subject", HeaderTest::Regex(r"\d{6,}".into())),
        ],
        ..Settings::default()
    }
}

/// One session with one message; with warm caches it never waits.
async fn session(gate: &Gate, helo: &Helo, sender: &ReversePath, recipient: &Address) -> Evidence {
    let mut collector = gate.begin(IpAddr::V4(CLIENT), Trust::Stranger);
    collector.helo(helo.clone());
    collector.mail(sender);
    collector.headers(HEADER, &[recipient]);
    collector.evidence(Stage::Data).await.clone()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let server = DnsServer::start().await.unwrap();
    server.add(Zone::new("mail.client.test").a("@", CLIENT).ptr(CLIENT.into(), "@"));
    server.add(Zone::new("client.test").mx(10, "mail"));
    server.add(Zone::dnsbl("a.test", [CLIENT.into()]));
    server.add(Zone::dnsbl("b.test", []));
    server.add(Zone::dnsbl("c.test", []));
    let servers = Servers::List(vec![server.address()]);
    let dns = Dns::new(postern_dns::Settings { servers, ..postern_dns::Settings::default() }).unwrap();
    let began = Instant::now();
    let gate = Gate::new(settings(), dns, Events::new()).unwrap();
    println!("{:<58} {:>8} ms", "a million addresses made ready", began.elapsed().as_millis());
    gate.check_zones().await;

    let helo = Helo { name: "mail.client.test".into(), extended: true };
    let sender = ReversePath::parse("ann@client.test").unwrap();
    let recipient = Address::parse("bob@ours.test").unwrap();
    let evidence = session(&gate, &helo, &sender, &recipient).await;
    let (policy, profile) = (Policy::default(), Profile::default());

    measure("fast(): an address of a million, listed", 1_000, |n| gate.fast(spread(n % 1_000_000).into()));
    measure("fast(): not listed", 1_000, |n| gate.fast(spread(n + 1_000_000).into()));
    measure("door() and judge() of a blocked address", 200, |n| {
        judge(&gate.door(spread(n % 1_000_000).into()), &policy, &profile, Stage::Connect)
    });
    measure("judge(): one hit among the findings", 200, |_| judge(&evidence, &policy, &profile, Stage::Data));
    let json = serde_json::to_string(&evidence).unwrap();
    println!("{:<58} {:>8} bytes, {} findings", "evidence as JSON", json.len(), evidence.findings.len());
    measure("evidence to JSON", 100, |_| serde_json::to_string(&evidence).unwrap());
    let runs: u32 = 20;
    let mut fastest = u128::MAX;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..runs {
            let evidence = session(&gate, &helo, &sender, &recipient).await;
            black_box(judge(&evidence, &policy, &profile, Stage::Rcpt));
            black_box(judge(&evidence, &policy, &profile, Stage::Data));
        }
        fastest = fastest.min(began.elapsed().as_nanos());
    }
    let nanos = fastest / u128::from(runs);
    println!("{:<58} {nanos:>8} ns", "a session: 3 DNS lists, every test, two verdicts");
}
