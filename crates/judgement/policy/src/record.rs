//! What is stored of one transaction's judgement: the evidence once, and each recipient's verdict.

use serde::{Deserialize, Serialize};

use crate::evidence::known_only;
use crate::{Evidence, Verdict};

/// Evidence and verdicts of one transaction, as the trace holds them in JSON. Replaying a verdict is
/// `judge(&record.evidence, …)` with the policy of then.
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
}
