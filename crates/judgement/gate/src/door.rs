//! The door: who is on a list and turned away before anything is begun. Only a sample of them is recorded, see
//! [`Sample`](crate::Sample).

use std::net::IpAddr;

use arc_swap::ArcSwap;
use postern_events::RefusedWhy;
use postern_policy::{Evidence, Policy, Profile, RecordView, Stage, Verdict, VerdictView, judge};
use postern_store::{Outcome, TraceRecord};
use postern_types::{Refusal, Timestamp, TraceId};

use crate::{Fast, Gate};

/// A client that is turned away.
#[derive(Debug)]
pub struct TurnedAway {
    /// Which kind of list has it.
    pub why: RefusedWhy,
    /// What it hears.
    pub refusal: Refusal,
    trace: TraceId,
    evidence: Evidence,
    verdict: Verdict,
}

impl Gate {
    /// Whether a list blocks an address, and the policy refuses for that. Only then a trace is asked for.
    #[must_use]
    pub fn turn_away(
        &self,
        ip: IpAddr,
        policy: &ArcSwap<Policy>,
        trace: impl FnOnce() -> TraceId,
    ) -> Option<TurnedAway> {
        let why = match self.fast(ip) {
            Fast::Allowed { .. } | Fast::Unlisted => return None,
            Fast::Blocked { .. } => RefusedWhy::BlockList,
            Fast::Feedback => RefusedWhy::Feedback,
        };
        let (evidence, trace) = (self.door(ip), trace());
        let verdict = judge(&evidence, &policy.load(), &Profile::default(), Stage::Connect);
        let refusal = verdict.refusal(trace)?;
        Some(TurnedAway { why, refusal, trace, evidence, verdict })
    }
}

impl TurnedAway {
    /// The trace of it; `helo` is what the client has called itself, if it has.
    #[must_use]
    pub fn record(self, helo: String) -> TraceRecord {
        let Self { refusal, trace, evidence, verdict, .. } = self;
        let permanent = refusal.reply.code.is_permanent();
        let judged = VerdictView::new(String::new(), &verdict, &evidence, &evidence);
        let record = RecordView { evidence: &evidence, verdicts: vec![judged] }.to_json();
        TraceRecord {
            id: trace,
            at: Timestamp::now(),
            client: evidence.client.ip,
            helo,
            sender: None,
            recipients: Vec::new(),
            outcome: if permanent { Outcome::Refused } else { Outcome::Deferred },
            reply: refusal.reply.to_string(),
            size: 0,
            duration_us: 0,
            evidence: record,
        }
    }
}
