//! The policy: what each test's hit does, what it weighs, and where the thresholds are.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{Fact, Finding, Test};

/// An amount of suspicion, in hundredths of a point; never negative. Sums stop at the largest value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Points(u32);

/// The rules by which evidence is judged.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Which policy this is, such as the hash of the configuration it came from.
    pub version: String,
    /// One rule for each test.
    pub tests: Rules,
    /// Where the score begins to matter.
    pub thresholds: Thresholds,
    /// What the DNS lists weigh, by zone; a zone that is not named weighs what the `dnsbl` rule says.
    pub zones: BTreeMap<String, Zone>,
    /// Rules for single header rules, by name; others follow the `header_rule` rule.
    pub header_rules: BTreeMap<String, Rule>,
}

/// What a test's hit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// What it does.
    pub action: RuleAction,
    /// What it adds to the score, whatever the action is (but `off`).
    pub weight: Points,
    /// Whether it counts.
    #[serde(default)]
    pub mode: Mode,
}

/// What a hit does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleAction {
    /// Nothing; the finding is only evidence.
    Off,
    /// Adds its weight to the score.
    Score,
    /// Sends the message to quarantine.
    Quarantine,
    /// Refuses.
    Reject,
}

/// Whether a rule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It does.
    #[default]
    Enforce,
    /// It is recorded what it would have done.
    Shadow,
}

/// The scores from which on something happens; `None` means never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Thresholds {
    /// From this score on a message goes to quarantine.
    pub quarantine: Option<Points>,
    /// From this score on a message is refused.
    pub reject: Option<Points>,
}

/// What a DNS list's answers weigh.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Zone {
    /// The weight of an answer that `codes` doesn't name.
    pub weight: Points,
    /// The weight of single answers, such as `127.0.0.4`.
    pub codes: BTreeMap<Ipv4Addr, Points>,
}

/// One rule for each test. Written as a map of names; a test that is not named keeps its default,
/// and a name that this version doesn't know is passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

impl Points {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Hundredths of a point: 250 is 2.5.
    #[must_use]
    pub const fn hundredths(hundredths: u32) -> Self {
        Self(hundredths)
    }

    /// The hundredths.
    #[must_use]
    pub const fn as_hundredths(self) -> u32 {
        self.0
    }

    /// The sum, at most the largest value.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, at least zero.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// `7`, `2.5`, `0.25`.
impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{}", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02}"),
        }
    }
}

impl Default for Thresholds {
    /// Refused from 8 points on; quarantine only when it is switched on.
    fn default() -> Self {
        Self { quarantine: None, reject: Some(Points::hundredths(800)) }
    }
}

impl Rule {
    /// A rule that counts.
    #[must_use]
    pub const fn new(action: RuleAction, weight: Points) -> Self {
        Self { action, weight, mode: Mode::Enforce }
    }
}

impl Zone {
    /// What a list's answers weigh together: as much as the heaviest.
    #[must_use]
    pub fn weigh(&self, codes: &[Ipv4Addr]) -> Points {
        codes
            .iter()
            .map(|code| self.codes.get(code).copied().unwrap_or(self.weight))
            .max()
            .unwrap_or(self.weight)
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self(Test::ALL.iter().map(|test| Rule::new(test.entry().action, test.entry().weight)).collect())
    }
}

impl std::ops::Index<Test> for Rules {
    type Output = Rule;
    fn index(&self, test: Test) -> &Rule {
        // One rule for each test: `default` makes them all, nothing removes one.
        &self.0[test as usize]
    }
}

impl std::ops::IndexMut<Test> for Rules {
    fn index_mut(&mut self, test: Test) -> &mut Rule {
        &mut self.0[test as usize]
    }
}

impl Serialize for Rules {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Test::ALL.iter().map(|&test| (test, self[test])))
    }
}

impl<'de> Deserialize<'de> for Rules {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named = BTreeMap::<String, Rule>::deserialize(deserializer)?;
        let mut rules = Self::default();
        for (name, rule) in named {
            if let Some(test) = Test::by_name(&name) {
                rules[test] = rule;
            }
        }
        Ok(rules)
    }
}

impl Policy {
    /// The rule for a finding: its test's, with the weight of its zone, or that of its header rule.
    #[must_use]
    pub fn rule(&self, finding: &Finding) -> Rule {
        let rule = self.tests[finding.test];
        match &finding.fact {
            Fact::Dnsbl { zone, codes, .. } => match self.zones.get(zone) {
                Some(zone) => Rule { weight: zone.weigh(codes), ..rule },
                None => rule,
            },
            // The test as a whole switched off or to shadow switches each of its rules.
            Fact::HeaderMatch { rule: name, .. } if rule.action != RuleAction::Off => {
                let own = self.header_rules.get(name).copied().unwrap_or(rule);
                if rule.mode == Mode::Shadow { Rule { mode: Mode::Shadow, ..own } } else { own }
            }
            _ => rule,
        }
    }

    /// The key of the settings that decide about a finding.
    #[must_use]
    pub fn setting(&self, finding: &Finding) -> String {
        match &finding.fact {
            Fact::Dnsbl { zone, .. } if self.zones.contains_key(zone) => format!("gate.dnsbl.\"{zone}\""),
            Fact::HeaderMatch { rule, .. } if self.header_rules.contains_key(rule) => {
                format!("gate.header_rules.{rule}")
            }
            _ => finding.test.setting(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_read_as_people_write_them() {
        for (hundredths, text) in [(0, "0"), (700, "7"), (250, "2.5"), (25, "0.25"), (1005, "10.05")] {
            assert_eq!(Points::hundredths(hundredths).to_string(), text);
        }
    }

    #[test]
    fn a_policy_of_another_version_is_readable() {
        let policy: Policy = serde_json::from_str(
            r#"{"tests":{"rdns":{"action":"off","weight":0},"dialup":{"action":"score","weight":100}},"later":1}"#,
        )
        .unwrap();
        assert_eq!(policy.tests[Test::Rdns].action, RuleAction::Off);
        assert_eq!(policy.tests[Test::HeloOurs], Policy::default().tests[Test::HeloOurs]);
        let text = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), policy);
    }

    #[test]
    fn the_heaviest_answer_of_a_zone_counts() {
        let light = Ipv4Addr::new(127, 0, 0, 10);
        let heavy = Ipv4Addr::new(127, 0, 0, 2);
        let zone = Zone { weight: Points(100), codes: [(heavy, Points(700)), (light, Points(50))].into() };
        assert_eq!(zone.weigh(&[light, heavy]), Points(700));
        assert_eq!(zone.weigh(&[light]), Points(50));
        assert_eq!(zone.weigh(&[Ipv4Addr::new(127, 0, 0, 9)]), Points(100));
    }
}
