//! Traces of clients that were turned away at the door by a list: a sample of them.
//!
//! A flood from blocked addresses must cost next to nothing, so no more than a few a second are
//! recorded; each reply has its trace id all the same, and the metrics count them all.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use postern_policy::{Evidence, RecipientVerdict, Record, Verdict};
use postern_store::{Outcome, TraceRecord};
use postern_types::{Refusal, Timestamp, TraceId};

/// Records a second at most.
const PER_SECOND: u64 = 20;

/// Lets the first few of each second through.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    /// The second (upper 48 bits) and how many it has had (lower 16).
    state: AtomicU64,
}

impl Sample {
    /// Whether this one is recorded.
    pub(crate) fn takes(&self, now: Timestamp) -> bool {
        let second = now.as_secs().cast_unsigned() << 16;
        let step = |state: u64| {
            let count = if state >> 16 == second >> 16 { state & 0xffff } else { 0 };
            (count < PER_SECOND).then_some(second | (count + 1))
        };
        self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).is_ok()
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_leaves_a_few_records_a_second() {
        let sample = Sample::default();
        let at = |millis: i64| Timestamp::from_millis(1_800_000_000_000 + millis);
        let taken = (0..900).filter(|&millis| sample.takes(at(millis))).count();
        assert_eq!(taken, 20);
        assert!(sample.takes(at(1000)), "the next second has its own");
    }
}
