//! What differs between two policies, setting by setting: so that a draft's effect can be traced to its cause.

use crate::{Policy, Test};

/// One setting, or group of settings, of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The threshold of quarantine.
    QuarantineFrom,
    /// The threshold of refusal.
    RejectFrom,
    /// The rule of a test.
    Test(Test),
    /// The rule of a DNS list.
    Zone(String),
    /// A header rule.
    HeaderRule(String),
}

/// The parts in which two policies differ, in the order of the settings.
#[must_use]
pub fn differences(one: &Policy, other: &Policy) -> Vec<Part> {
    let mut parts = Vec::new();
    if one.thresholds.quarantine != other.thresholds.quarantine {
        parts.push(Part::QuarantineFrom);
    }
    if one.thresholds.reject != other.thresholds.reject {
        parts.push(Part::RejectFrom);
    }
    let tests = Test::ALL.iter().copied().filter(|test| one.tests[*test] != other.tests[*test]);
    parts.extend(tests.map(Part::Test));
    let zones = one.zones.keys().chain(other.zones.keys().filter(|zone| !one.zones.contains_key(*zone)));
    let zones = zones.filter(|zone| one.zones.get(*zone) != other.zones.get(*zone));
    parts.extend(zones.cloned().map(Part::Zone));
    let (ours, theirs) = (&one.header_rules, &other.header_rules);
    let names = ours.keys().chain(theirs.keys().filter(|name| !ours.contains_key(*name)));
    let names = names.filter(|name| ours.get(*name) != theirs.get(*name));
    parts.extend(names.cloned().map(Part::HeaderRule));
    parts
}

impl Part {
    /// The key of the settings.
    #[must_use]
    pub fn setting(&self) -> String {
        match self {
            Self::QuarantineFrom => "gate.quarantine".into(),
            Self::RejectFrom => "gate.reject".into(),
            Self::Test(test) => test.setting(),
            Self::Zone(zone) => format!("gate.dnsbl.\"{zone}\""),
            Self::HeaderRule(name) => format!("gate.header.{name}"),
        }
    }

    /// Makes this part of `into` as it is in `from`.
    pub fn take(&self, from: &Policy, into: &mut Policy) {
        match self {
            Self::QuarantineFrom => into.thresholds.quarantine = from.thresholds.quarantine,
            Self::RejectFrom => into.thresholds.reject = from.thresholds.reject,
            Self::Test(test) => into.tests[*test] = from.tests[*test],
            Self::Zone(zone) => match from.zones.get(zone) {
                Some(rule) => drop(into.zones.insert(zone.clone(), rule.clone())),
                None => drop(into.zones.remove(zone)),
            },
            Self::HeaderRule(name) => match from.header_rules.get(name) {
                Some(rule) => drop(into.header_rules.insert(name.clone(), *rule)),
                None => drop(into.header_rules.remove(name)),
            },
        }
    }
}
