//! The settings that decide about a hit, as places in the policy that can be turned.

use std::net::Ipv4Addr;

use crate::{Fact, Finding, Points, Policy, Rule, Test};

/// A section of settings that decides about a hit.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Knob {
    Test(Test),
    Zone(String),
    /// One answer of a list.
    Code(String, Ipv4Addr),
    HeaderRule(String),
}

impl Knob {
    pub(crate) fn of(hit: &Finding, policy: &Policy) -> Vec<Self> {
        let mut knobs = vec![Self::Test(hit.test)];
        match &hit.fact {
            Fact::Dnsbl { zone, codes, .. } => {
                if let Some(rule) = policy.zones.get(zone) {
                    knobs.push(Self::Zone(zone.clone()));
                    let own = codes.iter().filter(|code| rule.codes.contains_key(code));
                    knobs.extend(own.map(|code| Self::Code(zone.clone(), *code)));
                }
            }
            Fact::HeaderMatch { rule, .. } if policy.header_rules.contains_key(rule) => {
                knobs.push(Self::HeaderRule(rule.clone()));
            }
            _ => {}
        }
        knobs
    }

    pub(crate) fn section(&self) -> String {
        match self {
            Self::Test(test) => test.setting(),
            Self::Zone(zone) | Self::Code(zone, _) => format!("gate.dnsbl.\"{zone}\""),
            Self::HeaderRule(name) => format!("gate.header.{name}"),
        }
    }

    pub(crate) fn weight_setting(&self) -> String {
        match self {
            Self::Code(_, code) => format!("{}.codes.\"{code}\"", self.section()),
            _ => format!("{}.weight", self.section()),
        }
    }

    pub(crate) fn rule<'a>(&self, policy: &'a mut Policy) -> Option<&'a mut Rule> {
        match self {
            Self::Test(test) => Some(&mut policy.tests[*test]),
            Self::Zone(zone) => policy.zones.get_mut(zone).map(|zone| &mut zone.rule),
            Self::Code(..) => None,
            Self::HeaderRule(name) => policy.header_rules.get_mut(name),
        }
    }

    pub(crate) fn weight<'a>(&self, policy: &'a mut Policy) -> Option<&'a mut Points> {
        match self {
            Self::Code(zone, code) => policy.zones.get_mut(zone)?.codes.get_mut(code),
            _ => self.rule(policy).map(|rule| &mut rule.weight),
        }
    }
}
