//! `[gate]`: what follows from the evidence.

use postern_config::{Config, Points, TestAction, TestMode, Threshold};
use postern_policy::{Mode, Policy, Rule, RuleAction, Rules, Test, Thresholds, ZoneRule};

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
    Policy {
        version: config.hash(),
        tests,
        thresholds: Thresholds {
            quarantine: threshold(config.gate.quarantine),
            reject: threshold(config.gate.reject),
        },
        zones: zones.collect(),
        header_rules: header_rules
            .map(|(name, written)| (name.clone(), rule(written.action, written.weight, written.mode)))
            .collect(),
    }
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
