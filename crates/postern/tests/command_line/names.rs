//! What `doctor` reads in the DNS: a test DNS server says what is right and what is not.

use std::net::IpAddr;

use postern_testnet::{DnsServer, Zone};

use crate::House;

/// The host is at an address of the test internet.
const HOST: &str = "127.50.1.1";

/// What `doctor` finds with these zones, one line for each finding, those about the DNS only.
fn findings(zones: Vec<Zone>) -> String {
    let house = House::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let dns = runtime.block_on(DnsServer::start()).unwrap();
    for zone in zones {
        dns.add(zone);
    }
    let server = dns.address();
    house.edit(|source| format!("{source}\n[dns]\nservers = [\"{server}\"]\n"));
    let answer = house.run(&["doctor", "--probe", "example.org", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    let mut lines = String::new();
    for finding in report["findings"].as_array().unwrap() {
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        lines.push_str(&format!(
            "{}: {}: {} | {}\n",
            text("about"),
            text("state"),
            text("found"),
            text("advice")
        ));
    }
    lines
}

#[track_caller]
fn has(found: &str, line: &str) {
    assert!(found.lines().any(|other| other.starts_with(line)), "{line}\n{found}");
}

fn reverse(name: &str) -> Zone {
    Zone::reverse().ptr(HOST.parse::<IpAddr>().unwrap(), name)
}

#[test]
fn records_as_they_should_be() {
    let zone =
        Zone::new("example.org").a("mail", HOST.parse().unwrap()).mx(10, "mail").txt("@", "v=spf1 mx -all");
    let found = findings(vec![zone, reverse("mail.example.org.")]);
    has(&found, "address of mail.example.org: ");
    has(&found, &format!("name of {HOST} (PTR): ok: mail.example.org"));
    has(&found, "mail for example.org (MX): ok: mail.example.org");
    has(&found, "who may send as example.org (SPF): ok: v=spf1 mx -all");
}

#[test]
fn records_that_are_missing() {
    let found = findings(vec![Zone::new("example.org").txt("@", "something else")]);
    has(&found, "address of mail.example.org: problem: the DNS has none | Publish an A record");
    has(
        &found,
        "mail for example.org (MX): problem: the domain cannot receive mail | Publish: example.org. IN MX 10 mail.example.org.",
    );
    has(&found, "who may send as example.org (SPF): warning: anybody");
    has(&found, "outbound port 25: unknown: example.org has no MX to try");
}

#[test]
fn records_that_lead_elsewhere() {
    let zone = Zone::new("example.org")
        .a("mail", HOST.parse().unwrap())
        .a("old", HOST.parse().unwrap())
        .mx(10, "old");
    let found = findings(vec![zone, reverse("old.example.org.")]);
    has(
        &found,
        &format!(
            "name of {HOST} (PTR): warning: old.example.org, not mail.example.org | Ask whoever gave you {HOST}"
        ),
    );
    has(&found, "mail for example.org (MX): warning: goes to old.example.org | Publish: ");
}
