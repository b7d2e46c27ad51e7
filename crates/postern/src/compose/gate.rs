//! `[gate]`: what the collectors are told.

use std::net::IpAddr;
use std::path::PathBuf;

use postern_config::{Config, UserTest};
use postern_gate::{
    Authentication, Code, ConnectBack, Dnsbl, DnsblCheck, HeaderRule, HeaderTest, NetworkList, SenderList,
    Settings,
};
use postern_policy::{Mode, Policy, RuleAction, Test};
use postern_types::Network;

use super::policy;

/// `own` are the addresses of this machine.
pub(crate) fn settings(config: &Config, own: &[IpAddr]) -> Settings {
    let gate = &config.gate;
    let policy = policy::settings(config);
    Settings {
        our_names: vec![config.server.hostname.clone()],
        our_addresses: own.to_vec(),
        allow: networks(config, "gate.allow", &gate.allow, &gate.allow_files),
        block: networks(config, "gate.block", &gate.block, &gate.block_files),
        blocked_senders: senders(config),
        dnsbl: dnsbl(config),
        dnsbl_check: gate.dnsbl_check,
        dnsbl_retry: gate.dnsbl_retry,
        deadline: gate.deadline,
        dialup_neighbours: gate.dialup_neighbours,
        connect_back: if config.probe.connect_back { ConnectBack::InDoubt } else { ConnectBack::Never },
        user_test: match config.probe.user_test {
            UserTest::Authentic => postern_gate::UserTest::Authentic,
            UserTest::Everybody => postern_gate::UserTest::Everybody,
        },
        probe_wait: config.probe.wait,
        header_rules: header_rules(config),
        hops: config.smtp.hops,
        off: Test::ALL.iter().copied().filter(|test| is_off(&policy, *test)).collect(),
        authentication: Authentication {
            enabled: config.authentication.enabled,
            authserv_id: config.authentication.authserv_id.clone(),
            trusted_forwarders: config.authentication.trusted_forwarders.clone(),
            deadline: config.authentication.deadline,
        },
    }
}

/// Whether nothing follows from the test, so that it need not be made. An allow list that lets nobody in, also
/// one in shadow mode, must not keep its hosts from being tested.
fn is_off(policy: &Policy, test: Test) -> bool {
    let rule = policy.tests[test];
    rule.action == RuleAction::Off || (test == Test::AllowList && rule.mode == Mode::Shadow)
}

/// The list in the configuration and the files, each a list of its own in evidence.
fn networks(config: &Config, name: &str, entries: &[Network], files: &[PathBuf]) -> Vec<NetworkList> {
    let written = (!entries.is_empty()).then(|| NetworkList {
        name: name.to_owned(),
        entries: entries.to_vec(),
        file: None,
    });
    let files = files.iter().map(|file| NetworkList {
        name: file.display().to_string(),
        entries: Vec::new(),
        file: Some(config.path(file)),
    });
    written.into_iter().chain(files).collect()
}

fn senders(config: &Config) -> Vec<SenderList> {
    let (entries, files) = (&config.gate.block_senders, &config.gate.block_sender_files);
    let written = (!entries.is_empty()).then(|| SenderList {
        name: "gate.block_senders".to_owned(),
        entries: entries.clone(),
        file: None,
    });
    let files = files.iter().map(|file| SenderList {
        name: file.display().to_string(),
        entries: Vec::new(),
        file: Some(config.path(file)),
    });
    written.into_iter().chain(files).collect()
}

fn dnsbl(config: &Config) -> Vec<Dnsbl> {
    let lists = config.dnsbl.iter().map(|(zone, list)| Dnsbl {
        zone: zone.clone(),
        key: list.key.clone(),
        codes: list.answers.iter().map(|&answers| Code { answers, meaning: String::new() }).collect(),
        ipv6: list.ipv6,
        check: match list.check {
            postern_config::DnsblCheck::TestEntries => DnsblCheck::TestEntries,
            postern_config::DnsblCheck::Believed => DnsblCheck::Believed,
        },
    });
    lists.collect()
}

fn header_rules(config: &Config) -> Vec<HeaderRule> {
    let rules = config.header_rules.iter().map(|(name, rule)| {
        // The check of the configuration has seen to it that every rule but `missing` has one.
        let pattern = rule.pattern.clone().unwrap_or_default();
        HeaderRule {
            name: name.clone(),
            field: rule.field.clone(),
            test: match rule.test {
                postern_config::HeaderTest::Contains => HeaderTest::Contains(pattern),
                postern_config::HeaderTest::Equals => HeaderTest::Equals(pattern),
                postern_config::HeaderTest::Regex => HeaderTest::Regex(pattern),
                postern_config::HeaderTest::Missing => HeaderTest::Missing,
            },
        }
    });
    rules.collect()
}
