//! The smallest changes that would have changed a verdict: of the evidence, of the policy, of the profile.
//!
//! Every candidate is tried by [`judge`] itself on a changed copy, so nothing is said that is not so. The work
//! is bounded: so many findings, pairs of them only where no single one is enough.

use std::collections::BTreeMap;

use crate::change::{Alternative, Change, Turned};
use crate::explain::plain;
use crate::knob::Knob;
use crate::{
    ActionKind, Ceiling, Evidence, Fact, Finding, Listed, Mode, Outcome, Points, Policy, Profile, RuleAction,
    Test, Verdict, judge,
};

/// Findings that are looked at; honest sessions have some thirty.
const FINDINGS: usize = 64;
/// With more findings than this no pairs are tried: each try judges all of them.
const PAIRED: usize = 128;
/// Changes of the evidence that are told for one action: several may be as small as each other.
const EACH: usize = 3;
/// The configuration takes weights up to 1000 points.
const WEIGHT_MAX: i32 = 100_000;

/// What was judged, and how.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What the verdict was reached on.
    pub evidence: &'a Evidence,
    /// The policy of then.
    pub policy: &'a Policy,
    /// What `judge` made of them.
    pub verdict: &'a Verdict,
    /// For whom; empty before RCPT.
    pub recipient: &'a str,
}

/// The smallest changes that lead to another action: for each action first those of the evidence (one
/// finding, or two where no single one is enough), then one of each kind of setting, then the recipient's own.
/// Milder actions come first.
#[must_use]
pub fn counterfactuals(case: Case<'_>) -> Vec<Alternative> {
    let Case { evidence, policy, verdict, recipient } = case;
    let recipient = if recipient.is_empty() { "the recipient" } else { recipient };
    let mut search = Search {
        evidence: evidence.clone(),
        policy: policy.clone(),
        profile: verdict.profile.clone(),
        verdict,
        recipient,
    };
    let mut found = Vec::new();
    search.findings(&mut found);
    search.allowed(&mut found);
    search.thresholds(&mut found);
    search.rules(&mut found);
    search.wishes(&mut found);
    // Stable: within an action the order of the search stays.
    found.sort_by_key(|alternative| alternative.becomes);
    found
}

/// Copies that are changed, tried and changed back.
struct Search<'a> {
    evidence: Evidence,
    policy: Policy,
    profile: Profile,
    verdict: &'a Verdict,
    recipient: &'a str,
}

/// The best candidates so far, by the action that they lead to; the smallest size wins, then who came first.
struct Best<S> {
    by_action: BTreeMap<ActionKind, Vec<(S, Vec<Change>)>>,
    each: usize,
}

impl<S: Ord> Best<S> {
    fn new(each: usize) -> Self {
        Self { by_action: BTreeMap::new(), each }
    }

    fn offer(&mut self, becomes: ActionKind, size: S, changes: Vec<Change>) {
        let kept = self.by_action.entry(becomes).or_default();
        let at = kept.partition_point(|(other, _)| *other <= size);
        kept.insert(at, (size, changes));
        kept.truncate(self.each);
    }

    fn into(self, found: &mut Vec<Alternative>) {
        for (becomes, kept) in self.by_action {
            found.extend(kept.into_iter().map(|(_, changes)| Alternative::new(becomes, changes)));
        }
    }
}

impl Search<'_> {
    /// What happens with the changes as they stand, where it is something else.
    fn becomes(&self) -> Option<ActionKind> {
        let kind = self.kind();
        (kind != self.verdict.action.kind()).then_some(kind)
    }

    fn kind(&self) -> ActionKind {
        judge(&self.evidence, &self.policy, &self.profile, self.verdict.stage).action.kind()
    }

    /// One finding answered the other way, or two.
    fn findings(&mut self, found: &mut Vec<Alternative>) {
        let stage = self.verdict.stage;
        let all = self.evidence.findings.iter().enumerate();
        let relevant = all.filter(|(_, finding)| finding.test.stage() <= stage);
        let relevant: Vec<usize> = relevant.map(|(at, _)| at).take(FINDINGS).collect();
        let mut best = Best::new(EACH);
        for &at in &relevant {
            let turned = self.turn(at);
            if let Some(becomes) = self.becomes() {
                best.offer(becomes, turned.size(), vec![turned.change()]);
            }
            turned.back(&mut self.evidence);
        }
        let singly: Vec<ActionKind> = best.by_action.keys().copied().collect();
        best.into(found);
        self.pairs(&relevant, &singly, found);
    }

    /// Two findings, for the actions that no single one leads to.
    fn pairs(&mut self, relevant: &[usize], singly: &[ActionKind], found: &mut Vec<Alternative>) {
        if self.evidence.findings.len() > PAIRED {
            return;
        }
        let mut best = Best::new(1);
        for (i, &first) in relevant.iter().enumerate() {
            let one = self.turn(first);
            for &second in &relevant[i + 1..] {
                let other = self.turn(second);
                if let Some(becomes) = self.becomes().filter(|becomes| !singly.contains(becomes)) {
                    let (a, b) = (one.size(), other.size());
                    let size = (a.0 + b.0, a.1.plus(b.1));
                    best.offer(becomes, size, vec![one.change(), other.change()]);
                }
                other.back(&mut self.evidence);
            }
            one.back(&mut self.evidence);
        }
        best.into(found);
    }

    /// Answers the finding the other way: what hit is clear, what did not hit hits.
    fn turn(&mut self, at: usize) -> Turn {
        let was = self.evidence.findings[at].clone();
        let to = if was.outcome == Outcome::Hit { Outcome::Clear } else { Outcome::Hit };
        let mut now = Finding { outcome: to, ..was.clone() };
        // The policy knows a list by its zone.
        if let (
            Test::Dnsbl,
            Fact::NoAnswer { question: zone, .. } | Fact::ZoneOff { zone, .. } | Fact::Name { name: zone },
        ) = (was.test, &was.fact)
        {
            now.fact = Fact::Dnsbl { zone: zone.clone(), codes: Vec::new(), meaning: String::new() };
        }
        let hit = if to == Outcome::Hit { &now } else { &was };
        let rule = self.policy.rule(hit);
        let turned = Turned {
            test: was.test,
            label: label(&hit.fact),
            words: plain(was.words()),
            action: rule.action,
            weight: rule.weight,
            from: was.outcome,
            to,
        };
        self.evidence.findings[at] = now;
        Turn { at, was, turned }
    }

    /// The operator's allow list has the client.
    fn allowed(&mut self, found: &mut Vec<Alternative>) {
        self.evidence.findings.push(Finding::new(Test::AllowList, Outcome::Hit, Fact::Nothing));
        if let Some(becomes) = self.becomes() {
            let entry = self.evidence.client.ip.to_string();
            found
                .push(Alternative::new(becomes, vec![Change::Allow { setting: "gate.allow".into(), entry }]));
        }
        self.evidence.findings.pop();
    }

    /// A threshold just above the score, or at it.
    fn thresholds(&mut self, found: &mut Vec<Alternative>) {
        let score = self.verdict.score;
        let mut best = Best::new(1);
        for name in ["quarantine", "reject"] {
            let from = *threshold(&mut self.policy, name);
            for to in [score.plus(Points::hundredths(1)), score] {
                // The configuration takes no threshold that would stop every message.
                if to <= Points::ZERO {
                    continue;
                }
                *threshold(&mut self.policy, name) = Some(to);
                if let Some(becomes) = self.becomes() {
                    let distance = from.map_or(i32::MAX, |from| to.distance(from));
                    let setting = format!("gate.{name}");
                    best.offer(becomes, distance, vec![Change::Threshold { setting, from, to }]);
                }
            }
            *threshold(&mut self.policy, name) = from;
        }
        best.into(found);
    }

    /// Weight, action and mode of each rule that a hit follows.
    fn rules(&mut self, found: &mut Vec<Alternative>) {
        let knobs = self.knobs();
        let (mut weights, mut actions, mut modes) = (Best::new(1), Best::new(1), Best::new(1));
        for knob in &knobs {
            self.weight(knob, &mut weights);
            self.action(knob, &mut actions);
            self.mode(knob, &mut modes);
        }
        weights.into(found);
        actions.into(found);
        modes.into(found);
    }

    /// The settings that say something about the hits.
    fn knobs(&self) -> Vec<Knob> {
        let mut knobs = Vec::new();
        let hits = self.evidence.until(self.verdict.stage).filter(|finding| finding.outcome == Outcome::Hit);
        for hit in hits.take(FINDINGS) {
            for knob in Knob::of(hit, &self.policy) {
                if !knobs.contains(&knob) {
                    knobs.push(knob);
                }
            }
        }
        knobs
    }

    /// The nearest weight for each action that weights can lead to. The harder the weight, the harder the
    /// action, so halving finds it.
    fn weight(&mut self, knob: &Knob, best: &mut Best<i32>) {
        let Some(from) = knob.weight(&mut self.policy).map(|weight| *weight) else { return };
        let now = self.verdict.action.kind();
        let mut at = |to: i32| {
            if let Some(weight) = knob.weight(&mut self.policy) {
                *weight = Points::hundredths(to);
            }
            self.kind()
        };
        let start = from.as_hundredths();
        for target in [ActionKind::Deliver, ActionKind::Tag, ActionKind::Quarantine, ActionKind::Refuse] {
            if target == now {
                continue;
            }
            let milder = target < now;
            let enough = |kind: ActionKind| if milder { kind <= target } else { kind >= target };
            // A weight below zero would be a reward for what speaks against a client.
            let (mut same, mut other) = (start, if milder { start.min(0) } else { WEIGHT_MAX });
            if same == other || !enough(at(other)) {
                continue;
            }
            while same.abs_diff(other) > 1 {
                let middle = same + (other - same) / 2;
                if enough(at(middle)) { other = middle } else { same = middle }
            }
            if at(other) == target {
                let setting = knob.weight_setting();
                let to = Points::hundredths(other);
                best.offer(target, to.distance(from), vec![Change::Weight { setting, from, to }]);
            }
        }
        at(start);
    }

    fn action(&mut self, knob: &Knob, best: &mut Best<i32>) {
        const ACTIONS: [RuleAction; 4] =
            [RuleAction::Off, RuleAction::Score, RuleAction::Quarantine, RuleAction::Reject];
        let Some(from) = knob.rule(&mut self.policy).map(|rule| rule.action) else { return };
        for to in ACTIONS.into_iter().filter(|to| *to != from) {
            if let Some(rule) = knob.rule(&mut self.policy) {
                rule.action = to;
            }
            if let Some(becomes) = self.becomes() {
                let setting = format!("{}.action", knob.section());
                let steps = (to as i32 - from as i32).abs();
                best.offer(becomes, steps, vec![Change::Action { setting, from, to }]);
            }
        }
        if let Some(rule) = knob.rule(&mut self.policy) {
            rule.action = from;
        }
    }

    fn mode(&mut self, knob: &Knob, best: &mut Best<()>) {
        let Some(from) = knob.rule(&mut self.policy).map(|rule| rule.mode) else { return };
        let to = if from == Mode::Enforce { Mode::Shadow } else { Mode::Enforce };
        let set = |mode, search: &mut Self| {
            if let Some(rule) = knob.rule(&mut search.policy) {
                rule.mode = mode;
            }
        };
        set(to, self);
        if let Some(becomes) = self.becomes() {
            let setting = format!("{}.mode", knob.section());
            best.offer(becomes, (), vec![Change::Mode { setting, from, to }]);
        }
        set(from, self);
    }

    /// What the recipient could have wished: an entry more or less, another ceiling.
    fn wishes(&mut self, found: &mut Vec<Alternative>) {
        let recipient = self.recipient.to_owned();
        let mut best = Best::new(1);
        let from = self.profile.sender.clone();
        for to in self.entries() {
            self.profile.sender = to.clone();
            if let Some(becomes) = self.becomes() {
                let (recipient, from) = (recipient.clone(), from.clone());
                best.offer(becomes, 0, vec![Change::Sender { recipient, from, to }]);
            }
        }
        self.profile.sender = from;
        best.into(found);

        let mut best = Best::new(1);
        let from = self.profile.failed;
        for to in [Ceiling::Pass, Ceiling::Tag, Ceiling::Quarantine, Ceiling::Reject] {
            self.profile.failed = to;
            if let Some(becomes) = self.becomes() {
                let steps = (to as i32 - from as i32).abs();
                let recipient = recipient.clone();
                best.offer(becomes, steps, vec![Change::Failed { recipient, from, to }]);
            }
        }
        self.profile.failed = from;
        best.into(found);
    }

    /// What the recipient's lists could say of the sender.
    fn entries(&self) -> Vec<Listed> {
        let sender = self.evidence.sender.as_ref().and_then(|sender| sender.address());
        let Some(entry) = sender.map(ToString::to_string).filter(|_| self.profile.sender.is_no()) else {
            return vec![Listed::No];
        };
        vec![Listed::Allowed { entry: entry.clone() }, Listed::Blocked { entry }]
    }
}

/// A finding that was turned, and how to turn it back.
struct Turn {
    at: usize,
    was: Finding,
    turned: Turned,
}

impl Turn {
    /// What could easily have been otherwise comes first: a hit, then what had no answer, then what was not
    /// asked, then what was clear; and of these the lightest.
    fn size(&self) -> (u8, Points) {
        let likely = match self.turned.from {
            Outcome::Hit => 0,
            Outcome::Unknown => 1,
            Outcome::Skipped => 2,
            Outcome::Clear => 3,
        };
        (likely, Points::hundredths(self.turned.weight.as_hundredths().saturating_abs()))
    }

    fn change(&self) -> Change {
        Change::Finding(self.turned.clone())
    }

    fn back(self, evidence: &mut Evidence) {
        evidence.findings[self.at] = self.was;
    }
}

/// What the sentence about a finding calls it by.
fn label(fact: &Fact) -> Option<String> {
    match fact {
        Fact::FieldCount { field, .. } => Some(field.clone()),
        _ => fact.label().map(str::to_owned),
    }
}

fn threshold<'a>(policy: &'a mut Policy, name: &str) -> &'a mut Option<Points> {
    match name {
        "reject" => &mut policy.thresholds.reject,
        _ => &mut policy.thresholds.quarantine,
    }
}

impl Points {
    fn distance(self, other: Self) -> i32 {
        self.as_hundredths().saturating_sub(other.as_hundredths()).saturating_abs()
    }
}
