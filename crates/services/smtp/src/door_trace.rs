//! The trace of a client that was turned away at the door by a list. Only a sample of them is kept:
//! see [`postern_gate::Sample`].

use std::net::IpAddr;

use postern_policy::{Evidence, RecipientVerdict, Record, Verdict};
use postern_store::{Outcome, TraceRecord};
use postern_types::{Refusal, Timestamp, TraceId};

/// The record of a client that heard `refusal` instead of a greeting.
pub(crate) fn record(
    id: TraceId,
    client: IpAddr,
    refusal: &Refusal,
    evidence: Evidence,
    verdict: Verdict,
) -> TraceRecord {
    let verdicts = vec![RecipientVerdict { verdict, ..RecipientVerdict::default() }];
    TraceRecord {
        id,
        at: Timestamp::now(),
        client,
        helo: String::new(),
        sender: None,
        recipients: Vec::new(),
        outcome: Outcome::Refused,
        reply: refusal.reply.to_string(),
        size: 0,
        duration_us: 0,
        // Plain data with string keys: serialising it cannot fail.
        evidence: serde_json::to_string(&Record { evidence, verdicts }).unwrap_or_default(),
    }
}
