//! What a right file means: defaults, units, what is shown, and the hash.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::path::Path;
use std::time::Duration;

use postern_config::{
    Config, Points, Rate, Size, TestAction, TestMode, TestRow, Threshold, explain, reference,
};

static ROWS: &[TestRow] = &[TestRow {
    name: "rdns",
    about: "The client's address has no name.",
    action: TestAction::Score,
    weight: Points(250),
}];

fn config(rest: &str) -> Config {
    let source = format!("server.hostname = \"mail.example.org\"\n{rest}");
    Config::parse(Path::new("/etc/postern/postern.toml"), &source, ROWS).unwrap()
}

#[test]
fn every_default_is_valid_and_within_its_bounds() {
    let config = config("");
    assert_eq!(config.smtp.message_size, Size(50_000_000));
    assert_eq!(config.smtp.timeout, Duration::from_secs(300));
    assert_eq!(config.gate.reject, Threshold(Some(Points(1000))));
    assert_eq!(config.gate.quarantine, Threshold(Some(Points(500))));
    assert_eq!(config.tests["rdns"].weight, Points(250));
    for setting in config.effective() {
        assert_eq!(setting.changed, setting.key == "server.hostname", "{setting:?}");
    }
}

#[test]
fn values_have_units() {
    for (text, size) in
        [("\"1.5 MB\"", 1_500_000), ("\"1KiB\"", 1024), ("100000", 100_000), ("\"2 mb\"", 2_000_000)]
    {
        let config = config(&format!("smtp.minimum_free_disk = {text}"));
        assert_eq!(config.smtp.minimum_free_disk, Size(size), "{text}");
    }
    for (text, millis) in [("2 min", 120_000), ("90s", 90_000), ("1.5 s", 1500), ("250 ms", 250)] {
        let config = config(&format!("proxy.connect_timeout = \"{text}\""));
        assert_eq!(config.proxy.connect_timeout, Duration::from_millis(millis), "{text}");
    }
    for (text, per_minute) in [("100/min", 100), ("10/s", 600), ("1/10 s", 6), ("90/h", 2)] {
        let config = config(&format!("limits.rate_per_host = \"{text}\""));
        assert_eq!(config.limits.rate_per_host.map(Rate::per_minute), Some(per_minute), "{text}");
    }
    assert_eq!(
        config("limits.rate_per_host = \"1/10 s\"").limits.rate_per_host,
        Some(Rate { count: 1, per: Duration::from_secs(10) })
    );
}

#[test]
fn sections_with_names_hold_their_settings() {
    let config = config(
        r#"
        [gate.dnsbl."zen.example"]
        key = "k3y"
        codes = { "127.0.0.2" = 5, "127.0.0.10" = -0.5 }
        [gate.header.casino]
        field = "Subject"
        pattern = "casino"
        action = "quarantine"
        [gate.tests.rdns]
        mode = "shadow"
        "#,
    );
    let (zone, list) = config.dnsbl.first_key_value().unwrap();
    assert_eq!(zone.as_str(), "zen.example");
    assert_eq!(list.weight, Points(500));
    assert_eq!(list.codes.values().copied().collect::<Vec<_>>(), [Points(500), Points(-50)]);
    assert_eq!(config.header_rules["casino"].action, TestAction::Quarantine);
    let rdns = &config.tests["rdns"];
    assert_eq!((rdns.mode, rdns.weight), (TestMode::Shadow, Points(250)), "the row's weight stays");
}

#[test]
fn relative_paths_start_at_the_file() {
    let config = config("server.data = \"data\"");
    assert_eq!(config.data(), Path::new("/etc/postern/data"));
    assert_eq!(config.path(Path::new("/srv/x")), Path::new("/srv/x"));
}

#[test]
fn what_is_shown_can_be_read_back() {
    let first = config(
        "[smtp]\nhops = 9\nbanner = \"a \\\"b\\\" \\\\ ü\"\n[gate.dnsbl.\"zen.example\"]\ncodes = { \"127.0.0.2\" = 5 }\n[tls]\ncertificate = \"c\"\nkey = \"k\"\n",
    );
    let shown = postern_config::Effective::to_toml(&first.effective());
    let second = Config::parse(Path::new("shown"), &shown, ROWS).unwrap();
    assert_eq!(first.hash(), second.hash(), "{shown}");
    let changed: Vec<_> = first.effective().into_iter().filter(|setting| setting.changed).collect();
    assert_eq!(
        postern_config::Effective::to_toml(&changed),
        "[server]\nhostname = \"mail.example.org\"\n\n[tls]\ncertificate = \"c\"\nkey = \"k\"\n\n\
         [smtp]\nbanner = \"a \\\"b\\\" \\\\ ü\"\nhops = 9\n\n\
         [gate.dnsbl.\"zen.example\"]\ncodes = { \"127.0.0.2\" = 5 }\n"
    );
    let hops = changed.iter().find(|setting| setting.key == "smtp.hops").unwrap();
    assert_eq!((hops.line, hops.default.as_deref()), (Some(3), Some("50")));
}

#[test]
fn the_hash_is_of_the_meaning() {
    let hash = config("").hash();
    assert_eq!(hash.len(), 64);
    assert_eq!(hash, config("# said nothing\nsmtp.timeout = \"300 s\"").hash());
    assert_eq!(hash, config("smtp.message_size = 50000000").hash());
    assert_ne!(hash, config("smtp.timeout = \"301 s\"").hash());
    let keyed = |key: &str| config(&format!("[gate.dnsbl.\"z.example\"]\nkey = \"{key}\"")).hash();
    assert_ne!(keyed("a"), keyed("b"), "a changed secret shows");
}

#[test]
fn secrets_are_not_shown() {
    let config = config("[gate.dnsbl.\"z.example\"]\nkey = \"hunter2\"");
    assert_eq!(config.dnsbl.values().next().unwrap().key.as_ref().unwrap().expose(), "hunter2");
    let explained = explain("gate.dnsbl.key", ROWS, Some(&config)).unwrap();
    for text in [
        postern_config::Effective::to_toml(&config.effective()),
        format!("{:?}", config.dnsbl),
        explained.to_string(),
    ] {
        assert!(text.contains("***") && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn a_later_mistake_points_at_the_line() {
    let config = config("\n[tls]\ncertificate = \"none.pem\"\nkey = \"k\"");
    let mistake = config.mistake("tls.certificate", "there is no such file");
    assert_eq!(mistake.to_string(), "4:1: tls.certificate: there is no such file");
}

#[test]
fn settings_explain_themselves() {
    let config = config("\nsmtp.message_size = \"20 MB\"");
    let text = explain("smtp.message_size", ROWS, Some(&config)).unwrap().to_string();
    assert!(
        text.starts_with("smtp.message_size\n\nThe largest message (RFC 1870). Offered in EHLO;"),
        "{text}"
    );
    assert!(text.contains("Bounds:  \"64 KB\" to \"10 GB\"\nDefault: \"50 MB\"\n"), "{text}");
    assert!(text.ends_with("Now:     smtp.message_size = \"20 MB\" (line 3)\n"), "{text}");
    for (key, found) in [
        ("message_size", "smtp.message_size"),
        ("[smtp]", "smtp"),
        ("rdns", "gate.tests.rdns"),
        ("gate.tests.rdns.weight", "gate.tests.rdns.weight"),
        ("gate.dnsbl.\"zen.example\".weight", "gate.dnsbl.weight"),
    ] {
        assert_eq!(explain(key, ROWS, None).unwrap().key, found);
    }
    assert_eq!(explain("smtp.mesage_size", ROWS, None), Err(Some("smtp.message_size".into())));
    assert_eq!(explain("timeout", ROWS, None).map_err(|_| ()), Err(()), "several sections have one");
    let weight = explain("gate.tests.rdns.weight", ROWS, None).unwrap();
    assert_eq!(weight.default.as_deref(), Some("2.5"));
}

#[test]
fn the_reference_page_has_every_setting() {
    let page = reference(ROWS);
    for setting in config("[gate.header.a]\nfield = \"b\"\npattern = \"c\"").effective() {
        let name = setting.key.rsplit('.').next().unwrap();
        assert!(page.contains(&format!("\n### `{name}`\n")), "{name}");
    }
    assert!(page.contains("| `rdns` | The client's address has no name. | `score` | 2.5 |"));
    assert!(!page.contains("stringify") && !page.contains("  \n"));
}
