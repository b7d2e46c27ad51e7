//! A verdict in words: rule → evidence → weight → threshold → verdict → the setting that would change it.

use std::fmt;

use serde::Serialize;

use crate::change::Alternative;
use crate::counterfactual::{Case, counterfactuals};
use crate::{
    ActionKind, Ceiling, Decision, Evidence, Outcome, Points, Policy, RuleAction, Standing, Test, Verdict,
};

/// Why a verdict is as it is. `Display` writes it for a terminal, where mail that was stopped has only what
/// would have been milder.
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
    /// The most that the recipient lets happen to mail that fails.
    pub failed: Ceiling,
    /// One line for each question asked.
    pub lines: Vec<Line>,
    /// The smallest changes that would have changed the verdict, milder ends first.
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

/// Explains a verdict that `judge` reached for this evidence and policy.
#[must_use]
pub fn explain(evidence: &Evidence, policy: &Policy, verdict: &Verdict) -> Explanation {
    explain_case(Case { evidence, policy, verdict, recipient: "" })
}

/// Explains a recipient's verdict.
#[must_use]
pub fn explain_case(case: Case<'_>) -> Explanation {
    let Case { evidence, policy, verdict, .. } = case;
    let mut reasons = verdict.reasons.iter();
    let lines = evidence
        .until(verdict.stage)
        .map(|finding| {
            let hit = finding.outcome == Outcome::Hit && finding.test != Test::AllowList;
            let rule = policy.rule(finding);
            Line {
                test: finding.test,
                outcome: finding.outcome,
                words: plain(if hit { finding.words() } else { finding.fact.to_string() }),
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
        decided_by: match &verdict.decided_by {
            Decision::Nothing if verdict.score > Points::ZERO => {
                "what stands against it is not enough".into()
            }
            decision => decision.to_string(),
        },
        score: verdict.score,
        quarantine_from: policy.thresholds.quarantine,
        reject_from: policy.thresholds.reject,
        shadow: verdict.shadow,
        failed: verdict.profile.failed,
        lines,
        alternatives: counterfactuals(case),
    }
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
        if self.failed != Ceiling::Reject {
            writeln!(f, "the recipient wishes \"{}\" for mail that fails", self.failed)?;
        }
        for line in &self.lines {
            writeln!(f, "  {line}")?;
        }
        // Who asks why mail was stopped does not ask how it could have been treated harder.
        let stopped = self.action > ActionKind::Deliver;
        for alternative in self.alternatives.iter().filter(|other| !stopped || other.becomes < self.action) {
            writeln!(f, "{alternative}")?;
        }
        Ok(())
    }
}

/// What a client said must not make lines of its own.
pub(crate) fn plain(words: String) -> String {
    if words.contains(char::is_control) { words.replace(char::is_control, " ") } else { words }
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
