//! A verdict in words: rule → evidence → weight → threshold → verdict → the setting that would change it.

use std::fmt;

use serde::Serialize;

use crate::{
    ActionKind, Evidence, Fact, Finding, Mode, Outcome, Points, Policy, Rule, RuleAction, Standing, Test,
    Verdict, judge,
};

/// Why a verdict is as it is. `Display` writes it for a terminal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// What happened.
    pub action: ActionKind,
    /// What the sender was told, without codes; empty where nothing was refused.
    pub reply: String,
    /// What decided it.
    pub decided_by: String,
    /// The score.
    pub score: Points,
    /// From this score on mail goes to quarantine.
    pub quarantine_from: Option<Points>,
    /// From this score on mail is refused.
    pub reject_from: Option<Points>,
    /// What would have happened if rules in shadow mode counted, where that differs.
    pub shadow: Option<ActionKind>,
    /// One line for each question asked.
    pub lines: Vec<Line>,
    /// Single changes that would have changed the verdict, the smallest first.
    pub alternatives: Vec<Alternative>,
}

/// One question, its answer and what it came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// The test.
    pub test: Test,
    /// What came of it.
    pub outcome: Outcome,
    /// What was seen.
    pub words: String,
    /// Its rule.
    pub action: RuleAction,
    /// What a hit weighs.
    pub weight: Points,
    /// Whether it counts; `None` for what is no hit.
    pub standing: Option<Standing>,
    /// The key of its settings.
    pub setting: String,
}

/// One change, and what it would have led to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alternative {
    /// The change.
    pub change: Change,
    /// What would have happened.
    pub becomes: ActionKind,
}

/// One change of policy or evidence.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Change {
    /// Another weight: `to` is the nearest that is enough.
    Weight {
        /// The key of the settings.
        setting: String,
        /// The weight as it is.
        from: Points,
        /// The weight that is enough.
        to: Points,
    },
    /// Another answer to one question.
    Finding {
        /// The test.
        test: Test,
        /// What was seen.
        words: String,
        /// The answer as it is.
        from: Outcome,
        /// The answer that would have changed it.
        to: Outcome,
    },
    /// A rule switched.
    Rule {
        /// The key of the settings.
        setting: String,
        /// The rule as it is.
        from: Rule,
        /// The rule that would have changed it.
        to: Rule,
    },
}

/// Explains a verdict that `judge` reached for this evidence and policy.
#[must_use]
pub fn explain(evidence: &Evidence, policy: &Policy, verdict: &Verdict) -> Explanation {
    let asked = || evidence.findings.iter().filter(|finding| finding.test.stage() <= verdict.stage);
    let mut reasons = verdict.reasons.iter();
    let lines = asked()
        .map(|finding| {
            let hit = finding.outcome == Outcome::Hit && finding.test != Test::AllowList;
            let rule = policy.rule(finding);
            Line {
                test: finding.test,
                outcome: finding.outcome,
                words: if hit { finding.words() } else { finding.fact.to_string() },
                action: rule.action,
                weight: rule.weight,
                // Reasons stand in the order of the hits.
                standing: if hit { reasons.next().map(|reason| reason.standing) } else { None },
                setting: policy.setting(finding),
            }
        })
        .collect();
    Explanation {
        action: verdict.action.kind(),
        reply: match &verdict.action {
            crate::Action::Refuse(refused) => refused.text.clone(),
            _ => String::new(),
        },
        decided_by: verdict.decided_by.to_string(),
        score: verdict.score,
        quarantine_from: policy.thresholds.quarantine,
        reject_from: policy.thresholds.reject,
        shadow: verdict.shadow,
        lines,
        alternatives: Search { evidence, policy, verdict }.alternatives(),
    }
}

/// The search for single changes. It asks `judge` itself, so it can't disagree with it.
struct Search<'a> {
    evidence: &'a Evidence,
    policy: &'a Policy,
    verdict: &'a Verdict,
}

impl Search<'_> {
    /// The best change of each kind.
    fn alternatives(&self) -> Vec<Alternative> {
        let weight =
            self.hits().filter_map(|finding| self.weight(finding)).min_by_key(|(distance, _)| *distance);
        let finding = self.evidence.findings.iter().enumerate().find_map(|(at, _)| self.turned(at));
        let rule = self.hits().find_map(|finding| self.switched(finding));
        weight.map(|(_, alternative)| alternative).into_iter().chain(finding).chain(rule).collect()
    }

    fn hits(&self) -> impl Iterator<Item = &Finding> {
        let stage = self.verdict.stage;
        self.evidence.findings.iter().filter(move |finding| {
            finding.outcome == Outcome::Hit
                && finding.test.stage() <= stage
                && finding.test != Test::AllowList
        })
    }

    /// What happens under another policy or other evidence, where it is something else.
    fn becomes(&self, evidence: &Evidence, policy: &Policy) -> Option<ActionKind> {
        let kind = judge(evidence, policy, &self.verdict.profile, self.verdict.stage).action.kind();
        (kind != self.verdict.action.kind()).then_some(kind)
    }

    /// The nearest weight of the finding's rule that changes the verdict. The score grows with every
    /// weight, so halving finds it.
    fn weight(&self, finding: &Finding) -> Option<(i32, Alternative)> {
        let from = self.policy.rule(finding).weight.as_hundredths();
        let (farthest, step) = match self.verdict.action.kind() {
            ActionKind::Deliver => (1 << 24, 1),
            _ => (from.max(0), -1),
        };
        let at = |distance: i32| {
            let to = Points::hundredths(from.saturating_add(step * distance));
            let policy = with_weight(self.policy, finding, to);
            self.becomes(self.evidence, &policy).map(|kind| (to, kind))
        };
        let (mut same, mut other) = (0, farthest);
        at(other)?;
        while other - same > 1 {
            let middle = same + (other - same) / 2;
            if at(middle).is_some() { other = middle } else { same = middle }
        }
        let (to, becomes) = at(other)?;
        let setting = self.policy.setting(finding);
        let change = Change::Weight { setting, from: Points::hundredths(from), to };
        Some((other, Alternative { change, becomes }))
    }

    /// The finding at `at` answered the other way round.
    fn turned(&self, at: usize) -> Option<Alternative> {
        let finding = &self.evidence.findings[at];
        let to = if finding.outcome == Outcome::Hit { Outcome::Clear } else { Outcome::Hit };
        let mut evidence = self.evidence.clone();
        evidence.findings[at].outcome = to;
        if let Fact::NoAnswer { question, .. } | Fact::ZoneOff { zone: question, .. } = &finding.fact
            && finding.test == Test::Dnsbl
        {
            let zone = question.clone();
            evidence.findings[at].fact = Fact::Dnsbl { zone, codes: Vec::new(), meaning: String::new() };
        }
        let becomes = self.becomes(&evidence, self.policy)?;
        let change =
            Change::Finding { test: finding.test, words: finding.words(), from: finding.outcome, to };
        Some(Alternative { change, becomes })
    }

    /// The finding's rule switched: off, from shadow to enforced, or to reject.
    fn switched(&self, finding: &Finding) -> Option<Alternative> {
        let from = self.policy.rule(finding);
        let candidates = [
            Rule { action: RuleAction::Off, ..from },
            Rule { mode: Mode::Enforce, ..from },
            Rule { action: RuleAction::Reject, mode: Mode::Enforce, ..from },
        ];
        candidates.into_iter().filter(|to| *to != from).find_map(|to| {
            let mut policy = self.policy.clone();
            *own_rule(&mut policy, finding) = to;
            let becomes = self.becomes(self.evidence, &policy)?;
            let setting = self.policy.setting(finding);
            Some(Alternative { change: Change::Rule { setting, from, to }, becomes })
        })
    }
}

/// The policy with another weight where the finding's rule takes its own from.
fn with_weight(policy: &Policy, finding: &Finding, weight: Points) -> Policy {
    let mut policy = policy.clone();
    if let Fact::Dnsbl { zone, codes, .. } = &finding.fact
        && let Some(zone) = policy.zones.get_mut(zone)
    {
        zone.codes.retain(|code, _| !codes.contains(code));
    }
    own_rule(&mut policy, finding).weight = weight;
    policy
}

/// The rule that [`Policy::rule`] takes for a finding.
fn own_rule<'a>(policy: &'a mut Policy, finding: &Finding) -> &'a mut Rule {
    let own = match &finding.fact {
        Fact::Dnsbl { zone, .. } => policy.zones.get_mut(zone).map(|zone| &mut zone.rule),
        Fact::HeaderMatch { rule, .. } => policy.header_rules.get_mut(rule),
        _ => None,
    };
    own.unwrap_or(&mut policy.tests[finding.test])
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} because {}", capital(self.action), self.decided_by)?;
        if !self.reply.is_empty() {
            writeln!(f, "reply: {}", self.reply)?;
        }
        write!(f, "score {}", self.score)?;
        for (threshold, what) in [(self.quarantine_from, "quarantine"), (self.reject_from, "refused")] {
            match threshold {
                Some(threshold) => write!(f, ", {what} from {threshold}")?,
                None => write!(f, ", {what} never by score")?,
            }
        }
        writeln!(f)?;
        if let Some(shadow) = self.shadow {
            writeln!(f, "with the rules in shadow mode it would have been {shadow}")?;
        }
        for line in &self.lines {
            writeln!(f, "  {line}")?;
        }
        for (i, alternative) in self.alternatives.iter().enumerate() {
            let so = if i == 0 { "it would have been" } else { "or" };
            writeln!(f, "{so} {} {}", alternative.becomes, alternative.change)?;
        }
        Ok(())
    }
}

fn capital(kind: ActionKind) -> &'static str {
    match kind {
        ActionKind::Deliver => "Delivered",
        ActionKind::Tag => "Tagged",
        ActionKind::Quarantine => "Quarantined",
        ActionKind::Refuse => "Refused",
    }
}

impl Line {
    fn added(&self) -> String {
        let sign = if self.weight < Points::ZERO { "" } else { "+" };
        format!("{sign}{}", self.weight)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let added = match (self.standing, self.action) {
            (Some(Standing::Counted), RuleAction::Reject) => "reject".to_owned(),
            (Some(Standing::Counted), RuleAction::Quarantine) => "hold".to_owned(),
            (Some(Standing::Counted), _) => self.added(),
            (Some(Standing::Shadow), _) => format!("({})", self.added()),
            (Some(Standing::Exempt), _) => "exempt".to_owned(),
            (Some(Standing::Off), _) => "off".to_owned(),
            (None, _) => String::new(),
        };
        let outcome = match self.outcome {
            Outcome::Clear => "clear",
            Outcome::Hit => "HIT",
            Outcome::Unknown => "unknown",
            Outcome::Skipped => "skipped",
        };
        write!(f, "{:<16} {outcome:<8} {added:<7}", self.test.name())?;
        if !self.words.is_empty() {
            write!(f, " {}", self.words)?;
        }
        if self.standing.is_some() { write!(f, " [{}]", self.setting) } else { Ok(()) }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weight { setting, from, to } => write!(f, "with {setting}.weight = {to} (it is {from})"),
            Self::Finding { test, to: Outcome::Hit, .. } => write!(f, "if {test} had been a hit"),
            Self::Finding { test, words, .. } => write!(f, "if {test} had been clear ({words})"),
            Self::Rule { setting, from, to } if from.mode != to.mode && from.action == to.action => {
                write!(f, "with {setting}.mode = \"enforce\" (it is in shadow mode)")
            }
            Self::Rule { setting, from, to } => {
                write!(f, "with {setting}.action = \"{}\" (it is \"{}\")", to.action, from.action)
            }
        }
    }
}

impl fmt::Display for RuleAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Score => "score",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        })
    }
}
