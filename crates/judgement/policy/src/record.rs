//! What is stored of one transaction's judgement: the evidence once, and each recipient's verdict.

use serde::{Deserialize, Serialize};

use crate::evidence::known_only;
use crate::{Evidence, Policy, Verdict, judge};

/// Evidence and verdicts of one transaction, as the trace holds them in JSON. [`Record::replay`] reaches
/// a verdict again, with the policy of then.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// What was seen.
    pub evidence: Evidence,
    /// What followed, for each recipient that was judged; for a session that ended before RCPT, one
    /// entry with an empty recipient.
    #[serde(deserialize_with = "known_only")]
    pub verdicts: Vec<RecipientVerdict>,
}

/// One recipient's verdict.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RecipientVerdict {
    /// The recipient of the envelope; empty before RCPT.
    pub recipient: String,
    /// What followed for it.
    pub verdict: Verdict,
    /// What was known when the verdict was reached, where other things were known in the end: for a recipient
    /// that was refused before the client showed more of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then: Option<Box<Evidence>>,
}

impl RecipientVerdict {
    /// A verdict reached on what `seen` tells. That is kept with it only if it is not what `known`, the
    /// transaction's evidence in the end, tells a judge at that stage.
    #[must_use]
    pub fn new(recipient: String, verdict: Verdict, seen: &Evidence, known: &Evidence) -> Self {
        let then = seen_before(&verdict, seen, known).map(|seen| Box::new(seen.clone()));
        Self { recipient, verdict, then }
    }
}

/// `seen`, where it is not what `known` tells a judge at the verdict's stage.
fn seen_before<'a>(verdict: &Verdict, seen: &'a Evidence, known: &Evidence) -> Option<&'a Evidence> {
    (!seen.tells_the_same(known, verdict.stage)).then_some(seen)
}

/// A [`Record`] of what lives elsewhere: it is written only, as the same JSON.
#[derive(Debug, Serialize)]
pub struct RecordView<'a> {
    /// What was seen.
    pub evidence: &'a Evidence,
    /// What followed.
    pub verdicts: Vec<VerdictView<'a>>,
}

/// A [`RecipientVerdict`] of what lives elsewhere.
#[derive(Debug, Serialize)]
pub struct VerdictView<'a> {
    recipient: String,
    verdict: &'a Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    then: Option<&'a Evidence>,
}

impl<'a> VerdictView<'a> {
    /// As [`RecipientVerdict::new`].
    #[must_use]
    pub fn new(recipient: String, verdict: &'a Verdict, seen: &'a Evidence, known: &Evidence) -> Self {
        Self { recipient, verdict, then: seen_before(verdict, seen, known) }
    }
}

impl RecordView<'_> {
    /// As the trace holds it.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Plain data with string keys: serialising it cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Record {
    /// What the verdict was reached on.
    #[must_use]
    pub fn seen<'a>(&'a self, judged: &'a RecipientVerdict) -> &'a Evidence {
        judged.then.as_deref().unwrap_or(&self.evidence)
    }

    /// The verdict that follows for the recipient under `policy`: with the policy of then, the same.
    #[must_use]
    pub fn replay(&self, judged: &RecipientVerdict, policy: &Policy) -> Verdict {
        judge(self.seen(judged), policy, &judged.verdict.profile, judged.verdict.stage)
    }
}
