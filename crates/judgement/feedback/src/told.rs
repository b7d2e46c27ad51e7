//! What services tell of a transaction, the same for each of them.

use std::net::IpAddr;

use postern_policy::{Evidence, Verdict};
use postern_types::TraceId;

use crate::{Offence, Outcome, Report};

/// Whether a transaction's recipients got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// They did.
    Yes,
    /// They did not, or nobody knows.
    No,
}

/// What has been told of a session's clients: the same again in one session is one mistake, not many.
#[derive(Clone, Debug, Default)]
pub struct Told(Vec<(IpAddr, Offence)>);

/// Offences that are remembered; a neighbour's session may go on for ever.
const TOLD: usize = 64;

impl Report {
    /// What to report of a transaction whose recipients had these verdicts: those who were open to it in the end, and
    /// those who were refused.
    #[must_use]
    pub fn of_transaction<'a>(
        trace: TraceId,
        evidence: &Evidence,
        open: impl Iterator<Item = &'a Verdict>,
        refused: impl Iterator<Item = &'a Verdict>,
        taken: Taken,
    ) -> Option<Self> {
        let (accepted, refused): (Vec<_>, Vec<_>) = match taken {
            Taken::Yes => (open.collect(), refused.collect()),
            Taken::No => (Vec::new(), open.chain(refused).collect()),
        };
        Self::of(trace, evidence, &accepted, &refused)
    }
}

impl Told {
    /// Whether a report says something that was not told yet; from now on it was.
    pub fn is_new(&mut self, report: &Report) -> bool {
        let Outcome::Caught(caught) = &report.outcome else { return true };
        let this = (report.ip, caught.offence);
        if self.0.contains(&this) {
            return false;
        }
        self.0.truncate(TOLD - 1);
        self.0.insert(0, this);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Caught;

    #[test]
    fn what_was_told_once_is_not_told_again() {
        let mut told = Told::default();
        let of = |last: u8, outcome: Outcome| Report {
            ip: [192, 0, 2, last].into(),
            trace: TraceId::floor(postern_types::Timestamp::from_millis(1)),
            outcome,
            domains: 0,
            provider: false,
        };
        let caught = |offence| Outcome::Caught(Caught { offence, words: String::new() });
        assert!(told.is_new(&of(1, caught(Offence::Forgery))));
        assert!(!told.is_new(&of(1, caught(Offence::Forgery))));
        assert!(
            told.is_new(&of(1, caught(Offence::Dialup))) && told.is_new(&of(2, caught(Offence::Forgery)))
        );
        assert!(told.is_new(&of(1, Outcome::Clean)) && told.is_new(&of(1, Outcome::Clean)));
        for last in 3..=255 {
            assert!(told.is_new(&of(last, caught(Offence::Forgery))));
        }
        assert_eq!(told.0.len(), TOLD);
    }
}
