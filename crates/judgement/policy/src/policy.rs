//! The policy: what each test's hit does, what it weighs, and where the thresholds are.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{Fact, Finding, Test};

/// An amount of suspicion, in hundredths of a point; what speaks for a message is negative. Sums stop
/// at the ends of the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Points(i32);

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
    /// Rules for single DNS lists, by zone; others follow the `dnsbl` rule.
    pub zones: BTreeMap<String, ZoneRule>,
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

/// What a DNS list's answers do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneRule {
    /// What they do, and what an answer weighs that `codes` doesn't name.
    pub rule: Rule,
    /// The weight of single answers, such as `127.0.0.4`.
    #[serde(default)]
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
    pub const fn hundredths(hundredths: i32) -> Self {
        Self(hundredths)
    }

    /// The hundredths.
    #[must_use]
    pub const fn as_hundredths(self) -> i32 {
        self.0
    }

    /// The sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// `7`, `2.5`, `-0.25`.
impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let size = self.0.unsigned_abs();
        match (size / 100, size % 100) {
            (whole, 0) => write!(f, "{sign}{whole}"),
            (whole, part) if part % 10 == 0 => write!(f, "{sign}{whole}.{}", part / 10),
            (whole, part) => write!(f, "{sign}{whole}.{part:02}"),
        }
    }
}

impl Default for Thresholds {
    /// To quarantine from 5 points on, refused from 10.
    fn default() -> Self {
        Self { quarantine: Some(Points::hundredths(500)), reject: Some(Points::hundredths(1000)) }
    }
}

impl Rule {
    /// A rule that counts.
    #[must_use]
    pub const fn new(action: RuleAction, weight: Points) -> Self {
        Self { action, weight, mode: Mode::Enforce }
    }
}

impl ZoneRule {
    /// What a list's answers weigh together: as much as the heaviest.
    fn weigh(&self, codes: &[Ipv4Addr]) -> Points {
        codes
            .iter()
            .map(|code| self.codes.get(code).copied().unwrap_or(self.rule.weight))
            .max()
            .unwrap_or(self.rule.weight)
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
    /// The rule for a finding: that of its DNS list or header rule where there is one, else its test's.
    #[must_use]
    pub fn rule(&self, finding: &Finding) -> Rule {
        let rule = self.tests[finding.test];
        let own = match &finding.fact {
            Fact::Dnsbl { zone, codes, .. } => {
                self.zones.get(zone).map(|zone| Rule { weight: zone.weigh(codes), ..zone.rule })
            }
            Fact::HeaderMatch { rule, .. } => self.header_rules.get(rule).copied(),
            _ => None,
        };
        match own {
            // The test as a whole switched off, or to shadow, switches each part of it.
            Some(_) if rule.action == RuleAction::Off => rule,
            Some(own) if rule.mode == Mode::Shadow => Rule { mode: Mode::Shadow, ..own },
            Some(own) => own,
            None => rule,
        }
    }

    /// The key of the settings that decide about a finding.
    #[must_use]
    pub fn setting(&self, finding: &Finding) -> String {
        match &finding.fact {
            Fact::Dnsbl { zone, .. } if self.zones.contains_key(zone) => format!("gate.dnsbl.\"{zone}\""),
            Fact::HeaderMatch { rule, .. } if self.header_rules.contains_key(rule) => {
                format!("gate.header.{rule}")
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
        for (hundredths, text) in
            [(0, "0"), (700, "7"), (250, "2.5"), (25, "0.25"), (1005, "10.05"), (-250, "-2.5"), (-5, "-0.05")]
        {
            assert_eq!(Points::hundredths(hundredths).to_string(), text);
        }
    }

    #[test]
    fn a_policy_of_another_version_is_readable() {
        let policy: Policy = serde_json::from_str(
            r#"{"tests":{"rdns":{"action":"off","weight":0},"newer":{"action":"score","weight":100}},"later":1}"#,
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
        let rule = Rule::new(RuleAction::Score, Points(100));
        let zone = ZoneRule { rule, codes: [(heavy, Points(700)), (light, Points(50))].into() };
        assert_eq!(zone.weigh(&[light, heavy]), Points(700));
        assert_eq!(zone.weigh(&[light]), Points(50));
        assert_eq!(zone.weigh(&[Ipv4Addr::new(127, 0, 0, 9)]), Points(100));
    }
}
