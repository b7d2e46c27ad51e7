//! `judge`: the pure function from evidence, policy and profile to a verdict.
//!
//! Who is allowed is delivered. Else a rule that rejects by itself decides, then the
//! recipient's block list, then the score, then a rule that quarantines. What fails is treated no harder
//! than the recipient's profile wants. Only mail loops stop friends too.

use postern_types::ReversePath;

use crate::verdict::Refused;
use crate::{
    About, Action, ActionKind, Answer, Ceiling, Decision, Evidence, Fact, Finding, Listed, Mode, Outcome,
    Points, Policy, Profile, Reach, Reason, Rule, RuleAction, Stage, Standing, Test, Verdict, Vouching,
};

/// Judges what is known at `stage`.
///
/// Before [`Stage::Rcpt`] only a rule of [`Reach::Connection`] refuses: everything else waits for the
/// recipient, whose profile has a say. Pass `Profile::default()` there.
#[must_use]
pub fn judge(evidence: &Evidence, policy: &Policy, profile: &Profile, stage: Stage) -> Verdict {
    let overruled = overruled(evidence, profile, stage);
    let exempt = exemption(evidence, policy, profile, stage)
        .filter(|exempt| overruled.is_none() || !matches!(exempt, Decision::RecipientAllows { .. }));
    let hits: Vec<Hit<'_>> = evidence
        .findings
        .iter()
        .filter(|finding| finding.outcome == Outcome::Hit && finding.test.stage() <= stage)
        .filter(|finding| finding.test != Test::AllowList)
        .map(|finding| Hit::weigh(finding, policy, evidence, exempt.is_some()))
        .collect();

    let case = Case { policy, profile, stage, exempt: exempt.as_ref() };
    let (mut decided_by, kind) = case.decide(&hits, Count::Enforced);
    let (_, shadow) = case.decide(&hits, Count::EnforcedAndShadow);
    let awaited = case.awaited(&hits, kind, evidence);
    if let (Decision::Nothing, Some(exempt)) = (&decided_by, exempt) {
        decided_by = exempt;
    }
    let mut action = match kind {
        ActionKind::Deliver => Action::Deliver,
        ActionKind::Tag => Action::Tag,
        ActionKind::Quarantine => Action::Quarantine,
        ActionKind::Refuse => Action::Refuse(refused(&decided_by, &hits, overruled.as_deref())),
    };
    if let Some(finding) = awaited {
        decided_by = Decision::Awaited { test: finding.test };
        action = Action::Refuse(deferred(finding));
    }
    Verdict {
        stage,
        profile: profile.clone(),
        policy: policy.version.clone(),
        action,
        decided_by,
        score: score(&hits, Count::Enforced),
        thresholds: policy.thresholds,
        overruled,
        shadow: (shadow != kind).then_some(shadow),
        reasons: hits.iter().map(|hit| hit.reason(policy)).collect(),
    }
}

/// Whether a hit of a test that has not been made could make the verdict harder: only then is it worth asking
/// somebody. What is allowed, or refused anyhow, is not in doubt.
#[must_use]
pub fn could_change(
    evidence: &Evidence,
    policy: &Policy,
    profile: &Profile,
    stage: Stage,
    test: Test,
) -> bool {
    let fact = Fact::Pending { question: String::new() };
    let awaited = Finding::new(test, Outcome::Unknown, fact);
    let overruled = || overruled(evidence, profile, stage).is_some();
    let exempt = exemption(evidence, policy, profile, stage)
        .filter(|exempt| !matches!(exempt, Decision::RecipientAllows { .. }) || !overruled());
    let findings = evidence.findings.iter();
    let hits: Vec<Hit<'_>> = findings
        .filter(|finding| finding.outcome == Outcome::Hit && finding.test.stage() <= stage)
        .filter(|finding| finding.test != Test::AllowList)
        .map(|finding| Hit::weigh(finding, policy, evidence, exempt.is_some()))
        .collect();
    let case = Case { policy, profile, stage, exempt: exempt.as_ref() };
    let (_, without) = case.decide(&hits, Count::Enforced);
    case.with(&hits, &awaited, evidence) > without
}

/// A finding that hit, with its rule.
#[derive(Clone, Copy)]
struct Hit<'a> {
    finding: &'a Finding,
    rule: Rule,
    standing: Standing,
}

/// What decides, besides the hits.
struct Case<'a> {
    policy: &'a Policy,
    profile: &'a Profile,
    stage: Stage,
    exempt: Option<&'a Decision>,
}

/// Which hits to count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Count {
    Enforced,
    EnforcedAndShadow,
}

impl<'a> Hit<'a> {
    fn weigh(finding: &'a Finding, policy: &Policy, evidence: &Evidence, exempt: bool) -> Self {
        let rule = policy.rule(finding);
        let reach = finding.test.entry().reach;
        // rfc5321 §4.5.5: the null sender is legal; nothing about a sender may stop it.
        let null_sender = reach == Reach::Sender && evidence.sender == Some(ReversePath::Null);
        let standing = if rule.action == RuleAction::Off || null_sender {
            Standing::Off
        } else if exempt && reach != Reach::Everyone {
            Standing::Exempt
        } else if rule.mode == Mode::Shadow {
            Standing::Shadow
        } else {
            Standing::Counted
        };
        Self { finding, rule, standing }
    }

    fn counts(&self, count: Count) -> bool {
        match self.standing {
            Standing::Counted => true,
            Standing::Shadow => count == Count::EnforcedAndShadow,
            Standing::Exempt | Standing::Off => false,
        }
    }

    fn reason(&self, policy: &Policy) -> Reason {
        Reason {
            test: self.finding.test,
            words: self.finding.words(),
            action: self.rule.action,
            weight: self.rule.weight,
            contribution: if self.standing == Standing::Counted { self.rule.weight } else { Points::ZERO },
            standing: self.standing,
            setting: policy.setting(self.finding),
        }
    }
}

impl Finding {
    /// What was seen, in words; where there are no details, what a hit means.
    #[must_use]
    pub fn words(&self) -> String {
        if self.fact.is_nothing() { self.test.entry().meaning.to_owned() } else { self.fact.to_string() }
    }
}

impl Case<'_> {
    /// The decision, and what happens by it.
    fn decide(&self, hits: &[Hit<'_>], count: Count) -> (Decision, ActionKind) {
        let by_rule = |action: RuleAction| {
            hits.iter().filter(move |hit| {
                hit.counts(count)
                    && hit.rule.action == action
                    && (self.stage >= Stage::Rcpt || hit.finding.test.entry().reach == Reach::Connection)
            })
        };
        // A loop is refused whatever the profile wishes, also where more speaks against the message.
        let is_loop = |hit: &&Hit<'_>| hit.finding.test.entry().reach == Reach::Everyone;
        let rejects = || by_rule(RuleAction::Reject);
        if let Some(hit) = rejects().find(is_loop).or_else(|| rejects().next()) {
            let ceiling = if is_loop(&hit) { Ceiling::Reject } else { self.profile.failed };
            return (Decision::Rule { test: hit.finding.test }, at_most(ActionKind::Refuse, ceiling));
        }
        if self.stage < Stage::Rcpt {
            return (Decision::Nothing, ActionKind::Deliver);
        }
        let failed = |decision, kind| (decision, at_most(kind, self.profile.failed));
        if let (Listed::Blocked { entry }, None) = (&self.profile.sender, self.exempt) {
            return failed(Decision::RecipientBlocks { entry: entry.clone() }, ActionKind::Refuse);
        }
        let score = score(hits, count);
        let thresholds = self.policy.thresholds;
        if let Some(threshold) = thresholds.reject.filter(|&threshold| score >= threshold) {
            return failed(Decision::Score { threshold }, ActionKind::Refuse);
        }
        if let Some(hit) = by_rule(RuleAction::Quarantine).next() {
            return failed(Decision::Rule { test: hit.finding.test }, ActionKind::Quarantine);
        }
        if let Some(threshold) = thresholds.quarantine.filter(|&threshold| score >= threshold) {
            return failed(Decision::Score { threshold }, ActionKind::Quarantine);
        }
        (Decision::Nothing, ActionKind::Deliver)
    }
}

impl Case<'_> {
    /// What would happen if this finding were a hit.
    fn with(&self, hits: &[Hit<'_>], finding: &Finding, evidence: &Evidence) -> ActionKind {
        let one = Hit::weigh(finding, self.policy, evidence, self.exempt.is_some());
        let all: Vec<Hit<'_>> = hits.iter().copied().chain([one]).collect();
        self.decide(&all, Count::Enforced).1
    }

    /// The finding whose answer is on its way and would change what happens. Only at RCPT, where a client can be
    /// asked to come back; a message that is here is judged by what is known.
    fn awaited<'e>(&self, hits: &[Hit<'_>], kind: ActionKind, evidence: &'e Evidence) -> Option<&'e Finding> {
        if self.stage != Stage::Rcpt {
            return None;
        }
        let is_pending = |finding: &&Finding| {
            finding.outcome == Outcome::Unknown && matches!(finding.fact, Fact::Pending { .. })
        };
        let mut pending = evidence.until(self.stage).filter(is_pending);
        pending.find(|finding| self.with(hits, finding, evidence) > kind)
    }
}

/// "Come back": nobody is to blame, and the answer will be here.
fn deferred(finding: &Finding) -> Refused {
    let words = finding.words();
    Refused {
        code: 451,
        enhanced: (4, 7, 1),
        text: format!("{}; try again in a few minutes ({{trace}})", public(&words)),
        blame: postern_types::Blame::Us,
        cause: words,
        closes: false,
    }
}

/// Who is delivered whatever the tests say.
fn exemption(evidence: &Evidence, policy: &Policy, profile: &Profile, stage: Stage) -> Option<Decision> {
    if evidence.client.trusted {
        return Some(Decision::Trusted);
    }
    let rule = policy.tests[Test::AllowList];
    let allowed = rule.action != RuleAction::Off && rule.mode == Mode::Enforce;
    if allowed && evidence.of(Test::AllowList).any(|finding| finding.outcome == Outcome::Hit) {
        return Some(Decision::AllowList);
    }
    match &profile.sender {
        Listed::Allowed { entry } if stage >= Stage::Rcpt => {
            Some(Decision::RecipientAllows { entry: entry.clone() })
        }
        _ => None,
    }
}

/// Why an entry of the recipient that allows the sender does not count: whoever sends is shown to be
/// somebody else. (active-filter §6: "and is authenticated where it can be")
fn overruled(evidence: &Evidence, profile: &Profile, stage: Stage) -> Option<String> {
    let Listed::Allowed { entry } = &profile.sender else { return None };
    if stage < Stage::Rcpt || profile.about == About::Host {
        return None;
    }
    let vouching = if entry.contains('@') { Vouching::Address } else { Vouching::Domain };
    let why = evidence.forged(stage, vouching)?;
    Some(format!("the recipient allows {entry}, but the sender is not shown to be that: {why}"))
}

fn score(hits: &[Hit<'_>], count: Count) -> Points {
    hits.iter().filter(|hit| hit.counts(count)).fold(Points::ZERO, |sum, hit| sum.plus(hit.rule.weight))
}

fn at_most(kind: ActionKind, ceiling: Ceiling) -> ActionKind {
    kind.min(match ceiling {
        Ceiling::Pass => ActionKind::Deliver,
        Ceiling::Tag => ActionKind::Tag,
        Ceiling::Quarantine => ActionKind::Quarantine,
        Ceiling::Reject => ActionKind::Refuse,
    })
}

/// The refusal that follows from a decision.
fn refused(decision: &Decision, hits: &[Hit<'_>], overruled: Option<&str>) -> Refused {
    let counted = || hits.iter().filter(|hit| hit.counts(Count::Enforced));
    let hit = match decision {
        Decision::Rule { test } => counted().find(|hit| hit.finding.test == *test),
        // The first of the heaviest speaks for the score.
        Decision::Score { .. } => counted().rev().max_by_key(|hit| hit.rule.weight),
        _ => None,
    };
    let Some(hit) = hit else {
        return Refused {
            code: 550,
            enhanced: (5, 7, 1),
            text: "The recipient does not accept mail from this sender ({trace})".to_owned(),
            blame: postern_types::Blame::Recipient,
            cause: decision.to_string(),
            closes: false,
        };
    };
    let Answer { mut code, mut enhanced, text, blame } = hit.finding.test.entry().answer;
    // rfc7505 §4.2: 5.7.27 for a sender whose domain has a null MX.
    if matches!(hit.finding.fact, Fact::NullMx { .. }) {
        enhanced = (5, 7, 27);
    }
    let mut text = text.replace("{fact}", &public(&hit.finding.words()));
    if matches!(decision, Decision::Score { .. }) {
        (code, enhanced) = (550, (5, 7, 1));
        text.insert_str(0, "Too much speaks against this mail; most of all: ");
    }
    Refused {
        code,
        enhanced,
        text,
        blame,
        cause: match overruled {
            None => format!("{decision}: {}", hit.finding.words()),
            Some(why) => format!("{decision}: {}; {why}", hit.finding.words()),
        },
        closes: hit.finding.test.entry().reach == Reach::Connection,
    }
}

/// rfc5321 §4.5.3.1.5: a reply line has at most 512 octets; without SMTPUTF8 it is ASCII.
fn public(words: &str) -> String {
    words
        .chars()
        .take(200)
        .map(|c| if c.is_ascii() && !c.is_control() && c != '{' { c } else { '?' })
        .collect()
}
