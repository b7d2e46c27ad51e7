//! `[gate]`: what follows from the evidence.

use postern_config::{Config, Points, TestAction, TestMode, Threshold};
use postern_policy::{Mode, Policy, Rule, RuleAction, Rules, Test, Thresholds, ZoneRule};
use sha2::{Digest, Sha256};

pub(crate) fn settings(config: &Config) -> Policy {
    let mut tests = Rules::default();
    for &test in Test::ALL {
        if let Some(written) = config.tests.get(test.name()) {
            tests[test] = rule(written.action, written.weight, written.mode);
        }
    }
    let zones = config.dnsbl.iter().map(|(zone, list)| {
        let codes = list.codes.iter().map(|(code, weight)| (*code, points(*weight))).collect();
        (zone.as_str().to_owned(), ZoneRule { rule: rule(list.action, list.weight, list.mode), codes })
    });
    let header_rules = config.header_rules.iter();
    let mut policy = Policy {
        version: String::new(),
        tests,
        thresholds: Thresholds {
            quarantine: threshold(config.gate.quarantine),
            reject: threshold(config.gate.reject),
        },
        zones: zones.collect(),
        header_rules: header_rules
            .map(|(name, written)| (name.clone(), rule(written.action, written.weight, written.mode)))
            .collect(),
    };
    policy.version = version(&policy);
    policy
}

/// The policy as it is stored.
pub(crate) fn json(policy: &Policy) -> String {
    // Plain data with string keys: serialising it cannot fail.
    serde_json::to_string(policy).unwrap_or_default()
}

/// SHA-256 of the whole policy, cut to 32 digits: all that `judge` reads, with the defaults of this program.
/// What else stands in the configuration makes no other policy of it.
fn version(policy: &Policy) -> String {
    let digest = Sha256::digest(json(policy).as_bytes());
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn rule(action: TestAction, weight: Points, mode: TestMode) -> Rule {
    let action = match action {
        TestAction::Off => RuleAction::Off,
        TestAction::Score => RuleAction::Score,
        TestAction::Quarantine => RuleAction::Quarantine,
        TestAction::Reject => RuleAction::Reject,
    };
    let mode = match mode {
        TestMode::Enforce => Mode::Enforce,
        TestMode::Shadow => Mode::Shadow,
    };
    Rule { mode, ..Rule::new(action, points(weight)) }
}

fn points(points: Points) -> postern_policy::Points {
    postern_policy::Points::hundredths(points.0)
}

fn threshold(threshold: Threshold) -> Option<postern_policy::Points> {
    threshold.0.map(points)
}
