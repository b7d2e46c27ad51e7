//! The defaults of the configuration are the defaults of every part: neither can drift from the other.

use std::path::Path;

use postern_config::Config;

use crate::rows::rows;

/// Two settings are equal when they print the same: not all of them can be compared otherwise.
macro_rules! assert_same {
    ($mapped:expr, $default:expr) => {
        assert_eq!(format!("{:#?}", $mapped), format!("{:#?}", $default));
    };
}

fn default() -> Config {
    Config::parse(Path::new("postern.toml"), "server.hostname = \"mail.example.org\"", rows()).unwrap()
}

#[test]
fn dns() {
    assert_same!(super::dns::settings(&default()), postern_dns::Settings::default());
}

#[test]
fn limits() {
    assert_same!(super::net::admission(&default()), postern_net::limit::Settings::default());
    let pressure = postern_net::pressure::Settings::default();
    // The one difference, with its reason at `pressure`.
    let expected = postern_net::pressure::Settings { free_disk: None, ..pressure };
    assert_eq!(super::net::pressure(&default()), expected);
}

#[test]
fn tls() {
    let source = "server.hostname = \"mail.example.org\"\n[tls]\ncertificate = \"c.pem\"\nkey = \"/k.pem\"";
    let config = Config::parse(Path::new("/etc/postern/postern.toml"), source, rows()).unwrap();
    let files = postern_net::CertificateFiles { chain: "/etc/postern/c.pem".into(), key: "/k.pem".into() };
    assert_same!(super::net::tls(&config).unwrap(), postern_net::TlsSettings::new(vec![files]));
    assert!(super::net::tls(&default()).is_none());
}

#[test]
fn signin() {
    assert_same!(super::signin::settings(&default()), postern_signin::Settings::default());
}

#[test]
fn policy() {
    let config = default();
    let policy = super::policy::settings(&config);
    let version = policy.version.clone();
    assert_eq!(policy, postern_policy::Policy { version, ..postern_policy::Policy::default() });
}

#[test]
fn another_policy_has_another_version() {
    let version = |more: &str| {
        let source = format!("server.hostname = \"mail.example.org\"\n{more}");
        super::policy::settings(&Config::parse(Path::new("postern.toml"), &source, rows()).unwrap()).version
    };
    let each = [
        "[gate]\nquarantine = 6",
        "[gate]\nreject = 11",
        "[gate.tests.rdns]\nweight = 1",
        "[gate.tests.rdns]\naction = \"reject\"",
        "[gate.tests.rdns]\nmode = \"shadow\"",
        "[gate.dnsbl.\"a.example\"]\nweight = 1",
        "[gate.dnsbl.\"a.example\"]\nweight = 1\ncodes = { \"127.0.0.2\" = 3 }",
        "[gate.header.a]\nfield = \"Subject\"\npattern = \"x\"",
        "",
    ];
    let versions: std::collections::BTreeSet<String> = each.iter().map(|more| version(more)).collect();
    assert_eq!(versions.len(), each.len());
    assert!(versions.iter().all(|version| version.len() == 32));
    assert_eq!(version("[smtp]\nhops = 60"), version(""), "that is no part of the policy");
}

#[test]
fn gate() {
    let config = default();
    let expected = postern_gate::Settings {
        our_names: vec![config.server.hostname.clone()],
        // Those that nothing follows from are not made.
        off: vec![postern_policy::Test::Relay],
        ..postern_gate::Settings::default()
    };
    assert_same!(super::gate::settings(&config, &[]), expected);
}

#[test]
fn probe() {
    let config = default();
    let expected = postern_probe::Settings::new(config.server.hostname.clone());
    assert_same!(super::probe::settings(&config, &[]), expected);
}

#[test]
fn answers_of_probes_serve_as_long_as_is_written() {
    let days = |days: u64| std::time::Duration::from_secs(days * 86_400);
    let source = "server.hostname = \"mail.example.org\"\nprobe.target_per_day = 7\n[probe.keep]\n\
                  sender_exists = \"40 d\"\nsender_exists_refresh = \"11 d\"\nsender_missing = \"12 d\"\n\
                  sender_missing_refresh = \"9 d\"\ndomain = \"14 d\"\ndomain_refresh = \"13 d\"\nrelay_open = \"16 d\"\n\
                  relay_closed = \"31 d\"\nrelay_unreachable = \"18 d\"\nconnect_back = \"19 d\"\nneighbours = \"20 d\"";
    let config = Config::parse(Path::new("postern.toml"), source, rows()).unwrap();
    let settings = super::probe::settings(&config, &[]);
    let defaults = postern_probe::Keep::default();
    let expected = postern_probe::Keep {
        good: days(40),
        good_refresh: days(11),
        bad: days(12),
        bad_refresh: days(9),
        domain: days(14),
        domain_refresh: days(13),
        relay_open: days(16),
        relay_again: days(31),
        relay_unreachable: days(18),
        connect: days(19),
        neighbours: days(20),
        ..defaults
    };
    assert_eq!(settings.keep, expected);
    assert_eq!(settings.limits.target_per_day, 7);
}

#[test]
fn an_allow_list_that_lets_nobody_in_leaves_its_hosts_to_the_tests() {
    let off = |more: &str| {
        let source = format!("server.hostname = \"mail.example.org\"\n[gate.tests.allow_list]\n{more}");
        let config = Config::parse(Path::new("postern.toml"), &source, rows()).unwrap();
        super::gate::settings(&config, &[]).off.contains(&postern_policy::Test::AllowList)
    };
    assert!(off("action = \"off\""));
    assert!(off("mode = \"shadow\""));
    assert!(!off("weight = 1"));
}

#[test]
fn feedback() {
    assert_eq!(super::feedback::settings(&default()), postern_feedback::Settings::default());
    let exempt = super::feedback::exempt(&default());
    assert!(exempt.contains([127, 0, 0, 1].into()) && !exempt.contains([192, 0, 2, 1].into()));
}

#[test]
fn dnsbl_lists() {
    let source = "server.hostname = \"mail.example.org\"\n[gate.dnsbl.\"zen.example\"]";
    let config = Config::parse(Path::new("postern.toml"), source, rows()).unwrap();
    let zone: postern_types::Domain = "zen.example".parse().unwrap();
    assert_eq!(super::gate::settings(&config, &[]).dnsbl, [postern_gate::Dnsbl::new(zone)]);
    let policy = super::policy::settings(&config);
    let dnsbl = postern_policy::Policy::default().tests[postern_policy::Test::Dnsbl];
    assert_eq!(policy.zones["zen.example"].rule, dnsbl, "a list is no worse than the test");
}

#[test]
fn watch() {
    let config = default();
    let expected = postern_watch::Settings {
        names: vec![config.server.hostname.clone()],
        ..postern_watch::Settings::default()
    };
    assert_same!(super::watch::settings(&config), expected);
}

#[test]
fn log() {
    assert_eq!(super::events::log(&default()), Default::default());
}

#[test]
fn pop3() {
    let config = default();
    let expected = postern_pop3_service::Settings::new(config.server.hostname.clone());
    assert_same!(super::pop3::settings(&config), expected);
}

#[test]
fn smtp() {
    let config = default();
    let expected = postern_smtp_service::Settings::new(config.server.hostname.clone());
    assert_same!(super::smtp::settings(&config), expected);
}
