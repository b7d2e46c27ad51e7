//! Mistakes that show only when settings are seen together.

use crate::config::Config;
use crate::read::{Reader, join};
use crate::schema::Table;
use crate::settings::{HeaderRule, HeaderTest, Reach, WebProtocol};

/// Notes every contradiction between settings that are right by themselves.
pub(crate) fn all(config: &Config, reader: &Reader<'_>) {
    order(config, reader);
    tls(config, reader);
    listeners(config, reader);
    names(config, reader);
}

/// Pairs of settings of which one must not exceed the other.
fn order(config: &Config, reader: &Reader<'_>) {
    let (smtp, limits, gate) = (&config.smtp, &config.limits, &config.gate);
    let answers = &config.probe_keep;
    // A threshold that is "never" has no order.
    let in_order =
        gate.quarantine.0.zip(gate.reject.0).is_none_or(|(quarantine, reject)| quarantine <= reject);
    let pairs = [
        (smtp.errors_soft <= smtp.errors_hard, "smtp.errors_soft", "smtp.errors_hard"),
        (smtp.timeout_stressed <= smtp.timeout, "smtp.timeout_stressed", "smtp.timeout"),
        (in_order, "gate.quarantine", "gate.reject"),
        (
            config.signin.ban_after <= config.signin.ban_network_after,
            "signin.ban_after",
            "signin.ban_network_after",
        ),
        (config.keep.evidence <= config.keep.traces, "keep.evidence", "keep.traces"),
        (
            answers.sender_exists_refresh <= answers.sender_exists,
            "probe.keep.sender_exists_refresh",
            "probe.keep.sender_exists",
        ),
        (
            answers.sender_missing_refresh <= answers.sender_missing,
            "probe.keep.sender_missing_refresh",
            "probe.keep.sender_missing",
        ),
        (answers.domain_refresh <= answers.domain, "probe.keep.domain_refresh", "probe.keep.domain"),
        (config.feedback.first <= config.feedback.max, "feedback.first", "feedback.max"),
        (config.signin.delay <= config.signin.delay_max, "signin.delay", "signin.delay_max"),
    ];
    for (right, small, large) in pairs {
        if !right && !reader.is_wrong(large) {
            let key = if reader.is_written(small) { small } else { large };
            reader.note_setting(key, format!("`{small}` must not be more than `{large}`"));
        }
    }
    let bands = [
        (limits.stress_low, limits.stress_high, "limits.stress_low", "limits.stress_high"),
        (limits.shed_low, limits.shed_high, "limits.shed_low", "limits.shed_high"),
    ];
    for (low, high, low_key, high_key) in bands {
        if low >= high && !reader.is_wrong(high_key) {
            let key = if reader.is_written(low_key) { low_key } else { high_key };
            reader.note_setting(key, format!("`{low_key}` must be less than `{high_key}`"));
        }
    }
    if smtp.header_size > smtp.message_size && !reader.is_wrong("smtp.message_size") {
        reader.note_setting(
            "smtp.header_size",
            "a header cannot be larger than a message (`smtp.message_size`)",
        );
    }
}

fn tls(config: &Config, reader: &Reader<'_>) {
    let (certificate, key) = (config.tls.certificate.is_some(), config.tls.key.is_some());
    if certificate && !key && !reader.is_wrong("tls.key") {
        reader.note_setting("tls.certificate", "a certificate needs its key: add `key` to [tls]");
    }
    if key && !certificate && !reader.is_wrong("tls.certificate") {
        reader.note_setting("tls.key", "a key needs its certificate: add `certificate` to [tls]");
    }
    if !certificate && !reader.is_wrong("tls.certificate") {
        let none = Vec::new();
        let web = if config.web.protocol == WebProtocol::Https { &config.listen.web } else { &none };
        for (name, list) in [("smtps", &config.listen.smtps), ("pop3s", &config.listen.pop3s), ("web", web)] {
            if !list.is_empty() {
                let message =
                    "TLS from the first byte needs a certificate: add `certificate` and `key` to [tls]";
                reader.note_setting(&format!("listen.{name}"), message);
            }
        }
    }
}

/// No address is listened on twice. Port 0 is any free port, so it may stand often.
fn listeners(config: &Config, reader: &Reader<'_>) {
    let reachable = config.listen.watch.iter().find(|address| !address.ip().to_canonical().is_loopback());
    if let Some(address) = reachable.filter(|_| config.watch.reach == Reach::Loopback) {
        let message = format!(
            "{address} can be reached from other hosts, and metrics have no password: listen on 127.0.0.1, or say \
             `reach = \"network\"` in [watch]"
        );
        reader.note_setting("listen.watch", message);
    }
    let open = config.listen.web.iter().find(|address| !address.ip().to_canonical().is_loopback());
    if let Some(address) = open.filter(|_| config.web.protocol == WebProtocol::Http) {
        let message = format!(
            "{address} can be reached from other hosts, and without TLS everybody on the way reads along: listen on \
             127.0.0.1 behind a proxy that speaks HTTPS, or leave out `protocol = \"http\"` in [web]"
        );
        reader.note_setting("listen.web", message);
    }
    let mut seen: Vec<(&str, std::net::SocketAddr)> = Vec::new();
    for (service, list) in config.listen.all() {
        for address in list {
            let earlier = seen.iter().find(|(_, other)| other == address && address.port() != 0);
            if let Some((other, _)) = earlier {
                let key = format!("listen.{service}");
                reader.note_setting(&key, format!("{address} is already in `listen.{other}`"));
            }
            seen.push((service, *address));
        }
    }
}

/// Names that look right by themselves and are not.
fn names(config: &Config, reader: &Reader<'_>) {
    if !config.server.hostname.is_qualified() {
        let message = "the host name needs a domain, such as mail.example.org (RFC 5321 §2.3.5)";
        reader.note_setting("server.hostname", message);
    }
    for (name, rule) in &config.header_rules {
        let path = join(HeaderRule::SECTION.path, name);
        // rfc5322 §3.6.8: ftext
        if !rule.field.chars().all(|c| c.is_ascii_graphic() && c != ':') {
            let message =
                format!("`{}` is not the name of a header field: write it without colon", rule.field);
            reader.note_setting(&format!("{path}.field"), message);
        }
        if rule.pattern.is_none() && rule.test != HeaderTest::Missing {
            reader.note_setting(&path, "this rule needs a `pattern`");
        }
    }
}
