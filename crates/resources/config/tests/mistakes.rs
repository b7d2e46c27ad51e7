//! Every kind of mistake that a file can hold, with the line and column that it is reported at.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::path::Path;

use postern_config::{Config, ConfigError, Points, TestAction, TestRow};

static ROWS: &[TestRow] = &[
    TestRow {
        name: "rdns",
        about: "The client's address has no name.",
        action: TestAction::Score,
        weight: Points(200),
    },
    TestRow {
        name: "helo_ours",
        about: "A stranger gives our own name.",
        action: TestAction::Reject,
        weight: Points(0),
    },
];

/// The mistakes of a file that begins with a host name on its first line.
fn mistakes(rest: &str) -> Vec<String> {
    let source = format!("server.hostname = \"mail.example.org\"\n{rest}");
    match Config::parse(Path::new("postern.toml"), &source, ROWS) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.to_string().lines().map(str::to_owned).collect(),
    }
}

#[track_caller]
fn one(rest: &str, expected: &str) {
    assert_eq!(mistakes(rest), [format!("postern.toml:{expected}")]);
}

#[test]
fn unknown_keys_are_mistakes_with_a_suggestion() {
    one(
        "[smtp]\nmesage_size = \"1 MB\"",
        "3:1: smtp.mesage_size: unknown setting; did you mean `message_size`?",
    );
    one(
        "smtp.message-size = \"1 MB\"",
        "2:6: smtp.message-size: unknown setting; did you mean `message_size`?",
    );
    one(
        "[pop3]\nban_after = 3",
        "3:1: pop3.ban_after: unknown setting; did you mean `ban_after` in [signin]?",
    );
    one(
        "[smtp]\ncolour = 3",
        "3:1: smtp.colour: unknown setting; `postern config explain smtp` lists those of [smtp]",
    );
    one("[smpt]\nhops = 3", "2:2: smpt: there is no such section; did you mean [smtp]?");
    one("hops = 3", "2:1: hops: unknown setting; did you mean `hops` in [smtp]?");
    one("everything = true", "2:1: everything: unknown setting; every setting stands in a section");
    one(
        "[gate.tests.rdsn]\naction = \"off\"",
        "2:13: gate.tests.rdsn: there is no such test; did you mean `rdns`?",
    );
    one(
        "[gate.tests.rdns]\ncolour = 3",
        "3:1: gate.tests.rdns.colour: unknown setting; `postern config explain gate.tests` lists those of [gate.tests]",
    );
    let nowhere = &mistakes("[kitchen]\nknife = 3")[0];
    assert!(
        nowhere.starts_with("postern.toml:2:2: kitchen: there is no such section; the sections are server, ")
    );
    assert!(nowhere.contains(" signin, ") && nowhere.ends_with(", watch, log"), "{nowhere}");
}

#[test]
fn the_host_name_is_required() {
    let parse = |source: &str| Config::parse(Path::new("p"), source, ROWS).unwrap_err().to_string();
    let expected =
        "server.hostname: this setting is required: write a domain name such as `\"mail.example.org\"`";
    assert_eq!(parse(""), format!("p:1:1: {expected}"));
    assert_eq!(parse("\n[server]\ndata = \"/tmp\""), format!("p:2:2: {expected}"));
    one(
        "[gate.header.casino]\npattern = \"casino\"",
        "2:14: gate.header.casino.field: this setting is required: write text in quotes",
    );
}

#[test]
fn kinds_are_checked() {
    for (line, expected) in [
        (
            "smtp.message_size = true",
            "expected a size such as `\"50 MB\"` or `\"64 KiB\"`, found true or false",
        ),
        (
            "smtp.message_size = \"50 XB\"",
            "`50 XB` is not a size: write a number and B, KB, MB, GB, TB, KiB, MiB, GiB or TiB",
        ),
        ("smtp.message_size = -1", "a size cannot be negative"),
        ("smtp.timeout = 300", "a duration needs its unit: write \"300 s\""),
        (
            "smtp.timeout = \"5 parsecs\"",
            "`5 parsecs` is not a duration: write a number and ms, s, min, h, d or w",
        ),
        ("smtp.recipients = \"many\"", "expected a whole number, found a string"),
        ("smtp.recipients = 1.5", "expected a whole number, found a number with a point"),
        ("smtp.recipients = -5", "the number must lie between 0 and 4294967295"),
        ("smtp.smtputf8 = \"yes\"", "expected `true` or `false`, found a string"),
        ("smtp.banner = \"\"", "the text is empty; leave the setting out instead"),
        ("smtp.banner = \"a\\nb\"", "the text must be one line"),
        (
            "smtp.bare_newline = \"refused\"",
            "`refused` is not one of refuse, normalise; did you mean \"refuse\"?",
        ),
        ("log.level = \"loud\"", "`loud` is not one of error, warn, info, debug, trace"),
        (
            "limits.rate_per_host = \"often\"",
            "`often` is not a rate: write a number, a slash and s, min, h or d, such as 100/min",
        ),
        ("limits.shed_high = \"110 %\"", "`110 %` is not a share: write a whole number from 0 to 100 and %"),
        ("gate.reject = 0", "a threshold must be more than 0, or it would stop every message"),
        (
            "gate.reject = 0.001",
            "points lie between -1000 and 1000 and have at most two digits behind the point",
        ),
        ("gate.reject = \"no\"", "expected points such as `8`, or `\"never\"`, found a string"),
        ("tls.certificate = \"\"", "the path is empty"),
        ("gate.allow = \"192.0.2.1\"", "expected a list, each entry an address or network such as"),
        (
            "dns.servers = \"9.9.9.9\"",
            "expected a list, each entry an address such as `\"192.0.2.53\"` or `\"[2001:db8::53]:5353\"`, found a string",
        ),
    ] {
        let found = &mistakes(line)[0];
        let (key, value) = line.split_once(" = ").unwrap();
        let column = line.len() - value.len() + 1;
        let start = format!("postern.toml:2:{column}: {key}: {expected}");
        assert!(found.starts_with(&start), "{line}\n  {found}\n  {start}");
    }
}

#[test]
fn every_entry_of_a_list_has_its_own_place() {
    assert_eq!(
        mistakes("[trust]\nxclient = [\n  \"192.0.2.1\",\n  \"10.0.0.0/33\",\n  7,\n]"),
        [
            "postern.toml:5:3: trust.xclient: `10.0.0.0/33` is not an IP address or network (write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32)",
            "postern.toml:6:3: trust.xclient: expected an address or network such as `\"192.0.2.0/24\"` or `\"2001:db8::1\"`, found a whole number",
        ]
    );
    one(
        "listen.smtp = [\"0.0.0.0\", \"[::]:25\"]",
        "2:16: listen.smtp: the port is missing: write \"0.0.0.0:25\"",
    );
    one("listen.smtp = [\"::1\"]", "2:16: listen.smtp: the port is missing: write \"[::1]:25\"");
    one(
        "dns.servers = [\"dns.example\"]",
        "2:16: dns.servers: `dns.example` is not the address of a DNS server: write \"192.0.2.53\" (a name cannot be used here)",
    );
    one(
        "[gate.dnsbl.\"zen.example\"]\ncodes = { \"127.0.0.2\" = 5, \"127.255.255.254\" = 5 }",
        "3:28: gate.dnsbl.\"zen.example\".codes: `127.255.255.254` is not an answer of a DNS list: they lie in 127.0.0.0/8",
    );
}

#[test]
fn bounds_are_checked() {
    one("smtp.recipients = 99", "2:19: smtp.recipients: must lie between 100 and 100000");
    one("smtp.message_size = \"1 KB\"", "2:21: smtp.message_size: must lie between \"64 KB\" and \"10 GB\"");
    one("pop3.idle_timeout = \"30 s\"", "2:21: pop3.idle_timeout: must lie between \"1 min\" and \"1 d\"");
    assert!(
        mistakes("smtp.recipients = 100\nsmtp.message_size = \"64 KB\"\nsmtp.header_size = \"64 KB\"")
            .is_empty()
    );
}

#[test]
fn contradictions_are_found() {
    one(
        "smtp.errors_hard = 5",
        "2:6: smtp.errors_hard: `smtp.errors_soft` must not be more than `smtp.errors_hard`",
    );
    one(
        "smtp.errors_soft = 30",
        "2:6: smtp.errors_soft: `smtp.errors_soft` must not be more than `smtp.errors_hard`",
    );
    one(
        "limits.shed_low = \"95 %\"",
        "2:8: limits.shed_low: `limits.shed_low` must be less than `limits.shed_high`",
    );
    one(
        "gate.quarantine = 11",
        "2:6: gate.quarantine: `gate.quarantine` must not be more than `gate.reject`",
    );
    assert!(mistakes("[gate]\nquarantine = 11\nreject = \"never\"").is_empty());
    one(
        "probe.keep.sender_missing_refresh = \"4 d\"",
        "2:12: probe.keep.sender_missing_refresh: `probe.keep.sender_missing_refresh` must not be more than \
         `probe.keep.sender_missing`",
    );
    one(
        "probe.keep.relay_closed = \"29 d\"",
        "2:27: probe.keep.relay_closed: must lie between \"30 d\" and \"52 w\"",
    );
    one(
        "tls.certificate = \"c.pem\"",
        "2:5: tls.certificate: a certificate needs its key: add `key` to [tls]",
    );
    one("tls.key = \"k.pem\"", "2:5: tls.key: a key needs its certificate: add `certificate` to [tls]");
    one(
        "listen.pop3s = [\"[::]:995\"]",
        "2:8: listen.pop3s: TLS from the first byte needs a certificate: add `certificate` and `key` to [tls]",
    );
    one(
        "[listen]\nlmtp = [\"127.0.0.1:24\"]\npop3 = [\"127.0.0.1:24\"]",
        "4:1: listen.pop3: 127.0.0.1:24 is already in `listen.lmtp`",
    );
    assert!(mistakes("[listen]\nsmtp = [\"127.0.0.1:0\"]\npop3 = [\"127.0.0.1:0\"]").is_empty());
    one(
        "listen.watch = [\"0.0.0.0:9025\"]",
        "2:8: listen.watch: 0.0.0.0:9025 can be reached from other hosts, and metrics have no password: listen on 127.0.0.1, or say `reach = \"network\"` in [watch]",
    );
    one(
        "listen.web = [\"[::]:443\"]",
        "2:8: listen.web: TLS from the first byte needs a certificate: add `certificate` and `key` to [tls]",
    );
    one(
        "web.protocol = \"http\"\nlisten.web = [\"192.0.2.1:80\"]",
        "3:8: listen.web: 192.0.2.1:80 can be reached from other hosts, and without TLS everybody on the way reads along: listen on 127.0.0.1 behind a proxy that speaks HTTPS, or leave out `protocol = \"http\"` in [web]",
    );
    assert!(mistakes("web.protocol = \"http\"\nlisten.web = [\"127.0.0.1:8080\"]").is_empty());
    for bad in ["mail.example.org", "https://", "https://a.example/path", "https://a.example:99999"] {
        one(
            &format!("web.url = \"{bad}\""),
            &format!(
                "2:11: web.url: `{bad}` is not an address for browsers: write \"https://mail.example.org\", with a port where it is not 443, and without a path"
            ),
        );
    }
    assert!(mistakes("web.url = \"https://[2001:db8::1]:8443/\"").is_empty());
    one(
        "[gate.header.a]\nfield = \"Subject:\"\npattern = \"x\"",
        "3:1: gate.header.a.field: `Subject:` is not the name of a header field: write it without colon",
    );
    one("[gate.header.a]\nfield = \"Subject\"", "2:14: gate.header.a: this rule needs a `pattern`");
    one(
        "[gate.header.\"a b\"]\nfield = \"Subject\"\npattern = \"x\"",
        "2:14: gate.header.\"a b\": the name of a rule is made of letters, digits, _ and -",
    );
    one(
        "[gate.dnsbl.\"not a zone\"]",
        "2:13: gate.dnsbl.\"not a zone\": the domain name holds a character that is not allowed there",
    );
    one(
        "[gate.dnsbl.\"zen.example\"]\n[gate.dnsbl.\"Zen.Example\"]",
        "3:13: gate.dnsbl.\"Zen.Example\": this section is already there under another spelling of its name",
    );
}

#[test]
fn a_host_name_needs_its_domain() {
    let error = Config::parse(Path::new("p"), "[server]\nhostname = \"mail\"", ROWS).unwrap_err();
    let expected =
        "p:2:1: server.hostname: the host name needs a domain, such as mail.example.org (RFC 5321 §2.3.5)";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn sections_and_settings_are_not_mixed_up() {
    one("smtp = 3", "2:8: smtp: this is a section: write [smtp]");
    one("gate.tests = 3", "2:14: gate.tests: this is a section: write [gate.tests.NAME]");
    one("gate.tests.rdns = \"off\"", "2:19: gate.tests.rdns: this is a section: write [gate.tests.rdns]");
    one("[[gate.dnsbl]]\nweight = 1", "2:1: gate.dnsbl: this is a section: write [gate.dnsbl.NAME]");
}

#[test]
fn all_mistakes_are_found_in_one_run_in_the_order_of_the_file() {
    let found = mistakes("[smtp]\nhops = 3\nhopps = 3\ntimeout = 7\n[tls\n[log]\nlevel = \"x\"\n");
    let places: Vec<&str> = found.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(
        places,
        ["postern.toml:3:8", "postern.toml:4:1", "postern.toml:5:11", "postern.toml:6:5", "postern.toml:8:9"]
    );
}

#[test]
fn columns_count_characters() {
    let found = mistakes("smtp = { \"ä\" = 1, hops = 3 }");
    assert_eq!(found[0].split(": ").next(), Some("postern.toml:2:10"), "{found:?}");
    assert_eq!(found[1], "postern.toml:2:26: smtp.hops: must lie between 5 and 1000");
}

#[test]
fn the_syntax_of_toml_is_checked() {
    for (source, place) in [("[smtp", "2:6"), ("smtp.hops = ", "2:13"), ("a = \"x", "2:7")] {
        let found = mistakes(source);
        assert!(
            found.iter().any(|line| line.starts_with(&format!("postern.toml:{place}: "))),
            "{source}: {found:?}"
        );
    }
    let twice = mistakes("[smtp]\nhops = 9\nhops = 10");
    assert_eq!(twice, ["postern.toml:4:1: duplicate key"]);
}

#[test]
fn secrets_do_not_stand_in_messages() {
    let secret = "[gate.dnsbl.\"zen.example\"]\nkey = \"hunter2\\nhunter2\"";
    assert!(!mistakes(secret).concat().contains("hunter2"));
    assert_eq!(mistakes(secret).len(), 1);
}

#[test]
fn a_file_must_be_there_and_of_sensible_size() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.toml");
    let error = Config::load(&missing, ROWS).unwrap_err();
    assert!(matches!(error, ConfigError::Read { .. }), "{error}");
    let huge = folder.path().join("huge.toml");
    std::fs::write(&huge, "#".repeat((1 << 20) + 1)).unwrap();
    assert!(matches!(Config::load(&huge, ROWS), Err(ConfigError::TooLarge(_))));
    let binary = folder.path().join("binary.toml");
    std::fs::write(&binary, [0xff, 0xfe]).unwrap();
    assert!(Config::load(&binary, ROWS).unwrap_err().to_string().contains("UTF-8"));
}

proptest::proptest! {
    /// Whatever stands in the file: an answer, and every mistake within the file.
    #[test]
    fn any_file_is_read_or_refused(source in "(\\[|\\]|=|\"|\\.|\n|#|\\{|\\}|,|smtp|gate|tests|rdns|hops|5| |ä|\t|\r|\\\\|hostname|server){0,60}") {
        let lines = source.lines().count() + 1;
        if let Err(mistakes) = Config::parse(Path::new("p"), &source, ROWS) {
            for mistake in &mistakes.all {
                proptest::prop_assert!(mistake.line >= 1 && mistake.line <= lines, "{mistake}");
            }
            proptest::prop_assert!(!mistakes.all.is_empty());
        }
    }
}

#[test]
fn a_time_zone_is_a_name_and_no_path() {
    for good in ["local", "utc", "UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+3"] {
        assert!(mistakes(&format!("quarantine.time_zone = \"{good}\"")).is_empty(), "{good}");
    }
    for bad in [
        "",
        "/etc/passwd",
        "../../etc/shadow",
        "Europe/..",
        "Europe//Berlin",
        "Europe/Berlin/",
        "+01:00",
        "a b",
    ] {
        let found = mistakes(&format!("quarantine.time_zone = \"{bad}\""));
        assert!(found.len() == 1 && found[0].contains("is not a time zone: write"), "{bad}: {found:?}");
    }
}
