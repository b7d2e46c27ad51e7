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
    let expected = postern_policy::Policy { version: config.hash(), ..postern_policy::Policy::default() };
    assert_eq!(super::policy::settings(&config), expected);
}

#[test]
fn gate() {
    let config = default();
    let expected = postern_gate::Settings {
        our_names: vec![config.server.hostname.clone()],
        ..postern_gate::Settings::default()
    };
    assert_same!(super::gate::settings(&config, &[]), expected);
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
