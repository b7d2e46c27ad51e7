//! A draft policy over stored evidence: what would have been otherwise, why, and what cannot be known.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use postern_policy::{
    ActionKind, Evidence, Outcome, Part, Policy, RecipientVerdict, Record, RuleAction, Stage, Test,
    differences,
};
use postern_store::TraceRecord;
use postern_types::TraceId;
use serde::Serialize;

use crate::failure::Failure;
use crate::judged::Policies;

/// Recipients that are counted one by one.
const RECIPIENTS: usize = 10_000;
/// Examples of one kind of change.
const EXAMPLES: usize = 5;
/// Versions of the policy whose difference from the draft is remembered.
const VERSIONS: usize = 256;

/// What the draft would have done.
#[derive(Debug, Serialize)]
pub(crate) struct Preview {
    pub(crate) traces: u64,
    pub(crate) verdicts: u64,
    /// The kinds of change, the most frequent first once it is done.
    pub(crate) changes: Vec<Changed>,
    /// How often which change, by recipient, for those with any.
    pub(crate) recipients: BTreeMap<String, BTreeMap<String, u64>>,
    /// Changes of recipients beyond those that are counted one by one.
    pub(crate) other_recipients: u64,
    /// Changes of what was refused before the message was read.
    pub(crate) unseen: u64,
    /// Traces without evidence.
    pub(crate) without_evidence: u64,
    /// Traces whose evidence this version cannot read.
    pub(crate) unreadable: u64,
    /// Verdicts whose policy is not kept.
    pub(crate) without_policy: u64,
    /// Verdicts that lack evidence that the draft asks for, by setting.
    pub(crate) missing: BTreeMap<String, u64>,
    /// Settings of the draft that change what is asked.
    pub(crate) collected_otherwise: Vec<String>,
    #[serde(skip)]
    draft: Arc<Policy>,
    #[serde(skip)]
    versions: HashMap<String, Option<Arc<Older>>>,
}

/// One kind of change.
#[derive(Debug, Serialize)]
pub(crate) struct Changed {
    pub(crate) from: ActionKind,
    pub(crate) to: ActionKind,
    pub(crate) count: u64,
    /// The draft's settings without which it would not have changed.
    pub(crate) because: Vec<Cause>,
    pub(crate) examples: Vec<Example>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Cause {
    pub(crate) setting: String,
    pub(crate) count: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Example {
    pub(crate) id: TraceId,
    pub(crate) recipient: String,
    /// What decides under the draft.
    pub(crate) decided_by: String,
}

/// A policy of then, held against the draft.
#[derive(Debug)]
struct Older {
    policy: Policy,
    /// What the draft does otherwise.
    differences: Vec<Part>,
    /// What the draft asks and the older one did not.
    unasked: Vec<Part>,
}

impl Preview {
    pub(crate) fn new(draft: Arc<Policy>, collected_otherwise: Vec<String>) -> Self {
        Self {
            traces: 0,
            verdicts: 0,
            changes: Vec::new(),
            recipients: BTreeMap::new(),
            other_recipients: 0,
            unseen: 0,
            without_evidence: 0,
            unreadable: 0,
            without_policy: 0,
            missing: BTreeMap::new(),
            collected_otherwise,
            draft,
            versions: HashMap::new(),
        }
    }

    /// How many verdicts would have been others.
    pub(crate) fn changed(&self) -> u64 {
        self.changes.iter().map(|change| change.count).sum()
    }

    /// Judges one transaction again.
    pub(crate) async fn add(&mut self, record: &TraceRecord, policies: &mut Policies) -> Result<(), Failure> {
        self.traces += 1;
        if record.evidence.is_empty() {
            self.without_evidence += 1;
            return Ok(());
        }
        let Ok(stored) = serde_json::from_str::<Record>(&record.evidence) else {
            self.unreadable += 1;
            return Ok(());
        };
        for judged in &stored.verdicts {
            self.verdicts += 1;
            let older = self.older(&judged.verdict.policy, policies).await?;
            self.judge(record.id, &stored, judged, older.as_deref());
        }
        Ok(())
    }

    fn judge(&mut self, id: TraceId, stored: &Record, judged: &RecipientVerdict, older: Option<&Older>) {
        match older {
            Some(older) => self.note_missing(stored.seen(judged), judged, older),
            None => self.without_policy += 1,
        }
        let again = stored.replay(judged, &self.draft);
        let (from, to) = (judged.verdict.action.kind(), again.action.kind());
        if from == to {
            return;
        }
        // Refused before the message came: the tests of its header were never made.
        self.unseen += u64::from(judged.verdict.stage < Stage::Data && to < ActionKind::Refuse);
        let settings = older.map_or_else(Vec::new, |older| self.because(stored, judged, older, to));
        let example =
            Example { id, recipient: judged.recipient.clone(), decided_by: again.decided_by.to_string() };
        self.count(from, to, settings, example);
    }

    /// The settings of the draft that each would have to stay as they were for another end.
    fn because(
        &self,
        stored: &Record,
        judged: &RecipientVerdict,
        older: &Older,
        to: ActionKind,
    ) -> Vec<String> {
        let mut settings = Vec::new();
        for part in &older.differences {
            let mut without = Policy::clone(&self.draft);
            part.take(&older.policy, &mut without);
            if stored.replay(judged, &without).action.kind() != to {
                settings.push(part.setting());
            }
        }
        if settings.is_empty() {
            settings.push("several settings, none of them alone".into());
        }
        settings
    }

    fn count(&mut self, from: ActionKind, to: ActionKind, settings: Vec<String>, example: Example) {
        let known = self.changes.iter().position(|change| (change.from, change.to) == (from, to));
        let at = known.unwrap_or_else(|| {
            self.changes.push(Changed { from, to, count: 0, because: Vec::new(), examples: Vec::new() });
            self.changes.len() - 1
        });
        let change = &mut self.changes[at];
        change.count += 1;
        for setting in settings {
            match change.because.iter_mut().find(|cause| cause.setting == setting) {
                Some(cause) => cause.count += 1,
                None => change.because.push(Cause { setting, count: 1 }),
            }
        }
        if !example.recipient.is_empty() {
            if self.recipients.len() < RECIPIENTS || self.recipients.contains_key(&example.recipient) {
                let counts = self.recipients.entry(example.recipient.clone()).or_default();
                *counts.entry(format!("{from} → {to}")).or_default() += 1;
            } else {
                self.other_recipients += 1;
            }
        }
        if change.examples.len() < EXAMPLES {
            change.examples.push(example);
        }
    }

    fn note_missing(&mut self, evidence: &Evidence, judged: &RecipientVerdict, older: &Older) {
        // Who is allowed is not tested, today no more than then.
        let allowed = evidence.of(Test::AllowList).any(|finding| finding.outcome == Outcome::Hit);
        if allowed || evidence.client.trusted {
            return;
        }
        for part in &older.unasked {
            let stage = match part {
                Part::Test(test) => test.stage(),
                Part::Zone(_) => Test::Dnsbl.stage(),
                Part::HeaderRule(_) => Test::HeaderRule.stage(),
                Part::QuarantineFrom | Part::RejectFrom => continue,
            };
            if stage <= judged.verdict.stage {
                *self.missing.entry(part.setting()).or_default() += 1;
            }
        }
    }

    async fn older(&mut self, version: &str, policies: &mut Policies) -> Result<Option<Arc<Older>>, Failure> {
        if let Some(known) = self.versions.get(version) {
            return Ok(known.clone());
        }
        let older = policies.get(version).await?.map(|policy| {
            let differences = differences(&policy, &self.draft);
            let unasked = differences.iter().filter(|part| is_unasked(part, &policy, &self.draft));
            let unasked = unasked.cloned().collect();
            Arc::new(Older { policy: Policy::clone(&policy), differences, unasked })
        });
        if self.versions.len() >= VERSIONS {
            self.versions.clear();
        }
        self.versions.insert(version.to_owned(), older.clone());
        Ok(older)
    }
}

/// Whether the draft needs answers that were not asked for under the older policy: a test that is off is not
/// made (but the allow list, which decides whether others are).
fn is_unasked(part: &Part, older: &Policy, draft: &Policy) -> bool {
    let off = |policy: &Policy, test: Test| policy.tests[test].action == RuleAction::Off;
    match part {
        Part::QuarantineFrom | Part::RejectFrom | Part::Test(Test::AllowList) => false,
        Part::Test(test) => off(older, *test) && !off(draft, *test),
        Part::Zone(zone) => {
            draft.zones.contains_key(zone)
                && !off(draft, Test::Dnsbl)
                && (!older.zones.contains_key(zone) || off(older, Test::Dnsbl))
        }
        Part::HeaderRule(name) => {
            draft.header_rules.contains_key(name)
                && !off(draft, Test::HeaderRule)
                && (!older.header_rules.contains_key(name) || off(older, Test::HeaderRule))
        }
    }
}
