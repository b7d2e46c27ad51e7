//! A DNS server of the test internet, and gates that ask it.

use std::net::IpAddr;
use std::time::Duration;

use postern_dns::{Dns, Servers};
use postern_events::Events;
use postern_gate::{Collector, Dnsbl, Gate, Settings, Trust};
use postern_policy::{Evidence, Fact, Finding, Helo, Outcome, Test};
use postern_testnet::DnsServer;
use postern_types::{Domain, ReversePath};

pub(crate) struct World {
    pub(crate) server: DnsServer,
    pub(crate) dns: Dns,
    pub(crate) events: Events,
}

impl World {
    pub(crate) async fn new() -> Self {
        let server = DnsServer::start().await.unwrap();
        let dns = Dns::new(postern_dns::Settings {
            servers: Servers::List(vec![server.address()]),
            // Longer than any gate waits here, so that it is the gate's deadline that counts.
            timeout: Duration::from_secs(60),
            deadline: Duration::from_secs(60),
            attempts: 1,
            failure_ttl: Duration::ZERO,
            ..postern_dns::Settings::default()
        });
        Self { server, dns: dns.unwrap(), events: Events::new() }
    }

    /// A gate whose DNS lists have been checked.
    pub(crate) async fn gate(&self, settings: Settings) -> Gate {
        let gate = Gate::new(settings, self.dns.clone(), self.events.clone()).unwrap();
        gate.check_zones().await;
        gate
    }
}

pub(crate) fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

pub(crate) fn dnsbl(zone: &str) -> Dnsbl {
    Dnsbl::new(domain(zone))
}

pub(crate) fn helo(name: &str) -> Helo {
    Helo { name: name.to_owned(), extended: true }
}

pub(crate) fn sender(text: &str) -> ReversePath {
    ReversePath::parse(text).unwrap()
}

pub(crate) fn stranger(gate: &Gate, ip: &str) -> Collector {
    gate.begin(ip.parse::<IpAddr>().unwrap(), Trust::Stranger)
}

/// The outcome of a test that gave one finding.
pub(crate) fn outcome(evidence: &Evidence, test: Test) -> Outcome {
    only(evidence, test).outcome
}

/// The fact of a test that gave one finding.
pub(crate) fn fact(evidence: &Evidence, test: Test) -> Fact {
    only(evidence, test).fact.clone()
}

fn only(evidence: &Evidence, test: Test) -> &Finding {
    let findings: Vec<_> = evidence.of(test).collect();
    assert_eq!(findings.len(), 1, "{test}: {findings:?}");
    findings[0]
}
